//! `_summary` and `_elements` on a read: <https://hl7.org/fhir/R4/search.html#summary>.

use crate::harness::Server;

#[tokio::test]
async fn a_subset_is_tagged_and_keeps_what_is_needed() {
    let server = Server::start().await;
    let body = r#"{"resourceType":"Patient","id":"u","active":true,"name":[{"family":"F"}],"maritalStatus":{"text":"x"}}"#;
    server.client.put("/fhir/Patient/u", body).await;
    for (query, names) in [
        ("_summary=true", "resourceType id meta active name"),
        ("_summary=data", "resourceType id meta active name maritalStatus"),
        ("_summary=text", "resourceType id meta active"),
        ("_elements=maritalStatus", "resourceType id meta active maritalStatus"),
    ] {
        let answer = server.client.get(&format!("/fhir/Patient/u?{query}")).await;
        let json = answer.json();
        let members = json.as_object().expect("an object").keys();
        let mut members: Vec<_> = members.map(String::as_str).collect();
        let mut names: Vec<_> = names.split(' ').collect();
        members.sort_unstable();
        names.sort_unstable();
        assert_eq!(members, names, "{query}");
        assert_eq!(json["meta"]["tag"][0]["code"], "SUBSETTED");
        assert_eq!(answer.header("etag"), "W/\"1\"");
    }
    let whole = server.client.get("/fhir/Patient/u?_summary=false").await.json();
    assert!(whole["meta"].get("tag").is_none());
    for query in ["_summary=count", "_summary=maybe"] {
        let answer = server.client.get(&format!("/fhir/Patient/u?{query}")).await;
        assert_eq!(answer.status, 400, "{query}");
    }
}
