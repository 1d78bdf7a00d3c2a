//! `htmlChecks()`: whether a narrative is the XHTML that FHIR allows.
//! <https://hl7.org/fhir/R4/narrative.html#xhtml>
//!
//! One `div` with well-formed elements of the list inside, no event handlers, no scripts, and
//! something to read. Not done: which attribute belongs to which element.

use crate::fhirpath::ast::Ast;
use crate::fhirpath::context::{Evaluated, Items, Scope};
use crate::fhirpath::operators::boolean;

/// The elements of chapters 7 to 11 and 15 of HTML 4.0, links, images and maps.
#[rustfmt::skip]
const ELEMENTS: &[&str] = &[
    "a", "abbr", "acronym", "address", "area", "b", "bdo", "big", "blockquote", "br", "caption",
    "center", "cite", "code", "col", "colgroup", "dd", "del", "dfn", "dir", "div", "dl", "dt",
    "em", "font", "h1", "h2", "h3", "h4", "h5", "h6", "hr", "i", "img", "ins",
    "kbd", "li", "map", "menu", "ol", "p", "pre", "q", "s", "samp",
    "small", "span", "strike", "strong", "sub", "sup", "table", "tbody", "td", "tfoot",
    "th", "thead", "tr", "tt", "u", "ul", "var", "wbr", "section",
];

pub fn html_checks<'a>(_: &Scope<'_, 'a>, input: Items<'a>, _: &'a [Ast]) -> Evaluated<'a> {
    let text = super::text(&input, "htmlChecks()")?;
    Ok(boolean(text.map(|text| is_narrative(&text))))
}

/// Whether the text is a narrative.
pub fn is_narrative(text: &str) -> bool {
    let mut open: Vec<&str> = Vec::new();
    let mut rest = text.trim();
    let mut has_content = false;
    if !rest.starts_with("<div") {
        return false;
    }
    while !rest.is_empty() {
        let Some(tag) = rest.strip_prefix('<') else {
            let end = rest.find('<').unwrap_or(rest.len());
            has_content |= !rest[..end].trim().is_empty();
            if open.is_empty() || rest[..end].contains("]]>") {
                return false;
            }
            rest = &rest[end..];
            continue;
        };
        if let Some(comment) = tag.strip_prefix("!--") {
            let Some(end) = comment.find("-->") else {
                return false;
            };
            rest = &comment[end + 3..];
            continue;
        }
        let Some((tag, behind)) = split_tag(tag) else {
            return false;
        };
        rest = behind;
        if let Some(name) = tag.strip_prefix('/') {
            if open.pop() != Some(name.trim_end()) || (open.is_empty() && !rest.trim().is_empty()) {
                return false;
            }
            continue;
        }
        let (inner, is_closed) = match tag.strip_suffix('/') {
            Some(inner) => (inner, true),
            None => (tag, false),
        };
        let Some(name) = element(inner) else {
            return false;
        };
        has_content |= name == "img";
        match is_closed {
            true if open.is_empty() => return false,
            true => {}
            false => open.push(name),
        }
    }
    open.is_empty() && has_content
}

/// A tag without its brackets, and what follows it; a bracket within quotes is none.
fn split_tag(text: &str) -> Option<(&str, &str)> {
    let mut quote = None;
    for (at, c) in text.char_indices() {
        match (quote, c) {
            (None, '>') => return Some((&text[..at], &text[at + 1..])),
            (None, '"' | '\'') => quote = Some(c),
            (None, '<') => return None,
            (Some(open), c) if open == c => quote = None,
            _ => {}
        }
    }
    None
}

/// The name of an element that is allowed, with attributes that are.
fn element(tag: &str) -> Option<&str> {
    let end = tag.find(char::is_whitespace).unwrap_or(tag.len());
    let (name, mut attributes) = tag.split_at(end);
    let is_allowed = ELEMENTS.contains(&name);
    loop {
        attributes = attributes.trim_start();
        if attributes.is_empty() {
            return is_allowed.then_some(name);
        }
        let (attribute, value) = attributes.split_once('=')?;
        let attribute = attribute.trim();
        let value = value.trim_start();
        let quote = value.chars().next().filter(|c| matches!(c, '"' | '\''))?;
        let (value, behind) = value[1..].split_once(quote)?;
        let is_name = |c: char| c.is_ascii_alphanumeric() || matches!(c, ':' | '-' | '_');
        let is_script = value
            .trim_start()
            .to_ascii_lowercase()
            .starts_with("javascript:");
        let is_handler = attribute.to_ascii_lowercase().starts_with("on");
        if !attribute.chars().all(is_name) || is_handler || is_script || value.contains('<') {
            return None;
        }
        attributes = behind;
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_a_narrative() {
        for (text, expected) in [
            ("<div xmlns=\"http://www.w3.org/1999/xhtml\">x</div>", true),
            ("<div><p>a <b>b</b><br/></p><!-- c --></div>", true),
            ("<div><img src=\"#a\" alt='>'/></div>", true),
            ("<div> </div>", false),
            ("<div><p>x</div></p>", false),
            ("<div>x", false),
            ("<p>x</p>", false),
            ("<div>x</div>y", false),
            ("<div>x</div><div>y</div>", false),
            ("<div onclick=\"x()\">x</div>", false),
            ("<div><a href=\"javascript:x()\">x</a></div>", false),
            ("<div><script>x</script></div>", false),
            ("<div><a href=x>x</a></div>", false),
            ("<div><", false),
            ("", false),
        ] {
            assert_eq!(is_narrative(text), expected, "{text}");
        }
    }
}
