//! Filling a database: facts, JSON, the engine's own index of it, and COPY into the tables, whose
//! indexes are made afterwards. <https://www.postgresql.org/docs/15/populate.html>
//!
//! ```text
//! threads: a person at a time, body::visit -> Registry::index -> lines of COPY, a text per table
//! this one: a connection per table, TRUNCATE and COPY in one transaction, which needs no log
//! ```
//!
//! What is written of each table is said once, in [`TABLES`] and [`Lines::push`].

use crate::Result;
use crate::body::{self, Resource};
use crate::grow::World;
use andiron::access::Tenant;
use andiron::fhir::ResourceType;
use andiron::search::index::resource_key;
use andiron::search::registry::Registry;
use sqlx::postgres::{PgConnectOptions, PgConnection, PgCopyIn};
use sqlx::{AssertSqlSafe, ConnectOptions, Connection, Executor};
use std::fmt::{Display, Write};
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};

/// The tables and the columns that are written, in the order of [`Lines::push`].
const TABLES: [(&str, &str); 4] = [
    (
        "resource",
        "tenant, version, key, xact, last_updated, present, type, method, id, entries, body",
    ),
    ("date_entry", "tenant, slot, key, low, high, signature"),
    ("string_entry", "tenant, slot, key, value, whole, exact"),
    (
        "quantity_entry",
        "tenant, slot, key, unit, code, label, low, high",
    ),
];

/// Whether a migration makes or changes any of the tables, or their indexes.
pub fn is_about_tables(statements: &str) -> bool {
    TABLES.iter().any(|(table, _)| {
        ["TABLE", "ON"]
            .iter()
            .any(|word| statements.contains(&format!("{word} {table} ")))
    })
}

/// The people of a tenant, and whether their resources keep their JSON.
#[derive(Clone)]
pub struct Share {
    pub tenant: Tenant,
    pub world: Arc<World>,
    /// Without, a stub is stored: those whom nobody can ask for take less room.
    pub bodies: bool,
}

/// What is written to each table, in COPY's text format.
#[derive(Default)]
pub struct Lines {
    tables: [String; TABLES.len()],
    pub resources: u64,
}

/// A line of COPY: <https://www.postgresql.org/docs/15/sql-copy.html>.
struct Line<'a>(&'a mut String);

impl Line<'_> {
    fn value(&mut self, value: impl Display) -> &mut Self {
        // Writing to a String cannot fail.
        let _ = write!(self.0, "{value}\t");
        self
    }

    fn text(&mut self, text: &str) -> &mut Self {
        for c in text.chars() {
            match c {
                '\\' => self.0.push_str("\\\\"),
                '\t' => self.0.push_str("\\t"),
                '\n' => self.0.push_str("\\n"),
                '\r' => self.0.push_str("\\r"),
                c => self.0.push(c),
            }
        }
        self.0.push('\t');
        self
    }

    fn option(&mut self, text: Option<&str>) -> &mut Self {
        match text {
            Some(text) => self.text(text),
            None => self.value("\\N"),
        }
    }

    fn end(&mut self) {
        self.0.pop();
        self.0.push('\n');
    }
}

impl Lines {
    /// Adds one resource with its index rows.
    pub fn push(&mut self, share: &Share, registry: &Registry, resource: &Resource) -> Result<()> {
        let tenant = share.tenant.0;
        let kind = ResourceType::parse(&resource.kind.name()).ok_or("a type that R4 has not")?;
        let json = serde_json::from_str(&resource.body)?;
        let rows = registry.index(share.tenant, kind, &json, crate::BASE);
        let key = resource_key(kind, &resource.id);
        let stub = format!("{{\"resourceType\":\"{kind}\",\"id\":\"{}\"}}", resource.id);
        let [resources, dates, strings, quantities] = &mut self.tables;
        let entries: Vec<String> = rows.entries.iter().map(i64::to_string).collect();
        Line(resources)
            .value(tenant)
            .value(1)
            .value(key)
            .value(1)
            .value(crate::grow::instant(resource.stored))
            .value(rows.present)
            .value(kind.number())
            .value(2)
            .text(&resource.id)
            .value(format_args!("{{{}}}", entries.join(",")))
            .text(if share.bodies { &resource.body } else { &stub })
            .end();
        for row in &rows.dates {
            let mut line = Line(dates);
            line.value(tenant).value(row.slot).value(key);
            line.value(row.low)
                .value(row.high)
                .value(row.signature)
                .end();
        }
        for row in &rows.strings {
            let mut line = Line(strings);
            line.value(tenant).value(row.slot).value(key);
            line.text(&row.value).option(row.whole.as_deref());
            line.text(&row.exact).end();
        }
        for row in &rows.quantities {
            let mut line = Line(quantities);
            line.value(tenant).value(row.slot).value(key);
            line.value(row.unit).value(row.code).value(row.text);
            line.value(&row.low).value(&row.high).end();
        }
        self.resources += 1;
        Ok(())
    }

    /// All of one person.
    pub fn of(share: &Share, registry: &Registry, person: u32) -> Result<Lines> {
        let mut lines = Lines::default();
        let mut outcome = Ok(());
        body::visit(&share.world, person, |resource| {
            if outcome.is_ok() {
                outcome = lines.push(share, registry, &resource);
            }
        });
        outcome.map(|()| lines)
    }

