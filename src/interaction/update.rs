//! update, update-as-create and undelete, plain and conditional.
//! <https://hl7.org/fhir/R4/http.html#update>
//!
//! An update that says exactly what is stored makes no new version: the answer is the
//! current one. Everything counts, `meta` without version and time included.

use super::{
    Hub, Subject, WriteConditions, Written, bindings, conditions, criteria, prepare, rules,
};
use crate::access::Access;
use crate::error::{Category, Error, Result};
use crate::fhir::{Id, Method, ResourceType, Version};
use crate::jobs::parameters::refresh_after;
use crate::storage;
use crate::storage::writer::{Decision, Job, Next, Outcome, Patience, perform};
use bytes::Bytes;
use serde_json::{Map, Value};
use std::sync::Arc;

/// Replaces a resource, or creates it under the id that the client chose.
///
/// # Errors
/// `Invalid` where the ids of URL and body differ, `PreconditionFailed` where conditions or
/// criteria fail, and as [`prepare::prepare`].
pub async fn update(
    hub: &Hub,
    access: &Access,
    resource_type: ResourceType,
    subject: Subject,
    body: Bytes,
    conditions: &WriteConditions,
) -> Result<Written> {
    let resource = prepare::parse(hub, resource_type, &body)?;
    let written = match subject {
        Subject::Id(id) => {
            prepare::checked_id(&id)?;
            same_id(&resource, &id)?;
            let (next, questions) =
                prepare::prepare_asking(hub, access, resource_type, &id, resource, Method::Put)?;
            bindings::check(hub, access, &questions).await?;
            let job = replacing(access, resource_type, id, next, conditions);
            written(hub.store.writer().write(job).await?)?
        }
        Subject::Criteria(criteria) => {
            // Before a connection is held: two for one request could starve all others.
            let questions = rules::check(hub, resource_type, &Value::Object(resource.clone()))?;
            bindings::check(hub, access, &questions).await?;
            let mut patience = Patience::default();
            loop {
                let attempt =
                    conditionally(hub, access, resource_type, &criteria, &resource, conditions);
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

/// The body must carry the id of the URL.
pub fn same_id(resource: &Map<String, Value>, id: &str) -> Result<()> {
    match prepare::id_of(resource) {
        Some(own) if own == id => Ok(()),
        Some(other) => Err(Error::coded(
            Category::Invalid,
            "value",
            format!("expected the id of the URL, {id}, but found {other}"),
        )
        .at("id")),
        None => Err(Error::coded(
            Category::Invalid,
            "required",
            format!("expected the id of the URL, {id}, but the body has none"),
        )
        .at("id")),
    }
}

/// The write that replaces what is there, unless it is the same already.
pub fn replacing(
    access: &Access,
    resource_type: ResourceType,
    id: String,
    next: Next,
    conditions: &WriteConditions,
) -> Job {
    let next = Arc::new(next);
    let conditions = conditions.clone();
    Job {
        access: access.clone(),
        resource_type,
        id,
        fresh: false,
        alone: false,
        decide: Box::new(move |current| {
            let version = current.map(|current| &current.version);
            conditions::check(&conditions, version)?;
            Ok(
                if version.is_some_and(|version| says_the_same(&next, version)) {
                    Decision::Keep
                } else {
                    Decision::Write(Arc::clone(&next))
                },
            )
        }),
    }
}

/// Whether storing `next` would change nothing but version and time.
pub fn says_the_same(next: &Next, current: &Version) -> bool {
    match (&next.content, &current.body) {
        (Some(draft), Some(body)) => draft.stamp(current.version, current.last_updated) == *body,
        _ => false,
    }
}

/// What the outcome of such a write was.
pub fn written(outcome: Outcome) -> Result<Written> {
    let existed = outcome
        .before
        .as_ref()
        .is_some_and(|current| !current.version.is_deleted());
    match (outcome.after, outcome.before) {
        (Some(version), _) if existed => Ok(Written::Updated(version)),
        (Some(version), _) => Ok(Written::Created(version)),
        (None, Some(current)) => Ok(Written::Unchanged(current.version)),
        (None, None) => Err(Error::fault("a write kept what is not there")),
    }
}

/// What a conditional update does in view of its one match and the id in the body.
pub struct Aim {
    pub id: String,
    /// Nothing may be there under the id yet.
    pub must_be_new: bool,
}

/// The table of <https://hl7.org/fhir/R4/http.html#cond-update>, with R5's 409 for an id
/// that is taken by a resource that the criteria do not match.
pub fn aim(matched: Option<String>, own: Option<&str>) -> Result<Aim> {
    match (matched, own) {
        (Some(id), None) => Ok(Aim {
            id,
            must_be_new: false,
        }),
        (Some(id), Some(own)) if id == own => Ok(Aim {
            id,
            must_be_new: false,
        }),
        (Some(id), Some(own)) => Err(Error::coded(
            Category::Invalid,
            "value",
            format!("expected the id of the match, {id}, but found {own}"),
        )
        .at("id")),
        (None, Some(own)) => Ok(Aim {
            id: prepare::checked_id(own)?.to_owned(),
            must_be_new: true,
        }),
        (None, None) => Ok(Aim {
            id: Id::random().to_string(),
            must_be_new: true,
        }),
    }
}

/// The error for an id that is taken.
pub fn taken(resource_type: ResourceType, id: &str) -> Error {
    Error::new(
        Category::Conflict,
        format!("{resource_type}/{id} exists but does not match the criteria"),
    )
}

async fn conditionally(
    hub: &Hub,
    access: &Access,
    resource_type: ResourceType,
    criteria: &str,
    resource: &Map<String, Value>,
    conditions: &WriteConditions,
) -> Result<Written> {
    let mut transaction = criteria::begin(hub, access, resource_type, criteria).await?;
    let ids =
        criteria::held_matches(hub, &mut transaction, access, resource_type, criteria, 2).await?;
    let matched = criteria::at_most_one(resource_type, ids)?;
    let Aim { id, must_be_new } = aim(matched, prepare::id_of(resource))?;
    let resource = resource.clone();
    let next = prepare::prepare(hub, access, resource_type, &id, resource, Method::Put)?;
    let mut job = replacing(access, resource_type, id.clone(), next, conditions);
    if must_be_new {
        let decide = job.decide;
        job.decide = Box::new(move |current| match current {
            Some(current) if !current.version.is_deleted() => Err(taken(resource_type, &id)),
            other => decide(other),
        });
    }
    let outcome = perform(&mut transaction, access, &[&job])
        .await?
        .remove(0)?;
    storage::commit(transaction).await?;
    written(outcome)
}
