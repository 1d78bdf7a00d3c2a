//! A reference evaluator of R4 search, and the test that holds the server against it.
//! <https://hl7.org/fhir/R4/search.html>
//!
//! ```text
//! records ──PUT──> server ──────ask──> ids ──┐
//!    └──────────> world ──evaluate──> ids ──┴── the same?
//! generate ──> query ──┘ (to both)      no: shrink, report
//! ```
//!
//! The evaluator looks at every resource for every query, with the published expressions and
//! nothing else: it shares FHIRPath and the definitions with the server, no code of search.
//! Where R4 leaves a choice it chooses what the server documents; each such place says so.
//!
//! A seed makes the queries. `ANDIRON_SEED=n` draws others, `ANDIRON_QUERIES=n` so many,
//! `ANDIRON_WHOLE=1` many more of more resources.
//!
//! What is found goes to `found.rs` as a named test. What the server cannot answer yet is in
//! [`ledger`], exactly.

mod ask;
mod evaluate;
mod generate;
mod hand_made;
mod ledger;
mod literals;
mod number;
mod order;
mod pointing;
mod quantity;
mod query;
mod random;
mod range;
mod records;
mod shrink;
mod string;
mod text;
mod time;
mod token;
mod world;

use crate::harness::Server;
use andiron::config::Integrity;
use andiron::fhir::Instant;
use ask::{Said, ask};
use query::Query;
use records::Amount;
use std::collections::{BTreeMap, BTreeSet};
use std::fmt;
use tokio::task::JoinSet;
use world::World;

const SEED: u64 = 20_261_122;

/// A query that the two sides answer differently.
#[derive(Clone, Debug)]
pub struct Disagreement {
    query: Query,
    what: String,
    /// The resources that are missing or too much.
    culprits: Vec<String>,
}

impl fmt::Display for Disagreement {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let plain: Vec<String> = self
            .query
            .terms
            .iter()
            .map(|term| format!("{}={}", term.name, term.values.join(",")))
            .collect();
        write!(
            f,
            "{}\n  ({})\n  {}",
            self.query,
            plain.join(" & "),
            self.what
        )
    }
}

type Expected = Result<BTreeSet<String>, String>;

fn now() -> i64 {
    Instant::now().microseconds()
}

/// What is wrong with an answer; `Ok` with the features for which it was refused.
fn judge(
    world: &World,
    query: &Query,
    expected: &Expected,
    said: &Said,
) -> Result<BTreeSet<&'static str>, Box<Disagreement>> {
    let wrong = |what: String, culprits: Vec<String>| {
        Err(Box::new(Disagreement {
            query: query.clone(),
            what,
            culprits,
        }))
    };
    match (expected, said) {
        (Err(_), Said::Refused(400, _)) => Ok(BTreeSet::new()),
        (Err(problem), said) => wrong(format!("malformed ({problem}), but {said:?}"), Vec::new()),
        (Ok(_), Said::Refused(status, text)) => {
            let features = ledger::features(world, query);
            let known = |name: &&str| {
                ledger::MAY_BE_REFUSED
                    .iter()
                    .any(|(known, _)| known == name)
            };
            let known: BTreeSet<&str> = features.into_iter().filter(known).collect();
            // What has no route yet is not found rather than refused.
            let refusal = *status == 400 || *status == 404 && known.contains("compartment");
            match refusal && !known.is_empty() {
                true => Ok(known),
                false => wrong(format!("refused with {status}: {text}"), Vec::new()),
            }
        }
        (Ok(expected), Said::Found(names)) => {
            let found: BTreeSet<String> = names.iter().cloned().collect();
            if found.len() != names.len() {
                return wrong("a match is there twice".to_owned(), Vec::new());
            }
            let lost: Vec<String> = expected.difference(&found).cloned().collect();
            let extra: Vec<String> = found.difference(expected).cloned().collect();
            if !lost.is_empty() || !extra.is_empty() {
                let what = format!(
                    "the server lacks {} {:?} and has {} too many {:?} of {}",
                    lost.len(),
                    &lost[..lost.len().min(4)],
                    extra.len(),
                    &extra[..extra.len().min(4)],
                    expected.len()
                );
                return wrong(what, lost.into_iter().chain(extra).collect());
            }
            match order::misplaced(world, names, &query.sort) {
                Some((left, right)) => wrong(
                    format!("_sort={}: {left} before {right}", query.sort.join(",")),
                    vec![left, right],
                ),
                None => Ok(BTreeSet::new()),
            }
        }
    }
}

