//! SNOMED CT: a snapshot of Release Format 2.
//! Layout: SNOMED CT Release File Specifications; URIs and properties:
//! <https://hl7.org/fhir/R4/snomedct.html>
//!
//! The display is the preferred synonym of one language reference set (US English, then GB
//! English, unless another is named), else the fully specified name. All active descriptions are
//! designations; active relationships but is-a are properties. Concrete values, OWL axioms,
//! other reference sets and post-coordinated expressions are not read.

use super::files::{Entry, Files};
use super::rows::{Layout, rows, size};
use super::{Options, Progress};
use crate::terminology::tables::{Concept, Designation, Sink, System};
use serde_json::json;
use std::collections::{BTreeMap, HashSet};

const URL: &str = "http://snomed.info/sct";
const IS_A: &str = "116680003";
const FULLY_SPECIFIED: &str = "900000000000003001";
const SYNONYM: &str = "900000000000013009";
const PREFERRED: &str = "900000000000548007";
const DEFINED: &str = "900000000000073002";
const US_ENGLISH: &str = "900000000000509007";
const GB_ENGLISH: &str = "900000000000508004";
const CORE_MODULE: &str = "900000000000207008";
const MODEL_MODULE: &str = "900000000000012004";

const fn tabbed(columns: &'static [&'static str]) -> Layout {
    Layout {
        delimiter: b'\t',
        is_quoted: false,
        columns,
        places: None,
    }
}

const CONCEPT: Layout = tabbed(&[
    "id",
    "effectiveTime",
    "active",
    "moduleId",
    "definitionStatusId",
]);
const DESCRIPTION: Layout = tabbed(&[
    "id",
    "active",
    "conceptId",
    "languageCode",
    "typeId",
    "term",
]);
const RELATIONSHIP: Layout = tabbed(&["id", "active", "sourceId", "destinationId", "typeId"]);
const LANGUAGE: Layout = tabbed(&[
    "active",
    "refsetId",
    "referencedComponentId",
    "acceptabilityId",
]);

/// The snapshot files of one part, such as `sct2_Concept`.
fn part<'f>(files: &'f Files, part: &str) -> Vec<&'f Entry> {
    files.named(|name| {
        let is_part = name.strip_prefix('x').unwrap_or(name).starts_with(part);
        is_part && name.contains("Snapshot") && name.ends_with(".txt")
    })
}

fn all(files: &Files) -> [Vec<&Entry>; 4] {
    [
        "der2_cRefset_Language",
        "sct2_Concept_",
        "sct2_Description_",
        "sct2_Relationship_",
    ]
    .map(|name| part(files, name))
}

pub fn bytes(files: &Files) -> u64 {
    all(files).iter().map(|entries| size(entries)).sum()
}

/// The edition and version, by the modules of the concepts and the name of their file.
pub fn describe(files: &Files) -> Result<System, String> {
    let [_, concepts, descriptions, relationships] = all(files);
    for (found, name) in [
        (&concepts, "Concept"),
        (&descriptions, "Description"),
        (&relationships, "Relationship"),
    ] {
        if found.is_empty() {
            return Err(format!(
                "expected the RF2 snapshot file sct2_{name}_Snapshot*.txt of SNOMED CT but found \
                 none among {} files",
                files.all().len()
            ));
        }
    }
    let mut date = "";
    for entry in &concepts {
        let stem = entry.name().trim_end_matches(".txt");
        let found = stem.rsplit('_').next().unwrap_or_default();
        if found.len() != 8 || !found.bytes().all(|byte| byte.is_ascii_digit()) {
            return Err(format!(
                "{}: expected a name that ends in _YYYYMMDD.txt, the date of the release",
                entry.path
            ));
        }
        date = date.max(found);
    }
    let module = edition(&concepts)?;
    Ok(System {
        url: URL.to_owned(),
        version: Some(format!("{URL}/{module}/version/{date}")),
        kind: "snomed",
        name: "SNOMED CT".to_owned(),
        language: Some("en".to_owned()),
        content: "complete",
        is_case_sensitive: true,
        hierarchy_meaning: Some("is-a"),
    })
}

/// The module that the edition is named by: the largest that is not of the International
/// Edition, else that.
fn edition(concepts: &[&Entry]) -> Result<String, String> {
    let mut modules: BTreeMap<String, u64> = BTreeMap::new();
    for entry in concepts {
        rows(entry, &CONCEPT, &|_| {}, |row| {
            let module = row.get(3)?;
            match modules.get_mut(module) {
                Some(count) => *count += 1,
                None => {
                    modules.insert(module.to_owned(), 1);
                }
            }
            Ok(())
        })?;
    }
    modules.retain(|module, _| module != CORE_MODULE && module != MODEL_MODULE);
    let largest = modules.into_iter().max_by_key(|(_, count)| *count);
    Ok(largest.map_or_else(|| CORE_MODULE.to_owned(), |(module, _)| module))
}

