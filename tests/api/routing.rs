//! URLs and methods: what is not there is 404, what is not allowed 405 with `Allow`.

use super::client::JSON;
use crate::harness::Server;

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
        ("GET", "/fhir/.well-known/smart-configuration", 404, "not-found"),
        ("PUT", "/fhir/metadata", 405, "not-supported"),
        ("PUT", "/fhir", 405, "not-supported"),
        ("POST", "/fhir/Patient/1", 405, "not-supported"),
        ("DELETE", "/fhir/Patient/1/_history", 405, "not-supported"),
        ("GET", "/fhir/Patient/1/$meta-add", 405, "not-supported"),
        ("GET", "/fhir/Patient/_search", 405, "not-supported"),
        ("BREW", "/fhir/Patient/1", 405, "not-supported"),
    ] {
        let answer = server.client.send(method, path, &[JSON], None).await;
        assert_eq!(answer.status, status, "{method} {path}: {}", answer.text());
        assert_eq!(answer.issue(), code, "{method} {path}");
        assert!(answer.headers.contains_key("allow") || status != 405, "{method} {path}");
    }
    let answer = server.client.send("POST", "/fhir/Patient/1", &[JSON], None).await;
    for method in ["GET", "HEAD", "PUT", "PATCH", "DELETE"] {
        assert!(answer.header("allow").contains(method), "{method}: {}", answer.header("allow"));
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
        let answer = server.client.get(path).await;
        assert_eq!(answer.status, status, "{path}: {}", answer.text());
        assert_eq!(answer.resource_type(), "OperationOutcome");
    }
    assert!(server.client.get(&long_url).await.text().contains("url-length"));
}

#[tokio::test]
async fn a_slash_at_the_end_changes_nothing() {
    let server = Server::start().await;
    for path in ["/fhir/", "/fhir/metadata/", "/fhir/Patient/", "/fhir/Patient/_history/"] {
        let answer = server.client.get(path).await;
        assert_eq!(answer.status, 200, "{path}: {}", answer.text());
    }
}

#[tokio::test]
async fn head_is_get_without_the_body() {
    let server = Server::start().await;
    server.client.put("/fhir/Patient/h", r#"{"resourceType":"Patient","id":"h"}"#).await;
    for path in ["/fhir/Patient/h", "/fhir/metadata", "/fhir/Patient/none", "/health/live", "/"] {
        let get = server.client.get(path).await;
        let head = server.client.send("HEAD", path, &[], None).await;
        assert_eq!(head.status, get.status, "{path}");
        assert!(head.body.is_empty());
        for name in ["content-type", "etag", "last-modified", "content-length"] {
            assert_eq!(head.header(name), get.header(name), "{path} {name}");
        }
    }
}

#[tokio::test]
async fn a_browser_may_ask_first() {
    let server = Server::start().await;
    let headers = [
        ("origin", "http://app.example"),
        ("access-control-request-method", "PUT"),
        ("access-control-request-headers", "if-match,prefer"),
    ];
    let answer = server.client.send("OPTIONS", "/fhir/Patient/1", &headers, None).await;
    assert_eq!(answer.status, 200);
    assert_eq!(answer.header("access-control-allow-origin"), "*");
    assert!(answer.header("access-control-allow-methods").contains("PUT"));
    assert!(answer.header("access-control-allow-headers").contains("if-none-exist"));
    let answer = server.client.send("GET", "/fhir/metadata", &headers[..1], None).await;
    assert!(answer.header("access-control-expose-headers").contains("etag"));
}

#[tokio::test]
async fn every_answer_has_a_request_id() {
    let server = Server::start().await;
    let own = server.client.get("/fhir/Patient/none").await;
    assert_eq!(own.header("x-request-id").len(), 36);
    assert_eq!(own.header("x-correlation-id"), "");
    let sent = server.client.send("GET", "/nothing", &[("x-request-id", "abc-1")], None).await;
    assert_eq!(sent.header("x-request-id"), "abc-1");
    let unsafe_ = server.client.send("GET", "/", &[("x-request-id", "<a b>")], None).await;
    assert_eq!(unsafe_.header("x-request-id").len(), 36);
    assert_eq!(unsafe_.header("x-correlation-id"), "<a b>");
}

#[tokio::test]
async fn a_body_beyond_the_limit_is_refused_by_name() {
    let server = Server::start().await;
    let large = format!(
        r#"{{"resourceType":"Patient","language":"{}"}}"#,
        "x".repeat(server.settings.limits.body_size)
    );
    let answer = server.client.post("/fhir/Patient", &large).await;
    assert_eq!(answer.status, 413, "{}", answer.text());
    assert!(answer.text().contains("body-size"));
}

#[tokio::test]
async fn provenance_in_a_header_is_not_dropped_in_silence() {
    let server = Server::start().await;
    let headers = [JSON, ("x-provenance", "{}")];
    let body = Some(r#"{"resourceType":"Patient"}"#);
    let answer = server.client.send("POST", "/fhir/Patient", &headers, body).await;
    assert_eq!((answer.status, answer.issue().as_str()), (400, "not-supported"));
}
