//! Content negotiation: which format a response has and which a body came in.
//! <https://hl7.org/fhir/R4/http.html#mime-type>, RFC 9110 section 12.5.1.
//!
//! ```text
//! Accept = [ range *( "," range ) ]     range = type "/" subtype *( ";" name "=" value )
//! ```
//!
//! JSON and XML; Turtle is refused. Who names JSON and XML alike gets JSON, and so does a
//! browser: it asks for HTML, and names `application/xml` only because it can show that.

use crate::error::{Category, Error, Result};

/// What a response is, and how it is labelled: who asks for a generic type gets it.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Format {
    #[default]
    FhirJson,
    Json,
    FhirXml,
    Xml,
    TextXml,
}

impl Format {
    pub fn content_type(self) -> &'static str {
        match self {
            Format::FhirJson => "application/fhir+json; charset=utf-8",
            Format::Json => "application/json; charset=utf-8",
            Format::FhirXml => "application/fhir+xml; charset=utf-8",
            Format::Xml => "application/xml; charset=utf-8",
            Format::TextXml => "text/xml; charset=utf-8",
        }
    }

    pub fn is_xml(self) -> bool {
        matches!(self, Format::FhirXml | Format::Xml | Format::TextXml)
    }
}

/// What an interaction reads.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Expected {
    Resource,
    Patch,
    Form,
    Package,
    /// A document of GraphQL, or a request with one in JSON.
    Graphql,
}

/// What a request brings.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum BodyFormat {
    Json,
    Xml,
    JsonPatch,
    XmlPatch,
    Form,
    Package,
    Graphql,
}

/// Media types of resources, the server's choice first.
const OFFERED: &[(&str, Format)] = &[
    ("application/fhir+json", Format::FhirJson),
    ("application/json", Format::Json),
    // The names before R4, which old clients still send.
    ("application/json+fhir", Format::FhirJson),
    ("application/fhir+xml", Format::FhirXml),
    ("application/xml", Format::Xml),
    ("text/xml", Format::TextXml),
    ("application/xml+fhir", Format::FhirXml),
];

/// Media types of what is no resource.
const OTHERS: &[(&str, BodyFormat)] = &[
    ("application/json-patch+json", BodyFormat::JsonPatch),
    ("application/xml-patch+xml", BodyFormat::XmlPatch),
    ("application/x-www-form-urlencoded", BodyFormat::Form),
    // A .tgz, by the names that tools give it.
    ("application/gzip", BodyFormat::Package),
    ("application/x-gzip", BodyFormat::Package),
    ("application/tar+gzip", BodyFormat::Package),
    ("application/x-gtar", BodyFormat::Package),
    ("application/x-compressed-tar", BodyFormat::Package),
    ("application/octet-stream", BodyFormat::Package),
    ("application/graphql", BodyFormat::Graphql),
];

/// `_format` codes that are no media types: <https://hl7.org/fhir/R4/http.html#mime-type>.
const CODES: &[(&str, Format)] = &[("json", Format::FhirJson), ("xml", Format::FhirXml)];

/// The versions of FHIR that are R4.
const VERSIONS: &[&str] = &["4.0", "4.0.1"];

/// The format of the response to `Accept` and `_format`, which overrides it.
///
/// # Errors
/// `NotAcceptable`: nothing that is asked for can be had.
pub fn response_format(accept: Option<&str>, format: Option<&str>) -> Result<Format> {
    if let Some(code) = format.filter(|code| !code.is_empty()) {
        return code_format(code);
    }
    match accept {
        None | Some("" | "*/*" | "application/fhir+json") => Ok(Format::FhirJson),
        Some(accept) => accepted(accept).ok_or_else(|| not_acceptable("Accept", accept)),
    }
}

fn code_format(code: &str) -> Result<Format> {
    let media = MediaType::parse(&unplus(code));
    let mut known = CODES.iter().chain(OFFERED);
    let found = known.find(|(name, _)| *name == media.essence);
    match found {
        Some((_, format)) if media.is_r4() => Ok(*format),
        _ => Err(not_acceptable("_format", code)),
    }
}

