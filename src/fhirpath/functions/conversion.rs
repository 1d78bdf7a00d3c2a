//! Conversion: <https://hl7.org/fhirpath/N1/#conversion>
//!
//! What cannot be converted is empty; several items are an error.

use super::{one, text_argument};
use crate::fhir::decimal::Decimal;
use crate::fhirpath::ast::Ast;
use crate::fhirpath::context::{Evaluated, Items, Scope};
use crate::fhirpath::eval::evaluate;
use crate::fhirpath::item::{Item, Scalar};
use crate::fhirpath::operators::{boolean, integer_in_range, quantity, single, truth};
use crate::fhirpath::quantity::{Quantity, Unit};
use crate::fhirpath::temporal::{Kind, Temporal};

/// Only the branch that is chosen is evaluated.
pub fn iif<'a>(scope: &Scope<'_, 'a>, input: Items<'a>, arguments: &'a [Ast]) -> Evaluated<'a> {
    let inner = match single(&input, "iif()")? {
        Some(item) => Scope {
            this: item,
            ..*scope
        },
        None => *scope,
    };
    let Some(condition) = arguments.first() else {
        return Ok(Vec::new());
    };
    let chosen = match truth(&evaluate(&inner, condition)?)? {
        Some(true) => arguments.get(1),
        _ => arguments.get(2),
    };
    match chosen {
        Some(chosen) => evaluate(&inner, chosen),
        None => Ok(Vec::new()),
    }
}

/// The value of one item as another type.
fn convert<'a>(
    input: &[Item<'a>],
    change: impl Fn(&Scalar<'_>) -> Option<Item<'a>>,
) -> Evaluated<'a> {
    let item = single(input, "a conversion")?;
    let scalar = item.and_then(Item::scalar);
    one(scalar.as_ref().and_then(change))
}

fn converts<'a>(input: &[Item<'a>], converted: Evaluated<'a>) -> Evaluated<'a> {
    let converts = !converted?.is_empty();
    Ok(boolean((!input.is_empty()).then_some(converts)))
}

fn boolean_of(scalar: &Scalar<'_>) -> Option<bool> {
    const TRUE: [&str; 6] = ["true", "t", "yes", "y", "1", "1.0"];
    const FALSE: [&str; 6] = ["false", "f", "no", "n", "0", "0.0"];
    let is_one = |value: &Decimal| match (value.is_zero(), *value == Decimal::from(1)) {
        (true, _) => Some(false),
        (_, true) => Some(true),
        _ => None,
    };
    match scalar {
        Scalar::Boolean(value) => Some(*value),
        Scalar::Integer(value) => is_one(&Decimal::from(*value)),
        Scalar::Decimal(value) => is_one(value),
        Scalar::String(text) => {
            let is = |words: [&str; 6]| words.iter().any(|word| word.eq_ignore_ascii_case(text));
            is(TRUE).then_some(true).or(is(FALSE).then_some(false))
        }
        _ => None,
    }
}

pub fn to_boolean<'a>(_: &Scope<'_, 'a>, input: Items<'a>, _: &'a [Ast]) -> Evaluated<'a> {
    convert(&input, |scalar| boolean_of(scalar).map(Item::Boolean))
}

pub fn is_boolean<'a>(s: &Scope<'_, 'a>, input: Items<'a>, a: &'a [Ast]) -> Evaluated<'a> {
    converts(&input, to_boolean(s, input.clone(), a))
}

pub fn to_integer<'a>(_: &Scope<'_, 'a>, input: Items<'a>, _: &'a [Ast]) -> Evaluated<'a> {
    convert(&input, |scalar| match scalar {
        Scalar::Integer(value) => Some(Item::Integer(*value)),
        Scalar::Boolean(value) => Some(Item::Integer(i64::from(*value))),
        Scalar::String(text) => integer_in_range(text.parse().ok()),
        _ => None,
    })
}

pub fn is_integer<'a>(s: &Scope<'_, 'a>, input: Items<'a>, a: &'a [Ast]) -> Evaluated<'a> {
    converts(&input, to_integer(s, input.clone(), a))
}

pub fn to_decimal<'a>(_: &Scope<'_, 'a>, input: Items<'a>, _: &'a [Ast]) -> Evaluated<'a> {
    convert(&input, |scalar| {
        let value = match scalar {
            Scalar::Decimal(value) => Some(value.clone().into_owned()),
            Scalar::Integer(value) => Some(Decimal::from(*value)),
            Scalar::Boolean(value) => Some(Decimal::from(i64::from(*value))),
            Scalar::String(text) if !text.contains(['e', 'E']) => Decimal::parse(text),
            _ => None,
        };
        value.map(Item::decimal)
    })
}

