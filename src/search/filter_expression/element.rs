//! A filter within a path that leads to elements, not to other resources: what it asks is asked
//! of one and the same element. <https://hl7.org/fhir/R4/search_filter.html>
//!
//! ```text
//! name[use eq official].family eq x     of one HumanName: its use and its family
//! ```
//!
//! Names within the brackets and behind them are those of elements, as the definitions have them.
//! It is answered from the JSON: texts, codes, uris, ids, booleans, codings, identifiers, contacts
//! and references are compared. Dates, numbers and quantities are not: they are search parameters'
//! matter, and refused here.

use super::at_position;
use super::parser::{Expression, Filtered, Operator, Test};
use crate::error::Issue;
use crate::fhir::reference::Target;
use crate::fhirpath::{Model, Type};
use crate::search::params::string::normalise;
use crate::search::params::token::Asked;
use crate::search::places::quoted;
use crate::search::plan::{ElementTest, JsonTest, Place, Predicate};
use crate::search::registry::Parameter;
use crate::search::resolve::{Context, Problem};

/// Holds of resources with a value of the parameter that passes the filter and the rest of the
/// path.
pub fn resolve(
    parameter: &Parameter,
    test: &Test<'_>,
    (step, rest): (&Filtered<'_>, &[Filtered<'_>]),
    context: &Context<'_>,
) -> Result<Predicate, Problem> {
    let reader = Reader {
        model: context.registry.model(),
        base: context.base,
    };
    let mut parts: Vec<(Place, ElementTest)> = Vec::new();
    for branch in &parameter.branches {
        let places = branch.places().ok_or_else(|| {
            Problem::not_supported(format!(
                "{} is more than a path, so that no filter can be within it",
                parameter.code
            ))
        })?;
        for located in places {
            let passes = reader.both(step, rest, test, located.node_type)?;
            parts.push((located.at(""), passes));
        }
    }
    Ok(match parts.is_empty() {
        true => Predicate::Nothing,
        false => Predicate::Element(parts),
    })
}

struct Reader<'r> {
    model: &'r Model,
    /// Our own base URL, for references.
    base: &'r str,
}

