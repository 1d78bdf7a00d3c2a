//! References in both directions.

use super::{ask, ask_at, clinic, data, message};
use serde_json::json;

#[tokio::test(flavor = "multi_thread")]
async fn references_are_followed_from_one_snapshot() {
    let server = clinic().await;
    let query =
        "{ managingOrganization { reference resource { name partOf { resource { name } } } } }";
    let reply = ask_at(&server, "/Patient/b", query, json!({})).await;
    let expected = json!({"managingOrganization": {
        "reference": "Organization/south",
        "resource": {"name": "South", "partOf": {"resource": {"name": "North"}}}}});
    assert_eq!(data(&reply), expected);
}

#[tokio::test(flavor = "multi_thread")]
async fn types_of_what_is_referred_to_are_told_apart() {
    let server = clinic().await;
    for (query, expected) in [
        (
            "{ subject { resource(type: Patient) { active } } }",
            json!({"subject": {"resource": {"active": true}}}),
        ),
        (
            "{ subject { resource(type: Group) { type } } }",
            json!({"subject": {}}),
        ),
        (
            "{ subject { resource(type: Patient) { active } resource(type: Group) { type } } }",
            json!({"subject": {"resource": {"active": true}}}),
        ),
        (
            "{ subject { resource { ... on Patient { active } ... on Group { quantity } } } }",
            json!({"subject": {"resource": {"active": true}}}),
        ),
        (
            "{ subject { resource { __typename } } }",
            json!({"subject": {"resource": {"__typename": "Patient"}}}),
        ),
        // A Group has no birthDate, and need not.
        (
            "{ subject { resource { birthDate member { inactive } } } }",
            json!({"subject": {"resource": {"birthDate": "2000-01-01"}}}),
        ),
    ] {
        let reply = ask_at(&server, "/Observation/1", query, json!({})).await;
        assert_eq!(data(&reply), expected, "{query}");
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn what_cannot_be_resolved_is_an_error_unless_it_is_optional() {
    let server = clinic().await;
    for (id, subject, status) in [
        (
            "foreign",
            json!({"reference": "http://other.example/fhir/Patient/1"}),
            422,
        ),
        ("named", json!({"display": "Somebody"}), 422),
        ("contained", json!({"reference": "#nobody"}), 422),
        ("gone", json!({"reference": "Patient/c"}), 410),
    ] {
        let observation = json!({"resourceType": "Observation", "id": id, "status": "final",
            "code": {"text": "x"}, "subject": subject});
        server
            .put(&format!("/Observation/{id}"), &observation)
            .await
            .expect(201);
        if id == "gone" {
            server.delete("/Patient/c").await;
        }
        let place = format!("/Observation/{id}");
        let reply = ask_at(
            &server,
            &place,
            "{ subject { resource { id } } }",
            json!({}),
        )
        .await;
        message(&reply, status);
        let query = "{ id subject { resource(optional: true) { id } } }";
        let reply = ask_at(&server, &place, query, json!({})).await;
        assert_eq!(data(&reply), json!({"id": id, "subject": {}}));
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn contained_resources_and_versions_are_resolved() {
    let server = clinic().await;
    let observation = json!({"resourceType": "Observation", "id": "inner", "status": "final",
        "code": {"text": "x"},
        "contained": [{"resourceType": "Patient", "id": "p", "active": false,
            "managingOrganization": {"reference": "#o"}},
            {"resourceType": "Organization", "id": "o", "name": "Inner"}],
        "subject": {"reference": "#p"}});
    server
        .put("/Observation/inner", &observation)
        .await
        .expect(201);
    let query = "{ subject { resource { active managingOrganization { resource { name } } } } contained { id } }";
    let reply = ask_at(&server, "/Observation/inner", query, json!({})).await;
    let expected = json!({
        "subject": {"resource": {"active": false, "managingOrganization": {"resource": {"name": "Inner"}}}},
        "contained": [{"id": "p"}, {"id": "o"}]});
    assert_eq!(data(&reply), expected);
    let mut patient = server.get("/Patient/a").await.json();
    patient["active"] = json!(false);
    server.put("/Patient/a", &patient).await.expect(200);
    for (id, reference, active) in [
        ("old", "Patient/a/_history/1", true),
        ("new", "Patient/a", false),
    ] {
        let observation = json!({"resourceType": "Observation", "id": id, "status": "final",
            "code": {"text": "x"}, "subject": {"reference": reference}});
        server
            .put(&format!("/Observation/{id}"), &observation)
            .await
            .expect(201);
        let place = format!("/Observation/{id}");
        let reply = ask_at(
            &server,
            &place,
            "{ subject { resource { active } } }",
            json!({}),
        )
        .await;
        assert_eq!(
            data(&reply),
            json!({"subject": {"resource": {"active": active}}})
        );
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn what_refers_to_a_resource_is_found() {
    let server = clinic().await;
    let query = "{ id ObservationList(_reference: subject, _sort: \"_id\") { id valueQuantity { value } } }";
    let reply = ask_at(&server, "/Patient/a", query, json!({})).await;
    let expected = json!({"id": "a", "ObservationList": [
        {"id": "1", "valueQuantity": {"value": 1.5}}, {"id": "2", "valueQuantity": {"value": 2.0}}]});
    assert_eq!(data(&reply), expected);
    let query = "{ PatientList(_sort: \"_id\") { id \
        ObservationConnection(_reference: patient) { count edges { resource { subject { resource { id } } } } } } }";
    let reply = ask(&server, query).await;
    let found = data(&reply);
    let counts: Vec<_> = (0..3)
        .map(|at| found["PatientList"][at]["ObservationConnection"]["count"].clone())
        .collect();
    assert_eq!(counts, [json!(2), json!(1), json!(0)]);
    let back = &found["PatientList"][1]["ObservationConnection"]["edges"][0];
    assert_eq!(back["resource"]["subject"]["resource"]["id"], "b");
}
