//! Dates of any precision as spans of the time line.
//! <https://hl7.org/fhir/R4/datatypes.html#dateTime>
//!
//! ```text
//! yyyy [- mm [- dd [T hh:mm [:ss [.f+]] [Z | ±hh:mm]]]]
//! ```
//!
//! This is the form of search values, which may stop at the minute; the types `date`,
//! `dateTime` and `instant` are narrower, which is the business of validation. A time
//! without a zone, and a date, which has none, are read as UTC: an answer must not depend on
//! where a server happens to run.

use jiff::civil;

const SECOND: i64 = 1_000_000;
const MINUTE: i64 = 60 * SECOND;
const DAY: i64 = 24 * 60 * MINUTE;

/// The half-open span `[low, high)` in microseconds since 1970 that a date stands for: a
/// day of `2013-01-14`, a second of `2013-01-14T10:00:00Z`.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Span {
    pub low: i64,
    pub high: i64,
}

impl Span {
    /// Reads a date; `None` where it is not of the form or not in the calendar (February 30,
    /// 24:00). Years run from 1 to 9999.
    pub fn parse(text: &str) -> Option<Span> {
        match text.split_once('T') {
            None => parse_date(text),
            Some((date, time)) => {
                let day = parse_date(date).filter(|_| date.len() == 10)?;
                let (time, offset) = split_zone(time)?;
                let (start, length) = parse_time(time)?;
                let low = day.low + start - offset;
                Some(Span {
                    low,
                    high: low + length,
                })
            }
        }
    }
}

fn number(text: &str, digits: usize) -> Option<i64> {
    let well_formed = text.len() == digits && text.bytes().all(|byte| byte.is_ascii_digit());
    text.parse().ok().filter(|_| well_formed)
}

fn parse_date(text: &str) -> Option<Span> {
    let mut parts = text.split('-');
    let year = number(parts.next()?, 4).filter(|year| *year > 0)?;
    let month = parts
        .next()
        .map(|text| number(text, 2).ok_or(()))
        .transpose()
        .ok()?;
    let day = parts
        .next()
        .map(|text| number(text, 2).ok_or(()))
        .transpose()
        .ok()?;
    if parts.next().is_some() {
        return None;
    }
    let first = civil::Date::new(
        i16::try_from(year).ok()?,
        i8::try_from(month.unwrap_or(1)).ok()?,
        i8::try_from(day.unwrap_or(1)).ok()?,
    )
    .ok()?;
    let days = match (month, day) {
        (None, _) => i64::from(first.days_in_year()),
        (Some(_), None) => i64::from(first.days_in_month()),
        (Some(_), Some(_)) => 1,
    };
    let low = first.duration_since(civil::date(1970, 1, 1)).as_secs() * SECOND;
    Some(Span {
        low,
        high: low + days * DAY,
    })
}

/// The time without its zone, and the zone's distance from UTC.
fn split_zone(text: &str) -> Option<(&str, i64)> {
    if let Some(time) = text.strip_suffix('Z') {
        return Some((time, 0));
    }
    let Some(at) = text.find(['+', '-']) else {
        return Some((text, 0));
    };
    let (hours, minutes) = text[at + 1..].split_once(':')?;
    let hours = number(hours, 2).filter(|hours| *hours <= 14)?;
    let minutes = number(minutes, 2).filter(|minutes| *minutes < 60)?;
    let size = (hours * 60 + minutes) * MINUTE;
    let offset = if text.as_bytes()[at] == b'-' {
        -size
    } else {
        size
    };
    Some((&text[..at], offset))
}

/// Where in its day a time begins, and how long what it names is.
fn parse_time(text: &str) -> Option<(i64, i64)> {
    let mut parts = text.split(':');
    let hour = number(parts.next()?, 2).filter(|hour| *hour < 24)?;
    let minute = number(parts.next()?, 2).filter(|minute| *minute < 60)?;
    let start = (hour * 60 + minute) * MINUTE;
    let Some(seconds) = parts.next() else {
        return Some((start, MINUTE));
    };
    if parts.next().is_some() {
        return None;
    }
    let (second, fraction) = match seconds.split_once('.') {
        Some((second, fraction)) => (second, Some(fraction)),
        None => (seconds, None),
    };
    // 60 is a leap second.
    let second = number(second, 2).filter(|second| *second <= 60)?;
    let start = start + second * SECOND;
    match fraction {
        None => Some((start, SECOND)),
        Some(fraction) => {
            let (part, length) = parse_fraction(fraction)?;
            Some((start + part, length))
        }
    }
}

/// Microseconds, and how many of them the last digit stands for; finer digits are dropped.
fn parse_fraction(text: &str) -> Option<(i64, i64)> {
    if text.is_empty() || !text.bytes().all(|byte| byte.is_ascii_digit()) {
        return None;
    }
    let kept = &text[..text.len().min(6)];
    let unit = 10_i64.pow(6 - u32::try_from(kept.len()).ok()?);
    Some((kept.parse::<i64>().ok()? * unit, unit))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn spans_are_as_long_as_what_is_written() {
        let day = |days: i64| days * DAY;
        for (text, low, length) in [
            ("1970", 0, day(365)),
            ("1972", day(730), day(366)),
            ("1970-02", day(31), day(28)),
            ("1970-01-02", day(1), day(1)),
            ("1970-01-01T00:00Z", 0, MINUTE),
            ("1970-01-01T00:00", 0, MINUTE),
            ("1970-01-01T00:01:00Z", MINUTE, SECOND),
            ("1970-01-01T00:00:00.5Z", SECOND / 2, SECOND / 10),
            ("1970-01-01T00:00:00.123456789Z", 123_456, 1),
            ("1970-01-01T01:00:00+01:00", 0, SECOND),
            ("1969-12-31T19:00:00-05:00", 0, SECOND),
            ("1969-12-31", -DAY, DAY),
            ("9999-12", 253_399_622_400 * SECOND, day(31)),
        ] {
            let span = Span::parse(text).unwrap_or_else(|| panic!("{text} is a date"));
            assert_eq!((span.low, span.high - span.low), (low, length), "{text}");
        }
    }

    #[test]
    fn what_is_no_date() {
        for text in [
            "",
            "foo",
            "24-1-1",
            "2024-02-30",
            "2023-02-29",
            "2024-13",
            "2024-00",
            "0000",
            "02024",
            "2024-1-01",
            "2024-01-01T",
            "2024-01-01T10",
            "2024-01-01T24:00",
            "2024-01-01T10:60",
            "2024-01-01T10:00:61",
            "2024-01T10:00",
            "2024-01-01T10:00:00.",
            "2024-01-01T10:00+1",
            "2024-01-01T10:00+15:00",
            "2024-01-01T10:00:00z",
            "2024-01-01-01",
            "+2024",
            "2024-01-01 ",
            "２０２４",
        ] {
            assert_eq!(Span::parse(text), None, "{text}");
        }
    }
}
