//! What is searched: slices of the official examples and of Synthea, and what is made by
//! hand. All goes in by PUT; what the server refuses is not part of the world.

use super::hand_made;
use super::world::{Record, World};
use crate::harness::{Server, shared};
use serde_json::{Value, json};
use std::collections::{BTreeMap, BTreeSet, HashMap};
use std::path::{Path, PathBuf};

/// How much is taken.
#[derive(Clone, Copy, Debug)]
pub struct Amount {
    /// Examples of each type.
    pub examples: usize,
    /// Patients of Synthea.
    pub patients: usize,
}

/// Examples longer than this are definitions for the most part.
const LONGEST: u64 = 25_000;

/// Types whose resources change what the server itself does.
const ACTIVE: [&str; 2] = ["SearchParameter", "Subscription"];

/// All resources, those of the shared material where it is there.
pub fn gather(amount: Amount) -> Vec<Value> {
    let mut all = hand_made::resources();
    if let Some(folder) = unpack("suites/r4-examples/r4-4.0.1-examples-json.tar.xz") {
        all.extend(examples(folder.path(), amount.examples));
    }
    if let Some(folder) = unpack("data/synthea-xml-json-pairs-4.tar.xz") {
        all.extend(patients(folder.path(), amount.patients));
    }
    all
}

fn unpack(archive: &str) -> Option<tempfile::TempDir> {
    let archive = shared(archive)?;
    let folder = tempfile::tempdir().expect("a temporary folder");
    let mut tar = std::process::Command::new("tar");
    let done = tar
        .arg("xf")
        .arg(archive)
        .arg("-C")
        .arg(folder.path())
        .status();
    assert!(done.expect("tar is there").success());
    Some(folder)
}

fn files(folder: &Path) -> Vec<PathBuf> {
    let (mut found, mut folders) = (Vec::new(), vec![folder.to_path_buf()]);
    while let Some(folder) = folders.pop() {
        for entry in std::fs::read_dir(&folder).expect("a folder").flatten() {
            match entry.path() {
                path if path.is_dir() => folders.push(path),
                path => found.push(path),
            }
        }
    }
    found.retain(|path| path.extension().is_some_and(|end| end == "json"));
    found.sort();
    found
}

fn read(path: &Path) -> Value {
    let text = std::fs::read(path).expect("a file");
    andiron::fhir::json::parse(&text, 200).unwrap_or_default()
}

/// The first few of each type, in the order of their names.
fn examples(folder: &Path, of_each: usize) -> Vec<Value> {
    let mut taken: BTreeMap<String, usize> = BTreeMap::new();
    let mut found = Vec::new();
    for path in files(folder) {
        if path.metadata().map_or(u64::MAX, |data| data.len()) > LONGEST {
            continue;
        }
        let resource = read(&path);
        let Some(kind) = resource["resourceType"].as_str() else {
            continue;
        };
        let count = taken.entry(kind.to_owned()).or_default();
        if *count < of_each && !ACTIVE.contains(&kind) && resource["id"].is_string() {
            *count += 1;
            found.push(resource);
        }
    }
    found
}

/// The records of the smallest bundles, their links made relative references.
fn patients(folder: &Path, count: usize) -> Vec<Value> {
    let mut paths = files(folder);
    paths.sort_by_key(|path| path.metadata().map_or(u64::MAX, |data| data.len()));
    let (mut found, mut made) = (BTreeMap::new(), BTreeMap::new());
    for path in paths.iter().take(count) {
        let bundle = read(path);
        let entries = bundle["entry"].as_array().cloned().unwrap_or_default();
        let mut names: HashMap<String, String> = HashMap::new();
        for entry in &entries {
            let (kind, id) = (&entry["resource"]["resourceType"], &entry["resource"]["id"]);
            if let (Some(url), Some(kind), Some(id)) =
                (entry["fullUrl"].as_str(), kind.as_str(), id.as_str())
            {
                names.insert(url.to_owned(), format!("{kind}/{id}"));
            }
        }
        for mut entry in entries {
            let mut resource = entry["resource"].take();
            relink(&mut resource, &names, &mut made);
            let name = format!("{}/{}", resource["resourceType"], resource["id"]);
            found.insert(name, resource);
        }
    }
    found.into_values().chain(made.into_values()).collect()
}

