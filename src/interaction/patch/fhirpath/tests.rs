//! FHIRPath Patch on plain values: the specification by table, refusals.

use super::{Ground, apply, read};
use crate::definitions::Definitions;
use crate::fhirpath::Model;
use serde_json::{Value, json};

fn patched(before: &Value, parameters: &Value) -> Result<Value, String> {
    let says = |error: crate::error::Error| error.to_string();
    let model = Model::new(Definitions::r4());
    let ground = Ground {
        model: &model,
        base: "http://x/fhir",
    };
    let mut resource = before.clone();
    apply(&ground, &mut resource, &read(parameters).map_err(says)?).map_err(says)?;
    Ok(resource)
}

/// A Parameters with one operation; each part is its name and what it holds.
fn operation(parts: &[(&str, Value)]) -> Value {
    let parts: Vec<Value> = parts
        .iter()
        .map(|(name, value)| {
            let mut part = json!({"name": name});
            if let (Value::Object(part), Value::Object(value)) = (&mut part, value) {
                part.extend(value.clone());
            }
            part
        })
        .collect();
    json!({"resourceType": "Parameters", "parameter": [{"name": "operation", "part": parts}]})
}

/// `type path name` or `type path`, then parts that are not texts.
fn asked(words: &[&str], others: &[(&str, Value)]) -> Value {
    let names = ["type", "path", "name"];
    let texts = names.iter().zip(words);
    let mut parts: Vec<(&str, Value)> = texts
        .map(|(name, word)| (*name, json!({"valueString": word})))
        .collect();
    parts.extend(others.iter().cloned());
    operation(&parts)
}

fn patient() -> Value {
    json!({
        "resourceType": "Patient", "active": true,
        "name": [{"given": ["A", null, "C"], "_given": [null, {"id": "b"}, null]}, {"family": "F"}],
        "birthDate": "2000", "_birthDate": {"id": "x"},
        "deceasedBoolean": false,
        "contact": [{"name": {"text": "n"}}],
    })
}

