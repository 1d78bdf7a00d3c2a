//! The profiles as they are now: replaced as a whole when what is stored changes.

use std::sync::{Arc, PoisonError, RwLock};

use super::Profiles;

/// The current profiles, and how many writes of stored definitions they know of.
pub struct Current(RwLock<(i64, Arc<Profiles>)>);

impl Current {
    /// Profiles that know of nothing stored.
    pub fn new(profiles: Profiles) -> Current {
        Current(RwLock::new((0, Arc::new(profiles))))
    }

    pub fn profiles(&self) -> Arc<Profiles> {
        let current = self.0.read().unwrap_or_else(PoisonError::into_inner);
        current.1.clone()
    }

    pub fn writes(&self) -> i64 {
        self.0.read().unwrap_or_else(PoisonError::into_inner).0
    }

    /// Goes over to these, unless what is current knows of more.
    pub fn adopt(&self, writes: i64, profiles: Arc<Profiles>) {
        let mut current = self.0.write().unwrap_or_else(PoisonError::into_inner);
        if writes > current.0 {
            *current = (writes, profiles);
        }
    }
}
