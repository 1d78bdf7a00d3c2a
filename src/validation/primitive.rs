//! The values of primitive types: which JSON kind each has, and which texts.
//! <https://hl7.org/fhir/R4/datatypes.html#primitive>
//!
//! Written by hand rather than as the regular expressions of the specification: they run on
//! every string of every write, and a calendar is not a regular language. Not done here:
//! whether a code is in its value set, whether a uri resolves, what XHTML contains.

use serde_json::Value;

use super::calendar::{is_date, is_instant, is_time};
use crate::fhir::id::Id;

/// The longest string, in bytes: <https://hl7.org/fhir/R4/datatypes.html#string>.
pub(super) const LONGEST_STRING: usize = 1024 * 1024;

/// A primitive type, by the rule that its values keep.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Primitive {
    Boolean,
    Integer,
    PositiveInt,
    UnsignedInt,
    Decimal,
    String,
    Code,
    Id,
    Uri,
    Oid,
    Uuid,
    Date,
    DateTime,
    Instant,
    Time,
    Base64Binary,
    Xhtml,
}

impl Primitive {
    /// Those whose JSON is a string, with their name as a JSON Schema format.
    pub(super) const TEXTS: [(Primitive, &'static str); 12] = [
        (Primitive::String, "fhir-string"),
        (Primitive::Code, "fhir-code"),
        (Primitive::Id, "fhir-id"),
        (Primitive::Uri, "fhir-uri"),
        (Primitive::Oid, "fhir-oid"),
        (Primitive::Uuid, "fhir-uuid"),
        (Primitive::Date, "fhir-date"),
        (Primitive::DateTime, "fhir-dateTime"),
        (Primitive::Instant, "fhir-instant"),
        (Primitive::Time, "fhir-time"),
        (Primitive::Base64Binary, "fhir-base64Binary"),
        (Primitive::Xhtml, "fhir-xhtml"),
    ];

    /// The rule of a FHIR type. A type that is not of R4 keeps the rule of a string.
    pub(super) fn of(type_code: &str) -> Primitive {
        match type_code {
            "boolean" => Primitive::Boolean,
            "integer" => Primitive::Integer,
            "positiveInt" => Primitive::PositiveInt,
            "unsignedInt" => Primitive::UnsignedInt,
            "decimal" => Primitive::Decimal,
            "code" => Primitive::Code,
            "id" => Primitive::Id,
            "uri" | "url" | "canonical" => Primitive::Uri,
            "oid" => Primitive::Oid,
            "uuid" => Primitive::Uuid,
            "date" => Primitive::Date,
            "dateTime" => Primitive::DateTime,
            "instant" => Primitive::Instant,
            "time" => Primitive::Time,
            "base64Binary" => Primitive::Base64Binary,
            "xhtml" => Primitive::Xhtml,
            _ => Primitive::String,
        }
    }

    /// The name of the format of its texts; `None` for booleans and numbers.
    pub(super) fn format(self) -> Option<&'static str> {
        let known = Self::TEXTS.iter().find(|(primitive, _)| *primitive == self);
        known.map(|(_, format)| *format)
    }

    pub(super) fn is_number(self) -> bool {
        matches!(
            self,
            Primitive::Integer
                | Primitive::PositiveInt
                | Primitive::UnsignedInt
                | Primitive::Decimal
        )
    }

    /// True when the value has the JSON kind of the type; its text may still be wrong.
    pub(super) fn has_kind(self, value: &Value) -> bool {
        match value {
            Value::Bool(_) => self == Primitive::Boolean,
            Value::Number(_) => self.is_number(),
            Value::String(_) => self.format().is_some(),
            _ => false,
        }
    }

    /// True when a value of the right JSON kind keeps the rule.
    pub(super) fn holds(self, value: &Value) -> bool {
        match value {
            Value::Number(number) => self.holds_number(number.as_str()),
            Value::String(text) => self.holds_text(text),
            _ => true,
        }
    }

