//! The files by which code systems are published, read as they come: concepts, names,
//! properties and relations go to a [`Sink`], none of them stays in memory.
//!
//! | kind | files | layout |
//! |---|---|---|
//! | `snomed` | RF2 snapshot: Concept, Description, Relationship, language reference set | SNOMED CT Release File Specifications |
//! | `loinc` | `Loinc.csv`, optionally `AnswerList.csv` and the component hierarchy | LOINC Users' Guide |
//! | `rxnorm` | `RXNCONSO.RRF`, optionally `RXNREL`, `RXNSAT`, `RXNSTY`, `RXNSAB` | RxNorm Technical Documentation |
//! | `icd10cm` | the order file `icd10cm_order_YYYY.txt` | "ICD-10-CM order file" of its publisher |
//! | `csv` | one table, see [`table`] | ours |
//!
//! Each comes as a folder that was unpacked, as the `.zip` of its publisher, or as files. What
//! is wrong with a file is told with its name, line and column, and what was expected there.

mod files;
mod icd10cm;
mod loinc;
mod rows;
mod rxnorm;
mod snomed;
pub mod table;

pub use files::Files;

use super::tables::{Sink, System};
use std::fmt;
use std::str::FromStr;

/// What may be loaded.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Kind {
    Snomed,
    Loinc,
    Rxnorm,
    Icd10cm,
    Csv,
}

const KINDS: [(&str, Kind); 5] = [
    ("snomed", Kind::Snomed),
    ("loinc", Kind::Loinc),
    ("rxnorm", Kind::Rxnorm),
    ("icd10cm", Kind::Icd10cm),
    ("csv", Kind::Csv),
];

impl FromStr for Kind {
    type Err = String;

    fn from_str(text: &str) -> Result<Kind, String> {
        let found = KINDS.iter().find(|(name, _)| *name == text);
        found
            .map(|(_, kind)| *kind)
            .ok_or_else(|| "expected snomed, loinc, rxnorm, icd10cm or csv".to_owned())
    }
}

impl fmt::Display for Kind {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let found = KINDS.iter().find(|(_, kind)| kind == self);
        f.write_str(found.map_or("", |(name, _)| name))
    }
}

/// What the files do not say, or say otherwise.
#[derive(Clone, Debug, Default)]
pub struct Options {
    pub url: Option<String>,
    pub version: Option<String>,
    pub name: Option<String>,
    pub language: Option<String>,
    /// SNOMED CT: the language reference set whose preferred terms are the displays.
    pub refset: Option<String>,
    /// CSV: codes that differ in case are the same.
    pub any_case: bool,
}

/// Hears how many bytes were read.
pub type Progress<'a> = &'a (dyn Fn(u64) + Sync);

/// A release that was found.
#[derive(Debug)]
pub struct Release {
    pub system: System,
    kind: Kind,
    files: Files,
    options: Options,
}

impl Release {
    /// Looks at the files, as far as it takes to say which system and version it is.
    ///
    /// # Errors
    /// What is missing or wrong, for a person.
    pub fn find(kind: Kind, files: Files, options: Options) -> Result<Release, String> {
        let mut system = match kind {
            Kind::Snomed => snomed::describe(&files)?,
            Kind::Loinc => loinc::describe(&files, &options)?,
            Kind::Rxnorm => rxnorm::describe(&files, &options)?,
            Kind::Icd10cm => icd10cm::describe(&files, &options)?,
            Kind::Csv => table::describe(&options)?,
        };
        if options.version.is_some() {
            system.version.clone_from(&options.version);
        }
        if let Some(name) = &options.name {
            system.name.clone_from(name);
        }
        Ok(Release {
            system,
            kind,
            files,
            options,
        })
    }

    /// Bytes that are going to be read, unpacked.
    pub fn bytes(&self) -> u64 {
        match self.kind {
            Kind::Snomed => snomed::bytes(&self.files),
            Kind::Loinc => loinc::bytes(&self.files),
            Kind::Rxnorm => rxnorm::bytes(&self.files),
            Kind::Icd10cm => icd10cm::bytes(&self.files),
            Kind::Csv => table::bytes(&self.files),
        }
    }

    /// Reads it all.
    ///
    /// # Errors
    /// What is wrong with which line, for a person.
    pub fn read(&self, sink: &mut Sink<'_>, progress: Progress<'_>) -> Result<(), String> {
        let (files, options) = (&self.files, &self.options);
        match self.kind {
            Kind::Snomed => snomed::read(files, options, sink, progress),
            Kind::Loinc => loinc::read(files, sink, progress),
            Kind::Rxnorm => rxnorm::read(files, sink, progress),
            Kind::Icd10cm => icd10cm::read(files, sink, progress),
            Kind::Csv => table::read(files, sink, progress),
        }
    }
}
