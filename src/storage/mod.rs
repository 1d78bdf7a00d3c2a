//! Storage: every version of every resource in PostgreSQL, and the index that searches use.
//!
//! ```text
//! resource   the current version: body, entries[] (GIN), feed position     PK (tenant, type, key)
//! history    superseded versions, never changed                           PK (tenant, type, key, version)
//! date_entry string_entry quantity_entry   values with an order, a row each
//! contained  what resources contain: entries[] (GIN), no body              PK (tenant, type, key)
//! job node search_parameter search_generation   see crate::jobs
//! ```
//!
//! A read is one lookup in `resource`; any past version is one in `history`. A write is one
//! transaction that ends in [`write::apply`]. Only this module opens connections.
//!
//! ## Decisions
//!
//! **2026-11-21: hashed arrays with GIN, rows only for what has an order.** Three layouts
//! (and a partitioned variant) were filled with the same 500,000 resources made of Synthea
//! records (mean body 1,578 bytes, 10.3 token and 4.9 reference values each) by COPY, 1,000
//! a transaction, and searched at 1x and, without bodies, at 10x (5,000,000), on two cores
//! that were shared: ratios count. Execution in ms, median of 20 values, planner left alone:
//!
//! | | A array + GIN | A by type | B narrow rows | C array, reference rows |
//! |---|---|---|---|---|
//! | fill, CPU s | 16-23 | 17 | 64 | 31 |
//! | bytes per resource | 2,020 | 2,094 | 3,680 | 2,754 |
//! | of it index of tokens and references | 126 | 182 | 1,928 | 896 |
//! | 1 rare token, 1x / 10x | 0.03 / 0.12 | 0.10 | 0.09 / 0.07 | 0.4 |
//! | 2 common token, 20, 1x / 10x | 0.31 / 0.58 | 0.33 | 0.51 / 0.53 | - |
//! | 3 two common tokens, 1x / 10x | 23 / > 8,000 (forced 3-14 / 38-127) | 304 | 60 / 3,238 | - |
//! | 4 patient + code by date, 1x / 10x | 0.22 / 0.55 | 0.28 | 2.3 / 4.6 | - |
//! | 5 rare chain, 1x / 10x | 0.29 / 0.94 (two steps) | 0.39 | 0.91 / 4.1 | 1.8 |
//! | 5 wide chain, 1x / 10x | 2.3 / 25 (two steps) | 0.7 | 746 / > 8,000 | 493 |
//! | 6 exact count, 1x / 10x | 16-30 / 217-383 | 25 | 1.0 / 16 | - |
//!
//! A it is, unpartitioned: a bit more than half of B's disk, a quarter of its fill, flat where it
//! matters. What it costs: an exact count visits the heap (so counts are asked for, never
//! made by the way), and PostgreSQL multiplies the selectivities of two common tokens as if
//! they were independent, so that the search engine has to choose the shape itself.
//! Partitions by type helped neither fill nor plans, and make hundreds of relations.
//!
//! **2026-11-21: the pending list of the GIN index is 256 KB.** With `fastupdate` off, eight
//! clients insert 1,100 rows/s; on, 2,300, whatever the limit. A search pays for a full
//! list: 0.09 ms when empty, 0.44 at 256 KB, 1.1 at 1 MB, 2.6 at PostgreSQL's 4 MB.
//!
//! **2026-11-22: it is 64 KB, PostgreSQL's least, and nobody cleans it beside.** A walk of `_has`
//! looks into the index for each resource, and each look reads the list. CPU of one backend, by
//! limit (256 KB / 64 KB / `fastupdate` off): a row written 49 / 47 / 64 microseconds; what a full
//! list adds to a look of 195: 100 / 20 / 0. So the writers pay nothing for the smaller list and
//! a third more without one. A task that empties the list each second under a lock would leave
//! what a second writes, which fills 64 KB in passing, and keep a connection busy: not made.
//!
//! **2026-11-22: 2.05 KB a resource, and create at 0.48 of its floor.** The whole of search took
//! 3 % of each: contained resources 20 bytes, composites and converted quantities 7, signatures
//! beside dates 17. The targets of 2.0 KB and 0.50 are missed by that; leaving the signatures
//! out would make `_sort=-date` five times slower.
//!
//! **2026-11-21: bodies are `text`, compressed by TOAST with lz4.** Bytes per body of the
//! Synthea records: text lz4 1,323, json lz4 1,325, text pglz 1,366, jsonb lz4 1,550 (which
//! also rewrites numbers); inserting takes 0.72 s as text, 1.12 as json, 2.0 as jsonb. What is
//! served is the text itself; the view `fhir` casts it for an analyst.
//!
//! **2026-11-21: the current version holds its body, superseded ones move.** A read and a
//! page of a search touch one table; an update copies the old row on the server's side. The
//! other way round (all versions in one log, the current one a pointer) costs every create a
//! second row and every search a join.
//!
//! **2026-11-21: the key is a hash of type and id.** It makes references joinable in SQL
//! (see [`crate::search::index`]) and saves an index over ids, 60 bytes a resource. Two ids
//! with one key are refused as a conflict (one chance in 4e3 among 100 million resources),
//! never confused: every read checks the id.
//!
//! **2026-11-21: presence is a bitmap, indexes keep equal values once.** With an entry per
//! present parameter the Synthea set took 2,250 bytes a resource; with `present` in their
//! place, and without the key in the indexes over `last_updated` and `xact` (what one
//! transaction wrote is equal there), 2,040: 1.99 KB. A padding column that makes TOAST
//! compress small bodies saved another 90 to 160 but doubled the time of the insert, and
//! was left out.
//!
//! **2026-11-21: what the figures of `cargo bench --bench http` cost and gave.** Read went
//! from 0.67 to 1.04 of its floor (one statement through sqlx's pool) when reads kept their
//! connections, since the pool asks each one that returns for a sign of life (a floor that
//! kept its connections too did 29,000 a second in a trial: beside that one it is about 0.6).
//! Create went from
//! 0.30 to 0.54 by one statement instead of BEGIN, moment, write, COMMIT, and by a connection
//! of each writer's own with generic plans (planning was a third of the statement's cost).
//! Memory after the Synthea set over HTTP went from 321 MB to 150 when transactions prepared
//! on their own thread instead of blocking ones, to 98 when the allocator gives back at once.
//!
//! A plan is kept for a second at most where it is made for any values, and made anew for
//! each statement elsewhere: one made while the tables were small joins by reading them whole
//! (EXPLAIN of the update showed it), and nothing but an ANALYZE would replace it.
//!
//! Three shares are missed. *Update*, 0.37 of 0.40: was 0.21; generic plans, one statement
//! for the old rows' removal and the new rows, and a lock that tells the moment brought the
//! rest. What is left is the work itself: the superseded row with its three indexes, six
//! statements on rows in one, a GIN update; the next step would be to leave index rows that
//! did not change. *Transaction*, 0.16 of 0.30: the floor is a multi-row INSERT into a table
//! without an index, 15 microseconds of processor a resource; the share asked for allows 50
//! for reading, rewriting, validating, indexing and storing it. We take 111, of which the
//! database with its indexes has 45. Tried: chunks of 400 in one statement for resource and rows
//! (from four), preparing on the task's own thread, half as many entries, leaner indexes,
//! conditional references found without parsing (together 11,500 to 17,000 resources/s). *Load* is the
//! same path: 0.16 of COPY. The profile is flat: index 20 %, JSON 13 %, links 10 %, validation 9 %,
//! hashing of names 5 %; one walk over the tree for links, pointers and index, and a faster hash
//! of names, are the next steps.
//!
//! **2026-11-21: history is immediate, the feed is patient.** `_history` shows what is
//! committed; [`feed`] holds back what an open transaction may still precede. A client that
//! polls `_since` the last instant it saw may miss a commit that was slower than its
//! neighbour by the time it took; followers that must not use the feed.

