//! `andiron validate`: files against R4 and profiles, without a server, a database or the network.
//!
//! ```text
//! patient.json               the resource
//! patient.xml                the same in XML
//! patients.ndjson            one per line, each an input of its own
//! any of them with .gz       unpacked; a folder: all such files below it
//! ```
//!
//! What it says of an input is what `$validate` would. References to other resources are not
//! followed, and value sets of systems that are not at hand are warnings.

use super::Failure;
use super::arguments::{Output, ValidateArgs};
use crate::config::Limits;
use crate::definitions::Definitions;
use crate::error::{Error, Issue};
use crate::fhir::outcome::operation_outcome;
use crate::fhir::{ResourceType, json};
use crate::format::to_json;
use crate::package::{Bounds, Package};
use crate::validation::profile::Profiles;
use crate::validation::{Validator, places};
use flate2::read::MultiGzDecoder;
use serde_json::Value;
use std::fs::{self, File};
use std::io::{self, BufReader, Read, Write};
use std::path::{Path, PathBuf};
use std::sync::Arc;

/// The ends of names of files that are looked for in folders.
const ENDINGS: [&str; 3] = [".json", ".xml", ".ndjson"];

/// Our own base, for references that are absolute.
const BASE: &str = "http://127.0.0.1:8080/fhir";

/// Validates what is named, telling each input on standard output.
///
/// # Errors
/// Status 1, said already, where an input has an error; what cannot be used at all.
pub fn run(args: &ValidateArgs) -> Result<(), Failure> {
    let definitions = Definitions::r4();
    let judge = Judge::new(definitions, args)?;
    let mut out = io::stdout().lock();
    let (mut inputs, mut wrong) = (0_usize, 0_usize);
    for path in all_files(&args.paths, &ENDINGS).map_err(Failure::new)? {
        judge.file(&path, &mut |name, issues| {
            inputs += 1;
            wrong += usize::from(issues.iter().any(Issue::is_error));
            tell(&mut out, args.output, name, &issues)
        })?;
    }
    eprintln!("{inputs} validated, {wrong} with errors");
    match wrong {
        0 => Ok(()),
        _ => Err(Failure::new("")),
    }
}

/// What inputs are held to.
struct Judge<'a> {
    definitions: Arc<Definitions>,
    validator: Arc<Validator>,
    profiles: Profiles,
    asked: Vec<&'a str>,
}

