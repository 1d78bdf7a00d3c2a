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
mod condition;
mod evaluate;
mod generate;
mod hand_made;
mod includes;
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
mod uri;
mod world;

use crate::harness::Server;
use andiron::config::Integrity;
use andiron::fhir::Instant;
use ask::{Found, Said, ask};
use query::Query;
use records::Amount;
use std::collections::{BTreeMap, BTreeSet};
use std::fmt;
use tokio::task::JoinSet;
use world::World;

const SEED: u64 = 3;
const QUERIES: u64 = 2_000;

/// A query that the two sides answer differently.
#[derive(Clone, Debug)]
pub struct Disagreement {
    query: Query,
    /// How many matches a page had.
    count: usize,
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
            "{} by {}\n  ({})\n  {}",
            self.query,
            self.count,
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
    (query, count): (&Query, usize),
    expected: &Expected,
    said: &Said,
) -> Result<BTreeSet<&'static str>, Box<Disagreement>> {
    let wrong = |what: String, culprits: Vec<String>| {
        Err(Box::new(Disagreement {
            query: query.clone(),
            count,
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
        (Ok(expected), Said::Found(found)) => match difference(world, query, expected, found) {
            Some((what, culprits)) => wrong(what, culprits),
            None => Ok(BTreeSet::new()),
        },
    }
}

/// What is wrong with what was found, and the resources that show it.
fn difference(
    world: &World,
    query: &Query,
    expected: &BTreeSet<String>,
    said: &Found,
) -> Option<(String, Vec<String>)> {
    let found: BTreeSet<String> = said.matches.iter().cloned().collect();
    if found.len() != said.matches.len() {
        return Some(("a match is there twice".to_owned(), Vec::new()));
    }
    if let Some(different) = compare("", expected, &found) {
        return Some(different);
    }
    if let Some((left, right)) = order::misplaced(world, &said.matches, &query.sort) {
        let what = format!("_sort={}: {left} before {right}", query.sort.join(","));
        return Some((what, vec![left, right]));
    }
    let total = expected.len();
    if query.total && said.totals != BTreeSet::from([total]) {
        return Some((format!("totals {:?} of {total}", said.totals), Vec::new()));
    }
    let expected = includes::included(world, expected, &query.includes);
    // A version that a reference names may be there beside the match.
    let included = said.included.difference(&found).cloned().collect();
    compare("included: ", &expected, &included)
}

fn compare(
    about: &str,
    expected: &BTreeSet<String>,
    found: &BTreeSet<String>,
) -> Option<(String, Vec<String>)> {
    let lost: Vec<String> = expected.difference(found).cloned().collect();
    let extra: Vec<String> = found.difference(expected).cloned().collect();
    if lost.is_empty() && extra.is_empty() {
        return None;
    }
    let what = format!(
        "{about}the server lacks {} {:?} and has {} too many {:?} of {}",
        lost.len(),
        &lost[..lost.len().min(4)],
        extra.len(),
        &extra[..extra.len().min(4)],
        expected.len()
    );
    Some((what, lost.into_iter().chain(extra).collect()))
}

/// Asks both sides.
async fn disagreement(
    server: &Server,
    world: &World,
    query: &Query,
    count: usize,
) -> Option<Box<Disagreement>> {
    let expected = evaluate::answer(world, query, now());
    let said = ask(server, query, count).await;
    judge(world, (query, count), &expected, &said).err()
}

fn setting(name: &str) -> Option<u64> {
    let text = std::env::var(name).ok()?;
    Some(text.parse().expect("a number"))
}

/// What a run has come to.
#[derive(Default)]
struct Tally {
    queries: u64,
    with_matches: u64,
    /// How often each feature was in a query that was refused.
    refused: BTreeMap<&'static str, usize>,
    wrong: Vec<Disagreement>,
}

impl Tally {
    fn add(&mut self, world: &World, query: (&Query, usize), expected: &Expected, said: &Said) {
        self.queries += 1;
        let matches = expected.as_ref().is_ok_and(|found| !found.is_empty());
        self.with_matches += u64::from(matches);
        match judge(world, query, expected, said) {
            Ok(features) => {
                for feature in features {
                    if std::env::var_os("ANDIRON_SHOW").is_some() {
                        println!("{feature}: {} {said:?}", query.0);
                    }
                    *self.refused.entry(feature).or_default() += 1;
                }
            }
            Err(found) => self.wrong.push(*found),
        }
    }
}

/// Draws queries and asks both sides, four at a time.
async fn run(server: &Server, world: &World, seed: u64, queries: u64) -> Tally {
    let mut draw = generate::Draw::new(world, seed);
    let mut counts = random::Random::seeded(seed);
    let (mut running, mut tally) = (JoinSet::new(), Tally::default());
    for _ in 0..queries {
        let query = draw.query();
        let expected = evaluate::answer(world, &query, now());
        let matches = expected.as_ref().map_or(0, BTreeSet::len);
        // From one page with room to spare to pages of a third; short lists by ones and twos.
        let count = match query.includes.is_empty() {
            false => 1000,
            true if matches < 40 && counts.percent(15) => 1 + counts.below(2),
            true => (1 + matches / (1 + counts.below(3)) + counts.below(2)).min(1000),
        };
        let server = server.clone();
        running.spawn(async move {
            let said = ask(&server, &query, count).await;
            (query, count, expected, said)
        });
        while running.len() >= 4
            && let Some(done) = running.join_next().await
        {
            let (query, count, expected, said) = done.expect("a task ends");
            tally.add(world, (&query, count), &expected, &said);
        }
    }
    while let Some(done) = running.join_next().await {
        let (query, count, expected, said) = done.expect("a task ends");
        tally.add(world, (&query, count), &expected, &said);
    }
    tally
}

#[tokio::test(flavor = "multi_thread")]
async fn the_server_answers_as_the_reference_does() {
    let whole = std::env::var_os("ANDIRON_WHOLE").is_some();
    let (examples, patients) = if whole { (1000, 4) } else { (10, 2) };
    let seed = setting("ANDIRON_SEED").unwrap_or(SEED);
    let queries = setting("ANDIRON_QUERIES").unwrap_or(if whole { 20_000 } else { QUERIES });
    let begun = std::time::Instant::now();
    let server = Server::with(|settings| settings.integrity = Integrity::Off).await;
    let amount = Amount { examples, patients };
    let world = records::store(&server, &records::gather(amount)).await;
    let count = world.records.len();
    println!("{count} resources are stored after {:?}", begun.elapsed());
    let tally = run(&server, &world, seed, queries).await;
    println!(
        "{} queries of seed {seed}, {} with matches, after {:?}; refused: {:?}",
        tally.queries,
        tally.with_matches,
        begun.elapsed(),
        tally.refused
    );
    tell(&server, &world, tally.wrong).await;
    if seed == SEED && queries >= QUERIES {
        let features = ledger::MAY_BE_REFUSED.iter().map(|(feature, _)| *feature);
        let silent: Vec<&str> = features
            .filter(|feature| !tally.refused.contains_key(feature))
            .collect();
        assert!(
            silent.is_empty(),
            "no longer refused, take them off the ledger: {silent:?}"
        );
    }
}

/// Fails with the smallest cases, one for each kind of disagreement.
async fn tell(server: &Server, world: &World, wrong: Vec<Disagreement>) {
    if wrong.is_empty() {
        return;
    }
    let count = wrong.len();
    let mut reports = BTreeMap::new();
    for one in wrong {
        let names = one.query.terms.iter().map(|term| term.name.as_str());
        let names: Vec<&str> = names.collect();
        let mut about = format!("{} {}", names.join("&"), one.query.sort.join(","));
        if one.what.starts_with("refused") {
            about = one.what.chars().rev().take(60).collect();
        }
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
