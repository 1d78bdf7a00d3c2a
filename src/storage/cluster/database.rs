//! Making the database directory (`initdb`), our settings in it, and the database `andiron`.
//!
//! `initdb` works in a directory `postgres.new-*`, which becomes `postgres` by one rename when it
//! is complete: a directory of the final name is always whole, and half of one is thrown away.
//! The name is a new one every time, because an `initdb` whose Andiron was killed may go on.

use super::account::{RunAs, capture};
use super::binaries::Binaries;
use super::error::ClusterError;
use super::layout::Layout;
use super::settings::{self, Machine};
use rustix::fs::OFlags;
use sqlx::postgres::{PgConnectOptions, PgConnection};
use sqlx::{ConnectOptions, Connection, Executor};
use std::fs::{self, File, OpenOptions};
use std::io::{self, Write};
use std::os::unix::fs::{OpenOptionsExt, fchown};
use std::path::Path;

/// The superuser role of the cluster, and the name of its one database.
pub(super) const NAME: &str = "andiron";

/// How the name of a database directory in the making begins.
const UNFINISHED: &str = "postgres.new-";

/// Creates the database directory.
pub(super) async fn initialise(
    layout: &Layout,
    run_as: &RunAs,
    binaries: &Binaries,
) -> Result<(), ClusterError> {
    remove_halves(&layout.base);
    let name = format!("{UNFINISHED}{}", uuid::Uuid::now_v7().simple());
    let new = layout.base.join(name);
    let failed = |error| ClusterError::io("prepare", &new, &error);
    fs::DirBuilder::new().create(&new).map_err(failed)?;
    run_as.own(&new)?;
    let mut initdb = run_as.command(&binaries.dir.join("initdb"), &layout.base);
    initdb.arg("-D").arg(&new).args([
        "--encoding=UTF8",
        "--username=andiron",
        // Whoever reaches the socket is let in: its directory is closed to others. Should
        // somebody open a TCP port against our settings, nobody is let in there.
        "--auth-local=trust",
        "--auth-host=reject",
        "--data-checksums",
    ]);
    // Text is compared by its bytes, always and everywhere: indexes stay valid when a system's
    // locale data changes. The built-in provider does the same and knows the case of letters.
    match binaries.version.major {
        ..17 => initdb.arg("--locale=C"),
        _ => initdb.args([
            "--locale=C",
            "--locale-provider=builtin",
            "--builtin-locale=C.UTF-8",
        ]),
    };
    capture(initdb, "initdb").await?;
    include_settings(&new).map_err(failed)?;
    fs::rename(&new, &layout.pgdata)
        .and_then(|()| File::open(&layout.base)?.sync_all())
        .map_err(failed)
}

/// Removes what is left of an `initdb` that was interrupted. If that fails, it only costs space.
fn remove_halves(base: &Path) {
    for entry in fs::read_dir(base).into_iter().flatten().flatten() {
        if entry.file_name().to_string_lossy().starts_with(UNFINISHED) {
            let _ = fs::remove_dir_all(entry.path());
        }
    }
}

/// Makes `postgresql.conf` include our file, which is written before every start.
fn include_settings(pgdata: &Path) -> io::Result<()> {
    let mut file = OpenOptions::new()
        .append(true)
        .custom_flags(OFlags::NOFOLLOW.bits() as i32)
        .open(pgdata.join("postgresql.conf"))?;
    let name = settings::FILE_NAME;
    write!(
        file,
        "\n# Andiron's settings. Your own go below this line.\ninclude_if_exists = '{name}'\n"
    )?;
    file.sync_all()
}

/// Writes our settings as they suit this machine and this PostgreSQL.
pub(super) async fn write_settings(
    layout: &Layout,
    run_as: &RunAs,
    binaries: &Binaries,
) -> Result<(), ClusterError> {
    let machine = Machine {
        memory: settings::available_memory(),
        lz4: knows_lz4(layout, run_as, binaries).await,
    };
    let path = layout.pgdata.join(settings::FILE_NAME);
    replace(&path, &settings::compose(machine), run_as)
        .map_err(|error| ClusterError::io("write", &path, &error))
}

/// Whether this PostgreSQL was built with lz4: it then accepts the value, and refuses it if not.
async fn knows_lz4(layout: &Layout, run_as: &RunAs, binaries: &Binaries) -> bool {
    let mut command = run_as.command(&binaries.dir.join("postgres"), &layout.pgdata);
    command.args(["-C", "wal_compression", "-c", "wal_compression=lz4"]);
    command
        .args(["-c", "default_toast_compression=lz4", "-D"])
        .arg(&layout.pgdata);
    capture(command, "postgres -C").await.is_ok()
}

/// Puts a file of the account's in place at once. The account owns the directory, so nothing that
/// it may have put there is written through.
fn replace(path: &Path, text: &str, run_as: &RunAs) -> io::Result<()> {
    let new = path.with_extension("conf.new");
    match fs::remove_file(&new) {
        Err(error) if error.kind() != io::ErrorKind::NotFound => return Err(error),
        _ => {}
    }
    let mut file = OpenOptions::new()
        .write(true)
        .create_new(true)
        .mode(0o600)
        .open(&new)?;
    file.write_all(text.as_bytes())?;
    if let Some(account) = &run_as.0 {
        fchown(&file, Some(account.uid), Some(account.gid))?;
    }
    file.sync_all()?;
    fs::rename(&new, path)
}

/// Connects to the database `andiron`, which is created if it is missing.
pub(super) async fn connect(options: &PgConnectOptions) -> Result<PgConnection, ClusterError> {
    const INVALID_CATALOG_NAME: &str = "3D000";
    match options.connect().await {
        Err(sqlx::Error::Database(error))
            if error.code().as_deref() == Some(INVALID_CATALOG_NAME) =>
        {
            create(options).await.map_err(|error| refused(&error))?;
            options.connect().await.map_err(|error| refused(&error))
        }
        outcome => outcome.map_err(|error| refused(&error)),
    }
}

async fn create(options: &PgConnectOptions) -> Result<(), sqlx::Error> {
    let mut connection = options.clone().database("postgres").connect().await?;
    connection.execute("CREATE DATABASE andiron").await?;
    connection.close().await
}

/// Ends the sessions of the Andiron that left this server behind, so that none of its locks or
/// transactions outlive it. We hold the data directory's lock, so no living one has any.
pub(super) async fn end_former_sessions(connection: &mut PgConnection) -> Result<(), ClusterError> {
    const END: &str = "SELECT count(pg_terminate_backend(pid, 5000)) FROM pg_stat_activity \
         WHERE application_name = 'andiron' AND backend_type = 'client backend' \
         AND pid <> pg_backend_pid()";
    match connection.execute(END).await {
        Ok(_) => Ok(()),
        Err(error) => Err(refused(&error)),
    }
}

fn refused(error: &sqlx::Error) -> ClusterError {
    ClusterError::new(
        format!("PostgreSQL runs but cannot be used: {error}"),
        "Look at log/postgres.log in the data directory.",
    )
}
