//! create, plain and conditional. <https://hl7.org/fhir/R4/http.html#create>

use super::{Hub, Written, bindings, criteria, prepare};
use crate::access::Access;
use crate::error::{Error, Result};
use crate::fhir::{Id, Method, ResourceType};
use crate::jobs::parameters::refresh_after;
use crate::storage::writer::{Decision, Job, Next, Outcome, Patience, perform};
use crate::storage::{self, read};
use bytes::Bytes;
use std::sync::Arc;

/// Creates a resource under an id of ours; an id in the body is ignored. With
/// `if_none_exist`, only where the criteria match nothing.
///
/// # Errors
/// As [`prepare::prepare`]; `PreconditionFailed` where the criteria match several.
pub async fn create(
    hub: &Hub,
    access: &Access,
    resource_type: ResourceType,
    body: Bytes,
    if_none_exist: Option<&str>,
) -> Result<Written> {
    let resource = prepare::parse(hub, resource_type, &body)?;
    let id = Id::random().to_string();
    let (next, questions) =
        prepare::prepare_asking(hub, access, resource_type, &id, resource, Method::Post)?;
    bindings::check(hub, access, &questions).await?;
    let job = fresh(access, resource_type, id, Arc::new(next));
    let written = match if_none_exist {
        None => created(hub.store.writer().write(job).await?)?,
        Some(criteria) => {
            let mut patience = Patience::default();
            loop {
                match conditionally(hub, &job, criteria).await {
                    Err(error) if patience.again(&error).await => {}
                    outcome => break outcome?,
                }
            }
        }
    };
    refresh_after(hub, &[resource_type]).await;
    Ok(written)
}

/// The write of a resource whose id nobody else can know.
fn fresh(access: &Access, resource_type: ResourceType, id: String, next: Arc<Next>) -> Job {
    Job {
        access: access.clone(),
        resource_type,
        id,
        fresh: true,
        alone: false,
        decide: Box::new(move |_| Ok(Decision::Write(Arc::clone(&next)))),
    }
}

fn created(outcome: Outcome) -> Result<Written> {
    outcome
        .after
        .map(Written::Created)
        .ok_or_else(|| Error::fault("a create wrote nothing"))
}

async fn conditionally(hub: &Hub, job: &Job, criteria: &str) -> Result<Written> {
    let Job {
        access,
        resource_type,
        ..
    } = job;
    let mut transaction = criteria::begin(hub, access, *resource_type, criteria).await?;
    let ids = criteria::matches(hub, &mut transaction, access, *resource_type, criteria, 2).await?;
    if let Some(id) = criteria::at_most_one(*resource_type, ids)? {
        let version = read::find_current(&mut transaction, access, *resource_type, &id).await?;
        // It may have been deleted between the search and the read.
        return version
            .filter(|version| !version.is_deleted())
            .map(Written::Unchanged)
            .ok_or_else(|| Error::lost_race("the match was deleted meanwhile; try again"));
    }
    let outcome = perform(&mut transaction, access, &[job]).await?.remove(0)?;
    storage::commit(transaction).await?;
    created(outcome)
}
