//! The resources of a test in memory, and what a published expression gives of them.

use andiron::definitions::{Definitions, SearchParameter};
use andiron::fhirpath::{Context, Expression, Item, Model, Node};
use serde_json::Value;
use std::cell::RefCell;
use std::collections::HashMap;
use std::rc::Rc;
use std::sync::Arc;

use crate::harness::BASE;

/// A stored resource, as the server gave it back.
#[derive(Clone, Debug)]
pub struct Record {
    pub kind: String,
    pub id: String,
    pub json: Value,
}

impl Record {
    /// `Patient/1`
    pub fn name(&self) -> String {
        format!("{}/{}", self.kind, self.id)
    }
}

/// What conditions are asked of: a resource of its own, or one that another contains.
#[derive(Clone, Copy, Debug)]
pub struct Subject<'w> {
    pub json: &'w Value,
    pub container: &'w Value,
}

impl<'w> Subject<'w> {
    pub fn whole(json: &'w Value) -> Subject<'w> {
        Subject {
            json,
            container: json,
        }
    }

    pub fn kind(&self) -> &'w str {
        self.json["resourceType"].as_str().unwrap_or_default()
    }
}

/// One value that an expression gives.
#[derive(Clone, Debug, PartialEq)]
pub struct Element {
    /// `CodeableConcept`, `string`; `System.Boolean` and the like where it is computed.
    pub kind: String,
    /// Whether it is a uri, or derives from it: canonical, url, oid, uuid.
    pub is_uri: bool,
    /// Null where there are extensions only.
    pub value: Value,
    /// The type that has this element, and its name there: `HumanName` and `family`.
    pub owner: String,
    pub name: String,
}

impl Element {
    /// A member that is a text.
    pub fn text(&self, member: &str) -> Option<&str> {
        self.value.get(member)?.as_str()
    }
}

/// For each element that a composite stands on, the values of each of its parts.
pub type Tuples = Vec<Vec<Vec<Element>>>;

/// By the address of a resource and the URL of a parameter.
type Known<T> = RefCell<HashMap<(usize, String), Rc<T>>>;

pub struct World {
    pub records: Vec<Record>,
    by_name: HashMap<String, usize>,
    pub definitions: Arc<Definitions>,
    model: Model,
    expressions: RefCell<HashMap<String, Rc<Expression>>>,
    values: Known<Vec<Element>>,
    tuples: Known<Tuples>,
}

impl World {
    pub fn new(records: Vec<Record>) -> World {
        let definitions = Definitions::r4();
        let names = records.iter().enumerate();
        World {
            by_name: names.map(|(at, record)| (record.name(), at)).collect(),
            records,
            model: Model::new(definitions.clone()),
            definitions,
            expressions: RefCell::default(),
            values: RefCell::default(),
            tuples: RefCell::default(),
        }
    }

    /// The same world without some of its resources.
    pub fn with_only(&self, keep: impl Fn(&Record) -> bool) -> World {
        World::new(self.records.iter().filter(|r| keep(r)).cloned().collect())
    }

    pub fn find(&self, name: &str) -> Option<&Record> {
        self.records.get(*self.by_name.get(name)?)
    }

    pub fn of_kind<'w>(&'w self, kind: &'w str) -> impl Iterator<Item = &'w Record> {
        self.records
            .iter()
            .filter(move |record| record.kind == kind)
    }

    pub fn parameter(&self, kind: &str, code: &str) -> Option<Arc<SearchParameter>> {
        self.definitions.search_parameter(kind, code).cloned()
    }

    /// The code system that a `code` has by its required binding.
    pub fn implicit_system(&self, element: &Element) -> Option<String> {
        self.definitions
            .implicit_system(&element.owner, &element.name)
    }

