//! Realistic records in volume: what was sent is what is read, references apart, which must
//! lead to what they meant. A slice by default, all of it with `ANDIRON_WHOLE=1`.

use super::fidelity::{files, unpack};
use crate::harness::{BASE, Server, shared};
use serde_json::{Value, json};
use std::collections::{BTreeMap, HashMap, HashSet};
use std::path::PathBuf;

fn whole() -> bool {
    std::env::var_os("ANDIRON_WHOLE").is_some()
}

/// Where each link of a set of bundles leads: from `urn:uuid:…` or `Type?criteria` to `Type/id`.
type Links = HashMap<String, String>;

/// Compares what was sent with what is stored; `path` is for the message.
fn assert_same(sent: &Value, stored: &Value, links: &mut Links, path: &str) {
    match (sent, stored) {
        (Value::Object(sent), Value::Object(stored)) => {
            let top = sent.contains_key("resourceType") && path.split('.').count() == 1;
            let names = |object: &serde_json::Map<String, Value>| -> Vec<String> {
                let ours = |name: &&String| !(top && (*name == "id" || *name == "meta"));
                object.keys().filter(ours).cloned().collect()
            };
            assert_eq!(names(sent), names(stored), "{path}");
            for name in names(sent) {
                let here = format!("{path}.{name}");
                if name == "reference" && sent[&name].is_string() {
                    assert_link(&sent[&name], &stored[&name], links, &here);
                } else {
                    assert_same(&sent[&name], &stored[&name], links, &here);
                }
            }
        }
        (Value::Array(sent), Value::Array(stored)) => {
            assert_eq!(sent.len(), stored.len(), "{path}");
            for (index, (sent, stored)) in sent.iter().zip(stored).enumerate() {
                assert_same(sent, stored, links, &format!("{path}[{index}]"));
            }
        }
        // Texts, so that 1.0 is not 1.00.
        (sent, stored) => assert_eq!(sent.to_string(), stored.to_string(), "{path}"),
    }
}

/// A link that had to be resolved leads to the same place everywhere; any other is as sent.
fn assert_link(sent: &Value, stored: &Value, links: &mut Links, path: &str) {
    let (sent, stored) = (
        sent.as_str().expect("a text"),
        stored.as_str().expect("a text"),
    );
    if !sent.starts_with("urn:") && !sent.contains('?') {
        assert_eq!(sent, stored, "{path}");
        return;
    }
    let known = links
        .entry(sent.to_owned())
        .or_insert_with(|| stored.to_owned());
    assert_eq!(known, stored, "{path}: {sent}");
}

/// The bundles of Synthea: the two that come first, then the patients, smallest first.
fn bundles(folder: &std::path::Path) -> Vec<PathBuf> {
    let is_first = |path: &PathBuf| {
        path.file_name()
            .and_then(|name| name.to_str())
            .is_some_and(|name| name.starts_with('0'))
    };
    let (mut first, mut patients): (Vec<PathBuf>, Vec<PathBuf>) =
        files(folder).into_iter().partition(is_first);
    patients.sort_by_key(|path| path.metadata().map_or(u64::MAX, |data| data.len()));
    let count = if whole() { patients.len() } else { 2 };
    first.extend(patients.into_iter().take(count));
    first
}

#[tokio::test(flavor = "multi_thread")]
async fn every_record_reads_back_equal_and_is_counted() {
    let Some(folder) = unpack("data/synthea-2021-120pt.tar.xz") else {
        return;
    };
    let server = Server::start().await;
    let mut links = Links::new();
    let mut counts: BTreeMap<String, u64> = BTreeMap::new();
    for path in bundles(folder.path()) {
        let text = std::fs::read(&path).expect("a file");
        let headers = ["Content-Type: application/fhir+json"];
        let reply = server.send("POST", "/fhir", &headers, text.clone()).await;
        reply.expect(200);
        let bundle = andiron::fhir::json::parse(&text, 100).expect("JSON");
        let entries = bundle["entry"].as_array().expect("entries");
        let answers = reply.entries();
        assert_eq!(entries.len(), answers.len());
        for (entry, answer) in entries.iter().zip(&answers) {
            let response = &answer["response"];
            assert_eq!(response["status"], "201 Created", "{answer}");
            let location = response["location"].as_str().expect("a location");
            let place = location.strip_prefix(BASE).expect("our base");
            let place = place.split("/_history").next().expect("a path");
            let full_url = entry["fullUrl"].as_str().expect("a full URL");
            links.insert(full_url.to_owned(), place[1..].to_owned());
            let kind = entry["resource"]["resourceType"].as_str().expect("a type");
            *counts.entry(kind.to_owned()).or_default() += 1;
        }
        for entry in entries {
            let full_url = entry["fullUrl"].as_str().expect("a full URL");
            let stored = server.get(&format!("/{}", links[full_url])).await;
            stored.expect(200);
            assert_same(&entry["resource"], &stored.json(), &mut links, "resource");
        }
    }
    let mut total = 0;
    for (kind, count) in &counts {
        let page = server.get(&format!("/{kind}?_summary=count")).await;
        assert_eq!(page.json()["total"], *count, "{kind}");
        total += count;
    }
    println!("{total} records of Synthea read back equal");
    if whole() {
        assert_eq!((total, counts["Observation"]), (92_114, 42_929));
    }
}

/// One transaction of 25,000 entries under a raised limit; only with `ANDIRON_WHOLE=1`,
/// else its first 500 entries.
#[tokio::test(flavor = "multi_thread")]
async fn a_very_large_transaction_commits() {
    let Some(archive) = shared("data/big-tx-25000-entries.json.bz2") else {
        return;
    };
    let unpacked = std::process::Command::new("bzip2")
        .arg("-dc")
        .arg(archive)
        .output();
    let text = unpacked.expect("bzip2 is there").stdout;
    let mut bundle = andiron::fhir::json::parse(&text, 100).expect("JSON");
    let entries = bundle["entry"].as_array_mut().expect("entries");
    if !whole() {
        entries.truncate(500);
    }
    let count = entries.len();
    let server = Server::with(|settings| {
        settings.limits.bundle_entries = 30_000;
        settings.limits.body_size = 200 << 20;
    })
    .await;
    let text = bundle.to_string();
    create_what_is_referred_to(&server, &text).await;
    let headers = ["Content-Type: application/fhir+json"];
    let reply = server.send("POST", "/fhir", &headers, text).await;
    // A slice may point at entries that were cut off: then nothing is stored.
    if reply.status == 400 && !whole() {
        assert!(reply.issues().contains("fullUrl"), "{}", reply.text());
        return;
    }
    reply.expect(200);
    assert_eq!(reply.entries().len(), count);
}

/// The bundle refers conditionally to a few resources that it does not hold.
async fn create_what_is_referred_to(server: &Server, text: &str) {
    let mut seen = HashSet::new();
    for part in text.split("\"reference\":\"").skip(1) {
        let reference = part.split('"').next().expect("a text");
        let Some((kind, criteria)) = reference.split_once("?identifier=") else {
            continue;
        };
        if seen.insert(reference.to_owned()) {
            let (system, value) = criteria.split_once('|').expect("a token");
            let identifier = json!([{"system": system, "value": value}]);
            server
                .create(&json!({"resourceType": kind, "identifier": identifier}))
                .await;
        }
    }
}
