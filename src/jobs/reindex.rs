//! The job that makes index rows anew from what is stored: of every resource of some types.
//!
//! ```text
//! begin: all writes know the present generation g -> count -> cursor before the first
//! step:  a page of a type by key -> index -> replace what differs -> cursor behind it
//!        (of other types those resources that contain any of these types)
//! end:   nothing of these types is pending of the parameters up to g -> generation + 1
//! ```
//!
//! A job that a parameter has queued does only what is still pending when it begins: an
//! earlier one may have done it.

use super::parameters;
use crate::access::Access;
use crate::error::{Category, Error, Result};
use crate::fhir::{ResourceType, json};
use crate::interaction::Hub;
use crate::storage::jobs::{self, Job, State};
use crate::storage::parameters as rows;
use crate::storage::parameters::Generation;
use crate::storage::reindex::{self, Replacement, Stored, Waiting, Which};
use crate::storage::{self, is_retryable, nodes};
use serde::{Deserialize, Serialize};
use sqlx::{Postgres, Transaction};
use std::sync::Arc;
use std::time::Duration;

/// The name of this kind of job.
pub const KIND: &str = "reindex";

/// Resources that are read, compared and written at a time.
const PAGE: usize = 200;

/// How long a worker is believed to be at work without another word.
pub const LEASE: Duration = Duration::from_secs(30);

/// How long a job waits for writes of its own process before it looks again.
const SETTLING: Duration = Duration::from_millis(500);

/// What a job is to do, as it is stored.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default)]
pub struct Plan {
    /// The types of which everything is made anew; empty for all.
    pub types: Vec<String>,
    /// Only where a parameter is not built yet.
    pub building: bool,
    /// What all writes knew when it began.
    generation: i64,
    /// Of `types`, those that had any resource when it began.
    filled: Vec<String>,
    /// The other types that contained a resource of `types` then.
    containing: Vec<String>,
}

impl Plan {
    /// Reads what is stored.
    pub fn of(job: &Job) -> Result<Plan> {
        serde_json::from_str(&job.parameters).map_err(Error::fault)
    }

    fn types(&self) -> Vec<ResourceType> {
        match self.types.is_empty() {
            true => ResourceType::all().collect(),
            false => parse(&self.types),
        }
    }

    fn text(&self) -> Result<String> {
        serde_json::to_string(self).map_err(Error::fault)
    }
}

fn parse(names: &[String]) -> Vec<ResourceType> {
    let known = names.iter();
    known.filter_map(|name| ResourceType::parse(name)).collect()
}

fn names(types: &[ResourceType]) -> Vec<String> {
    types.iter().map(|kind| kind.name().to_owned()).collect()
}

/// Queues a job for these types, or for all where none is named; says its id.
pub async fn queue(hub: &Hub, access: &Access, types: &[ResourceType]) -> Result<String> {
    let mut transaction = hub.store.begin(access).await?;
    let before = rows::lock(&mut transaction).await?;
    let plan = Plan {
        types: names(types),
        ..Plan::default()
    };
    let job = jobs::insert(&mut transaction, access, KIND, &plan.text()?).await?;
    if rows::assign(&mut transaction, access, &job, &plan.types()).await? {
        renew(&mut transaction, before).await?;
    }
    storage::commit(transaction).await?;
    parameters::refresh(hub).await?;
    Ok(job)
}

/// Queues a job for parameters that have to be built; says its id.
pub async fn queue_building(
    transaction: &mut Transaction<'static, Postgres>,
    access: &Access,
    mut types: Vec<ResourceType>,
) -> Result<String> {
    types.sort_unstable();
    types.dedup();
    let plan = Plan {
        types: names(&types),
        building: true,
        ..Plan::default()
    };
    jobs::insert(transaction, access, KIND, &plan.text()?).await
}

/// Takes every parameter that came after a generation for unbuilt, and queues a job for them:
/// this node may have written without knowing them.
pub async fn doubt(hub: &Hub, access: &Access, known: i64) -> Result<()> {
    let mut transaction = hub.store.begin(access).await?;
    let before = rows::lock(&mut transaction).await?;
    let plan = Plan {
        building: true,
        ..Plan::default()
    };
    let job = jobs::insert(&mut transaction, access, KIND, &plan.text()?).await?;
    if !rows::doubt(&mut transaction, access, known, &job).await? {
        return Ok(());
    }
    renew(&mut transaction, before).await?;
    storage::commit(transaction).await?;
    parameters::refresh(hub).await
}

