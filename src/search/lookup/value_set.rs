//! The codes of a ValueSet, as far as this server can tell them.
//! <https://hl7.org/fhir/R4/valueset.html#compositions>
//!
//! All that the set draws on is read first, then it is expanded without I/O:
//!
//! | part | codes |
//! |---|---|
//! | `concept` | those listed, whether their system is known here or not |
//! | `filter` | those of a complete CodeSystem that pass, see [`CodeSystem::filtered`] |
//! | a system alone | all of a complete CodeSystem, else any code of that system |
//! | `valueSet` | those of each of them |
//!
//! A set that cannot be told from its definition is taken from its `expansion`, where that is
//! whole. Implicit value sets, and systems with a grammar such as SNOMED CT's, are not known
//! here.

use super::code_system::{CodeSystem, items};
use super::stored::Stored;
use super::{MAX_CODES, check_count, not_found, not_supported};
use crate::error::{Category, Error, Result};
use crate::fhir::Id;
use crate::search::params::token::Asked;
use serde_json::Value;
use std::collections::{BTreeSet, HashMap};
use std::sync::Arc;

/// Value sets and code systems that one value set may draw on.
const MAX_PARTS: usize = 500;
/// Deeper nesting of value sets than this is taken for a circle.
const MAX_DEPTH: usize = 32;

/// Codes by system, and systems of which any code counts.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Codes {
    pairs: BTreeSet<(String, String)>,
    whole: BTreeSet<String>,
}

impl Codes {
    fn of_system(system: &str, codes: impl IntoIterator<Item = String>) -> Codes {
        let codes = codes.into_iter().map(|code| (system.to_owned(), code));
        Codes {
            pairs: codes.collect(),
            whole: BTreeSet::new(),
        }
    }

    fn contains(&self, system: &str, code: &str) -> bool {
        let pair = (system.to_owned(), code.to_owned());
        self.whole.contains(system) || self.pairs.contains(&pair)
    }

    fn unite(&mut self, other: Codes) {
        self.pairs.extend(other.pairs);
        self.whole.extend(other.whole);
    }

    fn intersect(self, other: &Codes) -> Codes {
        let in_both = self.pairs.iter().filter(|(s, c)| other.contains(s, c));
        let in_whole = other.pairs.iter().filter(|(s, _)| self.whole.contains(s));
        Codes {
            pairs: in_both.chain(in_whole).cloned().collect(),
            whole: self.whole.intersection(&other.whole).cloned().collect(),
        }
    }

    /// Takes the codes of `other` out. Some codes of a system whose others are not known
    /// cannot be taken out of it: `None`.
    fn without(mut self, other: &Codes) -> Option<Codes> {
        self.whole.retain(|system| !other.whole.contains(system));
        if other.pairs.iter().any(|(s, _)| self.whole.contains(s)) {
            return None;
        }
        self.pairs.retain(|(s, c)| !other.contains(s, c));
        Some(self)
    }

    /// The values that a token has to be one of.
    ///
    /// # Errors
    /// `TooCostly`.
    pub fn asked(&self) -> Result<Vec<Asked>> {
        check_count(self.pairs.len() + self.whole.len(), "codes", MAX_CODES)?;
        let whole = self.whole.iter().cloned().map(Asked::System);
        let pairs = self.pairs.iter().cloned();
        Ok(whole.chain(pairs.map(|(s, c)| Asked::Pair(s, c))).collect())
    }
}

/// The codes of a value set by its canonical, `ValueSet/id` or id.
///
/// # Errors
/// `not-found`, `not-supported`, `TooCostly`.
pub async fn codes(stored: &mut Stored<'_>, name: &str) -> Result<Codes> {
    let id = name.strip_prefix("ValueSet/").unwrap_or(name);
    let found = match Id::is_valid(id) {
        true => stored.by_id("ValueSet", id).await?,
        false => stored.by_canonical("ValueSet", name).await?,
    };
    let value_set = found.ok_or_else(|| not_found("value set", name))?;
    let library = Library::load(stored, value_set.clone()).await?;
    library.expand(&value_set, name, MAX_DEPTH)
}

/// What a value set draws on, by type and canonical; `None` for what is not known here.
#[derive(Default)]
struct Library {
    known: HashMap<(&'static str, String), Option<Arc<Value>>>,
}

impl Library {
    async fn load(stored: &mut Stored<'_>, value_set: Arc<Value>) -> Result<Library> {
        let mut library = Library::default();
        let mut open = vec![value_set];
        while let Some(next) = open.pop() {
            for (type_name, canonical) in parts(&next) {
                let key = (type_name, canonical);
                if library.known.contains_key(&key) {
                    continue;
                }
                if library.known.len() >= MAX_PARTS {
                    return Err(Error::new(
                        Category::TooCostly,
                        format!("a value set draws on more than {MAX_PARTS} others"),
                    ));
                }
                let found = stored.by_canonical(type_name, &key.1).await?;
                if type_name == "ValueSet" {
                    open.extend(found.clone());
                }
                library.known.insert(key, found);
            }
        }
        Ok(library)
    }

