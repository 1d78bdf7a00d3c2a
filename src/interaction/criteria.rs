//! The criteria of conditional interactions: which resources they mean, and the lock under
//! which only one writer at a time acts on equal criteria.
//! <https://hl7.org/fhir/R4/http.html#cond-update>

use super::Hub;
use crate::access::Access;
use crate::error::{Category, Error, Result};
use crate::fhir::ResourceType;
use crate::search;
use crate::search::index::hash;
use sqlx::PgConnection;

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

/// The ids of what the criteria match, `limit` at most.
pub async fn matches(
    hub: &Hub,
    connection: &mut PgConnection,
    access: &Access,
    resource_type: ResourceType,
    criteria: &str,
    limit: usize,
) -> Result<Vec<String>> {
    let found = search::find_matches(
        connection,
        access,
        &hub.registry,
        resource_type,
        criteria,
        &hub.settings.base,
        limit,
    )
    .await?;
    Ok(found.into_iter().map(|(_, id)| id).collect())
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
