//! `$install-package`, and what `andiron package add` does: the resources of FHIR packages become
//! resources that are stored here, all of them or none.
//!
//! ```text
//! POST [base]/$install-package?without-dependency=NAME     a .tgz; answered with Parameters
//!
//! lock ─▶ known already? dependencies there? ─▶ ids ─▶ index ─▶ store, note what is whose ─▶ commit
//!                                                          └─▶ profiles, search parameters, other nodes
//! ```
//!
//! Packages are read by [`package`](crate::package); files are the business of the command line.
//!
//! ## Decisions
//!
//! **2026-11-22: a resource is stored as `id-version`**, `us-core-patient-6.1.0`, since guides keep
//! their ids from version to version, and two versions stand side by side. They are found by
//! canonical URL, with `|version` or as the newest. Where the id is too long, or somebody has
//! one like it, a hash comes in between: what a user stored is never overwritten.
//!
//! **2026-11-22: relative references stay what they meant.** In a package they are relative to its
//! canonical base. Those to what is installed lead to it; the others, to examples mostly, become
//! absolute, or an ImplementationGuide would point at `Patient/example` of this very server.
//!
//! **2026-11-22: a package installs whole, whatever its search parameters say.** A SearchParameter
//! whose code is taken is stored and told in the report, and not live; one that repeats what
//! is there is stored and not told. Resources that break the structure of R4 are told, too.

use crate::access::Access;
use crate::config::{Integrity, Validation};
use crate::error::{Category, Error, Issue, Result};
use crate::fhir::outcome::operation_outcome;
use crate::fhir::reference::Target;
use crate::fhir::{Draft, Id, Method, ResourceType};
use crate::interaction::Hub;
use crate::jobs::parameters::refresh_after;
use crate::package::{
    Bounds, Content, Dependency, Manifest, Package, is_built_in, order, satisfies,
};
use crate::search::custom;
use crate::search::index::{hash, resource_key};
use crate::search::literal_references::rewrite_references;
use crate::storage::packages::{self, Installed, Owned};
use crate::storage::write::{self, Change, Current};
use crate::storage::writer::{Patience, refuse_referred};
use crate::storage::{self, nodes};
use serde_json::{Value, json};
use sqlx::PgConnection;
use std::collections::{BTreeMap, HashMap, HashSet};
use std::sync::Arc;

/// What became of one package.
#[derive(Clone, Debug, Default)]
pub struct Outcome {
    pub name: String,
    pub version: String,
    /// False where the very same was installed before.
    pub is_new: bool,
    /// How many resources were stored, by type.
    pub stored: BTreeMap<&'static str, usize>,
    /// How many examples it has, which are not stored.
    pub examples: usize,
    /// How many of its SearchParameters can be searched by, or will be when they are indexed.
    pub parameters: usize,
    /// What it needs and is not there, as was asked for.
    pub missing: Vec<Dependency>,
    /// What whoever installs should know.
    pub issues: Vec<Issue>,
}

/// Reads and installs one package; `most` is the limit `body-size`.
///
/// # Errors
/// `Invalid`: no package, or one that means harm; else as [`install`].
pub async fn install_archive(
    hub: &Arc<Hub>,
    access: &Access,
    body: bytes::Bytes,
    pairs: &[(String, String)],
) -> Result<Value> {
    let without = without(pairs)?;
    let most = hub.settings.limits.body_size;
    let bounds = Bounds {
        unpacked: u64::try_from(most.saturating_mul(UNPACKED)).unwrap_or(u64::MAX),
        ..Bounds::default()
    };
    let read = move || Package::read(&body[..], &bounds);
    let package = tokio::task::spawn_blocking(read).await;
    let package = package.map_err(Error::fault)?.map_err(Error::invalid)?;
    let outcomes = install(hub, access, vec![package], &without).await?;
    Ok(parameters(&outcomes))
}

/// How many times `body-size` a package may unpack to.
const UNPACKED: usize = 16;

fn without(pairs: &[(String, String)]) -> Result<Vec<String>> {
    let mut without = Vec::new();
    for (name, value) in pairs {
        match name.as_str() {
            "without-dependency" => without.push(value.clone()),
            "_format" | "_pretty" => {}
            _ => {
                let text = format!("expected the parameter without-dependency but found {name:?}");
                return Err(Error::coded(Category::Invalid, "not-supported", text));
            }
        }
    }
    Ok(without)
}