/// A `+` in a query string means a space, so `application/fhir+json` arrives broken.
fn unplus(code: &str) -> String {
    let (essence, parameters) = code.split_once(';').unwrap_or((code, ""));
    let essence = essence.trim().replace(' ', "+");
    format!("{essence};{parameters}")
}

fn not_acceptable(place: &str, found: &str) -> Error {
    Error::new(
        Category::NotAcceptable,
        format!(
            "expected {place} to allow application/fhir+json or application/fhir+xml \
             (FHIR 4.0) but found {found:?}"
        ),
    )
}

/// The offered format with the highest quality. At equal quality the one that is named more
/// exactly wins (`application/json, */*` means it), then the server's own order.
fn accepted(accept: &str) -> Option<Format> {
    let ranges: Vec<MediaType> = split_outside_quotes(accept, ',')
        .map(MediaType::parse)
        .collect();
    let is_browser = ranges.iter().any(|range| range.essence == "text/html");
    let mut best: Option<((u16, u8), Format)> = None;
    for (name, format) in OFFERED {
        if is_browser && matches!(format, Format::Xml | Format::TextXml) {
            continue;
        }
        let matching = ranges
            .iter()
            .filter(|range| range.is_r4())
            .filter_map(|range| Some((range.exactness(name)?, range.quality)))
            .max();
        if let Some((exactness, quality)) = matching {
            let rank = (quality, exactness);
            if quality > 0 && best.is_none_or(|(best, _)| rank > best) {
                best = Some((rank, *format));
            }
        }
    }
    best.map(|(_, format)| format)
}

/// What the body is, by its `Content-Type`; `expected` is what this interaction reads.
///
/// # Errors
/// `UnsupportedMediaType`: another type, none, another character set or version of FHIR.
pub fn body_format(content_type: Option<&str>, expected: Expected) -> Result<BodyFormat> {
    let Some(text) = content_type else {
        return Err(unsupported(expected, "no Content-Type"));
    };
    if text == "application/fhir+json" && expected == Expected::Resource {
        return Ok(BodyFormat::Json);
    }
    let media = MediaType::parse(text);
    let is_utf8 = media
        .charset
        .as_deref()
        .is_none_or(|charset| matches!(charset, "utf-8" | "utf8" | "us-ascii"));
    match body_format_of(&media.essence).filter(|found| expected.allows(*found)) {
        Some(found) if is_utf8 && media.is_r4() => Ok(found),
        _ => Err(unsupported(expected, &format!("{text:?}"))),
    }
}

fn body_format_of(essence: &str) -> Option<BodyFormat> {
    let resource = OFFERED.iter().find(|(name, _)| *name == essence);
    let resource = resource.map(|(_, format)| match format.is_xml() {
        true => BodyFormat::Xml,
        false => BodyFormat::Json,
    });
    let mut others = OTHERS.iter();
    resource.or_else(|| Some(others.find(|(name, _)| *name == essence)?.1))
}

impl Expected {
    fn allows(self, found: BodyFormat) -> bool {
        match self {
            Expected::Resource => matches!(found, BodyFormat::Json | BodyFormat::Xml),
            // A resource is the Parameters of a FHIRPath Patch.
            Expected::Patch => !matches!(
                found,
                BodyFormat::Form | BodyFormat::Package | BodyFormat::Graphql
            ),
            Expected::Graphql => matches!(found, BodyFormat::Json | BodyFormat::Graphql),
            Expected::Form => found == BodyFormat::Form,
            Expected::Package => found == BodyFormat::Package,
        }
    }

    fn says(self) -> &'static str {
        match self {
            Expected::Resource => {
                "application/fhir+json or application/fhir+xml in UTF-8 (fhirVersion 4.0)"
            }
            Expected::Patch => PATCHES,
            Expected::Form => "application/x-www-form-urlencoded",
            Expected::Package => "application/gzip (a .tgz)",
            Expected::Graphql => "application/json or application/graphql in UTF-8",
        }
    }
}

/// The media types of patches, as `Accept-Patch` lists them (RFC 5789 section 3.1).
pub const PATCHES: &str = "application/json-patch+json, application/xml-patch+xml, \
    application/fhir+json, application/fhir+xml";

fn unsupported(expected: Expected, found: &str) -> Error {
    Error::new(
        Category::UnsupportedMediaType,
        format!("expected a body of {} but found {found}", expected.says()),
    )
}

