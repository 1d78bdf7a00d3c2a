//! Where the cluster keeps what: the data directory, its lock, and the ways out where a
//! directory is closed to the account or its path is too long for a socket.
//!
//! ```text
//! <data dir>/andiron.lock   locked for as long as an Andiron uses the directory; holds its pid
//! <data dir>/postgresql/    downloaded programs, if any, by version
//! <base>/postgres/          the database (PGDATA)
//! <base>/run/               the socket; 0700, so that only the account and root connect
//! <base>/log/postgres.log   what the server says
//! ```
//!
//! The base is the data directory, with one exception. When root steps down to an account that
//! cannot enter the data directory (a checkout below `/root`, say), the base is a directory of
//! its own in `/var/lib/andiron`, and `<data dir>/cluster` is a link to it. The link is the only
//! memory of that place: a data directory that is moved keeps its database, and one that is
//! deleted and made anew starts empty.

use super::account::RunAs;
use super::error::ClusterError;
use rustix::fs::{FlockOperation, OFlags, flock};
use std::fs::{self, File, OpenOptions};
use std::io::{self, Read, Write};
use std::os::unix::ffi::OsStrExt;
use std::os::unix::fs::{DirBuilderExt, MetadataExt, OpenOptionsExt, PermissionsExt, symlink};
use std::path::{Path, PathBuf};
use std::time::Duration;
use xxhash_rust::xxh3::xxh3_64;

/// The port number, which with a Unix socket is only a part of the file's name.
pub(super) const PORT: u16 = 5432;

/// The longest path of a socket that every system takes, in bytes: Linux has room for 107,
/// macOS for 103, and we stay clear of both.
const LONGEST_SOCKET_PATH: usize = 100;

/// Where databases go whose data directory is closed to the account of PostgreSQL.
const ELSEWHERE: &str = "/var/lib/andiron";

/// The directories of one cluster.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Layout {
    pub(super) base: PathBuf,
    pub(super) pgdata: PathBuf,
    pub(super) socket_dir: PathBuf,
    pub(super) log_file: PathBuf,
    pub(super) downloads: PathBuf,
}

impl Layout {
    /// The directories of the cluster of `data_dir` as they stand; creates nothing.
    pub(super) fn find(data_dir: &Path) -> Self {
        let link = fs::canonicalize(data_dir.join("cluster"));
        let base = link.unwrap_or_else(|_| data_dir.to_path_buf());
        Self::below(data_dir, base)
    }

    fn below(data_dir: &Path, base: PathBuf) -> Self {
        Self {
            pgdata: base.join("postgres"),
            socket_dir: socket_dir(&base),
            log_file: base.join("log").join("postgres.log"),
            downloads: data_dir.join("postgresql"),
            base,
        }
    }

    /// Creates what is missing (but the database itself), owned by and open to `run_as`.
    pub(super) fn create(
        data_dir: &Path,
        run_as: &RunAs,
        notice: &(dyn Fn(&str) + Sync),
    ) -> Result<Self, ClusterError> {
        let link = data_dir.join("cluster");
        if fs::symlink_metadata(&link).is_ok() && fs::canonicalize(&link).is_err() {
            return Err(ClusterError::new(
                format!(
                    "the database of this data directory is gone: {} leads nowhere",
                    link.display()
                ),
                "Restore the directory that it leads to, or delete the link to start with an empty database.",
            ));
        }
        let mut layout = Self::find(data_dir);
        if let Some(barrier) = open_barrier(run_as, &layout.base) {
            if layout.pgdata.exists() || layout.base != data_dir {
                return Err(closed(&layout.base, &barrier, run_as));
            }
            let base = create_elsewhere(&link, run_as)?;
            notice(&format!(
                "The database's account cannot enter {}, so the database is kept in {}, linked from {}.",
                barrier.display(),
                base.display(),
                link.display()
            ));
            layout = Self::below(data_dir, base);
        }
        create_private(&layout.socket_dir, run_as)?;
        create_private(&layout.base.join("log"), run_as)?;
        Ok(layout)
    }
}

/// The directory that keeps the account out of `base`. The data directory is ours to open, for
/// passing through and not for reading, so it is opened rather than reported.
fn open_barrier(run_as: &RunAs, base: &Path) -> Option<PathBuf> {
    let barrier = run_as.find_barrier(base)?;
    if barrier == base
        && let Ok(meta) = fs::metadata(base)
    {
        let mode = (meta.mode() | 0o111) & 0o7777;
        let _ = fs::set_permissions(base, fs::Permissions::from_mode(mode));
    }
    run_as.find_barrier(base)
}

