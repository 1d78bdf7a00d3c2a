//! `$convert`: a resource in one format, answered in another.
//! <https://hl7.org/fhir/R4/resource-operation-convert.html>
//!
//! What the request's Content-Type is read as and its Accept asks for is the edge's to do;
//! here the resource is checked, so that nothing is lost on the way for being unknown. It is
//! neither stored nor changed, and profiles do not matter.

use crate::config::Validation;
use crate::error::{Category, Error, Issue, Result};
use crate::fhir::ResourceType;
use crate::interaction::{Hub, prepare};
use bytes::Bytes;
use serde_json::Value;

/// The same resource, if it is one.
///
/// # Errors
/// `Invalid`: no resource of R4, or one with structural problems.
pub fn convert(hub: &Hub, body: Bytes) -> Result<Bytes> {
    let resource = prepare::parse_any(hub, &body)?;
    let name = resource.get("resourceType").and_then(Value::as_str);
    let resource_type = name.and_then(ResourceType::parse).ok_or_else(|| {
        let found = name.unwrap_or("none");
        let says = format!("expected a resource type of FHIR R4 but found {found}");
        Error::coded(Category::Invalid, "structure", says).at("resourceType")
    })?;
    if hub.settings.validation != Validation::Off {
        let issues = hub
            .validator
            .validate(resource_type, &Value::Object(resource));
        if issues.iter().any(Issue::is_error) {
            return Err(Error::of(Category::Invalid, issues));
        }
    }
    Ok(body)
}
