//! What is served beside the FHIR API: health, metrics, the root, and the two fallbacks.

use super::middleware::refuse;
use super::response::{plain_json, text};
use super::{Api, place};
use crate::error::{Category, Error};
use axum::extract::{Request, State};
use axum::http::{StatusCode, header};
use axum::response::Response;
use serde_json::json;
use std::sync::Arc;

/// `/health/live`: the process answers.
pub async fn live() -> Response {
    plain_json(StatusCode::OK, &json!({"status": "live"}))
}

/// `/health/ready`: the database answers too.
pub async fn ready(State(api): State<Arc<Api>>) -> Response {
    match api.hub.store.is_ready().await {
        true => plain_json(StatusCode::OK, &json!({"status": "ready"})),
        false => {
            let status = StatusCode::SERVICE_UNAVAILABLE;
            plain_json(
                status,
                &json!({"status": "unavailable", "reason": "the database is away"}),
            )
        }
    }
}

/// `/metrics`
pub async fn metrics(State(api): State<Arc<Api>>, request: Request) -> Response {
    const CONTENT_TYPE: &str = "application/openmetrics-text; version=1.0.0; charset=utf-8";
    match api.metrics.to_text(&api.hub).await {
        Ok(body) => text(CONTENT_TYPE, body),
        Err(error) => refuse(&error, request.extensions()),
    }
}

/// `/`: a page for a browser, a description for everybody else.
pub async fn landing(State(api): State<Arc<Api>>, request: Request) -> Response {
    let accept = request.headers().get(header::ACCEPT);
    let is_browser = accept
        .and_then(|accept| accept.to_str().ok())
        .is_some_and(|accept| accept.contains("text/html"));
    let base = &api.hub.settings.base;
    match is_browser {
        true => text("text/html; charset=utf-8", page(base)),
        false => plain_json(
            StatusCode::OK,
            &json!({
                "name": "Andiron",
                "version": env!("CARGO_PKG_VERSION"),
                "description": "A FHIR R4 server",
                "fhirVersion": "4.0.1",
                "base": base,
                "metadata": format!("{base}/metadata"),
                "health": "/health/ready",
                "metrics": "/metrics",
            }),
        ),
    }
}

fn page(base: &str) -> String {
    let base = escape(base);
    let version = env!("CARGO_PKG_VERSION");
    format!(
        "<!DOCTYPE html>\n<html lang=\"en\"><head><meta charset=\"utf-8\"><title>Andiron</title>\
         <meta name=\"viewport\" content=\"width=device-width\">\
         <style>body{{font:1rem/1.6 system-ui,sans-serif;max-width:40rem;margin:3rem auto;padding:0 1rem}}</style>\
         </head><body><h1>Andiron {version}</h1><p>A FHIR R4 (4.0.1) server. Its base is <code>{base}</code>.</p>\
         <ul><li><a href=\"{base}/metadata?_pretty=true\">CapabilityStatement</a></li>\
         <li><a href=\"{base}/Patient?_pretty=true\">Patients</a></li>\
         <li><a href=\"{base}/Observation?_count=5&amp;_pretty=true\">Observations</a></li>\
         <li><a href=\"/health/ready\">Health</a>, <a href=\"/metrics\">metrics</a></li></ul></body></html>\n"
    )
}

/// The base is configured by whoever runs the server; escaped all the same.
fn escape(text: &str) -> String {
    text.replace('&', "&amp;")
        .replace('<', "&lt;")
        .replace('"', "&quot;")
}

/// `/fhir/.well-known/smart-configuration`
pub async fn smart_configuration(request: Request) -> Response {
    let error = Error::new(
        Category::NotFound,
        "there is no SMART configuration: authentication is off",
    );
    refuse(&error, request.extensions())
}

/// A URL that no route has.
pub async fn not_found(request: Request) -> Response {
    let path = request.uri().path();
    let error = unknown(path).unwrap_or_else(|| {
        Error::new(
            Category::NotFound,
            "there is nothing at this URL; the FHIR base is /fhir",
        )
    });
    refuse(&error, request.extensions())
}

/// A URL that has routes, though not for this method. What is not there at all (an unknown
/// type or operation) is said to be so; `Allow` is added by the router.
pub async fn not_allowed(request: Request) -> Response {
    let path = request.uri().path();
    let error = unknown(path).unwrap_or_else(|| {
        let says = format!("the method {} is not allowed at this URL", request.method());
        Error::new(Category::NotAllowed, says)
    });
    refuse(&error, request.extensions())
}

/// Says which part of a FHIR URL is unknown: its operation or its type.
fn unknown(path: &str) -> Option<Error> {
    let path = path.strip_prefix("/fhir/")?.trim_end_matches('/');
    let last = path.rsplit('/').next().unwrap_or_default();
    if last.starts_with('$') && !is_operation(last) {
        return Some(place::unknown_operation(last));
    }
    let first = path.split('/').next().unwrap_or_default();
    let is_system = first.starts_with(['_', '$', '.']) || matches!(first, "" | "metadata");
    match is_system {
        true => None,
        false => place::Place::parse("/fhir/{type}", &format!("/fhir/{first}")).err(),
    }
}

fn is_operation(name: &str) -> bool {
    let mut routes = super::router::ROUTES.iter();
    routes.any(|route| route.path.rsplit('/').next() == Some(name))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_unknown_is_named() {
        for (path, says) in [
            ("/fhir/Patient/1/$everything", Some("$everything")),
            ("/fhir/$foo/", Some("$foo")),
            ("/fhir/Foo/1/2/3", Some("\"Foo\"")),
            ("/fhir/Patient/1/Observation", None),
            ("/fhir/Patient/1/$meta-add", None),
            ("/fhir/_history", None),
            ("/fhir/metadata", None),
            ("/favicon.ico", None),
        ] {
            let error = unknown(path).map(|error| error.to_string());
            assert_eq!(error.is_some(), says.is_some(), "{path}");
            assert!(
                error.unwrap_or_default().contains(says.unwrap_or_default()),
                "{path}"
            );
        }
    }

    #[test]
    fn the_page_escapes_the_base() {
        assert!(page("http://x/\"><script>").contains("http://x/&quot;>&lt;script>"));
    }
}
