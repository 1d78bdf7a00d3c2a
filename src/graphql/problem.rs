//! What is wrong with a GraphQL request, as the response tells it.
//! <https://hl7.org/fhir/R4/graphql.html#errors>,
//! <https://spec.graphql.org/October2021/#sec-Errors>
//!
//! Each error carries an OperationOutcome beside its message, with the issues of the
//! interaction that failed where there was one.

use crate::error::{Category, Error, Issue};
use crate::fhir::outcome::operation_outcome;
use async_graphql_parser::Pos;
use serde_json::{Value, json};

/// One of the `errors`.
#[derive(Clone, Debug, PartialEq)]
pub struct Problem {
    pub category: Category,
    pub issues: Vec<Issue>,
    /// Where in the document.
    pub location: Option<Pos>,
    /// Where in the answer: names and indexes.
    pub path: Vec<Value>,
}

impl Problem {
    pub fn new(category: Category, text: impl Into<String>) -> Problem {
        Problem {
            category,
            issues: vec![Issue::error(category.issue_code(), text)],
            location: None,
            path: Vec::new(),
        }
    }

    /// The document is not one of GraphQL, or asks for what there is not.
    pub fn invalid(text: impl Into<String>) -> Problem {
        Problem::new(Category::Invalid, text)
    }

    /// It would cost more than it may.
    pub fn costly(text: impl Into<String>) -> Problem {
        Problem::new(Category::TooCostly, text)
    }

    /// An interaction that failed.
    pub fn of(error: Error) -> Problem {
        Problem {
            category: error.category,
            issues: error.issues,
            location: None,
            path: Vec::new(),
        }
    }

    pub fn at(mut self, location: Pos) -> Problem {
        self.location.get_or_insert(location);
        self
    }

    pub fn message(&self) -> String {
        let texts: Vec<&str> = self
            .issues
            .iter()
            .map(|issue| issue.text.as_str())
            .collect();
        texts.join("; ")
    }

    pub fn to_json(&self) -> Value {
        let mut error = json!({"message": self.message()});
        if let Some(Pos { line, column }) = self.location {
            error["locations"] = json!([{"line": line, "column": column}]);
        }
        if !self.path.is_empty() {
            error["path"] = json!(self.path);
        }
        error["extensions"] = json!({"resource": operation_outcome(&self.issues)});
        error
    }
}
