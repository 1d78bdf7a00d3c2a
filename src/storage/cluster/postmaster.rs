//! One running postmaster (the parent process of a PostgreSQL server): starting it, knowing when
//! it takes connections, finding one that an earlier Andiron left behind, and stopping it.
//!
//! The truth about a running server is `postmaster.pid` in its database directory, whose lines
//! are those of `pidfile.h` in PostgreSQL's source: process id, database directory, start time,
//! port, socket directory, listen address, shared memory key, and a state word. `pg_ctl` reads
//! the same file, but looks only once in a good while; a second start should be ready sooner.
//!
//! A server left behind is never trusted by its number alone, because numbers are used again:
//! the process must be at work in our database directory.

use super::account::RunAs;
use super::binaries::Binaries;
use super::error::ClusterError;
use super::layout::{Layout, PORT};
use super::settings;
use rustix::fs::OFlags;
use rustix::process::{Pid, Signal, kill_process, test_kill_process};
use std::fs::{self, File, OpenOptions};
use std::io::{Read, Seek, SeekFrom};
use std::os::unix::fs::OpenOptionsExt;
use std::path::{Path, PathBuf};
use std::process::Stdio;
use std::time::Duration;
use tokio::process::Child;
use tokio::time::{Instant, sleep};

/// How often the state of a starting or stopping server is looked at.
const PAUSE: Duration = Duration::from_millis(10);
/// How long a server may take to be ready: replaying the log after a crash is bounded by
/// `max_wal_size`, but disks differ.
const START_DEADLINE: Duration = Duration::from_secs(300);
/// How long a fast shutdown may take before it becomes an immediate one, which the next start
/// repairs from the write-ahead log.
const STOP_DEADLINE: Duration = Duration::from_secs(30);
/// How long an immediate shutdown may take; the postmaster kills its children after 5 seconds.
const QUIT_DEADLINE: Duration = Duration::from_secs(15);
/// How often someone who waits is told so.
const NOTICE_EVERY: Duration = Duration::from_secs(10);
/// The size in bytes at which the log is set aside at the next start; one former log is kept.
const LOG_LIMIT: u64 = 16 << 20;

/// A postmaster that we own.
#[derive(Debug)]
pub(super) struct Postmaster {
    pub(super) pid: Pid,
    pgdata: PathBuf,
    /// The process if we started it; `None` if we adopted it.
    child: Option<Child>,
}

/// What `postmaster.pid` says.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct PidFile {
    pub(super) pid: Pid,
    pub(super) socket_dir: PathBuf,
    /// `starting`, `ready`, `stopping`, or empty before the server has written it.
    pub(super) state: String,
}

fn pid_path(pgdata: &Path) -> PathBuf {
    pgdata.join("postmaster.pid")
}

/// Reads `postmaster.pid`; `None` if it is absent or only half written.
pub(super) fn find_pid_file(pgdata: &Path) -> Option<PidFile> {
    parse_pid_file(&fs::read_to_string(pid_path(pgdata)).ok()?)
}

fn parse_pid_file(text: &str) -> Option<PidFile> {
    let lines: Vec<&str> = text.lines().collect();
    let line = |index: usize| lines.get(index).copied().unwrap_or_default().trim();
    Some(PidFile {
        pid: Pid::from_raw(line(0).parse().ok()?)?,
        socket_dir: PathBuf::from(line(4)),
        state: line(7).to_owned(),
    })
}

/// Whether the process exists and is at work in the database directory `pgdata`.
fn is_at_work(pid: Pid, pgdata: &Path) -> bool {
    if Path::new("/proc/self/cwd").exists() {
        let process = PathBuf::from(format!("/proc/{}", pid.as_raw_pid()));
        return fs::read_link(process.join("cwd")).is_ok_and(|cwd| cwd == pgdata)
            && fs::read_to_string(process.join("comm"))
                .is_ok_and(|name| name.contains("postgres"));
    }
    // Elsewhere the process is asked for by its command line, which names the directory.
    let output = std::process::Command::new("ps")
        .args(["-o", "command=", "-p", &pid.as_raw_pid().to_string()])
        .output();
    output.is_ok_and(|output| {
        let text = String::from_utf8_lossy(&output.stdout);
        text.contains("postgres") && text.contains(&pgdata.display().to_string())
    })
}

