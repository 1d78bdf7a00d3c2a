//! Reads what a value set draws on: what is loaded into tables, then what is stored here as a
//! resource, then what is published.
//!
//! Of a system in tables only an excerpt is read, see `crate::terminology::tables`; a resource is
//! parsed once per version, see `crate::terminology::cache`. To who asks both are a
//! [`CodeSystem`].

use super::stored::{Stored, version_parts};
use crate::error::{Category, Error, Result};
use crate::fhir::ResourceType;
use crate::search::plan::Predicate;
use crate::terminology::cache::Stamp;
use crate::terminology::library::supplements_of;
use crate::terminology::tables::{self, Table, Wanted};
use crate::terminology::version::{is_pattern, is_version};
use crate::terminology::{CodeSystem, Library, Part};
use serde_json::Value;
use sqlx::Row;
use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;

/// Versions of one code system that are looked at.
const MAX_VERSIONS: usize = 100;
/// Bytes of a resource from which it is parsed aside.
const LARGE: usize = 1 << 20;

/// The current versions of some resources, without their bodies.
pub const STAMPS: &str = "SELECT key, version, \
      (extract(epoch FROM last_updated) * 1000000)::bigint AS last_updated \
    FROM resource WHERE tenant = $1 AND type = $2 AND key = ANY($3) AND body IS NOT NULL";

/// What evaluating a value set is to find in the library.
#[derive(Clone, Debug, Default)]
pub struct Purpose {
    /// Also the systems of codes that it lists, which membership can do without.
    pub listed: bool,
    /// Its members, and not only whether some codes are among them.
    pub members: bool,
    /// The codes that are asked for.
    pub codes: BTreeSet<String>,
    /// The versions that the codings name, by the URL of their system.
    pub versions: BTreeMap<String, String>,
    /// Supplements that are to be used beside those that the value sets name.
    pub supplements: Vec<String>,
}

