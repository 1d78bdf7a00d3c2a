//! `$graphql` on a system and on one resource: <https://hl7.org/fhir/R4/graphql.html>.

mod bombs;
mod changes;
mod elements;
mod introspection;
mod references;
mod searches;

use crate::harness::{Reply, Server};
use axum::body::Body;
use serde_json::{Value, json};

/// Asks the system.
async fn ask(server: &Server, query: &str) -> Reply {
    ask_at(server, "", query, json!({})).await
}

/// Asks the system or a resource, `/Patient/1`.
async fn ask_at(server: &Server, place: &str, query: &str, variables: Value) -> Reply {
    let body = json!({"query": query, "variables": variables});
    let headers = ["Content-Type: application/json"];
    let path = format!("/fhir{place}/$graphql");
    server
        .send("POST", &path, &headers, Body::from(body.to_string()))
        .await
}

/// The data of an answer without errors.
#[track_caller]
fn data(reply: &Reply) -> Value {
    let answer = reply.expect(200).json();
    assert!(answer.get("errors").is_none(), "{answer}");
    assert_eq!(
        reply.header("content-type"),
        Some("application/json; charset=utf-8")
    );
    answer["data"].clone()
}

/// The message of the first error, which has an OperationOutcome.
#[track_caller]
fn message(reply: &Reply, status: u16) -> String {
    let answer = reply.expect(status).json();
    assert_eq!(
        reply.header("content-type"),
        Some("application/json; charset=utf-8")
    );
    let error = &answer["errors"][0];
    let outcome = &error["extensions"]["resource"];
    assert_eq!(outcome["resourceType"], "OperationOutcome", "{answer}");
    error["message"].as_str().unwrap_or_default().to_owned()
}

/// Two organizations, three patients, observations and conditions of them.
async fn clinic() -> Server {
    let server = Server::start().await;
    let put = async |place: &str, mut resource: Value| {
        let (kind, id) = place.split_once('/').expect("a place");
        resource["resourceType"] = json!(kind);
        resource["id"] = json!(id);
        server
            .put(&format!("/{place}"), &resource)
            .await
            .expect(201);
    };
    put("Organization/north", json!({"name": "North"})).await;
    let south = json!({"name": "South", "partOf": {"reference": "Organization/north"}});
    put("Organization/south", south).await;
    for (id, of, active) in [
        ("a", "north", true),
        ("b", "south", true),
        ("c", "south", false),
    ] {
        let patient = json!({
            "active": active,
            "name": [
                {"use": "official", "family": format!("Family-{id}"), "given": ["One", "Two"]},
                {"use": "usual", "given": ["Three"]},
            ],
            "birthDate": "2000-01-01",
            "_birthDate": {"extension": [{"url": "urn:x", "valueString": "y"}]},
            "managingOrganization": {"reference": format!("Organization/{of}")},
        });
        put(&format!("Patient/{id}"), patient).await;
    }
    for (id, patient, value) in [("1", "a", 1.50), ("2", "a", 2.0), ("3", "b", 3.0)] {
        let observation = json!({
            "status": "final",
            "code": {"coding": [{"system": "http://loinc.org", "code": "29463-7"}]},
            "subject": {"reference": format!("Patient/{patient}")},
            "valueQuantity": {"value": value, "unit": "kg"},
        });
        put(&format!("Observation/{id}"), observation).await;
    }
    server
}

