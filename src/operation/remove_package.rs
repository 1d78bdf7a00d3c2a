//! What `andiron package remove` does: the resources of a package are deleted, in one act, but for
//! those that are somebody's by now.

use super::install_package::{missing, names};
use crate::access::Access;
use crate::config::Integrity;
use crate::error::{Category, Error, Result};
use crate::fhir::Method;
use crate::interaction::Hub;
use crate::jobs::parameters::refresh_after;
use crate::storage::packages::{self, Installed, Owned};
use crate::storage::write::{self, Change};
use crate::storage::writer::refuse_referred;
use crate::storage::{self, nodes};
use sqlx::PgConnection;

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
    let (changes, kept) = deletions(hub, access, &mut transaction, &owned).await?;
    let moment = write::moment(&mut transaction, access).await?;
    write::apply(&mut transaction, access, moment, &changes).await?;
    packages::remove(&mut transaction, access, (name, version)).await?;
    nodes::notify(&mut transaction).await?;
    storage::commit(transaction).await?;
    let written: Vec<_> = changes.iter().map(|change| change.resource_type).collect();
    refresh_after(hub, &written).await;
    Ok(Removed {
        deleted: changes.len(),
        kept,
    })
}

/// The deletions of what came with a package and is as it came, and the names of the rest.
async fn deletions(
    hub: &Hub,
    access: &Access,
    connection: &mut PgConnection,
    owned: &[Owned],
) -> Result<(Vec<Change>, Vec<String>)> {
    let places: Vec<_> = owned
        .iter()
        .map(|one| (one.resource_type, one.key))
        .collect();
    let rows = write::lock(connection, access, &places).await?;
    let keys: Vec<i64> = owned.iter().map(|one| one.key).collect();
    let registry = hub.registry();
    let (mut changes, mut kept) = (Vec::new(), Vec::new());
    for one in owned {
        let row = rows.get(&one.key);
        let Some(row) = row.filter(|row| !row.version.is_deleted()) else {
            continue;
        };
        if row.version.version != one.version {
            kept.push(row.version.reference());
            continue;
        }
        if hub.settings.integrity == Integrity::Full {
            let entries = registry.referrer_entries(access.tenant, one.key);
            let target = (one.resource_type, one.id.as_str());
            let refused = refuse_referred(connection, access, target, &entries, &keys);
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
    Ok((changes, kept))
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
