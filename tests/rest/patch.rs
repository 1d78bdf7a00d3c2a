//! Patches in each language, on their own and in Bundles; TF20.

use super::patient;
use crate::harness::Server;
use serde_json::{Value, json};

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
        .expect(400);
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

/// A FHIRPath Patch with one operation of type, path and further parts.
fn operation(kind: &str, path: &str, more: &[Value]) -> Value {
    let mut parts = vec![
        json!({"name": "type", "valueCode": kind}),
        json!({"name": "path", "valueString": path}),
    ];
    parts.extend(more.iter().cloned());
    json!({"resourceType": "Parameters", "parameter": [{"name": "operation", "part": parts}]})
}

#[tokio::test(flavor = "multi_thread")]
async fn a_fhirpath_patch_edits_what_its_paths_lead_to() {
    let server = Server::start().await;
    let id = server.create(&patient("1")).await;
    let path = format!("/fhir/Patient/{id}");
    let json_ = ["Content-Type: application/fhir+json"];
    let text = |text: &str| json!({"name": "value", "valueString": text});
    let code = |code: &str| json!({"name": "value", "valueCode": code});
    let name = |name: &str| json!({"name": "name", "valueString": name});
    for (patch, status, says) in [
        (
            operation(
                "delete",
                "Patient.name.given.first() | Patient.name.family",
                &[],
            ),
            422,
            "found 2",
        ),
        (
            operation("replace", "Patient.photo", &[text("x")]),
            422,
            "found nothing",
        ),
        (
            operation("replace", "Patient.(", &[text("x")]),
            400,
            "the path",
        ),
        (
            operation("add", "Patient", &[name("gender"), code("none")]),
            400,
            "Patient.gender",
        ),
        (
            operation("delete", "Patient.id", &[]),
            400,
            "the server keeps it",
        ),
        (
            operation("delete", "Patient.meta.versionId", &[]),
            400,
            "the server keeps it",
        ),
        (
            json!({"resourceType": "Patient"}),
            400,
            "expected a FHIRPath Patch",
        ),
        (json!([]), 400, "JSON object"),
    ] {
        let reply = server.send("PATCH", &path, &json_, patch.to_string()).await;
        reply.expect(status);
        assert!(reply.issues().contains(says), "{patch}: {}", reply.issues());
        let etag = server.get(&format!("/Patient/{id}")).await;
        assert_eq!(etag.header("etag"), Some("W/\"1\""));
    }
    let patch = operation("add", "Patient", &[name("gender"), code("female")]);
    let stale = [json_[0], "If-Match: W/\"7\""];
    server
        .send("PATCH", &path, &stale, patch.to_string())
        .await
        .expect(412);
    let reply = server.send("PATCH", &path, &json_, patch.to_string()).await;
    assert_eq!(reply.expect(200).json()["gender"], "female");
    assert_eq!(reply.header("etag"), Some("W/\"2\""));
    let again = server.send("PATCH", &path, &json_, patch.to_string()).await;
    assert!(
        again
            .expect(422)
            .issues()
            .contains("expected no gender there")
    );
    let xml = "<Parameters xmlns=\"http://hl7.org/fhir\"><parameter><name value=\"operation\"/>\
        <part><name value=\"type\"/><valueCode value=\"replace\"/></part>\
        <part><name value=\"path\"/><valueString value=\"Patient.name.where(family = 'Test').given[0]\"/></part>\
        <part><name value=\"value\"/><valueString value=\"Eva\"/></part></parameter></Parameters>";
    let by = "/fhir/Patient?identifier=urn:t|1";
    let headers = ["Content-Type: application/fhir+xml"];
    let reply = server.send("PATCH", by, &headers, xml).await;
    assert_eq!(reply.expect(200).json()["name"][0]["given"], json!(["Eva"]));
    let none = "/fhir/Patient?identifier=urn:t|none";
    server.send("PATCH", none, &headers, xml).await.expect(404);
}

/// A Binary that holds a patch.
fn binary(content_type: &str, patch: &str) -> Value {
    use base64::Engine;
    let data = base64::prelude::BASE64_STANDARD.encode(patch);
    json!({"resourceType": "Binary", "contentType": content_type, "data": data})
}

fn patch_entry(url: &str, resource: &Value) -> Value {
    json!({"resource": resource, "request": {"method": "PATCH", "url": url}})
}

