//! Where in the JSON of a resource the values of an expression stand: an element of the root
//! and an SQL/JSON path from there.
//! <https://www.postgresql.org/docs/15/functions-json.html#FUNCTIONS-SQLJSON-PATH>
//!
//! ```text
//! Observation.component.code                 component   $.code
//! Observation.value.ofType(CodeableConcept)  valueCodeableConcept   $
//! Patient.telecom.where(system = 'phone')    telecom     $[*] ? (@.system == "phone")
//! ```
//!
//! Paths are lax: a member of a list is that of each of its elements. Steps by name, types,
//! positions, `where` with equalities and `extension` are followed; of an expression that
//! computes anything else nothing is said.

use super::plan::Place;
use crate::fhirpath::ast::{Ast, Literal, Operator};
use crate::fhirpath::infer::Kind;
use crate::fhirpath::{Choice, Model, Type};

/// A value's place and what it is.
#[derive(Clone, Debug)]
pub struct Located<'a> {
    pub place: Place,
    pub choice: &'a Choice,
    pub node_type: &'a Type,
}

impl Located<'_> {
    /// What stands at `path`, such as `.coding.display`, of this.
    pub fn at(&self, path: &str) -> Place {
        Place {
            element: self.place.element.clone(),
            path: format!("{}{path}[*]", self.place.path),
        }
    }
}

/// Every place of a value; `None` where the expression is more than a path.
pub fn locate<'a>(model: &'a Model, ast: &Ast, root: &'a Type) -> Option<Vec<Located<'a>>> {
    let start = Step {
        kind: Kind::Resource(root),
        place: None,
    };
    let steps = walk(model, ast, &start)?;
    let located = steps.into_iter().map(|step| match (step.kind, step.place) {
        (Kind::Element(choice, node_type), Some(place)) => Some(Located {
            place,
            choice,
            node_type,
        }),
        _ => None,
    });
    located.collect()
}

/// How far a walk has come.
#[derive(Clone)]
struct Step<'a> {
    kind: Kind<'a>,
    /// `None` at the root.
    place: Option<Place>,
}

fn walk<'a>(model: &'a Model, ast: &Ast, focus: &Step<'a>) -> Option<Vec<Step<'a>>> {
    let all = |of: &Option<Box<Ast>>| match of {
        Some(of) => walk(model, of, focus),
        None => Some(vec![focus.clone()]),
    };
    match ast {
        Ast::This => Some(vec![focus.clone()]),
        Ast::Member { of: None, name, .. } if focus.kind.fhir_type()?.is(name) => {
            Some(vec![focus.clone()])
        }
        Ast::Member { of, name, .. } => {
            let steps = all(of)?;
            let children = steps.iter().flat_map(|step| children(model, step, name));
            Some(children.collect())
        }
        Ast::OfType { of, type_name, .. } => {
            let mut steps = walk(model, of, focus)?;
            steps.retain(|step| step.kind.fhir_type().is_some_and(|t| t.is(type_name)));
            Some(steps)
        }
        Ast::Indexer { of, index } => match &**index {
            Ast::Literal(Literal::Integer(n)) => {
                with_suffix(walk(model, of, focus)?, &format!("[{n}]"))
            }
            _ => None,
        },
        Ast::Call {
            of,
            function,
            arguments,
            ..
        } => match (function.name, arguments.as_slice()) {
            ("where", [condition]) => {
                let condition = filter(condition)?;
                with_suffix(all(of)?, &format!("[*] ? ({condition})"))
            }
            ("extension", [Ast::Literal(Literal::String(url))]) => {
                let url = quoted(url)?;
                let steps = all(of)?;
                let extensions = steps
                    .iter()
                    .flat_map(|step| children(model, step, "extension"));
                with_suffix(extensions.collect(), &format!("[*] ? (@.url == {url})"))
            }
            _ => None,
        },
        Ast::Binary {
            operator: Operator::Union,
            left,
            right,
            ..
        } => {
            let mut steps = walk(model, left, focus)?;
            steps.extend(walk(model, right, focus)?);
            Some(steps)
        }
        _ => None,
    }
}

