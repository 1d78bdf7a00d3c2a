//! What the resources of a level refer to, and what a reference to them looks like.

use super::{is_reference, may_refer};
use crate::access::Access;
use crate::fhir::reference::Target;
use crate::fhir::{ResourceType, json};
use crate::search::index::{Slot, hash, resource_key};
use crate::search::page::Found;
use crate::search::params::{token, uri};
use crate::search::plan::Include;
use crate::search::registry::{Kind, Literal, Parameter, Registry};
use crate::search::sql::Wanted;
use serde_json::Value;
use std::collections::HashMap;

/// Entries that one level looks for at most: `_revinclude=*` has one for each resource and
/// parameter of any type.
const MAX_ENTRIES: usize = 20_000;

/// A level: what is followed, and by whom.
pub struct Level<'a> {
    pub registry: &'a Registry,
    pub access: &'a Access,
    pub base: &'a str,
    pub includes: Vec<&'a Include>,
}

impl Level<'_> {
    /// What these resources include, and whether that is less than all of it.
    pub fn wanted(&self, from: &[Found]) -> (Wanted, bool) {
        let mut wanted = Wanted::default();
        let mut slots: HashMap<ResourceType, Vec<Slot>> = HashMap::new();
        let mut cut = false;
        for found in from {
            let kind = found.version.resource_type;
            let slots = slots.entry(kind).or_insert_with(|| self.slots(kind));
            let parameters = self.parameters(kind);
            let resource = match parameters.is_empty() && (slots.is_empty() || !self.has_url(kind))
            {
                true => None,
                false => body(found),
            };
            for (parameter, include) in parameters {
                let followed = resource.as_ref();
                let followed = followed
                    .into_iter()
                    .flat_map(|resource| self.literals(parameter, resource));
                for literal in followed {
                    self.follow(&literal, parameter, include.target, &mut wanted);
                }
            }
            for hash in std::iter::once(found.key).chain(named(resource.as_ref())) {
                let entries = slots.iter();
                let entries = entries.map(|slot| slot.entry(self.access.tenant, hash));
                wanted.referrers.extend(entries);
            }
            if wanted.referrers.len() + wanted.canonicals.len() > MAX_ENTRIES {
                wanted.referrers.truncate(MAX_ENTRIES);
                wanted.canonicals.truncate(MAX_ENTRIES);
                cut = true;
                break;
            }
        }
        wanted.referrers.sort_unstable();
        wanted.referrers.dedup();
        wanted.canonicals.sort_unstable();
        wanted.canonicals.dedup();
        (wanted, cut)
    }

    /// The parameters that a resource of this type is followed by.
    fn parameters(&self, kind: ResourceType) -> Vec<(&Parameter, &Include)> {
        let forward = self.includes.iter().filter(|include| !include.reverse);
        forward
            .filter(|include| include.source.is_none_or(|source| source == kind))
            .flat_map(|include| {
                self.named(include, kind)
                    .map(move |found| (found, *include))
            })
            .collect()
    }

    /// The slots that a reference to a resource of this type may be in.
    fn slots(&self, kind: ResourceType) -> Vec<Slot> {
        let mut slots = Vec::new();
        let reverse = self.includes.iter().filter(|include| include.reverse);
        for include in reverse.filter(|include| include.target.is_none_or(|to| to == kind)) {
            let sources = match include.source {
                Some(source) => vec![source],
                None => ResourceType::all().collect(),
            };
            for source in sources {
                let parameters = self.named(include, source);
                for parameter in parameters.filter(|parameter| may_refer(parameter, kind)) {
                    let branches = parameter.branches.iter();
                    let branches = branches.filter(|b| b.only.is_none_or(|only| only == kind));
                    slots.extend(branches.map(|branch| branch.slot));
                }
            }
        }
        slots.sort_unstable();
        slots.dedup();
        slots
    }

    /// The reference parameters of a type that an include names.
    fn named<'b>(
        &'b self,
        include: &'b Include,
        kind: ResourceType,
    ) -> impl Iterator<Item = &'b Parameter> {
        let code = include.parameter.as_deref();
        let references = self.registry.parameters(kind).iter().filter(is_reference);
        references.filter(move |parameter| code.is_none_or(|code| code == parameter.code))
    }

    fn has_url(&self, kind: ResourceType) -> bool {
        self.registry
            .parameter(kind, "url")
            .is_some_and(|url| url.kind == Kind::Uri)
    }

    fn literals<'b>(&'b self, parameter: &'b Parameter, resource: &'b Value) -> Vec<Literal<'b>> {
        let branches: Vec<_> = parameter.branches.iter().collect();
        self.registry
            .literals(parameter.resource_type, &branches, resource, self.base)
    }

    fn follow(
        &self,
        literal: &Literal<'_>,
        parameter: &Parameter,
        target: Option<ResourceType>,
        wanted: &mut Wanted,
    ) {
        let fits = |kind: ResourceType| {
            literal.only.is_none_or(|only| only == kind) && target.is_none_or(|to| to == kind)
        };
        if let Target::Local {
            resource_type,
            id,
            version,
        } = Target::parse(literal.text, self.base)
        {
            // A version that is no number is none of ours.
            let version = version.map(|version| version.parse().ok().filter(|v| *v > 0));
            if fits(resource_type) && version != Some(None) {
                let key = resource_key(resource_type, id);
                let version = version.flatten();
                wanted.references.push((resource_type, key, version));
            }
        }
        if literal.canonical && literal.text.contains(':') {
            let any = || ResourceType::all().collect::<Vec<_>>();
            let targets = match parameter.targets.as_slice() {
                [] => any(),
                targets => targets.to_vec(),
            };
            for kind in targets.into_iter().filter(|kind| fits(*kind)) {
                wanted.canonicals.extend(self.canonical(kind, literal.text));
            }
        }
    }

    /// The entries of `url` and `version` that a resource of this type has which a canonical
    /// names.
    fn canonical(&self, kind: ResourceType, text: &str) -> Option<(i64, i64)> {
        let text = text.split_once('#').map_or(text, |(text, _)| text);
        let (url, version) = match text.split_once('|') {
            Some((url, version)) => (url, Some(version)),
            None => (text, None),
        };
        let entry = |code: &str, kind_of: Kind, value: &str| {
            let parameter = self.registry.parameter(kind, code);
            let parameter = parameter.filter(|parameter| parameter.kind == kind_of)?;
            let slot = parameter.branches.first()?.slot;
            Some(slot.entry(self.access.tenant, hash(value)))
        };
        let url = entry("url", Kind::Uri, &uri::entry(url))?;
        match version {
            None => Some((url, url)),
            Some(version) => {
                let version = entry("version", Kind::Token, &token::without_case(version))?;
                Some((url, version))
            }
        }
    }
}

/// What the canonicals that name a resource are found by: those of its own version, and those
/// of none.
fn named(resource: Option<&Value>) -> Vec<i64> {
    let text = |name: &str| resource?.get(name)?.as_str();
    let names = text("url").map(|url| uri::names(url, text("version")));
    names.unwrap_or_default()
}

fn body(found: &Found) -> Option<Value> {
    // What was stored was within the limit of its time.
    json::parse(found.version.body.as_deref()?, usize::MAX).ok()
}
