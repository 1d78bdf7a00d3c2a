//! Finding the PostgreSQL programs (`postgres` and `initdb`, version 15 or newer).
//!
//! Searched in this order: `PATH`, `pg_config --bindir`, the versioned directories in which
//! Linux distributions hide them (newest first), an earlier download, and at last a new download
//! (see [`super::download`]). A database that exists already decides the major version: the
//! first directory of that version is taken, because PostgreSQL reads no other version's files.
//!
//! It deliberately does not upgrade a database from one major version to another.

use super::account::{RunAs, capture};
use super::error::{ClusterError, USE_ANOTHER_DATABASE};
use std::ffi::OsStr;
use std::fmt;
use std::fs;
use std::path::{Path, PathBuf};
use tokio::process::Command;

/// The oldest major version that Andiron runs on.
pub const OLDEST_MAJOR: u32 = 15;

/// A version of PostgreSQL, such as 15.18.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub struct PostgresVersion {
    /// The version that decides which files can be read.
    pub major: u32,
    /// The fixes within it; 0 for a development version.
    pub minor: u32,
}

impl fmt::Display for PostgresVersion {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}.{}", self.major, self.minor)
    }
}

/// A directory of programs that were run once and work.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Binaries {
    pub(super) dir: PathBuf,
    pub(super) version: PostgresVersion,
}

/// What a search came to: the programs, if any, and why other directories were passed over.
#[derive(Debug)]
pub(super) struct Search {
    pub(super) found: Option<Binaries>,
    pub(super) skipped: Vec<String>,
}

impl Search {
    /// The directories passed over, as one clause for a message.
    pub(super) fn explain(&self) -> String {
        match self.skipped.as_slice() {
            [] => "none is installed".to_owned(),
            skipped => skipped.join("; "),
        }
    }
}

/// Finds programs of the major version `wanted` (any that is new enough if `None`), usable by
/// `run_as`. Downloads nothing; `downloads` is where earlier downloads are kept.
pub(super) async fn search(run_as: &RunAs, wanted: Option<u32>, downloads: &Path) -> Search {
    let mut skipped = Vec::new();
    let mut seen = Vec::new();
    let path = std::env::var_os("PATH").unwrap_or_default();
    // Each stage is looked at only if the one before gave nothing: running `pg_config` and
    // listing directories would cost every start some milliseconds.
    for stage in 0..3 {
        let candidates = match stage {
            0 => from_path(&path),
            1 => from_pg_config().await,
            _ => installed(downloads),
        };
        for dir in candidates {
            if seen.contains(&dir) {
                continue;
            }
            match probe(run_as, &dir, wanted).await {
                Ok(version) => {
                    let found = Some(Binaries { dir, version });
                    return Search { found, skipped };
                }
                Err(reason) => skipped.push(format!("{}: {reason}", dir.display())),
            }
            seen.push(dir);
        }
    }
    Search {
        found: None,
        skipped,
    }
}

/// Directories of `PATH` that hold both programs, links resolved: `initdb` looks for `postgres`
/// beside itself, and distributions link single programs from elsewhere.
fn from_path(path: &OsStr) -> Vec<PathBuf> {
    std::env::split_paths(path)
        .filter_map(|dir| {
            let target = fs::canonicalize(dir.join("postgres")).ok()?;
            let resolved = target.parent()?.to_path_buf();
            [resolved, dir]
                .into_iter()
                .find(|dir| dir.join("initdb").is_file() && dir.join("postgres").is_file())
        })
        .collect()
}

async fn from_pg_config() -> Vec<PathBuf> {
    let mut command = Command::new("pg_config");
    command.arg("--bindir");
    match capture(command, "pg_config").await {
        Ok(output) => vec![PathBuf::from(output.trim())],
        // That `pg_config` is absent is usual: it comes with the development files.
        Err(_) => Vec::new(),
    }
}

/// The versioned directories of Linux distributions and of macOS packages, and our downloads.
fn installed(downloads: &Path) -> Vec<PathBuf> {
    const ROOTS: [&str; 3] = ["/usr/lib/postgresql", "/opt/homebrew/opt", "/usr/local/opt"];
    let roots = ROOTS.iter().map(Path::new).chain([downloads]);
    roots
        .flat_map(|root| {
            let mut found: Vec<(Vec<u32>, PathBuf)> = fs::read_dir(root)
                .into_iter()
                .flatten()
                .flatten()
                .filter_map(|entry| {
                    let name = entry.file_name();
                    let name = name.to_str()?.trim_start_matches("postgresql@");
                    let version: Option<Vec<u32>> =
                        name.split('.').map(|part| part.parse().ok()).collect();
                    Some((version?, entry.path().join("bin")))
                })
                .collect();
            found.sort();
            found.into_iter().rev().map(|(_, dir)| dir)
        })
        .collect()
}

/// Runs the programs in `dir` once, to know that they work for this account and how old they are.
pub(super) async fn probe(
    run_as: &RunAs,
    dir: &Path,
    wanted: Option<u32>,
) -> Result<PostgresVersion, String> {
    if !dir.join("postgres").is_file() || !dir.join("initdb").is_file() {
        return Err("has no postgres and initdb".to_owned());
    }
    if let Some(barrier) = run_as.find_barrier(dir) {
        return Err(format!("the account cannot enter {}", barrier.display()));
    }
    let mut command = run_as.command(&dir.join("postgres"), Path::new("/"));
    command.arg("--version");
    let output = capture(command, "postgres --version")
        .await
        .map_err(|error| error.message)?;
    let version = parse_version(&output)
        .ok_or_else(|| format!("expected a version but found {:?}", output.trim()))?;
    match wanted {
        _ if version.major < OLDEST_MAJOR => Err(format!(
            "is version {version}, and {OLDEST_MAJOR} or newer is needed"
        )),
        Some(major) if version.major != major => Err(format!(
            "is version {version}, and the data was written by version {major}"
        )),
        _ => Ok(version),
    }
}

