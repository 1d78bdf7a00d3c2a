//! All codes of a value set, of systems that are in memory.

use super::super::code_system::{At, CodeSystem, Concept, items};
use super::super::{Problem, Reason};
use super::{Evaluation, MAX_DEPTH, filters, named, not_known, passes};
use serde_json::Value;
use std::collections::{BTreeMap, HashMap, HashSet};
use std::sync::Arc;

/// One code of a value set.
#[derive(Clone, Debug)]
pub struct Member {
    pub system: String,
    pub version: Option<String>,
    pub code: String,
    /// The concept, where its system is known here.
    pub known: Option<(Arc<CodeSystem>, At)>,
    /// What the value set itself says of it: `include.concept` or `expansion.contains`.
    pub listed: Option<Arc<Value>>,
}

impl Member {
    pub fn concept(&self) -> Option<&Concept> {
        let (system, at) = self.known.as_ref()?;
        system.concepts.get(*at)
    }

    pub fn is_inactive(&self) -> bool {
        let known = self.known.as_ref();
        known.is_some_and(|(system, at)| system.is_inactive(*at)) || self.says("inactive")
    }

    pub fn is_abstract(&self) -> bool {
        let known = self.known.as_ref();
        known.is_some_and(|(system, at)| system.is_abstract(*at)) || self.says("abstract")
    }

    fn says(&self, flag: &str) -> bool {
        self.listed
            .as_ref()
            .is_some_and(|listed| listed[flag] == true)
    }
}

/// The codes of a value set, in the order of its definition.
#[derive(Clone, Debug, Default)]
pub struct Members {
    list: Vec<Member>,
    places: HashMap<(String, String), Vec<usize>>,
    /// Systems that are not known whole and of which any code counts, with the version that
    /// is meant.
    pub whole: BTreeMap<String, Option<String>>,
    /// Systems in tables whose members are not in the list: a [`Selection`](super::Selection)
    /// tells which they are.
    pub tables: Vec<Arc<CodeSystem>>,
}

impl Members {
    pub fn list(&self) -> &[Member] {
        &self.list
    }

    pub fn into_list(self) -> Vec<Member> {
        self.list
    }

    fn add(&mut self, member: Member) {
        let key = (member.system.clone(), member.code.clone());
        let places = self.places.entry(key).or_default();
        let is_new = |at: &usize| self.list[*at].version != member.version;
        if places.iter().all(is_new) {
            places.push(self.list.len());
            self.list.push(member);
        }
    }

    pub(super) fn has(&self, system: &str, version: Option<&str>, code: &str) -> bool {
        let key = (system.to_owned(), code.to_owned());
        let places = self.places.get(&key).into_iter().flatten();
        let mut versions = places.map(|at| self.list[*at].version.as_deref());
        versions.any(|found| version.is_none() || found.is_none() || found == version)
    }

    fn unite(&mut self, other: Members) {
        self.whole.extend(other.whole);
        for member in other.list {
            self.add(member);
        }
    }

    fn keep(&mut self, mut keeps: impl FnMut(&Member) -> bool) {
        let list = std::mem::take(&mut self.list);
        self.places.clear();
        for member in list.into_iter().filter(|member| keeps(member)) {
            self.add(member);
        }
    }

    fn intersect(self, other: Members) -> Members {
        let mut both = Members::default();
        for member in &self.list {
            let version = member.version.as_deref();
            if other.whole.contains_key(&member.system)
                || other.has(&member.system, version, &member.code)
            {
                both.add(member.clone());
            }
        }
        for member in other.list {
            if self.whole.contains_key(&member.system) {
                both.add(member);
            }
        }
        for (system, version) in self.whole {
            if other.whole.contains_key(&system) {
                both.whole.insert(system, version);
            }
        }
        both
    }

    /// Takes the codes of `other` out. Some codes of a system whose others are not known
    /// cannot be taken out of it: `None`.
    fn without(mut self, other: &Members) -> Option<Members> {
        self.whole
            .retain(|system, _| !other.whole.contains_key(system));
        let open = |member: &Member| self.whole.contains_key(&member.system);
        if other.list.iter().any(open) {
            return None;
        }
        self.keep(|member| {
            let version = member.version.as_deref();
            !other.whole.contains_key(&member.system)
                && !other.has(&member.system, version, &member.code)
        });
        Some(self)
    }
}

