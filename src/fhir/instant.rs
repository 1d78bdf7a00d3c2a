//! Instants of the server, in whole milliseconds of UTC: what is shown is what is stored,
//! so that `_lastUpdated=gt<the value shown>` never returns the resource itself.
//! <https://hl7.org/fhir/R4/datatypes.html#instant>

use std::fmt;

/// A point in time: milliseconds since 1970-01-01T00:00:00Z.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Instant(i64);

impl Instant {
    /// The length of the text form: `2026-03-03T10:00:02.123Z`.
    pub const TEXT_LENGTH: usize = 24;

    /// The last millisecond of the year 9999: later than any clock.
    pub const LATEST: Instant = Instant(253_402_300_799_999);
    /// 0001-01-01: earlier than any version.
    pub const EARLIEST: Instant = Instant(-62_135_596_800_000);

    pub fn from_milliseconds(milliseconds: i64) -> Instant {
        Instant(milliseconds)
    }

    /// Cuts off what is finer than a millisecond.
    pub fn from_microseconds(microseconds: i64) -> Instant {
        Instant(microseconds.div_euclid(1000))
    }

    pub fn milliseconds(self) -> i64 {
        self.0
    }

    pub fn microseconds(self) -> i64 {
        self.0.saturating_mul(1000)
    }

    pub fn seconds(self) -> i64 {
        self.0.div_euclid(1000)
    }

    pub fn now() -> Instant {
        Instant(jiff::Timestamp::now().as_millisecond())
    }

    /// Reads an `instant` with seconds and a zone (a `dateTime` of that precision too).
    pub fn parse(text: &str) -> Option<Instant> {
        let timestamp: jiff::Timestamp = text.parse().ok()?;
        Some(Instant(timestamp.as_millisecond()))
    }

    /// Reads an HTTP date such as `Tue, 03 Mar 2026 10:00:02 GMT`.
    pub fn parse_http(text: &str) -> Option<Instant> {
        let zoned = jiff::fmt::rfc2822::parse(text.trim()).ok()?;
        Some(Instant(zoned.timestamp().as_millisecond()))
    }

    /// The HTTP date: `Tue, 03 Mar 2026 10:00:02 GMT` (whole seconds). Written by hand: every
    /// read carries one, and a general formatter costs more than all the rest of its headers.
    pub fn to_http(self) -> String {
        const DAYS: [&str; 7] = ["Mon", "Tue", "Wed", "Thu", "Fri", "Sat", "Sun"];
        const MONTHS: [&str; 12] = [
            "Jan", "Feb", "Mar", "Apr", "May", "Jun", "Jul", "Aug", "Sep", "Oct", "Nov", "Dec",
        ];
        let at = self.civil();
        let day = DAYS[at.weekday().to_monday_zero_offset().unsigned_abs() as usize % 7];
        let month = MONTHS[at.month().unsigned_abs() as usize % 13 - 1];
        format!(
            "{day}, {:02} {month} {:04} {:02}:{:02}:{:02} GMT",
            at.day(),
            at.year(),
            at.hour(),
            at.minute(),
            at.second()
        )
    }

    /// The date and time in UTC; beyond the years 1 to 9999, the first or last moment of them.
    /// Not by way of a `jiff::Timestamp`, which ends a day before the year 9999 does.
    fn civil(self) -> jiff::civil::DateTime {
        let within = self.clamp(Instant::EARLIEST, Instant::LATEST);
        jiff::civil::date(1970, 1, 1)
            .at(0, 0, 0, 0)
            .saturating_add(jiff::SignedDuration::from_millis(within.0))
    }
}

impl fmt::Display for Instant {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{:.3}Z", self.civil())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn text_has_three_decimals_and_utc() {
        for (given, shown) in [
            ("2026-03-03T10:00:02Z", "2026-03-03T10:00:02.000Z"),
            ("2026-03-03T10:00:02.1239+01:00", "2026-03-03T09:00:02.123Z"),
            ("1969-12-31T23:59:59.999Z", "1969-12-31T23:59:59.999Z"),
        ] {
            let instant = Instant::parse(given).expect(given);
            assert_eq!(instant.to_string(), shown);
            assert_eq!(shown.len(), Instant::TEXT_LENGTH);
        }
        assert_eq!(Instant::parse("2026-03-03T10:00:02"), None);
        assert_eq!(Instant::parse("2026-03"), None);
    }

    #[test]
    fn far_instants_are_shown_as_the_ends_of_four_digit_years() {
        for (instant, shown) in [
            (Instant::LATEST, "9999-12-31T23:59:59.999Z"),
            (
                Instant::from_milliseconds(i64::MAX),
                "9999-12-31T23:59:59.999Z",
            ),
            (
                Instant::from_microseconds(i64::MAX),
                "9999-12-31T23:59:59.999Z",
            ),
            // The start of the last day, which lies behind the end of `jiff::Timestamp`.
            (
                Instant::from_milliseconds(253_402_214_400_000),
                "9999-12-31T00:00:00.000Z",
            ),
            (Instant::EARLIEST, "0001-01-01T00:00:00.000Z"),
            (
                Instant::from_milliseconds(i64::MIN),
                "0001-01-01T00:00:00.000Z",
            ),
        ] {
            assert_eq!(instant.to_string(), shown);
            assert!(!instant.to_http().contains("1970"), "{shown}");
        }
    }

    #[test]
    fn http_dates_return() {
        let instant = Instant::parse("2026-03-03T10:00:02Z").expect("valid");
        assert_eq!(instant.to_http(), "Tue, 03 Mar 2026 10:00:02 GMT");
        assert_eq!(Instant::parse_http(&instant.to_http()), Some(instant));
    }
}
