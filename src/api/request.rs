//! What a request says, taken from HTTP: path, query, headers and body as plain values.
//! <https://hl7.org/fhir/R4/http.html#parameters>
//!
//! Nothing is interpreted here beyond its syntax: what a search parameter means, or whether a
//! body is a resource, is decided below `api`.

use super::negotiate::{self, BodyFormat, Format};
use super::prefer::Preferences;
use crate::error::{Category, Error, Result};
use crate::fhir::{Id, Instant, ResourceType};
use crate::interaction::{ReadConditions, WriteConditions};
use axum::body::Body;
use axum::http::{HeaderMap, header};
use bytes::{Bytes, BytesMut};
use flate2::bufread::MultiGzDecoder;
use futures::StreamExt;
use std::borrow::Cow;
use std::io::Read;

/// What the path names; which of these are there is up to the route.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Place {
    pub resource_type: Option<ResourceType>,
    pub id: Option<String>,
    pub version: Option<String>,
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

/// A query string: as sent, and as decoded pairs in their order.
#[derive(Clone, Debug, Default)]
pub struct Query<'a> {
    pub raw: &'a str,
    pub pairs: Vec<(String, String)>,
}

impl<'a> Query<'a> {
    /// # Errors
    /// `Invalid`: broken percent-encoding, or what it encodes is not UTF-8 or has U+0000.
    pub fn parse(raw: Option<&'a str>) -> Result<Query<'a>> {
        let raw = raw.unwrap_or_default();
        Ok(Query {
            raw,
            pairs: parse_pairs(raw)?,
        })
    }

    /// The decoded value of the first parameter of that name.
    pub fn first(&self, name: &str) -> Option<&str> {
        first(&self.pairs, name)
    }

    /// The search criteria of a conditional interaction, still encoded: the query without the
    /// parameters that only say how to answer.
    pub fn criteria(&self) -> String {
        let kept: Vec<&str> = self
            .raw
            .split('&')
            .filter(|pair| !pair.is_empty() && !is_general(pair.split('=').next().unwrap_or(pair)))
            .collect();
        kept.join("&")
    }

    /// Names that are no general parameter: a read takes none of them.
    pub fn unexpected(&self) -> impl Iterator<Item = &str> {
        let names = self.pairs.iter().map(|(name, _)| name.as_str());
        names.filter(|name| !is_general(name))
    }
}

/// Parameters that every interaction takes.
fn is_general(name: &str) -> bool {
    matches!(name, "_format" | "_pretty" | "_summary" | "_elements")
}

/// The value of the first pair of that name.
pub fn first<'p>(pairs: &'p [(String, String)], name: &str) -> Option<&'p str> {
    let pair = pairs.iter().find(|(found, _)| found == name)?;
    Some(&pair.1)
}

/// Decodes `a=1&b=2` as of a query string or a form.
///
/// # Errors
/// `Invalid`, as [`Query::parse`].
pub fn parse_pairs(raw: &str) -> Result<Vec<(String, String)>> {
    raw.split('&')
        .filter(|pair| !pair.is_empty())
        .map(|pair| {
            let (name, value) = pair.split_once('=').unwrap_or((pair, ""));
            Ok((
                decode(name, true)?.into_owned(),
                decode(value, true)?.into_owned(),
            ))
        })
        .collect()
}

/// Undoes percent-encoding; in a query or a form (`plus`) a `+` is a space.
fn decode(text: &str, plus: bool) -> Result<Cow<'_, str>> {
    let is_plain = |byte: u8| byte != b'%' && (byte != b'+' || !plus);
    if text.bytes().all(is_plain) {
        return Ok(Cow::Borrowed(text));
    }
    let bad = |says: &str| Err(Error::invalid(format!("{says} in the URL at {text:?}")));
    let mut decoded = Vec::with_capacity(text.len());
    let mut bytes = text.bytes();
    while let Some(byte) = bytes.next() {
        match byte {
            b'+' if plus => decoded.push(b' '),
            b'%' => match (bytes.next().and_then(digit), bytes.next().and_then(digit)) {
                (Some(0), Some(0)) => return bad("the forbidden character U+0000 stands"),
                (Some(high), Some(low)) => decoded.push(high << 4 | low),
                _ => return bad("`%` is not followed by two hexadecimal digits"),
            },
            other => decoded.push(other),
        }
    }
    match String::from_utf8(decoded) {
        Ok(decoded) => Ok(Cow::Owned(decoded)),
        Err(_) => bad("the percent-encoding is not UTF-8"),
    }
}

