//! The operations (`$name`), one file each. <https://hl7.org/fhir/R4/operations.html>

pub mod closure;
pub mod convert;
pub mod elsewhere;
pub mod expand;
pub mod find_matches;
mod given;
pub mod install_package;
pub mod lookup;
pub mod meta;
pub mod reindex;
pub mod remove_package;
pub mod snapshot;
pub mod subsumes;
pub mod terminology;
pub mod translate;
pub mod validate;
pub mod validate_code;

pub use given::Given;
