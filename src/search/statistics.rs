//! How common entries are, as the database's own statistics tell.
//!
//! ANALYZE samples the table and keeps the ten thousand most common entries with the share of
//! resources that have each. That answers the one question a search has to decide by: is this
//! code so common that the first page is found by looking along the order, or so rare that
//! its matches are best fetched through the index and sorted? The planner knows the same
//! numbers but multiplies them as if codes were independent, and believes the product.
//!
//! Plain data: loading it is the matter of `storage`.

use crate::fhir::ResourceType;
use std::collections::HashMap;

/// What ANALYZE found; empty before the first.
#[derive(Clone, Debug, Default)]
pub struct Statistics {
    /// Rows of `resource`, all tenants and types, deleted ones too.
    pub rows: f64,
    /// The share of the rows that have an entry, of the most common ones.
    pub entries: HashMap<i64, f32>,
    /// The share of each common type, by its number.
    pub types: HashMap<i16, f32>,
}

impl Statistics {
    /// Resources that have this entry; what is not listed is rarer than all that are.
    pub fn having(&self, entry: i64) -> f64 {
        self.known(entry).unwrap_or_default().max(1.0)
    }

    /// The same, if it is one of the most common.
    pub fn known(&self, entry: i64) -> Option<f64> {
        Some(f64::from(*self.entries.get(&entry)?) * self.rows)
    }

    /// Resources of these types (all, where none is named).
    pub fn of_types(&self, types: &[ResourceType]) -> f64 {
        if types.is_empty() {
            return self.rows.max(1.0);
        }
        let share = |kind: &ResourceType| self.types.get(&kind.number()).copied();
        let shares: f64 = types.iter().filter_map(share).map(f64::from).sum();
        (shares * self.rows).max(1.0)
    }
}
