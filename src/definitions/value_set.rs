//! The codes of a ValueSet, where the packages themselves hold all of them.
//!
//! <https://hl7.org/fhir/R4/valueset.html#compositions>. Required bindings need the whole set:
//! a value set that draws on a system whose content lies elsewhere (LOINC, UCUM, MIME types),
//! or that filters by what is not the hierarchy, is not enumerable and gives `None`, never a
//! part. Texts, paging and the other matters of `$expand` are not done here.

use std::collections::{BTreeMap, BTreeSet, HashMap, HashSet};

use serde_json::Value;

use super::structure::items;

/// Deeper nesting of value sets or concepts than this is taken for a circle.
const DEPTH_LIMIT: usize = 32;

/// All codes of a value set, by system.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct CodeSet {
    systems: BTreeMap<String, BTreeSet<String>>,
}

impl CodeSet {
    /// True when the set holds this code of this system.
    pub fn contains(&self, system: &str, code: &str) -> bool {
        self.systems
            .get(system)
            .is_some_and(|codes| codes.contains(code))
    }

    /// True when the set holds this code of any system: what a `code` element must meet, since
    /// it states no system.
    pub fn contains_code(&self, code: &str) -> bool {
        self.systems.values().any(|codes| codes.contains(code))
    }

    /// The system of all codes, when there is only one.
    pub fn single_system(&self) -> Option<&str> {
        let mut systems = self.systems.keys();
        match (systems.next(), systems.next()) {
            (Some(system), None) => Some(system),
            _ => None,
        }
    }

    /// (system, code), ordered.
    pub fn iter(&self) -> impl Iterator<Item = (&str, &str)> {
        self.systems.iter().flat_map(|(system, codes)| {
            codes
                .iter()
                .map(move |code| (system.as_str(), code.as_str()))
        })
    }

    /// The set of these pairs of system and code.
    pub fn of(pairs: impl IntoIterator<Item = (String, String)>) -> CodeSet {
        let mut set = CodeSet::default();
        for (system, code) in pairs {
            set.systems.entry(system).or_default().insert(code);
        }
        set
    }

    pub fn len(&self) -> usize {
        self.systems.values().map(BTreeSet::len).sum()
    }

    pub fn is_empty(&self) -> bool {
        self.len() == 0
    }

    fn add(&mut self, system: &str, codes: impl IntoIterator<Item = String>) {
        let mut codes = codes.into_iter().peekable();
        if codes.peek().is_some() {
            self.systems
                .entry(system.to_owned())
                .or_default()
                .extend(codes);
        }
    }

    fn unite(&mut self, other: CodeSet) {
        for (system, codes) in other.systems {
            self.add(&system, codes);
        }
    }

    fn keep(&mut self, kept: impl Fn(&str, &str) -> bool) {
        for (system, codes) in &mut self.systems {
            codes.retain(|code| kept(system, code));
        }
        self.systems.retain(|_, codes| !codes.is_empty());
    }
}

/// Where the expansion finds the artifacts that a value set names: the canonical of a ValueSet
/// or CodeSystem to its JSON.
pub(super) type Lookup<'a> = &'a dyn Fn(&str, &str) -> Option<std::sync::Arc<Value>>;

/// All codes of this value set; `None` when they cannot be enumerated from what `lookup` finds.
pub(super) fn expand(value_set: &Value, lookup: Lookup<'_>) -> Option<CodeSet> {
    expand_within(value_set, lookup, DEPTH_LIMIT)
}

fn expand_within(value_set: &Value, lookup: Lookup<'_>, depth: usize) -> Option<CodeSet> {
    let depth = depth.checked_sub(1)?;
    let compose = &value_set["compose"];
    if compose.is_null() {
        return listed_expansion(&value_set["expansion"]);
    }
    let mut set = CodeSet::default();
    for include in items(&compose["include"]) {
        set.unite(part(include, lookup, depth)?);
    }
    for exclude in items(&compose["exclude"]) {
        let excluded = part(exclude, lookup, depth)?;
        set.keep(|system, code| !excluded.contains(system, code));
    }
    Some(set)
}

