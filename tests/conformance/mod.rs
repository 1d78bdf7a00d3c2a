//! The official suites: each is run whole, compared with its ledger in `conformance/` exactly,
//! and counted in the scoreboard there.
//!
//! A suite lies in the shared material (`ANDIRON_SHARED`, default `../shared`); without it a
//! run says so loudly and passes. A ledger names the cases that fail and why each may: a case
//! that fails and is not there, and one that passes and is, fail the run.

mod fhirpath;
mod graphql;
mod invariants;
mod mutants;
mod packages;
mod patch;
mod scoreboard;
mod snapshot;
mod terminology;
mod validator;

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};

/// A folder of the shared material; tells when it is not there.
fn shared(folder: &str) -> Option<PathBuf> {
    let root = Path::new(env!("CARGO_MANIFEST_DIR"));
    let shared = std::env::var_os("ANDIRON_SHARED");
    let shared = shared.map_or_else(|| root.join("../shared"), PathBuf::from);
    let path = shared.join(folder);
    if path.is_dir() {
        return Some(path);
    }
    eprintln!(
        "SKIPPED: there is no {}, so this suite proves nothing",
        path.display()
    );
    None
}

fn conformance(file: &str) -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR"))
        .join("conformance")
        .join(file)
}

/// Cases and why they fail: lines of name, tab, reason; those with `#` are remarks.
fn ledger(file: &str) -> BTreeMap<String, String> {
    let path = conformance(file);
    let text = std::fs::read_to_string(&path).unwrap_or_else(|e| panic!("{}: {e}", path.display()));
    let lines = text
        .lines()
        .filter(|line| !line.is_empty() && !line.starts_with('#'));
    let entry = |line: &str| {
        let (case, reason) = line.split_once('\t').expect("a case, a tab and its reason");
        assert!(!reason.trim().is_empty(), "{case} has no reason");
        (case.to_owned(), reason.to_owned())
    };
    lines.map(entry).collect()
}

/// Compares what failed, with how, with a ledger.
fn compare(file: &str, failed: &BTreeMap<String, String>) {
    let known = ledger(file);
    let new = failed.iter().filter(|(case, _)| !known.contains_key(*case));
    let new: Vec<String> = new.map(|(case, how)| format!("{case}: {how}")).collect();
    let passed = known.keys().filter(|case| !failed.contains_key(*case));
    let passed: Vec<String> = passed
        .map(|case| format!("{case} passes, or is not there"))
        .collect();
    let surprises: Vec<String> = new.into_iter().chain(passed).collect();
    assert!(
        surprises.is_empty(),
        "{} differences from conformance/{file}:\n{}",
        surprises.len(),
        surprises.join("\n")
    );
}
