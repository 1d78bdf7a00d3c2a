//! `_summary` and `_elements` on a read: <https://hl7.org/fhir/R4/search.html#summary>.

use super::get;
use crate::harness::Server;
use serde_json::json;

#[tokio::test]
async fn a_subset_is_tagged_and_keeps_what_is_needed() {
    let server = Server::start().await;
    let patient = json!({
        "resourceType": "Patient", "id": "u", "active": true,
        "name": [{"family": "F"}], "maritalStatus": {"text": "x"},
    });
    server.put("/Patient/u", &patient).await.expect(201);
    for (query, names) in [
        ("_summary=true", "resourceType id meta active name"),
        (
            "_summary=data",
            "resourceType id meta active name maritalStatus",
        ),
        ("_summary=text", "resourceType id meta active"),
        (
            "_elements=maritalStatus",
            "resourceType id meta active maritalStatus",
        ),
    ] {
        for path in ["/fhir/Patient/u", "/fhir/Patient/u/_history/1"] {
            let reply = get(&server, &format!("{path}?{query}"), &[]).await;
            let json = reply.expect(200).json();
            let mut members: Vec<_> = json.as_object().expect("an object").keys().collect();
            let mut names: Vec<_> = names.split(' ').collect();
            members.sort_unstable();
            names.sort_unstable();
            assert_eq!(members, names, "{query}");
            assert_eq!(json["meta"]["tag"][0]["code"], "SUBSETTED");
            assert_eq!(reply.header("etag"), Some("W/\"1\""));
        }
        for path in ["/fhir/Patient/u/_history", "/fhir/Patient"] {
            let reply = get(&server, &format!("{path}?{query}"), &[]).await;
            let entries = reply.expect(200).entries();
            assert_eq!(
                entries[0]["resource"]["meta"]["tag"][0]["code"], "SUBSETTED",
                "{path}"
            );
        }
    }
    let whole = get(&server, "/fhir/Patient/u?_summary=false", &[])
        .await
        .json();
    assert!(whole["meta"].get("tag").is_none());
    for query in ["_summary=count", "_summary=maybe", "_pretty=maybe"] {
        get(&server, &format!("/fhir/Patient/u?{query}"), &[])
            .await
            .expect(400);
    }
}

#[tokio::test]
async fn a_strict_read_refuses_search_parameters() {
    let server = Server::start().await;
    let patient = json!({"resourceType": "Patient", "id": "r"});
    server.put("/Patient/r", &patient).await.expect(201);
    get(&server, "/fhir/Patient/r?name=x", &[])
        .await
        .expect(200);
    get(
        &server,
        "/fhir/Patient/r?name=x",
        &["Prefer: handling=strict"],
    )
    .await
    .expect(400);
}