/// A media type or range, reduced to what is decided on.
struct MediaType {
    /// `type/subtype` in lower case.
    essence: String,
    charset: Option<String>,
    fhir_version: Option<String>,
    /// In thousandths.
    quality: u16,
}

impl MediaType {
    /// Reads what it can: a malformed range matches nothing.
    fn parse(text: &str) -> MediaType {
        let mut parts = split_outside_quotes(text, ';').map(str::trim);
        let mut media = MediaType {
            essence: parts.next().unwrap_or_default().to_ascii_lowercase(),
            charset: None,
            fhir_version: None,
            quality: 1000,
        };
        for part in parts {
            let Some((name, value)) = part.split_once('=') else {
                continue;
            };
            let value = value.trim().trim_matches('"');
            match name.trim().to_ascii_lowercase().as_str() {
                "charset" => media.charset = Some(value.to_ascii_lowercase()),
                "fhirversion" => media.fhir_version = Some(value.to_owned()),
                "q" => media.quality = parse_quality(value),
                _ => {}
            }
        }
        media
    }

    fn is_r4(&self) -> bool {
        self.fhir_version
            .as_deref()
            .is_none_or(|version| VERSIONS.contains(&version))
    }

    /// How exactly this range names the type: 3 by name, 2 as `application/*`, 1 as `*/*`.
    fn exactness(&self, name: &str) -> Option<u8> {
        match self.essence.as_str() {
            essence if essence == name => Some(3),
            // Some old clients send a lone star.
            "*/*" | "*" => Some(1),
            essence => {
                let of = essence.strip_suffix('*')?;
                (of.ends_with('/') && name.starts_with(of)).then_some(2)
            }
        }
    }
}

/// `0`…`1` with up to three decimals; what is none of that counts as not wanted.
fn parse_quality(text: &str) -> u16 {
    match text.parse::<f32>() {
        Ok(quality) if (0.0..=1.0).contains(&quality) => (quality * 1000.0).round() as u16,
        _ => 0,
    }
}

