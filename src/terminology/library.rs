//! What a value set draws on, gathered before it is evaluated, so that evaluation does no I/O.
//!
//! Whoever has a place to read from asks [`Library::needs`], reads, adds what was found (or that
//! nothing was), and asks again until nothing is missing: a search and an operation read what
//! is stored here and then what is published, a binding only what is published.

use super::code_system::{CodeSystem, items};
use super::filter::Condition;
use super::version::{is_pattern, is_version};
use super::{Problem, Reason};
use serde_json::Value;
use std::borrow::Cow;
use std::collections::{BTreeMap, BTreeSet, HashMap};
use std::sync::Arc;

/// Value sets and code systems that one value set may draw on.
pub const MAX_PARTS: usize = 500;

/// A resource by its canonical.
#[derive(Clone, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub enum Part {
    ValueSet(String),
    CodeSystem(String),
}

/// Which version of a code system is meant, by its URL: the parameters of `$expand`.
#[derive(Clone, Debug, Default)]
pub struct Versions {
    /// Where the value set names none.
    pub default: BTreeMap<String, String>,
    /// Whatever the value set names.
    pub force: BTreeMap<String, String>,
    /// What it has to turn out to be.
    pub check: BTreeMap<String, String>,
    /// What a coding names, which of several versions that a value set allows is meant.
    pub asked: BTreeMap<String, String>,
    /// Of value sets, where the one that imports them names none.
    pub value_sets: BTreeMap<String, String>,
}

impl Versions {
    /// The canonical of the system that an `include` means.
    pub fn canonical(&self, system: &str, named: Option<&str>) -> String {
        let forced = self.force.get(system).map(String::as_str);
        let default = self.default.get(system).map(String::as_str);
        let checked = self.check.get(system).map(String::as_str);
        let asked = self.asked.get(system).map(String::as_str);
        let named = named.map(|named| match asked {
            Some(asked) if is_pattern(named) && is_version(asked, named) => asked,
            _ => named,
        });
        match forced.or(named).or(default).or(checked) {
            Some(version) => format!("{system}|{version}"),
            None => system.to_owned(),
        }
    }

    /// The canonical of the value set that another imports.
    pub fn of_value_set<'c>(&self, canonical: &'c str) -> Cow<'c, str> {
        match self.value_sets.get(canonical) {
            Some(version) => Cow::Owned(format!("{canonical}|{version}")),
            None => Cow::Borrowed(canonical),
        }
    }
}

/// The canonical of a resource, with its version where it has one.
pub fn canonical_of(resource: &Value) -> String {
    let url = resource["url"].as_str().unwrap_or_default();
    match resource["version"].as_str() {
        Some(version) => format!("{url}|{version}"),
        None => url.to_owned(),
    }
}

/// The supplements that a value set names.
/// <https://hl7.org/fhir/R4/extension-valueset-supplement.html>
pub fn supplements_of(value_set: &Value) -> impl Iterator<Item = &str> {
    let named = items(&value_set["extension"])
        .filter(|one| one["url"] == "http://hl7.org/fhir/StructureDefinition/valueset-supplement");
    named.filter_map(|one| one["valueCanonical"].as_str())
}

/// The value set that `#id` names within another. Those have none of their own.
pub fn contained<'v>(value_set: &'v Value, reference: &str) -> Option<&'v Value> {
    let id = reference.strip_prefix('#')?;
    items(&value_set["contained"]).find(|one| one["id"] == id && one["resourceType"] == "ValueSet")
}

/// What was looked for; `None` for what is not known here.
#[derive(Clone, Debug, Default)]
pub struct Library {
    pub versions: Versions,
    value_sets: HashMap<String, Option<Arc<Value>>>,
    systems: HashMap<String, Option<Arc<CodeSystem>>>,
    supplements: Vec<Arc<Value>>,
}

impl Library {
    pub fn with_versions(versions: Versions) -> Library {
        Library {
            versions,
            ..Library::default()
        }
    }

    /// What evaluating this value set needs and was not looked for yet. `listed`: also the
    /// systems of codes that it lists, which membership can do without.
    ///
    /// # Errors
    /// `TooCostly`.
    pub fn needs(&self, value_set: &Value, listed: bool) -> Result<Vec<Part>, Problem> {
        let compose = &value_set["compose"];
        let mut parts = Vec::new();
        for include in items(&compose["include"]).chain(items(&compose["exclude"])) {
            if let Some(system) = include["system"].as_str()
                && (listed || !include["concept"].is_array())
            {
                let named = include["version"].as_str();
                parts.push(Part::CodeSystem(self.versions.canonical(system, named)));
            }
            for url in items(&include["valueSet"]).filter_map(Value::as_str) {
                match contained(value_set, url) {
                    Some(inner) => parts.extend(self.needs(inner, listed)?),
                    None => {
                        let url = self.versions.of_value_set(url).into_owned();
                        parts.push(Part::ValueSet(url));
                    }
                }
            }
        }
        if listed && compose.is_null() {
            for contains in items(&value_set["expansion"]["contains"]) {
                if let Some(system) = contains["system"].as_str() {
                    let named = contains["version"].as_str();
                    parts.push(Part::CodeSystem(self.versions.canonical(system, named)));
                }
            }
        }
        parts.sort();
        parts.dedup();
        parts.retain(|part| !self.has(part));
        match self.value_sets.len() + self.systems.len() + parts.len() > MAX_PARTS {
            false => Ok(parts),
            true => Err(Problem::new(
                Reason::TooCostly,
                format!("a value set draws on more than {MAX_PARTS} others"),
            )),
        }
    }

