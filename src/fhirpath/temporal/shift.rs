//! Dates and times, later or earlier by a duration.
//! <https://hl7.org/fhirpath/N1/#datetime-arithmetic>

use super::{Kind, NANOSECONDS, Precision, Temporal};
use crate::fhir::decimal::{Decimal, Rounding};
use crate::fhirpath::quantity::Calendar;
use jiff::{Span, civil};

impl Temporal {
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
}

fn thousandth() -> Decimal {
    Decimal::from(1).quotient(&Decimal::from(1000), 3)
}

#[cfg(test)]
mod tests {
    use super::super::tests::literal;
    use super::*;

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
