//! What invariants and discriminators ask that the element alone does not say: resources of
//! the same Bundle, value sets, other profiles.

use serde_json::Value;

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
}

impl Outside for Around<'_> {
    fn resolve(&self, reference: &str) -> Option<&Value> {
        let outermost = self.scope.outermost.value?;
        let target = Target::parse(reference, &self.profiles.base);
        in_bundle(outermost, reference).or_else(|| self.profiles.instance(&target))
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
        )))
    }
}

/// The resource that a reference means within a Bundle.
/// <https://hl7.org/fhir/R4/bundle.html#references>
pub(super) fn in_bundle<'v>(bundle: &'v Value, reference: &str) -> Option<&'v Value> {
    if bundle.get("resourceType")?.as_str()? != "Bundle" {
        return None;
    }
    let reference = reference
        .split_once("/_history/")
        .map_or(reference, |(url, _)| url);
    let is_relative = !reference.contains(':');
    let is_meant = |entry: &&Value| {
        let full = entry.get("fullUrl").and_then(Value::as_str);
        full.is_some_and(|full| {
            full == reference
                || is_relative
                    && full
                        .strip_suffix(reference)
                        .is_some_and(|base| base.ends_with('/'))
                // A UUID is no base of a relative reference; type and id mean it all the same.
                || is_relative && full.starts_with("urn:") && is_named(entry, reference)
        })
    };
    let entries = bundle.get("entry")?.as_array()?;
    entries.iter().find(is_meant)?.get("resource")
}

/// Whether the resource of an entry has this type and id.
fn is_named(entry: &Value, reference: &str) -> bool {
    let text = |name: &str| entry.get("resource")?.get(name)?.as_str();
    let names = (text("resourceType"), text("id"));
    matches!(names, (Some(kind), Some(id)) if reference.split_once('/') == Some((kind, id)))
}
