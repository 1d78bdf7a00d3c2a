//! An HTTP/1.1 connection, kept alive, that reads no more of an answer than a measurement needs:
//! <https://www.rfc-editor.org/rfc/rfc9112>.
//!
//! It deliberately knows neither redirects nor compression nor requests in a row (pipelining).

use crate::Result;
use bytes::BytesMut;
use std::net::SocketAddr;
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::TcpStream;

/// A connection to one server.
pub struct Connection {
    stream: TcpStream,
    /// The answer as it comes in.
    input: BytesMut,
}

/// One answer, in the buffer of its connection.
pub struct Reply<'a> {
    pub status: u16,
    /// The status line and the headers.
    head: &'a [u8],
    /// As it was sent: the lengths of chunks included, where it came in chunks.
    pub body: &'a [u8],
}

/// How the end of a body is found.
enum Length {
    Known(usize),
    Chunked,
}

impl Connection {
    pub async fn open(address: SocketAddr) -> Result<Connection> {
        let stream = TcpStream::connect(address).await?;
        stream.set_nodelay(true)?;
        Ok(Connection {
            stream,
            input: BytesMut::with_capacity(16 << 10),
        })
    }

    /// Sends a whole request and reads the whole answer.
    pub async fn send(&mut self, request: &[u8]) -> Result<Reply<'_>> {
        self.stream.write_all(request).await?;
        self.input.clear();
        let head = self.read_head().await?;
        let length = match find_header(&self.input[..head], "transfer-encoding") {
            Some(_) => Length::Chunked,
            None => Length::Known(
                find_header(&self.input[..head], "content-length")
                    .and_then(|text| text.parse().ok())
                    .unwrap_or(0),
            ),
        };
        let end = match length {
            Length::Known(bytes) => head + bytes,
            Length::Chunked => self.read_chunks(head).await?,
        };
        self.read_to(end).await?;
        let status = self
            .input
            .get(9..12)
            .and_then(|digits| std::str::from_utf8(digits).ok());
        let status = status.and_then(|digits| digits.parse().ok());
        Ok(Reply {
            status: status.ok_or("an answer without a status")?,
            head: &self.input[..head],
            body: &self.input[head..end],
        })
    }

    /// Reads up to the empty line; returns where the body begins.
    async fn read_head(&mut self) -> Result<usize> {
        let mut seen: usize = 0;
        loop {
            let from = seen.saturating_sub(3);
            if let Some(at) = find(&self.input[from..], b"\r\n\r\n") {
                return Ok(from + at + 4);
            }
            seen = self.input.len();
            self.read_more().await?;
        }
    }

    /// Reads chunk after chunk from `at`; returns where the last one ends.
    async fn read_chunks(&mut self, mut at: usize) -> Result<usize> {
        loop {
            let line = loop {
                match find(&self.input[at..], b"\r\n") {
                    Some(line) => break line,
                    None => self.read_more().await?,
                }
            };
            let digits = std::str::from_utf8(&self.input[at..at + line])?;
            let size = usize::from_str_radix(digits.split(';').next().unwrap_or("").trim(), 16)?;
            at += line + 2 + size + 2;
            self.read_to(at).await?;
            if size == 0 {
                return Ok(at);
            }
        }
    }

    async fn read_to(&mut self, end: usize) -> Result<()> {
        self.input.reserve(end.saturating_sub(self.input.len()));
        while self.input.len() < end {
            self.read_more().await?;
        }
        Ok(())
    }

    async fn read_more(&mut self) -> Result<()> {
        match self.stream.read_buf(&mut self.input).await? {
            0 => Err("the server closed the connection in the middle of an answer".into()),
            _ => Ok(()),
        }
    }
}

impl Reply<'_> {
    /// The id in the header Location, behind the type: `…/Observation/ID/_history/1`.
    pub fn id(&self, resource_type: &str) -> Result<String> {
        let location = find_header(self.head, "location").ok_or("an answer without Location")?;
        let mut parts = location
            .split('/')
            .skip_while(|part| *part != resource_type);
        match parts.nth(1) {
            Some(id) => Ok(id.to_owned()),
            None => Err(format!("no id in the Location {location}").into()),
        }
    }

    /// Fails with what the server said, unless the status is as expected.
    pub fn expect(&self, status: u16, request: &[u8]) -> Result<()> {
        if self.status == status {
            return Ok(());
        }
        let start =
            |bytes: &[u8]| String::from_utf8_lossy(&bytes[..bytes.len().min(2000)]).into_owned();
        let line = request
            .split(|byte| *byte == b'\r')
            .next()
            .unwrap_or_default();
        Err(format!(
            "{} was answered {} where {status} was expected:\n{}",
            start(line),
            self.status,
            start(self.body)
        )
        .into())
    }
}

/// A whole request; `path` with its query.
pub fn request(method: &str, path: &str, body: &[u8]) -> Vec<u8> {
    let mut request = Vec::with_capacity(256 + body.len());
    write_request(&mut request, method, path, &[body]);
    request
}

/// Writes a whole request whose body is in pieces over what `request` holds.
pub fn write_request(request: &mut Vec<u8>, method: &str, path: &str, body: &[&[u8]]) {
    request.clear();
    for text in [
        method,
        " ",
        path,
        " HTTP/1.1\r\nhost: bench\r\naccept: application/fhir+json\r\n",
    ] {
        request.extend_from_slice(text.as_bytes());
    }
    let length: usize = body.iter().map(|piece| piece.len()).sum();
    if method != "GET" {
        let header = format!("content-type: application/fhir+json\r\ncontent-length: {length}\r\n");
        request.extend_from_slice(header.as_bytes());
    }
    request.extend_from_slice(b"\r\n");
    for piece in body {
        request.extend_from_slice(piece);
    }
}

fn find(text: &[u8], wanted: &[u8]) -> Option<usize> {
    text.windows(wanted.len())
        .position(|window| window == wanted)
}

/// The value of a header; `name` in small letters.
fn find_header<'a>(head: &'a [u8], name: &str) -> Option<&'a str> {
    head.split(|byte| *byte == b'\n').find_map(|line| {
        let (found, value) = line.split_at_checked(name.len())?;
        let value = value.strip_prefix(b":")?;
        match found.eq_ignore_ascii_case(name.as_bytes()) {
            true => std::str::from_utf8(value).ok().map(str::trim),
            false => None,
        }
    })
}
