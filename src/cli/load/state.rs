//! What earlier runs have loaded completely, so that a run after Ctrl-C goes on where the last
//! one stopped.
//!
//! One file per target, a line of JSON per loaded file: path, size, time of change and a hash
//! of the content. Lines are only ever added; half a line, left by a crash, is passed over.

use super::files::Source;
use serde::{Deserialize, Serialize};
use std::collections::HashMap;
use std::fs::{self, File, OpenOptions};
use std::io::{self, BufRead, BufReader, Read, Seek, SeekFrom, Write};
use std::path::{Path, PathBuf};
use std::sync::{Mutex, PoisonError};
use xxhash_rust::xxh3::Xxh3;

#[derive(Debug, Serialize, Deserialize)]
struct Line {
    path: PathBuf,
    size: u64,
    modified: u64,
    hash: String,
}

/// The memory of one target.
#[derive(Debug)]
pub struct State {
    path: PathBuf,
    file: Mutex<File>,
    loaded: HashMap<PathBuf, Line>,
}

impl State {
    /// Opens the memory at `path`, which need not exist yet.
    pub fn open(path: &Path) -> io::Result<State> {
        if let Some(folder) = path.parent() {
            fs::create_dir_all(folder)?;
        }
        let mut file = OpenOptions::new()
            .read(true)
            .append(true)
            .create(true)
            .open(path)?;
        let mut loaded = HashMap::new();
        for line in BufReader::new(&file).split(b'\n') {
            if let Ok(line) = serde_json::from_slice::<Line>(&line?) {
                loaded.insert(line.path.clone(), line);
            }
        }
        if ends_in_half_a_line(&mut file)? {
            file.write_all(b"\n")?;
        }
        Ok(State {
            path: path.to_path_buf(),
            file: Mutex::new(file),
            loaded,
        })
    }

    /// Forgets everything: the target was emptied, or everything is to be loaded again.
    pub fn forget(&mut self) -> io::Result<()> {
        self.loaded.clear();
        let file = self.file.get_mut().unwrap_or_else(PoisonError::into_inner);
        file.set_len(0)
    }

    /// Whether this very content was loaded completely before.
    pub fn is_loaded(&self, source: &Source) -> bool {
        let Some(line) = self.loaded.get(&source.path) else {
            return false;
        };
        line.size == source.size
            && (line.modified == source.modified
                || hash(source).is_ok_and(|hash| hash == line.hash))
    }

    /// Remembers that all of `source` was loaded.
    pub fn record(&self, source: &Source) -> io::Result<()> {
        let line = Line {
            path: source.path.clone(),
            size: source.size,
            modified: source.modified,
            hash: hash(source)?,
        };
        let mut text = serde_json::to_string(&line)?;
        text.push('\n');
        let mut file = self.file.lock().unwrap_or_else(PoisonError::into_inner);
        file.write_all(text.as_bytes())
    }

    pub fn path(&self) -> &Path {
        &self.path
    }
}

fn ends_in_half_a_line(file: &mut File) -> io::Result<bool> {
    if file.seek(SeekFrom::End(0))? == 0 {
        return Ok(false);
    }
    file.seek(SeekFrom::End(-1))?;
    let mut last = [0];
    file.read_exact(&mut last)?;
    Ok(last != *b"\n")
}

/// The hash of a file's bytes on disk; the file was read just before, so this is quick.
fn hash(source: &Source) -> io::Result<String> {
    let mut file = File::open(&source.path)?;
    let mut hasher = Xxh3::new();
    let mut buffer = vec![0; 1 << 16];
    loop {
        match file.read(&mut buffer)? {
            0 => return Ok(format!("{:016x}", hasher.digest())),
            length => hasher.update(&buffer[..length]),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::super::files;
    use super::*;

    fn only(path: &Path) -> Source {
        files::find(&[path.to_path_buf()])
            .expect("found")
            .sources
            .remove(0)
    }

    fn touch(path: &Path) {
        let file = OpenOptions::new().write(true).open(path).expect("opened");
        file.set_modified(std::time::UNIX_EPOCH).expect("touched");
    }

    #[test]
    fn a_file_is_loaded_until_its_content_changes() {
        let dir = tempfile::tempdir().expect("a directory");
        let path = dir.path().join("a.json");
        let memory = dir.path().join("deep/er/state");
        fs::write(&path, "{}").expect("written");
        let state = State::open(&memory).expect("opened");
        assert!(!state.is_loaded(&only(&path)));
        state.record(&only(&path)).expect("recorded");

        let state = State::open(&memory).expect("opened");
        assert!(state.is_loaded(&only(&path)));
        touch(&path);
        assert!(
            state.is_loaded(&only(&path)),
            "the time alone means nothing"
        );
        fs::write(&path, "[]").expect("written");
        touch(&path);
        assert!(!state.is_loaded(&only(&path)), "same size, other content");

        let mut state = State::open(&memory).expect("opened");
        state.forget().expect("forgotten");
        assert!(
            !State::open(&memory)
                .expect("opened")
                .is_loaded(&only(&path))
        );
    }

    #[test]
    fn half_a_line_is_passed_over() {
        let dir = tempfile::tempdir().expect("a directory");
        let path = dir.path().join("a.json");
        let memory = dir.path().join("state");
        fs::write(&path, "{}").expect("written");
        fs::write(&memory, "{\"path\":\"/x").expect("written");
        State::open(&memory)
            .expect("opened")
            .record(&only(&path))
            .expect("recorded");
        assert!(
            State::open(&memory)
                .expect("opened")
                .is_loaded(&only(&path))
        );
    }
}