/// A value set without a definition may still bear its whole expansion.
fn listed_expansion(expansion: &Value) -> Option<CodeSet> {
    let contains = expansion["contains"].as_array()?;
    let is_page = expansion["total"]
        .as_u64()
        .is_some_and(|total| total > contains.len() as u64);
    let mut set = CodeSet::default();
    for item in contains {
        let is_flat = item.get("contains").is_none();
        let (system, code) = (item["system"].as_str()?, item["code"].as_str()?);
        if is_page || !is_flat {
            return None;
        }
        set.add(system, [code.to_owned()]);
    }
    Some(set)
}

/// One `include` or `exclude`: the codes of its system that are also in each of its value sets.
fn part(include: &Value, lookup: Lookup<'_>, depth: usize) -> Option<CodeSet> {
    let mut part: Option<CodeSet> = None;
    if let Some(system) = include["system"].as_str() {
        let mut set = CodeSet::default();
        set.add(system, codes_of_system(system, include, lookup)?);
        part = Some(set);
    }
    for canonical in items(&include["valueSet"]) {
        let other = expand_within(&*lookup("ValueSet", canonical.as_str()?)?, lookup, depth)?;
        part = Some(match part {
            None => other,
            Some(mut set) => {
                set.keep(|system, code| other.contains(system, code));
                set
            }
        });
    }
    part
}

fn codes_of_system(system: &str, include: &Value, lookup: Lookup<'_>) -> Option<BTreeSet<String>> {
    if let Some(concepts) = include["concept"].as_array() {
        return concepts
            .iter()
            .map(|c| c["code"].as_str().map(str::to_owned))
            .collect();
    }
    let canonical = match include["version"].as_str() {
        Some(version) => format!("{system}|{version}"),
        None => system.to_owned(),
    };
    let code_system = lookup("CodeSystem", &canonical)?;
    if code_system["content"] != "complete" {
        return None;
    }
    let hierarchy = Hierarchy::of(&code_system)?;
    let mut codes: BTreeSet<String> = hierarchy.children.keys().map(|c| (*c).to_owned()).collect();
    for filter in items(&include["filter"]) {
        let value = filter["value"].as_str()?;
        let below = hierarchy.below(value);
        match (filter["property"].as_str()?, filter["op"].as_str()?) {
            ("concept" | "code", "is-a") => {
                codes.retain(|c| c == value || below.contains(c.as_str()))
            }
            ("concept" | "code", "descendent-of") => codes.retain(|c| below.contains(c.as_str())),
            ("concept" | "code", "is-not-a") => {
                codes.retain(|c| c != value && !below.contains(c.as_str()))
            }
            _ => return None,
        }
    }
    Some(codes)
}

/// The codes of a code system and what lies directly below each: nested concepts, and the
/// `parent` and `child` properties by which a concept may have several parents.
#[derive(Default)]
struct Hierarchy<'a> {
    children: HashMap<&'a str, Vec<&'a str>>,
}

impl<'a> Hierarchy<'a> {
    fn of(code_system: &'a Value) -> Option<Hierarchy<'a>> {
        let mut hierarchy = Hierarchy::default();
        hierarchy.add(&code_system["concept"], None, DEPTH_LIMIT)?;
        Some(hierarchy)
    }

    fn add(&mut self, concepts: &'a Value, parent: Option<&'a str>, depth: usize) -> Option<()> {
        let depth = depth.checked_sub(1)?;
        for concept in items(concepts) {
            let code = concept["code"].as_str()?;
            self.children.entry(code).or_default();
            if let Some(parent) = parent {
                self.children.entry(parent).or_default().push(code);
            }
            for property in items(&concept["property"]) {
                let other = property["valueCode"].as_str();
                match (property["code"].as_str(), other) {
                    (Some("child"), Some(child)) => {
                        self.children.entry(code).or_default().push(child)
                    }
                    (Some("parent"), Some(parent)) => {
                        self.children.entry(parent).or_default().push(code)
                    }
                    _ => {}
                }
            }
            self.add(&concept["concept"], Some(code), depth)?;
        }
        Some(())
    }

    /// Everything below a code, itself not counted unless the hierarchy is a circle.
    fn below(&self, code: &str) -> HashSet<&'a str> {
        let mut below = HashSet::new();
        let mut open: Vec<&str> = self.children.get(code).cloned().unwrap_or_default();
        while let Some(next) = open.pop() {
            if let Some((known, children)) = self.children.get_key_value(next)
                && below.insert(*known)
            {
                open.extend(children);
            }
        }
        below
    }
}

