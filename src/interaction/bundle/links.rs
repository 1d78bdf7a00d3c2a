//! What points from one entry of a Bundle to another: found, and rewritten.
//! <https://hl7.org/fhir/R4/http.html#trules>
//!
//! Rewritten are `Reference.reference`, elements of type uri, url, oid and uuid, and the
//! `href` and `src` of narratives; elements of type canonical are not. What stands in the
//! entries of a Bundle that is itself a resource here is its own and left alone.

use crate::definitions::Definitions;
use crate::error::{Category, Error, Issue, Result};
use crate::fhir::json;
use crate::fhir::reference::Target;
use crate::search::literal_references::{is_inner, visit_references};
use serde_json::{Map, Value};
use std::collections::HashMap;

/// The types, besides Reference, whose values may be links.
const LINK_TYPES: [&str; 4] = ["uri", "url", "oid", "uuid"];

/// Where the links of a transaction lead.
#[derive(Default)]
pub struct Links {
    /// From `fullUrl` to `Type/id`.
    pub urls: HashMap<String, String>,
    /// From `Type?criteria` to `Type/id`.
    pub criteria: HashMap<String, String>,
}

/// The problems of one resource.
type Problems = Vec<Issue>;

impl Links {
    /// Rewrites all links of a resource; `full_url` is that of its entry.
    ///
    /// # Errors
    /// `Invalid` for a `urn:` that no entry of the Bundle has.
    pub fn rewrite(
        &self,
        definitions: &Definitions,
        resource: &mut Map<String, Value>,
        full_url: Option<&str>,
    ) -> Result<()> {
        let root = full_url.and_then(restful).map(|(root, _)| root);
        let mut problems = Problems::new();
        let name = resource
            .get("resourceType")
            .and_then(Value::as_str)
            .unwrap_or_default()
            .to_owned();
        self.object(definitions, &name, resource, root, &name, &mut problems);
        if problems.is_empty() {
            Ok(())
        } else {
            Err(Error::of(Category::Invalid, problems))
        }
    }

    fn object(
        &self,
        definitions: &Definitions,
        type_key: &str,
        object: &mut Map<String, Value>,
        root: Option<&str>,
        path: &str,
        problems: &mut Problems,
    ) {
        let Some(info) = definitions.type_info(type_key) else {
            return;
        };
        for (name, value) in object.iter_mut() {
            let Some(field) = info.field(name) else {
                continue;
            };
            if type_key == "Bundle" && name == "entry" {
                continue;
            }
            let here = || format!("{path}.{name}");
            if field.is_primitive {
                let is_reference = type_key == "Reference" && name == "reference";
                let is_narrative = type_key == "Narrative" && name == "div";
                let is_link = LINK_TYPES.contains(&field.type_code.as_str());
                if !(is_reference || is_narrative || is_link) {
                    continue;
                }
                each(value, &mut |text| {
                    if is_reference {
                        self.reference(text, root, &here, problems);
                    } else if is_narrative {
                        self.narrative(text);
                    } else if let Some(target) = self.urls.get(text.as_str()) {
                        text.clone_from(target);
                    }
                });
            } else {
                let key = &field.type_key;
                each_object(value, &mut |index, inner| {
                    let here = match index {
                        Some(index) => format!("{path}.{name}[{index}]"),
                        None => here(),
                    };
                    let own = inner.get("resourceType").and_then(Value::as_str);
                    let key = match own {
                        Some(own) if field.is_resource => own.to_owned(),
                        _ => key.clone(),
                    };
                    self.object(definitions, &key, inner, root, &here, problems);
                });
            }
        }
    }

    fn reference(
        &self,
        text: &mut String,
        root: Option<&str>,
        path: &dyn Fn() -> String,
        problems: &mut Problems,
    ) {
        let (plain, version) = match text.split_once("/_history/") {
            Some((plain, version)) => (plain, Some(version)),
            None => (text.as_str(), None),
        };
        let found = self
            .urls
            .get(plain)
            .or_else(|| self.urls.get(&format!("{}/{plain}", root?)))
            .or_else(|| self.criteria.get(text.as_str()));
        match found {
            Some(target) => {
                *text = match version {
                    Some(version) if !text.contains('?') => format!("{target}/_history/{version}"),
                    _ => target.clone(),
                }
            }
            None if text.starts_with("urn:uuid:") || text.starts_with("urn:oid:") => problems.push(
                Issue::error(
                    "not-found",
                    format!(
                        "expected an entry of the Bundle with the fullUrl {text:?} but there is none"
                    ),
                )
                .at(path()),
            ),
            None => {}
        }
    }

    /// Replaces the values of `href` and `src` that are the `fullUrl` of an entry.
    fn narrative(&self, text: &mut String) {
        if !text.contains("urn:") && !text.contains("http") {
            return;
        }
        for attribute in ["href=\"", "src=\"", "href='", "src='"] {
            let quote = attribute.chars().last().unwrap_or('"');
            let mut from = 0;
            while let Some(found) = text[from..].find(attribute) {
                let start = from + found + attribute.len();
                let Some(length) = text[start..].find(quote) else {
                    break;
                };
                let end = start + length;
                match self.urls.get(&text[start..end]) {
                    Some(target) => {
                        text.replace_range(start..end, target);
                        from = start + target.len();
                    }
                    None => from = end,
                }
            }
        }
    }
}

