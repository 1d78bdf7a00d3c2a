//! What must hold of a row of a date, a string or a quantity: conditions on `d`.

use super::condition::fence;
use super::near;
use super::statement::{Bind, Statement};
use crate::search::index::string_value;
use crate::search::params::string::normalise;
use crate::search::plan::{Predicate, RangeTest, RowTable, StringTest, UnitTest};

pub(super) fn row_table(predicate: &Predicate) -> Option<RowTable> {
    match predicate {
        Predicate::Date { .. } => Some(RowTable::Date),
        Predicate::String { .. } => Some(RowTable::String),
        Predicate::Quantity { .. } | Predicate::NumberPair { .. } | Predicate::Near { .. } => {
            Some(RowTable::Quantity)
        }
        _ => None,
    }
}

pub(super) fn table_name(table: RowTable) -> &'static str {
    match table {
        RowTable::Date => "date_entry",
        RowTable::String => "string_entry",
        RowTable::Quantity => "quantity_entry",
    }
}

/// A row of one table exists that passes one of these tests, all of the same table.
pub(super) fn rows_exist(statement: &mut Statement, tests: &[&Predicate]) {
    let Some(table) = tests.first().and_then(|test| row_table(test)) else {
        statement.push("FALSE");
        return;
    };
    statement
        .push("EXISTS (SELECT 1 FROM ")
        .push(table_name(table));
    statement.push(" d WHERE d.tenant = $1 AND d.key = ");
    statement.own("key").push(" AND ");
    statement.push(if tests.len() > 1 { "(" } else { "" });
    for (index, test) in tests.iter().enumerate() {
        statement.push(if index > 0 { " OR " } else { "" });
        row_test(statement, test);
    }
    statement.push(if tests.len() > 1 { ")" } else { "" });
    statement.push(fence(statement)).push(")");
}

/// How wide a date may be, in microseconds, that is found by where it begins: see the indexes
/// of wide values.
const WIDE: i64 = 86_400_000_000;

/// Whether a test is of where a value ends, and its bound.
pub(super) enum Above<'p> {
    Date(i32, i64),
    Quantity(i32, &'p str),
}

/// `high > bound` and `high >= bound`: what no index of where values begin answers alone.
pub(super) fn above(test: &Predicate) -> Option<Above<'_>> {
    use RangeTest::{HighAbove, HighAtLeast};
    match test {
        Predicate::Date {
            slot,
            test: HighAbove(bound) | HighAtLeast(bound),
        } => Some(Above::Date(*slot, *bound)),
        Predicate::Quantity {
            slot,
            test: HighAbove(bound) | HighAtLeast(bound),
            ..
        } => Some(Above::Quantity(*slot, bound)),
        _ => None,
    }
}

impl Above<'_> {
    /// ` AND d.low >= …`: those that are not wide begin here at the earliest.
    pub fn begins(&self, statement: &mut Statement) {
        statement.push(" AND d.low >= ");
        self.earliest(statement);
    }

    /// ` AND d.high > d.low … AND d.low < …`: the wide ones, as their index says it, that
    /// begin before.
    pub fn is_wide(&self, statement: &mut Statement) {
        statement.push(match self {
            Above::Date(..) => " AND d.high > d.low + 86400000000 AND d.low < ",
            Above::Quantity(..) => " AND d.high > d.low AND d.low < ",
        });
        self.earliest(statement);
    }

    /// Where those that pass begin at the earliest; anywhere, if a wide one passes.
    pub fn earliest_of_all(&self, statement: &mut Statement) {
        statement.push("CASE WHEN EXISTS (SELECT 1 FROM ");
        let (table, slot) = match self {
            Above::Date(slot, _) => (RowTable::Date, *slot),
            Above::Quantity(slot, _) => (RowTable::Quantity, *slot),
        };
        statement
            .push(table_name(table))
            .push(" d WHERE d.tenant = $1 AND d.slot = ")
            .bind(Bind::Int(slot));
        statement.push(" AND d.high >= ");
        match self {
            Above::Date(_, bound) => statement.bind(Bind::Big(*bound)),
            Above::Quantity(_, bound) => statement.numeric(bound),
        };
        self.is_wide(statement);
        statement.push(") THEN ").push(match self {
            Above::Date(..) => "(-9223372036854775808)::bigint",
            Above::Quantity(..) => "numeric '-Infinity'",
        });
        statement.push(" ELSE ");
        self.earliest(statement);
        statement.push(" END");
    }

    fn earliest(&self, statement: &mut Statement) {
        match self {
            Above::Date(_, bound) => statement.bind(Bind::Big(bound.saturating_sub(WIDE))),
            Above::Quantity(_, bound) => statement.numeric(bound),
        };
    }
}

