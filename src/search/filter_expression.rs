//! `_filter`: conditions with `and`, `or`, `not` and brackets.
//! <https://hl7.org/fhir/R4/search_filter.html>
//!
//! ```text
//! filter   = test  |  filter 1*("and" filter)  |  filter 1*("or" filter)
//!          | ["not"] "(" filter ")"
//! test     = path SP operator SP value
//! path     = name  |  name "[" filter "]" "." path
//! name     = the name of a condition, with steps of chains and _has, without a modifier
//! operator = eq ne co sw ew gt lt ge le ap sa eb pr po ss sb in ni re
//! value    = a JSON string  |  what has neither space nor `)` nor `]`
//! ```
//!
//! A test is compiled as the search parameter would be; an operator without an equivalent
//! there is refused with its position, as is `and` beside `or`, whose order the specification
//! leaves to brackets. Values of strings are text as it stands; those of other types are search
//! values, in which `|` and `$` separate.
//!
//! A filter within a path is about what the rest of the path is about: after a reference,
//! `subject[gender eq male].name co x`, the resource that it leads to, asked by its search
//! parameters; after anything else, `name[use eq official].family eq x`, that one [`element`].

use super::params::{self, Modifier, escape};
use super::parse::{self, Step, Term};
use super::plan::{Predicate, RangeTest, StringTest};
use super::registry::{Branch, Kind, Parameter};
use super::resolve::{Context, Problem, parameter_of_all};
use super::{chain, filter, suggest};
use crate::error::Issue;
use crate::fhir::ResourceType;
use parser::{Expression, Filtered, Test, Value};
use std::cell::Cell;

mod element;
mod parser;

/// Conditions that one `_filter` may come to, those on several types counted each: filters within
/// paths multiply them.
const MAX_CONDITIONS: usize = 2000;

/// The predicate of a `_filter`.
pub fn resolve(
    term: &Term<'_>,
    types: &[ResourceType],
    context: &Context<'_>,
) -> Result<Predicate, Problem> {
    let expression = parser::parse(term.value).map_err(|error| {
        let text = format!("{term}: at character {}: {}", error.position, error.text);
        Problem::refused(error.code, text)
    })?;
    let compiler = Compiler {
        context,
        left: Cell::new(MAX_CONDITIONS),
    };
    let compiled = compiler.expression(&expression, types);
    compiled.map_err(|problem| match problem {
        Problem::Unknown(issue) => Problem::Unknown(named(term, issue)),
        Problem::Refused(issue) => Problem::Refused(named(term, issue)),
    })
}

fn named(term: &Term<'_>, issue: Issue) -> Issue {
    Issue {
        text: format!("{term}: {}", issue.text),
        ..issue
    }
}

/// The problem of a test, with its position.
fn at_position(test: &Test<'_>, problem: Problem) -> Problem {
    let at = |issue: Issue| match issue.text.starts_with("at character ") {
        // Within brackets it has been told already.
        true => issue,
        false => Issue {
            text: format!("at character {}: {}", test.position, issue.text),
            ..issue
        },
    };
    match problem {
        Problem::Unknown(issue) => Problem::Unknown(at(issue)),
        Problem::Refused(issue) => Problem::Refused(at(issue)),
    }
}

struct Compiler<'c> {
    context: &'c Context<'c>,
    /// Conditions that may still be compiled.
    left: Cell<usize>,
}

