//! The plan of a search: what must hold of a resource, in terms of what is indexed.
//!
//! A plan is plain data that prints itself; `sql` alone turns it into a statement.

use super::index::{Microseconds, OPEN_HIGH, OPEN_LOW, Slot};
use super::registry::{Kind, Leaves};
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
    /// Each of these entries is there: what a rewrite makes of single entries in an And.
    EveryEntry(Vec<(Slot, i64)>),
    /// At least one of these presence bits is set.
    Present(i64),
    /// A date row of the slot passes.
    Date {
        slot: i32,
        test: RangeTest<Microseconds>,
    },
    /// A string row of the slot passes.
    String {
        slot: i32,
        test: StringTest,
    },
    /// A quantity row of the slot passes.
    Quantity {
        slot: i32,
        test: RangeTest<String>,
        unit: UnitTest,
    },
    /// A row of the slot holds two numbers that pass: `low` the first, `high` the second.
    NumberPair {
        slot: i32,
        first: RangeTest<String>,
        second: RangeTest<String>,
    },
    /// A row of the slot is a position within the circle.
    Near {
        slot: i32,
        circle: Circle,
    },
    /// The resource has one of these logical ids.
    Id(Vec<String>),
    /// The resource has one of these keys: what a `_has` or a chain came down to.
    Keys(Vec<i64>),
    /// The resource is of one of these types (system-level search).
    Type(Vec<ResourceType>),
    LastUpdated(RangeTest<Instant>),
    /// A reference in one of these slots leads to a resource of `target` that passes: one
    /// step of a chain.
    Refers {
        slots: Vec<Slot>,
        target: ResourceType,
        filter: Box<Predicate>,
    },
    /// A resource of `source` passes and refers here in one of these slots: `_has`.
    Referred {
        source: ResourceType,
        slots: Vec<Slot>,
        filter: Box<Predicate>,
    },
    /// A text in one of these places of the JSON passes: what is asked too rarely to be
    /// indexed. It reads every resource that the other conditions leave.
    Json {
        places: Vec<Place>,
        test: JsonTest,
    },
    /// An element in one of these places of the JSON passes what is asked of its place: a
    /// filter within a path of `_filter`, read like [`Predicate::Json`].
    Element(Vec<(Place, ElementTest)>),
    /// Words of the narrative, or of the whole resource: read like [`Predicate::Json`].
    Words {
        within: Words,
        /// As a web search is written: `"a phrase" or word -without`.
        query: String,
    },
    /// What has to be read from the database before it is a question of entries;
    /// [`expand`](super::expand) replaces it. A statement that
    /// still has one finds nothing.
    Lookup(Box<Lookup>),
}

/// Texts in the JSON of a resource.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Place {
    /// An element of the root: `code`.
    pub element: String,
    /// From there, as an SQL/JSON path: `$.coding.display[*]`.
    pub path: String,
}

/// What a text in the JSON has to be.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum JsonTest {
    /// Its normal form begins with this normal text.
    Begins(String),
    /// Its normal form is this normal text.
    Is(String),
    /// Its normal form contains this normal text.
    Contains(String),
    /// Its normal form ends with this normal text.
    Ends(String),
    /// One of these, to the letter.
    OneOf(Vec<String>),
    /// This, or this and after it one of these characters.
    Below(String, &'static str),
}

/// What one element of the JSON has to be. Paths begin at the element: `$.family[*]`.
#[derive(Clone, Debug, PartialEq)]
pub enum ElementTest {
    And(Vec<ElementTest>),
    Or(Vec<ElementTest>),
    Not(Box<ElementTest>),
    /// Something stands there.
    There(String),
    /// A text there passes; or one does not, where `is` is false.
    Text {
        path: String,
        test: JsonTest,
        is: bool,
    },
    /// An element there passes.
    Element(String, Box<ElementTest>),
}

/// Where words are looked for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Words {
    /// `_text`: the narrative.
    Narrative,
    /// `_content`: every string of the resource.
    Content,
}