    /// The codes of a system that a value set itself names: those that its filters speak of,
    /// and with `listed` those that it lists.
    pub fn codes_named(value_set: &Value, system: &str, listed: bool) -> BTreeSet<String> {
        let mut codes = BTreeSet::new();
        let compose = &value_set["compose"];
        let parts = items(&compose["include"]).chain(items(&compose["exclude"]));
        for part in parts.filter(|part| part["system"] == system) {
            let filters = items(&part["filter"]);
            let conditions = filters.filter_map(|one| Condition::parse(system, one).ok());
            codes.extend(conditions.flat_map(|condition| condition.names()));
            let concepts = items(&part["concept"]).filter(|_| listed);
            codes.extend(concepts.filter_map(|one| one["code"].as_str().map(str::to_owned)));
        }
        let mut open: Vec<&Value> = items(&value_set["expansion"]["contains"]).collect();
        while let Some(next) = open.pop() {
            if listed && next["system"] == system {
                codes.extend(next["code"].as_str().map(str::to_owned));
            }
            open.extend(items(&next["contains"]));
        }
        for inner in items(&value_set["contained"]) {
            if inner["resourceType"] == "ValueSet" {
                codes.extend(Library::codes_named(inner, system, listed));
            }
        }
        codes
    }

    /// Whether a value set itself filters a system by what is directly below its concepts.
    pub fn asks_for_children(value_set: &Value, system: &str) -> bool {
        let compose = &value_set["compose"];
        let parts = items(&compose["include"]).chain(items(&compose["exclude"]));
        let mut parts = parts.filter(|part| part["system"] == system);
        parts.any(|part| items(&part["filter"]).any(|filter| filter["property"] == "child"))
    }

    pub fn has(&self, part: &Part) -> bool {
        match part {
            Part::ValueSet(url) => self.value_sets.contains_key(url),
            Part::CodeSystem(url) => self.systems.contains_key(url),
        }
    }

    pub fn add_value_set(&mut self, canonical: String, found: Option<Arc<Value>>) {
        self.value_sets.insert(canonical, found);
    }

    pub fn add_code_system(&mut self, canonical: String, found: Option<Arc<CodeSystem>>) {
        self.systems.insert(canonical, found);
    }

    pub fn value_set(&self, canonical: &str) -> Option<&Arc<Value>> {
        let canonical = self.versions.of_value_set(canonical);
        self.value_sets.get(canonical.as_ref())?.as_ref()
    }

    /// Adds what a supplement tells of the concepts of a system.
    pub fn add_supplement(&mut self, supplement: Arc<Value>) {
        for found in self.systems.values_mut().flatten() {
            if found.is_supplemented_by(&supplement) {
                *found = Arc::new(found.supplemented(&supplement));
            }
        }
        self.supplements.push(supplement);
    }

    /// A system with what the supplements tell of its concepts.
    pub fn supplemented(&self, mut system: Arc<CodeSystem>) -> Arc<CodeSystem> {
        for supplement in &self.supplements {
            if system.is_supplemented_by(supplement) {
                system = Arc::new(system.supplemented(supplement));
            }
        }
        system
    }

    /// The canonicals of the supplements.
    pub fn supplements(&self) -> impl Iterator<Item = String> {
        self.supplements.iter().map(|one| canonical_of(one))
    }

    pub fn code_system(&self, canonical: &str) -> Option<&Arc<CodeSystem>> {
        self.systems.get(canonical)?.as_ref()
    }

    /// The versions of a code system that were looked for and found.
    pub fn versions_of(&self, system: &str) -> impl Iterator<Item = &Arc<CodeSystem>> {
        let found = self.systems.values().filter_map(Option::as_ref);
        found.filter(move |found| found.url == system)
    }

    /// All that a value set needs, of what is at hand without reading anything; supplements are
    /// not heeded. `listed` as in [`Library::needs`].
    ///
    /// # Errors
    /// `TooCostly`.
    pub fn at_hand(
        value_set: Arc<Value>,
        listed: bool,
        find: &dyn Fn(&str, &str) -> Option<Arc<Value>>,
    ) -> Result<Library, Problem> {
        let mut library = Library::default();
        let mut open = vec![value_set];
        while let Some(next) = open.pop() {
            for part in library.needs(&next, listed)? {
                match part {
                    Part::ValueSet(url) => {
                        let found = find("ValueSet", &url);
                        open.extend(found.clone());
                        library.add_value_set(url, found);
                    }
                    Part::CodeSystem(url) => {
                        let found = find("CodeSystem", &url);
                        let found = found.map(|found| Arc::new(CodeSystem::of(&found)));
                        library.add_code_system(url, found);
                    }
                }
            }
        }
        Ok(library)
    }
}
