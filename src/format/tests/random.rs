//! Resources that nobody wrote, made from the definitions, and documents that are broken. The
//! seed decides everything.

use super::{canonical_json, xml_of};
use crate::definitions::{Definitions, Field, TypeInfo};
use crate::fhir::json;
use crate::fhir::xml::Element;
use crate::format::{COMPANION, is_attribute, to_json, to_xml};
use crate::suites::{Dice, is_whole};
use serde_json::{Map, Number, Value};
use std::collections::HashSet;

const TEXTS: &[&str] = &[
    "a",
    " b ",
    "é",
    "😀你好",
    "\"",
    "'",
    "<",
    ">",
    "&",
    "&amp;",
    "]]>",
    "\n",
    "\t",
    "\r",
    "--",
    "\u{A0}",
    "\u{FFFD}",
    "\u{2028}",
    "<!-- -->",
    "{\"x\":[1]}",
    "\\",
    "/",
    "null",
    "x=1;",
];

const NUMBERS: &[&str] = &[
    "0",
    "-1",
    "1.00",
    "1E-22",
    "1e+5",
    "-0.0",
    "123456789012345678901234567890.10",
    "7",
];

const NARRATIVES: &[&str] = &[
    "<div xmlns=\"http://www.w3.org/1999/xhtml\"/>",
    "<div xmlns=\"http://www.w3.org/1999/xhtml\"><p class='x' title=\"a&#10;b\">a &lt; b<br/> &#160;</p>\r\n</div>",
    "<div xmlns='http://www.w3.org/1999/xhtml' xml:lang='en'><![CDATA[<]]><!-- c --></div>",
];

/// A resource of a type.
fn resource(definitions: &Definitions, dice: &mut Dice, name: &str, depth: usize) -> Value {
    let info = definitions.type_info(name).expect("a type of R4");
    let mut members = Map::new();
    members.insert("resourceType".to_owned(), name.into());
    members.extend(object(definitions, dice, &info, depth));
    Value::Object(members)
}

fn object(
    definitions: &Definitions,
    dice: &mut Dice,
    info: &TypeInfo,
    depth: usize,
) -> Map<String, Value> {
    let mut members = Map::new();
    let mut choices = HashSet::new();
    for _ in 0..dice.below(6) {
        let Some((name, field)) = info.fields.get_index(dice.below(info.fields.len())) else {
            continue;
        };
        let is_deep = !field.is_primitive && depth == 0;
        let is_taken = members.contains_key(name) || members.contains_key(&format!("_{name}"));
        if is_deep || is_taken || (field.is_choice && !choices.insert(&field.name)) {
            continue;
        }
        if is_attribute(info, name) {
            members.insert(name.clone(), text(dice).into());
            continue;
        }
        member(definitions, dice, name, field, depth, &mut members);
    }
    members
}

/// An element, and what stands beside its value.
fn member(
    definitions: &Definitions,
    dice: &mut Dice,
    name: &str,
    field: &Field,
    depth: usize,
    members: &mut Map<String, Value>,
) {
    let count = if field.is_array { 1 + dice.below(3) } else { 1 };
    let (mut values, mut companions) = (Vec::new(), Vec::new());
    for _ in 0..count {
        let beside = match field.is_primitive && field.type_code != "xhtml" && depth > 0 {
            true if dice.below(4) == 0 => {
                let info = definitions.type_info(COMPANION).expect("a type of R4");
                object(definitions, dice, &info, depth - 1)
            }
            _ => Map::new(),
        };
        let is_null = !beside.is_empty() && dice.below(2) == 0;
        values.push(match is_null {
            true => Value::Null,
            false => value(definitions, dice, field, depth),
        });
        companions.push(match beside.is_empty() {
            true => Value::Null,
            false => Value::Object(beside),
        });
    }
    for (name, mut items) in [(name.to_owned(), values), (format!("_{name}"), companions)] {
        if items.iter().all(Value::is_null) {
            continue;
        }
        let value = match field.is_array {
            true => Value::Array(items),
            false => items.remove(0),
        };
        members.insert(name, value);
    }
}

fn value(definitions: &Definitions, dice: &mut Dice, field: &Field, depth: usize) -> Value {
    if field.is_resource {
        let all = definitions.resource_types();
        let name = &all[dice.below(all.len())];
        return resource(definitions, dice, name, depth - 1);
    }
    if !field.is_primitive {
        let info = definitions.type_info(&field.type_key).expect("a type");
        return Value::Object(object(definitions, dice, &info, depth - 1));
    }
    match field.type_code.as_str() {
        "boolean" => Value::Bool(dice.below(2) == 0),
        "decimal" | "integer" | "positiveInt" | "unsignedInt" => {
            let spelling = NUMBERS[dice.below(NUMBERS.len())].to_owned();
            Value::Number(Number::from_string_unchecked(spelling))
        }
        "xhtml" => NARRATIVES[dice.below(NARRATIVES.len())].into(),
        _ => text(dice).into(),
    }
}

