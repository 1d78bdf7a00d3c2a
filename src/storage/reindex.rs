//! Index rows made anew from what is stored, beside writers and without a new version.
//!
//! [`page`] shows resources with the index rows that they have, as of one moment; [`replace`]
//! changes the rows of those that were not touched since. A row's `xmin` tells that, which
//! every change of it renews, of labels too. What is right already is only read, so that a
//! second run over the same data writes nothing, but for what contains other resources: their
//! rows are not compared, and are written with those of their container.

use super::write;
use crate::access::Access;
use crate::error::Result;
use crate::fhir::ResourceType;
use crate::search::index::{DateRow, IndexRows, QuantityRow, StringRow};
use sqlx::postgres::{PgConnection, PgRow};
use sqlx::{Postgres, Row, Transaction};
use std::collections::HashMap;

/// A resource with the index rows that it has.
#[derive(Debug)]
pub struct Stored {
    pub key: i64,
    /// The transaction that last changed the row.
    xmin: i64,
    pub body: String,
    /// In no particular order.
    index: IndexRows,
}

/// New index rows for a resource of a page, normalised.
#[derive(Debug)]
pub struct Replacement {
    pub key: i64,
    xmin: i64,
    before: IndexRows,
    after: IndexRows,
}

const COUNT: &str = "SELECT type, count(*) FROM resource \
    WHERE tenant = $1 AND type = ANY($2) AND body IS NOT NULL GROUP BY type ORDER BY type";

/// A look at the text is no proof that a resource contains others, and what looks so and
/// does not is indexed for nothing.
macro_rules! contains {
    () => {
        " AND body LIKE '%\"contained\"%'"
    };
}

/// Of other types, those that contain a resource of these; each whole resource counts.
const COUNT_CONTAINERS: &str = concat!(
    "SELECT type, count(*) FROM resource \
     WHERE tenant = $1 AND type = ANY(ARRAY(SELECT DISTINCT container_type FROM contained \
         WHERE tenant = $1 AND type = ANY($2) AND container_type <> ALL($2)))",
    contains!(),
    " GROUP BY type ORDER BY type"
);

macro_rules! page {
    ($condition:expr) => {
        concat!(
            "SELECT key, xmin::text::bigint, body, entries, present FROM resource \
             WHERE tenant = $1 AND type = $2 AND key > $3 AND body IS NOT NULL",
            $condition,
            " ORDER BY key LIMIT $4"
        )
    };
}

const PAGE: &str = page!("");
const PAGE_OF_CONTAINERS: &str = page!(contains!());

const DATES: &str = "SELECT key, slot, low, high, signature FROM date_entry \
    WHERE tenant = $1 AND key = ANY($2)";

const STRINGS: &str = "SELECT key, slot, value, whole, exact FROM string_entry \
    WHERE tenant = $1 AND key = ANY($2)";

const QUANTITIES: &str = "SELECT key, slot, unit, code, label, low::text, high::text \
    FROM quantity_entry WHERE tenant = $1 AND key = ANY($2)";

macro_rules! hold {
    ($waiting:literal) => {
        concat!(
            "SELECT key, xmin::text::bigint FROM resource \
             WHERE tenant = $1 AND type = $2 AND key = ANY($3) ORDER BY key FOR UPDATE",
            $waiting
        )
    };
}

const HOLD: &str = hold!("");
const HOLD_FREE: &str = hold!(" SKIP LOCKED");

const ENTRIES: &str = "UPDATE resource r SET present = i.present, \
      entries = ($5::bigint[])[i.first:i.last] \
    FROM unnest($3::bigint[], $4::bigint[], $6::int[], $7::int[]) AS i(key, present, first, last) \
    WHERE r.tenant = $1 AND r.type = $2 AND r.key = i.key";

const NO_DATES: &str = "DELETE FROM date_entry WHERE tenant = $1 AND key = ANY($2)";
const NO_STRINGS: &str = "DELETE FROM string_entry WHERE tenant = $1 AND key = ANY($2)";
const NO_QUANTITIES: &str = "DELETE FROM quantity_entry WHERE tenant = $1 AND key = ANY($2)";

const NEW_DATES: &str = "INSERT INTO date_entry (tenant, key, slot, low, high, signature) \
    SELECT $1, d.* FROM unnest($2::bigint[], $3::int[], $4::bigint[], $5::bigint[], $6::bigint[]) AS d";

const NEW_STRINGS: &str = "INSERT INTO string_entry (tenant, key, slot, value, whole, exact) \
    SELECT $1, s.* FROM unnest($2::bigint[], $3::int[], $4::text[], $5::text[], $6::text[]) AS s";

