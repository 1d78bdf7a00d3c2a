//! The stored resources that others are validated by: StructureDefinitions, ValueSets,
//! CodeSystems and Questionnaires. <https://hl7.org/fhir/R4/conformance-module.html>

use crate::access::Access;
use crate::error::Result;
use crate::fhir::ResourceType;
use sqlx::postgres::PgConnection;

/// The types that say what is valid.
pub const TYPES: [&str; 4] = [
    "StructureDefinition",
    "ValueSet",
    "CodeSystem",
    "Questionnaire",
];

/// Each write of a resource adds one to the sum of versions, a deletion too.
const WRITES: &str = "SELECT coalesce(sum(version), 0)::bigint FROM resource \
    WHERE tenant = $1 AND type = ANY($2)";

const PRESENT: &str = "SELECT key, version FROM resource \
    WHERE tenant = $1 AND type = ANY($2) AND body IS NOT NULL ORDER BY xact, id";

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

/// Key and version of all of them, the oldest first.
///
/// # Errors
/// Those of the database.
pub async fn present(connection: &mut PgConnection, access: &Access) -> Result<Vec<(i64, i32)>> {
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
