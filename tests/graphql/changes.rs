//! Mutations: the interactions of REST.

use super::{ask, ask_at, clinic, data, message};
use serde_json::{Value, json};

#[tokio::test(flavor = "multi_thread")]
async fn resources_are_created_updated_and_deleted() {
    let server = clinic().await;
    let query = "mutation ($p: PatientInput!) { PatientCreate(res: $p) \
        { id active managingOrganization { resource { name } } } }";
    let patient =
        json!({"active": true, "managingOrganization": {"reference": "Organization/north"}});
    let reply = ask_at(&server, "", query, json!({"p": patient})).await;
    let created = data(&reply)["PatientCreate"].clone();
    assert_eq!(created["managingOrganization"]["resource"]["name"], "North");
    let id = created["id"].as_str().expect("an id").to_owned();
    server.get(&format!("/Patient/{id}")).await.expect(200);
    let query = format!(
        "mutation {{ PatientUpdate(id: \"{id}\", res: {{active: false, name: [{{family: \"N\"}}]}}) \
         {{ active name {{ family }} meta {{ versionId }} }} gone: ObservationDelete(id: \"3\") }}"
    );
    let reply = ask(&server, &query).await;
    let expected = json!({
        "PatientUpdate": {"active": false, "name": [{"family": "N"}], "meta": {"versionId": "2"}},
        "gone": null});
    assert_eq!(data(&reply), expected);
    server.get("/Observation/3").await.expect(410);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_mutation_that_fails_tells_what_was_done_before() {
    let server = clinic().await;
    let query = "mutation { a: BasicCreate(res: {code: {text: \"x\"}}) { code { text } } \
        b: BasicCreate(res: {code: 1}) { id } c: PatientDelete(id: c) }";
    let reply = ask(&server, query).await;
    message(&reply, 400);
    let answer = reply.json();
    assert_eq!(answer["errors"][0]["path"], json!(["b"]));
    assert_eq!(answer["data"], json!({"a": {"code": {"text": "x"}}}));
    server.get("/Patient/c").await.expect(200);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_mutation_is_sent_by_post_to_the_system() {
    let server = clinic().await;
    let reply = server
        .get("/$graphql?query=mutation%7BPatientDelete(id:c)%7D")
        .await;
    assert!(message(&reply, 405).contains("POST"));
    let reply = ask_at(
        &server,
        "/Patient/c",
        "mutation { PatientDelete(id: c) }",
        json!({}),
    )
    .await;
    message(&reply, 400);
    let headers = ["Content-Type: application/graphql", "X-Provenance: {}"];
    let text = "mutation { PatientDelete(id: c) }";
    let reply = server.send("POST", "/fhir/$graphql", &headers, text).await;
    message(&reply, 400);
    let found = server.get("/Patient/c").await;
    assert_ne!(found.expect(200).json(), Value::Null);
}
