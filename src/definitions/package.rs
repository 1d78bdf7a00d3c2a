//! The container that holds one compiled FHIR package: an index, and the trimmed JSON of
//! its artifacts in zstd blocks.
//!
//! What a FHIR package is: <https://hl7.org/fhir/R4/packages.html>. The picture of the
//! container is in the [module page](super). This file knows nothing of what an artifact
//! means beyond the handful of facts in [`Artifact`]; it does no I/O either, the bytes come
//! from the caller. A container is treated as untrusted: every length is checked.

use std::collections::VecDeque;
use std::sync::{Mutex, PoisonError};

use bytes::Bytes;

const MAGIC: &[u8; 8] = b"andiron\x1a";
const FORMAT: u32 = 1;
/// Magic, format, and the two lengths of the index.
const PREAMBLE: usize = 20;
/// A block is closed as soon as it holds this many bytes of JSON: large enough that the
/// repeated texts of a package compress well, small enough that one artifact costs well
/// under a millisecond.
const BLOCK_TARGET: usize = 256 * 1024;
/// No block or index of an honest package comes near this; a crafted one stops here.
const RAW_LIMIT: usize = 64 * 1024 * 1024;
/// Decoded artifacts are memoised by the registry, so few decoded blocks are worth keeping.
const BLOCKS_KEPT: usize = 6;
const LEVEL: i32 = 19;

/// What the index says of one artifact. Empty text means that the artifact does not say.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Artifact {
    pub resource_type: String,
    pub url: String,
    pub version: String,
    pub id: String,
    pub name: String,
    pub status: String,
    /// `StructureDefinition.kind`, `CodeSystem.content`.
    pub kind: String,
    /// `StructureDefinition.type`, `SearchParameter.type`.
    pub type_name: String,
    /// `StructureDefinition.derivation`.
    pub derivation: String,
    /// `StructureDefinition.baseDefinition`.
    pub base: String,
    /// `StructureDefinition.abstract`.
    pub is_abstract: bool,
    pub(super) block: u32,
    pub(super) offset: u32,
    pub(super) length: u32,
}

impl Artifact {
    /// The key that orders a container, and that names an artifact within it.
    fn key(&self) -> (&str, &str, &str, &str) {
        (&self.resource_type, &self.url, &self.version, &self.id)
    }

    fn texts(&self) -> [&str; 10] {
        [
            &self.resource_type,
            &self.url,
            &self.version,
            &self.id,
            &self.name,
            &self.status,
            &self.kind,
            &self.type_name,
            &self.derivation,
            &self.base,
        ]
    }
}

#[derive(Debug, Clone, Copy)]
struct Block {
    start: usize,
    length: usize,
    raw_length: usize,
}

/// One opened container. Opening decodes the index alone.
#[derive(Debug)]
pub struct Package {
    pub name: String,
    pub version: String,
    /// For example `4.0.1`.
    pub fhir_version: String,
    artifacts: Vec<Artifact>,
    blocks: Vec<Block>,
    bytes: Bytes,
    decoded: Mutex<VecDeque<(u32, Bytes)>>,
}

impl Package {
    /// Opens a container. Errors say what was expected and found, for a person.
    pub fn from_bytes(bytes: impl Into<Bytes>) -> Result<Package, String> {
        let bytes = bytes.into();
        if bytes.len() < PREAMBLE || &bytes[..8] != MAGIC {
            return Err("expected an Andiron definitions file but found other bytes".to_owned());
        }
        let format = word(&bytes, 8);
        if format != FORMAT as usize {
            return Err(format!(
                "expected definitions format {FORMAT} but found {format}: \
                 compile the package again with this version of andiron"
            ));
        }
        let index_end = PREAMBLE
            .checked_add(word(&bytes, 12))
            .filter(|end| *end <= bytes.len())
            .ok_or("the definitions file is cut off inside its index")?;
        let index = inflate(&bytes[PREAMBLE..index_end], word(&bytes, 16))
            .map_err(|e| format!("the index of the definitions file is damaged: {e}"))?;
        let mut reader = Reader { rest: &index };
        let (name, version, fhir_version) = (reader.text()?, reader.text()?, reader.text()?);
        let blocks = reader.blocks(index_end, bytes.len())?;
        let artifacts = reader.artifacts(&blocks)?;
        Ok(Package {
            name,
            version,
            fhir_version,
            artifacts,
            blocks,
            bytes,
            decoded: Mutex::new(VecDeque::new()),
        })
    }

    /// The index, ordered by resource type, URL, version and id.
    pub fn artifacts(&self) -> &[Artifact] {
        &self.artifacts
    }

    /// The trimmed JSON text of the artifact at this position of [`Package::artifacts`].
    pub fn json(&self, position: usize) -> Result<Bytes, String> {
        let artifact = self
            .artifacts
            .get(position)
            .ok_or_else(|| format!("{} has no artifact number {position}", self.name))?;
        let block = self.block(artifact.block)?;
        let start = artifact.offset as usize;
        Ok(block.slice(start..start + artifact.length as usize))
    }

