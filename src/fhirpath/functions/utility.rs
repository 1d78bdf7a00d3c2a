//! Utility: <https://hl7.org/fhirpath/N1/#utility-functions>, and reflection:
//! <https://hl7.org/fhirpath/N1/#reflection>
//!
//! The clock is given, and is of UTC: an answer must not depend on where a server runs.

use super::{argument, one, text_argument};
use crate::fhirpath::ast::Ast;
use crate::fhirpath::context::{Evaluated, EvaluationError, Items, Scope};
use crate::fhirpath::eval::evaluate;
use crate::fhirpath::item::{Item, Scalar};
use crate::fhirpath::operators::{boolean, quantity, single};
use crate::fhirpath::quantity::Calendar;
use crate::fhirpath::temporal::Temporal;

pub fn trace<'a>(scope: &Scope<'_, 'a>, input: Items<'a>, arguments: &'a [Ast]) -> Evaluated<'a> {
    let name = text_argument(scope, arguments, 0)?;
    let Some(outside) = scope.run.context.outside else {
        return Ok(input);
    };
    let name = name.unwrap_or_default();
    match arguments.get(1) {
        None => outside.trace(&name, &input),
        Some(projection) => {
            for (index, item) in input.iter().enumerate() {
                let found = evaluate(&scope.on(item, index), projection)?;
                outside.trace(&name, &found);
            }
        }
    }
    Ok(input)
}

fn clock(scope: &Scope<'_, '_>) -> Result<Temporal, EvaluationError> {
    let now = scope.run.context.now.map(Temporal::at);
    now.ok_or_else(|| EvaluationError::new("expected an expression that does not ask the time"))
}

pub fn now<'a>(scope: &Scope<'_, 'a>, _: Items<'a>, _: &'a [Ast]) -> Evaluated<'a> {
    Ok(vec![Item::Temporal(clock(scope)?)])
}

pub fn today<'a>(scope: &Scope<'_, 'a>, _: Items<'a>, _: &'a [Ast]) -> Evaluated<'a> {
    Ok(vec![Item::Temporal(clock(scope)?.date())])
}

pub fn time_of_day<'a>(scope: &Scope<'_, 'a>, _: Items<'a>, _: &'a [Ast]) -> Evaluated<'a> {
    one(clock(scope)?.time().map(Item::Temporal))
}

pub fn type_of<'a>(_: &Scope<'_, 'a>, input: Items<'a>, _: &'a [Ast]) -> Evaluated<'a> {
    let type_of = |item: &Item<'a>| match item {
        Item::Node(node) => Some(Item::Type("FHIR", node.node_type.name())),
        Item::Target(resource_type) => Some(Item::Type("FHIR", resource_type.name())),
        Item::Type(..) => Some(Item::Type("System", "TypeInfo")),
        computed => computed
            .system()
            .map(|system| Item::Type("System", system.name())),
    };
    Ok(input.iter().filter_map(type_of).collect())
}

/// Whether two quantities have an order.
pub fn comparable<'a>(
    scope: &Scope<'_, 'a>,
    input: Items<'a>,
    arguments: &'a [Ast],
) -> Evaluated<'a> {
    let other = argument(scope, arguments, 0)?;
    let (left, right) = (
        single(&input, "comparable()")?,
        single(&other, "comparable()")?,
    );
    let (Some(left), Some(right)) = (left, right) else {
        return Ok(Vec::new());
    };
    let (Some(left), Some(right)) = (left.scalar(), right.scalar()) else {
        return Ok(Vec::new());
    };
    let (Some(left), Some(right)) = (quantity(&left), quantity(&right)) else {
        return Ok(Vec::new());
    };
    Ok(boolean(Some(left.compare(&right).is_some())))
}

fn part<'a>(input: &[Item<'a>], unit: Calendar) -> Evaluated<'a> {
    let item = single(input, "a part of a date")?;
    one(match item.and_then(|item| item.scalar()) {
        Some(Scalar::Temporal(value)) => value.part(unit).map(Item::Integer),
        _ => None,
    })
}

pub fn year_of<'a>(_: &Scope<'_, 'a>, input: Items<'a>, _: &'a [Ast]) -> Evaluated<'a> {
    part(&input, Calendar::Year)
}

pub fn month_of<'a>(_: &Scope<'_, 'a>, input: Items<'a>, _: &'a [Ast]) -> Evaluated<'a> {
    part(&input, Calendar::Month)
}

pub fn day_of<'a>(_: &Scope<'_, 'a>, input: Items<'a>, _: &'a [Ast]) -> Evaluated<'a> {
    part(&input, Calendar::Day)
}

pub fn hour_of<'a>(_: &Scope<'_, 'a>, input: Items<'a>, _: &'a [Ast]) -> Evaluated<'a> {
    part(&input, Calendar::Hour)
}

pub fn minute_of<'a>(_: &Scope<'_, 'a>, input: Items<'a>, _: &'a [Ast]) -> Evaluated<'a> {
    part(&input, Calendar::Minute)
}

pub fn second_of<'a>(_: &Scope<'_, 'a>, input: Items<'a>, _: &'a [Ast]) -> Evaluated<'a> {
    part(&input, Calendar::Second)
}

pub fn millisecond_of<'a>(_: &Scope<'_, 'a>, input: Items<'a>, _: &'a [Ast]) -> Evaluated<'a> {
    part(&input, Calendar::Millisecond)
}
