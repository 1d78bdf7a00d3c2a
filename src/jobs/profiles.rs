//! From the stored StructureDefinitions, ValueSets and CodeSystems to the profiles that
//! resources are validated against.
//!
//! [`refresh`] is called before each `$validate` and for the CapabilityStatement; where writes are
//! held to profiles also after every write of such a resource and at every beat of the node, so
//! that what another node stored is enforced here within seconds. Only what has changed is read,
//! and only what is asked for is parsed.
//!
//! ## Decisions
//!
//! **2026-11-22: heads in memory, bodies compressed until they are asked for.** Of a package most
//! is never asked for, and one write of a value set should not cost the parsing of all others.
//! With US Core in six versions and IPS (1,216 resources, 30 MB of JSON), in a debug build on two
//! shared cores: ready with all of them in 0.3 to 0.8 s; a write of one more value set with the
//! refresh behind it in 15 to 50 ms. Cost: the first resource of a profile waits for its parsing.

use crate::access::Access;
use crate::error::Result;
use crate::fhir::ResourceType;
use crate::interaction::Hub;
use crate::storage::conformance;
use crate::validation::profile::{Given, Pins};
use std::collections::{BTreeMap, HashMap};
use std::sync::Arc;
use std::time::Duration;

/// Calls [`refresh`] where writes are held to profiles and one was written. The write is done:
/// where the database fails now, the node finds out by itself soon after.
pub async fn refresh_after(hub: &Hub, written: &[ResourceType]) {
    let counts = |kind: &ResourceType| conformance::TYPES.contains(&kind.name());
    if hub.settings.uses_profiles()
        && written.iter().any(counts)
        && let Err(error) = refresh(hub).await
    {
        tracing::warn!(%error, "the profiles cannot be refreshed for the moment");
    }
}

/// Calls [`refresh`], for so long at most: who can do with the profiles as they were known last
/// answers even when the database is away.
pub async fn refresh_within(hub: &Hub, most: Duration) {
    match tokio::time::timeout(most, refresh(hub)).await {
        Ok(Ok(())) => {}
        Ok(Err(error)) => tracing::debug!(%error, "the profiles are as they were known last"),
        Err(_) => tracing::debug!("the profiles are as they were known last"),
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
    let origin = |row: &conformance::Present| (row.key, row.version);
    let new = present
        .iter()
        .filter(|row| !known.contains_key(&origin(row)));
    let keys: Vec<i64> = new.map(|row| row.key).collect();
    let read = conformance::read(&mut connection, &access, keys).await?;
    drop(connection);
    let kept = present.iter().filter_map(|row| known.get(&origin(row)));
    let kept: Vec<Arc<Given>> = kept.map(|given| Arc::clone(given)).collect();
    let profiles = before.with(with_read(kept, read, &present));
    hub.profiles.adopt(writes, Arc::new(profiles));
    Ok(())
}

/// What is known already, and what was read, which is told what package it belongs to.
fn with_read(
    mut kept: Vec<Arc<Given>>,
    read: Vec<(i64, i32, String)>,
    present: &[conformance::Present],
) -> Vec<Arc<Given>> {
    let mut labels: BTreeMap<&str, Arc<str>> = BTreeMap::new();
    let mut packages: HashMap<i64, Arc<str>> = HashMap::new();
    for row in present {
        if let Some(label) = row.package.as_deref() {
            let label = labels.entry(label).or_insert_with(|| Arc::from(label));
            packages.insert(row.key, label.clone());
        }
    }
    let read: Vec<Given> = read
        .into_iter()
        .filter_map(|(key, version, body)| {
            let given = Given::stored(key, version, &body)?;
            Some(given.of(packages.get(&key).cloned()))
        })
        .collect();
    let mut pins: HashMap<Arc<str>, Pins> = HashMap::new();
    for given in kept.iter().map(Arc::as_ref).chain(&read) {
        if let Some(package) = given.package() {
            let pins = pins.entry(package.clone()).or_default();
            pins.insert(given.url().to_owned(), given.version().to_owned());
        }
    }
    let pins: HashMap<Arc<str>, Arc<Pins>> = pins
        .into_iter()
        .map(|(package, pins)| (package, Arc::new(pins)))
        .collect();
    kept.extend(read.into_iter().map(|given| {
        let pins = given.package().and_then(|package| pins.get(package));
        Arc::new(match pins.cloned() {
            Some(pins) => given.pinned(pins),
            None => given,
        })
    }));
    kept
}
