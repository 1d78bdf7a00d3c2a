//! `If-Match` and `If-None-Match`: entity tags against versions.
//! <https://hl7.org/fhir/R4/http.html#concurrency>

use super::WriteConditions;
use crate::error::{Category, Error, Result};
use crate::fhir::Version;

/// Entity tags as sent.
#[derive(Debug, PartialEq, Eq)]
enum Tags<'a> {
    /// `*`
    Any,
    /// What stands between the quotes of each.
    Listed(Vec<&'a str>),
}

impl<'a> Tags<'a> {
    /// Reads `*`, `W/"3"`, `"3"` or, since clients send it, a bare `3`; several by commas.
    fn parse(text: &'a str) -> Option<Tags<'a>> {
        if text.trim() == "*" {
            return Some(Tags::Any);
        }
        let tags: Option<Vec<&str>> = text.split(',').map(|tag| opaque(tag.trim())).collect();
        Some(Tags::Listed(tags?))
    }

    fn hold(&self, version: &Version) -> bool {
        match self {
            Tags::Any => true,
            Tags::Listed(tags) => {
                let own = version.version.to_string();
                tags.iter().any(|tag| *tag == own)
            }
        }
    }
}

fn opaque(tag: &str) -> Option<&str> {
    let weak = tag.strip_prefix("W/").unwrap_or(tag);
    let inner = match weak.strip_prefix('"') {
        Some(rest) => rest.strip_suffix('"')?,
        None if weak.len() == tag.len() => weak,
        None => return None,
    };
    crate::fhir::Id::is_valid(inner).then_some(inner)
}

/// Whether the `If-None-Match` of a read names this version; malformed tags name none.
pub fn names(if_none_match: &str, version: &Version) -> bool {
    Tags::parse(if_none_match).is_some_and(|tags| tags.hold(version))
}

/// Whether a write may go on in view of what is there (`None`: nothing, or deleted).
///
/// # Errors
/// `PreconditionFailed` where it may not, `Invalid` where a tag is malformed.
pub fn check(conditions: &WriteConditions, current: Option<&Version>) -> Result<()> {
    let current = current.filter(|version| !version.is_deleted());
    if let Some(text) = &conditions.if_match {
        let tags = parse(text, "If-Match")?;
        let Some(version) = current else {
            return Err(failed(format!(
                "expected a version to match If-Match {text} but the resource does not exist"
            )));
        };
        if !tags.hold(version) {
            return Err(failed(format!(
                "expected the version of If-Match {text} but the current version is {}",
                version.etag()
            )));
        }
    }
    if let Some(text) = &conditions.if_none_match {
        let tags = parse(text, "If-None-Match")?;
        if let Some(version) = current
            && tags.hold(version)
        {
            return Err(failed(format!(
                "expected no version to match If-None-Match {text} but the current version is {}",
                version.etag()
            )));
        }
    }
    Ok(())
}

fn parse<'a>(text: &'a str, header: &str) -> Result<Tags<'a>> {
    Tags::parse(text).ok_or_else(|| {
        Error::invalid(format!(
            "expected {header} to be an entity tag such as W/\"3\" but found {text}"
        ))
    })
}

fn failed(text: String) -> Error {
    Error::new(Category::PreconditionFailed, text)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::fhir::{Instant, Method, ResourceType};

    #[test]
    fn tags_are_weak_strong_bare_or_a_star() {
        let version = Version {
            resource_type: ResourceType::parse("Patient").expect("a type"),
            id: "1".into(),
            version: 3,
            last_updated: Instant::now(),
            method: Method::Put,
            body: Some(bytes::Bytes::from_static(b"{}")),
        };
        for (text, outcome) in [
            ("W/\"3\"", "ok"),
            ("\"3\"", "ok"),
            ("3", "ok"),
            ("*", "ok"),
            ("W/\"2\", W/\"3\"", "ok"),
            ("W/\"4\"", "failed"),
            ("\"abc\"", "failed"),
            ("W/3", "malformed"),
            ("\"3", "malformed"),
            ("", "malformed"),
        ] {
            let conditions = WriteConditions {
                if_match: Some(text.to_owned()),
                ..WriteConditions::default()
            };
            let found = match check(&conditions, Some(&version)) {
                Ok(()) => "ok",
                Err(error) if error.category == Category::PreconditionFailed => "failed",
                Err(_) => "malformed",
            };
            assert_eq!(found, outcome, "{text}");
        }
    }
}
