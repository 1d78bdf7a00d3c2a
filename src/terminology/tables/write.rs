//! A load: COPY into temporary tables, one statement that makes the concepts of them, indexes,
//! and the partition in place. All in one transaction, so that readers see all or nothing and
//! a load that fails leaves nothing behind.

use super::Table;
use super::sink::{Chunk, Stage};
use crate::error::Result;
use sqlx::{AssertSqlSafe, Connection, Executor, PgConnection, Postgres, Transaction};

/// What a release says of itself.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct System {
    pub url: String,
    pub version: Option<String>,
    pub kind: &'static str,
    pub name: String,
    pub language: Option<String>,
    /// `CodeSystem.content`
    pub content: &'static str,
    pub is_case_sensitive: bool,
    /// `CodeSystem.hierarchyMeaning`
    pub hierarchy_meaning: Option<&'static str>,
}

/// How many concepts a load has made.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Loaded {
    pub concepts: i64,
    pub inactive: i64,
}

/// A load takes as long as it takes; its sorts and indexes may have some memory.
const SETTINGS: &str = "SET LOCAL statement_timeout = 0; SET LOCAL lock_timeout = 0; \
    SET LOCAL work_mem = '64MB'; SET LOCAL maintenance_work_mem = '256MB'; \
    SET LOCAL temp_buffers = '64MB'";

/// One load at a time: the key is that of no other lock.
const LOCK: &str = "SELECT pg_advisory_xact_lock(7318349394477056)";

const STAGES: &str = "\
    CREATE TEMPORARY TABLE stage_concept (number integer, flags smallint, code text, display text, \
      definition text, words text) ON COMMIT DROP; \
    CREATE TEMPORARY TABLE stage_detail (number integer, rank smallint, display text, kind \"char\", \
      json text, key bigint, presence bigint, words text) ON COMMIT DROP; \
    CREATE TEMPORARY TABLE stage_hierarchy (number integer, below integer, parents integer[], \
      above integer[]) ON COMMIT DROP";

const COUNT: &str = "SELECT count(*), count(*) FILTER (WHERE flags & 1 = 1) FROM stage_concept";

const HAS: &str = "SELECT EXISTS (SELECT 1 FROM code_system WHERE url = $1 AND version = $2)";

const PUT: &str = "INSERT INTO code_system (url, version, kind, name, language, content, \
      case_sensitive, hierarchy_meaning, concepts, inactive, is_default) \
    VALUES ($1, $2, $3, $4, $5, $6, $7, $8, $9, $10, true) RETURNING id";

const OTHERS: &str = "UPDATE code_system SET is_default = false WHERE url = $1 AND id <> $2";

const REMOVE: &str = "DELETE FROM code_system WHERE id = $1";

const NEXT: &str = "UPDATE code_system SET is_default = true WHERE id = \
    (SELECT id FROM code_system WHERE url = $1 ORDER BY is_default DESC, id DESC LIMIT 1)";

/// Those that need no temporary table.
pub const STATEMENTS: [&str; 5] = [HAS, PUT, OTHERS, REMOVE, NEXT];

/// What makes concepts of the staged rows; the details of a concept stay in their order.
const CONCEPTS: &str = "SELECT c.number, coalesce(h.below, 0), c.flags, c.code, \
      coalesce(c.display, d.display), c.definition, coalesce(h.parents, '{}'), \
      coalesce(h.above, '{}'), coalesce(d.keys, '{}'), \
      (c.words || ' ' || coalesce(d.words, ''))::tsvector, d.designations, d.properties \
    FROM stage_concept c \
    LEFT JOIN stage_hierarchy h ON h.number = c.number \
    LEFT JOIN (SELECT number, \
        (array_agg(display ORDER BY rank) FILTER (WHERE rank IS NOT NULL))[1] AS display, \
        '[' || string_agg(json, ',') FILTER (WHERE kind = 'd') || ']' AS designations, \
        '[' || string_agg(json, ',') FILTER (WHERE kind = 'p') || ']' AS properties, \
        array_agg(key) FILTER (WHERE key IS NOT NULL) \
          || array_agg(DISTINCT presence) FILTER (WHERE presence IS NOT NULL) AS keys, \
        string_agg(words, ' ') FILTER (WHERE words <> '') AS words \
      FROM (SELECT * FROM stage_detail ORDER BY number, ctid) s GROUP BY number) d \
      ON d.number = c.number \
    ORDER BY c.number";

/// A load that goes on.
pub struct Load<'c> {
    transaction: Transaction<'c, Postgres>,
    system: System,
}

