//! The floor: for each shape one hand-written statement on the same tables, prepared, without the
//! bookkeeping of a server. Its plan is made once, for any values, hence with less knowledge than
//! an author has: of the plans that come of some ways of planning withheld, the fastest counts.

use crate::Result;
use crate::drive::{Clock, Run, Target};
use crate::grow::Kind;
use crate::shapes::Shape;
use andiron::access::Tenant;
use andiron::fhir::ResourceType;
use andiron::search::index::{Slot, hash, resource_key};
use andiron::search::registry::Registry;
use futures::stream::{FuturesUnordered, TryStreamExt};
use sqlx::postgres::PgConnection;
use sqlx::{AssertSqlSafe, ConnectOptions, Executor};
use std::time::{Duration, Instant};

/// A value of a statement.
#[derive(Clone, Debug)]
pub enum Bind {
    Number(i64),
    Numbers(Vec<i64>),
    Text(String),
    Decimal(String),
}

/// How the engine names things in its tables.
pub struct Names<'a>(pub &'a Registry);

impl Names<'_> {
    pub fn kind(kind: Kind) -> ResourceType {
        ResourceType::parse(&kind.name()).expect("the generator knows types of R4 only")
    }

    /// The number of a type.
    pub fn number(kind: Kind) -> i16 {
        Names::kind(kind).number()
    }

    pub fn key(kind: Kind, id: &str) -> i64 {
        resource_key(Names::kind(kind), id)
    }

    fn branch(&self, kind: Kind, parameter: &str) -> (Slot, i64) {
        let found = self.0.parameter(Names::kind(kind), parameter);
        let found = found.and_then(|parameter| parameter.branches.first());
        let branch = found.expect("the parameters of the shapes are R4's");
        (branch.slot, branch.presence)
    }

    /// The slot of rows.
    pub fn row(&self, kind: Kind, parameter: &str) -> i32 {
        self.branch(kind, parameter).0.row()
    }

    /// The bit of `:missing`.
    pub fn presence(&self, kind: Kind, parameter: &str) -> i64 {
        self.branch(kind, parameter).1
    }

    /// What a key is XORed with to be the entry of a reference.
    pub fn seed(&self, kind: Kind, parameter: &str) -> i64 {
        self.branch(kind, parameter).0.seed(Tenant::DEFAULT)
    }

    /// The entry of `system|code`, and of `code` where the system is empty.
    pub fn token(&self, kind: Kind, parameter: &str, system: &str, code: &str) -> i64 {
        let text = match system {
            "" => format!("c{code}"),
            _ => format!("s{system}\n{code}"),
        };
        self.seed(kind, parameter) ^ hash(&text)
    }

    /// The entry of a reference.
    pub fn reference(&self, kind: Kind, parameter: &str, target: Kind, id: &str) -> i64 {
        self.seed(kind, parameter) ^ Names::key(target, id)
    }
}

/// What the planner may not use: `enable_…`.
pub type Without = &'static [&'static str];

const PLANS: [Without; 4] = [
    // The few matches first, then their order.
    &["hashjoin", "mergejoin"],
    &["hashjoin", "mergejoin", "indexscan"],
    // Row by row in the order of an index, each looked up elsewhere, until the page is full.
    &["hashjoin", "mergejoin", "sort", "material", "bitmapscan"],
    // The same where what is looked up takes the index of entries.
    &["hashjoin", "mergejoin", "sort", "material"],
];

/// A connection with such plans.
pub async fn connect(target: &Target, without: Without) -> Result<PgConnection> {
    let options = target.postmaster.connect("andiron");
    let mut session = options.connect().await?;
    let always = "SET plan_cache_mode = force_generic_plan; SET jit = off; \
        SET enable_seqscan = off; SET max_parallel_workers_per_gather = 0; \
        SET statement_timeout = 10000";
    session.execute(always).await?;
    for setting in without {
        let set = format!("SET enable_{setting} = off");
        session.execute(AssertSqlSafe(set)).await?;
    }
    Ok(session)
}

