//! Code systems that are resources, parsed once: kept by the version of the resource, so that
//! nothing has to be told when one changes.
//!
//! Bounded by concepts, the least recently asked for goes first; one that is larger than the
//! bound is kept alone until another is asked for. What is far larger belongs into
//! [`tables`](super::tables).

use super::CodeSystem;
use std::collections::HashMap;
use std::sync::{Arc, Mutex, PoisonError};

/// Concepts that are kept, of some 500 bytes each.
const MAX_CONCEPTS: usize = 200_000;
/// What a system counts at least, so that many small ones are bounded too.
const LEAST: usize = 100;

/// Which version of which resource.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub enum Stamp {
    /// A stored one, by its key, version and when it was written (in microseconds): together
    /// no two databases have them, even in one process.
    Stored(i64, i32, i64),
    /// A published one, by where its JSON is in memory; the cache keeps that there.
    Published(usize),
}

#[derive(Debug)]
struct Entry {
    system: Arc<CodeSystem>,
    /// Holds the JSON of a published one, so that no other can come to be at its place.
    _source: Option<Arc<serde_json::Value>>,
    used: u64,
}

#[derive(Debug, Default)]
struct Entries {
    by_stamp: HashMap<Stamp, Entry>,
    concepts: usize,
    clock: u64,
}

/// The parsed code systems of a process.
#[derive(Debug, Default)]
pub struct Parsed {
    entries: Mutex<Entries>,
}

impl Parsed {
    pub fn find(&self, stamp: &Stamp) -> Option<Arc<CodeSystem>> {
        let mut entries = self.entries.lock().unwrap_or_else(PoisonError::into_inner);
        entries.clock += 1;
        let clock = entries.clock;
        let entry = entries.by_stamp.get_mut(stamp)?;
        entry.used = clock;
        Some(entry.system.clone())
    }

    /// Keeps a system, and lets others go where they are too many.
    pub fn keep(
        &self,
        stamp: Stamp,
        system: Arc<CodeSystem>,
        source: Option<Arc<serde_json::Value>>,
    ) {
        let mut entries = self.entries.lock().unwrap_or_else(PoisonError::into_inner);
        entries.clock += 1;
        let entry = Entry {
            used: entries.clock,
            system,
            _source: source,
        };
        entries.concepts += weight(&entry);
        if let Some(old) = entries.by_stamp.insert(stamp, entry) {
            entries.concepts -= weight(&old);
        }
        while entries.concepts > MAX_CONCEPTS && entries.by_stamp.len() > 1 {
            let oldest = entries.by_stamp.iter().min_by_key(|(_, entry)| entry.used);
            let Some(stamp) = oldest.map(|(stamp, _)| stamp.clone()) else {
                return;
            };
            if let Some(old) = entries.by_stamp.remove(&stamp) {
                entries.concepts -= weight(&old);
            }
        }
    }
}

fn weight(entry: &Entry) -> usize {
    entry.system.concepts.len().max(LEAST)
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::{Value, json};

    fn system(concepts: usize) -> Arc<CodeSystem> {
        let concepts: Vec<Value> = (0..concepts)
            .map(|n| json!({"code": n.to_string()}))
            .collect();
        Arc::new(CodeSystem::of(&json!({"concept": concepts})))
    }

    #[test]
    fn the_least_recently_used_goes() {
        let parsed = Parsed::default();
        let stamp = |key| Stamp::Stored(key, 1, 0);
        for key in 0..3 {
            parsed.keep(stamp(key), system(MAX_CONCEPTS / 3), None);
        }
        assert!(parsed.find(&stamp(0)).is_some());
        parsed.keep(stamp(3), system(10), None);
        let kept = |key| parsed.find(&stamp(key)).is_some();
        assert!(kept(0) && !kept(1) && kept(2) && kept(3));
        parsed.keep(stamp(4), system(MAX_CONCEPTS + 1), None);
        let kept = |key| parsed.find(&stamp(key)).is_some();
        assert!(!kept(0) && !kept(2) && kept(4));
    }
}
