//! A CodeSystem: its concepts, what is above and below each, what they are called and which
//! properties they have. <https://hl7.org/fhir/R4/codesystem.html>
//!
//! A concept is below the one that it is nested in, and below those that its properties
//! `parent` and `subsumedBy` name; `child` says the same from above. Deeper meanings of
//! subsumption (expressions, inferred classification) are not known here.

use super::tables::Table;
use serde_json::Value;
use std::borrow::Cow;
use std::collections::{BTreeSet, HashMap, HashSet};

/// A concept by its place in its system: the order of the resource.
pub type At = usize;

/// One concept, without those that are nested in it.
#[derive(Clone, Debug, Default)]
pub struct Concept {
    pub code: String,
    pub display: Option<String>,
    pub definition: Option<String>,
    /// `CodeSystem.concept.designation`, as it is.
    pub designations: Vec<Value>,
    /// `CodeSystem.concept.property`, as it is.
    pub properties: Vec<Value>,
    /// What it is nested in.
    pub nested_in: Option<At>,
    /// No longer in use.
    pub is_inactive: bool,
    /// Not to be chosen by a user: it only groups others.
    pub is_abstract: bool,
}

/// The concepts of one CodeSystem.
#[derive(Clone, Debug, Default)]
pub struct CodeSystem {
    pub url: String,
    pub version: Option<String>,
    pub name: Option<String>,
    pub language: Option<String>,
    /// `content` is `complete`: a code that is not here is none.
    pub is_complete: bool,
    /// `content` is `fragment`: the author has more codes than are here.
    pub is_fragment: bool,
    /// `content` is `supplement`: it tells more of another system, and has no codes itself.
    pub is_supplement: bool,
    /// Only what a question needs was read of a system that is in tables: a code that is not
    /// here was not asked for, or does not exist.
    pub is_excerpt: bool,
    /// Codes that differ in case are different, unless the resource says that they are not.
    pub is_case_sensitive: bool,
    pub concepts: Vec<Concept>,
    by_code: HashMap<String, At>,
    children: HashMap<String, Vec<String>>,
    parents: HashMap<String, Vec<String>>,
}

impl CodeSystem {
    pub fn of(resource: &Value) -> CodeSystem {
        let text = |name: &str| resource[name].as_str().map(str::to_owned);
        let mut system = CodeSystem {
            url: text("url").unwrap_or_default(),
            version: text("version"),
            name: text("name"),
            language: text("language"),
            is_complete: resource["content"] == "complete",
            is_fragment: resource["content"] == "fragment",
            is_supplement: resource["content"] == "supplement",
            is_case_sensitive: resource["caseSensitive"] != false,
            ..CodeSystem::default()
        };
        let flags = Flags {
            not_selectable: property_named(resource, "notSelectable"),
            inactive: property_named(resource, "inactive"),
        };
        // From the last to the first, so that they come off the stack in their order.
        let mut open: Vec<(Option<At>, &Value)> = items(&resource["concept"])
            .map(|concept| (None, concept))
            .collect();
        open.reverse();
        while let Some((nested_in, concept)) = open.pop() {
            if let Some(at) = system.add(concept, nested_in, &flags) {
                let inner = items(&concept["concept"]).map(|inner| (Some(at), inner));
                let mut inner: Vec<_> = inner.collect();
                inner.reverse();
                open.extend(inner);
            }
        }
        system.settle();
        system
    }

    /// The system of a table, without concepts yet.
    pub(super) fn excerpt_of(table: &Table) -> CodeSystem {
        CodeSystem {
            url: table.url.clone(),
            version: table.version.clone(),
            name: Some(table.name.clone()),
            language: table.language.clone(),
            is_complete: table.content == "complete",
            is_fragment: table.content == "fragment",
            is_excerpt: true,
            is_case_sensitive: table.is_case_sensitive,
            ..CodeSystem::default()
        }
    }

    fn add(&mut self, concept: &Value, nested_in: Option<At>, flags: &Flags) -> Option<At> {
        let code = concept["code"].as_str()?;
        if let Some(parent) = nested_in {
            let parent = self.concepts[parent].code.clone();
            self.relate(&parent, code);
        }
        for property in items(&concept["property"]) {
            match (property["code"].as_str(), property["valueCode"].as_str()) {
                (Some("parent" | "subsumedBy"), Some(parent)) => self.relate(parent, code),
                (Some("child"), Some(child)) => self.relate(code, child),
                _ => {}
            }
        }
        let text = |name: &str| concept[name].as_str().map(str::to_owned);
        let mut concept = Concept {
            code: code.to_owned(),
            display: text("display"),
            definition: text("definition"),
            designations: items(&concept["designation"]).cloned().collect(),
            properties: items(&concept["property"]).cloned().collect(),
            nested_in,
            ..Concept::default()
        };
        flags.mark(&mut concept);
        Some(self.push(concept))
    }

