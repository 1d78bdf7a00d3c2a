//! Contained resources: rows of `contained`, which conditions are asked of as they are of
//! resources. See [`contained`](crate::search::contained).
//!
//! What drives a statement: the index of entries where the filter has some, the rows that
//! pass where it has those and a chain asks, else the primary key, along its order.

use super::condition::{self, entries_test, fence, of_types, predicate, seeds};
use super::page::{Ask, conjuncts, keys_of_rows};
use super::rows::row_table;
use super::statement::{Bind, Statement};
use super::{COLUMNS, at_most};
use crate::access::Access;
use crate::fhir::ResourceType;
use crate::search::contained::within;
use crate::search::cursor::Position;
use crate::search::index::Slot;
use crate::search::plan::{Contained, ContainedType, Plan, Predicate};

/// A step of a chain into a resource that is contained beside the reference: ` OR EXISTS (…)`,
/// or nothing where the filter holds of none.
pub(super) fn or_refers(
    statement: &mut Statement,
    slots: &[Slot],
    target: ResourceType,
    filter: &Predicate,
    access: &Access,
) {
    let filter = within(filter);
    if filter == Predicate::Nothing {
        return;
    }
    statement
        .push(" OR EXISTS (SELECT 1 FROM unnest(")
        .own("entries")
        .push(") AS e(entry) CROSS JOIN unnest(");
    statement
        .bind(seeds(slots, access))
        .push("::bigint[]) AS s(seed) JOIN contained ");
    statement.enter().about_contained(true);
    statement
        .alias()
        .push(" ON ")
        .own("key = e.entry # s.seed WHERE ");
    along_key(statement, &[target]);
    condition::filter(statement, &filter, &[target], access);
    statement.leave();
    statement.push(fence(statement)).push(")");
}

/// Tenant and types, for the primary key.
pub(super) fn along_key(statement: &mut Statement, types: &[ResourceType]) {
    statement.own("tenant = $1");
    if !types.is_empty() {
        statement.push(" AND ");
        of_types(statement, types);
    }
}

/// All conditions on `contained r`, driven by entries where there are any.
fn conditions(statement: &mut Statement, plan: &Plan, access: &Access) {
    statement.about_contained(true);
    let filter = within(&plan.filter);
    let parts = conjuncts(&filter);
    let is_list =
        |part: &Predicate| matches!(part, Predicate::Entries(_) | Predicate::EveryEntry(_));
    let driver = parts.iter().position(is_list);
    if let Some(part) = driver.and_then(|at| parts.get(at)) {
        statement.push("r.tenant IS NOT DISTINCT FROM $1 AND ");
        entries_test(statement, part, access);
        if !plan.types.is_empty() {
            statement.push(" AND (");
            of_types(statement, &plan.types);
            statement.push(") IS TRUE");
        }
    } else {
        along_key(statement, &plan.types);
    }
    statement.pinned = true;
    for (at, part) in parts.iter().enumerate() {
        if Some(at) != driver {
            statement.push(" AND ");
            predicate(statement, part, &plan.types, access);
        }
    }
    statement.about_contained(false);
}

/// The statement of the keys of resources, with those of contained ones that pass behind:
/// columns `key` and `probed`.
pub fn and_contained_keys(mut statement: Statement, ask: &Ask<'_>) -> Statement {
    let plan = ask.plan;
    if within(&plan.filter) == Predicate::Nothing {
        return statement;
    }
    statement.sql.insert(0, '(');
    statement.push(") UNION ALL (SELECT r.key, NULL::bigint AS probed FROM ");
    let parts = conjuncts(&plan.filter);
    let by_entries = parts
        .iter()
        .any(|part| matches!(part, Predicate::Entries(_) | Predicate::EveryEntry(_)));
    if let Some(tests) = parts.iter().find_map(tests_of_rows).filter(|_| !by_entries) {
        statement.push("(SELECT DISTINCT d.key FROM (");
        keys_of_rows(&mut statement, ask, tests);
        statement.push(" LIMIT ").number(ask.limit);
        statement.push(") d) k JOIN contained r ON r.key = k.key WHERE ");
    } else {
        statement.push("contained r WHERE ");
    }
    conditions(&mut statement, plan, ask.access);
    statement.push(" LIMIT ").number(ask.limit).push(")");
    statement
}

