//! Profiles made for the purpose, and instances that keep or break them; and the official
//! examples, which keep what R4 asks for.

mod bundles;
mod definitions;
mod forms;

use std::collections::{BTreeMap, BTreeSet};

use serde_json::json;

use super::*;
use crate::error::Severity;
use crate::suites;

const BASE: &str = "http://andiron.test/fhir";

/// A profile with this differential.
fn profile(name: &str, of: &str, elements: Value) -> Value {
    json!({
        "resourceType": "StructureDefinition", "url": format!("http://x/{name}"), "name": name,
        "status": "active", "kind": "resource", "abstract": false, "type": of,
        "baseDefinition": format!("http://hl7.org/fhir/StructureDefinition/{of}"),
        "derivation": "constraint", "differential": {"element": elements},
    })
}

fn profiles(resources: Vec<Value>) -> Profiles {
    Profiles::new(Definitions::r4(), resources, BASE)
}

/// The places of the errors of a resource against `http://x/p`.
fn places(profiles: &Profiles, resource: &Value) -> Vec<String> {
    let issues = profiles.validate(resource, &["http://x/p"]);
    let errors = issues.into_iter().filter(Issue::is_error);
    errors.filter_map(|issue| issue.expression).collect()
}

/// Each row: what is there beside the type, and where the errors are.
fn check(profiles: &Profiles, of: &str, rows: &[(Value, &[&str])]) {
    for (members, expected) in rows {
        let mut resource = members.clone();
        resource["resourceType"] = json!(of);
        assert_eq!(&places(profiles, &resource), expected, "{members}");
    }
}

#[test]
fn many_warnings_hide_no_error() {
    let patient = |at: usize| {
        let gender = if at == 499 { "male" } else { "female" };
        json!({"fullUrl": format!("http://x/Patient/{at}"), "resource": {
            "resourceType": "Patient", "id": at.to_string(), "gender": gender,
            "meta": {"profile": ["http://x/p"]}}})
    };
    let profiles = profiles(vec![profile(
        "p",
        "Patient",
        json!([{"path": "Patient.gender", "id": "Patient.gender", "fixedCode": "female"}]),
    )]);
    let entries: Vec<Value> = (0..500).map(patient).collect();
    let bundle = json!({"resourceType": "Bundle", "type": "collection", "entry": entries});
    let issues = profiles.validate(&bundle, &[]);
    assert!(issues.len() > 100, "{}", issues.len());
    let first = issues.first().expect("issues");
    assert!(first.is_error(), "{first:?}");
    let at = first.expression.as_deref();
    assert_eq!(at, Some("Bundle.entry[499].resource.gender"));
}

#[test]
fn elements_keep_what_a_differential_says() {
    let profiles = profiles(vec![profile(
        "p",
        "Patient",
        json!([
            {"path": "Patient", "id": "Patient", "constraint": [{"key": "x-1", "severity": "error",
                "human": "named", "expression": "name.exists() or contact.exists()"}]},
            {"path": "Patient.name", "id": "Patient.name", "min": 1, "max": "2"},
            {"path": "Patient.name.family", "id": "Patient.name.family", "min": 1, "maxLength": 5},
            {"path": "Patient.photo", "id": "Patient.photo", "max": "0"},
            {"path": "Patient.gender", "id": "Patient.gender", "fixedCode": "female"},
            {"path": "Patient.maritalStatus", "id": "Patient.maritalStatus",
                "patternCodeableConcept": {"coding": [{"code": "M"}]}},
            {"path": "Patient.deceased[x]", "id": "Patient.deceased[x]", "type": [{"code": "boolean"}]}
        ]),
    )]);
    let ok = json!([{"family": "Abc"}]);
    check(
        &profiles,
        "Patient",
        &[
            (json!({"name": ok}), &[]),
            (json!({}), &["Patient", "Patient.name"]),
            (
                json!({"name": [{"family": "a"}, {"family": "b"}, {"family": "c"}]}),
                &["Patient.name"],
            ),
            (
                json!({"name": [{"text": "x"}]}),
                &["Patient.name[0].family"],
            ),
            (
                json!({"name": [{"family": "Abcdef"}]}),
                &["Patient.name[0].family"],
            ),
            (
                json!({"name": ok, "photo": [{"title": "x"}]}),
                &["Patient.photo"],
            ),
            (json!({"name": ok, "gender": "male"}), &["Patient.gender"]),
            (json!({"name": ok, "gender": "female"}), &[]),
            (
                json!({"name": ok, "maritalStatus": {"text": "M"}}),
                &["Patient.maritalStatus"],
            ),
            (
                json!({"name": ok, "maritalStatus": {"coding": [{"code": "M", "display": "x"}]}}),
                &[],
            ),
            (
                json!({"name": ok, "deceasedDateTime": "2020"}),
                &["Patient.deceased"],
            ),
            (json!({"name": ok, "deceasedBoolean": true}), &[]),
            (
                json!({"name": ok, "contact": [{"gender": "male"}]}),
                &["Patient.contact[0]"],
            ),
        ],
    );
}

