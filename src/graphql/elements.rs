//! Which elements of a list a field selects, and what FHIRPath says of one.
//! <https://hl7.org/fhir/R4/graphql.html#list>
//!
//! Values of sub-elements and `fhirpath` filter, `_offset` and `_count` count what is left, and
//! `@first` takes the first of that.

use super::document::Field;
use super::search_arguments::{self, FHIRPATH};
use crate::fhirpath::{Context, Expression, Item, Node, Scalar};
use serde_json::Value;

/// The elements that the arguments of a field and `@first` select.
///
/// # Errors
/// The expression cannot be evaluated on one of them.
pub fn selected<'a>(
    context: &Context<'a>,
    field: &'a Field,
    nodes: Vec<Node<'a>>,
) -> Result<Vec<Node<'a>>, String> {
    let number = |name: &str| {
        let found = field
            .argument(name)
            .and_then(|argument| argument.value.as_u64());
        found.map(|number| usize::try_from(number).unwrap_or(usize::MAX))
    };
    let equals = field.arguments.iter();
    let equals: Vec<(&str, String)> = equals
        .filter(|argument| !matches!(argument.name.as_str(), FHIRPATH | "_count" | "_offset"))
        .filter_map(|argument| {
            Some((
                argument.name.as_str(),
                search_arguments::scalar(&argument.value)?,
            ))
        })
        .collect();
    let mut kept = Vec::with_capacity(nodes.len());
    for node in nodes {
        let is_equal = |(name, wanted): &(&str, String)| match node.get(name) {
            Some(Value::Array(values)) => values
                .iter()
                .any(|value| search_arguments::scalar(value).as_ref() == Some(wanted)),
            Some(value) => search_arguments::scalar(value).as_ref() == Some(wanted),
            None => false,
        };
        if !equals.iter().all(is_equal) {
            continue;
        }
        let is_kept = match &field.fhirpath {
            Some(path) => holds(context, path, node)?,
            None => true,
        };
        if is_kept {
            kept.push(node);
        }
    }
    let offset = number("_offset").unwrap_or_default();
    let count = match field.shape.first {
        true => 1,
        false => usize::MAX,
    };
    let count = count.min(number("_count").unwrap_or(usize::MAX));
    Ok(kept.into_iter().skip(offset).take(count).collect())
}

/// Whether an expression is true of an element, or has anything that is no boolean.
///
/// # Errors
/// It cannot be evaluated.
pub fn holds<'a>(
    context: &Context<'a>,
    path: &'a Expression,
    node: Node<'a>,
) -> Result<bool, String> {
    let items = path
        .evaluate(context, node)
        .map_err(|error| format!("fhirpath: {error}"))?;
    Ok(match items.as_slice() {
        [item] => match item.scalar() {
            Some(Scalar::Boolean(value)) => value,
            _ => true,
        },
        items => !items.is_empty(),
    })
}

/// What an expression says of an element, as a text.
///
/// # Errors
/// It cannot be evaluated.
pub fn text<'a>(
    context: &Context<'a>,
    path: &'a Expression,
    node: Node<'a>,
) -> Result<String, String> {
    let items = path
        .evaluate(context, node)
        .map_err(|error| format!("@slice: {error}"))?;
    let texts = items.iter().map(|item| match item {
        Item::Node(node) => {
            let text = node.value.and_then(search_arguments::scalar);
            text.unwrap_or_default()
        }
        Item::Boolean(value) => value.to_string(),
        Item::Integer(value) => value.to_string(),
        item => item.text().unwrap_or_default().into_owned(),
    });
    Ok(texts.collect::<Vec<_>>().join(","))
}
