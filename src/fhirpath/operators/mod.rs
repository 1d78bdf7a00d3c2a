//! The operators, and what they share with functions. <https://hl7.org/fhirpath/N1/#operations>
//!
//! Everything here has three outcomes: yes, no, and not known, which is the empty collection.

mod equality;
mod numbers;

pub use equality::{Distinct, distinct, equal, has, union};
pub use numbers::{decimal, integer_in_range, negate, quantity};

use super::ast::{Ast, Operator};
use super::context::{Evaluated, EvaluationError, Items, Scope};
use super::eval::evaluate;
use super::item::{Item, Scalar};
use equality::are_equivalent;
use numbers::{Numbers, calculate, numbers};
use std::borrow::Cow;
use std::cmp::Ordering;

/// No computed text is longer, in bytes.
pub const LONGEST_TEXT: usize = 1 << 20;

/// Evaluates `left operator right`.
pub fn binary<'a>(
    scope: &Scope<'_, 'a>,
    operator: Operator,
    left: &'a Ast,
    right: &'a Ast,
) -> Evaluated<'a> {
    let left = evaluate(scope, left)?;
    match operator {
        Operator::And | Operator::Or | Operator::Implies | Operator::Xor => {
            let left = truth(&left)?;
            let decided = match operator {
                Operator::And => left == Some(false),
                Operator::Or => left == Some(true),
                Operator::Implies => left == Some(false),
                _ => false,
            };
            if decided {
                return Ok(boolean(Some(operator != Operator::And)));
            }
            let right = truth(&evaluate(scope, right)?)?;
            return Ok(boolean(logic(operator, left, right)));
        }
        _ => {}
    }
    let right = evaluate(scope, right)?;
    match operator {
        Operator::Union => union(scope, left, right),
        Operator::Equal => Ok(boolean(equal(&left, &right))),
        Operator::NotEqual => Ok(boolean(equal(&left, &right).map(|equal| !equal))),
        Operator::Equivalent | Operator::NotEquivalent => {
            scope.charge(left.len().saturating_mul(right.len()))?;
            let holds = are_equivalent(&left, &right);
            Ok(boolean(Some(holds == (operator == Operator::Equivalent))))
        }
        Operator::In => Ok(boolean(contains(&right, &left)?)),
        Operator::Contains => Ok(boolean(contains(&left, &right)?)),
        Operator::Concatenate => concatenate(&left, &right),
        Operator::Less | Operator::LessOrEqual | Operator::Greater | Operator::GreaterOrEqual => {
            ordered(operator, &left, &right)
        }
        _ => calculate(operator, &left, &right),
    }
}

/// Three-valued logic: <https://hl7.org/fhirpath/N1/#boolean-logic>
fn logic(operator: Operator, left: Option<bool>, right: Option<bool>) -> Option<bool> {
    match operator {
        Operator::And => match (left, right) {
            (Some(false), _) | (_, Some(false)) => Some(false),
            (Some(true), Some(true)) => Some(true),
            _ => None,
        },
        Operator::Or => logic(Operator::And, left.map(|l| !l), right.map(|r| !r)).map(|and| !and),
        Operator::Implies => logic(Operator::Or, left.map(|l| !l), right),
        _ => Some(left? != right?),
    }
}

pub fn boolean<'a>(value: Option<bool>) -> Items<'a> {
    value.map(Item::Boolean).into_iter().collect()
}

/// A collection as a condition: one item that is no boolean counts as true.
/// <https://hl7.org/fhirpath/N1/#singleton-evaluation-of-collections>
///
/// # Errors
/// Several items.
pub fn truth(items: &[Item<'_>]) -> Result<Option<bool>, EvaluationError> {
    match single(items, "a condition")?.map(|item| item.scalar()) {
        None => Ok(None),
        Some(Some(Scalar::Boolean(value))) => Ok(Some(value)),
        Some(_) => Ok(Some(true)),
    }
}

pub fn too_many(place: &str) -> EvaluationError {
    EvaluationError::new(format!(
        "expected at most one item for {place} but found several"
    ))
}

/// The item, if there is one.
///
/// # Errors
/// Several items.
pub fn single<'i, 'a>(
    items: &'i [Item<'a>],
    place: &str,
) -> Result<Option<&'i Item<'a>>, EvaluationError> {
    match items {
        [] => Ok(None),
        [item] => Ok(Some(item)),
        _ => Err(too_many(place)),
    }
}

