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
    let found = match version.parse::<i32>() {
        // `01` is not how version 1 is called.
        Ok(number) if number.to_string() == version => {
            hub.store
                .find_version(access, resource_type, id, number)
                .await?
        }
        _ => None,
    };
    let found = found.ok_or_else(|| {
        Error::new(
            Category::NotFound,
            format!("there is no version {version} of {resource_type}/{id}"),
        )
    })?;
    if found.is_deleted() {
        return Err(read::gone(&found));
    }
    Ok(found)
}
