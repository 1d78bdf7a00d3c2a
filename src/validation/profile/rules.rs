//! What a rule of a profile asks of one element, and of how many there are.
//! <https://hl7.org/fhir/R4/elementdefinition.html>

use std::cmp::Ordering;

use serde_json::Value;

use super::compiled::Rule;
use super::values;
use super::walk::{Scope, Walk, children_named};
use crate::definitions::ElementType;
use crate::error::{Issue, Severity};
use crate::fhirpath::Node;
use crate::validation::issues::shown;

impl<'w> Walk<'w> {
    /// An element that the rule is for, with all below.
    pub(super) fn rule(&mut self, rule: &Rule, node: Node<'w>, scope: Scope<'w>, path: &str) {
        self.types(rule, node, scope, path);
        self.value(rule, node, path);
        self.narrative(rule, node, scope, path);
        for binding in rule.binding.iter().chain(&rule.more_bindings) {
            self.binding(binding, node, path, true);
        }
        self.invariants(&rule.constraints, node, scope, path);
        // Inside a resource within a resource, that one is the resource.
        let is_resource = node.choice.is_some_and(|choice| choice.field.is_resource);
        let scope = match is_resource {
            true => Scope {
                resource: node,
                ..scope
            },
            false => scope,
        };
        for child in &rule.children {
            let nodes = children_named(self.profiles, &node, &child.name, path);
            self.many(child, &nodes, scope, path);
        }
    }