fn text(dice: &mut Dice) -> String {
    (0..1 + dice.below(4))
        .map(|_| TEXTS[dice.below(TEXTS.len())])
        .collect()
}

/// A resource of a random type, as JSON text.
fn made(definitions: &Definitions, dice: &mut Dice) -> String {
    let all = definitions.resource_types();
    let name = &all[dice.below(all.len())];
    resource(definitions, dice, name, 5).to_string()
}

fn parsed(text: &[u8]) -> Value {
    json::parse(text, json::DEFAULT_DEPTH).expect("JSON")
}

#[test]
fn what_nobody_wrote_comes_back_as_it_was() {
    let definitions = Definitions::r4();
    let count = if is_whole() { 50_000 } else { 2_000 };
    for seed in 0..count {
        let sent = made(&definitions, &mut Dice(seed));
        let xml = xml_of(&sent);
        let back = to_json(&definitions, xml.as_bytes(), json::DEFAULT_DEPTH)
            .unwrap_or_else(|error| panic!("{seed}: {error}\n{sent}\n{xml}"));
        let (sent, back) = (parsed(sent.as_bytes()), parsed(&back));
        assert_eq!(canonical_json(sent), canonical_json(back), "{seed}: {xml}");
    }
}

/// Pieces that break a document.
const PIECES: &[&str] = &[
    "<",
    ">",
    "&",
    "\"",
    "'",
    "/>",
    "</",
    "<!--",
    "-->",
    "<![CDATA[",
    "]]>",
    "<?x?>",
    "<!DOCTYPE a>",
    "&#x0;",
    "&lt;",
    "&x;",
    "=",
    " ",
    "\u{0}",
    "\u{FFFF}",
    "xmlns=\"\"",
    "p:",
    "<a/>",
    "<extension url=\"x\">",
    "value=\"1\"",
    "id=\"1\"",
    "\r\n",
    "é",
    "<div xmlns=\"http://www.w3.org/1999/xhtml\">",
    "<contained>",
    "<Patient>",
];

/// One change to a document, which may cut a character in two.
fn mutated(dice: &mut Dice, document: &mut Vec<u8>) {
    let at = dice.below(document.len());
    let end = (at + dice.below(20)).min(document.len());
    match dice.below(5) {
        0 => {
            document.drain(at..end);
        }
        1 => {
            let copied = document[at..end].to_vec();
            let to = dice.below(document.len());
            document.splice(to..to, copied);
        }
        2 if !document.is_empty() => document[at] = (dice.below(256)) as u8,
        _ => {
            let piece = PIECES[dice.below(PIECES.len())];
            document.splice(at..at, piece.bytes());
        }
    }
}

/// No input may panic, and what is accepted can be given back.
#[test]
fn broken_documents_are_refused_or_mean_something() {
    let definitions = Definitions::r4();
    let count = if is_whole() { 300_000 } else { 10_000 };
    let (mut accepted, mut document) = (0, Vec::new());
    for seed in 0..count {
        let mut dice = Dice(seed);
        if seed % 8 == 0 || document.is_empty() {
            document = xml_of(&made(&definitions, &mut dice)).into_bytes();
        }
        mutated(&mut dice, &mut document);
        let Ok(json) = to_json(&definitions, &document, json::DEFAULT_DEPTH) else {
            continue;
        };
        accepted += 1;
        let shown = String::from_utf8_lossy(&document);
        let xml = to_xml(&definitions, &json, seed % 2 == 0)
            .unwrap_or_else(|error| panic!("{seed}: {error}\n{shown}"));
        Element::parse(xml.as_bytes()).unwrap_or_else(|error| panic!("{seed}: {error}\n{xml}"));
        let Ok(back) = to_json(&definitions, xml.as_bytes(), json::DEFAULT_DEPTH) else {
            continue;
        };
        let (json, back) = (parsed(&json), parsed(&back));
        assert_eq!(
            canonical_json(json),
            canonical_json(back),
            "{seed}: {shown}"
        );
    }
    eprintln!("{accepted} of {count} mutants were accepted");
    assert!(accepted > 0);
}

/// The deepest document that the options allow, on a thread with the stack of a worker.
#[test]
fn the_deepest_document_does_not_exhaust_the_stack() {
    const DEEPEST: usize = 500;
    let definitions = Definitions::r4();
    let nested = |steps: usize| {
        format!(
            "<Patient xmlns=\"http://hl7.org/fhir\">{}<valueCode value=\"x\"/>{}</Patient>",
            "<extension url=\"u\">".repeat(steps),
            "</extension>".repeat(steps)
        )
    };
    // Each extension is an object in an array.
    let deepest = nested(DEEPEST / 2 - 1);
    let json = to_json(&definitions, deepest.as_bytes(), DEEPEST).expect("deep enough");
    assert!(json::parse(&json, DEEPEST).is_ok());
    let xml = to_xml(&definitions, &json, false).expect("a patient");
    assert!(xml.ends_with(&deepest));
    let error = to_json(&definitions, nested(DEEPEST).as_bytes(), DEEPEST);
    assert!(error.is_err());
}
