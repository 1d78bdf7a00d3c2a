//! Many resources at once: the Synthea set as transactions over HTTP, with what memory and disk
//! they take, and by `andiron load`. Every round has a new and empty place.

use crate::drive::{self, Run};
use crate::place::{Folder, Place};
use crate::report::Figure;
use crate::small::median;
use crate::synthea::Synthea;
use crate::{Options, Result, Scenario, floor, process};
use sqlx::{Connection, Executor};
use std::process::Stdio;
use std::time::{Duration, Instant};

/// Measures what is wanted.
pub async fn measure(
    options: &Options,
    records: &Synthea,
    figures: &mut Vec<Figure>,
) -> Result<()> {
    let (mut floors, mut runs) = (Vec::new(), Vec::new());
    let (mut copies, mut loads) = (Vec::new(), Vec::new());
    let mut others = Vec::new();
    for round in 1..=options.rounds() {
        let mut place = Place::start(options).await?;
        let outcome = async {
            if options.wants(Scenario::Load) {
                copies.push(copy(&place, records).await?);
                loads.push(load(&place, records).await?);
                tell("load", round, records.resources, &copies, &loads);
            }
            if options.wants(Scenario::Transaction) {
                floors.push(send_frames(&place, options, records).await?);
                runs.push(send_transactions(&place, options, records).await?);
                tell("transaction", round, records.transacted, &floors, &runs);
                others = remains(&mut place, records).await?;
            }
            Ok(())
        };
        let outcome: Result<()> = outcome.await;
        outcome.map_err(|failure| format!("{failure}\n{}", place.log()))?;
    }
    if options.wants(Scenario::Transaction) {
        let per = records.transacted as f64 / records.transactions.len() as f64;
        let figure = Figure::of(
            "transaction",
            "resources/s",
            &median(runs),
            Some(&median(floors)),
            per,
        );
        figures.push(figure.aim_ratio(0.30).aim("≥", 4_000.0));
    }
    if options.wants(Scenario::Load) {
        let per = records.resources as f64;
        let figure = Figure::of(
            "load",
            "resources/s",
            &median(loads),
            Some(&median(copies)),
            per,
        );
        figures.push(figure.aim_ratio(0.30));
    }
    figures.append(&mut others);
    Ok(())
}

fn tell(name: &str, round: usize, resources: usize, floors: &[Run], runs: &[Run]) {
    let rate = |runs: &[Run]| resources as f64 / runs.last().map_or(f64::NAN, |run| run.seconds);
    eprintln!(
        "{name}, round {round}: floor {:.0} resources/s, Andiron {:.0} resources/s",
        rate(floors),
        rate(runs)
    );
}

/// Half as many clients as for single resources.
fn clients(options: &Options) -> usize {
    (options.clients / 2).max(1)
}

async fn send_frames(place: &Place, options: &Options, records: &Synthea) -> Result<Run> {
    let floor = place.floor();
    drive::send_all(
        &floor,
        clients(options),
        &records.frames,
        200,
        |_, _| Ok(()),
    )
    .await
}

/// Posts everything; only the transactions count.
async fn send_transactions(place: &Place, options: &Options, records: &Synthea) -> Result<Run> {
    let andiron = place.andiron()?;
    drive::send_all(&andiron, 1, &records.batches, 200, |_, reply| {
        check_batch(reply.body)
    })
    .await?;
    let all = &records.transactions;
    drive::send_all(&andiron, clients(options), all, 200, |_, _| Ok(())).await
}

/// An entry of a batch can fail alone.
fn check_batch(body: &[u8]) -> Result<()> {
    let bundle: serde_json::Value = serde_json::from_slice(body)?;
    let entries = bundle["entry"]
        .as_array()
        .map(Vec::as_slice)
        .unwrap_or_default();
    let failed = |entry: &&serde_json::Value| {
        !entry["response"]["status"]
            .as_str()
            .is_some_and(|status| status.starts_with('2'))
    };
    match entries.iter().find(failed) {
        Some(entry) => Err(format!("an entry of a batch failed: {entry}").into()),
        None => Ok(()),
    }
}

