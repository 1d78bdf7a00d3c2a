//! The one way in which versions are written.
//!
//! A write transaction locks the rows that it will change in the order of their keys, asks
//! for its [`Moment`], and ends in [`apply`], whatever interaction it serves. One statement
//! creates resources together with their index rows, one replaces them.

use super::read::{method_from, type_from};
use crate::access::Access;
use crate::error::Result;
use crate::fhir::{Draft, Instant, Method, ResourceType, Version};
use crate::search::contained;
use crate::search::index::{IndexRows, signature};
use bytes::Bytes;
use sqlx::Row;
use sqlx::postgres::{PgConnection, PgRow};
use std::collections::{HashMap, HashSet};

/// How many resources one statement carries: enough to spread its cost, little enough to
/// bound its memory.
pub const CHUNK: usize = 400;

/// The moment, and which of the resources asked for are not there: one round trip for both.
const MOMENT: &str = "SELECT pg_current_xact_id()::text::bigint, clock_timestamp(), \
    ARRAY(SELECT a.key FROM unnest($2::smallint[], $3::bigint[]) AS a(type, key) \
      WHERE NOT EXISTS (SELECT 1 FROM resource r \
        WHERE r.tenant = $1 AND r.type = a.type AND r.key = a.key AND r.body IS NOT NULL))";

/// The rows, held; with each the moment, since a write that points at nothing needs no
/// other question.
macro_rules! lock {
    ($waiting:literal) => {
        concat!(
            "SELECT r.type, r.key, r.id, r.version, r.last_updated, r.xact, r.method, r.body, \
               pg_current_xact_id()::text::bigint, clock_timestamp() \
             FROM resource r JOIN unnest($2::smallint[], $3::bigint[]) AS asked(type, key) \
             ON r.tenant = $1 AND r.type = asked.type AND r.key = asked.key \
             ORDER BY r.type, r.key FOR UPDATE OF r",
            $waiting
        )
    };
}

const LOCK: &str = lock!("");

/// The same without waiting: a row that somebody else holds is passed over.
const LOCK_FREE: &str = lock!(" SKIP LOCKED");

/// Which of these rows there are, held or not.
const PRESENT: &str = "SELECT r.key FROM resource r JOIN unnest($2::smallint[], $3::bigint[]) \
    AS asked(type, key) ON r.tenant = $1 AND r.type = asked.type AND r.key = asked.key";

const ADVISORY: &str =
    "SELECT count(pg_advisory_xact_lock(name)) FROM unnest($1::bigint[]) AS name";

/// The index rows of what is written, $2 to $18 of every statement that writes them.
macro_rules! insert_rows {
    ($condition:literal) => {
        concat!(
            "dates AS ( \
               INSERT INTO date_entry (tenant, slot, key, low, high, signature) \
               SELECT $1, d.* FROM unnest($2::int[], $3::bigint[], $4::bigint[], $5::bigint[], $6::bigint[]) AS d ",
            $condition,
            "), strings AS ( \
               INSERT INTO string_entry (tenant, slot, key, value, whole, exact) \
               SELECT $1, s.* FROM unnest($7::int[], $8::bigint[], $9::text[], $10::text[], $11::text[]) AS s ",
            $condition,
            "), quantities AS ( \
               INSERT INTO quantity_entry (tenant, slot, key, unit, code, label, low, high) \
               SELECT $1, q.slot, q.key, q.unit, q.code, q.label, q.low::numeric, q.high::numeric \
               FROM unnest($12::int[], $13::bigint[], $14::bigint[], $15::bigint[], $16::bigint[], \
                           $17::text[], $18::text[]) AS q(slot, key, unit, code, label, low, high) ",
            $condition,
            ") "
        )
    };
}

/// The resources of a chunk, $19 to $30.
macro_rules! input {
    () => {
        "unnest($19::int[], $20::bigint[], $21::bigint[], $22::timestamptz[], $23::smallint[], \
                $24::smallint[], $25::text[], $26::text[], $27::bigint[], $28::int[], $29::int[]) \
         AS i(version, key, xact, last_updated, type, method, id, body, present, first, last) "
    };
}

