//! What an interaction found or did, as an HTTP response: status, headers, body.
//! <https://hl7.org/fhir/R4/http.html>
//!
//! Stored bodies go out as they are, never parsed, unless `_pretty`, a subset or XML asks for
//! it. Responses are made in JSON; [`shaped`] is the one place where they become XML.

use super::negotiate::Format;
use super::request::Wishes;
use crate::definitions::Definitions;
use crate::error::{Error, Issue, Result};
use crate::fhir::outcome::operation_outcome;
use crate::fhir::{Version, json};
use crate::format;
use crate::interaction::{Deleted, Return, Written};
use axum::body::Body;
use axum::http::{HeaderMap, HeaderName, HeaderValue, StatusCode, header};
use axum::response::Response;
use bytes::Bytes;
use std::sync::Arc;

const PREFERENCE_APPLIED: HeaderName = HeaderName::from_static("preference-applied");

/// A browser may keep what it got, and has to ask whether it is still so: without this it
/// would guess from Last-Modified, and show an app what it has just changed as it was.
const CACHE_CONTROL: HeaderValue = HeaderValue::from_static("private, no-cache");

/// The same URL answers in several formats.
const VARY: HeaderValue = HeaderValue::from_static("accept");

/// What a response in JSON is yet to become.
#[derive(Clone, Copy, Debug)]
enum Shape {
    Xml {
        format: Format,
        is_pretty: bool,
    },
    /// An error, told as the request asks.
    Error,
}

/// A response with a body of FHIR's JSON, which [`shaped`] makes XML where that is asked for.
pub fn json(status: StatusCode, body: Bytes, wishes: &Wishes) -> Response {
    let body = match wishes.pretty && !wishes.format.is_xml() {
        true => indent(body),
        false => body,
    };
    let mut response = Response::new(Body::from(body));
    *response.status_mut() = status;
    let content_type = HeaderValue::from_static(wishes.format.content_type());
    let headers = response.headers_mut();
    headers.insert(header::CONTENT_TYPE, content_type);
    headers.insert(header::CACHE_CONTROL, CACHE_CONTROL);
    headers.insert(header::VARY, VARY);
    if wishes.format.is_xml() {
        response.extensions_mut().insert(Shape::of(wishes));
    }
    response
}

/// Notes that a response is an error, which is told as its request asks.
pub fn mark_error(response: &mut Response) {
    response.extensions_mut().insert(Shape::Error);
}

/// Notes how an error is to be told, where that is known better than from the request's URL.
pub fn mark(response: &mut Response, wishes: &Wishes) {
    if wishes.format.is_xml() {
        response.extensions_mut().insert(Shape::of(wishes));
    } else {
        response.extensions_mut().remove::<Shape>();
    }
}

impl Shape {
    fn of(wishes: &Wishes) -> Shape {
        Shape::Xml {
            format: wishes.format,
            is_pretty: wishes.pretty,
        }
    }
}

/// The response in the format that was asked for; `for_errors` is how errors are told. What
/// cannot be said in XML goes out in JSON, so that it goes out at all.
pub async fn shaped(
    response: Response,
    for_errors: &Wishes,
    definitions: &Arc<Definitions>,
) -> Response {
    let mut response = response;
    let shape = match response.extensions_mut().remove::<Shape>() {
        Some(Shape::Error) if for_errors.format.is_xml() => Shape::of(for_errors),
        Some(Shape::Error) | None => return response,
        Some(shape) => shape,
    };
    let Shape::Xml { format, is_pretty } = shape else {
        return response;
    };
    let (mut parts, body) = response.into_parts();
    let (body, format) = match to_xml(body, definitions, is_pretty).await {
        Ok(xml) => (xml, format),
        Err((error, json)) => {
            tracing::error!(%error, "a response cannot be said in XML");
            (json, Format::FhirJson)
        }
    };
    let content_type = HeaderValue::from_static(format.content_type());
    parts.headers.insert(header::CONTENT_TYPE, content_type);
    Response::from_parts(parts, Body::from(body))
}

/// The body as XML, or with the error what it was.
async fn to_xml(
    body: Body,
    definitions: &Arc<Definitions>,
    is_pretty: bool,
) -> Result<Bytes, (Error, Bytes)> {
    // A body that we made stands in memory already.
    let json = axum::body::to_bytes(body, usize::MAX).await;
    let json = json.map_err(|error| (Error::fault(error), Bytes::new()))?;
    let (definitions, source) = (Arc::clone(definitions), json.clone());
    let convert = move || format::to_xml(&definitions, &source, is_pretty);
    let xml = off_the_loop(json.len(), convert).await;
    xml.map(Bytes::from).map_err(|error| (error, json))
}

