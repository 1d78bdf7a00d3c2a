//! LOINC: `Loinc.csv` of the LOINC table, and of the accessory files `AnswerList.csv` and the
//! component hierarchy, where they are there. <https://hl7.org/fhir/R4/loinc.html>
//!
//! Terms are displayed by their long common name; the short name, the display name for
//! consumers and the fully specified name are designations. Parts (`LP…`) come with the
//! hierarchy, answer lists (`LL…`) and answers (`LA…`) with theirs; an answer has its lists as
//! the property `LIST`. The parts that terms are made of are told by name, not by code. Linguistic
//! variants, panels and document ontologies are not read.

use super::files::{Entry, Files};
use super::rows::{Layout, Row, header, rows, size};
use super::{Options, Progress};
use crate::terminology::tables::{Concept, Designation, Sink, System};
use serde_json::json;

const URL: &str = "http://loinc.org";

const fn commas(columns: &'static [&'static str]) -> Layout {
    Layout {
        delimiter: b',',
        is_quoted: true,
        columns,
        places: None,
    }
}

/// The order matters: see [`PROPERTIES`] and the constants behind it.
const TERM: Layout = commas(&[
    "LOINC_NUM",
    "COMPONENT",
    "PROPERTY",
    "TIME_ASPCT",
    "SYSTEM",
    "SCALE_TYP",
    "METHOD_TYP",
    "CLASS",
    "STATUS",
    "CLASSTYPE",
    "ORDER_OBS",
    "VersionLastChanged",
    "DefinitionDescription",
    "CONSUMER_NAME",
    "SHORTNAME",
    "EXTERNAL_COPYRIGHT_NOTICE",
    "LONG_COMMON_NAME",
]);
/// The columns that are properties, under their names.
const PROPERTIES: std::ops::Range<usize> = 1..12;
const AXES: std::ops::Range<usize> = 1..7;
const STATUS: usize = 8;
const VERSION: usize = 11;
const DEFINITION: usize = 12;
const CONSUMER_NAME: usize = 13;
const SHORT_NAME: usize = 14;
const COPYRIGHT: usize = 15;
const LONG_NAME: usize = 16;

const ANSWERS: Layout = commas(&[
    "AnswerListId",
    "AnswerListName",
    "AnswerStringId",
    "DisplayText",
]);
const HIERARCHY: Layout = commas(&["IMMEDIATE_PARENT", "CODE", "CODE_TEXT"]);

fn terms(files: &Files) -> Vec<&Entry> {
    files.named(|name| name.eq_ignore_ascii_case("Loinc.csv"))
}

fn answers(files: &Files) -> Vec<&Entry> {
    files.named(|name| name.eq_ignore_ascii_case("AnswerList.csv"))
}

/// Named so since 2.73; before that `MultiAxialHierarchy.csv`.
fn hierarchy(files: &Files) -> Vec<&Entry> {
    files.named(|name| {
        let name = name.to_lowercase();
        matches!(
            name.as_str(),
            "componenthierarchybysystem.csv" | "multiaxialhierarchy.csv"
        )
    })
}

pub fn bytes(files: &Files) -> u64 {
    size(&terms(files)) + size(&answers(files)) + size(&hierarchy(files))
}

/// The version is the last in which a term was changed, unless it is given.
pub fn describe(files: &Files, options: &Options) -> Result<System, String> {
    let entries = terms(files);
    let [entry] = entries.as_slice() else {
        return Err(format!(
            "expected one Loinc.csv but found {}",
            entries.len()
        ));
    };
    let mut version: Option<(Vec<u32>, String)> = None;
    if options.version.is_none() {
        rows(entry, &TERM, &|_| {}, |row| {
            let Some(found) = row.text(VERSION)? else {
                return Ok(());
            };
            let parts: Result<Vec<u32>, _> = found.split('.').map(str::parse).collect();
            let parts = parts.map_err(|_| row.wrong(VERSION, "a version such as 2.77"))?;
            if version.as_ref().is_none_or(|(newest, _)| *newest < parts) {
                version = Some((parts, found.to_owned()));
            }
            Ok(())
        })?;
    }
    Ok(System {
        url: URL.to_owned(),
        version: version.map(|(_, version)| version),
        kind: "loinc",
        name: "LOINC".to_owned(),
        language: Some("en".to_owned()),
        content: "complete",
        is_case_sensitive: false,
        hierarchy_meaning: Some("is-a"),
    })
}

