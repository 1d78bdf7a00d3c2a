//! The evaluator: a query, every resource in turn, yes or no.
//!
//! A term is compiled for the type that it is asked of, so that what is malformed is known
//! without any resource; then it is held against the values that the parameter's published
//! expression gives. Nothing is indexed, nothing is clever.

use super::ledger;
use super::pointing::{self, Points, ReferenceAsked};
use super::quantity::QuantityAsked;
use super::query::{Name, Query, Scope, split, unescaped};
use super::range::{DateAsked, NumberAsked, ends_of, span_of};
use super::string::{self, Mode};
use super::text::normalised;
use super::token::{self, TokenAsked};
use super::uri::{self, UriMode};
use super::world::{Element, Subject, World};
use andiron::definitions::{CodeSet, SearchParameter, SearchParameterType as Kind};
use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;

/// A condition on resources of one type.
pub enum Condition {
    Missing(Arc<SearchParameter>, bool),
    Any {
        parameter: Arc<SearchParameter>,
        asked: Vec<Asked>,
        /// "None of these", which holds where there is no value too.
        negated: bool,
    },
    Chain {
        parameter: Arc<SearchParameter>,
        /// What is asked of the target, by its type.
        rest: BTreeMap<String, Condition>,
    },
    Has {
        source: String,
        parameter: Arc<SearchParameter>,
        rest: Box<Condition>,
    },
}

/// One alternative.
pub enum Asked {
    Token(TokenAsked),
    TokenText(String),
    OfType([String; 3]),
    String(Mode, String),
    Date(DateAsked),
    Number(NumberAsked),
    Quantity(QuantityAsked),
    Reference(ReferenceAsked),
    Uri(UriMode, String),
    /// `:in` of a value set.
    InSet(Arc<CodeSet>),
    /// `:above` and `:below` of MIME types.
    Mime(UriMode, String),
    /// `:text` of a string: each word in some value.
    Words(Vec<String>),
    Composite(Vec<Asked>),
}

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

/// What a term asks of resources of that type.
///
/// # Errors
/// What is unknown or malformed.
pub fn compile(
    world: &World,
    kind: &str,
    name: &str,
    values: &[String],
) -> Result<Condition, String> {
    let known = |kind: &str, code: &str| {
        let parameter = world.parameter(kind, code);
        parameter.ok_or_else(|| format!("{kind} has no parameter {code}"))
    };
    match Name::parse(name).ok_or("a malformed name")? {
        Name::Plain { code, modifier } => {
            compile_plain(world, known(kind, code)?, modifier, values)
        }
        Name::Chain { code, only, rest } => {
            let parameter = known(kind, code)?;
            let targets = targets(world, &parameter, only)?;
            let compiled = targets.into_iter().map(|target| {
                let condition = compile(world, &target, rest, values);
                condition.map(|condition| (target, condition))
            });
            let (mut rest, mut problem) = (BTreeMap::new(), None);
            for one in compiled {
                match one {
                    Ok((target, condition)) => drop(rest.insert(target, condition)),
                    Err(error) => problem = Some(error),
                }
            }
            match problem {
                Some(problem) if rest.is_empty() => Err(problem),
                _ => Ok(Condition::Chain { parameter, rest }),
            }
        }
        Name::Has { source, code, rest } => {
            let parameter = known(source, code)?;
            if parameter.kind != Kind::Reference {
                return Err(format!("{code} is no reference"));
            }
            targets(world, &parameter, Some(kind))?;
            Ok(Condition::Has {
                source: source.to_owned(),
                parameter,
                rest: Box::new(compile(world, source, rest, values)?),
            })
        }
    }
}

/// The types that a chain may go on with.
fn targets(
    world: &World,
    parameter: &SearchParameter,
    only: Option<&str>,
) -> Result<Vec<String>, String> {
    if parameter.kind != Kind::Reference {
        return Err(format!("{} is no reference", parameter.code));
    }
    let all = match parameter.target.is_empty() {
        true => world.definitions.resource_types(),
        false => &parameter.target,
    };
    match only {
        None => Ok(all.to_vec()),
        Some(only) if all.iter().any(|target| target == only) => Ok(vec![only.to_owned()]),
        Some(only) => Err(format!("{} does not refer to {only}", parameter.code)),
    }
}

fn compile_plain(
    world: &World,
    parameter: Arc<SearchParameter>,
    modifier: Option<&str>,
    values: &[String],
) -> Result<Condition, String> {
    if modifier == Some("missing") {
        let missing = match values {
            [one] if one == "true" => true,
            [one] if one == "false" => false,
            _ => return Err("expected true or false".to_owned()),
        };
        return Ok(Condition::Missing(parameter, missing));
    }
    let negated = matches!(modifier, Some("not" | "not-in"));
    let modifier = modifier.filter(|modifier| *modifier != "not");
    let asked = values
        .iter()
        .map(|value| compile_value(world, &parameter, modifier, value))
        .collect::<Result<_, _>>()?;
    Ok(Condition::Any {
        parameter,
        asked,
        negated,
    })
}