fn closed(base: &Path, barrier: &Path, run_as: &RunAs) -> ClusterError {
    let account = run_as
        .0
        .as_ref()
        .map_or("itself", |account| account.name.as_str());
    ClusterError::new(
        format!(
            "PostgreSQL would run as user \"{account}\", who cannot enter {} and so not reach its database in {}",
            barrier.display(),
            base.display()
        ),
        format!(
            "Open that directory for passing through (chmod o+x {}), or move the data directory and name it with --data-dir.",
            barrier.display()
        ),
    )
}

/// A new directory in the place for databases that cannot be where their data directory is.
fn create_elsewhere(link: &Path, run_as: &RunAs) -> Result<PathBuf, ClusterError> {
    let parent = Path::new(ELSEWHERE);
    let base = parent.join(uuid::Uuid::now_v7().simple().to_string());
    fs::create_dir_all(parent).map_err(|error| ClusterError::io("create", parent, &error))?;
    let mut builder = fs::DirBuilder::new();
    builder
        .mode(0o755)
        .create(&base)
        .map_err(|error| ClusterError::io("create", &base, &error))?;
    if let Some(barrier) = open_barrier(run_as, &base) {
        let _ = fs::remove_dir(&base);
        return Err(closed(&base, &barrier, run_as));
    }
    symlink(&base, link).map_err(|error| ClusterError::io("create", link, &error))?;
    Ok(base)
}

/// The directory of the socket: inside the base, or where that makes too long a path, one in the
/// directory for temporary files, named by the base.
fn socket_dir(base: &Path) -> PathBuf {
    let inside = base.join("run");
    if socket_path_length(&inside) <= LONGEST_SOCKET_PATH {
        return inside;
    }
    let name = format!("andiron-{:016x}", xxh3_64(base.as_os_str().as_bytes()));
    let temporary = std::env::temp_dir().join(&name);
    match socket_path_length(&temporary) <= LONGEST_SOCKET_PATH {
        true => temporary,
        false => Path::new("/tmp").join(name),
    }
}

/// The bytes of the path of the socket file in `directory`.
pub(super) fn socket_path_length(directory: &Path) -> usize {
    let socket = directory.join(format!(".s.PGSQL.{PORT}"));
    socket.as_os_str().len()
}

/// Creates a directory that only the account may enter. One that exists must be a real directory
/// of ours that was closed to others all along: in a shared place, such as that for temporary
/// files, somebody else could have put it there to be the server that we talk to.
fn create_private(directory: &Path, run_as: &RunAs) -> Result<(), ClusterError> {
    match fs::DirBuilder::new().mode(0o700).create(directory) {
        Ok(()) => {}
        Err(error) if error.kind() == io::ErrorKind::AlreadyExists => {
            check_private(directory, run_as)?;
        }
        Err(error) => return Err(ClusterError::io("create", directory, &error)),
    }
    run_as.own(directory)
}

fn check_private(directory: &Path, run_as: &RunAs) -> Result<(), ClusterError> {
    let meta = fs::symlink_metadata(directory)
        .map_err(|error| ClusterError::io("inspect", directory, &error))?;
    let ours = [run_as.uid(), rustix::process::geteuid().as_raw()];
    let complaint = if !meta.is_dir() {
        "is not a directory".to_owned()
    } else if !ours.contains(&meta.uid()) {
        format!("belongs to another user (id {})", meta.uid())
    } else if meta.mode() & 0o077 != 0 {
        format!("is open to other users (mode {:o})", meta.mode() & 0o777)
    } else {
        return Ok(());
    };
    Err(ClusterError::new(
        format!(
            "{} {complaint}, so it cannot be trusted with the database's socket or log",
            directory.display()
        ),
        "Delete it if nothing else needs it (Andiron creates it anew), or choose another data directory with --data-dir.",
    ))
}

/// Creates the data directory if it is missing, and gives its real path.
pub(super) fn create_data_dir(data_dir: &Path) -> Result<PathBuf, ClusterError> {
    fs::create_dir_all(data_dir)
        .and_then(|()| fs::canonicalize(data_dir))
        .map_err(|error| ClusterError::io("create", data_dir, &error))
}

/// The file whose lock says that an Andiron uses this data directory.
pub(super) fn lock_path(data_dir: &Path) -> PathBuf {
    data_dir.join("andiron.lock")
}

