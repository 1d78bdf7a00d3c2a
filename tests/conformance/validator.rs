//! The official validator's test cases for R4, tiers A and B: those that need nothing but the
//! core definitions and what lies beside them. Format: `suites/validator-r4/README.md`.
//!
//! A case has a step against the base definitions and `meta.profile`, and some have another
//! against a profile that is named. Of each step two things are compared with the Java
//! validator's outcome: the verdict (is there any error), and for each of its errors whether
//! there is one at the same element. A missing element is placed at itself here and at its
//! parent there: both count as the same place. Codes and texts are not compared. That validator is
//! stricter than a server by default: [`settings`] say where.

use super::{compare, scoreboard, shared};
use andiron::definitions::Definitions;
use andiron::error::{Issue, Severity};
use andiron::fhir::{ResourceType, json};
use andiron::format;
use andiron::validation::Validator;
use andiron::validation::profile::{Profiles, Settings};
use serde_json::Value;
use std::collections::BTreeMap;
use std::path::Path;
use std::sync::Arc;

const SUITE: &str = "validator-r4";
const LEDGER: &str = "validator-r4.tsv";
const BASE: &str = "http://andiron.test/fhir";

/// One comparison: a case's base step, or its profile step.
struct Step {
    name: String,
    tier: String,
    module: String,
    /// The elements of the errors that the Java validator found.
    expected: Vec<String>,
    found: Vec<Issue>,
}

impl Step {
    fn agrees(&self) -> bool {
        self.expected.is_empty() != self.found.iter().any(Issue::is_error)
    }

    /// How many of the expected errors have one of ours at their element.
    fn met(&self) -> usize {
        let errors = self.found.iter().filter(|issue| issue.is_error());
        let places: Vec<String> = errors
            .map(|issue| plain(issue.expression.as_deref().unwrap_or_default()))
            .collect();
        let is_met = |wanted: &&String| places.iter().any(|place| is_same_place(wanted, place));
        self.expected.iter().filter(is_met).count()
    }

    fn how(&self) -> String {
        let errors = self.found.iter().filter(|issue| issue.is_error());
        let texts: Vec<String> = errors
            .take(3)
            .map(|issue| {
                let at = issue.expression.as_deref().unwrap_or_default();
                format!("{at}: {}", issue.text)
            })
            .collect();
        match texts.is_empty() {
            true => format!("no error, expected at {}", self.expected.join(", ")),
            false => format!("expected no error but found {}", texts.join("; ")),
        }
    }
}

fn is_same_place(wanted: &str, found: &str) -> bool {
    let (wanted, found) = match wanted.strip_prefix('/') {
        // An XPath, which has no indexes.
        Some(wanted) => {
            let pieces = found.split('[').enumerate().map(|(at, piece)| match at {
                0 => piece,
                _ => piece.split_once(']').map_or("", |(_, behind)| behind),
            });
            (wanted, pieces.collect::<String>())
        }
        None => (wanted, found.to_owned()),
    };
    let parent = found
        .rsplit_once('.')
        .map_or(found.as_str(), |(parent, _)| parent);
    wanted == found || wanted == parent
}

/// Where an error of the Java validator is. Its reader of XML tells an XPath, without indexes;
/// its walk along the links of a document counts from one.
fn place(at: &str, text: &str) -> String {
    // The text as a whole.
    if at == "(xml)" {
        return String::new();
    }
    if let Some(steps) = at.strip_prefix("/f:") {
        return format!("/{}", steps.replace("/f:", "."));
    }
    let is_walk = text.starts_with("Can't find '") && text.contains("in the bundle")
        || text.contains("for '") && text.contains("in the bundle (")
        || text.contains("isn't reachable by traversing");
    let mut out = String::new();
    for piece in plain(at).split_inclusive(']') {
        let Some((before, index)) = piece.split_once('[') else {
            out.push_str(piece);
            continue;
        };
        // What is no index says which of several is meant, and is told once already.
        if let Ok(index) = index.trim_end_matches(']').parse::<usize>() {
            let index = index.saturating_sub(usize::from(is_walk));
            out.push_str(&format!("{before}[{index}]"));
        } else {
            out.push_str(before);
        }
    }
    out
}

/// A path without what is not a step of ours: remarks, `ofType()`, the index of what cannot
/// repeat stays.
fn plain(path: &str) -> String {
    let mut out = String::new();
    let mut rest = path;
    while let Some((before, behind)) = rest.split_once("/*") {
        out.push_str(before);
        rest = behind.split_once("*/").map_or("", |(_, behind)| behind);
    }
    out.push_str(rest);
    while let Some(start) = out.find(".ofType(") {
        let end = out[start..]
            .find(')')
            .map_or(out.len(), |end| start + end + 1);
        out.replace_range(start..end, "");
    }
    out.replace("[x]", "")
}

