//! `_explain`: how a search is answered, and why a resource does or does not match.

use crate::harness::{Reply, Server};
use serde_json::{Value, json};

/// The texts of an answer that is an OperationOutcome.
fn texts(reply: &Reply) -> Vec<String> {
    reply.expect(200);
    let outcome = reply.json();
    assert_eq!(outcome["resourceType"], "OperationOutcome");
    let issues = outcome["issue"].as_array().expect("issues").iter();
    let text = |issue: &Value| issue["diagnostics"].as_str().expect("a text").to_owned();
    issues.map(text).collect()
}

async fn people() -> Server {
    let server = Server::start().await;
    for (id, family, gender) in [("a", "Lovelace", "female"), ("b", "Babbage", "male")] {
        let patient = json!({"resourceType": "Patient", "id": id, "gender": gender,
            "name": [{"family": family}]});
        let reply = server.put(&format!("/Patient/{id}"), &patient).await;
        reply.expect(201);
    }
    let observation = json!({"resourceType": "Observation", "id": "o", "status": "final",
        "code": {"text": "x"}, "subject": {"reference": "Patient/a"}});
    let reply = server.put("/Observation/o", &observation).await;
    reply.expect(201);
    server
}

#[tokio::test(flavor = "multi_thread")]
async fn a_search_explains_its_plan_and_its_statements() {
    let server = people().await;
    for query in [
        "/Patient?gender=female&name=love&_sort=-_lastUpdated",
        "/Patient?name=love",
        "/Patient?_id=a,b",
        "/Patient?birthdate=ge2000&_sort=birthdate",
        "/Patient?_has:Observation:patient:status=final",
        "/Observation?patient.name=Lovelace",
        "/Observation?patient.gender:not=male&_sort=status",
        "/Observation?value-quantity=5.4%7Chttp://unitsofmeasure.org%7Cg",
        "/Observation?_contained=both&patient=a",
        "/Patient/a/Observation?status=final",
        "/Patient?_content=lovelace",
        "/Location?near=1%7C2%7C3%7Ckm",
        "/?_type=Patient,Observation&_lastUpdated=ge2000",
        "/Patient",
    ] {
        let mark = if query.contains('?') { '&' } else { '?' };
        let texts = texts(&server.get(&format!("{query}{mark}_explain=true")).await);
        for (at, begin) in ["Asked: ", "Rewritten: ", "Settled: ", "Way 1 of "]
            .into_iter()
            .enumerate()
        {
            assert!(texts[at].starts_with(begin), "{query}: {texts:?}");
        }
        for way in &texts[3..] {
            assert!(way.contains("SELECT"), "{query}: {way}");
            assert!(way.contains("(cost="), "{query}: {way}");
        }
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn what_cannot_match_has_no_statement() {
    let server = people().await;
    let texts = texts(
        &server
            .get("/Observation?patient.name=Nobody&_explain=true")
            .await,
    );
    assert_eq!(texts[3], "Nothing can match: no statement is run.");
}

#[tokio::test(flavor = "multi_thread")]
async fn no_value_of_another_resource_is_told() {
    let server = people().await;
    let path = "/Observation?patient.gender=female&_explain=true";
    let texts = texts(&server.get(path).await).join("\n");
    assert!(!texts.contains("Lovelace"), "{texts}");
    assert!(!texts.contains("Patient/a"), "{texts}");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_resource_is_told_which_conditions_it_fails() {
    let server = people().await;
    for (query, expected) in [
        (
            "/Patient?gender=female&name=love&_explain=a",
            &[
                "Patient/a matches: it is on one of the pages.",
                "`gender=female` holds of Patient/a.",
                "`name=love` holds of Patient/a.",
            ][..],
        ),
        (
            "/Patient?_explain=Patient/b&gender=male&name=love",
            &[
                "Patient/b does not match: one condition does not hold.",
                "`gender=male` holds of Patient/b.",
                "`name=love` does not hold of Patient/b.",
            ],
        ),
        (
            "/Patient?_has:Observation:patient:status=final&birthdate=2000&_explain=b",
            &[
                "Patient/b does not match: 2 conditions do not hold.",
                "`_has:Observation:patient:status=final` does not hold of Patient/b.",
                "`birthdate=2000` does not hold of Patient/b.",
            ],
        ),
        (
            "/Observation?patient.name=love&_explain=o",
            &[
                "Observation/o matches: it is on one of the pages.",
                "`patient.name=love` holds of Observation/o.",
            ],
        ),
        (
            "/Patient/b/Observation?status=final&_explain=o",
            &[
                "Observation/o does not match: one condition does not hold.",
                "`in the compartment Patient/b` does not hold of Observation/o.",
                "`status=final` holds of Observation/o.",
            ],
        ),
        (
            "/Patient?gender=male&_explain=nobody",
            &["Patient/nobody does not match: it does not exist, or is deleted."],
        ),
        (
            "/Patient?gender=male&_explain=Observation/o",
            &["Observation/o does not match: its type is not searched."],
        ),
    ] {
        assert_eq!(texts(&server.get(query).await), expected, "{query}");
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_post_and_a_batch_explain_too() {
    let server = people().await;
    let headers = ["Content-Type: application/x-www-form-urlencoded"];
    let path = "/fhir/Patient/_search";
    let form = "gender=male&_explain=b";
    let posted = texts(&server.send("POST", path, &headers, form).await);
    let batch = json!({"resourceType": "Bundle", "type": "batch", "entry": [
        {"request": {"method": "GET", "url": "Patient?gender=male&_explain=b"}},
        {"request": {"method": "GET", "url": "Patient?gender=male&_explain=true"}},
        {"request": {"method": "GET", "url": "Patient?gender=male"}},
    ]});
    let reply = server.post("/", &batch).await;
    reply.expect(200);
    let entries = reply.entries();
    let outcome = &entries[0]["resource"];
    assert_eq!(outcome["issue"][0]["diagnostics"], posted[0]);
    let plan = &entries[1]["resource"]["issue"][3]["diagnostics"];
    assert!(plan.as_str().expect("a way").contains("(cost="), "{plan}");
    assert_eq!(entries[2]["resource"]["total"], 1);
}

#[tokio::test(flavor = "multi_thread")]
async fn explain_takes_true_false_or_a_resource() {
    let server = people().await;
    let page = server.get("/Patient?gender=male&_explain=false").await;
    assert_eq!(page.ids(), ["b"]);
    let link = page.link("self").expect("a self link");
    assert!(!link.contains("_explain"), "{link}");
    for query in [
        "/Patient?_explain=a%20b",
        "/Patient?_explain=Nothing/a",
        "/?_type=Patient,Observation&_explain=a",
    ] {
        let reply = server.get(query).await;
        reply.expect(400);
        assert!(reply.issues().contains("_explain"), "{query}");
    }
}
