//! `andiron reindex`: rebuilds the rows of the search index, here and now, with its progress.
//!
//! It works like the job that `$reindex` queues, beside servers that run on the same
//! database. Interrupted, it leaves the job to the next server that runs.

use super::Failure;
use super::database::Database;
use super::options::Reindex;
use super::serve::open_hub;
use super::stop::Stop;
use crate::access::Access;
use crate::config::Limits;
use crate::interaction::Hub;
use crate::jobs::{self, Work, reindex, worker};
use crate::storage::jobs::{Job, State};
use crate::storage::migrate;
use indicatif::{ProgressBar, ProgressStyle};
use std::sync::Arc;
use std::time::Duration;
use tokio::sync::watch;

pub async fn run(options: Reindex) -> Result<(), Failure> {
    let stop = Stop::listen()?;
    let database = Database::open(&options.place, &|text| eprintln!("{text}"))
        .await
        .map_err(advise_server)?;
    let outcome = with(&database, &options, &stop).await;
    let closed = database.close().await;
    outcome.and(closed)
}

async fn with(database: &Database, options: &Reindex, stop: &Stop) -> Result<(), Failure> {
    migrate::run(&database.connect).await?;
    let limits = Limits {
        statement_time: Duration::from_secs(3600),
        ..Limits::default()
    };
    let url = options.writing.public_url.as_deref();
    let url = url.unwrap_or("http://127.0.0.1:8080");
    let (connect, connections) = (database.connect.clone(), options.place.connections);
    let hub = open_hub(connect, connections, &options.writing, &limits, url).await?;
    let background = jobs::start(&hub, Work::No).await?;
    let outcome = work(&hub, options, stop).await;
    background.stop().await;
    hub.store.close().await;
    outcome
}

async fn work(hub: &Arc<Hub>, options: &Reindex, stop: &Stop) -> Result<(), Failure> {
    let access = Access::unrestricted();
    let owner = format!("reindex-{}", uuid::Uuid::new_v4());
    let id = reindex::queue(hub, &access, &options.types).await?;
    let (ask, asked) = watch::channel(false);
    let listening = {
        let stop = stop.clone();
        tokio::spawn(async move {
            stop.asked().await;
            ask.send_replace(true);
            // The receivers take the sender's end for being asked too.
            std::future::pending::<()>().await;
        })
    };
    let bar = bar();
    let mut told = |job: &Job| {
        bar.set_length(job.total.unwrap_or_default().unsigned_abs());
        bar.set_position(job.done.unsigned_abs());
    };
    let mut job = worker::work(hub, &owner, Some(&id), &asked, &mut told).await?;
    // A server on the same database may have been faster, or take it over after a failure.
    while !*asked.borrow() && job.as_ref().is_none_or(|job| !job.state.is_final()) {
        worker::rest(&asked, Duration::from_millis(200)).await;
        let again = worker::work(hub, &owner, Some(&id), &asked, &mut told).await?;
        job = match again {
            Some(job) => Some(job),
            None => Some(crate::operation::reindex::find(hub, &access, &id).await?),
        };
    }
    bar.finish_and_clear();
    listening.abort();
    match job {
        Some(job) => ended(&job),
        None => Err(Failure::new(
            "the job was not begun; a server goes on with it",
        )),
    }
}

fn ended(job: &Job) -> Result<(), Failure> {
    match job.state {
        State::Done => {
            println!("reindexed {} resources", job.done);
            Ok(())
        }
        State::Cancelled => Err(Failure::new(format!(
            "cancelled after {} resources",
            job.done
        ))),
        State::Failed => Err(Failure::new(format!(
            "failed after {} resources: {}",
            job.done,
            job.error.as_deref().unwrap_or("the log has the cause")
        ))),
        State::Queued | State::Running => Err(Failure::new(format!(
            "interrupted after {} resources; a server goes on with it",
            job.done
        ))),
    }
}

/// Hidden where standard error is no terminal.
fn bar() -> ProgressBar {
    let bar = ProgressBar::new(0);
    let style = ProgressStyle::with_template("{bar:30} {human_pos}/{human_len} resources {eta}");
    bar.set_style(style.unwrap_or_else(|_| ProgressStyle::default_bar()));
    bar
}

fn advise_server(failure: Failure) -> Failure {
    match failure.text.contains("in use by another Andiron") {
        true => Failure::new(format!(
            "{}\nTo have that one do it, POST to $reindex below its FHIR base",
            failure.text
        )),
        false => failure,
    }
}