impl Evaluation<'_> {
    /// All codes of a value set, as far as they are known here.
    ///
    /// # Errors
    /// Any [`Problem`].
    pub fn members(&self, value_set: &Value) -> Result<Members, Problem> {
        let mut members = self.members_within(value_set, MAX_DEPTH)?;
        members.tables = self.tables.take().into_values().collect();
        let tables = std::mem::take(&mut members.tables);
        members.keep(|member| {
            let is_of = |table: &Arc<CodeSystem>| {
                table.url == member.system && table.version == member.version
            };
            !tables.iter().any(is_of)
        });
        members.tables = tables;
        if merges_versions(value_set) {
            let mut seen = HashSet::new();
            members.keep(|member| seen.insert((member.system.clone(), member.code.clone())));
        }
        Ok(members)
    }

    /// By its definition, else by its expansion.
    fn members_within(&self, value_set: &Value, depth: usize) -> Result<Members, Problem> {
        let depth = self.visit(value_set, depth)?;
        if value_set["compose"].is_null() {
            return self.listed(&value_set["expansion"]).ok_or_else(|| {
                Problem::new(
                    Reason::NotKnown,
                    format!(
                        "the value set `{}` has neither a definition nor a whole expansion",
                        named(value_set)
                    ),
                )
            });
        }
        let composed = self.composed(value_set, depth);
        composed.or_else(|problem| self.listed(&value_set["expansion"]).ok_or(problem))
    }

    fn composed(&self, value_set: &Value, depth: usize) -> Result<Members, Problem> {
        let compose = &value_set["compose"];
        let mut members = Members::default();
        for include in items(&compose["include"]) {
            members.unite(self.part(value_set, include, depth)?);
        }
        for exclude in items(&compose["exclude"]) {
            let mut excluded = self.part(value_set, exclude, depth)?;
            // A code is excluded in whatever version it was included, unless it is listed of one.
            let is_listed = exclude["concept"].is_array() && exclude["version"].is_string();
            for member in excluded.list.iter_mut().filter(|_| !is_listed) {
                member.version = None;
            }
            members = members.without(&excluded).ok_or_else(|| {
                Problem::new(
                    Reason::NotKnown,
                    format!(
                        "the value set `{}` excludes some codes of a system whose other codes \
                         are not known here",
                        named(value_set)
                    ),
                )
            })?;
        }
        if compose["inactive"] == false {
            members.keep(|member| !member.is_inactive());
        }
        Ok(members)
    }

    /// One `include` or `exclude`: the codes of its system that are also in each of its value
    /// sets.
    fn part(&self, value_set: &Value, include: &Value, depth: usize) -> Result<Members, Problem> {
        let mut members = match include["system"].as_str() {
            Some(system) => Some(self.of_system(value_set, system, include)?),
            None => None,
        };
        for canonical in items(&include["valueSet"]).filter_map(Value::as_str) {
            let other = self.members_within(self.value_set(value_set, canonical)?, depth)?;
            members = Some(match members {
                Some(members) => members.intersect(other),
                None => other,
            });
        }
        Ok(members.unwrap_or_default())
    }

    fn of_system(
        &self,
        value_set: &Value,
        system: &str,
        include: &Value,
    ) -> Result<Members, Problem> {
        let found = self.system(system, include)?;
        let named_version = || include["version"].as_str().map(str::to_owned);
        let mut members = Members::default();
        if include["concept"].is_array() {
            for listed in items(&include["concept"]) {
                let Some(code) = listed["code"].as_str() else {
                    continue;
                };
                let at = found.and_then(|found| found.find(code));
                if at.is_none() && found.is_some_and(|found| found.is_complete) {
                    continue;
                }
                members.add(Member {
                    system: system.to_owned(),
                    version: found.map_or_else(named_version, |found| found.version.clone()),
                    code: code.to_owned(),
                    known: found.cloned().zip(at),
                    listed: Some(Arc::new(listed.clone())),
                });
            }
            return Ok(members);
        }
        if let Some(excerpt) = found.filter(|found| found.is_excerpt) {
            let mut tables = self.tables.borrow_mut();
            tables.insert(excerpt.canonical(), excerpt.clone());
            return Ok(members);
        }
        let complete = found.filter(|found| found.is_complete);
        let Some(concepts) = complete else {
            if items(&include["filter"]).next().is_some() {
                return Err(not_known(value_set, system));
            }
            members.whole.insert(system.to_owned(), named_version());
            return Ok(members);
        };
        let filters = filters(concepts, include)?;
        for at in 0..concepts.concepts.len() {
            if passes(&filters, concepts, at)? {
                self.count(1)?;
                members.add(Member {
                    system: system.to_owned(),
                    version: concepts.version.clone(),
                    code: concepts.concepts[at].code.clone(),
                    known: Some((concepts.clone(), at)),
                    listed: None,
                });
            }
        }
        Ok(members)
    }

    /// The codes of an expansion, unless it is a page of a longer one.
    pub(super) fn listed(&self, expansion: &Value) -> Option<Members> {
        let (members, is_whole) = self.expanded(expansion)?;
        is_whole.then_some(members)
    }

    /// The codes of an expansion, and whether they are all.
    pub(super) fn expanded(&self, expansion: &Value) -> Option<(Members, bool)> {
        let contains = expansion["contains"].as_array()?;
        let mut members = Members::default();
        let mut count = 0_u64;
        let mut open: Vec<&Value> = contains.iter().rev().collect();
        while let Some(next) = open.pop() {
            count += 1;
            open.extend(next["contains"].as_array().into_iter().flatten().rev());
            let is_code = next["abstract"] != true;
            if let (Some(system), Some(code), true) =
                (next["system"].as_str(), next["code"].as_str(), is_code)
            {
                let version = next["version"].as_str();
                let canonical = self.library.versions.canonical(system, version);
                let found = self.library.code_system(&canonical);
                members.add(Member {
                    system: system.to_owned(),
                    version: version.map(str::to_owned),
                    code: code.to_owned(),
                    known: found.and_then(|found| Some((found.clone(), found.find(code)?))),
                    listed: Some(Arc::new(next.clone())),
                });
            }
        }
        let total = expansion["total"].as_u64().unwrap_or_default();
        Some((members, total <= count))
    }
}

/// Whether a value set asks for a code of several versions to be one member.
/// <https://hl7.org/fhir/extensions/StructureDefinition-valueset-expansion-parameter.html>
fn merges_versions(value_set: &Value) -> bool {
    items(&value_set["compose"]["extension"]).any(|extension| {
        let value = |url: &str| {
            let mut parts = items(&extension["extension"]);
            let part = parts.find(|part| part["url"] == url)?;
            part["valueCode"].as_str().or(part["valueString"].as_str())
        };
        value("name") == Some("versionsMatch") && value("value") == Some("true")
    })
}
