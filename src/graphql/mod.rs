//! `$graphql`: FHIR's resources as a graph. <https://hl7.org/fhir/R4/graphql.html>,
//! <https://spec.graphql.org/October2021/>
//!
//! ```text
//! GET  [base]/$graphql?query=…            POST [base]/$graphql            application/graphql: the document
//! GET  [base]/[type]/[id]/$graphql?query=…     the same on one resource   application/json: query, operationName, variables
//!
//! document   text -> operation: variables put in, fragments laid, its cost bounded
//! check      every field and argument is one of the definitions (schema)
//! mutation   Create, Update, Delete, one after the other
//! execute    a pass over what is loaded: the answer, and what it misses  ─┐
//! loaded     what is missing, from one snapshot                          ─┘ until nothing is
//! ```
//!
//! The answer is `application/json` with `data`, or with `errors` and the status of the first of
//! them: R4 wants the answer whole or not at all. Not done: subscriptions, `_graphql` on other
//! operations, and more than one version of a resource.
//!
//! ## Decisions
//! - *The execution is ours, the parser is not* (2026-11-22). Libraries that execute want a schema
//!   of static types, and merge and shape the answer themselves. FHIR's is none of that: some
//!   9,000 fields that follow from definitions which are data here, `@flatten` and `@slice` that
//!   move children to other objects under names that the data make, `fhirpath` as an argument.
//!   What would be left for a library to do is the walk over selections, a hundred lines.
//! - *What is absent is left out*, where GraphQL would say null: the page and its official cases
//!   show it so, and FHIR's own JSON has no null either.
//! - *Equal names are merged* as GraphQL wants it, where the official case `extension-simple`
//!   wants a list of both.
//! - *Passes instead of futures*: a reference that is not loaded ends its branch of a pass, not
//!   the pass. A hundred references of a level are one statement, the walk needs no `async` and
//!   can run off the event loop, and what is loaded is seen from one snapshot. The cost: what is
//!   known already is walked again, once for each level of references.
//! - *A List is whole or an error* (R4), unless it says `_count`.
//! - *A cursor holds its search*, as the links of REST do: nothing is kept for it.
//! - *What a query may cost is bounded on the way, not guessed before*: see [`Limits`]. What can
//!   be told from the text (its length, nesting, fields) is refused before it is parsed or laid.

mod check;
mod document;
mod elements;
mod execute;
mod introspection;
mod loaded;
mod mutation;
mod output;
mod problem;
mod request;
mod schema;
mod search_arguments;
mod variables;

pub use problem::Problem;
pub use request::Request;

use crate::access::Access;
use crate::error::{Category, Error, Result};
use crate::fhir::{Instant, ResourceType};
use crate::interaction::Hub;
use crate::storage::{Held, SNAPSHOT};
use execute::{Ground, Passed};
use loaded::Loaded;
use serde_json::{Value, json};
use sqlx::Connection;
use std::sync::Arc;
use std::time::Duration;

/// How much one request may ask for.
#[derive(Clone, Debug)]
pub struct Limits {
    /// Bytes of the document.
    pub text: usize,
    /// Brackets within brackets.
    pub nesting: usize,
    /// Fields within fields.
    pub depth: usize,
    /// Fields and fragments, those of a fragment counted wherever it is spread.
    pub fields: usize,
    /// Searches, each `[Type]List` of each resource being one.
    pub searches: usize,
    /// Resources that are read or found.
    pub resources: usize,
    /// Of the answer.
    pub bytes: usize,
    /// Of one evaluation of FHIRPath.
    pub steps: u64,
    /// From the first to the last of it.
    pub time: Duration,
    /// That are told.
    pub problems: usize,
}

impl Default for Limits {
    fn default() -> Limits {
        Limits {
            text: 64 << 10,
            nesting: 64,
            depth: 16,
            fields: 1_000,
            searches: 100,
            resources: 5_000,
            bytes: 16 << 20,
            steps: 100_000,
            time: Duration::from_secs(10),
            problems: 20,
        }
    }
}

/// What a query is run on.
#[derive(Clone, Debug, PartialEq)]
pub enum Scope {
    System,
    Instance(ResourceType, String),
}

/// What is answered.
#[derive(Debug, Default)]
pub struct Answer {
    pub data: Option<Value>,
    pub problems: Vec<Problem>,
}

impl Answer {
    fn of(problems: Vec<Problem>) -> Answer {
        Answer {
            data: None,
            problems,
        }
    }

    /// Of a request that could not be run.
    pub fn failed(error: Error) -> Answer {
        Answer::of(vec![Problem::of(error)])
    }

    /// What the status follows from; `None` where all is well.
    pub fn category(&self) -> Option<Category> {
        self.problems.first().map(|problem| problem.category)
    }

