//! An error as a response: the HTTP status of each category and its OperationOutcome.
//! <https://hl7.org/fhir/R4/http.html#Status-Codes>

use super::negotiate::{Format, PATCHES};
use super::response;
use crate::error::{Category, Error, status_line};
use crate::fhir::outcome::operation_outcome;
use axum::body::Body;
use axum::http::{HeaderValue, StatusCode, header};
use axum::response::Response;

/// Seconds after which a client that was turned away may try again.
const RETRY_AFTER: HeaderValue = HeaderValue::from_static("1");

/// The HTTP status of a category: the number of its [`status_line`], which the entries of
/// Bundles carry too, so that there is one table.
pub fn status(category: Category) -> StatusCode {
    let number = status_line(category).as_bytes().get(..3);
    number
        .and_then(|number| StatusCode::from_bytes(number).ok())
        .unwrap_or(StatusCode::INTERNAL_SERVER_ERROR)
}

/// The response to a failed request, in JSON until `response::shaped` has told it as it was
/// asked for. What must not be shown is logged here, once.
pub fn respond(error: &Error, request_id: &str) -> Response {
    log(error, request_id);
    let mut outcome = operation_outcome(&error.issues);
    if error.category == Category::Fault {
        for issue in outcome["issue"].as_array_mut().into_iter().flatten() {
            issue["diagnostics"] = format!("request id {request_id}").into();
        }
    }
    let mut response = Response::new(Body::from(outcome.to_string()));
    *response.status_mut() = status(error.category);
    let headers = response.headers_mut();
    headers.insert(
        header::CONTENT_TYPE,
        HeaderValue::from_static(Format::FhirJson.content_type()),
    );
    match error.category {
        Category::Unavailable | Category::Throttled => {
            headers.insert(header::RETRY_AFTER, RETRY_AFTER);
        }
        Category::UnsupportedMediaType => {
            // RFC 5789 section 3.1
            headers.insert("accept-patch", HeaderValue::from_static(PATCHES));
        }
        _ => {}
    }
    response::mark_error(&mut response);
    response
}

fn log(error: &Error, request_id: &str) {
    let Some(source) = &error.source else {
        return;
    };
    // A source speaks of the server's own parts, such as a statement or a connection.
    match error.category {
        Category::Fault => {
            tracing::error!(
                request.id = request_id,
                error = chain(source.as_ref()),
                "request failed"
            );
        }
        _ => {
            tracing::warn!(
                request.id = request_id,
                error = chain(source.as_ref()),
                "request refused"
            );
        }
    }
}

/// An error and its causes in one line.
fn chain(error: &(dyn std::error::Error + 'static)) -> String {
    let mut text = error.to_string();
    let mut cause = error.source();
    while let Some(error) = cause {
        text.push_str(": ");
        text.push_str(&error.to_string());
        cause = error.source();
    }
    text
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Sheet 01, section 11.
    #[test]
    fn each_category_has_its_status() {
        for (category, code) in [
            (Category::Invalid, 400),
            (Category::Unprocessable, 422),
            (Category::NotFound, 404),
            (Category::Gone, 410),
            (Category::Conflict, 409),
            (Category::PreconditionFailed, 412),
            (Category::NotSupported, 400),
            (Category::NotAllowed, 405),
            (Category::NotAcceptable, 406),
            (Category::UnsupportedMediaType, 415),
            (Category::TooLarge, 413),
            (Category::UrlTooLong, 414),
            (Category::Unauthenticated, 401),
            (Category::Forbidden, 403),
            (Category::TooCostly, 400),
            (Category::Throttled, 429),
            (Category::Unavailable, 503),
            (Category::Fault, 500),
        ] {
            assert_eq!(status(category).as_u16(), code, "{category:?}");
        }
    }

    #[tokio::test]
    async fn a_fault_shows_the_request_and_hides_its_source() {
        let response = respond(&Error::fault("secret statement"), "abc");
        assert_eq!(response.status(), 500);
        let body = axum::body::to_bytes(response.into_body(), 10_000)
            .await
            .expect("a body");
        let text = String::from_utf8_lossy(&body).into_owned();
        assert!(
            text.contains("request id abc") && !text.contains("secret"),
            "{text}"
        );
        let response = respond(
            &Error::new(Category::Unavailable, "the database is away"),
            "abc",
        );
        assert_eq!(response.headers()[header::RETRY_AFTER], "1");
    }
}