/// What resources contain, as the binds of these numbers.
macro_rules! insert_contained {
    ($types:literal, $keys:literal, $container_types:literal, $container_keys:literal,
     $presents:literal, $firsts:literal, $lasts:literal, $entries:literal, $paths:literal) => {
        concat!(
            "INSERT INTO contained (tenant, type, key, container_type, container_key, present, entries, path) \
             SELECT $1, c.type, c.key, c.container_type, c.container_key, c.present, \
                    ($", $entries, "::bigint[])[c.first:c.last], c.path \
             FROM unnest($", $types, "::smallint[], $", $keys, "::bigint[], $", $container_types,
            "::smallint[], $", $container_keys, "::bigint[], $", $presents, "::bigint[], $",
            $firsts, "::int[], $", $lasts, "::int[], $", $paths, "::text[]) \
             AS c(type, key, container_type, container_key, present, first, last, path)"
        )
    };
}

const INSERT_CONTAINED: &str = insert_contained!("2", "3", "4", "5", "6", "7", "8", "9", "10");

const REMOVE_CONTAINED: &str = "WITH gone AS MATERIALIZED ( \
       SELECT * FROM unnest($2::smallint[], $3::bigint[]) AS g(type, key) \
     ), old_dates AS ( \
       DELETE FROM date_entry e USING gone g WHERE e.tenant = $1 AND e.key = g.key \
     ), old_strings AS ( \
       DELETE FROM string_entry e USING gone g WHERE e.tenant = $1 AND e.key = g.key \
     ), old_quantities AS ( \
       DELETE FROM quantity_entry e USING gone g WHERE e.tenant = $1 AND e.key = g.key \
     ) DELETE FROM contained c USING gone g \
       WHERE c.tenant = $1 AND c.type = g.type AND c.key = g.key";

const CREATE: &str = concat!(
    "WITH ",
    insert_rows!(""),
    "INSERT INTO resource (tenant, version, key, xact, last_updated, present, type, method, id, entries, body) \
     SELECT $1, i.version, i.key, i.xact, i.last_updated, i.present, i.type, i.method, i.id, \
            ($30::bigint[])[i.first:i.last], i.body FROM ",
    input!()
);

/// Creates in a transaction of its own, or does nothing where something that is pointed at
/// ($29, $30) is not there. What would be four round trips is one.
macro_rules! create_at_once {
    ($more:expr) => {
        concat!(
    "WITH moment AS MATERIALIZED ( \
       SELECT pg_current_xact_id()::text::bigint AS xact, \
              date_trunc('milliseconds', clock_timestamp()) AS now \
     ), lost AS MATERIALIZED ( \
       SELECT a.key FROM unnest($29::smallint[], $30::bigint[]) AS a(type, key) \
       WHERE NOT EXISTS (SELECT 1 FROM resource r \
         WHERE r.tenant = $1 AND r.type = a.type AND r.key = a.key AND r.body IS NOT NULL) \
     ), ",
    insert_rows!("WHERE NOT EXISTS (SELECT 1 FROM lost)"),
    $more,
    ", created AS ( \
       INSERT INTO resource (tenant, version, key, xact, last_updated, present, type, method, id, entries, body) \
       SELECT $1, 1, i.key, m.xact, m.now, i.present, i.type, i.method, i.id, \
              ($28::bigint[])[i.first:i.last], \
              i.head || '1\",\"lastUpdated\":\"' \
              || to_char(m.now AT TIME ZONE 'UTC', 'YYYY-MM-DD\"T\"HH24:MI:SS.MS\"Z\"') || '\"' || i.tail \
       FROM moment m, unnest($19::bigint[], $20::smallint[], $21::smallint[], $22::text[], $23::text[], \
                             $24::text[], $25::bigint[], $26::int[], $27::int[]) \
            AS i(key, type, method, id, head, tail, present, first, last) \
       WHERE NOT EXISTS (SELECT 1 FROM lost) \
     ) SELECT m.now, EXISTS (SELECT 1 FROM lost) FROM moment m"
)
    };
}

const CREATE_AT_ONCE: &str = create_at_once!("");

/// The same with what they contain, $31 to $39.
const CREATE_AT_ONCE_CONTAINED: &str = create_at_once!(concat!(
    ", contained_rows AS (",
    insert_contained!("31", "32", "33", "34", "35", "36", "37", "38", "39"),
    " WHERE NOT EXISTS (SELECT 1 FROM lost))"
));

