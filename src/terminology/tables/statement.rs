//! A [`Selection`] as a condition of SQL over `concept c`. Text of the user only ever becomes
//! a bind.

use super::{Page, Table, key};
use crate::error::{Category, Error, Result};
use crate::terminology::Selection;
use crate::terminology::filter::{Condition, Op};
use sqlx::{Postgres, QueryBuilder};
use std::collections::HashMap;

type Statement = QueryBuilder<Postgres>;

/// Concepts below another that are read to sort them.
const FEW: i32 = 5_000;

// Bits of the flags as lists of values, of which the planner knows how common they are.
const ACTIVE: &str = "c.flags = ANY('{0,2}')";
const INACTIVE: &str = "c.flags = ANY('{1,3}')";
const ABSTRACT: &str = "c.flags = ANY('{2,3}')";
const CONCRETE: &str = "c.flags = ANY('{0,1}')";

/// What conditions are about.
pub(super) struct Ground<'t> {
    pub table: &'t Table,
    /// Each concept that is named, by its code, in lower case where case does not matter.
    pub concepts: HashMap<String, Named>,
}

/// A concept that conditions speak of.
pub(super) struct Named {
    pub number: i32,
    /// How many are below it.
    pub below: i32,
    pub above: Vec<i32>,
    pub parents: Vec<i32>,
}

impl Ground<'_> {
    fn find(&self, code: &str) -> Option<&Named> {
        match self.table.is_case_sensitive {
            true => self.concepts.get(code),
            false => self.concepts.get(&code.to_lowercase()),
        }
    }

    /// Whether all members are below one concept that has few below it.
    pub fn is_narrow(&self, selection: &Selection) -> bool {
        match selection {
            Selection::Filter(condition) => {
                let is_below = matches!(condition.op, Op::IsA | Op::DescendentOf);
                let found = self.find(&condition.value).filter(|_| is_below);
                found.is_some_and(|found| found.below <= FEW)
            }
            Selection::And(parts) => parts.iter().any(|part| self.is_narrow(part)),
            _ => false,
        }
    }

    /// How many members a selection has, where that is known without counting.
    pub fn count(&self, selection: &Selection) -> Option<usize> {
        let Selection::Filter(condition) = selection else {
            return None;
        };
        let below = self.find(&condition.value).map(|found| found.below);
        let count = match (condition.op, below) {
            (Op::IsA | Op::DescendentOf, None) => 0,
            (Op::IsA, Some(below)) => below + 1,
            (Op::DescendentOf, Some(below)) => below,
            _ => return None,
        };
        usize::try_from(count).ok()
    }
}

/// The members, without order and limit; `head` is what stands before FROM.
///
/// # Errors
/// `Unprocessable`: a filter that cannot be asked of a table.
pub(super) fn select(
    head: &'static str,
    ground: &Ground<'_>,
    selection: &Selection,
    page: &Page<'_>,
) -> Result<Statement> {
    let mut statement = Statement::new(head);
    statement.push(" FROM concept c WHERE c.system = ");
    statement.push_bind(ground.table.id);
    if !page.words.is_empty() {
        let asked: Vec<String> = page
            .words
            .iter()
            .map(|word| format!("'{word}':*"))
            .collect();
        statement.push(" AND c.words @@ ");
        statement.push_bind(asked.join(" & ")).push("::tsquery");
    }
    if page.is_active {
        statement.push(" AND ").push(ACTIVE);
    }
    if *selection != Selection::Everything {
        statement.push(" AND ");
        push(&mut statement, ground, selection)?;
    }
    Ok(statement)
}

fn push(statement: &mut Statement, ground: &Ground<'_>, selection: &Selection) -> Result<()> {
    match selection {
        Selection::Everything => {
            statement.push("true");
        }
        Selection::Nothing => {
            statement.push("false");
        }
        Selection::Active => {
            statement.push(ACTIVE);
        }
        Selection::Codes(codes) => of_codes(statement, ground, codes),
        Selection::Filter(condition) => return filter(statement, ground, condition),
        Selection::Not(part) => {
            statement.push("NOT ");
            return push(statement, ground, part);
        }
        Selection::And(parts) => return joined(statement, ground, parts, " AND "),
        Selection::Or(parts) => return joined(statement, ground, parts, " OR "),
    }
    Ok(())
}

