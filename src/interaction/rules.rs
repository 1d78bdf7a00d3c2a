//! What a write is held to: structure, the profiles that it claims, and those that its type
//! requires, as the configuration says. <https://hl7.org/fhir/R4/validation.html>
//!
//! ```text
//! --validation, [validation-by-type]   off | structure | profile       of a type
//! [validation-by-profile]              off | profile                   of what claims a profile
//! [required-profiles]                  one of them has to be kept      by every resource of a type
//! ```
//!
//! ## Decisions
//! 2026-11-22: *a required profile need not be claimed.* A site that wants each Patient to be one
//! of US Core means the content; whoever sends it may not know of `meta.profile`, and a claim
//! proves nothing. Nothing is added to what was sent.
//!
//! 2026-11-22: *a claim that is enforced is enforced whole*, with R4's own invariants and bindings,
//! in the mode `structure` too: a profile stands on them.

use super::Hub;
use crate::config::{Overrides, Validation};
use crate::error::{Category, Error, Issue, Result};
use crate::fhir::ResourceType;
use crate::validation::places;
use crate::validation::profile::{Profiles, Question};
use serde_json::Value;
use std::borrow::Cow;

/// Holds a resource to what its type is held to. What is wrong with the structure is said at
/// once with what breaks a profile.
///
/// # Errors
/// `Invalid` where the structure is wrong, else `Unprocessable`; with every problem and its place.
///
/// Gives the bindings that are left open.
pub fn check(hub: &Hub, resource_type: ResourceType, resource: &Value) -> Result<Vec<Question>> {
    let mode = hub.settings.validation_of(resource_type);
    let overrides = &hub.settings.overrides;
    let held = held(overrides, mode, resource);
    let is_required = overrides.required.contains_key(&resource_type);
    if mode == Validation::Off && held.is_none() && !is_required {
        return Ok(Vec::new());
    }
    let mut questions = Vec::new();
    let mut issues = hub.validator.validate(resource_type, resource);
    let category = match issues.iter().any(Issue::is_error) {
        true => Category::Invalid,
        false => Category::Unprocessable,
    };
    if held.is_some() || is_required {
        let profiles = hub.profiles.profiles();
        if let Some(resource) = held {
            let (found, open) = profiles.validate_asking(&resource, &[]);
            issues.extend(found);
            questions = open;
        }
        for issue in missed(hub, &profiles, resource_type, resource) {
            if !issues.contains(&issue) {
                issues.push(issue);
            }
        }
    }
    match issues.iter().any(Issue::is_error) {
        true => {
            places::point(&mut issues, resource);
            Err(Error::of(category, issues))
        }
        false => {
            for question in &mut questions {
                places::point(std::slice::from_mut(&mut question.refused), resource);
            }
            Ok(questions)
        }
    }
}

/// The resource with those claims that are enforced; `None` where nothing of it is.
fn held<'r>(
    overrides: &Overrides,
    mode: Validation,
    resource: &'r Value,
) -> Option<Cow<'r, Value>> {
    let by_default = mode == Validation::Profile;
    if overrides.profiles.is_empty() {
        return by_default.then_some(Cow::Borrowed(resource));
    }
    let is_held = |canonical: &str| {
        let url = canonical.split('|').next().unwrap_or_default();
        let own = overrides.profiles.get(canonical);
        let own = own.or_else(|| overrides.profiles.get(url));
        own.copied().unwrap_or(by_default)
    };
    let mut kept = resource.clone();
    let left = keep_claims(&mut kept, &is_held);
    (by_default || left > 0).then_some(Cow::Owned(kept))
}

