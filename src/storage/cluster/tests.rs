//! The managed cluster, run for real in temporary directories, as root or as anybody else.

use super::account::RunAs;
use super::layout::Layout;
use super::*;
use sqlx::{ConnectOptions, Executor, PgConnection, Row};
use std::os::unix::fs::PermissionsExt;
use std::path::PathBuf;
use std::sync::Mutex;
use std::time::Instant;
use tempfile::TempDir;

fn quiet(_: &str) {}

fn temporary() -> TempDir {
    tempfile::tempdir().expect("a temporary directory")
}

async fn start(data_dir: &Path) -> Cluster {
    match Cluster::start(data_dir, &quiet).await {
        Ok(cluster) => cluster,
        Err(error) => panic!("{error}"),
    }
}

async fn connect(cluster: &Cluster) -> PgConnection {
    cluster
        .connect_options()
        .connect()
        .await
        .expect("a connection")
}

async fn fetch(connection: &mut PgConnection, statement: &'static str) -> String {
    let row = connection.fetch_one(statement).await.expect(statement);
    row.get::<String, _>(0)
}

fn is_root() -> bool {
    rustix::process::geteuid().is_root()
}

fn kill(pid: u32) {
    let pid = i32::try_from(pid)
        .ok()
        .and_then(rustix::process::Pid::from_raw);
    rustix::process::kill_process(pid.expect("a process id"), Signal::KILL).expect("killed");
}

#[tokio::test]
async fn a_cluster_is_made_used_stopped_and_started_again() {
    let root = temporary();
    let notices = Mutex::new(Vec::new());
    let listen = |text: &str| notices.lock().expect("not poisoned").push(text.to_owned());
    let clock = Instant::now();
    let cluster = Cluster::start(root.path(), &listen).await.expect("started");
    let first = clock.elapsed();
    let mut connection = connect(&cluster).await;
    let cases = [
        ("SHOW jit", "off"),
        ("SHOW fsync", "on"),
        ("SHOW listen_addresses", ""),
        ("SHOW data_checksums", "on"),
        ("SHOW server_encoding", "UTF8"),
        ("SHOW timezone", "UTC"),
        ("SHOW max_connections", "100"),
        ("SELECT current_database()::text", "andiron"),
        ("SELECT current_user::text", "andiron"),
        ("SHOW application_name", "andiron"),
    ];
    for (statement, expected) in cases {
        assert_eq!(
            fetch(&mut connection, statement).await,
            expected,
            "{statement}"
        );
    }
    let wal = fetch(&mut connection, "SHOW wal_compression").await;
    let toast = fetch(&mut connection, "SHOW default_toast_compression").await;
    assert_eq!(wal, toast);
    eprintln!("compression {wal}");
    connection
        .execute("CREATE TABLE kept AS SELECT 'yes' AS it")
        .await
        .expect("created");
    drop(connection);
    let log = fs::read_to_string(root.path().join("log/postgres.log")).expect("a log");
    for complaint in ["WARNING", "ERROR"] {
        assert!(!log.contains(complaint), "{log}");
    }
    cluster.stop().await.expect("stopped");
    let told = notices.lock().expect("not poisoned").join("\n");
    assert_eq!(told.contains("refuses to run as root"), is_root(), "{told}");

    let clock = Instant::now();
    let cluster = start(root.path()).await;
    let second = clock.elapsed();
    eprintln!("first start {first:?}, second start {second:?}");
    assert!(!cluster.was_adopted());
    let mut connection = connect(&cluster).await;
    assert_eq!(fetch(&mut connection, "SELECT it FROM kept").await, "yes");
    drop(connection);
    cluster.stop().await.expect("stopped");
}

#[tokio::test]
async fn the_server_runs_unprivileged_in_a_process_group_of_its_own() {
    let root = temporary();
    let cluster = start(root.path()).await;
    let pid = cluster.pid().expect("running");
    let Ok(status) = fs::read_to_string(format!("/proc/{pid}/status")) else {
        eprintln!("SKIPPED: no /proc on this system");
        return;
    };
    let field = |name: &str| {
        let line = status.lines().find_map(|line| line.strip_prefix(name));
        line.unwrap_or_default()
            .split_whitespace()
            .map(str::to_owned)
            .collect::<Vec<_>>()
    };
    assert!(!field("Uid:").contains(&"0".to_owned()), "{status}");
    if is_root() {
        assert!(field("Groups:").is_empty(), "{status}");
    }
    let own = rustix::process::getpgrp();
    let pid = rustix::process::Pid::from_raw(pid.try_into().expect("small"));
    assert_ne!(rustix::process::getpgid(pid).expect("a group"), own);
    for private in ["postgres", "run", "log"] {
        let mode = fs::metadata(root.path().join(private))
            .expect(private)
            .mode()
            & 0o077;
        assert_eq!(mode, 0, "{private}");
    }
    cluster.stop().await.expect("stopped");
}