pub mod closure;
pub mod cluster;
pub mod conformance;
mod connections;
mod failure;
pub mod feed;
pub mod history;
mod instant;
pub mod jobs;
pub mod migrate;
pub mod nodes;
pub mod packages;
pub mod parameters;
pub mod read;
pub mod reindex;
pub mod secret;
pub mod statistics;
pub mod write;
pub mod writer;

pub use connections::{FOR_SEARCHES, Held};
pub use failure::{failed, is_retryable, is_timeout};

use crate::access::Access;
use crate::error::{Error, Result};
use crate::search::Secret;
use sqlx::postgres::{PgConnectOptions, PgPool, PgPoolOptions};
use sqlx::{PgConnection, Postgres, Transaction};
use std::sync::Arc;
use std::time::Duration;

/// The database, as a pool of connections.
pub struct Store {
    pool: PgPool,
    /// The connections of reads.
    kept: connections::Kept,
    /// The connections of searches.
    searches: connections::Kept,
    writer: writer::Writer,
    statistics: Arc<statistics::Kept>,
    secret: Secret,
}

/// How long a statement waits for a row or a name that another transaction holds, in
/// milliseconds; then the answer is 409.
const LOCK_TIME: &str = "5000";

/// Connections of what goes on in the background: one listens, one works on jobs.
const BACKGROUND: u32 = 2;

