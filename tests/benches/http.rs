//! `cargo bench --bench http`: what Andiron does over HTTP, beside the least that any server on
//! the same PostgreSQL could do.
//!
//! ```text
//! place      a data folder, `andiron serve` on it, and the floor server on the same cluster
//! floor      the floor server: axum, the same kind of pool, one statement per request
//! drive      clients that send as fast as they are answered    client    HTTP/1.1, the least of it
//! small      read, create, update, search                      bulk      transactions, load
//! synthea    the records for bulk                              process   children, CPU, memory
//! report     figures, targets, the table
//! ```
//!
//! `client`, `drive` and `process` are in `common/`, since `--bench search` needs them too.
//!
//! A program, not a timed test: it says what it measured and never fails for being slow, but any
//! answer with an unexpected status ends it. The floor and Andiron take turns, so that a machine
//! that slows down slows both; the median round counts. Client, server and database share the
//! processors, which is why the client builds its requests beforehand and parses no JSON.
//!
//! It deliberately does not judge correctness beyond status codes and counts: the tests do.

// Clippy's rule is for what is shipped; the program itself is held to it all the same.
#![warn(clippy::unwrap_used)]

#[path = "http/bulk.rs"]
mod bulk;
#[path = "common/client.rs"]
mod client;
#[path = "common/drive.rs"]
mod drive;
#[path = "http/floor.rs"]
mod floor;
#[path = "http/place.rs"]
mod place;
#[path = "common/process.rs"]
mod process;
#[path = "http/report.rs"]
mod report;
#[path = "http/small.rs"]
mod small;
#[path = "http/synthea.rs"]
mod synthea;

use clap::{Parser, ValueEnum};
use report::Figure;
use std::path::PathBuf;
use std::process::ExitCode;
use std::time::Duration;
use synthea::Synthea;

/// The floor server should have the allocator that Andiron has.
#[global_allocator]
static ALLOCATOR: mimalloc::MiMalloc = mimalloc::MiMalloc;

/// Why a measurement could not be made.
pub type Failure = Box<dyn std::error::Error + Send + Sync>;
pub type Result<T> = std::result::Result<T, Failure>;

/// What can be measured apart.
#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
pub enum Scenario {
    Read,
    Create,
    Update,
    Search,
    Transaction,
    Load,
}

/// Measures Andiron beside the least that any server on this PostgreSQL could do.
#[derive(Clone, Debug, Parser)]
pub struct Options {
    /// Measure for a short time, once: to see that everything works.
    #[arg(long)]
    quick: bool,
    /// Measure only these.
    #[arg(long, value_delimiter = ',', value_name = "SCENARIO")]
    only: Vec<Scenario>,
    /// Clients that send at the same time; transactions have half as many.
    #[arg(long, default_value_t = 8, value_name = "N")]
    clients: usize,
    /// Seconds per measurement [default: 4, with --quick 1].
    #[arg(long, value_name = "S")]
    seconds: Option<f64>,
    /// How often the floor and Andiron take turns [default: 3, with --quick 1].
    #[arg(long, value_name = "N")]
    rounds: Option<usize>,
    /// Connections to the database, of Andiron and of the floor server each.
    #[arg(long, default_value_t = 16, value_name = "N")]
    connections: u32,
    /// Write the figures as JSON too.
    #[arg(long, value_name = "FILE")]
    json: Option<PathBuf>,
    /// What cargo says to every bench.
    #[arg(long, hide = true)]
    bench: bool,
    /// Be the floor server, on the cluster with its socket in this directory.
    #[arg(long, hide = true, value_name = "DIR")]
    floor_server: Option<PathBuf>,
}

impl Options {
    fn wants(&self, scenario: Scenario) -> bool {
        self.only.is_empty() || self.only.contains(&scenario)
    }

    fn seconds(&self) -> Duration {
        Duration::from_secs_f64(self.seconds.unwrap_or(if self.quick { 1.0 } else { 4.0 }))
    }

    fn rounds(&self) -> usize {
        self.rounds.unwrap_or(if self.quick { 1 } else { 3 }).max(1)
    }
}

fn main() -> ExitCode {
    // `cargo test --all-targets` runs benches without any argument, and expects a short while.
    if std::env::args().len() == 1 {
        println!("to measure: cargo bench --bench http");
        return ExitCode::SUCCESS;
    }
    let options = Options::parse();
    let outcome = match &options.floor_server {
        Some(socket_dir) => floor::run(socket_dir, options.connections),
        None => start(&options),
    };
    match outcome {
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
        // What runs is stopped and removed as the future is dropped.
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
    let mut figures: Vec<Figure> = Vec::new();
    let small = [
        Scenario::Read,
        Scenario::Create,
        Scenario::Update,
        Scenario::Search,
    ];
    if small.into_iter().any(|scenario| options.wants(scenario)) {
        small::measure(options, &mut figures).await?;
    }
    if options.wants(Scenario::Transaction) || options.wants(Scenario::Load) {
        match Synthea::find()? {
            Some(records) => bulk::measure(options, &records, &mut figures).await?,
            None => eprintln!(
                "SKIPPED: transaction and load, with memory and database size, are NOT measured: \
                 there is no {} (the folder is named by ANDIRON_SHARED, by default ../shared)",
                synthea::archive().display()
            ),
        }
    }
    if let Some(file) = &options.json {
        std::fs::write(file, report::json(options, &figures))?;
    }
    println!("\n{}", report::table(options, &figures));
    Ok(())
}
