//! The operators. <https://hl7.org/fhirpath/N1/#operations>
//!
//! Everything here has three outcomes: yes, no, and not known, which is the empty collection.

use super::ast::{Ast, Operator};
use super::context::{Evaluated, EvaluationError, Items, Scope};
use super::eval::evaluate;
use super::item::{Item, Scalar};
use super::quantity::{Quantity, Unit, equivalent};
use crate::fhir::decimal::{Decimal, Rounding};
use serde_json::Value;
use std::borrow::Cow;
use std::cmp::Ordering;

/// Digits of a quotient that has no end.
pub const DIGITS: usize = 28;
/// No computed text is longer, in bytes.
pub const LONGEST_TEXT: usize = 1 << 20;
/// No computed number has more digits.
const LONGEST_NUMBER: usize = 500;

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

/// Without repetitions.
///
/// # Errors
/// More comparisons than the limits allow.
pub fn union<'a>(scope: &Scope<'_, 'a>, left: Items<'a>, right: Items<'a>) -> Evaluated<'a> {
    let mut all = distinct(scope, left)?;
    for item in right {
        push_new(scope, &mut all, item)?;
    }
    Ok(all)
}

pub fn distinct<'a>(scope: &Scope<'_, 'a>, items: Items<'a>) -> Evaluated<'a> {
    if items.len() < 2 {
        return Ok(items);
    }
    let mut all = Vec::with_capacity(items.len());
    for item in items {
        push_new(scope, &mut all, item)?;
    }
    Ok(all)
}

/// Adds an item unless it is there; whether it was added.
pub fn push_new<'a>(
    scope: &Scope<'_, 'a>,
    all: &mut Items<'a>,
    item: Item<'a>,
) -> Result<bool, EvaluationError> {
    scope.charge(all.len())?;
    let is_new = !has(all, &item);
    if is_new {
        all.push(item);
    }
    Ok(is_new)
}

/// Whether an item of the collection is equal to this one.
pub fn has(items: &[Item<'_>], item: &Item<'_>) -> bool {
    items
        .iter()
        .any(|known| items_equal(known, item) == Some(true))
}

fn contains(items: &[Item<'_>], one: &[Item<'_>]) -> Result<Option<bool>, EvaluationError> {
    Ok(single(one, "a member")?.map(|item| has(items, item)))
}

/// `=`: not known when either side is empty.
pub fn equal(left: &[Item<'_>], right: &[Item<'_>]) -> Option<bool> {
    if left.is_empty() || right.is_empty() {
        return None;
    }
    if left.len() != right.len() {
        return Some(false);
    }
    let mut all = Some(true);
    for (left, right) in left.iter().zip(right) {
        match items_equal(left, right) {
            Some(true) => {}
            Some(false) => return Some(false),
            None => all = None,
        }
    }
    all
}

/// A place is equal to itself, which is cheaper to see than that its value is.
fn is_same_place(left: &Item<'_>, right: &Item<'_>) -> bool {
    match (left, right) {
        (Item::Node(left), Item::Node(right)) => match (left.value, right.value) {
            (Some(left), Some(right)) => std::ptr::eq(left, right),
            (None, None) => match (left.companion, right.companion) {
                (Some(left), Some(right)) => std::ptr::eq(left, right),
                _ => false,
            },
            _ => false,
        },
        _ => false,
    }
}

fn items_equal(left: &Item<'_>, right: &Item<'_>) -> Option<bool> {
    if is_same_place(left, right) {
        return Some(true);
    }
    match (left.scalar(), right.scalar()) {
        (Some(left), Some(right)) => scalars_equal(&left, &right),
        (None, None) => Some(match (left, right) {
            (Item::Node(left), Item::Node(right)) => match (left.value, right.value) {
                (Some(left), Some(right)) => json_equal(left, right),
                (None, None) => match (left.companion, right.companion) {
                    (Some(left), Some(right)) => json_equal(left, right),
                    _ => false,
                },
                _ => false,
            },
            (Item::Target(left), Item::Target(right)) => left == right,
            (Item::Type(a, b), Item::Type(c, d)) => a == c && b == d,
            _ => false,
        }),
        _ => Some(false),
    }
}

fn scalars_equal(left: &Scalar<'_>, right: &Scalar<'_>) -> Option<bool> {
    match (left, right) {
        (Scalar::String(left), Scalar::String(right)) => Some(left == right),
        (Scalar::Boolean(left), Scalar::Boolean(right)) => Some(left == right),
        (Scalar::Integer(left), Scalar::Integer(right)) => Some(left == right),
        (Scalar::Temporal(left), Scalar::Temporal(right)) => {
            if !left.is_comparable(right) {
                return Some(false);
            }
            left.compare(right).map(Ordering::is_eq)
        }
        _ => match numbers(left, right) {
            Some(Numbers::Decimals(left, right)) => Some(*left == *right),
            Some(Numbers::Quantities(left, right)) => left.compare(&right).map(Ordering::is_eq),
            None => Some(false),
        },
    }
}

/// Two numbers in the form that they have in common.
enum Numbers<'i> {
    Decimals(Cow<'i, Decimal>, Cow<'i, Decimal>),
    Quantities(Cow<'i, Quantity>, Cow<'i, Quantity>),
}

