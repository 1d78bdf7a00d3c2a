//! Strings: <https://hl7.org/fhirpath/N1/#string-manipulation>
//!
//! Positions count characters, not bytes. Regular expressions are those of `fancy-regex`: what
//! needs no backtracking has none, what does may take a limited number of steps.

use super::{integer_argument, one, text, text_argument};
use crate::fhirpath::ast::Ast;
use crate::fhirpath::context::{Evaluated, EvaluationError, Items, Scope};
use crate::fhirpath::eval::integer_of;
use crate::fhirpath::item::Item;
use crate::fhirpath::operators::{boolean, check_length};
use base64::Engine;
use base64::engine::general_purpose::{STANDARD, URL_SAFE};
use fancy_regex::Regex;
use std::borrow::Cow;
use std::sync::Arc;

/// The string of the input, and another.
type Pair<'a> = (Cow<'a, str>, Cow<'a, str>);

/// The string of the input and that of the first argument; `None` where either is empty.
fn pair<'a>(
    scope: &Scope<'_, 'a>,
    input: &[Item<'a>],
    arguments: &'a [Ast],
) -> Result<Option<Pair<'a>>, EvaluationError> {
    let own = text(input, "a function of strings")?;
    let other = text_argument(scope, arguments, 0)?;
    Ok(own.zip(other))
}

fn own<'a>(input: &[Item<'a>]) -> Result<Option<Cow<'a, str>>, EvaluationError> {
    text(input, "a function of strings")
}

pub fn index_of<'a>(scope: &Scope<'_, 'a>, input: Items<'a>, a: &'a [Ast]) -> Evaluated<'a> {
    let found = pair(scope, &input, a)?.map(|(own, other)| position(&own, own.find(&*other)));
    one(found.flatten())
}

pub fn last_index_of<'a>(scope: &Scope<'_, 'a>, input: Items<'a>, a: &'a [Ast]) -> Evaluated<'a> {
    let found = pair(scope, &input, a)?.map(|(own, other)| position(&own, own.rfind(&*other)));
    one(found.flatten())
}

/// A place in bytes as one in characters; -1 for none.
fn position<'a>(text: &str, at: Option<usize>) -> Option<Item<'a>> {
    match at.and_then(|at| text.get(..at)) {
        Some(before) => integer_of(before.chars().count()),
        None => Some(Item::Integer(-1)),
    }
}

pub fn substring<'a>(scope: &Scope<'_, 'a>, input: Items<'a>, a: &'a [Ast]) -> Evaluated<'a> {
    let text = own(&input)?;
    let (start, length) = (
        integer_argument(scope, a, 0)?,
        integer_argument(scope, a, 1)?,
    );
    let (Some(text), Some(start)) = (text, start) else {
        return Ok(Vec::new());
    };
    let Some(start) = usize::try_from(start)
        .ok()
        .filter(|start| *start < text.chars().count())
    else {
        return Ok(Vec::new());
    };
    let length = length.map_or(usize::MAX, |length| usize::try_from(length).unwrap_or(0));
    let part: String = text.chars().skip(start).take(length).collect();
    Ok(vec![Item::string(part)])
}

pub fn starts_with<'a>(scope: &Scope<'_, 'a>, input: Items<'a>, a: &'a [Ast]) -> Evaluated<'a> {
    let pair = pair(scope, &input, a)?;
    Ok(boolean(pair.map(|(own, other)| own.starts_with(&*other))))
}

pub fn ends_with<'a>(scope: &Scope<'_, 'a>, input: Items<'a>, a: &'a [Ast]) -> Evaluated<'a> {
    let pair = pair(scope, &input, a)?;
    Ok(boolean(pair.map(|(own, other)| own.ends_with(&*other))))
}

pub fn contains<'a>(scope: &Scope<'_, 'a>, input: Items<'a>, a: &'a [Ast]) -> Evaluated<'a> {
    let pair = pair(scope, &input, a)?;
    Ok(boolean(pair.map(|(own, other)| own.contains(&*other))))
}

pub fn upper<'a>(_: &Scope<'_, 'a>, input: Items<'a>, _: &'a [Ast]) -> Evaluated<'a> {
    one(own(&input)?.map(|text| Item::string(text.to_uppercase())))
}

pub fn lower<'a>(_: &Scope<'_, 'a>, input: Items<'a>, _: &'a [Ast]) -> Evaluated<'a> {
    one(own(&input)?.map(|text| Item::string(text.to_lowercase())))
}

pub fn trim<'a>(_: &Scope<'_, 'a>, input: Items<'a>, _: &'a [Ast]) -> Evaluated<'a> {
    one(own(&input)?.map(|text| Item::string(text.trim())))
}