fn joined(
    statement: &mut Statement,
    ground: &Ground<'_>,
    parts: &[Selection],
    with: &str,
) -> Result<()> {
    for (at, part) in parts.iter().enumerate() {
        statement.push(if at == 0 { "(" } else { with });
        push(statement, ground, part)?;
    }
    // Nothing to hold always holds; of none, none does.
    statement.push(match (parts.is_empty(), with) {
        (false, _) => ")",
        (true, " AND ") => "true",
        (true, _) => "false",
    });
    Ok(())
}

fn of_codes(statement: &mut Statement, ground: &Ground<'_>, codes: &[String]) {
    let (column, codes) = match ground.table.is_case_sensitive {
        true => ("c.code", codes.to_vec()),
        false => (
            "lower(c.code)",
            codes.iter().map(|one| one.to_lowercase()).collect(),
        ),
    };
    statement.push(column).push(" = ANY(");
    statement.push_bind(codes).push(")");
}

fn numbered(statement: &mut Statement, numbers: Vec<i32>) {
    statement
        .push("c.number = ANY(")
        .push_bind(numbers)
        .push(")");
}

fn filter(statement: &mut Statement, ground: &Ground<'_>, condition: &Condition) -> Result<()> {
    if condition.op == Op::NotIn {
        let positive = Condition {
            op: Op::In,
            ..condition.clone()
        };
        statement.push("NOT ");
        return filter(statement, ground, &positive);
    }
    match condition.property.as_str() {
        "concept" | "code" => of_concept(statement, ground, condition),
        "parent" => of_parent(statement, ground, condition),
        "child" => of_child(statement, ground, condition),
        "display" => of_text(statement, "c.display", condition),
        "definition" => of_text(statement, "c.definition", condition),
        "inactive" => of_flag(statement, (INACTIVE, ACTIVE), condition),
        "notSelectable" | "abstract" => of_flag(statement, (ABSTRACT, CONCRETE), condition),
        _ => {
            of_property(statement, ground, condition);
            Ok(())
        }
    }
}

fn of_concept(statement: &mut Statement, ground: &Ground<'_>, condition: &Condition) -> Result<()> {
    let found = ground.find(&condition.value);
    let number = found.map(|found| vec![found.number]);
    match (condition.op, number) {
        (Op::IsA | Op::DescendentOf | Op::ChildOf, None) => {
            statement.push("false");
        }
        (Op::IsNotA, None) => {
            statement.push("true");
        }
        (Op::Generalizes, _) => {
            let above = found.map(|found| [found.above.as_slice(), &[found.number]].concat());
            numbered(statement, above.unwrap_or_default());
        }
        (Op::IsA | Op::IsNotA, Some(number)) => {
            let not = if condition.op == Op::IsNotA {
                "NOT "
            } else {
                ""
            };
            statement.push(not).push("(");
            numbered(statement, number.clone());
            statement.push(" OR c.above @> ");
            statement.push_bind(number).push(")");
        }
        (Op::DescendentOf, Some(number)) => {
            statement.push("c.above @> ").push_bind(number);
        }
        (Op::ChildOf, Some(number)) => {
            statement.push("c.parents @> ").push_bind(number);
        }
        (Op::Equals | Op::In | Op::NotIn, _) => of_codes(statement, ground, &condition.values()),
        (Op::Exists, _) => {
            statement.push(if condition.value == "true" {
                "true"
            } else {
                "false"
            });
        }
        (Op::Regex, _) => matches(statement, "c.code", condition),
    }
    Ok(())
}