impl Reader<'_> {
    /// What a filter and the rest of its path ask of an element of this type.
    fn both(
        &self,
        step: &Filtered<'_>,
        rest: &[Filtered<'_>],
        test: &Test<'_>,
        of: &Type,
    ) -> Result<ElementTest, Problem> {
        let filter = self.expression(&step.filter, of)?;
        Ok(ElementTest::And(vec![filter, self.path(rest, test, of)?]))
    }

    fn expression(&self, expression: &Expression<'_>, of: &Type) -> Result<ElementTest, Problem> {
        let all = |parts: &[Expression<'_>]| -> Result<Vec<ElementTest>, Problem> {
            parts.iter().map(|part| self.expression(part, of)).collect()
        };
        match expression {
            Expression::And(parts) => Ok(ElementTest::And(all(parts)?)),
            Expression::Or(parts) => Ok(ElementTest::Or(all(parts)?)),
            Expression::Not(part) => Ok(ElementTest::Not(Box::new(self.expression(part, of)?))),
            Expression::Test(test) => self
                .path(&test.steps, test, of)
                .map_err(|problem| at_position(test, problem)),
        }
    }

    fn path(
        &self,
        steps: &[Filtered<'_>],
        test: &Test<'_>,
        of: &Type,
    ) -> Result<ElementTest, Problem> {
        let Some((step, rest)) = steps.split_first() else {
            return self.over(test.path, of, |path, leaf| self.leaf(test, path, leaf));
        };
        self.over(step.name, of, |path, leaf| {
            let passes = self.both(step, rest, test, leaf)?;
            Ok(ElementTest::Element(format!("{path}[*]"), Box::new(passes)))
        })
    }

    /// The alternatives of all elements that a path leads to; what one of them has no sense for
    /// is left out, unless all have none.
    fn over(
        &self,
        path: &str,
        of: &Type,
        compile: impl Fn(&str, &Type) -> Result<ElementTest, Problem>,
    ) -> Result<ElementTest, Problem> {
        let (mut tests, mut problem) = (Vec::new(), None);
        for (path, leaf) in self.elements(path, of)? {
            match compile(&path, leaf) {
                Ok(test) => tests.push(test),
                Err(one) => problem = problem.or(Some(one)),
            }
        }
        match (tests.len(), problem) {
            (0, Some(problem)) => Err(problem),
            (1, _) => Ok(tests.swap_remove(0)),
            _ => Ok(ElementTest::Or(tests)),
        }
    }

    /// The elements of that path, each with its SQL/JSON path and its type.
    fn elements<'t>(
        &'t self,
        path: &str,
        of: &'t Type,
    ) -> Result<Vec<(String, &'t Type)>, Problem> {
        let mut found = vec![("$".to_owned(), of)];
        for name in path.split('.') {
            let owners = found;
            found = Vec::new();
            for (path, owner) in &owners {
                let choices = owner.member(name).map(|member| &member.choices);
                for choice in choices.into_iter().flatten() {
                    let path = format!("{path}.{}", choice.json_name);
                    found.extend(choice.value_type(self.model).map(|leaf| (path, leaf)));
                }
            }
            if found.is_empty() {
                let of = owners.first().map_or("nothing", |(_, owner)| &owner.key);
                return Err(Problem::unknown(format!(
                    "expected an element of {of} but found {name:?}"
                )));
            }
        }
        Ok(found)
    }

    /// The test of one element.
    fn leaf(&self, test: &Test<'_>, path: &str, leaf: &Type) -> Result<ElementTest, Problem> {
        use Operator::{Eq, Ne, Pr, Re};
        let value = test.value.text.as_ref();
        let text = |json: JsonTest| ElementTest::Text {
            path: format!("{path}[*]"),
            test: json,
            is: test.operator != Ne,
        };
        match (leaf.key.as_str(), test.operator) {
            (_, Pr) => {
                let there = ElementTest::There(path.to_owned());
                match value {
                    "true" => Ok(there),
                    "false" => Ok(ElementTest::Not(Box::new(there))),
                    other => Err(wrong(format!(
                        "expected true or false after pr but found {other:?}"
                    ))),
                }
            }
            ("string" | "markdown", operator) => {
                let normal = normalise(value);
                let json = of_text(operator).ok_or_else(|| no_operator(test, leaf, TEXTS))?;
                // Nothing but punctuation is in no text, as in every other search.
                Ok(match normal.is_empty() {
                    true => ElementTest::Or(Vec::new()),
                    false => text(json(normal)),
                })
            }
            ("code" | "uri" | "url" | "canonical" | "id" | "oid" | "uuid" | "boolean", Eq | Ne) => {
                Ok(text(JsonTest::OneOf(vec![value.to_owned()])))
            }
            ("Coding", Eq) => coded(path, "code", value),
            ("CodeableConcept", Eq) => coded(&format!("{path}.coding"), "code", value),
            ("Identifier" | "ContactPoint", Eq) => coded(path, "value", value),
            ("Reference", Eq | Re) => Ok(ElementTest::Text {
                path: format!("{path}.reference"),
                test: JsonTest::OneOf(written(value, self.base)),
                is: true,
            }),
            ("code" | "uri" | "url" | "canonical" | "id" | "oid" | "uuid" | "boolean", _) => {
                Err(no_operator(test, leaf, "eq, ne, pr"))
            }
            ("Coding" | "CodeableConcept" | "Identifier" | "ContactPoint", _) => {
                Err(no_operator(test, leaf, "eq, pr"))
            }
            ("Reference", _) => Err(no_operator(test, leaf, "eq, re, pr")),
            _ => Err(no_operator(test, leaf, "pr")),
        }
    }
}

const TEXTS: &str = "eq, ne, co, sw, ew, pr";

fn of_text(operator: Operator) -> Option<fn(String) -> JsonTest> {
    match operator {
        Operator::Eq | Operator::Ne => Some(JsonTest::Is),
        Operator::Co => Some(JsonTest::Contains),
        Operator::Sw => Some(JsonTest::Begins),
        Operator::Ew => Some(JsonTest::Ends),
        _ => None,
    }
}

/// The four forms of a token, asked of a system and `code`.
fn coded(path: &str, code: &str, value: &str) -> Result<ElementTest, Problem> {
    let asked = Asked::parse(value).map_err(Problem::Refused)?;
    let is = |name: &str, text: &str| {
        let text = quoted(text).ok_or_else(|| wrong(format!("expected a text as {name}")))?;
        Ok(format!("@.{name} == {text}"))
    };
    let condition = match &asked {
        Asked::Code(text) => is(code, text)?,
        Asked::Pair(system, text) => format!("{} && {}", is("system", system)?, is(code, text)?),
        Asked::NoSystem(text) => format!("{} && !exists(@.system)", is(code, text)?),
        Asked::System(system) => is("system", system)?,
    };
    Ok(ElementTest::There(format!("{path}[*] ? ({condition})")))
}

/// How a reference may be written.
fn written(value: &str, base: &str) -> Vec<String> {
    match Target::parse(value, base) {
        Target::Local {
            resource_type,
            id,
            version: None,
        } => {
            let relative = format!("{resource_type}/{id}");
            vec![format!("{base}/{relative}"), relative]
        }
        _ => vec![value.to_owned()],
    }
}

fn no_operator(test: &Test<'_>, leaf: &Type, known: &str) -> Problem {
    Problem::not_supported(format!(
        "expected an operator that a {} has within a path ({known}) but found {} after {}",
        leaf.key,
        test.operator.name(),
        test.path
    ))
}

fn wrong(text: String) -> Problem {
    Problem::Refused(Issue::error("value", text))
}
