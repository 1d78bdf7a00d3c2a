//! What a collection of FHIRPath holds: nodes of a resource, and computed values.
//! <https://hl7.org/fhirpath/N1/#types-and-reflection>
//!
//! A node is a place in the JSON with its type. What it is as a value of FHIRPath's own
//! types is read when an operator asks: see [`Item::scalar`].

use super::model::{Choice, Model, System, Type};
use super::quantity::{Calendar, Quantity, Unit};
use super::temporal::{self, Temporal};
use crate::definitions::TypeKind;
use crate::fhir::ResourceType;
use crate::fhir::decimal::Decimal;
use crate::fhir::ucum;
use serde_json::{Map, Value};
use std::borrow::Cow;

/// One item of a collection.
#[derive(Clone, Debug)]
pub enum Item<'a> {
    Node(Node<'a>),
    Boolean(bool),
    String(Cow<'a, str>),
    Integer(i64),
    Decimal(Box<Decimal>),
    /// A date, dateTime or time.
    Temporal(Temporal),
    Quantity(Box<Quantity>),
    /// What `type()` gives: a namespace and a name.
    Type(&'static str, &'a str),
    /// What a reference outside of the resource resolves to: nothing is fetched, so only its
    /// type is known.
    Target(ResourceType),
}

/// An item as a value of FHIRPath's own types.
#[derive(Clone, Debug)]
pub enum Scalar<'i> {
    Boolean(bool),
    String(&'i str),
    Integer(i64),
    Decimal(Cow<'i, Decimal>),
    Temporal(Temporal),
    Quantity(Cow<'i, Quantity>),
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

impl<'a> Item<'a> {
    /// The value, if this is a primitive with one, or a Quantity that is exact.
    pub fn scalar(&self) -> Option<Scalar<'_>> {
        match self {
            Item::Node(node) => node.scalar(),
            Item::Boolean(value) => Some(Scalar::Boolean(*value)),
            Item::String(text) => Some(Scalar::String(text)),
            Item::Integer(value) => Some(Scalar::Integer(*value)),
            Item::Decimal(value) => Some(Scalar::Decimal(Cow::Borrowed(value))),
            Item::Temporal(value) => Some(Scalar::Temporal(*value)),
            Item::Quantity(value) => Some(Scalar::Quantity(Cow::Borrowed(value))),
            Item::Type(..) | Item::Target(_) => None,
        }
    }

    /// The text of a string, also of a primitive that JSON writes as one.
    pub fn text(&self) -> Option<Cow<'a, str>> {
        match self {
            Item::Node(node) if node.node_type.kind == TypeKind::Primitive => {
                node.text().map(Cow::Borrowed)
            }
            Item::String(text) => Some(text.clone()),
            _ => None,
        }
    }

    pub fn decimal(value: Decimal) -> Item<'a> {
        Item::Decimal(Box::new(value))
    }

    pub fn string(text: impl Into<String>) -> Item<'a> {
        Item::String(Cow::Owned(text.into()))
    }

    /// Whether this is of the named type or one that derives from it. A name of FHIRPath's
    /// own types has `System.` in front; of names without, that of a computed value counts.
    pub fn is(&self, name: &str) -> bool {
        match self {
            Item::Node(node) => node.node_type.is(name),
            Item::Type(..) => false,
            Item::Target(resource_type) => {
                resource_type.name() == name || matches!(name, "Resource" | "DomainResource")
            }
            computed => {
                let name = name.strip_prefix("System.").unwrap_or(name);
                computed
                    .system()
                    .is_some_and(|system| system.name() == name)
                    || name == "Any"
            }
        }
    }

    /// Which of FHIRPath's own types a computed value has.
    pub fn system(&self) -> Option<System> {
        match self {
            Item::Boolean(_) => Some(System::Boolean),
            Item::String(_) => Some(System::String),
            Item::Integer(_) => Some(System::Integer),
            Item::Decimal(_) => Some(System::Decimal),
            Item::Temporal(value) => Some(match value.kind {
                temporal::Kind::Date => System::Date,
                temporal::Kind::DateTime => System::DateTime,
                temporal::Kind::Time => System::Time,
            }),
            Item::Quantity(_) => Some(System::Quantity),
            Item::Node(_) | Item::Type(..) | Item::Target(_) => None,
        }
    }

    /// Appends the children of that name, in order.
    pub fn push_children(&self, model: &'a Model, name: &str, out: &mut Vec<Item<'a>>) {
        match (self, name) {
            (Item::Node(node), _) => node.push_children(model, name, out),
            (Item::Type(namespace, _), "namespace") => {
                out.push(Item::String(Cow::Borrowed(namespace)));
            }
            (Item::Type(_, own), "name") => out.push(Item::String(Cow::Borrowed(own))),
            (Item::Quantity(quantity), "value") => {
                out.push(Item::decimal(quantity.value.clone()));
            }
            (Item::Quantity(quantity), "unit") => out.push(Item::string(quantity.unit.text())),
            _ => {}
        }
    }
}

