//! `cargo bench --bench validate`: what validation costs, beside the parsing of the same text
//! in the same run, and whether its memory stays flat over a million resources.
//!
//! ```text
//! cargo bench --bench validate                     the table
//! cargo bench --bench validate -- --count 100000   fewer validations for the memory
//! ```
//!
//! The resources are the vital signs among the examples of US Core, each with a profile of its
//! own; the package comes from `ANDIRON_SHARED`. Every copy has its own id, date and value, so
//! that nothing can be remembered from one to the next. A program, not a timed test: it fails
//! only where an example is not valid, or where a broken copy is not refused.

// Clippy's rule is for what is shipped; the program itself is held to it all the same.
#![warn(clippy::unwrap_used)]

#[allow(dead_code)]
#[path = "common/process.rs"]
mod process;

use andiron::definitions::Definitions;
use andiron::error::Issue;
use andiron::fhir::ResourceType;
use andiron::package::{Bounds, Package};
use andiron::validation::Validator;
use andiron::validation::profile::Profiles;
use clap::Parser;
use serde_json::{Value, json};
use std::fs::File;
use std::hint::black_box;
use std::os::unix::process::CommandExt;
use std::path::{Path, PathBuf};
use std::process::ExitCode;
use std::time::Instant;

/// The allocator that Andiron has.
#[global_allocator]
static ALLOCATOR: mimalloc::MiMalloc = mimalloc::MiMalloc;

/// Why a measurement could not be made.
pub type Failure = Box<dyn std::error::Error + Send + Sync>;
pub type Result<T, E = Failure> = std::result::Result<T, E>;

/// Microseconds at the median.
const STRUCTURE_TARGET: f64 = 5.0;
const PROFILE_TARGET: f64 = 150.0;
/// Bytes of resident memory per validation after the first tenth of them: the smallest piece
/// that the allocator has, forgotten each time, would be more. It does not go to nought, for
/// the allocator now and then takes a page more.
const GROWTH_TARGET: f64 = 8.0;

/// How deep what the floor parses may be.
const DEEPEST: usize = 64;

/// The examples that keep a profile of vital signs.
const SAMPLES: [&str; 6] = [
    "blood-pressure",
    "bmi",
    "heart-rate",
    "height",
    "oxygen-saturation",
    "weight",
];

/// Measures validation on vital signs.
#[derive(Clone, Debug, Parser)]
struct Options {
    /// Validations by which memory is judged.
    #[arg(long, default_value_t = 1_000_000, value_name = "N")]
    count: usize,
    /// Copies that the times are taken over.
    #[arg(long, default_value_t = 12_000, value_name = "N")]
    copies: usize,
    /// What cargo says to every bench.
    #[arg(long, hide = true)]
    bench: bool,
}

fn main() -> ExitCode {
    // `cargo test --all-targets` runs benches without any argument, and expects a short while.
    if std::env::args().len() == 1 {
        println!("to measure: cargo bench --bench validate");
        return ExitCode::SUCCESS;
    }
    give_memory_back();
    match measure(&Options::parse()) {
        Ok(()) => ExitCode::SUCCESS,
        Err(failure) => {
            eprintln!("bench: {failure}");
            ExitCode::FAILURE
        }
    }
}

/// Starts over with the allocator told to give back what is freed, as the server does, so that
/// memory says what is in use.
fn give_memory_back() {
    const DELAY: &str = "MIMALLOC_PURGE_DELAY";
    if let (None, Ok(program)) = (std::env::var_os(DELAY), std::env::current_exe()) {
        let mut again = std::process::Command::new(program);
        // It comes back only where it fails; then all goes on as it is.
        let _ = again
            .args(std::env::args_os().skip(1))
            .env(DELAY, "0")
            .exec();
    }
}

/// The engines, and what they are asked about.
struct Bench {
    validator: std::sync::Arc<Validator>,
    /// With the profiles of US Core.
    profiles: Profiles,
    /// With those of R4 alone.
    bare: Profiles,
    kind: ResourceType,
    samples: Vec<Value>,
}

impl Bench {
    fn structure(&self, resource: &Value) -> Vec<Issue> {
        self.validator.validate(self.kind, resource)
    }

    fn with_profiles(&self, resource: &Value) -> Vec<Issue> {
        self.profiles.validate(resource, &[])
    }

    fn invariants(&self, resource: &Value) -> Vec<Issue> {
        self.bare.validate(resource, &[])
    }

    /// The n-th copy: a sample with an id, a date and a value of its own.
    fn copy(&self, at: usize) -> Value {
        let mut copy = self.samples[at % self.samples.len()].clone();
        copy["id"] = json!(format!("copy-{at}"));
        copy["effectiveDateTime"] = json!(format!("20{:02}-{:02}-11", at / 12 % 26, at % 12 + 1));
        if let Some(value) = copy.pointer_mut("/valueQuantity/value") {
            *value = json!(at % 200 + 1);
        }
        copy
    }

    /// Every sample is valid, and refused without its status or its code.
    fn check(&self) -> Result<()> {
        for sample in &self.samples {
            andiron::fhir::json::parse(&serde_json::to_vec(sample)?, DEEPEST)?;
            let issues = [self.structure(sample), self.with_profiles(sample)].concat();
            let errors: Vec<&Issue> = issues.iter().filter(|issue| issue.is_error()).collect();
            if !errors.is_empty() {
                return Err(format!("an example is not valid: {errors:?}").into());
            }
            let mut broken = sample.clone();
            broken["category"] = json!([{"text": "of no category"}]);
            if !self.with_profiles(&broken).iter().any(Issue::is_error) {
                return Err("an example without its category is not refused".into());
            }
        }
        Ok(())
    }
}

