//! What is served beside the FHIR API.

use crate::harness::Server;

#[tokio::test]
async fn health_says_live_and_ready() {
    let server = Server::start().await;
    for (path, status) in [("/health/live", "live"), ("/health/ready", "ready")] {
        let answer = server.client.get(path).await;
        assert_eq!(answer.status, 200, "{path}: {}", answer.text());
        assert_eq!(answer.json()["status"], status);
    }
}

#[tokio::test]
async fn metrics_count_requests_and_the_database() {
    let server = Server::start().await;
    server.client.get("/fhir/Patient/none").await;
    let text = server.client.get("/metrics").await.text();
    for part in [
        r#"andiron_requests_total{interaction="read",resource_type="Patient",status="404"} 1"#,
        r#"andiron_request_duration_seconds_count{interaction="read",status="4xx"} 1"#,
        r#"andiron_database_connections{state="idle"}"#,
        "andiron_database_size_bytes ",
    ] {
        assert!(text.contains(part), "{part} in {text}");
    }
    let size = text.lines().find_map(|line| line.strip_prefix("andiron_database_size_bytes "));
    assert!(size.and_then(|size| size.parse::<u64>().ok()).is_some_and(|size| size > 1_000_000));
}

#[tokio::test]
async fn the_root_describes_itself() {
    let server = Server::start().await;
    let json = server.client.get("/").await.json();
    assert_eq!(json["base"], server.settings.base.as_str());
    let html = server.client.send("GET", "/", &[("accept", "text/html,*/*")], None).await;
    assert!(html.header("content-type").starts_with("text/html"));
    assert!(html.text().contains("/fhir/metadata"));
}
