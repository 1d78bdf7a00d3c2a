//! JSON Schema generated from the definitions: one small schema per type.
//!
//! `Patient`, `Patient.contact` and `HumanName` each become a schema of their own; where one
//! refers to another it says `fhirType`, a keyword of ours (see `keywords`). So a data type is
//! compiled once and shared by all resources, recursion needs no `$ref`, and a type that no
//! resource uses is never compiled. <https://json-schema.org/draft/2020-12>,
//! <https://hl7.org/fhir/R4/json.html>. Not done here: the wording of problems (`issues`).

use std::collections::BTreeSet;
use std::sync::Arc;

use serde_json::{Map, Value, json};

use super::primitive::Primitive;
use crate::definitions::{CodeSet, Definitions, Field, Max, Strength, TypeInfo, TypeKind};

/// The key of what stands beside a primitive value, under the name with an underscore.
pub(super) const COMPANION: &str = "Element";

/// The schema of one type.
pub(super) fn schema(definitions: &Definitions, info: &TypeInfo) -> Value {
    let mut properties = Map::new();
    let mut required = Vec::new();
    if info.kind == TypeKind::Resource {
        properties.insert("resourceType".to_owned(), json!({ "const": info.key }));
        required.push("resourceType");
    }
    for (name, field) in &info.fields {
        properties.insert(name.clone(), property(definitions, field));
        if has_companion(info, name, field) {
            properties.insert(format!("_{name}"), companion(field));
        }
        // A primitive may be present by its extension only: the keyword `fhirElement` knows.
        if field.min > 0 && !field.is_choice && !field.is_primitive {
            required.push(name);
        }
    }
    json!({
        "type": "object",
        "minProperties": 1,
        "properties": properties,
        "required": required,
        "additionalProperties": false,
        "fhirElement": info.key,
    })
}

/// True where `_name` may stand beside `name`: everywhere but at the ids of elements and the
/// urls of extensions, which are no FHIR primitives.
pub(super) fn has_companion(info: &TypeInfo, name: &str, field: &Field) -> bool {
    let is_attribute = match name {
        "id" => info.kind != TypeKind::Resource,
        "url" => info.key == "Extension",
        _ => false,
    };
    field.is_primitive && !is_attribute && field.type_code != "xhtml"
}

/// The codes that a `code` may have, where its binding is required and they can be listed.
pub(super) fn codes(definitions: &Definitions, field: &Field) -> Option<Arc<CodeSet>> {
    let binding = field
        .binding
        .as_ref()
        .filter(|binding| binding.strength == Strength::Required && field.type_code == "code")?;
    let codes = definitions.value_set_codes(&binding.value_set)?;
    (!codes.is_empty()).then_some(codes)
}

fn property(definitions: &Definitions, field: &Field) -> Value {
    let item = if field.is_resource {
        json!({ "fhirResource": is_contained(field) })
    } else if field.is_primitive {
        primitive(definitions, field)
    } else {
        json!({ "fhirType": field.type_key })
    };
    array(field, item)
}

pub(super) fn is_contained(field: &Field) -> bool {
    field.name == "contained"
}

/// One value, or an array of at least one where the element repeats.
fn array(field: &Field, item: Value) -> Value {
    if !field.is_array {
        return item;
    }
    let mut array = json!({ "type": "array", "items": item, "minItems": field.min.max(1) });
    if let Max::Count(most) = field.max {
        array["maxItems"] = most.into();
    }
    array
}

fn primitive(definitions: &Definitions, field: &Field) -> Value {
    let rule = Primitive::of(&field.type_code);
    let Some(format) = rule.format() else {
        let mut schema = Map::new();
        let kind = if rule.is_number() {
            "number"
        } else {
            "boolean"
        };
        schema.insert("type".to_owned(), kinds(field, kind));
        if rule != Primitive::Decimal && rule.is_number() {
            schema.insert("fhirInteger".to_owned(), field.type_code.as_str().into());
        }
        return Value::Object(schema);
    };
    match codes(definitions, field) {
        Some(codes) => {
            let distinct: BTreeSet<&str> = codes.iter().map(|(_, code)| code).collect();
            let mut allowed: Vec<Value> = distinct.into_iter().map(Value::from).collect();
            if field.is_array {
                allowed.push(Value::Null);
            }
            json!({ "enum": allowed })
        }
        None => json!({ "type": kinds(field, "string"), "format": format }),
    }
}

/// In an array a null may stand for a value that has only extensions: `fhirElement` sees to it.
fn kinds(field: &Field, kind: &str) -> Value {
    match field.is_array {
        true => json!([kind, "null"]),
        false => json!(kind),
    }
}

/// `_name`: id and extensions of the value, in an array aligned with the values.
fn companion(field: &Field) -> Value {
    let element = json!({ "fhirType": COMPANION });
    match field.is_array {
        true => json!({
            "type": "array",
            "minItems": 1,
            "items": { "anyOf": [{ "type": "null" }, element] },
        }),
        false => element,
    }
}
