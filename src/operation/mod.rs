//! The operations (`$name`), one file each. <https://hl7.org/fhir/R4/operations.html>

pub mod convert;
pub mod meta;
pub mod reindex;
pub mod validate;
