//! The one error of the managed cluster: what went wrong, and what the person at the terminal
//! can do about it.
//!
//! It is shown once, at start, to someone who may never have seen PostgreSQL. It is not the
//! request-time [`crate::error`]: nothing here ever reaches a FHIR client.

use std::fmt;
use std::io;
use std::path::Path;

/// Why the managed PostgreSQL cluster could not be started, used or stopped.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ClusterError {
    /// What went wrong, as a sentence without a final period.
    pub message: String,
    /// What to do about it, as whole sentences.
    pub advice: String,
}

/// The way out that is open in every situation.
pub(super) const USE_ANOTHER_DATABASE: &str =
    "Install PostgreSQL 15 or newer, or use a database of your own with --database-url.";

impl ClusterError {
    pub(super) fn new(message: impl Into<String>, advice: impl Into<String>) -> Self {
        Self {
            message: message.into(),
            advice: advice.into(),
        }
    }

    /// An operating system error while doing `action` ("create") to `path`.
    pub(super) fn io(action: &str, path: &Path, error: &io::Error) -> Self {
        let advice = match error.kind() {
            io::ErrorKind::PermissionDenied => {
                "Check who owns the data directory, or choose another one with --data-dir."
            }
            io::ErrorKind::StorageFull => {
                "Free some space on that disk, or choose another data directory with --data-dir."
            }
            io::ErrorKind::ReadOnlyFilesystem => {
                "Choose a data directory on a writable file system with --data-dir."
            }
            _ => "Check the data directory, or choose another one with --data-dir.",
        };
        Self::new(
            format!("cannot {action} {}: {error}", path.display()),
            advice,
        )
    }
}

impl fmt::Display for ClusterError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}.\n{}", self.message, self.advice)
    }
}

impl std::error::Error for ClusterError {}
