//! Mistakes that show without a resource: names that no element has, types that never occur,
//! functions and operators of what they are not defined for.
//! <https://hl7.org/fhirpath/N1/#type-safety-and-strict-evaluation>
//!
//! Evaluation forgives most of these: an unknown name gives nothing. Whoever writes an
//! expression for others to use wants to hear of them first. Of what is computed in ways that
//! tell nothing about its type, nothing is said.

use super::ast::{Ast, Operator};
use super::functions::{Arguments, Function, Takes};
use super::infer::{Kind, infer_all};
use super::model::{Model, System};

/// A mistake and where it stands.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Problem {
    /// Byte offset in the text.
    pub position: usize,
    /// What was expected and what was found.
    pub message: String,
}

/// How many problems are told.
const MOST: usize = 20;

/// The mistakes of an expression on items of that kind.
pub fn check(model: &Model, ast: &Ast, root: &Kind<'_>) -> Vec<Problem> {
    let mut checker = Checker {
        model,
        problems: Vec::new(),
    };
    checker.walk(ast, &[*root]);
    checker.problems.truncate(MOST);
    checker.problems
}

struct Checker<'m> {
    model: &'m Model,
    problems: Vec<Problem>,
}

impl<'m> Checker<'m> {
    fn tell(&mut self, position: usize, message: String) {
        self.problems.push(Problem { position, message });
    }

