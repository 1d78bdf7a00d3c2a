//! The words of structural problems: *expected X but found Y*, in terms of FHIR.
//!
//! What a value says is shown only where it is a code or short and of a type that holds no
//! free text: issues are logged and forwarded, patients' words are not. Issue codes:
//! <https://hl7.org/fhir/R4/valueset-issue-type.html>. Finding the problems is not done here
//! (`walk`).

use std::collections::BTreeSet;

use serde_json::Value;

use super::primitive::Primitive;
use super::schema::COMPANION;
use crate::definitions::{CodeSet, TypeInfo};
use crate::error::Issue;
use crate::fhir::ResourceType;

/// Texts longer than this are described by their length, in characters.
const LONGEST_SHOWN: usize = 40;

/// How many of the allowed codes an issue lists.
const MOST_CODES: usize = 12;

/// The kind of a JSON value, for a person.
pub(super) fn kind(value: &Value) -> &'static str {
    match value {
        Value::Null => "null",
        Value::Bool(_) => "a boolean",
        Value::Number(_) => "a number",
        Value::String(_) => "a text",
        Value::Array(_) => "an array",
        Value::Object(_) => "an object",
    }
}

pub(super) fn expected(expected: &str, found: &str) -> Issue {
    Issue::error(
        "structure",
        format!("expected {expected} but found {found}"),
    )
}

/// A primitive of the right JSON kind whose value breaks the rule of its type.
pub(super) fn bad_value(primitive: Primitive, value: &Value) -> Issue {
    let found = match (primitive, value) {
        (Primitive::String | Primitive::Xhtml | Primitive::Base64Binary, Value::String(text)) => {
            described(text)
        }
        (_, Value::String(text)) => shown(text),
        (_, Value::Number(number)) => shorter(number.as_str()),
        (_, other) => kind(other).to_owned(),
    };
    Issue::error(
        "value",
        format!("expected {} but found {found}", primitive.expectation()),
    )
}

/// A code that its required binding does not have.
pub(super) fn bad_code(codes: &CodeSet, found: &str) -> Issue {
    let known: BTreeSet<&str> = codes.iter().map(|(_, code)| code).collect();
    let wanted = match nearest(found, known.iter().copied()) {
        Some(near) => format!("`{near}`, or another code of its value set"),
        None if known.len() <= MOST_CODES => {
            format!(
                "one of {}",
                known.into_iter().collect::<Vec<_>>().join(", ")
            )
        }
        None => format!("one of the {} codes of its value set", known.len()),
    };
    let text = format!("expected {wanted} but found {}", shown(found));
    Issue::error("code-invalid", text)
}

/// A member that the type does not have.
pub(super) fn unknown_member(info: &TypeInfo, name: &str) -> Issue {
    let of = &info.key;
    let bare = name.strip_prefix('_').unwrap_or(name);
    let found = shown(name);
    if of == COMPANION {
        return expected("only id and extension beside a value", &found);
    }
    let choices: Vec<&str> = info
        .fields_of(bare)
        .map(|(json_name, _)| json_name)
        .collect();
    let text = if info.field(bare).is_some_and(|field| !field.is_primitive) {
        format!("expected no {found}: `{bare}` of {of} is no primitive, its extensions go inside")
    } else if info.field(bare).is_some() {
        format!("expected no {found}: `{bare}` of {of} has no extensions")
    } else if let [first, ..] = choices.as_slice() {
        format!(
            "expected the element {bare} of {of} with its type, such as `{first}`, but found {found}"
        )
    } else if let Some(near) = nearest(bare, info.fields.keys().map(String::as_str)) {
        format!("expected an element of {of}, perhaps `{near}`, but found {found}")
    } else {
        format!("expected an element of {of} but found {found}")
    };
    Issue::error("structure", text)
}

/// The issue of a resource that the gate refuses and the walk does not: which must not happen.
pub(super) fn refused(
    resource_type: ResourceType,
    validator: &jsonschema::Validator,
    resource: &Value,
) -> Issue {
    let first = validator.iter_errors(resource).next();
    let at = first.map(|error| error.instance_path().to_string());
    let at = at
        .filter(|at| !at.is_empty())
        .map(|at| format!(", at {at}"));
    let text = format!(
        "expected a valid {resource_type} but found a structural problem{}",
        at.unwrap_or_default()
    );
    Issue::error("structure", text).at(resource_type.name())
}

