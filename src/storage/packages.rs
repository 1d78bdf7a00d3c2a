//! Which packages are installed, and which resources came with them.

use crate::access::Access;
use crate::error::Result;
use crate::fhir::{Instant, ResourceType};
use crate::package::Dependency;
use sqlx::Row as _;
use sqlx::postgres::PgConnection;

/// An installed package.
#[derive(Clone, Debug, PartialEq)]
pub struct Installed {
    pub name: String,
    pub version: String,
    /// As [`Package::hash`](crate::package::Package::hash).
    pub hash: String,
    pub title: Option<String>,
    pub dependencies: Vec<Dependency>,
    pub installed: Instant,
    /// How many resources came with it.
    pub resources: i64,
}

/// A resource that came with a package.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Owned {
    pub resource_type: ResourceType,
    /// Its id here.
    pub id: String,
    /// Its id in the package.
    pub own_id: String,
    pub key: i64,
    /// The version in which it was stored.
    pub version: i32,
}

/// One installs at a time; readers are not held up.
const LOCK: &str = "LOCK TABLE package IN SHARE ROW EXCLUSIVE MODE";

const ALL: &str = "SELECT p.name, p.version, p.hash, p.title, p.needs, p.wanted, p.installed, \
      (SELECT count(*) FROM package_resource r \
       WHERE r.tenant = p.tenant AND r.name = p.name AND r.package_version = p.version) \
    FROM package p WHERE p.tenant = $1 ORDER BY p.name, p.installed, p.version";

const ADD: &str = "INSERT INTO package (tenant, name, version, hash, title, needs, wanted) \
    VALUES ($1, $2, $3, $4, $5, $6, $7)";

const ADD_RESOURCES: &str = "INSERT INTO package_resource \
      (tenant, name, package_version, type, id, own_id, key, version) \
    SELECT $1, $2, $3, r.* FROM unnest($4::smallint[], $5::text[], $6::text[], $7::bigint[], $8::int[]) AS r";

const RESOURCES: &str = "SELECT type, id, own_id, key, version FROM package_resource \
    WHERE tenant = $1 AND name = $2 AND package_version = $3 ORDER BY type, id";

const REMOVE: &str = "DELETE FROM package WHERE tenant = $1 AND name = $2 AND version = $3";

/// Every fixed statement of this file, for the test that prepares them.
pub const STATEMENTS: [&str; 6] = [LOCK, ALL, ADD, ADD_RESOURCES, RESOURCES, REMOVE];

/// Holds others off who install or remove, until the transaction ends.
///
/// # Errors
/// `Conflict`: somebody else has not finished within the time that a lock is waited for.
pub async fn lock(connection: &mut PgConnection) -> Result<()> {
    sqlx::query(LOCK).execute(connection).await?;
    Ok(())
}

/// All that is installed, by name.
///
/// # Errors
/// Those of the database.
pub async fn all(connection: &mut PgConnection, access: &Access) -> Result<Vec<Installed>> {
    let rows = sqlx::query(ALL)
        .bind(access.tenant.0)
        .fetch_all(connection)
        .await?;
    let mut all = Vec::with_capacity(rows.len());
    for row in rows {
        let names: Vec<String> = row.try_get(4)?;
        let wanted: Vec<String> = row.try_get(5)?;
        let dependencies = names.into_iter().zip(wanted);
        all.push(Installed {
            name: row.try_get(0)?,
            version: row.try_get(1)?,
            hash: row.try_get(2)?,
            title: row.try_get(3)?,
            dependencies: dependencies
                .map(|(name, wanted)| Dependency { name, wanted })
                .collect(),
            installed: row.try_get(6)?,
            resources: row.try_get(7)?,
        });
    }
    Ok(all)
}

/// Notes that a package is installed, with its resources.
///
/// # Errors
/// Those of the database.
pub async fn add(
    connection: &mut PgConnection,
    access: &Access,
    package: &crate::package::Package,
    owned: &[Owned],
) -> Result<()> {
    let manifest = &package.manifest;
    let (needs, wanted): (Vec<&str>, Vec<&str>) = manifest
        .dependencies
        .iter()
        .map(|one| (one.name.as_str(), one.wanted.as_str()))
        .unzip();
    sqlx::query(ADD)
        .bind(access.tenant.0)
        .bind(&manifest.name)
        .bind(&manifest.version)
        .bind(&package.hash)
        .bind(&manifest.title)
        .bind(needs)
        .bind(wanted)
        .execute(&mut *connection)
        .await?;
    let each = owned.iter();
    let types: Vec<i16> = each.clone().map(|one| one.resource_type.number()).collect();
    let ids: Vec<&str> = each.clone().map(|one| one.id.as_str()).collect();
    let own_ids: Vec<&str> = each.clone().map(|one| one.own_id.as_str()).collect();
    let keys: Vec<i64> = each.clone().map(|one| one.key).collect();
    let versions: Vec<i32> = each.map(|one| one.version).collect();
    sqlx::query(ADD_RESOURCES)
        .bind(access.tenant.0)
        .bind(&manifest.name)
        .bind(&manifest.version)
        .bind(types)
        .bind(ids)
        .bind(own_ids)
        .bind(keys)
        .bind(versions)
        .execute(connection)
        .await?;
    Ok(())
}

/// What came with a package.
///
/// # Errors
/// Those of the database.
pub async fn resources(
    connection: &mut PgConnection,
    access: &Access,
    (name, version): (&str, &str),
) -> Result<Vec<Owned>> {
    let rows: Vec<(i16, String, String, i64, i32)> = sqlx::query_as(RESOURCES)
        .bind(access.tenant.0)
        .bind(name)
        .bind(version)
        .fetch_all(connection)
        .await?;
    let owned = rows
        .into_iter()
        .filter_map(|(kind, id, own_id, key, version)| {
            Some(Owned {
                resource_type: ResourceType::from_number(kind)?,
                id,
                own_id,
                key,
                version,
            })
        });
    Ok(owned.collect())
}

/// Forgets a package; its resources stay.
///
/// # Errors
/// Those of the database.
pub async fn remove(
    connection: &mut PgConnection,
    access: &Access,
    (name, version): (&str, &str),
) -> Result<()> {
    sqlx::query(REMOVE)
        .bind(access.tenant.0)
        .bind(name)
        .bind(version)
        .execute(connection)
        .await?;
    Ok(())
}
