//! Brings the core definitions back to what HL7 published as R4 4.0.1.
//!
//! The npm package that carries the HL7 JSON also carries its publisher's own additions: a
//! resource, value sets and search parameters from later releases of FHIR, and new elements
//! in the snapshots of a dozen types. The differentials were left as published nearly
//! everywhere, and in R4 the differential of a *specialization* states each of its own
//! elements in full (<https://hl7.org/fhir/R4/profiling.html#snapshot>), so the published
//! snapshot can be told from it. What no rule can tell is listed by name below. Packages
//! other than the core are never touched by this.

use std::collections::{HashMap, HashSet};

use serde_json::{Value, json};

const CORE: &str = "http://hl7.org/fhir/";

/// Search parameters that are not in R4 although they bear its version.
const ADDED_SEARCH_PARAMETERS: [&str; 2] = [
    "http://hl7.org/fhir/SearchParameter/DetectedIssue-status",
    "http://hl7.org/fhir/SearchParameter/ServiceRequest-order-detail",
];

/// Elements that were added to a differential as well.
const ADDED_ELEMENTS: [&str; 1] = ["ResearchStudy.studyDesign"];

/// Elements that every element or backbone element inherits.
const INHERITED: [&str; 3] = ["id", "extension", "modifierExtension"];

/// What was changed, for the report of the compiler.
#[derive(Debug, Default)]
pub(super) struct Restored {
    pub left_out: Vec<String>,
    pub structures: Vec<String>,
}

/// Drops the artifacts and undoes the edits that R4 does not have.
pub(super) fn restore(artifacts: &mut Vec<Value>, fhir_version: &str) -> Restored {
    let mut restored = Restored::default();
    artifacts.retain(|artifact| {
        let url = artifact["url"].as_str().unwrap_or_default();
        let of_another_release = url.starts_with(CORE)
            && artifact["version"]
                .as_str()
                .is_some_and(|v| v != fhir_version);
        let kept = !of_another_release && !ADDED_SEARCH_PARAMETERS.contains(&url);
        if !kept {
            restored.left_out.push(url.to_owned());
        }
        kept
    });
    let snapshots: HashMap<String, Vec<Value>> = artifacts
        .iter()
        .filter_map(|a| {
            Some((
                a["url"].as_str()?.to_owned(),
                elements(a, "snapshot")?.clone(),
            ))
        })
        .collect();
    for artifact in artifacts.iter_mut() {
        if artifact["derivation"] != "specialization" {
            continue;
        }
        let base = artifact["baseDefinition"]
            .as_str()
            .and_then(|url| snapshots.get(url));
        let Some(base) = base else { continue };
        let Some(published) = published(artifact, base, fhir_version) else {
            continue;
        };
        if elements(artifact, "snapshot") != Some(&published) {
            restored
                .structures
                .push(artifact["name"].as_str().unwrap_or_default().to_owned());
            artifact["snapshot"]["element"] = Value::Array(published);
        }
    }
    restored.left_out.sort();
    restored.structures.sort();
    restored
}

fn elements<'a>(structure: &'a Value, view: &str) -> Option<&'a Vec<Value>> {
    structure[view]["element"].as_array()
}

fn path(element: &Value) -> &str {
    element["path"].as_str().unwrap_or_default()
}

/// `Patient.contact.name` -> `contact.name`.
fn tail(path: &str) -> &str {
    path.split_once('.').map_or("", |(_, tail)| tail)
}

/// The snapshot as published: the root, what is inherited from the base, then each element of
/// the differential followed by what it inherits as an element.
fn published(structure: &Value, base: &[Value], fhir_version: &str) -> Option<Vec<Value>> {
    let snapshot = elements(structure, "snapshot")?;
    let differential = elements(structure, "differential")?;
    let by_path: HashMap<&str, &Value> = snapshot.iter().map(|e| (path(e), e)).collect();
    let own: HashSet<&str> = differential.iter().map(path).collect();
    let inherited: HashSet<&str> = base.iter().map(|e| tail(path(e))).collect();
    let mut published: Vec<Value> = snapshot
        .iter()
        .filter(|e| !own.contains(path(e)) && inherited.contains(tail(path(e))))
        .cloned()
        .collect();
    for element in differential {
        if ADDED_ELEMENTS.contains(&path(element)) {
            continue;
        }
        let element = match by_path.get(path(element)) {
            Some(edited) => merged(element, edited, fhir_version),
            None => completed(element, snapshot),
        };
        let is_root = !path(&element).contains('.');
        let children: Vec<Value> = INHERITED
            .iter()
            .filter(|_| !is_root)
            .filter_map(|name| by_path.get(&*format!("{}.{name}", path(&element))))
            .filter(|child| !own.contains(path(child)))
            .map(|child| (*child).clone())
            .collect();
        if is_root {
            published.insert(0, element);
        } else {
            published.push(element);
        }
        published.extend(children);
    }
    Some(published)
}