/// A question of entries whose values are in stored resources.
#[derive(Clone, Debug, PartialEq)]
pub enum Lookup {
    /// `:in`: one of the codes of a value set.
    InValueSet {
        /// A canonical, maybe with `|version`, `ValueSet/id` or an id.
        value_set: String,
        slots: Vec<TokenSlot>,
    },
    /// `:below`, `:above`: this code or one that the hierarchy of its system puts there.
    Subsumed {
        system: String,
        code: String,
        direction: Direction,
        slots: Vec<TokenSlot>,
    },
    /// `:below`, `:above` of a reference: this resource or one that the references of its
    /// type to what it is a part of put there.
    Hierarchy {
        resource_type: ResourceType,
        id: String,
        direction: Direction,
        slots: Vec<Slot>,
    },
    /// A canonical in one of these slots names a resource of `target` that passes: a step of a
    /// chain by `url` and version, which no join by key answers.
    Canonical {
        slots: Vec<Slot>,
        target: ResourceType,
        filter: Predicate,
    },
    /// A canonical in one of these slots of a resource of `source` that passes names the
    /// resource, which is of one of these types: such a step of a `_has`.
    NamedBy {
        types: Vec<ResourceType>,
        source: ResourceType,
        slots: Vec<Slot>,
        filter: Predicate,
    },
    /// A bare id in a reference to several types: it must not mean two resources.
    BareId {
        id: String,
        types: Vec<ResourceType>,
        entries: Vec<(Slot, i64)>,
    },
}

impl Lookup {
    /// What it asks of other resources.
    pub fn filter(&self) -> Option<&Predicate> {
        match self {
            Lookup::Canonical { filter, .. } | Lookup::NamedBy { filter, .. } => Some(filter),
            _ => None,
        }
    }
}

/// Where in a hierarchy.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Direction {
    /// The one asked for and what contains it.
    Above,
    /// The one asked for and what it contains.
    Below,
}

/// A slot of tokens and how codes stand in it.
#[derive(Clone, Debug, PartialEq)]
pub struct TokenSlot {
    pub slot: Slot,
    /// Holds of a resource that has a value in it.
    pub present: Predicate,
    pub leaves: Leaves,
}

/// All places within so many metres of one.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Circle {
    /// Degrees, north of the equator.
    pub latitude: f64,
    /// Degrees, east of Greenwich.
    pub longitude: f64,
    pub metres: f64,
}

impl Circle {
    /// The mean radius of the Earth in metres.
    pub const EARTH: f64 = 6_371_008.8;
    /// Metres that reach around the Earth from both sides.
    pub const FARTHEST: f64 = 21_000_000.0;

    /// Metres from the middle to a place, along the great circle: what the SQL says.
    pub fn distance(&self, latitude: f64, longitude: f64) -> f64 {
        let half = |from: f64, to: f64| ((to - from).to_radians() / 2.0).sin().powi(2);
        let east = latitude.to_radians().cos() * self.latitude.to_radians().cos();
        let root = half(self.latitude, latitude) + east * half(self.longitude, longitude);
        2.0 * Circle::EARTH * root.sqrt().min(1.0).asin()
    }
}

impl Predicate {
    /// What it is made of: the parts of a set, and the conditions on another resource.
    pub fn parts(&self) -> &[Predicate] {
        match self {
            Predicate::And(parts) | Predicate::Or(parts) => parts,
            Predicate::Not(part)
            | Predicate::Refers { filter: part, .. }
            | Predicate::Referred { filter: part, .. } => std::slice::from_ref(part),
            Predicate::Lookup(lookup) => lookup.filter().map_or(&[], std::slice::from_ref),
            _ => &[],
        }
    }

