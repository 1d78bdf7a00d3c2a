//! The registry as it is now: replaced as a whole when the custom parameters change.
//!
//! ```text
//! SearchParameter written -> rows of search_parameter, generation + 1 -> Live::adopt
//!                                                                          |
//!             writes: indexed      everything, also what is being built <--+
//!             searches: searchable only what is built <--------------------+
//! ```
//!
//! An [`Edition`] never changes, so that whoever began with one goes on with it. Where custom
//! parameters come from and who replaces editions is told in [`crate::jobs`]; nothing here
//! does I/O.
//!
//! ## Decisions
//! - *Index rows hold their edition* ([`Held`]): an edition of which no rows are left can add
//!   nothing to the database any more. That makes "all writes know the new parameter" a fact
//!   that can be awaited instead of a time that is hoped to be long enough.

use super::custom::Custom;
use super::index;
use super::registry::Registry;
use crate::fhir::ResourceType;
use std::collections::BTreeSet;
use std::sync::{Arc, PoisonError, RwLock};
use tokio::sync::watch;

/// A custom parameter, and how far its index is.
#[derive(Clone, Debug, PartialEq)]
pub struct State {
    pub custom: Custom,
    /// The types whose resources are not all indexed by it yet.
    pub pending: Vec<ResourceType>,
    /// The job that sees to it.
    pub job: Option<String>,
}

/// The registry of one generation.
#[derive(Debug)]
pub struct Edition {
    /// Grows with each change of the custom parameters or of what is built of them; the same
    /// on every node.
    pub generation: i64,
    /// What writes index.
    pub indexed: Arc<Registry>,
    /// What can be searched by: without what is being built.
    pub searchable: Arc<Registry>,
    pub states: Vec<State>,
}

impl Edition {
    /// The custom parameters that are not indexed everywhere yet.
    pub fn building(&self) -> impl Iterator<Item = &State> {
        self.states.iter().filter(|state| !state.pending.is_empty())
    }

    fn new(base: &Registry, held: Held, states: Vec<State>) -> Edition {
        let generation = held.generation;
        let all = states.iter().map(|state| state.custom.clone()).collect();
        let indexed = base.with_custom(all, index::Edition(Some(Arc::new(held))));
        let indexed = Arc::new(indexed);
        let searchable = match states.iter().all(|state| state.pending.is_empty()) {
            true => indexed.clone(),
            false => {
                let built = states.iter().map(built).collect();
                Arc::new(base.with_custom(built, index::Edition::default()))
            }
        };
        Edition {
            generation,
            indexed,
            searchable,
            states,
        }
    }
}

/// The parameter on the types where it is built.
fn built(state: &State) -> Custom {
    let mut custom = state.custom.clone();
    custom.types.retain(|kind| !state.pending.contains(kind));
    custom
}

/// The generations of which somebody holds index rows, or may still make some.
type Generations = watch::Sender<BTreeSet<i64>>;

/// Keeps a generation among those in use until it is dropped.
#[derive(Debug)]
pub struct Held {
    generation: i64,
    used: Arc<Generations>,
}

impl Held {
    fn new(generation: i64, used: &Arc<Generations>) -> Held {
        used.send_modify(|all| {
            all.insert(generation);
        });
        Held {
            generation,
            used: used.clone(),
        }
    }
}

impl Drop for Held {
    fn drop(&mut self) {
        self.used.send_modify(|all| {
            all.remove(&self.generation);
        });
    }
}

/// The current edition.
#[derive(Debug)]
pub struct Live {
    base: Arc<Registry>,
    current: RwLock<Arc<Edition>>,
    used: Arc<Generations>,
}

impl Live {
    /// The published parameters alone, as generation 0.
    pub fn new(base: Arc<Registry>) -> Live {
        let used = Arc::new(watch::Sender::new(BTreeSet::new()));
        let first = Edition::new(&base, Held::new(0, &used), Vec::new());
        Live {
            base,
            current: RwLock::new(Arc::new(first)),
            used,
        }
    }

    pub fn current(&self) -> Arc<Edition> {
        let current = self.current.read().unwrap_or_else(PoisonError::into_inner);
        current.clone()
    }

    /// Goes over to these custom parameters, unless what is current is as new; says whether
    /// it did.
    pub fn adopt(&self, generation: i64, states: Vec<State>) -> bool {
        let mut current = self.current.write().unwrap_or_else(PoisonError::into_inner);
        if generation <= current.generation {
            return false;
        }
        let held = Held::new(generation, &self.used);
        *current = Arc::new(Edition::new(&self.base, held, states));
        true
    }

    /// Returns once every index row of this process is of `generation` or newer. What was
    /// made before has then been handed to the database in full, or given up.
    pub async fn settled(&self, generation: i64) {
        let mut used = self.used.subscribe();
        let is_newer = |all: &BTreeSet<i64>| all.first().is_none_or(|oldest| *oldest >= generation);
        // It only fails where the sender is gone, which lives as long as we do.
        let _ = used.wait_for(is_newer).await;
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::access::Tenant;
    use crate::definitions::Definitions;
    use futures::FutureExt;
    use serde_json::json;

    #[tokio::test]
    async fn an_edition_is_in_use_as_long_as_its_rows_are() {
        let base = Registry::new(Definitions::r4()).expect("the registry of R4 compiles");
        let live = Live::new(Arc::new(base));
        let patient = ResourceType::parse("Patient").expect("a type");
        let rows = live.current().indexed.index(
            Tenant::DEFAULT,
            patient,
            &json!({"resourceType": "Patient", "active": true}),
            "http://me",
        );
        live.adopt(3, Vec::new());
        assert_eq!(live.current().generation, 3);
        let mut settled = Box::pin(live.settled(3));
        assert_eq!((&mut settled).now_or_never(), None, "rows of 0 are left");
        let copy = rows.clone();
        drop(rows);
        assert_eq!((&mut settled).now_or_never(), None, "a copy is left");
        drop(copy);
        settled.await;
        live.adopt(2, Vec::new());
        assert_eq!(live.current().generation, 3, "an edition never goes back");
    }
}
