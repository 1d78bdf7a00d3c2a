//! Reading versions by identity.

use super::{Store, failed};
use crate::access::Access;
use crate::error::{Category, Result};
use crate::fhir::{Instant, Method, ResourceType, Version};
use crate::search::index::resource_key;
use bytes::Bytes;
use sqlx::postgres::PgRow;
use sqlx::{PgConnection, Row};
use std::collections::HashSet;

/// The columns that [`version_from`] expects, in order; `r` is a row of `resource` or `history`.
pub const VERSION_COLUMNS: &str = "r.type, r.id, r.version, r.last_updated, r.method, r.body";

const CURRENT: &str = "SELECT r.type, r.id, r.version, r.last_updated, r.method, r.body \
    FROM resource r WHERE r.tenant = $1 AND r.type = $2 AND r.key = $3 AND r.id = $4";

/// The current versions of several, of any types.
const CURRENT_MANY: &str = "SELECT r.type, r.id, r.version, r.last_updated, r.method, r.body \
    FROM unnest($2::smallint[], $3::bigint[], $4::text[]) AS asked(type, key, id) \
    JOIN resource r ON r.tenant = $1 AND r.type = asked.type AND r.key = asked.key AND r.id = asked.id";

const ONE_VERSION: &str = "SELECT r.type, r.id, r.version, r.last_updated, r.method, r.body \
    FROM resource r WHERE r.tenant = $1 AND r.type = $2 AND r.key = $3 AND r.id = $4 AND r.version = $5 \
    UNION ALL \
    SELECT r.type, r.id, r.version, r.last_updated, r.method, r.body \
    FROM history r WHERE r.tenant = $1 AND r.type = $2 AND r.key = $3 AND r.id = $4 AND r.version = $5";

const EXISTING: &str = "SELECT r.key FROM resource r JOIN unnest($2::smallint[], $3::bigint[]) \
    AS asked(type, key) ON r.tenant = $1 AND r.type = asked.type AND r.key = asked.key \
    WHERE r.body IS NOT NULL";

/// The same, held against deletion; in the order of keys, so that holders do not block
/// each other in a circle.
const EXISTING_HELD: &str = "SELECT r.key FROM resource r JOIN unnest($2::smallint[], $3::bigint[]) \
    AS asked(type, key) ON r.tenant = $1 AND r.type = asked.type AND r.key = asked.key \
    WHERE r.body IS NOT NULL ORDER BY r.type, r.key FOR KEY SHARE OF r";

const LABELS: &str = "SELECT DISTINCT label.value::text FROM resource r, \
      LATERAL json_array_elements(r.body::json -> 'meta' -> $3) AS label \
    WHERE r.tenant = $1 AND ($2::smallint IS NULL OR r.type = $2) AND r.body IS NOT NULL \
    ORDER BY 1 LIMIT 1000";

/// Every fixed statement of this file, for the test that prepares them.
pub const STATEMENTS: [&str; 6] = [
    CURRENT,
    ONE_VERSION,
    EXISTING,
    EXISTING_HELD,
    LABELS,
    CURRENT_MANY,
];

/// The version in a row that has the [`VERSION_COLUMNS`] first.
pub fn version_from(row: &PgRow) -> Result<Version, sqlx::Error> {
    let body: Option<&str> = row.try_get(5)?;
    Ok(Version {
        resource_type: type_from(row.try_get(0)?)?,
        id: row.try_get(1)?,
        version: row.try_get(2)?,
        last_updated: row.try_get::<Instant, _>(3)?,
        method: method_from(row.try_get(4)?)?,
        body: body.map(|text| Bytes::copy_from_slice(text.as_bytes())),
    })
}

pub(super) fn type_from(number: i16) -> Result<ResourceType, sqlx::Error> {
    ResourceType::from_number(number)
        .ok_or_else(|| sqlx::Error::Decode(format!("no resource type has number {number}").into()))
}

pub(super) fn method_from(number: i16) -> Result<Method, sqlx::Error> {
    Method::from_number(number)
        .ok_or_else(|| sqlx::Error::Decode(format!("no method has number {number}").into()))
}