impl Compiler<'_> {
    fn expression(
        &self,
        expression: &Expression<'_>,
        types: &[ResourceType],
    ) -> Result<Predicate, Problem> {
        let all = |parts: &[Expression<'_>]| -> Result<Vec<Predicate>, Problem> {
            let parts = parts.iter();
            parts.map(|part| self.expression(part, types)).collect()
        };
        match expression {
            Expression::And(parts) => Ok(Predicate::And(all(parts)?)),
            Expression::Or(parts) => Ok(Predicate::Or(all(parts)?)),
            Expression::Not(part) => Ok(Predicate::Not(Box::new(self.expression(part, types)?))),
            Expression::Test(test) => {
                let found = self.path(&test.steps, test, types);
                let found = found.map_err(|problem| at_position(test, problem))?;
                Ok(found.unwrap_or(Predicate::Nothing))
            }
        }
    }

    /// What the path of a test asks of resources of these types, from one of its filters on.
    fn path(
        &self,
        steps: &[Filtered<'_>],
        test: &Test<'_>,
        types: &[ResourceType],
    ) -> Result<Option<Predicate>, Problem> {
        match steps.split_first() {
            Some((step, rest)) => {
                let term = parse::parse_term(step.name, "");
                chain::resolve(&term, self.context, types, &|types| {
                    self.filtered(&term, (step, rest), test, types)
                })
            }
            None => {
                let term = parse::parse_term(test.path, "");
                chain::resolve(&term, self.context, types, &|types| {
                    self.condition(test, &term, types).map(Some)
                })
            }
        }
    }

    /// `name[filter].rest`, where the term is the name.
    fn filtered(
        &self,
        term: &Term<'_>,
        (step, rest): (&Filtered<'_>, &[Filtered<'_>]),
        test: &Test<'_>,
        types: &[ResourceType],
    ) -> Result<Option<Predicate>, Problem> {
        let parameters = self.parameters(term, types)?;
        if parameters.iter().all(|one| one.can_be_followed()) {
            let next = rest.first().map_or(test.path, |next| next.name);
            let next = parse::parse_term(next, "");
            let step_to = Step::To {
                code: term.code,
                modifier: term.modifier,
            };
            let led = Term {
                steps: vec![step_to],
                // What a type has to know so that the chain leads to it.
                code: match next.steps.first() {
                    Some(Step::To { code, .. }) => code,
                    Some(Step::From { .. }) => "_has",
                    None => next.code,
                },
                modifier: None,
                value: "",
            };
            return chain::resolve(&led, self.context, types, &|targets| {
                let filter = self.expression(&step.filter, targets)?;
                let rest = self.path(rest, test, targets)?;
                Ok(rest.map(|rest| Predicate::And(vec![filter, rest])))
            });
        }
        refuse_modifier(term, step.name)?;
        let mut typed = Vec::with_capacity(types.len());
        for (resource_type, parameter) in types.iter().zip(parameters) {
            let predicate = element::resolve(parameter, test, (step, rest), self.context)?;
            typed.push((*resource_type, predicate));
        }
        Ok(Some(filter::over_types(typed)))
    }

    /// The condition at the end of a test's path, on each type that the path leads to.
    fn condition(
        &self,
        test: &Test<'_>,
        term: &Term<'_>,
        types: &[ResourceType],
    ) -> Result<Predicate, Problem> {
        refuse_modifier(term, test.path)?;
        let parameters = self.parameters(term, types)?;
        let mut typed = Vec::with_capacity(types.len());
        for (resource_type, parameter) in types.iter().zip(parameters) {
            let predicate = of_parameter(test, parameter, self.context);
            typed.push((*resource_type, predicate.map_err(Problem::Refused)?));
        }
        Ok(filter::over_types(typed))
    }

    /// The parameter that a term ends with, of each type.
    fn parameters<'p>(
        &'p self,
        term: &Term<'_>,
        types: &[ResourceType],
    ) -> Result<Vec<&'p Parameter>, Problem> {
        let left = self.left.get().checked_sub(types.len());
        self.left.set(left.ok_or_else(|| {
            Problem::refused(
                "too-costly",
                format!(
                    "expected at most {MAX_CONDITIONS} conditions, those on several types counted \
                     each; name the types of references, as in subject:Patient"
                ),
            )
        })?);
        if filter::is_special(term.code) {
            return Err(Problem::not_supported(format!(
                "expected a search parameter but found {}, which has no operators",
                term.code
            )));
        }
        let registry = self.context.registry;
        let found = parameter_of_all(registry, types, term.code);
        found.ok_or_else(|| filter::unknown(term, term.code, types, registry))
    }
}

fn refuse_modifier(term: &Term<'_>, path: &str) -> Result<(), Problem> {
    match term.modifier {
        None => Ok(()),
        Some(modifier) => Err(Problem::not_supported(format!(
            "{path}: expected an operator instead of the modifier :{modifier}"
        ))),
    }
}

fn of_parameter(
    test: &Test<'_>,
    parameter: &Parameter,
    context: &Context<'_>,
) -> Result<Predicate, Issue> {
    use parser::Operator::*;
    let kind = parameter.kind;
    let value = search_value(kind, &test.value);
    let plain = |modifier: Option<&Modifier>, value: &str| {
        params::compile(parameter, modifier, value, context.base, context.now)
    };
    let modified = |name: &str| match Modifier::parse(kind, name) {
        Some(modifier) => plain(Some(&modifier), &value),
        None => Err(no_equivalent(test, parameter)),
    };
    let is_ordered = matches!(kind, Kind::Date | Kind::Number | Kind::Quantity);
    match test.operator {
        Gt | Lt | Ge | Le | Ap | Sa | Eb | Ne if is_ordered => {
            plain(None, &format!("{}{value}", test.operator.name()))
        }
        Eq if is_ordered => plain(None, &format!("eq{value}")),
        Eq if kind == Kind::String => plain(None, &value).map(|found| alternatives(found, whole)),
        Eq => plain(None, &value),
        // Of several values one that is unequal would do, which no entry tells.
        Ne if is_single(parameter) => Ok(Predicate::And(vec![
            plain(Some(&Modifier::Missing), "false")?,
            Predicate::Not(Box::new(plain(None, &value)?)),
        ])),
        Re if kind == Kind::Reference => plain(None, &value),
        Co if kind == Kind::String => modified("contains"),
        Sw if kind == Kind::String => plain(None, &value),
        Ew if kind == Kind::String => plain(None, &value).map(|found| alternatives(found, ending)),
        Po if kind == Kind::Date => {
            plain(None, &format!("eq{value}")).map(|found| alternatives(found, overlapping))
        }
        Pr => match (Modifier::parse(kind, "missing"), test.value.text.as_ref()) {
            (Some(missing), "true") => plain(Some(&missing), "false"),
            (Some(missing), "false") => plain(Some(&missing), "true"),
            (Some(_), other) => Err(Issue::error(
                "value",
                format!("expected true or false after pr but found {other:?}"),
            )),
            (None, _) => Err(no_equivalent(test, parameter)),
        },
        // The value is above what it subsumes.
        Ss => modified("below"),
        Sb => modified("above"),
        In => modified("in"),
        Ni => modified("not-in"),
        Ne | Co | Sw | Ew | Gt | Lt | Ge | Le | Ap | Sa | Eb | Po | Re => {
            Err(no_equivalent(test, parameter))
        }
    }
}

