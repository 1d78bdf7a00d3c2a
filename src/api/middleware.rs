//! What surrounds every request: its id, its trace, its limits, its count.
//!
//! The log and the metrics say method, route, interaction, type, status, time and size;
//! never a query, a body or an id of a resource.

use super::answer::Served;
use super::request::wishes_for_errors;
use super::{Api, cors, error, response};
use crate::access::Access;
use crate::error::{Category, Error};
use axum::body::HttpBody;
use axum::extract::{Request, State};
use axum::http::{HeaderMap, HeaderName, HeaderValue, Method, header};
use axum::middleware::Next;
use axum::response::Response;
use futures::FutureExt;
use std::panic::AssertUnwindSafe;
use std::sync::Arc;
use std::time::{Duration, Instant};
use tracing::Instrument;

const X_REQUEST_ID: HeaderName = HeaderName::from_static("x-request-id");
const X_CORRELATION_ID: HeaderName = HeaderName::from_static("x-correlation-id");

/// The id of a request: the client's where it is safe to log, else our own.
/// <https://hl7.org/fhir/R4/http.html#custom>
#[derive(Clone, Debug)]
pub struct RequestId(HeaderValue);

impl RequestId {
    fn of(headers: &HeaderMap) -> RequestId {
        let sent = headers.get(X_REQUEST_ID).filter(|id| is_safe(id));
        RequestId(match sent {
            Some(id) => id.clone(),
            None => HeaderValue::from_str(&uuid::Uuid::now_v7().to_string())
                .expect("a UUID is visible ASCII"),
        })
    }

    pub fn as_str(&self) -> &str {
        self.0.to_str().unwrap_or_default()
    }
}

fn is_safe(id: &HeaderValue) -> bool {
    let is_safe = |byte: &u8| byte.is_ascii_alphanumeric() || b"-_.:/+=".contains(byte);
    (1..=64).contains(&id.len()) && id.as_bytes().iter().all(is_safe)
}

/// The id that [`observe`] gave to this request.
pub fn request_id(extensions: &axum::http::Extensions) -> &str {
    extensions.get::<RequestId>().map_or("", RequestId::as_str)
}

/// Who asks: until the security issue lands, everybody may do everything.
pub fn caller() -> Access {
    Access::unrestricted()
}

/// Counts a request as in work, until it is answered or its client has gone.
struct InFlight<'a>(&'a Api);

impl<'a> InFlight<'a> {
    /// # Errors
    /// `Unavailable` naming `concurrent-requests`: there are as many as may be.
    fn begin(api: &'a Api) -> Result<InFlight<'a>, Error> {
        let most = api.hub.settings.limits.concurrent_requests;
        let before = api.metrics.in_flight.inc();
        let guard = InFlight(api);
        match usize::try_from(before).is_ok_and(|before| before < most) {
            true => Ok(guard),
            false => Err(Error::coded(
                Category::Unavailable,
                "throttled",
                format!("the limit `concurrent-requests` of {most} is reached; try again soon"),
            )),
        }
    }
}

impl Drop for InFlight<'_> {
    fn drop(&mut self) {
        self.0.metrics.in_flight.dec();
    }
}

/// The middleware around every route.
pub async fn observe(State(api): State<Arc<Api>>, mut request: Request, next: Next) -> Response {
    let started = Instant::now();
    let id = RequestId::of(request.headers());
    let correlation = request
        .headers()
        .get(X_REQUEST_ID)
        .filter(|sent| **sent != id.0)
        .cloned();
    let method = request.method().clone();
    let is_app = request.headers().contains_key(header::ORIGIN);
    request.extensions_mut().insert(id.clone());
    let for_errors = wishes_for_errors(request.uri(), request.headers());
    let span = tracing::info_span!("request", request.id = id.as_str());
    let response = admit(&api, request, next, &id)
        .instrument(span.clone())
        .await;
    let mut response = response::shaped(response, &for_errors, &api.hub.definitions).await;
    record(&api, &method, &response, started.elapsed(), &span);
    let headers = response.headers_mut();
    if is_app {
        cors::expose(headers);
    }
    headers.insert(X_REQUEST_ID, id.0);
    if let Some(correlation) = correlation {
        headers.insert(X_CORRELATION_ID, correlation);
    }
    response
}