fn compile_value(
    world: &World,
    parameter: &SearchParameter,
    modifier: Option<&str>,
    value: &str,
) -> Result<Asked, String> {
    if value.is_empty() {
        return Err("nothing is asked".to_owned());
    }
    let parts = || -> Result<Vec<String>, String> {
        let parts = split(value, '|');
        parts.iter().map(|part| unescaped(part)).collect()
    };
    let whole = || unescaped(value);
    Ok(match (parameter.kind, modifier) {
        (Kind::Token, None) if parameter.code == "_id" => Asked::Token(TokenAsked::Code(whole()?)),
        (Kind::Token, None) => Asked::Token(TokenAsked::parse(&parts()?)?),
        (Kind::Token, Some("text")) => Asked::TokenText(whole()?),
        (Kind::Token, Some("of-type" | "ofType")) => {
            let parts: Result<[String; 3], _> = parts()?.try_into();
            let parts = parts.map_err(|_| "expected three parts")?;
            if parts.iter().any(String::is_empty) {
                return Err("expected three parts".to_owned());
            }
            Asked::OfType(parts)
        }
        (Kind::Token, Some("in" | "not-in")) => {
            let codes = world.definitions.value_set_codes(&whole()?);
            Asked::InSet(codes.ok_or("an unknown value set")?)
        }
        (Kind::Token, Some(modifier @ ("above" | "below"))) => {
            let parts = parts()?;
            let code = parts.last().cloned().unwrap_or_default();
            Asked::Mime(UriMode::of(modifier), code)
        }
        (Kind::String, Some("text")) => {
            let words = normalised(&whole()?);
            Asked::Words(words.split_whitespace().map(str::to_owned).collect())
        }
        (Kind::String, None) => Asked::String(Mode::Begins, whole()?),
        (Kind::String, Some("exact")) => Asked::String(Mode::Exact, whole()?),
        (Kind::String, Some("contains")) => Asked::String(Mode::Contains, whole()?),
        (Kind::Date, None) => Asked::Date(DateAsked::parse(&whole()?)?),
        (Kind::Number, None) => Asked::Number(NumberAsked::parse(&whole()?)?),
        (Kind::Quantity, None) => Asked::Quantity(QuantityAsked::parse(&parts()?)?),
        (Kind::Reference, Some("identifier")) => {
            let token = TokenAsked::parse(&parts()?)?;
            Asked::Reference(ReferenceAsked::Identifier(token))
        }
        (Kind::Reference, only) => {
            if let Some(only) = only {
                targets(world, parameter, Some(only))?;
            }
            let (text, targets) = (whole()?, &parameter.target);
            let asked = ReferenceAsked::parse(&text, only, targets, &world.definitions)?;
            Asked::Reference(asked)
        }
        (Kind::Uri, None) => Asked::Uri(UriMode::Same, whole()?),
        (Kind::Uri, Some(modifier @ ("above" | "below"))) => {
            let text = whole()?;
            if text.starts_with("urn:") {
                return Err("nothing is above or below a urn".to_owned());
            }
            Asked::Uri(UriMode::of(modifier), text)
        }
        (Kind::Composite, None) => compile_composite(world, parameter, value)?,
        (_, modifier) => return Err(format!("{modifier:?} is no modifier of {}", parameter.code)),
    })
}

fn compile_composite(
    world: &World,
    parameter: &SearchParameter,
    value: &str,
) -> Result<Asked, String> {
    let parts = split(value, '$');
    if parts.len() != parameter.component.len() {
        return Err(format!("expected {} parts", parameter.component.len()));
    }
    let compiled = parameter.component.iter().zip(&parts).map(|(part, value)| {
        let definition = world.definitions.search_parameter_by_url(&part.definition);
        let definition = definition.ok_or("an unknown component")?;
        compile_value(world, definition, None, value)
    });
    Ok(Asked::Composite(compiled.collect::<Result<_, _>>()?))
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
            let fits = asked.iter().any(|asked| match asked {
                Asked::Composite(parts) => {
                    let tuples = world.tuples(subject, parameter);
                    tuples.iter().any(|tuple| {
                        let mut pairs = tuple.iter().zip(parts);
                        pairs.all(|(values, asked)| {
                            values.iter().any(|value| fits(world, value, asked, now))
                        })
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
            });
            fits != *negated
        }
        Condition::Chain { parameter, rest } => {
            let values = world.values(subject, parameter);
            let targets = values.iter().flat_map(|e| led_to(world, subject, e));
            targets.into_iter().any(|target| {
                let rest = rest.get(target.kind());
                rest.is_some_and(|rest| holds(world, target, rest, now))
            })
        }
        Condition::Has { .. }
            if !ledger::CONTAINED_IS_REFERRED_TO
                && !std::ptr::eq(subject.json, subject.container) =>
        {
            false
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

/// The resources that a reference of a subject leads to: at most one, but several resources
/// may have the same canonical.
pub fn led_to<'w>(world: &'w World, from: Subject<'w>, element: &Element) -> Vec<Subject<'w>> {
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
