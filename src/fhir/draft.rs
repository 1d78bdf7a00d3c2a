//! The text of a version before its number and time are known.
//!
//! A resource is written out once, with `id` and `meta` in place and two gaps for
//! `meta.versionId` and `meta.lastUpdated`, which the write transaction fills in. Everything
//! else keeps the order and the spelling in which it came.

use super::Instant;
use bytes::Bytes;
use serde_json::{Map, Value};

/// A resource as text, with gaps for version and time.
#[derive(Clone, Debug)]
pub struct Draft {
    /// Up to the opening quote of the version.
    head: String,
    /// From the comma behind `meta.lastUpdated`.
    tail: String,
}

impl Draft {
    /// Writes a resource out under `id`; what it says of id, version and time is replaced,
    /// as the specification demands of a server.
    pub fn new(resource: &Map<String, Value>, id: &str) -> Draft {
        let mut text = String::with_capacity(1024);
        let mut gap = None;
        text.push('{');
        member(
            &mut text,
            "resourceType",
            resource.get("resourceType").unwrap_or(&Value::Null),
        );
        let id = Value::from(id);
        let has_meta = resource.contains_key("meta");
        if !resource.contains_key("id") {
            member(&mut text, "id", &id);
            gap = (!has_meta).then(|| meta(&mut text, None));
        }
        for (name, value) in resource {
            match name.as_str() {
                "resourceType" => {}
                // Behind the id in either case, so that what was created and is then put
                // with the id that it got is found to be the same.
                "id" => {
                    member(&mut text, "id", &id);
                    gap = (!has_meta).then(|| meta(&mut text, None)).or(gap);
                }
                "meta" => gap = Some(meta(&mut text, value.as_object())),
                _ => member(&mut text, name, value),
            }
        }
        text.push('}');
        let gap = gap.expect("meta was written, whether the resource has one or not");
        let tail = text.split_off(gap);
        Draft { head: text, tail }
    }

    /// The text before the version, and behind the time: for a statement that fills the gap.
    pub fn parts(&self) -> (&str, &str) {
        (&self.head, &self.tail)
    }

    /// The text of the version with this number and time.
    pub fn stamp(&self, version: i32, last_updated: Instant) -> Bytes {
        let mut text = String::with_capacity(self.head.len() + self.tail.len() + 60);
        text.push_str(&self.head);
        text.push_str(&version.to_string());
        text.push_str("\",\"lastUpdated\":\"");
        text.push_str(&last_updated.to_string());
        text.push('"');
        text.push_str(&self.tail);
        Bytes::from(text)
    }
}

/// Writes `meta` up to the gap and behind it; returns where the gap is.
fn meta(text: &mut String, given: Option<&Map<String, Value>>) -> usize {
    name(text, "meta");
    text.push_str("{\"versionId\":\"");
    let gap = text.len();
    for (name, value) in given.into_iter().flatten() {
        if name != "versionId" && name != "lastUpdated" {
            member(text, name, value);
        }
    }
    text.push('}');
    gap
}

fn name(text: &mut String, name: &str) {
    if !text.ends_with('{') {
        text.push(',');
    }
    push_json(text, name);
    text.push(':');
}

fn member(text: &mut String, member: &str, value: &Value) {
    name(text, member);
    push_json(text, value);
}

fn push_json<T: serde::Serialize + ?Sized>(text: &mut String, value: &T) {
    text.push_str(&serde_json::to_string(value).expect("plain JSON values serialise"));
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_id_version_and_time_are_ours() {
        let at = Instant::parse("2026-03-03T10:00:02.5Z").expect("valid");
        for (given, stored) in [
            (
                r#"{"resourceType":"Patient"}"#,
                r#"{"resourceType":"Patient","id":"x","meta":{"versionId":"7","lastUpdated":"2026-03-03T10:00:02.500Z"}}"#,
            ),
            (
                r#"{"a":1.00,"resourceType":"Patient","meta":{"versionId":"9","tag":[{"code":"t"}],"lastUpdated":"x"},"id":"y","z":[1E5]}"#,
                r#"{"resourceType":"Patient","a":1.00,"meta":{"versionId":"7","lastUpdated":"2026-03-03T10:00:02.500Z","tag":[{"code":"t"}]},"id":"x","z":[1E5]}"#,
            ),
        ] {
            let value = crate::fhir::json::parse(given.as_bytes(), 9).expect(given);
            let draft = Draft::new(value.as_object().expect("an object"), "x");
            assert_eq!(draft.stamp(7, at), stored);
        }
    }
}
