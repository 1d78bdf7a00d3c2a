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
        assert_eq!(reply.status, status, "{patch}: {}", reply.text());
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

#[tokio::test(flavor = "multi_thread")]
async fn hostile_patches_change_nothing_and_harm_no_other_write() {
    let server = Server::with(|settings| settings.limits.body_size = 1 << 20).await;
    let url = format!("/Patient/{}", server.create(&patient("1")).await);
    let undone = json!([{"op": "move", "from": "/name", "path": ""}, {"op": "test", "path": "/x", "value": 1}]);
    let copies = vec![json!({"op": "copy", "from": "/name", "path": "/name/-"}); 999];
    let doubling = vec![json!({"op": "copy", "from": "", "path": "/name/0"}); 90];
    let wrap = [
        json!({"op": "add", "path": "/b", "value": {}}),
        json!({"op": "move", "from": "/name", "path": "/b/a"}),
        json!({"op": "move", "from": "/b", "path": "/name"}),
    ];
    let wrap: Vec<_> = wrap.iter().cycle().take(999).cloned().collect();
    let many = vec![json!({"op": "test", "path": "/id", "value": "x"}); 1001];
    for (patch, status, says) in [
        (&undone, 422, "operation 1"),
        (&undone, 422, "operation 1"),
        (&json!(copies), 400, "limit"),
        (&json!(doubling), 400, "body-size"),
        (&json!(wrap), 400, "json-depth"),
        (&json!(many), 413, "1000 operations"),
    ] {
        let reply = server.json_patch(&url, &[], patch).await;
        reply.expect(status);
        assert!(reply.issues().contains(says), "{}", reply.issues());
        server.create(&patient("2")).await;
        assert_eq!(server.get(&url).await.header("etag"), Some("W/\"1\""));
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn patched_numbers_and_the_order_of_properties_are_kept_to_the_letter() {
    let server = Server::start().await;
    let observation = json!({"resourceType": "Observation", "language": "en", "status": "final",
        "code": {"text": "x"}, "valueQuantity": {"value": 1, "unit": "u"}, "note": [{"text": "n"}]});
    let url = format!("/Observation/{}", server.create(&observation).await);
    let patch = r#"[{"op":"remove","path":"/language"},
        {"op":"replace","path":"/valueQuantity/value","value":1E5},
        {"op":"add","path":"/component","value":[{"code":{"text":"y"},
            "valueQuantity":{"value":123456789012345678901234567890}}]},
        {"op":"test","path":"/valueQuantity/value","value":100000.0}]"#;
    let headers = ["Content-Type: application/json-patch+json"];
    let path = format!("/fhir{url}");
    server
        .send("PATCH", &path, &headers, patch)
        .await
        .expect(200);
    let text = server.get(&url).await.text();
    let end = r#""status":"final","code":{"text":"x"},"valueQuantity":{"value":1E5,"unit":"u"},"note":[{"text":"n"}],"component":[{"code":{"text":"y"},"valueQuantity":{"value":123456789012345678901234567890}}]}"#;
    assert!(text.ends_with(end), "{text}");
}

#[tokio::test(flavor = "multi_thread")]
async fn an_xml_patch_edits_the_xml_of_what_is_stored() {
    let server = Server::start().await;
    let observation = r#"{"resourceType":"Observation","status":"final","code":{"text":"x"},"valueQuantity":{"value":1.00},"note":[{"text":"a"},{"text":"b"}]}"#;
    let json = ["Content-Type: application/fhir+json"];
    let made = server
        .send("POST", "/fhir/Observation", &json, observation)
        .await;
    let id = made.expect(201).json()["id"]
        .as_str()
        .expect("an id")
        .to_owned();
    let (url, path) = (
        format!("/Observation/{id}"),
        format!("/fhir/Observation/{id}"),
    );
    let headers = ["Content-Type: application/xml-patch+xml"];
    for (operations, status, says) in [
        ("<remove sel='Observation/nothing'/>", 422, "found nothing"),
        ("<remove sel='Observation/note'/>", 422, "found 2 places"),
        (
            "<remove sel='Observation/note[1]'/><remove sel='Observation/x'/>",
            422,
            "operation 1",
        ),
        (
            "<add sel='Observation'><nmae/></add>",
            400,
            "no element <nmae>",
        ),
        (
            "<add sel='Observation'><language value='en'/></add>",
            400,
            "expected <language> before",
        ),
        (
            "<remove sel='Observation/status'/>",
            400,
            "Observation.status",
        ),
        (
            "<replace sel='Observation/id/@value'>x</replace>",
            400,
            "the server keeps it",
        ),
        (
            "<remove sel='Observation/meta'/>",
            400,
            "the server keeps it",
        ),
        (
            "<replace sel='Observation'><Group><actual value='true'/></Group></replace>",
            400,
            "the server keeps it",
        ),
        ("<fly sel='Observation'/>", 400, "expected <add>"),
        ("", 400, "found none"),
        ("<", 400, "not acceptable XML"),
    ] {
        let patch = format!("<diff xmlns='http://hl7.org/fhir'>{operations}</diff>");
        let reply = server.send("PATCH", &path, &headers, patch).await;
        reply.expect(status);
        assert!(
            reply.issues().contains(says),
            "{operations}: {}",
            reply.issues()
        );
        assert_eq!(server.get(&url).await.header("etag"), Some("W/\"1\""));
    }
    let patch = "<diff xmlns='http://hl7.org/fhir'><replace sel='Observation/status/@value'>amended</replace>\
        <add sel='Observation/code' pos='after'><issued value='2026-01-01T00:00:00Z'/></add>\
        <remove sel=\"Observation/note[text/@value='a']\"/></diff>";
    let stale = [headers[0], "If-Match: W/\"7\""];
    server.send("PATCH", &path, &stale, patch).await.expect(412);
    let reply = server.send("PATCH", &path, &headers, patch).await;
    reply.expect(200);
    assert_eq!(reply.header("etag"), Some("W/\"2\""));
    let after = reply.json();
    assert_eq!(after["status"], "amended");
    assert_eq!(after["note"], json!([{"text": "b"}]));
    assert!(reply.text().contains("\"value\":1.00"), "{}", reply.text());
    let path = format!("/fhir/Observation?_id={id}");
    let patch = "<diff><replace sel='Observation/status/@value'>final</replace></diff>";
    let reply = server.send("PATCH", &path, &headers, patch).await;
    assert_eq!(reply.expect(200).json()["status"], "final");
}
