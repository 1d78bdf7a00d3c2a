//! RxNorm: the RRF files of a full release, `RXNCONSO.RRF` and, where they are there,
//! `RXNREL.RRF`, `RXNSAT.RRF`, `RXNSTY.RRF` and `RXNSAB.RRF`.
//! Columns: RxNorm Technical Documentation; properties: <https://hl7.org/fhir/R4/rxnorm.html>
//!
//! A concept is an RXCUI that has a name of RxNorm's own (`SAB=RXNORM`): those of the other
//! vocabularies in the release, which have licenses of their own, are not read. Relations between
//! concepts are properties named by their RELA; `isa` is the hierarchy too.

use super::files::{Entry, Files};
use super::rows::{Layout, Row, rows, size};
use super::{Options, Progress};
use crate::terminology::tables::{Concept, Designation, Sink, System};
use serde_json::json;

const URL: &str = "http://www.nlm.nih.gov/research/umls/rxnorm";
const OWN: &str = "RXNORM";

const fn pipes(columns: &'static [&'static str], places: &'static [usize]) -> Layout {
    Layout {
        delimiter: b'|',
        is_quoted: false,
        columns,
        places: Some(places),
    }
}

const NAMES: Layout = pipes(
    &["RXCUI", "LAT", "SAB", "TTY", "STR", "SUPPRESS"],
    &[0, 1, 11, 12, 14, 16],
);
const RELATIONS: Layout = pipes(
    &["RXCUI1", "RXCUI2", "RELA", "SAB", "SUPPRESS"],
    &[0, 4, 7, 10, 14],
);
const ATTRIBUTES: Layout = pipes(
    &["RXCUI", "ATN", "SAB", "ATV", "SUPPRESS"],
    &[0, 8, 9, 10, 11],
);
const TYPES: Layout = pipes(&["RXCUI", "TUI", "STY"], &[0, 1, 3]);
const SOURCES: Layout = pipes(&["RSAB", "SVER", "CURVER"], &[3, 6, 21]);

/// A file of the full release, not of the subset of what can be prescribed.
fn part<'f>(files: &'f Files, name: &str) -> Vec<&'f Entry> {
    let all = files.named(|found| found.eq_ignore_ascii_case(name));
    let full = all.iter().filter(|entry| !entry.path.contains("prescribe"));
    let full: Vec<&Entry> = full.copied().collect();
    match full.is_empty() {
        true => all,
        false => full,
    }
}

fn all(files: &Files) -> [Vec<&Entry>; 4] {
    ["RXNCONSO.RRF", "RXNREL.RRF", "RXNSAT.RRF", "RXNSTY.RRF"].map(|name| part(files, name))
}

pub fn bytes(files: &Files) -> u64 {
    all(files).iter().map(|entries| size(entries)).sum()
}

/// The version is that of RxNorm in `RXNSAB.RRF`, unless it is given.
pub fn describe(files: &Files, options: &Options) -> Result<System, String> {
    let found = part(files, "RXNCONSO.RRF").len();
    if found != 1 {
        return Err(format!("expected one RXNCONSO.RRF but found {found}"));
    }
    let mut version = None;
    for entry in part(files, "RXNSAB.RRF") {
        rows(entry, &SOURCES, &|_| {}, |row| {
            if row.get(0)? == OWN && row.get(2)? == "Y" {
                version = row.text(1)?.map(str::to_owned);
            }
            Ok(())
        })?;
    }
    if version.is_none() && options.version.is_none() {
        return Err("expected --version, since there is no RXNSAB.RRF that tells it".to_owned());
    }
    Ok(System {
        url: URL.to_owned(),
        version,
        kind: "rxnorm",
        name: "RxNorm".to_owned(),
        language: Some("en".to_owned()),
        content: "complete",
        is_case_sensitive: true,
        hierarchy_meaning: Some("is-a"),
    })
}

pub fn read(files: &Files, sink: &mut Sink<'_>, progress: Progress<'_>) -> Result<(), String> {
    let [names, relations, attributes, types] = all(files);
    for entry in names {
        let mut group = Group::default();
        rows(entry, &NAMES, progress, |row| {
            if row.get(2)? != OWN {
                return Ok(());
            }
            let code = row.required(0)?;
            if group.code != code {
                group.finish(sink);
                group.code = code.to_owned();
            }
            group.names.push(Name {
                kind: row.required(3)?.to_owned(),
                text: row.required(4)?.to_owned(),
                is_suppressed: row.get(5)? != "N",
            });
            Ok(())
        })?;
        group.finish(sink);
    }
    for entry in relations {
        rows(entry, &RELATIONS, progress, |row| relate(row, sink))?;
    }
    for entry in attributes {
        rows(entry, &ATTRIBUTES, progress, |row| {
            let number = sink.find(row.get(0)?).filter(|_| row.get(2) == Ok(OWN));
            if let (Some(number), Some(value)) = (number, row.text(3)?) {
                sink.property(number, row.required(1)?, "valueString", &json!(value));
            }
            Ok(())
        })?;
    }
    for entry in types {
        rows(entry, &TYPES, progress, |row| {
            if let Some(number) = sink.find(row.get(0)?) {
                sink.property(number, "STY", "valueCode", &json!(row.required(1)?));
            }
            Ok(())
        })?;
    }
    Ok(())
}

struct Name {
    kind: String,
    text: String,
    is_suppressed: bool,
}

impl Name {
    /// Synonyms, prescribable names and entry terms stand beside the name that a concept has by
    /// its own kind.
    fn rank(&self) -> i16 {
        match self.kind.as_str() {
            "SY" | "TMSY" | "ET" => 2,
            "PSN" => 1,
            _ => 0,
        }
    }
}

/// The names of one concept, which stand together.
#[derive(Default)]
struct Group {
    code: String,
    names: Vec<Name>,
}

impl Group {
    fn finish(&mut self, sink: &mut Sink<'_>) {
        let names = std::mem::take(&mut self.names);
        if names.is_empty() {
            return;
        }
        let concept = Concept {
            code: &self.code,
            is_inactive: names.iter().all(|name| name.is_suppressed),
            ..Concept::default()
        };
        let Some(number) = sink.find(&self.code).or_else(|| sink.concept(&concept)) else {
            return;
        };
        sink.property(number, "SAB", "valueCode", &json!(OWN));
        for name in &names {
            let designation = Designation {
                language: Some("en"),
                usage: Some((URL, &name.kind, &name.kind)),
                value: &name.text,
                as_display: Some(name.rank()),
            };
            sink.designation(number, &designation);
            sink.property(number, "TTY", "valueCode", &json!(name.kind));
        }
    }
}

/// RELA says what the second concept is to the first.
fn relate(row: &Row<'_>, sink: &mut Sink<'_>) -> Result<(), String> {
    let is_own = row.get(3)? == OWN && row.get(4)? != "O";
    let Some(relation) = row.text(2)?.filter(|_| is_own) else {
        return Ok(());
    };
    // Relations between names have no concepts.
    let (Some(first), Some(second)) = (sink.find(row.get(0)?), sink.find(row.get(1)?)) else {
        return Ok(());
    };
    sink.property(second, relation, "valueCode", &json!(row.get(0)?));
    if relation == "isa" {
        sink.parent(second, first);
    }
    Ok(())
}
