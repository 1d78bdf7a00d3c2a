//! The processes that write to one database, and how they hear of each other.
//!
//! A node tells which generation of the search parameters all of its writes know, and shows
//! now and then that it is alive. PostgreSQL's NOTIFY wakes the others; who misses one finds
//! out by asking now and then.

use crate::error::Result;
use sqlx::postgres::{PgConnection, PgListener, PgPool};
use std::time::Duration;

/// What is listened on; what has changed is in the tables.
const CHANNEL: &str = "andiron";

/// How long a node that shows no sign of life counts as one.
pub const LAPSE: Duration = Duration::from_secs(20);

/// Holds the generation while it is told, so that no change of it comes between: a change
/// made before is told, and who makes one after sees the node.
const JOIN: &str = "WITH now AS MATERIALIZED ( \
      SELECT generation FROM search_generation FOR SHARE \
    ) INSERT INTO node (id, generation, xact, seen) \
      SELECT $1, least(generation, $2), pg_current_xact_id()::text::bigint, clock_timestamp() FROM now \
    ON CONFLICT (id) DO UPDATE SET seen = excluded.seen";

const BEAT: &str = "UPDATE node n SET seen = clock_timestamp() FROM node o \
    WHERE n.id = $1 AND o.id = n.id \
    RETURNING n.generation, o.seen < clock_timestamp() - make_interval(secs => $2)";

const KNOW: &str = "UPDATE node SET generation = $2, xact = pg_current_xact_id()::text::bigint, \
      seen = clock_timestamp() WHERE id = $1 AND generation < $2";

const ALL_KNOW: &str = "SELECT NOT EXISTS (SELECT 1 FROM node \
    WHERE seen > clock_timestamp() - make_interval(secs => $2) \
      AND (generation < $1 OR xact >= pg_snapshot_xmin(pg_current_snapshot())::text::bigint))";

const LEAVE: &str = "DELETE FROM node \
    WHERE id = $1 OR seen < clock_timestamp() - interval '1 day'";

const NOTIFY: &str = "SELECT pg_notify('andiron', '')";

/// Every fixed statement of this file, for the test that prepares them.
pub const STATEMENTS: [&str; 6] = [JOIN, BEAT, KNOW, ALL_KNOW, LEAVE, NOTIFY];

/// Wakes every node once the transaction is committed.
pub async fn notify(connection: &mut PgConnection) -> Result<()> {
    sqlx::query(NOTIFY).execute(connection).await?;
    Ok(())
}

/// Makes a node known before its first write, as knowing the present generation, which it
/// has to load before it writes; or again, as knowing this one.
pub async fn join(connection: &mut PgConnection, id: &str, known: Option<i64>) -> Result<()> {
    let insert = sqlx::query(JOIN).bind(id).bind(known.unwrap_or(i64::MAX));
    insert.execute(connection).await?;
    Ok(())
}

/// What a sign of life found.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Beat {
    /// The generation that others believe the node to know.
    pub generation: i64,
    /// Whether others may have gone on without it.
    pub was_away: bool,
}

/// Shows that a node is alive; `None` where it is not known, or was forgotten.
pub async fn beat(connection: &mut PgConnection, id: &str) -> Result<Option<Beat>> {
    let row: Option<(i64, bool)> = sqlx::query_as(BEAT)
        .bind(id)
        .bind(LAPSE.as_secs_f64())
        .fetch_optional(connection)
        .await?;
    Ok(row.map(|(generation, was_away)| Beat {
        generation,
        was_away,
    }))
}

/// Notes that every write that a node will yet begin knows this generation.
pub async fn know(connection: &mut PgConnection, id: &str, generation: i64) -> Result<()> {
    let update = sqlx::query(KNOW).bind(id).bind(generation);
    update.execute(&mut *connection).await?;
    notify(connection).await
}

/// Whether all writes know this generation, and those that did not are over.
pub async fn all_know(connection: &mut PgConnection, generation: i64) -> Result<bool> {
    Ok(sqlx::query_scalar(ALL_KNOW)
        .bind(generation)
        .bind(LAPSE.as_secs_f64())
        .fetch_one(connection)
        .await?)
}

/// Takes a node out, after its last write, and those that were forgotten long ago.
pub async fn leave(connection: &mut PgConnection, id: &str) -> Result<()> {
    sqlx::query(LEAVE).bind(id).execute(connection).await?;
    Ok(())
}

/// Hears what other nodes notify; it connects again by itself.
pub struct Listener(PgListener);

impl Listener {
    pub(super) async fn connect(pool: &PgPool) -> Result<Listener> {
        let mut listener = PgListener::connect_with(pool).await?;
        listener.listen(CHANNEL).await?;
        Ok(Listener(listener))
    }

    /// Waits for a notification. What was notified while the connection was lost counts as
    /// one.
    pub async fn heard(&mut self) -> Result<()> {
        self.0.try_recv().await?;
        Ok(())
    }
}
