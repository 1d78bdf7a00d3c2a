//! What `andiron doctor` reports about the managed cluster: one line per check.
//!
//! It only looks. It makes no directory, starts nothing, and downloads nothing.

use super::account::RunAs;
use super::binaries::{self, OLDEST_MAJOR};
use super::layout::{self, Layout};
use super::postmaster;
use rustix::fs::statvfs;
use std::fs;
use std::path::Path;

/// Less free space than this, in bytes, is reported as a problem.
const LEAST_FREE: u64 = 1 << 30;

/// Checks the cluster of `data_dir`, which need not exist yet. Every check is a name and either a
/// finding that is fine or one that is not, both as text for the user.
pub async fn inspect(data_dir: &Path) -> Vec<(String, Result<String, String>)> {
    let data_dir = fs::canonicalize(data_dir)
        .or_else(|_| std::path::absolute(data_dir))
        .unwrap_or_else(|_| data_dir.to_path_buf());
    let layout = Layout::find(&data_dir);
    let run_as = RunAs::choose(&layout.pgdata);
    let mut checks = vec![
        ("data directory", inspect_lock(&data_dir)),
        ("account", inspect_account(&run_as, &layout)),
    ];
    let run_as = run_as.unwrap_or(RunAs(None));
    checks.extend([
        ("PostgreSQL", inspect_binaries(&run_as, &layout).await),
        ("database", inspect_database(&run_as, &layout).await),
        ("server", Ok(inspect_server(&layout))),
        ("socket", inspect_socket(&layout)),
        ("disk", inspect_disk(&layout.base)),
    ]);
    checks
        .into_iter()
        .map(|(name, finding)| (name.to_owned(), finding))
        .collect()
}

fn inspect_lock(data_dir: &Path) -> Result<String, String> {
    let shown = data_dir.display();
    match layout::find_lock_holder(data_dir) {
        Ok(Some(pid)) => Ok(format!("{shown} is in use by Andiron, process {pid}")),
        Ok(None) if !data_dir.exists() => Ok(format!("{shown} will be created")),
        Ok(None) => Ok(format!("{shown} is free")),
        Err(error) => Err(format!("the lock in {shown} cannot be read: {error}")),
    }
}

fn inspect_account(
    run_as: &Result<RunAs, super::ClusterError>,
    layout: &Layout,
) -> Result<String, String> {
    let run_as = run_as.as_ref().map_err(|error| error.message.clone())?;
    let Some(account) = &run_as.0 else {
        return Ok("PostgreSQL runs as the current user".to_owned());
    };
    let steps_down = format!("we are root, PostgreSQL runs as user \"{}\"", account.name);
    match run_as.find_barrier(&layout.base) {
        Some(barrier) if layout.pgdata.exists() => Err(format!(
            "{steps_down}, who cannot enter {}",
            barrier.display()
        )),
        _ => Ok(steps_down),
    }
}

async fn inspect_binaries(run_as: &RunAs, layout: &Layout) -> Result<String, String> {
    let search = binaries::search(run_as, None, &layout.downloads).await;
    match &search.found {
        Some(found) => Ok(format!(
            "version {} in {}",
            found.version,
            found.dir.display()
        )),
        None => Err(format!(
            "no version {OLDEST_MAJOR} or newer ({}); one would be downloaded",
            search.explain()
        )),
    }
}

async fn inspect_database(run_as: &RunAs, layout: &Layout) -> Result<String, String> {
    let shown = layout.pgdata.display();
    let Some(major) = binaries::data_version(&layout.pgdata).map_err(|error| error.message)? else {
        return Ok(format!("{shown} will be created"));
    };
    match binaries::search(run_as, Some(major), &layout.downloads)
        .await
        .found
    {
        Some(found) => Ok(format!(
            "{shown} is of version {major}, served by {}",
            found.dir.display()
        )),
        None => Err(format!(
            "{shown} is of version {major}, which is not installed"
        )),
    }
}

fn inspect_server(layout: &Layout) -> String {
    match postmaster::find_running(&layout.pgdata) {
        Some(file) => format!("process {} is {}", file.pid.as_raw_pid(), file.state),
        None => "not running".to_owned(),
    }
}

fn inspect_socket(layout: &Layout) -> Result<String, String> {
    let bytes = layout::socket_path_length(&layout.socket_dir);
    let shown = layout.socket_dir.display();
    match layout.socket_dir.starts_with(&layout.base) {
        true => Ok(format!("in {shown}, {bytes} bytes")),
        false => Ok(format!(
            "in {shown}, {bytes} bytes, because the data directory's path is too long"
        )),
    }
}

fn inspect_disk(base: &Path) -> Result<String, String> {
    let existing = base.ancestors().find(|path| path.exists()).unwrap_or(base);
    let space = statvfs(existing).map_err(|error| {
        format!(
            "the free space at {} is unknown: {error}",
            existing.display()
        )
    })?;
    let free = space.f_bavail.saturating_mul(space.f_frsize);
    let finding = format!("{:.1} GB free at {}", free as f64 / 1e9, existing.display());
    match free < LEAST_FREE {
        true => Err(finding),
        false => Ok(finding),
    }
}
