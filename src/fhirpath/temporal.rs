//! Dates, dateTimes and times of any precision.
//! <https://hl7.org/fhirpath/N1/#date>, <https://hl7.org/fhirpath/N1/#datetime-arithmetic>
//!
//! ```text
//! date     = yyyy ['-' mm ['-' dd]]
//! clock    = hh [':' mm [':' ss ['.' f+]]]
//! literal  = '@' (date ['T' [clock [zone]]] | 'T' clock)
//! zone     = 'Z' | ('+' | '-') hh ':' mm
//! ```
//!
//! Two values have an order as far as both are precise: `@2018-03` and `@2018-03-01` have
//! none. Seconds and what follows their point are one precision.
//!
//! ## Decisions
//! - *No zone is assumed.* A value with a zone and one without have an order only where they
//!   are days apart, so that no answer depends on where the server runs.
//! - *Digits beyond nanoseconds are dropped.*

use super::quantity::Calendar;
use crate::fhir::Instant;
use crate::fhir::decimal::{Decimal, Rounding};
use jiff::Span;
use jiff::civil;
use std::cmp::Ordering;
use std::fmt;

/// Which of the three types a value is of.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Kind {
    Date,
    DateTime,
    Time,
}

/// The last part that is stated.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Precision {
    Year,
    Month,
    Day,
    Hour,
    Minute,
    Second,
}

/// A date, dateTime or time. What is finer than its precision is at its least.
#[derive(Clone, Copy, Debug)]
pub struct Temporal {
    pub kind: Kind,
    pub precision: Precision,
    year: i16,
    month: i8,
    day: i8,
    hour: i8,
    minute: i8,
    second: i8,
    nanosecond: i32,
    /// Digits after the point of the seconds, as stated.
    digits: u8,
    /// Minutes east of UTC.
    offset: Option<i16>,
    /// The zone is written `Z`.
    is_zulu: bool,
}

const NANOSECONDS: i64 = 1_000_000_000;
const DAY: i64 = 86_400;

/// Reads along a text.
struct Scanner<'a> {
    bytes: &'a [u8],
    at: usize,
}

impl Scanner<'_> {
    fn number(&self, at: usize, digits: usize) -> Option<i16> {
        let part = self.bytes.get(at..at + digits)?;
        let is_number = part.iter().all(u8::is_ascii_digit);
        let value = || part.iter().fold(0, |sum, b| sum * 10 + i16::from(b - b'0'));
        is_number.then(value)
    }

    /// Two digits behind `before`, if they stand here.
    fn part(&mut self, before: u8) -> Option<i8> {
        let found = self.bytes.get(self.at) == Some(&before);
        let number = found.then(|| self.number(self.at + 1, 2)).flatten()?;
        self.at += 3;
        i8::try_from(number).ok()
    }

    fn fraction(&mut self) -> Option<(i32, u8)> {
        let rest = self.bytes.get(self.at..)?.strip_prefix(b".")?;
        let length = rest.iter().take_while(|b| b.is_ascii_digit()).count();
        if length == 0 {
            return None;
        }
        self.at += 1 + length;
        let digits = rest.iter().take(length).chain(std::iter::repeat(&b'0'));
        let value = digits
            .take(9)
            .fold(0, |sum, b| sum * 10 + i32::from(b - b'0'));
        Some((value, u8::try_from(length.min(9)).unwrap_or(9)))
    }

    fn zone(&mut self) -> Option<(i16, bool)> {
        let sign = match self.bytes.get(self.at)? {
            b'Z' => {
                self.at += 1;
                return Some((0, true));
            }
            b'+' => 1,
            b'-' => -1,
            _ => return None,
        };
        let is_zone = self.bytes.get(self.at + 3) == Some(&b':');
        let hours = self
            .number(self.at + 1, 2)
            .filter(|h| is_zone && *h <= 14)?;
        let minutes = self.number(self.at + 4, 2).filter(|m| *m < 60)?;
        self.at += 6;
        Some((sign * (hours * 60 + minutes), false))
    }
}

impl Temporal {
    const fn least(kind: Kind, precision: Precision) -> Temporal {
        Temporal {
            kind,
            precision,
            year: 1,
            month: 1,
            day: 1,
            hour: 0,
            minute: 0,
            second: 0,
            nanosecond: 0,
            digits: 0,
            offset: None,
            is_zulu: false,
        }
    }

