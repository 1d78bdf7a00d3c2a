//! The syntax of `_filter`, without a meaning. The grammar is quoted in the parent module.
//!
//! Positions are counted in characters from 1, as a person counts them.

use super::operator_hint;
use std::borrow::Cow;

/// Tests in one `_filter`.
const MAX_TESTS: usize = 200;
/// Brackets within brackets.
const MAX_DEPTH: usize = 30;

#[derive(Debug, PartialEq)]
pub enum Expression<'a> {
    And(Vec<Expression<'a>>),
    Or(Vec<Expression<'a>>),
    Not(Box<Expression<'a>>),
    Test(Test<'a>),
}

/// `path operator value`
#[derive(Debug, PartialEq)]
pub struct Test<'a> {
    /// Where the path begins.
    pub position: usize,
    /// The beginning of the path, as far as there are filters in it.
    pub steps: Vec<Filtered<'a>>,
    /// The path; the rest of it behind the last filter.
    pub path: &'a str,
    pub operator: Operator,
    pub value: Value<'a>,
}

/// `name[filter].`
#[derive(Debug, PartialEq)]
pub struct Filtered<'a> {
    pub name: &'a str,
    pub filter: Expression<'a>,
}

#[derive(Debug, PartialEq)]
pub struct Value<'a> {
    pub text: Cow<'a, str>,
}

/// <https://hl7.org/fhir/R4/search_filter.html#ops>
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Operator {
    Eq,
    Ne,
    Co,
    Sw,
    Ew,
    Gt,
    Lt,
    Ge,
    Le,
    Ap,
    Sa,
    Eb,
    Pr,
    Po,
    Ss,
    Sb,
    In,
    Ni,
    Re,
}

impl Operator {
    const ALL: [(&'static str, Operator); 19] = [
        ("eq", Operator::Eq),
        ("ne", Operator::Ne),
        ("co", Operator::Co),
        ("sw", Operator::Sw),
        ("ew", Operator::Ew),
        ("gt", Operator::Gt),
        ("lt", Operator::Lt),
        ("ge", Operator::Ge),
        ("le", Operator::Le),
        ("ap", Operator::Ap),
        ("sa", Operator::Sa),
        ("eb", Operator::Eb),
        ("pr", Operator::Pr),
        ("po", Operator::Po),
        ("ss", Operator::Ss),
        ("sb", Operator::Sb),
        ("in", Operator::In),
        ("ni", Operator::Ni),
        ("re", Operator::Re),
    ];

    pub fn names() -> impl Iterator<Item = &'static str> {
        Self::ALL.iter().map(|(name, _)| *name)
    }

    pub fn name(self) -> &'static str {
        let found = Self::ALL.iter().find(|(_, operator)| *operator == self);
        found.map_or("", |(name, _)| name)
    }

    fn parse(text: &str) -> Option<Operator> {
        let found = Self::ALL.iter().find(|(name, _)| *name == text);
        found.map(|(_, operator)| *operator)
    }
}

/// What is wrong, and where.
#[derive(Debug, PartialEq)]
pub struct SyntaxError {
    pub position: usize,
    /// Of the issue.
    pub code: &'static str,
    pub text: String,
}

/// Reads a whole filter.
pub fn parse(text: &str) -> Result<Expression<'_>, SyntaxError> {
    let mut parser = Parser {
        text,
        at: 0,
        tests: 0,
    };
    let expression = parser.filter(0)?;
    match parser.rest() {
        "" => Ok(expression),
        rest => Err(parser.expected("`and`, `or` or the end", &shown(rest))),
    }
}

struct Parser<'a> {
    text: &'a str,
    /// In bytes.
    at: usize,
    tests: usize,
}

