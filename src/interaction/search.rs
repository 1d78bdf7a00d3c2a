//! search: the matches of a page and what it includes, as a Bundle.
//! <https://hl7.org/fhir/R4/http.html#search>

use super::meter::Measured;
use super::{Hub, building, subset};
use crate::access::Access;
use crate::error::{Category, Error, Issue, Result};
use crate::fhir::bundle::{Entry, Outgoing, SearchMode};
use crate::fhir::outcome::operation_outcome;
use crate::fhir::{ResourceType, Version};
use crate::search::live::Edition;
use crate::search::registry::Registry;
use crate::search::{self as engine, Handling, Page, Query, Request, Scope, Stages};
use crate::storage::statistics::scanned;
use crate::storage::{SNAPSHOT, is_timeout};
use bytes::Bytes;
use sqlx::{Connection, PgConnection};

/// What a search is answered with.
enum Answer {
    Found(Page, Option<u64>),
    /// `_explain`
    Explained(Vec<Issue>),
}

/// Answers a search from one snapshot, with a Bundle or an OperationOutcome as JSON.
pub async fn search(hub: &Hub, access: &Access, request: Request) -> Result<Bytes> {
    let edition = hub.live.current();
    let mut stages = Stages::start();
    let (query, registry) = compile(hub, access, &edition, &request)?;
    stages.end("compile");
    let sampled = hub.meter.samples();
    let mut left = hub.store.pool_status().open;
    loop {
        match answer(hub, access, registry, &query, sampled).await {
            // A connection that died while it was kept shows it here.
            Err(error) if left > 0 && error.category == Category::Unavailable => left -= 1,
            Ok(answer) => return Ok(assembled(hub, &query, answer, stages)),
            Err(error) => return Err(advised(error, &query)),
        }
    }
}

async fn answer(
    hub: &Hub,
    access: &Access,
    registry: &Registry,
    query: &Query,
    sampled: bool,
) -> Result<Answer> {
    let statistics = hub.store.statistics();
    let base = &hub.settings.base;
    let mut held = hub.store.searches().take().await?;
    let at_once = match query.explain.is_some() || sampled {
        true => None,
        false => {
            engine::run_at_once(&mut held.connection, access, &statistics, query, base).await?
        }
    };
    let answer = match at_once {
        Some(page) => Answer::Found(page, None),
        None => {
            let mut snapshot = held.connection.begin_with(SNAPSHOT).await?;
            let answer = answer_in(hub, &mut snapshot, access, registry, query, sampled).await?;
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
    sampled: bool,
) -> Result<Answer> {
    let statistics = &hub.store.statistics();
    if let Some(explain) = &query.explain {
        let issues =
            engine::explain(connection, access, registry, statistics, query, explain).await?;
        return Ok(Answer::Explained(issues));
    }
    let base = &hub.settings.base;
    let before = match sampled {
        true => Some(scanned(connection).await?),
        false => None,
    };
    let page = engine::run(connection, access, registry, statistics, query, base).await?;
    let read = match before {
        Some(before) => Some(scanned(connection).await?.saturating_sub(before)),
        None => None,
    };
    Ok(Answer::Found(page, read))
}

/// Answers a search as the connection's transaction sees it.
pub async fn search_in(
    hub: &Hub,
    connection: &mut PgConnection,
    access: &Access,
    request: Request,
) -> Result<Bytes> {
    let edition = hub.live.current();
    let mut stages = Stages::start();
    let (query, registry) = compile(hub, access, &edition, &request)?;
    stages.end("compile");
    let sampled = hub.meter.samples();
    match answer_in(hub, connection, access, registry, &query, sampled).await {
        Ok(answer) => Ok(assembled(hub, &query, answer, stages)),
        Err(error) => Err(advised(error, &query)),
    }
}

/// The page of a search as the connection's transaction sees it, for who shapes it otherwise than
/// as a Bundle; with the query that it answers.
pub async fn page_in(
    hub: &Hub,
    connection: &mut PgConnection,
    access: &Access,
    request: Request,
) -> Result<(Query, Page)> {
    let edition = hub.live.current();
    let (query, registry) = compile(hub, access, &edition, &request)?;
    let sampled = hub.meter.samples();
    match answer_in(hub, connection, access, registry, &query, sampled).await {
        Ok(Answer::Found(mut page, scanned)) => {
            hub.meter.tell(&Measured {
                spent: std::mem::take(&mut page.spent),
                matches: page.matches.len(),
                includes: page.includes.len(),
                scanned,
            });
            Ok((query, page))
        }
        Ok(Answer::Explained(_)) => Err(Error::new(
            Category::NotSupported,
            "expected a search with matches but found _explain",
        )),
        Err(error) => Err(advised(error, &query)),
    }
}

/// The JSON of an answer; what it cost is told to the meter.
fn assembled(hub: &Hub, query: &Query, answer: Answer, before: Stages) -> Bytes {
    let mut stages = Stages::start();
    match answer {
        Answer::Found(mut page, scanned) => {
            let mut measured = Measured {
                spent: before.spent(),
                matches: page.matches.len(),
                includes: page.includes.len(),
                scanned,
            };
            measured.spent.append(&mut page.spent);
            let json = bundle(hub, query, page).to_json();
            stages.end("assemble");
            measured.spent.extend(stages.spent());
            hub.meter.tell(&measured);
            json
        }
        Answer::Explained(issues) => Bytes::from(operation_outcome(&issues).to_string()),
    }
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