const REPLACE: &str = concat!(
    "WITH input AS MATERIALIZED (SELECT * FROM ",
    input!(),
    "), superseded AS ( \
       INSERT INTO history (tenant, version, key, xact, last_updated, type, method, id, body) \
       SELECT r.tenant, r.version, r.key, r.xact, r.last_updated, r.type, r.method, r.id, r.body \
       FROM input i JOIN resource r ON r.tenant = $1 AND r.type = i.type AND r.key = i.key \
     ), old_dates AS ( \
       DELETE FROM date_entry e USING input i WHERE e.tenant = $1 AND e.key = i.key \
     ), old_strings AS ( \
       DELETE FROM string_entry e USING input i WHERE e.tenant = $1 AND e.key = i.key \
     ), old_quantities AS ( \
       DELETE FROM quantity_entry e USING input i WHERE e.tenant = $1 AND e.key = i.key \
     ), ",
    insert_rows!(""),
    "UPDATE resource r SET version = i.version, xact = i.xact, last_updated = i.last_updated, \
            method = i.method, body = i.body, present = i.present, \
            entries = ($30::bigint[])[i.first:i.last] \
     FROM input i WHERE r.tenant = $1 AND r.type = i.type AND r.key = i.key"
);

const RELABEL: &str = "WITH signed AS ( \
       UPDATE date_entry SET signature = $7 WHERE tenant = $1 AND key = $3 AND signature <> $7 \
     ) UPDATE resource SET body = $4, entries = $5, present = $6 \
       WHERE tenant = $1 AND type = $2 AND key = $3";

/// Every fixed statement of this file, for the test that prepares them.
pub const STATEMENTS: [&str; 12] = [
    MOMENT,
    LOCK,
    LOCK_FREE,
    PRESENT,
    ADVISORY,
    CREATE,
    CREATE_AT_ONCE,
    CREATE_AT_ONCE_CONTAINED,
    INSERT_CONTAINED,
    REMOVE_CONTAINED,
    REPLACE,
    RELABEL,
];

/// Binds the columns of [`Columns`], behind those of [`RowColumns`].
macro_rules! bind_columns {
    ($query:expr, $c:expr) => {
        $query
            .bind(&$c.versions)
            .bind(&$c.keys)
            .bind(&$c.xacts)
            .bind(&$c.times)
            .bind(&$c.types)
            .bind(&$c.methods)
            .bind(&$c.ids)
            .bind(&$c.bodies)
            .bind(&$c.presents)
            .bind(&$c.firsts)
            .bind(&$c.lasts)
            .bind(&$c.entries)
    };
}

/// Binds [`RowColumns`] as $2 to $18.
macro_rules! bind_rows {
    ($query:expr, $r:expr) => {
        $query
            .bind(&$r.date_slots)
            .bind(&$r.date_keys)
            .bind(&$r.date_lows)
            .bind(&$r.date_highs)
            .bind(&$r.date_signatures)
            .bind(&$r.string_slots)
            .bind(&$r.string_keys)
            .bind(&$r.string_values)
            .bind(&$r.string_wholes)
            .bind(&$r.string_exacts)
            .bind(&$r.quantity_slots)
            .bind(&$r.quantity_keys)
            .bind(&$r.quantity_units)
            .bind(&$r.quantity_codes)
            .bind(&$r.quantity_labels)
            .bind(&$r.quantity_lows)
            .bind(&$r.quantity_highs)
    };
}

/// Binds [`ContainedColumns`].
macro_rules! bind_contained {
    ($query:expr, $c:expr) => {
        $query
            .bind(&$c.types)
            .bind(&$c.keys)
            .bind(&$c.container_types)
            .bind(&$c.container_keys)
            .bind(&$c.presents)
            .bind(&$c.firsts)
            .bind(&$c.lasts)
            .bind(&$c.entries)
            .bind(&$c.paths)
    };
}

/// Where and when a write transaction stands.
#[derive(Clone, Copy, Debug)]
pub struct Moment {
    /// The transaction's own number: its position in the feed.
    pub xact: i64,
    pub now: Instant,
}

/// The row that a write found and holds.
#[derive(Clone, Debug)]
pub struct Current {
    pub version: Version,
    /// Its feed position.
    pub xact: i64,
}

