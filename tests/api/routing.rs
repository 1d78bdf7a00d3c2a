//! URLs and methods: what is not there is 404, what is not allowed 405 with `Allow`.

use super::{JSON, get, issue};
use crate::harness::Server;
use axum::body::Body;
use serde_json::json;

#[tokio::test]
async fn what_is_not_there_is_named_in_an_outcome() {
    let server = Server::start().await;
    for (method, path, status, code) in [
        ("GET", "/fhir/Foo", 404, "not-supported"),
        ("GET", "/fhir/patient/1", 404, "not-supported"),
        ("DELETE", "/fhir/Foo", 404, "not-supported"),
        ("POST", "/fhir/Foo/1", 404, "not-supported"),
        ("GET", "/fhir/Patient/$foo", 404, "not-supported"),
        ("POST", "/fhir/Patient/$foo", 404, "not-supported"),
        ("POST", "/fhir/Patient/1/$foo", 404, "not-supported"),
        ("POST", "/fhir/$foo", 404, "not-supported"),
        ("GET", "/fhir/a/b/c/d/e", 404, "not-supported"),
        ("GET", "/nothing", 404, "not-found"),
        (
            "GET",
            "/fhir/.well-known/smart-configuration",
            404,
            "not-found",
        ),
        ("PUT", "/fhir/metadata", 405, "not-supported"),
        ("PUT", "/fhir", 405, "not-supported"),
        ("PUT", "/fhir/", 405, "not-supported"),
        ("POST", "/fhir/Patient/1", 405, "not-supported"),
        ("DELETE", "/fhir/Patient/1/_history", 405, "not-supported"),
        ("GET", "/fhir/Patient/1/$meta-add", 405, "not-supported"),
        ("GET", "/fhir/Patient/_search", 405, "not-supported"),
        ("BREW", "/fhir/Patient/1", 405, "not-supported"),
    ] {
        let reply = server.send(method, path, &[JSON], Body::empty()).await;
        assert_eq!(reply.status, status, "{method} {path}: {}", reply.text());
        assert_eq!(issue(&reply), code, "{method} {path}");
        assert!(
            reply.header("allow").is_some() || status != 405,
            "{method} {path}"
        );
    }
    let reply = server
        .send("POST", "/fhir/Patient/1", &[JSON], Body::empty())
        .await;
    let allowed = reply.header("allow").unwrap_or_default();
    for method in ["GET", "HEAD", "PUT", "PATCH", "DELETE"] {
        assert!(allowed.contains(method), "{method}: {allowed}");
    }
}

#[tokio::test]
async fn a_broken_url_is_the_clients_fault() {
    let server = Server::start().await;
    let long_id = format!("/fhir/Patient/{}", "a".repeat(65));
    let long_url = format!("/fhir/Patient?name={}", "a".repeat(20_000));
    for (path, status) in [
        ("/fhir/Patient?name=%", 400),
        ("/fhir/Patient?name=%zz", 400),
        ("/fhir/Patient?name=%ff", 400),
        ("/fhir/Patient?name=%00", 400),
        ("/fhir/Patient/%zz", 400),
        ("/fhir/Patient/a_b", 400),
        ("/fhir/Patient/a%2Fb", 400),
        ("/fhir/Patient/1/_history/a_b", 400),
        (long_id.as_str(), 400),
        (long_url.as_str(), 414),
    ] {
        let reply = get(&server, path, &[]).await;
        assert_eq!(reply.status, status, "{path}: {}", reply.text());
        reply.issues();
    }
    assert!(
        get(&server, &long_url, &[])
            .await
            .text()
            .contains("url-length")
    );
}

#[tokio::test]
async fn a_slash_at_the_end_changes_nothing() {
    let server = Server::start().await;
    for path in [
        "/fhir/",
        "/fhir/metadata/",
        "/fhir/Patient/",
        "/fhir/Patient/_history/",
    ] {
        get(&server, path, &[]).await.expect(200);
    }
}

