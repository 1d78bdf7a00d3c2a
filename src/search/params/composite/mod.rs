//! Composite: several values at once, all of one element.
//! <https://hl7.org/fhir/R4/search.html#composite>
//!
//! ```text
//! code-value-quantity            of Observation             each part is a parameter: And
//! component-code-value-quantity  of Observation.component   rows of its own: see `element`
//! combo-code-value-quantity      of either                  Or of the two
//! ```
//!
//! A part is searched as the parameter that its `definition` names, by those operands of that
//! parameter's expression that the part's own expression selects. Where it selects none (R4's
//! `relationship` has its expressions exchanged, `characteristic-value` says `value` for
//! `value.as(CodeableConcept)`), it is what that parameter reads beneath the element.
//!
//! Not done: `:missing` and other modifiers, which R4 does not define here; two parts with
//! an order, unless they are the last two and numbers.

mod element;
mod forms;
mod part;

use super::{either, escape, negate};
use crate::access::Tenant;
use crate::definitions::SearchParameter;
use crate::error::Issue;
use crate::fhir::{Instant, ResourceType};
use crate::fhirpath::{Ast, Context, Expression};
use crate::search::branch::applies_to;
use crate::search::index::{IndexRows, Slot};
use crate::search::plan::Predicate;
use crate::search::registry::Parameter;
use element::Element;
use part::Part;
use std::sync::Arc;

/// One operand of a composite's expression.
#[derive(Clone, Debug)]
pub enum Form {
    /// Of the resource: what the parts find, each by its own parameter.
    Resource {
        parts: Vec<Parameter>,
        beside: Vec<Beside>,
    },
    /// Of an element.
    Element(Arc<Element>),
}

/// What a part's parameter finds in a choice element beyond what the part means: the text of
/// a CodeableConcept beside `value.as(string)`. Who has an entry here is not meant.
#[derive(Clone, Debug)]
pub struct Beside {
    slot: Slot,
    expression: Expression,
}

/// What a composite needs indexed.
#[derive(Clone, Debug)]
pub enum Extraction {
    Beside(Beside),
    Element(Arc<Element>),
}

/// The forms of a composite on a type whose other parameters are compiled.
///
/// # Errors
/// What cannot be searched, as a sentence.
pub fn forms(
    resource_type: ResourceType,
    published: &SearchParameter,
    parameters: &[Parameter],
) -> Result<Vec<Form>, String> {
    let text = published.expression.as_deref().unwrap_or_default();
    let expression = Expression::compile_for_search(text).map_err(|error| error.to_string())?;
    let roots = expression.ast().union_branches().into_iter();
    roots
        .filter(|root| applies_to(root, resource_type))
        .map(|root| form(resource_type, root, published, parameters))
        .collect()
}

fn form(
    resource_type: ResourceType,
    root: &Ast,
    published: &SearchParameter,
    parameters: &[Parameter],
) -> Result<Form, String> {
    let parts = published
        .component
        .iter()
        .map(|component| Part::new(resource_type, root, component, parameters))
        .collect::<Result<Vec<_>, _>>()?;
    let is_resource = matches!(root, Ast::Member { of: None, .. });
    if is_resource && parts.iter().all(Part::is_exclusive) {
        let beside = parts
            .iter()
            .filter_map(|part| part.rest())
            .map(|rest| Beside {
                slot: Slot::new(resource_type, &format!("beside {rest}")),
                expression: rest,
            });
        return Ok(Form::Resource {
            beside: beside.collect(),
            parts: parts.into_iter().map(|part| part.own).collect(),
        });
    }
    Element::new(resource_type, root, parts).map(|element| Form::Element(Arc::new(element)))
}

/// What these parameters need indexed, each thing once.
pub fn extractions(parameters: &[Parameter]) -> Vec<Extraction> {
    let mut known: Vec<(Slot, Extraction)> = Vec::new();
    for form in parameters.iter().flat_map(|parameter| &parameter.forms) {
        let needed = match form {
            Form::Resource { beside, .. } => beside
                .iter()
                .map(|beside| (beside.slot, Extraction::Beside(beside.clone())))
                .collect(),
            Form::Element(element) => vec![(element.slot(), Extraction::Element(element.clone()))],
        };
        for (slot, one) in needed {
            if known.iter().all(|(other, _)| *other != slot) {
                known.push((slot, one));
            }
        }
    }
    known.into_iter().map(|(_, one)| one).collect()
}

