//! vread: one version of a resource. <https://hl7.org/fhir/R4/http.html#vread>

use super::{Hub, read};
use crate::access::Access;
use crate::error::{Category, Error, Result};
use crate::fhir::{ResourceType, Version};

/// Reads that version.
///
/// # Errors
/// `NotFound` for a version that never was, `Gone` for the deletion.
pub async fn vread(
    hub: &Hub,
    access: &Access,
    resource_type: ResourceType,
    id: &str,
    version: &str,
) -> Result<Version> {
    let found = match number(version) {
        Some(number) => {
            hub.store
                .find_version(access, resource_type, id, number)
                .await?
        }
        None => None,
    };
    judge(found, resource_type, id, version)
}

/// The number of the version that is called so; `01` is not how version 1 is called.
pub fn number(version: &str) -> Option<i32> {
    let number: i32 = version.parse().ok()?;
    (number.to_string() == version).then_some(number)
}

/// What a vread answers in view of what is there.
///
/// # Errors
/// As [`vread`].
pub fn judge(
    found: Option<Version>,
    resource_type: ResourceType,
    id: &str,
    version: &str,
) -> Result<Version> {
    let found = found.ok_or_else(|| {
        Error::new(
            Category::NotFound,
            format!("there is no version {version:?} of {resource_type}/{id}"),
        )
    })?;
    if found.is_deleted() {
        return Err(read::gone(&found));
    }
    Ok(found)
}
