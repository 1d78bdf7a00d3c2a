//! Resources that profiles are made of: text until somebody asks for one, since of what a
//! package brings most is never asked for.
//!
//! What came with a package means the others of that package, in that version, by what it
//! refers to without a version: else a profile of US Core 6.1.0 would ask for extensions of 7.0.0
//! as soon as both are there.

use std::cmp::Ordering;
use std::collections::HashMap;
use std::sync::{Arc, OnceLock};

use serde::Deserialize;
use serde_json::Value;

use crate::fhir::json;

/// A StructureDefinition, ValueSet, CodeSystem or Questionnaire.
#[derive(Debug)]
pub struct Given {
    head: Head,
    /// Where it is stored: key and version.
    origin: Option<(i64, i32)>,
    /// Compressed: of packages of terminology it would be a hundred megabytes.
    text: Option<Box<[u8]>>,
    package: Option<Arc<str>>,
    pins: Option<Arc<Pins>>,
    resource: OnceLock<Option<Arc<Value>>>,
}

/// The fastest level of compression.
const FAST: i32 = 1;

/// The versions that a package has of its own canonicals.
pub type Pins = HashMap<String, String>;

/// What it is found by, read past everything else.
#[derive(Debug, Default, Deserialize)]
#[serde(rename_all = "camelCase")]
struct Head {
    resource_type: String,
    url: String,
    #[serde(default)]
    version: String,
    #[serde(default, rename = "type")]
    of: Option<Value>,
    #[serde(default)]
    kind: Option<Value>,
    #[serde(default)]
    derivation: Option<Value>,
}

impl Given {
    /// A resource as it is stored under this key in this version; `None` where it has no url.
    pub fn stored(key: i64, version: i32, text: &str) -> Option<Given> {
        let bare = json::without_byte_order_mark(text.as_bytes());
        let head = serde_json::from_slice(bare).ok()?;
        let text = zstd::bulk::compress(bare, FAST).ok()?;
        Some(Given {
            head,
            origin: Some((key, version)),
            text: Some(text.into_boxed_slice()),
            package: None,
            pins: None,
            resource: OnceLock::new(),
        })
    }

    /// The same, as it came with a package of that name and version.
    pub fn of(self, package: Option<Arc<str>>) -> Given {
        Given { package, ..self }
    }

    /// The same, with the versions of what it refers to.
    pub fn pinned(self, pins: Arc<Pins>) -> Given {
        let pins = Some(pins);
        Given { pins, ..self }
    }

    /// One that is parsed already; `None` where it has no url.
    pub fn parsed(resource: Value) -> Option<Given> {
        let text = |name: &str| resource.get(name)?.as_str().map(str::to_owned);
        let head = Head {
            resource_type: text("resourceType")?,
            url: text("url")?,
            version: text("version").unwrap_or_default(),
            of: resource.get("type").cloned(),
            kind: resource.get("kind").cloned(),
            derivation: resource.get("derivation").cloned(),
        };
        Some(Given {
            head,
            origin: None,
            text: None,
            package: None,
            pins: None,
            resource: OnceLock::from(Some(Arc::new(resource))),
        })
    }

    pub fn kind(&self) -> &str {
        &self.head.resource_type
    }

    pub fn url(&self) -> &str {
        &self.head.url
    }

    /// Its business version; empty where it says none.
    pub fn version(&self) -> &str {
        &self.head.version
    }

    pub fn origin(&self) -> Option<(i64, i32)> {
        self.origin
    }

    /// The package that it came with.
    pub fn package(&self) -> Option<&Arc<str>> {
        self.package.as_ref()
    }

    /// The resource type that it is a profile of.
    pub fn profiled(&self) -> Option<&str> {
        let head = &self.head;
        let says = |of: &Option<Value>, what: &str| of.as_ref().is_some_and(|of| of == what);
        let is_profile = head.resource_type == "StructureDefinition"
            && says(&head.kind, "resource")
            && says(&head.derivation, "constraint");
        head.of.as_ref()?.as_str().filter(|_| is_profile)
    }

    /// The whole of it; `None` where it cannot be read.
    pub(super) fn resource(&self) -> Option<Arc<Value>> {
        let parse = || {
            let text = zstd::stream::decode_all(self.text.as_deref()?).ok()?;
            let mut parsed = json::parse(&text, usize::MAX).ok()?;
            if let Some(pins) = &self.pins {
                pin(&mut parsed, pins);
            }
            Some(Arc::new(parsed))
        };
        self.resource.get_or_init(parse).clone()
    }
}

