//! The evaluator: a query, every resource in turn, yes or no.
//!
//! A condition is held against the values that its parameter's published expression gives.
//! Nothing is indexed, nothing is clever.

use super::condition::{Asked, Condition, compile};
use super::pointing::{self, Points, ReferenceAsked};
use super::query::{Name, Query, Scope};
use super::range::{ends_of, span_of};
use super::string::{self, Mode};
use super::token;
use super::uri;
use super::world::{Element, Subject, World};
use andiron::definitions::{SearchParameter, SearchParameterType as Kind};
use std::collections::BTreeSet;

/// The names (`Type/id`) of all that match.
///
/// # Errors
/// What is malformed: the server has to refuse it too.
pub fn answer(world: &World, query: &Query, now: i64) -> Result<BTreeSet<String>, String> {
    check_together(world, query)?;
    let mut found = BTreeSet::new();
    for kind in kinds(world, &query.scope) {
        let terms = query.terms.iter();
        let conditions = terms
            .map(|term| compile(world, &kind, &term.name, &term.values))
            .collect::<Result<Vec<_>, _>>()?;
        for record in world.of_kind(&kind) {
            let subject = Subject::whole(&record.json);
            let all = conditions.iter().all(|one| holds(world, subject, one, now));
            if all && is_in_scope(world, subject, &query.scope) {
                found.insert(record.name());
            }
        }
    }
    Ok(found)
}

/// A parameter of several types is one of all, and the same kind of one.
fn check_together(world: &World, query: &Query) -> Result<(), String> {
    if !matches!(query.scope, Scope::Types(_)) {
        return Ok(());
    }
    let types = kinds(world, &query.scope);
    for term in &query.terms {
        let code = match Name::parse(&term.name).ok_or("a malformed name")? {
            Name::Plain { code, .. } | Name::Chain { code, .. } => code,
            Name::Has { .. } => continue,
        };
        let parameters = types.iter().map(|kind| world.parameter(kind, code));
        let sorts: BTreeSet<_> = parameters.map(|p| p.map(|p| p.kind)).collect();
        if sorts.len() > 1 {
            return Err(format!("{code} is not the same of all types"));
        }
    }
    Ok(())
}

/// The types that a scope has.
pub fn kinds(world: &World, scope: &Scope) -> Vec<String> {
    match scope {
        Scope::Types(types) if types.is_empty() => {
            let kinds: BTreeSet<&String> = world.records.iter().map(|r| &r.kind).collect();
            kinds.into_iter().cloned().collect()
        }
        Scope::Types(types) => types.clone(),
        Scope::Compartment {
            kind: Some(kind), ..
        } => vec![kind.clone()],
        Scope::Compartment { owner, .. } => {
            let compartment = world.definitions.compartment(owner);
            let listed = compartment.into_iter().flat_map(|c| c.resources.keys());
            let mut kinds: BTreeSet<String> = listed.cloned().collect();
            kinds.insert(owner.clone());
            kinds.into_iter().collect()
        }
    }
}

fn is_in_scope(world: &World, subject: Subject<'_>, scope: &Scope) -> bool {
    let Scope::Compartment { owner, id, .. } = scope else {
        return true;
    };
    let Some(compartment) = world.definitions.compartment(owner) else {
        return false;
    };
    let kind = subject.kind();
    // What it is the compartment of is in it.
    if kind == owner && subject.json["id"].as_str() == Some(id) {
        return true;
    }
    let wanted = Points::Local(owner.clone(), id.clone());
    compartment.params(kind).iter().any(|code| {
        let Some(parameter) = world.parameter(kind, code) else {
            return false;
        };
        let values = world.values(subject, &parameter);
        values.iter().any(|e| pointing::target(e, world) == wanted)
    })
}

/// Whether a condition holds of a resource.
pub fn holds(world: &World, subject: Subject<'_>, condition: &Condition, now: i64) -> bool {
    match condition {
        Condition::Missing(parameter, missing) => {
            let values = world.values(subject, parameter);
            let present = values.iter().any(|e| is_present(parameter.kind, e));
            present != *missing
        }
        Condition::Any {
            parameter,
            asked,
            negated,
        } => {
            let mut asked = asked.iter();
            asked.any(|asked| has(world, subject, parameter, asked, now)) != *negated
        }
        Condition::Chain { parameter, rest } => {
            let values = world.values(subject, parameter);
            let targets = values.iter().flat_map(|e| led_to(world, subject, e));
            targets.into_iter().any(|target| {
                let rest = rest.get(target.kind());
                rest.is_some_and(|rest| holds(world, target, rest, now))
            })
        }
        Condition::Has {
            source,
            parameter,
            rest,
        } => world.of_kind(source).any(|record| {
            let referrer = Subject::whole(&record.json);
            let values = world.values(referrer, parameter);
            let mut targets = values.iter().flat_map(|e| led_to(world, referrer, e));
            targets.any(|target| std::ptr::eq(target.json, subject.json))
                && holds(world, referrer, rest, now)
        }),
    }
}

