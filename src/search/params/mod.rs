//! The search types, each in one file with both halves: what it extracts from a resource,
//! and the predicate that it compiles from a query value.
//! <https://hl7.org/fhir/R4/search.html#ptypes>
//!
//! ```text
//! resource --Expression--> items --extract--> entries, rows      registry::Registry::index
//! "ge2024-01,lt2024" --escape::split--> values --compile, each--> Predicate
//! ```
//!
//! `_query` is not done here: it is refused.
//!
//! A modifier that is rare is answered from the JSON ([`Predicate::Json`]) instead of from
//! entries of its own, since every resource would bear their cost; what needs stored value
//! sets, code systems or hierarchies becomes a [`Predicate::Lookup`].
//!
//! Presence, which `:missing` asks for: a branch of entries has a bit, which its extraction
//! sets with [`Sink::present`]; a slot of rows is present when it has a row.

pub mod composite;
pub mod date;
pub mod escape;
pub mod number;
pub mod quantity;
pub mod reference;
pub mod special;
pub mod string;
pub mod token;
pub mod uri;
pub mod words;

use super::index::{IndexRows, Slot};
use super::plan::{Predicate, RowTable};
use super::registry::{Branch, Kind, Parameter};
use crate::access::Tenant;
use crate::error::Issue;
use crate::fhir::{Id, Instant, ResourceType};

/// What follows the colon of a parameter's name.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Modifier {
    /// `:missing=true|false`, of every kind.
    Missing,
    /// Of string: the whole value, case and accents included.
    Exact,
    /// Of string: anywhere in the value.
    Contains,
    /// Of string: each word anywhere in the value. Of token: the beginning of the text that
    /// goes with a code.
    Text,
    /// Of token: no value is this one; resources without a value match too.
    Not,
    /// Of token: a code of this value set.
    In,
    /// Of token: no value is a code of this value set; resources without one match too.
    NotIn,
    /// Of Identifier: `type-system|type-code|value`.
    OfType,
    /// Of token, reference and uri: this or what contains it.
    Above,
    /// Of token, reference and uri: this or what it contains.
    Below,
    /// Of reference: `:Patient`.
    Type(ResourceType),
    /// Of reference: `Reference.identifier`.
    Identifier,
}

impl Modifier {
    /// The modifier of that name, if it is supported on a parameter of that kind. A modifier
    /// that is not must be refused, never ignored: [`Modifier::refusal`].
    pub fn parse(kind: Kind, text: &str) -> Option<Modifier> {
        match (kind, text) {
            (Kind::Composite | Kind::Special, _) => None,
            (_, "missing") => Some(Modifier::Missing),
            (Kind::String, "exact") => Some(Modifier::Exact),
            (Kind::String, "contains") => Some(Modifier::Contains),
            (Kind::String | Kind::Token, "text") => Some(Modifier::Text),
            (Kind::Token, "not") => Some(Modifier::Not),
            (Kind::Token, "in") => Some(Modifier::In),
            (Kind::Token, "not-in") => Some(Modifier::NotIn),
            // R4 spells it both ways.
            (Kind::Token, "of-type" | "ofType") => Some(Modifier::OfType),
            (Kind::Token | Kind::Reference | Kind::Uri, "above") => Some(Modifier::Above),
            (Kind::Token | Kind::Reference | Kind::Uri, "below") => Some(Modifier::Below),
            (Kind::Reference, "identifier") => Some(Modifier::Identifier),
            (Kind::Reference, name) => ResourceType::parse(name).map(Modifier::Type),
            _ => None,
        }
    }

    /// What to say of a modifier that is not supported.
    pub fn refusal(kind: Kind, text: &str) -> Issue {
        let known = match Modifier::supported(kind) {
            [] => "none".to_owned(),
            known => known.join(", "),
        };
        Issue::error(
            "not-supported",
            format!("expected a supported modifier ({known}) but found :{text}"),
        )
    }

