//! How large and how deep a JSON value is, without writing it.
//!
//! The walk keeps a stack of its own, so that no nesting can overflow the thread's.

use serde_json::{Map, Value, map};
use std::slice;

/// What a value takes up.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Extent {
    /// Bytes of its compact JSON.
    pub bytes: usize,
    /// Levels of arrays and objects; 0 for anything else.
    pub depth: usize,
}

/// What is still to be visited of one open array or object.
enum Rest<'a> {
    Items(slice::Iter<'a, Value>),
    Members(map::Iter<'a>),
}

/// Measures a value in one pass.
pub fn measure(value: &Value) -> Extent {
    let mut extent = Extent::default();
    let mut open: Vec<Rest<'_>> = Vec::new();
    let mut next = Some(value);
    loop {
        if let Some(value) = next {
            extent.bytes += own_bytes(value);
            match value {
                Value::Array(items) => open.push(Rest::Items(items.iter())),
                Value::Object(members) => open.push(Rest::Members(members.iter())),
                _ => (),
            }
            extent.depth = extent.depth.max(open.len());
        }
        next = match open.last_mut() {
            None => return extent,
            Some(Rest::Items(items)) => items.next(),
            Some(Rest::Members(members)) => members.next().map(|(_, value)| value),
        };
        if next.is_none() {
            open.pop();
        }
    }
}

/// The bytes of a value except those of the values inside it.
fn own_bytes(value: &Value) -> usize {
    match value {
        Value::Null | Value::Bool(true) => 4,
        Value::Bool(false) => 5,
        Value::Number(number) => number.as_str().len(),
        Value::String(string) => string_bytes(string),
        Value::Array(items) => 2 + items.len().saturating_sub(1),
        Value::Object(members) => 2 + members.len().saturating_sub(1) + names_bytes(members),
    }
}

fn names_bytes(members: &Map<String, Value>) -> usize {
    members.keys().map(|name| string_bytes(name) + 1).sum()
}

/// The bytes of a string with its quotation marks and escapes.
pub fn string_bytes(string: &str) -> usize {
    let escapes = string.bytes().map(|byte| match byte {
        b'"' | b'\\' | b'\n' | b'\r' | b'\t' | 0x08 | 0x0C => 1,
        0..0x20 => 5,
        _ => 0,
    });
    2 + string.len() + escapes.sum::<usize>()
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::fhir::json;

    #[test]
    fn a_value_measures_what_its_text_does() {
        for (text, depth) in [
            ("null", 0),
            ("true", 0),
            ("false", 0),
            ("1.00e5", 0),
            (r#""é😀 \" \\ \n\r\t\b\f\u0001/""#, 0),
            ("[]", 1),
            ("{}", 1),
            (r#"[1,[2,{"a":[]}],"x"]"#, 4),
            (r#"{"a\n":{"b":[null]},"c":[[],[]]}"#, 3),
        ] {
            let value = json::parse(text.as_bytes(), 9).expect(text);
            let bytes = value.to_string().len();
            assert_eq!(measure(&value), Extent { bytes, depth }, "{text}");
        }
    }
}
