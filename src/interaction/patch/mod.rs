//! patch: FHIRPath Patch, JSON Patch (RFC 6902) and XML Patch (RFC 5261), plain and conditional.
//! <https://hl7.org/fhir/R4/http.html#patch>
//!
//! The result is validated and stored like an update; a patch that fails changes nothing. Each
//! language has a folder with a reader and an `apply`, neither of which does I/O; the official
//! suites are run on these, since most of their documents are no resources.

pub mod fhirpath;
pub mod json;
mod kept;
pub mod xml;

use super::update::{says_the_same, written};
use super::{
    Hub, Patch, Read, Subject, WriteConditions, Written, conditions, criteria, prepare, read,
};
use crate::access::Access;
use crate::error::{Category, Error, Result};
use crate::fhir::xml::Element;
use crate::fhir::{Method, ResourceType, json as strict};
use crate::format;
use crate::jobs::parameters::refresh_after;
use crate::storage;
use crate::storage::writer::{Decision, Job, Patience, perform};
use kept::Kept;
use serde_json::{Map, Value};
use std::sync::Arc;

/// Operations in one patch at most: far more than any edit by a person or a program needs,
/// and few enough that each may walk the resource.
const MOST_OPERATIONS: usize = 1_000;

/// A patch that has been read.
pub enum Parsed {
    Json(json_patch::Patch),
    Xml(xml::Patch),
    FhirPath(fhirpath::Patch),
}

/// Applies a patch to one resource.
///
/// # Errors
/// `Invalid` for a malformed patch or one that changes what is not the client's to change,
/// `Unprocessable` for one that cannot be applied, `NotFound` where nothing matches.
pub async fn patch(
    hub: &Arc<Hub>,
    access: &Access,
    resource_type: ResourceType,
    subject: Subject,
    patch: Patch,
    conditions: &WriteConditions,
) -> Result<Written> {
    let patch = Arc::new(parse(hub, &patch)?);
    let written = match subject {
        Subject::Id(id) => {
            prepare::checked_id(&id)?;
            let job = patching(hub, access, resource_type, id, patch, conditions);
            written(hub.store.writer().write(job).await?)?
        }
        Subject::Criteria(criteria) => {
            let mut patience = Patience::default();
            loop {
                let attempt =
                    conditionally(hub, access, resource_type, &criteria, &patch, conditions);
                match attempt.await {
                    Err(error) if patience.again(&error).await => {}
                    outcome => break outcome?,
                }
            }
        }
    };
    refresh_after(hub, &[resource_type]).await;
    Ok(written)
}

async fn conditionally(
    hub: &Arc<Hub>,
    access: &Access,
    resource_type: ResourceType,
    criteria: &str,
    patch: &Arc<Parsed>,
    conditions: &WriteConditions,
) -> Result<Written> {
    let mut transaction = criteria::begin(hub, access, resource_type, criteria).await?;
    let ids =
        criteria::held_matches(hub, &mut transaction, access, resource_type, criteria, 2).await?;
    let id = criteria::at_most_one(resource_type, ids)?;
    let id = id.ok_or_else(|| nothing_matches(resource_type))?;
    let job = patching(
        hub,
        access,
        resource_type,
        id,
        Arc::clone(patch),
        conditions,
    );
    let outcome = perform(&mut transaction, access, &[&job])
        .await?
        .remove(0)?;
    storage::commit(transaction).await?;
    written(outcome)
}

/// The error for criteria that nothing matches: there is nothing to patch.
pub fn nothing_matches(resource_type: ResourceType) -> Error {
    Error::new(
        Category::NotFound,
        format!("expected the criteria to match one {resource_type} but they match none"),
    )
}

/// Reads a patch, before anything is locked for it.
///
/// # Errors
/// `Invalid` for one that is malformed, `TooLarge` for one of too many operations.
pub fn parse(hub: &Hub, patch: &Patch) -> Result<Parsed> {
    match patch {
        Patch::Json(text) => {
            let patch = strict::parse(text, hub.settings.limits.json_depth)?;
            json::read(patch).map(Parsed::Json)
        }
        Patch::Xml(text) => xml::read(text).map(Parsed::Xml),
        Patch::FhirPath(text) => {
            let parameters = Value::Object(prepare::parse_any(hub, text)?);
            fhirpath::read(&parameters).map(Parsed::FhirPath)
        }
    }
}

