//! From the stored SearchParameters to the ones that are live.
//!
//! [`refresh`] is called after every write of a SearchParameter, before it is answered, and
//! when another node may have written one. It makes the rows of `search_parameter` agree with
//! what is stored, under a lock that all nodes share, and adopts what they say.
//!
//! Two SearchParameters that take the same code and were written at the same time, so that
//! neither saw the other, are decided here: the one that was live first, then the older, is
//! live. Of several versions of one URL, as packages bring them, the newest is.

use super::{profiles, reindex};
use crate::access::Access;
use crate::definitions::SearchParameter;
use crate::error::Result;
use crate::fhir::{ResourceType, json};
use crate::interaction::Hub;
use crate::search::custom::{self, Custom};
use crate::search::index::Edition;
use crate::search::live::State;
use crate::search::registry::Registry;
use crate::search::repetition;
use crate::storage;
use crate::storage::parameters::{self, Generation, Row};
use std::collections::HashMap;

/// Calls [`refresh`] where a write was one of a SearchParameter, and [`profiles::refresh`]
/// where it was one that others are validated by. The write is done: where the
/// database fails now, the node finds out by itself soon after.
pub async fn refresh_after(hub: &Hub, written: &[ResourceType]) {
    profiles::refresh_after(hub, written).await;
    if !written.iter().any(|kind| kind.name() == "SearchParameter") {
        return;
    }
    if let Err(error) = refresh(hub).await {
        tracing::warn!(%error, "the search parameters cannot be refreshed for the moment");
    }
}

/// Brings the live search parameters up to date with what is stored.
///
/// # Errors
/// Those of the database.
pub async fn refresh(hub: &Hub) -> Result<()> {
    let access = Access::unrestricted();
    let mut connection = hub.store.pool().acquire().await?;
    let now = parameters::generation(&mut connection).await?;
    let writes = parameters::writes(&mut connection, &access).await?;
    drop(connection);
    if writes != now.reconciled {
        reconcile(hub, &access).await?;
    }
    adopt(hub, &access).await
}

/// Goes over to the parameters of the present generation.
async fn adopt(hub: &Hub, access: &Access) -> Result<()> {
    let mut connection = hub.store.pool().acquire().await?;
    if parameters::generation(&mut connection).await?.generation <= hub.live.current().generation {
        return Ok(());
    }
    let (generation, rows) = parameters::load(&mut connection, access).await?;
    drop(connection);
    let states = rows.iter().filter_map(state).collect();
    if hub.live.adopt(generation, states) {
        let count = rows.len();
        tracing::info!(
            generation,
            parameters = count,
            "the custom search parameters have changed"
        );
    }
    Ok(())
}

fn state(row: &Row) -> Option<State> {
    let resource = json::parse(row.definition.as_bytes(), usize::MAX).ok()?;
    Some(State {
        custom: Custom {
            id: row.id.clone(),
            definition: SearchParameter::parse(&resource).ok()?,
            types: row.types.clone(),
        },
        pending: row.pending.clone(),
        job: row.job.clone(),
    })
}

/// Makes the rows agree with the stored SearchParameters, and queues a job for what has to be
/// built.
async fn reconcile(hub: &Hub, access: &Access) -> Result<()> {
    let mut transaction = hub.store.begin(access).await?;
    let before = parameters::lock(&mut transaction).await?;
    // Counted before they are read: a write in between is taken into account and counted
    // again, which costs another look and loses nothing.
    let reconciled = parameters::writes(&mut transaction, access).await?;
    if reconciled == before.reconciled {
        return Ok(());
    }
    let stored = parameters::active(&mut transaction, access).await?;
    let (_, rows) = parameters::load(&mut transaction, access).await?;
    let next = before.generation + 1;
    let mut wanted = live_ones(&hub.registry(), stored, &rows, next);
    let gone: Vec<String> = rows
        .iter()
        .filter(|row| !wanted.iter().any(|wanted| wanted.id == row.id))
        .map(|row| row.id.clone())
        .collect();
    wanted.retain(|wanted| !rows.contains(wanted));
    let mut generation = before.generation;
    if !(gone.is_empty() && wanted.is_empty()) {
        generation = next;
        parameters::remove(&mut transaction, access, &gone).await?;
        let new = |row: &&mut Row| row.generation == next && !row.pending.is_empty();
        let mut new: Vec<&mut Row> = wanted.iter_mut().filter(new).collect();
        let unbuilt: Vec<ResourceType> = new.iter().flat_map(|row| row.pending.clone()).collect();
        if !unbuilt.is_empty() {
            let job = reindex::queue_building(&mut transaction, access, unbuilt).await?;
            new.iter_mut().for_each(|row| row.job = Some(job.clone()));
        }
        for row in &wanted {
            parameters::put(&mut transaction, access, row).await?;
        }
    }
    let after = Generation {
        generation,
        reconciled,
    };
    parameters::set(&mut transaction, before, after).await?;
    storage::commit(transaction).await
}

/// The rows as they should be: those that are live already come first, so that who is live
/// keeps the code.
fn live_ones(
    registry: &Registry,
    stored: Vec<(String, String)>,
    rows: &[Row],
    next: i64,
) -> Vec<Row> {
    let known: HashMap<&str, &Row> = rows.iter().map(|row| (row.id.as_str(), row)).collect();
    let (first, then): (Vec<_>, Vec<_>) = stored
        .into_iter()
        .partition(|(id, _)| known.contains_key(id.as_str()));
    let mut accepted: Vec<Custom> = Vec::new();
    let mut live = Vec::new();
    for (id, body) in repetition::newest(first.into_iter().chain(then).collect()) {
        let Ok(resource) = json::parse(body.as_bytes(), usize::MAX) else {
            continue;
        };
        let others = registry.with_custom(accepted.clone(), Edition::default());
        match custom::check(&others, &id, &resource) {
            Ok(Some(custom)) => {
                // What another version has indexed need not be indexed again.
                let of_url = |row: &&Row| state(row).is_some_and(|of| is_same(&of, &custom));
                let before = known.get(id.as_str()).copied();
                let before = before.or_else(|| rows.iter().find(of_url));
                live.push(row(&custom, body, before, next));
                accepted.push(custom);
            }
            Ok(None) => {}
            Err(_) if repetition::is_repetition(&others, &id, &resource) => {}
            Err(error) => {
                tracing::warn!(parameter = id, %error, "a stored SearchParameter is not live");
            }
        }
    }
    live
}

/// Whether a live parameter is another version of this one.
fn is_same(live: &State, custom: &Custom) -> bool {
    let (live, own) = (&live.custom.definition, &custom.definition);
    live.url == own.url && live.code == own.code
}

/// The row of a parameter. What is built stays so, and what is being built stays with its
/// job, where nothing else is indexed than before; else it is a row of the `next` generation.
fn row(custom: &Custom, definition: String, before: Option<&Row>, next: i64) -> Row {
    let mut row = Row {
        id: custom.id.clone(),
        generation: next,
        definition,
        types: custom.types.clone(),
        pending: custom.types.clone(),
        job: None,
    };
    let before = before.and_then(|row| Some((state(row)?.custom, row)));
    let same = before.filter(|(old, _)| old.index_relevant() == custom.index_relevant());
    if let Some((_, old)) = same {
        let is_unbuilt =
            |kind: &ResourceType| !old.types.contains(kind) || old.pending.contains(kind);
        row.pending.retain(is_unbuilt);
        if row.types.iter().all(|kind| old.types.contains(kind)) {
            row.generation = old.generation;
            row.job = old.job.clone();
        }
    }
    row
}
