//! How much one query may ask: bounds that hold wherever it comes from, a URL, a form or an
//! entry of a Bundle. <https://hl7.org/fhir/R4/search.html#errors>
//!
//! What is refused here would be answered only after much work, or by no statement at all,
//! since PostgreSQL takes 65,535 binds. How long a statement may run is not decided here.

use super::contained::within;
use super::parse::{self, Item};
use super::plan::{ElementTest, Predicate};
use crate::error::{Category, Error, Issue, Result};

/// Names and values in one query.
pub const MAX_PARAMETERS: usize = 1000;
/// Values in one query, those between commas counted each: lists of some thousand ids.
pub const MAX_VALUES: usize = 5000;
/// Values times the types that each is looked up for: a thousand in a search of all types.
pub const MAX_TYPED_VALUES: usize = 150_000;
/// Steps of chains and `_has` in one query, those to several types counted each.
pub const MAX_STEPS: usize = 100;
/// Problems that are told one by one.
pub const MAX_ISSUES: usize = 50;
/// Binds of one statement; PostgreSQL's own limit leaves room for the order and the page.
const MAX_BINDS: usize = 60_000;

/// Refuses more parameters or values than one query may have.
///
/// # Errors
/// `TooCostly`, naming `search-parameters` or `search-values`.
pub fn check(pairs: &[(String, String)]) -> Result<()> {
    if pairs.len() > MAX_PARAMETERS {
        return Err(too_costly(format!(
            "the query has {} parameters, more than the limit `search-parameters` of \
             {MAX_PARAMETERS}",
            pairs.len()
        )));
    }
    let values: usize = pairs.iter().map(count_asked).sum();
    match values > MAX_VALUES {
        false => Ok(()),
        true => Err(too_costly(format!(
            "the query has {values} values, more than the limit `search-values` of {MAX_VALUES}; \
             ask for them in several searches"
        ))),
    }
}

/// Refuses more values than can be looked up for this many types.
///
/// # Errors
/// `TooCostly`, naming `search-values`.
pub fn check_typed(pairs: &[(String, String)], types: usize) -> Result<()> {
    let is_filter = |(name, value): &&(String, String)| {
        name != "_type" && matches!(parse::parse(name, value), Item::Filter(_))
    };
    let filters = pairs.iter().filter(is_filter);
    let values: usize = filters.map(count_asked).sum();
    match values.saturating_mul(types) > MAX_TYPED_VALUES {
        false => Ok(()),
        true => Err(too_costly(format!(
            "the query has {values} values for {types} types each, more than the limit \
             `search-values` of {} for so many; name fewer types",
            MAX_TYPED_VALUES / types.max(1)
        ))),
    }
}

/// Refuses a filter that needs more binds than a statement can have, or more joins than
/// should be planned.
///
/// # Errors
/// `TooCostly`, naming `search-values` or `search-steps`.
pub fn check_filter(filter: &Predicate) -> Result<()> {
    let steps = steps(filter);
    if steps > MAX_STEPS {
        return Err(too_costly(format!(
            "the chains of the query take {steps} steps together, those to several types counted \
             each, more than the limit `search-steps` of {MAX_STEPS}; name a type in each step, as \
             in subject:Patient.name, or ask in several searches"
        )));
    }
    match most_binds(filter) > MAX_BINDS {
        false => Ok(()),
        true => Err(too_costly(
            "the query has more values for its types and parameters together than the limit \
             `search-values` allows; name fewer types or values"
                .to_owned(),
        )),
    }
}

/// The first problems, and how many more there are.
pub fn shorten(mut issues: Vec<Issue>) -> Vec<Issue> {
    let more = issues.len().saturating_sub(MAX_ISSUES);
    if more > 0 {
        issues.truncate(MAX_ISSUES);
        issues.push(Issue::error("too-costly", format!("and {more} more")));
    }
    issues
}

/// The values of a pair; a `_filter` has one in three words.
fn count_asked((name, value): &(String, String)) -> usize {
    match name.ends_with("_filter") {
        true => 1 + value.split_whitespace().count() / 3,
        false => count_values(value),
    }
}

/// The alternatives between commas that no backslash escapes, without splitting them.
fn count_values(value: &str) -> usize {
    let (mut count, mut escaped) = (1, false);
    for byte in value.bytes() {
        count += usize::from(byte == b',' && !escaped);
        escaped = byte == b'\\' && !escaped;
    }
    count
}

fn steps(filter: &Predicate) -> usize {
    match filter {
        Predicate::And(parts) | Predicate::Or(parts) => parts.iter().map(steps).sum(),
        Predicate::Not(part) => steps(part),
        Predicate::Refers { filter, .. } | Predicate::Referred { filter, .. } => 1 + steps(filter),
        Predicate::Lookup(lookup) => lookup.filter().map_or(0, |filter| 1 + steps(filter)),
        _ => 0,
    }
}

/// As many binds as the conditions of this filter can have, or a few more.
fn most_binds(filter: &Predicate) -> usize {
    match filter {
        Predicate::Everything | Predicate::Nothing => 0,
        Predicate::And(parts) | Predicate::Or(parts) => parts.iter().map(most_binds).sum(),
        Predicate::Not(part) => most_binds(part),
        Predicate::Entries(_) | Predicate::EveryEntry(_) | Predicate::Present(_) => 1,
        Predicate::Type(_) | Predicate::Keys(_) => 1,
        // The tables of the normal form, or a list, beside two for each place.
        Predicate::Json { places, .. } => 12 + 2 * places.len(),
        Predicate::Element(tests) => tests.iter().map(|(_, test)| 2 + element_binds(test)).sum(),
        Predicate::Words { .. } => 8,
        Predicate::Lookup(lookup) => 2 + lookup.filter().map_or(0, most_binds),
        Predicate::Id(_) | Predicate::LastUpdated(_) => 3,
        Predicate::Referred { filter, .. } => 3 + most_binds(filter),
        // Asked of resources and of contained ones.
        Predicate::Refers { filter, .. } => 5 + most_binds(filter) + most_binds(&within(filter)),
        Predicate::Date { .. }
        | Predicate::String { .. }
        | Predicate::Quantity { .. }
        | Predicate::NumberPair { .. } => 7,
        Predicate::Near { .. } => 9,
    }
}

