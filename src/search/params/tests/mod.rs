//! Both halves of each search type against each other: a resource is indexed, a query is
//! compiled, and a small evaluator in memory says whether they meet. Cases name the rule of
//! <https://hl7.org/fhir/R4/search.html> that decides.

mod composites;
mod equality;
mod near;
mod ordered;
mod registry;
mod units;

use super::{Modifier, compile, escape};
use crate::access::Tenant;
use crate::definitions::{Definitions, TypeKind};
use crate::error::Issue;
use crate::fhir::decimal::Decimal;
use crate::fhir::{Instant, ResourceType};
use crate::fhirpath::infer::{Kind as Given, infer};
use crate::search::index::{IndexRows, QuantityRow, resource_key};
use crate::search::plan::{Lookup, Predicate, RangeTest, StringTest, UnitTest};
use crate::search::registry::{Kind, Registry};
use serde_json::{Value, json};
use std::cmp::Ordering;
use std::collections::{HashMap, HashSet};
use std::sync::LazyLock;
use std::time::Instant as Clock;

const BASE: &str = "http://me/fhir";
const TENANT: Tenant = Tenant::DEFAULT;

static REGISTRY: LazyLock<Registry> =
    LazyLock::new(|| Registry::new(Definitions::r4()).expect("R4 is sound"));

fn resource_type(name: &str) -> ResourceType {
    ResourceType::parse(name).expect("a type of R4")
}

fn type_of(resource: &Value) -> ResourceType {
    resource_type(resource["resourceType"].as_str().expect("a resourceType"))
}

fn index(resource: &Value) -> IndexRows {
    REGISTRY.index(TENANT, type_of(resource), resource, BASE)
}

/// Compiles `code[:modifier]=values` for a type.
fn compiled(of: ResourceType, query: &str) -> Result<Predicate, Issue> {
    let (name, values) = query.split_once('=').expect("a query");
    let (code, modifier) = match name.split_once(':') {
        Some((code, modifier)) => (code, Some(modifier)),
        None => (name, None),
    };
    let parameter = REGISTRY
        .parameter(of, code)
        .unwrap_or_else(|| panic!("{of} has a parameter {code}"));
    let modifier = modifier
        .map(|text| {
            let refused = || Modifier::refusal(parameter.kind, text);
            Modifier::parse(parameter.kind, text).ok_or_else(refused)
        })
        .transpose()?;
    let now = Instant::parse("2026-01-01T00:00:00Z").expect("an instant");
    let alternatives = escape::split(values, ',')
        .into_iter()
        .map(|value| compile(parameter, modifier.as_ref(), value, BASE, now))
        .collect::<Result<Vec<_>, _>>()?;
    Ok(match modifier {
        Some(Modifier::Not) => Predicate::And(alternatives),
        _ => Predicate::Or(alternatives),
    })
}

/// Whether the resource is found by each of the queries, all of which must hold.
fn finds(resource: &Value, query: &str) -> bool {
    let rows = index(resource);
    query.split('&').all(|part| {
        let predicate = compiled(type_of(resource), part)
            .unwrap_or_else(|issue| panic!("{part}: {}", issue.text));
        holds(&predicate, resource, &rows)
    })
}

fn check(resource: &Value, table: &[(&str, bool)]) {
    for (query, expected) in table {
        assert_eq!(finds(resource, query), *expected, "{query} on {resource}");
    }
}

