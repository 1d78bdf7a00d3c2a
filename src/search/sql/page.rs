//! The statements of a page: the matches in order, after a position.
//!
//! Each has one [`Source`], which alone drives it: every other condition is written so that
//! it can only filter. So a statement has one shape whatever the planner believes, its plan
//! can be kept, and what it costs is known before it is run.

use super::COLUMNS;
use super::condition::{entries, entries_test, exists, filter, of_types, predicate};
use super::order::{Order, of_whole, row_value};
use super::rows::{above, row_table, row_test, table_name};
use super::statement::{Bind, Statement};
use crate::access::Access;
use crate::fhir::ResourceType;
use crate::search::cursor::Position;
use crate::search::index::{Slot, signature};
use crate::search::plan::{Plan, Predicate, RangeTest, RowTable, SortBy};

/// What a page is asked for.
pub struct Ask<'p> {
    pub plan: &'p Plan,
    pub after: After<'p>,
    /// Read the order from its end.
    pub backward: bool,
    pub limit: usize,
    /// Only `key` and `probed` are wanted.
    pub keys_only: bool,
    pub access: &'p Access,
}

/// Where a page begins.
#[derive(Clone, Copy, Debug)]
pub enum After<'p> {
    Start,
    Position(&'p Position),
}

/// What drives the statement.
#[derive(Clone, Debug, PartialEq)]
pub enum Source {
    /// All resources of the types.
    All,
    /// The resources that this conjunct names.
    Keys {
        conjunct: usize,
        keys: Vec<(ResourceType, i64)>,
    },
    /// The index of entries, for this conjunct of the filter.
    Entries(usize),
    /// The rows that pass this conjunct; given up where there are more than `most`.
    Rows {
        conjunct: usize,
        most: Option<usize>,
    },
    /// The index of the order itself, over a window of so many of its entries.
    Walk(Option<usize>),
}

/// The parts of a filter that all have to hold.
pub fn conjuncts(filter: &Predicate) -> &[Predicate] {
    match filter {
        Predicate::And(parts) => parts,
        Predicate::Everything => &[],
        one => std::slice::from_ref(one),
    }
}

/// The matches of a source, in order, at most `ask.limit`. Columns: those of a version, its
/// key, `position` (its sort values as text) and `probed`: of a source of rows, how many
/// there are, up to one more than `most`; there is no resource in the answer if it is more.
pub fn page(ask: &Ask<'_>, source: &Source) -> Statement {
    let mut statement = Statement::new(ask.access);
    statement.pinned = true;
    let order = Order {
        keys: &ask.plan.sort,
        many_types: ask.plan.types.len() != 1,
        backward: ask.backward,
        driven: false,
        access: ask.access,
    };
    match source {
        Source::All => {
            columns(&mut statement, ask, &order);
            statement.push(" FROM resource r");
            order.values(&mut statement);
            statement.push(" WHERE ");
            exists(&mut statement, &ask.plan.types);
            rest(&mut statement, ask, None);
            end(&mut statement, ask, &order);
        }
        Source::Keys { conjunct, keys } => {
            columns(&mut statement, ask, &order);
            let (types, keys) = keys.iter().map(|(kind, key)| (kind.number(), *key)).unzip();
            statement.push(" FROM unnest(").bind(Bind::Smalls(types));
            statement.push("::smallint[], ").bind(Bind::Bigs(keys));
            statement.push("::bigint[]) AS k(type, key) ");
            statement.push("JOIN resource r ON r.type = k.type AND r.key = k.key");
            order.values(&mut statement);
            statement.push(" WHERE r.tenant = $1 AND r.body IS NOT NULL");
            // Two ids may share a key.
            if let Some(Predicate::Id(ids)) = conjuncts(&ask.plan.filter).get(*conjunct) {
                statement
                    .push(" AND r.id = ANY(")
                    .bind(Bind::Texts(ids.clone()));
                statement.push(")");
            }
            rest(&mut statement, ask, Some(*conjunct));
            end(&mut statement, ask, &order);
        }
        Source::Entries(at) => of_entries(&mut statement, ask, &order, *at),
        Source::Rows { conjunct, most } => {
            of_rows(&mut statement, ask, &order, *conjunct, *most);
        }
        Source::Walk(window) => match ask.plan.sort.first().map(|key| &key.by) {
            Some(SortBy::Rows { table, slots, .. }) => {
                let order = Order {
                    driven: true,
                    ..order
                };
                let slot = slots.first().copied().unwrap_or_default();
                walk_of_rows(&mut statement, ask, &order, (*table, slot), *window);
            }
            Some(_) => walk_of_changes(&mut statement, ask, &order, *window),
            None => walk_of_keys(&mut statement, ask, &order, *window),
        },
    }
    statement
}