/// What is left when everything was stored: memory, disk, and how fast it starts again.
async fn remains(place: &mut Place, records: &Synthea) -> Result<Vec<Figure>> {
    let (now, most) = process::memory(place.andiron()?.pid);
    let count = place.number("andiron", "SELECT count(*) FROM fhir").await?;
    if count != i64::try_from(records.resources)? {
        return Err(format!(
            "{} resources were sent but {count} are there",
            records.resources
        )
        .into());
    }
    let size = "SELECT pg_database_size(current_database())";
    let size = place.number("andiron", size).await? as f64;
    place.restart().await?;
    let start = place.start_time()?.as_secs_f64();
    let kilobytes = size / 1024.0 / records.resources as f64;
    Ok(vec![
        Figure::single(
            "memory after loading over HTTP",
            now,
            "MB",
            Some(("<", 150.0)),
        ),
        Figure::single("memory, the most of it", most, "MB", None),
        Figure::single("database per resource", kilobytes, "KB", Some(("≤", 2.0))),
        Figure::single("second start, with data", start, "s", Some(("<", 1.0))),
    ])
}

/// The floor of loading: all bodies by one COPY.
async fn copy(place: &Place, records: &Synthea) -> Result<Run> {
    let mut session = place.session(floor::DATABASE).await?;
    session.execute("TRUNCATE floor_load").await?;
    let floor = place.floor();
    let clock = drive::Clock::read(&floor);
    let mut copy = session.copy_in_raw("COPY floor_load FROM STDIN").await?;
    for part in records.copy.chunks(256 << 10) {
        copy.send(part).await?;
    }
    copy.finish().await?;
    let run = clock.stop(&floor, vec![0]);
    // Room for what follows, and no second copy of everything.
    session.execute("TRUNCATE floor_load").await?;
    session.close().await?;
    Ok(run)
}

/// `andiron load` of the files into an empty database of the running cluster, start of the
/// program and migration included: the cluster itself is up, as it is for COPY.
async fn load(place: &Place, records: &Synthea) -> Result<Run> {
    const DATABASE: &str = "load";
    place.execute("postgres", "CREATE DATABASE load").await?;
    let state = Folder::new()?;
    let mut command = process::andiron();
    command
        .arg("load")
        .arg(&records.files)
        .arg("--data-dir")
        .arg(state.path())
        .args(["--database-url", &place.url(DATABASE)])
        .stdin(Stdio::null())
        .stdout(Stdio::piped())
        .stderr(Stdio::piped());
    let mut command = tokio::process::Command::from(command);
    let target = place.floor();
    let clock = drive::Clock::read(&target);
    let begun = Instant::now();
    let child = command.kill_on_drop(true).spawn()?;
    let pid = child.id().unwrap_or_default();
    let output = child.wait_with_output();
    tokio::pin!(output);
    let mut tick = tokio::time::interval(Duration::from_millis(100));
    let mut server = 0.0;
    let output = loop {
        tokio::select! {
            output = &mut output => break output?,
            // What a process used cannot be read once it has ended.
            _ = tick.tick() => server = f64::max(server, process::cpu(pid)),
        }
    };
    let seconds = begun.elapsed().as_secs_f64();
    if !output.status.success() {
        let said = [output.stdout, output.stderr].concat();
        return Err(format!("andiron load failed:\n{}", String::from_utf8_lossy(&said)).into());
    }
    let mut run = clock.stop(&target, vec![0]);
    (run.seconds, run.server) = (seconds, server);
    let count = place.number(DATABASE, "SELECT count(*) FROM fhir").await?;
    if count != i64::try_from(records.resources)? {
        return Err(format!(
            "{} resources were loaded but {count} are there",
            records.resources
        )
        .into());
    }
    place.execute("postgres", "DROP DATABASE load").await?;
    Ok(run)
}
