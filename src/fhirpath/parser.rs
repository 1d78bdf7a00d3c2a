//! Tokens to a tree, by precedence climbing. Grammar:
//! <https://hl7.org/fhirpath/N1/grammar.html>
//!
//! ```text
//! expression  = unary (OPERATOR unary | ('is' | 'as') type)*     by precedence
//! unary       = ('+' | '-')* postfix
//! postfix     = term ('.' invocation | '[' expression ']')*
//! term        = invocation | literal | '%' name | '{' '}' | '(' expression ')'
//! invocation  = name | name '(' (expression (',' expression)*)? ')' | '$this' | '$index'
//! type        = name ('.' name)?
//! ```
//!
//! Names that are keywords only as operators (`as`, `contains`, `is`, `in`, `div`, `mod`)
//! are element and function names wherever a name is expected.

use super::ast::{Ast, Literal, Operator, TYPE_PRECEDENCE};
use super::functions;
use super::lexer::{Token, TokenKind, tokenize};
use std::fmt;

/// No tree is deeper: a guard for the stack, far above any real expression.
const MAX_DEPTH: usize = 150;

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
/// Not the grammar, a function that is not known, too deep.
pub fn parse(text: &str) -> Result<Ast, ParseError> {
    let mut parser = Parser {
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

struct Parser {
    tokens: Vec<Token>,
    at: usize,
    end: usize,
}

impl Parser {
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
            Some(TokenKind::Date(text)) => format!("`@{text}`"),
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
            if let Some(is) = self.type_operator(minimum) {
                self.at += 1;
                let (of, type_name) = (Box::new(left), self.type_name()?);
                left = if is {
                    Ast::Is { of, type_name }
                } else {
                    Ast::OfType { of, type_name }
                };
            } else if let Some(operator) = self.operator(minimum) {
                self.at += 1;
                let right = self.expression(operator.precedence() + 1, depth + 1)?;
                left = Ast::Binary {
                    operator,
                    left: Box::new(left),
                    right: Box::new(right),
                };
            } else {
                return Ok(left);
            }
        }
    }

    /// Whether `is` (true) or `as` (false) stands here.
    fn type_operator(&self, minimum: u8) -> Option<bool> {
        match self.peek() {
            Some(TokenKind::Name(name)) if minimum <= TYPE_PRECEDENCE => match name.as_str() {
                "is" => Some(true),
                "as" => Some(false),
                _ => None,
            },
            _ => None,
        }
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
            return match self.next() {
                Some(TokenKind::Name(name) | TokenKind::Quoted(name) | TokenKind::String(name)) => {
                    Ok(Ast::Variable(name))
                }
                _ => self.unexpected("the name of a variable"),
            };
        }
        let literal = match self.peek() {
            Some(TokenKind::String(text)) => Literal::String(text.clone()),
            Some(TokenKind::Date(text)) => Literal::Date(text.clone()),
            Some(TokenKind::Number(text)) => {
                let number = text.clone();
                self.at += 1;
                return Ok(Ast::Literal(self.quantity(number)));
            }
            Some(TokenKind::Name(name)) if name == "true" => Literal::Boolean(true),
            Some(TokenKind::Name(name)) if name == "false" => Literal::Boolean(false),
            _ => return self.invocation(None, depth),
        };
        self.at += 1;
        Ok(Ast::Literal(literal))
    }

    fn next(&mut self) -> Option<TokenKind> {
        let token = self.tokens.get(self.at)?;
        self.at += 1;
        Some(token.kind.clone())
    }

    /// A number may be followed by its unit.
    fn quantity(&mut self, number: String) -> Literal {
        let unit = match self.peek() {
            Some(TokenKind::String(unit)) => unit.clone(),
            Some(TokenKind::Name(word)) if TIME_UNITS.contains(&word.as_str()) => word.clone(),
            _ => return Literal::Number(number),
        };
        self.at += 1;
        Literal::Quantity(number, unit)
    }

    fn invocation(&mut self, of: Option<Ast>, depth: usize) -> Result<Ast, ParseError> {
        if of.is_none() && self.accept("$") {
            let variable = match self.peek() {
                Some(TokenKind::Name(name)) if name == "this" => Ast::This,
                Some(TokenKind::Name(name)) if name == "index" => Ast::Index,
                _ => return self.unexpected("`$this` or `$index`"),
            };
            self.at += 1;
            return Ok(variable);
        }
        let name = match self.peek() {
            Some(TokenKind::Name(name) | TokenKind::Quoted(name)) => name.clone(),
            _ => return self.unexpected("a name"),
        };
        let start = self.at;
        self.at += 1;
        let of = of.map(Box::new);
        if !self.accept("(") {
            return Ok(Ast::Member { of, name });
        }
        if let "is" | "as" | "ofType" = name.as_str() {
            let type_name = self.type_name()?;
            self.expect(")")?;
            let of = of.unwrap_or_else(|| Box::new(Ast::This));
            return Ok(if name == "is" {
                Ast::Is { of, type_name }
            } else {
                Ast::OfType { of, type_name }
            });
        }
        let arguments = self.arguments(depth + 1)?;
        match functions::find(&name, arguments.len()) {
            Ok(function) => Ok(Ast::Call {
                of,
                function,
                arguments,
            }),
            Err(message) => {
                self.at = start;
                self.fail(message)
            }
        }
    }

    fn arguments(&mut self, depth: usize) -> Result<Vec<Ast>, ParseError> {
        let mut arguments = Vec::new();
        if self.accept(")") {
            return Ok(arguments);
        }
        loop {
            arguments.push(self.expression(0, depth)?);
            if self.accept(")") {
                return Ok(arguments);
            }
            self.expect(",")?;
        }
    }

    /// The namespaces `FHIR` and `System` are dropped: no name of one means another thing
    /// in the other once primitives compare alike.
    fn type_name(&mut self) -> Result<String, ParseError> {
        let mut name = self.plain_name()?;
        if self.accept(".") {
            name = self.plain_name()?;
        }
        Ok(name)
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

const TIME_UNITS: [&str; 16] = [
    "year",
    "month",
    "week",
    "day",
    "hour",
    "minute",
    "second",
    "millisecond",
    "years",
    "months",
    "weeks",
    "days",
    "hours",
    "minutes",
    "seconds",
    "milliseconds",
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
            ("%`us-zip`", "%us-zip"),
            ("4 'mg' > 3 days", "4 'mg' > 3 'days'"),
            ("-1 + 2 * 3 - 4", "-1 + 2 * 3 - 4"),
            ("1 - (2 - 3)", "1 - (2 - 3)"),
            ("a.`div`.contains // why\n", "a.div.contains"),
            ("@2015-01-01T10:00:00.0Z", "@2015-01-01T10:00:00.0Z"),
            ("{} | $this", "{} | $this"),
        ] {
            let ast = parse(text).unwrap_or_else(|error| panic!("{text}: {error}"));
            assert_eq!(ast.to_string(), normal, "{text}");
        }
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
            let error = parse(text).expect_err(text);
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
            let error = parse(&text).expect_err("too deep");
            assert!(error.message.contains("levels"), "{error}");
        }
    }
}
