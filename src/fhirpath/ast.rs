//! The tree of an expression, and its one normal spelling.
//! <https://hl7.org/fhirpath/N1/#grammar>
//!
//! [`Display`](fmt::Display) writes every expression in one canonical way: `(a as T)`,
//! `a.as(T)` and `a.ofType(T)` are all written `a.ofType(T)`, parentheses only where they
//! are needed. The search index names its slots by this text, so a change of the spelling
//! of an expression here is a change of the database format.

use super::functions::Function;
use std::fmt;

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
    /// `name` (of the focus) or `of.name`.
    Member {
        of: Option<Box<Ast>>,
        name: String,
    },
    /// `function(…)` or `of.function(…)`.
    Call {
        of: Option<Box<Ast>>,
        function: &'static Function,
        arguments: Vec<Ast>,
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
    },
    /// `of as T`, `of.as(T)` and `of.ofType(T)`: R4 applies `as` to repeating elements, so
    /// all three filter a collection.
    OfType {
        of: Box<Ast>,
        type_name: String,
    },
    /// `-of`
    Negate(Box<Ast>),
    Binary {
        operator: Operator,
        left: Box<Ast>,
        right: Box<Ast>,
    },
}

/// A constant.
#[derive(Clone, Debug, PartialEq)]
pub enum Literal {
    /// `{}`
    Empty,
    Boolean(bool),
    String(String),
    /// As written, digits and at most one point.
    Number(String),
    /// `@2015-02-04T14:34:28Z` or `@T14:34`, without the sign.
    Date(String),
    /// Number and unit: `4 'mg'`, `4 days`.
    Quantity(String, String),
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
    /// The operands of the unions at the top: `a | b | c` is `[a, b, c]`.
    pub fn union_branches(&self) -> Vec<&Ast> {
        match self {
            Ast::Binary {
                operator: Operator::Union,
                left,
                right,
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
            Ast::Variable(name) => write!(f, "%{name}"),
            Ast::This => f.write_str("$this"),
            Ast::Index => f.write_str("$index"),
            Ast::Member { of, name } => {
                write_of(f, of.as_deref())?;
                f.write_str(name)
            }
            Ast::Call {
                of,
                function,
                arguments,
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
            Ast::Is { of, type_name } => {
                write!(f, "{} is {type_name}", Operand(of, TYPE_PRECEDENCE + 1))
            }
            Ast::OfType { of, type_name } => {
                write!(f, "{}.ofType({type_name})", Operand(of, TERM))
            }
            Ast::Negate(of) => write!(f, "-{}", Operand(of, UNARY)),
            Ast::Binary {
                operator,
                left,
                right,
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
            Literal::Number(text) => f.write_str(text),
            Literal::Date(text) => write!(f, "@{text}"),
            Literal::Quantity(number, unit) => {
                write!(f, "{number} ")?;
                write_string(f, unit)
            }
        }
    }
}

fn write_string(f: &mut fmt::Formatter<'_>, text: &str) -> fmt::Result {
    f.write_str("'")?;
    for c in text.chars() {
        match c {
            '\'' => f.write_str("\\'")?,
            '\\' => f.write_str("\\\\")?,
            '\n' => f.write_str("\\n")?,
            '\r' => f.write_str("\\r")?,
            '\t' => f.write_str("\\t")?,
            other => write!(f, "{other}")?,
        }
    }
    f.write_str("'")
}
