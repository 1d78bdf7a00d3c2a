//! What the server may still refuse, each with the reason. A refusal that is not here fails
//! the test, and so does an entry that nothing is refused for any more.

use super::query::{Name, Query, Scope};
use super::world::World;
use crate::search::REGISTRY;
use andiron::definitions::SearchParameterType as Kind;
use andiron::fhir::ResourceType;
use std::collections::BTreeSet;

/// Feature and reason.
pub const MAY_BE_REFUSED: [(&str, &str); 9] = [
    (
        "chain through a canonical URL",
        "chains join by type and id",
    ),
    (
        "chain into too many types or none",
        "a type has to be named",
    ),
    ("composite", "not built yet"),
    (":text", "not built yet"),
    (":of-type", "not built yet"),
    (":above", "not built yet"),
    (":below", "not built yet"),
    ("sort by several keys", "not built yet"),
    ("sort by a coded or referring element", "not built yet"),
];

/// Whether `5400 mg` is `5.4 g`: R4 allows it, the server does not do it yet.
pub const UNITS_ARE_CONVERTED: bool = false;

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
            let Some(parameter) = world.parameter(kind, code) else {
                return;
            };
            if !is_followed(kind, code) {
                found.insert("chain through a canonical URL");
            }
            if only.is_none() && parameter.target.len() != 1 {
                found.insert("chain into too many types or none");
            }
            for target in &parameter.target {
                if only.is_none_or(|only| only == target) {
                    of_name(world, target, rest, found);
                }
            }
        }
        Some(Name::Has { source, code, rest }) => {
            if !is_followed(source, code) {
                found.insert("chain through a canonical URL");
            }
            let parameter = world.parameter(source, code);
            if parameter.is_some_and(|p| !p.target.iter().any(|target| target == kind)) {
                found.insert("chain into too many types or none");
            }
            of_name(world, source, rest, found);
        }
        None => {}
    }
}

/// Whether chains can lead through that parameter.
fn is_followed(kind: &str, code: &str) -> bool {
    let kind = ResourceType::parse(kind);
    let parameter = kind.and_then(|kind| REGISTRY.parameter(kind, code));
    parameter.is_some_and(|parameter| parameter.can_be_followed())
}
