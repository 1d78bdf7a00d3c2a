//! The interactions of the RESTful API, one file each, free of HTTP.
//! <https://hl7.org/fhir/R4/http.html>
//!
//! Each takes the [`Hub`] (what the server is made of), the [`Access`] of the caller and
//! plain values, and returns plain values. `api` turns requests into calls and results into
//! responses; `batch` and `transaction` make the same calls for the entries of a Bundle.

pub mod bindings;
pub mod building;
pub mod bundle;
pub mod capabilities;
pub mod conditions;
pub mod create;
pub mod criteria;
pub mod delete;
pub mod history;
pub mod meter;
pub mod patch;
pub mod prepare;
pub mod read;
pub mod rules;
pub mod search;
pub mod search_combinations;
pub mod subset;
pub mod update;
pub mod vread;

use crate::config::Settings;
use crate::definitions::Definitions;
use crate::fhir::{Instant, Version};
use crate::search::live::Live;
use crate::search::registry::Registry;
use crate::storage::Store;
use crate::terminology::remote::Remote;
use crate::validation::Validator;
use crate::validation::profile::Current;
use bytes::Bytes;
use std::sync::Arc;

/// What the server is made of; one per process.
pub struct Hub {
    pub store: Store,
    pub definitions: Arc<Definitions>,
    /// The search parameters, which change while the server runs.
    pub live: Live,
    pub validator: Arc<Validator>,
    /// The profiles, which change while the server runs.
    pub profiles: Current,
    pub settings: Settings,
    /// Asked for terminology that is not known here.
    pub remote: Option<Remote>,
    /// Hears what searches cost.
    pub meter: meter::Meter,
}

impl Hub {
    /// What writes index now. Who goes on with it later must ask again.
    pub fn registry(&self) -> Arc<Registry> {
        self.live.current().indexed.clone()
    }
}

/// `If-None-Match` and `If-Modified-Since` of a conditional read.
#[derive(Clone, Debug, Default)]
pub struct ReadConditions {
    /// Entity tags as sent, such as `W/"3"` or `*`, comma-separated.
    pub if_none_match: Option<String>,
    pub if_modified_since: Option<Instant>,
}

/// What a read found.
#[derive(Debug)]
pub enum Read {
    Found(Version),
    NotModified(Version),
}

/// `If-Match` and `If-None-Match` of a write, as sent.
#[derive(Clone, Debug, Default)]
pub struct WriteConditions {
    pub if_match: Option<String>,
    /// Only `*` has a meaning on a write: create, never update.
    pub if_none_match: Option<String>,
}

/// What a write did.
#[derive(Clone, Debug)]
pub enum Written {
    /// A new resource, or one that came back from deletion.
    Created(Version),
    Updated(Version),
    /// It was so already: an identical update, or a conditional create with one match.
    Unchanged(Version),
}

impl Written {
    pub fn version(&self) -> &Version {
        match self {
            Written::Created(version) | Written::Updated(version) | Written::Unchanged(version) => {
                version
            }
        }
    }
}

/// What a delete did; `versions` are the deletion markers it made, none where nothing was there.
#[derive(Clone, Debug, Default)]
pub struct Deleted {
    pub versions: Vec<Version>,
}

/// Which resource a write is for.
#[derive(Clone, Debug)]
pub enum Subject {
    /// The logical id in the URL.
    Id(String),
    /// The search criteria in the URL, still percent-encoded: conditional interactions.
    Criteria(String),
}

/// The body of a patch.
#[derive(Clone, Debug)]
pub enum Patch {
    /// `application/json-patch+json`, RFC 6902.
    Json(Bytes),
    /// `application/xml-patch+xml`, RFC 5261.
    Xml(Bytes),
    /// A Parameters in JSON, <https://hl7.org/fhir/R4/fhirpatch.html>.
    FhirPath(Bytes),
}

/// `Prefer: return=…`: what the answer to a successful write carries.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Return {
    Minimal,
    Representation,
    OperationOutcome,
}