    fn find(&self, type_name: &'static str, canonical: &str) -> Option<&Value> {
        let found = self.known.get(&(type_name, canonical.to_owned()))?;
        found.as_deref()
    }

    /// By its definition, else by its expansion.
    fn expand(&self, value_set: &Value, name: &str, depth: usize) -> Result<Codes> {
        if depth == 0 {
            let text = format!("the value set `{name}` contains itself or nests too deeply");
            return Err(not_supported(text));
        }
        let listed = || listed(&value_set["expansion"]);
        if value_set["compose"].is_null() {
            return listed().ok_or_else(|| {
                not_supported(format!(
                    "the value set `{name}` has neither a definition nor a whole expansion"
                ))
            });
        }
        let composed = self.compose(&value_set["compose"], name, depth);
        composed.or_else(|error| listed().ok_or(error))
    }

    fn compose(&self, compose: &Value, name: &str, depth: usize) -> Result<Codes> {
        let mut codes = Codes::default();
        for include in items(&compose["include"]) {
            codes.unite(self.part(include, name, depth)?);
        }
        for exclude in items(&compose["exclude"]) {
            let excluded = self.part(exclude, name, depth)?;
            codes = codes.without(&excluded).ok_or_else(|| {
                not_supported(format!(
                    "the value set `{name}` excludes some codes of a system whose other codes \
                     are not known here"
                ))
            })?;
        }
        Ok(codes)
    }

    /// One `include` or `exclude`: the codes of its system that are also in each of its value
    /// sets.
    fn part(&self, include: &Value, name: &str, depth: usize) -> Result<Codes> {
        let mut codes = match include["system"].as_str() {
            Some(system) => Some(self.of_system(system, include, name)?),
            None => None,
        };
        for canonical in items(&include["valueSet"]).filter_map(Value::as_str) {
            let other = self.find("ValueSet", canonical);
            let other = other.ok_or_else(|| not_found("value set", canonical))?;
            let other = self.expand(other, canonical, depth - 1)?;
            codes = Some(match codes {
                Some(codes) => codes.intersect(&other),
                None => other,
            });
        }
        Ok(codes.unwrap_or_default())
    }

