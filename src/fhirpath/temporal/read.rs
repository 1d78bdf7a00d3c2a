//! Texts to dates and times.
//! <https://hl7.org/fhirpath/N1/#datetime>
//!
//! ```text
//! date     = yyyy ['-' mm ['-' dd]]
//! clock    = hh [':' mm [':' ss ['.' f+]]]
//! literal  = '@' (date ['T' [clock [zone]]] | 'T' clock)
//! zone     = 'Z' | ('+' | '-') hh ':' mm
//! ```

use super::{Kind, Precision, Temporal};
use jiff::civil;

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
}

#[cfg(test)]
mod tests {
    use super::*;

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
}