#[test]
fn operations_do_what_the_specification_says() {
    let value = |value: Value| ("value", value);
    let text = |text: &str| value(json!({"valueString": text}));
    let index = |name: &'static str, index: usize| (name, json!({"valueInteger": index}));
    for (parameters, pointer, expected) in [
        (
            asked(
                &["add", "Patient", "gender"],
                &[value(json!({"valueCode": "male"}))],
            ),
            "/gender",
            json!("male"),
        ),
        (
            asked(&["add", "Patient.name[1]", "given"], &[text("G")]),
            "/name/1/given",
            json!(["G"]),
        ),
        (
            asked(&["add", "Patient.name[0]", "given"], &[text("D")]),
            "/name/0/given",
            json!(["A", null, "C", "D"]),
        ),
        (
            asked(&["add", "Patient.name[0]", "given"], &[text("D")]),
            "/name/0/_given",
            json!([null, {"id": "b"}, null, null]),
        ),
        // A choice by its name, its name in JSON, its name in the definition.
        (
            asked(
                &["add", "Patient", "multipleBirth"],
                &[value(json!({"valueInteger": 2}))],
            ),
            "/multipleBirthInteger",
            json!(2),
        ),
        (
            asked(
                &["add", "Patient", "multipleBirth[x]"],
                &[value(json!({"valueBoolean": true}))],
            ),
            "/multipleBirthBoolean",
            json!(true),
        ),
        (
            asked(
                &["add", "Patient", "multipleBirthBoolean"],
                &[value(json!({"valueBoolean": true}))],
            ),
            "/multipleBirthBoolean",
            json!(true),
        ),
        // Anonymous types, nested, with lists and extensions.
        (
            asked(
                &["add", "Patient", "link"],
                &[value(json!({"part": [
                {"name": "other", "valueReference": {"reference": "Patient/2"}}, {"name": "type", "valueCode": "seealso"}]}))],
            ),
            "/link",
            json!([{"other": {"reference": "Patient/2"}, "type": "seealso"}]),
        ),
        (
            asked(
                &["add", "Patient", "extension"],
                &[value(json!({"part": [
                {"name": "url", "valueUri": "urn:e"}, {"name": "value", "valueDecimal": 1}]}))],
            ),
            "/extension",
            json!([{"url": "urn:e", "valueDecimal": 1}]),
        ),
        (
            asked(
                &["add", "Patient", "contained"],
                &[value(
                    json!({"resource": {"resourceType": "Group", "id": "g"}}),
                )],
            ),
            "/contained/0/id",
            json!("g"),
        ),
        // The members of a primitive stand beside its value.
        (
            asked(
                &["add", "Patient.birthDate", "extension"],
                &[value(
                    json!({"valueExtension": {"url": "urn:e", "valueCode": "c"}}),
                )],
            ),
            "/_birthDate",
            json!({"id": "x", "extension": [{"url": "urn:e", "valueCode": "c"}]}),
        ),
        (
            asked(
                &["add", "Patient.name[0].given[0]", "extension"],
                &[value(
                    json!({"valueExtension": {"url": "urn:e", "valueCode": "c"}}),
                )],
            ),
            "/name/0/_given/0/extension/0/url",
            json!("urn:e"),
        ),
        (
            asked(
                &["insert", "Patient.name.given"],
                &[text("B"), index("index", 3)],
            ),
            "/name/0/given",
            json!(["A", null, "C", "B"]),
        ),
        (
            asked(
                &["insert", "Patient.name[0].given"],
                &[text("B"), index("index", 0)],
            ),
            "/name/0/_given",
            json!([null, null, {"id": "b"}, null]),
        ),
        (
            asked(
                &["insert", "Patient.contact[0].telecom"],
                &[
                    value(json!({"valueContactPoint": {"value": "1"}})),
                    index("index", 0),
                ],
            ),
            "/contact/0/telecom",
            json!([{"value": "1"}]),
        ),
        (
            asked(
                &["insert", "telecom"],
                &[
                    value(json!({"valueContactPoint": {"value": "1"}})),
                    index("index", 0),
                ],
            ),
            "/telecom",
            json!([{"value": "1"}]),
        ),
        (
            asked(&["delete", "Patient.name[0].given[1]"], &[]),
            "/name/0",
            json!({"given": ["A", "C"]}),
        ),
        (
            asked(&["delete", "Patient.name.where(family = 'F')"], &[]),
            "/name",
            json!([{"given": ["A", null, "C"], "_given": [null, {"id": "b"}, null]}]),
        ),
        (
            asked(&["delete", "Patient.contact[0].name.text"], &[]),
            "/contact",
            Value::Null,
        ),
        (
            asked(&["delete", "Patient.birthDate.id"], &[]),
            "/_birthDate",
            Value::Null,
        ),
        (
            asked(&["delete", "Patient.birthDate"], &[]),
            "/_birthDate",
            Value::Null,
        ),
        (
            asked(&["delete", "Patient.photo"], &[]),
            "/active",
            json!(true),
        ),
        (
            asked(&["delete", "Patient.deceased"], &[]),
            "/deceasedBoolean",
            Value::Null,
        ),
        (
            asked(
                &["replace", "Patient.birthDate"],
                &[value(json!({"valueDate": "2001"}))],
            ),
            "/_birthDate",
            Value::Null,
        ),
        (
            asked(
                &["replace", "Patient.deceased"],
                &[value(json!({"valueDateTime": "2020"}))],
            ),
            "/deceasedDateTime",
            json!("2020"),
        ),
        (
            asked(
                &["replace", "Patient.deceased"],
                &[value(json!({"valueDateTime": "2020"}))],
            ),
            "/deceasedBoolean",
            Value::Null,
        ),
        (
            asked(&["replace", "Patient.name[0].given[1]"], &[text("B")]),
            "/name/0",
            json!({"given": ["A", "B", "C"]}),
        ),
        (
            asked(
                &["replace", "Patient.name.given.where($this = 'C')"],
                &[text("D")],
            ),
            "/name/0/given",
            json!(["A", null, "D"]),
        ),
        (
            asked(
                &["move", "Patient.name"],
                &[index("source", 1), index("destination", 0)],
            ),
            "/name/0",
            json!({"family": "F"}),
        ),
        (
            asked(
                &["move", "Patient.name[0].given"],
                &[index("source", 1), index("destination", 2)],
            ),
            "/name/0",
            json!({"given": ["A", "C", null], "_given": [null, null, {"id": "b"}]}),
        ),
    ] {
        let after = patched(&patient(), &parameters)
            .unwrap_or_else(|error| panic!("{error}: {parameters}"));
        let found = after.pointer(pointer).unwrap_or(&Value::Null);
        assert_eq!(*found, expected, "{pointer} {parameters}\n{after}");
    }
}

