//! A FHIRPath Patch carried out on a resource, within limits.
//! <https://hl7.org/fhir/R4/fhirpatch.html>
//!
//! The resource is the caller's to throw away on failure. Nothing is copied within it, so that
//! it grows by what the patch brings and no more; the time of all expressions together is
//! limited.

use super::operations::{Action, Operation, Patch};
use super::place::{Found, Place, Step, find, is_whole_list, object_at, set_slots, slots};
use super::value::{self, Fitted};
use crate::definitions::{Definitions, TypeKind};
use crate::error::{Category, Error, Result};
use crate::fhirpath::{Ast, Context, Expression, Item, Limits, Model, Node};
use crate::interaction::patch::shown;
use serde_json::{Map, Value};
use std::time::{Duration, Instant};

/// How long one patch may take.
const LONGEST: Duration = Duration::from_secs(2);

/// What the expressions are evaluated with.
pub struct Ground<'a> {
    pub model: &'a Model,
    /// Our own base URL.
    pub base: &'a str,
}

/// Carries out a patch.
///
/// # Errors
/// `Unprocessable` where a path does not lead to what the operation needs, or a value does not
/// fit; `TooCostly`.
pub fn apply(ground: &Ground<'_>, resource: &mut Value, patch: &Patch) -> Result<()> {
    let deadline = Instant::now() + LONGEST;
    for (index, operation) in patch.0.iter().enumerate() {
        let done = perform(ground, resource, operation, deadline);
        done.map_err(|refusal| refusal.error(index, operation))?;
        if Instant::now() > deadline {
            return Err(Refusal::TooCostly.error(index, operation));
        }
    }
    Ok(())
}

/// Why an operation is not carried out.
#[derive(Debug)]
enum Refusal {
    Says(String),
    TooCostly,
}

impl From<String> for Refusal {
    fn from(says: String) -> Refusal {
        Refusal::Says(says)
    }
}

impl From<&str> for Refusal {
    fn from(says: &str) -> Refusal {
        Refusal::Says(says.to_owned())
    }
}

impl Refusal {
    fn error(self, index: usize, operation: &Operation) -> Error {
        let path = shown(&operation.written);
        match self {
            Refusal::Says(says) => Error::coded(
                Category::Unprocessable,
                "processing",
                format!("nothing was changed: operation {index}, counted from 0: {says} at {path}"),
            ),
            Refusal::TooCostly => Error::new(
                Category::TooCostly,
                format!(
                    "nothing was changed: operation {index}, counted from 0: the patch takes \
                     longer than {} seconds at {path}",
                    LONGEST.as_secs()
                ),
            ),
        }
    }
}

/// What a path has led to: its first item, and how it stands to the others.
struct Located {
    found: Found,
    count: usize,
    /// True where the items are those of one list, all of them.
    is_list: bool,
    /// The key of its type.
    type_key: String,
    kind: TypeKind,
    /// Of an element: the key of the type that it is an element of.
    owner: String,
    /// Its name in FHIRPath.
    name: String,
}

fn perform(
    ground: &Ground<'_>,
    resource: &mut Value,
    operation: &Operation,
    deadline: Instant,
) -> Result<(), Refusal> {
    let locate = |resource: &Value, path: &Expression| locate(ground, resource, path, deadline);
    let definitions = ground.model.definitions();
    let located = locate(resource, &operation.path)?;
    match (&operation.action, located) {
        (Action::Add { name, value }, located) => {
            add(definitions, resource, &only(located)?, name, value)
        }
        (Action::Insert { index, value }, Some(list)) => {
            insert(definitions, resource, &list, *index, value)
        }
        (Action::Insert { index, value }, None) => {
            // The list is not there yet: what precedes its name says where it would be.
            let Ast::Member { of, name, .. } = operation.path.ast() else {
                return Err("expected a list but found nothing".into());
            };
            let of = of.as_deref().cloned().unwrap_or(Ast::This);
            let target = only(locate(resource, &Expression::from(of))?)?;
            match index {
                0 => add(definitions, resource, &target, name, value),
                _ => Err(format!("expected an index from 0 to 0 but found {index}").into()),
            }
        }
        (Action::Delete, None) => Ok(()),
        (Action::Delete, located) => delete(resource, element(&only(located)?)?),
        (Action::Replace { value }, located) => {
            replace(definitions, resource, &only(located)?, value)
        }
        (
            Action::Move {
                source,
                destination,
            },
            Some(list),
        ) => relocate(resource, &list, *source, *destination),
        (Action::Move { .. }, None) => Err("expected a list but found nothing".into()),
    }
}

