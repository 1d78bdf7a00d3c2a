//! From the resources of a package to what is stored of them: ids that are free, references that
//! lead where they did, rows of the index.

use super::Outcome;
use crate::access::Access;
use crate::config::Validation;
use crate::error::{Category, Error, Issue, Result};
use crate::fhir::reference::Target;
use crate::fhir::{Draft, Id, Method, ResourceType};
use crate::interaction::Hub;
use crate::package::{Content, Manifest, Package};
use crate::search::index::{hash, resource_key};
use crate::search::literal_references::rewrite_references;
use crate::storage::packages::{self, Owned};
use crate::storage::write::{self, Change, Current};
use serde_json::Value;
use sqlx::PgConnection;
use std::collections::{HashMap, HashSet};
use std::sync::Arc;

/// How many resources are parsed and written at a time.
const AT_A_TIME: usize = 200;

/// Stores the resources of one package in the open transaction.
pub(super) async fn store(
    hub: &Arc<Hub>,
    access: &Access,
    connection: &mut PgConnection,
    package: &Arc<Package>,
    outcome: &mut Outcome,
) -> Result<()> {
    let (ids, deleted) = choose_ids(connection, access, package).await?;
    let plan = Arc::new(Plan {
        hub: hub.clone(),
        access: access.clone(),
        package: package.clone(),
        ids,
        deleted,
    });
    let moment = write::moment(connection, access).await?;
    let mut owned = Vec::with_capacity(package.contents.len());
    for start in (0..package.contents.len()).step_by(AT_A_TIME) {
        let plan = plan.clone();
        let prepared = tokio::task::spawn_blocking(move || plan.prepare(start)).await;
        let (changes, issues) = prepared.map_err(Error::fault)?.map_err(Error::invalid)?;
        let versions = write::apply(connection, access, moment, &changes).await?;
        let contents = &package.contents[start..];
        for ((content, change), version) in contents.iter().zip(&changes).zip(&versions) {
            let kind = content.resource_type;
            *outcome.stored.entry(kind.name()).or_default() += 1;
            owned.push(Owned {
                resource_type: kind,
                id: change.id.clone(),
                own_id: content.id.clone(),
                key: change.key,
                version: version.version,
            });
        }
        outcome.issues.extend(issues);
    }
    packages::add(connection, access, package, &owned).await
}

/// Ids for the contents of a package under which nothing is stored, and the rows, held, of
/// what was deleted there.
async fn choose_ids(
    connection: &mut PgConnection,
    access: &Access,
    package: &Package,
) -> Result<(Vec<String>, HashMap<i64, Current>)> {
    let manifest = &package.manifest;
    let mut ids: Vec<Option<String>> = vec![None; package.contents.len()];
    let (mut taken, mut deleted) = (HashSet::new(), HashMap::new());
    for is_hashed in [false, true] {
        let mut asked = Vec::new();
        for (at, content) in package.contents.iter().enumerate() {
            let id = id_here(&content.id, manifest, is_hashed);
            let place = (
                content.resource_type,
                resource_key(content.resource_type, &id),
            );
            if ids[at].is_none() && taken.insert(place) {
                asked.push((at, id, place));
            }
        }
        let places: Vec<_> = asked.iter().map(|(.., place)| *place).collect();
        let mut rows = write::lock(connection, access, &places).await?;
        for (at, id, (_, key)) in asked {
            let is_free = match rows.get(&key) {
                None => true,
                Some(row) => row.version.is_deleted() && row.version.id == id,
            };
            if is_free {
                ids[at] = Some(id);
                deleted.extend(rows.remove(&key).map(|row| (key, row)));
            }
        }
    }
    let chosen: Option<Vec<String>> = ids.into_iter().collect();
    let chosen = chosen.ok_or_else(|| {
        let text = format!("expected free ids for {} but found none", manifest.label());
        Error::new(Category::Conflict, text)
    })?;
    Ok((chosen, deleted))
}

/// The longest id, and the letters that are kept of what is longer.
const ID_LENGTH: usize = 64;

