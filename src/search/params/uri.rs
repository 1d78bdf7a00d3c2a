//! Uri: whole, case and accents included. <https://hl7.org/fhir/R4/search.html#uri>
//!
//! | element | entries |
//! |---|---|
//! | uri, url, canonical, oid, uuid | `u`value |
//! | canonical with `\|version` | also `u`url |
//! | `Meta.source` with a fragment | also `u`uri without it |
//!
//! Paths are hierarchies: `:above=http://a/b/c` asks for one of `http://a/b/c`, `http://a/b`
//! and `http://a`, each with or without a slash at its end; those are entries. `:below` is
//! answered from the JSON, so that no uri has entries for all that is above it: a path goes
//! on with `/`, and what is told of a path (`#fragment`, `|version`) is below it too.
//! `:below=url|1` means the versions `1` and `1.…`. A `urn:` has no path.

use super::{Modifier, Sink, either, escape, token};
use crate::error::Issue;
use crate::fhirpath::Item;
use crate::search::index::hash;
use crate::search::plan::{JsonTest, Predicate};
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

/// What is hashed for a canonical of a reference parameter that names no version.
pub fn of_any_version(url: &str) -> String {
    format!("w{url}")
}

/// What is hashed for the canonicals that name a resource by its `url` and `version`: who
/// names no version means any.
pub fn names(url: &str, version: Option<&str>) -> Vec<i64> {
    let with_version = version.map(|version| hash(&entry(&format!("{url}|{version}"))));
    let any = hash(&of_any_version(url));
    std::iter::once(any).chain(with_version).collect()
}

/// The predicate of one value, with `:above` or `:below` where given. A bare `|` is part of
/// it: canonicals have versions.
///
/// # Errors
/// A bad escape; a `urn:` with a modifier.
pub fn compile(
    parameter: &Parameter,
    modifier: Option<&Modifier>,
    value: &str,
) -> Result<Predicate, Issue> {
    let text = escape::unescape(value)?;
    let wanted = match modifier {
        Some(Modifier::Above | Modifier::Below) if text.starts_with("urn:") => {
            let text = "expected a URL, since a urn: has nothing above or below it";
            return Err(Issue::error("value", text));
        }
        Some(Modifier::Below) => return compile_below(parameter, &text),
        Some(Modifier::Above) => ancestors(&text),
        _ => vec![text],
    };
    let entries = parameter.branches.iter().flat_map(|branch| {
        let wanted = wanted.iter();
        wanted.map(|text| (branch.slot, hash(&entry(text))))
    });
    Ok(either(vec![Predicate::Entries(entries.collect())]))
}

fn compile_below(parameter: &Parameter, text: &str) -> Result<Predicate, Issue> {
    match token::places(parameter, |located| vec![located.at("")]) {
        Some(places) => Ok(Predicate::Json {
            places,
            test: below(text),
        }),
        None => Err(Issue::error(
            "not-supported",
            format!(
                "{} is not a plain path, so :below is not known",
                parameter.code
            ),
        )),
    }
}

/// The test for a URL and what is below it.
pub fn below(text: &str) -> JsonTest {
    match text.contains('|') {
        true => JsonTest::Below(text.to_owned(), "."),
        false => JsonTest::Below(text.trim_end_matches('/').to_owned(), "/#|"),
    }
}

/// The URL and all that its path begins with, to its host.
fn ancestors(text: &str) -> Vec<String> {
    let host = text.find("://").map_or(0, |at| at + 3);
    let mut found = vec![text.to_owned()];
    let mut rest = text.split(['#', '|']).next().unwrap_or_default();
    loop {
        rest = rest.trim_end_matches('/');
        if rest.len() < host {
            break;
        }
        found.push(rest.to_owned());
        found.push(format!("{rest}/"));
        match rest[host..].rfind('/') {
            Some(at) => rest = &rest[..host + at],
            None => break,
        }
    }
    found.dedup();
    found
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_path_has_ancestors_to_its_host() {
        for (text, expected) in [
            (
                "http://a/b/c",
                "http://a/b/c http://a/b/c/ http://a/b http://a/b/ http://a http://a/",
            ),
            (
                "http://a/b/",
                "http://a/b/ http://a/b http://a/b/ http://a http://a/",
            ),
            ("http://a", "http://a http://a/"),
            ("http://a#x", "http://a#x http://a http://a/"),
            (
                "http://a/b|1",
                "http://a/b|1 http://a/b http://a/b/ http://a http://a/",
            ),
            ("http://", "http://"),
            ("a/b", "a/b a/b/ a a/"),
            ("", " /"),
        ] {
            assert_eq!(ancestors(text).join(" "), expected, "{text}");
        }
    }
}