/// Locks the data directory for as long as the returned file lives. The system releases the
/// lock however the process ends, so a lock file that is merely left behind means nothing.
pub(super) async fn lock(data_dir: &Path, run_as: &RunAs) -> Result<File, ClusterError> {
    // An Andiron that is just ending, or a look by `andiron doctor`, is over within this time.
    const ATTEMPTS: u32 = 25;
    const PAUSE: Duration = Duration::from_millis(20);
    let path = lock_path(data_dir);
    let mut file = OpenOptions::new()
        .read(true)
        .write(true)
        .create(true)
        .truncate(false)
        .custom_flags(OFlags::NOFOLLOW.bits() as i32)
        .open(&path)
        .map_err(|error| ClusterError::io("open", &path, &error))?;
    for _ in 0..ATTEMPTS {
        match flock(&file, FlockOperation::NonBlockingLockExclusive) {
            Ok(()) => {
                // So that the same data directory can be used by that account on another day.
                run_as.own(&path)?;
                let pid = std::process::id();
                file.set_len(0)
                    .and_then(|()| writeln!(file, "{pid}"))
                    .map_err(|error| ClusterError::io("write", &path, &error))?;
                return Ok(file);
            }
            Err(rustix::io::Errno::WOULDBLOCK) => tokio::time::sleep(PAUSE).await,
            Err(error) => return Err(ClusterError::io("lock", &path, &error.into())),
        }
    }
    Err(ClusterError::new(
        format!(
            "the data directory {} is in use by another Andiron (process {})",
            data_dir.display(),
            lock_holder(&mut file)
        ),
        "Stop that one first, or choose another data directory with --data-dir.",
    ))
}

fn lock_holder(file: &mut File) -> String {
    let mut text = String::new();
    match file.read_to_string(&mut text) {
        Ok(_) if !text.trim().is_empty() => text.trim().to_owned(),
        _ => "unknown".to_owned(),
    }
}

/// The process that holds the lock of the data directory, if any does.
pub(super) fn find_lock_holder(data_dir: &Path) -> io::Result<Option<String>> {
    let mut file = match File::open(lock_path(data_dir)) {
        Ok(file) => file,
        Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(None),
        Err(error) => return Err(error),
    };
    match flock(&file, FlockOperation::NonBlockingLockShared) {
        Ok(()) => Ok(None),
        Err(rustix::io::Errno::WOULDBLOCK) => Ok(Some(lock_holder(&mut file))),
        Err(error) => Err(error.into()),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_socket_path_that_is_too_long_moves_to_a_short_place() {
        let short = Path::new("/srv/andiron/data");
        assert_eq!(socket_dir(short), short.join("run"));
        let long = Path::new("/srv").join("x".repeat(90));
        let moved = socket_dir(&long);
        assert!(!moved.starts_with(&long));
        assert!(socket_path_length(&moved) <= LONGEST_SOCKET_PATH);
        assert_eq!(moved, socket_dir(&long), "the same place every time");
        assert_ne!(moved, socket_dir(&long.join("other")));
    }

    #[test]
    fn a_private_directory_that_somebody_else_prepared_is_refused() {
        let root = tempfile::tempdir().expect("a temporary directory");
        let run_as = RunAs(None);
        let fresh = root.path().join("fresh");
        create_private(&fresh, &run_as).expect("created");
        create_private(&fresh, &run_as).expect("accepted again");

        let open = root.path().join("open");
        fs::create_dir(&open).expect("create");
        fs::set_permissions(&open, fs::Permissions::from_mode(0o777)).expect("mode");
        let link = root.path().join("link");
        symlink(&fresh, &link).expect("link");
        let file = root.path().join("file");
        fs::write(&file, "").expect("write");
        let cases = [
            (open, "open to other users"),
            (link, "not a directory"),
            (file, "not a directory"),
        ];
        for (path, complaint) in cases {
            let error = create_private(&path, &run_as).expect_err(complaint);
            assert!(error.message.contains(complaint), "{error}");
        }
    }

    #[tokio::test]
    async fn a_locked_data_directory_names_its_holder() {
        let root = tempfile::tempdir().expect("a temporary directory");
        assert_eq!(find_lock_holder(root.path()).expect("readable"), None);
        let held = lock(root.path(), &RunAs(None)).await.expect("locked");
        let holder = find_lock_holder(root.path()).expect("readable");
        assert_eq!(holder, Some(std::process::id().to_string()));
        let refused = lock(root.path(), &RunAs(None)).await.expect_err("refused");
        assert!(
            refused.message.contains("in use by another Andiron"),
            "{refused}"
        );
        drop(held);
        assert_eq!(find_lock_holder(root.path()).expect("readable"), None);
        lock(root.path(), &RunAs(None)).await.expect("free again");
    }
}