fn columns(statement: &mut Statement, ask: &Ask<'_>, order: &Order<'_>) {
    inner_columns(statement, ask, order);
    statement.push(", NULL::bigint AS probed");
}

fn inner_columns(statement: &mut Statement, ask: &Ask<'_>, order: &Order<'_>) {
    if ask.keys_only {
        statement.push("SELECT r.key");
    } else {
        statement.push(COLUMNS).push(", ");
        order.position(statement);
        order.told(statement, ask);
    }
}

/// The filter, without the conjunct that drives.
fn rest(statement: &mut Statement, ask: &Ask<'_>, driver: Option<usize>) {
    for (at, part) in conjuncts(&ask.plan.filter).iter().enumerate() {
        if Some(at) != driver {
            statement.push(" AND ");
            predicate(statement, part, &ask.plan.types, ask.access);
        }
    }
}

/// Nothing up to the position.
fn after(statement: &mut Statement, ask: &Ask<'_>, order: &Order<'_>) {
    if let After::Position(position) = ask.after {
        order.after(statement, position);
    }
}

fn end(statement: &mut Statement, ask: &Ask<'_>, order: &Order<'_>) {
    after(statement, ask, order);
    order.order_by(statement);
    statement.push(" LIMIT ").number(ask.limit);
}

/// Entries that are one look into their index; of more it takes the square of their number,
/// so that each is looked up by itself (on 92,000 resources: 4,000 entries 89 ms and 47 ms,
/// 16,000 entries 1.1 s and 0.18 s).
const TOGETHER: usize = 1000;

/// By the index of entries: tenant and type are said so that no index is read for them.
fn of_entries(statement: &mut Statement, ask: &Ask<'_>, order: &Order<'_>, at: usize) {
    columns(statement, ask, order);
    let driver = conjuncts(&ask.plan.filter).get(at);
    match driver {
        Some(Predicate::Entries(list)) if list.len() > TOGETHER => {
            statement.push(" FROM (SELECT DISTINCT r.type, r.key FROM unnest(");
            statement.bind(entries(list, ask.access));
            statement.push("::bigint[]) AS x(entry) JOIN resource r ON r.entries @> ");
            statement.push("ARRAY[x.entry] WHERE ");
            unindexed_types(statement, ask);
            statement.push(") k JOIN resource r ON r.type = k.type AND r.key = k.key");
            order.values(statement);
            statement.push(" WHERE r.tenant = $1");
        }
        _ => {
            statement.push(" FROM resource r");
            order.values(statement);
            statement.push(" WHERE ");
            unindexed_types(statement, ask);
            statement.push(" AND ");
            if let Some(driver) = driver {
                entries_test(statement, driver, ask.access);
            }
        }
    }
    rest(statement, ask, Some(at));
    end(statement, ask, order);
}

fn unindexed_types(statement: &mut Statement, ask: &Ask<'_>) {
    statement.push("r.tenant IS NOT DISTINCT FROM $1 AND r.body IS NOT NULL");
    match ask.plan.types.as_slice() {
        [] => {}
        [one] => {
            statement
                .push(" AND r.type IS NOT DISTINCT FROM ")
                .bind(Bind::Small(one.number()));
        }
        many => {
            statement.push(" AND (");
            of_types(statement, many);
            statement.push(") IS TRUE");
        }
    }
}

