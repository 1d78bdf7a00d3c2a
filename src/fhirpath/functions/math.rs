//! Numbers: <https://hl7.org/fhirpath/N1/#math>
//!
//! What has an exact answer gets it. Roots, logarithms and exponentials are calculated in
//! binary and rounded to 15 digits.

use super::{integer_argument, one};
use crate::fhir::decimal::{Decimal, Rounding};
use crate::fhirpath::ast::Ast;
use crate::fhirpath::context::{Evaluated, EvaluationError, Items, Scope};
use crate::fhirpath::item::{Item, Scalar};
use crate::fhirpath::operators::{decimal, integer_in_range, single, unexpected};
use crate::fhirpath::quantity::Quantity;

/// No power is calculated exactly beyond this.
const HIGHEST_POWER: i64 = 1000;
/// A longer number is not calculated with.
const LONGEST: usize = 500;
/// No more digits are asked of a rounding.
const MOST_DIGITS: i64 = 100;

/// The same of a number and of the number of a quantity.
fn map<'a>(
    input: &[Item<'a>],
    change: impl Fn(&Decimal) -> Decimal,
    make: fn(Decimal) -> Item<'a>,
) -> Evaluated<'a> {
    let Some(item) = single(input, "a function of numbers")? else {
        return Ok(Vec::new());
    };
    one(match item.scalar() {
        Some(Scalar::Quantity(value)) => {
            let changed = Quantity::new(change(&value.value), value.unit.clone());
            Some(Item::Quantity(Box::new(changed)))
        }
        Some(other) => match decimal(&other) {
            Some(value) => Some(make(change(&value))),
            None => return Err(unexpected("a number", "this function", item)),
        },
        None => None,
    })
}

/// Whole numbers are integers as far as those go.
fn whole<'a>(value: Decimal) -> Item<'a> {
    match integer_in_range(value.to_integer()) {
        Some(integer) => integer,
        None => Item::decimal(value),
    }
}

pub fn abs<'a>(_: &Scope<'_, 'a>, input: Items<'a>, _: &'a [Ast]) -> Evaluated<'a> {
    if let [item] = input.as_slice()
        && let Some(Scalar::Integer(value)) = item.scalar()
    {
        return one(integer_in_range(value.checked_abs()));
    }
    let size = |value: &Decimal| match value.is_negative() {
        true => value.negated(),
        false => value.clone(),
    };
    map(&input, size, Item::decimal)
}

pub fn ceiling<'a>(_: &Scope<'_, 'a>, input: Items<'a>, _: &'a [Ast]) -> Evaluated<'a> {
    map(&input, |value| value.to_scale(0, Rounding::Ceiling), whole)
}

pub fn floor<'a>(_: &Scope<'_, 'a>, input: Items<'a>, _: &'a [Ast]) -> Evaluated<'a> {
    map(&input, |value| value.to_scale(0, Rounding::Floor), whole)
}

pub fn truncate<'a>(_: &Scope<'_, 'a>, input: Items<'a>, _: &'a [Ast]) -> Evaluated<'a> {
    map(&input, |value| value.to_scale(0, Rounding::Truncate), whole)
}

pub fn round<'a>(scope: &Scope<'_, 'a>, input: Items<'a>, arguments: &'a [Ast]) -> Evaluated<'a> {
    let digits = integer_argument(scope, arguments, 0)?.unwrap_or_default();
    let Ok(scale) = usize::try_from(digits.min(MOST_DIGITS)) else {
        let text = format!("expected a precision of at least 0 but found {digits}");
        return Err(EvaluationError::new(text));
    };
    map(
        &input,
        |value| value.to_scale(scale, Rounding::HalfUp),
        Item::decimal,
    )
}

/// The number as it is calculated with in binary.
fn number(input: &[Item<'_>]) -> Result<Option<f64>, EvaluationError> {
    let Some(item) = single(input, "a function of numbers")? else {
        return Ok(None);
    };
    match item.scalar() {
        None => Ok(None),
        Some(scalar) => match decimal(&scalar) {
            Some(value) => Ok(Some(value.to_f64())),
            None => Err(unexpected("a number", "this function", item)),
        },
    }
}

/// What is no number is empty.
fn rounded<'a>(value: f64) -> Option<Item<'a>> {
    let value = Some(value).filter(|value| value.is_finite())?;
    let value = Decimal::parse(&format!("{value:.14e}"))?;
    Decimal::parse(&value.to_string()).map(Item::decimal)
}

pub fn exp<'a>(_: &Scope<'_, 'a>, input: Items<'a>, _: &'a [Ast]) -> Evaluated<'a> {
    one(number(&input)?.and_then(|value| rounded(value.exp())))
}

pub fn ln<'a>(_: &Scope<'_, 'a>, input: Items<'a>, _: &'a [Ast]) -> Evaluated<'a> {
    one(number(&input)?.and_then(|value| rounded(value.ln())))
}

pub fn sqrt<'a>(_: &Scope<'_, 'a>, input: Items<'a>, _: &'a [Ast]) -> Evaluated<'a> {
    one(number(&input)?.and_then(|value| rounded(value.sqrt())))
}

pub fn log<'a>(scope: &Scope<'_, 'a>, input: Items<'a>, arguments: &'a [Ast]) -> Evaluated<'a> {
    let base = number(&super::argument(scope, arguments, 0)?)?;
    let (Some(value), Some(base)) = (number(&input)?, base) else {
        return Ok(Vec::new());
    };
    one(rounded(value.log(base)))
}

/// Exact where the exponent is whole and not negative.
pub fn power<'a>(scope: &Scope<'_, 'a>, input: Items<'a>, arguments: &'a [Ast]) -> Evaluated<'a> {
    let exponents = super::argument(scope, arguments, 0)?;
    let (Some(value), Some(exponent)) = (number(&input)?, number(&exponents)?) else {
        return Ok(Vec::new());
    };
    let scalars = (input[0].scalar(), exponents[0].scalar());
    let (Some(base), Some(power)) = (&scalars.0, &scalars.1) else {
        return Ok(Vec::new());
    };
    let is_integer = matches!((base, power), (Scalar::Integer(_), Scalar::Integer(_)));
    let times = decimal(power).and_then(|power| power.to_integer());
    let times = times.filter(|times| (0..=HIGHEST_POWER).contains(times));
    let (Some(base), Some(times)) = (decimal(base), times) else {
        return one(rounded(value.powf(exponent)));
    };
    let exact = exact_power(&base, times);
    one(match is_integer {
        true => integer_in_range(exact.and_then(|exact| exact.to_integer())),
        false => exact.map(Item::decimal),
    })
}

fn exact_power(base: &Decimal, times: i64) -> Option<Decimal> {
    let mut product = Decimal::from(1);
    for _ in 0..times {
        product = product.times(base);
        if product.length() > LONGEST {
            return None;
        }
    }
    Some(product)
}