impl Store {
    /// The current version, deletion markers included. A connection that died while it was
    /// idle is left for the next.
    pub async fn find_current(
        &self,
        access: &Access,
        resource_type: ResourceType,
        id: &str,
    ) -> Result<Option<Version>> {
        let mut left = self.pool().size();
        loop {
            let mut held = self.kept().take().await?;
            match find_current(&mut held.connection, access, resource_type, id).await {
                Err(error) if left > 0 && error.category == Category::Unavailable => left -= 1,
                found => {
                    if found.is_ok() {
                        self.kept().keep(held);
                    }
                    return found;
                }
            }
        }
    }

    /// One version, deletion markers included.
    pub async fn find_version(
        &self,
        access: &Access,
        resource_type: ResourceType,
        id: &str,
        version: i32,
    ) -> Result<Option<Version>> {
        let mut connection = self.pool().acquire().await?;
        find_version(&mut connection, access, resource_type, id, version).await
    }
}

/// The current version as the connection's transaction sees it.
pub async fn find_current(
    connection: &mut PgConnection,
    access: &Access,
    resource_type: ResourceType,
    id: &str,
) -> Result<Option<Version>> {
    let row = sqlx::query(CURRENT)
        .bind(access.tenant.0)
        .bind(resource_type.number())
        .bind(resource_key(resource_type, id))
        .bind(id)
        .fetch_optional(connection)
        .await?;
    Ok(row.as_ref().map(version_from).transpose()?)
}

/// The current versions of several resources as the connection's transaction sees them, deletion
/// markers included, in no order; what there never was is left out.
pub async fn find_many(
    connection: &mut PgConnection,
    access: &Access,
    asked: &[(ResourceType, &str)],
) -> Result<Vec<Version>> {
    if asked.is_empty() {
        return Ok(Vec::new());
    }
    let types: Vec<i16> = asked.iter().map(|(kind, _)| kind.number()).collect();
    let keys = asked.iter();
    let keys: Vec<i64> = keys.map(|(kind, id)| resource_key(*kind, id)).collect();
    let ids: Vec<&str> = asked.iter().map(|(_, id)| *id).collect();
    let rows = sqlx::query(CURRENT_MANY)
        .bind(access.tenant.0)
        .bind(types)
        .bind(keys)
        .bind(ids)
        .fetch_all(connection)
        .await?;
    Ok(rows.iter().map(version_from).collect::<Result<_, _>>()?)
}

/// One version as the connection's transaction sees it.
pub async fn find_version(
    connection: &mut PgConnection,
    access: &Access,
    resource_type: ResourceType,
    id: &str,
    version: i32,
) -> Result<Option<Version>> {
    let row = sqlx::query(ONE_VERSION)
        .bind(access.tenant.0)
        .bind(resource_type.number())
        .bind(resource_key(resource_type, id))
        .bind(id)
        .bind(version)
        .fetch_optional(connection)
        .await?;
    Ok(row.as_ref().map(version_from).transpose()?)
}

/// Which of these resources exist and are not deleted, by key; `hold` keeps them so until
/// the transaction ends.
pub async fn existing(
    connection: &mut PgConnection,
    access: &Access,
    asked: &[(ResourceType, i64)],
    hold: bool,
) -> Result<HashSet<i64>> {
    if asked.is_empty() {
        return Ok(HashSet::new());
    }
    let types: Vec<i16> = asked.iter().map(|(kind, _)| kind.number()).collect();
    let keys: Vec<i64> = asked.iter().map(|(_, key)| *key).collect();
    let found: Vec<i64> = sqlx::query_scalar(if hold { EXISTING_HELD } else { EXISTING })
        .bind(access.tenant.0)
        .bind(types)
        .bind(keys)
        .fetch_all(connection)
        .await
        .map_err(failed)?;
    Ok(found.into_iter().collect())
}

/// The values of a list in `meta` (`tag`, `security`, `profile`) that resources of a type,
/// or of all, have: JSON texts, a thousand at most. Reads every resource.
pub async fn labels_in_use(
    connection: &mut PgConnection,
    access: &Access,
    resource_type: Option<ResourceType>,
    list: &str,
) -> Result<Vec<String>> {
    Ok(sqlx::query_scalar(LABELS)
        .bind(access.tenant.0)
        .bind(resource_type.map(ResourceType::number))
        .bind(list)
        .fetch_all(connection)
        .await?)
}
