//! Structural validation: what every written resource must keep, whatever its profiles.
//!
//! ```text
//!                     ┌ yes ─▶ no issues                    one pass, microseconds
//!  resource ─▶ gate ──┤
//!          (jsonschema)└ no ──▶ issues: walk the resource   every problem, with its path
//!              ▲                  ▲
//!              └── schema ────────┴── definitions           generated on first use, per type
//! ```
//!
//! Known elements only, JSON kinds, cardinality, one value per choice, the rules of primitives,
//! codes of required bindings, values aligned with their `_companions`, extensions, contained
//! and nested resources. <https://hl7.org/fhir/R4/validation.html> (Structure, Cardinality,
//! Value Domains, and of the bindings those of `code`), <https://hl7.org/fhir/R4/json.html>.
//! Invariants in FHIRPath, profiles, slices, references and what R4 says in prose are in
//! [`profile`]; where an issue is in the JSON that was sent, in [`places`]. Deliberately not here:
//! terminology beyond lists that the definitions hold.
//!
//! ## Decisions
//!
//! **2026-11-21: two readers of one set of definitions.** The `jsonschema` crate answers yes or
//! no; only a refused resource is walked a second time to say why. A schema's own errors name
//! the keyword that failed, which is of no use to whoever sent `nmae`; and words cost time on
//! the path that nearly every resource takes. Cost: each rule stands twice. Tests hold the two
//! to the same verdict, over the official examples and over seeded mutants of them.
//!
//! **2026-11-21: a schema per type, joined by a keyword of ours.** One document per resource
//! type, data types included, repeats about forty types in each of 146 documents; 75 ms to
//! compile one was measured elsewhere, and its memory not at all. Here `Patient`,
//! `Patient.contact` and `HumanName` compile apart, each once, when the first instance meets it.
//! Cost: the schemas are for this program, not for publishing. Measured in a release build on
//! 2 cores shared with other work, in CPU time: an Observation of 800 bytes is accepted in
//! 1.6 µs over and over, in 3.6 µs among 2,000 others; the first resource of a type costs less
//! than 10 ms, its data types included, and all 146 types without their parts 0.12 s. Live heap,
//! decoded definitions included: 7.4 MB after all of Synthea (24 types), 29 MB after the 2,906
//! official examples.
//!
//! **2026-11-21: compiled schemas are never freed.** They refer to each other in circles and
//! live as long as the process anyway; see `keywords::Compiled`.

mod calendar;
mod issues;
mod keywords;
pub mod places;
mod primitive;
pub mod profile;
mod schema;
#[cfg(test)]
mod tests;
mod walk;

use std::sync::Arc;

use serde_json::Value;

use crate::definitions::Definitions;
use crate::error::Issue;
use crate::fhir::ResourceType;

/// The structural rules of all resource types.
///
/// One per process: what it compiles is kept for good.
pub struct Validator {
    definitions: Arc<Definitions>,
    schemas: &'static keywords::Schemas,
}

impl Validator {
    /// Cheap: a type is compiled when the first resource of it comes.
    pub fn new(definitions: Arc<Definitions>) -> Arc<Validator> {
        Arc::new(Validator {
            schemas: keywords::Schemas::new(definitions.clone()),
            definitions,
        })
    }

    /// Every structural problem of a resource of this type, up to [`MOST_ISSUES`]; empty when
    /// it is valid. The resources inside it are validated too. All issues are errors.
    pub fn validate(&self, resource_type: ResourceType, resource: &Value) -> Vec<Issue> {
        if self.is_valid(resource_type, resource) {
            return Vec::new();
        }
        let issues = walk::issues(&self.definitions, resource_type, resource);
        if issues.is_empty() {
            // The two readers must agree; if ever they do not, the stricter verdict stands.
            let validator = self.schemas.resource(resource_type).validator();
            return vec![issues::refused(resource_type, validator, resource)];
        }
        issues
    }

    /// The verdict alone.
    pub fn is_valid(&self, resource_type: ResourceType, resource: &Value) -> bool {
        self.schemas
            .resource(resource_type)
            .validator()
            .is_valid(resource)
    }
}

pub use walk::MOST_ISSUES;
