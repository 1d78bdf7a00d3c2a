//! `$meta`, `$meta-add`, `$meta-delete`.

use super::patient;
use crate::harness::Server;
use serde_json::{Value, json};

fn labels(tags: &[&str]) -> Value {
    let tags: Vec<Value> = tags
        .iter()
        .map(|code| json!({"system": "urn:tags", "code": code}))
        .collect();
    json!({"resourceType": "Parameters", "parameter": [{"name": "meta", "valueMeta": {"tag": tags}}]})
}

#[tokio::test(flavor = "multi_thread")]
async fn labels_change_without_a_new_version_and_are_found() {
    let server = Server::start().await;
    let id = server.create(&patient("1")).await;
    let url = format!("/Patient/{id}");
    let added = server
        .post(&format!("{url}/$meta-add"), &labels(&["a", "b", "a"]))
        .await;
    added.expect(200);
    assert_eq!(
        added.json()["parameter"][0]["valueMeta"]["tag"]
            .as_array()
            .map(Vec::len),
        Some(2)
    );
    assert_eq!(
        server.get("/Patient?_tag=urn:tags|a").await.ids(),
        [id.as_str()]
    );
    let read = server.get(&url).await;
    assert_eq!(read.header("etag"), Some("W/\"1\""));
    server
        .post(&format!("{url}/$meta-delete"), &labels(&["a", "none"]))
        .await
        .expect(200);
    assert!(
        server
            .get("/Patient?_tag=urn:tags|a")
            .await
            .ids()
            .is_empty()
    );
    assert_eq!(server.get("/Patient?_tag=b").await.ids(), [id.as_str()]);
    for scope in [url.as_str(), "/Patient", ""] {
        let meta = server.get(&format!("{scope}/$meta")).await;
        meta.expect(200);
        assert_eq!(
            meta.json()["parameter"][0]["valueMeta"]["tag"][0]["code"],
            "b",
            "{scope}"
        );
    }
    server
        .post(
            &format!("{url}/$meta-add"),
            &json!({"resourceType": "Parameters"}),
        )
        .await
        .expect(400);
    server
        .post("/Patient/none/$meta-add", &labels(&["a"]))
        .await
        .expect(404);
    server.delete(&url).await.expect(204);
    server.get(&format!("{url}/$meta")).await.expect(410);
}

/// What `:missing` asks for follows labels and versions.
#[tokio::test(flavor = "multi_thread")]
async fn presence_follows_labels_and_versions() {
    let server = Server::start().await;
    let url = "/Patient/p";
    let missing = async |code: &str, value: bool| {
        let asked = format!("/Patient?{code}:missing={value}");
        server.get(&asked).await.ids().len()
    };
    let male = json!({"resourceType": "Patient", "id": "p", "gender": "male"});
    server.put(url, &male).await.expect(201);
    assert_eq!(missing("gender", false).await, 1);
    assert_eq!(missing("_tag", true).await, 1);
    let add = format!("{url}/$meta-add");
    server.post(&add, &labels(&["a"])).await.expect(200);
    assert_eq!(missing("_tag", true).await, 0);
    assert_eq!(missing("_tag", false).await, 1);
    assert_eq!(missing("gender", false).await, 1, "as it was");
    let delete = format!("{url}/$meta-delete");
    server.post(&delete, &labels(&["a"])).await.expect(200);
    assert_eq!(missing("_tag", true).await, 1);
    let plain = json!({"resourceType": "Patient", "id": "p", "active": true});
    server.put(url, &plain).await.expect(200);
    assert_eq!(missing("gender", true).await, 1);
    assert_eq!(missing("active", false).await, 1);
}
