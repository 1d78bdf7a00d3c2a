//! read, vread, create, update, delete of one resource; table TF.

use super::{patient, patient_with_id};
use crate::harness::{BASE, Server};
use serde_json::json;

#[tokio::test(flavor = "multi_thread")]
async fn create_answers_201_with_location_etag_and_our_own_id() {
    let server = Server::start().await;
    let mut sent = patient("1");
    sent["id"] = json!("mine");
    sent["meta"] =
        json!({"versionId": "77", "lastUpdated": "1999-01-01T00:00:00Z", "source": "urn:s"});
    let reply = server.post("/Patient", &sent).await;
    reply.expect(201);
    let stored = reply.json();
    let id = stored["id"].as_str().expect("an id");
    assert_ne!(id, "mine");
    assert_eq!(stored["meta"]["versionId"], "1");
    assert_ne!(stored["meta"]["lastUpdated"], "1999-01-01T00:00:00Z");
    assert_eq!(stored["meta"]["source"], "urn:s");
    assert_eq!(reply.header("etag"), Some("W/\"1\""));
    let location = format!("{BASE}/Patient/{id}/_history/1");
    assert_eq!(reply.header("location"), Some(location.as_str()));
    assert!(reply.header("last-modified").is_some());
}

#[tokio::test(flavor = "multi_thread")]
async fn a_resource_goes_through_its_states() {
    let server = Server::start().await;
    let url = "/Patient/a";
    server.get(url).await.expect(404);
    server.get("/Patient/a/_history/1").await.expect(404);
    server.get("/Patient/a/_history").await.expect(404);
    // Deleting what never was succeeds and leaves nothing behind.
    server.delete(url).await.expect(204);
    server.get(url).await.expect(404);

    server
        .put(url, &patient_with_id("a", "1"))
        .await
        .expect(201);
    server.get(url).await.expect(200);
    server
        .put(url, &patient_with_id("a", "2"))
        .await
        .expect(200);
    let first = server.get("/Patient/a/_history/1").await;
    first.expect(200);
    assert_eq!(first.json()["identifier"][0]["value"], "1");
    assert_eq!(first.header("etag"), Some("W/\"1\""));
    server.get("/Patient/a/_history/3").await.expect(404);
    server.get("/Patient/a/_history/01").await.expect(404);

    server.delete(url).await.expect(204);
    server.get(url).await.expect(410);
    server.get("/Patient/a/_history/3").await.expect(410);
    server.get("/Patient/a/_history/2").await.expect(200);
    server.delete(url).await.expect(204);
    assert!(server.get("/Patient?_id=a").await.ids().is_empty());

    let back = server.put(url, &patient_with_id("a", "4")).await;
    back.expect(201);
    assert_eq!(back.header("etag"), Some("W/\"4\""));
    assert_eq!(server.get("/Patient?_id=a").await.ids(), ["a"]);
}

#[tokio::test(flavor = "multi_thread")]
async fn an_update_needs_the_id_of_its_url() {
    let server = Server::start().await;
    server
        .put("/Patient/a", &patient_with_id("b", "1"))
        .await
        .expect(400);
    server.put("/Patient/a", &patient("1")).await.expect(400);
    server
        .put("/Observation/a", &patient_with_id("a", "1"))
        .await
        .expect(400);
    server.post("/Observation", &patient("1")).await.expect(400);
    server
        .put("/Patient", &patient_with_id("a", "1"))
        .await
        .expect(400);
    assert!(server.get("/Patient").await.ids().is_empty());
}