    /// The longest literal that `text`, which follows the `@`, begins with, and its length.
    /// `None` where there is none, or no such day or time.
    pub fn literal(text: &str) -> Option<(Temporal, usize)> {
        let mut scanner = Scanner {
            bytes: text.as_bytes(),
            at: 0,
        };
        let mut value = Temporal::least(Kind::Date, Precision::Year);
        if text.starts_with('T') {
            value.kind = Kind::Time;
            value.read_clock(&mut scanner, b'T').then_some(())?;
        } else {
            value.read_date(&mut scanner)?;
            if scanner.bytes.get(scanner.at) == Some(&b'T') {
                value.kind = Kind::DateTime;
                let has_clock =
                    value.precision == Precision::Day && value.read_clock(&mut scanner, b'T');
                if has_clock {
                    value.read_zone(&mut scanner);
                } else {
                    scanner.at += 1;
                }
            }
        }
        value.is_real().then_some((value, scanner.at))
    }

    /// A whole text as a value of that type, as the types of FHIR are written: a dateTime
    /// may be a bare date, a time has no `T`.
    pub fn parse(text: &str, kind: Kind) -> Option<Temporal> {
        let mut scanner = Scanner {
            bytes: text.as_bytes(),
            at: 0,
        };
        let mut value = Temporal::least(kind, Precision::Year);
        if kind == Kind::Time {
            value.hour = i8::try_from(scanner.number(0, 2)?).ok()?;
            scanner.at = 2;
            value.read_minutes(&mut scanner);
        } else {
            value.read_date(&mut scanner)?;
            let is_day = value.precision == Precision::Day && kind == Kind::DateTime;
            if is_day && value.read_clock(&mut scanner, b'T') {
                value.read_zone(&mut scanner);
            }
        }
        (scanner.at == text.len() && value.is_real()).then_some(value)
    }

    fn read_date(&mut self, scanner: &mut Scanner<'_>) -> Option<()> {
        self.year = scanner.number(0, 4)?;
        scanner.at = 4;
        if let Some(month) = scanner.part(b'-') {
            (self.month, self.precision) = (month, Precision::Month);
            if let Some(day) = scanner.part(b'-') {
                (self.day, self.precision) = (day, Precision::Day);
            }
        }
        Some(())
    }

    fn read_clock(&mut self, scanner: &mut Scanner<'_>, before: u8) -> bool {
        let Some(hour) = scanner.part(before) else {
            return false;
        };
        self.hour = hour;
        self.read_minutes(scanner);
        true
    }

    fn read_minutes(&mut self, scanner: &mut Scanner<'_>) {
        self.precision = Precision::Hour;
        let Some(minute) = scanner.part(b':') else {
            return;
        };
        (self.minute, self.precision) = (minute, Precision::Minute);
        let Some(second) = scanner.part(b':') else {
            return;
        };
        (self.second, self.precision) = (second, Precision::Second);
        if let Some((nanosecond, digits)) = scanner.fraction() {
            (self.nanosecond, self.digits) = (nanosecond, digits);
        }
    }

    fn read_zone(&mut self, scanner: &mut Scanner<'_>) {
        if let Some((offset, is_zulu)) = scanner.zone() {
            (self.offset, self.is_zulu) = (Some(offset), is_zulu);
        }
    }

    /// In the calendar; second 60 is a leap second.
    fn is_real(&self) -> bool {
        let is_time = self.hour < 24 && self.minute < 60 && self.second <= 60;
        is_time && self.year > 0 && civil::Date::new(self.year, self.month, self.day).is_ok()
    }

    /// A point in time, in UTC.
    pub fn at(instant: Instant) -> Temporal {
        let timestamp = jiff::Timestamp::from_millisecond(instant.milliseconds());
        let start = civil::datetime(1970, 1, 1, 0, 0, 0, 0);
        let civil = timestamp.map_or(start, |t| jiff::tz::Offset::UTC.to_datetime(t));
        let mut value = Temporal::least(Kind::DateTime, Precision::Second);
        value.put(civil);
        Temporal {
            digits: 3,
            offset: Some(0),
            is_zulu: true,
            ..value
        }
    }

    /// The date of a dateTime, as precise as it is.
    pub fn date(self) -> Temporal {
        let precision = self.precision.min(Precision::Day);
        Temporal {
            year: self.year,
            month: self.month,
            day: self.day,
            ..Temporal::least(Kind::Date, precision)
        }
    }

