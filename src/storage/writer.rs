//! Group commit: single writes that come at the same time share one transaction.
//!
//! A commit costs a flush of the log whatever it carries, and a statement costs its round
//! trip whatever it carries. Writes of one resource therefore queue here; a worker takes all
//! that wait, decides each against the row that it locked, writes those that may be written
//! in one transaction, and answers after the commit. A write that must not happen (a stale
//! `If-Match`, a reference to nothing) fails alone; where the transaction itself fails, each
//! write is tried again on its own with fresh state.
//!
//! ## Decisions
//! 2026-11-21: two workers, so that one collects while the other commits. Nothing is
//! acknowledged before its commit, so durability is that of one transaction per write.
//!
//! 2026-11-21: a batch of creates under ids of ours, which no lock can concern, is one
//! statement in a transaction of its own instead of four round trips.
//!
//! 2026-11-21: a batch never waits for a row that somebody else holds, since all that queue
//! behind it would wait too: such a write leaves the batch and waits on its own, up to the
//! lock timeout of the connection.

use super::connections::Own;
use super::is_retryable;
use super::read::existing;
use super::write::{self, Change, Current, Fresh, Locked, Moment};
use crate::access::Access;
use crate::error::{Category, Error, Issue, Result};
use crate::fhir::{Draft, Method, ResourceType, Version};
use crate::search::index::{IndexRows, resource_key};
use futures::FutureExt;
use sqlx::Connection;
use sqlx::postgres::{PgConnection, PgPool};
use std::collections::HashSet;
use std::panic::AssertUnwindSafe;
use std::sync::{Arc, PoisonError};
use std::time::{Duration, Instant as Clock};
use tokio::sync::{Mutex, mpsc, oneshot};

/// Workers that commit at the same time.
pub const WORKERS: u32 = 2;
/// Writes in one transaction at most.
const BATCH: usize = 64;
/// Writes that wait at most; beyond, callers wait for a place.
const QUEUE: usize = 1024;
/// How long a write that loses races is tried again.
const PATIENCE: Duration = Duration::from_secs(5);

/// A reference that must lead somewhere.
#[derive(Clone, Debug)]
pub struct Pointer {
    pub resource_type: ResourceType,
    pub key: i64,
    /// The element, as a simple FHIRPath.
    pub path: String,
    /// As written: `Patient/1`.
    pub text: String,
}

/// What a write wants to store.
#[derive(Debug)]
pub struct Next {
    pub method: Method,
    /// `None` deletes.
    pub content: Option<Draft>,
    pub index: IndexRows,
    /// Checked before the commit; empty where references are not checked.
    pub pointers: Vec<Pointer>,
    /// Full integrity: what is pointed at is held against deletion until the commit.
    pub hold: bool,
    /// Full integrity: a deletion is refused while any resource has one of these entries.
    pub referrers: Vec<i64>,
}

/// What is to be done, in view of the row as it is.
pub enum Decision {
    Write(Arc<Next>),
    /// Nothing: what is there stays.
    Keep,
}

/// Decides on a write; called again when the transaction is.
pub type Decide = Box<dyn Fn(Option<&Current>) -> Result<Decision> + Send + Sync>;

/// What came of a write.
#[derive(Debug)]
pub struct Outcome {
    pub before: Option<Current>,
    /// The new version, unless the decision was to keep.
    pub after: Option<Version>,
}

/// One write of one resource.
pub struct Job {
    pub access: Access,
    pub resource_type: ResourceType,
    pub id: String,
    /// The id is new and nobody else can know it: there is no row to lock.
    pub fresh: bool,
    /// It may share no transaction with other writes: a deletion under full integrity, which
    /// must see whether others refer to it.
    pub alone: bool,
    pub decide: Decide,
}

const REFERRERS: &str = "SELECT r.type, r.id FROM resource r \
    WHERE r.tenant = $1 AND r.entries && $2::bigint[] AND r.body IS NOT NULL AND r.key <> ALL($3) LIMIT 5";

/// Every fixed statement of this file, for the test that prepares them.
pub const STATEMENTS: [&str; 1] = [REFERRERS];

struct Queued {
    job: Job,
    key: i64,
    reply: oneshot::Sender<Result<Outcome>>,
}

