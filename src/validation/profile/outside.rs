//! What invariants and discriminators ask that the element alone does not say: resources of
//! the same Bundle, value sets, other profiles.

use std::rc::Rc;

use serde_json::Value;

use super::entries::Bundle;
use super::walk::Scope;
use super::{Profiles, coded, walk};
use crate::fhir::reference::Target;
use crate::fhirpath::{Node, Outside};

/// The outside of an evaluation during a walk.
pub(super) struct Around<'w> {
    pub(super) profiles: &'w Profiles,
    pub(super) scope: Scope<'w>,
    /// How many profiles within profiles may still be asked for.
    pub(super) depth: usize,
    /// The Bundle around.
    pub(super) bundle: Option<Rc<Bundle<'w>>>,
}

impl Outside for Around<'_> {
    fn resolve(&self, reference: &str) -> Option<&Value> {
        let bundle = self.bundle.as_ref();
        let inside = bundle.and_then(|bundle| bundle.resolve(reference));
        inside.or_else(|| {
            let target = Target::parse(reference, &self.profiles.base);
            self.profiles.instance(&target)
        })
    }

    fn member_of(&self, value_set: &str, coded: &Node<'_>) -> Result<Option<bool>, String> {
        match self.profiles.codes(value_set) {
            Some(codes) => Ok(coded::is_in(&codes, coded)),
            None => Err(format!(
                "expected a value set whose codes are known but found {value_set}"
            )),
        }
    }

    fn conforms_to(&self, profile: &str, node: &Node<'_>) -> Result<Option<bool>, String> {
        let known = self
            .profiles
            .profile(profile)
            .ok_or_else(|| format!("expected a profile that is known but found {profile}"))?;
        Ok(Some(walk::conforms(
            self.profiles,
            &known,
            *node,
            self.scope,
            self.depth,
            self.bundle.clone(),
        )))
    }
}