    /// The rule of numbers, on the number as it is spelt.
    pub(super) fn holds_number(self, spelling: &str) -> bool {
        // A JSON number without point or exponent parses exactly when it fits in 32 bits.
        let whole = || spelling.parse::<i32>().ok();
        match self {
            Primitive::Decimal => true,
            Primitive::Integer => whole().is_some(),
            Primitive::UnsignedInt => whole().is_some_and(|number| number >= 0),
            Primitive::PositiveInt => whole().is_some_and(|number| number > 0),
            _ => false,
        }
    }

    /// The rule of texts.
    pub(super) fn holds_text(self, text: &str) -> bool {
        match self {
            Primitive::String => is_string(text),
            Primitive::Code => is_code(text),
            Primitive::Id => Id::is_valid(text),
            Primitive::Uri => is_uri(text),
            Primitive::Oid => text.strip_prefix("urn:oid:").is_some_and(is_oid),
            Primitive::Uuid => text.strip_prefix("urn:uuid:").is_some_and(is_uuid),
            Primitive::Date => is_date(text.as_bytes()),
            Primitive::DateTime => is_date(text.as_bytes()) || is_instant(text.as_bytes()),
            Primitive::Instant => is_instant(text.as_bytes()),
            Primitive::Time => is_time(text.as_bytes()),
            Primitive::Base64Binary => is_base64(text.as_bytes()),
            Primitive::Xhtml => is_div(text),
            _ => false,
        }
    }

    /// The JSON kind of the type, for a person.
    pub(super) fn kind(self) -> &'static str {
        match self {
            Primitive::Boolean => "true or false",
            _ if self.is_number() => "a number",
            _ => "a text",
        }
    }

    /// What a value of the type looks like, for a person.
    pub(super) fn expectation(self) -> &'static str {
        match self {
            Primitive::Boolean => "true or false",
            Primitive::Integer => "a whole number of 32 bits, without point or exponent",
            Primitive::PositiveInt => "a whole number from 1 to 2147483647",
            Primitive::UnsignedInt => "a whole number from 0 to 2147483647",
            Primitive::Decimal => "a number",
            Primitive::String => {
                "a text of at most 1 MB that is not blank and has no control characters"
            }
            Primitive::Code => "a code, without blanks around it and with single spaces in it",
            Primitive::Id => "an id: 1 to 64 letters, digits, `-` and `.`",
            Primitive::Uri => "a URI, without white space",
            Primitive::Oid => "an OID such as urn:oid:1.2.3",
            Primitive::Uuid => "a UUID such as urn:uuid:c757873d-ec9a-4326-a141-556f43239520",
            Primitive::Date => "a date that exists: YYYY, YYYY-MM or YYYY-MM-DD",
            Primitive::DateTime => {
                "a date that exists (YYYY, YYYY-MM, YYYY-MM-DD), or with a time \
                 YYYY-MM-DDThh:mm:ss and a zone, Z or +hh:mm"
            }
            Primitive::Instant => {
                "an instant that exists: YYYY-MM-DDThh:mm:ss and a zone, Z or +hh:mm"
            }
            Primitive::Time => "a time hh:mm:ss, without a zone",
            Primitive::Base64Binary => "base64 text",
            Primitive::Xhtml => "XHTML text that starts with <div",
        }
    }
}

/// `[ \r\n\t\S]+`, not blank, at most 1 MB.
fn is_string(text: &str) -> bool {
    let is_allowed = |byte: u8| byte >= 0x20 || matches!(byte, b'\t' | b'\n' | b'\r');
    text.len() <= LONGEST_STRING && text.bytes().all(is_allowed) && !is_blank(text)
}

fn is_blank(text: &str) -> bool {
    text.chars().all(char::is_whitespace)
}

/// `[^\s]+(\s[^\s]+)*`, where the prose of the specification allows single spaces only.
fn is_code(text: &str) -> bool {
    let mut after_space = true;
    for character in text.chars() {
        let is_space = character == ' ';
        if is_space && after_space || !is_space && (character.is_whitespace() || character < ' ') {
            return false;
        }
        after_space = is_space;
    }
    !after_space && text.len() <= LONGEST_STRING
}

