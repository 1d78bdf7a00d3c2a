//! What may stand in a JSON object of a given FHIR type: the table by which instances are
//! walked. JSON representation: <https://hl7.org/fhir/R4/json.html>.
//!
//! A [`TypeInfo`] describes a type (`Patient`, `Quantity`, `string`) or a backbone element
//! (`Patient.contact`) by the JSON names of its members. The choice `deceased[x]` appears as
//! its members `deceasedBoolean` and `deceasedDateTime`; an element with a contentReference
//! has the type key of the element that it repeats. The companion `_birthDate` of a
//! primitive is not listed: it is known by its underscore.

use indexmap::IndexMap;

use super::structure::{Binding, Derivation, Element, Max, Structure, StructureKind, upper_first};

#[derive(Debug, Clone, PartialEq, Eq)]
pub struct TypeInfo {
    /// The key by which [`Definitions::type_info`](super::Definitions::type_info) knows this
    /// type: the name of a type, or the path of a backbone element.
    pub key: String,
    pub kind: TypeKind,
    /// By JSON name, in the order of the definition. `resourceType` is not among them.
    pub fields: IndexMap<String, Field>,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum TypeKind {
    Resource,
    /// `HumanName`, `Quantity`.
    Complex,
    /// An element with members of its own, `Patient.contact`.
    Backbone,
    /// `string`; its fields are those of the companion object, `id` and `extension`.
    Primitive,
}

/// One member of a JSON object.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Field {
    /// The element's path in the definition, `Patient.deceased[x]`.
    pub path: String,
    /// The element's name without `[x]`, as FHIRPath says it: `deceased`.
    pub name: String,
    /// True for a member of a choice such as `deceased[x]`.
    pub is_choice: bool,
    /// The FHIR type: `code`, `Quantity`, `Reference`, `BackboneElement`, `Resource`.
    pub type_code: String,
    /// The key of the [`TypeInfo`] of the value. For `Resource` it is `Resource`, and the
    /// value's own `resourceType` says more.
    pub type_key: String,
    pub is_primitive: bool,
    /// True when the JSON is an array.
    pub is_array: bool,
    pub min: u32,
    pub max: Max,
    /// True for a Reference, which the search index and reference rewriting look for.
    pub is_reference: bool,
    /// True where a whole resource stands: `contained`, `Bundle.entry.resource`.
    pub is_resource: bool,
    /// The resource types that a Reference or canonical may point at; empty for any.
    pub target_types: Vec<String>,
    pub binding: Option<Binding>,
    pub is_modifier: bool,
    pub is_summary: bool,
    pub max_length: Option<u32>,
}

impl TypeInfo {
    /// The member with this JSON name, `valueQuantity`.
    pub fn field(&self, json_name: &str) -> Option<&Field> {
        self.fields.get(json_name)
    }

    /// The members of an element by its FHIRPath name: one, or all of a choice. With each
    /// its JSON name.
    pub fn fields_of<'a>(&'a self, name: &'a str) -> impl Iterator<Item = (&'a str, &'a Field)> {
        self.fields
            .iter()
            .filter(move |(_, field)| field.name == name)
            .map(|(json_name, field)| (json_name.as_str(), field))
    }

    /// Compiles the type with this key from the definition of the type that it belongs to.
    /// `None` when the definition has no such element.
    pub(super) fn compile(structure: &Structure, key: &str) -> Option<TypeInfo> {
        let element = structure.elements.iter().find(|e| e.path == key)?;
        let is_root = key == structure.type_name;
        let kind = match structure.kind {
            _ if !is_root => TypeKind::Backbone,
            StructureKind::Resource | StructureKind::Logical => TypeKind::Resource,
            StructureKind::ComplexType => TypeKind::Complex,
            StructureKind::PrimitiveType => TypeKind::Primitive,
        };
        let mut fields = IndexMap::new();
        for child in structure.elements.iter().filter(|e| is_child(e, element)) {
            let is_value = kind == TypeKind::Primitive && child.name() == "value";
            let is_prohibited = child.max == Max::Count(0);
            if child.slice_name.is_none() && !is_value && !is_prohibited {
                fields.extend(members(structure, child));
            }
        }
        (is_root || !fields.is_empty()).then(|| TypeInfo {
            key: key.to_owned(),
            kind,
            fields,
        })
    }
}

fn is_child(element: &Element, parent: &Element) -> bool {
    element
        .path
        .strip_prefix(parent.path.as_str())
        .and_then(|rest| rest.strip_prefix('.'))
        .is_some_and(|name| !name.contains('.'))
}

/// The JSON names of an element, with what each holds.
fn members(structure: &Structure, element: &Element) -> Vec<(String, Field)> {
    let name = element.name();
    if let Some(target) = &element.content_reference {
        let field = field(element, name, "BackboneElement", target.clone(), Vec::new());
        return vec![(name.to_owned(), field)];
    }
    let choice = name.strip_suffix("[x]");
    let members = element.types.iter().map(|t| {
        let code = match element.base_path.as_str() {
            // R4 says string of every id; the id of a resource is an id, as its own schema has it.
            "Resource.id" => "id",
            _ => t.code.as_str(),
        };
        let json_name = match choice {
            Some(choice) => format!("{choice}{}", upper_first(code)),
            None => name.to_owned(),
        };
        let has_own_members = structure.elements.iter().any(|e| is_child(e, element));
        let key = match has_own_members && structure.derivation == Derivation::Specialization {
            true => element.path.clone(),
            false => code.to_owned(),
        };
        let mut targets: Vec<String> = t.target_types().map(str::to_owned).collect();
        if targets.iter().any(|t| t == "Resource") {
            targets.clear();
        }
        (
            json_name,
            field(element, choice.unwrap_or(name), code, key, targets),
        )
    });
    members.collect()
}

fn field(element: &Element, name: &str, code: &str, key: String, targets: Vec<String>) -> Field {
    Field {
        path: element.path.clone(),
        name: name.to_owned(),
        is_choice: element.path.ends_with("[x]"),
        type_code: code.to_owned(),
        type_key: key,
        is_primitive: code.starts_with(|c: char| c.is_ascii_lowercase()),
        is_array: element.max.is_many(),
        min: element.min,
        max: element.max,
        is_reference: code == "Reference",
        is_resource: matches!(code, "Resource" | "DomainResource"),
        target_types: targets,
        binding: element.binding.clone(),
        is_modifier: element.is_modifier,
        is_summary: element.is_summary,
        max_length: element.max_length,
    }
}