/// Runs work for the processor: a little of it on the spot, more on a thread of its own, so
/// that other requests go on.
///
/// # Errors
/// The work's own; `Fault` where it was cut off.
pub async fn off_the_loop<T: Send + 'static>(
    bytes: usize,
    work: impl FnOnce() -> Result<T> + Send + 'static,
) -> Result<T> {
    /// What is done on the spot, in bytes of input: less than a millisecond.
    const SMALL: usize = 64 << 10;
    match bytes <= SMALL {
        true => work(),
        false => tokio::task::spawn_blocking(work)
            .await
            .map_err(Error::fault)?,
    }
}

/// The same JSON, indented; numbers keep their spelling and members their order. What cannot
/// be read (nothing that was stored) stays as it is.
fn indent(body: Bytes) -> Bytes {
    json::parse(&body, usize::MAX)
        .ok()
        .and_then(|value| serde_json::to_vec_pretty(&value).ok())
        .map_or(body, Bytes::from)
}

/// A response without a body.
pub fn empty(status: StatusCode) -> Response {
    let mut response = Response::new(Body::empty());
    *response.status_mut() = status;
    response
}

/// 200 with a version that was read; `body` is its JSON or the part that was asked for.
pub fn found(version: &Version, body: Bytes, base: &str, wishes: &Wishes) -> Response {
    let mut response = json(StatusCode::OK, body, wishes);
    let headers = response.headers_mut();
    label(headers, version);
    insert(headers, header::CONTENT_LOCATION, location(base, version));
    response
}

/// 304: the client has this version already.
pub fn not_modified(version: &Version) -> Response {
    let mut response = empty(StatusCode::NOT_MODIFIED);
    response.headers_mut().insert(header::VARY, VARY);
    label(response.headers_mut(), version);
    response
}

/// The response to a write, with the body that `Prefer` asks for; by default the resource.
pub fn written(written: &Written, base: &str, wishes: &Wishes) -> Response {
    let version = written.version();
    let status = match written {
        Written::Created(_) => StatusCode::CREATED,
        Written::Updated(_) | Written::Unchanged(_) => StatusCode::OK,
    };
    let mut response = match wishes.preferences.response {
        Some(Return::Minimal) => empty(status),
        Some(Return::OperationOutcome) => json(status, outcome_of(written), wishes),
        Some(Return::Representation) | None => match &version.body {
            Some(body) => json(status, body.clone(), wishes),
            None => empty(status),
        },
    };
    let headers = response.headers_mut();
    label(headers, version);
    insert(headers, header::LOCATION, location(base, version));
    return_applied(&mut response, wishes);
    response
}

fn outcome_of(written: &Written) -> Bytes {
    let reference = written.version().versioned_reference();
    let text = match written {
        Written::Created(_) => format!("created {reference}"),
        Written::Updated(_) => format!("updated to {reference}"),
        Written::Unchanged(_) => format!("nothing to change: {reference} is current"),
    };
    outcome(text)
}

fn outcome(text: String) -> Bytes {
    let issues = [Issue::information("informational", text)];
    Bytes::from(operation_outcome(&issues).to_string())
}

/// 204, or 200 with an OperationOutcome where `Prefer` asks for one. One deleted resource
/// shows the entity tag of its deletion, by which a revival can be guarded.
pub fn deleted(deleted: &Deleted, wishes: &Wishes) -> Response {
    let mut response = match wishes.preferences.response {
        Some(Return::OperationOutcome) => {
            let text = match deleted.versions.as_slice() {
                [] => "there was nothing to delete".to_owned(),
                [version] => format!("deleted {}", version.reference()),
                versions => format!("deleted {} resources", versions.len()),
            };
            let mut response = json(StatusCode::OK, outcome(text), wishes);
            let applied = HeaderValue::from_static("return=OperationOutcome");
            response.headers_mut().insert(PREFERENCE_APPLIED, applied);
            response
        }
        _ => empty(StatusCode::NO_CONTENT),
    };
    if let [version] = deleted.versions.as_slice() {
        label(response.headers_mut(), version);
    }
    response
}

/// Says that `return` of `Prefer` was honoured.
pub fn return_applied(response: &mut Response, wishes: &Wishes) {
    if let Some(applied) = wishes.preferences.return_applied() {
        let applied = HeaderValue::from_static(applied);
        response.headers_mut().insert(PREFERENCE_APPLIED, applied);
    }
}

/// Says that `handling` of `Prefer` was honoured.
pub fn handling_applied(response: &mut Response, wishes: &Wishes) {
    if let Some(applied) = wishes.preferences.handling_applied() {
        let applied = HeaderValue::from_static(applied);
        response.headers_mut().insert(PREFERENCE_APPLIED, applied);
    }
}

/// ETag and Last-Modified.
fn label(headers: &mut HeaderMap, version: &Version) {
    insert(headers, header::ETAG, version.etag());
    insert(
        headers,
        header::LAST_MODIFIED,
        version.last_updated.to_http(),
    );
}

