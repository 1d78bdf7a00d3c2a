//! What the server may still refuse, each with the reason. A refusal that is not here fails
//! the test, and so does an entry that nothing is refused for any more.

use super::query::{Name, Query, Scope};
use super::world::World;
use andiron::definitions::{SearchParameter, SearchParameterType as Kind};
use std::collections::BTreeSet;

/// Feature and reason.
pub const MAY_BE_REFUSED: [(&str, &str); 2] = [
    (
        "bare id of several resources",
        "R4 asks servers to refuse it, since it means two things",
    ),
    (
        "chain into more than twelve types",
        "too many ways at once; the caller is told to name the type",
    ),
];

/// The features that a query has of those that a server could lack.
pub fn features(world: &World, query: &Query) -> BTreeSet<&'static str> {
    let mut found = BTreeSet::new();
    let kinds = super::evaluate::kinds(world, &query.scope);
    if let Scope::Compartment { .. } = query.scope {
        found.insert("compartment");
    }
    for term in &query.terms {
        for kind in &kinds {
            of_name(world, kind, &term.name, &term.values, &mut found);
        }
    }
    found
}

fn of_name(
    world: &World,
    kind: &str,
    name: &str,
    values: &[String],
    found: &mut BTreeSet<&'static str>,
) {
    match Name::parse(name) {
        Some(Name::Plain { code, modifier }) => {
            let parameter = world.parameter(kind, code);
            if let (Some(parameter), None) = (&parameter, modifier)
                && parameter.kind == Kind::Reference
                && values.iter().any(|id| is_of_several(world, parameter, id))
            {
                found.insert("bare id of several resources");
            }
        }
        Some(Name::Chain { code, only, rest }) => {
            let Some(parameter) = world.parameter(kind, code) else {
                return;
            };
            if only.is_none() && ways(world, &parameter, rest) > 12 {
                found.insert("chain into more than twelve types");
            }
            for target in targets(world, &parameter) {
                if only.is_none_or(|only| only == target) {
                    of_name(world, target, rest, values, found);
                }
            }
        }
        Some(Name::Has { source, rest, .. }) => {
            of_name(world, source, rest, values, found);
        }
        None => {}
    }
}

fn targets<'w>(world: &'w World, parameter: &'w SearchParameter) -> &'w [String] {
    match parameter.target.is_empty() {
        true => world.definitions.resource_types(),
        false => &parameter.target,
    }
}

/// Whether several resources that a parameter could refer to have that id.
fn is_of_several(world: &World, parameter: &SearchParameter, id: &str) -> bool {
    let kinds = targets(world, parameter).iter();
    let found = kinds.filter(|kind| world.find(&format!("{kind}/{id}")).is_some());
    found.count() > 1
}

/// Whether what follows a step is not the same parameter on all that it may lead to; R4 asks
/// servers to refuse it, and it is not drawn.
pub fn differ(world: &World, parameter: &SearchParameter, rest: &str) -> bool {
    let next = match Name::parse(rest) {
        Some(Name::Plain { code, .. } | Name::Chain { code, .. }) => code,
        _ => return false,
    };
    let all = targets(world, parameter).iter();
    let kinds: BTreeSet<Kind> = all
        .filter_map(|kind| Some(world.parameter(kind, next)?.kind))
        .collect();
    kinds.len() > 1
}

/// How many steps it takes to each of the types that know what follows, and on from there.
fn ways(world: &World, parameter: &SearchParameter, rest: &str) -> usize {
    let all = targets(world, parameter).iter();
    match Name::parse(rest) {
        Some(Name::Plain { code, .. }) => {
            let knows = |kind: &&String| world.parameter(kind, code).is_some();
            all.filter(knows).count()
        }
        Some(Name::Chain { code, only, rest }) => all
            .filter_map(|kind| world.parameter(kind, code))
            .map(|next| match only {
                Some(_) => 2,
                None => 1 + ways(world, &next, rest),
            })
            .sum(),
        _ => all.count(),
    }
}
