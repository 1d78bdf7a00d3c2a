//! What a failing statement means: the one place that reads SQLSTATE.
//! <https://www.postgresql.org/docs/current/errcodes-appendix.html>

use crate::error::{Category, Error};

/// What the database's refusal means for the caller.
pub fn failed(error: sqlx::Error) -> Error {
    let (category, code, text) = match &error {
        sqlx::Error::Database(database) => match database.code().as_deref() {
            Some("57014") => (
                Category::TooCostly,
                "too-costly",
                "the database took longer than the limit `statement-time` allows; ask for less",
            ),
            Some("40001" | "40P01" | "55P03" | "23505") => (
                Category::Conflict,
                "conflict",
                "another request was changing the same resources at the same time; try again",
            ),
            Some("53100") => (
                Category::Unavailable,
                "no-store",
                "the database has no room left; nothing was stored",
            ),
            Some("57P01" | "57P02" | "57P03" | "53300" | "25006") => (
                Category::Unavailable,
                "transient",
                "the database is not available for the moment; try again",
            ),
            _ => return Error::fault(error),
        },
        sqlx::Error::Io(_)
        | sqlx::Error::Tls(_)
        | sqlx::Error::PoolTimedOut
        | sqlx::Error::PoolClosed
        | sqlx::Error::WorkerCrashed
        | sqlx::Error::BeginFailed => (
            Category::Unavailable,
            "transient",
            "the database is not available for the moment; try again",
        ),
        _ => return Error::fault(error),
    };
    let mut failure = Error::coded(category, code, text);
    failure.source = Some(Box::new(error));
    failure
}

impl From<sqlx::Error> for Error {
    fn from(error: sqlx::Error) -> Error {
        failed(error)
    }
}

/// Whether the same work on fresh state may succeed: serialization failure, deadlock,
/// or a row that another transaction inserted first.
pub fn is_retryable(error: &Error) -> bool {
    error
        .source
        .as_ref()
        .and_then(|source| source.downcast_ref::<sqlx::Error>())
        .and_then(|error| error.as_database_error())
        .and_then(|database| database.code())
        .is_some_and(|code| matches!(code.as_ref(), "40001" | "40P01" | "23505"))
}
