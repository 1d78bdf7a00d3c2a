//! `_include` and `_revinclude`: what else belongs on a page.
//! <https://hl7.org/fhir/R4/search.html#include>
//!
//! ```text
//! name    = ("_include" | "_revinclude") [":iterate" | ":recurse"]
//! include = "*"  |  source ":" (code | "*") [":" target]
//!
//! matches --references--> level 1 --references, :iterate alone--> level 2 …
//! ```
//!
//! Each page includes what its own matches need, a level at a time, each level with one
//! statement. What is there already is not followed again, so that cycles end. A reference to
//! nothing, to what is deleted or to another server includes nothing.
//!
//! | reference | includes |
//! |---|---|
//! | `Patient/1` | the current version |
//! | `Patient/1/_history/2` | that version, also beside the current one |
//! | canonical | whatever has that `url`, and that `version` where one is named; so does `_revinclude` |
//! | `#x`, of another server, logical | nothing |
//!
//! ## Decisions
//! - *`*` is every reference parameter*, not every Reference: what no parameter covers, such as
//!   those in extensions, is not followed.
//! - *Nothing is cut in silence*: the most resources (`max-includes`), levels
//!   (32) and entries that are looked for at once are told by an outcome that says
//!   where the rest is.

mod load;
mod references;

pub use load::load;

use super::plan::Include;
use super::registry::{Kind, Parameter, Registry};
use super::resolve::{Context, Problem};
use super::suggest;
use crate::fhir::ResourceType;

/// An include as it was written, for what is said of it.
struct Written<'a> {
    /// `_include` or `_revinclude`
    name: &'static str,
    value: &'a str,
}

/// Looks up an include of resources of the searched types.
pub fn resolve(
    reverse: bool,
    modifier: Option<&str>,
    value: &str,
    context: &Context<'_>,
) -> Result<Include, Problem> {
    let name = if reverse { "_revinclude" } else { "_include" };
    let written = Written { name, value };
    let iterate = match modifier {
        None => false,
        Some("iterate" | "recurse") => true,
        Some(other) => {
            return Err(Problem::not_supported(format!(
                "{name}: expected the modifier :iterate or none but found :{other}"
            )));
        }
    };
    let (source, code, target) = split(&written)?;
    let source = source
        .map(|source| resource_type(name, source))
        .transpose()?;
    let target = target
        .map(|target| resource_type(name, target))
        .transpose()?;
    let parameter = match (source, code) {
        (Some(source), Some(code)) => Some(find_parameter(name, source, code, context.registry)?),
        _ => None,
    };
    let include = Include {
        reverse,
        iterate,
        source,
        parameter: code.map(str::to_owned),
        target,
    };
    if let Some(parameter) = parameter {
        check_target(&written, parameter, target)?;
    }
    if !iterate {
        check_searched(&written, &include, parameter, context)?;
    }
    Ok(include)
}

/// Source, code and target, `None` for what is `*` or not there.
type Parts<'a> = (Option<&'a str>, Option<&'a str>, Option<&'a str>);

fn split<'a>(written: &Written<'a>) -> Result<Parts<'a>, Problem> {
    let parts: Vec<&str> = written.value.split(':').collect();
    match parts[..] {
        ["*"] | ["*", "*"] => Ok((None, None, None)),
        ["*", "*", target] => Ok((None, None, Some(target))),
        [source, "*"] if source != "*" => Ok((Some(source), None, None)),
        [source, "*", target] if source != "*" => Ok((Some(source), None, Some(target))),
        [source, code] if source != "*" => Ok((Some(source), Some(code), None)),
        [source, code, target] if source != "*" => Ok((Some(source), Some(code), Some(target))),
        _ => Err(Problem::refused(
            "value",
            format!(
                "{}: expected Source:parameter[:Target], Source:* or * but found {:?}",
                written.name, written.value
            ),
        )),
    }
}

fn resource_type(name: &str, text: &str) -> Result<ResourceType, Problem> {
    ResourceType::parse(text).ok_or_else(|| {
        Problem::unknown(format!(
            "{name}: expected a resource type but found {text:?}.{}",
            suggest::hint(text, ResourceType::NAMES.into_iter())
        ))
    })
}

fn is_reference(parameter: &&Parameter) -> bool {
    parameter.supported && parameter.kind == Kind::Reference
}

fn find_parameter<'r>(
    name: &str,
    source: ResourceType,
    code: &str,
    registry: &'r Registry,
) -> Result<&'r Parameter, Problem> {
    registry.parameter(source, code).filter(is_reference).ok_or_else(|| {
        let known = || {
            let references = registry.parameters(source).iter().filter(is_reference);
            references.map(|parameter| parameter.code.as_str())
        };
        Problem::unknown(format!(
            "{name}: expected a reference parameter of {source} but found {code:?}.{} Supported: \
             {}",
            suggest::hint(code, known()),
            known().collect::<Vec<_>>().join(", ")
        ))
    })
}

fn may_refer(parameter: &Parameter, to: ResourceType) -> bool {
    parameter.targets.is_empty() || parameter.targets.contains(&to)
}

/// An include that could never include anything is a mistake that is worth telling.
fn check_target(
    written: &Written<'_>,
    parameter: &Parameter,
    target: Option<ResourceType>,
) -> Result<(), Problem> {
    match target.is_none_or(|target| may_refer(parameter, target)) {
        true => Ok(()),
        false => Err(refers_only(written, parameter)),
    }
}

/// Without `:iterate` only the matches include, so that their types must be those of the
/// include.
fn check_searched(
    written: &Written<'_>,
    include: &Include,
    parameter: Option<&Parameter>,
    context: &Context<'_>,
) -> Result<(), Problem> {
    let (named, end) = match include.reverse {
        true => (include.target, "target"),
        false => (include.source, "source"),
    };
    if let Some(named) = named.filter(|named| !context.types.contains(named)) {
        return Err(Problem::unknown(format!(
            "{}={}: expected a {end} that is searched for but found {named}; to include from what \
             was included, say {}:iterate",
            written.name, written.value, written.name
        )));
    }
    let reaches = |parameter: &Parameter| context.types.iter().any(|to| may_refer(parameter, *to));
    match parameter.filter(|parameter| include.reverse && !reaches(parameter)) {
        Some(parameter) => Err(refers_only(written, parameter)),
        None => Ok(()),
    }
}

fn refers_only(written: &Written<'_>, parameter: &Parameter) -> Problem {
    Problem::unknown(format!(
        "{}={}: {}:{} refers to {:?} only",
        written.name, written.value, parameter.resource_type, parameter.code, parameter.targets
    ))
}
