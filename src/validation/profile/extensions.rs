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
                    format!("expected an extension that is known here but found {url}: it was not checked"),
                ),
            };
            return self.report(issue, path);
        };
        if profile.type_name != "Extension" {
            let text = format!("expected the definition of an extension but found {url}");
            return self.report(Issue::error("extension", text), path);
        }
        if !is_in_context(&profile, &holder, scope) {
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

fn is_in_context(profile: &Profile, holder: &Node<'_>, scope: Scope<'_>) -> bool {
    let path = holder.choice.map(|choice| choice.field.path.as_str());
    let bare = |path: &str| path.trim_end_matches("[x]").to_owned();
    profile.contexts.is_empty()
        || profile.contexts.iter().any(|(kind, expression)| match kind.as_str() {
            "element" => {
                let is_root = expression == "Resource" || expression == "DomainResource";
                let is_resource = std::ptr::eq(holder.node_type, scope.resource.node_type);
                holder.node_type.is(expression)
                    || holder.node_type.key == *expression
                    || expression == "Element" && !is_resource
                    || expression == "BackboneElement" && holder.node_type.key.contains('.')
                    || is_root && is_resource
                    || path.is_some_and(|path| bare(path) == bare(expression))
            }
            "extension" => {
                let url = holder.get("url").and_then(Value::as_str);
                url == expression.split('#').next()
            }
            _ => true,
        })
}
