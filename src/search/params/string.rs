//! String: text, by default from its beginning, without case and accents.
//! <https://hl7.org/fhir/R4/search.html#string>
//!
//! [`normalise`] makes both sides comparable: compatibility decomposition, no combining
//! marks, lower case, no punctuation (dashes, slashes and underscores become spaces), single spaces.
//!
//! A HumanName gives a row for each family, given, prefix, suffix and text, an Address for
//! each line, city, district, state, postal code, country and text. Of names and addresses
//! each later word also begins a row, so that `Quinones` finds `Carreno Quinones`; other
//! strings are found from their beginning only.
//!
//! The `value` of a row has at most [`LONGEST`] characters, since a B-tree holds no long
//! keys. The rest of a longer text stands in windows of that length, one every
//! [`STRIDE`] characters, in a slot of their own ([`Sink::overflow`]): what is no longer than
//! the stride stands whole in one of them, and a longer query asks for its pieces.
//! `exact` is always the whole text, except in windows, where it is empty.
//! `phonetic` parameters are answered like names.

use super::{Modifier, Sink, either, escape};
use crate::error::Issue;
use crate::fhirpath::{Item, Node};
use crate::search::index::StringRow;
use crate::search::plan::{Predicate, StringTest};
use crate::search::registry::{Branch, Parameter};
use serde_json::Value;
use unicode_normalization::UnicodeNormalization;
use unicode_normalization::char::is_combining_mark;

/// Characters of a row's value.
pub const LONGEST: usize = 200;
/// Characters from the start of one window of a long text to the next.
pub const STRIDE: usize = 100;

const NAME_PARTS: [&str; 5] = ["family", "given", "prefix", "suffix", "text"];
const ADDRESS_PARTS: [&str; 7] = [
    "line",
    "city",
    "district",
    "state",
    "postalCode",
    "country",
    "text",
];

