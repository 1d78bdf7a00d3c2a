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

mod plan;
mod report;

use crate::access::Access;
use crate::error::{Category, Error, Issue, Result};
use crate::fhir::ResourceType;
use crate::interaction::Hub;
use crate::jobs::parameters::refresh_after;
use crate::package::{Bounds, CORE, Dependency, Manifest, Package, is_built_in, order, satisfies};
use crate::storage::packages::{self, Installed};
use crate::storage::writer::Patience;
use crate::storage::{self, nodes};
use serde_json::Value;
use std::collections::BTreeMap;
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
    Ok(report::parameters(&outcomes))
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
        report::tell_parameters(hub, package, outcome);
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
    refuse_core(all)?;
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
            plan::store(hub, access, &mut transaction, package, &mut outcome).await?;
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

pub(super) fn names(installed: &[Installed]) -> Vec<(String, String)> {
    let each = installed.iter();
    each.map(|one| (one.name.clone(), one.version.clone()))
        .collect()
}

fn refuse_core(all: &[Arc<Package>]) -> Result<()> {
    match all.iter().find(|package| package.manifest.name == CORE.0) {
        None => Ok(()),
        Some(package) => Err(Error::new(
            Category::Conflict,
            format!(
                "{} is what the server is made of: its definitions are there already",
                package.manifest.label()
            ),
        )),
    }
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

/// All that is installed.
///
/// # Errors
/// Those of the database.
pub async fn installed(hub: &Hub, access: &Access) -> Result<Vec<Installed>> {
    let mut connection = hub.store.pool().acquire().await?;
    packages::all(&mut connection, access).await
}
