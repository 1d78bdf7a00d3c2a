//! The walk that says what is wrong with a resource, and where.
//!
//! It follows the definitions element by element, keeps the path as a simple FHIRPath
//! (<https://hl7.org/fhir/R4/fhirpath.html#simple>) and goes on after each problem, so that one
//! answer tells all of them. Only resources that the schemas refuse are walked. A choice such as
//! `valueQuantity` is `value` in a path, and what stands in `_birthDate` is of `birthDate`.
//! Not done here: the words (`issues`), the rules of primitives (`primitive`).

use std::collections::{BTreeMap, BTreeSet};
use std::fmt::Write;

use serde_json::{Map, Value};

use super::issues::{bad_code, bad_value, expected, kind, nearest, shown, unknown_member};
use super::keywords::says_something;
use super::primitive::Primitive;
use super::schema::{COMPANION, codes, has_companion, is_contained};
use crate::definitions::{Definitions, Field, Max, TypeInfo, TypeKind};
use crate::error::Issue;
use crate::fhir::ResourceType;

/// After so many issues the rest is left out: a bad bundle must not cost more to explain than
/// to store.
pub const MOST_ISSUES: usize = 200;

/// The problems of one resource.
pub(super) fn issues(
    definitions: &Definitions,
    resource_type: ResourceType,
    resource: &Value,
) -> Vec<Issue> {
    let mut walk = Walk {
        definitions,
        path: resource_type.name().to_owned(),
        issues: Vec::new(),
    };
    walk.root(resource_type, resource);
    walk.issues
}

struct Walk<'a> {
    definitions: &'a Definitions,
    path: String,
    issues: Vec<Issue>,
}

/// One element of an object: its definition, its value and what stands beside it.
struct Member<'a> {
    json_name: &'a str,
    field: &'a Field,
    value: Option<&'a Value>,
    companion: Option<&'a Value>,
}

