//! Whether an operation asks only for what there is: fields, arguments, fragments, and that
//! equal names in the answer mean one thing. <https://spec.graphql.org/October2021/#sec-Validation>,
//! <https://hl7.org/fhir/R4/graphql.html#fields>
//!
//! A Reference may point at many types, so that what a field is of is a set of types: a field is
//! known where one of them has it. The set is walked as one, and so costs what it holds and not
//! a power of it.
//!
//! `resource(type: Patient) {…} resource(type: Group) {…}` under one name is what R4 itself shows:
//! like fragments on different types, they are never about the same resource.

use super::Limits;
use super::document::{Field, Item, Operation};
use super::introspection;
use super::problem::Problem;
use super::schema::{self, Change, Member, RootField, Style};
use super::search_arguments::{self, CURSORS, FHIRPATH, REFERENCE};
use crate::fhir::ResourceType;
use crate::fhirpath::{Model, Type};
use crate::search::registry::Registry;
use async_graphql_parser::Pos;
use indexmap::IndexMap;
use serde_json::Value;
use std::rc::Rc;

/// What the definitions and this server have.
#[derive(Clone, Copy)]
pub struct Schema<'m> {
    pub model: &'m Model,
    pub registry: &'m Registry,
}

/// What a selection set stands in.
#[derive(Clone, Debug)]
enum Place<'m> {
    Query,
    Mutation,
    Objects(Objects<'m>),
    Connection(ResourceType),
    Edge(ResourceType),
    /// A thing of the schema, `__Type`.
    Meta(&'static str),
}

/// Objects of one of several types.
#[derive(Clone, Debug, Default)]
struct Objects<'m> {
    types: Vec<&'m Type>,
    /// Of References: what they may point at; empty for any type.
    targets: Vec<ResourceType>,
    points_anywhere: bool,
}

/// What a field holds.
enum Holds<'m> {
    Leaf,
    Set(Place<'m>),
}

/// A field with what it is of.
type Placed<'m, 'd> = (Rc<Place<'m>>, &'d Field);

/// Everything that is wrong with the operation; `root` is the type of the resource that it is
/// run on, if it is run on one.
pub fn check(
    schema: Schema<'_>,
    operation: &Operation,
    root: Option<ResourceType>,
    limits: &Limits,
) -> Vec<Problem> {
    let mut check = Check {
        schema,
        at_root: true,
        most: limits.problems,
        problems: Vec::new(),
    };
    let place = match (root, operation.is_mutation) {
        (Some(_), true) => {
            let text = "mutations are of the system: expected them at [base]/$graphql";
            return vec![Problem::invalid(text)];
        }
        (None, true) => Place::Mutation,
        (None, false) => Place::Query,
        (Some(root), false) => Place::Objects(check.resources(&[root])),
    };
    check.set(&Rc::new(place), &[&operation.items]);
    check.problems
}

struct Check<'m> {
    schema: Schema<'m>,
    /// Whether the fields of the operation itself are looked at.
    at_root: bool,
    most: usize,
    problems: Vec<Problem>,
}

impl<'m> Check<'m> {
    fn say(&mut self, text: impl Into<String>, location: Pos) {
        if self.problems.len() < self.most {
            self.problems.push(Problem::invalid(text).at(location));
        }
    }

