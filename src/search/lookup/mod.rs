//! What a plan has to read from the database before it is a question of entries: value sets,
//! code systems, hierarchies of resources, what canonicals name, and whether a bare id means one
//! resource.
//!
//! ```text
//! compile -> Plan with Lookups -> expand -> Plan of entries -> sql
//! ```
//!
//! `:in`, `:not-in`, `:above`, `:below`: <https://hl7.org/fhir/R4/search.html#modifiers>. What
//! is read is a list of codes or of keys, which the page then looks for like any other list,
//! by the one index that there is.
//!
//! ## Decisions
//! - *Lists are bounded* ([`MAX_CODES`], [`MAX_RESOURCES`]): what is longer is refused as too
//!   costly, never cut.
//! - *What is not known here is refused*, never taken for empty: a value set that cannot be
//!   expanded would make `:in` find nothing and `:not-in` everything.
//! - *Lookups come before the snapshot of the page*, so that a page that one statement can
//!   answer needs no transaction: what a list means may be a moment older than its page.

mod canonical;
mod hierarchy;
pub mod library;
pub mod stored;
mod value_set;

use super::bounds;
use super::index::resource_key;
use super::params::token::{self, Asked};
use super::plan::{Direction, Lookup, Predicate};
use super::registry::Registry;
use super::resolve::Query;
use super::rewrite;
use crate::access::Access;
use crate::error::{Category, Error, Result};
use crate::fhir::{ResourceType, Version};
use crate::terminology::tables::{self, Wanted};
use futures::future::BoxFuture;
use sqlx::PgConnection;
use std::borrow::Cow;
use stored::Stored;

/// Codes that one `:in`, `:above` or `:below` may mean.
pub const MAX_CODES: usize = 10_000;
/// Resources that a message lists.
const MAX_SHOWN: usize = 10;
/// Resources that one hierarchy may have above or below the one that is asked for.
pub const MAX_RESOURCES: usize = 10_000;

/// The query with each [`Lookup`] of its plan replaced by what it means now.
///
/// # Errors
/// `not-found`, `not-supported`: a value set or code system that is not known here, or not
/// well enough. `multiple-matches`: a bare id of several resources. `TooCostly`.
pub async fn expand<'q>(
    connection: &mut PgConnection,
    access: &Access,
    registry: &Registry,
    query: &'q Query,
) -> Result<Cow<'q, Query>> {
    if !query.plan.filter.has_lookups() {
        return Ok(Cow::Borrowed(query));
    }
    let mut query = query.clone();
    let mut stored = Stored {
        connection,
        access,
        registry,
    };
    let filter = std::mem::replace(&mut query.plan.filter, Predicate::Nothing);
    query.plan.filter = expanded(&mut stored, filter).await?;
    bounds::check_filter(&query.plan.filter)?;
    Ok(Cow::Owned(query))
}

/// The filter with each of its lookups replaced, those within lookups first.
fn expanded<'f>(stored: &'f mut Stored<'_>, filter: Predicate) -> BoxFuture<'f, Result<Predicate>> {
    Box::pin(async move {
        if !filter.has_lookups() {
            return Ok(filter);
        }
        let mut lookups = Vec::new();
        collect(&filter, &mut lookups);
        check_ids(stored, &lookups).await?;
        let mut known: Vec<(Lookup, Predicate)> = Vec::with_capacity(lookups.len());
        for lookup in lookups {
            let answer = answer(stored, &lookup).await?;
            known.push((lookup, answer));
        }
        Ok(rewrite::rewrite_predicate(replace(filter, &known)))
    })
}

/// Every lookup, each once; not those within others.
fn collect(predicate: &Predicate, found: &mut Vec<Lookup>) {
    match predicate {
        Predicate::Lookup(lookup) => {
            if !found.contains(lookup) {
                found.push((**lookup).clone());
            }
        }
        other => other.parts().iter().for_each(|part| collect(part, found)),
    }
}

fn replace(predicate: Predicate, known: &[(Lookup, Predicate)]) -> Predicate {
    match predicate {
        Predicate::Lookup(lookup) => {
            let found = known.iter().find(|(one, _)| *one == *lookup);
            found.map_or(Predicate::Lookup(lookup), |(_, answer)| answer.clone())
        }
        other => other.map_parts(&mut |part| replace(part, known)),
    }
}

