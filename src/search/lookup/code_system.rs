//! The concepts of a CodeSystem and what is above and below each.
//! <https://hl7.org/fhir/R4/codesystem.html#hierarchy>
//!
//! A concept is below the one that it is nested in, and below those that its properties
//! `parent` and `subsumedBy` name; `child` says the same from above. Deeper meanings of
//! subsumption (expressions, inferred classification) are not known here.

use crate::search::plan::Direction;
use serde_json::Value;
use std::collections::{BTreeMap, BTreeSet};

/// The concepts of one CodeSystem.
pub struct CodeSystem<'a> {
    /// `content` is `complete`: a code that is not here is none.
    pub is_complete: bool,
    concepts: BTreeMap<&'a str, &'a Value>,
    children: BTreeMap<&'a str, Vec<&'a str>>,
    parents: BTreeMap<&'a str, Vec<&'a str>>,
}

impl<'a> CodeSystem<'a> {
    pub fn of(resource: &'a Value) -> CodeSystem<'a> {
        let mut system = CodeSystem {
            is_complete: resource["content"] == "complete",
            concepts: BTreeMap::new(),
            children: BTreeMap::new(),
            parents: BTreeMap::new(),
        };
        let mut open: Vec<(Option<&str>, &Value)> = items(&resource["concept"])
            .map(|concept| (None, concept))
            .collect();
        while let Some((parent, concept)) = open.pop() {
            let Some(code) = concept["code"].as_str() else {
                continue;
            };
            system.concepts.insert(code, concept);
            if let Some(parent) = parent {
                system.relate(parent, code);
            }
            for property in items(&concept["property"]) {
                match (property["code"].as_str(), property["valueCode"].as_str()) {
                    (Some("parent" | "subsumedBy"), Some(parent)) => system.relate(parent, code),
                    (Some("child"), Some(child)) => system.relate(code, child),
                    _ => {}
                }
            }
            open.extend(items(&concept["concept"]).map(|inner| (Some(code), inner)));
        }
        system
    }

    fn relate(&mut self, parent: &'a str, child: &'a str) {
        self.children.entry(parent).or_default().push(child);
        self.parents.entry(child).or_default().push(parent);
    }

    pub fn codes(&self) -> impl Iterator<Item = &'a str> {
        self.concepts.keys().copied()
    }

    /// The code itself and all that is above or below it.
    pub fn subsumed<'c>(&self, code: &'c str, direction: Direction) -> BTreeSet<&'c str>
    where
        'a: 'c,
    {
        let steps = match direction {
            Direction::Above => &self.parents,
            Direction::Below => &self.children,
        };
        let (mut found, mut open) = (BTreeSet::new(), vec![code]);
        while let Some(next) = open.pop() {
            if found.insert(next) {
                open.extend(steps.get(next).into_iter().flatten());
            }
        }
        found
    }

    /// The codes that pass a filter of a value set; `None` where it is not understood.
    /// <https://hl7.org/fhir/R4/valueset-filter-operator.html>
    pub fn filtered(&self, property: &str, op: &str, value: &str) -> Option<BTreeSet<&'a str>> {
        let below = self.subsumed(value, Direction::Below);
        let of_code = matches!(property, "concept" | "code");
        let keep = |keeps: &dyn Fn(&str) -> bool| self.codes().filter(|code| keeps(code)).collect();
        let listed: Vec<&str> = value.split(',').map(str::trim).collect();
        Some(match op {
            "is-a" if of_code => keep(&|code| below.contains(code)),
            "descendent-of" if of_code => keep(&|code| code != value && below.contains(code)),
            "is-not-a" if of_code => keep(&|code| !below.contains(code)),
            "generalizes" if of_code => {
                let above = self.subsumed(value, Direction::Above);
                keep(&|code| above.contains(code))
            }
            "=" => keep(&|code| self.has(code, property, &[value])),
            "in" => keep(&|code| self.has(code, property, &listed)),
            "not-in" => keep(&|code| !self.has(code, property, &listed)),
            "exists" => {
                let wanted = value == "true";
                keep(&|code| self.values(code, property).is_empty() != wanted)
            }
            _ => return None,
        })
    }

    fn has(&self, code: &str, property: &str, wanted: &[&str]) -> bool {
        let values = self.values(code, property);
        values.iter().any(|value| wanted.contains(&value.as_str()))
    }

    /// What a concept has for a property, those that the specification defines among them.
    fn values(&self, code: &str, property: &str) -> Vec<String> {
        let related = |steps: &BTreeMap<&str, Vec<&str>>| -> Vec<String> {
            let found = steps.get(code).into_iter().flatten();
            found.map(|one| (*one).to_owned()).collect()
        };
        match property {
            "code" | "concept" => return vec![code.to_owned()],
            "parent" => return related(&self.parents),
            "child" => return related(&self.children),
            _ => {}
        }
        let Some(concept) = self.concepts.get(code) else {
            return Vec::new();
        };
        if let ("display", Some(display)) = (property, concept["display"].as_str()) {
            return vec![display.to_owned()];
        }
        let of_property = items(&concept["property"]).filter(|one| one["code"] == property);
        of_property.filter_map(value_text).collect()
    }
}