fn children<'a>(model: &'a Model, step: &Step<'a>, name: &str) -> Vec<Step<'a>> {
    let Some(member) = step.kind.fhir_type().and_then(|of| of.member(name)) else {
        return Vec::new();
    };
    let choices = member.choices.iter().filter_map(|choice| {
        let kind = Kind::Element(choice, choice.value_type(model)?);
        let place = match &step.place {
            None => Place {
                element: choice.json_name.clone(),
                path: "$".to_owned(),
            },
            Some(place) => Place {
                element: place.element.clone(),
                path: format!("{}.{}", place.path, choice.json_name),
            },
        };
        Some(Step {
            kind,
            place: Some(place),
        })
    });
    choices.collect()
}

fn with_suffix<'a>(steps: Vec<Step<'a>>, suffix: &str) -> Option<Vec<Step<'a>>> {
    let continued = steps.into_iter().map(|mut step| {
        step.place.as_mut()?.path.push_str(suffix);
        Some(step)
    });
    continued.collect()
}

/// The condition of a `where` as that of an SQL/JSON filter.
fn filter(condition: &Ast) -> Option<String> {
    let Ast::Binary {
        operator,
        left,
        right,
        ..
    } = condition
    else {
        return None;
    };
    match (operator, &**left, &**right) {
        (Operator::And, left, right) => Some(format!("{} && {}", filter(left)?, filter(right)?)),
        (
            Operator::Equal,
            Ast::Member { of: None, name, .. },
            Ast::Literal(Literal::String(value)),
        ) => Some(format!("@.{name} == {}", quoted(value)?)),
        _ => None,
    }
}

/// SQL/JSON writes its strings as JSON does.
pub fn quoted(text: &str) -> Option<String> {
    serde_json::to_string(text).ok()
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::definitions::Definitions;
    use crate::fhir::ResourceType;
    use crate::fhirpath::Expression;

    fn places(text: &str) -> Option<String> {
        let model = Model::new(Definitions::r4());
        let (name, _) = text.split_once('.').expect("a path");
        let root = model.resource(ResourceType::parse(name).expect("a type"));
        let expression = Expression::compile_for_search(text).expect(text);
        let located = locate(&model, expression.ast(), root.expect("defined"))?;
        let told = located.iter().map(|one| {
            format!(
                "{} {} {}",
                one.place.element, one.place.path, one.node_type.key
            )
        });
        Some(told.collect::<Vec<_>>().join(", "))
    }

    #[test]
    fn paths_are_followed_and_nothing_else() {
        for (text, expected) in [
            ("Observation.code", Some("code $ CodeableConcept")),
            (
                "Observation.component.code",
                Some("component $.code CodeableConcept"),
            ),
            (
                "Observation.value.ofType(CodeableConcept)",
                Some("valueCodeableConcept $ CodeableConcept"),
            ),
            (
                "Observation.code | Observation.component.code",
                Some("code $ CodeableConcept, component $.code CodeableConcept"),
            ),
            (
                "Patient.telecom.where(system='phone')",
                Some("telecom $[*] ? (@.system == \"phone\") ContactPoint"),
            ),
            (
                "Patient.telecom.where(system='a\"b' and use='home').value",
                Some("telecom $[*] ? (@.system == \"a\\\"b\" && @.use == \"home\").value string"),
            ),
            (
                "Patient.extension('http://x').value.ofType(Coding)",
                Some("extension $[*] ? (@.url == \"http://x\").valueCoding Coding"),
            ),
            ("Patient.name[0].family", Some("name $[0].family string")),
            ("Patient.deceased.exists()", None),
            ("Patient.name.where(given.exists())", None),
            ("Patient.id.exists() and Patient.active", None),
        ] {
            assert_eq!(places(text).as_deref(), expected, "{text}");
        }
    }
}
