//! A page: the matches, what they include, the total and the links.
//!
//! <https://hl7.org/fhir/R4/http.html#paging>. Everything runs on the connection of the
//! caller, who has opened one read-only repeatable-read transaction, so that a page is one
//! snapshot.

use super::contained;
use super::cursor::{self, Position, Start};
use super::include;
use super::parse::CURSOR;
use super::plan::{Contained, Plan, Total};
use super::registry::Registry;
use super::resolve::Query;
use super::rewrite;
use super::sql::{self, Bind, Statement};
use super::statistics::Statistics;
use super::strategy::{self, Ground};
use super::{link, lookup};
use crate::access::Access;
use crate::error::{Issue, Result};
use crate::fhir::{Instant, Method, ResourceType, Version};
use sqlx::postgres::PgRow;
use sqlx::{AssertSqlSafe, PgConnection, Row};

/// Gives the planner its freedom back for the rest of the transaction.
const FREE_PLANS: &str = "SET LOCAL plan_cache_mode = force_custom_plan; \
    SET LOCAL enable_seqscan = on; SET LOCAL enable_hashjoin = on; SET LOCAL enable_mergejoin = on";

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
    /// Its sort values as text.
    pub values: Vec<Option<String>>,
    /// The type of the resource that contains it; the version's id is then `23#m1`.
    pub container: Option<ResourceType>,
}

impl Found {
    /// What makes it the same resource as another.
    pub fn identity(&self) -> (ResourceType, i64) {
        (self.version.resource_type, self.key)
    }

    fn position(&self) -> Position {
        Position {
            values: self.values.clone(),
            type_number: self.version.resource_type.number(),
            key: self.key,
        }
    }
}

/// Runs a query for one page, in a transaction of one snapshot.
///
/// # Errors
/// Those of the database.
pub async fn run(
    connection: &mut PgConnection,
    access: &Access,
    registry: &Registry,
    statistics: &Statistics,
    query: &Query,
    base: &str,
) -> Result<Page> {
    let ground = Ground { access, statistics };
    let mut page = Page::default();
    let expanded = lookup::expand(connection, access, registry, query).await?;
    let query = &*expanded;
    let plan = query.plan.clone();
    let filter = plan.filter.clone();
    let filter =
        strategy::settle(connection, &ground, (&plan.types, query.contained), filter).await?;
    let plan = rewrite::rewrite(Plan { filter, ..plan });
    let mut issues = query.issues.clone();
    if plan.count > 0 {
        let (limit, start) = (plan.count.saturating_add(1), query.start.as_ref());
        let matches = match query.contained {
            Contained::False => strategy::find(connection, &ground, &plan, start, limit).await?,
            _ => contained::page::matches(connection, &ground, query, &plan, limit).await?,
        };
        let matches = page.take(query, base, matches);
        let (includes, more) =
            include::load(connection, access, registry, query, base, &matches).await?;
        page.includes = includes;
        issues.extend(more);
        page.matches = matches.into_iter().map(contained::page::shown).collect();
    } else {
        page.links = links(query, base, false, None);
    }
    page.issues = issues;
    page.total = match plan.total {
        _ if plan.count == 0 => Some(total(connection, access, query, &plan).await?),
        Total::None => None,
        _ if page.is_all(query) => Some(page.matches.len() as u64),
        Total::Unasked => None,
        Total::Estimate | Total::Accurate => Some(total(connection, access, query, &plan).await?),
    };
    Ok(page)
}

/// Runs a query that one statement can answer, outside of any transaction. Nothing, where it
/// takes more than one: then [`run`] it.
///
/// # Errors
/// Those of the database.
pub async fn run_at_once(
    connection: &mut PgConnection,
    access: &Access,
    statistics: &Statistics,
    query: &Query,
    base: &str,
) -> std::result::Result<Option<Page>, sqlx::Error> {
    let plan = &query.plan;
    let counts = matches!(plan.total, Total::Estimate | Total::Accurate);
    let counts = counts || query.contained != Contained::False;
    if plan.count == 0 || counts || !plan.includes.is_empty() || plan.filter.has_steps() {
        return Ok(None);
    }
    let ground = Ground { access, statistics };
    let (limit, start) = (plan.count.saturating_add(1), query.start.as_ref());
    let found = strategy::find_at_once(connection, &ground, plan, start, limit).await?;
    Ok(found.map(|matches| {
        let mut page = Page::default();
        let matches = page.take(query, base, matches);
        page.matches = matches.into_iter().map(|found| found.version).collect();
        page.issues = query.issues.clone();
        if plan.total == Total::Unasked && page.is_all(query) {
            page.total = Some(page.matches.len() as u64);
        }
        page
    }))
}

