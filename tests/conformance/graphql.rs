//! The official GraphQL cases (`graphql-r4`), over HTTP. Each runs on a server that has what the
//! case is about and no more, since the suite's own server is one that answers its searches by
//! heart.
//!
//! Compared is `data`; the matches of a search in the order of their ids, since the cases know no
//! other.

use super::{compare, ledger, scoreboard, shared};
use crate::harness::{Reply, Server};
use crate::rest::fidelity::{files, unpack};
use andiron::config::Integrity;
use andiron::fhir::json;
use andiron::fhir::xml::Element;
use axum::body::Body;
use serde_json::{Value, json};
use std::collections::BTreeMap;
use std::path::{Path, PathBuf};

/// What the cases are about, by their names among the examples of R4; a case may name one more.
const EXAMPLES: [&str; 5] = [
    "condition-example.json",
    "list-example-long.json",
    "observation-example.json",
    "patient-example-xds.json",
    "patient-example.json",
];

#[tokio::test(flavor = "multi_thread")]
async fn the_graphql_cases_pass_but_for_their_ledger() {
    let Some(folder) = shared("suites/graphql-r4") else {
        return;
    };
    let Some(examples) = unpack("suites/r4-examples/r4-4.0.1-examples-json.tar.xz") else {
        return;
    };
    let server = Server::with(|settings| settings.integrity = Integrity::Off).await;
    let named = |path: &PathBuf| {
        let name = path.file_name().unwrap_or_default();
        name.to_string_lossy().into_owned()
    };
    let examples: BTreeMap<String, PathBuf> = files(examples.path())
        .into_iter()
        .map(|path| (named(&path), path))
        .collect();
    for name in EXAMPLES {
        load(&server, &examples[name]).await;
    }
    let (mut count, mut failed) = (0, BTreeMap::new());
    let manifest = std::fs::read(folder.join("manifest.xml")).expect("readable");
    let manifest = Element::parse(&manifest).expect("well-formed");
    for case in manifest.elements() {
        count += 1;
        let attribute = |name| case.attribute(name).unwrap_or_default();
        let query = std::fs::read_to_string(folder.join(attribute("source"))).expect("readable");
        let context = match attribute("context") {
            "" => "$graphql",
            context => context,
        };
        let own = match attribute("resource") {
            "" => None,
            name => Some(load(&server, &examples[&format!("{name}.json")]).await),
        };
        // What the suite's own runner says of every variable.
        let body = json!({"query": query, "variables": {"var": true}});
        let reply = post(&server, context, &body).await;
        if let Some(how) = difference(&folder, attribute("output"), &reply) {
            failed.insert(attribute("name").to_owned(), how);
        }
        if let Some(place) = own {
            server.delete(&place).await.expect(204);
        }
    }
    count += server_tests(&folder, &server, &mut failed).await;
    assert_eq!(count, 31);
    compare("graphql-r4.tsv", &failed);
    let known = ledger("graphql-r4.tsv").len();
    let section = format!(
        "## GraphQL (`graphql-r4`)\n\n{} of {count} cases pass, the two of `server-tests.json` among \
         them. Why the others do not: [`graphql-r4.tsv`](graphql-r4.tsv).\n",
        count - known
    );
    scoreboard::check("graphql-r4", &section);
}

/// The two cases of `server-tests.json`, by GET.
async fn server_tests(
    folder: &Path,
    server: &Server,
    failed: &mut BTreeMap<String, String>,
) -> usize {
    let text = std::fs::read(folder.join("server-tests.json")).expect("readable");
    let tests = json::parse(&text, 100).expect("JSON");
    let mut count = 0;
    for kind in ["instance-tests", "root-tests"] {
        for (name, case) in tests[kind].as_object().into_iter().flatten() {
            count += 1;
            let url = case["url"].as_str().expect("a URL");
            let url = url
                .replace('{', "%7B")
                .replace('}', "%7D")
                .replace('"', "%22");
            let reply = server.get(&url).await;
            if reply.json() != case["output"] {
                failed.insert(format!("{kind} {name}"), reply.text());
            }
        }
    }
    count
}

/// Stores an example; gives its place.
async fn load(server: &Server, path: &Path) -> String {
    let text = std::fs::read(path).expect("readable");
    let mut resource = json::parse(&text, 100).expect("JSON");
    if resource["id"] == "long" {
        // As the case calls it.
        resource["id"] = json!("example-long");
    }
    let place = format!(
        "/{}/{}",
        resource["resourceType"].as_str().unwrap_or_default(),
        resource["id"].as_str().unwrap_or_default()
    );
    let reply = server.put(&place, &resource).await;
    assert!(matches!(reply.status, 200 | 201), "{}", reply.text());
    place
}

async fn post(server: &Server, context: &str, body: &Value) -> Reply {
    let headers = ["Content-Type: application/json"];
    let path = format!("/fhir/{context}");
    let body = Body::from(body.to_string());
    server.send("POST", &path, &headers, body).await
}

/// How an answer differs from the expected one; `None` where it does not.
fn difference(folder: &Path, output: &str, reply: &Reply) -> Option<String> {
    let answer = reply.json();
    if output == "$error" {
        let is_error = reply.status >= 400 && !answer["errors"][0]["message"].is_null();
        return (!is_error).then(|| reply.text());
    }
    let expected = std::fs::read(folder.join(output)).expect("readable");
    let expected = json::parse(&expected, 100).expect("JSON");
    let mut found = answer["data"].clone();
    for (list, id) in [
        ("/PatientList", "/id"),
        ("/PatientConnection/edges", "/resource/id"),
    ] {
        if let Some(list) = found.pointer_mut(list).and_then(Value::as_array_mut) {
            list.sort_by_key(|one| one.pointer(id).map(Value::to_string));
        }
    }
    (found != expected).then(|| format!("expected {expected} but found {}", reply.text()))
}
