//! The rules of a Bundle that speak of several of its entries.
//! <https://hl7.org/fhir/R4/bundle.html>, <https://hl7.org/fhir/R4/documents.html>
//!
//! | rule | of |
//! |---|---|
//! | an entry has a fullUrl, which is absolute, without a version, and fits type and id | `fullUrl` |
//! | a reference means at most one entry, of the type that it names | resolving references |
//! | what the Composition of a document refers to is there; whatever is there hangs together | documents |
//! | a link for paging is there once; a style sheet that is relative is there | `link` |
//!
//! What a Bundle says of itself alone is in its invariants (bdl-1 to bdl-12). What a server does
//! with the entries of a batch is no matter of validity.

use std::collections::{HashMap, HashSet};

use serde_json::Value;

use super::walk::{Scope, Walk};
use crate::error::Issue;
use crate::fhir::{Id, ResourceType};
use crate::fhirpath::Node;

/// The relations of links by which a reader turns pages.
const PAGES: [&str; 6] = ["self", "first", "previous", "prev", "next", "last"];

/// What the Composition of a document may refer to that must be in the document.
/// <https://hl7.org/fhir/R4/documents.html#content>
const OF_COMPOSITION: [&[&str]; 6] = [
    &["subject"],
    &["encounter"],
    &["author"],
    &["attester", "party"],
    &["custodian"],
    &["event", "detail"],
];
const OF_SECTION: [&[&str]; 3] = [&["author"], &["focus"], &["entry"]];

/// Sections nested deeper than this are taken for a mistake.
const DEEPEST: usize = 32;

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

fn is_http(url: &str) -> bool {
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

/// A Bundle and where its entries are.
pub(super) struct Bundle<'v> {
    kind: &'v str,
    entries: Vec<&'v Value>,
    by_url: HashMap<&'v str, Vec<usize>>,
}

impl<'v> Bundle<'v> {
    pub(super) fn new(bundle: &'v Value) -> Bundle<'v> {
        let entries: Vec<&Value> = list(bundle, "entry").collect();
        let mut by_url: HashMap<&str, Vec<usize>> = HashMap::new();
        for (at, entry) in entries.iter().enumerate() {
            if let Some(url) = text(entry, "fullUrl") {
                by_url.entry(url).or_default().push(at);
            }
        }
        Bundle {
            kind: text(bundle, "type").unwrap_or_default(),
            entries,
            by_url,
        }
    }

    /// The entries that a reference means which stands in the resource of an entry with this
    /// fullUrl: <https://hl7.org/fhir/R4/bundle.html#references>
    pub(super) fn entries_of(&self, from: Option<&str>, reference: &str) -> Vec<usize> {
        let reference = reference.split('#').next().unwrap_or(reference);
        let (url, version) = match reference.split_once("/_history/") {
            Some((url, version)) => (url, Some(version)),
            None => (reference, None),
        };
        let absolute = match (is_absolute(url), from.map(FullUrl::parse)) {
            (true, _) => url.to_owned(),
            (false, Some(FullUrl::Rest { base, .. })) => format!("{base}/{url}"),
            (false, Some(FullUrl::Urn(prefix))) => {
                format!("{prefix}{}", url.rsplit('/').next().unwrap_or(url))
            }
            (false, _) => return Vec::new(),
        };
        let found = self.by_url.get(absolute.as_str());
        let is_meant = |at: &usize| {
            let own = self.entries[*at].pointer("/resource/meta/versionId");
            version.is_none_or(|version| own.and_then(Value::as_str) == Some(version))
        };
        found
            .into_iter()
            .flatten()
            .copied()
            .filter(is_meant)
            .collect()
    }

    /// The resource that a reference means, where it means one only.
    pub(super) fn resource_of(&self, from: Option<&str>, reference: &str) -> Option<&'v Value> {
        match self.entries_of(from, reference).as_slice() {
            [only] => self.entries[*only].get("resource"),
            _ => None,
        }
    }

