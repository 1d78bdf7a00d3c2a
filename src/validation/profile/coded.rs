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

/// Bindings of one resource that are left open.
const MOST_QUESTIONS: usize = 200;

/// Whether codes are in a value set whose codes are not at hand: for the caller to find out.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Question {
    pub value_set: String,
    /// System, where there is one, and code: one of them has to be in the value set.
    pub codes: Vec<(Option<String>, String)>,
    /// What is to be said if none is.
    pub refused: Issue,
    /// What is to be said if that cannot be told.
    pub unknown: Option<Issue>,
}

/// The codes of an element.
fn codes_of(node: &Node<'_>) -> Vec<(Option<String>, String)> {
    let text = |of: &Value, name: &str| of.get(name).and_then(Value::as_str).map(str::to_owned);
    let one = |coding: &Value| Some((text(coding, "system"), text(coding, "code")?));
    match (node.text(), node.value) {
        (Some(code), _) => vec![(None, code.to_owned())],
        (None, Some(value)) => match value.get("coding").and_then(Value::as_array) {
            // A coding without a system is of none that could be told.
            Some(codings) => {
                let codings = codings.iter().filter_map(one);
                codings.filter(|(system, _)| system.is_some()).collect()
            }
            None => one(value).into_iter().collect(),
        },
        (None, None) => Vec::new(),
    }
}

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
    /// Leaves a binding to who can find out, or says what is unknown.
    fn open(
        &mut self,
        value_set: &str,
        node: &Node<'w>,
        (severity, unknown): (Severity, Option<Issue>),
        path: &str,
    ) {
        let codes = codes_of(node);
        match &mut self.questions {
            Some(questions) if !codes.is_empty() && questions.len() < MOST_QUESTIONS => {
                let text = format!("expected a code of {value_set} but found {}", found(node));
                let issue = Issue::error("code-invalid", text).at(path);
                let question = Question {
                    value_set: value_set.to_owned(),
                    codes,
                    refused: Issue { severity, ..issue },
                    unknown: unknown.map(|unknown| unknown.at(path)),
                };
                if !questions.contains(&question) {
                    questions.push(question);
                }
            }
            _ => {
                if let Some(unknown) = unknown {
                    self.report(unknown, path);
                }
            }
        }
    }

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
            let unknown = (is_told && severity == Severity::Error).then(|| {
                let text = format!(
                    "expected a code of {value_set}, which could not be checked: its codes are \
                     not known here"
                );
                Issue::warning("not-supported", text)
            });
            self.open(value_set, &node, (severity, unknown), path);
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
