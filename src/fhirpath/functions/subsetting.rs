//! Subsetting and combining: <https://hl7.org/fhirpath/N1/#subsetting>,
//! <https://hl7.org/fhirpath/N1/#combining>

use super::{argument, integer_argument};
use crate::fhirpath::ast::Ast;
use crate::fhirpath::context::{Evaluated, EvaluationError, Items, Scope};
use crate::fhirpath::operators;

pub fn single<'a>(_: &Scope<'_, 'a>, input: Items<'a>, _: &'a [Ast]) -> Evaluated<'a> {
    match input.len() {
        0 | 1 => Ok(input),
        _ => Err(operators::too_many("single()")),
    }
}

pub fn first<'a>(_: &Scope<'_, 'a>, mut input: Items<'a>, _: &'a [Ast]) -> Evaluated<'a> {
    input.truncate(1);
    Ok(input)
}

pub fn last<'a>(_: &Scope<'_, 'a>, mut input: Items<'a>, _: &'a [Ast]) -> Evaluated<'a> {
    super::one(input.pop())
}

pub fn tail<'a>(_: &Scope<'_, 'a>, input: Items<'a>, _: &'a [Ast]) -> Evaluated<'a> {
    Ok(input.into_iter().skip(1).collect())
}

/// How many items an argument says; less than none is none.
fn number<'a>(
    scope: &Scope<'_, 'a>,
    arguments: &'a [Ast],
) -> Result<Option<usize>, EvaluationError> {
    let number = integer_argument(scope, arguments, 0)?;
    Ok(number.map(|number| usize::try_from(number).unwrap_or_default()))
}

pub fn skip<'a>(scope: &Scope<'_, 'a>, input: Items<'a>, arguments: &'a [Ast]) -> Evaluated<'a> {
    Ok(match number(scope, arguments)? {
        Some(number) => input.into_iter().skip(number).collect(),
        None => Vec::new(),
    })
}

pub fn take<'a>(scope: &Scope<'_, 'a>, input: Items<'a>, arguments: &'a [Ast]) -> Evaluated<'a> {
    Ok(match number(scope, arguments)? {
        Some(number) => input.into_iter().take(number).collect(),
        None => Vec::new(),
    })
}

pub fn intersect<'a>(
    scope: &Scope<'_, 'a>,
    input: Items<'a>,
    arguments: &'a [Ast],
) -> Evaluated<'a> {
    let other = argument(scope, arguments, 0)?;
    scope.charge(input.len().saturating_mul(other.len()))?;
    let shared = input
        .into_iter()
        .filter(|item| operators::has(&other, item));
    operators::distinct(scope, shared.collect())
}

pub fn exclude<'a>(scope: &Scope<'_, 'a>, input: Items<'a>, arguments: &'a [Ast]) -> Evaluated<'a> {
    let other = argument(scope, arguments, 0)?;
    scope.charge(input.len().saturating_mul(other.len()))?;
    let kept = input
        .into_iter()
        .filter(|item| !operators::has(&other, item));
    Ok(kept.collect())
}

pub fn union<'a>(scope: &Scope<'_, 'a>, input: Items<'a>, arguments: &'a [Ast]) -> Evaluated<'a> {
    let other = argument(scope, arguments, 0)?;
    operators::union(scope, input, other)
}

pub fn combine<'a>(
    scope: &Scope<'_, 'a>,
    mut input: Items<'a>,
    arguments: &'a [Ast],
) -> Evaluated<'a> {
    input.extend(argument(scope, arguments, 0)?);
    Ok(input)
}
