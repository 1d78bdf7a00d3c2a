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
//! A text of any length is found by any length of query: the row of a long one holds its
//! beginning for the index and all of it beside. Rows that begin at a later word hold their
//! beginning only and never what was written, so that a text of many words is not stored
//! once for each, and only the first [`LATER_WORDS`] later words have one.
//! `phonetic` parameters are answered like names. `:text` asks for each of its words
//! anywhere in a value, in any order; R4 leaves open what a server makes of it.

use super::{Modifier, Sink, either, escape};
use crate::error::Issue;
use crate::fhirpath::{Item, Node};
use crate::search::index::{StringRow, string_value};
use crate::search::plan::{Predicate, StringTest};
use crate::search::registry::Parameter;
use serde_json::Value;
use std::sync::LazyLock;
use unicode_normalization::UnicodeNormalization;
use unicode_normalization::char::is_combining_mark;

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

/// How many later words of one name or address begin a row: more than any real one has.
const LATER_WORDS: usize = 50;

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
        "HumanName" => NAME_PARTS
            .iter()
            .for_each(|part| push_part(value.get(part), sink)),
        "Address" => ADDRESS_PARTS
            .iter()
            .for_each(|part| push_part(value.get(part), sink)),
        "CodeableConcept" => {
            push_part(value.get("text"), sink);
            let codings = value.get("coding").and_then(Value::as_array);
            for coding in codings.into_iter().flatten() {
                push_part(coding.get("display"), sink);
            }
        }
        _ => {
            let of_name = node
                .choice
                .is_some_and(|choice| choice.owner == "HumanName");
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
    let normal = normalise(text);
    let row = |from: &str, whole: bool| {
        let value = string_value(from);
        StringRow {
            slot: sink.slot.row(),
            value: value.to_owned(),
            whole: (whole && value.len() < from.len()).then(|| from.to_owned()),
            // Empty for a later word: it is not the beginning, and no text is exactly nothing.
            exact: if whole {
                text.to_owned()
            } else {
                String::new()
            },
        }
    };
    if by_word {
        let words = normal.match_indices(' ').take(LATER_WORDS);
        let later: Vec<StringRow> = words.map(|(at, _)| row(&normal[at + 1..], false)).collect();
        sink.rows.strings.extend(later);
    }
    let first = row(&normal, true);
    sink.rows.strings.push(first);
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
        text.nfkd()
            .filter(|c| !is_combining_mark(*c))
            .for_each(&mut push);
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

/// What [`normalise`] does, as tables for PostgreSQL's `translate(text, from, to)`, which
/// drops what is in `from` beyond the length of `to`.
pub struct Tables {
    /// For texts of ASCII alone.
    pub ascii: (String, String),
    /// For texts in NFKD; thereafter [`Tables::letters`] are replaced.
    pub unicode: (String, String),
    /// Letters that become several.
    pub letters: [(&'static str, &'static str); 3],
    /// For composed text of any kind: beyond ASCII, letters become plain and lower case and
    /// punctuation becomes a space; ASCII does not change, so that JSON stays JSON.
    pub folding: (String, String),
}

/// The tables, made when first asked for.
pub fn tables() -> &'static Tables {
    static TABLES: LazyLock<Tables> = LazyLock::new(|| Tables {
        ascii: table('\x01'..='\x7F'),
        unicode: table(('\x01'..'\u{20000}').chain('\u{E0000}'..'\u{E1000}')),
        letters: LETTERS,
        folding: folding(),
    });
    &TABLES
}

const LETTERS: [(&str, &str); 3] = [("ß", "ss"), ("æ", "ae"), ("œ", "oe")];

/// What is most frequent comes first, since `translate` looks from the beginning.
const FREQUENT: &str = "etaoinsrhldcumfpgwybvkxjqz 0123456789ETAOINSRHLDCUMFPGWYBVKXJQZ";

/// Between the second and the last plane of characters there are ideographs alone, which no
/// table changes.
fn table(characters: impl Iterator<Item = char>) -> (String, String) {
    let (mut from, mut to, mut dropped) = (String::new(), String::new(), String::new());
    let rest = characters.filter(|c| !FREQUENT.contains(*c));
    for c in FREQUENT.chars().chain(rest) {
        if !is_decomposed(c) {
            continue;
        }
        match folded(c) {
            None => dropped.push(c),
            Some(other) if other != c || FREQUENT.contains(c) => {
                from.push(c);
                to.push(other);
            }
            Some(_) => {}
        }
    }
    from.push_str(&dropped);
    (from, to)
}

/// Whether NFKD leaves a character as it is.
fn is_decomposed(c: char) -> bool {
    c.is_ascii() || std::iter::once(c).nfkd().eq([c])
}

/// The one character that [`normalise`] makes of one, the letters that become several apart.
fn folded(c: char) -> Option<char> {
    if is_combining_mark(c) {
        return None;
    }
    if c.is_whitespace() || is_separator(c) {
        return Some(' ');
    }
    if is_punctuation(c) {
        return None;
    }
    let mut plain = String::new();
    push_folded(c, &mut plain);
    let mut characters = plain.chars();
    match (characters.next(), characters.next()) {
        (first, None) => first,
        _ => c.to_lowercase().next(),
    }
}

