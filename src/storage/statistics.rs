//! Loads what searches decide by: [`Statistics`], kept for half a minute.

use super::failed;
use crate::error::Result;
use crate::search::statistics::Statistics;
use sqlx::postgres::PgPool;
use sqlx::{PgConnection, Row};
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex, PoisonError};
use std::time::{Duration, Instant};

/// How long statistics are believed. PostgreSQL makes new ones when a twentieth has changed.
const KEPT: Duration = Duration::from_secs(30);

/// While there are none, or they are of a small table that may be filling.
const KEPT_WHILE_SMALL: Duration = Duration::from_secs(2);

/// Rows from which on a wrong choice is one that can be felt.
const SMALL: f64 = 50_000.0;

/// Arrays of any type are cast by way of their text.
const LOAD: &str = "SELECT greatest(c.reltuples, 0)::float8, \
    e.most_common_elems::text::bigint[], e.most_common_elem_freqs, \
    t.most_common_vals::text::smallint[], t.most_common_freqs \
    FROM pg_class c \
    LEFT JOIN pg_stats e ON e.schemaname = c.relnamespace::regnamespace::text \
      AND e.tablename = 'resource' AND e.attname = 'entries' \
    LEFT JOIN pg_stats t ON t.schemaname = c.relnamespace::regnamespace::text \
      AND t.tablename = 'resource' AND t.attname = 'type' \
    WHERE c.oid = 'resource'::regclass";

/// What this transaction has read of the tables of searches and their indexes: rows of whole
/// tables, and entries of indexes, whether or not a row was fetched for them. It may hold what
/// came before the transaction, so that only a difference of two says something.
const SCANNED: &str = "SELECT coalesce(sum(pg_stat_get_xact_tuples_returned(read.oid)), 0)::bigint \
    FROM unnest(ARRAY['resource', 'contained', 'history', 'date_entry', 'string_entry', \
      'quantity_entry']::regclass[]) AS t(name) CROSS JOIN LATERAL \
      (SELECT t.name::oid UNION ALL SELECT i.indexrelid FROM pg_index i WHERE i.indrelid = t.name) \
      AS read(oid)";

/// Every fixed statement of this file, for the test that prepares them.
pub const STATEMENTS: [&str; 2] = [LOAD, SCANNED];

/// How many entries of indexes and rows of tables the connection's transaction has read, from a
/// beginning that only the same transaction shares.
///
/// # Errors
/// Those of the database.
pub async fn scanned(connection: &mut PgConnection) -> Result<u64> {
    let row = sqlx::query(SCANNED).fetch_one(connection).await;
    let scanned: i64 = row.and_then(|row| row.try_get(0)).map_err(failed)?;
    Ok(u64::try_from(scanned).unwrap_or_default())
}

/// The statistics of the last load.
pub(super) struct Kept {
    pool: PgPool,
    latest: Mutex<Option<(Instant, Arc<Statistics>)>>,
    loading: AtomicBool,
}

impl Kept {
    /// With what is known already, so that the first search decides as well as the next.
    pub async fn load(pool: PgPool) -> Arc<Kept> {
        let kept = Arc::new(Kept {
            pool,
            latest: Mutex::default(),
            loading: AtomicBool::new(true),
        });
        kept.refresh().await;
        kept
    }

    /// What is known now. Old statistics are still good while new ones are loaded beside.
    pub fn now(self: &Arc<Kept>) -> Arc<Statistics> {
        let known = self.lock().clone();
        let is_old = known.as_ref().is_none_or(|(at, statistics)| {
            let kept = match statistics.rows < SMALL {
                true => KEPT_WHILE_SMALL,
                false => KEPT,
            };
            at.elapsed() > kept
        });
        if is_old && !self.loading.swap(true, Ordering::AcqRel) {
            let kept = self.clone();
            tokio::spawn(async move { kept.refresh().await });
        }
        known.map(|(_, statistics)| statistics).unwrap_or_default()
    }

    async fn refresh(&self) {
        let loaded = match self.pool.acquire().await {
            Ok(mut connection) => load(&mut connection).await,
            Err(error) => Err(failed(error)),
        };
        match loaded {
            Ok(statistics) => *self.lock() = Some((Instant::now(), Arc::new(statistics))),
            Err(error) => tracing::warn!(%error, "the statistics of searches could not be read"),
        }
        self.loading.store(false, Ordering::Release);
    }

    fn lock(&self) -> std::sync::MutexGuard<'_, Option<(Instant, Arc<Statistics>)>> {
        self.latest.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// The statistics of the database.
///
/// # Errors
/// Those of the database.
pub async fn load(connection: &mut PgConnection) -> Result<Statistics> {
    let row = sqlx::query(LOAD)
        .fetch_one(connection)
        .await
        .map_err(failed)?;
    let read = || -> Result<Statistics, sqlx::Error> {
        let entries: Option<Vec<i64>> = row.try_get(1)?;
        let entry_shares: Option<Vec<f32>> = row.try_get(2)?;
        let types: Option<Vec<i16>> = row.try_get(3)?;
        let type_shares: Option<Vec<f32>> = row.try_get(4)?;
        // Behind the shares of the entries stand three that sum them up.
        let pairs = entries.into_iter().flatten();
        let of_types = types.into_iter().flatten();
        Ok(Statistics {
            rows: row.try_get(0)?,
            entries: pairs.zip(entry_shares.into_iter().flatten()).collect(),
            types: of_types.zip(type_shares.into_iter().flatten()).collect(),
        })
    };
    read().map_err(failed)
}
