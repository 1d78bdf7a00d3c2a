//! Tokens to a tree, by precedence climbing. Grammar:
//! <https://hl7.org/fhirpath/N1/grammar.html>
//!
//! ```text
//! expression  = unary (OPERATOR unary | ('is' | 'as') type)*     by precedence
//! unary       = ('+' | '-')* postfix
//! postfix     = term ('.' invocation | '[' expression ']')*
//! term        = invocation | literal | '%' name | '{' '}' | '(' expression ')'
//! invocation  = name | name '(' (expression (',' expression)*)? ')' | '$this' | '$index' | '$total'
//! type        = name ('.' name)?
//! ```
//!
//! Names that are keywords only as operators (`as`, `contains`, `is`, `in`, `div`, `mod`)
//! are element and function names wherever a name is expected.

use super::ast::{Ast, Literal, Narrowing, Operator, Position, TYPE_PRECEDENCE};
use super::eval::is_common_variable;
use super::functions;
use super::lexer::{Token, TokenKind, tokenize};
use super::model::System;
use super::quantity::{Calendar, Quantity, Unit};
use crate::fhir::decimal::Decimal;
use std::fmt;

/// No tree is deeper: a guard for the stack, far above any real expression.
const MAX_DEPTH: usize = 150;

/// No text is longer, in bytes.
const MAX_LENGTH: usize = 1 << 16;
/// The greatest integer that may be written; with its sign it is the least.
const MAX_INTEGER: i64 = 1 << 31;

/// Whose rules a text is read by.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Dialect {
    /// The specification's.
    Strict,
    /// Those of R4's own invariants: `as` filters, names of types are not looked up.
    Published,
    /// The same of search parameters, which may ask nothing but the resource.
    Search,
}

/// Why a text is no expression.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ParseError {
    /// Byte offset in the text.
    pub position: usize,
    /// What was expected and what was found.
    pub message: String,
}

impl fmt::Display for ParseError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{} at position {}", self.message, self.position)
    }
}

impl std::error::Error for ParseError {}

/// Parses a whole text.
///
/// # Errors
/// Not the grammar, a function that is not known, too long, too deep.
pub fn parse(text: &str, dialect: Dialect, variables: &[&str]) -> Result<Ast, ParseError> {
    if text.len() > MAX_LENGTH {
        return Err(ParseError {
            position: MAX_LENGTH,
            message: format!(
                "expected at most {MAX_LENGTH} bytes but found {}",
                text.len()
            ),
        });
    }
    let mut parser = Parser {
        dialect,
        variables,
        tokens: tokenize(text)?,
        at: 0,
        end: text.len(),
    };
    let ast = parser.expression(0, 0)?;
    match parser.peek() {
        None => Ok(ast),
        Some(_) => parser.unexpected("the end"),
    }
}

struct Parser<'v> {
    dialect: Dialect,
    /// Those that the context will have beyond the common ones.
    variables: &'v [&'v str],
    tokens: Vec<Token>,
    at: usize,
    end: usize,
}

