//! Numbers, with units or without: what two of them have in common, and calculating.
//! <https://hl7.org/fhirpath/N1/#math>, <https://hl7.org/fhirpath/N1/#datetime-arithmetic>

use super::{is_bare, joined, name_of, single, unexpected};
use crate::fhir::decimal::{Decimal, Rounding};
use crate::fhirpath::ast::Operator;
use crate::fhirpath::context::{Evaluated, EvaluationError};
use crate::fhirpath::item::{Item, Scalar};
use crate::fhirpath::quantity::{Quantity, Unit};
use std::borrow::Cow;

/// Digits of a quotient that has no end.
const DIGITS: usize = 28;
/// No computed number has more digits.
const LONGEST_NUMBER: usize = 500;

/// Two numbers in the form that they have in common.
pub enum Numbers<'i> {
    Decimals(Cow<'i, Decimal>, Cow<'i, Decimal>),
    Quantities(Cow<'i, Quantity>, Cow<'i, Quantity>),
}

pub fn numbers<'i>(left: &'i Scalar<'i>, right: &'i Scalar<'i>) -> Option<Numbers<'i>> {
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

pub fn calculate<'a>(operator: Operator, left: &[Item<'a>], right: &[Item<'a>]) -> Evaluated<'a> {
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