/// Makes a new generation, so that every node looks at what has changed.
async fn renew(transaction: &mut Transaction<'static, Postgres>, before: Generation) -> Result<()> {
    let after = Generation {
        generation: before.generation + 1,
        ..before
    };
    rows::set(transaction, before, after).await
}

/// What a step came to.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Step {
    /// There is more to do.
    More,
    /// It cannot go on this moment: others have to do something first.
    Waits,
    Done,
    /// It is not the worker's any more: cancelled, or its lease ran out.
    Lost,
}

/// Does the next piece of a job; what is done of it is noted in `job`.
///
/// # Errors
/// Those of the database. Nothing is lost; the step can be made again.
pub async fn step(hub: &Arc<Hub>, job: &mut Job, owner: &str, lease: Duration) -> Result<Step> {
    let plan = Plan::of(job)?;
    let made = match job.cursor.clone() {
        None => begin(hub, job, owner, plan).await,
        Some(cursor) => go_on(hub, job, owner, lease, &plan, &cursor).await,
    };
    let step = match made {
        Err(error) if error.category == Category::Conflict || is_retryable(&error) => Step::Waits,
        made => made?,
    };
    if step == Step::Waits {
        let mut connection = hub.store.pool().acquire().await?;
        if !jobs::advance(&mut connection, &job.id, owner, (0, None), lease).await? {
            return Ok(Step::Lost);
        }
    }
    Ok(step)
}

/// Begins, once everything that is stored from now on is indexed by all parameters that
/// there are.
async fn begin(hub: &Arc<Hub>, job: &mut Job, owner: &str, mut plan: Plan) -> Result<Step> {
    parameters::refresh(hub).await?;
    let edition = hub.live.current();
    let settled = hub.live.settled(edition.generation);
    if tokio::time::timeout(SETTLING, settled).await.is_err() {
        return Ok(Step::Waits);
    }
    let access = job.access();
    let mut transaction = hub.store.begin(&access).await?;
    if !nodes::all_know(&mut transaction, edition.generation).await? {
        return Ok(Step::Waits);
    }
    let mut types = plan.types();
    if plan.building {
        types.retain(|kind| edition.states.iter().any(|one| one.pending.contains(kind)));
    }
    let counted = reindex::count(&mut transaction, &access, &types).await?;
    let containing = reindex::count_containers(&mut transaction, &access, &types).await?;
    let total = counted.iter().chain(&containing).map(|(_, count)| count);
    let total = total.sum();
    let kinds = |counted: Vec<(ResourceType, i64)>| -> Vec<ResourceType> {
        counted.into_iter().map(|(kind, _)| kind).collect()
    };
    plan.filled = names(&kinds(counted));
    plan.containing = names(&kinds(containing));
    plan.generation = edition.generation;
    if plan.building {
        plan.types = names(&types);
    }
    let (text, cursor) = (plan.text()?, Cursor::START.to_string());
    if !jobs::plan(&mut transaction, &job.id, owner, (&text, total, &cursor)).await? {
        return Ok(Step::Lost);
    }
    if plan.building && types.is_empty() {
        jobs::finish(&mut transaction, &job.id, owner, State::Done, None).await?;
        storage::commit(transaction).await?;
        return Ok(Step::Done);
    }
    storage::commit(transaction).await?;
    job.parameters = text;
    job.total = Some(total);
    job.cursor = Some(cursor);
    Ok(Step::More)
}

/// Behind which resource a job stands.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
struct Cursor {
    /// Where in the types that are filled, and behind them those that contain.
    place: usize,
    key: i64,
}

impl Cursor {
    const START: Cursor = Cursor {
        place: 0,
        key: i64::MIN,
    };

    fn parse(text: &str) -> Option<Cursor> {
        let (place, key) = text.split_once(' ')?;
        Some(Cursor {
            place: place.parse().ok()?,
            key: key.parse().ok()?,
        })
    }
}

impl std::fmt::Display for Cursor {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "{} {}", self.place, self.key)
    }
}

