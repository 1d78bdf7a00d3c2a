//! Dates, dateTimes and times of any precision.
//! <https://hl7.org/fhirpath/N1/#date>, <https://hl7.org/fhirpath/N1/#datetime-arithmetic>
//!
//! Two values have an order as far as both are precise: `@2018-03` and `@2018-03-01` have
//! none. Seconds and what follows their point are one precision.
//!
//! ## Decisions
//! - *No zone is assumed.* A value with a zone and one without have an order only where they
//!   are days apart, so that no answer depends on where the server runs.
//! - *Digits beyond nanoseconds are dropped.*

mod boundary;
mod read;
mod shift;

use super::quantity::Calendar;
use crate::fhir::Instant;
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

    pub(super) fn literal(text: &str) -> Temporal {
        let (value, length) = Temporal::literal(text).unwrap_or_else(|| panic!("{text}"));
        assert_eq!(length, text.len(), "{text}");
        value
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
}
