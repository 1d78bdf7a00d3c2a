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
//! A set that cannot be told from its definition is taken from its `expansion`, where that is
//! whole. Implicit value sets are not known here.

use super::code_system::{At, CodeSystem, Concept, is_pattern, is_version, items};
use super::filter::Filter;
use super::library::contained;
use super::{Library, Membership, Problem, Reason};
use serde_json::Value;
use std::cell::Cell;
use std::collections::{BTreeMap, BTreeSet, HashMap};
use std::sync::Arc;

/// Deeper nesting of value sets than this is taken for a circle.
const MAX_DEPTH: usize = 32;
/// Value sets that one evaluation visits, counted each time: nested ones may name each other
/// twice at every level.
const MAX_VISITS: usize = 5_000;
/// Members that one evaluation may gather.
const MAX_MEMBERS: usize = 2_000_000;

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

    fn has(&self, system: &str, version: Option<&str>, code: &str) -> bool {
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

    fn keep(&mut self, keeps: impl Fn(&Member) -> bool) {
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

/// Evaluates value sets over what a library has.
#[derive(Debug)]
pub struct Evaluation<'a> {
    library: &'a Library,
    visits: Cell<usize>,
    gathered: Cell<usize>,
}

impl<'a> Evaluation<'a> {
    pub fn new(library: &'a Library) -> Evaluation<'a> {
        Evaluation {
            library,
            visits: Cell::new(0),
            gathered: Cell::new(0),
        }
    }

    /// All codes of a value set, as far as they are known here.
    ///
    /// # Errors
    /// Any [`Problem`].
    pub fn members(&self, value_set: &Value) -> Result<Members, Problem> {
        self.members_within(value_set, MAX_DEPTH)
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
            // A code is excluded in whatever version it was included.
            for member in &mut excluded.list {
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

    /// The codes of an expansion, unless it is a page of a longer one.
    fn listed(&self, expansion: &Value) -> Option<Members> {
        let (members, is_whole) = self.expanded(expansion)?;
        is_whole.then_some(members)
    }

    /// The codes of an expansion, and whether they are all.
    fn expanded(&self, expansion: &Value) -> Option<(Members, bool)> {
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

    /// Whether a code is in a value set. `version`: that of the coding, which has to be the
    /// one that the set means where both name one.
    ///
    /// # Errors
    /// `NotFound`, `NotSupported`, `Invalid`, `TooCostly`: what is not known makes an answer,
    /// not an error.
    pub fn membership(
        &self,
        value_set: &Value,
        system: &str,
        version: Option<&str>,
        code: &str,
    ) -> Result<Membership, Problem> {
        let asked = Asked {
            system,
            version,
            code,
        };
        self.holds(value_set, asked, MAX_DEPTH)
    }

    fn holds(
        &self,
        value_set: &Value,
        asked: Asked<'_>,
        depth: usize,
    ) -> Result<Membership, Problem> {
        let depth = self.visit(value_set, depth)?;
        let compose = &value_set["compose"];
        let in_expansion = || {
            let (members, is_whole) = self.expanded(&value_set["expansion"])?;
            let has = members.has(asked.system, asked.version, asked.code);
            Some(match has || is_whole {
                true => Membership::from(has),
                false => Membership::Unknown,
            })
        };
        if compose.is_null() {
            return Ok(in_expansion().unwrap_or(Membership::Unknown));
        }
        let mut found = Membership::No;
        for include in items(&compose["include"]) {
            found = found.or(self.part_holds(value_set, include, asked, depth)?);
        }
        for exclude in items(&compose["exclude"]) {
            found = found.and(!self.part_holds(value_set, exclude, asked, depth)?);
        }
        if compose["inactive"] == false
            && found == Membership::Yes
            && self.is_inactive(compose, asked)
        {
            found = Membership::No;
        }
        match found {
            Membership::Unknown => Ok(in_expansion().unwrap_or(Membership::Unknown)),
            found => Ok(found),
        }
    }

    fn is_inactive(&self, compose: &Value, asked: Asked<'_>) -> bool {
        let mut includes = items(&compose["include"]).filter(|one| one["system"] == asked.system);
        includes.any(|include| {
            let found = self.system(asked.system, include).ok().flatten();
            found.is_some_and(|found| {
                let at = found.find(asked.code);
                at.is_some_and(|at| found.is_inactive(at))
            })
        })
    }

    fn part_holds(
        &self,
        value_set: &Value,
        include: &Value,
        asked: Asked<'_>,
        depth: usize,
    ) -> Result<Membership, Problem> {
        let mut found = match include["system"].as_str() {
            Some(system) if system == asked.system => self.system_holds(include, asked)?,
            Some(_) => return Ok(Membership::No),
            None => Membership::Yes,
        };
        let mut imported = items(&include["valueSet"])
            .filter_map(Value::as_str)
            .peekable();
        if include["system"].is_null() && imported.peek().is_none() {
            return Ok(Membership::No);
        }
        for canonical in imported {
            found = found.and(self.holds(self.value_set(value_set, canonical)?, asked, depth)?);
        }
        Ok(found)
    }

    fn system_holds(&self, include: &Value, asked: Asked<'_>) -> Result<Membership, Problem> {
        let found = self.system(asked.system, include)?;
        let meant = found
            .and_then(|found| found.version.as_deref())
            .or(include["version"].as_str());
        // Of several versions that an include allows, the newest stands for all.
        let named = include["version"].as_str();
        let allows = |version: &str| {
            named.is_some_and(|named| is_pattern(named) && is_version(version, named))
        };
        if let (Some(asked), Some(meant)) = (asked.version, meant)
            && !allows(asked)
            && !is_version(meant, asked)
        {
            return Ok(Membership::No);
        }
        let at = found.and_then(|found| found.find(asked.code));
        if at.is_none() && found.is_some_and(|found| found.is_complete) {
            return Ok(Membership::No);
        }
        if include["concept"].is_array() {
            let same = |code: &str| match found {
                Some(found) => found.same(code, asked.code),
                None => code == asked.code,
            };
            let mut codes = items(&include["concept"]).filter_map(|one| one["code"].as_str());
            return Ok(codes.any(same).into());
        }
        let (Some(found), Some(at)) = (found, at) else {
            return Ok(Membership::Unknown);
        };
        if !found.is_complete {
            // What is above or below a concept may lie in the part that is not here.
            let is_filtered = items(&include["filter"]).next().is_some();
            return Ok(match is_filtered {
                true => Membership::Unknown,
                false => Membership::Yes,
            });
        }
        Ok(passes(&filters(found, include)?, found, at)?.into())
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

/// The code that is asked for.
#[derive(Clone, Copy)]
struct Asked<'q> {
    system: &'q str,
    version: Option<&'q str>,
    code: &'q str,
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

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    fn library() -> Library {
        let system = |content: &str| {
            json!({"content": content, "concept": [
            {"code": "a", "concept": [{"code": "b"}]}, {"code": "c"}]})
        };
        let mut library = Library::default();
        for (url, content) in [("http://s", "complete"), ("http://part", "fragment")] {
            let system = Arc::new(CodeSystem::of(&system(content)));
            library.add_code_system(url.to_owned(), Some(system));
        }
        for (url, value_set) in [
            (
                "http://v",
                json!({"compose": {"include": [{"system": "http://s", "concept": [{"code": "c"}]},
                    {"system": "http://part", "concept": [{"code": "z"}]}]}}),
            ),
            (
                "http://circle",
                json!({"compose": {"include": [{"valueSet": ["http://circle"]}]}}),
            ),
            (
                "http://twice",
                json!({"compose": {"include": [{"valueSet": ["http://v"]},
                    {"valueSet": ["http://twice", "http://twice"]}]}}),
            ),
        ] {
            library.add_value_set(url.to_owned(), Some(Arc::new(value_set)));
        }
        library
    }

    fn told(value_set: &Value) -> Result<String, Problem> {
        let library = library();
        let members = Evaluation::new(&library).members(value_set)?;
        let whole = members.whole.keys().map(|system| format!("{system}|"));
        let pairs = members
            .list()
            .iter()
            .map(|m| format!("{}|{}", m.system, m.code));
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
                "s|c part|z",
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
            (
                json!({"include": [{"system": "http://s", "concept": [{"code": "b"}, {"code": "gone"}]}]}),
                "s|b",
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
        let import = |url: &str| json!({"compose": {"include": [{"valueSet": [url]}]}});
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
            (import("http://gone"), Err("http://gone")),
            (import("http://circle"), Err("contains itself")),
            (import("http://twice"), Err("contains itself")),
            (
                json!({"compose": {"include": [{"system": "http://part"}], "exclude": [
                    {"system": "http://part", "concept": [{"code": "z"}]}]}}),
                Err("excludes"),
            ),
        ] {
            match (told(&value_set), expected) {
                (Ok(found), Ok(expected)) => assert_eq!(found, expected, "{value_set}"),
                (Err(problem), Err(says)) => {
                    assert!(problem.text.contains(says), "{value_set}: {problem}");
                }
                (found, _) => panic!("{value_set}: {found:?}"),
            }
        }
    }

    #[test]
    fn membership_has_three_answers() {
        use Membership::{No, Unknown, Yes};
        let library = library();
        let is_a = |op: &str| json!([{"property": "concept", "op": op, "value": "a"}]);
        for (compose, system, code, expected) in [
            (json!({"include": [{"system": "http://s"}]}), "s", "b", Yes),
            (json!({"include": [{"system": "http://s"}]}), "s", "x", No),
            (
                json!({"include": [{"system": "http://s"}]}),
                "other",
                "b",
                No,
            ),
            (
                json!({"include": [{"system": "http://part"}]}),
                "part",
                "a",
                Yes,
            ),
            (
                json!({"include": [{"system": "http://part"}]}),
                "part",
                "x",
                Unknown,
            ),
            (
                json!({"include": [{"system": "http://gone"}]}),
                "gone",
                "x",
                Unknown,
            ),
            (
                json!({"include": [{"system": "http://gone", "concept": [{"code": "x"}]}]}),
                "gone",
                "x",
                Yes,
            ),
            (
                json!({"include": [{"system": "http://gone", "concept": [{"code": "x"}]}]}),
                "gone",
                "y",
                No,
            ),
            (
                json!({"include": [{"system": "http://s", "filter": is_a("is-a")}]}),
                "s",
                "b",
                Yes,
            ),
            (
                json!({"include": [{"system": "http://s", "filter": is_a("is-a")}]}),
                "s",
                "c",
                No,
            ),
            (
                json!({"include": [{"system": "http://part", "filter": is_a("is-a")}]}),
                "part",
                "a",
                Unknown,
            ),
            (
                json!({"include": [{"system": "http://gone", "valueSet": ["http://v"]}]}),
                "gone",
                "x",
                No,
            ),
            (
                json!({"include": [{"system": "http://s"}], "exclude": [{"valueSet": ["http://v"]}]}),
                "s",
                "c",
                No,
            ),
            (
                json!({"include": [{"system": "http://s"}], "exclude": [{"valueSet": ["http://v"]}]}),
                "s",
                "a",
                Yes,
            ),
            (
                json!({"include": [{"system": "http://gone"}],
                    "exclude": [{"system": "http://gone", "concept": [{"code": "x"}]}]}),
                "gone",
                "x",
                No,
            ),
            (json!({"include": [{}]}), "s", "a", No),
        ] {
            let value_set = json!({"compose": compose});
            let system = format!("http://{system}");
            let found = Evaluation::new(&library).membership(&value_set, &system, None, code);
            assert_eq!(found, Ok(expected), "{compose} {system} {code}");
        }
    }
}
