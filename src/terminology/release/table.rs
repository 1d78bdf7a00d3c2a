//! A code system as one table: CSV with a header, comma-separated, quoted where needed.
//!
//! | column | |
//! |---|---|
//! | `code` | required, each once |
//! | `display`, `definition` | |
//! | `parent` | the codes directly above, separated by `\|`; they may come later |
//! | `inactive`, `abstract` | `true` or `false`; empty for false |
//! | `designation:de` | a name in that language |
//! | any other | a property of that name, a string; empty for none |

use super::files::Files;
use super::rows::{Layout, header, rows, size};
use super::{Options, Progress};
use crate::terminology::tables::{Concept, Designation, Sink, System};
use serde_json::json;

const KNOWN: [&str; 6] = [
    "code",
    "display",
    "definition",
    "parent",
    "inactive",
    "abstract",
];

pub fn bytes(files: &Files) -> u64 {
    size(&files.named(|_| true))
}

pub fn describe(options: &Options) -> Result<System, String> {
    let url = options.url.clone();
    let url = url.ok_or("expected --url, the canonical URL of the code system")?;
    Ok(System {
        name: url.clone(),
        url,
        version: options.version.clone(),
        kind: "csv",
        language: options.language.clone(),
        content: "complete",
        is_case_sensitive: !options.any_case,
        hierarchy_meaning: Some("is-a"),
    })
}

/// What a column beyond the known ones holds.
enum Extra {
    Designation(String),
    Property(String),
}

pub fn read(files: &Files, sink: &mut Sink<'_>, progress: Progress<'_>) -> Result<(), String> {
    let entries = files.named(|_| true);
    let mut open: Vec<(u32, String, String)> = Vec::new();
    for entry in entries {
        let names = header(entry, b',')?;
        let known = |name: &str| names.iter().position(|one| one.eq_ignore_ascii_case(name));
        if known("code").is_none() {
            let found = names.join(", ");
            let path = &entry.path;
            return Err(format!(
                "{path}, line 1: expected a column code but found {found}"
            ));
        }
        // The columns in a fixed order, those that are absent pointing nowhere.
        let places = KNOWN.map(|name| known(name).unwrap_or(usize::MAX));
        let extra: Vec<(usize, Extra)> = names
            .iter()
            .enumerate()
            .filter(|(_, name)| !KNOWN.iter().any(|one| name.eq_ignore_ascii_case(one)))
            .map(|(at, name)| match name.strip_prefix("designation:") {
                Some(language) => (at, Extra::Designation(language.to_owned())),
                None => (at, Extra::Property(name.clone())),
            })
            .collect();
        rows(entry, &COMMA, progress, |row| {
            let field = |at: usize| {
                let text = row.field(places[at]);
                Some(text.unwrap_or_default().trim()).filter(|text| !text.is_empty())
            };
            let flag = |at: usize| match field(at) {
                None | Some("false" | "0") => Ok(false),
                Some("true" | "1") => Ok(true),
                Some(found) => Err(row.wrong_at(KNOWN[at], "true or false", found)),
            };
            let code = row.required(0)?;
            let concept = Concept {
                code,
                display: field(1),
                definition: field(2),
                is_inactive: flag(4)?,
                is_abstract: flag(5)?,
            };
            let number = sink.concept(&concept);
            let number = number.ok_or_else(|| row.wrong(0, "a code that was not listed before"))?;
            for parent in field(3).unwrap_or_default().split('|').map(str::trim) {
                match sink.find(parent) {
                    _ if parent.is_empty() => {}
                    Some(found) => sink.parent(number, found),
                    None => {
                        let wrong = row.wrong_at("parent", "a code of the file", parent);
                        open.push((number, parent.to_owned(), wrong));
                    }
                }
            }
            for (at, extra) in &extra {
                let text = row.field(*at).unwrap_or_default().trim();
                match extra {
                    _ if text.is_empty() => {}
                    Extra::Designation(language) => {
                        let designation = Designation {
                            language: Some(language),
                            value: text,
                            ..Designation::default()
                        };
                        sink.designation(number, &designation);
                    }
                    Extra::Property(name) => {
                        sink.property(number, name, "valueString", &json!(text));
                    }
                }
            }
            Ok(())
        })?;
    }
    for (child, parent, wrong) in open {
        sink.parent(child, sink.find(&parent).ok_or(wrong)?);
    }
    Ok(())
}

const COMMA: Layout = Layout {
    delimiter: b',',
    is_quoted: true,
    columns: &["code"],
    places: None,
};