/// Indexes what composites need; `rows` has all that other parameters do.
pub fn extract<'a>(
    extractions: &'a [Extraction],
    context: &Context<'a>,
    tenant: Tenant,
    rows: &mut IndexRows,
) {
    for extraction in extractions {
        match extraction {
            Extraction::Beside(Beside { slot, expression }) => {
                let found = expression.evaluate(context, context.resource);
                if found.is_ok_and(|items| !items.is_empty()) {
                    rows.entries.push(slot.entry(tenant, 0));
                }
            }
            Extraction::Element(element) => element.extract(context, tenant, rows),
        }
    }
}

/// The predicate of one tuple, still escaped.
///
/// # Errors
/// Another number of parts, and those of each part.
pub fn compile(
    parameter: &Parameter,
    value: &str,
    base: &str,
    now: Instant,
) -> Result<Predicate, Issue> {
    let values = escape::split(value, '$');
    let forms = parameter.forms.iter();
    let predicates = forms.map(|form| match form {
        Form::Resource { parts, beside } => {
            check_number(&values, parts.iter().map(|part| part.code.as_str()))?;
            let parts = parts.iter().zip(&values);
            let mut all = parts
                .map(|(part, value)| compile_part(part, value, base, now))
                .collect::<Result<Vec<_>, _>>()?;
            let beside = beside.iter();
            all.extend(beside.map(|beside| negate(Predicate::Entries(vec![(beside.slot, 0)]))));
            Ok(Predicate::And(all))
        }
        Form::Element(element) => {
            check_number(&values, element.codes())?;
            element.compile(&values, base, now)
        }
    });
    let predicates: Vec<Predicate> = predicates.collect::<Result<_, Issue>>()?;
    let mut all = shared(&predicates);
    all.push(either(predicates));
    Ok(Predicate::And(all))
}

/// What any of several alternatives needs, of entries and of rows: said before them, it finds
/// the few resources that are worth asking, for PostgreSQL uses no index for an Or of these.
fn shared(alternatives: &[Predicate]) -> Vec<Predicate> {
    let part = |alternative: &Predicate, fits: fn(&Predicate) -> bool| match alternative {
        Predicate::And(parts) => parts.iter().find(|part| fits(part)).cloned(),
        _ => None,
    };
    let of_all = |fits: fn(&Predicate) -> bool| {
        let parts = alternatives
            .iter()
            .map(|alternative| part(alternative, fits));
        parts.collect::<Option<Vec<_>>>().map(either)
    };
    let kinds: [fn(&Predicate) -> bool; 2] = [is_of_entries, is_of_rows];
    match alternatives.len() {
        0 | 1 => Vec::new(),
        _ => kinds.into_iter().filter_map(of_all).collect(),
    }
}

fn is_of_entries(predicate: &Predicate) -> bool {
    matches!(predicate, Predicate::Entries(_))
}

fn is_of_rows(predicate: &Predicate) -> bool {
    match predicate {
        Predicate::Or(parts) => parts.iter().all(is_of_rows),
        Predicate::Date { .. } | Predicate::String { .. } | Predicate::Quantity { .. } => true,
        _ => false,
    }
}

fn check_number<'p>(values: &[&str], codes: impl Iterator<Item = &'p str>) -> Result<(), Issue> {
    let codes: Vec<&str> = codes.collect();
    if codes.len() == values.len() {
        return Ok(());
    }
    let text = format!(
        "expected {} parts as `{}` (a `$` in a value is written `\\$`) but found {}",
        codes.len(),
        codes.join("$"),
        values.len()
    );
    Err(Issue::error("value", text))
}

/// A part as its parameter understands it; an issue names it.
fn compile_part(
    own: &Parameter,
    value: &str,
    base: &str,
    now: Instant,
) -> Result<Predicate, Issue> {
    super::compile(own, None, value, base, now).map_err(|issue| Issue {
        text: format!("{}: {}", own.code, issue.text),
        ..issue
    })
}