/// By rows that pass a conjunct: their keys are gathered first.
fn of_rows(
    statement: &mut Statement,
    ask: &Ask<'_>,
    order: &Order<'_>,
    conjunct: usize,
    most: Option<usize>,
) {
    let parts = conjuncts(&ask.plan.filter);
    let tests: &[Predicate] = match parts.get(conjunct) {
        Some(Predicate::Or(tests)) => tests,
        Some(one) => std::slice::from_ref(one),
        None => &[],
    };
    statement.push("WITH d AS MATERIALIZED (");
    keys_of_rows(statement, ask, tests);
    if let Some(most) = most {
        statement.push(" LIMIT ").number(most + 1);
    }
    statement.push("), n AS MATERIALIZED (SELECT count(*) AS probed FROM d), ");
    statement.push("k AS MATERIALIZED (SELECT DISTINCT key FROM d) ");
    statement.push("SELECT p.*, n.probed FROM n LEFT JOIN LATERAL (");
    inner_columns(statement, ask, order);
    statement.push(" FROM k JOIN resource r ON r.key = k.key");
    order.values(statement);
    statement.push(" WHERE ");
    if let Some(most) = most {
        statement.push("n.probed <= ").number(most).push(" AND ");
    }
    exists(statement, &ask.plan.types);
    rest(statement, ask, Some(conjunct));
    end(statement, ask, order);
    statement.push(") p ON TRUE");
}

/// Tests that are a scan each; more of them are one scan of the bits of all.
const SCANS: usize = 16;

/// The keys of the rows that pass one of the tests.
pub(super) fn keys_of_rows(statement: &mut Statement, ask: &Ask<'_>, tests: &[Predicate]) {
    statement.push("SELECT key FROM (");
    let first = tests.first().and_then(row_table);
    match first {
        Some(table) if tests.len() > SCANS && tests.iter().all(|t| row_table(t) == first) => {
            statement.push("SELECT d.key FROM ").push(table_name(table));
            statement.push(" d WHERE d.tenant = $1 AND (");
            for (at, test) in tests.iter().enumerate() {
                statement.push(if at > 0 { " OR (" } else { "(" });
                row_test(statement, test);
                statement.push(")");
            }
            statement.push(")");
        }
        _ => {
            for (at, test) in tests.iter().enumerate() {
                statement.push(if at > 0 { " UNION ALL " } else { "" });
                keys_of_test(statement, ask, test);
            }
        }
    }
    statement.push(") u");
}

fn keys_of_test(statement: &mut Statement, ask: &Ask<'_>, test: &Predicate) {
    match (test, row_table(test)) {
        (Predicate::LastUpdated(_), _) => {
            statement.push("SELECT r.key FROM resource r WHERE ");
            exists(statement, &ask.plan.types);
            statement.push(" AND ");
            let pinned = std::mem::replace(&mut statement.pinned, false);
            predicate(statement, test, &ask.plan.types, ask.access);
            statement.pinned = pinned;
        }
        (_, Some(table)) => {
            let of_test = |statement: &mut Statement| {
                statement.push("SELECT d.key FROM ").push(table_name(table));
                statement.push(" d WHERE d.tenant = $1 AND ");
                row_test(statement, test);
            };
            of_test(statement);
            if let Some(above) = above(test) {
                above.begins(statement);
                statement.push(" UNION ALL ");
                of_test(statement);
                above.is_wide(statement);
            }
        }
        _ => {
            statement.push("SELECT 0::bigint AS key WHERE FALSE");
        }
    }
}