    /// The types of these resources, or of all without any.
    fn resources(&self, of: &[ResourceType]) -> Objects<'m> {
        let model = self.schema.model;
        let types = match of.is_empty() {
            true => ResourceType::all()
                .filter_map(|of| model.resource(of))
                .collect(),
            false => of.iter().filter_map(|of| model.resource(*of)).collect(),
        };
        Objects {
            types,
            ..Objects::default()
        }
    }

    /// Checks selections that are merged.
    fn set<'d>(&mut self, place: &Rc<Place<'m>>, items: &[&'d [Item]]) {
        let mut groups: IndexMap<&'d str, Vec<Placed<'m, 'd>>> = IndexMap::new();
        for items in items {
            self.gather(place, items, &mut groups);
        }
        for group in groups.values() {
            if self.problems.len() >= self.most {
                return;
            }
            self.refuse_conflicts(group);
            let mut children: Vec<(Rc<Place<'m>>, Vec<&'d [Item]>)> = Vec::new();
            for (place, field) in group {
                let Some(child) = self.field(place, field) else {
                    continue;
                };
                let known = children.iter_mut().find(|(known, _)| known.is_like(&child));
                match known {
                    Some((_, items)) => items.push(&field.items),
                    None => children.push((Rc::new(child), vec![&field.items])),
                }
            }
            let at_root = std::mem::replace(&mut self.at_root, false);
            for (child, items) in &children {
                self.set(child, items);
            }
            self.at_root = at_root;
        }
    }

    /// The fields of a set by their keys, those of its fragments with what these narrow.
    fn gather<'d>(
        &mut self,
        place: &Rc<Place<'m>>,
        items: &'d [Item],
        groups: &mut IndexMap<&'d str, Vec<Placed<'m, 'd>>>,
    ) {
        for item in items {
            match item {
                Item::Field(field) => {
                    let group = groups.entry(field.key.as_str()).or_default();
                    group.push((place.clone(), field));
                }
                Item::On {
                    condition: None,
                    items,
                    ..
                } => self.gather(place, items, groups),
                Item::On {
                    condition: Some((condition, location)),
                    items,
                    ..
                } => match place.narrowed(condition) {
                    Some(narrowed) => self.gather(&Rc::new(narrowed), items, groups),
                    None => {
                        let text = format!("expected a fragment on {place} but found {condition}");
                        self.say(text, *location);
                    }
                },
            }
        }
    }

    /// Fields of one key must be alike where they may be about one thing.
    fn refuse_conflicts(&mut self, group: &[Placed<'m, '_>]) {
        /// More than so many different fields under one name mean nothing.
        const MOST: usize = 32;
        let mut different: Vec<&Placed<'m, '_>> = Vec::new();
        for placed in group {
            let is_known =
                |known: &&&Placed<'m, '_>| known.1.is_like(placed.1) && known.0.is_like(&placed.0);
            if different.iter().any(|known| is_known(&known)) {
                continue;
            }
            let conflict = different.iter().find(|known| {
                !known.1.is_like(placed.1)
                    && known.0.overlaps(&placed.0)
                    && !are_of_other_types(known.1, placed.1)
            });
            if conflict.is_some() || different.len() == MOST {
                let text = format!(
                    "expected one meaning of {} but found several: give them names of their own \
                     (other: {})",
                    placed.1.key, placed.1.name
                );
                self.say(text, placed.1.location);
                return;
            }
            different.push(placed);
        }
    }

    /// What a field holds, if it holds a selection; everything wrong with the field is said.
    fn field(&mut self, place: &Place<'m>, field: &Field) -> Option<Place<'m>> {
        let has_items = !field.items.is_empty();
        let holds = match field.name.as_str() {
            "__typename" => {
                self.arguments(field, &[]);
                Some(Holds::Leaf)
            }
            "__schema" if self.at_root => {
                self.arguments(field, &[]);
                Some(Holds::Set(Place::Meta("__Schema")))
            }
            "__type" if self.at_root => {
                self.arguments(field, &["name"]);
                if field
                    .argument("name")
                    .is_none_or(|name| !name.value.is_string())
                {
                    self.say("expected __type to have the argument name", field.location);
                }
                Some(Holds::Set(Place::Meta("__Type")))
            }
            _ => match place {
                Place::Query => self.of_query(field),
                Place::Mutation => self.of_mutation(field),
                Place::Objects(objects) => self.of_objects(objects, field),
                Place::Connection(of) => self.of_connection(*of, field),
                Place::Edge(of) => self.of_edge(*of, field),
                Place::Meta(kind) => self.of_meta(kind, field),
            },
        };
        let Some(holds) = holds else {
            let text = format!("expected a field of {place} but found {:?}", field.name);
            self.say(text, field.location);
            return None;
        };
        match (holds, has_items) {
            (Holds::Leaf, false) => {
                if field.shape.flatten {
                    let text = format!(
                        "expected @flatten on a field with fields, not {}",
                        field.name
                    );
                    self.say(text, field.location);
                }
                None
            }
            (Holds::Leaf, true) => {
                let text = format!("expected no fields of {}, which is a value", field.name);
                self.say(text, field.location);
                None
            }
            (Holds::Set(child), true) => Some(child),
            (Holds::Set(child), false) => {
                let text = format!("expected fields of {}, which is {child}", field.name);
                self.say(text, field.location);
                None
            }
        }
    }

    fn of_query(&mut self, field: &Field) -> Option<Holds<'m>> {
        match schema::root_field(&field.name)? {
            RootField::Read(of) => {
                self.arguments(field, &["id", "_id"]);
                let given = field.argument("id").or(field.argument("_id"));
                if given
                    .and_then(|id| search_arguments::scalar(&id.value))
                    .is_none()
                {
                    self.say(
                        format!("expected {of} to have the argument id"),
                        field.location,
                    );
                }
                Some(Holds::Set(Place::Objects(self.resources(&[of]))))
            }
            RootField::Search(of, style) => Some(self.search(of, style, field, false)),
        }
    }

    fn of_mutation(&mut self, field: &Field) -> Option<Holds<'m>> {
        let change = schema::change(&field.name)?;
        let (of, takes): (_, &[&str]) = match change {
            Change::Create(of) => (of, &["res", "resource"]),
            Change::Update(of) => (of, &["id", "res", "resource"]),
            Change::Delete(of) => (of, &["id"]),
        };
        self.arguments(field, takes);
        let has = |names: &[&str], is_right: fn(&Value) -> bool| {
            let found = names.iter().find_map(|name| field.argument(name));
            found.is_some_and(|argument| is_right(&argument.value))
        };
        if takes.contains(&"res") && !has(&["res", "resource"], Value::is_object) {
            let text = format!(
                "expected {} to have the argument res, a resource",
                field.name
            );
            self.say(text, field.location);
        }
        if takes.contains(&"id") && !has(&["id"], Value::is_string) {
            let text = format!("expected {} to have the argument id", field.name);
            self.say(text, field.location);
        }
        Some(match change {
            Change::Delete(_) => Holds::Leaf,
            _ => Holds::Set(Place::Objects(self.resources(&[of]))),
        })
    }

    fn of_connection(&mut self, of: ResourceType, field: &Field) -> Option<Holds<'m>> {
        self.arguments(field, &[]);
        match field.name.as_str() {
            "count" | "offset" | "pagesize" | "first" | "previous" | "next" | "last" => {
                Some(Holds::Leaf)
            }
            "edges" => Some(Holds::Set(Place::Edge(of))),
            _ => None,
        }
    }

    fn of_edge(&mut self, of: ResourceType, field: &Field) -> Option<Holds<'m>> {
        self.arguments(field, &[]);
        match field.name.as_str() {
            "mode" | "score" => Some(Holds::Leaf),
            "resource" => Some(Holds::Set(Place::Objects(self.resources(&[of])))),
            _ => None,
        }
    }

    fn of_meta(&mut self, kind: &str, field: &Field) -> Option<Holds<'m>> {
        let (_, values, things) = introspection::KINDS
            .iter()
            .find(|(name, ..)| *name == kind)?;
        let name = field.name.as_str();
        self.arguments(field, &["includeDeprecated"]);
        if values.contains(&name) {
            return Some(Holds::Leaf);
        }
        let (_, kind) = things.iter().find(|(known, _)| *known == name)?;
        Some(Holds::Set(Place::Meta(kind)))
    }

    /// What a field of one of these objects holds, where one of them has it.
    fn of_objects(&mut self, objects: &Objects<'m>, field: &Field) -> Option<Holds<'m>> {
        let model = self.schema.model;
        let found = objects.types.iter();
        let found: Vec<Member<'m>> = found
            .filter_map(|of| schema::member(model, of, &field.name))
            .collect();
        let first = found.first()?;
        let leaf = |member: &Member<'m>| matches!(member, Member::Leaf(_) | Member::ResourceType);
        // What is a value in one type may be an object in another.
        if found.iter().any(leaf) && (field.items.is_empty() || found.iter().all(leaf)) {
            self.arguments(field, &[]);
            return Some(Holds::Leaf);
        }
        match first {
            Member::Search(of, style) => return Some(self.search(*of, *style, field, true)),
            Member::Resolve => return Some(self.resolve(objects, field)),
            _ => {}
        }
        let mut child = Objects::default();
        for member in &found {
            match member {
                Member::Companion(_, of) => child.add(of),
                Member::Element(choice, of) => {
                    child.add(of);
                    child.point_at(&choice.field.target_types);
                }
                Member::Inner(_) => child = self.resources(&[]),
                _ => {}
            }
        }
        self.list_arguments(&child, field);
        Some(Holds::Set(Place::Objects(child)))
    }

    fn resolve(&mut self, objects: &Objects<'m>, field: &Field) -> Holds<'m> {
        self.arguments(field, &["optional", "type"]);
        if let Some(optional) = field.argument("optional")
            && !optional.value.is_boolean()
        {
            let text = format!(
                "expected optional to be true or false but found {}",
                optional.value
            );
            self.say(text, optional.location);
        }
        let of = match field.argument("type") {
            None if objects.points_anywhere => Vec::new(),
            None => objects.targets.clone(),
            Some(argument) => {
                let of = argument.value.as_str().and_then(ResourceType::parse);
                if of.is_none() {
                    let found = &argument.value;
                    let text = format!("expected type to be a resource type but found {found}");
                    self.say(text, argument.location);
                }
                of.into_iter().collect()
            }
        };
        Holds::Set(Place::Objects(self.resources(&of)))
    }

    fn search(
        &mut self,
        of: ResourceType,
        style: Style,
        field: &Field,
        is_reverse: bool,
    ) -> Holds<'m> {
        let registry = self.schema.registry;
        let cursor = CURSORS.iter().find_map(|name| field.argument(name));
        for argument in &field.arguments {
            let name = argument.name.as_str();
            let is_known = match name {
                FHIRPATH => true,
                REFERENCE => is_reverse,
                "_id" if is_reverse => false,
                _ if CURSORS.contains(&name) => style == Style::Connection && !is_reverse,
                _ => search_arguments::code(registry, of, name).is_some(),
            };
            if !is_known {
                let text = format!(
                    "expected an argument of {} that is a search parameter of {of} (with _ for -) \
                     but found {name:?}",
                    field.name
                );
                self.say(text, argument.location);
            } else if cursor.is_some() && name != FHIRPATH && !CURSORS.contains(&name) {
                let text = format!("a cursor holds the whole search: expected no {name} beside it");
                self.say(text, argument.location);
            }
        }
        if is_reverse && field.argument(REFERENCE).is_none() {
            let text = format!(
                "expected {} to have the argument _reference, the search parameter of {of} that \
                 points here",
                field.name
            );
            self.say(text, field.location);
        }
        // The values are judged as those of any search; here only that there is one at all.
        if cursor.is_none()
            && let Err(text) = search_arguments::pairs(registry, of, field, None)
        {
            self.say(text, field.location);
        }
        Holds::Set(match style {
            Style::List => Place::Objects(self.resources(&[of])),
            Style::Connection => Place::Connection(of),
        })
    }

    /// The arguments that select among elements: those of the list and values of primitives.
    fn list_arguments(&mut self, child: &Objects<'m>, field: &Field) {
        for argument in &field.arguments {
            let (name, value) = (argument.name.as_str(), &argument.value);
            let is_leaf = |of: &&Type| of.choice(name).is_some_and(|of| of.field.is_primitive);
            match name {
                FHIRPATH => {}
                "_count" | "_offset" if value.as_u64().is_some() => {}
                "_count" | "_offset" => {
                    let text = format!("expected {name} to be a whole number but found {value}");
                    self.say(text, argument.location);
                }
                _ if !child.types.iter().any(is_leaf) => {
                    let text = format!(
                        "expected an argument of {} (fhirpath, _count, _offset or an element that \
                         is a value) but found {name:?}",
                        field.name
                    );
                    self.say(text, argument.location);
                }
                _ if search_arguments::scalar(value).is_none() => {
                    let text = format!("expected {name} to be one value but found {value}");
                    self.say(text, argument.location);
                }
                _ => {}
            }
        }
    }

    fn arguments(&mut self, field: &Field, known: &[&str]) {
        for argument in &field.arguments {
            if !known.contains(&argument.name.as_str()) {
                let text = match known {
                    [] => format!("expected no arguments of {}", field.name),
                    _ => format!(
                        "expected arguments of {} to be {}",
                        field.name,
                        known.join(", ")
                    ),
                };
                let text = format!("{text} but found {:?}", argument.name);
                self.say(text, argument.location);
            }
        }
    }
}