/// Reads `postgres (PostgreSQL) 15.18 (Debian ...)`, `... 18beta1`, `... 19devel`.
fn parse_version(output: &str) -> Option<PostgresVersion> {
    let text = output.split("(PostgreSQL)").nth(1)?.trim_start();
    let digits = |text: &str| -> String { text.chars().take_while(char::is_ascii_digit).collect() };
    let major = digits(text);
    let minor = text[major.len()..].strip_prefix('.').map(digits);
    Some(PostgresVersion {
        major: major.parse().ok()?,
        minor: minor.and_then(|minor| minor.parse().ok()).unwrap_or(0),
    })
}

/// The major version that wrote the database directory, `None` if there is none yet.
pub(super) fn data_version(pgdata: &Path) -> Result<Option<u32>, ClusterError> {
    let path = pgdata.join("PG_VERSION");
    let text = match fs::read_to_string(&path) {
        Ok(text) => text,
        Err(error) if error.kind() == std::io::ErrorKind::NotFound => return Ok(None),
        Err(error) => return Err(ClusterError::io("read", &path, &error)),
    };
    match text.trim().parse() {
        Ok(major) => Ok(Some(major)),
        Err(_) => Err(ClusterError::new(
            format!(
                "expected a version in {} but found {:?}",
                path.display(),
                text.trim()
            ),
            "The database directory is damaged: restore it from a backup.",
        )),
    }
}

/// The error for a database that is too old for us.
pub(super) fn data_too_old(pgdata: &Path, major: u32) -> ClusterError {
    ClusterError::new(
        format!(
            "the database in {} was written by PostgreSQL {major}, and Andiron needs {OLDEST_MAJOR} or newer",
            pgdata.display()
        ),
        "Move the data to a newer version with pg_upgrade or pg_dump, or choose another data directory with --data-dir.",
    )
}

/// The error for a database whose version no installed PostgreSQL has.
pub(super) fn version_mismatch(
    pgdata: &Path,
    major: u32,
    search: &Search,
    download: &str,
) -> ClusterError {
    ClusterError::new(
        format!(
            "the database in {} was written by PostgreSQL {major}, and no PostgreSQL {major} was found ({}); {download}",
            pgdata.display(),
            search.explain()
        ),
        format!(
            "Install PostgreSQL {major} beside the other version, or move the data with pg_upgrade or pg_dump, or choose another data directory with --data-dir."
        ),
    )
}

/// The error when nothing is installed and nothing could be downloaded.
pub(super) fn not_found(search: &Search, download: &str) -> ClusterError {
    ClusterError::new(
        format!(
            "no PostgreSQL {OLDEST_MAJOR} or newer was found ({}); {download}",
            search.explain()
        ),
        USE_ANOTHER_DATABASE,
    )
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn versions_are_read_from_what_postgres_says() {
        let cases = [
            (
                "postgres (PostgreSQL) 15.18 (Debian 15.18-0+deb12u1)\n",
                Some((15, 18)),
            ),
            ("postgres (PostgreSQL) 17.2", Some((17, 2))),
            ("postgres (PostgreSQL) 18beta1", Some((18, 0))),
            ("postgres (PostgreSQL) 19devel", Some((19, 0))),
            ("postgres (PostgreSQL) ", None),
            ("sh: postgres: not found", None),
        ];
        for (output, expected) in cases {
            let found = parse_version(output).map(|version| (version.major, version.minor));
            assert_eq!(found, expected, "{output}");
        }
    }

    #[test]
    fn versioned_directories_are_listed_newest_first() {
        let root = tempfile::tempdir().expect("a temporary directory");
        for name in ["9.6", "17.10.0", "17.9.0", "16.1.0", "17.9.0.lock", "notes"] {
            fs::create_dir_all(root.path().join(name).join("bin")).expect("create");
        }
        let ours: Vec<_> = installed(root.path())
            .into_iter()
            .filter_map(|dir| Some(dir.strip_prefix(root.path()).ok()?.to_path_buf()))
            .collect();
        let expected = ["17.10.0/bin", "17.9.0/bin", "16.1.0/bin", "9.6/bin"];
        assert_eq!(ours, expected.map(PathBuf::from));
    }

    #[tokio::test]
    async fn an_old_or_broken_version_is_skipped_with_its_reason() {
        use std::os::unix::fs::PermissionsExt;
        let root = tempfile::tempdir().expect("a temporary directory");
        let cases = [
            (
                "echo 'postgres (PostgreSQL) 14.9'",
                None,
                "is version 14.9, and 15 or newer",
            ),
            (
                "echo 'postgres (PostgreSQL) 16.1'",
                Some(15),
                "written by version 15",
            ),
            ("echo broken >&2; exit 3", None, "broken"),
            ("echo nonsense", None, "expected a version"),
        ];
        for (index, (script, wanted, reason)) in cases.into_iter().enumerate() {
            let dir = root.path().join(index.to_string());
            fs::create_dir(&dir).expect("create");
            for name in ["postgres", "initdb"] {
                let path = dir.join(name);
                fs::write(&path, format!("#!/bin/sh\n{script}\n")).expect("write");
                fs::set_permissions(&path, fs::Permissions::from_mode(0o755)).expect("mode");
            }
            let found = probe(&RunAs(None), &dir, wanted).await.expect_err(script);
            assert!(found.contains(reason), "{found}");
        }
    }
}
