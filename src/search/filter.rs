//! One condition of a search: `code:modifier=a,b`, looked up and compiled for every type
//! that is searched, or for the types that a [`chain`](super::chain) leads to.
//!
//! <https://hl7.org/fhir/R4/search.html#combining>: a comma is OR, repeating is AND.

use super::params::{self, Modifier, escape};
use super::parse::{ResultName, Term};
use super::plan::Predicate;
use super::registry::Registry;
use super::resolve::{Context, Problem, parameter_of_all};
use super::{chain, filter_expression, list, suggest};
use crate::error::Issue;
use crate::fhir::ResourceType;

/// Conditions that all types have and that are no parameter of the registry.
const SPECIAL: [&str; 4] = ["_has", "_list", "_filter", "_query"];

pub fn is_special(code: &str) -> bool {
    SPECIAL.contains(&code)
}

/// The predicate of a term; `None` where its value is empty and asks nothing.
pub fn resolve(term: &Term<'_>, context: &Context<'_>) -> Result<Option<Predicate>, Problem> {
    chain::resolve(term, context, &context.types, &|types| {
        condition(term, types, context)
    })
}

/// The condition at the end of the term's chain.
fn condition(
    term: &Term<'_>,
    types: &[ResourceType],
    context: &Context<'_>,
) -> Result<Option<Predicate>, Problem> {
    if let ("_list" | "_filter", Some(modifier)) = (term.code, term.modifier) {
        return Err(Problem::not_supported(format!(
            "{term}: expected no modifier but found :{modifier}"
        )));
    }
    match term.code {
        "_has" => Err(Problem::refused(
            "value",
            format!(
                "{term}: expected _has:Type:reference:parameter, such as \
                     _has:Observation:patient:code"
            ),
        )),
        "_query" => Err(Problem::not_supported(format!(
            "{term}: expected no named query, since this server has none"
        ))),
        _ if term.value.is_empty() && is_special(term.code) => Ok(None),
        "_list" => list::resolve(term, types, context).map(Some),
        "_filter" => filter_expression::resolve(term, types, context).map(Some),
        _ => parameter(term, types, context),
    }
}

/// The condition of a parameter of the registry.
fn parameter(
    term: &Term<'_>,
    types: &[ResourceType],
    context: &Context<'_>,
) -> Result<Option<Predicate>, Problem> {
    let parameters = parameter_of_all(context.registry, types, term.code)
        .ok_or_else(|| unknown(term, term.code, types, context.registry))?;
    let modifier = match (term.modifier, parameters.first()) {
        (Some(text), Some(parameter)) => {
            let known = Modifier::parse(parameter.kind, text);
            let refusal = || refused(term, Modifier::refusal(parameter.kind, text));
            Some(known.ok_or_else(refusal)?)
        }
        _ => None,
    };
    if term.value.is_empty() {
        return Ok(None);
    }
    let values = alternatives(term, modifier.as_ref())?;
    // Columns of the resource mean the same on every type.
    let distinct = match term.code {
        "_id" | "_lastUpdated" => 1,
        _ => parameters.len(),
    };
    let mut typed = Vec::with_capacity(distinct);
    for (resource_type, parameter) in types.iter().zip(parameters).take(distinct) {
        let predicates = values
            .iter()
            .map(|value| {
                params::compile(
                    parameter,
                    modifier.as_ref(),
                    value,
                    context.base,
                    context.now,
                )
            })
            .collect::<Result<Vec<_>, _>>()
            .map_err(|issue| refused(term, issue))?;
        typed.push((*resource_type, combine(modifier.as_ref(), predicates)));
    }
    Ok(Some(over_types(typed)))
}

/// The alternatives that a comma separates; an empty one asks nothing.
fn alternatives<'t>(term: &Term<'t>, modifier: Option<&Modifier>) -> Result<Vec<&'t str>, Problem> {
    let mut values = escape::split(term.value, ',');
    values.retain(|value| !value.is_empty());
    let expected = match (values.len(), modifier) {
        // A lone comma would otherwise be a condition that everything or nothing fulfils.
        (0, _) => "a value but found only commas",
        (2.., Some(Modifier::Missing)) => "either true or false but found several values",
        _ => return Ok(values),
    };
    Err(refused(
        term,
        Issue::error("value", format!("expected {expected}")),
    ))
}

