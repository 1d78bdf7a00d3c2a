//! `_explain`: how a search is answered, and why a resource does or does not match.
//!
//! Ours, not of the specification. `_explain=true` tells the plan in its stages, the ways
//! that would be tried and what PostgreSQL makes of each statement; `_explain=Patient/1` (or
//! `1`) tells of each condition whether it holds of that resource. Nothing is searched: the
//! answer is an OperationOutcome.
//!
//! The plans are the generic ones that searches run with, so that no bind stands in them:
//! what a chain came down to would be values of resources that the caller did not ask for.
//! It does not run EXPLAIN ANALYZE, which would cost as much as the search.

use super::plan::{Contained, Plan, Predicate, Total};
use super::registry::Registry;
use super::resolve::{Problem, Query};
use super::sql::{self, Bind, ContainedPage, Statement};
use super::statistics::Statistics;
use super::strategy::{self, Ground};
use super::{lookup, rewrite};
use crate::access::Access;
use crate::error::{Issue, Result};
use crate::fhir::{Id, ResourceType};
use sqlx::{AssertSqlSafe, Connection, PgConnection, Row};

/// Characters of one text; what a plan names may be thousands of keys.
const MOST: usize = 8_000;

/// What is to be explained, and what the request asked for before any rewrite.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Explain {
    /// The resource of which it is told whether it matches.
    pub of: Option<(ResourceType, String)>,
    /// Each condition, as it was written and as it was compiled.
    pub conditions: Vec<(String, Predicate)>,
}

impl Explain {
    /// Takes the value of `_explain`; `None` where it asks for nothing. `types` are those
    /// that are searched.
    ///
    /// # Errors
    /// What is neither `true`, `false`, an id nor a type and an id.
    pub fn of(
        self,
        value: &str,
        types: &[ResourceType],
    ) -> std::result::Result<Option<Explain>, Problem> {
        let refused = |expected: &str| {
            let text = format!("_explain: expected {expected} but found {value:?}");
            Err(Problem::refused("value", text))
        };
        let of = match (value, value.split_once('/')) {
            ("" | "false", _) => return Ok(None),
            ("true", _) => None,
            (id, None) if Id::is_valid(id) => match types {
                [one] => Some((*one, id.to_owned())),
                _ => return refused("a type and an id, since several types are searched,"),
            },
            (_, Some((name, id))) if Id::is_valid(id) => match ResourceType::parse(name) {
                Some(kind) => Some((kind, id.to_owned())),
                None => return refused("a resource type before the id"),
            },
            _ => return refused("true, false, an id, or a type and an id,"),
        };
        Ok(Some(Explain { of, ..self }))
    }
}

/// Explains a search instead of running it, within the transaction of the caller.
///
/// # Errors
/// Those of the database, and of the lookups that the search would fail at.
pub async fn explain(
    connection: &mut PgConnection,
    access: &Access,
    registry: &Registry,
    statistics: &Statistics,
    query: &Query,
    explain: &Explain,
) -> Result<Vec<Issue>> {
    let ground = Ground { access, statistics };
    let mut issues = query.issues.clone();
    let expanded = lookup::expand(connection, access, registry, query).await?;
    let searched = (expanded.plan.types.as_slice(), query.contained);
    let filter = expanded.plan.filter.clone();
    let filter = strategy::settle(connection, &ground, searched, filter).await?;
    let settled = rewrite::rewrite(Plan {
        filter,
        ..expanded.plan.clone()
    });
    if let Some(of) = &explain.of {
        let match_of = Match {
            ground,
            registry,
            query,
            of,
        };
        issues.extend(
            match_of
                .told(connection, &explain.conditions, &settled)
                .await?,
        );
        return Ok(issues);
    }
    let conditions = explain.conditions.iter().map(|(_, part)| part.clone());
    let asked = Plan {
        filter: Predicate::And(conditions.collect()),
        ..query.plan.clone()
    };
    for (stage, plan) in [
        ("Asked", &asked),
        ("Rewritten", &query.plan),
        ("Settled", &settled),
    ] {
        issues.push(told(format!("{stage}: {plan}")));
    }
    let ways = ways(&ground, &expanded, &settled);
    if ways.is_empty() {
        issues.push(told("Nothing can match: no statement is run.".to_owned()));
    }
    // What is set for the EXPLAINs ends with them.
    let mut inner = connection.begin().await?;
    sqlx::raw_sql("SET LOCAL plan_cache_mode = force_generic_plan")
        .execute(&mut *inner)
        .await?;
    for (at, (way, statement)) in ways.iter().enumerate() {
        let plan = plan_of(&mut inner, statement).await?;
        let text = format!(
            "Way {} of {}: {way}\n\n{}\n\n{plan}",
            at + 1,
            ways.len(),
            statement.sql
        );
        issues.push(told(text));
    }
    inner.rollback().await?;
    Ok(issues)
}