/// A resource in either format.
fn read(definitions: &Definitions, path: &Path) -> Result<Value, Vec<Issue>> {
    let told = |text: String| vec![Issue::error("structure", text)];
    let bytes = std::fs::read(path).map_err(|error| told(error.to_string()))?;
    let start = bytes
        .iter()
        .find(|byte| !byte.is_ascii_whitespace() && !matches!(byte, 0xEF | 0xBB | 0xBF));
    let json = match start {
        Some(b'<') => format::to_json(definitions, &bytes, 200).map_err(|error| error.issues)?,
        _ => bytes,
    };
    json::parse(&json, 200).map_err(|error| told(error.to_string()))
}

/// How strict the runner of the official validator is with a case: it refuses unknown
/// extensions and wrong displays, and what a case says beside.
fn settings(case: &Value) -> Settings {
    let severity = |is_refused: bool, other: Severity| match is_refused {
        true => Severity::Error,
        false => other,
    };
    let standard = Settings::default();
    let checks = case["validateReference"].as_str().unwrap_or_default();
    let assumed = |of: &Value| of["assumeValidRestReferences"] == true;
    Settings {
        unknown_extensions: Severity::Error,
        unknown_profiles: Severity::Error,
        known_elsewhere: ELSEWHERE.map(str::to_owned).to_vec(),
        wrong_displays: Severity::Error,
        relative_canonicals: Severity::Error,
        html_in_texts: severity(case["security-checks"] == true, standard.html_in_texts),
        html_in_markdown: severity(case["noHtmlInMarkdown"] == true, standard.html_in_markdown),
        example_urls: severity(case["examples"] == false, standard.example_urls),
        missing_targets: checks
            .starts_with("CHECK_EXISTS")
            .then_some(Severity::Error),
        types_by_url: assumed(case) || assumed(&case["profile"]),
    }
}

/// Extensions of the packages that the official validator always loads beside the core, and
/// that do not come with the suite: those of `hl7.fhir.uv.extensions` and of the tools.
const ELSEWHERE: [&str; 5] = [
    "http://hl7.org/fhir/StructureDefinition/endpoint-fhir-version",
    "http://hl7.org/fhir/StructureDefinition/inherit-obligations",
    "http://hl7.org/fhir/StructureDefinition/organization-brand",
    "http://hl7.org/fhir/StructureDefinition/organization-portal",
    "http://hl7.org/fhir/tools/StructureDefinition/",
];

/// What is at hand for a step.
#[derive(Clone)]
struct Loaded {
    resources: Vec<Value>,
    settings: Settings,
}

/// What a package holds that others are validated by.
fn package(archive: &Path) -> Vec<Value> {
    let contents = super::packages::read(archive).contents;
    let resources = contents.iter().map(|one| one.resource());
    resources.collect::<Result<_, _>>().expect("JSON")
}

fn texts<'v>(value: &'v Value, name: &str) -> impl Iterator<Item = &'v str> {
    value[name]
        .as_array()
        .into_iter()
        .flatten()
        .filter_map(Value::as_str)
}

/// The elements of the errors of an outcome of the suite.
fn expected(folder: &Path, java: &Value) -> Vec<String> {
    let outcome = match java {
        Value::String(name) => {
            let path = folder.join("outcomes").join(name);
            let text = std::fs::read(&path).unwrap_or_else(|e| panic!("{}: {e}", path.display()));
            serde_json::from_slice(&text).expect("an outcome is JSON")
        }
        inline => inline["outcome"].clone(),
    };
    let issues = outcome["issue"].as_array().into_iter().flatten();
    let errors =
        issues.filter(|issue| matches!(issue["severity"].as_str(), Some("error" | "fatal")));
    errors
        .map(|issue| {
            let at = issue["expression"][0]
                .as_str()
                .or(issue["location"][0].as_str());
            let text = issue["details"]["text"].as_str().unwrap_or_default();
            place(at.unwrap_or_default(), text)
        })
        .collect()
}

struct Suite<'f> {
    folder: &'f Path,
    definitions: Arc<Definitions>,
    validator: Arc<Validator>,
}