/// Along the key.
fn walk_of_keys(
    statement: &mut Statement,
    ask: &Ask<'_>,
    order: &Order<'_>,
    window: Option<usize>,
) {
    columns(statement, ask, order);
    let Some(window) = window else {
        statement.push(" FROM resource r WHERE ");
        exists(statement, &ask.plan.types);
        rest(statement, ask, None);
        return end(statement, ask, order);
    };
    statement.push(" FROM (SELECT r.* FROM resource r WHERE ");
    exists(statement, &ask.plan.types);
    after(statement, ask, order);
    order.order_by(statement);
    statement
        .push(" LIMIT ")
        .number(window)
        .push(") r WHERE TRUE");
    rest(statement, ask, None);
    order.order_by(statement);
    statement.push(" LIMIT ").number(ask.limit);
}

/// Along the time of the last change.
fn walk_of_changes(
    statement: &mut Statement,
    ask: &Ask<'_>,
    order: &Order<'_>,
    window: Option<usize>,
) {
    columns(statement, ask, order);
    statement.push(" FROM resource r WHERE ");
    exists(statement, &ask.plan.types);
    if let Some(window) = window {
        within(statement, ask, order, window);
    }
    for part in conjuncts(&ask.plan.filter) {
        statement.push(" AND ");
        // A bound on what the walk is ordered by narrows the walk.
        let drives = matches!(part, Predicate::LastUpdated(_));
        let pinned = std::mem::replace(&mut statement.pinned, !drives);
        predicate(statement, part, &ask.plan.types, ask.access);
        statement.pinned = pinned;
    }
    end(statement, ask, order);
}

/// Along the index of rows: each row's resource is looked up and tested, in the order of the
/// rows. Neither side can be pulled up into a join that begins with the other.
fn walk_of_rows(
    statement: &mut Statement,
    ask: &Ask<'_>,
    order: &Order<'_>,
    rows: (RowTable, i32),
    window: Option<usize>,
) {
    let single = has_one_value(ask, rows.0);
    // Where a resource has one value, the index holds all that is needed of the row.
    let wanted = match (rows.0, single) {
        (RowTable::Date, true) => "s.key, s.low, s.signature",
        (_, true) => "s.key, s.low",
        _ => "s.*",
    };
    let signatures = match rows.0 {
        RowTable::Date => Signatures::of(&ask.plan.filter, ask.access),
        _ => Signatures::default(),
    };
    columns(statement, ask, order);
    statement.push(" FROM (");
    match window {
        None => {
            walked_rows(statement, ask, order, rows, wanted);
            signatures.test(statement, " AND ");
            order.order_by(statement);
            statement.push(" OFFSET 0");
        }
        Some(window) if signatures.are_none() => {
            walked_rows(statement, ask, order, rows, wanted);
            order.order_by(statement);
            statement.push(" LIMIT ").number(window);
        }
        Some(window) => {
            statement.push("SELECT s.* FROM (");
            walked_rows(statement, ask, order, rows, wanted);
            order.order_by(statement);
            statement.push(" LIMIT ").number(window).push(") s");
            signatures.test(statement, " WHERE ");
            order.order_by(statement);
            statement.push(" OFFSET 0");
        }
    }
    statement.push(") s CROSS JOIN LATERAL (SELECT r.* FROM resource r WHERE ");
    exists(statement, &ask.plan.types);
    statement.push(" AND r.key = s.key");
    filter(statement, &ask.plan.filter, &ask.plan.types, ask.access);
    statement.push(" OFFSET 0) r");
    if !single {
        statement.push(" WHERE ");
        only_first(statement, ask, rows.0);
    }
    order.order_by(statement);
    statement.push(" LIMIT ").number(ask.limit);
}

/// Whether each resource has one row at most of those that are walked along.
fn has_one_value(ask: &Ask<'_>, table: RowTable) -> bool {
    let sort = ask.plan.sort.first().map(|key| &key.by);
    table != RowTable::String && matches!(sort, Some(SortBy::Rows { single: true, .. }))
}

/// The rows of a walk, not yet in order.
fn walked_rows(
    statement: &mut Statement,
    ask: &Ask<'_>,
    order: &Order<'_>,
    (table, slot): (RowTable, i32),
    wanted: &'static str,
) {
    statement.push("SELECT ").push(wanted).push(" FROM ");
    statement.push(table_name(table));
    statement.push(" s WHERE s.tenant = $1 AND s.slot = ");
    statement.bind(Bind::Int(slot));
    statement.push(of_whole(table, "s"));
    narrow(statement, ask);
    after(statement, ask, order);
}

