//! `andiron load`: files of FHIR JSON into the database or a running server.
//!
//! ```text
//! files     which files                      content   what is in one, as entries
//! state     which were loaded before         target    where entries go, and the answers
//! work      one file, start to end           report    progress, failures, counts
//! ```
//!
//! Several files are loaded at once, so the order between files is only this: what is not a
//! transaction goes first, and what fails because something it refers to is missing is tried
//! again after everything else, for as long as that gets anything further. So the order of the
//! names does not matter, and no file needs to be read to find out what it needs.
//!
//! Files are never all in memory: one per worker is, and of a file of lines only a chunk.
//!
//! ## Decisions
//! - 2026-11: what has no request of its own (collections, single resources, lines) is stored in
//!   transactions of some hundred resources, which is much faster than one by one; a
//!   transaction that is refused is done again as a batch, so that one bad resource costs only
//!   itself.

mod content;
mod files;
mod report;
mod state;
mod target;
mod work;

use super::Failure;
use super::arguments::LoadArgs;
use super::database::Database;
use super::options::{Load, Place};
use super::serve::open_hub;
use super::stop::Stop;
use crate::config::Limits;
use crate::jobs::{self, Work};
use crate::storage::{self, migrate};
use files::{Found, Source};
use report::Report;
use state::State;
use std::num::NonZero;
use std::path::{Path, PathBuf};
use std::sync::{Arc, OnceLock};
use std::time::Duration;
use target::Target;
use work::{Mode, Task, Worker};

/// The planner's statistics are refreshed after a load of more resources than this.
const WORTH_ANALYZING: u64 = 10_000;

pub async fn run(args: &LoadArgs, options: Load) -> Result<(), Failure> {
    let found = files::find(&args.paths).map_err(|problems| Failure::new(problems.join("\n")))?;
    let stop = Stop::listen()?;
    match &options.server {
        Some(url) => {
            let target = Target::find_server(url).await.map_err(Failure::new)?;
            let state = state_of_server(target.base().unwrap_or(url));
            let workers = args.workers.map_or(4, usize::from);
            tokio::select! {
                outcome = load(target, found, args.again, workers, &state, &stop) => outcome,
                () = stop.asked_again() => Err(Failure::new("interrupted")),
            }
        }
        None => load_directly(args, &options, found, &stop).await,
    }
}

async fn load_directly(
    args: &LoadArgs,
    options: &Load,
    found: Found,
    stop: &Stop,
) -> Result<(), Failure> {
    let cores = std::thread::available_parallelism().map_or(1, NonZero::get);
    let workers = args.workers.map_or(cores, usize::from);
    let database = Database::open(&options.place, &|text| eprintln!("{text}"))
        .await
        .map_err(advise_server)?;
    let outcome = tokio::select! {
        outcome = load_into(&database, args, options, workers, found, stop) => outcome,
        // What is in flight is rolled back as its connections close.
        () = stop.asked_again() => Err(Failure::new("interrupted")),
    };
    let closed = database.close().await;
    outcome.and(closed)
}

async fn load_into(
    database: &Database,
    args: &LoadArgs,
    options: &Load,
    workers: usize,
    found: Found,
    stop: &Stop,
) -> Result<(), Failure> {
    migrate::run(&database.connect).await?;
    // The limits protect a server from its clients; here the user loads files of his own.
    let limits = Limits {
        body_size: usize::MAX,
        bundle_entries: usize::MAX,
        statement_time: Duration::from_secs(3600),
        ..Limits::default()
    };
    let connections = options.place.connections.max(workers as u32 + 2);
    let url = options
        .writing
        .public_url
        .as_deref()
        .unwrap_or("http://127.0.0.1:8080");
    let connect = database.connect.clone();
    let hub = open_hub(connect, connections, &options.writing, &limits, url).await?;
    let state = state_of_place(&options.place);
    let background = jobs::start(&hub, Work::No).await?;
    let target = Target::Database(hub.clone());
    let outcome = load(target, found, args.again, workers, &state, stop).await;
    background.stop().await;
    hub.store.close().await;
    outcome
}

