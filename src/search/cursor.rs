//! Where a page begins, as an opaque text in its link.
//!
//! ```text
//! cursor  = base64url(json checksum)
//! json    = [backward, [[value, …], type, key]]     what the match beside the page sorts by
//! ```
//!
//! The checksum covers the parameters that select and order, so that a damaged cursor, or
//! one of another search, is refused instead of answered wrongly. It is no signature: a
//! cursor grants nothing, since every page is searched anew with the rights of its caller.
//! <https://hl7.org/fhir/R4/http.html#paging>

use super::index::hash;
use super::plan::{RowTable, SortBy, SortKey};
use base64::Engine;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;

/// The place of a resource in the order of a search.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Position {
    /// A text for each sort key; `None` where the resource has no value.
    pub values: Vec<Option<String>>,
    /// `ResourceType::number`
    pub type_number: i16,
    pub key: i64,
}

impl Position {
    /// The value of a sort key.
    pub fn value(&self, at: usize) -> Option<&str> {
        self.values.get(at)?.as_deref()
    }

    /// Whether this can be a place in that order, so that its texts are safe to compare with.
    pub fn fits(&self, sort: &[SortKey]) -> bool {
        self.values.len() == sort.len()
            && self
                .values
                .iter()
                .zip(sort)
                .all(|(value, key)| match value {
                    Some(text) => is_value(text, &key.by),
                    None => matches!(key.by, SortBy::Rows { .. } | SortBy::Json(_)),
                })
    }
}

fn is_value(text: &str, by: &SortBy) -> bool {
    match by {
        SortBy::LastUpdated
        | SortBy::Rows {
            table: RowTable::Date,
            ..
        } => text.parse::<i64>().is_ok(),
        SortBy::Rows {
            table: RowTable::Quantity,
            ..
        } => is_plain_decimal(text),
        SortBy::Id | SortBy::Json(_) | SortBy::Rows { .. } => !text.contains('\0'),
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

/// A page's beginning: behind a position, or before it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Start {
    /// The page ends before the position instead of beginning behind it.
    pub backward: bool,
    /// `None`, backwards: the page ends where the order does.
    pub position: Option<Position>,
}

/// The cursor of a page of the search that `query` stands for.
pub fn encode(start: &Start, query: &str) -> String {
    let position = start.position.as_ref();
    let place = position.map(|at| (&at.values, at.type_number, at.key));
    let json = serde_json::json!([start.backward, place]).to_string();
    let checksum = checksum(&json, query);
    let mut bytes = json.into_bytes();
    bytes.extend(checksum);
    URL_SAFE_NO_PAD.encode(bytes)
}

/// The page of a cursor that [`encode`] made for the same search.
pub fn decode(cursor: &str, query: &str) -> Option<Start> {
    let bytes = URL_SAFE_NO_PAD.decode(cursor).ok()?;
    let (json, found) = bytes.split_at_checked(bytes.len().checked_sub(8)?)?;
    let json = std::str::from_utf8(json).ok()?;
    if checksum(json, query) != found {
        return None;
    }
    let (backward, place): (bool, Option<Place>) = serde_json::from_str(json).ok()?;
    let position = place.map(|(values, type_number, key)| Position {
        values,
        type_number,
        key,
    });
    (backward || position.is_some()).then_some(Start { backward, position })
}

type Place = (Vec<Option<String>>, i16, i64);

fn checksum(json: &str, query: &str) -> [u8; 8] {
    hash(&format!("{json}\n{query}")).to_le_bytes()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn cursors_return_and_damaged_or_foreign_ones_do_not() {
        for values in [
            vec![],
            vec![None],
            vec![Some("-1.50".to_owned()), None],
            vec![Some("Müller, \"Eva\"".to_owned())],
        ] {
            let position = Position {
                values,
                type_number: 102,
                key: i64::MIN,
            };
            let start = Start {
                backward: position.values.is_empty(),
                position: Some(position),
            };
            let cursor = encode(&start, "Patient?a=b");
            assert_eq!(decode(&cursor, "Patient?a=b").as_ref(), Some(&start));
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
        let rows = |table| SortBy::Rows {
            table,
            slots: vec![1],
            single: false,
        };
        let at = |value: Option<&str>| Position {
            values: vec![value.map(str::to_owned)],
            type_number: 1,
            key: 1,
        };
        for (by, good, bad) in [
            (rows(RowTable::Date), Some("-5"), Some("2020-01-01")),
            (rows(RowTable::Quantity), Some("-0.5"), Some("1e999999")),
            (rows(RowTable::Quantity), Some("-Infinity"), Some("NaN-")),
            (rows(RowTable::String), None, Some("x\0")),
            (SortBy::LastUpdated, Some("5"), Some("x")),
            (SortBy::Id, Some("x"), None),
        ] {
            let sort = [SortKey {
                by,
                descending: true,
            }];
            assert!(at(good).fits(&sort), "{good:?}");
            assert!(!at(bad).fits(&sort), "{bad:?}");
        }
        assert!(!at(Some("x")).fits(&[]));
    }
}
