//! The one builder of search SQL.
//!
//! A [`Statement`] grows by fixed text and by binds and by nothing else: text of the user can
//! only ever become a `$n`. The tenant of the caller is always `$1`, so that no statement
//! can be built without an [`Access`].
//!
//! Tables: `resource r`, `contained r` where those are searched, and the row tables `date_entry`, `string_entry`, `quantity_entry`,
//! which are `d` where they filter and `s` where they sort. Nothing here does I/O.

mod condition;
mod contained;
#[cfg(test)]
mod golden_tuples;
mod include;
mod json;
mod near;
mod order;
mod page;
mod rows;
mod statement;
#[cfg(test)]
mod tests;

pub use contained::{ContainedPage, and_contained_keys, contained_count, contained_page};
pub use include::{Wanted, included};
pub use page::{After, Ask, Source, conjuncts, page, window_end};
pub use statement::{Bind, Statement};

use super::index::Slot;
use super::plan::{Contained, Plan, Predicate};
use crate::access::Access;
use crate::fhir::ResourceType;
use condition::{conditions, filter};
use statement::at_most;

/// The columns of a page: a version, its key, and its value in the order.
const COLUMNS: &str = "SELECT r.type, r.key, r.version, \
    (extract(epoch FROM r.last_updated) * 1000000)::bigint AS last_updated, \
    r.method, r.id, r.body";

/// How many match; with a limit, at most that.
pub fn count(plan: &Plan, limit: Option<usize>, access: &Access) -> Statement {
    let mut statement = Statement::new(access);
    statement.push("SELECT count(*) FROM ");
    if limit.is_some() {
        statement.push("(SELECT 1 FROM ");
    }
    statement.push("resource r WHERE ");
    conditions(&mut statement, plan, access);
    if let Some(limit) = limit {
        statement
            .push(" LIMIT ")
            .bind(Bind::Big(at_most(limit)))
            .push(") bounded");
    }
    statement
}

/// What the planner expects to match: the plan as JSON.
pub fn estimate(plan: &Plan, access: &Access) -> Statement {
    let mut statement = Statement::new(access);
    statement.push("EXPLAIN (FORMAT JSON) SELECT 1 FROM resource r WHERE ");
    conditions(&mut statement, plan, access);
    statement
}

/// Key and id of matches in no order: columns `key`, `id`.
///
/// Criteria mean one resource or none, so that the limit must not tempt the planner into
/// reading the table in its order until it has met two: the matches are found first, and
/// where entries find them, tenant and type are said so that no index is read for them.
pub fn keys(plan: &Plan, limit: usize, access: &Access) -> Statement {
    let mut statement = hits("r.key, r.id", plan, access);
    statement
        .push(") SELECT key, id FROM hit LIMIT ")
        .bind(Bind::Big(at_most(limit)));
    statement
}

/// By what canonicals name the matches, in no order: columns `key`, `url`, `version`.
pub fn names(plan: &Plan, limit: usize, access: &Access) -> Statement {
    let columns = "r.key, r.body::json ->> 'url' AS url, r.body::json ->> 'version' AS version";
    let mut statement = hits(columns, plan, access);
    statement
        .push(") SELECT key, url, version FROM hit LIMIT ")
        .bind(Bind::Big(at_most(limit)));
    statement
}

/// Of the resources that have one of these entries, whether one passes: column `number`, those
/// of the entries that one has which does.
pub fn named_by(
    source: ResourceType,
    filter: &Predicate,
    entries: (Vec<i64>, Vec<i32>),
    access: &Access,
) -> Statement {
    let mut statement = Statement::new(access);
    statement.push("SELECT DISTINCT w.number FROM unnest(");
    statement
        .bind(Bind::Bigs(entries.0))
        .push("::bigint[], ")
        .bind(Bind::Ints(entries.1));
    statement.push(
        "::int[]) AS w(entry, number) WHERE EXISTS (SELECT 1 FROM resource r \
         WHERE r.entries @> ARRAY[w.entry] AND r.tenant IS NOT DISTINCT FROM $1 \
         AND r.type IS NOT DISTINCT FROM ",
    );
    statement.bind(Bind::Small(source.number()));
    statement.push(" AND r.body IS NOT NULL");
    statement.pinned = true;
    self::filter(&mut statement, filter, &[source], access);
    statement.push(" OFFSET 0)");
    statement
}

/// Whether some resource, or one that is contained, has one of these entries: column `found`.
pub fn has_entry(entries: &[(Slot, i64)], access: &Access) -> Statement {
    let mut statement = Statement::new(access);
    statement.push("SELECT EXISTS (SELECT 1 FROM resource r WHERE r.entries && ");
    statement.bind(condition::entries(entries, access));
    statement.push(
        "::bigint[] AND r.tenant IS NOT DISTINCT FROM $1 AND r.body IS NOT NULL OFFSET 0) \
         OR EXISTS (SELECT 1 FROM contained r WHERE r.entries && ",
    );
    statement.bind(condition::entries(entries, access));
    statement.push("::bigint[] AND r.tenant IS NOT DISTINCT FROM $1 OFFSET 0) AS found");
    statement
}

fn hits(columns: &'static str, plan: &Plan, access: &Access) -> Statement {
    let mut statement = Statement::new(access);
    statement
        .push("WITH hit AS MATERIALIZED (SELECT ")
        .push(columns)
        .push(" FROM resource r WHERE ");
    match (plan.types.as_slice(), has_entries(&plan.filter)) {
        ([one], true) => {
            statement
                .push("r.tenant IS NOT DISTINCT FROM $1 AND r.type IS NOT DISTINCT FROM ")
                .bind(Bind::Small(one.number()))
                .push(" AND r.body IS NOT NULL");
            filter(&mut statement, &plan.filter, &plan.types, access);
        }
        _ => conditions(&mut statement, plan, access),
    }
    statement
}

/// Whether entries alone can find what the filter matches.
fn has_entries(filter: &Predicate) -> bool {
    let is_list =
        |part: &Predicate| matches!(part, Predicate::Entries(_) | Predicate::EveryEntry(_));
    match filter {
        Predicate::And(parts) => parts.iter().any(is_list),
        one => is_list(one),
    }
}

/// The keys of the resources of some types, and of the contained ones where those count, that
/// one of these `sources` refers to in one of the slots: column `key`.
pub fn referred_keys(
    source: ResourceType,
    sources: &[i64],
    slots: &[Slot],
    (types, contained): (&[ResourceType], Contained),
    access: &Access,
) -> Statement {
    let mut statement = Statement::new(access);
    let mut referred = |table: &'static str| {
        statement.push("SELECT DISTINCT r.key FROM unnest(");
        statement.bind(Bind::Bigs(sources.to_vec()));
        statement.push("::bigint[]) AS k(key) JOIN resource f ON f.tenant = $1 AND f.type = ");
        statement.bind(Bind::Small(source.number()));
        statement.push(" AND f.key = k.key CROSS JOIN LATERAL unnest(f.entries) AS e(entry) ");
        statement
            .push("CROSS JOIN unnest(")
            .bind(condition::seeds(slots, access));
        statement.push("::bigint[]) AS s(seed) JOIN ").push(table);
        statement.push(" r ON r.key = e.entry # s.seed WHERE ");
        match table {
            "contained" => contained::along_key(&mut statement, types),
            _ => condition::exists(&mut statement, types),
        }
        if table == "resource" && contained != Contained::False {
            statement.push(" UNION ");
        }
    };
    referred("resource");
    if contained != Contained::False {
        referred("contained");
    }
    statement
}
