//! FHIRPath: expressions compiled once, evaluated over JSON without copying it.
//! <https://hl7.org/fhirpath/N1/>, as used in FHIR: <https://hl7.org/fhir/R4/fhirpath.html>
//!
//! ```text
//! text --lexer--> tokens --parser--> Ast          Expression::compile, once
//! Ast + Node (resource + its types) --eval--> [Item]    Expression::evaluate
//! ```
//!
//! The whole grammar is parsed; evaluated is what the search parameters of R4 need (paths,
//! unions, comparisons, boolean logic, types, and the functions of [`functions`]). An
//! operator or function that is not evaluated yet is refused when the expression is
//! compiled, never met later.
//!
//! ## Decisions
//! - *`as` filters.* R4's search parameters apply `as` to repeating elements, which strict
//!   FHIRPath calls an error; here `as` is `ofType`.
//! - *`resolve()` fetches nothing.* It gives a contained resource, or else an item of which
//!   only the type is known, read off the reference: enough for `resolve() is Patient`, and
//!   the index of a resource depends on nothing but the resource.

pub mod ast;
mod eval;
pub mod functions;
pub mod infer;
mod item;
mod lexer;
mod model;
mod parser;

pub use ast::Ast;
pub use eval::{Context, EvaluationError};
pub use item::{Item, Node};
pub use model::{Choice, Member, Model, Type};
pub use parser::ParseError;

use std::fmt;

/// A compiled expression.
#[derive(Clone, Debug, PartialEq)]
pub struct Expression {
    root: Ast,
}

impl Expression {
    /// Compiles a text.
    ///
    /// # Errors
    /// With its position: what is not the grammar, what is not evaluated (see above), what
    /// nests too deeply.
    pub fn compile(text: &str) -> Result<Expression, ParseError> {
        let root = parser::parse(text)?;
        eval::check(&root)?;
        Ok(Expression { root })
    }

    pub fn ast(&self) -> &Ast {
        &self.root
    }

    /// The items that this gives of `node`, in order.
    ///
    /// # Errors
    /// A condition on more than one item, a comparison of what has no order.
    pub fn evaluate<'a>(
        &'a self,
        context: &Context<'a>,
        node: Node<'a>,
    ) -> Result<Vec<Item<'a>>, EvaluationError> {
        eval::evaluate(context, &self.root, Item::Node(node))
    }
}

impl From<Ast> for Expression {
    fn from(root: Ast) -> Expression {
        Expression { root }
    }
}

/// The one normal spelling: see [`ast`].
impl fmt::Display for Expression {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}", self.root)
    }
}

#[cfg(test)]
mod tests;