impl<'a> Parser<'a> {
    fn rest(&self) -> &'a str {
        &self.text[self.at..]
    }

    fn skip_space(&mut self) {
        self.at = self.text.len() - self.rest().trim_start().len();
    }

    fn position(&self) -> usize {
        self.text[..self.at].chars().count() + 1
    }

    fn expected(&self, what: &str, found: &str) -> SyntaxError {
        self.wrong("invalid", format!("expected {what} but found {found}"))
    }

    fn wrong(&self, code: &'static str, text: String) -> SyntaxError {
        SyntaxError {
            position: self.position(),
            code,
            text,
        }
    }

    /// One part, or several with the same word between them.
    fn filter(&mut self, depth: usize) -> Result<Expression<'a>, SyntaxError> {
        if depth > MAX_DEPTH {
            let text = format!("expected at most {MAX_DEPTH} brackets within each other");
            return Err(self.wrong("too-costly", text));
        }
        let mut parts = vec![self.part(depth)?];
        let mut joined_by = None;
        loop {
            self.skip_space();
            let Some(word) = ["and", "or"].into_iter().find(|word| self.is_word(word)) else {
                break;
            };
            if *joined_by.get_or_insert(word) != word {
                let text = format!("brackets around what belongs together, beside `{word}`");
                return Err(self.expected(&text, "`and` and `or` without them"));
            }
            self.at += word.len();
            parts.push(self.part(depth)?);
        }
        Ok(match (parts.pop(), joined_by) {
            (Some(only), None) => only,
            (last, joined_by) => {
                parts.extend(last);
                match joined_by {
                    Some("or") => Expression::Or(parts),
                    _ => Expression::And(parts),
                }
            }
        })
    }

    /// Whether this word comes next, as a whole.
    fn is_word(&self, word: &str) -> bool {
        let after = self.rest().strip_prefix(word);
        after.is_some_and(|after| after.starts_with(|c: char| c.is_whitespace() || c == '('))
    }

    fn part(&mut self, depth: usize) -> Result<Expression<'a>, SyntaxError> {
        self.skip_space();
        let is_not = self.is_word("not") && self.rest()[3..].trim_start().starts_with('(');
        if is_not {
            self.at += 3;
            self.skip_space();
        }
        if !self.rest().starts_with('(') {
            return self.test(depth).map(Expression::Test);
        }
        self.at += 1;
        let inner = self.filter(depth + 1)?;
        self.skip_space();
        if !self.rest().starts_with(')') {
            return Err(self.expected("`and`, `or` or `)`", &shown(self.rest())));
        }
        self.at += 1;
        Ok(match is_not {
            true => Expression::Not(Box::new(inner)),
            false => inner,
        })
    }

    fn test(&mut self, depth: usize) -> Result<Test<'a>, SyntaxError> {
        self.tests += 1;
        if self.tests > MAX_TESTS {
            let text = format!("expected at most {MAX_TESTS} tests");
            return Err(self.wrong("too-costly", text));
        }
        let position = self.position();
        let mut steps = Vec::new();
        let mut path = self.path()?;
        while self.rest().starts_with('[') {
            let filter = self.inner_filter(depth)?;
            steps.push(Filtered { name: path, filter });
            path = self.path()?;
        }
        self.skip_space();
        let word = self.until(|c| c.is_whitespace() || matches!(c, '(' | ')' | '"'));
        let operator = Operator::parse(word).ok_or_else(|| {
            let names: Vec<&str> = Operator::names().collect();
            let found = format!("{}.{}", shown(word), operator_hint(word));
            self.expected(&format!("an operator ({})", names.join(", ")), &found)
        })?;
        self.at += word.len();
        self.skip_space();
        Ok(Test {
            position,
            steps,
            path,
            operator,
            value: self.value()?,
        })
    }

    fn path(&mut self) -> Result<&'a str, SyntaxError> {
        let path = self.until(|c| !(c.is_alphanumeric() || matches!(c, '_' | '-' | '.' | ':')));
        let after = &self.rest()[path.len()..];
        if path.is_empty() {
            return Err(self.expected("the name of a search parameter", &shown(after)));
        }
        self.at += path.len();
        Ok(path)
    }

    /// `[filter].`
    fn inner_filter(&mut self, depth: usize) -> Result<Expression<'a>, SyntaxError> {
        self.at += 1;
        let filter = self.filter(depth + 1)?;
        self.skip_space();
        if !self.rest().starts_with(']') {
            return Err(self.expected("`and`, `or` or `]`", &shown(self.rest())));
        }
        self.at += 1;
        if !self.rest().starts_with('.') {
            return Err(self.expected("`.` and a path after `]`", &shown(self.rest())));
        }
        self.at += 1;
        Ok(filter)
    }

    fn value(&mut self) -> Result<Value<'a>, SyntaxError> {
        if self.rest().starts_with('"') {
            return self.string();
        }
        let text = self.until(|c| c.is_whitespace() || matches!(c, ')' | ']'));
        if text.is_empty() {
            return Err(self.expected("a value", &shown(self.rest())));
        }
        self.at += text.len();
        Ok(Value { text: text.into() })
    }

    fn string(&mut self) -> Result<Value<'a>, SyntaxError> {
        let rest = self.rest();
        let (mut end, mut escaped) = (None, false);
        for (at, byte) in rest.bytes().enumerate().skip(1) {
            match byte {
                b'"' if !escaped => {
                    end = Some(at + 1);
                    break;
                }
                _ => escaped = byte == b'\\' && !escaped,
            }
        }
        let Some(end) = end else {
            return Err(self.expected("a `\"` at the end of the string", "none"));
        };
        let text: String = serde_json::from_str(&rest[..end])
            .map_err(|_| self.expected("a JSON string", &shown(&rest[..end])))?;
        self.at += end;
        if self
            .rest()
            .starts_with(|c: char| !c.is_whitespace() && !matches!(c, ')' | ']'))
        {
            return Err(self.expected("a space after the string", &shown(self.rest())));
        }
        Ok(Value { text: text.into() })
    }

    /// The text before the first such character.
    fn until(&self, is_end: impl Fn(char) -> bool) -> &'a str {
        let rest = self.rest();
        &rest[..rest.find(is_end).unwrap_or(rest.len())]
    }
}