/// `\S*`, not empty.
fn is_uri(text: &str) -> bool {
    let is_plain = |c: char| !c.is_whitespace() && c >= ' ';
    !text.is_empty() && text.chars().all(is_plain)
}

/// `[0-2](\.(0|[1-9][0-9]*))+`
fn is_oid(text: &str) -> bool {
    let is_arc = |arc: &str| {
        arc == "0"
            || !arc.starts_with('0') && !arc.is_empty() && arc.bytes().all(|b| b.is_ascii_digit())
    };
    text.split_once('.')
        .is_some_and(|(root, arcs)| matches!(root, "0" | "1" | "2") && arcs.split('.').all(is_arc))
}

/// `[0-9a-f]{8}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{12}`
fn is_uuid(text: &str) -> bool {
    text.len() == 36
        && text.bytes().enumerate().all(|(at, byte)| match at {
            8 | 13 | 18 | 23 => byte == b'-',
            _ => matches!(byte, b'0'..=b'9' | b'a'..=b'f'),
        })
}

/// Groups of four of the base64 alphabet, padded at the end; white space is passed over, as
/// the specification asks of readers.
fn is_base64(text: &[u8]) -> bool {
    let (mut letters, mut pads) = (0_usize, 0_usize);
    for &byte in text {
        match byte {
            b'A'..=b'Z' | b'a'..=b'z' | b'0'..=b'9' | b'+' | b'/' if pads == 0 => letters += 1,
            b'=' => pads += 1,
            b' ' | b'\t' | b'\r' | b'\n' => {}
            _ => return false,
        }
    }
    letters > 0 && pads <= 2 && (letters + pads).is_multiple_of(4)
}

