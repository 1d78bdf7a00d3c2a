//! Membership in the value sets that are published in the definitions: what bindings ask.
//! <https://hl7.org/fhir/R4/terminologies.html#binding>
//!
//! What a value set draws on is gathered at the first question and kept; a name that nothing
//! has is never remembered, since names come from requests. What is stored in the server is
//! not looked at: the operations do that.

use super::{Evaluation, Library, Membership};
use crate::definitions::Definitions;
use serde_json::Value;
use std::collections::HashMap;
use std::sync::{Arc, PoisonError, RwLock};

/// A value set and what it draws on.
type Gathered = Arc<(Arc<Value>, Library)>;

/// The value sets of the definitions.
#[derive(Debug)]
pub struct Published {
    definitions: Arc<Definitions>,
    known: RwLock<HashMap<String, Gathered>>,
}

impl Published {
    pub fn new(definitions: Arc<Definitions>) -> Published {
        Published {
            definitions,
            known: RwLock::default(),
        }
    }

    /// Whether the code is in the value set of that canonical. Without a system, as a `code`
    /// element has none: whether it is there as a code of any.
    pub fn membership(&self, value_set: &str, system: Option<&str>, code: &str) -> Membership {
        let Some(gathered) = self.gathered(value_set) else {
            return Membership::Unknown;
        };
        let (resource, library) = &*gathered;
        let evaluation = Evaluation::new(library);
        let systems = match system {
            Some(system) => vec![system.to_owned()],
            None => evaluation.systems(resource),
        };
        systems.iter().fold(Membership::No, |found, system| {
            let holds = evaluation.membership(resource, system, None, code);
            found.or(holds.unwrap_or(Membership::Unknown))
        })
    }

    fn gathered(&self, canonical: &str) -> Option<Gathered> {
        let known = self.known.read().unwrap_or_else(PoisonError::into_inner);
        if let Some(known) = known.get(canonical) {
            return Some(known.clone());
        }
        drop(known);
        let value_set = self.definitions.artifact("ValueSet", canonical)?;
        let library = Library::published(&self.definitions, value_set.clone()).ok()?;
        let gathered = Arc::new((value_set, library));
        let mut known = self.known.write().unwrap_or_else(PoisonError::into_inner);
        Some(
            known
                .entry(canonical.to_owned())
                .or_insert(gathered)
                .clone(),
        )
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn bindings_of_r4() {
        let published = Published::new(Definitions::r4());
        let gender = "http://hl7.org/fhir/administrative-gender";
        for (value_set, system, code, expected) in [
            (
                "administrative-gender",
                Some(gender),
                "male",
                Membership::Yes,
            ),
            (
                "administrative-gender|4.0.1",
                Some(gender),
                "male",
                Membership::Yes,
            ),
            ("administrative-gender", None, "male", Membership::Yes),
            ("administrative-gender", Some(gender), "m", Membership::No),
            (
                "administrative-gender",
                Some("http://other"),
                "male",
                Membership::No,
            ),
            ("administrative-gender", None, "m", Membership::No),
            // LOINC is not known here.
            (
                "observation-codes",
                Some("http://loinc.org"),
                "1-8",
                Membership::Unknown,
            ),
            (
                "observation-codes",
                Some("http://other"),
                "1-8",
                Membership::No,
            ),
            ("no-such-set", Some(gender), "male", Membership::Unknown),
        ] {
            let url = format!("http://hl7.org/fhir/ValueSet/{value_set}");
            let found = published.membership(&url, system, code);
            assert_eq!(found, expected, "{value_set} {system:?} {code}");
        }
    }
}
