//! search: the matches of a page and what it includes, as a Bundle.
//! <https://hl7.org/fhir/R4/http.html#search>

use super::{Hub, subset};
use crate::access::Access;
use crate::error::Result;
use crate::fhir::bundle::{Entry, Outgoing, SearchMode};
use crate::fhir::outcome::operation_outcome;
use crate::fhir::{Instant, ResourceType, Version};
use crate::search::{self as engine, Handling, Request, Scope};
use bytes::Bytes;
use sqlx::PgConnection;

/// Answers a search from one snapshot.
pub async fn search(hub: &Hub, access: &Access, request: Request) -> Result<Outgoing> {
    let mut snapshot = hub.store.snapshot(access).await?;
    search_in(hub, &mut snapshot, access, request).await
}

/// Answers a search as the connection's transaction sees it.
pub async fn search_in(
    hub: &Hub,
    connection: &mut PgConnection,
    access: &Access,
    request: Request,
) -> Result<Outgoing> {
    let base = &hub.settings.base;
    let limits = engine::Limits {
        default_count: hub.settings.limits.page_size,
        max_count: hub.settings.limits.max_page_size,
        max_include: hub.settings.limits.max_includes,
    };
    let mut query = engine::compile(&hub.registry, &request, base, &limits, Instant::now())?;
    query.plan = engine::expand(connection, access, &hub.registry, query.plan).await?;
    let page = engine::run(connection, access, &hub.registry, &query, base).await?;
    let how = subset::Subset::of(&query.summary, &query.elements);
    let entry = |version: &Version, mode| Entry {
        full_url: Some(format!("{base}/{}", version.reference())),
        resource: version
            .body
            .as_ref()
            .map(|body| subset::subset(&hub.definitions, body, &how)),
        search: Some(mode),
        ..Entry::default()
    };
    let mut entries = Vec::with_capacity(page.matches.len() + page.includes.len() + 1);
    entries.extend(
        page.matches
            .iter()
            .map(|version| entry(version, SearchMode::Match)),
    );
    entries.extend(
        page.includes
            .iter()
            .map(|version| entry(version, SearchMode::Include)),
    );
    if !page.issues.is_empty() {
        entries.push(Entry {
            resource: Some(Bytes::from(operation_outcome(&page.issues).to_string())),
            search: Some(SearchMode::Outcome),
            ..Entry::default()
        });
    }
    Ok(Outgoing {
        bundle_type: "searchset",
        total: page.total,
        links: page.links,
        entries,
    })
}

/// A search of one type, strict.
pub fn of_type(resource_type: ResourceType, pairs: Vec<(String, String)>) -> Request {
    Request {
        scope: Scope::Type(resource_type),
        pairs,
        handling: Handling::Strict,
    }
}

/// A search of the whole system, strict.
pub fn system(pairs: Vec<(String, String)>) -> Request {
    Request {
        scope: Scope::System,
        pairs,
        handling: Handling::Strict,
    }
}
