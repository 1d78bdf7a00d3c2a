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
//! | Identifier with a coded type | also `o`type system LF type code LF value, for `:of-type` |
//! | code, boolean, id, uri, integer | `c`value |
//! | uri or id where a Coding could be: `MessageDefinition.event[x]` | also `n`value |
//! | string, ContactPoint | `t`value in lower case |
//! | ContactPoint with system or use | also `s`system LF value in lower case · `y`system, each |
//!
//! A `code` has the system of its required binding, which is known when the query is
//! compiled: `sys|code` asks for `c`code when that is the system, and for nothing when not;
//! `sys|` asks whether there is a value.
//! Cases and accents count, except in strings and ContactPoints, whose case does not.
//!
//! A ContactPoint has no namespace, so that R4 gives `telecom=phone|555` no meaning. Those who
//! write it mean the kind of contact (`phone`, `email`) or its use (`home`): what stands before
//! the `|` is `ContactPoint.system` or `ContactPoint.use`. `|555` is 555 of any kind.
//!
//! | modifier | answered |
//! |---|---|
//! | `:text` | from the JSON: `CodeableConcept.text`, `Coding.display`, `Identifier.type.text` |
//! | `:in`, `:not-in` | by the entries of the codes, once the value set is read |
//! | `:above`, `:below` | likewise by those of the code system's hierarchy |
//! | the same on MIME types | from the JSON: `image` is above `image/png`, `text/xml` above `text/xml; …` |

use super::{Modifier, Sink, either, escape, string};
use crate::error::Issue;
use crate::fhirpath::{Item, Node};
use crate::search::index::{Slot, hash};
use crate::search::places::Located;
use crate::search::plan::{Direction, JsonTest, Lookup, Place, Predicate, TokenSlot};
use crate::search::registry::Parameter;
use serde_json::Value;

/// The system that the binding of MIME types draws on.
const MIME_TYPES: &str = "urn:ietf:bcp:13";

