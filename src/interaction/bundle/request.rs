//! What each entry of a Bundle asks for.

use super::links;
use crate::error::{Category, Error, Result};
use crate::fhir::bundle::{Frame, FrameEntry};
use crate::fhir::{Instant, ResourceType};
use crate::format;
use crate::interaction::{Hub, Patch, ReadConditions, Subject, WriteConditions, prepare};
use base64::Engine;
use base64::prelude::BASE64_STANDARD as BASE64;
use bytes::Bytes;
use serde_json::Value;

/// One entry, read.
pub struct Request<'a> {
    /// Its place in the Bundle.
    pub index: usize,
    pub full_url: Option<&'a str>,
    /// The text of its resource.
    pub resource: Option<&'a str>,
    pub action: Action,
}

/// What an entry asks for.
pub enum Action {
    Create {
        resource_type: ResourceType,
        if_none_exist: Option<String>,
    },
    Update {
        resource_type: ResourceType,
        subject: Subject,
        conditions: WriteConditions,
    },
    Patch {
        resource_type: ResourceType,
        subject: Subject,
        conditions: WriteConditions,
        patch: Patch,
    },
    Delete {
        resource_type: ResourceType,
        subject: Subject,
        conditions: WriteConditions,
    },
    Get {
        /// Relative to the base: `Patient/1`, `Patient?name=a`, `_history`.
        url: String,
        conditions: ReadConditions,
        /// HEAD: the answer has no resource.
        head: bool,
    },
}

impl Action {
    /// The criteria of a conditional write, with their type.
    pub fn criteria(&self) -> Option<(ResourceType, &str)> {
        match self {
            Action::Create {
                resource_type,
                if_none_exist,
            } => Some((*resource_type, if_none_exist.as_deref()?)),
            Action::Update {
                resource_type,
                subject: Subject::Criteria(criteria),
                ..
            }
            | Action::Patch {
                resource_type,
                subject: Subject::Criteria(criteria),
                ..
            }
            | Action::Delete {
                resource_type,
                subject: Subject::Criteria(criteria),
                ..
            } => Some((*resource_type, criteria)),
            _ => None,
        }
    }
}

/// Reads one entry.
///
/// # Errors
/// `Invalid` without method, URL or resource where they must be, or with a patch that is none.
pub fn parse<'a>(hub: &Hub, frame: &'a Frame<'_>, index: usize) -> Result<Request<'a>> {
    parse_entry(hub, &frame.entry[index], index)
        .map_err(|error| error.at(format!("Bundle.entry[{index}]")))
}

fn parse_entry<'a>(hub: &Hub, entry: &'a FrameEntry<'_>, index: usize) -> Result<Request<'a>> {
    let place = |element: &str| format!("Bundle.entry[{index}].{element}");
    let request = entry
        .request
        .as_ref()
        .ok_or_else(|| required("request").at(place("request")))?;
    let method = request
        .method
        .as_deref()
        .ok_or_else(|| required("request.method").at(place("request.method")))?;
    let url = request
        .url
        .as_deref()
        .ok_or_else(|| required("request.url").at(place("request.url")))?;
    let relative = url
        .strip_prefix(&hub.settings.base)
        .unwrap_or(url)
        .trim_start_matches('/');
    let resource = entry.resource.map(|raw| raw.get());
    refuse_other_id(entry).map_err(|error| error.at(place("fullUrl")))?;
    let with_resource = || {
        resource
            .map(|_| ())
            .ok_or_else(|| required("resource").at(place("resource")))
    };
    let conditions = || WriteConditions {
        if_match: request.if_match.clone(),
        if_none_match: request.if_none_match.clone(),
    };
    let subject = || subject(relative).map_err(|error| error.at(place("request.url")));
    let action = match method {
        "POST" => {
            with_resource()?;
            let (resource_type, rest) =
                split_type(relative).map_err(|e| e.at(place("request.url")))?;
            if !rest.is_empty() {
                return Err(bad_url(url).at(place("request.url")));
            }
            let criteria = request.if_none_exist.as_deref();
            let if_none_exist = criteria.map(|text| prepare::bare_criteria(text).to_owned());
            Action::Create {
                resource_type,
                if_none_exist,
            }
        }
        "PUT" => {
            with_resource()?;
            let (resource_type, subject) = subject()?;
            Action::Update {
                resource_type,
                subject,
                conditions: conditions(),
            }
        }
        "DELETE" => {
            let (resource_type, subject) = subject()?;
            Action::Delete {
                resource_type,
                subject,
                conditions: conditions(),
            }
        }
        "GET" | "HEAD" => Action::Get {
            url: relative.to_owned(),
            conditions: ReadConditions {
                if_none_match: request.if_none_match.clone(),
                if_modified_since: request
                    .if_modified_since
                    .as_deref()
                    .and_then(Instant::parse),
            },
            head: method == "HEAD",
        },
        "PATCH" => {
            with_resource()?;
            let (resource_type, subject) = subject()?;
            let patch = patch(hub, resource.unwrap_or_default());
            Action::Patch {
                resource_type,
                subject,
                conditions: conditions(),
                patch: patch.map_err(|error| error.at(place("resource")))?,
            }
        }
        other => {
            return Err(Error::coded(
                Category::Invalid,
                "value",
                format!("expected GET, HEAD, POST, PUT, PATCH or DELETE but found {other:?}"),
            )
            .at(place("request.method")));
        }
    };
    Ok(Request {
        index,
        full_url: entry.full_url.as_deref(),
        resource,
        action,
    })
}