impl Parser<'_> {
    fn peek(&self) -> Option<&TokenKind> {
        self.tokens.get(self.at).map(|token| &token.kind)
    }

    fn position(&self) -> usize {
        self.tokens
            .get(self.at)
            .map_or(self.end, |token| token.position)
    }

    fn accept(&mut self, symbol: &str) -> bool {
        let found = matches!(self.peek(), Some(TokenKind::Symbol(s)) if *s == symbol);
        self.at += usize::from(found);
        found
    }

    fn expect(&mut self, symbol: &str) -> Result<(), ParseError> {
        if self.accept(symbol) {
            return Ok(());
        }
        self.unexpected(&format!("`{symbol}`"))
    }

    fn unexpected<T>(&self, expected: &str) -> Result<T, ParseError> {
        let found = match self.peek() {
            None => "the end".to_owned(),
            Some(TokenKind::Symbol(symbol)) => format!("`{symbol}`"),
            Some(TokenKind::Name(text) | TokenKind::Quoted(text)) => format!("`{text}`"),
            Some(TokenKind::String(text)) => format!("the string '{text}'"),
            Some(TokenKind::Number(text)) => format!("`{text}`"),
            Some(TokenKind::Temporal(value)) => format!("`@{}`", value.literal_text()),
        };
        self.fail(format!("expected {expected} but found {found}"))
    }

    fn fail<T>(&self, message: String) -> Result<T, ParseError> {
        Err(ParseError {
            position: self.position(),
            message,
        })
    }

    fn check_depth(&self, depth: usize) -> Result<(), ParseError> {
        if depth < MAX_DEPTH {
            return Ok(());
        }
        self.fail(format!(
            "expected at most {MAX_DEPTH} levels of an expression"
        ))
    }

    /// Reads operators that bind at least as tightly as `minimum`.
    fn expression(&mut self, minimum: u8, depth: usize) -> Result<Ast, ParseError> {
        self.check_depth(depth)?;
        let mut left = self.unary(depth + 1)?;
        // Each turn of the loop makes the tree one level deeper on the left.
        let mut height = depth + 1;
        loop {
            self.check_depth(height)?;
            height += 1;
            if let Some(name) = self.type_operator(minimum) {
                self.at += 1;
                left = self.typed(left, name)?;
            } else if let Some(operator) = self.operator(minimum) {
                let at = Position(self.position());
                self.at += 1;
                let right = self.expression(operator.precedence() + 1, depth + 1)?;
                left = Ast::Binary {
                    operator,
                    left: Box::new(left),
                    right: Box::new(right),
                    at,
                };
            } else {
                return Ok(left);
            }
        }
    }

    /// `is` or `as`, if it stands here.
    fn type_operator(&self, minimum: u8) -> Option<&'static str> {
        match self.peek() {
            Some(TokenKind::Name(name)) if minimum <= TYPE_PRECEDENCE => {
                ["is", "as"].into_iter().find(|word| word == name)
            }
            _ => None,
        }
    }

    /// `is`, `as` or `ofType` of the type whose name stands here.
    fn typed(&mut self, of: Ast, name: &str) -> Result<Ast, ParseError> {
        let (of, at) = (Box::new(of), Position(self.position()));
        let type_name = self.type_name()?;
        let rule = match (self.dialect, name) {
            (_, "is") => return Ok(Ast::Is { of, type_name, at }),
            (Dialect::Published | Dialect::Search, _) => Narrowing::Lenient,
            (Dialect::Strict, "as") => Narrowing::One,
            (Dialect::Strict, _) => Narrowing::Filter,
        };
        Ok(Ast::OfType {
            of,
            type_name,
            rule,
            at,
        })
    }

    fn operator(&self, minimum: u8) -> Option<Operator> {
        let text = match self.peek()? {
            TokenKind::Name(name) => name.as_str(),
            TokenKind::Symbol(symbol) => symbol,
            _ => return None,
        };
        OPERATORS
            .into_iter()
            .find(|operator| operator.symbol() == text)
            .filter(|operator| operator.precedence() >= minimum)
    }

    fn unary(&mut self, depth: usize) -> Result<Ast, ParseError> {
        self.check_depth(depth)?;
        if self.accept("-") {
            return Ok(Ast::Negate(Box::new(self.unary(depth + 1)?)));
        }
        if self.accept("+") {
            return self.unary(depth + 1);
        }
        self.postfix(depth + 1)
    }

    fn postfix(&mut self, depth: usize) -> Result<Ast, ParseError> {
        let mut ast = self.term(depth)?;
        let mut height = depth;
        loop {
            self.check_depth(height)?;
            height += 1;
            if self.accept(".") {
                ast = self.invocation(Some(ast), depth + 1)?;
            } else if self.accept("[") {
                let index = self.expression(0, depth + 1)?;
                self.expect("]")?;
                ast = Ast::Indexer {
                    of: Box::new(ast),
                    index: Box::new(index),
                };
            } else {
                return Ok(ast);
            }
        }
    }

    fn term(&mut self, depth: usize) -> Result<Ast, ParseError> {
        if self.accept("(") {
            let inner = self.expression(0, depth + 1)?;
            self.expect(")")?;
            return Ok(inner);
        }
        if self.accept("{") {
            self.expect("}")?;
            return Ok(Ast::Literal(Literal::Empty));
        }
        if self.accept("%") {
            return self.variable();
        }
        let literal = match self.peek() {
            Some(TokenKind::String(text)) => Literal::String(text.clone()),
            Some(TokenKind::Temporal(value)) => Literal::Temporal(*value),
            Some(TokenKind::Number(text)) => {
                let number = text.clone();
                return Ok(Ast::Literal(self.number(&number)?));
            }
            Some(TokenKind::Name(name)) if name == "true" => Literal::Boolean(true),
            Some(TokenKind::Name(name)) if name == "false" => Literal::Boolean(false),
            _ => return self.invocation(None, depth),
        };
        self.at += 1;
        Ok(Ast::Literal(literal))
    }

    fn variable(&mut self) -> Result<Ast, ParseError> {
        let name = match self.peek() {
            Some(TokenKind::Name(name) | TokenKind::Quoted(name) | TokenKind::String(name)) => {
                name.clone()
            }
            _ => return self.unexpected("the name of a variable"),
        };
        if !is_common_variable(&name) && !self.variables.contains(&name.as_str()) {
            return self.fail(format!(
                "expected a variable that is known but found %{name}"
            ));
        }
        self.at += 1;
        Ok(Ast::Variable(name))
    }

    /// A number may be followed by its unit.
    fn number(&mut self, text: &str) -> Result<Literal, ParseError> {
        let Some(value) = Decimal::parse(text) else {
            return self.fail("expected a number of at most 1000 digits".to_owned());
        };
        let unit = match self.tokens.get(self.at + 1).map(|token| &token.kind) {
            Some(TokenKind::String(unit)) => Some(Unit::quoted(unit)),
            Some(TokenKind::Name(word)) => Calendar::parse(word).map(Unit::Calendar),
            _ => None,
        };
        let integer = value.to_integer().filter(|value| *value <= MAX_INTEGER);
        let (length, literal) = match (unit, integer) {
            (Some(unit), _) => (2, Literal::Quantity(Quantity::new(value, unit))),
            (None, _) if text.contains('.') => (1, Literal::Decimal(value)),
            (None, Some(value)) => (1, Literal::Integer(value)),
            (None, None) => {
                let greatest = MAX_INTEGER - 1;
                return self.fail(format!(
                    "expected an integer up to {greatest} but found {text}"
                ));
            }
        };
        self.at += length;
        Ok(literal)
    }

    fn invocation(&mut self, of: Option<Ast>, depth: usize) -> Result<Ast, ParseError> {
        if of.is_none() && self.accept("$") {
            let variable = match self.peek() {
                Some(TokenKind::Name(name)) if name == "this" => Ast::This,
                Some(TokenKind::Name(name)) if name == "index" => Ast::Index,
                Some(TokenKind::Name(name)) if name == "total" => Ast::Total,
                _ => return self.unexpected("`$this`, `$index` or `$total`"),
            };
            self.at += 1;
            return Ok(variable);
        }
        let name = match self.peek() {
            Some(TokenKind::Name(name) | TokenKind::Quoted(name)) => name.clone(),
            _ => return self.unexpected("a name"),
        };
        let (start, at) = (self.at, Position(self.position()));
        self.at += 1;
        if !self.accept("(") {
            let of = of.map(Box::new);
            return Ok(Ast::Member { of, name, at });
        }
        if let "is" | "as" | "ofType" = name.as_str() {
            let typed = self.typed(of.unwrap_or(Ast::This), &name)?;
            self.expect(")")?;
            return Ok(typed);
        }
        let arguments = self.arguments(&name, depth + 1)?;
        match functions::find(&name, arguments.len()) {
            Ok(function) if function.is_of_outside && self.dialect == Dialect::Search => {
                self.at = start;
                self.fail(format!(
                    "{name}() asks more than the resource, which an index cannot"
                ))
            }
            Ok(function) => Ok(Ast::Call {
                of: of.map(Box::new),
                function,
                arguments,
                at,
            }),
            Err(message) => {
                self.at = start;
                self.fail(message)
            }
        }
    }

    /// The keys of `sort` may say in which order; a descending one is a negated one.
    fn arguments(&mut self, function: &str, depth: usize) -> Result<Vec<Ast>, ParseError> {
        let mut arguments = Vec::new();
        if self.accept(")") {
            return Ok(arguments);
        }
        loop {
            let mut argument = self.expression(0, depth)?;
            if function == "sort" {
                argument = self.ordered(argument);
            }
            arguments.push(argument);
            if self.accept(")") {
                return Ok(arguments);
            }
            self.expect(",")?;
        }
    }

    fn ordered(&mut self, key: Ast) -> Ast {
        match self.peek() {
            Some(TokenKind::Name(word)) if word == "desc" => {
                self.at += 1;
                Ast::Negate(Box::new(key))
            }
            Some(TokenKind::Name(word)) if word == "asc" => {
                self.at += 1;
                key
            }
            _ => key,
        }
    }

    /// The namespace `FHIR` is dropped. What only `System` has gets that in front; search
    /// parameters write `DateTime` where they mean the type of FHIR.
    fn type_name(&mut self) -> Result<String, ParseError> {
        let name = self.plain_name()?;
        if self.accept(".") {
            let within = self.plain_name()?;
            return Ok(match (name.as_str(), self.dialect) {
                ("System", Dialect::Strict) => format!("System.{within}"),
                ("System" | "FHIR", _) => within,
                _ => format!("{name}.{within}"),
            });
        }
        let is_system = System::parse(&name).is_some_and(|system| system != System::Quantity);
        Ok(match self.dialect {
            Dialect::Strict if is_system => format!("System.{name}"),
            _ => name,
        })
    }

    fn plain_name(&mut self) -> Result<String, ParseError> {
        match self.peek() {
            Some(TokenKind::Name(name) | TokenKind::Quoted(name)) => {
                let name = name.clone();
                self.at += 1;
                Ok(name)
            }
            _ => self.unexpected("the name of a type"),
        }
    }
}