fn digit(byte: u8) -> Option<u8> {
    (byte as char).to_digit(16).map(|digit| digit as u8)
}

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

/// The criteria of a conditional create: `If-None-Exist`, where some clients leave the `?` on.
pub fn if_none_exist(headers: &HeaderMap) -> Result<Option<String>> {
    let name = header::HeaderName::from_static("if-none-exist");
    let value = joined(headers, &name)?;
    Ok(value.map(|criteria| criteria.strip_prefix('?').unwrap_or(&criteria).to_owned()))
}

/// The body, in the format that the interaction reads, with its compression undone.
///
/// # Errors
/// `UnsupportedMediaType`; `TooLarge` naming `body-size`; `Invalid` where it breaks off.
pub async fn body(
    headers: &HeaderMap,
    body: Body,
    expected: BodyFormat,
    limit: usize,
) -> Result<Bytes> {
    let content_type = joined(headers, &header::CONTENT_TYPE)?;
    negotiate::body_format(content_type.as_deref(), expected)?;
    let encoding = joined(headers, &header::CONTENT_ENCODING)?;
    let is_gzip = match encoding.as_deref().map(str::trim) {
        None | Some("" | "identity") => false,
        Some("gzip" | "x-gzip") => true,
        Some(other) => {
            return Err(Error::new(
                Category::UnsupportedMediaType,
                format!("expected Content-Encoding to be gzip or absent but found {other:?}"),
            ));
        }
    };
    let bytes = collect(body, limit).await?;
    match is_gzip {
        true => inflate(bytes, limit).await,
        false => Ok(bytes),
    }
}

fn too_large(limit: usize) -> Error {
    Error::new(
        Category::TooLarge,
        format!("the body is larger than the limit `body-size` of {limit} bytes"),
    )
}

/// Reads a body up to the limit. One that came in one piece is not copied.
async fn collect(body: Body, limit: usize) -> Result<Bytes> {
    let mut stream = body.into_data_stream();
    let mut first = Bytes::new();
    let mut whole = BytesMut::new();
    while let Some(chunk) = stream.next().await {
        let chunk =
            chunk.map_err(|error| Error::invalid(format!("the body broke off: {error}")))?;
        if first.len() + whole.len() + chunk.len() > limit {
            discard(stream, limit).await;
            return Err(too_large(limit));
        }
        if first.is_empty() && whole.is_empty() {
            first = chunk;
            continue;
        }
        whole.extend_from_slice(&std::mem::take(&mut first));
        whole.extend_from_slice(&chunk);
    }
    Ok(match whole.is_empty() {
        true => first,
        false => whole.freeze(),
    })
}

/// Reads on for a while: a client that is still sending when the connection closes sees a
/// reset instead of the answer that says why.
async fn discard(mut stream: axum::body::BodyDataStream, most: usize) {
    let mut seen = 0;
    while let Some(Ok(chunk)) = stream.next().await {
        seen += chunk.len();
        if seen > most {
            return;
        }
    }
}

/// Undoes gzip; the limit holds for what comes out, so that a small bomb stays small.
async fn inflate(bytes: Bytes, limit: usize) -> Result<Bytes> {
    /// What is inflated on the spot; more goes to a thread of its own.
    const SMALL: usize = 64 << 10;
    if bytes.len() <= SMALL {
        return inflate_now(&bytes, limit);
    }
    let inflating = tokio::task::spawn_blocking(move || inflate_now(&bytes, limit));
    inflating.await.map_err(Error::fault)?
}

