//! What an expression can give, known from the definitions alone.
//!
//! The search index asks this of each parameter: whether its values are `code`s, and of
//! which code system; whether they are compared without case. Only paths are followed; of
//! anything computed nothing is said beyond its being a boolean or a string.

use super::ast::{Ast, Literal, Operator};
use super::model::{Choice, Model, Type};

/// One kind of item that an expression can give.
#[derive(Clone, Copy, Debug)]
pub enum Kind<'a> {
    /// The element of that JSON name and its type.
    Element(&'a Choice, &'a Type),
    /// A resource itself.
    Resource(&'a Type),
    Boolean,
    String,
}

/// Every kind of item that `ast` can give of `focus`; an unknown name gives none.
pub fn infer<'a>(model: &'a Model, ast: &Ast, focus: &Kind<'a>) -> Vec<Kind<'a>> {
    match ast {
        Ast::This => vec![*focus],
        Ast::Member { of: None, name } => match type_of(focus) {
            Some(node_type) if node_type.is(name) => vec![*focus],
            _ => children(model, focus, name),
        },
        Ast::Member { of: Some(of), name } => infer(model, of, focus)
            .iter()
            .flat_map(|kind| children(model, kind, name))
            .collect(),
        Ast::Indexer { of, .. } => infer(model, of, focus),
        Ast::OfType { of, type_name } => {
            let mut kinds = infer(model, of, focus);
            kinds.retain(|kind| type_of(kind).is_some_and(|t| t.is(type_name)));
            kinds
        }
        Ast::Call { of, function, .. } => match function.name {
            "where" | "first" | "last" | "single" => match of {
                Some(of) => infer(model, of, focus),
                None => vec![*focus],
            },
            "extension" => match of {
                Some(of) => infer(model, of, focus)
                    .iter()
                    .flat_map(|kind| children(model, kind, "extension"))
                    .collect(),
                None => children(model, focus, "extension"),
            },
            "resolve" => Vec::new(),
            _ => vec![Kind::Boolean],
        },
        Ast::Binary {
            operator: Operator::Union,
            left,
            right,
        } => {
            let mut kinds = infer(model, left, focus);
            kinds.extend(infer(model, right, focus));
            kinds
        }
        Ast::Binary { .. } | Ast::Is { .. } | Ast::Literal(Literal::Boolean(_)) => {
            vec![Kind::Boolean]
        }
        Ast::Literal(Literal::String(_)) => vec![Kind::String],
        Ast::Literal(_) | Ast::Variable(_) | Ast::Index | Ast::Negate(_) => Vec::new(),
    }
}

fn type_of<'a>(kind: &Kind<'a>) -> Option<&'a Type> {
    match kind {
        Kind::Element(_, node_type) | Kind::Resource(node_type) => Some(node_type),
        Kind::Boolean | Kind::String => None,
    }
}

fn children<'a>(model: &'a Model, kind: &Kind<'a>, name: &str) -> Vec<Kind<'a>> {
    let Some(member) = type_of(kind).and_then(|node_type| node_type.member(name)) else {
        return Vec::new();
    };
    member
        .choices
        .iter()
        .filter_map(|choice| Some(Kind::Element(choice, choice.value_type(model)?)))
        .collect()
}
