//! The tree of an expression, and its one normal spelling.
//! <https://hl7.org/fhirpath/N1/#grammar>
//!
//! [`Display`](fmt::Display) writes every expression in one canonical way: `(a as T)` is
//! `a.as(T)`, and in a search parameter, where it means the same, `a.ofType(T)`; parentheses
//! stand only where they are needed. The search index names its slots by this text, so a change of the spelling
//! of an expression here is a change of the database format.

use super::functions::Function;
use super::quantity::Quantity;
use super::temporal::Temporal;
use crate::fhir::decimal::Decimal;
use std::fmt;

/// Where in its text a part of an expression begins, in bytes. Two trees are equal wherever
/// their parts stand.
#[derive(Clone, Copy, Debug, Default)]
pub struct Position(pub usize);

impl PartialEq for Position {
    fn eq(&self, _: &Position) -> bool {
        true
    }
}

/// What a narrowing to a type does with several items, and with a type that is unknown.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Narrowing {
    /// `as`: an error of either.
    One,
    /// `ofType`: filters; an error of an unknown type.
    Filter,
    /// Either one in a published expression: filters. R4 applies `as` to repeating elements.
    Lenient,
}

/// An expression as a tree.
#[derive(Clone, Debug, PartialEq)]
pub enum Ast {
    Literal(Literal),
    /// `%resource`, without the sign.
    Variable(String),
    /// `$this`
    This,
    /// `$index`
    Index,
    /// `$total`
    Total,
    /// `name` (of the focus) or `of.name`.
    Member {
        of: Option<Box<Ast>>,
        name: String,
        at: Position,
    },
    /// `function(…)` or `of.function(…)`.
    Call {
        of: Option<Box<Ast>>,
        function: &'static Function,
        arguments: Vec<Ast>,
        at: Position,
    },
    /// `of[index]`
    Indexer {
        of: Box<Ast>,
        index: Box<Ast>,
    },
    /// `of is T`, `of.is(T)`
    Is {
        of: Box<Ast>,
        type_name: String,
        at: Position,
    },
    /// `of as T`, `of.as(T)` and `of.ofType(T)`.
    OfType {
        of: Box<Ast>,
        type_name: String,
        rule: Narrowing,
        at: Position,
    },
    /// `-of`
    Negate(Box<Ast>),
    Binary {
        operator: Operator,
        left: Box<Ast>,
        right: Box<Ast>,
        at: Position,
    },
}

/// A constant.
#[derive(Clone, Debug, PartialEq)]
pub enum Literal {
    /// `{}`
    Empty,
    Boolean(bool),
    String(String),
    Integer(i64),
    Decimal(Decimal),
    /// `@2015-02-04T14:34:28Z` or `@T14:34`
    Temporal(Temporal),
    /// `4 'mg'`, `4 days`
    Quantity(Quantity),
}

/// The operators between two operands.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Operator {
    Implies,
    Or,
    Xor,
    And,
    In,
    Contains,
    Equal,
    NotEqual,
    Equivalent,
    NotEquivalent,
    Less,
    LessOrEqual,
    Greater,
    GreaterOrEqual,
    Union,
    Add,
    Subtract,
    Concatenate,
    Multiply,
    Divide,
    Div,
    Mod,
}