pub fn length<'a>(_: &Scope<'_, 'a>, input: Items<'a>, _: &'a [Ast]) -> Evaluated<'a> {
    one(own(&input)?.and_then(|text| integer_of(text.chars().count())))
}

pub fn to_chars<'a>(_: &Scope<'_, 'a>, input: Items<'a>, _: &'a [Ast]) -> Evaluated<'a> {
    let text = own(&input)?.unwrap_or_default();
    Ok(text.chars().map(|c| Item::string(c.to_string())).collect())
}

/// An empty pattern stands before, between and behind all characters.
pub fn replace<'a>(scope: &Scope<'_, 'a>, input: Items<'a>, a: &'a [Ast]) -> Evaluated<'a> {
    let (pair, with) = (pair(scope, &input, a)?, text_argument(scope, a, 1)?);
    let (Some((own, pattern)), Some(with)) = (pair, with) else {
        return Ok(Vec::new());
    };
    let places = match pattern.is_empty() {
        true => own.chars().count() + 1,
        false => own.matches(&*pattern).count(),
    };
    check_length(own.len().saturating_add(places.saturating_mul(with.len())))?;
    scope.charge(places)?;
    Ok(vec![Item::string(own.replace(&*pattern, &with))])
}

/// The compiled pattern; flags as in most languages: `i`, `m`.
fn regex<'a>(
    scope: &Scope<'_, 'a>,
    pattern: &str,
    arguments: &'a [Ast],
    flags_at: usize,
    is_whole: bool,
) -> Result<Arc<Regex>, EvaluationError> {
    let flags = text_argument(scope, arguments, flags_at)?.unwrap_or_default();
    if let Some(flag) = flags.chars().find(|flag| !matches!(flag, 'i' | 'm' | 's')) {
        let text = format!("expected the flags i and m but found {flag}");
        return Err(EvaluationError::new(text));
    }
    let flags: String = flags.chars().filter(|flag| *flag != 's').collect();
    let pattern = match is_whole {
        true => format!("(?s{flags})^(?:{pattern})$"),
        false => format!("(?s{flags}){pattern}"),
    };
    let compiled = scope.model().regex(&pattern);
    compiled.map_err(|error| {
        EvaluationError::new(format!("expected a regular expression but found {error}"))
    })
}

fn is_match(regex: &Regex, text: &str) -> Result<bool, EvaluationError> {
    regex.is_match(text).map_err(|error| {
        EvaluationError::new(format!("expected a regular expression that ends: {error}"))
    })
}

pub fn matches<'a>(scope: &Scope<'_, 'a>, input: Items<'a>, a: &'a [Ast]) -> Evaluated<'a> {
    matched(scope, &input, a, false)
}

pub fn matches_full<'a>(scope: &Scope<'_, 'a>, input: Items<'a>, a: &'a [Ast]) -> Evaluated<'a> {
    matched(scope, &input, a, true)
}

fn matched<'a>(
    scope: &Scope<'_, 'a>,
    input: &[Item<'a>],
    arguments: &'a [Ast],
    is_whole: bool,
) -> Evaluated<'a> {
    let Some((own, pattern)) = pair(scope, input, arguments)? else {
        return Ok(Vec::new());
    };
    let regex = regex(scope, &pattern, arguments, 1, is_whole)?;
    Ok(boolean(Some(is_match(&regex, &own)?)))
}

/// An empty pattern replaces nothing.
pub fn replace_matches<'a>(scope: &Scope<'_, 'a>, input: Items<'a>, a: &'a [Ast]) -> Evaluated<'a> {
    let (pair, with) = (pair(scope, &input, a)?, text_argument(scope, a, 1)?);
    let (Some((own, pattern)), Some(with)) = (pair, with) else {
        return Ok(Vec::new());
    };
    if pattern.is_empty() {
        return Ok(vec![Item::String(own)]);
    }
    // A pattern may match at every place, and every group of it be as long as the text is.
    let places = (own.len() + 1).saturating_mul(with.len());
    let groups = own.len().saturating_mul(with.matches('$').count());
    check_length(places.saturating_add(groups) / 16)?;
    let regex = regex(scope, &pattern, a, 2, false)?;
    scope.charge(own.len())?;
    let replaced = regex.try_replacen(&own, 0, &*with);
    let replaced = replaced.map_err(|error| {
        EvaluationError::new(format!("expected a regular expression that ends: {error}"))
    })?;
    check_length(replaced.len())?;
    Ok(vec![Item::string(replaced)])
}

fn unknown(what: &str, known: &str, found: &str) -> EvaluationError {
    EvaluationError::new(format!("expected {what} {known} but found {found}"))
}

