//! `andiron serve`: database, schema, hub, listener, in this order; and the same backwards on
//! SIGTERM or Ctrl-C.
//!
//! Standard output gets one line, `listening on http://…`, when requests can be served. If the
//! database goes away later the server stays and says so at `/health/ready`.

use super::database::{Database, Kept};
use super::options::{Serve, Writing};
use super::stop::Stop;
use super::{Failure, demo};
use crate::api;
use crate::config::{Limits, Settings};
use crate::definitions::Definitions;
use crate::interaction::Hub;
use crate::interaction::meter::Meter;
use crate::jobs::{self, Background, Work};
use crate::search::live::Live;
use crate::search::registry::Registry;
use crate::storage::{Store, StoreOptions, migrate};
use crate::terminology::remote::Remote;
use crate::validation::Validator;
use crate::validation::profile::{Current, Profiles};
use sqlx::postgres::PgConnectOptions;
use std::io::Write;
use std::sync::Arc;
use std::time::{Duration, Instant};
use tokio::net::TcpListener;
use tracing::{info, warn};

/// How long requests in flight may take to finish once we are asked to stop.
const GRACE: Duration = Duration::from_secs(30);

/// How long the pool may take to close after that; then PostgreSQL ends its sessions.
const POOL_GRACE: Duration = Duration::from_secs(5);

pub async fn run(options: Serve) -> Result<(), Failure> {
    let begun = Instant::now();
    let stop = Stop::listen()?;
    // First of all, so that a taken port is told before a database is made.
    let listener = listen(&options).await?;
    let address = listener
        .local_addr()
        .map_err(|error| Failure::new(format!("cannot tell the address listened on: {error}")))?;
    let url = options.writing.public_url.clone();
    let url = url.unwrap_or_else(|| format!("http://{address}"));

    let database = tokio::select! {
        opened = Database::open(&options.place, &|text| info!("{text}")) => opened?,
        () = stop.asked() => return Ok(()),
    };
    let connect = database.connect.clone();
    let kept = database
        .cluster
        .map(|cluster| Kept::new(cluster, &options.place.data_dir));
    let started = tokio::select! {
        hub = start(&options, connect, &url) => hub.map(Some),
        () = stop.asked() => Ok(None),
    };
    let outcome = match started {
        Ok(Some((hub, background))) => {
            let milliseconds = begun.elapsed().as_millis();
            info!(address = %address, "ready in {milliseconds} ms");
            serve(listener, (hub, background), &options, &url, &stop).await
        }
        Ok(None) => Ok(()),
        Err(failure) => Err(failure),
    };
    let stopped = match kept {
        Some(kept) => kept.stop().await,
        None => Ok(()),
    };
    outcome.and(stopped)
}

async fn listen(options: &Serve) -> Result<TcpListener, Failure> {
    TcpListener::bind(options.listen).await.map_err(|error| {
        let advice = match error.kind() {
            std::io::ErrorKind::AddrInUse => "; choose another port with --listen",
            _ => "",
        };
        Failure::new(format!(
            "cannot listen on {}: {error}{advice}",
            options.listen
        ))
    })
}

/// Everything between a database and the first request.
async fn start(
    options: &Serve,
    connect: PgConnectOptions,
    url: &str,
) -> Result<(Arc<Hub>, Background), Failure> {
    let report = migrate::run(&connect).await?;
    for title in &report.applied {
        info!("applied migration {title}");
    }
    let connections = options.place.connections;
    let hub = open_hub(connect, connections, &options.writing, &options.limits, url).await?;
    let background = jobs::start(&hub, Work::Yes).await?;
    if options.demo {
        demo::load(&hub).await?;
    }
    Ok((hub, background))
}

/// What the interactions need, over a database whose schema is up to date. Before it writes,
/// its background has to be started.
pub async fn open_hub(
    connect: PgConnectOptions,
    connections: u32,
    writing: &Writing,
    limits: &Limits,
    url: &str,
) -> Result<Arc<Hub>, Failure> {
    let store = StoreOptions {
        connections,
        statement_time: limits.statement_time,
    };
    let store = Store::connect(connect, &store).await?;
    let definitions = Definitions::r4();
    let registry = Registry::new(definitions.clone()).map_err(Failure::new)?;
    let base = format!("{url}/fhir");
    let profiles = Profiles::new(definitions.clone(), Vec::new(), &base);
    Ok(Arc::new(Hub {
        store,
        live: Live::new(Arc::new(registry)),
        validator: Validator::new(definitions.clone()),
        profiles: Current::new(profiles),
        definitions,
        settings: Settings {
            base,
            validation: writing.validation,
            overrides: writing.overrides.clone(),
            integrity: writing.integrity,
            limits: limits.clone(),
            terminology_server: writing.terminology_server.clone(),
        },
        remote: writing
            .terminology_server
            .clone()
            .map(Remote::new)
            .transpose()
            .map_err(Failure::new)?,
        meter: Meter::default(),
    }))
}

/// Answers requests until asked to stop, and finishes those in flight.
async fn serve(
    listener: TcpListener,
    (hub, background): (Arc<Hub>, Background),
    options: &Serve,
    url: &str,
    stop: &Stop,
) -> Result<(), Failure> {
    let router = api::router(hub.clone());
    let asked = {
        let stop = stop.clone();
        async move {
            stop.asked().await;
            info!("asked to stop: requests in flight are finished");
        }
    };
    let serving = tokio::spawn(api::serve(listener, router, asked, GRACE));
    announce(options, url)?;
    let outcome = tokio::select! {
        served = serving => match served {
            Ok(Ok(())) => Ok(()),
            Ok(Err(error)) => Err(Failure::new(format!("the server failed: {error}"))),
            Err(error) => Err(Failure::new(format!("the server failed: {error}"))),
        },
        () = stop.asked_again() => {
            warn!("asked to stop at once: requests in flight are cut off");
            Ok(())
        }
    };
    let close = async {
        background.stop().await;
        hub.store.close().await;
    };
    if tokio::time::timeout(POOL_GRACE, close).await.is_err() {
        warn!("some database connections are still busy; PostgreSQL ends them");
    }
    outcome
}

/// The one line that scripts wait for, and for people what to try.
fn announce(options: &Serve, url: &str) -> Result<(), Failure> {
    let mut out = std::io::stdout().lock();
    writeln!(out, "listening on {url}")
        .and_then(|()| out.flush())
        .map_err(|error| Failure::new(format!("cannot write to standard output: {error}")))?;
    if options.demo {
        eprintln!("{}", demo::invitation(&format!("{url}/fhir")));
    }
    Ok(())
}
