//! Extensions of which several versions are known. An extension in a resource names its
//! definition by URL alone, so that it does not say which version it is of: it has to keep one.

use std::sync::Arc;

use super::compiled::Profile;
use super::walk::{Scope, Walk};
use super::{Given, Profiles};
use crate::fhirpath::Node;

impl<'w> Walk<'w> {
    /// The definition of an extension: the newest that it keeps, or else the newest.
    pub(super) fn definition(
        &self,
        url: &str,
        node: Node<'w>,
        scope: Scope<'w>,
    ) -> Option<Arc<Profile>> {
        let newest = self.profiles.profile(url)?;
        let older = self.profiles.older(url);
        let keeps = |profile: &Profile| self.is_kept(profile, node, scope);
        if older.is_empty() || keeps(&newest) {
            return Some(newest);
        }
        let mut older = older.iter().filter_map(|given| {
            let canonical = format!("{url}|{}", given.version());
            self.profiles.profile(&canonical)
        });
        Some(older.find(|profile| keeps(profile)).unwrap_or(newest))
    }
}

impl Profiles {
    /// The versions of a StructureDefinition before the newest, the newest of them first.
    fn older(&self, url: &str) -> &[Arc<Given>] {
        let versions = self.given.get("StructureDefinition");
        let versions = versions.and_then(|all| all.get(url)).map(Vec::as_slice);
        versions.unwrap_or_default().get(1..).unwrap_or_default()
    }
}
