//! The changes, each with the rule that it breaks.

use super::Mutant;
use super::place::{Place, places};
use serde_json::{Value, json};

const REQUIRED: &str = "a required element is dropped";
const REPEATED: &str = "an element is repeated that may not be";
const FIXED: &str = "a fixed value or pattern is not kept";
const BOUND: &str = "a code is not in the value set of a required binding";
pub const TYPED: &str = "a choice is of another type";
const TARGET: &str = "a reference leads to another type";
const SLICE: &str = "a required slice is dropped";
const INVARIANT: &str = "an invariant of R4 is broken";

/// Each must have been tried.
pub const RULES: [&str; 8] = [
    REQUIRED, REPEATED, FIXED, BOUND, TYPED, TARGET, SLICE, INVARIANT,
];

/// Every break of what the profile says of the elements that the resource has.
pub fn of_profile(snapshot: &[Value], resource: &Value) -> Vec<Mutant> {
    let mut mutants = Vec::new();
    for element in snapshot.iter().skip(1) {
        let (Some(id), Some(path)) = (element["id"].as_str(), element["path"].as_str()) else {
            continue;
        };
        if id.contains(':') {
            mutants.extend(slice(snapshot, element, id, path, resource));
            continue;
        }
        let Some((parent, name)) = path.rsplit_once('.') else {
            continue;
        };
        for place in places(resource, parent) {
            mutants.extend(required(element, &place, name, resource));
            for (key, value) in place.below(resource, name) {
                mutants.extend(repeated(element, &place, name, &key, resource));
                mutants.extend(fixed(element, &value, resource));
                mutants.extend(bound(element, &value, resource));
                mutants.extend(typed(element, &place, name, &key, resource));
                mutants.extend(target(element, &value, resource));
            }
        }
    }
    mutants
}

/// The mutant that a change makes, if there is what it changes.
fn changed(
    rule: &'static str,
    at: String,
    resource: &Value,
    pointer: &str,
    change: impl FnOnce(&mut Value) -> Option<()>,
) -> Option<Mutant> {
    let mut resource = resource.clone();
    change(resource.pointer_mut(pointer)?)?;
    Some(Mutant { rule, at, resource })
}

fn required(element: &Value, place: &Place, name: &str, resource: &Value) -> Option<Mutant> {
    if element["min"] == 0 {
        return None;
    }
    let present = place.below(resource, name);
    let at = format!("{}.{}", place.path, name.trim_end_matches("[x]"));
    changed(REQUIRED, at, resource, &place.pointer, |value| {
        let object = value.as_object_mut()?;
        for (key, _) in &present {
            object.shift_remove(key);
            object.shift_remove(&format!("_{key}"));
        }
        // An object that has lost all would break another rule.
        (!present.is_empty() && !object.is_empty()).then_some(())
    })
}

fn repeated(
    element: &Value,
    place: &Place,
    name: &str,
    key: &str,
    resource: &Value,
) -> Option<Mutant> {
    let at = format!("{}.{name}", place.path);
    let most: usize = element["max"].as_str()?.parse().ok()?;
    changed(REPEATED, at, resource, &place.pointer, |value| {
        let list = value.get_mut(key)?.as_array_mut()?;
        let first = list.first()?.clone();
        list.resize(most + 1, first);
        Some(())
    })
}

/// Its value by a name that begins so.
fn constant<'v>(element: &'v Value, stem: &str) -> Option<&'v Value> {
    let members = element.as_object()?;
    let mut found = members.iter().filter(|(name, _)| name.starts_with(stem));
    found.next().map(|(_, value)| value)
}

fn fixed(element: &Value, place: &Place, resource: &Value) -> Option<Mutant> {
    constant(element, "fixed").or_else(|| constant(element, "pattern"))?;
    changed(FIXED, place.path.clone(), resource, &place.pointer, spoil)
}

/// Another value of the same shape.
fn spoil(value: &mut Value) -> Option<()> {
    match value {
        Value::String(text) => text.push('z'),
        Value::Bool(is) => *is = !*is,
        Value::Object(members) if members.contains_key("coding") => {
            let codings = members.get_mut("coding")?.as_array_mut()?;
            codings.iter_mut().try_for_each(spoil)?;
        }
        Value::Object(members) if members.contains_key("code") => {
            members.insert("code".into(), json!("no-such-code"));
        }
        _ => return None,
    }
    Some(())
}

