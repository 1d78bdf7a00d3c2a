//! Search by form: <https://hl7.org/fhir/R4/http.html#search>.

use super::JSON;
use crate::harness::Server;
use axum::body::Body;
use serde_json::json;

const FORM: &str = "Content-Type: application/x-www-form-urlencoded";

#[tokio::test]
async fn a_search_by_post_is_a_search_by_get() {
    let server = Server::start().await;
    let patient = json!({"resourceType": "Patient", "id": "s", "gender": "other"});
    server.put("/Patient/s", &patient).await.expect(201);
    for (path, body) in [
        ("/fhir/Patient/_search", "_id=s&gender=other"),
        ("/fhir/Patient/_search?_id=s", "gender=other"),
        ("/fhir/Patient/_search?_id=s&gender=other", ""),
        ("/fhir/_search", "_type=Patient&_id=s"),
    ] {
        let reply = server.send("POST", path, &[FORM], body).await;
        assert_eq!(reply.expect(200).ids(), ["s"], "{path}");
    }
    let bare = server
        .send("POST", "/fhir/Patient/_search?_id=s", &[], Body::empty())
        .await;
    assert_eq!(bare.expect(200).ids(), ["s"]);
    server
        .send("POST", "/fhir/Patient/_search", &[JSON], "{}")
        .await
        .expect(415);
    server
        .send("POST", "/fhir/Patient/_search", &[FORM], "gender=%zz")
        .await
        .expect(400);
}

#[tokio::test]
async fn handling_that_was_honoured_is_said() {
    let server = Server::start().await;
    for (prefer, status) in [("handling=strict", 400), ("handling=lenient", 200)] {
        let header = format!("Prefer: {prefer}");
        let reply = super::get(&server, "/fhir/Patient?nonsense=1", &[&header]).await;
        reply.expect(status);
        assert_eq!(
            reply.header("preference-applied"),
            (status == 200).then_some(prefer)
        );
    }
}
