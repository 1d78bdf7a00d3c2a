//! What an element of a differential says, over what was said of it.
//! <https://hl7.org/fhir/R4/elementdefinition.html#interpretation>
//!
//! Lists of rules grow (constraints, conditions, mappings, aliases, examples); types are replaced
//! by some of them; a text that begins with `...` is put behind the other. What would allow more
//! than the base does is an error.

use serde_json::{Map, Value, json};

/// What of a differential is no part of the definition, or is placed otherwise.
const OWN: [&str; 5] = ["id", "path", "sliceName", "base", "contentReference"];

const TEXTS: [&str; 3] = ["definition", "comment", "requirements"];

/// Lays an element of a differential over a definition; gives what is wrong with it. A slice may
/// have fewer than its element must have, since others may be there.
pub fn merge(
    definition: &mut Map<String, Value>,
    differential: &Value,
    is_slice: bool,
    is_type: &dyn Fn(&str, &str) -> bool,
) -> Vec<String> {
    let mut wrong = Vec::new();
    let members = differential.as_object().into_iter().flatten();
    for (name, value) in members.filter(|(name, _)| !OWN.contains(&name.as_str())) {
        let before = definition.get(name);
        let merged = match (name.as_str(), before) {
            ("constraint", Some(before)) => grown(before, value, |one| &one["key"]),
            ("mapping", Some(before)) => grown(before, value, |one| one),
            ("condition" | "alias" | "code", Some(before)) => grown(before, value, |one| one),
            ("example" | "extension", Some(before)) => grown(before, value, |one| one),
            ("binding", Some(before)) => {
                wrong.extend(weaker(before, value));
                rebound(before, value)
            }
            ("type", Some(before)) => {
                wrong.extend(foreign_types(before, value, is_type));
                value.clone()
            }
            ("min", Some(before)) => {
                if !is_slice && value.as_u64() < before.as_u64() {
                    wrong.push(format!(
                        "expected a min of {before} or more but found {value}"
                    ));
                }
                value.clone()
            }
            ("max", Some(before)) => {
                if !is_slice && most(value) > most(before) {
                    wrong.push(format!(
                        "expected a max of {before} or less but found {value}"
                    ));
                }
                value.clone()
            }
            ("mustSupport" | "isModifier", Some(Value::Bool(true))) if value == false => {
                wrong.push(format!("expected {name} to stay true but found false"));
                value.clone()
            }
            (text, Some(before)) if TEXTS.contains(&text) => appended(before, value),
            _ => value.clone(),
        };
        definition.insert(name.clone(), merged);
    }
    wrong.extend(misfit(definition, differential));
    if let (Some(min), Some(max)) = (
        definition.get("min").and_then(Value::as_u64),
        definition.get("max").map(most),
    ) && min > max
        && (differential.get("min").is_some() || differential.get("max").is_some())
    {
        wrong.push(format!(
            "expected a min of {max} or less, which is the max, but found {min}"
        ));
    }
    wrong
}

/// The list with those of another that are not in it yet, by what tells them apart.
fn grown(before: &Value, more: &Value, identity: fn(&Value) -> &Value) -> Value {
    let mut list = before.as_array().cloned().unwrap_or_default();
    for one in more.as_array().into_iter().flatten() {
        match list
            .iter_mut()
            .find(|known| identity(known) == identity(one))
        {
            Some(known) => *known = one.clone(),
            None => list.push(one.clone()),
        }
    }
    Value::Array(list)
}

fn appended(before: &Value, text: &Value) -> Value {
    match (
        before.as_str(),
        text.as_str().and_then(|text| text.strip_prefix("...")),
    ) {
        (Some(before), Some(rest)) => json!(format!("{before}\r\n{rest}")),
        _ => text.clone(),
    }
}

fn rebound(before: &Value, binding: &Value) -> Value {
    let (Some(before), Some(members)) = (before.as_object(), binding.as_object()) else {
        return binding.clone();
    };
    let mut merged = before.clone();
    for (name, value) in members {
        merged.insert(name.clone(), value.clone());
    }
    Value::Object(merged)
}

/// A required binding stays one.
fn weaker(before: &Value, binding: &Value) -> Option<String> {
    let strength = &binding["strength"];
    (before["strength"] == "required" && strength != "required" && !strength.is_null())
        .then(|| format!("expected a binding that stays required but found {strength}"))
}

/// Types that the base does not allow.
fn foreign_types(
    before: &Value,
    types: &Value,
    is_type: &dyn Fn(&str, &str) -> bool,
) -> Vec<String> {
    let code = |of: &Value| of["code"].as_str().unwrap_or_default().to_owned();
    let known: Vec<String> = before.as_array().into_iter().flatten().map(code).collect();
    let mut wrong = Vec::new();
    for of in types.as_array().into_iter().flatten() {
        let found = code(of);
        // The value of a primitive has a type of FHIRPath, which says less than any of FHIR.
        let allows = |known: &String| known.contains("System.") || is_type(&found, known);
        if !known.is_empty() && !known.iter().any(allows) {
            wrong.push(format!(
                "expected a type of {} but found {found}",
                known.join(", ")
            ));
        }
    }
    wrong
}

/// A fixed value or a pattern whose type is none of the element's.
fn misfit(definition: &Map<String, Value>, differential: &Value) -> Option<String> {
    let members = differential.as_object()?;
    let (name, suffix) = members.keys().find_map(|name| {
        let suffix = name
            .strip_prefix("fixed")
            .or(name.strip_prefix("pattern"))?;
        suffix
            .starts_with(|first: char| first.is_ascii_uppercase())
            .then_some((name, suffix))
    })?;
    let types = definition.get("type")?.as_array()?;
    let codes: Vec<&str> = types.iter().filter_map(|of| of["code"].as_str()).collect();
    let fits = |code: &&str| {
        let code = code.rsplit("System.").next().unwrap_or(code);
        code.eq_ignore_ascii_case(suffix) || code.starts_with("http")
    };
    // The value of a primitive has a type of FHIRPath, which says less.
    let is_value = codes.iter().any(|code| code.contains("System."));
    (!codes.is_empty() && !is_value && !codes.iter().any(fits))
        .then(|| format!("expected a value of {} but found {name}", codes.join(", ")))
}

/// The number of a max.
fn most(max: &Value) -> u64 {
    match max.as_str() {
        Some("*") | None => u64::MAX,
        Some(number) => number.parse().unwrap_or(u64::MAX),
    }
}
