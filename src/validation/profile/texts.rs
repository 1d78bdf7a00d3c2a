//! Texts that a reader may take for HTML, and what narratives link to.
//! <https://hl7.org/fhir/R4/security.html#narrative>, <https://hl7.org/fhir/R4/narrative.html>
//!
//! A string is no HTML: who shows it as such without escaping it runs what stands in it. How
//! bad that is, the settings say. The elements and attributes of a narrative are judged by its
//! invariants (txt-1, txt-2); here its entities, its languages and its sources are, the latter
//! where a profile asks. Markdown is not parsed: a tag within code counts as one.

use serde_json::Value;

use super::compiled::Rule;
use super::walk::{Scope, Walk};
use crate::error::Issue;
use crate::fhir::xml::{Element, Node as Xml};
use crate::fhirpath::Node;

/// The entities that XML knows without a DTD.
const ENTITIES: [&str; 5] = ["amp", "lt", "gt", "quot", "apos"];

/// The classes that say where a part of a narrative comes from.
const SOURCES: [&str; 3] = ["boilerplate", "generated", "original"];

impl<'w> Walk<'w> {
    /// A string or Markdown.
    pub(super) fn text(&mut self, node: Node<'w>, path: &str) {
        let Some(text) = node.text() else { return };
        if !has_tag(text) {
            return;
        }
        let severity = match node.node_type.key.as_str() {
            "markdown" => self.profiles.settings.html_in_markdown,
            _ => self.profiles.settings.html_in_texts,
        };
        let text = "expected a text without tags of HTML, which some show as such, but found one";
        let issue = Issue::error("value", text);
        self.report(Issue { severity, ..issue }, path);
    }

    /// The `div` of a narrative.
    pub(super) fn xhtml(&mut self, node: Node<'w>, path: &str) {
        let Some(text) = node.text() else { return };
        if let Some(name) = unknown_entity(text) {
            let text = format!(
                "expected the entities of XML, or numbers, but found &{name}; which only HTML has"
            );
            self.report(Issue::error("value", text), path);
        }
    }

    /// What a profile asks of a narrative by the extensions `narrative-language-control` and
    /// `narrative-source-control`.
    pub(super) fn narrative(&mut self, rule: &Rule, node: Node<'w>, scope: Scope<'w>, path: &str) {
        if rule.narrative_languages.is_empty() && rule.narrative_source.is_none() {
            return;
        }
        let div = node.get("div").and_then(Value::as_str);
        let Some(div) = div.and_then(|div| Element::parse(div.as_bytes()).ok()) else {
            return;
        };
        let languages = languages(&div);
        for wanted in &rule.narrative_languages {
            let own = scope.resource.get("language").and_then(Value::as_str);
            let found = match wanted.as_str() {
                "_no" if !languages.is_empty() => "no sections by language but found some",
                "_yes" if languages.is_empty() => "sections by language but found none",
                "_resource" if own.is_some_and(|own| !languages.contains(&own)) => {
                    "a section in the language of the resource but found none"
                }
                "_no" | "_yes" | "_resource" => continue,
                wanted if languages.contains(&wanted) => continue,
                _ => "a section in each language of the profile but found that one is missing",
            };
            let text = format!("expected {found}");
            self.report(Issue::error("business-rule", text), path);
        }
        if rule.narrative_source.is_some() && !all_have_sources(&div) {
            let text = format!(
                "expected each part of the narrative to say its source by one of the classes {}",
                SOURCES.join(", ")
            );
            self.report(Issue::error("business-rule", text), path);
        }
    }
}

/// Whether there is a `<` that begins a tag, with its `>`.
fn has_tag(text: &str) -> bool {
    let mut rest = text;
    while let Some(at) = rest.find('<') {
        rest = &rest[at + 1..];
        let name = rest.strip_prefix('/').unwrap_or(rest);
        if name.starts_with(|first: char| first.is_ascii_alphabetic()) && rest.contains('>') {
            let end = name
                .find(|c: char| !c.is_ascii_alphanumeric())
                .unwrap_or(name.len());
            let behind = name[end..].chars().next();
            // `<http://…>` is a link of Markdown, `<a@b.c>` a mail address.
            if matches!(behind, Some('>' | '/' | ' ' | '\t' | '\n' | '\r')) {
                return true;
            }
        }
    }
    false
}

/// The name of the first entity that XML does not know.
fn unknown_entity(text: &str) -> Option<&str> {
    text.split('&').skip(1).find_map(|rest| {
        let name = rest.split(';').next()?;
        let is_name = !name.is_empty()
            && name.len() < rest.len()
            && name.chars().all(|c| c.is_ascii_alphanumeric());
        (is_name && !ENTITIES.contains(&name)).then_some(name)
    })
}

/// The languages of the sections that are directly below the `div`.
fn languages(div: &Element) -> Vec<&str> {
    elements(div)
        .filter_map(|one| attribute(one, "lang"))
        .collect()
}

fn elements(of: &Element) -> impl Iterator<Item = &Element> {
    of.children.iter().filter_map(|child| match child {
        Xml::Element(element) => Some(element),
        _ => None,
    })
}

fn attribute<'e>(of: &'e Element, name: &str) -> Option<&'e str> {
    let found = of.attributes.iter().find(|one| one.name == name)?;
    Some(&found.value)
}

/// Whether every part of a narrative, here or further down, has a class that says its source.
fn all_have_sources(of: &Element) -> bool {
    of.children.iter().all(|child| match child {
        Xml::Text(text) => text.trim().is_empty(),
        Xml::Comment(_) => true,
        Xml::Element(element) => {
            let classes = attribute(element, "class").unwrap_or_default();
            classes
                .split_whitespace()
                .any(|class| SOURCES.contains(&class))
                || (elements(element).next().is_some() && all_have_sources(element))
        }
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn tags_are_told_from_less_than() {
        for (text, expected) in [
            ("a < b", false),
            ("a <b and c> d", true),
            ("<script>x</script>", true),
            ("x <br/>", true),
            ("<5 mmol/L and >3", false),
            ("<http://x.org>", false),
            ("</p>", true),
            ("<p", false),
        ] {
            assert_eq!(has_tag(text), expected, "{text}");
        }
    }

    #[test]
    fn entities_are_those_of_xml() {
        for (text, expected) in [
            ("a &amp; b &#160; &#xA0; c", None),
            ("a &nbsp; b", Some("nbsp")),
            ("a & b", None),
            ("R&D and more", None),
            ("x &reg;", Some("reg")),
        ] {
            assert_eq!(unknown_entity(text), expected, "{text}");
        }
    }

    #[test]
    fn sources_are_told_by_classes() {
        for (inner, expected) in [
            ("<p class=\"generated\">x</p>", true),
            ("<p>x</p>", false),
            ("x<p class=\"generated\">x</p>", false),
            ("<div><p class=\"original\">x</p></div>", true),
        ] {
            let div = format!("<div xmlns=\"http://www.w3.org/1999/xhtml\">{inner}</div>");
            let div = Element::parse(div.as_bytes()).expect("well-formed");
            assert_eq!(all_have_sources(&div), expected, "{inner}");
        }
    }
}
