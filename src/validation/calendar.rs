//! The texts of dates and times, by the day and not only by the look: 2024-02-30 is refused.
//!
//! <https://hl7.org/fhir/R4/datatypes.html#date>, `#dateTime`, `#instant`, `#time`: a time has
//! seconds, a `dateTime` with a time has a zone, a leap second is allowed, hour 24 is not. Only
//! the form is checked here; what the text means is read in `fhir` and by search.

/// `YYYY(-MM(-DD)?)?`, on the calendar.
pub(super) fn is_date(text: &[u8]) -> bool {
    match text.len() {
        4 => year(text).is_some(),
        7 => month(text).is_some(),
        10 => is_day(text),
        _ => false,
    }
}

/// The year of `YYYY...`; there is no year 0000.
fn year(text: &[u8]) -> Option<u32> {
    let digits = text.get(..4)?;
    let year = digits
        .iter()
        .try_fold(0, |sum, &byte| Some(sum * 10 + digit(byte)?))?;
    (year > 0).then_some(year)
}

/// Year and month of `YYYY-MM...`.
fn month(text: &[u8]) -> Option<(u32, u32)> {
    let year = year(text)?;
    let month = after(text.get(4..)?, b'-', 1, 12)?.0;
    Some((year, month))
}

/// `YYYY-MM-DD` and nothing behind it.
fn is_day(text: &[u8]) -> bool {
    let day = || {
        let (year, month) = month(text)?;
        let (_, rest) = after(text.get(7..)?, b'-', 1, days_of(year, month))?;
        Some(rest.is_empty())
    };
    day().unwrap_or(false)
}

fn days_of(year: u32, month: u32) -> u32 {
    let is_leap = year.is_multiple_of(4) && (!year.is_multiple_of(100) || year.is_multiple_of(400));
    match month {
        2 if is_leap => 29,
        2 => 28,
        4 | 6 | 9 | 11 => 30,
        _ => 31,
    }
}

/// `YYYY-MM-DDThh:mm:ss(.s+)?(Z|[+-]hh:mm)`
pub(super) fn is_instant(text: &[u8]) -> bool {
    let zoned = || {
        let (date, rest) = text.split_at_checked(10)?;
        let zone = time(rest.strip_prefix(b"T")?)?;
        Some(is_day(date) && is_zone(zone))
    };
    zoned().unwrap_or(false)
}

/// `hh:mm:ss(.s+)?`
pub(super) fn is_time(text: &[u8]) -> bool {
    time(text).is_some_and(<[u8]>::is_empty)
}

/// What follows a time `hh:mm:ss(.s+)?`. A leap second is allowed, hour 24 is not.
fn time(text: &[u8]) -> Option<&[u8]> {
    let (_, rest) = two_digits(text).filter(|(hour, _)| *hour < 24)?;
    let (_, rest) = after(rest, b':', 0, 59)?;
    let (_, rest) = after(rest, b':', 0, 60)?;
    let Some(fraction) = rest.strip_prefix(b".") else {
        return Some(rest);
    };
    let digits = fraction
        .iter()
        .take_while(|byte| byte.is_ascii_digit())
        .count();
    (digits > 0).then(|| &fraction[digits..])
}

/// `Z`, or an offset of at most 14 hours.
fn is_zone(text: &[u8]) -> bool {
    let offset = || {
        let (sign, digits) = text.split_first()?;
        let (hour, rest) = two_digits(digits)?;
        let (minute, rest) = after(rest, b':', 0, 59)?;
        let is_in_range = hour < 14 || hour == 14 && minute == 0;
        Some(matches!(sign, b'+' | b'-') && is_in_range && rest.is_empty())
    };
    text == b"Z" || offset().unwrap_or(false)
}

/// Two digits behind a separator, in a range, and what follows them.
fn after(text: &[u8], separator: u8, least: u32, most: u32) -> Option<(u32, &[u8])> {
    let (first, rest) = text.split_first()?;
    let (number, rest) = two_digits(rest)?;
    (*first == separator && (least..=most).contains(&number)).then_some((number, rest))
}

fn two_digits(text: &[u8]) -> Option<(u32, &[u8])> {
    let (digits, rest) = text.split_at_checked(2)?;
    Some((digit(digits[0])? * 10 + digit(digits[1])?, rest))
}

fn digit(byte: u8) -> Option<u32> {
    byte.is_ascii_digit().then(|| u32::from(byte - b'0'))
}
