//! The stored resources that others are validated by: StructureDefinitions, ValueSets,
//! CodeSystems and Questionnaires; and ImplementationGuides, which name what they belong to. <https://hl7.org/fhir/R4/conformance-module.html>

use crate::access::Access;
use crate::error::Result;
use crate::fhir::ResourceType;
use sqlx::postgres::PgConnection;

/// The types that say what is valid.
pub const TYPES: [&str; 5] = [
    "StructureDefinition",
    "ValueSet",
    "CodeSystem",
    "Questionnaire",
    "ImplementationGuide",
];

/// Each write of a resource adds one to the sum of versions, a deletion too.
const WRITES: &str = "SELECT coalesce(sum(version), 0)::bigint FROM resource \
    WHERE tenant = $1 AND type = ANY($2)";

/// With the package that each came with.
const PRESENT: &str = "SELECT r.key, r.version, p.name || '#' || p.package_version AS package \
    FROM resource r LEFT JOIN package_resource p \
      ON p.tenant = r.tenant AND p.type = r.type AND p.key = r.key \
    WHERE r.tenant = $1 AND r.type = ANY($2) AND r.body IS NOT NULL ORDER BY r.xact, r.id";

/// The oldest first.
const READ: &str = "SELECT key, version, body FROM resource \
    WHERE tenant = $1 AND type = ANY($2) AND key = ANY($3) AND body IS NOT NULL ORDER BY xact, id";

/// Every fixed statement of this file, for the test that prepares them.
pub const STATEMENTS: [&str; 3] = [WRITES, PRESENT, READ];

fn numbers() -> Vec<i16> {
    let known = TYPES.iter().filter_map(|name| ResourceType::parse(name));
    known.map(ResourceType::number).collect()
}

/// How many writes of them there were.
///
/// # Errors
/// Those of the database.
pub async fn writes(connection: &mut PgConnection, access: &Access) -> Result<i64> {
    Ok(sqlx::query_scalar(WRITES)
        .bind(access.tenant.0)
        .bind(numbers())
        .fetch_one(connection)
        .await?)
}

/// A row of [`present`].
#[derive(Clone, Debug, PartialEq, Eq, sqlx::FromRow)]
pub struct Present {
    pub key: i64,
    pub version: i32,
    /// `name#version` of the package that it came with.
    pub package: Option<String>,
}

/// All of them, the oldest first.
///
/// # Errors
/// Those of the database.
pub async fn present(connection: &mut PgConnection, access: &Access) -> Result<Vec<Present>> {
    Ok(sqlx::query_as(PRESENT)
        .bind(access.tenant.0)
        .bind(numbers())
        .fetch_all(connection)
        .await?)
}

/// Those of these keys, as JSON with key and version, the oldest first.
///
/// # Errors
/// Those of the database.
pub async fn read(
    connection: &mut PgConnection,
    access: &Access,
    keys: Vec<i64>,
) -> Result<Vec<(i64, i32, String)>> {
    Ok(sqlx::query_as(READ)
        .bind(access.tenant.0)
        .bind(numbers())
        .bind(keys)
        .fetch_all(connection)
        .await?)
}
