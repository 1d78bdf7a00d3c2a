//! Uri: whole, case and accents included. <https://hl7.org/fhir/R4/search.html#uri>
//!
//! | element | entries |
//! |---|---|
//! | uri, url, canonical, oid, uuid | `u`value |
//! | canonical with `\|version` | also `u`url |
//! | `Meta.source` with a fragment | also `u`uri without it |
//!
//! `:above` and `:below` are not done here yet.

use super::{Sink, either, escape};
use crate::error::Issue;
use crate::fhirpath::Item;
use crate::search::index::hash;
use crate::search::plan::Predicate;
use crate::search::registry::Parameter;

/// Puts the entries of the items into the slot.
pub fn extract(items: &[Item<'_>], sink: &mut Sink<'_>) {
    let mut present = false;
    for item in items {
        let Item::Node(node) = item else {
            continue;
        };
        let Some(text) = node.text() else {
            continue;
        };
        present = true;
        sink.entry(&entry(text));
        let path = node.choice.map(|choice| choice.field.path.as_str());
        let shorter = match node.node_type.key.as_str() {
            "canonical" => text.split_once('|'),
            "uri" if path == Some("Meta.source") => text.split_once('#'),
            _ => None,
        };
        if let Some((shorter, _)) = shorter {
            sink.entry(&entry(shorter));
        }
    }
    if present {
        sink.present();
    }
}

/// What is hashed for a uri; the same for the canonicals of reference parameters.
pub fn entry(text: &str) -> String {
    format!("u{text}")
}

/// The predicate of one value. A bare `|` is part of it: canonicals have versions.
///
/// # Errors
/// A bad escape.
pub fn compile(parameter: &Parameter, value: &str) -> Result<Predicate, Issue> {
    let wanted = hash(&entry(&escape::unescape(value)?));
    let entries = parameter
        .branches
        .iter()
        .map(|branch| (branch.slot, wanted));
    Ok(either(vec![Predicate::Entries(entries.collect())]))
}
