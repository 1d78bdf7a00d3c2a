//! Versions in the order of time: the pages of `_history`.
//!
//! Newest first, by `(last_updated, key, version)`: a version keeps its place when it moves
//! from `resource` to `history`, and new versions come in front, so that pages neither
//! repeat nor lose what was there when the first was read.

use super::read::version_from;
use crate::access::Access;
use crate::error::Result;
use crate::fhir::{Instant, ResourceType, Version};
use sqlx::{PgConnection, Row};

const OF_TYPES: &str = "SELECT r.type, r.id, r.version, r.last_updated, r.method, r.body, r.key FROM ( \
      SELECT p.* FROM unnest($2::smallint[]) AS t(number) CROSS JOIN LATERAL ( \
        (SELECT type, id, version, last_updated, method, key, true AS current FROM resource \
         WHERE tenant = $1 AND type = t.number AND last_updated >= $3 AND last_updated <= $4 \
           AND (last_updated, key) <= ($4, $5) \
           AND (last_updated, key, version) < ($4, $5, $6) \
         ORDER BY last_updated DESC, key DESC LIMIT $7) \
        UNION ALL \
        (SELECT type, id, version, last_updated, method, key, false FROM history \
         WHERE tenant = $1 AND type = t.number AND last_updated >= $3 AND last_updated <= $4 \
           AND (last_updated, key, version) < ($4, $5, $6) \
         ORDER BY last_updated DESC, key DESC, version DESC LIMIT $7)) AS p \
      ORDER BY last_updated DESC, key DESC, version DESC LIMIT $7) AS place \
    JOIN LATERAL ( \
      SELECT c.type, c.id, c.version, c.last_updated, c.method, c.body, c.key FROM resource c \
      WHERE place.current AND c.tenant = $1 AND c.type = place.type AND c.key = place.key \
      UNION ALL \
      SELECT h.type, h.id, h.version, h.last_updated, h.method, h.body, h.key FROM history h \
      WHERE NOT place.current AND h.tenant = $1 AND h.type = place.type AND h.key = place.key \
        AND h.version = place.version) AS r ON true \
    ORDER BY place.last_updated DESC, place.key DESC, place.version DESC";

const OF_INSTANCE: &str = "SELECT r.type, r.id, r.version, r.last_updated, r.method, r.body, r.key FROM ( \
      SELECT type, id, version, last_updated, method, body, key FROM resource \
      WHERE tenant = $1 AND type = $2 AND key = $3 AND id = $4 AND last_updated >= $5 AND version < $6 \
      UNION ALL \
      SELECT type, id, version, last_updated, method, body, key FROM history \
      WHERE tenant = $1 AND type = $2 AND key = $3 AND id = $4 AND last_updated >= $5 AND version < $6 \
    ) AS r WHERE r.last_updated <= $7 ORDER BY r.version DESC LIMIT $8";

/// Every fixed statement of this file, for the test that prepares them.
pub const STATEMENTS: [&str; 2] = [OF_TYPES, OF_INSTANCE];

/// A place between two versions: pages go on strictly below it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Place {
    pub last_updated: Instant,
    pub key: i64,
    pub version: i32,
}

impl Place {
    /// Above everything.
    pub const TOP: Place = Place {
        // The year 9999: later than any clock, within what `timestamptz` holds.
        last_updated: Instant::LATEST,
        key: i64::MAX,
        version: i32::MAX,
    };
}

/// A version and its place.
pub struct Placed {
    pub version: Version,
    pub place: Place,
}

/// The versions of these types, newest first, made at `since` or later and at `until` or
/// earlier, below `below`.
pub async fn of_types(
    connection: &mut PgConnection,
    access: &Access,
    types: &[ResourceType],
    since: Instant,
    below: Place,
    limit: usize,
) -> Result<Vec<Placed>> {
    let numbers: Vec<i16> = types.iter().map(|kind| kind.number()).collect();
    let rows = sqlx::query(OF_TYPES)
        .bind(access.tenant.0)
        .bind(numbers)
        .bind(since)
        .bind(below.last_updated)
        .bind(below.key)
        .bind(below.version)
        .bind(limit as i64)
        .fetch_all(connection)
        .await?;
    placed(&rows)
}

/// The versions of one resource, newest first, below version `below`.
#[allow(clippy::too_many_arguments, reason = "identity, window and page are three values each")]
pub async fn of_instance(
    connection: &mut PgConnection,
    access: &Access,
    resource_type: ResourceType,
    key: i64,
    id: &str,
    since: Instant,
    until: Instant,
    below: i32,
    limit: usize,
) -> Result<Vec<Placed>> {
    let rows = sqlx::query(OF_INSTANCE)
        .bind(access.tenant.0)
        .bind(resource_type.number())
        .bind(key)
        .bind(id)
        .bind(since)
        .bind(below)
        .bind(until)
        .bind(limit as i64)
        .fetch_all(connection)
        .await?;
    placed(&rows)
}

fn placed(rows: &[sqlx::postgres::PgRow]) -> Result<Vec<Placed>> {
    rows.iter()
        .map(|row| {
            let version = version_from(row)?;
            let place = Place {
                last_updated: version.last_updated,
                key: row.try_get(6)?,
                version: version.version,
            };
            Ok(Placed { version, place })
        })
        .collect()
}
