//! `andiron validate`, offline.

use super::program::{andiron, run, text};
use crate::harness::shared;
use serde_json::{Value, json};
use std::path::Path;
use std::process::Output;
use tempfile::TempDir;

fn folder(files: &[(&str, &str)]) -> TempDir {
    let folder = tempfile::tempdir().expect("a folder");
    for (name, content) in files {
        std::fs::write(folder.path().join(name), content).expect("written");
    }
    folder
}

async fn validate(folder: &Path, arguments: &[&str]) -> Output {
    run(andiron()
        .current_dir(folder)
        .arg("validate")
        .args(arguments))
    .await
}

const GOOD: &str = r#"{"resourceType":"Patient","active":true,
    "text":{"status":"generated","div":"<div xmlns=\"http://www.w3.org/1999/xhtml\">A</div>"}}"#;
const BAD: &str = r#"{"resourceType":"Patient","gender":"unknwon"}"#;
const XML: &str =
    r#"<Patient xmlns="http://hl7.org/fhir"><birthDate value="2020-13-01"/></Patient>"#;

#[tokio::test]
async fn files_of_all_forms_are_judged() {
    let lines = format!("{}\n\n{BAD}\n", GOOD.replace('\n', " "));
    let folder = folder(&[
        ("good.json", GOOD),
        ("bad.json", BAD),
        ("bad.xml", XML),
        ("many.ndjson", &lines),
        ("broken.json", "{"),
        ("notes.txt", "no resource"),
    ]);
    let good = validate(folder.path(), &["good.json"]).await;
    assert_eq!(good.status.code(), Some(0), "{}", text(&good.stderr));
    assert!(
        text(&good.stdout).starts_with("good.json: "),
        "{}",
        text(&good.stdout)
    );
    let all = validate(folder.path(), &["."]).await;
    assert_eq!(all.status.code(), Some(1));
    let said = text(&all.stdout);
    for says in [
        "./bad.json:1:36: error: Patient.gender: ",
        "./bad.xml: error: Patient.birthDate: ",
        "./many.ndjson:3: error: Patient.gender: ",
        "./broken.json: error: ",
    ] {
        assert!(said.contains(says), "{says}: {said}");
    }
    assert!(!said.contains("notes"), "{said}");
    assert!(
        text(&all.stderr).contains("6 validated, 4 with errors"),
        "{}",
        text(&all.stderr)
    );
    let json = validate(folder.path(), &["many.ndjson", "--output", "json"]).await;
    let outcomes: Vec<Value> = text(&json.stdout)
        .lines()
        .map(|line| serde_json::from_str(line).expect("an outcome"))
        .collect();
    assert_eq!(outcomes.len(), 2);
    assert_eq!(outcomes[1]["resourceType"], "OperationOutcome");
    assert_eq!(outcomes[1]["issue"][0]["expression"][0], "Patient.gender");
    let none = validate(folder.path(), &["nothing.json"]).await;
    assert_eq!(none.status.code(), Some(1));
    assert!(text(&none.stderr).contains("nothing.json"));
}

#[tokio::test]
async fn profiles_come_with_their_definitions() {
    let profile = json!({
        "resourceType": "StructureDefinition", "url": "http://example.org/born", "name": "Born",
        "status": "active", "kind": "resource", "abstract": false, "type": "Patient",
        "baseDefinition": "http://hl7.org/fhir/StructureDefinition/Patient",
        "derivation": "constraint",
        "differential": {"element": [{"id": "Patient.birthDate", "path": "Patient.birthDate", "min": 1}]}
    });
    let folder = folder(&[("good.json", GOOD), ("born.json", &profile.to_string())]);
    let asked = ["good.json", "--profile", "http://example.org/born"];
    let unknown = validate(folder.path(), &asked).await;
    assert_eq!(unknown.status.code(), Some(1));
    assert!(
        text(&unknown.stderr).contains("--definitions"),
        "{}",
        text(&unknown.stderr)
    );
    let known = [&asked[..], &["--definitions", "born.json"]].concat();
    let known = validate(folder.path(), &known).await;
    assert_eq!(known.status.code(), Some(1));
    assert!(
        text(&known.stdout).contains("error: Patient"),
        "{}",
        text(&known.stdout)
    );
    let Some(package) = shared("packages/us_core_610.tgz") else {
        return;
    };
    let url = "http://hl7.org/fhir/us/core/StructureDefinition/us-core-patient";
    let package = package.display().to_string();
    let arguments = ["good.json", "--package", &package, "--profile", url];
    let output = validate(folder.path(), &arguments).await;
    assert_eq!(output.status.code(), Some(1));
    assert!(
        text(&output.stdout).contains("Patient.identifier"),
        "{}",
        text(&output.stdout)
    );
}
