//! OperationOutcome: the issues of an [`Error`](crate::error::Error) or of a success as JSON.
//! <https://hl7.org/fhir/R4/operationoutcome.html>
//!
//! | of an issue | in the OperationOutcome |
//! |---|---|
//! | severity, code, text, FHIRPath | `severity`, `code`, `details.text`, `expression` |
//! | line and column | HL7's extensions `operationoutcome-issue-line` and `-issue-col` |
//! | the key of the constraint | HL7's extension `operationoutcome-message-id` |
//! | the JSON pointer | an extension of ours, [`POINTER`] |
//!
//! `location`, which R4 has for XPath and calls deprecated, is left out: a pointer is no XPath.

use crate::error::Issue;
use serde_json::{Value, json};

/// The OperationOutcome that carries these issues; an empty list becomes one
/// informational issue, since the resource needs at least one.
pub fn operation_outcome(issues: &[Issue]) -> Value {
    let issues: Vec<Value> = if issues.is_empty() {
        vec![issue(&Issue::information("informational", "all is well"))]
    } else {
        issues.iter().map(issue).collect()
    };
    json!({"resourceType": "OperationOutcome", "issue": issues})
}

/// The extension that holds an RFC 6901 pointer to the element, as a `valueString`; an issue
/// of the resource as a whole has none.
pub const POINTER: &str = "https://andiron.example/fhir/StructureDefinition/issue-pointer";

const LINE: &str = "http://hl7.org/fhir/StructureDefinition/operationoutcome-issue-line";
const COLUMN: &str = "http://hl7.org/fhir/StructureDefinition/operationoutcome-issue-col";
const KEY: &str = "http://hl7.org/fhir/StructureDefinition/operationoutcome-message-id";

fn extensions(issue: &Issue) -> Vec<Value> {
    let mut extensions = Vec::new();
    if let Some(place) = &issue.place {
        // That of the resource itself is empty, which no string of FHIR may be.
        if !place.pointer.is_empty() {
            extensions.push(json!({"url": POINTER, "valueString": place.pointer}));
        }
        if let Some((line, column)) = place.position {
            extensions.push(json!({"url": LINE, "valueInteger": line}));
            extensions.push(json!({"url": COLUMN, "valueInteger": column}));
        }
    }
    if let Some(key) = &issue.key {
        extensions.push(json!({"url": KEY, "valueString": key}));
    }
    extensions
}

fn issue(issue: &Issue) -> Value {
    let mut value = json!({
        "severity": issue.severity.code(),
        "code": issue.code,
        "details": {"text": issue.text},
        "diagnostics": issue.text,
    });
    if let Some(expression) = &issue.expression {
        value["expression"] = json!([expression]);
    }
    let extensions = extensions(issue);
    if !extensions.is_empty() {
        value["extension"] = Value::Array(extensions);
    }
    value
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::error::Place;

    #[test]
    fn what_r4_has_no_element_for_is_an_extension() {
        let mut issue = Issue::error("invariant", "expected x").keyed("pat-1");
        issue.place = Some(Box::new(Place {
            pointer: "/contact/0".to_owned(),
            position: Some((3, 7)),
        }));
        let outcome = operation_outcome(&[issue]);
        assert_eq!(
            outcome["issue"][0]["extension"],
            json!([
                {"url": POINTER, "valueString": "/contact/0"},
                {"url": LINE, "valueInteger": 3},
                {"url": COLUMN, "valueInteger": 7},
                {"url": KEY, "valueString": "pat-1"},
            ])
        );
    }

    #[test]
    fn the_pointer_of_the_resource_itself_is_left_out() {
        let place = Place {
            pointer: String::new(),
            position: None,
        };
        let issue = Issue {
            place: Some(Box::new(place)),
            ..Issue::error("value", "expected x")
        };
        let outcome = operation_outcome(&[issue]);
        assert_eq!(outcome["issue"][0].get("extension"), None, "{outcome}");
    }

    #[test]
    fn an_issue_keeps_its_place() {
        let outcome = operation_outcome(&[Issue::error("value", "expected x").at("Patient.name")]);
        assert_eq!(
            outcome.to_string(),
            r#"{"resourceType":"OperationOutcome","issue":[{"severity":"error","code":"value","details":{"text":"expected x"},"diagnostics":"expected x","expression":["Patient.name"]}]}"#
        );
    }
}