/// The plan that is the fastest for some of the requests.
pub async fn choose(target: &Target, shape: &Shape) -> Result<Without> {
    let mut best: Option<(Duration, Without)> = None;
    let mut failure = None;
    for without in PLANS {
        match try_plan(target, shape, without, best.map(|best| best.0)).await {
            Ok(Some(taken)) => best = Some((taken, without)),
            Ok(None) => {}
            Err(failed) => failure = Some(failed),
        }
    }
    match (best, failure) {
        (Some((_, without)), _) => Ok(without),
        (None, Some(failure)) => Err(failure),
        (None, None) => Err("no plan was tried".into()),
    }
}

/// How long some requests take by a plan; `None` as soon as that is longer than `best`.
async fn try_plan(
    target: &Target,
    shape: &Shape,
    without: Without,
    best: Option<Duration>,
) -> Result<Option<Duration>> {
    let mut session = connect(target, without).await?;
    // The first one pays for the plan and for what nobody has read yet.
    ask(&mut session, shape, 0).await?;
    let mut taken = Vec::new();
    for number in 1..=7 {
        let begun = Instant::now();
        ask(&mut session, shape, number).await?;
        taken.push(begun.elapsed());
        taken.sort_unstable();
        let is_slower = best.is_some_and(|best| taken[0] > best * 3);
        if is_slower {
            return Ok(None);
        }
    }
    // Other work on the machine disturbs the faster ones least.
    Ok(Some(taken[2]).filter(|taken| best.is_none_or(|best| *taken < best)))
}

/// Runs the statement of the shape.
pub async fn ask(session: &mut PgConnection, shape: &Shape, number: usize) -> Result<Vec<String>> {
    answer(session, shape, &shape.floor, number).await
}

/// The plan of the statement, and what it did.
pub async fn explain(session: &mut PgConnection, shape: &Shape) -> Result<String> {
    let statement = format!("EXPLAIN (ANALYZE, BUFFERS) {}", shape.floor);
    Ok(answer(session, shape, &statement, 0).await?.join("\n"))
}

async fn answer(
    session: &mut PgConnection,
    shape: &Shape,
    statement: &str,
    number: usize,
) -> Result<Vec<String>> {
    let mut query = sqlx::query_scalar(AssertSqlSafe(statement));
    for bind in &shape.asks[number % shape.asks.len()].binds {
        query = match bind {
            Bind::Number(value) => query.bind(value),
            Bind::Numbers(values) => query.bind(values),
            Bind::Text(text) | Bind::Decimal(text) => query.bind(text),
        };
    }
    Ok(query.fetch_all(session).await?)
}

/// Clients that each ask as soon as the answer before is there.
pub async fn run(
    target: &Target,
    shape: &Shape,
    without: Without,
    clients: usize,
    time: Duration,
) -> Result<Run> {
    let mut sessions = Vec::new();
    for client in 0..clients {
        let mut session = connect(target, without).await?;
        ask(&mut session, shape, client).await?;
        sessions.push(session);
    }
    let clock = Clock::read(target);
    let until = Instant::now() + time;
    let work: FuturesUnordered<_> = sessions
        .into_iter()
        .enumerate()
        .map(|(client, mut session)| async move {
            let mut latencies = Vec::new();
            let mut number = client * 17;
            while Instant::now() < until || latencies.is_empty() {
                number += 1;
                let begun = Instant::now();
                ask(&mut session, shape, number).await?;
                let taken = begun.elapsed().as_micros();
                latencies.push(u32::try_from(taken).unwrap_or(u32::MAX));
            }
            Ok::<_, crate::Failure>(latencies)
        })
        .collect();
    let latencies: Vec<Vec<u32>> = work.try_collect().await?;
    Ok(clock.stop(target, latencies.concat()))
}
