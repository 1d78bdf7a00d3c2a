//! The plan of a search: what must hold of a resource, in terms of what is indexed.
//!
//! A plan is plain data that prints itself; `sql` alone turns it into a statement.

use super::index::{Microseconds, Slot};
use crate::fhir::{Instant, ResourceType};
use std::fmt;

/// What must hold of a resource.
#[derive(Clone, Debug, PartialEq)]
pub enum Predicate {
    /// Holds of every resource.
    Everything,
    /// Holds of none: a logical no-match such as an unknown code.
    Nothing,
    And(Vec<Predicate>),
    Or(Vec<Predicate>),
    Not(Box<Predicate>),
    /// At least one of these entries (slot and hash of the value) is there.
    Entries(Vec<(Slot, i64)>),
    /// A date row of the slot passes.
    Date { slot: i32, test: RangeTest<Microseconds> },
    /// A string row of the slot passes.
    String { slot: i32, test: StringTest },
    /// A quantity row of the slot passes.
    Quantity {
        slot: i32,
        test: RangeTest<String>,
        unit: UnitTest,
    },
    /// The resource has one of these logical ids.
    Id(Vec<String>),
    /// The resource is of one of these types (system-level search).
    Type(Vec<ResourceType>),
    LastUpdated(RangeTest<Instant>),
}

/// A comparison of a value's range with bounds. For dates the ranges are half-open, for
/// quantities `low` and `high` are inclusive ends of the value and the test names which
/// bound is inclusive.
#[derive(Clone, Debug, PartialEq)]
pub enum RangeTest<T> {
    /// The value lies within: `value.low >= low` and `value.high <= high` (dates, both
    /// half-open) or `value.high < high` (quantities).
    Within(T, T),
    /// The value does not lie within.
    NotWithin(T, T),
    /// `value.high > bound`: some part of the value is above.
    HighAbove(T),
    /// `value.high >= bound`.
    HighAtLeast(T),
    /// `value.low < bound`: some part of the value is below.
    LowBelow(T),
    /// `value.low <= bound`.
    LowAtMost(T),
    /// `value.low >= bound`: all of the value is at or above.
    LowAtLeast(T),
    /// `value.low > bound`: all of the value is above.
    LowAbove(T),
    /// `value.high <= bound`: all of the value is at or below.
    HighAtMost(T),
    /// `value.high < bound`: all of the value is below.
    HighBelow(T),
    /// The value and the bounds share a point.
    Overlaps(T, T),
}

#[derive(Clone, Debug, PartialEq)]
pub enum StringTest {
    /// The normalised value begins with this normalised text.
    StartsWith(String),
    /// The normalised value contains this normalised text.
    Contains(String),
    /// The value is exactly this.
    Exactly(String),
}

/// Which unit a quantity must have, by hash.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum UnitTest {
    Any,
    /// `system|code`
    Coded(i64),
    /// `code` or the human `unit`
    CodeOrText(i64),
}

/// The order of the matches; ties are always broken by key.
#[derive(Clone, Debug, PartialEq)]
pub enum Sort {
    /// By key: unchanging, so that pages neither repeat nor lose what exists throughout.
    Key,
    LastUpdated { descending: bool },
    Id { descending: bool },
    /// By the first value in the direction of a date, string or quantity slot; resources
    /// without one come last.
    Date { slot: i32, descending: bool },
    String { slot: i32, descending: bool },
    Quantity { slot: i32, descending: bool },
}

impl fmt::Display for Predicate {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let list = |f: &mut fmt::Formatter<'_>, word: &str, parts: &[Predicate]| {
            f.write_str("(")?;
            for (index, part) in parts.iter().enumerate() {
                if index > 0 {
                    write!(f, " {word} ")?;
                }
                write!(f, "{part}")?;
            }
            f.write_str(")")
        };
        match self {
            Predicate::And(parts) => list(f, "and", parts),
            Predicate::Or(parts) => list(f, "or", parts),
            Predicate::Not(part) => write!(f, "not {part}"),
            other => write!(f, "{other:?}"),
        }
    }
}
