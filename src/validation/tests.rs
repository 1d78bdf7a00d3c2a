//! What the gate and the walk say together: a row of bad input per rule, and that both readers
//! of the definitions give the same verdict. The official examples, the Synthea set and seeded
//! mutants are below.

mod mutants;
mod suites;

use std::sync::{Arc, LazyLock};

use serde_json::{Value, json};

use super::Validator;
use crate::definitions::Definitions;
use crate::fhir::ResourceType;

static VALIDATOR: LazyLock<Arc<Validator>> = LazyLock::new(|| Validator::new(Definitions::r4()));

/// (code, expression) of each issue, after a check that the gate agrees with the walk.
fn issues(resource: &Value) -> Vec<(&'static str, String)> {
    let name = resource["resourceType"].as_str().unwrap_or("Patient");
    let resource_type = ResourceType::parse(name).expect(name);
    let issues = VALIDATOR.validate(resource_type, resource);
    let walked = super::walk::issues(&VALIDATOR.definitions, resource_type, resource);
    assert_eq!(issues, walked, "gate and walk disagree: {resource}");
    issues
        .into_iter()
        .map(|issue| (issue.code, issue.expression.unwrap_or_default()))
        .collect()
}

/// A Patient with these members.
fn patient(members: &str) -> Value {
    let text = format!(r#"{{"resourceType":"Patient",{members}}}"#);
    crate::fhir::json::parse(text.as_bytes(), 100).expect(&text)
}

/// An Observation that is valid but for these members.
fn observation(members: &str) -> Value {
    let text = format!(
        r#"{{"resourceType":"Observation","status":"final","code":{{"text":"x"}},{members}}}"#
    );
    crate::fhir::json::parse(text.as_bytes(), 100).expect(&text)
}

fn check(rows: &[(&str, &[(&str, &str)])], build: impl Fn(&str) -> Value) {
    for (members, expected) in rows {
        let found = issues(&build(members));
        let found: Vec<(&str, &str)> = found
            .iter()
            .map(|(code, at)| (*code, at.as_str()))
            .collect();
        assert_eq!(&found, expected, "{members}");
    }
}

#[test]
fn every_type_compiles() {
    for resource_type in ResourceType::all() {
        let empty = json!({ "resourceType": resource_type.name(), "unknown": 1 });
        let found = VALIDATOR.validate(resource_type, &empty);
        assert!(
            found.iter().any(|issue| issue.text.contains("`unknown`")),
            "{resource_type}"
        );
        walk_types(resource_type.name(), &mut Vec::new());
    }
}

/// Compiles the schema of a type and of all types below it.
fn walk_types(key: &str, seen: &mut Vec<String>) {
    if seen.iter().any(|known| known == key) {
        return;
    }
    seen.push(key.to_owned());
    let info = VALIDATOR.definitions.type_info(key).expect(key);
    VALIDATOR.schemas.of(key).validator();
    for field in info
        .fields
        .values()
        .filter(|field| !field.is_primitive && !field.is_resource)
    {
        walk_types(&field.type_key, seen);
    }
}

#[test]
fn unknown_and_misspelt_elements_are_named() {
    check(
        &[
            (
                r#""nmae":[{"family":"A"}]"#,
                &[("structure", "Patient.nmae")],
            ),
            (
                r#""name":[{"family":"A","x":1}]"#,
                &[("structure", "Patient.name[0].x")],
            ),
            (r#""_nmae":{}"#, &[("structure", "Patient._nmae")]),
            (
                r#""_name":[{"extension":[{"url":"a","valueCode":"b"}]}]"#,
                &[("structure", "Patient._name")],
            ),
            (r#""deceased":true"#, &[("structure", "Patient.deceased")]),
            (
                r#""deceasedString":"x""#,
                &[("structure", "Patient.deceasedString")],
            ),
            (
                r#""fhir_comments":["x"]"#,
                &[("structure", "Patient.fhir_comments")],
            ),
            (r#""a b":1"#, &[("structure", "Patient.`a b`")]),
            (
                r#""name":[{"_id":{"extension":[{"url":"a","valueCode":"b"}]},"text":"a"}]"#,
                &[("structure", "Patient.name[0]._id")],
            ),
            (
                r#""extension":[{"url":"a","_url":{"id":"x"},"valueCode":"b"}]"#,
                &[("structure", "Patient.extension[0]._url")],
            ),
        ],
        patient,
    );
    for (members, said) in [
        (r#""nmae":[]"#, "perhaps `name`"),
        (r#""birthdate":"2024""#, "perhaps `birthDate`"),
        (r#""deceased":true"#, "such as `deceasedBoolean`"),
    ] {
        let resource_type = ResourceType::parse("Patient").expect("known");
        let found = VALIDATOR.validate(resource_type, &patient(members));
        assert!(found[0].text.contains(said), "{members}: {}", found[0].text);
    }
}

#[test]
fn json_kinds_and_cardinality_are_held() {
    check(
        &[
            (r#""active":"true""#, &[("structure", "Patient.active")]),
            (r#""gender":1"#, &[("structure", "Patient.gender")]),
            (
                r#""birthDate":{"a":1}"#,
                &[("structure", "Patient.birthDate")],
            ),
            (r#""name":{"family":"A"}"#, &[("structure", "Patient.name")]),
            (r#""name":["A"]"#, &[("structure", "Patient.name[0]")]),
            (
                r#""name":[[{"family":"A"}]]"#,
                &[("structure", "Patient.name[0]")],
            ),
            (
                r#""birthDate":["2024"]"#,
                &[("structure", "Patient.birthDate")],
            ),
            (
                r#""maritalStatus":[{"text":"x"}]"#,
                &[("structure", "Patient.maritalStatus")],
            ),
            (
                r#""maritalStatus":"x""#,
                &[("structure", "Patient.maritalStatus")],
            ),
            (
                r#""name":[{"given":"A"}]"#,
                &[("structure", "Patient.name[0].given")],
            ),
            (
                r#""name":[{"given":["A",1]}]"#,
                &[("structure", "Patient.name[0].given[1]")],
            ),
            (
                r#""link":[{"type":"refer"}]"#,
                &[("required", "Patient.link[0].other")],
            ),
            (
                r#""link":[{"other":{"display":"x"}}]"#,
                &[("required", "Patient.link[0].type")],
            ),
            (
                r#""communication":[{"preferred":true}]"#,
                &[("required", "Patient.communication[0].language")],
            ),
            (
                r#""text":{"status":"generated"}"#,
                &[("required", "Patient.text.div")],
            ),
            (
                r#""text":{"status":"generated","div":"hello"}"#,
                &[("value", "Patient.text.div")],
            ),
        ],
        patient,
    );
    check(
        &[
            (
                r#"{"resourceType":"Observation"}"#,
                &[
                    ("required", "Observation.status"),
                    ("required", "Observation.code"),
                ],
            ),
            (
                r#"{"resourceType":"Observation","_status":{"extension":[{"url":"a","valueCode":"b"}]},"code":{"text":"x"}}"#,
                &[],
            ),
            (
                r#"{"resourceType":"MedicationRequest","status":"active","intent":"order","subject":{"display":"x"}}"#,
                &[("required", "MedicationRequest.medication")],
            ),
            (
                r#"{"resourceType":"Questionnaire","status":"draft","item":[{"linkId":"1","type":"group","item":[{"type":"string"}]}]}"#,
                &[("required", "Questionnaire.item[0].item[0].linkId")],
            ),
        ],
        |text| serde_json::from_str(text).expect(text),
    );
}

#[test]
fn a_choice_has_one_value() {
    check(
        &[
            (r#""valueString":"a""#, &[]),
            (r#""valueString":"a","_valueString":{"id":"x"}"#, &[]),
            (
                r#""valueString":"a","valueBoolean":true"#,
                &[("structure", "Observation.value")],
            ),
            (
                r#""valueString":"a","_valueBoolean":{"extension":[{"url":"a","valueCode":"b"}]}"#,
                &[("structure", "Observation.value")],
            ),
            (
                r#""component":[{"code":{"text":"x"},"valueInteger":1,"valueTime":"10:00:00"}]"#,
                &[("structure", "Observation.component[0].value")],
            ),
            (
                r#""effectiveDateTime":"2024","effectivePeriod":{"start":"2024"}"#,
                &[("structure", "Observation.effective")],
            ),
        ],
        observation,
    );
}

#[test]
fn codes_are_of_their_value_set() {
    check(
        &[
            (r#""gender":"female""#, &[]),
            (
                r#""gender":"Female""#,
                &[("code-invalid", "Patient.gender")],
            ),
            (r#""gender":"f""#, &[("code-invalid", "Patient.gender")]),
            (r#""gender":" female""#, &[("value", "Patient.gender")]),
            (
                r#""name":[{"use":"offical"}]"#,
                &[("code-invalid", "Patient.name[0].use")],
            ),
            (
                r#""telecom":[{"system":"twitter","value":"x"}]"#,
                &[("code-invalid", "Patient.telecom[0].system")],
            ),
            // Language is preferred, a Coding is not a code.
            (r#""language":"xx-any""#, &[]),
            (
                r#""maritalStatus":{"coding":[{"system":"s","code":"any"}]}"#,
                &[],
            ),
        ],
        patient,
    );
}

#[test]
fn primitives_keep_their_rules() {
    check(
        &[
            (r#""id":"a_b""#, &[("value", "Patient.id")]),
            (
                r#""birthDate":"2024-02-30""#,
                &[("value", "Patient.birthDate")],
            ),
            (r#""birthDate":"""#, &[("value", "Patient.birthDate")]),
            (
                r#""implicitRules":"http://a b""#,
                &[("value", "Patient.implicitRules")],
            ),
            (
                r#""deceasedDateTime":"2024-01-01T10:00""#,
                &[("value", "Patient.deceased")],
            ),
            (
                r#""deceasedDateTime":"2024-01-01T24:00:00Z""#,
                &[("value", "Patient.deceased")],
            ),
            (r#""deceasedDateTime":"2016-12-31T23:59:60Z""#, &[]),
            (
                r#""meta":{"lastUpdated":"2024-01-01"}"#,
                &[("value", "Patient.meta.lastUpdated")],
            ),
            (
                r#""multipleBirthInteger":2147483648"#,
                &[("value", "Patient.multipleBirth")],
            ),
            (
                r#""multipleBirthInteger":1.0"#,
                &[("value", "Patient.multipleBirth")],
            ),
            (
                r#""multipleBirthInteger":1e0"#,
                &[("value", "Patient.multipleBirth")],
            ),
            (r#""multipleBirthInteger":2147483647"#, &[]),
            (
                r#""telecom":[{"rank":0}]"#,
                &[("value", "Patient.telecom[0].rank")],
            ),
            (
                r#""photo":[{"size":-1}]"#,
                &[("value", "Patient.photo[0].size")],
            ),
            (
                r#""photo":[{"data":"AAA"}]"#,
                &[("value", "Patient.photo[0].data")],
            ),
            (
                r#""name":[{"family":"  "}]"#,
                &[("value", "Patient.name[0].family")],
            ),
            (
                r#""name":[{"family":""}]"#,
                &[("value", "Patient.name[0].family")],
            ),
            (
                r#""name":[{"family":"a\u0001"}]"#,
                &[("value", "Patient.name[0].family")],
            ),
        ],
        patient,
    );
    check(
        &[
            (r#""valueQuantity":{"value":1.00}"#, &[]),
            (r#""valueQuantity":{"value":1E-22}"#, &[]),
            (
                r#""valueQuantity":{"value":"1.0"}"#,
                &[("structure", "Observation.value.value")],
            ),
            (r#""valueTime":"10:00""#, &[("value", "Observation.value")]),
        ],
        observation,
    );
    let long = format!(r#""name":[{{"family":"{}"}}]"#, "a".repeat(1024 * 1024 + 1));
    assert_eq!(
        issues(&patient(&long)),
        [("value", "Patient.name[0].family".to_owned())]
    );
}

#[test]
fn nothing_is_empty_or_null() {
    check(
        &[
            (r#""name":[]"#, &[("structure", "Patient.name")]),
            (r#""name":[{}]"#, &[("structure", "Patient.name[0]")]),
            (r#""name":[null]"#, &[("structure", "Patient.name[0]")]),
            (r#""name":null"#, &[("structure", "Patient.name")]),
            (r#""birthDate":null"#, &[("structure", "Patient.birthDate")]),
            (
                r#""maritalStatus":{}"#,
                &[("structure", "Patient.maritalStatus")],
            ),
            (
                r#""maritalStatus":{"id":"x"}"#,
                &[("invariant", "Patient.maritalStatus")],
            ),
            (
                r#""name":[{"given":["A",null]}]"#,
                &[("structure", "Patient.name[0].given[1]")],
            ),
        ],
        patient,
    );
}

#[test]
fn companions_are_aligned_with_their_values() {
    const EXTENSION: &str = r#"{"extension":[{"url":"http://a","valueCode":"b"}]}"#;
    let with = |members: &str| patient(&members.replace('E', EXTENSION));
    check(
        &[
            (r#""_birthDate":E"#, &[]),
            (r#""birthDate":"2024","_birthDate":{"id":"x"}"#, &[]),
            (
                r#""_birthDate":{"id":"x"}"#,
                &[("invariant", "Patient.birthDate")],
            ),
            (r#""_birthDate":{}"#, &[("structure", "Patient.birthDate")]),
            (
                r#""_birthDate":null"#,
                &[("structure", "Patient.birthDate")],
            ),
            (r#""_birthDate":[E]"#, &[("structure", "Patient.birthDate")]),
            (
                r#""_birthDate":{"value":"x"}"#,
                &[
                    ("structure", "Patient.birthDate.value"),
                    ("invariant", "Patient.birthDate"),
                ],
            ),
            (r#""_id":E"#, &[]),
            (
                r#""name":[{"given":["A",null,"B"],"_given":[null,E,null]}]"#,
                &[],
            ),
            (r#""name":[{"_given":[E]}]"#, &[]),
            (
                r#""name":[{"_given":[null,E]}]"#,
                &[("structure", "Patient.name[0].given[0]")],
            ),
            (
                r#""name":[{"given":["A","B"],"_given":[E]}]"#,
                &[("structure", "Patient.name[0].given")],
            ),
            (
                r#""name":[{"given":["A"],"_given":[null,E]}]"#,
                &[("structure", "Patient.name[0].given")],
            ),
            (
                r#""name":[{"given":["A",null],"_given":[E,null]}]"#,
                &[("structure", "Patient.name[0].given[1]")],
            ),
            (
                r#""name":[{"given":["A",null],"_given":[null,{"id":"x"}]}]"#,
                &[("invariant", "Patient.name[0].given[1]")],
            ),
            (
                r#""name":[{"given":["A"],"_given":E}]"#,
                &[("structure", "Patient.name[0].given")],
            ),
            (
                r#""name":[{"given":["A"],"_given":[]}]"#,
                &[("structure", "Patient.name[0].given")],
            ),
            (
                r#""birthDate":"2024","_birthDate":{"extension":[{"url":"a","valueDate":"x"}]}"#,
                &[("value", "Patient.birthDate.extension[0].value")],
            ),
        ],
        with,
    );
}

#[test]
fn extensions_have_a_url_and_one_content() {
    check(
        &[
            (r#""extension":[{"url":"a","valueString":"b"}]"#, &[]),
            (
                r#""extension":[{"url":"a","extension":[{"url":"b","valueCode":"c"}]}]"#,
                &[],
            ),
            (
                r#""extension":[{"valueString":"b"}]"#,
                &[("required", "Patient.extension[0].url")],
            ),
            (
                r#""extension":[{"url":"a"}]"#,
                &[("invariant", "Patient.extension[0]")],
            ),
            (
                r#""extension":[{"url":"a","valueString":"b","extension":[{"url":"b","valueCode":"c"}]}]"#,
                &[("invariant", "Patient.extension[0]")],
            ),
            (
                r#""extension":[{"url":"a","valueString":"b","valueCode":"c"}]"#,
                &[("structure", "Patient.extension[0].value")],
            ),
            (
                r#""extension":[{"url":"","valueString":"b"}]"#,
                &[("value", "Patient.extension[0].url")],
            ),
            (
                r#""extension":[{"url":"a","valueHumanName":{"text":1}}]"#,
                &[("structure", "Patient.extension[0].value.text")],
            ),
        ],
        patient,
    );
}

#[test]
fn resources_inside_are_validated_by_their_own_type() {
    check(
        &[
            (
                r#""contained":[{"resourceType":"Organization","id":"o","name":"x"}]"#,
                &[],
            ),
            (
                r#""contained":[{"resourceType":"Organization","id":"o","nmae":"x"}]"#,
                &[("structure", "Patient.contained[0].nmae")],
            ),
            (
                r#""contained":[{"resourceType":"Organization","name":"x"}]"#,
                &[("required", "Patient.contained[0].id")],
            ),
            (
                r#""contained":[{"resourceType":"Organisation","id":"o"}]"#,
                &[("structure", "Patient.contained[0].resourceType")],
            ),
            (
                r#""contained":[{"id":"o"}]"#,
                &[("required", "Patient.contained[0].resourceType")],
            ),
            (
                r#""contained":[{"resourceType":"Organization","id":"o","meta":{"versionId":"1","lastUpdated":"2024-01-01T00:00:00Z"}}]"#,
                &[
                    ("invariant", "Patient.contained[0].meta.versionId"),
                    ("invariant", "Patient.contained[0].meta.lastUpdated"),
                ],
            ),
            (
                r#""contained":[{"resourceType":"Patient","id":"o","contained":[{"resourceType":"Patient","id":"p"}]}]"#,
                &[("invariant", "Patient.contained[0].contained")],
            ),
            (
                r#""contained":[1]"#,
                &[("structure", "Patient.contained[0]")],
            ),
        ],
        patient,
    );
    check(
        &[
            (
                r#"{"resourceType":"Bundle","type":"batch","entry":[{"resource":{"resourceType":"Patient","gender":"x"}}]}"#,
                &[("code-invalid", "Bundle.entry[0].resource.gender")],
            ),
            (
                r#"{"resourceType":"Parameters","parameter":[{"name":"a","part":[{"name":"b","resource":{"resourceType":"X"}}]}]}"#,
                &[(
                    "structure",
                    "Parameters.parameter[0].part[0].resource.resourceType",
                )],
            ),
        ],
        |text| serde_json::from_str(text).expect(text),
    );
}

#[test]
fn the_type_is_the_one_asked_for() {
    let patient_type = ResourceType::parse("Patient").expect("known");
    for (resource, code, at) in [
        (
            json!({"resourceType": "Observation"}),
            "structure",
            "Patient.resourceType",
        ),
        (
            json!({"resourceType": 1}),
            "structure",
            "Patient.resourceType",
        ),
        (json!({"active": true}), "required", "Patient.resourceType"),
        (json!([]), "structure", "Patient"),
        (json!(null), "structure", "Patient"),
        (json!({}), "required", "Patient.resourceType"),
    ] {
        let found = VALIDATOR.validate(patient_type, &resource);
        let first = found.first().expect("refused");
        assert_eq!(
            (first.code, first.expression.as_deref()),
            (code, Some(at)),
            "{resource}"
        );
    }
}

#[test]
fn issues_are_complete_but_not_endless() {
    let found = issues(&patient(
        r#""a":1,"birthDate":1,"name":[{"b":2,"given":[null]}]"#,
    ));
    let places: Vec<&str> = found.iter().map(|(_, at)| at.as_str()).collect();
    assert_eq!(
        places,
        [
            "Patient.a",
            "Patient.birthDate",
            "Patient.name[0].b",
            "Patient.name[0].given[0]"
        ]
    );
    let names = vec![json!({"x": 1}); 1000];
    let many = json!({"resourceType": "Patient", "name": names});
    assert_eq!(issues(&many).len(), super::MOST_ISSUES);
}

#[test]
fn two_requests_compile_a_type_once() {
    let validator = Validator::new(Definitions::r4());
    let kind = ResourceType::parse("Claim").expect("known");
    let compiled: Vec<usize> = std::thread::scope(|scope| {
        let threads: Vec<_> = (0..4)
            .map(|_| {
                scope.spawn(|| {
                    std::ptr::from_ref(validator.schemas.resource(kind).validator()).addr()
                })
            })
            .collect();
        threads
            .into_iter()
            .map(|thread| thread.join().expect("no panic"))
            .collect()
    });
    assert!(compiled.windows(2).all(|pair| pair[0] == pair[1]));
}
