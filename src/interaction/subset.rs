//! subset: `_summary` and `_elements`, applied to one resource.
//! <https://hl7.org/fhir/R4/search.html#summary>,
//! <https://hl7.org/fhir/R4/search.html#elements>
//!
//! A subset keeps `resourceType`, `id`, `meta`, what is mandatory and what modifies meaning,
//! and whatever was asked for; it is tagged SUBSETTED, so that nobody takes it for the whole.
//! `_summary=true` cuts inside data types as well (an Attachment loses its `data`);
//! `_elements` names elements of the root and keeps each whole. `_summary=count` is a matter
//! of searches and is not read here.

use crate::definitions::{Definitions, Field, TypeInfo};
use crate::error::{Category, Error, Result};
use crate::fhir::json;
use crate::search;
use bytes::Bytes;
use serde_json::{Map, Value, json};

/// `_summary` on the content of a resource.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Summary {
    True,
    Text,
    Data,
}

/// Which part of a resource is asked for.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub enum Subset {
    #[default]
    Whole,
    Summary(Summary),
    /// Names of elements of the root, a choice without its `[x]` or type.
    Elements(Vec<String>),
}

impl Subset {
    /// What a search asks for of each match. Where `_summary` and `_elements` both stand,
    /// `_elements` is the more exact wish and wins.
    pub fn of(summary: &Option<search::Summary>, elements: &[String]) -> Subset {
        if !elements.is_empty() {
            return Subset::Elements(elements.to_vec());
        }
        match summary {
            Some(search::Summary::True) => Subset::Summary(Summary::True),
            Some(search::Summary::Text) => Subset::Summary(Summary::Text),
            Some(search::Summary::Data) => Subset::Summary(Summary::Data),
            Some(search::Summary::Count | search::Summary::False) | None => Subset::Whole,
        }
    }

    /// Reads `_summary` and `_elements` of a query that is no search.
    ///
    /// # Errors
    /// `Invalid`: a `_summary` that is none of `true`, `text`, `data`, `false`.
    pub fn parse(pairs: &[(String, String)]) -> Result<Subset> {
        let mut subset = Subset::Whole;
        for (name, value) in pairs {
            match name.as_str() {
                "_elements" if !value.is_empty() => {
                    return Ok(Subset::Elements(elements(value)));
                }
                "_summary" => subset = parse_summary(value)?,
                _ => {}
            }
        }
        Ok(subset)
    }
}

fn parse_summary(value: &str) -> Result<Subset> {
    match value {
        "true" => Ok(Subset::Summary(Summary::True)),
        "text" => Ok(Subset::Summary(Summary::Text)),
        "data" => Ok(Subset::Summary(Summary::Data)),
        "false" => Ok(Subset::Whole),
        "count" => Err(Error::coded(
            Category::Invalid,
            "value",
            "_summary=count counts the matches of a search; this is none",
        )),
        other => Err(Error::coded(
            Category::Invalid,
            "code-invalid",
            format!("expected _summary to be true, text, data, count or false but found {other:?}"),
        )),
    }
}

/// `Patient.name,birthDate` names `name` and `birthDate`.
fn elements(value: &str) -> Vec<String> {
    value
        .split(',')
        .map(|name| {
            name.trim()
                .rsplit('.')
                .next()
                .unwrap_or_default()
                .to_owned()
        })
        .filter(|name| !name.is_empty())
        .collect()
}

/// The part of a stored resource that is asked for, tagged SUBSETTED. A body that cannot be
/// read is left as it is: it was checked when it was stored.
pub fn subset(definitions: &Definitions, body: &Bytes, how: &Subset) -> Bytes {
    if *how == Subset::Whole {
        return body.clone();
    }
    // Stored bodies passed the limit on nesting when they came in.
    let Ok(Value::Object(resource)) = json::parse(body, usize::MAX) else {
        return body.clone();
    };
    let type_name = resource.get("resourceType").and_then(Value::as_str);
    let Some(info) = type_name.and_then(|name| definitions.type_info(name)) else {
        return body.clone();
    };
    let mut kept = Map::new();
    for (name, value) in resource {
        let element = name.strip_prefix('_').unwrap_or(&name);
        let field = info.field(element);
        match keep(how, element, field) {
            Keep::Nothing => {}
            Keep::Whole => {
                kept.insert(name, value);
            }
            Keep::Summary => {
                let value = summarise_field(definitions, field, &name, value);
                kept.extend(value.map(|value| (name, value)));
            }
        }
    }
    tag(&mut kept);
    Bytes::from(Value::Object(kept).to_string())
}

