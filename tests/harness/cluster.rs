//! One PostgreSQL for all tests of this process, in a temporary folder, gone when the
//! process ends.

use andiron::storage::cluster::Cluster;
use andiron::storage::migrate;
use sqlx::postgres::PgConnectOptions;
use sqlx::{ConnectOptions, Connection, Executor};
use std::process::{Command, Stdio};
use std::sync::atomic::{AtomicU32, Ordering};
use tokio::sync::{Mutex, OnceCell};

const TEMPLATE: &str = "template_andiron";

static CLUSTER: OnceCell<PgConnectOptions> = OnceCell::const_new();
static COUNT: AtomicU32 = AtomicU32::new(0);
/// Copies of one template are made one at a time.
static COPYING: Mutex<()> = Mutex::const_new(());

/// A fresh database with the schema in it.
pub async fn database() -> PgConnectOptions {
    let options = CLUSTER.get_or_init(start).await;
    let name = format!("test_{}", COUNT.fetch_add(1, Ordering::Relaxed));
    let _one = COPYING.lock().await;
    execute(
        options,
        &format!("CREATE DATABASE {name} TEMPLATE {TEMPLATE}"),
    )
    .await;
    options.clone().database(&name)
}

async fn execute(options: &PgConnectOptions, statement: &str) {
    let mut connection = options.connect().await.expect("the cluster answers");
    connection
        .execute(sqlx::AssertSqlSafe(statement.to_owned()))
        .await
        .expect("the statement is right");
    connection.close().await.expect("the connection closes");
}

async fn start() -> PgConnectOptions {
    let (send, receive) = tokio::sync::oneshot::channel();
    // The cluster outlives the runtime of the test that came first.
    std::thread::spawn(move || {
        let runtime = tokio::runtime::Runtime::new().expect("a runtime");
        runtime.block_on(async move {
            let folder = tempfile::tempdir().expect("a temporary folder");
            let cluster = Cluster::start(folder.path(), &|_: &str| {})
                .await
                .expect("PostgreSQL 15 or newer is installed");
            stop_with_us(&cluster, folder.path());
            let _ = send.send(cluster.connect_options());
            std::future::pending::<()>().await;
        });
    });
    let options = receive.await.expect("the cluster started");
    execute(&options, &format!("CREATE DATABASE {TEMPLATE}")).await;
    migrate::run(&options.clone().database(TEMPLATE))
        .await
        .expect("the schema is made");
    options
}

/// A static is never dropped: a shell that waits for our end stops the cluster.
fn stop_with_us(cluster: &Cluster, folder: &std::path::Path) {
    Command::new("sh")
        .arg("-c")
        .arg("cat >/dev/null; kill -QUIT \"$1\"; while kill -0 \"$1\" 2>/dev/null; do sleep 0.1; done; rm -rf \"$2\"")
        .arg("sh")
        .arg(cluster.pid().expect("it runs").to_string())
        .arg(folder)
        .stdin(Stdio::piped())
        .stdout(Stdio::null())
        .stderr(Stdio::null())
        .spawn()
        .map(|child| std::mem::forget(child.stdin))
        .expect("sh is there");
}
