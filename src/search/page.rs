//! A page: the matches, what they include, the total and the links.
//!
//! <https://hl7.org/fhir/R4/http.html#paging>. Everything runs on the connection of the
//! caller, who has opened one read-only repeatable-read transaction, so that a page is one
//! snapshot.

use super::contained;
use super::cursor::{self, Position, Start};
use super::include;
use super::parse::CURSOR;
use super::plan::{Contained, Plan, Predicate, Total};
use super::registry::Registry;
use super::resolve::Query;
use super::rewrite;
use super::sql::{self, Bind, Statement};
use super::stages::{Spent, Stages};
use super::statistics::Statistics;
use super::strategy::{self, Ground};
use super::{link, lookup};
use crate::access::Access;
use crate::error::{Category, Error, Issue, Result};
use crate::fhir::{Instant, Method, ResourceType, Version};
use crate::storage::is_timeout;
use sqlx::postgres::PgRow;
use sqlx::{AssertSqlSafe, Connection, PgConnection, Row};

/// Gives the planner its freedom back until the end of the transaction around it.
const FREE_PLANS: &str = "SET LOCAL plan_cache_mode = force_custom_plan; \
    SET LOCAL enable_seqscan = on; SET LOCAL enable_hashjoin = on; SET LOCAL enable_mergejoin = on";

/// What else gives a total where counting takes too long.
const COUNT_ADVICE: &str = "Counting the matches took longer than the limit `count-time` allows; \
    `_total=estimate` tells about how many there are, and a parameter that selects less is \
    counted sooner";

/// What an estimated total counts exactly before it asks the planner.
const COUNTED: usize = 10_000;