fn folding() -> (String, String) {
    let (mut from, mut to) = (FREQUENT.to_owned(), FREQUENT.to_owned());
    // The alphabets with cases and accents, and punctuation; what else there is has neither.
    let characters = ('\u{80}'..'\u{3020}').chain('\u{A640}'..'\u{AC00}');
    for c in characters {
        let plain = normalise(&c.to_string());
        let mut letters = plain.chars();
        match (letters.next(), letters.next()) {
            (Some(one), None) if one != c && one.is_alphanumeric() => {
                from.push(c);
                to.push(one);
            }
            (None, _) if !is_combining_mark(c) => {
                from.push(c);
                to.push(' ');
            }
            _ => {}
        }
    }
    (from, to)
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

/// The predicate of one value, with `:exact`, `:contains` or `:text` where given.
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
    if text.is_empty() || modifier != Some(&Modifier::Exact) && normal.is_empty() {
        // Nothing but punctuation: it would be the beginning of everything. Exactly nothing:
        // it would be every later word.
        return Ok(Predicate::Nothing);
    }
    if modifier == Some(&Modifier::Text) {
        let words = normal.split(' ').map(|word| contains(parameter, word));
        return Ok(Predicate::And(words.collect()));
    }
    let branches = parameter.branches.iter().map(|branch| match modifier {
        Some(Modifier::Exact) => in_slot(branch.slot.row(), StringTest::Exactly(text.clone())),
        Some(Modifier::Contains) => {
            in_slot(branch.slot.row(), StringTest::Contains(normal.clone()))
        }
        _ => in_slot(branch.slot.row(), StringTest::StartsWith(normal.clone())),
    });
    Ok(either(branches.collect()))
}

fn contains(parameter: &Parameter, part: &str) -> Predicate {
    let branches = parameter.branches.iter();
    let test = || StringTest::Contains(part.to_owned());
    either(
        branches
            .map(|branch| in_slot(branch.slot.row(), test()))
            .collect(),
    )
}

fn in_slot(slot: i32, test: StringTest) -> Predicate {
    Predicate::String { slot, test }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::access::Tenant;
    use crate::fhir::ResourceType;
    use crate::search::index::{IndexRows, STRING_LENGTH, Slot};
    use std::collections::HashMap;

    fn rows_of(text: &str) -> Vec<StringRow> {
        let mut rows = IndexRows::default();
        let patient = ResourceType::parse("Patient").expect("a type");
        let mut sink = Sink {
            tenant: Tenant(1),
            slot: Slot::new(patient, "Patient.name"),
            marks: &[],
            rows: &mut rows,
        };
        push(text, true, &mut sink);
        rows.normalise();
        rows.strings
    }

    #[test]
    fn only_the_first_row_of_a_name_has_what_was_written() {
        let rows = rows_of("Carreño Quinones");
        let told: Vec<_> = rows.iter().map(|r| (&r.value[..], &r.exact[..])).collect();
        assert_eq!(
            told,
            [("carreno quinones", "Carreño Quinones"), ("quinones", "")]
        );
    }

    #[test]
    fn a_long_name_has_few_and_short_rows() {
        for word in ["a ", "word ", "x"] {
            let text = word.repeat(100_000 / word.len());
            let begun = std::time::Instant::now();
            let rows = rows_of(&text);
            assert!(
                begun.elapsed().as_secs() < 2,
                "{word:?}: {:?}",
                begun.elapsed()
            );
            assert!(rows.len() <= LATER_WORDS + 1, "{word:?}: {}", rows.len());
            let whole = |row: &&StringRow| !row.exact.is_empty();
            assert_eq!(rows.iter().filter(whole).count(), 1);
            let bytes: usize = rows.iter().map(|r| r.value.len() + r.exact.len()).sum();
            assert!(bytes <= text.len() + rows.len() * STRING_LENGTH, "{bytes}");
            // A sort tells the rows of a resource apart by value, what was written and slot.
            let mut ties: Vec<_> = rows.iter().map(|r| (&r.value, &r.exact, r.slot)).collect();
            ties.dedup();
            assert_eq!(ties.len(), rows.len());
        }
    }

    /// A table as PostgreSQL reads it: the first mention counts.
    fn lookup((from, to): &(String, String)) -> HashMap<char, Option<char>> {
        let to = to.chars().map(Some).chain(std::iter::repeat(None));
        let mut map = HashMap::new();
        for (from, to) in from.chars().zip(to) {
            map.entry(from).or_insert(to);
        }
        map
    }

    #[test]
    fn the_tables_do_what_the_normal_form_does() {
        let tables = tables();
        let (ascii, unicode) = (lookup(&tables.ascii), lookup(&tables.unicode));
        let translate = |text: &str, map: &HashMap<char, Option<char>>| -> String {
            let translated = text
                .chars()
                .filter_map(|c| *map.get(&c).unwrap_or(&Some(c)));
            translated.collect()
        };
        for c in '\u{1}'..='\u{10FFFF}' {
            let text = format!("a{c} b");
            let plain = match text.is_ascii() {
                true => translate(&text, &ascii),
                false => {
                    let decomposed: String = text.nfkd().collect();
                    let letters = tables.letters.iter();
                    letters.fold(translate(&decomposed, &unicode), |text, (from, to)| {
                        text.replace(from, to)
                    })
                }
            };
            let words: Vec<&str> = plain.split(' ').filter(|word| !word.is_empty()).collect();
            assert_eq!(words.join(" "), normalise(&text), "{c:?} {:x}", c as u32);
        }
    }

    #[test]
    fn folding_keeps_json_as_it_is() {
        let (from, to) = &tables().folding;
        assert_eq!(from.chars().count(), to.chars().count());
        let changed = from.chars().zip(to.chars()).filter(|(from, to)| from != to);
        for (from, to) in changed {
            let is_word = to.is_alphanumeric() || to == ' ';
            assert!(!from.is_ascii() && is_word, "{from} {to}");
        }
    }

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
}