/// The patch of an entry: a Parameters is a FHIRPath Patch, a Binary holds one of any kind.
/// <https://hl7.org/fhir/R4/http.html#patch>
fn patch(hub: &Hub, text: &str) -> Result<Patch> {
    let resource = prepare::parse_any(hub, text.as_bytes())?;
    let member = |name: &str| resource.get(name).and_then(Value::as_str);
    match member("resourceType") {
        Some("Parameters") => return Ok(Patch::FhirPath(Bytes::copy_from_slice(text.as_bytes()))),
        Some("Binary") => {}
        found => {
            let found = found.unwrap_or("none");
            let says = format!("expected a patch as a Binary or a Parameters but found a {found}");
            return Err(Error::coded(Category::Invalid, "structure", says));
        }
    }
    let data = BASE64
        .decode(member("data").unwrap_or_default())
        .map_err(|_| Error::invalid("expected Binary.data in base64 but found other text"))?;
    let content_type = member("contentType").unwrap_or_default();
    let essence = content_type.split(';').next().unwrap_or_default().trim();
    match essence.to_ascii_lowercase().as_str() {
        "application/json-patch+json" => Ok(Patch::Json(Bytes::from(data))),
        "application/xml-patch+xml" => Ok(Patch::Xml(Bytes::from(data))),
        "application/fhir+json" => Ok(Patch::FhirPath(Bytes::from(data))),
        "application/fhir+xml" => {
            let depth = hub.settings.limits.json_depth;
            let json = format::to_json(&hub.definitions, &data, depth)?;
            Ok(Patch::FhirPath(Bytes::from(json)))
        }
        other => Err(Error::coded(
            Category::Invalid,
            "not-supported",
            format!(
                "expected Binary.contentType to be application/json-patch+json, \
                 application/xml-patch+xml or that of a Parameters but found {other:?}"
            ),
        )),
    }
}

/// The fullUrl must not disagree with the id in the resource:
/// <https://hl7.org/fhir/R4/bundle-definitions.html#Bundle.entry.fullUrl>. Only that id is
/// read here; what is wrong with the resource else shows when its turn comes.
fn refuse_other_id(entry: &FrameEntry<'_>) -> Result<()> {
    #[derive(serde::Deserialize)]
    struct Root {
        id: Option<String>,
    }
    let restful = entry.full_url.as_deref().and_then(links::restful);
    let (Some((_, wanted)), Some(resource)) = (restful, entry.resource) else {
        return Ok(());
    };
    let root: Option<Root> = serde_json::from_str(resource.get()).ok();
    match root.and_then(|root| root.id) {
        Some(id) if id != wanted => Err(Error::coded(
            Category::Invalid,
            "value",
            format!(
                "expected a fullUrl that ends in the id of the resource, {id:?}, but found {wanted:?}"
            ),
        )),
        _ => Ok(()),
    }
}

fn required(element: &str) -> Error {
    Error::coded(
        Category::Invalid,
        "required",
        format!("expected the entry to have {element} but it has none"),
    )
}

fn bad_url(url: &str) -> Error {
    Error::coded(
        Category::Invalid,
        "value",
        format!("expected a URL for this method, relative to the base, but found {url:?}"),
    )
}

/// `Patient/1` or `Patient?criteria`
fn subject(relative: &str) -> Result<(ResourceType, Subject)> {
    let (resource_type, rest) = split_type(relative)?;
    if let Some(criteria) = rest.strip_prefix('?') {
        return Ok((resource_type, Subject::Criteria(criteria.to_owned())));
    }
    match rest.strip_prefix('/') {
        Some(id) if !id.is_empty() => {
            prepare::checked_id(id)?;
            Ok((resource_type, Subject::Id(id.to_owned())))
        }
        _ => Err(bad_url(relative)),
    }
}

/// The type at the beginning of a relative URL and what follows it.
fn split_type(relative: &str) -> Result<(ResourceType, &str)> {
    let end = relative.find(['/', '?']).unwrap_or(relative.len());
    let (name, rest) = relative.split_at(end);
    let resource_type = ResourceType::parse(name).ok_or_else(|| {
        Error::coded(
            Category::NotFound,
            "not-supported",
            format!("expected a resource type of FHIR R4 but found {name:?}"),
        )
    })?;
    // `Patient/?criteria` is accepted as the specification writes it.
    let rest = match rest.strip_prefix("/?") {
        Some(_) => &rest[1..],
        None => rest,
    };
    Ok((resource_type, rest))
}