/// The queue of writes and its workers.
pub struct Writer {
    /// Gone when the writer is closed.
    queue: std::sync::Mutex<Option<mpsc::Sender<Queued>>>,
}

impl Writer {
    /// Starts the workers; they end when the writer is dropped.
    pub fn start(pool: PgPool) -> Writer {
        let (queue, waiting) = mpsc::channel(QUEUE);
        let waiting = Arc::new(Mutex::new(waiting));
        for _ in 0..WORKERS {
            tokio::spawn(work(pool.clone(), Arc::clone(&waiting)));
        }
        Writer {
            queue: std::sync::Mutex::new(Some(queue)),
        }
    }

    /// Takes no more writes; the workers end when those that wait are done.
    pub fn close(&self) {
        let mut queue = self.queue.lock().unwrap_or_else(PoisonError::into_inner);
        queue.take();
    }

    /// Does one write; the answer is durable.
    pub async fn write(&self, job: Job) -> Result<Outcome> {
        let (reply, answer) = oneshot::channel();
        let key = resource_key(job.resource_type, &job.id);
        let gone = || Error::new(Category::Unavailable, "the server is shutting down");
        let queue = {
            let queue = self.queue.lock().unwrap_or_else(PoisonError::into_inner);
            queue.clone().ok_or_else(gone)?
        };
        queue
            .send(Queued { job, key, reply })
            .await
            .map_err(|_| gone())?;
        answer
            .await
            .map_err(|_| Error::fault("a write ended without an answer"))?
    }
}

async fn work(pool: PgPool, waiting: Arc<Mutex<mpsc::Receiver<Queued>>>) {
    let mut own = Own::new(pool.clone());
    loop {
        let mut batch = Vec::new();
        {
            let mut waiting = waiting.lock().await;
            if waiting.recv_many(&mut batch, BATCH).await == 0 {
                return;
            }
        }
        for round in apart(batch) {
            let written = AssertUnwindSafe(write_batch(&mut own, &pool, round)).catch_unwind();
            // The callers' answers are dropped with the batch, which tells them of a fault;
            // the queue goes on.
            if written.await.is_err() {
                own.drop_connection();
                tracing::error!("a write panicked; its batch was undone");
            }
        }
    }
}

/// Splits a batch so that no resource, and no tenant beside another, is twice in a round.
fn apart(batch: Vec<Queued>) -> Vec<Vec<Queued>> {
    let mut rounds: Vec<Vec<Queued>> = Vec::new();
    for queued in batch {
        let fits = |round: &&mut Vec<Queued>| {
            round.iter().all(|other| {
                other.key != queued.key
                    && other.job.access.tenant == queued.job.access.tenant
                    && !(other.job.alone || queued.job.alone)
            })
        };
        // A write goes behind every earlier write of the same resource.
        let last = rounds
            .iter()
            .rposition(|round| round.iter().any(|other| other.key == queued.key));
        let start = last.map_or(0, |index| index + 1);
        match rounds[start..].iter_mut().find(fits) {
            Some(round) => round.push(queued),
            None => rounds.push(vec![queued]),
        }
    }
    rounds
}

async fn write_batch(own: &mut Own, pool: &PgPool, batch: Vec<Queued>) {
    match at_once(own, &batch).await {
        Ok(Some(outcomes)) => return reply(pool, batch, outcomes),
        Err(error) if error.category == Category::Unavailable => {
            own.drop_connection();
            return refuse(batch, &error);
        }
        // One of them cannot be written like this, or spoils it for all.
        Ok(None) | Err(_) => {}
    }
    if batch.len() > 1 {
        match attempt(own, &batch, Waiting::Never).await {
            Ok(outcomes) => return reply(pool, batch, outcomes),
            Err(error) if error.category == Category::Unavailable => {
                own.drop_connection();
                return refuse(batch, &error);
            }
            // One of them spoils it for all: each on its own, with fresh state.
            Err(_) => {}
        }
    }
    for queued in batch {
        let outcome = write_alone(own, &queued).await;
        let _ = queued.reply.send(outcome);
    }
}

/// Answers all of a batch with the same refusal.
fn refuse(batch: Vec<Queued>, error: &Error) {
    for queued in batch {
        let refusal = Error::of(error.category, error.issues.clone());
        let _ = queued.reply.send(Err(refusal));
    }
}

