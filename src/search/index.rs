//! What the database holds of a resource so that searches find it.
//!
//! **Entries** answer every question of equality (token, reference, uri): one `bigint[]` per
//! resource with a GIN index. An entry is the hash of a value XOR the seed of
//! a *slot*. A slot is one branch of a parameter's FHIRPath expression on one type: the
//! parameters `subject` and `patient` of Observation share the slot `Observation.subject`,
//! and `combo-code` is the two slots of `code` and `component-code`.
//!
//! XOR makes references joinable without rows of their own: the entry of a reference is
//! `key(target) # seed`, and the key of a resource is in its row, so that a chain is a join
//! that SQL can compute.
//!
//! **Rows** answer questions of order (date, number, quantity, string): narrow tables with a
//! B-tree, one row per value.
//!
//! **Presence** answers `:missing` of what has entries: a bitmap per resource, one bit per
//! branch of a parameter of its type, see [`registry`](super::registry). What has rows is
//! there when it has a row.
//!
//! The hash is XXH3 of 64 bits: of ten million values in one slot, the chance that a query
//! meets a false friend is 5e-13.

use crate::access::Tenant;
use crate::fhir::ResourceType;
use std::sync::Arc;
use xxhash_rust::xxh3::xxh3_64;

/// The key of a resource within its tenant: the hash of `Patient/123`.
pub fn resource_key(resource_type: ResourceType, id: &str) -> i64 {
    let mut text = String::with_capacity(resource_type.name().len() + 1 + id.len());
    text.push_str(resource_type.name());
    text.push('/');
    text.push_str(id);
    hash(&text)
}

/// The hash that entries and keys are made of.
pub fn hash(text: &str) -> i64 {
    xxh3_64(text.as_bytes()) as i64
}

/// One hash of several, in their order; that of one is itself.
pub fn combine(hashes: &[i64]) -> i64 {
    match hashes {
        [one] => *one,
        many => {
            let bytes: Vec<u8> = many.iter().flat_map(|hash| hash.to_le_bytes()).collect();
            xxh3_64(&bytes) as i64
        }
    }
}

/// A branch of a parameter's expression on one type, as a number that entries are made with.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct Slot(i64);

impl Slot {
    /// The slot of an expression such as `Observation.subject`; `resource_type` is the type
    /// that is indexed, also where the expression is of all resources (`Resource.meta.tag`).
    pub fn new(resource_type: ResourceType, expression: &str) -> Slot {
        Slot(hash(&format!("{resource_type}\n{expression}")))
    }

    /// What SQL XORs with the key of a resource to get the entry of a reference to it.
    pub fn seed(self, tenant: Tenant) -> i64 {
        self.0 ^ i64::from(tenant.0).wrapping_mul(0x9E37_79B9_7F4A_7C15_u64 as i64)
    }

    /// The entry of a value that hashes to `value`.
    pub fn entry(self, tenant: Tenant, value: i64) -> i64 {
        self.seed(tenant) ^ value
    }

    /// The slot of what is found beside a value: of a composite's rows.
    pub fn with(self, value: i64) -> Slot {
        Slot(self.0 ^ value)
    }

    /// The number by which rows (dates, strings, quantities) name this slot.
    pub fn row(self) -> i32 {
        self.0 as i32
    }
}

/// A point on the time line in microseconds; the ends stand for "open".
pub type Microseconds = i64;
/// No lower bound.
pub const OPEN_LOW: Microseconds = i64::MIN;
/// No upper bound.
pub const OPEN_HIGH: Microseconds = i64::MAX;

/// A value of a date parameter: the half-open interval `[low, high)`; an instant has
/// `high = low + 1`.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub struct DateRow {
    pub slot: i32,
    pub low: Microseconds,
    pub high: Microseconds,
    /// The [`signature`] of the resource's entries, beside the value so that who walks along
    /// the values can pass over most resources that lack an entry, without a look at them.
    pub signature: i64,
}

/// Three bits of 64 for each entry. Who has an entry has its bits; of those who have not, one
/// in ten or so has them by accident (resources have ten entries).
pub fn signature(entries: &[i64]) -> i64 {
    let bits = |entry: &i64| [0, 6, 12].map(|at| 1 << ((entry >> at) & 63));
    entries
        .iter()
        .flat_map(bits)
        .fold(0, |all, bit: i64| all | bit)
}

/// Characters of a [`StringRow`]'s value.
pub const STRING_LENGTH: usize = 200;

/// The first [`STRING_LENGTH`] characters of a normalised text.
pub fn string_value(text: &str) -> &str {
    let end = text.char_indices().nth(STRING_LENGTH);
    end.map_or(text, |(end, _)| &text[..end])
}

/// A value of a string parameter.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub struct StringRow {
    pub slot: i32,
    /// Normalised: no accents, lower case, no punctuation, single spaces; its first
    /// [`STRING_LENGTH`] characters, since a B-tree holds no long keys.
    pub value: String,
    /// All of the normalised text, where it is longer.
    pub whole: Option<String>,
    /// As written; empty where the row begins at a later word of the text.
    pub exact: String,
}