/// How the transaction of a writer begins, whose connection has its own way with plans.
const BEGIN: &str = "BEGIN ISOLATION LEVEL READ COMMITTED";

/// How a view of one moment begins.
pub(crate) const SNAPSHOT: &str = "BEGIN ISOLATION LEVEL REPEATABLE READ READ ONLY";

/// How the pool is made.
#[derive(Clone, Debug)]
pub struct StoreOptions {
    /// Connections at most.
    pub connections: u32,
    /// How long the database may work on one statement.
    pub statement_time: Duration,
}

impl Default for StoreOptions {
    fn default() -> StoreOptions {
        StoreOptions {
            connections: 16,
            statement_time: Duration::from_secs(30),
        }
    }
}

/// Connections in use and open, for the metrics.
#[derive(Clone, Copy, Debug)]
pub struct PoolStatus {
    pub open: u32,
    pub idle: usize,
    pub most: u32,
}

impl Store {
    /// Opens the pool; the schema must be up to date (see [`migrate`]).
    pub async fn connect(connect: PgConnectOptions, options: &StoreOptions) -> Result<Store> {
        let timeout = format!("{}", options.statement_time.as_millis());
        let connect = connect
            .application_name("andiron")
            .statement_cache_capacity(500)
            .options([
                ("statement_timeout", timeout.as_str()),
                ("lock_timeout", LOCK_TIME),
                ("jit", "off"),
            ]);
        let pool = PgPoolOptions::new()
            // Each writer has one for good, and the background its own, on top of what the
            // rest shares.
            .max_connections(options.connections + writer::WORKERS + BACKGROUND)
            .acquire_timeout(Duration::from_secs(10))
            // A connection that broke shows itself at its first statement; asking every time
            // would cost a round trip per request.
            .test_before_acquire(false)
            .connect_with(connect)
            .await
            .map_err(failed)?;
        let secret = secret::of_cursors(&pool).await?;
        let writer = writer::Writer::start(pool.clone());
        let reads = connections::Kept::new(
            pool.clone(),
            options.connections / 2,
            connections::FOR_READS,
        );
        let searches = connections::Kept::new(
            pool.clone(),
            options.connections / 2,
            connections::FOR_SEARCHES,
        );
        let statistics = statistics::Kept::load(pool.clone()).await;
        Ok(Store {
            pool,
            kept: reads,
            searches,
            writer,
            statistics,
            secret,
        })
    }

    /// What the cursors of this database are sealed with.
    pub fn secret(&self) -> Secret {
        self.secret
    }

