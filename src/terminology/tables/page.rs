//! The members that a [`Selection`] has in a code system, found by SQL: counted, a page of
//! them, or their codes.

use super::statement::{Ground, Named, select};
use super::{Table, excerpt};
use crate::error::{Category, Error, Result};
use crate::terminology::{CodeSystem, Selection};
use sqlx::types::JsonValue;
use sqlx::{PgConnection, Row};
use std::collections::{BTreeSet, HashMap};

/// Which of the members are asked for.
#[derive(Clone, Debug, Default)]
pub struct Page<'a> {
    /// Folded words, each of which begins one of the concept's.
    pub words: &'a [String],
    pub is_active: bool,
    pub offset: usize,
    pub limit: usize,
}

impl Page<'_> {
    /// Whether all members are asked for.
    fn is_plain(&self) -> bool {
        self.words.is_empty() && !self.is_active
    }
}

/// How many members there are.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Counted {
    Exactly(usize),
    /// There are more than were to be counted.
    MoreThan(usize),
}

const WIDE: &str = "SELECT c.number, c.flags, c.code, c.display, c.definition, c.parents, \
    c.designations, c.properties";

const NARROW: &str = "SELECT * FROM (SELECT c.number, c.flags, c.code, c.display, c.definition, \
    c.parents, c.designations, c.properties";

/// The members of one page in the order of their system, as an excerpt of it.
///
/// # Errors
/// `Invalid`: a regular expression that PostgreSQL does not take.
pub async fn page(
    connection: &mut PgConnection,
    table: &Table,
    selection: &Selection,
    page: &Page<'_>,
) -> Result<CodeSystem> {
    let ground = ground(connection, table, selection).await?;
    let is_narrow = ground.is_narrow(selection);
    let mut statement = select(
        if is_narrow { NARROW } else { WIDE },
        &ground,
        selection,
        page,
    )?;
    if is_narrow {
        // A fence: what is below few is found by its index, and not met by chance in the order.
        statement.push(" OFFSET 0) c");
    }
    let mut offset = page.offset;
    if *selection == Selection::Everything && page.is_plain() {
        // Numbers have no gaps: no row needs to be skipped.
        let first = i32::try_from(offset).unwrap_or(i32::MAX);
        statement.push(" AND c.number >= ").push_bind(first);
        offset = 0;
    }
    statement.push(" ORDER BY c.number OFFSET ");
    statement.push_bind(big(offset));
    statement.push(" LIMIT ").push_bind(big(page.limit));
    let rows = statement
        .build()
        .fetch_all(connection)
        .await
        .map_err(told)?;
    let found: Result<Vec<_>> = rows
        .iter()
        .map(|row| excerpt::Found::of(row, true))
        .collect();
    Ok(excerpt::assembled(table, found?))
}

/// How many members there are, `limit` at most; the offset and limit of the page do not count.
/// With [`Effort::Little`] they are not counted either where too many entries of indexes or rows
/// would have to be read for it, as far as the planner knows.
///
/// # Errors
/// As of [`page`].
pub async fn count(
    connection: &mut PgConnection,
    table: &Table,
    selection: &Selection,
    asked: &Page<'_>,
    (limit, effort): (usize, Effort),
) -> Result<Counted> {
    if *selection == Selection::Everything && asked.words.is_empty() {
        let inactive = if asked.is_active { table.inactive } else { 0 };
        let all = table.concepts - inactive;
        return Ok(Counted::Exactly(usize::try_from(all).unwrap_or_default()));
    }
    let ground = ground(connection, table, selection).await?;
    if let Some(known) = ground.count(selection).filter(|_| asked.is_plain()) {
        return Ok(Counted::Exactly(known));
    }
    if effort == Effort::Little {
        let mut statement = select("EXPLAIN (FORMAT JSON) SELECT 1", &ground, selection, asked)?;
        let plan = statement
            .build_query_scalar()
            .fetch_one(&mut *connection)
            .await;
        let plan: JsonValue = plan.map_err(told)?;
        // Each further word is looked up whole too, however little they have in common.
        let words = asked.words.len().max(1) * 2 - 1;
        let cost = reads(&plan[0]["Plan"], f64::from(table.concepts), limit as f64);
        let cost = cost * words as f64;
        if cost > MAX_READS {
            return Ok(Counted::MoreThan(limit));
        }
    }
    let head = "SELECT count(*) FROM (SELECT 1";
    let mut statement = select(head, &ground, selection, asked)?;
    statement
        .push(" LIMIT ")
        .push_bind(big(limit.saturating_add(1)));
    statement.push(") bounded");
    let found = statement.build_query_scalar().fetch_one(connection).await;
    let found: i64 = found.map_err(told)?;
    let found = usize::try_from(found).unwrap_or_default();
    Ok(match found > limit {
        true => Counted::MoreThan(limit),
        false => Counted::Exactly(found),
    })
}