    /// Every kind that a part can give; none where nothing is known.
    fn kinds(&self, ast: &Ast, focus: &[Kind<'m>]) -> Vec<Kind<'m>> {
        infer_all(self.model, ast, focus)
    }

    fn walk(&mut self, ast: &Ast, focus: &[Kind<'m>]) {
        match ast {
            Ast::Member { of, name, at } => {
                self.walk_of(of, focus);
                self.member(ast, of.as_deref(), name, at.0, focus);
            }
            Ast::Call {
                of,
                function,
                arguments,
                at,
            } => {
                self.walk_of(of, focus);
                self.call(of.as_deref(), function, arguments, at.0, focus);
            }
            Ast::OfType {
                of, type_name, at, ..
            } => {
                self.walk(of, focus);
                let items = self.kinds(of, focus);
                if !items.is_empty() && self.kinds(ast, focus).is_empty() {
                    let names = list(&items);
                    self.tell(
                        at.0,
                        format!("expected one of {names} but found {type_name:?}"),
                    );
                }
            }
            Ast::Is { of, type_name, at } => {
                self.walk(of, focus);
                if !self.model.has_type(type_name) {
                    self.tell(at.0, format!("expected a type but found {type_name:?}"));
                }
            }
            Ast::Indexer { of, index } => {
                self.walk(of, focus);
                self.walk(index, focus);
            }
            Ast::Negate(of) => self.walk(of, focus),
            Ast::Binary {
                operator,
                left,
                right,
                at,
            } => {
                self.walk(left, focus);
                self.walk(right, focus);
                self.binary(*operator, left, right, at.0, focus);
            }
            Ast::Literal(_) | Ast::Variable(_) | Ast::This | Ast::Index | Ast::Total => {}
        }
    }

    fn walk_of(&mut self, of: &Option<Box<Ast>>, focus: &[Kind<'m>]) {
        if let Some(of) = of {
            self.walk(of, focus);
        }
    }

    fn member(&mut self, ast: &Ast, of: Option<&Ast>, name: &str, at: usize, focus: &[Kind<'m>]) {
        let owners = of.map_or_else(|| focus.to_vec(), |of| self.kinds(of, focus));
        let is_open = owners.is_empty() || of.is_some_and(is_unknown);
        let has = |owner: &Kind<'_>| {
            let of_fhir = owner.fhir_type().is_some_and(|t| t.member(name).is_some());
            let is_quantity = owner.system() == Some(System::Quantity);
            of_fhir || (is_quantity && matches!(name, "value" | "unit"))
        };
        // What holds a whole resource has no type until one is there.
        if is_open || owners.iter().any(has) || !self.kinds(ast, focus).is_empty() {
            return;
        }
        let names = list(&owners);
        self.tell(
            at,
            format!("expected an element of {names} but found {name:?}"),
        );
    }

    fn call(
        &mut self,
        of: Option<&Ast>,
        function: &Function,
        arguments: &[Ast],
        at: usize,
        focus: &[Kind<'m>],
    ) {
        let items = of.map(|of| self.kinds(of, focus));
        let inner = match (function.arguments, &items) {
            (Arguments::PerItem, Some(items)) => items.clone(),
            _ => focus.to_vec(),
        };
        for argument in arguments {
            self.walk(argument, &inner);
        }
        let items = items.unwrap_or_else(|| focus.to_vec());
        let name = function.name;
        let is_of = |accepts: fn(&Kind<'_>) -> bool| {
            items.is_empty() || of.is_some_and(is_unknown) || items.iter().any(accepts)
        };
        let expected = match function.takes {
            Takes::String if !is_of(is_text) => "strings",
            Takes::Number if !is_of(is_number) => "numbers",
            Takes::Boolean if !is_of(is_boolean) => "booleans",
            Takes::Ordered if of.is_some_and(is_unordered) => {
                let text =
                    format!("expected {name}() of an ordered collection, which children are not");
                return self.tell(at, text);
            }
            _ => return self.condition(function, arguments, at, &inner),
        };
        let names = list(&items);
        self.tell(
            at,
            format!("expected {name}() of {expected} but found {names}"),
        );
    }

    /// The condition of `iif`, where it is computed, should be a boolean.
    fn condition(&mut self, function: &Function, arguments: &[Ast], at: usize, focus: &[Kind<'m>]) {
        let Some(condition) = arguments.first().filter(|_| function.name == "iif") else {
            return;
        };
        let kinds = self.kinds(condition, focus);
        let is_other =
            |kind: &Kind<'_>| matches!(kind, Kind::Value(system) if *system != System::Boolean);
        if !kinds.is_empty() && kinds.iter().all(is_other) {
            let names = list(&kinds);
            self.tell(
                at,
                format!("expected a condition for iif() but found {names}"),
            );
        }
    }

    /// To a date only a duration is added.
    fn binary(
        &mut self,
        operator: Operator,
        left: &Ast,
        right: &Ast,
        at: usize,
        focus: &[Kind<'m>],
    ) {
        if !matches!(operator, Operator::Add | Operator::Subtract) {
            return;
        }
        let (dates, amounts) = (self.kinds(left, focus), self.kinds(right, focus));
        let is_date = |kind: &Kind<'_>| {
            let dates = [System::Date, System::DateTime, System::Time];
            kind.system().is_some_and(|system| dates.contains(&system))
        };
        let is_amount = |kind: &Kind<'_>| kind.system() == Some(System::Quantity);
        let are_dates = !dates.is_empty() && dates.iter().all(is_date);
        if are_dates && !amounts.is_empty() && !amounts.iter().any(is_amount) {
            let names = list(&amounts);
            self.tell(
                at,
                format!("expected a duration such as `1 day` but found {names}"),
            );
        }
    }
}

/// Whether a part may give items of which nothing is known.
fn is_unknown(ast: &Ast) -> bool {
    use super::functions::Gives;
    match ast {
        Ast::Call {
            of,
            function,
            arguments,
            ..
        } => match function.gives {
            Gives::Unknown => true,
            Gives::Value(_) => false,
            _ => of.as_deref().is_some_and(is_unknown) || arguments.iter().any(is_unknown),
        },
        Ast::Variable(_) | Ast::Total => true,
        Ast::Binary {
            operator: Operator::Union,
            left,
            right,
            ..
        } => is_unknown(left) || is_unknown(right),
        Ast::Binary { .. } | Ast::Is { .. } => false,
        other => other.of().is_some_and(is_unknown),
    }
}

/// Primitives whose JSON is a string are read as one.
fn is_text(kind: &Kind<'_>) -> bool {
    match kind {
        Kind::Value(system) => *system == System::String,
        other => other.system().is_some_and(|system| {
            let others = [
                System::Boolean,
                System::Integer,
                System::Decimal,
                System::Quantity,
            ];
            !others.contains(&system)
        }),
    }
}

fn is_number(kind: &Kind<'_>) -> bool {
    let numbers = [System::Integer, System::Decimal, System::Quantity];
    kind.system()
        .is_some_and(|system| numbers.contains(&system))
}

fn is_boolean(kind: &Kind<'_>) -> bool {
    kind.system() == Some(System::Boolean)
}

fn is_unordered(ast: &Ast) -> bool {
    matches!(ast, Ast::Call { function, .. } if matches!(function.name, "children" | "descendants"))
}

/// The names of some types.
pub fn list(kinds: &[Kind<'_>]) -> String {
    let mut names: Vec<&str> = kinds.iter().map(Kind::name).collect();
    names.sort_unstable();
    names.dedup();
    match names.len() {
        0..=6 => names.join(", "),
        more => format!("{}, … ({more} types)", names[..6].join(", ")),
    }
}
