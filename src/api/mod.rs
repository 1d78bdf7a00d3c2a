//! The HTTP edge: the only module that knows axum, status codes and headers.
//! <https://hl7.org/fhir/R4/http.html>
//!
//! ```text
//! router ─▶ middleware ─▶ answer ─▶ request, negotiate,             HTTP -> plain values
//!  table    id, trace,      │       place, query, body, prefer
//!           limits, count   ├─▶ interaction::*, operation::*        the work
//!                           └─▶ response, error                     plain values -> HTTP
//! ```
//!
//! Not done here: rules of FHIR beyond the syntax of a request, and TLS, which a proxy does.
//! XML ends here: below, a body is JSON (`format` turns one into the other).
//!
//! ## Decisions
//! 2026-11-22: a request that fails is told in the format that it asks for, and in JSON where
//! it asks for none that there is: a client that cannot be answered learns why all the same.
//!
//! 2026-11-21: identity of requests is logged, their content is not. The line per answered
//! request is of the level `debug` (`warn` from status 500 on), since the metrics count them
//! all and at thousands a second a log costs more than the reads that it tells of.

mod answer;
mod body;
mod cors;
mod error;
mod metrics;
mod middleware;
mod negotiate;
mod pages;
mod place;
mod prefer;
mod query;
mod request;
mod response;
mod router;

use crate::error::{Category, Error, Result};
use crate::fhir::Instant;
use crate::interaction::{Hub, capabilities};
use axum::Router;
use axum::serve::ListenerExt;
use bytes::Bytes;
use std::future::Future;
use std::io;
use std::sync::{Arc, Mutex, OnceLock, PoisonError};
use std::time::Duration;
use tokio::net::TcpListener;
use tokio::sync::oneshot;

/// What every route has at hand.
struct Api {
    hub: Arc<Hub>,
    metrics: Arc<metrics::Metrics>,
    /// When this server began to say what it says of itself.
    started: Instant,
    /// The CapabilityStatement, with the generation of the search parameters that it names and
    /// the count of writes of what its profiles are made of.
    capabilities: Mutex<Option<Composed>>,
    terminology: OnceLock<Arc<Statement>>,
}

/// A statement, with what it was composed of.
type Composed = ((i64, i64), Arc<Statement>);

/// A resource that is composed once, not for each request.
struct Statement {
    body: Bytes,
    etag: String,
}

impl Statement {
    fn of(value: &serde_json::Value) -> Statement {
        let body = Bytes::from(value.to_string());
        let etag = format!("W/\"{:016x}\"", xxhash_rust::xxh3::xxh3_64(&body));
        Statement { body, etag }
    }
}

impl Api {
    /// The statement of `GET /metadata?mode=`.
    ///
    /// # Errors
    /// `Invalid`: another mode than `full`, `normative` or `terminology`.
    fn statement(&self, mode: Option<&str>) -> Result<Arc<Statement>> {
        match mode {
            None | Some("" | "full" | "normative") => Ok(self.capability_statement()),
            Some("terminology") => {
                let statement = self.terminology.get_or_init(|| {
                    let composed = capabilities::terminology_capabilities(&self.hub, self.started);
                    Arc::new(Statement::of(&composed))
                });
                Ok(statement.clone())
            }
            Some(other) => Err(Error::coded(
                Category::Invalid,
                "code-invalid",
                format!("expected mode to be full, normative or terminology but found {other:?}"),
            )),
        }
    }

    /// Composed anew when the search parameters or the profiles have changed.
    fn capability_statement(&self) -> Arc<Statement> {
        let generation = self.hub.live.current().generation;
        let now = (generation, self.hub.profiles.writes());
        let mut kept = self
            .capabilities
            .lock()
            .unwrap_or_else(PoisonError::into_inner);
        if let Some((_, statement)) = kept.as_ref().filter(|(of, _)| *of == now) {
            return statement.clone();
        }
        let offers = router::offers();
        let composed = capabilities::capability_statement(&self.hub, &offers, self.started);
        let statement = Arc::new(Statement::of(&composed));
        *kept = Some((now, statement.clone()));
        statement
    }
}

/// The whole HTTP API of a server.
pub fn router(hub: Arc<Hub>) -> Router {
    let metrics = Arc::new(metrics::Metrics::new());
    let counting = metrics.clone();
    hub.meter
        .count_by(move |measured| counting.searched(measured));
    router::build(Arc::new(Api {
        hub,
        metrics,
        started: Instant::now(),
        capabilities: Mutex::default(),
        terminology: OnceLock::new(),
    }))
}

/// Serves until `shutdown` completes, then finishes the requests in flight, for which they
/// have `grace`.
///
/// # Errors
/// What the listener says; accepting goes on through the passing ones.
pub async fn serve(
    listener: TcpListener,
    router: Router,
    shutdown: impl Future<Output = ()> + Send + 'static,
    grace: Duration,
) -> io::Result<()> {
    let listener = listener.tap_io(|stream| {
        // Without it a small answer may wait for the acknowledgement of the one before.
        if let Err(error) = stream.set_nodelay(true) {
            tracing::debug!(%error, "TCP_NODELAY could not be set");
        }
    });
    let (begin, begun) = oneshot::channel();
    let signal = async move {
        shutdown.await;
        // Nobody listens any more where serving has ended by itself.
        let _ = begin.send(());
    };
    let too_long = async move {
        match begun.await {
            Ok(()) => tokio::time::sleep(grace).await,
            Err(_) => std::future::pending().await,
        }
    };
    tokio::select! {
        served = async { axum::serve(listener, router).with_graceful_shutdown(signal).await } => served,
        () = too_long => {
            tracing::warn!(grace.seconds = grace.as_secs(), "requests in flight were cut off");
            Ok(())
        }
    }
}
