//! Small differentials, each for one rule.

use super::*;
use crate::definitions::Definitions;
use serde_json::json;

/// The snapshot's lines, `id min..max types`, of those whose id begins so.
fn lines(base: &str, elements: Value, of: &str) -> Result<Vec<String>, Vec<String>> {
    let definitions = Definitions::r4();
    let lookup = |canonical: &str| definitions.artifact("StructureDefinition", canonical);
    let definition = json!({
        "resourceType": "StructureDefinition", "url": "http://example.org/it", "type": base,
        "kind": "resource", "derivation": "constraint",
        "baseDefinition": format!("http://hl7.org/fhir/StructureDefinition/{base}"),
        "differential": {"element": elements}});
    let whole = snapshot(&lookup, &definition);
    let whole = whole.map_err(|issues| {
        let issues = issues.into_iter();
        issues.map(|issue| issue.text).collect::<Vec<_>>()
    })?;
    let elements = whole["snapshot"]["element"]
        .as_array()
        .cloned()
        .unwrap_or_default();
    let line = |element: &Value| {
        let types = element["type"].as_array().cloned().unwrap_or_default();
        let types: Vec<&str> = types
            .iter()
            .filter_map(|of| of["code"].as_str())
            .map(|code| code.rsplit('/').next().unwrap_or(code))
            .collect();
        format!(
            "{} {}..{} {}",
            element["id"].as_str().unwrap_or_default(),
            element["min"],
            element["max"].as_str().unwrap_or_default(),
            types.join(",")
        )
    };
    Ok(elements
        .iter()
        .map(line)
        .filter(|line| line.starts_with(of))
        .collect())
}

#[test]
fn elements_are_laid_over_the_base() {
    let found = lines(
        "Patient",
        json!([{"path": "Patient.identifier", "min": 1}]),
        "Patient.i",
    );
    assert_eq!(
        found,
        Ok(vec![
            "Patient.id 0..1 System.String".to_owned(),
            "Patient.implicitRules 0..1 uri".to_owned(),
            "Patient.identifier 1..* Identifier".to_owned(),
        ])
    );
    let none = lines("Patient", json!([]), "").expect("a snapshot");
    assert_eq!(none.len(), 45);
}

#[test]
fn types_are_unfolded_where_the_differential_goes() {
    let found = lines(
        "Patient",
        json!([{"path": "Patient.maritalStatus.coding.system", "min": 1}]),
        "Patient.maritalStatus",
    )
    .expect("a snapshot");
    assert_eq!(
        found[..5],
        [
            "Patient.maritalStatus 0..1 CodeableConcept",
            "Patient.maritalStatus.id 0..1 System.String",
            "Patient.maritalStatus.extension 0..* Extension",
            "Patient.maritalStatus.coding 0..* Coding",
            "Patient.maritalStatus.coding.id 0..1 System.String",
        ]
    );
    assert!(found.contains(&"Patient.maritalStatus.coding.system 1..1 uri".to_owned()));
}

#[test]
fn slices_begin_as_the_base_was() {
    let elements = json!([
        {"id": "Patient.identifier", "path": "Patient.identifier", "min": 1, "slicing": {"rules": "open"}},
        {"id": "Patient.identifier:a", "path": "Patient.identifier", "sliceName": "a", "max": "1"},
        {"id": "Patient.identifier:b", "path": "Patient.identifier", "sliceName": "b", "min": 1}]);
    let found = lines("Patient", elements, "Patient.identifier").expect("a snapshot");
    assert_eq!(
        found,
        [
            "Patient.identifier 1..* Identifier",
            "Patient.identifier:a 0..1 Identifier",
            "Patient.identifier:b 1..* Identifier",
        ]
    );
}

#[test]
fn a_choice_may_be_named_by_its_type() {
    let elements = json!([{"path": "Observation.valueQuantity"},
        {"path": "Observation.valueQuantity.value", "min": 1}]);
    let found = lines("Observation", elements, "Observation.value[x]:").expect("a snapshot");
    assert_eq!(found[0], "Observation.value[x]:valueQuantity 0..1 Quantity");
    assert!(found.contains(&"Observation.value[x]:valueQuantity.value 1..1 decimal".to_owned()));
}

#[test]
fn what_the_base_does_not_allow_is_an_error() {
    for (elements, says) in [
        (
            json!([{"path": "Patient.nope", "min": 1}]),
            "expected an element of Patient",
        ),
        (
            json!([{"path": "Person.name", "min": 1}]),
            "expected a path in Patient",
        ),
        (json!([{"path": "Patient.gender", "max": "2"}]), "a max of"),
        (
            json!([{"path": "Patient.gender", "min": 2}]),
            "which is the max",
        ),
        (
            json!([{"path": "Patient.name", "sliceName": "a"}]),
            "expected a slicing",
        ),
        (
            json!([{"path": "Patient.deceased[x]", "type": [{"code": "Quantity"}]}]),
            "expected a type",
        ),
        (
            json!([{"path": "Patient.deceasedQuantity"}]),
            "expected a type",
        ),
        (
            json!([{"path": "Patient.gender", "fixedString": "x"}]),
            "expected a value of code",
        ),
        (
            json!([{"path": "Patient.gender", "binding": {"strength": "example"}}]),
            "stays required",
        ),
        (
            json!([{"path": "Patient.name", "min": 1}, {"path": "Patient.identifier", "min": 1}]),
            "before",
        ),
    ] {
        let found = lines("Patient", elements.clone(), "").expect_err("an error");
        assert!(found[0].contains(says), "{elements}: {found:?}");
    }
}
