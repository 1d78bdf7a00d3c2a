//! CORS: browser apps of any origin may call, without cookies.
//! <https://hl7.org/fhir/R4/http.html#security> recommends it.

use axum::http::{HeaderName, Method, header};
use std::time::Duration;
use tower_http::cors::{Any, CorsLayer};

const METHODS: [Method; 6] = [
    Method::GET,
    Method::HEAD,
    Method::POST,
    Method::PUT,
    Method::PATCH,
    Method::DELETE,
];

const ALLOWED: [HeaderName; 11] = [
    header::AUTHORIZATION,
    header::CONTENT_TYPE,
    header::ACCEPT,
    HeaderName::from_static("prefer"),
    HeaderName::from_static("if-none-exist"),
    header::IF_MATCH,
    header::IF_NONE_MATCH,
    header::IF_MODIFIED_SINCE,
    HeaderName::from_static("x-provenance"),
    HeaderName::from_static("x-request-id"),
    header::CONTENT_ENCODING,
];

const EXPOSED: [HeaderName; 10] = [
    header::ETAG,
    header::LOCATION,
    header::CONTENT_LOCATION,
    header::LAST_MODIFIED,
    header::RETRY_AFTER,
    HeaderName::from_static("x-progress"),
    HeaderName::from_static("preference-applied"),
    header::EXPIRES,
    HeaderName::from_static("x-request-id"),
    HeaderName::from_static("x-correlation-id"),
];

/// The layer, which also answers every OPTIONS request.
pub fn layer() -> CorsLayer {
    CorsLayer::new()
        .allow_origin(Any)
        .allow_methods(METHODS)
        .allow_headers(ALLOWED)
        .expose_headers(EXPOSED)
        .max_age(Duration::from_secs(3600))
}
