//! Bundles, references and what is contained.

use super::*;

fn bundle(kind: &str, entries: Value) -> Value {
    json!({"resourceType": "Bundle", "type": kind, "entry": entries})
}

fn entry(url: &str, resource: Value) -> Value {
    json!({"fullUrl": url, "resource": resource})
}

fn errors(profiles: &Profiles, resource: &Value) -> Vec<String> {
    let issues = profiles.validate(resource, &[]);
    let errors = issues.into_iter().filter(Issue::is_error);
    errors.filter_map(|issue| issue.expression).collect()
}

#[test]
fn full_urls_identify_what_is_in_the_entry() {
    let patient = |id: &str| json!({"resourceType": "Patient", "id": id});
    let nameless = json!({"resourceType": "Patient"});
    let outcome = json!({"resourceType": "OperationOutcome", "issue": [{"severity": "error", "code": "invalid"}]});
    let profiles = profiles(Vec::new());
    for (kind, of, expected) in [
        (
            "collection",
            entry("http://s/Patient/1", patient("1")),
            false,
        ),
        (
            "collection",
            entry("http://s/Patient/1", patient("2")),
            true,
        ),
        (
            "collection",
            entry("http://s/Observation/1", patient("1")),
            true,
        ),
        (
            "collection",
            entry("http://s/Patient/1", nameless.clone()),
            true,
        ),
        ("collection", entry("Patient/1", patient("1")), true),
        (
            "collection",
            entry(
                "urn:uuid:c757873d-ec9a-4326-a141-556f43239520",
                nameless.clone(),
            ),
            false,
        ),
        ("collection", entry("http://s/else", patient("1")), false),
        ("collection", json!({"resource": patient("1")}), true),
        ("collection", json!({"resource": outcome}), false),
        (
            "batch-response",
            json!({"resource": patient("1"), "response": {"status": "200"}}),
            false,
        ),
    ] {
        let found = errors(&profiles, &bundle(kind, json!([of])));
        let wanted: &[&str] = if expected {
            &["Bundle.entry[0].fullUrl"]
        } else {
            &[]
        };
        assert_eq!(found, wanted, "{kind} {of}");
    }
}

#[test]
fn references_in_a_bundle_mean_one_entry_of_their_type() {
    let profiles = profiles(Vec::new());
    let patient = |reference: &str| json!({"resourceType": "Patient", "id": "1", "generalPractitioner": [{"reference": reference}]});
    let of = |id: &str, version: &str| json!({"resourceType": "Practitioner", "id": id, "meta": {"versionId": version}});
    let (uuid, other) = (
        "urn:uuid:c757873d-ec9a-4326-a141-556f43239520",
        "urn:uuid:c757873d-ec9a-4326-a141-556f43239521",
    );
    let at = "Bundle.entry[0].resource.generalPractitioner[0]";
    for (from, reference, others, expected) in [
        (
            "http://s/Patient/1",
            "Practitioner/2",
            json!([entry("http://s/Practitioner/2", of("2", "1"))]),
            false,
        ),
        (
            "http://s/Patient/1",
            "Practitioner/2",
            json!([
                entry("http://s/Practitioner/2", of("2", "1")),
                entry("http://s/Practitioner/2", of("2", "2"))
            ]),
            true,
        ),
        (
            "http://s/Patient/1",
            "Practitioner/2/_history/2",
            json!([
                entry("http://s/Practitioner/2", of("2", "1")),
                entry("http://s/Practitioner/2", of("2", "2"))
            ]),
            false,
        ),
        (
            uuid,
            "Practitioner/c757873d-ec9a-4326-a141-556f43239521",
            json!([entry(
                other,
                json!({"resourceType": "Organization", "name": "x"})
            )]),
            true,
        ),
        (uuid, "Practitioner/9", json!([]), false),
        (uuid, "Practitioner/ 9", json!([]), true),
    ] {
        let mut entries = vec![entry(from, patient(reference))];
        entries.extend(others.as_array().cloned().unwrap_or_default());
        let found = errors(&profiles, &bundle("collection", Value::Array(entries)));
        assert_eq!(
            found.contains(&at.to_owned()),
            expected,
            "{reference} {found:?}"
        );
    }
}

#[test]
fn a_document_holds_what_its_composition_refers_to_and_hangs_together() {
    let profiles = profiles(Vec::new());
    let document = |author: &str, others: Value| {
        let composition = json!({"resourceType": "Composition", "id": "c", "status": "final",
            "type": {"text": "t"}, "date": "2020", "title": "t", "author": [{"reference": author}]});
        let mut entries = vec![entry("http://s/Composition/c", composition)];
        entries.extend(others.as_array().cloned().unwrap_or_default());
        let mut document = bundle("document", Value::Array(entries));
        document["identifier"] = json!({"system": "http://i", "value": "1"});
        document["timestamp"] = json!("2020-01-01T00:00:00Z");
        document
    };
    let author = entry(
        "http://s/Practitioner/p",
        json!({"resourceType": "Practitioner", "id": "p"}),
    );
    let behind = entry(
        "http://s/PractitionerRole/r",
        json!({"resourceType": "PractitionerRole", "id": "r",
        "practitioner": {"reference": "Practitioner/p"}}),
    );
    let stray = entry(
        "http://s/Patient/x",
        json!({"resourceType": "Patient", "id": "x"}),
    );
    for (reference, others, expected) in [
        ("Practitioner/p", json!([author]), &[][..]),
        ("Practitioner/p", json!([author, behind]), &[]),
        (
            "Practitioner/p",
            json!([author, stray]),
            &["Bundle.entry[2]"],
        ),
        (
            "Practitioner/q",
            json!([]),
            &["Bundle.entry[0].resource.author[0]"],
        ),
        (
            "http://t/Practitioner/q",
            json!([]),
            &["Bundle.entry[0].resource.author[0]"],
        ),
    ] {
        assert_eq!(
            errors(&profiles, &document(reference, others)),
            expected,
            "{reference}"
        );
    }
}