    /// The text of all tables, to tell one way of indexing from another.
    pub fn all(&self) -> String {
        self.tables.concat()
    }
}

/// Fills the empty tables; returns how many resources there are.
pub async fn fill(
    connect: &PgConnectOptions,
    registry: &Arc<Registry>,
    shares: &[Share],
) -> Result<u64> {
    let mut session = connect.connect().await?;
    let indexes = drop_indexes(&mut session).await?;
    let resources = copy(connect, registry, shares).await?;
    eprintln!("  {resources} resources are written; making indexes");
    for statement in indexes {
        session.execute(AssertSqlSafe(statement)).await?;
    }
    session.execute("VACUUM (ANALYZE)").await?;
    session.execute("CHECKPOINT").await?;
    session.close().await?;
    Ok(resources)
}

/// Drops the indexes and primary keys of the tables; returns what makes them again.
async fn drop_indexes(session: &mut PgConnection) -> Result<Vec<String>> {
    let names: Vec<&str> = TABLES.iter().map(|(name, _)| *name).collect();
    let constraints: Vec<(String, String, String)> = sqlx::query_as(
        "SELECT conrelid::regclass::text, conname::text, pg_get_constraintdef(oid) \
         FROM pg_constraint WHERE contype = 'p' AND conrelid::regclass::text = ANY($1)",
    )
    .bind(&names)
    .fetch_all(&mut *session)
    .await?;
    let mut again = Vec::new();
    for (table, name, definition) in constraints {
        let drop = format!("ALTER TABLE {table} DROP CONSTRAINT {name}");
        session.execute(AssertSqlSafe(drop)).await?;
        again.push(format!(
            "ALTER TABLE {table} ADD CONSTRAINT {name} {definition}"
        ));
    }
    let indexes: Vec<(String, String)> = sqlx::query_as(
        "SELECT indexname::text, indexdef FROM pg_indexes \
         WHERE schemaname = current_schema() AND tablename::text = ANY($1)",
    )
    .bind(&names)
    .fetch_all(&mut *session)
    .await?;
    for (name, definition) in indexes {
        session
            .execute(AssertSqlSafe(format!("DROP INDEX {name}")))
            .await?;
        again.push(definition);
    }
    Ok(again)
}

/// Makes the lines on as many threads as there are processors, and sends them.
async fn copy(
    connect: &PgConnectOptions,
    registry: &Arc<Registry>,
    shares: &[Share],
) -> Result<u64> {
    let people = |share: &Share| share.world.people.len();
    let work: Vec<(Share, u32)> = shares
        .iter()
        .flat_map(|share| (0..people(share) as u32).map(move |person| (share.clone(), person)))
        .collect();
    let work = Arc::new(work);
    let next = Arc::new(AtomicUsize::new(0));
    let threads = std::thread::available_parallelism().map_or(1, std::num::NonZero::get);
    let (sender, mut receiver) = tokio::sync::mpsc::channel::<Result<Lines>>(threads * 2);
    for _ in 0..threads {
        let (sender, registry) = (sender.clone(), registry.clone());
        let (work, next) = (work.clone(), next.clone());
        std::thread::spawn(move || {
            while let Some((share, person)) = work.get(next.fetch_add(1, Ordering::Relaxed)) {
                // Nobody receives any more once a COPY has failed.
                if sender
                    .blocking_send(Lines::of(share, &registry, *person))
                    .is_err()
                {
                    return;
                }
            }
        });
    }
    drop(sender);
    let mut sessions = Vec::new();
    for _ in TABLES {
        sessions.push(connect.connect().await?);
    }
    let resources = send(&mut sessions, &mut receiver, work.len()).await?;
    for session in sessions {
        session.close().await?;
    }
    Ok(resources)
}

async fn send(
    sessions: &mut [PgConnection],
    receiver: &mut tokio::sync::mpsc::Receiver<Result<Lines>>,
    people: usize,
) -> Result<u64> {
    let mut copies: Vec<PgCopyIn<&mut PgConnection>> = Vec::new();
    for ((table, columns), session) in TABLES.iter().zip(sessions.iter_mut()) {
        let begin = format!("BEGIN; TRUNCATE {table}");
        session.execute(AssertSqlSafe(begin)).await?;
        let copy = format!("COPY {table} ({columns}) FROM STDIN WITH (FREEZE)");
        copies.push(session.copy_in_raw(&copy).await?);
    }
    let (mut resources, mut done) = (0, 0);
    while let Some(lines) = receiver.recv().await {
        let lines = lines?;
        resources += lines.resources;
        for (copy, text) in copies.iter_mut().zip(lines.tables) {
            if !text.is_empty() {
                copy.send(text.into_bytes()).await?;
            }
        }
        done += 1;
        if done % 500 == 0 {
            eprintln!("  {done} of {people} people, {resources} resources");
        }
    }
    for copy in copies {
        copy.finish().await?;
    }
    for session in sessions {
        session.execute("COMMIT").await?;
    }
    Ok(resources)
}