    /// The time of day; `None` where no hour is stated.
    pub fn time(self) -> Option<Temporal> {
        let least = Temporal::least(Kind::Time, self.precision);
        (self.precision >= Precision::Hour).then_some(Temporal {
            hour: self.hour,
            minute: self.minute,
            second: self.second,
            nanosecond: self.nanosecond,
            digits: self.digits,
            ..least
        })
    }

    /// A date as the dateTime of the same precision.
    pub fn date_time(self) -> Temporal {
        Temporal {
            kind: Kind::DateTime,
            ..self
        }
    }

    fn civil(&self) -> civil::DateTime {
        // A leap second counts as the one before it.
        let (second, least) = (self.second.min(59), civil::DateTime::MIN);
        let date = civil::Date::new(self.year, self.month, self.day);
        let time = civil::Time::new(self.hour, self.minute, second, self.nanosecond);
        match (date, time) {
            (Ok(date), Ok(time)) => date.to_datetime(time),
            _ => least,
        }
    }

    fn put(&mut self, civil: civil::DateTime) {
        (self.year, self.month, self.day) = (civil.year(), civil.month(), civil.day());
        (self.hour, self.minute, self.second) = (civil.hour(), civil.minute(), civil.second());
        self.nanosecond = civil.subsec_nanosecond();
    }

    fn in_utc(&self) -> Temporal {
        let mut value = *self;
        let minutes = i64::from(self.offset.unwrap_or_default());
        if minutes != 0
            && let Ok(civil) = self.civil().checked_sub(Span::new().minutes(minutes))
        {
            value.put(civil);
        }
        value
    }

    /// Part by part, the coarsest first.
    fn parts(&self) -> [i64; 6] {
        let seconds = i64::from(self.second) * NANOSECONDS + i64::from(self.nanosecond);
        [
            i64::from(self.year),
            i64::from(self.month),
            i64::from(self.day),
            i64::from(self.hour),
            i64::from(self.minute),
            seconds,
        ]
    }

    /// Whether there is an order at all between the types.
    pub fn is_comparable(&self, other: &Temporal) -> bool {
        (self.kind == Kind::Time) == (other.kind == Kind::Time)
    }

    /// The order, as far as both are precise; `None` where it is not known.
    pub fn compare(&self, other: &Temporal) -> Option<Ordering> {
        if !self.is_comparable(other) {
            return None;
        }
        let have_clocks = self.precision.min(other.precision) >= Precision::Hour;
        let is_mixed = have_clocks && self.offset.is_some() != other.offset.is_some();
        if is_mixed && self.kind != Kind::Time {
            let apart = self.in_utc().civil().duration_since(other.in_utc().civil());
            let is_far = apart.as_secs().abs() > DAY + DAY / 2;
            return is_far.then(|| apart.as_secs().cmp(&0));
        }
        let (left, right) = match have_clocks {
            true => (self.in_utc(), other.in_utc()),
            false => (*self, *other),
        };
        let shared = self.precision.min(other.precision) as usize;
        let pairs = left.parts().into_iter().zip(right.parts()).take(shared + 1);
        let order = pairs.map(|(left, right)| left.cmp(&right));
        match order.into_iter().find(|order| order.is_ne()) {
            Some(order) => Some(order),
            None => (self.precision == other.precision).then_some(Ordering::Equal),
        }
    }

    /// Later by a duration, or earlier where it is negative. What is finer than the value is
    /// converted first: `@2014 + 24 months` is `@2016`.
    ///
    /// # Errors
    /// A unit that has no calendar, a year out of range; as sentences.
    pub fn plus(&self, amount: &Decimal, unit: Calendar) -> Result<Temporal, String> {
        let is_time = self.kind == Kind::Time;
        if is_time && unit < Calendar::Hour {
            return Err(format!(
                "expected a unit of times but found {}",
                unit.name()
            ));
        }
        let (amount, unit) = self.coarsened(amount, unit);
        let too_far = || "expected a date within the years 1 to 9999".to_owned();
        let mut value = *self;
        if unit >= Calendar::Second {
            let seconds = match unit {
                Calendar::Second => amount,
                _ => amount.times(&thousandth()),
            };
            let wanted = u8::try_from(seconds.shortest_scale().min(9)).unwrap_or(9);
            value.digits = value.digits.max(wanted);
            let nanoseconds = seconds.times(&Decimal::from(NANOSECONDS));
            let whole = nanoseconds.to_scale(0, Rounding::Truncate).to_integer();
            return value
                .shifted(
                    Span::new().try_nanoseconds(whole.ok_or_else(too_far)?),
                    is_time,
                )
                .ok_or_else(too_far);
        }
        let whole = amount.to_scale(0, Rounding::Truncate).to_integer();
        let whole = whole.ok_or_else(too_far)?;
        let span = Span::new();
        let span = match unit {
            Calendar::Year => span.try_years(whole),
            Calendar::Month => span.try_months(whole),
            Calendar::Week => span.try_weeks(whole),
            Calendar::Day => span.try_days(whole),
            Calendar::Hour => span.try_hours(whole),
            _ => span.try_minutes(whole),
        };
        value.shifted(span, is_time).ok_or_else(too_far)
    }

