//! GET and HEAD inside a Bundle: read, vread, history, search.

use super::request::Action;
use crate::access::Access;
use crate::error::{Category, Error, Result};
use crate::fhir::bundle::{Entry, Response};
use crate::fhir::{ResourceType, Version, query};
use crate::interaction::subset::{Subset, subset};
use crate::interaction::{Hub, Read, ReadConditions, history, prepare, read, search, vread};
use crate::storage;
use bytes::Bytes;
use percent_encoding::percent_decode_str;
use sqlx::PgConnection;
use std::borrow::Cow;

/// Answers a GET or HEAD as the connection's transaction sees it.
pub async fn answer(
    hub: &Hub,
    connection: &mut PgConnection,
    access: &Access,
    action: &Action,
) -> Result<Entry> {
    let Action::Get {
        url,
        conditions,
        head,
    } = action
    else {
        return Err(Error::fault("not a read"));
    };
    let mut entry = find(hub, connection, access, url, conditions).await?;
    if *head {
        entry.resource = None;
    }
    Ok(entry)
}

async fn find(
    hub: &Hub,
    connection: &mut PgConnection,
    access: &Access,
    url: &str,
    conditions: &ReadConditions,
) -> Result<Entry> {
    let (path, raw) = url.split_once('?').unwrap_or((url, ""));
    let pairs = query::pairs(raw)?;
    let parts: Vec<Cow<'_, str>> = path
        .split('/')
        .filter(|part| !part.is_empty())
        .map(decode)
        .collect::<Result<_>>()?;
    let parts: Vec<&str> = parts.iter().map(AsRef::as_ref).collect();
    let known = |name: &str| ResourceType::parse(name).ok_or_else(|| unknown(url));
    let scope = match parts.as_slice() {
        [] => {
            let asked = search::system(pairs);
            let found = search::search_in(hub, connection, access, asked).await?;
            return Ok(ok(found));
        }
        ["metadata"] => return Err(no_metadata()),
        ["_history"] => history::Scope::System,
        [name] => {
            let asked = search::of_type(known(name)?, pairs);
            let found = search::search_in(hub, connection, access, asked).await?;
            return Ok(ok(found));
        }
        [name, "_history"] => history::Scope::Type(known(name)?),
        [name, id, "_history"] => {
            history::Scope::Instance(known(name)?, prepare::checked_id(id)?.to_owned())
        }
        [name, id, member] if is_member(member) => {
            let focal = (known(name)?, prepare::checked_id(id)?);
            let asked = search::in_compartment(focal, ResourceType::parse(member), pairs);
            let found = search::search_in(hub, connection, access, asked).await?;
            return Ok(ok(found));
        }
        [name, id] => {
            let (kind, id) = (known(name)?, prepare::checked_id(id)?);
            let how = Subset::parse(&pairs)?;
            let found = storage::read::find_current(connection, access, kind, id).await?;
            return Ok(match read::judge(found, kind, id, conditions)? {
                Read::Found(version) => of_version(hub, &version, &how),
                Read::NotModified(version) => not_modified(&version),
            });
        }
        [name, id, "_history", number] => {
            let subject = (known(name)?, prepare::checked_id(id)?);
            let how = Subset::parse(&pairs)?;
            let version = one_version(connection, access, subject, number).await?;
            return Ok(of_version(hub, &version, &how));
        }
        _ => return Err(unknown(url)),
    };
    past(hub, connection, access, &scope, &pairs).await
}

/// Whether a segment after an id says what of a compartment is searched.
fn is_member(segment: &str) -> bool {
    segment == "*" || ResourceType::parse(segment).is_some()
}

async fn one_version(
    connection: &mut PgConnection,
    access: &Access,
    (kind, id): (ResourceType, &str),
    version: &str,
) -> Result<Version> {
    let found = match vread::number(version) {
        Some(number) => storage::read::find_version(connection, access, kind, id, number).await?,
        None => None,
    };
    vread::judge(found, kind, id, version)
}

async fn past(
    hub: &Hub,
    connection: &mut PgConnection,
    access: &Access,
    scope: &history::Scope,
    pairs: &[(String, String)],
) -> Result<Entry> {
    let how = Subset::parse(pairs)?;
    let mut found = history::history_in(hub, connection, access, scope, pairs).await?;
    for body in found
        .entries
        .iter_mut()
        .filter_map(|entry| entry.resource.as_mut())
    {
        *body = subset(&hub.definitions, body, &how);
    }
    Ok(ok(found.to_json()))
}

/// One part of a path, of which `+` is no space. What no id or version can be is left for
/// their own checks to answer.
fn decode(part: &str) -> Result<Cow<'_, str>> {
    percent_decode_str(part).decode_utf8().map_err(|_| {
        Error::coded(
            Category::Invalid,
            "value",
            "expected percent-encoded UTF-8 in the URL but found other bytes",
        )
    })
}

/// What the server says of itself belongs to the edge, which knows the routes.
fn no_metadata() -> Error {
    Error::coded(
        Category::NotFound,
        "not-supported",
        "metadata is not answered inside a Bundle; GET it on its own",
    )
}

fn unknown(url: &str) -> Error {
    Error::coded(
        Category::NotFound,
        "not-supported",
        format!("expected a read, a search or a history but found {url:?}"),
    )
}

fn ok(resource: Bytes) -> Entry {
    Entry {
        resource: Some(resource),
        response: Some(Response {
            status: "200 OK".to_owned(),
            ..Response::default()
        }),
        ..Entry::default()
    }
}

fn of_version(hub: &Hub, version: &Version, how: &Subset) -> Entry {
    let body = version.body.clone().unwrap_or_default();
    let mut entry = ok(subset(&hub.definitions, &body, how));
    entry.full_url = Some(format!("{}/{}", hub.settings.base, version.reference()));
    if let Some(response) = &mut entry.response {
        response.etag = Some(version.etag());
        response.last_modified = Some(version.last_updated);
    }
    entry
}

fn not_modified(version: &Version) -> Entry {
    Entry {
        response: Some(Response {
            status: "304 Not Modified".to_owned(),
            etag: Some(version.etag()),
            last_modified: Some(version.last_updated),
            ..Response::default()
        }),
        ..Entry::default()
    }
}
