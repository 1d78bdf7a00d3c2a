//! `package/package.json`: who a package is and what it stands on.
//! <https://hl7.org/fhir/packages.html>,
//! <https://confluence.hl7.org/display/FHIR/NPM+Package+Specification>
//!
//! Versions are exact, or have `x` in place of their last parts (`6.1.x`). The ranges of npm
//! (`^1.0.0`) are none of FHIR's: they are met by nothing but themselves.

use crate::terminology::version::is_version;
use serde_json::Value;

/// The package that the server itself is made of.
pub const CORE: (&str, &str) = ("hl7.fhir.r4.core", "4.0.1");

/// What a package needs.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub struct Dependency {
    pub name: String,
    /// A version, perhaps with `x` for its last parts.
    pub wanted: String,
}

/// The manifest of a package.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Manifest {
    pub name: String,
    pub version: String,
    pub title: Option<String>,
    /// The base of its canonical URLs, without a slash at its end.
    pub canonical: Option<String>,
    /// By name.
    pub dependencies: Vec<Dependency>,
}

impl Manifest {
    /// Reads a manifest.
    ///
    /// # Errors
    /// In words: no name or version, or a package that is not for R4.
    pub fn parse(manifest: &Value) -> Result<Manifest, String> {
        let text = |name: &str| manifest[name].as_str().filter(|text| !text.is_empty());
        let need = |name: &str| {
            let found = text(name).map(str::to_owned);
            found.ok_or_else(|| format!("package/package.json: expected a {name}"))
        };
        let (name, version) = (need("name")?, need("version")?);
        refuse_odd("name", &name, "@/._-", 214)?;
        refuse_odd("version", &version, ".+-_", 100)?;
        refuse_other_releases(manifest, &name)?;
        let dependencies = manifest["dependencies"].as_object();
        let mut dependencies: Vec<Dependency> = dependencies
            .into_iter()
            .flatten()
            .map(|(name, wanted)| Dependency {
                name: name.clone(),
                wanted: wanted.as_str().unwrap_or_default().to_owned(),
            })
            .collect();
        dependencies.sort();
        let canonical = text("canonical").map(|url| url.trim_end_matches('/').to_owned());
        Ok(Manifest {
            name,
            version,
            title: text("title").map(str::to_owned),
            canonical,
            dependencies,
        })
    }

    /// `name#version`, as people write it.
    pub fn label(&self) -> String {
        format!("{}#{}", self.name, self.version)
    }
}

/// Names and versions become keys: they are held to the letters and the length that registries
/// allow.
fn refuse_odd(what: &str, text: &str, marks: &str, most: usize) -> Result<(), String> {
    let is_legal = |c: char| c.is_ascii_alphanumeric() || marks.contains(c);
    match text.len() <= most && text.chars().all(is_legal) {
        true => Ok(()),
        false => Err(format!(
            "package/package.json: expected a {what} of letters, digits and {marks}, at most \
             {most}, but found another"
        )),
    }
}

/// `fhirVersions`, or `fhir-version-list` before it; where neither stands, the core package
/// that it depends on says it.
fn refuse_other_releases(manifest: &Value, name: &str) -> Result<(), String> {
    let lists = ["fhirVersions", "fhir-version-list"].iter();
    let mut versions: Vec<&str> = lists
        .filter_map(|list| manifest[*list].as_array())
        .flatten()
        .filter_map(Value::as_str)
        .collect();
    if versions.is_empty() {
        versions.extend(manifest["dependencies"][CORE.0].as_str());
    }
    let is_r4 = |version: &&str| version.starts_with("4.0");
    match versions.iter().any(is_r4) {
        true => Ok(()),
        false if versions.is_empty() => Err(format!(
            "expected {name} to name 4.0.1 in fhirVersions but it names no version of FHIR"
        )),
        false => Err(format!(
            "expected a package for FHIR R4 (4.0.1) but {name} is for {}",
            versions.join(", ")
        )),
    }
}

/// Whether a version is what a dependency wants.
pub fn satisfies(version: &str, wanted: &str) -> bool {
    is_version(version, wanted)
}

/// Whether the server itself is what a dependency wants.
pub fn is_built_in(dependency: &Dependency) -> bool {
    dependency.name == CORE.0 && satisfies(CORE.1, &dependency.wanted)
}