/// Answers a request if its URL is short enough and there is room for it. A client that goes
/// away drops this future: what was not committed is rolled back.
async fn admit(api: &Api, request: Request, next: Next, id: &RequestId) -> Response {
    if request.method() == Method::OPTIONS {
        return cors::preflight();
    }
    if !request.uri().path().starts_with("/fhir") {
        return run(request, next, id).await;
    }
    if let Err(refused) = check_url(&request, api.hub.settings.limits.url_length) {
        return error::respond(&refused, id.as_str());
    }
    match InFlight::begin(api) {
        Ok(_in_flight) => run(request, next, id).await,
        Err(refused) => error::respond(&refused, id.as_str()),
    }
}

fn check_url(request: &Request, limit: usize) -> Result<(), Error> {
    let length = request
        .uri()
        .path_and_query()
        .map_or(0, |target| target.as_str().len());
    match length > limit {
        false => Ok(()),
        true => Err(Error::new(
            Category::UrlTooLong,
            format!(
                "the URL is longer than the limit `url-length` of {limit} bytes; POST to _search instead"
            ),
        )),
    }
}

/// No input may panic; should one do so nevertheless, its request alone fails.
async fn run(request: Request, next: Next, id: &RequestId) -> Response {
    let answer = AssertUnwindSafe(next.run(request)).catch_unwind().await;
    answer.unwrap_or_else(|panic| {
        let says = panic
            .downcast_ref::<&str>()
            .map(|text| (*text).to_owned())
            .or_else(|| panic.downcast_ref::<String>().cloned())
            .unwrap_or_default();
        error::respond(&Error::fault(format!("a panic: {says}")), id.as_str())
    })
}

fn record(api: &Api, method: &Method, response: &Response, took: Duration, span: &tracing::Span) {
    let served = response.extensions().get::<Served>();
    let route = served.map_or("", |served| served.route.path);
    let interaction = served.map_or("none", |served| served.route.interaction.name());
    let resource_type = served
        .and_then(|served| served.resource_type)
        .map_or("", |resource_type| resource_type.name());
    let status = response.status().as_u16();
    api.metrics
        .answered(interaction, resource_type, status, took);
    let bytes = response.body().size_hint().exact();
    let milliseconds = took.as_secs_f64() * 1000.0;
    // A request that went well is told at a level that is off by default: at thousands a
    // second the log would cost more than the work.
    if status < 500 {
        tracing::debug!(
            parent: span, http.method = %method, http.route = route, fhir.interaction = interaction,
            fhir.type = resource_type, http.status = status, http.milliseconds = milliseconds,
            http.bytes = bytes, "answered"
        );
    } else {
        tracing::warn!(
            parent: span, http.method = %method, http.route = route, fhir.interaction = interaction,
            fhir.type = resource_type, http.status = status, http.milliseconds = milliseconds,
            http.bytes = bytes, "answered"
        );
    }
}

/// For a response that is made outside of the table.
pub fn refuse(refused: &Error, extensions: &axum::http::Extensions) -> Response {
    error::respond(refused, request_id(extensions))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_request_id_is_reused_where_it_is_safe() {
        let long = "a".repeat(65);
        for (sent, is_reused) in [
            (Some("abc-1.2:3"), true),
            (Some("01890a5d-ac96-774b-bcce-b302099a8057"), true),
            (Some(""), false),
            (Some("a b"), false),
            (Some("<script>"), false),
            (Some(long.as_str()), false),
            (None, false),
        ] {
            let mut headers = HeaderMap::new();
            if let Some(sent) = sent {
                headers.insert(X_REQUEST_ID, HeaderValue::from_str(sent).expect(sent));
            }
            let id = RequestId::of(&headers);
            assert_eq!(Some(id.as_str()) == sent, is_reused, "{sent:?}");
            assert!(!id.as_str().is_empty());
        }
    }
}
