//! The official terminology tests: requests to the operations and what is answered, for a
//! server that holds the resources of each suite. The format is told in
//! `suites/tx-terminology/README.md`.
//!
//! The files are shaped as R5, so that what R4's operations have no place for is not compared:
//! `issues`, `code`, `system` and `version` of `$validate-code`, texts of messages, properties
//! of an expansion. What is: the status where an error is expected; `result` and `display`;
//! the codes of an expansion with display, version and flags, as nested, and its total; the
//! name, display, designations and properties of a lookup; the matches of a translation.

use super::{compare, scoreboard, shared};
use crate::harness::Server;
use andiron::config::Validation;
use serde_json::{Value, json};
use std::collections::{BTreeMap, BTreeSet};
use std::path::Path;

const SUITE: &str = "tx-terminology";
const LEDGER: &str = "tx-terminology.tsv";

fn read(folder: &Path, name: &str) -> Value {
    let path = folder.join("tests").join(name);
    let text = std::fs::read_to_string(&path).unwrap_or_else(|e| panic!("{}: {e}", path.display()));
    let text = text.trim_start_matches('\u{feff}');
    serde_json::from_str(text).unwrap_or_else(|e| panic!("{}: {e}", path.display()))
}

fn items(value: &Value) -> impl Iterator<Item = &Value> {
    value.as_array().into_iter().flatten()
}

/// The operation of R4 that a case calls; `None` where R4 has none.
fn path(operation: &str) -> Option<&'static str> {
    match operation {
        "expand" => Some("/ValueSet/$expand"),
        "validate-code" => Some("/ValueSet/$validate-code"),
        "cs-validate-code" => Some("/CodeSystem/$validate-code"),
        "lookup" => Some("/CodeSystem/$lookup"),
        "translate" => Some("/ConceptMap/$translate"),
        _ => None,
    }
}

/// The names that R4 has for the parameters of a translation, and for a map.
fn as_r4(mut parameters: Value, operation: &str) -> Value {
    if operation != "translate" {
        return parameters;
    }
    let all = parameters["parameter"]
        .as_array()
        .cloned()
        .unwrap_or_default();
    let named = |name: &str| all.iter().find(|one| one["name"] == name);
    let is_reverse = named("targetCode").is_some();
    let mut turned = vec![json!({"name": "reverse", "valueBoolean": is_reverse})];
    let (from, to) = match is_reverse {
        false => ("sourceSystem", "targetSystem"),
        true => ("targetSystem", "sourceSystem"),
    };
    for (r5, r4) in [
        ("sourceCode", "code"),
        ("targetCode", "code"),
        (from, "system"),
        (to, "targetsystem"),
    ] {
        if let Some(mut one) = named(r5).cloned() {
            one["name"] = json!(r4);
            turned.push(one);
        }
    }
    parameters["parameter"] = json!(turned);
    parameters
}

fn map_as_r4(mut map: Value) -> Value {
    for group in map["group"].as_array_mut().into_iter().flatten() {
        for element in group["element"].as_array_mut().into_iter().flatten() {
            for target in element["target"].as_array_mut().into_iter().flatten() {
                let equivalence = match target["relationship"].as_str() {
                    Some("equivalent") => "equivalent",
                    Some("source-is-broader-than-target") => "narrower",
                    Some("source-is-narrower-than-target") => "wider",
                    Some("not-related-to") => "disjoint",
                    _ => "relatedto",
                };
                target["equivalence"] = json!(equivalence);
            }
        }
    }
    map
}

/// One parameter of a Parameters, by name; those that are optional are not there.
fn parameters<'p>(of: &'p Value, name: &'p str) -> impl Iterator<Item = &'p Value> {
    let list = if of["parameter"].is_array() {
        &of["parameter"]
    } else {
        &of["part"]
    };
    items(list).filter(move |one| one["name"] == name && one.get("$optional$").is_none())
}

fn value(element: &Value) -> Value {
    let members = element.as_object().into_iter().flatten();
    let mut values = members.filter(|(name, _)| name.starts_with("value"));
    values
        .next()
        .map(|(_, value)| value.clone())
        .unwrap_or_default()
}

