//! FHIRPath: expressions compiled once, evaluated over JSON without copying it.
//! <https://hl7.org/fhirpath/N1/>, as used in FHIR: <https://hl7.org/fhir/R4/fhirpath.html>
//!
//! ```text
//! text --lexer--> tokens --parser--> Ast            Expression::compile, once
//! Ast + types --check--> mistakes                   Expression::check
//! Ast + Node (resource + its types) --eval--> [Item]    Expression::evaluate
//!
//! context    the resource, the clock, variables, the outside, limits
//! item       a node, which borrows from the resource, or a computed value
//! model      the types that nodes have, linked when first walked
//! operators  = ~ < + in and ...                     quantity, temporal: values with rules
//! functions  one table; bodies by the chapters of the specification
//! infer      what an expression can give            search asks, and check
//! ```
//!
//! The one evaluator of the server: search parameters, invariants, patches. It does no I/O;
//! what it needs of others is asked of [`Outside`], which answers at once.
//!
//! The whole of N1 and what R4 adds is evaluated, and of N1's successor what the official tests
//! use: `sort`, `matchesFull`, `split`, `join`, `trim`, `encode`, `escape`, `lowBoundary`,
//! `precision`, `comparable`, the parts of dates. `elementDefinition()`, `slice()` and
//! `defineVariable()` say that they are not supported; `subsumes()`, and `memberOf()` and
//! `conformsTo()` of what the definitions do not hold, ask the outside and are errors without.
//! `conformance/fhirpath-r4.tsv` says which official cases contradict the specification.
//!
//! ## Decisions
//! - *Published expressions are read as they are meant* (2026-11-22). R4's search parameters and
//!   invariants apply `as` to repeating elements, which strict FHIRPath calls an error, and say
//!   `DateTime` for `dateTime`, `System.Boolean` for `boolean`, guides `valueString` for `value`: what is compiled by
//!   [`Expression::compile_for_search`] and [`Expression::compile_invariant`] takes them so. With
//!   that, all 8,952 invariants of R4 compile, and none of them fails on the 2,906 official
//!   examples with an error. Everybody else is strict.
//! - *The tree is evaluated as it stands.* The index walks the same tree to name its slots and
//!   to find places in the JSON; a second form for evaluation would have to agree with it. Paths
//!   from the root skip a collection at each step, which is what search expressions are.
//! - *`resolve()` fetches nothing by itself.* It gives a contained resource, what the outside has
//!   at hand, or else an item of which only the type is known, read off the reference: enough
//!   for `resolve() is Patient`, and the index of a resource depends on nothing but the resource.
//! - *An item is compared by its value*, a place being equal to itself. A Quantity of FHIR is one
//!   of FHIRPath where it says exactly how much; its UCUM codes of time are the calendar's.
//! - *A primitive that JSON writes as a string may be used as one*: `birthDate.substring(0, 4)`
//!   is common, and means nothing else.
//! - *Integers have 32 bits*, decimals as many digits as they need, quotients 28; what does not
//!   fit is empty, as the specification says of overflow.
//! - *Limits are counted, not guessed*: evaluated nodes, items and comparisons are steps; texts,
//!   numbers and regular expressions have a largest size; trees a depth. The deadline is looked
//!   at every 4,096 steps. Property tests feed both ends.

pub mod ast;
pub mod check;
mod context;
mod eval;
pub mod functions;
pub mod infer;
mod item;
mod json_names;
mod lexer;
mod model;
mod operators;
mod parser;
pub mod quantity;
pub mod temporal;

pub use ast::Ast;
pub use check::Problem;
pub use context::{Context, EvaluationError, Items, Limits, Outside};
pub use item::{Item, Node, Scalar};
pub use model::{Choice, Member, Model, System, Type};
pub use parser::ParseError;

use context::{Run, Scope};
use json_names::with_types;
use parser::Dialect;
use std::fmt;

/// A compiled expression.
#[derive(Clone, Debug, PartialEq)]
pub struct Expression {
    root: Ast,
}

impl Expression {
    /// Compiles a text by the rules of the specification.
    ///
    /// # Errors
    /// With its position: what is not the grammar, a function or variable that is not known,
    /// what is too long or nests too deeply.
    pub fn compile(text: &str) -> Result<Expression, ParseError> {
        Expression::compile_with(text, &[])
    }

    /// The same where the context will have these variables.
    ///
    /// # Errors
    /// See [`Expression::compile`].
    pub fn compile_with(text: &str, variables: &[&str]) -> Result<Expression, ParseError> {
        let root = parser::parse(text, Dialect::Strict, variables)?;
        Ok(Expression { root })
    }

    /// Compiles an invariant, where `as` filters, and `System.Boolean` is also the `boolean` of
    /// FHIR: dom-3 and que-7 of R4 say so.
    ///
    /// # Errors
    /// See [`Expression::compile`].
    pub fn compile_invariant(text: &str) -> Result<Expression, ParseError> {
        let root = parser::parse(&with_types(text), Dialect::Published, &[])?;
        Ok(Expression { root })
    }

    /// Compiles the expression of a search parameter, where `as` filters and nothing but the
    /// resource may be asked.
    ///
    /// # Errors
    /// See [`Expression::compile`]; a function that asks the clock or the outside.
    pub fn compile_for_search(text: &str) -> Result<Expression, ParseError> {
        let root = parser::parse(&with_types(text), Dialect::Search, &[])?;
        Ok(Expression { root })
    }

    pub fn ast(&self) -> &Ast {
        &self.root
    }

    /// What can never be meant, of a resource or element of that kind.
    pub fn check(&self, model: &Model, root: &infer::Kind<'_>) -> Vec<Problem> {
        check::check(model, &self.root, root)
    }

    /// The items that this gives of `node`, in order.
    ///
    /// # Errors
    /// Several items where one is expected, operands of the wrong types, the limits.
    pub fn evaluate<'a>(
        &'a self,
        context: &Context<'a>,
        node: Node<'a>,
    ) -> Result<Items<'a>, EvaluationError> {
        self.evaluate_item(context, Item::Node(node))
    }

    /// The same of any item.
    ///
    /// # Errors
    /// See [`Expression::evaluate`].
    pub fn evaluate_item<'a>(
        &'a self,
        context: &Context<'a>,
        focus: Item<'a>,
    ) -> Result<Items<'a>, EvaluationError> {
        let run = Run::new(context, &focus);
        let scope = Scope {
            run: &run,
            this: &focus,
            index: None,
            total: &[],
        };
        eval::evaluate(&scope, &self.root)
    }

    /// Whether this holds of `node`, as an invariant does; `None` where it is not known.
    ///
    /// # Errors
    /// See [`Expression::evaluate`].
    pub fn holds(
        &self,
        context: &Context<'_>,
        node: Node<'_>,
    ) -> Result<Option<bool>, EvaluationError> {
        operators::truth(&self.evaluate(context, node)?)
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