enum Keep {
    Nothing,
    Whole,
    /// What the definitions mark as summary inside it.
    Summary,
}

/// What to do with an element of the root.
fn keep(how: &Subset, element: &str, field: Option<&Field>) -> Keep {
    if matches!(element, "resourceType" | "id" | "meta") {
        return Keep::Whole;
    }
    let is_needed = field.is_some_and(|field| field.min > 0 || field.is_modifier);
    match how {
        Subset::Whole => Keep::Whole,
        Subset::Summary(Summary::Data) if element == "text" => Keep::Nothing,
        Subset::Summary(Summary::Data) => Keep::Whole,
        Subset::Summary(Summary::Text) if element == "text" || is_needed => Keep::Whole,
        Subset::Summary(Summary::Text) => Keep::Nothing,
        Subset::Summary(Summary::True) if is_needed || field.is_some_and(|f| f.is_summary) => {
            Keep::Summary
        }
        Subset::Summary(Summary::True) => Keep::Nothing,
        Subset::Elements(names) => {
            let is_named =
                |name: &String| name == element || field.is_some_and(|field| *name == field.name);
            match is_needed || names.iter().any(is_named) {
                true => Keep::Whole,
                false => Keep::Nothing,
            }
        }
    }
}

/// The summary part of one member's value; `None` where nothing of it is left.
fn summarise_field(
    definitions: &Definitions,
    field: Option<&Field>,
    name: &str,
    value: Value,
) -> Option<Value> {
    let field = field?;
    // A primitive and its companion stay as they are, and so does a whole resource: it has
    // definitions of its own.
    if field.is_primitive || field.is_resource || name.starts_with('_') {
        return Some(value);
    }
    match definitions.type_info(&field.type_key) {
        Some(info) => summarise(definitions, &info, value),
        None => Some(value),
    }
}

fn summarise(definitions: &Definitions, info: &TypeInfo, value: Value) -> Option<Value> {
    match value {
        Value::Object(object) => {
            let kept: Map<String, Value> = object
                .into_iter()
                .filter_map(|(name, value)| {
                    let field = info.field(name.strip_prefix('_').unwrap_or(&name));
                    let is_kept = field.is_some_and(|f| f.is_summary || f.is_modifier || f.min > 0);
                    let value = is_kept.then_some(value)?;
                    let value = summarise_field(definitions, field, &name, value)?;
                    Some((name, value))
                })
                .collect();
            (!kept.is_empty()).then_some(Value::Object(kept))
        }
        Value::Array(items) => {
            let kept: Vec<Value> = items
                .into_iter()
                .filter_map(|item| summarise(definitions, info, item))
                .collect();
            (!kept.is_empty()).then_some(Value::Array(kept))
        }
        other => Some(other),
    }
}