    fn shifted(mut self, span: Result<Span, jiff::Error>, is_time: bool) -> Option<Temporal> {
        let span = span.ok()?;
        if is_time {
            let time = self.civil().time().wrapping_add(span);
            self.put(civil::date(1, 1, 1).to_datetime(time));
            return Some(self);
        }
        let moved = self.civil().checked_add(span).ok()?;
        self.put(moved);
        (self.year > 0).then_some(self)
    }

    /// The same duration in a unit that the value states.
    fn coarsened(&self, amount: &Decimal, unit: Calendar) -> (Decimal, Calendar) {
        let finest = match self.precision {
            Precision::Year => Calendar::Year,
            Precision::Month => Calendar::Month,
            Precision::Day => Calendar::Day,
            Precision::Hour => Calendar::Hour,
            Precision::Minute => Calendar::Minute,
            Precision::Second => Calendar::Millisecond,
        };
        if unit <= finest {
            return (amount.clone(), unit);
        }
        let whole = amount.to_scale(0, Rounding::Truncate);
        let (times, per, coarser) = match (unit, finest) {
            (Calendar::Week, Calendar::Year) => (7, 365, Calendar::Year),
            (Calendar::Week, _) => (7, 30, Calendar::Month),
            (Calendar::Day, Calendar::Year) => (1, 365, Calendar::Year),
            (Calendar::Day, _) => (1, 30, Calendar::Month),
            (unit, _) => (1, unit.per_coarser(), unit.coarser()),
        };
        let coarsened = whole.times(&Decimal::from(times));
        self.coarsened(&coarsened.quotient(&Decimal::from(per), 40), coarser)
    }

    /// The digits that are stated: 4 of `2014`, 8 of a day, 17 of milliseconds.
    pub fn digits(&self) -> usize {
        let whole = match (self.kind, self.precision) {
            (Kind::Time, Precision::Hour) => 2,
            (Kind::Time, Precision::Minute) => 4,
            (Kind::Time, _) => 6,
            (_, Precision::Year) => 4,
            (_, Precision::Month) => 6,
            (_, Precision::Day) => 8,
            (_, Precision::Hour) => 10,
            (_, Precision::Minute) => 12,
            (_, Precision::Second) => 14,
        };
        whole + usize::from(self.digits)
    }

    /// The least or greatest value that this may stand for, in so many digits; `None` where
    /// the type has no such precision. The zone of a dateTime that states none is the
    /// easternmost or the westernmost.
    pub fn boundary(&self, is_high: bool, digits: usize) -> Option<Temporal> {
        let (precision, fraction) = match (self.kind, digits) {
            (Kind::Time, 2) => (Precision::Hour, 0),
            (Kind::Time, 4) => (Precision::Minute, 0),
            (Kind::Time, 6) => (Precision::Second, 0),
            (Kind::Time, 7..=9) => (Precision::Second, digits - 6),
            (Kind::Date | Kind::DateTime, 4) => (Precision::Year, 0),
            (Kind::Date | Kind::DateTime, 6) => (Precision::Month, 0),
            (Kind::Date | Kind::DateTime, 8) => (Precision::Day, 0),
            (Kind::DateTime, 10) => (Precision::Hour, 0),
            (Kind::DateTime, 12) => (Precision::Minute, 0),
            (Kind::DateTime, 14) => (Precision::Second, 0),
            (Kind::DateTime, 15..=17) => (Precision::Second, digits - 14),
            _ => return None,
        };
        let mut value = *self;
        if is_high {
            value.raise();
        }
        if precision >= Precision::Hour && self.kind == Kind::DateTime && self.offset.is_none() {
            value.offset = Some(if is_high { -12 * 60 } else { 14 * 60 });
        }
        value.precision = precision;
        value.digits = u8::try_from(fraction).unwrap_or_default();
        let unit = 10_i32.pow(9 - u32::from(value.digits));
        value.nanosecond -= value.nanosecond % unit;
        value.clear();
        Some(value)
    }

