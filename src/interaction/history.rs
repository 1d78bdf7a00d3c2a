//! history of an instance, a type or the whole system, newest first.
//! <https://hl7.org/fhir/R4/http.html#history>
//!
//! Pages go on from a place between two versions (`_page`), so that new versions never move
//! what an earlier page showed. `_since` includes its own instant; `_at` gives what was
//! current at some time in it.

use super::Hub;
use crate::access::Access;
use crate::error::{Category, Error, Result};
use crate::fhir::bundle::{Entry, Outgoing, Response};
use crate::fhir::date::Span;
use crate::fhir::{Instant, Method, ResourceType, Version};
use crate::search::index::resource_key;
use crate::search::params::date::with_plus;
use crate::storage::history::{Place, Placed, Window, of_instance, of_types};
use sqlx::PgConnection;
use std::collections::HashSet;

/// Whose history is asked for.
#[derive(Clone, Debug)]
pub enum Scope {
    System,
    Type(ResourceType),
    Instance(ResourceType, String),
}

impl Scope {
    fn path(&self) -> String {
        match self {
            Scope::System => "_history".to_owned(),
            Scope::Type(kind) => format!("{kind}/_history"),
            Scope::Instance(kind, id) => format!("{kind}/{id}/_history"),
        }
    }
}

/// What the parameters ask for.
#[derive(Debug)]
struct Asked {
    count: usize,
    since: Option<Instant>,
    /// The half-open time of `_at`.
    at: Option<(Instant, Instant)>,
    page: Option<Place>,
    /// The parameters to repeat in links, without `_page`.
    echo: Vec<(String, String)>,
}

/// Answers a history from one snapshot.
pub async fn history(
    hub: &Hub,
    access: &Access,
    scope: &Scope,
    pairs: &[(String, String)],
) -> Result<Outgoing> {
    let mut snapshot = hub.store.snapshot(access).await?;
    history_in(hub, &mut snapshot, access, scope, pairs).await
}

/// Answers a history as the connection's transaction sees it.
pub async fn history_in(
    hub: &Hub,
    connection: &mut PgConnection,
    access: &Access,
    scope: &Scope,
    pairs: &[(String, String)],
) -> Result<Outgoing> {
    let asked = parse(hub, pairs)?;
    let window = Window {
        since: asked.since.unwrap_or(Instant::EARLIEST),
        until: asked.at.map_or(Instant::LATEST, |(_, end)| before(end)),
        current_after: asked.at.map(|(start, _)| start),
    };
    let below = asked.page.unwrap_or(Place::TOP);
    // One more than asked shows whether there is a next page.
    let limit = asked.count + 1;
    let mut found = match scope {
        Scope::Instance(kind, id) => {
            let key = resource_key(*kind, id);
            let identity = (*kind, key, id.as_str());
            let found =
                of_instance(connection, access, identity, &window, below.version, limit).await?;
            if found.is_empty() {
                must_exist(connection, access, *kind, id).await?;
            }
            found
        }
        Scope::Type(kind) => of_types(connection, access, &[*kind], &window, below, limit).await?,
        Scope::System => {
            let all: Vec<ResourceType> = ResourceType::all().collect();
            of_types(connection, access, &all, &window, below, limit).await?
        }
    };
    // Versions count from 1 without gaps: the newest number is how many there are.
    let newest = found.first().map(|placed| placed.version.version);
    let deletions = deletions(&found);
    let more = found.len() > asked.count;
    found.truncate(asked.count);
    let unfiltered = asked.since.is_none() && asked.at.is_none() && asked.page.is_none();
    let total = match (scope, newest) {
        (Scope::Instance(..), Some(newest)) if unfiltered => u64::try_from(newest).ok(),
        _ => None,
    };
    let mut links = vec![("self", link(hub, scope, &asked, asked.page))];
    if let (true, Some(last)) = (more, found.last()) {
        links.push(("next", link(hub, scope, &asked, Some(last.place))));
    }
    Ok(Outgoing {
        bundle_type: "history",
        total,
        links,
        entries: found
            .iter()
            .map(|placed| {
                let before = (placed.place.key, placed.version.version - 1);
                entry(hub, &placed.version, deletions.contains(&before))
            })
            .collect(),
    })
}

/// 404 for what never was; an empty page is fine for what is.
async fn must_exist(
    connection: &mut PgConnection,
    access: &Access,
    kind: ResourceType,
    id: &str,
) -> Result<()> {
    let found = crate::storage::read::find_current(connection, access, kind, id).await?;
    match found {
        Some(_) => Ok(()),
        None => Err(Error::new(
            Category::NotFound,
            format!("there is no {kind} with the id {id}"),
        )),
    }
}

