//! The custom search parameters that are live, as all nodes agree on them.
//!
//! The rows are derived from the stored SearchParameters; who derives them holds the one row
//! of `search_generation`, and each change makes a new generation.

use super::nodes;
use crate::access::Access;
use crate::error::Result;
use crate::fhir::ResourceType;
use sqlx::postgres::PgConnection;
use sqlx::{Postgres, Transaction};

/// A row.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Row {
    pub id: String,
    /// The one in which what it indexes became what it is.
    pub generation: i64,
    /// The SearchParameter, as JSON.
    pub definition: String,
    pub types: Vec<ResourceType>,
    /// The types whose resources are not all indexed by it yet.
    pub pending: Vec<ResourceType>,
    pub job: Option<String>,
}

/// What the rows take into account.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Generation {
    pub generation: i64,
    /// Writes of SearchParameters, counted by [`writes`].
    pub reconciled: i64,
}

const CURRENT: &str = "SELECT generation, reconciled FROM search_generation";

const LOCK: &str = "SELECT generation, reconciled FROM search_generation FOR UPDATE";

/// Each write of a resource adds one to the sum of versions, a deletion too.
const WRITES: &str = "SELECT coalesce(sum(version), 0)::bigint FROM resource \
    WHERE tenant = $1 AND type = $2";

/// Those that may be active, the oldest first; the exact answer is in the JSON.
const ACTIVE: &str = "SELECT id, body FROM resource \
    WHERE tenant = $1 AND type = $2 AND body ~ '\"status\"\\s*:\\s*\"active\"' ORDER BY xact, id";

/// One statement, so that the generation is that of the rows.
const LOAD: &str = "SELECT g.generation, p.id, p.generation, p.definition, p.types, p.pending, p.job \
    FROM search_generation g LEFT JOIN search_parameter p ON p.tenant = $1 \
    ORDER BY p.generation, p.id";

const PUT: &str = "INSERT INTO search_parameter \
      (tenant, id, generation, definition, types, pending, job) \
    VALUES ($1, $2, $3, $4, $5, $6, $7) \
    ON CONFLICT (tenant, id) DO UPDATE SET generation = excluded.generation, \
      definition = excluded.definition, types = excluded.types, pending = excluded.pending, \
      job = excluded.job";

const REMOVE: &str = "DELETE FROM search_parameter WHERE tenant = $1 AND id = ANY($2)";

const SET: &str = "UPDATE search_generation SET generation = $1, reconciled = $2";

const COMPLETE: &str = "UPDATE search_parameter \
    SET pending = ARRAY(SELECT unnest(pending) EXCEPT SELECT unnest($3::smallint[])) \
    WHERE tenant = $1 AND generation <= $2 AND pending && $3::smallint[]";

const DOUBT: &str = "UPDATE search_parameter SET pending = types, job = $3 \
    WHERE tenant = $1 AND generation > $2";

const ASSIGN: &str = "UPDATE search_parameter SET job = $2 \
    WHERE tenant = $1 AND pending <> '{}' AND pending <@ $3::smallint[]";

/// Every fixed statement of this file, for the test that prepares them.
pub const STATEMENTS: [&str; 11] = [
    CURRENT, LOCK, WRITES, ACTIVE, LOAD, PUT, REMOVE, SET, COMPLETE, DOUBT, ASSIGN,
];

fn search_parameter() -> i16 {
    ResourceType::parse("SearchParameter").map_or(0, ResourceType::number)
}

fn numbers(types: &[ResourceType]) -> Vec<i16> {
    types.iter().map(|kind| kind.number()).collect()
}

fn types(numbers: &[i16]) -> Vec<ResourceType> {
    let known = numbers.iter().copied();
    known.filter_map(ResourceType::from_number).collect()
}

/// The present generation.
pub async fn generation(connection: &mut PgConnection) -> Result<Generation> {
    read(CURRENT, connection).await
}

/// The same, held against others until the transaction ends.
pub async fn lock(connection: &mut PgConnection) -> Result<Generation> {
    read(LOCK, connection).await
}

async fn read(statement: &'static str, connection: &mut PgConnection) -> Result<Generation> {
    let (generation, reconciled) = sqlx::query_as(statement).fetch_one(connection).await?;
    Ok(Generation {
        generation,
        reconciled,
    })
}