/// How much may be done to count.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Effort {
    Little,
    Any,
}

/// Entries of indexes, or rows, that counting with little effort reads: some milliseconds.
const MAX_READS: f64 = 5_000.0;

/// What the planner expects counting to read: each entry that an index has for a bitmap, which
/// is made whole before the first row; else rows, until there are enough that pass.
fn reads(plan: &JsonValue, concepts: f64, limit: f64) -> f64 {
    let rows = |plan: &JsonValue| plan["Plan Rows"].as_f64().unwrap_or_default();
    let (mut entries, mut is_bitmap) = (0.0, false);
    let mut open = vec![plan];
    while let Some(next) = open.pop() {
        if next["Node Type"] == "Bitmap Index Scan" {
            is_bitmap = true;
            entries += rows(next);
        }
        open.extend(next["Plans"].as_array().into_iter().flatten());
    }
    match is_bitmap {
        true => entries,
        false if plan["Node Type"] == "Seq Scan" => {
            concepts * (limit / rows(plan).max(1.0)).min(1.0)
        }
        false => rows(plan),
    }
}

/// The codes of all members, `limit` at most, in no order.
///
/// # Errors
/// As of [`page`].
pub async fn codes(
    connection: &mut PgConnection,
    table: &Table,
    selection: &Selection,
    limit: usize,
) -> Result<Vec<String>> {
    let ground = ground(connection, table, selection).await?;
    let mut statement = select("SELECT c.code", &ground, selection, &Page::default())?;
    statement.push(" LIMIT ").push_bind(big(limit));
    let rows = statement
        .build()
        .fetch_all(connection)
        .await
        .map_err(told)?;
    rows.iter().map(|row| Ok(row.try_get(0)?)).collect()
}

/// The concepts that the selection names, which conditions speak of by number.
async fn ground<'t>(
    connection: &mut PgConnection,
    table: &'t Table,
    selection: &Selection,
) -> Result<Ground<'t>> {
    let mut named = BTreeSet::new();
    selection.name(&mut named);
    let mut concepts = HashMap::new();
    if !named.is_empty() {
        for row in excerpt::by_code(connection, table, &named).await? {
            let code: String = row.try_get("code")?;
            let code = match table.is_case_sensitive {
                true => code,
                false => code.to_lowercase(),
            };
            let concept = Named {
                number: row.try_get("number")?,
                below: row.try_get("below")?,
                above: row.try_get("above")?,
                parents: row.try_get("parents")?,
            };
            concepts.insert(code, concept);
        }
    }
    Ok(Ground { table, concepts })
}

fn big(number: usize) -> i64 {
    i64::try_from(number).unwrap_or(i64::MAX)
}

/// What PostgreSQL says of a regular expression is about the value set, not about us.
fn told(error: sqlx::Error) -> Error {
    let code = error.as_database_error().and_then(|error| error.code());
    match code.as_deref() {
        Some("2201B") => Error::coded(
            Category::Unprocessable,
            "invalid",
            "the regular expression of a filter is none that is understood here",
        ),
        _ => error.into(),
    }
}
