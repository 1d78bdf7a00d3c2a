//! Codes and identifiers. <https://hl7.org/fhir/R4/search.html#token>
//!
//! Case counts, except in strings and ContactPoints. A `code` has the system of its binding.

use super::text::normalised;
use super::world::{Element, World};
use andiron::definitions::CodeSet;
use serde_json::Value;

/// A value as it is asked for.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum TokenAsked {
    Code(String),
    Pair(String, String),
    NoSystem(String),
    System(String),
}

/// A system and a code or identifier value.
pub type Coded<'e> = (Option<&'e str>, Option<&'e str>);

impl TokenAsked {
    /// `parts` are those between bare `|`, unescaped.
    pub fn parse(parts: &[String]) -> Result<TokenAsked, String> {
        let texts: Vec<&str> = parts.iter().map(String::as_str).collect();
        Ok(match texts.as_slice() {
            [code] => TokenAsked::Code((*code).to_owned()),
            ["", ""] => return Err("nothing on either side".to_owned()),
            ["", code] => TokenAsked::NoSystem((*code).to_owned()),
            [system, ""] => TokenAsked::System((*system).to_owned()),
            [system, code] => TokenAsked::Pair((*system).to_owned(), (*code).to_owned()),
            _ => return Err("a token has one or two parts".to_owned()),
        })
    }

    pub fn fits_coded(&self, (system, code): Coded<'_>) -> bool {
        match self {
            TokenAsked::Code(asked) => code == Some(asked),
            TokenAsked::Pair(of, asked) => system == Some(of) && code == Some(asked),
            TokenAsked::NoSystem(asked) => system.is_none() && code == Some(asked),
            TokenAsked::System(of) => system == Some(of),
        }
    }

    pub fn fits(&self, element: &Element, world: &World) -> bool {
        match element.kind.as_str() {
            "CodeableConcept" | "Coding" | "Identifier" => codings(element)
                .into_iter()
                .any(|coded| self.fits_coded(coded)),
            "ContactPoint" => self.fits_contact(element),
            "string" | "markdown" => self.fits_folded(element.value.as_str()),
            "code" => {
                let system = world.implicit_system(element);
                let code = element.value.as_str();
                code.is_some() && self.fits_coded((system.as_deref(), code))
            }
            _ => {
                let text = plain_text(&element.value);
                self.fits_coded((None, text.as_deref()))
            }
        }
    }

    /// What stands before the `|` is the kind of contact or its use.
    fn fits_contact(&self, element: &Element) -> bool {
        let value = element.text("value");
        let is_kind = |kind: &str| {
            value.is_some() && [element.text("system"), element.text("use")].contains(&Some(kind))
        };
        match self {
            TokenAsked::Pair(kind, asked) => {
                let asked = TokenAsked::Code(asked.clone());
                is_kind(kind) && asked.fits_folded(value)
            }
            TokenAsked::System(kind) => is_kind(kind),
            _ => self.fits_folded(value),
        }
    }

    fn fits_folded(&self, text: Option<&str>) -> bool {
        match self {
            TokenAsked::Code(asked) | TokenAsked::NoSystem(asked) => {
                text.is_some_and(|text| text.to_lowercase() == asked.to_lowercase())
            }
            _ => false,
        }
    }
}

/// A boolean, number or text as it is written.
pub fn plain_text(value: &Value) -> Option<String> {
    match value {
        Value::String(text) => Some(text.clone()),
        Value::Bool(_) | Value::Number(_) => Some(value.to_string()),
        _ => None,
    }
}

fn coded<'v>(value: &'v Value, name: &str) -> Coded<'v> {
    let part = |name: &str| value.get(name).and_then(Value::as_str);
    (part("system"), part(name))
}

/// What systems and codes an element has.
pub fn codings(element: &Element) -> Vec<Coded<'_>> {
    match element.kind.as_str() {
        "CodeableConcept" => {
            let codings = element.value["coding"].as_array();
            let codings = codings.into_iter().flatten();
            codings.map(|coding| coded(coding, "code")).collect()
        }
        "Coding" => vec![coded(&element.value, "code")],
        "Identifier" => vec![coded(&element.value, "value")],
        _ => Vec::new(),
    }
}

/// The texts that `:text` searches.
pub fn texts(element: &Element) -> Vec<&str> {
    let value = &element.value;
    let mut found: Vec<Option<&str>> = Vec::new();
    match element.kind.as_str() {
        "CodeableConcept" => {
            found.push(value["text"].as_str());
            let codings = value["coding"].as_array().into_iter().flatten();
            found.extend(codings.map(|coding| coding["display"].as_str()));
        }
        "Coding" => found.push(value["display"].as_str()),
        "Identifier" => found.push(value["type"]["text"].as_str()),
        _ => {}
    }
    found.into_iter().flatten().collect()
}

/// Whether a text of the element begins with what is asked for.
pub fn fits_text(element: &Element, asked: &str) -> bool {
    let asked = normalised(asked);
    let begins = |text: &str| normalised(text).starts_with(&asked);
    !asked.is_empty() && texts(element).into_iter().any(begins)
}

/// Whether a code is one of a value set.
pub fn fits_set(element: &Element, codes: &CodeSet, world: &World) -> bool {
    let holds = |(system, code): Coded<'_>| match (system, code) {
        (Some(system), Some(code)) => codes.contains(system, code),
        _ => false,
    };
    match element.kind.as_str() {
        "code" => {
            let code = element.value.as_str();
            match world.implicit_system(element) {
                Some(system) => holds((Some(&system), code)),
                // Its binding draws on several systems, one of which it is of.
                None => code.is_some_and(|code| codes.contains_code(code)),
            }
        }
        _ => codings(element).into_iter().any(holds),
    }
}

/// `:of-type=system|code|value` of an Identifier.
pub fn fits_type(element: &Element, [system, code, value]: &[String; 3]) -> bool {
    let types = element.value["type"]["coding"].as_array();
    let is_type = |coding: &Value| {
        coding["system"].as_str() == Some(system) && coding["code"].as_str() == Some(code)
    };
    element.kind == "Identifier"
        && element.text("value") == Some(value)
        && types.into_iter().flatten().any(is_type)
}

/// Whether there is a value, even if nothing in it can be searched for.
pub fn is_present(element: &Element) -> bool {
    let has = |names: &[&str]| names.iter().any(|name| element.value.get(name).is_some());
    match element.kind.as_str() {
        "CodeableConcept" => has(&["coding", "text"]),
        "Coding" => has(&["system", "code", "display"]),
        "Identifier" => {
            let members = element.value.as_object();
            members.is_some_and(|members| members.keys().any(|name| name != "extension"))
        }
        "ContactPoint" => has(&["value"]),
        _ => plain_text(&element.value).is_some(),
    }
}
