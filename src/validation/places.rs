//! Where issues are in the JSON: from a FHIRPath to an RFC 6901 pointer, and to line and column.
//!
//! ```text
//! Observation.value.code            ─▶ /valueQuantity/code            a choice with its type
//! Patient.birthDate.extension[0]    ─▶ /_birthDate/extension/0        beside a primitive
//! Patient.name[0].family, not there ─▶ /name/0                        the nearest around it
//! ```
//!
//! Done once there are issues to tell; a valid resource pays nothing. The paths are the simple
//! ones that validation writes (<https://hl7.org/fhir/R4/fhirpath.html#simple>), no others.

use std::fmt::Write;

use serde_json::Value;

use crate::error::{Issue, Place};
use crate::fhir::json;

/// Gives each issue that has a path the pointer into this resource.
pub fn point(issues: &mut [Issue], resource: &Value) {
    for issue in issues {
        if let Some(expression) = &issue.expression {
            issue.place = Some(Box::new(Place {
                pointer: pointer(resource, expression),
                position: None,
            }));
        }
    }
}

/// Gives each issue that has a pointer its line and column in the text that was sent;
/// `prefix` is the pointer of the resource in that text, empty where it is the whole.
pub fn find_lines(issues: &mut [Issue], text: &[u8], prefix: &str) {
    let pointers = issues.iter().filter_map(|issue| {
        let place = issue.place.as_ref()?;
        Some(format!("{prefix}{}", place.pointer))
    });
    let pointers: Vec<String> = pointers.collect();
    if pointers.is_empty() {
        return;
    }
    let pointers: Vec<&str> = pointers.iter().map(String::as_str).collect();
    let found = json::places(text, &pointers);
    let places = issues.iter_mut().filter_map(|issue| issue.place.as_mut());
    for (place, position) in places.zip(found) {
        place.position = position;
    }
}

fn pointer(resource: &Value, expression: &str) -> String {
    let mut out = String::new();
    let mut at = Some(resource);
    // What stands beside a primitive: its id and extensions.
    let mut beside: Option<(String, &Value)> = None;
    for step in steps(expression).skip(1) {
        let (name, index) = split_index(step);
        let Some(here) = at else { break };
        let (holder, start) = match (here.is_object(), beside.take()) {
            (false, Some((pointer, companion))) => (companion, Some(pointer)),
            _ => (here, None),
        };
        let Some((member, value)) = member(holder, name) else {
            break;
        };
        if let Some(start) = start {
            out = start;
        }
        let companion = holder.get(format!("_{member}"));
        beside = companion.map(|companion| (format!("{out}/_{}", escaped(member)), companion));
        let _ = write!(out, "/{}", escaped(member));
        at = Some(value);
        if let (Some(index), Some(items)) = (index, value.as_array()) {
            let _ = write!(out, "/{index}");
            at = items.get(index);
            beside = beside.and_then(|(pointer, companion)| {
                Some((format!("{pointer}/{index}"), companion.get(index)?))
            });
        }
    }
    out
}

/// The steps of a path; a name between backticks may have dots in it.
fn steps(expression: &str) -> impl Iterator<Item = &str> {
    let mut is_quoted = false;
    expression.split(move |letter: char| {
        is_quoted ^= letter == '`';
        letter == '.' && !is_quoted
    })
}

fn split_index(step: &str) -> (&str, Option<usize>) {
    let (name, index) = match step.split_once('[') {
        Some((name, index)) => (name, index.trim_end_matches(']').parse().ok()),
        None => (step, None),
    };
    (name.trim_matches('`'), index)
}

/// The member of that name, of a choice with its type, or what stands beside it alone.
fn member<'v>(object: &'v Value, name: &str) -> Option<(&'v str, &'v Value)> {
    let members = object.as_object()?;
    if let Some((name, value)) = members.get_key_value(name) {
        return Some((name, value));
    }
    let is_choice = |key: &str| {
        let rest = key.strip_prefix(name);
        rest.is_some_and(|rest| rest.starts_with(|first: char| first.is_ascii_uppercase()))
    };
    let found = members.iter().find(|(key, _)| is_choice(key));
    let found = found.or_else(|| {
        let bare = |key: &str| {
            key.strip_prefix('_')
                .is_some_and(|bare| bare == name || is_choice(bare))
        };
        members.iter().find(|(key, _)| bare(key))
    });
    found.map(|(key, value)| (key.as_str(), value))
}

fn escaped(name: &str) -> String {
    name.replace('~', "~0").replace('/', "~1")
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    #[test]
    fn paths_lead_into_the_json() {
        let resource = json!({
            "resourceType": "Observation",
            "name": [{"given": ["a", null], "_given": [null, {"id": "x"}]}],
            "valueQuantity": {"code": "g"},
            "birthDate": "2020",
            "_birthDate": {"extension": [{"url": "u", "valueCode": "c"}]},
            "_issued": {"id": "i"},
            "a/b": 1,
        });
        for (path, expected) in [
            ("Observation", ""),
            ("Observation.name[0].given[0]", "/name/0/given/0"),
            ("Observation.name[0].given[1].id", "/name/0/_given/1/id"),
            ("Observation.value", "/valueQuantity"),
            ("Observation.value.code", "/valueQuantity/code"),
            ("Observation.birthDate", "/birthDate"),
            (
                "Observation.birthDate.extension[0].value",
                "/_birthDate/extension/0/valueCode",
            ),
            ("Observation.issued", "/_issued"),
            ("Observation.`a/b`", "/a~1b"),
            ("Observation.name[0].family", "/name/0"),
            ("Observation.name[7]", "/name/7"),
            ("Observation.subject", ""),
        ] {
            assert_eq!(pointer(&resource, path), expected, "{path}");
        }
    }

    #[test]
    fn lines_are_those_of_the_text() {
        let text = "{\"parameter\": [\n {\"resource\": {\n  \"active\": 1}}]}";
        let mut issues = vec![
            Issue::error("value", "x").at("Patient.active"),
            Issue::error("value", "y"),
        ];
        point(&mut issues, &json!({"active": 1}));
        find_lines(&mut issues, text.as_bytes(), "/parameter/0/resource");
        let place = issues[0].place.as_deref().expect("it has a place");
        assert_eq!(
            (place.pointer.as_str(), place.position),
            ("/active", Some((3, 13)))
        );
        assert_eq!(issues[1].place, None);
    }
}
