//! Percent-encoding, and query strings and forms as decoded pairs in their order: the one
//! reader of what a URL says, whether it came in a request, in the entry of a Bundle, in
//! `If-None-Exist` or in a conditional reference. RFC 3986 section 2.1.
//!
//! ```text
//! query = pair *( "&" pair )     pair = name [ "=" value ]     both percent-encoded
//! ```

use crate::error::{Error, Result};
use std::borrow::Cow;

/// Decodes `a=1&b=2` as of a query string or a form.
///
/// # Errors
/// `Invalid`: broken percent-encoding, or what it encodes is not UTF-8 or has U+0000.
pub fn pairs(raw: &str) -> Result<Vec<(String, String)>> {
    raw.split('&')
        .filter(|pair| !pair.is_empty())
        .map(|pair| {
            let (name, value) = pair.split_once('=').unwrap_or((pair, ""));
            Ok((
                decode(name, true)?.into_owned(),
                decode(value, true)?.into_owned(),
            ))
        })
        .collect()
}

/// Undoes percent-encoding; in a query or a form (`plus`) a `+` is a space.
pub fn decode(text: &str, plus: bool) -> Result<Cow<'_, str>> {
    let is_plain = |byte: u8| byte != b'%' && (byte != b'+' || !plus);
    if text.bytes().all(is_plain) {
        return Ok(Cow::Borrowed(text));
    }
    let bad = |says: &str| Err(Error::invalid(format!("{says} in the URL at {text:?}")));
    let mut decoded = Vec::with_capacity(text.len());
    let mut bytes = text.bytes();
    while let Some(byte) = bytes.next() {
        match byte {
            b'+' if plus => decoded.push(b' '),
            b'%' => match (bytes.next().and_then(digit), bytes.next().and_then(digit)) {
                (Some(0), Some(0)) => return bad("the forbidden character U+0000 stands"),
                (Some(high), Some(low)) => decoded.push(high << 4 | low),
                _ => return bad("`%` is not followed by two hexadecimal digits"),
            },
            other => decoded.push(other),
        }
    }
    match String::from_utf8(decoded) {
        Ok(decoded) => Ok(Cow::Owned(decoded)),
        Err(_) => bad("the percent-encoding is not UTF-8"),
    }
}

fn digit(byte: u8) -> Option<u8> {
    (byte as char).to_digit(16).map(|digit| digit as u8)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::error::Category;

    #[test]
    fn queries_are_decoded_in_order() {
        for (raw, expected) in [
            ("", &[][..]),
            ("a=1&b=2&a=3", &[("a", "1"), ("b", "2"), ("a", "3")]),
            ("name=a+b%20c%2B", &[("name", "a b c+")]),
            (
                "code=http://x%7Cy,z&&_id",
                &[("code", "http://x|y,z"), ("_id", "")],
            ),
            ("a=b=c&=d", &[("a", "b=c"), ("", "d")]),
            (
                "%6eame%3Aexact=%C3%A4%F0%9F%98%80",
                &[("name:exact", "ä😀")],
            ),
        ] {
            let decoded = pairs(raw).expect(raw);
            let decoded: Vec<_> = decoded
                .iter()
                .map(|(n, v)| (n.as_str(), v.as_str()))
                .collect();
            assert_eq!(decoded, expected, "{raw}");
        }
        for (raw, says) in [
            ("a=%", "two hexadecimal"),
            ("a=%4", "two hexadecimal"),
            ("%zz=1", "two hexadecimal"),
            ("a=%+1", "two hexadecimal"),
            ("a=%ff", "not UTF-8"),
            ("a=x%00", "U+0000"),
        ] {
            let error = pairs(raw).expect_err(raw);
            assert_eq!(error.category, Category::Invalid);
            assert!(error.to_string().contains(says), "{raw}: {error}");
        }
    }
}