/// Key and version of the deletions among these: the version after one brought the resource
/// back. Where the deletion lies outside of what is asked for, that is not known.
fn deletions(found: &[Placed]) -> HashSet<(i64, i32)> {
    let deleted = |placed: &&Placed| placed.version.method == Method::Delete;
    let places = found.iter().filter(deleted).map(|placed| placed.place);
    places.map(|place| (place.key, place.version)).collect()
}

/// `revived`: the version before this one was a deletion.
fn entry(hub: &Hub, version: &Version, revived: bool) -> Entry {
    let kind = version.resource_type;
    // A patch shows as the update that it amounts to: followers can replay it.
    let (method, status) = match version.method {
        Method::Post => ("POST", "201 Created"),
        Method::Put if version.version == 1 || revived => ("PUT", "201 Created"),
        Method::Put | Method::Patch => ("PUT", "200 OK"),
        Method::Delete => ("DELETE", "204 No Content"),
    };
    let url = match version.method {
        Method::Post => kind.to_string(),
        _ => version.reference(),
    };
    Entry {
        full_url: Some(format!("{}/{}", hub.settings.base, version.reference())),
        resource: version.body.clone(),
        request: Some((method, url)),
        response: Some(Response {
            status: status.to_owned(),
            etag: Some(version.etag()),
            last_modified: Some(version.last_updated),
            ..Response::default()
        }),
        ..Entry::default()
    }
}

fn before(end: Instant) -> Instant {
    Instant::from_milliseconds(end.milliseconds() - 1)
}

fn parse(hub: &Hub, pairs: &[(String, String)]) -> Result<Asked> {
    let limits = &hub.settings.limits;
    let mut asked = Asked {
        count: limits.page_size,
        since: None,
        at: None,
        page: None,
        echo: Vec::new(),
    };
    for (index, (name, value)) in pairs.iter().enumerate() {
        if pairs[..index].iter().any(|(other, _)| other == name) {
            return Err(bad(name, "once", "it again"));
        }
        match name.as_str() {
            "_count" => {
                let is_digit = |byte: u8| byte.is_ascii_digit();
                if value.is_empty() || !value.bytes().all(is_digit) {
                    return Err(bad(name, "a count of 0 or more", value));
                }
                // So many digits that they do not fit are more than the limit as well.
                asked.count = value
                    .parse()
                    .unwrap_or(usize::MAX)
                    .min(limits.max_page_size);
            }
            "_since" => {
                let span = Span::parse(&with_plus(value))
                    .ok_or_else(|| bad(name, "an instant such as 2026-03-03T10:00:00Z", value))?;
                asked.since = Some(Instant::from_microseconds(span.low));
            }
            "_at" => {
                let span = Span::parse(&with_plus(value))
                    .ok_or_else(|| bad(name, "a date or an instant", value))?;
                let start = Instant::from_microseconds(span.low);
                let end = Instant::from_microseconds(span.high);
                // An instant lasts a millisecond here.
                let end = end.max(Instant::from_milliseconds(start.milliseconds() + 1));
                asked.at = Some((start, end));
            }
            "_page" => {
                asked.page =
                    Some(read_place(value).ok_or_else(|| bad(name, "a page link of ours", value))?);
                continue;
            }
            "_format" | "_pretty" | "_summary" | "_elements" => {}
            other => {
                return Err(Error::coded(
                    Category::NotSupported,
                    "not-supported",
                    format!("a history takes _since, _at and _count but found {other}"),
                ));
            }
        }
        asked.echo.push((name.clone(), value.clone()));
    }
    Ok(asked)
}

fn bad(name: &str, expected: &str, found: &str) -> Error {
    Error::coded(
        Category::Invalid,
        "value",
        format!("expected {name} to be {expected} but found {found}"),
    )
}

fn link(hub: &Hub, scope: &Scope, asked: &Asked, page: Option<Place>) -> String {
    let mut url = format!("{}/{}", hub.settings.base, scope.path());
    let mut separator = '?';
    let place = page.map(|place| ("_page".to_owned(), write_place(place)));
    for (name, value) in asked.echo.iter().cloned().chain(place) {
        let value =
            percent_encoding::utf8_percent_encode(&value, percent_encoding::NON_ALPHANUMERIC);
        url.push(separator);
        url.push_str(&format!("{name}={value}"));
        separator = '&';
    }
    url
}

/// A place as the text of a link: three numbers.
fn write_place(place: Place) -> String {
    format!(
        "{}.{}.{}",
        place.last_updated.milliseconds(),
        place.key as u64,
        place.version
    )
}

fn read_place(text: &str) -> Option<Place> {
    let mut parts = text.split('.');
    let place = Place {
        last_updated: Instant::from_milliseconds(parts.next()?.parse().ok()?),
        key: parts.next()?.parse::<u64>().ok()? as i64,
        version: parts.next()?.parse().ok()?,
    };
    let known = Instant::EARLIEST..=Instant::LATEST;
    (parts.next().is_none() && known.contains(&place.last_updated)).then_some(place)
}