/// `http://other/fhir` and `1` of `http://other/fhir/Patient/1`.
pub fn restful(full_url: &str) -> Option<(&str, &str)> {
    let (rest, id) = full_url.rsplit_once('/')?;
    let (root, name) = rest.rsplit_once('/')?;
    let restful = crate::fhir::ResourceType::parse(name).is_some() && root.contains("://");
    restful.then_some((root, id))
}

/// Each text of a primitive element, repeating or not.
fn each(value: &mut Value, visit: &mut dyn FnMut(&mut String)) {
    match value {
        Value::String(text) => visit(text),
        Value::Array(items) => items.iter_mut().for_each(|item| each(item, visit)),
        _ => {}
    }
}

/// What is done with an object and its index.
type Visit<'v> = &'v mut dyn FnMut(Option<usize>, &mut Map<String, Value>);

/// Each object of a complex element, with its index where it repeats.
fn each_object(value: &mut Value, visit: Visit<'_>) {
    match value {
        Value::Object(object) => visit(None, object),
        Value::Array(items) => {
            for (index, item) in items.iter_mut().enumerate() {
                if let Value::Object(object) = item {
                    visit(Some(index), object);
                }
            }
        }
        _ => {}
    }
}

/// Whether a Bundle may be in the text of a resource. What its entries say is its own, so
/// that such a text is parsed where others are only scanned.
fn may_hold_bundle(text: &str) -> bool {
    text.contains("\"Bundle\"")
}

/// The conditional references (`Type?criteria`, relative or under our own base) in the text
/// of a resource, found without parsing it: strings behind the name `reference`.
pub fn conditional_references(text: &str, depth: usize, base: &str) -> Vec<String> {
    let mut found = Vec::new();
    let mut keep = |reference: &str| {
        let is_conditional =
            || matches!(Target::parse(reference, base), Target::Conditional { .. });
        if reference.contains('?') && is_conditional() {
            found.push(reference.to_owned());
        }
    };
    if may_hold_bundle(text) {
        // A text that cannot be parsed is refused when its turn comes.
        if let Ok(resource) = json::parse(text.as_bytes(), depth) {
            visit_references(&resource, &mut |reference| keep(reference));
        }
        return found;
    }
    let mut rest = text;
    while let Some(at) = rest.find("\"reference\"") {
        rest = &rest[at + "\"reference\"".len()..];
        let Some(value) = rest.trim_start().strip_prefix(':') else {
            continue;
        };
        let value = value.trim_start();
        let Some(end) = string_end(value) else {
            continue;
        };
        let literal = &value[..end];
        if literal.contains('?')
            && let Ok(Value::String(reference)) = json::parse(literal.as_bytes(), 1)
        {
            keep(&reference);
        }
    }
    found
}

/// The first answer of `visit` to a string of the text of a resource that begins with
/// `urn:`, found without parsing it.
pub fn find_urn<T>(text: &str, depth: usize, visit: &dyn Fn(&str) -> Option<T>) -> Option<T> {
    const OPENING: &str = "\"urn:";
    if !text.contains(OPENING) {
        return None;
    }
    if may_hold_bundle(text) {
        let resource = json::parse(text.as_bytes(), depth).ok()?;
        return find_string(&resource, visit);
    }
    let mut rest = text;
    while let Some(at) = rest.find(OPENING) {
        rest = &rest[at..];
        // An escaped quote may open it too: the end is that of the string around it then.
        let end = string_end(rest)?;
        if let Some(found) = visit(&rest[1..end - 1]) {
            return Some(found);
        }
        rest = &rest[end..];
    }
    None
}

/// The first answer to a string outside the entries of Bundles.
fn find_string<T>(value: &Value, visit: &dyn Fn(&str) -> Option<T>) -> Option<T> {
    match value {
        Value::String(text) => visit(text),
        Value::Array(items) => items.iter().find_map(|item| find_string(item, visit)),
        Value::Object(object) => object
            .iter()
            .filter(|(name, _)| !is_inner(name, object))
            .find_map(|(_, item)| find_string(item, visit)),
        _ => None,
    }
}

/// Where the JSON string at the beginning of `text` ends.
fn string_end(text: &str) -> Option<usize> {
    let bytes = text.as_bytes();
    if bytes.first() != Some(&b'"') {
        return None;
    }
    let mut at = 1;
    while at < bytes.len() {
        match bytes[at] {
            b'\\' => at += 2,
            b'"' => return Some(at + 1),
            _ => at += 1,
        }
    }
    None
}

#[cfg(test)]
mod tests {
    use super::*;

    const BASE: &str = "http://me/fhir";