fn of_parent(statement: &mut Statement, ground: &Ground<'_>, condition: &Condition) -> Result<()> {
    match condition.op {
        Op::Exists => is(statement, "c.parents <> '{}'", condition),
        Op::Equals | Op::In => {
            let values = condition.values();
            let numbers = values
                .iter()
                .filter_map(|code| Some(ground.find(code)?.number));
            statement.push("c.parents && ");
            statement.push_bind(Vec::from_iter(numbers));
        }
        _ => return Err(unsupported(condition)),
    }
    Ok(())
}

fn of_child(statement: &mut Statement, ground: &Ground<'_>, condition: &Condition) -> Result<()> {
    match condition.op {
        Op::Exists => is(statement, "c.below > 0", condition),
        Op::Equals | Op::In => {
            let values = condition.values();
            let parents = values
                .iter()
                .filter_map(|code| Some(&ground.find(code)?.parents));
            numbered(statement, parents.flatten().copied().collect());
        }
        _ => return Err(unsupported(condition)),
    }
    Ok(())
}

fn of_text(statement: &mut Statement, column: &str, condition: &Condition) -> Result<()> {
    match condition.op {
        Op::Exists => is(statement, &format!("{column} IS NOT NULL"), condition),
        Op::Equals | Op::In => {
            statement.push("coalesce(").push(column).push(" = ANY(");
            statement.push_bind(condition.values()).push("), false)");
        }
        Op::Regex => matches(statement, column, condition),
        _ => return Err(unsupported(condition)),
    }
    Ok(())
}

/// A flag is a boolean that every concept has.
fn of_flag(
    statement: &mut Statement,
    (set, unset): (&'static str, &'static str),
    condition: &Condition,
) -> Result<()> {
    let values = condition.values();
    match condition.op {
        Op::Exists => is(statement, "true", condition),
        Op::Equals | Op::In => {
            let has = |text: &str| values.iter().any(|value| value == text);
            let holds = match (has("true"), has("false")) {
                (true, true) => "true",
                (true, false) => set,
                (false, true) => unset,
                (false, false) => "false",
            };
            statement.push(holds);
        }
        _ => return Err(unsupported(condition)),
    }
    Ok(())
}

fn of_property(statement: &mut Statement, ground: &Ground<'_>, condition: &Condition) {
    let property = condition.property.as_str();
    match condition.op {
        Op::Exists => {
            let not = if condition.value == "true" {
                ""
            } else {
                "NOT "
            };
            statement.push(not).push("c.keys @> ");
            statement.push_bind(vec![key(property, None)]);
        }
        Op::Regex => {
            // No index helps; the properties of each concept are read.
            statement.push(
                "EXISTS (SELECT 1 FROM json_array_elements(c.properties::json) p, \
                 json_each_text(p) v WHERE v.key LIKE 'value%' AND p ->> 'code' = ",
            );
            statement
                .push_bind(property.to_owned())
                .push(" AND v.value ~ ");
            statement.push_bind(condition.pattern()).push(")");
        }
        _ => {
            // RxNorm's relations are asked for with the kind of what they lead to.
            let is_rxnorm = ground.table.kind == "rxnorm";
            let values = condition.values();
            let keys = values.iter().map(|value| {
                let bare = value.strip_prefix("CUI:").filter(|_| is_rxnorm);
                key(property, Some(bare.unwrap_or(value)))
            });
            statement.push("c.keys && ").push_bind(Vec::from_iter(keys));
        }
    }
}

/// A condition without a bind, or its opposite where `exists` is asked to be false.
fn is(statement: &mut Statement, holds: &str, condition: &Condition) {
    let not = if condition.value == "true" {
        ""
    } else {
        "NOT "
    };
    statement.push(not).push("(").push(holds).push(")");
}

fn matches(statement: &mut Statement, column: &str, condition: &Condition) {
    statement.push("coalesce(").push(column).push(" ~ ");
    statement.push_bind(condition.pattern()).push(", false)");
}

fn unsupported(condition: &Condition) -> Error {
    Error::coded(
        Category::Unprocessable,
        "not-supported",
        format!(
            "a filter `{} {}` is not supported over a loaded code system",
            condition.property,
            condition.op.name()
        ),
    )
}
