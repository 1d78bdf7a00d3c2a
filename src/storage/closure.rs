//! The tables of `$closure`: which concepts a client has named, and what is above what among them.
//! <https://hl7.org/fhir/R4/terminology-service.html#closure>

use crate::access::Access;
use crate::error::Result;
use sqlx::PgConnection;

/// A concept of a table.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, sqlx::FromRow)]
pub struct Concept {
    pub system: String,
    pub code: String,
}

/// One concept is below another.
#[derive(Clone, Debug, PartialEq, Eq, sqlx::FromRow)]
pub struct Relation {
    pub system: String,
    pub source: String,
    pub target: String,
}

const CLEAR_CONCEPTS: &str = "DELETE FROM closure_concept WHERE tenant = $1 AND name = $2";

const CLEAR_RELATIONS: &str = "DELETE FROM closure_relation WHERE tenant = $1 AND name = $2";

const START: &str = "INSERT INTO closure (tenant, name, version) VALUES ($1, $2, 0) \
    ON CONFLICT (tenant, name) DO UPDATE SET version = 0";

const LOCK: &str = "SELECT version FROM closure WHERE tenant = $1 AND name = $2 FOR UPDATE";

const CONCEPTS: &str = "SELECT system, code FROM closure_concept \
    WHERE tenant = $1 AND name = $2 ORDER BY system, code";

const VERSION: &str = "UPDATE closure SET version = $3 WHERE tenant = $1 AND name = $2";

const ADD_CONCEPTS: &str = "INSERT INTO closure_concept (tenant, name, version, system, code) \
    SELECT $1, $2, $3, * FROM unnest($4::text[], $5::text[])";

const ADD_RELATIONS: &str = "INSERT INTO closure_relation (tenant, name, version, system, source, target) \
    SELECT $1, $2, $3, * FROM unnest($4::text[], $5::text[], $6::text[])";

const SINCE: &str = "SELECT system, source, target FROM closure_relation \
    WHERE tenant = $1 AND name = $2 AND version > $3 ORDER BY system, source, target";

/// Every fixed statement of this file, for the test that prepares them.
pub const STATEMENTS: [&str; 9] = [
    CLEAR_CONCEPTS,
    CLEAR_RELATIONS,
    START,
    LOCK,
    CONCEPTS,
    VERSION,
    ADD_CONCEPTS,
    ADD_RELATIONS,
    SINCE,
];

/// Begins a table anew, without concepts, as version 0.
pub async fn start(connection: &mut PgConnection, access: &Access, name: &str) -> Result<()> {
    for statement in [START, CLEAR_CONCEPTS, CLEAR_RELATIONS] {
        sqlx::query(statement)
            .bind(access.tenant.0)
            .bind(name)
            .execute(&mut *connection)
            .await?;
    }
    Ok(())
}

/// The version of a table, held against others until the transaction ends; `None` where there
/// is no such table.
pub async fn lock(
    connection: &mut PgConnection,
    access: &Access,
    name: &str,
) -> Result<Option<i32>> {
    let query = sqlx::query_scalar(LOCK).bind(access.tenant.0).bind(name);
    Ok(query.fetch_optional(connection).await?)
}

/// The concepts of a table.
pub async fn concepts(
    connection: &mut PgConnection,
    access: &Access,
    name: &str,
) -> Result<Vec<Concept>> {
    let query = sqlx::query_as(CONCEPTS).bind(access.tenant.0).bind(name);
    Ok(query.fetch_all(connection).await?)
}

/// Adds concepts and relations as a new version.
pub async fn add(
    connection: &mut PgConnection,
    access: &Access,
    (name, version): (&str, i32),
    concepts: &[Concept],
    relations: &[Relation],
) -> Result<()> {
    sqlx::query(VERSION)
        .bind(access.tenant.0)
        .bind(name)
        .bind(version)
        .execute(&mut *connection)
        .await?;
    let column = |of: fn(&Concept) -> &String| concepts.iter().map(of).cloned().collect::<Vec<_>>();
    sqlx::query(ADD_CONCEPTS)
        .bind(access.tenant.0)
        .bind(name)
        .bind(version)
        .bind(column(|one| &one.system))
        .bind(column(|one| &one.code))
        .execute(&mut *connection)
        .await?;
    let column =
        |of: fn(&Relation) -> &String| relations.iter().map(of).cloned().collect::<Vec<_>>();
    sqlx::query(ADD_RELATIONS)
        .bind(access.tenant.0)
        .bind(name)
        .bind(version)
        .bind(column(|one| &one.system))
        .bind(column(|one| &one.source))
        .bind(column(|one| &one.target))
        .execute(connection)
        .await?;
    Ok(())
}

/// The relations that came behind a version.
pub async fn since(
    connection: &mut PgConnection,
    access: &Access,
    name: &str,
    version: i32,
) -> Result<Vec<Relation>> {
    let query = sqlx::query_as(SINCE).bind(access.tenant.0).bind(name);
    Ok(query.bind(version).fetch_all(connection).await?)
}