fn holds(predicate: &Predicate, resource: &Value, rows: &IndexRows) -> bool {
    match predicate {
        Predicate::Everything => true,
        Predicate::Nothing => false,
        Predicate::And(parts) => parts.iter().all(|part| holds(part, resource, rows)),
        Predicate::Or(parts) => parts.iter().any(|part| holds(part, resource, rows)),
        Predicate::Not(part) => !holds(part, resource, rows),
        Predicate::Entries(entries) => entries
            .iter()
            .any(|(slot, hash)| rows.entries.contains(&slot.entry(TENANT, *hash))),
        Predicate::Present(bits) => rows.present & bits != 0,
        Predicate::Lookup(lookup) => match &**lookup {
            Lookup::BareId { entries, .. } => {
                holds(&Predicate::Entries(entries.clone()), resource, rows)
            }
            other => panic!("{other:?} needs a database"),
        },
        Predicate::Date { slot, test } => rows
            .dates
            .iter()
            .filter(|row| row.slot == *slot)
            .any(|row| date_passes(test, row.low, row.high)),
        Predicate::String { slot, test } => rows
            .strings
            .iter()
            .filter(|row| row.slot == *slot)
            .any(|row| match test {
                StringTest::StartsWith(text) => {
                    row.whole.as_ref().unwrap_or(&row.value).starts_with(text)
                }
                StringTest::Contains(text) => {
                    row.whole.as_ref().unwrap_or(&row.value).contains(text)
                }
                StringTest::Exactly(text) => row.exact == *text,
                StringTest::EndsWith(text) => {
                    let value = row.whole.as_deref().unwrap_or(&row.value);
                    !row.exact.is_empty() && value.ends_with(text)
                }
                StringTest::Is(text) => {
                    let value = row.whole.as_deref().unwrap_or(&row.value);
                    !row.exact.is_empty() && value == text
                }
            }),
        Predicate::Quantity { slot, test, unit } => rows
            .quantities
            .iter()
            .filter(|row| row.slot == *slot && unit_passes(*unit, row))
            .any(|row| number_passes(test, &row.low, &row.high)),
        Predicate::NumberPair {
            slot,
            first,
            second,
        } => rows
            .quantities
            .iter()
            .filter(|row| row.slot == *slot)
            .any(|row| {
                number_passes(first, &row.low, &row.low)
                    && number_passes(second, &row.high, &row.high)
            }),
        Predicate::Near { slot, circle } => rows
            .quantities
            .iter()
            .filter(|row| row.slot == *slot)
            .any(|row| {
                let degrees = |text: &str| text.parse::<f64>().expect("degrees");
                circle.distance(degrees(&row.low), degrees(&row.high)) <= circle.metres
            }),
        Predicate::Id(ids) => ids.iter().any(|id| resource["id"] == id.as_str()),
        Predicate::LastUpdated(test) => {
            let text = resource["meta"]["lastUpdated"]
                .as_str()
                .expect("an instant");
            let at = Instant::parse(text).expect("an instant");
            match test {
                RangeTest::LowAtLeast(bound) => at >= *bound,
                RangeTest::LowBelow(bound) => at < *bound,
                other => panic!("{other:?} is not told of _lastUpdated"),
            }
        }
        other => panic!("{other} is made by no parameter"),
    }
}

fn date_passes(test: &RangeTest<i64>, low: i64, high: i64) -> bool {
    match test {
        RangeTest::Within(l, h) => low >= *l && high <= *h,
        RangeTest::NotWithin(l, h) => !(low >= *l && high <= *h),
        RangeTest::HighAbove(bound) => high > *bound,
        RangeTest::LowBelow(bound) => low < *bound,
        RangeTest::LowAtLeast(bound) => low >= *bound,
        RangeTest::HighAtMost(bound) => high <= *bound,
        RangeTest::Overlaps(l, h) => low < *h && high > *l,
        other => panic!("{other:?} is not told of dates"),
    }
}

fn unit_passes(unit: UnitTest, row: &QuantityRow) -> bool {
    match unit {
        UnitTest::Any => true,
        UnitTest::Coded(hash) => row.unit == hash,
        UnitTest::CodeOrText(hash) => row.code == hash || row.text == hash,
    }
}

/// Compares as PostgreSQL's `numeric` does.
fn compare(left: &str, right: &str) -> Ordering {
    let rank = |text: &str| match text {
        "-Infinity" => -1,
        "Infinity" => 1,
        _ => 0,
    };
    rank(left)
        .cmp(&rank(right))
        .then_with(|| match (Decimal::parse(left), Decimal::parse(right)) {
            (Some(left), Some(right)) => left.cmp(&right),
            _ => Ordering::Equal,
        })
}

fn number_passes(test: &RangeTest<String>, low: &str, high: &str) -> bool {
    let within = |l: &str, h: &str| compare(low, l).is_ge() && compare(high, h).is_lt();
    match test {
        RangeTest::Within(l, h) => within(l, h),
        RangeTest::NotWithin(l, h) => !within(l, h),
        RangeTest::HighAbove(bound) => compare(high, bound).is_gt(),
        RangeTest::HighAtLeast(bound) => compare(high, bound).is_ge(),
        RangeTest::LowBelow(bound) => compare(low, bound).is_lt(),
        RangeTest::LowAtMost(bound) => compare(low, bound).is_le(),
        RangeTest::LowAtLeast(bound) => compare(low, bound).is_ge(),
        RangeTest::LowAbove(bound) => compare(low, bound).is_gt(),
        RangeTest::HighAtMost(bound) => compare(high, bound).is_le(),
        RangeTest::HighBelow(bound) => compare(high, bound).is_lt(),
        RangeTest::Overlaps(l, h) => compare(low, h).is_le() && compare(high, l).is_ge(),
    }
}

fn patient(more: Value) -> Value {
    let mut patient = json!({"resourceType": "Patient", "id": "p1"});
    for (name, value) in more.as_object().expect("an object") {
        patient[name] = value.clone();
    }
    patient
}

fn observation(more: Value) -> Value {
    let mut observation = json!({"resourceType": "Observation", "id": "o1", "status": "final"});
    for (name, value) in more.as_object().expect("an object") {
        observation[name] = value.clone();
    }
    observation
}