impl Stored<'_> {
    /// The code system of that canonical; of one in tables what is wanted.
    pub async fn code_system(
        &mut self,
        canonical: &str,
        wanted: &Wanted,
    ) -> Result<Option<Arc<CodeSystem>>> {
        if let Some(table) = tables::find(self.connection, canonical).await? {
            let excerpt = tables::excerpt(self.connection, &table, wanted).await?;
            return Ok(Some(Arc::new(excerpt)));
        }
        self.system_resource(canonical).await
    }

    /// The table that a canonical means.
    pub async fn table(&mut self, canonical: &str) -> Result<Option<Table>> {
        tables::find(self.connection, canonical).await
    }

    /// The code system of that canonical that is a resource.
    async fn system_resource(&mut self, canonical: &str) -> Result<Option<Arc<CodeSystem>>> {
        let (url, version) = match canonical.split_once('|') {
            Some((url, version)) => (url, Some(version)),
            None => (canonical, None),
        };
        let mut conditions = vec![self.condition("CodeSystem", "url", url)];
        let exact = version.filter(|version| !is_pattern(version));
        conditions.extend(exact.map(|version| self.condition("CodeSystem", "version", version)));
        let mut found = self.systems(Predicate::And(conditions)).await?;
        if let Some(named) = version.filter(|version| is_pattern(version)) {
            let fits = |version: &str| is_version(version, named);
            found.retain(|(_, system)| system.version.as_deref().is_some_and(fits));
        }
        let newest = found.into_iter().max_by_key(|(written, system)| {
            let version = system.version.as_deref().unwrap_or_default();
            (version_parts(version), *written)
        });
        if let Some((_, system)) = newest {
            return Ok(Some(system));
        }
        let definitions = self.registry.model().definitions();
        let published = definitions.artifact("CodeSystem", canonical);
        Ok(published.map(|resource| self.parsed(resource)))
    }

    /// A published code system.
    fn parsed(&self, resource: Arc<Value>) -> Arc<CodeSystem> {
        let parsed = self.registry.code_systems();
        let stamp = Stamp::Published(Arc::as_ptr(&resource).addr());
        if let Some(known) = parsed.find(&stamp) {
            return known;
        }
        let system = Arc::new(CodeSystem::of(&resource));
        parsed.keep(stamp, system.clone(), Some(resource));
        system
    }

    /// The stored code systems that pass, each with when it was written.
    pub async fn systems(&mut self, filter: Predicate) -> Result<Vec<(i64, Arc<CodeSystem>)>> {
        let Some(kind) = ResourceType::parse("CodeSystem") else {
            return Ok(Vec::new());
        };
        let keys = self.keys(kind, filter, MAX_VERSIONS).await?;
        if keys.is_empty() {
            return Ok(Vec::new());
        }
        let rows = sqlx::query(STAMPS)
            .bind(self.access.tenant.0)
            .bind(kind.number())
            .bind(keys)
            .fetch_all(&mut *self.connection)
            .await?;
        let mut found = Vec::with_capacity(rows.len());
        for row in rows {
            let (key, written) = (row.try_get("key")?, row.try_get("last_updated")?);
            let stamp = Stamp::Stored(key, row.try_get("version")?, written);
            let system = match self.registry.code_systems().find(&stamp) {
                Some(known) => Some(known),
                None => self.read_system(kind, key, stamp).await?,
            };
            found.extend(system.map(|system| (written, system)));
        }
        Ok(found)
    }

    async fn read_system(
        &mut self,
        kind: ResourceType,
        key: i64,
        stamp: Stamp,
    ) -> Result<Option<Arc<CodeSystem>>> {
        let loaded = self.load(vec![(kind, key)]).await?;
        let Some(body) = loaded.into_iter().next().and_then(|version| version.body) else {
            return Ok(None);
        };
        let is_large = body.len() > LARGE;
        let parse = move || {
            let resource: Value = serde_json::from_slice(&body).map_err(Error::fault)?;
            Ok::<_, Error>(Arc::new(CodeSystem::of(&resource)))
        };
        let system = match is_large {
            true => tokio::task::spawn_blocking(parse)
                .await
                .map_err(Error::fault)??,
            false => parse()?,
        };
        self.registry
            .code_systems()
            .keep(stamp, system.clone(), None);
        Ok(Some(system))
    }

    /// Adds to the library all that the value set draws on.
    ///
    /// # Errors
    /// `TooCostly`. `Unprocessable`: a supplement that is not known here.
    pub async fn gather(
        &mut self,
        library: &mut Library,
        value_set: Arc<Value>,
        purpose: &Purpose,
    ) -> Result<()> {
        let mut open = vec![value_set];
        let (mut visited, mut in_tables) = (Vec::new(), Vec::new());
        while let Some(next) = open.pop() {
            let needs = library.needs(&next, purpose.listed);
            let needs = needs.map_err(|problem| Error::new(Category::TooCostly, problem.text))?;
            for part in needs {
                match part {
                    Part::ValueSet(url) => {
                        let found = self.by_canonical("ValueSet", &url).await?;
                        open.extend(found.clone());
                        library.add_value_set(url, found);
                    }
                    Part::CodeSystem(url) => match self.table(&url).await? {
                        // Which codes are needed is known when all value sets are.
                        Some(table) => {
                            library.add_code_system(url.clone(), None);
                            in_tables.push((url, table));
                        }
                        None => {
                            let found = self.system_resource(&url).await?;
                            library.add_code_system(url, found);
                        }
                    },
                }
            }
            visited.push(next);
        }
        for (canonical, table) in in_tables {
            let named = visited
                .iter()
                .flat_map(|one| Library::codes_named(one, &table.url, purpose.members));
            let wanted = Wanted {
                codes: purpose.codes.iter().cloned().chain(named).collect(),
                children: visited
                    .iter()
                    .any(|one| Library::asks_for_children(one, &table.url)),
            };
            let excerpt = tables::excerpt(self.connection, &table, &wanted).await?;
            library.add_code_system(canonical, Some(Arc::new(excerpt)));
        }
        let named = visited.iter().flat_map(|one| supplements_of(one));
        let named = named.chain(purpose.supplements.iter().map(String::as_str));
        for canonical in named.collect::<BTreeSet<&str>>() {
            library.add_supplement(self.supplement(canonical).await?);
        }
        Ok(())
    }

    /// The supplement of that canonical.
    ///
    /// # Errors
    /// `Unprocessable`: it is not known here, or is none.
    pub async fn supplement(&mut self, canonical: &str) -> Result<Arc<Value>> {
        let found = self.by_canonical("CodeSystem", canonical).await?;
        let found = found.filter(|found| found["content"] == "supplement");
        found.ok_or_else(|| {
            let text = format!(
                "expected a supplement to a code system that is known here but found `{canonical}`"
            );
            Error::coded(Category::Unprocessable, "not-found", text)
        })
    }
}
