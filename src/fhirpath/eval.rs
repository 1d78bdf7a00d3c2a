//! The evaluator: a tree and a focus to a collection.
//! <https://hl7.org/fhirpath/N1/#expressions>

use super::ast::{Ast, Literal, Operator};
use super::item::{Item, Node};
use super::model::Model;
use super::parser::ParseError;
use crate::definitions::TypeKind;
use crate::fhir::decimal::Decimal;
use serde_json::Value;
use std::cmp::Ordering;
use std::fmt;

/// What an evaluation stands in.
#[derive(Clone, Copy, Debug)]
pub struct Context<'a> {
    pub model: &'a Model,
    /// `%resource`, in which `resolve()` looks for what is contained.
    pub resource: Node<'a>,
    /// Our own base URL, without a trailing slash.
    pub base: &'a str,
}

/// Why an expression has no value on this input.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct EvaluationError(pub String);

impl fmt::Display for EvaluationError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

impl std::error::Error for EvaluationError {}

pub type Items<'a> = Vec<Item<'a>>;
pub type Evaluated<'a> = Result<Items<'a>, EvaluationError>;

/// Refuses what [`evaluate`] cannot do, so that it is known when an expression is compiled.
pub fn check(ast: &Ast) -> Result<(), ParseError> {
    let refuse = |what: String| {
        Err(ParseError {
            position: 0,
            message: format!("expected an expression that is supported but found {what}"),
        })
    };
    match ast {
        Ast::Index => refuse("$index".to_owned()),
        Ast::Negate(_) => refuse("a negation".to_owned()),
        Ast::Variable(name) if name != "resource" && name != "context" => {
            refuse(format!("%{name}"))
        }
        Ast::Literal(Literal::Quantity(..)) => refuse("a quantity".to_owned()),
        Ast::Binary {
            operator,
            left,
            right,
        } => {
            if !is_supported(*operator) {
                return refuse(format!("the operator {}", operator.symbol()));
            }
            check(left)?;
            check(right)
        }
        Ast::Indexer { of, index } => {
            check(of)?;
            check(index)
        }
        Ast::Call { of, arguments, .. } => {
            of.as_deref().map_or(Ok(()), check)?;
            arguments.iter().try_for_each(check)
        }
        other => other.of().map_or(Ok(()), check),
    }
}

fn is_supported(operator: Operator) -> bool {
    matches!(
        operator,
        Operator::Union
            | Operator::And
            | Operator::Or
            | Operator::Xor
            | Operator::Implies
            | Operator::Equal
            | Operator::NotEqual
    )
}

/// Evaluates a tree on one item.
pub fn evaluate<'a>(context: &Context<'a>, ast: &'a Ast, focus: Item<'a>) -> Evaluated<'a> {
    match ast {
        Ast::Literal(literal) => Ok(literal_items(literal)),
        Ast::This => Ok(vec![focus]),
        Ast::Variable(_) => Ok(vec![Item::Node(context.resource)]),
        Ast::Member { of: None, name } => Ok(first_step(context, name, focus)),
        Ast::Member { of: Some(of), name } => {
            let mut out = Vec::new();
            if let (Ast::Member { of: None, name: root }, Item::Node(node)) = (&**of, &focus)
                && is_own_type(root, node)
            {
                // `Patient.name` on a Patient, how nearly all search expressions begin.
                node.push_children(context.model, name, &mut out);
                return Ok(out);
            }
            for item in evaluate(context, of, focus)? {
                if let Item::Node(node) = item {
                    node.push_children(context.model, name, &mut out);
                }
            }
            Ok(out)
        }
        Ast::Call {
            of,
            function,
            arguments,
        } => {
            let input = match of {
                Some(of) => evaluate(context, of, focus)?,
                None => vec![focus],
            };
            (function.call)(context, input, arguments)
        }
        Ast::Indexer { of, index } => {
            let mut items = evaluate(context, of, focus.clone())?;
            let at = match evaluate(context, index, focus)?.as_slice() {
                [Item::Number(text)] => text.parse::<usize>().ok(),
                _ => None,
            };
            match at.filter(|at| *at < items.len()) {
                Some(at) => Ok(vec![items.swap_remove(at)]),
                None => Ok(Vec::new()),
            }
        }
        Ast::Is { of, type_name } => match evaluate(context, of, focus)?.as_slice() {
            [] => Ok(Vec::new()),
            [item] => Ok(vec![Item::Boolean(is_type(item, type_name))]),
            _ => Err(too_many("is")),
        },
        Ast::OfType { of, type_name } => {
            let mut items = evaluate(context, of, focus)?;
            items.retain(|item| is_type(item, type_name));
            Ok(items)
        }
        Ast::Binary {
            operator,
            left,
            right,
        } => {
            let left = evaluate(context, left, focus.clone())?;
            binary(*operator, left, || evaluate(context, right, focus))
        }
        // Refused by `check`, which every compiled expression has passed.
        Ast::Index | Ast::Negate(_) => Ok(Vec::new()),
    }
}

/// The first name of a path may be the type of the focus itself: `Patient.name`.
fn first_step<'a>(context: &Context<'a>, name: &str, focus: Item<'a>) -> Items<'a> {
    let Item::Node(node) = &focus else {
        return Vec::new();
    };
    if is_own_type(name, node) {
        return vec![focus];
    }
    let mut out = Vec::new();
    node.push_children(context.model, name, &mut out);
    out
}

fn is_own_type(name: &str, node: &Node<'_>) -> bool {
    name.starts_with(|c: char| c.is_ascii_uppercase()) && node.node_type.is(name)
}

