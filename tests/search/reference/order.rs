//! Whether an answer is in the order that was asked for.
//! <https://hl7.org/fhir/R4/search.html#sort>
//!
//! Of several values the first in the direction counts, a period and a range by where they
//! begin; what has no value comes last in both directions. Ties may come in any order.

use super::number::Bound;
use super::range::{ends_of, span_of};
use super::string;
use super::text::normalised;
use super::token;
use super::world::{Subject, World};
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
            _ => {
                let coded = token::codings(element)
                    .into_iter()
                    .filter_map(|(_, code)| code);
                let mut texts: Vec<String> = coded.map(str::to_owned).collect();
                texts.extend(super::pointing::literal(element).map(str::to_owned));
                texts.extend(token::plain_text(&element.value));
                texts.into_iter().map(Key::Text).collect()
            }
        }
    };
    values.iter().flat_map(of_element).collect()
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