#[test]
fn what_cannot_be_done_is_told_with_its_operation() {
    let value = |value: Value| ("value", value);
    let text = value(json!({"valueString": "x"}));
    let index = |name: &'static str, index: i64| (name, json!({"valueInteger": index}));
    let deep = (0..100).fold(json!({"valueString": "x"}), |inner, _| {
        json!({"part": [{"name": "extension", "part": inner.get("part").cloned().unwrap_or(json!([]))}]})
    });
    for (parameters, says) in [
        (
            json!({"resourceType": "Patient"}),
            "expected a FHIRPath Patch",
        ),
        (
            json!({"resourceType": "Parameters", "parameter": [{"name": "x"}]}),
            "operation 0, counted from 0: expected a parameter of the name operation",
        ),
        (operation(&[]), "a part `path`"),
        (asked(&["fly", "Patient"], &[]), "expected the type to be"),
        (
            asked(&["delete", "Patient.("], &[]),
            "the path \"Patient.(\"",
        ),
        (asked(&["delete", "Patient.nothing()"], &[]), "the path"),
        (
            asked(&["add", "Patient"], std::slice::from_ref(&text)),
            "a part `name`",
        ),
        (asked(&["add", "Patient", "gender"], &[]), "a part `value`"),
        (
            asked(&["insert", "Patient.name"], std::slice::from_ref(&text)),
            "a part `index`",
        ),
        (
            asked(
                &["insert", "Patient.name"],
                &[text.clone(), index("index", -1)],
            ),
            "from 0 on",
        ),
        (
            asked(&["add", "Patient", "nmae"], std::slice::from_ref(&text)),
            "Patient has no element \"nmae\"",
        ),
        (
            asked(
                &["add", "Patient", "active"],
                &[value(json!({"valueBoolean": true}))],
            ),
            "expected no active there",
        ),
        (
            asked(
                &["add", "Patient", "deceased"],
                &[value(json!({"valueDateTime": "2000"}))],
            ),
            "expected no deceased there",
        ),
        (
            asked(
                &["add", "Patient", "gender"],
                &[value(json!({"valueBoolean": true}))],
            ),
            "expected a code as the value but found Boolean",
        ),
        (
            asked(&["add", "Patient", "name"], std::slice::from_ref(&text)),
            "expected a HumanName as the value but found String",
        ),
        (
            asked(&["add", "Patient", "contact"], std::slice::from_ref(&text)),
            "expected a BackboneElement as the value",
        ),
        (
            asked(
                &["add", "Patient", "multipleBirth"],
                std::slice::from_ref(&text),
            ),
            "expected a type of multipleBirth[x] but found String",
        ),
        (
            asked(
                &["add", "Patient", "contained"],
                std::slice::from_ref(&text),
            ),
            "expected a Resource",
        ),
        (
            asked(
                &["add", "Patient", "contact"],
                &[value(json!({"part": [{"name": "x", "valueCode": "c"}]}))],
            ),
            "Patient.contact has no element \"x\"",
        ),
        (
            asked(&["add", "Patient", "extension"], &[value(deep)]),
            "nest too deeply",
        ),
        (
            asked(
                &["add", "Patient.photo", "url"],
                std::slice::from_ref(&text),
            ),
            "expected one element but found nothing at \"Patient.photo\"",
        ),
        (
            asked(
                &["add", "Patient.name", "family"],
                std::slice::from_ref(&text),
            ),
            "expected one element but found 2",
        ),
        (
            asked(
                &["add", "Patient.name.count()", "family"],
                std::slice::from_ref(&text),
            ),
            "is not known",
        ),
        (
            asked(&["add", "Group", "active"], std::slice::from_ref(&text)),
            "found nothing",
        ),
        (
            asked(&["delete", "Patient.name"], &[]),
            "expected one element but found 2",
        ),
        (asked(&["delete", "Patient"], &[]), "found the resource"),
        (asked(&["delete", "1 + 1"], &[]), "computed value"),
        (
            asked(&["replace", "Patient.photo"], std::slice::from_ref(&text)),
            "found nothing",
        ),
        (
            asked(&["replace", "Patient"], std::slice::from_ref(&text)),
            "found the resource",
        ),
        (
            asked(
                &["insert", "Patient.name"],
                &[
                    value(json!({"valueHumanName": {"text": "x"}})),
                    index("index", 3),
                ],
            ),
            "an index from 0 to 2 but found 3",
        ),
        (
            asked(
                &["insert", "Patient.photo"],
                &[
                    value(json!({"valueAttachment": {"url": "x"}})),
                    index("index", 1),
                ],
            ),
            "an index from 0 to 0",
        ),
        (
            asked(
                &["insert", "Patient.name[0]"],
                &[
                    value(json!({"valueHumanName": {"text": "x"}})),
                    index("index", 0),
                ],
            ),
            "expected all items of one list but found 1 items",
        ),
        (
            asked(
                &["insert", "Patient.birthDate"],
                &[value(json!({"valueDate": "2000"})), index("index", 0)],
            ),
            "does not repeat",
        ),
        (
            asked(
                &["insert", "Patient.photo.where(true)"],
                &[text.clone(), index("index", 0)],
            ),
            "expected a list but found nothing",
        ),
        (
            asked(
                &["insert", "Patient.name | Patient.contact"],
                &[text.clone(), index("index", 0)],
            ),
            "expected all items of one list",
        ),
        (
            asked(
                &["move", "Patient.name"],
                &[index("source", 2), index("destination", 0)],
            ),
            "an index from 0 to 1 but found 2",
        ),
        (
            asked(
                &["move", "Patient.photo"],
                &[index("source", 0), index("destination", 0)],
            ),
            "found nothing",
        ),
    ] {
        let error = patched(&patient(), &parameters).expect_err(&parameters.to_string());
        assert!(error.contains(says), "{parameters}: {error}");
    }
}

