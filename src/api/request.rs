//! What the headers and the general parameters of a request ask for, as plain values.
//! <https://hl7.org/fhir/R4/http.html#parameters>
//!
//! Nothing is interpreted here beyond its syntax: what an entity tag or a criterion means is
//! decided below `api`.

use super::negotiate::{self, Format};
use super::prefer::Preferences;
use super::query::{Query, first};
use crate::error::{Category, Error, Result};
use crate::fhir::Instant;
use crate::interaction::{ReadConditions, WriteConditions, prepare};
use axum::http::{HeaderMap, Uri, header};
use std::borrow::Cow;

/// How to answer: what every interaction may be told in its query and headers.
#[derive(Clone, Debug, Default)]
pub struct Wishes {
    pub format: Format,
    pub pretty: bool,
    pub preferences: Preferences,
}

impl Wishes {
    /// # Errors
    /// `NotAcceptable`, or `Invalid` for a `_pretty` that is neither `true` nor `false`.
    pub fn parse(pairs: &[(String, String)], headers: &HeaderMap) -> Result<Wishes> {
        let accept = joined(headers, &header::ACCEPT)?;
        Ok(Wishes {
            format: negotiate::response_format(accept.as_deref(), first(pairs, "_format"))?,
            pretty: parse_pretty(first(pairs, "_pretty"))?,
            preferences: preferences(headers),
        })
    }
}

/// How to tell an error: as the request asks, in JSON where it cannot be answered as it asks.
pub fn wishes_for_errors(uri: &Uri, headers: &HeaderMap) -> Wishes {
    let is_xml = |text: &str| text.contains("xml");
    let mut accepted = headers.get_all(header::ACCEPT).iter();
    let names_xml =
        accepted.any(|value| value.to_str().is_ok_and(is_xml)) || uri.query().is_some_and(is_xml);
    if !names_xml {
        return Wishes::default();
    }
    Query::parse(uri.query())
        .and_then(|query| Wishes::parse(&query.pairs, headers))
        .unwrap_or_default()
}

fn parse_pretty(value: Option<&str>) -> Result<bool> {
    match value {
        None | Some("" | "false") => Ok(false),
        Some("true") => Ok(true),
        Some(other) => Err(Error::invalid(format!(
            "expected _pretty to be true or false but found {other:?}"
        ))),
    }
}

fn preferences(headers: &HeaderMap) -> Preferences {
    if !headers.contains_key("prefer") {
        return Preferences::default();
    }
    let values = headers.get_all("prefer").iter();
    Preferences::parse(values.filter_map(|value| value.to_str().ok()))
}

/// A header as text, repeated ones joined by commas.
///
/// # Errors
/// `Invalid`: it is not UTF-8.
pub fn joined<'h>(
    headers: &'h HeaderMap,
    name: &header::HeaderName,
) -> Result<Option<Cow<'h, str>>> {
    let mut values = headers.get_all(name).iter().map(|value| {
        std::str::from_utf8(value.as_bytes())
            .map_err(|_| Error::invalid(format!("the header {name} is not UTF-8")))
    });
    let Some(first) = values.next().transpose()? else {
        return Ok(None);
    };
    let mut text = Cow::Borrowed(first);
    for value in values {
        let text = text.to_mut();
        text.push_str(", ");
        text.push_str(value?);
    }
    Ok(Some(text))
}

/// The conditions of a conditional read. A date that cannot be read counts as absent, as
/// RFC 9110 section 13.1.3 wants.
pub fn read_conditions(headers: &HeaderMap) -> Result<ReadConditions> {
    Ok(ReadConditions {
        if_none_match: joined(headers, &header::IF_NONE_MATCH)?.map(Cow::into_owned),
        if_modified_since: joined(headers, &header::IF_MODIFIED_SINCE)?
            .and_then(|date| Instant::parse_http(&date)),
    })
}

pub fn write_conditions(headers: &HeaderMap) -> Result<WriteConditions> {
    Ok(WriteConditions {
        if_match: joined(headers, &header::IF_MATCH)?.map(Cow::into_owned),
        if_none_match: joined(headers, &header::IF_NONE_MATCH)?.map(Cow::into_owned),
    })
}

/// The criteria of a conditional create: `If-None-Exist`.
pub fn if_none_exist(headers: &HeaderMap) -> Result<Option<String>> {
    let name = header::HeaderName::from_static("if-none-exist");
    let value = joined(headers, &name)?;
    Ok(value.map(|criteria| prepare::bare_criteria(&criteria).to_owned()))
}

/// Refuses X-Provenance: dropping it would leave a write without the record that the client
/// believes in. <https://hl7.org/fhir/R4/provenance.html#header>
pub fn refuse_provenance(headers: &HeaderMap) -> Result<()> {
    match headers.contains_key("x-provenance") {
        false => Ok(()),
        true => Err(Error::new(
            Category::NotSupported,
            "the header X-Provenance is not supported; write the Provenance in one transaction",
        )),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn repeated_headers_are_joined() {
        let mut headers = HeaderMap::new();
        headers.append(
            header::IF_NONE_MATCH,
            header::HeaderValue::from_static("W/\"1\""),
        );
        headers.append(
            header::IF_NONE_MATCH,
            header::HeaderValue::from_static("W/\"2\""),
        );
        headers.append(
            "if-none-exist",
            header::HeaderValue::from_static("?identifier=a"),
        );
        let conditions = read_conditions(&headers).expect("readable");
        assert_eq!(
            conditions.if_none_match.as_deref(),
            Some("W/\"1\", W/\"2\"")
        );
        let criteria = if_none_exist(&headers).expect("readable");
        assert_eq!(criteria.as_deref(), Some("identifier=a"));
    }
}