/// What a filter says of the signatures beside dates: the bits that all must be there, and of
/// some sets of bits one each.
#[derive(Default)]
struct Signatures {
    every: i64,
    some: Vec<Vec<i64>>,
}

impl Signatures {
    /// Of a longer list hardly any signature has none.
    const LIST: usize = 4;

    fn of(filter: &Predicate, access: &Access) -> Signatures {
        let mut signatures = Signatures::default();
        let bits = |(slot, hash): &(Slot, i64)| signature(&[slot.entry(access.tenant, *hash)]);
        for part in conjuncts(filter) {
            match part {
                Predicate::Entries(list) if (2..=Signatures::LIST).contains(&list.len()) => {
                    signatures.some.push(list.iter().map(bits).collect());
                }
                Predicate::Entries(list) if list.len() > 1 => {}
                Predicate::Entries(list) | Predicate::EveryEntry(list) => {
                    signatures.every |= list.iter().map(bits).fold(0, |all, bits| all | bits);
                }
                _ => {}
            }
        }
        signatures
    }

    fn are_none(&self) -> bool {
        self.every == 0 && self.some.is_empty()
    }

    fn test(&self, statement: &mut Statement, mut separator: &'static str) {
        let has = |statement: &mut Statement, bits: i64| {
            statement.push("s.signature & ").bind(Bind::Big(bits));
            statement.push(" = ").bind(Bind::Big(bits));
        };
        if self.every != 0 {
            statement.push(separator);
            has(statement, self.every);
            separator = " AND ";
        }
        for list in &self.some {
            for (at, bits) in list.iter().enumerate() {
                statement.push(if at > 0 { " OR " } else { separator });
                statement.push(if at > 0 { "" } else { "(" });
                has(statement, *bits);
            }
            statement.push(")");
            separator = " AND ";
        }
    }
}

/// Of several values only the first in the direction counts, which is that of the key however
/// the page is read.
fn only_first(statement: &mut Statement, ask: &Ask<'_>, table: RowTable) {
    let (other, own) = match table {
        RowTable::Date => ("(o.low, o.high)", "(s.low, s.high)"),
        RowTable::String => ("(o.value, o.exact)", "(s.value, s.exact)"),
        RowTable::Quantity => (
            "(o.low, o.high, o.unit, o.code, o.label)",
            "(s.low, s.high, s.unit, s.code, s.label)",
        ),
    };
    statement
        .push("NOT EXISTS (SELECT 1 FROM ")
        .push(table_name(table));
    statement.push(" o WHERE o.tenant = $1 AND o.key = s.key AND o.slot = s.slot");
    statement
        .push(of_whole(table, "o"))
        .push(" AND ")
        .push(other);
    let descending = ask.plan.sort.first().is_some_and(|key| key.descending);
    statement
        .push(if descending { " > " } else { " < " })
        .push(own)
        .push(" OFFSET 0)");
}

/// What the filter says of the very value that is walked along narrows the walk, where a
/// resource has no other value.
fn narrow(statement: &mut Statement, ask: &Ask<'_>) {
    let Some(SortBy::Rows {
        slots,
        single: true,
        ..
    }) = ask.plan.sort.first().map(|key| &key.by)
    else {
        return;
    };
    for part in conjuncts(&ask.plan.filter) {
        let (Predicate::Date { slot, .. } | Predicate::Quantity { slot, .. }) = part else {
            continue;
        };
        if slots.first() != Some(slot) {
            continue;
        }
        if let Some(above) = above(part) {
            statement.push(" AND s.low >= (");
            above.earliest_of_all(statement);
            statement.push(")");
        } else if let Predicate::Date { test, .. } = part {
            match test {
                RangeTest::Within(low, high) => {
                    statement.push(" AND s.low >= ").bind(Bind::Big(*low));
                    statement.push(" AND s.low < ").bind(Bind::Big(*high))
                }
                RangeTest::LowBelow(bound)
                | RangeTest::LowAtMost(bound)
                | RangeTest::HighAtMost(bound)
                | RangeTest::HighBelow(bound) => {
                    statement.push(" AND s.low <= ").bind(Bind::Big(*bound))
                }
                RangeTest::LowAtLeast(bound) | RangeTest::LowAbove(bound) => {
                    statement.push(" AND s.low >= ").bind(Bind::Big(*bound))
                }
                _ => statement,
            };
        }
    }
}