const NEW_QUANTITIES: &str = "INSERT INTO quantity_entry \
      (tenant, key, slot, unit, code, label, low, high) \
    SELECT $1, q.key, q.slot, q.unit, q.code, q.label, q.low::numeric, q.high::numeric \
    FROM unnest($2::bigint[], $3::int[], $4::bigint[], $5::bigint[], $6::bigint[], $7::text[], \
                $8::text[]) AS q(key, slot, unit, code, label, low, high)";

/// Every fixed statement of this file, for the test that prepares them.
pub const STATEMENTS: [&str; 16] = [
    COUNT,
    COUNT_CONTAINERS,
    PAGE,
    PAGE_OF_CONTAINERS,
    DATES,
    STRINGS,
    QUANTITIES,
    HOLD,
    HOLD_FREE,
    ENTRIES,
    NO_DATES,
    NO_STRINGS,
    NO_QUANTITIES,
    NEW_DATES,
    NEW_STRINGS,
    NEW_QUANTITIES,
];

/// How many resources there are of each of these types, by number of the type, none left out
/// but those without any. It may take long, and has no limit of time.
pub async fn count(
    transaction: &mut Transaction<'static, Postgres>,
    access: &Access,
    types: &[ResourceType],
) -> Result<Vec<(ResourceType, i64)>> {
    count_by(COUNT, transaction, access, types).await
}

/// The same of resources of other types that contain some of these types, or may.
pub async fn count_containers(
    transaction: &mut Transaction<'static, Postgres>,
    access: &Access,
    types: &[ResourceType],
) -> Result<Vec<(ResourceType, i64)>> {
    count_by(COUNT_CONTAINERS, transaction, access, types).await
}

async fn count_by(
    statement: &'static str,
    transaction: &mut Transaction<'static, Postgres>,
    access: &Access,
    types: &[ResourceType],
) -> Result<Vec<(ResourceType, i64)>> {
    sqlx::query("SET LOCAL statement_timeout = 0")
        .execute(&mut **transaction)
        .await?;
    let numbers: Vec<i16> = types.iter().map(|kind| kind.number()).collect();
    let rows: Vec<(i16, i64)> = sqlx::query_as(statement)
        .bind(access.tenant.0)
        .bind(numbers)
        .fetch_all(&mut **transaction)
        .await?;
    let known = rows
        .into_iter()
        .filter_map(|(number, count)| Some((ResourceType::from_number(number)?, count)));
    Ok(known.collect())
}

/// Which resources of a type are looked at.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Which {
    All,
    /// Those that contain others.
    Containers,
}

/// The next resources of a type behind a key, in the order of their keys; the transaction
/// must be a snapshot.
pub async fn page(
    snapshot: &mut PgConnection,
    access: &Access,
    resource_type: ResourceType,
    (which, after): (Which, i64),
    limit: usize,
) -> Result<Vec<Stored>> {
    let statement = match which {
        Which::All => PAGE,
        Which::Containers => PAGE_OF_CONTAINERS,
    };
    let rows = sqlx::query(statement)
        .bind(access.tenant.0)
        .bind(resource_type.number())
        .bind(after)
        .bind(limit as i64)
        .fetch_all(&mut *snapshot)
        .await?;
    let mut page = Vec::with_capacity(rows.len());
    let mut places = HashMap::new();
    for row in &rows {
        let key = row.try_get(0)?;
        places.insert(key, page.len());
        page.push(Stored {
            key,
            xmin: row.try_get(1)?,
            body: row.try_get(2)?,
            index: IndexRows {
                entries: row.try_get(3)?,
                present: row.try_get(4)?,
                ..IndexRows::default()
            },
        });
    }
    let keys: Vec<i64> = page.iter().map(|stored| stored.key).collect();
    let mut into = |row: &PgRow, add: &dyn Fn(&mut IndexRows) -> sqlx::Result<()>| {
        let key: i64 = row.try_get(0)?;
        let place = places.get(&key).and_then(|place| page.get_mut(*place));
        place.map_or(Ok(()), |stored| add(&mut stored.index))
    };
    for row in fetch(DATES, snapshot, access, &keys).await? {
        into(&row, &|index| {
            index.dates.push(date(&row)?);
            Ok(())
        })?;
    }
    for row in fetch(STRINGS, snapshot, access, &keys).await? {
        into(&row, &|index| {
            index.strings.push(string(&row)?);
            Ok(())
        })?;
    }
    for row in fetch(QUANTITIES, snapshot, access, &keys).await? {
        into(&row, &|index| {
            index.quantities.push(quantity(&row)?);
            Ok(())
        })?;
    }
    Ok(page)
}

async fn fetch(
    statement: &'static str,
    connection: &mut PgConnection,
    access: &Access,
    keys: &[i64],
) -> Result<Vec<PgRow>> {
    Ok(sqlx::query(statement)
        .bind(access.tenant.0)
        .bind(keys)
        .fetch_all(connection)
        .await?)
}

