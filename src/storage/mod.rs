//! Storage: every version of every resource in PostgreSQL, and the index that searches use.
//!
//! ```text
//! resource   the current version: body, entries[] (GIN), feed position     PK (tenant, type, key)
//! history    superseded versions, never changed                           PK (tenant, type, key, version)
//! date_entry string_entry quantity_entry   values with an order, a row each
//! ```
//!
//! A read is one lookup in `resource`; any past version is one in `history`. A write is one
//! transaction that ends in [`write::apply`]. Only this module opens connections.

pub mod cluster;
mod failure;
pub mod feed;
pub mod history;
mod instant;
pub mod migrate;
pub mod read;
pub mod write;
pub mod writer;

pub use failure::{failed, is_retryable};

use crate::access::Access;
use crate::error::{Error, Result};
use sqlx::postgres::{PgConnectOptions, PgPool, PgPoolOptions};
use sqlx::{PgConnection, Postgres, Transaction};
use std::time::Duration;

/// The database, as a pool of connections.
pub struct Store {
    pool: PgPool,
    writer: writer::Writer,
}

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
            .options([("statement_timeout", timeout.as_str()), ("jit", "off")]);
        let pool = PgPoolOptions::new()
            .max_connections(options.connections)
            .acquire_timeout(Duration::from_secs(10))
            // A connection that broke shows itself at its first statement; asking every time
            // would cost a round trip per request.
            .test_before_acquire(false)
            .connect_with(connect)
            .await
            .map_err(failed)?;
        let writer = writer::Writer::start(pool.clone());
        Ok(Store { pool, writer })
    }

    /// A read-only view of one moment: every statement in it sees the same data.
    pub async fn snapshot(&self, _access: &Access) -> Result<Transaction<'static, Postgres>> {
        // Searches are planned for their values: a plan made for an unknown code would be
        // luck, and costs more than the planning it saves.
        self.pool
            .begin_with(
                "BEGIN ISOLATION LEVEL REPEATABLE READ READ ONLY; \
                 SET LOCAL plan_cache_mode = force_custom_plan",
            )
            .await
            .map_err(failed)
    }

    /// A transaction for writing; dropping it undoes everything.
    pub async fn begin(&self, _access: &Access) -> Result<Transaction<'static, Postgres>> {
        self.pool.begin().await.map_err(failed)
    }

    pub(crate) fn pool(&self) -> &PgPool {
        &self.pool
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
        let ask = sqlx::query("SELECT 1").execute(&self.pool);
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
        self.pool.close().await;
    }
}

/// Ends a transaction; its writes are durable when this returns.
pub async fn commit(transaction: Transaction<'static, Postgres>) -> Result<()> {
    transaction.commit().await.map_err(failed)
}

/// Refreshes the planner's statistics, after a load.
pub async fn analyze(connection: &mut PgConnection) -> Result<(), Error> {
    sqlx::query("ANALYZE resource, date_entry, string_entry, quantity_entry")
        .execute(connection)
        .await
        .map_err(failed)?;
    Ok(())
}
