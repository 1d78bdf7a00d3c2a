//! The official R4 examples and the Synthea set. Both lie outside the repository: without them
//! these tests say so and return. `ANDIRON_SHARED` names their directory, `ANDIRON_WHOLE=1` asks
//! for all of Synthea rather than its first files. `ANDIRON_WRITE_LEDGER` names a file to write the
//! lines that the ledger ought to have.

use std::path::Path;

use serde_json::Value;

use super::{VALIDATOR, issues, mutants};
use crate::fhir::{ResourceType, json};
use crate::suites::{files, unpacked};

/// Examples beyond this size, in bytes, are not mutated: cloning them is all that it would test.
const LARGEST_MUTATED: usize = 40_000;

fn read(path: &Path) -> Value {
    let text = std::fs::read(path).expect("readable");
    json::parse(&text, json::DEFAULT_DEPTH)
        .unwrap_or_else(|error| panic!("{}: {error}", path.display()))
}

/// Why an example is invalid, as the ledger says it: code, place without indexes, text.
fn reasons(resource: &Value) -> Vec<String> {
    let named = resource["resourceType"]
        .as_str()
        .and_then(ResourceType::parse);
    let Some(resource_type) = named else {
        return vec!["it is no resource: it has no resourceType".to_owned()];
    };
    let found = VALIDATOR.validate(resource_type, resource);
    let walked = crate::validation::walk::issues(&VALIDATOR.definitions, resource_type, resource);
    assert_eq!(found, walked, "gate and walk disagree");
    let mut reasons: Vec<String> = found
        .into_iter()
        .map(|issue| {
            let at = issue.expression.unwrap_or_default();
            let at: String = at
                .split(']')
                .map(|step| step.split('[').next().unwrap_or_default())
                .collect();
            let element = at.rsplit('.').next().unwrap_or_default();
            let root = at.split('.').next().unwrap_or_default();
            format!("{root} {element}: {}", issue.text)
        })
        .collect();
    reasons.sort();
    reasons.dedup();
    reasons
}

#[test]
fn official_examples_are_valid_but_for_the_ledger() {
    let archive = "suites/r4-examples/r4-4.0.1-examples-json.tar.xz";
    let Some(directory) = unpacked(archive) else {
        return;
    };
    let ledger = Path::new(env!("CARGO_MANIFEST_DIR")).join("conformance/r4-examples-invalid.tsv");
    let ledger = std::fs::read_to_string(ledger).expect("the ledger is in the repository");
    let expected: Vec<&str> = ledger
        .lines()
        .filter(|line| !line.starts_with('#'))
        .collect();
    let files = files(directory.path(), "json");
    assert_eq!(files.len(), 2906);
    let (mut found, mut mutants_made) = (Vec::new(), 0);
    for (seed, (name, path)) in (0..).zip(&files) {
        let resource = read(path);
        let reasons = reasons(&resource);
        if !reasons.is_empty() {
            found.push(format!("{name}\t{}", reasons.join("; ")));
        } else if path
            .metadata()
            .is_ok_and(|m| m.len() < LARGEST_MUTATED as u64)
        {
            mutants_made += mutants::try_mutants(&resource, seed, 8);
        }
    }
    if let Some(path) = std::env::var_os("ANDIRON_WRITE_LEDGER") {
        std::fs::write(path, found.join("\n") + "\n").expect("writable");
    }
    let surprises: Vec<&String> = found
        .iter()
        .filter(|line| !expected.contains(&line.as_str()))
        .collect();
    let passes: Vec<&&str> = expected
        .iter()
        .filter(|line| !found.iter().any(|f| f == *line))
        .collect();
    assert!(
        surprises.is_empty() && passes.is_empty(),
        "new: {surprises:#?}\ngone: {passes:#?}"
    );
    eprintln!(
        "{} examples, {} in the ledger, {mutants_made} mutants",
        files.len(),
        found.len()
    );
}

#[test]
fn synthea_is_valid() {
    let whole = std::env::var_os("ANDIRON_WHOLE").is_some();
    let archive = "data/synthea-2021-120pt.tar.xz";
    let Some(directory) = unpacked(archive) else {
        return;
    };
    let files = files(directory.path(), "json");
    let count = if whole { files.len() } else { 6 };
    let mut resources = 0;
    for (name, path) in files.iter().take(count) {
        let bundle = read(path);
        for entry in bundle["entry"].as_array().into_iter().flatten() {
            assert_eq!(issues(&entry["resource"]), [], "{name}");
            resources += 1;
        }
        assert_eq!(issues(&bundle), [], "{name}");
    }
    assert!(!whole || resources == 92_114, "{resources}");
    eprintln!("{resources} resources of {count} files of Synthea");
}
