//! The one builder of search SQL.
//!
//! A [`Statement`] grows by fixed text and by binds and by nothing else: text of the user can
//! only ever become a `$n`. The tenant of the caller is always `$1`, so that no statement
//! can be built without an [`Access`].
//!
//! Tables: `resource r`, and the row tables `date_entry`, `string_entry`, `quantity_entry`,
//! which are `d` where they filter and `s` where they sort. This file does no I/O.

use super::cursor::Position;
use super::index::{Slot, resource_key, string_value};
use super::plan::{Plan, Predicate, RangeTest, RowTable, Sort, StringTest, UnitTest};
use crate::access::Access;
use crate::fhir::{Instant, ResourceType};

/// A value that is sent beside the text.
#[derive(Clone, Debug, PartialEq)]
pub enum Bind {
    Small(i16),
    Int(i32),
    Big(i64),
    Text(String),
    Smalls(Vec<i16>),
    Ints(Vec<i32>),
    Bigs(Vec<i64>),
    Texts(Vec<String>),
}

/// A statement and its binds, `$1` first.
#[derive(Clone, Debug, PartialEq)]
pub struct Statement {
    pub sql: String,
    pub binds: Vec<Bind>,
}

impl Statement {
    /// Begins with the tenant as `$1`.
    fn new(access: &Access) -> Statement {
        Statement {
            sql: String::with_capacity(512),
            binds: vec![Bind::Int(access.tenant.0)],
        }
    }

    fn push(&mut self, fixed: &'static str) -> &mut Statement {
        self.sql.push_str(fixed);
        self
    }

    fn bind(&mut self, bind: Bind) -> &mut Statement {
        self.binds.push(bind);
        self.sql.push('$');
        self.sql.push_str(&self.binds.len().to_string());
        self
    }

    fn instant(&mut self, instant: Instant) -> &mut Statement {
        // Text, because a float of seconds cannot hold every millisecond; years that four
        // digits cannot show lie beyond anything stored.
        let text = instant.to_string();
        let text = match (
            text.len() == Instant::TEXT_LENGTH,
            instant.milliseconds() < 0,
        ) {
            (true, _) if !text.starts_with("0000") => text,
            (_, true) => "0001-01-01T00:00:00Z".to_owned(),
            (_, false) => "9999-12-31T23:59:59.999Z".to_owned(),
        };
        self.bind(Bind::Text(text)).push("::text::timestamptz")
    }

    fn numeric(&mut self, decimal: &str) -> &mut Statement {
        self.bind(Bind::Text(decimal.to_owned()))
            .push("::text::numeric")
    }
}

fn at_most(limit: usize) -> i64 {
    i64::try_from(limit).unwrap_or(i64::MAX)
}

/// The columns of a page: a version, its key, and its value in the order.
const COLUMNS: &str = "SELECT r.type, r.key, r.version, \
    (extract(epoch FROM r.last_updated) * 1000000)::bigint AS last_updated, \
    r.method, r.id, r.body";

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
            let order = match part {
                Part::Valued => Order::of(sort),
                Part::Missing => Order::of_missing(),
            };
            statement
                .push(", ")
                .push(order.text)
                .push(" AS position FROM resource r WHERE ");
            conditions(&mut statement, plan, access);
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

fn page_of_rows(
    statement: &mut Statement,
    plan: &Plan,
    (table, slots, descending): (RowTable, &[i32], bool),
    position: Option<&Position>,
    access: &Access,
) {
    let order = Order::of(&plan.sort);
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
    /// The same as text, for the cursor.
    text: &'static str,
    descending: bool,
}

impl Order {
    fn of(sort: &Sort) -> Order {
        let (column, text, descending) = match sort {
            Sort::Key => ("", "NULL::text", false),
            Sort::LastUpdated { descending } => (
                "r.last_updated",
                "(extract(epoch FROM r.last_updated) * 1000)::bigint::text",
                *descending,
            ),
            Sort::Id { descending } => ("r.id", "r.id", *descending),
            Sort::Rows {
                table: RowTable::String,
                descending,
                ..
            } => ("s.value", "s.value", *descending),
            Sort::Rows { descending, .. } => ("s.low", "s.low::text", *descending),
        };
        Order {
            column,
            text,
            descending,
        }
    }

