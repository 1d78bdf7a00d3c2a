//! Mutants of valid examples: one change each, of which the rule that it breaks and the place
//! are known beforehand from the published snapshot. Validation must refuse every one, there.
//!
//! What the structure alone refuses is tried elsewhere (the unit tests of `validation`); here a
//! mutant breaks what a profile says: an element that it requires, how many there may be, a
//! fixed value or pattern, a required binding, the types of a choice, the targets of a
//! reference, a slice; or an invariant of R4.

mod breaks;
mod place;

use super::{packages, scoreboard, shared};
use andiron::config::Limits;
use andiron::definitions::Definitions;
use andiron::error::Issue;
use andiron::fhir::{Instant, ResourceType, json};
use andiron::package::Package;
use andiron::validation::Validator;
use andiron::validation::profile::Profiles;
use serde_json::Value;
use std::collections::BTreeMap;
use std::sync::Arc;

const SUITE: &str = "mutants";

const PACKAGES: [(&str, &str); 3] = [
    ("us_core_311", "3.1.1"),
    ("us_core_610", "6.1.0"),
    ("us_core_800", "8.0.0"),
];

/// A resource with one rule broken.
pub struct Mutant {
    /// What was done, and to what the profile says.
    pub rule: &'static str,
    /// Where an error is expected, as FHIRPath.
    pub at: String,
    pub resource: Value,
}

struct Judge {
    validator: Arc<Validator>,
    profiles: Profiles,
}

impl Judge {
    fn issues(&self, resource: &Value) -> Vec<Issue> {
        let kind = resource["resourceType"].as_str();
        let Some(kind) = kind.and_then(ResourceType::parse) else {
            return Vec::new();
        };
        let mut issues = self.validator.validate(kind, resource);
        issues.extend(
            self.profiles
                .validate_at(resource, &[], Some(Instant::now())),
        );
        issues
    }

    fn is_valid(&self, resource: &Value) -> bool {
        !self.issues(resource).iter().any(Issue::is_error)
    }

    fn has_structure(&self, mutant: &Mutant) -> bool {
        let kind = mutant.resource["resourceType"].as_str();
        let kind = kind.and_then(ResourceType::parse);
        kind.is_some_and(|kind| self.validator.validate(kind, &mutant.resource).is_empty())
    }

    /// What was not caught, in words.
    fn escaped(&self, name: &str, mutant: &Mutant) -> Option<String> {
        let issues = self.issues(&mutant.resource);
        let errors = issues.iter().filter(|issue| issue.is_error());
        let places: Vec<&str> = errors
            .filter_map(|issue| issue.expression.as_deref())
            .collect();
        if places.iter().any(|found| place::is_at(found, &mutant.at)) {
            return None;
        }
        let (rule, at) = (mutant.rule, &mutant.at);
        Some(format!("{name}: {rule} at {at}, found at {places:?}"))
    }
}

/// The examples of a package that claim one of its profiles, with that profile.
fn examples(package: &Package) -> Vec<(String, Value, Value)> {
    let profiles: BTreeMap<String, Value> = package
        .contents
        .iter()
        .filter(|one| one.resource_type.name() == "StructureDefinition")
        .filter_map(|one| one.resource().ok())
        .filter_map(|one| Some((one["url"].as_str()?.to_owned(), one)))
        .collect();
    let depth = Limits::default().json_depth;
    let mut found = Vec::new();
    for example in &package.examples {
        let Ok(resource) = json::parse(&example.bytes, depth) else {
            continue;
        };
        let claimed = resource["meta"]["profile"].as_array().into_iter().flatten();
        for canonical in claimed.filter_map(Value::as_str) {
            let url = canonical.split('|').next().unwrap_or(canonical);
            if let Some(profile) = profiles.get(url) {
                found.push((
                    example.name.clone(),
                    resource.clone(),
                    Value::clone(profile),
                ));
            }
        }
    }
    found
}

fn section(caught: &BTreeMap<&str, usize>) -> String {
    let packages = PACKAGES.map(|(_, version)| version).join(", ");
    let total = caught.values().sum::<usize>();
    let mut section = format!(
        "## Mutants of valid examples\n\n\
         Each example of US Core {packages} that is valid, with one rule broken at a place that \
         is known\nbeforehand from the published snapshot: {total} mutants, every one refused \
         there.\n\n| broken | mutants |\n|---|---:|\n"
    );
    for (rule, count) in caught {
        section.push_str(&format!("| {rule} | {count} |\n"));
    }
    section
}

#[test]
fn mutants_of_examples_are_caught_where_they_are() {
    let Some(folder) = shared("packages") else {
        return;
    };
    let definitions = Definitions::r4();
    let mut caught: BTreeMap<&str, usize> = BTreeMap::new();
    let mut escaped = Vec::new();
    for (name, _) in PACKAGES {
        let package = packages::read(&folder.join(format!("{name}.tgz")));
        let contents = package
            .contents
            .iter()
            .filter_map(|one| one.resource().ok());
        let judge = Judge {
            validator: Validator::new(definitions.clone()),
            profiles: Profiles::new(definitions.clone(), contents.collect(), "http://a.test"),
        };
        for (example, resource, profile) in examples(&package) {
            if !judge.is_valid(&resource) {
                // The ledger of the packages' examples says why.
                continue;
            }
            let snapshot = profile["snapshot"]["element"].as_array();
            let snapshot = snapshot.map(Vec::as_slice).unwrap_or_default();
            let mut mutants = breaks::of_profile(snapshot, &resource);
            mutants.extend(breaks::of_invariants(&resource));
            // A type that R4 does not allow either is no matter of the profile.
            mutants.retain(|mutant| mutant.rule != breaks::TYPED || judge.has_structure(mutant));
            for mutant in mutants {
                match judge.escaped(&format!("{name} {example}"), &mutant) {
                    None => *caught.entry(mutant.rule).or_default() += 1,
                    Some(how) => escaped.push(how),
                }
            }
        }
    }
    assert!(
        escaped.is_empty(),
        "{} of {} mutants escaped:\n{}",
        escaped.len(),
        escaped.len() + caught.values().sum::<usize>(),
        escaped.join("\n")
    );
    let kinds = breaks::RULES
        .iter()
        .filter(|rule| !caught.contains_key(*rule));
    let untried: Vec<_> = kinds.collect();
    assert!(untried.is_empty(), "no mutant broke {untried:?}");
    scoreboard::check(SUITE, &section(&caught));
}