/// The `value[x]` of a property as a filter writes it.
fn value_text(property: &Value) -> Option<String> {
    let mut members = property.as_object()?.iter();
    let (_, value) = members.find(|(name, _)| name.starts_with("value"))?;
    Some(match value {
        Value::String(text) => text.clone(),
        Value::Object(coding) => coding.get("code")?.as_str()?.to_owned(),
        other => other.to_string(),
    })
}

/// The elements of a list; none of what is no list.
pub fn items(value: &Value) -> impl Iterator<Item = &Value> {
    value.as_array().into_iter().flatten()
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    fn animals() -> Value {
        json!({"content": "complete", "concept": [
            {"code": "animal", "concept": [
                {"code": "dog", "concept": [{"code": "beagle"}]},
                {"code": "cat", "property": [{"code": "purrs", "valueBoolean": true}]}]},
            {"code": "pet"},
            {"code": "hamster", "property": [
                {"code": "parent", "valueCode": "animal"}, {"code": "subsumedBy", "valueCode": "pet"}]},
            {"code": "x", "property": [{"code": "parent", "valueCode": "y"}]},
            {"code": "y", "property": [{"code": "parent", "valueCode": "x"}]}]})
    }

    #[test]
    fn what_is_above_and_below_a_code() {
        let animals = animals();
        let system = CodeSystem::of(&animals);
        for (code, direction, expected) in [
            ("animal", Direction::Below, "animal beagle cat dog hamster"),
            ("dog", Direction::Below, "beagle dog"),
            ("beagle", Direction::Below, "beagle"),
            ("beagle", Direction::Above, "animal beagle dog"),
            ("hamster", Direction::Above, "animal hamster pet"),
            ("pet", Direction::Below, "hamster pet"),
            ("x", Direction::Below, "x y"),
            ("y", Direction::Above, "x y"),
            ("unknown", Direction::Below, "unknown"),
        ] {
            let found: Vec<&str> = system.subsumed(code, direction).into_iter().collect();
            assert_eq!(found.join(" "), expected, "{code} {direction:?}");
        }
    }

    #[test]
    fn filters_of_value_sets() {
        let animals = animals();
        let system = CodeSystem::of(&animals);
        for (property, op, value, expected) in [
            ("concept", "is-a", "dog", Some("beagle dog")),
            ("code", "descendent-of", "dog", Some("beagle")),
            ("concept", "is-not-a", "animal", Some("pet x y")),
            (
                "concept",
                "generalizes",
                "beagle",
                Some("animal beagle dog"),
            ),
            ("concept", "=", "cat", Some("cat")),
            ("concept", "in", "cat, dog", Some("cat dog")),
            ("parent", "=", "animal", Some("cat dog hamster")),
            ("child", "exists", "true", Some("animal dog pet x y")),
            ("purrs", "=", "true", Some("cat")),
            ("purrs", "exists", "true", Some("cat")),
            ("concept", "regex", "c.*", None),
            ("purrs", "is-a", "cat", None),
        ] {
            let found = system.filtered(property, op, value);
            let found = found.map(|codes| codes.into_iter().collect::<Vec<_>>().join(" "));
            assert_eq!(found.as_deref(), expected, "{property} {op} {value}");
        }
    }
}
