//! The least that finding the same elements could cost: names are known, types are not asked,
//! nothing is kept.

use serde_json::Value;

/// The names that each search expression of an Observation comes down to. A choice is looked
/// for under each name that it may have.
const PATHS: &[&[&str]] = &[
    &["basedOn"],
    &["category"],
    &["code"],
    &["component", "code"],
    &["component", "dataAbsentReason"],
    &["component", "valueCodeableConcept"],
    &["component", "valueQuantity"],
    &["component", "valueSampledData"],
    &["dataAbsentReason"],
    &["derivedFrom"],
    &["device"],
    &["effectiveDateTime"],
    &["effectiveInstant"],
    &["effectivePeriod"],
    &["effectiveTiming"],
    &["encounter"],
    &["focus"],
    &["hasMember"],
    &["id"],
    &["identifier"],
    &["meta", "lastUpdated"],
    &["meta", "profile"],
    &["meta", "security"],
    &["meta", "source"],
    &["meta", "tag"],
    &["method"],
    &["partOf"],
    &["performer"],
    &["specimen"],
    &["status"],
    &["subject"],
    &["valueCodeableConcept"],
    &["valueCodeableConcept", "text"],
    &["valueDateTime"],
    &["valuePeriod"],
    &["valueQuantity"],
    &["valueSampledData"],
    &["valueString"],
];

/// How many items there are.
pub fn count(resource: &Value) -> usize {
    PATHS.iter().map(|path| walk(resource, path)).sum()
}

fn walk(value: &Value, path: &[&str]) -> usize {
    match (value, path) {
        (Value::Array(list), path) => list.iter().map(|one| walk(one, path)).sum(),
        (_, []) => 1,
        (value, [name, rest @ ..]) => value.get(name).map_or(0, |inner| walk(inner, rest)),
    }
}
