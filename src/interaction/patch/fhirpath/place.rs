//! Where an item of an expression stands in the JSON, and the list that it is part of.

use crate::fhirpath::Item;
use serde_json::{Map, Value, map};
use std::iter::Enumerate;
use std::slice;

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

/// Where the items of an expression stand.
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
            is_array: node.choice.is_some_and(|choice| choice.field.is_array),
            ..place
        }),
        None => Found::Nowhere,
    }
}

/// Whether these are the items of the list that the first of them is in: all, and no others.
pub fn is_whole_list(root: &Value, place: &Place, items: &[Item<'_>]) -> bool {
    let mut holder = Some(root);
    for step in &place.holder {
        holder = holder.and_then(|value| match step {
            Step::Name(name) => value.get(name),
            Step::Index(index) => value.get(index),
        });
    }
    let list = |name: &str| {
        let list = holder.and_then(|holder| holder.get(name));
        list.and_then(Value::as_array)
            .map_or(&[][..], Vec::as_slice)
    };
    let (values, companions) = (list(&place.name), list(&format!("_{}", place.name)));
    let is_at = |there: Option<&Value>, own: Option<&Value>| match (there, own) {
        (Some(there), Some(own)) => std::ptr::eq(there, own),
        _ => false,
    };
    let is_item = |(index, item): (usize, &Item<'_>)| match item {
        Item::Node(node) => {
            is_at(values.get(index), node.value) || is_at(companions.get(index), node.companion)
        }
        _ => false,
    };
    items.len() == values.len().max(companions.len()) && items.iter().enumerate().all(is_item)
}

/// What is still to be visited of one open array or object.
enum Rest<'v> {
    Items(Enumerate<slice::Iter<'v, Value>>),
    Members(map::Iter<'v>),
}

impl<'v> Rest<'v> {
    fn of(value: &'v Value) -> Option<Rest<'v>> {
        match value {
            Value::Object(members) => Some(Rest::Members(members.iter())),
            Value::Array(items) => Some(Rest::Items(items.iter().enumerate())),
            _ => None,
        }
    }

    fn next(&mut self) -> Option<(Known<'v>, &'v Value)> {
        match self {
            Rest::Items(items) => items.next().map(|(at, value)| (Known::Index(at), value)),
            Rest::Members(members) => {
                let (name, value) = members.next()?;
                Some((Known::Name(name), value))
            }
        }
    }
}

/// A step, as long as the JSON is at hand.
enum Known<'v> {
    Name(&'v str),
    Index(usize),
}

/// The way to a value by its identity, with a stack of its own.
fn way_to(root: &Value, target: &Value) -> Option<Vec<Step>> {
    let mut open = vec![(None, Rest::of(root)?)];
    while let Some((_, rest)) = open.last_mut() {
        let Some((step, value)) = rest.next() else {
            open.pop();
            continue;
        };
        if std::ptr::eq(value, target) {
            let steps = open.iter().filter_map(|(step, _)| step.as_ref());
            return Some(steps.chain([&step]).map(Known::to_step).collect());
        }
        if let Some(rest) = Rest::of(value) {
            open.push((Some(step), rest));
        }
    }
    None
}

impl Known<'_> {
    fn to_step(&self) -> Step {
        match self {
            Known::Name(name) => Step::Name((*name).to_owned()),
            Known::Index(index) => Step::Index(*index),
        }
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
