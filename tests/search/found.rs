//! What the reference evaluator found: each disagreement that was the server's mistake, as
//! small as it gets.

use crate::harness::Server;
use serde_json::json;

#[tokio::test(flavor = "multi_thread")]
async fn a_coding_with_a_system_is_not_found_without_one_where_a_uri_could_be() {
    let server = Server::start().await;
    let coding = json!({"system": "urn:events", "code": "admit"});
    let message = |event: (&str, serde_json::Value)| {
        let mut message =
            json!({"resourceType": "MessageDefinition", "status": "draft", "date": "2024"});
        message[event.0] = event.1;
        message
    };
    let with_system = server.create(&message(("eventCoding", coding))).await;
    let without = server
        .create(&message(("eventCoding", json!({"code": "admit"}))))
        .await;
    let uri = server.create(&message(("eventUri", json!("admit")))).await;
    for (query, mut expected) in [
        ("event=%7Cadmit", vec![&without, &uri]),
        ("event:not=%7Cadmit", vec![&with_system]),
        ("event=admit", vec![&with_system, &without, &uri]),
        ("event=urn:events%7Cadmit", vec![&with_system]),
    ] {
        let mut found = server
            .get(&format!("/MessageDefinition?{query}"))
            .await
            .ids();
        found.sort();
        expected.sort();
        assert_eq!(found.iter().collect::<Vec<_>>(), expected, "{query}");
    }
}
