//! Search: a query as a line of total functions.
//!
//! ```text
//! parse -> resolve -> plan -> rewrite/* -> sql -> page
//! ```
//!
//! <https://hl7.org/fhir/R4/search.html>. What is indexed is described in [`index`]; each
//! search type is one file of `params/` with both halves: the rows that it extracts from a
//! resource and the predicate that it compiles from a query value.

pub mod index;
pub mod literal_references;
pub mod params;
pub mod plan;
pub mod registry;