/// The integer, if there is one.
///
/// # Errors
/// Several items, or another one.
pub fn integer(items: &[Item<'_>], place: &str) -> Result<Option<i64>, EvaluationError> {
    match single(items, place)?.map(|item| (item, item.scalar())) {
        None => Ok(None),
        Some((_, Some(Scalar::Integer(value)))) => Ok(Some(value)),
        Some((item, _)) => Err(unexpected("an integer", place, item)),
    }
}

pub fn unexpected(expected: &str, place: &str, found: &Item<'_>) -> EvaluationError {
    EvaluationError::new(format!(
        "expected {expected} for {place} but found {}",
        name_of(found)
    ))
}

/// The name of an item's type, for a message.
pub fn name_of<'i>(item: &'i Item<'_>) -> &'i str {
    match item {
        Item::Node(node) => node.node_type.name(),
        Item::Type(..) => "a type",
        Item::Target(resource_type) => resource_type.name(),
        computed => computed.system().map_or("", |system| system.name()),
    }
}

fn contains(items: &[Item<'_>], one: &[Item<'_>]) -> Result<Option<bool>, EvaluationError> {
    Ok(single(one, "a member")?.map(|item| has(items, item)))
}

fn ordered<'a>(operator: Operator, left: &[Item<'a>], right: &[Item<'a>]) -> Evaluated<'a> {
    let (left, right) = (
        single(left, "a comparison")?,
        single(right, "a comparison")?,
    );
    let (Some(left), Some(right)) = (left, right) else {
        return Ok(Vec::new());
    };
    let order = compare(left, right)?;
    Ok(boolean(order.map(|order| match operator {
        Operator::Less => order.is_lt(),
        Operator::LessOrEqual => order.is_le(),
        Operator::Greater => order.is_gt(),
        _ => order.is_ge(),
    })))
}

/// The order of two items; `None` where it is not known.
///
/// # Errors
/// Types that have no order between them.
pub fn compare(left: &Item<'_>, right: &Item<'_>) -> Result<Option<Ordering>, EvaluationError> {
    let (Some(a), Some(b)) = (left.scalar(), right.scalar()) else {
        let lacks = |item: &Item<'_>| is_bare(item);
        return match lacks(left) || lacks(right) {
            true => Ok(None),
            false => Err(incomparable(left, right)),
        };
    };
    match (&a, &b) {
        (Scalar::String(left), Scalar::String(right)) => Ok(Some(left.cmp(right))),
        (Scalar::Integer(left), Scalar::Integer(right)) => Ok(Some(left.cmp(right))),
        (Scalar::Temporal(a), Scalar::Temporal(b)) if a.is_comparable(b) => Ok(a.compare(b)),
        _ => match numbers(&a, &b) {
            Some(Numbers::Decimals(left, right)) => Ok(Some(left.cmp(&right))),
            Some(Numbers::Quantities(left, right)) => Ok(left.compare(&right)),
            None => Err(incomparable(left, right)),
        },
    }
}

/// An element that has no value that could be compared: a primitive with extensions only, a
/// Quantity without a number.
fn is_bare(item: &Item<'_>) -> bool {
    matches!(item, Item::Node(node) if node.node_type.system.is_some())
}

fn incomparable(left: &Item<'_>, right: &Item<'_>) -> EvaluationError {
    let (left, right) = (name_of(left), name_of(right));
    EvaluationError::new(format!(
        "expected two values that have an order but found {left} and {right}"
    ))
}

fn concatenate<'a>(left: &[Item<'a>], right: &[Item<'a>]) -> Evaluated<'a> {
    let text = |items| match single(items, "&")? {
        None => Ok(Cow::Borrowed("")),
        Some(item) => item.text().ok_or_else(|| unexpected("a string", "&", item)),
    };
    joined(&[&text(left)?, &text(right)?])
}

/// One text of several.
///
/// # Errors
/// It would be too long.
pub fn joined<'a>(parts: &[&str]) -> Evaluated<'a> {
    let length: usize = parts.iter().map(|part| part.len()).sum();
    check_length(length)?;
    Ok(vec![Item::string(parts.concat())])
}

pub fn check_length(length: usize) -> Result<(), EvaluationError> {
    match length > LONGEST_TEXT {
        true => Err(EvaluationError::new(format!(
            "expected a text of at most {LONGEST_TEXT} bytes"
        ))),
        false => Ok(()),
    }
}
