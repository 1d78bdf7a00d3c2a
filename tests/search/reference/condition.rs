//! A term, compiled for the type that it is asked of, so that what is unknown or malformed is
//! known without any resource.

use super::pointing::ReferenceAsked;
use super::quantity::QuantityAsked;
use super::query::{Name, split, unescaped};
use super::range::{DateAsked, NumberAsked};
use super::string::Mode;
use super::text::normalised;
use super::token::TokenAsked;
use super::uri::UriMode;
use super::world::World;
use andiron::definitions::{CodeSet, SearchParameter, SearchParameterType as Kind};
use std::collections::BTreeMap;
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
