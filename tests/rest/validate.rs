//! `$validate`, and writes that are held to profiles.
//! <https://hl7.org/fhir/R4/resource-operation-validate.html>

use super::patient;
use crate::harness::{Reply, Server};
use andiron::config::Validation;
use serde_json::{Value, json};

const PROFILE: &str = "http://example.org/StructureDefinition/named";

/// A Patient with a birth date and an official name.
fn profile() -> Value {
    json!({
        "resourceType": "StructureDefinition",
        "url": PROFILE,
        "version": "1.0.0",
        "name": "Named",
        "status": "active",
        "kind": "resource",
        "abstract": false,
        "type": "Patient",
        "baseDefinition": "http://hl7.org/fhir/StructureDefinition/Patient",
        "derivation": "constraint",
        "differential": {"element": [
            {"id": "Patient", "path": "Patient"},
            {"id": "Patient.name", "path": "Patient.name", "slicing": {
                "discriminator": [{"type": "value", "path": "use"}], "rules": "open"}},
            {"id": "Patient.name:official", "path": "Patient.name", "sliceName": "official",
                "min": 1, "max": "1"},
            {"id": "Patient.name:official.use", "path": "Patient.name.use", "min": 1,
                "fixedCode": "official"},
            {"id": "Patient.birthDate", "path": "Patient.birthDate", "min": 1}
        ]}
    })
}

/// Severity and place of each issue.
fn told(reply: &Reply) -> Vec<(String, String)> {
    let outcome = reply.json();
    let issues = outcome["issue"].as_array().cloned().unwrap_or_default();
    let text = |value: &Value| value.as_str().unwrap_or_default().to_owned();
    issues
        .iter()
        .map(|issue| (text(&issue["severity"]), text(&issue["expression"][0])))
        .collect()
}

fn errors(reply: &Reply) -> Vec<(String, String)> {
    let mut told = told(reply);
    told.retain(|(severity, _)| severity == "error");
    told
}

fn is_ok(reply: &Reply) -> bool {
    errors(reply.expect(200)).is_empty()
}

/// By the last part of its URL, what the extensions of the first issue at this place say.
fn extensions(reply: &Reply, place: &str) -> Vec<(String, Value)> {
    let outcome = reply.json();
    let mut issues = outcome["issue"].as_array().into_iter().flatten();
    let issue = issues.find(|issue| issue["expression"][0] == place);
    let issue = issue.unwrap_or_else(|| panic!("nothing at {place}: {}", reply.text()));
    let extensions = issue["extension"].as_array().into_iter().flatten();
    let said = |extension: &Value| {
        let url = extension["url"].as_str().unwrap_or_default();
        let name = url.rsplit('/').next().unwrap_or_default().to_owned();
        let members = extension.as_object().into_iter().flatten();
        let mut value = members
            .filter(|(name, _)| name.starts_with("value"))
            .map(|(_, value)| value.clone());
        (name, value.next_back().unwrap_or_default())
    };
    extensions.map(said).collect()
}

/// Posts a text of JSON as it is spelt.
async fn post_text(server: &Server, path: &str, text: &str) -> Reply {
    let headers = ["Content-Type: application/fhir+json"];
    server
        .send("POST", &format!("/fhir{path}"), &headers, text.to_owned())
        .await
}

#[tokio::test(flavor = "multi_thread")]
async fn issues_tell_their_place_in_the_text_and_their_constraint() {
    let server = Server::start().await;
    let text = "{\n \"resourceType\": \"Patient\",\n \"contact\": [\n  {\"gender\": \"male\"}]}";
    let name = |name: &str| name.to_owned();
    let expected = [
        (name("issue-pointer"), json!("/contact/0")),
        (name("operationoutcome-issue-line"), json!(4)),
        (name("operationoutcome-issue-col"), json!(3)),
        (name("operationoutcome-message-id"), json!("pat-1")),
    ];
    let reply = post_text(&server, "/Patient/$validate", text).await;
    assert_eq!(
        extensions(reply.expect(200), "Patient.contact[0]"),
        expected
    );
    let wrapped = format!(
        "{{\"resourceType\": \"Parameters\", \"parameter\": [{{\"name\": \"resource\", \"resource\":{text}}}]}}"
    );
    let reply = post_text(&server, "/Patient/$validate", &wrapped).await;
    assert_eq!(
        extensions(reply.expect(200), "Patient.contact[0]")[1..3],
        expected[1..3]
    );
    // What is refused on a write says so as well.
    let text = text.replace("gender", "gendre");
    let reply = post_text(&server, "/Patient", &text).await;
    let found = extensions(reply.expect(400), "Patient.contact[0].gendre");
    let expected = [
        (name("issue-pointer"), json!("/contact/0/gendre")),
        (name("operationoutcome-issue-line"), json!(4)),
        (name("operationoutcome-issue-col"), json!(14)),
    ];
    assert_eq!(found, expected);
}