    /// What the parameter's expression gives of the resource.
    pub fn values(&self, subject: Subject<'_>, parameter: &SearchParameter) -> Rc<Vec<Element>> {
        let key = (
            std::ptr::from_ref(subject.json) as usize,
            parameter.url.clone(),
        );
        if let Some(known) = self.values.borrow().get(&key) {
            return known.clone();
        }
        let text = parameter.expression.as_deref().unwrap_or("{}");
        let mut found = Vec::new();
        // The id of a contained resource is a name within its container, no `_id`.
        let is_contained = !std::ptr::eq(subject.json, subject.container);
        if !(is_contained && matches!(parameter.code.as_str(), "_id" | "_lastUpdated")) {
            self.visit(subject, text, &mut |item, _| found.extend(element(item)));
        }
        let found = Rc::new(found);
        self.values.borrow_mut().insert(key, found.clone());
        found
    }

    /// The same without regard to what a reference resolves to: what is known by its
    /// identifier only resolves to nothing, and is of whatever type is asked for.
    pub fn unresolved(&self, subject: Subject<'_>, parameter: &SearchParameter) -> Vec<Element> {
        let text = parameter.expression.as_deref().unwrap_or("{}");
        let mut parts = text.split(".where(resolve() is ");
        let mut whole = parts.next().unwrap_or_default().to_owned();
        for part in parts {
            whole.push_str(part.split_once(')').map_or("", |(_, rest)| rest));
        }
        let mut found = Vec::new();
        self.visit(subject, &whole, &mut |item, _| found.extend(element(item)));
        found
    }

    /// What a composite's expression gives, each taken apart by its components.
    pub fn tuples(&self, subject: Subject<'_>, parameter: &SearchParameter) -> Rc<Tuples> {
        let key = (
            std::ptr::from_ref(subject.json) as usize,
            parameter.url.clone(),
        );
        if let Some(known) = self.tuples.borrow().get(&key) {
            return known.clone();
        }
        let text = parameter.expression.as_deref().unwrap_or("{}");
        let mut found = Tuples::new();
        self.visit(subject, text, &mut |item, context| {
            let Item::Node(root) = item else { return };
            let parts = parameter.component.iter().map(|component| {
                let expression = self.expression(&component.expression);
                let items = expression.evaluate(context, *root).unwrap_or_default();
                items.iter().filter_map(element).collect()
            });
            found.push(parts.collect());
        });
        let found = Rc::new(found);
        self.tuples.borrow_mut().insert(key, found.clone());
        found
    }

    fn visit(
        &self,
        subject: Subject<'_>,
        text: &str,
        each: &mut dyn FnMut(&Item<'_>, &Context<'_>),
    ) {
        let expression = self.expression(text);
        let Some(node) = Node::resource(&self.model, subject.json) else {
            return;
        };
        let container = Node::resource(&self.model, subject.container);
        let context = Context::new(&self.model, container.unwrap_or(node), BASE);
        for item in expression.evaluate(&context, node).unwrap_or_default() {
            each(&item, &context);
        }
    }

    fn expression(&self, text: &str) -> Rc<Expression> {
        let known = self.expressions.borrow().get(text).cloned();
        known.unwrap_or_else(|| {
            let expression = Expression::compile_for_search(text);
            let expression = expression.unwrap_or_else(|e| panic!("{text}: {e}"));
            let expression = Rc::new(expression);
            let mut all = self.expressions.borrow_mut();
            all.insert(text.to_owned(), expression.clone());
            expression
        })
    }
}

fn element(item: &Item<'_>) -> Option<Element> {
    let computed = |kind: &str, value: Value| Element {
        kind: kind.to_owned(),
        is_uri: false,
        value,
        owner: String::new(),
        name: String::new(),
    };
    match item {
        Item::Node(node) => Some(Element {
            kind: node.node_type.key.clone(),
            is_uri: node.node_type.is("uri"),
            value: node.value.cloned().unwrap_or_default(),
            owner: node.choice.map(|c| c.owner.clone()).unwrap_or_default(),
            name: node.choice.map(|c| c.json_name.clone()).unwrap_or_default(),
        }),
        Item::Boolean(value) => Some(computed("System.Boolean", Value::Bool(*value))),
        Item::String(text) => Some(computed("System.String", text.as_ref().into())),
        _ => None,
    }
}