    /// All elements of one name; `path` is that of what they are in.
    fn many(&mut self, rule: &Rule, nodes: &[(Node<'w>, String)], scope: Scope<'w>, path: &str) {
        self.count(rule, nodes.len(), &format!("{path}.{}", rule.name), path);
        for (node, at) in nodes {
            self.rule(rule, *node, scope, at);
        }
        if !rule.slices.is_empty() || rule.slicing.is_some() {
            self.slices(rule, nodes, scope, path);
        }
    }

    pub(super) fn count(&mut self, rule: &Rule, count: usize, at: &str, path: &str) {
        let name = match &rule.slice {
            Some(slice) => format!("{}:{slice}", rule.name),
            None => rule.name.clone(),
        };
        if count < rule.min as usize {
            let text = match (rule.min, count) {
                (1, 0) => format!("expected {name} but found none"),
                (min, _) => format!("expected at least {min} of {name} but found {count}"),
            };
            let at = if count == 0 { at } else { path };
            self.report(Issue::error("required", text), at);
        }
        if let Some(most) = rule.max
            && count > most as usize
        {
            let text = match most {
                0 => format!("expected no {name} but found {count}"),
                most => format!("expected at most {most} of {name} but found {count}"),
            };
            self.report(Issue::error("structure", text), at);
        }
    }

    fn types(&mut self, rule: &Rule, node: Node<'w>, scope: Scope<'w>, path: &str) {
        if rule.types.is_empty() {
            return;
        }
        let fits: Vec<&ElementType> = rule.types.iter().filter(|one| is_of(one, &node)).collect();
        if fits.is_empty() {
            let is_open = node
                .choice
                .is_some_and(|choice| choice.field.is_choice || choice.field.is_resource);
            if is_open {
                let codes: Vec<&str> = rule.types.iter().map(|one| one.code.as_str()).collect();
                let text = format!(
                    "expected {} of type {} but found one of type {}",
                    rule.name,
                    codes.join(" or "),
                    node.node_type.name()
                );
                self.report(Issue::error("structure", text), path);
            }
            return;
        }
        if matches!(node.node_type.key.as_str(), "Reference" | "canonical") {
            self.reference_of_rule(&fits, node, scope, path);
        }
        // An extension is held to the definition that its url names, wherever it stands.
        if node.node_type.key == "Extension" {
            return;
        }
        let profiles: Vec<&String> = fits.iter().flat_map(|one| &one.profiles).collect();
        if fits.iter().any(|one| one.profiles.is_empty()) || profiles.is_empty() {
            return;
        }
        self.one_of(&profiles, node, scope, path);
    }

    /// One of these is not known here, so that whether any is kept cannot be told.
    pub(super) fn unknown_profiles(&mut self, profiles: &[&String], path: &str) {
        let names: Vec<&str> = profiles.iter().map(|name| name.as_str()).collect();
        let text = format!(
            "expected a profile that is known here but found {}: it was not checked",
            names.join(", ")
        );
        let issue = Issue::error("not-found", text);
        // One that is there and cannot be read is no unknown one: its author has been told.
        let is_there = |canonical: &&&String| self.profiles.has("StructureDefinition", canonical);
        let severity = match profiles.iter().filter(is_there).count() == profiles.len() {
            true => Severity::Warning,
            false => self.profiles.settings.unknown_profiles,
        };
        self.report(Issue { severity, ..issue }, path);
    }

    /// A node that must keep one of some profiles; where there is one only, its issues are
    /// told one by one.
    pub(super) fn one_of(
        &mut self,
        profiles: &[&String],
        node: Node<'w>,
        scope: Scope<'w>,
        path: &str,
    ) {
        let known: Vec<_> = profiles
            .iter()
            .filter_map(|canonical| self.profiles.profile(canonical))
            .collect();
        if known.len() < profiles.len() {
            return self.unknown_profiles(profiles, path);
        }
        let Some(depth) = self.depth.checked_sub(1) else {
            return;
        };
        if let [only] = known.as_slice() {
            self.depth = depth;
            self.profile(only, node, scope, path);
            self.depth = depth + 1;
            return;
        }
        let keeps = |profile: &std::sync::Arc<super::Profile>| self.is_kept(profile, node, scope);
        if !known.iter().any(keeps) {
            let names: Vec<&str> = known.iter().map(|profile| profile.url.as_str()).collect();
            let text = format!(
                "expected one that keeps a profile of {} but found that it keeps none",
                names.join(", ")
            );
            self.report(Issue::error("structure", text), path);
        }
    }

    /// The members that a fixed object does not have, or has otherwise, each at its place;
    /// false where there are none such.
    fn fixed_members(&mut self, fixed: &Value, node: Node<'w>, path: &str) -> bool {
        let (Value::Object(wanted), Some(Value::Object(found))) = (fixed, node.value) else {
            return false;
        };
        let mut is_told = false;
        for (name, value) in found.iter().filter(|(name, _)| *name != "id") {
            let text = match wanted.get(name) {
                Some(wanted) if values::is_fixed(wanted, value) => continue,
                Some(wanted) => format!(
                    "expected exactly {} but found {}",
                    said(wanted),
                    told(value)
                ),
                None => format!("expected no {name} beside the fixed value but found one"),
            };
            is_told = true;
            self.report(Issue::error("value", text), &format!("{path}.{name}"));
        }
        is_told
    }

    fn length(&mut self, rule: &Rule, text: &str, path: &str) {
        if rule.max_length.is_none() && rule.min_length.is_none() {
            return;
        }
        let length = text.chars().count();
        if let Some(most) = rule.max_length.filter(|most| length > *most as usize) {
            let text = format!("expected at most {most} characters but found {length}");
            self.report(Issue::error("too-long", text), path);
        }
        if let Some(least) = rule.min_length.filter(|least| length < *least as usize) {
            let text = format!("expected at least {least} characters but found {length}");
            self.report(Issue::error("value", text), path);
        }
    }

    /// An element that has extensions only, where the profile wants a value or certain
    /// extensions in its place.
    fn without_value(&mut self, rule: &Rule, node: Node<'w>, path: &str) {
        if rule.must_have_value {
            let text = "expected a value, which no extension may stand for, but found none";
            self.report(Issue::error("required", text), path);
        }
        let extensions = node
            .companion
            .and_then(|own| own.get("extension")?.as_array());
        let is_alternative = |extension: &Value| {
            let url = extension.get("url").and_then(Value::as_str);
            rule.value_alternatives
                .iter()
                .any(|wanted| Some(wanted.as_str()) == url)
        };
        if !rule.value_alternatives.is_empty()
            && !extensions.into_iter().flatten().any(is_alternative)
        {
            let wanted = rule.value_alternatives.join(" or ");
            let text = format!("expected a value, or the extension {wanted}, but found neither");
            self.report(Issue::error("required", text), path);
        }
    }

    fn value(&mut self, rule: &Rule, node: Node<'w>, path: &str) {
        if let Some(fixed) = &rule.fixed
            && !node
                .value
                .is_some_and(|found| values::is_fixed(&fixed.value, found))
            && !self.fixed_members(&fixed.value, node, path)
        {
            let text = format!(
                "expected exactly {} but found {}",
                said(&fixed.value),
                node.value.map_or_else(|| "no value".to_owned(), told)
            );
            self.report(Issue::error("value", text), path);
        }
        if let Some(pattern) = &rule.pattern
            && !node
                .value
                .is_some_and(|found| values::has_pattern(&pattern.value, found))
        {
            let text = format!(
                "expected what has the pattern {} but found {}",
                said(&pattern.value),
                node.value.map_or_else(|| "no value".to_owned(), told)
            );
            self.report(Issue::error("value", text), path);
        }
        let Some(value) = node.value else {
            return self.without_value(rule, node, path);
        };
        if let Some(text) = value.as_str() {
            self.length(rule, text, path);
        }
        for (bound, wrong, word) in [
            (&rule.min_value, Ordering::Less, "least"),
            (&rule.max_value, Ordering::Greater, "most"),
        ] {
            if let Some(bound) = bound
                && values::compare(value, &bound.value) == Some(wrong)
            {
                let text = format!(
                    "expected at {word} {} but found {}",
                    said(&bound.value),
                    told(value)
                );
                self.report(Issue::error("value", text), path);
            }
        }
    }
}

/// Whether a node is of a type that an element may have.
pub(super) fn is_of(wanted: &ElementType, node: &Node<'_>) -> bool {
    let of_field = node.choice.map(|choice| choice.field.type_code.as_str());
    of_field == Some(wanted.code.as_str()) || node.node_type.is(&wanted.code)
}

/// What a profile says, which is no secret.
fn said(value: &Value) -> String {
    match value {
        Value::String(text) => format!("`{text}`"),
        other => format!("`{other}`"),
    }
}

/// What an instance says: texts are shown where they are short, others by their kind.
fn told(value: &Value) -> String {
    match value {
        Value::String(text) => shown(text),
        Value::Number(number) => shown(number.as_str()),
        Value::Bool(value) => value.to_string(),
        _ => match value
            .get("coding")
            .and_then(|codings| codings.get(0))
            .or(Some(value))
        {
            Some(coding) if coding.get("code").is_some() => {
                let text = |name: &str| coding.get(name).and_then(Value::as_str).unwrap_or("");
                format!("`{}|{}`", text("system"), text("code"))
            }
            _ => "another value".to_owned(),
        },
    }
}