/// A short text in quotes, a long one by its length.
pub(super) fn shown(text: &str) -> String {
    match text.chars().count() {
        0..=LONGEST_SHOWN => format!("`{}`", text.escape_debug()),
        _ => described(text),
    }
}

fn shorter(number: &str) -> String {
    match number.len() {
        0..=LONGEST_SHOWN => number.to_owned(),
        length => format!("a number of {length} digits"),
    }
}

/// What can be said of a text without repeating it.
fn described(text: &str) -> String {
    let is_control = |c: char| c < ' ' && !matches!(c, '\t' | '\n' | '\r');
    match text.chars().count() {
        0 => "an empty text".to_owned(),
        _ if text.chars().all(char::is_whitespace) => "a blank text".to_owned(),
        count if text.chars().any(is_control) => {
            format!("a text of {count} characters with a control character")
        }
        count => format!("a text of {count} characters"),
    }
}

/// The known name that the writer may have meant: equal but for case, or one or two letters
/// off.
pub(super) fn nearest<'a>(name: &str, known: impl Iterator<Item = &'a str>) -> Option<&'a str> {
    if name.chars().count() > LONGEST_SHOWN {
        return None;
    }
    // A third of the letters, so that a code of one letter is not near all others.
    let allowed = (name.chars().count() / 3).min(2);
    known
        .map(|candidate| match candidate.eq_ignore_ascii_case(name) {
            true => (0, candidate),
            false => (distance(name, candidate), candidate),
        })
        .filter(|(distance, _)| *distance <= allowed)
        .min_by_key(|(distance, _)| *distance)
        .map(|(_, candidate)| candidate)
}

/// How many letters to insert, remove, replace or swap with their neighbour, by the
/// optimal string alignment.
fn distance(left: &str, right: &str) -> usize {
    let left: Vec<char> = left.chars().collect();
    let right: Vec<char> = right.chars().collect();
    let mut rows = vec![vec![0; right.len() + 1]; left.len() + 1];
    for i in 0..=left.len() {
        for j in 0..=right.len() {
            rows[i][j] = if i == 0 || j == 0 {
                i + j
            } else {
                let replaced = rows[i - 1][j - 1] + usize::from(left[i - 1] != right[j - 1]);
                let is_swap =
                    i > 1 && j > 1 && left[i - 1] == right[j - 2] && left[i - 2] == right[j - 1];
                let swapped = if is_swap {
                    rows[i - 2][j - 2] + 1
                } else {
                    usize::MAX
                };
                replaced
                    .min(swapped)
                    .min(rows[i - 1][j] + 1)
                    .min(rows[i][j - 1] + 1)
            };
        }
    }
    rows[left.len()][right.len()]
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn near_misses_are_named() {
        let known = ["name", "birthDate", "gender", "active"];
        for (written, meant) in [
            ("nmae", Some("name")),
            ("birthdate", Some("birthDate")),
            ("BIRTHDATE", Some("birthDate")),
            ("gendre", Some("gender")),
            ("acive", Some("active")),
            ("x", None),
            ("weight", None),
        ] {
            assert_eq!(nearest(written, known.into_iter()), meant, "{written}");
        }
    }

    #[test]
    fn free_text_is_never_repeated() {
        for (primitive, value, found) in [
            (
                Primitive::String,
                Value::from("secret\u{1}"),
                "a text of 7 characters with a control character",
            ),
            (Primitive::String, Value::from(" "), "a blank text"),
            (Primitive::String, Value::from(""), "an empty text"),
            (Primitive::Date, Value::from("2024-02-30"), "`2024-02-30`"),
            (Primitive::Uri, Value::from(" ".repeat(41)), "a blank text"),
        ] {
            let text = bad_value(primitive, &value).text;
            assert!(text.ends_with(&format!("but found {found}")), "{text}");
        }
    }
}
