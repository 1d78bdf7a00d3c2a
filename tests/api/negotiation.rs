//! Formats in and out: <https://hl7.org/fhir/R4/http.html#mime-type>.

use super::{JSON, get};
use crate::harness::Server;
use axum::body::Body;
use flate2::write::GzEncoder;
use serde_json::json;
use std::io::Write;

#[tokio::test]
async fn the_format_of_an_answer_is_negotiated() {
    let server = Server::start().await;
    server
        .put("/Patient/n", &json!({"resourceType": "Patient", "id": "n"}))
        .await
        .expect(201);
    for (accept, query, status, content_type) in [
        ("*/*", "", 200, "application/fhir+json"),
        ("application/fhir+json", "", 200, "application/fhir+json"),
        ("application/json", "", 200, "application/json"),
        (
            "text/html,application/xhtml+xml,*/*;q=0.8",
            "",
            200,
            "application/fhir+json",
        ),
        (
            "application/fhir+json; fhirVersion=4.0",
            "",
            200,
            "application/fhir+json",
        ),
        (
            "application/fhir+json; fhirVersion=3.0",
            "",
            406,
            "application/fhir+json",
        ),
        ("text/turtle", "", 406, "application/fhir+json"),
        ("application/foo", "", 406, "application/fhir+json"),
        (
            "application/fhir+xml",
            "?_format=json",
            200,
            "application/fhir+json",
        ),
        (
            "*/*",
            "?_format=application/fhir+json",
            200,
            "application/fhir+json",
        ),
        (
            "*/*",
            "?_format=application%2Fjson",
            200,
            "application/json",
        ),
        ("*/*", "?_format=foo", 406, "application/fhir+json"),
    ] {
        let accept_header = format!("Accept: {accept}");
        let path = format!("/fhir/Patient/n{query}");
        let reply = get(&server, &path, &[&accept_header]).await;
        assert_eq!(reply.status, status, "{accept} {query}: {}", reply.text());
        let found = reply.header("content-type").unwrap_or_default();
        assert!(found.starts_with(content_type), "{accept} {query}: {found}");
    }
}

#[tokio::test]
async fn the_format_of_a_body_is_checked() {
    let server = Server::start().await;
    const PATIENT: &str = r#"{"resourceType":"Patient"}"#;
    for (content_type, status) in [
        ("application/fhir+json", 201),
        ("application/json; charset=utf-8", 201),
        ("application/fhir+json; fhirVersion=4.0", 201),
        ("application/fhir+json; fhirVersion=5.0", 415),
        ("application/json; charset=iso-8859-1", 415),
        ("text/turtle", 415),
        ("foo", 415),
    ] {
        let header = format!("Content-Type: {content_type}");
        let reply = server
            .send("POST", "/fhir/Patient", &[&header], PATIENT)
            .await;
        assert_eq!(reply.status, status, "{content_type}: {}", reply.text());
    }
    server
        .send("POST", "/fhir/Patient", &[], PATIENT)
        .await
        .expect(415);
    let plain = ["Content-Type: text/plain"];
    let patch = server.send("PATCH", "/fhir/Patient/n", &plain, "[]").await;
    patch.expect(415);
    let accepted = "application/json-patch+json, application/xml-patch+xml, \
        application/fhir+json, application/fhir+xml";
    assert_eq!(patch.header("accept-patch"), Some(accepted));
}

#[tokio::test]
async fn a_body_may_come_compressed() {
    let server = Server::start().await;
    let mut encoder = GzEncoder::new(Vec::new(), flate2::Compression::fast());
    encoder
        .write_all(br#"{"resourceType":"Patient"}"#)
        .expect("memory takes it");
    let body = encoder.finish().expect("memory takes it");
    let headers = [JSON, "Content-Encoding: gzip"];
    server
        .send("POST", "/fhir/Patient", &headers, body.clone())
        .await
        .expect(201);
    let headers = [JSON, "Content-Encoding: br"];
    server
        .send("POST", "/fhir/Patient", &headers, body)
        .await
        .expect(415);
}

#[tokio::test]
async fn pretty_changes_spaces_only() {
    let server = Server::start().await;
    let body = r#"{"resourceType":"Observation","id":"p","status":"final","code":{"text":"x"},"valueQuantity":{"value":1.00}}"#;
    server
        .send("PUT", "/fhir/Observation/p", &[JSON], body)
        .await
        .expect(201);
    let plain = get(&server, "/fhir/Observation/p", &[]).await;
    let pretty = get(&server, "/fhir/Observation/p?_pretty=true", &[]).await;
    assert!(
        pretty.text().contains("\n  \"status\": \"final\""),
        "{}",
        pretty.text()
    );
    assert!(pretty.text().contains("\"value\": 1.00"));
    assert_eq!(plain.json().to_string(), pretty.json().to_string());
}

#[tokio::test]
async fn answers_are_compressed_for_whom_asks() {
    let server = Server::start().await;
    for encoding in ["gzip", "zstd"] {
        let header = format!("Accept-Encoding: {encoding}");
        let reply = server
            .send("GET", "/fhir/metadata", &[&header], Body::empty())
            .await;
        assert_eq!(reply.header("content-encoding"), Some(encoding));
        assert_eq!(reply.headers("vary"), ["accept", "accept-encoding"]);
        let small = get(&server, "/health/live", &[&header]).await;
        assert_eq!(small.header("content-encoding"), None);
    }
    let plain = get(&server, "/fhir/metadata", &[]).await;
    assert_eq!(plain.header("content-encoding"), None);
}
