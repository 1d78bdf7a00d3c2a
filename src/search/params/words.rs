//! `_text` and `_content`: words of the narrative, and of all strings of a resource.
//! <https://hl7.org/fhir/R4/search.html#text>
//!
//! Values are written as for a web search: `"a phrase"`, `this or that`, `-without`. Words
//! are whole and compare without case and accents; there is no stemming, since the language
//! of a text is not known.
//!
//! Neither is indexed: the words of a resource are read when they are asked for. The cost is
//! that of reading every resource that the other parameters leave, so that a patient, a code
//! or a date belongs beside them.

use super::escape;
use crate::error::Issue;
use crate::search::plan::{Predicate, Words};
use crate::search::registry::Parameter;

/// Where the parameter of that code looks for words, if it does.
pub fn within(code: &str) -> Option<Words> {
    match code {
        "_text" => Some(Words::Narrative),
        "_content" => Some(Words::Content),
        _ => None,
    }
}

/// Characters of one value: a long one is read anew by the database, and no page of words is
/// asked for.
const LONGEST: usize = 2000;

/// The predicate of one value.
///
/// # Errors
/// A bad escape; more than a few hundred words.
pub fn compile(parameter: &Parameter, value: &str) -> Result<Predicate, Issue> {
    let query = escape::unescape(value)?;
    if query.chars().count() > LONGEST {
        let text = format!("expected at most {LONGEST} characters of words");
        return Err(Issue::error("too-costly", text));
    }
    Ok(match within(&parameter.code) {
        Some(within) => Predicate::Words { within, query },
        None => Predicate::Nothing,
    })
}