    /// The same made of other parts.
    pub fn map_parts(self, change: &mut dyn FnMut(Predicate) -> Predicate) -> Predicate {
        match self {
            Predicate::And(parts) => Predicate::And(parts.into_iter().map(change).collect()),
            Predicate::Or(parts) => Predicate::Or(parts.into_iter().map(change).collect()),
            Predicate::Not(part) => Predicate::Not(Box::new(change(*part))),
            Predicate::Refers {
                slots,
                target,
                filter,
            } => Predicate::Refers {
                slots,
                target,
                filter: Box::new(change(*filter)),
            },
            Predicate::Referred {
                source,
                slots,
                filter,
            } => Predicate::Referred {
                source,
                slots,
                filter: Box::new(change(*filter)),
            },
            Predicate::Lookup(mut lookup) => {
                if let Lookup::Canonical { filter, .. } | Lookup::NamedBy { filter, .. } =
                    &mut *lookup
                {
                    *filter = change(std::mem::replace(filter, Predicate::Nothing));
                }
                Predicate::Lookup(lookup)
            }
            leaf => leaf,
        }
    }

    /// Whether something has to be looked up before it is a question of entries.
    pub fn has_lookups(&self) -> bool {
        matches!(self, Predicate::Lookup(_)) || self.parts().iter().any(Predicate::has_lookups)
    }

    /// Whether it asks of other resources than its own.
    pub fn has_steps(&self) -> bool {
        match self {
            Predicate::Refers { .. } | Predicate::Referred { .. } | Predicate::Lookup(_) => true,
            other => other.parts().iter().any(Predicate::has_steps),
        }
    }
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

impl<T> RangeTest<T> {
    /// The same test of what `change` makes of the bounds.
    pub fn map<U>(&self, change: impl Fn(&T) -> U) -> RangeTest<U> {
        match self {
            RangeTest::Within(low, high) => RangeTest::Within(change(low), change(high)),
            RangeTest::NotWithin(low, high) => RangeTest::NotWithin(change(low), change(high)),
            RangeTest::HighAbove(bound) => RangeTest::HighAbove(change(bound)),
            RangeTest::HighAtLeast(bound) => RangeTest::HighAtLeast(change(bound)),
            RangeTest::LowBelow(bound) => RangeTest::LowBelow(change(bound)),
            RangeTest::LowAtMost(bound) => RangeTest::LowAtMost(change(bound)),
            RangeTest::LowAtLeast(bound) => RangeTest::LowAtLeast(change(bound)),
            RangeTest::LowAbove(bound) => RangeTest::LowAbove(change(bound)),
            RangeTest::HighAtMost(bound) => RangeTest::HighAtMost(change(bound)),
            RangeTest::HighBelow(bound) => RangeTest::HighBelow(change(bound)),
            RangeTest::Overlaps(low, high) => RangeTest::Overlaps(change(low), change(high)),
        }
    }
}

#[derive(Clone, Debug, PartialEq)]
pub enum StringTest {
    /// The normalised value begins with this normalised text.
    StartsWith(String),
    /// The normalised value contains this normalised text.
    Contains(String),
    /// The value is exactly this.
    Exactly(String),
    /// All of the normalised value is this normalised text.
    Is(String),
    /// The normalised value ends with this normalised text.
    EndsWith(String),
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

/// One key of the order of the matches. Ties of all keys are broken by type and key of the
/// resource, which alone are the order where no key is asked for: they never change, so that
/// pages neither repeat nor lose what exists throughout.
#[derive(Clone, Debug, PartialEq)]
pub struct SortKey {
    pub by: SortBy,
    pub descending: bool,
}

/// What is compared. Resources without a value come last in both directions.
#[derive(Clone, Debug, PartialEq)]
pub enum SortBy {
    LastUpdated,
    Id,
    /// By texts of the JSON, since codes, references and uris are not indexed by their order:
    /// by the first of these readings of which a resource has a value.
    Json(Vec<Reading>),
    /// By `false` and `true`, which an expression computes: the entries of these slots tell.
    Boolean(Vec<Slot>),
    /// By the first value in the direction of these slots.
    Rows {
        table: RowTable,
        slots: Vec<i32>,
        /// A resource has at most one value.
        single: bool,
    },
    /// By the metres between a position in the slot and the nearest of these places.
    Distance(Vec<(i32, Circle)>),
    /// By how well the words fit.
    Score(Vec<(Words, String)>),
}

/// Texts of the JSON that are compared alike, the first in the direction.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Reading {
    /// With the types of the resources that have them; none, where all have.
    pub places: Vec<(Vec<ResourceType>, Place)>,
    pub compared: Compared,
}

/// How texts of the JSON are compared: by code points, and up to a length.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Compared {
    AsWritten,
    /// Without the case of the letters of ASCII.
    WithoutCase,
    /// References: what begins with this, our own base, without it.
    Relative(String),
}

