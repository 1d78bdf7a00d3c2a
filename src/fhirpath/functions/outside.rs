//! What only the outside knows, and what needs the profile that an expression stands in:
//! <https://hl7.org/fhir/R4/fhirpath.html#functions>
//!
//! The definitions answer what they can: whether an item is of a type that a
//! StructureDefinition of R4 defines, whether a code is in a value set that is listed.

use super::text_argument;
use crate::definitions::Derivation;
use crate::fhirpath::ast::Ast;
use crate::fhirpath::context::{Evaluated, EvaluationError, Items, Scope};
use crate::fhirpath::item::{Item, Node};
use crate::fhirpath::operators::{boolean, single, unexpected};
use serde_json::Value;

pub fn conforms_to<'a>(
    scope: &Scope<'_, 'a>,
    input: Items<'a>,
    arguments: &'a [Ast],
) -> Evaluated<'a> {
    let profile = text_argument(scope, arguments, 0)?;
    let item = single(&input, "conformsTo()")?;
    let (Some(item), Some(profile)) = (item, profile) else {
        return Ok(Vec::new());
    };
    let Item::Node(node) = item else {
        return Err(unexpected("a resource or element", "conformsTo()", item));
    };
    if let Some(outside) = scope.run.context.outside {
        let answer = outside.conforms_to(&profile, node);
        return answer.map(boolean).map_err(EvaluationError::new);
    }
    let structure = scope.model().definitions().structure(&profile);
    match structure.filter(|one| one.derivation == Derivation::Specialization) {
        Some(structure) => Ok(boolean(Some(node.node_type.is(&structure.type_name)))),
        None => Err(EvaluationError::new(format!(
            "expected a profile that is known but found {profile}"
        ))),
    }
}

pub fn member_of<'a>(
    scope: &Scope<'_, 'a>,
    input: Items<'a>,
    arguments: &'a [Ast],
) -> Evaluated<'a> {
    let value_set = text_argument(scope, arguments, 0)?;
    let item = single(&input, "memberOf()")?;
    let (Some(item), Some(value_set)) = (item, value_set) else {
        return Ok(Vec::new());
    };
    let Item::Node(node) = item else {
        return Err(unexpected(
            "a code, Coding or CodeableConcept",
            "memberOf()",
            item,
        ));
    };
    if let Some(codes) = scope.model().definitions().value_set_codes(&value_set) {
        let text = |of: &Value, name: &str| of.get(name).and_then(Value::as_str).map(str::to_owned);
        let has = |coding: &Value| match (text(coding, "system"), text(coding, "code")) {
            (Some(system), Some(code)) => codes.contains(&system, &code),
            _ => false,
        };
        let holds = match (node.text(), node.value) {
            (Some(code), _) => codes.contains_code(code),
            (None, Some(value)) => match value.get("coding").and_then(Value::as_array) {
                Some(codings) => codings.iter().any(has),
                None => has(value),
            },
            (None, None) => return Ok(Vec::new()),
        };
        return Ok(boolean(Some(holds)));
    }
    match scope.run.context.outside {
        Some(outside) => {
            let answer = outside.member_of(&value_set, node);
            answer.map(boolean).map_err(EvaluationError::new)
        }
        None => Err(EvaluationError::new(format!(
            "expected a value set that is known but found {value_set}"
        ))),
    }
}

pub fn subsumes<'a>(
    scope: &Scope<'_, 'a>,
    input: Items<'a>,
    arguments: &'a [Ast],
) -> Evaluated<'a> {
    let other = super::argument(scope, arguments, 0)?;
    is_above(scope, &input, &other)
}

pub fn subsumed_by<'a>(
    scope: &Scope<'_, 'a>,
    input: Items<'a>,
    arguments: &'a [Ast],
) -> Evaluated<'a> {
    let other = super::argument(scope, arguments, 0)?;
    is_above(scope, &other, &input)
}

/// Whether a coding of one is that of the other or above it.
fn is_above<'a>(scope: &Scope<'_, 'a>, above: &[Item<'a>], below: &[Item<'a>]) -> Evaluated<'a> {
    let (above, below) = (single(above, "subsumes()")?, single(below, "subsumes()")?);
    let (Some(Item::Node(above)), Some(Item::Node(below))) = (above, below) else {
        return Ok(Vec::new());
    };
    let mut answer = Some(false);
    for (system, general) in codings(above) {
        for (other, specific) in codings(below) {
            if system != other {
                continue;
            }
            let found = match (general == specific, scope.run.context.outside) {
                (true, _) => Ok(Some(true)),
                (false, Some(outside)) => outside.subsumes(system, general, specific),
                (false, None) => Err(format!(
                    "expected a code system that is known but found {system}"
                )),
            };
            match found.map_err(EvaluationError::new)? {
                Some(true) => return Ok(boolean(Some(true))),
                Some(false) => {}
                None => answer = None,
            }
        }
    }
    Ok(boolean(answer))
}

/// System and code of a Coding or of those in a CodeableConcept.
fn codings<'a>(node: &Node<'a>) -> Vec<(&'a str, &'a str)> {
    let text = |coding: &'a Value, name: &str| coding.get(name).and_then(Value::as_str);
    let pair = |coding: &'a Value| Some((text(coding, "system")?, text(coding, "code")?));
    match node.get("coding").and_then(Value::as_array) {
        Some(list) => list.iter().filter_map(pair).collect(),
        None => node.value.and_then(pair).into_iter().collect(),
    }
}

fn unsupported<'a>(what: &str) -> Evaluated<'a> {
    Err(EvaluationError::new(format!(
        "expected an expression without {what}, which is not supported"
    )))
}

/// Needs the definition that an element is described by, which R4 leaves to the validator.
pub fn element_definition<'a>(_: &Scope<'_, 'a>, _: Items<'a>, _: &'a [Ast]) -> Evaluated<'a> {
    unsupported("elementDefinition()")
}

pub fn slice<'a>(_: &Scope<'_, 'a>, _: Items<'a>, _: &'a [Ast]) -> Evaluated<'a> {
    unsupported("slice()")
}

pub fn define_variable<'a>(_: &Scope<'_, 'a>, _: Items<'a>, _: &'a [Ast]) -> Evaluated<'a> {
    unsupported("defineVariable()")
}