/// Asks both sides.
async fn disagreement(server: &Server, world: &World, query: &Query) -> Option<Box<Disagreement>> {
    let expected = evaluate::answer(world, query, now());
    let said = ask(server, &query.to_string(), 1000).await;
    judge(world, query, &expected, &said).err()
}

fn setting(name: &str) -> Option<u64> {
    let text = std::env::var(name).ok()?;
    Some(text.parse().expect("a number"))
}

#[tokio::test(flavor = "multi_thread")]
async fn the_server_answers_as_the_reference_does() {
    let whole = std::env::var_os("ANDIRON_WHOLE").is_some();
    let amount = match whole {
        false => Amount {
            examples: 10,
            patients: 2,
        },
        true => Amount {
            examples: 1000,
            patients: 4,
        },
    };
    let seed = setting("ANDIRON_SEED").unwrap_or(SEED);
    let queries = setting("ANDIRON_QUERIES").unwrap_or(if whole { 20_000 } else { 2_000 });
    let begun = std::time::Instant::now();
    let server = Server::with(|settings| settings.integrity = Integrity::Off).await;
    let world = records::store(&server, &records::gather(amount)).await;
    println!("stored after {:?}", begun.elapsed());
    let mut draw = generate::Draw::new(&world, seed);
    let mut counts = random::Random::seeded(seed);
    let (mut running, mut wrong) = (JoinSet::new(), Vec::new());
    let mut refused: BTreeMap<&str, usize> = BTreeMap::new();
    let mut non_empty = 0;
    let mut settle = |query: &Query, expected: &Expected, said: &Said| match judge(
        &world, query, expected, said,
    ) {
        Ok(features) => {
            for feature in features {
                *refused.entry(feature).or_default() += 1;
            }
        }
        Err(found) => wrong.push(*found),
    };
    for _ in 0..queries {
        let query = draw.query();
        let expected = evaluate::answer(&world, &query, now());
        let matches = expected.as_ref().map_or(0, BTreeSet::len);
        non_empty += usize::from(matches > 0);
        let count = 1 + matches / (1 + counts.below(3)) + counts.below(2);
        let (server, text) = (server.clone(), query.to_string());
        running.spawn(async move {
            let said = ask(&server, &text, count.min(1000)).await;
            (query, expected, said)
        });
        if running.len() >= 4
            && let Some(done) = running.join_next().await
        {
            let (query, expected, said) = done.expect("a task ends");
            settle(&query, &expected, &said);
        }
    }
    while let Some(done) = running.join_next().await {
        let (query, expected, said) = done.expect("a task ends");
        settle(&query, &expected, &said);
    }
    println!(
        "{queries} queries of seed {seed}, {non_empty} with matches, after {:?}; refused: {refused:?}",
        begun.elapsed()
    );
    tell(&server, &world, wrong).await;
    let silent = ledger::MAY_BE_REFUSED.iter().map(|(feature, _)| *feature);
    let silent: Vec<&str> = silent
        .filter(|feature| !refused.contains_key(feature))
        .collect();
    assert!(
        silent.is_empty() || whole || seed != SEED,
        "no longer refused, take them off the ledger: {silent:?}"
    );
}

/// Fails with the smallest cases, one for each kind of disagreement.
async fn tell(server: &Server, world: &World, wrong: Vec<Disagreement>) {
    if wrong.is_empty() {
        return;
    }
    let count = wrong.len();
    let mut reports = BTreeMap::new();
    for one in wrong {
        let names: Vec<&str> = one
            .query
            .terms
            .iter()
            .map(|term| term.name.as_str())
            .collect();
        let about = format!("{} {}", names.join("&"), one.query.sort.join(","));
        if reports.len() < 12 && !reports.contains_key(&about) {
            reports.insert(about, shrink::report(server, world, Box::new(one)).await);
        }
    }
    let reports: BTreeSet<String> = reports.into_values().collect();
    let reports: Vec<String> = reports.into_iter().collect();
    panic!(
        "{count} disagreements, such as\n\n{}\n",
        reports.join("\n\n")
    );
}