impl Walk<'_> {
    fn report(&mut self, issue: Issue) {
        let path = self.path.clone();
        if self.issues.len() < MOST_ISSUES {
            self.issues.push(issue.at(path));
        }
    }

    /// Runs one step further down the path.
    fn below(&mut self, step: impl std::fmt::Display, run: impl FnOnce(&mut Self)) {
        let length = self.path.len();
        if write!(self.path, "{step}").is_ok() {
            run(self);
        }
        self.path.truncate(length);
    }

    /// The resource itself, which must be of the type that the request named.
    fn root(&mut self, resource_type: ResourceType, resource: &Value) {
        let found = resource.get("resourceType");
        match found.map(|found| (found, found.as_str())) {
            _ if !resource.is_object() => return self.object(resource_type.name(), resource),
            Some((_, Some(name))) if name == resource_type.name() => {}
            Some((_, Some(name))) => {
                let issue = expected(&format!("resourceType {resource_type}"), &shown(name));
                self.below(".resourceType", |walk| walk.report(issue));
            }
            Some((other, None)) => {
                let issue = expected(&format!("resourceType {resource_type}"), kind(other));
                self.below(".resourceType", |walk| walk.report(issue));
            }
            None => {
                let text = format!("expected resourceType {resource_type} but found none");
                self.below(".resourceType", |walk| {
                    walk.report(Issue::error("required", text))
                });
            }
        }
        self.object(resource_type.name(), resource);
    }

    /// A resource within a resource, of any type.
    fn nested(&mut self, resource: &Value, contained: bool) {
        if !resource.is_object() {
            return self.report(expected("a resource", kind(resource)));
        }
        let named = resource.get("resourceType");
        let Some(name) = named.and_then(Value::as_str) else {
            let issue = match named {
                None => Issue::error("required", "expected a resourceType but found none"),
                Some(other) => expected("the name of a resource type", kind(other)),
            };
            return self.below(".resourceType", |walk| walk.report(issue));
        };
        let Some(resource_type) = ResourceType::parse(name) else {
            let near = nearest(name, ResourceType::NAMES.into_iter());
            let wanted = match near {
                Some(near) => format!("a resource type of R4, perhaps `{near}`,"),
                None => "a resource type of R4".to_owned(),
            };
            let issue = expected(&wanted, &shown(name));
            return self.below(".resourceType", |walk| walk.report(issue));
        };
        if contained {
            self.contained(resource);
        }
        self.object(resource_type.name(), resource);
    }

    /// <https://hl7.org/fhir/R4/references.html#contained>: dom-2 and dom-4.
    fn contained(&mut self, resource: &Value) {
        if resource.get("id").is_none() {
            let text = "expected a contained resource to have an id but found none";
            self.below(".id", |walk| walk.report(Issue::error("required", text)));
        }
        if resource.get("contained").is_some() {
            let text = "expected no contained resources inside a contained resource";
            self.below(".contained", |walk| {
                walk.report(Issue::error("invariant", text))
            });
        }
        for name in ["versionId", "lastUpdated"] {
            if resource
                .get("meta")
                .is_some_and(|meta| meta.get(name).is_some())
            {
                let text =
                    format!("expected a contained resource without meta.{name} but found one");
                self.below(format_args!(".meta.{name}"), |walk| {
                    walk.report(Issue::error("invariant", text));
                });
            }
        }
    }

    /// An object of a type, by the type's key.
    fn object(&mut self, key: &str, value: &Value) {
        let Value::Object(members) = value else {
            return self.report(expected("an object", kind(value)));
        };
        if members.is_empty() {
            return self.report(expected("an object with members", "an empty one"));
        }
        let Some(info) = self.definitions.type_info(key) else {
            return self.report(Issue::error(
                "structure",
                format!("the type {key} is not known"),
            ));
        };
        self.members(&info, members);
        self.missing(&info, members);
        self.choices(&info, members);
        let is_element = info.kind != TypeKind::Resource && key != COMPANION;
        if is_element && members.keys().all(|name| name == "id") {
            let text = "expected a value or an extension beside the id but found none";
            self.report(Issue::error("invariant", text));
        }
        if key == "Extension" {
            self.extension(&info, members);
        }
    }

    fn members(&mut self, info: &TypeInfo, members: &Map<String, Value>) {
        for (name, value) in members {
            if self.issues.len() >= MOST_ISSUES {
                return;
            }
            if name == "resourceType" && info.kind == TypeKind::Resource {
                continue;
            }
            let bare = name.strip_prefix('_');
            match (bare, info.field(bare.unwrap_or(name))) {
                (None, Some(field)) => {
                    let beside = format!("_{name}");
                    let companion = has_companion(info, name, field).then(|| members.get(&beside));
                    let companion = companion.flatten();
                    self.member(Member {
                        json_name: name,
                        field,
                        value: Some(value),
                        companion,
                    });
                }
                (Some(bare), Some(field)) if has_companion(info, bare, field) => {
                    // Beside a value it is looked at with the value.
                    if !members.contains_key(bare) {
                        let companion = Some(value);
                        self.member(Member {
                            json_name: bare,
                            field,
                            value: None,
                            companion,
                        });
                    }
                }
                _ => {
                    let issue = unknown_member(info, name);
                    self.below(format_args!(".{}", step(name)), |walk| walk.report(issue));
                }
            }
        }
    }

    /// Required elements that are not there, choices excepted.
    fn missing(&mut self, info: &TypeInfo, members: &Map<String, Value>) {
        for (name, field) in info
            .fields
            .iter()
            .filter(|(_, f)| f.min > 0 && !f.is_choice)
        {
            let by_extension =
                has_companion(info, name, field) && members.contains_key(&format!("_{name}"));
            if !members.contains_key(name) && !by_extension {
                self.below(format_args!(".{name}"), |walk| walk.report(required(name)));
            }
        }
    }

    /// One value of a choice, and at least one where it is required.
    fn choices(&mut self, info: &TypeInfo, members: &Map<String, Value>) {
        let mut found: BTreeMap<&str, BTreeSet<&str>> = BTreeMap::new();
        for name in members.keys() {
            let bare = name.strip_prefix('_').unwrap_or(name);
            if let Some(field) = info.field(bare).filter(|field| field.is_choice) {
                found.entry(&field.name).or_default().insert(bare);
            }
        }
        let is_missing = |field: &&Field| {
            field.is_choice && field.min > 0 && !found.contains_key(field.name.as_str())
        };
        if let Some(missing) = info.fields.values().find(is_missing) {
            let name = &missing.name;
            self.below(format_args!(".{name}"), |walk| walk.report(required(name)));
        }
        for (name, values) in found.into_iter().filter(|(_, values)| values.len() > 1) {
            let values: Vec<&str> = values.into_iter().collect();
            let values = format!("`{}`", values.join("` and `"));
            let issue = expected(&format!("one value for {name}[x]"), &values);
            self.below(format_args!(".{name}"), |walk| walk.report(issue));
        }
    }

    /// ext-1: a value or extensions, not both, not neither.
    fn extension(&mut self, info: &TypeInfo, members: &Map<String, Value>) {
        let is_value = |name: &String| {
            let bare = name.strip_prefix('_').unwrap_or(name);
            info.field(bare).is_some_and(|field| field.is_choice)
        };
        let found = match (
            members.keys().any(is_value),
            members.contains_key("extension"),
        ) {
            (true, true) => "both",
            (false, false) => "neither",
            _ => return,
        };
        let text =
            format!("expected either a value or extensions in an extension but found {found}");
        self.report(Issue::error("invariant", text));
    }

    fn member(&mut self, member: Member<'_>) {
        self.below(
            format_args!(".{}", member.field.name),
            |walk| match member.field.is_array {
                true => walk.many(member),
                false => walk.one(member),
            },
        );
    }

    fn one(&mut self, member: Member<'_>) {
        if let Some(Value::Array(_)) = member.value {
            let wanted = format!("one value for {}", member.json_name);
            return self.report(expected(&wanted, "an array"));
        }
        if let Some(value) = member.value {
            self.value(member.field, value);
        }
        if let Some(companion) = member.companion {
            self.companion(companion, member.value.is_some());
        }
    }

    fn many(&mut self, member: Member<'_>) {
        let (field, name) = (member.field, member.json_name);
        for (value, prefix) in [(member.value, ""), (member.companion, "_")] {
            if let Some(other) = value.filter(|value| !value.is_array()) {
                let wanted = format!("an array for {prefix}{name}");
                return self.report(expected(&wanted, kind(other)));
            }
        }
        let (values, companions) = (items(member.value), items(member.companion));
        if values.or(companions).is_some_and(<[Value]>::is_empty)
            || companions.is_some_and(<[Value]>::is_empty)
        {
            return self.report(expected(
                &format!("at least one item in {name}"),
                "an empty array",
            ));
        }
        let count = values.map_or(0, <[Value]>::len);
        self.count(field, values.or(companions).map_or(0, <[Value]>::len));
        if let (Some(_), Some(companions)) = (values, companions)
            && count != companions.len()
        {
            let wanted = format!("as many items in _{name} as in {name}, {count},");
            self.report(expected(&wanted, &companions.len().to_string()));
        }
        let companion_of = |at: usize| companions.and_then(|companions| companions.get(at));
        for at in 0..count.max(companions.map_or(0, <[Value]>::len)) {
            let value = values.and_then(|values| values.get(at));
            self.below(format_args!("[{at}]"), |walk| {
                walk.item(field, value, companion_of(at))
            });
        }
    }

    fn count(&mut self, field: &Field, count: usize) {
        if count < field.min as usize {
            self.report(expected(
                &format!("at least {} items", field.min),
                &count.to_string(),
            ));
        }
        if let Max::Count(most) = field.max
            && count > most as usize
        {
            self.report(expected(
                &format!("at most {most} items"),
                &count.to_string(),
            ));
        }
    }

    fn item(&mut self, field: &Field, value: Option<&Value>, companion: Option<&Value>) {
        let value = value.filter(|value| !(field.is_primitive && value.is_null()));
        let companion = companion.filter(|companion| !companion.is_null());
        match (value, companion) {
            (Some(value), _) => self.value(field, value),
            (None, Some(_)) => {}
            (None, None) => self.report(expected("a value or an extension", "null")),
        }
        if let Some(companion) = companion {
            self.companion(companion, value.is_some());
        }
    }

    /// What stands beside a primitive value, or in its place.
    fn companion(&mut self, companion: &Value, has_value: bool) {
        self.object(COMPANION, companion);
        let stands_alone = companion
            .as_object()
            .is_some_and(|members| !members.is_empty())
            && !has_value
            && !says_something(companion);
        if stands_alone {
            let text = "expected a value or an extension but found an id only";
            self.report(Issue::error("invariant", text));
        }
    }

    /// One value of an element; an array has been taken apart.
    fn value(&mut self, field: &Field, value: &Value) {
        if field.is_resource {
            return self.nested(value, is_contained(field));
        }
        if !field.is_primitive {
            return self.object(&field.type_key, value);
        }
        let primitive = Primitive::of(&field.type_code);
        if !primitive.has_kind(value) {
            return self.report(expected(primitive.kind(), kind(value)));
        }
        if !primitive.holds(value) {
            return self.report(bad_value(primitive, value));
        }
        if let Some(found) = value.as_str()
            && let Some(codes) = codes(self.definitions, field)
            && !codes.contains_code(found)
        {
            self.report(bad_code(&codes, found));
        }
    }
}

fn items(value: Option<&Value>) -> Option<&[Value]> {
    value.and_then(Value::as_array).map(Vec::as_slice)
}

fn required(name: &str) -> Issue {
    Issue::error("required", format!("expected {name} but found none"))
}

/// A name as a step of FHIRPath; one that is no identifier is delimited, and cut when long.
fn step(name: &str) -> String {
    let is_plain = |c: char| c.is_ascii_alphanumeric() || c == '_';
    match name.chars().all(is_plain) && !name.is_empty() && name.len() <= 64 {
        true => name.to_owned(),
        false => {
            let short: String = name.chars().take(64).collect();
            format!("`{}`", short.escape_debug().to_string().replace('`', "\\`"))
        }
    }
}
