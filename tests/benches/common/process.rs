//! Processes that are started, stopped and looked at.
//!
//! What they cost is read from `/proc` (see `proc(5)`); where there is none, it is "not a number".

use crate::Result;
use rustix::process::{Pid, Signal, kill_process};
use sqlx::postgres::{PgConnectOptions, PgSslMode};
use std::fs::{self, File};
use std::io::{BufRead, BufReader};
use std::net::SocketAddr;
use std::path::{Path, PathBuf};
use std::process::{Child, ChildStdout, Command, Stdio};
use std::time::{Duration, Instant};

/// What `/proc` counts processor time in: on every Linux of today a hundredth of a second.
const MILLISECONDS_PER_TICK: f64 = 10.0;

/// How long a first start may take: making a database included, on a slow disk.
const START: Duration = Duration::from_secs(120);

/// How long a process may take to end once it is asked to.
const END: Duration = Duration::from_secs(60);

/// A server of ours that listens; stopped, and waited for, when dropped.
#[derive(Debug)]
pub struct Server {
    child: Child,
    pub address: SocketAddr,
    /// From the command to the line that it listens.
    pub start: Duration,
    /// Held open, because a server that says one more line should not fail for it.
    _output: BufReader<ChildStdout>,
}

impl Server {
    /// Starts `command` and waits for its line `listening on http://…`.
    pub async fn start(mut command: Command, log: &Path) -> Result<Server> {
        let begun = Instant::now();
        let mut child = command
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            .stderr(File::create(log)?)
            .spawn()?;
        let output = child.stdout.take().ok_or("a process without output")?;
        let reading = tokio::task::spawn_blocking(move || {
            let mut output = BufReader::new(output);
            let mut line = String::new();
            output.read_line(&mut line).map(|_| (line, output))
        });
        let read = tokio::time::timeout(START, reading).await;
        let start = begun.elapsed();
        let said = match read {
            Ok(Ok(Ok((line, output)))) => Ok((line, output)),
            _ => Err("nothing".to_owned()),
        };
        let listening = said.and_then(|(line, output)| {
            let address = line.trim().strip_prefix("listening on http://");
            match address.and_then(|address| address.parse().ok()) {
                Some(address) => Ok((address, output)),
                None => Err(format!("{line:?}")),
            }
        });
        match listening {
            Ok((address, output)) => Ok(Server {
                child,
                address,
                start,
                _output: output,
            }),
            Err(said) => {
                end(&mut child);
                let log = fs::read_to_string(log).unwrap_or_default();
                Err(format!("expected a server to listen, but it said {said}:\n{log}").into())
            }
        }
    }

    pub fn pid(&self) -> u32 {
        self.child.id()
    }

    /// Whether it still runs.
    pub fn is_running(&mut self) -> bool {
        matches!(self.child.try_wait(), Ok(None))
    }
}

impl Drop for Server {
    fn drop(&mut self) {
        end(&mut self.child);
    }
}

/// Asks a process to end, waits for it, and ends it by force if it does not.
fn end(child: &mut Child) {
    let pid = i32::try_from(child.id()).ok().and_then(Pid::from_raw);
    if let Some(pid) = pid.filter(|_| matches!(child.try_wait(), Ok(None))) {
        let _ = kill_process(pid, Signal::TERM);
        let begun = Instant::now();
        while begun.elapsed() < END && matches!(child.try_wait(), Ok(None)) {
            std::thread::sleep(Duration::from_millis(20));
        }
    }
    let _ = child.kill();
    let _ = child.wait();
}

/// The PostgreSQL of a data folder, as its file `postmaster.pid` tells of it.
#[derive(Clone, Debug)]
pub struct Postmaster {
    pid: u32,
    pub socket_dir: PathBuf,
}

impl Postmaster {
    pub fn find(data_dir: &Path) -> Result<Postmaster> {
        let base = elsewhere(data_dir).unwrap_or_else(|| data_dir.to_path_buf());
        let text = fs::read_to_string(base.join("postgres/postmaster.pid"))?;
        let mut lines = text.lines();
        let pid = lines.next().and_then(|line| line.parse().ok());
        // Line 5: https://www.postgresql.org/docs/current/storage-file-layout.html
        let socket_dir = lines.nth(3).map(PathBuf::from);
        match (pid, socket_dir) {
            (Some(pid), Some(socket_dir)) => Ok(Postmaster { pid, socket_dir }),
            _ => Err("postmaster.pid is not as expected".into()),
        }
    }

    /// How to connect to one of its databases.
    pub fn connect(&self, database: &str) -> PgConnectOptions {
        connect(&self.socket_dir, database)
    }

