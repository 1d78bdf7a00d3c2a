//! Extensions: each is held to the definition that its url names.
//! <https://hl7.org/fhir/R4/extensibility.html>,
//! <https://hl7.org/fhir/R4/defining-extensions.html#context>
//!
//! A modifier extension that nobody here knows is refused, since it may turn the meaning of
//! what it stands in around.

use serde_json::Value;

use super::compiled::{ExtensionContext, Profile, Rule};
use super::walk::{Scope, Walk};
use crate::error::{Issue, Severity};
use crate::fhirpath::{Context, Expression, Item, Node};
use crate::validation::issues::shown;

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
            return self.part(url, holder, path);
        }
        let url = match url.split_once('|') {
            Some((url, _)) => {
                let text = "expected the url of an extension without a version but found one with";
                self.report(Issue::error("value", text), path);
                url
            }
            None => url,
        };
        let Some(profile) = self.definition(url, node, scope) else {
            return self.unknown_extension(url, &node, path);
        };
        if profile.type_name != "Extension" {
            let text = format!("expected the definition of an extension but found {url}");
            return self.report(Issue::error("extension", text), path);
        }
        if !self.is_in_context(&profile, &holder, scope) {
            let wanted: Vec<&str> = profile
                .contexts
                .iter()
                .map(|at| at.expression.as_str())
                .collect();
            let text = format!(
                "expected the extension {url} on {} only but found it here",
                wanted.join(", ")
            );
            self.report(Issue::error("extension", text), path);
        }
        self.context_invariants(&profile, node, holder, scope, path);
        if let Some(depth) = self.depth.checked_sub(1) {
            self.depth = depth;
            self.profile(&profile, node, scope, path);
            self.depth = depth + 1;
        }
    }

    fn unknown_extension(&mut self, url: &str, node: &Node<'w>, path: &str) {
        let is_modifier = node
            .choice
            .is_some_and(|choice| choice.field.name == "modifierExtension");
        if is_modifier {
            let text = format!("expected a modifier extension that is known here but found {url}");
            return self.report(Issue::error("extension", text), path);
        }
        let settings = &self.profiles.settings;
        let is_elsewhere = settings
            .known_elsewhere
            .iter()
            .any(|start| url.starts_with(start));
        let (severity, url_severity) = match is_example(url) {
            true => (settings.example_urls, settings.example_urls),
            false if is_elsewhere => (Severity::Information, Severity::Information),
            false => (settings.unknown_extensions, Severity::Information),
        };
        let code = match severity {
            Severity::Information => "informational",
            _ => "extension",
        };
        let text =
            format!("expected an extension that is known here but found {url}: it was not checked");
        let issue = Issue::error(code, text);
        self.report(Issue { severity, ..issue }, path);
        if url_severity == Severity::Error {
            let text = "expected no URL of an example domain but found one";
            self.report(Issue::error("value", text), &format!("{path}.url"));
        }
    }

    /// An extension with a relative url: a part that the extension around it defines.
    fn part(&mut self, url: &str, holder: Node<'w>, path: &str) {
        if holder.node_type.key != "Extension" {
            let text = "expected the url of an extension to be absolute but found a relative one";
            return self.report(Issue::error("value", text), path);
        }
        let Some(around) = holder.get("url").and_then(Value::as_str) else {
            return;
        };
        let Some(profile) = self
            .profiles
            .profile(around)
            .filter(|_| around.contains(':'))
        else {
            return;
        };
        let Some(parts) = profile
            .root
            .child("extension")
            .filter(|parts| !parts.slices.is_empty())
        else {
            return;
        };
        let is_named = |slice: &Rule| {
            let fixed = slice.child("url").and_then(|rule| rule.fixed.as_ref());
            fixed.map_or(slice.slice.as_deref() == Some(url), |fixed| {
                fixed.value == url
            })
        };
        if !parts.slices.iter().any(is_named) {
            let text = format!(
                "expected a part that {around} defines but found {}",
                shown(url)
            );
            self.report(Issue::error("extension", text), path);
        }
    }

    /// `contextInvariant`: the focus is what the extension stands in, `%extension` the extension.
    fn context_invariants(
        &mut self,
        profile: &Profile,
        node: Node<'w>,
        holder: Node<'w>,
        scope: Scope<'w>,
        path: &str,
    ) {
        for (text, expression) in &profile.context_invariants {
            let around = self.around(scope);
            let variables = [("extension", vec![Item::Node(node)])];
            let context = Context {
                variables: &variables,
                ..self.context(&around, scope)
            };
            if matches!(expression.holds(&context, holder), Ok(Some(false))) {
                let text = format!(
                    "expected the context of {} to keep {text} but found that it does not",
                    profile.url
                );
                self.report(Issue::error("extension", text), path);
            }
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
        let is_met = |ExtensionContext {
                          kind,
                          expression,
                          compiled,
                      }: &ExtensionContext| match kind.as_str() {
            "element" => {
                expression == "Element"
                    || holder.node_type.is(expression)
                    || key == expression
                    || expression == "BackboneElement" && key.contains('.')
                    || path.as_deref() == Some(&bare(expression))
                    || base.as_ref() == Some(expression)
            }
            "extension" => {
                // On the value of an extension it is on the extension as well.
                let url = match path.as_deref() {
                    Some("Extension.value") => scope.extension,
                    _ => holder.get("url").and_then(Value::as_str),
                };
                url == expression.split('#').next()
            }
            "fhirpath" => self.is_among(compiled.as_deref(), holder, scope),
            _ => true,
        };
        profile.contexts.is_empty() || profile.contexts.iter().any(is_met)
    }

    /// Whether an expression gives this very element, of the resource that it is in.
    fn is_among(
        &self,
        expression: Option<&Expression>,
        holder: &Node<'w>,
        scope: Scope<'w>,
    ) -> bool {
        let Some(expression) = expression else {
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

/// Extensions of definitions that published resources bear outside their contexts: R4's own, and
/// the statements of US Core, which say of everything how it is expected (HL7 has widened the
/// context since).
const AT_LARGE: [&str; 4] = [
    "http://hl7.org/fhir/StructureDefinition/capabilitystatement-expectation",
    "http://hl7.org/fhir/StructureDefinition/structuredefinition-",
    "http://hl7.org/fhir/StructureDefinition/regex",
    "http://hl7.org/fhir/StructureDefinition/valueset-concept-comments",
];

/// Domains that no real record points at: <https://www.rfc-editor.org/rfc/rfc2606>, and the
/// firm of the films.
pub(super) fn is_example(url: &str) -> bool {
    let Some((_, rest)) = url.split_once("://") else {
        return false;
    };
    let host = rest.split(['/', ':', '?', '#']).next().unwrap_or(rest);
    let is_below = |domain: &str| {
        host.strip_suffix(domain)
            .is_some_and(|sub| sub.is_empty() || sub.ends_with('.'))
    };
    ["example.org", "example.com", "example.net", "acme.com"]
        .iter()
        .any(|domain| is_below(domain))
}
