//! One pass over what is loaded: the answer as far as it is known, and what has yet to be loaded
//! for the rest. <https://hl7.org/fhir/R4/graphql.html>
//!
//! A pass does no I/O. Where it meets a reference or a search whose result is not there it notes
//! that it wants it and goes on; `load` fetches all that a pass wanted at once, so that there are
//! as many passes as references follow each other, whatever the number of resources.

use super::document::{Field, Item, Operation, Shape, Slice};
use super::elements;
use super::introspection::{self, Meta, Of, Says};
use super::loaded::{Found, Key, Loaded, SearchKey, Stored, Wants};
use super::output::{Output, Stands};
use super::problem::Problem;
use super::schema::{self, Member, RootField, Style};
use super::search_arguments::{self, CURSORS};
use super::{Limits, Scope};
use crate::definitions::TypeKind;
use crate::error::Category;
use crate::fhir::reference::Target;
use crate::fhir::{Instant, ResourceType};
use crate::fhirpath::{Choice, Context, Model, Node, Type};
use crate::search::live::Edition;
use indexmap::IndexMap;
use serde_json::{Map, Value, json};
use std::sync::Arc;

/// What every pass of a request stands on.
pub struct Ground {
    pub operation: Operation,
    pub scope: Scope,
    pub model: Arc<Model>,
    pub edition: Arc<Edition>,
    pub base: String,
    pub limits: Limits,
    /// Matches that a list may have, and a page without `_count`.
    pub most_matches: usize,
    pub now: Instant,
    pub deadline: std::time::Instant,
}

/// What a pass brought.
#[derive(Debug)]
pub struct Passed {
    pub data: Value,
    pub wants: Wants,
    pub problems: Vec<Problem>,
}

/// What fields are asked of.
#[derive(Clone, Copy)]
enum Thing<'a> {
    System,
    Written,
    Object(Place<'a>),
    Connection(&'a Found, ResourceType, Option<usize>),
    Edge(&'a Found, ResourceType, usize),
}

/// An object, and the resource that it is of.
#[derive(Clone, Copy)]
struct Place<'a> {
    node: Node<'a>,
    of: Node<'a>,
}

/// How what is flattened goes on: whether its parents repeat, and what is behind its names.
#[derive(Clone, Copy)]
struct Within<'s> {
    repeats: bool,
    suffix: &'s str,
}

const PLAIN: Within<'static> = Within {
    repeats: false,
    suffix: "",
};

/// What looking for a resource brought.
enum Looked<'a> {
    There(Place<'a>),
    /// It has yet to be loaded.
    Wanted,
    Nowhere(Problem),
}

struct Pass<'a> {
    ground: &'a Ground,
    loaded: &'a Loaded,
    wants: Wants,
    problems: Vec<Problem>,
    path: Vec<Value>,
    /// Of the answer so far.
    bytes: usize,
    is_stopped: bool,
}

pub fn pass(ground: &Ground, loaded: &Loaded) -> Passed {
    let mut pass = Pass {
        ground,
        loaded,
        wants: Wants::default(),
        problems: Vec::new(),
        path: Vec::new(),
        bytes: 0,
        is_stopped: false,
    };
    let thing = match &ground.scope {
        _ if ground.operation.is_mutation => Some(Thing::Written),
        Scope::System => Some(Thing::System),
        Scope::Instance(of, id) => match pass.resource(*of, id, None) {
            Looked::There(place) => Some(Thing::Object(place)),
            Looked::Wanted => None,
            Looked::Nowhere(problem) => {
                pass.problems.push(problem);
                None
            }
        },
    };
    let mut output = Output::default();
    if let Some(thing) = thing {
        pass.fill(thing, &[&ground.operation.items], &mut output, PLAIN);
    }
    Passed {
        data: output.finish(),
        wants: pass.wants,
        problems: pass.problems,
    }
}

impl<'a> Pass<'a> {
    fn say(&mut self, problem: Problem, field: &Field) {
        if self.problems.len() < self.ground.limits.problems {
            let problem = Problem {
                path: self.path.clone(),
                ..problem
            };
            self.problems.push(problem.at(field.location));
        }
    }

    fn stop(&mut self, text: String, field: &Field) {
        self.is_stopped = true;
        self.problems.clear();
        self.say(Problem::costly(text), field);
    }

