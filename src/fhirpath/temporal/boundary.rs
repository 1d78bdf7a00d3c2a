//! What a date or time of limited precision may be at the least and at the most.
//! <https://build.fhir.org/ig/HL7/FHIRPath/#lowboundaryprecision-integer-decimal--date--datetime--time>

use super::{Kind, Precision, Temporal};
use jiff::civil;

impl Temporal {
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
}
