//! GET and HEAD inside a Bundle: read, vread, history, search.

use super::request::Action;
use crate::access::Access;
use crate::error::{Category, Error, Result};
use crate::fhir::bundle::{Entry, Response};
use crate::fhir::{ResourceType, Version};
use crate::interaction::{Hub, Read, ReadConditions, history, read, search};
use crate::storage;
use bytes::Bytes;
use sqlx::PgConnection;

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
    let (path, query) = url.split_once('?').unwrap_or((url, ""));
    let pairs = search::pairs(query)?;
    let parts: Vec<&str> = path.split('/').filter(|part| !part.is_empty()).collect();
    let known = |name: &str| ResourceType::parse(name).ok_or_else(|| unknown(url));
    let bundle = match parts.as_slice() {
        [] => search::search_in(hub, connection, access, search::system(pairs)).await?,
        ["_history"] => {
            history::history_in(hub, connection, access, &history::Scope::System, &pairs).await?
        }
        [name] => {
            let scope = search::of_type(known(name)?, pairs);
            search::search_in(hub, connection, access, scope).await?
        }
        [name, "_history"] => {
            let scope = history::Scope::Type(known(name)?);
            history::history_in(hub, connection, access, &scope, &pairs).await?
        }
        [name, id] => {
            let kind = known(name)?;
            let found = storage::read::find_current(connection, access, kind, id).await?;
            return Ok(match read::judge(found, kind, id, conditions)? {
                Read::Found(version) => of_version(hub, &version),
                Read::NotModified(version) => not_modified(&version),
            });
        }
        [name, id, "_history"] => {
            let scope = history::Scope::Instance(known(name)?, (*id).to_owned());
            history::history_in(hub, connection, access, &scope, &pairs).await?
        }
        [name, id, "_history", number] => {
            let found = match number.parse() {
                Ok(number) => {
                    storage::read::find_version(connection, access, known(name)?, id, number)
                        .await?
                }
                Err(_) => None,
            };
            let version = found
                .ok_or_else(|| Error::new(Category::NotFound, format!("there is no {path}")))?;
            if version.is_deleted() {
                return Err(read::gone(&version));
            }
            return Ok(of_version(hub, &version));
        }
        _ => return Err(unknown(url)),
    };
    Ok(ok(bundle.to_json()))
}

fn unknown(url: &str) -> Error {
    Error::coded(
        Category::NotFound,
        "not-supported",
        format!("expected a read, a search or a history but found {url}"),
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

fn of_version(hub: &Hub, version: &Version) -> Entry {
    let mut entry = ok(version.body.clone().unwrap_or_default());
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