pub fn encode<'a>(scope: &Scope<'_, 'a>, input: Items<'a>, a: &'a [Ast]) -> Evaluated<'a> {
    let Some((own, format)) = pair(scope, &input, a)? else {
        return Ok(Vec::new());
    };
    check_length(own.len().saturating_mul(2))?;
    let encoded = match &*format {
        "base64" => STANDARD.encode(&*own),
        "urlbase64" => URL_SAFE.encode(&*own),
        "hex" => own.bytes().map(|byte| format!("{byte:02x}")).collect(),
        other => return Err(unknown("the format", "base64, urlbase64 or hex", other)),
    };
    Ok(vec![Item::string(encoded)])
}

/// What is not encoded so, or no text, is empty.
pub fn decode<'a>(scope: &Scope<'_, 'a>, input: Items<'a>, a: &'a [Ast]) -> Evaluated<'a> {
    let Some((own, format)) = pair(scope, &input, a)? else {
        return Ok(Vec::new());
    };
    let bytes = match &*format {
        "base64" => STANDARD.decode(&*own).ok(),
        "urlbase64" => URL_SAFE.decode(&*own).ok(),
        "hex" => from_hex(&own),
        other => return Err(unknown("the format", "base64, urlbase64 or hex", other)),
    };
    let text = bytes.and_then(|bytes| String::from_utf8(bytes).ok());
    one(text.map(Item::string))
}

fn from_hex(text: &str) -> Option<Vec<u8>> {
    let digit = |byte: &u8| char::from(*byte).to_digit(16);
    let pairs = text.as_bytes().chunks(2).map(|pair| match pair {
        [high, low] => u8::try_from(digit(high)? * 16 + digit(low)?).ok(),
        _ => None,
    });
    pairs.collect()
}

const HTML: [(&str, &str); 5] = [
    ("&", "&amp;"),
    ("<", "&lt;"),
    (">", "&gt;"),
    ("\"", "&quot;"),
    ("'", "&#39;"),
];

pub fn escape<'a>(scope: &Scope<'_, 'a>, input: Items<'a>, a: &'a [Ast]) -> Evaluated<'a> {
    let Some((own, target)) = pair(scope, &input, a)? else {
        return Ok(Vec::new());
    };
    check_length(own.len().saturating_mul(6))?;
    let escaped = match &*target {
        "html" => HTML.iter().fold(own.into_owned(), |text, (c, entity)| {
            text.replace(c, entity)
        }),
        "json" => {
            let quoted = serde_json::Value::from(own).to_string();
            let inner = quoted.get(1..quoted.len() - 1);
            inner.unwrap_or_default().to_owned()
        }
        other => return Err(unknown("the target", "html or json", other)),
    };
    Ok(vec![Item::string(escaped)])
}

pub fn unescape<'a>(scope: &Scope<'_, 'a>, input: Items<'a>, a: &'a [Ast]) -> Evaluated<'a> {
    let Some((own, target)) = pair(scope, &input, a)? else {
        return Ok(Vec::new());
    };
    one(match &*target {
        "html" => {
            let entities = HTML.iter().rev();
            let text = entities.fold(own.into_owned(), |text, (c, entity)| {
                text.replace(entity, c)
            });
            Some(Item::string(text))
        }
        "json" => from_json(&own).map(Item::string),
        other => return Err(unknown("the target", "html or json", other)),
    })
}

/// The escapes of JSON; what must be escaped there and is not stands for itself.
fn from_json(text: &str) -> Option<String> {
    let mut quoted = String::with_capacity(text.len() + 2);
    let mut is_escaped = false;
    quoted.push('"');
    for c in text.chars() {
        if c.is_control() || (c == '"' && !is_escaped) {
            quoted.push_str(&format!("\\u{:04x}", u32::from(c)));
        } else {
            quoted.push(c);
        }
        is_escaped = c == '\\' && !is_escaped;
    }
    quoted.push('"');
    serde_json::from_str(&quoted).ok()
}

pub fn split<'a>(scope: &Scope<'_, 'a>, input: Items<'a>, a: &'a [Ast]) -> Evaluated<'a> {
    let Some((own, separator)) = pair(scope, &input, a)? else {
        return Ok(Vec::new());
    };
    if separator.is_empty() {
        return to_chars(scope, vec![Item::String(own)], &[]);
    }
    Ok(own.split(&*separator).map(Item::string).collect())
}

pub fn join<'a>(scope: &Scope<'_, 'a>, input: Items<'a>, a: &'a [Ast]) -> Evaluated<'a> {
    let separator = text_argument(scope, a, 0)?.unwrap_or_default();
    let mut all = String::new();
    for (index, item) in input.iter().enumerate() {
        let Some(part) = text(std::slice::from_ref(item), "join()")? else {
            continue;
        };
        check_length(all.len() + separator.len() + part.len())?;
        if index > 0 {
            all.push_str(&separator);
        }
        all.push_str(&part);
    }
    match input.is_empty() {
        true => Ok(Vec::new()),
        false => Ok(vec![Item::string(all)]),
    }
}
