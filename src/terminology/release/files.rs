//! The files of a release: those of folders and of `.zip` archives, and those that are named.

use super::Progress;
use std::fs::File;
use std::io::{BufRead, BufReader, Read};
use std::path::{Path, PathBuf};
use zip::ZipArchive;

/// Folders within folders that are searched.
const MAX_DEPTH: usize = 12;
/// Bytes that are read at a time.
const BUFFER: usize = 1 << 17;

/// One file.
#[derive(Clone, Debug)]
pub struct Entry {
    /// Its path; in an archive, behind that of the archive.
    pub path: String,
    /// Bytes, unpacked.
    pub size: u64,
    file: PathBuf,
    /// Its name in the archive `file`.
    within: Option<String>,
}

impl Entry {
    /// The last part of its path.
    pub fn name(&self) -> &str {
        self.path.rsplit('/').next().unwrap_or(&self.path)
    }
}

/// All files of a release.
#[derive(Clone, Debug, Default)]
pub struct Files {
    entries: Vec<Entry>,
}

impl Files {
    /// # Errors
    /// What cannot be read.
    pub fn find(paths: &[PathBuf]) -> Result<Files, String> {
        let mut files = Files::default();
        for path in paths {
            files.add(path, MAX_DEPTH)?;
        }
        files
            .entries
            .sort_by(|left, right| left.path.cmp(&right.path));
        Ok(files)
    }

    fn add(&mut self, path: &Path, depth: usize) -> Result<(), String> {
        let unreadable = |error: std::io::Error| format!("cannot read {}: {error}", path.display());
        let metadata = std::fs::metadata(path).map_err(unreadable)?;
        if metadata.is_dir() {
            let Some(depth) = depth.checked_sub(1) else {
                return Err(format!(
                    "{}: the folders are nested too deeply",
                    path.display()
                ));
            };
            for entry in std::fs::read_dir(path).map_err(unreadable)? {
                self.add(&entry.map_err(unreadable)?.path(), depth)?;
            }
            return Ok(());
        }
        if path
            .extension()
            .is_some_and(|one| one.eq_ignore_ascii_case("zip"))
        {
            return self.add_archive(path);
        }
        self.entries.push(Entry {
            path: path.display().to_string(),
            size: metadata.len(),
            file: path.to_path_buf(),
            within: None,
        });
        Ok(())
    }

    fn add_archive(&mut self, path: &Path) -> Result<(), String> {
        let mut archive = open_archive(path)?;
        for at in 0..archive.len() {
            let entry = archive.by_index_raw(at);
            let entry = entry.map_err(|error| format!("{}: {error}", path.display()))?;
            let name = entry.name();
            let name = name.map_err(|error| format!("{}: {error}", path.display()))?;
            if entry.is_file() {
                self.entries.push(Entry {
                    path: format!("{}/{name}", path.display()),
                    size: entry.size(),
                    file: path.to_path_buf(),
                    within: Some(name.into_owned()),
                });
            }
        }
        Ok(())
    }

    pub fn all(&self) -> &[Entry] {
        &self.entries
    }

    /// Those whose name passes.
    pub fn named(&self, passes: impl Fn(&str) -> bool) -> Vec<&Entry> {
        let passing = self.entries.iter().filter(|entry| passes(entry.name()));
        passing.collect()
    }
}

fn open_archive(path: &Path) -> Result<ZipArchive<BufReader<File>>, String> {
    let told = |error: &dyn std::fmt::Display| format!("cannot read {}: {error}", path.display());
    let file = File::open(path).map_err(|error| told(&error))?;
    ZipArchive::new(BufReader::new(file)).map_err(|error| told(&error))
}

impl Entry {
    /// Reads the file from its beginning.
    ///
    /// # Errors
    /// Those of `read`, and that it cannot be opened.
    pub fn read<R>(
        &self,
        progress: Progress<'_>,
        read: impl FnOnce(&mut dyn BufRead) -> Result<R, String>,
    ) -> Result<R, String> {
        let told = |error: &dyn std::fmt::Display| format!("cannot read {}: {error}", self.path);
        match &self.within {
            None => {
                let file = File::open(&self.file).map_err(|error| told(&error))?;
                read(&mut counted(file, progress))
            }
            Some(name) => {
                let mut archive = open_archive(&self.file)?;
                let file = archive.by_name(name).map_err(|error| told(&error))?;
                read(&mut counted(file, progress))
            }
        }
    }
}

fn counted<'p, R: Read>(inner: R, progress: Progress<'p>) -> BufReader<Counted<'p, R>> {
    BufReader::with_capacity(BUFFER, Counted { inner, progress })
}

struct Counted<'p, R> {
    inner: R,
    progress: Progress<'p>,
}

impl<R: Read> Read for Counted<'_, R> {
    fn read(&mut self, buffer: &mut [u8]) -> std::io::Result<usize> {
        let count = self.inner.read(buffer)?;
        (self.progress)(count as u64);
        Ok(count)
    }
}
