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
        (SELECT type, key, version, last_updated, true AS current FROM resource \
         WHERE tenant = $1 AND type = t.number AND last_updated >= $3 AND last_updated <= $4 \
           AND (last_updated, key) <= ($5, $6) AND (last_updated, key, version) < ($5, $6, $7) \
         ORDER BY last_updated DESC, key DESC LIMIT $8) \
        UNION ALL \
        (SELECT h.type, h.key, h.version, h.last_updated, false FROM history h \
         WHERE h.tenant = $1 AND h.type = t.number AND h.last_updated >= $3 AND h.last_updated <= $4 \
           AND (h.last_updated, h.key, h.version) < ($5, $6, $7) \
           AND ($9::timestamptz IS NULL OR NOT EXISTS ( \
             SELECT 1 FROM history n WHERE n.tenant = $1 AND n.type = h.type AND n.key = h.key \
               AND n.version = h.version + 1 AND n.last_updated <= $9) AND NOT EXISTS ( \
             SELECT 1 FROM resource n WHERE n.tenant = $1 AND n.type = h.type AND n.key = h.key \
               AND n.version = h.version + 1 AND n.last_updated <= $9)) \
         ORDER BY h.last_updated DESC, h.key DESC, h.version DESC LIMIT $8)) AS p \
      ORDER BY last_updated DESC, key DESC, version DESC LIMIT $8) AS place \
    JOIN LATERAL ( \
      SELECT c.type, c.id, c.version, c.last_updated, c.method, c.body, c.key FROM resource c \
      WHERE place.current AND c.tenant = $1 AND c.type = place.type AND c.key = place.key \
      UNION ALL \
      SELECT h.type, h.id, h.version, h.last_updated, h.method, h.body, h.key FROM history h \
      WHERE NOT place.current AND h.tenant = $1 AND h.type = place.type AND h.key = place.key \
        AND h.version = place.version) AS r ON true \
    ORDER BY place.last_updated DESC, place.key DESC, place.version DESC";

const OF_INSTANCE: &str = "SELECT r.type, r.id, r.version, r.last_updated, r.method, r.body, r.key FROM ( \
      SELECT v.*, lag(last_updated) OVER (ORDER BY version DESC) AS replaced FROM ( \
        SELECT type, id, version, last_updated, method, body, key FROM resource \
        WHERE tenant = $1 AND type = $2 AND key = $3 AND id = $4 \
        UNION ALL \
        SELECT type, id, version, last_updated, method, body, key FROM history \
        WHERE tenant = $1 AND type = $2 AND key = $3 AND id = $4) AS v) AS r \
    WHERE r.last_updated >= $5 AND r.last_updated <= $6 AND r.version < $7 \
      AND ($9::timestamptz IS NULL OR r.replaced IS NULL OR r.replaced > $9) \
    ORDER BY r.version DESC LIMIT $8";

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

/// The time that a history is asked for.
#[derive(Clone, Copy, Debug)]
pub struct Window {
    /// Made at this time or later.
    pub since: Instant,
    /// Made at this time or earlier.
    pub until: Instant,
    /// Still current after this time.
    pub current_after: Option<Instant>,
}

/// The versions of these types within the window, newest first, below a place.
pub async fn of_types(
    connection: &mut PgConnection,
    access: &Access,
    types: &[ResourceType],
    window: &Window,
    below: Place,
    limit: usize,
) -> Result<Vec<Placed>> {
    let numbers: Vec<i16> = types.iter().map(|kind| kind.number()).collect();
    let rows = sqlx::query(OF_TYPES)
        .bind(access.tenant.0)
        .bind(numbers)
        .bind(window.since)
        .bind(window.until)
        .bind(below.last_updated)
        .bind(below.key)
        .bind(below.version)
        .bind(limit as i64)
        .bind(window.current_after)
        .fetch_all(connection)
        .await?;
    placed(&rows)
}

/// The versions of one resource (type, key, id) within the window, newest first, below
/// version `below`.
pub async fn of_instance(
    connection: &mut PgConnection,
    access: &Access,
    (resource_type, key, id): (ResourceType, i64, &str),
    window: &Window,
    below: i32,
    limit: usize,
) -> Result<Vec<Placed>> {
    let rows = sqlx::query(OF_INSTANCE)
        .bind(access.tenant.0)
        .bind(resource_type.number())
        .bind(key)
        .bind(id)
        .bind(window.since)
        .bind(window.until)
        .bind(below)
        .bind(limit as i64)
        .bind(window.current_after)
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