/// The server that is running on `pgdata`, if any.
pub(super) fn find_running(pgdata: &Path) -> Option<PidFile> {
    find_pid_file(pgdata).filter(|file| is_at_work(file.pid, pgdata))
}

/// Takes over the server that an earlier Andiron left running on these directories, waiting for
/// it if it is starting. One that is stopping is waited for, and one that listens elsewhere is
/// stopped; then, as where there was none, the answer is `None` and the way is free.
pub(super) async fn adopt(
    layout: &Layout,
    notice: &(dyn Fn(&str) + Sync),
) -> Result<Option<Postmaster>, ClusterError> {
    let pgdata = &layout.pgdata;
    let mut waiting = Waiting::new(START_DEADLINE);
    while let Some(file) = find_running(pgdata) {
        let orphan = Postmaster {
            pid: file.pid,
            pgdata: pgdata.clone(),
            child: None,
        };
        match file.state.as_str() {
            "ready" if file.socket_dir == layout.socket_dir => return Ok(Some(orphan)),
            "ready" => orphan.stop().await?,
            "stopping" => {
                waiting
                    .pause(notice, "the former PostgreSQL server to stop")
                    .await?
            }
            _ => {
                waiting
                    .pause(notice, "the former PostgreSQL server to recover")
                    .await?
            }
        }
    }
    clear_leftovers(layout, notice).await?;
    Ok(None)
}

/// Waits until no process of a dead postmaster is at work, and removes its lock files where their
/// number now belongs to another process (in containers, numbers repeat) or to the remains of a
/// dead one: PostgreSQL itself would take that for a running server.
async fn clear_leftovers(
    layout: &Layout,
    notice: &(dyn Fn(&str) + Sync),
) -> Result<(), ClusterError> {
    let pgdata = &layout.pgdata;
    let mut waiting = Waiting::new(START_DEADLINE);
    loop {
        let leftovers = find_leftovers(pgdata);
        if leftovers.is_empty() {
            break;
        }
        // They end by themselves as soon as they notice; those in a long statement are told to.
        if waiting.elapsed() > Duration::from_secs(3) {
            for pid in leftovers {
                let _ = kill_process(pid, Signal::QUIT);
            }
        }
        waiting
            .pause(notice, "processes of a PostgreSQL server that was killed")
            .await?;
    }
    let stale = find_pid_file(pgdata).is_some_and(|file| test_kill_process(file.pid).is_ok());
    let socket_lock = layout.socket_dir.join(format!(".s.PGSQL.{PORT}.lock"));
    for (path, in_the_way) in [(pid_path(pgdata), stale), (socket_lock, true)] {
        match in_the_way.then(|| fs::remove_file(&path)) {
            Some(Err(error)) if error.kind() != std::io::ErrorKind::NotFound => {
                return Err(ClusterError::io("remove", &path, &error));
            }
            _ => {}
        }
    }
    Ok(())
}

/// All processes at work in `pgdata`; none where the system has no `/proc`.
fn find_leftovers(pgdata: &Path) -> Vec<Pid> {
    if !pid_path(pgdata).exists() {
        return Vec::new();
    }
    fs::read_dir("/proc")
        .into_iter()
        .flatten()
        .flatten()
        .filter_map(|entry| Pid::from_raw(entry.file_name().to_str()?.parse().ok()?))
        .filter(|pid| is_at_work(*pid, pgdata))
        .collect()
}