/// Takes the other claims out of a resource and of those inside it; says how many are left.
fn keep_claims(value: &mut Value, is_held: &dyn Fn(&str) -> bool) -> usize {
    let mut left = 0;
    match value {
        Value::Object(object) => {
            if let Some(Value::Array(claims)) = object
                .get_mut("meta")
                .and_then(|meta| meta.get_mut("profile"))
            {
                claims.retain(|claim| claim.as_str().is_some_and(is_held));
                left += claims.len();
            }
            for name in ["contained", "entry", "resource", "parameter", "part"] {
                if let Some(inner) = object.get_mut(name) {
                    left += keep_claims(inner, is_held);
                }
            }
        }
        Value::Array(items) => {
            for item in items {
                left += keep_claims(item, is_held);
            }
        }
        _ => {}
    }
    left
}

/// Why a resource keeps none of the profiles that its type requires; nothing where it keeps one.
pub fn missed(
    hub: &Hub,
    profiles: &Profiles,
    resource_type: ResourceType,
    resource: &Value,
) -> Vec<Issue> {
    let Some(required) = hub.settings.overrides.required.get(&resource_type) else {
        return Vec::new();
    };
    let mut bare = resource.clone();
    keep_claims(&mut bare, &|_| false);
    let mut closest: Option<(&str, Vec<Issue>)> = None;
    for canonical in required {
        let mut issues = match profiles.is_known(canonical) {
            true => profiles.validate(&bare, &[canonical.as_str()]),
            false => vec![unknown(canonical, resource_type)],
        };
        issues.retain(Issue::is_error);
        if issues.is_empty() {
            return Vec::new();
        }
        if closest
            .as_ref()
            .is_none_or(|(_, best)| issues.len() < best.len())
        {
            closest = Some((canonical, issues));
        }
    }
    let Some((canonical, mut issues)) = closest else {
        return Vec::new();
    };
    if required.len() > 1 {
        let text = format!(
            "expected to keep one of the profiles {}, which are required here, but found one that \
             keeps none; what follows is of {canonical}",
            required.join(", ")
        );
        issues.insert(
            0,
            Issue::error("business-rule", text).at(resource_type.name()),
        );
    }
    issues
}

fn unknown(canonical: &str, resource_type: ResourceType) -> Issue {
    let text = format!(
        "expected to keep {canonical}, which is required here, but it is not known: its package \
         has to be installed first"
    );
    Issue::error("not-found", text).at(resource_type.name())
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    #[test]
    fn claims_are_kept_by_the_configuration() {
        let overrides = Overrides {
            profiles: [("a", true), ("b", false), ("b|2", true)]
                .map(|(url, is_held)| (url.to_owned(), is_held))
                .into(),
            ..Overrides::default()
        };
        for (mode, claims, expected) in [
            (
                Validation::Structure,
                &["a", "b", "c"][..],
                Some(&["a"][..]),
            ),
            (Validation::Structure, &["a|1"], Some(&["a|1"])),
            (Validation::Structure, &["b|1", "b|2"], Some(&["b|2"])),
            (Validation::Structure, &["b", "c"], None),
            (Validation::Off, &["a"], Some(&["a"])),
            (Validation::Profile, &["a", "b", "c"], Some(&["a", "c"])),
            (Validation::Profile, &["b"], Some(&[])),
        ] {
            let resource = json!({"resourceType": "Patient", "meta": {"profile": claims}});
            let found = held(&overrides, mode, &resource);
            let found = found.map(|held| held["meta"]["profile"].clone());
            assert_eq!(
                found,
                expected.map(|left| json!(left)),
                "{mode:?} {claims:?}"
            );
        }
        let none = Overrides::default();
        let resource = json!({"resourceType": "Patient"});
        assert_eq!(held(&none, Validation::Structure, &resource), None);
        assert!(matches!(
            held(&none, Validation::Profile, &resource),
            Some(Cow::Borrowed(_))
        ));
        let mut bundle = json!({"resourceType": "Bundle", "entry": [
            {"resource": {"resourceType": "Patient", "meta": {"profile": ["a", "b"]}}}]});
        assert_eq!(keep_claims(&mut bundle, &|claim| claim == "a"), 1);
        assert_eq!(
            bundle["entry"][0]["resource"]["meta"]["profile"],
            json!(["a"])
        );
    }
}
