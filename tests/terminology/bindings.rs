//! Bindings to value sets over code systems in tables, on `$validate` and on writes.

use super::loaded::{ANIMALS, load_csv};
use crate::harness::{Server, database, settings};
use andiron::config::Validation;
use serde_json::{Value, json};

fn value_set(id: &str, include: Value) -> Value {
    json!({"resourceType": "ValueSet", "id": id, "url": format!("http://sets/{id}"),
        "status": "active", "compose": {"include": [include]}})
}

fn profile(id: &str, strength: &str) -> Value {
    json!({"resourceType": "StructureDefinition", "id": format!("{id}-{strength}"),
        "url": format!("http://profiles/{id}-{strength}"), "name": "P", "status": "active",
        "kind": "resource", "abstract": false, "type": "Observation",
        "baseDefinition": "http://hl7.org/fhir/StructureDefinition/Observation",
        "derivation": "constraint", "differential": {"element": [
            {"id": "Observation", "path": "Observation"},
            {"id": "Observation.code", "path": "Observation.code", "binding": {
                "strength": strength, "valueSet": format!("http://sets/{id}")}}]}})
}

fn observation(profile: &str, system: &str, code: &str) -> Value {
    json!({"resourceType": "Observation", "status": "final",
        "meta": {"profile": [format!("http://profiles/{profile}")]},
        "code": {"coding": [{"system": system, "code": code}]}})
}

#[tokio::test(flavor = "multi_thread")]
async fn bindings_ask_the_tables() {
    let database = database().await;
    load_csv(&database, ANIMALS, "1").await.expect("loaded");
    let mut settings = settings();
    settings.validation = Validation::Profile;
    let server = Server::on(database, settings).await;
    let dogs = json!({"system": "http://loaded", "filter": [
        {"property": "concept", "op": "is-a", "value": "dog"}]});
    let lost = json!({"system": "http://nowhere", "filter": [
        {"property": "concept", "op": "is-a", "value": "x"}]});
    for resource in [
        value_set("dogs", dogs),
        value_set("lost", lost),
        profile("dogs", "required"),
        profile("dogs", "extensible"),
        profile("lost", "required"),
    ] {
        let kind = resource["resourceType"].as_str().expect("a type");
        let id = resource["id"].as_str().expect("an id");
        let reply = server.put(&format!("/{kind}/{id}"), &resource).await;
        reply.expect(201);
    }
    for (profile, system, code, status, severity) in [
        ("dogs-required", "http://loaded", "beagle", 201, None),
        ("dogs-required", "http://loaded", "cat", 422, Some("error")),
        (
            "dogs-required",
            "http://loaded",
            "unicorn",
            422,
            Some("error"),
        ),
        (
            "dogs-required",
            "http://other",
            "beagle",
            422,
            Some("error"),
        ),
        ("dogs-extensible", "http://loaded", "beagle", 201, None),
        (
            "dogs-extensible",
            "http://loaded",
            "cat",
            201,
            Some("warning"),
        ),
        ("lost-required", "http://nowhere", "y", 201, Some("warning")),
    ] {
        let resource = observation(profile, system, code);
        let what = format!("{profile} {system} {code}");
        let reply = server.post("/Observation/$validate", &resource).await;
        reply.expect(200);
        let outcome = reply.json();
        let issues = outcome["issue"].as_array().expect("issues").iter();
        let mut of_code = issues.filter(|issue| issue["expression"][0] == "Observation.code");
        let found = of_code.next().map(|issue| issue["severity"].clone());
        assert_eq!(found, severity.map(|one| json!(one)), "{what}: {outcome}");
        let reply = server.post("/Observation", &resource).await;
        assert_eq!(reply.status, status, "{what}");
        let mut resource = resource;
        resource["id"] = json!("1");
        let reply = server.put("/Observation/1", &resource).await;
        let is_refused = reply.status == 422;
        assert_eq!(is_refused, status == 422, "{what}");
    }
    for (code, status) in [("beagle", 200), ("cat", 422)] {
        let entry = |code: &str| {
            json!({"resource": observation("dogs-required", "http://loaded", code),
                "request": {"method": "POST", "url": "Observation"}})
        };
        let bundle = json!({"resourceType": "Bundle", "type": "transaction",
            "entry": [entry("beagle"), entry(code)]});
        let reply = server.post("", &bundle).await;
        assert_eq!(reply.status, status, "{code}: {}", reply.json());
        if status == 422 {
            let outcome = reply.json();
            let issue = &outcome["issue"][0];
            assert_eq!(issue["expression"][0], "Bundle.entry[1].resource.code");
            let pointer = json!("/entry/1/resource/code");
            assert_eq!(issue["extension"][0]["valueString"], pointer, "{outcome}");
        }
        let resource = observation("dogs-required", "http://loaded", code);
        let reply = server.put("/Observation?status=amended", &resource).await;
        assert_eq!(reply.status == 422, status == 422, "conditional {code}");
    }
}