/// Whether a resource has a value of the parameter that is asked for.
fn has(
    world: &World,
    subject: Subject<'_>,
    parameter: &SearchParameter,
    asked: &Asked,
    now: i64,
) -> bool {
    match asked {
        Asked::Composite(parts) => {
            let tuples = world.tuples(subject, parameter);
            tuples.iter().any(|tuple| {
                let mut pairs = tuple.iter().zip(parts);
                pairs.all(|(values, asked)| values.iter().any(|v| fits(world, v, asked, now)))
            })
        }
        Asked::Words(words) => {
            let values = world.values(subject, parameter);
            let is_there = |word: &String| {
                let mut values = values.iter();
                values.any(|value| string::fits(value, Mode::Contains, word))
            };
            !words.is_empty() && words.iter().all(is_there)
        }
        Asked::Reference(ReferenceAsked::Identifier(_)) => {
            let values = world.unresolved(subject, parameter);
            values.iter().any(|value| fits(world, value, asked, now))
        }
        asked => {
            let values = world.values(subject, parameter);
            values.iter().any(|value| fits(world, value, asked, now))
        }
    }
}

/// The resources that a reference of a subject leads to: at most one, but several resources
/// may have the same canonical.
pub fn led_to<'w>(world: &'w World, from: Subject<'w>, element: &Element) -> Vec<Subject<'w>> {
    // What stands in its place: R4 has it where a Bundle begins.
    if element.text("resourceType").is_some() {
        return vec![Subject::whole(&from.json["entry"][0]["resource"])];
    }
    match pointing::target(element, world) {
        Points::Local(kind, id) => {
            let found = world.find(&format!("{kind}/{id}"));
            found.map(|r| Subject::whole(&r.json)).into_iter().collect()
        }
        Points::Contained(id) => {
            let contained = from.container["contained"].as_array();
            let mut contained = contained.into_iter().flatten();
            let found = contained.find(|one| one["id"].as_str() == Some(&id));
            let found = found.map(|json| Subject {
                json,
                container: from.container,
            });
            found.into_iter().collect()
        }
        Points::Elsewhere(url) if element.is_uri => {
            let (url, version) = match url.split_once('|') {
                Some((url, version)) => (url, Some(version)),
                None => (url.as_str(), None),
            };
            let records = world.records.iter().filter(|record| {
                record.json["url"].as_str() == Some(url)
                    && version.is_none_or(|v| record.json["version"].as_str() == Some(v))
            });
            records.map(|record| Subject::whole(&record.json)).collect()
        }
        _ => Vec::new(),
    }
}

/// Whether an element has a value that the parameter could be about.
fn is_present(kind: Kind, element: &Element) -> bool {
    match kind {
        Kind::Token => token::is_present(element),
        Kind::Reference => pointing::is_present(element),
        Kind::Uri => element.value.is_string(),
        Kind::String => !string::texts(element).is_empty(),
        Kind::Date => span_of(element).is_some(),
        Kind::Number | Kind::Quantity => ends_of(element).is_some(),
        Kind::Composite | Kind::Special => false,
    }
}

fn fits(world: &World, element: &Element, asked: &Asked, now: i64) -> bool {
    match asked {
        Asked::Token(asked) => asked.fits(element, world),
        Asked::TokenText(asked) => token::fits_text(element, asked),
        Asked::OfType(parts) => token::fits_type(element, parts),
        Asked::String(mode, asked) => string::fits(element, *mode, asked),
        Asked::Date(asked) => span_of(element).is_some_and(|span| asked.fits(span, now)),
        Asked::Number(asked) => ends_of(element).is_some_and(|ends| asked.fits(&ends)),
        Asked::Quantity(asked) => asked.fits(element),
        Asked::Reference(asked) => asked.fits(element, world),
        Asked::Uri(mode, asked) => uri::fits(element, *mode, asked),
        Asked::InSet(codes) => token::fits_set(element, codes, world),
        Asked::Mime(mode, asked) => uri::fits_mime(element, *mode, asked),
        Asked::Words(_) => false,
        Asked::Composite(_) => false,
    }
}
