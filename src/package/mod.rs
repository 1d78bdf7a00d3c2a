//! FHIR packages: what a `.tgz` of an implementation guide holds, read with suspicion.
//! <https://hl7.org/fhir/packages.html>
//!
//! ```text
//! bytes ──archive──▶ entries ──▶ manifest   package/package.json
//!   gzip, tar, bounded        ├▶ resources  package/*.json of the types below
//!                             └▶ examples   package/example/*.json, not parsed
//! manifests ──order──▶ what is installed, dependencies first; or all that is missing
//! ```
//!
//! Nothing here does I/O and nothing is ever fetched: who calls has the bytes. What becomes of
//! a package is told in [`operation::install_package`](crate::operation::install_package).
//!
//! ## Decisions
//!
//! **2026-11-22: what makes a package the same is its content, not its file.** The hash is over
//! names and bytes of the entries, so that a package that somebody packed again is the same.
//!
//! **2026-11-22: resources of other types are not installed.** A Patient in a guide is somebody's
//! example wherever it stands; stored, it would be found by who searches for patients.

mod archive;
mod manifest;
mod order;

pub use archive::{Bounds, Entry};
pub use manifest::{CORE, Dependency, Manifest, is_built_in, satisfies};
pub use order::{Missing, order};

use crate::fhir::{ResourceType, json};
use serde_json::Value;
use std::collections::BTreeMap;
use std::io::Read;

/// The types whose resources say how others are to be: those that R4 names by a canonical URL,
/// and NamingSystem. <https://hl7.org/fhir/R4/references.html#canonical>
pub const INSTALLED: [&str; 29] = [
    "ActivityDefinition",
    "CapabilityStatement",
    "ChargeItemDefinition",
    "CodeSystem",
    "CompartmentDefinition",
    "ConceptMap",
    "EffectEvidenceSynthesis",
    "EventDefinition",
    "Evidence",
    "EvidenceVariable",
    "ExampleScenario",
    "GraphDefinition",
    "ImplementationGuide",
    "Library",
    "Measure",
    "MessageDefinition",
    "NamingSystem",
    "OperationDefinition",
    "PlanDefinition",
    "Questionnaire",
    "ResearchDefinition",
    "ResearchElementDefinition",
    "SearchParameter",
    "StructureDefinition",
    "StructureMap",
    "TerminologyCapabilities",
    "TestReport",
    "TestScript",
    "ValueSet",
];

/// The folder of a package that counts, and its list of contents, which nobody needs.
const FOLDER: &str = "package/";
const MANIFEST: &str = "package/package.json";
const SECOND_GUIDE: &str = "package/ig-r4.json";

/// How deep the JSON of a package may be nested: expansions are, and examples within guides.
const DEPTH: usize = 200;

/// A resource of a package. It stays text: packages of terminology are a hundred megabytes.
#[derive(Clone, Debug, PartialEq)]
pub struct Content {
    pub resource_type: ResourceType,
    /// The id in the package; made of its url where it has none.
    pub id: String,
    pub entry: Entry,
}

impl Content {
    /// The resource.
    ///
    /// # Errors
    /// In words; none for what [`Package::read`] has read.
    pub fn resource(&self) -> Result<Value, String> {
        parse(&self.entry)
    }
}

/// A package that was read.
#[derive(Clone, Debug)]
pub struct Package {
    pub manifest: Manifest,
    /// SHA-256 of its content, in hexadecimal.
    pub hash: String,
    /// In the order of their names.
    pub contents: Vec<Content>,
    /// Not installed: resources that show how it is meant.
    pub examples: Vec<Entry>,
    /// Not installed either: the entries of other types beside the contents.
    pub others: Vec<String>,
}