/// Creates all of a batch by one statement; `None`, and nothing is written, where a write
/// is not a plain create or points at nothing.
async fn at_once(own: &mut Own, batch: &[Queued]) -> Result<Option<Vec<Answer>>> {
    let mut nexts = Vec::with_capacity(batch.len());
    for queued in batch {
        let decision = queued.job.fresh.then(|| (queued.job.decide)(None));
        match decision {
            Some(Ok(Decision::Write(next))) if !next.hold => nexts.push(next),
            _ => return Ok(None),
        }
    }
    let mut fresh = Vec::with_capacity(batch.len());
    let mut pointed = Vec::new();
    for (queued, next) in batch.iter().zip(&nexts) {
        let Some(content) = &next.content else {
            return Ok(None);
        };
        let others = next
            .pointers
            .iter()
            .filter(|pointer| pointer.key != queued.key);
        pointed.extend(others.map(|pointer| (pointer.resource_type, pointer.key)));
        fresh.push(Fresh {
            resource_type: queued.job.resource_type,
            id: &queued.job.id,
            key: queued.key,
            method: next.method,
            content,
            index: &next.index,
        });
    }
    pointed.sort_unstable();
    pointed.dedup();
    let Some(access) = batch.first().map(|queued| &queued.job.access) else {
        return Ok(None);
    };
    let connection = own.get().await?;
    let versions = write::create_at_once(connection, access, &fresh, &pointed).await?;
    let created = |version| {
        Answer::Done(Ok(Outcome {
            before: None,
            after: Some(version),
        }))
    };
    Ok(versions.map(|versions| versions.into_iter().map(created).collect()))
}

async fn write_alone(own: &mut Own, queued: &Queued) -> Result<Outcome> {
    let mut patience = Patience::default();
    loop {
        match attempt(own, std::slice::from_ref(queued), Waiting::Allowed).await {
            Err(error) if patience.again(&error).await => {}
            Err(error) => {
                if error.category == Category::Unavailable {
                    own.drop_connection();
                }
                return Err(error);
            }
            Ok(mut answers) => match answers.pop() {
                Some(Answer::Done(outcome)) => return outcome,
                _ => return Err(Error::fault("a batch of one write had no outcome")),
            },
        }
    }
}

/// Sends the answers; a write whose row somebody holds goes on waiting on its own.
fn reply(pool: &PgPool, batch: Vec<Queued>, answers: Vec<Answer>) {
    for (queued, answer) in batch.into_iter().zip(answers) {
        match answer {
            // The caller may have gone; its write is committed all the same.
            Answer::Done(outcome) => {
                let _ = queued.reply.send(outcome);
            }
            Answer::Busy => {
                let mut own = Own::new(pool.clone());
                tokio::spawn(async move {
                    let outcome = write_alone(&mut own, &queued).await;
                    let _ = queued.reply.send(outcome);
                });
            }
        }
    }
}

/// Whether a write may wait for a row that another transaction holds.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Waiting {
    Allowed,
    Never,
}

/// What became of one write of a batch.
enum Answer {
    Done(Result<Outcome>),
    /// Another transaction holds its row.
    Busy,
}

/// How long work that loses races is tried again, with pauses that grow and jitter.
pub struct Patience {
    start: Clock,
    pause: Duration,
}

impl Default for Patience {
    fn default() -> Patience {
        Patience {
            start: Clock::now(),
            pause: Duration::from_millis(2),
        }
    }
}

impl Patience {
    /// Whether to try once more after this error; waits before saying yes.
    pub async fn again(&mut self, error: &Error) -> bool {
        if !is_retryable(error) || self.start.elapsed() >= PATIENCE {
            return false;
        }
        tokio::time::sleep(jitter(self.pause)).await;
        self.pause = (self.pause * 2).min(Duration::from_millis(200));
        true
    }
}

/// Between half and all of a pause.
fn jitter(pause: Duration) -> Duration {
    let random = uuid::Uuid::new_v4().as_u128() as u32;
    pause.mul_f64(0.5 + 0.5 * f64::from(random) / f64::from(u32::MAX))
}

