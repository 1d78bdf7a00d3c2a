//! The codes of a ValueSet as the values that a token has to be one of.
//!
//! What a value set means is told in `crate::terminology`; a system that is not known whole
//! and is included whole stands for any code of that system.

use super::stored::Stored;
use super::{MAX_CODES, check_count, not_found, not_supported};
use crate::error::{Category, Error, Result};
use crate::fhir::Id;
use crate::search::params::token::Asked;
use crate::terminology::{Evaluation, Library, Problem, Reason};
use std::collections::BTreeSet;

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
    stored
        .gather(&mut library, value_set.clone(), false)
        .await?;
    let members = Evaluation::new(&library)
        .members(&value_set)
        .map_err(refusal)?;
    check_count(
        members.list().len() + members.whole.len(),
        "codes",
        MAX_CODES,
    )?;
    let whole = members.whole.keys().cloned().map(Asked::System);
    let pairs: BTreeSet<(&str, &str)> = members
        .list()
        .iter()
        .map(|member| (member.system.as_str(), member.code.as_str()))
        .collect();
    let pairs = pairs
        .into_iter()
        .map(|(s, c)| Asked::Pair(s.to_owned(), c.to_owned()));
    Ok(whole.chain(pairs).collect())
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
