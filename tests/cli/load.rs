//! `andiron load`: into the database and into a running server.

use super::program::{Serving, andiron, data_dir, run, text};
use std::path::{Path, PathBuf};
use std::process::Output;

fn demo() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("fixtures/demo")
}

async fn load(data: &Path, paths: &[&Path], flags: &[&str]) -> Output {
    run(andiron()
        .arg("load")
        .args(paths)
        .arg("--data-dir")
        .arg(data)
        .args(flags)
        .current_dir(data))
    .await
}

fn said(output: &Output) -> String {
    text(&output.stdout) + &text(&output.stderr)
}

/// The numbers behind a name in the table at the end.
fn counts(output: &Output, name: &str) -> Vec<u64> {
    let table = text(&output.stdout);
    let row = table
        .lines()
        .find(|line| line.split_whitespace().next() == Some(name));
    let numbers = row.map(|row| {
        row.split_whitespace()
            .skip(1)
            .flat_map(str::parse)
            .collect()
    });
    numbers.unwrap_or_default()
}

#[tokio::test]
async fn files_are_loaded_once_in_whatever_order_they_need() {
    let data = data_dir();
    // Named backwards: the organizations that all others need come last.
    let files = data.path().join("files");
    std::fs::create_dir(&files).expect("created");
    for entry in std::fs::read_dir(demo()).expect("the fixtures") {
        let entry = entry.expect("readable");
        let name = entry.file_name().to_string_lossy().into_owned();
        let number: u32 = name[..2].parse().expect("a number");
        std::fs::copy(entry.path(), files.join(format!("{}.json", 99 - number))).expect("copied");
    }
    let first = load(data.path(), &[&files], &[]).await;
    assert!(first.status.success(), "{}", said(&first));
    assert_eq!(counts(&first, "total"), [201, 0], "{}", said(&first));
    assert_eq!(counts(&first, "Patient"), [8, 0], "{}", said(&first));

    let second = load(data.path(), &[&files], &[]).await;
    assert!(second.status.success(), "{}", said(&second));
    assert!(
        said(&second).contains("8 files were loaded before"),
        "{}",
        said(&second)
    );

    let again = load(data.path(), &[&files], &["--again"]).await;
    assert_eq!(counts(&again, "total"), [0, 201], "{}", said(&again));
}

#[tokio::test]
async fn each_failure_is_told_and_the_rest_is_loaded() {
    let data = data_dir();
    let files = data.path().join("files");
    std::fs::create_dir(&files).expect("created");
    let write = |name: &str, text: &str| std::fs::write(files.join(name), text).expect("written");
    // The subject is in a later file; one line is bad; one refers to nothing.
    write(
        "a.ndjson",
        concat!(
            r#"{"resourceType":"Basic","id":"fine","code":{"text":"x"},"subject":{"reference":"Patient/p"}}"#,
            "\n",
            r#"{"resourceType":"Basic","id":"bad","code":{"text":"x"},"nonsense":1}"#,
            "\n",
            "not json\n",
            r#"{"resourceType":"Basic","id":"lost","code":{"text":"x"},"subject":{"reference":"Patient/nobody"}}"#,
            "\n",
        ),
    );
    write(
        "b.json",
        r#"{"resourceType":"Bundle","type":"collection","entry":[{"resource":{"resourceType":"Patient","id":"p"}}]}"#,
    );
    write(
        "c.json",
        r#"{"resourceType":"Bundle","type":"transaction","entry":[
        {"resource":{"resourceType":"Patient"},"request":{"method":"POST","url":"Patient"}},
        {"resource":{"resourceType":"Patient","nonsense":1},"request":{"method":"POST","url":"Patient"}}]}"#,
    );
    let output = load(data.path(), &[&files], &[]).await;
    let said = said(&output);
    assert_eq!(output.status.code(), Some(1), "{said}");
    assert_eq!(counts(&output, "total"), [2, 0], "{said}");
    assert_eq!(counts(&output, "Basic"), [1, 0], "{said}");
    for says in [
        "a.ndjson: line 2: ",
        "a.ndjson: line 3: ",
        "a.ndjson: line 4: ",
        "c.json: ",
        "entry[1]",
        "4 failures",
    ] {
        assert!(said.contains(says), "{says}: {said}");
    }
}

#[tokio::test]
async fn a_running_server_is_loaded_over_http() {
    let data = data_dir();
    let server = Serving::start(data.path(), &[]).await;
    let refused = load(data.path(), &[&demo()], &[]).await;
    assert_eq!(refused.status.code(), Some(1));
    assert!(said(&refused).contains("--server"), "{}", said(&refused));

    let loaded = load(data.path(), &[&demo()], &["--server", &server.url]).await;
    assert!(loaded.status.success(), "{}", said(&loaded));
    assert_eq!(counts(&loaded, "total"), [201, 0], "{}", said(&loaded));
    assert_eq!(server.get("/fhir/Patient/demo-jose").await.0, 200);
    assert_eq!(server.stop().await.0.code(), Some(0));

    let nobody = load(data.path(), &[&demo()], &["--server", "http://127.0.0.1:9"]).await;
    assert_eq!(nobody.status.code(), Some(1));
    assert!(
        said(&nobody).contains("cannot reach the server"),
        "{}",
        said(&nobody)
    );
}