/// The write that patches what is there.
fn patching(
    hub: &Arc<Hub>,
    access: &Access,
    resource_type: ResourceType,
    id: String,
    patch: Arc<Parsed>,
    conditions: &WriteConditions,
) -> Job {
    let (hub, conditions) = (Arc::clone(hub), conditions.clone());
    let (own_access, own_id) = (access.clone(), id.clone());
    Job {
        access: access.clone(),
        resource_type,
        id,
        fresh: false,
        alone: false,
        decide: Box::new(move |current| {
            let version = current.map(|current| &current.version);
            conditions::check(&conditions, version)?;
            let found = read::judge(
                version.cloned(),
                resource_type,
                &own_id,
                &Default::default(),
            )?;
            let (Read::Found(version) | Read::NotModified(version)) = found;
            let patched = apply(&hub, version.body.as_deref().unwrap_or_default(), &patch)?;
            let next = prepare::prepare(
                &hub,
                &own_access,
                resource_type,
                &own_id,
                patched,
                Method::Patch,
            )?;
            Ok(if says_the_same(&next, &version) {
                Decision::Keep
            } else {
                Decision::Write(Arc::new(next))
            })
        }),
    }
}

/// The resource as the patch leaves it.
///
/// # Errors
/// `Unprocessable` where it cannot be applied; `Invalid` where the result breaks a limit, is no
/// resource, or lacks what the server keeps.
pub fn apply(hub: &Hub, body: &[u8], patch: &Parsed) -> Result<Map<String, Value>> {
    let before = prepare::parse_any(hub, body)?;
    match patch {
        Parsed::Json(patch) => json::apply(before, body.len(), patch, &hub.settings.limits),
        Parsed::Xml(patch) => apply_xml(hub, body, before, patch),
        Parsed::FhirPath(patch) => apply_fhirpath(hub, body, before, patch),
    }
}

fn apply_fhirpath(
    hub: &Hub,
    body: &[u8],
    before: Map<String, Value>,
    patch: &fhirpath::Patch,
) -> Result<Map<String, Value>> {
    let mut resource = Value::Object(before);
    let kept = Kept::of(&resource);
    let registry = hub.registry();
    let ground = fhirpath::Ground {
        model: registry.model(),
        base: &hub.settings.base,
    };
    fhirpath::apply(&ground, &mut resource, patch)?;
    let limits = &hub.settings.limits;
    let extent = json::measure(&resource);
    if extent.bytes > limits.body_size.max(body.len()) {
        return Err(too_large(limits.body_size));
    }
    if extent.depth > limits.json_depth {
        return Err(Error::coded(
            Category::Invalid,
            "too-long",
            format!(
                "the patch nests the resource deeper than the limit `json-depth` of {} allows",
                limits.json_depth
            ),
        ));
    }
    kept.check(&resource)?;
    into_members(resource)
}

fn too_large(limit: usize) -> Error {
    Error::coded(
        Category::Invalid,
        "too-long",
        format!(
            "the patch makes the resource larger than the limit `body-size` of {limit} bytes allows"
        ),
    )
}

fn into_members(resource: Value) -> Result<Map<String, Value>> {
    match resource {
        Value::Object(members) => Ok(members),
        _ => Err(Error::fault("a resource ceased to be an object")),
    }
}

fn apply_xml(
    hub: &Hub,
    body: &[u8],
    before: Map<String, Value>,
    patch: &xml::Patch,
) -> Result<Map<String, Value>> {
    let limits = &hub.settings.limits;
    let text = format::to_xml(&hub.definitions, body, false)?;
    let mut document = Element::parse(text.as_bytes())?;
    xml::apply(&mut document, patch)?;
    let text = document.to_text();
    let after = format::to_json(&hub.definitions, text.as_bytes(), limits.json_depth)
        .map_err(of_the_result)?;
    if after.len() > limits.body_size.max(body.len()) {
        return Err(too_large(limits.body_size));
    }
    let after = Value::Object(prepare::parse_any(hub, &after)?);
    Kept::of(&Value::Object(before)).check(&after)?;
    into_members(after)
}

/// Lines and columns of a document that the client has never seen need an explanation.
fn of_the_result(error: Error) -> Error {
    let mut error = error;
    for issue in &mut error.issues {
        issue.text = format!(
            "nothing was changed: in the patched resource: {}",
            issue.text
        );
    }
    error
}

/// Text of the client's in a message: quoted, and cut where it is long.
fn shown(text: &str) -> String {
    const MOST: usize = 80;
    match text.char_indices().nth(MOST) {
        Some((end, _)) => format!("{:?}…", &text[..end]),
        None => format!("{text:?}"),
    }
}
