//! What fields a thing has, derived from the definitions: the one table that checking, running
//! and introspection read. <https://hl7.org/fhir/R4/graphql.html#fields>
//!
//! ```text
//! an object     its members in JSON, `_birthDate` beside `birthDate`
//! a resource    resourceType; [Type]List, [Type]Connection: what refers to it
//! a Reference   resource
//! the system    [Type], [Type]List, [Type]Connection; in mutations [Type]Create, …
//! ```
//!
//! `List` is a resource type too: a name is first looked for as one.

use crate::definitions::TypeKind;
use crate::fhir::ResourceType;
use crate::fhirpath::{Choice, Model, Type};

/// How a search answers.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Style {
    List,
    Connection,
}

/// A field of the system.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum RootField {
    Read(ResourceType),
    Search(ResourceType, Style),
}

/// A field of a mutation.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Change {
    Create(ResourceType),
    Update(ResourceType),
    Delete(ResourceType),
}

/// A field of an object.
#[derive(Clone, Copy, Debug)]
pub enum Member<'m> {
    ResourceType,
    /// A primitive.
    Leaf(&'m Choice),
    /// What stands beside a primitive: id and extensions.
    Companion(&'m Choice, &'m Type),
    Element(&'m Choice, &'m Type),
    /// A whole resource: `contained`, `Bundle.entry.resource`.
    Inner(&'m Choice),
    /// What a Reference points at.
    Resolve,
    /// What refers to the resource.
    Search(ResourceType, Style),
}

pub fn root_field(name: &str) -> Option<RootField> {
    match ResourceType::parse(name) {
        Some(resource_type) => Some(RootField::Read(resource_type)),
        None => search(name).map(|(of, style)| RootField::Search(of, style)),
    }
}

pub fn change(name: &str) -> Option<Change> {
    let of = |suffix| ResourceType::parse(name.strip_suffix(suffix)?);
    of("Create")
        .map(Change::Create)
        .or_else(|| of("Update").map(Change::Update))
        .or_else(|| of("Delete").map(Change::Delete))
}

fn search(name: &str) -> Option<(ResourceType, Style)> {
    let of = |suffix| ResourceType::parse(name.strip_suffix(suffix)?);
    let list = of("List").map(|of| (of, Style::List));
    list.or_else(|| of("Connection").map(|of| (of, Style::Connection)))
}

/// The field of an object of this type.
pub fn member<'m>(model: &'m Model, of: &'m Type, name: &str) -> Option<Member<'m>> {
    if let Some(choice) = of.choice(name) {
        let field = &choice.field;
        return Some(match field.is_primitive {
            _ if field.is_resource => Member::Inner(choice),
            true => Member::Leaf(choice),
            false => Member::Element(choice, choice.value_type(model)?),
        });
    }
    if let Some(choice) = name.strip_prefix('_').and_then(|name| of.choice(name)) {
        let is_companion = choice.field.is_primitive;
        return is_companion
            .then(|| choice.value_type(model))
            .flatten()
            .map(|value_type| Member::Companion(choice, value_type));
    }
    match (of.kind, name) {
        (TypeKind::Resource, "resourceType") => Some(Member::ResourceType),
        (TypeKind::Resource, _) => search(name).map(|(of, style)| Member::Search(of, style)),
        (_, "resource") if of.key == "Reference" => Some(Member::Resolve),
        _ => None,
    }
}

/// The name of a type in GraphQL: `PatientContact` of `Patient.contact`.
pub fn type_name(key: &str) -> String {
    let mut name = String::with_capacity(key.len());
    for part in key.split('.') {
        let mut letters = part.chars();
        match letters.next() {
            Some(first) if !name.is_empty() => name.extend(first.to_uppercase()),
            first => name.extend(first),
        }
        name.push_str(letters.as_str());
    }
    name
}

/// Whether a fragment on that type is about things of this one.
pub fn is_on(of: &Type, condition: &str) -> bool {
    match of.key.contains('.') {
        true => type_name(&of.key) == condition || of.is(condition),
        false => of.is(condition),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::definitions::Definitions;
    use std::collections::HashMap;

    #[test]
    fn names_are_told_apart() {
        let name = |field| match field {
            Some(RootField::Read(of)) => format!("read {of}"),
            Some(RootField::Search(of, style)) => format!("{style:?} {of}"),
            None => "none".to_owned(),
        };
        for (field, expected) in [
            ("Patient", "read Patient"),
            ("PatientList", "List Patient"),
            ("PatientConnection", "Connection Patient"),
            ("List", "read List"),
            ("ListList", "List List"),
            ("Connection", "none"),
            ("patient", "none"),
        ] {
            assert_eq!(name(root_field(field)), expected, "{field}");
        }
    }

    /// No two keys may share a name, or a fragment would be on both.
    #[test]
    fn names_of_types_are_unique() {
        let definitions = Definitions::r4();
        let mut seen: HashMap<String, String> = HashMap::new();
        let mut open: Vec<String> = definitions.resource_types().to_vec();
        while let Some(key) = open.pop() {
            if seen
                .insert(type_name(&key), key.clone())
                .is_some_and(|old| old != key)
            {
                panic!("{key} is not alone");
            }
            let info = definitions.type_info(&key).expect("a type");
            let keys = info.fields.values().map(|field| field.type_key.clone());
            open.extend(keys.filter(|key| !seen.contains_key(&type_name(key))));
        }
        assert_eq!(type_name("Patient.contact"), "PatientContact");
    }
}