    /// The modifiers of a kind, as the CapabilityStatement's documentation tells them.
    pub fn supported(kind: Kind) -> &'static [&'static str] {
        match kind {
            Kind::String => &[":missing", ":exact", ":contains", ":text"],
            Kind::Token => &[
                ":missing", ":not", ":text", ":in", ":not-in", ":of-type", ":above", ":below",
            ],
            Kind::Reference => &[":missing", ":identifier", ":[type]", ":above", ":below"],
            Kind::Uri => &[":missing", ":above", ":below"],
            Kind::Date | Kind::Number | Kind::Quantity => &[":missing"],
            Kind::Composite | Kind::Special => &[],
        }
    }

    /// The modifiers of a parameter: those of its kind that its values have a sense for.
    pub fn supported_by(parameter: &Parameter) -> Vec<&'static str> {
        let mut known = Modifier::supported(parameter.kind).to_vec();
        match parameter.code.as_str() {
            "_id" => known.retain(|name| matches!(*name, ":missing" | ":not")),
            "_lastUpdated" | "_text" | "_content" => known.clear(),
            _ if parameter.kind == Kind::Token => {
                known.retain(|name| token::takes(parameter, name));
            }
            _ => {}
        }
        known
    }

    /// Whether it asks that no value is such a one: alternatives then mean "none of these".
    pub fn is_negative(self) -> bool {
        matches!(self, Modifier::Not | Modifier::NotIn)
    }
}

/// The predicate of one alternative, still escaped. Alternatives are joined by the caller:
/// "or", and "and" after `:not`, since `:not=a,b` means "none of these".
///
/// # Errors
/// `invalid`, `value` or `not-supported`, saying what was expected. An empty alternative is
/// an error, for it would match everything or nothing and no client means either.
pub fn compile(
    parameter: &Parameter,
    modifier: Option<&Modifier>,
    value: &str,
    base: &str,
    now: Instant,
) -> Result<Predicate, Issue> {
    check_value(parameter, value)?;
    match modifier {
        Some(modifier) if !applies_to(*modifier, parameter) => {
            return Err(without_modifier(parameter));
        }
        Some(Modifier::Missing) => return compile_missing(parameter, value),
        Some(Modifier::Not) => return Ok(negate(compile(parameter, None, value, base, now)?)),
        Some(Modifier::NotIn) => {
            let within = compile(parameter, Some(&Modifier::In), value, base, now)?;
            return Ok(negate(within));
        }
        _ => {}
    }
    match (parameter.code.as_str(), parameter.kind) {
        ("_id", _) => compile_id(value),
        ("_lastUpdated", _) => date::compile_last_updated(value, now),
        ("_text" | "_content", _) => words::compile(parameter, value),
        (_, Kind::Token) => token::compile(parameter, modifier, value, base),
        (_, Kind::String) => string::compile(parameter, modifier, value),
        (_, Kind::Date) => date::compile(parameter, value, now),
        (_, Kind::Number) => number::compile(parameter, value),
        (_, Kind::Quantity) => quantity::compile(parameter, value),
        (_, Kind::Reference) => reference::compile(parameter, modifier, value, base),
        (_, Kind::Uri) => uri::compile(parameter, modifier, value),
        (_, Kind::Composite) => composite::compile(parameter, value, base, now),
        (_, Kind::Special) => special::compile(parameter, value),
    }
}

fn check_value(parameter: &Parameter, value: &str) -> Result<(), Issue> {
    if !parameter.supported {
        return Err(unsupported(parameter));
    }
    if value.is_empty() {
        let text = format!("expected a value of {} but found nothing", parameter.code);
        return Err(Issue::error("invalid", text));
    }
    // R4's strings hold no code points below 32 but these three, so that neither can a value.
    let is_forbidden = |c: char| c < ' ' && !matches!(c, '\t' | '\n' | '\r');
    if let Some(c) = value.chars().find(|c| is_forbidden(*c)) {
        let text = format!(
            "expected text but found the control character U+{:04X}",
            c as u32
        );
        return Err(Issue::error("invalid", text));
    }
    Ok(())
}

/// What is not made of indexed values has fewer modifiers than its kind.
fn applies_to(modifier: Modifier, parameter: &Parameter) -> bool {
    match parameter.code.as_str() {
        "_id" => matches!(modifier, Modifier::Missing | Modifier::Not),
        "_text" | "_content" => false,
        _ => true,
    }
}

fn without_modifier(parameter: &Parameter) -> Issue {
    let known = match parameter.code.as_str() {
        "_id" => ":missing, :not",
        _ => "none",
    };
    let text = format!("expected a supported modifier ({known}) but found another");
    Issue::error("not-supported", text)
}

fn unsupported(parameter: &Parameter) -> Issue {
    Issue::error(
        "not-supported",
        format!(
            "expected a supported search parameter but found {} of {}",
            parameter.code, parameter.resource_type
        ),
    )
}

/// `_id`: the case counts, and what cannot be an id is the id of nothing.
fn compile_id(value: &str) -> Result<Predicate, Issue> {
    let id = escape::unescape(value)?;
    Ok(match Id::is_valid(&id) {
        true => Predicate::Id(vec![id]),
        false => Predicate::Nothing,
    })
}

