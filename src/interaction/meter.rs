//! What searches cost and bring, told to whoever counts it: those of requests and those inside
//! Bundles alike.
//!
//! How many rows PostgreSQL read for a search it tells only beside the search, by two more
//! statements in its transaction. So one search in [`SAMPLED`] is asked, the first among them.
//! Nothing is added up here: that is `api::metrics`.

use crate::search::Spent;
use std::fmt;
use std::sync::OnceLock;
use std::sync::atomic::{AtomicU64, Ordering};

/// Of so many searches the rows of one are counted: two statements and a transaction more, for
/// searches that may take a fifth of a millisecond.
pub const SAMPLED: u64 = 64;

/// What a search cost and brought.
#[derive(Clone, Debug, Default)]
pub struct Measured {
    pub spent: Spent,
    pub matches: usize,
    pub includes: usize,
    /// Entries of indexes and rows of tables that PostgreSQL read; of a sampled search alone.
    pub scanned: Option<u64>,
}

type Count = Box<dyn Fn(&Measured) + Send + Sync>;

/// Hears of every search.
#[derive(Default)]
pub struct Meter {
    begun: AtomicU64,
    count: OnceLock<Count>,
}

impl Meter {
    /// Says who counts; the first one who is named does.
    pub fn count_by(&self, count: impl Fn(&Measured) + Send + Sync + 'static) {
        // A second router of one hub would count everything twice.
        let _ = self.count.set(Box::new(count));
    }

    /// Whether the rows of the search that begins now are to be counted.
    pub fn samples(&self) -> bool {
        self.begun
            .fetch_add(1, Ordering::Relaxed)
            .is_multiple_of(SAMPLED)
    }

    /// A search has been answered.
    pub fn tell(&self, measured: &Measured) {
        if let Some(count) = self.count.get() {
            count(measured);
        }
    }
}

impl fmt::Debug for Meter {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Meter")
    }
}
