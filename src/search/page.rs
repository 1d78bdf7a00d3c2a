//! A page: the matches, what they include, the total and the links.
//!
//! <https://hl7.org/fhir/R4/http.html#paging>. Everything runs on the connection of the
//! caller, who has opened one read-only repeatable-read transaction, so that a page is one
//! snapshot. There is no `previous` link: clients keep the pages that they have seen.

use super::cursor::{self, Position};
use super::include;
use super::link;
use super::parse::CURSOR;
use super::plan::{Sort, Total};
use super::registry::Registry;
use super::resolve::Query;
use super::sql::{self, Bind, Part, Statement};
use crate::access::Access;
use crate::error::Issue;
use crate::fhir::{Instant, Method, ResourceType, Version};
use sqlx::postgres::PgRow;
use sqlx::{AssertSqlSafe, PgConnection, Row};

/// What an estimated total counts exactly before it asks the planner.
const COUNTED: usize = 10_000;

/// The answer to a search.
#[derive(Clone, Debug, Default)]
pub struct Page {
    pub matches: Vec<Version>,
    pub includes: Vec<Version>,
    /// Of all pages; `None` where it is not known.
    pub total: Option<u64>,
    /// Relation and absolute URL: `self`, `first`, `next`.
    pub links: Vec<(&'static str, String)>,
    /// What was ignored, and what is missing.
    pub issues: Vec<Issue>,
}

/// A resource that was found.
#[derive(Clone, Debug)]
pub struct Found {
    pub key: i64,
    pub version: Version,
    /// Its sort value as text.
    pub value: Option<String>,
}

impl Found {
    /// What makes it the same resource as another.
    pub fn identity(&self) -> (ResourceType, i64) {
        (self.version.resource_type, self.key)
    }

    fn position(&self) -> Position {
        Position {
            value: self.value.clone(),
            type_number: self.version.resource_type.number(),
            key: self.key,
        }
    }
}

/// Runs a query for one page.
pub async fn run(
    connection: &mut PgConnection,
    access: &Access,
    registry: &Registry,
    query: &Query,
    base: &str,
) -> Result<Page, sqlx::Error> {
    let mut page = Page {
        issues: query.issues.clone(),
        ..Page::default()
    };
    let mut next = None;
    if query.plan.count > 0 {
        let mut matches = matches(connection, access, query).await?;
        if matches.len() > query.plan.count {
            matches.truncate(query.plan.count);
            next = matches.last().map(Found::position);
        }
        let (includes, issues) =
            include::load(connection, access, registry, query, base, &matches).await?;
        page.includes = includes;
        page.issues.extend(issues);
        page.matches = matches.into_iter().map(|found| found.version).collect();
    }
    let shown = query.plan.count > 0 && next.is_none() && query.position.is_none();
    page.total = match query.plan.total {
        _ if query.plan.count == 0 => Some(total(connection, access, query).await?),
        Total::None => None,
        _ if shown => Some(page.matches.len() as u64),
        Total::Unasked => None,
        Total::Estimate | Total::Accurate => Some(total(connection, access, query).await?),
    };
    page.links = links(query, base, next.as_ref());
    Ok(page)
}

/// One match more than the page holds, where there are so many.
async fn matches(
    connection: &mut PgConnection,
    access: &Access,
    query: &Query,
) -> Result<Vec<Found>, sqlx::Error> {
    let (plan, limit) = (&query.plan, query.plan.count.saturating_add(1));
    let position = query.position.as_ref();
    let may_miss = matches!(plan.sort, Sort::Rows { .. } | Sort::Element { .. });
    let in_missing = may_miss && position.is_some_and(|position| position.value.is_none());
    let mut found = Vec::new();
    if !in_missing {
        let statement = sql::page(plan, Part::Valued, position, limit, access);
        found = fetch(connection, &statement).await?;
    }
    let rest = limit.saturating_sub(found.len());
    if may_miss && rest > 0 {
        let position = position.filter(|_| in_missing);
        let statement = sql::page(plan, Part::Missing, position, rest, access);
        found.extend(fetch(connection, &statement).await?);
    }
    Ok(found)
}

async fn total(
    connection: &mut PgConnection,
    access: &Access,
    query: &Query,
) -> Result<u64, sqlx::Error> {
    let estimate = query.plan.total == Total::Estimate;
    let limit = estimate.then_some(COUNTED + 1);
    let statement = sql::count(&query.plan, limit, access);
    let counted: i64 = bound(&statement)
        .fetch_one(&mut *connection)
        .await?
        .try_get(0)?;
    let counted = u64::try_from(counted).unwrap_or_default();
    if !estimate || counted <= COUNTED as u64 {
        return Ok(counted);
    }
    let statement = sql::estimate(&query.plan, access);
    let plan: sqlx::types::JsonValue = bound(&statement).fetch_one(connection).await?.try_get(0)?;
    let rows = plan[0]["Plan"]["Plan Rows"].as_u64().unwrap_or_default();
    Ok(rows.max(counted))
}

fn links(query: &Query, base: &str, next: Option<&Position>) -> Vec<(&'static str, String)> {
    let url = |cursor: Option<&str>| {
        let used = query
            .used
            .iter()
            .map(|(name, value)| (name.as_str(), value.as_str()));
        link::url(
            base,
            &query.scope,
            used.chain(cursor.map(|cursor| (CURSOR, cursor))),
        )
    };
    let mut links = vec![("self", url(query.cursor.as_deref())), ("first", url(None))];
    if let Some(position) = next {
        links.push((
            "next",
            url(Some(&cursor::encode(position, &query.identity()))),
        ));
    }
    links
}

/// Runs a statement with the columns of a page.
pub async fn fetch(
    connection: &mut PgConnection,
    statement: &Statement,
) -> Result<Vec<Found>, sqlx::Error> {
    let rows = bound(statement).fetch_all(connection).await?;
    rows.iter().map(found).collect()
}

fn found(row: &PgRow) -> Result<Found, sqlx::Error> {
    let unreadable = |what: &str| sqlx::Error::Decode(format!("unknown {what}").into());
    let resource_type = ResourceType::from_number(row.try_get("type")?);
    let method = Method::from_number(row.try_get("method")?);
    let body: Option<String> = row.try_get("body")?;
    Ok(Found {
        key: row.try_get("key")?,
        value: row.try_get("position")?,
        version: Version {
            resource_type: resource_type.ok_or_else(|| unreadable("resource type"))?,
            id: row.try_get("id")?,
            version: row.try_get("version")?,
            last_updated: Instant::from_microseconds(row.try_get("last_updated")?),
            method: method.ok_or_else(|| unreadable("method"))?,
            body: body.map(Into::into),
        },
    })
}

/// The statement with its binds. Its text is safe by construction: `sql` alone makes it, of
/// fixed parts and `$n`.
pub fn bound(
    statement: &Statement,
) -> sqlx::query::Query<'_, sqlx::Postgres, sqlx::postgres::PgArguments> {
    let query = sqlx::query(AssertSqlSafe(statement.sql.clone()));
    statement
        .binds
        .iter()
        .fold(query, |query, bind| match bind {
            Bind::Small(value) => query.bind(value),
            Bind::Int(value) => query.bind(value),
            Bind::Big(value) => query.bind(value),
            Bind::Text(value) => query.bind(value),
            Bind::Smalls(values) => query.bind(values),
            Bind::Ints(values) => query.bind(values),
            Bind::Bigs(values) => query.bind(values),
            Bind::Texts(values) => query.bind(values),
        })
}
