//! batch and transaction: many interactions in one Bundle.
//! <https://hl7.org/fhir/R4/http.html#transaction>
//!
//! [`request`] reads the entries, [`links`] rewrites what points from one to another,
//! [`content`] makes what is written, [`get`] answers reads inside either; [`batch`] and
//! [`transaction`] are the two ways of doing the rest. An answer carries resources only where
//! `Prefer: return=representation` asks for them (and for reads): a client that sent ten
//! thousand knows what it sent.

mod batch;
mod content;
mod get;
mod links;
mod request;
mod transaction;

use super::{Hub, Return, Written};
use crate::access::Access;
use crate::error::{Category, Error, Issue, Result};
use crate::fhir::bundle::{Entry, Frame, Outgoing, Response};
use crate::fhir::outcome::operation_outcome;
use crate::fhir::{Version, json};
use bytes::Bytes;
use std::sync::Arc;

/// Does what a Bundle of type `batch` or `transaction` asks for.
///
/// # Errors
/// A batch fails only as a whole Bundle; a transaction also by any of its entries, with
/// the entry's path in the issues.
pub async fn process(
    hub: &Arc<Hub>,
    access: &Access,
    body: Bytes,
    preference: Return,
) -> Result<Outgoing> {
    let frame = Frame::parse(&body)?;
    refuse_implicit_rules(&body)?;
    let limit = hub.settings.limits.bundle_entries;
    if frame.entry.len() > limit {
        return Err(Error::new(
            Category::TooLarge,
            format!(
                "expected at most {limit} entries (the limit `bundle-entries`) but found {}",
                frame.entry.len()
            ),
        )
        .at("Bundle.entry"));
    }
    match frame.bundle_type.as_deref() {
        Some("batch") => batch::process(hub, access, &frame, preference).await,
        Some("transaction") => transaction::process(hub, access, &frame, preference).await,
        found => Err(Error::coded(
            Category::Invalid,
            "value",
            format!(
                "expected a Bundle of type batch or transaction but found {}; \
                 POST it to /Bundle to store it",
                found.unwrap_or("none")
            ),
        )
        .at("Bundle.type")),
    }
}

/// Rules that change what the elements of a Bundle mean are none that this server knows:
/// <https://hl7.org/fhir/R4/resource-definitions.html#Resource.implicitRules>. The frame
/// reads past them, so that only a Bundle with the word in it is looked at again.
fn refuse_implicit_rules(body: &[u8]) -> Result<()> {
    #[derive(serde::Deserialize)]
    struct Rules {
        #[serde(rename = "implicitRules")]
        implicit_rules: Option<serde::de::IgnoredAny>,
    }
    let body = json::without_byte_order_mark(body);
    let text = std::str::from_utf8(body).unwrap_or_default();
    if !text.contains("implicitRules") {
        return Ok(());
    }
    let rules: Option<Rules> = serde_json::from_str(text).ok();
    match rules.and_then(|rules| rules.implicit_rules) {
        None => Ok(()),
        Some(_) => Err(Error::coded(
            Category::Invalid,
            "not-supported",
            "expected a Bundle without implicitRules: a server that does not know them must refuse it",
        )
        .at("Bundle.implicitRules")),
    }
}

/// The answer to an entry that wrote.
fn answer(hub: &Hub, written: &Written, preference: Return) -> Entry {
    let version = written.version();
    let status = match written {
        Written::Created(_) => "201 Created",
        Written::Updated(_) | Written::Unchanged(_) => "200 OK",
    };
    Entry {
        full_url: Some(format!("{}/{}", hub.settings.base, version.reference())),
        resource: match preference {
            Return::Representation => version.body.clone(),
            _ => None,
        },
        response: Some(Response {
            status: status.to_owned(),
            location: Some(format!(
                "{}/{}",
                hub.settings.base,
                version.versioned_reference()
            )),
            etag: Some(version.etag()),
            last_modified: Some(version.last_updated),
            outcome: outcome(preference, "stored"),
        }),
        ..Entry::default()
    }
}

/// The answer to an entry that deleted `version`, or found nothing to delete.
fn deletion_answer(version: Option<&Version>, preference: Return) -> Entry {
    Entry {
        response: Some(Response {
            status: "204 No Content".to_owned(),
            etag: version.map(Version::etag),
            last_modified: version.map(|version| version.last_updated),
            outcome: outcome(preference, "deleted"),
            ..Response::default()
        }),
        ..Entry::default()
    }
}

fn outcome(preference: Return, what: &str) -> Option<Bytes> {
    (preference == Return::OperationOutcome).then(|| {
        let issue = Issue::information("informational", what);
        Bytes::from(operation_outcome(&[issue]).to_string())
    })
}
