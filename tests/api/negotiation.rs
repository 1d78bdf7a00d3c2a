//! Formats in and out: <https://hl7.org/fhir/R4/http.html#mime-type>.

use super::client::JSON;
use crate::harness::Server;

const PATIENT: &str = r#"{"resourceType":"Patient","id":"n","active":true}"#;

#[tokio::test]
async fn the_format_of_an_answer_is_negotiated() {
    let server = Server::start().await;
    server.client.put("/fhir/Patient/n", PATIENT).await;
    for (accept, query, status, content_type) in [
        ("*/*", "", 200, "application/fhir+json"),
        ("application/fhir+json", "", 200, "application/fhir+json"),
        ("application/json", "", 200, "application/json"),
        ("text/html,application/xhtml+xml,*/*;q=0.8", "", 200, "application/fhir+json"),
        ("application/fhir+json; fhirVersion=4.0", "", 200, "application/fhir+json"),
        ("application/fhir+json; fhirVersion=3.0", "", 406, "application/fhir+json"),
        ("application/foo", "", 406, "application/fhir+json"),
        ("application/fhir+xml", "?_format=json", 200, "application/fhir+json"),
        ("*/*", "?_format=application/fhir+json", 200, "application/fhir+json"),
        ("*/*", "?_format=application%2Fjson", 200, "application/json"),
        ("*/*", "?_format=foo", 406, "application/fhir+json"),
    ] {
        let path = format!("/fhir/Patient/n{query}");
        let answer = server.client.send("GET", &path, &[("accept", accept)], None).await;
        assert_eq!(answer.status, status, "{accept} {query}: {}", answer.text());
        let found = answer.header("content-type");
        assert!(found.starts_with(content_type), "{accept} {query}: {found}");
    }
}

#[tokio::test]
async fn the_format_of_a_body_is_checked() {
    let server = Server::start().await;
    for (content_type, status) in [
        ("application/fhir+json", 201),
        ("application/json; charset=utf-8", 201),
        ("application/fhir+json; fhirVersion=4.0", 201),
        ("application/fhir+json; fhirVersion=5.0", 415),
        ("application/json; charset=iso-8859-1", 415),
        ("application/fhir+xml", 415),
        ("foo", 415),
    ] {
        let headers = [("content-type", content_type)];
        let body = Some(r#"{"resourceType":"Patient"}"#);
        let answer = server.client.send("POST", "/fhir/Patient", &headers, body).await;
        assert_eq!(answer.status, status, "{content_type}: {}", answer.text());
    }
    let bare = server.client.send("POST", "/fhir/Patient", &[], Some(PATIENT)).await;
    assert_eq!(bare.status, 415);
    let patch = server.client.send("PATCH", "/fhir/Patient/n", &[JSON], Some("[]")).await;
    assert_eq!(patch.status, 415);
    assert_eq!(patch.header("accept-patch"), "application/json-patch+json");
}

#[tokio::test]
async fn pretty_changes_spaces_only() {
    let server = Server::start().await;
    let body = r#"{"resourceType":"Observation","id":"p","status":"final","code":{"text":"x"},"valueQuantity":{"value":1.00}}"#;
    server.client.put("/fhir/Observation/p", body).await;
    let plain = server.client.get("/fhir/Observation/p").await;
    let pretty = server.client.get("/fhir/Observation/p?_pretty=true").await;
    assert!(pretty.text().contains("\n  \"status\": \"final\""), "{}", pretty.text());
    assert!(pretty.text().contains("\"value\": 1.00"));
    assert_eq!(plain.json(), pretty.json());
}

#[tokio::test]
async fn answers_are_compressed_for_whom_asks() {
    let server = Server::start().await;
    for encoding in ["gzip", "zstd"] {
        let headers = [("accept-encoding", encoding)];
        let answer = server.client.send("GET", "/fhir/metadata", &headers, None).await;
        assert_eq!(answer.header("content-encoding"), encoding);
        assert!(answer.header("vary").to_ascii_lowercase().contains("accept-encoding"));
        let small = server.client.send("GET", "/health/live", &headers, None).await;
        assert_eq!(small.header("content-encoding"), "");
    }
    let plain = server.client.get("/fhir/metadata").await;
    assert_eq!(plain.header("content-encoding"), "");
}
