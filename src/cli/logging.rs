//! The log: sentences with fields on standard error, as text or JSON.
//!
//! What is logged is decided where it is logged; here is only where it goes.

use super::options::Log;
use std::io::IsTerminal;
use tracing_subscriber::EnvFilter;

/// Starts logging for this process. A second call changes nothing.
pub fn start(log: &Log) {
    // The directives were judged when the options were read.
    let filter = EnvFilter::try_new(&log.directives).unwrap_or_default();
    let builder = tracing_subscriber::fmt()
        .with_env_filter(filter)
        .with_writer(std::io::stderr)
        .with_ansi(std::io::stderr().is_terminal());
    let started = match log.json {
        true => builder.json().flatten_event(true).try_init(),
        false => builder.try_init(),
    };
    // A test in the same process may have started it before.
    drop(started);
}