/// Gives the canonicals by which a resource refers to others their versions.
fn pin(resource: &mut Value, pins: &Pins) {
    let fix = |canonical: &mut Value| {
        let Some(url) = canonical.as_str() else {
            return;
        };
        if let Some(version) = pins.get(url).filter(|version| !version.is_empty()) {
            *canonical = Value::from(format!("{url}|{version}"));
        }
    };
    fn each<'v>(of: &'v mut Value, list: &str) -> impl Iterator<Item = &'v mut Value> {
        let list = of.get_mut(list).and_then(Value::as_array_mut);
        list.into_iter().flatten()
    }
    if let Some(base) = resource.get_mut("baseDefinition") {
        fix(base);
    }
    for view in ["snapshot", "differential"] {
        let view = resource.get_mut(view).into_iter();
        for element in view.flat_map(|view| each(view, "element")) {
            for of in each(element, "type") {
                each(of, "profile").for_each(fix);
                each(of, "targetProfile").for_each(fix);
            }
            let binding = element.get_mut("binding");
            if let Some(value_set) = binding.and_then(|one| one.get_mut("valueSet")) {
                fix(value_set);
            }
        }
    }
    for part in ["include", "exclude"] {
        let compose = resource.get_mut("compose").into_iter();
        for include in compose.flat_map(|compose| each(compose, part)) {
            each(include, "valueSet").for_each(fix);
        }
    }
}

/// The order of business versions, the numbers in them as numbers: 1.9.0 before 1.10.0, and
/// what is marked as not released before what is: 2.0.0-ballot before 2.0.0.
pub fn compare_versions(left: &str, right: &str) -> Ordering {
    type Parts = Vec<(u64, String)>;
    let parts = |text: &str| -> Parts {
        let parts = text.split('.');
        parts
            .map(|part| (part.parse().unwrap_or_default(), part.to_owned()))
            .collect()
    };
    let split = |text: &str| -> (Parts, bool, Parts) {
        match text.split_once('-') {
            // A date is no number with a label.
            Some((number, label)) if number.contains('.') => (parts(number), false, parts(label)),
            _ => (parts(&text.replace('-', ".")), true, Vec::new()),
        }
    };
    split(left).cmp(&split(right))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn versions_are_ordered_by_their_numbers() {
        for (older, newer) in [
            ("", "0.1"),
            ("1", "2"),
            ("1.9.0", "1.10.0"),
            ("9.0.0", "10.0.0"),
            ("4.0.0", "4.0.0.1"),
            ("2023-12-01", "2024-01-01"),
            ("2.0.0-ballot", "2.0.0"),
            ("2.0.0-ballot2", "2.0.1-snapshot1"),
            ("2.0.0-ballot.9", "2.0.0-ballot.10"),
        ] {
            assert_eq!(
                compare_versions(older, newer),
                Ordering::Less,
                "{older} {newer}"
            );
            assert_eq!(compare_versions(newer, older), Ordering::Greater);
            assert_eq!(compare_versions(newer, newer), Ordering::Equal);
        }
    }

    #[test]
    fn what_a_package_refers_to_is_of_that_package() {
        let text = r#"{"resourceType":"StructureDefinition","url":"a","baseDefinition":"b","snapshot":{
            "element":[{"type":[{"profile":["a","b|1"],"targetProfile":["c"]}],"binding":{"valueSet":"d"}}]}}"#;
        let pins = ["a", "b", "d"].map(|url| (url.to_owned(), "6.1.0".to_owned()));
        let given = Given::stored(1, 1, text).expect("a url");
        let given = given.pinned(Arc::new(pins.into_iter().collect()));
        let whole = given.resource().expect("it is JSON");
        assert_eq!(whole["baseDefinition"], "b|6.1.0");
        let element = whole["snapshot"]["element"][0].to_string();
        let expected = r#"{"type":[{"profile":["a|6.1.0","b|1"],"targetProfile":["c"]}],"binding":{"valueSet":"d|6.1.0"}}"#;
        assert_eq!(element, expected);
    }

    #[test]
    fn a_head_is_read_without_the_rest() {
        let text = r#"{"resourceType":"StructureDefinition","url":"u","version":"1","kind":"resource",
            "derivation":"constraint","type":"Patient","mapping":[{"identity":1.50}]}"#;
        let given = Given::stored(7, 2, text).expect("a url");
        assert_eq!(
            (given.kind(), given.url(), given.version()),
            ("StructureDefinition", "u", "1")
        );
        assert_eq!(
            (given.profiled(), given.origin()),
            (Some("Patient"), Some((7, 2)))
        );
        let whole = given.resource().expect("it is JSON");
        assert_eq!(whole["mapping"][0]["identity"].to_string(), "1.50");
        assert!(Given::stored(7, 2, r#"{"resourceType":"ValueSet"}"#).is_none());
    }
}
