//! Bundles as bytes: the frame of one that comes in, with its resources left unparsed, and
//! a writer that splices stored resources into one that goes out.
//! <https://hl7.org/fhir/R4/bundle.html>

use super::Instant;
use crate::error::{Category, Error, Issue, Result};
use bytes::Bytes;
use serde::Deserialize;
use serde::de::IgnoredAny;
use serde_json::value::RawValue;

/// A Bundle that came in. Each resource stays raw text until its turn comes, so that a
/// large transaction costs its text and one parsed entry at a time.
#[derive(Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct Frame<'a> {
    pub resource_type: String,
    #[serde(rename = "type")]
    pub bundle_type: Option<String>,
    #[serde(borrow, default)]
    pub entry: Vec<FrameEntry<'a>>,
    // Legal in a Bundle, without meaning in a request: read past.
    #[serde(rename = "id")]
    _id: Option<IgnoredAny>,
    #[serde(rename = "meta")]
    _meta: Option<IgnoredAny>,
    #[serde(rename = "implicitRules")]
    _implicit_rules: Option<IgnoredAny>,
    #[serde(rename = "language")]
    _language: Option<IgnoredAny>,
    #[serde(rename = "identifier")]
    _identifier: Option<IgnoredAny>,
    #[serde(rename = "timestamp")]
    _timestamp: Option<IgnoredAny>,
    #[serde(rename = "total")]
    _total: Option<IgnoredAny>,
    #[serde(rename = "link")]
    _link: Option<IgnoredAny>,
    #[serde(rename = "signature")]
    _signature: Option<IgnoredAny>,
}

/// One entry of a Bundle that came in.
#[derive(Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct FrameEntry<'a> {
    pub full_url: Option<String>,
    #[serde(borrow)]
    pub resource: Option<&'a RawValue>,
    pub request: Option<FrameRequest>,
    #[serde(rename = "response")]
    _response: Option<IgnoredAny>,
    #[serde(rename = "search")]
    _search: Option<IgnoredAny>,
    #[serde(rename = "link")]
    _link: Option<IgnoredAny>,
    #[serde(rename = "id")]
    _id: Option<IgnoredAny>,
    #[serde(rename = "extension")]
    _extension: Option<IgnoredAny>,
}

/// `Bundle.entry.request`
#[derive(Clone, Debug, Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct FrameRequest {
    pub method: Option<String>,
    pub url: Option<String>,
    pub if_none_match: Option<String>,
    pub if_modified_since: Option<String>,
    pub if_match: Option<String>,
    pub if_none_exist: Option<String>,
    #[serde(rename = "id")]
    _id: Option<IgnoredAny>,
    #[serde(rename = "extension")]
    _extension: Option<IgnoredAny>,
}

impl<'a> Frame<'a> {
    /// Reads the frame of a Bundle.
    ///
    /// # Errors
    /// `Invalid`: not JSON, not a Bundle, an unknown or repeated element in the frame.
    pub fn parse(text: &'a [u8]) -> Result<Frame<'a>> {
        let text = super::json::without_byte_order_mark(text);
        let frame: Frame = serde_json::from_slice(text).map_err(|error| {
            Error::coded(
                Category::Invalid,
                "structure",
                format!("the body is not a well-formed Bundle: {error}"),
            )
            .at("Bundle")
        })?;
        if frame.resource_type != "Bundle" {
            return Err(Error::of(
                Category::Invalid,
                vec![
                    Issue::error(
                        "structure",
                        format!("expected a Bundle but found a {}", frame.resource_type),
                    )
                    .at("resourceType"),
                ],
            ));
        }
        Ok(frame)
    }
}

/// How an entry of a searchset came there.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum SearchMode {
    Match,
    Include,
    Outcome,
}

impl SearchMode {
    fn code(self) -> &'static str {
        match self {
            SearchMode::Match => "match",
            SearchMode::Include => "include",
            SearchMode::Outcome => "outcome",
        }
    }
}

