//! `cargo bench --bench terminology`: a code system of a million concepts, loaded from a file, and
//! asked over HTTP, beside the bare SQL statement on the same table in the same run.
//!
//! ```text
//! cargo bench --bench terminology                      1,000,000 concepts
//! cargo bench --bench terminology -- --concepts 50000  fewer
//!
//! grow      the file, from nothing but numbers     shapes    what is asked, and its floor
//! ```
//!
//! `client` and `process` are those of `--bench http`. A program, not a timed test: it says what
//! it measured, one request after the other, and fails only for answers that are none. The
//! million is filled once below the target directory and kept.

// Clippy's rule is for what is shipped; the program itself is held to it all the same.
#![warn(clippy::unwrap_used)]

// What the other benches use of these is not dead.
#[allow(dead_code)]
#[path = "common/client.rs"]
mod client;
#[path = "terminology/grow.rs"]
mod grow;
#[allow(dead_code)]
#[path = "common/process.rs"]
mod process;
#[path = "terminology/shapes.rs"]
mod shapes;

use clap::Parser;
use client::Connection;
use process::Postmaster;
use shapes::{Shape, VALUE_SETS};
use sqlx::postgres::PgConnection;
use sqlx::{AssertSqlSafe, ConnectOptions, Row};
use std::fs;
use std::path::{Path, PathBuf};
use std::process::ExitCode;
use std::time::{Duration, Instant};

/// The allocator that Andiron has.
#[global_allocator]
static ALLOCATOR: mimalloc::MiMalloc = mimalloc::MiMalloc;

/// Why a measurement could not be made.
pub type Failure = Box<dyn std::error::Error + Send + Sync>;
pub type Result<T, E = Failure> = std::result::Result<T, E>;

/// Milliseconds that a filtered page may take.
const TARGET: f64 = 20.0;

/// Measures terminology on a large code system.
#[derive(Clone, Debug, Parser)]
struct Options {
    /// Concepts of the code system.
    #[arg(long, default_value_t = 1_000_000, value_name = "N")]
    concepts: u32,
    /// Seconds per measurement, of which each shape has two.
    #[arg(long, default_value_t = 2.0, value_name = "S")]
    seconds: f64,
    /// Show the plans of the floors.
    #[arg(long)]
    explain: bool,
    /// What cargo says to every bench.
    #[arg(long, hide = true)]
    bench: bool,
}