    fn block(&self, number: u32) -> Result<Bytes, String> {
        let mut decoded = self.decoded.lock().unwrap_or_else(PoisonError::into_inner);
        if let Some(found) = decoded.iter().position(|(n, _)| *n == number)
            && let Some(entry) = decoded.remove(found)
        {
            let bytes = entry.1.clone();
            decoded.push_front(entry);
            return Ok(bytes);
        }
        let block = self.blocks[number as usize];
        let raw = inflate(
            &self.bytes[block.start..block.start + block.length],
            block.raw_length,
        )
        .map_err(|e| format!("block {number} of {} is damaged: {e}", self.name))?;
        let raw = Bytes::from(raw);
        decoded.push_front((number, raw.clone()));
        decoded.truncate(BLOCKS_KEPT);
        Ok(raw)
    }
}

/// Writes a container: artifacts are sorted, packed and indexed, so that the same artifacts
/// always give the same bytes. Two artifacts with one key are an error.
pub fn write(
    name: &str,
    version: &str,
    fhir_version: &str,
    mut artifacts: Vec<(Artifact, Vec<u8>)>,
) -> Result<Vec<u8>, String> {
    artifacts.sort_by(|a, b| a.0.key().cmp(&b.0.key()));
    if let Some(pair) = artifacts.windows(2).find(|p| p[0].0.key() == p[1].0.key()) {
        return Err(format!("the package holds {:?} twice", pair[0].0.key()));
    }
    let (blocks, payload) = pack(&mut artifacts)?;
    let mut index = Vec::new();
    for text in [name, version, fhir_version] {
        put_text(&mut index, text);
    }
    put_number(&mut index, blocks.len());
    for block in blocks {
        put_number(&mut index, block.length);
        put_number(&mut index, block.raw_length);
    }
    put_number(&mut index, artifacts.len());
    for (artifact, _) in &artifacts {
        for text in artifact.texts() {
            put_text(&mut index, text);
        }
        put_number(&mut index, usize::from(artifact.is_abstract));
        put_number(&mut index, artifact.block as usize);
        put_number(&mut index, artifact.offset as usize);
        put_number(&mut index, artifact.length as usize);
    }
    let packed = deflate(&index)?;
    let mut out = MAGIC.to_vec();
    out.extend(FORMAT.to_le_bytes());
    out.extend(narrow(packed.len())?.to_le_bytes());
    out.extend(narrow(index.len())?.to_le_bytes());
    out.extend(packed);
    out.extend(payload);
    Ok(out)
}

/// Gives every artifact its place and returns the blocks, placed from the end of the index.
fn pack(artifacts: &mut [(Artifact, Vec<u8>)]) -> Result<(Vec<Block>, Vec<u8>), String> {
    let (mut blocks, mut payload, mut raw) = (Vec::new(), Vec::new(), Vec::new());
    let count = artifacts.len();
    for (n, (artifact, json)) in artifacts.iter_mut().enumerate() {
        artifact.block = narrow(blocks.len())?;
        artifact.offset = narrow(raw.len())?;
        artifact.length = narrow(json.len())?;
        raw.extend_from_slice(json);
        if raw.len() >= BLOCK_TARGET || n + 1 == count {
            let packed = deflate(&raw)?;
            blocks.push(Block {
                start: payload.len(),
                length: packed.len(),
                raw_length: raw.len(),
            });
            payload.extend(packed);
            raw.clear();
        }
    }
    Ok((blocks, payload))
}

fn deflate(raw: &[u8]) -> Result<Vec<u8>, String> {
    if raw.len() > RAW_LIMIT {
        return Err(format!("a block of {} bytes is over the limit", raw.len()));
    }
    let compress = || {
        let mut compressor = zstd::bulk::Compressor::new(LEVEL)?;
        compressor.include_checksum(true)?;
        compressor.compress(raw)
    };
    compress().map_err(|e: std::io::Error| format!("cannot compress: {e}"))
}

fn inflate(packed: &[u8], raw_length: usize) -> Result<Vec<u8>, String> {
    if raw_length > RAW_LIMIT {
        return Err(format!(
            "it claims {raw_length} bytes, over the limit of {RAW_LIMIT}"
        ));
    }
    let raw = zstd::bulk::decompress(packed, raw_length).map_err(|e| e.to_string())?;
    if raw.len() == raw_length {
        Ok(raw)
    } else {
        Err(format!(
            "expected {raw_length} bytes but found {}",
            raw.len()
        ))
    }
}

fn narrow(length: usize) -> Result<u32, String> {
    u32::try_from(length).map_err(|_| format!("{length} does not fit the format"))
}

fn word(bytes: &[u8], at: usize) -> usize {
    bytes[at..at + 4]
        .iter()
        .rev()
        .fold(0, |sum, byte| sum << 8 | usize::from(*byte))
}