#[tokio::test]
async fn a_data_directory_in_use_is_refused() {
    let root = temporary();
    let cluster = start(root.path()).await;
    let error = Cluster::start(root.path(), &quiet)
        .await
        .expect_err("refused");
    assert!(
        error.message.contains("in use by another Andiron"),
        "{error}"
    );
    assert!(
        error.message.contains(&std::process::id().to_string()),
        "{error}"
    );
    cluster.stop().await.expect("stopped");
}

#[tokio::test]
async fn a_killed_server_recovers_at_the_next_start() {
    let root = temporary();
    let mut cluster = start(root.path()).await;
    let mut connection = connect(&cluster).await;
    connection
        .execute("CREATE TABLE kept AS SELECT 'yes' AS it")
        .await
        .expect("created");
    kill(cluster.pid().expect("running"));
    cluster.ended().await;
    drop(cluster);
    let cluster = start(root.path()).await;
    let mut connection = connect(&cluster).await;
    assert_eq!(fetch(&mut connection, "SELECT it FROM kept").await, "yes");
    drop(connection);
    cluster.stop().await.expect("stopped");
}

#[tokio::test]
async fn an_orphaned_server_is_adopted() {
    let root = temporary();
    let cluster = start(root.path()).await;
    let pid = cluster.pid();
    let mut former = connect(&cluster).await;
    former
        .execute("BEGIN; CREATE TABLE half (it text)")
        .await
        .expect("begun");
    cluster.abandon();

    let cluster = start(root.path()).await;
    assert!(cluster.was_adopted());
    assert_eq!(cluster.pid(), pid);
    assert!(
        former.execute("COMMIT").await.is_err(),
        "the former session is ended"
    );
    let mut connection = connect(&cluster).await;
    let found = fetch(
        &mut connection,
        "SELECT (to_regclass('half') IS NULL)::text",
    )
    .await;
    assert_eq!(found, "true");
    drop(connection);
    cluster.stop().await.expect("stopped");
    assert_eq!(
        postmaster::find_running(&Layout::find(root.path()).pgdata),
        None
    );
}

#[tokio::test]
async fn a_dropped_cluster_is_stopping_and_waited_for() {
    let root = temporary();
    drop(start(root.path()).await);
    let cluster = start(root.path()).await;
    connect(&cluster).await;
    cluster.stop().await.expect("stopped");
}

#[tokio::test]
async fn a_long_data_directory_gets_a_short_socket_path() {
    let root = temporary();
    let data_dir = root.path().join("long-".repeat(20)).join("data");
    let cluster = start(&data_dir).await;
    let socket_dir = cluster.socket_dir().to_path_buf();
    assert!(
        !socket_dir.starts_with(&data_dir),
        "{}",
        socket_dir.display()
    );
    let meta = fs::symlink_metadata(&socket_dir).expect("the socket's directory");
    assert_eq!(meta.mode() & 0o777, 0o700);
    assert_eq!(
        meta.uid(),
        RunAs::choose(&data_dir.join("postgres"))
            .expect("an account")
            .uid()
    );
    connect(&cluster).await;
    cluster.stop().await.expect("stopped");
    fs::remove_dir_all(&socket_dir).expect("removed");
}

#[tokio::test]
async fn a_closed_parent_moves_the_database_elsewhere() {
    if !is_root() {
        eprintln!("SKIPPED: only root steps down to another account");
        return;
    }
    let root = temporary();
    fs::set_permissions(root.path(), fs::Permissions::from_mode(0o700)).expect("mode");
    let data_dir = root.path().join("data");
    let cluster = start(&data_dir).await;
    let base = fs::read_link(data_dir.join("cluster")).expect("a link");
    assert!(base.join("postgres/PG_VERSION").exists());
    cluster.stop().await.expect("stopped");

    let cluster = start(&data_dir).await;
    assert_eq!(
        fs::read_link(data_dir.join("cluster")).expect("a link"),
        base
    );
    cluster.stop().await.expect("stopped");
    fs::remove_dir_all(&base).expect("removed");
    let error = Cluster::start(&data_dir, &quiet).await.expect_err("gone");
    assert!(error.message.contains("leads nowhere"), "{error}");
}

#[tokio::test]
async fn half_of_an_initialisation_is_thrown_away() {
    let root = temporary();
    let half = root.path().join("postgres.new-1");
    fs::create_dir_all(half.join("base")).expect("create");
    fs::write(half.join("PG_VERSION"), "15\n").expect("write");
    let cluster = start(root.path()).await;
    assert!(!half.exists());
    cluster.stop().await.expect("stopped");
}

