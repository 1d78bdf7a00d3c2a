//! What must hold of a resource, as conditions on `resource r`.

use super::contained;
use super::json::{element_exists, has_words, text_exists};
use super::rows::{row_table, rows_exist};
use super::statement::{Bind, Statement};
use crate::access::Access;
use crate::fhir::{Instant, ResourceType};
use crate::search::index::{Slot, resource_key};
use crate::search::plan::{Plan, Predicate, RangeTest, RowTable};

/// Tenant, types, existence and filter: what every statement about matches has.
pub(super) fn conditions(statement: &mut Statement, plan: &Plan, access: &Access) {
    exists(statement, &plan.types);
    filter(statement, &plan.filter, &plan.types, access);
}

pub(super) fn exists(statement: &mut Statement, types: &[ResourceType]) {
    statement.own("tenant = $1");
    if !types.is_empty() {
        statement.push(" AND ");
        of_types(statement, types);
    }
    statement.push(" AND ").own("body IS NOT NULL");
}

/// The filter alone, after other conditions.
pub(super) fn filter(
    statement: &mut Statement,
    filter: &Predicate,
    types: &[ResourceType],
    access: &Access,
) {
    match filter {
        Predicate::Everything => {}
        Predicate::And(parts) => {
            for part in parts {
                statement.push(" AND ");
                predicate(statement, part, types, access);
            }
        }
        one => {
            statement.push(" AND ");
            predicate(statement, one, types, access);
        }
    }
}

pub(super) fn of_types(statement: &mut Statement, types: &[ResourceType]) {
    match types {
        [one] => statement.own("type = ").bind(Bind::Small(one.number())),
        many => statement
            .own("type = ANY(")
            .bind(Bind::Smalls(
                many.iter().map(|kind| kind.number()).collect(),
            ))
            .push(")"),
    };
}

/// Entries that are compared one by one with those of a resource; more of them become a hash
/// table (600 entries: 2.6 microseconds a resource in place of 15).
const HASHED: usize = 16;

pub(super) fn predicate(
    statement: &mut Statement,
    one: &Predicate,
    types: &[ResourceType],
    access: &Access,
) {
    match one {
        Predicate::Everything => {
            statement.push("TRUE");
        }
        Predicate::Nothing => {
            statement.push("FALSE");
        }
        Predicate::And(parts) => list(statement, parts, " AND ", types, access),
        Predicate::Or(parts) => alternatives(statement, parts, types, access),
        Predicate::Not(part) => match **part {
            Predicate::Present(bits) => present(statement, bits, " = 0"),
            ref part => {
                statement.push("NOT (");
                predicate(statement, part, types, access);
                statement.push(")");
            }
        },
        Predicate::Present(bits) => present(statement, *bits, " <> 0"),
        Predicate::Entries(list) if statement.pinned && list.len() > HASHED => {
            statement
                .push("EXISTS (SELECT 1 FROM unnest(")
                .own("entries");
            statement.push(") AS e(entry) WHERE (e.entry IN (SELECT unnest(");
            statement.bind(entries(list, access));
            statement.push("::bigint[]))) IS TRUE)");
        }
        Predicate::Entries(_) | Predicate::EveryEntry(_) => {
            let pinned = statement.pinned;
            statement.push(if pinned { "(" } else { "" });
            entries_test(statement, one, access);
            // The planner takes a condition for an index only where it stands bare.
            statement.push(if pinned { ") IS TRUE" } else { "" });
        }
        Predicate::Keys(keys) => {
            statement
                .own("key = ANY(")
                .bind(Bind::Bigs(keys.clone()))
                .push(")");
        }
        Predicate::Date { .. }
        | Predicate::String { .. }
        | Predicate::Quantity { .. }
        | Predicate::NumberPair { .. }
        | Predicate::Near { .. } => {
            rows_exist(statement, &[one]);
        }
        Predicate::Id(ids) => with_ids(statement, ids, types),
        Predicate::Type(types) => of_types(statement, types),
        Predicate::LastUpdated(test) => last_updated(statement, test),
        Predicate::Refers {
            slots,
            target,
            filter,
        } => refers(statement, slots, *target, filter, access),
        Predicate::Referred {
            source,
            slots,
            filter,
        } => referred(statement, *source, slots, filter, access),
        Predicate::Json { places, test } => text_exists(statement, places, test),
        Predicate::Element(tests) => element_exists(statement, tests),
        Predicate::Words { within, query } => has_words(statement, *within, query),
        // Unknown, and so is its opposite: what was never looked up finds nothing.
        Predicate::Lookup(_) => {
            statement.push("NULL::boolean");
        }
    }
}

