//! delete, plain and conditional (single and multiple).
//! <https://hl7.org/fhir/R4/http.html#delete>
//!
//! Deleting what is not there, or is deleted already, succeeds and does nothing. A
//! conditional delete removes all that match, up to the limit `max-conditional-delete`.

use super::{Deleted, Hub, Subject, WriteConditions, conditions, criteria, prepare};
use crate::access::Access;
use crate::config::Integrity;
use crate::error::{Category, Error, Result};
use crate::fhir::ResourceType;
use crate::jobs::parameters::refresh_after;
use crate::storage;
use crate::storage::writer::{Decision, Job, Outcome, Patience, perform};
use std::sync::Arc;

/// Deletes one resource, or what the criteria match.
///
/// # Errors
/// `PreconditionFailed` where `If-Match` fails, `Conflict` where others refer to it and
/// integrity is `full`, `TooCostly` where the criteria match more than the limit.
pub async fn delete(
    hub: &Hub,
    access: &Access,
    resource_type: ResourceType,
    subject: Subject,
    conditions: &WriteConditions,
) -> Result<Deleted> {
    let deleted = match subject {
        Subject::Id(id) => {
            prepare::checked_id(&id)?;
            let job = deleting(hub, access, resource_type, id, conditions);
            let outcome = hub.store.writer().write(job).await?;
            deleted([outcome])
        }
        Subject::Criteria(criteria) => {
            let mut patience = Patience::default();
            loop {
                match conditionally(hub, access, resource_type, &criteria, conditions).await {
                    Err(error) if patience.again(&error).await => {}
                    outcome => break outcome?,
                }
            }
        }
    };
    refresh_after(hub, &[resource_type]).await;
    Ok(deleted)
}

/// The write that deletes what is there, if anything is.
fn deleting(
    hub: &Hub,
    access: &Access,
    resource_type: ResourceType,
    id: String,
    conditions: &WriteConditions,
) -> Job {
    let next = Arc::new(prepare::deletion(hub, access, resource_type, &id));
    let conditions = conditions.clone();
    Job {
        access: access.clone(),
        resource_type,
        id,
        fresh: false,
        alone: hub.settings.integrity == Integrity::Full,
        decide: Box::new(move |current| {
            let version = current.map(|current| &current.version);
            conditions::check(&conditions, version)?;
            Ok(match version {
                Some(version) if !version.is_deleted() => Decision::Write(Arc::clone(&next)),
                _ => Decision::Keep,
            })
        }),
    }
}

fn deleted(outcomes: impl IntoIterator<Item = Outcome>) -> Deleted {
    Deleted {
        versions: outcomes
            .into_iter()
            .filter_map(|outcome| outcome.after)
            .collect(),
    }
}

async fn conditionally(
    hub: &Hub,
    access: &Access,
    resource_type: ResourceType,
    criteria: &str,
    conditions: &WriteConditions,
) -> Result<Deleted> {
    let limit = hub.settings.limits.max_conditional_delete;
    let mut transaction = criteria::begin(hub, access, resource_type, criteria).await?;
    let ids = criteria::held_matches(
        hub,
        &mut transaction,
        access,
        resource_type,
        criteria,
        limit + 1,
    )
    .await?;
    if ids.len() > limit {
        return Err(Error::new(
            Category::TooCostly,
            format!(
                "the criteria match more than {limit} resources, the limit \
                 `max-conditional-delete`; nothing was deleted"
            ),
        ));
    }
    let jobs: Vec<Job> = ids
        .into_iter()
        .map(|id| deleting(hub, access, resource_type, id, conditions))
        .collect();
    let jobs: Vec<&Job> = jobs.iter().collect();
    let outcomes: Result<Vec<Outcome>> = perform(&mut transaction, access, &jobs)
        .await?
        .into_iter()
        .collect();
    let deleted = deleted(outcomes?);
    storage::commit(transaction).await?;
    Ok(deleted)
}