    fn full_url(&self, at: usize) -> Option<&'v str> {
        text(self.entries[at], "fullUrl")
    }

    /// The entries that the resource of an entry refers to.
    fn neighbours(&self, at: usize) -> Vec<usize> {
        let mut references = Vec::new();
        if let Some(resource) = self.entries[at].get("resource") {
            push_references(resource, &mut references);
        }
        let from = self.full_url(at);
        references
            .into_iter()
            .flat_map(|reference| self.entries_of(from, reference))
            .collect()
    }

    /// The entries that nothing leads to from the first one, in either direction.
    fn apart(&self, linked: &[usize]) -> Vec<usize> {
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

impl<'w> Walk<'w> {
    pub(super) fn bundle(&mut self, bundle: &Bundle<'w>, value: &'w Value, path: &str) {
        self.full_urls(bundle, path);
        self.links(bundle, value, path);
        if bundle.kind == "document" && !bundle.entries.is_empty() {
            self.document(bundle, value, path);
        }
    }

    fn full_urls(&mut self, bundle: &Bundle<'_>, path: &str) {
        let is_optional = matches!(
            bundle.kind,
            "batch" | "transaction" | "batch-response" | "transaction-response"
        );
        for (at, entry) in bundle.entries.iter().enumerate() {
            let resource = entry.get("resource");
            let own = resource.and_then(|resource| text(resource, "resourceType"));
            let place = format!("{path}.entry[{at}].fullUrl");
            let Some(url) = text(entry, "fullUrl") else {
                // What an operation made, such as the outcome of a search, has no identity.
                let is_made =
                    own.is_none_or(|own| matches!(own, "OperationOutcome" | "Parameters"));
                if !is_optional && !is_made {
                    let text = "expected a fullUrl, as in all but batches and transactions, but found none";
                    self.report(Issue::error("required", text), &place);
                }
                continue;
            };
            if !is_absolute(url) {
                let text = "expected a fullUrl that is absolute but found a relative one";
                self.report(Issue::error("value", text), &place);
                continue;
            }
            if let Some(resource) = resource {
                self.identity(url, resource, &place);
            }
        }
    }

    /// `fullUrl SHALL NOT disagree with the id in the resource`.
    fn identity(&mut self, url: &str, resource: &Value, place: &str) {
        let unversioned = url.split("/_history/").next().unwrap_or(url);
        if unversioned.len() < url.len() && is_http(url) {
            let text = "expected a fullUrl without a version but found one with";
            self.report(Issue::error("value", text), place);
        }
        let FullUrl::Rest { kind, id, .. } = FullUrl::parse(unversioned) else {
            return;
        };
        let own_kind = text(resource, "resourceType").unwrap_or_default();
        let own_id = text(resource, "id");
        if own_kind == kind.name() && own_id == Some(id) {
            return;
        }
        let text = match own_id {
            None => {
                "expected a resource with the id that its fullUrl tells but found one without an id"
                    .to_owned()
            }
            Some(_) => format!(
                "expected a fullUrl that ends as the {own_kind} is identified but found {kind} and another id or type"
            ),
        };
        self.report(Issue::error("value", text), place);
    }

    fn links(&mut self, bundle: &Bundle<'_>, value: &Value, path: &str) {
        let mut seen = HashSet::new();
        for (at, link) in list(value, "link").enumerate() {
            let relation = text(link, "relation").unwrap_or_default();
            if PAGES.contains(&relation) && !seen.insert(relation) {
                let text = format!("expected the relation {relation} once but found it again");
                self.report(
                    Issue::error("duplicate", text),
                    &format!("{path}.link[{at}]"),
                );
            }
            let url = text(link, "url").unwrap_or_default();
            let from = (!bundle.entries.is_empty())
                .then(|| bundle.full_url(0))
                .flatten();
            if relation == "stylesheet"
                && !is_absolute(url)
                && bundle.entries_of(from, url).is_empty()
            {
                let text = "expected a style sheet that is in the bundle but found none";
                self.report(
                    Issue::error("not-found", text),
                    &format!("{path}.link[{at}].url"),
                );
            }
        }
    }

    /// A reference that means several entries, or one of another type than it says.
    pub(super) fn reference_in_bundle(&mut self, node: Node<'w>, scope: Scope<'w>, path: &str) {
        let (Some(bundle), Some(reference)) = (
            self.bundle.clone(),
            node.get("reference").and_then(Value::as_str),
        ) else {
            return;
        };
        let found = bundle.entries_of(scope.full_url, reference);
        // Other kinds hold several versions of a resource, or none yet.
        let is_one = matches!(
            bundle.kind,
            "document" | "message" | "collection" | "searchset"
        );
        if let [_, _, ..] = found.as_slice()
            && is_one
        {
            let text = format!(
                "expected a reference to one entry but found that it means {}",
                found.len()
            );
            return self.report(Issue::error("multiple-matches", text), path);
        }
        let unversioned = reference.split("/_history/").next().unwrap_or(reference);
        let named = unversioned.rsplit('/').nth(1).and_then(ResourceType::parse);
        let target = found
            .first()
            .and_then(|at| bundle.entries[*at].get("resource"));
        let own = target.and_then(|target| text(target, "resourceType"));
        if let (Some(named), Some(own)) = (named, own)
            && named.name() != own
        {
            let text = format!("expected an entry with a {named} but found a {own}");
            self.report(Issue::error("structure", text), path);
        }
    }

    fn document(&mut self, bundle: &Bundle<'_>, value: &Value, path: &str) {
        let composition = bundle.entries[0].get("resource");
        let Some(composition) =
            composition.filter(|one| text(one, "resourceType") == Some("Composition"))
        else {
            return;
        };
        let at = format!("{path}.entry[0].resource");
        for steps in OF_COMPOSITION {
            self.is_there(bundle, composition, steps, &at);
        }
        self.sections(bundle, composition, &at, DEEPEST);
        let from = bundle.full_url(0);
        let links = list(value, "link").filter_map(|link| text(link, "url"));
        let linked: Vec<usize> = links.flat_map(|url| bundle.entries_of(from, url)).collect();
        for at in bundle.apart(&linked) {
            let text = "expected entries that the composition leads to, or that lead to it, but found one apart";
            self.report(
                Issue::error("business-rule", text),
                &format!("{path}.entry[{at}]"),
            );
        }
    }

    fn sections(&mut self, bundle: &Bundle<'_>, within: &Value, path: &str, depth: usize) {
        let Some(depth) = depth.checked_sub(1) else {
            return;
        };
        for (at, section) in list(within, "section").enumerate() {
            let place = format!("{path}.section[{at}]");
            for steps in OF_SECTION {
                self.is_there(bundle, section, steps, &place);
            }
            self.sections(bundle, section, &place, depth);
        }
    }

    /// The references at the end of some steps mean an entry, or what is contained.
    fn is_there(&mut self, bundle: &Bundle<'_>, value: &Value, steps: &[&str], path: &str) {
        let [step, rest @ ..] = steps else {
            let Some(reference) = text(value, "reference") else {
                return;
            };
            if !reference.starts_with('#')
                && bundle.entries_of(bundle.full_url(0), reference).is_empty()
            {
                let text = "expected what the composition of a document refers to in the document but found nothing";
                self.report(Issue::error("not-found", text), path);
            }
            return;
        };
        match value.get(step) {
            Some(Value::Array(items)) => {
                for (at, item) in items.iter().enumerate() {
                    self.is_there(bundle, item, rest, &format!("{path}.{step}[{at}]"));
                }
            }
            Some(item) => self.is_there(bundle, item, rest, &format!("{path}.{step}")),
            None => {}
        }
    }
}

fn list<'v>(of: &'v Value, name: &str) -> impl Iterator<Item = &'v Value> + use<'v> {
    of.get(name).and_then(Value::as_array).into_iter().flatten()
}

fn text<'v>(of: &'v Value, name: &str) -> Option<&'v str> {
    of.get(name)?.as_str()
}
