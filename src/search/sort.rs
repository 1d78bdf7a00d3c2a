//! `_sort`: the order of the matches.
//! <https://hl7.org/fhir/R4/search.html#sort>
//!
//! Of several values of a resource the first in the direction counts; a
//! period and a range count by where they begin, in both directions, since that is what the
//! index is ordered by. Resources without a value come last in both directions.
//!
//! Tokens, references and uris have entries, which are hashes and have no order: they are read
//! from the JSON, which is right but not fast. What of them is compared, the first that a
//! resource has:
//!
//! | | of | |
//! |---|---|---|
//! | references | Reference | `Type/id` or a URL, as written but for our own base |
//! | codes | Coding, CodeableConcept, code, boolean, id | the code |
//! | | Identifier, Reference.identifier | the value |
//! | | uri, url, canonical | all of it |
//! | texts | string, ContactPoint | the value, without case |
//! | | CodeableConcept, Coding, Reference | text and display, without case |
//!
//! `near` and `_score` order by what is asked: they need a criterion beside them, which
//! [`complete`] looks for.

use super::branch::Branch;
use super::places::Located;
use super::plan::{Circle, Compared, Place, Predicate, Reading, RowTable, SortBy, SortKey, Words};
use super::registry::{Kind, Parameter};
use super::resolve::{Context, Problem, parameter_of_all};
use super::{registry::Registry, suggest};
use crate::error::Issue;
use crate::fhir::ResourceType;

/// The most keys of an order.
const MOST_KEYS: usize = 8;

/// The order that `value` asks for: its keys in turn.
pub fn resolve(value: &str, context: &Context<'_>) -> Result<Vec<SortKey>, Problem> {
    let mut keys: Vec<SortKey> = Vec::new();
    for text in value.split(',').filter(|text| !text.is_empty()) {
        let key = resolve_key(text, context)?;
        // What was compared before decides nothing more.
        if keys.iter().all(|known| known.by != key.by) {
            keys.push(key);
        }
    }
    if keys.len() > MOST_KEYS {
        return Err(Problem::refused(
            "too-costly",
            format!("_sort={value}: expected at most {MOST_KEYS} keys"),
        ));
    }
    Ok(keys)
}

/// Gives `near` and `_score` what the filters ask for.
///
/// # Errors
/// Nothing is asked for that they could order by.
pub fn complete(sort: &mut [SortKey], filters: &[Predicate]) -> Result<(), Issue> {
    let missing = |key: &str, beside: &str| {
        let text = format!("_sort={key}: expected {beside} beside it, which it orders by");
        Err(Issue::error("not-supported", text))
    };
    for key in sort {
        match &mut key.by {
            SortBy::Distance(circles) => {
                circles.extend(filters.iter().flat_map(circles_of));
                if circles.is_empty() {
                    return missing("near", "the parameter near");
                }
            }
            SortBy::Score(words) => {
                words.extend(filters.iter().flat_map(words_of));
                if words.is_empty() {
                    return missing("_score", "_text or _content");
                }
            }
            _ => {}
        }
    }
    Ok(())
}

/// The words that a filter asks for, each of which makes a match fit better.
pub fn words_of(filter: &Predicate) -> Vec<(Words, String)> {
    match filter {
        Predicate::And(parts) | Predicate::Or(parts) => parts.iter().flat_map(words_of).collect(),
        Predicate::Words { within, query } => vec![(*within, query.clone())],
        _ => Vec::new(),
    }
}

/// The places that a filter asks for, and the slots of the positions.
pub fn circles_of(filter: &Predicate) -> Vec<(i32, Circle)> {
    match filter {
        Predicate::And(parts) | Predicate::Or(parts) => parts.iter().flat_map(circles_of).collect(),
        Predicate::Near { slot, circle } => vec![(*slot, *circle)],
        _ => Vec::new(),
    }
}

fn resolve_key(text: &str, context: &Context<'_>) -> Result<SortKey, Problem> {
    let (descending, code) = match text.strip_prefix('-') {
        Some(code) => (true, code),
        None => (false, text),
    };
    let by = match code {
        "_lastUpdated" => SortBy::LastUpdated,
        "_id" => SortBy::Id,
        "_score" => SortBy::Score(Vec::new()),
        _ => by_parameter(code, context)?,
    };
    Ok(SortKey { by, descending })
}

fn by_parameter(code: &str, context: &Context<'_>) -> Result<SortBy, Problem> {
    let Context {
        registry, types, ..
    } = context;
    let parameters =
        parameter_of_all(registry, types, code).ok_or_else(|| unknown(code, types, registry))?;
    if let Some(unsupported) = parameters.iter().find(|one| one.branches.is_empty()) {
        return Err(unsortable(code, unsupported));
    }
    let Some(first) = parameters.first() else {
        return Err(unknown(code, types, registry));
    };
    if let Some(table) = RowTable::of(first.kind) {
        return Ok(by_rows(table, &parameters));
    }
    let by_text = match first.kind {
        Kind::Special if code == "near" => Some(SortBy::Distance(Vec::new())),
        Kind::Token | Kind::Reference | Kind::Uri => by_text(&parameters, context.base),
        _ => None,
    };
    by_text.ok_or_else(|| unsortable(code, first))
}

fn by_rows(table: RowTable, parameters: &[&Parameter]) -> SortBy {
    let branches = parameters.iter().flat_map(|parameter| &parameter.branches);
    let mut slots: Vec<i32> = branches.map(|branch| branch.slot.row()).collect();
    slots.sort_unstable();
    slots.dedup();
    let single = match parameters {
        [one] => matches!(one.branches.as_slice(), [branch] if branch.is_one_element()),
        _ => false,
    };
    SortBy::Rows {
        table,
        slots,
        single,
    }
}

