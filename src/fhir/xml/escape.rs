//! References and escapes: <https://www.w3.org/TR/xml/#sec-references>,
//! <https://www.w3.org/TR/xml/#AVNormalize>.
//!
//! Only the five predefined entities and character references are known. A character that XML
//! cannot hold at all (U+0001, U+FFFE) is written as U+FFFD: FHIR forbids it too.

use std::borrow::Cow;

/// What is wrong; the place is the caller's to know.
type Says = String;

/// The text between tags with its references resolved and its line ends made `\n`.
///
/// # Errors
/// A reference to an unknown entity or to no character.
pub fn text(raw: &str) -> Result<Cow<'_, str>, Says> {
    match raw.contains(['&', '\r']) {
        false => Ok(Cow::Borrowed(raw)),
        true => resolved(raw, |c| c).map(Cow::Owned),
    }
}

/// The value of an attribute: as [`text`], and each line break or tab that is not written as a
/// reference is a space.
///
/// # Errors
/// As [`text`], and `<`.
pub fn attribute(raw: &str) -> Result<Cow<'_, str>, Says> {
    if raw.contains('<') {
        return Err("`<` stands unescaped in the value of an attribute".to_owned());
    }
    match raw.contains(['&', '\r', '\n', '\t']) {
        false => Ok(Cow::Borrowed(raw)),
        true => {
            let space = |c| if matches!(c, '\n' | '\t') { ' ' } else { c };
            resolved(raw, space).map(Cow::Owned)
        }
    }
}

fn resolved(raw: &str, literal: impl Fn(char) -> char) -> Result<String, Says> {
    let mut text = String::with_capacity(raw.len());
    let mut rest = raw;
    while let Some(c) = rest.chars().next() {
        rest = &rest[c.len_utf8()..];
        match c {
            '&' => {
                let (name, after) = rest
                    .split_once(';')
                    .ok_or("`&` begins a reference that does not end in `;`")?;
                text.push(reference(name)?);
                rest = after;
            }
            '\r' => {
                rest = rest.strip_prefix('\n').unwrap_or(rest);
                text.push(literal('\n'));
            }
            other => text.push(literal(other)),
        }
    }
    Ok(text)
}

/// The character that `&name;` stands for.
///
/// # Errors
/// An entity that XML does not predefine, a number that is no character of XML.
pub fn reference(name: &str) -> Result<char, Says> {
    let number = match name {
        "amp" => return Ok('&'),
        "lt" => return Ok('<'),
        "gt" => return Ok('>'),
        "quot" => return Ok('"'),
        "apos" => return Ok('\''),
        _ => name.strip_prefix('#'),
    };
    let Some(digits) = number else {
        let name: String = name.chars().take(32).collect();
        return Err(format!(
            "the entity {name:?} is not known: only amp, lt, gt, quot, apos and numbers are"
        ));
    };
    let (digits, radix) = match digits.strip_prefix('x') {
        Some(digits) => (digits, 16),
        None => (digits, 10),
    };
    let is_number = !digits.is_empty() && digits.bytes().all(|b| b.is_ascii_hexdigit());
    let code = is_number.then(|| u32::from_str_radix(digits, radix).ok());
    code.flatten()
        .and_then(char::from_u32)
        .filter(|c| is_allowed(*c))
        .ok_or_else(|| "a numeric reference is to no character of XML".to_owned())
}

/// `Char`: what may stand in a document at all.
pub fn is_allowed(c: char) -> bool {
    matches!(c, '\t' | '\n' | '\r' | ' '..='\u{FFFD}' | '\u{10000}'..)
}

/// Appends the value of an attribute, for double quotes. Line breaks and tabs are written as
/// references, without which they would be read back as spaces.
pub fn push_attribute(out: &mut String, value: &str) {
    push(out, value, |c| match c {
        '"' => Some("&quot;"),
        '\n' => Some("&#10;"),
        '\t' => Some("&#9;"),
        other => markup(other),
    });
}

/// Appends text between tags.
pub fn push_text(out: &mut String, text: &str) {
    push(out, text, markup);
}

fn markup(c: char) -> Option<&'static str> {
    match c {
        '&' => Some("&amp;"),
        '<' => Some("&lt;"),
        // Only `]]>` must not stand in text, but `>` reads better escaped throughout.
        '>' => Some("&gt;"),
        '\r' => Some("&#13;"),
        c if !is_allowed(c) => Some("\u{FFFD}"),
        _ => None,
    }
}

fn push(out: &mut String, text: &str, escape: impl Fn(char) -> Option<&'static str>) {
    let mut start = 0;
    for (at, c) in text.char_indices() {
        if let Some(escaped) = escape(c) {
            out.push_str(&text[start..at]);
            out.push_str(escaped);
            start = at + c.len_utf8();
        }
    }
    out.push_str(&text[start..]);
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn values_survive_their_escapes() {
        for value in ["", "a", "\"<&>'", " a\tb\nc\r\nd ", "é😀", "&amp;", "]]>"] {
            let mut out = String::new();
            push_attribute(&mut out, value);
            assert_eq!(attribute(&out).expect(value), value);
            let mut out = String::new();
            push_text(&mut out, value);
            assert_eq!(text(&out).expect(value), value);
        }
        let mut out = String::new();
        push_attribute(&mut out, "a\u{1}\u{FFFE}b");
        assert_eq!(out, "a\u{FFFD}\u{FFFD}b");
    }

    #[test]
    fn line_breaks_are_normalised() {
        assert_eq!(attribute("a\r\nb\rc\td").expect("a value"), "a b c d");
        assert_eq!(text("a\r\nb\rc\td").expect("a text"), "a\nb\nc\td");
    }

    #[test]
    fn references_are_few() {
        for (name, expected) in [
            ("amp", Some('&')),
            ("#65", Some('A')),
            ("#x1F600", Some('😀')),
            ("#10", Some('\n')),
            ("nbsp", None),
            ("xxe", None),
            ("#0", None),
            ("#x1", None),
            ("#xD800", None),
            ("#xFFFFFFFFFF", None),
            ("#+5", None),
            ("#", None),
            ("#x", None),
            ("#a", None),
            ("", None),
        ] {
            assert_eq!(reference(name).ok(), expected, "{name}");
        }
        assert!(attribute("a<b").is_err() && text("a & b").is_err());
    }
}
