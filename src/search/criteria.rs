//! The searches of conditional interactions: `If-None-Exist`, `PUT Patient?…` and their like.
//! <https://hl7.org/fhir/R4/http.html#ccreate>
//!
//! Always strict, and stricter than a search: criteria that select nothing in particular, or
//! that say how to answer, are refused, since to ignore a part of them could change or delete
//! the wrong resource. A parameter without a value, which a search ignores, is refused too.

use super::bounds;
use super::lookup::expand;
use super::page::bound;
use super::parse::{self, Item};
use super::registry::Registry;
use super::resolve::{Handling, Limits, Query, Request, Scope, compile};
use super::sql;
use crate::access::Access;
use crate::error::{Category, Error, Issue, Result};
use crate::fhir::query;
use crate::fhir::{Instant, ResourceType};
use sqlx::{PgConnection, Row};

/// Key and id of the first `limit` matches of `criteria`, a raw (percent-encoded) query
/// string without `?`. A `limit` of 2 tells none, one and several apart.
pub async fn find_matches(
    connection: &mut PgConnection,
    access: &Access,
    registry: &Registry,
    resource_type: ResourceType,
    criteria: &str,
    base: &str,
    limit: usize,
) -> Result<Vec<(i64, String)>> {
    let query = compile_criteria(registry, resource_type, criteria, base, Instant::now())?;
    let plan = expand(connection, access, registry, query.plan).await?;
    let statement = sql::keys(&plan, limit, access);
    let rows = bound(&statement).fetch_all(connection).await?;
    rows.iter()
        .map(|row| Ok((row.try_get("key")?, row.try_get("id")?)))
        .collect()
}

/// Compiles criteria, without I/O.
pub fn compile_criteria(
    registry: &Registry,
    resource_type: ResourceType,
    criteria: &str,
    base: &str,
    now: Instant,
) -> Result<Query> {
    let request = Request {
        scope: Scope::Type(resource_type),
        pairs: query::pairs(criteria)?,
        handling: Handling::Strict,
    };
    bounds::check(&request.pairs)?;
    let issues: Vec<Issue> = request.pairs.iter().filter_map(problem_of).collect();
    if !issues.is_empty() {
        return Err(Error::of(Category::Invalid, bounds::shorten(issues)));
    }
    let query = compile(registry, &request, base, &Limits::default(), now)?;
    if query.used.is_empty() {
        return Err(Error::invalid(
            "expected criteria that select a resource but found none: every resource would match",
        ));
    }
    // Whatever a search may one day ignore: criteria that lose a part would match more.
    let is_unused =
        |(name, _): &&(String, String)| !query.used.iter().any(|(used, _)| used == name);
    if let Some((name, _)) = request.pairs.iter().find(is_unused) {
        return Err(Error::invalid(format!(
            "{name}: expected criteria that all select but this one selects nothing"
        )));
    }
    Ok(query)
}

/// Why a pair cannot be a part of criteria.
fn problem_of((name, value): &(String, String)) -> Option<Issue> {
    if !matches!(parse::parse(name, value), Item::Filter(_)) {
        let text = format!("{name}: expected criteria that select, but it says how to answer");
        return Some(Issue::error("not-supported", text));
    }
    value.trim().is_empty().then(|| {
        let text = format!("{name}: expected a value, since without one every resource would pass");
        Issue::error("value", text)
    })
}