/// A value of a number or quantity parameter: the closed range `[low, high]`, which is one
/// point unless the resource says `<5` or gives a Range.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub struct QuantityRow {
    pub slot: i32,
    /// Decimal text as PostgreSQL's `numeric` reads it; `-Infinity` where open.
    pub low: String,
    /// Decimal text; `Infinity` where open.
    pub high: String,
    /// The hash of `system|code`; 0 without either.
    pub unit: i64,
    /// The hash of `code`; 0 without it.
    pub code: i64,
    /// The hash of the human `unit`; 0 without it.
    pub text: i64,
}

/// Which edition of the registry made index rows, held for as long as the rows are: once
/// nobody holds an edition any more, nothing is written any more that lacks what later ones
/// index. See [`live`](super::live). It is no part of what the rows say.
#[derive(Clone, Debug, Default)]
pub struct Edition(pub Option<Arc<super::live::Held>>);

impl PartialEq for Edition {
    fn eq(&self, _: &Edition) -> bool {
        true
    }
}

impl Eq for Edition {}

impl QuantityRow {
    /// Without a unit.
    pub fn number(slot: i32, low: String, high: String) -> QuantityRow {
        QuantityRow {
            slot,
            low,
            high,
            unit: 0,
            code: 0,
            text: 0,
        }
    }
}

/// All that is indexed of one version of one resource.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct IndexRows {
    /// Sorted, without repetitions.
    pub entries: Vec<i64>,
    /// The [`presence`](super::registry::Branch::presence) bits of the branches with a value.
    pub present: i64,
    pub dates: Vec<DateRow>,
    pub strings: Vec<StringRow>,
    pub quantities: Vec<QuantityRow>,
    /// Those of the resources that it contains.
    pub contained: Vec<ContainedRows>,
    /// What they were made with.
    pub edition: Edition,
}

/// What is indexed of a contained resource: see [`contained`](super::contained).
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ContainedRows {
    pub resource_type: ResourceType,
    pub key: i64,
    /// Where it stands in its container, as PostgreSQL writes paths of JSON: `{contained,0}`.
    pub path: String,
    /// Its own contain nothing.
    pub rows: IndexRows,
}

impl IndexRows {
    /// The dates, strings and quantities of a slot, in their one order.
    pub fn of_slot(&self, slot: Slot) -> IndexRows {
        let slot = slot.row();
        let mut rows = IndexRows {
            dates: self.dates.clone(),
            strings: self.strings.clone(),
            quantities: self.quantities.clone(),
            ..IndexRows::default()
        };
        rows.dates.retain(|row| row.slot == slot);
        rows.strings.retain(|row| row.slot == slot);
        rows.quantities.retain(|row| row.slot == slot);
        rows.normalise();
        rows
    }

    /// Puts every list into its one order, and the signature of the entries beside the dates.
    pub fn finish(&mut self) {
        self.normalise();
        let signature = signature(&self.entries);
        for row in &mut self.dates {
            row.signature = signature;
        }
    }

    /// Puts every list into its one order.
    pub fn normalise(&mut self) {
        self.entries.sort_unstable();
        self.entries.dedup();
        self.dates.sort_unstable();
        self.dates.dedup();
        self.strings.sort_unstable();
        self.strings.dedup();
        self.quantities.sort_unstable();
        self.quantities.dedup();
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_reference_entry_is_the_key_of_its_target_xor_the_seed() {
        let observation = ResourceType::parse("Observation").expect("a type");
        let patient = ResourceType::parse("Patient").expect("a type");
        let slot = Slot::new(observation, "Observation.subject");
        let key = resource_key(patient, "123");
        assert_eq!(key, hash("Patient/123"));
        assert_eq!(slot.entry(Tenant(1), key), key ^ slot.seed(Tenant(1)));
        assert_ne!(slot.seed(Tenant(1)), slot.seed(Tenant(2)));
    }

    #[test]
    fn a_signature_has_the_bits_of_each_entry() {
        let entries: Vec<i64> = (0..40).map(|n: i64| hash(&n.to_string())).collect();
        let all = signature(&entries);
        for entry in &entries {
            let bits = signature(&[*entry]);
            assert_eq!(all & bits, bits);
            assert!((1..=3).contains(&bits.count_ones()));
        }
        assert_eq!(signature(&[]), 0);
        assert_eq!(
            signature(&[0x2d06_8005_38d3_94c2]),
            (1 << 2) | (1 << 19) | (1 << 57)
        );
    }

    #[test]
    fn hashes_never_change_since_the_database_holds_them() {
        assert_eq!(hash("Patient/123"), hash("Patient/123"));
        assert_eq!(hash(""), 0x2d06_8005_38d3_94c2);
    }
}
