//! search: the matches of a page and what it includes, as a Bundle.
//! <https://hl7.org/fhir/R4/http.html#search>

use super::{Hub, building, subset};
use crate::access::Access;
use crate::error::{Category, Result};
use crate::fhir::bundle::{Entry, Outgoing, SearchMode};
use crate::fhir::outcome::operation_outcome;
use crate::fhir::{ResourceType, Version};
use crate::search::live::Edition;
use crate::search::registry::Registry;
use crate::search::{self as engine, Handling, Page, Query, Request, Scope};
use crate::storage::SNAPSHOT;
use bytes::Bytes;
use sqlx::{Connection, PgConnection};

/// Answers a search from one snapshot.
pub async fn search(hub: &Hub, access: &Access, request: Request) -> Result<Outgoing> {
    let edition = hub.live.current();
    let (query, registry) = compile(hub, &edition, &request)?;
    let mut left = hub.store.pool_status().open;
    loop {
        match answer(hub, access, registry, &query).await {
            // A connection that died while it was kept shows it here.
            Err(error) if left > 0 && error.category == Category::Unavailable => left -= 1,
            page => return Ok(bundle(hub, &query, page?)),
        }
    }
}

async fn answer(hub: &Hub, access: &Access, registry: &Registry, query: &Query) -> Result<Page> {
    let statistics = hub.store.statistics();
    let base = &hub.settings.base;
    let mut held = hub.store.searches().take().await?;
    let at_once =
        engine::run_at_once(&mut held.connection, access, &statistics, query, base).await?;
    let page = match at_once {
        Some(page) => page,
        None => {
            let mut snapshot = held.connection.begin_with(SNAPSHOT).await?;
            let statistics = &statistics;
            let page =
                engine::run(&mut snapshot, access, registry, statistics, query, base).await?;
            snapshot.commit().await?;
            page
        }
    };
    hub.store.searches().keep(held);
    Ok(page)
}

/// Answers a search as the connection's transaction sees it.
pub async fn search_in(
    hub: &Hub,
    connection: &mut PgConnection,
    access: &Access,
    request: Request,
) -> Result<Outgoing> {
    let edition = hub.live.current();
    let (query, registry) = compile(hub, &edition, &request)?;
    let statistics = hub.store.statistics();
    let base = &hub.settings.base;
    let page = engine::run(connection, access, registry, &statistics, &query, base).await?;
    Ok(bundle(hub, &query, page))
}

fn compile<'e>(
    hub: &Hub,
    edition: &'e Edition,
    request: &Request,
) -> Result<(Query, &'e Registry)> {
    let limits = engine::Limits {
        default_count: hub.settings.limits.page_size,
        max_count: hub.settings.limits.max_page_size,
        max_include: hub.settings.limits.max_includes,
        secret: hub.store.secret(),
    };
    building::compile(edition, request, &hub.settings.base, &limits)
}

fn bundle(hub: &Hub, query: &Query, page: Page) -> Outgoing {
    let base = &hub.settings.base;
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
    Outgoing {
        bundle_type: "searchset",
        total: page.total,
        links: page.links,
        entries,
    }
}

/// A search of one type, strict.
pub fn of_type(resource_type: ResourceType, pairs: Vec<(String, String)>) -> Request {
    Request {
        scope: Scope::Type(resource_type),
        pairs,
        handling: Handling::Strict,
    }
}

/// A search of what belongs to one resource, strict: of one type, or of all without it.
pub fn in_compartment(
    (focal, id): (ResourceType, &str),
    member: Option<ResourceType>,
    pairs: Vec<(String, String)>,
) -> Request {
    Request {
        scope: Scope::Compartment {
            focal,
            id: id.to_owned(),
            member,
        },
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
