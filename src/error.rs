//! The one error of the product: a category, and the issues that explain it.
//!
//! Two small exhaustive tables give each category its issue code (here) and its HTTP status
//! (in `api::error`). Issue codes: <https://hl7.org/fhir/R4/valueset-issue-type.html>.

use std::fmt;

/// How bad an issue is: <https://hl7.org/fhir/R4/valueset-issue-severity.html>.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Severity {
    Fatal,
    Error,
    Warning,
    Information,
}

impl Severity {
    pub fn code(self) -> &'static str {
        match self {
            Severity::Fatal => "fatal",
            Severity::Error => "error",
            Severity::Warning => "warning",
            Severity::Information => "information",
        }
    }
}

/// Where something stands in a text of JSON.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Place {
    /// RFC 6901: `/name/0/given`.
    pub pointer: String,
    /// Line and column, from 1, in the text that was sent, where that is at hand.
    pub position: Option<(u32, u32)>,
}

/// One finding, as an OperationOutcome carries it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Issue {
    pub severity: Severity,
    /// A code of the value set issue-type.
    pub code: &'static str,
    /// What was expected and what was found, for a person.
    pub text: String,
    /// Where: a simple FHIRPath such as `Patient.name[0].given[1]` or `Bundle.entry[3]`.
    pub expression: Option<String>,
    /// The same place in the JSON, where somebody has looked for it.
    pub place: Option<Box<Place>>,
    /// The key of the constraint that does not hold, `pat-1`.
    pub key: Option<String>,
}

impl Issue {
    /// What was said of a resource, as said of the Bundle that has it in the entry of this index.
    pub fn move_to_entry(&mut self, index: usize) {
        let inner = self.expression.take();
        self.expression = Some(placed_in_entry(inner.as_deref(), index));
        if let Some(place) = &mut self.place {
            let entry = format!("/entry/{index}/resource");
            place.pointer.insert_str(0, &entry);
        }
    }

    pub fn error(code: &'static str, text: impl Into<String>) -> Issue {
        Issue {
            severity: Severity::Error,
            code,
            text: text.into(),
            expression: None,
            place: None,
            key: None,
        }
    }

    pub fn warning(code: &'static str, text: impl Into<String>) -> Issue {
        Issue {
            severity: Severity::Warning,
            ..Issue::error(code, text)
        }
    }

    pub fn information(code: &'static str, text: impl Into<String>) -> Issue {
        Issue {
            severity: Severity::Information,
            ..Issue::error(code, text)
        }
    }

    /// The same issue, placed at an element.
    pub fn at(mut self, expression: impl Into<String>) -> Issue {
        self.expression = Some(expression.into());
        self
    }

    /// The same issue, of the constraint with this key.
    pub fn keyed(mut self, key: impl Into<String>) -> Issue {
        self.key = Some(key.into());
        self
    }

    pub fn is_error(&self) -> bool {
        matches!(self.severity, Severity::Error | Severity::Fatal)
    }
}

/// What kind of failure this is; closed on purpose.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Category {
    /// The request cannot be parsed or breaks a basic rule of FHIR.
    Invalid,
    /// It parsed, but breaks a profile, an invariant or a business rule.
    Unprocessable,
    NotFound,
    /// It was there and is deleted.
    Gone,
    Conflict,
    PreconditionFailed,
    /// A thing of FHIR that this server does not do; answered like a bad request.
    NotSupported,
    /// The interaction is not allowed at this URL.
    NotAllowed,
    NotAcceptable,
    UnsupportedMediaType,
    TooLarge,
    UrlTooLong,
    Unauthenticated,
    Forbidden,
    TooCostly,
    Throttled,
    /// The database or another part is away for the moment.
    Unavailable,
    /// Our own fault: the detail is in the log, the caller gets an id.
    Fault,
}

impl Category {
    /// The default issue code of the category.
    pub fn issue_code(self) -> &'static str {
        match self {
            Category::Invalid => "invalid",
            Category::Unprocessable => "processing",
            Category::NotFound => "not-found",
            Category::Gone => "deleted",
            Category::Conflict => "conflict",
            Category::PreconditionFailed => "conflict",
            Category::NotSupported => "not-supported",
            Category::NotAllowed => "not-supported",
            Category::NotAcceptable => "not-supported",
            Category::UnsupportedMediaType => "not-supported",
            Category::TooLarge => "too-long",
            Category::UrlTooLong => "too-long",
            Category::Unauthenticated => "login",
            Category::Forbidden => "forbidden",
            Category::TooCostly => "too-costly",
            Category::Throttled => "throttled",
            Category::Unavailable => "transient",
            Category::Fault => "exception",
        }
    }
}

