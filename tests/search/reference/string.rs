//! Strings: from the beginning, whole, or anywhere. <https://hl7.org/fhir/R4/search.html#string>
//!
//! Of names and addresses each later word counts as a beginning too, as the server documents.

use super::text::normalised;
use super::world::Element;
use serde_json::Value;

const NAME: [&str; 5] = ["family", "given", "prefix", "suffix", "text"];
const ADDRESS: [&str; 7] = [
    "line",
    "city",
    "district",
    "state",
    "postalCode",
    "country",
    "text",
];

/// How many later words of one text count, as the server documents.
const LATER_WORDS: usize = 50;

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Mode {
    Begins,
    Exact,
    Contains,
}

/// The texts of an element, and whether their later words count.
pub fn texts(element: &Element) -> Vec<(&str, bool)> {
    let value = &element.value;
    let parts = |names: &[&str]| -> Vec<(&str, bool)> {
        let parts = names.iter().filter_map(|name| value.get(name));
        parts.flat_map(strings).map(|text| (text, true)).collect()
    };
    match element.kind.as_str() {
        "HumanName" => parts(&NAME),
        "Address" => parts(&ADDRESS),
        "CodeableConcept" => {
            let found = super::token::texts(element).into_iter();
            found.map(|text| (text, true)).collect()
        }
        _ => {
            let by_word = element.owner == "HumanName";
            let text = value.as_str().map(|text| (text, by_word));
            text.into_iter().collect()
        }
    }
}

fn strings(value: &Value) -> Vec<&str> {
    match value {
        Value::String(text) => vec![text],
        Value::Array(texts) => texts.iter().filter_map(Value::as_str).collect(),
        _ => Vec::new(),
    }
}

pub fn fits(element: &Element, mode: Mode, asked: &str) -> bool {
    texts(element)
        .into_iter()
        .any(|(text, by_word)| fits_text(text, by_word, mode, asked))
}

fn fits_text(text: &str, by_word: bool, mode: Mode, asked: &str) -> bool {
    if mode == Mode::Exact {
        return text == asked;
    }
    let (text, asked) = (normalised(text), normalised(asked));
    if asked.is_empty() {
        return false;
    }
    let mut later = text.match_indices(' ').take(LATER_WORDS);
    match mode {
        Mode::Contains => text.contains(&asked),
        _ => {
            text.starts_with(&asked)
                || by_word && later.any(|(at, _)| text[at + 1..].starts_with(&asked))
        }
    }
}