/// Loads what was found, and tells what became of it.
async fn load(
    target: Target,
    found: Found,
    again: bool,
    workers: usize,
    state: &Path,
    stop: &Stop,
) -> Result<(), Failure> {
    let state = open_state(state, &target, again).await?;
    let total = found.sources.len();
    let sources: Vec<Source> = tokio::task::block_in_place(|| {
        let sources = found.sources.into_iter();
        sources.filter(|source| !state.is_loaded(source)).collect()
    });
    if found.passed_over > 0 {
        eprintln!("{} files of other kinds are passed over", found.passed_over);
    }
    if sources.len() < total {
        eprintln!(
            "{} files were loaded before and are skipped (as {} says; --again loads them again)",
            total - sources.len(),
            state.path().display()
        );
    }
    let report = Report::start(&sources);
    let worker = Arc::new(Worker {
        target,
        state,
        report,
        stop: stop.clone(),
        lost: OnceLock::new(),
    });
    let unfinished = work_through(&worker, sources, workers).await;
    if let Target::Database(hub) = &worker.target
        && worker.report.stored() > WORTH_ANALYZING
        && !worker.is_over()
    {
        let mut connection = hub.store.pool().acquire().await.map_err(storage::failed)?;
        storage::analyze(&mut connection).await?;
    }
    if let Some(text) = worker.lost.get() {
        worker
            .report
            .warn(&format!("the load cannot go on: {text}"));
    }
    worker.report.finish(unfinished)
}

/// Opens the memory of a target. One of an empty target is of another life of it.
async fn open_state(path: &Path, target: &Target, again: bool) -> Result<State, Failure> {
    let failed = |error| Failure::new(format!("{}: {error}", path.display()));
    let mut state = State::open(path).map_err(failed)?;
    if target.is_empty().await.map_err(Failure::new)? || again {
        state.forget().map_err(failed)?;
    }
    Ok(state)
}

/// Runs pass after pass until all is loaded or reported; returns how many files are not
/// finished because we were asked to stop or lost the target.
async fn work_through(worker: &Arc<Worker>, sources: Vec<Source>, workers: usize) -> usize {
    let (last, first): (Vec<Task>, Vec<Task>) = tokio::task::block_in_place(|| {
        let tasks = sources.into_iter().map(Task::new);
        tasks.partition(Task::looks_like_transaction)
    });
    let mut mode = Mode::Together;
    let mut pass = work::pass(worker, first, mode, workers).await;
    pass.left.extend(last);
    loop {
        pass = work::pass(worker, pass.left, mode, workers).await;
        if worker.is_over() {
            return pass.left.len();
        }
        if pass.left.is_empty() {
            return 0;
        }
        if !pass.progress {
            mode = match mode {
                Mode::Together => Mode::Apart,
                Mode::Apart | Mode::Final => Mode::Final,
            };
        }
    }
}

fn state_of_place(place: &Place) -> PathBuf {
    let name = match &place.database {
        None => "managed".to_owned(),
        Some(options) => {
            let database = options.get_database().unwrap_or(options.get_username());
            let (host, port) = (options.get_host(), options.get_port());
            let socket = options.get_socket().map(|path| path.display().to_string());
            let socket = socket.unwrap_or_default();
            short_hash(&format!("{socket}{host}:{port}/{database}"))
        }
    };
    place.data_dir.join("load-state").join(name)
}

fn state_of_server(base: &str) -> PathBuf {
    PathBuf::from(format!(".andiron-load-{}", short_hash(base)))
}

fn short_hash(text: &str) -> String {
    format!("{:016x}", xxhash_rust::xxh3::xxh3_64(text.as_bytes()))
}

fn advise_server(failure: Failure) -> Failure {
    match failure.text.contains("in use by another Andiron") {
        true => Failure::new(format!(
            "{}\nTo load into that one, say --server and its FHIR base, such as --server http://127.0.0.1:8080/fhir",
            failure.text
        )),
        false => failure,
    }
}
