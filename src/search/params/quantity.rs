//! Quantity: a number with a unit. <https://hl7.org/fhir/R4/search.html#quantity>
//!
//! ```text
//! [prefix]number                  any unit
//! [prefix]number|system|code      exactly this unit
//! [prefix]number||code            this code, or this text as human unit, of any system
//! ```
//!
//! Numbers are those of [`number`](super::number). Units are compared as written: UCUM is
//! not canonicalised, `1 g` is not `1000 mg`. Indexed are Quantity and what derives from it
//! (Age, Duration, Count, Distance), Money (system `urn:iso:std:iso:4217`), Range, and of
//! SampledData its limits when it states both. A Ratio is not a quantity.

use super::number::{HIGHEST, LOWEST, compile_test, ends, point};
use super::{Sink, either, escape};
use crate::error::Issue;
use crate::fhirpath::{Item, Node};
use crate::search::index::{QuantityRow, hash};
use crate::search::plan::{Predicate, UnitTest};
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
        if let Some(row) = row(node) {
            sink.rows.quantities.push(QuantityRow { slot, ..row });
        }
    }
}

fn row(node: &Node<'_>) -> Option<QuantityRow> {
    let value = node.value?;
    let text = |name: &str| value.get(name).and_then(Value::as_str);
    match node.node_type.key.as_str() {
        "Money" => {
            let low = point(value.get("value"))?;
            let unit = (Some(CURRENCIES), text("currency"), None);
            Some(with_unit(low.clone(), low, unit))
        }
        "Range" => {
            let (low, high) = ends(value)?;
            let end = value.get("low").or_else(|| value.get("high"))?;
            Some(with_unit(low, high, unit_of(end)))
        }
        "SampledData" => {
            let low = point(value.get("lowerLimit"))?;
            let high = point(value.get("upperLimit"))?;
            Some(with_unit(low, high, unit_of(value.get("origin")?)))
        }
        _ => {
            let number = point(value.get("value"))?;
            let (low, high) = match text("comparator") {
                Some("<" | "<=") => (LOWEST.to_owned(), number),
                Some(">" | ">=") => (number, HIGHEST.to_owned()),
                _ => (number.clone(), number),
            };
            Some(with_unit(low, high, unit_of(value)))
        }
    }
}

/// System, code and human unit.
type Unit<'v> = (Option<&'v str>, Option<&'v str>, Option<&'v str>);

fn unit_of(quantity: &Value) -> Unit<'_> {
    let text = |name: &str| quantity.get(name).and_then(Value::as_str);
    (text("system"), text("code"), text("unit"))
}

fn with_unit(low: String, high: String, (system, code, text): Unit<'_>) -> QuantityRow {
    QuantityRow {
        slot: 0,
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
    let (number, unit) = match parts.as_slice() {
        [number] | [number, "", ""] => (*number, UnitTest::Any),
        [number, "", code] => (*number, UnitTest::CodeOrText(hash(code))),
        [number, system, code] if !code.is_empty() => {
            (*number, UnitTest::Coded(coded(system, code)))
        }
        _ => {
            return Err(Issue::error(
                "value",
                "expected a quantity as `number`, `number|system|code` or `number||code`",
            ));
        }
    };
    let test = compile_test(number)?;
    let rows = parameter.branches.iter().map(|branch| Predicate::Quantity {
        slot: branch.slot.row(),
        test: test.clone(),
        unit,
    });
    Ok(either(rows.collect()))
}
