//! Compiles an unpacked package directory into one container file.
//!
//! Two layouts are read: the npm package of the core definitions, which holds HL7's published
//! Bundles under `dist/fhir/r4`, and a FHIR package (<https://hl7.org/fhir/R4/packages.html>),
//! which holds one resource a file beside its `package.json`. This is the only file of the
//! module that touches the disk; it runs in a developer's command, never in a server.

use std::collections::{BTreeMap, HashSet};
use std::fmt;
use std::fs;
use std::path::{Path, PathBuf};

use serde_json::{Map, Value};

use super::package::{self, Artifact};
use super::restore::{self, Restored};
use super::trim;

/// The files of the core package that hold HL7's own definitions. Its other files are the
/// publisher's, or repeat what these say.
const CORE_FILES: [&str; 9] = [
    "profiles-types.json",
    "profiles-resources.json",
    "profiles-others.json",
    "extension-definitions.json",
    "search-parameters.json",
    "valuesets.json",
    "v2-tables.json",
    "v3-codesystems.json",
    "conceptmaps.json",
];

/// What a compilation did.
#[derive(Debug, Default)]
pub struct CompileSummary {
    /// Name, version and FHIR version of the package.
    pub package: [String; 3],
    /// Artifacts by resource type.
    pub artifacts: BTreeMap<String, usize>,
    /// URLs of artifacts that the package bears but the published release does not.
    pub left_out: Vec<String>,
    /// Names of the types whose snapshot was brought back to the published one.
    pub restored: Vec<String>,
    /// Bytes of trimmed JSON.
    pub raw_bytes: usize,
    /// Bytes of the container.
    pub packed_bytes: usize,
}

impl fmt::Display for CompileSummary {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let [name, version, fhir_version] = &self.package;
        writeln!(f, "{name} {version} (FHIR {fhir_version})")?;
        for (resource_type, count) in &self.artifacts {
            writeln!(f, "  {count:>6} {resource_type}")?;
        }
        writeln!(
            f,
            "left out, not of this release: {}",
            self.left_out.join(", ")
        )?;
        writeln!(f, "snapshots restored: {}", self.restored.join(", "))?;
        write!(
            f,
            "{} bytes of JSON in {} bytes",
            self.raw_bytes, self.packed_bytes
        )
    }
}

/// Compiles the package in `source_dir` and writes the container to `out`.
pub fn compile(source_dir: &Path, out: &Path) -> Result<CompileSummary, String> {
    let (bytes, summary) = compile_bytes(source_dir)?;
    fs::write(out, bytes).map_err(|e| format!("cannot write {}: {e}", out.display()))?;
    Ok(summary)
}

/// As [`compile`], but returns the container.
pub fn compile_bytes(source_dir: &Path) -> Result<(Vec<u8>, CompileSummary), String> {
    let manifest = read_json(&source_dir.join("package.json"))?;
    let core = source_dir.join("dist/fhir/r4");
    let (mut artifacts, fhir_version, restored) = if core.is_dir() {
        let mut artifacts = read_files(&CORE_FILES.map(|file| core.join(file)))?;
        let fhir_version = core_version(&core)?;
        let restored = restore::restore(&mut artifacts, &fhir_version);
        (artifacts, fhir_version, restored)
    } else {
        let artifacts = read_files(&json_files(source_dir)?)?;
        (
            artifacts,
            manifest_fhir_version(&manifest)?,
            Restored::default(),
        )
    };
    drop_repeated(&mut artifacts);
    let name = text(&manifest, "name");
    let version = text(&manifest, "version");
    let mut summary = CompileSummary {
        package: [name.clone(), version.clone(), fhir_version.clone()],
        left_out: restored.left_out,
        restored: restored.structures,
        ..CompileSummary::default()
    };
    let mut trimmed = Vec::with_capacity(artifacts.len());
    for artifact in &artifacts {
        let facts = trim::trim(artifact);
        let entry = index_entry(&facts);
        *summary
            .artifacts
            .entry(entry.resource_type.clone())
            .or_default() += 1;
        let json = serde_json::to_vec(&facts).map_err(|e| e.to_string())?;
        summary.raw_bytes += json.len();
        trimmed.push((entry, json));
    }
    let bytes = package::write(&name, &version, &fhir_version, trimmed)?;
    summary.packed_bytes = bytes.len();
    Ok((bytes, summary))
}

fn read_json(path: &Path) -> Result<Value, String> {
    let bytes = fs::read(path).map_err(|e| format!("cannot read {}: {e}", path.display()))?;
    serde_json::from_slice(&bytes).map_err(|e| format!("{} is not JSON: {e}", path.display()))
}

