//! `andiron terminology`: loads code systems from the files of their publishers into tables,
//! lists what is loaded, and takes it away.
//!
//! A thread reads the files and a task copies what it says, with a few chunks between them, so
//! that neither waits long and memory stays flat. It works beside servers that run on the same
//! `--database-url`: they see the new version when it is whole. A managed PostgreSQL belongs to
//! one program at a time.

use super::Failure;
use super::arguments::{TerminologyArgs, TerminologyCommand, TerminologyLoadArgs};
use super::database::Database;
use super::options::Plain;
use super::stop::Stop;
use crate::storage::migrate;
use crate::terminology::release::{Files, Kind, Options, Release};
use crate::terminology::tables::{self, Chunk, Load, Loaded, Sink, Table};
use indicatif::{HumanCount, ProgressBar, ProgressStyle};
use sqlx::{ConnectOptions, Connection, PgConnection};
use std::time::{Duration, Instant};
use tokio::sync::mpsc;

/// Chunks that wait to be copied.
const WAITING: usize = 4;

pub async fn run(args: &TerminologyArgs, options: Plain) -> Result<(), Failure> {
    let stop = Stop::listen()?;
    // What is wrong with the files is told before a database is started for them.
    let release = match &args.command {
        TerminologyCommand::Load(load) => Some(find(load)?),
        _ => None,
    };
    let database = Database::open(&options.place, &|text| eprintln!("{text}"))
        .await
        .map_err(advise_stop)?;
    let outcome = tokio::select! {
        outcome = with(&database, args, release) => outcome,
        () = stop.asked() => Err(Failure::new("interrupted: nothing was changed")),
    };
    let closed = database.close().await;
    outcome.and(closed)
}

/// Only one program runs a managed PostgreSQL.
fn advise_stop(failure: Failure) -> Failure {
    match failure.text.contains("in use by another Andiron") {
        true => Failure::new(format!(
            "{}\nStop that one while this runs, or give both a PostgreSQL by --database-url",
            failure.text
        )),
        false => failure,
    }
}

async fn with(
    database: &Database,
    args: &TerminologyArgs,
    release: Option<Release>,
) -> Result<(), Failure> {
    migrate::run(&database.connect).await?;
    let connect = database
        .connect
        .clone()
        .application_name("andiron-terminology");
    let mut connection = connect.connect().await.map_err(Failure::new)?;
    match (&args.command, release) {
        (TerminologyCommand::Load(_), Some(release)) => load(&mut connection, release).await?,
        (TerminologyCommand::Remove(remove), _) => {
            take_away(&mut connection, &remove.canonical).await?;
        }
        _ => list(&mut connection).await?,
    }
    connection.close().await.map_err(Failure::new)
}

fn find(args: &TerminologyLoadArgs) -> Result<Release, Failure> {
    let kind: Kind = args
        .kind
        .parse()
        .map_err(|expected| Failure::new(format!("{expected} but found {:?}", args.kind)))?;
    let files = Files::find(&args.paths).map_err(Failure::new)?;
    let options = Options {
        url: args.url.clone(),
        version: args.version.clone(),
        name: args.name.clone(),
        language: args.language.clone(),
        refset: args.display_refset.clone(),
        any_case: args.any_case,
    };
    Release::find(kind, files, options).map_err(Failure::new)
}

async fn load(connection: &mut PgConnection, release: Release) -> Result<(), Failure> {
    let canonical = canonical(&release);
    let begun = Instant::now();
    match write(connection, release).await? {
        None => println!("{canonical} is loaded already: nothing was done"),
        Some(loaded) => println!(
            "loaded {canonical}: {} concepts, {} of them inactive, in {:.1} s",
            HumanCount(loaded.concepts.unsigned_abs()),
            HumanCount(loaded.inactive.unsigned_abs()),
            begun.elapsed().as_secs_f64()
        ),
    }
    Ok(())
}

fn canonical(release: &Release) -> String {
    match &release.system.version {
        Some(version) => format!("{}|{version}", release.system.url),
        None => release.system.url.clone(),
    }
}

/// Reads a release into its tables; `None` where they are there already.
pub async fn write(
    connection: &mut PgConnection,
    release: Release,
) -> Result<Option<Loaded>, Failure> {
    let Some(mut load) = Load::begin(connection, release.system.clone()).await? else {
        return Ok(None);
    };
    let bar = bar(release.bytes());
    let (send, mut chunks) = mpsc::channel::<Chunk>(WAITING);
    let reading = {
        let bar = bar.clone();
        tokio::task::spawn_blocking(move || {
            let mut pass_on = |chunk| send.blocking_send(chunk).is_ok();
            let mut sink = Sink::new(&mut pass_on);
            release.read(&mut sink, &|bytes| bar.inc(bytes))?;
            if sink.is_empty() {
                return Err("expected concepts but found none".to_owned());
            }
            bar.set_message("what is above what");
            sink.finish()
        })
    };
    while let Some(chunk) = chunks.recv().await {
        load.copy(&chunk).await?;
    }
    match reading.await {
        Ok(Ok(())) => {}
        Ok(Err(problem)) => return Err(Failure::new(problem)),
        Err(error) => return Err(Failure::new(format!("the files were not read: {error}"))),
    }
    bar.set_message("indexes");
    let loaded = load.finish().await?;
    bar.finish_and_clear();
    Ok(Some(loaded))
}

/// Hidden by itself where standard error is no terminal.
fn bar(bytes: u64) -> ProgressBar {
    let bar = ProgressBar::new(bytes);
    let style = ProgressStyle::with_template(
        "{elapsed_precise} {wide_bar} {bytes}/{total_bytes} {msg} (ETA {eta})",
    );
    bar.set_style(style.unwrap_or_else(|_| ProgressStyle::default_bar()));
    bar.enable_steady_tick(Duration::from_millis(500));
    bar
}

async fn list(connection: &mut PgConnection) -> Result<(), Failure> {
    let all = tables::all(connection).await?;
    if all.is_empty() {
        println!("no code system is loaded");
    }
    for table in &all {
        println!("{}", line(table));
    }
    Ok(())
}

fn line(table: &Table) -> String {
    let default = match table.is_default {
        true => ", default",
        false => "",
    };
    format!(
        "{}  {} concepts, {}, loaded {}{default}",
        table.canonical(),
        HumanCount(u64::from(table.concepts.unsigned_abs())),
        table.kind,
        table.loaded
    )
}

async fn take_away(connection: &mut PgConnection, canonical: &str) -> Result<(), Failure> {
    let table = tables::find(connection, canonical).await?;
    let table = table.ok_or_else(|| {
        let hint = "see `andiron terminology list`";
        Failure::new(format!("no code system {canonical} is loaded: {hint}"))
    })?;
    tables::remove(connection, &table).await?;
    println!("removed {}", table.canonical());
    Ok(())
}
