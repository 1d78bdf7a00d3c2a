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

/// The predicate of one value.
///
/// # Errors
/// A bad escape.
pub fn compile(parameter: &Parameter, value: &str) -> Result<Predicate, Issue> {
    let query = escape::unescape(value)?;
    Ok(match within(&parameter.code) {
        Some(within) => Predicate::Words { within, query },
        None => Predicate::Nothing,
    })
}