/// "Not a or not b" would hold of nearly everything; what is meant is "none of a and b".
fn combine(modifier: Option<&Modifier>, mut predicates: Vec<Predicate>) -> Predicate {
    match (modifier, predicates.len()) {
        (_, 1) => predicates.swap_remove(0),
        (Some(modifier), _) if modifier.is_negative() => Predicate::And(predicates),
        _ => Predicate::Or(predicates),
    }
}

/// What is wrong with a modifier or a value, told with the name of the parameter.
fn refused(term: &Term<'_>, issue: Issue) -> Problem {
    Problem::Refused(Issue {
        text: format!("{term}: {}", issue.text),
        ..issue
    })
}

/// One predicate of what each type has to fulfil. An entry names its type already, so a
/// positive one needs no other guard, and a negative one can be asked of all types. A
/// presence bit means something else on every type: types that ask the same share a guard.
pub fn over_types(typed: Vec<(ResourceType, Predicate)>) -> Predicate {
    let first = typed.first().map(|(_, predicate)| predicate.clone());
    match first {
        None => Predicate::Nothing,
        Some(first) if typed.iter().all(|(_, predicate)| *predicate == first) => first,
        Some(_) => {
            let predicates = || {
                typed
                    .iter()
                    .map(|(_, predicate)| predicate.clone())
                    .collect()
            };
            if typed.iter().all(|(_, predicate)| is_of_entries(predicate)) {
                Predicate::Or(predicates())
            } else if typed.iter().all(|(_, predicate)| match predicate {
                Predicate::Not(inner) => is_of_entries(inner),
                _ => false,
            }) {
                Predicate::And(predicates())
            } else {
                let mut groups: Vec<(Vec<ResourceType>, Predicate)> = Vec::new();
                for (resource_type, predicate) in typed {
                    match groups.iter_mut().find(|(_, other)| *other == predicate) {
                        Some((types, _)) => types.push(resource_type),
                        None => groups.push((vec![resource_type], predicate)),
                    }
                }
                let guarded = groups.into_iter().map(|(types, predicate)| {
                    Predicate::And(vec![Predicate::Type(types), predicate])
                });
                Predicate::Or(guarded.collect())
            }
        }
    }
}

fn is_of_entries(predicate: &Predicate) -> bool {
    match predicate {
        Predicate::Entries(_) | Predicate::Nothing => true,
        Predicate::Or(parts) | Predicate::And(parts) => {
            !parts.is_empty() && parts.iter().all(is_of_entries)
        }
        _ => false,
    }
}

/// What to say of a code that is no parameter of these types together.
pub fn unknown(
    term: &Term<'_>,
    code: &str,
    types: &[ResourceType],
    registry: &Registry,
) -> Problem {
    let first = types.first().copied();
    let mut known: Vec<&str> = first
        .into_iter()
        .flat_map(|kind| registry.parameters(kind))
        .filter(|parameter| parameter.supported)
        .map(|parameter| parameter.code.as_str())
        .filter(|code| types.len() < 2 || parameter_of_all(registry, types, code).is_some())
        .chain(["_filter", "_list"])
        .collect();
    known.sort_unstable();
    known.dedup();
    let results = ResultName::names().chain(["_include", "_revinclude"]);
    // How to answer is not asked at the end of a chain.
    let results = results.filter(|_| term.steps.is_empty());
    let chain = match term.steps.is_empty() {
        true => String::new(),
        false => format!("{term}: "),
    };
    Problem::unknown(format!(
        "{chain}expected a search parameter of {} but found {code:?}.{} Supported: {}",
        those(types),
        suggest::hint(code, known.iter().copied().chain(results)),
        known.join(", ")
    ))
}

/// The types, as a message names them.
pub fn those(types: &[ResourceType]) -> String {
    match types {
        [one] => one.name().to_owned(),
        many if many.len() <= 5 => format!("{many:?} together"),
        _ => "resources of all types".to_owned(),
    }
}
