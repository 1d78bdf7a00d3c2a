//! What a URL names: resource type, id, version, and the `$operation` that is none of ours.
//! <https://hl7.org/fhir/R4/http.html#general>

use crate::error::{Category, Error, Result};
use crate::fhir::query::decode;
use crate::fhir::{Id, ResourceType};
use std::borrow::Cow;

/// What the path names; which of these are there is up to the route.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Place {
    pub resource_type: Option<ResourceType>,
    pub id: Option<String>,
    pub version: Option<String>,
    /// What of a compartment is asked for.
    pub member: Option<Member>,
}

/// `*` or a type, after the resource that a compartment belongs to.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Member {
    Any,
    Type(ResourceType),
}

impl Member {
    pub fn resource_type(self) -> Option<ResourceType> {
        match self {
            Member::Any => None,
            Member::Type(resource_type) => Some(resource_type),
        }
    }
}

impl Place {
    /// Matches a path with the pattern of its route, `/fhir/{type}/{id}/_history/{vid}`.
    ///
    /// # Errors
    /// `NotFound`: no such resource type, or `$name` where an id stands. `Invalid`: an id that
    /// breaks the rule of ids, invalid percent-encoding.
    pub fn parse(pattern: &str, path: &str) -> Result<Place> {
        let mut place = Place::default();
        for (name, segment) in pattern.split('/').zip(path.split('/')) {
            match name {
                "{type}" => place.resource_type = Some(parse_type(&decode(segment, false)?)?),
                "{id}" => place.id = Some(parse_id(decode(segment, false)?)?),
                "{member}" => place.member = Some(parse_member(&decode(segment, false)?)?),
                "{vid}" => place.version = Some(parse_id(decode(segment, false)?)?),
                _ => {}
            }
        }
        Ok(place)
    }

    /// # Errors
    /// `Fault`: the route has no type.
    pub fn resource_type(&self) -> Result<ResourceType> {
        self.resource_type
            .ok_or_else(|| Error::fault("a route of the type level without {type}"))
    }

    /// # Errors
    /// `Fault`: the route has no id.
    pub fn id(&self) -> Result<&str> {
        let id = self.id.as_deref();
        id.ok_or_else(|| Error::fault("a route of the instance level without {id}"))
    }
}

fn parse_type(name: &str) -> Result<ResourceType> {
    if let Some(resource_type) = ResourceType::parse(name) {
        return Ok(resource_type);
    }
    Err(match name.starts_with('$') {
        true => unknown_operation(name),
        false => Error::coded(
            Category::NotFound,
            "not-supported",
            format!("expected a resource type of FHIR R4 but found {name:?}"),
        ),
    })
}

fn parse_member(name: &str) -> Result<Member> {
    match name {
        "*" => Ok(Member::Any),
        name => parse_type(name).map(Member::Type),
    }
}

fn parse_id(text: Cow<'_, str>) -> Result<String> {
    if Id::is_valid(&text) {
        return Ok(text.into_owned());
    }
    Err(match text.starts_with('$') {
        true => unknown_operation(&text),
        false => Error::coded(
            Category::Invalid,
            "value",
            format!("expected an id of 1 to 64 letters, digits, `-` or `.` but found {text:?}"),
        ),
    })
}

/// 404 for an operation that this server does not have.
pub fn unknown_operation(name: &str) -> Error {
    Error::coded(
        Category::NotFound,
        "not-supported",
        format!("the operation {name:?} is not supported here"),
    )
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn paths_name_their_places() {
        let pattern = "/fhir/{type}/{id}/_history/{vid}";
        let place = Place::parse(pattern, "/fhir/Patient/a%2Db/_history/2/").expect("a place");
        assert_eq!(place.resource_type, ResourceType::parse("Patient"));
        assert_eq!(place.id.as_deref(), Some("a-b"));
        assert_eq!(place.version.as_deref(), Some("2"));
        let pattern = "/fhir/{type}/{id}/{member}/_search";
        for (segment, member) in [
            ("*", Some(Member::Any)),
            ("%2A", Some(Member::Any)),
            (
                "Observation",
                ResourceType::parse("Observation").map(Member::Type),
            ),
            ("observation", None),
            ("$everything", None),
        ] {
            let path = format!("/fhir/Patient/1/{segment}/_search");
            let place = Place::parse(pattern, &path).ok();
            assert_eq!(place.and_then(|place| place.member), member, "{segment}");
        }
        let pattern = "/fhir/{type}/{id}/_history/{vid}";
        let long = "a".repeat(65);
        for (path, category, code) in [
            ("/fhir/patient/1", Category::NotFound, "not-supported"),
            ("/fhir/Foo/1", Category::NotFound, "not-supported"),
            ("/fhir/$foo", Category::NotFound, "not-supported"),
            ("/fhir/Patient/$foo", Category::NotFound, "not-supported"),
            ("/fhir/Patient/a_b", Category::Invalid, "value"),
            ("/fhir/Patient/a%2Fb", Category::Invalid, "value"),
            ("/fhir/Patient/%zz", Category::Invalid, "invalid"),
            (&format!("/fhir/Patient/{long}"), Category::Invalid, "value"),
            ("/fhir/Patient/1/_history/a_b", Category::Invalid, "value"),
        ] {
            let error = Place::parse(pattern, path).expect_err(path);
            assert_eq!(
                (error.category, error.issues[0].code),
                (category, code),
                "{path}"
            );
        }
    }
}
