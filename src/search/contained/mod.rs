//! Contained resources: `MedicationRequest/23#m1`, which live and die with their container.
//! <https://hl7.org/fhir/R4/references.html#contained>, and how they are searched:
//! <https://hl7.org/fhir/R4/search.html#contained>
//!
//! ```text
//! MedicationRequest/23   entries: … key(MedicationRequest/23#m1) # seed(medication) …
//!   #m1, a Medication    a row of `contained`: key, entries, present; its path in the body above
//! ```
//!
//! A contained resource is indexed as if it stood alone, under the key of its container's name
//! with its own id behind `#`. A reference `#m1` makes the entry of that key, so that a chain into
//! a contained resource is the join that every chain is. `_contained=true` searches the rows,
//! [`page`].
//!
//! A resource that stands where a reference could, the Composition or MessageHeader that a Bundle
//! begins with ([`IN_PLACE`]), is indexed likewise, so that `Bundle?composition.patient=` is a
//! chain. It is not contained: `_contained` does not search it.
//!
//! What its references cover beyond that of its container is in the hidden slot of the
//! container, which referential integrity asks. A contained resource has no `_id` and no
//! `_lastUpdated`: criteria of these match none. Those that read the text (`:text`, `_content`)
//! read that of the container, at the path of the row.
//!
//! ## Decisions
//! - *Rows of their own* in a table without bodies: the resource table and its indexes stay what
//!   they are, and nothing that asks it has to leave contained ones out. The container's body
//!   holds the text, at a path and not under an id: that of a Bundle's first resource is none of
//!   its own, and of contained resources with one id the first counts.
//! - *Found by key and by entries alone.* What a superseded container contained is read
//!   from its old body, which the write has at hand, so that no index by container is kept.
//! - *What it costs*: 122 bytes of table, 40 of the primary key and 29 of GIN a row. The Synthea set,
//!   where one resource in twenty contains two, takes 20 bytes a resource more (1.0 %, measured
//!   2026-11-22 with 92,114 resources, before rows had the 14 bytes of a path); a resource that
//!   contains nothing costs no statement and no byte.

pub mod page;

use super::index::{Slot, hash, resource_key};
use super::params::{Sink, reference};
use super::plan::Predicate;
use crate::fhir::{ResourceType, Version, json};
use crate::fhirpath::{Item, Node};
use serde_json::Value;
use std::collections::HashSet;

/// A resource with the resources that it contains.
#[derive(Debug)]
pub struct Container<'a> {
    key: i64,
    inner: Vec<Inner<'a>>,
    /// The inner one is what a Bundle begins with.
    is_bundle: bool,
}

/// The one expression of reference parameters that gives a resource itself:
/// `Bundle.composition`, `Bundle.message`.
pub const IN_PLACE: &str = "Bundle.entry[0].resource";

/// What a Bundle of a document or a message begins with.
const FIRST: [&str; 2] = ["Composition", "MessageHeader"];

/// Tells the slot in which a Bundle leads to what it begins with from the one that says which
/// stored resource has the same name.
pub fn in_place(slot: Slot) -> Slot {
    slot.with(hash(IN_PLACE))
}

/// One of them.
#[derive(Clone, Debug)]
pub struct Inner<'a> {
    pub resource_type: ResourceType,
    pub key: i64,
    /// What stands behind `#`.
    pub id: &'a str,
    /// Where it stands in the container, as PostgreSQL writes paths of JSON.
    pub path: String,
    pub resource: &'a Value,
}

