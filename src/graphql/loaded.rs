//! What a request has loaded so far, and how more of it is loaded: all references that a pass
//! wanted in one statement, its searches one after the other, all from one snapshot.
//!
//! Nothing is loaded that a read or a search by the same caller would not give.

use super::execute::Ground;
use super::problem::Problem;
use crate::access::Access;
use crate::error::{Category, Result};
use crate::fhir::{ResourceType, Version, json};
use crate::interaction::Hub;
use crate::interaction::search::{of_type, page_in};
use crate::storage::read::{find_many, find_version};
use serde_json::Value;
use sqlx::PgConnection;
use std::collections::{BTreeSet, HashMap};

use super::search_arguments::Pairs;

/// The identity of a resource, or of one of its versions.
#[derive(Clone, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct Key {
    number: i16,
    id: String,
    version: Option<i32>,
}

impl Key {
    pub fn new(of: ResourceType, id: &str, version: Option<i32>) -> Key {
        Key {
            number: of.number(),
            id: id.to_owned(),
            version,
        }
    }

    fn resource_type(&self) -> Option<ResourceType> {
        ResourceType::from_number(self.number)
    }
}

/// One search.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub struct SearchKey {
    pub of: ResourceType,
    pub pairs: Pairs,
}

/// What there is under an identity.
#[derive(Debug)]
pub enum Stored {
    There(Value),
    Gone,
    Nowhere,
}

/// What a search found.
#[derive(Debug, Default)]
pub struct Found {
    pub resources: Vec<Value>,
    pub scores: Vec<Option<f32>>,
    pub total: Option<u64>,
    pub page_size: usize,
    pub has_more: bool,
    /// By relation.
    pub links: HashMap<&'static str, String>,
}

/// Everything that is loaded.
#[derive(Debug, Default)]
pub struct Loaded {
    pub resources: HashMap<Key, Stored>,
    pub searches: HashMap<SearchKey, Result<Found, Problem>>,
    /// What mutations have written, by their names in the answer; nothing of a deletion.
    pub written: HashMap<String, Option<Value>>,
    /// Resources in all of them.
    pub count: usize,
    pub bytes: usize,
}

/// What a pass missed.
#[derive(Debug, Default)]
pub struct Wants {
    pub resources: BTreeSet<Key>,
    pub searches: indexmap::IndexSet<SearchKey>,
}

impl Wants {
    pub fn is_empty(&self) -> bool {
        self.resources.is_empty() && self.searches.is_empty()
    }
}

impl Loaded {
    /// Loads what is wanted.
    ///
    /// # Errors
    /// The outer: the database fails. The inner: the request costs more than it may.
    pub async fn load(
        &mut self,
        hub: &Hub,
        connection: &mut PgConnection,
        access: &Access,
        ground: &Ground,
        wants: Wants,
    ) -> Result<Result<(), Problem>> {
        let limits = &ground.limits;
        if self.searches.len() + wants.searches.len() > limits.searches {
            let text = format!("expected at most {} searches in a query", limits.searches);
            return Ok(Err(Problem::costly(text)));
        }
        let too_many = || {
            let text = format!("expected a query of at most {} resources", limits.resources);
            Ok(Err(Problem::costly(text)))
        };
        if self.count + wants.resources.len() > limits.resources {
            return too_many();
        }
        self.references(connection, access, wants.resources).await?;
        for key in wants.searches {
            if self.count > limits.resources {
                return too_many();
            }
            let request = of_type(key.of, key.pairs.clone());
            let found = match page_in(hub, connection, access, request).await {
                Ok((query, page)) => Ok(self.found(query.plan.count, page)),
                Err(error) if is_ours(error.category) => return Err(error),
                Err(error) => Err(Problem::of(error)),
            };
            self.searches.insert(key, found);
        }
        match self.count > limits.resources {
            true => too_many(),
            false => Ok(Ok(())),
        }
    }

    async fn references(
        &mut self,
        connection: &mut PgConnection,
        access: &Access,
        wanted: BTreeSet<Key>,
    ) -> Result<()> {
        let (versions, current): (Vec<Key>, Vec<Key>) =
            wanted.into_iter().partition(|key| key.version.is_some());
        let asked = current.iter();
        let asked: Vec<(ResourceType, &str)> = asked
            .filter_map(|key| Some((key.resource_type()?, key.id.as_str())))
            .collect();
        let found = find_many(connection, access, &asked).await?;
        for version in found {
            let key = Key::new(version.resource_type, &version.id, None);
            let stored = self.stored(version);
            self.resources.insert(key, stored);
        }
        for key in versions {
            let (of, number) = (key.resource_type(), key.version.unwrap_or_default());
            let found = match of {
                Some(of) => find_version(connection, access, of, &key.id, number).await?,
                None => None,
            };
            let stored = found.map_or(Stored::Nowhere, |version| self.stored(version));
            self.resources.insert(key, stored);
        }
        for key in current {
            self.resources.entry(key).or_insert(Stored::Nowhere);
        }
        Ok(())
    }

    fn stored(&mut self, version: Version) -> Stored {
        match version.body {
            None => Stored::Gone,
            Some(body) => Stored::There(self.parsed(&body)),
        }
    }

    /// The JSON of a resource, counted.
    pub fn parsed(&mut self, body: &[u8]) -> Value {
        self.count += 1;
        self.bytes += body.len();
        // What is stored was read before.
        json::parse(body, usize::MAX).unwrap_or_default()
    }

    fn found(&mut self, page_size: usize, page: crate::search::Page) -> Found {
        let bodies = page.matches.iter();
        let bodies = bodies.map(|version| version.body.clone().unwrap_or_default());
        Found {
            resources: bodies.map(|body| self.parsed(&body)).collect(),
            scores: page.told.iter().map(|told| told.score).collect(),
            total: page.total,
            page_size,
            has_more: page.links.iter().any(|(relation, _)| *relation == "next"),
            links: page.links.into_iter().collect(),
        }
    }
}

/// Whether it is not the search that is wrong.
fn is_ours(category: Category) -> bool {
    matches!(
        category,
        Category::Fault | Category::Unavailable | Category::Throttled
    )
}
