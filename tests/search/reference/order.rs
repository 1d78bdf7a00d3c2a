//! Whether an answer is in the order that was asked for.
//! <https://hl7.org/fhir/R4/search.html#sort>
//!
//! Of several values the first in the direction counts, a period and a range by where they
//! begin; what has no value comes last in both directions. Ties may come in any order.
//! Tokens, references and uris are compared as the server documents: references with
//! references, else codes, else texts.

use super::number::Bound;
use super::range::{ends_of, span_of};
use super::string;
use super::text::normalised;
use super::token;
use super::world::{Element, Subject, World};
use crate::harness::BASE;
use andiron::definitions::SearchParameterType as Kind;
use std::cmp::Ordering;

/// So many characters of a text are compared: longer beginnings in common are ties.
const SORTED: usize = 200;

#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Key {
    Time(i64),
    Number(Bound),
    Text(String),
}

/// All keys that a resource has for one code.
fn keys(world: &World, name: &str, code: &str) -> Vec<Key> {
    let Some(record) = world.find(name) else {
        return Vec::new();
    };
    let Some(parameter) = world.parameter(&record.kind, code) else {
        return Vec::new();
    };
    let values = world.values(Subject::whole(&record.json), &parameter);
    if let Kind::Token | Kind::Reference | Kind::Uri = parameter.kind {
        return texts(&values);
    }
    let of_element = |element| -> Vec<Key> {
        match parameter.kind {
            Kind::Date => span_of(element)
                .map(|span| Key::Time(span.low))
                .into_iter()
                .collect(),
            Kind::Number | Kind::Quantity => ends_of(element)
                .map(|(low, _)| Key::Number(low))
                .into_iter()
                .collect(),
            Kind::String => {
                let texts = string::texts(element).into_iter();
                texts
                    .map(|(text, _)| Key::Text(normalised(text).chars().take(SORTED).collect()))
                    .collect()
            }
            _ => Vec::new(),
        }
    };
    values.iter().flat_map(of_element).collect()
}

/// The texts of the first of these that there are: references, codes, texts.
fn texts(values: &[Element]) -> Vec<Key> {
    let kinds: [fn(&Element) -> Vec<String>; 3] = [references, codes, words];
    let of_kind = |texts: fn(&Element) -> Vec<String>| -> Vec<Key> {
        let texts = values.iter().flat_map(texts);
        texts
            .map(|text| Key::Text(text.chars().take(SORTED).collect()))
            .collect()
    };
    let all = kinds.into_iter().map(of_kind);
    let mut some = all.filter(|texts| !texts.is_empty());
    some.next().unwrap_or_default()
}

/// What a resource contains has no name of its own.
fn names_contained(element: &Element) -> bool {
    let text = element.text("reference");
    text.is_some_and(|text| text.starts_with('#'))
}

fn references(element: &Element) -> Vec<String> {
    if element.kind != "Reference" || names_contained(element) {
        return Vec::new();
    }
    let text = element.text("reference");
    let own = |text: &str| text.strip_prefix(&format!("{BASE}/")).map(str::to_owned);
    let text = text.map(|text| own(text).unwrap_or_else(|| text.to_owned()));
    text.into_iter().collect()
}

fn codes(element: &Element) -> Vec<String> {
    let found = match element.kind.as_str() {
        "CodeableConcept" | "Coding" | "Identifier" => {
            let codings = token::codings(element).into_iter();
            let codes = codings.filter_map(|(_, code)| code);
            return codes.map(str::to_owned).collect();
        }
        "Reference" if names_contained(element) => None,
        "Reference" => element.value["identifier"]["value"]
            .as_str()
            .map(str::to_owned),
        "Attachment" => element.text("url").map(str::to_owned),
        "ContactPoint" | "string" | "markdown" => None,
        _ => token::plain_text(&element.value),
    };
    found.into_iter().collect()
}

fn words(element: &Element) -> Vec<String> {
    let found = match element.kind.as_str() {
        "CodeableConcept" | "Coding" => token::texts(element),
        "ContactPoint" => element.text("value").into_iter().collect(),
        "string" | "markdown" => element.value.as_str().into_iter().collect(),
        "Reference" if !names_contained(element) => element.text("display").into_iter().collect(),
        _ => Vec::new(),
    };
    found.into_iter().map(str::to_ascii_lowercase).collect()
}

fn compare(world: &World, left: &str, right: &str, sort: &[String]) -> Ordering {
    for item in sort {
        let (code, descending) = match item.strip_prefix('-') {
            Some(code) => (code, true),
            None => (item.as_str(), false),
        };
        let first = |name: &str| {
            let keys = keys(world, name, code).into_iter();
            if descending { keys.max() } else { keys.min() }
        };
        let order = match (first(left), first(right)) {
            (Some(left), Some(right)) if descending => right.cmp(&left),
            (Some(left), Some(right)) => left.cmp(&right),
            (left, right) => right.is_some().cmp(&left.is_some()),
        };
        if order != Ordering::Equal {
            return order;
        }
    }
    Ordering::Equal
}

/// The first two neighbours that stand the wrong way round.
pub fn misplaced(world: &World, names: &[String], sort: &[String]) -> Option<(String, String)> {
    let mut neighbours = names.windows(2);
    let wrong =
        neighbours.find(|pair| compare(world, &pair[0], &pair[1], sort) == Ordering::Greater);
    wrong.map(|pair| (pair[0].clone(), pair[1].clone()))
}
