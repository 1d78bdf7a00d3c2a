//! Compartments: what belongs to a patient, an encounter, a practitioner, a related person
//! or a device. <https://hl7.org/fhir/R4/compartmentdefinition.html>
//!
//! A resource is in a compartment when one of the parameters that the definition lists for
//! its type refers to the focal resource; the focal resource is in its own. This is the one
//! place that knows it: searches in a compartment ask here, and so should all that is bound
//! to what belongs to somebody. Whether the focal resource exists is not asked.

use super::filter;
use super::index::{Slot, resource_key};
use super::plan::Predicate;
use super::registry::Registry;
use crate::definitions::Compartment;
use crate::error::{Category, Error, Result};
use crate::fhir::ResourceType;

/// What must hold of a resource of type `member` to be in the compartment of `focal/id`;
/// `None` for a type that is never in it, or a `focal` that has no compartments.
pub fn membership(
    registry: &Registry,
    focal: ResourceType,
    id: &str,
    member: ResourceType,
) -> Option<Predicate> {
    let definition = registry.model().definitions().compartment(focal.name())?;
    if !is_member(definition, focal, member) {
        return None;
    }
    let key = resource_key(focal, id);
    let mut entries: Vec<(Slot, i64)> = Vec::new();
    for code in definition.params(member.name()) {
        // `{def}`, the focal resource itself, is no parameter; nor is what a user has added one
        // of the definition.
        let parameter = registry.published(member, code);
        let branches = parameter.into_iter().flat_map(|one| &one.branches);
        let branches = branches.filter(|branch| branch.only.is_none_or(|only| only == focal));
        entries.extend(branches.map(|branch| (branch.slot, key)));
    }
    entries.sort_unstable();
    entries.dedup();
    let referring = Predicate::Entries(entries);
    Some(match member == focal {
        true => Predicate::Or(vec![Predicate::Id(vec![id.to_owned()]), referring]),
        false => referring,
    })
}

/// The same for resources of any of these types, in one predicate.
pub fn membership_of_any(
    registry: &Registry,
    focal: ResourceType,
    id: &str,
    members: &[ResourceType],
) -> Predicate {
    let typed = members.iter().filter_map(|member| {
        let predicate = membership(registry, focal, id, *member)?;
        Some((*member, predicate))
    });
    let (own, others): (Vec<_>, Vec<_>) = typed.partition(|(member, _)| *member == focal);
    let mut parts: Vec<Predicate> = Vec::new();
    for (member, predicate) in own {
        // An id means something on every type.
        parts.push(match members {
            [_] => predicate,
            _ => Predicate::And(vec![Predicate::Type(vec![member]), predicate]),
        });
    }
    if !others.is_empty() {
        parts.push(filter::over_types(others));
    }
    Predicate::Or(parts)
}

/// The types that can be in a compartment of `focal`, in their order.
///
/// # Errors
/// `NotFound`: resources of that type have no compartments.
pub fn member_types(registry: &Registry, focal: ResourceType) -> Result<Vec<ResourceType>> {
    let definitions = registry.model().definitions();
    let Some(definition) = definitions.compartment(focal.name()) else {
        let known: Vec<&str> = definitions
            .compartments()
            .iter()
            .map(|one| one.code.as_str())
            .collect();
        return Err(Error::coded(
            Category::NotFound,
            "not-supported",
            format!(
                "expected a type that has compartments ({}) but found {focal}",
                known.join(", ")
            ),
        ));
    };
    let all = ResourceType::all();
    Ok(all
        .filter(|member| is_member(definition, focal, *member))
        .collect())
}

/// Refuses a type that is never in a compartment of `focal`.
///
/// # Errors
/// `Invalid`, naming the type; those of [`member_types`].
pub fn check_member(registry: &Registry, focal: ResourceType, member: ResourceType) -> Result<()> {
    let types = member_types(registry, focal)?;
    match types.contains(&member) {
        true => Ok(()),
        false => Err(Error::coded(
            Category::Invalid,
            "not-supported",
            format!("expected a type of the {focal} compartment but {member} is never in it"),
        )),
    }
}

fn is_member(definition: &Compartment, focal: ResourceType, member: ResourceType) -> bool {
    member == focal || !definition.params(member.name()).is_empty()
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::definitions::Definitions;

    fn registry() -> Registry {
        Registry::new(Definitions::r4()).expect("the registry of R4 compiles")
    }

    fn kind(name: &str) -> ResourceType {
        ResourceType::parse(name).expect("a type")
    }

    #[test]
    fn every_listed_parameter_refers_to_the_focal_type() {
        let registry = registry();
        let definitions = registry.model().definitions();
        for definition in definitions.compartments() {
            let focal = kind(&definition.code);
            for (member, codes) in &definition.resources {
                for code in codes.iter().filter(|code| *code != "{def}") {
                    let parameter = registry.parameter(kind(member), code);
                    let leads = parameter.is_some_and(|one| {
                        let mut branches = one.branches.iter();
                        branches.any(|branch| branch.only.is_none_or(|only| only == focal))
                    });
                    assert!(leads, "{}: {member}.{code}", definition.code);
                }
            }
        }
    }

    #[test]
    fn members_are_those_of_the_definition() {
        let registry = registry();
        for (focal, member, expected) in [
            ("Patient", "Observation", Some(2)),
            ("Patient", "CareTeam", Some(2)),
            ("Patient", "Patient", Some(1)),
            ("Patient", "Task", None),
            ("Patient", "Binary", None),
            ("Encounter", "Encounter", Some(0)),
            ("Encounter", "Observation", Some(1)),
            ("Device", "Device", Some(0)),
            ("Organization", "Patient", None),
        ] {
            let found = membership(&registry, kind(focal), "1", kind(member));
            let entries = found.map(|predicate| match predicate {
                Predicate::Entries(entries) => entries.len(),
                Predicate::Or(parts) => match &parts[..] {
                    [Predicate::Id(_), Predicate::Entries(entries)] => entries.len(),
                    other => panic!("{other:?}"),
                },
                other => panic!("{other}"),
            });
            assert_eq!(entries, expected, "{focal} {member}");
        }
        let patient = member_types(&registry, kind("Patient")).expect("a compartment");
        assert_eq!(patient.len(), 66);
        member_types(&registry, kind("Organization")).expect_err("none");
    }
}
