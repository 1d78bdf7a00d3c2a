//! `andiron reindex`: here and now, and what a server does with what it leaves.

use super::program::{Serving, andiron, data_dir, run, text};
use std::path::Path;
use std::process::Output;

async fn reindex(data: &Path, flags: &[&str]) -> Output {
    let mut command = andiron();
    run(command
        .arg("reindex")
        .arg("--data-dir")
        .arg(data)
        .args(flags))
    .await
}

#[tokio::test]
async fn reindex_does_what_is_asked_and_says_how_much() {
    let data = data_dir();
    let demo = Path::new(env!("CARGO_MANIFEST_DIR")).join("fixtures/demo");
    let mut load = andiron();
    let loaded = run(load
        .arg("load")
        .arg(&demo)
        .arg("--data-dir")
        .arg(data.path()))
    .await;
    assert!(loaded.status.success(), "{}", text(&loaded.stderr));

    let bad = reindex(data.path(), &["--type", "Patiens"]).await;
    assert_eq!(bad.status.code(), Some(2));
    assert!(
        text(&bad.stderr).contains("--type"),
        "{}",
        text(&bad.stderr)
    );

    let some = reindex(data.path(), &["--type", "Patient", "--type", "Group"]).await;
    assert!(some.status.success(), "{}", text(&some.stderr));
    assert_eq!(text(&some.stdout), "reindexed 8 resources\n");

    // A parameter that is loaded without a server is built by the next that can.
    let parameter = data.path().join("parameter.json");
    let gender = r#"{"resourceType": "SearchParameter", "id": "shade", "url": "urn:shade", "name": "Shade",
        "status": "active", "description": "d", "code": "shade", "base": ["Patient"], "type": "token",
        "expression": "Patient.gender"}"#;
    std::fs::write(&parameter, gender).expect("written");
    let mut load = andiron();
    let loaded = run(load
        .arg("load")
        .arg(&parameter)
        .arg("--data-dir")
        .arg(data.path()))
    .await;
    assert!(loaded.status.success(), "{}", text(&loaded.stderr));
    let all = reindex(data.path(), &[]).await;
    assert!(all.status.success(), "{}", text(&all.stderr));
    assert_eq!(text(&all.stdout), "reindexed 202 resources\n");

    let server = Serving::start(data.path(), &[]).await;
    let (status, found) = server
        .get("/fhir/Patient?shade:missing=false&_total=accurate")
        .await;
    assert_eq!(
        (status, &found["total"]),
        (200, &serde_json::json!(7)),
        "{found}"
    );
    let busy = reindex(data.path(), &[]).await;
    assert!(
        text(&busy.stderr).contains("$reindex"),
        "{}",
        text(&busy.stderr)
    );
    let (status, _) = server.stop().await;
    assert!(status.success());
}

/// D1: a server that dies leaves its job to the next.
#[tokio::test]
async fn a_job_survives_the_server() {
    let data = data_dir();
    let server = Serving::start(data.path(), &["--demo"]).await;
    // Cryptography has to be chosen once per process, even for plain HTTP.
    let _ = rustls::crypto::ring::default_provider().install_default();
    let client = reqwest::Client::new();
    let parameter = serde_json::json!({
        "resourceType": "SearchParameter", "url": "urn:shade", "name": "Shade", "status": "active",
        "description": "d", "code": "shade", "base": ["Patient"], "type": "token",
        "expression": "Patient.gender",
    });
    let posted = client
        .post(format!("{}/fhir/SearchParameter", server.url))
        .header("content-type", "application/fhir+json")
        .body(parameter.to_string())
        .send()
        .await
        .expect("it answers");
    assert_eq!(posted.status().as_u16(), 201);
    server.kill().await;
    let server = Serving::start(data.path(), &[]).await;
    let built = async {
        loop {
            let (status, found) = server
                .get("/fhir/Patient?shade:missing=false&_total=accurate")
                .await;
            if status == 200 {
                return found["total"].clone();
            }
            assert_eq!(status, 400, "{found}");
            tokio::time::sleep(std::time::Duration::from_millis(100)).await;
        }
    };
    // The node that died is waited for, and the lease of its job.
    let total = tokio::time::timeout(std::time::Duration::from_secs(90), built).await;
    assert_eq!(total.expect("it is built in time"), 7);
    let (status, _) = server.stop().await;
    assert!(status.success());
}
