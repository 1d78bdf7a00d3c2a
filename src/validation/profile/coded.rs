//! Codes and the value sets that they are bound to, by the strength of the binding.
//! <https://hl7.org/fhir/R4/terminologies.html#strength>
//!
//! A required binding that is not kept is an error, an extensible one a warning. Where the
//! codes of the value set are not at hand nothing is refused: a required binding of a profile
//! then says that it could not be checked.

use serde_json::Value;

use super::walk::Walk;
use crate::definitions::{Binding, CodeSet, Strength};
use crate::error::{Issue, Severity};
use crate::fhirpath::Node;
use crate::validation::issues::shown;

/// What an element says of codes: `None` where it is of no type that has any.
pub(super) fn is_in(codes: &CodeSet, node: &Node<'_>) -> Option<bool> {
    if let Some(code) = node.text() {
        return Some(codes.contains_code(code));
    }
    match node.node_type.name() {
        "CodeableConcept" | "CodeableReference" => {
            let codings = node.get("coding").and_then(Value::as_array);
            let mut codings = codings.into_iter().flatten();
            Some(codings.any(|coding| has(codes, coding)))
        }
        _ if node.get("code").is_some() => Some(has(codes, node.value?)),
        "Coding" => Some(false),
        _ => None,
    }
}

fn has(codes: &CodeSet, coding: &Value) -> bool {
    let text = |name: &str| coding.get(name).and_then(Value::as_str);
    match (text("system"), text("code")) {
        (Some(system), Some(code)) => codes.contains(system, code),
        _ => false,
    }
}

/// What is found, in words that hold no free text.
fn found(node: &Node<'_>) -> String {
    let one = |coding: &Value| {
        let text = |name: &str| coding.get(name).and_then(Value::as_str);
        match (text("system"), text("code")) {
            (Some(system), Some(code)) => format!("`{system}|{code}`"),
            (None, Some(code)) => format!("{} without a system", shown(code)),
            _ => "a coding without a code".to_owned(),
        }
    };
    match (node.text(), node.value) {
        (Some(code), _) => shown(code),
        (None, Some(value)) => match value.get("coding").and_then(Value::as_array) {
            Some(codings) => codings.iter().map(one).collect::<Vec<_>>().join(", "),
            None if value.get("code").is_some() => one(value),
            None => "no code".to_owned(),
        },
        (None, None) => "no code".to_owned(),
    }
}

impl<'w> Walk<'w> {
    /// `is_told`: whether to say that a binding cannot be checked.
    pub(super) fn binding(&mut self, binding: &Binding, node: Node<'w>, path: &str, is_told: bool) {
        let severity = match binding.strength {
            Strength::Required => Severity::Error,
            Strength::Extensible => Severity::Warning,
            Strength::Preferred | Strength::Example => return,
        };
        if node.value.is_none() {
            return;
        }
        let value_set = &binding.value_set;
        let Some(codes) = self
            .profiles
            .codes(value_set)
            .filter(|codes| !codes.is_empty())
        else {
            if is_told && severity == Severity::Error {
                let text = format!(
                    "expected a code of {value_set}, which could not be checked: its codes are \
                     not known here"
                );
                self.report(Issue::warning("not-supported", text), path);
            }
            return;
        };
        let is_text_only = node.node_type.name() == "CodeableConcept"
            && node.get("coding").is_none()
            && severity == Severity::Warning;
        if is_text_only || is_in(&codes, &node).unwrap_or(true) {
            return;
        }
        let text = format!("expected a code of {value_set} but found {}", found(&node));
        let issue = Issue::error("code-invalid", text);
        self.report(Issue { severity, ..issue }, path);
    }
}
