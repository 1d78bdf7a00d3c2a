//! The statements of a page: the matches in order, after a position.

use super::COLUMNS;
use super::condition::{conditions, equals_any};
use super::rows::table_name;
use super::statement::{Bind, Statement, at_most};
use crate::access::Access;
use crate::fhir::Instant;
use crate::search::cursor::Position;
use crate::search::plan::{Plan, RowTable, Sort};

/// Which part of a sorted list a statement is about.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Part {
    /// Those with a value of the sort key: all of them where every resource has one.
    Valued,
    /// Those without a row in the table of the sort key.
    Missing,
}

/// The matches of one part, in order, after `position`, at most `limit`. Columns: those of a
/// version, its key, and `position`, the sort value as text.
pub fn page(
    plan: &Plan,
    part: Part,
    position: Option<&Position>,
    limit: usize,
    access: &Access,
) -> Statement {
    let mut statement = Statement::new(access);
    statement.push(COLUMNS);
    match (&plan.sort, part) {
        (
            Sort::Rows {
                table,
                slots,
                descending,
            },
            Part::Valued,
        ) => {
            page_of_rows(
                &mut statement,
                plan,
                (*table, slots, *descending),
                position,
                access,
            );
        }
        (sort, _) => {
            let order = Order::of(sort, part);
            statement
                .push(", ")
                .push(order.text)
                .push(" AS position FROM resource r");
            if let Sort::Element { name, .. } = sort {
                element(&mut statement, name);
            }
            statement.push(" WHERE ");
            conditions(&mut statement, plan, access);
            match (sort, part) {
                (Sort::Element { .. }, Part::Missing) => statement.push(" AND s.value IS NULL"),
                (Sort::Element { .. }, Part::Valued) => statement.push(" AND s.value IS NOT NULL"),
                _ => &mut statement,
            };
            if let (Sort::Rows { table, slots, .. }, Part::Missing) = (sort, part) {
                statement
                    .push(" AND NOT EXISTS (SELECT 1 FROM ")
                    .push(table_name(*table));
                statement.push(" s WHERE s.tenant = $1 AND s.slot");
                equals_any(&mut statement, slots);
                statement.push(" AND s.key = r.key)");
            }
            after(&mut statement, plan, &order, position);
            order_by(&mut statement, plan, &order);
        }
    }
    statement.push(" LIMIT ").bind(Bind::Big(at_most(limit)));
    statement
}

/// The element as text; of a list the first that is written.
fn element(statement: &mut Statement, name: &str) {
    let first = vec![name.to_owned(), "0".to_owned()];
    statement
        .push(" CROSS JOIN LATERAL (SELECT coalesce(r.body::json #>> ")
        .bind(Bind::Texts(first))
        .push(", r.body::json #>> ")
        .bind(Bind::Texts(vec![name.to_owned()]))
        .push(") COLLATE \"C\" AS value) s");
}

fn page_of_rows(
    statement: &mut Statement,
    plan: &Plan,
    (table, slots, descending): (RowTable, &[i32], bool),
    position: Option<&Position>,
    access: &Access,
) {
    let order = Order::of(&plan.sort, Part::Valued);
    statement
        .push(", ")
        .push(order.text)
        .push(" AS position FROM ")
        .push(table_name(table));
    statement.push(" s JOIN resource r ON r.tenant = s.tenant AND r.key = s.key");
    statement.push(" WHERE s.tenant = $1 AND s.slot");
    equals_any(statement, slots);
    statement.push(" AND ");
    conditions(statement, plan, access);
    // Of several values only the first in the direction counts.
    let (other, own) = match table {
        RowTable::Date => ("(o.low, o.high, o.slot)", "(s.low, s.high, s.slot)"),
        RowTable::String => ("(o.value, o.exact, o.slot)", "(s.value, s.exact, s.slot)"),
        RowTable::Quantity => (
            "(o.low, o.high, o.unit, o.code, o.label, o.slot)",
            "(s.low, s.high, s.unit, s.code, s.label, s.slot)",
        ),
    };
    statement
        .push(" AND NOT EXISTS (SELECT 1 FROM ")
        .push(table_name(table));
    statement.push(" o WHERE o.tenant = $1 AND o.slot");
    equals_any(statement, slots);
    statement.push(" AND o.key = s.key AND ").push(other);
    statement
        .push(if descending { " > " } else { " < " })
        .push(own)
        .push(")");
    after(statement, plan, &order, position);
    order_by(statement, plan, &order);
}

