//! Conditional create, update, patch and delete; table TF6, TF7, TF22.

use super::{patient, patient_with_id};
use crate::harness::Server;
use serde_json::json;

#[tokio::test(flavor = "multi_thread")]
async fn a_conditional_create_makes_one_or_finds_one() {
    let server = Server::start().await;
    let header = ["If-None-Exist: identifier=urn:t|1"];
    let first = server.post_with("/Patient", &header, &patient("1")).await;
    first.expect(201);
    let second = server.post_with("/Patient", &header, &patient("1")).await;
    second.expect(200);
    assert_eq!(first.header("location"), second.header("location"));
    assert_eq!(second.header("etag"), Some("W/\"1\""));
    server.create(&patient("1")).await;
    let third = server.post_with("/Patient", &header, &patient("1")).await;
    third.expect(412);
    assert!(third.issues().contains("multiple-matches"));
    assert_eq!(server.get("/Patient").await.ids().len(), 2);
}

#[tokio::test(flavor = "multi_thread")]
async fn criteria_that_say_nothing_are_refused() {
    let server = Server::start().await;
    server.create(&patient("1")).await;
    for criteria in [
        "",
        "typo=x",
        "_count=100",
        "identifier=",
        "_sort=name",
        "name:foo=x",
        "_format=json",
    ] {
        let header = format!("If-None-Exist: {criteria}");
        for lenient in [&[][..], &["Prefer: handling=lenient"]] {
            let mut headers = vec![header.as_str()];
            headers.extend(lenient);
            let created = server.post_with("/Patient", &headers, &patient("2")).await;
            assert!(
                [400, 412].contains(&created.status),
                "{criteria}: {}",
                created.text()
            );
            let path = format!("/fhir/Patient?{criteria}");
            let deleted = server.send("DELETE", &path, lenient, "").await;
            assert!(
                [400, 405, 412].contains(&deleted.status),
                "{criteria}: {}",
                deleted.text()
            );
        }
        let updated = server
            .put(&format!("/Patient?{criteria}"), &patient("2"))
            .await;
        assert!(
            [400, 412].contains(&updated.status),
            "{criteria}: {}",
            updated.text()
        );
    }
    assert_eq!(server.get("/Patient").await.ids().len(), 1);
}

#[tokio::test(flavor = "multi_thread")]
async fn criteria_with_an_empty_part_are_refused_whole() {
    let server = Server::start().await;
    let kept = server.create(&patient("1")).await;
    for criteria in [
        "birthdate=&identifier=urn:t|1",
        "identifier=urn:t|1&birthdate",
        "identifier=urn:t|1&birthdate=%20",
        "identifier=urn:t|1&birthdate:missing=",
        "identifier=urn:t|1&identifier:not=",
        "identifier=urn:t|1&birthdate=,",
        "identifier=urn:t|1&_cursor=",
        "identifier=urn:t|1&_include=",
    ] {
        let url = format!("/Patient?{criteria}");
        let header = format!("If-None-Exist: {criteria}");
        let patch = json!([{"op": "add", "path": "/active", "value": true}]);
        for reply in [
            server.delete(&url).await,
            server.put(&url, &patient("1")).await,
            server.json_patch(&url, &[], &patch).await,
            server
                .post_with("/Patient", &[&header], &patient("2"))
                .await,
        ] {
            reply.expect(400);
            let issues = reply.issues();
            let is_named = ["birthdate", "identifier:not", "_cursor", "_include"]
                .iter()
                .any(|name| issues.contains(name));
            assert!(is_named, "{criteria}: {issues}");
        }
    }
    let stored = server.get("/Patient").await;
    assert_eq!(stored.ids(), [kept.as_str()]);
    assert_eq!(stored.entries()[0]["resource"]["meta"]["versionId"], "1");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_conditional_update_follows_its_table() {
    let server = Server::start().await;
    // No match, no id: created under an id of ours.
    let created = server
        .put("/Patient?identifier=urn:t|1", &patient("1"))
        .await;
    created.expect(201);
    let id = created.json()["id"].as_str().expect("an id").to_owned();
    // No match, an id: created under it.
    server
        .put("/Patient?identifier=urn:t|2", &patient_with_id("two", "2"))
        .await
        .expect(201);
    // No match, but the id is taken by another.
    server
        .put("/Patient?identifier=urn:t|3", &patient_with_id("two", "3"))
        .await
        .expect(409);
    // One match: without, with the same and with another id.
    let mut changed = patient("1");
    changed["active"] = json!(true);
    server
        .put("/Patient?identifier=urn:t|1", &changed)
        .await
        .expect(200);
    changed["active"] = json!(false);
    changed["id"] = json!(id);
    server
        .put("/Patient?identifier=urn:t|1", &changed)
        .await
        .expect(200);
    server
        .put(
            "/Patient?identifier=urn:t|1",
            &patient_with_id("other", "1"),
        )
        .await
        .expect(400);
    // A stale If-Match counts for the match too.
    let stale = ["If-Match: W/\"1\""];
    server
        .put_with("/Patient?identifier=urn:t|1", &stale, &patient("1"))
        .await
        .expect(412);
    // Several matches.
    server.create(&patient("1")).await;
    server
        .put("/Patient?identifier=urn:t|1", &patient("1"))
        .await
        .expect(412);
    let history = server.get(&format!("/Patient/{id}/_history")).await;
    assert_eq!(history.entries().len(), 3);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_conditional_patch_needs_one_match() {
    let server = Server::start().await;
    let patch = json!([{"op": "add", "path": "/active", "value": true}]);
    server
        .json_patch("/Patient?identifier=urn:t|1", &[], &patch)
        .await
        .expect(404);
    let id = server.create(&patient("1")).await;
    server
        .json_patch("/Patient?identifier=urn:t|1", &[], &patch)
        .await
        .expect(200);
    assert_eq!(
        server.get(&format!("/Patient/{id}")).await.json()["active"],
        true
    );
    server.create(&patient("1")).await;
    server
        .json_patch("/Patient?identifier=urn:t|1", &[], &patch)
        .await
        .expect(412);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_conditional_delete_removes_all_that_match() {
    let server = Server::with(|settings| settings.limits.max_conditional_delete = 3).await;
    server
        .delete("/Patient?identifier=urn:t|1")
        .await
        .expect(204);
    let kept = server.create(&patient("2")).await;
    for _ in 0..3 {
        server.create(&patient("1")).await;
    }
    server
        .delete("/Patient?identifier=urn:t|1")
        .await
        .expect(204);
    assert_eq!(server.get("/Patient").await.ids(), [kept]);
    for _ in 0..4 {
        server.create(&patient("1")).await;
    }
    let refused = server.delete("/Patient?identifier=urn:t|1").await;
    assert!(refused.status >= 400);
    assert!(refused.issues().contains("max-conditional-delete"));
    assert_eq!(server.get("/Patient").await.ids().len(), 5);
}
