//! The feed: every committed version in an order that a follower can keep up with.
//!
//! The position of a version is the number of the transaction that wrote it (never below
//! the position of the version before it), then key and version. Transactions end in
//! another order than they begin, so a follower reads only below the oldest transaction
//! that is still open: what is below can gain nothing any more, and no late commit is
//! missed. Subscriptions and exports stand on this; `_history` shows the present instead.

use super::read::version_from;
use crate::access::Access;
use crate::error::Result;
use crate::fhir::Version;
use sqlx::{PgConnection, Row};

const AFTER: &str = "SELECT r.type, r.id, r.version, r.last_updated, r.method, r.body, r.xact, r.key FROM ( \
      (SELECT type, id, version, last_updated, method, body, xact, key FROM resource \
       WHERE tenant = $1 AND (xact, key) >= ($2, $3) AND (xact, key, version) > ($2, $3, $4) \
         AND xact < pg_snapshot_xmin(pg_current_snapshot())::text::bigint \
       ORDER BY xact, key LIMIT $5) \
      UNION ALL \
      (SELECT type, id, version, last_updated, method, body, xact, key FROM history \
       WHERE tenant = $1 AND (xact, key, version) > ($2, $3, $4) \
         AND xact < pg_snapshot_xmin(pg_current_snapshot())::text::bigint \
       ORDER BY xact, key, version LIMIT $5)) AS r \
    ORDER BY r.xact, r.key, r.version LIMIT $5";

/// Every fixed statement of this file, for the test that prepares them.
pub const STATEMENTS: [&str; 1] = [AFTER];

/// Where a follower stands: behind this version.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord)]
pub struct Position {
    pub xact: i64,
    pub key: i64,
    pub version: i32,
}

impl Position {
    /// Before everything.
    pub const START: Position = Position {
        xact: 0,
        key: i64::MIN,
        version: 0,
    };
}

/// The next versions behind `position`, in order, each with its own position.
pub async fn after(
    connection: &mut PgConnection,
    access: &Access,
    position: Position,
    limit: usize,
) -> Result<Vec<(Position, Version)>> {
    let rows = sqlx::query(AFTER)
        .bind(access.tenant.0)
        .bind(position.xact)
        .bind(position.key)
        .bind(position.version)
        .bind(limit as i64)
        .fetch_all(connection)
        .await?;
    rows.iter()
        .map(|row| {
            let version = version_from(row)?;
            let position = Position {
                xact: row.try_get(6)?,
                key: row.try_get(7)?,
                version: version.version,
            };
            Ok((position, version))
        })
        .collect()
}