#[test]
fn slices_are_told_apart_by_their_discriminators() {
    let sliced = |kind: &str, path: &str, rules: &str, slices: Value| {
        let mut elements = vec![json!({"path": "Observation", "id": "Observation"})];
        elements.push(
            json!({"path": "Observation.component", "id": "Observation.component",
            "slicing": {"discriminator": [{"type": kind, "path": path}], "rules": rules}}),
        );
        elements.extend(slices.as_array().cloned().unwrap_or_default());
        profiles(vec![profile("p", "Observation", Value::Array(elements))])
    };
    let component = |code: &str, value: Value| {
        let mut component = json!({"code": {"coding": [{"system": "s", "code": code}]}});
        for (name, value) in value.as_object().into_iter().flatten() {
            component[name] = value.clone();
        }
        component
    };
    let observation = |components: &[Value]| json!({"status": "final", "code": {"text": "x"}, "component": components});
    let by_value = sliced(
        "value",
        "code",
        "closed",
        json!([
            {"path": "Observation.component", "id": "Observation.component:a", "sliceName": "a",
                "min": 1, "max": "1"},
            {"path": "Observation.component.code", "id": "Observation.component:a.code",
                "patternCodeableConcept": {"coding": [{"system": "s", "code": "a"}]}},
            {"path": "Observation.component.value[x]", "id": "Observation.component:a.value[x]",
                "min": 1, "type": [{"code": "Quantity"}]}
        ]),
    );
    let quantity = json!({"valueQuantity": {"value": 1}});
    check(
        &by_value,
        "Observation",
        &[
            (observation(&[component("a", quantity.clone())]), &[]),
            (
                observation(&[component("a", json!({}))]),
                &["Observation.component[0].value"],
            ),
            (
                observation(&[component("a", json!({"valueString": "x"}))]),
                &["Observation.component[0].value"],
            ),
            (
                observation(&[component("b", json!({"valueString": "x"}))]),
                &["Observation.component[0]", "Observation.component"],
            ),
            (
                observation(&[
                    component("a", quantity.clone()),
                    component("a", quantity.clone()),
                ]),
                &["Observation.component"],
            ),
        ],
    );
    let by_existence = sliced(
        "exists",
        "interpretation",
        "open",
        json!([
            {"path": "Observation.component", "id": "Observation.component:a", "sliceName": "a",
                "max": "1"},
            {"path": "Observation.component.interpretation", "min": 1,
                "id": "Observation.component:a.interpretation"}
        ]),
    );
    let interpreted = json!({"interpretation": [{"text": "x"}], "valueString": "y"});
    check(
        &by_existence,
        "Observation",
        &[
            (
                observation(&[
                    component("a", interpreted.clone()),
                    component("b", quantity.clone()),
                ]),
                &[],
            ),
            (
                observation(&[
                    component("a", interpreted.clone()),
                    component("b", interpreted),
                ]),
                &["Observation.component"],
            ),
        ],
    );
    let by_type = sliced(
        "type",
        "value",
        "open",
        json!([
            {"path": "Observation.component", "id": "Observation.component:a", "sliceName": "a",
                "max": "0"},
            {"path": "Observation.component.value[x]", "id": "Observation.component:a.value[x]",
                "type": [{"code": "string"}]}
        ]),
    );
    check(
        &by_type,
        "Observation",
        &[
            (observation(&[component("a", quantity)]), &[]),
            (
                observation(&[component("a", json!({"valueString": "x"}))]),
                &["Observation.component"],
            ),
        ],
    );
}

