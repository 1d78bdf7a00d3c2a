//! Conformance resources by canonical or id: those that are stored here, then those that are
//! published. <https://hl7.org/fhir/R4/references.html#canonical>

use super::super::index::{Slot, resource_key};
use super::super::page::{bound, fetch};
use super::super::params::{self, escape, uri};
use super::super::plan::{Plan, Predicate, Total};
use super::super::registry::Registry;
use super::super::rewrite;
use super::super::sql::{self, Wanted};
use crate::access::Access;
use crate::error::{Error, Result};
use crate::fhir::{Instant, ResourceType, Version};
use crate::terminology::implicit;
use crate::terminology::version::{is_pattern, is_version};
use serde_json::Value;
use sqlx::postgres::PgRow;
use sqlx::{PgConnection, Row};
use std::cmp::Ordering;
use std::sync::Arc;

/// Versions of one canonical that are looked at.
const MAX_VERSIONS: usize = 100;

/// What a lookup reads from.
pub struct Stored<'a> {
    pub connection: &'a mut PgConnection,
    pub access: &'a Access,
    pub registry: &'a Registry,
}

/// By what canonicals name a resource.
pub struct Name {
    pub key: i64,
    url: Option<String>,
    version: Option<String>,
}

impl Name {
    /// What the canonicals are indexed by that name it.
    pub fn hashes(&self) -> Vec<i64> {
        let names = |url| uri::names(url, self.version.as_deref());
        self.url.as_deref().map(names).unwrap_or_default()
    }
}

impl Stored<'_> {
    /// The resource of that canonical; without `|version` the one of the highest version.
    pub async fn by_canonical(
        &mut self,
        type_name: &str,
        canonical: &str,
    ) -> Result<Option<Arc<Value>>> {
        let (url, version) = match canonical.split_once('|') {
            Some((url, version)) => (url, Some(version)),
            None => (canonical, None),
        };
        let mut conditions = vec![self.condition(type_name, "url", url)];
        let exact = version.filter(|version| !is_pattern(version));
        conditions.extend(exact.map(|version| self.condition(type_name, "version", version)));
        let mut stored = self.find(type_name, Predicate::And(conditions)).await?;
        if let Some(named) = version.filter(|version| is_pattern(version)) {
            stored.retain(|one| {
                let version = one["version"].as_str();
                version.is_some_and(|version| is_version(version, named))
            });
        }
        if let Some(found) = stored.into_iter().max_by(newer) {
            return Ok(Some(Arc::new(found)));
        }
        let definitions = self.registry.model().definitions();
        let published = definitions.artifact(type_name, canonical);
        Ok(published.or_else(|| match type_name {
            "ValueSet" => implicit(canonical).map(Arc::new),
            _ => None,
        }))
    }

    /// The stored resource of that id.
    pub async fn by_id(&mut self, type_name: &str, id: &str) -> Result<Option<Arc<Value>>> {
        let by_id = Predicate::Id(vec![id.to_owned()]);
        let found = self.find(type_name, by_id).await?;
        Ok(found.into_iter().next().map(Arc::new))
    }

    /// What a parameter of a type asks for; nothing passes where it is unknown.
    pub fn condition(&self, type_name: &str, code: &str, value: &str) -> Predicate {
        let parameter = ResourceType::parse(type_name)
            .and_then(|resource_type| self.registry.parameter(resource_type, code));
        let now = Instant::from_milliseconds(0);
        let value = escape::escape(value);
        let compiled =
            parameter.and_then(|parameter| params::compile(parameter, None, &value, "", now).ok());
        compiled.unwrap_or(Predicate::Nothing)
    }

    /// The resources of a type that pass, [`MAX_VERSIONS`] at most.
    pub async fn find(&mut self, type_name: &str, filter: Predicate) -> Result<Vec<Value>> {
        let Some(resource_type) = ResourceType::parse(type_name) else {
            return Ok(Vec::new());
        };
        let keys = self.keys(resource_type, filter, MAX_VERSIONS).await?;
        if keys.is_empty() {
            return Ok(Vec::new());
        }
        let wanted = keys.into_iter().map(|key| (resource_type, key)).collect();
        let found = self.load(wanted).await?;
        found.iter().map(parse).collect()
    }

    /// The current versions of these resources, where they are not deleted.
    pub async fn load(&mut self, keys: Vec<(ResourceType, i64)>) -> Result<Vec<Version>> {
        let wanted = Wanted {
            references: keys
                .into_iter()
                .map(|(kind, key)| (kind, key, None))
                .collect(),
            ..Wanted::default()
        };
        let statement = sql::included(&wanted, MAX_VERSIONS, self.access);
        let found = fetch(self.connection, &statement).await?;
        Ok(found.into_iter().map(|one| one.version).collect())
    }

    /// Which of these resources have a reference to them that makes one of the entries.
    pub async fn referred(
        &mut self,
        resources: &[&Version],
        entries: &[(Slot, i64)],
    ) -> Result<Vec<String>> {
        let mut referred = Vec::new();
        for resource in resources {
            let key = resource_key(resource.resource_type, &resource.id);
            let to_it = entries.iter().filter(|(_, hash)| *hash == key);
            let statement = sql::has_entry(&to_it.copied().collect::<Vec<_>>(), self.access);
            let row = bound(&statement).fetch_one(&mut *self.connection).await?;
            if row.try_get("found")? {
                referred.push(resource.reference());
            }
        }
        Ok(referred)
    }

    /// The keys of the resources of a type that pass, `limit` at most.
    pub async fn keys(
        &mut self,
        resource_type: ResourceType,
        filter: Predicate,
        limit: usize,
    ) -> Result<Vec<i64>> {
        let statement = sql::keys(&plan(resource_type, filter, limit), limit, self.access);
        let rows = bound(&statement).fetch_all(&mut *self.connection).await?;
        rows.iter().map(|row| Ok(row.try_get("key")?)).collect()
    }

    /// The names of the resources of a type that pass, `limit` at most.
    pub async fn names(
        &mut self,
        resource_type: ResourceType,
        filter: Predicate,
        limit: usize,
    ) -> Result<Vec<Name>> {
        let statement = sql::names(&plan(resource_type, filter, limit), limit, self.access);
        let rows = bound(&statement).fetch_all(&mut *self.connection).await?;
        let name = |row: &PgRow| {
            Ok(Name {
                key: row.try_get("key")?,
                url: row.try_get("url")?,
                version: row.try_get("version")?,
            })
        };
        rows.iter().map(name).collect()
    }
}