    /// Where there is no value, the key decides, upwards.
    fn of_missing() -> Order {
        Order {
            column: "",
            text: "NULL::text",
            descending: false,
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
    statement.push(if one_type {
        "r.key) "
    } else {
        "r.type, r.key) "
    });
    statement.push(if order.descending { "< (" } else { "> (" });
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
        Sort::Key | Sort::Id { .. } | Sort::Rows { .. } => {
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
    statement.push("r.key").push(direction);
}

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

/// Key and id of the first matches: columns `key`, `id`.
pub fn keys(plan: &Plan, limit: usize, access: &Access) -> Statement {
    let mut statement = Statement::new(access);
    statement.push("SELECT r.key, r.id FROM resource r WHERE ");
    conditions(&mut statement, plan, access);
    statement
        .push(" ORDER BY r.key LIMIT ")
        .bind(Bind::Big(at_most(limit)));
    statement
}

/// Resources of `source` with one of these entries, beside the columns of a page.
pub fn having_entries(
    source: ResourceType,
    entries: Vec<i64>,
    limit: usize,
    access: &Access,
) -> Statement {
    let mut statement = Statement::new(access);
    statement
        .push(COLUMNS)
        .push(", NULL::text AS position FROM resource r WHERE r.tenant = $1");
    statement
        .push(" AND r.type = ")
        .bind(Bind::Small(source.number()));
    statement
        .push(" AND r.body IS NOT NULL AND r.entries && ")
        .bind(Bind::Bigs(entries));
    statement
        .push(" ORDER BY r.key LIMIT ")
        .bind(Bind::Big(at_most(limit)));
    statement
}

/// The current versions of these resources, where they are not deleted.
pub fn having_keys(keys: &[(ResourceType, i64)], access: &Access) -> Statement {
    let mut statement = Statement::new(access);
    statement
        .push(COLUMNS)
        .push(", NULL::text AS position FROM unnest(");
    statement.bind(Bind::Smalls(
        keys.iter().map(|(kind, _)| kind.number()).collect(),
    ));
    statement.push("::smallint[], ");
    statement.bind(Bind::Bigs(keys.iter().map(|(_, key)| *key).collect()));
    statement.push("::bigint[]) AS wanted(type, key) JOIN resource r ON r.tenant = $1");
    statement.push(" AND r.type = wanted.type AND r.key = wanted.key");
    statement.push(" WHERE r.body IS NOT NULL ORDER BY r.type, r.key");
    statement
}

/// Tenant, types, existence and filter: what every statement about matches has.
fn conditions(statement: &mut Statement, plan: &Plan, access: &Access) {
    statement.push("r.tenant = $1");
    if !plan.types.is_empty() {
        statement.push(" AND ");
        of_types(statement, &plan.types);
    }
    statement.push(" AND r.body IS NOT NULL");
    match &plan.filter {
        Predicate::Everything => {}
        Predicate::And(parts) => {
            for part in parts {
                statement.push(" AND ");
                predicate(statement, part, plan, access);
            }
        }
        one => {
            statement.push(" AND ");
            predicate(statement, one, plan, access);
        }
    }
}

fn equals_any(statement: &mut Statement, slots: &[i32]) {
    match slots {
        [one] => statement.push(" = ").bind(Bind::Int(*one)),
        many => statement
            .push(" = ANY(")
            .bind(Bind::Ints(many.to_vec()))
            .push(")"),
    };
}

fn of_types(statement: &mut Statement, types: &[ResourceType]) {
    match types {
        [one] => statement.push("r.type = ").bind(Bind::Small(one.number())),
        many => statement
            .push("r.type = ANY(")
            .bind(Bind::Smalls(
                many.iter().map(|kind| kind.number()).collect(),
            ))
            .push(")"),
    };
}

fn predicate(statement: &mut Statement, one: &Predicate, plan: &Plan, access: &Access) {
    match one {
        Predicate::Everything => {
            statement.push("TRUE");
        }
        Predicate::Nothing => {
            statement.push("FALSE");
        }
        Predicate::And(parts) => list(statement, parts, " AND ", plan, access),
        Predicate::Or(parts) => alternatives(statement, parts, plan, access),
        Predicate::Not(part) => {
            statement.push("NOT (");
            predicate(statement, part, plan, access);
            statement.push(")");
        }
        Predicate::Entries(list) => {
            let operator = if list.len() == 1 {
                "r.entries @> "
            } else {
                "r.entries && "
            };
            statement.push(operator).bind(entries(list, access));
        }
        Predicate::EveryEntry(list) => {
            statement.push("r.entries @> ").bind(entries(list, access));
        }
        Predicate::Date { .. } | Predicate::String { .. } | Predicate::Quantity { .. } => {
            rows_exist(statement, &[one]);
        }
        Predicate::Id(ids) => with_ids(statement, ids, plan),
        Predicate::Type(types) => of_types(statement, types),
        Predicate::LastUpdated(test) => last_updated(statement, test),
    }
}

fn list(
    statement: &mut Statement,
    parts: &[Predicate],
    separator: &'static str,
    plan: &Plan,
    access: &Access,
) {
    statement.push("(");
    for (index, part) in parts.iter().enumerate() {
        statement.push(if index > 0 { separator } else { "" });
        predicate(statement, part, plan, access);
    }
    statement.push(")");
}

/// An Or, with the rows of one table asked in one EXISTS: PostgreSQL can join with one
/// EXISTS, but runs each EXISTS within an OR again for every resource.
fn alternatives(statement: &mut Statement, parts: &[Predicate], plan: &Plan, access: &Access) {
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
        predicate(statement, part, plan, access);
        separator = " OR ";
    }
    statement.push(if separator == "(" { "FALSE" } else { ")" });
}

fn row_table(predicate: &Predicate) -> Option<RowTable> {
    match predicate {
        Predicate::Date { .. } => Some(RowTable::Date),
        Predicate::String { .. } => Some(RowTable::String),
        Predicate::Quantity { .. } => Some(RowTable::Quantity),
        _ => None,
    }
}

fn table_name(table: RowTable) -> &'static str {
    match table {
        RowTable::Date => "date_entry",
        RowTable::String => "string_entry",
        RowTable::Quantity => "quantity_entry",
    }
}

/// A row of one table exists that passes one of these tests, all of the same table.
fn rows_exist(statement: &mut Statement, tests: &[&Predicate]) {
    let Some(table) = tests.first().and_then(|test| row_table(test)) else {
        statement.push("FALSE");
        return;
    };
    statement
        .push("EXISTS (SELECT 1 FROM ")
        .push(table_name(table));
    statement.push(" d WHERE d.tenant = $1 AND d.key = r.key AND ");
    statement.push(if tests.len() > 1 { "(" } else { "" });
    for (index, test) in tests.iter().enumerate() {
        statement.push(if index > 0 { " OR " } else { "" });
        row_test(statement, test);
    }
    statement.push(if tests.len() > 1 { "))" } else { ")" });
}

fn row_test(statement: &mut Statement, test: &Predicate) {
    match test {
        Predicate::Date { slot, test } => {
            statement
                .push("d.slot = ")
                .bind(Bind::Int(*slot))
                .push(" AND ");
            range(statement, test, false, &mut |statement, bound| {
                statement.bind(Bind::Big(*bound));
            });
        }
        Predicate::String { slot, test } => {
            statement
                .push("d.slot = ")
                .bind(Bind::Int(*slot))
                .push(" AND ");
            string(statement, test);
        }
        Predicate::Quantity { slot, test, unit } => {
            statement
                .push("d.slot = ")
                .bind(Bind::Int(*slot))
                .push(" AND ");
            range(statement, test, true, &mut |statement, bound| {
                statement.numeric(bound);
            });
            match unit {
                UnitTest::Any => {}
                UnitTest::Coded(hash) => {
                    statement.push(" AND d.unit = ").bind(Bind::Big(*hash));
                }
                UnitTest::CodeOrText(hash) => {
                    statement.push(" AND (d.code = ").bind(Bind::Big(*hash));
                    statement
                        .push(" OR d.label = ")
                        .bind(Bind::Big(*hash))
                        .push(")");
                }
            }
        }
        _ => {
            statement.push("FALSE");
        }
    }
}

/// `closed`: the high end of the value belongs to it (quantities), so that what is said of
/// `low` narrows the index as well. Of the bounds `[low, high)` the high one never belongs.
fn range<T>(
    statement: &mut Statement,
    test: &RangeTest<T>,
    closed: bool,
    bind: &mut dyn FnMut(&mut Statement, &T),
) {
    let mut compare = |statement: &mut Statement, operator: &'static str, bound: &T| {
        statement.push(operator);
        bind(statement, bound);
    };
    match test {
        RangeTest::Within(low, high) => {
            compare(statement, "d.low >= ", low);
            compare(statement, " AND d.low < ", high);
            compare(
                statement,
                if closed {
                    " AND d.high < "
                } else {
                    " AND d.high <= "
                },
                high,
            );
        }
        RangeTest::NotWithin(low, high) => {
            compare(statement, "(d.low < ", low);
            compare(
                statement,
                if closed {
                    " OR d.high >= "
                } else {
                    " OR d.high > "
                },
                high,
            );
            statement.push(")");
        }
        RangeTest::HighAbove(bound) => compare(statement, "d.high > ", bound),
        RangeTest::HighAtLeast(bound) => compare(statement, "d.high >= ", bound),
        RangeTest::LowBelow(bound) => compare(statement, "d.low < ", bound),
        RangeTest::LowAtMost(bound) => compare(statement, "d.low <= ", bound),
        RangeTest::LowAtLeast(bound) => compare(statement, "d.low >= ", bound),
        RangeTest::LowAbove(bound) => compare(statement, "d.low > ", bound),
        RangeTest::HighAtMost(bound) => compare(statement, "d.high <= ", bound),
        RangeTest::HighBelow(bound) => compare(statement, "d.high < ", bound),
        RangeTest::Overlaps(low, high) => {
            compare(statement, "d.low < ", high);
            compare(
                statement,
                if closed {
                    " AND d.high >= "
                } else {
                    " AND d.high > "
                },
                low,
            );
        }
    }
}

