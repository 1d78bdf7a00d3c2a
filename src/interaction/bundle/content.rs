//! What an entry of a transaction writes: what it sent, or what its patch makes of what is
//! there, with the links between entries rewritten.

use super::links::Links;
use super::request::{Action, Request};
use crate::error::Result;
use crate::fhir::ResourceType;
use crate::interaction::update::same_id;
use crate::interaction::{Hub, Patch, Read, Subject, patch, prepare};
use bytes::Bytes;
use serde_json::{Map, Value};

/// The resource of a POST or PUT.
///
/// # Errors
/// `Invalid`: no resource of this type, another id than the URL's, a link to no entry.
pub fn sent(
    hub: &Hub,
    links: &Links,
    request: &Request<'_>,
    kind: ResourceType,
) -> Result<Map<String, Value>> {
    let text = request.resource.unwrap_or_default();
    let mut resource = prepare::parse(hub, kind, text.as_bytes())?;
    if let Action::Update {
        subject: Subject::Id(id),
        ..
    } = &request.action
    {
        same_id(&resource, id)?;
    }
    links.rewrite(&hub.definitions, &mut resource, request.full_url)?;
    Ok(resource)
}

/// What a PATCH makes of the current version. Links are rewritten in the values of a FHIRPath
/// Patch; the texts of the other languages are taken as they are.
///
/// # Errors
/// Those of the patch.
pub fn patched(
    hub: &Hub,
    links: &Links,
    request: &Request<'_>,
    patch: &Patch,
    found: Read,
) -> Result<Map<String, Value>> {
    let (Read::Found(version) | Read::NotModified(version)) = found;
    let mut patch = patch.clone();
    if let Patch::FhirPath(text) = &mut patch {
        let mut parameters = prepare::parse_any(hub, text)?;
        links.rewrite(&hub.definitions, &mut parameters, request.full_url)?;
        *text = Bytes::from(Value::Object(parameters).to_string());
    }
    let patch = patch::parse(hub, &patch)?;
    patch::apply(hub, version.body.as_deref().unwrap_or_default(), &patch)
}
