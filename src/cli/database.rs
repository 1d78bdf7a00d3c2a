//! The database of a command: one that somebody else runs, or the managed cluster, which is
//! started, and for the server kept running.

use super::Failure;
use super::options::Place;
use crate::storage::cluster::Cluster;
use sqlx::postgres::PgConnectOptions;
use std::path::{Path, PathBuf};
use std::time::Duration;
use tokio::sync::oneshot;
use tracing::{error, info, warn};

/// A database that can be connected to.
pub struct Database {
    pub connect: PgConnectOptions,
    /// Ours to stop, where it is the managed one.
    pub cluster: Option<Cluster>,
}

impl Database {
    /// Finds or starts the database of `place`; `notice` is told what the user should know.
    pub async fn open(place: &Place, notice: &(dyn Fn(&str) + Sync)) -> Result<Database, Failure> {
        if let Some(connect) = &place.database {
            return Ok(Database {
                connect: connect.clone(),
                cluster: None,
            });
        }
        let cluster = Cluster::start(&place.data_dir, notice).await?;
        Ok(Database {
            connect: cluster.connect_options(),
            cluster: Some(cluster),
        })
    }

    /// Stops the database if it is ours.
    pub async fn close(self) -> Result<(), Failure> {
        match self.cluster {
            Some(cluster) => Ok(cluster.stop().await?),
            None => Ok(()),
        }
    }
}

/// A managed cluster that is started again when it ends by itself.
pub struct Kept {
    task: tokio::task::JoinHandle<Option<Cluster>>,
    enough: oneshot::Sender<()>,
}

impl Kept {
    pub fn new(cluster: Cluster, data_dir: &Path) -> Kept {
        let (enough, receiver) = oneshot::channel();
        let task = tokio::spawn(keep(cluster, data_dir.to_path_buf(), receiver));
        Kept { task, enough }
    }

    /// Stops the cluster.
    pub async fn stop(self) -> Result<(), Failure> {
        // The task only ends before it is told to if it panicked, which `join` then shows.
        let _ = self.enough.send(());
        match self.task.await {
            Ok(Some(cluster)) => Ok(cluster.stop().await?),
            Ok(None) => Ok(()),
            Err(error) => Err(Failure::new(format!("nobody watched PostgreSQL: {error}"))),
        }
    }
}

/// Waits for the cluster to end and starts it anew, until it is enough. Returns the cluster that
/// runs at that moment, if one does.
async fn keep(
    mut cluster: Cluster,
    data_dir: PathBuf,
    mut enough: oneshot::Receiver<()>,
) -> Option<Cluster> {
    loop {
        tokio::select! {
            _ = &mut enough => return Some(cluster),
            () = cluster.ended() => {}
        }
        error!("PostgreSQL has ended by itself; it is started again");
        // Its lock on the data directory must go before a new one can be taken.
        drop(cluster);
        tokio::select! {
            _ = &mut enough => return None,
            started = start_again(&data_dir) => cluster = started,
        }
    }
}

/// Tries until it works: whoever ended PostgreSQL may not be done with it, and a full disk gets
/// room some day.
async fn start_again(data_dir: &Path) -> Cluster {
    let mut pause = Duration::from_millis(100);
    loop {
        match Cluster::start(data_dir, &|text| info!("{text}")).await {
            Ok(cluster) => {
                info!("PostgreSQL runs again");
                return cluster;
            }
            Err(error) => warn!(error = %error, "PostgreSQL cannot be started yet"),
        }
        tokio::time::sleep(pause).await;
        pause = (pause * 2).min(Duration::from_secs(10));
    }
}
