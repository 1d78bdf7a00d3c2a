//! What is lost on the way: nothing. Small cases here, the official examples in `suites`,
//! resources that nobody wrote in `random`.

mod cases;
mod random;
mod suites;

use super::{to_json, to_xml};
use crate::definitions::Definitions;
use crate::fhir::json;
use crate::fhir::xml::{Element, Namespace, Node, XHTML};
use serde_json::{Map, Value};

fn json_of(xml: &str) -> Result<String, String> {
    let made = to_json(&Definitions::r4(), xml.as_bytes(), json::DEFAULT_DEPTH);
    made.map(|json| String::from_utf8(json).expect("JSON is UTF-8"))
        .map_err(|error| error.to_string())
}

fn xml_of(json: &str) -> String {
    to_xml(&Definitions::r4(), json.as_bytes(), false).expect(json)
}

/// JSON without what only its spelling says: the order of members, arrays of nulls.
fn canonical_json(value: Value) -> Value {
    match value {
        Value::Object(members) => {
            let mut members: Vec<(String, Value)> = members
                .into_iter()
                .map(|(name, value)| {
                    let value = match (name.as_str(), value) {
                        ("div", Value::String(div)) => canonical_div(&div).into(),
                        (_, value) => canonical_json(value),
                    };
                    (name, value)
                })
                .filter(|(_, value)| !is_all_null(value))
                .collect();
            members.sort_by(|a, b| a.0.cmp(&b.0));
            Value::Object(Map::from_iter(members))
        }
        Value::Array(items) => items.into_iter().map(canonical_json).collect(),
        other => other,
    }
}

fn is_all_null(value: &Value) -> bool {
    let items = value.as_array();
    items.is_some_and(|items| items.iter().all(Value::is_null))
}

/// A narrative without its spelling; one that is no XML stays as it is.
fn canonical_div(div: &str) -> String {
    match Element::parse(div.trim().as_bytes()) {
        Ok(tree) => {
            let mut tree = tree;
            to_xhtml(&mut tree);
            canonical_xml(tree).to_text()
        }
        Err(_) => div.to_owned(),
    }
}

/// `<div>` without a namespace means the one of XHTML.
fn to_xhtml(element: &mut Element) {
    if element.namespace == Namespace::None {
        element.namespace = Namespace::of(XHTML);
    }
    for child in &mut element.children {
        if let Node::Element(child) = child {
            to_xhtml(child);
        }
    }
}

/// XML without what FHIR does not keep: comments, spaces between elements, the order of
/// attributes, `xsi:schemaLocation`. Inside a narrative only the order of attributes is lost.
fn canonical_xml(element: Element) -> Element {
    let mut element = element;
    let is_narrative = element.namespace == Namespace::Xhtml;
    element
        .attributes
        .retain(|a| is_narrative || a.namespace == Namespace::None);
    element.attributes.sort_by(|a, b| a.name.cmp(&b.name));
    let children = std::mem::take(&mut element.children);
    for child in children {
        match child {
            Node::Element(child) => element.children.push(Node::Element(canonical_xml(child))),
            other if is_narrative => element.children.push(other),
            Node::Text(text) => assert!(text.trim().is_empty(), "{text}"),
            Node::Comment(_) => {}
        }
    }
    element
}
