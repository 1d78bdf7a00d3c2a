//! The types that an evaluation walks: a graph of [`TypeInfo`]s, linked when first needed.
//!
//! A node of an evaluation carries a plain reference to its type, and a step from a type to
//! the type of a member is one lookup by name and one pointer: no lock, no hash, no copy.
//! Model of types: <https://hl7.org/fhir/R4/fhirpath.html#types>.

use crate::definitions::{Definitions, Field, TypeInfo, TypeKind};
use crate::fhir::ResourceType;
use fancy_regex::{Regex, RegexBuilder};
use std::collections::{HashMap, HashSet};
use std::sync::{Arc, OnceLock, PoisonError, RwLock};

/// FHIRPath's own types. A primitive of FHIR has a value of one of them.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum System {
    Boolean,
    String,
    Integer,
    Decimal,
    Date,
    DateTime,
    Time,
    Quantity,
}

impl System {
    const ALL: [System; 8] = [
        System::Boolean,
        System::String,
        System::Integer,
        System::Decimal,
        System::Date,
        System::DateTime,
        System::Time,
        System::Quantity,
    ];

    pub fn name(self) -> &'static str {
        match self {
            System::Boolean => "Boolean",
            System::String => "String",
            System::Integer => "Integer",
            System::Decimal => "Decimal",
            System::Date => "Date",
            System::DateTime => "DateTime",
            System::Time => "Time",
            System::Quantity => "Quantity",
        }
    }

    pub fn parse(name: &str) -> Option<System> {
        System::ALL.into_iter().find(|system| system.name() == name)
    }

    /// What the value of a type of FHIR is: that of its first ancestor that is known.
    fn of(lineage: &[String], kind: TypeKind) -> Option<System> {
        let of_name = |name: &String| {
            Some(match name.as_str() {
                "boolean" => System::Boolean,
                "integer" => System::Integer,
                "decimal" => System::Decimal,
                "date" => System::Date,
                "dateTime" | "instant" => System::DateTime,
                "time" => System::Time,
                "Quantity" => System::Quantity,
                _ => return None,
            })
        };
        let other = (kind == TypeKind::Primitive).then_some(System::String);
        lineage.iter().find_map(of_name).or(other)
    }
}

/// How many regular expressions are kept, and how large each may become, in bytes.
const MOST_REGEXES: usize = 500;
const LARGEST_REGEX: usize = 1 << 20;
const LONGEST_REGEX: usize = 10_000;
/// Steps that a match may take which needs to go back.
const MOST_BACKTRACKING: usize = 200_000;

/// All types, by key; shared by every evaluation.
#[derive(Debug)]
pub struct Model {
    definitions: Arc<Definitions>,
    /// The names of all types, those of packages included.
    names: HashSet<String>,
    regexes: RwLock<HashMap<String, Arc<Regex>>>,
    resources: Vec<OnceLock<Option<Arc<Type>>>>,
    others: RwLock<HashMap<String, Arc<Type>>>,
}

/// A type or a backbone element.
#[derive(Debug)]
pub struct Type {
    /// `Patient`, `Quantity`, `string`, `Patient.contact`.
    pub key: String,
    pub kind: TypeKind,
    /// What its value is in FHIRPath; `None` where it has none.
    pub system: Option<System>,
    /// The type's own name and those that it derives from: `Age`, `Quantity`, `Element`.
    lineage: Vec<String>,
    /// Sorted by name.
    members: Vec<Member>,
    /// Member and choice, sorted by the name in JSON.
    by_json_name: Vec<(u16, u16)>,
}

/// An element by its name in FHIRPath, with one choice for each name that it has in JSON.
#[derive(Debug)]
pub struct Member {
    pub name: String,
    pub choices: Vec<Choice>,
}

/// A name in JSON, and the type of what it holds.
#[derive(Debug)]
pub struct Choice {
    /// `valueQuantity`
    pub json_name: String,
    /// `_birthDate`, where the value is primitive.
    pub companion: Option<String>,
    /// The key of the type that has this element: `HumanName` of `family`.
    pub owner: String,
    pub field: Field,
    link: OnceLock<Option<Arc<Type>>>,
}

impl Model {
    /// A model over these definitions; nothing is read yet.
    pub fn new(definitions: Arc<Definitions>) -> Model {
        let types = definitions.artifacts("StructureDefinition");
        let types = types.filter(|artifact| artifact.derivation != "constraint");
        Model {
            names: types.map(|artifact| artifact.type_name.clone()).collect(),
            definitions,
            regexes: RwLock::default(),
            resources: ResourceType::all().map(|_| OnceLock::new()).collect(),
            others: RwLock::default(),
        }
    }

    pub fn definitions(&self) -> &Definitions {
        &self.definitions
    }

    /// Whether a type has this name, with its namespace or without.
    pub fn has_type(&self, name: &str) -> bool {
        match name.strip_prefix("System.") {
            Some(name) => System::parse(name).is_some() || name == "Any",
            None => self.names.contains(name) || System::parse(name).is_some(),
        }
    }

    /// The type of that name; `None` where the definitions lack it.
    pub fn find(&self, name: &str) -> Option<Arc<Type>> {
        self.names.contains(name).then(|| self.load(name)).flatten()
    }

    /// The type of a resource; `None` when the definitions lack it.
    pub fn resource(&self, resource_type: ResourceType) -> Option<&Type> {
        let index = usize::try_from(resource_type.number() - 1).unwrap_or_default();
        let link = self.resources.get(index)?;
        link.get_or_init(|| self.load(resource_type.name()))
            .as_deref()
    }