    fn model(&self) -> &'a Model {
        &self.ground.model
    }

    /// Adds what the fields say of a thing.
    fn fill(
        &mut self,
        thing: Thing<'a>,
        items: &[&'a [Item]],
        output: &mut Output,
        within: Within<'_>,
    ) {
        let mut groups: IndexMap<&'a str, Vec<&'a Field>> = IndexMap::new();
        for items in items {
            gather(&thing, items, &mut groups);
        }
        for (key, group) in groups {
            let Some(first) = group.first().copied() else {
                continue;
            };
            if std::time::Instant::now() > self.ground.deadline {
                self.stop("expected a query that takes less time".to_owned(), first);
            }
            if self.is_stopped {
                return;
            }
            self.path.push(json!(key));
            let mut slot = Slot {
                group: &group,
                first,
                output: &mut *output,
                within,
            };
            match thing {
                _ if matches!(first.name.as_str(), "__schema" | "__type") => {
                    self.schema(&mut slot);
                }
                Thing::System => self.of_system(&mut slot),
                Thing::Written => self.of_written(&mut slot),
                Thing::Object(place) => self.of_object(place, &mut slot),
                Thing::Connection(found, of, offset) => {
                    self.of_connection(found, of, offset, &mut slot);
                }
                Thing::Edge(found, of, index) => self.of_edge(found, of, index, &mut slot),
            }
            self.path.pop();
        }
    }

    /// `__schema` and `__type`.
    fn schema(&mut self, slot: &mut Slot<'_, 'a>) {
        let ground = introspection::Ground {
            model: self.model(),
            registry: &self.ground.edition.searchable,
            root: match &self.ground.scope {
                Scope::System => None,
                Scope::Instance(of, _) => Some(*of),
            },
        };
        let items: Vec<&'a [Item]> = slot
            .group
            .iter()
            .map(|field| field.items.as_slice())
            .collect();
        let name = slot
            .first
            .argument("name")
            .and_then(|name| name.value.as_str());
        let meta = match (slot.first.name.as_str(), name) {
            ("__schema", _) => Some(Meta::Schema),
            (_, name) => {
                let named = name.and_then(|name| ground.types().remove(name));
                named.map(|named| Meta::Type(Of::Named(named)))
            }
        };
        let value = match meta {
            Some(meta) => self.introspect(&ground, &meta, &items, slot.first),
            None => Value::Null,
        };
        self.add(value, 0, "string", Stands::Alone, slot, "");
    }

    /// What is asked of a thing of the schema; here null is said, since tools ask for it.
    fn introspect(
        &mut self,
        ground: &introspection::Ground<'a>,
        meta: &Meta<'a>,
        items: &[&'a [Item]],
        field: &'a Field,
    ) -> Value {
        let mut groups: IndexMap<&'a str, Vec<&'a Field>> = IndexMap::new();
        for items in items {
            gather(&Thing::System, items, &mut groups);
        }
        let mut object = Map::new();
        for (key, group) in groups {
            let Some(first) = group.first() else { continue };
            self.bytes += key.len() + 8;
            if self.bytes > self.ground.limits.bytes {
                let most = self.ground.limits.bytes;
                self.stop(format!("expected an answer of at most {most} bytes"), field);
            } else if std::time::Instant::now() > self.ground.deadline {
                self.stop("expected a query that takes less time".to_owned(), field);
            }
            if self.is_stopped {
                break;
            }
            let items: Vec<&'a [Item]> = group.iter().map(|field| field.items.as_slice()).collect();
            let value = match ground.says(meta, &first.name) {
                _ if first.name == "__typename" => json!(meta.kind()),
                Says::Value(value) => {
                    self.bytes += value.as_str().map_or(4, str::len);
                    value
                }
                Says::One(one) => self.introspect(ground, &one, &items, field),
                Says::Many(many) => many
                    .iter()
                    .map(|one| self.introspect(ground, one, &items, field))
                    .collect(),
            };
            object.insert(key.to_owned(), value);
        }
        Value::Object(object)
    }

    fn of_system(&mut self, slot: &mut Slot<'_, 'a>) {
        match schema::root_field(&slot.first.name) {
            Some(RootField::Read(of)) => {
                let id = slot.first.argument("id").or(slot.first.argument("_id"));
                let id = id.and_then(|id| search_arguments::scalar(&id.value));
                let looked = self.resource(of, &id.unwrap_or_default(), None);
                match looked {
                    Looked::There(place) => {
                        self.object(Thing::Object(place), of.name(), false, slot, "")
                    }
                    Looked::Wanted => {}
                    Looked::Nowhere(problem) => self.say(problem, slot.first),
                }
            }
            Some(RootField::Search(of, style)) => self.search(of, style, None, slot),
            None => self.leaf(&json!("Query"), "string", Stands::Alone, slot, ""),
        }
    }

    /// What a mutation has written.
    fn of_written(&mut self, slot: &mut Slot<'_, 'a>) {
        let loaded = self.loaded;
        match loaded.written.get(&slot.first.key) {
            Some(Some(resource)) => {
                if let Some(node) = Node::resource(self.model(), resource) {
                    let place = Place { node, of: node };
                    let kind = node.node_type.key.as_str();
                    self.object(Thing::Object(place), kind, false, slot, "");
                }
            }
            Some(None) => self.leaf(&Value::Null, "string", Stands::Alone, slot, ""),
            None if slot.first.name == "__typename" => {
                self.leaf(&json!("Mutation"), "string", Stands::Alone, slot, "");
            }
            None => {}
        }
    }

    fn of_object(&mut self, place: Place<'a>, slot: &mut Slot<'_, 'a>) {
        let of: &'a Type = place.node.node_type;
        let name = slot.first.name.as_str();
        if name == "__typename" {
            // What stands beside a primitive is an Element.
            let name = match of.kind {
                TypeKind::Primitive => json!("Element"),
                _ => json!(schema::type_name(&of.key)),
            };
            return self.leaf(&name, "string", slot.stands(false), slot, "");
        }
        let has_items = !slot.first.items.is_empty();
        match schema::member(self.model(), of, name) {
            // Another type has it, or has it as a value where this one has an object.
            None => {}
            Some(Member::ResourceType) => {
                self.leaf(&json!(of.key), "string", slot.stands(false), slot, "");
            }
            Some(Member::Leaf(choice)) if !has_items => self.leaves(place, choice, slot),
            Some(Member::Element(choice, of)) if has_items => {
                self.elements(place, choice, Some(of), slot);
            }
            Some(Member::Inner(choice)) if has_items => self.elements(place, choice, None, slot),
            Some(Member::Companion(choice, of)) if has_items => {
                self.companions(place, choice, of, slot);
            }
            Some(Member::Resolve) => self.resolve(place, slot),
            Some(Member::Search(of, style)) => self.search(of, style, Some(place), slot),
            Some(
                Member::Leaf(_) | Member::Element(..) | Member::Inner(_) | Member::Companion(..),
            ) => {}
        }
    }

    /// The values of a primitive element.
    fn leaves(&mut self, place: Place<'a>, choice: &'a Choice, slot: &mut Slot<'_, 'a>) {
        let Some(value) = place.node.get(&choice.json_name) else {
            return;
        };
        let values = match value {
            Value::Array(values) => values.as_slice(),
            value => std::slice::from_ref(value),
        };
        let shape = &slot.first.shape;
        let stands = slot.stands(choice.field.is_array);
        let values = &values[..if shape.first {
            values.len().min(1)
        } else {
            values.len()
        }];
        for (index, value) in values.iter().enumerate() {
            let node = choice.value_type(self.model()).map(|of| Node {
                value: Some(value),
                companion: None,
                node_type: of,
                choice: Some(choice),
            });
            let Some(suffix) = self.suffix(place.of, node, index, slot) else {
                continue;
            };
            self.leaf(value, &choice.field.type_code, stands, slot, &suffix);
        }
    }

    /// The objects of an element, or the resources where one stands.
    fn elements(
        &mut self,
        place: Place<'a>,
        choice: &'a Choice,
        of: Option<&'a Type>,
        slot: &mut Slot<'_, 'a>,
    ) {
        let Some(value) = place.node.get(&choice.json_name) else {
            return;
        };
        let values = match value {
            Value::Array(values) => values.as_slice(),
            value => std::slice::from_ref(value),
        };
        let mut nodes = Vec::with_capacity(values.len());
        for value in values {
            let node = match of {
                Some(of) => Some(Node {
                    value: Some(value),
                    companion: None,
                    node_type: of,
                    choice: Some(choice),
                }),
                None => Node::resource(self.model(), value),
            };
            nodes.extend(node);
        }
        let context = self.context(place.of);
        let nodes = match elements::selected(&context, slot.first, nodes) {
            Ok(nodes) => nodes,
            Err(text) => return self.say(Problem::invalid(text), slot.first),
        };
        for (index, node) in nodes.into_iter().enumerate() {
            let Some(suffix) = self.suffix(place.of, Some(node), index, slot) else {
                continue;
            };
            // What is contained refers to others in the same resource; what a Bundle holds does not.
            let of = match choice.field.is_resource && choice.json_name != "contained" {
                true => node,
                false => place.of,
            };
            let kind = choice.field.type_code.as_str();
            let thing = Thing::Object(Place { node, of });
            self.path.push(json!(index));
            self.object(thing, kind, choice.field.is_array, slot, &suffix);
            self.path.pop();
        }
    }

    /// Ids and extensions of a primitive element: null where one of several has none.
    fn companions(
        &mut self,
        place: Place<'a>,
        choice: &'a Choice,
        of: &'a Type,
        slot: &mut Slot<'_, 'a>,
    ) {
        let name = choice.companion.as_deref().unwrap_or_default();
        let Some(value) = place.node.get(name) else {
            return;
        };
        let values = match value {
            Value::Array(values) => values.as_slice(),
            value => std::slice::from_ref(value),
        };
        for value in values {
            if value.is_null() {
                let stands = slot.stands(choice.field.is_array);
                self.leaf(value, "Element", stands, slot, "");
                continue;
            }
            // Its members are those of the object, which stands as the companion of no value.
            let node = Node {
                value: Some(value),
                companion: None,
                node_type: of,
                choice: Some(choice),
            };
            let thing = Thing::Object(Place { node, of: place.of });
            self.object(thing, "Element", choice.field.is_array, slot, "");
        }
    }

    /// Adds one object, or what it has where it is flattened.
    fn object(
        &mut self,
        thing: Thing<'a>,
        kind: &str,
        repeats: bool,
        slot: &mut Slot<'_, 'a>,
        suffix: &str,
    ) {
        let items: Vec<&'a [Item]> = slot
            .group
            .iter()
            .map(|field| field.items.as_slice())
            .collect();
        if slot.first.shape.flatten {
            let suffix = format!("{}{suffix}", slot.within.suffix);
            let within = Within {
                repeats: slot.within.repeats || repeats,
                suffix: &suffix,
            };
            return self.fill(thing, &items, slot.output, within);
        }
        let mut inner = Output::default();
        self.fill(thing, &items, &mut inner, PLAIN);
        let stands = slot.stands(repeats);
        self.add(inner.finish(), 2, kind, stands, slot, suffix);
    }

    fn leaf(
        &mut self,
        value: &Value,
        kind: &str,
        stands: Stands,
        slot: &mut Slot<'_, 'a>,
        suffix: &str,
    ) {
        let length = match value {
            Value::String(text) => text.len(),
            _ => 8,
        };
        self.add(value.clone(), length, kind, stands, slot, suffix);
    }

    fn add(
        &mut self,
        value: Value,
        length: usize,
        kind: &str,
        stands: Stands,
        slot: &mut Slot<'_, 'a>,
        suffix: &str,
    ) {
        let name = format!("{}{}{suffix}", slot.first.key, slot.within.suffix);
        self.bytes += name.len() + length + 4;
        let most = self.ground.limits.bytes;
        if self.bytes > most {
            let text = format!("expected an answer of at most {most} bytes");
            return self.stop(text, slot.first);
        }
        if let Err(text) = slot.output.add(&name, value, stands, kind) {
            self.say(Problem::new(Category::Unprocessable, text), slot.first);
        }
    }

    /// What `@slice` puts behind the name of an element; `None` where it cannot be told.
    fn suffix(
        &mut self,
        of: Node<'a>,
        node: Option<Node<'a>>,
        index: usize,
        slot: &Slot<'_, 'a>,
    ) -> Option<String> {
        let first: &'a Field = slot.first;
        let text = match (&first.shape.slice, node) {
            (None, _) => return Some(String::new()),
            (Some(Slice::Index), _) => Ok(index.to_string()),
            (Some(Slice::Path(_)), None) => Ok(String::new()),
            (Some(Slice::Path(path)), Some(node)) => elements::text(&self.context(of), path, node),
        };
        text.map(|text| format!(".{text}"))
            .map_err(|text| self.say(Problem::invalid(text), first))
            .ok()
    }

    fn context(&self, of: Node<'a>) -> Context<'a> {
        let mut context = Context::new(self.model(), of, &self.ground.base);
        context.now = Some(self.ground.now);
        context.limits.steps = self.ground.limits.steps;
        context.limits.deadline = Some(self.ground.deadline);
        context
    }

    /// The resource that a Reference points at.
    fn resolve(&mut self, place: Place<'a>, slot: &mut Slot<'_, 'a>) {
        let (looked, of) = self.looked(place);
        let is_meant = |field: &&&Field, of: ResourceType| {
            let wanted = field
                .argument("type")
                .and_then(|wanted| wanted.value.as_str());
            wanted.is_none_or(|wanted| wanted == of.name())
        };
        let all = slot.group;
        let meant: Vec<&'a Field> = match of {
            Some(of) => all
                .iter()
                .filter(|field| is_meant(field, of))
                .copied()
                .collect(),
            None => all.to_vec(),
        };
        let Some(first) = meant.first().copied() else {
            return;
        };
        let place = match looked {
            Looked::There(place) => place,
            // What is of another type than is asked for need not be there.
            Looked::Wanted => return self.want(place),
            Looked::Nowhere(problem) => {
                let is_optional = |field: &&Field| {
                    field
                        .argument("optional")
                        .is_some_and(|optional| optional.value == true)
                };
                if !meant.iter().all(is_optional) {
                    self.say(problem, first);
                }
                return;
            }
        };
        let mut slot = Slot {
            group: &meant,
            first,
            output: &mut *slot.output,
            within: slot.within,
        };
        let kind = place.node.node_type.key.as_str();
        self.object(Thing::Object(place), kind, false, &mut slot, "");
    }

    /// What a Reference leads to, and of which type that is as far as it can be told.
    fn looked(&mut self, place: Place<'a>) -> (Looked<'a>, Option<ResourceType>) {
        let nowhere = |text: String| {
            let problem = Problem::new(Category::Unprocessable, text);
            (Looked::Nowhere(problem), None)
        };
        let Some(text) = place.node.get("reference").and_then(Value::as_str) else {
            return nowhere("expected a reference to a resource but found none".to_owned());
        };
        match Target::parse(text, &self.ground.base) {
            Target::Contained(id) => {
                let contained = place.of.get("contained").and_then(Value::as_array);
                let mut contained = contained.into_iter().flatten();
                let found = match id {
                    "" => Some(place.of),
                    id => contained
                        .find(|inner| inner["id"] == id)
                        .and_then(|inner| Node::resource(self.model(), inner)),
                };
                match found {
                    Some(node) => {
                        let of = ResourceType::parse(&node.node_type.key);
                        (Looked::There(Place { node, of: place.of }), of)
                    }
                    None => nowhere(format!(
                        "expected a contained resource but found none for {text}"
                    )),
                }
            }
            Target::Local {
                resource_type,
                id,
                version,
            } => {
                let version = version.map(|version| version.parse().unwrap_or(i32::MAX));
                let looked = self.resource_without_wanting(resource_type, id, version);
                (looked, Some(resource_type))
            }
            _ => nowhere(format!(
                "expected a reference to a resource of this server but found {text}"
            )),
        }
    }

    /// Notes that the resource of a Reference is to be loaded.
    fn want(&mut self, place: Place<'a>) {
        let text = place.node.get("reference").and_then(Value::as_str);
        let target = text.map(|text| Target::parse(text, &self.ground.base));
        if let Some(Target::Local {
            resource_type,
            id,
            version,
        }) = target
        {
            let version = version.map(|version| version.parse().unwrap_or(i32::MAX));
            self.wants
                .resources
                .insert(Key::new(resource_type, id, version));
        }
    }

    /// A resource by its identity; what is not loaded is wanted.
    fn resource(&mut self, of: ResourceType, id: &str, version: Option<i32>) -> Looked<'a> {
        let looked = self.resource_without_wanting(of, id, version);
        if let Looked::Wanted = looked {
            self.wants.resources.insert(Key::new(of, id, version));
        }
        looked
    }

    fn resource_without_wanting(
        &self,
        of: ResourceType,
        id: &str,
        version: Option<i32>,
    ) -> Looked<'a> {
        match self.loaded.resources.get(&Key::new(of, id, version)) {
            None => Looked::Wanted,
            Some(Stored::There(value)) => match Node::resource(&self.ground.model, value) {
                Some(node) => Looked::There(Place { node, of: node }),
                None => Looked::Nowhere(Problem::new(
                    Category::NotFound,
                    format!("{of}/{id} is no resource of R4"),
                )),
            },
            Some(Stored::Gone) => Looked::Nowhere(Problem::new(
                Category::Gone,
                format!("{of}/{id} was deleted"),
            )),
            Some(Stored::Nowhere) => Looked::Nowhere(Problem::new(
                Category::NotFound,
                format!("there is no {of} with the id {id}"),
            )),
        }
    }

    fn search(
        &mut self,
        of: ResourceType,
        style: Style,
        around: Option<Place<'a>>,
        slot: &mut Slot<'_, 'a>,
    ) {
        let first = slot.first;
        let (key, offset) = match self.search_key(of, style, around, slot) {
            Ok(found) => found,
            Err(text) => return self.say(Problem::invalid(text), first),
        };
        let loaded = self.loaded;
        let found = match loaded.searches.get(&key) {
            None => {
                self.wants.searches.insert(key);
                return;
            }
            Some(Err(problem)) => return self.say(problem.clone(), first),
            Some(Ok(found)) => found,
        };
        match style {
            Style::Connection => {
                let thing = Thing::Connection(found, of, offset);
                self.object(thing, "Connection", false, slot, "");
            }
            Style::List if found.has_more && first.argument("_count").is_none() => {
                let most = self.ground.most_matches;
                let text = format!(
                    "expected at most {most} matches of {} but found more: {of}Connection gives them \
                     page by page, _count the first of them",
                    first.name
                );
                self.say(Problem::costly(text), first);
            }
            Style::List => self.list(found, of, slot),
        }
    }

    fn list(&mut self, found: &'a Found, of: ResourceType, slot: &mut Slot<'_, 'a>) {
        let kind = of.name();
        if !slot.first.shape.flatten
            && slot.first.shape.slice.is_none()
            && !slot.first.shape.singleton
        {
            let name = format!("{}{}", slot.first.key, slot.within.suffix);
            slot.output.begin_list(&name, kind);
        }
        for (index, value) in found.resources.iter().enumerate() {
            let Some(place) = self.kept(value, slot.first) else {
                continue;
            };
            let Some(suffix) = self.suffix(place.of, Some(place.node), index, slot) else {
                continue;
            };
            self.path.push(json!(index));
            self.object(Thing::Object(place), kind, true, slot, &suffix);
            self.path.pop();
            if slot.first.shape.first {
                return;
            }
        }
    }

    /// A match, unless the argument fhirpath leaves it out.
    fn kept(&mut self, value: &'a Value, field: &'a Field) -> Option<Place<'a>> {
        let node = Node::resource(self.model(), value)?;
        let place = Place { node, of: node };
        let holds = match &field.fhirpath {
            None => Ok(true),
            Some(path) => elements::holds(&self.context(node), path, node),
        };
        match holds {
            Ok(holds) => holds.then_some(place),
            Err(text) => {
                self.say(Problem::invalid(text), field);
                None
            }
        }
    }

    /// The search that the arguments ask for, and the offset of its page.
    fn search_key(
        &self,
        of: ResourceType,
        style: Style,
        around: Option<Place<'a>>,
        slot: &Slot<'_, 'a>,
    ) -> Result<(SearchKey, Option<usize>), String> {
        let field = slot.first;
        let cursor = CURSORS.iter().find_map(|name| field.argument(name));
        if let Some(cursor) = cursor {
            let text = cursor.value.as_str().unwrap_or_default();
            let (pairs, offset) = search_arguments::of_cursor(text, of)?;
            return Ok((SearchKey { of, pairs }, offset));
        }
        let focal = match around {
            None => None,
            Some(place) => {
                let id = place.node.get("id").and_then(Value::as_str);
                let id = id.ok_or("expected a resource with an id")?;
                Some(format!("{}/{id}", place.node.node_type.key))
            }
        };
        let registry = &self.ground.edition.searchable;
        let mut pairs = search_arguments::pairs(registry, of, field, focal.as_deref())?;
        let has_count = pairs.iter().any(|(name, _)| name == "_count");
        if style == Style::List && !has_count {
            pairs.push(("_count".to_owned(), self.ground.most_matches.to_string()));
        }
        if style == Style::Connection
            && slot
                .group
                .iter()
                .any(|field| selects(&field.items, "count"))
        {
            pairs.push(("_total".to_owned(), "accurate".to_owned()));
        }
        Ok((SearchKey { of, pairs }, Some(0)))
    }

    fn of_connection(
        &mut self,
        found: &'a Found,
        of: ResourceType,
        offset: Option<usize>,
        slot: &mut Slot<'_, 'a>,
    ) {
        let matches = found.resources.len();
        let cursor = |name: &str, offset: Option<usize>| {
            let link = found.links.get(name)?;
            Some(json!(search_arguments::cursor(link, of, offset)))
        };
        let value = match slot.first.name.as_str() {
            "__typename" => Some(json!(format!("{of}Connection"))),
            "count" => found.total.map(|total| json!(total)),
            "offset" => offset.map(|offset| json!(offset)),
            "pagesize" => Some(json!(found.page_size)),
            "first" => cursor("first", Some(0)),
            "previous" => cursor(
                "previous",
                offset.map(|at| at.saturating_sub(found.page_size)),
            ),
            "next" => cursor("next", offset.map(|at| at + matches)),
            "last" => {
                let total = found.total.and_then(|total| usize::try_from(total).ok());
                cursor(
                    "last",
                    total.map(|total| total.saturating_sub(found.page_size)),
                )
            }
            _ => return self.edges(found, of, slot),
        };
        if let Some(value) = value {
            self.leaf(&value, "string", slot.stands(false), slot, "");
        }
    }

    fn edges(&mut self, found: &'a Found, of: ResourceType, slot: &mut Slot<'_, 'a>) {
        for index in 0..found.resources.len() {
            self.path.push(json!(index));
            self.object(Thing::Edge(found, of, index), "Edge", true, slot, "");
            self.path.pop();
        }
    }

    fn of_edge(
        &mut self,
        found: &'a Found,
        of: ResourceType,
        index: usize,
        slot: &mut Slot<'_, 'a>,
    ) {
        match slot.first.name.as_str() {
            "__typename" => self.leaf(
                &json!(format!("{of}Edge")),
                "string",
                slot.stands(false),
                slot,
                "",
            ),
            "mode" => self.leaf(&json!("match"), "code", slot.stands(false), slot, ""),
            "score" => {
                if let Some(score) = found.scores.get(index).copied().flatten() {
                    self.leaf(&json!(score), "decimal", slot.stands(false), slot, "");
                }
            }
            _ => {
                let node = found.resources.get(index);
                let node = node.and_then(|value| Node::resource(self.model(), value));
                if let Some(node) = node {
                    let place = Place { node, of: node };
                    self.object(Thing::Object(place), of.name(), false, slot, "");
                }
            }
        }
    }
}

