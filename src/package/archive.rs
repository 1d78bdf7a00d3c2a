//! A gzipped tar, entry by entry, as if whoever packed it meant harm.
//! RFC 1952; POSIX.1-2017 pax, Interchange Format.
//!
//! Nothing is written to disk, so that no name can lead anywhere; names that try to are refused
//! all the same, since an archive that has one is not what it says to be. Bounded are: what is
//! unpacked in all (headers and paddings included), each entry, and their number.

use flate2::read::MultiGzDecoder;
use ring::digest;
use std::collections::HashSet;
use std::io::{self, Read};
use tar::EntryType;

/// What an archive may hold.
#[derive(Clone, Copy, Debug)]
pub struct Bounds {
    /// Bytes unpacked, of all entries together.
    pub unpacked: u64,
    /// Bytes of one entry that is kept.
    pub entry: u64,
    pub entries: usize,
}

impl Default for Bounds {
    /// Room for the largest packages that HL7 publishes, those of terminology.
    fn default() -> Bounds {
        Bounds {
            unpacked: 1 << 30,
            entry: 64 << 20,
            entries: 100_000,
        }
    }
}

/// A file of an archive.
#[derive(Clone, Debug, PartialEq)]
pub struct Entry {
    /// Its path, without `./` in front.
    pub name: String,
    pub bytes: Vec<u8>,
}

/// What was read.
pub struct Archive {
    /// Those that were asked for, in order.
    pub entries: Vec<Entry>,
    /// SHA-256 over names and bytes of all files, whatever their order, in hexadecimal.
    pub hash: String,
}

/// Reads a whole archive and keeps the files whose names are `wanted`.
///
/// # Errors
/// In words, with the name of the entry that is wrong.
pub fn read(
    source: impl Read,
    bounds: &Bounds,
    wanted: &dyn Fn(&str) -> bool,
) -> Result<Archive, String> {
    let mut archive = tar::Archive::new(Bounded::new(source, bounds));
    let mut names = HashSet::new();
    let mut entries = Vec::new();
    let mut hashes = Vec::new();
    for (count, entry) in archive.entries().map_err(said)?.enumerate() {
        let mut entry = entry.map_err(said)?;
        if count >= bounds.entries {
            return Err(format!(
                "expected at most {} entries but found more",
                bounds.entries
            ));
        }
        let Some(name) = file_name(&entry)? else {
            continue;
        };
        if !names.insert(name.clone()) {
            return Err(format!("expected each name once but found {name} again"));
        }
        let bytes = content(&mut entry, &name, bounds)?;
        hashes.push((name.clone(), digest::digest(&digest::SHA256, &bytes)));
        if wanted(&name) {
            entries.push(Entry { name, bytes });
        }
    }
    // The checksum of gzip stands at its end, behind that of the tar.
    io::copy(&mut archive.into_inner(), &mut io::sink()).map_err(said)?;
    Ok(Archive {
        entries,
        hash: hash(hashes),
    })
}

/// The first file of that name; nothing behind it is looked at.
///
/// # Errors
/// As [`read`], of what comes before it.
pub fn find(source: impl Read, bounds: &Bounds, wanted: &str) -> Result<Option<Entry>, String> {
    let mut archive = tar::Archive::new(Bounded::new(source, bounds));
    for entry in archive.entries().map_err(said)?.take(bounds.entries) {
        let mut entry = entry.map_err(said)?;
        if let Some(name) = file_name(&entry)?.filter(|name| name == wanted) {
            let bytes = content(&mut entry, &name, bounds)?;
            return Ok(Some(Entry { name, bytes }));
        }
    }
    Ok(None)
}

fn said(error: io::Error) -> String {
    format!("the archive cannot be read: {error}")
}

/// The name of a file; `None` for a folder and for what describes the archive itself.
fn file_name(entry: &tar::Entry<'_, impl Read>) -> Result<Option<String>, String> {
    let raw = entry.path_bytes();
    let shown = String::from_utf8_lossy(&raw).into_owned();
    let is_folder = match entry.header().entry_type() {
        EntryType::Regular => shown.ends_with('/'),
        EntryType::Directory => true,
        EntryType::XGlobalHeader => return Ok(None),
        other => {
            let what = match other {
                EntryType::Symlink => "a symbolic link",
                EntryType::Link => "a hard link",
                EntryType::Char | EntryType::Block | EntryType::Fifo => "a device",
                _ => "an entry of another kind",
            };
            return Err(format!(
                "expected files and folders only but {shown} is {what}"
            ));
        }
    };
    let mut parts = Vec::new();
    for part in shown.split('/') {
        match part {
            "" | "." => {}
            ".." => return Err(outside(&shown)),
            part => parts.push(part),
        }
    }
    let is_odd = shown.contains(['\\', '\0', '\u{FFFD}']) || shown.starts_with('/');
    if is_odd || parts.first().is_some_and(|part| part.contains(':')) {
        return Err(outside(&shown));
    }
    Ok((!is_folder && !parts.is_empty()).then(|| parts.join("/")))
}

fn outside(name: &str) -> String {
    format!("expected paths within the archive but found {name:?}")
}

fn content(
    entry: &mut tar::Entry<'_, impl Read>,
    name: &str,
    bounds: &Bounds,
) -> Result<Vec<u8>, String> {
    let size = entry.size();
    if size > bounds.entry {
        return Err(format!(
            "{name}: expected at most {} bytes but found {size}",
            bounds.entry
        ));
    }
    // Grown as it comes: the size in the header is a promise only.
    let mut bytes = Vec::new();
    let read = entry.take(size).read_to_end(&mut bytes);
    read.map_err(|error| format!("{name}: {}", said(error)))?;
    match u64::try_from(bytes.len()) == Ok(size) {
        true => Ok(bytes),
        false => Err(format!("{name}: the archive breaks off in it")),
    }
}

fn hash(mut hashes: Vec<(String, digest::Digest)>) -> String {
    hashes.sort_by(|(a, _), (b, _)| a.cmp(b));
    let mut whole = digest::Context::new(&digest::SHA256);
    for (name, hash) in &hashes {
        // A name ends at a NUL, which none has; a hash has one length.
        whole.update(name.as_bytes());
        whole.update(&[0]);
        whole.update(hash.as_ref());
    }
    let bytes = whole.finish();
    bytes.as_ref().iter().map(|b| format!("{b:02x}")).collect()
}

/// What comes out of a gzip, up to a bound: whatever a header of the tar promises, no more than
/// that is ever unpacked.
struct Bounded<R: Read> {
    inner: MultiGzDecoder<R>,
    left: u64,
    most: u64,
}

impl<R: Read> Bounded<R> {
    fn new(source: R, bounds: &Bounds) -> Bounded<R> {
        Bounded {
            inner: MultiGzDecoder::new(source),
            left: bounds.unpacked,
            most: bounds.unpacked,
        }
    }
}

impl<R: Read> Read for Bounded<R> {
    fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        let read = self.inner.read(buffer)?;
        let left = u64::try_from(read)
            .ok()
            .and_then(|read| self.left.checked_sub(read));
        self.left = left.ok_or_else(|| {
            io::Error::other(format!("it unpacks to more than {} bytes", self.most))
        })?;
        Ok(read)
    }
}