/// The tests of a conjunct that rows alone decide.
fn tests_of_rows(part: &Predicate) -> Option<&[Predicate]> {
    let tests = match part {
        Predicate::Or(tests) => tests,
        one => std::slice::from_ref(one),
    };
    let all_rows = !tests.is_empty() && tests.iter().all(|test| row_table(test).is_some());
    all_rows.then_some(tests)
}

/// A page of contained resources, or of those that contain them.
pub struct ContainedPage<'p> {
    pub plan: &'p Plan,
    pub show: ContainedType,
    /// What it begins behind, in the order of type and key.
    pub position: Option<&'p Position>,
    pub backward: bool,
    pub limit: usize,
}

/// The contained resources that match, or those that contain them. Columns: those of a page;
/// a contained resource has those of its container, but for `type` and `key`, and the
/// container's type as `container`.
pub fn contained_page(page: &ContainedPage<'_>, access: &Access) -> Statement {
    let mut statement = Statement::new(access);
    match page.show {
        ContainedType::Contained => {
            statement.push(
                "SELECT r.type, r.key, b.version, \
                 (extract(epoch FROM b.last_updated) * 1000000)::bigint AS last_updated, \
                 b.method, b.id, b.body, NULL::text[] AS position, r.container_type AS container \
                 FROM contained r JOIN resource b ON b.tenant = r.tenant \
                 AND b.type = r.container_type AND b.key = r.container_key WHERE ",
            );
            conditions(&mut statement, page.plan, access);
            not_in_place(&mut statement);
            order(&mut statement, page, ("r.type", "r.key"));
        }
        ContainedType::Container => {
            statement.push(COLUMNS);
            statement.push(", NULL::text[] AS position FROM (");
            containers(&mut statement, page.plan, access);
            order(
                &mut statement,
                page,
                ("r.container_type", "r.container_key"),
            );
            statement.push(
                ") c JOIN resource r ON r.tenant = $1 AND r.type = c.container_type \
                 AND r.key = c.container_key",
            );
        }
    }
    statement
}

/// A Bundle contains nothing: what it begins with is there for chains alone.
fn not_in_place(statement: &mut Statement) {
    let bundle = ResourceType::parse("Bundle").map_or(0, ResourceType::number);
    statement
        .push(" AND r.container_type IS DISTINCT FROM ")
        .bind(Bind::Small(bundle));
}

fn containers(statement: &mut Statement, plan: &Plan, access: &Access) {
    statement.push("SELECT DISTINCT r.container_type, r.container_key FROM contained r WHERE ");
    conditions(statement, plan, access);
    not_in_place(statement);
}

/// What comes after the position, the order and the limit.
fn order(
    statement: &mut Statement,
    page: &ContainedPage<'_>,
    (kind, key): (&'static str, &'static str),
) {
    let (after, down) = match page.backward {
        true => (") < (", " DESC"),
        false => (") > (", ""),
    };
    if let Some(position) = page.position {
        statement.push(" AND (").push(kind).push(", ").push(key);
        statement.push(after);
        statement.bind(Bind::Small(position.type_number)).push(", ");
        statement.bind(Bind::Big(position.key)).push(")");
    }
    statement.push(" ORDER BY ").push(kind).push(down);
    statement.push(", ").push(key).push(down).push(" LIMIT ");
    statement.bind(Bind::Big(at_most(page.limit)));
}

/// How many there are on all pages.
pub fn contained_count(
    plan: &Plan,
    contained: Contained,
    show: ContainedType,
    access: &Access,
) -> Statement {
    let mut statement = Statement::new(access);
    statement.push("SELECT count(*) FROM (");
    match show {
        ContainedType::Container => containers(&mut statement, plan, access),
        ContainedType::Contained => {
            statement.push("SELECT r.type, r.key FROM contained r WHERE ");
            conditions(&mut statement, plan, access);
            not_in_place(&mut statement);
        }
    }
    if contained == Contained::Both {
        // A resource that matches and contains a match is one.
        statement.pinned = false;
        statement.push(" UNION SELECT r.type, r.key FROM resource r WHERE ");
        condition::conditions(&mut statement, plan, access);
    }
    statement.push(") found");
    statement
}
