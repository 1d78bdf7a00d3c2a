//! The arguments of `[Type]List` and `[Type]Connection` as the pairs of a search.
//! <https://hl7.org/fhir/R4/graphql.html#searching>
//!
//! ```text
//! clinical_status: active        clinical-status=active       `-` is no letter of GraphQL
//! _id: [1, 2]                    _id=1,2                      a list is alternatives
//! name: "a,b"                    name=a\,b                    a comma in a text is one
//! _reference: patient            patient=Patient/example      of the resource around it
//! ```
//!
//! More than one condition on a parameter, chains and modifiers go into `_filter`. A cursor of a
//! Connection is the link that REST would give, with the offset of its page: it holds the whole
//! search, and nothing that its holder could not ask anyway.

use crate::fhir::{ResourceType, query};
use crate::search::registry::Registry;
use base64::Engine;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use serde_json::Value;

use super::document::Field;

/// Names and values of a search, decoded.
pub type Pairs = Vec<(String, String)>;

/// What a search takes that is no parameter of a type.
const SPECIAL: [&str; 3] = ["_list", "_filter", "_sort"];

/// The names of arguments that are no part of the search itself.
pub const FHIRPATH: &str = "fhirpath";
pub const REFERENCE: &str = "_reference";
/// R4 spells it both ways.
pub const CURSORS: [&str; 2] = ["cursor", "_cursor"];

/// The code of the parameter that an argument of this name means.
pub fn code(registry: &Registry, of: ResourceType, name: &str) -> Option<String> {
    if SPECIAL.contains(&name) || name == "_count" {
        return Some(name.to_owned());
    }
    let is_known = |code: &str| {
        let found = registry.parameter(of, code);
        found.is_some_and(|parameter| parameter.supported)
    };
    if is_known(name) {
        return Some(name.to_owned());
    }
    let mut parameters = registry.parameters(of).iter();
    let found = parameters.find(|parameter| parameter.code.replace('-', "_") == name);
    found
        .filter(|parameter| parameter.supported)
        .map(|parameter| parameter.code.clone())
}

/// The pairs of a field's arguments; `focal` is the resource that `_reference` is to point at.
///
/// # Errors
/// A value that is no text, number or boolean.
pub fn pairs(
    registry: &Registry,
    of: ResourceType,
    field: &Field,
    focal: Option<&str>,
) -> Result<Pairs, String> {
    let mut pairs = Pairs::new();
    for argument in &field.arguments {
        let (name, value) = (argument.name.as_str(), &argument.value);
        if name == FHIRPATH || CURSORS.contains(&name) {
            continue;
        }
        if name == REFERENCE {
            let code = value.as_str().and_then(|name| code(registry, of, name));
            let code = code.ok_or_else(|| {
                format!("expected _reference to name a search parameter of {of} but found {value}")
            })?;
            pairs.push((code, focal.unwrap_or_default().to_owned()));
            continue;
        }
        let code = code(registry, of, name).unwrap_or_else(|| name.to_owned());
        let is_whole = matches!(name, "_filter" | "_sort" | "_text" | "_content");
        let text = |value: &Value| match scalar(value) {
            Some(text) if is_whole => Ok(text),
            Some(text) => Ok(escaped(&text)),
            None => Err(format!(
                "expected {name} to be a text or a list of texts but found {value}"
            )),
        };
        let value = match value {
            Value::Null => continue,
            Value::Array(values) => {
                let values: Result<Vec<String>, String> = values.iter().map(text).collect();
                values?.join(",")
            }
            value => text(value)?,
        };
        pairs.push((code, value));
    }
    Ok(pairs)
}

/// A scalar as a text.
pub fn scalar(value: &Value) -> Option<String> {
    match value {
        Value::String(text) => Some(text.clone()),
        Value::Number(number) => Some(number.to_string()),
        Value::Bool(value) => Some(value.to_string()),
        Value::Null | Value::Array(_) | Value::Object(_) => None,
    }
}

/// Commas that are not escaped already.
fn escaped(text: &str) -> String {
    let mut escaped = String::with_capacity(text.len());
    let mut is_escaped = false;
    for letter in text.chars() {
        if letter == ',' && !is_escaped {
            escaped.push('\\');
        }
        is_escaped = letter == '\\' && !is_escaped;
        escaped.push(letter);
    }
    escaped
}

/// The cursor of the page that a link of a search leads to.
pub fn cursor(link: &str, of: ResourceType, offset: Option<usize>) -> String {
    let query = link.split_once('?').map_or("", |(_, query)| query);
    let offset = offset.map(|offset| offset.to_string()).unwrap_or_default();
    URL_SAFE_NO_PAD.encode(format!("{of} {offset} {query}"))
}

/// The search and the offset of a cursor.
///
/// # Errors
/// It is none of this server's, or of another type.
pub fn of_cursor(cursor: &str, of: ResourceType) -> Result<(Pairs, Option<usize>), String> {
    let none = || format!("expected a cursor of {of}Connection but found another text");
    let text = URL_SAFE_NO_PAD.decode(cursor).map_err(|_| none())?;
    let text = String::from_utf8(text).map_err(|_| none())?;
    let mut parts = text.splitn(3, ' ');
    match (parts.next(), parts.next(), parts.next()) {
        (Some(name), Some(offset), Some(query)) if name == of.name() => {
            let pairs = query::pairs(query).map_err(|_| none())?;
            Ok((pairs, offset.parse().ok()))
        }
        _ => Err(none()),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn commas_are_escaped_once() {
        for (text, expected) in [
            ("a", "a"),
            ("a,b", "a\\,b"),
            ("a\\,b", "a\\,b"),
            ("a\\\\,b", "a\\\\\\,b"),
        ] {
            assert_eq!(escaped(text), expected, "{text}");
        }
    }

    #[test]
    fn cursors_come_back() {
        let patient = ResourceType::parse("Patient").expect("a type");
        let link = "http://x/fhir/Patient?name=a%20b&_cursor=c";
        let text = cursor(link, patient, Some(20));
        let pairs = vec![
            ("name".to_owned(), "a b".to_owned()),
            ("_cursor".to_owned(), "c".to_owned()),
        ];
        assert_eq!(of_cursor(&text, patient), Ok((pairs, Some(20))));
        let group = ResourceType::parse("Group").expect("a type");
        for (text, of) in [
            (text.as_str(), group),
            ("", patient),
            ("%", patient),
            ("YQ", patient),
        ] {
            assert!(of_cursor(text, of).is_err(), "{text}");
        }
    }
}