/// Puts the entries of the items into the slot.
pub fn extract(items: &[Item<'_>], sink: &mut Sink<'_>) {
    let mut present = false;
    for item in items {
        present |= match item {
            Item::Node(node) => extract_node(node, sink),
            Item::Boolean(value) => plain(&value.to_string(), sink),
            Item::String(text) => plain(text, sink),
            _ => false,
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
            identifier_types(value, sink);
            value
                .as_object()
                .is_some_and(|object| object.keys().any(|key| key != "extension"))
        }
        "ContactPoint" => match value.get("value").and_then(Value::as_str) {
            Some(text) => {
                for kind in ["system", "use"] {
                    if let Some(kind) = value.get(kind).and_then(Value::as_str) {
                        sink.entry(&contact(kind, text));
                        sink.entry(&whole_system("", kind));
                    }
                }
                folded(text, sink)
            }
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

/// An entry for each type of an Identifier that has a system and a code.
fn identifier_types(identifier: &Value, sink: &mut Sink<'_>) {
    let codings = identifier.get("type").and_then(|kind| kind.get("coding"));
    let codings = codings.and_then(Value::as_array).into_iter().flatten();
    let Some(value) = identifier.get("value").and_then(Value::as_str) else {
        return;
    };
    for coding in codings {
        if let (Some(system), Some(code)) = pair(coding.get("system"), coding.get("code")) {
            sink.entry(&of_type(system, code, value));
        }
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

/// What is hashed for what is true or false.
pub fn of_truth(value: bool) -> String {
    any_system("", if value { "true" } else { "false" })
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

fn of_type(system: &str, code: &str, value: &str) -> String {
    format!("o{system}\n{code}\n{value}")
}

/// What is hashed for a string, whose case does not count.
pub fn without_case(text: &str) -> String {
    format!("t{}", text.to_lowercase())
}

/// What is hashed for a ContactPoint of a system or use.
fn contact(kind: &str, value: &str) -> String {
    with_system("", kind, &value.to_lowercase())
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

/// The predicate of one value, with a modifier where given.
///
/// # Errors
/// Those of [`Asked::parse`]; what a modifier needs and the value or the parameter lacks.
pub fn compile(
    parameter: &Parameter,
    modifier: Option<&Modifier>,
    value: &str,
    base: &str,
) -> Result<Predicate, Issue> {
    match modifier {
        Some(Modifier::Text) => compile_text(parameter, value),
        Some(Modifier::OfType) => compile_of_type(parameter, value),
        Some(Modifier::In) if !takes(parameter, ":in") => {
            Err(inapplicable(parameter, ":in", "codes"))
        }
        Some(Modifier::In) => {
            let name = escape::unescape(value)?;
            let own = name
                .strip_prefix(base)
                .and_then(|name| name.strip_prefix('/'));
            Ok(Predicate::Lookup(Box::new(Lookup::InValueSet {
                value_set: own.unwrap_or(&name).to_owned(),
                slots: slots(parameter),
            })))
        }
        Some(Modifier::Above) => compile_subsumed(parameter, Direction::Above, value),
        Some(Modifier::Below) => compile_subsumed(parameter, Direction::Below, value),
        _ => Ok(has_any(&slots(parameter), &[Asked::parse(value)?])),
    }
}

/// Whether the values of the parameter have a sense for a modifier, by its name.
pub fn takes(parameter: &Parameter, modifier: &str) -> bool {
    let wanted: &[&str] = match modifier {
        ":text" => &["CodeableConcept", "Coding", "Identifier"],
        ":of-type" => &["Identifier"],
        ":in" | ":not-in" | ":above" | ":below" => &["CodeableConcept", "Coding", "code"],
        _ => return true,
    };
    parameter.branches.iter().any(|branch| {
        let places = branch.places().unwrap_or_default();
        let mut types = places.iter().map(|located| located.node_type.key.as_str());
        types.any(|one| wanted.contains(&one))
    })
}

/// The slots of a parameter, as [`has_any`] reads them.
pub fn slots(parameter: &Parameter) -> Vec<TokenSlot> {
    let branches = parameter.branches.iter();
    let slots = branches.map(|branch| TokenSlot {
        slot: branch.slot,
        present: branch.present(),
        leaves: branch.leaves().clone(),
    });
    slots.collect()
}

/// A value in one of the slots is one of these.
pub fn has_any(slots: &[TokenSlot], asked: &[Asked]) -> Predicate {
    let parts = slots
        .iter()
        .flat_map(|slot| asked.iter().map(move |asked| has(slot, asked)));
    either(parts.collect())
}

/// A value in one of the slots is one of these codes of a value set. A `code` whose system
/// nobody states is of whichever has it.
pub fn has_member(slots: &[TokenSlot], asked: &[Asked]) -> Predicate {
    let is_bare = |slot: &&TokenSlot| !slot.leaves.coded && slot.leaves.plain == [None];
    let (bare, with_system): (Vec<&TokenSlot>, Vec<&TokenSlot>) = slots.iter().partition(is_bare);
    let members = asked.iter().flat_map(|asked| {
        let with_system = with_system.iter().map(move |slot| has(slot, asked));
        let bare = bare.iter().map(move |slot| match asked {
            Asked::Pair(_, code) => has(slot, &Asked::Code(code.clone())),
            _ => Predicate::Nothing,
        });
        with_system.chain(bare)
    });
    either(members.collect())
}

fn has(slot: &TokenSlot, asked: &Asked) -> Predicate {
    let leaves = &slot.leaves;
    let mut entries: Vec<(Slot, i64)> = Vec::new();
    let mut all_of_system = Predicate::Nothing;
    let mut add = |text: &str| {
        let entry = (slot.slot, hash(text));
        if !entries.contains(&entry) {
            entries.push(entry);
        }
    };
    if leaves.coded {
        add(&asked.entry(""));
    }
    match asked {
        Asked::Code(text) | Asked::NoSystem(text) if leaves.folded => add(&without_case(text)),
        Asked::Pair(kind, text) if leaves.contact => add(&contact(kind, text)),
        Asked::System(kind) if leaves.contact => add(&whole_system("", kind)),
        _ => {}
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
                all_of_system = slot.present.clone();
            }
            _ => {}
        }
    }
    either(vec![Predicate::Entries(entries), all_of_system])
}

/// `:text`: not indexed, since it would double what is stored of every code.
fn compile_text(parameter: &Parameter, value: &str) -> Result<Predicate, Issue> {
    let normal = string::normalise(&escape::unescape(value)?);
    let places = places(parameter, |located| match located.node_type.key.as_str() {
        "CodeableConcept" => vec![located.at(".text"), located.at(".coding.display")],
        "Coding" => vec![located.at(".display")],
        "Identifier" => vec![located.at(".type.text")],
        _ => Vec::new(),
    });
    match places {
        Some(places) if normal.is_empty() && !places.is_empty() => Ok(Predicate::Nothing),
        Some(places) if !places.is_empty() => Ok(Predicate::Json {
            places,
            test: JsonTest::Begins(normal),
        }),
        _ => Err(inapplicable(parameter, ":text", "codes with a text")),
    }
}

/// `:of-type=type-system|type-code|value`, all three.
fn compile_of_type(parameter: &Parameter, value: &str) -> Result<Predicate, Issue> {
    if !takes(parameter, ":of-type") {
        return Err(inapplicable(parameter, ":of-type", "identifiers"));
    }
    let parts = escape::split(value, '|')
        .into_iter()
        .map(escape::unescape)
        .collect::<Result<Vec<_>, _>>()?;
    match parts.as_slice() {
        [system, code, value] if parts.iter().all(|part| !part.is_empty()) => {
            let wanted = hash(&of_type(system, code, value));
            let entries = parameter
                .branches
                .iter()
                .map(|branch| (branch.slot, wanted));
            Ok(either(vec![Predicate::Entries(entries.collect())]))
        }
        _ => Err(Issue::error(
            "value",
            "expected `type-system|type-code|value`, all three of them",
        )),
    }
}

fn compile_subsumed(
    parameter: &Parameter,
    direction: Direction,
    value: &str,
) -> Result<Predicate, Issue> {
    let asked = Asked::parse(value)?;
    let slots = slots(parameter);
    let implied: Vec<&str> = slots
        .iter()
        .flat_map(|slot| &slot.leaves.plain)
        .filter_map(|system| system.as_deref())
        .collect();
    let is_coded = slots.iter().any(|slot| slot.leaves.coded);
    if !takes(parameter, ":below") {
        return Err(inapplicable(parameter, "this modifier", "codes"));
    }
    let (system, code) = match (asked, implied.as_slice()) {
        (Asked::Pair(system, code), _) => (system, code),
        // The system of a `code` goes without saying.
        (Asked::Code(code), [system]) if !is_coded => ((*system).to_owned(), code),
        _ => {
            let text = "expected `system|code`, since only a system knows what is above and below";
            return Err(Issue::error("value", text));
        }
    };
    if implied.contains(&MIME_TYPES) && system == MIME_TYPES {
        return compile_mime(parameter, direction, &code);
    }
    Ok(Predicate::Lookup(Box::new(Lookup::Subsumed {
        system,
        code,
        direction,
        slots,
    })))
}

/// MIME types: the range `image` or `image/*` contains `image/png`, which contains
/// `image/png; …`.
fn compile_mime(
    parameter: &Parameter,
    direction: Direction,
    text: &str,
) -> Result<Predicate, Issue> {
    let text = text.trim_end_matches('*').trim_end_matches('/').trim_end();
    let places = places(parameter, |located| match located.node_type.key.as_str() {
        "code" => vec![located.at("")],
        _ => Vec::new(),
    });
    let places = places.ok_or_else(|| inapplicable(parameter, "this modifier", "a plain path"))?;
    let kind = text.split('/').next().unwrap_or_default().to_owned();
    let bare = text.split(';').next().unwrap_or_default().trim_end();
    let test = match direction {
        Direction::Below if text.contains('/') => JsonTest::Below(text.to_owned(), "; "),
        Direction::Below => JsonTest::Below(kind, "/"),
        Direction::Above => JsonTest::OneOf(vec![text.to_owned(), bare.to_owned(), kind]),
    };
    Ok(Predicate::Json { places, test })
}

/// What `choose` takes of each place of the parameter's values; `None` where an expression
/// is more than a path.
pub fn places(
    parameter: &Parameter,
    choose: impl Fn(&Located<'_>) -> Vec<Place>,
) -> Option<Vec<Place>> {
    let mut places = Vec::new();
    for branch in &parameter.branches {
        places.extend(branch.places()?.iter().flat_map(&choose));
    }
    Some(places)
}

fn inapplicable(parameter: &Parameter, modifier: &str, of: &str) -> Issue {
    let text = format!(
        "expected a parameter of {of} for {modifier} but {} is none",
        parameter.code
    );
    Issue::error("not-supported", text)
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
