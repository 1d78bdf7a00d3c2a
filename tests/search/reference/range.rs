//! Ordered values and their prefixes. <https://hl7.org/fhir/R4/search.html#prefix>
//!
//! Dates, numbers and quantities are ranges on both sides. What R4 leaves open is decided as
//! the server documents it: `gt` counts from the end of the date that is asked for, `ge` is
//! "from then on", and a quantity `<5` reaches down without end.

use super::number::{Bound, Number};
use super::time::{OPEN, Span};
use super::world::Element;
use serde_json::Value;

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Prefix {
    Eq,
    Ne,
    Gt,
    Lt,
    Ge,
    Le,
    Sa,
    Eb,
    Ap,
}

/// All prefixes as they are written.
pub const PREFIXES: [(&str, Prefix); 9] = [
    ("eq", Prefix::Eq),
    ("ne", Prefix::Ne),
    ("gt", Prefix::Gt),
    ("lt", Prefix::Lt),
    ("ge", Prefix::Ge),
    ("le", Prefix::Le),
    ("sa", Prefix::Sa),
    ("eb", Prefix::Eb),
    ("ap", Prefix::Ap),
];

/// A prefix is the letters before the number or date.
fn split_prefix(text: &str) -> Result<(Prefix, &str), String> {
    let rest = text.trim_start_matches(|c: char| c.is_ascii_alphabetic());
    let letters = &text[..text.len() - rest.len()];
    let mut known = PREFIXES.iter();
    match known.find(|(name, _)| *name == letters) {
        Some((_, prefix)) => Ok((*prefix, rest)),
        None if letters.is_empty() => Ok((Prefix::Eq, rest)),
        None => Err(format!("{letters} is no prefix")),
    }
}

/// A date that is asked for.
#[derive(Clone, Debug)]
pub struct DateAsked {
    prefix: Prefix,
    span: Span,
}

impl DateAsked {
    pub fn parse(text: &str) -> Result<DateAsked, String> {
        let (prefix, literal) = split_prefix(text)?;
        let span = Span::parse(literal).ok_or_else(|| format!("{literal} is no date"))?;
        Ok(DateAsked { prefix, span })
    }

    pub fn fits(&self, value: Span, now: i64) -> bool {
        let asked = self.span;
        match self.prefix {
            Prefix::Eq => asked.low <= value.low && value.high <= asked.high,
            Prefix::Ne => !(asked.low <= value.low && value.high <= asked.high),
            Prefix::Gt => value.high > asked.high,
            Prefix::Lt => value.low < asked.low,
            Prefix::Ge => value.high > asked.low,
            Prefix::Le => value.low < asked.high,
            Prefix::Sa => value.low >= asked.high,
            Prefix::Eb => value.high <= asked.low,
            Prefix::Ap => {
                let gap = (asked.low - now).max(now - asked.high).max(0);
                value.low < asked.high + gap / 10 && value.high > asked.low - gap / 10
            }
        }
    }
}

/// The span of a date, dateTime, instant, Period or Timing; none for what is no time.
pub fn span_of(element: &Element) -> Option<Span> {
    match element.kind.as_str() {
        "date" | "dateTime" => date(Some(&element.value)),
        "instant" => date(Some(&element.value)).map(|span| Span {
            high: span.low + 1,
            ..span
        }),
        "Period" => period(&element.value),
        "Timing" => timing(&element.value),
        _ => None,
    }
}

fn date(value: Option<&Value>) -> Option<Span> {
    Span::parse(value?.as_str()?)
}

fn period(value: &Value) -> Option<Span> {
    let (start, end) = (date(value.get("start")), date(value.get("end")));
    (start.is_some() || end.is_some()).then(|| Span {
        low: start.map_or(-OPEN, |span| span.low),
        high: end.map_or(OPEN, |span| span.high),
    })
}

/// The outer limits of all events and the bounds.
fn timing(value: &Value) -> Option<Span> {
    let events = value.get("event").and_then(Value::as_array);
    let events = events.into_iter().flatten();
    let mut spans: Vec<Span> = events.filter_map(|event| date(Some(event))).collect();
    spans.extend(period(&value["repeat"]["boundsPeriod"]));
    Some(Span {
        low: spans.iter().map(|span| span.low).min()?,
        high: spans.iter().map(|span| span.high).max()?,
    })
}

/// A number that is asked for.
#[derive(Clone, Debug)]
pub struct NumberAsked {
    prefix: Prefix,
    number: Number,
    half: Number,
}

/// What a number or quantity of a resource stands for, both ends included.
pub type Ends = (Bound, Bound);

impl NumberAsked {
    pub fn parse(text: &str) -> Result<NumberAsked, String> {
        let (prefix, literal) = split_prefix(text)?;
        let parsed = Number::parse(literal).ok_or_else(|| format!("{literal} is no number"))?;
        let (number, half) = parsed;
        Ok(NumberAsked {
            prefix,
            number,
            half,
        })
    }

    /// The same number in another unit.
    pub fn times(&self, factor: &Number) -> NumberAsked {
        NumberAsked {
            prefix: self.prefix,
            number: self.number.times(factor),
            half: self.half.times(factor),
        }
    }

    pub fn fits(&self, (low, high): &Ends) -> bool {
        let around = |margin: &Number| {
            let low = Bound::At(self.number.minus(margin));
            (low, Bound::At(self.number.plus(margin)))
        };
        let point = Bound::At(self.number.clone());
        let (from, until) = around(&self.half);
        match self.prefix {
            Prefix::Eq => from <= *low && *high < until,
            Prefix::Ne => !(from <= *low && *high < until),
            Prefix::Gt => *high > point,
            Prefix::Lt => *low < point,
            Prefix::Ge => *high >= point,
            Prefix::Le => *low <= point,
            Prefix::Sa => *low > point,
            Prefix::Eb => *high < point,
            Prefix::Ap => {
                let (from, until) = around(&self.number.tenth().max(self.half.clone()));
                *low <= until && *high >= from
            }
        }
    }
}

/// The ends of a number, a Range or a Quantity.
pub fn ends_of(element: &Element) -> Option<Ends> {
    ends(&element.kind, &element.value)
}

fn ends(kind: &str, value: &Value) -> Option<Ends> {
    let at = |value: Option<&Value>| number_of(value?).map(Bound::At);
    match kind {
        "Range" => {
            let (low, high) = (
                at(value["low"].get("value")),
                at(value["high"].get("value")),
            );
            let open = low.is_none() && high.is_none();
            (!open).then(|| (low.unwrap_or(Bound::Below), high.unwrap_or(Bound::Above)))
        }
        "SampledData" => Some((at(value.get("lowerLimit"))?, at(value.get("upperLimit"))?)),
        _ if value.is_number() => at(Some(value)).map(|number| (number.clone(), number)),
        _ => {
            let number = at(value.get("value"))?;
            Some(match value.get("comparator").and_then(Value::as_str) {
                Some("<" | "<=") => (Bound::Below, number),
                Some(">" | ">=") => (number, Bound::Above),
                _ => (number.clone(), number),
            })
        }
    }
}

/// The exact value of a JSON number.
pub fn number_of(value: &Value) -> Option<Number> {
    match value {
        Value::Number(number) => Some(Number::parse(&number.to_string())?.0),
        _ => None,
    }
}