fn numbers<'i>(left: &'i Scalar<'i>, right: &'i Scalar<'i>) -> Option<Numbers<'i>> {
    match (left, right) {
        (Scalar::Quantity(left), right) => {
            Some(Numbers::Quantities(Cow::Borrowed(left), quantity(right)?))
        }
        (left, Scalar::Quantity(right)) => {
            Some(Numbers::Quantities(quantity(left)?, Cow::Borrowed(right)))
        }
        (left, right) => Some(Numbers::Decimals(decimal(left)?, decimal(right)?)),
    }
}

/// A number as a decimal.
pub fn decimal<'i>(scalar: &'i Scalar<'_>) -> Option<Cow<'i, Decimal>> {
    match scalar {
        Scalar::Integer(value) => Some(Cow::Owned(Decimal::from(*value))),
        Scalar::Decimal(value) => Some(Cow::Borrowed(value)),
        _ => None,
    }
}

/// A number, with a unit or without.
pub fn quantity<'i>(scalar: &'i Scalar<'_>) -> Option<Cow<'i, Quantity>> {
    match scalar {
        Scalar::Quantity(value) => Some(Cow::Borrowed(value)),
        other => {
            let value = decimal(other)?.into_owned();
            Some(Cow::Owned(Quantity::new(value, Unit::one())))
        }
    }
}

fn json_equal(left: &Value, right: &Value) -> bool {
    match (left, right) {
        (Value::Number(left), Value::Number(right)) => {
            match (
                Decimal::parse(left.as_str()),
                Decimal::parse(right.as_str()),
            ) {
                (Some(left), Some(right)) => left == right,
                _ => left == right,
            }
        }
        (Value::Array(left), Value::Array(right)) => {
            let mut pairs = left.iter().zip(right);
            left.len() == right.len() && pairs.all(|(left, right)| json_equal(left, right))
        }
        (Value::Object(left), Value::Object(right)) => {
            let is_there = |(name, left)| {
                let right: Option<&Value> = right.get(name);
                right.is_some_and(|right| json_equal(left, right))
            };
            left.len() == right.len() && left.iter().all(is_there)
        }
        _ => left == right,
    }
}

/// `~`: in any order, and what is not known is not equivalent.
fn are_equivalent(left: &[Item<'_>], right: &[Item<'_>]) -> bool {
    in_any_order(left, right, items_equivalent)
}

fn in_any_order<T>(left: &[T], right: &[T], same: impl Fn(&T, &T) -> bool) -> bool {
    let mut is_taken = vec![false; right.len()];
    left.len() == right.len()
        && left.iter().all(|left| {
            let mut candidates = right.iter().zip(&mut is_taken);
            let found = candidates.find(|(right, taken)| !**taken && same(left, right));
            found.map(|(_, taken)| *taken = true).is_some()
        })
}

fn items_equivalent(left: &Item<'_>, right: &Item<'_>) -> bool {
    if is_same_place(left, right) {
        return true;
    }
    match (left.scalar(), right.scalar()) {
        (Some(Scalar::String(left)), Some(Scalar::String(right))) => texts_equivalent(left, right),
        (Some(left), Some(right)) => match numbers(&left, &right) {
            Some(Numbers::Decimals(left, right)) => equivalent(&left, &right),
            Some(Numbers::Quantities(left, right)) => {
                left.is_equivalent(&right).unwrap_or_default()
            }
            None => scalars_equal(&left, &right).unwrap_or_default(),
        },
        (None, None) => match (left, right) {
            (Item::Node(left), Item::Node(right)) => match (left.value, right.value) {
                (Some(left), Some(right)) => json_equivalent(left, right),
                _ => false,
            },
            _ => items_equal(left, right).unwrap_or_default(),
        },
        _ => false,
    }
}

/// Without case, any space being a blank.
fn texts_equivalent(left: &str, right: &str) -> bool {
    let folded = |c: char| if c.is_whitespace() { ' ' } else { c };
    let folded = |text: &str| text.to_lowercase().chars().map(folded).collect::<String>();
    folded(left) == folded(right)
}