pub fn is_decimal<'a>(s: &Scope<'_, 'a>, input: Items<'a>, a: &'a [Ast]) -> Evaluated<'a> {
    converts(&input, to_decimal(s, input.clone(), a))
}

pub fn to_date<'a>(_: &Scope<'_, 'a>, input: Items<'a>, _: &'a [Ast]) -> Evaluated<'a> {
    convert(&input, |scalar| {
        let value = match scalar {
            Scalar::Temporal(value) if value.kind != Kind::Time => Some(value.date()),
            Scalar::String(text) => Temporal::parse(text, Kind::Date),
            _ => None,
        };
        value.map(Item::Temporal)
    })
}

pub fn is_date<'a>(s: &Scope<'_, 'a>, input: Items<'a>, a: &'a [Ast]) -> Evaluated<'a> {
    converts(&input, to_date(s, input.clone(), a))
}

pub fn to_date_time<'a>(_: &Scope<'_, 'a>, input: Items<'a>, _: &'a [Ast]) -> Evaluated<'a> {
    convert(&input, |scalar| {
        let value = match scalar {
            Scalar::Temporal(value) if value.kind != Kind::Time => Some(value.date_time()),
            Scalar::String(text) => Temporal::parse(text, Kind::DateTime),
            _ => None,
        };
        value.map(Item::Temporal)
    })
}

pub fn is_date_time<'a>(s: &Scope<'_, 'a>, input: Items<'a>, a: &'a [Ast]) -> Evaluated<'a> {
    converts(&input, to_date_time(s, input.clone(), a))
}

pub fn to_time<'a>(_: &Scope<'_, 'a>, input: Items<'a>, _: &'a [Ast]) -> Evaluated<'a> {
    convert(&input, |scalar| {
        let value = match scalar {
            Scalar::Temporal(value) if value.kind == Kind::Time => Some(*value),
            Scalar::String(text) => {
                Temporal::parse(text.strip_prefix('T').unwrap_or(text), Kind::Time)
            }
            _ => None,
        };
        value.map(Item::Temporal)
    })
}

pub fn is_time<'a>(s: &Scope<'_, 'a>, input: Items<'a>, a: &'a [Ast]) -> Evaluated<'a> {
    converts(&input, to_time(s, input.clone(), a))
}

/// In the unit of the argument, if there is one.
pub fn to_quantity<'a>(
    scope: &Scope<'_, 'a>,
    input: Items<'a>,
    arguments: &'a [Ast],
) -> Evaluated<'a> {
    let unit = text_argument(scope, arguments, 0)?;
    convert(&input, |scalar| {
        let value = match scalar {
            Scalar::Boolean(value) => {
                let number = Decimal::parse(if *value { "1.0" } else { "0.0" })?;
                Quantity::new(number, Unit::one())
            }
            Scalar::String(text) => Quantity::parse(text)?,
            other => quantity(other)?.into_owned(),
        };
        let value = match &unit {
            Some(unit) => value.convert(&Unit::quoted(unit))?,
            None => value,
        };
        Some(Item::Quantity(Box::new(value)))
    })
}

pub fn is_quantity<'a>(s: &Scope<'_, 'a>, input: Items<'a>, a: &'a [Ast]) -> Evaluated<'a> {
    converts(&input, to_quantity(s, input.clone(), a))
}

/// An item as text, the way that `toString()` does.
pub fn text_of(scalar: &Scalar<'_>) -> String {
    match scalar {
        Scalar::Boolean(value) => value.to_string(),
        Scalar::String(text) => (*text).to_owned(),
        Scalar::Integer(value) => value.to_string(),
        Scalar::Decimal(value) => value.written(),
        Scalar::Temporal(value) => value.to_string(),
        Scalar::Quantity(value) => value.to_string(),
    }
}

pub fn to_string<'a>(_: &Scope<'_, 'a>, input: Items<'a>, _: &'a [Ast]) -> Evaluated<'a> {
    convert(&input, |scalar| Some(Item::string(text_of(scalar))))
}

pub fn is_string<'a>(s: &Scope<'_, 'a>, input: Items<'a>, a: &'a [Ast]) -> Evaluated<'a> {
    converts(&input, to_string(s, input.clone(), a))
}