fn measure(options: &Options) -> Result<()> {
    let start = Instant::now();
    let bench = start_up()?;
    bench.check()?;
    let ready = start.elapsed().as_millis();
    let copies: Vec<Value> = (0..options.copies).map(|at| bench.copy(at)).collect();
    let texts: Vec<Vec<u8>> = copies
        .iter()
        .map(serde_json::to_vec)
        .collect::<Result<_, _>>()?;
    let bytes = texts.iter().map(Vec::len).sum::<usize>() / texts.len().max(1);

    let floor = Times::of(&texts, |text| {
        usize::from(andiron::fhir::json::parse(text, DEEPEST).is_ok())
    });
    let structure = Times::of(&copies, |copy| bench.structure(copy).len());
    let invariants = Times::of(&copies, |copy| bench.invariants(copy).len());
    let profile = Times::of(&copies, |copy| bench.with_profiles(copy).len());

    println!(
        "| on a vital-signs Observation of {bytes} bytes, {} copies | µs p50 | p95 | beside the floor | |\n|---|---:|---:|---:|---|",
        copies.len()
    );
    let row = |name: &str, times: &Times, target: Option<f64>| {
        let verdict = match target {
            Some(target) if times.median <= target => format!("target {target}: reached"),
            Some(target) => format!("target {target}: MISSED"),
            None => String::new(),
        };
        println!(
            "| {name} | {:.1} | {:.1} | {:.2} | {verdict} |",
            times.median,
            times.most,
            times.median / floor.median
        );
    };
    row("floor: parsing its text", &floor, None);
    row("structure", &structure, Some(STRUCTURE_TARGET));
    row("invariants and bindings of R4", &invariants, None);
    row(
        "the same, and its US Core profile",
        &profile,
        Some(PROFILE_TARGET),
    );
    // What was only needed for the times would hide what grows.
    drop((copies, texts));
    println!("| ready, definitions and package read and first use of each | {ready} ms | | | |");
    memory(&bench, options.count)
}

fn start_up() -> Result<Bench> {
    let definitions = Definitions::r4();
    let (package, samples) = package("us_core_610.tgz")?;
    let contents = package
        .contents
        .iter()
        .filter_map(|one| one.resource().ok());
    let base = "http://localhost/fhir";
    Ok(Bench {
        validator: Validator::new(definitions.clone()),
        profiles: Profiles::new(definitions.clone(), contents.collect(), base),
        bare: Profiles::new(definitions, Vec::new(), base),
        kind: ResourceType::parse("Observation").ok_or("no Observation")?,
        samples,
    })
}

/// Medians, so that what interrupts the machine does not count.
struct Times {
    median: f64,
    /// Of 95 in a hundred.
    most: f64,
}

impl Times {
    /// Of one call for each, after a round to warm up.
    fn of<T>(items: &[T], call: impl Fn(&T) -> usize) -> Times {
        for item in items {
            black_box(call(black_box(item)));
        }
        let timed = items.iter().map(|item| {
            let start = Instant::now();
            black_box(call(black_box(item)));
            start.elapsed().as_secs_f64() * 1e6
        });
        let mut times: Vec<f64> = timed.collect();
        times.sort_by(f64::total_cmp);
        let at = |share: usize| times.get(times.len() * share / 100).copied();
        Times {
            median: at(50).unwrap_or_default(),
            most: at(95).unwrap_or_default(),
        }
    }
}

/// Validates so many resources, and tells how the resident memory went.
fn memory(bench: &Bench, count: usize) -> Result<()> {
    let mut marks = Vec::new();
    for at in 0..count {
        if at % (count / 10).max(1) == 0 {
            marks.push(process::memory(std::process::id()).0);
        }
        let copy = bench.copy(at);
        black_box(bench.structure(&copy).len() + bench.with_profiles(&copy).len());
    }
    marks.push(process::memory(std::process::id()).0);
    let (Some(early), Some(last)) = (marks.get(1), marks.last()) else {
        return Err("too few validations to judge memory by".into());
    };
    let growth = (last - early) * 1e6 / (count - count / 10) as f64;
    let verdict = match growth < GROWTH_TARGET {
        true => "flat: reached",
        false => "flat: MISSED",
    };
    println!(
        "| memory after {} and after {count} validations | {early:.1} MB | {last:.1} MB | \
         {growth:.1} bytes each | {verdict} |",
        count / 10
    );
    Ok(())
}

/// A package, and those of its examples that are measured.
fn package(name: &str) -> Result<(Package, Vec<Value>)> {
    let path = shared().join("packages").join(name);
    let file = File::open(&path)
        .map_err(|error| format!("ANDIRON_SHARED: {}: {error}", path.display()))?;
    let package = Package::read(file, &Bounds::default())?;
    let is_sample = |name: &str| {
        SAMPLES
            .iter()
            .any(|one| name.ends_with(&format!("/Observation-{one}.json")))
    };
    let samples = package.examples.iter().filter(|one| is_sample(&one.name));
    let samples: Vec<Value> = samples
        .map(|one| serde_json::from_slice(&one.bytes))
        .collect::<Result<_, _>>()?;
    if samples.len() != SAMPLES.len() {
        return Err("the package lacks some of the examples".into());
    }
    Ok((package, samples))
}

fn shared() -> PathBuf {
    let beside = Path::new(env!("CARGO_MANIFEST_DIR")).join("../shared");
    std::env::var_os("ANDIRON_SHARED").map_or(beside, PathBuf::from)
}
