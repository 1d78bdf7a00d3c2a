//! The body of a request: its format checked, its size limited, its compression undone.
//!
//! Not done here: whether it is a resource; it may not even be JSON.

use super::negotiate::{self, BodyFormat, Expected};
use super::request::joined;
use crate::error::{Category, Error, Result};
use axum::body::{Body, BodyDataStream};
use axum::http::{HeaderMap, header};
use bytes::{Bytes, BytesMut};
use flate2::bufread::MultiGzDecoder;
use futures::StreamExt;
use std::io::Read;

/// The body with its compression undone, and the format that it says to be in.
///
/// # Errors
/// `UnsupportedMediaType`; `TooLarge` naming `body-size`; `Invalid` where it breaks off.
pub async fn read(
    headers: &HeaderMap,
    body: Body,
    expected: Expected,
    limit: usize,
) -> Result<(BodyFormat, Bytes)> {
    let content_type = joined(headers, &header::CONTENT_TYPE)?;
    let format = negotiate::body_format(content_type.as_deref(), expected)?;
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
    let bytes = match is_gzip {
        true => inflate(bytes, limit).await?,
        false => bytes,
    };
    Ok((format, bytes))
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
async fn discard(mut stream: BodyDataStream, most: usize) {
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

#[cfg(test)]
mod tests {
    use super::*;
    use std::io::Write;

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
            let found = read(&headers, Body::from(bytes), Expected::Resource, 100).await;
            let found = found
                .map(|(_, bytes)| bytes.len())
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
}