impl Suite<'_> {
    /// The resources that a case, or its profile step, loads.
    fn loaded(&self, of: &Value) -> Vec<Value> {
        let mut resources = Vec::new();
        for name in ["supporting", "supporting5", "profiles"]
            .iter()
            .flat_map(|list| texts(of, list))
        {
            // What cannot be read is no help to the other validator either.
            resources.extend(read(&self.definitions, &self.folder.join(name)).ok());
        }
        let mapped = of["package-map"].as_object().into_iter().flatten();
        let mapped = mapped.filter_map(|(_, file)| file.as_str());
        for name in texts(of, "packages").chain(mapped) {
            let archive = self.folder.join(name);
            if archive.is_file() {
                resources.extend(package(&archive));
            }
        }
        resources
    }

    fn run(&self, path: &Path, of: &Loaded, asked: &[&str]) -> Vec<Issue> {
        let resource = match read(&self.definitions, path) {
            Ok(resource) => resource,
            Err(issues) => return issues,
        };
        let name = resource["resourceType"].as_str().unwrap_or_default();
        let Some(resource_type) = ResourceType::parse(name) else {
            return vec![Issue::error("structure", "expected a resource type")];
        };
        let profiles = Profiles::new(self.definitions.clone(), of.resources.clone(), BASE)
            .with_settings(of.settings.clone())
            .with_instances(of.resources.clone());
        let mut issues = self.validator.validate(resource_type, &resource);
        issues.extend(profiles.validate(&resource, asked));
        issues
    }

    fn steps(&self, row: &[&str], case: &Value) -> Vec<Step> {
        let (tier, name, file, module) = (row[0], row[1], row[2], row[3]);
        let path = self.folder.join(file);
        let step = |suffix: &str, java: &Value, found: Vec<Issue>| Step {
            name: format!("{name}{suffix}"),
            tier: tier.to_owned(),
            module: module.to_owned(),
            expected: expected(self.folder, java),
            found,
        };
        let loaded = Loaded {
            resources: self.loaded(case),
            settings: settings(case),
        };
        let mut steps = vec![step("", &case["java"], self.run(&path, &loaded, &[]))];
        let profile = &case["profile"];
        if let Some(source) = profile["source"].as_str() {
            let mut loaded = loaded;
            loaded.resources.extend(self.loaded(profile));
            let known = read(&self.definitions, &self.folder.join(source));
            let url = match &known {
                Ok(profile) => profile["url"].as_str().unwrap_or_default().to_owned(),
                Err(_) => source.to_owned(),
            };
            loaded.resources.extend(known);
            let found = self.run(&path, &loaded, &[url.as_str()]);
            steps.push(step(" (profile)", &profile["java"], found));
        }
        steps
    }
}

#[test]
fn validator_suite_gives_what_its_ledger_says() {
    let Some(folder) = shared("suites/validator-r4") else {
        return;
    };
    let text = |name: &str| std::fs::read_to_string(folder.join(name)).expect("the suite");
    let manifest: Value = serde_json::from_str(&text("manifest.json")).expect("the manifest");
    let cases = manifest["test-cases"].as_array().expect("cases");
    let suite = Suite {
        folder: &folder,
        definitions: Definitions::r4(),
        validator: Validator::new(Definitions::r4()),
    };
    let mut steps = Vec::new();
    for line in text("INDEX-r4.tsv").lines().skip(1) {
        let row: Vec<&str> = line.split('\t').collect();
        if !row[0].starts_with("A-") && !row[0].starts_with("B-") {
            continue;
        }
        let is_meant = |case: &&Value| case["name"] == row[1] && case["version"] == row[4];
        let case = cases.iter().find(is_meant).expect("the case of the index");
        steps.extend(suite.steps(&row, case));
    }
    let failed: BTreeMap<String, String> = steps
        .iter()
        .filter(|step| !step.agrees())
        .map(|step| (step.name.clone(), step.how()))
        .collect();
    if let Some(path) = std::env::var_os("ANDIRON_FAILED") {
        let lines: Vec<String> = failed
            .iter()
            .map(|(name, how)| format!("{name}\t{how}"))
            .collect();
        std::fs::write(path, lines.join("\n")).expect("can be written");
    }
    scoreboard::check(SUITE, &section(&steps));
    compare(LEDGER, &failed);
}

fn section(steps: &[Step]) -> String {
    let percent =
        |part: usize, all: usize| format!("{:.1} %", 100.0 * part as f64 / all.max(1) as f64);
    let sum =
        |steps: &[&Step], of: fn(&Step) -> usize| steps.iter().map(|step| of(step)).sum::<usize>();
    let all: Vec<&Step> = steps.iter().collect();
    let row = |name: &str, steps: &[&Step]| {
        let agreed = sum(steps, |step| usize::from(step.agrees()));
        let expected = sum(steps, |step| step.expected.len());
        let met = sum(steps, Step::met);
        let missed = sum(steps, |step| {
            usize::from(!step.agrees() && !step.expected.is_empty())
        });
        let wrong = sum(steps, |step| {
            usize::from(!step.agrees() && step.expected.is_empty())
        });
        format!(
            "| {name} | {} | {agreed} | {} | {missed} | {wrong} | {expected} | {met} | {} |\n",
            steps.len(),
            percent(agreed, steps.len()),
            percent(met, expected),
        )
    };
    let mut text = format!(
        "## Profiles and invariants (`validator-r4`, tiers A and B)\n\n\
         Against the outcomes of the official Java validator: is there any error, and for each of its errors, is there\n\
         one at the same element (a missing element may be placed at itself or at its parent; codes and texts are not\n\
         compared). A case with a profile step counts twice. Where the verdict differs: [`{LEDGER}`]({LEDGER}).\n\n\
         | | steps | same verdict | | errors missed | false errors | errors expected | at their element | |\n\
         |---|---:|---:|---:|---:|---:|---:|---:|---:|\n",
    );
    text.push_str(&row("all", &all));
    for key in [
        |step: &Step| step.tier.clone(),
        |step: &Step| step.module.clone(),
    ] {
        let mut names: Vec<String> = steps.iter().map(key).collect();
        names.sort();
        names.dedup();
        for name in names {
            let of: Vec<&Step> = steps.iter().filter(|step| key(step) == name).collect();
            text.push_str(&row(&name, &of));
        }
    }
    text
}