/// The pieces between separators that do not stand in a quoted string.
pub fn split_outside_quotes(text: &str, separator: char) -> impl Iterator<Item = &str> {
    let mut is_quoted = false;
    let mut is_escaped = false;
    text.split(move |c| {
        let escaped = is_escaped;
        is_escaped = is_quoted && c == '\\' && !escaped;
        if c == '"' && !escaped {
            is_quoted = !is_quoted;
        }
        c == separator && !is_quoted
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn responses_are_negotiated() {
        const FHIR: Option<Format> = Some(Format::FhirJson);
        const JSON: Option<Format> = Some(Format::Json);
        const XML: Option<Format> = Some(Format::FhirXml);
        for (accept, format, expected) in [
            (None, None, FHIR),
            (Some(""), None, FHIR),
            (Some("*/*"), None, FHIR),
            (Some("application/*"), None, FHIR),
            (Some("application/fhir+json"), None, FHIR),
            (Some("application/json"), None, JSON),
            (Some("Application/JSON ; charset=UTF-8"), None, JSON),
            (Some("application/json+fhir"), None, FHIR),
            (Some("text/html,*/*"), None, FHIR),
            (
                Some("text/html,application/xhtml+xml,application/xml;q=0.9,*/*;q=0.8"),
                None,
                FHIR,
            ),
            (Some("application/json, text/plain, */*"), None, JSON),
            (Some("application/fhir+json, application/json"), None, FHIR),
            (
                Some("application/json, application/fhir+json;q=0.5"),
                None,
                JSON,
            ),
            (
                Some("application/fhir+xml, application/fhir+json;q=0.1"),
                None,
                XML,
            ),
            (
                Some("application/fhir+json;q=0, application/json;q=0.001"),
                None,
                JSON,
            ),
            (Some("application/fhir+json;q=0, */*;q=0"), None, None),
            (Some("application/fhir+json; fhirVersion=4.0"), None, FHIR),
            (
                Some("application/fhir+json; fhirVersion=\"4.0\""),
                None,
                FHIR,
            ),
            (Some("application/fhir+json; fhirVersion=3.0"), None, None),
            (Some("application/fhir+xml"), None, XML),
            // Table TG17.
            (Some("application/fhir+xml;charset=UTF-8"), None, XML),
            (Some("application/fhir+xml; fhirVersion=4.0"), None, XML),
            (Some("application/fhir+xml; fhirVersion=3.0"), None, None),
            (Some("application/xml"), None, Some(Format::Xml)),
            (Some("text/xml"), None, Some(Format::TextXml)),
            (Some("text/*"), None, Some(Format::TextXml)),
            (Some("application/xml+fhir"), None, XML),
            (
                Some("application/fhir+xml, application/fhir+json"),
                None,
                FHIR,
            ),
            (Some("application/fhir+xml, */*;q=0.1"), None, XML),
            (Some("text/html, application/fhir+xml"), None, XML),
            (Some("application/foo"), None, None),
            (Some("text/turtle"), None, None),
            (Some(";;,,"), None, None),
            // Sheet 01, 1.5: `_format` overrides Accept.
            (Some("application/fhir+xml"), Some("json"), FHIR),
            // Table TG19.
            (Some("application/fhir+json"), Some("xml"), XML),
            (None, Some("application/fhir xml"), XML),
            (None, Some("application/xml"), Some(Format::Xml)),
            (None, Some("text/xml"), Some(Format::TextXml)),
            (None, Some("xml; fhirVersion=5.0"), None),
            (None, Some("application/fhir+json"), FHIR),
            (None, Some("application/fhir json"), FHIR),
            (None, Some("application/json"), JSON),
            (None, Some("application/fhir json; fhirVersion=4.0"), FHIR),
            (None, Some("application/fhir+json;fhirVersion=5.0"), None),
            (None, Some("ttl"), None),
            (None, Some("foo"), None),
            (Some("application/foo"), Some(""), None),
        ] {
            assert_eq!(
                response_format(accept, format).ok(),
                expected,
                "{accept:?} {format:?}"
            );
        }
    }

    #[test]
    fn bodies_say_what_they_are() {
        use Expected::{Form, Patch, Resource};
        const JSON: Option<BodyFormat> = Some(BodyFormat::Json);
        const XML: Option<BodyFormat> = Some(BodyFormat::Xml);
        for (content_type, expected, read) in [
            ("application/fhir+json", Resource, JSON),
            ("application/json", Resource, JSON),
            ("application/json+fhir;charset=utf-8", Resource, JSON),
            ("application/fhir+json; charset=UTF-8", Resource, JSON),
            (
                "application/fhir+json; charset=\"utf-8\"; fhirVersion=4.0",
                Resource,
                JSON,
            ),
            ("application/fhir+json; fhirVersion=3.0", Resource, None),
            ("application/fhir+json; charset=iso-8859-1", Resource, None),
            ("application/fhir+xml", Resource, XML),
            ("Application/FHIR+XML;charset=utf-8", Resource, XML),
            ("application/xml", Resource, XML),
            ("text/xml; charset=us-ascii", Resource, XML),
            ("text/xml; charset=utf-16", Resource, None),
            ("application/fhir+xml; fhirVersion=5.0", Resource, None),
            ("text/turtle", Resource, None),
            ("application/x-www-form-urlencoded", Resource, None),
            ("foo", Resource, None),
            (
                "application/json-patch+json",
                Patch,
                Some(BodyFormat::JsonPatch),
            ),
            (
                "application/xml-patch+xml",
                Patch,
                Some(BodyFormat::XmlPatch),
            ),
            ("application/json", Patch, JSON),
            ("application/fhir+xml", Patch, XML),
            ("application/x-www-form-urlencoded", Patch, None),
            (
                "application/x-www-form-urlencoded;charset=UTF-8",
                Form,
                Some(BodyFormat::Form),
            ),
            ("application/json", Form, None),
        ] {
            let found = body_format(Some(content_type), expected).ok();
            assert_eq!(found, read, "{content_type:?} {expected:?}");
        }
        assert!(body_format(None, Resource).is_err());
    }

    #[test]
    fn separators_in_quotes_do_not_split() {
        let pieces: Vec<_> = split_outside_quotes(r#"a="x,y\",z", b"#, ',').collect();
        assert_eq!(pieces, [r#"a="x,y\",z""#, " b"]);
    }
}
