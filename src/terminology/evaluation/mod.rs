//! The composition of a value set, evaluated: its members, or whether one code is among them.
//! <https://hl7.org/fhir/R4/valueset.html#compositions>
//!
//! | part | codes |
//! |---|---|
//! | `concept` | those listed; where their system is known whole, only those that it has |
//! | `filter` | those of a code system that is known whole and that pass |
//! | a system alone | all of it where it is known whole, else any code of that system |
//! | `valueSet` | those of each of them |
//!
//! ```text
//! membership   one code: yes, no or unknown     members     all codes, of systems in memory
//! selection    which concepts of a system in tables, as a condition that SQL asks
//! ```
//!
//! A set that cannot be told from its definition is taken from its `expansion`, where that is
//! whole.

mod members;
mod membership;
mod selection;
#[cfg(test)]
mod tests;

pub use members::{Member, Members};
pub use selection::Selection;

use super::code_system::{At, CodeSystem, items};
use super::filter::Filter;
use super::library::contained;
use super::version::is_version;
use super::{Library, Problem, Reason};
use serde_json::Value;
use std::cell::{Cell, RefCell};
use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;

/// Deeper nesting of value sets than this is taken for a circle.
const MAX_DEPTH: usize = 32;
/// Value sets that one evaluation visits, counted each time: nested ones may name each other
/// twice at every level.
const MAX_VISITS: usize = 5_000;
/// Members that one evaluation may gather.
const MAX_MEMBERS: usize = 2_000_000;

/// Evaluates value sets over what a library has.
#[derive(Debug)]
pub struct Evaluation<'a> {
    library: &'a Library,
    visits: Cell<usize>,
    gathered: Cell<usize>,
    /// The systems in tables that were met and of which more than listed codes is drawn.
    tables: RefCell<BTreeMap<String, Arc<CodeSystem>>>,
}

impl<'a> Evaluation<'a> {
    pub fn new(library: &'a Library) -> Evaluation<'a> {
        Evaluation {
            library,
            visits: Cell::new(0),
            gathered: Cell::new(0),
            tables: RefCell::default(),
        }
    }

    fn visit(&self, value_set: &Value, depth: usize) -> Result<usize, Problem> {
        self.visits.set(self.visits.get() + 1);
        let name = named(value_set);
        if self.visits.get() > MAX_VISITS {
            let text = format!("the value set `{name}` nests too many others");
            return Err(Problem::new(Reason::TooCostly, text));
        }
        depth.checked_sub(1).ok_or_else(|| {
            let text = format!("the value set `{name}` contains itself or nests too deeply");
            Problem::new(Reason::NotSupported, text)
        })
    }

    /// The value set that an include of another names.
    fn value_set<'v>(&self, of: &'v Value, canonical: &str) -> Result<&'v Value, Problem>
    where
        'a: 'v,
    {
        let found = contained(of, canonical);
        let found = found.or_else(|| self.library.value_set(canonical).map(|found| &**found));
        found.ok_or_else(|| {
            let text = format!("expected a value set that is known here but found `{canonical}`");
            Problem::new(Reason::NotFound, text)
        })
    }

    /// The system of an include as it is known here.
    fn system(
        &self,
        system: &str,
        include: &Value,
    ) -> Result<Option<&'a Arc<CodeSystem>>, Problem> {
        let versions = &self.library.versions;
        let canonical = versions.canonical(system, include["version"].as_str());
        let found = self.library.code_system(&canonical);
        if let Some(expected) = versions.check.get(system) {
            let version = found.and_then(|found| found.version.as_deref());
            if !version.is_some_and(|version| is_version(version, expected)) {
                return Err(Problem::new(
                    Reason::Version,
                    format!(
                        "expected the version {expected} of the code system `{system}` but \
                         found {}",
                        version.unwrap_or("none")
                    ),
                ));
            }
        }
        Ok(found)
    }

    fn count(&self, more: usize) -> Result<(), Problem> {
        self.gathered.set(self.gathered.get() + more);
        match self.gathered.get() > MAX_MEMBERS {
            false => Ok(()),
            true => Err(Problem::new(
                Reason::TooCostly,
                format!("the value set draws on more than {MAX_MEMBERS} codes"),
            )),
        }
    }

    /// What the value set, or one that it includes, says of a code that it lists.
    pub fn listing(&self, value_set: &'a Value, system: &str, code: &str) -> Option<&'a Value> {
        let mut seen = BTreeSet::new();
        let mut open = vec![value_set];
        while let Some(next) = open.pop() {
            for include in items(&next["compose"]["include"]) {
                if include["system"] == system {
                    let mut listed = items(&include["concept"]);
                    if let Some(found) = listed.find(|one| one["code"] == code) {
                        return Some(found);
                    }
                }
                for canonical in items(&include["valueSet"]).filter_map(Value::as_str) {
                    if seen.insert(canonical) {
                        open.extend(self.library.value_set(canonical).map(|found| &**found));
                    }
                }
            }
        }
        None
    }

    /// The systems that a value set draws on.
    pub fn systems(&self, value_set: &Value) -> Vec<String> {
        let (mut found, mut seen) = (BTreeSet::new(), BTreeSet::new());
        let mut open = vec![value_set];
        while let Some(next) = open.pop() {
            for include in items(&next["compose"]["include"]) {
                found.extend(include["system"].as_str().map(str::to_owned));
                for canonical in items(&include["valueSet"]).filter_map(Value::as_str) {
                    if seen.insert(canonical) {
                        open.extend(self.library.value_set(canonical).map(|found| &**found));
                    }
                }
            }
            let contains = items(&next["expansion"]["contains"]);
            found.extend(contains.filter_map(|one| one["system"].as_str().map(str::to_owned)));
        }
        found.into_iter().collect()
    }
}

fn filters(system: &CodeSystem, include: &Value) -> Result<Vec<Filter>, Problem> {
    let filters = items(&include["filter"]).map(|filter| Filter::compile(system, filter));
    let filters: Result<Vec<Filter>, String> = filters.collect();
    filters.map_err(|text| Problem::new(Reason::Invalid, text))
}

fn passes(filters: &[Filter], system: &CodeSystem, at: At) -> Result<bool, Problem> {
    for filter in filters {
        let passes = filter.passes(system, at);
        if !passes.map_err(|text| Problem::new(Reason::TooCostly, text))? {
            return Ok(false);
        }
    }
    Ok(true)
}

/// How messages name a value set.
fn named(value_set: &Value) -> &str {
    let name = value_set["url"].as_str().or(value_set["id"].as_str());
    name.unwrap_or("without a url")
}

fn not_known(value_set: &Value, system: &str) -> Problem {
    Problem::new(
        Reason::NotKnown,
        format!(
            "the value set `{}` draws on the code system `{system}`, whose codes are not known \
             here",
            named(value_set)
        ),
    )
}
