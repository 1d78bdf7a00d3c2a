//! Searches while the index of a custom parameter is being built: refused, or answered as
//! partial where the caller says `handling=lenient`. Never answered as if it were whole.
//!
//! A search is compiled as if such parameters were not there and as if they were: it is about
//! them where the two differ. So whatever a search does with a parameter, no rule of its own is
//! needed here: a chain that names no type would leave out one whose parameter is being built.

use crate::error::{Category, Error, Issue, Result};
use crate::fhir::{Instant, ResourceType, query};
use crate::search::live::{Edition, State};
use crate::search::registry::Registry;
use crate::search::{self as engine, Handling, Limits, Query, Request};

/// Compiles a search, and says with which parameters it is to be run.
///
/// # Errors
/// Those of the search; `Invalid` (`incomplete`) where it is strict and asks for what is not
/// built, with the job that builds it.
pub fn compile<'e>(
    edition: &'e Edition,
    request: &Request,
    base: &str,
    limits: &Limits,
) -> Result<(Query, &'e Registry)> {
    let now = Instant::now();
    let compiled = |registry| engine::compile(registry, request, base, limits, now);
    let built = compiled(&edition.searchable);
    if edition.building().next().is_none() {
        return Ok((built?, &edition.searchable));
    }
    let strict = request.handling == Handling::Strict;
    match (built, compiled(&edition.indexed)) {
        (Ok(built), Ok(all)) if built.plan == all.plan => Ok((built, &edition.searchable)),
        (_, Ok(_)) if strict => Err(refusal(edition, &request.pairs, base)),
        (_, Ok(mut all)) => {
            all.issues.extend(warnings(edition, &request.pairs, base));
            Ok((all, &edition.indexed))
        }
        (Ok(_), Err(error)) => Err(error),
        (Err(built), Err(all)) if built.issues == all.issues => Err(built),
        (Err(_), Err(all)) => Err(explained(all, edition, &request.pairs, base)),
    }
}

/// Refuses criteria that mean more with what is being built than without: they would overlook
/// what they are meant to find.
///
/// # Errors
/// `Invalid` (`incomplete`), with the job. What is wrong with the criteria themselves is left to
/// those who ask with them.
pub fn check_criteria(
    edition: &Edition,
    resource_type: ResourceType,
    criteria: &str,
    base: &str,
) -> Result<()> {
    if edition.building().next().is_none() {
        return Ok(());
    }
    let now = Instant::now();
    let plan = |registry| {
        let compiled = engine::compile_criteria(registry, resource_type, criteria, base, now);
        compiled.map(|query| query.plan)
    };
    match (plan(&edition.searchable), plan(&edition.indexed)) {
        (Ok(built), Ok(all)) if built == all => Ok(()),
        (Ok(_), _) => {
            let pairs = query::pairs(criteria).unwrap_or_default();
            Err(refusal(edition, &pairs, base))
        }
        (Err(_), _) => Ok(()),
    }
}

/// A refused search or criterion, with what is being built beside it, if it names any.
pub fn explained(
    mut error: Error,
    edition: &Edition,
    pairs: &[(String, String)],
    base: &str,
) -> Error {
    if error.category == Category::Invalid {
        let named = edition.building().filter(|state| is_named(state, pairs));
        let issues = named.map(|state| Issue::error("incomplete", told(state, base)));
        error.issues.extend(issues);
    }
    error
}

fn refusal(edition: &Edition, pairs: &[(String, String)], base: &str) -> Error {
    let issues = named(edition, pairs).into_iter().map(|state| {
        let text = format!(
            "{} Ask again when that is done, or accept a partial answer with Prefer: \
             handling=lenient.",
            told(state, base)
        );
        Issue::error("incomplete", text)
    });
    Error::of(Category::Invalid, issues.collect())
}

fn warnings(edition: &Edition, pairs: &[(String, String)], base: &str) -> Vec<Issue> {
    let named = named(edition, pairs).into_iter();
    named
        .map(|state| {
            let text = format!("The result is partial: {}", told(state, base));
            Issue::warning("incomplete", text)
        })
        .collect()
}

/// What is being built and named in the search; all of it where the name is not found.
fn named<'e>(edition: &'e Edition, pairs: &[(String, String)]) -> Vec<&'e State> {
    let named: Vec<&State> = edition
        .building()
        .filter(|state| is_named(state, pairs))
        .collect();
    match named.is_empty() {
        true => edition.building().collect(),
        false => named,
    }
}

/// Whether the code stands as a word in a name, or in a value that may hold names.
fn is_named(state: &State, pairs: &[(String, String)]) -> bool {
    let code = state.custom.definition.code.as_str();
    let is_word = |text: &str| {
        let is_inner = |c: char| c.is_ascii_alphanumeric() || matches!(c, '-' | '_');
        text.split(|c: char| !is_inner(c))
            .any(|word| word == code || word.strip_prefix('-') == Some(code))
    };
    pairs
        .iter()
        .any(|(name, value)| is_word(name) || (name.starts_with('_') && is_word(value)))
}

fn told(state: &State, base: &str) -> String {
    let custom = &state.custom;
    let types: Vec<&str> = state.pending.iter().map(|kind| kind.name()).collect();
    let of = match types.as_slice() {
        few if few.len() <= 5 => few.join(", "),
        _ => "many types".to_owned(),
    };
    let job = match &state.job {
        Some(job) => format!("see {base}/_job/{job}"),
        None => format!("POST {base}/$reindex"),
    };
    format!(
        "the search parameter {:?} (SearchParameter/{}) is not indexed yet for every resource of \
         {of}: {job}.",
        custom.definition.code, custom.id
    )
}