#[test]
fn extensions_are_held_to_their_definitions() {
    let mut extension = profile(
        "e",
        "Extension",
        json!([
            {"path": "Extension", "id": "Extension"},
            {"path": "Extension.url", "id": "Extension.url", "fixedUri": "http://x/e"},
            {"path": "Extension.value[x]", "id": "Extension.value[x]", "min": 1,
                "type": [{"code": "string"}]}
        ]),
    );
    extension["kind"] = json!("complex-type");
    extension["context"] = json!([{"type": "element", "expression": "Patient"}]);
    let wanted = profile(
        "p",
        "Patient",
        json!([
            {"path": "Patient", "id": "Patient"},
            {"path": "Patient.extension", "id": "Patient.extension:e", "sliceName": "e", "max": "1",
                "type": [{"code": "Extension", "profile": ["http://x/e"]}]}
        ]),
    );
    let profiles = profiles(vec![extension, wanted]);
    let one = json!({"url": "http://x/e", "valueString": "x"});
    check(
        &profiles,
        "Patient",
        &[
            (json!({"extension": [one]}), &[]),
            (json!({"extension": [one, one]}), &["Patient.extension"]),
            (
                json!({"extension": [{"url": "http://x/e", "valueInteger": 1}]}),
                &["Patient.extension[0].value"],
            ),
            (
                json!({"name": [{"family": "x", "extension": [one]}]}),
                &["Patient.name[0].extension[0]"],
            ),
            (
                json!({"extension": [{"url": "http://x/unknown", "valueInteger": 1}]}),
                &[],
            ),
            (
                json!({"modifierExtension": [{"url": "http://x/unknown", "valueInteger": 1}]}),
                &["Patient.modifierExtension[0]"],
            ),
        ],
    );
}

#[test]
fn a_profile_of_a_profile_asks_for_both() {
    let base = profile(
        "base",
        "Patient",
        json!([
            {"path": "Patient", "id": "Patient"},
            {"path": "Patient.identifier", "id": "Patient.identifier", "slicing": {
                "discriminator": [{"type": "value", "path": "system"}], "rules": "open"}},
            {"path": "Patient.identifier", "id": "Patient.identifier:a", "sliceName": "a"},
            {"path": "Patient.identifier.system", "id": "Patient.identifier:a.system",
                "fixedUri": "urn:a"}
        ]),
    );
    let mut derived = profile(
        "p",
        "Patient",
        json!([
            {"path": "Patient.identifier", "id": "Patient.identifier:a", "sliceName": "a", "min": 1},
            {"path": "Patient.identifier.value", "id": "Patient.identifier:a.value", "min": 1}
        ]),
    );
    derived["baseDefinition"] = json!("http://x/base");
    let profiles = profiles(vec![base, derived]);
    check(
        &profiles,
        "Patient",
        &[
            (
                json!({"identifier": [{"system": "urn:a", "value": "1"}]}),
                &[],
            ),
            (
                json!({"identifier": [{"system": "urn:b", "value": "1"}]}),
                &["Patient.identifier"],
            ),
            (
                json!({"identifier": [{"system": "urn:a"}]}),
                &["Patient.identifier[0].value"],
            ),
        ],
    );
}

