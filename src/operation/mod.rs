//! The operations (`$name`), one file each. <https://hl7.org/fhir/R4/operations.html>

pub mod meta;
pub mod reindex;
