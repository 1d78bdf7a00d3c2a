//! Token: codes and identifiers, equal or not. <https://hl7.org/fhir/R4/search.html#token>
//!
//! An entry is the hash of a letter and the value. Per value of an element:
//!
//! | element | entries |
//! |---|---|
//! | Coding, Identifier with system | `c`code · `s`system LF code · `y`system |
//! | Coding, Identifier without system | `c`code · `n`code |
//! | Coding with system only | `y`system |
//! | CodeableConcept | those of each coding |
//! | code, boolean, id, uri, integer | `c`value |
//! | uri or id where a Coding could be: `MessageDefinition.event[x]` | also `n`value |
//! | string, ContactPoint | `t`value in lower case |
//!
//! A `code` has the system of its required binding, which is known when the query is
//! compiled: `sys|code` asks for `c`code when that is the system, and for nothing when not;
//! `sys|` asks whether there is a value.
//! Cases and accents count, except in strings and ContactPoints, whose case does not.
//! `:text`, `:in`, `:not-in`, `:above`, `:below` and `:of-type` are not done here yet.

use super::{Sink, either, escape};
use crate::error::Issue;
use crate::fhirpath::{Item, Node};
use crate::search::index::{Slot, hash};
use crate::search::plan::Predicate;
use crate::search::registry::{Branch, Parameter};
use serde_json::Value;

/// Puts the entries of the items into the slot.
pub fn extract(items: &[Item<'_>], sink: &mut Sink<'_>) {
    let mut present = false;
    for item in items {
        present |= match item {
            Item::Node(node) => extract_node(node, sink),
            Item::Boolean(value) => plain(&value.to_string(), sink),
            Item::String(text) => plain(text, sink),
            Item::Number(_) | Item::Date(_) | Item::Target(_) => false,
        };
    }
    if present {
        sink.present();
    }
}

/// Whether the element has a value, even if there is nothing in it to search for.
fn extract_node(node: &Node<'_>, sink: &mut Sink<'_>) -> bool {
    let Some(value) = node.value else {
        return false;
    };
    let coded = |name: &str| pair(value.get("system"), value.get(name));
    match node.node_type.key.as_str() {
        "CodeableConcept" => {
            let codings = value.get("coding").and_then(Value::as_array);
            for coding in codings.into_iter().flatten() {
                system_and_code(pair(coding.get("system"), coding.get("code")), "", sink);
            }
            codings.is_some() || value.get("text").is_some()
        }
        "Coding" => {
            system_and_code(coded("code"), "", sink);
            ["system", "code", "display"]
                .iter()
                .any(|name| value.get(name).is_some())
        }
        "Identifier" => {
            system_and_code(coded("value"), "", sink);
            value
                .as_object()
                .is_some_and(|object| object.keys().any(|key| key != "extension"))
        }
        "ContactPoint" => match value.get("value").and_then(Value::as_str) {
            Some(text) => folded(text, sink),
            None => false,
        },
        "string" | "markdown" => node.text().is_some_and(|text| folded(text, sink)),
        _ => match value {
            Value::String(text) => {
                if node.choice.is_some_and(|choice| choice.field.is_choice) {
                    sink.entry(&no_system("", text));
                }
                plain(text, sink)
            }
            Value::Bool(value) => plain(if *value { "true" } else { "false" }, sink),
            Value::Number(number) => plain(number.as_str(), sink),
            _ => false,
        },
    }
}

fn pair<'v>(
    system: Option<&'v Value>,
    code: Option<&'v Value>,
) -> (Option<&'v str>, Option<&'v str>) {
    (system.and_then(Value::as_str), code.and_then(Value::as_str))
}

fn plain(text: &str, sink: &mut Sink<'_>) -> bool {
    sink.entry(&any_system("", text));
    true
}

fn folded(text: &str, sink: &mut Sink<'_>) -> bool {
    sink.entry(&without_case(text));
    true
}

/// The entries of a system and a code (or value); `before` keeps the identifiers of
/// references apart from the references themselves.
pub fn system_and_code(
    (system, code): (Option<&str>, Option<&str>),
    before: &str,
    sink: &mut Sink<'_>,
) {
    if let Some(code) = code {
        sink.entry(&any_system(before, code));
        match system {
            Some(system) => sink.entry(&with_system(before, system, code)),
            None => sink.entry(&no_system(before, code)),
        }
    }
    if let Some(system) = system {
        sink.entry(&whole_system(before, system));
    }
}

fn any_system(before: &str, code: &str) -> String {
    format!("{before}c{code}")
}

