//! What can be configured: a plain struct per concern. The command line, the environment
//! and the TOML file are read in `cli::options`; nothing here reads anything.

use crate::fhir::ResourceType;
use std::collections::BTreeMap;
use std::time::Duration;

/// How writes are validated (`--validation`).
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Validation {
    /// Only what storing needs: JSON of a known type with well-formed ids.
    Off,
    /// Elements, types, cardinality, required codes of the base definitions.
    Structure,
    /// Invariants, bindings and the profiles in `meta.profile` too.
    Profile,
}

/// Where writes are validated otherwise than `--validation` says; tables of the configuration file.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Overrides {
    /// `[validation-by-type]`: instead of the general mode.
    pub types: BTreeMap<ResourceType, Validation>,
    /// `[validation-by-profile]`: whether a resource that claims a profile, by its URL with or
    /// without `|version`, is held to it, whatever the mode is.
    pub profiles: BTreeMap<String, bool>,
    /// `[required-profiles]`: a resource of the type has to keep one of these, whether it claims
    /// it or not, whatever the mode is.
    pub required: BTreeMap<ResourceType, Vec<String>>,
}

/// How references are checked (`--referential-integrity`).
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Integrity {
    Off,
    /// A relative reference to nothing is refused when it is written.
    Write,
    /// Deleting what is referred to is refused as well.
    Full,
}

/// What a request may cost; each limit is named in the error that it causes.
#[derive(Clone, Debug)]
pub struct Limits {
    /// `body-size`: bytes of a request body (413).
    pub body_size: usize,
    /// `bundle-entries`: entries of a batch or transaction (413).
    pub bundle_entries: usize,
    /// `json-depth`: nesting of arrays and objects (400).
    pub json_depth: usize,
    /// `url-length`: bytes of the request target (414).
    pub url_length: usize,
    /// `page-size`: matches on a page when `_count` is not given.
    pub page_size: usize,
    /// `max-page-size`: matches on a page at most; a larger `_count` is capped.
    pub max_page_size: usize,
    /// `max-includes`: included resources on a page at most.
    pub max_includes: usize,
    /// `statement-time`: how long the database may work on one statement.
    pub statement_time: Duration,
    /// `count-time`: how long the database may count the matches of a search.
    pub count_time: Duration,
    /// `concurrent-requests`: requests in work at once; more are answered 503.
    pub concurrent_requests: usize,
    /// `max-conditional-delete`: resources that one conditional delete may remove.
    pub max_conditional_delete: usize,
}

impl Default for Limits {
    fn default() -> Limits {
        Limits {
            body_size: 64 << 20,
            bundle_entries: 10_000,
            json_depth: crate::fhir::json::DEFAULT_DEPTH,
            url_length: 16 << 10,
            page_size: 20,
            max_page_size: 1_000,
            max_includes: 1_000,
            statement_time: Duration::from_secs(30),
            count_time: Duration::from_secs(10),
            concurrent_requests: 512,
            max_conditional_delete: 1_000,
        }
    }
}

/// Another terminology server, asked for what is not known here.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct TerminologyServer {
    /// `terminology-server`: its FHIR base, without a slash at its end.
    pub url: String,
    /// `terminology-time`: how long it may take to answer.
    pub time: Duration,
    /// `terminology-cache`: answers that are kept.
    pub cached: usize,
    /// `terminology-cache-time`: how long they are kept.
    pub cache_time: Duration,
}

/// What the interactions need to know.
#[derive(Clone, Debug)]
pub struct Settings {
    /// The FHIR base without a trailing slash: every absolute link begins with it.
    pub base: String,
    pub validation: Validation,
    pub overrides: Overrides,
    pub integrity: Integrity,
    pub limits: Limits,
    pub terminology_server: Option<TerminologyServer>,
}

impl Settings {
    /// How writes of this type are validated.
    pub fn validation_of(&self, resource_type: ResourceType) -> Validation {
        let own = self.overrides.types.get(&resource_type);
        own.copied().unwrap_or(self.validation)
    }

    /// Whether any write is held to profiles.
    pub fn uses_profiles(&self) -> bool {
        let overrides = &self.overrides;
        self.validation == Validation::Profile
            || overrides
                .types
                .values()
                .any(|of| *of == Validation::Profile)
            || overrides.profiles.values().any(|is_held| *is_held)
            || !overrides.required.is_empty()
    }
}
