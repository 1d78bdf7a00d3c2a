//! What a failing statement means: the one place that reads SQLSTATE.
//! <https://www.postgresql.org/docs/current/errcodes-appendix.html>

use crate::error::{Category, Error};

/// `query_canceled`: the statement took longer than it may.
const TIMEOUT: &str = "57014";

/// What the database's refusal means for the caller.
pub fn failed(error: sqlx::Error) -> Error {
    let (category, code, text) = match &error {
        sqlx::Error::Database(database) => match database.code().as_deref() {
            Some(TIMEOUT) => (
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
            // Data exceptions: a value of the client's that no check stopped, such as U+0000.
            Some(state) if state.starts_with("22") => (
                Category::Invalid,
                "value",
                "a value of the request is not one that the database can hold or compare",
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

/// Whether a statement was given up since it took longer than it may.
pub fn is_timeout(error: &sqlx::Error) -> bool {
    let database = error.as_database_error();
    database
        .and_then(|database| database.code())
        .is_some_and(|code| code == TIMEOUT)
}

impl From<sqlx::Error> for Error {
    fn from(error: sqlx::Error) -> Error {
        failed(error)
    }
}

/// The source of a failure that is no failing statement: what was just found is gone.
#[derive(Debug)]
struct LostRace;

impl std::fmt::Display for LostRace {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("another transaction changed what this one had found")
    }
}

impl std::error::Error for LostRace {}

impl Error {
    /// The failure of work that another request overtook, worth trying again: see
    /// [`is_retryable`].
    pub fn lost_race(text: impl Into<String>) -> Error {
        let mut error = Error::new(Category::Conflict, text);
        error.source = Some(Box::new(LostRace));
        error
    }
}

/// Whether the same work on fresh state may succeed: serialization failure, deadlock,
/// a row that another transaction inserted first, or a match that it deleted.
pub fn is_retryable(error: &Error) -> bool {
    let Some(source) = error.source.as_ref() else {
        return false;
    };
    if source.is::<LostRace>() {
        return true;
    }
    source
        .downcast_ref::<sqlx::Error>()
        .and_then(|error| error.as_database_error())
        .and_then(|database| database.code())
        .is_some_and(|code| matches!(code.as_ref(), "40001" | "40P01" | "23505"))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_lost_race_is_retried_inside_an_entry_too() {
        assert!(is_retryable(&Error::lost_race("x")));
        assert!(is_retryable(&Error::lost_race("x").in_entry(1)));
        assert!(!is_retryable(&Error::invalid("x")));
    }
}