/// Installs packages, in this order, in one transaction; those that are there already stay.
///
/// # Errors
/// `Unprocessable` with every dependency that is neither there nor let go by `without`;
/// `Conflict` where another content is installed under the same name and version.
pub async fn install(
    hub: &Arc<Hub>,
    access: &Access,
    packages: Vec<Package>,
    without: &[String],
) -> Result<Vec<Outcome>> {
    let packages: Vec<Arc<Package>> = packages.into_iter().map(Arc::new).collect();
    let mut patience = Patience::default();
    let mut outcomes = loop {
        match attempt(hub, access, &packages, without).await {
            Err(error) if patience.again(&error).await => {}
            outcomes => break outcomes?,
        }
    };
    let written: Vec<ResourceType> = packages
        .iter()
        .flat_map(|package| &package.contents)
        .map(|content| content.resource_type)
        .collect();
    if outcomes.iter().any(|outcome| outcome.is_new) {
        refresh_after(hub, &written).await;
    }
    for (package, outcome) in packages.iter().zip(&mut outcomes) {
        tell_parameters(hub, package, outcome);
    }
    Ok(outcomes)
}

async fn attempt(
    hub: &Arc<Hub>,
    access: &Access,
    all: &[Arc<Package>],
    without: &[String],
) -> Result<Vec<Outcome>> {
    let mut transaction = hub.store.begin(access).await?;
    packages::lock(&mut transaction).await?;
    let installed = packages::all(&mut transaction, access).await?;
    refuse_changed(all, &installed)?;
    refuse_incomplete(all, &installed, without)?;
    let mut known: Vec<(String, String)> = names(&installed);
    let manifests = all.iter().map(|package| &package.manifest);
    known.extend(manifests.map(|one| (one.name.clone(), one.version.clone())));
    let mut outcomes = Vec::with_capacity(all.len());
    for package in all {
        let manifest = &package.manifest;
        let mut outcome = Outcome {
            name: manifest.name.clone(),
            version: manifest.version.clone(),
            examples: package.examples.len(),
            missing: missing(&manifest.dependencies, &known),
            ..Outcome::default()
        };
        if !installed.iter().any(|one| is_of(one, manifest)) {
            outcome.is_new = true;
            store(hub, access, &mut transaction, package, &mut outcome).await?;
        }
        outcomes.push(outcome);
    }
    nodes::notify(&mut transaction).await?;
    storage::commit(transaction).await?;
    Ok(outcomes)
}

fn is_of(installed: &Installed, manifest: &Manifest) -> bool {
    installed.name == manifest.name && installed.version == manifest.version
}

fn names(installed: &[Installed]) -> Vec<(String, String)> {
    let each = installed.iter();
    each.map(|one| (one.name.clone(), one.version.clone()))
        .collect()
}

fn refuse_changed(all: &[Arc<Package>], installed: &[Installed]) -> Result<()> {
    for package in all {
        let other = installed
            .iter()
            .find(|one| is_of(one, &package.manifest) && one.hash != package.hash);
        if other.is_some() {
            return Err(Error::new(
                Category::Conflict,
                format!(
                    "{} is installed with another content: a version that was published does not \
                     change; remove that one first, if this is what is meant",
                    package.manifest.label()
                ),
            ));
        }
    }
    Ok(())
}

fn refuse_incomplete(
    all: &[Arc<Package>],
    installed: &[Installed],
    without: &[String],
) -> Result<()> {
    let manifests: Vec<Manifest> = all.iter().map(|one| one.manifest.clone()).collect();
    let (_, missing) = order(&manifests, &[], &names(installed), without);
    match missing.is_empty() {
        true => Ok(()),
        false => Err(refusal(&missing)),
    }
}

/// The refusal that names every dependency that is missing.
pub fn refusal(missing: &[crate::package::Missing]) -> Error {
    let issue = |one: &crate::package::Missing| Issue::error("not-found", one.to_string());
    let mut issues: Vec<Issue> = missing.iter().map(issue).collect();
    issues.push(Issue::information(
        "informational",
        "nothing was installed: install what is missing first, or name each package that is to \
         be done without (without-dependency)",
    ));
    Error::of(Category::Unprocessable, issues)
}

/// What of these dependencies is not among the packages that are known.
pub fn missing(dependencies: &[Dependency], known: &[(String, String)]) -> Vec<Dependency> {
    let is_met = |dependency: &&Dependency| {
        let mut fitting = known.iter().filter(|(name, _)| *name == dependency.name);
        is_built_in(dependency)
            || fitting.any(|(_, version)| satisfies(version, &dependency.wanted))
    };
    let unmet = dependencies.iter().filter(|one| !is_met(one));
    unmet.cloned().collect()
}