#[test]
fn circles_end() {
    let mut own = profile("p", "Patient", json!([]));
    own["baseDefinition"] = json!("http://x/p");
    assert!(!profiles(vec![own]).is_known("http://x/p"));
    let calls = profile(
        "p",
        "Patient",
        json!([{"path": "Patient", "id": "Patient",
        "constraint": [{"key": "x-1", "severity": "error", "human": "itself",
            "expression": "conformsTo('http://x/p')"}]}]),
    );
    check(
        &profiles(vec![calls]),
        "Patient",
        &[(json!({"active": true}), &[])],
    );
}

#[test]
fn bindings_weigh_by_their_strength() {
    let bound = |strength: &str, value_set: &str| {
        profile(
            "p",
            "Patient",
            json!([{"path": "Patient", "id": "Patient"},
            {"path": "Patient.maritalStatus", "id": "Patient.maritalStatus",
            "binding": {"strength": strength, "valueSet": value_set}}]),
        )
    };
    let set = json!({"resourceType": "ValueSet", "url": "http://x/vs", "status": "active",
        "compose": {"include": [{"system": "s", "concept": [{"code": "a"}]}]}});
    let patient = json!({"resourceType": "Patient", "maritalStatus": {"coding": [
        {"system": "http://terminology.hl7.org/CodeSystem/v3-MaritalStatus", "code": "M"}]}});
    for (strength, value_set, severities) in [
        ("required", "http://x/vs", &["error"][..]),
        ("extensible", "http://x/vs", &["warning"]),
        ("preferred", "http://x/vs", &[]),
        ("required", "http://x/unknown", &["warning"]),
        ("extensible", "http://x/unknown", &[]),
    ] {
        let profiles = profiles(vec![bound(strength, value_set), set.clone()]);
        let issues = profiles.validate(&patient, &["http://x/p"]);
        let of_binding = issues
            .iter()
            .filter(|issue| issue.expression.as_deref() == Some("Patient.maritalStatus"));
        let found: Vec<&str> = of_binding.map(|issue| issue.severity.code()).collect();
        assert_eq!(found, severities, "{strength} {value_set}");
    }
}

/// The official examples, and those that are themselves invalid by the rules of a profile or
/// an invariant.
#[test]
fn official_examples_keep_the_rules_of_their_types() {
    let archive = "suites/r4-examples/r4-4.0.1-examples-json.tar.xz";
    let Some(folder) = suites::unpacked(archive) else {
        return;
    };
    let profiles = profiles(Vec::new());
    let known = include_str!("../../../conformance/r4-examples-invalid.tsv");
    let is_known = |name: &str| {
        known
            .lines()
            .any(|line| line.starts_with(&format!("{name}\t")))
    };
    let ledger = include_str!("../../../conformance/r4-examples-rules.tsv");
    let mut wrong = BTreeMap::new();
    for (name, path) in suites::files(folder.path(), "json") {
        if is_known(&name) {
            continue;
        }
        let text = std::fs::read(&path).expect("readable");
        let Ok(resource) = crate::fhir::json::parse(&text, 200) else {
            continue;
        };
        let issues = profiles.validate(&resource, &[]);
        let texts: Vec<String> = issues
            .into_iter()
            .filter(Issue::is_error)
            .map(|issue| format!("{}: {}", issue.expression.unwrap_or_default(), issue.text))
            .collect();
        if !texts.is_empty() {
            wrong.insert(name, texts.join("; "));
        }
    }
    let names = ledger.lines().filter(|line| !line.starts_with('#'));
    let names: BTreeSet<&str> = names.filter_map(|line| line.split('\t').next()).collect();
    let found: BTreeSet<&str> = wrong.keys().map(String::as_str).collect();
    assert_eq!(found, names, "{wrong:#?}");
}
