//! Filtering and projection: <https://hl7.org/fhirpath/N1/#filtering-and-projection>, and
//! aggregates: <https://hl7.org/fhirpath/N1/#aggregates>

use crate::fhirpath::ast::Ast;
use crate::fhirpath::context::{Evaluated, EvaluationError, Items, Scope};
use crate::fhirpath::eval::evaluate;
use crate::fhirpath::operators::{self, Distinct, truth};
use std::cmp::Ordering;

pub fn filter<'a>(scope: &Scope<'_, 'a>, input: Items<'a>, arguments: &'a [Ast]) -> Evaluated<'a> {
    let mut kept = Vec::new();
    for (index, item) in input.into_iter().enumerate() {
        let mut holds = true;
        for condition in arguments {
            holds &= truth(&evaluate(&scope.on(&item, index), condition)?)? == Some(true);
        }
        if holds {
            kept.push(item);
        }
    }
    Ok(kept)
}

pub fn select<'a>(scope: &Scope<'_, 'a>, input: Items<'a>, arguments: &'a [Ast]) -> Evaluated<'a> {
    let mut all = Vec::new();
    for (index, item) in input.iter().enumerate() {
        for projection in arguments {
            all.extend(evaluate(&scope.on(item, index), projection)?);
        }
    }
    Ok(all)
}

pub fn repeat<'a>(scope: &Scope<'_, 'a>, input: Items<'a>, arguments: &'a [Ast]) -> Evaluated<'a> {
    repeated(scope, input, arguments, true)
}

/// The same with what is found twice.
pub fn repeat_all<'a>(
    scope: &Scope<'_, 'a>,
    input: Items<'a>,
    arguments: &'a [Ast],
) -> Evaluated<'a> {
    repeated(scope, input, arguments, false)
}

fn repeated<'a>(
    scope: &Scope<'_, 'a>,
    input: Items<'a>,
    arguments: &'a [Ast],
    is_distinct: bool,
) -> Evaluated<'a> {
    let (mut all, mut queue) = (Vec::new(), input);
    let mut known = Distinct::default();
    while !queue.is_empty() {
        let mut next = Vec::new();
        for (index, item) in queue.iter().enumerate() {
            for projection in arguments {
                for found in evaluate(&scope.on(item, index), projection)? {
                    scope.charge(1)?;
                    if !is_distinct || known.push(scope, found.clone())? {
                        next.push(found);
                    }
                }
            }
        }
        all.extend_from_slice(&next);
        queue = next;
    }
    Ok(all)
}

/// By keys, a negated one descending; an item without a key comes first.
pub fn sort<'a>(scope: &Scope<'_, 'a>, input: Items<'a>, arguments: &'a [Ast]) -> Evaluated<'a> {
    scope.charge(input.len().saturating_mul(arguments.len() + 1))?;
    let mut keyed = Vec::with_capacity(input.len());
    for (index, item) in input.into_iter().enumerate() {
        let keys: Vec<Items<'a>> = match arguments {
            [] => vec![vec![item.clone()]],
            keys => {
                let inner = scope.on(&item, index);
                let key = |key: &'a Ast| evaluate(&inner, of_key(key).0);
                keys.iter().map(key).collect::<Result<_, _>>()?
            }
        };
        for key in &keys {
            operators::single(key, "a key of sort()")?;
        }
        keyed.push((keys, item));
    }
    let mut failure = None;
    keyed.sort_by(|(left, _), (right, _)| {
        let mut order = Ordering::Equal;
        for (at, (left, right)) in left.iter().zip(right).enumerate() {
            let is_descending = arguments.get(at).is_some_and(|key| of_key(key).1);
            let found = order_of(left, right).unwrap_or_else(|error| {
                failure.get_or_insert(error);
                Ordering::Equal
            });
            order = if is_descending {
                found.reverse()
            } else {
                found
            };
            if order.is_ne() {
                break;
            }
        }
        order
    });
    match failure {
        Some(error) => Err(error),
        None => Ok(keyed.into_iter().map(|(_, item)| item).collect()),
    }
}

/// A key without its sign, and whether it had one.
fn of_key(key: &Ast) -> (&Ast, bool) {
    match key {
        Ast::Negate(of) => (of, true),
        other => (other, false),
    }
}

fn order_of(left: &Items<'_>, right: &Items<'_>) -> Result<Ordering, EvaluationError> {
    match (left.first(), right.first()) {
        (Some(left), Some(right)) => {
            Ok(operators::compare(left, right)?.unwrap_or(Ordering::Equal))
        }
        (left, right) => Ok(left.is_some().cmp(&right.is_some())),
    }
}

/// The first argument that gives anything.
pub fn coalesce<'a>(scope: &Scope<'_, 'a>, _: Items<'a>, arguments: &'a [Ast]) -> Evaluated<'a> {
    for argument in arguments {
        let found = evaluate(scope, argument)?;
        if !found.is_empty() {
            return Ok(found);
        }
    }
    Ok(Vec::new())
}

pub fn aggregate<'a>(
    scope: &Scope<'_, 'a>,
    input: Items<'a>,
    arguments: &'a [Ast],
) -> Evaluated<'a> {
    let mut total = super::argument(scope, arguments, 1)?;
    let Some(aggregator) = arguments.first() else {
        return Ok(total);
    };
    for (index, item) in input.iter().enumerate() {
        let inner = Scope {
            total: &total,
            ..scope.on(item, index)
        };
        total = evaluate(&inner, aggregator)?;
        scope.charge(total.len())?;
    }
    Ok(total)
}
