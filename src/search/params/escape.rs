//! The one splitter of search values.
//! <https://hl7.org/fhir/R4/search.html#escaping>
//!
//! `,`, `|` and `$` separate unless a backslash stands before them; `\,` `\|` `\$` `\\` are
//! the only escapes. Values are split while they are still escaped, first by comma, then by
//! `$`, then by `|`, and only the parts are unescaped.

use crate::error::Issue;

/// The parts of `text` between separators that are not escaped; the parts stay escaped.
pub fn split(text: &str, separator: char) -> Vec<&str> {
    let (mut parts, mut start, mut escaped) = (Vec::new(), 0, false);
    for (at, c) in text.char_indices() {
        if escaped {
            escaped = false;
        } else if c == '\\' {
            escaped = true;
        } else if c == separator {
            parts.push(&text[start..at]);
            start = at + c.len_utf8();
        }
    }
    parts.push(&text[start..]);
    parts
}

/// The text that an escaped part stands for.
///
/// # Errors
/// `invalid`: a backslash before anything but `,` `|` `$` `\`, or at the end.
pub fn unescape(text: &str) -> Result<String, Issue> {
    let mut plain = String::with_capacity(text.len());
    let mut rest = text.chars();
    while let Some(c) = rest.next() {
        if c != '\\' {
            plain.push(c);
            continue;
        }
        match rest.next() {
            Some(escaped @ (',' | '|' | '$' | '\\')) => plain.push(escaped),
            _ => {
                return Err(Issue::error(
                    "invalid",
                    "expected `,`, `|`, `$` or `\\` after a backslash in a search value",
                ));
            }
        }
    }
    Ok(plain)
}

/// The escaped form of a text: what a client writes to search for exactly this.
pub fn escape(text: &str) -> String {
    let mut escaped = String::with_capacity(text.len());
    for c in text.chars() {
        if let ',' | '|' | '$' | '\\' = c {
            escaped.push('\\');
        }
        escaped.push(c);
    }
    escaped
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    #[test]
    fn only_bare_separators_split() {
        for (text, separator, parts) in [
            ("a,b", ',', vec!["a", "b"]),
            ("a\\,b,c", ',', vec!["a\\,b", "c"]),
            ("a\\\\,b", ',', vec!["a\\\\", "b"]),
            ("s|a\\|b", '|', vec!["s", "a\\|b"]),
            ("", ',', vec![""]),
            (",", ',', vec!["", ""]),
            ("a\\", ',', vec!["a\\"]),
        ] {
            assert_eq!(split(text, separator), parts, "{text}");
        }
    }

    #[test]
    fn escapes_are_four() {
        assert_eq!(unescape("a\\,\\|\\$\\\\").as_deref(), Ok("a,|$\\"));
        for bad in ["a\\", "\\x", "\\n"] {
            assert!(unescape(bad).is_err(), "{bad}");
        }
    }

    proptest! {
        #[test]
        fn what_is_escaped_comes_back_whole(text in ".*") {
            let escaped = escape(&text);
            for separator in [',', '|', '$'] {
                prop_assert_eq!(split(&escaped, separator).len(), 1);
            }
            prop_assert_eq!(unescape(&escaped).ok(), Some(text));
        }
    }
}