/// Every artifact of a held resource type in these files, entries of Bundles included.
fn read_files(files: &[PathBuf]) -> Result<Vec<Value>, String> {
    let mut artifacts = Vec::new();
    for file in files {
        let mut resource = read_json(file)?;
        match resource["entry"].as_array_mut() {
            Some(entries) => {
                artifacts.extend(entries.iter_mut().map(|entry| entry["resource"].take()));
            }
            None => artifacts.push(resource),
        }
    }
    artifacts.retain(|a| a["resourceType"].as_str().is_some_and(trim::is_held));
    Ok(artifacts)
}

/// The resource files of a FHIR package, in the order of their names: a directory lists them
/// in no order of its own. Examples lie in a directory below and are not read.
fn json_files(dir: &Path) -> Result<Vec<PathBuf>, String> {
    let listing = fs::read_dir(dir).map_err(|e| format!("cannot list {}: {e}", dir.display()))?;
    let mut files = Vec::new();
    for entry in listing {
        let path = entry.map_err(|e| e.to_string())?.path();
        let name = path
            .file_name()
            .and_then(|n| n.to_str())
            .unwrap_or_default();
        let is_resource =
            name.ends_with(".json") && name != "package.json" && !name.starts_with('.');
        if is_resource {
            files.push(path);
        }
    }
    files.sort();
    Ok(files)
}

/// The line `version=4.0.1` of the publication's `version.info`.
fn core_version(core: &Path) -> Result<String, String> {
    let path = core.join("version.info");
    let info =
        fs::read_to_string(&path).map_err(|e| format!("cannot read {}: {e}", path.display()))?;
    info.lines()
        .find_map(|line| line.trim().strip_prefix("version="))
        .map(str::to_owned)
        .ok_or_else(|| format!("{} names no version", path.display()))
}

fn manifest_fhir_version(manifest: &Value) -> Result<String, String> {
    let listed = ["fhirVersions", "fhir-version-list"]
        .into_iter()
        .find_map(|n| manifest[n][0].as_str());
    listed
        .map(str::to_owned)
        .ok_or_else(|| "package.json names no FHIR version in fhirVersions".to_owned())
}

/// Some artifacts stand in more than one file of a publication; the first one counts.
fn drop_repeated(artifacts: &mut Vec<Value>) {
    let mut seen = HashSet::new();
    artifacts.retain(|a| {
        seen.insert(["resourceType", "url", "version", "id"].map(|name| text(a, name)))
    });
}

fn text(value: &Value, name: &str) -> String {
    value[name].as_str().unwrap_or_default().to_owned()
}

fn index_entry(facts: &Map<String, Value>) -> Artifact {
    let text = |name: &str| {
        let value = facts.get(name).and_then(Value::as_str);
        value.unwrap_or_default().to_owned()
    };
    let resource_type = text("resourceType");
    let kind = if resource_type == "CodeSystem" {
        text("content")
    } else {
        text("kind")
    };
    Artifact {
        kind,
        url: text("url"),
        version: text("version"),
        id: text("id"),
        name: text("name"),
        status: text("status"),
        type_name: text("type"),
        derivation: text("derivation"),
        base: text("baseDefinition"),
        is_abstract: facts
            .get("abstract")
            .and_then(Value::as_bool)
            .unwrap_or_default(),
        resource_type,
        ..Artifact::default()
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::definitions::Package;

    #[test]
    fn a_foreign_package_compiles() {
        let dir = tempfile::tempdir().expect("a temporary directory");
        let file =
            |name: &str, text: &str| fs::write(dir.path().join(name), text).expect("written");
        file(
            "package.json",
            r#"{"name":"x.y","version":"1.2","fhirVersions":["4.0.1"]}"#,
        );
        file(
            "ValueSet-a.json",
            r#"{"resourceType":"ValueSet","id":"a","url":"http://x/a","text":{}}"#,
        );
        file("Patient-b.json", r#"{"resourceType":"Patient","id":"b"}"#);
        let (bytes, summary) = compile_bytes(dir.path()).expect("compiles");
        assert_eq!(
            summary.artifacts,
            BTreeMap::from([("ValueSet".to_owned(), 1)])
        );
        let package = Package::from_bytes(bytes).expect("opens");
        assert_eq!((&*package.name, &*package.version), ("x.y", "1.2"));
        assert_eq!(package.artifacts()[0].url, "http://x/a");
    }

    /// Runs where ANDIRON_DEFINITIONS_PACKAGE names the unpacked npm package.
    #[test]
    fn the_committed_file_is_reproducible() {
        let Ok(source) = std::env::var("ANDIRON_DEFINITIONS_PACKAGE") else {
            eprintln!(
                "SKIPPED: set ANDIRON_DEFINITIONS_PACKAGE to the unpacked definitions package"
            );
            return;
        };
        let (bytes, summary) = compile_bytes(Path::new(&source)).expect("the package compiles");
        println!("{summary}");
        assert!(
            bytes == crate::definitions::R4,
            "profiles/r4.andiron is not what compiles from {source}"
        );
    }
}
