//! Quantities: a number and a unit of UCUM or of the calendar.
//! <https://hl7.org/fhirpath/N1/#quantity>
//!
//! | calendar | of UCUM | |
//! |---|---|---|
//! | year, month | `a`, `mo` | equivalent, never equal: there is no order between them |
//! | week, day, hour, minute, second, millisecond | `wk`, `d`, `h`, `min`, `s`, `ms` | equal |
//!
//! What is neither, such as the text of a FHIR Quantity without a code, is a unit that is
//! equal to itself only.

use crate::fhir::decimal::{Decimal, Rounding};
use crate::fhir::ucum;
use std::cmp::Ordering;
use std::fmt;

/// A unit of the calendar, the longest first.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Calendar {
    Year,
    Month,
    Week,
    Day,
    Hour,
    Minute,
    Second,
    Millisecond,
}

/// Each unit with its names and its code in UCUM.
const CALENDAR: [(Calendar, &str, &str, &str); 8] = [
    (Calendar::Year, "year", "years", "a"),
    (Calendar::Month, "month", "months", "mo"),
    (Calendar::Week, "week", "weeks", "wk"),
    (Calendar::Day, "day", "days", "d"),
    (Calendar::Hour, "hour", "hours", "h"),
    (Calendar::Minute, "minute", "minutes", "min"),
    (Calendar::Second, "second", "seconds", "s"),
    (Calendar::Millisecond, "millisecond", "milliseconds", "ms"),
];

impl Calendar {
    /// By its name, one or many.
    pub fn parse(name: &str) -> Option<Calendar> {
        let mut all = CALENDAR.iter();
        let found = all.find(|(_, one, many, _)| *one == name || *many == name);
        found.map(|(unit, ..)| *unit)
    }

    /// By its code in UCUM.
    pub fn of_ucum(code: &str) -> Option<Calendar> {
        let found = CALENDAR.iter().find(|(.., ucum)| *ucum == code);
        found.map(|(unit, ..)| *unit)
    }

    pub fn name(self) -> &'static str {
        CALENDAR[self as usize].1
    }

    fn ucum(self) -> &'static str {
        CALENDAR[self as usize].3
    }

    /// The next longer unit that this is a whole part of.
    pub fn coarser(self) -> Calendar {
        match self {
            Calendar::Year | Calendar::Month => Calendar::Year,
            Calendar::Week | Calendar::Day | Calendar::Hour => Calendar::Day,
            Calendar::Minute => Calendar::Hour,
            Calendar::Second => Calendar::Minute,
            Calendar::Millisecond => Calendar::Second,
        }
    }

    /// How many of this make the coarser one.
    pub fn per_coarser(self) -> i64 {
        match self {
            Calendar::Month => 12,
            Calendar::Hour => 24,
            Calendar::Minute | Calendar::Second => 60,
            Calendar::Millisecond => 1000,
            Calendar::Year | Calendar::Week | Calendar::Day => 1,
        }
    }

    /// In milliseconds, a month having 30 days and a year 365.
    fn milliseconds(self) -> i64 {
        const DAY: i64 = 86_400_000;
        match self {
            Calendar::Year => 365 * DAY,
            Calendar::Month => 30 * DAY,
            Calendar::Week => 7 * DAY,
            Calendar::Day => DAY,
            Calendar::Hour => 3_600_000,
            Calendar::Minute => 60_000,
            Calendar::Second => 1000,
            Calendar::Millisecond => 1,
        }
    }

    /// This in milliseconds, or in months where both are years or months.
    fn size(self, other: Calendar) -> i64 {
        match (self, other.max(self)) {
            (Calendar::Year, Calendar::Year | Calendar::Month) => 12,
            (Calendar::Month, Calendar::Month) => 1,
            _ => self.milliseconds(),
        }
    }
}

#[derive(Clone, Debug, PartialEq)]
pub enum Unit {
    Calendar(Calendar),
    /// Perhaps not of UCUM: that shows when it is converted.
    Ucum(String),
    /// Of another system or of none.
    Other(String),
}