/// `Bundle.entry.response`
#[derive(Clone, Debug, Default)]
pub struct Response {
    /// Such as `201 Created`.
    pub status: String,
    pub location: Option<String>,
    pub etag: Option<String>,
    pub last_modified: Option<Instant>,
    /// An OperationOutcome as JSON.
    pub outcome: Option<Bytes>,
}

/// One entry of a Bundle that goes out.
#[derive(Clone, Debug, Default)]
pub struct Entry {
    pub full_url: Option<String>,
    /// A resource as JSON, spliced in as it is.
    pub resource: Option<Bytes>,
    pub search: Option<SearchMode>,
    /// How well a match fits, from 0 to 1: `Bundle.entry.search.score`.
    pub score: Option<f32>,
    /// How far a match is away from what was asked for, in metres.
    pub metres: Option<f64>,
    /// Method and URL.
    pub request: Option<(&'static str, String)>,
    pub response: Option<Response>,
}

/// A Bundle that goes out.
#[derive(Clone, Debug, Default)]
pub struct Outgoing {
    /// `searchset`, `history`, `batch-response`, `transaction-response`.
    pub bundle_type: &'static str,
    pub total: Option<u64>,
    /// Relation and URL, in order.
    pub links: Vec<(&'static str, String)>,
    pub entries: Vec<Entry>,
}

impl Outgoing {
    /// The JSON text. Stored resources are copied, never parsed.
    pub fn to_json(&self) -> Bytes {
        let bodies: usize = self
            .entries
            .iter()
            .map(|entry| entry.resource.as_ref().map_or(0, Bytes::len) + 200)
            .sum();
        let mut out = String::with_capacity(bodies + 500);
        out.push_str("{\"resourceType\":\"Bundle\",\"id\":");
        push_string(&mut out, &uuid::Uuid::new_v4().to_string());
        push_member(&mut out, "type", self.bundle_type);
        if let Some(total) = self.total {
            out.push_str(",\"total\":");
            out.push_str(&total.to_string());
        }
        push_list(&mut out, "link", &self.links, |out, (relation, url)| {
            out.push_str("{\"relation\":");
            push_string(out, relation);
            push_member(out, "url", url);
            out.push('}');
        });
        push_list(&mut out, "entry", &self.entries, push_entry);
        out.push('}');
        Bytes::from(out)
    }
}

/// An empty list is left out: FHIR's JSON has no empty arrays.
fn push_list<T>(out: &mut String, name: &str, items: &[T], push: impl Fn(&mut String, &T)) {
    if items.is_empty() {
        return;
    }
    out.push_str(",\"");
    out.push_str(name);
    out.push_str("\":[");
    for (index, item) in items.iter().enumerate() {
        if index > 0 {
            out.push(',');
        }
        push(out, item);
    }
    out.push(']');
}

fn push_entry(out: &mut String, entry: &Entry) {
    let start = out.len();
    if let Some(url) = &entry.full_url {
        push_member(out, "fullUrl", url);
    }
    if let Some(resource) = &entry.resource {
        push_raw(out, "resource", resource);
    }
    if let Some(mode) = entry.search {
        out.push_str(",\"search\":{\"mode\":");
        push_string(out, mode.code());
        if let Some(score) = entry.score {
            out.push_str(&format!(",\"score\":{score}"));
        }
        if let Some(metres) = entry.metres {
            push_distance(out, metres);
        }
        out.push('}');
    }
    if let Some((method, url)) = &entry.request {
        out.push_str(",\"request\":{\"method\":");
        push_string(out, method);
        push_member(out, "url", url);
        out.push('}');
    }
    if let Some(response) = &entry.response {
        push_response(out, response);
    }
    open_object(out, start);
    out.push('}');
}

/// <http://hl7.org/fhir/StructureDefinition/location-distance>, to the metre.
fn push_distance(out: &mut String, metres: f64) {
    out.push_str(",\"extension\":[{\"url\":");
    push_string(
        out,
        "http://hl7.org/fhir/StructureDefinition/location-distance",
    );
    let value = metres / 1000.0;
    out.push_str(&format!(",\"valueDistance\":{{\"value\":{value:.3}"));
    push_member(out, "unit", "km");
    push_member(out, "system", "http://unitsofmeasure.org");
    push_member(out, "code", "km");
    out.push_str("}}]");
}

fn push_response(out: &mut String, response: &Response) {
    out.push_str(",\"response\":{\"status\":");
    push_string(out, &response.status);
    if let Some(location) = &response.location {
        push_member(out, "location", location);
    }
    if let Some(etag) = &response.etag {
        push_member(out, "etag", etag);
    }
    if let Some(instant) = response.last_modified {
        push_member(out, "lastModified", &instant.to_string());
    }
    if let Some(outcome) = &response.outcome {
        push_raw(out, "outcome", outcome);
    }
    out.push('}');
}

/// Turns the comma before the first member into the opening brace.
fn open_object(out: &mut String, start: usize) {
    if out.len() == start {
        out.push('{');
    } else {
        out.replace_range(start..start + 1, "{");
    }
}

fn push_member(out: &mut String, name: &str, value: &str) {
    out.push_str(",\"");
    out.push_str(name);
    out.push_str("\":");
    push_string(out, value);
}

fn push_raw(out: &mut String, name: &str, json: &Bytes) {
    out.push_str(",\"");
    out.push_str(name);
    out.push_str("\":");
    // Bodies come from the database as text, so this never replaces anything.
    out.push_str(&String::from_utf8_lossy(json));
}

fn push_string(out: &mut String, value: &str) {
    out.push_str(&serde_json::Value::from(value).to_string());
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_frame_keeps_its_resources_raw() {
        let text = br#"{"resourceType":"Bundle","type":"batch","entry":[
            {"fullUrl":"urn:uuid:1","resource":{"resourceType":"Patient", "x":1.00},
             "request":{"method":"POST","url":"Patient","ifNoneExist":"a=b"}}]}"#;
        let frame = Frame::parse(text).expect("a frame");
        let entry = &frame.entry[0];
        assert_eq!(
            entry.resource.expect("a resource").get(),
            r#"{"resourceType":"Patient", "x":1.00}"#
        );
        let request = entry.request.as_ref().expect("a request");
        assert_eq!(request.if_none_exist.as_deref(), Some("a=b"));
    }