/// The statements that would be tried, in turn.
fn ways(ground: &Ground<'_>, query: &Query, plan: &Plan) -> Vec<(String, Statement)> {
    let start = query.start.as_ref();
    let mut ways = Vec::new();
    if query.contained != Contained::False {
        let page = ContainedPage {
            plan,
            show: query.contained_type,
            position: start.and_then(|start| start.position.as_ref()),
            backward: start.is_some_and(|start| start.backward),
            limit: plan.count.saturating_add(1),
        };
        let statement = sql::contained_page(&page, ground.access);
        ways.push(("contained resources".to_owned(), statement));
    }
    if query.contained != Contained::True {
        let sources = strategy::statements(ground, plan, start);
        let named = sources.into_iter().map(|(source, statement)| {
            let source = match source {
                sql::Source::Keys { conjunct, keys } => {
                    format!("{} keys of conjunct {conjunct}", keys.len())
                }
                other => format!("{other:?}"),
            };
            (source, statement)
        });
        ways.extend(named);
    }
    ways
}

/// The generic plan of a statement as text. Its text is safe by construction, as in `page`;
/// the types of its binds are said, the values are not.
async fn plan_of(
    connection: &mut PgConnection,
    statement: &Statement,
) -> std::result::Result<String, sqlx::Error> {
    /// Prepared under this name for a moment only.
    const NAME: &str = "andiron_explained";
    let types: Vec<&str> = statement.binds.iter().map(type_of).collect();
    let nulls = vec!["NULL"; types.len()];
    let text = format!(
        "PREPARE {NAME} ({}) AS {}; EXPLAIN EXECUTE {NAME} ({}); DEALLOCATE {NAME}",
        types.join(", "),
        statement.sql,
        nulls.join(", ")
    );
    let rows = sqlx::raw_sql(AssertSqlSafe(text))
        .fetch_all(connection)
        .await?;
    let lines = rows.iter().map(|row| row.try_get(0));
    let lines: Vec<String> = lines.collect::<std::result::Result<_, _>>()?;
    Ok(lines.join("\n"))
}

fn type_of(bind: &Bind) -> &'static str {
    match bind {
        Bind::Small(_) => "smallint",
        Bind::Int(_) => "integer",
        Bind::Big(_) => "bigint",
        Bind::Text(_) => "text",
        Bind::Smalls(_) => "smallint[]",
        Bind::Ints(_) => "integer[]",
        Bind::Bigs(_) => "bigint[]",
        Bind::Texts(_) => "text[]",
    }
}

/// Whether one resource matches.
struct Match<'a> {
    ground: Ground<'a>,
    registry: &'a Registry,
    query: &'a Query,
    of: &'a (ResourceType, String),
}