/// One transaction for all of a batch. An error of the database fails the whole.
async fn attempt(own: &mut Own, batch: &[Queued], waiting: Waiting) -> Result<Vec<Answer>> {
    let connection = own.get().await?;
    let mut transaction = connection.begin_with(super::BEGIN).await?;
    let answers = answer_in(&mut transaction, batch, waiting).await;
    let wrote =
        |answer: &Answer| matches!(answer, Answer::Done(Ok(Outcome { after: Some(_), .. })));
    // Said, not left to the drop: that would undo it at the connection's next use, and hold
    // the rows until then.
    match &answers {
        Ok(answers) if answers.iter().any(wrote) => transaction.commit().await?,
        _ => transaction.rollback().await?,
    }
    answers
}

/// Does what can be done of a batch in the open transaction.
async fn answer_in(
    connection: &mut PgConnection,
    batch: &[Queued],
    waiting: Waiting,
) -> Result<Vec<Answer>> {
    let Some(access) = batch.first().map(|queued| &queued.job.access) else {
        return Ok(Vec::new());
    };
    let asked: Vec<_> = batch
        .iter()
        .filter(|queued| !queued.job.fresh)
        .map(|queued| (queued.job.resource_type, queued.key))
        .collect();
    let waits = waiting == Waiting::Allowed;
    let mut locked = write::lock_rows(connection, access, &asked, waits).await?;
    let busy = std::mem::take(&mut locked.busy);
    let free = |queued: &&Queued| !busy.contains(&queued.key);
    let jobs: Vec<&Job> = batch
        .iter()
        .filter(free)
        .map(|queued| &queued.job)
        .collect();
    let mut outcomes = perform_on(connection, access, &jobs, locked)
        .await?
        .into_iter();
    let answers = batch.iter().map(|queued| match busy.contains(&queued.key) {
        true => Answer::Busy,
        false => Answer::Done(
            outcomes
                .next()
                .unwrap_or_else(|| Err(Error::fault("a write of a batch had no outcome"))),
        ),
    });
    Ok(answers.collect())
}

/// Does writes of different resources in the open transaction; the caller commits.
pub async fn perform(
    connection: &mut PgConnection,
    access: &Access,
    jobs: &[&Job],
) -> Result<Vec<Result<Outcome>>> {
    let asked: Vec<_> = jobs
        .iter()
        .filter(|job| !job.fresh)
        .map(|job| (job.resource_type, job.key()))
        .collect();
    let locked = write::lock_rows(connection, access, &asked, true).await?;
    perform_on(connection, access, jobs, locked).await
}

/// The same with the rows that are there locked already.
async fn perform_on(
    connection: &mut PgConnection,
    access: &Access,
    jobs: &[&Job],
    mut locked: Locked,
) -> Result<Vec<Result<Outcome>>> {
    let decided: Vec<(Option<Current>, Result<Decision>)> = jobs
        .iter()
        .map(|job| decide(job, locked.rows.remove(&job.key())))
        .collect();
    let (moment, lost) = moment_and_lost(connection, access, jobs, &decided, locked.moment).await?;

    let mut changes = Vec::new();
    let mut written = Vec::new();
    let mut outcomes: Vec<Result<Outcome>> = Vec::with_capacity(jobs.len());
    for (job, (before, decision)) in jobs.iter().zip(decided) {
        let next = match decision {
            Err(error) => {
                outcomes.push(Err(error));
                continue;
            }
            Ok(Decision::Keep) => {
                let after = None;
                outcomes.push(Ok(Outcome { before, after }));
                continue;
            }
            Ok(Decision::Write(next)) => next,
        };
        if let Some(error) = dangling(&next.pointers, job.key(), &lost) {
            outcomes.push(Err(error));
            continue;
        }
        if let Some(error) = referred(connection, access, job, &next.referrers).await? {
            outcomes.push(Err(error));
            continue;
        }
        changes.push(Change {
            resource_type: job.resource_type,
            id: job.id.clone(),
            key: job.key(),
            method: next.method,
            content: next.content.clone(),
            index: next.index.clone(),
            previous: before.as_ref().map(Into::into),
        });
        written.push(outcomes.len());
        let after = None;
        outcomes.push(Ok(Outcome { before, after }));
    }
    let versions = write::apply(connection, access, moment, &changes).await?;
    for (index, version) in written.into_iter().zip(versions) {
        if let Ok(outcome) = &mut outcomes[index] {
            outcome.after = Some(version);
        }
    }
    Ok(outcomes)
}

impl Job {
    fn key(&self) -> i64 {
        resource_key(self.resource_type, &self.id)
    }
}

