//! The concepts that a question names, with all that is above them, as a [`CodeSystem`] that
//! says of itself that it is an excerpt: enough to judge these codes by the same rules as those
//! of a system in memory, at the price of some rows by an index.

use super::Table;
use crate::error::{Error, Result};
use crate::terminology::CodeSystem;
use crate::terminology::code_system::Concept;
use serde_json::Value;
use sqlx::postgres::PgRow;
use sqlx::{PgConnection, Row};
use std::collections::{BTreeMap, BTreeSet};

/// Children of one concept that an excerpt has at most.
const MAX_CHILDREN: i64 = 10_000;

/// What an excerpt is for.
#[derive(Clone, Debug, Default)]
pub struct Wanted {
    pub codes: BTreeSet<String>,
    /// What is directly below them too.
    pub children: bool,
}

const BY_CODE: &str = "SELECT number, below, flags, code, display, definition, parents, above, \
      designations, properties \
    FROM concept WHERE system = $1 AND code = ANY($2)";

const BY_FOLDED: &str = "SELECT number, below, flags, code, display, definition, parents, above, \
      designations, properties \
    FROM concept WHERE system = $1 AND lower(code) = ANY($2)";

const BY_NUMBER: &str = "SELECT number, flags, code, display, parents \
    FROM concept WHERE system = $1 AND number = ANY($2)";

const BY_PARENT: &str = "SELECT number, flags, code, display, parents \
    FROM concept WHERE system = $1 AND parents && $2 ORDER BY number LIMIT $3";

const BELOW: &str = "SELECT code FROM concept WHERE system = $1 \
    AND (number = $2 OR above @> ARRAY[$2]) ORDER BY number LIMIT $3";

const ABOVE: &str = "SELECT code FROM concept WHERE system = $1 \
    AND (number = $2 OR number = ANY($3)) ORDER BY number LIMIT $4";

pub const STATEMENTS: [&str; 6] = [BY_CODE, BY_FOLDED, BY_NUMBER, BY_PARENT, BELOW, ABOVE];

/// The concepts of these codes, those above them and, where wanted, those directly below.
pub async fn excerpt(
    connection: &mut PgConnection,
    table: &Table,
    wanted: &Wanted,
) -> Result<CodeSystem> {
    let mut rows: BTreeMap<i32, Found> = BTreeMap::new();
    let named = by_code(connection, table, &wanted.codes).await?;
    let mut above: BTreeSet<i32> = BTreeSet::new();
    let mut numbers = Vec::new();
    for row in &named {
        let found = Found::of(row, true)?;
        above.extend(row.try_get::<Vec<i32>, _>("above")?);
        numbers.push(found.number);
        rows.insert(found.number, found);
    }
    above.retain(|number| !rows.contains_key(number));
    if !above.is_empty() {
        let query = sqlx::query(BY_NUMBER).bind(table.id);
        let query = query.bind(Vec::from_iter(above));
        for row in &query.fetch_all(&mut *connection).await? {
            let found = Found::of(row, false)?;
            rows.insert(found.number, found);
        }
    }
    if wanted.children && !numbers.is_empty() {
        let query = sqlx::query(BY_PARENT).bind(table.id).bind(numbers);
        let query = query.bind(MAX_CHILDREN);
        for row in &query.fetch_all(&mut *connection).await? {
            let found = Found::of(row, false)?;
            rows.entry(found.number).or_insert(found);
        }
    }
    Ok(assembled(table, rows.into_values().collect()))
}

/// The rows of these codes, in any case where the system does not care.
pub(super) async fn by_code(
    connection: &mut PgConnection,
    table: &Table,
    codes: &BTreeSet<String>,
) -> Result<Vec<PgRow>> {
    let (statement, codes): (_, Vec<String>) = match table.is_case_sensitive {
        true => (BY_CODE, codes.iter().cloned().collect()),
        false => (
            BY_FOLDED,
            codes.iter().map(|one| one.to_lowercase()).collect(),
        ),
    };
    let query = sqlx::query(statement).bind(table.id).bind(codes);
    Ok(query.fetch_all(connection).await?)
}

/// The code and those below or above it, `limit` at most; none where there is no such code.
pub async fn below_or_above(
    connection: &mut PgConnection,
    table: &Table,
    code: &str,
    is_below: bool,
    limit: usize,
) -> Result<Vec<String>> {
    let code = BTreeSet::from([code.to_owned()]);
    let found = by_code(connection, table, &code).await?;
    let Some(row) = found.first() else {
        return Ok(Vec::new());
    };
    let (number, above): (i32, Vec<i32>) = (row.try_get("number")?, row.try_get("above")?);
    let limit = i64::try_from(limit).unwrap_or(i64::MAX);
    let query = match is_below {
        true => sqlx::query_scalar(BELOW).bind(table.id).bind(number),
        false => sqlx::query_scalar(ABOVE)
            .bind(table.id)
            .bind(number)
            .bind(above),
    };
    Ok(query.bind(limit).fetch_all(connection).await?)
}

/// A concept as its row has it.
pub(super) struct Found {
    number: i32,
    parents: Vec<i32>,
    concept: Concept,
}

impl Found {
    /// `whole`: with definition, designations and properties.
    pub fn of(row: &PgRow, whole: bool) -> Result<Found> {
        let flags: i16 = row.try_get("flags")?;
        let mut concept = Concept {
            code: row.try_get("code")?,
            display: row.try_get("display")?,
            is_inactive: flags & 1 != 0,
            is_abstract: flags & 2 != 0,
            ..Concept::default()
        };
        if whole {
            concept.definition = row.try_get("definition")?;
            concept.designations = list(row.try_get("designations")?)?;
            concept.properties = list(row.try_get("properties")?)?;
        }
        Ok(Found {
            number: row.try_get("number")?,
            parents: row.try_get("parents")?,
            concept,
        })
    }
}

fn list(json: Option<&str>) -> Result<Vec<Value>> {
    match json {
        None => Ok(Vec::new()),
        Some(json) => serde_json::from_str(json).map_err(Error::fault),
    }
}

/// A code system of these concepts, in their order, and of the relations among them.
pub(super) fn assembled(table: &Table, found: Vec<Found>) -> CodeSystem {
    let mut system = CodeSystem::excerpt_of(table);
    let places: BTreeMap<i32, (usize, String)> = found
        .iter()
        .enumerate()
        .map(|(at, one)| (one.number, (at, one.concept.code.clone())))
        .collect();
    for one in found {
        let Found {
            parents,
            mut concept,
            ..
        } = one;
        let code = concept.code.clone();
        let mut known = parents.iter().filter_map(|parent| places.get(parent));
        concept.nested_in = known.clone().next().map(|(at, _)| *at);
        system.push(concept);
        known
            .by_ref()
            .for_each(|(_, parent)| system.relate(parent, &code));
    }
    system
}