    /// Milliseconds of processor time so far of all its processes, those that ended included.
    pub fn cpu(&self) -> f64 {
        let Some(own) = Stat::read(self.pid) else {
            return f64::NAN;
        };
        let processes = fs::read_dir("/proc").into_iter().flatten().flatten();
        let children = processes
            .filter_map(|entry| entry.file_name().to_str()?.parse().ok())
            .filter_map(Stat::read)
            .filter(|stat| stat.parent == self.pid);
        let ticks = own.own + own.ended_children + children.map(|stat| stat.own).sum::<u64>();
        ticks as f64 * MILLISECONDS_PER_TICK
    }
}

/// How to connect, as the superuser of a managed cluster, by its socket.
pub fn connect(socket_dir: &Path, database: &str) -> PgConnectOptions {
    PgConnectOptions::new_without_pgpass()
        .socket(socket_dir)
        .port(5432)
        .username("andiron")
        .database(database)
        .ssl_mode(PgSslMode::Disable)
}

/// Where the cluster is if it could not be in the data folder itself.
pub fn elsewhere(data_dir: &Path) -> Option<PathBuf> {
    fs::canonicalize(data_dir.join("cluster")).ok()
}

/// Milliseconds of processor time of one process so far.
pub fn cpu(pid: u32) -> f64 {
    Stat::read(pid).map_or(f64::NAN, |stat| stat.own as f64 * MILLISECONDS_PER_TICK)
}

/// Milliseconds of processor time of everything on this machine so far.
pub fn busy() -> f64 {
    let text = fs::read_to_string("/proc/stat").unwrap_or_default();
    let Some(line) = text
        .lines()
        .next()
        .and_then(|line| line.strip_prefix("cpu "))
    else {
        return f64::NAN;
    };
    // user nice system idle iowait irq softirq steal; what follows is counted in these already.
    let ticks = line
        .split_whitespace()
        .take(8)
        .map(|field| field.parse().unwrap_or(0));
    let busy: u64 = ticks
        .enumerate()
        .filter(|(number, _)| ![3, 4].contains(number))
        .map(|(_, ticks): (usize, u64)| ticks)
        .sum();
    busy as f64 * MILLISECONDS_PER_TICK
}

/// Megabytes (of 1,000,000 bytes) of memory: now, and at the most so far.
pub fn memory(pid: u32) -> (f64, f64) {
    let status = fs::read_to_string(format!("/proc/{pid}/status")).unwrap_or_default();
    let megabytes = |name: &str| {
        let line = status.lines().find_map(|line| line.strip_prefix(name));
        let kib = line.and_then(|line| line.split_whitespace().next()?.parse::<f64>().ok());
        kib.map_or(f64::NAN, |kib| kib * 1024.0 / 1e6)
    };
    (megabytes("VmRSS:"), megabytes("VmHWM:"))
}

/// The command `andiron`, deaf to the variables that the user may have set for his own.
pub fn andiron() -> Command {
    let mut command = Command::new(env!("CARGO_BIN_EXE_andiron"));
    for (name, _) in std::env::vars_os() {
        let text = name.to_string_lossy();
        if text.starts_with("ANDIRON_") || text == "DATABASE_URL" {
            command.env_remove(&name);
        }
    }
    command
}

/// `andiron serve` on a data folder, with the cluster that it manages.
pub async fn serve(data_dir: &Path, log: &Path, connections: u32) -> Result<Server> {
    let mut command = andiron();
    command
        .args(["serve", "--listen", "127.0.0.1:0"])
        .args(["--connections", &connections.to_string()])
        .arg("--data-dir")
        .arg(data_dir);
    Server::start(command, log).await
}

/// What `/proc/PID/stat` tells; times in ticks.
struct Stat {
    parent: u32,
    own: u64,
    ended_children: u64,
}

impl Stat {
    fn read(pid: u32) -> Option<Stat> {
        let text = fs::read_to_string(format!("/proc/{pid}/stat")).ok()?;
        // The name before it may hold anything, blanks and brackets included.
        let (_, rest) = text.rsplit_once(')')?;
        let fields: Vec<&str> = rest.split_whitespace().collect();
        // Field 3 of the manual is the first one here.
        let ticks = |number: usize| fields.get(number - 3)?.parse::<u64>().ok();
        Some(Stat {
            parent: fields.get(1)?.parse().ok()?,
            own: ticks(14)? + ticks(15)?,
            ended_children: ticks(16)? + ticks(17)?,
        })
    }
}
