//! ConceptMaps: what a code means in another system.
//! <https://hl7.org/fhir/R4/conceptmap.html>, <https://hl7.org/fhir/R4/conceptmap-operation-translate.html>
//!
//! A map is read in either direction; what it says of a code that it does not map
//! (`unmapped`) counts only forwards. `dependsOn` is not weighed: a target that has one is a
//! match that says so in its products only.

use super::code_system::items;
use serde_json::{Value, json};

/// What is to be translated.
#[derive(Clone, Debug, Default)]
pub struct Query {
    pub system: Option<String>,
    pub code: String,
    /// Only matches of this system.
    pub target_system: Option<String>,
    /// From the targets of the map to its sources.
    pub is_reverse: bool,
}

/// One translation.
#[derive(Clone, Debug, PartialEq)]
pub struct Match {
    /// <https://hl7.org/fhir/R4/valueset-concept-map-equivalence.html>
    pub equivalence: String,
    /// A Coding; none where the map says that there is nothing to map to.
    pub concept: Option<Value>,
    /// The map it comes from.
    pub source: Option<String>,
    /// `target.product`, as it is.
    pub products: Vec<Value>,
}

impl Match {
    /// Whether it is a translation, or says that there is none.
    pub fn is_positive(&self) -> bool {
        !matches!(self.equivalence.as_str(), "unmatched" | "disjoint")
    }
}

/// What a map says of a code, and the maps that it sends on to where it says nothing.
#[derive(Debug, Default)]
pub struct Found {
    pub matches: Vec<Match>,
    pub others: Vec<String>,
}

/// The translations of a code by one map.
pub fn translate(map: &Value, query: &Query) -> Found {
    let mut found = Found::default();
    let canonical = map["url"]
        .as_str()
        .map(|url| match map["version"].as_str() {
            Some(version) => format!("{url}|{version}"),
            None => url.to_owned(),
        });
    for group in items(&map["group"]) {
        let (from, to) = match query.is_reverse {
            false => (&group["source"], &group["target"]),
            true => (&group["target"], &group["source"]),
        };
        let fits = |wanted: &Option<String>, system: &Value| {
            wanted
                .as_deref()
                .is_none_or(|wanted| system.as_str() == Some(wanted))
        };
        if !fits(&query.system, from) || !fits(&query.target_system, to) {
            continue;
        }
        let matches = match query.is_reverse {
            false => forwards(group, query),
            true => backwards(group, query),
        };
        let is_mapped = !matches.is_empty();
        found.matches.extend(matches);
        if !is_mapped && !query.is_reverse {
            unmapped(group, query, &mut found);
        }
    }
    for one in &mut found.matches {
        one.source.clone_from(&canonical);
    }
    found
}

fn forwards(group: &Value, query: &Query) -> Vec<Match> {
    let elements = items(&group["element"]).filter(|one| one["code"] == query.code.as_str());
    let targets = elements.flat_map(|element| items(&element["target"]));
    let matches = targets.map(|target| Match {
        equivalence: equivalence(target).to_owned(),
        concept: coding(&group["target"], &group["targetVersion"], target),
        source: None,
        products: items(&target["product"]).cloned().collect(),
    });
    matches.collect()
}

fn backwards(group: &Value, query: &Query) -> Vec<Match> {
    let mut matches = Vec::new();
    for element in items(&group["element"]) {
        let targets = items(&element["target"]).filter(|one| one["code"] == query.code.as_str());
        matches.extend(targets.map(|target| Match {
            equivalence: turned(equivalence(target)).to_owned(),
            concept: coding(&group["source"], &group["sourceVersion"], element),
            source: None,
            products: Vec::new(),
        }));
    }
    matches
}

/// What the group says of codes that it does not map. A map that lists nothing of the asked
/// system is not asked.
fn unmapped(group: &Value, query: &Query, found: &mut Found) {
    let unmapped = &group["unmapped"];
    if query.system.is_none() || group["source"].is_null() {
        return;
    }
    let told = |equivalence: &str, element: &Value| Match {
        equivalence: equivalence.to_owned(),
        concept: coding(&group["target"], &group["targetVersion"], element),
        source: None,
        products: Vec::new(),
    };
    match unmapped["mode"].as_str() {
        Some("provided") => found
            .matches
            .push(told("equal", &json!({"code": query.code}))),
        Some("fixed") => found.matches.push(told("relatedto", unmapped)),
        Some("other-map") => found
            .others
            .extend(unmapped["url"].as_str().map(str::to_owned)),
        _ => {}
    }
}

fn coding(system: &Value, version: &Value, element: &Value) -> Option<Value> {
    let mut coding = serde_json::Map::new();
    let members = [
        ("system", system),
        ("version", version),
        ("code", &element["code"]),
        ("display", &element["display"]),
    ];
    for (name, value) in members {
        if value.is_string() {
            coding.insert(name.to_owned(), value.clone());
        }
    }
    element["code"].is_string().then_some(Value::Object(coding))
}

fn equivalence(target: &Value) -> &str {
    target["equivalence"].as_str().unwrap_or("relatedto")
}

/// The equivalence as seen from the other side.
fn turned(equivalence: &str) -> &str {
    match equivalence {
        "wider" => "narrower",
        "narrower" => "wider",
        "subsumes" => "specializes",
        "specializes" => "subsumes",
        same => same,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn told(query: &Query, mode: &str) -> String {
        let map = json!({"url": "http://map", "version": "1", "group": [{
            "source": "http://a", "target": "http://b",
            "element": [
                {"code": "1", "target": [{"code": "x", "equivalence": "wider"},
                    {"code": "y", "equivalence": "equal"}]},
                {"code": "2", "target": [{"equivalence": "unmatched"}]}],
            "unmapped": {"mode": mode, "code": "other", "url": "http://more"}}]});
        let found = translate(&map, query);
        let one = |one: &Match| {
            assert_eq!(one.source.as_deref(), Some("http://map|1"));
            let code = one.concept.as_ref().map(|concept| concept["code"].as_str());
            format!("{} {}", one.equivalence, code.flatten().unwrap_or("-"))
        };
        let matches: Vec<String> = found
            .matches
            .iter()
            .map(one)
            .chain(found.others.clone())
            .collect();
        matches.join(", ")
    }

    #[test]
    fn both_directions_and_the_unmapped() {
        let query = |system: &str, code: &str, is_reverse| Query {
            system: Some(system.to_owned()),
            code: code.to_owned(),
            target_system: None,
            is_reverse,
        };
        for (query, mode, expected) in [
            (query("http://a", "1", false), "", "wider x, equal y"),
            (query("http://a", "2", false), "", "unmatched -"),
            (query("http://a", "3", false), "", ""),
            (query("http://a", "3", false), "provided", "equal 3"),
            (query("http://a", "3", false), "fixed", "relatedto other"),
            (query("http://a", "3", false), "other-map", "http://more"),
            (query("http://c", "1", false), "fixed", ""),
            (query("http://b", "x", true), "fixed", "narrower 1"),
            (query("http://b", "z", true), "fixed", ""),
            (
                Query {
                    target_system: Some("http://c".to_owned()),
                    ..query("http://a", "1", false)
                },
                "fixed",
                "",
            ),
        ] {
            assert_eq!(told(&query, mode), expected, "{query:?} {mode}");
        }
    }
}
