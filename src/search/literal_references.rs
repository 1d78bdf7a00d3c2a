//! Every literal reference of a resource, wherever it stands: what referential integrity
//! checks and a transaction rewrites. <https://hl7.org/fhir/R4/references.html#literal>
//!
//! Contained resources are walked too. What is inside the entries of a Bundle is not: there,
//! references are the Bundle's own. Canonicals, uris and links in narratives are no
//! References and not found here.
//!
//! The walk knows a Reference by its text named `reference`. R4 has three other elements of
//! that name and type, all uris: they are told apart by what is beside them.

use crate::fhir::reference::Target;
use serde_json::Value;

/// Every literal reference with its place, `Observation.subject.reference`, in order.
pub fn literal_references<'a>(resource: &'a Value, base: &str) -> Vec<(String, Target<'a>)> {
    let mut found = Vec::new();
    let root = resource.get("resourceType").and_then(Value::as_str);
    let mut path = vec![Step::Name(root.unwrap_or("Resource"))];
    walk(resource, None, &mut path, &mut |path, text| {
        found.push((shown(path), Target::parse(text, base)));
    });
    found
}

/// Visits the text of every literal reference.
pub fn visit_references<'a>(resource: &'a Value, visit: &mut impl FnMut(&'a str)) {
    walk(resource, None, &mut Vec::new(), &mut |_, text| visit(text));
}

/// Changes every literal reference for which `rename` has another text; says how many.
pub fn rewrite_references(
    resource: &mut Value,
    rename: &mut impl FnMut(&str) -> Option<String>,
) -> usize {
    rewrite(resource, None, rename)
}

/// A step from the root of a resource to an element.
#[derive(Clone, Copy)]
enum Step<'a> {
    Name(&'a str),
    Index(usize),
}

fn shown(path: &[Step<'_>]) -> String {
    let mut text = String::new();
    for step in path {
        match step {
            Step::Name(name) => {
                if !text.is_empty() {
                    text.push('.');
                }
                text.push_str(name);
            }
            Step::Index(index) => text.push_str(&format!("[{index}]")),
        }
    }
    text
}

/// The literal of an object that is a Reference; `name` is the element's own name.
fn literal_of<'a>(
    object: &'a serde_json::Map<String, Value>,
    name: Option<&str>,
) -> Option<&'a str> {
    let text = object.get("reference")?.as_str()?;
    is_reference(object, name).then_some(text)
}

/// DetectedIssue and Immunization.education have a uri named `reference`, and so has the
/// type Expression, which always states its language.
fn is_reference(object: &serde_json::Map<String, Value>, name: Option<&str>) -> bool {
    let beside = |names: &[&str]| names.iter().any(|name| object.contains_key(*name));
    !(beside(&["resourceType", "language"]) || name == Some("education"))
}

fn walk<'a>(
    value: &'a Value,
    name: Option<&'a str>,
    path: &mut Vec<Step<'a>>,
    visit: &mut impl FnMut(&[Step<'a>], &'a str),
) {
    match value {
        Value::Object(object) => {
            if let Some(text) = literal_of(object, name) {
                path.push(Step::Name("reference"));
                visit(path, text);
                path.pop();
            }
            for (name, child) in object {
                if matches!(child, Value::Object(_) | Value::Array(_)) && !is_inner(name, object) {
                    path.push(Step::Name(name));
                    walk(child, Some(name), path, visit);
                    path.pop();
                }
            }
        }
        Value::Array(items) => {
            for (index, item) in items.iter().enumerate() {
                path.push(Step::Index(index));
                walk(item, name, path, visit);
                path.pop();
            }
        }
        _ => {}
    }
}

/// Whether the member is the content of a Bundle.
pub fn is_inner(name: &str, object: &serde_json::Map<String, Value>) -> bool {
    let is_bundle = || {
        object
            .get("resourceType")
            .is_some_and(|name| name == "Bundle")
    };
    name == "entry" && is_bundle()
}

fn rewrite(
    value: &mut Value,
    name: Option<&str>,
    rename: &mut impl FnMut(&str) -> Option<String>,
) -> usize {
    let mut count = 0;
    match value {
        Value::Object(object) => {
            if let Some(new) = literal_of(object, name).and_then(&mut *rename) {
                object.insert("reference".to_owned(), Value::String(new));
                count += 1;
            }
            let is_bundle = object
                .get("resourceType")
                .is_some_and(|name| name == "Bundle");
            for (name, child) in object.iter_mut() {
                if !(is_bundle && name == "entry") {
                    count += rewrite(child, Some(name), rename);
                }
            }
        }
        Value::Array(items) => {
            for item in items {
                count += rewrite(item, name, rename);
            }
        }
        _ => {}
    }
    count
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    fn sample() -> Value {
        json!({
            "resourceType": "Observation",
            "contained": [{"resourceType": "Specimen", "subject": {"reference": "Patient/9"}}],
            "subject": {"reference": "urn:uuid:1", "display": "A"},
            "hasMember": [{"reference": "#x"}, {"reference": "Observation/2"}],
            "extension": [
                {"url": "http://e", "valueReference": {"reference": "Group?identifier=g"}},
                {"url": "http://e", "valueExpression": {"language": "x", "reference": "Patient/0"}},
            ],
            "performer": [{"display": "no literal"}],
        })
    }

    #[test]
    fn references_are_found_wherever_they_stand() {
        let resource = sample();
        let found = literal_references(&resource, "http://me");
        let paths: Vec<&str> = found.iter().map(|(path, _)| path.as_str()).collect();
        assert_eq!(
            paths,
            [
                "Observation.contained[0].subject.reference",
                "Observation.subject.reference",
                "Observation.hasMember[0].reference",
                "Observation.hasMember[1].reference",
                "Observation.extension[0].valueReference.reference",
            ]
        );
        assert_eq!(found[1].1, Target::Urn("urn:uuid:1"));
    }

    #[test]
    fn uris_of_that_name_and_inner_bundles_are_left_alone() {
        for other in [
            json!({"resourceType": "DetectedIssue", "reference": "Patient/1"}),
            json!({"resourceType": "Immunization", "education": [{"reference": "Patient/1"}]}),
            json!({"resourceType": "Bundle", "entry": [{"resource": sample()}]}),
        ] {
            assert_eq!(literal_references(&other, "http://me"), [], "{other}");
        }
    }

    #[test]
    fn references_are_rewritten_in_place() {
        let mut resource = sample();
        let mut rename = |text: &str| text.strip_prefix("urn:").map(|_| "Patient/1".to_owned());
        assert_eq!(rewrite_references(&mut resource, &mut rename), 1);
        assert_eq!(
            resource["subject"].to_string(),
            r#"{"reference":"Patient/1","display":"A"}"#
        );
    }
}
