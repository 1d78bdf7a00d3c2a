//! Strict reading of JSON into `serde_json::Value`.
//!
//! A reader of our own, because FHIR needs what general readers do not keep or refuse: the
//! exact spelling of numbers (`1.00`, `1E-22`, 40 digits; `serde_json` rewrites exponents),
//! property order, and errors for duplicate names, U+0000, lone surrogates and nesting
//! beyond a limit, each with line and column. Grammar: RFC 8259.
//! <https://hl7.org/fhir/R4/json.html>. Not done here: whether an element is known, or has
//! the right type: that is `validation`.

mod places;

pub use places::places;

use crate::error::{Category, Error, Result};
use serde_json::map::Entry;
use serde_json::{Map, Number, Value};

/// How deep JSON may nest by default: FHIR's own examples stay under 30.
pub const DEFAULT_DEPTH: usize = 100;

/// Reads one JSON text strictly; `depth` is the deepest nesting of arrays and objects.
///
/// # Errors
/// `Invalid` with line and column: malformed JSON, invalid UTF-8, a duplicate name, U+0000,
/// a lone surrogate, too deep.
pub fn parse(text: &[u8], depth: usize) -> Result<Value> {
    let text = without_byte_order_mark(text);
    let text = std::str::from_utf8(text).map_err(|error| {
        Error::coded(
            Category::Invalid,
            "structure",
            format!(
                "expected UTF-8 but found an invalid byte at offset {}",
                error.valid_up_to()
            ),
        )
    })?;
    let mut reader = Reader { text, at: 0 };
    let value = reader.document(depth);
    value.map_err(|says| {
        let (line, column) = place(text, reader.at);
        Error::coded(
            Category::Invalid,
            "structure",
            format!("the body is not acceptable JSON: {says} at line {line} column {column}"),
        )
    })
}

/// Drops a byte order mark, which RFC 8259 lets a reader ignore.
pub fn without_byte_order_mark(text: &[u8]) -> &[u8] {
    text.strip_prefix(b"\xEF\xBB\xBF").unwrap_or(text)
}

/// True for the spelling of one number of JSON, and for nothing around it.
pub fn is_number(text: &str) -> bool {
    let mut reader = Reader { text, at: 0 };
    reader.number().is_ok() && reader.at == text.len()
}

/// Line and column, both from 1, of a byte offset.
fn place(text: &str, at: usize) -> (usize, usize) {
    let before = &text.as_bytes()[..at.min(text.len())];
    let line = before.iter().filter(|&&byte| byte == b'\n').count() + 1;
    let column = before
        .iter()
        .rev()
        .take_while(|&&byte| byte != b'\n')
        .count()
        + 1;
    (line, column)
}

/// What is wrong, without its place: that is where the reader stands.
type Says = String;

struct Reader<'a> {
    text: &'a str,
    at: usize,
}

