//! From the stored StructureDefinitions, ValueSets and CodeSystems to the profiles that
//! resources are validated against.
//!
//! [`refresh`] is called before each `$validate`; with `--validation profile` also after every
//! write of such a resource and at every beat of the node, so that what another node stored is
//! enforced here within seconds.

use crate::access::Access;
use crate::config::Validation;
use crate::error::Result;
use crate::fhir::{ResourceType, json};
use crate::interaction::Hub;
use crate::storage::conformance;
use crate::validation::profile::Profiles;
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
    let stored = conformance::all(&mut connection, &access).await?;
    drop(connection);
    let parsed = stored
        .iter()
        .filter_map(|body| json::parse(body.as_bytes(), usize::MAX).ok())
        .collect();
    let profiles = Profiles::new(hub.definitions.clone(), parsed, &hub.settings.base);
    hub.profiles.adopt(writes, Arc::new(profiles));
    Ok(())
}
