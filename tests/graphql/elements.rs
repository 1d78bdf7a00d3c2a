//! Elements: filters, fragments, directives, variables.

use super::{ask_at, clinic, data, message};
use serde_json::json;

#[tokio::test(flavor = "multi_thread")]
async fn elements_are_selected_by_value_place_and_fhirpath() {
    let server = clinic().await;
    for (query, expected) in [
        (
            "{ name(use: usual) { given } }",
            json!({"name": [{"given": ["Three"]}]}),
        ),
        (
            "{ name(given: \"Two\") { use } }",
            json!({"name": [{"use": "official"}]}),
        ),
        ("{ name(use: nope) { use } }", json!({})),
        (
            "{ name(_offset: 1) { use } }",
            json!({"name": [{"use": "usual"}]}),
        ),
        (
            "{ name(_count: 1) { use } }",
            json!({"name": [{"use": "official"}]}),
        ),
        ("{ name(_count: 0) { use } }", json!({})),
        (
            "{ name(fhirpath: \"family.exists()\") { use } }",
            json!({"name": [{"use": "official"}]}),
        ),
        (
            "{ name @first { use given @first } }",
            json!({"name": [{"use": "official", "given": ["One"]}]}),
        ),
        (
            "{ born: birthDate _birthDate { extension { url valueString } } }",
            json!({"born": "2000-01-01", "_birthDate": {"extension": [{"url": "urn:x", "valueString": "y"}]}}),
        ),
        (
            "{ resourceType __typename name(_count: 1) { __typename } }",
            json!({"resourceType": "Patient", "__typename": "Patient", "name": [{"__typename": "HumanName"}]}),
        ),
        (
            "{ ...n ... on Patient { active } ... @skip(if: true) { id } } fragment n on Patient { name(_count: 1) { use } }",
            json!({"name": [{"use": "official"}], "active": true}),
        ),
        (
            "{ name { use } name { given @first } }",
            json!({"name": [{"use": "official", "given": ["One"]}, {"use": "usual", "given": ["Three"]}]}),
        ),
        (
            "{ name @flatten { given @slice(path: \"$this\") @singleton } }",
            json!({"given.One": "One", "given.Two": "Two", "given.Three": "Three"}),
        ),
        (
            "{ name @slice(path: \"use\") { given } }",
            json!({"name.official": [{"given": ["One", "Two"]}], "name.usual": [{"given": ["Three"]}]}),
        ),
        (
            "{ managingOrganization @flatten { resource { name } } }",
            json!({"resource": {"name": "North"}}),
        ),
    ] {
        let reply = ask_at(&server, "/Patient/a", query, json!({})).await;
        assert_eq!(data(&reply), expected, "{query}");
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn variables_have_types_and_defaults() {
    let server = clinic().await;
    let query = "query ($use: code = usual, $with: Boolean!) \
        { name(use: $use) { use } active @include(if: $with) }";
    for (variables, expected) in [
        (json!({"with": false}), json!({"name": [{"use": "usual"}]})),
        (
            json!({"with": true, "use": "official"}),
            json!({"name": [{"use": "official"}], "active": true}),
        ),
    ] {
        let reply = ask_at(&server, "/Patient/a", query, variables).await;
        assert_eq!(data(&reply), expected);
    }
    let reply = ask_at(&server, "/Patient/a", query, json!({})).await;
    assert!(message(&reply, 400).contains("$with"));
    let reply = ask_at(&server, "/Patient/a", query, json!({"with": "yes"})).await;
    assert!(message(&reply, 400).contains("expected Boolean!"));
}

#[tokio::test(flavor = "multi_thread")]
async fn what_cannot_be_collated_is_an_error() {
    let server = clinic().await;
    for (query, says) in [
        ("{ name @flatten { use @singleton } }", "@singleton"),
        (
            "{ name @flatten { x: use } managingOrganization @flatten { x: reference } }",
            "one type",
        ),
        ("{ name(fhirpath: \"1 + 'a'\") { use } }", "fhirpath"),
    ] {
        let reply = ask_at(&server, "/Patient/a", query, json!({})).await;
        let status = if says == "fhirpath" { 400 } else { 422 };
        assert!(
            message(&reply, status).contains(says),
            "{query}: {}",
            reply.text()
        );
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn numbers_keep_their_spelling() {
    let server = clinic().await;
    let text = r#"{"resourceType":"Observation","id":"exact","status":"final","code":{"text":"x"},
        "valueQuantity":{"value":1.00}}"#;
    let headers = ["Content-Type: application/fhir+json"];
    let stored = server
        .send("PUT", "/fhir/Observation/exact", &headers, text)
        .await;
    stored.expect(201);
    let reply = ask_at(
        &server,
        "/Observation/exact",
        "{ valueQuantity { value } }",
        json!({}),
    )
    .await;
    assert_eq!(reply.text(), r#"{"data":{"valueQuantity":{"value":1.00}}}"#);
}
