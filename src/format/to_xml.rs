//! JSON to XML, along the definitions.
//!
//! What is written is what the definitions know, in their order. The JSON was checked when it
//! came in; where validation is off it may hold what XML has no way to say, which is left out.

use super::{COMPANION, is_attribute, narrative};
use crate::definitions::{Definitions, Field, TypeInfo};
use crate::error::{Error, Result};
use crate::fhir::xml::{FHIR, escape};
use crate::fhir::{ResourceType, json};
use serde_json::{Map, Value};
use std::borrow::Cow;

/// The XML text of a resource in JSON, with its XML declaration; indented where it is to be
/// pretty, narratives excepted.
///
/// # Errors
/// `Invalid`: not JSON, or no resource of R4.
pub fn to_xml(definitions: &Definitions, text: &[u8], is_pretty: bool) -> Result<String> {
    // The depth was limited when the resource came in, or the server made it itself.
    let resource = json::parse(text, usize::MAX)?;
    let mut writer = Writer {
        definitions,
        out: String::with_capacity(text.len() + text.len() / 2),
        indent: is_pretty.then_some(0),
    };
    writer
        .out
        .push_str("<?xml version=\"1.0\" encoding=\"UTF-8\"?>");
    match writer.resource(&resource, true) {
        true => Ok(writer.out),
        false => Err(Error::invalid(
            "expected a resource of FHIR R4 but found none",
        )),
    }
}

struct Writer<'d> {
    definitions: &'d Definitions,
    out: String,
    /// Steps from the root, where lines are indented.
    indent: Option<usize>,
}

/// A member of an object with what stands beside its value.
struct Member<'v> {
    /// Its place in the definition.
    index: usize,
    name: &'v str,
    value: Option<&'v Value>,
    companion: Option<&'v Value>,
}