/// A step of a chain: each entry may be a reference in one of the slots, whose target has a
/// key that the seed gives back.
fn refers(
    statement: &mut Statement,
    slots: &[Slot],
    target: ResourceType,
    filter: &Predicate,
    access: &Access,
) {
    statement
        .push("(EXISTS (SELECT 1 FROM unnest(")
        .own("entries")
        .push(") AS e(entry) CROSS JOIN unnest(");
    statement
        .bind(seeds(slots, access))
        .push("::bigint[]) AS s(seed) JOIN resource ");
    statement.enter();
    statement
        .alias()
        .push(" ON ")
        .own("key = e.entry # s.seed WHERE ");
    exists(statement, &[target]);
    self::filter(statement, filter, &[target], access);
    statement.leave();
    statement.push(fence(statement)).push(")");
    contained::or_refers(statement, slots, target, filter, access);
    statement.push(")");
}

/// `_has`: some resource has the entry that a reference to this one makes. What else must be
/// an entry of it is asked of the index with it.
fn referred(
    statement: &mut Statement,
    source: ResourceType,
    slots: &[Slot],
    filter: &Predicate,
    access: &Access,
) {
    let (together, rest) = match slots {
        [_] => required(filter),
        _ => (Vec::new(), filter.clone()),
    };
    statement.enter();
    statement.push("EXISTS (SELECT 1 FROM resource ").alias();
    statement.push(" WHERE ").own(if slots.len() == 1 {
        "entries @> (ARRAY["
    } else {
        "entries && ARRAY(SELECT "
    });
    statement.leave().own("key # ");
    if let [slot] = slots {
        statement
            .bind(Bind::Big(slot.seed(access.tenant)))
            .push("] || ")
            .bind(entries(&together, access))
            .push("::bigint[])");
    } else {
        statement
            .push("s.seed FROM unnest(")
            .bind(seeds(slots, access))
            .push("::bigint[]) AS s(seed))");
    }
    statement.enter().push(" AND ");
    if statement.pinned {
        // Nothing but the entries is to be looked up.
        statement.own("tenant IS NOT DISTINCT FROM $1 AND ");
        statement
            .own("type IS NOT DISTINCT FROM ")
            .bind(Bind::Small(source.number()))
            .push(" AND ");
        statement.own("body IS NOT NULL");
    } else {
        exists(statement, &[source]);
    }
    self::filter(statement, &rest, &[source], access);
    statement.leave();
    statement.push(fence(statement)).push(")");
}

/// What ends a subquery that is to be run for each resource rather than joined.
pub(super) fn fence(statement: &Statement) -> &'static str {
    if statement.pinned { " OFFSET 0" } else { "" }
}

/// The entries that a filter requires, and the rest of it.
fn required(filter: &Predicate) -> (Vec<(Slot, i64)>, Predicate) {
    match filter {
        Predicate::Entries(list) if list.len() == 1 => (list.clone(), Predicate::Everything),
        Predicate::EveryEntry(list) => (list.clone(), Predicate::Everything),
        Predicate::And(parts) => {
            let (mut together, mut rest) = (Vec::new(), Vec::new());
            for part in parts {
                match required(part) {
                    (list, Predicate::Everything) if !list.is_empty() => together.extend(list),
                    _ => rest.push(part.clone()),
                }
            }
            (together, Predicate::And(rest))
        }
        other => (Vec::new(), other.clone()),
    }
}

pub(super) fn seeds(slots: &[Slot], access: &Access) -> Bind {
    Bind::Bigs(slots.iter().map(|slot| slot.seed(access.tenant)).collect())
}

fn present(statement: &mut Statement, bits: i64, test: &'static str) {
    statement.push("(").own("present & ").bind(Bind::Big(bits));
    statement.push(")").push(test);
}