impl<'a> Node<'a> {
    fn scalar(&self) -> Option<Scalar<'a>> {
        let value = self.value?;
        match (self.node_type.system?, value) {
            (System::String, Value::String(text)) => Some(Scalar::String(text)),
            (System::Boolean, Value::Bool(value)) => Some(Scalar::Boolean(*value)),
            (System::Integer, Value::Number(number)) => {
                number.as_str().parse().ok().map(Scalar::Integer)
            }
            (System::Decimal, Value::Number(number)) => {
                Decimal::parse(number.as_str()).map(|value| Scalar::Decimal(Cow::Owned(value)))
            }
            (System::Quantity, _) => self.quantity().map(|q| Scalar::Quantity(Cow::Owned(q))),
            (system, Value::String(text)) => {
                let kind = match system {
                    System::Date => temporal::Kind::Date,
                    System::DateTime => temporal::Kind::DateTime,
                    System::Time => temporal::Kind::Time,
                    _ => return None,
                };
                let parsed = Temporal::parse(text, kind).map(Scalar::Temporal);
                Some(parsed.unwrap_or(Scalar::String(text)))
            }
            _ => None,
        }
    }

    /// A Quantity of FHIR as one of FHIRPath: <https://hl7.org/fhir/R4/fhirpath.html#quantity>.
    /// `None` where it says no more than a bound.
    fn quantity(&self) -> Option<Quantity> {
        let text = |name: &str| self.get(name).and_then(Value::as_str);
        let Some(Value::Number(number)) = self.get("value") else {
            return None;
        };
        if text("comparator").is_some() {
            return None;
        }
        let unit = match (text("system"), text("code"), text("unit")) {
            (Some(ucum::SYSTEM), Some(code), _) => match Calendar::of_ucum(code) {
                Some(unit) => Unit::Calendar(unit),
                None => Unit::Ucum(code.to_owned()),
            },
            (Some(system), Some(code), _) => Unit::Other(format!("{system}|{code}")),
            (_, _, Some(unit)) => Unit::Other(unit.to_owned()),
            (_, Some(code), None) => Unit::Other(code.to_owned()),
            (_, None, None) => Unit::one(),
        };
        Some(Quantity::new(Decimal::parse(number.as_str())?, unit))
    }

    /// The JSON of the members; those of a primitive, id and extension, stand in its companion.
    fn object(&self) -> Option<&'a Map<String, Value>> {
        let holder = match self.node_type.kind {
            TypeKind::Primitive => self.companion,
            _ => self.value,
        };
        holder?.as_object()
    }

    /// Every child, in the order of the JSON; what the type does not know is left out.
    pub fn push_all_children(&self, model: &'a Model, out: &mut Vec<Item<'a>>) {
        let Some(object) = self.object() else {
            return;
        };
        for json_name in json_names(object) {
            if let Some(choice) = self.node_type.choice(json_name) {
                push_choice(model, choice, object, out);
            }
        }
    }

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
        let Some(object) = self.object() else {
            return;
        };
        if member.choices.len() == 1 {
            for choice in &member.choices {
                push_choice(model, choice, object, out);
            }
            return;
        }
        // A choice has up to fifty names, an object rarely more than a dozen: look through it.
        for json_name in json_names(object) {
            if json_name.starts_with(name)
                && let Some(choice) = member.choices.iter().find(|c| c.json_name == json_name)
            {
                push_choice(model, choice, object, out);
            }
        }
    }
}

/// The names of an object's members, each once, whether its value, its companion or both are there.
fn json_names(object: &Map<String, Value>) -> impl Iterator<Item = &str> {
    object.keys().filter_map(|key| match key.strip_prefix('_') {
        // Where the value is there too, it has brought its companion along.
        Some(json_name) if object.contains_key(json_name) => None,
        Some(json_name) => Some(json_name),
        None => Some(key.as_str()),
    })
}

fn push_choice<'a>(
    model: &'a Model,
    choice: &'a Choice,
    object: &'a Map<String, Value>,
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
        out.extend(resource.map(|node| {
            Item::Node(Node {
                choice: Some(choice),
                ..node
            })
        }));
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