fn literal_items(literal: &Literal) -> Items<'_> {
    match literal {
        Literal::Empty | Literal::Quantity(..) => Vec::new(),
        Literal::Boolean(value) => vec![Item::Boolean(*value)],
        Literal::String(text) => vec![Item::String(text.into())],
        Literal::Number(text) => vec![Item::Number(text.into())],
        Literal::Date(text) => vec![Item::Date(text.into())],
    }
}

/// The named type or one that derives from it.
pub fn is_type(item: &Item<'_>, name: &str) -> bool {
    match item {
        Item::Node(node) => node.node_type.is(name),
        Item::Boolean(_) => name.eq_ignore_ascii_case("boolean"),
        Item::String(_) => name.eq_ignore_ascii_case("string"),
        Item::Number(text) if text.contains('.') => name.eq_ignore_ascii_case("decimal"),
        Item::Number(_) => name.eq_ignore_ascii_case("integer"),
        Item::Date(text) if text.contains('T') => name.eq_ignore_ascii_case("dateTime"),
        Item::Date(_) => name.eq_ignore_ascii_case("date"),
        Item::Target(resource_type) => {
            resource_type.name() == name || name == "Resource" || name == "DomainResource"
        }
    }
}

fn binary<'a>(
    operator: Operator,
    left: Items<'a>,
    right: impl FnOnce() -> Evaluated<'a>,
) -> Evaluated<'a> {
    match operator {
        Operator::Union => {
            let right = right()?;
            Ok(union(left, right))
        }
        Operator::Equal => Ok(boolean(equal(&left, &right()?))),
        Operator::NotEqual => Ok(boolean(equal(&left, &right()?).map(|equal| !equal))),
        _ => {
            let (left, right) = (truth(&left)?, truth(&right()?)?);
            Ok(boolean(logic(operator, left, right)))
        }
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
        Operator::Xor => Some(left? != right?),
        _ => None,
    }
}

pub fn boolean<'a>(value: Option<bool>) -> Items<'a> {
    value.map(Item::Boolean).into_iter().collect()
}

/// A collection as a condition: one item that is no boolean counts as true.
/// <https://hl7.org/fhirpath/N1/#singleton-evaluation-of-collections>
pub fn truth(items: &[Item<'_>]) -> Result<Option<bool>, EvaluationError> {
    match items {
        [] => Ok(None),
        [item] => Ok(Some(simple(item).and_then(|s| s.as_bool()).unwrap_or(true))),
        _ => Err(too_many("a condition")),
    }
}

pub fn too_many(place: &str) -> EvaluationError {
    EvaluationError(format!(
        "expected at most one item for {place} but found several"
    ))
}

/// Without repetitions. Nodes of two operands are the same when they stand in the same
/// place, which is cheaper to see than that they are equal.
fn union<'a>(left: Items<'a>, right: Items<'a>) -> Items<'a> {
    if left.is_empty() {
        return right;
    }
    let mut all = left;
    for item in right {
        if !all.iter().any(|known| is_same(known, &item)) {
            all.push(item);
        }
    }
    all
}

fn is_same(left: &Item<'_>, right: &Item<'_>) -> bool {
    match (left, right) {
        (Item::Node(left), Item::Node(right)) => {
            let same = |a: Option<&Value>, b: Option<&Value>| match (a, b) {
                (Some(a), Some(b)) => std::ptr::eq(a, b),
                (None, None) => true,
                _ => false,
            };
            same(left.value, right.value) && same(left.companion, right.companion)
        }
        _ => equal(std::slice::from_ref(left), std::slice::from_ref(right)) == Some(true),
    }
}

/// A primitive, whether from a resource or computed.
enum Simple<'a> {
    Boolean(bool),
    Text(&'a str),
    Number(&'a str),
}

impl Simple<'_> {
    fn as_bool(&self) -> Option<bool> {
        match self {
            Simple::Boolean(value) => Some(*value),
            _ => None,
        }
    }
}

fn simple<'i>(item: &'i Item<'_>) -> Option<Simple<'i>> {
    match item {
        Item::Node(node) if node.node_type.kind == TypeKind::Primitive => match node.value? {
            Value::Bool(value) => Some(Simple::Boolean(*value)),
            Value::String(text) => Some(Simple::Text(text)),
            Value::Number(number) => Some(Simple::Number(number.as_str())),
            _ => None,
        },
        Item::Node(_) | Item::Target(_) => None,
        Item::Boolean(value) => Some(Simple::Boolean(*value)),
        Item::String(text) | Item::Date(text) => Some(Simple::Text(text)),
        Item::Number(text) => Some(Simple::Number(text)),
    }
}

/// `=`: empty when either side is. Dates compare as written for now, which no search
/// parameter of R4 depends on.
fn equal(left: &[Item<'_>], right: &[Item<'_>]) -> Option<bool> {
    if left.is_empty() || right.is_empty() {
        return None;
    }
    let pairs = || left.iter().zip(right);
    Some(left.len() == right.len() && pairs().all(|(left, right)| items_equal(left, right)))
}

fn items_equal(left: &Item<'_>, right: &Item<'_>) -> bool {
    match (simple(left), simple(right)) {
        (Some(Simple::Boolean(left)), Some(Simple::Boolean(right))) => left == right,
        (Some(Simple::Text(left)), Some(Simple::Text(right))) => left == right,
        (Some(Simple::Number(left)), Some(Simple::Number(right))) => {
            match (Decimal::parse(left), Decimal::parse(right)) {
                (Some(left), Some(right)) => left.cmp(&right) == Ordering::Equal,
                _ => left == right,
            }
        }
        (None, None) => match (left, right) {
            (Item::Node(left), Item::Node(right)) => left.value == right.value,
            (Item::Target(left), Item::Target(right)) => left == right,
            _ => false,
        },
        _ => false,
    }
}
