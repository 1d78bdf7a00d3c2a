//! The official examples, there and back again. `ANDIRON_WRITE_LEDGER` names a file to write
//! the lines that the ledger of the pairs ought to have.

/// The scoreboard of all suites, whose runner is the other test binary.
#[path = "../../../tests/conformance/scoreboard.rs"]
mod scoreboard;

use super::{canonical_json, canonical_xml, json_of, xml_of};
use crate::fhir::json;
use crate::fhir::xml::Element;
use crate::suites::{files, is_whole, unpacked};
use serde_json::Value;
use std::collections::BTreeMap;
use std::path::{Path, PathBuf};

/// Of a whole set, one in so many is looked at where not all are asked for.
const SAMPLE: usize = 8;

/// Those in JSON.
const EXAMPLES: usize = 2906;

/// Where the scoreboard and the ledgers are.
fn conformance(file: &str) -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR"))
        .join("conformance")
        .join(file)
}

/// The example in JSON that is the pair of one in XML.
fn pair_of<'f>(json: &'f BTreeMap<String, PathBuf>, name: &str) -> Option<&'f PathBuf> {
    let base = name.split('(').next().unwrap_or(name);
    json.get(&format!("{}.json", base.trim_end_matches(".xml")))
}

/// What the runs prove between them; the ledger says what differs.
fn section(xml: usize, pairs: usize, differ: usize) -> String {
    format!(
        "## JSON and XML (`r4-examples`)\n\nA run looks at one of {SAMPLE} of each, with \
         `ANDIRON_WHOLE=1` at all. `meta`, labelled differently in the pairs, and the\nspaces of \
         narratives are not compared in the pairs.\n\n\
         | | examples | differ | ledger |\n|---|---:|---:|---|\n\
         | JSON -> XML -> JSON | {EXAMPLES} | 0 | |\n| XML -> JSON -> XML | {xml} | 0 | |\n\
         | XML -> JSON is the pair's JSON | {pairs} | {differ} | [`xml-pairs.tsv`](xml-pairs.tsv) |\n"
    )
}

fn text(path: &Path) -> String {
    std::fs::read_to_string(path).unwrap_or_else(|error| panic!("{}: {error}", path.display()))
}

fn parsed(text: &str) -> Value {
    json::parse(text.as_bytes(), json::DEFAULT_DEPTH).expect("JSON")
}

/// JSON -> XML -> JSON.
#[test]
fn examples_in_json_are_the_same_after_xml() {
    let archive = "suites/r4-examples/r4-4.0.1-examples-json.tar.xz";
    let Some(directory) = unpacked(archive) else {
        return;
    };
    let files = files(directory.path(), "json");
    assert_eq!(files.len(), EXAMPLES);
    let step = if is_whole() { 1 } else { SAMPLE };
    let mut count = 0;
    for (name, path) in files.iter().step_by(step) {
        let sent = text(path);
        let before = parsed(&sent);
        if before.get("resourceType").is_none() {
            continue;
        }
        let after = json_of(&xml_of(&sent)).unwrap_or_else(|error| panic!("{name}: {error}"));
        assert_eq!(
            canonical_json(before),
            canonical_json(parsed(&after)),
            "{name}"
        );
        count += 1;
    }
    eprintln!("{count} examples in JSON came back from XML as they were");
}

/// XML -> JSON -> XML, and the JSON is the pair's.
#[test]
fn examples_in_xml_are_their_pairs_in_json() {
    let archive = "suites/r4-examples/r4-4.0.0-examples-json+xml.tar.xz";
    let Some(directory) = unpacked(archive) else {
        return;
    };
    let xml = files(directory.path(), "xml");
    let json = files(directory.path(), "json");
    let step = if is_whole() { 1 } else { SAMPLE };
    let (mut pairs, mut found) = (0, Vec::new());
    let ledger = include_str!("../../../conformance/xml-pairs.tsv");
    let is_looked_at = |line: &&str| {
        let name = line.split('\t').next().unwrap_or_default();
        xml.keys().step_by(step).any(|key| key == name)
    };
    let expected: Vec<&str> = ledger.lines().filter(is_looked_at).collect();
    for (name, path) in xml.iter().step_by(step) {
        let sent = text(path);
        let made = match json_of(&sent) {
            Ok(made) => made,
            Err(error) => {
                found.push(format!("{name}\t{error}"));
                continue;
            }
        };
        let back = xml_of(&made);
        let tree = |text: &str| canonical_xml(Element::parse(text.as_bytes()).expect(name));
        assert_eq!(tree(&sent), tree(&back), "{name}");
        let Some(pair) = pair_of(&json, name) else {
            continue;
        };
        pairs += 1;
        let (mut ours, mut theirs) = (parsed(&made), parsed(&text(pair)));
        for side in [&mut ours, &mut theirs] {
            if let Some(members) = side.as_object_mut() {
                members.shift_remove("meta");
            }
        }
        let (ours, theirs) = (
            spaceless(canonical_json(ours)),
            spaceless(canonical_json(theirs)),
        );
        if ours != theirs {
            found.push(format!("{name}\t{}", difference("", &ours, &theirs)));
        }
    }
    if let Some(path) = std::env::var_os("ANDIRON_WRITE_LEDGER") {
        std::fs::write(path, found.join("\n") + "\n").expect("writable");
    }
    eprintln!(
        "{} examples in XML, {pairs} pairs, {} in the ledger",
        xml.len(),
        found.len()
    );
    assert_eq!(found, expected);
    let all = xml.keys().filter(|name| pair_of(&json, name).is_some());
    let differ = ledger.lines().filter(|line| !line.starts_with('#'));
    let section = section(xml.len(), all.count(), differ.count());
    scoreboard::check("r4-examples", &section);
}

/// Narratives without their spaces: the XML of the pairs was indented, their JSON was not, and
/// has spaces where the XML has line breaks in attributes.
fn spaceless(value: Value) -> Value {
    match value {
        Value::Object(members) => members
            .into_iter()
            .map(|(name, value)| match (name.as_str(), value) {
                ("div", Value::String(div)) => {
                    let kept: String = div.split_whitespace().collect();
                    (name, kept.replace("&#10;", "").replace("&#13;", "").into())
                }
                (_, value) => (name, spaceless(value)),
            })
            .collect(),
        Value::Array(items) => items.into_iter().map(spaceless).collect(),
        other => other,
    }
}

/// The first place where two values differ.
fn difference(path: &str, left: &Value, right: &Value) -> String {
    match (left, right) {
        (Value::Object(a), Value::Object(b)) => {
            let names = a.keys().chain(b.keys());
            for name in names {
                let (left, right) = (&left[name], &right[name]);
                if left != right {
                    return difference(&format!("{path}/{name}"), left, right);
                }
            }
            path.to_owned()
        }
        (Value::Array(a), Value::Array(b)) if a.len() == b.len() => {
            let mut items = a.iter().zip(b).enumerate();
            match items.find(|(_, (a, b))| a != b) {
                Some((at, (a, b))) => difference(&format!("{path}/{at}"), a, b),
                None => path.to_owned(),
            }
        }
        _ => {
            let short = |value: &Value| value.to_string().chars().take(60).collect::<String>();
            format!("{path}: {} in XML, {} in JSON", short(left), short(right))
        }
    }
}
