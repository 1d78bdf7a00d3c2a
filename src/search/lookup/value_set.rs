//! The codes of a ValueSet as the values that a token has to be one of.
//!
//! What a value set means is told in `crate::terminology`; a system that is not known whole
//! and is included whole stands for any code of that system.

use super::library::Purpose;
use super::stored::Stored;
use super::{MAX_CODES, check_count, not_found, not_supported};
use crate::error::{Category, Error, Result};
use crate::fhir::Id;
use crate::search::params::token::Asked;
use crate::terminology::{CodeSystem, Evaluation, Library, Problem, Reason, Selection, tables};
use std::collections::BTreeSet;
use std::sync::Arc;

/// The codes of a value set by its canonical, `ValueSet/id` or id.
///
/// # Errors
/// `not-found`, `not-supported`, `TooCostly`.
pub async fn codes(stored: &mut Stored<'_>, name: &str) -> Result<Vec<Asked>> {
    let id = name.strip_prefix("ValueSet/").unwrap_or(name);
    let found = match Id::is_valid(id) {
        true => stored.by_id("ValueSet", id).await?,
        false => stored.by_canonical("ValueSet", name).await?,
    };
    let value_set = found.ok_or_else(|| not_found("value set", name))?;
    let mut library = Library::default();
    let purpose = Purpose {
        members: true,
        ..Purpose::default()
    };
    stored
        .gather(&mut library, value_set.clone(), &purpose)
        .await?;
    let (members, selections) = {
        let evaluation = Evaluation::new(&library);
        let members = evaluation.members(&value_set).map_err(refusal)?;
        let tables = members.tables.iter();
        let selections = tables.map(|system| {
            let selection = evaluation.selection(&value_set, system).map_err(refusal)?;
            Ok((system.clone(), selection))
        });
        let selections: Result<Vec<(Arc<CodeSystem>, Selection)>> = selections.collect();
        (members, selections?)
    };
    let mut count = members.list().len() + members.whole.len();
    check_count(count, "codes", MAX_CODES)?;
    let mut selected = Vec::new();
    for (system, selection) in &selections {
        let Some(table) = stored.table(&system.canonical()).await? else {
            continue;
        };
        let codes = tables::codes(stored.connection, &table, selection, MAX_CODES + 1 - count);
        let codes = codes.await?;
        count += codes.len();
        check_count(count, "codes", MAX_CODES)?;
        let pair = |code| Asked::Pair(system.url.clone(), code);
        selected.extend(codes.into_iter().map(pair));
    }
    let whole = members.whole.keys().cloned().map(Asked::System);
    let pairs: BTreeSet<(&str, &str)> = members
        .list()
        .iter()
        .map(|member| (member.system.as_str(), member.code.as_str()))
        .collect();
    let pairs = pairs
        .into_iter()
        .map(|(s, c)| Asked::Pair(s.to_owned(), c.to_owned()));
    Ok(whole.chain(pairs).chain(selected).collect())
}

fn refusal(problem: Problem) -> Error {
    match problem.reason {
        Reason::NotFound => Error::coded(Category::Invalid, "not-found", problem.text),
        Reason::NotKnown | Reason::NotSupported => not_supported(problem.text),
        Reason::Invalid | Reason::Version => {
            Error::coded(Category::Invalid, "invalid", problem.text)
        }
        Reason::TooCostly => Error::new(Category::TooCostly, problem.text),
    }
}
