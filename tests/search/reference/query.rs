//! A query as text in parts, so that it can be drawn, asked, evaluated and made smaller.

use percent_encoding::{AsciiSet, NON_ALPHANUMERIC, utf8_percent_encode};
use std::fmt;

/// Where is searched.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Scope {
    /// `/Patient?…`; several types are `/?_type=…`.
    Types(Vec<String>),
    /// `/Patient/1/Observation?…`; without a type `/Patient/1/*?…`.
    Compartment {
        owner: String,
        id: String,
        kind: Option<String>,
    },
}

/// A condition: `name=value,value`.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Term {
    pub name: String,
    /// Each still escaped.
    pub values: Vec<String>,
}

#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Query {
    pub scope: Scope,
    pub terms: Vec<Term>,
    /// `-date`
    pub sort: Vec<String>,
}

/// A name taken apart, one step at a time.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Name<'n> {
    Plain {
        code: &'n str,
        modifier: Option<&'n str>,
    },
    Chain {
        code: &'n str,
        only: Option<&'n str>,
        rest: &'n str,
    },
    Has {
        source: &'n str,
        code: &'n str,
        rest: &'n str,
    },
}

impl<'n> Name<'n> {
    pub fn parse(name: &'n str) -> Option<Name<'n>> {
        if let Some(has) = name.strip_prefix("_has:") {
            let mut parts = has.splitn(3, ':');
            return Some(Name::Has {
                source: parts.next()?,
                code: parts.next()?,
                rest: parts.next()?,
            });
        }
        let modified = |text: &'n str| match text.split_once(':') {
            Some((code, modifier)) => (code, Some(modifier)),
            None => (text, None),
        };
        Some(match name.split_once('.') {
            Some((head, rest)) => {
                let (code, only) = modified(head);
                Name::Chain { code, only, rest }
            }
            None => {
                let (code, modifier) = modified(name);
                Name::Plain { code, modifier }
            }
        })
    }
}

/// The parts of a text between separators that no backslash stands before.
pub fn split(text: &str, separator: char) -> Vec<String> {
    let mut parts = vec![String::new()];
    let mut rest = text.chars();
    while let Some(c) = rest.next() {
        let last = parts.last_mut().expect("there is always a part");
        if c == '\\' {
            last.push(c);
            last.extend(rest.next());
        } else if c == separator {
            parts.push(String::new());
        } else {
            last.push(c);
        }
    }
    parts
}

pub fn unescaped(text: &str) -> Result<String, String> {
    let mut plain = String::new();
    let mut rest = text.chars();
    while let Some(c) = rest.next() {
        match c {
            '\\' => match rest.next() {
                Some(c @ (',' | '|' | '$' | '\\')) => plain.push(c),
                _ => return Err("a bad escape".to_owned()),
            },
            c => plain.push(c),
        }
    }
    Ok(plain)
}

pub fn escaped(text: &str) -> String {
    let mut out = String::new();
    for c in text.chars() {
        if ",|$\\".contains(c) {
            out.push('\\');
        }
        out.push(c);
    }
    out
}

/// What may stand in a query string as it is.
const IN_QUERY: &AsciiSet = &NON_ALPHANUMERIC
    .remove(b'-')
    .remove(b'.')
    .remove(b'_')
    .remove(b'~')
    .remove(b':')
    .remove(b',')
    .remove(b'/');

pub fn encoded(text: &str) -> String {
    utf8_percent_encode(text, IN_QUERY).to_string()
}

/// As it stands behind the base: `/Patient?name=a`.
impl fmt::Display for Query {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let mut pairs: Vec<(String, String)> = Vec::new();
        match &self.scope {
            Scope::Types(types) if types.len() == 1 => write!(f, "/{}", types[0])?,
            Scope::Types(types) => {
                f.write_str("/")?;
                pairs.push(("_type".to_owned(), types.join(",")));
            }
            Scope::Compartment { owner, id, kind } => {
                write!(f, "/{owner}/{id}/{}", kind.as_deref().unwrap_or("*"))?;
            }
        }
        let terms = self.terms.iter();
        pairs.extend(terms.map(|term| (term.name.clone(), term.values.join(","))));
        if !self.sort.is_empty() {
            pairs.push(("_sort".to_owned(), self.sort.join(",")));
        }
        for (at, (name, value)) in pairs.iter().enumerate() {
            let separator = if at == 0 { '?' } else { '&' };
            write!(f, "{separator}{}={}", encoded(name), encoded(value))?;
        }
        Ok(())
    }
}
