//! What a collection of FHIRPath holds: nodes of a resource, and computed values.

use super::model::{Choice, Model, Type};
use crate::fhir::ResourceType;
use serde_json::Value;
use std::borrow::Cow;

/// One item of a collection.
#[derive(Clone, Debug)]
pub enum Item<'a> {
    Node(Node<'a>),
    Boolean(bool),
    String(Cow<'a, str>),
    /// Digits as written, perhaps with sign, point and exponent.
    Number(Cow<'a, str>),
    /// A date, dateTime or time as written.
    Date(Cow<'a, str>),
    /// What a reference outside of the resource resolves to: nothing is fetched, so only its
    /// type is known.
    Target(ResourceType),
}

/// An element of a resource, with its type.
#[derive(Clone, Copy, Debug)]
pub struct Node<'a> {
    /// `None` where a primitive has nothing but extensions.
    pub value: Option<&'a Value>,
    /// Of a primitive: the object with its id and extensions, `_birthDate`.
    pub companion: Option<&'a Value>,
    pub node_type: &'a Type,
    /// The element that this is; `None` for a resource.
    pub choice: Option<&'a Choice>,
}

impl<'a> Node<'a> {
    /// A whole resource. `None` unless its `resourceType` is one of R4.
    pub fn resource(model: &'a Model, value: &'a Value) -> Option<Node<'a>> {
        let name = value.get("resourceType")?.as_str()?;
        Some(Node {
            value: Some(value),
            companion: None,
            node_type: model.resource(ResourceType::parse(name)?)?,
            choice: None,
        })
    }

    /// The text of a primitive whose JSON is a string.
    pub fn text(&self) -> Option<&'a str> {
        self.value?.as_str()
    }

    /// A member of the JSON object, whatever its type.
    pub fn get(&self, name: &str) -> Option<&'a Value> {
        self.value?.get(name)
    }

    /// Appends the children of that name, in order.
    pub fn push_children(&self, model: &'a Model, name: &str, out: &mut Vec<Item<'a>>) {
        let Some(member) = self.node_type.member(name) else {
            return;
        };
        // The members of a primitive, id and extension, stand in its companion.
        let holder = match self.node_type.kind {
            crate::definitions::TypeKind::Primitive => self.companion,
            _ => self.value,
        };
        let Some(Value::Object(object)) = holder else {
            return;
        };
        if member.choices.len() == 1 {
            for choice in &member.choices {
                push_choice(model, choice, object, out);
            }
            return;
        }
        // A choice has up to fifty names, an object rarely more than a dozen: look through it.
        for key in object.keys() {
            let json_name = match key.strip_prefix('_') {
                // Where the value is there too, it has brought its companion along.
                Some(json_name) if object.contains_key(json_name) => continue,
                Some(json_name) => json_name,
                None => key,
            };
            if json_name.starts_with(name)
                && let Some(choice) = member.choices.iter().find(|c| c.json_name == json_name)
            {
                push_choice(model, choice, object, out);
            }
        }
    }
}

fn push_choice<'a>(
    model: &'a Model,
    choice: &'a Choice,
    object: &'a serde_json::Map<String, Value>,
    out: &mut Vec<Item<'a>>,
) {
    let value = object.get(&choice.json_name);
    let companion = choice.companion.as_ref().and_then(|name| object.get(name));
    match (value, companion) {
        (None, None) => {}
        (Some(Value::Array(values)), companion) => {
            for (index, value) in values.iter().enumerate() {
                let companion = companion.and_then(|companions| companions.get(index));
                push_node(model, choice, Some(value), companion, out);
            }
        }
        (None, Some(Value::Array(companions))) => {
            for companion in companions {
                push_node(model, choice, None, Some(companion), out);
            }
        }
        (value, companion) => push_node(model, choice, value, companion, out),
    }
}

fn push_node<'a>(
    model: &'a Model,
    choice: &'a Choice,
    value: Option<&'a Value>,
    companion: Option<&'a Value>,
    out: &mut Vec<Item<'a>>,
) {
    let value = value.filter(|value| !value.is_null());
    let companion = companion.filter(|companion| companion.is_object());
    if value.is_none() && companion.is_none() {
        return;
    }
    if choice.field.is_resource {
        let resource = value.and_then(|value| Node::resource(model, value));
        out.extend(resource.map(|node| Item::Node(Node { choice: Some(choice), ..node })));
        return;
    }
    if let Some(node_type) = choice.value_type(model) {
        out.push(Item::Node(Node {
            value,
            companion,
            node_type,
            choice: Some(choice),
        }));
    }
}
