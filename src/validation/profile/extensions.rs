//! Extensions: each is held to the definition that its url names.
//! <https://hl7.org/fhir/R4/extensibility.html>,
//! <https://hl7.org/fhir/R4/defining-extensions.html#context>
//!
//! A modifier extension that nobody here knows is refused, since it may turn the meaning of
//! what it stands in around. Contexts that are told in FHIRPath are not checked.

use serde_json::Value;

use super::compile::Profile;
use super::walk::{Scope, Walk};
use crate::error::Issue;
use crate::fhirpath::Node;

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
        let Some(profile) = self.profiles.profile(url) else {
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
        if !is_in_context(&profile, &holder) {
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
}

/// Extensions of definitions that R4's own published resources bear outside their contexts.
const AT_LARGE: [&str; 3] = [
    "http://hl7.org/fhir/StructureDefinition/structuredefinition-",
    "http://hl7.org/fhir/StructureDefinition/regex",
    "http://hl7.org/fhir/StructureDefinition/valueset-concept-comments",
];

fn is_in_context(profile: &Profile, holder: &Node<'_>) -> bool {
    if AT_LARGE.iter().any(|start| profile.url.starts_with(start)) {
        return true;
    }
    let bare = |path: &str| path.trim_end_matches("[x]").to_owned();
    let path = holder.choice.map(|choice| bare(&choice.field.path));
    let key = holder.node_type.key.as_str();
    let is_met = |(kind, expression): &(String, String)| match kind.as_str() {
        "element" => {
            expression == "Element"
                || holder.node_type.is(expression)
                || key == expression
                || expression == "BackboneElement" && key.contains('.')
                || path.as_deref() == Some(&bare(expression))
        }
        "extension" => {
            let url = holder.get("url").and_then(Value::as_str);
            url == expression.split('#').next()
        }
        _ => true,
    };
    profile.contexts.is_empty() || profile.contexts.iter().any(is_met)
}
