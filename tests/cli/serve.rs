//! `andiron serve`, `migrate` and `doctor` on a managed cluster.

use super::program::{Serving, andiron, data_dir, run, text};
use rustix::process::{Pid, Signal, kill_process};
use std::path::Path;
use std::time::Duration;

#[tokio::test]
async fn the_demo_is_served_from_nothing_and_kept() {
    let data = data_dir();
    let server = Serving::start(data.path(), &["--demo"]).await;
    let (status, patient) = server.get("/fhir/Patient/demo-amelie").await;
    assert_eq!(
        (status, &patient["id"]),
        (200, &"demo-amelie".into()),
        "{patient}"
    );
    assert_eq!(server.get("/health/ready").await.0, 200);
    let (_, page) = server.get("/fhir/Patient?_summary=count").await;
    assert_eq!(page["total"], 8, "{page}");

    let second = run(andiron()
        .args(["serve", "--listen", "127.0.0.1:0", "--data-dir"])
        .arg(data.path()))
    .await;
    assert_eq!(second.status.code(), Some(1));
    assert!(
        text(&second.stderr).contains("in use"),
        "{}",
        text(&second.stderr)
    );

    let (status, rest) = server.stop().await;
    assert_eq!(
        (status.code(), rest.as_str()),
        (Some(0), ""),
        "one line, and a clean end"
    );

    let server = Serving::start(data.path(), &["--demo"]).await;
    let (_, again) = server.get("/fhir/Patient/demo-amelie").await;
    assert_eq!(again, patient, "the second start loads nothing again");
    server.stop().await;

    let doctor = run(andiron().args(["doctor", "--data-dir"]).arg(data.path())).await;
    let said = text(&doctor.stdout);
    assert!(
        said.contains("reachable and up to date"),
        "{said}{}",
        text(&doctor.stderr)
    );
    assert_eq!(doctor.status.code(), Some(0), "{said}");
}

#[tokio::test]
async fn a_killed_postgresql_is_started_again() {
    let data = data_dir();
    let server = Serving::start(data.path(), &[]).await;
    let old = postmaster(data.path()).expect("PostgreSQL runs");
    kill_process(old, Signal::KILL).expect("it can be killed");
    let again = async {
        while postmaster(data.path()).is_none_or(|new| new == old)
            || server.get("/health/ready").await.0 != 200
            || server.get("/fhir/Patient?_count=1").await.0 != 200
        {
            tokio::time::sleep(Duration::from_millis(50)).await;
        }
    };
    tokio::time::timeout(Duration::from_secs(30), again)
        .await
        .expect("it is ready again");
    assert_eq!(server.stop().await.0.code(), Some(0));
}

/// The process of the managed PostgreSQL, as it wrote it down itself.
pub fn postmaster(data_dir: &Path) -> Option<Pid> {
    let file = std::fs::read_to_string(data_dir.join("postgres/postmaster.pid")).ok()?;
    Pid::from_raw(file.lines().next()?.parse().ok()?)
}

#[tokio::test]
async fn migrate_says_what_it_did() {
    let data = data_dir();
    for says in ["applied 0001", "up to date"] {
        let output = run(andiron().args(["migrate", "--data-dir"]).arg(data.path())).await;
        assert!(output.status.success(), "{}", text(&output.stderr));
        assert!(
            text(&output.stdout).contains(says),
            "{says}: {}",
            text(&output.stdout)
        );
    }
}
