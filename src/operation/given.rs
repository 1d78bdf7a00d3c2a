//! The parameters of an operation as they were given: in the query of a GET or POST, in a
//! Parameters, or as the one resource that an operation takes.
//! <https://hl7.org/fhir/R4/operations.html#request>
//!
//! What an operation does not know it does not ask for: unknown parameters are passed over.

use crate::error::{Category, Error, Result};
use crate::interaction::{Hub, prepare};
use crate::terminology::code_system::{items, value_of};
use serde_json::{Value, json};

/// Parameters by name, each as an element of `Parameters.parameter`.
#[derive(Clone, Debug, Default)]
pub struct Given {
    list: Vec<Value>,
}

impl Given {
    /// `resource`: the name of the parameter that a body which is no Parameters is.
    ///
    /// # Errors
    /// `Invalid`: a body that is neither.
    pub fn parse(
        hub: &Hub,
        pairs: &[(String, String)],
        body: &[u8],
        resource: Option<(&str, &str)>,
    ) -> Result<Given> {
        let pair = |(name, value): &(String, String)| json!({"name": name, "valueString": value});
        let mut given = Given {
            list: pairs.iter().map(pair).collect(),
        };
        if body.is_empty() {
            return Ok(given);
        }
        let body = Value::Object(prepare::parse_any(hub, body)?);
        match (body["resourceType"].as_str(), resource) {
            (Some("Parameters"), _) => given.list.extend(items(&body["parameter"]).cloned()),
            (Some(found), Some((name, expected))) if found == expected => {
                given.list.push(json!({"name": name, "resource": body}));
            }
            (found, _) => {
                return Err(Error::coded(
                    Category::Invalid,
                    "structure",
                    format!(
                        "expected Parameters but found {}",
                        found.unwrap_or("no resource")
                    ),
                ));
            }
        }
        Ok(given)
    }

    /// A parameter that was not given is this.
    pub fn or(mut self, name: &str, value: Option<&str>) -> Given {
        if let Some(value) = value.filter(|_| self.named(name).next().is_none()) {
            self.list.push(json!({"name": name, "valueString": value}));
        }
        self
    }

    fn named(&self, name: &str) -> impl Iterator<Item = &Value> {
        self.list.iter().filter(move |one| one["name"] == name)
    }

    /// The first value of that name; one that is empty counts as not given.
    pub fn text(&self, name: &str) -> Option<&str> {
        self.texts(name).next()
    }

    pub fn texts(&self, name: &str) -> impl Iterator<Item = &str> {
        let values = self.named(name).filter_map(|one| value_of(one)?.1.as_str());
        values.filter(|text| !text.is_empty())
    }

    /// # Errors
    /// `Invalid`: it was not given.
    pub fn required(&self, name: &str) -> Result<&str> {
        self.text(name).ok_or_else(|| missing(name))
    }

    /// # Errors
    /// `Invalid`: neither true nor false.
    pub fn boolean(&self, name: &str) -> Result<Option<bool>> {
        let Some(value) = self.value(name) else {
            return Ok(None);
        };
        match (value.as_bool(), value.as_str()) {
            (Some(value), _) => Ok(Some(value)),
            (_, Some("true")) => Ok(Some(true)),
            (_, Some("false")) => Ok(Some(false)),
            _ => Err(wrong(name, "true or false", value)),
        }
    }

    /// # Errors
    /// `Invalid`: no whole number from 0.
    pub fn count(&self, name: &str) -> Result<Option<usize>> {
        let Some(value) = self.value(name) else {
            return Ok(None);
        };
        let number = match value {
            Value::String(text) => text.parse().ok(),
            other => other.as_u64(),
        };
        let number = number.and_then(|number| usize::try_from(number).ok());
        number
            .map(Some)
            .ok_or_else(|| wrong(name, "a whole number from 0", value))
    }

    fn value(&self, name: &str) -> Option<&Value> {
        self.named(name).find_map(|one| Some(value_of(one)?.1))
    }

    /// The values of that name as JSON of their type: a query has only texts.
    pub fn echo(&self, name: &str) -> Vec<Value> {
        let values = self.named(name).filter_map(|one| Some(value_of(one)?.1));
        let typed = |value: &Value| match value.as_str() {
            Some("true") => json!(true),
            Some("false") => json!(false),
            Some(text) if matches!(name, "count" | "offset") => text
                .parse::<u64>()
                .map_or_else(|_| json!(text), |number| json!(number)),
            _ => value.clone(),
        };
        values.map(typed).collect()
    }

    /// A value that is no primitive: a Coding, a CodeableConcept.
    pub fn object(&self, name: &str) -> Option<&Value> {
        self.value(name).filter(|value| value.is_object())
    }

    /// The parameters for another server, those of a query with the type that each has.
    pub fn typed(&self) -> Vec<Value> {
        let one = |one: &Value| match (one["name"].as_str(), one["valueString"].as_str()) {
            (Some(name), Some(text)) => typed(name, text),
            _ => one.clone(),
        };
        self.list.iter().map(one).collect()
    }

    /// All values of that name that are no primitives.
    pub fn objects(&self, name: &str) -> impl Iterator<Item = &Value> {
        let values = self.named(name).filter_map(|one| Some(value_of(one)?.1));
        values.filter(|value| value.is_object())
    }

    /// The parts of each parameter of that name.
    pub fn parts(&self, name: &str) -> impl Iterator<Item = &Value> {
        self.named(name).map(|one| &one["part"])
    }

    pub fn resource(&self, name: &str) -> Option<&Value> {
        self.named(name).find_map(|one| one.get("resource"))
    }
}

/// A parameter of a terminology operation with the type that it has there.
fn typed(name: &str, text: &str) -> Value {
    let kind = match name {
        "url" | "system" | "targetsystem" | "source" | "target" | "context" => "valueUri",
        "code" | "displayLanguage" | "codeA" | "codeB" | "property" => "valueCode",
        "date" => "valueDateTime",
        "count" | "offset" => {
            let number = text
                .parse::<u64>()
                .map_or_else(|_| json!(text), |number| json!(number));
            return json!({"name": name, "valueInteger": number});
        }
        _ if matches!(text, "true" | "false") => {
            return json!({"name": name, "valueBoolean": text == "true"});
        }
        _ => "valueString",
    };
    json!({"name": name, kind: text})
}

pub fn missing(name: &str) -> Error {
    let text = format!("expected the parameter {name} but it was not given");
    Error::coded(Category::Invalid, "required", text)
}

fn wrong(name: &str, expected: &str, found: &Value) -> Error {
    let text = format!("expected {expected} as the parameter {name} but found {found}");
    Error::coded(Category::Invalid, "value", text)
}