fn string(statement: &mut Statement, test: &StringTest) {
    match test {
        StringTest::StartsWith(prefix) if string_value(prefix).len() < prefix.len() => {
            statement
                .push("d.value = ")
                .bind(Bind::Text(string_value(prefix).to_owned()))
                .push(" AND starts_with(d.whole, ")
                .bind(Bind::Text(prefix.clone()))
                .push(")");
        }
        StringTest::StartsWith(prefix) => {
            statement
                .push("d.value >= ")
                .bind(Bind::Text(prefix.clone()));
            if let Some(end) = after_prefix(prefix) {
                statement.push(" AND d.value < ").bind(Bind::Text(end));
            }
        }
        StringTest::Contains(part) => {
            statement
                .push("strpos(coalesce(d.whole, d.value), ")
                .bind(Bind::Text(part.clone()))
                .push(") > 0");
        }
        StringTest::Exactly(value) => {
            statement.push("d.exact = ").bind(Bind::Text(value.clone()));
        }
    }
}

/// The first text, in the order of code points, after all that begin with `prefix`. A range
/// needs no pattern, so that the index serves it whatever plan PostgreSQL has cached.
fn after_prefix(prefix: &str) -> Option<String> {
    let mut characters: Vec<char> = prefix.chars().collect();
    while let Some(last) = characters.pop() {
        let next = match last {
            '\u{D7FF}' => Some('\u{E000}'),
            other => char::from_u32(other as u32 + 1),
        };
        if let Some(next) = next {
            characters.push(next);
            return Some(characters.into_iter().collect());
        }
    }
    None
}

