//! What the server may still refuse, each with the reason. A refusal that is not here fails
//! the test, and so does an entry that nothing is refused for any more.

use super::query::{Name, Query, Scope};
use super::world::{Subject, World};
use andiron::definitions::{SearchParameter, SearchParameterType as Kind};
use std::collections::BTreeSet;

/// Feature and reason.
pub const MAY_BE_REFUSED: [(&str, &str); 8] = [
    (
        "chain into more than twelve types",
        "too many ways at once; the caller is told to name the type",
    ),
    (
        "chain by canonical",
        "chains join by type and id, a canonical is a URL",
    ),
    (":text", "not built yet"),
    (":in and :not-in", "not built yet"),
    (":of-type", "not built yet"),
    (":above", "not built yet"),
    (":below", "not built yet"),
    ("sort by a coded or referring element", "not built yet"),
];

/// Whether a chain goes on in a contained resource; it does not yet.
pub const CONTAINED_IS_FOLLOWED: bool = true;

/// Whether `5400 mg` is `5.4 g`: R4 allows it, the server does not do it yet.
pub const UNITS_ARE_CONVERTED: bool = true;

/// The features that a query has of those that a server could lack.
pub fn features(world: &World, query: &Query) -> BTreeSet<&'static str> {
    let mut found = BTreeSet::new();
    let kinds = super::evaluate::kinds(world, &query.scope);
    if let Scope::Compartment { .. } = query.scope {
        found.insert("compartment");
    }
    for term in &query.terms {
        for kind in &kinds {
            of_name(world, kind, &term.name, &mut found);
        }
    }
    for kind in &kinds {
        for key in &query.sort {
            let code = key.trim_start_matches('-');
            let parameter = world.parameter(kind, code);
            if let Some(parameter) = parameter
                && let Kind::Token | Kind::Reference | Kind::Uri = parameter.kind
                && code != "_id"
            {
                found.insert("sort by a coded or referring element");
            }
        }
    }
    found
}

fn of_name(world: &World, kind: &str, name: &str, found: &mut BTreeSet<&'static str>) {
    match Name::parse(name) {
        Some(Name::Plain { code, modifier }) => {
            let parameter = world.parameter(kind, code);
            if parameter.is_some_and(|p| p.kind == Kind::Composite) {
                found.insert("composite");
            }
            found.extend(match modifier {
                Some("text") => Some(":text"),
                Some("of-type") => Some(":of-type"),
                Some("above") => Some(":above"),
                Some("below") => Some(":below"),
                Some("in" | "not-in") => Some(":in and :not-in"),
                _ => None,
            });
        }
        Some(Name::Chain { code, only, rest }) => {
            let Some(parameter) = world.parameter(kind, code) else {
                return;
            };
            found.extend(by_canonical(world, kind, &parameter));
            if only.is_none() && ways(world, &parameter, rest) > 12 {
                found.insert("chain into more than twelve types");
            }
            for target in targets(world, &parameter) {
                if only.is_none_or(|only| only == target) {
                    of_name(world, target, rest, found);
                }
            }
        }
        Some(Name::Has { source, code, rest }) => {
            let parameter = world.parameter(source, code);
            found.extend(parameter.and_then(|p| by_canonical(world, source, &p)));
            of_name(world, source, rest, found);
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

/// How many types a step may lead to that know what follows.
fn ways(world: &World, parameter: &SearchParameter, rest: &str) -> usize {
    let next = match Name::parse(rest) {
        Some(Name::Plain { code, .. } | Name::Chain { code, .. }) => code,
        _ => return targets(world, parameter).len(),
    };
    let knows = |kind: &&String| world.parameter(kind, next).is_some();
    targets(world, parameter).iter().filter(knows).count()
}

/// Whether a parameter refers by canonical, as far as resources show it.
fn by_canonical(world: &World, kind: &str, parameter: &SearchParameter) -> Option<&'static str> {
    let mut all = world.of_kind(kind);
    let canonical = all.any(|record| {
        let values = world.values(Subject::whole(&record.json), parameter);
        values.iter().any(|element| element.is_uri)
    });
    canonical.then_some("chain by canonical")
}