impl Unit {
    /// As it stands in quotes: `'mg'`, and `'month'` for the calendar's.
    pub fn quoted(text: &str) -> Unit {
        match Calendar::parse(text) {
            Some(unit) => Unit::Calendar(unit),
            None => Unit::Ucum(text.to_owned()),
        }
    }

    pub fn one() -> Unit {
        Unit::Ucum("1".to_owned())
    }

    fn is_one(&self) -> bool {
        matches!(self, Unit::Ucum(code) if code == "1")
    }

    /// The text of the unit.
    pub fn text(&self) -> &str {
        match self {
            Unit::Calendar(unit) => unit.name(),
            Unit::Ucum(text) | Unit::Other(text) => text,
        }
    }

    /// In UCUM; years and months only where `loosely`.
    fn parsed(&self, loosely: bool) -> Option<ucum::Unit> {
        match self {
            Unit::Calendar(Calendar::Year | Calendar::Month) if !loosely => None,
            Unit::Calendar(unit) => ucum::parse(unit.ucum()),
            Unit::Ucum(code) => ucum::parse(code),
            Unit::Other(_) => None,
        }
    }

    /// The unit of the calendar that is added to dates; a year or month of UCUM is none.
    pub fn calendar(&self) -> Option<Calendar> {
        match self {
            Unit::Calendar(unit) => Some(*unit),
            Unit::Ucum(code) => Calendar::of_ucum(code).filter(|unit| *unit >= Calendar::Week),
            Unit::Other(_) => None,
        }
    }
}

/// A number with a unit.
#[derive(Clone, Debug, PartialEq)]
pub struct Quantity {
    pub value: Decimal,
    pub unit: Unit,
}

/// Longer products are not calculated with.
const LONGEST_UNIT: usize = 200;

impl Quantity {
    pub fn new(value: Decimal, unit: Unit) -> Quantity {
        Quantity { value, unit }
    }

    /// Reads `4 days`, `4 'mg'`, `4`: a number, and a unit in quotes or of the calendar.
    pub fn parse(text: &str) -> Option<Quantity> {
        let unsigned = text.strip_prefix(['+', '-']).unwrap_or(text);
        let is_inner = |c: char| !c.is_ascii_digit() && c != '.';
        let end = unsigned.find(is_inner).unwrap_or(unsigned.len());
        let end = end + (text.len() - unsigned.len());
        let (number, rest) = text.split_at_checked(end)?;
        let value = Decimal::parse(number)?;
        let rest = rest.trim_start();
        let quoted = |rest: &str| {
            rest.strip_prefix('\'')?
                .strip_suffix('\'')
                .map(str::to_owned)
        };
        let unit = match (rest.is_empty(), quoted(rest)) {
            (true, _) => Unit::one(),
            (false, Some(code)) => Some(code)
                .filter(|code| !code.is_empty() && !code.contains('\''))
                .map(|code| Unit::quoted(&code))?,
            (false, None) => Unit::Calendar(Calendar::parse(rest)?),
        };
        Some(Quantity { value, unit })
    }

    /// The order; `None` where the units measure different things, or are not known.
    pub fn compare(&self, other: &Quantity) -> Option<Ordering> {
        if self.unit == other.unit {
            return Some(self.value.cmp(&other.value));
        }
        if let (Unit::Calendar(left), Unit::Calendar(right)) = (&self.unit, &other.unit) {
            let left_size = Decimal::from(left.size(*right));
            let right_size = Decimal::from(right.size(*left));
            let left = self.value.times(&left_size);
            return Some(left.cmp(&other.value.times(&right_size)));
        }
        let (left, right) = (self.unit.parsed(false)?, other.unit.parsed(false)?);
        left.is_comparable(&right)
            .then(|| left.compare(&self.value, &right, &other.value))
    }

    /// Equal when rounded to the digits of the less precise, in the larger unit.
    pub fn is_equivalent(&self, other: &Quantity) -> Option<bool> {
        let (left, right) = self.in_larger(other)?;
        Some(equivalent(&left, &right))
    }

