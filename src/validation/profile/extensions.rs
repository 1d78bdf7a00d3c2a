//! Extensions: each is held to the definition that its url names.
//! <https://hl7.org/fhir/R4/extensibility.html>,
//! <https://hl7.org/fhir/R4/defining-extensions.html#context>
//!
//! A modifier extension that nobody here knows is refused, since it may turn the meaning of
//! what it stands in around.

use serde_json::Value;

use super::compile::Profile;
use super::walk::{Scope, Walk};
use crate::error::Issue;
use crate::fhirpath::{Expression, Item, Node};

impl<'w> Walk<'w> {
    /// One extension; `holder` is what it stands in.
    pub(super) fn extension(
        &mut self,
        node: Node<'w>,
        holder: Node<'w>,
        scope: Scope<'w>,
        path: &str,
    ) {
        let Some(url) = node.get("url").and_then(Value::as_str) else {
            return;
        };
        // Within an extension a part may have a name only, which its definition knows.
        if !url.contains(':') {
            return;
        }
        let is_modifier = node
            .choice
            .is_some_and(|choice| choice.field.name == "modifierExtension");
        let Some(profile) = self.definition(url, node, scope) else {
            let issue = match is_modifier {
                true => Issue::error(
                    "extension",
                    format!("expected a modifier extension that is known here but found {url}"),
                ),
                false => Issue::information(
                    "informational",
                    format!(
                        "expected an extension that is known here but found {url}: it was not checked"
                    ),
                ),
            };
            return self.report(issue, path);
        };
        if profile.type_name != "Extension" {
            let text = format!("expected the definition of an extension but found {url}");
            return self.report(Issue::error("extension", text), path);
        }
        if !self.is_in_context(&profile, &holder, scope) {
            let wanted: Vec<&str> = profile.contexts.iter().map(|(_, at)| at.as_str()).collect();
            let text = format!(
                "expected the extension {url} on {} only but found it here",
                wanted.join(", ")
            );
            self.report(Issue::error("extension", text), path);
        }
        if let Some(depth) = self.depth.checked_sub(1) {
            self.depth = depth;
            self.profile(&profile, node, scope, path);
            self.depth = depth + 1;
        }
    }

    fn is_in_context(&self, profile: &Profile, holder: &Node<'w>, scope: Scope<'w>) -> bool {
        if AT_LARGE.iter().any(|start| profile.url.starts_with(start)) {
            return true;
        }
        let bare = |path: &str| path.trim_end_matches("[x]").to_owned();
        let path = holder.choice.map(|choice| bare(&choice.field.path));
        let key = holder.node_type.key.as_str();
        // `DomainResource.text` is the text of a Patient too.
        let base = holder.choice.and_then(|choice| {
            let (structure, at) = self.profiles.base_element(&choice.field.path)?;
            Some(structure.elements[at].base_path.clone())
        });
        let is_met = |(kind, expression): &(String, String)| match kind.as_str() {
            "element" => {
                expression == "Element"
                    || holder.node_type.is(expression)
                    || key == expression
                    || expression == "BackboneElement" && key.contains('.')
                    || path.as_deref() == Some(&bare(expression))
                    || base.as_ref() == Some(expression)
            }
            "extension" => {
                let url = holder.get("url").and_then(Value::as_str);
                // On the value of an extension, that one cannot be seen from here.
                let is_value = path.as_deref() == Some("Extension.value");
                is_value || url == expression.split('#').next()
            }
            "fhirpath" => self.is_among(expression, holder, scope),
            _ => true,
        };
        profile.contexts.is_empty() || profile.contexts.iter().any(is_met)
    }

    /// Whether an expression gives this very element, of the resource that it is in.
    fn is_among(&self, expression: &str, holder: &Node<'w>, scope: Scope<'w>) -> bool {
        let Ok(expression) = Expression::compile(expression) else {
            return true;
        };
        let around = self.around(scope);
        let context = self.context(&around, scope);
        let same = |a: Option<&Value>, b: Option<&Value>| match (a, b) {
            (Some(a), Some(b)) => std::ptr::eq(a, b),
            _ => false,
        };
        match expression.evaluate(&context, scope.resource) {
            Ok(items) => items.iter().any(|item| match item {
                Item::Node(node) => {
                    same(node.value, holder.value) || same(node.companion, holder.companion)
                }
                _ => false,
            }),
            // What cannot be evaluated refuses nothing.
            Err(_) => true,
        }
    }
}

/// Extensions of definitions that R4's own published resources bear outside their contexts.
const AT_LARGE: [&str; 3] = [
    "http://hl7.org/fhir/StructureDefinition/structuredefinition-",
    "http://hl7.org/fhir/StructureDefinition/regex",
    "http://hl7.org/fhir/StructureDefinition/valueset-concept-comments",
];