/// A long list costs its length, not its square.
#[test]
fn long_lists_are_edited_in_no_time() {
    let names: Vec<Value> = (0..50_000)
        .map(|n| json!({"text": n.to_string()}))
        .collect();
    let patient = json!({"resourceType": "Patient", "name": names});
    let started = std::time::Instant::now();
    let last = ("destination", json!({"valueInteger": 49_999}));
    let parameters = asked(
        &["move", "Patient.name"],
        &[("source", json!({"valueInteger": 0})), last],
    );
    let after = patched(&patient, &parameters).expect("a patch");
    assert_eq!(after["name"][49_999]["text"], "0");
    let everything = asked(&["delete", "Patient.name.text"], &[]);
    assert!(patched(&patient, &everything).is_err());
    assert!(started.elapsed().as_secs() < 10);
}

/// An expression that never ends costs its time, and no more.
#[test]
fn time_is_limited() {
    let parameters = asked(
        &[
            "delete",
            "Patient.repeat($this | $this.descendants()).repeat($this)",
        ],
        &[],
    );
    let slow = "descendants().select(descendants().select(descendants().select(descendants()))).count() > 1";
    let slow = asked(&["delete", &format!("Patient.where({slow})")], &[]);
    for parameters in [parameters, slow] {
        let started = std::time::Instant::now();
        let _ = patched(&patient(), &parameters);
        assert!(started.elapsed().as_secs() < 10);
    }
}