fn main() -> ExitCode {
    // `cargo test --all-targets` runs benches without any argument, and expects a short while.
    if std::env::args().len() == 1 {
        println!("to measure: cargo bench --bench terminology");
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
    let runtime = tokio::runtime::Builder::new_current_thread()
        .enable_all()
        .build()?;
    runtime.block_on(measure(options))
}

/// Where the data of this size are kept.
fn folder(options: &Options) -> PathBuf {
    let own = PathBuf::from(env!("CARGO_TARGET_TMPDIR"));
    own.join(format!("terminology-{}", options.concepts))
}

async fn measure(options: &Options) -> Result<()> {
    let folder = folder(options);
    let data = folder.join("data");
    if !folder.join("filled").exists() {
        fill(&folder, &data, options)?;
    }
    let log = folder.join("serve.log");
    let server = process::serve(&data, &log, 8).await?;
    let postmaster = Postmaster::find(&data)?;
    let mut database = postmaster.connect("andiron").connect().await?;
    let mut client = Connection::open(server.address).await?;
    for (id, filters) in VALUE_SETS {
        let body = shapes::value_set(id, filters).to_string();
        let path = format!("/fhir/ValueSet/{id}");
        let request = client::request("PUT", &path, body.as_bytes());
        let reply = client.send(&request).await?;
        if !(200..=201).contains(&reply.status) {
            return Err(format!("{path}: {}", String::from_utf8_lossy(reply.body)).into());
        }
    }
    size(&mut database).await?;
    println!(
        "\n{:<44} {:>9} {:>9} {:>9} {:>9} {:>7}",
        "one request after the other, milliseconds",
        "p50",
        "p95",
        "floor p50",
        "floor p95",
        "shown"
    );
    for shape in shapes::shapes(options.concepts) {
        one(&shape, &mut client, &mut database, options).await?;
    }
    println!("\nA filtered page is to take less than {TARGET} ms (p95).");
    Ok(())
}

fn fill(folder: &Path, data: &Path, options: &Options) -> Result<()> {
    if folder.exists() {
        fs::remove_dir_all(folder)?;
    }
    fs::create_dir_all(data)?;
    let file = folder.join("concepts.csv");
    grow::write(&file, options.concepts)?;
    let begun = Instant::now();
    let mut command = process::andiron();
    command.args(["terminology", "load", "csv"]).arg(&file);
    command.args(["--url", grow::SYSTEM, "--version", "1", "--data-dir"]);
    let status = command.arg(data).status()?;
    if !status.success() {
        return Err("the code system was not loaded".into());
    }
    let seconds = begun.elapsed().as_secs_f64();
    let megabytes = fs::metadata(&file)?.len() as f64 / 1e6;
    let said = format!(
        "loaded {} concepts of {megabytes:.0} MB in {seconds:.1} s, a new database included\n",
        options.concepts
    );
    print!("{said}");
    fs::write(folder.join("filled"), said)?;
    Ok(())
}

/// What the tables take on disk.
async fn size(database: &mut PgConnection) -> Result<()> {
    let row = sqlx::query(
        "SELECT pg_table_size(p.inhrelid)::float8 / 1e6, pg_indexes_size(p.inhrelid)::float8 / 1e6 \
         FROM pg_inherits p WHERE p.inhparent = 'concept'::regclass",
    )
    .fetch_one(database)
    .await?;
    let (table, indexes): (f64, f64) = (row.try_get(0)?, row.try_get(1)?);
    println!("on disk: table {table:.0} MB, indexes {indexes:.0} MB");
    Ok(())
}

async fn one(
    shape: &Shape,
    client: &mut Connection,
    database: &mut PgConnection,
    options: &Options,
) -> Result<()> {
    let time = Duration::from_secs_f64(options.seconds);
    let (mut times, mut shown) = (Vec::new(), 0);
    let begun = Instant::now();
    for at in 0.. {
        if begun.elapsed() > time && at >= shape.requests.len() {
            break;
        }
        let path = &shape.requests[at % shape.requests.len()];
        let request = client::request("GET", path, b"");
        let before = Instant::now();
        let reply = client.send(&request).await?;
        times.push(before.elapsed());
        if reply.status != 200 {
            return Err(format!("{path}: {}", String::from_utf8_lossy(reply.body)).into());
        }
        shown = shown.max(reply.body.len());
    }
    let mut floors = Vec::new();
    let begun = Instant::now();
    for at in 0.. {
        if begun.elapsed() > time && at >= shape.floors.len() {
            break;
        }
        let statement = &shape.floors[at % shape.floors.len()];
        let before = Instant::now();
        sqlx::raw_sql(AssertSqlSafe(statement.clone()))
            .fetch_all(&mut *database)
            .await?;
        floors.push(before.elapsed());
    }
    println!(
        "{:<44} {:>9.2} {:>9.2} {:>9.2} {:>9.2} {:>6}B",
        shape.name,
        within(&mut times, 0.5),
        within(&mut times, 0.95),
        within(&mut floors, 0.5),
        within(&mut floors, 0.95),
        shown
    );
    if options.explain {
        let explain = format!("EXPLAIN (ANALYZE, BUFFERS) {}", shape.floors[0]);
        for row in sqlx::raw_sql(AssertSqlSafe(explain))
            .fetch_all(database)
            .await?
        {
            println!("    {}", row.try_get::<String, _>(0)?);
        }
    }
    Ok(())
}

/// The time within which this part of all was done, in milliseconds.
fn within(times: &mut [Duration], part: f64) -> f64 {
    times.sort_unstable();
    let at = (times.len() as f64 * part) as usize;
    times
        .get(at.min(times.len() - 1))
        .map_or(f64::NAN, |time| time.as_secs_f64() * 1e3)
}
