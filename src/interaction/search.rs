//! search: the matches of a page and what it includes, as a Bundle.
//! <https://hl7.org/fhir/R4/http.html#search>

use super::{Hub, building, subset};
use crate::access::Access;
use crate::error::{Category, Error, Issue, Result};
use crate::fhir::bundle::{Entry, Outgoing, SearchMode};
use crate::fhir::outcome::operation_outcome;
use crate::fhir::{ResourceType, Version};
use crate::search::live::Edition;
use crate::search::registry::Registry;
use crate::search::{self as engine, Handling, Page, Query, Request, Scope, Spent, Stages};
use crate::storage::{SNAPSHOT, is_timeout};
use bytes::Bytes;
use sqlx::{Connection, PgConnection};

/// What a search is answered with.
pub enum Answer {
    Found(Outgoing, Measured),
    /// `_explain`
    Explained(Vec<Issue>),
}

/// What a search cost and brought, for the metrics.
#[derive(Clone, Debug, Default)]
pub struct Measured {
    pub spent: Spent,
    pub matches: usize,
    pub includes: usize,
}

impl Answer {
    /// The Bundle, or the OperationOutcome.
    pub fn to_json(&self) -> Bytes {
        match self {
            Answer::Found(bundle, _) => bundle.to_json(),
            Answer::Explained(issues) => Bytes::from(operation_outcome(issues).to_string()),
        }
    }
}

/// Answers a search from one snapshot.
pub async fn search(hub: &Hub, access: &Access, request: Request) -> Result<Answer> {
    let edition = hub.live.current();
    let mut stages = Stages::start();
    let (query, registry) = compile(hub, access, &edition, &request)?;
    stages.end("compile");
    let mut left = hub.store.pool_status().open;
    loop {
        match answer(hub, access, registry, &query).await {
            // A connection that died while it was kept shows it here.
            Err(error) if left > 0 && error.category == Category::Unavailable => left -= 1,
            Ok(mut answer) => {
                if let Answer::Found(_, measured) = &mut answer {
                    measured.spent.extend(stages.spent());
                }
                return Ok(answer);
            }
            Err(error) => return Err(advised(error, &query)),
        }
    }
}

async fn answer(hub: &Hub, access: &Access, registry: &Registry, query: &Query) -> Result<Answer> {
    let statistics = hub.store.statistics();
    let base = &hub.settings.base;
    let mut held = hub.store.searches().take().await?;
    let at_once = match query.explain {
        Some(_) => None,
        None => engine::run_at_once(&mut held.connection, access, &statistics, query, base).await?,
    };
    let answer = match at_once {
        Some(page) => found(hub, query, page),
        None => {
            let mut snapshot = held.connection.begin_with(SNAPSHOT).await?;
            let answer = answer_in(hub, &mut snapshot, access, registry, query).await?;
            snapshot.commit().await?;
            answer
        }
    };
    hub.store.searches().keep(held);
    Ok(answer)
}

/// Answers within a transaction.
async fn answer_in(
    hub: &Hub,
    connection: &mut PgConnection,
    access: &Access,
    registry: &Registry,
    query: &Query,
) -> Result<Answer> {
    let statistics = &hub.store.statistics();
    if let Some(explain) = &query.explain {
        let issues =
            engine::explain(connection, access, registry, statistics, query, explain).await?;
        return Ok(Answer::Explained(issues));
    }
    let base = &hub.settings.base;
    let page = engine::run(connection, access, registry, statistics, query, base).await?;
    Ok(found(hub, query, page))
}

/// Answers a search as the connection's transaction sees it.
pub async fn search_in(
    hub: &Hub,
    connection: &mut PgConnection,
    access: &Access,
    request: Request,
) -> Result<Answer> {
    let edition = hub.live.current();
    let (query, registry) = compile(hub, access, &edition, &request)?;
    let answer = answer_in(hub, connection, access, registry, &query).await;
    answer.map_err(|error| advised(error, &query))
}

/// A search that took too long, with what would make it shorter.
fn advised(mut error: Error, query: &Query) -> Error {
    let source = error.source.as_ref();
    let source = source.and_then(|source| source.downcast_ref::<sqlx::Error>());
    if source.is_some_and(is_timeout) {
        let advice = engine::advice(&query.plan);
        error.issues.push(Issue::information("too-costly", advice));
    }
    error
}

fn compile<'e>(
    hub: &Hub,
    access: &Access,
    edition: &'e Edition,
    request: &Request,
) -> Result<(Query, &'e Registry)> {
    let limits = &hub.settings.limits;
    let limits = engine::Limits {
        default_count: hub.settings.limits.page_size,
        max_count: hub.settings.limits.max_page_size,
        max_include: hub.settings.limits.max_includes,
        count_time: limits.count_time.min(limits.statement_time),
        secret: hub.store.secret().of(access.tenant),
    };
    building::compile(edition, request, &hub.settings.base, &limits)
}

fn found(hub: &Hub, query: &Query, mut page: Page) -> Answer {
    let measured = Measured {
        spent: std::mem::take(&mut page.spent),
        matches: page.matches.len(),
        includes: page.includes.len(),
    };
    Answer::Found(bundle(hub, query, page), measured)
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
    let matches = page.matches.iter().zip(&page.told);
    entries.extend(matches.map(|(version, told)| Entry {
        score: told.score.filter(|_| query.score),
        metres: told.metres,
        ..entry(version, SearchMode::Match)
    }));
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