    /// What is not stated at its greatest.
    fn raise(&mut self) {
        let stated = self.precision;
        if stated < Precision::Month {
            self.month = 12;
        }
        if stated < Precision::Day {
            let month = civil::Date::new(self.year, self.month, 1);
            self.day = month.map_or(28, |month| month.days_in_month());
        }
        if stated < Precision::Hour {
            self.hour = 23;
        }
        if stated < Precision::Minute {
            self.minute = 59;
        }
        if stated < Precision::Second {
            self.second = 59;
        }
        let stated = 10_i32.pow(9 - u32::from(self.digits.min(9)));
        self.nanosecond += stated - 1;
    }

    /// What is finer than the precision at its least, so that it weighs nothing.
    fn clear(&mut self) {
        let least = Temporal::least(self.kind, self.precision);
        if self.precision < Precision::Month {
            self.month = least.month;
        }
        if self.precision < Precision::Day {
            self.day = least.day;
        }
        if self.precision < Precision::Hour {
            (self.hour, self.offset) = (0, None);
        }
        if self.precision < Precision::Minute {
            self.minute = 0;
        }
        if self.precision < Precision::Second {
            (self.second, self.nanosecond) = (0, 0);
        }
    }

    /// A part by the name of its function: `year`, `month`, … `millisecond`.
    pub fn part(&self, unit: Calendar) -> Option<i64> {
        let has_date = self.kind != Kind::Time;
        let (precision, value) = match unit {
            Calendar::Year => (Precision::Year, i64::from(self.year)),
            Calendar::Month => (Precision::Month, i64::from(self.month)),
            Calendar::Week => return None,
            Calendar::Day => (Precision::Day, i64::from(self.day)),
            Calendar::Hour => (Precision::Hour, i64::from(self.hour)),
            Calendar::Minute => (Precision::Minute, i64::from(self.minute)),
            Calendar::Second => (Precision::Second, i64::from(self.second)),
            Calendar::Millisecond => {
                let value = i64::from(self.nanosecond / 1_000_000);
                return (self.digits > 0).then_some(value);
            }
        };
        let is_of_type = has_date || precision >= Precision::Hour;
        (is_of_type && self.precision >= precision).then_some(value)
    }

    /// Minutes east of UTC, where a zone is stated.
    pub fn offset(&self) -> Option<i64> {
        self.offset.map(i64::from)
    }

    /// As a literal without its `@`: `2015T`, `T14:30`.
    pub fn literal_text(&self) -> String {
        match self.kind {
            Kind::Time => format!("T{self}"),
            Kind::DateTime if self.precision < Precision::Hour => format!("{self}T"),
            _ => self.to_string(),
        }
    }
}

fn thousandth() -> Decimal {
    Decimal::from(1).quotient(&Decimal::from(1000), 3)
}

impl PartialEq for Temporal {
    /// The same text; what is equal as a value says [`Temporal::compare`].
    fn eq(&self, other: &Temporal) -> bool {
        self.kind == other.kind && self.to_string() == other.to_string()
    }
}

