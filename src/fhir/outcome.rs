//! OperationOutcome: the issues of an [`Error`](crate::error::Error) or of a success as JSON.
//! <https://hl7.org/fhir/R4/operationoutcome.html>

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
    value
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_issue_keeps_its_place() {
        let outcome = operation_outcome(&[Issue::error("value", "expected x").at("Patient.name")]);
        assert_eq!(
            outcome.to_string(),
            r#"{"resourceType":"OperationOutcome","issue":[{"severity":"error","code":"value","details":{"text":"expected x"},"diagnostics":"expected x","expression":["Patient.name"]}]}"#
        );
    }
}
