//! What else belongs on a page. <https://hl7.org/fhir/R4/search.html#include>

use super::evaluate::led_to;
use super::query::Include;
use super::world::{Record, Subject, World};
use andiron::definitions::SearchParameterType as Kind;
use std::collections::BTreeSet;

/// The names of what the includes bring to these matches, matches apart.
pub fn included(
    world: &World,
    matches: &BTreeSet<String>,
    includes: &[Include],
) -> BTreeSet<String> {
    let mut found: BTreeSet<String> = BTreeSet::new();
    for include in includes {
        found.extend(step(world, matches, include));
    }
    // The iterating ones go on from what was found, until nothing is new.
    loop {
        let all: BTreeSet<String> = matches.union(&found).cloned().collect();
        let iterating = includes.iter().filter(|include| include.iterate);
        let more: Vec<String> = iterating.flat_map(|one| step(world, &all, one)).collect();
        let before = found.len();
        found.extend(more);
        if found.len() == before {
            break;
        }
    }
    found.difference(matches).cloned().collect()
}

/// What one include brings to these resources.
fn step(world: &World, of: &BTreeSet<String>, include: &Include) -> BTreeSet<String> {
    let is_target = |record: &Record| {
        let wanted = include.target.as_ref();
        wanted.is_none_or(|kind| *kind == record.kind)
    };
    let mut found = BTreeSet::new();
    for source in world.of_kind(&include.source) {
        let is_in = of.contains(&source.name());
        if !include.reverse && !is_in {
            continue;
        }
        for target in targets(world, source, include) {
            if include.reverse && of.contains(&target.name()) && is_target(target) {
                found.insert(source.name());
            }
            if !include.reverse && is_target(target) {
                found.insert(target.name());
            }
        }
    }
    found
}

/// The stored resources that a parameter, or all of them, leads to.
fn targets<'w>(world: &'w World, source: &'w Record, include: &Include) -> Vec<&'w Record> {
    let code = include.code.as_str();
    let parameters = world.definitions.search_parameters_for(&source.kind);
    let fits = |p: &&_| -> bool {
        let parameter: &andiron::definitions::SearchParameter = p;
        parameter.kind == Kind::Reference && (code == "*" || parameter.code == code)
    };
    let subject = Subject::whole(&source.json);
    let mut found = Vec::new();
    for parameter in parameters.iter().map(|p| &**p).filter(fits) {
        for element in world.values(subject, parameter).iter() {
            // A resource that stands in its place is there already.
            if element.value.get("resourceType").is_some() {
                continue;
            }
            for target in led_to(world, subject, element) {
                if std::ptr::eq(target.json, target.container) {
                    let (kind, id) = (target.kind(), target.json["id"].as_str());
                    let name = format!("{kind}/{}", id.unwrap_or_default());
                    found.extend(world.find(&name));
                }
            }
        }
    }
    found
}
