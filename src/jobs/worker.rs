//! Who works on jobs: takes the oldest that nobody has, step by step until it is at its end.
//!
//! A worker that dies leaves its job with a lease that runs out; another goes on at the
//! cursor. A job that fails is tried again, and fails for good when it was taken several
//! times without getting any further.

use super::asked;
use super::reindex::{self, LEASE, Step};
use crate::error::{Error, Result};
use crate::interaction::Hub;
use crate::storage::jobs::{self, Job, State};
use std::sync::Arc;
use std::time::Duration;
use tokio::sync::watch;

/// How often a job is taken without getting further.
const ATTEMPTS: i16 = 5;

/// How long a worker rests before it looks again for what nobody tells of: leases that ran
/// out, and what a job waits for.
const REST: Duration = Duration::from_secs(5);

/// How long it waits for others to do what a job waits for.
const SHORT_REST: Duration = Duration::from_millis(100);

/// Works until it is stopped.
pub async fn run(
    hub: Arc<Hub>,
    owner: String,
    mut stop: watch::Receiver<bool>,
    mut woken: watch::Receiver<()>,
) {
    while !*stop.borrow() {
        woken.mark_unchanged();
        let worked = work(&hub, &owner, None, &stop, &mut |_| {}).await;
        if matches!(worked, Ok(Some(_))) {
            continue;
        }
        if let Err(error) = worked {
            tracing::warn!(%error, "jobs cannot be worked on for the moment");
        }
        tokio::select! {
            () = asked(&mut stop) => {}
            _ = woken.changed() => {}
            () = tokio::time::sleep(REST) => {}
        }
    }
}

/// Takes the oldest job that nobody has, or the one of that id, and works on it until it is
/// at its end, lost, failed or stopped; `None` where there is none. `told` hears of each step.
///
/// # Errors
/// Those of the database while a job is taken or given back; a failure of the job itself is
/// noted in it.
pub async fn work(
    hub: &Arc<Hub>,
    owner: &str,
    id: Option<&str>,
    stop: &watch::Receiver<bool>,
    told: &mut (dyn FnMut(&Job) + Send),
) -> Result<Option<Job>> {
    let mut connection = hub.store.pool().acquire().await?;
    let taken = jobs::take(&mut connection, owner, LEASE, id).await?;
    drop(connection);
    let Some(mut job) = taken else {
        return Ok(None);
    };
    tracing::info!(
        job = job.id,
        kind = job.kind,
        attempt = job.attempts,
        "working on a job"
    );
    if job.attempts > ATTEMPTS {
        give_up(hub, &job, owner, job.error.as_deref()).await?;
    } else if job.kind != reindex::KIND {
        let text = format!("this version does not know jobs of the kind {}", job.kind);
        give_up(hub, &job, owner, Some(&text)).await?;
    } else {
        let outcome = steps(hub, &mut job, owner, stop, told).await;
        match outcome {
            Ok(Step::More | Step::Waits) => release(hub, &job, owner, None).await?,
            Ok(Step::Done) => tracing::info!(job = job.id, resources = job.done, "a job is done"),
            Ok(Step::Lost) => tracing::info!(job = job.id, "a job was cancelled or taken over"),
            Err(error) => {
                let cause = error.source.as_ref().map(ToString::to_string);
                tracing::warn!(job = job.id, %error, cause, "a job failed and is tried again");
                rest(stop, Duration::from_secs(1)).await;
                release(hub, &job, owner, Some(&words(&error))).await?;
            }
        }
    }
    let mut connection = hub.store.pool().acquire().await?;
    jobs::find(&mut connection, &job.access(), &job.id).await
}

/// Makes steps until one says otherwise, or until it is stopped.
async fn steps(
    hub: &Arc<Hub>,
    job: &mut Job,
    owner: &str,
    stop: &watch::Receiver<bool>,
    told: &mut (dyn FnMut(&Job) + Send),
) -> Result<Step> {
    while !*stop.borrow() {
        match reindex::step(hub, job, owner, LEASE).await? {
            end @ (Step::Done | Step::Lost) => return Ok(end),
            Step::Waits => rest(stop, SHORT_REST).await,
            Step::More => told(job),
        }
    }
    Ok(Step::More)
}

/// Rests so long, or until it is stopped.
pub async fn rest(stop: &watch::Receiver<bool>, time: Duration) {
    let mut stop = stop.clone();
    tokio::select! {
        () = asked(&mut stop) => {}
        () = tokio::time::sleep(time) => {}
    }
}

async fn release(hub: &Hub, job: &Job, owner: &str, error: Option<&str>) -> Result<()> {
    let mut connection = hub.store.pool().acquire().await?;
    jobs::release(&mut connection, &job.id, owner, error).await
}

async fn give_up(hub: &Hub, job: &Job, owner: &str, error: Option<&str>) -> Result<()> {
    tracing::error!(job = job.id, error, "a job has failed");
    let mut connection = hub.store.pool().acquire().await?;
    jobs::finish(&mut connection, &job.id, owner, State::Failed, error).await?;
    Ok(())
}

/// What may be told of a failure.
fn words(error: &Error) -> String {
    let texts: Vec<&str> = error
        .issues
        .iter()
        .map(|issue| issue.text.as_str())
        .collect();
    texts.join("; ")
}
