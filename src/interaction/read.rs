//! read: the current version of a resource, or nothing new.
//! <https://hl7.org/fhir/R4/http.html#read>, conditional read:
//! <https://hl7.org/fhir/R4/http.html#cread>

use super::{Hub, Read, ReadConditions, conditions};
use crate::access::Access;
use crate::error::{Category, Error, Result};
use crate::fhir::{ResourceType, Version};

/// Reads the current version.
///
/// # Errors
/// `NotFound` where there never was one, `Gone` where it is deleted.
pub async fn read(
    hub: &Hub,
    access: &Access,
    resource_type: ResourceType,
    id: &str,
    conditions: &ReadConditions,
) -> Result<Read> {
    let found = hub.store.find_current(access, resource_type, id).await?;
    judge(found, resource_type, id, conditions)
}

/// What a read answers in view of what is there.
pub fn judge(
    found: Option<Version>,
    resource_type: ResourceType,
    id: &str,
    conditions: &ReadConditions,
) -> Result<Read> {
    let version = found.ok_or_else(|| {
        Error::new(
            Category::NotFound,
            format!("there is no {resource_type} with the id {id}"),
        )
    })?;
    if version.is_deleted() {
        return Err(gone(&version));
    }
    // RFC 9110: where both are given, only the entity tag counts.
    let unchanged = match (&conditions.if_none_match, conditions.if_modified_since) {
        (Some(tags), _) => conditions::names(tags, &version),
        (None, Some(since)) => version.last_updated.seconds() <= since.seconds(),
        (None, None) => false,
    };
    Ok(if unchanged {
        Read::NotModified(version)
    } else {
        Read::Found(version)
    })
}

/// The error for a deleted resource or a deletion.
pub fn gone(version: &Version) -> Error {
    Error::new(
        Category::Gone,
        format!(
            "{} was deleted: its version {} is the deletion",
            version.reference(),
            version.version
        ),
    )
}