/// The answer to a search.
#[derive(Clone, Debug, Default)]
pub struct Page {
    pub matches: Vec<Version>,
    /// What is told beside each match.
    pub told: Vec<Told>,
    pub includes: Vec<Version>,
    /// Of all pages; `None` where it is not known.
    pub total: Option<u64>,
    /// Relation and absolute URL: `self`, `first`, `previous`, `next`, `last`.
    pub links: Vec<(&'static str, String)>,
    /// What was ignored, and what is missing.
    pub issues: Vec<Issue>,
    /// How long its stages took.
    pub spent: Spent,
}

/// What is told beside a match, where the filter asks for it: `Bundle.entry.search`.
#[derive(Clone, Copy, Debug, Default, PartialEq)]
pub struct Told {
    /// How well it fits the words of `_text` and `_content`, from 0 to 1.
    pub score: Option<f32>,
    /// From the place of `near`; from the nearest, if there are several.
    pub metres: Option<f64>,
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
    pub told: Told,
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
    let mut stages = Stages::start();
    let expanded = lookup::expand(connection, access, registry, query).await?;
    let query = &*expanded;
    stages.end("lookup");
    let mut plan = query.plan.clone();
    let filter = std::mem::replace(&mut plan.filter, Predicate::Everything);
    plan.filter =
        strategy::settle(connection, &ground, (&plan.types, query.contained), filter).await?;
    let plan = rewrite::rewrite(plan);
    stages.end("settle");
    let mut issues = query.issues.clone();
    if plan.count > 0 {
        let (limit, start) = (plan.count.saturating_add(1), query.start.as_ref());
        let matches = match query.contained {
            Contained::False => strategy::find(connection, &ground, &plan, start, limit).await?,
            _ => contained::page::matches(connection, &ground, query, &plan, limit).await?,
        };
        let matches = page.take(query, base, matches);
        stages.end("find");
        let (includes, more) =
            include::load(connection, access, registry, query, base, &matches).await?;
        page.includes = includes;
        issues.extend(more);
        page.told = matches.iter().map(|found| found.told).collect();
        page.matches = matches.into_iter().map(contained::page::shown).collect();
        stages.end("include");
    } else {
        page.links = links(query, base, false, None);
    }
    page.issues = issues;
    page.total = match plan.total {
        _ if plan.count == 0 => {
            let counted = total(connection, access, query, &plan).await?;
            let too_costly = || Error::new(Category::TooCostly, COUNT_ADVICE);
            Some(counted.ok_or_else(too_costly)?)
        }
        Total::None => None,
        _ if page.is_all(query) => Some(page.matches.len() as u64),
        Total::Unasked => None,
        Total::Estimate | Total::Accurate => {
            let counted = total(connection, access, query, &plan).await?;
            if counted.is_none() {
                let text = format!("{COUNT_ADVICE}: this page comes without a total");
                page.issues.push(Issue::warning("too-costly", text));
            }
            counted
        }
    };
    stages.end("total");
    page.spent = stages.spent();
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
    let mut stages = Stages::start();
    let found = strategy::find_at_once(connection, &ground, plan, start, limit).await?;
    Ok(found.map(|matches| {
        let mut page = Page::default();
        let matches = page.take(query, base, matches);
        page.told = matches.iter().map(|found| found.told).collect();
        page.matches = matches.into_iter().map(|found| found.version).collect();
        page.issues = query.issues.clone();
        stages.end("find");
        page.spent = stages.spent();
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

/// How many match; nothing where counting takes longer than it may.
async fn total(
    connection: &mut PgConnection,
    access: &Access,
    query: &Query,
    plan: &Plan,
) -> std::result::Result<Option<u64>, sqlx::Error> {
    let is_estimate = plan.total == Total::Estimate;
    let counted = match within(connection, access, query, plan).await {
        Ok(counted) if !is_estimate || counted <= COUNTED as u64 => return Ok(Some(counted)),
        Ok(counted) => counted,
        Err(error) if !is_timeout(&error) => return Err(error),
        // The planner knows nothing of what is contained.
        Err(_) if !is_estimate || query.contained != Contained::False => return Ok(None),
        Err(_) => 0,
    };
    let statement = sql::estimate(plan, access);
    let expected: sqlx::types::JsonValue =
        bound(&statement).fetch_one(connection).await?.try_get(0)?;
    let rows = expected[0]["Plan"]["Plan Rows"]
        .as_u64()
        .unwrap_or_default();
    Ok(Some(rows.max(counted)))
}

/// Counts within the time of the query.
async fn within(
    connection: &mut PgConnection,
    access: &Access,
    query: &Query,
    plan: &Plan,
) -> std::result::Result<u64, sqlx::Error> {
    // What is set for it ends with it, and a statement that is given up breaks no more.
    let mut inner = connection.begin().await?;
    // Zero would be without a limit.
    let time = query.count_time.as_millis().clamp(1, i32::MAX as u128);
    let settings = format!("{FREE_PLANS}; SET LOCAL statement_timeout = {time}");
    // A count may read much of the table, so that the planner had better know the values.
    sqlx::raw_sql(AssertSqlSafe(settings))
        .execute(&mut *inner)
        .await?;
    let counted = count(&mut inner, access, query, plan).await;
    inner.rollback().await?;
    counted
}

async fn count(
    connection: &mut PgConnection,
    access: &Access,
    query: &Query,
    plan: &Plan,
) -> std::result::Result<u64, sqlx::Error> {
    if query.contained != Contained::False {
        return contained::page::total(connection, access, query, plan).await;
    }
    let limit = (plan.total == Total::Estimate).then_some(COUNTED + 1);
    let statement = sql::count(plan, limit, access);
    let counted: i64 = bound(&statement).fetch_one(connection).await?.try_get(0)?;
    Ok(u64::try_from(counted).unwrap_or_default())
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
    let beside = |backward: bool, position: Option<Position>| {
        let start = Start { backward, position };
        let cursor = cursor::encode(&start, &query.identity(), &query.secret);
        url(Some(&cursor))
    };
    let mut links = vec![("self", url(query.cursor.as_deref())), ("first", url(None))];
    let start = query.start.as_ref();
    let backward = start.is_some_and(|start| start.backward);
    let is_last = match start {
        Some(start) if backward => start.position.is_none(),
        _ => !has_more,
    };
    if let Some((first, last)) = ends {
        // A page has one before it where it was reached from there, or has seen more.
        let has_previous = match backward {
            true => has_more,
            false => query.start.is_some(),
        };
        if has_previous {
            links.push(("previous", beside(true, Some(first))));
        }
        if !is_last {
            links.push(("next", beside(false, Some(last))));
        }
        if has_previous || !is_last {
            links.push(("last", beside(true, None)));
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
        told: Told {
            score: optional(row, "score")?,
            metres: optional(row, "metres")?,
        },
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

/// A column that not every statement has.
fn optional<'r, T>(row: &'r PgRow, column: &str) -> std::result::Result<Option<T>, sqlx::Error>
where
    T: sqlx::Decode<'r, sqlx::Postgres> + sqlx::Type<sqlx::Postgres>,
{
    match row.try_get(column) {
        Err(sqlx::Error::ColumnNotFound(_)) => Ok(None),
        value => value,
    }
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
