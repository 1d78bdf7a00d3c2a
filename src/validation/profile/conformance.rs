//! SearchParameters and CapabilityStatements, beside what they refer to.
//! <https://hl7.org/fhir/R4/searchparameter.html>,
//! <https://hl7.org/fhir/R4/capabilitystatement.html>
//!
//! A parameter's expression can be read and has a meaning on its base types, a composite has
//! components, and what derives from another has its type and none but its bases. A search
//! parameter that a server tells of is of the type that its definition says.

use std::sync::Arc;

use serde_json::Value;

use super::walk::Walk;
use crate::error::Issue;
use crate::fhirpath::Expression;

impl Walk<'_> {
    pub(super) fn search_parameter(&mut self, parameter: &Value, path: &str) {
        if let Some(expression) = text(parameter, "expression") {
            self.search_expression(expression, parameter, path);
        }
        let components = list(parameter, "component").count();
        if text(parameter, "type") == Some("composite") && components < 2 {
            let text =
                format!("expected two components or more of a composite but found {components}");
            self.report(
                Issue::error("business-rule", text),
                &format!("{path}.component"),
            );
        }
        let derived = text(parameter, "derivedFrom");
        let Some(origin) =
            derived.and_then(|canonical| self.profiles.find("SearchParameter", canonical))
        else {
            return;
        };
        self.derived(parameter, &origin, path);
    }

    /// The expression begins at one of the base types, where it names a type at all.
    fn search_expression(&mut self, expression: &str, parameter: &Value, path: &str) {
        let at = format!("{path}.expression");
        let compiled = match Expression::compile_for_search(expression) {
            Ok(compiled) => compiled,
            Err(error) => {
                let text = format!(
                    "expected an expression of FHIRPath but found that it cannot be read: {error}"
                );
                return self.report(Issue::error("value", text), &at);
            }
        };
        let bases: Vec<&str> = list(parameter, "base").filter_map(Value::as_str).collect();
        let is_abstract = bases
            .iter()
            .any(|base| matches!(*base, "Resource" | "DomainResource"));
        let strays = compiled
            .ast()
            .union_branches()
            .into_iter()
            .find_map(|branch| {
                let first = branch.first_name()?;
                let is_type = crate::fhir::ResourceType::parse(first).is_some();
                (is_type && !bases.contains(&first)).then(|| first.to_owned())
            });
        if let Some(stray) = strays.filter(|_| !is_abstract && !bases.is_empty()) {
            let text = format!(
                "expected an expression on {} but found one on {stray}",
                bases.join(", ")
            );
            self.report(Issue::error("value", text), &at);
        }
    }

    fn derived(&mut self, parameter: &Value, origin: &Arc<Value>, path: &str) {
        if text(parameter, "type") != text(origin, "type") {
            let text =
                "expected the type of the parameter that this derives from but found another";
            self.report(Issue::error("business-rule", text), &format!("{path}.type"));
        }
        let wider: Vec<&str> = list(origin, "base").filter_map(Value::as_str).collect();
        let is_any = wider
            .iter()
            .any(|base| matches!(*base, "Resource" | "DomainResource"));
        let mut own = list(parameter, "base").filter_map(Value::as_str);
        if let Some(other) = own.find(|base| !is_any && !wider.contains(base)) {
            let text = format!(
                "expected the bases of the parameter that this derives from but found {other}"
            );
            self.report(Issue::error("business-rule", text), &format!("{path}.base"));
        }
    }

    pub(super) fn capability_statement(&mut self, statement: &Value, path: &str) {
        for (at, rest) in list(statement, "rest").enumerate() {
            let place = format!("{path}.rest[{at}]");
            self.search_params(rest, &place);
            for (at, resource) in list(rest, "resource").enumerate() {
                self.search_params(resource, &format!("{place}.resource[{at}]"));
            }
        }
    }

    fn search_params(&mut self, within: &Value, path: &str) {
        for (at, told) in list(within, "searchParam").enumerate() {
            let canonical = text(told, "definition");
            let Some(known) = canonical.and_then(|one| self.profiles.search_type(one)) else {
                continue;
            };
            let own = text(told, "type").unwrap_or_default();
            if own != known {
                let text =
                    format!("expected the type {known}, as the definition says, but found {own}");
                self.report(
                    Issue::error("value", text),
                    &format!("{path}.searchParam[{at}].type"),
                );
            }
        }
    }
}

fn list<'v>(of: &'v Value, name: &str) -> impl Iterator<Item = &'v Value> + use<'v> {
    of.get(name).and_then(Value::as_array).into_iter().flatten()
}

fn text<'v>(of: &'v Value, name: &str) -> Option<&'v str> {
    of.get(name)?.as_str()
}