/// The resources of a type that pass.
fn plan(resource_type: ResourceType, filter: Predicate, limit: usize) -> Plan {
    rewrite::rewrite(Plan {
        types: vec![resource_type],
        filter,
        sort: Vec::new(),
        count: limit,
        total: Total::None,
        includes: Vec::new(),
    })
}

fn parse(version: &Version) -> Result<Value> {
    let body = version.body.as_ref().map_or(&b"null"[..], |body| body);
    serde_json::from_slice(body).map_err(Error::fault)
}

/// By business version, the numbers in it as numbers; then by when it was stored.
fn newer(left: &Value, right: &Value) -> Ordering {
    let version =
        |resource: &Value| version_parts(resource["version"].as_str().unwrap_or_default());
    let stored = |resource: &Value| resource["meta"]["lastUpdated"].as_str().map(str::to_owned);
    version(left)
        .cmp(&version(right))
        .then_with(|| stored(left).cmp(&stored(right)))
}

/// What business versions are ordered by.
pub fn version_parts(version: &str) -> Vec<(u64, String)> {
    let parts = version.split(['.', '-']);
    parts
        .map(|part| (part.parse().unwrap_or_default(), part.to_owned()))
        .collect()
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    #[test]
    fn the_highest_version_is_the_newest() {
        for (older, later) in [
            ("1", "2"),
            ("1.9.0", "1.10.0"),
            ("", "0.1"),
            ("2023-12-01", "2024-01-01"),
        ] {
            let of = |version: &str| json!({"version": version});
            assert_eq!(
                newer(&of(older), &of(later)),
                Ordering::Less,
                "{older} {later}"
            );
        }
    }
}