/// How a sort is written.
struct Order {
    /// What is compared; empty where the key alone decides.
    column: &'static str,
    /// The key, of the table that the column is in: only then is the pair one condition on
    /// its index.
    key: &'static str,
    /// The value as text, for the cursor.
    text: &'static str,
    descending: bool,
}

/// Where there is no value, the key decides, upwards.
const BY_KEY: Order = Order {
    column: "",
    key: "r.key",
    text: "NULL::text",
    descending: false,
};

impl Order {
    fn of(sort: &Sort, part: Part) -> Order {
        let (column, key, text, descending) = match sort {
            Sort::Key => return BY_KEY,
            Sort::Rows { .. } | Sort::Element { .. } if part == Part::Missing => return BY_KEY,
            Sort::Element { descending, .. } => ("s.value", "r.key", "s.value", *descending),
            Sort::LastUpdated { descending } => (
                "r.last_updated",
                "r.key",
                "(extract(epoch FROM r.last_updated) * 1000)::bigint::text",
                *descending,
            ),
            Sort::Id { descending } => ("r.id", "r.key", "r.id", *descending),
            Sort::Rows {
                table: RowTable::String,
                descending,
                ..
            } => ("s.value", "s.key", "s.value", *descending),
            Sort::Rows { descending, .. } => ("s.low", "s.key", "s.low::text", *descending),
        };
        Order {
            column,
            key,
            text,
            descending,
        }
    }
}

/// ` AND (value, key) > (…)`: what comes after the position.
fn after(statement: &mut Statement, plan: &Plan, order: &Order, position: Option<&Position>) {
    let Some(position) = position else { return };
    let one_type = plan.types.len() == 1;
    statement.push(" AND (");
    if !order.column.is_empty() {
        statement.push(order.column).push(", ");
    }
    statement.push(if one_type { "" } else { "r.type, " });
    statement.push(order.key);
    statement.push(if order.descending { ") < (" } else { ") > (" });
    if !order.column.is_empty() {
        sort_value(
            statement,
            &plan.sort,
            position.value.as_deref().unwrap_or_default(),
        );
        statement.push(", ");
    }
    if !one_type {
        statement.bind(Bind::Small(position.type_number)).push(", ");
    }
    statement.bind(Bind::Big(position.key)).push(")");
}

/// The value of a position as the type of its column. `Position::fits` has checked the text.
fn sort_value(statement: &mut Statement, sort: &Sort, text: &str) {
    match sort {
        Sort::LastUpdated { .. } => {
            let milliseconds = text.parse().unwrap_or_default();
            statement.instant(Instant::from_milliseconds(milliseconds))
        }
        Sort::Rows {
            table: RowTable::Date,
            ..
        } => statement.bind(Bind::Big(text.parse().unwrap_or_default())),
        Sort::Rows {
            table: RowTable::Quantity,
            ..
        } => statement.numeric(text),
        Sort::Key | Sort::Id { .. } | Sort::Element { .. } | Sort::Rows { .. } => {
            statement.bind(Bind::Text(text.to_owned()))
        }
    };
}

fn order_by(statement: &mut Statement, plan: &Plan, order: &Order) {
    let direction = if order.descending { " DESC" } else { "" };
    statement.push(" ORDER BY ");
    if !order.column.is_empty() {
        statement.push(order.column).push(direction).push(", ");
    }
    if plan.types.len() != 1 {
        statement.push("r.type").push(direction).push(", ");
    }
    statement.push(order.key).push(direction);
}