#[tokio::test(flavor = "multi_thread")]
async fn validate_says_everything_and_answers_200() {
    let server = Server::start().await;
    let mut good = patient("1");
    let div = "<div xmlns=\"http://www.w3.org/1999/xhtml\">Ada</div>";
    good["text"] = json!({"status": "generated", "div": div});
    let good = server.post("/Patient/$validate", &good).await;
    assert_eq!(
        told(good.expect(200)),
        [("information".to_owned(), String::new())]
    );
    let mut bad = patient("1");
    bad["gender"] = json!("unknwon");
    bad["contact"] = json!([{"gender": "male"}]);
    let reply = server.post("/Patient/$validate", &bad).await;
    let errors = told(reply.expect(200));
    for place in ["Patient.gender", "Patient.contact[0]"] {
        let wanted = ("error".to_owned(), place.to_owned());
        assert!(errors.contains(&wanted), "{place}: {}", reply.text());
    }
    assert!(reply.issues().contains("pat-1"), "{}", reply.text());
    let wrapped = json!({"resourceType": "Parameters", "parameter": [
        {"name": "mode", "valueCode": "create"}, {"name": "resource", "resource": bad}]});
    let again = server.post("/Patient/$validate", &wrapped).await;
    assert_eq!(told(again.expect(200)), errors);
    // Nothing was stored.
    assert_eq!(
        server.get("/Patient?_summary=count").await.json()["total"],
        0
    );
}

#[tokio::test(flavor = "multi_thread")]
async fn validate_takes_stored_profiles_by_name() {
    let server = Server::start().await;
    let asked = format!("/Patient/$validate?profile={PROFILE}");
    server.post(&asked, &patient("1")).await.expect(400);
    server.create(&profile()).await;
    let reply = server.post(&asked, &patient("1")).await;
    let missing = |name: &str| ("error".to_owned(), format!("Patient.{name}"));
    assert_eq!(
        errors(reply.expect(200)),
        [missing("name"), missing("birthDate")]
    );
    let mut good = patient("1");
    good["birthDate"] = json!("1970-01-01");
    good["name"][0]["use"] = json!("official");
    assert!(is_ok(&server.post(&asked, &good).await));
    // What is stored is validated where nothing is sent.
    let id = server.create(&patient("2")).await;
    let stored = format!("/Patient/{id}/$validate");
    assert!(is_ok(&server.get(&stored).await));
    let reply = server.get(&format!("{stored}?profile={PROFILE}")).await;
    assert_eq!(errors(reply.expect(200)).len(), 2, "{}", reply.text());
}

#[tokio::test(flavor = "multi_thread")]
async fn validate_refuses_what_it_cannot_do() {
    let server = Server::start().await;
    for (path, status) in [
        ("/Patient/$validate?mode=update", 400),
        ("/Patient/$validate?mode=other", 400),
        ("/Patient/$validate?other=1", 400),
        ("/Patient/1/$validate?mode=delete", 404),
    ] {
        let reply = server.post(path, &patient("1")).await;
        assert_eq!(reply.status, status, "{path}: {}", reply.text());
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn writes_are_held_to_the_profiles_that_they_claim() {
    let server = Server::with(|settings| settings.validation = Validation::Profile).await;
    server.create(&profile()).await;
    let mut claims = patient("1");
    claims["meta"] = json!({"profile": [PROFILE]});
    let refused = server.post("/Patient", &claims).await;
    refused.expect(422);
    let dry = server.post("/Patient/$validate?mode=create", &claims).await;
    assert_eq!(told(dry.expect(200)), told(&refused));
    claims["birthDate"] = json!("1970-01-01");
    claims["name"][0]["use"] = json!("official");
    let id = server.create(&claims).await;
    claims["id"] = json!(id);
    claims["contact"] = json!([{"gender": "male"}]);
    let reply = server.put(&format!("/Patient/{id}"), &claims).await;
    reply.expect(422);
    assert!(reply.issues().contains("pat-1"), "{}", reply.text());
    // A profile that nobody knows is stored all the same.
    let mut stranger = patient("2");
    stranger["meta"] = json!({"profile": ["http://example.org/nowhere"]});
    server.create(&stranger).await;
    // A profile that changes is enforced as it is now.
    let mut stricter = profile();
    stricter["version"] = json!("2.0.0");
    stricter["differential"]["element"][4]["max"] = json!("0");
    stricter["differential"]["element"][4]["min"] = json!(0);
    server.create(&stricter).await;
    claims.as_object_mut().expect("an object").remove("contact");
    server
        .put(&format!("/Patient/{id}"), &claims)
        .await
        .expect(422);
}