    fn of_system(&self, system: &str, include: &Value, name: &str) -> Result<Codes> {
        if include["concept"].is_array() {
            let listed = items(&include["concept"]).filter_map(|c| c["code"].as_str());
            return Ok(Codes::of_system(system, listed.map(str::to_owned)));
        }
        let resource = self.find("CodeSystem", &canonical_of(system, include));
        let concepts = resource
            .map(CodeSystem::of)
            .filter(|concepts| concepts.is_complete);
        let mut filters = items(&include["filter"]).peekable();
        let Some(concepts) = concepts else {
            if filters.peek().is_some() {
                return Err(not_supported(format!(
                    "the value set `{name}` filters the code system `{system}`, whose codes \
                     are not known here"
                )));
            }
            return Ok(Codes {
                pairs: BTreeSet::new(),
                whole: BTreeSet::from([system.to_owned()]),
            });
        };
        let mut codes: BTreeSet<&str> = concepts.codes().collect();
        for filter in filters {
            let part = |member: &str| filter[member].as_str().unwrap_or_default();
            let (property, op) = (part("property"), part("op"));
            let passing = concepts.filtered(property, op, part("value"));
            let passing = passing.ok_or_else(|| {
                not_supported(format!(
                    "the value set `{name}` has a filter `{property} {op}` that is not supported"
                ))
            })?;
            codes.retain(|code| passing.contains(code));
        }
        Ok(Codes::of_system(
            system,
            codes.into_iter().map(str::to_owned),
        ))
    }
}

fn canonical_of(system: &str, include: &Value) -> String {
    match include["version"].as_str() {
        Some(version) => format!("{system}|{version}"),
        None => system.to_owned(),
    }
}

/// The value sets and code systems that a value set needs to be expanded.
fn parts(value_set: &Value) -> Vec<(&'static str, String)> {
    let compose = &value_set["compose"];
    let mut parts = Vec::new();
    for include in items(&compose["include"]).chain(items(&compose["exclude"])) {
        if let Some(system) = include["system"].as_str()
            && !include["concept"].is_array()
        {
            parts.push(("CodeSystem", canonical_of(system, include)));
        }
        let imported = items(&include["valueSet"]).filter_map(Value::as_str);
        parts.extend(imported.map(|canonical| ("ValueSet", canonical.to_owned())));
    }
    parts
}

/// The codes of an expansion, unless it is a page of a longer one.
fn listed(expansion: &Value) -> Option<Codes> {
    let contains = expansion["contains"].as_array()?;
    let mut codes = Codes::default();
    let mut count = 0_u64;
    let mut open: Vec<&Value> = contains.iter().collect();
    while let Some(next) = open.pop() {
        count += 1;
        open.extend(items(&next["contains"]));
        let is_code = next["abstract"] != true;
        if let (Some(system), Some(code), true) =
            (next["system"].as_str(), next["code"].as_str(), is_code)
        {
            codes.pairs.insert((system.to_owned(), code.to_owned()));
        }
    }
    let total = expansion["total"].as_u64().unwrap_or_default();
    (total <= count).then_some(codes)
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    fn library() -> Library {
        let system = |content: &str| {
            json!({"content": content, "concept": [
            {"code": "a", "concept": [{"code": "b"}]}, {"code": "c"}]})
        };
        let known = [
            ("CodeSystem", "http://s", system("complete")),
            ("CodeSystem", "http://part", system("fragment")),
            (
                "ValueSet",
                "http://v",
                json!({"compose": {"include": [{"system": "http://s", "concept": [{"code": "c"}]},
                    {"system": "http://part", "concept": [{"code": "z"}]}]}}),
            ),
            (
                "ValueSet",
                "http://circle",
                json!({"compose": {"include": [{"valueSet": ["http://circle"]}]}}),
            ),
        ];
        let known = known.map(|(kind, url, json)| ((kind, url.to_owned()), Some(Arc::new(json))));
        Library {
            known: HashMap::from(known),
        }
    }

    fn told(value_set: &Value) -> Result<String> {
        let codes = library().expand(value_set, "http://x", MAX_DEPTH)?;
        let whole = codes.whole.iter().map(|system| format!("{system}|"));
        let pairs = codes.pairs.iter().map(|(s, c)| format!("{s}|{c}"));
        let all: Vec<String> = whole.chain(pairs).collect();
        Ok(all.join(" ").replace("http://", ""))
    }

    #[test]
    fn compositions() {
        let is_a = json!([{"property": "concept", "op": "is-a", "value": "a"}]);
        for (compose, expected) in [
            (json!({"include": [{"system": "http://s"}]}), "s|a s|b s|c"),
            (
                json!({"include": [{"system": "http://s", "filter": is_a}]}),
                "s|a s|b",
            ),
            (json!({"include": [{"system": "http://part"}]}), "part|"),
            (
                json!({"include": [{"system": "http://nowhere"}]}),
                "nowhere|",
            ),
            (
                json!({"include": [{"valueSet": ["http://v"]}]}),
                "part|z s|c",
            ),
            (
                json!({"include": [{"system": "http://part", "valueSet": ["http://v"]}]}),
                "part|z",
            ),
            (
                json!({"include": [{"system": "http://s"}], "exclude": [{"valueSet": ["http://v"]}]}),
                "s|a s|b",
            ),
            (
                json!({"include": [{"valueSet": ["http://v"]}], "exclude": [{"system": "http://part"}]}),
                "s|c",
            ),
        ] {
            let found = told(&json!({"compose": compose})).expect("expands");
            assert_eq!(found, expected, "{compose}");
        }
    }

    #[test]
    fn what_cannot_be_told_is_refused() {
        let filter = json!([{"property": "concept", "op": "is-a", "value": "a"}]);
        let expansion = json!({"total": 1, "contains": [{"system": "http://e", "code": "1"}]});
        let page = json!({"total": 9, "contains": [{"system": "http://e", "code": "1"}]});
        let of_part = json!({"include": [{"system": "http://part", "filter": filter}]});
        for (value_set, expected) in [
            (json!({"compose": of_part}), Err("not known here")),
            (
                json!({"compose": of_part, "expansion": expansion}),
                Ok("e|1"),
            ),
            (
                json!({"compose": of_part, "expansion": page}),
                Err("not known here"),
            ),
            (json!({"expansion": expansion}), Ok("e|1")),
            (json!({"expansion": page}), Err("whole expansion")),
            (json!({}), Err("neither")),
            (
                json!({"compose": {"include": [{"valueSet": ["http://gone"]}]}}),
                Err("http://gone"),
            ),
            (
                json!({"compose": {"include": [{"valueSet": ["http://circle"]}]}}),
                Err("contains itself"),
            ),
            (
                json!({"compose": {"include": [{"system": "http://part"}], "exclude": [
                    {"system": "http://part", "concept": [{"code": "z"}]}]}}),
                Err("excludes"),
            ),
        ] {
            match (told(&value_set), expected) {
                (Ok(found), Ok(expected)) => assert_eq!(found, expected, "{value_set}"),
                (Err(error), Err(says)) => {
                    assert!(error.to_string().contains(says), "{value_set}: {error}");
                }
                (found, _) => panic!("{value_set}: {found:?}"),
            }
        }
    }
}