pub fn read(
    files: &Files,
    options: &Options,
    sink: &mut Sink<'_>,
    progress: Progress<'_>,
) -> Result<(), String> {
    let [languages, concepts, descriptions, relationships] = all(files);
    let preferred = preferred(&languages, options, progress)?;
    for entry in concepts {
        rows(entry, &CONCEPT, progress, |row| {
            let code = row.required(0)?;
            let is_active = active(row, 2)?;
            let concept = Concept {
                code,
                is_inactive: !is_active,
                ..Concept::default()
            };
            let number = sink
                .concept(&concept)
                .ok_or_else(|| row.wrong(0, "a concept that was not listed before"))?;
            let is_defined = row.get(4)? == DEFINED;
            sink.property(number, "effectiveTime", "valueString", &json!(row.get(1)?));
            sink.property(number, "moduleId", "valueCode", &json!(row.get(3)?));
            sink.property(
                number,
                "sufficientlyDefined",
                "valueBoolean",
                &json!(is_defined),
            );
            Ok(())
        })?;
    }
    for entry in descriptions {
        rows(entry, &DESCRIPTION, progress, |row| {
            describe_concept(row, &preferred, sink)
        })?;
    }
    for entry in relationships {
        rows(entry, &RELATIONSHIP, progress, |row| relate(row, sink))?;
    }
    Ok(())
}

fn active(row: &super::rows::Row<'_>, column: usize) -> Result<bool, String> {
    match row.get(column)? {
        "1" => Ok(true),
        "0" => Ok(false),
        _ => Err(row.wrong(column, "0 or 1")),
    }
}

/// The descriptions that are preferred in the reference set that gives the displays.
fn preferred(
    languages: &[&Entry],
    options: &Options,
    progress: Progress<'_>,
) -> Result<HashSet<u64>, String> {
    let wanted = |refset: &str| match &options.refset {
        Some(named) => refset == named,
        None => refset == US_ENGLISH || refset == GB_ENGLISH,
    };
    let (mut first, mut second) = (HashSet::new(), HashSet::new());
    for entry in languages {
        rows(entry, &LANGUAGE, progress, |row| {
            let refset = row.get(1)?;
            if active(row, 0)? && wanted(refset) && row.get(3)? == PREFERRED {
                let id = row.get(2)?.parse();
                let id = id.map_err(|_| row.wrong(2, "the identifier of a description"))?;
                match refset == GB_ENGLISH && options.refset.is_none() {
                    true => second.insert(id),
                    false => first.insert(id),
                };
            }
            Ok(())
        })?;
    }
    match (first.is_empty(), &options.refset) {
        (true, Some(named)) => Err(format!(
            "expected preferred terms of the language reference set {named} but found none"
        )),
        (true, None) => Ok(second),
        (false, _) => Ok(first),
    }
}

fn describe_concept(
    row: &super::rows::Row<'_>,
    preferred: &HashSet<u64>,
    sink: &mut Sink<'_>,
) -> Result<(), String> {
    if !active(row, 1)? {
        return Ok(());
    }
    let id: u64 = row
        .get(0)?
        .parse()
        .map_err(|_| row.wrong(0, "the identifier of a description"))?;
    let number = sink
        .find(row.get(2)?)
        .ok_or_else(|| row.wrong(2, "a concept that is listed"))?;
    let kind = row.get(4)?;
    let shown = match kind {
        FULLY_SPECIFIED => "Fully specified name",
        SYNONYM => "Synonym",
        _ => "Definition",
    };
    let as_display = match kind {
        SYNONYM if preferred.contains(&id) => Some(0),
        FULLY_SPECIFIED => Some(1),
        _ => None,
    };
    let designation = Designation {
        language: row.text(3)?,
        usage: Some((URL, kind, shown)),
        value: row.required(5)?,
        as_display,
    };
    sink.designation(number, &designation);
    Ok(())
}

fn relate(row: &super::rows::Row<'_>, sink: &mut Sink<'_>) -> Result<(), String> {
    if !active(row, 1)? {
        return Ok(());
    }
    let found = |column: usize| {
        let number = sink.find(row.get(column)?);
        number.ok_or_else(|| row.wrong(column, "a concept that is listed"))
    };
    let (source, target) = (found(2)?, found(3)?);
    match row.get(4)? {
        IS_A => sink.parent(source, target),
        attribute => sink.property(source, attribute, "valueCode", &json!(row.get(3)?)),
    }
    Ok(())
}
