//! batch: entries that know nothing of each other.
//! <https://hl7.org/fhir/R4/http.html#other-bundles>
//!
//! Neighbours of the same method run at the same time and share transactions (see
//! `storage::writer`); where the method changes, the earlier ones end first, so that a
//! client that reads what it wrote just before finds it.

use super::request::{self, Action, Request};
use super::{answer, deletion_answer, get, links};
use crate::access::Access;
use crate::error::{Category, Error, Result};
use crate::fhir::bundle::{Entry, Frame, Outgoing, Response};
use crate::fhir::outcome::operation_outcome;
use crate::interaction::{Hub, Return, create, delete, patch, update};
use bytes::Bytes;
use futures::StreamExt;
use std::collections::HashSet;
use std::mem::discriminant;
use std::sync::Arc;

/// Entries in work at once.
const AT_ONCE: usize = 8;

/// Does each entry on its own; a failed one carries its outcome.
pub async fn process(
    hub: &Arc<Hub>,
    access: &Access,
    frame: &Frame<'_>,
    preference: Return,
) -> Result<Outgoing> {
    let names: HashSet<&str> = frame
        .entry
        .iter()
        .filter_map(|entry| entry.full_url.as_deref())
        .filter(|url| url.starts_with("urn:"))
        .collect();
    let requests: Vec<Result<Request>> = (0..frame.entry.len())
        .map(|index| request::parse(hub, frame, index))
        .collect();
    let same_kind = |a: &Result<Request>, b: &Result<Request>| match (a, b) {
        (Ok(a), Ok(b)) => discriminant(&a.action) == discriminant(&b.action),
        // A malformed entry must not join the kinds on its two sides.
        (a, b) => a.is_err() && b.is_err(),
    };
    let mut entries = Vec::with_capacity(requests.len());
    for group in requests.chunk_by(same_kind) {
        let mut answers = Vec::with_capacity(group.len());
        for request in group {
            answers.push(one(hub, access, request, &names, preference));
        }
        let answers = futures::stream::iter(answers).buffered(AT_ONCE);
        entries.extend(answers.collect::<Vec<Entry>>().await);
    }
    Ok(Outgoing {
        bundle_type: "batch-response",
        entries,
        ..Outgoing::default()
    })
}

async fn one(
    hub: &Arc<Hub>,
    access: &Access,
    request: &Result<Request<'_>>,
    names: &HashSet<&str>,
    preference: Return,
) -> Entry {
    let outcome = match request {
        Ok(request) => perform(hub, access, request, names, preference)
            .await
            .map_err(|error| error.in_entry(request.index)),
        Err(error) => Err(Error::of(error.category, error.issues.clone())),
    };
    outcome.unwrap_or_else(|error| failure(&error))
}

/// The entry of one that failed.
fn failure(error: &Error) -> Entry {
    if let Some(source) = &error.source {
        tracing::warn!(error = %source, "a batch entry failed");
    }
    Entry {
        response: Some(Response {
            status: crate::error::status_line(error.category).to_owned(),
            outcome: Some(Bytes::from(operation_outcome(&error.issues).to_string())),
            ..Response::default()
        }),
        ..Entry::default()
    }
}

async fn perform(
    hub: &Arc<Hub>,
    access: &Access,
    request: &Request<'_>,
    names: &HashSet<&str>,
    preference: Return,
) -> Result<Entry> {
    let body = || Bytes::from(request.resource.unwrap_or_default().to_owned());
    if let Some(text) = request.resource {
        let depth = hub.settings.limits.json_depth;
        refuse_links(text, depth, request.full_url, names)?;
    }
    match &request.action {
        Action::Create {
            resource_type,
            if_none_exist,
        } => {
            let written = create::create(
                hub,
                access,
                *resource_type,
                body(),
                if_none_exist.as_deref(),
            )
            .await?;
            Ok(answer(hub, &written, preference))
        }
        Action::Update {
            resource_type,
            subject,
            conditions,
        } => {
            let subject = subject.clone();
            let written =
                update::update(hub, access, *resource_type, subject, body(), conditions).await?;
            Ok(answer(hub, &written, preference))
        }
        Action::Patch {
            resource_type,
            subject,
            conditions,
            patch,
        } => {
            let (subject, patch) = (subject.clone(), patch.clone());
            let written =
                patch::patch(hub, access, *resource_type, subject, patch, conditions).await?;
            Ok(answer(hub, &written, preference))
        }
        Action::Delete {
            resource_type,
            subject,
            conditions,
        } => {
            let deleted =
                delete::delete(hub, access, *resource_type, subject.clone(), conditions).await?;
            Ok(deletion_answer(deleted.versions.first(), preference))
        }
        read @ Action::Get { .. } => {
            let mut snapshot = hub.store.snapshot(access).await?;
            get::answer(hub, &mut snapshot, access, read).await
        }
    }
}

/// Entries of a batch must not point at each other.
fn refuse_links(text: &str, depth: usize, own: Option<&str>, names: &HashSet<&str>) -> Result<()> {
    if names.is_empty() {
        return Ok(());
    }
    let other = |text: &str| {
        let plain = text
            .split_once("/_history/")
            .map_or(text, |(plain, _)| plain);
        names.get(plain).filter(|name| Some(**name) != own).copied()
    };
    match links::find_urn(text, depth, &other) {
        Some(name) => Err(Error::coded(
            Category::Invalid,
            "processing",
            format!(
                "expected entries of a batch to be independent but this one refers to {name:?}; use a transaction"
            ),
        )),
        None => Ok(()),
    }
}