async fn go_on(
    hub: &Arc<Hub>,
    job: &mut Job,
    owner: &str,
    lease: Duration,
    plan: &Plan,
    cursor: &str,
) -> Result<Step> {
    let access = job.access();
    let mut cursor =
        Cursor::parse(cursor).ok_or_else(|| Error::fault("a job's cursor cannot be read"))?;
    // A node that took the job over may not have heard yet of what the job is about.
    if hub.live.current().generation < plan.generation {
        parameters::refresh(hub).await?;
    }
    let (filled, containing) = (parse(&plan.filled), parse(&plan.containing));
    let whole = filled.into_iter().map(|kind| (kind, Which::All));
    let parts = containing.into_iter().map(|kind| (kind, Which::Containers));
    let walked: Vec<(ResourceType, Which)> = whole.chain(parts).collect();
    let (kind, page) = loop {
        let Some((kind, which)) = walked.get(cursor.place).copied() else {
            return end(hub, job, owner, plan).await;
        };
        let mut snapshot = hub.store.snapshot(&access).await?;
        let after = (which, cursor.key);
        let page = reindex::page(&mut snapshot, &access, kind, after, PAGE).await?;
        match page.last() {
            Some(last) => {
                cursor.key = last.key;
                break (kind, page);
            }
            None => {
                cursor = Cursor {
                    place: cursor.place + 1,
                    ..Cursor::START
                }
            }
        }
    };
    let count = page.len() as i64;
    let replacements = compare(hub, &access, kind, page).await?;
    let cursor = cursor.to_string();
    let mut transaction = hub.store.begin(&access).await?;
    // A lost piece of work is lost together with the cursor behind it.
    sqlx::query("SET LOCAL synchronous_commit = off")
        .execute(&mut *transaction)
        .await?;
    let busy = reindex::replace(
        &mut transaction,
        &access,
        kind,
        replacements,
        Waiting::Never,
    );
    let busy = busy.await?;
    if !busy.is_empty() {
        storage::commit(transaction).await?;
        transaction = wait_for(hub, &access, kind, busy).await?;
    }
    let done = (count, Some(cursor.as_str()));
    if !jobs::advance(&mut transaction, &job.id, owner, done, lease).await? {
        return Ok(Step::Lost);
    }
    storage::commit(transaction).await?;
    job.done += count;
    job.cursor = Some(cursor);
    Ok(Step::More)
}

/// Replaces the rows of resources that somebody held, one at a time, so that nobody waits for
/// us who waits for another of them. The answer is a transaction to go on with.
async fn wait_for(
    hub: &Hub,
    access: &Access,
    kind: ResourceType,
    busy: Vec<Replacement>,
) -> Result<Transaction<'static, Postgres>> {
    for one in busy {
        let mut transaction = hub.store.begin(access).await?;
        reindex::replace(&mut transaction, access, kind, vec![one], Waiting::Allowed).await?;
        storage::commit(transaction).await?;
    }
    hub.store.begin(access).await
}

/// Indexes a page, away from the threads that answer requests.
async fn compare(
    hub: &Arc<Hub>,
    access: &Access,
    kind: ResourceType,
    page: Vec<Stored>,
) -> Result<Vec<Replacement>> {
    let (hub, tenant) = (hub.clone(), access.tenant);
    let work = tokio::task::spawn_blocking(move || {
        let (registry, base) = (hub.registry(), &hub.settings.base);
        let compare = |stored: Stored| {
            // What was stored was within the limit of its time.
            let resource = json::parse(stored.body.as_bytes(), usize::MAX).ok()?;
            let index = registry.index(tenant, kind, &resource, base);
            stored.replaced_by(index)
        };
        page.into_iter().filter_map(compare).collect()
    });
    work.await.map_err(Error::fault)
}

async fn end(hub: &Hub, job: &Job, owner: &str, plan: &Plan) -> Result<Step> {
    let access = job.access();
    let mut transaction = hub.store.begin(&access).await?;
    let before = rows::lock(&mut transaction).await?;
    let types = plan.types();
    if rows::complete(&mut transaction, &access, plan.generation, &types).await? {
        renew(&mut transaction, before).await?;
    }
    if !jobs::finish(&mut transaction, &job.id, owner, State::Done, None).await? {
        return Ok(Step::Lost);
    }
    storage::commit(transaction).await?;
    parameters::refresh(hub).await?;
    Ok(Step::Done)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_cursor_returns_from_its_text() {
        for cursor in [
            Cursor::START,
            Cursor {
                place: 147,
                key: i64::MAX,
            },
        ] {
            assert_eq!(Cursor::parse(&cursor.to_string()), Some(cursor));
        }
        for bad in ["", "1", "1 x", "x 1"] {
            assert_eq!(Cursor::parse(bad), None, "{bad}");
        }
    }
}