#[tokio::test(flavor = "multi_thread")]
async fn requests_come_by_get_as_a_document_and_in_json() {
    let server = clinic().await;
    let expected = json!({"id": "a", "active": true});
    let by_get = server
        .get("/Patient/a/$graphql?query=%7Bid%20active%7D")
        .await;
    assert_eq!(data(&by_get), expected);
    let headers = ["Content-Type: application/graphql"];
    let path = "/fhir/Patient/a/$graphql";
    let document = server.send("POST", path, &headers, "{ id active }").await;
    assert_eq!(data(&document), expected);
    let query = "query one { id } query two { id active }";
    let body = json!({"query": query, "operationName": "two"});
    let headers = ["Content-Type: application/json"];
    let named = server.send("POST", path, &headers, body.to_string()).await;
    assert_eq!(data(&named), expected);
    // Whatever is asked for, the answer is JSON.
    let headers = ["Accept: application/fhir+xml"];
    let path = "/fhir/Patient/a/$graphql?query=%7Bid%20active%7D";
    let xml = server.send("GET", path, &headers, Body::empty()).await;
    assert_eq!(data(&xml), expected);
}

#[tokio::test(flavor = "multi_thread")]
async fn errors_are_told_with_places_and_outcomes() {
    let server = clinic().await;
    let reply = ask_at(
        &server,
        "/Patient/a",
        "{\n  name { nope }\n  other\n}",
        json!({}),
    )
    .await;
    assert_eq!(
        message(&reply, 400),
        "expected a field of HumanName but found \"nope\""
    );
    let answer = reply.json();
    assert_eq!(answer["data"], Value::Null);
    assert_eq!(
        answer["errors"][0]["locations"][0],
        json!({"line": 2, "column": 10})
    );
    assert_eq!(answer["errors"].as_array().map(Vec::len), Some(2));
    let reply = ask_at(&server, "/Patient/nobody", "{ id }", json!({})).await;
    assert!(message(&reply, 404).contains("nobody"));
    server.delete("/Observation/3").await;
    let reply = ask(&server, "{ Observation(id: \"3\") { id } }").await;
    assert!(message(&reply, 410).contains("deleted"));
    assert_eq!(reply.json()["errors"][0]["path"], json!(["Observation"]));
    let reply = server.get("/$graphql").await;
    assert!(message(&reply, 400).contains("a query of GraphQL"));
    let headers = ["Content-Type: text/plain"];
    let reply = server
        .send("POST", "/fhir/$graphql", &headers, "{ id }")
        .await;
    assert!(message(&reply, 415).contains("application/graphql"));
}

/// README's two queries, on the records of the demo.
#[tokio::test(flavor = "multi_thread")]
async fn the_recipes_of_the_readme_work() {
    let root = std::path::Path::new(env!("CARGO_MANIFEST_DIR"));
    let readme = std::fs::read_to_string(root.join("README.md")).expect("there is a README");
    let (_, section) = readme.split_once("## GraphQL\n").expect("a section");
    let between = |begin: &str, end: &str| {
        let (_, rest) = section.split_once(begin).expect(begin);
        rest.split_once(end).expect(end).0.to_owned()
    };
    let server = Server::start().await;
    let folder = std::fs::read_dir(root.join("fixtures/demo")).expect("fixtures");
    let mut stories: Vec<_> = folder.flatten().map(|entry| entry.path()).collect();
    stories.sort();
    for story in stories {
        let text = std::fs::read(story).expect("a story");
        let headers = ["Content-Type: application/fhir+json"];
        server
            .send("POST", "/fhir", &headers, text)
            .await
            .expect(200);
    }
    let headers = ["Content-Type: application/graphql"];
    let path = "/fhir/Patient/demo-amelie/$graphql";
    let patient = data(
        &server
            .send("POST", path, &headers, between("-d '", "'"))
            .await,
    );
    assert!(patient["name"][0]["family"].is_string(), "{patient}");
    assert!(patient["ConditionList"].is_array(), "{patient}");
    let headers = ["Content-Type: application/json"];
    let body = between("-d '{\"query\"", "'");
    let body = format!("{{\"query\"{body}").replace('\n', " ");
    let page = data(&server.send("POST", "/fhir/$graphql", &headers, body).await);
    let edge = &page["PatientConnection"]["edges"][0]["resource"];
    assert!(
        edge["family"].is_string() && edge["id"].is_string(),
        "{page}"
    );
}