/// Makes links plain; what is referred to by its identifier is made up, with its identifier
/// as id.
fn relink(value: &mut Value, names: &HashMap<String, String>, made: &mut BTreeMap<String, Value>) {
    match value {
        Value::Object(members) => {
            let display = members.get("display").cloned();
            if let Some(Value::String(text)) = members.get_mut("reference") {
                if let Some(known) = names.get(text) {
                    *text = known.clone();
                } else if let Some((kind, system, id)) = by_identifier(text) {
                    let name = match kind.as_str() {
                        "Practitioner" => json!([{"text": display}]),
                        _ => json!(display),
                    };
                    let one = json!({"resourceType": kind, "id": id, "name": name,
                        "identifier": [{"system": system, "value": id}]});
                    *text = format!("{kind}/{id}");
                    made.insert(text.clone(), one);
                }
            }
            let members = members.values_mut();
            members.for_each(|member| relink(member, names, made));
        }
        Value::Array(items) => items.iter_mut().for_each(|item| relink(item, names, made)),
        _ => {}
    }
}

/// `Practitioner?identifier=system|value`
fn by_identifier(text: &str) -> Option<(String, String, String)> {
    let (kind, identifier) = text.split_once("?identifier=")?;
    let (system, value) = identifier.split_once('|')?;
    Some((kind.to_owned(), system.to_owned(), value.to_owned()))
}

/// The same resources as they might have been before: each of some has the content of
/// another of its type, and some more are there that are to be deleted.
fn past(resources: &[Value]) -> (Vec<Value>, Vec<String>) {
    let (mut before, mut gone) = (Vec::new(), Vec::new());
    for (at, resource) in resources.iter().enumerate() {
        let kind = &resource["resourceType"];
        let mut later = resources[at + 1..].iter().take(50);
        let Some(other) = later.find(|other| other["resourceType"] == *kind) else {
            continue;
        };
        let mut other = other.clone();
        if at % 4 == 0 {
            other["id"] = resource["id"].clone();
            before.push(other);
        } else if at % 17 == 0 {
            other["id"] = format!("gone-{at}").into();
            gone.push(format!("/{}/gone-{at}", kind.as_str().unwrap_or_default()));
            before.push(other);
        }
    }
    (before, gone)
}

/// Stores all that can be stored, after a past of other contents and of what is gone.
pub async fn store(server: &Server, resources: &[Value]) -> World {
    // Official examples share ids, and the order of the entries of a batch decides nothing.
    let mut known = BTreeSet::new();
    let name = |one: &Value| (one["resourceType"].to_string(), one["id"].to_string());
    let unique = resources.iter().filter(|one| known.insert(name(one)));
    let resources = &unique.cloned().collect::<Vec<Value>>()[..];
    let (before, gone) = past(resources);
    put(server, &before).await;
    for path in gone {
        // What was refused is not there to be deleted.
        server.delete(&path).await;
    }
    put(server, resources).await
}

/// Stores all that can be stored; the world is what the server says it stored.
pub async fn put(server: &Server, resources: &[Value]) -> World {
    let mut records: BTreeMap<String, Record> = BTreeMap::new();
    for some in resources.chunks(100) {
        let entries = some.iter().map(|resource| {
            let kind = resource["resourceType"].as_str().unwrap_or_default();
            let id = resource["id"].as_str().unwrap_or_default();
            let request = json!({"method": "PUT", "url": format!("{kind}/{id}")});
            json!({"resource": resource, "request": request})
        });
        let entries: Vec<Value> = entries.collect();
        let bundle = json!({"resourceType": "Bundle", "type": "batch", "entry": entries});
        let headers = ["Prefer: return=representation"];
        let reply = server.post_with("", &headers, &bundle).await;
        reply.expect(200);
        for entry in reply.entries() {
            let status = entry["response"]["status"].as_str().unwrap_or_default();
            let stored = &entry["resource"];
            if !status.starts_with('2') || !stored.is_object() {
                if std::env::var_os("ANDIRON_SHOW").is_some() {
                    println!("refused: {entry}");
                }
                continue;
            }
            let text = |name: &str| stored[name].as_str().unwrap_or_default().to_owned();
            let record = Record {
                kind: text("resourceType"),
                id: text("id"),
                json: stored.clone(),
            };
            records.insert(record.name(), record);
        }
    }
    World::new(records.into_values().collect())
}