    /// Adds a concept behind the others.
    pub(super) fn push(&mut self, concept: Concept) -> At {
        let at = self.concepts.len();
        self.by_code
            .entry(self.key(&concept.code).into_owned())
            .or_insert(at);
        self.concepts.push(concept);
        at
    }

    /// Says once more what is above what; in the end each is to be said once.
    pub(super) fn relate(&mut self, parent: &str, child: &str) {
        let add = |lists: &mut HashMap<String, Vec<String>>, of: &str, code: &str| {
            lists
                .entry(of.to_owned())
                .or_default()
                .push(code.to_owned());
        };
        add(&mut self.children, parent, child);
        add(&mut self.parents, child, parent);
    }

    /// Each relation once, where it was said first.
    fn settle(&mut self) {
        for list in self.children.values_mut().chain(self.parents.values_mut()) {
            let mut seen = HashSet::with_capacity(list.len());
            list.retain(|code| seen.insert(code.clone()));
        }
    }

    fn key<'c>(&self, code: &'c str) -> Cow<'c, str> {
        match self.is_case_sensitive {
            true => Cow::Borrowed(code),
            false => Cow::Owned(code.to_lowercase()),
        }
    }

    /// The concept of that code, in any case where the system does not care.
    pub fn find(&self, code: &str) -> Option<At> {
        self.by_code.get(self.key(code).as_ref()).copied()
    }

    pub fn concept(&self, code: &str) -> Option<&Concept> {
        self.find(code).map(|at| &self.concepts[at])
    }

    /// Whether two codes are the same here.
    pub fn same(&self, left: &str, right: &str) -> bool {
        self.key(left) == self.key(right)
    }

    /// Whether a resource is a supplement of this version.
    pub fn is_supplemented_by(&self, supplement: &Value) -> bool {
        match supplement["supplements"].as_str() {
            Some(canonical) => canonical == self.url || canonical == self.canonical(),
            None => false,
        }
    }

    /// The system with the designations and properties that a supplement adds.
    /// <https://hl7.org/fhir/R4/codesystem.html#supplements>
    pub fn supplemented(&self, supplement: &Value) -> CodeSystem {
        let mut system = self.clone();
        let mut open: Vec<&Value> = items(&supplement["concept"]).collect();
        while let Some(more) = open.pop() {
            open.extend(items(&more["concept"]));
            let at = more["code"].as_str().and_then(|code| system.find(code));
            if let Some(concept) = at.and_then(|at| system.concepts.get_mut(at)) {
                let designations = items(&more["designation"]).cloned();
                concept.designations.extend(designations);
                concept.properties.extend(items(&more["property"]).cloned());
            }
        }
        system
    }

    /// Its canonical, with the version where it has one.
    pub fn canonical(&self) -> String {
        match &self.version {
            Some(version) => format!("{}|{version}", self.url),
            None => self.url.clone(),
        }
    }

    /// The codes directly above.
    pub fn parents(&self, code: &str) -> &[String] {
        self.parents.get(code).map_or(&[], Vec::as_slice)
    }

    /// The codes directly below.
    pub fn children(&self, code: &str) -> &[String] {
        self.children.get(code).map_or(&[], Vec::as_slice)
    }

    /// The code itself and all that is above it. Circles end.
    pub fn above(&self, code: &str) -> BTreeSet<String> {
        closure(&self.parents, self.spelled(code))
    }

    /// The code itself and all that is below it. Circles end.
    pub fn below(&self, code: &str) -> BTreeSet<String> {
        closure(&self.children, self.spelled(code))
    }

    /// The code as the system writes it.
    fn spelled<'c>(&'c self, code: &'c str) -> &'c str {
        self.concept(code).map_or(code, |concept| &concept.code)
    }

    pub fn is_abstract(&self, at: At) -> bool {
        self.concepts[at].is_abstract
    }

    pub fn is_inactive(&self, at: At) -> bool {
        self.concepts[at].is_inactive
    }

    /// What a concept has for a property, those that the specification defines among them.
    pub fn values(&self, at: At, property: &str) -> Vec<String> {
        let concept = &self.concepts[at];
        match property {
            "code" | "concept" => vec![concept.code.clone()],
            "parent" => self.parents(&concept.code).to_vec(),
            "child" => self.children(&concept.code).to_vec(),
            "display" => concept.display.clone().into_iter().collect(),
            "definition" => concept.definition.clone().into_iter().collect(),
            _ => values_of(concept, property).collect(),
        }
    }

    /// The texts that name a concept: its display, then its designations.
    pub fn names<'c>(&'c self, concept: &'c Concept) -> impl Iterator<Item = Name<'c>> {
        let display = concept.display.as_deref().map(|value| Name {
            language: self.language.as_deref(),
            value,
        });
        display.into_iter().chain(names(&concept.designations))
    }
}

