//! From the text of a resource to what a write stores: parse, check, validate, index.
//!
//! Every interaction that writes passes through here, so that the same rules hold for a
//! create, an update, a patch and each entry of a Bundle.

use super::{Hub, rules};
use crate::access::Access;
use crate::config::Integrity;
use crate::error::{Category, Error, Issue, Result};
use crate::fhir::reference::Target;
use crate::fhir::{Draft, Id, Method, ResourceType, json};
use crate::search::custom;
use crate::search::index::resource_key;
use crate::search::literal_references::literal_references;
use crate::storage::writer::{Next, Pointer};
use crate::validation::profile::Question;
use serde_json::{Map, Value};

/// The tag of a resource that lacks elements, which must not overwrite the whole one.
const SUBSETTED: &str = "SUBSETTED";

/// Reads a body as a resource of this type.
///
/// # Errors
/// `Invalid`: not JSON as FHIR allows it, not an object, another type.
pub fn parse(hub: &Hub, resource_type: ResourceType, text: &[u8]) -> Result<Map<String, Value>> {
    let resource = parse_any(hub, text)?;
    match resource.get("resourceType").and_then(Value::as_str) {
        Some(name) if name == resource_type.name() => Ok(resource),
        Some(other) => Err(Error::coded(
            Category::Invalid,
            "structure",
            format!("expected a {resource_type} but found a {other}"),
        )
        .at(format!("{resource_type}.resourceType"))),
        None => Err(Error::coded(
            Category::Invalid,
            "structure",
            format!("expected resourceType {resource_type} but found none"),
        )
        .at(format!("{resource_type}.resourceType"))),
    }
}

/// Reads a body as a JSON object.
pub fn parse_any(hub: &Hub, text: &[u8]) -> Result<Map<String, Value>> {
    match json::parse(text, hub.settings.limits.json_depth)? {
        Value::Object(resource) => Ok(resource),
        _ => Err(Error::coded(
            Category::Invalid,
            "structure",
            "expected a resource as a JSON object",
        )),
    }
}

/// The `id` in a body, if there is one.
pub fn id_of(resource: &Map<String, Value>) -> Option<&str> {
    resource.get("id").and_then(Value::as_str)
}

/// The id in a URL.
///
/// # Errors
/// `Invalid` where it breaks the rule for ids.
pub fn checked_id(id: &str) -> Result<&str> {
    if Id::is_valid(id) {
        return Ok(id);
    }
    Err(Error::coded(
        Category::Invalid,
        "value",
        format!("expected an id of 1 to 64 letters, digits, `-` and `.` but found {id:?}"),
    ))
}

/// The criteria of a conditional create as sent, without what clients leave in front of
/// them: `?` or `Patient?`. A question mark further on is part of a value.
pub fn bare_criteria(text: &str) -> &str {
    match text.split_once('?') {
        Some((name, rest)) if name.is_empty() || ResourceType::parse(name).is_some() => rest,
        _ => text,
    }
}

/// Checks a resource and makes of it what is stored under `id`.
///
/// # Errors
/// `Invalid` with every structural problem; `Unprocessable` for a resource that breaks a
/// profile, or says it is incomplete; both with the elements' paths.
pub fn prepare(
    hub: &Hub,
    access: &Access,
    resource_type: ResourceType,
    id: &str,
    resource: Map<String, Value>,
    method: Method,
) -> Result<Next> {
    let (next, _) = prepare_asking(hub, access, resource_type, id, resource, method)?;
    Ok(next)
}