impl<'a> Judge<'a> {
    fn new(definitions: Arc<Definitions>, args: &'a ValidateArgs) -> Result<Judge<'a>, Failure> {
        let mut resources = Vec::new();
        for path in &args.definitions {
            let found = read_definitions(&definitions, path);
            let found = found.map_err(|text| Failure::new(format!("{}: {text}", path.display())));
            resources.extend(found?);
        }
        let profiles = Profiles::new(definitions.clone(), resources, BASE);
        let asked: Vec<&str> = args.profile.iter().map(String::as_str).collect();
        if let Some(unknown) = asked.iter().find(|profile| !profiles.is_known(profile)) {
            let text = format!(
                "expected a profile that is known but found {unknown}; --definitions names the \
                 package or file that has it"
            );
            return Err(Failure::new(text));
        }
        Ok(Judge {
            validator: Validator::new(definitions.clone()),
            definitions,
            profiles,
            asked,
        })
    }

    /// Judges the inputs of a file, each under its name.
    fn file(
        &self,
        path: &Path,
        each: &mut dyn FnMut(&str, Vec<Issue>) -> io::Result<()>,
    ) -> Result<(), Failure> {
        let name = path.display().to_string();
        let told = match bytes(path) {
            Err(error) => {
                let text = format!("it cannot be read: {error}");
                each(&name, vec![Issue::error("exception", text)])
            }
            Ok(bytes) if plain_name(path).ends_with(".ndjson") => {
                let lines = bytes.split(|byte| *byte == b'\n').enumerate();
                let mut lines = lines.filter(|(_, line)| !line.trim_ascii().is_empty());
                lines.try_for_each(|(number, line)| {
                    let mut issues = self.input(line);
                    // The name says the line.
                    let places = issues.iter_mut().filter_map(|issue| issue.place.as_mut());
                    places.for_each(|place| place.position = None);
                    each(&format!("{name}:{}", number + 1), issues)
                })
            }
            Ok(bytes) => each(&name, self.input(&bytes)),
        };
        told.map_err(|error| Failure::new(format!("standard output: {error}")))
    }

    /// Everything that is wrong with one resource.
    fn input(&self, text: &[u8]) -> Vec<Issue> {
        let resource = match read(&self.definitions, text) {
            Ok(resource) => resource,
            Err(error) => return error.issues,
        };
        let kind = resource.get("resourceType").and_then(Value::as_str);
        let Some(kind) = kind.and_then(ResourceType::parse) else {
            let found = kind.unwrap_or("none");
            let text = format!("expected a resource type of R4 but found {found}");
            return vec![Issue::error("structure", text)];
        };
        let mut issues = self.validator.validate(kind, &resource);
        issues.extend(self.profiles.validate(&resource, &self.asked));
        places::point(&mut issues, &resource);
        // The JSON of XML has other lines than what its author sees.
        if !is_xml(text) {
            places::find_lines(&mut issues, text, "");
        }
        issues
    }
}

/// A resource in JSON or XML: told by how it begins.
fn read(definitions: &Arc<Definitions>, text: &[u8]) -> Result<Value, Error> {
    let depth = Limits::default().json_depth;
    match is_xml(text) {
        true => json::parse(to_json(definitions, text, depth)?.as_ref(), depth),
        false => json::parse(text, depth),
    }
}

fn is_xml(text: &[u8]) -> bool {
    let bare = json::without_byte_order_mark(text).trim_ascii_start();
    bare.first() == Some(&b'<')
}

/// The resources of a package, of a file, or of all files below a folder; those of a Bundle one
/// by one.
fn read_definitions(definitions: &Arc<Definitions>, path: &Path) -> Result<Vec<Value>, String> {
    let mut all = Vec::new();
    let endings = [".json", ".xml", ".tgz"];
    for path in all_files(&[path.to_owned()], &endings)? {
        if plain_name(&path).ends_with(".tgz") {
            let file = File::open(&path).map_err(|error| error.to_string())?;
            let package = Package::read(BufReader::new(file), &Bounds::default())?;
            for content in &package.contents {
                all.push(content.resource()?);
            }
            continue;
        }
        let text = bytes(&path).map_err(|error| error.to_string())?;
        let mut resource = read(definitions, &text).map_err(|error| error.to_string())?;
        match resource.get_mut("entry").and_then(Value::as_array_mut) {
            Some(entries) => {
                let held = entries.iter_mut();
                all.extend(held.filter_map(|entry| entry.get_mut("resource").map(Value::take)));
            }
            None => all.push(resource),
        }
    }
    Ok(all)
}

/// The files that are named, and those below folders that are named, in the order of their names.
fn all_files(paths: &[PathBuf], endings: &[&str]) -> Result<Vec<PathBuf>, String> {
    let mut files = Vec::new();
    for path in paths {
        let said = |error: io::Error| format!("{}: {error}", path.display());
        if fs::metadata(path).map_err(said)?.is_dir() {
            below(path, endings, &mut files).map_err(said)?;
        } else {
            files.push(path.clone());
        }
    }
    Ok(files)
}

fn below(folder: &Path, endings: &[&str], files: &mut Vec<PathBuf>) -> io::Result<()> {
    let mut entries: Vec<fs::DirEntry> = fs::read_dir(folder)?.collect::<io::Result<_>>()?;
    entries.sort_by_key(fs::DirEntry::file_name);
    for entry in entries {
        let (path, kind) = (entry.path(), entry.file_type()?);
        if kind.is_dir() {
            below(&path, endings, files)?;
        } else if endings
            .iter()
            .any(|ending| plain_name(&path).ends_with(ending))
        {
            files.push(path);
        }
    }
    Ok(())
}

/// The name of a file without `.gz`.
fn plain_name(path: &Path) -> String {
    let name = path.file_name().unwrap_or_default().to_string_lossy();
    name.strip_suffix(".gz").unwrap_or(&name).to_owned()
}

/// What is in a file, unpacked.
fn bytes(path: &Path) -> io::Result<Vec<u8>> {
    let mut bytes = Vec::new();
    let file = BufReader::new(File::open(path)?);
    match path.extension().is_some_and(|extension| extension == "gz") {
        true => MultiGzDecoder::new(file).read_to_end(&mut bytes)?,
        false => BufReader::new(file).read_to_end(&mut bytes)?,
    };
    Ok(bytes)
}

/// Tells what is wrong with an input: a line for each issue, or an OperationOutcome.
fn tell(out: &mut impl Write, output: Output, name: &str, issues: &[Issue]) -> io::Result<()> {
    if output == Output::Json {
        return writeln!(out, "{}", operation_outcome(issues));
    }
    if issues.is_empty() {
        return writeln!(out, "{name}: valid");
    }
    for issue in issues {
        writeln!(out, "{}", line(name, issue))?;
    }
    Ok(())
}

/// `patient.json:3:5: error: Patient.name[0]: expected … [pat-1]`
fn line(name: &str, issue: &Issue) -> String {
    let position = issue.place.as_ref().and_then(|place| place.position);
    let position = position.map(|(line, column)| format!(":{line}:{column}"));
    let place = issue.expression.as_ref().map(|place| format!("{place}: "));
    let key = issue.key.as_ref().map(|key| format!(" [{key}]"));
    format!(
        "{name}{}: {}: {}{}{}",
        position.unwrap_or_default(),
        issue.severity.code(),
        place.unwrap_or_default(),
        issue.text,
        key.unwrap_or_default()
    )
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::error::Place;

    #[test]
    fn lines_say_where_and_why() {
        let mut issue = Issue::error("invariant", "expected more").at("Patient.contact[0]");
        assert_eq!(
            line("a.json", &issue),
            "a.json: error: Patient.contact[0]: expected more"
        );
        issue.key = Some("pat-1".to_owned());
        issue.place = Some(Box::new(Place {
            pointer: "/contact/0".to_owned(),
            position: Some((3, 5)),
        }));
        assert_eq!(
            line("a.json", &issue),
            "a.json:3:5: error: Patient.contact[0]: expected more [pat-1]"
        );
        assert_eq!(line("a", &Issue::warning("value", "hm")), "a: warning: hm");
    }

    #[test]
    fn names_lose_their_gz() {
        for (path, name) in [
            ("x/a.json", "a.json"),
            ("b.ndjson.gz", "b.ndjson"),
            ("gz", "gz"),
        ] {
            assert_eq!(plain_name(Path::new(path)), name);
        }
    }
}
