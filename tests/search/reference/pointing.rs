//! References and canonicals. <https://hl7.org/fhir/R4/search.html#reference>
//!
//! A relative reference and one under our own base are the same. `#contained`, `urn:` and
//! references that only display a text point at nothing that could be named. Who asks for no
//! version finds all; who asks for one finds the references to that one.

use super::token::TokenAsked;
use super::world::{Element, World};
use crate::harness::BASE;
use andiron::definitions::Definitions;
use serde_json::Value;

/// What a literal points at.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Points {
    /// A type and an id of this server.
    Local(String, String),
    /// Another server's, its version cut off; or any other absolute uri.
    Elsewhere(String),
    /// `#x`
    Contained(String),
    /// Neither.
    Nothing,
}

pub fn is_id(text: &str) -> bool {
    let plain = |c: char| c.is_ascii_alphanumeric() || c == '-' || c == '.';
    (1..=64).contains(&text.len()) && text.chars().all(plain)
}

fn local(text: &str, definitions: &Definitions) -> Option<Points> {
    let parts: Vec<&str> = text.split('/').collect();
    let (kind, id) = match parts.as_slice() {
        [kind, id] => (kind, id),
        [kind, id, "_history", version] if is_id(version) => (kind, id),
        _ => return None,
    };
    let known = definitions.is_resource_type(kind) && is_id(id);
    known.then(|| Points::Local((*kind).to_owned(), (*id).to_owned()))
}

/// Where a literal leads.
pub fn points(text: &str, definitions: &Definitions) -> Points {
    if let Some(id) = text.strip_prefix('#') {
        return Points::Contained(id.to_owned());
    }
    let own = text.strip_prefix(BASE).and_then(|t| t.strip_prefix('/'));
    if let Some(found) = local(own.unwrap_or(text), definitions) {
        return found;
    }
    match text.split_once(':') {
        Some((scheme, _)) if scheme.chars().all(|c| c.is_ascii_alphanumeric()) => {
            let whole = text.split("/_history/").next().unwrap_or(text);
            Points::Elsewhere(whole.to_owned())
        }
        _ => Points::Nothing,
    }
}

/// The literal of a Reference, canonical or uri.
pub fn literal(element: &Element) -> Option<&str> {
    element.value.as_str().or_else(|| element.text("reference"))
}

#[derive(Clone, Debug)]
pub enum ReferenceAsked {
    /// An id of any of these types; of any type where there are none.
    Id(Vec<String>, String),
    Local(String, String),
    Elsewhere(String),
    /// A version, as it could be written.
    Versioned(Vec<String>),
    Identifier(TokenAsked),
    /// What nothing matches.
    Nowhere,
}

impl ReferenceAsked {
    pub fn parse(
        text: &str,
        only: Option<&str>,
        targets: &[String],
        definitions: &Definitions,
    ) -> Result<ReferenceAsked, String> {
        if only.is_none() && text.contains("/_history/") {
            let relative = text.strip_prefix(BASE).and_then(|t| t.strip_prefix('/'));
            let relative = relative.unwrap_or(text);
            let absolute = format!("{BASE}/{relative}");
            return Ok(ReferenceAsked::Versioned(
                match local(relative, definitions) {
                    Some(_) => vec![relative.to_owned(), absolute],
                    None => vec![text.to_owned()],
                },
            ));
        }
        match (points(text, definitions), only) {
            (Points::Local(kind, id), None) => Ok(ReferenceAsked::Local(kind, id)),
            (Points::Local(kind, id), Some(only)) if kind == only => {
                Ok(ReferenceAsked::Local(kind, id))
            }
            (Points::Local(..), Some(_)) => Ok(ReferenceAsked::Nowhere),
            (Points::Nothing, Some(only)) if is_id(text) => {
                Ok(ReferenceAsked::Local(only.to_owned(), text.to_owned()))
            }
            (Points::Nothing, None) if is_id(text) => {
                Ok(ReferenceAsked::Id(targets.to_vec(), text.to_owned()))
            }
            (Points::Elsewhere(url), None) => Ok(ReferenceAsked::Elsewhere(url)),
            (Points::Contained(_), None) => Ok(ReferenceAsked::Nowhere),
            _ => Err(format!("{text} is no reference")),
        }
    }

    pub fn fits(&self, element: &Element, world: &World) -> bool {
        if let ReferenceAsked::Identifier(asked) = self {
            let identifier = &element.value["identifier"];
            let part = |name: &str| identifier.get(name).and_then(Value::as_str);
            return element.kind == "Reference"
                && asked.fits_coded((part("system"), part("value")));
        }
        if let ReferenceAsked::Versioned(written) = self {
            return literal(element).is_some_and(|text| written.iter().any(|one| one == text));
        }
        match target(element, world) {
            Points::Local(kind, id) => match self {
                ReferenceAsked::Id(kinds, asked) => {
                    id == *asked && (kinds.is_empty() || kinds.contains(&kind))
                }
                ReferenceAsked::Local(asked_kind, asked) => kind == *asked_kind && id == *asked,
                _ => false,
            },
            Points::Elsewhere(url) => match self {
                ReferenceAsked::Elsewhere(asked) if element.is_uri => {
                    let bare = url.split_once('|').map(|(bare, _)| bare);
                    url == *asked || bare == Some(asked)
                }
                ReferenceAsked::Elsewhere(asked) => url == *asked && !url.starts_with("urn:"),
                _ => false,
            },
            Points::Contained(_) | Points::Nothing => false,
        }
    }
}

/// Where an element points; a whole resource in its place points at itself.
pub fn target(element: &Element, world: &World) -> Points {
    if let Some(text) = literal(element) {
        return points(text, &world.definitions);
    }
    match (element.text("resourceType"), element.text("id")) {
        (Some(kind), Some(id)) => Points::Local(kind.to_owned(), id.to_owned()),
        _ => Points::Nothing,
    }
}

pub fn is_present(element: &Element) -> bool {
    match &element.value {
        Value::Object(members) => members
            .keys()
            .any(|name| name != "extension" && name != "id"),
        value => value.is_string(),
    }
}
