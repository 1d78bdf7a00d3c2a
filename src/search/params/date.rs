//! Date: ranges of time. <https://hl7.org/fhir/R4/search.html#date>
//!
//! Both the value of a resource R and that of a query P are half-open ranges [`Span`]; a
//! missing end of a Period is open, a Timing is its outer limits, an `instant` is a point.
//!
//! | prefix | R matches when |
//! |---|---|
//! | `eq` | P contains R |
//! | `ne` | P does not contain R |
//! | `gt` | some of R is after the end of P |
//! | `lt` | some of R is before the start of P |
//! | `ge` | some of R is at or after the start of P |
//! | `le` | some of R is before the end of P |
//! | `sa` | R starts at or after the end of P |
//! | `eb` | R ends at or before the start of P |
//! | `ap` | R overlaps P widened by a tenth of the time between P and now |
//!
//! R4 leaves open whether `gt` counts from the start or the end of P; we count from the
//! end, so that `gt2013-01-14` does not find the afternoon of that day. It also defines `ge`
//! as "`gt` or `eq`", which would leave out a stay that ends at noon of the day asked for; we
//! take it as "from then on", as people do. Without a zone, UTC: see [`fhir::date`](crate::fhir::date).

use super::{Prefix, Sink, either, escape};
use crate::error::Issue;
use crate::fhir::Instant;
use crate::fhir::date::Span;
use crate::fhirpath::{Item, Node};
use crate::search::index::{DateRow, OPEN_HIGH, OPEN_LOW};
use crate::search::plan::{Predicate, RangeTest};
use crate::search::registry::Parameter;
use serde_json::Value;

/// Puts the rows of the items into the slot.
pub fn extract(items: &[Item<'_>], sink: &mut Sink<'_>) {
    for item in items {
        let Item::Node(node) = item else {
            continue;
        };
        if let Some(Span { low, high }) = span(node) {
            sink.rows.dates.push(DateRow {
                slot: sink.slot.row(),
                low,
                high,
                // Known when all entries are: see `IndexRows::finish`.
                signature: 0,
            });
        }
    }
}

fn span(node: &Node<'_>) -> Option<Span> {
    let value = node.value?;
    match node.node_type.key.as_str() {
        "Period" => period(value),
        "Timing" => timing(value),
        "instant" => {
            let low = parse(Some(value))?.low;
            Some(Span { low, high: low + 1 })
        }
        "date" | "dateTime" => parse(Some(value)),
        // Procedure.performed may be a string, an Age or a Range: no date is read from those.
        _ => None,
    }
}

fn parse(value: Option<&Value>) -> Option<Span> {
    Span::parse(value?.as_str()?)
}

fn period(value: &Value) -> Option<Span> {
    match (parse(value.get("start")), parse(value.get("end"))) {
        (None, None) => None,
        (start, end) => Some(Span {
            low: start.map_or(OPEN_LOW, |start| start.low),
            high: end.map_or(OPEN_HIGH, |end| end.high),
        }),
    }
}

/// From the first to the last event, or the bounds of the repetition.
fn timing(value: &Value) -> Option<Span> {
    let events = value.get("event").and_then(Value::as_array);
    let spans = events
        .into_iter()
        .flatten()
        .filter_map(|event| parse(Some(event)));
    let bounds = value
        .get("repeat")
        .and_then(|repeat| repeat.get("boundsPeriod"));
    spans
        .chain(bounds.and_then(period))
        .reduce(|all, one| Span {
            low: all.low.min(one.low),
            high: all.high.max(one.high),
        })
}

/// The predicate of one value.
///
/// # Errors
/// An unknown prefix, no date.
pub fn compile(parameter: &Parameter, value: &str, now: Instant) -> Result<Predicate, Issue> {
    let (prefix, asked) = parse_asked(value)?;
    let test = compile_test(prefix, asked, now);
    let rows = parameter.branches.iter().map(|branch| Predicate::Date {
        slot: branch.slot.row(),
        test: test.clone(),
    });
    Ok(either(rows.collect()))
}

/// The predicate of one value of `_lastUpdated`, whose R is a point of whole milliseconds.
/// It is told in `LowAtLeast` (at or after) and `LowBelow` (before) alone.
///
/// # Errors
/// An unknown prefix, no date.
pub fn compile_last_updated(value: &str, now: Instant) -> Result<Predicate, Issue> {
    let (prefix, asked) = parse_asked(value)?;
    // The first millisecond that is not before.
    let first = |microseconds: i64| {
        let up = microseconds.div_euclid(1000) + i64::from(microseconds.rem_euclid(1000) > 0);
        Instant::from_milliseconds(up)
    };
    let from = |at: i64| Predicate::LastUpdated(RangeTest::LowAtLeast(first(at)));
    let until = |at: i64| Predicate::LastUpdated(RangeTest::LowBelow(first(at)));
    let within = |span: Span| Predicate::And(vec![from(span.low), until(span.high)]);
    Ok(match prefix {
        Prefix::Eq => within(asked),
        Prefix::Ne => Predicate::Or(vec![until(asked.low), from(asked.high)]),
        Prefix::Gt | Prefix::Sa => from(asked.high),
        Prefix::Lt | Prefix::Eb => until(asked.low),
        Prefix::Ge => from(asked.low),
        Prefix::Le => until(asked.high),
        Prefix::Ap => within(widened(asked, now)),
    })
}

fn compile_test(prefix: Prefix, Span { low, high }: Span, now: Instant) -> RangeTest<i64> {
    match prefix {
        Prefix::Eq => RangeTest::Within(low, high),
        Prefix::Ne => RangeTest::NotWithin(low, high),
        Prefix::Gt => RangeTest::HighAbove(high),
        Prefix::Lt => RangeTest::LowBelow(low),
        Prefix::Ge => RangeTest::HighAbove(low),
        Prefix::Le => RangeTest::LowBelow(high),
        Prefix::Sa => RangeTest::LowAtLeast(high),
        Prefix::Eb => RangeTest::HighAtMost(low),
        Prefix::Ap => {
            let wide = widened(Span { low, high }, now);
            RangeTest::Overlaps(wide.low, wide.high)
        }
    }
}

fn widened(Span { low, high }: Span, now: Instant) -> Span {
    let now = now.microseconds();
    let gap = if now < low {
        low - now
    } else {
        (now - high).max(0)
    };
    Span {
        low: low - gap / 10,
        high: high + gap / 10,
    }
}

fn parse_asked(value: &str) -> Result<(Prefix, Span), Issue> {
    let text = escape::unescape(value)?;
    let (prefix, literal) = Prefix::split(&text)?;
    let span = Span::parse(&with_plus(literal)).ok_or_else(|| {
        let text = format!(
            "expected a date as yyyy-mm-ddThh:mm:ssZ or a part of it from the left (the `+` of a \
             zone is written %2B) but found `{literal}`"
        );
        Issue::error("value", text)
    })?;
    Ok((prefix, span))
}

/// A `+` that was not percent-encoded arrives as a space: `…T18:50:00 05:30`.
pub fn with_plus(literal: &str) -> String {
    match literal.split_once(' ') {
        Some((time, zone)) if time.contains('T') && zone.len() == 5 => format!("{time}+{zone}"),
        _ => literal.to_owned(),
    }
}
