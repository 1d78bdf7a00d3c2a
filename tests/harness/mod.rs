//! A server per test: the real router on a database of its own, copied from a migrated
//! template in one PostgreSQL cluster that all tests of the process share.

mod cluster;
mod reply;

pub use cluster::database;
pub use reply::Reply;

use andiron::api;
use andiron::config::{Integrity, Limits, Overrides, Settings, Validation};
use andiron::definitions::Definitions;
use andiron::interaction::Hub;
use andiron::interaction::meter::Meter;
use andiron::search::live::Live;
use andiron::search::registry::Registry;
use andiron::storage::{Store, StoreOptions};
use andiron::terminology::remote::Remote;
use andiron::validation::Validator;
use andiron::validation::profile::{Current, Profiles};
use axum::body::Body;
use axum::http::Request;
use serde_json::Value;
use std::path::PathBuf;
use std::sync::{Arc, LazyLock};
use tower::ServiceExt;

/// The base that links begin with.
pub const BASE: &str = "http://andiron.test/fhir";

/// What every server of the process shares: compiled once.
static SHARED: LazyLock<(Arc<Definitions>, Arc<Registry>, Arc<Validator>)> = LazyLock::new(|| {
    let definitions = Definitions::r4();
    let registry = Registry::new(definitions.clone()).expect("the registry of R4 compiles");
    let validator = Validator::new(definitions.clone());
    (definitions, Arc::new(registry), validator)
});

/// A server of one test.
#[derive(Clone)]
pub struct Server {
    router: axum::Router,
    pub hub: Arc<Hub>,
}

/// The settings of the default configuration.
pub fn settings() -> Settings {
    Settings {
        base: BASE.to_owned(),
        validation: Validation::Structure,
        overrides: Overrides::default(),
        integrity: Integrity::Write,
        limits: Limits::default(),
        terminology_server: None,
    }
}

impl Server {
    /// A server with an empty database and the default settings.
    pub async fn start() -> Server {
        Server::with(|_| {}).await
    }

    /// The same with other settings.
    pub async fn with(change: impl FnOnce(&mut Settings)) -> Server {
        let mut settings = settings();
        change(&mut settings);
        Server::on(database().await, settings).await
    }

    /// A server on a database that may have been used before.
    pub async fn on(connect: sqlx::postgres::PgConnectOptions, settings: Settings) -> Server {
        let options = StoreOptions {
            connections: 8,
            statement_time: settings.limits.statement_time,
        };
        let store = Store::connect(connect, &options)
            .await
            .expect("the database is there");
        let (definitions, registry, validator) = SHARED.clone();
        let profiles = Profiles::new(definitions.clone(), Vec::new(), &settings.base);
        let profiles = Current::new(profiles);
        let hub = Arc::new(Hub {
            store,
            definitions,
            live: Live::new(registry),
            validator,
            profiles,
            remote: settings
                .terminology_server
                .clone()
                .map(|server| Remote::new(server).expect("HTTP is spoken")),
            settings,
            meter: Meter::default(),
        });
        Server {
            router: api::router(hub.clone()),
            hub,
        }
    }

    /// Sends a request; `headers` as `Name: value`.
    pub async fn send(
        &self,
        method: &str,
        path: &str,
        headers: &[&str],
        body: impl Into<Body>,
    ) -> Reply {
        let mut request = Request::builder().method(method).uri(path);
        for header in headers {
            let (name, value) = header.split_once(": ").expect("a header is `Name: value`");
            request = request.header(name, value);
        }
        let request = request.body(body.into()).expect("a well-formed request");
        let response = self
            .router
            .clone()
            .oneshot(request)
            .await
            .expect("the router never fails");
        Reply::read(response).await
    }

    pub async fn get(&self, path: &str) -> Reply {
        self.send("GET", &format!("/fhir{path}"), &[], Body::empty())
            .await
    }

    pub async fn delete(&self, path: &str) -> Reply {
        self.send("DELETE", &format!("/fhir{path}"), &[], Body::empty())
            .await
    }

    pub async fn post(&self, path: &str, body: &Value) -> Reply {
        self.post_with(path, &[], body).await
    }

    pub async fn post_with(&self, path: &str, headers: &[&str], body: &Value) -> Reply {
        self.fhir("POST", path, headers, body).await
    }

    pub async fn put(&self, path: &str, body: &Value) -> Reply {
        self.put_with(path, &[], body).await
    }

    pub async fn put_with(&self, path: &str, headers: &[&str], body: &Value) -> Reply {
        self.fhir("PUT", path, headers, body).await
    }

    pub async fn json_patch(&self, path: &str, headers: &[&str], body: &Value) -> Reply {
        let mut all = vec!["Content-Type: application/json-patch+json"];
        all.extend(headers);
        self.send("PATCH", &format!("/fhir{path}"), &all, body.to_string())
            .await
    }

    async fn fhir(&self, method: &str, path: &str, headers: &[&str], body: &Value) -> Reply {
        let mut all = vec!["Content-Type: application/fhir+json"];
        all.extend(headers);
        self.send(method, &format!("/fhir{path}"), &all, body.to_string())
            .await
    }

    /// Creates a resource and returns its id.
    pub async fn create(&self, resource: &Value) -> String {
        let kind = resource["resourceType"].as_str().expect("a resource type");
        let reply = self.post(&format!("/{kind}"), resource).await;
        reply.expect(201);
        reply.json()["id"].as_str().expect("an id").to_owned()
    }
}

/// The shared material, or `None` with a loud word where it is absent.
pub fn shared(path: &str) -> Option<PathBuf> {
    let root = std::env::var_os("ANDIRON_SHARED").map_or_else(
        || PathBuf::from(env!("CARGO_MANIFEST_DIR")).join("../shared"),
        PathBuf::from,
    );
    let found = root.join(path);
    if found.exists() {
        return Some(found);
    }
    eprintln!("SKIPPED: {path} is not there: set ANDIRON_SHARED to the folder that has it");
    None
}