/// A table of rows that a search can be ordered by.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum RowTable {
    Date,
    String,
    Quantity,
}

impl RowTable {
    /// The table of the values of parameters of a kind; none of what has entries, nor of
    /// special parameters, whose rows have no order of their own.
    pub fn of(kind: Kind) -> Option<RowTable> {
        match kind {
            Kind::Date => Some(RowTable::Date),
            Kind::String => Some(RowTable::String),
            Kind::Number | Kind::Quantity => Some(RowTable::Quantity),
            Kind::Token | Kind::Reference | Kind::Composite | Kind::Uri | Kind::Special => None,
        }
    }

    /// Holds of the resources that have a row of the slot.
    pub fn any(self, slot: i32) -> Predicate {
        match self {
            RowTable::Date => Predicate::Date {
                slot,
                test: RangeTest::Overlaps(OPEN_LOW, OPEN_HIGH),
            },
            RowTable::String => Predicate::String {
                slot,
                test: StringTest::StartsWith(String::new()),
            },
            RowTable::Quantity => Predicate::Quantity {
                slot,
                test: RangeTest::Overlaps("-Infinity".to_owned(), "Infinity".to_owned()),
                unit: UnitTest::Any,
            },
        }
    }
}

/// How much the caller wants to know of the number of matches: `_total`.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Total {
    /// Not asked: told where the page shows it.
    Unasked,
    /// `none`: not told even then.
    None,
    /// `estimate`: exact while small, else what the planner expects.
    Estimate,
    /// `accurate`: counted.
    Accurate,
}

/// Whether contained resources are searched: `_contained`.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Contained {
    /// Not they.
    #[default]
    False,
    /// They alone.
    True,
    /// They too.
    Both,
}

/// What is shown where a contained resource matches: `_containedType`.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum ContainedType {
    /// The resource that contains it, once.
    #[default]
    Container,
    /// The contained resource itself.
    Contained,
}

/// One `_include` or `_revinclude`.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Include {
    /// `_revinclude`: the source refers to the matches.
    pub reverse: bool,
    /// `:iterate`: of what was included too, not of the matches alone.
    pub iterate: bool,
    /// The type that has the reference; `None` for `*`.
    pub source: Option<ResourceType>,
    /// The code of a reference parameter of `source`; `None` for `*`.
    pub parameter: Option<String>,
    /// Only references to this type.
    pub target: Option<ResourceType>,
}

/// A whole search, without where its page begins.
#[derive(Clone, Debug, PartialEq)]
pub struct Plan {
    /// The types that are searched; empty means all of them.
    pub types: Vec<ResourceType>,
    pub filter: Predicate,
    pub sort: Vec<SortKey>,
    /// The most matches on a page; 0 asks for the total alone.
    pub count: usize,
    pub total: Total,
    pub includes: Vec<Include>,
}

impl fmt::Display for Plan {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(
            f,
            "search {:?} where {} by {:?}, {} a page, total {:?}, with {:?}",
            self.types, self.filter, self.sort, self.count, self.total, self.includes
        )
    }
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
            Predicate::Refers {
                slots,
                target,
                filter,
            } => write!(f, "refers by {slots:?} to {target} where {filter}"),
            Predicate::Referred {
                source,
                slots,
                filter,
            } => write!(f, "referred to by {slots:?} of {source} where {filter}"),
            other => write!(f, "{other:?}"),
        }
    }
}