impl Operator {
    /// As written.
    pub fn symbol(self) -> &'static str {
        match self {
            Operator::Implies => "implies",
            Operator::Or => "or",
            Operator::Xor => "xor",
            Operator::And => "and",
            Operator::In => "in",
            Operator::Contains => "contains",
            Operator::Equal => "=",
            Operator::NotEqual => "!=",
            Operator::Equivalent => "~",
            Operator::NotEquivalent => "!~",
            Operator::Less => "<",
            Operator::LessOrEqual => "<=",
            Operator::Greater => ">",
            Operator::GreaterOrEqual => ">=",
            Operator::Union => "|",
            Operator::Add => "+",
            Operator::Subtract => "-",
            Operator::Concatenate => "&",
            Operator::Multiply => "*",
            Operator::Divide => "/",
            Operator::Div => "div",
            Operator::Mod => "mod",
        }
    }

    /// Whether the result is true, false or nothing.
    pub fn gives_truth(self) -> bool {
        use Operator::{Add, Concatenate, Div, Divide, Mod, Multiply, Subtract, Union};
        !matches!(
            self,
            Union | Add | Subtract | Concatenate | Multiply | Divide | Div | Mod
        )
    }

    /// How tightly it binds; all operators associate to the left.
    pub fn precedence(self) -> u8 {
        match self {
            Operator::Implies => 1,
            Operator::Or | Operator::Xor => 2,
            Operator::And => 3,
            Operator::In | Operator::Contains => 4,
            Operator::Equal
            | Operator::NotEqual
            | Operator::Equivalent
            | Operator::NotEquivalent => 5,
            Operator::Less
            | Operator::LessOrEqual
            | Operator::Greater
            | Operator::GreaterOrEqual => 6,
            Operator::Union => 7,
            // 8 is `is` and `as`, which take a type on the right.
            Operator::Add | Operator::Subtract | Operator::Concatenate => 9,
            Operator::Multiply | Operator::Divide | Operator::Div | Operator::Mod => 10,
        }
    }
}

/// The precedence of `is` and `as`.
pub const TYPE_PRECEDENCE: u8 = 8;
/// The precedence of what needs no parentheses.
const TERM: u8 = 12;
const UNARY: u8 = 11;

impl Ast {
    /// `left | right`
    pub fn union(left: Ast, right: Ast) -> Ast {
        Ast::Binary {
            operator: Operator::Union,
            left: Box::new(left),
            right: Box::new(right),
            at: Position::default(),
        }
    }

    /// Where this begins in its text, as far as it is kept.
    pub fn position(&self) -> Option<usize> {
        match self {
            Ast::Member { at, .. }
            | Ast::Call { at, .. }
            | Ast::Is { at, .. }
            | Ast::OfType { at, .. }
            | Ast::Binary { at, .. } => Some(at.0),
            _ => None,
        }
    }

    /// The first part, this one included, that passes the test.
    pub fn find(&self, test: &dyn Fn(&Ast) -> bool) -> Option<&Ast> {
        if test(self) {
            return Some(self);
        }
        let within = self.of().and_then(|of| of.find(test));
        within.or_else(|| match self {
            Ast::Call { arguments, .. } => arguments.iter().find_map(|one| one.find(test)),
            Ast::Indexer { index: other, .. } | Ast::Binary { right: other, .. } => {
                other.find(test)
            }
            _ => None,
        })
    }

    /// The operands of the unions at the top: `a | b | c` is `[a, b, c]`.
    pub fn union_branches(&self) -> Vec<&Ast> {
        match self {
            Ast::Binary {
                operator: Operator::Union,
                left,
                right,
                ..
            } => {
                let mut branches = left.union_branches();
                branches.extend(right.union_branches());
                branches
            }
            other => vec![other],
        }
    }

    /// What this expression is applied to, one step to the left.
    pub fn of(&self) -> Option<&Ast> {
        match self {
            Ast::Member { of, .. } | Ast::Call { of, .. } => of.as_deref(),
            Ast::Indexer { of, .. } | Ast::Is { of, .. } | Ast::OfType { of, .. } => Some(of),
            Ast::Negate(of) => Some(of),
            Ast::Binary { left, .. } => Some(left),
            _ => None,
        }
    }

    /// The first name of a path: `Patient` of `(Patient.deceased as dateTime)`.
    pub fn first_name(&self) -> Option<&str> {
        match (self.of(), self) {
            (Some(of), _) => of.first_name(),
            (None, Ast::Member { name, .. }) => Some(name),
            _ => None,
        }
    }

    fn precedence(&self) -> u8 {
        match self {
            Ast::Binary { operator, .. } => operator.precedence(),
            Ast::Is { .. } => TYPE_PRECEDENCE,
            Ast::Negate(_) => UNARY,
            _ => TERM,
        }
    }
}

/// An operand, in parentheses when it binds less tightly than its place needs.
struct Operand<'a>(&'a Ast, u8);

impl fmt::Display for Operand<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        if self.0.precedence() < self.1 {
            write!(f, "({})", self.0)
        } else {
            write!(f, "{}", self.0)
        }
    }
}

