//! Contained resources: rows of `contained`, which conditions are asked of as they are of
//! resources. See [`contained`](crate::search::contained).

use super::COLUMNS;
use super::condition::{self, of_types, seeds};
use super::statement::{Bind, Statement, at_most};
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
    statement.enter();
    statement
        .alias()
        .push(" ON ")
        .own("key = e.entry # s.seed WHERE ");
    conditions(statement, &filter, &[target], access);
    statement.leave().push(")");
}

/// Tenant, types and filter, of a row of `contained`.
fn conditions(
    statement: &mut Statement,
    filter: &Predicate,
    types: &[ResourceType],
    access: &Access,
) {
    statement.own("tenant = $1");
    if !types.is_empty() {
        statement.push(" AND ");
        of_types(statement, types);
    }
    condition::filter(statement, filter, types, access);
}

/// The contained resources that match, or those that contain them, after `position` in the
/// order of type and key. Columns: those of a page. A contained resource has the columns of its
/// container, but for `type` and `key`, and the container's type as `container`.
pub fn contained_page(
    plan: &Plan,
    show: ContainedType,
    position: Option<&Position>,
    limit: usize,
    access: &Access,
) -> Statement {
    let mut statement = Statement::new(access);
    let filter = within(&plan.filter);
    match show {
        ContainedType::Contained => {
            statement.push(
                "SELECT r.type, r.key, b.version, \
                 (extract(epoch FROM b.last_updated) * 1000000)::bigint AS last_updated, \
                 b.method, b.id, b.body, NULL::text AS position, r.container_type AS container \
                 FROM contained r JOIN resource b ON b.tenant = r.tenant \
                 AND b.type = r.container_type AND b.key = r.container_key WHERE ",
            );
            conditions(&mut statement, &filter, &plan.types, access);
            after(&mut statement, " AND (r.type, r.key) > (", position);
            statement.push(" ORDER BY r.type, r.key LIMIT ");
            statement.bind(Bind::Big(at_most(limit)));
        }
        ContainedType::Container => {
            statement.push(COLUMNS);
            statement.push(", NULL::text AS position FROM (");
            containers(&mut statement, &filter, plan, access);
            let after_it = " AND (r.container_type, r.container_key) > (";
            after(&mut statement, after_it, position);
            statement.push(" ORDER BY r.container_type, r.container_key LIMIT ");
            statement.bind(Bind::Big(at_most(limit)));
            statement.push(
                ") c JOIN resource r ON r.tenant = $1 AND r.type = c.container_type \
                 AND r.key = c.container_key ORDER BY r.type, r.key",
            );
        }
    }
    statement
}

fn containers(statement: &mut Statement, filter: &Predicate, plan: &Plan, access: &Access) {
    statement.push("SELECT DISTINCT r.container_type, r.container_key FROM contained r WHERE ");
    conditions(statement, filter, &plan.types, access);
}

fn after(statement: &mut Statement, begins: &'static str, position: Option<&Position>) {
    let Some(position) = position else { return };
    statement.push(begins);
    statement.bind(Bind::Small(position.type_number)).push(", ");
    statement.bind(Bind::Big(position.key)).push(")");
}

/// How many there are on all pages.
pub fn contained_count(
    plan: &Plan,
    contained: Contained,
    show: ContainedType,
    access: &Access,
) -> Statement {
    let mut statement = Statement::new(access);
    let filter = within(&plan.filter);
    statement.push("SELECT count(*) FROM (");
    match show {
        ContainedType::Container => containers(&mut statement, &filter, plan, access),
        ContainedType::Contained => {
            statement.push("SELECT r.type, r.key FROM contained r WHERE ");
            conditions(&mut statement, &filter, &plan.types, access);
        }
    }
    if contained == Contained::Both {
        // A resource that matches and contains a match is one.
        statement.push(" UNION SELECT r.type, r.key FROM resource r WHERE ");
        condition::conditions(&mut statement, plan, access);
    }
    statement.push(") found");
    statement
}
