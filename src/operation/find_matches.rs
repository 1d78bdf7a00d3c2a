//! `$find-matches`: the concepts that have given properties.
//! <https://hl7.org/fhir/R4/codesystem-operation-find-matches.html>
//!
//! Complete matches have all of the properties. Where there is none, and `exact` does not forbid
//! it, concepts are answered that have all but one of them, which is told as unmatched.
//! `compositional` and properties of properties have no effect: no expression is ever made.

use super::given::missing;
use super::lookup;
use super::terminology::{Call, refusal};
use crate::error::{Category, Error, Result};
use crate::search::lookup::stored::Stored;
use crate::terminology::code_system::{items, value_of};
use crate::terminology::filter::{Condition, Op};
use crate::terminology::tables::{self, Page, Wanted};
use crate::terminology::{CodeSystem, Evaluation, Library, Selection};
use serde_json::{Value, json};
use std::sync::Arc;

/// Matches that are answered.
const MAX_MATCHES: usize = 100;
/// Properties that one question may have.
const MAX_PROPERTIES: usize = 20;

/// A property that is asked for.
struct Asked {
    code: String,
    value: String,
    /// As it was given.
    given: Value,
}

/// # Errors
/// `NotFound`: the code system. `Invalid`: the parameters.
pub async fn find_matches(call: &Call<'_>) -> Result<Value> {
    let asked = asked(call)?;
    let exact = call.given.boolean("exact")?.unwrap_or(false);
    let mut snapshot = call.snapshot().await?;
    let mut stored = snapshot.stored();
    let (url, version) = match call.id {
        Some(_) => {
            let resource = call
                .resource(&mut stored, "CodeSystem", "codeSystem")
                .await?;
            let text = |name: &str| resource[name].as_str().map(str::to_owned);
            (text("url").unwrap_or_default(), text("version"))
        }
        None => {
            let system = call.given.text("system").ok_or_else(|| missing("system"))?;
            (
                system.to_owned(),
                call.given.text("version").map(str::to_owned),
            )
        }
    };
    let found = lookup::find(&mut stored, &url, version.as_deref(), &Wanted::default()).await?;
    let mut matches = Vec::new();
    for code in having(&mut stored, &found, &asked, None).await? {
        matches.push(told(&found, &code, None));
    }
    if matches.is_empty() && !exact && asked.len() > 1 {
        for at in 0..asked.len() {
            for code in having(&mut stored, &found, &asked, Some(at)).await? {
                matches.push(told(&found, &code, Some(&asked[at])));
            }
        }
        matches.truncate(MAX_MATCHES);
    }
    Ok(json!({"resourceType": "Parameters", "parameter": matches}))
}

fn asked(call: &Call<'_>) -> Result<Vec<Asked>> {
    let wrong = |text: &str| Error::coded(Category::Invalid, "value", text.to_owned());
    let mut asked = Vec::new();
    for property in call.given.parts("property") {
        let part = |name: &str| {
            items(property)
                .find(|one| one["name"] == name)
                .and_then(value_of)
        };
        let (code, value) = part("code").zip(part("value")).ok_or_else(|| {
            wrong("expected the parts code and value within each parameter property")
        })?;
        let text = match value.1 {
            Value::String(text) => text.clone(),
            Value::Object(coding) => match coding.get("code").and_then(Value::as_str) {
                Some(code) => code.to_owned(),
                None => return Err(wrong("expected a Coding with a code as a property")),
            },
            other => other.to_string(),
        };
        asked.push(Asked {
            code: code.1.as_str().unwrap_or_default().to_owned(),
            value: text,
            given: property.clone(),
        });
    }
    match asked.len() {
        0 => Err(missing("property")),
        1..=MAX_PROPERTIES => Ok(asked),
        _ => Err(wrong("expected 20 properties at most")),
    }
}

/// The concepts that have all of the properties, but for one that is left out.
async fn having(
    stored: &mut Stored<'_>,
    system: &Arc<CodeSystem>,
    asked: &[Asked],
    left_out: Option<usize>,
) -> Result<Vec<(String, Option<String>)>> {
    let asked = asked
        .iter()
        .enumerate()
        .filter(|(at, _)| Some(*at) != left_out);
    let conditions = asked.map(|(_, one)| Condition {
        property: one.code.clone(),
        op: Op::Equals,
        value: one.value.clone(),
    });
    let pair = |concept: &crate::terminology::code_system::Concept| {
        (concept.code.clone(), concept.display.clone())
    };
    if let Some(table) = stored.table(&system.canonical()).await? {
        let selection = conditions
            .map(Selection::Filter)
            .fold(Selection::Everything, Selection::and);
        let page = Page {
            limit: MAX_MATCHES,
            ..Page::default()
        };
        let found = tables::page(stored.connection, &table, &selection, &page).await?;
        return Ok(found.concepts.iter().map(pair).collect());
    }
    let filters: Vec<Value> = conditions
        .map(|one| json!({"property": one.property, "op": "=", "value": one.value}))
        .collect();
    let mut library = Library::default();
    library.add_code_system(system.url.clone(), Some(system.clone()));
    let value_set = json!({"compose": {"include": [{"system": system.url, "filter": filters}]}});
    let members = Evaluation::new(&library)
        .members(&value_set)
        .map_err(refusal)?;
    let members = members.list().iter().take(MAX_MATCHES);
    Ok(members
        .filter_map(|member| member.concept())
        .map(pair)
        .collect())
}

fn told(
    system: &CodeSystem,
    (code, display): &(String, Option<String>),
    unmatched: Option<&Asked>,
) -> Value {
    let mut coding = json!({"system": system.url, "code": code});
    if let Some(version) = &system.version {
        coding["version"] = json!(version);
    }
    if let Some(display) = display {
        coding["display"] = json!(display);
    }
    let mut parts = vec![json!({"name": "code", "valueCoding": coding})];
    if let Some(unmatched) = unmatched {
        parts.push(json!({"name": "unmatched", "part": unmatched.given}));
        let text = format!("does not have {} = {}", unmatched.code, unmatched.value);
        parts.push(json!({"name": "comment", "valueString": text}));
    }
    json!({"name": "match", "part": parts})
}
