//! A node's part in the agreement on the search parameters: it is known while it may write,
//! goes over to new ones when it hears of them, and says when all of its writes know them.

use super::{asked, parameters, profiles, reindex};
use crate::access::Access;
use crate::error::Result;
use crate::interaction::Hub;
use crate::storage::nodes::{self, Listener};
use std::sync::Arc;
use std::time::Duration;
use tokio::sync::watch;

/// How often a node shows that it is alive, and asks what it may not have heard.
const BEAT: Duration = Duration::from_secs(5);

/// How long it waits after the database has failed.
const PAUSE: Duration = Duration::from_secs(1);

pub struct Follower {
    hub: Arc<Hub>,
    node: String,
    /// The generation that all writes of this node know.
    known: i64,
}

impl Follower {
    /// Makes the node known and loads the search parameters.
    pub async fn join(hub: Arc<Hub>, node: String) -> Result<Follower> {
        let mut connection = hub.store.pool().acquire().await?;
        nodes::join(&mut connection, &node, None).await?;
        drop(connection);
        parameters::refresh(&hub).await?;
        follow_profiles(&hub).await?;
        let known = hub.live.current().generation;
        Ok(Follower { hub, node, known })
    }

    /// Follows until it is stopped; `wake` is touched whenever something may have happened.
    pub async fn run(mut self, mut stop: watch::Receiver<bool>, wake: watch::Sender<()>) {
        let mut listener = None;
        let mut beat = tokio::time::interval(BEAT);
        beat.set_missed_tick_behavior(tokio::time::MissedTickBehavior::Delay);
        loop {
            let current = self.hub.live.current().generation;
            let settled = async {
                match current > self.known {
                    true => self.hub.live.settled(current).await,
                    false => std::future::pending().await,
                }
            };
            let heard = hear(&self.hub, &mut listener);
            let done = tokio::select! {
                () = asked(&mut stop) => break,
                () = settled => self.know(current).await,
                _ = beat.tick() => self.beat().await,
                heard = heard => match heard {
                    Ok(()) => self.catch_up().await,
                    Err(error) => Err(error),
                },
            };
            if let Err(error) = done {
                tracing::warn!(%error, "the search parameters cannot be followed for the moment");
                tokio::select! {
                    () = asked(&mut stop) => break,
                    () = tokio::time::sleep(PAUSE) => {}
                }
            }
            wake.send_replace(());
        }
        if let Ok(mut connection) = self.hub.store.pool().acquire().await
            && let Err(error) = nodes::leave(&mut connection, &self.node).await
        {
            tracing::debug!(%error, "the node could not take leave");
        }
    }

    /// Says that every write that is yet to begin knows this generation.
    async fn know(&mut self, generation: i64) -> Result<()> {
        let mut connection = self.hub.store.pool().acquire().await?;
        nodes::know(&mut connection, &self.node, generation).await?;
        self.known = generation;
        Ok(())
    }

    /// Takes over what other nodes have written.
    async fn catch_up(&self) -> Result<()> {
        parameters::refresh(&self.hub).await?;
        follow_profiles(&self.hub).await
    }

    async fn beat(&mut self) -> Result<()> {
        self.catch_up().await?;
        let mut connection = self.hub.store.pool().acquire().await?;
        let beat = nodes::beat(&mut connection, &self.node).await?;
        if beat.is_some_and(|beat| !beat.was_away) {
            return Ok(());
        }
        tracing::warn!("this node was away for longer than others wait for it");
        nodes::join(&mut connection, &self.node, Some(self.known)).await?;
        reindex::doubt(&self.hub, &Access::unrestricted(), self.known).await
    }
}

/// Where writes are held to profiles, these are kept up to date.
async fn follow_profiles(hub: &Hub) -> Result<()> {
    match hub.settings.uses_profiles() {
        true => profiles::refresh(hub).await,
        false => Ok(()),
    }
}

/// Waits for a notification, on a connection that is made when there is none. May be dropped
/// at any time.
async fn hear(hub: &Hub, listener: &mut Option<Listener>) -> Result<()> {
    if listener.is_none() {
        *listener = Some(hub.store.listen().await?);
        // What was notified before it listened.
        return Ok(());
    }
    match listener {
        Some(listener) => listener.heard().await,
        None => Ok(()),
    }
}