fn list(
    statement: &mut Statement,
    parts: &[Predicate],
    separator: &'static str,
    types: &[ResourceType],
    access: &Access,
) {
    statement.push("(");
    for (index, part) in parts.iter().enumerate() {
        statement.push(if index > 0 { separator } else { "" });
        predicate(statement, part, types, access);
    }
    statement.push(")");
}

/// An Or, with the rows of one table asked in one EXISTS: PostgreSQL can join with one
/// EXISTS, but runs each EXISTS within an OR again for every resource.
fn alternatives(
    statement: &mut Statement,
    parts: &[Predicate],
    types: &[ResourceType],
    access: &Access,
) {
    let tables = [RowTable::Date, RowTable::String, RowTable::Quantity];
    let mut separator = "(";
    for table in tables {
        let rows: Vec<&Predicate> = parts
            .iter()
            .filter(|part| row_table(part) == Some(table))
            .collect();
        if !rows.is_empty() {
            statement.push(separator);
            rows_exist(statement, &rows);
            separator = " OR ";
        }
    }
    for part in parts.iter().filter(|part| row_table(part).is_none()) {
        statement.push(separator);
        predicate(statement, part, types, access);
        separator = " OR ";
    }
    statement.push(if separator == "(" { "FALSE" } else { ")" });
}

pub(super) fn entries(list: &[(Slot, i64)], access: &Access) -> Bind {
    Bind::Bigs(
        list.iter()
            .map(|(slot, hash)| slot.entry(access.tenant, *hash))
            .collect(),
    )
}

/// `entries @> …` or `entries && …`, as the index of entries takes it.
pub(super) fn entries_test(statement: &mut Statement, one: &Predicate, access: &Access) {
    match one {
        Predicate::Entries(list) if list.len() > 1 => {
            statement.own("entries && ").bind(entries(list, access));
        }
        Predicate::Entries(list) | Predicate::EveryEntry(list) => {
            statement.own("entries @> ").bind(entries(list, access));
        }
        _ => {
            statement.push("FALSE");
        }
    }
}

/// By key, which has an index, and by id, since two ids may share a key.
fn with_ids(statement: &mut Statement, ids: &[String], searched: &[ResourceType]) {
    let all: Vec<ResourceType>;
    let types = if searched.is_empty() {
        all = ResourceType::all().collect();
        &all
    } else {
        searched
    };
    let keys = types
        .iter()
        .flat_map(|kind| ids.iter().map(|id| resource_key(*kind, id)))
        .collect();
    if searched.is_empty() {
        of_types(statement, types);
        statement.push(" AND ");
    }
    statement.own("key = ANY(").bind(Bind::Bigs(keys));
    statement
        .push(") AND ")
        .own("id = ANY(")
        .bind(Bind::Texts(ids.to_vec()))
        .push(")");
}

/// The value is a point of whole milliseconds, and so are the bounds, so "above the end of
/// the value" is the same as "at or above the value".
fn last_updated(statement: &mut Statement, test: &RangeTest<Instant>) {
    match test {
        RangeTest::Within(low, high) | RangeTest::Overlaps(low, high) => {
            statement.own("last_updated >= ").instant(*low);
            statement
                .push(" AND ")
                .own("last_updated < ")
                .instant(*high)
        }
        RangeTest::NotWithin(low, high) => {
            statement.push("(").own("last_updated < ").instant(*low);
            statement
                .push(" OR ")
                .own("last_updated >= ")
                .instant(*high)
                .push(")")
        }
        RangeTest::HighAbove(bound)
        | RangeTest::HighAtLeast(bound)
        | RangeTest::LowAtLeast(bound) => statement.own("last_updated >= ").instant(*bound),
        RangeTest::LowAbove(bound) => statement.own("last_updated > ").instant(*bound),
        RangeTest::LowAtMost(bound) => statement.own("last_updated <= ").instant(*bound),
        RangeTest::LowBelow(bound) | RangeTest::HighAtMost(bound) | RangeTest::HighBelow(bound) => {
            statement.own("last_updated < ").instant(*bound)
        }
    };
}
