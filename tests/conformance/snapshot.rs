//! Snapshot generation (`snapshot-generation`): the cases of R4 in `rX`, and of `r4b` those whose
//! input is of R4.
//!
//! The expected snapshots are those of another program, some of them of R4B and all with its prose.
//! Compared is what decides an instance: the elements in their order, each with its id, path,
//! cardinality, types with their profiles and targets, binding and slicing. A case that is to fail
//! has to.

use super::{compare, conformance, ledger, scoreboard, shared};
use crate::rest::fidelity::{files, unpack};
use andiron::definitions::Definitions;
use andiron::definitions::snapshot::snapshot;
use andiron::fhir::json;
use andiron::fhir::xml::Element;
use andiron::fhirpath::{Context, Expression, Item, Model, Node};
use andiron::format::to_json;
use serde_json::{Value, json};
use std::collections::BTreeMap;
use std::path::{Path, PathBuf};
use std::sync::Arc;

/// What became of the rules of the cases.
#[derive(Default)]
struct Rules {
    held: usize,
    broken: BTreeMap<String, String>,
    /// They ask for what is not R4's FHIRPath, or for prose.
    left: usize,
}

/// The files of a folder of the suite by name, and what can be looked up in them.
struct Folder {
    definitions: Arc<Definitions>,
    files: BTreeMap<String, PathBuf>,
    /// The inputs of all cases: profiles stand on each other.
    inputs: Vec<Arc<Value>>,
}

#[test]
fn snapshots_are_as_expected_but_for_their_ledger() {
    let Some(manifests) = shared("suites/snapshot-generation") else {
        return;
    };
    let archive = "suites/snapshot-generation/snapshot-generation-rX+r4b.tar.xz";
    let Some(unpacked) = unpack(archive) else {
        return;
    };
    let mut failed = BTreeMap::new();
    let mut lines = String::new();
    let mut rules = Rules::default();
    for (name, manifest) in [("rX", "rX-manifest.xml"), ("r4b", "r4b-manifest.xml")] {
        let folder = Folder::open(&unpacked.path().join(name));
        let manifest = std::fs::read(manifests.join(manifest)).expect("readable");
        let manifest = Element::parse(&manifest).expect("well-formed");
        let (mut count, mut left, mut wrong) = (0, 0, 0);
        for case in manifest.elements() {
            match folder.run(case, &mut rules) {
                None => left += 1,
                Some(Ok(())) => count += 1,
                Some(Err(how)) => {
                    count += 1;
                    wrong += 1;
                    let id = case.attribute("id").unwrap_or_default();
                    failed.insert(format!("{name} {id}"), how);
                }
            }
        }
        lines.push_str(&format!("| {name} | {count} | {wrong} | {left} |\n"));
    }
    let broken = rules.broken.len();
    failed.append(&mut rules.broken);
    if let Some(path) = std::env::var_os("ANDIRON_DIFFERENCES") {
        let text: Vec<String> = failed
            .iter()
            .map(|(case, how)| format!("{case}\t{how}\n"))
            .collect();
        std::fs::write(path, text.concat()).expect("writable");
    }
    compare("snapshot-generation.tsv", &failed);
    let known = ledger("snapshot-generation.tsv").len();
    let section = format!(
        "## Snapshots (`snapshot-generation`)\n\nCompared with the expected snapshots: the elements in \
         their order, ids, paths, cardinalities, types with\nprofiles and targets, bindings, slicing; \
         what is to fail has to. Not run is what is not of R4. Why {known} differ:\n\
         [`snapshot-generation.tsv`](snapshot-generation.tsv).\n\n\
         | folder | cases | differ | not run |\n|---|---:|---:|---:|\n{lines}\n\
         Of the FHIRPath rules of r4b {} hold and {broken} do not; {} are about prose, or need \
         functions that R4's FHIRPath does not have.\n",
        rules.held, rules.left
    );
    assert!(conformance("snapshot-generation.tsv").exists());
    scoreboard::check("snapshot-generation", &section);
}

impl Folder {
    fn open(folder: &Path) -> Folder {
        let named = |path: PathBuf| {
            let name = path.file_name().unwrap_or_default();
            (name.to_string_lossy().into_owned(), path)
        };
        let mut folder = Folder {
            definitions: Definitions::r4(),
            files: files(folder).into_iter().map(named).collect(),
            inputs: Vec::new(),
        };
        let inputs = folder.files.keys().filter(|name| name.contains("-input."));
        folder.inputs = inputs
            .filter_map(|name| folder.read(name).map(Arc::new))
            .collect();
        folder
    }

    fn read(&self, name: &str) -> Option<Value> {
        let text = std::fs::read(self.files.get(name)?).expect("readable");
        let is_json = name.ends_with(".json");
        let text = match is_json {
            true => text,
            false => to_json(&self.definitions, &text, 200).ok()?,
        };
        json::parse(&text, 200).ok()
    }

