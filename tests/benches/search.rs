//! `cargo bench --bench search`: searches over HTTP at several sizes of the database, beside
//! hand-written SQL on the same tables, and compared with what the generator knows to be true.
//!
//! ```text
//! cargo bench --bench search                       1x and 10x: 100,000 and 1,000,000 resources
//! cargo bench --bench search -- --size 1,10,50     and 5,000,000
//! cargo bench --bench search -- --only patient=,name    shapes whose name has one of these
//! cargo bench --bench search -- --seconds 5        longer than the default
//!
//! grow       the facts, from a seed, codes     body      their JSON
//! fill       into the tables by COPY           dataset   databases, kept between runs
//! shapes/*   the queries                       truth     what they should find
//! floor      hand-written SQL                  measure   a shape after the other
//! report     the tables
//! ```
//!
//! `client`, `drive` and `process` are those of `--bench http`. A program, not a timed test: it
//! says what it measured and fails for nothing but wrong answers; what the server refuses is
//! shown as refused. Filled databases are kept below the target directory (some 0.2, 2 and 8 GB,
//! and half as much again for the large database with a small tenant) and filled anew when the
//! schema or the way of indexing changes.
//!
//! "Cold" is the first request of a shape after the server and its PostgreSQL were started: their
//! caches are empty but for what the shapes before have read, that of the system is not.

// Clippy's rule is for what is shipped; the program itself is held to it all the same.
#![warn(clippy::unwrap_used)]

#[path = "search/body.rs"]
mod body;
// What the other bench alone uses of these is not dead.
#[allow(dead_code)]
#[path = "common/client.rs"]
mod client;
#[path = "search/codes.rs"]
mod codes;
#[path = "search/dataset.rs"]
mod dataset;
#[allow(dead_code)]
#[path = "common/drive.rs"]
mod drive;
#[path = "search/fill.rs"]
mod fill;
#[path = "search/floor.rs"]
mod floor;
#[path = "search/grow.rs"]
mod grow;
#[path = "search/measure.rs"]
mod measure;
#[allow(dead_code)]
#[path = "common/process.rs"]
mod process;
#[path = "search/report.rs"]
mod report;
#[path = "search/shapes/mod.rs"]
mod shapes;
#[path = "search/truth.rs"]
mod truth;

use andiron::definitions::Definitions;
use andiron::search::registry::Registry;
use clap::Parser;
use dataset::{Dataset, Layout};
use report::Outcome;
use std::path::PathBuf;
use std::process::ExitCode;
use std::sync::Arc;
use std::time::Duration;

/// The allocator that Andiron has.
#[global_allocator]
static ALLOCATOR: mimalloc::MiMalloc = mimalloc::MiMalloc;

/// Why a measurement could not be made.
pub type Failure = Box<dyn std::error::Error + Send + Sync>;
pub type Result<T, E = Failure> = std::result::Result<T, E>;

/// What references are relative to; the data have no others.
pub const BASE: &str = "http://localhost/fhir";

/// Measures searches at several sizes of the database.
#[derive(Clone, Debug, Parser)]
pub struct Options {
    /// Sizes of the database: 1 is 100,000 resources.
    #[arg(long, value_delimiter = ',', default_values_t = [1, 10], value_name = "N")]
    size: Vec<u32>,
    /// Measure only shapes whose name has one of these in it.
    #[arg(long, value_delimiter = ',', value_name = "TEXT")]
    only: Vec<String>,
    /// Seconds per measurement, of which a shape has four at each size.
    #[arg(long, default_value_t = 0.6, value_name = "S")]
    seconds: f64,
    /// Clients that send at the same time.
    #[arg(long, default_value_t = 8, value_name = "N")]
    clients: usize,
    /// Connections of the server to its database.
    #[arg(long, default_value_t = 16, value_name = "N")]
    connections: u32,
    /// What the data are grown from.
    #[arg(long, default_value_t = 1, value_name = "N")]
    seed: u64,
    /// Leave the small tenant inside of the large database out.
    #[arg(long)]
    without_small: bool,
    /// Measure the floors too; `--floors false` leaves them out.
    #[arg(long, default_value_t = true, action = clap::ArgAction::Set, value_name = "BOOL")]
    floors: bool,
    /// Write the tables to a file too.
    #[arg(long, value_name = "FILE")]
    out: Option<PathBuf>,
    /// What cargo says to every bench.
    #[arg(long, hide = true)]
    bench: bool,
}

impl Options {
    fn wants(&self, name: &str) -> bool {
        self.only.is_empty() || self.only.iter().any(|part| name.contains(part.as_str()))
    }

    fn seconds(&self) -> Duration {
        Duration::from_secs_f64(self.seconds)
    }
}

fn main() -> ExitCode {
    // `cargo test --all-targets` runs benches without any argument, and expects a short while.
    if std::env::args().len() == 1 {
        println!("to measure: cargo bench --bench search");
        return ExitCode::SUCCESS;
    }
    match start(&Options::parse()) {
        Ok(()) => ExitCode::SUCCESS,
        Err(failure) => {
            eprintln!("bench: {failure}");
            ExitCode::FAILURE
        }
    }
}

fn start(options: &Options) -> Result<()> {
    // One thread: the clients should leave the processors to those that are measured.
    let runtime = tokio::runtime::Builder::new_current_thread()
        .enable_all()
        .build()?;
    runtime.block_on(async {
        // What runs is stopped as the future is dropped.
        let mut terminate =
            tokio::signal::unix::signal(tokio::signal::unix::SignalKind::terminate())?;
        tokio::select! {
            outcome = measure(options) => outcome,
            _ = tokio::signal::ctrl_c() => Err("interrupted".into()),
            _ = terminate.recv() => Err("terminated".into()),
        }
    })
}

async fn measure(options: &Options) -> Result<()> {
    let registry = Arc::new(Registry::new(Definitions::r4())?);
    let mut layouts = vec![Layout::Whole];
    if !options.without_small {
        layouts.push(Layout::Small);
    }
    let mut sections = Vec::new();
    for size in &options.size {
        for layout in &layouts {
            let dataset = Dataset::open(&registry, *size, options.seed, *layout).await?;
            eprintln!("{dataset}");
            sections.push(measure::measure(options, &registry, &dataset).await?);
        }
    }
    let text = report::table(options, &sections);
    println!("{text}");
    if let Some(file) = &options.out {
        std::fs::write(file, text)?;
    }
    let rows = sections.iter().flat_map(|section| &section.rows);
    let wrong = rows.filter(|row| matches!(row.outcome, Outcome::Wrong(_)));
    match wrong.count() {
        0 => Ok(()),
        wrong => Err(format!("{wrong} shapes were answered wrongly").into()),
    }
}
