//! The HTTP edge: <https://hl7.org/fhir/R4/http.html>.

mod capabilities;
mod negotiation;
mod pages;
mod recipes;
mod routing;
mod search;
mod serve;
mod subset;
mod xml;

use crate::harness::{Reply, Server};
use axum::body::Body;

const JSON: &str = "Content-Type: application/fhir+json";

/// GET of a whole path, `/fhir/Patient` or `/health/live`.
async fn get(server: &Server, path: &str, headers: &[&str]) -> Reply {
    server.send("GET", path, headers, Body::empty()).await
}

/// The code of the first issue of an OperationOutcome.
fn issue(reply: &Reply) -> String {
    let outcome = reply.json();
    assert_eq!(outcome["resourceType"], "OperationOutcome", "{outcome}");
    outcome["issue"][0]["code"]
        .as_str()
        .unwrap_or_default()
        .to_owned()
}
