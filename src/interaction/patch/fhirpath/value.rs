//! The value of an operation, made for the element that takes it.
//! <https://hl7.org/fhir/R4/fhirpatch.html#concept>: `value[x]`, or parts for an anonymous type.

use super::place::{Slot, set_slots, slots};
use crate::definitions::{Definitions, Field, TypeInfo};
use serde_json::{Map, Value};

/// What is wrong with a value.
type Says = String;

/// How deep parts may nest.
const DEEPEST: usize = 60;

/// An element with a value for it.
pub struct Fitted {
    pub json_name: String,
    pub field: Field,
    pub slot: Slot,
}

/// The element of that name, and the value for it: of a choice the one whose type the value
/// has. A name may also be that of JSON, or end in `[x]`.
///
/// # Errors
/// No such element, or a value of another type.
pub fn fit(
    definitions: &Definitions,
    owner: &TypeInfo,
    name: &str,
    part: &Map<String, Value>,
) -> Result<Fitted, Says> {
    fit_within(definitions, owner, name, part, DEEPEST)
}

fn fit_within(
    definitions: &Definitions,
    owner: &TypeInfo,
    name: &str,
    part: &Map<String, Value>,
    depth: usize,
) -> Result<Fitted, Says> {
    let bare = name.strip_suffix("[x]").unwrap_or(name);
    let given = Given::of(part)?;
    let mut fields = owner.fields_of(bare).peekable();
    let (json_name, field) = match (fields.peek().is_some(), owner.field(bare)) {
        (true, _) => fields
            .find(|(json_name, field)| !field.is_choice || given.names(json_name, bare))
            .ok_or_else(|| format!("expected a type of {bare}[x] but found {}", given.kind()))?,
        (false, Some(field)) => (bare, field),
        (false, None) => return Err(format!("{} has no element {bare:?}", owner.key)),
    };
    Ok(Fitted {
        slot: slot(definitions, field, &given, depth)?,
        json_name: json_name.to_owned(),
        field: field.clone(),
    })
}