fn put_text(out: &mut Vec<u8>, text: &str) {
    put_number(out, text.len());
    out.extend_from_slice(text.as_bytes());
}

/// LEB128: seven bits a byte, low bits first.
fn put_number(out: &mut Vec<u8>, mut number: usize) {
    while number >= 0x80 {
        out.push(number as u8 | 0x80);
        number >>= 7;
    }
    out.push(number as u8);
}

struct Reader<'a> {
    rest: &'a [u8],
}

impl Reader<'_> {
    fn number(&mut self) -> Result<usize, String> {
        let mut number = 0_u64;
        for shift in (0..35).step_by(7) {
            let (byte, rest) = self.rest.split_first().ok_or("the index ends too early")?;
            self.rest = rest;
            number |= u64::from(byte & 0x7f) << shift;
            if byte & 0x80 == 0 {
                return usize::try_from(number).map_err(|e| e.to_string());
            }
        }
        Err("the index holds a number that is too large".to_owned())
    }

    fn word(&mut self) -> Result<u32, String> {
        narrow(self.number()?)
    }

    fn text(&mut self) -> Result<String, String> {
        let length = self.number()?;
        let (text, rest) = self
            .rest
            .split_at_checked(length)
            .ok_or("the index ends too early")?;
        self.rest = rest;
        let text =
            std::str::from_utf8(text).map_err(|_| "the index holds text that is not UTF-8")?;
        Ok(text.to_owned())
    }

    fn blocks(&mut self, mut start: usize, end: usize) -> Result<Vec<Block>, String> {
        let mut blocks = Vec::new();
        for _ in 0..self.number()? {
            let (length, raw_length) = (self.number()?, self.number()?);
            blocks.push(Block {
                start,
                length,
                raw_length,
            });
            start += length;
            if start > end {
                return Err("the definitions file is cut off inside its blocks".to_owned());
            }
        }
        Ok(blocks)
    }

    fn artifacts(&mut self, blocks: &[Block]) -> Result<Vec<Artifact>, String> {
        let count = self.number()?;
        // An entry takes more than ten bytes, so a claimed count cannot reserve more than that.
        let mut artifacts = Vec::with_capacity(count.min(self.rest.len() / 10));
        for _ in 0..count {
            let artifact = self.artifact()?;
            let end = u64::from(artifact.offset) + u64::from(artifact.length);
            let raw = blocks
                .get(artifact.block as usize)
                .map(|b| b.raw_length as u64);
            if raw.is_none_or(|raw| end > raw) {
                return Err(format!(
                    "the index places {} outside its block",
                    artifact.url
                ));
            }
            artifacts.push(artifact);
        }
        Ok(artifacts)
    }

    fn artifact(&mut self) -> Result<Artifact, String> {
        Ok(Artifact {
            resource_type: self.text()?,
            url: self.text()?,
            version: self.text()?,
            id: self.text()?,
            name: self.text()?,
            status: self.text()?,
            kind: self.text()?,
            type_name: self.text()?,
            derivation: self.text()?,
            base: self.text()?,
            is_abstract: self.number()? != 0,
            block: self.word()?,
            offset: self.word()?,
            length: self.word()?,
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn artifact(url: &str) -> Artifact {
        Artifact {
            resource_type: "ValueSet".to_owned(),
            url: url.to_owned(),
            ..Artifact::default()
        }
    }

    fn sample() -> Vec<u8> {
        let artifacts = ["http://b", "http://a"]
            .map(|url| (artifact(url), format!("{{\"url\":\"{url}\"}}").into_bytes()));
        write("p", "1", "4.0.1", artifacts.to_vec()).expect("the sample is valid")
    }

    #[test]
    fn a_container_reads_back_in_key_order() {
        let package = Package::from_bytes(sample()).expect("just written");
        assert_eq!((&*package.name, &*package.fhir_version), ("p", "4.0.1"));
        assert_eq!(package.artifacts()[0].url, "http://a");
        assert_eq!(
            package.json(1).as_deref(),
            Ok(&b"{\"url\":\"http://b\"}"[..])
        );
        assert!(package.json(2).is_err());
    }

    #[test]
    fn one_key_twice_is_refused() {
        let twice = vec![(artifact("u"), vec![]), (artifact("u"), vec![])];
        assert!(write("p", "1", "4.0.1", twice).is_err());
    }

    #[test]
    fn damage_is_an_error_and_never_a_panic() {
        let good = sample();
        for cut in 0..good.len() {
            let opened = Package::from_bytes(good[..cut].to_vec());
            assert!(opened.is_err(), "cut at {cut}");
        }
        for at in 0..good.len() {
            let mut bad = good.clone();
            bad[at] ^= 0x55;
            if let Ok(package) = Package::from_bytes(bad) {
                assert!(package.json(0).is_err(), "flipped at {at}");
            }
        }
    }
}