/// The snapshot's element with the facts of the differential.
fn merged(element: &Value, edited: &Value, fhir_version: &str) -> Value {
    let mut merged = edited.clone();
    for name in ["min", "max", "contentReference"] {
        if let Some(fact) = element.get(name) {
            merged[name] = fact.clone();
        }
    }
    if let Some(types) = element.get("type")
        && type_facts(types) != type_facts(&edited["type"])
    {
        merged["type"] = types.clone();
    }
    // A binding of the published differential is pinned to its release; an edited one is not.
    if element["binding"]["valueSet"]
        .as_str()
        .is_some_and(|v| v.ends_with(&format!("|{fhir_version}")))
    {
        merged["binding"] = element["binding"].clone();
    }
    for rule in element["constraint"].as_array().into_iter().flatten() {
        let edited_rules = merged["constraint"].as_array_mut().into_iter().flatten();
        for edited in edited_rules.filter(|r| r["key"] == rule["key"]) {
            edited["expression"] = rule["expression"].clone();
        }
    }
    merged
}

fn type_facts(types: &Value) -> Vec<[&Value; 3]> {
    let types = types.as_array().into_iter().flatten();
    types
        .map(|t| [&t["code"], &t["profile"], &t["targetProfile"]])
        .collect()
}

/// An element that the snapshot has lost, completed by what every element inherits: its base,
/// and the constraint `ele-1`, as any other element of the snapshot bears it.
fn completed(element: &Value, snapshot: &[Value]) -> Value {
    let mut completed = element.clone();
    completed["base"] = json!({
        "path": element["path"], "min": element["min"], "max": element["max"],
    });
    let mut rules = element["constraint"]
        .as_array()
        .cloned()
        .unwrap_or_default();
    let of_elements = snapshot
        .iter()
        .filter_map(|e| e["constraint"].as_array())
        .flatten()
        .find(|rule| rule["key"] == "ele-1");
    rules.splice(0..0, of_elements.cloned());
    if !rules.is_empty() {
        completed["constraint"] = Value::Array(rules);
    }
    completed
}

#[cfg(test)]
mod tests {
    use super::*;

    fn structure(name: &str, base: &str, snapshot: &[&str], differential: &[&str]) -> Value {
        let elements = |paths: &[&str]| -> Value {
            let element = |p: &&str| json!({"path": p, "min": 0, "max": "1"});
            json!({"element": paths.iter().map(element).collect::<Vec<_>>()})
        };
        json!({
            "resourceType": "StructureDefinition", "name": name, "version": "4.0.1",
            "url": format!("{CORE}StructureDefinition/{name}"), "derivation": "specialization",
            "baseDefinition": format!("{CORE}StructureDefinition/{base}"),
            "snapshot": elements(snapshot), "differential": elements(differential),
        })
    }

    #[test]
    fn added_elements_go_and_lost_ones_return() {
        let mut artifacts = vec![
            structure("Base", "None", &["Base", "Base.id"], &["Base"]),
            structure(
                "Same",
                "Base",
                &["Same", "Same.id", "Same.a"],
                &["Same", "Same.a"],
            ),
            structure(
                "Edited",
                "Base",
                &[
                    "Edited",
                    "Edited.id",
                    "Edited.a",
                    "Edited.a.id",
                    "Edited.new",
                ],
                &["Edited", "Edited.a", "Edited.lost"],
            ),
            json!({"url": "http://hl7.org/fhir/StructureDefinition/New", "version": "5.0.0"}),
        ];
        let restored = restore(&mut artifacts, "4.0.1");
        assert_eq!(restored.structures, ["Edited"]);
        assert_eq!(
            restored.left_out,
            ["http://hl7.org/fhir/StructureDefinition/New"]
        );
        let paths: Vec<&str> = elements(&artifacts[2], "snapshot")
            .expect("kept")
            .iter()
            .map(path)
            .collect();
        assert_eq!(
            paths,
            [
                "Edited",
                "Edited.id",
                "Edited.a",
                "Edited.a.id",
                "Edited.lost"
            ]
        );
    }
}