impl fmt::Display for Ast {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Ast::Literal(literal) => write!(f, "{literal}"),
            Ast::Variable(name) => {
                f.write_str("%")?;
                write_name(f, name, false)
            }
            Ast::This => f.write_str("$this"),
            Ast::Index => f.write_str("$index"),
            Ast::Total => f.write_str("$total"),
            Ast::Member { of, name, .. } => {
                write_of(f, of.as_deref())?;
                write_name(f, name, of.is_none())
            }
            Ast::Call {
                of,
                function,
                arguments,
                ..
            } => {
                write_of(f, of.as_deref())?;
                write!(f, "{}(", function.name)?;
                for (index, argument) in arguments.iter().enumerate() {
                    let separator = if index > 0 { ", " } else { "" };
                    write!(f, "{separator}{argument}")?;
                }
                f.write_str(")")
            }
            Ast::Indexer { of, index } => write!(f, "{}[{index}]", Operand(of, TERM)),
            Ast::Is { of, type_name, .. } => {
                write!(f, "{} is ", Operand(of, TYPE_PRECEDENCE + 1))?;
                write_type(f, type_name)
            }
            Ast::OfType {
                of,
                type_name,
                rule,
                ..
            } => {
                let name = if *rule == Narrowing::One {
                    "as"
                } else {
                    "ofType"
                };
                write!(f, "{}.{name}(", Operand(of, TERM))?;
                write_type(f, type_name)?;
                f.write_str(")")
            }
            Ast::Negate(of) => write!(f, "-{}", Operand(of, UNARY)),
            Ast::Binary {
                operator,
                left,
                right,
                ..
            } => {
                let precedence = operator.precedence();
                let (left, right) = (Operand(left, precedence), Operand(right, precedence + 1));
                write!(f, "{left} {} {right}", operator.symbol())
            }
        }
    }
}

fn write_of(f: &mut fmt::Formatter<'_>, of: Option<&Ast>) -> fmt::Result {
    match of {
        Some(of) => write!(f, "{}.", Operand(of, TERM)),
        None => Ok(()),
    }
}

impl fmt::Display for Literal {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Literal::Empty => f.write_str("{}"),
            Literal::Boolean(value) => write!(f, "{value}"),
            Literal::String(text) => write_string(f, text),
            Literal::Integer(value) => write!(f, "{value}"),
            Literal::Decimal(value) => f.write_str(&value.written()),
            Literal::Temporal(value) => write!(f, "@{}", value.literal_text()),
            Literal::Quantity(value) => write!(f, "{value}"),
        }
    }
}

/// A name, in back quotes where it would be read as anything else.
fn write_name(f: &mut fmt::Formatter<'_>, name: &str, is_first: bool) -> fmt::Result {
    let is_inner = |c: char| c.is_ascii_alphanumeric() || c == '_';
    let is_name = name.starts_with(|c: char| is_inner(c) && !c.is_ascii_digit());
    let is_literal = is_first && matches!(name, "true" | "false");
    match is_name && name.chars().all(is_inner) && !is_literal {
        true => f.write_str(name),
        false => write_quoted(f, name, '`'),
    }
}

/// A namespace may stand in front.
fn write_type(f: &mut fmt::Formatter<'_>, name: &str) -> fmt::Result {
    if let Some((namespace, name)) = name.split_once('.') {
        write_name(f, namespace, false)?;
        f.write_str(".")?;
        return write_name(f, name, false);
    }
    write_name(f, name, false)
}

fn write_string(f: &mut fmt::Formatter<'_>, text: &str) -> fmt::Result {
    write_quoted(f, text, '\'')
}

fn write_quoted(f: &mut fmt::Formatter<'_>, text: &str, quote: char) -> fmt::Result {
    write!(f, "{quote}")?;
    for c in text.chars() {
        match c {
            c if c == quote => write!(f, "\\{quote}")?,
            '\\' => f.write_str("\\\\")?,
            '\n' => f.write_str("\\n")?,
            '\r' => f.write_str("\\r")?,
            '\t' => f.write_str("\\t")?,
            other => write!(f, "{other}")?,
        }
    }
    write!(f, "{quote}")
}
