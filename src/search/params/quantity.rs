//! Quantity: a number with a unit. <https://hl7.org/fhir/R4/search.html#quantity>
//!
//! ```text
//! [prefix]number                  any unit
//! [prefix]number|system|code      exactly this unit
//! [prefix]number||code            this code, or this text as human unit, of any system
//! ```
//!
//! Numbers are those of [`number`](super::number). Indexed are Quantity and what derives from
//! it (Age, Duration, Count, Distance), Money (system `urn:iso:std:iso:4217`), Range, and of
//! SampledData its limits when it states both. A Ratio is not a quantity.
//!
//! `system|code` in UCUM finds equal quantities in any unit of its dimension. The row of a
//! value in a [home unit](crate::fhir::ucum) of its dimension has that unit; any other has
//! none, and a second row, converted to the main home unit, in a slot beside. A query asks
//! for its number in each home unit, and for the one converted row: clinical units are
//! nearly all home, so that few values have two rows. Numbers without a unit, units of no
//! system and the order of a sort are of the row as written.
//!
//! | written | row | row beside |
//! |---|---|---|
//! | `95 mg/dL` | 95, `mg/dL` | |
//! | `4 ng/mL` | 4, no unit | 0.0004, `mg/dL` |
//! | `3 tablets` of another system | 3, `system\|code` | |

use super::number::{HIGHEST, LOWEST, compile_test, ends, point};
use super::{Sink, either, escape};
use crate::error::Issue;
use crate::fhir::decimal::Decimal;
use crate::fhir::ucum::{self, Home};
use crate::fhirpath::{Item, Node};
use crate::search::index::{QuantityRow, hash};
use crate::search::plan::{Predicate, RangeTest, UnitTest};
use crate::search::registry::Parameter;
use serde_json::Value;

const CURRENCIES: &str = "urn:iso:std:iso:4217";

/// Puts the rows of the items into the slot.
pub fn extract(items: &[Item<'_>], sink: &mut Sink<'_>) {
    for item in items {
        let Item::Node(node) = item else {
            continue;
        };
        let slot = sink.slot.row();
        if let Some((low, high, unit)) = value(node) {
            let rows = &mut sink.rows.quantities;
            match unit {
                (Some(ucum::SYSTEM), Some(code), _) => {
                    push_ucum(rows, slot, (low, high), unit, code);
                }
                _ => rows.push(with_unit(slot, (low, high), unit)),
            }
        }
    }
}

fn value<'v>(node: &Node<'v>) -> Option<(String, String, Unit<'v>)> {
    let value = node.value?;
    let text = |name: &str| value.get(name).and_then(Value::as_str);
    match node.node_type.key.as_str() {
        "Money" => {
            let low = point(value.get("value"))?;
            let unit = (Some(CURRENCIES), text("currency"), None);
            Some((low.clone(), low, unit))
        }
        "Range" => {
            let (low, high) = ends(value)?;
            let end = value.get("low").or_else(|| value.get("high"))?;
            Some((low, high, unit_of(end)))
        }
        "SampledData" => {
            let low = point(value.get("lowerLimit"))?;
            let high = point(value.get("upperLimit"))?;
            Some((low, high, unit_of(value.get("origin")?)))
        }
        _ => {
            let number = point(value.get("value"))?;
            let (low, high) = match text("comparator") {
                Some("<" | "<=") => (LOWEST.to_owned(), number),
                Some(">" | ">=") => (number, HIGHEST.to_owned()),
                _ => (number.clone(), number),
            };
            Some((low, high, unit_of(value)))
        }
    }
}

/// System, code and human unit.
type Unit<'v> = (Option<&'v str>, Option<&'v str>, Option<&'v str>);

fn unit_of(quantity: &Value) -> Unit<'_> {
    let text = |name: &str| quantity.get(name).and_then(Value::as_str);
    (text("system"), text("code"), text("unit"))
}

