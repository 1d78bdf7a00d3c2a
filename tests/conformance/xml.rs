//! Just enough XML to read the suites: elements, attributes, text. And FHIR's XML as its JSON,
//! by the types of the model: <https://hl7.org/fhir/R4/xml.html>.
//!
//! The files are trusted; what is not well-formed panics.

use andiron::fhirpath::{Model, Type};
use serde_json::{Map, Value};

/// An element.
#[derive(Clone, Debug, Default)]
pub struct Element<'t> {
    pub name: String,
    attributes: Vec<(String, String)>,
    pub children: Vec<Element<'t>>,
    /// All text directly inside.
    pub text: String,
    /// As it is written.
    source: &'t str,
}

impl<'t> Element<'t> {
    pub fn attribute(&self, name: &str) -> Option<&str> {
        let found = self.attributes.iter().find(|(own, _)| own == name);
        found.map(|(_, value)| value.as_str())
    }

    pub fn all<'e>(&'e self, name: &'e str) -> impl Iterator<Item = &'e Element<'t>> {
        self.children.iter().filter(move |child| child.name == name)
    }
}

/// The root element of a document.
pub fn parse(text: &str) -> Element<'_> {
    let mut reader = Reader { text, at: 0 };
    loop {
        reader.skip_to('<');
        match reader.rest() {
            rest if rest.starts_with("<?") => reader.skip_past("?>"),
            rest if rest.starts_with("<!--") => reader.skip_past("-->"),
            _ => return reader.element(),
        }
    }
}

struct Reader<'t> {
    text: &'t str,
    at: usize,
}

impl<'t> Reader<'t> {
    fn rest(&self) -> &'t str {
        &self.text[self.at..]
    }

    fn skip_to(&mut self, c: char) {
        self.at += self.rest().find(c).expect("an element");
    }

    fn skip_past(&mut self, end: &str) {
        self.at += self.rest().find(end).expect("an end") + end.len();
    }

    fn element(&mut self) -> Element<'t> {
        let start = self.at;
        let mut element = self.opened();
        if !self.text[..self.at].ends_with("/>") {
            self.content(&mut element);
        }
        element.source = &self.text[start..self.at];
        element
    }

    /// Reads a tag to its end.
    fn opened(&mut self) -> Element<'t> {
        self.at += 1;
        let is_end = |c: char| c.is_whitespace() || matches!(c, '>' | '/' | '=');
        let mut element = Element::default();
        let length = self.rest().find(is_end).expect("the end of a name");
        element.name = self.rest()[..length].to_owned();
        self.at += length;
        loop {
            let rest = self.rest().trim_start();
            self.at = self.text.len() - rest.len();
            match rest.strip_prefix("/>").or(rest.strip_prefix('>')) {
                Some(behind) => {
                    self.at = self.text.len() - behind.len();
                    return element;
                }
                None => {
                    let (name, behind) = rest.split_once('=').expect("an attribute");
                    let behind = behind.trim_start();
                    let quote = behind.chars().next().expect("a quote");
                    let (value, behind) = behind[1..].split_once(quote).expect("a quote");
                    element
                        .attributes
                        .push((name.trim().to_owned(), decoded(value)));
                    self.at = self.text.len() - behind.len();
                }
            }
        }
    }

    fn content(&mut self, element: &mut Element<'t>) {
        loop {
            let rest = self.rest();
            let length = rest.find('<').expect("an end tag");
            element.text.push_str(&decoded(&rest[..length]));
            self.at += length;
            let rest = self.rest();
            if rest.starts_with("<!--") {
                self.skip_past("-->");
            } else if rest.starts_with("</") {
                self.skip_past(">");
                return;
            } else {
                let child = self.element();
                element.children.push(child);
            }
        }
    }
}

fn decoded(text: &str) -> String {
    let named = [
        ("&lt;", "<"),
        ("&gt;", ">"),
        ("&quot;", "\""),
        ("&apos;", "'"),
        ("&#39;", "'"),
    ];
    let text = text.replace("\r\n", "\n");
    let text = named
        .iter()
        .fold(text, |text, (entity, c)| text.replace(entity, c));
    text.replace("&#xA;", "\n")
        .replace("&#xD;", "\r")
        .replace("&amp;", "&")
}

/// A resource in FHIR's XML as its JSON.
pub fn resource(model: &Model, element: &Element<'_>) -> Value {
    let node_type = model
        .find(&element.name)
        .unwrap_or_else(|| panic!("{} is a type", element.name));
    let mut object = Map::new();
    object.insert("resourceType".to_owned(), element.name.as_str().into());
    fill(model, &node_type, element, &mut object);
    Value::Object(object)
}

fn fill(model: &Model, node_type: &Type, element: &Element<'_>, object: &mut Map<String, Value>) {
    for name in ["id", "url"] {
        if let Some(text) = element.attribute(name) {
            object.insert(name.to_owned(), text.into());
        }
    }
    for child in &element.children {
        let choice = node_type.choice(&child.name);
        let choice = choice.unwrap_or_else(|| panic!("{} has {}", node_type.key, child.name));
        let (value, companion) = if choice.field.is_resource {
            (
                child.children.first().map(|inner| resource(model, inner)),
                None,
            )
        } else {
            let of = choice.value_type(model).expect("a type");
            values(model, of, choice.field.is_primitive, child)
        };
        put(
            object,
            &child.name,
            value,
            choice.field.is_array,
            companion.is_some(),
        );
        put_companion(object, &child.name, companion, choice.field.is_array);
    }
}

/// The value and what stands beside it under the name with an underscore.
fn values(
    model: &Model,
    of: &Type,
    is_primitive: bool,
    element: &Element<'_>,
) -> (Option<Value>, Option<Value>) {
    let mut object = Map::new();
    if of.key == "xhtml" {
        return (Some(element.source.into()), None);
    }
    fill(model, of, element, &mut object);
    if !is_primitive {
        return (Some(Value::Object(object)), None);
    }
    let value = element
        .attribute("value")
        .map(|text| match of.key.as_str() {
            "boolean" => Value::Bool(text == "true"),
            "integer" | "decimal" | "positiveInt" | "unsignedInt" => {
                serde_json::from_str(text).expect("a number")
            }
            _ => text.into(),
        });
    (value, (!object.is_empty()).then_some(Value::Object(object)))
}

fn put(
    object: &mut Map<String, Value>,
    name: &str,
    value: Option<Value>,
    is_array: bool,
    has_companion: bool,
) {
    if !is_array {
        object.extend(value.map(|value| (name.to_owned(), value)));
        return;
    }
    if value.is_none() && !has_companion {
        return;
    }
    let list = object
        .entry(name)
        .or_insert_with(|| Value::Array(Vec::new()));
    list.as_array_mut()
        .expect("a list")
        .push(value.unwrap_or_default());
}

fn put_companion(
    object: &mut Map<String, Value>,
    name: &str,
    companion: Option<Value>,
    is_array: bool,
) {
    let Some(companion) = companion else { return };
    let companion_name = format!("_{name}");
    if !is_array {
        object.insert(companion_name, companion);
        return;
    }
    let count = object
        .get(name)
        .and_then(Value::as_array)
        .map_or(0, Vec::len);
    let list = object
        .entry(companion_name)
        .or_insert_with(|| Value::Array(Vec::new()));
    let list = list.as_array_mut().expect("a list");
    list.resize(count.saturating_sub(1), Value::Null);
    list.push(companion);
}
