//! history: instance, type, system; `_since`, `_at`, `_count`, pages.

use super::{patient, patient_with_id};
use crate::harness::Server;
use serde_json::{Value, json};
use std::collections::HashSet;

#[tokio::test(flavor = "multi_thread")]
async fn an_instance_tells_its_story_newest_first() {
    let server = Server::start().await;
    let id = server.create(&patient("1")).await;
    let url = format!("/Patient/{id}");
    server
        .put(&url, &patient_with_id(&id, "2"))
        .await
        .expect(200);
    server.delete(&url).await.expect(204);
    server
        .put(&url, &patient_with_id(&id, "4"))
        .await
        .expect(201);
    server
        .json_patch(
            &url,
            &[],
            &json!([{"op": "add", "path": "/active", "value": true}]),
        )
        .await
        .expect(200);

    let reply = server.get(&format!("{url}/_history")).await;
    reply.expect(200);
    let bundle = reply.json();
    assert_eq!(bundle["type"], "history");
    assert_eq!(bundle["total"], 5);
    let entries = reply.entries();
    let told: Vec<(&str, &str)> = entries
        .iter()
        .map(|entry| {
            (
                entry["request"]["method"].as_str().expect("a method"),
                entry["response"]["etag"].as_str().expect("an etag"),
            )
        })
        .collect();
    assert_eq!(
        told,
        [
            ("PUT", "W/\"5\""),
            ("PUT", "W/\"4\""),
            ("DELETE", "W/\"3\""),
            ("PUT", "W/\"2\""),
            ("POST", "W/\"1\"")
        ]
    );
    // What brings back is a creation, what follows is not.
    for (entry, status) in entries.iter().zip(["200", "201", "204", "200", "201"]) {
        let told = entry["response"]["status"].as_str().expect("a status");
        assert!(told.starts_with(status), "{entry}");
    }
    let counted = server.get(&format!("{url}/_history?_count=0")).await;
    counted.expect(200);
    assert_eq!(counted.json()["total"], 5);
    assert_eq!(counted.entries().len(), 0);
    assert!(entries[2].get("resource").is_none());
    assert_eq!(entries[4]["request"]["url"], "Patient");
    assert_eq!(entries[3]["request"]["url"], format!("Patient/{id}"));
    for entry in &entries {
        assert!(entry["fullUrl"].as_str().expect("a URL").ends_with(&url));
        assert!(entry["response"]["lastModified"].is_string());
    }
    let times: Vec<&str> = entries
        .iter()
        .filter_map(|e| e["response"]["lastModified"].as_str())
        .collect();
    assert!(times.windows(2).all(|pair| pair[0] > pair[1]), "{times:?}");
}

#[tokio::test(flavor = "multi_thread")]
async fn since_includes_its_instant_and_at_shows_what_was_current() {
    let server = Server::start().await;
    let mut times = Vec::new();
    for version in 1..=3 {
        let reply = server
            .put("/Patient/a", &patient_with_id("a", &version.to_string()))
            .await;
        times.push(
            reply.json()["meta"]["lastUpdated"]
                .as_str()
                .expect("a time")
                .to_owned(),
        );
    }
    server
        .put("/Patient/b", &patient_with_id("b", "1"))
        .await
        .expect(201);
    let count = async |query: &str| {
        let reply = server.get(query).await;
        reply.expect(200);
        reply.entries().len()
    };
    for scope in ["/Patient/a", "/Patient", ""] {
        let other = usize::from(scope != "/Patient/a");
        assert_eq!(
            count(&format!("{scope}/_history?_since={}", times[0])).await,
            3 + other
        );
        assert_eq!(
            count(&format!("{scope}/_history?_since={}", times[2])).await,
            1 + other
        );
        assert_eq!(
            count(&format!("{scope}/_history?_at={}", times[1])).await,
            1
        );
        assert_eq!(
            count(&format!("{scope}/_history?_at=2100")).await,
            1 + other
        );
        assert_eq!(count(&format!("{scope}/_history?_at=2001-01-01")).await, 0);
        assert_eq!(
            count(&format!("{scope}/_history?_since=2100-01-01T00:00:00Z")).await,
            0
        );
        assert_eq!(count(&format!("{scope}/_history?_count=1")).await, 1);
        // The `+` of a zone arrives as a space where it is not encoded.
        for name in ["_since", "_at"] {
            let zoned = format!("{scope}/_history?{name}=2100-01-01T00:00:00+01:00");
            let shown = if name == "_at" { 1 + other } else { 0 };
            assert_eq!(count(&zoned).await, shown, "{zoned}");
        }
        let most = format!("{scope}/_history?_count={}", "9".repeat(40));
        assert_eq!(count(&most).await, 3 + other);
    }
    for bad in [
        "_count=-1",
        "_count=x",
        "_count=",
        "_count=%2B5",
        "_since=yesterday",
        "_at=never",
        "_since=2020&_since=2021",
        "name=x",
        "_page=1.2",
        "_page=x",
    ] {
        server
            .get(&format!("/Patient/_history?{bad}"))
            .await
            .expect(400);
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn pages_show_each_version_once_while_writes_go_on() {
    let server = Server::start().await;
    let entries: Vec<Value> = (0..500)
        .map(|n| json!({"resource": patient(&n.to_string()), "request": {"method": "POST", "url": "Patient"}}))
        .collect();
    let reply = server
        .post("", &super::bundle::bundle("transaction", entries))
        .await;
    reply.expect(200);
    let made: HashSet<String> = reply
        .entries()
        .iter()
        .map(|entry| {
            entry["response"]["location"]
                .as_str()
                .expect("a location")
                .to_owned()
        })
        .collect();
    assert_eq!(made.len(), 500);
    let some: Vec<String> = made
        .iter()
        .take(20)
        .map(|l| l.split('/').rev().nth(2).expect("an id").to_owned())
        .collect();
    for scope in ["", "/Patient"] {
        let mut seen = Vec::new();
        let mut next = Some(format!("{scope}/_history?_count=20"));
        let mut page = 0;
        while let Some(url) = next {
            let reply = server.get(&url).await;
            reply.expect(200);
            for entry in reply.entries() {
                let version = entry["response"]["etag"]
                    .as_str()
                    .expect("a tag")
                    .trim_matches(['W', '/', '"'])
                    .to_owned();
                seen.push(format!(
                    "{}/_history/{version}",
                    entry["fullUrl"].as_str().expect("a URL")
                ));
            }
            next = reply.link("next");
            // Updates and creates between the pages neither hide nor repeat anything.
            if let Some(id) = some.get(page % 20) {
                server
                    .put(
                        &format!("/Patient/{id}"),
                        &patient_with_id(id, &format!("{scope}-{page}")),
                    )
                    .await
                    .expect(200);
                server.create(&patient("new")).await;
            }
            page += 1;
        }
        let unique: HashSet<&String> = seen.iter().collect();
        assert_eq!(unique.len(), seen.len(), "a version came twice");
        assert!(
            made.iter().all(|version| unique.contains(version)),
            "a version was lost"
        );
    }
}