/// The fields of one name in the answer, and where what they say goes.
struct Slot<'s, 'a> {
    group: &'s [&'a Field],
    first: &'a Field,
    output: &'s mut Output,
    within: Within<'s>,
}

impl Slot<'_, '_> {
    fn stands(&self, repeats: bool) -> Stands {
        let shape: &Shape = &self.first.shape;
        match repeats || self.within.repeats {
            _ if shape.singleton => Stands::Single,
            true => Stands::InList,
            false => Stands::Alone,
        }
    }
}

/// The fields that are about a thing, by their keys.
fn gather<'a>(
    thing: &Thing<'_>,
    items: &'a [Item],
    groups: &mut IndexMap<&'a str, Vec<&'a Field>>,
) {
    for item in items {
        match item {
            Item::Field(field) if field.is_skipped => {}
            Item::Field(field) => groups.entry(&field.key).or_default().push(field),
            Item::On {
                is_skipped: true, ..
            } => {}
            Item::On {
                condition, items, ..
            } => {
                let is_meant = match (condition, thing) {
                    (Some((condition, _)), Thing::Object(place)) => {
                        schema::is_on(place.node.node_type, condition)
                    }
                    _ => true,
                };
                if is_meant {
                    gather(thing, items, groups);
                }
            }
        }
    }
}

/// Whether a field of that name is asked for.
fn selects(items: &[Item], name: &str) -> bool {
    items.iter().any(|item| match item {
        Item::Field(field) => field.name == name && !field.is_skipped,
        Item::On {
            items, is_skipped, ..
        } => !is_skipped && selects(items, name),
    })
}
