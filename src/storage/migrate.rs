//! The schema and its versions: numbered, forward-only files in `migrations/`.
//!
//! Each runs in a transaction of its own, so that one which fails leaves nothing behind.

use super::failed;
use crate::error::{Category, Error, Result};
use crate::fhir::ResourceType;
use sqlx::migrate::{MigrateError, Migrator};
use sqlx::postgres::{PgConnectOptions, PgConnection};
use sqlx::{ConnectOptions, Connection};

static MIGRATIONS: Migrator = sqlx::migrate!("src/storage/migrations");

/// PostgreSQL 15, as `server_version_num` says it.
const OLDEST_POSTGRES: i32 = 150_000;

/// What a migration did.
#[derive(Debug)]
pub struct Report {
    /// The migrations that this run applied, by number and title.
    pub applied: Vec<String>,
    /// The schema's version now.
    pub version: i64,
}

/// Brings the schema up to date.
///
/// # Errors
/// `Conflict`, with what to do: PostgreSQL too old, a schema newer than this program, a
/// migration that was changed or left half done.
pub async fn run(options: &PgConnectOptions) -> Result<Report> {
    let mut connection = options.connect().await.map_err(failed)?;
    refuse_old_postgres(&mut connection).await?;
    let before = applied(&mut connection).await?;
    MIGRATIONS.run(&mut connection).await.map_err(explain)?;
    name_types(&mut connection).await?;
    let report = Report {
        applied: MIGRATIONS
            .iter()
            .filter(|migration| !before.contains(&migration.version))
            .map(|migration| format!("{:04} {}", migration.version, migration.description))
            .collect(),
        version: MIGRATIONS.iter().map(|m| m.version).max().unwrap_or(0),
    };
    connection.close().await.map_err(failed)?;
    Ok(report)
}

/// The migrations that the database lacks, by number and title; it is only looked at.
///
/// # Errors
/// `Conflict`, with what to do, where [`run`] would refuse the database.
pub async fn pending(options: &PgConnectOptions) -> Result<Vec<String>> {
    let mut connection = options.connect().await.map_err(failed)?;
    refuse_old_postgres(&mut connection).await?;
    let before = applied(&mut connection).await?;
    let known = |version: &i64| MIGRATIONS.iter().any(|m| m.version == *version);
    if let Some(newer) = before.iter().find(|version| !known(version)) {
        return Err(explain(MigrateError::VersionMissing(*newer)));
    }
    if !before.is_empty() {
        const HALF_DONE: &str =
            "SELECT version FROM _sqlx_migrations WHERE NOT success ORDER BY version LIMIT 1";
        let half_done = sqlx::query_scalar(HALF_DONE)
            .fetch_optional(&mut connection)
            .await?;
        if let Some(version) = half_done {
            return Err(explain(MigrateError::Dirty(version)));
        }
    }
    connection.close().await.map_err(failed)?;
    let missing = MIGRATIONS
        .iter()
        .filter(|migration| !before.contains(&migration.version));
    Ok(missing
        .map(|migration| format!("{:04} {}", migration.version, migration.description))
        .collect())
}

async fn refuse_old_postgres(connection: &mut PgConnection) -> Result<()> {
    let version: i32 = sqlx::query_scalar("SELECT current_setting('server_version_num')::int")
        .fetch_one(connection)
        .await?;
    if version < OLDEST_POSTGRES {
        return Err(Error::new(
            Category::Conflict,
            format!(
                "expected PostgreSQL 15 or newer but found {}; upgrade the database server",
                version / 10_000
            ),
        ));
    }
    Ok(())
}

/// The numbers of the migrations that the database has.
async fn applied(connection: &mut PgConnection) -> Result<Vec<i64>> {
    let exists: bool = sqlx::query_scalar("SELECT to_regclass('_sqlx_migrations') IS NOT NULL")
        .fetch_one(&mut *connection)
        .await?;
    if !exists {
        let tables: i64 = sqlx::query_scalar(
            "SELECT count(*) FROM pg_tables WHERE schemaname = current_schema() \
             AND tablename IN ('resource', 'history')",
        )
        .fetch_one(&mut *connection)
        .await?;
        if tables > 0 {
            return Err(Error::new(
                Category::Conflict,
                "the database has Andiron's tables but no record of its migrations; \
                 restore the table _sqlx_migrations from a backup, or use an empty database",
            ));
        }
        return Ok(Vec::new());
    }
    Ok(
        sqlx::query_scalar("SELECT version FROM _sqlx_migrations ORDER BY version")
            .fetch_all(connection)
            .await?,
    )
}

/// Keeps the table of type names as the program knows them.
async fn name_types(connection: &mut PgConnection) -> Result<()> {
    let (numbers, names): (Vec<i16>, Vec<&str>) = ResourceType::all()
        .map(|kind| (kind.number(), kind.name()))
        .unzip();
    sqlx::query(
        "INSERT INTO resource_type (number, name) SELECT * FROM unnest($1::smallint[], $2::text[]) \
         ON CONFLICT (number) DO NOTHING",
    )
    .bind(numbers)
    .bind(names)
    .execute(connection)
    .await?;
    Ok(())
}

fn explain(error: MigrateError) -> Error {
    let text = match &error {
        MigrateError::VersionMissing(version) => format!(
            "the database has migration {version}, which this program does not know: it was used \
             by a newer Andiron; run that version or newer, or restore an older backup"
        ),
        MigrateError::VersionMismatch(version) => format!(
            "migration {version} in the database differs from this program's; \
             run the version of Andiron that made it, or restore a backup"
        ),
        MigrateError::Dirty(version) => format!(
            "migration {version} is half done; restore the backup taken before it, \
             then run `andiron migrate` again"
        ),
        other => format!("the migration failed and was undone: {other}"),
    };
    let mut explained = Error::new(Category::Conflict, text);
    explained.source = Some(Box::new(error));
    explained
}
