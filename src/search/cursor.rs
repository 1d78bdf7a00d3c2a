//! Where a page begins, as an opaque text in its link.
//!
//! ```text
//! cursor = base64url(nonce sealed)               sealed with the secret of the database
//! sealed = [backward, [[value, …], type, key]]   what the match beside the page sorts by
//! ```
//!
//! The values are of patients, and links stand in logs and histories: so they are encrypted
//! (ChaCha20-Poly1305, <https://www.rfc-editor.org/rfc/rfc8439>). The parameters that select and
//! order are authenticated with them, so that a damaged cursor, or one of another search, tenant
//! or database, is refused instead of answered wrongly. A cursor grants nothing, since
//! every page is searched anew with the rights of its caller. The secret is made once per
//! database, so that cursors outlive a restart and hold on every node.
//! <https://hl7.org/fhir/R4/http.html#paging>

use super::plan::{RowTable, SortBy, SortKey};
use crate::access::Tenant;
use base64::Engine;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use ring::aead::{Aad, CHACHA20_POLY1305, LessSafeKey, NONCE_LEN, Nonce, UnboundKey};
use ring::rand::{SecureRandom, SystemRandom};
use std::fmt;
use std::sync::LazyLock;

/// What cursors are sealed with.
#[derive(Clone, Copy, PartialEq, Eq)]
pub struct Secret {
    bytes: [u8; Secret::BYTES],
    /// Whose cursors they are.
    tenant: Option<Tenant>,
}

impl Secret {
    pub const BYTES: usize = 32;

    pub fn new(bytes: [u8; Secret::BYTES]) -> Secret {
        Secret {
            bytes,
            tenant: None,
        }
    }

    /// The same for the cursors of one tenant, which are none of another's.
    pub fn of(self, tenant: Tenant) -> Secret {
        Secret {
            tenant: Some(tenant),
            ..self
        }
    }

    /// What a cursor is bound to beside what is in it.
    fn bound_to(&self, query: &str) -> Aad<String> {
        Aad::from(match self.tenant {
            Some(Tenant(tenant)) => format!("{tenant}/{query}"),
            None => query.to_owned(),
        })
    }

    fn key(&self) -> LessSafeKey {
        let key = UnboundKey::new(&CHACHA20_POLY1305, &self.bytes);
        LessSafeKey::new(key.expect("a key of this algorithm has 32 bytes"))
    }
}

/// One of this process alone, for searches without a database that keeps one.
impl Default for Secret {
    fn default() -> Secret {
        static OWN: LazyLock<Secret> = LazyLock::new(|| Secret::new(random()));
        *OWN
    }
}

/// It is not shown.
impl fmt::Debug for Secret {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Secret")
    }
}

/// Bytes that nobody can guess.
pub fn random<const N: usize>() -> [u8; N] {
    let mut bytes = [0; N];
    let filled = SystemRandom::new().fill(&mut bytes);
    filled.expect("the operating system has random bytes");
    bytes
}

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
                    None => !matches!(key.by, SortBy::LastUpdated | SortBy::Id),
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
        SortBy::Distance(_) => text.parse::<f64>().is_ok_and(f64::is_finite),
        SortBy::Score(_) => text.parse::<f32>().is_ok_and(f32::is_finite),
        SortBy::Id | SortBy::Json(_) | SortBy::Boolean(_) | SortBy::Rows { .. } => {
            !text.contains('\0')
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

/// A page's beginning: behind a position, or before it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Start {
    /// The page ends before the position instead of beginning behind it.
    pub backward: bool,
    /// `None`, backwards: the page ends where the order does.
    pub position: Option<Position>,
}

/// The cursor of a page of the search that `query` stands for.
pub fn encode(start: &Start, query: &str, secret: &Secret) -> String {
    let position = start.position.as_ref();
    let place = position.map(|at| (&at.values, at.type_number, at.key));
    let mut sealed = serde_json::json!([start.backward, place])
        .to_string()
        .into_bytes();
    let nonce: [u8; NONCE_LEN] = random();
    let unique = Nonce::assume_unique_for_key(nonce);
    let done = secret
        .key()
        .seal_in_place_append_tag(unique, secret.bound_to(query), &mut sealed);
    done.expect("a cursor is shorter than the 256 GiB of one nonce");
    URL_SAFE_NO_PAD.encode([&nonce[..], &sealed].concat())
}

/// The page of a cursor that [`encode`] made for the same search with the same secret.
pub fn decode(cursor: &str, query: &str, secret: &Secret) -> Option<Start> {
    let mut bytes = URL_SAFE_NO_PAD.decode(cursor).ok()?;
    let (nonce, sealed) = bytes.split_at_mut_checked(NONCE_LEN)?;
    let nonce = Nonce::try_assume_unique_for_key(nonce).ok()?;
    let opened = secret
        .key()
        .open_in_place(nonce, secret.bound_to(query), sealed);
    let (backward, place): (bool, Option<Place>) = serde_json::from_slice(opened.ok()?).ok()?;
    let position = place.map(|(values, type_number, key)| Position {
        values,
        type_number,
        key,
    });
    (backward || position.is_some()).then_some(Start { backward, position })
}

type Place = (Vec<Option<String>>, i16, i64);

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
            let (secret, other) = (Secret::new([7; 32]), Secret::new([8; 32]));
            let read = |cursor: &str| decode(cursor, "Patient?a=b", &secret);
            let cursor = encode(&start, "Patient?a=b", &secret);
            assert_eq!(read(&cursor).as_ref(), Some(&start));
            assert_ne!(encode(&start, "Patient?a=b", &secret), cursor);
            assert_eq!(decode(&cursor, "Patient?a=c", &secret), None);
            assert_eq!(decode(&cursor, "Patient?a=b", &other), None);
            let (ours, theirs) = (secret.of(Tenant(1)), secret.of(Tenant(2)));
            let cursor_of_ours = encode(&start, "Patient?a=b", &ours);
            assert_eq!(
                decode(&cursor_of_ours, "Patient?a=b", &ours),
                Some(start.clone())
            );
            assert_eq!(decode(&cursor_of_ours, "Patient?a=b", &theirs), None);
            for index in 0..cursor.len() {
                let mut damaged = cursor.clone().into_bytes();
                damaged[index] = if damaged[index] == b'A' { b'B' } else { b'A' };
                let damaged = String::from_utf8(damaged).expect("ASCII");
                assert_eq!(read(&damaged), None, "{damaged}");
                assert_eq!(read(&cursor[..index]), None);
            }
        }
    }

    #[test]
    fn a_cursor_shows_neither_values_nor_secret() {
        let position = Position {
            values: vec![Some("vale".to_owned())],
            type_number: 102,
            key: 1,
        };
        let start = Start {
            backward: false,
            position: Some(position),
        };
        let secret = Secret::new([7; 32]);
        let cursor = encode(&start, "Patient?a=b", &secret);
        let bytes = URL_SAFE_NO_PAD.decode(&cursor).expect("base64");
        let is_value = |bytes: &[u8]| bytes == b"vale" || bytes == [7; 4];
        assert!(!bytes.windows(4).any(is_value));
        assert_eq!(format!("{secret:?}"), "Secret");
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
