//! What the text in `Reference.reference` points at.
//! <https://hl7.org/fhir/R4/references.html#literal>, conditional references:
//! <https://hl7.org/fhir/R4/http.html#trules>

use super::{Id, ResourceType};

/// A literal reference, taken apart.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Target<'a> {
    /// `Patient/1` or `Patient/1/_history/2`, relative or under our own base.
    Local {
        resource_type: ResourceType,
        id: &'a str,
        version: Option<&'a str>,
    },
    /// `Patient?identifier=s|v`
    Conditional {
        resource_type: ResourceType,
        query: &'a str,
    },
    /// `#x`
    Contained(&'a str),
    /// `urn:uuid:…`, `urn:oid:…`
    Urn(&'a str),
    /// An absolute URL of somebody else.
    Foreign(&'a str),
    /// None of the above: neither a URL nor a known type with a well-formed id.
    Malformed(&'a str),
}

impl<'a> Target<'a> {
    /// Takes `text` apart; `base` is our own base URL without a trailing slash.
    pub fn parse(text: &'a str, base: &str) -> Target<'a> {
        if let Some(fragment) = text.strip_prefix('#') {
            return Target::Contained(fragment);
        }
        if text.starts_with("urn:") {
            return Target::Urn(text);
        }
        let own = text
            .strip_prefix(base)
            .and_then(|rest| rest.strip_prefix('/'));
        match own {
            Some(relative) => parse_relative(relative).unwrap_or(Target::Foreign(text)),
            None if has_scheme(text) => Target::Foreign(text),
            None => parse_relative(text).unwrap_or(Target::Malformed(text)),
        }
    }
}

fn parse_relative(text: &str) -> Option<Target<'_>> {
    if let Some((name, query)) = text.split_once('?') {
        let resource_type = ResourceType::parse(name)?;
        return Some(Target::Conditional {
            resource_type,
            query,
        });
    }
    let mut parts = text.split('/');
    let resource_type = ResourceType::parse(parts.next()?)?;
    let id = parts.next().filter(|id| Id::is_valid(id))?;
    let version = match (parts.next(), parts.next(), parts.next()) {
        (None, ..) => None,
        (Some("_history"), Some(version), None) if Id::is_valid(version) => Some(version),
        _ => return None,
    };
    Some(Target::Local {
        resource_type,
        id,
        version,
    })
}

fn has_scheme(text: &str) -> bool {
    text.split_once(':').is_some_and(|(scheme, _)| {
        scheme.starts_with(|c: char| c.is_ascii_alphabetic())
            && scheme
                .bytes()
                .all(|b| b.is_ascii_alphanumeric() || matches!(b, b'+' | b'-' | b'.'))
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_form_is_told_apart() {
        let patient = ResourceType::parse("Patient").expect("a type");
        let local = |id, version| Target::Local {
            resource_type: patient,
            id,
            version,
        };
        for (text, target) in [
            ("Patient/1", local("1", None)),
            ("Patient/1/_history/2", local("1", Some("2"))),
            ("http://me/fhir/Patient/1", local("1", None)),
            (
                "http://me/fhir2/Patient/1",
                Target::Foreign("http://me/fhir2/Patient/1"),
            ),
            ("http://x/Patient/1", Target::Foreign("http://x/Patient/1")),
            ("#p", Target::Contained("p")),
            ("urn:uuid:1", Target::Urn("urn:uuid:1")),
            (
                "Patient?identifier=a:b|c",
                Target::Conditional {
                    resource_type: patient,
                    query: "identifier=a:b|c",
                },
            ),
            ("Patient/", Target::Malformed("Patient/")),
            ("Patient", Target::Malformed("Patient")),
            ("Nope/1", Target::Malformed("Nope/1")),
            ("Patient/1/2", Target::Malformed("Patient/1/2")),
        ] {
            assert_eq!(Target::parse(text, "http://me/fhir"), target, "{text}");
        }
    }
}