/// Codes of the properties that mean "not to be chosen" and "not in use", by what they are
/// named in one system.
struct Flags {
    not_selectable: Vec<String>,
    inactive: Vec<String>,
}

impl Flags {
    /// A concept is not in use by its property `inactive` or a `status` that says so.
    fn mark(&self, concept: &mut Concept) {
        let holds = |names: &[String]| {
            let mut names = names.iter();
            names.any(|name| values_of(concept, name).any(|value| value == "true"))
        };
        let ended = |value: String| matches!(value.as_str(), "retired" | "inactive");
        let is_abstract = holds(&self.not_selectable);
        let is_inactive = holds(&self.inactive) || values_of(concept, "status").any(ended);
        (concept.is_abstract, concept.is_inactive) = (is_abstract, is_inactive);
    }
}

/// A text that names a concept, and its language where that is told.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Name<'a> {
    pub language: Option<&'a str>,
    pub value: &'a str,
}

/// The texts of designations.
pub fn names(designations: &[Value]) -> impl Iterator<Item = Name<'_>> {
    designations.iter().filter_map(|one| {
        Some(Name {
            language: one["language"].as_str(),
            value: one["value"].as_str()?,
        })
    })
}

fn closure(steps: &HashMap<String, Vec<String>>, start: &str) -> BTreeSet<String> {
    let (mut found, mut open) = (BTreeSet::new(), vec![start]);
    while let Some(next) = open.pop() {
        if found.insert(next.to_owned()) {
            open.extend(steps.get(next).into_iter().flatten().map(String::as_str));
        }
    }
    found
}

/// The codes by which a system calls a property of HL7's; its own name always counts.
fn property_named(resource: &Value, name: &str) -> Vec<String> {
    let uri = format!("http://hl7.org/fhir/concept-properties#{name}");
    let of_uri = items(&resource["property"]).filter(|one| one["uri"] == uri.as_str());
    let named: Vec<String> = of_uri
        .filter_map(|one| one["code"].as_str().map(str::to_owned))
        .collect();
    match named.is_empty() {
        true => vec![name.to_owned()],
        false => named,
    }
}

fn values_of<'c>(concept: &'c Concept, property: &'c str) -> impl Iterator<Item = String> + 'c {
    let of_property = concept.properties.iter();
    of_property
        .filter(move |one| one["code"] == property)
        .filter_map(value_text)
}

/// The `value[x]` of a property as a filter writes it.
fn value_text(property: &Value) -> Option<String> {
    let (_, value) = value_of(property)?;
    Some(match value {
        Value::String(text) => text.clone(),
        Value::Object(coding) => coding.get("code")?.as_str()?.to_owned(),
        other => other.to_string(),
    })
}

/// The `value[x]` member of an element, with its name.
pub fn value_of(element: &Value) -> Option<(&str, &Value)> {
    let mut members = element.as_object()?.iter();
    let (name, value) = members.find(|(name, _)| name.starts_with("value"))?;
    Some((name, value))
}

/// The elements of a list; none of what is no list.
pub fn items(value: &Value) -> impl Iterator<Item = &Value> {
    value.as_array().into_iter().flatten()
}

#[cfg(test)]
pub(super) mod tests {
    use super::*;
    use serde_json::json;

    pub fn animals() -> Value {
        json!({"url": "http://animals", "content": "complete", "concept": [
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
        let system = CodeSystem::of(&animals());
        let below = |code: &str| Vec::from_iter(system.below(code)).join(" ");
        let above = |code: &str| Vec::from_iter(system.above(code)).join(" ");
        for (code, expected) in [
            ("animal", "animal beagle cat dog hamster"),
            ("dog", "beagle dog"),
            ("beagle", "beagle"),
            ("pet", "hamster pet"),
            ("x", "x y"),
            ("unknown", "unknown"),
        ] {
            assert_eq!(below(code), expected, "{code}");
        }
        for (code, expected) in [
            ("beagle", "animal beagle dog"),
            ("hamster", "animal hamster pet"),
            ("y", "x y"),
        ] {
            assert_eq!(above(code), expected, "{code}");
        }
    }

    #[test]
    fn concepts_keep_their_order_and_their_case() {
        let system = CodeSystem::of(&animals());
        let codes: Vec<&str> = system.concepts.iter().map(|c| c.code.as_str()).collect();
        assert_eq!(codes.join(" "), "animal dog beagle cat pet hamster x y");
        assert!(system.find("Dog").is_none());
        let mut any_case = animals();
        any_case["caseSensitive"] = json!(false);
        let system = CodeSystem::of(&any_case);
        assert_eq!(system.concept("DOG").map(|c| c.code.as_str()), Some("dog"));
        assert_eq!(Vec::from_iter(system.below("DOG")).join(" "), "beagle dog");
    }
}
