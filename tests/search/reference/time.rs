//! Dates as half-open spans of microseconds, by counting days.
//! <https://hl7.org/fhir/R4/search.html#date>
//!
//! Without a zone, UTC. Digits finer than a microsecond are dropped.

/// `[low, high)`, in microseconds since 1970.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Span {
    pub low: i64,
    pub high: i64,
}

/// What an open end stands for: before and after all dates.
pub const OPEN: i64 = 1 << 62;

const SECOND: i64 = 1_000_000;
const DAY: i64 = 86_400 * SECOND;

impl Span {
    /// `yyyy[-mm[-dd[Thh:mm[:ss[.f+]][zone]]]]`
    pub fn parse(text: &str) -> Option<Span> {
        let (date, time) = match text.split_once('T') {
            Some((date, time)) => (date, Some(time)),
            None => (text, None),
        };
        let parts: Vec<&str> = date.split('-').collect();
        let lengths: Vec<usize> = parts.iter().map(|part| part.len()).collect();
        if ![&[4][..], &[4, 2], &[4, 2, 2]].contains(&lengths.as_slice()) {
            return None;
        }
        let numbers = parts.iter().map(|part| digits(part));
        let numbers = numbers.collect::<Option<Vec<i64>>>()?;
        let (year, month) = (numbers[0], *numbers.get(1).unwrap_or(&1));
        let day = *numbers.get(2).unwrap_or(&1);
        if year == 0
            || !(1..=12).contains(&month)
            || !(1..=month_length(year, month)).contains(&day)
        {
            return None;
        }
        let low = days_before(year, month) + day - 1;
        let high = match parts.len() {
            1 => days_before(year + 1, 1),
            2 => low + month_length(year, month),
            _ => low + 1,
        };
        match time {
            None => Some(Span {
                low: low * DAY,
                high: high * DAY,
            }),
            Some(_) if parts.len() < 3 => None,
            Some(time) => of_time(low * DAY, time),
        }
    }
}

fn digits(text: &str) -> Option<i64> {
    let plain = !text.is_empty() && text.bytes().all(|byte| byte.is_ascii_digit());
    text.parse().ok().filter(|_| plain)
}

fn is_leap(year: i64) -> bool {
    year % 4 == 0 && (year % 100 != 0 || year % 400 == 0)
}

fn month_length(year: i64, month: i64) -> i64 {
    match month {
        2 => 28 + i64::from(is_leap(year)),
        4 | 6 | 9 | 11 => 30,
        _ => 31,
    }
}

/// Days from 1970 to the first of that month, counted year by year.
fn days_before(year: i64, month: i64) -> i64 {
    let year_length = |year: i64| 365 + i64::from(is_leap(year));
    let years: i64 = if year >= 1970 {
        (1970..year).map(year_length).sum()
    } else {
        -(year..1970).map(year_length).sum::<i64>()
    };
    years
        + (1..month)
            .map(|month| month_length(year, month))
            .sum::<i64>()
}

fn of_time(midnight: i64, text: &str) -> Option<Span> {
    let (time, zone) = match text.find(['Z', '+', '-']) {
        Some(at) => text.split_at(at),
        None => (text, "Z"),
    };
    let offset = match zone.as_bytes() {
        [b'Z'] => 0,
        [sign, _, _, b':', _, _] => {
            let (hours, minutes) = (digits(&zone[1..3])?, digits(&zone[4..6])?);
            if hours > 14 || minutes > 59 {
                return None;
            }
            (hours * 60 + minutes) * 60 * SECOND * if *sign == b'-' { -1 } else { 1 }
        }
        _ => return None,
    };
    let parts: Vec<&str> = time.split(':').collect();
    let two = |text: &str, most: i64| digits(text).filter(|n| text.len() == 2 && *n <= most);
    let clock = match parts.as_slice() {
        [hour, minute] | [hour, minute, _] => {
            (two(hour, 23)? * 60 + two(minute, 59)?) * 60 * SECOND
        }
        _ => return None,
    };
    let (seconds, length) = match parts.get(2) {
        None => (0, 60 * SECOND),
        Some(seconds) => {
            let (whole, fraction) = match seconds.split_once('.') {
                Some((whole, fraction)) => (whole, fraction),
                None => (*seconds, "-"),
            };
            let whole = two(whole, 60)? * SECOND;
            match fraction {
                "-" => (whole, SECOND),
                fraction => {
                    digits(fraction.get(..1)?)?;
                    let all_digits = fraction.bytes().all(|byte| byte.is_ascii_digit());
                    let kept: String = fraction.chars().take(6).collect();
                    let unit = 10_i64.pow(6 - u32::try_from(kept.len()).ok()?);
                    (whole + digits(&kept).filter(|_| all_digits)? * unit, unit)
                }
            }
        }
    };
    let low = midnight + clock + seconds - offset;
    Some(Span {
        low,
        high: low + length,
    })
}

#[test]
fn spans_are_counted() {
    for (text, low, length) in [
        ("1970", 0, 365 * DAY),
        ("1972-02", 761 * DAY, 29 * DAY),
        ("1969-12-31", -DAY, DAY),
        ("1970-01-01T00:01", 60 * SECOND, 60 * SECOND),
        ("1970-01-01T01:00:00+01:00", 0, SECOND),
        ("1969-12-31T19:00:00.5-05:00", SECOND / 2, SECOND / 10),
    ] {
        let span = Span::parse(text).expect(text);
        assert_eq!((span.low, span.high - span.low), (low, length), "{text}");
    }
    for text in [
        "",
        "2023-02-29",
        "2024-13",
        "2024-01-01T10",
        "2024-01-01T24:00",
        "24-1-1",
    ] {
        assert_eq!(Span::parse(text), None, "{text}");
    }
}
