//! `Narrative.div`: XHTML that JSON holds as a string and XML as an element.
//! <https://hl7.org/fhir/R4/narrative.html#xhtml>

use crate::error::Result;
use crate::fhir::xml::{Element, Namespace, Reader, Start, Token, XHTML, escape};
use std::borrow::Cow;

/// The string of a `div` that has begun: its source, as it is spelt.
///
/// # Errors
/// What is not well-formed.
pub fn to_string<'a>(reader: &mut Reader<'a>, start: &Start<'a>) -> Result<Cow<'a, str>> {
    if start.is_plain && start.declares_default() {
        return match past(reader)? {
            true => Ok(Cow::Borrowed(reader.raw(start.at))),
            false => Err(reader.refusal(
                start.at,
                "expected a narrative without prefixes but found them in the `div`",
            )),
        };
    }
    let mut out = String::new();
    Element::read(reader, start)?.push(&mut out, &Namespace::None);
    Ok(Cow::Owned(out))
}

/// Reads past the rest of an element; false where names in it have prefixes.
fn past(reader: &mut Reader) -> Result<bool> {
    let (mut depth, mut is_plain) = (1_usize, true);
    while depth > 0 {
        match reader.next_token()? {
            Token::Start(start) => {
                depth += 1;
                is_plain &= start.is_plain;
            }
            Token::End | Token::Done => depth -= 1,
            _ => {}
        }
    }
    Ok(is_plain)
}

/// The element for the string of a `div`. One that is no well-formed `div` of XHTML is shown
/// as text in one: whoever reads a Bundle must not lose all of it to one narrative.
pub fn to_element(div: &str) -> Cow<'_, str> {
    let trimmed = div.trim_matches([' ', '\t', '\r', '\n']);
    match declared(trimmed) {
        Ok(true) => Cow::Borrowed(trimmed),
        Ok(false) => {
            let rest = trimmed.strip_prefix("<div").unwrap_or_default();
            Cow::Owned(format!("<div xmlns=\"{XHTML}\"{rest}"))
        }
        Err(()) => {
            let mut out = format!("<div xmlns=\"{XHTML}\">");
            escape::push_text(&mut out, div);
            out.push_str("</div>");
            Cow::Owned(out)
        }
    }
}

/// Whether a `div` says its namespace; an error where it is no element that can be put into
/// a document as it is.
fn declared(div: &str) -> Result<bool, ()> {
    let mut reader = Reader::new(div.as_bytes()).map_err(|_| ())?;
    let Ok(Token::Start(start)) = reader.next_token() else {
        return Err(());
    };
    let is_div = start.at == 0 && start.name == "div" && start.is_plain;
    let is_whole = past(&mut reader).is_ok_and(|is_plain| is_plain)
        && reader.next_token().is_ok_and(|token| token == Token::Done);
    match start.namespace {
        _ if !is_div || !is_whole => Err(()),
        Namespace::Xhtml => Ok(true),
        Namespace::None if !start.declares_default() => Ok(false),
        _ => Err(()),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_narrative_is_put_into_the_document_or_shown() {
        const PLAIN: &str = "<div xmlns=\"http://www.w3.org/1999/xhtml\"><p class='x'>a<br/>&#160;<!-- c --></p></div>";
        for (div, element) in [
            (PLAIN, PLAIN),
            (
                " <div>a</div>\n",
                "<div xmlns=\"http://www.w3.org/1999/xhtml\">a</div>",
            ),
            ("<div/>", "<div xmlns=\"http://www.w3.org/1999/xhtml\"/>"),
            (
                "<div>a<br></div>",
                "<div xmlns=\"http://www.w3.org/1999/xhtml\">&lt;div&gt;a&lt;br&gt;&lt;/div&gt;</div>",
            ),
            (
                "a & b",
                "<div xmlns=\"http://www.w3.org/1999/xhtml\">a &amp; b</div>",
            ),
        ] {
            assert_eq!(to_element(div), element);
        }
        for hostile in [
            "<div>a</div><script/>",
            "<div xmlns=\"http://www.w3.org/1999/xhtml\">a</div></text><id value=\"x\"/>",
            "</div></text>",
            "<p>a</p>",
            "<div xmlns=\"urn:x\"/>",
            "<!DOCTYPE div><div/>",
            "<div>&nbsp;</div>",
            "<div><p:a/></div>",
            "<div xmlns:p=\"urn:x\"><p:a/></div>",
            "<?xml version=\"1.0\"?><div/>",
            "<!-- x --><div/>",
            "",
        ] {
            let element = to_element(hostile);
            let tree = Element::parse(element.as_bytes()).expect(hostile);
            assert_eq!(tree.namespace, Namespace::Xhtml);
            assert_eq!(
                (tree.elements().count(), tree.text().as_str()),
                (0, hostile)
            );
        }
    }
}