    /// Both values in the larger one of the two units.
    fn in_larger(&self, other: &Quantity) -> Option<(Decimal, Decimal)> {
        let (left, right) = (self.value.clone(), other.value.clone());
        if self.unit == other.unit {
            return Some((left, right));
        }
        if let (Unit::Calendar(a), Unit::Calendar(b)) = (&self.unit, &other.unit) {
            let (a, b) = (a.size(*b), b.size(*a));
            let scaled = |value: Decimal, by: i64, to: i64| {
                value
                    .times(&Decimal::from(by))
                    .quotient(&Decimal::from(to), 40)
            };
            return Some((scaled(left, a, a.max(b)), scaled(right, b, a.max(b))));
        }
        let (a, b) = (self.unit.parsed(true)?, other.unit.parsed(true)?);
        if !a.is_comparable(&b) {
            return None;
        }
        let one = Decimal::from(1);
        match a.compare(&one, &b, &one) {
            Ordering::Less => Some((a.convert_to(&left, &b), right)),
            _ => Some((left, b.convert_to(&right, &a))),
        }
    }

    /// This in another unit; `None` where there is no way. Years and months become those of
    /// UCUM here, and the other way round, for that is what was asked.
    pub fn convert(&self, unit: &Unit) -> Option<Quantity> {
        let value = match (&self.unit, unit) {
            (left, right) if left == right => self.value.clone(),
            (Unit::Calendar(left), Unit::Calendar(right)) => {
                let (from, to) = (left.size(*right), right.size(*left));
                let scaled = self.value.times(&Decimal::from(from));
                scaled.quotient(&Decimal::from(to), 40)
            }
            (Unit::Calendar(_), Unit::Ucum(code)) if Calendar::of_ucum(code).is_some() => {
                let own = Unit::Calendar(Calendar::of_ucum(code)?);
                return Some(Quantity::new(self.convert(&own)?.value, unit.clone()));
            }
            (Unit::Ucum(_), Unit::Calendar(right)) => {
                let own = Unit::Ucum(right.ucum().to_owned());
                return Some(Quantity::new(self.convert(&own)?.value, unit.clone()));
            }
            (left, right) => {
                let (left, right) = (left.parsed(true)?, right.parsed(true)?);
                let value = left
                    .is_comparable(&right)
                    .then(|| left.convert_to(&self.value, &right));
                value?
            }
        };
        Some(Quantity::new(value, unit.clone()))
    }

    /// The sum, in this one's unit; `None` where the units measure different things.
    pub fn plus(&self, other: &Quantity) -> Option<Quantity> {
        let other = other.convert(&self.unit)?;
        Some(Quantity::new(
            self.value.plus(&other.value),
            self.unit.clone(),
        ))
    }

    /// The product, of which `4 'cm' * 2 'm'` has the unit `cm.m`.
    pub fn times(&self, other: &Quantity) -> Option<Quantity> {
        let unit = match (&self.unit, &other.unit) {
            (left, right) if left.is_one() => right.clone(),
            (left, right) if right.is_one() => left.clone(),
            (left, right) => combined(left, '.', right)?,
        };
        Some(Quantity::new(self.value.times(&other.value), unit))
    }

    /// The quotient to so many digits; `None` by zero.
    pub fn divided(&self, other: &Quantity, digits: usize) -> Option<Quantity> {
        if other.value.is_zero() {
            return None;
        }
        let unit = match (&self.unit, &other.unit) {
            (left, right) if left == right => Unit::one(),
            (left, right) if right.is_one() => left.clone(),
            (left, right) => combined(left, '/', right)?,
        };
        Some(Quantity::new(
            self.value.quotient(&other.value, digits),
            unit,
        ))
    }
}

fn combined(left: &Unit, operator: char, right: &Unit) -> Option<Unit> {
    let code = |unit: &Unit| match unit {
        Unit::Calendar(unit) => Some(unit.ucum().to_owned()),
        Unit::Ucum(code) => ucum::parse(code).map(|_| code.clone()),
        Unit::Other(_) => None,
    };
    let (left, right) = (code(left)?, code(right)?);
    let is_simple = !right.contains(['.', '/']);
    let code = match is_simple {
        true => format!("{left}{operator}{right}"),
        false => format!("{left}{operator}({right})"),
    };
    (code.len() <= LONGEST_UNIT).then_some(Unit::Ucum(code))
}