#[tokio::test(flavor = "multi_thread")]
async fn ids_are_case_sensitive_and_keep_the_rule() {
    let server = Server::start().await;
    server
        .put("/Patient/AbC", &patient_with_id("AbC", "1"))
        .await
        .expect(201);
    server
        .put("/Patient/abc", &patient_with_id("abc", "2"))
        .await
        .expect(201);
    assert_eq!(
        server.get("/Patient/AbC").await.json()["identifier"][0]["value"],
        "1"
    );
    server.get("/Patient/ABC").await.expect(404);
    let long = "a".repeat(65);
    for bad in [long.as_str(), "a_b", "a%2Fb"] {
        server
            .put(&format!("/Patient/{bad}"), &patient_with_id(bad, "1"))
            .await
            .expect(400);
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn an_identical_update_makes_no_version() {
    let server = Server::start().await;
    for version in 1..=5 {
        let body = patient_with_id("a", &version.to_string());
        let etag = format!("W/\"{version}\"");
        for _ in 0..2 {
            let reply = server.put("/Patient/a", &body).await;
            assert_eq!(reply.header("etag"), Some(etag.as_str()));
        }
        // What the server gave may be put back as it is.
        let given = server.get("/Patient/a").await.json();
        assert_eq!(
            server.put("/Patient/a", &given).await.header("etag"),
            Some(etag.as_str())
        );
    }
    assert_eq!(server.get("/Patient/a/_history").await.entries().len(), 5);
}

#[tokio::test(flavor = "multi_thread")]
async fn if_match_guards_update_patch_and_delete() {
    let server = Server::start().await;
    server
        .put_with(
            "/Patient/a",
            &["If-Match: W/\"1\""],
            &patient_with_id("a", "0"),
        )
        .await
        .expect(412);
    server
        .put("/Patient/a", &patient_with_id("a", "1"))
        .await
        .expect(201);
    let patch = json!([{"op": "add", "path": "/active", "value": true}]);
    for (tag, status) in [("W/\"2\"", 412), ("\"x\"", 412), ("\"1", 400)] {
        let header = format!("If-Match: {tag}");
        let headers = [header.as_str()];
        server
            .put_with("/Patient/a", &headers, &patient_with_id("a", "9"))
            .await
            .expect(status);
        server
            .json_patch("/Patient/a", &headers, &patch)
            .await
            .expect(status);
        server
            .send("DELETE", "/fhir/Patient/a", &headers, "")
            .await
            .expect(status);
    }
    for (version, tag) in [(2, "W/\"1\""), (3, "\"2\""), (4, "3"), (5, "*")] {
        let header = format!("If-Match: {tag}");
        let reply = server
            .put_with(
                "/Patient/a",
                &[&header],
                &patient_with_id("a", &version.to_string()),
            )
            .await;
        reply.expect(200);
    }
    server
        .json_patch("/Patient/a", &["If-Match: W/\"5\""], &patch)
        .await
        .expect(200);
    server
        .put_with(
            "/Patient/a",
            &["If-None-Match: *"],
            &patient_with_id("a", "x"),
        )
        .await
        .expect(412);
    server
        .put_with(
            "/Patient/b",
            &["If-None-Match: *"],
            &patient_with_id("b", "x"),
        )
        .await
        .expect(201);
    server
        .send("DELETE", "/fhir/Patient/a", &["If-Match: W/\"6\""], "")
        .await
        .expect(204);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_read_is_conditional_and_head_is_a_get_without_body() {
    let server = Server::start().await;
    let reply = server.put("/Patient/a", &patient_with_id("a", "1")).await;
    let modified = reply.header("last-modified").expect("a time").to_owned();
    let since = format!("If-Modified-Since: {modified}");
    for (headers, status) in [
        (vec!["If-None-Match: W/\"1\""], 304),
        (vec!["If-None-Match: W/\"2\""], 200),
        (vec![since.as_str()], 304),
        (
            vec!["If-Modified-Since: Mon, 01 Jan 2001 00:00:00 GMT"],
            200,
        ),
        (vec!["If-None-Match: W/\"2\"", since.as_str()], 200),
    ] {
        let reply = server.send("GET", "/fhir/Patient/a", &headers, "").await;
        reply.expect(status);
        assert_eq!(reply.header("etag"), Some("W/\"1\""));
        assert_eq!(reply.body.is_empty(), status == 304);
    }
    for path in [
        "/fhir/Patient/a",
        "/fhir/Patient",
        "/fhir/metadata",
        "/fhir/Patient/none",
    ] {
        let get = server.send("GET", path, &[], "").await;
        let head = server.send("HEAD", path, &[], "").await;
        assert_eq!(head.status, get.status, "{path}");
        assert!(head.body.is_empty());
        assert_eq!(head.header("content-type"), get.header("content-type"));
        assert_eq!(head.header("etag"), get.header("etag"));
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn prefer_says_what_a_write_answers() {
    let server = Server::start().await;
    for (prefer, kind) in [
        (None, Some("Patient")),
        (Some("Prefer: return=minimal"), None),
        (Some("Prefer: return=representation"), Some("Patient")),
        (
            Some("Prefer: return=OperationOutcome"),
            Some("OperationOutcome"),
        ),
        (Some("Prefer: handling=strict, return=minimal"), None),
    ] {
        let headers: Vec<&str> = prefer.into_iter().collect();
        let created = server.post_with("/Patient", &headers, &patient("1")).await;
        created.expect(201);
        let updated = server
            .put_with(
                "/Patient/p",
                &headers,
                &patient_with_id("p", &format!("{prefer:?}")),
            )
            .await;
        for reply in [created, updated] {
            match kind {
                None => assert!(reply.body.is_empty(), "{prefer:?}"),
                Some(kind) => assert_eq!(reply.json()["resourceType"], kind, "{prefer:?}"),
            }
            assert!(reply.header("location").is_some() || reply.status == 200);
            assert!(reply.header("etag").is_some());
        }
        // A failure explains itself whatever was preferred.
        let failed = server
            .post_with(
                "/Patient",
                &headers,
                &json!({"resourceType": "Patient", "x": 1}),
            )
            .await;
        failed.expect(400);
        assert!(failed.issues().contains("Patient.x"));
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn unknown_types_methods_and_operations_say_so() {
    let server = Server::start().await;
    for (method, path, status) in [
        ("GET", "/fhir/Nope", 404),
        ("GET", "/fhir/Nope/1", 404),
        ("GET", "/fhir/patient/1", 404),
        ("POST", "/fhir/Patient/1", 405),
        ("DELETE", "/fhir/metadata", 405),
        ("PUT", "/fhir", 405),
        ("GET", "/fhir/Patient/1/$everything", 404),
        ("GET", "/fhir/.well-known/smart-configuration", 404),
    ] {
        let headers = ["Content-Type: application/fhir+json"];
        let reply = server.send(method, path, &headers, "{}").await;
        reply.expect(status);
        assert!(!reply.issues().is_empty());
        assert_eq!(
            reply.header("allow").is_some(),
            status == 405,
            "{method} {path}"
        );
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn every_type_can_be_created_read_and_searched() {
    let server = Server::with(|settings| {
        settings.validation = andiron::config::Validation::Off;
    })
    .await;
    for kind in andiron::fhir::ResourceType::all() {
        let id = server
            .create(&json!({"resourceType": kind.name(), "language": "en"}))
            .await;
        server.get(&format!("/{kind}/{id}")).await.expect(200);
        assert_eq!(
            server.get(&format!("/{kind}?_id={id}")).await.ids(),
            [id.as_str()]
        );
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn the_capability_statement_says_what_is_served() {
    let server = Server::start().await;
    let reply = server.get("/metadata").await;
    reply.expect(200);
    let statement = reply.json();
    assert_eq!(statement["resourceType"], "CapabilityStatement");
    assert_eq!(statement["fhirVersion"], "4.0.1");
    let resources = statement["rest"][0]["resource"]
        .as_array()
        .expect("resources");
    assert_eq!(resources.len(), 146);
    for resource in resources {
        let kind = resource["type"].as_str().expect("a type");
        server.get(&format!("/{kind}?_count=0")).await.expect(200);
        for parameter in resource["searchParam"].as_array().into_iter().flatten() {
            let name = parameter["name"].as_str().expect("a name");
            // Each parameter is known to the engine: an empty value asks nothing of it.
            server.get(&format!("/{kind}?{name}=")).await.expect(200);
        }
    }
}
