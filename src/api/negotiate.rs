//! Content negotiation: which format a response has and which a body came in.
//! <https://hl7.org/fhir/R4/http.html#mime-type>, RFC 9110 section 12.5.1.
//!
//! ```text
//! Accept = [ range *( "," range ) ]     range = type "/" subtype *( ";" name "=" value )
//! ```
//!
//! JSON only for now: XML and Turtle are understood as wishes and refused by name. An error
//! is told in JSON whatever was asked for, so that it can be told at all.

use crate::error::{Category, Error, Result};

/// How a response is labelled; the content is FHIR's JSON either way.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Format {
    #[default]
    FhirJson,
    /// Who asks for the generic type gets it.
    Json,
}

impl Format {
    pub fn content_type(self) -> &'static str {
        match self {
            Format::FhirJson => "application/fhir+json; charset=utf-8",
            Format::Json => "application/json; charset=utf-8",
        }
    }
}

/// What a request brings.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum BodyFormat {
    FhirJson,
    JsonPatch,
    Form,
}

/// Media types that JSON may be asked for by, the server's choice first.
const OFFERED: &[(&str, Format)] = &[
    ("application/fhir+json", Format::FhirJson),
    ("application/json", Format::Json),
    // The name before R4, which old clients still send.
    ("application/json+fhir", Format::FhirJson),
];

/// `_format` codes: <https://hl7.org/fhir/R4/http.html#mime-type>.
const CODES: &[(&str, Format)] = &[
    ("json", Format::FhirJson),
    ("application/json", Format::Json),
    ("application/fhir+json", Format::FhirJson),
    ("application/json+fhir", Format::FhirJson),
];

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
    let found = CODES.iter().find(|(name, _)| *name == media.essence);
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
            "expected {place} to allow application/fhir+json (FHIR 4.0) but found {found:?}; \
             XML and Turtle are not served yet"
        ),
    )
}

/// The offered format with the highest quality. At equal quality the one that is named more
/// exactly wins (`application/json, */*` means it), then the server's own order.
fn accepted(accept: &str) -> Option<Format> {
    let ranges: Vec<MediaType> = split_outside_quotes(accept, ',')
        .map(MediaType::parse)
        .collect();
    let mut best: Option<((u16, u8), Format)> = None;
    for (name, format) in OFFERED {
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
pub fn body_format(content_type: Option<&str>, expected: BodyFormat) -> Result<()> {
    let Some(text) = content_type else {
        return Err(unsupported(expected, "no Content-Type"));
    };
    if text == expected.name() {
        return Ok(());
    }
    let media = MediaType::parse(text);
    let is_expected = match expected {
        BodyFormat::FhirJson => OFFERED.iter().any(|(name, _)| *name == media.essence),
        other => other.name() == media.essence,
    };
    let is_utf8 = media
        .charset
        .as_deref()
        .is_none_or(|charset| matches!(charset, "utf-8" | "utf8" | "us-ascii"));
    match is_expected && is_utf8 && media.is_r4() {
        true => Ok(()),
        false => Err(unsupported(expected, &format!("{text:?}"))),
    }
}

fn unsupported(expected: BodyFormat, found: &str) -> Error {
    let note = match expected {
        BodyFormat::FhirJson => " in UTF-8 (fhirVersion 4.0); XML and Turtle are not read yet",
        BodyFormat::JsonPatch => "; FHIRPath Patch and XML Patch are not read yet",
        BodyFormat::Form => "",
    };
    Error::new(
        Category::UnsupportedMediaType,
        format!(
            "expected a body of {}{note} but found {found}",
            expected.name()
        ),
    )
}

impl BodyFormat {
    fn name(self) -> &'static str {
        match self {
            BodyFormat::FhirJson => "application/fhir+json",
            BodyFormat::JsonPatch => "application/json-patch+json",
            BodyFormat::Form => "application/x-www-form-urlencoded",
        }
    }
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
            "application/*" => Some(2),
            // Some old clients send a lone star.
            "*/*" | "*" => Some(1),
            _ => None,
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
                FHIR,
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
            (Some("application/fhir+xml"), None, None),
            (Some("application/foo"), None, None),
            (Some("text/turtle"), None, None),
            (Some(";;,,"), None, None),
            // Sheet 01, 1.5: `_format` overrides Accept.
            (Some("application/fhir+xml"), Some("json"), FHIR),
            (Some("application/fhir+json"), Some("xml"), None),
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
        use BodyFormat::{FhirJson, Form, JsonPatch};
        for (content_type, expected, is_read) in [
            (Some("application/fhir+json"), FhirJson, true),
            (Some("application/json"), FhirJson, true),
            (Some("application/json+fhir;charset=utf-8"), FhirJson, true),
            (Some("application/fhir+json; charset=UTF-8"), FhirJson, true),
            (
                Some("application/fhir+json; charset=\"utf-8\"; fhirVersion=4.0"),
                FhirJson,
                true,
            ),
            (
                Some("application/fhir+json; fhirVersion=3.0"),
                FhirJson,
                false,
            ),
            (
                Some("application/fhir+json; charset=iso-8859-1"),
                FhirJson,
                false,
            ),
            (Some("application/fhir+xml"), FhirJson, false),
            (Some("application/x-www-form-urlencoded"), FhirJson, false),
            (Some("foo"), FhirJson, false),
            (None, FhirJson, false),
            (Some("application/json-patch+json"), JsonPatch, true),
            (Some("application/json"), JsonPatch, false),
            (Some("application/fhir+json"), JsonPatch, false),
            (
                Some("application/x-www-form-urlencoded;charset=UTF-8"),
                Form,
                true,
            ),
            (Some("application/json"), Form, false),
        ] {
            let found = body_format(content_type, expected);
            assert_eq!(found.is_ok(), is_read, "{content_type:?} {expected:?}");
        }
    }

    #[test]
    fn separators_in_quotes_do_not_split() {
        let pieces: Vec<_> = split_outside_quotes(r#"a="x,y\",z", b"#, ',').collect();
        assert_eq!(pieces, [r#"a="x,y\",z""#, " b"]);
    }
}