/// The same, and the bindings that are left open, see [`super::bindings`].
///
/// # Errors
/// As [`prepare`].
pub fn prepare_asking(
    hub: &Hub,
    access: &Access,
    resource_type: ResourceType,
    id: &str,
    resource: Map<String, Value>,
    method: Method,
) -> Result<(Next, Vec<Question>)> {
    let mut resource = resource;
    if method == Method::Post {
        // The server gives the id: what the body says of it is ignored, however malformed.
        resource.shift_remove("id");
    }
    let resource = Value::Object(resource);
    let questions = rules::check(hub, resource_type, &resource)?;
    refuse_subsetted(resource_type, &resource)?;
    let base = &hub.settings.base;
    let registry = hub.registry();
    if resource_type.name() == "SearchParameter" {
        custom::check(&registry, id, &resource)?;
    }
    let index = registry.index_as(access.tenant, resource_type, id, &resource, base);
    let pointers = pointers(hub, resource_type, &resource)?;
    let Value::Object(resource) = resource else {
        return Err(Error::fault("a resource ceased to be an object"));
    };
    let next = Next {
        method,
        content: Some(Draft::new(&resource, id)),
        index,
        pointers,
        hold: hub.settings.integrity == Integrity::Full,
        referrers: Vec::new(),
    };
    Ok((next, questions))
}

/// What a deletion stores.
pub fn deletion(hub: &Hub, access: &Access, resource_type: ResourceType, id: &str) -> Next {
    let referrers = if hub.settings.integrity == Integrity::Full {
        let key = resource_key(resource_type, id);
        hub.registry().referrer_entries(access.tenant, key)
    } else {
        Vec::new()
    };
    Next {
        method: Method::Delete,
        content: None,
        index: Default::default(),
        pointers: Vec::new(),
        hold: false,
        referrers,
    }
}

fn refuse_subsetted(resource_type: ResourceType, resource: &Value) -> Result<()> {
    let subsetted = resource["meta"]["tag"]
        .as_array()
        .is_some_and(|tags| tags.iter().any(|tag| tag["code"] == SUBSETTED));
    if !subsetted {
        return Ok(());
    }
    Err(Error::coded(
        Category::Unprocessable,
        "business-rule",
        "expected a whole resource but found one tagged SUBSETTED: storing it would lose elements",
    )
    .at(format!("{resource_type}.meta.tag")))
}

/// The references that must lead to a resource here, and an error for those that cannot be
/// stored as they are: a conditional one outside a transaction, or one that is malformed.
///
/// A `urn:` is stored as it is: it is a legal literal, which names something wherever it may
/// be. That it leads to an entry is a rule of transactions, which see to it themselves.
fn pointers(hub: &Hub, resource_type: ResourceType, resource: &Value) -> Result<Vec<Pointer>> {
    let base = &hub.settings.base;
    // What an audit or a provenance points at may be gone already.
    let checked = hub.settings.integrity != Integrity::Off
        && !matches!(resource_type.name(), "AuditEvent" | "Provenance");
    let mut pointers = Vec::new();
    let mut issues = Vec::new();
    for (path, target) in literal_references(resource, base) {
        match target {
            Target::Local { resource_type, id, .. } if checked => pointers.push(Pointer {
                resource_type,
                key: resource_key(resource_type, id),
                path,
                text: format!("{resource_type}/{id}"),
            }),
            Target::Conditional { resource_type, query } => issues.push(
                Issue::error(
                    "processing",
                    format!(
                        "expected a plain reference but found {resource_type}?{query}: \
                         conditional references are resolved in transactions only"
                    ),
                )
                .at(path),
            ),
            Target::Malformed(text) if checked => issues.push(
                Issue::error(
                    "value",
                    format!("expected a reference such as Patient/123 or an absolute URL but found {text:?}"),
                )
                .at(path),
            ),
            _ => {}
        }
    }
    if issues.is_empty() {
        Ok(pointers)
    } else {
        Err(Error::of(Category::Invalid, issues))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn criteria_lose_only_what_stands_in_front() {
        for (text, bare) in [
            ("identifier=a|b", "identifier=a|b"),
            ("?identifier=a|b", "identifier=a|b"),
            ("Patient?identifier=a|b", "identifier=a|b"),
            (
                "identifier=http://x/id?sys=1|abc",
                "identifier=http://x/id?sys=1|abc",
            ),
            (
                "?identifier=http://x/id?sys=1|abc",
                "identifier=http://x/id?sys=1|abc",
            ),
            ("Nobody?identifier=a", "Nobody?identifier=a"),
        ] {
            assert_eq!(bare_criteria(text), bare, "{text}");
        }
    }
}