/// The next version of one resource.
#[derive(Debug)]
pub struct Change {
    pub resource_type: ResourceType,
    pub id: String,
    pub key: i64,
    pub method: Method,
    /// `None` deletes.
    pub content: Option<Draft>,
    pub index: IndexRows,
    /// What it replaces; the row must be locked.
    pub previous: Option<Previous>,
}

/// What the next version must come after.
#[derive(Clone, Debug)]
pub struct Previous {
    pub version: i32,
    pub last_updated: Instant,
    pub xact: i64,
    /// Types and keys of what it contained.
    pub contained: Vec<(ResourceType, i64)>,
}

impl From<&Current> for Previous {
    fn from(current: &Current) -> Previous {
        Previous {
            version: current.version.version,
            last_updated: current.version.last_updated,
            xact: current.xact,
            contained: contained::keys(&current.version),
        }
    }
}

/// The moment of the open transaction; assigns its number.
pub async fn moment(connection: &mut PgConnection, access: &Access) -> Result<Moment> {
    Ok(moment_and_missing(connection, access, &[]).await?.0)
}

/// The moment of the open transaction, and the keys of those resources that are not there.
pub async fn moment_and_missing(
    connection: &mut PgConnection,
    access: &Access,
    asked: &[(ResourceType, i64)],
) -> Result<(Moment, Vec<i64>)> {
    let (types, keys) = columns(asked);
    let row = sqlx::query(MOMENT)
        .bind(access.tenant.0)
        .bind(types)
        .bind(keys)
        .fetch_one(connection)
        .await?;
    let moment = Moment {
        xact: row.try_get(0)?,
        now: row.try_get(1)?,
    };
    Ok((moment, row.try_get(2)?))
}

/// Types and keys as the two arrays that statements take.
fn columns(asked: &[(ResourceType, i64)]) -> (Vec<i16>, Vec<i64>) {
    asked
        .iter()
        .map(|(kind, key)| (kind.number(), *key))
        .unzip()
}

/// Takes locks by name, in one order, until the transaction ends: what two conditional
/// writes with equal criteria wait for, since there is no row yet to lock.
pub async fn lock_names(connection: &mut PgConnection, names: &mut Vec<i64>) -> Result<()> {
    names.sort_unstable();
    names.dedup();
    if !names.is_empty() {
        sqlx::query(ADVISORY)
            .bind(&*names)
            .execute(connection)
            .await?;
    }
    Ok(())
}

/// Locks and reads the rows of these resources, in the order of type and key, so that two
/// transactions cannot wait for each other. What never existed is not in the answer.
pub async fn lock(
    connection: &mut PgConnection,
    access: &Access,
    asked: &[(ResourceType, i64)],
) -> Result<HashMap<i64, Current>> {
    Ok(lock_with(LOCK, connection, access, asked).await?.rows)
}

/// What a lock found.
#[derive(Default)]
pub struct Locked {
    pub rows: HashMap<i64, Current>,
    /// Rows that another transaction holds.
    pub busy: HashSet<i64>,
    /// The moment, where any row was found.
    pub moment: Option<Moment>,
}

/// The same; with `waits`, as long as it takes, else what others hold is told as busy.
pub async fn lock_rows(
    connection: &mut PgConnection,
    access: &Access,
    asked: &[(ResourceType, i64)],
    waits: bool,
) -> Result<Locked> {
    if waits {
        // Its moment may be one before the wait.
        let mut locked = lock_with(LOCK, connection, access, asked).await?;
        locked.moment = None;
        return Ok(locked);
    }
    let mut locked = lock_with(LOCK_FREE, connection, access, asked).await?;
    if locked.rows.len() < asked.len() {
        let (types, keys) = columns(asked);
        let present: Vec<i64> = sqlx::query_scalar(PRESENT)
            .bind(access.tenant.0)
            .bind(types)
            .bind(keys)
            .fetch_all(connection)
            .await?;
        let held = |key: &i64| !locked.rows.contains_key(key);
        locked.busy = present.into_iter().filter(held).collect();
    }
    Ok(locked)
}

