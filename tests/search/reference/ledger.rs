//! What the server may still refuse, each with the reason. A refusal that is not here fails
//! the test, and so does an entry that nothing is refused for any more.

use super::query::{Name, Query, Scope};
use super::world::World;
use andiron::definitions::SearchParameterType as Kind;
use std::collections::BTreeSet;

/// Feature and reason.
pub const MAY_BE_REFUSED: [(&str, &str); 10] = [
    ("chain", "not built yet"),
    ("chain into several types", "not built yet"),
    ("_has", "not built yet"),
    ("compartment", "not built yet"),
    (":text", "not built yet"),
    (":of-type", "not built yet"),
    (":above", "not built yet"),
    (":below", "not built yet"),
    ("sort by several keys", "not built yet"),
    ("sort by a coded or referring element", "not built yet"),
];

/// Whether `5400 mg` is `5.4 g`: R4 allows it, the server does not do it yet.
pub const UNITS_ARE_CONVERTED: bool = true;

/// Whether a name is sorted by its later words too: `Juri van Gelder` as `van gelder` when
/// descending. It should not; the rows by which such a name is found are sorted by as well.
pub const LATER_WORDS_SORT: bool = true;

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
    if query.sort.len() > 1 {
        found.insert("sort by several keys");
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
                _ => None,
            });
        }
        Some(Name::Chain { code, only, rest }) => {
            found.insert("chain");
            let Some(parameter) = world.parameter(kind, code) else {
                return;
            };
            if only.is_none() && parameter.target.len() != 1 {
                found.insert("chain into several types");
            }
            for target in &parameter.target {
                if only.is_none_or(|only| only == target) {
                    of_name(world, target, rest, found);
                }
            }
        }
        Some(Name::Has { source, rest, .. }) => {
            found.insert("_has");
            of_name(world, source, rest, found);
        }
        None => {}
    }
}
