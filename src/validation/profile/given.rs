//! Resources that profiles are made of: text until somebody asks for one, since of what a
//! package brings most is never asked for.

use std::cmp::Ordering;
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
    text: Option<String>,
    resource: OnceLock<Option<Arc<Value>>>,
}

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
    pub fn stored(key: i64, version: i32, text: String) -> Option<Given> {
        let bare = json::without_byte_order_mark(text.as_bytes());
        Some(Given {
            head: serde_json::from_slice(bare).ok()?,
            origin: Some((key, version)),
            text: Some(text),
            resource: OnceLock::new(),
        })
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
            let text = self.text.as_deref().unwrap_or_default();
            let parsed = json::parse(text.as_bytes(), usize::MAX);
            parsed.ok().map(Arc::new)
        };
        self.resource.get_or_init(parse).clone()
    }
}

/// The order of business versions, the numbers in them as numbers: 1.9.0 before 1.10.0, and
/// what is marked as not released before what is: 2.0.0-ballot before 2.0.0.
pub fn compare_versions(left: &str, right: &str) -> Ordering {
    let parts = |text: &str| -> Vec<(u64, String)> {
        let parts = text.split('.');
        parts
            .map(|part| (part.parse().unwrap_or_default(), part.to_owned()))
            .collect()
    };
    let split = |text: &str| -> (Vec<(u64, String)>, bool, Vec<(u64, String)>) {
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
    fn a_head_is_read_without_the_rest() {
        let text = r#"{"resourceType":"StructureDefinition","url":"u","version":"1","kind":"resource",
            "derivation":"constraint","type":"Patient","mapping":[{"identity":1.50}]}"#;
        let given = Given::stored(7, 2, text.to_owned()).expect("a url");
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
        assert!(Given::stored(7, 2, r#"{"resourceType":"ValueSet"}"#.to_owned()).is_none());
    }
}