    /// A definition by the stem of its file.
    fn definition(&self, stem: &str) -> Option<Value> {
        let mut names = ["xml", "json"]
            .iter()
            .map(|extension| format!("{stem}.{extension}"));
        names.find_map(|name| self.read(&name))
    }

    /// `None` where the case is not of R4.
    fn run(&self, case: &Element, rules: &mut Rules) -> Option<Result<(), String>> {
        let id = case.attribute("id").unwrap_or_default();
        let is_r4 = |version: &str| version.is_empty() || version.starts_with("4.0");
        let of_case = case.attribute("version").or(case.attribute("load-version"));
        if !is_r4(of_case.unwrap_or_default()) {
            return None;
        }
        let Some(input) = self.definition(&format!("{id}-input")) else {
            return Some(Err("the input cannot be read".to_owned()));
        };
        if !is_r4(input["fhirVersion"].as_str().unwrap_or_default()) {
            return None;
        }
        let registered = case.attribute("register").or(case.attribute("include"));
        let registered = registered.unwrap_or_default().split(',');
        let mut known: Vec<Arc<Value>> = registered
            .filter_map(|stem| self.definition(stem).map(Arc::new))
            .collect();
        known.extend(self.inputs.iter().cloned());
        let lookup = |canonical: &str| {
            let (url, version) = canonical.split_once('|').unwrap_or((canonical, ""));
            let is_it = |known: &&Arc<Value>| {
                known["url"] == url && (version.is_empty() || known["version"] == version)
            };
            let found = known.iter().find(is_it).cloned();
            found.or_else(|| self.definitions.artifact("StructureDefinition", canonical))
        };
        let generated = snapshot(&lookup, &input);
        if case.attribute("fail") == Some("true") {
            return Some(match generated {
                Err(_) => Ok(()),
                Ok(_) => Err("expected an error but found none".to_owned()),
            });
        }
        let generated = match generated {
            Ok(generated) => generated,
            Err(issues) => {
                let texts = issues.iter().map(|issue| {
                    format!(
                        "{}: {}",
                        issue.expression.as_deref().unwrap_or_default(),
                        issue.text
                    )
                });
                return Some(Err(texts.collect::<Vec<_>>().join("; ")));
            }
        };
        self.judge(case, &generated, rules);
        if case.attribute("gen") != Some("true") {
            return Some(Ok(()));
        }
        let expected = ["expected", "output"];
        let expected = expected
            .iter()
            .find_map(|end| self.definition(&format!("{id}-{end}")));
        let Some(expected) = expected else {
            return Some(Err("the expected snapshot cannot be read".to_owned()));
        };
        Some(difference(&generated, &expected))
    }
}

impl Folder {
    /// What `fixture('…')` means in a rule: the generated snapshot, or a type of R4.
    fn fixture(&self, id: &str, name: &str, generated: &Value) -> Option<Value> {
        if name == format!("{id}-output") {
            return Some(generated.clone());
        }
        let types = self.definitions.resource_types().iter();
        let mut types = types.filter(|of| of.eq_ignore_ascii_case(name));
        let url = format!("http://hl7.org/fhir/StructureDefinition/{}", types.next()?);
        let found = self.definitions.artifact("StructureDefinition", &url)?;
        Some(Value::clone(&found))
    }