fn json_equivalent(left: &Value, right: &Value) -> bool {
    match (left, right) {
        (Value::String(left), Value::String(right)) => texts_equivalent(left, right),
        (Value::Number(left), Value::Number(right)) => {
            match (
                Decimal::parse(left.as_str()),
                Decimal::parse(right.as_str()),
            ) {
                (Some(left), Some(right)) => equivalent(&left, &right),
                _ => left == right,
            }
        }
        (Value::Array(left), Value::Array(right)) => in_any_order(left, right, json_equivalent),
        (Value::Object(left), Value::Object(right)) => {
            let is_there = |(name, left)| {
                let right: Option<&Value> = right.get(name);
                right.is_some_and(|right| json_equivalent(left, right))
            };
            left.len() == right.len() && left.iter().all(is_there)
        }
        _ => left == right,
    }
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

/// `-items`
pub fn negate<'a>(items: &[Item<'a>]) -> Evaluated<'a> {
    let Some(item) = single(items, "-")? else {
        return Ok(Vec::new());
    };
    Ok(match item.scalar() {
        Some(Scalar::Integer(value)) => {
            value.checked_neg().map(Item::Integer).into_iter().collect()
        }
        Some(Scalar::Decimal(value)) => vec![Item::decimal(value.negated())],
        Some(Scalar::Quantity(value)) => {
            let negated = Quantity::new(value.value.negated(), value.unit.clone());
            vec![Item::Quantity(Box::new(negated))]
        }
        _ => return Err(unexpected("a number", "-", item)),
    })
}

fn calculate<'a>(operator: Operator, left: &[Item<'a>], right: &[Item<'a>]) -> Evaluated<'a> {
    let place = operator.symbol();
    let (left, right) = (single(left, place)?, single(right, place)?);
    let (Some(left), Some(right)) = (left, right) else {
        return Ok(Vec::new());
    };
    let refused = || {
        let (left, right) = (name_of(left), name_of(right));
        EvaluationError::new(format!(
            "expected two operands that `{place}` is defined for but found {left} and {right}"
        ))
    };
    let (Some(a), Some(b)) = (left.scalar(), right.scalar()) else {
        return match is_bare(left) || is_bare(right) {
            true => Ok(Vec::new()),
            false => Err(refused()),
        };
    };
    let result = match (&a, &b) {
        (Scalar::String(left), Scalar::String(right)) if operator == Operator::Add => {
            return joined(&[left, right]);
        }
        (Scalar::Integer(left), Scalar::Integer(right)) if operator != Operator::Divide => {
            of_integers(operator, *left, *right)
        }
        (Scalar::Temporal(left), Scalar::Quantity(right))
            if matches!(operator, Operator::Add | Operator::Subtract) =>
        {
            let unit = right.unit.calendar().ok_or_else(|| {
                EvaluationError::new(format!(
                    "expected a duration of the calendar but found {right}"
                ))
            })?;
            let amount = match operator {
                Operator::Add => right.value.clone(),
                _ => right.value.negated(),
            };
            let sum = left.plus(&amount, unit);
            Some(Item::Temporal(sum.map_err(EvaluationError::new)?))
        }
        _ => match numbers(&a, &b) {
            Some(Numbers::Decimals(left, right)) => of_decimals(operator, &left, &right),
            Some(Numbers::Quantities(left, right)) => {
                of_quantities(operator, &left, &right).map_err(|()| refused())?
            }
            None => return Err(refused()),
        },
    };
    Ok(result.into_iter().collect())
}

/// What does not fit 32 bits is empty.
pub fn integer_in_range<'a>(value: Option<i64>) -> Option<Item<'a>> {
    let value = value.filter(|value| i32::try_from(*value).is_ok());
    value.map(Item::Integer)
}

fn of_integers<'a>(operator: Operator, left: i64, right: i64) -> Option<Item<'a>> {
    integer_in_range(match operator {
        Operator::Add => left.checked_add(right),
        Operator::Subtract => left.checked_sub(right),
        Operator::Multiply => left.checked_mul(right),
        Operator::Div => left.checked_div(right),
        _ => left.checked_rem(right),
    })
}

/// `None` by zero, and for what is longer than is calculated with.
fn of_decimals<'a>(operator: Operator, left: &Decimal, right: &Decimal) -> Option<Item<'a>> {
    let value = match operator {
        Operator::Add => left.plus(right),
        Operator::Subtract => left.minus(right),
        Operator::Multiply => left.times(right),
        _ if right.is_zero() => return None,
        Operator::Divide => left.quotient(right, DIGITS),
        Operator::Div => whole_quotient(left, right),
        _ => left.minus(&right.times(&whole_quotient(left, right))),
    };
    (value.length() <= LONGEST_NUMBER).then(|| Item::decimal(value))
}

fn whole_quotient(left: &Decimal, right: &Decimal) -> Decimal {
    let digits = left.to_string().len() + right.to_string().len() + 2;
    left.quotient(right, digits).to_scale(0, Rounding::Truncate)
}

fn of_quantities<'a>(
    operator: Operator,
    left: &Quantity,
    right: &Quantity,
) -> Result<Option<Item<'a>>, ()> {
    let result = match operator {
        Operator::Add => left.plus(right).ok_or(())?,
        Operator::Subtract => {
            let negated = Quantity::new(right.value.negated(), right.unit.clone());
            left.plus(&negated).ok_or(())?
        }
        Operator::Multiply => left.times(right).ok_or(())?,
        Operator::Divide if right.value.is_zero() => return Ok(None),
        Operator::Divide => left.divided(right, DIGITS).ok_or(())?,
        _ => return Err(()),
    };
    let is_short = result.value.length() <= LONGEST_NUMBER;
    Ok(is_short.then(|| Item::Quantity(Box::new(result))))
}