async fn lock_with(
    statement: &'static str,
    connection: &mut PgConnection,
    access: &Access,
    asked: &[(ResourceType, i64)],
) -> Result<Locked> {
    let mut locked = Locked::default();
    if asked.is_empty() {
        return Ok(locked);
    }
    let (types, keys) = columns(asked);
    let rows = sqlx::query(statement)
        .bind(access.tenant.0)
        .bind(types)
        .bind(keys)
        .fetch_all(connection)
        .await?;
    for row in &rows {
        locked.rows.insert(row.try_get(1)?, current_from(row)?);
        locked.moment = Some(Moment {
            xact: row.try_get(8)?,
            now: row.try_get(9)?,
        });
    }
    Ok(locked)
}

fn current_from(row: &PgRow) -> Result<Current, sqlx::Error> {
    let body: Option<&str> = row.try_get(7)?;
    let version = Version {
        resource_type: type_from(row.try_get(0)?)?,
        id: row.try_get(2)?,
        version: row.try_get(3)?,
        last_updated: row.try_get(4)?,
        method: method_from(row.try_get(6)?)?,
        body: body.map(|text| Bytes::copy_from_slice(text.as_bytes())),
    };
    Ok(Current {
        version,
        xact: row.try_get(5)?,
    })
}

/// A new resource for [`create_at_once`].
pub struct Fresh<'a> {
    pub resource_type: ResourceType,
    pub id: &'a str,
    pub key: i64,
    pub method: Method,
    pub content: &'a Draft,
    pub index: &'a IndexRows,
}