impl Match<'_> {
    async fn told(
        &self,
        connection: &mut PgConnection,
        conditions: &[(String, Predicate)],
        settled: &Plan,
    ) -> Result<Vec<Issue>> {
        let (kind, id) = self.of;
        let name = format!("{kind}/{id}");
        let types = &self.query.plan.types;
        if !types.is_empty() && !types.contains(kind) {
            let text = format!("{name} does not match: its type is not searched.");
            return Ok(vec![told(text)]);
        }
        if !self.passes(connection, Predicate::Everything).await? {
            let text = format!("{name} does not match: it does not exist, or is deleted.");
            return Ok(vec![Issue::warning("not-found", text)]);
        }
        let mut issues = Vec::new();
        let mut failing = 0;
        for (condition, predicate) in conditions {
            let holds = self.holds(connection, predicate).await?;
            failing += usize::from(!holds);
            let word = if holds { "holds" } else { "does not hold" };
            issues.push(told(format!("`{condition}` {word} of {name}.")));
        }
        let matches = self.passes(connection, settled.filter.clone()).await?;
        let verdict = match (matches, failing) {
            (true, 0) => format!("{name} matches: it is on one of the pages."),
            (false, 0) => {
                let text = format!(
                    "{name} does not match, although each condition holds by itself: it is \
                     being changed, or its index is wrong and $reindex makes it anew."
                );
                issues.insert(0, Issue::warning("processing", text));
                return Ok(issues);
            }
            (_, 1) => format!("{name} does not match: one condition does not hold."),
            (_, more) => format!("{name} does not match: {more} conditions do not hold."),
        };
        issues.insert(0, told(verdict));
        if self.query.contained != Contained::False {
            let text = "_contained: this tells of the resource itself, not of what it contains.";
            issues.push(told(text.to_owned()));
        }
        Ok(issues)
    }

    /// Whether a condition as it was compiled holds.
    async fn holds(&self, connection: &mut PgConnection, condition: &Predicate) -> Result<bool> {
        let mut query = self.query.clone();
        query.plan.filter = condition.clone();
        let access = self.ground.access;
        let expanded = lookup::expand(connection, access, self.registry, &query).await?;
        let condition = expanded.plan.filter.clone();
        Ok(self.passes(connection, condition).await?)
    }

    async fn passes(
        &self,
        connection: &mut PgConnection,
        condition: Predicate,
    ) -> std::result::Result<bool, sqlx::Error> {
        let (kind, id) = self.of;
        let plan = rewrite::rewrite(Plan {
            types: vec![*kind],
            filter: Predicate::And(vec![Predicate::Id(vec![id.clone()]), condition]),
            sort: Vec::new(),
            count: 1,
            total: Total::None,
            includes: Vec::new(),
        });
        let found = strategy::find(connection, &self.ground, &plan, None, 1).await?;
        Ok(!found.is_empty())
    }
}

fn told(text: String) -> Issue {
    let text = match text.char_indices().nth(MOST) {
        Some((end, _)) => format!(
            "{}… and {} characters more",
            &text[..end],
            text[end..].chars().count()
        ),
        None => text,
    };
    Issue::information("informational", text)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_value_names_a_resource_of_the_search_or_asks_for_the_plan() {
        let kind = |name| ResourceType::parse(name).expect("a type");
        let one = [kind("Patient")];
        let two = [kind("Patient"), kind("Group")];
        let of = |value, types: &[ResourceType]| {
            let taken = Explain::default().of(value, types);
            taken.map(|explain| explain.map(|explain| explain.of))
        };
        let resource = |name, id: &str| Ok(Some(Some((kind(name), id.to_owned()))));
        for (value, types, expected) in [
            ("", &one[..], Ok(None)),
            ("false", &one, Ok(None)),
            ("true", &two, Ok(Some(None))),
            ("a", &one, resource("Patient", "a")),
            ("Group/a", &one, resource("Group", "a")),
        ] {
            assert_eq!(of(value, types), expected, "{value}");
        }
        for (value, types) in [
            ("a", &two[..]),
            ("Grup/a", &one),
            ("Group/", &one),
            ("a b", &one),
        ] {
            assert!(of(value, types).is_err(), "{value}");
        }
    }

    #[test]
    fn long_texts_are_cut_between_characters() {
        let long = told("é".repeat(MOST + 2)).text;
        assert!(long.ends_with("é… and 2 characters more"));
        assert_eq!(told("é".repeat(MOST)).text.chars().count(), MOST);
    }
}
