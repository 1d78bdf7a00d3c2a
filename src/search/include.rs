//! `_include` and `_revinclude`: what else belongs on a page.
//! <https://hl7.org/fhir/R4/search.html#include>
//!
//! ```text
//! include = source ":" code [":" target]
//! ```
//!
//! One level: `:iterate` and `*` are refused until they are supported. Each page includes
//! what its own matches need. A reference to nothing, to what is deleted or to another
//! server includes nothing.

use super::index::resource_key;
use super::page::{Found, fetch};
use super::plan::Include;
use super::registry::{Kind, Parameter, Registry};
use super::resolve::{Context, Problem, Query};
use super::{sql, suggest};
use crate::access::Access;
use crate::error::Issue;
use crate::fhir::{ResourceType, Version, json};
use std::collections::HashSet;

/// Looks up an include of resources of the searched types.
pub fn resolve(
    reverse: bool,
    modifier: Option<&str>,
    value: &str,
    context: &Context<'_>,
) -> Result<Include, Problem> {
    let name = if reverse { "_revinclude" } else { "_include" };
    if let Some(modifier) = modifier {
        return Err(Problem::not_supported(format!(
            "{name}:{modifier} is not supported yet"
        )));
    }
    let parts: Vec<&str> = value.split(':').collect();
    if parts.contains(&"*") {
        return Err(Problem::not_supported(format!(
            "{name}={value}: * is not supported yet; name each parameter"
        )));
    }
    let (source, code, target) = match parts[..] {
        [source, code] => (source, code, None),
        [source, code, target] => (source, code, Some(target)),
        _ => {
            return Err(Problem::refused(
                "value",
                format!("{name}: expected Source:parameter[:Target] but found {value:?}"),
            ));
        }
    };
    let source = resource_type(name, source)?;
    let parameter = find_parameter(name, source, code, context.registry)?;
    let target = target
        .map(|target| resource_type(name, target))
        .transpose()?;
    check_types(name, value, reverse, parameter, target, context)?;
    Ok(Include {
        reverse,
        source,
        parameter: code.to_owned(),
        target,
    })
}

fn resource_type(name: &str, text: &str) -> Result<ResourceType, Problem> {
    ResourceType::parse(text).ok_or_else(|| {
        Problem::unknown(format!(
            "{name}: expected a resource type but found {text:?}.{}",
            suggest::hint(text, ResourceType::NAMES.into_iter())
        ))
    })
}

fn find_parameter<'r>(
    name: &str,
    source: ResourceType,
    code: &str,
    registry: &'r Registry,
) -> Result<&'r Parameter, Problem> {
    let is_reference =
        |parameter: &&Parameter| parameter.supported && parameter.kind == Kind::Reference;
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

/// An include that could never include anything is a mistake that is worth telling.
fn check_types(
    name: &str,
    value: &str,
    reverse: bool,
    parameter: &Parameter,
    target: Option<ResourceType>,
    context: &Context<'_>,
) -> Result<(), Problem> {
    if !reverse && !context.types.contains(&parameter.resource_type) {
        return Err(Problem::unknown(format!(
            "{name}={value}: expected a source that is searched for but found {}",
            parameter.resource_type
        )));
    }
    let possible =
        |kind: &ResourceType| parameter.targets.is_empty() || parameter.targets.contains(kind);
    if target.is_some_and(|target| !possible(&target))
        || reverse && !context.types.iter().any(possible)
        || reverse && target.is_some_and(|target| !context.types.contains(&target))
    {
        return Err(Problem::unknown(format!(
            "{name}={value}: {}:{} refers to {:?} only",
            parameter.resource_type, parameter.code, parameter.targets
        )));
    }
    Ok(())
}

/// The included resources of a page and, if the limit cut them, an issue that says so.
pub async fn load(
    connection: &mut sqlx::PgConnection,
    access: &Access,
    registry: &Registry,
    query: &Query,
    base: &str,
    matches: &[Found],
) -> Result<(Vec<Version>, Vec<Issue>), sqlx::Error> {
    let mut known: HashSet<(ResourceType, i64)> = matches.iter().map(Found::identity).collect();
    let (mut included, mut issues) = (Vec::new(), Vec::new());
    let wanted = referenced(registry, query, base, matches);
    let wanted: Vec<_> = wanted
        .into_iter()
        .filter(|target| known.insert(*target))
        .collect();
    let limit = query.max_include;
    if !wanted.is_empty() {
        // References are as many as the matches have; no more than fit are fetched.
        let fitting = &wanted[..wanted.len().min(limit)];
        included.extend(fetch(connection, &sql::having_keys(fitting, access)).await?);
        if fitting.len() < wanted.len() {
            issues.push(cut("_include", query));
        }
    }
    for include in query.plan.includes.iter().filter(|include| include.reverse) {
        let Some(parameter) = registry.parameter(include.source, &include.parameter) else {
            continue;
        };
        let entries = referring(parameter, include.target, matches, access);
        if entries.is_empty() {
            continue;
        }
        // What is known already may come again, and must not take the place of what is new.
        let most = limit.saturating_add(known.len()).saturating_add(1);
        let statement = sql::having_entries(include.source, entries, most, access);
        for found in fetch(connection, &statement).await? {
            if !known.insert(found.identity()) {
                continue;
            }
            if included.len() >= limit {
                issues.push(cut("_revinclude", query));
                break;
            }
            included.push(found);
        }
    }
    Ok((
        included.into_iter().map(|found| found.version).collect(),
        issues,
    ))
}

/// What the matches refer to with the parameters of `_include`, in the order of the matches.
fn referenced(
    registry: &Registry,
    query: &Query,
    base: &str,
    matches: &[Found],
) -> Vec<(ResourceType, i64)> {
    let includes: Vec<&Include> = query
        .plan
        .includes
        .iter()
        .filter(|include| !include.reverse)
        .collect();
    let mut targets = Vec::new();
    if includes.is_empty() {
        return targets;
    }
    for found in matches {
        let body = found.version.body.as_deref().unwrap_or_default();
        // What was stored was within the limit of its time.
        let Ok(resource) = json::parse(body, usize::MAX) else {
            continue;
        };
        for include in &includes {
            let source = found.version.resource_type;
            let parameter = registry.parameter(source, &include.parameter);
            let Some(parameter) = parameter.filter(|_| include.source == source) else {
                continue;
            };
            targets.extend(
                registry
                    .references(parameter, &resource, base)
                    .into_iter()
                    .filter(|to| {
                        include
                            .target
                            .is_none_or(|target| to.resource_type == target)
                    })
                    .map(|to| (to.resource_type, resource_key(to.resource_type, &to.id))),
            );
        }
    }
    targets
}

/// The entries that a reference to one of the matches makes.
fn referring(
    parameter: &Parameter,
    target: Option<ResourceType>,
    matches: &[Found],
    access: &Access,
) -> Vec<i64> {
    let mut entries: Vec<i64> = Vec::new();
    for branch in &parameter.branches {
        let of_type = |found: &&Found| {
            let kind = found.version.resource_type;
            target.is_none_or(|target| target == kind)
                && branch.only.is_none_or(|only| only == kind)
        };
        let keys = matches.iter().filter(of_type);
        entries.extend(keys.map(|found| branch.slot.entry(access.tenant, found.key)));
    }
    entries.sort_unstable();
    entries.dedup();
    entries
}

fn cut(name: &str, query: &Query) -> Issue {
    Issue::warning(
        "too-costly",
        format!(
            "{name}: this page has more to include than the limit of {} resources, so some are \
             missing here; ask for fewer matches with _count, or search for them by their \
             reference",
            query.max_include
        ),
    )
}
