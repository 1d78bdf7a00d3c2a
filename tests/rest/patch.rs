//! JSON Patch; TF20.

use super::patient;
use crate::harness::Server;
use serde_json::json;

#[tokio::test(flavor = "multi_thread")]
async fn a_patch_is_applied_whole_or_not_at_all() {
    let server = Server::start().await;
    let id = server.create(&patient("1")).await;
    let url = format!("/Patient/{id}");
    for (patch, status) in [
        (
            json!([{"op": "add", "path": "/active", "value": true}, {"op": "test", "path": "/active", "value": false}]),
            422,
        ),
        (
            json!([{"op": "add", "path": "/photo/-", "value": {"url": "x"}}]),
            422,
        ),
        (json!([{"op": "remove", "path": "/nothing"}]), 422),
        (json!([{"op": "fly", "path": "/active"}]), 400),
        (json!({"op": "add"}), 400),
        (json!([{"op": "add", "path": "/unknown", "value": 1}]), 400),
        (json!([{"op": "replace", "path": "/id", "value": "x"}]), 400),
        (
            json!([{"op": "replace", "path": "/resourceType", "value": "Group"}]),
            400,
        ),
        (
            json!([{"op": "replace", "path": "/meta/versionId", "value": "9"}]),
            400,
        ),
        (json!([{"op": "replace", "path": "", "value": 1}]), 400),
    ] {
        let reply = server.json_patch(&url, &[], &patch).await;
        assert!(
            reply.status == status || reply.status == 422 && status == 400,
            "{patch}: {} {}",
            reply.status,
            reply.text()
        );
        assert_eq!(server.get(&url).await.header("etag"), Some("W/\"1\""));
    }
    let patch = json!([{"op": "add", "path": "/active", "value": true}, {"op": "test", "path": "/active", "value": true}]);
    let reply = server.json_patch(&url, &[], &patch).await;
    reply.expect(200);
    assert_eq!(reply.json()["active"], true);
    assert_eq!(reply.header("etag"), Some("W/\"2\""));
    server
        .json_patch("/Patient/none", &[], &patch)
        .await
        .expect(404);
    server.delete(&url).await.expect(204);
    server.json_patch(&url, &[], &patch).await.expect(410);
    let headers = ["Content-Type: application/fhir+json"];
    server
        .send("PATCH", &format!("/fhir{url}"), &headers, "[]")
        .await
        .expect(415);
}