const OPERATORS: [Operator; 22] = [
    Operator::Implies,
    Operator::Or,
    Operator::Xor,
    Operator::And,
    Operator::In,
    Operator::Contains,
    Operator::Equal,
    Operator::NotEqual,
    Operator::Equivalent,
    Operator::NotEquivalent,
    Operator::Less,
    Operator::LessOrEqual,
    Operator::Greater,
    Operator::GreaterOrEqual,
    Operator::Union,
    Operator::Add,
    Operator::Subtract,
    Operator::Concatenate,
    Operator::Multiply,
    Operator::Divide,
    Operator::Div,
    Operator::Mod,
];

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn one_spelling_for_each_meaning() {
        for (text, normal) in [
            ("Patient.name.given", "Patient.name.given"),
            (
                "(Observation.value as Quantity)",
                "Observation.value.ofType(Quantity)",
            ),
            ("Goal.target.due.as(date)", "Goal.target.due.ofType(date)"),
            ("AuditEvent.a | B.c", "AuditEvent.a | B.c"),
            ("a|b|c", "a | b | c"),
            ("a | (b | c)", "a | (b | c)"),
            (
                "a.where(resolve() is Patient)",
                "a.where(resolve() is Patient)",
            ),
            (
                "telecom.where(system='phone')",
                "telecom.where(system = 'phone')",
            ),
            ("Bundle.entry[0].resource", "Bundle.entry[0].resource"),
            ("a.exists() and b != false", "a.exists() and b != false"),
            ("(a or b) and c", "(a or b) and c"),
            ("a or b and c", "a or b and c"),
            ("(a as FHIR.Period).start", "a.ofType(Period).start"),
            ("%resource.id = 'it\\'s'", "%resource.id = 'it\\'s'"),
            ("%`vs-us-zip`.`a b`", "%`vs-us-zip`.`a b`"),
            ("4 'mg' > 3 days", "4 'mg' > 3 days"),
            ("-1 + 2 * 3 - 4", "-1 + 2 * 3 - 4"),
            ("1 - (2 - 3)", "1 - (2 - 3)"),
            ("a.`div`.contains // why\n", "a.div.contains"),
            ("@2015-01-01T10:00:00.0Z", "@2015-01-01T10:00:00.0Z"),
            ("{} | $this", "{} | $this"),
        ] {
            let ast =
                parse(text, Dialect::Search, &[]).unwrap_or_else(|error| panic!("{text}: {error}"));
            assert_eq!(ast.to_string(), normal, "{text}");
        }
        let strict = parse(
            "(a as FHIR.Quantity) is System.Boolean",
            Dialect::Strict,
            &[],
        );
        let strict = strict.map(|ast| ast.to_string());
        assert_eq!(strict.as_deref(), Ok("a.as(Quantity) is System.Boolean"));
    }

    #[test]
    fn what_is_no_expression_is_refused_with_its_place() {
        for (text, position, says) in [
            ("", 0, "expected a name but found the end"),
            ("a.", 2, "expected a name but found the end"),
            ("a b", 2, "expected the end but found `b`"),
            ("a.where(", 8, "found the end"),
            ("a.nope()", 2, "the function nope() is not supported"),
            ("a.where()", 2, "where() takes 1 argument"),
            ("'x", 0, "expected `'` but found the end"),
            ("a = 'x\\q'", 7, "expected an escape"),
            ("a # b", 2, "found `#`"),
            ("a as 3", 5, "expected the name of a type"),
            ("/* x", 0, "expected `*/`"),
        ] {
            let error = parse(text, Dialect::Strict, &[]).expect_err(text);
            assert_eq!(error.position, position, "{text}: {error}");
            assert!(error.message.contains(says), "{text}: {error}");
        }
    }

    #[test]
    fn depth_is_guarded() {
        for text in [
            "(".repeat(5000),
            "-".repeat(5000),
            "a.".repeat(5000) + "a",
            "a | ".repeat(5000) + "a",
            "a[".repeat(5000),
            "where(".repeat(5000),
        ] {
            let error = parse(&text, Dialect::Strict, &[]).expect_err("too deep");
            assert!(error.message.contains("levels"), "{error}");
        }
    }
}