#[tokio::test]
async fn head_is_get_without_the_body() {
    let server = Server::start().await;
    server
        .put("/Patient/h", &json!({"resourceType": "Patient", "id": "h"}))
        .await
        .expect(201);
    for path in [
        "/fhir/Patient/h",
        "/fhir/Patient?_id=h",
        "/fhir/Patient/_history",
        "/fhir/metadata",
        "/fhir/Patient/none",
        "/health/live",
        "/",
    ] {
        let whole = get(&server, path, &[]).await;
        let head = server.send("HEAD", path, &[], Body::empty()).await;
        assert_eq!(head.status, whole.status, "{path}");
        assert!(head.body.is_empty());
        for name in ["content-type", "etag", "last-modified"] {
            assert_eq!(head.header(name), whole.header(name), "{path} {name}");
        }
        let length = whole.body.len().to_string();
        assert_eq!(
            head.header("content-length"),
            Some(length.as_str()),
            "{path}"
        );
    }
}

#[tokio::test]
async fn a_browser_may_ask_first() {
    let server = Server::start().await;
    let headers = [
        "Origin: http://app.example",
        "Access-Control-Request-Method: PUT",
        "Access-Control-Request-Headers: if-match,prefer",
    ];
    let reply = server
        .send("OPTIONS", "/fhir/Patient/1", &headers, Body::empty())
        .await;
    reply.expect(200);
    assert_eq!(reply.header("access-control-allow-origin"), Some("*"));
    for (name, part) in [
        ("access-control-allow-methods", "PUT"),
        ("access-control-allow-headers", "if-none-exist"),
    ] {
        assert!(
            reply.header(name).is_some_and(|value| value.contains(part)),
            "{name}"
        );
    }
    let reply = get(&server, "/fhir/metadata", &headers[..1]).await;
    let exposed = reply.header("access-control-expose-headers");
    assert!(exposed.is_some_and(|names| names.contains("etag") && names.contains("location")));
}

#[tokio::test]
async fn every_answer_has_a_request_id() {
    let server = Server::start().await;
    let own = get(&server, "/fhir/Patient/none", &[]).await;
    assert_eq!(own.header("x-request-id").map(str::len), Some(36));
    assert_eq!(own.header("x-correlation-id"), None);
    let sent = get(&server, "/nothing", &["X-Request-Id: abc-1"]).await;
    assert_eq!(sent.header("x-request-id"), Some("abc-1"));
    let replaced = get(&server, "/", &["X-Request-Id: <a b>"]).await;
    assert_eq!(replaced.header("x-request-id").map(str::len), Some(36));
    assert_eq!(replaced.header("x-correlation-id"), Some("<a b>"));
}

#[tokio::test]
async fn a_body_beyond_the_limit_is_refused_by_name() {
    let server = Server::with(|settings| settings.limits.body_size = 1000).await;
    let large = json!({"resourceType": "Patient", "language": "x".repeat(1000)});
    let reply = server.post("/Patient", &large).await;
    assert!(reply.expect(413).text().contains("body-size"));
}

#[tokio::test]
async fn more_requests_than_may_be_are_turned_away_by_name() {
    let server = Server::with(|settings| settings.limits.concurrent_requests = 0).await;
    let reply = get(&server, "/fhir/Patient/1", &[]).await;
    assert!(reply.expect(503).text().contains("concurrent-requests"));
    assert!(reply.header("retry-after").is_some());
    get(&server, "/health/live", &[]).await.expect(200);
}

#[tokio::test]
async fn provenance_in_a_header_is_not_dropped_in_silence() {
    let server = Server::start().await;
    let patient = json!({"resourceType": "Patient"});
    let reply = server
        .post_with("/Patient", &["X-Provenance: {}"], &patient)
        .await;
    assert_eq!(issue(reply.expect(400)), "not-supported");
}
