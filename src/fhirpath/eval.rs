//! The evaluator: a tree and a focus to a collection.
//! <https://hl7.org/fhirpath/N1/#expressions>
//!
//! Paths begin at `$this`, which is the focus of the whole expression, or within the argument
//! of a function such as `where` the item that it looks at.

use super::ast::{Ast, Literal, Narrowing};
use super::context::{Evaluated, EvaluationError, Items, Scope};
use super::item::{Item, Node};
use super::operators;
use crate::definitions::TypeKind;
use std::borrow::Cow;

/// Evaluates a tree.
pub fn evaluate<'a>(scope: &Scope<'_, 'a>, ast: &'a Ast) -> Evaluated<'a> {
    scope.charge(1)?;
    match ast {
        Ast::Literal(literal) => Ok(literal_items(literal)),
        Ast::This => Ok(vec![scope.this.clone()]),
        Ast::Index => Ok(scope.index.and_then(integer_of).into_iter().collect()),
        Ast::Total => Ok(scope.total.to_vec()),
        Ast::Variable(name) => variable(scope, name),
        Ast::Member { of: None, name, .. } => Ok(first_step(scope, name)),
        Ast::Member {
            of: Some(of), name, ..
        } => member(scope, of, name),
        Ast::Call {
            of,
            function,
            arguments,
            at,
        } => {
            let input = match of {
                Some(of) => evaluate(scope, of)?,
                None => vec![scope.this.clone()],
            };
            let found = (function.call)(scope, input, arguments);
            let found = found.map_err(|error| error.at(at.0))?;
            scope.charge(weight(&found))?;
            Ok(found)
        }
        Ast::Indexer { of, index } => indexed(scope, of, index),
        Ast::Is { of, type_name, at } => {
            let items = evaluate(scope, of)?;
            is_type(scope, &items, type_name).map_err(|error| error.at(at.0))
        }
        Ast::OfType {
            of,
            type_name,
            rule,
            at,
        } => {
            let items = evaluate(scope, of)?;
            narrow(scope, items, type_name, *rule).map_err(|error| error.at(at.0))
        }
        Ast::Negate(of) => operators::negate(&evaluate(scope, of)?),
        Ast::Binary {
            operator,
            left,
            right,
            at,
        } => {
            let found = operators::binary(scope, *operator, left, right);
            let found = found.map_err(|error| error.at(at.0))?;
            scope.charge(weight(&found))?;
            Ok(found)
        }
    }
}

/// What items cost: a step each, and more for what had to be made.
fn weight(items: &[Item<'_>]) -> usize {
    let of = |item: &Item<'_>| match item {
        Item::String(Cow::Owned(text)) => 1 + text.len() / 16,
        Item::Decimal(_) | Item::Quantity(_) => 8,
        _ => 1,
    };
    items.iter().map(of).sum()
}

pub fn integer_of<'a>(number: usize) -> Option<Item<'a>> {
    i64::try_from(number).ok().map(Item::Integer)
}

fn literal_items(literal: &Literal) -> Items<'_> {
    vec![match literal {
        Literal::Empty => return Vec::new(),
        Literal::Boolean(value) => Item::Boolean(*value),
        Literal::String(text) => Item::String(Cow::Borrowed(text)),
        Literal::Integer(value) => Item::Integer(*value),
        Literal::Decimal(value) => Item::decimal(value.clone()),
        Literal::Temporal(value) => Item::Temporal(*value),
        Literal::Quantity(value) => Item::Quantity(Box::new(value.clone())),
    }]
}

/// <https://hl7.org/fhir/R4/fhirpath.html#vars>
fn variable<'a>(scope: &Scope<'_, 'a>, name: &'a str) -> Evaluated<'a> {
    let context = scope.run.context;
    if let Some((_, items)) = context.variables.iter().find(|(own, _)| *own == name) {
        return Ok(items.clone());
    }
    let text = match name {
        "resource" => return Ok(vec![Item::Node(context.resource)]),
        "rootResource" => return Ok(vec![Item::Node(context.root)]),
        "context" => return Ok(vec![scope.run.focus.clone()]),
        "ucum" => Cow::Borrowed(crate::fhir::ucum::SYSTEM),
        "sct" => Cow::Borrowed("http://snomed.info/sct"),
        "loinc" => Cow::Borrowed("http://loinc.org"),
        _ => match (name.strip_prefix("vs-"), name.strip_prefix("ext-")) {
            (Some(id), _) => Cow::Owned(format!("http://hl7.org/fhir/ValueSet/{id}")),
            (_, Some(id)) => Cow::Owned(format!("http://hl7.org/fhir/StructureDefinition/{id}")),
            _ => {
                let text = format!("expected a variable that is known but found %{name}");
                return Err(EvaluationError::new(text));
            }
        },
    };
    Ok(vec![Item::String(text)])
}