async fn answer(stored: &mut Stored<'_>, lookup: &Lookup) -> Result<Predicate> {
    match lookup {
        Lookup::InValueSet { value_set, slots } => {
            let codes = value_set::codes(stored, value_set).await?;
            Ok(token::has_member(slots, &codes))
        }
        Lookup::Subsumed {
            system,
            code,
            direction,
            slots,
        } => {
            let codes = subsumed(stored, system, code, *direction).await?;
            check_count(codes.len(), "codes", MAX_CODES)?;
            let pair = |code: String| Asked::Pair(system.clone(), code);
            let asked: Vec<Asked> = codes.into_iter().map(pair).collect();
            Ok(token::has_any(slots, &asked))
        }
        Lookup::Hierarchy {
            resource_type,
            id,
            direction,
            slots,
        } => {
            let keys = hierarchy::keys(stored, *resource_type, id, *direction).await?;
            let entries = slots
                .iter()
                .flat_map(|slot| keys.iter().map(move |key| (*slot, *key)));
            Ok(Predicate::Entries(entries.collect()))
        }
        Lookup::Canonical {
            slots,
            target,
            filter,
        } => {
            let filter = expanded(stored, filter.clone()).await?;
            canonical::naming(stored, slots, *target, filter).await
        }
        Lookup::NamedBy {
            types,
            source,
            slots,
            filter,
        } => {
            let filter = expanded(stored, filter.clone()).await?;
            canonical::named(stored, types, (*source, slots), &filter).await
        }
        Lookup::BareId { entries, .. } => Ok(Predicate::Entries(entries.clone())),
    }
}

/// The code and what is above or below it.
async fn subsumed(
    stored: &mut Stored<'_>,
    system: &str,
    code: &str,
    direction: Direction,
) -> Result<Vec<String>> {
    if let Some(table) = stored.table(system).await? {
        let (connection, limit) = (&mut *stored.connection, MAX_CODES + 1);
        let is_below = matches!(direction, Direction::Below);
        return tables::below_or_above(connection, &table, code, is_below, limit).await;
    }
    let concepts = stored.code_system(system, &Wanted::default()).await?;
    let concepts = concepts.ok_or_else(|| not_found("code system", system))?;
    if !concepts.is_complete {
        return Err(not_supported(format!(
            "only a part of the code system `{system}` is known here, so that what is above and \
             below its codes is not"
        )));
    }
    let codes = match direction {
        Direction::Above => concepts.above(code),
        Direction::Below => concepts.below(code),
    };
    Ok(codes.into_iter().collect())
}

/// Refuses a bare id that means several resources: those that have it and are referred to by
/// this parameter. The specification asks servers to, since the answer would be about two
/// different things.
async fn check_ids(stored: &mut Stored<'_>, lookups: &[Lookup]) -> Result<()> {
    let mut wanted: Vec<(ResourceType, i64)> = Vec::new();
    for lookup in lookups {
        if let Lookup::BareId { id, types, .. } = lookup {
            wanted.extend(types.iter().map(|kind| (*kind, resource_key(*kind, id))));
        }
    }
    if wanted.is_empty() {
        return Ok(());
    }
    wanted.sort_unstable();
    wanted.dedup();
    let found = stored.load(wanted).await?;
    for lookup in lookups {
        let Lookup::BareId { id, types, entries } = lookup else {
            continue;
        };
        let of_id = found
            .iter()
            .filter(|version| version.id == *id && types.contains(&version.resource_type));
        let of_id: Vec<&Version> = of_id.collect();
        if of_id.len() < 2 {
            continue;
        }
        let references = stored.referred(&of_id, entries).await?;
        if let [_, _, ..] = references.as_slice() {
            let shown = &references[..references.len().min(MAX_SHOWN)];
            let more = match references.len() - shown.len() {
                0 => String::new(),
                more => format!(" and {more} more"),
            };
            return Err(Error::coded(
                Category::Invalid,
                "multiple-matches",
                format!(
                    "the id {id:?} is that of several resources that are referred to: expected \
                     one of {}{more}",
                    shown.join(", ")
                ),
            ));
        }
    }
    Ok(())
}

fn check_count(count: usize, of: &str, most: usize) -> Result<()> {
    match count > most {
        false => Ok(()),
        true => Err(Error::new(
            Category::TooCostly,
            format!("the condition means more than {most} {of}; ask for fewer"),
        )),
    }
}

fn not_found(what: &str, name: &str) -> Error {
    Error::coded(
        Category::Invalid,
        "not-found",
        format!("expected a {what} that is known here but found `{name}`"),
    )
}

fn not_supported(text: String) -> Error {
    Error::new(Category::NotSupported, text)
}
