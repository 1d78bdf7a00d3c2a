//! What a patch must leave as it is, in whichever language it is written.

use crate::error::{Category, Error, Result};
use serde_json::Value;

/// What the server keeps, whatever a patch says.
const PLACES: [&str; 4] = [
    "/resourceType",
    "/id",
    "/meta/versionId",
    "/meta/lastUpdated",
];

/// What stood there before.
pub struct Kept([Option<Value>; 4]);

impl Kept {
    pub fn of(before: &Value) -> Kept {
        Kept(PLACES.map(|place| before.pointer(place).cloned()))
    }

    /// # Errors
    /// `Invalid` where the patch has changed it.
    pub fn check(&self, after: &Value) -> Result<()> {
        for (place, before) in PLACES.iter().zip(&self.0) {
            if after.pointer(place) != before.as_ref() {
                return Err(Error::coded(
                    Category::Invalid,
                    "business-rule",
                    format!("expected a patch that leaves {place} as it is: the server keeps it"),
                ));
            }
        }
        Ok(())
    }
}
