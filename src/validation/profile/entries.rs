//! The entries of a Bundle by what identifies them, and what a reference within it means.
//! <https://hl7.org/fhir/R4/bundle.html#references>
//!
//! An index is made once per Bundle, since references are looked up for each of them; the rules
//! that stand on it are in `bundle`.

use std::borrow::Cow;
use std::collections::{HashMap, HashSet};

use serde_json::Value;

use crate::fhir::{Id, ResourceType};

/// Of entries with one fullUrl so many are looked at: that there are several is told.
const MOST_ALIKE: usize = 8;

/// What an entry's fullUrl says.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum FullUrl<'v> {
    /// `http://server/fhir/Patient/1`
    Rest {
        base: &'v str,
        kind: ResourceType,
        id: &'v str,
    },
    /// `urn:uuid:` or `urn:oid:`
    Urn(&'v str),
    Other,
}

impl<'v> FullUrl<'v> {
    pub(super) fn parse(url: &'v str) -> FullUrl<'v> {
        for prefix in ["urn:uuid:", "urn:oid:"] {
            if url.starts_with(prefix) {
                return FullUrl::Urn(&url[..prefix.len()]);
            }
        }
        let mut parts = url.rsplitn(3, '/');
        let (id, kind, base) = (parts.next(), parts.next(), parts.next());
        match (id, kind.and_then(ResourceType::parse), base) {
            (Some(id), Some(kind), Some(base)) if is_http(url) && Id::is_valid(id) => {
                FullUrl::Rest { base, kind, id }
            }
            _ => FullUrl::Other,
        }
    }
}

pub(super) fn is_http(url: &str) -> bool {
    url.starts_with("http://") || url.starts_with("https://")
}

pub(super) fn is_absolute(url: &str) -> bool {
    url.split_once(':').is_some_and(|(scheme, _)| {
        scheme.starts_with(|first: char| first.is_ascii_alphabetic())
            && scheme
                .chars()
                .all(|c| c.is_ascii_alphanumeric() || "+-.".contains(c))
    })
}

/// The entries with one fullUrl.
#[derive(Default)]
struct Alike<'v> {
    all: Vec<usize>,
    /// By `meta.versionId`.
    by_version: HashMap<&'v str, Vec<usize>>,
}

/// A Bundle and where its entries are.
pub(super) struct Bundle<'v> {
    pub(super) kind: &'v str,
    pub(super) entries: Vec<&'v Value>,
    by_url: HashMap<&'v str, Alike<'v>>,
    /// By the last two steps of a fullUrl, `Patient/1`: the first of them.
    by_end: HashMap<&'v str, usize>,
    /// By type and id of the resource, where the fullUrl is a URN: that is no base of a relative
    /// reference, type and id mean it all the same.
    by_name: HashMap<(&'v str, &'v str), usize>,
}

impl<'v> Bundle<'v> {
    pub(super) fn new(bundle: &'v Value) -> Bundle<'v> {
        let mut new = Bundle {
            kind: text(bundle, "type").unwrap_or_default(),
            entries: list(bundle, "entry").collect(),
            by_url: HashMap::new(),
            by_end: HashMap::new(),
            by_name: HashMap::new(),
        };
        for (at, entry) in new.entries.iter().enumerate() {
            let Some(url) = text(entry, "fullUrl") else {
                continue;
            };
            let alike = new.by_url.entry(url).or_default();
            alike.all.push(at);
            let version = entry.pointer("/resource/meta/versionId");
            if let Some(version) = version.and_then(Value::as_str) {
                alike.by_version.entry(version).or_default().push(at);
            }
            let named = |name: &str| text(entry.get("resource")?, name);
            if let (FullUrl::Urn(_), Some(kind), Some(id)) =
                (FullUrl::parse(url), named("resourceType"), named("id"))
            {
                new.by_name.entry((kind, id)).or_insert(at);
            }
            if let Some((start, _)) = url.rmatch_indices('/').nth(1) {
                new.by_end.entry(&url[start + 1..]).or_insert(at);
            }
        }
        new
    }

    /// The entries that a reference means which stands in the resource of an entry with this
    /// fullUrl, a few of them where they are many:
    /// <https://hl7.org/fhir/R4/bundle.html#references>
    pub(super) fn entries_of(&self, from: Option<&str>, reference: &str) -> &[usize] {
        let reference = reference.split('#').next().unwrap_or(reference);
        let (url, version) = match reference.split_once("/_history/") {
            Some((url, version)) => (url, Some(version)),
            None => (reference, None),
        };
        let absolute: Cow<'_, str> = match (is_absolute(url), from.map(FullUrl::parse)) {
            (true, _) => url.into(),
            (false, Some(FullUrl::Rest { base, .. })) => format!("{base}/{url}").into(),
            (false, Some(FullUrl::Urn(prefix))) => {
                format!("{prefix}{}", url.rsplit('/').next().unwrap_or(url)).into()
            }
            (false, _) => return &[],
        };
        let found = self.by_url.get(&*absolute).and_then(|alike| match version {
            Some(version) => alike.by_version.get(version),
            None => Some(&alike.all),
        });
        let found = found.map(Vec::as_slice).unwrap_or_default();
        &found[..found.len().min(MOST_ALIKE)]
    }