/// Stores the resources of one package in the open transaction.
async fn store(
    hub: &Arc<Hub>,
    access: &Access,
    connection: &mut PgConnection,
    package: &Arc<Package>,
    outcome: &mut Outcome,
) -> Result<()> {
    let (ids, rows) = choose_ids(connection, access, package).await?;
    let prepare = {
        let (hub, access) = (hub.clone(), access.clone());
        let (package, ids) = (package.clone(), ids.clone());
        move || prepare(&hub, &access, &package, &ids, &rows)
    };
    let prepared = tokio::task::spawn_blocking(prepare).await;
    let (changes, issues) = prepared.map_err(Error::fault)?;
    let moment = write::moment(connection, access).await?;
    let versions = write::apply(connection, access, moment, &changes).await?;
    let mut owned = Vec::with_capacity(versions.len());
    for ((content, change), version) in package.contents.iter().zip(&changes).zip(&versions) {
        *outcome
            .stored
            .entry(content.resource_type.name())
            .or_default() += 1;
        owned.push(Owned {
            resource_type: content.resource_type,
            id: change.id.clone(),
            own_id: content.id.clone(),
            key: change.key,
            version: version.version,
        });
    }
    outcome.issues.extend(issues);
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

/// What is written of a package, in the order of its contents, and what is wrong with them.
fn prepare(
    hub: &Hub,
    access: &Access,
    package: &Package,
    ids: &[String],
    deleted: &HashMap<i64, Current>,
) -> (Vec<Change>, Vec<Issue>) {
    let here: HashMap<(ResourceType, &str), &str> = package
        .contents
        .iter()
        .zip(ids)
        .map(|(content, id)| ((content.resource_type, content.id.as_str()), id.as_str()))
        .collect();
    let canonical = package.manifest.canonical.as_deref();
    let registry = hub.registry();
    let (mut changes, mut issues) = (Vec::new(), Vec::new());
    for (content, id) in package.contents.iter().zip(ids) {
        issues.extend(structure(hub, content));
        let kind = content.resource_type;
        let mut resource = content.resource.clone();
        rewrite_references(&mut resource, &mut |text| {
            let Target::Local {
                resource_type, id, ..
            } = Target::parse(text, "urn:none")
            else {
                return None;
            };
            match here.get(&(resource_type, id)) {
                Some(id) => Some(format!("{resource_type}/{id}")),
                None => canonical.map(|canonical| format!("{canonical}/{text}")),
            }
        });
        let key = resource_key(kind, id);
        let index = registry.index_as(access.tenant, kind, id, &resource, &hub.settings.base);
        changes.push(Change {
            resource_type: kind,
            id: id.clone(),
            key,
            method: Method::Put,
            content: resource
                .as_object()
                .map(|resource| Draft::new(resource, id)),
            index,
            previous: deleted.get(&key).map(Into::into),
        });
    }
    (changes, issues)
}

/// What breaks the structure of R4, in one warning.
fn structure(hub: &Hub, content: &Content) -> Option<Issue> {
    if hub.settings.validation == Validation::Off {
        return None;
    }
    let issues = hub
        .validator
        .validate(content.resource_type, &content.resource);
    let first = issues.first()?;
    let more = match issues.len() {
        1 => String::new(),
        many => format!(", and {} more", many - 1),
    };
    let text = format!(
        "{} is stored though it is not as R4 defines it: {}{more}",
        content.entry, first.text
    );
    let place = first.expression.clone().unwrap_or_default();
    Some(Issue::warning("structure", text).at(place))
}

/// Which of the SearchParameters of a package are live, and why the others are not.
fn tell_parameters(hub: &Hub, package: &Package, outcome: &mut Outcome) {
    let registry = hub.registry();
    let parameters = package
        .contents
        .iter()
        .filter(|content| content.resource_type.name() == "SearchParameter");
    for content in parameters {
        let (url, version) = (&content.resource["url"], &content.resource["version"]);
        let is_this = |custom: &&custom::Custom| custom.definition.url == *url;
        if let Some(live) = registry.custom().iter().find(is_this) {
            outcome.parameters += usize::from(live.definition.version == *version);
            continue;
        }
        // Under an id that none has, so that nothing is taken for itself.
        if custom::is_repetition(&registry, "", &content.resource) {
            continue;
        }
        if let Err(error) = custom::check(&registry, "", &content.resource) {
            let text = format!("{} is stored and not live: {error}", content.entry);
            let issue = Issue::warning("conflict", text);
            outcome.issues.push(issue.at("SearchParameter"));
        }
    }
}

/// All that is installed.
///
/// # Errors
/// Those of the database.
pub async fn installed(hub: &Hub, access: &Access) -> Result<Vec<Installed>> {
    let mut connection = hub.store.pool().acquire().await?;
    packages::all(&mut connection, access).await
}

/// What became of a package that is taken out.
#[derive(Clone, Debug, Default)]
pub struct Removed {
    pub deleted: usize,
    /// `Type/id` of what somebody has changed since it came, which stays.
    pub kept: Vec<String>,
}

/// Takes a package out: its resources are deleted, those apart that somebody has changed.
///
/// # Errors
/// `NotFound`; `Conflict` where another package needs it, or with full referential integrity
/// a resource refers to one of its own.
pub async fn remove(hub: &Hub, access: &Access, name: &str, version: &str) -> Result<Removed> {
    let mut transaction = hub.store.begin(access).await?;
    packages::lock(&mut transaction).await?;
    let installed = packages::all(&mut transaction, access).await?;
    let is_it = |one: &&Installed| one.name == name && one.version == version;
    if !installed.iter().any(|one| is_it(&one)) {
        let text = format!("{name}#{version} is not installed");
        return Err(Error::new(Category::NotFound, text));
    }
    refuse_needed(&installed, name, version)?;
    let owned = packages::resources(&mut transaction, access, (name, version)).await?;
    let places: Vec<_> = owned
        .iter()
        .map(|one| (one.resource_type, one.key))
        .collect();
    let rows = write::lock(&mut transaction, access, &places).await?;
    let keys: Vec<i64> = owned.iter().map(|one| one.key).collect();
    let mut removed = Removed::default();
    let mut changes = Vec::new();
    for one in &owned {
        let row = rows.get(&one.key);
        let Some(row) = row.filter(|row| !row.version.is_deleted()) else {
            continue;
        };
        if row.version.version != one.version {
            removed.kept.push(row.version.reference());
            continue;
        }
        if hub.settings.integrity == Integrity::Full {
            let entries = hub.registry().referrer_entries(access.tenant, one.key);
            let target = (one.resource_type, one.id.as_str());
            let refused = refuse_referred(&mut transaction, access, target, &entries, &keys);
            if let Some(error) = refused.await? {
                return Err(error);
            }
        }
        changes.push(Change {
            resource_type: one.resource_type,
            id: one.id.clone(),
            key: one.key,
            method: Method::Delete,
            content: None,
            index: Default::default(),
            previous: Some(row.into()),
        });
    }
    let moment = write::moment(&mut transaction, access).await?;
    removed.deleted = write::apply(&mut transaction, access, moment, &changes)
        .await?
        .len();
    packages::remove(&mut transaction, access, (name, version)).await?;
    nodes::notify(&mut transaction).await?;
    storage::commit(transaction).await?;
    let written: Vec<_> = changes.iter().map(|change| change.resource_type).collect();
    refresh_after(hub, &written).await;
    Ok(removed)
}

/// What others need stays, unless another version of it does as well.
fn refuse_needed(installed: &[Installed], name: &str, version: &str) -> Result<()> {
    let known = names(installed);
    let (gone, left): (Vec<_>, Vec<_>) = known
        .into_iter()
        .partition(|one| one.0 == name && one.1 == version);
    let needs_it = |one: &&Installed| {
        let is_other = !gone.contains(&(one.name.clone(), one.version.clone()));
        let all: Vec<_> = left.iter().chain(&gone).cloned().collect();
        is_other && missing(&one.dependencies, &left).len() > missing(&one.dependencies, &all).len()
    };
    let needing: Vec<String> = installed
        .iter()
        .filter(needs_it)
        .map(|one| format!("{}#{}", one.name, one.version))
        .collect();
    match needing.is_empty() {
        true => Ok(()),
        false => {
            let text = format!("{name}#{version} is needed by {}", needing.join(", "));
            Err(Error::new(Category::Conflict, text))
        }
    }
}

/// The outcomes as Parameters.
pub fn parameters(outcomes: &[Outcome]) -> Value {
    let mut list = Vec::new();
    for outcome in outcomes {
        let status = match outcome.is_new {
            true => "installed",
            false => "unchanged",
        };
        let stored: usize = outcome.stored.values().sum();
        let mut parts = vec![
            json!({"name": "name", "valueString": outcome.name}),
            json!({"name": "version", "valueString": outcome.version}),
            json!({"name": "status", "valueCode": status}),
            json!({"name": "resources", "valueInteger": stored}),
            json!({"name": "searchParameters", "valueInteger": outcome.parameters}),
        ];
        for Dependency { name, wanted } in &outcome.missing {
            let label = format!("{name}#{wanted}");
            parts.push(json!({"name": "missing", "valueString": label}));
        }
        list.push(json!({"name": "package", "part": parts}));
    }
    let issues: Vec<Issue> = outcomes
        .iter()
        .flat_map(|outcome| outcome.issues.clone())
        .collect();
    if !issues.is_empty() {
        list.push(json!({"name": "outcome", "resource": operation_outcome(&issues)}));
    }
    json!({"resourceType": "Parameters", "parameter": list})
}

#[cfg(test)]
mod tests {
    use super::*;

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
            ("ä", "ö"),
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
