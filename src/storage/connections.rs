//! Connections that do not go back to the pool between uses.
//!
//! A connection that returns to sqlx's pool is asked for a sign of life, a round trip of
//! its own. That is right after a request that was given up half-way, and a fifth of the
//! cost of a read after one that was not. So reads keep their connections on a stack, and
//! each writer has one for good; one whose work did not end well goes back to the pool,
//! which looks after it.

use super::failed;
use crate::error::Result;
use sqlx::pool::PoolConnection;
use sqlx::postgres::{PgConnection, PgPool};
use sqlx::{Connection, Executor, Postgres, raw_sql};
use std::sync::{Mutex, PoisonError};
use std::time::{Duration, Instant};

/// How long a connection may rest before it is asked for a sign of life.
const REST: Duration = Duration::from_secs(1);

/// How long the plans of a writer's statements are kept. A plan that was made while the
/// tables were small reads them whole, and PostgreSQL keeps it until the tables are analysed,
/// which may be a minute and a million rows later.
const PLANS: Duration = Duration::from_secs(1);

/// A read by id has its index, also where the table is so small that reading it whole would
/// be cheaper: the plan is kept while the table grows.
pub const FOR_READS: &str = "SET enable_seqscan = off";

/// A search's statement says itself what drives it; what is left to the planner is to follow
/// it by indexes, whatever the values are.
pub const FOR_SEARCHES: &str = "SET plan_cache_mode = force_generic_plan; \
    SET enable_seqscan = off; SET enable_hashjoin = off; SET enable_mergejoin = off; SET enable_memoize = off";

/// A connection that is kept, and when its plans were last thrown away.
pub struct Held {
    pub connection: PoolConnection<Postgres>,
    planned: Instant,
}

/// Connections of one purpose.
pub struct Kept {
    pool: PgPool,
    stack: Mutex<Vec<Held>>,
    most: usize,
    settings: &'static str,
}

impl Kept {
    /// Keeps at most so many connections of the pool, with these settings.
    pub fn new(pool: PgPool, most: u32, settings: &'static str) -> Kept {
        Kept {
            pool,
            stack: Mutex::default(),
            most: most as usize,
            settings,
        }
    }

    /// A connection: kept, or of the pool.
    pub async fn take(&self) -> Result<Held> {
        let kept = self
            .stack
            .lock()
            .unwrap_or_else(PoisonError::into_inner)
            .pop();
        if let Some(mut held) = kept {
            if held.planned.elapsed() > PLANS && self.settings == FOR_SEARCHES {
                held.connection.execute("DISCARD PLANS").await?;
                held.planned = Instant::now();
            }
            return Ok(held);
        }
        let mut connection = self.pool.acquire().await.map_err(failed)?;
        // Its settings are for this purpose alone, so that it never goes back to the others.
        connection.close_on_drop();
        raw_sql(self.settings).execute(&mut *connection).await?;
        Ok(Held {
            connection,
            planned: Instant::now(),
        })
    }

    /// Keeps a connection whose last answer arrived whole.
    pub fn keep(&self, held: Held) {
        let mut stack = self.stack.lock().unwrap_or_else(PoisonError::into_inner);
        if stack.len() < self.most && !self.pool.is_closed() {
            stack.push(held);
        }
    }

    /// Gives all of them back.
    pub fn clear(&self) {
        let mut stack = self.stack.lock().unwrap_or_else(PoisonError::into_inner);
        stack.clear();
    }
}

/// The connection of one writer.
pub struct Own {
    pool: PgPool,
    connection: Option<PoolConnection<Postgres>>,
    used: Instant,
    planned: Instant,
}

impl Own {
    pub fn new(pool: PgPool) -> Own {
        Own {
            pool,
            connection: None,
            used: Instant::now(),
            planned: Instant::now(),
        }
    }

    /// The connection, alive. Its statements are planned once, for any values: those of a
    /// writer find rows by their keys, and planning them anew each time costs more than they do.
    pub async fn get(&mut self) -> Result<&mut PgConnection> {
        if self.used.elapsed() > REST
            && let Some(connection) = &mut self.connection
            && connection.ping().await.is_err()
        {
            self.connection = None;
        }
        self.used = Instant::now();
        if self.connection.is_none() {
            let mut connection = self.pool.acquire().await?;
            connection.close_on_drop();
            connection
                .execute("SET plan_cache_mode = force_generic_plan")
                .await?;
            self.connection = Some(connection);
            self.planned = Instant::now();
        }
        let connection = self.connection.as_mut();
        let connection = connection.expect("it was made just above");
        if self.planned.elapsed() > PLANS {
            connection.execute("DISCARD PLANS").await?;
            self.planned = Instant::now();
        }
        Ok(connection)
    }

    /// Lets the connection go after an error that leaves its state in doubt.
    pub fn drop_connection(&mut self) {
        self.connection = None;
    }
}