fn with_unit(
    slot: i32,
    (low, high): (String, String),
    (system, code, text): Unit<'_>,
) -> QuantityRow {
    QuantityRow {
        slot,
        low,
        high,
        unit: match (system, code) {
            (Some(system), Some(code)) => coded(system, code),
            _ => 0,
        },
        code: code.map_or(0, hash),
        text: text.map_or(0, hash),
    }
}

/// The row of a value in UCUM, and that in the main home unit where it has one.
fn push_ucum(
    rows: &mut Vec<QuantityRow>,
    slot: i32,
    (low, high): (String, String),
    written: Unit<'_>,
    code: &str,
) {
    let row = with_unit(slot, (low.clone(), high.clone()), written);
    let Some(unit) = ucum::parse(code) else {
        rows.push(row);
        return;
    };
    let homes = unit.homes();
    if let Some(home) = homes.iter().find(|home| unit.is(home)) {
        let unit = at_home(home);
        rows.push(QuantityRow { unit, ..row });
        return;
    }
    rows.push(QuantityRow { unit: 0, ..row });
    if let Some(main) = homes.first() {
        let convert = |end: String| match Decimal::parse(&end) {
            Some(number) => unit.convert(&number, main).to_string(),
            // Open.
            None => end,
        };
        rows.push(QuantityRow {
            unit: at_home(main),
            ..QuantityRow::number(beside(slot), convert(low), convert(high))
        });
    }
}

/// The slot of rows that are converted.
fn beside(slot: i32) -> i32 {
    hash(&format!("{slot} in home units")) as i32
}

/// What rows in a home unit have; no `system|code` looks like it.
fn at_home(home: &Home) -> i64 {
    hash(&format!("{} {}", ucum::SYSTEM, home.name))
}

fn coded(system: &str, code: &str) -> i64 {
    hash(&format!("{system}|{code}"))
}

/// The predicate of one value.
///
/// # Errors
/// An unknown prefix, no number, another number of parts.
pub fn compile(parameter: &Parameter, value: &str) -> Result<Predicate, Issue> {
    let parts = escape::split(value, '|')
        .into_iter()
        .map(escape::unescape)
        .collect::<Result<Vec<_>, _>>()?;
    let parts: Vec<&str> = parts.iter().map(String::as_str).collect();
    let (number, unit, ucum) = match parts.as_slice() {
        [number] | [number, "", ""] => (*number, UnitTest::Any, None),
        [number, "", code] => (*number, UnitTest::CodeOrText(hash(code)), None),
        [number, system, code] if !code.is_empty() => {
            let unit = UnitTest::Coded(coded(system, code));
            let is_ucum = *system == ucum::SYSTEM;
            (*number, unit, is_ucum.then(|| ucum::parse(code)).flatten())
        }
        _ => {
            return Err(Issue::error(
                "value",
                "expected a quantity as `number`, `number|system|code` or `number||code`",
            ));
        }
    };
    let test = compile_test(number)?;
    let rows = parameter.branches.iter().flat_map(|branch| {
        let slot = branch.slot.row();
        match &ucum {
            Some(unit) => in_any_home(slot, &test, unit),
            None => vec![Predicate::Quantity {
                slot,
                test: test.map(Decimal::to_string),
                unit,
            }],
        }
    });
    Ok(either(rows.collect()))
}

/// The test in each home unit, and of what is converted to the main one.
fn in_any_home(slot: i32, test: &RangeTest<Decimal>, unit: &ucum::Unit) -> Vec<Predicate> {
    let homes = unit.homes();
    let main = homes.first().map(|main| (beside(slot), main));
    let places = homes.iter().map(|home| (slot, home)).chain(main);
    let rows = places.map(|(slot, home)| Predicate::Quantity {
        slot,
        test: test.map(|bound| match unit.is(home) {
            true => bound.to_string(),
            false => unit.convert(bound, home).to_string(),
        }),
        unit: UnitTest::Coded(at_home(home)),
    });
    rows.collect()
}