    /// The resource that a reference may mean, whatever base the entry is below that it stands
    /// in: what FHIRPath and the targets of references look for.
    pub(super) fn resolve(&self, reference: &str) -> Option<&'v Value> {
        let reference = reference
            .split_once("/_history/")
            .map_or(reference, |(url, _)| url);
        let by_end = || match reference.contains(':') {
            true => None,
            false => {
                let by_name = || self.by_name.get(&reference.split_once('/')?);
                self.by_end.get(reference).or_else(by_name).copied()
            }
        };
        let alike = self.by_url.get(reference);
        let by_url = alike.and_then(|alike| alike.all.first());
        self.entries[by_url.copied().or_else(by_end)?].get("resource")
    }

    /// The resource that a reference means, where it means one only.
    pub(super) fn resource_of(&self, from: Option<&str>, reference: &str) -> Option<&'v Value> {
        match self.entries_of(from, reference) {
            [only] => self.entries[*only].get("resource"),
            _ => None,
        }
    }

    pub(super) fn full_url(&self, at: usize) -> Option<&'v str> {
        text(self.entries[at], "fullUrl")
    }

    /// The entries that the resource of an entry refers to.
    fn neighbours(&self, at: usize) -> Vec<usize> {
        let mut references = Vec::new();
        if let Some(resource) = self.entries[at].get("resource") {
            push_references(resource, &mut references);
        }
        let from = self.full_url(at);
        let found = references.into_iter();
        found
            .flat_map(|reference| self.entries_of(from, reference))
            .copied()
            .collect()
    }

    /// The entries that nothing leads to from the first one, in either direction.
    pub(super) fn apart(&self, linked: &[usize]) -> Vec<usize> {
        let mut around: Vec<Vec<usize>> = vec![Vec::new(); self.entries.len()];
        for at in 0..self.entries.len() {
            for other in self.neighbours(at) {
                around[at].push(other);
                around[other].push(at);
            }
        }
        let mut reached: HashSet<usize> = HashSet::from([0]);
        let mut open = vec![0];
        reached.extend(linked);
        open.extend(linked);
        while let Some(at) = open.pop() {
            for &other in &around[at] {
                if reached.insert(other) {
                    open.push(other);
                }
            }
        }
        (0..self.entries.len())
            .filter(|at| !reached.contains(at) && self.entries[*at].get("resource").is_some())
            .collect()
    }
}

/// Every literal reference in a resource, in whatever element it stands.
fn push_references<'v>(value: &'v Value, out: &mut Vec<&'v str>) {
    match value {
        Value::Object(members) => {
            for (name, value) in members {
                match value {
                    Value::String(reference) if name == "reference" => out.push(reference),
                    _ => push_references(value, out),
                }
            }
        }
        Value::Array(items) => items.iter().for_each(|item| push_references(item, out)),
        _ => {}
    }
}

fn list<'v>(of: &'v Value, name: &str) -> impl Iterator<Item = &'v Value> + use<'v> {
    of.get(name).and_then(Value::as_array).into_iter().flatten()
}

fn text<'v>(of: &'v Value, name: &str) -> Option<&'v str> {
    of.get(name)?.as_str()
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    #[test]
    fn full_urls_tell_what_they_identify() {
        let rest = |base, id| FullUrl::Rest {
            base,
            kind: ResourceType::parse("Patient").expect("a type"),
            id,
        };
        for (url, expected) in [
            ("http://s/fhir/Patient/1", rest("http://s/fhir", "1")),
            ("https://s/Patient/a-b", rest("https://s", "a-b")),
            (
                "urn:uuid:c757873d-ec9a-4326-a141-556f43239520",
                FullUrl::Urn("urn:uuid:"),
            ),
            ("urn:oid:1.2", FullUrl::Urn("urn:oid:")),
            ("http://s/fhir/Chicken/1", FullUrl::Other),
            ("http://s/fhir/Patient/a_b", FullUrl::Other),
            ("Patient/1", FullUrl::Other),
        ] {
            assert_eq!(FullUrl::parse(url), expected, "{url}");
        }
    }

    #[test]
    fn references_mean_entries_by_where_they_stand() {
        let entry = |url: &str, version: &str| json!({"fullUrl": url, "resource": {"resourceType": "Patient", "meta": {"versionId": version}}});
        let bundle = json!({"entry": [
            entry("http://s/Patient/1", "1"),
            entry("http://s/Patient/1", "2"),
            entry("urn:uuid:x", "1"),
        ]});
        let bundle = Bundle::new(&bundle);
        for (from, reference, expected) in [
            (Some("http://s/Patient/9"), "Patient/1", &[0, 1][..]),
            (Some("http://s/Patient/9"), "Patient/1/_history/2", &[1]),
            (Some("http://s/Patient/9"), "Patient/1/_history/3", &[]),
            (Some("http://t/Patient/9"), "Patient/1", &[]),
            (None, "Patient/1", &[]),
            (None, "http://s/Patient/1", &[0, 1]),
            (Some("urn:uuid:y"), "Patient/x", &[2]),
            (None, "urn:uuid:x", &[2]),
        ] {
            assert_eq!(bundle.entries_of(from, reference), expected, "{reference}");
        }
        assert!(bundle.resolve("Patient/1").is_some());
        assert!(bundle.resolve("Patient/2").is_none());
    }
}