fn element_binds(test: &ElementTest) -> usize {
    match test {
        ElementTest::And(parts) | ElementTest::Or(parts) => parts.iter().map(element_binds).sum(),
        ElementTest::Not(part) => element_binds(part),
        ElementTest::There(_) => 1,
        ElementTest::Text { .. } => 13,
        ElementTest::Element(_, part) => 1 + element_binds(part),
    }
}

fn too_costly(text: String) -> Error {
    Error::new(Category::TooCostly, text)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::definitions::Definitions;
    use crate::fhir::{Instant, ResourceType};
    use crate::search::registry::Registry;
    use crate::search::{Handling, Limits, Query, Request, Scope, compile};

    fn answer(path: &str, pairs: Vec<(String, String)>, handling: Handling) -> Result<Query> {
        let registry = Registry::new(Definitions::r4()).expect("the registry of R4 compiles");
        let request = Request {
            scope: ResourceType::parse(path).map_or(Scope::System, Scope::Type),
            pairs,
            handling,
        };
        let now = Instant::from_milliseconds(0);
        compile(&registry, &request, "http://me", &Limits::default(), now)
    }

    fn list(name: &str, values: usize) -> (String, String) {
        let values: Vec<String> = (0..values).map(|n| format!("v{n}")).collect();
        (name.to_owned(), values.join(","))
    }

    fn pair(name: &str, value: &str) -> (String, String) {
        (name.to_owned(), value.to_owned())
    }

    #[test]
    fn values_are_counted_as_they_are_split() {
        for (value, count) in [
            ("", 1),
            ("a", 1),
            ("a,b,", 3),
            ("a\\,b,c", 2),
            ("a\\\\,b", 2),
        ] {
            assert_eq!(count_values(value), count, "{value}");
        }
    }

    #[test]
    fn a_query_may_ask_much_but_not_everything() {
        let of_types = pair("_type", "Patient,Practitioner,Person,RelatedPerson");
        for (path, pairs, limit) in [
            ("Patient", vec![list("_id", 5000)], None),
            ("Patient", vec![list("name", 4000)], None),
            ("Patient", vec![list("_id", 5001)], Some("search-values")),
            (
                "Patient",
                vec![list("_id", 2501), list("name", 2500)],
                Some("search-values"),
            ),
            ("Patient", vec![pair("name", "a"); 1000], None),
            (
                "Patient",
                vec![pair("name", "a"); 1001],
                Some("search-parameters"),
            ),
            ("", vec![list("_id", 1000)], None),
            ("", vec![list("_tag", 1000)], None),
            ("", vec![list("_tag:not", 1000)], None),
            ("", vec![list("_id", 1100)], Some("search-values")),
            ("", vec![list("_tag", 1100)], Some("search-values")),
            ("", vec![of_types.clone(), list("name", 1000)], None),
            (
                "",
                vec![pair("_filter", &vec!["_id eq a"; 1100].join(" or "))],
                Some("search-values"),
            ),
            (
                "Observation",
                vec![pair("patient.name", "a"); 101],
                Some("search-steps"),
            ),
            // A step is asked of contained resources, too.
            ("Observation", vec![list("patient.gender", 5000)], None),
            ("Observation", vec![list("patient.name", 4000)], None),
            (
                "MedicationRequest",
                vec![list("medication.code:text", 2500)],
                Some("search-values"),
            ),
            // Rows of each type: more binds than a statement can have.
            (
                "",
                vec![of_types, list("name", 4000)],
                Some("search-values"),
            ),
        ] {
            let name = format!("{path}?{}={:.20}", pairs[0].0, pairs[0].1);
            match (answer(path, pairs, Handling::Strict), limit) {
                (Ok(_), None) => {}
                (Err(error), Some(limit)) => {
                    assert_eq!(error.category, Category::TooCostly, "{name}");
                    assert!(error.to_string().contains(limit), "{name}: {error}");
                }
                (Ok(_), Some(limit)) => panic!("{name} is within {limit}"),
                (Err(error), None) => panic!("{name}: {error}"),
            }
        }
    }

    #[test]
    fn many_problems_are_told_in_part() {
        let unknown: Vec<_> = (0..120).map(|n| pair(&format!("x{n}"), "1")).collect();
        let strict = answer("Patient", unknown.clone(), Handling::Strict).expect_err("unknown");
        assert_eq!(strict.issues.len(), MAX_ISSUES + 1);
        assert!(strict.to_string().contains("and 70 more"), "{strict}");
        let lenient = answer("Patient", unknown, Handling::Lenient).expect("ignored");
        assert_eq!(lenient.issues.len(), MAX_ISSUES + 1);
        let said = &lenient.issues[MAX_ISSUES];
        assert!(said.text.contains("and 70 more") && !said.is_error());
        let types = list("_type", 1000);
        let refused = answer("", vec![types], Handling::Strict).expect_err("no types");
        assert!(refused.issues.len() <= MAX_ISSUES + 2);
        assert!(refused.to_string().contains("and 950 more"), "{refused}");
    }
}
