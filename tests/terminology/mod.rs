//! Terminology through HTTP: the operations on resources and on loaded code systems, the
//! loaders, and what search asks. <https://hl7.org/fhir/R4/terminology-service.html>

mod bindings;
mod closure;
mod concepts;
mod loaded;
mod operations;
mod releases;
mod remote;

use serde_json::{Value, json};

/// The codes of an expansion, those within others in parentheses.
pub fn codes(contains: &Value) -> String {
    let one = |one: &Value| {
        let code = one["code"].as_str().unwrap_or_default();
        match one.get("contains") {
            Some(inner) => format!("{code}({})", codes(inner)),
            None => code.to_owned(),
        }
    };
    let all = contains.as_array().into_iter().flatten();
    all.map(one).collect::<Vec<_>>().join(" ")
}

/// The first value of that name in a Parameters.
pub fn value(parameters: &Value, name: &str) -> Value {
    let all = parameters["parameter"].as_array().into_iter().flatten();
    let mut named = all.filter(|one| one["name"] == name);
    let found = named.next().and_then(|one| {
        let mut members = one.as_object()?.iter();
        Some(
            members
                .find(|(name, _)| name.starts_with("value"))?
                .1
                .clone(),
        )
    });
    found.unwrap_or_default()
}

/// The properties that a lookup tells, as `code=value`.
pub fn told(parameters: &Value, name: &str) -> Vec<String> {
    let all = parameters["parameter"].as_array().into_iter().flatten();
    let parts = all.filter(|one| one["name"] == name).map(|one| {
        let inner = json!({"parameter": one["part"]});
        let value = value(&inner, "value");
        format!(
            "{}={}",
            value_text(&self::value(&inner, "code")),
            value_text(&value)
        )
    });
    parts.collect()
}

pub fn value_text(value: &Value) -> String {
    value
        .as_str()
        .map_or_else(|| value.to_string(), str::to_owned)
}