    #[test]
    fn conditional_references_are_found_in_text() {
        let text = r#"{"subject":{"reference" : "Patient?identifier=a|b"},"x":{"reference":"Patient/1"},
            "note":"\"reference\":\"Fake?x=1\"","y":{"reference":"Group?name=\"q\""},
            "z":{"reference":"Group?identifier=http://s|v"},"o":{"reference":"http://o/Group?x=y"},
            "own":{"reference":"http://me/fhir/Group?x=y"},"n":{"reference":"Nope?x=y"}}"#;
        assert_eq!(
            conditional_references(text, 20, BASE),
            [
                "Patient?identifier=a|b",
                "Group?name=\"q\"",
                "Group?identifier=http://s|v",
                "http://me/fhir/Group?x=y",
            ]
        );
    }

    const INNER: &str = r#"{"resourceType":"Bundle","type":"collection","link":[{"relation":"x","url":"urn:uuid:1"}],
        "entry":[{"fullUrl":"urn:uuid:2","resource":{"resourceType":"Basic","subject":{"reference":"Patient?a=b"},
        "author":{"reference":"urn:uuid:3"}}}]}"#;

    #[test]
    fn what_a_bundle_holds_is_its_own() {
        assert_eq!(conditional_references(INNER, 20, BASE), [] as [&str; 0]);
        let named = |name: &'static str| {
            let is = move |text: &str| (text == name).then_some(());
            find_urn(INNER, 20, &is).is_some()
        };
        assert_eq!(
            ["urn:uuid:1", "urn:uuid:2", "urn:uuid:3"].map(named),
            [true, false, false]
        );
        let to = |text: &str| (text.to_owned(), "Patient/new".to_owned());
        let links = Links {
            urls: HashMap::from(["urn:uuid:1", "urn:uuid:2"].map(to)),
            ..Links::default()
        };
        let mut value = json::parse(INNER.as_bytes(), 20).expect("JSON");
        let mut expected = value.clone();
        expected["link"][0]["url"] = "Patient/new".into();
        let object = value.as_object_mut().expect("an object");
        links
            .rewrite(&Definitions::r4(), object, None)
            .expect("nothing is lost");
        assert_eq!(value, expected);
    }

    #[test]
    fn urns_are_found_in_text() {
        let seen = std::cell::RefCell::new(Vec::new());
        let visit = |text: &str| -> Option<()> {
            seen.borrow_mut().push(text.to_owned());
            None
        };
        let text =
            r#"{"a":"urn:1","b":["urn:2","x urn:3"],"div":"<a href=\"urn:4\">","c":"urn:5"}"#;
        assert_eq!(find_urn(text, 20, &visit), None);
        assert_eq!(*seen.borrow(), ["urn:1", "urn:2", r#"urn:4\">"#, "urn:5"]);
    }

    #[test]
    fn links_are_rewritten_where_the_type_is_a_link() {
        let definitions = Definitions::r4();
        let links = Links {
            urls: HashMap::from([
                ("urn:uuid:1".to_owned(), "Patient/new".to_owned()),
                (
                    "http://o/fhir/Patient/7".to_owned(),
                    "Patient/seven".to_owned(),
                ),
            ]),
            criteria: HashMap::from([("Patient?a=b".to_owned(), "Patient/c".to_owned())]),
        };
        let rewrite = |text: &str, full_url| {
            let mut value = json::parse(text.as_bytes(), 20).expect(text);
            let object = value.as_object_mut().expect("an object");
            links
                .rewrite(&definitions, object, full_url)
                .map(|()| value.to_string())
        };
        for (given, full_url, expected) in [
            (
                r#"{"resourceType":"Observation","subject":{"reference":"urn:uuid:1/_history/3"},"focus":[{"reference":"Patient?a=b"}]}"#,
                None,
                r#"{"resourceType":"Observation","subject":{"reference":"Patient/new/_history/3"},"focus":[{"reference":"Patient/c"}]}"#,
            ),
            (
                r#"{"resourceType":"Observation","subject":{"reference":"Patient/7"},"instantiatesUri":"urn:uuid:1"}"#,
                Some("http://o/fhir/Observation/1"),
                r#"{"resourceType":"Observation","subject":{"reference":"Patient/seven"},"instantiatesUri":"urn:uuid:1"}"#,
            ),
            (
                r#"{"resourceType":"CarePlan","instantiatesCanonical":["urn:uuid:1"],"instantiatesUri":["urn:uuid:1"],"text":{"status":"generated","div":"<div><a href=\"urn:uuid:1\">urn:uuid:1</a></div>"}}"#,
                None,
                r#"{"resourceType":"CarePlan","instantiatesCanonical":["urn:uuid:1"],"instantiatesUri":["Patient/new"],"text":{"status":"generated","div":"<div><a href=\"Patient/new\">urn:uuid:1</a></div>"}}"#,
            ),
        ] {
            assert_eq!(rewrite(given, full_url).expect(given), expected);
        }
        let lost = rewrite(
            r#"{"resourceType":"Observation","subject":{"reference":"urn:uuid:2"}}"#,
            None,
        );
        assert!(
            lost.expect_err("a lost link")
                .to_string()
                .contains("Observation.subject")
        );
    }
}