/// A `div` element by its first tag; what it contains is not looked at.
fn is_div(text: &str) -> bool {
    text.trim_start()
        .strip_prefix("<div")
        .is_some_and(|rest| rest.starts_with(|c: char| c.is_whitespace() || matches!(c, '>' | '/')))
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Rows of (type, texts that keep the rule, texts that break it).
    const TEXTS: &[(&str, &[&str], &[&str])] = &[
        (
            "string",
            &["a", " a ", "a\tb\r\n", "é😀", "\u{7f}"],
            &["", " ", "\n\t", "a\u{1}", "a\u{0}"],
        ),
        ("markdown", &["# a\n\nb"], &["", "  "]),
        (
            "code",
            &["a", "a b", ">=", "a-b c"],
            &["", " a", "a ", "a  b", "a\tb", "a\n"],
        ),
        ("id", &["a", "A-1.b"], &["", "a_b", "a/b", "ä"]),
        (
            "uri",
            &["a", "urn:uuid:x", "http://a/b?c=d", "Patient/1"],
            &["", "a b", " a", "a\n"],
        ),
        ("url", &["http://a"], &["http://a b"]),
        ("canonical", &["http://a|1"], &[""]),
        (
            "oid",
            &["urn:oid:1.2.3", "urn:oid:2.0"],
            &[
                "1.2.3",
                "urn:oid:3.1",
                "urn:oid:1",
                "urn:oid:1.02",
                "urn:oid:1..2",
                "urn:oid:1.",
            ],
        ),
        (
            "uuid",
            &["urn:uuid:c757873d-ec9a-4326-a141-556f43239520"],
            &[
                "c757873d-ec9a-4326-a141-556f43239520",
                "urn:uuid:C757873D-EC9A-4326-A141-556F43239520",
                "urn:uuid:c757873d-ec9a-4326-a141-556f4323952",
            ],
        ),
        (
            "date",
            &[
                "2024",
                "2024-02",
                "2024-02-29",
                "0001-01-01",
                "9999-12-31",
                "2000-02-29",
            ],
            &[
                "",
                "24",
                "0000",
                "2024-00",
                "2024-13",
                "2024-02-30",
                "2023-02-29",
                "1900-02-29",
                "2024-04-31",
                "2024-1-1",
                "2024-01-01T10:00:00Z",
                "2024-01-01 ",
                "+024",
                "20240101",
                "2024-01-",
                "2024/01/01",
            ],
        ),
        (
            "dateTime",
            &[
                "2024",
                "2024-02",
                "2024-02-29",
                "2024-01-01T10:00:00Z",
                "2024-01-01T10:00:00.123456789+02:00",
                "2024-01-01T23:59:60Z",
                "2024-01-01T00:00:00-00:00",
                "2024-01-01T00:00:00+14:00",
            ],
            &[
                "2024-01-01T10:00",
                "2024-01-01T10:00Z",
                "2024-01-01T10:00:00",
                "2024-01-01T24:00:00Z",
                "2024-01-01T10:00:61Z",
                "2024-01-01T10:60:00Z",
                "2024-02-30T10:00:00Z",
                "2024-01-01T10:00:00.Z",
                "2024-01-01T10:00:00+14:01",
                "2024-01-01T10:00:00+0200",
                "2024-01-01t10:00:00z",
                "2024-01-01 10:00:00Z",
                "2024-01-01T10:00:00Z ",
                "2024-01-01T",
            ],
        ),
        (
            "instant",
            &["2024-01-01T10:00:00Z", "2024-01-01T10:00:00.1-05:30"],
            &[
                "2024",
                "2024-01-01",
                "2024-01-01T10:00:00",
                "2024-01-01T10:00Z",
            ],
        ),
        (
            "time",
            &["10:00:00", "23:59:60", "00:00:00.000"],
            &["10:00", "24:00:00", "10:00:00Z", "1:00:00", "10:00:00.", ""],
        ),
        (
            "base64Binary",
            &["AAAA", "AAA=", "AA==", "AA\nAA", " AAAA "],
            &["", "AAA", "A===", "====", "AA=A", "AA-_", "AAAAA"],
        ),
        (
            "xhtml",
            &["<div>a</div>", " <div xmlns='x'/>", "<div/>"],
            &["", "a", "<divx>", "<p>a</p>"],
        ),
    ];

    #[test]
    fn texts_keep_the_rule_of_their_type() {
        for (type_code, good, bad) in TEXTS {
            let primitive = Primitive::of(type_code);
            for text in *good {
                assert!(primitive.holds_text(text), "{type_code} {text:?}");
            }
            for text in *bad {
                assert!(!primitive.holds_text(text), "{type_code} {text:?}");
            }
        }
        let longest = "a".repeat(LONGEST_STRING);
        assert!(Primitive::String.holds_text(&longest));
        assert!(!Primitive::String.holds_text(&(longest + "a")));
    }

    #[test]
    fn numbers_keep_the_rule_of_their_type() {
        let cases: [(&str, &[&str], &[&str]); 4] = [
            (
                "integer",
                &["0", "-0", "2147483647", "-2147483648"],
                &[
                    "2147483648",
                    "-2147483649",
                    "1.0",
                    "1e2",
                    "99999999999999999999",
                ],
            ),
            (
                "unsignedInt",
                &["0", "2147483647"],
                &["-1", "2147483648", "0.0"],
            ),
            ("positiveInt", &["1", "2147483647"], &["0", "-1", "1E0"]),
            (
                "decimal",
                &[
                    "0",
                    "1.00",
                    "1E-22",
                    "-1e7",
                    "1234567890123456789012345678901234567890.1",
                ],
                &[],
            ),
        ];
        for (type_code, good, bad) in cases {
            let primitive = Primitive::of(type_code);
            assert!(primitive.is_number());
            for spelling in good {
                assert!(primitive.holds_number(spelling), "{type_code} {spelling}");
            }
            for spelling in bad {
                assert!(!primitive.holds_number(spelling), "{type_code} {spelling}");
            }
        }
    }

    #[test]
    fn every_text_has_a_format_of_its_own() {
        for (primitive, format) in Primitive::TEXTS {
            assert_eq!(primitive.format(), Some(format));
            assert!(primitive.has_kind(&Value::from("a")) && !primitive.has_kind(&Value::from(1)));
        }
        assert!(Primitive::Boolean.has_kind(&Value::Bool(true)));
        assert!(!Primitive::Boolean.has_kind(&Value::from("true")));
    }
}
