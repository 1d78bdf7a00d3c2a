//! Existence: <https://hl7.org/fhirpath/N1/#existence>

use super::argument;
use crate::fhirpath::ast::Ast;
use crate::fhirpath::context::{Evaluated, EvaluationError, Items, Scope};
use crate::fhirpath::eval::{evaluate, integer_of};
use crate::fhirpath::item::{Item, Scalar};
use crate::fhirpath::operators::{self, boolean, truth, unexpected};

pub fn empty<'a>(_: &Scope<'_, 'a>, input: Items<'a>, _: &'a [Ast]) -> Evaluated<'a> {
    Ok(boolean(Some(input.is_empty())))
}

pub fn exists<'a>(scope: &Scope<'_, 'a>, input: Items<'a>, arguments: &'a [Ast]) -> Evaluated<'a> {
    let Some(condition) = arguments.first() else {
        return Ok(boolean(Some(!input.is_empty())));
    };
    for (index, item) in input.iter().enumerate() {
        if truth(&evaluate(&scope.on(item, index), condition)?)? == Some(true) {
            return Ok(boolean(Some(true)));
        }
    }
    Ok(boolean(Some(false)))
}

pub fn all<'a>(scope: &Scope<'_, 'a>, input: Items<'a>, arguments: &'a [Ast]) -> Evaluated<'a> {
    for (index, item) in input.iter().enumerate() {
        for condition in arguments {
            if truth(&evaluate(&scope.on(item, index), condition)?)? != Some(true) {
                return Ok(boolean(Some(false)));
            }
        }
    }
    Ok(boolean(Some(true)))
}

pub fn all_true<'a>(_: &Scope<'_, 'a>, input: Items<'a>, _: &'a [Ast]) -> Evaluated<'a> {
    Ok(boolean(Some(!has(&input, false)?)))
}

pub fn any_true<'a>(_: &Scope<'_, 'a>, input: Items<'a>, _: &'a [Ast]) -> Evaluated<'a> {
    Ok(boolean(Some(has(&input, true)?)))
}

pub fn all_false<'a>(_: &Scope<'_, 'a>, input: Items<'a>, _: &'a [Ast]) -> Evaluated<'a> {
    Ok(boolean(Some(!has(&input, true)?)))
}

pub fn any_false<'a>(_: &Scope<'_, 'a>, input: Items<'a>, _: &'a [Ast]) -> Evaluated<'a> {
    Ok(boolean(Some(has(&input, false)?)))
}

/// Whether one is `wanted`; all must be booleans.
fn has(items: &[Item<'_>], wanted: bool) -> Result<bool, EvaluationError> {
    let mut found = false;
    for item in items {
        match item.scalar() {
            Some(Scalar::Boolean(value)) => found |= value == wanted,
            _ => return Err(unexpected("booleans", "this function", item)),
        }
    }
    Ok(found)
}

pub fn subset_of<'a>(
    scope: &Scope<'_, 'a>,
    input: Items<'a>,
    arguments: &'a [Ast],
) -> Evaluated<'a> {
    let other = argument(scope, arguments, 0)?;
    is_within(scope, &input, &other)
}

pub fn superset_of<'a>(
    scope: &Scope<'_, 'a>,
    input: Items<'a>,
    arguments: &'a [Ast],
) -> Evaluated<'a> {
    let other = argument(scope, arguments, 0)?;
    is_within(scope, &other, &input)
}

fn is_within<'a>(scope: &Scope<'_, 'a>, part: &[Item<'a>], all: &[Item<'a>]) -> Evaluated<'a> {
    scope.charge(part.len().saturating_mul(all.len()))?;
    let holds = part.iter().all(|item| operators::has(all, item));
    Ok(boolean(Some(holds)))
}

pub fn count<'a>(_: &Scope<'_, 'a>, input: Items<'a>, _: &'a [Ast]) -> Evaluated<'a> {
    super::one(integer_of(input.len()))
}

pub fn distinct<'a>(scope: &Scope<'_, 'a>, input: Items<'a>, _: &'a [Ast]) -> Evaluated<'a> {
    operators::distinct(scope, input)
}

pub fn is_distinct<'a>(scope: &Scope<'_, 'a>, input: Items<'a>, _: &'a [Ast]) -> Evaluated<'a> {
    let before = input.len();
    let after = operators::distinct(scope, input)?.len();
    Ok(boolean(Some(before == after)))
}

pub fn not<'a>(_: &Scope<'_, 'a>, input: Items<'a>, _: &'a [Ast]) -> Evaluated<'a> {
    Ok(boolean(truth(&input)?.map(|value| !value)))
}