#[test]
fn links_for_paging_are_there_once() {
    let profiles = profiles(Vec::new());
    for (relations, expected) in [
        (["self", "next"], &[][..]),
        (["self", "self"], &["Bundle.link[1]"]),
        (["stylesheet", "self"], &["Bundle.link[0].url"]),
        (["alternate", "alternate"], &[]),
    ] {
        let links: Vec<Value> = relations
            .iter()
            .map(|relation| json!({"relation": relation, "url": "a/b"}))
            .collect();
        let searchset = json!({"resourceType": "Bundle", "type": "searchset", "link": links});
        assert_eq!(errors(&profiles, &searchset), expected, "{relations:?}");
    }
}

#[test]
fn what_is_contained_is_referred_to() {
    let profiles = profiles(Vec::new());
    let with = |members: Value| {
        let mut patient = json!({"resourceType": "Patient", "contained": [{"resourceType": "Binary", "id": "b", "contentType": "image/png"}]});
        for (name, value) in members.as_object().into_iter().flatten() {
            patient[name] = value.clone();
        }
        patient
    };
    let div = |inner: &str| json!({"text": {"status": "generated", "div": format!("<div xmlns=\"http://www.w3.org/1999/xhtml\">x{inner}</div>")}});
    for (members, expected) in [
        (json!({}), &["Patient.contained[0]"][..]),
        (json!({"photo": [{"url": "#b"}]}), &[]),
        (div("<img src=\"#b\" alt=\"i\"/>"), &[]),
        (
            div("<img src=\"#c\" alt=\"i\"/>"),
            &["Patient.contained[0]"],
        ),
    ] {
        assert_eq!(
            errors(&profiles, &with(members.clone())),
            expected,
            "{members}"
        );
    }
}

#[test]
fn targets_at_hand_are_held_to_what_the_element_wants() {
    let named = profile(
        "named",
        "Patient",
        json!([{"path": "Patient.name", "id": "Patient.name", "min": 1}]),
    );
    let link = profile(
        "p",
        "Observation",
        json!([{"path": "Observation.subject", "id": "Observation.subject",
        "type": [{"code": "Reference", "targetProfile": ["http://x/named"], "aggregation": ["referenced", "bundled"]}]}]),
    );
    let instances = vec![
        json!({"resourceType": "Patient", "id": "good", "name": [{"text": "x"}]}),
        json!({"resourceType": "Patient", "id": "bad"}),
    ];
    let strict = Settings {
        missing_targets: Some(Severity::Error),
        ..Settings::default()
    };
    let profiles = profiles(vec![named, link])
        .with_instances(instances)
        .with_settings(strict);
    let observation = |subject: &str| json!({"status": "final", "code": {"text": "c"}, "subject": {"reference": subject}});
    check(
        &profiles,
        "Observation",
        &[
            (observation("Patient/good"), &[]),
            (observation("Patient/bad"), &["Observation.subject"]),
            (observation("Patient/none"), &["Observation.subject"]),
            (observation("http://elsewhere/Patient/none"), &[]),
            (
                observation("#c"),
                &["Observation.subject", "Observation.subject"],
            ),
        ],
    );
}

#[test]
fn an_asked_profile_sees_what_is_in_the_bundle() {
    let resolved = profile(
        "p",
        "Bundle",
        json!([{"path": "Bundle", "id": "Bundle", "constraint": [{"key": "x-1", "severity": "error",
            "human": "named", "expression": "entry.resource.ofType(Observation).subject.resolve().name.exists()"}]}]),
    );
    let profiles = profiles(vec![resolved]);
    let observation = json!({"resourceType": "Observation", "id": "o", "status": "final",
        "code": {"text": "c"}, "subject": {"reference": "Patient/1"}});
    for (patient, expected) in [
        (
            json!({"resourceType": "Patient", "id": "1", "name": [{"text": "x"}]}),
            &[][..],
        ),
        (json!({"resourceType": "Patient", "id": "1"}), &["Bundle"]),
    ] {
        let entries = json!([
            entry("http://s/Observation/o", observation.clone()),
            entry("http://s/Patient/1", patient),
        ]);
        assert_eq!(places(&profiles, &bundle("collection", entries)), expected);
    }
}
