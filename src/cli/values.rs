//! The small grammars of option values: sizes, times, counts, switches, URLs.
//!
//! ```text
//! size  = number [ "B" | "KiB" | "MiB" | "GiB" | "KB" | "MB" | "GB" ]     powers of 1024 or of 1000
//! time  = number [ "ms" | "s" | "m" | "h" ]                               seconds if nothing is said
//! count = number                                                          1 or more
//! ```
//!
//! Each error says what was expected; the caller adds which option it was and what it held.

use std::net::{SocketAddr, ToSocketAddrs};
use std::time::Duration;

/// A size in bytes, 1 or more.
pub fn parse_size(text: &str) -> Result<usize, String> {
    let expected = || "expected a size such as 65536, 64KiB or 64MB".to_owned();
    let (number, unit) = split_unit(text);
    let factor: usize = match unit.to_ascii_lowercase().as_str() {
        "" | "b" => 1,
        "kib" => 1 << 10,
        "mib" => 1 << 20,
        "gib" => 1 << 30,
        "kb" => 1_000,
        "mb" => 1_000_000,
        "gb" => 1_000_000_000,
        _ => return Err(expected()),
    };
    let number: usize = number.parse().map_err(|_| expected())?;
    match number.checked_mul(factor) {
        Some(size) if size > 0 => Ok(size),
        _ => Err(expected()),
    }
}

/// A span of time, more than none.
pub fn parse_time(text: &str) -> Result<Duration, String> {
    let expected = || "expected a time such as 500ms, 30s or 5m".to_owned();
    let (number, unit) = split_unit(text);
    let milliseconds: u64 = match unit {
        "ms" => 1,
        "" | "s" => 1_000,
        "m" => 60_000,
        "h" => 3_600_000,
        _ => return Err(expected()),
    };
    let number: u64 = number.parse().map_err(|_| expected())?;
    match number.checked_mul(milliseconds) {
        Some(time) if time > 0 => Ok(Duration::from_millis(time)),
        _ => Err(expected()),
    }
}

/// A whole number, 1 or more.
pub fn parse_count(text: &str) -> Result<usize, String> {
    match text.parse() {
        Ok(count) if count > 0 => Ok(count),
        _ => Err("expected a whole number, 1 or more".to_owned()),
    }
}

pub fn parse_switch(text: &str) -> Result<bool, String> {
    match text {
        "true" | "yes" | "on" | "1" => Ok(true),
        "false" | "no" | "off" | "0" => Ok(false),
        _ => Err("expected true or false".to_owned()),
    }
}

/// One of a few words.
pub fn parse_word<T: Copy>(text: &str, words: &[(&str, T)]) -> Result<T, String> {
    words
        .iter()
        .find(|(word, _)| *word == text)
        .map(|(_, value)| *value)
        .ok_or_else(|| {
            let words: Vec<&str> = words.iter().map(|(word, _)| *word).collect();
            format!("expected {}", words.join(" or "))
        })
}

/// An address to listen on; a name such as `localhost` is looked up once.
pub fn parse_address(text: &str) -> Result<SocketAddr, String> {
    if let Ok(address) = text.parse() {
        return Ok(address);
    }
    text.to_socket_addrs()
        .ok()
        .and_then(|mut found| found.next())
        .ok_or_else(|| "expected an address and a port such as 127.0.0.1:8080".to_owned())
}

/// An absolute URL of HTTP without query; what is returned has no slash at its end.
pub fn parse_http_url(text: &str) -> Result<String, String> {
    let expected = || "expected a URL such as https://fhir.example.org".to_owned();
    let url = reqwest::Url::parse(text).map_err(|_| expected())?;
    let plain = matches!(url.scheme(), "http" | "https")
        && url.host_str().is_some()
        && url.query().is_none()
        && url.fragment().is_none();
    match plain {
        true => Ok(text.trim_end_matches('/').to_owned()),
        false => Err(expected()),
    }
}

fn split_unit(text: &str) -> (&str, &str) {
    let text = text.trim();
    let digits = text.bytes().take_while(u8::is_ascii_digit).count();
    let (number, unit) = text.split_at(digits);
    (number, unit.trim_start())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn sizes_are_read() {
        let cases = [
            ("1", Some(1)),
            ("64MiB", Some(64 << 20)),
            ("64 mib", Some(64 << 20)),
            ("2KB", Some(2_000)),
            ("1GiB", Some(1 << 30)),
            ("0", None),
            ("", None),
            ("MiB", None),
            ("-1", None),
            ("1.5MiB", None),
            ("64M", None),
            ("99999999999999999999", None),
            ("99999999999999GiB", None),
        ];
        for (text, expected) in cases {
            assert_eq!(parse_size(text).ok(), expected, "{text}");
        }
    }

    #[test]
    fn times_are_read() {
        let cases = [
            ("500ms", Some(500)),
            ("30s", Some(30_000)),
            ("30", Some(30_000)),
            ("2m", Some(120_000)),
            ("1h", Some(3_600_000)),
            ("0s", None),
            ("soon", None),
            ("5d", None),
        ];
        for (text, expected) in cases {
            let expected = expected.map(Duration::from_millis);
            assert_eq!(parse_time(text).ok(), expected, "{text}");
        }
    }

    #[test]
    fn urls_lose_their_last_slash() {
        let cases = [
            (
                "https://fhir.example.org/",
                Some("https://fhir.example.org"),
            ),
            ("http://127.0.0.1:8080", Some("http://127.0.0.1:8080")),
            ("https://example.org/a/b/", Some("https://example.org/a/b")),
            ("https://example.org?x=y", None),
            ("ftp://example.org", None),
            ("example.org", None),
        ];
        for (text, expected) in cases {
            assert_eq!(parse_http_url(text).ok().as_deref(), expected, "{text}");
        }
    }

    #[test]
    fn addresses_need_a_port() {
        for (text, fine) in [
            ("127.0.0.1:8080", true),
            ("[::1]:0", true),
            ("127.0.0.1", false),
            (":8080", false),
        ] {
            assert_eq!(parse_address(text).is_ok(), fine, "{text}");
        }
    }
}
