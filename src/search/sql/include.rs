//! What a level of includes adds, as one statement.
//!
//! Each part is a subquery that the planner cannot take apart (`OFFSET 0`, `LIMIT`), whose only
//! ways in are the primary key, or GIN where the tenant is compared so that no other index
//! serves: which one it takes is no matter of statistics.

use super::COLUMNS;
use super::statement::{Bind, Statement, at_most};
use crate::access::Access;
use crate::fhir::ResourceType;

/// What is to be included.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Wanted {
    /// Resources by type and key: the current version, or the one of that number.
    pub references: Vec<(ResourceType, i64, Option<i32>)>,
    /// Resources that have both entries: of a `url` and of a `version`.
    pub canonicals: Vec<(i64, i64)>,
    /// Resources that have one of these entries.
    pub referrers: Vec<i64>,
}

impl Wanted {
    pub fn is_empty(&self) -> bool {
        self.references.is_empty() && self.canonicals.is_empty() && self.referrers.is_empty()
    }
}

/// The resources that are wanted, where they are not deleted, with the columns of a page and
/// in no order; of those that entries find, at most `limit`.
pub fn included(wanted: &Wanted, limit: usize, access: &Access) -> Statement {
    let mut statement = Statement::new(access);
    let mut parts = 0;
    let mut next = |statement: &mut Statement| {
        statement.push(if parts > 0 { " UNION ALL " } else { "" });
        statement.push(COLUMNS).push(", NULL::text[] AS position");
        parts += 1;
    };
    if !wanted.references.is_empty() {
        next(&mut statement);
        current(&mut statement, &wanted.references);
    }
    let versioned = wanted.references.iter().filter(|(.., v)| v.is_some());
    let versioned: Vec<_> = versioned.copied().collect();
    if !versioned.is_empty() {
        next(&mut statement);
        superseded(&mut statement, &versioned);
    }
    if !wanted.canonicals.is_empty() {
        next(&mut statement);
        canonicals(&mut statement, &wanted.canonicals, limit);
    }
    if !wanted.referrers.is_empty() {
        next(&mut statement);
        referrers(&mut statement, &wanted.referrers, limit);
    }
    statement
}

fn current(statement: &mut Statement, references: &[(ResourceType, i64, Option<i32>)]) {
    asked(statement, references);
    statement.push(
        " CROSS JOIN LATERAL (SELECT * FROM resource c WHERE c.tenant = $1 AND c.type = w.type \
         AND c.key = w.key AND c.body IS NOT NULL OFFSET 0) r \
         WHERE w.version = 0 OR w.version = r.version",
    );
}

/// Versions of resources that have a later one, and are not deleted.
fn superseded(statement: &mut Statement, references: &[(ResourceType, i64, Option<i32>)]) {
    asked(statement, references);
    statement.push(
        " CROSS JOIN LATERAL (SELECT h.* FROM resource c JOIN history h ON h.tenant = c.tenant \
         AND h.type = c.type AND h.key = c.key WHERE c.tenant = $1 AND c.type = w.type \
         AND c.key = w.key AND c.body IS NOT NULL AND h.version = w.version \
         AND h.body IS NOT NULL OFFSET 0) r",
    );
}

/// Versions count from 1, so that 0 stands for the current one.
fn asked(statement: &mut Statement, references: &[(ResourceType, i64, Option<i32>)]) {
    let types = references.iter().map(|(kind, ..)| kind.number());
    let keys = references.iter().map(|(_, key, _)| *key);
    let versions = references
        .iter()
        .map(|(.., version)| version.unwrap_or_default());
    statement.push(" FROM unnest(");
    statement.bind(Bind::Smalls(types.collect()));
    statement.push("::smallint[], ");
    statement.bind(Bind::Bigs(keys.collect()));
    statement.push("::bigint[], ");
    statement.bind(Bind::Ints(versions.collect()));
    statement.push("::int[]) AS w(type, key, version)");
}

fn canonicals(statement: &mut Statement, entries: &[(i64, i64)], limit: usize) {
    let (urls, versions) = entries.iter().copied().unzip();
    statement.push(" FROM (SELECT c.* FROM unnest(");
    statement.bind(Bind::Bigs(urls)).push("::bigint[], ");
    statement.bind(Bind::Bigs(versions));
    statement.push(
        "::bigint[]) AS w(url, version) CROSS JOIN LATERAL (SELECT * FROM resource c \
         WHERE c.entries @> ARRAY[w.url, w.version] AND c.tenant IS NOT DISTINCT FROM $1 \
         AND c.body IS NOT NULL OFFSET 0) c LIMIT ",
    );
    statement.bind(Bind::Big(at_most(limit))).push(") r");
}

/// Entries that are one look into their index; of more it takes the square of their number.
const TOGETHER: usize = 1000;

/// An entry names the type that has it, and the tenant. The list is hidden from the planner,
/// which would take a long one for half of the table and read that, hoping for the limit.
fn referrers(statement: &mut Statement, entries: &[i64], limit: usize) {
    if entries.len() > TOGETHER {
        statement.push(" FROM (SELECT DISTINCT c.type, c.key FROM unnest(");
        statement.bind(Bind::Bigs(entries.to_vec()));
        statement.push(
            "::bigint[]) AS w(entry) CROSS JOIN LATERAL (SELECT * FROM resource c \
             WHERE c.entries @> ARRAY[w.entry] AND c.tenant IS NOT DISTINCT FROM $1 \
             AND c.body IS NOT NULL OFFSET 0) c LIMIT ",
        );
        statement.bind(Bind::Big(at_most(limit)));
        statement.push(
            ") k CROSS JOIN LATERAL (SELECT * FROM resource c WHERE c.tenant = $1 \
             AND c.type = k.type AND c.key = k.key OFFSET 0) r",
        );
        return;
    }
    statement.push(" FROM (SELECT * FROM resource c WHERE c.entries && ARRAY(SELECT unnest(");
    statement.bind(Bind::Bigs(entries.to_vec()));
    statement
        .push("::bigint[])) AND c.tenant IS NOT DISTINCT FROM $1 AND c.body IS NOT NULL LIMIT ");
    statement.bind(Bind::Big(at_most(limit))).push(") r");
}
