//! What an expression can give, known from the definitions alone.
//!
//! The search index asks this of each parameter: whether its values are `code`s, and of
//! which code system; whether they are compared without case. [`check`](super::check) finds
//! mistakes by it. Where nothing is known nothing is given.

use super::ast::{Ast, Literal, Operator};
use super::functions::{Arguments, Function, Gives};
use super::model::{Choice, Model, System, Type};
use super::temporal;

/// One kind of item that an expression can give.
#[derive(Clone, Copy, Debug)]
pub enum Kind<'a> {
    /// The element of that JSON name and its type.
    Element(&'a Choice, &'a Type),
    /// A resource itself.
    Resource(&'a Type),
    /// A value of one of FHIRPath's own types.
    Value(System),
}

impl<'a> Kind<'a> {
    /// The type of FHIR.
    pub fn fhir_type(&self) -> Option<&'a Type> {
        match self {
            Kind::Element(_, node_type) | Kind::Resource(node_type) => Some(node_type),
            Kind::Value(_) => None,
        }
    }

    /// What its value is in FHIRPath.
    pub fn system(&self) -> Option<System> {
        match self {
            Kind::Element(_, node_type) | Kind::Resource(node_type) => node_type.system,
            Kind::Value(system) => Some(*system),
        }
    }

    /// The name of its type.
    pub fn name(&self) -> &'a str {
        match self {
            Kind::Element(_, node_type) | Kind::Resource(node_type) => &node_type.key,
            Kind::Value(system) => system.name(),
        }
    }
}

/// Every kind of item that `ast` can give of `focus`; an unknown name gives none.
pub fn infer<'a>(model: &'a Model, ast: &Ast, focus: &Kind<'a>) -> Vec<Kind<'a>> {
    infer_all(model, ast, std::slice::from_ref(focus))
}

/// The same of items of several kinds, each kind once: what has many kinds within many would
/// take for ever if each were followed by itself.
pub fn infer_all<'a>(model: &'a Model, ast: &Ast, focus: &[Kind<'a>]) -> Vec<Kind<'a>> {
    match ast {
        Ast::This => focus.to_vec(),
        Ast::Member { of: None, name, .. } => {
            let is_own = |kind: &Kind<'_>| kind.fhir_type().is_some_and(|of| of.is(name));
            each(focus.iter().flat_map(|kind| match is_own(kind) {
                true => vec![*kind],
                false => children(model, kind, name),
            }))
        }
        Ast::Member {
            of: Some(of), name, ..
        } => {
            let owners = infer_all(model, of, focus);
            each(owners.iter().flat_map(|kind| children(model, kind, name)))
        }
        Ast::Indexer { of, .. } | Ast::Negate(of) => infer_all(model, of, focus),
        Ast::OfType { of, type_name, .. } => {
            let mut kinds = infer_all(model, of, focus);
            kinds.retain(|kind| is_of(kind, type_name));
            kinds
        }
        Ast::Call {
            of,
            function,
            arguments,
            ..
        } => {
            let input = match of {
                Some(of) => infer_all(model, of, focus),
                None => focus.to_vec(),
            };
            call(model, function, arguments, input, focus)
        }
        Ast::Binary {
            operator,
            left,
            right,
            ..
        } => binary(model, *operator, left, right, focus),
        Ast::Is { .. } => vec![Kind::Value(System::Boolean)],
        Ast::Index => vec![Kind::Value(System::Integer)],
        Ast::Literal(literal) => value(literal).into_iter().collect(),
        Ast::Variable(_) | Ast::Total => Vec::new(),
    }
}

/// Each kind once.
fn each<'a>(kinds: impl IntoIterator<Item = Kind<'a>>) -> Vec<Kind<'a>> {
    let mut all: Vec<Kind<'a>> = Vec::new();
    for kind in kinds {
        if !all.iter().any(|known| is_same(known, &kind)) {
            all.push(kind);
        }
    }
    all
}

fn is_same(left: &Kind<'_>, right: &Kind<'_>) -> bool {
    match (left, right) {
        (Kind::Element(left, _), Kind::Element(right, _)) => std::ptr::eq(*left, *right),
        (Kind::Resource(left), Kind::Resource(right)) => std::ptr::eq(*left, *right),
        (Kind::Value(left), Kind::Value(right)) => left == right,
        _ => false,
    }
}

/// Whether items of the kind are of the named type.
pub fn is_of(kind: &Kind<'_>, name: &str) -> bool {
    match kind {
        Kind::Element(_, node_type) | Kind::Resource(node_type) => node_type.is(name),
        Kind::Value(system) => system.name() == name.strip_prefix("System.").unwrap_or(name),
    }
}

fn value<'a>(literal: &Literal) -> Option<Kind<'a>> {
    Some(Kind::Value(match literal {
        Literal::Empty => return None,
        Literal::Boolean(_) => System::Boolean,
        Literal::String(_) => System::String,
        Literal::Integer(_) => System::Integer,
        Literal::Decimal(_) => System::Decimal,
        Literal::Temporal(value) => match value.kind {
            temporal::Kind::Date => System::Date,
            temporal::Kind::DateTime => System::DateTime,
            temporal::Kind::Time => System::Time,
        },
        Literal::Quantity(_) => System::Quantity,
    }))
}

fn call<'a>(
    model: &'a Model,
    function: &Function,
    arguments: &[Ast],
    input: Vec<Kind<'a>>,
    focus: &[Kind<'a>],
) -> Vec<Kind<'a>> {
    let of = |argument: &Ast| match function.arguments {
        Arguments::Once => infer_all(model, argument, focus),
        Arguments::PerItem => infer_all(model, argument, &input),
    };
    match function.gives {
        Gives::Input => input,
        Gives::Argument => arguments.first().map(of).unwrap_or_default(),
        Gives::InputAndArgument => {
            let other = arguments.first().map(of).unwrap_or_default();
            each(input.into_iter().chain(other))
        }
        Gives::Either => each(arguments.iter().skip(1).flat_map(of)),
        Gives::Child(name) => each(input.iter().flat_map(|kind| children(model, kind, name))),
        Gives::Value(system) => vec![Kind::Value(system)],
        Gives::Unknown => Vec::new(),
    }
}

fn binary<'a>(
    model: &'a Model,
    operator: Operator,
    left: &Ast,
    right: &Ast,
    focus: &[Kind<'a>],
) -> Vec<Kind<'a>> {
    match operator {
        Operator::Union => {
            let left = infer_all(model, left, focus);
            each(left.into_iter().chain(infer_all(model, right, focus)))
        }
        Operator::Concatenate => vec![Kind::Value(System::String)],
        Operator::Add | Operator::Subtract => {
            let kinds = infer_all(model, left, focus).into_iter();
            each(kinds.filter_map(|kind| kind.system().map(Kind::Value)))
        }
        Operator::Multiply | Operator::Divide | Operator::Div | Operator::Mod => Vec::new(),
        _ => vec![Kind::Value(System::Boolean)],
    }
}

fn children<'a>(model: &'a Model, kind: &Kind<'a>, name: &str) -> Vec<Kind<'a>> {
    let Some(member) = kind.fhir_type().and_then(|of| of.member(name)) else {
        return Vec::new();
    };
    member
        .choices
        .iter()
        .filter_map(|choice| Some(Kind::Element(choice, choice.value_type(model)?)))
        .collect()
}
