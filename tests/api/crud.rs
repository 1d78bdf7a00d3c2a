//! The state table: each interaction on a resource that never was, is, and was deleted.
//! <https://hl7.org/fhir/R4/http.html#summary>

use super::client::{Client, JSON};
use crate::harness::Server;

const PATCH: &str = r#"[{"op":"add","path":"/active","value":true}]"#;

fn patient(id: &str) -> String {
    format!(r#"{{"resourceType":"Patient","id":"{id}","gender":"other"}}"#)
}

/// Makes `{state}-{n}`, which never was, is there, or was deleted.
async fn prepare(client: &Client, state: &str, n: usize) -> String {
    let id = format!("{state}-{n}");
    if state != "never" {
        let made = client.put(&format!("/fhir/Patient/{id}"), &patient(&id)).await;
        assert_eq!(made.status, 201, "{}", made.text());
    }
    if state == "deleted" {
        let gone = client.delete(&format!("/fhir/Patient/{id}")).await;
        assert_eq!(gone.status, 204, "{}", gone.text());
    }
    id
}

#[tokio::test]
async fn each_interaction_answers_by_the_state_of_its_resource() {
    let server = Server::start().await;
    let client = &server.client;
    for (n, (state, method, suffix, status)) in [
        ("never", "GET", "", 404),
        ("current", "GET", "", 200),
        ("deleted", "GET", "", 410),
        ("never", "GET", "/_history/1", 404),
        ("current", "GET", "/_history/1", 200),
        ("deleted", "GET", "/_history/1", 200),
        ("deleted", "GET", "/_history/2", 410),
        ("current", "GET", "/_history/9", 404),
        ("never", "PUT", "", 201),
        ("current", "PUT", "", 200),
        ("deleted", "PUT", "", 201),
        ("never", "PATCH", "", 404),
        ("current", "PATCH", "", 200),
        ("never", "DELETE", "", 204),
        ("current", "DELETE", "", 204),
        ("deleted", "DELETE", "", 204),
        ("never", "GET", "/_history", 404),
        ("current", "GET", "/_history", 200),
        ("deleted", "GET", "/_history", 200),
    ]
    .into_iter()
    .enumerate()
    {
        let id = prepare(client, state, n).await;
        let path = format!("/fhir/Patient/{id}{suffix}");
        let answer = match method {
            "PUT" => client.put(&path, &patient(&id)).await,
            "PATCH" => client.patch(&path, PATCH).await,
            _ => client.send(method, &path, &[], None).await,
        };
        assert_eq!(answer.status, status, "{method} {state}{suffix}: {}", answer.text());
    }
}

/// Table TF, rows 1, 2, 4, 19.
#[tokio::test]
async fn ids_are_the_servers_on_create_and_the_urls_on_update() {
    let server = Server::start().await;
    let client = &server.client;
    let made = client.post("/fhir/Patient", &patient("x")).await;
    assert_eq!(made.status, 201);
    assert_ne!(made.id(), "x");
    for (body, status) in [
        (patient("b"), 400),
        (r#"{"resourceType":"Patient"}"#.to_owned(), 400),
        (r#"{"resourceType":"Observation","id":"a"}"#.to_owned(), 400),
    ] {
        assert_eq!(client.put("/fhir/Patient/a", &body).await.status, status, "{body}");
    }
    assert_eq!(client.put("/fhir/Patient/AbC", &patient("AbC")).await.status, 201);
    assert_eq!(client.get("/fhir/Patient/abc").await.status, 404);
    let body = r#"{"resourceType":"Patient","id":"m","meta":{"versionId":"7","lastUpdated":"2001-01-01T00:00:00Z","source":"urn:s"}}"#;
    let made = client.put("/fhir/Patient/m", body).await.json();
    assert_eq!(made["meta"]["versionId"], "1");
    assert_ne!(made["meta"]["lastUpdated"], "2001-01-01T00:00:00Z");
    assert_eq!(made["meta"]["source"], "urn:s");
}

/// Table TF, row 8.
#[tokio::test]
async fn if_match_guards_a_write() {
    let server = Server::start().await;
    let client = &server.client;
    for (tag, status) in [
        ("W/\"1\"", 200),
        ("\"1\"", 200),
        ("*", 200),
        ("W/\"2\"", 412),
        ("W/\"x\"", 412),
    ] {
        let id = format!("t-{}", tag.len() + usize::from(tag.as_bytes()[0]) + usize::from(status));
        client.put(&format!("/fhir/Patient/{id}"), &patient(&id)).await;
        let body = patient(&id).replace("other", "female");
        let headers = [JSON, ("if-match", tag)];
        let path = format!("/fhir/Patient/{id}");
        let answer = client.send("PUT", &path, &headers, Some(&body)).await;
        assert_eq!(answer.status, status, "{tag}: {}", answer.text());
    }
    let headers = [JSON, ("if-match", "W/\"1\"")];
    let absent = client.send("PUT", "/fhir/Patient/z", &headers, Some(&patient("z"))).await;
    assert_eq!(absent.status, 412);
}

/// Table TF, rows 9 to 12.
#[tokio::test]
async fn delete_is_idempotent_and_can_be_undone() {
    let server = Server::start().await;
    let client = &server.client;
    client.put("/fhir/Patient/d", &patient("d")).await;
    let first = client.delete("/fhir/Patient/d").await;
    assert_eq!((first.status, first.header("etag")), (204, "W/\"2\""));
    assert_eq!(client.delete("/fhir/Patient/d").await.status, 204);
    assert_eq!(client.get("/fhir/Patient/d").await.issue(), "deleted");
    let history = client.get("/fhir/Patient/d/_history").await.json();
    assert_eq!(history["total"], 2);
    assert_eq!(history["entry"][0]["request"]["method"], "DELETE");
    assert!(history["entry"][0].get("resource").is_none());
    let revived = client.put("/fhir/Patient/d", &patient("d")).await;
    assert_eq!((revived.status, revived.header("etag")), (201, "W/\"3\""));
    let prefer = [("prefer", "return=OperationOutcome")];
    let told = client.send("DELETE", "/fhir/Patient/d", &prefer, None).await;
    assert_eq!((told.status, told.resource_type().as_str()), (200, "OperationOutcome"));
}

#[tokio::test]
async fn a_conditional_write_needs_criteria() {
    let server = Server::start().await;
    let client = &server.client;
    for (method, query) in [("PUT", ""), ("PATCH", ""), ("DELETE", ""), ("DELETE", "?_format=json")] {
        let path = format!("/fhir/Patient{query}");
        let answer = match method {
            "PUT" => client.put(&path, r#"{"resourceType":"Patient"}"#).await,
            "PATCH" => client.patch(&path, PATCH).await,
            _ => client.delete(&path).await,
        };
        assert_eq!(answer.status, 400, "{method} {query}: {}", answer.text());
    }
}

#[tokio::test]
async fn search_by_post_is_search_by_get() {
    let server = Server::start().await;
    let client = &server.client;
    client.put("/fhir/Patient/s", &patient("s")).await;
    let form = [("content-type", "application/x-www-form-urlencoded")];
    for (path, body) in [
        ("/fhir/Patient/_search", "_id=s&gender=other"),
        ("/fhir/Patient/_search?_id=s", "gender=other"),
        ("/fhir/Patient/_search?_id=s&gender=other", ""),
    ] {
        let answer = client.send("POST", path, &form, Some(body)).await;
        assert_eq!(answer.status, 200, "{}", answer.text());
        assert_eq!(answer.json()["entry"][0]["resource"]["id"], "s");
    }
    let bare = client.send("POST", "/fhir/Patient/_search?_id=s", &[], None).await;
    assert_eq!(bare.status, 200, "{}", bare.text());
    let json = client.post("/fhir/Patient/_search", "{}").await;
    assert_eq!(json.status, 415);
}
