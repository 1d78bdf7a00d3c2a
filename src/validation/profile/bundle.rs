//! The rules of a Bundle that speak of several of its entries.
//! <https://hl7.org/fhir/R4/bundle.html>, <https://hl7.org/fhir/R4/documents.html>
//!
//! | rule | of |
//! |---|---|
//! | an entry has a fullUrl, which is absolute and fits type and id | `fullUrl` |
//! | a reference means at most one entry, of the type that it names | resolving references |
//! | what the Composition of a document refers to is there; whatever is there hangs together | documents |
//! | a link for paging is there once; a style sheet that is relative is there | `link` |
//!
//! What a Bundle says of itself alone is in its invariants (bdl-1 to bdl-12). What a server does
//! with the entries of a batch is no matter of validity.

use std::collections::HashSet;

use serde_json::Value;

use super::entries::{Bundle, FullUrl, is_absolute};
use super::walk::{Scope, Walk};
use crate::error::Issue;
use crate::fhir::ResourceType;
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
        // That it has no version is bdl-8.
        let unversioned = url.split("/_history/").next().unwrap_or(url);
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
        if let [_, _, ..] = found
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
        let linked = links.flat_map(|url| bundle.entries_of(from, url)).copied();
        let linked: Vec<usize> = linked.collect();
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