/// Puts the rows of the items into the slot.
pub fn extract(items: &[Item<'_>], sink: &mut Sink<'_>) {
    for item in items {
        match item {
            Item::Node(node) => extract_node(node, sink),
            Item::String(text) => push(text, false, sink),
            _ => {}
        }
    }
}

fn extract_node(node: &Node<'_>, sink: &mut Sink<'_>) {
    let Some(value) = node.value else {
        return;
    };
    match node.node_type.key.as_str() {
        "HumanName" => NAME_PARTS.iter().for_each(|part| push_part(value.get(part), sink)),
        "Address" => ADDRESS_PARTS.iter().for_each(|part| push_part(value.get(part), sink)),
        "CodeableConcept" => {
            push_part(value.get("text"), sink);
            let codings = value.get("coding").and_then(Value::as_array);
            for coding in codings.into_iter().flatten() {
                push_part(coding.get("display"), sink);
            }
        }
        _ => {
            let of_name = node.choice.is_some_and(|choice| choice.owner == "HumanName");
            if let Value::String(text) = value {
                push(text, of_name, sink);
            }
        }
    }
}

fn push_part(part: Option<&Value>, sink: &mut Sink<'_>) {
    match part {
        Some(Value::String(text)) => push(text, true, sink),
        Some(Value::Array(texts)) => {
            for text in texts.iter().filter_map(Value::as_str) {
                push(text, true, sink);
            }
        }
        _ => {}
    }
}

fn push(text: &str, by_word: bool, sink: &mut Sink<'_>) {
    let value = normalise(text);
    let row = |slot, value: &str, exact: &str| StringRow {
        slot,
        value: value.to_owned(),
        exact: exact.to_owned(),
    };
    let slot = sink.slot.row();
    if by_word {
        for (at, _) in value.match_indices(' ') {
            let rest = cut(&value[at + 1..], LONGEST);
            sink.rows.strings.push(row(slot, rest, text));
        }
    }
    for window in windows(&value) {
        sink.rows.strings.push(row(sink.overflow.row(), window, ""));
    }
    sink.rows.strings.push(row(slot, cut(&value, LONGEST), text));
}

/// The first `length` characters.
fn cut(text: &str, length: usize) -> &str {
    text.char_indices().nth(length).map_or(text, |(end, _)| &text[..end])
}

/// The text from its character `start` on.
fn skip(text: &str, start: usize) -> &str {
    text.char_indices().nth(start).map_or("", |(start, _)| &text[start..])
}

/// The windows of a text that is longer than a row; none of a shorter one.
fn windows(text: &str) -> Vec<&str> {
    let mut windows = Vec::new();
    let mut rest = text;
    while rest.len() > LONGEST && rest.chars().nth(LONGEST).is_some() {
        rest = skip(rest, STRIDE);
        windows.push(cut(rest, LONGEST));
    }
    windows
}

/// The form in which texts are compared.
pub fn normalise(text: &str) -> String {
    let mut plain = String::with_capacity(text.len());
    let mut pending_space = false;
    let mut push = |c: char| {
        if c.is_whitespace() || is_separator(c) {
            pending_space = true;
        } else if !is_punctuation(c) {
            if pending_space && !plain.is_empty() {
                plain.push(' ');
            }
            pending_space = false;
            push_folded(c, &mut plain);
        }
    };
    if text.is_ascii() {
        text.chars().for_each(&mut push);
    } else {
        text.nfkd().filter(|c| !is_combining_mark(*c)).for_each(&mut push);
    }
    plain
}

/// Lower case, and plain letters for those that Unicode does not decompose.
fn push_folded(c: char, out: &mut String) {
    for c in c.to_lowercase() {
        match c {
            'ß' => out.push_str("ss"),
            'æ' => out.push_str("ae"),
            'œ' => out.push_str("oe"),
            'ø' => out.push('o'),
            'ł' => out.push('l'),
            'đ' | 'ð' => out.push('d'),
            'ħ' => out.push('h'),
            'ı' => out.push('i'),
            'ς' => out.push('σ'),
            // İ becomes i and a dot above it.
            c if is_combining_mark(c) => {}
            c => out.push(c),
        }
    }
}

fn is_separator(c: char) -> bool {
    matches!(c, '-' | '/' | '_' | '\u{2010}'..='\u{2015}' | '\u{2212}')
}

fn is_punctuation(c: char) -> bool {
    // ASCII, Latin-1, general and CJK punctuation, and control characters. Symbols stay.
    c.is_ascii_punctuation()
        || c.is_control()
        || matches!(c, '¡' | '§' | '«' | '¶' | '·' | '»' | '¿' | '´' | '¨')
        || matches!(c, '\u{2000}'..='\u{206F}' | '\u{3001}'..='\u{3003}' | '\u{3008}'..='\u{3011}')
        || matches!(c, 'ʼ' | 'ʹ' | '\u{FEFF}')
}

/// The predicate of one value, with `:exact` or `:contains` where given.
///
/// # Errors
/// A bad escape.
pub fn compile(
    parameter: &Parameter,
    modifier: Option<&Modifier>,
    value: &str,
) -> Result<Predicate, Issue> {
    let text = escape::unescape(value)?;
    let normal = normalise(&text);
    if modifier != Some(&Modifier::Exact) && normal.is_empty() {
        // Nothing but punctuation: it would be the beginning of everything.
        return Ok(Predicate::Nothing);
    }
    let branches = parameter.branches.iter().map(|branch| match modifier {
        Some(Modifier::Exact) => in_slot(branch.slot.row(), StringTest::Exactly(text.clone())),
        Some(Modifier::Contains) => contains(branch, &normal),
        _ => starts_with(branch, &normal),
    });
    Ok(either(branches.collect()))
}

fn in_slot(slot: i32, test: StringTest) -> Predicate {
    Predicate::String { slot, test }
}

fn starts_with(branch: &Branch, normal: &str) -> Predicate {
    let first = in_slot(
        branch.slot.row(),
        StringTest::StartsWith(cut(normal, LONGEST).to_owned()),
    );
    let pieces = windows(normal).into_iter().map(|window| {
        in_slot(branch.overflow().row(), StringTest::StartsWith(window.to_owned()))
    });
    let mut all: Vec<Predicate> = std::iter::once(first).chain(pieces).collect();
    match all.len() {
        1 => all.swap_remove(0),
        _ => Predicate::And(all),
    }
}

fn contains(branch: &Branch, normal: &str) -> Predicate {
    let anywhere = |piece: &str| {
        let test = StringTest::Contains(piece.to_owned());
        Predicate::Or(vec![
            in_slot(branch.slot.row(), test.clone()),
            in_slot(branch.overflow().row(), test),
        ])
    };
    let mut pieces = Vec::new();
    let mut rest = normal;
    while !rest.is_empty() {
        pieces.push(anywhere(cut(rest, STRIDE)));
        rest = skip(rest, STRIDE);
    }
    match pieces.len() {
        1 => pieces.swap_remove(0),
        _ => Predicate::And(pieces),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn texts_are_normalised() {
        for (text, normal) in [
            ("Kaśka", "kaska"),
            ("  O'Brien,  St. Mary-Anne ", "obrien st mary anne"),
            ("Ångström", "angstrom"),
            ("Straße", "strasse"),
            ("STRASSE", "strasse"),
            ("ΣΊΣΥΦΟΣ", "σισυφοσ"),
            ("Łódź Øre", "lodz ore"),
            ("İstanbul", "istanbul"),
            ("ﬁn ＦＵＬＬ", "fin full"),
            ("王小明", "王小明"),
            ("\u{1F642} ok", "\u{1F642} ok"),
            ("...", ""),
            ("a\u{301}b", "ab"),
            ("tab\tand\nline", "tab and line"),
        ] {
            assert_eq!(normalise(text), normal, "{text}");
        }
    }

    #[test]
    fn long_texts_stand_in_windows() {
        let text: String = ('a'..='z').cycle().take(450).collect();
        let windows = windows(&text);
        assert_eq!(windows.len(), 3);
        for piece in 0..=text.len() - STRIDE {
            let piece = &text[piece..piece + STRIDE];
            let whole = cut(&text, LONGEST).contains(piece);
            assert!(whole || windows.iter().any(|window| window.contains(piece)));
        }
        assert!(super::windows(&text[..LONGEST]).is_empty());
    }
}