/// What a path leads to; `None` for nothing.
fn locate(
    ground: &Ground<'_>,
    resource: &Value,
    path: &Expression,
    deadline: Instant,
) -> Result<Option<Located>, Refusal> {
    let node = Node::resource(ground.model, resource).ok_or("expected a resource of R4")?;
    let mut context = Context::new(ground.model, node, ground.base);
    context.limits = Limits {
        deadline: Some(deadline),
        ..Limits::default()
    };
    let items = path.evaluate(&context, node);
    let items = items.map_err(|error| match error.is_limit() {
        true => Refusal::TooCostly,
        false => Refusal::Says(format!("expected a path that can be followed: {error}")),
    })?;
    let Some(first) = items.first() else {
        return Ok(None);
    };
    let node = match first {
        Item::Node(node) => Some(node),
        _ => None,
    };
    let choice = node.and_then(|node| node.choice);
    let found = find(resource, first);
    Ok(Some(Located {
        count: items.len(),
        is_list: match &found {
            Found::Element(place) => is_whole_list(resource, place, &items),
            _ => false,
        },
        found,
        type_key: node.map_or_else(String::new, |node| node.node_type.key.clone()),
        kind: node.map_or(TypeKind::Complex, |node| node.node_type.kind),
        owner: choice.map_or_else(String::new, |choice| choice.owner.clone()),
        name: choice.map_or_else(String::new, |choice| choice.field.name.clone()),
    }))
}

fn only(located: Option<Located>) -> Result<Located, Refusal> {
    match located {
        Some(located) if located.count == 1 => Ok(located),
        Some(located) => {
            let count = located.count;
            Err(format!("expected one element but found {count}").into())
        }
        None => Err("expected one element but found nothing".into()),
    }
}

fn element(located: &Located) -> Result<&Place, Refusal> {
    match &located.found {
        Found::Element(place) => Ok(place),
        Found::Root => Err("expected an element of the resource but found the resource".into()),
        Found::Nowhere => Err("expected an element but found a computed value".into()),
    }
}

const GONE: &str = "expected an element that is there";

fn holder<'v>(
    resource: &'v mut Value,
    place: &Place,
) -> Result<&'v mut Map<String, Value>, Refusal> {
    object_at(resource, &place.holder).ok_or_else(|| GONE.into())
}

fn add(
    definitions: &Definitions,
    resource: &mut Value,
    target: &Located,
    name: &str,
    value: &Map<String, Value>,
) -> Result<(), Refusal> {
    let new = fit(definitions, &target.type_key, name, value)?;
    let object = match &target.found {
        Found::Root => resource.as_object_mut().ok_or(GONE)?,
        _ => {
            let place = element(target)?;
            let object = holder(resource, place)?;
            let mut items = slots(object, &place.name);
            let item = items.get_mut(place.index).ok_or(GONE)?;
            let within = match target.kind {
                // The members of a primitive stand beside its value.
                TypeKind::Primitive => &mut item.companion,
                _ => &mut item.value,
            };
            if within.is_null() {
                *within = Value::Object(Map::new());
            }
            value::add(within.as_object_mut().ok_or(GONE)?, new)?;
            set_slots(object, &place.name, items, place.is_array);
            return Ok(());
        }
    };
    Ok(value::add(object, new)?)
}

