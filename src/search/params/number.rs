//! Number: exact decimals with implicit precision.
//! <https://hl7.org/fhir/R4/search.html#number>
//!
//! | value | stands for |
//! |---|---|
//! | `100` | [99.5, 100.5) |
//! | `100.00` | [99.995, 100.005) |
//! | `1e2` | [50, 150): one significant digit |
//! | `-5` | [-5.5, -4.5) |
//!
//! R4's own text says [95, 105) of `1e2`; R5 corrected it, and so do we. The range matters
//! to `eq`, `ne` and `ap`; the other prefixes compare with exactly the number written.
//! `ap` allows a tenth of the number on either side, or its range where that is wider.
//!
//! Rows are closed ranges, nearly always one point. A Quantity `<5` is (-∞, 5] here, so
//! that `ge5` finds it: half a row too much rather than a column for open ends.

use super::{Prefix, Sink, either, escape};
use crate::error::Issue;
use crate::fhir::decimal::Decimal;
use crate::fhirpath::{Item, Node};
use crate::search::index::QuantityRow;
use crate::search::plan::{Predicate, RangeTest, UnitTest};
use crate::search::registry::Parameter;
use serde_json::Value;

/// Below every number.
pub const LOWEST: &str = "-Infinity";
/// Above every number.
pub const HIGHEST: &str = "Infinity";

/// Puts the rows of the items into the slot.
pub fn extract(items: &[Item<'_>], sink: &mut Sink<'_>) {
    for item in items {
        let Item::Node(node) = item else {
            continue;
        };
        if let Some((low, high)) = range(node) {
            let row = QuantityRow::number(sink.slot.row(), low, high);
            sink.rows.quantities.push(row);
        }
    }
}

/// Each number of `first` with each of `second`: a row of two numbers.
pub fn pairs(first: &[Item<'_>], second: &[Item<'_>]) -> Vec<(String, String)> {
    let points = |items: &[Item<'_>]| -> Vec<String> {
        let nodes = items.iter().filter_map(|item| match item {
            Item::Node(node) => point(node.value),
            _ => None,
        });
        nodes.collect()
    };
    let (first, second) = (points(first), points(second));
    let with_each = |low: &String| -> Vec<(String, String)> {
        let all = second.iter();
        all.map(|high| (low.clone(), high.clone())).collect()
    };
    first.iter().flat_map(with_each).collect()
}

fn range(node: &Node<'_>) -> Option<(String, String)> {
    match node.value? {
        number @ Value::Number(_) => point(Some(number)).map(|text| (text.clone(), text)),
        // A Range, or a Quantity.
        object @ Value::Object(_) => match object.get("value") {
            Some(value) => point(Some(value)).map(|text| (text.clone(), text)),
            None => ends(object),
        },
        _ => None,
    }
}

/// Low and high end of a Range; an absent end is open. `None` where both are absent.
pub fn ends(range: &Value) -> Option<(String, String)> {
    let end = |name: &str| point(range.get(name)?.get("value"));
    match (end("low"), end("high")) {
        (None, None) => None,
        (low, high) => Some((
            low.unwrap_or_else(|| LOWEST.to_owned()),
            high.unwrap_or_else(|| HIGHEST.to_owned()),
        )),
    }
}

/// The shortest text of a JSON number, so that equal numbers are equal rows.
pub fn point(value: Option<&Value>) -> Option<String> {
    match value? {
        Value::Number(number) => Decimal::parse(number.as_str()).map(|decimal| decimal.to_string()),
        _ => None,
    }
}

/// The predicate of one value.
///
/// # Errors
/// An unknown prefix, no number.
pub fn compile(parameter: &Parameter, value: &str) -> Result<Predicate, Issue> {
    let test = compile_test(&escape::unescape(value)?)?.map(Decimal::to_string);
    let rows = parameter.branches.iter().map(|branch| Predicate::Quantity {
        slot: branch.slot.row(),
        test: test.clone(),
        unit: UnitTest::Any,
    });
    Ok(either(rows.collect()))
}

/// The comparison that a prefix and a number ask for.
///
/// # Errors
/// An unknown prefix, no number.
pub fn compile_test(text: &str) -> Result<RangeTest<Decimal>, Issue> {
    let (prefix, literal) = Prefix::split(text)?;
    let number = Decimal::parse(literal)
        .ok_or_else(|| Issue::error("value", format!("expected a number but found `{literal}`")))?;
    let half = number.half_unit();
    let between = |margin: &Decimal| (number.minus(margin), number.plus(margin));
    Ok(match prefix {
        Prefix::Eq => {
            let (low, high) = between(&half);
            RangeTest::Within(low, high)
        }
        Prefix::Ne => {
            let (low, high) = between(&half);
            RangeTest::NotWithin(low, high)
        }
        Prefix::Ap => {
            let (low, high) = between(&number.tenth().max(half));
            RangeTest::Overlaps(low, high)
        }
        Prefix::Gt => RangeTest::HighAbove(number),
        Prefix::Lt => RangeTest::LowBelow(number),
        Prefix::Ge => RangeTest::HighAtLeast(number),
        Prefix::Le => RangeTest::LowAtMost(number),
        Prefix::Sa => RangeTest::LowAbove(number),
        Prefix::Eb => RangeTest::HighBelow(number),
    })
}