fn no_system(before: &str, code: &str) -> String {
    format!("{before}n{code}")
}

/// A line feed stands in neither a uri nor a code, so that no two pairs are one text.
fn with_system(before: &str, system: &str, code: &str) -> String {
    format!("{before}s{system}\n{code}")
}

fn whole_system(before: &str, system: &str) -> String {
    format!("{before}y{system}")
}

/// What is hashed for a string, whose case does not count.
pub fn without_case(text: &str) -> String {
    format!("t{}", text.to_lowercase())
}

/// What a query value asks for.
#[derive(Debug, PartialEq, Eq)]
pub enum Asked {
    /// `code`
    Code(String),
    /// `system|code`
    Pair(String, String),
    /// `|code`
    NoSystem(String),
    /// `system|`
    System(String),
}

impl Asked {
    /// Reads a value that is still escaped.
    ///
    /// # Errors
    /// More than one bare `|`, nothing on either side of it, a bad escape.
    pub fn parse(value: &str) -> Result<Asked, Issue> {
        let parts = escape::split(value, '|')
            .into_iter()
            .map(escape::unescape)
            .collect::<Result<Vec<_>, _>>()?;
        let bad = |found: &str| {
            let text = format!(
                "expected `code`, `system|code`, `|code` or `system|` (a `|` in a value is \
                 written `\\|`) but found {found}"
            );
            Err(Issue::error("value", text))
        };
        match parts.as_slice() {
            [code] => Ok(Asked::Code(code.clone())),
            [system, code] => match (system.is_empty(), code.is_empty()) {
                (true, true) => bad("`|` alone"),
                (true, false) => Ok(Asked::NoSystem(code.clone())),
                (false, true) => Ok(Asked::System(system.clone())),
                (false, false) => Ok(Asked::Pair(system.clone(), code.clone())),
            },
            _ => bad("more than one `|`"),
        }
    }

    /// The text of the one entry that a Coding or Identifier has when it is asked for.
    pub fn entry(&self, before: &str) -> String {
        match self {
            Asked::Code(code) => any_system(before, code),
            Asked::Pair(system, code) => with_system(before, system, code),
            Asked::NoSystem(code) => no_system(before, code),
            Asked::System(system) => whole_system(before, system),
        }
    }
}

/// The predicate of one value.
///
/// # Errors
/// Those of [`Asked::parse`].
pub fn compile(parameter: &Parameter, value: &str) -> Result<Predicate, Issue> {
    let asked = Asked::parse(value)?;
    let entries = parameter
        .branches
        .iter()
        .map(|branch| compile_in(branch, &asked));
    Ok(either(entries.collect()))
}

fn compile_in(branch: &Branch, asked: &Asked) -> Predicate {
    let leaves = branch.leaves();
    let mut entries: Vec<(Slot, i64)> = Vec::new();
    let mut all_of_system = Predicate::Nothing;
    let mut add = |text: &str| {
        let entry = (branch.slot, hash(text));
        if !entries.contains(&entry) {
            entries.push(entry);
        }
    };
    if leaves.coded {
        add(&asked.entry(""));
    }
    if leaves.folded
        && let Asked::Code(text) | Asked::NoSystem(text) = asked
    {
        add(&without_case(text));
    }
    for implied in &leaves.plain {
        match (asked, implied) {
            // Beside codings the entry of the code alone would find those with a system too.
            (Asked::NoSystem(_), None) if leaves.coded => {}
            (Asked::Code(code), _) | (Asked::NoSystem(code), None) => add(&any_system("", code)),
            (Asked::Pair(system, code), Some(implied)) if system == implied => {
                add(&any_system("", code));
            }
            (Asked::System(system), Some(implied)) if system == implied => {
                all_of_system = branch.present();
            }
            _ => {}
        }
    }
    either(vec![Predicate::Entries(entries), all_of_system])
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_four_forms() {
        let text = str::to_owned;
        for (value, asked) in [
            ("a", Asked::Code(text("a"))),
            ("s|a", Asked::Pair(text("s"), text("a"))),
            ("|a", Asked::NoSystem(text("a"))),
            ("s|", Asked::System(text("s"))),
            ("A\\|B", Asked::Code(text("A|B"))),
            ("s|A\\|B", Asked::Pair(text("s"), text("A|B"))),
            ("s|code\\,", Asked::Pair(text("s"), text("code,"))),
        ] {
            assert_eq!(Asked::parse(value), Ok(asked), "{value}");
        }
        for bad in ["|", "a|b|c", "a\\b"] {
            assert!(Asked::parse(bad).is_err(), "{bad}");
        }
    }
}