/// Starts a server on the layout's database and waits until it takes connections.
pub(super) async fn launch(
    layout: &Layout,
    run_as: &RunAs,
    binaries: &Binaries,
    notice: &(dyn Fn(&str) + Sync),
) -> Result<Postmaster, ClusterError> {
    let (log, log_start) = open_log(&layout.log_file, run_as)?;
    let copy = log
        .try_clone()
        .map_err(|error| ClusterError::io("open", &layout.log_file, &error))?;
    let mut command = run_as.command(&binaries.dir.join("postgres"), &layout.pgdata);
    command
        .arg("-D")
        .arg(&layout.pgdata)
        .args(settings::listen_arguments(&layout.socket_dir, PORT))
        .stdout(Stdio::from(log))
        .stderr(Stdio::from(copy))
        // Ctrl-C in a terminal is sent to a whole process group: the database must outlive the
        // requests that are still being answered.
        .process_group(0);
    let child = command
        .spawn()
        .map_err(|error| ClusterError::io("run", &binaries.dir.join("postgres"), &error))?;
    let pid = child.id().and_then(|id| Pid::from_raw(id.try_into().ok()?));
    let Some(pid) = pid else {
        return Err(did_not_start(layout, log_start, "it ended at once"));
    };
    let mut postmaster = Postmaster {
        pid,
        pgdata: layout.pgdata.clone(),
        child: Some(child),
    };
    match wait_until_ready(&mut postmaster, notice).await {
        Ok(()) => Ok(postmaster),
        Err(reason) => {
            // Nothing of a failed start may be left running.
            let _ = postmaster.stop().await;
            Err(did_not_start(layout, log_start, &reason))
        }
    }
}

async fn wait_until_ready(
    postmaster: &mut Postmaster,
    notice: &(dyn Fn(&str) + Sync),
) -> Result<(), String> {
    let mut waiting = Waiting::new(START_DEADLINE);
    loop {
        if let Some(child) = &mut postmaster.child
            && let Ok(Some(status)) = child.try_wait()
        {
            return Err(format!("it ended with {status}"));
        }
        let state = find_pid_file(&postmaster.pgdata).filter(|file| file.pid == postmaster.pid);
        if state.is_some_and(|file| file.state == "ready") {
            return Ok(());
        }
        let what = "PostgreSQL to be ready (after a crash it replays its log first)";
        waiting
            .pause(notice, what)
            .await
            .map_err(|error| error.message)?;
    }
}

fn did_not_start(layout: &Layout, log_start: u64, reason: &str) -> ClusterError {
    let said = read_log_from(&layout.log_file, log_start);
    // Whole lines from the end: the last ones say why.
    let lines: Vec<&str> = said.lines().collect();
    let last = lines[lines.len().saturating_sub(8)..].join("\n  ");
    ClusterError::new(
        format!("PostgreSQL did not start: {reason}. Its log says:\n  {last}"),
        format!(
            "The whole log is {}. If the database itself is damaged, restore it from a backup.",
            layout.log_file.display()
        ),
    )
}

fn read_log_from(path: &Path, start: u64) -> String {
    let read = || -> std::io::Result<Vec<u8>> {
        let mut file = File::open(path)?;
        file.seek(SeekFrom::Start(start))?;
        let mut bytes = Vec::new();
        file.take(LOG_LIMIT).read_to_end(&mut bytes)?;
        Ok(bytes)
    };
    String::from_utf8_lossy(&read().unwrap_or_default()).into_owned()
}

/// Opens the log for appending, after setting aside one that has grown; also gives its length.
/// The account owns the directory, so a link that it may have put there is not followed.
fn open_log(path: &Path, run_as: &RunAs) -> Result<(File, u64), ClusterError> {
    let failed = |error| ClusterError::io("open", path, &error);
    if fs::symlink_metadata(path).is_ok_and(|meta| meta.len() > LOG_LIMIT) {
        fs::rename(path, path.with_extension("log.1")).map_err(failed)?;
    }
    let file = OpenOptions::new()
        .append(true)
        .create(true)
        .mode(0o600)
        .custom_flags(OFlags::NOFOLLOW.bits() as i32)
        .open(path)
        .map_err(failed)?;
    let length = file.metadata().map_err(failed)?.len();
    run_as.own(path)?;
    Ok((file, length))
}

impl Postmaster {
    /// Whether it still runs, as far as can be told without waiting.
    pub(super) fn is_running(&mut self) -> bool {
        match &mut self.child {
            Some(child) => matches!(child.try_wait(), Ok(None)),
            None => is_at_work(self.pid, &self.pgdata),
        }
    }

