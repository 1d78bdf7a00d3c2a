//! Where an item of an expression stands in the JSON, and the list that it is part of.

use crate::fhirpath::{Item, Node};
use serde_json::{Map, Value};

/// A way into the JSON.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Step {
    Name(String),
    Index(usize),
}

/// An item of an element: `Patient.name[0].given[1]` is item 1 of `given`, held by the object
/// at `name`, 0.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Place {
    pub holder: Vec<Step>,
    /// The name in JSON, without the underscore of a companion.
    pub name: String,
    pub index: usize,
    pub is_array: bool,
}

/// One item of an element: its value, and what stands beside it.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Slot {
    /// Null where there is none.
    pub value: Value,
    pub companion: Value,
}

impl Slot {
    pub fn is_empty(&self) -> bool {
        self.value.is_null() && self.companion.is_null()
    }
}

/// What an item of an expression is.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Found {
    /// The resource that is patched.
    Root,
    Element(Place),
    /// A computed value, or a part of another resource.
    Nowhere,
}

/// Where a node stands in `root`, which it was evaluated on.
pub fn find(root: &Value, item: &Item<'_>) -> Found {
    let Item::Node(node) = item else {
        return Found::Nowhere;
    };
    if node.value.is_some_and(|value| std::ptr::eq(value, root)) {
        return Found::Root;
    }
    let way = [node.value, node.companion]
        .into_iter()
        .flatten()
        .find_map(|target| way_to(root, target));
    match way.and_then(Place::of) {
        Some(place) => Found::Element(Place {
            is_array: is_array(node),
            ..place
        }),
        None => Found::Nowhere,
    }
}

fn is_array(node: &Node<'_>) -> bool {
    node.choice.is_some_and(|choice| choice.field.is_array)
}

/// The way to a value by its identity, with a stack of its own.
fn way_to(root: &Value, target: &Value) -> Option<Vec<Step>> {
    let mut way: Vec<Step> = Vec::new();
    let mut open: Vec<Box<dyn Iterator<Item = (Step, &Value)> + '_>> = vec![children(root)];
    while let Some(rest) = open.last_mut() {
        match rest.next() {
            Some((step, value)) => {
                way.push(step);
                if std::ptr::eq(value, target) {
                    return Some(way);
                }
                open.push(children(value));
            }
            None => {
                open.pop();
                way.pop();
            }
        }
    }
    None
}

fn children(value: &Value) -> Box<dyn Iterator<Item = (Step, &Value)> + '_> {
    match value {
        Value::Object(members) => {
            let named = members.iter();
            Box::new(named.map(|(name, value)| (Step::Name(name.clone()), value)))
        }
        Value::Array(items) => {
            let numbered = items.iter().enumerate();
            Box::new(numbered.map(|(index, value)| (Step::Index(index), value)))
        }
        _ => Box::new(std::iter::empty()),
    }
}

impl Place {
    /// The place that a way leads to; `None` for the root.
    pub fn of(way: Vec<Step>) -> Option<Place> {
        let mut way = way;
        let (name, index, is_array) = match way.pop()? {
            Step::Name(name) => (name, 0, false),
            Step::Index(index) => match way.pop()? {
                Step::Name(name) => (name, index, true),
                Step::Index(_) => return None,
            },
        };
        let name = name.strip_prefix('_').unwrap_or(&name).to_owned();
        Some(Place {
            holder: way,
            name,
            index,
            is_array,
        })
    }

    /// Whether the other is an item of the same element.
    pub fn is_beside(&self, other: &Place) -> bool {
        self.holder == other.holder && self.name == other.name
    }
}

/// The object at a way.
pub fn object_at<'v>(root: &'v mut Value, way: &[Step]) -> Option<&'v mut Map<String, Value>> {
    let mut value = root;
    for step in way {
        value = match step {
            Step::Name(name) => value.get_mut(name)?,
            Step::Index(index) => value.get_mut(index)?,
        };
    }
    value.as_object_mut()
}

/// The items of an element, with what stands beside them.
pub fn slots(holder: &Map<String, Value>, name: &str) -> Vec<Slot> {
    let items = |name: &str| match holder.get(name) {
        Some(Value::Array(items)) => items.clone(),
        Some(value) => vec![value.clone()],
        None => Vec::new(),
    };
    let (mut values, mut companions) = (items(name), items(&format!("_{name}")));
    let count = values.len().max(companions.len());
    values.resize(count, Value::Null);
    companions.resize(count, Value::Null);
    let pairs = values.into_iter().zip(companions);
    pairs
        .map(|(value, companion)| Slot { value, companion })
        .collect()
}

/// Puts the items of an element back; none of them takes the element away.
pub fn set_slots(holder: &mut Map<String, Value>, name: &str, slots: Vec<Slot>, is_array: bool) {
    let (values, companions): (Vec<Value>, Vec<Value>) = slots
        .into_iter()
        .map(|slot| (slot.value, slot.companion))
        .unzip();
    for (name, mut items) in [(name.to_owned(), values), (format!("_{name}"), companions)] {
        if items.iter().all(Value::is_null) {
            holder.shift_remove(&name);
        } else if is_array {
            holder.insert(name, Value::Array(items));
        } else {
            holder.insert(name, items.remove(0));
        }
    }
}