impl Reader<'_> {
    fn peek(&self) -> Option<u8> {
        self.text.as_bytes().get(self.at).copied()
    }

    fn skip_space(&mut self) {
        while let Some(b' ' | b'\n' | b'\r' | b'\t') = self.peek() {
            self.at += 1;
        }
    }

    fn expect(&mut self, byte: u8) -> Result<(), Says> {
        if self.peek() == Some(byte) {
            self.at += 1;
            return Ok(());
        }
        Err(format!(
            "expected `{}` but found {}",
            byte as char,
            self.found()
        ))
    }

    fn found(&self) -> String {
        match self.text[self.at..].chars().next() {
            Some(c) => format!("`{}`", c.escape_debug()),
            None => "the end".to_owned(),
        }
    }

    fn document(&mut self, depth: usize) -> Result<Value, Says> {
        self.skip_space();
        let value = self.value(depth)?;
        self.skip_space();
        match self.peek() {
            None => Ok(value),
            Some(_) => Err(format!("expected the end but found {}", self.found())),
        }
    }

    fn value(&mut self, depth: usize) -> Result<Value, Says> {
        match self.peek() {
            Some(b'{') => self.object(deeper(depth)?),
            Some(b'[') => self.array(deeper(depth)?),
            Some(b'"') => self.string().map(Value::String),
            Some(b'-' | b'0'..=b'9') => self.number(),
            Some(b't') => self.word("true", Value::Bool(true)),
            Some(b'f') => self.word("false", Value::Bool(false)),
            Some(b'n') => self.word("null", Value::Null),
            _ => Err(format!("expected a value but found {}", self.found())),
        }
    }

    fn word(&mut self, word: &str, value: Value) -> Result<Value, Says> {
        if self.text[self.at..].starts_with(word) {
            self.at += word.len();
            return Ok(value);
        }
        Err(format!("expected `{word}` but found {}", self.found()))
    }

    fn object(&mut self, depth: usize) -> Result<Value, Says> {
        self.at += 1;
        let mut object = Map::new();
        self.skip_space();
        if self.peek() == Some(b'}') {
            self.at += 1;
            return Ok(Value::Object(object));
        }
        loop {
            self.skip_space();
            let start = self.at;
            let name = self.string()?;
            self.skip_space();
            self.expect(b':')?;
            self.skip_space();
            match object.entry(name) {
                Entry::Vacant(entry) => entry.insert(self.value(depth)?),
                Entry::Occupied(entry) => {
                    self.at = start;
                    return Err(format!(
                        "the name {:?} occurs twice in one object",
                        entry.key()
                    ));
                }
            };
            self.skip_space();
            match self.peek() {
                Some(b',') => self.at += 1,
                Some(b'}') => {
                    self.at += 1;
                    return Ok(Value::Object(object));
                }
                _ => return Err(format!("expected `,` or `}}` but found {}", self.found())),
            }
        }
    }

    fn array(&mut self, depth: usize) -> Result<Value, Says> {
        self.at += 1;
        let mut array = Vec::new();
        self.skip_space();
        if self.peek() == Some(b']') {
            self.at += 1;
            return Ok(Value::Array(array));
        }
        loop {
            self.skip_space();
            array.push(self.value(depth)?);
            self.skip_space();
            match self.peek() {
                Some(b',') => self.at += 1,
                Some(b']') => {
                    self.at += 1;
                    return Ok(Value::Array(array));
                }
                _ => return Err(format!("expected `,` or `]` but found {}", self.found())),
            }
        }
    }

    /// `-? (0 | [1-9][0-9]*) (. [0-9]+)? ([eE] [+-]? [0-9]+)?`, kept as spelt.
    fn number(&mut self) -> Result<Value, Says> {
        let start = self.at;
        if self.peek() == Some(b'-') {
            self.at += 1;
        }
        if self.peek() == Some(b'0') {
            self.at += 1;
        } else {
            self.digits()?;
        }
        if self.peek() == Some(b'.') {
            self.at += 1;
            self.digits()?;
        }
        if let Some(b'e' | b'E') = self.peek() {
            self.at += 1;
            if let Some(b'+' | b'-') = self.peek() {
                self.at += 1;
            }
            self.digits()?;
        }
        let spelling = self.text[start..self.at].to_owned();
        Ok(Value::Number(Number::from_string_unchecked(spelling)))
    }

    fn digits(&mut self) -> Result<(), Says> {
        let start = self.at;
        while let Some(b'0'..=b'9') = self.peek() {
            self.at += 1;
        }
        if self.at == start {
            return Err(format!("expected a digit but found {}", self.found()));
        }
        Ok(())
    }

    fn string(&mut self) -> Result<String, Says> {
        self.expect(b'"')?;
        let start = self.at;
        self.run();
        if self.peek() == Some(b'"') {
            let plain = self.text[start..self.at].to_owned();
            self.at += 1;
            return Ok(plain);
        }
        let mut string = self.text[start..self.at].to_owned();
        loop {
            match self.peek() {
                Some(b'"') => {
                    self.at += 1;
                    return Ok(string);
                }
                Some(b'\\') => string.push(self.escape()?),
                Some(_) => return Err("a control character stands unescaped in a string".into()),
                None => return Err("the string does not end".into()),
            }
            let start = self.at;
            self.run();
            string.push_str(&self.text[start..self.at]);
        }
    }

    /// Passes over the characters that need no treatment.
    fn run(&mut self) {
        let rest = &self.text.as_bytes()[self.at..];
        self.at += rest
            .iter()
            .position(|&byte| byte == b'"' || byte == b'\\' || byte < 0x20)
            .unwrap_or(rest.len());
    }

    fn escape(&mut self) -> Result<char, Says> {
        self.at += 1;
        let character = match self.peek() {
            Some(b'"') => '"',
            Some(b'\\') => '\\',
            Some(b'/') => '/',
            Some(b'b') => '\u{8}',
            Some(b'f') => '\u{c}',
            Some(b'n') => '\n',
            Some(b'r') => '\r',
            Some(b't') => '\t',
            Some(b'u') => return self.unicode_escape(),
            _ => return Err(format!("expected an escape but found {}", self.found())),
        };
        self.at += 1;
        Ok(character)
    }

    fn unicode_escape(&mut self) -> Result<char, Says> {
        let unit = self.code_unit()?;
        let code = match unit {
            0 => return Err("a string contains U+0000, which FHIR forbids".into()),
            0xD800..=0xDBFF => {
                if !self.text[self.at..].starts_with("\\u") {
                    return Err("a lone surrogate is not a character".into());
                }
                self.at += 1;
                match self.code_unit()? {
                    low @ 0xDC00..=0xDFFF => 0x10000 + ((unit - 0xD800) << 10) + (low - 0xDC00),
                    _ => return Err("a lone surrogate is not a character".into()),
                }
            }
            other => other,
        };
        char::from_u32(code).ok_or_else(|| "a lone surrogate is not a character".into())
    }

    /// The four hexadecimal digits behind `u`.
    fn code_unit(&mut self) -> Result<u32, Says> {
        self.at += 1;
        let unit = self
            .text
            .get(self.at..self.at + 4)
            .filter(|digits| digits.bytes().all(|byte| byte.is_ascii_hexdigit()))
            .and_then(|digits| u32::from_str_radix(digits, 16).ok())
            .ok_or("expected four hexadecimal digits")?;
        self.at += 4;
        Ok(unit)
    }
}