/// Whether a name is that of a variable which every evaluation has.
pub fn is_common_variable(name: &str) -> bool {
    let known = [
        "resource",
        "rootResource",
        "context",
        "ucum",
        "sct",
        "loinc",
    ];
    known.contains(&name) || name.starts_with("vs-") || name.starts_with("ext-")
}

/// The first name of a path may be the type of the focus itself: `Patient.name`.
fn first_step<'a>(scope: &Scope<'_, 'a>, name: &str) -> Items<'a> {
    if let Item::Node(node) = scope.this
        && is_own_type(name, node)
    {
        return vec![Item::Node(*node)];
    }
    let mut out = Vec::new();
    scope.this.push_children(scope.model(), name, &mut out);
    out
}

fn is_own_type(name: &str, node: &Node<'_>) -> bool {
    name.starts_with(|c: char| c.is_ascii_uppercase()) && node.node_type.is(name)
}

fn member<'a>(scope: &Scope<'_, 'a>, of: &'a Ast, name: &'a str) -> Evaluated<'a> {
    let mut out = Vec::new();
    if let (
        Ast::Member {
            of: None,
            name: root,
            ..
        },
        Item::Node(node),
    ) = (of, scope.this)
        && is_own_type(root, node)
    {
        // `Patient.name` on a Patient, how nearly all search expressions begin.
        node.push_children(scope.model(), name, &mut out);
        return Ok(out);
    }
    for item in evaluate(scope, of)? {
        item.push_children(scope.model(), name, &mut out);
    }
    scope.charge(out.len())?;
    Ok(out)
}

fn indexed<'a>(scope: &Scope<'_, 'a>, of: &'a Ast, index: &'a Ast) -> Evaluated<'a> {
    let mut items = evaluate(scope, of)?;
    let at = operators::integer(&evaluate(scope, index)?, "an index")?;
    let at = at.and_then(|at| usize::try_from(at).ok());
    Ok(match at.filter(|at| *at < items.len()) {
        Some(at) => vec![items.swap_remove(at)],
        None => Vec::new(),
    })
}

fn is_type<'a>(scope: &Scope<'_, 'a>, items: &[Item<'a>], name: &str) -> Evaluated<'a> {
    match items {
        [] => Ok(Vec::new()),
        [item] => {
            let holds = item.is(name);
            if !holds {
                check_type(scope, name)?;
            }
            Ok(vec![Item::Boolean(holds)])
        }
        _ => Err(operators::too_many("is")),
    }
}

fn narrow<'a>(
    scope: &Scope<'_, 'a>,
    mut items: Items<'a>,
    name: &str,
    rule: Narrowing,
) -> Evaluated<'a> {
    if rule == Narrowing::One && items.len() > 1 {
        return Err(operators::too_many("as"));
    }
    let before = items.len();
    items.retain(|item| item.is(name));
    if items.len() < before && rule != Narrowing::Lenient {
        check_type(scope, name)?;
    }
    Ok(items)
}

fn check_type(scope: &Scope<'_, '_>, name: &str) -> Result<(), EvaluationError> {
    if scope.model().has_type(name) {
        return Ok(());
    }
    let text = format!("expected the name of a type but found {name}");
    Err(EvaluationError::new(text))
}

/// Whether an item is a primitive that has a value.
pub fn has_value(item: &Item<'_>) -> bool {
    match item {
        Item::Node(node) => node.node_type.kind == TypeKind::Primitive && node.value.is_some(),
        Item::Target(_) | Item::Type(..) => false,
        _ => true,
    }
}
