//! CORS: browser apps of any origin may call, without cookies.
//! <https://hl7.org/fhir/R4/http.html#security>, <https://fetch.spec.whatwg.org/#http-cors-protocol>
//!
//! Who sends no `Origin` is no browser app and is not told: half a kilobyte of headers on
//! each answer would be more than many a resource.

use super::response;
use axum::http::{HeaderMap, HeaderValue, StatusCode, header};
use axum::response::Response;

const ANY: HeaderValue = HeaderValue::from_static("*");
const METHODS: HeaderValue = HeaderValue::from_static("GET, HEAD, POST, PUT, PATCH, DELETE");
const ALLOWED: HeaderValue = HeaderValue::from_static(
    "authorization, content-type, content-encoding, accept, prefer, if-none-exist, if-match, \
     if-none-match, if-modified-since, x-provenance, x-request-id",
);
const EXPOSED: HeaderValue = HeaderValue::from_static(
    "etag, location, content-location, last-modified, retry-after, x-progress, \
     preference-applied, expires, x-request-id, x-correlation-id",
);
/// Seconds for which a browser need not ask again.
const MAX_AGE: HeaderValue = HeaderValue::from_static("3600");

/// The answer to OPTIONS, whatever the URL: what any app may send.
pub fn preflight() -> Response {
    let mut response = response::empty(StatusCode::OK);
    let headers = response.headers_mut();
    headers.insert(header::ACCESS_CONTROL_ALLOW_ORIGIN, ANY);
    headers.insert(header::ACCESS_CONTROL_ALLOW_METHODS, METHODS);
    headers.insert(header::ACCESS_CONTROL_ALLOW_HEADERS, ALLOWED);
    headers.insert(header::ACCESS_CONTROL_MAX_AGE, MAX_AGE);
    response
}

/// Lets the app that asked read the answer.
pub fn expose(headers: &mut HeaderMap) {
    headers.insert(header::ACCESS_CONTROL_ALLOW_ORIGIN, ANY);
    headers.insert(header::ACCESS_CONTROL_EXPOSE_HEADERS, EXPOSED);
}