fn entries(list: &[(Slot, i64)], access: &Access) -> Bind {
    Bind::Bigs(
        list.iter()
            .map(|(slot, hash)| slot.entry(access.tenant, *hash))
            .collect(),
    )
}

/// By key, which has an index, and by id, since two ids may share a key.
fn with_ids(statement: &mut Statement, ids: &[String], plan: &Plan) {
    let all: Vec<ResourceType>;
    let types = if plan.types.is_empty() {
        all = ResourceType::all().collect();
        &all
    } else {
        &plan.types
    };
    let keys = types
        .iter()
        .flat_map(|kind| ids.iter().map(|id| resource_key(*kind, id)))
        .collect();
    if plan.types.is_empty() {
        of_types(statement, types);
        statement.push(" AND ");
    }
    statement.push("r.key = ANY(").bind(Bind::Bigs(keys));
    statement
        .push(") AND r.id = ANY(")
        .bind(Bind::Texts(ids.to_vec()))
        .push(")");
}

/// The value is a point of whole milliseconds, and so are the bounds, so "above the end of
/// the value" is the same as "at or above the value".
fn last_updated(statement: &mut Statement, test: &RangeTest<Instant>) {
    match test {
        RangeTest::Within(low, high) | RangeTest::Overlaps(low, high) => {
            statement.push("r.last_updated >= ").instant(*low);
            statement.push(" AND r.last_updated < ").instant(*high)
        }
        RangeTest::NotWithin(low, high) => {
            statement.push("(r.last_updated < ").instant(*low);
            statement
                .push(" OR r.last_updated >= ")
                .instant(*high)
                .push(")")
        }
        RangeTest::HighAbove(bound)
        | RangeTest::HighAtLeast(bound)
        | RangeTest::LowAtLeast(bound) => statement.push("r.last_updated >= ").instant(*bound),
        RangeTest::LowAbove(bound) => statement.push("r.last_updated > ").instant(*bound),
        RangeTest::LowAtMost(bound) => statement.push("r.last_updated <= ").instant(*bound),
        RangeTest::LowBelow(bound) | RangeTest::HighAtMost(bound) | RangeTest::HighBelow(bound) => {
            statement.push("r.last_updated < ").instant(*bound)
        }
    };
}