/// The systems that a value set draws on, whether their codes are known here or not; `None`
/// when one of its parts is not found.
pub(super) fn systems(value_set: &Value, lookup: Lookup<'_>) -> Option<BTreeSet<String>> {
    systems_within(value_set, lookup, DEPTH_LIMIT)
}

fn systems_within(value_set: &Value, lookup: Lookup<'_>, depth: usize) -> Option<BTreeSet<String>> {
    let depth = depth.checked_sub(1)?;
    let mut found = BTreeSet::new();
    for include in items(&value_set["compose"]["include"]) {
        match include["system"].as_str() {
            Some(system) => {
                found.insert(system.to_owned());
            }
            None => {
                for canonical in items(&include["valueSet"]) {
                    let other = lookup("ValueSet", canonical.as_str()?)?;
                    found.extend(systems_within(&other, lookup, depth)?);
                }
            }
        }
    }
    Some(found)
}

#[cfg(test)]
mod tests {
    use std::sync::Arc;

    use serde_json::json;

    use super::*;

    fn lookup(_: &str, canonical: &str) -> Option<Arc<Value>> {
        let found = match canonical {
            "http://s" => json!({"content": "complete", "concept": [
                {"code": "a", "concept": [{"code": "b", "concept": [{"code": "c"}]}]},
                {"code": "d", "property": [{"code": "parent", "valueCode": "b"}]}, {"code": "e"}]}),
            "http://elsewhere" => json!({"content": "not-present"}),
            "http://v" => json!({"compose": {"include": [
                {"system": "http://s", "concept": [{"code": "a"}, {"code": "e"}]}]}}),
            "http://circle" => json!({"compose": {"include": [{"valueSet": ["http://circle"]}]}}),
            _ => return None,
        };
        Some(Arc::new(found))
    }

    #[test]
    fn compositions() {
        let is_a = |op: &str| json!([{"property": "concept", "op": op, "value": "b"}]);
        let cases = [
            (json!({"include": [{"system": "http://s"}]}), Some("abcde")),
            (
                json!({"include": [{"system": "http://s", "filter": is_a("is-a")}]}),
                Some("bcd"),
            ),
            (
                json!({"include": [{"system": "http://s", "filter": is_a("descendent-of")}]}),
                Some("cd"),
            ),
            (
                json!({"include": [{"system": "http://s", "filter": is_a("is-not-a")}]}),
                Some("ae"),
            ),
            (
                json!({"include": [{"system": "http://s", "filter": is_a("regex")}]}),
                None,
            ),
            (
                json!({"include": [{"system": "http://s", "valueSet": ["http://v"]}]}),
                Some("ae"),
            ),
            (
                json!({"include": [{"system": "http://s"}], "exclude": [{"valueSet": ["http://v"]}]}),
                Some("bcd"),
            ),
            (json!({"include": [{"system": "http://elsewhere"}]}), None),
            (json!({"include": [{"system": "http://nowhere"}]}), None),
            (
                json!({"include": [{"system": "http://nowhere", "concept": [{"code": "z"}]}]}),
                Some("z"),
            ),
            (json!({"include": [{"valueSet": ["http://circle"]}]}), None),
        ];
        for (compose, codes) in cases {
            let set = expand(&json!({"compose": compose}), &lookup);
            let found = set.map(|s| s.iter().map(|(_, code)| code).collect::<String>());
            assert_eq!(found.as_deref(), codes, "{compose}");
        }
    }

    #[test]
    fn membership_and_single_system() {
        let set = expand(&lookup("ValueSet", "http://v").expect("known"), &lookup).expect("listed");
        assert!(set.contains("http://s", "a") && !set.contains("http://t", "a"));
        assert!(set.contains_code("e") && !set.contains_code("b"));
        assert_eq!(set.single_system(), Some("http://s"));
        assert_eq!(set.len(), 2);
    }
}