/// Whether they resolve references to resources of different types.
fn are_of_other_types(one: &Field, other: &Field) -> bool {
    let of = |field: &Field| {
        field
            .argument("type")
            .map(|argument| argument.value.clone())
    };
    let names = one.name == "resource" && other.name == "resource";
    names && matches!((of(one), of(other)), (Some(one), Some(other)) if one != other)
}

impl<'m> Objects<'m> {
    fn add(&mut self, of: &'m Type) {
        if !self.types.iter().any(|known| std::ptr::eq(*known, of)) {
            self.types.push(of);
        }
    }

    fn point_at(&mut self, targets: &[String]) {
        let targets = targets.iter().filter_map(|name| ResourceType::parse(name));
        let before = self.targets.len();
        self.targets.extend(targets);
        self.points_anywhere |= self.targets.len() == before;
        self.targets.sort_unstable_by_key(|of| of.number());
        self.targets.dedup();
    }
}

impl<'m> Place<'m> {
    /// The part of it that a fragment on this type is about.
    fn narrowed(&self, condition: &str) -> Option<Place<'m>> {
        let name = self.to_string();
        match self {
            Place::Objects(objects) => {
                let mut objects = objects.clone();
                objects.types.retain(|of| schema::is_on(of, condition));
                (!objects.types.is_empty()).then_some(Place::Objects(objects))
            }
            other => (name == condition).then(|| other.clone()),
        }
    }

    fn is_like(&self, other: &Place<'m>) -> bool {
        match (self, other) {
            (Place::Objects(one), Place::Objects(other)) => {
                let mut pairs = one.types.iter().zip(&other.types);
                one.types.len() == other.types.len()
                    && pairs.all(|(one, other)| std::ptr::eq(*one, *other))
                    && one.targets == other.targets
                    && one.points_anywhere == other.points_anywhere
            }
            _ => self.to_string() == other.to_string(),
        }
    }

    fn overlaps(&self, other: &Place<'m>) -> bool {
        match (self, other) {
            (Place::Objects(one), Place::Objects(other)) => {
                let in_other = |of: &&Type| other.types.iter().any(|is| std::ptr::eq(*is, *of));
                one.types.iter().any(in_other)
            }
            _ => true,
        }
    }
}