fn date(row: &PgRow) -> sqlx::Result<DateRow> {
    Ok(DateRow {
        slot: row.try_get(1)?,
        low: row.try_get(2)?,
        high: row.try_get(3)?,
        signature: row.try_get(4)?,
    })
}

fn string(row: &PgRow) -> sqlx::Result<StringRow> {
    Ok(StringRow {
        slot: row.try_get(1)?,
        value: row.try_get(2)?,
        whole: row.try_get(3)?,
        exact: row.try_get(4)?,
    })
}

fn quantity(row: &PgRow) -> sqlx::Result<QuantityRow> {
    Ok(QuantityRow {
        slot: row.try_get(1)?,
        unit: row.try_get(2)?,
        code: row.try_get(3)?,
        text: row.try_get(4)?,
        low: row.try_get(5)?,
        high: row.try_get(6)?,
    })
}

impl Stored {
    /// What is to be done so that the resource has these rows; `None` where it has them.
    pub fn replaced_by(self, after: IndexRows) -> Option<Replacement> {
        let mut before = self.index;
        before.normalise();
        (before != after).then_some(Replacement {
            key: self.key,
            xmin: self.xmin,
            before,
            after,
        })
    }
}

impl Replacement {
    /// The rows of what it contains, all of them new: the old ones go with what they are of.
    fn inner(&self) -> impl Iterator<Item = Replacement> {
        self.after.contained.iter().map(|inner| Replacement {
            key: inner.key,
            xmin: self.xmin,
            before: IndexRows::default(),
            after: inner.rows.clone(),
        })
    }
}

/// Whether rows that somebody holds are waited for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Waiting {
    Allowed,
    Never,
}

/// Replaces the rows of those resources that are as they were when their page was read; who
/// changed one since has indexed it anew. The answer is what somebody else holds, untouched.
pub async fn replace(
    connection: &mut PgConnection,
    access: &Access,
    resource_type: ResourceType,
    replacements: Vec<Replacement>,
    waiting: Waiting,
) -> Result<Vec<Replacement>> {
    if replacements.is_empty() {
        return Ok(replacements);
    }
    let keys: Vec<i64> = replacements.iter().map(|one| one.key).collect();
    let statement = match waiting {
        Waiting::Allowed => HOLD,
        Waiting::Never => HOLD_FREE,
    };
    let held: Vec<(i64, i64)> = sqlx::query_as(statement)
        .bind(access.tenant.0)
        .bind(resource_type.number())
        .bind(keys)
        .fetch_all(&mut *connection)
        .await?;
    let held: HashMap<i64, i64> = held.into_iter().collect();
    let (found, busy): (Vec<Replacement>, Vec<Replacement>) = replacements
        .into_iter()
        .partition(|one| held.contains_key(&one.key));
    let same = |one: &&Replacement| held.get(&one.key) == Some(&one.xmin);
    let mut unchanged: Vec<&Replacement> = found.iter().filter(same).collect();
    replace_entries(connection, access, resource_type, &unchanged).await?;
    let inner: Vec<Replacement> = unchanged.iter().flat_map(|one| one.inner()).collect();
    let containers = unchanged.iter().map(|one| (one.key, &one.after));
    write::replace_contained(connection, access, resource_type, containers).await?;
    unchanged.extend(&inner);
    replace_dates(connection, access, &unchanged).await?;
    replace_strings(connection, access, &unchanged).await?;
    replace_quantities(connection, access, &unchanged).await?;
    Ok(match waiting {
        Waiting::Never => busy,
        // What is waited for and not there was never a resource, which cannot be.
        Waiting::Allowed => Vec::new(),
    })
}

/// Writes the rows of values of one resource anew, whatever they were; it must be held.
pub async fn renew_rows(
    connection: &mut PgConnection,
    access: &Access,
    key: i64,
    index: &IndexRows,
) -> Result<()> {
    let one = Replacement {
        key,
        xmin: 0,
        before: IndexRows::default(),
        after: index.clone(),
    };
    for statement in [NO_DATES, NO_STRINGS, NO_QUANTITIES] {
        cleared(statement, connection, access, &[&&one]).await?;
    }
    replace_dates(connection, access, &[&one]).await?;
    replace_strings(connection, access, &[&one]).await?;
    replace_quantities(connection, access, &[&one]).await
}