/// The status of the category, as responses and the entries of Bundles carry it.
pub fn status_line(category: Category) -> &'static str {
    match category {
        Category::Invalid | Category::NotSupported | Category::TooCostly => "400 Bad Request",
        Category::Unauthenticated => "401 Unauthorized",
        Category::Forbidden => "403 Forbidden",
        Category::NotFound => "404 Not Found",
        Category::NotAllowed => "405 Method Not Allowed",
        Category::NotAcceptable => "406 Not Acceptable",
        Category::Conflict => "409 Conflict",
        Category::Gone => "410 Gone",
        Category::PreconditionFailed => "412 Precondition Failed",
        Category::TooLarge => "413 Content Too Large",
        Category::UrlTooLong => "414 URI Too Long",
        Category::UnsupportedMediaType => "415 Unsupported Media Type",
        Category::Unprocessable => "422 Unprocessable Content",
        Category::Throttled => "429 Too Many Requests",
        Category::Fault => "500 Internal Server Error",
        Category::Unavailable => "503 Service Unavailable",
    }
}

/// A failure of a request, with everything its caller may know.
#[derive(Debug)]
pub struct Error {
    pub category: Category,
    pub issues: Vec<Issue>,
    /// For the log only; never shown.
    pub source: Option<Box<dyn std::error::Error + Send + Sync>>,
}

pub type Result<T, E = Error> = std::result::Result<T, E>;

impl Error {
    /// A failure with one issue, coded as its category.
    pub fn new(category: Category, text: impl Into<String>) -> Error {
        Error::coded(category, category.issue_code(), text)
    }

    /// A failure with one issue of a more exact code.
    pub fn coded(category: Category, code: &'static str, text: impl Into<String>) -> Error {
        Error::of(category, vec![Issue::error(code, text)])
    }

    /// A failure with several issues.
    pub fn of(category: Category, issues: Vec<Issue>) -> Error {
        Error {
            category,
            issues,
            source: None,
        }
    }

    pub fn invalid(text: impl Into<String>) -> Error {
        Error::new(Category::Invalid, text)
    }

    /// A fault of ours: the caller sees a general sentence, the log the source.
    pub fn fault(source: impl Into<Box<dyn std::error::Error + Send + Sync>>) -> Error {
        let mut error = Error::new(
            Category::Fault,
            "the server failed to process the request; its log has the cause under this request id",
        );
        error.source = Some(source.into());
        error
    }

    /// The same failure with each issue that has no place put at `expression`.
    pub fn at(mut self, expression: impl Into<String>) -> Error {
        let expression = expression.into();
        for issue in &mut self.issues {
            if issue.expression.is_none() {
                issue.expression = Some(expression.clone());
            }
        }
        self
    }

    /// The same failure inside an entry of a Bundle: `Patient.name` becomes
    /// `Bundle.entry[3].resource.name`, and an issue without a place is put at the entry.
    ///
    /// Every place is taken as one inside the entry's resource, which may be a Bundle too:
    /// what is wrong with the entry itself is placed by [`Error::at`], and not passed here.
    pub fn in_entry(mut self, index: usize) -> Error {
        for issue in &mut self.issues {
            issue.move_to_entry(index);
        }
        self
    }
}

/// The place in the outer Bundle of `inner`, a place in the resource of an entry. The first
/// step of a path is the type; a lone name is an element if it begins as elements do.
fn placed_in_entry(inner: Option<&str>, index: usize) -> String {
    let entry = format!("Bundle.entry[{index}]");
    let Some(inner) = inner else {
        return entry;
    };
    let is_element = || inner.starts_with(|first: char| first.is_ascii_lowercase());
    match inner.split_once('.') {
        Some((_, rest)) => format!("{entry}.resource.{rest}"),
        None if is_element() => format!("{entry}.resource.{inner}"),
        None => format!("{entry}.resource"),
    }
}

impl fmt::Display for Error {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let mut separator = "";
        for issue in &self.issues {
            f.write_str(separator)?;
            if let Some(expression) = &issue.expression {
                write!(f, "{expression}: ")?;
            }
            f.write_str(&issue.text)?;
            separator = "; ";
        }
        Ok(())
    }
}

impl std::error::Error for Error {
    fn source(&self) -> Option<&(dyn std::error::Error + 'static)> {
        self.source.as_deref().map(|source| source as _)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn places_are_put_inside_the_entry() {
        for (inner, placed) in [
            (None, "Bundle.entry[3]"),
            (Some("Patient"), "Bundle.entry[3].resource"),
            (
                Some("Patient.name[0].given"),
                "Bundle.entry[3].resource.name[0].given",
            ),
            (Some("id"), "Bundle.entry[3].resource.id"),
            (
                Some("resourceType"),
                "Bundle.entry[3].resource.resourceType",
            ),
            (
                Some("Bundle.entry[2].fullUrl"),
                "Bundle.entry[3].resource.entry[2].fullUrl",
            ),
            (Some("Bundle.type"), "Bundle.entry[3].resource.type"),
        ] {
            let mut error = Error::invalid("x");
            error.issues[0].expression = inner.map(str::to_owned);
            let error = error.in_entry(3);
            assert_eq!(
                error.issues[0].expression.as_deref(),
                Some(placed),
                "{inner:?}"
            );
        }
    }
}