#[tokio::test]
async fn a_database_of_another_major_version_is_refused_with_advice() {
    let root = temporary();
    let pgdata = root.path().join("postgres");
    fs::create_dir(&pgdata).expect("create");
    fs::write(pgdata.join("PG_VERSION"), "12\n").expect("write");
    let error = Cluster::start(root.path(), &quiet)
        .await
        .expect_err("refused");
    assert!(
        error.message.contains("written by PostgreSQL 12"),
        "{error}"
    );
    assert!(error.advice.contains("pg_upgrade"), "{error}");

    let layout = Layout::find(root.path());
    let search = binaries::search(&RunAs(None), Some(99), &layout.downloads).await;
    assert_eq!(search.found, None);
    assert!(
        search
            .explain()
            .contains("the data was written by version 99"),
        "{search:?}"
    );
    let error = binaries::version_mismatch(&pgdata, 99, &search, "offline");
    assert!(error.advice.contains("Install PostgreSQL 99"), "{error}");
}

#[tokio::test]
async fn a_killed_orphan_is_cleared_away() {
    let root = temporary();
    let cluster = start(root.path()).await;
    let mut former = connect(&cluster).await;
    former
        .execute("CREATE TABLE kept AS SELECT 'yes' AS it")
        .await
        .expect("created");
    let pid = cluster.pid().expect("running");
    cluster.abandon();
    // Not waited for: what is left of it may still be in the table of processes.
    kill(pid);
    let cluster = start(root.path()).await;
    assert!(!cluster.was_adopted());
    let mut connection = connect(&cluster).await;
    assert_eq!(fetch(&mut connection, "SELECT it FROM kept").await, "yes");
    drop(connection);
    cluster.stop().await.expect("stopped");
}

#[tokio::test]
async fn a_failed_start_shows_the_reason_from_the_log() {
    let root = temporary();
    start(root.path()).await.stop().await.expect("stopped");
    let conf = root.path().join("postgres/postgresql.conf");
    let text = fs::read_to_string(&conf).expect("read");
    fs::write(&conf, text + "\nmax_connections = 'many'\n").expect("write");
    let error = Cluster::start(root.path(), &quiet)
        .await
        .expect_err("refused");
    assert!(error.message.contains("max_connections"), "{error}");
}

#[tokio::test]
async fn the_doctor_tells_the_state_of_a_cluster() {
    let root = temporary();
    let finding = |checks: &[(String, Result<String, String>)], name: &str| {
        let found = checks.iter().find(|(check, _)| check == name);
        found.expect(name).1.clone().expect(name)
    };
    let missing: PathBuf = root.path().join("absent");
    let checks = inspect(&missing).await;
    assert!(finding(&checks, "data directory").contains("will be created"));
    assert!(!missing.exists(), "looking makes nothing");

    let cluster = start(root.path()).await;
    let checks = inspect(root.path()).await;
    let pid = std::process::id().to_string();
    assert!(finding(&checks, "data directory").contains(&pid));
    assert!(finding(&checks, "server").contains("is ready"));
    let version = cluster.version().to_string();
    assert!(finding(&checks, "PostgreSQL").contains(&version));
    finding(&checks, "disk");
    cluster.stop().await.expect("stopped");
    let checks = inspect(root.path()).await;
    assert_eq!(finding(&checks, "server"), "not running");
}

/// Names the data directory to the process that the next test kills.
const VICTIM: &str = "ANDIRON_TEST_VICTIM";

#[tokio::test]
async fn a_server_outlives_the_killing_of_its_andiron() {
    use tokio::io::{AsyncBufReadExt, BufReader};
    if let Some(data_dir) = std::env::var_os(VICTIM) {
        let _cluster = start(Path::new(&data_dir)).await;
        println!("\nready to be killed");
        return std::future::pending().await;
    }
    let root = temporary();
    let name = "storage::cluster::tests::a_server_outlives_the_killing_of_its_andiron";
    let mut victim = tokio::process::Command::new(std::env::current_exe().expect("a path"))
        .args([name, "--exact", "--nocapture"])
        .env(VICTIM, root.path())
        .stdout(std::process::Stdio::piped())
        .kill_on_drop(true)
        .spawn()
        .expect("a process");
    let mut lines = BufReader::new(victim.stdout.take().expect("piped")).lines();
    while lines.next_line().await.expect("text").expect("ready") != "ready to be killed" {}
    let error = Cluster::start(root.path(), &quiet)
        .await
        .expect_err("in use");
    let pid = victim.id().expect("running").to_string();
    assert!(error.message.contains(&pid), "{error}");
    victim.kill().await.expect("killed");

    let cluster = start(root.path()).await;
    assert!(cluster.was_adopted());
    connect(&cluster).await;
    // This postmaster is nobody's child here: its remains may stay for as long as they like.
    kill(cluster.pid().expect("running"));
    drop(cluster);
    let cluster = start(root.path()).await;
    assert!(!cluster.was_adopted());
    connect(&cluster).await;
    cluster.stop().await.expect("stopped");
}
