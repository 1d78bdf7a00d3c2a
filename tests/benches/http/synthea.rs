//! The Synthea records of the shared folder, unpacked, and made ready to be sent: to Andiron as
//! they are, to the floor as bare bodies without white space, which is how Andiron stores them.

use crate::place::Folder;
use crate::{Result, client, floor};
use serde::Deserialize;
use serde_json::value::RawValue;
use std::path::{Path, PathBuf};
use std::process::Command;

/// The records, ready to be sent.
pub struct Synthea {
    /// Whole requests: the Bundles that must go first, one after the other.
    pub batches: Vec<Vec<u8>>,
    /// Whole requests: a Bundle per patient.
    pub transactions: Vec<Vec<u8>>,
    /// Whole requests to the floor server: the bodies of each of `transactions`.
    pub frames: Vec<Vec<u8>>,
    /// Resources in `transactions`.
    pub transacted: usize,
    /// Resources in all.
    pub resources: usize,
    /// All bodies as PostgreSQL's COPY reads them.
    pub copy: Vec<u8>,
    /// Where the files are.
    pub files: PathBuf,
    _folder: Folder,
}

/// A Bundle as far as we read it.
#[derive(Deserialize)]
struct Bundle<'a> {
    #[serde(rename = "type")]
    kind: String,
    #[serde(borrow)]
    entry: Vec<Entry<'a>>,
}

#[derive(Deserialize)]
struct Entry<'a> {
    #[serde(borrow)]
    resource: &'a RawValue,
}

/// Where the archive is, or would be.
pub fn archive() -> PathBuf {
    let shared = std::env::var_os("ANDIRON_SHARED").map(PathBuf::from);
    let shared = shared.unwrap_or_else(|| Path::new(env!("CARGO_MANIFEST_DIR")).join("../shared"));
    shared.join("data/synthea-2021-120pt.tar.xz")
}

impl Synthea {
    /// Unpacks and prepares the records, if there are any.
    pub fn find() -> Result<Option<Synthea>> {
        let archive = archive();
        if !archive.exists() {
            return Ok(None);
        }
        eprintln!("preparing the Synthea records");
        let folder = Folder::new()?;
        let unpacked = Command::new("tar")
            .arg("-xJf")
            .arg(&archive)
            .arg("-C")
            .arg(folder.path())
            .args(["--strip-components=1", "--no-same-owner"])
            .status()?;
        if !unpacked.success() {
            return Err(format!("tar could not unpack {}", archive.display()).into());
        }
        let mut records = Synthea {
            batches: Vec::new(),
            transactions: Vec::new(),
            frames: Vec::new(),
            transacted: 0,
            resources: 0,
            copy: Vec::new(),
            files: folder.path().to_path_buf(),
            _folder: folder,
        };
        let files = std::fs::read_dir(&records.files)?.map(|entry| Ok(entry?.path()));
        let mut files = files.collect::<Result<Vec<_>>>()?;
        files.sort();
        for file in files {
            records.add(&std::fs::read_to_string(file)?)?;
        }
        Ok(Some(records))
    }

    fn add(&mut self, text: &str) -> Result<()> {
        let bundle: Bundle = serde_json::from_str(text)?;
        let request = client::request("POST", "/fhir", text.as_bytes());
        let mut frame = Vec::new();
        for entry in &bundle.entry {
            let id = uuid::Uuid::now_v7().to_string();
            let body = without_blanks(entry.resource.get());
            floor::frame(&mut frame, &id, &body);
            copy_line(&mut self.copy, &id, &body);
        }
        self.resources += bundle.entry.len();
        if bundle.kind == "transaction" {
            self.transactions.push(request);
            self.frames.push(client::request("POST", "/bundle", &frame));
            self.transacted += bundle.entry.len();
        } else {
            self.batches.push(request);
        }
        Ok(())
    }
}

/// JSON without the white space between its tokens, and with every token as it was.
pub fn without_blanks(json: &str) -> String {
    let (mut in_string, mut escaped) = (false, false);
    json.chars()
        .filter(|&c| {
            let keep = in_string || !c.is_ascii_whitespace();
            match c {
                '"' if !escaped => in_string = !in_string,
                _ => {}
            }
            escaped = in_string && c == '\\' && !escaped;
            keep
        })
        .collect()
}

/// A line of COPY's text format: <https://www.postgresql.org/docs/current/sql-copy.html>.
fn copy_line(copy: &mut Vec<u8>, id: &str, body: &str) {
    copy.extend_from_slice(id.as_bytes());
    copy.push(b'\t');
    for byte in body.bytes() {
        // JSON without blanks has no tabs or ends of lines to escape, only backslashes.
        if byte == b'\\' {
            copy.push(b'\\');
        }
        copy.push(byte);
    }
    copy.push(b'\n');
}
