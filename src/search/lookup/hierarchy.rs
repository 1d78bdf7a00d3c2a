//! Resources that are a part of others: `Location.partOf`, `Organization.partOf` and all
//! parameters whose expression ends with that element and leads to its own type.
//!
//! Each level is one statement; what was seen once is not followed again, so that circles
//! end.

use super::stored::Stored;
use super::{MAX_RESOURCES, check_count, not_supported};
use crate::error::Result;
use crate::fhir::ResourceType;
use crate::search::index::{Slot, resource_key};
use crate::search::page::bound;
use crate::search::plan::{Contained, Direction, Predicate};
use crate::search::registry::{Kind, Registry};
use crate::search::sql;
use sqlx::Row;
use std::collections::HashSet;

/// The key of the resource and those of all above or below it.
pub async fn keys(
    stored: &mut Stored<'_>,
    resource_type: ResourceType,
    id: &str,
    direction: Direction,
) -> Result<Vec<i64>> {
    let parents = parent_slots(stored.registry, resource_type);
    if parents.is_empty() {
        return Err(not_supported(format!(
            "expected a reference to a type whose resources are parts of others but found \
             {resource_type}"
        )));
    }
    let start = resource_key(resource_type, id);
    let mut known = HashSet::from([start]);
    let mut level = vec![start];
    while !level.is_empty() {
        let next = match direction {
            Direction::Below => below(stored, resource_type, &level, &parents).await?,
            Direction::Above => above(stored, resource_type, &level, &parents).await?,
        };
        level = next.into_iter().filter(|key| known.insert(*key)).collect();
        check_count(known.len(), "resources", MAX_RESOURCES)?;
    }
    let mut keys: Vec<i64> = known.into_iter().collect();
    keys.sort_unstable();
    Ok(keys)
}

/// The slots in which a resource of the type refers to what it is a part of.
fn parent_slots(registry: &Registry, resource_type: ResourceType) -> Vec<Slot> {
    let parameters = registry.parameters(resource_type).iter();
    let branches = parameters
        .filter(|parameter| {
            let targets = &parameter.targets;
            parameter.kind == Kind::Reference
                && (targets.is_empty() || targets.contains(&resource_type))
        })
        .flat_map(|parameter| &parameter.branches);
    let mut slots: Vec<Slot> = branches
        .filter(|branch| branch.expression.to_string().ends_with(".partOf"))
        .map(|branch| branch.slot)
        .collect();
    slots.sort_unstable();
    slots.dedup();
    slots
}

async fn below(
    stored: &mut Stored<'_>,
    resource_type: ResourceType,
    level: &[i64],
    parents: &[Slot],
) -> Result<Vec<i64>> {
    let entries = parents
        .iter()
        .flat_map(|slot| level.iter().map(move |key| (*slot, *key)));
    let children = Predicate::Entries(entries.collect());
    stored
        .keys(resource_type, children, MAX_RESOURCES + 1)
        .await
}

async fn above(
    stored: &mut Stored<'_>,
    resource_type: ResourceType,
    level: &[i64],
    parents: &[Slot],
) -> Result<Vec<i64>> {
    let statement = sql::referred_keys(
        resource_type,
        level,
        parents,
        (&[resource_type], Contained::False),
        stored.access,
    );
    let rows = bound(&statement).fetch_all(&mut *stored.connection).await?;
    rows.iter().map(|row| Ok(row.try_get("key")?)).collect()
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::definitions::Definitions;

    #[test]
    fn hierarchies_are_read_off_the_parameters() {
        let registry = Registry::new(Definitions::r4()).expect("the registry of R4 compiles");
        let with_hierarchy: Vec<&str> = ResourceType::all()
            .filter(|kind| !parent_slots(&registry, *kind).is_empty())
            .map(|kind| kind.name())
            .collect();
        for name in ["Location", "Organization", "Encounter", "Procedure", "Task"] {
            assert!(with_hierarchy.contains(&name), "{with_hierarchy:?}");
        }
        assert!(!with_hierarchy.contains(&"Patient"), "{with_hierarchy:?}");
    }
}