/// The beginning of a text, for a message.
fn shown(text: &str) -> String {
    match text.split_whitespace().next() {
        None => "nothing".to_owned(),
        Some(word) => format!("`{}`", word.chars().take(40).collect::<String>()),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// The expression as nested lists.
    fn told(expression: &Expression<'_>) -> String {
        let all = |word: &str, parts: &[Expression<'_>]| {
            let parts: Vec<String> = parts.iter().map(told).collect();
            format!("{word}[{}]", parts.join(" "))
        };
        match expression {
            Expression::And(parts) => all("and", parts),
            Expression::Or(parts) => all("or", parts),
            Expression::Not(part) => format!("not[{}]", told(part)),
            Expression::Test(test) => {
                let (path, operator) = (test.path, test.operator.name());
                let steps = test.steps.iter();
                let steps = steps.map(|step| format!("{}<{}>.", step.name, told(&step.filter)));
                let steps: String = steps.collect();
                format!("{steps}{path}~{operator}~{}", test.value.text)
            }
        }
    }

    #[test]
    fn expressions_are_read() {
        for (text, expected) in [
            ("name co \"pet\"", "name~co~pet"),
            (
                "given eq \"peter\" and birthdate ge 2014-10-10",
                "and[given~eq~peter birthdate~ge~2014-10-10]",
            ),
            (
                "code eq http://loinc.org|1234-5",
                "code~eq~http://loinc.org|1234-5",
            ),
            ("subject.name co \"a b)]\"", "subject.name~co~a b)]"),
            ("subject:Patient.name sw a", "subject:Patient.name~sw~a"),
            (
                "(a eq 1 or b eq 2) and not (c eq 3)",
                "and[or[a~eq~1 b~eq~2] not[c~eq~3]]",
            ),
            ("not(a pr true)", "not[a~pr~true]"),
            ("a eq 1 and b eq 2 and c eq 3", "and[a~eq~1 b~eq~2 c~eq~3]"),
            ("((a eq 1))", "a~eq~1"),
            ("  a  eq  1  ", "a~eq~1"),
            // Words are words only where one is expected.
            ("not eq and", "not~eq~and"),
            ("and eq or or or eq \"and\"", "or[and~eq~or or~eq~and]"),
            (r#"a eq "q\"\\\u00e9""#, "a~eq~q\"\\é"),
            (
                "name[use eq official].family eq x",
                "name<use~eq~official>.family~eq~x",
            ),
            (
                "a[b eq \"1\" and not (c[d eq 2 ].e pr true)].f.g[h eq 3].i eq 4",
                "a<and[b~eq~1 not[c<d~eq~2>.e~pr~true]]>.f.g<h~eq~3>.i~eq~4",
            ),
        ] {
            let parsed = parse(text).unwrap_or_else(|error| panic!("{text}: {error:?}"));
            assert_eq!(told(&parsed), expected, "{text}");
        }
    }

    #[test]
    fn what_is_wrong_has_its_position() {
        let deep = format!("{}a eq 1{}", "(".repeat(40), ")".repeat(40));
        let long = vec!["a eq 1"; 300].join(" and ");
        let bracketed = "a[".repeat(40);
        for (text, position, says) in [
            ("", 1, "name of a search parameter"),
            ("name", 5, "an operator"),
            ("name eqq 1", 6, "Did you mean eq?"),
            ("name eq", 8, "a value"),
            ("name eq \"x", 9, "at the end of the string"),
            ("name eq \"x\\q\"", 9, "a JSON string"),
            ("name eq \"x\"y", 12, "a space after"),
            ("(name eq x", 11, "`)`"),
            ("name eq x)", 10, "the end"),
            ("ü eq 1 x eq 2", 8, "`and`, `or` or the end"),
            ("a eq 1 and b eq 2 or c eq 3", 19, "brackets"),
            ("name[use eq official] eq x", 22, "a path after `]`"),
            ("name[use eq official", 21, "`]`"),
            ("name[].family eq x", 6, "name of a search parameter"),
            ("name[a eq 1) eq x", 12, "`]`"),
            ("name[a eq 1]. eq x", 14, "name of a search parameter"),
            (&bracketed, 63, "brackets within"),
            ("a eq 1 and", 8, "the end"),
            ("a eq 1 and ", 12, "name of a search parameter"),
            (&deep, 32, "brackets within"),
            (&long, 2201, "at most 200 tests"),
        ] {
            let error = parse(text).expect_err(text);
            assert!(error.text.contains(says), "{text}: {error:?}");
            assert_eq!(error.position, position, "{text}: {error:?}");
        }
    }
}