    pub fn to_json(&self) -> Value {
        let mut answer = json!({"data": self.data});
        if !self.problems.is_empty() {
            let problems = self.problems.iter().map(Problem::to_json);
            answer["errors"] = problems.collect();
        }
        answer
    }
}

/// The answer to a request.
///
/// # Errors
/// What is no fault of the request: the database is away, and the like.
pub async fn answer(hub: &Hub, access: &Access, scope: Scope, request: &Request) -> Result<Answer> {
    let limits = Limits::default();
    let (query, name) = (&request.query, request.operation_name.as_deref());
    let operation = match document::read(query, name, &request.variables, &limits) {
        Ok(operation) => operation,
        Err(problems) => return Ok(Answer::of(problems)),
    };
    if operation.is_mutation && !request.may_change {
        let text = "a mutation changes resources: expected it to be sent by POST";
        return Ok(Answer::of(vec![Problem::new(Category::NotAllowed, text)]));
    }
    let edition = hub.live.current();
    let model = edition.searchable.model().clone();
    let schema = check::Schema {
        model: &model,
        registry: &edition.searchable,
    };
    let root = match &scope {
        Scope::System => None,
        Scope::Instance(of, _) => Some(*of),
    };
    let problems = check::check(schema, &operation, root, &limits);
    if !problems.is_empty() {
        return Ok(Answer::of(problems));
    }
    let time = limits.time.min(hub.settings.limits.statement_time);
    let ground = Arc::new(Ground {
        operation,
        scope,
        model,
        edition,
        base: hub.settings.base.clone(),
        most_matches: hub.settings.limits.max_page_size,
        now: Instant::now(),
        deadline: std::time::Instant::now() + time,
        limits,
    });
    let run = run(hub, access, ground);
    match tokio::time::timeout(time + Duration::from_secs(1), run).await {
        Ok(answer) => answer,
        Err(_) => {
            let text = "expected a query that takes less time";
            Ok(Answer::of(vec![Problem::costly(text)]))
        }
    }
}

async fn run(hub: &Hub, access: &Access, ground: Arc<Ground>) -> Result<Answer> {
    let mut loaded = Loaded::default();
    let mut failed = None;
    if ground.operation.is_mutation {
        let written = mutation::write(hub, access, &ground.operation.items, &mut loaded);
        failed = written.await.err();
    }
    let (passed, loaded) = passed(&ground, loaded).await?;
    let mut answer = match passed.wants.is_empty() {
        true => finished(passed),
        false => rounds(hub, access, &ground, passed, loaded).await?,
    };
    // What was written before is told beside what failed.
    if let Some(failed) = failed {
        answer.problems.insert(0, failed);
    }
    Ok(answer)
}

/// Loads and passes until nothing is missing, from one snapshot.
async fn rounds(
    hub: &Hub,
    access: &Access,
    ground: &Arc<Ground>,
    mut last: Passed,
    mut loaded: Loaded,
) -> Result<Answer> {
    let mut held = living(hub).await?;
    let mut snapshot = held.connection.begin_with(SNAPSHOT).await?;
    while last.problems.is_empty() && !last.wants.is_empty() {
        let wants = std::mem::take(&mut last.wants);
        let done = loaded
            .load(hub, &mut snapshot, access, ground, wants)
            .await?;
        if let Err(problem) = done {
            return Ok(Answer::of(vec![problem]));
        }
        (last, loaded) = passed(ground, loaded).await?;
    }
    snapshot.commit().await?;
    hub.store.searches().keep(held);
    Ok(finished(last))
}

/// A connection of searches; one that died while it was kept is left for the next.
async fn living(hub: &Hub) -> Result<Held> {
    let mut left = hub.store.pool_status().open;
    loop {
        let mut held = hub.store.searches().take().await?;
        match held.connection.ping().await {
            Ok(()) => return Ok(held),
            Err(error) if left == 0 => return Err(error.into()),
            Err(_) => left -= 1,
        }
    }
}

fn finished(passed: Passed) -> Answer {
    match passed.problems.is_empty() {
        true => Answer {
            data: Some(passed.data),
            problems: Vec::new(),
        },
        false => Answer::of(passed.problems),
    }
}

/// One pass, on a thread of its own where there is much to walk.
async fn passed(ground: &Arc<Ground>, loaded: Loaded) -> Result<(Passed, Loaded)> {
    /// What is walked on the spot, in bytes of resources.
    const SMALL: usize = 64 << 10;
    if loaded.bytes <= SMALL {
        return Ok((execute::pass(ground, &loaded), loaded));
    }
    let ground = ground.clone();
    let walk = move || (execute::pass(&ground, &loaded), loaded);
    tokio::task::spawn_blocking(walk)
        .await
        .map_err(Error::fault)
}
