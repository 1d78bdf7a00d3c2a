//! The test material that lies outside the repository: official suites and examples.
//!
//! `ANDIRON_SHARED` names its directory, by default `../shared` beside the repository. Where it
//! is not, tests say so and return. `ANDIRON_WHOLE=1` asks for all of a large set. Beside it the
//! die by which tests make what nobody wrote.

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};
use std::process::Command;

use tempfile::TempDir;

/// A file of the shared material, if it is there.
pub fn shared(name: &str) -> Option<PathBuf> {
    let default = Path::new(env!("CARGO_MANIFEST_DIR")).join("../shared");
    let shared = std::env::var_os("ANDIRON_SHARED").map_or(default, PathBuf::from);
    let path = shared.join(name);
    if path.exists() {
        return Some(path);
    }
    eprintln!(
        "SKIPPED: there is no {}; set ANDIRON_SHARED",
        path.display()
    );
    None
}

/// An archive of the shared material, unpacked for the length of a test.
pub fn unpacked(archive: &str) -> Option<TempDir> {
    let archive = shared(archive)?;
    let directory = TempDir::new().expect("a temporary directory");
    let mut tar = Command::new("tar");
    tar.arg("xJf").arg(&archive).arg("-C").arg(directory.path());
    assert!(
        tar.status().expect("tar runs").success(),
        "{}",
        archive.display()
    );
    Some(directory)
}

/// The files below a directory whose names end so, by name.
pub fn files(directory: &Path, extension: &str) -> BTreeMap<String, PathBuf> {
    let mut found = BTreeMap::new();
    let mut open = vec![directory.to_owned()];
    while let Some(directory) = open.pop() {
        for entry in std::fs::read_dir(&directory).expect("readable") {
            let path = entry.expect("readable").path();
            if path.is_dir() {
                open.push(path);
            } else if path.extension().is_some_and(|found| found == extension) {
                let name = path.file_name().expect("a file").to_string_lossy();
                found.insert(name.into_owned(), path);
            }
        }
    }
    found
}

/// Whether all of a large set is asked for.
pub fn is_whole() -> bool {
    std::env::var_os("ANDIRON_WHOLE").is_some()
}

/// SplitMix64: the seed decides everything.
pub struct Dice(pub u64);

impl Dice {
    /// A number below `bound`; 0 where that is 0.
    pub fn below(&mut self, bound: usize) -> usize {
        self.0 = self.0.wrapping_add(0x9E37_79B9_7F4A_7C15);
        let mut mixed = self.0;
        mixed = (mixed ^ (mixed >> 30)).wrapping_mul(0xBF58_476D_1CE4_E5B9);
        mixed = (mixed ^ (mixed >> 27)).wrapping_mul(0x94D0_49BB_1331_11EB);
        ((mixed ^ (mixed >> 31)) % bound.max(1) as u64) as usize
    }
}
