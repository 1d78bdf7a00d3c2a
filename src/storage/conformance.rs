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

const ALL: &str = "SELECT body FROM resource \
    WHERE tenant = $1 AND type = ANY($2) AND body IS NOT NULL ORDER BY xact, id";

/// Every fixed statement of this file, for the test that prepares them.
pub const STATEMENTS: [&str; 2] = [WRITES, ALL];

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

/// All of them as JSON, the oldest first.
///
/// # Errors
/// Those of the database.
pub async fn all(connection: &mut PgConnection, access: &Access) -> Result<Vec<String>> {
    Ok(sqlx::query_scalar(ALL)
        .bind(access.tenant.0)
        .bind(numbers())
        .fetch_all(connection)
        .await?)
}