/// By what stands in the JSON; nothing where an expression is more than a path, unless it
/// computes what is true.
fn by_text(parameters: &[&Parameter], base: &str) -> Option<SortBy> {
    let branches = || parameters.iter().flat_map(|parameter| &parameter.branches);
    if branches().all(Branch::computes_truth) {
        return Some(SortBy::Boolean(branches().map(|one| one.slot).collect()));
    }
    let [mut references, mut codes, mut texts] = [const { Vec::new() }; 3];
    for parameter in parameters {
        for branch in &parameter.branches {
            for located in branch.places()? {
                let mut add = |level: Level, place: Place| {
                    let list = match level {
                        Level::Reference => &mut references,
                        Level::Code => &mut codes,
                        Level::Text => &mut texts,
                    };
                    let one = (parameter.resource_type, place);
                    if !list.contains(&one) {
                        list.push(one);
                    }
                };
                read(&located, branch, &mut add);
            }
        }
    }
    let levels = [
        (references, Compared::Relative(format!("{base}/"))),
        (codes, Compared::AsWritten),
        (texts, Compared::WithoutCase),
    ];
    let used = levels.into_iter().filter(|(places, _)| !places.is_empty());
    let readings = used.map(|(places, compared)| Reading {
        places: by_place(places, parameters.len()),
        compared,
    });
    let readings: Vec<Reading> = readings.collect();
    (!readings.is_empty()).then_some(SortBy::Json(readings))
}

/// Says of which types a place is, unless all of so many have it.
fn by_place(places: Vec<(ResourceType, Place)>, types: usize) -> Vec<(Vec<ResourceType>, Place)> {
    let mut told: Vec<(Vec<ResourceType>, Place)> = Vec::new();
    for (kind, place) in places {
        match told.iter_mut().find(|(_, known)| *known == place) {
            Some((kinds, _)) => kinds.push(kind),
            None => told.push((vec![kind], place)),
        }
    }
    for (kinds, _) in &mut told {
        if kinds.len() == types {
            kinds.clear();
        }
    }
    told
}

/// What is compared with its like only.
#[derive(Clone, Copy)]
enum Level {
    Reference,
    Code,
    Text,
}

fn read(located: &Located<'_>, branch: &Branch, add: &mut impl FnMut(Level, Place)) {
    let mut at = |level, path: &str| add(level, located.at(path));
    match located.node_type.key.as_str() {
        "CodeableConcept" => {
            at(Level::Code, ".coding.code");
            at(Level::Text, ".text");
            at(Level::Text, ".coding.display");
        }
        "Coding" => {
            at(Level::Code, ".code");
            at(Level::Text, ".display");
        }
        "Identifier" => at(Level::Code, ".value"),
        "ContactPoint" => at(Level::Text, ".value"),
        "string" | "markdown" => at(Level::Text, ""),
        "Attachment" => at(Level::Code, ".url"),
        "Reference" => {
            let those = references(branch.only);
            at(Level::Reference, &format!("{those}.reference"));
            at(Level::Code, &format!("{those}.identifier.value"));
            at(Level::Text, &format!("{those}.display"));
        }
        _ => at(Level::Code, ""),
    }
}

/// The references that count: what a resource contains has no name of its own, and some
/// parameters are of one type only, which the text of a reference tells or else its `type`.
fn references(only: Option<ResourceType>) -> String {
    match only {
        None => "[*] ? (!(@.reference starts with \"#\"))".to_owned(),
        Some(only) => format!(
            "[*] ? (@.reference like_regex \"(^|/){only}/[^/]+(/_history/[^/]*)?$\" \
             || @.type == \"{only}\" && !(@.reference like_regex \"^#|/\"))"
        ),
    }
}

fn unsortable(code: &str, parameter: &Parameter) -> Problem {
    Problem::not_supported(format!(
        "_sort={code}: expected _id, _lastUpdated, _score, near, or a parameter whose values have \
         an order, but found one of type {}",
        parameter.kind.as_str()
    ))
}

fn unknown(code: &str, types: &[ResourceType], registry: &Registry) -> Problem {
    let sortable = |one: &&Parameter| {
        let kind = one.kind;
        let by_text = matches!(kind, Kind::Token | Kind::Reference | Kind::Uri);
        !one.branches.is_empty() && (by_text || RowTable::of(kind).is_some())
    };
    let known = || {
        let first = types.first().copied();
        first
            .into_iter()
            .flat_map(|kind| registry.parameters(kind))
            .filter(sortable)
            .map(|parameter| parameter.code.as_str())
            .chain(["_id", "_lastUpdated", "_score"])
    };
    let mut supported: Vec<&str> = known().collect();
    supported.sort_unstable();
    supported.dedup();
    Problem::unknown(format!(
        "_sort={code}: expected a sort key but found {code:?}.{} Supported: {}",
        suggest::hint(code, known()),
        supported.join(", ")
    ))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_place_that_not_all_types_have_is_theirs_alone() {
        let kind = |name| ResourceType::parse(name).expect("a type");
        let (one, other) = (kind("Condition"), kind("Procedure"));
        let place = |element: &str| Place {
            element: element.to_owned(),
            path: "$".to_owned(),
        };
        let given = vec![
            (one, place("code")),
            (one, place("type")),
            (other, place("code")),
        ];
        let everyone = (Vec::new(), place("code"));
        assert_eq!(by_place(given, 2), [everyone, (vec![one], place("type"))]);
    }
}
