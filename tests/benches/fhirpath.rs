//! `cargo bench --bench fhirpath`: what expressions cost on a vital-signs Observation, beside a
//! hand-written walk over the same JSON in the same run.
//!
//! ```text
//! cargo bench --bench fhirpath                the tables
//! cargo bench --bench fhirpath -- --each      each search expression too
//!
//! sample     the Observation        floor      the hand-written walk
//! ```
//!
//! A program, not a timed test: it says what it measured, and fails only where the floor does
//! not find what the expressions do. Times are the best of many rounds, of one thread.

// Clippy's rule is for what is shipped; the program itself is held to it all the same.
#![warn(clippy::unwrap_used)]

#[path = "fhirpath/floor.rs"]
mod floor;
#[path = "fhirpath/sample.rs"]
mod sample;

use andiron::access::Tenant;
use andiron::definitions::Definitions;
use andiron::fhir::ResourceType;
use andiron::fhirpath::{Context, Expression, Node};
use andiron::search::registry::Registry;
use clap::Parser;
use std::hint::black_box;
use std::process::ExitCode;
use std::time::{Duration, Instant};

/// The allocator that Andiron has.
#[global_allocator]
static ALLOCATOR: mimalloc::MiMalloc = mimalloc::MiMalloc;

/// Why a measurement could not be made.
pub type Failure = Box<dyn std::error::Error + Send + Sync>;
pub type Result<T, E = Failure> = std::result::Result<T, E>;

/// All search expressions of an Observation together.
const TARGET: f64 = 10.0;

/// Measures FHIRPath on an Observation.
#[derive(Clone, Debug, Parser)]
struct Options {
    /// Show each search expression too.
    #[arg(long)]
    each: bool,
    /// Seconds per measurement.
    #[arg(long, default_value_t = 0.5, value_name = "S")]
    seconds: f64,
    /// What cargo says to every bench.
    #[arg(long, hide = true)]
    bench: bool,
}

fn main() -> ExitCode {
    // `cargo test --all-targets` runs benches without any argument, and expects a short while.
    if std::env::args().len() == 1 {
        println!("to measure: cargo bench --bench fhirpath");
        return ExitCode::SUCCESS;
    }
    match measure(&Options::parse()) {
        Ok(()) => ExitCode::SUCCESS,
        Err(failure) => {
            eprintln!("bench: {failure}");
            ExitCode::FAILURE
        }
    }
}

fn measure(options: &Options) -> Result<()> {
    let registry = Registry::new(Definitions::r4())?;
    let model = registry.model();
    let kind = ResourceType::parse("Observation").ok_or("no Observation")?;
    let resource = sample::observation()?;
    let node = Node::resource(model, &resource).ok_or("the sample is no resource")?;
    let context = Context::new(model, node, "http://localhost/fhir");
    let seconds = Duration::from_secs_f64(options.seconds);

    let search = search_expressions(&registry, kind);
    let evaluate = |expressions: &[Expression]| -> usize {
        let found = expressions.iter().map(|one| one.evaluate(&context, node));
        found
            .map(|items| items.map_or(0, |items| items.len()))
            .sum()
    };
    let (expected, found) = (evaluate(&search), floor::count(&resource));
    if expected != found {
        return Err(format!("expressions give {expected} items, the floor finds {found}").into());
    }
    let walked = time(seconds, || floor::count(black_box(&resource)));
    let evaluated = time(seconds, || evaluate(black_box(&search)));
    let texts: Vec<String> = search.iter().map(Expression::to_string).collect();
    let compiled = time(seconds, || {
        let compiled = texts
            .iter()
            .map(|text| Expression::compile_for_search(text));
        compiled.filter(|one| one.is_ok()).count()
    });
    let invariants = invariants(&registry)?;
    let hold = |expressions: &[Expression]| -> usize {
        let held = expressions.iter().map(|one| one.holds(&context, node));
        held.filter(|held| matches!(held, Ok(Some(true)))).count()
    };
    let held = time(seconds, || hold(black_box(&invariants)));
    let indexed = time(seconds, || {
        let rows = registry.index(
            Tenant::DEFAULT,
            kind,
            black_box(&resource),
            "http://localhost/fhir",
        );
        rows.entries.len()
    });

    let row = |name: &str, time: f64, beside: String| println!("| {name} | {time:.2} | {beside} |");
    println!("| on a vital-signs Observation | µs | |\n|---|---:|---|");
    let count = search.len();
    let verdict = if evaluated < TARGET {
        "reached"
    } else {
        "MISSED"
    };
    row(
        &format!("{count} search expressions, {expected} items"),
        evaluated,
        format!(
            "{:.1} times the floor; target {TARGET} {verdict}",
            evaluated / walked
        ),
    );
    row(
        "floor: a hand-written walk to the same items",
        walked,
        String::new(),
    );
    row(
        &format!(
            "{} invariants, {} hold",
            invariants.len(),
            hold(&invariants)
        ),
        held,
        String::new(),
    );
    row(
        "index entries, of which expressions are a part",
        indexed,
        String::new(),
    );
    row(
        &format!("compiling the {count} expressions"),
        compiled,
        "once per process".to_owned(),
    );
    if options.each {
        println!("\n| search expression | items | ns |\n|---|---:|---:|");
        for expression in &search {
            let one = std::slice::from_ref(expression);
            let time = time(seconds / 10, || evaluate(black_box(one)));
            println!(
                "| `{expression}` | {} | {:.0} |",
                evaluate(one),
                time * 1000.0
            );
        }
    }
    Ok(())
}

/// The best time of one call in microseconds.
fn time(seconds: Duration, mut call: impl FnMut() -> usize) -> f64 {
    const CALLS: u32 = 100;
    let (start, mut best) = (Instant::now(), f64::MAX);
    while start.elapsed() < seconds {
        let round = Instant::now();
        for _ in 0..CALLS {
            black_box(call());
        }
        best = best.min(round.elapsed().as_secs_f64() * 1e6 / f64::from(CALLS));
    }
    best
}

/// Each expression that the index of the type evaluates, once.
fn search_expressions(registry: &Registry, kind: ResourceType) -> Vec<Expression> {
    let mut all: Vec<Expression> = Vec::new();
    let branches = registry
        .parameters(kind)
        .iter()
        .flat_map(|one| &one.branches);
    for branch in branches {
        if !all.contains(&branch.expression) {
            all.push(branch.expression.clone());
        }
    }
    all
}

/// Those that R4 states of the whole resource.
fn invariants(registry: &Registry) -> Result<Vec<Expression>> {
    let structure = registry.model().definitions().structure("Observation");
    let structure = structure.ok_or("no definition of Observation")?;
    let root = structure.elements.first().ok_or("no elements")?;
    let texts = root
        .constraints
        .iter()
        .filter_map(|one| one.expression.as_deref());
    let compiled = texts.map(Expression::compile_invariant);
    Ok(compiled.collect::<Result<_, _>>()?)
}