impl fmt::Display for Temporal {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        if self.kind != Kind::Time {
            write!(f, "{:04}", self.year)?;
            if self.precision >= Precision::Month {
                write!(f, "-{:02}", self.month)?;
            }
            if self.precision >= Precision::Day {
                write!(f, "-{:02}", self.day)?;
            }
            if self.precision < Precision::Hour {
                return Ok(());
            }
            f.write_str("T")?;
        }
        write!(f, "{:02}", self.hour)?;
        if self.precision >= Precision::Minute {
            write!(f, ":{:02}", self.minute)?;
        }
        if self.precision >= Precision::Second {
            write!(f, ":{:02}", self.second)?;
            if self.digits > 0 {
                let digits = format!("{:09}", self.nanosecond);
                write!(f, ".{}", &digits[..usize::from(self.digits.min(9))])?;
            }
        }
        match self.offset {
            Some(0) if self.is_zulu => f.write_str("Z"),
            Some(offset) => {
                let (sign, size) = (if offset < 0 { '-' } else { '+' }, offset.abs());
                write!(f, "{sign}{:02}:{:02}", size / 60, size % 60)
            }
            None => Ok(()),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn literal(text: &str) -> Temporal {
        let (value, length) = Temporal::literal(text).unwrap_or_else(|| panic!("{text}"));
        assert_eq!(length, text.len(), "{text}");
        value
    }

    #[test]
    fn literals_end_where_their_grammar_does() {
        for (text, read) in [
            ("2015", "2015"),
            ("2015T", "2015T"),
            ("2015-02T", "2015-02T"),
            ("2015-02-04.toString()", "2015-02-04"),
            ("2015-02-04T14.is(DateTime)", "2015-02-04T14"),
            (
                "2015-02-04T14:34:28.123.is(DateTime)",
                "2015-02-04T14:34:28.123",
            ),
            ("2015-02-04T14:34:28+10:00", "2015-02-04T14:34:28+10:00"),
            ("2015-02-04T14:34:28Z)", "2015-02-04T14:34:28Z"),
            ("T14:34:28Z", "T14:34:28"),
            ("T14", "T14"),
            ("2015-1", "2015"),
            ("2015-02-04-05:00", "2015-02-04"),
        ] {
            let (value, length) = Temporal::literal(text).unwrap_or_else(|| panic!("{text}"));
            assert_eq!(&text[..length], read, "{text}");
            assert_eq!(value.literal_text(), read, "{text}");
        }
        for text in [
            "",
            "T",
            "15",
            "2015-13",
            "2015-02-30",
            "0000",
            "T25",
            "2015-01-01T24:00",
        ] {
            assert_eq!(Temporal::literal(text), None, "{text}");
        }
    }

    #[test]
    fn order_is_known_as_far_as_both_are_precise() {
        use Ordering::*;
        for (left, right, order) in [
            ("2012", "2012", Some(Equal)),
            ("2012", "2013", Some(Less)),
            ("2012-01", "2012", None),
            ("2012-01", "2013", Some(Less)),
            ("2012-01-01T10:30:31.0", "2012-01-01T10:30:31", Some(Equal)),
            (
                "2012-01-01T10:30:31.1",
                "2012-01-01T10:30:31",
                Some(Greater),
            ),
            (
                "2017-11-05T01:30:00.0-04:00",
                "2017-11-05T00:30:00.0-05:00",
                Some(Equal),
            ),
            ("2012-04-15T15:00:00Z", "2012-04-15T10:00:00", None),
            ("2012-04-18T15:00:00Z", "2012-04-15T10:00:00", Some(Greater)),
            ("2012-04-15", "2012-04-15T10:00:00", None),
            ("T10:30", "T10:30:00", None),
            ("T10:30", "T10:31:00", Some(Less)),
            ("T10:30", "2012", None),
        ] {
            assert_eq!(
                literal(left).compare(&literal(right)),
                order,
                "{left} {right}"
            );
        }
    }

    /// The examples of the specification.
    #[test]
    fn durations_are_added_by_the_calendar() {
        use Calendar::*;
        for (text, amount, unit, sum) in [
            ("1973-12-25", "7", Day, "1974-01-01"),
            ("1973-12-25", "7.9", Day, "1974-01-01"),
            ("2019-03-01", "24", Month, "2021-03-01"),
            ("2026-01-31", "1", Month, "2026-02-28"),
            (
                "1973-12-25T00:00:00.000+10:00",
                "42.53",
                Second,
                "1973-12-25T00:00:42.530+10:00",
            ),
            ("2026-01-01T13:00:00", "30", Minute, "2026-01-01T13:30:00"),
            ("T23:30:00", "1", Hour, "T00:30:00"),
            ("T01:00:00", "48", Hour, "T01:00:00"),
            ("T00:30:00", "-1", Hour, "T23:30:00"),
            ("2014", "24", Month, "2016"),
            ("2014", "23", Month, "2015"),
            ("2014", "-1", Month, "2014"),
            ("2016", "365", Day, "2017"),
            ("2026-02", "5", Week, "2026-03"),
            ("2026-02", "4", Week, "2026-02"),
            ("2026-02-01", "49", Hour, "2026-02-03"),
            ("2026-02-01T10:00", "90", Second, "2026-02-01T10:01"),
        ] {
            let amount = Decimal::parse(amount).expect("a number");
            let found = literal(text)
                .plus(&amount, unit)
                .map(|sum| sum.literal_text());
            assert_eq!(found.as_deref(), Ok(sum), "{text} + {amount} {unit:?}");
        }
        let many = Decimal::parse("1e30").expect("a number");
        for unit in [Year, Month, Day, Second, Millisecond] {
            assert!(literal("2014-01-01").plus(&many, unit).is_err());
        }
        assert!(literal("T10:00").plus(&Decimal::from(1), Day).is_err());
    }
}
