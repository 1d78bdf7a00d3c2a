//! Text to tokens. Lexical grammar: <https://hl7.org/fhirpath/N1/#lexical-elements>
//!
//! ```text
//! IDENTIFIER  = [A-Za-z_] [A-Za-z0-9_]*
//! DELIMITED   = '`' (ESCAPE | [^\\`])* '`'
//! STRING      = "'" (ESCAPE | [^\\'])* "'"
//! ESCAPE      = '\' ([`'\\/fnrt"] | 'u' HEX HEX HEX HEX)
//! NUMBER      = [0-9]+ ('.' [0-9]+)?
//! DATE        = '@' …                           see `temporal`
//! comments    = '//' to the end of the line, '/*' … '*/'
//! ```

use super::parser::ParseError;
use super::temporal::Temporal;

/// A token and the byte offset where it begins.
#[derive(Clone, Debug, PartialEq)]
pub struct Token {
    pub position: usize,
    pub kind: TokenKind,
}

#[derive(Clone, Debug, PartialEq)]
pub enum TokenKind {
    /// A name, which may also be a keyword.
    Name(String),
    /// A name in back quotes, never a keyword.
    Quoted(String),
    String(String),
    Number(String),
    Temporal(Temporal),
    /// An operator or a bracket.
    Symbol(&'static str),
}

/// Two characters before one, so that the longest match wins.
const SYMBOLS: [&str; 27] = [
    "<=", ">=", "!=", "!~", "(", ")", "[", "]", "{", "}", ".", ",", "|", "=", "~", "<", ">", "+",
    "-", "*", "/", "&", "%", "$", ":", ";", "?",
];

/// Splits an expression into tokens.
///
/// # Errors
/// A character that begins no token; a string, name or comment that does not end.
pub fn tokenize(text: &str) -> Result<Vec<Token>, ParseError> {
    let mut lexer = Lexer { text, at: 0 };
    let mut tokens = Vec::new();
    loop {
        lexer.skip_space()?;
        let position = lexer.at;
        let Some(kind) = lexer.token()? else {
            return Ok(tokens);
        };
        tokens.push(Token { position, kind });
    }
}

struct Lexer<'a> {
    text: &'a str,
    at: usize,
}

impl Lexer<'_> {
    fn rest(&self) -> &str {
        &self.text[self.at..]
    }

    fn error<T>(&self, message: impl Into<String>) -> Result<T, ParseError> {
        Err(ParseError {
            position: self.at,
            message: message.into(),
        })
    }

    fn skip_space(&mut self) -> Result<(), ParseError> {
        loop {
            let rest = self.rest();
            let space = rest.len() - rest.trim_start().len();
            if space > 0 {
                self.at += space;
            } else if rest.starts_with("//") {
                self.at += rest.find('\n').unwrap_or(rest.len());
            } else if rest.starts_with("/*") {
                match rest.find("*/") {
                    Some(end) => self.at += end + 2,
                    None => return self.error("expected `*/` but found the end"),
                }
            } else {
                return Ok(());
            }
        }
    }

    fn token(&mut self) -> Result<Option<TokenKind>, ParseError> {
        let Some(first) = self.rest().chars().next() else {
            return Ok(None);
        };
        Ok(Some(match first {
            'a'..='z' | 'A'..='Z' | '_' => {
                TokenKind::Name(self.take_while(|c| c.is_ascii_alphanumeric() || c == '_'))
            }
            '\'' => TokenKind::String(self.quoted('\'')?),
            '`' => TokenKind::Quoted(self.quoted('`')?),
            '0'..='9' => TokenKind::Number(self.number()),
            '@' => match Temporal::literal(self.rest().get(1..).unwrap_or_default()) {
                Some((value, length)) => {
                    self.at += 1 + length;
                    TokenKind::Temporal(value)
                }
                None => return self.error("expected a date or a time that exists behind `@`"),
            },
            other => match SYMBOLS
                .iter()
                .find(|symbol| self.rest().starts_with(**symbol))
            {
                Some(symbol) => {
                    self.at += symbol.len();
                    TokenKind::Symbol(symbol)
                }
                None => {
                    return self.error(format!("expected an expression but found `{other}`"));
                }
            },
        }))
    }

    fn take_while(&mut self, accept: impl Fn(char) -> bool) -> String {
        let rest = self.rest();
        let length = rest.find(|c| !accept(c)).unwrap_or(rest.len());
        let taken = rest[..length].to_owned();
        self.at += length;
        taken
    }

    /// A point belongs to the number only before a digit: `1.toString()` calls a function.
    fn number(&mut self) -> String {
        let mut text = self.take_while(|c| c.is_ascii_digit());
        let mut next = self.rest().chars();
        if next.next() == Some('.') && next.next().is_some_and(|c| c.is_ascii_digit()) {
            self.at += 1;
            text.push('.');
            text.push_str(&self.take_while(|c| c.is_ascii_digit()));
        }
        text
    }

    fn quoted(&mut self, quote: char) -> Result<String, ParseError> {
        let start = self.at;
        self.at += 1;
        let mut text = String::new();
        while let Some(c) = self.rest().chars().next() {
            self.at += c.len_utf8();
            match c {
                '\\' => text.push(self.escape()?),
                _ if c == quote => return Ok(text),
                _ => text.push(c),
            }
        }
        self.at = start;
        self.error(format!("expected `{quote}` but found the end"))
    }

    fn escape(&mut self) -> Result<char, ParseError> {
        let Some(c) = self.rest().chars().next() else {
            return self.error("expected an escape but found the end");
        };
        let plain = match c {
            '\'' | '"' | '`' | '\\' | '/' => c,
            'f' => '\u{c}',
            'n' => '\n',
            'r' => '\r',
            't' => '\t',
            'u' => return self.unicode(),
            other => return self.error(format!("expected an escape but found `\\{other}`")),
        };
        self.at += c.len_utf8();
        Ok(plain)
    }

    fn unicode(&mut self) -> Result<char, ParseError> {
        let digits = self.rest().get(1..5);
        let found = digits
            .and_then(|digits| u32::from_str_radix(digits, 16).ok())
            .and_then(char::from_u32);
        match found {
            Some(c) => {
                self.at += 5;
                Ok(c)
            }
            None => self.error("expected four hexadecimal digits of a character"),
        }
    }
}