/// ` AND last_updated >= (that of the end of the window)`: resources of equal times are sorted,
/// and only those that pass should be.
fn within(statement: &mut Statement, ask: &Ask<'_>, order: &Order<'_>, window: usize) {
    let down = order.is_down(0);
    statement.push(if down {
        " AND r.last_updated >= coalesce(("
    } else {
        " AND r.last_updated <= coalesce(("
    });
    resource_at(statement, ask, order, window);
    statement.push("), timestamptz ");
    statement.push(if down { "'-infinity')" } else { "'infinity')" });
}

/// Where a window ends: the value as text, if there is a sort key, and the key. No row where
/// the order ends before the window does.
pub fn window_end(ask: &Ask<'_>, window: usize) -> Statement {
    let mut statement = Statement::new(ask.access);
    statement.pinned = true;
    let by = ask.plan.sort.first().map(|key| &key.by);
    let order = Order {
        keys: &ask.plan.sort,
        many_types: false,
        backward: ask.backward,
        driven: matches!(by, Some(SortBy::Rows { .. })),
        access: ask.access,
    };
    match by {
        Some(SortBy::Rows { table, slots, .. }) => {
            let slot = slots.first().copied().unwrap_or_default();
            statement.push("SELECT s.").push(row_value(*table));
            statement.push("::text, s.key FROM (");
            let wanted = match table {
                RowTable::String => "s.key, s.value",
                RowTable::Date | RowTable::Quantity => "s.key, s.low",
            };
            walked_rows(&mut statement, ask, &order, (*table, slot), wanted);
            order.order_by(&mut statement);
            at(&mut statement, window);
            statement.push(") s");
        }
        Some(_) => {
            // All that were changed at the same time were within the window.
            statement.push("SELECT (extract(epoch FROM w.v) * 1000)::bigint::text, ");
            statement.push(match order.is_down(0) {
                true => "(-9223372036854775808)::bigint",
                false => "9223372036854775807",
            });
            statement.push(" FROM (");
            resource_at(&mut statement, ask, &order, window);
            statement.push(") w(v)");
        }
        None => {
            statement.push("SELECT NULL::text, w.v FROM (");
            resource_at(&mut statement, ask, &order, window);
            statement.push(") w(v)");
        }
    }
    statement
}

/// What a resource at the end of a window is ordered by.
fn resource_at(statement: &mut Statement, ask: &Ask<'_>, order: &Order<'_>, window: usize) {
    let column = walked(ask);
    statement.push("SELECT r.").push(column);
    statement.push(" FROM resource r WHERE r.tenant = $1 AND ");
    of_types(statement, &ask.plan.types);
    if ask.plan.sort.is_empty() {
        // The window of a walk of keys counts no deleted ones.
        statement.push(" AND r.body IS NOT NULL");
    }
    after(statement, ask, order);
    statement.push(" ORDER BY r.").push(column);
    statement.push(if order.is_down(0) { " DESC" } else { "" });
    at(statement, window);
}

fn at(statement: &mut Statement, window: usize) {
    let before = window.saturating_sub(1);
    statement.push(" OFFSET ").number(before).push(" LIMIT 1");
}

/// The column of resources that a walk goes along.
fn walked(ask: &Ask<'_>) -> &'static str {
    match ask.plan.sort.first() {
        None => "key",
        Some(_) => "last_updated",
    }
}