impl Package {
    /// Reads a package.
    ///
    /// # Errors
    /// In words, with the entry that is wrong: not a gzip or tar, too large, links, names that
    /// lead outside, one name twice, no manifest, a manifest that is not of R4, JSON that is
    /// none, two resources with one id.
    pub fn read(source: impl Read, bounds: &Bounds) -> Result<Package, String> {
        let archive = archive::read(source, bounds, &|name| {
            is_example(name) || folder_of(name) == Some("")
        })?;
        let find = |name: &str| archive.entries.iter().find(|entry| entry.name == name);
        let manifest = find(MANIFEST)
            .ok_or_else(|| format!("expected a FHIR package with {MANIFEST} but found none"))?;
        let manifest = Manifest::parse(&parse(manifest)?)?;
        let mut package = Package {
            manifest,
            hash: archive.hash,
            contents: Vec::new(),
            examples: Vec::new(),
            others: Vec::new(),
        };
        for entry in archive.entries {
            match is_example(&entry.name) {
                true => package.examples.push(entry),
                false => package.take(entry)?,
            }
        }
        package
            .contents
            .sort_by(|a, b| a.entry.name.cmp(&b.entry.name));
        package.drop_second_guide();
        package.refuse_repeated()?;
        Ok(package)
    }

    /// Reads the manifest alone, and no further than it.
    ///
    /// # Errors
    /// As [`Package::read`], of what comes before it.
    pub fn read_manifest(source: impl Read, bounds: &Bounds) -> Result<Manifest, String> {
        match archive::find(source, bounds, MANIFEST)? {
            Some(entry) => Manifest::parse(&parse(&entry)?),
            None => Err(format!(
                "expected a FHIR package with {MANIFEST} but found none"
            )),
        }
    }

    fn take(&mut self, entry: Entry) -> Result<(), String> {
        // Lists of contents and documents of other kinds stand beside the resources.
        let is_hidden = entry.name[FOLDER.len()..].starts_with('.');
        if entry.name == MANIFEST || is_hidden {
            return Ok(());
        }
        let resource = parse(&entry)?;
        let Some(name) = resource["resourceType"].as_str() else {
            return Ok(());
        };
        let kind = ResourceType::parse(name).filter(|kind| INSTALLED.contains(&kind.name()));
        match kind {
            Some(resource_type) => self.contents.push(Content {
                id: id_of(&resource, &entry.name),
                entry,
                resource_type,
            }),
            None => self.others.push(entry.name),
        }
        Ok(())
    }

    /// Older publishers wrote the guide once more, in the form of each release.
    fn drop_second_guide(&mut self) {
        let is_second = |one: &Content| one.entry.name == SECOND_GUIDE;
        let second = self.contents.iter().position(is_second);
        let Some(at) = second else { return };
        let id = &self.contents[at].id;
        let mut guides = self.contents.iter();
        let is_same =
            |one: &Content| one.resource_type.name() == "ImplementationGuide" && one.id == *id;
        if guides.any(|one| is_same(one) && !is_second(one)) {
            self.contents.remove(at);
        }
    }

    fn refuse_repeated(&self) -> Result<(), String> {
        let mut seen = BTreeMap::new();
        for content in &self.contents {
            let name = (content.resource_type, content.id.as_str());
            if let Some(before) = seen.insert(name, &content.entry.name) {
                return Err(format!(
                    "expected each resource once but found {}/{} in {before} and in {}",
                    content.resource_type, content.id, content.entry.name
                ));
            }
        }
        Ok(())
    }
}

/// The folder below `package/` that a name is in: empty for what stands in it.
fn folder_of(name: &str) -> Option<&str> {
    let below = name
        .strip_prefix(FOLDER)
        .filter(|name| name.ends_with(".json"))?;
    Some(below.rsplit_once('/').map_or("", |(folder, _)| folder))
}

fn is_example(name: &str) -> bool {
    let is_hidden = name.contains("/.");
    matches!(folder_of(name), Some("example" | "examples")) && !is_hidden
}

fn parse(entry: &Entry) -> Result<Value, String> {
    let bare = json::without_byte_order_mark(&entry.bytes);
    json::parse(bare, DEPTH).map_err(|error| format!("{}: {error}", entry.name))
}

/// The id; where there is none, what its url ends in, else the name of its file.
fn id_of(resource: &Value, entry: &str) -> String {
    let url = resource["url"].as_str();
    let of_url = url.and_then(|url| url.rsplit(['/', ':']).next());
    let of_file = entry.rsplit('/').next().unwrap_or(entry);
    let of_file = of_file.trim_end_matches(".json");
    let id = resource["id"].as_str().or(of_url);
    id.filter(|id| !id.is_empty()).unwrap_or(of_file).to_owned()
}

#[cfg(test)]
mod tests;