/// What a part brings.
enum Given<'p> {
    /// `valueDate`: `Date`, its value and what stands beside it.
    Typed {
        suffix: &'p str,
        value: Option<&'p Value>,
        companion: Option<&'p Value>,
    },
    Resource(&'p Value),
    Parts(&'p [Value]),
}

impl<'p> Given<'p> {
    fn of(part: &'p Map<String, Value>) -> Result<Given<'p>, Says> {
        if let Some(resource) = part.get("resource") {
            return Ok(Given::Resource(resource));
        }
        if let Some(Value::Array(parts)) = part.get("part") {
            return Ok(Given::Parts(parts));
        }
        let suffix = part.keys().find_map(|name| {
            let bare = name.strip_prefix('_').unwrap_or(name);
            bare.strip_prefix("value")
        });
        let suffix = suffix.ok_or("expected a value[x] or parts as the value but found neither")?;
        Ok(Given::Typed {
            suffix,
            value: part.get(&format!("value{suffix}")),
            companion: part.get(&format!("_value{suffix}")),
        })
    }

    /// Whether the type of the value names this choice of `name`.
    fn names(&self, json_name: &str, name: &str) -> bool {
        match self {
            Given::Typed { suffix, .. } => json_name.strip_prefix(name) == Some(suffix),
            _ => false,
        }
    }

    fn kind(&self) -> &'p str {
        match self {
            Given::Typed { suffix, .. } => suffix,
            Given::Resource(_) => "a resource",
            Given::Parts(_) => "parts",
        }
    }
}

fn slot(
    definitions: &Definitions,
    field: &Field,
    given: &Given<'_>,
    depth: usize,
) -> Result<Slot, Says> {
    let mismatch = || {
        let wanted = &field.type_code;
        format!(
            "expected a {wanted} as the value but found {}",
            given.kind()
        )
    };
    match given {
        Given::Resource(resource) if field.is_resource => Ok(Slot {
            value: (*resource).clone(),
            companion: Value::Null,
        }),
        Given::Typed {
            suffix,
            value,
            companion,
        } if !field.is_resource => {
            let is_fitting = match field.is_primitive {
                true => is_primitive(suffix) && value.is_none_or(|v| has_kind(&field.type_code, v)),
                false => is_same_type(&field.type_code, suffix),
            };
            if !is_fitting {
                return Err(mismatch());
            }
            let or_null = |value: &Option<&Value>| value.cloned().unwrap_or_default();
            Ok(Slot {
                value: or_null(value),
                companion: or_null(companion),
            })
        }
        Given::Parts(parts) if !field.is_resource && !field.is_primitive => {
            let owner = definitions.type_info(&field.type_key);
            let owner = owner.ok_or_else(mismatch)?;
            let deeper = depth.checked_sub(1);
            let deeper = deeper.ok_or("the parts of a value nest too deeply")?;
            let value = object(definitions, &owner, parts, deeper)?;
            Ok(Slot {
                value: Value::Object(value),
                companion: Value::Null,
            })
        }
        _ => Err(mismatch()),
    }
}

/// An object of parts, each an element; those of one name are items of a list.
fn object(
    definitions: &Definitions,
    owner: &TypeInfo,
    parts: &[Value],
    depth: usize,
) -> Result<Map<String, Value>, Says> {
    let mut made = Map::new();
    for part in parts {
        let name = part["name"].as_str().unwrap_or_default();
        let Value::Object(part) = part else {
            return Err("expected a part to be an object".to_owned());
        };
        add(
            &mut made,
            fit_within(definitions, owner, name, part, depth)?,
        )?;
    }
    Ok(made)
}

/// Adds an item to an element of an object: to the end of a list, or where there is none yet.
///
/// # Errors
/// An element that does not repeat is there already, a choice in whatever type.
pub fn add(holder: &mut Map<String, Value>, new: Fitted) -> Result<(), Says> {
    let (name, field) = (&new.json_name, &new.field);
    let mut slots = slots(holder, name);
    let is_there = match field.is_choice {
        true => holder.keys().any(|key| {
            let key = key.strip_prefix('_').unwrap_or(key);
            is_choice_of(key, &field.name)
        }),
        false => !slots.is_empty(),
    };
    if is_there && !field.is_array {
        return Err(format!(
            "expected no {} there, which does not repeat, but found one",
            field.name
        ));
    }
    slots.push(new.slot);
    set_slots(holder, name, slots, field.is_array);
    Ok(())
}

/// `valueQuantity` is a choice of `value`.
fn is_choice_of(key: &str, name: &str) -> bool {
    key.strip_prefix(name)
        .is_some_and(|suffix| suffix.starts_with(|c: char| c.is_ascii_uppercase()))
}

/// Whether a name of `value[x]` ends in a primitive type.
fn is_primitive(suffix: &str) -> bool {
    const PRIMITIVES: [&str; 19] = [
        "Base64Binary",
        "Boolean",
        "Canonical",
        "Code",
        "Date",
        "DateTime",
        "Decimal",
        "Id",
        "Instant",
        "Integer",
        "Markdown",
        "Oid",
        "PositiveInt",
        "String",
        "Time",
        "UnsignedInt",
        "Uri",
        "Url",
        "Uuid",
    ];
    PRIMITIVES.contains(&suffix)
}

/// Whether JSON holds values of a primitive type so.
fn has_kind(type_code: &str, value: &Value) -> bool {
    match type_code {
        "boolean" => value.is_boolean(),
        "decimal" | "integer" | "positiveInt" | "unsignedInt" => value.is_number(),
        _ => value.is_string(),
    }
}

/// Quantities by any name are the same in JSON.
fn is_same_type(type_code: &str, suffix: &str) -> bool {
    const QUANTITIES: [&str; 7] = [
        "Quantity",
        "SimpleQuantity",
        "MoneyQuantity",
        "Age",
        "Count",
        "Distance",
        "Duration",
    ];
    type_code == suffix || (QUANTITIES.contains(&type_code) && QUANTITIES.contains(&suffix))
}
