//! `_list`: the members of a List. <https://hl7.org/fhir/R4/search.html#list>
//!
//! `_list=42` is `_has:List:item:_id=42`. A functional list such as `$current-problems` is
//! every List whose code is that name without the `$`, in any code system: the specification
//! names them and leaves open how they are found. Whose problems they are is told by the
//! search beside it (`Condition?patient=1&_list=$current-problems`).
//! <https://hl7.org/fhir/R4/lifecycle.html#lists>

use super::params::{self, escape};
use super::parse::Term;
use super::plan::Predicate;
use super::resolve::{Context, Problem};
use super::{chain, suggest};
use crate::error::Issue;
use crate::fhir::ResourceType;

/// The functional lists, without the `$`.
const FUNCTIONAL: [&str; 4] = [
    "current-problems",
    "current-medications",
    "current-allergies",
    "current-drug-allergies",
];

/// Members of any of the lists that the value names.
pub fn resolve(
    term: &Term<'_>,
    types: &[ResourceType],
    context: &Context<'_>,
) -> Result<Predicate, Problem> {
    let mut lists = Vec::new();
    for value in escape::split(term.value, ',') {
        if !value.is_empty() {
            lists.push(one(value, context).map_err(|issue| told(term, issue))?);
        }
    }
    if lists.is_empty() {
        let issue = Issue::error("value", "expected the id of a List but found only commas");
        return Err(told(term, issue));
    }
    let item = ResourceType::parse("List")
        .and_then(|list| context.registry.parameter(list, "item"))
        .ok_or_else(|| Problem::not_supported("_list: List has no parameter item".to_owned()))?;
    let any = Predicate::Or(lists);
    Ok(chain::referred(item, types, &any).unwrap_or(Predicate::Nothing))
}

/// Holds of the Lists that a value names.
fn one(value: &str, context: &Context<'_>) -> Result<Predicate, Issue> {
    let name = escape::unescape(value)?;
    let (code, value) = match name.strip_prefix('$') {
        None => ("_id", value),
        Some(functional) => match FUNCTIONAL.iter().find(|known| **known == functional) {
            Some(known) => ("code", *known),
            None => return Err(unknown(functional)),
        },
    };
    let parameter = ResourceType::parse("List")
        .and_then(|list| context.registry.parameter(list, code))
        .ok_or_else(|| Issue::error("not-supported", format!("List has no parameter {code}")))?;
    params::compile(parameter, None, value, context.base, context.now)
}

fn unknown(functional: &str) -> Issue {
    let known: Vec<String> = FUNCTIONAL.iter().map(|name| format!("${name}")).collect();
    let hint = suggest::hint(functional, FUNCTIONAL.into_iter());
    Issue::error(
        "value",
        format!(
            "expected the id of a List or one of {} but found \"${functional}\".{hint}",
            known.join(", ")
        ),
    )
}

fn told(term: &Term<'_>, issue: Issue) -> Problem {
    Problem::Refused(Issue {
        text: format!("{term}: {}", issue.text),
        ..issue
    })
}