fn location(base: &str, version: &Version) -> String {
    let (resource_type, id) = (version.resource_type.name(), &version.id);
    format!("{base}/{resource_type}/{id}/_history/{}", version.version)
}

/// Inserts a value that we composed; one that is no header value (a base URL with a line
/// break) is left out rather than answered with a failure.
pub fn insert(headers: &mut HeaderMap, name: HeaderName, value: String) {
    if let Ok(value) = HeaderValue::try_from(value) {
        headers.insert(name, value);
    }
}

/// 200 with a text of another kind than FHIR.
pub fn text(content_type: &'static str, body: impl Into<Body>) -> Response {
    let mut response = Response::new(body.into());
    let content_type = HeaderValue::from_static(content_type);
    response
        .headers_mut()
        .insert(header::CONTENT_TYPE, content_type);
    response
}

/// A response of plain JSON that is no FHIR resource.
pub fn plain_json(status: StatusCode, value: &serde_json::Value) -> Response {
    let mut response = text(Format::Json.content_type(), value.to_string());
    *response.status_mut() = status;
    response
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::api::prefer::Preferences;
    use crate::fhir::{Instant, Method, ResourceType};

    const BASE: &str = "http://x/fhir";

    fn version(body: Option<&'static str>) -> Version {
        Version {
            resource_type: ResourceType::parse("Patient").expect("a type"),
            id: "p".to_owned(),
            version: 3,
            last_updated: Instant::parse("2026-03-03T10:00:02.123Z").expect("an instant"),
            method: Method::Put,
            body: body.map(|body| Bytes::from_static(body.as_bytes())),
        }
    }

    fn wishes(prefer: &str) -> Wishes {
        Wishes {
            preferences: Preferences::parse([prefer].into_iter()),
            ..Wishes::default()
        }
    }

    async fn text_of(response: Response) -> String {
        let bytes = axum::body::to_bytes(response.into_body(), 10_000)
            .await
            .expect("a body");
        String::from_utf8(bytes.to_vec()).expect("UTF-8")
    }

    /// Table TF, row 25: the body as preferred, Location and ETag always.
    #[tokio::test]
    async fn prefer_decides_the_body_of_a_write() {
        for (written_, prefer, status, body) in [
            (Written::Created(version(Some("{}"))), "", 201, "{}"),
            (
                Written::Created(version(Some("{}"))),
                "return=minimal",
                201,
                "",
            ),
            (
                Written::Updated(version(Some("{}"))),
                "return=representation",
                200,
                "{}",
            ),
            (
                Written::Unchanged(version(Some("{}"))),
                "return=minimal",
                200,
                "",
            ),
            (
                Written::Created(version(Some("{}"))),
                "return=OperationOutcome",
                201,
                "created Patient/p/_history/3",
            ),
        ] {
            let response = written(&written_, BASE, &wishes(prefer));
            assert_eq!(response.status(), status);
            let headers = response.headers();
            assert_eq!(headers[header::ETAG], "W/\"3\"");
            assert_eq!(
                headers[header::LAST_MODIFIED],
                "Tue, 03 Mar 2026 10:00:02 GMT"
            );
            assert_eq!(
                headers[header::LOCATION],
                "http://x/fhir/Patient/p/_history/3"
            );
            let applied = headers.get(PREFERENCE_APPLIED).map(|v| v.as_bytes());
            assert_eq!(applied.unwrap_or_default(), prefer.as_bytes());
            let text = text_of(response).await;
            assert!(
                text == body || !body.is_empty() && text.contains(body),
                "{text}"
            );
        }
    }

    #[tokio::test]
    async fn a_delete_says_little() {
        let one = Deleted {
            versions: vec![version(None)],
        };
        let response = deleted(&one, &wishes(""));
        assert_eq!(response.status(), 204);
        assert_eq!(response.headers()[header::ETAG], "W/\"3\"");
        assert_eq!(text_of(response).await, "");
        let response = deleted(&Deleted::default(), &wishes("return=OperationOutcome"));
        assert_eq!(response.status(), 200);
        assert!(response.headers().get(header::ETAG).is_none());
        assert!(text_of(response).await.contains("nothing to delete"));
    }

    #[tokio::test]
    async fn pretty_keeps_spelling_and_order() {
        let wishes = Wishes {
            pretty: true,
            ..Wishes::default()
        };
        let body = Bytes::from_static(br#"{"z":1.00,"a":[1E-22,null]}"#);
        let text = text_of(json(StatusCode::OK, body, &wishes)).await;
        assert_eq!(
            text,
            "{\n  \"z\": 1.00,\n  \"a\": [\n    1E-22,\n    null\n  ]\n}"
        );
    }

    #[tokio::test]
    async fn an_unchanged_read_has_no_body() {
        let response = not_modified(&version(Some("{}")));
        assert_eq!(response.status(), 304);
        assert_eq!(response.headers()[header::ETAG], "W/\"3\"");
        assert_eq!(text_of(response).await, "");
    }
}