#[tokio::test(flavor = "multi_thread")]
async fn patches_stand_in_batches_and_transactions() {
    let server = Server::start().await;
    for kind in ["batch", "transaction"] {
        let id = server.create(&patient(kind)).await;
        let other = server.create(&patient("other")).await;
        let active = r#"[{"op":"add","path":"/active","value":true}]"#;
        let gender = "<diff><add sel='Patient/name' pos='after'><gender xmlns='http://hl7.org/fhir' value='male'/></add></diff>";
        let added = operation(
            "replace",
            "Patient.name.family",
            &[json!({"name": "value", "valueString": "New"})],
        );
        let by = format!("Patient?identifier=urn:t|{kind}");
        let entries = [
            patch_entry(
                &format!("Patient/{other}"),
                &binary("application/json-patch+json", active),
            ),
            patch_entry(&by, &added),
        ];
        let bundle = json!({"resourceType": "Bundle", "type": kind, "entry": entries});
        let reply = server.post("", &bundle).await;
        let answers = reply.expect(200).entries();
        for answer in &answers {
            assert_eq!(answer["response"]["status"], "200 OK", "{}", reply.text());
            assert_eq!(answer["response"]["etag"], "W/\"2\"");
        }
        assert_eq!(
            server.get(&format!("/Patient/{other}")).await.json()["active"],
            true
        );
        let after = server.get(&format!("/Patient/{id}")).await.json();
        assert_eq!(after["name"][0]["family"], "New");
        let bundle = json!({"resourceType": "Bundle", "type": kind, "entry": [
            patch_entry(&format!("Patient/{id}"), &binary("application/xml-patch+xml", gender)),
            patch_entry("Patient/none", &added),
        ]});
        let reply = server.post("", &bundle).await;
        let after = server.get(&format!("/Patient/{id}")).await.json();
        if kind == "batch" {
            let answers = reply.expect(200).entries();
            assert_eq!(
                answers[0]["response"]["status"],
                "200 OK",
                "{}",
                reply.text()
            );
            assert_eq!(answers[1]["response"]["status"], "404 Not Found");
            assert_eq!(after["gender"], "male");
        } else {
            reply.expect(404);
            assert!(
                reply.issues().contains("Bundle.entry[1]"),
                "{}",
                reply.issues()
            );
            assert_eq!(after["gender"], Value::Null);
        }
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_patch_in_a_transaction_links_and_fails_as_a_whole() {
    let server = Server::start().await;
    let id = server.create(&patient("1")).await;
    let organization = json!({"fullUrl": "urn:uuid:00000000-0000-4000-8000-000000000001",
        "resource": {"resourceType": "Organization", "name": "O"},
        "request": {"method": "POST", "url": "Organization"}});
    let name = json!({"name": "name", "valueString": "managingOrganization"});
    let value = json!({"name": "value", "valueReference": {"reference": "urn:uuid:00000000-0000-4000-8000-000000000001"}});
    let link = operation("add", "Patient", &[name, value]);
    let url = format!("Patient/{id}");
    let mut stale = patch_entry(&url, &link);
    stale["request"]["ifMatch"] = json!("W/\"7\"");
    let wrong = operation("delete", "Patient.name.given | Patient.name.family", &[]);
    for (entry, status, says) in [
        (stale, 412, "Bundle.entry[1]"),
        (patch_entry(&url, &wrong), 422, "found 2"),
        (
            patch_entry(&url, &json!({"resourceType": "Patient"})),
            400,
            "a Binary or a Parameters",
        ),
        (
            patch_entry(&url, &binary("text/plain", "x")),
            400,
            "Binary.contentType",
        ),
        (
            patch_entry(&url, &binary("application/json-patch+json", "{")),
            400,
            "JSON",
        ),
        (
            patch_entry("Patient?identifier=urn:t|none", &link),
            404,
            "match none",
        ),
        (
            json!({"request": {"method": "PATCH", "url": url}}),
            400,
            "resource",
        ),
    ] {
        let bundle = json!({"resourceType": "Bundle", "type": "transaction", "entry": [organization, entry]});
        let reply = server.post("", &bundle).await;
        reply.expect(status);
        assert!(reply.issues().contains(says), "{says}: {}", reply.issues());
        assert_eq!(
            server.get("/Organization?_count=0").await.json()["total"],
            0
        );
        let patient = server.get(&format!("/Patient/{id}")).await;
        assert_eq!(patient.header("etag"), Some("W/\"1\""));
    }
    let bundle = json!({"resourceType": "Bundle", "type": "transaction",
        "entry": [patch_entry(&url, &link), organization]});
    server.post("", &bundle).await.expect(200);
    let patient = server.get(&format!("/Patient/{id}")).await.json();
    let reference = patient["managingOrganization"]["reference"].as_str();
    assert!(
        reference.is_some_and(|text| text.starts_with("Organization/")),
        "{patient}"
    );
}
