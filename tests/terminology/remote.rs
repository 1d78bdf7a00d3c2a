//! A second Andiron as the terminology server of the first.

use super::{codes, value};
use crate::harness::Server;
use andiron::api;
use andiron::config::TerminologyServer;
use serde_json::{Value, json};
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::{Duration, Instant};
use tokio::net::TcpListener;

/// Serves a router on a free port; what it counts are the requests.
async fn listen(server: &Server) -> (String, Arc<AtomicUsize>) {
    let asked = Arc::new(AtomicUsize::new(0));
    let counter = asked.clone();
    let counting = axum::middleware::from_fn(move |request, next: axum::middleware::Next| {
        counter.fetch_add(1, Ordering::SeqCst);
        next.run(request)
    });
    let router = api::router(server.hub.clone()).layer(counting);
    let listener = TcpListener::bind("127.0.0.1:0").await.expect("a port");
    let url = format!("http://{}/fhir", listener.local_addr().expect("an address"));
    let grace = Duration::from_secs(1);
    tokio::spawn(api::serve(listener, router, std::future::pending(), grace));
    (url, asked)
}

async fn asking(url: &str, time: u64) -> Server {
    let config = TerminologyServer {
        url: url.to_owned(),
        time: Duration::from_millis(time),
        cached: 100,
        cache_time: Duration::from_secs(60),
    };
    Server::with(|settings| settings.terminology_server = Some(config)).await
}

fn fruits() -> Value {
    json!({"resourceType": "CodeSystem", "url": "http://fruits", "version": "1", "name": "Fruits",
        "status": "active", "content": "complete", "concept": [
        {"code": "apple", "display": "Apple"}, {"code": "pear", "display": "Pear"}]})
}

fn set(url: &str, system: &str) -> Value {
    json!({"resourceType": "ValueSet", "url": url, "status": "active",
        "compose": {"include": [{"system": system}]}})
}

#[tokio::test(flavor = "multi_thread")]
async fn what_is_not_here_is_asked_of_the_other() {
    let other = Server::start().await;
    other.create(&fruits()).await;
    other.create(&set("http://theirs", "http://fruits")).await;
    let (url, asked) = listen(&other).await;
    let server = asking(&url, 5_000).await;
    server.create(&set("http://ours", "http://fruits")).await;
    let mut local = fruits();
    local["url"] = json!("http://local");
    server.create(&local).await;
    server.create(&set("http://here", "http://local")).await;

    for (path, expected) in [
        ("/CodeSystem/$lookup?system=http://fruits&code=pear", "Pear"),
        (
            "/ValueSet/$validate-code?url=http://ours&system=http://fruits&code=pear",
            "Pear",
        ),
        (
            "/ValueSet/$validate-code?url=http://theirs&system=http://fruits&code=pear",
            "Pear",
        ),
        (
            "/CodeSystem/$validate-code?url=http://fruits&code=pear",
            "Pear",
        ),
    ] {
        let before = asked.load(Ordering::SeqCst);
        for _ in 0..3 {
            let reply = server.get(path).await;
            reply.expect(200);
            assert_eq!(value(&reply.json(), "display"), expected, "{path}");
        }
        assert_eq!(asked.load(Ordering::SeqCst), before + 1, "{path}: once");
    }
    for url in ["http://ours", "http://theirs"] {
        let reply = server
            .get(&format!("/ValueSet/$expand?url={url}&count=5"))
            .await;
        reply.expect(200);
        assert_eq!(codes(&reply.json()["expansion"]["contains"]), "apple pear");
    }
    let wrong = "/ValueSet/$validate-code?url=http://ours&system=http://fruits&code=kiwi";
    let wrong = server.get(wrong).await.json();
    assert_eq!(value(&wrong, "result"), false);
    assert!(!wrong.to_string().contains("issues"), "{wrong}");

    // What is known here is never asked, right or wrong, nor is what neither knows an error.
    let before = asked.load(Ordering::SeqCst);
    for (path, status) in [
        ("/CodeSystem/$lookup?system=http://local&code=pear", 200),
        ("/CodeSystem/$lookup?system=http://local&code=kiwi", 404),
        ("/ValueSet/$expand?url=http://here", 200),
        (
            "/ValueSet/$validate-code?url=http://here&system=http://local&code=kiwi",
            200,
        ),
    ] {
        server.get(path).await.expect(status);
    }
    assert_eq!(asked.load(Ordering::SeqCst), before);
    server
        .get("/CodeSystem/$lookup?system=http://nobody&code=1")
        .await
        .expect(404);
}

#[tokio::test(flavor = "multi_thread")]
async fn two_that_name_each_other_do_not_ask_in_circles() {
    let listener = TcpListener::bind("127.0.0.1:0").await.expect("a port");
    let own = format!("http://{}/fhir", listener.local_addr().expect("an address"));
    let server = asking(&own, 5_000).await;
    let router = api::router(server.hub.clone());
    let grace = Duration::from_secs(1);
    tokio::spawn(api::serve(listener, router, std::future::pending(), grace));
    let reply = server
        .get("/CodeSystem/$lookup?system=http://nobody&code=1")
        .await;
    reply.expect(404);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_server_that_fails_is_no_fault_of_the_request() {
    // It takes the connection and never says a word.
    let silent = TcpListener::bind("127.0.0.1:0").await.expect("a port");
    let url = format!("http://{}/fhir", silent.local_addr().expect("an address"));
    let server = asking(&url, 300).await;
    server.create(&set("http://ours", "http://fruits")).await;
    let begun = Instant::now();
    let reply = server.get("/ValueSet/$expand?url=http://ours").await;
    reply.expect(422);
    let issue = &reply.json()["issue"][0];
    assert_eq!(issue["code"], "transient");
    let says = issue["diagnostics"].as_str().expect("a text");
    assert!(says.contains("no fault of this request"), "{says}");
    // Left alone for a while, it costs nothing.
    let path = "/ValueSet/$validate-code?url=http://ours&system=http://fruits&code=pear";
    for _ in 0..20 {
        let reply = server.get(path).await;
        reply.expect(200);
        let answer = reply.json();
        assert_eq!(value(&answer, "result"), false);
        assert!(
            answer.to_string().contains("not-found"),
            "unknown, not wrong: {answer}"
        );
    }
    assert!(
        begun.elapsed() < Duration::from_secs(5),
        "{:?}",
        begun.elapsed()
    );
    drop(silent);
}
