//! The floor: for each shape one hand-written statement on the same tables, prepared, without the
//! bookkeeping of a server. Its plan is made once, for any values, and where the planner could
//! take another one than the author meant, it is told not to.

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

/// A connection whose plans are the author's.
pub async fn connect(target: &Target, shape: &Shape) -> Result<PgConnection> {
    let options = target.postmaster.connect("andiron");
    let mut session = options.connect().await?;
    let always =
        "SET plan_cache_mode = force_generic_plan; SET jit = off; SET enable_seqscan = off";
    session.execute(always).await?;
    for setting in shape.without {
        let set = format!("SET enable_{setting} = off");
        session.execute(AssertSqlSafe(set)).await?;
    }
    Ok(session)
}

/// Runs the statement of the shape.
pub async fn ask(session: &mut PgConnection, shape: &Shape, number: usize) -> Result<Vec<String>> {
    let mut query = sqlx::query_scalar(AssertSqlSafe(shape.floor.as_str()));
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
pub async fn run(target: &Target, shape: &Shape, clients: usize, time: Duration) -> Result<Run> {
    let mut sessions = Vec::new();
    for client in 0..clients {
        let mut session = connect(target, shape).await?;
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