impl Writer<'_> {
    /// False where it is no resource; then nothing is written.
    fn resource(&mut self, resource: &Value, is_root: bool) -> bool {
        let Some(members) = resource.as_object() else {
            return false;
        };
        let name = members.get("resourceType").and_then(Value::as_str);
        let info = name
            .and_then(ResourceType::parse)
            .and_then(|known| self.definitions.type_info(known.name()));
        let Some(info) = info else {
            return false;
        };
        self.line();
        self.out.push('<');
        self.out.push_str(&info.key);
        if is_root {
            self.out.push_str(" xmlns=\"");
            self.out.push_str(FHIR);
            self.out.push('"');
        }
        self.content(&info.key, |writer| writer.elements(&info, members));
        true
    }

    /// A new line, where lines are indented.
    fn line(&mut self) {
        if let Some(steps) = self.indent {
            self.out.push('\n');
            self.out.extend(std::iter::repeat_n("  ", steps));
        }
    }

    /// Ends the tag of an element that has begun; writes what is in it, and its end.
    fn content(&mut self, name: &str, write: impl FnOnce(&mut Self)) {
        self.out.push('>');
        let open = self.out.len();
        self.indent = self.indent.map(|steps| steps + 1);
        write(self);
        self.indent = self.indent.map(|steps| steps - 1);
        if self.out.len() == open {
            self.out.pop();
            self.out.push_str("/>");
            return;
        }
        self.line();
        self.out.push_str("</");
        self.out.push_str(name);
        self.out.push('>');
    }

    /// The members that are attributes.
    fn attributes(&mut self, info: &TypeInfo, members: &Map<String, Value>) {
        for name in ["id", "url"] {
            if is_attribute(info, name)
                && let Some(Value::String(value)) = members.get(name)
            {
                self.attribute(name, value);
            }
        }
    }

    fn attribute(&mut self, name: &str, value: &str) {
        self.out.push(' ');
        self.out.push_str(name);
        self.out.push_str("=\"");
        escape::push_attribute(&mut self.out, value);
        self.out.push('"');
    }

    /// The members that are elements, in the order of the definition.
    fn elements(&mut self, info: &TypeInfo, members: &Map<String, Value>) {
        for member in ordered(info, members) {
            let Some((_, field)) = info.fields.get_index(member.index) else {
                continue;
            };
            if !field.is_array {
                self.item(member.name, field, member.value, member.companion);
                continue;
            }
            let (values, companions) = (items(member.value), items(member.companion));
            for at in 0..values.len().max(companions.len()) {
                self.item(member.name, field, values.get(at), companions.get(at));
            }
        }
    }

    fn item(&mut self, name: &str, field: &Field, value: Option<&Value>, beside: Option<&Value>) {
        if field.is_primitive {
            self.primitive(name, field, value, beside);
            return;
        }
        let Some(value) = value else {
            return;
        };
        if field.is_resource {
            let start = self.out.len();
            self.line();
            self.out.push('<');
            self.out.push_str(name);
            let mut is_written = false;
            self.content(name, |writer| is_written = writer.resource(value, false));
            if !is_written {
                self.out.truncate(start);
            }
        } else if let Value::Object(members) = value {
            self.element(name, &field.type_key, members, None);
        }
    }

    fn primitive(
        &mut self,
        name: &str,
        field: &Field,
        value: Option<&Value>,
        beside: Option<&Value>,
    ) {
        let value = match value {
            Some(Value::String(text)) => Some(Cow::Borrowed(text.as_str())),
            Some(Value::Number(number)) => Some(Cow::Borrowed(number.as_str())),
            Some(Value::Bool(flag)) => Some(Cow::Borrowed(if *flag { "true" } else { "false" })),
            _ => None,
        };
        if field.type_code == "xhtml" {
            if let Some(div) = value {
                self.line();
                self.out.push_str(&narrative::to_element(&div));
            }
            return;
        }
        let empty = Map::new();
        let members = beside.and_then(Value::as_object).unwrap_or(&empty);
        if value.is_some() || !members.is_empty() {
            self.element(name, COMPANION, members, value.as_deref());
        }
    }

    /// An element of a type, with the value that it has where it is a primitive.
    fn element(
        &mut self,
        name: &str,
        key: &str,
        members: &Map<String, Value>,
        value: Option<&str>,
    ) {
        self.line();
        self.out.push('<');
        self.out.push_str(name);
        if members.is_empty() {
            if let Some(value) = value {
                self.attribute("value", value);
            }
            self.out.push_str("/>");
            return;
        }
        let info = self.definitions.type_info(key);
        if let Some(info) = &info {
            self.attributes(info, members);
        }
        if let Some(value) = value {
            self.attribute("value", value);
        }
        self.content(name, |writer| {
            if let Some(info) = &info {
                writer.elements(info, members);
            }
        });
    }
}

/// The members of an object that are elements, in the order of the definition.
fn ordered<'v>(info: &TypeInfo, members: &'v Map<String, Value>) -> Vec<Member<'v>> {
    let mut ordered: Vec<Member> = Vec::with_capacity(members.len());
    for (name, value) in members {
        let (bare, is_companion) = match name.strip_prefix('_') {
            Some(bare) => (bare, true),
            None => (name.as_str(), false),
        };
        let index = info.fields.get_index_of(bare);
        let Some(index) = index.filter(|_| !is_attribute(info, bare)) else {
            continue;
        };
        let known = ordered.iter_mut().find(|member| member.index == index);
        match (known, is_companion) {
            (Some(member), true) => member.companion = Some(value),
            (Some(member), false) => member.value = Some(value),
            (None, _) => ordered.push(Member {
                index,
                name: bare,
                value: (!is_companion).then_some(value),
                companion: is_companion.then_some(value),
            }),
        }
    }
    ordered.sort_by_key(|member| member.index);
    ordered
}

fn items(value: Option<&Value>) -> &[Value] {
    match value {
        Some(Value::Array(items)) => items,
        _ => &[],
    }
}
