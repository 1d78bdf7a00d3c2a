//! The types that an evaluation walks: a graph of [`TypeInfo`]s, linked when first needed.
//!
//! A node of an evaluation carries a plain reference to its type, and a step from a type to
//! the type of a member is one lookup by name and one pointer: no lock, no hash, no copy.
//! Model of types: <https://hl7.org/fhir/R4/fhirpath.html#types>.

use crate::definitions::{Definitions, Field, TypeInfo, TypeKind};
use crate::fhir::ResourceType;
use std::collections::HashMap;
use std::sync::{Arc, OnceLock, PoisonError, RwLock};

/// All types, by key; shared by every evaluation.
#[derive(Debug)]
pub struct Model {
    definitions: Arc<Definitions>,
    resources: Vec<OnceLock<Option<Arc<Type>>>>,
    others: RwLock<HashMap<String, Arc<Type>>>,
}

/// A type or a backbone element.
#[derive(Debug)]
pub struct Type {
    /// `Patient`, `Quantity`, `string`, `Patient.contact`.
    pub key: String,
    pub kind: TypeKind,
    /// The type's own name and those that it derives from: `Age`, `Quantity`, `Element`.
    lineage: Vec<String>,
    /// Sorted by name.
    members: Vec<Member>,
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
        Model {
            definitions,
            resources: ResourceType::all().map(|_| OnceLock::new()).collect(),
            others: RwLock::default(),
        }
    }

    pub fn definitions(&self) -> &Definitions {
        &self.definitions
    }

    /// The type of a resource; `None` when the definitions lack it.
    pub fn resource(&self, resource_type: ResourceType) -> Option<&Type> {
        let index = usize::try_from(resource_type.number() - 1).unwrap_or_default();
        let link = self.resources.get(index)?;
        link.get_or_init(|| self.load(resource_type.name()))
            .as_deref()
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
        Type {
            key: info.key.clone(),
            kind: info.kind,
            lineage,
            members,
        }
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