impl Page {
    /// The matches that are shown of those that were found, one more than fit if there are
    /// so many; makes the links.
    fn take(&mut self, query: &Query, base: &str, mut matches: Vec<Found>) -> Vec<Found> {
        let has_more = matches.len() > query.plan.count;
        matches.truncate(query.plan.count);
        if query.start.as_ref().is_some_and(|start| start.backward) {
            matches.reverse();
        }
        let ends = matches
            .first()
            .zip(matches.last())
            .map(|(first, last)| (first.position(), last.position()));
        self.links = links(query, base, has_more, ends);
        matches
    }

    /// Whether this first page shows all there is.
    fn is_all(&self, query: &Query) -> bool {
        query.plan.count > 0
            && query.start.is_none()
            && !self.links.iter().any(|(relation, _)| *relation == "next")
    }
}

async fn total(
    connection: &mut PgConnection,
    access: &Access,
    query: &Query,
    plan: &Plan,
) -> std::result::Result<u64, sqlx::Error> {
    let estimate = plan.total == Total::Estimate;
    let limit = estimate.then_some(COUNTED + 1);
    // A count may read much of the table, so that the planner had better know the values.
    sqlx::raw_sql(FREE_PLANS).execute(&mut *connection).await?;
    if query.contained != Contained::False {
        return contained::page::total(connection, access, query, plan).await;
    }
    let statement = sql::count(plan, limit, access);
    let counted: i64 = bound(&statement)
        .fetch_one(&mut *connection)
        .await?
        .try_get(0)?;
    let counted = u64::try_from(counted).unwrap_or_default();
    if !estimate || counted <= COUNTED as u64 {
        return Ok(counted);
    }
    let statement = sql::estimate(plan, access);
    let expected: sqlx::types::JsonValue =
        bound(&statement).fetch_one(connection).await?.try_get(0)?;
    let rows = expected[0]["Plan"]["Plan Rows"]
        .as_u64()
        .unwrap_or_default();
    Ok(rows.max(counted))
}

/// `ends`: the first and the last match of the page.
fn links(
    query: &Query,
    base: &str,
    has_more: bool,
    ends: Option<(Position, Position)>,
) -> Vec<(&'static str, String)> {
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
    let beside = |backward: bool, position: Position| {
        let start = Start {
            backward,
            position: Some(position),
        };
        let cursor = cursor::encode(&start, &query.identity(), &query.secret);
        url(Some(&cursor))
    };
    let mut links = vec![("self", url(query.cursor.as_deref())), ("first", url(None))];
    let backward = query.start.as_ref().is_some_and(|start| start.backward);
    if let Some((first, last)) = ends {
        // A page has one before it where it was reached from there, or has seen more.
        if if backward {
            has_more
        } else {
            query.start.is_some()
        } {
            links.push(("previous", beside(true, first)));
        }
        if backward || has_more {
            links.push(("next", beside(false, last)));
        }
    }
    links
}

/// Runs a statement with the columns of a page.
pub async fn fetch(
    connection: &mut PgConnection,
    statement: &Statement,
) -> std::result::Result<Vec<Found>, sqlx::Error> {
    let rows = bound(statement).fetch_all(connection).await?;
    rows.iter().map(found).collect()
}

/// The resource of a row with the columns of a page.
pub fn found(row: &PgRow) -> std::result::Result<Found, sqlx::Error> {
    let unreadable = |what: &str| sqlx::Error::Decode(format!("unknown {what}").into());
    let resource_type = ResourceType::from_number(row.try_get("type")?);
    let method = Method::from_number(row.try_get("method")?);
    let body: Option<String> = row.try_get("body")?;
    Ok(Found {
        key: row.try_get("key")?,
        values: row.try_get::<Option<_>, _>("position")?.unwrap_or_default(),
        container: None,
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
