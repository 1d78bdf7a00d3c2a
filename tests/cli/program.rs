//! Starting the program and talking to it.

use rustix::process::{Pid, Signal, kill_process};
use serde_json::Value;
use std::path::Path;
use std::process::{ExitStatus, Output, Stdio};
use std::time::Duration;
use tempfile::TempDir;
use tokio::io::{AsyncBufReadExt, AsyncReadExt, BufReader};
use tokio::process::{Child, ChildStdout, Command};

/// Longer than anything here takes; a test that hangs should say where.
const PATIENCE: Duration = Duration::from_secs(60);

/// The program, deaf to the environment of whoever runs the tests.
pub fn andiron() -> Command {
    let mut command = Command::new(env!("CARGO_BIN_EXE_andiron"));
    for (name, _) in std::env::vars() {
        if name.starts_with("ANDIRON_") || name == "DATABASE_URL" {
            command.env_remove(name);
        }
    }
    command.stdin(Stdio::null()).kill_on_drop(true);
    command
}

/// Runs a command to its end.
pub async fn run(command: &mut Command) -> Output {
    let output = tokio::time::timeout(PATIENCE, command.output()).await;
    output
        .expect("the command ends in time")
        .expect("the program runs")
}

pub fn text(bytes: &[u8]) -> String {
    String::from_utf8_lossy(bytes).into_owned()
}

/// A data directory that PostgreSQL's account can enter.
pub fn data_dir() -> TempDir {
    use std::os::unix::fs::PermissionsExt;
    let dir = tempfile::tempdir().expect("a temporary directory");
    let open = std::fs::Permissions::from_mode(0o755);
    std::fs::set_permissions(dir.path(), open).expect("permissions are set");
    dir
}

/// A running server.
pub struct Serving {
    child: Child,
    stdout: BufReader<ChildStdout>,
    /// As the program printed it: `http://127.0.0.1:41234`.
    pub url: String,
}

impl Serving {
    /// Starts `serve` on a free port and waits for its line.
    pub async fn start(data_dir: &Path, flags: &[&str]) -> Serving {
        let mut child = andiron()
            .args(["serve", "--listen", "127.0.0.1:0", "--data-dir"])
            .arg(data_dir)
            .args(flags)
            .stdout(Stdio::piped())
            .spawn()
            .expect("the program starts");
        let mut stdout = BufReader::new(child.stdout.take().expect("its output is ours"));
        let mut line = String::new();
        tokio::time::timeout(PATIENCE, stdout.read_line(&mut line))
            .await
            .expect("it listens in time")
            .expect("its output can be read");
        let url = line
            .strip_prefix("listening on ")
            .expect("the line that scripts wait for");
        Serving {
            child,
            stdout,
            url: url.trim_end().to_owned(),
        }
    }

    /// The status of a GET, and its JSON.
    pub async fn get(&self, path: &str) -> (u16, Value) {
        // Cryptography has to be chosen once per process, even for plain HTTP.
        let _ = rustls::crypto::ring::default_provider().install_default();
        let response = reqwest::get(format!("{}{path}", self.url))
            .await
            .expect("it answers");
        let status = response.status().as_u16();
        (status, response.json().await.unwrap_or_default())
    }

    /// Kills it without a word, as a crash would.
    pub async fn kill(mut self) {
        self.child.kill().await.expect("it can be killed");
    }

    /// Asks it to stop; returns its status and what else it wrote to standard output.
    pub async fn stop(mut self) -> (ExitStatus, String) {
        let pid = self.child.id().expect("it runs").cast_signed();
        let pid = Pid::from_raw(pid).expect("not zero");
        kill_process(pid, Signal::TERM).expect("it can be signalled");
        let mut rest = String::new();
        let ended = async {
            self.stdout
                .read_to_string(&mut rest)
                .await
                .expect("its output can be read");
            self.child.wait().await.expect("it can be waited for")
        };
        let status = tokio::time::timeout(PATIENCE, ended)
            .await
            .expect("it stops in time");
        (status, rest)
    }
}
