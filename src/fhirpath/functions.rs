//! The functions, in one table: name, number of arguments, body.
//! <https://hl7.org/fhirpath/N1/#functions>; of FHIR itself:
//! <https://hl7.org/fhir/R4/fhirpath.html#functions>
//!
//! `is`, `as` and `ofType` are not here: their argument is a type, so the parser makes them
//! nodes of the tree.

use super::ast::Ast;
use super::eval::{Context, Evaluated, Items, boolean, evaluate, truth};
use super::item::{Item, Node};
use crate::fhir::ResourceType;
use crate::fhir::reference::Target;
use serde_json::Value;
use std::fmt;
use std::ops::RangeInclusive;

/// What a function does with its input collection; arguments come unevaluated, since most
/// are evaluated once per item.
pub type Body = for<'a> fn(&Context<'a>, Items<'a>, &'a [Ast]) -> Evaluated<'a>;

/// A function of the language.
pub struct Function {
    pub name: &'static str,
    arity: RangeInclusive<usize>,
    pub(super) call: Body,
}

static FUNCTIONS: [Function; 10] = [
    // Existence.
    function("empty", 0..=0, empty),
    function("exists", 0..=1, exists),
    function("not", 0..=0, not),
    function("hasValue", 0..=0, has_value),
    // Filtering and projection.
    function("where", 1..=1, filter),
    function("extension", 1..=1, extension),
    // Subsetting.
    function("first", 0..=0, first),
    function("last", 0..=0, last),
    function("single", 0..=0, single),
    // References.
    function("resolve", 0..=0, resolve),
];

const fn function(name: &'static str, arity: RangeInclusive<usize>, call: Body) -> Function {
    Function { name, arity, call }
}

/// The function of that name that takes so many arguments.
///
/// # Errors
/// A sentence that says what is not supported.
pub fn find(name: &str, arguments: usize) -> Result<&'static Function, String> {
    let Some(function) = FUNCTIONS.iter().find(|function| function.name == name) else {
        return Err(format!("the function {name}() is not supported"));
    };
    if function.arity.contains(&arguments) {
        return Ok(function);
    }
    let (least, most) = (function.arity.start(), function.arity.end());
    let expected = match least == most {
        true => least.to_string(),
        false => format!("{least} to {most}"),
    };
    let plural = if *most == 1 { "" } else { "s" };
    Err(format!(
        "{name}() takes {expected} argument{plural} but found {arguments}"
    ))
}

impl PartialEq for Function {
    fn eq(&self, other: &Function) -> bool {
        self.name == other.name
    }
}

impl fmt::Debug for Function {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.name)
    }
}

fn empty<'a>(_: &Context<'a>, input: Items<'a>, _: &'a [Ast]) -> Evaluated<'a> {
    Ok(boolean(Some(input.is_empty())))
}

fn exists<'a>(context: &Context<'a>, input: Items<'a>, arguments: &'a [Ast]) -> Evaluated<'a> {
    let found = match arguments.is_empty() {
        true => input,
        false => filter(context, input, arguments)?,
    };
    Ok(boolean(Some(!found.is_empty())))
}

fn not<'a>(_: &Context<'a>, input: Items<'a>, _: &'a [Ast]) -> Evaluated<'a> {
    Ok(boolean(truth(&input)?.map(|value| !value)))
}

/// True of one primitive that has more than extensions.
fn has_value<'a>(_: &Context<'a>, input: Items<'a>, _: &'a [Ast]) -> Evaluated<'a> {
    let found = match input.as_slice() {
        [Item::Node(node)] => {
            matches!(
                node.value,
                Some(Value::String(_) | Value::Bool(_) | Value::Number(_))
            )
        }
        [Item::Target(_)] => false,
        [_] => true,
        _ => false,
    };
    Ok(boolean(Some(found)))
}

fn filter<'a>(context: &Context<'a>, input: Items<'a>, arguments: &'a [Ast]) -> Evaluated<'a> {
    let mut kept = Vec::new();
    for item in input {
        let mut holds = true;
        for condition in arguments {
            holds &= truth(&evaluate(context, condition, item.clone())?)? == Some(true);
        }
        if holds {
            kept.push(item);
        }
    }
    Ok(kept)
}

/// `extension(url)`: the extensions of that URL, also those of a primitive.
fn extension<'a>(context: &Context<'a>, input: Items<'a>, arguments: &'a [Ast]) -> Evaluated<'a> {
    let mut extensions = Vec::new();
    for item in &input {
        if let Item::Node(node) = item {
            node.push_children(context.model, "extension", &mut extensions);
        }
    }
    let Some(url) = arguments.first() else {
        return Ok(Vec::new());
    };
    let url = evaluate(context, url, Item::Node(context.resource))?;
    let [Item::String(url)] = url.as_slice() else {
        return Ok(Vec::new());
    };
    extensions.retain(|item| match item {
        Item::Node(node) => node.get("url").and_then(Value::as_str) == Some(url),
        _ => false,
    });
    Ok(extensions)
}

fn first<'a>(_: &Context<'a>, mut input: Items<'a>, _: &'a [Ast]) -> Evaluated<'a> {
    input.truncate(1);
    Ok(input)
}

fn last<'a>(_: &Context<'a>, mut input: Items<'a>, _: &'a [Ast]) -> Evaluated<'a> {
    Ok(input.pop().into_iter().collect())
}

fn single<'a>(_: &Context<'a>, input: Items<'a>, _: &'a [Ast]) -> Evaluated<'a> {
    match input.len() {
        0 | 1 => Ok(input),
        _ => Err(super::eval::too_many("single()")),
    }
}

fn resolve<'a>(context: &Context<'a>, input: Items<'a>, _: &'a [Ast]) -> Evaluated<'a> {
    Ok(input
        .into_iter()
        .filter_map(|item| resolve_item(context, &item))
        .collect())
}

fn resolve_item<'a>(context: &Context<'a>, item: &Item<'a>) -> Option<Item<'a>> {
    let Item::Node(node) = item else {
        return None;
    };
    // A canonical or uri is its own text, a Reference has it inside.
    let text = node.text().or_else(|| node.get("reference")?.as_str());
    if let Some(Target::Contained(id)) = text.map(|text| Target::parse(text, context.base)) {
        return contained(context, id).map(Item::Node);
    }
    let stated = || node.get("type")?.as_str();
    let found = text
        .and_then(|text| target_type(text, context.base))
        .or_else(|| ResourceType::parse(stated()?.rsplit('/').next()?))?;
    Some(Item::Target(found))
}

fn contained<'a>(context: &Context<'a>, id: &str) -> Option<Node<'a>> {
    let list = context.resource.get("contained")?.as_array()?;
    let found = list
        .iter()
        .find(|resource| resource.get("id").and_then(Value::as_str) == Some(id))?;
    Node::resource(context.model, found)
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