/// The list that a path leads to, which is all of its items.
fn list(located: &Located) -> Result<&Place, Refusal> {
    let place = element(located)?;
    match (place.is_array, located.is_list) {
        (true, true) => Ok(place),
        (true, false) => {
            let count = located.count;
            Err(format!("expected all items of one list but found {count} items").into())
        }
        (false, _) => Err("expected a list but found an element that does not repeat".into()),
    }
}

fn insert(
    definitions: &Definitions,
    resource: &mut Value,
    located: &Located,
    index: usize,
    value: &Map<String, Value>,
) -> Result<(), Refusal> {
    let place = list(located)?;
    let new = fit(definitions, &located.owner, &located.name, value)?;
    let most = located.count;
    if index > most {
        return Err(format!("expected an index from 0 to {most} but found {index}").into());
    }
    let object = holder(resource, place)?;
    let mut items = slots(object, &place.name);
    items.insert(index, new.slot);
    set_slots(object, &place.name, items, true);
    Ok(())
}

fn relocate(
    resource: &mut Value,
    located: &Located,
    source: usize,
    destination: usize,
) -> Result<(), Refusal> {
    let place = list(located)?;
    for index in [source, destination] {
        if index >= located.count {
            let most = located.count - 1;
            return Err(format!("expected an index from 0 to {most} but found {index}").into());
        }
    }
    let object = holder(resource, place)?;
    let mut items = slots(object, &place.name);
    let item = items.remove(source);
    items.insert(destination, item);
    set_slots(object, &place.name, items, true);
    Ok(())
}

fn replace(
    definitions: &Definitions,
    resource: &mut Value,
    target: &Located,
    value: &Map<String, Value>,
) -> Result<(), Refusal> {
    let place = element(target)?;
    let new = fit(definitions, &target.owner, &target.name, value)?;
    let object = holder(resource, place)?;
    let mut items = slots(object, &place.name);
    *items.get_mut(place.index).ok_or(GONE)? = new.slot;
    if new.json_name == place.name {
        set_slots(object, &place.name, items, place.is_array);
        return Ok(());
    }
    // A choice of another type has another name; choices do not repeat.
    set_slots(object, &place.name, Vec::new(), false);
    set_slots(object, &new.json_name, items, new.field.is_array);
    Ok(())
}

/// Deletes an item, and whatever that leaves empty.
fn delete(resource: &mut Value, place: &Place) -> Result<(), Refusal> {
    let object = holder(resource, place)?;
    let mut items = slots(object, &place.name);
    if place.index >= items.len() {
        return Err(GONE.into());
    }
    items.remove(place.index);
    set_slots(object, &place.name, items, place.is_array);
    prune(resource, &place.holder);
    Ok(())
}

/// Takes away the objects on a way that have nothing in them, from the innermost on.
fn prune(resource: &mut Value, way: &[Step]) {
    let mut way = way.to_vec();
    while object_at(resource, &way).is_some_and(|object| object.is_empty()) {
        let is_companion = way.iter().rev().find_map(|step| match step {
            Step::Name(name) => Some(name.starts_with('_')),
            Step::Index(_) => None,
        });
        let Some(place) = Place::of(way) else {
            return;
        };
        let Some(object) = object_at(resource, &place.holder) else {
            return;
        };
        let mut items = slots(object, &place.name);
        if let Some(item) = items.get_mut(place.index) {
            match is_companion {
                Some(true) => item.companion = Value::Null,
                _ => item.value = Value::Null,
            }
            if item.is_empty() {
                items.remove(place.index);
            }
        }
        set_slots(object, &place.name, items, place.is_array);
        way = place.holder;
    }
}

/// A value for an element of the type with that key, such as `Patient.contact`.
fn fit(
    definitions: &Definitions,
    owner: &str,
    name: &str,
    value: &Map<String, Value>,
) -> Result<Fitted, Refusal> {
    let owner = definitions
        .type_info(owner)
        .ok_or_else(|| format!("the type {owner} is not known"))?;
    Ok(value::fit(definitions, &owner, name, value)?)
}
