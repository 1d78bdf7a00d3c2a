//! What is served beside the FHIR API.

use super::get;
use crate::harness::{BASE, Server};

#[tokio::test]
async fn health_says_live_and_ready() {
    let server = Server::start().await;
    for (path, status) in [("/health/live", "live"), ("/health/ready", "ready")] {
        let reply = get(&server, path, &[]).await;
        assert_eq!(reply.expect(200).json()["status"], status);
    }
    server.hub.store.close().await;
    get(&server, "/health/ready", &[]).await.expect(503);
    get(&server, "/health/live", &[]).await.expect(200);
    let reply = get(&server, "/fhir/Patient/1", &[]).await;
    assert!(
        reply.header("retry-after").is_some() && reply.status == 503,
        "{}",
        reply.text()
    );
}

#[tokio::test]
async fn metrics_count_requests_and_the_database() {
    let server = Server::start().await;
    get(&server, "/fhir/Patient/none", &[]).await.expect(404);
    let text = get(&server, "/metrics", &[]).await.text();
    for part in [
        r#"andiron_requests_total{interaction="read",resource_type="Patient",status="404"} 1"#,
        r#"andiron_request_duration_seconds_count{interaction="read",status="4xx"} 1"#,
        r#"andiron_database_connections{state="idle"}"#,
    ] {
        assert!(text.contains(part), "{part} in {text}");
    }
    let size = text
        .lines()
        .find_map(|line| line.strip_prefix("andiron_database_size_bytes "));
    assert!(
        size.and_then(|size| size.parse::<u64>().ok())
            .is_some_and(|size| size > 1_000_000)
    );
}

#[tokio::test]
async fn the_root_describes_itself() {
    let server = Server::start().await;
    let json = get(&server, "/", &[]).await.json();
    assert_eq!(json["base"], BASE);
    let html = get(&server, "/", &["Accept: text/html,*/*"]).await;
    assert!(
        html.header("content-type")
            .is_some_and(|kind| kind.starts_with("text/html"))
    );
    assert!(html.text().contains("/fhir/metadata"));
}
