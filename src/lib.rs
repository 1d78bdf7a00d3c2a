//! Andiron: a FHIR R4 interoperability server.
//!
//! Layers; imports point down only:
//!
//! ```text
//! 4 edge        api  cli                             HTTP, headers, command line; the only users of axum
//! 3 use cases   interaction  operation  graphql  jobs
//! 2 engines     search  validation  terminology  package
//! 1 ground      storage | definitions <- fhirpath, format
//!                                                    storage alone opens database connections
//! 0 values      fhir (decimals, UCUM, XML)  access  error  config    plain data, no I/O, no globals
//! ```
//!
//! Invariants (break one only by editing it here):
//! 1. Engines are pure where they can be: `fhirpath`, `definitions`, `format`, `validation`, `terminology` and
//!    `search::{parse,resolve,plan,rewrite,sql}` do no I/O.
//! 2. Wire types stop at `api`: below it nobody sees `axum`, status codes or header maps.
//! 3. Parsing and validating yield values *and* issues, not the first error only.
//! 4. A read sees one snapshot: a search page, its includes and its total run in one
//!    read-only repeatable-read transaction.
//! 5. A write is one transaction: the resource row, its superseded version and its index
//!    entries commit together or not at all.
//! 6. Every query that returns or changes resources takes an [`access::Access`] value;
//!    there is no overload without it.
//! 7. The CapabilityStatement is *derived* from the same tables as the router and the
//!    search registry.

pub mod access;
pub mod api;
pub mod cli;
pub mod config;
pub mod definitions;
pub mod error;
pub mod fhir;
pub mod fhirpath;
pub mod format;
pub mod graphql;
pub mod interaction;
pub mod jobs;
pub mod operation;
pub mod package;
pub mod search;
pub mod storage;
#[cfg(test)]
mod suites;
pub mod terminology;
pub mod validation;
