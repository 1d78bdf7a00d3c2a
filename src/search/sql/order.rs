//! The order of a page: the values that it compares, what comes after a position, and the
//! `ORDER BY`.
//!
//! ```text
//! (k0 missing last, k0 up or down), (k1 …), …, [type,] key
//! ```
//!
//! Type and key run in the direction of the first sort key. A page that is asked for
//! backwards has every direction turned round, missing values included; its caller turns
//! the rows round again.

use super::condition::entries;
use super::json::{first_text, score};
use super::near::nearest;
use super::page::Ask;
use super::rows::table_name;
use super::statement::{Bind, Statement};
use crate::access::Access;
use crate::fhir::Instant;
use crate::search::cursor::Position;
use crate::search::index::{Slot, hash};
use crate::search::params::token::of_truth;
use crate::search::plan::{RowTable, SortBy, SortKey};
use crate::search::sort::{circles_of, words_of};

/// The order of a statement.
pub(super) struct Order<'p> {
    pub keys: &'p [SortKey],
    /// Whether resources of several types are in it, so that a key alone is no tie-breaker.
    pub many_types: bool,
    pub backward: bool,
    /// The first key is read from the row `s` that drives the statement.
    pub driven: bool,
    pub access: &'p Access,
}

impl Order<'_> {
    /// ` CROSS JOIN LATERAL (…) k0 …`: the values that are not columns of the resource.
    pub fn values(&self, statement: &mut Statement) {
        for (at, key) in self.keys.iter().enumerate() {
            if at == 0 && self.driven {
                continue;
            }
            match &key.by {
                SortBy::LastUpdated | SortBy::Id => {}
                SortBy::Rows { table, slots, .. } => {
                    statement.push(" CROSS JOIN LATERAL (SELECT ");
                    statement.push(if key.descending { "max(s." } else { "min(s." });
                    statement.push(row_value(*table)).push(") AS v FROM ");
                    statement
                        .push(table_name(*table))
                        .push(" s WHERE s.tenant = $1 AND s.key = r.key AND s.slot = ANY(");
                    statement.bind(Bind::Ints(slots.clone())).push(")");
                    statement.push(of_whole(*table, "s")).push(") k").number(at);
                }
                by => {
                    // Computed once: without the fence, wherever it is compared.
                    statement.push(" CROSS JOIN LATERAL (");
                    match by {
                        SortBy::Json(readings) => {
                            first_text(statement, readings, key.descending);
                        }
                        SortBy::Boolean(slots) => self.truth(statement, slots, key.descending),
                        SortBy::Distance(circles) => nearest(statement, circles),
                        SortBy::Score(words) => {
                            statement.push("SELECT ");
                            score(statement, words);
                            statement.push(" AS v");
                        }
                        SortBy::LastUpdated | SortBy::Id | SortBy::Rows { .. } => {}
                    }
                    statement.push(" OFFSET 0) k").number(at);
                }
            }
        }
    }

    /// What a resource's entries say of what is computed: a column `v`.
    fn truth(&self, statement: &mut Statement, slots: &[Slot], descending: bool) {
        statement.push("SELECT CASE");
        for value in [descending, !descending] {
            let wanted = hash(&of_truth(value));
            let list: Vec<(Slot, i64)> = slots.iter().map(|slot| (*slot, wanted)).collect();
            statement.push(" WHEN r.entries && ");
            statement.bind(entries(&list, self.access)).push(" THEN ");
            statement.push(if value { "'true'" } else { "'false'" });
        }
        statement.push(" END COLLATE \"C\" AS v");
    }

    /// `ARRAY[…]::text[] AS position`
    pub fn position(&self, statement: &mut Statement) {
        statement.push("ARRAY[");
        for (at, key) in self.keys.iter().enumerate() {
            statement.push(if at > 0 { ", " } else { "" });
            match key.by {
                SortBy::LastUpdated => {
                    statement.push("(extract(epoch FROM r.last_updated) * 1000)::bigint::text");
                }
                _ => {
                    self.value(statement, at);
                    statement.push("::text");
                }
            }
        }
        statement.push("]::text[] AS position");
    }

    /// ` AND (…)`: what comes after the position.
    pub fn after(&self, statement: &mut Statement, position: &Position) {
        statement.push(" AND (");
        if self.is_plain() {
            self.after_plain(statement, position);
        } else {
            self.after_any(statement, position);
        }
        statement.push(")");
    }

    /// Whether one comparison of rows says it, which an index understands.
    fn is_plain(&self) -> bool {
        match self.keys {
            [] => true,
            [one] => self.driven || matches!(one.by, SortBy::LastUpdated | SortBy::Id),
            _ => false,
        }
    }

    fn after_plain(&self, statement: &mut Statement, position: &Position) {
        let first = self.keys.first();
        statement.push("(");
        if first.is_some() {
            self.value(statement, 0);
            statement.push(", ");
        }
        statement.push(if self.many_types { "r.type, " } else { "" });
        statement.push(self.tie());
        statement.push(if self.is_down(0) { ") < (" } else { ") > (" });
        if let Some(key) = first {
            bind_value(statement, &key.by, position.value(0).unwrap_or_default());
            statement.push(", ");
        }
        self.bind_tie(statement, position);
        statement.push(")");
    }

    /// For each key: all before it are equal and it is after.
    fn after_any(&self, statement: &mut Statement, position: &Position) {
        for at in 0..self.keys.len() {
            statement.push("(");
            for before in 0..at {
                self.equals(statement, before, position);
                statement.push(" AND ");
            }
            self.is_after(statement, at, position);
            statement.push(") OR ");
        }
        statement.push("(");
        for before in 0..self.keys.len() {
            self.equals(statement, before, position);
            statement.push(" AND ");
        }
        statement.push("(");
        statement.push(if self.many_types { "r.type, " } else { "" });
        statement.push(self.tie());
        statement.push(if self.is_down(0) { ") < (" } else { ") > (" });
        self.bind_tie(statement, position);
        statement.push("))");
    }

    fn equals(&self, statement: &mut Statement, at: usize, position: &Position) {
        self.value(statement, at);
        match position.value(at) {
            None => {
                statement.push(" IS NULL");
            }
            Some(value) => {
                statement.push(" = ");
                bind_value(statement, &self.keys[at].by, value);
            }
        }
    }

    fn is_after(&self, statement: &mut Statement, at: usize, position: &Position) {
        match position.value(at) {
            // Backwards, every value comes after what has none; forwards, nothing does.
            None if self.backward => {
                self.value(statement, at);
                statement.push(" IS NOT NULL");
            }
            None => {
                statement.push("FALSE");
            }
            Some(value) => {
                statement.push("(");
                self.value(statement, at);
                statement.push(if self.is_down(at) { " < " } else { " > " });
                bind_value(statement, &self.keys[at].by, value);
                if !self.backward && self.may_miss(at) {
                    statement.push(" OR ");
                    self.value(statement, at);
                    statement.push(" IS NULL");
                }
                statement.push(")");
            }
        }
    }

    /// ` ORDER BY …`
    pub fn order_by(&self, statement: &mut Statement) {
        statement.push(" ORDER BY ");
        for at in 0..self.keys.len() {
            self.value(statement, at);
            statement.push(if self.is_down(at) { " DESC" } else { "" });
            if self.may_miss(at) && !(at == 0 && self.driven) {
                statement.push(match self.backward {
                    true => " NULLS FIRST",
                    false => " NULLS LAST",
                });
            }
            statement.push(", ");
        }
        let direction = if self.is_down(0) { " DESC" } else { "" };
        if self.many_types {
            statement.push("r.type").push(direction).push(", ");
        }
        statement.push(self.tie()).push(direction);
    }

    fn value(&self, statement: &mut Statement, at: usize) {
        match &self.keys[at].by {
            SortBy::LastUpdated => statement.push("r.last_updated"),
            SortBy::Id => statement.push("r.id"),
            SortBy::Rows { table, .. } if at == 0 && self.driven => {
                statement.push("s.").push(row_value(*table))
            }
            _ => statement.push("k").number(at).push(".v"),
        };
    }

    /// Whether a resource can be without the value.
    fn may_miss(&self, at: usize) -> bool {
        !matches!(self.keys[at].by, SortBy::LastUpdated | SortBy::Id)
    }

    fn tie(&self) -> &'static str {
        if self.driven { "s.key" } else { "r.key" }
    }

    fn bind_tie(&self, statement: &mut Statement, position: &Position) {
        if self.many_types {
            statement.bind(Bind::Small(position.type_number)).push(", ");
        }
        statement.bind(Bind::Big(position.key));
    }

    /// `, … AS score, … AS metres`: what is told beside a match, where the filter asks for
    /// words or for what is near.
    pub fn told(&self, statement: &mut Statement, ask: &Ask<'_>) {
        let filter = &ask.plan.filter;
        let (words, circles) = (words_of(filter), circles_of(filter));
        let sorted = |is_one: fn(&SortBy) -> bool| self.keys.iter().position(|key| is_one(&key.by));
        if !words.is_empty() {
            statement.push(", ");
            match sorted(|by| matches!(by, SortBy::Score(_))) {
                Some(at) => self.value(statement, at),
                None => score(statement, &words),
            }
            statement.push(" AS score");
        }
        if !circles.is_empty() {
            statement.push(", ");
            match sorted(|by| matches!(by, SortBy::Distance(_))) {
                Some(at) => self.value(statement, at),
                None => {
                    statement.push("(");
                    nearest(statement, &circles);
                    statement.push(")");
                }
            }
            statement.push(" AS metres");
        }
    }

    /// Whether a key runs downwards in this statement.
    pub fn is_down(&self, at: usize) -> bool {
        self.keys.get(at).is_some_and(|key| key.descending) != self.backward
    }
}

