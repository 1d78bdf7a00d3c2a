//! The table of jobs: work that outlives a request and a server.
//!
//! ```text
//! queued --take--> running --finish--> done | failed
//!   ^                 | lease runs out, or release
//!   +-----------------+            queued, running --cancel--> cancelled
//! ```
//!
//! Whoever works on a job has a lease, which every [`advance`] renews. Both `advance` and
//! [`finish`] belong in the transaction that does the work, and fail where the job is no
//! longer the worker's own, so that no work is done twice. What a job does is not known here.

use crate::access::{Access, Tenant};
use crate::error::Result;
use crate::fhir::Instant;
use sqlx::postgres::{PgConnection, PgRow};
use sqlx::{FromRow, Row};
use std::time::Duration;

/// Where a job stands.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum State {
    Queued,
    Running,
    Done,
    Failed,
    Cancelled,
}

impl State {
    /// As it is stored and shown.
    pub fn as_str(self) -> &'static str {
        match self {
            State::Queued => "queued",
            State::Running => "running",
            State::Done => "done",
            State::Failed => "failed",
            State::Cancelled => "cancelled",
        }
    }

    /// Whether nothing will change any more.
    pub fn is_final(self) -> bool {
        !matches!(self, State::Queued | State::Running)
    }

    fn parse(text: &str) -> Option<State> {
        [
            State::Queued,
            State::Running,
            State::Done,
            State::Failed,
            State::Cancelled,
        ]
        .into_iter()
        .find(|state| state.as_str() == text)
    }
}

/// A job as it is stored.
#[derive(Clone, Debug)]
pub struct Job {
    pub id: String,
    pub tenant: Tenant,
    pub kind: String,
    /// JSON of the kind's own.
    pub parameters: String,
    pub state: State,
    /// Resources that are done.
    pub done: i64,
    /// Resources in all, once they are counted.
    pub total: Option<i64>,
    pub cursor: Option<String>,
    /// How often it was taken since it last got further.
    pub attempts: i16,
    /// The last failure, in words.
    pub error: Option<String>,
    pub created: Instant,
    pub started: Option<Instant>,
    pub ended: Option<Instant>,
}

impl Job {
    /// The rights under which it works.
    pub fn access(&self) -> Access {
        Access {
            tenant: self.tenant,
        }
    }
}

impl FromRow<'_, PgRow> for Job {
    fn from_row(row: &PgRow) -> sqlx::Result<Job> {
        let state: &str = row.try_get("state")?;
        let unknown = || sqlx::Error::Decode(format!("unknown state of a job: {state}").into());
        Ok(Job {
            id: row.try_get("id")?,
            tenant: Tenant(row.try_get("tenant")?),
            kind: row.try_get("kind")?,
            parameters: row.try_get("parameters")?,
            state: State::parse(state).ok_or_else(unknown)?,
            done: row.try_get("done")?,
            total: row.try_get("total")?,
            cursor: row.try_get("cursor")?,
            attempts: row.try_get("attempts")?,
            error: row.try_get("error")?,
            created: row.try_get("created")?,
            started: row.try_get("started")?,
            ended: row.try_get("ended")?,
        })
    }
}

const INSERT: &str = "INSERT INTO job (id, tenant, kind, parameters, state) \
    VALUES ($1, $2, $3, $4, 'queued')";

/// What nobody will ask for any more.
const FORGET: &str = "DELETE FROM job WHERE ended < clock_timestamp() - interval '30 days'";

const FIND: &str = "SELECT * FROM job WHERE tenant = $1 AND id = $2";

const OPEN: &str = "SELECT * FROM job WHERE tenant = $1 AND state IN ('queued', 'running') \
    ORDER BY created, id";

/// The oldest job that nobody works on, or `$3`, as long as somebody else does not work on it.
const TAKE: &str = "UPDATE job SET state = 'running', owner = $1, \
      lease = clock_timestamp() + make_interval(secs => $2), \
      started = coalesce(started, clock_timestamp()), attempts = attempts + 1 \
    WHERE id = (SELECT id FROM job \
      WHERE state IN ('queued', 'running') AND (state = 'queued' OR lease < clock_timestamp()) \
        AND ($3::text IS NULL OR id = $3) \
      ORDER BY created, id LIMIT 1 FOR UPDATE SKIP LOCKED) \
    RETURNING *";

const ADVANCE: &str = "UPDATE job SET done = done + $3, cursor = coalesce($4, cursor), \
      lease = clock_timestamp() + make_interval(secs => $5), \
      attempts = CASE WHEN $4::text IS NULL THEN attempts ELSE 0 END \
    WHERE id = $1 AND owner = $2 AND state = 'running'";

const PLAN: &str = "UPDATE job SET parameters = $3, total = $4, cursor = $5 \
    WHERE id = $1 AND owner = $2 AND state = 'running'";

