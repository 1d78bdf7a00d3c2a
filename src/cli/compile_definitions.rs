//! `andiron compile-definitions DIR --out FILE`: a developer's command, hidden from `--help`.
//!
//! It turns an unpacked package of FHIR definitions (<https://hl7.org/fhir/R4/packages.html>)
//! into a container under `profiles/`. It downloads nothing.

use std::path::Path;

use crate::definitions;

/// Compiles the package in `source` into `out` and prints what was done.
pub fn run(source: &Path, out: &Path) -> Result<(), String> {
    let summary = definitions::compile(source, out)?;
    println!("{summary}");
    Ok(())
}
