//! What is in a file, cut into entries of a Bundle.
//! <https://hl7.org/fhir/R4/bundle.html>
//!
//! A transaction stays whole. The entries of a batch stay as they are. Everything else is made
//! into entries: PUT for a resource with an id, which keeps it, POST for one without.

use serde::Deserialize;
use serde_json::value::RawValue;
use std::borrow::Cow;
use std::io::{self, BufRead};

/// Entries sent at once at most, and about how many bytes.
const CHUNK_ENTRIES: usize = 200;
const CHUNK_BYTES: usize = 4 << 20;

/// What kind of file it is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Shape {
    Transaction,
    Batch,
    /// A Bundle of any other type that holds resources.
    Collection,
    Single,
}

/// One entry of a Bundle, as JSON.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Item {
    /// Its place in the file, counted from 0: entry, or line.
    pub index: usize,
    pub entry: String,
}

/// An item, or its place in the file and what is wrong there.
pub type Cut = Result<Item, (usize, String)>;

/// As much of a resource as we need to know what to do with it.
#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
struct Probe<'a> {
    #[serde(borrow)]
    resource_type: Option<Cow<'a, str>>,
    #[serde(borrow)]
    id: Option<Cow<'a, str>>,
    /// A code in a Bundle, something else in other resources.
    #[serde(borrow, rename = "type")]
    kind: Option<&'a RawValue>,
}

#[derive(Deserialize)]
struct Entries<'a> {
    #[serde(borrow, default)]
    entry: Vec<&'a RawValue>,
}

#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
struct HeldEntry<'a> {
    #[serde(borrow)]
    full_url: Option<Cow<'a, str>>,
    #[serde(borrow)]
    resource: Option<&'a RawValue>,
}

/// Finds out what a file of one JSON value holds.
pub fn shape(text: &[u8]) -> Result<Shape, String> {
    let probe = probe(text)?;
    if probe.resource_type.as_deref() != Some("Bundle") {
        return Ok(Shape::Single);
    }
    match probe.kind.map(RawValue::get) {
        Some("\"transaction\"") => Ok(Shape::Transaction),
        Some("\"batch\"") => Ok(Shape::Batch),
        Some("\"history\"") => Err(
            "a history Bundle cannot be loaded: its entries are versions, some of them deletions"
                .to_owned(),
        ),
        Some("\"transaction-response\"" | "\"batch-response\"") => {
            Err("a Bundle of responses cannot be loaded".to_owned())
        }
        // A document or message is a resource too; what integrators want is what it holds.
        Some(_) => Ok(Shape::Collection),
        None => Err("the Bundle has no type".to_owned()),
    }
}

/// Cuts a file that is not a transaction; a bad entry is told with its index.
pub fn cut(text: &[u8], shape: Shape) -> Result<Vec<Cut>, String> {
    let text = crate::fhir::json::without_byte_order_mark(text);
    if shape == Shape::Single {
        let text = std::str::from_utf8(text).map_err(|error| error.to_string())?;
        return Ok(vec![
            make_entry(text, None)
                .map(|entry| Item { index: 0, entry })
                .map_err(|problem| (0, problem)),
        ]);
    }
    let entries: Entries = serde_json::from_slice(text).map_err(|error| error.to_string())?;
    let entries = entries.entry.into_iter().enumerate();
    Ok(entries
        .map(|(index, entry)| {
            let entry = match shape {
                Shape::Batch => Ok(entry.get().to_owned()),
                _ => hold(entry.get()),
            };
            entry
                .map(|entry| Item { index, entry })
                .map_err(|problem| (index, problem))
        })
        .collect())
}

fn hold(entry: &str) -> Result<String, String> {
    let held: HeldEntry = serde_json::from_str(entry).map_err(|error| error.to_string())?;
    match held.resource {
        Some(resource) => make_entry(resource.get(), held.full_url.as_deref()),
        None => Err("the entry has no resource".to_owned()),
    }
}

/// The entry that stores `resource`.
fn make_entry(resource: &str, full_url: Option<&str>) -> Result<String, String> {
    let probe = probe(resource.as_bytes())?;
    let Some(resource_type) = probe.resource_type else {
        return Err("expected a resource but found no resourceType".to_owned());
    };
    let (method, url) = match &probe.id {
        Some(id) => ("PUT", format!("{resource_type}/{id}")),
        None => ("POST", resource_type.into_owned()),
    };
    let text = |value: &str| serde_json::Value::from(value).to_string();
    let full_url = match full_url {
        Some(url) => format!("\"fullUrl\":{},", text(url)),
        None => String::new(),
    };
    Ok(format!(
        "{{{full_url}\"resource\":{resource},\"request\":{{\"method\":\"{method}\",\"url\":{}}}}}",
        text(&url)
    ))
}

fn probe(text: &[u8]) -> Result<Probe<'_>, String> {
    let text = crate::fhir::json::without_byte_order_mark(text);
    serde_json::from_slice(text)
        .map_err(|error| format!("expected a FHIR resource as JSON: {error}"))
}