    /// Returns when the server has ended, for whatever reason.
    pub(super) async fn ended(&mut self) {
        if let Some(child) = &mut self.child {
            let _ = child.wait().await;
            return;
        }
        // The end of a process that is not our child cannot be awaited.
        while self.is_running() {
            sleep(PAUSE).await;
        }
    }

    /// Sends a signal; a server that is gone already is no error.
    pub(super) fn signal(&self, signal: Signal) {
        let _ = kill_process(self.pid, signal);
    }

    /// Asks for a fast shutdown (open transactions are rolled back, a checkpoint is written) and
    /// waits for it; after 30 seconds for an immediate one.
    pub(super) async fn stop(mut self) -> Result<(), ClusterError> {
        for (signal, deadline) in [(Signal::INT, STOP_DEADLINE), (Signal::QUIT, QUIT_DEADLINE)] {
            if !self.is_running() {
                return Ok(());
            }
            self.signal(signal);
            if tokio::time::timeout(deadline, self.ended()).await.is_ok() {
                return Ok(());
            }
        }
        Err(ClusterError::new(
            format!(
                "PostgreSQL (process {}) does not stop",
                self.pid.as_raw_pid()
            ),
            "It is left alone, and the next start of Andiron will find it. Check its disk.",
        ))
    }
}

/// Patience with an end, and with a word now and then to whoever waits at the terminal.
struct Waiting {
    start: Instant,
    deadline: Duration,
    told: u32,
}

impl Waiting {
    fn new(deadline: Duration) -> Self {
        Self {
            start: Instant::now(),
            deadline,
            told: 0,
        }
    }

    fn elapsed(&self) -> Duration {
        self.start.elapsed()
    }

    async fn pause(
        &mut self,
        notice: &(dyn Fn(&str) + Sync),
        what: &str,
    ) -> Result<(), ClusterError> {
        let elapsed = self.elapsed();
        if elapsed > self.deadline {
            return Err(ClusterError::new(
                format!("waited {} s in vain for {what}", elapsed.as_secs()),
                "Look at the log of PostgreSQL in the data directory, and start again when the server there has come to an end.",
            ));
        }
        // The first word comes after two seconds, when it is clear that something takes time.
        let due = Duration::from_secs(2) + NOTICE_EVERY * self.told;
        if elapsed > due {
            self.told += 1;
            notice(&format!(
                "Waiting for {what}, {} s so far.",
                elapsed.as_secs()
            ));
        }
        sleep(PAUSE).await;
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_state_is_read_from_postmaster_pid() {
        let full = "4242\n/d/postgres\n1700000000\n5432\n/d/run\n\n  5432001  7\nready   \n";
        let cases = [
            (full, Some(("/d/run", "ready"))),
            ("4242\n/d/postgres\n", Some(("", ""))),
            ("", None),
            ("0\n", None),
            ("garbage\n", None),
        ];
        for (text, expected) in cases {
            let found = parse_pid_file(text);
            let found = found
                .as_ref()
                .map(|file| (file.socket_dir.to_str().expect("text"), file.state.as_str()));
            assert_eq!(found, expected, "{text:?}");
        }
    }

    #[tokio::test]
    async fn lock_files_with_the_number_of_a_stranger_are_removed() {
        let root = tempfile::tempdir().expect("a temporary directory");
        let layout = Layout::find(root.path());
        let socket_lock = layout.socket_dir.join(format!(".s.PGSQL.{PORT}.lock"));
        for path in [pid_path(&layout.pgdata), socket_lock] {
            fs::create_dir(path.parent().expect("a directory")).expect("create");
            fs::write(&path, format!("{}\n", std::process::id())).expect("write");
        }
        assert_eq!(find_running(&layout.pgdata), None);
        clear_leftovers(&layout, &|_| {}).await.expect("cleared");
        for directory in [&layout.pgdata, &layout.socket_dir] {
            assert_eq!(fs::read_dir(directory).expect("listed").count(), 0);
        }
    }
}
