//! The official patch suites (`patch-r4`): FHIRPath Patch, JSON Patch, XML Patch. Most of their
//! documents are no resources, so that they are run on the engines and not over HTTP.
//!
//! Some FHIRPath cases also test computing a patch from two resources, which no server does.

use super::{compare, ledger, scoreboard, shared};
use andiron::config::Limits;
use andiron::definitions::Definitions;
use andiron::fhir::json;
use andiron::fhir::xml::{Element, Node};
use andiron::fhirpath::Model;
use andiron::format::{to_json, to_xml};
use andiron::interaction::patch;
use serde_json::Value;
use std::collections::BTreeMap;
use std::path::Path;

/// What failed of a suite, by name and with how, and of how many.
type Outcome = (usize, BTreeMap<String, String>);

#[test]
fn the_patch_suites_pass_but_for_their_ledgers() {
    let Some(folder) = shared("suites/patch-r4") else {
        return;
    };
    let mut section =
        "## Patches (`patch-r4`)\n\n| suite | cases | fail | ledger |\n|---|---:|---:|---|\n"
            .to_owned();
    for (name, run, file, count) in [
        (
            "FHIRPath Patch",
            fhirpath as fn(&Path) -> Outcome,
            "fhirpath-patch.tsv",
            33,
        ),
        ("JSON Patch", json_patch, "json-patch.tsv", 16),
        ("XML Patch", xml_patch, "xml-patch.tsv", 29),
    ] {
        let (cases, failed) = run(&folder);
        assert_eq!(cases, count, "{name}");
        compare(file, &failed);
        let known = ledger(file).len();
        section.push_str(&format!(
            "| {name} | {cases} | {known} | [`{file}`]({file}) |\n"
        ));
    }
    scoreboard::check("patch-r4", &section);
}

fn document(path: &Path) -> Element {
    let text = std::fs::read(path).expect("readable");
    Element::parse(&text).expect("well-formed")
}

/// The element in the part of a case of that name.
fn part<'c>(case: &'c Element, name: &str) -> Option<&'c Element> {
    let part = case.elements().find(|element| element.name == name)?;
    part.elements().next()
}

fn fhirpath(folder: &Path) -> Outcome {
    let definitions = Definitions::r4();
    let model = Model::new(definitions.clone());
    let ground = patch::fhirpath::Ground {
        model: &model,
        base: "http://example.org/fhir",
    };
    let resource = |element: &Element| {
        let text = to_json(&definitions, element.to_text().as_bytes(), 100).expect("a resource");
        json::parse(&text, 100).expect("JSON")
    };
    // In XML, where the order of members and the spelling of narratives do not count.
    let canonical = |value: &Value| {
        let xml = to_xml(&definitions, value.to_string().as_bytes(), false).expect("a resource");
        let text = Element::parse(xml.as_bytes()).expect("XML").to_text();
        text.split_whitespace().collect::<String>()
    };
    let suite = document(&folder.join("fhir-patch-tests.xml"));
    let (mut count, mut failed) = (0, BTreeMap::new());
    for case in suite.elements() {
        count += 1;
        let name = case.attribute("name").unwrap_or_default();
        let mut patched = resource(part(case, "input").expect(name));
        let done = patch::fhirpath::read(&resource(part(case, "diff").expect(name)))
            .and_then(|patch| patch::fhirpath::apply(&ground, &mut patched, &patch));
        let output = part(case, "output").map(resource);
        let is_right = match (&done, &output) {
            (Ok(()), Some(output)) => canonical(&patched) == canonical(output),
            (Err(_), None) => true,
            _ => false,
        };
        if !is_right {
            failed.insert(name.to_owned(), format!("{done:?}: {patched}"));
        }
    }
    (count, failed)
}

fn json_patch(folder: &Path) -> Outcome {
    let text = std::fs::read(folder.join("json-patch-tests.json")).expect("readable");
    let suite = json::parse(&text, 100).expect("JSON");
    let (mut count, mut failed) = (0, BTreeMap::new());
    for case in suite.as_array().into_iter().flatten() {
        count += 1;
        let before = case["doc"].as_object().expect("an object").clone();
        let size = case["doc"].to_string().len();
        let patched = patch::json::read(case["patch"].clone())
            .and_then(|patch| patch::json::apply(before, size, &patch, &Limits::default()));
        let found = patched.ok().map(Value::Object);
        if found.as_ref() != case.get("expected") {
            let name = case["comment"].as_str().unwrap_or_default();
            failed.insert(name.to_owned(), format!("{found:?}"));
        }
    }
    (count, failed)
}

fn xml_patch(folder: &Path) -> Outcome {
    let suite = document(&folder.join("xml-patch-tests.xml"));
    let (mut count, mut failed) = (0, BTreeMap::new());
    for case in suite.elements() {
        count += 1;
        let name = case.attribute("name").unwrap_or_default();
        let mut parts = case.elements();
        let diff = parts.find(|element| element.name == "patch").expect(name);
        let patched = part(case, "target").cloned().and_then(|mut target| {
            let patch = patch::xml::read(diff.to_text().as_bytes()).ok()?;
            patch::xml::apply(&mut target, &patch).ok()?;
            Some(spaceless(&target))
        });
        if patched != part(case, "patched").map(spaceless) {
            failed.insert(name.to_owned(), format!("{patched:?}"));
        }
    }
    (count, failed)
}

/// Without spaces between elements and the order of attributes.
fn spaceless(element: &Element) -> Element {
    let mut element = element.clone();
    element.attributes.sort_by(|a, b| a.name.cmp(&b.name));
    for child in std::mem::take(&mut element.children) {
        element.children.push(match child {
            Node::Element(child) => Node::Element(spaceless(&child)),
            Node::Text(text) if text.trim().is_empty() => continue,
            Node::Text(text) => Node::Text(text.trim().to_owned()),
            comment @ Node::Comment(_) => comment,
        });
    }
    element
}
