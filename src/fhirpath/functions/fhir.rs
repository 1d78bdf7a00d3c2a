//! What FHIR adds: <https://hl7.org/fhir/R4/fhirpath.html#functions>

use super::text_argument;
use crate::fhir::ResourceType;
use crate::fhir::reference::Target;
use crate::fhirpath::ast::Ast;
use crate::fhirpath::context::{Evaluated, EvaluationError, Items, Scope};
use crate::fhirpath::eval;
use crate::fhirpath::item::{Item, Node, Scalar};
use crate::fhirpath::operators::boolean;
use serde_json::Value;
use std::borrow::Cow;

/// `extension(url)`: the extensions of that URL, also those of a primitive.
pub fn extension<'a>(
    scope: &Scope<'_, 'a>,
    input: Items<'a>,
    arguments: &'a [Ast],
) -> Evaluated<'a> {
    let mut extensions = Vec::new();
    for item in &input {
        if let Item::Node(node) = item {
            node.push_children(scope.model(), "extension", &mut extensions);
        }
    }
    let Some(url) = text_argument(scope, arguments, 0)? else {
        return Ok(Vec::new());
    };
    extensions.retain(|item| match item {
        Item::Node(node) => node.get("url").and_then(Value::as_str) == Some(&*url),
        _ => false,
    });
    Ok(extensions)
}

/// True of one primitive that has more than extensions.
pub fn has_value<'a>(_: &Scope<'_, 'a>, input: Items<'a>, _: &'a [Ast]) -> Evaluated<'a> {
    let found = matches!(input.as_slice(), [item] if eval::has_value(item));
    Ok(boolean(Some(found)))
}

/// The value of one primitive, as one of FHIRPath's own types.
pub fn get_value<'a>(_: &Scope<'_, 'a>, input: Items<'a>, _: &'a [Ast]) -> Evaluated<'a> {
    let [item] = input.as_slice() else {
        return Ok(Vec::new());
    };
    if !eval::has_value(item) {
        return Ok(Vec::new());
    }
    let value = item.scalar().map(|scalar| match scalar {
        Scalar::Boolean(value) => Item::Boolean(value),
        Scalar::String(text) => Item::String(Cow::Owned(text.to_owned())),
        Scalar::Integer(value) => Item::Integer(value),
        Scalar::Decimal(value) => Item::decimal(value.into_owned()),
        Scalar::Temporal(value) => Item::Temporal(value),
        Scalar::Quantity(value) => Item::Quantity(Box::new(value.into_owned())),
    });
    super::one(value)
}

/// The input, unless something in it has a modifier extension that is not among these.
pub fn check_modifiers<'a>(
    scope: &Scope<'_, 'a>,
    input: Items<'a>,
    arguments: &'a [Ast],
) -> Evaluated<'a> {
    let mut known = Vec::new();
    for at in 0..arguments.len() {
        known.extend(text_argument(scope, arguments, at)?);
    }
    for item in &input {
        let mut found = Vec::new();
        item.push_children(scope.model(), "modifierExtension", &mut found);
        for extension in &found {
            let Item::Node(node) = extension else {
                continue;
            };
            let url = node.get("url").and_then(Value::as_str).unwrap_or_default();
            if !known.iter().any(|known| known == url) {
                let text =
                    format!("expected no modifier extension that is not known but found {url}");
                return Err(EvaluationError::new(text));
            }
        }
    }
    Ok(input)
}

pub fn resolve<'a>(scope: &Scope<'_, 'a>, input: Items<'a>, _: &'a [Ast]) -> Evaluated<'a> {
    Ok(input
        .iter()
        .filter_map(|item| resolve_item(scope, item))
        .collect())
}

fn resolve_item<'a>(scope: &Scope<'_, 'a>, item: &Item<'a>) -> Option<Item<'a>> {
    let context = scope.run.context;
    let (text, stated) = match item {
        // A canonical or uri is its own text, a Reference has it inside.
        Item::Node(node) => (
            node.text().or_else(|| node.get("reference")?.as_str()),
            node.get("type").and_then(Value::as_str),
        ),
        Item::String(Cow::Borrowed(text)) => (Some(*text), None),
        _ => return None,
    };
    if let Some(Target::Contained(id)) = text.map(|text| Target::parse(text, context.base)) {
        return contained(scope, id).map(Item::Node);
    }
    if let (Some(text), Some(outside)) = (text, context.outside)
        && let Some(resource) = outside.resolve(text)
    {
        return Node::resource(context.model, resource).map(Item::Node);
    }
    let found = text
        .and_then(|text| target_type(text, context.base))
        .or_else(|| ResourceType::parse(stated?.rsplit('/').next()?))?;
    Some(Item::Target(found))
}

/// In `%resource`, or what that is contained in; `#` alone is the latter itself.
fn contained<'a>(scope: &Scope<'_, 'a>, id: &str) -> Option<Node<'a>> {
    let context = scope.run.context;
    if id.is_empty() {
        return Some(context.root);
    }
    let within = |node: &Node<'a>| {
        let list = node.get("contained")?.as_array()?;
        let has_id = |resource: &&Value| resource.get("id").and_then(Value::as_str) == Some(id);
        Node::resource(context.model, list.iter().find(has_id)?)
    };
    within(&context.resource).or_else(|| within(&context.root))
}

/// The type that a literal reference points at, also where it is a URL of another server.
pub fn target_type(text: &str, base: &str) -> Option<ResourceType> {
    match Target::parse(text, base) {
        Target::Local { resource_type, .. } | Target::Conditional { resource_type, .. } => {
            Some(resource_type)
        }
        Target::Foreign(url) => {
            let url = url.split_once("/_history/").map_or(url, |(url, _)| url);
            let mut parts = url.rsplit('/');
            let _id = parts.next()?;
            ResourceType::parse(parts.next()?)
        }
        Target::Contained(_) | Target::Urn(_) | Target::Malformed(_) => None,
    }
}
