//! Where the time of one search went, for the metrics: a clock that is read between stages.
//!
//! It measures one search; what is added up over many is told by `api::metrics`.

use std::time::{Duration, Instant};

/// Stages and how long each took.
pub type Spent = Vec<(&'static str, Duration)>;

/// A clock that runs from the end of one stage to the end of the next.
#[derive(Clone, Debug)]
pub struct Stages {
    spent: Spent,
    since: Instant,
}

impl Stages {
    /// The first stage begins now.
    pub fn start() -> Stages {
        Stages {
            spent: Vec::with_capacity(8),
            since: Instant::now(),
        }
    }

    /// A stage ends, and the next begins.
    pub fn end(&mut self, stage: &'static str) {
        let now = Instant::now();
        self.spent.push((stage, now - self.since));
        self.since = now;
    }

    /// All that ended.
    pub fn spent(self) -> Spent {
        self.spent
    }
}
