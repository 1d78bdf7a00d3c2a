//! Referential integrity: off, write, full; TF23, TF24, TE10.

use super::bundle::bundle;
use super::patient_with_id;
use crate::harness::Server;
use andiron::config::Integrity;
use serde_json::{Value, json};

fn observation(id: &str, subject: &str) -> Value {
    json!({"resourceType": "Observation", "id": id, "status": "final", "code": {"text": "x"}, "subject": {"reference": subject}})
}

async fn server(integrity: Integrity) -> Server {
    let server = Server::with(|settings| settings.integrity = integrity).await;
    server
        .put("/Patient/p", &patient_with_id("p", "1"))
        .await
        .expect(201);
    server
}

#[tokio::test(flavor = "multi_thread")]
async fn a_reference_to_nothing_is_refused_unless_integrity_is_off() {
    for (integrity, status) in [
        (Integrity::Off, 201),
        (Integrity::Write, 422),
        (Integrity::Full, 422),
    ] {
        let server = server(integrity).await;
        let reply = server
            .put("/Observation/o", &observation("o", "Patient/none"))
            .await;
        reply.expect(status);
        if status == 422 {
            assert!(
                reply.issues().contains("Observation.subject.reference"),
                "{}",
                reply.text()
            );
        }
        let entry = json!({"resource": observation("b", "Patient/none"), "request": {"method": "PUT", "url": "Observation/b"}});
        let reply = server.post("", &bundle("transaction", vec![entry])).await;
        reply.expect(if status == 422 { 422 } else { 200 });
        // Elsewhere, contained, or by identifier alone: not ours to check.
        for subject in [
            "http://other/fhir/Patient/1",
            "urn:uuid:00000000-0000-4000-8000-000000000001",
        ] {
            server
                .post("/Observation", &observation("x", subject))
                .await
                .expect(201);
        }
        server
            .put("/Observation/v", &observation("v", "Patient/p/_history/1"))
            .await
            .expect(201);
        let base = format!("{}/Patient/p", crate::harness::BASE);
        server
            .put("/Observation/w", &observation("w", &base))
            .await
            .expect(201);
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn references_without_a_search_parameter_are_checked_too() {
    let server = server(Integrity::Write).await;
    let mut resource = observation("o", "Patient/p");
    resource["note"] = json!([{"text": "x", "authorReference": {"reference": "Patient/none"}}]);
    let reply = server.put("/Observation/o", &resource).await;
    reply.expect(422);
    assert!(
        reply
            .issues()
            .contains("Observation.note[0].authorReference.reference"),
        "{}",
        reply.text()
    );
}

#[tokio::test(flavor = "multi_thread")]
async fn what_is_gone_cannot_be_referred_to_but_by_audit_and_provenance() {
    let server = server(Integrity::Write).await;
    server.delete("/Patient/p").await.expect(204);
    server
        .put("/Observation/o", &observation("o", "Patient/p"))
        .await
        .expect(422);
    let audit = json!({
        "resourceType": "AuditEvent", "type": {"code": "rest"}, "recorded": "2026-01-01T00:00:00Z",
        "agent": [{"requestor": true, "who": {"reference": "Patient/p"}}], "source": {"observer": {"reference": "Device/none"}},
    });
    server.post("/AuditEvent", &audit).await.expect(201);
    let provenance = json!({
        "resourceType": "Provenance", "target": [{"reference": "Patient/p"}], "recorded": "2026-01-01T00:00:00Z",
        "agent": [{"who": {"reference": "Patient/p"}}],
    });
    server.post("/Provenance", &provenance).await.expect(201);
}

#[tokio::test(flavor = "multi_thread")]
async fn full_integrity_keeps_what_is_referred_to() {
    let server = server(Integrity::Full).await;
    server
        .put("/Observation/o", &observation("o", "Patient/p"))
        .await
        .expect(201);
    let refused = server.delete("/Patient/p").await;
    refused.expect(409);
    assert!(refused.issues().contains("Observation/o"));
    server
        .delete("/Patient?identifier=urn:t|1")
        .await
        .expect(409);
    // In one transaction the referrer may go, or let go, whatever the order.
    let mut free = observation("o", "Patient/p");
    free.as_object_mut()
        .expect("an object")
        .shift_remove("subject");
    let delete = json!({"request": {"method": "DELETE", "url": "Patient/p"}});
    let alone = server
        .post("", &bundle("transaction", vec![delete.clone()]))
        .await;
    alone.expect(409);
    assert!(alone.issues().contains("Bundle.entry[0]"));
    let put = json!({"resource": free, "request": {"method": "PUT", "url": "Observation/o"}});
    server
        .post("", &bundle("transaction", vec![delete, put]))
        .await
        .expect(200);
    server.get("/Patient/p").await.expect(410);
}

#[tokio::test(flavor = "multi_thread")]
async fn write_integrity_lets_go_of_what_is_referred_to() {
    let server = server(Integrity::Write).await;
    server
        .put("/Observation/o", &observation("o", "Patient/p"))
        .await
        .expect(201);
    server.delete("/Patient/p").await.expect(204);
    server.get("/Observation/o").await.expect(200);
}
