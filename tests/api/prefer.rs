//! Prefer, entity tags and conditional reads: <https://hl7.org/fhir/R4/http.html#ops>.

use super::client::JSON;
use crate::harness::Server;

/// Table TF, row 25.
#[tokio::test]
async fn prefer_decides_the_body_and_the_headers_stay() {
    let server = Server::start().await;
    for (prefer, resource_type) in [
        ("return=minimal", ""),
        ("return=representation", "Patient"),
        ("return=OperationOutcome", "OperationOutcome"),
        ("handling=lenient", "Patient"),
        ("respond-async, return=minimal", ""),
    ] {
        let headers = [JSON, ("prefer", prefer)];
        let body = Some(r#"{"resourceType":"Patient"}"#);
        let answer = server.client.send("POST", "/fhir/Patient", &headers, body).await;
        assert_eq!(answer.status, 201, "{}", answer.text());
        let found = match answer.body.is_empty() {
            true => String::new(),
            false => answer.resource_type(),
        };
        assert_eq!(found, resource_type, "{prefer}");
        assert_eq!(answer.header("etag"), "W/\"1\"");
        assert!(!answer.header("last-modified").is_empty());
        let location = answer.header("location");
        assert!(location.starts_with(&format!("{}/Patient/", server.settings.base)), "{location}");
        assert!(location.ends_with("/_history/1"), "{location}");
        let applied = answer.header("preference-applied");
        assert_eq!(!applied.is_empty(), prefer.contains("return="), "{prefer}: {applied}");
    }
    let headers = [JSON, ("prefer", "return=minimal")];
    let failed = server.client.send("POST", "/fhir/Patient", &headers, Some("{")).await;
    assert_eq!((failed.status, failed.resource_type().as_str()), (400, "OperationOutcome"));
}

#[tokio::test]
async fn a_known_version_is_not_sent_again() {
    let server = Server::start().await;
    let body = r#"{"resourceType":"Patient","id":"c"}"#;
    let written = server.client.put("/fhir/Patient/c", body).await;
    let modified = written.header("last-modified").to_owned();
    for (headers, status) in [
        (vec![("if-none-match", "W/\"1\"")], 304),
        (vec![("if-none-match", "\"1\"")], 304),
        (vec![("if-none-match", "W/\"7\", W/\"1\"")], 304),
        (vec![("if-none-match", "*")], 304),
        (vec![("if-none-match", "W/\"2\"")], 200),
        (vec![("if-modified-since", modified.as_str())], 304),
        (vec![("if-modified-since", "Tue, 03 Mar 2020 10:00:02 GMT")], 200),
        (vec![("if-modified-since", "yesterday")], 200),
        // RFC 9110: the entity tag wins.
        (vec![("if-none-match", "W/\"2\""), ("if-modified-since", modified.as_str())], 200),
    ] {
        let answer = server.client.send("GET", "/fhir/Patient/c", &headers, None).await;
        assert_eq!(answer.status, status, "{headers:?}");
        assert_eq!(answer.body.is_empty(), status == 304);
        assert_eq!(answer.header("etag"), "W/\"1\"");
    }
}
