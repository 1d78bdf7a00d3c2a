//! Seeded mutants: one change to a valid resource, of which the rule and the place that it
//! breaks are known beforehand. The gate and the walk must both catch it, there.

use std::sync::Arc;

use serde_json::{Map, Value, json};

use super::{VALIDATOR, issues};
use crate::definitions::{Field, TypeInfo, TypeKind};
use crate::suites::Dice;
use crate::validation::schema::codes;

/// An object within a resource.
struct Place {
    pointer: String,
    path: String,
    info: Arc<TypeInfo>,
}

/// What a mutant must be refused with.
struct Expected {
    code: &'static str,
    at: String,
}

/// Every object of a resource that is of a known type, extensions of primitives excepted.
fn places(key: &str, value: &Value, pointer: String, path: String, found: &mut Vec<Place>) {
    let key = match key {
        "Resource" => value["resourceType"].as_str().unwrap_or_default(),
        key => key,
    };
    let (Some(info), Some(members)) = (VALIDATOR.definitions.type_info(key), value.as_object())
    else {
        return;
    };
    for (name, member) in members {
        let Some(field) = info.field(name).filter(|field| !field.is_primitive) else {
            continue;
        };
        let pointer = format!("{pointer}/{name}");
        let path = format!("{path}.{}", field.name);
        let key = if field.is_resource {
            "Resource"
        } else {
            &field.type_key
        };
        match member {
            Value::Array(items) => {
                for (at, item) in items.iter().enumerate() {
                    places(
                        key,
                        item,
                        format!("{pointer}/{at}"),
                        format!("{path}[{at}]"),
                        found,
                    );
                }
            }
            single => places(key, single, pointer, path, found),
        }
    }
    found.push(Place {
        pointer,
        path,
        info,
    });
}

/// Changes one member of one object; `None` when the change does not fit what was drawn.
fn mutate(place: &Place, object: &mut Map<String, Value>, dice: &mut Dice) -> Option<Expected> {
    let names: Vec<String> = object
        .keys()
        .filter(|n| place.info.field(n).is_some())
        .cloned()
        .collect();
    let name = names.get(dice.below(names.len()))?;
    let field = place.info.field(name)?;
    let at = format!("{}.{}", place.path, field.name);
    let change = dice.below(9);
    let expected = |code| {
        Some(Expected {
            code,
            at: at.clone(),
        })
    };
    match change {
        0 => drop_required(place, object, name, field).then(|| expected("required"))?,
        1 => {
            let value = object.remove(name)?;
            let renamed = format!("{name}Q");
            object.insert(renamed.clone(), value);
            Some(Expected {
                code: "structure",
                at: format!("{}.{renamed}", place.path),
            })
        }
        2 => change_first(object, name, &at, "structure", |_| Some(wrong_kind(field))),
        3 => {
            codes(&VALIDATOR.definitions, field)?;
            change_first(object, name, &at, "code-invalid", |_| {
                Some(json!("no-such-code"))
            })
        }
        4 => change_first(object, name, &at, "value", |old| {
            old.is_string().then(|| json!(""))
        }),
        5 if object.contains_key(&format!("_{name}")) => None,
        5 => change_first(object, name, &at, "structure", |_| Some(Value::Null)),
        6 => {
            let swapped = match object.get_mut(name)?.take() {
                Value::Array(mut items) => items.pop()?,
                single => json!([single]),
            };
            object.insert(name.clone(), swapped);
            expected("structure")
        }
        7 => {
            object.insert(name.clone(), json!([]));
            expected("structure")
        }
        _ => {
            let other = place.info.fields_of(&field.name).map(|(other, _)| other);
            let other = other
                .filter(|other| *other != name && field.is_choice)
                .last()?;
            object.insert(other.to_owned(), json!("2024"));
            expected("structure")
        }
    }
}

fn drop_required(
    place: &Place,
    object: &mut Map<String, Value>,
    name: &str,
    field: &Field,
) -> bool {
    let rest = object
        .keys()
        .filter(|n| *n != name && *n != "id" && *n != "resourceType")
        .count();
    let is_root = place.info.kind == TypeKind::Resource;
    if field.min == 0 || rest == 0 && !is_root {
        return false;
    }
    object.remove(&format!("_{name}"));
    object.remove(name).is_some()
}