/// A Bundle of these items.
pub fn bundle(kind: &str, items: &[Item]) -> String {
    let bytes: usize = items.iter().map(|item| item.entry.len() + 1).sum();
    let mut text = String::with_capacity(bytes + 60);
    text.push_str("{\"resourceType\":\"Bundle\",\"type\":\"");
    text.push_str(kind);
    text.push_str("\",\"entry\":[");
    for (n, item) in items.iter().enumerate() {
        if n > 0 {
            text.push(',');
        }
        text.push_str(&item.entry);
    }
    text.push_str("]}");
    text
}

/// Whether a Bundle of these items is large enough to be sent.
pub fn is_full(items: &[Item]) -> bool {
    items.len() >= CHUNK_ENTRIES
        || items.iter().map(|item| item.entry.len()).sum::<usize>() >= CHUNK_BYTES
}

/// The next line that is not blank, as an entry; `None` at the end of the file. `index` is the
/// number of the next line, counted from 0.
pub fn next_line(reader: &mut dyn BufRead, index: &mut usize) -> io::Result<Option<Cut>> {
    let mut line = Vec::new();
    loop {
        line.clear();
        if reader.read_until(b'\n', &mut line)? == 0 {
            return Ok(None);
        }
        let here = *index;
        *index += 1;
        if line.iter().all(u8::is_ascii_whitespace) {
            continue;
        }
        let entry = match std::str::from_utf8(&line) {
            Ok(text) => make_entry(text.trim(), None),
            Err(error) => Err(error.to_string()),
        };
        return Ok(Some(
            entry
                .map(|entry| Item { index: here, entry })
                .map_err(|problem| (here, problem)),
        ));
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn files_are_told_apart() {
        let bundle =
            |kind: &str| format!(r#"{{"resourceType":"Bundle","entry":[{{}}],"type":"{kind}"}}"#);
        for (text, expected) in [
            (bundle("transaction"), Ok(Shape::Transaction)),
            (bundle("batch"), Ok(Shape::Batch)),
            (bundle("searchset"), Ok(Shape::Collection)),
            (bundle("document"), Ok(Shape::Collection)),
            (bundle("history"), Err("history Bundle")),
            (r#"{"resourceType":"Bundle"}"#.to_owned(), Err("no type")),
            (
                "\u{feff}{\"resourceType\":\"Patient\"}".to_owned(),
                Ok(Shape::Single),
            ),
            (
                r#"{"resourceType":"Claim","type":{"text":"x"}}"#.to_owned(),
                Ok(Shape::Single),
            ),
            ("[]".to_owned(), Err("expected a FHIR resource")),
        ] {
            match (shape(text.as_bytes()), expected) {
                (Err(found), Err(says)) => assert!(found.contains(says), "{text}: {found}"),
                (found, expected) => assert_eq!(found.ok(), expected.ok(), "{text}"),
            }
        }
    }

    #[test]
    fn resources_become_entries_untouched() {
        let text = br#"{"resourceType":"Bundle","type":"collection","entry":[
            {"fullUrl":"urn:uuid:1","resource":{"resourceType":"Patient", "id":"a","x":1.00}},
            {"resource":{"resourceType":"List"}}, {"resource":{"id":"b"}}, {}]}"#;
        let items = cut(text, Shape::Collection).expect("cut");
        let entries: Vec<_> = items.iter().filter_map(|item| item.as_ref().ok()).collect();
        assert_eq!(
            entries[0].entry,
            r#"{"fullUrl":"urn:uuid:1","resource":{"resourceType":"Patient", "id":"a","x":1.00},"request":{"method":"PUT","url":"Patient/a"}}"#
        );
        assert_eq!(
            entries[1].entry,
            r#"{"resource":{"resourceType":"List"},"request":{"method":"POST","url":"List"}}"#
        );
        let problems: Vec<_> = items
            .iter()
            .filter_map(|item| item.as_ref().err())
            .collect();
        assert_eq!(
            problems[0],
            &(
                2,
                "expected a resource but found no resourceType".to_owned()
            )
        );
        assert_eq!(problems[1], &(3, "the entry has no resource".to_owned()));
    }

    #[test]
    fn lines_are_counted_with_the_blank_ones() {
        let text = "{\"resourceType\":\"List\"}\r\n\n  \nnonsense\n{\"resourceType\":\"List\",\"id\":\"x\"}";
        let mut reader = io::Cursor::new(text);
        let mut index = 0;
        let mut found = Vec::new();
        while let Some(line) = next_line(&mut reader, &mut index).expect("readable") {
            found.push(match line {
                Ok(item) => (item.index, item.entry.contains("\"request\"")),
                Err((index, _)) => (index, false),
            });
        }
        assert_eq!(found, [(0, true), (3, false), (4, true)]);
    }

    #[test]
    fn entries_of_a_batch_stay_as_they_are() {
        let text = br#"{"resourceType":"Bundle","type":"batch","entry":[{"request":{"method":"DELETE","url":"Patient/1"} }]}"#;
        let items: Vec<Item> = cut(text, Shape::Batch)
            .expect("cut")
            .into_iter()
            .flatten()
            .collect();
        assert_eq!(
            items[0].entry,
            r#"{"request":{"method":"DELETE","url":"Patient/1"} }"#
        );
        let whole = bundle("batch", &items);
        assert_eq!(shape(whole.as_bytes()), Ok(Shape::Batch));
    }
}