/// Creates resources that nobody else can know of, in a transaction of one statement.
/// `None`, and nothing is written, where one of `pointed` is not there. The connection must
/// not be in a transaction.
pub async fn create_at_once(
    connection: &mut PgConnection,
    access: &Access,
    fresh: &[Fresh<'_>],
    pointed: &[(ResourceType, i64)],
) -> Result<Option<Vec<Version>>> {
    let mut rows = RowColumns::default();
    let (mut entries, mut firsts, mut lasts) = (Vec::new(), Vec::new(), Vec::new());
    let mut inner = ContainedColumns::default();
    for new in fresh {
        rows.push(new.key, new.index);
        inner.push((new.resource_type, new.key), new.index);
        firsts.push(entries.len() as i32 + 1);
        entries.extend_from_slice(&new.index.entries);
        lasts.push(entries.len() as i32);
    }
    let (heads, tails): (Vec<&str>, Vec<&str>) = fresh.iter().map(|n| n.content.parts()).unzip();
    let (types, keys) = columns(pointed);
    let statement = match inner.keys.is_empty() {
        true => CREATE_AT_ONCE,
        false => CREATE_AT_ONCE_CONTAINED,
    };
    let query = bind_rows!(sqlx::query(statement).bind(access.tenant.0), rows)
        .bind(fresh.iter().map(|n| n.key).collect::<Vec<i64>>())
        .bind(
            fresh
                .iter()
                .map(|n| n.resource_type.number())
                .collect::<Vec<i16>>(),
        )
        .bind(
            fresh
                .iter()
                .map(|n| n.method.number())
                .collect::<Vec<i16>>(),
        )
        .bind(fresh.iter().map(|n| n.id).collect::<Vec<&str>>())
        .bind(heads)
        .bind(tails)
        .bind(fresh.iter().map(|n| n.index.present).collect::<Vec<i64>>())
        .bind(firsts)
        .bind(lasts)
        .bind(entries)
        .bind(types)
        .bind(keys);
    let query = match inner.keys.is_empty() {
        true => query,
        false => bind_contained!(query, inner),
    };
    let row = query.fetch_one(connection).await?;
    let (now, lost): (Instant, bool) = (row.try_get(0)?, row.try_get(1)?);
    if lost {
        return Ok(None);
    }
    let versions = fresh.iter().map(|new| Version {
        resource_type: new.resource_type,
        id: new.id.to_owned(),
        version: 1,
        last_updated: now,
        method: new.method,
        body: Some(new.content.stamp(1, now)),
    });
    Ok(Some(versions.collect()))
}

/// Writes the next versions; each resource at most once per transaction. The answer is in
/// the order of `changes`.
pub async fn apply(
    connection: &mut PgConnection,
    access: &Access,
    moment: Moment,
    changes: &[Change],
) -> Result<Vec<Version>> {
    let mut versions = Vec::with_capacity(changes.len());
    for chunk in changes.chunks(CHUNK) {
        let stamped: Vec<Version> = chunk.iter().map(|change| stamp(change, moment)).collect();
        let (mut creates, mut replaces) = (Columns::default(), Columns::default());
        let (mut new_rows, mut next_rows) = (RowColumns::default(), RowColumns::default());
        let (mut inner, mut gone) = (ContainedColumns::default(), Vec::new());
        for (change, version) in chunk.iter().zip(&stamped) {
            let (columns, rows) = match change.previous {
                None => (&mut creates, &mut new_rows),
                Some(_) => (&mut replaces, &mut next_rows),
            };
            columns.push(change, version, moment);
            rows.push(change.key, &change.index);
            inner.push((change.resource_type, change.key), &change.index);
            let previous = change.previous.iter();
            gone.extend(previous.flat_map(|previous| &previous.contained).copied());
        }
        remove_contained(connection, access, &gone).await?;
        for (statement, columns, rows) in [
            (REPLACE, &replaces, &next_rows),
            (CREATE, &creates, &new_rows),
        ] {
            if !columns.keys.is_empty() {
                let query = sqlx::query(statement).bind(access.tenant.0);
                let query = bind_columns!(bind_rows!(query, rows), columns);
                query.execute(&mut *connection).await?;
            }
        }
        insert_contained(connection, access, &inner).await?;
        versions.extend(stamped);
    }
    Ok(versions)
}

/// Removes what resources contained from the index; nothing where they contained nothing.
pub async fn remove_contained(
    connection: &mut PgConnection,
    access: &Access,
    gone: &[(ResourceType, i64)],
) -> Result<()> {
    if !gone.is_empty() {
        let (types, keys) = columns(gone);
        sqlx::query(REMOVE_CONTAINED)
            .bind(access.tenant.0)
            .bind(types)
            .bind(keys)
            .execute(connection)
            .await?;
    }
    Ok(())
}

/// Replaces in the index what containers of a type contain, whose bodies are what they were;
/// rows of values are left to the caller.
pub async fn replace_contained<'i>(
    connection: &mut PgConnection,
    access: &Access,
    resource_type: ResourceType,
    containers: impl Iterator<Item = (i64, &'i IndexRows)>,
) -> Result<()> {
    let (mut columns, mut gone) = (ContainedColumns::default(), Vec::new());
    for (key, index) in containers {
        columns.push((resource_type, key), index);
        let inner = index.contained.iter();
        gone.extend(inner.map(|inner| (inner.resource_type, inner.key)));
    }
    remove_contained(connection, access, &gone).await?;
    insert_contained(connection, access, &columns).await
}

async fn insert_contained(
    connection: &mut PgConnection,
    access: &Access,
    inner: &ContainedColumns<'_>,
) -> Result<()> {
    if !inner.keys.is_empty() {
        let query = sqlx::query(INSERT_CONTAINED).bind(access.tenant.0);
        bind_contained!(query, inner).execute(connection).await?;
    }
    Ok(())
}

/// Changes the labels of a current version in place: `$meta-add`, `$meta-delete`. The row
/// must be locked; labels have entries and presence only, so that of the index rows nothing but
/// signatures changes.
pub async fn relabel(
    connection: &mut PgConnection,
    access: &Access,
    (resource_type, key): (ResourceType, i64),
    body: &Bytes,
    index: &IndexRows,
) -> Result<()> {
    let text = std::str::from_utf8(body).expect("bodies are written from strings");
    sqlx::query(RELABEL)
        .bind(access.tenant.0)
        .bind(resource_type.number())
        .bind(key)
        .bind(text)
        .bind(&index.entries)
        .bind(index.present)
        .bind(signature(&index.entries))
        .execute(connection)
        .await?;
    Ok(())
}

/// Gives a change its number, time and text. Time never stands still within a resource.
fn stamp(change: &Change, moment: Moment) -> Version {
    let (number, last_updated) = match &change.previous {
        None => (1, moment.now),
        Some(previous) => {
            let earliest = previous.last_updated.milliseconds() + 1;
            let at = moment.now.milliseconds().max(earliest);
            (previous.version + 1, Instant::from_milliseconds(at))
        }
    };
    Version {
        resource_type: change.resource_type,
        id: change.id.clone(),
        version: number,
        last_updated,
        method: change.method,
        body: change
            .content
            .as_ref()
            .map(|draft| draft.stamp(number, last_updated)),
    }
}

/// The changes of one chunk as columns, which PostgreSQL turns back into rows.
#[derive(Default)]
struct Columns<'a> {
    versions: Vec<i32>,
    keys: Vec<i64>,
    xacts: Vec<i64>,
    times: Vec<Instant>,
    types: Vec<i16>,
    methods: Vec<i16>,
    ids: Vec<&'a str>,
    bodies: Vec<Option<&'a str>>,
    presents: Vec<i64>,
    /// The slice of `entries` of each row, from 1 and inclusive as SQL counts.
    firsts: Vec<i32>,
    lasts: Vec<i32>,
    entries: Vec<i64>,
}