fn deeper(depth: usize) -> Result<usize, Says> {
    depth
        .checked_sub(1)
        .ok_or_else(|| "it nests deeper than the limit `json-depth` allows".into())
}

#[cfg(test)]
mod tests {
    use super::*;

    fn read(text: &str) -> Result<String> {
        parse(text.as_bytes(), 5).map(|value| value.to_string())
    }

    #[test]
    fn numbers_and_order_survive_to_the_letter() {
        for text in [
            r#"{"z":1.00,"a":1e-7,"m":1.2E+2,"n":-0.0,"o":100000000000000000.1,"p":1E5}"#,
            r#"[1E-22,0.00,1234567890123456789012345678901234567890]"#,
            r#"{"given":["A",null,"😀 \" \\ \n"],"_given":[null,{"id":"x"},null]}"#,
            r#"[true,false,null,{},[],""]"#,
        ] {
            assert_eq!(read(text).expect(text), text);
        }
        assert_eq!(
            read(" { \"a\" : \"\\u00e9\\ud83d\\ude00\\/\" }\n").expect("valid"),
            "{\"a\":\"é😀/\"}"
        );
    }

    #[test]
    fn what_fhir_forbids_is_refused_with_its_place() {
        for (text, says) in [
            (
                r#"{"a":1,"a":2}"#,
                "\"a\" occurs twice in one object at line 1 column 8",
            ),
            (r#"{"a":"x\u0000"}"#, "U+0000"),
            (r#"[[[[[[1]]]]]]"#, "json-depth"),
            (r#"{"a":"\ud800"}"#, "surrogate"),
            (r#"{"a":"\ud800\u0041"}"#, "surrogate"),
            (r#"{"a":"\udc00"}"#, "surrogate"),
            ("{\"a\":\n01}", "line 2 column 2"),
            (r#"{"a":1} x"#, "expected the end but found `x`"),
            (r#"{"a":1,}"#, "expected `\"`"),
            (r#"{"a":"x"#, "does not end"),
            (r#"{"a":"\u00"#, "four hexadecimal"),
            ("{\"a\":\"\t\"}", "control character"),
            (r#"{"a":1."#, "a digit"),
            (r#"{'a':1}"#, "expected `\"` but found `\\'`"),
            ("", "expected a value but found the end"),
        ] {
            let error = read(text).expect_err(text).to_string();
            assert!(error.contains(says), "{text}: {error}");
        }
        assert!(parse(b"{\"a\":\"\xff\"}", 5).is_err());
        assert!(parse(b"\xEF\xBB\xBF{}", 5).is_ok());
    }
}
