//! Formats, headers and negotiation; table TG17 to TG26.

use super::patient;
use crate::harness::Server;

#[tokio::test(flavor = "multi_thread")]
async fn accept_and_format_are_negotiated() {
    let server = Server::start().await;
    let id = server.create(&patient("1")).await;
    let path = format!("/fhir/Patient/{id}");
    for (accept, status, content_type) in [
        ("application/fhir+json", 200, "application/fhir+json"),
        (
            "application/fhir+json; fhirVersion=4.0",
            200,
            "application/fhir+json",
        ),
        ("application/fhir+json; fhirVersion=5.0", 406, ""),
        ("application/json", 200, "application/json"),
        ("*/*", 200, "application/fhir+json"),
        ("text/html,*/*", 200, "application/fhir+json"),
        ("application/foo", 406, ""),
        ("application/fhir+xml", 200, "application/fhir+xml"),
        (
            "application/fhir+xml;q=0.5, application/fhir+json",
            200,
            "application/fhir+json",
        ),
    ] {
        let header = format!("Accept: {accept}");
        let reply = server.send("GET", &path, &[&header], "").await;
        assert_eq!(reply.status, status, "{accept}: {}", reply.text());
        if status == 200 {
            assert!(
                reply
                    .header("content-type")
                    .is_some_and(|found| found.starts_with(content_type)),
                "{accept}"
            );
        }
    }
    for (format, status) in [
        ("json", 200),
        ("application/json", 200),
        ("application/fhir+json", 200),
        ("application/fhir%2Bjson", 200),
        ("xml", 200),
        ("ttl", 406),
        ("nonsense", 406),
    ] {
        let reply = server
            .send(
                "GET",
                &format!("{path}?_format={format}"),
                &["Accept: application/foo"],
                "",
            )
            .await;
        assert_eq!(reply.status, status, "{format}");
    }
    for (content_type, status) in [
        ("application/fhir+json", 201),
        ("application/fhir+json; charset=utf-8", 201),
        ("application/json", 201),
        ("application/fhir+json; fhirVersion=3.0", 415),
        ("application/fhir+json; charset=latin1", 415),
        ("application/fhir+xml", 400),
        ("text/plain", 415),
    ] {
        let header = format!("Content-Type: {content_type}");
        let reply = server
            .send(
                "POST",
                "/fhir/Patient",
                &[&header],
                patient("2").to_string(),
            )
            .await;
        assert_eq!(reply.status, status, "{content_type}: {}", reply.text());
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_trailing_slash_and_a_request_id_are_accepted() {
    let server = Server::start().await;
    for path in ["/fhir/Patient/", "/fhir/metadata/", "/fhir/?_type=Patient"] {
        server.send("GET", path, &[], "").await.expect(200);
    }
    let reply = server
        .send("GET", "/fhir/Patient", &["X-Request-Id: abc-1"], "")
        .await;
    assert_eq!(reply.header("x-request-id"), Some("abc-1"));
    let long = format!("X-Request-Id: {}", "x".repeat(300));
    let reply = server.send("GET", "/fhir/Patient", &[&long], "").await;
    assert!(
        reply
            .header("x-request-id")
            .is_some_and(|id| id.len() < 100)
    );
    assert!(reply.header("x-correlation-id").is_some());
}

#[tokio::test(flavor = "multi_thread")]
async fn browsers_may_call_and_bodies_are_compressed() {
    let server = Server::start().await;
    for n in 0..20 {
        server.create(&patient(&n.to_string())).await;
    }
    let preflight = server
        .send(
            "OPTIONS",
            "/fhir/Patient",
            &[
                "Origin: http://app",
                "Access-Control-Request-Method: POST",
                "Access-Control-Request-Headers: If-None-Exist",
            ],
            "",
        )
        .await;
    assert!(preflight.status < 300);
    assert!(preflight.header("access-control-allow-origin").is_some());
    let reply = server
        .send("GET", "/fhir/Patient", &["Origin: http://app"], "")
        .await;
    let exposed = reply
        .header("access-control-expose-headers")
        .expect("exposed headers")
        .to_lowercase();
    assert!(exposed.contains("etag") && exposed.contains("location"));
    for encoding in ["gzip", "zstd"] {
        let header = format!("Accept-Encoding: {encoding}");
        let reply = server.send("GET", "/fhir/Patient", &[&header], "").await;
        assert_eq!(reply.header("content-encoding"), Some(encoding));
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn health_and_metrics_answer() {
    let server = Server::start().await;
    server
        .send("GET", "/health/live", &[], "")
        .await
        .expect(200);
    server
        .send("GET", "/health/ready", &[], "")
        .await
        .expect(200);
    server.create(&patient("1")).await;
    server.get("/Patient/none").await.expect(404);
    let metrics = server.send("GET", "/metrics", &[], "").await;
    metrics.expect(200);
    let text = metrics.text();
    assert!(text.contains("interaction=\"create\""), "{text}");
    assert!(text.contains("type=\"Patient\""), "{text}");
    server.send("GET", "/", &[], "").await.expect(200);
}