    /// A regular expression, compiled once.
    ///
    /// # Errors
    /// What is wrong with it.
    pub fn regex(&self, pattern: &str) -> Result<Arc<Regex>, String> {
        let known = self.regexes.read().unwrap_or_else(PoisonError::into_inner);
        if let Some(found) = known.get(pattern) {
            return Ok(found.clone());
        }
        drop(known);
        if pattern.len() > LONGEST_REGEX {
            return Err(format!("one of more than {LONGEST_REGEX} bytes"));
        }
        let mut builder = RegexBuilder::new(pattern);
        builder.backtrack_limit(MOST_BACKTRACKING);
        builder.delegate_size_limit(LARGEST_REGEX);
        builder.delegate_dfa_size_limit(LARGEST_REGEX);
        let built = Arc::new(builder.build().map_err(|error| error.to_string())?);
        let mut known = self.regexes.write().unwrap_or_else(PoisonError::into_inner);
        // Texts may make patterns: what was kept is dropped before it grows without end.
        if known.len() >= MOST_REGEXES {
            known.clear();
        }
        Ok(known.entry(pattern.to_owned()).or_insert(built).clone())
    }

    /// Finds or builds a type; types link to each other lazily, so this never recurses.
    fn load(&self, key: &str) -> Option<Arc<Type>> {
        let known = self.others.read().unwrap_or_else(PoisonError::into_inner);
        if let Some(found) = known.get(key) {
            return Some(found.clone());
        }
        drop(known);
        let info = self.definitions.type_info(key)?;
        let built = Arc::new(Type::build(&info, self.lineage(key)));
        let mut known = self.others.write().unwrap_or_else(PoisonError::into_inner);
        Some(known.entry(key.to_owned()).or_insert(built).clone())
    }

    fn lineage(&self, key: &str) -> Vec<String> {
        if key.contains('.') {
            return vec!["BackboneElement".to_owned(), "Element".to_owned()];
        }
        let mut names = vec![key.to_owned()];
        let mut structure = self.definitions.structure(key);
        while let Some(base) = structure.and_then(|s| s.base.clone()) {
            let name = base.rsplit('/').next().unwrap_or_default().to_owned();
            if name.is_empty() || names.contains(&name) {
                break;
            }
            structure = self.definitions.structure(&base);
            names.push(name);
        }
        names
    }
}

impl Type {
    fn build(info: &TypeInfo, lineage: Vec<String>) -> Type {
        let mut members: Vec<Member> = Vec::new();
        for (json_name, field) in &info.fields {
            let choice = Choice {
                json_name: json_name.clone(),
                companion: field.is_primitive.then(|| format!("_{json_name}")),
                owner: info.key.clone(),
                field: field.clone(),
                link: OnceLock::new(),
            };
            match members.iter_mut().find(|member| member.name == field.name) {
                Some(member) => member.choices.push(choice),
                None => members.push(Member {
                    name: field.name.clone(),
                    choices: vec![choice],
                }),
            }
        }
        members.sort_by(|a, b| a.name.cmp(&b.name));
        let numbered = members.iter().enumerate();
        let mut by_json_name: Vec<(u16, u16)> = numbered
            .flat_map(|(at, member)| (0..member.choices.len()).map(move |n| (at as u16, n as u16)))
            .collect();
        let json_name = |at: &(u16, u16)| &members[at.0 as usize].choices[at.1 as usize].json_name;
        by_json_name.sort_by(|a, b| json_name(a).cmp(json_name(b)));
        Type {
            key: info.key.clone(),
            kind: info.kind,
            system: System::of(&lineage, info.kind),
            lineage,
            members,
            by_json_name,
        }
    }

    /// Every name in JSON, by the names of the elements.
    pub fn choices(&self) -> impl Iterator<Item = &Choice> {
        self.members.iter().flat_map(|member| &member.choices)
    }

    /// The choice of that name in JSON.
    pub fn choice(&self, json_name: &str) -> Option<&Choice> {
        let choice = |at: &(u16, u16)| &self.members[at.0 as usize].choices[at.1 as usize];
        let found = self
            .by_json_name
            .binary_search_by(|at| choice(at).json_name.as_str().cmp(json_name));
        found.ok().map(|at| choice(&self.by_json_name[at]))
    }

    /// The element of that FHIRPath name.
    pub fn member(&self, name: &str) -> Option<&Member> {
        let at = self
            .members
            .binary_search_by(|member| member.name.as_str().cmp(name))
            .ok()?;
        self.members.get(at)
    }

    /// Whether this is the named type or derives from it. `System` types, whose names differ
    /// from FHIR's in the first letter only, count as the same.
    pub fn is(&self, name: &str) -> bool {
        self.lineage.iter().any(|own| {
            own == name || (self.kind == TypeKind::Primitive && own.eq_ignore_ascii_case(name))
        })
    }

    /// The name without what it derives from: `BackboneElement` of `Patient.contact`.
    pub fn name(&self) -> &str {
        self.lineage.first().map_or(&self.key, |name| name)
    }
}

impl Choice {
    /// The type of the value. `None` where a whole resource stands, whose type is in itself,
    /// and where the definitions lack the type.
    pub fn value_type<'a>(&'a self, model: &'a Model) -> Option<&'a Type> {
        if self.field.is_resource {
            return None;
        }
        let link = self.link.get_or_init(|| model.load(&self.field.type_key));
        link.as_deref()
    }
}
