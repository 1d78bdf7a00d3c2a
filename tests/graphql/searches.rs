//! `[Type]`, `[Type]List`, `[Type]Connection` of the system.

use super::{ask, ask_at, clinic, data, message};
use crate::harness::Server;
use serde_json::{Value, json};

#[tokio::test(flavor = "multi_thread")]
async fn searches_take_the_parameters_of_rest() {
    let server = clinic().await;
    let ids = |list: &Value| -> Vec<String> {
        let list = list.as_array().cloned().unwrap_or_default();
        list.iter()
            .map(|one| one["id"].as_str().unwrap_or_default().to_owned())
            .collect()
    };
    for (arguments, expected) in [
        ("active: true", &["a", "b"][..]),
        ("active: \"false\"", &["c"]),
        ("_id: [a, c]", &["a", "c"]),
        ("family: \"Family-b\"", &["b"]),
        ("family: \"Family-a,Family-b\"", &[]),
        ("organization: \"Organization/south\"", &["b", "c"]),
        ("_filter: \"organization.name eq \\\"North\\\"\"", &["a"]),
        ("fhirpath: \"active\"", &["a", "b"]),
        ("_count: 1", &["a"]),
    ] {
        let query = format!("{{ PatientList({arguments}, _sort: \"_id\") {{ id }} }}");
        let reply = ask(&server, &query).await;
        assert_eq!(ids(&data(&reply)["PatientList"]), expected, "{query}");
    }
    let none = ask(&server, "{ PatientList(family: \"nobody\") { id } }").await;
    assert_eq!(data(&none), json!({"PatientList": []}));
    let several = ask(
        &server,
        "{ a: Patient(id: a) { id } b: Patient(_id: \"b\") { id } }",
    )
    .await;
    assert_eq!(data(&several), json!({"a": {"id": "a"}, "b": {"id": "b"}}));
    let query = "{ PatientList(birthdate: \"nonsense\") { id } }";
    assert!(message(&ask(&server, query).await, 400).contains("birthdate"));
}

#[tokio::test(flavor = "multi_thread")]
async fn a_list_is_whole_or_an_error() {
    let server = Server::with(|settings| settings.limits.max_page_size = 2).await;
    for n in 0..3 {
        server
            .create(&json!({"resourceType": "Basic", "code": {"text": n.to_string()}}))
            .await;
    }
    let reply = ask(&server, "{ BasicList { id } }").await;
    assert!(message(&reply, 400).contains("BasicConnection"));
    let reply = ask(&server, "{ BasicList(_count: 2) { id } }").await;
    assert_eq!(data(&reply)["BasicList"].as_array().map(Vec::len), Some(2));
}

#[tokio::test(flavor = "multi_thread")]
async fn a_connection_is_walked_by_its_cursors() {
    let server = clinic().await;
    for n in 0..5 {
        let basic = json!({"resourceType": "Basic", "id": format!("n{n}"), "code": {"text": "x"}});
        server
            .put(&format!("/Basic/n{n}"), &basic)
            .await
            .expect(201);
    }
    let fields = "count offset pagesize first previous next last edges { mode resource { id } }";
    let query = format!("{{ BasicConnection(_sort: \"_id\", _count: 2) {{ {fields} }} }}");
    let mut page = data(&ask(&server, &query).await)["BasicConnection"].clone();
    assert_eq!(
        (&page["count"], &page["offset"], &page["pagesize"]),
        (&json!(5), &json!(0), &json!(2))
    );
    assert_eq!(page["edges"][0]["mode"], "match");
    assert!(page.get("previous").is_none());
    let mut seen = Vec::new();
    loop {
        let edges = page["edges"].as_array().cloned().unwrap_or_default();
        assert_eq!(page["offset"], json!(seen.len()));
        seen.extend(edges.iter().map(|edge| edge["resource"]["id"].clone()));
        let Some(next) = page["next"].as_str() else {
            break;
        };
        let query = format!("{{ BasicConnection(cursor: \"{next}\") {{ {fields} }} }}");
        page = data(&ask(&server, &query).await)["BasicConnection"].clone();
    }
    assert_eq!(seen, ["n0", "n1", "n2", "n3", "n4"]);
    let previous = page["previous"].as_str().expect("a page before").to_owned();
    let query = format!(
        "{{ BasicConnection(_cursor: \"{previous}\") {{ offset edges {{ resource {{ id }} }} }} }}"
    );
    let page = data(&ask(&server, &query).await)["BasicConnection"].clone();
    assert_eq!(page["edges"][0]["resource"]["id"], "n2");
    assert_eq!(page["offset"], 2);
    let query = format!("{{ PatientConnection(cursor: \"{previous}\") {{ count }} }}");
    message(&ask(&server, &query).await, 400);
    let query = "{ BasicConnection(cursor: \"nonsense\") { count } }";
    message(&ask(&server, query).await, 400);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_search_that_is_wrong_is_the_same_error_as_in_rest() {
    let server = clinic().await;
    let rest = server.get("/Patient?birthdate=nonsense").await;
    let graph = ask(&server, "{ PatientList(birthdate: \"nonsense\") { id } }").await;
    assert_eq!(graph.status, rest.status);
    let error = &graph.json()["errors"][0];
    assert_eq!(error["extensions"]["resource"], rest.json());
    let read = server.get("/Patient/nobody").await;
    let graph = ask_at(&server, "/Patient/nobody", "{ id }", json!({})).await;
    assert_eq!(graph.status, read.status);
}
