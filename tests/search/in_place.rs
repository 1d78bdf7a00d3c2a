//! Chains into what a Bundle begins with: `Bundle.composition` and `Bundle.message` give the
//! resource itself. <https://hl7.org/fhir/R4/bundle.html#search>

use crate::harness::Server;
use serde_json::{Value, json};

fn document(id: &str, title: &str, subject: &str) -> Value {
    let composition = json!({"resourceType": "Composition", "id": "c", "status": "final",
        "type": {"text": "x"}, "date": "2024-01-01", "author": [{"display": "x"}], "title": title,
        "subject": {"reference": subject}});
    json!({"resourceType": "Bundle", "id": id, "type": "document",
        "identifier": {"system": "urn:b", "value": id}, "timestamp": "2024-01-01T00:00:00Z",
        "entry": [{"fullUrl": format!("urn:uuid:{id}"), "resource": composition}]})
}

async fn check(server: &Server, table: &[(&str, &[&str])]) {
    for (url, expected) in table {
        let mut found = server.get(&format!("/{url}")).await.expect(200).ids();
        found.sort();
        assert_eq!(found, *expected, "{url}");
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_chain_leads_into_the_composition_of_a_document() {
    let server = Server::start().await;
    for (id, family) in [("p", "Pan"), ("q", "Quax")] {
        let patient = json!({"resourceType": "Patient", "id": id, "name": [{"family": family}]});
        server
            .put(&format!("/Patient/{id}"), &patient)
            .await
            .expect(201);
    }
    for (id, title, subject) in [
        ("one", "First", "Patient/p"),
        ("two", "Second", "Patient/q"),
    ] {
        server
            .put(&format!("/Bundle/{id}"), &document(id, title, subject))
            .await
            .expect(201);
    }
    let message = json!({"resourceType": "Bundle", "id": "three", "type": "message",
        "timestamp": "2024-01-01T00:00:00Z", "entry": [{"fullUrl": "urn:uuid:m", "resource": {
            "resourceType": "MessageHeader", "id": "m", "eventUri": "http://e",
            "source": {"endpoint": "http://s"}}}]});
    server.put("/Bundle/three", &message).await.expect(201);
    // Of the same id as those in the documents, and another thing.
    let stored = json!({"resourceType": "Composition", "id": "c", "status": "final",
        "type": {"text": "x"}, "date": "2024-01-01", "author": [{"display": "x"}], "title": "Other"});
    server.put("/Composition/c", &stored).await.expect(201);
    check(
        &server,
        &[
            ("Bundle?composition.patient=Patient/p", &["one"]),
            ("Bundle?composition.subject:Patient.name=quax", &["two"]),
            (
                "Bundle?composition:Composition.title=first,second",
                &["one", "two"],
            ),
            ("Bundle?composition.title=other", &[]),
            // What reads the text reads that of the first entry.
            ("Bundle?composition.type:text=x", &["one", "two"]),
            ("Bundle?composition.type:text=y", &[]),
            ("Bundle?composition._content=second", &["two"]),
            ("Bundle?composition._content=document", &[]),
            ("Bundle?message._content=document", &[]),
            ("Bundle?message.source-uri=http://s", &["three"]),
            ("Bundle?message.source-uri=http://x", &[]),
            ("Bundle?composition=Composition/c", &["one", "two"]),
            // It is not contained, nor a resource of its own.
            ("Composition?title=first", &[]),
            ("Composition?_contained=true&title=first", &[]),
            ("Composition?_contained=both&title=first,other", &["c"]),
            ("Composition?_contained=both&type:text=x", &["c"]),
            ("Composition?_contained=true&type:text=x", &[]),
            (
                "Composition?_contained=true&_containedType=contained&title=first",
                &[],
            ),
        ],
    )
    .await;
    server
        .put("/Bundle/one", &document("one", "Third", "Patient/q"))
        .await
        .expect(200);
    server.delete("/Bundle/two").await.expect(204);
    check(
        &server,
        &[
            ("Bundle?composition.title=first,second,third", &["one"]),
            ("Bundle?composition.patient.name=pan", &[]),
            ("Bundle?composition.patient.name=quax", &["one"]),
        ],
    )
    .await;
    let refused = server
        .get("/Composition?_has:Bundle:composition:type=document")
        .await;
    let issues = refused.expect(400).issues();
    assert!(issues.contains("stands in a Bundle"), "{issues}");
}