    /// A read-only view of one moment: every statement in it sees the same data.
    pub async fn snapshot(&self, _access: &Access) -> Result<Transaction<'static, Postgres>> {
        // Searches are planned for their values: a plan made for an unknown code would be
        // luck, and costs more than the planning it saves.
        begin_with(
            &self.pool,
            "BEGIN ISOLATION LEVEL REPEATABLE READ READ ONLY; \
             SET LOCAL plan_cache_mode = force_custom_plan",
        )
        .await
    }

    /// A transaction for writing; dropping it undoes everything.
    pub async fn begin(&self, _access: &Access) -> Result<Transaction<'static, Postgres>> {
        begin(&self.pool).await
    }

    /// Listens to what other nodes notify, on a connection of its own.
    pub async fn listen(&self) -> Result<nodes::Listener> {
        nodes::Listener::connect(&self.pool).await
    }

    pub(crate) fn pool(&self) -> &PgPool {
        &self.pool
    }

    /// The connections of reads.
    pub(crate) fn kept(&self) -> &connections::Kept {
        &self.kept
    }

    /// The connections of searches, whose statements have one shape each.
    pub(crate) fn searches(&self) -> &connections::Kept {
        &self.searches
    }

    /// How common entries are, as far as it is known.
    pub fn statistics(&self) -> Arc<crate::search::statistics::Statistics> {
        self.statistics.now()
    }

    /// Concurrent single writes share transactions here.
    pub fn writer(&self) -> &writer::Writer {
        &self.writer
    }

    pub fn pool_status(&self) -> PoolStatus {
        PoolStatus {
            open: self.pool.size(),
            idle: self.pool.num_idle(),
            most: self.pool.options().get_max_connections(),
        }
    }

    /// Whether the database answers, within two seconds.
    pub async fn is_ready(&self) -> bool {
        let ask = begin(&self.pool);
        matches!(
            tokio::time::timeout(Duration::from_secs(2), ask).await,
            Ok(Ok(_))
        )
    }

    /// Bytes on disk of the whole database.
    pub async fn database_size(&self) -> Result<i64> {
        sqlx::query_scalar("SELECT pg_database_size(current_database())")
            .fetch_one(&self.pool)
            .await
            .map_err(failed)
    }

    /// Closes the pool after the work in flight.
    pub async fn close(&self) {
        self.writer.close();
        self.kept.clear();
        self.searches.clear();
        self.pool.close().await;
    }
}

/// Begins a transaction for writing. The level is said: the searches of conditional
/// interactions have to see what was committed while they waited for a lock.
async fn begin(pool: &PgPool) -> Result<Transaction<'static, Postgres>> {
    begin_with(
        pool,
        "BEGIN ISOLATION LEVEL READ COMMITTED; \
         SET LOCAL plan_cache_mode = force_custom_plan",
    )
    .await
}

/// Begins a transaction. A connection that died while it was idle, as all do when the
/// database restarts, shows it here, and the next is tried.
async fn begin_with(
    pool: &PgPool,
    statement: &'static str,
) -> Result<Transaction<'static, Postgres>> {
    let mut left = pool.size();
    loop {
        match pool.begin_with(statement).await {
            Err(error) if left > 0 && is_dead(&error) => left -= 1,
            begun => return begun.map_err(failed),
        }
    }
}

/// Whether the connection is gone, so that nothing was done on it.
fn is_dead(error: &sqlx::Error) -> bool {
    let code = error.as_database_error().and_then(|error| error.code());
    matches!(error, sqlx::Error::Io(_)) || matches!(code.as_deref(), Some("57P01" | "57P02"))
}

/// Ends a transaction; its writes are durable when this returns.
pub async fn commit(transaction: Transaction<'static, Postgres>) -> Result<()> {
    transaction.commit().await.map_err(failed)
}

/// Refreshes the planner's statistics, after a load.
pub async fn analyze(connection: &mut PgConnection) -> Result<(), Error> {
    sqlx::query("ANALYZE resource, contained, date_entry, string_entry, quantity_entry")
        .execute(connection)
        .await
        .map_err(failed)?;
    Ok(())
}
