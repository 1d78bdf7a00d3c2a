//! What a value of limited precision may be at the least and at the most:
//! <https://build.fhir.org/ig/HL7/FHIRPath/#lowboundaryprecision-integer-decimal--date--datetime--time>

use super::{integer_argument, one};
use crate::fhir::decimal::{Decimal, Rounding};
use crate::fhirpath::ast::Ast;
use crate::fhirpath::context::{Evaluated, Items, Scope};
use crate::fhirpath::eval::integer_of;
use crate::fhirpath::item::{Item, Scalar};
use crate::fhirpath::operators::{decimal, single, unexpected};
use crate::fhirpath::quantity::Quantity;
use crate::fhirpath::temporal::Kind;

/// Digits after the point where none are asked for, and at the most.
const DIGITS: usize = 8;
const MOST_DIGITS: usize = 28;

pub fn low<'a>(scope: &Scope<'_, 'a>, input: Items<'a>, arguments: &'a [Ast]) -> Evaluated<'a> {
    boundary(scope, &input, arguments, false)
}

pub fn high<'a>(scope: &Scope<'_, 'a>, input: Items<'a>, arguments: &'a [Ast]) -> Evaluated<'a> {
    boundary(scope, &input, arguments, true)
}

fn boundary<'a>(
    scope: &Scope<'_, 'a>,
    input: &[Item<'a>],
    arguments: &'a [Ast],
    is_high: bool,
) -> Evaluated<'a> {
    let digits = integer_argument(scope, arguments, 0)?;
    let Some(item) = single(input, "a boundary")? else {
        return Ok(Vec::new());
    };
    let Some(scalar) = item.scalar() else {
        return Ok(Vec::new());
    };
    // A negative precision is none.
    let digits = match digits.map(usize::try_from) {
        None => None,
        Some(Ok(digits)) => Some(digits),
        Some(Err(_)) => return Ok(Vec::new()),
    };
    one(match &scalar {
        Scalar::Temporal(value) => {
            let most = match value.kind {
                Kind::Date => 8,
                Kind::DateTime => 17,
                Kind::Time => 9,
            };
            let found = value.boundary(is_high, digits.unwrap_or(most));
            found.map(Item::Temporal)
        }
        Scalar::Quantity(value) => of_decimal(&value.value, digits, is_high)
            .map(|number| Item::Quantity(Box::new(Quantity::new(number, value.unit.clone())))),
        other => match decimal(other) {
            Some(value) => of_decimal(&value, digits, is_high).map(Item::decimal),
            None => return Err(unexpected("a number or a date", "a boundary", item)),
        },
    })
}

/// Half of the last place away, and then outward to so many digits.
fn of_decimal(value: &Decimal, digits: Option<usize>, is_high: bool) -> Option<Decimal> {
    let scale = digits.unwrap_or(DIGITS);
    let half = value.half_unit();
    let (edge, rounding) = match is_high {
        true => (value.plus(&half), Rounding::Ceiling),
        false => (value.minus(&half), Rounding::Floor),
    };
    (scale <= MOST_DIGITS).then(|| edge.to_scale(scale, rounding))
}

/// Digits after the point of a number, all digits of a date.
pub fn precision<'a>(_: &Scope<'_, 'a>, input: Items<'a>, _: &'a [Ast]) -> Evaluated<'a> {
    let Some(item) = single(&input, "precision()")? else {
        return Ok(Vec::new());
    };
    one(match item.scalar() {
        None => None,
        Some(Scalar::Temporal(value)) => integer_of(value.digits()),
        Some(Scalar::Quantity(value)) => integer_of(value.value.scale()),
        Some(other) => match decimal(&other) {
            Some(value) => integer_of(value.scale()),
            None => return Err(unexpected("a number or a date", "precision()", item)),
        },
    })
}