fn compile_missing(parameter: &Parameter, value: &str) -> Result<Predicate, Issue> {
    let missing = match value {
        "true" => true,
        "false" => false,
        other => {
            let text = format!("expected true or false after :missing but found `{other}`");
            return Err(Issue::error("value", text));
        }
    };
    let present = present(parameter);
    Ok(if missing { negate(present) } else { present })
}

/// Holds of the resources that have a value of the parameter.
fn present(parameter: &Parameter) -> Predicate {
    if let "_id" | "_lastUpdated" = parameter.code.as_str() {
        return Predicate::Everything;
    }
    either(
        parameter
            .branches
            .iter()
            .map(|branch| present_in(parameter.kind, branch))
            .collect(),
    )
}

fn present_in(kind: Kind, branch: &Branch) -> Predicate {
    match RowTable::of(kind) {
        Some(table) => table.any(branch.slot.row()),
        None => branch.present(),
    }
}

/// The simplest predicate that is the union of `parts`: entries are gathered into one list,
/// presence bits into one mask.
fn either(parts: Vec<Predicate>) -> Predicate {
    let (mut entries, mut others) = (Vec::new(), Vec::new());
    let mut bits = 0;
    for part in parts {
        match part {
            Predicate::Entries(more) => entries.extend(more),
            Predicate::Present(more) => bits |= more,
            Predicate::Nothing => {}
            Predicate::Everything => return Predicate::Everything,
            Predicate::Or(more) => others.extend(more),
            other => others.push(other),
        }
    }
    if !entries.is_empty() {
        others.push(Predicate::Entries(entries));
    }
    if bits != 0 {
        others.push(Predicate::Present(bits));
    }
    match others.len() {
        0 => Predicate::Nothing,
        1 => others.swap_remove(0),
        _ => Predicate::Or(others),
    }
}

fn negate(predicate: Predicate) -> Predicate {
    match predicate {
        Predicate::Everything => Predicate::Nothing,
        Predicate::Nothing => Predicate::Everything,
        Predicate::Not(inner) => *inner,
        other => Predicate::Not(Box::new(other)),
    }
}

/// Where an extraction puts what it finds for one slot.
pub struct Sink<'r> {
    pub tenant: Tenant,
    pub slot: Slot,
    /// The presence bits of the branches that read the slot; those of one type only with it.
    pub marks: &'r [(Option<ResourceType>, i64)],
    pub rows: &'r mut IndexRows,
}

impl Sink<'_> {
    /// Adds the entry of a text.
    pub fn entry(&mut self, text: &str) {
        self.key(super::index::hash(text));
    }

    /// Adds the entry of what is already hashed.
    pub fn key(&mut self, hash: i64) {
        self.rows.entries.push(self.slot.entry(self.tenant, hash));
    }

    /// Says that there is a value.
    pub fn present(&mut self) {
        self.present_as(|| None);
    }

    /// Says that there is a reference; its type is asked for only where it matters.
    pub fn present_as(&mut self, referred_type: impl FnOnce() -> Option<ResourceType>) {
        let is_narrow = self.marks.iter().any(|(only, _)| only.is_some());
        let referred = is_narrow.then(referred_type).flatten();
        for (only, bit) in self.marks {
            if only.is_none() || *only == referred {
                self.rows.present |= bit;
            }
        }
    }
}

/// A comparison: <https://hl7.org/fhir/R4/search.html#prefix>
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Prefix {
    Eq,
    Ne,
    Gt,
    Lt,
    Ge,
    Le,
    Sa,
    Eb,
    Ap,
}

impl Prefix {
    /// Takes a leading prefix off a number or date.
    ///
    /// # Errors
    /// `value`: letters that are no prefix.
    pub fn split(text: &str) -> Result<(Prefix, &str), Issue> {
        let end = text
            .find(|c: char| !c.is_ascii_alphabetic())
            .unwrap_or(text.len());
        let prefix = match &text[..end] {
            "" | "eq" => Prefix::Eq,
            "ne" => Prefix::Ne,
            "gt" => Prefix::Gt,
            "lt" => Prefix::Lt,
            "ge" => Prefix::Ge,
            "le" => Prefix::Le,
            "sa" => Prefix::Sa,
            "eb" => Prefix::Eb,
            "ap" => Prefix::Ap,
            other => {
                let text = format!(
                    "expected a number or date, after one of the prefixes eq, ne, gt, lt, ge, le, \
                     sa, eb, ap or none, but found `{other}`"
                );
                return Err(Issue::error("value", text));
            }
        };
        Ok((prefix, &text[end..]))
    }
}

#[cfg(test)]
mod tests;