    /// Evaluates the rules of a case, the fixtures as variables.
    fn judge(&self, case: &Element, generated: &Value, rules: &mut Rules) {
        let id = case.attribute("id").unwrap_or_default();
        let model = Model::new(self.definitions.clone());
        let of_case = case.elements().filter(|element| element.name == "rule");
        for (number, rule) in of_case.enumerate() {
            let mut text = rule.attribute("fhirpath").unwrap_or_default().to_owned();
            text = text.replace(".check(exists(), 'no slice')", "");
            let mut fixtures = Vec::new();
            while let Some((before, rest)) = text.split_once("fixture('") {
                let Some((name, behind)) = rest.split_once("')") else {
                    break;
                };
                let variable = format!("fixture{}", fixtures.len());
                let found = self.fixture(id, name, generated);
                text = format!("{before}%{variable}{behind}");
                fixtures.push((variable, found));
            }
            let names: Vec<&str> = fixtures.iter().map(|(name, _)| name.as_str()).collect();
            let is_prose = ["short", "definition.trace", "text.div", "mapping"];
            let is_prose = is_prose.iter().any(|word| text.contains(word));
            let expression = Expression::compile_with(&text, &names);
            let (Ok(expression), false) = (expression, is_prose) else {
                rules.left += 1;
                continue;
            };
            let node = |value| Node::resource(&model, value).map(Item::Node);
            let variables: Option<Vec<(&str, Vec<Item<'_>>)>> = fixtures
                .iter()
                .map(|(name, value)| Some((name.as_str(), vec![node(value.as_ref()?)?])))
                .collect();
            let (Some(variables), Some(root)) = (variables, Node::resource(&model, generated))
            else {
                rules.left += 1;
                continue;
            };
            let context = Context {
                variables: &variables,
                ..Context::new(&model, root, crate::harness::BASE)
            };
            match expression.holds(&context, root) {
                Ok(Some(true)) => rules.held += 1,
                found => {
                    let how = format!("{found:?}: {text}");
                    rules
                        .broken
                        .insert(format!("r4b {id} rule {}", number + 1), how);
                }
            }
        }
    }
}

/// What decides an instance, element by element.
fn decisive(definition: &Value) -> Vec<Value> {
    let elements = definition["snapshot"]["element"].as_array();
    let strip = |value: &Value| {
        let text = value.as_str().unwrap_or_default();
        json!(text.split('|').next().unwrap_or_default())
    };
    let list = |value: &Value| {
        let mut list: Vec<Value> = value.as_array().into_iter().flatten().map(strip).collect();
        list.sort_by_key(Value::to_string);
        json!(list)
    };
    let types = |element: &Value| -> Vec<Value> {
        let types = element["type"].as_array().into_iter().flatten();
        types
            .map(|of| {
                json!([
                    strip(&of["code"]),
                    list(&of["profile"]),
                    list(&of["targetProfile"])
                ])
            })
            .collect()
    };
    elements
        .into_iter()
        .flatten()
        .map(|element| {
            let slicing = &element["slicing"];
            let discriminators = slicing["discriminator"].as_array().into_iter().flatten();
            let discriminators: Vec<Value> =
                discriminators.map(|one| json!([one["type"], one["path"]])).collect();
            json!({
                "id": element["id"],
                "path": element["path"],
                "sliceName": element["sliceName"],
                "min": element["min"],
                "max": element["max"],
                "type": types(element),
                "contentReference": element["contentReference"].as_str().map(|at| at.rsplit('#').next()),
                "binding": [element["binding"]["strength"], strip(&element["binding"]["valueSet"])],
                "slicing": [discriminators, slicing["rules"]],
            })
        })
        .collect()
}

/// What R4B changed of R4: a path in the definition of a type, what of the element, and a part of
/// what R4B says there.
const OF_R4B: [(&str, &str, &str); 10] = [
    (
        "Contract.term.action.performerRole",
        "binding",
        "provenance-participant-role",
    ),
    (
        "Contract.term.action.performerType",
        "binding",
        "provenance-participant-type",
    ),
    (
        "ExplanationOfBenefit.priority",
        "binding",
        "process-priority",
    ),
    ("Extension.value[x]", "type", "CodeableReference"),
    ("Observation.subject", "type", "/Medication\""),
    ("PlanDefinition.action.code", "binding", "action-code"),
    (
        "PlanDefinition.action.participant.role",
        "binding",
        "terminology.hl7.org",
    ),
    (
        "PlanDefinition.action.reason",
        "binding",
        "action-reason-code",
    ),
    ("PlanDefinition.action.subject[x]", "type", "canonical"),
    (
        "PlanDefinition.subject[x]",
        "type",
        "AdministrableProductDefinition",
    ),
];

/// Whether a difference is one of R4B from R4, and none of the differential.
fn is_of_r4b(base: &str, name: &str, expected: &Value) -> bool {
    let expected = expected.to_string();
    let mut known = OF_R4B.iter();
    known.any(|(path, what, says)| *path == base && *what == name && expected.contains(says))
}

/// The first difference, and how many elements differ.
fn difference(found: &Value, expected: &Value) -> Result<(), String> {
    let bases = found["snapshot"]["element"]
        .as_array()
        .into_iter()
        .flatten();
    let bases: Vec<&str> = bases
        .map(|element| element["base"]["path"].as_str().unwrap_or_default())
        .collect();
    let (found, expected) = (decisive(found), decisive(expected));
    let ids = |elements: &[Value]| -> Vec<String> {
        elements
            .iter()
            .map(|element| element["id"].to_string())
            .collect()
    };
    let (found_ids, expected_ids) = (ids(&found), ids(&expected));
    if found_ids != expected_ids {
        let lack: Vec<&String> = expected_ids
            .iter()
            .filter(|id| !found_ids.contains(id))
            .collect();
        let more: Vec<&String> = found_ids
            .iter()
            .filter(|id| !expected_ids.contains(id))
            .collect();
        return Err(format!(
            "{} elements, expected {}; lacks {lack:?}, has too many {more:?}",
            found.len(),
            expected.len()
        ));
    }
    let mut differences = Vec::new();
    for ((found, expected), base) in found.iter().zip(&expected).zip(&bases) {
        for (name, expected_value) in expected.as_object().into_iter().flatten() {
            if found[name] != *expected_value && !is_of_r4b(base, name, expected_value) {
                differences.push(format!(
                    "{} ({base}) {name}: {} expected {expected_value}",
                    found["id"], found[name]
                ));
            }
        }
    }
    match differences.as_slice() {
        [] => Ok(()),
        all => Err(format!(
            "{}: {}",
            all.len(),
            all[..all.len().min(20)].join("; ")
        )),
    }
}