/// Adds the tag SUBSETTED. <https://hl7.org/fhir/R4/valueset-common-tags.html>
fn tag(resource: &mut Map<String, Value>) {
    const SYSTEM: &str = "http://terminology.hl7.org/CodeSystem/v3-ObservationValue";
    let meta = resource.entry("meta").or_insert_with(|| json!({}));
    let Some(meta) = meta.as_object_mut() else {
        return;
    };
    let tags = meta.entry("tag").or_insert_with(|| json!([]));
    let Some(tags) = tags.as_array_mut() else {
        return;
    };
    if !tags.iter().any(|tag| tag["code"] == "SUBSETTED") {
        tags.push(json!({"system": SYSTEM, "code": "SUBSETTED", "display": "subsetted"}));
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const PATIENT: &str = r#"{"resourceType":"Patient","id":"1","meta":{"versionId":"2"},
        "text":{"status":"generated","div":"<div/>"},"implicitRules":"urn:x","active":true,
        "name":[{"family":"F","extension":[{"url":"u","valueDecimal":1.00}]}],
        "deceasedBoolean":false,"birthDate":"2000","_birthDate":{"id":"b"},
        "multipleBirthInteger":2,"communication":[{"language":{"text":"German"}}],
        "contact":[{"gender":"male"}],
        "link":[{"id":"l","other":{"reference":"Patient/2"},"type":"refer"}]}"#;

    fn members(how: &Subset, body: &str) -> (String, Value) {
        let definitions = Definitions::r4();
        let body = Bytes::copy_from_slice(body.as_bytes());
        let value = json::parse(&subset(&definitions, &body, how), 100).expect("JSON");
        let names = value.as_object().expect("an object").keys();
        let names = names.map(String::as_str).collect::<Vec<_>>().join(" ");
        (names, value)
    }

    #[test]
    fn subsets_keep_what_was_asked_for_and_what_modifies() {
        let elements =
            |list: &[&str]| Subset::Elements(list.iter().map(|name| (*name).to_owned()).collect());
        for (how, names) in [
            (
                elements(&["birthDate"]),
                "implicitRules active deceasedBoolean birthDate _birthDate link",
            ),
            (
                elements(&["multipleBirth"]),
                "implicitRules active deceasedBoolean multipleBirthInteger link",
            ),
            (
                Subset::Summary(Summary::Text),
                "text implicitRules active deceasedBoolean link",
            ),
            (
                Subset::Summary(Summary::Data),
                "implicitRules active name deceasedBoolean birthDate _birthDate multipleBirthInteger communication contact link",
            ),
            (
                Subset::Summary(Summary::True),
                "implicitRules active name deceasedBoolean birthDate _birthDate link",
            ),
        ] {
            let (found, value) = members(&how, PATIENT);
            assert_eq!(found, format!("resourceType id meta {names}"), "{how:?}");
            assert_eq!(value["meta"]["tag"][0]["code"], "SUBSETTED");
            assert_eq!(value["meta"]["versionId"], "2");
        }
    }

    #[test]
    fn a_summary_cuts_inside_data_types_and_keeps_spelling() {
        let (_, value) = members(&Subset::Summary(Summary::True), PATIENT);
        assert_eq!(value["name"].to_string(), r#"[{"family":"F"}]"#);
        let (names, value) = members(
            &Subset::Elements(vec!["value".into()]),
            r#"{"resourceType":"Observation","id":"1","status":"final","code":{"text":"c"},
                "valueQuantity":{"value":1.00}}"#,
        );
        assert_eq!(names, "resourceType id status code valueQuantity meta");
        assert_eq!(value["valueQuantity"].to_string(), r#"{"value":1.00}"#);
    }

    #[test]
    fn parameters_are_read() {
        let parse = |text: &str| {
            let pairs: Vec<_> = text
                .split('&')
                .filter_map(|pair| pair.split_once('='))
                .map(|(name, value)| (name.to_owned(), value.to_owned()))
                .collect();
            Subset::parse(&pairs).map_err(|error| error.category)
        };
        let elements = Subset::Elements(vec!["name".into(), "id".into()]);
        for (text, expected) in [
            ("", Ok(Subset::Whole)),
            ("_summary=false", Ok(Subset::Whole)),
            ("_summary=true", Ok(Subset::Summary(Summary::True))),
            ("_summary=data", Ok(Subset::Summary(Summary::Data))),
            ("_elements=Patient.name,id", Ok(elements.clone())),
            (
                "_elements=name,+id&_summary=true"
                    .replace('+', " ")
                    .as_str(),
                Ok(elements),
            ),
            ("_elements=", Ok(Subset::Whole)),
            ("_summary=count", Err(Category::Invalid)),
            ("_summary=yes", Err(Category::Invalid)),
        ] {
            assert_eq!(parse(text), expected, "{text}");
        }
    }
}
