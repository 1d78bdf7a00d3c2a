//! Which files to load, found by name: `.json` and `.ndjson`, each optionally `.gz`.

use std::fs;
use std::io::{self, Read};
use std::path::{Path, PathBuf};
use std::time::UNIX_EPOCH;

/// How a file is cut into resources.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Form {
    /// One Bundle or resource.
    Json,
    /// One resource per line.
    Lines,
}

/// A file to load.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Source {
    /// Absolute, links resolved, so that it means the same in a later run.
    pub path: PathBuf,
    /// As the user would write it.
    pub shown: String,
    /// Bytes on disk.
    pub size: u64,
    /// When it was last changed, in nanoseconds since 1970.
    pub modified: u64,
    pub form: Form,
    pub gzip: bool,
}

/// The files found, sorted within each folder, and how many others were passed over there.
#[derive(Debug, Default)]
pub struct Found {
    pub sources: Vec<Source>,
    pub passed_over: usize,
}

/// Finds the files below `paths`.
///
/// # Errors
/// Every path that cannot be read, or is a file of an unknown kind that was named itself.
pub fn find(paths: &[PathBuf]) -> Result<Found, Vec<String>> {
    let mut found = Found::default();
    let mut problems = Vec::new();
    for path in paths {
        visit(path, true, &mut found, &mut problems);
    }
    let mut seen = std::collections::HashSet::new();
    found
        .sources
        .retain(|source| seen.insert(source.path.clone()));
    match problems.is_empty() {
        true => Ok(found),
        false => Err(problems),
    }
}

fn visit(path: &Path, named: bool, found: &mut Found, problems: &mut Vec<String>) {
    let outcome = fs::metadata(path).and_then(|metadata| match metadata.is_dir() {
        true => visit_folder(path, found, problems),
        false => {
            match recognise(path) {
                Some((form, gzip)) => {
                    found.sources.push(source(path, &metadata, form, gzip)?);
                }
                None if named => problems.push(format!(
                    "{}: expected a folder or a file .json, .ndjson, .json.gz or .ndjson.gz",
                    path.display()
                )),
                None => found.passed_over += 1,
            }
            Ok(())
        }
    });
    if let Err(error) = outcome {
        problems.push(format!("{}: {error}", path.display()));
    }
}

fn visit_folder(path: &Path, found: &mut Found, problems: &mut Vec<String>) -> io::Result<()> {
    let mut entries: Vec<fs::DirEntry> = fs::read_dir(path)?.collect::<io::Result<_>>()?;
    entries.sort_by_key(fs::DirEntry::file_name);
    for entry in entries {
        let kind = entry.file_type()?;
        let hidden = entry.file_name().to_string_lossy().starts_with('.');
        // A link to a folder could lead back here.
        let link_to_folder = kind.is_symlink() && entry.path().is_dir();
        if !hidden && !link_to_folder {
            visit(&entry.path(), false, found, problems);
        }
    }
    Ok(())
}

fn source(path: &Path, metadata: &fs::Metadata, form: Form, gzip: bool) -> io::Result<Source> {
    let modified = metadata
        .modified()?
        .duration_since(UNIX_EPOCH)
        .unwrap_or_default();
    Ok(Source {
        path: fs::canonicalize(path)?,
        shown: path.display().to_string(),
        size: metadata.len(),
        modified: modified.as_nanos().try_into().unwrap_or(u64::MAX),
        form,
        gzip,
    })
}

fn recognise(path: &Path) -> Option<(Form, bool)> {
    let name = path.file_name()?.to_str()?.to_ascii_lowercase();
    let (name, gzip) = match name.strip_suffix(".gz") {
        Some(inner) => (inner, true),
        None => (name.as_str(), false),
    };
    match name.rsplit_once('.')?.1 {
        "json" => Some((Form::Json, gzip)),
        "ndjson" => Some((Form::Lines, gzip)),
        _ => None,
    }
}

impl Source {
    /// The content, decompressed as it is read. `hash` sees the bytes on disk.
    pub fn open(&self) -> io::Result<Box<dyn Read + Send>> {
        let file = fs::File::open(&self.path)?;
        Ok(match self.gzip {
            true => Box::new(flate2::read::MultiGzDecoder::new(file)),
            false => Box::new(file),
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn files_are_found_in_order_and_once() {
        let dir = tempfile::tempdir().expect("a directory");
        let inner = dir.path().join("b");
        fs::create_dir(&inner).expect("created");
        for name in [
            "b/2.json",
            "b/1.NDJSON.gz",
            "a.ndjson",
            "c.json.gz",
            "notes.txt",
            ".x.json",
        ] {
            fs::write(dir.path().join(name), "x").expect("written");
        }
        let found = find(&[dir.path().to_path_buf(), inner.clone()]).expect("readable");
        let list: Vec<_> = found
            .sources
            .iter()
            .map(|s| {
                (
                    s.path.file_name().and_then(|n| n.to_str()).unwrap_or(""),
                    s.form,
                    s.gzip,
                )
            })
            .collect();
        let expected = [
            ("a.ndjson", Form::Lines, false),
            ("1.NDJSON.gz", Form::Lines, true),
            ("2.json", Form::Json, false),
            ("c.json.gz", Form::Json, true),
        ];
        assert_eq!(list, expected);
        assert_eq!(found.passed_over, 1);
    }

    #[test]
    fn every_bad_path_is_told() {
        let dir = tempfile::tempdir().expect("a directory");
        let text = dir.path().join("notes.txt");
        fs::write(&text, "x").expect("written");
        let problems = find(&[text, dir.path().join("absent")]).expect_err("two problems");
        assert_eq!(problems.len(), 2);
        assert!(
            problems[0].contains("expected a folder or a file .json"),
            "{}",
            problems[0]
        );
    }
}