/// The refusal to delete what others refer to, naming some of them.
pub async fn referred(
    connection: &mut PgConnection,
    access: &Access,
    job: &Job,
    entries: &[i64],
) -> Result<Option<Error>> {
    let target = (job.resource_type, job.id.as_str());
    refuse_referred(connection, access, target, entries, &[]).await
}

/// The refusal to delete `target` while resources with these entries, other than itself and
/// the `ignored` keys, exist.
pub async fn refuse_referred(
    connection: &mut PgConnection,
    access: &Access,
    (resource_type, id): (ResourceType, &str),
    entries: &[i64],
    ignored: &[i64],
) -> Result<Option<Error>> {
    if entries.is_empty() {
        return Ok(None);
    }
    let mut ignored = ignored.to_vec();
    ignored.push(resource_key(resource_type, id));
    let rows: Vec<(i16, String)> = sqlx::query_as(REFERRERS)
        .bind(access.tenant.0)
        .bind(entries)
        .bind(ignored)
        .fetch_all(connection)
        .await?;
    if rows.is_empty() {
        return Ok(None);
    }
    let names: Vec<String> = rows
        .iter()
        .filter_map(|(number, id)| Some(format!("{}/{id}", ResourceType::from_number(*number)?)))
        .collect();
    Ok(Some(Error::new(
        Category::Conflict,
        format!(
            "{resource_type}/{id} cannot be deleted while others refer to it: {}",
            names.join(", ")
        ),
    )))
}

/// Decides one write. A row under the same key with another id is a collision of hashes.
fn decide(job: &Job, before: Option<Current>) -> (Option<Current>, Result<Decision>) {
    if let Some(other) = &before
        && other.version.id != job.id
    {
        let error = Error::new(
            Category::Conflict,
            format!(
                "the id {} cannot be used beside {}: choose another",
                job.id, other.version.id
            ),
        );
        return (None, Err(error));
    }
    let decision = (job.decide)(before.as_ref());
    (before, decision)
}

/// The moment, after all locks are held, and the keys that pointers of the batch lead to
/// and that are not there.
async fn moment_and_lost(
    connection: &mut PgConnection,
    access: &Access,
    jobs: &[&Job],
    decided: &[(Option<Current>, Result<Decision>)],
    known: Option<Moment>,
) -> Result<(Moment, HashSet<i64>)> {
    let mut asked = Vec::new();
    let mut hold = false;
    for (job, (_, decision)) in jobs.iter().zip(decided) {
        if let Ok(Decision::Write(next)) = decision {
            hold |= next.hold;
            let others = next
                .pointers
                .iter()
                .filter(|pointer| pointer.key != job.key());
            asked.extend(others.map(|pointer| (pointer.resource_type, pointer.key)));
        }
    }
    if hold {
        let lost = missing(connection, access, asked, hold).await?;
        return Ok((write::moment(connection, access).await?, lost));
    }
    if let (Some(moment), true) = (known, asked.is_empty()) {
        return Ok((moment, HashSet::new()));
    }
    asked.sort_unstable();
    asked.dedup();
    let (moment, lost) = write::moment_and_missing(connection, access, &asked).await?;
    Ok((moment, lost.into_iter().collect()))
}

/// Which of these resources are not there.
pub async fn missing(
    connection: &mut PgConnection,
    access: &Access,
    mut asked: Vec<(ResourceType, i64)>,
    hold: bool,
) -> Result<HashSet<i64>> {
    asked.sort_unstable();
    asked.dedup();
    let found = existing(connection, access, &asked, hold).await?;
    Ok(asked
        .into_iter()
        .map(|(_, key)| key)
        .filter(|key| !found.contains(key))
        .collect())
}

/// The error for pointers that lead nowhere, if any; a resource may point at itself.
pub fn dangling(pointers: &[Pointer], own: i64, lost: &HashSet<i64>) -> Option<Error> {
    let issues: Vec<Issue> = pointers
        .iter()
        .filter(|pointer| pointer.key != own && lost.contains(&pointer.key))
        .map(|pointer| {
            Issue::error(
                "not-found",
                format!(
                    "expected a reference to a resource that exists but found {}",
                    pointer.text
                ),
            )
            .at(&pointer.path)
        })
        .collect();
    (!issues.is_empty()).then(|| Error::of(Category::Unprocessable, issues))
}
