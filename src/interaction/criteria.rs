//! The criteria of conditional interactions: which resources they mean, and the lock under
//! which only one writer at a time acts on equal criteria.
//! <https://hl7.org/fhir/R4/http.html#cond-update>

use super::{Hub, building};
use crate::access::Access;
use crate::error::{Category, Error, Result};
use crate::fhir::{ResourceType, query};
use crate::search;
use crate::search::index::{hash, resource_key};
use crate::storage::write;
use sqlx::{PgConnection, Postgres, Transaction};

/// The name of the lock for these criteria: the same for the same parameters in any order
/// and any encoding.
pub fn lock_name(access: &Access, resource_type: ResourceType, criteria: &str) -> i64 {
    let mut parts: Vec<String> = criteria
        .split('&')
        .map(|part| {
            percent_encoding::percent_decode_str(&part.replace('+', " "))
                .decode_utf8_lossy()
                .into_owned()
        })
        .collect();
    parts.sort_unstable();
    hash(&format!(
        "{}\n{resource_type}\n{}",
        access.tenant.0,
        parts.join("\n")
    ))
}

/// Begins a write under criteria: nobody else acts on equal ones until it ends.
pub async fn begin(
    hub: &Hub,
    access: &Access,
    resource_type: ResourceType,
    criteria: &str,
) -> Result<Transaction<'static, Postgres>> {
    let mut transaction = hub.store.begin(access).await?;
    let mut names = vec![lock_name(access, resource_type, criteria)];
    write::lock_names(&mut transaction, &mut names).await?;
    Ok(transaction)
}

/// The ids of what the criteria match, `limit` at most.
pub async fn matches(
    hub: &Hub,
    connection: &mut PgConnection,
    access: &Access,
    resource_type: ResourceType,
    criteria: &str,
    limit: usize,
) -> Result<Vec<String>> {
    let edition = hub.live.current();
    let base = &hub.settings.base;
    let registry = &edition.searchable;
    building::check_criteria(&edition, resource_type, criteria, base)?;
    let found = search::find_matches(
        connection,
        access,
        registry,
        resource_type,
        criteria,
        base,
        limit,
    );
    let found = found.await.map_err(|error| {
        let pairs = query::pairs(criteria).unwrap_or_default();
        building::explained(error, &edition, &pairs, base)
    })?;
    Ok(found.into_iter().map(|(_, id)| id).collect())
}

/// The same, with the rows of the matches locked and still matching: what changed between
/// the search and the lock is searched again.
///
/// # Errors
/// `Conflict` where the matches never hold still.
pub async fn held_matches(
    hub: &Hub,
    connection: &mut PgConnection,
    access: &Access,
    resource_type: ResourceType,
    criteria: &str,
    limit: usize,
) -> Result<Vec<String>> {
    let mut ids = matches(hub, connection, access, resource_type, criteria, limit).await?;
    for _ in 0..5 {
        if ids.is_empty() {
            return Ok(ids);
        }
        let rows: Vec<(ResourceType, i64)> = ids
            .iter()
            .map(|id| (resource_type, resource_key(resource_type, id)))
            .collect();
        write::lock(connection, access, &rows).await?;
        let mut now = matches(hub, connection, access, resource_type, criteria, limit).await?;
        now.sort_unstable();
        ids.sort_unstable();
        if now == ids {
            return Ok(ids);
        }
        ids = now;
    }
    Err(Error::new(
        Category::Conflict,
        "others keep changing what the criteria match; try again",
    ))
}

/// The one match, none, or the error for several.
pub fn at_most_one(resource_type: ResourceType, mut ids: Vec<String>) -> Result<Option<String>> {
    if ids.len() > 1 {
        return Err(Error::coded(
            Category::PreconditionFailed,
            "multiple-matches",
            format!(
                "expected the criteria to match one {resource_type} at most but they match several"
            ),
        ));
    }
    Ok(ids.pop())
}
