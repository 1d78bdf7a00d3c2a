//! `$closure`: <https://hl7.org/fhir/R4/terminology-service.html#closure>

use super::loaded::world;
use crate::harness::Server;
use serde_json::{Value, json};

async fn ask(server: &Server, codes: &[(&str, &str)], version: Option<&str>) -> (u16, Value) {
    let mut parameter = vec![json!({"name": "name", "valueString": "mine"})];
    for (system, code) in codes {
        let coding = json!({"system": system, "code": code});
        parameter.push(json!({"name": "concept", "valueCoding": coding}));
    }
    parameter.extend(version.map(|version| json!({"name": "version", "valueString": version})));
    let parameters = json!({"resourceType": "Parameters", "parameter": parameter});
    let reply = server.post("/$closure", &parameters).await;
    (reply.status, reply.json())
}

/// `version: source<target` of a map.
fn told(map: &Value) -> String {
    let mut all = Vec::new();
    for group in map["group"].as_array().into_iter().flatten() {
        for element in group["element"].as_array().into_iter().flatten() {
            for target in element["target"].as_array().into_iter().flatten() {
                assert_eq!(target["equivalence"], "subsumes");
                let text = |value: &Value| value.as_str().unwrap_or_default().to_owned();
                all.push(format!(
                    "{}<{}",
                    text(&element["code"]),
                    text(&target["code"])
                ));
            }
        }
    }
    let version = map["version"].as_str().expect("a version");
    format!("{version}: {}", all.join(" "))
        .trim_end()
        .to_owned()
}

#[tokio::test(flavor = "multi_thread")]
async fn a_closure_grows_and_is_replayed() {
    let (server, _) = world().await;
    for url in ["http://loaded", "http://sent"] {
        let (status, _) = ask(&server, &[(url, "dog")], None).await;
        let expected = if url == "http://loaded" { 404 } else { 200 };
        assert_eq!(
            status, expected,
            "only a table that was begun takes concepts"
        );
        assert_eq!(told(&ask(&server, &[], None).await.1), "0:");
        for (codes, version, expected) in [
            (vec!["beagle", "cat"], None, "1:"),
            (vec!["dog"], None, "2: beagle<dog"),
            (vec!["dog", "cat"], None, "2:"),
            (
                vec!["animal", "pet"],
                None,
                "3: beagle<animal cat<animal dog<animal",
            ),
            (
                vec![],
                Some("1"),
                "3: beagle<animal beagle<dog cat<animal dog<animal",
            ),
            (vec![], Some("2"), "3: beagle<animal cat<animal dog<animal"),
            (vec![], Some("3"), "3:"),
            (vec!["hamster"], None, "4: hamster<animal hamster<pet"),
        ] {
            let asked: Vec<(&str, &str)> = codes.iter().map(|code| (url, *code)).collect();
            let (status, map) = ask(&server, &asked, version).await;
            assert_eq!(status, 200, "{codes:?} {map}");
            assert_eq!(told(&map), expected, "{url} {codes:?} {version:?}");
        }
        assert_eq!(ask(&server, &[(url, "unicorn")], None).await.0, 422);
        assert_eq!(ask(&server, &[("http://nowhere", "x")], None).await.0, 404);
        assert_eq!(ask(&server, &[], Some("x")).await.0, 400);
    }
}