/// Replaces a value, the first where there are several.
fn change_first(
    object: &mut Map<String, Value>,
    name: &str,
    at: &str,
    code: &'static str,
    change: impl FnOnce(&Value) -> Option<Value>,
) -> Option<Expected> {
    let (target, at) = match object.get_mut(name)? {
        Value::Array(items) => (items.first_mut()?, format!("{at}[0]")),
        single => (single, at.to_owned()),
    };
    *target = change(target)?;
    Some(Expected { code, at })
}

fn wrong_kind(field: &Field) -> Value {
    match field.is_primitive {
        true => json!({"a": 1}),
        false => json!("a"),
    }
}

/// Makes `count` mutants of a valid resource and says how many there were; fewer when some
/// draws do not fit.
pub(super) fn try_mutants(resource: &Value, seed: u64, count: usize) -> usize {
    let name = resource["resourceType"].as_str().unwrap_or_default();
    let mut found = Vec::new();
    places(name, resource, String::new(), name.to_owned(), &mut found);
    let mut dice = Dice(seed);
    let mut made = 0;
    for _ in 0..count {
        let place = &found[dice.below(found.len())];
        let mut mutant = resource.clone();
        let object = mutant
            .pointer_mut(&place.pointer)
            .and_then(Value::as_object_mut);
        let Some(expected) = object.and_then(|object| mutate(place, object, &mut dice)) else {
            continue;
        };
        let issues = issues(&mutant);
        let is_caught = issues
            .iter()
            .any(|(code, at)| *code == expected.code && *at == expected.at);
        assert!(
            is_caught,
            "seed {seed}: expected {} at {} but found {issues:?} in {mutant}",
            expected.code, expected.at
        );
        made += 1;
    }
    made
}

#[test]
fn mutants_are_caught_where_they_are() {
    let resources = [
        r#"{"resourceType":"Patient","id":"a","meta":{"profile":["http://a"]},
            "text":{"status":"generated","div":"<div>a</div>"},
            "extension":[{"url":"http://a","valueCodeableConcept":{"coding":[{"system":"http://s","code":"c"}]}}],
            "name":[{"use":"official","family":"Chalmers","given":["Peter","James"]},{"use":"usual","text":"Jim"}],
            "telecom":[{"system":"phone","value":"1","rank":1}],"gender":"male","birthDate":"1974-12-25",
            "deceasedBoolean":false,"address":[{"use":"home","line":["534 Erewhon St"],"period":{"start":"1974-12-25"}}],
            "contact":[{"relationship":[{"text":"x"}],"name":{"family":"du Marché"},"gender":"female"}],
            "link":[{"other":{"reference":"Patient/b"},"type":"seealso"}]}"#,
        r#"{"resourceType":"Bundle","type":"transaction","entry":[{"fullUrl":"urn:uuid:a","resource":
            {"resourceType":"Observation","status":"final","code":{"coding":[{"code":"c"}]},
             "valueQuantity":{"value":1.20,"comparator":"<","unit":"kg"},"effectiveDateTime":"2024-01-01",
             "component":[{"code":{"text":"x"},"valueString":"y"}],
             "contained":[{"resourceType":"Organization","id":"o","name":"x"}]},
            "request":{"method":"POST","url":"Observation"}}]}"#,
        r#"{"resourceType":"Questionnaire","status":"draft","subjectType":["Patient"],"item":[{"linkId":"1","type":"group",
            "item":[{"linkId":"2","type":"choice","enableWhen":[{"question":"1","operator":"=","answerBoolean":true}],
            "answerOption":[{"valueCoding":{"code":"a"}}]}]}]}"#,
    ];
    for (seed, text) in (1..).zip(resources) {
        let resource: Value = serde_json::from_str(text).expect(text);
        assert_eq!(issues(&resource), [], "{text}");
        let made = try_mutants(&resource, seed, 1000);
        assert!(made > 300, "only {made} mutants");
    }
}