fn bound(element: &Value, place: &Place, resource: &Value) -> Option<Mutant> {
    let binding = &element["binding"];
    if binding["strength"] != "required" {
        return None;
    }
    // Value sets that stand on the tables of a system that is not here cannot be judged.
    let is_known = |url: &str| {
        url.starts_with("http://hl7.org/fhir/ValueSet/")
            && !["languages", "mimetypes", "ucum", "currencies"]
                .iter()
                .any(|unknown| url.contains(unknown))
    };
    if !binding["valueSet"].as_str().is_some_and(is_known) {
        return None;
    }
    changed(
        BOUND,
        place.path.clone(),
        resource,
        &place.pointer,
        |value| match value {
            Value::String(code) => {
                *code = "no-such-code".into();
                Some(())
            }
            other => spoil(other),
        },
    )
}

fn typed(
    element: &Value,
    place: &Place,
    name: &str,
    key: &str,
    resource: &Value,
) -> Option<Mutant> {
    let stem = name.strip_suffix("[x]")?;
    let types = element["type"].as_array()?;
    let allows = |code: &str| types.iter().any(|one| one["code"] == code);
    let others = [
        ("string", "String", json!("other")),
        ("Period", "Period", json!({"start": "2024-01-01"})),
        (
            "Range",
            "Range",
            json!({"low": {"value": 1}, "high": {"value": 2}}),
        ),
    ];
    let (_, suffix, other) = others.into_iter().find(|(code, ..)| !allows(code))?;
    let at = format!("{}.{stem}", place.path);
    changed(TYPED, at, resource, &place.pointer, |value| {
        let object = value.as_object_mut()?;
        object.shift_remove(key)?;
        object.shift_remove(&format!("_{key}"));
        object.insert(format!("{stem}{suffix}"), other);
        Some(())
    })
}

fn target(element: &Value, place: &Place, resource: &Value) -> Option<Mutant> {
    let types = element["type"].as_array()?;
    let targets: Vec<&str> = types
        .iter()
        .flat_map(|one| one["targetProfile"].as_array().into_iter().flatten())
        .filter_map(Value::as_str)
        .collect();
    if targets.is_empty() || targets.iter().any(|one| one.ends_with("/Resource")) {
        return None;
    }
    // Nothing in these packages refers to one.
    const OTHER: &str = "EffectEvidenceSynthesis";
    changed(
        TARGET,
        place.path.clone(),
        resource,
        &place.pointer,
        |value| {
            let reference = value.get_mut("reference")?;
            let is_relative = reference
                .as_str()?
                .starts_with(|first: char| first.is_ascii_uppercase());
            *reference = json!(format!("{OTHER}/1"));
            value.as_object_mut()?.shift_remove("type");
            is_relative.then_some(())
        },
    )
}

/// A slice at the top, told by its own pattern or by fixed values within it: without its items
/// it is missing.
fn slice(
    snapshot: &[Value],
    element: &Value,
    id: &str,
    path: &str,
    resource: &Value,
) -> Option<Mutant> {
    let is_slice_itself = id.rsplit('.').next()?.contains(':') && id.matches(':').count() == 1;
    if !is_slice_itself || element["min"] == 0 || path.matches('.').count() != 1 {
        return None;
    }
    let name = path.split('.').nth(1)?;
    let marks = marks(snapshot, id);
    if marks.is_empty() {
        return None;
    }
    changed(SLICE, path.to_owned(), resource, "", |resource| {
        let list = resource.get_mut(name)?.as_array_mut()?;
        let before = list.len();
        list.retain(|item| !marks.iter().all(|(steps, wanted)| has(item, steps, wanted)));
        let is_dropped = list.len() < before;
        if list.is_empty() {
            // The list itself may be required: another item, which is in no slice.
            resource.as_object_mut()?.shift_remove(name);
        }
        is_dropped.then_some(())
    })
}

