//! What is stored is what was sent, to the letter.

use crate::harness::{Server, shared};
use serde_json::{Value, json};
use std::path::Path;

/// Compares a resource with what was sent, server-owned elements aside.
pub fn same(sent: &Value, stored: &Value) -> bool {
    let strip = |value: &Value| {
        let mut value = value.clone();
        if let Some(object) = value.as_object_mut() {
            object.shift_remove("id");
            if let Some(meta) = object.get_mut("meta").and_then(Value::as_object_mut) {
                meta.shift_remove("versionId");
                meta.shift_remove("lastUpdated");
            }
            if object.get("meta").is_some_and(|meta| meta == &json!({})) {
                object.shift_remove("meta");
            }
        }
        value
    };
    // Texts, since equal objects may have their properties in another order.
    let (sent, stored) = (strip(sent).to_string(), strip(stored).to_string());
    sent == stored
}

#[tokio::test(flavor = "multi_thread")]
async fn decimals_extensions_order_and_unicode_survive() {
    let server = Server::start().await;
    for text in [
        r#"{"resourceType":"Observation","status":"final","code":{"text":"x"},"valueQuantity":{"value":1.00}}"#,
        r#"{"resourceType":"Observation","valueQuantity":{"value":1e-7,"unit":"é"},"code":{"text":"x"},"status":"final"}"#,
        r#"{"resourceType":"Observation","status":"final","code":{"text":"x"},"component":[{"code":{"text":"a"},"valueQuantity":{"value":1E-22}},{"code":{"text":"b"},"valueQuantity":{"value":1234567890123456789012345678901234567890.10}}]}"#,
        r#"{"resourceType":"Patient","name":[{"given":["A",null,"B"],"_given":[null,{"id":"x","extension":[{"url":"urn:e","valueCode":"c"}]},null]}],"_birthDate":{"extension":[{"url":"http://hl7.org/fhir/StructureDefinition/data-absent-reason","valueCode":"unknown"}]}}"#,
        r#"{"resourceType":"Patient","name":[{"text":"😀 你好 مرحبا \" \\ \n"}],"active":true}"#,
    ] {
        let headers = ["Content-Type: application/fhir+json"];
        let kind = if text.contains("Patient") {
            "Patient"
        } else {
            "Observation"
        };
        let reply = server
            .send("POST", &format!("/fhir/{kind}"), &headers, text)
            .await;
        reply.expect(201);
        let id = reply.json()["id"].as_str().expect("an id").to_owned();
        for reply in [
            server.get(&format!("/{kind}/{id}")).await,
            server.get(&format!("/{kind}/{id}?_pretty=true")).await,
        ] {
            let sent = andiron::fhir::json::parse(text.as_bytes(), 50).expect(text);
            assert!(same(&sent, &reply.json()), "{text}\n{}", reply.text());
        }
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn the_demo_records_load_twice_and_read_back_equal() {
    let server = Server::start().await;
    let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("fixtures/demo");
    let mut files: Vec<_> = std::fs::read_dir(folder)
        .expect("fixtures")
        .flatten()
        .map(|entry| entry.path())
        .collect();
    files.sort();
    for turn in 0..2 {
        for file in &files {
            let text = std::fs::read(file).expect("a file");
            let headers = [
                "Content-Type: application/fhir+json",
                "Prefer: return=representation",
            ];
            let reply = server.send("POST", "/fhir", &headers, text.clone()).await;
            reply.expect(200);
            if turn == 1 {
                assert!(
                    reply
                        .entries()
                        .iter()
                        .all(|entry| entry["response"]["status"] == "200 OK"),
                    "{}",
                    reply.text()
                );
            }
        }
    }
    let totals = server
        .get("?_type=Patient,Observation&_total=accurate&_count=0")
        .await;
    assert_eq!(totals.json()["total"], 8 + 64);
    assert_eq!(server.get("/Patient?name=ibáñez").await.ids().len(), 1);
}

/// Unpacks an archive of the shared material into a temporary folder.
pub fn unpack(archive: &str) -> Option<tempfile::TempDir> {
    let archive = shared(archive)?;
    let folder = tempfile::tempdir().expect("a temporary folder");
    let done = std::process::Command::new("tar")
        .arg("xf")
        .arg(archive)
        .arg("-C")
        .arg(folder.path())
        .status()
        .expect("tar is there");
    assert!(done.success());
    Some(folder)
}

/// All files below a folder, sorted.
pub fn files(folder: &Path) -> Vec<std::path::PathBuf> {
    let mut found = Vec::new();
    let mut folders = vec![folder.to_path_buf()];
    while let Some(folder) = folders.pop() {
        for entry in std::fs::read_dir(&folder).expect("a folder").flatten() {
            match entry.path() {
                path if path.is_dir() => folders.push(path),
                path => found.push(path),
            }
        }
    }
    found.sort();
    found
}

/// A slice of the official examples is accepted and reads back equal; all of them with
/// `ANDIRON_WHOLE=1`. What is itself invalid stands in `conformance/r4-examples-invalid.tsv`.
#[tokio::test(flavor = "multi_thread")]
async fn official_examples_read_back_equal() {
    let Some(folder) = unpack("suites/r4-examples/r4-4.0.1-examples-json.tar.xz") else {
        return;
    };
    let step = if std::env::var_os("ANDIRON_WHOLE").is_some() {
        1
    } else {
        7
    };
    let server =
        Server::with(|settings| settings.integrity = andiron::config::Integrity::Off).await;
    let ledger = include_str!("../../conformance/r4-examples-invalid.tsv");
    // A create ignores the id of the body, so that a bad one is no reason to refuse it.
    let invalid: Vec<&str> = ledger
        .lines()
        .filter_map(|line| line.split_once('\t'))
        .filter(|(_, reason)| !reason.contains("expected an id:"))
        .map(|(name, _)| name)
        .collect();
    let mut seen = 0;
    for path in files(folder.path()).into_iter().step_by(step) {
        let name = path
            .file_name()
            .and_then(|name| name.to_str())
            .expect("a name")
            .to_owned();
        let text = std::fs::read(&path).expect("a file");
        let sent = andiron::fhir::json::parse(&text, 200).ok();
        let kind = sent.as_ref().and_then(|sent| sent["resourceType"].as_str());
        let (Some(sent), Some(kind)) = (&sent, kind) else {
            assert!(
                invalid.contains(&name.as_str()),
                "{name} is no resource in JSON and not in the ledger"
            );
            continue;
        };
        let headers = [
            "Content-Type: application/fhir+json",
            "Prefer: return=minimal",
        ];
        let reply = server
            .send("POST", &format!("/fhir/{kind}"), &headers, text)
            .await;
        if invalid.contains(&name.as_str()) {
            assert!(
                reply.status >= 400,
                "{name} is in the ledger but was accepted"
            );
            continue;
        }
        assert_eq!(reply.status, 201, "{name}: {}", reply.text());
        let location = reply.header("location").expect("a location");
        let path = location
            .strip_prefix(crate::harness::BASE)
            .expect("our base");
        let stored = server
            .get(path.split("/_history").next().expect("a path"))
            .await;
        assert!(same(sent, &stored.json()), "{name}");
        seen += 1;
    }
    println!("{seen} official examples read back equal");
    assert!(seen > 300);
}
