//! The search engine on a real PostgreSQL: paging, sorting, includes, handling.
//!
//! Resources are put there with plain SQL and the registry's own index rows, so that these
//! tests are about searching alone; the way over HTTP is tested in `rest`.

mod building;
mod canonicals;
mod chains;
mod compartments;
mod composites;
mod contained;
mod contained_text;
mod deadlines;
mod explain;
mod filter_expression;
mod found;
mod handling;
mod in_place;
mod includes;
mod indexes;
mod lists;
mod missing;
mod modifiers;
mod near;
mod paging;
mod quantities;
mod reference;
mod sorting;
mod supported;
mod terminology;
mod text;
mod tuple_indexes;
mod us_core;

use crate::harness::database;
use andiron::access::Access;
use andiron::definitions::Definitions;
use andiron::error::Error;
use andiron::fhir::{Instant, ResourceType};
use andiron::search::index::resource_key;
use andiron::search::registry::Registry;
use andiron::search::{self, Handling, Limits, Page, Request, Scope};
use andiron::storage::statistics;
use serde_json::Value;
use sqlx::{ConnectOptions, PgConnection, query};
use std::collections::HashMap;
use std::sync::LazyLock;

const BASE: &str = "http://andiron.test/fhir";

static REGISTRY: LazyLock<Registry> = LazyLock::new(registry);

fn registry() -> Registry {
    Registry::new(Definitions::r4()).expect("the registry of R4 compiles")
}

fn kind(name: &str) -> ResourceType {
    ResourceType::parse(name).expect("a resource type")
}

/// A database of one test.
struct World {
    connection: PgConnection,
    clock: i64,
    limits: Limits,
}

impl World {
    async fn new() -> World {
        World {
            connection: database()
                .await
                .connect()
                .await
                .expect("the database answers"),
            clock: 1_700_000_000_000,
            limits: Limits::default(),
        }
    }

    /// Stores a resource as its next version; a millisecond passes.
    async fn put(&mut self, resource: Value) {
        let resource_type = kind(resource["resourceType"].as_str().expect("a type"));
        let id = resource["id"].as_str().expect("an id");
        let key = resource_key(resource_type, id);
        let access = Access::unrestricted();
        let rows = REGISTRY.index(access.tenant, resource_type, &resource, BASE);
        self.clock += 1;
        self.forget_rows(key).await;
        query(
            "INSERT INTO resource (tenant, version, key, xact, last_updated, type, method, id, entries, body, present) \
             VALUES (1, 1, $1, 1, to_timestamp($2::bigint / 1000.0), $3, 2, $4, $5, $6, $7) \
             ON CONFLICT (tenant, type, key) DO UPDATE SET version = resource.version + 1, \
             last_updated = excluded.last_updated, entries = excluded.entries, body = excluded.body, \
             present = excluded.present",
        )
        .bind(key)
        .bind(self.clock)
        .bind(resource_type.number())
        .bind(id)
        .bind(&rows.entries)
        .bind(resource.to_string())
        .bind(rows.present)
        .execute(&mut self.connection)
        .await
        .expect("the resource is stored");
        for row in &rows.dates {
            query(
                "INSERT INTO date_entry (tenant, slot, key, low, high, signature) VALUES (1, $1, $2, $3, $4, $5)",
            )
            .bind(row.slot)
            .bind(key)
            .bind(row.low)
            .bind(row.high)
            .bind(row.signature)
            .execute(&mut self.connection)
            .await
            .expect("the date is stored");
        }
        for row in &rows.strings {
            query("INSERT INTO string_entry (tenant, slot, key, value, exact, whole) VALUES (1, $1, $2, $3, $4, $5)")
                .bind(row.slot)
                .bind(key)
                .bind(&row.value)
                .bind(&row.exact)
            .bind(&row.whole)
                .execute(&mut self.connection)
                .await
                .expect("the string is stored");
        }
        for row in &rows.quantities {
            query(
                "INSERT INTO quantity_entry (tenant, slot, key, low, high, unit, code, label) \
                 VALUES (1, $1, $2, $3::text::numeric, $4::text::numeric, $5, $6, $7)",
            )
            .bind(row.slot)
            .bind(key)
            .bind(&row.low)
            .bind(&row.high)
            .bind(row.unit)
            .bind(row.code)
            .bind(row.text)
            .execute(&mut self.connection)
            .await
            .expect("the quantity is stored");
        }
    }

    async fn forget_rows(&mut self, key: i64) {
        for statement in [
            "DELETE FROM date_entry WHERE tenant = 1 AND key = $1",
            "DELETE FROM string_entry WHERE tenant = 1 AND key = $1",
            "DELETE FROM quantity_entry WHERE tenant = 1 AND key = $1",
        ] {
            query(statement)
                .bind(key)
                .execute(&mut self.connection)
                .await
                .expect("rows go");
        }
    }