/// The constants of a slice, by their steps below it.
fn marks<'s>(snapshot: &'s [Value], id: &str) -> Vec<(Vec<&'s str>, &'s Value)> {
    let mut found = Vec::new();
    for element in snapshot {
        let Some(rest) = element["id"].as_str().and_then(|own| own.strip_prefix(id)) else {
            continue;
        };
        if !(rest.is_empty() || rest.starts_with('.')) || element["min"] == 0 && !rest.is_empty() {
            continue;
        }
        let wanted = constant(element, "fixed").or_else(|| constant(element, "pattern"));
        if let Some(wanted) = wanted {
            let steps = rest.split('.').filter(|step| !step.is_empty()).collect();
            found.push((steps, wanted));
        }
    }
    found
}

fn has(value: &Value, steps: &[&str], wanted: &Value) -> bool {
    if let Value::Array(items) = value {
        return items.iter().any(|item| has(item, steps, wanted));
    }
    match steps.split_first() {
        Some((step, rest)) => value
            .get(step)
            .is_some_and(|value| has(value, rest, wanted)),
        None => holds(value, wanted),
    }
}

/// Whether a value has all that a pattern has.
fn holds(value: &Value, wanted: &Value) -> bool {
    match (value, wanted) {
        (Value::Array(items), Value::Array(patterns)) => patterns
            .iter()
            .all(|pattern| items.iter().any(|item| holds(item, pattern))),
        (Value::Object(members), Value::Object(patterns)) => patterns
            .iter()
            .all(|(name, pattern)| members.get(name).is_some_and(|own| holds(own, pattern))),
        (value, wanted) => value == wanted,
    }
}

/// Breaks of invariants of R4, wherever the resource has what they are about.
pub fn of_invariants(resource: &Value) -> Vec<Mutant> {
    let root = Place::root(resource).path;
    let mut mutants = Vec::new();
    let mut add = |at: String, change: &dyn Fn(&mut Value) -> Option<()>| {
        mutants.extend(changed(INVARIANT, at, resource, "", change));
    };
    // ref-1: what `#` leads to is not contained.
    add(format!("{root}.subject"), &|resource| {
        resource.get_mut("subject")?["reference"] = json!("#nobody");
        Some(())
    });
    // dom-3: what is contained is referred to.
    add(root.clone(), &|resource| {
        let is_with = resource.get("contained").is_some();
        resource["contained"] =
            json!([{"resourceType": "Organization", "id": "alone", "name": "a"}]);
        (!is_with && resource["resourceType"] != "Bundle").then_some(())
    });
    // dom-4: what is contained has no versionId.
    add(root.clone(), &|resource| {
        let own = resource["resourceType"] == "Patient";
        resource["contained"] = json!([{
            "resourceType": "Organization", "id": "o", "name": "a", "meta": {"versionId": "1"}
        }]);
        resource["managingOrganization"] = json!({"reference": "#o"});
        own.then_some(())
    });
    // per-1: a period does not end before it begins.
    add(format!("{root}.identifier[0].period"), &|resource| {
        let identifier = resource
            .get_mut("identifier")?
            .as_array_mut()?
            .first_mut()?;
        identifier["period"] = json!({"start": "2024-02-01", "end": "2024-01-01"});
        Some(())
    });
    // cpt-2: a contact's value has a system.
    add(format!("{root}.telecom[0]"), &|resource| {
        let contact = resource.get_mut("telecom")?.as_array_mut()?.first_mut()?;
        contact.as_object_mut()?.shift_remove("system")?;
        contact.get("value").map(|_| ())
    });
    // obs-6: a reason for no value is there only where there is no value.
    add(root.clone(), &|resource| {
        resource.get("valueQuantity")?;
        resource["dataAbsentReason"] = json!({"text": "unknown"});
        Some(())
    });
    // qty-3: a code of a unit has a system.
    add(format!("{root}.value"), &|resource| {
        let quantity = resource.get_mut("valueQuantity")?.as_object_mut()?;
        quantity.get("code")?;
        quantity.shift_remove("system").map(|_| ())
    });
    // pat-1: a contact has a name, an address, a number or an organization.
    add(format!("{root}.contact[0]"), &|resource| {
        let is_patient = resource["resourceType"] == "Patient";
        resource["contact"] = json!([{"gender": "female"}]);
        is_patient.then_some(())
    });
    mutants
}