pub fn read(files: &Files, sink: &mut Sink<'_>, progress: Progress<'_>) -> Result<(), String> {
    for entry in terms(files) {
        // Clearer than the row that is too short: the whole header is looked at first.
        header(entry, b',')?;
        rows(entry, &TERM, progress, |row| term(row, sink))?;
    }
    for entry in answers(files) {
        rows(entry, &ANSWERS, progress, |row| answer(row, sink))?;
    }
    for entry in hierarchy(files) {
        rows(entry, &HIERARCHY, progress, |row| relate(row, sink))?;
    }
    Ok(())
}

fn term(row: &Row<'_>, sink: &mut Sink<'_>) -> Result<(), String> {
    let status = row.text(STATUS)?.unwrap_or_default();
    let concept = Concept {
        code: row.required(0)?,
        display: Some(row.required(LONG_NAME)?),
        definition: row.text(DEFINITION)?,
        is_inactive: status == "DEPRECATED",
        is_abstract: false,
    };
    let number = sink.concept(&concept);
    let number = number.ok_or_else(|| row.wrong(0, "a term that was not listed before"))?;
    for column in PROPERTIES {
        if let Some(value) = row.text(column)? {
            sink.property(number, TERM.columns[column], "valueString", &json!(value));
        }
    }
    let copyright = match row.text(COPYRIGHT)? {
        Some(_) => "3rdParty",
        None => "LOINC",
    };
    sink.property(number, "copyright", "valueString", &json!(copyright));
    let axes: Result<Vec<&str>, String> = AXES
        .map(|column| Ok(row.text(column)?.unwrap_or_default()))
        .collect();
    let axes = axes?;
    let whole = match axes.last() {
        Some(&"") => axes[..axes.len() - 1].join(":"),
        _ => axes.join(":"),
    };
    for (usage, value) in [
        ("SHORTNAME", row.text(SHORT_NAME)?),
        ("ConsumerName", row.text(CONSUMER_NAME)?),
        ("FullySpecifiedName", Some(whole.as_str())),
    ] {
        if let Some(value) = value.filter(|value| !value.is_empty()) {
            let designation = Designation {
                language: Some("en-US"),
                usage: Some((URL, usage, usage)),
                value,
                as_display: None,
            };
            sink.designation(number, &designation);
        }
    }
    Ok(())
}

fn answer(row: &Row<'_>, sink: &mut Sink<'_>) -> Result<(), String> {
    let list = row.required(0)?;
    if sink.find(list).is_none() {
        sink.concept(&Concept {
            code: list,
            display: row.text(1)?,
            ..Concept::default()
        });
    }
    // A list that others define has no answers here.
    let Some(code) = row.text(2)? else {
        return Ok(());
    };
    let number = match sink.find(code) {
        Some(number) => number,
        None => {
            let concept = Concept {
                code,
                display: row.text(3)?,
                ..Concept::default()
            };
            let number = sink.concept(&concept);
            number.ok_or_else(|| row.wrong(2, "fewer than 4 billion codes"))?
        }
    };
    sink.property(number, "LIST", "valueCode", &json!(list));
    Ok(())
}

/// A term may stand at several places, and be listed for each.
fn relate(row: &Row<'_>, sink: &mut Sink<'_>) -> Result<(), String> {
    let code = row.required(1)?;
    let number = match sink.find(code) {
        Some(number) => number,
        None => {
            let concept = Concept {
                code,
                display: row.text(2)?,
                ..Concept::default()
            };
            let number = sink.concept(&concept);
            number.ok_or_else(|| row.wrong(1, "fewer than 4 billion codes"))?
        }
    };
    if let Some(parent) = row.text(0)? {
        let parent = sink
            .find(parent)
            .ok_or_else(|| row.wrong(0, "a code that was listed above"))?;
        sink.parent(number, parent);
    }
    Ok(())
}