/// How many writes of SearchParameters there were.
pub async fn writes(connection: &mut PgConnection, access: &Access) -> Result<i64> {
    Ok(sqlx::query_scalar(WRITES)
        .bind(access.tenant.0)
        .bind(search_parameter())
        .fetch_one(connection)
        .await?)
}

/// Id and JSON of the stored SearchParameters that may be active, the oldest first.
pub async fn active(
    connection: &mut PgConnection,
    access: &Access,
) -> Result<Vec<(String, String)>> {
    Ok(sqlx::query_as(ACTIVE)
        .bind(access.tenant.0)
        .bind(search_parameter())
        .fetch_all(connection)
        .await?)
}

type Loaded = (
    i64,
    Option<String>,
    Option<i64>,
    Option<String>,
    Option<Vec<i16>>,
    Option<Vec<i16>>,
    Option<String>,
);

/// The present generation and its rows, the oldest first.
pub async fn load(connection: &mut PgConnection, access: &Access) -> Result<(i64, Vec<Row>)> {
    let loaded: Vec<Loaded> = sqlx::query_as(LOAD)
        .bind(access.tenant.0)
        .fetch_all(connection)
        .await?;
    let generation = loaded.first().map_or(0, |(generation, ..)| *generation);
    let rows = loaded
        .into_iter()
        .filter_map(|(_, id, since, definition, of, pending, job)| {
            Some(Row {
                id: id?,
                generation: since?,
                definition: definition?,
                types: types(&of?),
                pending: types(&pending?),
                job,
            })
        });
    Ok((generation, rows.collect()))
}

/// Stores a row.
pub async fn put(connection: &mut PgConnection, access: &Access, row: &Row) -> Result<()> {
    sqlx::query(PUT)
        .bind(access.tenant.0)
        .bind(&row.id)
        .bind(row.generation)
        .bind(&row.definition)
        .bind(numbers(&row.types))
        .bind(numbers(&row.pending))
        .bind(&row.job)
        .execute(connection)
        .await?;
    Ok(())
}

/// Removes rows.
pub async fn remove(connection: &mut PgConnection, access: &Access, ids: &[String]) -> Result<()> {
    let delete = sqlx::query(REMOVE).bind(access.tenant.0).bind(ids);
    delete.execute(connection).await?;
    Ok(())
}

/// Sets the generation, which must be locked, and wakes the nodes where it is a new one.
pub async fn set(
    transaction: &mut Transaction<'static, Postgres>,
    before: Generation,
    after: Generation,
) -> Result<()> {
    sqlx::query(SET)
        .bind(after.generation)
        .bind(after.reconciled)
        .execute(&mut **transaction)
        .await?;
    match after.generation > before.generation {
        true => nodes::notify(transaction).await,
        false => Ok(()),
    }
}

/// Notes that all resources of these types are indexed by the parameters of a generation and
/// of those before it; says whether that changed anything.
pub async fn complete(
    connection: &mut PgConnection,
    access: &Access,
    generation: i64,
    types: &[ResourceType],
) -> Result<bool> {
    let update = sqlx::query(COMPLETE)
        .bind(access.tenant.0)
        .bind(generation)
        .bind(numbers(types));
    Ok(update.execute(connection).await?.rows_affected() > 0)
}

/// Takes what came after a generation for unbuilt, to be seen to by this job; says whether
/// there is any.
pub async fn doubt(
    connection: &mut PgConnection,
    access: &Access,
    generation: i64,
    job: &str,
) -> Result<bool> {
    let update = sqlx::query(DOUBT)
        .bind(access.tenant.0)
        .bind(generation)
        .bind(job);
    Ok(update.execute(connection).await?.rows_affected() > 0)
}

/// Names the job that sees to parameters that are unbuilt of these types alone; says whether
/// there are any.
pub async fn assign(
    connection: &mut PgConnection,
    access: &Access,
    job: &str,
    types: &[ResourceType],
) -> Result<bool> {
    let update = sqlx::query(ASSIGN)
        .bind(access.tenant.0)
        .bind(job)
        .bind(numbers(types));
    Ok(update.execute(connection).await?.rows_affected() > 0)
}