async fn replace_entries(
    connection: &mut PgConnection,
    access: &Access,
    resource_type: ResourceType,
    all: &[&Replacement],
) -> Result<()> {
    let (mut keys, mut presents, mut entries) = (Vec::new(), Vec::new(), Vec::new());
    let (mut firsts, mut lasts) = (Vec::new(), Vec::new());
    for one in all {
        if one.before.entries != one.after.entries || one.before.present != one.after.present {
            keys.push(one.key);
            presents.push(one.after.present);
            firsts.push(entries.len() as i32 + 1);
            entries.extend_from_slice(&one.after.entries);
            lasts.push(entries.len() as i32);
        }
    }
    if keys.is_empty() {
        return Ok(());
    }
    sqlx::query(ENTRIES)
        .bind(access.tenant.0)
        .bind(resource_type.number())
        .bind(keys)
        .bind(presents)
        .bind(entries)
        .bind(firsts)
        .bind(lasts)
        .execute(connection)
        .await?;
    Ok(())
}

/// The keys of resources whose rows of one table differ, the old rows of which are deleted.
async fn cleared(
    statement: &'static str,
    connection: &mut PgConnection,
    access: &Access,
    differing: &[&&Replacement],
) -> Result<()> {
    let keys: Vec<i64> = differing.iter().map(|one| one.key).collect();
    let delete = sqlx::query(statement).bind(access.tenant.0).bind(keys);
    delete.execute(connection).await?;
    Ok(())
}

async fn replace_dates(
    connection: &mut PgConnection,
    access: &Access,
    all: &[&Replacement],
) -> Result<()> {
    let differs = |one: &&&Replacement| one.before.dates != one.after.dates;
    let differing: Vec<_> = all.iter().filter(differs).collect();
    if differing.is_empty() {
        return Ok(());
    }
    cleared(NO_DATES, connection, access, &differing).await?;
    let rows = || {
        let each = differing.iter();
        each.flat_map(|one| one.after.dates.iter().map(move |row| (one.key, row)))
    };
    sqlx::query(NEW_DATES)
        .bind(access.tenant.0)
        .bind(rows().map(|(key, _)| key).collect::<Vec<i64>>())
        .bind(rows().map(|(_, row)| row.slot).collect::<Vec<i32>>())
        .bind(rows().map(|(_, row)| row.low).collect::<Vec<i64>>())
        .bind(rows().map(|(_, row)| row.high).collect::<Vec<i64>>())
        .bind(rows().map(|(_, row)| row.signature).collect::<Vec<i64>>())
        .execute(connection)
        .await?;
    Ok(())
}

async fn replace_strings(
    connection: &mut PgConnection,
    access: &Access,
    all: &[&Replacement],
) -> Result<()> {
    let differs = |one: &&&Replacement| one.before.strings != one.after.strings;
    let differing: Vec<_> = all.iter().filter(differs).collect();
    if differing.is_empty() {
        return Ok(());
    }
    cleared(NO_STRINGS, connection, access, &differing).await?;
    let rows = || {
        let each = differing.iter();
        each.flat_map(|one| one.after.strings.iter().map(move |row| (one.key, row)))
    };
    sqlx::query(NEW_STRINGS)
        .bind(access.tenant.0)
        .bind(rows().map(|(key, _)| key).collect::<Vec<i64>>())
        .bind(rows().map(|(_, row)| row.slot).collect::<Vec<i32>>())
        .bind(rows().map(|(_, row)| &*row.value).collect::<Vec<&str>>())
        .bind(
            rows()
                .map(|(_, row)| row.whole.as_deref())
                .collect::<Vec<Option<&str>>>(),
        )
        .bind(rows().map(|(_, row)| &*row.exact).collect::<Vec<&str>>())
        .execute(connection)
        .await?;
    Ok(())
}

async fn replace_quantities(
    connection: &mut PgConnection,
    access: &Access,
    all: &[&Replacement],
) -> Result<()> {
    let differs = |one: &&&Replacement| one.before.quantities != one.after.quantities;
    let differing: Vec<_> = all.iter().filter(differs).collect();
    if differing.is_empty() {
        return Ok(());
    }
    cleared(NO_QUANTITIES, connection, access, &differing).await?;
    let rows = || {
        let each = differing.iter();
        each.flat_map(|one| one.after.quantities.iter().map(move |row| (one.key, row)))
    };
    sqlx::query(NEW_QUANTITIES)
        .bind(access.tenant.0)
        .bind(rows().map(|(key, _)| key).collect::<Vec<i64>>())
        .bind(rows().map(|(_, row)| row.slot).collect::<Vec<i32>>())
        .bind(rows().map(|(_, row)| row.unit).collect::<Vec<i64>>())
        .bind(rows().map(|(_, row)| row.code).collect::<Vec<i64>>())
        .bind(rows().map(|(_, row)| row.text).collect::<Vec<i64>>())
        .bind(rows().map(|(_, row)| &*row.low).collect::<Vec<&str>>())
        .bind(rows().map(|(_, row)| &*row.high).collect::<Vec<&str>>())
        .execute(connection)
        .await?;
    Ok(())
}