/// What a table of rows is ordered by: a period and a range count by where they begin, in
/// both directions, since that is what the index is ordered by.
pub(super) fn row_value(table: RowTable) -> &'static str {
    match table {
        RowTable::Date | RowTable::Quantity => "low",
        RowTable::String => "value",
    }
}

/// A text counts from its first word: the rows of its later words are for finding.
pub(super) fn of_whole(table: RowTable, alias: &'static str) -> &'static str {
    match (table, alias) {
        (RowTable::String, "s") => " AND s.exact <> ''",
        (RowTable::String, _) => " AND o.exact <> ''",
        _ => "",
    }
}

/// A value of a position as the type of what it is compared with. `Position::fits` has
/// checked the text.
pub(super) fn bind_value(statement: &mut Statement, by: &SortBy, text: &str) {
    match by {
        SortBy::LastUpdated => {
            let milliseconds = text.parse().unwrap_or_default();
            statement.instant(Instant::from_milliseconds(milliseconds))
        }
        SortBy::Rows {
            table: RowTable::Date,
            ..
        } => statement.bind(Bind::Big(text.parse().unwrap_or_default())),
        SortBy::Rows {
            table: RowTable::Quantity,
            ..
        } => statement.numeric(text),
        SortBy::Distance(_) => statement
            .bind(Bind::Text(text.to_owned()))
            .push("::text::float8"),
        SortBy::Score(_) => statement
            .bind(Bind::Text(text.to_owned()))
            .push("::text::real"),
        SortBy::Id | SortBy::Json(_) | SortBy::Boolean(_) | SortBy::Rows { .. } => {
            statement.bind(Bind::Text(text.to_owned()))
        }
    };
}
