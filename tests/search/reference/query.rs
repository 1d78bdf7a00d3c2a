//! A query as text in parts, so that it can be drawn, asked, evaluated and made smaller.

use percent_encoding::{AsciiSet, NON_ALPHANUMERIC, utf8_percent_encode};
use std::fmt;

/// Where is searched.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Scope {
    /// `/Patient?…`; several types are `/?_type=…`, none are all.
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
    pub includes: Vec<Include>,
    /// `_total=accurate`
    pub total: bool,
    /// By `POST _search`.
    pub post: bool,
}

/// `_include=Observation:subject:Patient`
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Include {
    pub reverse: bool,
    pub iterate: bool,
    pub source: String,
    /// `*` is every reference.
    pub code: String,
    pub target: Option<String>,
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

impl Query {
    /// Where it is asked, behind the base, and what.
    fn parts(&self) -> (String, Vec<(String, String)>) {
        let mut pairs: Vec<(String, String)> = Vec::new();
        let path = match &self.scope {
            Scope::Types(types) if types.len() == 1 => format!("/{}", types[0]),
            Scope::Types(types) => {
                if !types.is_empty() {
                    pairs.push(("_type".to_owned(), types.join(",")));
                }
                "/".to_owned()
            }
            Scope::Compartment { owner, id, kind } => {
                format!("/{owner}/{id}/{}", kind.as_deref().unwrap_or("*"))
            }
        };
        let terms = self.terms.iter();
        pairs.extend(terms.map(|term| (term.name.clone(), term.values.join(","))));
        if !self.sort.is_empty() {
            pairs.push(("_sort".to_owned(), self.sort.join(",")));
        }
        for include in &self.includes {
            let name = if include.reverse {
                "_revinclude"
            } else {
                "_include"
            };
            let iterate = if include.iterate { ":iterate" } else { "" };
            let mut value = format!("{}:{}", include.source, include.code);
            if let Some(target) = &include.target {
                value = format!("{value}:{target}");
            }
            pairs.push((format!("{name}{iterate}"), value));
        }
        if self.total {
            pairs.push(("_total".to_owned(), "accurate".to_owned()));
        }
        (path, pairs)
    }

    /// The path, and the form.
    pub fn form(&self) -> (String, String) {
        let (path, pairs) = self.parts();
        let pairs = pairs.iter();
        let pairs = pairs.map(|(name, value)| format!("{}={}", encoded(name), encoded(value)));
        (path, pairs.collect::<Vec<_>>().join("&"))
    }
}

/// As it stands behind the base: `/Patient?name=a`.
impl fmt::Display for Query {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let (path, form) = self.form();
        let separator = if form.is_empty() { "" } else { "?" };
        write!(f, "{path}{separator}{form}")
    }
}
