//! Searches that take longer than they may: a total that is left out, and advice.

use crate::harness::{Server, database, settings};
use andiron::config::Settings;
use serde_json::json;
use std::time::Duration;

/// A server whose resources take long to be looked through by `_content`.
async fn slow(change: impl FnOnce(&mut Settings)) -> Server {
    let connect = database().await;
    let writing = Server::on(connect.clone(), settings()).await;
    let text: String = (0..4_000).map(|word| format!("word{word} ")).collect();
    let entry = json!({
        "resource": {"resourceType": "Basic", "code": {"text": text}},
        "request": {"method": "POST", "url": "Basic"},
    });
    let batch = json!({"resourceType": "Bundle", "type": "batch", "entry": vec![entry; 100]});
    let reply = writing.post("/", &batch).await;
    reply.expect(200);
    let mut limits = settings();
    change(&mut limits);
    Server::on(connect, limits).await
}

#[tokio::test(flavor = "multi_thread")]
async fn a_count_that_takes_too_long_is_left_out() {
    let server = slow(|settings| settings.limits.count_time = Duration::from_millis(1)).await;
    let page = server
        .get("/Basic?_content=word7&_total=accurate&_count=1")
        .await;
    page.expect(200);
    assert!(page.json().get("total").is_none(), "{}", page.text());
    let outcome = page.entries().pop().expect("an outcome");
    assert_eq!(outcome["search"]["mode"], "outcome");
    let issue = &outcome["resource"]["issue"][0];
    assert_eq!(issue["severity"], "warning");
    assert_eq!(issue["code"], "too-costly");
    let text = issue["diagnostics"].as_str().expect("a text");
    assert!(text.contains("_total=estimate"), "{text}");
    assert!(text.contains("count-time"), "{text}");

    for query in ["_summary=count", "_count=0"] {
        let refused = server.get(&format!("/Basic?_content=word7&{query}")).await;
        refused.expect(400);
        let issue = &refused.json()["issue"][0];
        assert_eq!(issue["code"], "too-costly", "{query}");
        assert!(refused.issues().contains("_total=estimate"), "{query}");
        let path = format!("/Basic?_content=word7&{query}&_total=estimate");
        let estimate = server.get(&path).await;
        estimate.expect(200);
        assert!(estimate.json()["total"].is_u64(), "{}", estimate.text());
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_search_that_takes_too_long_comes_with_advice() {
    let server = slow(|settings| settings.limits.statement_time = Duration::from_millis(50)).await;
    let refused = server.get("/Basic?_content=absent").await;
    refused.expect(400);
    let outcome = refused.json();
    assert_eq!(outcome["issue"][0]["code"], "too-costly");
    assert_eq!(outcome["issue"][1]["severity"], "information");
    let advice = outcome["issue"][1]["diagnostics"].as_str().expect("advice");
    for part in ["`_content`", "`patient`", "`_explain=true`"] {
        assert!(advice.contains(part), "{part} in {advice}");
    }
}

/// The value of a line of the metrics.
async fn metric(server: &Server, name: &str) -> Option<u64> {
    let text = server.send("GET", "/metrics", &[], "").await.text();
    let line = text.lines().find_map(|line| line.strip_prefix(name))?;
    line.trim().parse().ok()
}

#[tokio::test(flavor = "multi_thread")]
async fn the_metrics_tell_the_stages_of_searches() {
    let server = Server::start().await;
    server
        .create(&json!({"resourceType": "Basic", "code": {"text": "x"}}))
        .await;
    server.get("/Basic?_total=accurate").await.expect(200);
    // Inside a Bundle they are searches too.
    let get = |url: &str| json!({"request": {"method": "GET", "url": url}});
    let entries = json!([
        get("Basic?_total=accurate"),
        get("Basic/x"),
        get("Basic?nope=1")
    ]);
    let batch = json!({"resourceType": "Bundle", "type": "batch", "entry": entries});
    server.post("", &batch).await.expect(200);
    for (name, expected) in [
        (
            r#"andiron_search_stage_duration_seconds_count{stage="compile"}"#,
            2,
        ),
        (
            r#"andiron_search_stage_duration_seconds_count{stage="total"}"#,
            2,
        ),
        (
            r#"andiron_search_stage_duration_seconds_count{stage="assemble"}"#,
            2,
        ),
        (r#"andiron_search_resources_total{mode="match"}"#, 2),
        ("andiron_search_samples_total", 1),
        (r#"andiron_search_sampled_rows_total{rows="returned"}"#, 1),
    ] {
        assert_eq!(metric(&server, name).await, Some(expected), "{name}");
    }
    let name = r#"andiron_search_sampled_rows_total{rows="scanned"}"#;
    assert!(metric(&server, name).await > Some(0));
}

/// What a search reads beyond what it returns shows in the rows that it scanned.
#[tokio::test(flavor = "multi_thread")]
async fn the_metrics_tell_rows_scanned_beside_rows_returned() {
    let server = Server::start().await;
    let entries: Vec<_> = (0..300)
        .map(|n| {
            json!({"request": {"method": "POST", "url": "Patient"},
                "resource": {"resourceType": "Patient", "gender": "male", "active": n == 0}})
        })
        .collect();
    let bundle = json!({"resourceType": "Bundle", "type": "transaction", "entry": entries});
    server.post("", &bundle).await.expect(200);
    server
        .get("/Patient?active:missing=false&_content=nothing")
        .await
        .expect(200);
    let scanned = r#"andiron_search_sampled_rows_total{rows="scanned"}"#;
    let returned = r#"andiron_search_sampled_rows_total{rows="returned"}"#;
    assert_eq!(metric(&server, returned).await, Some(0));
    assert!(metric(&server, scanned).await >= Some(300));
}