/// Decimals equal when rounded to the digits of the less precise; zeros at the end are none.
pub fn equivalent(left: &Decimal, right: &Decimal) -> bool {
    let scale = left.shortest_scale().min(right.shortest_scale());
    let rounded = |value: &Decimal| value.to_scale(scale, Rounding::HalfUp);
    rounded(left) == rounded(right)
}

/// `4 'mg'`, and `4 days` of the calendar's.
impl fmt::Display for Quantity {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let value = self.value.written();
        match &self.unit {
            Unit::Calendar(unit) if self.value == Decimal::from(1) => {
                write!(f, "{value} {}", unit.name())
            }
            Unit::Calendar(unit) => write!(f, "{value} {}s", unit.name()),
            Unit::Ucum(text) | Unit::Other(text) => write!(f, "{value} '{text}'"),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn quantity(text: &str) -> Quantity {
        Quantity::parse(text).unwrap_or_else(|| panic!("{text} is a quantity"))
    }

    /// The examples of the specification.
    #[test]
    fn quantities_compare_in_one_unit() {
        use Ordering::*;
        for (left, right, order, equivalent) in [
            ("1 'cm'", "10.0 'mm'", Some(Equal), Some(true)),
            ("1 'cm'", "1 'm'", Some(Less), Some(false)),
            ("1 'cm'", "1 's'", None, None),
            ("23 'Cel'", "73.4 '[degF]'", Some(Equal), Some(true)),
            ("1 hour", "3600 's'", Some(Equal), Some(true)),
            ("1 year", "1 'a'", None, Some(true)),
            ("1 year", "12 months", Some(Equal), Some(true)),
            ("1 year", "12 'mo'", None, Some(true)),
            ("1 year", "11 months", Some(Greater), Some(true)),
            ("7 days", "1 'wk'", Some(Equal), Some(true)),
            ("1 week", "7 'd'", Some(Equal), Some(true)),
            ("4 'g'", "4040 'mg'", Some(Less), Some(true)),
            ("21 'mm'", "2 'cm'", Some(Greater), Some(true)),
            ("1 '[in_i]'", "2.5 'cm'", Some(Greater), Some(true)),
            ("3 'nonsense'", "3 'nonsense'", Some(Equal), Some(true)),
            ("3 'nonsense'", "3 'mg'", None, None),
        ] {
            let (l, r) = (quantity(left), quantity(right));
            assert_eq!(l.compare(&r), order, "{left} {right}");
            assert_eq!(l.is_equivalent(&r), equivalent, "{left} ~ {right}");
        }
    }

    #[test]
    fn quantities_are_converted_and_calculated_with() {
        for (left, unit, expected) in [
            ("52 'cm'", "m", Some("0.52 'm'")),
            ("24 'm'", "kg", None),
            ("1 'a'", "d", Some("365.25 'd'")),
            ("7 days", "wk", Some("1 'wk'")),
            ("182.5 days", "a", Some("0.5 'a'")),
            ("1 'wk'", "days", Some("7 days")),
        ] {
            let found = quantity(left).convert(&Unit::quoted(unit));
            let found = found.map(|found| found.to_string());
            assert_eq!(found.as_deref(), expected, "{left} {unit}");
        }
        let product = quantity("2.0 'cm'")
            .times(&quantity("2.0 'm'"))
            .expect("a product");
        assert_eq!(
            product.compare(&quantity("0.040 'm2'")),
            Some(Ordering::Equal)
        );
        let quotient = quantity("4.0 'g'").divided(&quantity("2.0 'm'"), 20);
        assert_eq!(quotient.map(|q| q.to_string()).as_deref(), Some("2 'g/m'"));
        let none = quantity("1.0 'm'").divided(&quantity("1 'm'"), 20);
        assert_eq!(none.map(|q| q.to_string()).as_deref(), Some("1 '1'"));
        assert_eq!(quantity("1 'm'").plus(&quantity("1 's'")), None);
    }

    #[test]
    fn what_is_no_quantity() {
        for text in [
            "", "1 wk", "1.a", "x", "1 ''", "1 'a", "'a'", "1 'a'b'", "é 'm'", "+",
        ] {
            assert_eq!(Quantity::parse(text), None, "{text}");
        }
    }
}