/// The id under which a resource of a package is stored.
fn id_here(own: &str, manifest: &Manifest, is_hashed: bool) -> String {
    let legal = |text: &str| -> String {
        let is_legal = |c: char| c.is_ascii_alphanumeric() || matches!(c, '-' | '.');
        let letters = text.chars();
        letters.map(|c| if is_legal(c) { c } else { '-' }).collect()
    };
    let (id, version) = (legal(own), legal(&manifest.version));
    let plain = format!("{id}-{version}");
    if !is_hashed && plain.len() <= ID_LENGTH && Id::is_valid(&plain) {
        return plain;
    }
    let hash = hash(&format!("{}|{own}", manifest.label())) as u32;
    let tail = format!("-{hash:08x}-{version}");
    // A version that leaves no room is in the hash.
    let tail = match tail.len() + 8 > ID_LENGTH {
        true => format!("-{hash:08x}"),
        false => tail,
    };
    let kept = id.len().min(ID_LENGTH - tail.len());
    format!("{}{tail}", &id[..kept])
}

/// What a package becomes here.
struct Plan {
    hub: Arc<Hub>,
    access: Access,
    package: Arc<Package>,
    /// Those of its contents, in order.
    ids: Vec<String>,
    /// What was deleted under them, by key.
    deleted: HashMap<i64, Current>,
}

impl Plan {
    /// What is written of the contents from `start` on, and what is wrong with them.
    fn prepare(&self, start: usize) -> Result<(Vec<Change>, Vec<Issue>), String> {
        let contents = &self.package.contents;
        let here: HashMap<(ResourceType, &str), &str> = contents
            .iter()
            .zip(&self.ids)
            .map(|(content, id)| ((content.resource_type, content.id.as_str()), id.as_str()))
            .collect();
        let registry = self.hub.registry();
        let (mut changes, mut issues) = (Vec::new(), Vec::new());
        let some = contents.iter().zip(&self.ids).skip(start).take(AT_A_TIME);
        for (content, id) in some {
            let kind = content.resource_type;
            let mut resource = content.resource()?;
            issues.extend(structure(&self.hub, content, &resource));
            rewrite_references(&mut resource, &mut |text| self.led(&here, text));
            let key = resource_key(kind, id);
            let (tenant, base) = (self.access.tenant, &self.hub.settings.base);
            changes.push(Change {
                resource_type: kind,
                id: id.clone(),
                key,
                method: Method::Put,
                content: resource
                    .as_object()
                    .map(|resource| Draft::new(resource, id)),
                index: registry.index_as(tenant, kind, id, &resource, base),
                previous: self.deleted.get(&key).map(Into::into),
            });
        }
        Ok((changes, issues))
    }

    /// Where a relative reference leads.
    fn led(&self, here: &HashMap<(ResourceType, &str), &str>, text: &str) -> Option<String> {
        let Target::Local {
            resource_type, id, ..
        } = Target::parse(text, "urn:none")
        else {
            return None;
        };
        let canonical = self.package.manifest.canonical.as_deref();
        match here.get(&(resource_type, id)) {
            Some(id) => Some(format!("{resource_type}/{id}")),
            None => canonical.map(|canonical| format!("{canonical}/{text}")),
        }
    }
}

/// What breaks the structure of R4, in one warning.
fn structure(hub: &Hub, content: &Content, resource: &Value) -> Option<Issue> {
    if hub.settings.validation == Validation::Off {
        return None;
    }
    let issues = hub.validator.validate(content.resource_type, resource);
    let first = issues.first()?;
    let more = match issues.len() {
        1 => String::new(),
        many => format!(", and {} more", many - 1),
    };
    let text = format!(
        "{} is stored though it is not as R4 defines it: {}{more}",
        content.entry.name, first.text
    );
    let place = first.expression.clone().unwrap_or_default();
    Some(Issue::warning("structure", text).at(place))
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    #[test]
    fn ids_are_legal_and_tell_their_version() {
        let manifest = |version: &str| {
            let manifest = json!({"name": "a", "version": version, "fhirVersions": ["4.0.1"]});
            Manifest::parse(&manifest).expect("it is fine")
        };
        for (own, version, expected) in [
            ("us-core-patient", "6.1.0", "us-core-patient-6.1.0"),
            ("a_b", "1.0.0+build", "a-b-1.0.0-build"),
        ] {
            assert_eq!(id_here(own, &manifest(version), false), expected);
        }
        let long = "x".repeat(64);
        let version = "1.0.0-".to_owned() + &"y".repeat(80);
        for (own, version) in [
            ("us-core-patient", "6.1.0"),
            (&long, "6.1.0"),
            (&long, &version),
            ("a", &version),
            ("ä", "1_0"),
        ] {
            for is_hashed in [false, true] {
                let id = id_here(own, &manifest(version), is_hashed);
                assert!(Id::is_valid(&id), "{own} {version}: {id}");
            }
            let (one, two) = (manifest(version), manifest("other"));
            assert_ne!(id_here(own, &one, true), id_here(own, &two, true));
        }
    }
}