fn first(of: &Value, name: &str) -> Value {
    parameters(of, name).next().map(value).unwrap_or_default()
}

/// The codes of an expansion, each as a line with what it stands in.
fn lines(contains: &Value, within: &str, found: &mut BTreeSet<String>) {
    for one in items(contains) {
        let text = |name: &str| one[name].as_str().unwrap_or_default();
        let flag = |name: &'static str| if one[name] == true { name } else { "" };
        let line = format!(
            "{within}/{}|{} {:?} {} {}",
            text("system"),
            text("code"),
            text("display"),
            flag("abstract"),
            flag("inactive")
        );
        lines(
            &one["contains"],
            &format!("{within}/{}", text("code")),
            found,
        );
        found.insert(line);
    }
}

fn expansion_differs(expected: &Value, found: &Value) -> Option<String> {
    let of = |value_set: &Value| {
        let mut all = BTreeSet::new();
        lines(&value_set["expansion"]["contains"], "", &mut all);
        all
    };
    let (wanted, got) = (of(expected), of(found));
    if wanted != got {
        let missing: Vec<_> = wanted.difference(&got).take(2).collect();
        let extra: Vec<_> = got.difference(&wanted).take(2).collect();
        return Some(format!("codes: missing {missing:?}, too many {extra:?}"));
    }
    let total = &expected["expansion"]["total"];
    let same = total.is_null() || *total == found["expansion"]["total"];
    (!same).then(|| {
        format!(
            "total: expected {total} but found {}",
            found["expansion"]["total"]
        )
    })
}

/// `code=value` of what a lookup tells.
fn told(of: &Value, name: &str) -> BTreeSet<String> {
    let parts =
        parameters(of, name).map(|one| format!("{}={}", first(one, "code"), first(one, "value")));
    parts.collect()
}

fn differs(operation: &str, expected: &Value, found: &Value) -> Option<String> {
    if expected["resourceType"] != found["resourceType"] {
        return Some(format!(
            "expected a {} but found a {}",
            expected["resourceType"], found["resourceType"]
        ));
    }
    let unlike = |name: &str| {
        let (wanted, got) = (first(expected, name), first(found, name));
        let is_free = wanted.is_null() || wanted.as_str().is_some_and(|text| text.starts_with('$'));
        (!is_free && wanted != got).then(|| format!("{name}: expected {wanted} but found {got}"))
    };
    match operation {
        "expand" => expansion_differs(expected, found),
        "lookup" => ["name", "version", "display"]
            .into_iter()
            .find_map(unlike)
            .or_else(|| {
                let mut got = told(found, "property");
                // R5 has a parameter of its own for what R4 tells as a property.
                let definition = first(expected, "definition");
                got.extend(told(found, "designation"));
                let mut wanted = told(expected, "property");
                wanted.extend(told(expected, "designation"));
                if !definition.is_null() {
                    wanted.insert(format!("\"definition\"={definition}"));
                }
                let missing: Vec<_> = wanted.difference(&got).collect();
                (!missing.is_empty()).then(|| format!("missing {missing:?}"))
            }),
        "translate" => unlike("result").or_else(|| {
            let of = |of: &Value| -> BTreeSet<String> {
                let matches =
                    parameters(of, "match").map(|one| first(one, "concept")["code"].to_string());
                matches.collect()
            };
            (of(expected) != of(found)).then(|| format!("matches: {found}"))
        }),
        _ => unlike("result").or_else(|| unlike("display")),
    }
}