/// What it is called in GraphQL.
impl std::fmt::Display for Place<'_> {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        match self {
            Place::Query => f.write_str("Query"),
            Place::Mutation => f.write_str("Mutation"),
            Place::Connection(of) => write!(f, "{of}Connection"),
            Place::Edge(of) => write!(f, "{of}Edge"),
            Place::Meta(kind) => f.write_str(kind),
            Place::Objects(objects) if objects.types.len() > 5 => {
                write!(f, "one of {} types", objects.types.len())
            }
            Place::Objects(objects) => {
                let names = objects.types.iter().map(|of| schema::type_name(&of.key));
                f.write_str(&names.collect::<Vec<_>>().join(" or "))
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::definitions::Definitions;
    use crate::graphql::document;
    use serde_json::Map;

    /// The first problem of a document, on a Patient or the system.
    fn said(registry: &Registry, on: Option<&str>, text: &str) -> String {
        let limits = Limits::default();
        let operation = document::read(text, None, &Map::new(), &limits).expect(text);
        let schema = Schema {
            model: registry.model(),
            registry,
        };
        let root = on.and_then(ResourceType::parse);
        let problems = check(schema, &operation, root, &limits);
        problems.first().map(Problem::message).unwrap_or_default()
    }

    #[test]
    fn fields_and_arguments_are_those_that_there_are() {
        let registry = Registry::new(Definitions::r4()).expect("R4 compiles");
        let patient = Some("Patient");
        let observation = Some("Observation");
        for (on, text, says) in [
            (
                patient,
                "{ name { text given family } birthDate _birthDate { id } }",
                "",
            ),
            (
                patient,
                "{ resourceType __typename contained { id ... on Patient { active } } }",
                "",
            ),
            (
                patient,
                "{ contact { name { family } } deceasedBoolean }",
                "",
            ),
            (
                patient,
                "{ name(use: official, _count: 1, _offset: 0) { given } }",
                "",
            ),
            (
                patient,
                "{ managingOrganization { resource { name partOf { resource { id } } } } }",
                "",
            ),
            (
                patient,
                "{ ConditionList(_reference: patient, clinical_status: \"active\") { id } }",
                "",
            ),
            (
                patient,
                "{ identifier { system something } }",
                "a field of Identifier but found \"something\"",
            ),
            (patient, "{ nothing }", "a field of Patient"),
            (
                patient,
                "{ name }",
                "expected fields of name, which is HumanName",
            ),
            (patient, "{ active { x } }", "expected no fields of active"),
            (
                patient,
                "{ active(fhirpath: \"true\") }",
                "no arguments of active",
            ),
            (
                patient,
                "{ name(nope: 1) { given } }",
                "an argument of name",
            ),
            (
                patient,
                "{ name(period: 1) { given } }",
                "an argument of name",
            ),
            (
                patient,
                "{ name(_count: \"a\") { given } }",
                "a whole number",
            ),
            (patient, "{ name(use: [a]) { given } }", "one value"),
            (patient, "{ value }", "a field of Patient"),
            (patient, "{ birthDate @flatten }", "@flatten"),
            (patient, "{ ConditionList { id } }", "_reference"),
            (
                patient,
                "{ ConditionList(_reference: nope) { id } }",
                "_reference",
            ),
            (
                patient,
                "{ ConditionList(_reference: patient, _id: a) { id } }",
                "_id",
            ),
            (
                patient,
                "{ ConditionConnection(_reference: patient, cursor: \"a\") { count } }",
                "cursor",
            ),
            (
                patient,
                "{ ... on Group { id } }",
                "a fragment on Patient but found Group",
            ),
            (
                patient,
                "{ ... on Resource { id } ... on DomainResource { text { div } } }",
                "",
            ),
            (
                patient,
                "{ name { ... on HumanName { family } } contact { ... on PatientContact { gender } } }",
                "",
            ),
            (
                patient,
                "mutation { PatientDelete(id: a) }",
                "[base]/$graphql",
            ),
            (
                observation,
                "{ valueQuantity { value unit } subject { resource { active } } }",
                "",
            ),
            (
                observation,
                "{ subject { resource(type: Group) { active member { inactive } } } }",
                "",
            ),
            (
                observation,
                "{ subject { resource { nope } } }",
                "a field of",
            ),
            (
                observation,
                "{ subject { resource { ... on Practitioner { id } } } }",
                "a fragment on",
            ),
            (
                observation,
                "{ subject { resource(type: Nope) { id } } }",
                "a resource type",
            ),
            (
                observation,
                "{ subject { resource(optional: 1) { id } } }",
                "true or false",
            ),
            (
                None,
                "{ Patient(id: example) { id } PatientList(active: true) { id } }",
                "",
            ),
            (
                None,
                "{ PatientConnection { count offset pagesize first previous next last edges { mode score resource { id } } } }",
                "",
            ),
            (
                None,
                "{ ConditionList(clinical_status: [a, b], _sort: \"-onset-date\", _count: 3) { id } }",
                "",
            ),
            (None, "{ Patient { id } }", "the argument id"),
            (None, "{ Nope(id: a) { id } }", "a field of Query"),
            (None, "{ PatientList(_include: \"x\") { id } }", "_include"),
            (None, "{ PatientList(nope: \"x\") { id } }", "nope"),
            (
                None,
                "{ PatientList(name: {a: 1}) { id } }",
                "expected name to be a text",
            ),
            (None, "{ PatientList(_reference: a) { id } }", "_reference"),
            (
                None,
                "{ PatientConnection(cursor: \"a\", name: \"b\") { count } }",
                "beside it",
            ),
            (
                None,
                "{ PatientConnection { edges { id } } }",
                "a field of PatientEdge",
            ),
            (
                None,
                "mutation { PatientCreate(res: {active: true}) { id } PatientDelete(id: a) }",
                "",
            ),
            (None, "mutation { PatientCreate { id } }", "argument res"),
            (
                None,
                "mutation { PatientDelete(id: a) { id } }",
                "expected no fields",
            ),
            (
                None,
                "mutation { Patient(id: a) { id } }",
                "a field of Mutation",
            ),
        ] {
            let found = said(&registry, on, text);
            assert!(found.contains(says), "{text}: {found}");
            assert_eq!(found.is_empty(), says.is_empty(), "{text}: {found}");
        }
    }

    #[test]
    fn equal_names_mean_one_thing() {
        let registry = Registry::new(Definitions::r4()).expect("R4 compiles");
        let observation = Some("Observation");
        for (text, is_right) in [
            ("{ id id }", true),
            ("{ code { text } code { coding { code } } }", true),
            ("{ a: id a: status }", false),
            ("{ code { a: id } code { a: text } }", false),
            (
                "{ category(id: a) { text } category(id: b) { text } }",
                false,
            ),
            (
                "{ a: category(id: a) { text } b: category(id: b) { text } }",
                true,
            ),
            (
                "{ subject { resource(type: Patient) { active } resource(type: Group) { type } } }",
                true,
            ),
            (
                "{ subject { resource(type: Patient) { active } resource { id } } }",
                false,
            ),
            (
                "{ subject { resource { ... on Patient { a: active } ... on Group { a: type } } } }",
                true,
            ),
            (
                "{ subject { resource { ... on Patient { a: active } ... on Patient { a: id } } } }",
                false,
            ),
            ("{ code @flatten { text } code { text } }", false),
        ] {
            let found = said(&registry, observation, text);
            assert_eq!(found.is_empty(), is_right, "{text}: {found}");
        }
    }
}
