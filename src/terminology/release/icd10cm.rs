//! ICD-10-CM: the order file, `icd10cm_order_YYYY.txt`.
//! <https://hl7.org/fhir/R4/icd.html>
//!
//! Chosen before the tabular XML since it is one line per code, headers included, in an order
//! that has each code behind those above it. Fixed columns, from 1: 1-5 the order, 7-13 the code
//! without its dot, 15 whether it may be reported (0: a header), 17-76 the short and from 78 the
//! long description. A code is below the longest code that begins it. Chapters, blocks,
//! inclusion terms and excludes are only in the XML, and not read.

use super::files::{Entry, Files};
use super::rows::size;
use super::{Options, Progress};
use crate::terminology::tables::{Concept, Designation, Sink, System};
use std::io::BufRead;

const URL: &str = "http://hl7.org/fhir/sid/icd-10-cm";
/// Letters of a category, behind which codes have their dot.
const CATEGORY: usize = 3;

fn order(files: &Files) -> Vec<&Entry> {
    files.named(|name| {
        let name = name.to_lowercase();
        name.contains("order") && !name.contains("addenda") && name.ends_with(".txt")
    })
}

pub fn bytes(files: &Files) -> u64 {
    size(&order(files))
}

pub fn describe(files: &Files, options: &Options) -> Result<System, String> {
    let entries = order(files);
    let [entry] = entries.as_slice() else {
        return Err(format!(
            "expected one order file icd10cm_order_YYYY.txt of ICD-10-CM but found {}",
            entries.len()
        ));
    };
    let digits: Vec<&str> = entry
        .name()
        .split(|c: char| !c.is_ascii_digit())
        .filter(|part| part.len() == 4)
        .collect();
    if digits.is_empty() && options.version.is_none() {
        return Err(format!(
            "{}: expected a name with the year of the release, or --version",
            entry.path
        ));
    }
    Ok(System {
        url: URL.to_owned(),
        version: digits.last().map(|year| (*year).to_owned()),
        kind: "icd10cm",
        name: "ICD-10-CM".to_owned(),
        language: Some("en".to_owned()),
        content: "complete",
        is_case_sensitive: false,
        hierarchy_meaning: Some("is-a"),
    })
}

pub fn read(files: &Files, sink: &mut Sink<'_>, progress: Progress<'_>) -> Result<(), String> {
    for entry in order(files) {
        entry.read(progress, |reader| {
            for (at, line) in reader.split(b'\n').enumerate() {
                let line = line.map_err(|error| format!("{}: {error}", entry.path))?;
                let line = String::from_utf8_lossy(&line);
                let line = line.trim_end();
                if !line.is_empty() {
                    add(line, sink).map_err(|(column, expected)| {
                        format!(
                            "{}, line {}, column {column}: expected {expected} but found {line:?}",
                            entry.path,
                            at + 1
                        )
                    })?;
                }
            }
            Ok(())
        })?;
    }
    Ok(())
}

/// The part of a line by its columns, from 0.
fn columns(line: &str, from: usize, to: usize) -> &str {
    let to = to.min(line.len());
    line.get(from.min(to)..to).unwrap_or_default().trim()
}

fn add(line: &str, sink: &mut Sink<'_>) -> Result<(), (&'static str, &'static str)> {
    let order = columns(line, 0, 5);
    if order.is_empty() || !order.bytes().all(|byte| byte.is_ascii_digit()) {
        return Err(("1-5 (order)", "a number"));
    }
    let bare = columns(line, 6, 13);
    let is_code = bare.len() >= CATEGORY && bare.bytes().all(|byte| byte.is_ascii_alphanumeric());
    if !is_code {
        return Err(("7-13 (code)", "a code of three letters or more"));
    }
    let is_abstract = match columns(line, 14, 15) {
        "0" => true,
        "1" => false,
        _ => return Err(("15 (valid)", "0 or 1")),
    };
    let short = columns(line, 16, 76);
    let long = Some(columns(line, 77, usize::MAX)).filter(|text| !text.is_empty());
    let code = dotted(bare);
    let number = sink.concept(&Concept {
        code: &code,
        display: long.or(Some(short)).filter(|text| !text.is_empty()),
        is_abstract,
        ..Concept::default()
    });
    let number = number.ok_or(("7-13 (code)", "a code that was not listed before"))?;
    if long.is_some_and(|long| long != short) && !short.is_empty() {
        sink.designation(
            number,
            &Designation {
                language: Some("en"),
                value: short,
                ..Designation::default()
            },
        );
    }
    let parents = (CATEGORY..bare.len()).rev();
    let parent = parents
        .filter_map(|end| sink.find(&dotted(&bare[..end])))
        .next();
    if let Some(parent) = parent {
        sink.parent(number, parent);
    }
    Ok(())
}

fn dotted(bare: &str) -> String {
    match bare.len() > CATEGORY {
        true => format!("{}.{}", &bare[..CATEGORY], &bare[CATEGORY..]),
        false => bare.to_owned(),
    }
}