async fn run(server: &Server, folder: &Path, case: &Value) -> Option<String> {
    let operation = case["operation"].as_str().unwrap_or_default();
    let mut request = read(folder, case["request"].as_str().expect("a request"));
    if let Some(profile) = case["profile"].as_str() {
        let more = read(folder, profile);
        if let Some(list) = request["parameter"].as_array_mut() {
            list.extend(items(&more["parameter"]).cloned());
        }
    }
    let request = as_r4(request, operation);
    let language = case["Accept-Language"]
        .as_str()
        .map(|tag| format!("Accept-Language: {tag}"));
    let headers: Vec<&str> = language.as_deref().into_iter().collect();
    let reply = server.post_with(path(operation)?, &headers, &request).await;
    if case["http-code"] == "4xx" {
        let is_refused = (400..500).contains(&reply.status);
        return (!is_refused).then(|| format!("expected a refusal but found {}", reply.status));
    }
    if reply.status != 200 {
        return Some(format!(
            "{}: {}",
            reply.status,
            reply.json()["issue"][0]["diagnostics"]
        ));
    }
    let found = reply.json();
    let responses = ["response", "response:flat"].map(|name| case[name].as_str());
    let mut how = None;
    for response in responses.into_iter().flatten() {
        how = differs(operation, &read(folder, response), &found);
        if how.is_none() {
            break;
        }
    }
    how
}

#[tokio::test(flavor = "multi_thread")]
async fn terminology_suite_gives_what_its_ledger_says() {
    let Some(folder) = shared("suites/tx-terminology") else {
        return;
    };
    let (mut failed, mut counts, mut left_out) = (BTreeMap::new(), Vec::new(), BTreeMap::new());
    let all = read(&folder, "test-cases.json");
    for suite in items(&all["suites"]).filter(|one| is_general(one)) {
        let name = suite["name"].as_str().expect("a name");
        let server = Server::with(|settings| settings.validation = Validation::Off).await;
        for resource in items(&suite["setup"]).filter_map(Value::as_str) {
            let resource = map_as_r4(read(&folder, resource));
            let kind = resource["resourceType"].as_str().expect("a type");
            server
                .post(&format!("/{kind}"), &resource)
                .await
                .expect(201);
        }
        let (mut cases, mut failing) = (0, 0);
        let mut seen = BTreeMap::new();
        for case in items(&suite["tests"]).filter(|one| is_general(one)) {
            let operation = case["operation"].as_str().unwrap_or_default();
            if path(operation).is_none() {
                *left_out.entry(operation.to_owned()).or_insert(0) += 1;
                continue;
            }
            let mut label = format!("{name}/{}", case["name"].as_str().expect("a name"));
            let nth = seen.entry(label.clone()).or_insert(0);
            *nth += 1;
            if *nth > 1 {
                label.push_str(&format!("#{nth}"));
            }
            cases += 1;
            if let Some(how) = run(&server, &folder, case).await {
                failing += 1;
                failed.insert(label, how);
            }
        }
        if cases > 0 {
            counts.push((name.to_owned(), cases, failing));
        }
    }
    scoreboard::check(SUITE, &section(&counts, &left_out));
    compare(LEDGER, &failed);
}

/// Suites and cases without a mode are for every server.
fn is_general(one: &Value) -> bool {
    one["mode"].is_null() || one["mode"] == "general"
}

fn section(counts: &[(String, usize, usize)], left_out: &BTreeMap<String, usize>) -> String {
    let cases: usize = counts.iter().map(|(_, cases, _)| cases).sum();
    let failing: usize = counts.iter().map(|(.., failing)| failing).sum();
    let left: usize = left_out.values().sum();
    let names: Vec<String> = left_out
        .iter()
        .map(|(name, count)| format!("{name} {count}"))
        .collect();
    let mut text = format!(
        "## Terminology (`tx-terminology`)\n\n{} of {cases} cases of R4's operations pass; {left} of the {} general cases call \
         what R4\ndoes not have or are about metadata ({}). Compared is what R4's answers have: \
         status, `result`, `display`,\ncodes of expansions, not the texts and `issues` of R5. \
         Why the others fail: [`{LEDGER}`]({LEDGER}).\n\n| suite | cases | fail |\n|---|---:|---:|\n",
        cases - failing,
        cases + left,
        names.join(", "),
    );
    for (name, cases, failing) in counts {
        text.push_str(&format!("| {name} | {cases} | {failing} |\n"));
    }
    text
}
