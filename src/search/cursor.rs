//! Where a page begins, as an opaque text in its link.
//!
//! ```text
//! cursor  = base64url(json checksum)
//! json    = [value, type, key]     what the last match before the page sorts by
//! ```
//!
//! The checksum covers the parameters that select and order, so that a damaged cursor, or
//! one of another search, is refused instead of answered wrongly. It is no signature: a
//! cursor grants nothing, since every page is searched anew with the rights of its caller.
//! <https://hl7.org/fhir/R4/http.html#paging>

use super::index::hash;
use super::plan::{RowTable, Sort};
use base64::Engine;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;

/// The place of a resource in the order of a search.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Position {
    /// The sort value as text; `None` where the resource has none, or only the key counts.
    pub value: Option<String>,
    /// `ResourceType::number`
    pub type_number: i16,
    pub key: i64,
}

impl Position {
    /// Whether this can be a place in that order, so that its text is safe to compare with.
    pub fn fits(&self, sort: &Sort) -> bool {
        match (sort, self.value.as_deref()) {
            (Sort::Key, value) => value.is_none(),
            (Sort::Rows { .. }, None) => true,
            (_, None) => false,
            (Sort::LastUpdated { .. }, Some(text)) => text.parse::<i64>().is_ok(),
            (
                Sort::Rows {
                    table: RowTable::Date,
                    ..
                },
                Some(text),
            ) => text.parse::<i64>().is_ok(),
            (
                Sort::Rows {
                    table: RowTable::Quantity,
                    ..
                },
                Some(text),
            ) => is_plain_decimal(text),
            (Sort::Id { .. } | Sort::Rows { .. }, Some(text)) => !text.contains('\0'),
        }
    }
}

/// What PostgreSQL prints of a `numeric`: never an exponent.
fn is_plain_decimal(text: &str) -> bool {
    let digits = |text: &str| !text.is_empty() && text.bytes().all(|b| b.is_ascii_digit());
    let text = text.strip_prefix('-').unwrap_or(text);
    match text.split_once('.') {
        Some((whole, fraction)) => digits(whole) && digits(fraction),
        None => digits(text) || text == "Infinity",
    }
}

/// The cursor of a position in the search that `query` stands for.
pub fn encode(position: &Position, query: &str) -> String {
    let json = serde_json::json!([position.value, position.type_number, position.key]).to_string();
    let checksum = checksum(&json, query);
    let mut bytes = json.into_bytes();
    bytes.extend(checksum);
    URL_SAFE_NO_PAD.encode(bytes)
}

/// The position of a cursor that [`encode`] made for the same search.
pub fn decode(cursor: &str, query: &str) -> Option<Position> {
    let bytes = URL_SAFE_NO_PAD.decode(cursor).ok()?;
    let (json, found) = bytes.split_at_checked(bytes.len().checked_sub(8)?)?;
    let json = std::str::from_utf8(json).ok()?;
    if checksum(json, query) != found {
        return None;
    }
    let (value, type_number, key) = serde_json::from_str(json).ok()?;
    Some(Position {
        value,
        type_number,
        key,
    })
}

fn checksum(json: &str, query: &str) -> [u8; 8] {
    hash(&format!("{json}\n{query}")).to_le_bytes()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn cursors_return_and_damaged_or_foreign_ones_do_not() {
        for value in [
            None,
            Some("-1.50".to_owned()),
            Some("Müller, \"Eva\"".to_owned()),
        ] {
            let position = Position {
                value,
                type_number: 102,
                key: i64::MIN,
            };
            let cursor = encode(&position, "Patient?a=b");
            assert_eq!(decode(&cursor, "Patient?a=b").as_ref(), Some(&position));
            assert_eq!(decode(&cursor, "Patient?a=c"), None);
            for index in 0..cursor.len() {
                let mut damaged = cursor.clone().into_bytes();
                damaged[index] = if damaged[index] == b'A' { b'B' } else { b'A' };
                let damaged = String::from_utf8(damaged).expect("ASCII");
                assert_eq!(decode(&damaged, "Patient?a=b"), None, "{damaged}");
                assert_eq!(decode(&cursor[..index], "Patient?a=b"), None);
            }
        }
    }

    #[test]
    fn a_forged_value_does_not_reach_the_database() {
        let rows = |table| Sort::Rows {
            table,
            slots: vec![1],
            descending: false,
        };
        let at = |value: &str| Position {
            value: Some(value.into()),
            type_number: 1,
            key: 1,
        };
        for (sort, good, bad) in [
            (rows(RowTable::Date), "-5", "2020-01-01"),
            (rows(RowTable::Quantity), "-0.5", "1e999999"),
            (rows(RowTable::Quantity), "-Infinity", "NaN-"),
            (rows(RowTable::String), "x", "x\0"),
            (Sort::LastUpdated { descending: true }, "5", "x"),
        ] {
            assert!(at(good).fits(&sort), "{good}");
            assert!(!at(bad).fits(&sort), "{bad}");
        }
        assert!(!at("x").fits(&Sort::Key));
    }
}
