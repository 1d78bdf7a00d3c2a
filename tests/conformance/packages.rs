//! The published packages: each installs, and its own examples are valid where they are.

use super::{compare, scoreboard};
use andiron::config::Limits;
use andiron::definitions::Definitions;
use andiron::error::Issue;
use andiron::fhir::{Instant, ResourceType, json};
use andiron::package::{Bounds, Package};
use andiron::validation::Validator;
use andiron::validation::profile::Profiles;
use serde_json::Value;
use std::collections::BTreeMap;
use std::fs::File;
use std::path::Path;
use std::sync::Arc;

const PACKAGES: [&str; 7] = [
    "us_core_311",
    "us_core_400",
    "us_core_501",
    "us_core_610",
    "us_core_700",
    "us_core_800",
    "ips_v110",
];

const LEDGER: &str = "package-examples.tsv";

fn read(folder: &Path, name: &str) -> Package {
    let file = File::open(folder.join(format!("{name}.tgz"))).expect("a package");
    Package::read(file, &Bounds::default()).expect("it is well made")
}

/// The errors of each example, against the profiles that it claims.
fn errors(
    package: &Package,
    validator: &Validator,
    profiles: &Profiles,
) -> BTreeMap<String, Vec<Issue>> {
    let mut all = BTreeMap::new();
    for example in &package.examples {
        let name = example.name.rsplit('/').next().unwrap_or_default();
        let Some(name) = name
            .strip_suffix(".json")
            .filter(|name| !name.starts_with('.'))
        else {
            continue;
        };
        let depth = Limits::default().json_depth;
        let resource: Value = match json::parse(&example.bytes, depth) {
            Ok(resource) => resource,
            Err(error) => panic!("{name}: {error}"),
        };
        let kind = resource["resourceType"]
            .as_str()
            .and_then(ResourceType::parse);
        let Some(kind) = kind else {
            continue;
        };
        let mut issues = validator.validate(kind, &resource);
        issues.extend(profiles.validate_at(&resource, &[], Some(Instant::now())));
        issues.retain(Issue::is_error);
        all.insert(name.to_owned(), issues);
    }
    all
}

#[test]
fn the_examples_of_packages_are_valid() {
    let Some(folder) = super::shared("packages") else {
        return;
    };
    let definitions = Definitions::r4();
    let validator = Validator::new(definitions.clone());
    let (mut failed, mut rows) = (BTreeMap::new(), String::new());
    for name in PACKAGES {
        let package = read(&folder, name);
        let contents = package.contents.iter().map(|one| one.resource.clone());
        let profiles = Profiles::new(
            Arc::clone(&definitions),
            contents.collect(),
            crate::harness::BASE,
        );
        let found = errors(&package, &validator, &profiles);
        let wrong = found.values().filter(|issues| !issues.is_empty()).count();
        rows.push_str(&format!(
            "| {} | {} | {} |\n",
            package.manifest.label(),
            found.len(),
            found.len() - wrong
        ));
        for (example, issues) in found {
            if let Some(first) = issues.first() {
                let place = first.expression.as_deref().unwrap_or_default();
                let key = format!("{name}/{example}");
                failed.insert(
                    key,
                    format!("{} errors, {place}: {}", issues.len(), first.text),
                );
            }
            if std::env::var_os("ANDIRON_SHOW").is_some() {
                for issue in issues {
                    println!(
                        "{name}/{example}\t{}\t{}",
                        issue.expression.unwrap_or_default(),
                        issue.text
                    );
                }
            }
        }
    }
    let _ = rows;
    compare(LEDGER, &failed);
}
