//! The operations of a FHIRPath Patch, read from its Parameters.
//! <https://hl7.org/fhir/R4/fhirpatch.html#concept>

use super::super::{MOST_OPERATIONS, shown};
use crate::error::{Category, Error, Issue, Result};
use crate::fhirpath::Expression;
use serde_json::{Map, Value};

/// A patch that has been read.
#[derive(Clone, Debug)]
pub struct Patch(pub Vec<Operation>);

/// One operation.
#[derive(Clone, Debug)]
pub struct Operation {
    pub path: Expression,
    /// As it was written, for messages.
    pub written: String,
    pub action: Action,
}

/// What is done. A value is the part of the Parameters that holds it: what it becomes depends
/// on the element.
#[derive(Clone, Debug)]
pub enum Action {
    Add {
        name: String,
        value: Map<String, Value>,
    },
    Insert {
        index: usize,
        value: Map<String, Value>,
    },
    Delete,
    Replace {
        value: Map<String, Value>,
    },
    Move {
        source: usize,
        destination: usize,
    },
}

/// Reads a patch. A Parameters without operations changes nothing.
///
/// # Errors
/// `Invalid` with an issue for each operation that is none; `TooLarge` for too many.
pub fn read(parameters: &Value) -> Result<Patch> {
    if parameters["resourceType"] != "Parameters" {
        return Err(Error::coded(
            Category::Invalid,
            "structure",
            "expected a FHIRPath Patch, a Parameters with operations, but found another resource",
        ));
    }
    let all = parameters["parameter"]
        .as_array()
        .map_or(&[][..], Vec::as_slice);
    if all.len() > MOST_OPERATIONS {
        return Err(Error::new(
            Category::TooLarge,
            format!(
                "expected at most {MOST_OPERATIONS} operations in one patch but found {}",
                all.len()
            ),
        ));
    }
    let (mut operations, mut issues) = (Vec::with_capacity(all.len()), Vec::new());
    for (index, parameter) in all.iter().enumerate() {
        match operation(parameter) {
            Ok(operation) => operations.push(operation),
            Err(says) => issues.push(
                Issue::error(
                    "structure",
                    format!("operation {index}, counted from 0: {says}"),
                )
                .at(format!("Parameters.parameter[{index}]")),
            ),
        }
    }
    match issues.is_empty() {
        true => Ok(Patch(operations)),
        false => Err(Error::of(Category::Invalid, issues)),
    }
}

fn operation(parameter: &Value) -> Result<Operation, String> {
    if parameter["name"] != "operation" {
        return Err("expected a parameter of the name operation".to_owned());
    }
    let written = text(parameter, "path")?.to_owned();
    let path = Expression::compile(&written)
        .map_err(|error| format!("the path {}: {error}", shown(&written)))?;
    let action = match text(parameter, "type")? {
        "add" => Action::Add {
            name: text(parameter, "name")?.to_owned(),
            value: value(parameter)?,
        },
        "insert" => Action::Insert {
            index: number(parameter, "index")?,
            value: value(parameter)?,
        },
        "delete" => Action::Delete,
        "replace" => Action::Replace {
            value: value(parameter)?,
        },
        "move" => Action::Move {
            source: number(parameter, "source")?,
            destination: number(parameter, "destination")?,
        },
        other => {
            return Err(format!(
                "expected the type to be add, insert, delete, replace or move but found {}",
                shown(other)
            ));
        }
    };
    Ok(Operation {
        path,
        written,
        action,
    })
}

/// The one part of that name.
fn part<'p>(parameter: &'p Value, name: &str) -> Result<&'p Value, String> {
    let parts = parameter["part"].as_array().into_iter().flatten();
    let mut named = parts.filter(|part| part["name"] == name);
    match (named.next(), named.next()) {
        (Some(part), None) => Ok(part),
        (None, _) => Err(format!("expected a part `{name}` but found none")),
        (Some(_), Some(_)) => Err(format!("expected one part `{name}` but found several")),
    }
}

/// A string, or a code: implementations differ in what they send for `type` and `name`.
fn text<'p>(parameter: &'p Value, name: &str) -> Result<&'p str, String> {
    let part = part(parameter, name)?;
    let value = part["valueString"].as_str().or(part["valueCode"].as_str());
    value.ok_or_else(|| format!("expected the part `{name}` to have a valueString or valueCode"))
}

fn number(parameter: &Value, name: &str) -> Result<usize, String> {
    let part = part(parameter, name)?;
    let names = ["valueInteger", "valueUnsignedInt", "valuePositiveInt"];
    let value = names.iter().find_map(|name| part[name].as_u64());
    let number = value.and_then(|number| usize::try_from(number).ok());
    number.ok_or_else(|| format!("expected the part `{name}` to have a valueInteger from 0 on"))
}

fn value(parameter: &Value) -> Result<Map<String, Value>, String> {
    match part(parameter, "value")? {
        Value::Object(value) => Ok(value.clone()),
        _ => Err("expected the part `value` to be an object".to_owned()),
    }
}