impl<'a> Container<'a> {
    /// The container that a resource is; `None` for one that contains nothing. Of contained
    /// resources with one id the first counts; those without id or type do not.
    pub fn of(resource_type: ResourceType, id: &str, resource: &'a Value) -> Option<Container<'a>> {
        if resource_type.name() == "Bundle" {
            return Container::of_bundle(resource_type, id, resource);
        }
        let contained = resource.get("contained")?.as_array()?;
        let name = format!("{resource_type}/{id}");
        let mut known = HashSet::new();
        let inner = contained.iter().enumerate().filter_map(|(at, resource)| {
            let id = resource.get("id")?.as_str()?;
            let key = hash(&format!("{name}#{id}"));
            Some(Inner {
                resource_type: ResourceType::parse(resource.get("resourceType")?.as_str()?)?,
                key: known.insert(key).then_some(key)?,
                id,
                path: format!("{{contained,{at}}}"),
                resource,
            })
        });
        Some(Container {
            inner: inner.collect(),
            key: resource_key(resource_type, id),
            is_bundle: false,
        })
    }

    fn of_bundle(bundle: ResourceType, id: &str, resource: &'a Value) -> Option<Container<'a>> {
        let first = resource.get("entry")?.get(0)?.get("resource")?;
        let name = first.get("resourceType")?.as_str()?;
        let resource_type = ResourceType::parse(name).filter(|_| FIRST.contains(&name))?;
        let inner = Inner {
            resource_type,
            // No id holds a slash, so that nothing contained has this name.
            key: hash(&format!("{bundle}/{id}#entry/0")),
            id: "",
            path: "{entry,0,resource}".to_owned(),
            resource: first,
        };
        Some(Container {
            inner: vec![inner],
            key: resource_key(bundle, id),
            is_bundle: true,
        })
    }

    pub fn inner(&self) -> &[Inner<'a>] {
        &self.inner
    }

    /// Puts the entries of references within the container, `#m1` or `#` for itself, into the
    /// slot.
    pub fn refer(&self, items: &[Item<'_>], sink: &mut Sink<'_>) {
        for item in items {
            let Item::Node(node) = item else {
                continue;
            };
            if self.is_bundle {
                self.begin_with(node, sink);
                continue;
            }
            let Some(id) = reference::literal(node).and_then(|text| text.strip_prefix('#')) else {
                continue;
            };
            if id.is_empty() {
                sink.key(self.key);
            } else if let Some(inner) = self.inner.iter().find(|inner| inner.id == id) {
                sink.key(inner.key);
                sink.present_as(|| Some(inner.resource_type));
            }
        }
    }
}

impl Container<'_> {
    /// Puts the entry of what a Bundle begins with beside the slot that it was found for.
    fn begin_with(&self, node: &Node<'_>, sink: &mut Sink<'_>) {
        let is_it =
            |inner: &&Inner<'_>| node.value.is_some_and(|v| std::ptr::eq(v, inner.resource));
        if let Some(first) = self.inner.iter().find(is_it) {
            let slot = sink.slot;
            sink.slot = in_place(slot);
            sink.key(first.key);
            sink.slot = slot;
        }
    }
}

/// Types and keys of what the resources of a stored version are known by, which contain them.
pub fn keys(version: &Version) -> Vec<(ResourceType, i64)> {
    let body = version.body.as_deref().unwrap_or_default();
    // Few contain any, and looking for the word is cheap.
    let is_bundle = version.resource_type.name() == "Bundle";
    if !is_bundle && !body.windows(WORD.len()).any(|text| text == WORD) {
        return Vec::new();
    }
    // What was stored was within the limit of its time.
    let Ok(resource) = json::parse(body, usize::MAX) else {
        return Vec::new();
    };
    let container = Container::of(version.resource_type, &version.id, &resource);
    let inner = container.iter().flat_map(Container::inner);
    inner.map(|one| (one.resource_type, one.key)).collect()
}

const WORD: &[u8] = b"\"contained\"";

/// The filter as contained resources can be asked it: what is about names and times of their own
/// holds of none of them.
pub fn within(filter: &Predicate) -> Predicate {
    let all = |parts: &[Predicate]| -> Vec<Predicate> { parts.iter().map(within).collect() };
    match filter {
        Predicate::And(parts) => match all(parts) {
            parts if parts.contains(&Predicate::Nothing) => Predicate::Nothing,
            parts => Predicate::And(parts),
        },
        Predicate::Or(parts) => {
            let mut parts = all(parts);
            parts.retain(|part| *part != Predicate::Nothing);
            match parts.is_empty() {
                true => Predicate::Nothing,
                false => Predicate::Or(parts),
            }
        }
        Predicate::Not(part) => match within(part) {
            Predicate::Nothing => Predicate::Everything,
            part => Predicate::Not(Box::new(part)),
        },
        Predicate::Everything
        | Predicate::Entries(_)
        | Predicate::EveryEntry(_)
        | Predicate::Present(_)
        | Predicate::Date { .. }
        | Predicate::String { .. }
        | Predicate::Quantity { .. }
        | Predicate::NumberPair { .. }
        | Predicate::Near { .. }
        | Predicate::Keys(_)
        | Predicate::Type(_)
        | Predicate::Refers { .. }
        | Predicate::Referred { .. }
        | Predicate::Json { .. }
        | Predicate::Element(_)
        | Predicate::Words { .. }
        | Predicate::Lookup(_) => filter.clone(),
        Predicate::Nothing | Predicate::Id(_) | Predicate::LastUpdated(_) => Predicate::Nothing,
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    fn kind(name: &str) -> ResourceType {
        ResourceType::parse(name).expect("a type")
    }

    #[test]
    fn what_is_contained_is_known_by_its_container() {
        let resource = json!({"resourceType": "MedicationRequest", "contained": [
            {"resourceType": "Medication", "id": "m1"},
            {"resourceType": "Patient", "id": "m1"},
            {"resourceType": "Patient"},
            {"resourceType": "Nope", "id": "x"},
            {"resourceType": "Patient", "id": "p"},
        ]});
        let container = Container::of(kind("MedicationRequest"), "23", &resource);
        let container = container.expect("it contains some");
        let found: Vec<_> = container
            .inner()
            .iter()
            .map(|inner| (inner.resource_type.name(), inner.path.as_str(), inner.key))
            .collect();
        assert_eq!(
            found,
            [
                (
                    "Medication",
                    "{contained,0}",
                    hash("MedicationRequest/23#m1")
                ),
                ("Patient", "{contained,4}", hash("MedicationRequest/23#p")),
            ]
        );
        let none = json!({"resourceType": "Patient"});
        assert!(Container::of(kind("Patient"), "1", &none).is_none());
    }

    #[test]
    fn what_only_a_whole_resource_has_holds_of_none() {
        let id = || Predicate::Id(vec!["a".to_owned()]);
        let present = || Predicate::Present(1);
        let not = |part| Predicate::Not(Box::new(part));
        for (given, expected) in [
            (id(), Predicate::Nothing),
            (not(id()), Predicate::Everything),
            (Predicate::And(vec![present(), id()]), Predicate::Nothing),
            (
                Predicate::Or(vec![present(), id()]),
                Predicate::Or(vec![present()]),
            ),
            (Predicate::Or(vec![id()]), Predicate::Nothing),
            (not(present()), not(present())),
        ] {
            assert_eq!(within(&given), expected, "{given}");
        }
    }
}