const FINISH: &str = "UPDATE job SET state = $3, error = $4, owner = NULL, lease = NULL, \
      ended = clock_timestamp() \
    WHERE id = $1 AND owner = $2 AND state = 'running'";

const RELEASE: &str = "UPDATE job SET state = 'queued', owner = NULL, lease = NULL, \
      error = coalesce($3, error), attempts = CASE WHEN $3::text IS NULL THEN 0 ELSE attempts END \
    WHERE id = $1 AND owner = $2 AND state = 'running'";

const CANCEL: &str = "UPDATE job SET state = 'cancelled', owner = NULL, lease = NULL, \
      ended = clock_timestamp() \
    WHERE tenant = $1 AND id = $2 AND state IN ('queued', 'running')";

/// Every fixed statement of this file, for the test that prepares them.
pub const STATEMENTS: [&str; 10] = [
    INSERT, FORGET, FIND, OPEN, TAKE, ADVANCE, PLAN, FINISH, RELEASE, CANCEL,
];

/// Queues a job and says its id.
pub async fn insert(
    connection: &mut PgConnection,
    access: &Access,
    kind: &str,
    parameters: &str,
) -> Result<String> {
    sqlx::query(FORGET).execute(&mut *connection).await?;
    let id = uuid::Uuid::now_v7().to_string();
    sqlx::query(INSERT)
        .bind(&id)
        .bind(access.tenant.0)
        .bind(kind)
        .bind(parameters)
        .execute(&mut *connection)
        .await?;
    super::nodes::notify(connection).await?;
    Ok(id)
}

pub async fn find(connection: &mut PgConnection, access: &Access, id: &str) -> Result<Option<Job>> {
    let found = sqlx::query_as(FIND).bind(access.tenant.0).bind(id);
    Ok(found.fetch_optional(connection).await?)
}

/// The jobs that are not at their end, oldest first.
pub async fn open(connection: &mut PgConnection, access: &Access) -> Result<Vec<Job>> {
    let found = sqlx::query_as(OPEN).bind(access.tenant.0);
    Ok(found.fetch_all(connection).await?)
}

/// Takes the oldest job that nobody works on, or the one of that id.
pub async fn take(
    connection: &mut PgConnection,
    owner: &str,
    lease: Duration,
    id: Option<&str>,
) -> Result<Option<Job>> {
    let taken = sqlx::query_as(TAKE)
        .bind(owner)
        .bind(lease.as_secs_f64())
        .bind(id);
    Ok(taken.fetch_optional(connection).await?)
}

/// Notes that a job got further by so many resources and renews the lease; without a cursor
/// it only renews. `false`: it is not the owner's job any more.
pub async fn advance(
    connection: &mut PgConnection,
    id: &str,
    owner: &str,
    (done, cursor): (i64, Option<&str>),
    lease: Duration,
) -> Result<bool> {
    let update = sqlx::query(ADVANCE)
        .bind(id)
        .bind(owner)
        .bind(done)
        .bind(cursor)
        .bind(lease.as_secs_f64());
    Ok(update.execute(connection).await?.rows_affected() == 1)
}

/// Notes what a job turned out to be when it began. `false` as in [`advance`].
pub async fn plan(
    connection: &mut PgConnection,
    id: &str,
    owner: &str,
    (parameters, total, cursor): (&str, i64, &str),
) -> Result<bool> {
    let update = sqlx::query(PLAN)
        .bind(id)
        .bind(owner)
        .bind(parameters)
        .bind(total)
        .bind(cursor);
    Ok(update.execute(connection).await?.rows_affected() == 1)
}

/// Ends a job. `false` as in [`advance`].
pub async fn finish(
    connection: &mut PgConnection,
    id: &str,
    owner: &str,
    state: State,
    error: Option<&str>,
) -> Result<bool> {
    let update = sqlx::query(FINISH)
        .bind(id)
        .bind(owner)
        .bind(state.as_str())
        .bind(error);
    Ok(update.execute(connection).await?.rows_affected() == 1)
}

/// Gives a job back: with an error after a failure that may pass, without one at shutdown.
pub async fn release(
    connection: &mut PgConnection,
    id: &str,
    owner: &str,
    error: Option<&str>,
) -> Result<()> {
    let update = sqlx::query(RELEASE).bind(id).bind(owner).bind(error);
    update.execute(&mut *connection).await?;
    super::nodes::notify(connection).await
}

/// Cancels a job that is not at its end. `false` where there is none such.
pub async fn cancel(connection: &mut PgConnection, access: &Access, id: &str) -> Result<bool> {
    let update = sqlx::query(CANCEL).bind(access.tenant.0).bind(id);
    Ok(update.execute(connection).await?.rows_affected() == 1)
}