impl<'a> Columns<'a> {
    fn push(&mut self, change: &'a Change, version: &'a Version, moment: Moment) {
        let floor = change
            .previous
            .as_ref()
            .map_or(moment.xact, |previous| previous.xact);
        self.versions.push(version.version);
        self.keys.push(change.key);
        self.xacts.push(moment.xact.max(floor));
        self.times.push(version.last_updated);
        self.types.push(change.resource_type.number());
        self.methods.push(change.method.number());
        self.ids.push(&change.id);
        self.bodies.push(
            version
                .body
                .as_ref()
                .map(|body| std::str::from_utf8(body).expect("bodies are written from strings")),
        );
        self.presents.push(change.index.present);
        self.firsts.push(self.entries.len() as i32 + 1);
        self.entries.extend_from_slice(&change.index.entries);
        self.lasts.push(self.entries.len() as i32);
    }
}

/// The index rows of one chunk as columns.
#[derive(Default)]
struct RowColumns<'a> {
    date_slots: Vec<i32>,
    date_keys: Vec<i64>,
    date_lows: Vec<i64>,
    date_highs: Vec<i64>,
    date_signatures: Vec<i64>,
    string_slots: Vec<i32>,
    string_keys: Vec<i64>,
    string_values: Vec<&'a str>,
    string_wholes: Vec<Option<&'a str>>,
    string_exacts: Vec<&'a str>,
    quantity_slots: Vec<i32>,
    quantity_keys: Vec<i64>,
    quantity_units: Vec<i64>,
    quantity_codes: Vec<i64>,
    quantity_labels: Vec<i64>,
    quantity_lows: Vec<&'a str>,
    quantity_highs: Vec<&'a str>,
}

impl<'a> RowColumns<'a> {
    fn push(&mut self, key: i64, index: &'a IndexRows) {
        for row in &index.dates {
            self.date_slots.push(row.slot);
            self.date_keys.push(key);
            self.date_lows.push(row.low);
            self.date_highs.push(row.high);
            self.date_signatures.push(row.signature);
        }
        for row in &index.strings {
            self.string_slots.push(row.slot);
            self.string_keys.push(key);
            self.string_values.push(&row.value);
            self.string_wholes.push(row.whole.as_deref());
            self.string_exacts.push(&row.exact);
        }
        for row in &index.quantities {
            self.quantity_slots.push(row.slot);
            self.quantity_keys.push(key);
            self.quantity_units.push(row.unit);
            self.quantity_codes.push(row.code);
            self.quantity_labels.push(row.text);
            self.quantity_lows.push(&row.low);
            self.quantity_highs.push(&row.high);
        }
        for inner in &index.contained {
            self.push(inner.key, &inner.rows);
        }
    }
}

/// What the resources of one chunk contain as columns.
#[derive(Default)]
struct ContainedColumns<'a> {
    types: Vec<i16>,
    keys: Vec<i64>,
    container_types: Vec<i16>,
    container_keys: Vec<i64>,
    presents: Vec<i64>,
    /// As in [`Columns`].
    firsts: Vec<i32>,
    lasts: Vec<i32>,
    entries: Vec<i64>,
    paths: Vec<&'a str>,
}

impl<'a> ContainedColumns<'a> {
    fn push(&mut self, (kind, key): (ResourceType, i64), index: &'a IndexRows) {
        for inner in &index.contained {
            self.types.push(inner.resource_type.number());
            self.keys.push(inner.key);
            self.container_types.push(kind.number());
            self.container_keys.push(key);
            self.presents.push(inner.rows.present);
            self.firsts.push(self.entries.len() as i32 + 1);
            self.entries.extend_from_slice(&inner.rows.entries);
            self.lasts.push(self.entries.len() as i32);
            self.paths.push(&inner.path);
        }
    }
}
