//! From the stored StructureDefinitions, ValueSets and CodeSystems to the profiles that
//! resources are validated against.
//!
//! [`refresh`] is called before each `$validate`; with `--validation profile` also after every
//! write of such a resource and at every beat of the node, so that what another node stored is
//! enforced here within seconds. Only what has changed is read, and only what is asked for is
//! parsed.

use crate::access::Access;
use crate::config::Validation;
use crate::error::Result;
use crate::fhir::ResourceType;
use crate::interaction::Hub;
use crate::storage::conformance;
use crate::validation::profile::Given;
use std::collections::HashMap;
use std::sync::Arc;

/// Calls [`refresh`] where writes are held to profiles and one was written. The write is done:
/// where the database fails now, the node finds out by itself soon after.
pub async fn refresh_after(hub: &Hub, written: &[ResourceType]) {
    let counts = |kind: &ResourceType| conformance::TYPES.contains(&kind.name());
    if hub.settings.validation == Validation::Profile
        && written.iter().any(counts)
        && let Err(error) = refresh(hub).await
    {
        tracing::warn!(%error, "the profiles cannot be refreshed for the moment");
    }
}

/// Brings the profiles up to date with what is stored.
///
/// # Errors
/// Those of the database.
pub async fn refresh(hub: &Hub) -> Result<()> {
    let access = Access::unrestricted();
    let mut connection = hub.store.pool().acquire().await?;
    // Counted before they are read: a write in between is read now and once more later.
    let writes = conformance::writes(&mut connection, &access).await?;
    if hub.profiles.writes() == writes {
        return Ok(());
    }
    let before = hub.profiles.profiles();
    let known: HashMap<(i64, i32), &Arc<Given>> = before
        .given()
        .filter_map(|given| Some((given.origin()?, given)))
        .collect();
    let present = conformance::present(&mut connection, &access).await?;
    let new = present.iter().filter(|row| !known.contains_key(row));
    let keys = new.map(|(key, _)| *key).collect();
    let read = conformance::read(&mut connection, &access, keys).await?;
    drop(connection);
    let kept = present.iter().filter_map(|row| known.get(row).copied());
    let kept: Vec<Arc<Given>> = kept.cloned().collect();
    let read = read
        .into_iter()
        .filter_map(|(key, version, body)| Given::stored(key, version, body));
    let profiles = before.with(kept.into_iter().chain(read.map(Arc::new)));
    hub.profiles.adopt(writes, Arc::new(profiles));
    Ok(())
}
