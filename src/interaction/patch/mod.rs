//! patch: JSON Patch (RFC 6902), plain and conditional.
//! <https://hl7.org/fhir/R4/http.html#patch>
//!
//! The result is validated and stored like an update; a patch that fails changes nothing.
//! `operations` reads the patch, `apply` carries it out; neither does I/O. FHIRPath Patch and
//! XML Patch are not served.

mod apply;
mod operations;
mod size;

use super::update::{says_the_same, written};
use super::{
    Hub, Patch, Read, Subject, WriteConditions, Written, conditions, criteria, prepare, read,
};
use crate::access::Access;
use crate::error::{Category, Error, Result};
use crate::fhir::{Method, ResourceType, json};
use crate::jobs::parameters::refresh_after;
use crate::storage;
use crate::storage::writer::{Decision, Job, Patience, perform};
use serde_json::{Map, Value};
use std::sync::Arc;

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
    patch: &Arc<json_patch::Patch>,
    conditions: &WriteConditions,
) -> Result<Written> {
    let mut transaction = criteria::begin(hub, access, resource_type, criteria).await?;
    let ids =
        criteria::held_matches(hub, &mut transaction, access, resource_type, criteria, 2).await?;
    let id = criteria::at_most_one(resource_type, ids)?.ok_or_else(|| {
        Error::new(
            Category::NotFound,
            format!("expected the criteria to match one {resource_type} but they match none"),
        )
    })?;
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

fn parse(hub: &Hub, patch: &Patch) -> Result<json_patch::Patch> {
    let Patch::Json(text) = patch;
    operations::read(json::parse(text, hub.settings.limits.json_depth)?)
}

/// The write that patches what is there.
fn patching(
    hub: &Arc<Hub>,
    access: &Access,
    resource_type: ResourceType,
    id: String,
    patch: Arc<json_patch::Patch>,
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
fn apply(hub: &Hub, body: &[u8], patch: &json_patch::Patch) -> Result<Map<String, Value>> {
    let before = prepare::parse_any(hub, body)?;
    apply::apply(before, body.len(), patch, &hub.settings.limits)
}
