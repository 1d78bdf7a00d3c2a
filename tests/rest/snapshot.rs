//! `$snapshot`: <https://hl7.org/fhir/R4/structuredefinition-operation-snapshot.html>

use crate::harness::Server;
use serde_json::{Value, json};

fn profile(url: &str, base: &str, elements: Value) -> Value {
    json!({
        "resourceType": "StructureDefinition", "url": url, "name": "It", "status": "active",
        "kind": "resource", "abstract": false, "type": "Patient", "derivation": "constraint",
        "baseDefinition": base, "differential": {"element": elements}})
}

/// The min of an element of a snapshot.
fn min(definition: &Value, id: &str) -> Value {
    let elements = definition["snapshot"]["element"]
        .as_array()
        .expect("a snapshot");
    let element = elements.iter().find(|element| element["id"] == id);
    element.unwrap_or_else(|| panic!("no {id}"))["min"].clone()
}

#[tokio::test(flavor = "multi_thread")]
async fn snapshots_are_made_of_what_is_sent_or_stored() {
    let server = Server::start().await;
    let patient = "http://hl7.org/fhir/StructureDefinition/Patient";
    let (one, two) = ("http://example.org/one", "http://example.org/two");
    let base = profile(one, patient, json!([{"path": "Patient.name", "min": 1}]));
    let id = server.create(&base).await;
    let derived = profile(two, one, json!([{"path": "Patient.name.family", "min": 1}]));
    let reply = server
        .post("/StructureDefinition/$snapshot", &derived)
        .await;
    let whole = reply.expect(200).json();
    assert_eq!(whole["differential"], derived["differential"]);
    assert_eq!(min(&whole, "Patient.name"), 1);
    assert_eq!(min(&whole, "Patient.name.family"), 1);
    assert_eq!(min(&whole, "Patient.gender"), 0);
    let sent = json!({"resourceType": "Parameters", "parameter": [{"name": "definition", "resource": derived}]});
    let again = server.post("/StructureDefinition/$snapshot", &sent).await;
    assert_eq!(again.expect(200).json(), whole);
    for path in [
        format!("/StructureDefinition/{id}/$snapshot"),
        format!("/StructureDefinition/$snapshot?url={one}"),
    ] {
        let whole = server.get(&path).await.expect(200).json();
        assert_eq!(min(&whole, "Patient.name"), 1, "{path}");
    }
    // Nothing was stored.
    let stored = server
        .get(&format!("/StructureDefinition/{id}"))
        .await
        .json();
    assert!(stored.get("snapshot").is_none());
    let of_r4 = server
        .get(&format!("/StructureDefinition/$snapshot?url={patient}"))
        .await;
    assert_eq!(min(&of_r4.expect(200).json(), "Patient.name"), 0);
    server
        .get("/StructureDefinition/$snapshot")
        .await
        .expect(400);
    server
        .get("/StructureDefinition/$snapshot?url=urn:nobody")
        .await
        .expect(404);
    server.get("/Patient/$snapshot").await.expect(404);
}

#[tokio::test(flavor = "multi_thread")]
async fn what_does_not_fit_is_told_element_by_element() {
    let server = Server::start().await;
    let patient = "http://hl7.org/fhir/StructureDefinition/Patient";
    let elements =
        json!([{"path": "Patient.nmae", "min": 1}, {"path": "Patient.gender", "max": "3"}]);
    let bad = profile("http://example.org/bad", patient, elements);
    let reply = server.post("/StructureDefinition/$snapshot", &bad).await;
    let issues = reply.expect(422).json()["issue"].clone();
    assert_eq!(issues[0]["expression"][0], "Patient.nmae");
    assert_eq!(issues[1]["expression"][0], "Patient.gender");
    let circle = profile(
        "http://example.org/circle",
        "http://example.org/circle",
        json!([{"path": "Patient", "min": 0}]),
    );
    server.create(&circle).await;
    let reply = server.post("/StructureDefinition/$snapshot", &circle).await;
    assert!(reply.expect(422).issues().contains("stands on itself"));
}
