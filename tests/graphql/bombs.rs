//! What costs too much is refused, and soon.

use super::{ask, ask_at, clinic, message};
use serde_json::json;
use std::time::{Duration, Instant};

#[tokio::test(flavor = "multi_thread")]
async fn bombs_are_refused_at_once() {
    let server = clinic().await;
    // What is read of the definitions is read once.
    ask(&server, "{ PatientList(_count: 1) { id } }").await;
    let deep = format!(
        "{{ PatientList {{ {}id{} }} }}",
        "contained { ".repeat(40),
        " }".repeat(40)
    );
    let aliases: String = (0..2_000)
        .map(|n| format!("a{n}: Patient(id: a) {{ id }} "))
        .collect();
    let mut fragments = "{ Patient(id: a) { ...f0 } }".to_owned();
    for n in 0..50 {
        fragments.push_str(&format!(
            " fragment f{n} on Patient {{ ...f{0} ...f{0} }}",
            n + 1
        ));
    }
    fragments.push_str(" fragment f50 on Patient { id }");
    let circle =
        "{ Patient(id: a) { ...x } } fragment x on Patient { ...y } fragment y on Patient { ...x }";
    let brackets = format!("{{ a(b: {}{}) }}", "[".repeat(20_000), "]".repeat(20_000));
    let aliases = format!("{{ {aliases} }}");
    for query in [&deep, &aliases, &fragments, circle, &brackets] {
        // The least of a few: what else the machine does is no cost of the query.
        let mut least = Duration::MAX;
        for _ in 0..5 {
            let start = Instant::now();
            message(&ask(&server, query).await, 400);
            least = least.min(start.elapsed());
        }
        assert!(
            least < Duration::from_millis(100),
            "{least:?}: {}",
            &query[..80]
        );
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn searches_resources_and_bytes_are_counted() {
    let server = clinic().await;
    let searches: String = (0..101)
        .map(|n| format!("a{n}: PatientList(_id: x{n}) {{ id }} "))
        .collect();
    let reply = ask(&server, &format!("{{ {searches} }}")).await;
    assert!(message(&reply, 400).contains("100 searches"));
    let big = json!({"resourceType": "Basic", "id": "big",
        "code": {"text": "x".repeat(1 << 20)}});
    server.put("/Basic/big", &big).await.expect(201);
    let copies: String = (0..20).map(|n| format!("a{n}: code {{ text }} ")).collect();
    let reply = ask_at(&server, "/Basic/big", &format!("{{ {copies} }}"), json!({})).await;
    assert!(message(&reply, 400).contains("bytes"));
    // One search of many is one.
    let same: String = (0..150)
        .map(|n| format!("a{n}: PatientList(active: true) {{ id }} "))
        .collect();
    ask(&server, &format!("{{ {same} }}")).await.expect(200);
}