pub(super) fn row_test(statement: &mut Statement, test: &Predicate) {
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
        Predicate::NumberPair {
            slot,
            first,
            second,
        } => {
            statement.push("d.slot = ").bind(Bind::Int(*slot));
            number(statement, first, " AND d.low");
            number(statement, second, " AND d.high");
        }
        Predicate::Near { slot, circle } => near::within(statement, *slot, circle),
        _ => {
            statement.push("FALSE");
        }
    }
}

/// What one number has to pass; `and` begins each condition with its column.
fn number(statement: &mut Statement, test: &RangeTest<String>, and: &'static str) {
    let mut compare = |operator: &'static str, bound: &str| {
        statement.push(and).push(operator).numeric(bound);
    };
    match test {
        RangeTest::Within(low, high) => {
            compare(" >= ", low);
            compare(" < ", high);
        }
        RangeTest::NotWithin(low, high) => {
            statement.push(" AND NOT (TRUE");
            number(
                statement,
                &RangeTest::Within(low.clone(), high.clone()),
                and,
            );
            statement.push(")");
        }
        RangeTest::HighAbove(bound) | RangeTest::LowAbove(bound) => compare(" > ", bound),
        RangeTest::HighAtLeast(bound) | RangeTest::LowAtLeast(bound) => {
            compare(" >= ", bound);
        }
        RangeTest::LowBelow(bound) | RangeTest::HighBelow(bound) => compare(" < ", bound),
        RangeTest::LowAtMost(bound) | RangeTest::HighAtMost(bound) => compare(" <= ", bound),
        RangeTest::Overlaps(low, high) => {
            compare(" >= ", low);
            compare(" <= ", high);
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
            // A value at the very end of a closed range shares that point with it.
            compare(
                statement,
                if closed { "d.low <= " } else { "d.low < " },
                high,
            );
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
        // A row's value is cut; all of a long text is beside it.
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
            // Its normal form finds it in the index.
            let normal = normalise(value);
            let normal = string_value(&normal).to_owned();
            statement.push("d.value = ").bind(Bind::Text(normal));
            statement
                .push(" AND d.exact = ")
                .bind(Bind::Text(value.clone()));
        }
        StringTest::EndsWith(end) => {
            // All of a text is in the row that does not begin at a later word.
            let length = i32::try_from(end.chars().count()).unwrap_or(i32::MAX);
            statement
                .push("d.exact <> '' AND right(coalesce(d.whole, d.value), ")
                .bind(Bind::Int(length))
                .push(") = ")
                .bind(Bind::Text(end.clone()));
        }
        StringTest::Is(normal) => {
            // A row that begins at a later word of its text has no exact value.
            statement
                .push("d.value = ")
                .bind(Bind::Text(string_value(normal).to_owned()))
                .push(" AND d.exact <> '' AND coalesce(d.whole, d.value) = ")
                .bind(Bind::Text(normal.clone()));
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

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_follows_a_prefix_is_after_all_that_begin_with_it() {
        for (prefix, expected) in [
            ("ab", Some("ac")),
            ("a\u{10FFFF}", Some("b")),
            ("\u{D7FF}", Some("\u{E000}")),
            ("\u{10FFFF}", None),
            ("", None),
        ] {
            assert_eq!(after_prefix(prefix).as_deref(), expected, "{prefix:?}");
        }
    }
}
