//! Level by level: what a page includes.

use super::references::Level;
use crate::access::Access;
use crate::error::Issue;
use crate::fhir::{ResourceType, Version};
use crate::search::link;
use crate::search::page::{Found, fetch};
use crate::search::plan::Include;
use crate::search::registry::Registry;
use crate::search::resolve::{Query, Scope};
use crate::search::sql;
use std::collections::HashSet;

/// Levels that `:iterate` follows: each is a statement.
const MAX_LEVELS: usize = 32;

/// Searches that the outcome of a cut names, and resources in each.
const MOST_NAMED: usize = 3;
const MOST_REFERENCES: usize = 20;

/// What is on the page.
#[derive(Default)]
struct Gathered {
    /// By version, since a page may have several of one resource.
    known: HashSet<(ResourceType, i64, i32)>,
    /// What was asked for, found or not; `None` for the current version.
    asked: HashSet<(ResourceType, i64, Option<i32>)>,
    included: Vec<Found>,
}

impl Gathered {
    fn of(matches: &[Found]) -> Gathered {
        let mut gathered = Gathered::default();
        for found in matches {
            let (kind, key, version) = identity(found);
            gathered.known.insert((kind, key, version));
            gathered
                .asked
                .extend([(kind, key, None), (kind, key, Some(version))]);
        }
        gathered
    }

    fn is_more(&self, found: &[Found]) -> bool {
        !found
            .iter()
            .all(|found| self.known.contains(&identity(found)))
    }

    /// Adds what is new up to `limit`; false where that is less than all.
    fn add(&mut self, mut found: Vec<Found>, limit: usize) -> bool {
        found.sort_unstable_by_key(identity);
        for found in found {
            if !self.known.insert(identity(&found)) {
                continue;
            }
            if self.included.len() >= limit {
                return false;
            }
            self.included.push(found);
        }
        true
    }
}

fn identity(found: &Found) -> (ResourceType, i64, i32) {
    let (kind, key) = found.identity();
    (kind, key, found.version.version)
}

/// The included resources of a page and, if a limit cut them, an issue that says so.
pub async fn load(
    connection: &mut sqlx::PgConnection,
    access: &Access,
    registry: &Registry,
    query: &Query,
    base: &str,
    matches: &[Found],
) -> Result<(Vec<Version>, Vec<Issue>), sqlx::Error> {
    let mut gathered = Gathered::of(matches);
    let mut issues = Vec::new();
    let mut start = 0;
    for number in 0.. {
        let level = Level {
            registry,
            access,
            base,
            includes: at_level(query, number),
        };
        let from = match number {
            0 => matches,
            _ => &gathered.included[start..],
        };
        if level.includes.is_empty() || from.is_empty() {
            break;
        }
        let (mut wanted, mut cut) = level.wanted(from);
        let asked = &mut gathered.asked;
        wanted.references.retain(|one| asked.insert(*one));
        if wanted.is_empty() {
            break;
        }
        let room = query.max_include - gathered.included.len();
        cut |= wanted.references.len() > room;
        wanted.references.truncate(room);
        // What is known already may come again, and must not take the place of what is new.
        let most = room.saturating_add(gathered.known.len()).saturating_add(1);
        let rest = rest(&level.includes, base, from);
        start = gathered.included.len();
        if !wanted.is_empty() {
            let found = fetch(connection, &sql::included(&wanted, most, access)).await?;
            if number == MAX_LEVELS {
                issues.extend(gathered.is_more(&found).then(too_deep));
                break;
            }
            cut |= !gathered.add(found, query.max_include);
        }
        if cut {
            issues.push(too_many(query, &rest));
            break;
        }
    }
    let included = gathered.included.into_iter();
    Ok((included.map(|found| found.version).collect(), issues))
}

/// The matches include by all, what was included by those that iterate.
fn at_level(query: &Query, number: usize) -> Vec<&Include> {
    let includes = query.plan.includes.iter();
    includes
        .filter(|include| number == 0 || include.iterate)
        .collect()
}

/// The searches that find all that refers to the resources of a level.
fn rest(includes: &[&Include], base: &str, from: &[Found]) -> Vec<String> {
    let mut urls = Vec::new();
    if from.len() > MOST_REFERENCES {
        return urls;
    }
    for include in includes.iter().filter(|include| include.reverse) {
        let (Some(source), Some(parameter)) = (include.source, &include.parameter) else {
            continue;
        };
        let fitting = from.iter().map(|found| &found.version);
        let fitting =
            fitting.filter(|version| include.target.is_none_or(|to| to == version.resource_type));
        let references: Vec<String> = fitting.map(Version::reference).collect();
        if !references.is_empty() && urls.len() < MOST_NAMED {
            let value = references.join(",");
            let pair = (parameter.as_str(), value.as_str());
            urls.push(link::url(base, &Scope::Type(source), std::iter::once(pair)));
        }
    }
    urls
}

fn too_many(query: &Query, rest: &[String]) -> Issue {
    let mut text = format!(
        "_include, _revinclude: this page has more to include than the limit `max-includes` of {} \
         resources, or than can be looked for at once, so some are missing here; ask for fewer \
         matches with _count, or search for them by their reference",
        query.max_include
    );
    if !rest.is_empty() {
        text.push_str(": ");
        text.push_str(&rest.join(" "));
    }
    Issue::warning("too-costly", text)
}

fn too_deep() -> Issue {
    Issue::warning(
        "too-costly",
        format!(
            "_include:iterate, _revinclude:iterate: what this page includes goes on after \
             {MAX_LEVELS} levels, where it ends here"
        ),
    )
}
