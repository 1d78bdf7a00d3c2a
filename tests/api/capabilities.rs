//! What is said is served, and what is served is said.
//! <https://hl7.org/fhir/R4/http.html#capabilities>

use super::{JSON, get};
use crate::harness::{BASE, Server};
use serde_json::Value;

fn codes(list: &Value, member: &str) -> Vec<String> {
    let items = list.as_array().into_iter().flatten();
    items
        .filter_map(|item| item[member].as_str().map(str::to_owned))
        .collect()
}

#[tokio::test]
async fn the_statement_names_every_type_and_interaction() {
    let server = Server::start().await;
    let statement = get(&server, "/fhir/metadata", &[]).await.expect(200).json();
    assert_eq!(statement["fhirVersion"], "4.0.1");
    assert_eq!(statement["kind"], "instance");
    assert_eq!(statement["implementation"]["url"], BASE);
    let rest = &statement["rest"][0];
    assert_eq!(
        codes(&rest["interaction"], "code"),
        ["transaction", "batch", "search-system", "history-system"]
    );
    let resources = rest["resource"].as_array().expect("resources");
    assert_eq!(resources.len(), 146);
    for resource in resources {
        assert_eq!(
            codes(&resource["interaction"], "code").join(" "),
            "read vread update patch delete history-instance history-type create search-type"
        );
        assert_eq!(
            codes(&resource["operation"], "name"),
            ["meta", "meta-add", "meta-delete", "reindex"]
        );
        let parameters = codes(&resource["searchParam"], "name");
        assert!(
            parameters.iter().any(|code| code == "_id"),
            "{}",
            resource["type"]
        );
    }
}

#[tokio::test]
async fn every_search_parameter_that_is_said_is_known() {
    let server = Server::start().await;
    let statement = get(&server, "/fhir/metadata", &[]).await.json();
    for resource in statement["rest"][0]["resource"]
        .as_array()
        .expect("resources")
    {
        let name = resource["type"].as_str().expect("a type");
        for parameter in resource["searchParam"].as_array().into_iter().flatten() {
            let code = parameter["name"].as_str().expect("a name");
            // What all types share is asked of one.
            if code.starts_with('_') && name != "Patient" {
                continue;
            }
            let value = match parameter["type"].as_str().expect("a type") {
                "date" => "2026",
                "number" | "quantity" => "1",
                "reference" => "Patient/1",
                "special" => "1%7C1",
                "composite" => continue,
                _ => "x",
            };
            let path = format!("/fhir/{name}?{code}={value}&_count=1");
            let reply = get(&server, &path, &[]).await;
            assert_eq!(reply.status, 200, "{path}: {}", reply.text());
        }
    }
}

#[tokio::test]
async fn a_statement_that_is_known_is_not_sent_again() {
    let server = Server::start().await;
    let first = get(&server, "/fhir/metadata", &[]).await;
    let known = format!(
        "If-None-Match: {}",
        first.header("etag").expect("an entity tag")
    );
    let again = get(&server, "/fhir/metadata", &[&known]).await;
    assert!(again.expect(304).body.is_empty());
    for (mode, status, resource_type) in [
        ("full", 200, "CapabilityStatement"),
        ("normative", 200, "CapabilityStatement"),
        ("terminology", 200, "TerminologyCapabilities"),
        ("foo", 400, "OperationOutcome"),
    ] {
        let reply = get(&server, &format!("/fhir/metadata?mode={mode}"), &[]).await;
        assert_eq!(reply.expect(status).json()["resourceType"], resource_type);
    }
}

/// Each statement is itself a resource that this server accepts.
#[tokio::test]
async fn the_statements_can_be_stored() {
    let server = Server::start().await;
    for (mode, name) in [
        ("full", "CapabilityStatement"),
        ("terminology", "TerminologyCapabilities"),
    ] {
        let statement = get(&server, &format!("/fhir/metadata?mode={mode}"), &[]).await;
        let path = format!("/fhir/{name}");
        server
            .send("POST", &path, &[JSON], statement.body)
            .await
            .expect(201);
    }
}
