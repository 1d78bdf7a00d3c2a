//! The managed cluster: a PostgreSQL server of Andiron's own, so that one command is enough.
//!
//! [`Cluster::start`] does, in this order, and each step in a file of its own:
//!
//! ```text
//! layout      find or make the data directory, and lock it          one Andiron per directory
//! account     choose who runs PostgreSQL                            root steps down
//! binaries    find postgres and initdb, version 15 or newer         else download
//! database    initdb if there is no database yet; our settings      whole or not at all
//! postmaster  adopt a server that was left behind, else start one   wait until it is ready
//! database    the database "andiron"
//! ```
//!
//! It listens on a Unix socket in a directory that only its account may enter, and on no TCP
//! port; that directory is the whole of its access control. See
//! [PostgreSQL: server setup](https://www.postgresql.org/docs/current/runtime.html).
//!
//! It deliberately does not migrate the schema ([`super`]), make backups, upgrade a database to
//! another major version, or start the server again when it ends by itself: see
//! [`Cluster::ended`].
//!
//! ## Decisions
//! - 2026-11: a server left behind by a killed Andiron is adopted, not restarted: it is ready at
//!   once, and a restart would first write a checkpoint. The price is that the dead Andiron's
//!   sessions must be ended, which is one statement. Test: `an_orphaned_server_is_adopted`.
//! - 2026-11: the account's lack of access to the data directory is not worked around by opening
//!   other people's directories, such as `/root`; the database moves instead (see [`layout`]).
//!   Test: `a_closed_parent_moves_the_database_elsewhere`.
//! - 2026-11: standard error goes to a file without PostgreSQL's log collector: one process less,
//!   and the reason of a failed start is where we can read it back to the user.

mod account;
mod binaries;
mod database;
mod download;
mod error;
mod inspect;
mod layout;
mod postmaster;
mod settings;
#[cfg(test)]
mod tests;

pub use binaries::{OLDEST_MAJOR, PostgresVersion};
pub use error::ClusterError;
pub use inspect::inspect;
pub use settings::MAX_CONNECTIONS;

use account::RunAs;
use binaries::Binaries;
use layout::Layout;
use postmaster::Postmaster;
use rustix::process::Signal;
use sqlx::Connection;
use sqlx::postgres::{PgConnectOptions, PgSslMode};
use std::fs::{self, File};
use std::os::unix::fs::MetadataExt;
use std::path::Path;

/// A running PostgreSQL server that this process owns. Dropping it asks the server for a fast
/// shutdown without waiting for it; [`Cluster::stop`] waits.
#[derive(Debug)]
pub struct Cluster {
    /// `None` once it has been stopped or abandoned.
    postmaster: Option<Postmaster>,
    binaries: Binaries,
    layout: Layout,
    adopted: bool,
    /// Held for as long as we own the server; the last to be dropped.
    _lock: File,
}

impl Cluster {
    /// Starts the cluster of `data_dir`, making whatever is missing; at most one Andiron can do
    /// so per data directory. `notice` is told, in whole sentences, what the user should know.
    ///
    /// # Errors
    /// A sentence on what went wrong and another on what to do, for the user to read.
    pub async fn start(
        data_dir: &Path,
        notice: &(dyn Fn(&str) + Sync),
    ) -> Result<Self, ClusterError> {
        let data_dir = layout::create_data_dir(data_dir)?;
        let run_as = RunAs::choose(&Layout::find(&data_dir).pgdata)?;
        let lock = layout::lock(&data_dir, &run_as).await?;
        let layout = Layout::create(&data_dir, &run_as, notice)?;
        if let Some(account) = &run_as.0 {
            notice(&format!(
                "PostgreSQL refuses to run as root, so it runs as user \"{}\".",
                account.name
            ));
        }
        let binaries = find_binaries(&layout, &run_as, notice).await?;
        prepare_database(&layout, &run_as, &binaries, notice).await?;
        let orphan = postmaster::adopt(&layout, notice).await?;
        let adopted = orphan.is_some();
        let postmaster = match orphan {
            Some(orphan) => {
                notice("A PostgreSQL server left running by an earlier Andiron is used again.");
                orphan.signal(Signal::HUP);
                orphan
            }
            None => postmaster::launch(&layout, &run_as, &binaries, notice).await?,
        };
        let cluster = Self {
            postmaster: Some(postmaster),
            binaries,
            layout,
            adopted,
            _lock: lock,
        };
        cluster.settle().await?;
        Ok(cluster)
    }

    /// Makes sure of the database, and that no session of a former Andiron is left.
    async fn settle(&self) -> Result<(), ClusterError> {
        let mut connection = database::connect(&self.connect_options()).await?;
        if self.adopted {
            database::end_former_sessions(&mut connection).await?;
        }
        let _ = connection.close().await;
        Ok(())
    }