fn inflate_now(bytes: &[u8], limit: usize) -> Result<Bytes> {
    let most = u64::try_from(limit).unwrap_or(u64::MAX).saturating_add(1);
    let mut inflated = Vec::new();
    MultiGzDecoder::new(bytes)
        .take(most)
        .read_to_end(&mut inflated)
        .map_err(|error| Error::invalid(format!("the body is not well-formed gzip: {error}")))?;
    match inflated.len() > limit {
        true => Err(too_large(limit)),
        false => Ok(Bytes::from(inflated)),
    }
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
    use std::io::Write;

    #[test]
    fn queries_are_decoded_in_order() {
        for (raw, expected) in [
            ("", &[][..]),
            ("a=1&b=2&a=3", &[("a", "1"), ("b", "2"), ("a", "3")]),
            ("name=a+b%20c%2B", &[("name", "a b c+")]),
            (
                "code=http://x%7Cy,z&&_id",
                &[("code", "http://x|y,z"), ("_id", "")],
            ),
            ("a=b=c&=d", &[("a", "b=c"), ("", "d")]),
            (
                "%6eame%3Aexact=%C3%A4%F0%9F%98%80",
                &[("name:exact", "ä😀")],
            ),
        ] {
            let pairs = parse_pairs(raw).expect(raw);
            let pairs: Vec<_> = pairs
                .iter()
                .map(|(n, v)| (n.as_str(), v.as_str()))
                .collect();
            assert_eq!(pairs, expected, "{raw}");
        }
        for (raw, says) in [
            ("a=%", "two hexadecimal"),
            ("a=%4", "two hexadecimal"),
            ("%zz=1", "two hexadecimal"),
            ("a=%+1", "two hexadecimal"),
            ("a=%ff", "not UTF-8"),
            ("a=x%00", "U+0000"),
        ] {
            let error = parse_pairs(raw).expect_err(raw);
            assert_eq!(error.category, Category::Invalid);
            assert!(error.to_string().contains(says), "{raw}: {error}");
        }
    }

    #[test]
    fn criteria_lose_what_only_shapes_the_answer() {
        for (raw, expected) in [
            ("identifier=a%7Cb&_format=json", "identifier=a%7Cb"),
            (
                "_pretty=true&a=1&&_summary=true&b=%20&_elements=id",
                "a=1&b=%20",
            ),
            ("_format=json", ""),
            ("_count=100&typo=x", "_count=100&typo=x"),
        ] {
            assert_eq!(Query::parse(Some(raw)).expect(raw).criteria(), expected);
        }
    }

    #[test]
    fn paths_name_their_places() {
        let pattern = "/fhir/{type}/{id}/_history/{vid}";
        let place = Place::parse(pattern, "/fhir/Patient/a%2Db/_history/2/").expect("a place");
        assert_eq!(place.resource_type, ResourceType::parse("Patient"));
        assert_eq!(place.id.as_deref(), Some("a-b"));
        assert_eq!(place.version.as_deref(), Some("2"));
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

    fn gzip(text: &[u8]) -> Vec<u8> {
        let mut encoder = flate2::write::GzEncoder::new(Vec::new(), flate2::Compression::fast());
        encoder.write_all(text).expect("memory takes it");
        encoder.finish().expect("memory takes it")
    }

    #[tokio::test]
    async fn bodies_are_limited_and_inflated() {
        let bomb = vec![b' '; 1000];
        for (encoding, bytes, expected) in [
            (None, b"{}".to_vec(), Ok(2)),
            (None, vec![b' '; 100], Ok(100)),
            (None, vec![b' '; 101], Err(Category::TooLarge)),
            (Some("gzip"), gzip(b"{}"), Ok(2)),
            (Some("gzip"), gzip(&bomb), Err(Category::TooLarge)),
            (Some("gzip"), b"{}".to_vec(), Err(Category::Invalid)),
            (
                Some("br"),
                b"{}".to_vec(),
                Err(Category::UnsupportedMediaType),
            ),
        ] {
            let mut headers = HeaderMap::new();
            headers.insert(
                header::CONTENT_TYPE,
                header::HeaderValue::from_static("application/json"),
            );
            if let Some(encoding) = encoding {
                headers.insert(
                    header::CONTENT_ENCODING,
                    header::HeaderValue::from_static(encoding),
                );
            }
            let found = body(&headers, Body::from(bytes), BodyFormat::FhirJson, 100).await;
            let found = found
                .map(|bytes| bytes.len())
                .map_err(|error| error.category);
            assert_eq!(found, expected, "{encoding:?}");
        }
    }

    #[tokio::test]
    async fn pieces_of_a_body_are_joined() {
        let pieces =
            ["", "a", "bc", "", "d"].map(|piece| Ok::<_, std::io::Error>(Bytes::from(piece)));
        let joined = collect(Body::from_stream(futures::stream::iter(pieces)), 10).await;
        assert_eq!(joined.expect("it fits"), "abcd");
    }

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
