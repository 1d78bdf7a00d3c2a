//! FHIRPath Patch: <https://hl7.org/fhir/R4/fhirpatch.html>.
//!
//! ```text
//! Parameters ─▶ operations ─┐
//!                           ▼
//! JSON ─▶ evaluate the path ─▶ items ─▶ place: where they stand ─▶ slots of that list, edited
//! ```
//!
//! `operations` reads the Parameters, `value` makes a value of its parts, `place` finds where
//! the items of an expression stand in the JSON, and `apply` carries out. An element, repeating
//! or not, is edited as a list of *slots*, each a value with what stands beside it, so that
//! values and extensions of primitives stay aligned.
//!
//! ## Decisions
//! 2026-11-22: what the specification leaves open. A path with no item is an error, but for
//! `delete`; several items are one too, and for `insert` and `move` they must be all of one
//! list. A list that is not there yet may be inserted into at 0. What a deletion leaves empty
//! goes as well, since FHIR has no empty elements. `replace` may change the type of a choice,
//! and replaces the id and extensions of a primitive with its value. Types of values must agree
//! as JSON tells them apart (string, number, boolean, object of a type): a `valueString` may
//! become a `code`, and validation says whether it is one.

mod apply;
mod operations;
mod place;
#[cfg(test)]
mod tests;
mod value;

pub use apply::{Ground, apply};
pub use operations::{Patch, read};