    /// Deletes `Patient/1`.
    async fn delete(&mut self, reference: &str) {
        let (name, id) = reference.split_once('/').expect("a reference");
        let key = resource_key(kind(name), id);
        self.forget_rows(key).await;
        query("UPDATE resource SET body = NULL, entries = '{}' WHERE tenant = 1 AND key = $1")
            .bind(key)
            .execute(&mut self.connection)
            .await
            .expect("the resource is deleted");
    }

    /// Answers `Patient?name=a` or the URL of a link.
    async fn try_search(&mut self, url: &str, handling: Handling) -> Result<Page, Error> {
        let relative = url
            .strip_prefix(BASE)
            .unwrap_or(url)
            .trim_start_matches('/');
        let (path, text) = relative.split_once('?').unwrap_or((relative, ""));
        let parts: Vec<&str> = path.split('/').filter(|part| !part.is_empty()).collect();
        let scope = match parts[..] {
            [] => Scope::System,
            [focal, id, member] => Scope::Compartment {
                focal: kind(focal),
                id: id.to_owned(),
                member: ResourceType::parse(member),
            },
            _ => Scope::Type(kind(path)),
        };
        let pairs = andiron::fhir::query::pairs(text)?;
        let request = Request {
            scope,
            pairs,
            handling,
        };
        let query = search::compile(&REGISTRY, &request, BASE, &self.limits, Instant::now())?;
        let access = Access::unrestricted();
        let statistics = statistics::load(&mut self.connection).await?;
        let connection = &mut self.connection;
        let query = search::expand(connection, &access, &REGISTRY, &query).await?;
        let at_once = search::run_at_once(connection, &access, &statistics, &query, BASE)
            .await
            .expect("the statement runs");
        let page = search::run(connection, &access, &REGISTRY, &statistics, &query, BASE)
            .await
            .expect("the statements run");
        if let Some(at_once) = at_once {
            assert_eq!(matches(&at_once), matches(&page), "{url}");
            assert_eq!(unsealed(&at_once), unsealed(&page), "{url}");
        }
        Ok(page)
    }

    /// Asks for each URL and compares the ids that match.
    async fn check(&mut self, table: &[(&str, &str)]) {
        for (url, expected) in table {
            let page = self.search(url).await;
            let mut ids: Vec<&str> = page.matches.iter().map(|one| one.id.as_str()).collect();
            ids.sort_unstable();
            assert_eq!(ids.join(" "), *expected, "{url}");
        }
    }

    /// The code and the text of the first issue of a search that is refused.
    async fn refusal(&mut self, url: &str) -> (&'static str, String) {
        match self.try_search(url, Handling::Strict).await {
            Ok(page) => panic!("{url} is answered: {:?}", matches(&page)),
            Err(error) => (error.issues[0].code, error.issues[0].text.clone()),
        }
    }

    async fn search(&mut self, url: &str) -> Page {
        self.try_search(url, Handling::Strict)
            .await
            .unwrap_or_else(|error| panic!("{url}: {error}"))
    }

    /// The ids of the matches of all pages, one after the other.
    async fn walk_ids(&mut self, url: &str) -> String {
        let found = self.walk(url).await;
        let ids = found.iter().filter_map(|one| one.split('/').nth(1));
        ids.collect::<Vec<&str>>().join(" ")
    }

    /// The matches of all pages, following `next`; the way back by `previous` must show the
    /// same.
    async fn walk(&mut self, url: &str) -> Vec<String> {
        let (mut found, mut next) = (Vec::new(), Some(url.to_owned()));
        let mut last = Vec::new();
        let mut previous = None;
        while let Some(url) = next {
            let page = self.search(&url).await;
            last = matches(&page);
            found.extend(last.clone());
            next = link(&page, "next");
            previous = link(&page, "previous");
        }
        let mut back = last;
        while let Some(url) = previous {
            let page = self.search(&url).await;
            let before = matches(&page);
            previous = link(&page, "previous").filter(|_| !before.is_empty());
            back.splice(0..0, before);
        }
        assert_eq!(back, found, "{url} and back");
        found
    }
}

/// `Patient/1` of each match, in order.
fn matches(page: &Page) -> Vec<String> {
    page.matches
        .iter()
        .map(|version| version.reference())
        .collect()
}

fn sorted(mut list: Vec<String>) -> Vec<String> {
    list.sort();
    list
}

fn includes(page: &Page) -> Vec<String> {
    sorted(
        page.includes
            .iter()
            .map(|version| version.reference())
            .collect(),
    )
}

fn link(page: &Page, relation: &str) -> Option<String> {
    let links: HashMap<_, _> = page.links.iter().cloned().collect();
    links.get(relation).cloned()
}

/// The links of a page without their cursors, none of which is made twice.
fn unsealed(page: &Page) -> Vec<(&str, &str)> {
    let links = page.links.iter();
    let links = links.map(|(relation, url)| (*relation, url.split("_cursor=").next()));
    links
        .map(|(relation, url)| (relation, url.unwrap_or_default()))
        .collect()
}

fn messages(error: &Error) -> Vec<&str> {
    error
        .issues
        .iter()
        .map(|issue| issue.text.as_str())
        .collect()
}
