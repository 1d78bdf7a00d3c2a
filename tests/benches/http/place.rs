//! Where is measured: a folder of its own with `andiron serve` on it and, on the cluster that this
//! manages, the floor server. All of it is stopped and removed when dropped.

use crate::drive::Target;
use crate::process::{self, Postmaster, Server};
use crate::{Options, Result, floor};
use sqlx::postgres::{PgConnectOptions, PgConnection};
use sqlx::{ConnectOptions, Connection, Executor};
use std::os::unix::fs::PermissionsExt;
use std::path::{Path, PathBuf};
use std::process::Command;
use std::time::Duration;

/// A server with its data, and the floor beside it. The fields are dropped in this order.
pub struct Place {
    floor: Server,
    server: Option<Server>,
    postmaster: Postmaster,
    folder: Folder,
    connections: u32,
}

/// A temporary folder that the account of the database can pass through.
pub struct Folder(tempfile::TempDir);

impl Folder {
    pub fn new() -> Result<Folder> {
        let folder = tempfile::Builder::new()
            .prefix("andiron-bench-")
            .tempdir()?;
        std::fs::set_permissions(folder.path(), std::fs::Permissions::from_mode(0o755))?;
        Ok(Folder(folder))
    }

    pub fn path(&self) -> &Path {
        self.0.path()
    }

    fn data(&self) -> PathBuf {
        self.path().join("data")
    }
}

impl Drop for Folder {
    fn drop(&mut self) {
        if let Some(cluster) = process::elsewhere(&self.data()) {
            let _ = std::fs::remove_dir_all(cluster);
        }
    }
}

impl Place {
    /// A new and empty one.
    pub async fn start(options: &Options) -> Result<Place> {
        let folder = Folder::new()?;
        let server = serve(&folder, options.connections).await?;
        let postmaster = Postmaster::find(&folder.data())?;
        create_floor(&postmaster).await?;
        let mut command = Command::new(std::env::current_exe()?);
        command
            .arg("--floor-server")
            .arg(&postmaster.socket_dir)
            .args(["--connections", &options.connections.to_string()]);
        let floor = Server::start(command, &folder.path().join("floor.log")).await?;
        let connections = options.connections;
        Ok(Place {
            floor,
            server: Some(server),
            postmaster,
            folder,
            connections,
        })
    }

    pub fn andiron(&self) -> Result<Target> {
        Ok(self.target(self.server()?))
    }

    pub fn floor(&self) -> Target {
        self.target(&self.floor)
    }

    fn target(&self, server: &Server) -> Target {
        Target {
            address: server.address,
            pid: server.pid(),
            postmaster: self.postmaster.clone(),
        }
    }

    fn server(&self) -> Result<&Server> {
        self.server
            .as_ref()
            .ok_or_else(|| "Andiron is stopped".into())
    }

    /// How long the last start took.
    pub fn start_time(&self) -> Result<Duration> {
        Ok(self.server()?.start)
    }

    /// Stops Andiron with its database and starts both again; the floor server loses its
    /// connections and is not to be used any more.
    pub async fn restart(&mut self) -> Result<()> {
        // The port of the new one is another: the old one must have gone first.
        self.server = None;
        self.server = Some(serve(&self.folder, self.connections).await?);
        self.postmaster = Postmaster::find(&self.folder.data())?;
        Ok(())
    }

    pub fn connect(&self, database: &str) -> PgConnectOptions {
        self.postmaster.connect(database)
    }

    /// A connection of the driver's own.
    pub async fn session(&self, database: &str) -> Result<PgConnection> {
        Ok(self.connect(database).connect().await?)
    }

    /// Runs statements on one of its databases.
    pub async fn execute(&self, database: &str, statements: &str) -> Result<()> {
        let mut session = self.session(database).await?;
        session
            .execute(sqlx::AssertSqlSafe(statements.to_owned()))
            .await?;
        Ok(session.close().await?)
    }

    /// A number out of one of its databases.
    pub async fn number(&self, database: &str, statement: &'static str) -> Result<i64> {
        let mut session = self.session(database).await?;
        let number = sqlx::query_scalar(statement)
            .fetch_one(&mut session)
            .await?;
        session.close().await?;
        Ok(number)
    }

    /// The same database by a URL, as the command line takes it.
    pub fn url(&self, database: &str) -> String {
        let socket_dir = self.postmaster.socket_dir.display().to_string();
        let host =
            percent_encoding::utf8_percent_encode(&socket_dir, percent_encoding::NON_ALPHANUMERIC);
        format!("postgres:///{database}?host={host}&port=5432&user=andiron")
    }

    /// What Andiron logged, for a person who asks why.
    pub fn log(&mut self) -> String {
        let log = std::fs::read_to_string(self.folder.path().join("andiron.log"));
        let ended = self
            .server
            .as_mut()
            .is_some_and(|server| !server.is_running());
        let log = log.unwrap_or_default();
        let lines: Vec<&str> = log.lines().collect();
        let last = lines[lines.len().saturating_sub(20)..].join("\n");
        match ended {
            true => format!("Andiron has ended. Its log:\n{last}"),
            false => format!("Andiron's log:\n{last}"),
        }
    }
}

async fn serve(folder: &Folder, connections: u32) -> Result<Server> {
    let log = folder.path().join("andiron.log");
    process::serve(&folder.data(), &log, connections).await
}

async fn create_floor(postmaster: &Postmaster) -> Result<()> {
    let mut session = postmaster.connect("postgres").connect().await?;
    let create = format!("CREATE DATABASE {}", floor::DATABASE);
    session.execute(sqlx::AssertSqlSafe(create)).await?;
    session.close().await?;
    let mut session = postmaster.connect(floor::DATABASE).connect().await?;
    session.execute(floor::SCHEMA).await?;
    Ok(session.close().await?)
}
