//! Variables: what was given for them, held to their types, and put in where they stand.
//! <https://spec.graphql.org/October2021/#sec-Coercing-Variable-Values>
//!
//! Scalars are those of GraphQL and the primitive types of FHIR, which take any scalar of JSON;
//! what ends in `Input` is an object. Whether a resource is a right one is decided when it is
//! written.

use super::problem::Problem;
use async_graphql_parser::types::{BaseType, OperationDefinition, Type};
use serde_json::{Map, Value, json};
use std::collections::{HashMap, HashSet};

/// By name; `None` where a variable has no value.
pub type Variables = HashMap<String, Option<Value>>;

/// The variables of an operation.
pub fn read(
    operation: &OperationDefinition,
    given: &Map<String, Value>,
) -> (Variables, Vec<Problem>) {
    let (mut variables, mut problems) = (Variables::new(), Vec::new());
    for definition in &operation.variable_definitions {
        let node = &definition.node;
        let name = node.name.node.to_string();
        let default = node.default_value.as_ref();
        let default = default.and_then(|default| serde_json::to_value(&default.node).ok());
        let found = given.get(&name).cloned().or(default);
        let mut say = |text: String| problems.push(Problem::invalid(text).at(definition.pos));
        if variables.contains_key(&name) {
            say(format!("the variable ${name} is defined twice"));
        }
        let value = match found {
            None if node.var_type.node.nullable => None,
            None => {
                let wanted = &node.var_type.node;
                say(format!(
                    "expected a value of {wanted} for ${name} but found none"
                ));
                None
            }
            Some(found) => coerced(&node.var_type.node, found)
                .map_err(|text| say(format!("${name}: {text}")))
                .ok(),
        };
        variables.insert(name, value);
    }
    (variables, problems)
}

/// The value as one of the type.
fn coerced(wanted: &Type, value: Value) -> Result<Value, String> {
    if value.is_null() {
        return match wanted.nullable {
            true => Ok(value),
            false => Err(format!("expected {wanted} but found null")),
        };
    }
    let (name, value) = match (&wanted.base, value) {
        (BaseType::List(item), Value::Array(values)) => {
            let values = values.into_iter().map(|value| coerced(item, value));
            return Ok(Value::Array(values.collect::<Result<_, _>>()?));
        }
        (BaseType::List(item), value) => return Ok(Value::Array(vec![coerced(item, value)?])),
        (BaseType::Named(name), value) => (name.as_str(), value),
    };
    let is_integer = |value: &Value| value.is_i64() || value.is_u64();
    let is_right = match name {
        "Boolean" => value.is_boolean(),
        "Int" => is_integer(&value),
        "Float" => value.is_number(),
        "String" => value.is_string(),
        "ID" => value.is_string() || is_integer(&value),
        name if name.ends_with("Input") => value.is_object(),
        name if name.starts_with(|first: char| first.is_ascii_lowercase()) => {
            !value.is_array() && !value.is_object()
        }
        "ResourceType" => value.is_string(),
        other => return Err(format!("expected a type of inputs but found {other}")),
    };
    match is_right {
        true => Ok(value),
        false => Err(format!("expected {wanted} but found {value}")),
    }
}

/// The member that marks a variable: no name of GraphQL can be like this.
const MARK: &str = "\u{0}";

/// What stands for a variable until it is put in.
pub fn marked(name: &str) -> Value {
    json!({ MARK: name })
}

/// A value with its variables put in; `None` for a variable without a value.
///
/// # Errors
/// A variable that is not defined.
pub fn put_in(
    value: Value,
    variables: &Variables,
    used: &mut HashSet<String>,
) -> Result<Option<Value>, String> {
    Ok(Some(match value {
        Value::Array(values) => {
            let mut list = Vec::with_capacity(values.len());
            for value in values {
                list.extend(put_in(value, variables, used)?);
            }
            Value::Array(list)
        }
        Value::Object(members) => {
            if let Some(name) = members.get(MARK).and_then(Value::as_str) {
                let Some(value) = variables.get(name) else {
                    return Err(format!(
                        "expected a variable that is defined but found ${name}"
                    ));
                };
                used.insert(name.to_owned());
                return Ok(value.clone());
            }
            let mut object = Map::new();
            for (name, value) in members {
                if let Some(value) = put_in(value, variables, used)? {
                    object.insert(name, value);
                }
            }
            Value::Object(object)
        }
        other => other,
    }))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn values_are_held_to_their_types() {
        for (wanted, value, expected) in [
            ("Boolean", json!(true), Some(json!(true))),
            ("Boolean", json!("true"), None),
            ("Boolean!", json!(null), None),
            ("Boolean", json!(null), Some(json!(null))),
            ("Int", json!(5), Some(json!(5))),
            ("Int", json!("5"), None),
            ("ID!", json!("a"), Some(json!("a"))),
            ("[String]", json!("a"), Some(json!(["a"]))),
            ("[String!]", json!(["a", null]), None),
            ("dateTime", json!("2020"), Some(json!("2020"))),
            ("code", json!({}), None),
            (
                "PatientInput!",
                json!({"active": true}),
                Some(json!({"active": true})),
            ),
            ("PatientInput", json!("x"), None),
            ("Patient", json!({}), None),
        ] {
            let wanted_type = Type::new(wanted).expect(wanted);
            assert_eq!(coerced(&wanted_type, value).ok(), expected, "{wanted}");
        }
    }
}
