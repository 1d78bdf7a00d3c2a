//! One condition of a search: `code:modifier=a,b`, looked up and compiled for every type
//! that is searched.
//!
//! <https://hl7.org/fhir/R4/search.html#combining>: a comma is OR, repeating is AND. Chains
//! and `_has` are refused until they are supported.

use super::params::{self, Modifier, escape};
use super::parse::{ResultName, Term};
use super::plan::Predicate;
use super::registry::{Kind, Parameter};
use super::resolve::{Context, Problem, parameter_of_all};
use super::suggest;
use crate::fhir::ResourceType;

/// Parameters of the specification that this server does not have yet.
const NOT_YET: [&str; 6] = ["_has", "_filter", "_list", "_text", "_content", "_query"];

/// Modifiers of the specification: what is wrong with one of these is that it is not
/// supported on that parameter, not that it is misspelt.
const MODIFIERS: [&str; 12] = [
    "missing", "exact", "contains", "not", "text", "in", "not-in", "above", "below", "of-type",
    "ofType", "identifier",
];

/// The predicate of a term; `None` where its value is empty and asks nothing.
pub fn resolve(term: &Term<'_>, context: &Context<'_>) -> Result<Option<Predicate>, Problem> {
    if NOT_YET.contains(&term.code) {
        return Err(Problem::not_supported(format!("{} is not supported yet", term.code)));
    }
    let parameters = parameter_of_all(context.registry, &context.types, term.code)
        .ok_or_else(|| unknown(term.code, context))?;
    if let Some(chain) = term.chain {
        return Err(Problem::not_supported(format!(
            "{}.{chain}: chained parameters are not supported yet",
            term.code
        )));
    }
    if parameters.iter().any(|parameter| parameter.kind == Kind::Composite) {
        return Err(Problem::not_supported(format!(
            "{}: composite parameters are not supported yet",
            term.code
        )));
    }
    let modifier = match (term.modifier, parameters.first()) {
        (Some(text), Some(parameter)) => Some(parse_modifier(parameter, text)?),
        _ => None,
    };
    if term.value.is_empty() {
        return Ok(None);
    }
    let alternatives = alternatives(term)?;
    let mut typed = Vec::with_capacity(parameters.len());
    for (resource_type, parameter) in context.types.iter().zip(parameters) {
        let predicate = compile(parameter, modifier.as_ref(), &alternatives, term, context)?;
        typed.push((*resource_type, predicate));
    }
    Ok(Some(over_types(typed)))
}

fn alternatives<'t>(term: &Term<'t>) -> Result<Vec<&'t str>, Problem> {
    let alternatives: Vec<&str> = escape::split(term.value, ',')
        .into_iter()
        .filter(|alternative| !alternative.is_empty())
        .collect();
    if alternatives.is_empty() {
        // A lone comma would otherwise be a condition that everything fulfils.
        return Err(Problem::refused(
            "value",
            format!("{}: expected a value but found only commas", term.code),
        ));
    }
    Ok(alternatives)
}

fn compile(
    parameter: &Parameter,
    modifier: Option<&Modifier>,
    alternatives: &[&str],
    term: &Term<'_>,
    context: &Context<'_>,
) -> Result<Predicate, Problem> {
    let mut predicates = alternatives
        .iter()
        .map(|value| params::compile(parameter, modifier, value, context.base, context.now))
        .collect::<Result<Vec<_>, _>>()
        .map_err(Problem::Refused)?;
    Ok(match (predicates.pop(), term.modifier) {
        (Some(only), _) if predicates.is_empty() => only,
        (Some(last), modifier) => {
            predicates.push(last);
            // "Not a or not b" would hold of nearly everything; what is meant is "none of".
            match modifier {
                Some("not" | "not-in") => Predicate::And(predicates),
                _ => Predicate::Or(predicates),
            }
        }
        (None, _) => Predicate::Nothing,
    })
}

/// One predicate of what each type has to fulfil. An entry names its type already, so a
/// positive one needs no other guard, and a negative one can be asked of all types.
fn over_types(mut typed: Vec<(ResourceType, Predicate)>) -> Predicate {
    let first = typed.first().map(|(_, predicate)| predicate.clone());
    match first {
        None => Predicate::Nothing,
        Some(first) if typed.iter().all(|(_, predicate)| *predicate == first) => first,
        Some(_) => {
            let predicates = || typed.iter().map(|(_, predicate)| predicate.clone()).collect();
            if typed.iter().all(|(_, predicate)| is_of_entries(predicate)) {
                Predicate::Or(predicates())
            } else if typed.iter().all(|(_, predicate)| match predicate {
                Predicate::Not(inner) => is_of_entries(inner),
                _ => false,
            }) {
                Predicate::And(predicates())
            } else {
                let guarded = typed.drain(..).map(|(resource_type, predicate)| {
                    Predicate::And(vec![Predicate::Type(vec![resource_type]), predicate])
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

fn unknown(code: &str, context: &Context<'_>) -> Problem {
    let first = context.types.first().copied();
    let mut known: Vec<&str> = first
        .into_iter()
        .flat_map(|kind| context.registry.parameters(kind))
        .map(|parameter| parameter.code.as_str())
        .filter(|code| {
            context.types.len() < 2
                || parameter_of_all(context.registry, &context.types, code).is_some()
        })
        .collect();
    known.sort_unstable();
    known.dedup();
    let of = match context.types.as_slice() {
        [one] => one.name().to_owned(),
        many if many.len() <= 5 => format!("{many:?} together"),
        _ => "resources of all types".to_owned(),
    };
    let results = ResultName::names().chain(["_include", "_revinclude"]);
    Problem::unknown(format!(
        "expected a search parameter of {of} but found {code:?}.{} Supported: {}",
        suggest::hint(code, known.iter().copied().chain(results)),
        known.join(", ")
    ))
}

fn parse_modifier(parameter: &Parameter, text: &str) -> Result<Modifier, Problem> {
    Modifier::parse(parameter.kind, text).map_err(|_| {
        let hint = match MODIFIERS.contains(&text) {
            true => String::new(),
            false => suggest::hint(text, MODIFIERS.into_iter()),
        };
        Problem::not_supported(format!(
            "{}:{text}: expected a modifier that is supported on a parameter of type {} but found \
             {text:?}.{hint}",
            parameter.code,
            format!("{:?}", parameter.kind).to_lowercase()
        ))
    })
}
