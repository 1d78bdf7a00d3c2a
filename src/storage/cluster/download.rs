//! Downloading PostgreSQL where none is installed, with the `postgresql_embedded` crate.
//!
//! The archives are those of the crate's default source, checked by the crate against their
//! published hashes, and kept under the data directory for later starts. Only the crate's
//! installation is used: it would run `initdb` and the server in its own way (as root, on a TCP
//! port), so both are left to [`super`].

use super::account::RunAs;
use postgresql_embedded::{PostgreSQL, Settings, VersionReq};
use std::fs;
use std::io;
use std::os::unix::fs::PermissionsExt;
use std::path::Path;
use std::time::Duration;

/// The major version that is fetched for a new database.
const DOWNLOADED_MAJOR: u32 = 17;

/// How long a download may take before it is given up.
const DEADLINE: Duration = Duration::from_secs(600);

/// Downloads programs of the major version `wanted` into a directory below `downloads`, named
/// by their version, where [`super::binaries::search`] finds them from then on.
pub(super) async fn download(
    run_as: &RunAs,
    wanted: Option<u32>,
    downloads: &Path,
    notice: &(dyn Fn(&str) + Sync),
) -> Result<(), String> {
    let major = wanted.unwrap_or(DOWNLOADED_MAJOR);
    // Two crates bring different defaults for TLS; whoever comes first decides, which is fine.
    let _ = rustls::crypto::ring::default_provider().install_default();
    let scratch = downloads.join("scratch");
    let settings = prepare(major, downloads, &scratch)
        .map_err(|error| format!("cannot prepare {}: {error}", downloads.display()))?;
    notice(&format!(
        "No usable PostgreSQL is installed. Downloading PostgreSQL {major} once, about 30 MB, \
         from {} to {}.",
        settings.releases_url,
        downloads.display()
    ));
    let mut postgresql = PostgreSQL::new(settings);
    let outcome = tokio::time::timeout(DEADLINE, postgresql.setup()).await;
    let _ = fs::remove_dir_all(&scratch);
    match outcome {
        Err(_) => return Err(format!("no answer within {} s", DEADLINE.as_secs())),
        Ok(Err(error)) => return Err(explain(&error)),
        Ok(Ok(())) => {}
    }
    open_to(run_as, &postgresql.settings().installation_dir)
        .map_err(|error| format!("cannot hand over {}: {error}", downloads.display()))
}

/// The crate's settings for an installation and nothing else: it runs `initdb` unless its data
/// directory holds a `postgresql.conf`, so it is shown a scratch directory with an empty one.
fn prepare(major: u32, downloads: &Path, scratch: &Path) -> io::Result<Settings> {
    fs::create_dir_all(scratch)?;
    fs::write(scratch.join("postgresql.conf"), "")?;
    let mut settings = Settings::default();
    // The defaults come with two fresh temporary directories that nobody else would remove.
    let _ = fs::remove_dir_all(&settings.data_dir);
    if let Some(parent) = settings.password_file.parent() {
        let _ = fs::remove_dir(parent);
    }
    settings.version = VersionReq::parse(&format!("={major}"))
        .map_err(|error| io::Error::other(error.to_string()))?;
    settings.installation_dir = downloads.to_path_buf();
    settings.password_file = scratch.join("password");
    settings.data_dir = scratch.to_path_buf();
    Ok(settings)
}

/// An error with its causes: the crate's own words are often only that something failed.
fn explain(error: &dyn std::error::Error) -> String {
    let causes = std::iter::successors(error.source(), |cause| cause.source());
    causes.fold(error.to_string(), |text, cause| format!("{text}: {cause}"))
}

/// The crate unpacks into a directory that only we may enter; the account must enter it too.
fn open_to(run_as: &RunAs, installation: &Path) -> io::Result<()> {
    if run_as.0.is_some() {
        fs::set_permissions(installation, fs::Permissions::from_mode(0o755))?;
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_scratch_directory_looks_initialised_to_the_crate() {
        let root = tempfile::tempdir().expect("a temporary directory");
        let scratch = root.path().join("scratch");
        let settings = prepare(17, root.path(), &scratch).expect("settings");
        assert!(scratch.join("postgresql.conf").is_file());
        assert_eq!(settings.version.to_string(), "=17");
        assert_eq!(settings.installation_dir, root.path());
    }
}