impl<'c> Load<'c> {
    /// Begins, unless that version is there already. Waits for another load to end.
    pub async fn begin(
        connection: &'c mut PgConnection,
        system: System,
    ) -> Result<Option<Load<'c>>> {
        let mut transaction = connection.begin().await?;
        transaction.execute(SETTINGS).await?;
        transaction.execute(LOCK).await?;
        let has: bool = sqlx::query_scalar(HAS)
            .bind(&system.url)
            .bind(system.version.as_deref().unwrap_or_default())
            .fetch_one(&mut *transaction)
            .await?;
        if has {
            return Ok(None);
        }
        transaction.execute(STAGES).await?;
        Ok(Some(Load {
            transaction,
            system,
        }))
    }

    pub async fn copy(&mut self, chunk: &Chunk) -> Result<()> {
        let statement = match chunk.stage {
            Stage::Concept => "COPY stage_concept FROM STDIN",
            Stage::Detail => "COPY stage_detail FROM STDIN",
            Stage::Hierarchy => "COPY stage_hierarchy FROM STDIN",
        };
        let mut copy = self.transaction.copy_in_raw(statement).await?;
        copy.send(chunk.rows.as_slice()).await?;
        copy.finish().await?;
        Ok(())
    }

    /// Makes the version of what was copied, and the default of its system. It is there when
    /// this returns, and not before.
    pub async fn finish(mut self) -> Result<Loaded> {
        let (concepts, inactive): (i64, i64) = sqlx::query_as(COUNT)
            .fetch_one(&mut *self.transaction)
            .await?;
        let system = &self.system;
        let id: i32 = sqlx::query_scalar(PUT)
            .bind(&system.url)
            .bind(system.version.as_deref().unwrap_or_default())
            .bind(system.kind)
            .bind(&system.name)
            .bind(system.language.as_deref())
            .bind(system.content)
            .bind(system.is_case_sensitive)
            .bind(system.hierarchy_meaning)
            .bind(concepts as i32)
            .bind(inactive as i32)
            .fetch_one(&mut *self.transaction)
            .await?;
        for statement in fill(id, system.is_case_sensitive) {
            self.transaction.execute(AssertSqlSafe(statement)).await?;
        }
        sqlx::query(OTHERS)
            .bind(&system.url)
            .bind(id)
            .execute(&mut *self.transaction)
            .await?;
        self.transaction.commit().await?;
        Ok(Loaded { concepts, inactive })
    }
}

/// The statements that fill the partition of a system, index it and put it in place. The
/// check spares the attachment a look at each row; the indexes are those of the parent table.
fn fill(id: i32, is_case_sensitive: bool) -> Vec<String> {
    let table = format!("concept_{id}");
    let mut statements = vec![
        "ANALYZE stage_concept, stage_detail, stage_hierarchy".to_owned(),
        format!("CREATE TABLE {table} (LIKE concept INCLUDING STORAGE INCLUDING COMPRESSION)"),
        format!(
            "INSERT INTO {table} (system, number, below, flags, code, display, definition, \
               parents, above, keys, words, designations, properties) \
             SELECT {id}, s.* FROM ({CONCEPTS}) s"
        ),
        format!("CREATE UNIQUE INDEX ON {table} (system, number)"),
        format!("CREATE UNIQUE INDEX ON {table} (system, code)"),
    ];
    for column in ["parents", "above", "keys", "words"] {
        statements.push(format!(
            "CREATE INDEX ON {table} USING gin ({column}) WITH (fastupdate = off)"
        ));
    }
    if !is_case_sensitive {
        statements.push(format!("CREATE INDEX ON {table} (lower(code))"));
    }
    statements.extend([
        format!(
            "ALTER TABLE {table} ALTER words SET STATISTICS 500, ALTER above SET STATISTICS 500, \
             ALTER keys SET STATISTICS 500"
        ),
        format!("ALTER TABLE {table} ADD CHECK (system = {id})"),
        format!("ANALYZE {table}"),
        format!("ALTER TABLE concept ATTACH PARTITION {table} FOR VALUES IN ({id})"),
    ]);
    statements
}

/// Takes a version away; the one that was loaded last of the others becomes the default.
pub async fn remove(connection: &mut PgConnection, table: &Table) -> Result<()> {
    let mut transaction = connection.begin().await?;
    transaction.execute(LOCK).await?;
    let removed = sqlx::query(REMOVE)
        .bind(table.id)
        .execute(&mut *transaction)
        .await?;
    if removed.rows_affected() > 0 {
        let statement = format!("DROP TABLE concept_{}", table.id);
        transaction.execute(AssertSqlSafe(statement)).await?;
        sqlx::query(NEXT)
            .bind(&table.url)
            .execute(&mut *transaction)
            .await?;
    }
    transaction.commit().await?;
    Ok(())
}