    #[test]
    fn a_bad_frame_is_refused() {
        for (text, says) in [
            (r#"{"resourceType":"Patient"}"#, "found a Patient"),
            (
                r#"{"resourceType":"Bundle","entrys":[]}"#,
                "unknown field `entrys`",
            ),
            (
                r#"{"resourceType":"Bundle","type":"a","type":"b"}"#,
                "duplicate field",
            ),
            (r#"[]"#, "not a well-formed Bundle"),
        ] {
            let error = Frame::parse(text.as_bytes()).err().expect(text).to_string();
            assert!(error.contains(says), "{text}: {error}");
        }
    }

    #[test]
    fn bundles_are_spliced() {
        let bundle = Outgoing {
            bundle_type: "searchset",
            total: Some(1),
            links: vec![("self", "http://x/\"".to_owned())],
            entries: vec![
                Entry {
                    full_url: Some("http://x/Patient/1".to_owned()),
                    resource: Some(Bytes::from_static(b"{\"a\":1.00}")),
                    search: Some(SearchMode::Match),
                    score: Some(0.25),
                    metres: Some(1234.5),
                    ..Entry::default()
                },
                Entry::default(),
            ],
        };
        let text = String::from_utf8(bundle.to_json().to_vec()).expect("UTF-8");
        let rest = text.split_once("\"type\"").expect("a type").1;
        assert_eq!(
            rest,
            r#":"searchset","total":1,"link":[{"relation":"self","url":"http://x/\""}],"entry":[{"fullUrl":"http://x/Patient/1","resource":{"a":1.00},"search":{"mode":"match","score":0.25,"extension":[{"url":"http://hl7.org/fhir/StructureDefinition/location-distance","valueDistance":{"value":1.234,"unit":"km","system":"http://unitsofmeasure.org","code":"km"}}]}},{}]}"#
        );
    }
}