/// The value as a search value, in which commas do not separate alternatives.
fn search_value(kind: Kind, value: &Value<'_>) -> String {
    match kind {
        Kind::String | Kind::Uri => escape::escape(&value.text),
        _ => value.text.clone().into_owned(),
    }
}

/// Changes each alternative.
fn alternatives(predicate: Predicate, change: fn(Predicate) -> Predicate) -> Predicate {
    match predicate {
        Predicate::Or(parts) => {
            let each = parts.into_iter().map(|part| alternatives(part, change));
            Predicate::Or(each.collect())
        }
        one => change(one),
    }
}

/// What only begins with the text becomes what is the text.
fn whole(predicate: Predicate) -> Predicate {
    match predicate {
        Predicate::String {
            slot,
            test: StringTest::StartsWith(text),
        } => Predicate::String {
            slot,
            test: StringTest::Is(text),
        },
        other => other,
    }
}

/// What begins with the text becomes what ends with it.
fn ending(predicate: Predicate) -> Predicate {
    match predicate {
        Predicate::String {
            slot,
            test: StringTest::StartsWith(text),
        } => Predicate::String {
            slot,
            test: StringTest::EndsWith(text),
        },
        other => other,
    }
}

/// What lies within the date becomes what shares a part of it.
fn overlapping(predicate: Predicate) -> Predicate {
    match predicate {
        Predicate::Date {
            slot,
            test: RangeTest::Within(low, high),
        } => Predicate::Date {
            slot,
            test: RangeTest::Overlaps(low, high),
        },
        // A point lies within what it overlaps.
        other => other,
    }
}

fn is_single(parameter: &Parameter) -> bool {
    parameter.code == "_id" || parameter.branches.iter().all(Branch::is_single)
}

fn no_equivalent(test: &Test<'_>, parameter: &Parameter) -> Issue {
    let name = test.operator.name();
    let advice = match name {
        "ne" => format!("; not ({} eq …) asks for what has no such value", test.path),
        _ => String::new(),
    };
    Issue::error(
        "not-supported",
        format!(
            "expected an operator that a parameter of type {} has ({}) but found {name} after {}\
             {advice}",
            parameter.kind.as_str(),
            operators(parameter).join(", "),
            test.path
        ),
    )
}

/// The operators of a parameter, as a message lists them.
fn operators(parameter: &Parameter) -> Vec<&'static str> {
    let kind = parameter.kind;
    let by_kind: &[&str] = match kind {
        Kind::Date => &["eq", "ne", "gt", "lt", "ge", "le", "sa", "eb", "ap", "po"],
        Kind::Number | Kind::Quantity => &["eq", "ne", "gt", "lt", "ge", "le", "sa", "eb", "ap"],
        Kind::String => &["eq", "co", "sw", "ew"],
        Kind::Reference => &["eq", "re"],
        Kind::Token if is_single(parameter) => &["eq", "ne"],
        Kind::Token | Kind::Uri | Kind::Composite | Kind::Special => &["eq"],
    };
    let by_modifier = [
        ("ss", "below"),
        ("sb", "above"),
        ("in", "in"),
        ("ni", "not-in"),
        ("pr", "missing"),
    ];
    let by_modifier = by_modifier
        .into_iter()
        .filter(|(_, modifier)| Modifier::parse(kind, modifier).is_some());
    let by_modifier = by_modifier.map(|(name, _)| name);
    by_kind.iter().copied().chain(by_modifier).collect()
}

/// The hint of an unknown operator.
fn operator_hint(found: &str) -> String {
    suggest::hint(found, parser::Operator::names())
}