    /// How to connect to the database `andiron`: by the Unix socket, as its superuser. The
    /// environment of this process (`PGPASSWORD` and the like) plays no part where we set a value.
    pub fn connect_options(&self) -> PgConnectOptions {
        PgConnectOptions::new_without_pgpass()
            .socket(&self.layout.socket_dir)
            .port(layout::PORT)
            .username(database::NAME)
            .database(database::NAME)
            .application_name(database::NAME)
            .ssl_mode(PgSslMode::Disable)
    }

    /// The version of the programs that run it.
    pub fn version(&self) -> PostgresVersion {
        self.binaries.version
    }

    /// The directory of the programs that run it (`postgres`, and usually `psql` and `pg_dump`).
    pub fn bin_dir(&self) -> &Path {
        &self.binaries.dir
    }

    /// The directory of its socket, as `psql -h` takes it.
    pub fn socket_dir(&self) -> &Path {
        &self.layout.socket_dir
    }

    /// The process id of its postmaster, if it was not stopped.
    pub fn pid(&self) -> Option<u32> {
        let postmaster = self.postmaster.as_ref()?;
        postmaster.pid.as_raw_pid().try_into().ok()
    }

    /// Whether it was found running, left behind by an Andiron that was killed.
    pub fn was_adopted(&self) -> bool {
        self.adopted
    }

    /// Returns when the server has ended by itself, which it does not unless it is killed or
    /// stopped from outside: a crash of one of its sessions it survives.
    pub async fn ended(&mut self) {
        if let Some(postmaster) = &mut self.postmaster {
            postmaster.ended().await;
        }
    }

    /// Shuts the server down and waits for it: open transactions are rolled back, everything
    /// committed is on disk either way. After 30 seconds the shutdown becomes an immediate one.
    ///
    /// # Errors
    /// When even that does not end it.
    pub async fn stop(mut self) -> Result<(), ClusterError> {
        match self.postmaster.take() {
            Some(postmaster) => postmaster.stop().await,
            None => Ok(()),
        }
    }

    /// Gives the server up without stopping it, as if this process had been killed.
    pub fn abandon(mut self) {
        self.postmaster = None;
    }
}

impl Drop for Cluster {
    fn drop(&mut self) {
        if let Some(postmaster) = &mut self.postmaster
            && postmaster.is_running()
        {
            postmaster.signal(Signal::INT);
        }
    }
}

/// The programs that fit the database, downloaded if there are none.
async fn find_binaries(
    layout: &Layout,
    run_as: &RunAs,
    notice: &(dyn Fn(&str) + Sync),
) -> Result<Binaries, ClusterError> {
    let wanted = binaries::data_version(&layout.pgdata)?;
    if let Some(major) = wanted.filter(|major| *major < OLDEST_MAJOR) {
        return Err(binaries::data_too_old(&layout.pgdata, major));
    }
    let search = binaries::search(run_as, wanted, &layout.downloads).await;
    if let Some(found) = search.found {
        return Ok(found);
    }
    let downloaded = download::download(run_as, wanted, &layout.downloads, notice).await;
    let again = binaries::search(run_as, wanted, &layout.downloads).await;
    let reason = match downloaded {
        Err(reason) => format!("downloading it failed: {reason}"),
        Ok(()) => format!("the downloaded one does not work: {}", again.explain()),
    };
    match (again.found, wanted) {
        (Some(found), _) => Ok(found),
        (None, None) => Err(binaries::not_found(&search, &reason)),
        (None, Some(major)) => {
            let pgdata = &layout.pgdata;
            Err(binaries::version_mismatch(pgdata, major, &search, &reason))
        }
    }
}

/// Makes sure that there is a database directory, of the account's, with our settings.
async fn prepare_database(
    layout: &Layout,
    run_as: &RunAs,
    binaries: &Binaries,
    notice: &(dyn Fn(&str) + Sync),
) -> Result<(), ClusterError> {
    match fs::symlink_metadata(&layout.pgdata) {
        Ok(_) if binaries::data_version(&layout.pgdata)?.is_none() => Err(ClusterError::new(
            format!(
                "{} exists but holds no PostgreSQL database",
                layout.pgdata.display()
            ),
            "Move it out of the way, or choose another data directory with --data-dir.",
        )),
        Ok(meta) if meta.uid() != run_as.uid() => match run_as.0 {
            Some(_) => run_as.own_tree(&layout.pgdata),
            None => Err(ClusterError::new(
                format!(
                    "the database in {} belongs to another user (id {})",
                    layout.pgdata.display(),
                    meta.uid()
                ),
                "Start Andiron as that user or as root, or choose another data directory with --data-dir.",
            )),
        },
        Ok(_) => Ok(()),
        Err(_) => {
            notice(&format!(
                "Creating a database with PostgreSQL {} in {}.",
                binaries.version,
                layout.pgdata.display()
            ));
            database::initialise(layout, run_as, binaries).await
        }
    }?;
    database::write_settings(layout, run_as, binaries).await
}
