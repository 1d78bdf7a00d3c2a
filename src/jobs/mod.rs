//! What goes on in the background: the search parameters that users add become live, on every
//! node, and what is stored is indexed by them.
//!
//! ```text
//! SearchParameter written --parameters::refresh--> search_parameter, generation g, job queued
//!                                |                      | NOTIFY, and each node asks now and then
//!                        this node adopts g    follow: every node adopts g, and once all that it
//!                                              began before is with the database: "I know g"
//! job --worker::work--> all nodes know g? --reindex: a page, compared, replaced, cursor--> done
//!                                                                    pending types gone, g + 1
//! ```
//!
//! [`start`] runs both for a process that writes; `serve` also works on jobs. A job is told of
//! at `[base]/_job/[id]`; `$reindex` queues one, and so does every parameter that has to be
//! built.
//!
//! ## Decisions
//! **2026-11-22: no write is missed, by waiting, not by catching up.** A parameter P comes
//! with a generation g. What could be stored without P's rows is what was indexed by an older
//! edition: in the queue of a writer, in a long transaction, on another node. Each node
//! adopts g, waits until none of its index rows are of an older edition ([`Live::settled`]:
//! rows hold their edition, so this is exact), and says "I know g" in a transaction x. What
//! it had begun has been handed to transactions older than x by then. A job begins when every
//! node knows g and no transaction older than those x is open. From then on whatever is
//! stored has P's rows, and whatever was stored before is visible to the pass. So one pass in
//! the order of keys is enough, however long it takes, and a resumed one goes on at its
//! cursor. The alternative, following the feed after the pass, has no end of its own under
//! constant writes, and costs every write a place in what is followed.
//!
//! **A node that dies** is believed alive for [`LAPSE`](crate::storage::nodes::LAPSE); then
//! jobs go on without it. One that was only away (suspended, cut off) finds that out at its
//! next sign of life and takes every parameter that came since for unbuilt, with a job.
//!
//! **2026-11-22: a search by what is being built is refused, with 400**, and names the job;
//! with `handling=lenient` it is answered with a warning that it is partial. 503 would
//! have been the other choice; but proxies and alerts take that for the state of the server,
//! when one parameter of one type is not ready. A search is compiled as if the parameters in
//! building were not there and as if they were; it concerns them where the two differ, so that
//! chains, `_has`, sorting and includes need no rule of their own. See
//! [`interaction::search`](crate::interaction::search).
//!
//! **2026-11-22: a job commits its cursor with its work**, a few hundred resources at a time,
//! under its lease: what is committed is never done again, and a worker that lost its lease
//! cannot commit. Writers are not in its way nor it in theirs: rows that somebody holds are
//! passed over and asked for again one by one; a row that was changed since it was read
//! was indexed by who changed it. Versions, ETags, `lastUpdated` and the feed stay as they are.
//!
//! **Retiring or deleting a parameter** makes it unknown at once. Its rows stay until their
//! resources are written or reindexed: they are in slots that nothing asks for. Activated
//! again, it is built anew.

mod follow;
pub mod parameters;
pub mod profiles;
pub mod reindex;
pub mod worker;

use crate::error::Result;
use crate::interaction::Hub;
use std::sync::Arc;
use tokio::sync::watch;
use tokio::task::JoinHandle;

/// Whether a process works on jobs that are queued.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Work {
    Yes,
    /// It follows the search parameters, which everybody must who writes.
    No,
}

/// The background of one process.
pub struct Background {
    stop: watch::Sender<bool>,
    tasks: Vec<JoinHandle<()>>,
}

/// Makes this process known as a node, loads the search parameters and keeps them up to
/// date. It must return before the first write.
///
/// # Errors
/// Those of the database.
pub async fn start(hub: &Arc<Hub>, work: Work) -> Result<Background> {
    let node = format!("node-{}", uuid::Uuid::new_v4());
    let follower = follow::Follower::join(hub.clone(), node.clone()).await?;
    let (stop, stopped) = watch::channel(false);
    let (wake, woken) = watch::channel(());
    let mut tasks = vec![tokio::spawn(follower.run(stopped.clone(), wake))];
    if work == Work::Yes {
        tasks.push(tokio::spawn(worker::run(hub.clone(), node, stopped, woken)));
    }
    Ok(Background { stop, tasks })
}

/// Returns once the background is to end, or is gone.
async fn asked(stop: &mut watch::Receiver<bool>) {
    let _ = stop.wait_for(|stop| *stop).await;
}

impl Background {
    /// Ends it: the job at hand is given back, and the node leaves. To be called when this
    /// process has written for the last time, and before the store is closed.
    pub async fn stop(self) {
        self.stop.send_replace(true);
        for task in self.tasks {
            // A task that panicked has said so.
            let _ = task.await;
        }
    }
}
