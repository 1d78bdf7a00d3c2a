//! Which way the matches of a page are found: decided here, never by luck.
//!
//! ```text
//! settle    a chain or a _has that comes down to few resources becomes their keys
//! choose    the sources of a page, the most promising first
//! find      tries them in turn; one that costs more than was thought is given up
//! ```
//!
//! The planner multiplies the shares of codes as if they were independent and believes that
//! a LIMIT is soon reached; both can be wrong by the size of the table. So every statement
//! here has one shape, driven by one [`Source`], and what is unknown is *probed*: a thousand
//! rows of a name at most, a window of the order at most.
//!
//! | filter | source |
//! |---|---|
//! | ids, few keys | the primary key |
//! | a rare entry (patient, identifier) | the index of entries, then sort |
//! | a common entry | a window along the order; the index of entries if that does not fill the page |
//! | a name, a birthdate | up to a thousand rows; if there are more, along the order |
//! | anything else | along the order, in growing windows |

use super::cursor::{Position, Start};
use super::index::{Slot, resource_key};
use super::page::{Found, bound};
use super::plan::{Contained, Plan, Predicate, RangeTest, RowTable, SortBy, StringTest, Total};
use super::sql::{self, After, Ask, Source, Statement, conjuncts};
use super::statistics::Statistics;
use crate::access::Access;
use crate::fhir::ResourceType;
use futures::future::BoxFuture;
use sqlx::{PgConnection, Row};

/// Rows of a name or a date that are gathered before the order is walked along instead.
const PROBED: usize = 1000;

/// Resources of a chain's step that are gathered: each is an entry that is looked up.
const CHAINED: usize = 1000;

/// Sources of a `_has` that are gathered: each of their entries may be the reference.
const REFERRING: usize = 300;

/// Matches of an entry that are always fetched and sorted, without a look along the order.
const FEW: f64 = 300.0;

/// Microseconds to fetch and sort a match that the index of entries finds.
const FETCHED: f64 = 4.0;

/// Resources that are counted on to have an entry that the statistics do not know.
const UNKNOWN: f64 = 0.1;

/// Microseconds to ask the index of entries at all, of common ones.
const ASKED: f64 = 2000.0;

/// What a search is run with.
pub struct Ground<'a> {
    pub access: &'a Access,
    pub statistics: &'a Statistics,
}

impl Ground<'_> {
    /// The entry, as the caller's tenant has it.
    fn entry(&self, (slot, hash): &(Slot, i64)) -> i64 {
        slot.entry(self.access.tenant, *hash)
    }
}

/// Replaces the chains and `_has` of a filter that come down to few resources: they become
/// entries and keys, which have indexes. The filter is asked of resources of `types`, and of
/// contained ones where those count.
pub fn settle<'f>(
    connection: &'f mut PgConnection,
    ground: &'f Ground<'_>,
    of: (&'f [ResourceType], Contained),
    filter: Predicate,
) -> BoxFuture<'f, Result<Predicate, sqlx::Error>> {
    Box::pin(async move {
        Ok(match filter {
            Predicate::And(parts) => {
                Predicate::And(settle_all(connection, ground, of, parts).await?)
            }
            Predicate::Or(parts) => Predicate::Or(settle_all(connection, ground, of, parts).await?),
            Predicate::Not(part) => {
                let part = settle(connection, ground, of, *part).await?;
                Predicate::Not(Box::new(part))
            }
            Predicate::Refers {
                slots,
                target,
                filter,
            } => {
                let (types, of) = ([target], Contained::Both);
                let filter = settle(connection, ground, (&types, of), *filter).await?;
                match few(connection, ground, (&types, of), &filter, CHAINED).await? {
                    Some(keys) => {
                        let slot = |key: i64| slots.iter().map(move |slot| (*slot, key));
                        Predicate::Entries(keys.into_iter().flat_map(slot).collect())
                    }
                    None => Predicate::Refers {
                        slots,
                        target,
                        filter: Box::new(filter),
                    },
                }
            }
            Predicate::Referred {
                source,
                slots,
                filter,
            } => {
                let sources = ([source], Contained::False);
                let filter = settle(connection, ground, (&sources.0, sources.1), *filter).await?;
                let found = few(
                    connection,
                    ground,
                    (&sources.0, sources.1),
                    &filter,
                    REFERRING,
                );
                match found.await? {
                    Some(sources) => {
                        let statement =
                            sql::referred_keys(source, &sources, &slots, of, ground.access);
                        Predicate::Keys(keys_of(connection, &statement).await?)
                    }
                    None => Predicate::Referred {
                        source,
                        slots,
                        filter: Box::new(filter),
                    },
                }
            }
            leaf => leaf,
        })
    })
}

async fn settle_all(
    connection: &mut PgConnection,
    ground: &Ground<'_>,
    of: (&[ResourceType], Contained),
    parts: Vec<Predicate>,
) -> Result<Vec<Predicate>, sqlx::Error> {
    let mut settled = Vec::with_capacity(parts.len());
    for part in parts {
        settled.push(settle(connection, ground, of, part).await?);
    }
    Ok(settled)
}

/// The keys of all resources that pass, contained ones too where those count, if they are
/// known to be, or turn out to be, at most `most`.
async fn few(
    connection: &mut PgConnection,
    ground: &Ground<'_>,
    (types, contained): (&[ResourceType], Contained),
    filter: &Predicate,
    most: usize,
) -> Result<Option<Vec<i64>>, sqlx::Error> {
    let filter = super::rewrite::rewrite_predicate(filter.clone());
    let plan = Plan {
        types: types.to_vec(),
        filter,
        sort: Vec::new(),
        count: most,
        total: Total::None,
        includes: Vec::new(),
    };
    if plan.filter == Predicate::Nothing {
        return Ok(Some(Vec::new()));
    }
    let source = match driver(&plan, ground) {
        Some(Driver::Keys(source)) => source,
        Some(Driver::Entries(at, expected)) if expected <= 2.0 * most as f64 => Source::Entries(at),
        Some(Driver::Rows(conjunct)) => Source::Rows {
            conjunct,
            most: Some(most),
        },
        _ => return Ok(None),
    };
    let ask = Ask {
        plan: &plan,
        after: After::Start,
        backward: false,
        limit: most + 1,
        keys_only: true,
        access: ground.access,
    };
    let mut statement = sql::page(&ask, &source);
    if contained == Contained::Both {
        statement = sql::and_contained_keys(statement, &ask);
    }
    let rows = bound(&statement).fetch_all(connection).await?;
    let mut keys = Vec::with_capacity(rows.len());
    for row in &rows {
        if row.try_get::<Option<i64>, _>("probed")? > Some(most as i64) {
            return Ok(None);
        }
        keys.extend(row.try_get::<Option<i64>, _>("key")?);
    }
    Ok((keys.len() <= most).then_some(keys))
}

async fn keys_of(
    connection: &mut PgConnection,
    statement: &Statement,
) -> Result<Vec<i64>, sqlx::Error> {
    let rows = bound(statement).fetch_all(connection).await?;
    rows.iter().map(|row| row.try_get("key")).collect()
}

/// The matches of a settled plan, in order, from `start`, at most `limit`; backwards in
/// the opposite order.
pub async fn find(
    connection: &mut PgConnection,
    ground: &Ground<'_>,
    plan: &Plan,
    start: Option<&Start>,
    limit: usize,
) -> Result<Vec<Found>, sqlx::Error> {
    let ways = ways(plan, start, limit, ground);
    for (at, source) in ways.sources.iter().enumerate() {
        let reach = match at + 1 == ways.sources.len() {
            true => Reach::Whole,
            false => Reach::Window,
        };
        if let Some(found) = ways.follow(connection, source, reach).await? {
            return Ok(found);
        }
    }
    Ok(Vec::new())
}

/// The same, if the first statement finds it: then there is no need for a transaction, since
/// one statement is one snapshot by itself.
pub async fn find_at_once(
    connection: &mut PgConnection,
    ground: &Ground<'_>,
    plan: &Plan,
    start: Option<&Start>,
    limit: usize,
) -> Result<Option<Vec<Found>>, sqlx::Error> {
    let ways = ways(plan, start, limit, ground);
    match ways.sources.first() {
        Some(source) => ways.follow(connection, source, Reach::Statement).await,
        None => Ok(Some(Vec::new())),
    }
}

/// The statements by which a settled plan would be tried, in turn: what explains a search.
pub fn statements(
    ground: &Ground<'_>,
    plan: &Plan,
    start: Option<&Start>,
) -> Vec<(Source, Statement)> {
    let ways = ways(plan, start, plan.count.saturating_add(1), ground);
    let statement = |source: Source| {
        let statement = sql::page(&ways.ask, &source);
        (source, statement)
    };
    ways.sources.iter().cloned().map(statement).collect()
}

/// How far a source is followed.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Reach {
    /// One statement.
    Statement,
    /// One window, and what must be known to tell whether it was all.
    Window,
    /// To the end.
    Whole,
}

/// A page that is asked for, and the ways to find it.
struct Ways<'a> {
    ask: Ask<'a>,
    position: Option<&'a Position>,
    sources: Vec<Source>,
    ground: &'a Ground<'a>,
}

fn ways<'a>(
    plan: &'a Plan,
    start: Option<&'a Start>,
    limit: usize,
    ground: &'a Ground<'a>,
) -> Ways<'a> {
    let position = start.and_then(|start| start.position.as_ref());
    Ways {
        ask: Ask {
            plan,
            after: position.map_or(After::Start, After::Position),
            backward: start.is_some_and(|start| start.backward),
            limit,
            keys_only: false,
            access: ground.access,
        },
        position,
        sources: match plan.filter {
            Predicate::Nothing => Vec::new(),
            _ => choose(plan, ground, limit),
        },
        ground,
    }
}

impl Ways<'_> {
    /// Whether the index of entries is the cheaper way, after so many matches were found of
    /// so many resources that were looked at along the order.
    fn gives_up(&self, found: usize, looked_at: usize) -> bool {
        let plan = self.ask.plan;
        let parts = conjuncts(&plan.filter);
        let entries = rarest(parts, plan, self.ground);
        let Some((_, expected)) = entries else {
            return false;
        };
        // What was not seen yet may be the next.
        let share = (found + 1) as f64 / looked_at as f64;
        let left = self.ask.limit.saturating_sub(found) as f64 / share;
        // What was seen tells how many have all of several entries, which nothing else does.
        let matches = match parts {
            [Predicate::EveryEntry(_)] => {
                expected.min(share * self.ground.statistics.of_types(&plan.types))
            }
            _ => expected,
        };
        left * per_row(plan, self.ground, entries) > ASKED + matches * FETCHED
    }

    /// What a source finds; nothing if it did not get there within its reach.
    async fn follow(
        &self,
        connection: &mut PgConnection,
        source: &Source,
        reach: Reach,
    ) -> Result<Option<Vec<Found>>, sqlx::Error> {
        match source {
            Source::Walk(window) if walks_rows(self.ask.plan) => {
                walk_with_missing(connection, self, *window, reach).await
            }
            Source::Walk(Some(window)) => {
                windows(connection, self, &self.ask, *window, reach).await
            }
            Source::Rows { most, .. } => probe(connection, &self.ask, source, *most).await,
            _ => {
                let statement = sql::page(&self.ask, source);
                Ok(Some(fetch(connection, &statement).await?.0))
            }
        }
    }
}

/// Runs a source of rows; nothing if there are more than it may gather.
async fn probe(
    connection: &mut PgConnection,
    ask: &Ask<'_>,
    source: &Source,
    most: Option<usize>,
) -> Result<Option<Vec<Found>>, sqlx::Error> {
    let (found, probed) = fetch(connection, &sql::page(ask, source)).await?;
    let too_many = most.is_some_and(|most| probed > Some(most as i64));
    Ok((!too_many).then_some(found))
}

/// Along an index of rows: the resources with a value, then those without one; backwards the
/// other way round.
async fn walk_with_missing(
    connection: &mut PgConnection,
    ways: &Ways<'_>,
    window: Option<usize>,
    reach: Reach,
) -> Result<Option<Vec<Found>>, sqlx::Error> {
    let (ask, position) = (&ways.ask, ways.position);
    let in_missing = match position {
        Some(position) => position.value(0).is_none(),
        None => ask.backward,
    };
    let mut found = Vec::new();
    if ask.backward && in_missing {
        found = missing(connection, ways, position, ask.limit).await?;
    }
    if found.len() < ask.limit && (ask.backward || !in_missing) {
        if reach == Reach::Statement && ask.backward && in_missing {
            return Ok(None);
        }
        let ask = Ask {
            after: match position {
                Some(position) if !in_missing => After::Position(position),
                _ => After::Start,
            },
            limit: ask.limit - found.len(),
            ..*ask
        };
        let valued = match window {
            Some(window) => windows(connection, ways, &ask, window, reach).await?,
            None => {
                let statement = sql::page(&ask, &Source::Walk(None));
                Some(fetch(connection, &statement).await?.0)
            }
        };
        match valued {
            Some(valued) => found.extend(valued),
            None => return Ok(None),
        }
    }
    if !ask.backward && found.len() < ask.limit {
        if reach == Reach::Statement && !in_missing {
            return Ok(None);
        }
        let position = position.filter(|_| in_missing);
        let limit = ask.limit - found.len();
        found.extend(missing(connection, ways, position, limit).await?);
    }
    Ok(Some(found))
}

/// Resources without a value of the sort key. Without a sort key the order runs up; here it
/// runs as the key that is missing.
async fn missing(
    connection: &mut PgConnection,
    ways: &Ways<'_>,
    position: Option<&Position>,
    limit: usize,
) -> Result<Vec<Found>, sqlx::Error> {
    let ask = &ways.ask;
    if conjuncts(&ask.plan.filter)
        .iter()
        .any(|part| is_of_sort_key(ask.plan, part))
    {
        return Ok(Vec::new());
    }
    let plan = without_value(ask.plan);
    let down = ask.plan.sort.first().is_some_and(|key| key.descending);
    let start = Start {
        backward: down != ask.backward,
        position: position.map(|position| Position {
            values: Vec::new(),
            ..position.clone()
        }),
    };
    // Without a sort key there is nothing that could be missing once more.
    let mut found = Box::pin(find(connection, ways.ground, &plan, Some(&start), limit)).await?;
    for one in &mut found {
        one.values = vec![None];
    }
    Ok(found)
}

/// Whether a condition is of the very values that the plan is ordered by, so that who has none
/// does not pass.
fn is_of_sort_key(plan: &Plan, part: &Predicate) -> bool {
    match (plan.sort.first().map(|key| &key.by), part) {
        (
            Some(SortBy::Rows { slots, .. }),
            Predicate::Date { slot, .. }
            | Predicate::String { slot, .. }
            | Predicate::Quantity { slot, .. },
        ) => slots.contains(slot),
        (Some(SortBy::Rows { .. }), Predicate::Or(parts)) => {
            !parts.is_empty() && parts.iter().all(|part| is_of_sort_key(plan, part))
        }
        _ => false,
    }
}

/// The plan of the resources without a value of the sort key, in the order of their keys.
fn without_value(plan: &Plan) -> Plan {
    let mut plan = plan.clone();
    let rows = match plan.sort.first().map(|key| &key.by) {
        Some(SortBy::Rows { table, slots, .. }) => {
            Predicate::Or(slots.iter().map(|slot| table.any(*slot)).collect())
        }
        _ => Predicate::Nothing,
    };
    let missing = Predicate::Not(Box::new(rows));
    plan.filter = match plan.filter {
        Predicate::And(mut parts) => {
            parts.push(missing);
            Predicate::And(parts)
        }
        Predicate::Everything => missing,
        other => Predicate::And(vec![other, missing]),
    };
    plan.sort = Vec::new();
    plan
}

/// Walks in growing windows until the page is full or the order ends, as far as the reach
/// goes: where another way is left, until that is the cheaper one.
async fn windows(
    connection: &mut PgConnection,
    ways: &Ways<'_>,
    ask: &Ask<'_>,
    mut window: usize,
    reach: Reach,
) -> Result<Option<Vec<Found>>, sqlx::Error> {
    let mut looked_at = 0;
    let mut found: Vec<Found> = Vec::new();
    let mut end: Option<Position> = None;
    loop {
        let ask = Ask {
            after: end.as_ref().map_or(ask.after, After::Position),
            limit: ask.limit - found.len(),
            ..*ask
        };
        let statement = sql::page(&ask, &Source::Walk(Some(window)));
        let more = fetch(connection, &statement).await?.0;
        let is_full = more.len() >= ask.limit;
        found.extend(more);
        if is_full {
            return Ok(Some(found));
        }
        if reach == Reach::Statement {
            return Ok(None);
        }
        let statement = sql::window_end(&ask, window);
        let row = bound(&statement).fetch_optional(&mut *connection).await?;
        looked_at += window;
        end = match row {
            None => return Ok(Some(found)),
            Some(_) if reach == Reach::Window && ways.gives_up(found.len(), looked_at) => {
                return Ok(None);
            }
            Some(row) => Some(Position {
                values: ask
                    .plan
                    .sort
                    .iter()
                    .take(1)
                    .map(|_| row.try_get(0))
                    .collect::<Result<_, _>>()?,
                key: row.try_get(1)?,
                ..Position::default()
            }),
        };
        window = window.saturating_mul(4).min(1_000_000);
    }
}

/// Runs a statement of a page; beside the resources, how many rows were probed.
async fn fetch(
    connection: &mut PgConnection,
    statement: &Statement,
) -> Result<(Vec<Found>, Option<i64>), sqlx::Error> {
    let rows = bound(statement).fetch_all(connection).await?;
    let probed = match rows.first() {
        Some(row) => row.try_get("probed")?,
        None => None,
    };
    let mut found = Vec::with_capacity(rows.len());
    for row in &rows {
        if row.try_get::<Option<i64>, _>("key")?.is_some() {
            found.push(super::page::found(row)?);
        }
    }
    Ok((found, probed))
}

/// What can find the matches of a filter.
enum Driver {
    Keys(Source),
    /// A conjunct of entries, and how many resources it is expected to find.
    Entries(usize, f64),
    /// A conjunct of rows.
    Rows(usize),
}

/// The best driver of a filter.
fn driver(plan: &Plan, ground: &Ground<'_>) -> Option<Driver> {
    let parts = conjuncts(&plan.filter);
    if let Some(source) = listed(parts, &plan.types) {
        return Some(Driver::Keys(source));
    }
    let entries = rarest(parts, plan, ground);
    let rows = best_rows(parts);
    match (entries, rows) {
        (Some((at, expected)), None) => Some(Driver::Entries(at, expected)),
        (Some((at, expected)), Some(_)) if expected <= FEW => Some(Driver::Entries(at, expected)),
        (_, Some((at, _))) => Some(Driver::Rows(at)),
        (None, None) => None,
    }
}

/// The ways to find a page, the most promising first. The last one always gives an answer.
pub(super) fn choose(plan: &Plan, ground: &Ground<'_>, limit: usize) -> Vec<Source> {
    let parts = conjuncts(&plan.filter);
    if let Some(source) = listed(parts, &plan.types) {
        return vec![source];
    }
    let entries = rarest(parts, plan, ground);
    if let Some((at, expected)) = entries
        && expected <= FEW
    {
        return vec![Source::Entries(at)];
    }
    let walks = walks(plan);
    if walks && parts.is_empty() {
        return vec![Source::Walk(None)];
    }
    let rows = best_rows(parts);
    // What is said of the values that are walked along bounds the walk.
    let share = parts
        .iter()
        .filter(|part| !is_of_sort_key(plan, part))
        .map(|part| share(part, plan, ground))
        .product::<f64>();
    let per_row = per_row(plan, ground, entries);
    let looked_at = (limit as f64 / share.max(1e-9)).max(1.0);
    // A power of two, so that there are few different statements.
    let window = ((looked_at * 2.0).clamp(128.0, 16_384.0) as usize).next_power_of_two();
    let window = Source::Walk(Some(window));
    let mut sources = Vec::new();
    let probes = |rank: Rank| entries.is_none() || rank == Rank::Narrow;
    if let Some((conjunct, rank)) = rows
        && walks
        && probes(rank)
        && (rank != Rank::Scan || is_text(&parts[conjunct]))
    {
        sources.push(Source::Rows {
            conjunct,
            most: Some(PROBED),
        });
    }
    match (walks, entries) {
        (true, Some((at, expected))) => {
            let others = |(other, part)| if other == at { 0.0 } else { cost(part) };
            let tested = parts.iter().enumerate().map(others).sum::<f64>();
            let fetched = 60.0 + expected * (FETCHED + tested);
            if looked_at * per_row < fetched {
                sources.push(window);
            }
            sources.push(Source::Entries(at));
        }
        (true, None) => sources.push(window),
        (false, Some((at, _))) => sources.push(Source::Entries(at)),
        (false, None) => sources.push(match rows {
            Some((conjunct, _)) => Source::Rows {
                conjunct,
                most: None,
            },
            None => Source::All,
        }),
    }
    sources
}

/// Microseconds to look at a resource along the order: of what lacks an entry, along dates,
/// most are passed over by their signature. `entries`: what is [`rarest`].
fn per_row(plan: &Plan, ground: &Ground<'_>, entries: Option<(usize, f64)>) -> f64 {
    let parts = conjuncts(&plan.filter);
    let each = 2.0 + parts.iter().map(cost).sum::<f64>();
    match plan.sort.first().map(|key| &key.by) {
        Some(SortBy::Rows { table, single, .. }) => {
            let row = if *single { 0.3 } else { 1.5 };
            let passed = match (table, entries) {
                (RowTable::Date, Some((at, _))) => 0.1 + 0.9 * share(&parts[at], plan, ground),
                _ => 1.0,
            };
            row + passed * each
        }
        _ => each,
    }
}

/// Whether an index has the order of the plan.
fn walks(plan: &Plan) -> bool {
    plan.types.len() == 1
        && match plan.sort.as_slice() {
            [] => true,
            [one] => matches!(one.by, SortBy::LastUpdated) || walks_rows(plan),
            _ => false,
        }
}

fn walks_rows(plan: &Plan) -> bool {
    plan.types.len() == 1
        && matches!(plan.sort.as_slice(), [one]
            if matches!(&one.by, SortBy::Rows { slots, .. } if slots.len() == 1))
}

/// The source of the first conjunct that lists resources.
fn listed(parts: &[Predicate], types: &[ResourceType]) -> Option<Source> {
    let mut all = parts.iter().enumerate();
    all.find_map(|(conjunct, part)| {
        let keys = keys(part, types)?;
        Some(Source::Keys { conjunct, keys })
    })
}

/// The resources that a conjunct allows, where it lists them.
fn keys(part: &Predicate, types: &[ResourceType]) -> Option<Vec<(ResourceType, i64)>> {
    let all: Vec<ResourceType>;
    let types = match types {
        [] => {
            all = ResourceType::all().collect();
            &all
        }
        some => some,
    };
    let mut listed = Vec::new();
    for kind in types {
        match part {
            Predicate::Keys(keys) => listed.extend(keys.iter().map(|key| (*kind, *key))),
            Predicate::Id(ids) => {
                listed.extend(ids.iter().map(|id| (*kind, resource_key(*kind, id))));
            }
            _ => return None,
        }
    }
    Some(listed)
}

/// The conjunct of entries with the fewest resources.
fn rarest(parts: &[Predicate], plan: &Plan, ground: &Ground<'_>) -> Option<(usize, f64)> {
    let expected = |(at, part)| Some((at, having(part, plan, ground)?));
    parts
        .iter()
        .enumerate()
        .filter_map(expected)
        .min_by(|a, b| a.1.total_cmp(&b.1))
}

/// How many resources a conjunct of entries finds.
fn having(part: &Predicate, plan: &Plan, ground: &Ground<'_>) -> Option<f64> {
    let entry = |one: &(Slot, i64)| ground.statistics.having(ground.entry(one));
    match part {
        Predicate::Entries(list) => Some(list.iter().map(entry).sum()),
        Predicate::EveryEntry(list) => {
            let all = ground.statistics.of_types(&plan.types);
            let fewest = list.iter().map(entry).fold(all, f64::min);
            let shares = list.iter().map(|one| (entry(one) / all).min(1.0));
            let independent = all * shares.product::<f64>();
            // Codes are seldom independent, and as seldom the same.
            Some((independent.max(1.0) * fewest).sqrt())
        }
        _ => None,
    }
}

/// The share of the searched resources that a conjunct lets through; a guess but for entries.
fn share(part: &Predicate, plan: &Plan, ground: &Ground<'_>) -> f64 {
    let all = ground.statistics.of_types(&plan.types);
    match part {
        // Most values of a long list that nobody knows of are values that nobody has.
        Predicate::Entries(list) => {
            let known = |one| {
                ground
                    .statistics
                    .known(ground.entry(one))
                    .unwrap_or(UNKNOWN)
            };
            (list.iter().map(known).sum::<f64>() / all).clamp(1e-6, 1.0)
        }
        Predicate::EveryEntry(_) => {
            let having = having(part, plan, ground).unwrap_or(1.0);
            (having / all).clamp(1e-6, 1.0)
        }
        Predicate::Everything => 1.0,
        Predicate::Not(part) => match having(part, plan, ground) {
            Some(_) => (1.0 - share(part, plan, ground)).max(1e-3),
            None => 0.7,
        },
        Predicate::Or(parts) => parts
            .iter()
            .map(|part| share(part, plan, ground))
            .sum::<f64>()
            .min(1.0),
        Predicate::And(parts) => parts.iter().map(|part| share(part, plan, ground)).product(),
        Predicate::Present(_) | Predicate::LastUpdated(_) => 0.3,
        Predicate::Refers { .. } | Predicate::Referred { .. } => 0.2,
        _ => 0.1,
    }
}

/// Microseconds that a conjunct takes of each resource that is looked at.
fn cost(part: &Predicate) -> f64 {
    match part {
        Predicate::And(parts) | Predicate::Or(parts) => parts.iter().map(cost).sum(),
        Predicate::Not(part) => cost(part),
        Predicate::Refers { filter, .. } => 15.0 + cost(filter),
        Predicate::Referred { filter, .. } => 60.0 + cost(filter),
        Predicate::Date { .. } | Predicate::String { .. } | Predicate::Quantity { .. } => 1.5,
        Predicate::Entries(list) => (0.3 + 0.03 * list.len() as f64).min(2.5),
        Predicate::Json { .. } | Predicate::Element(_) => 40.0,
        Predicate::Words { .. } => 300.0,
        _ => 0.3,
    }
}

/// How well a conjunct of rows finds resources.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
enum Rank {
    /// A range with two ends.
    Narrow,
    /// A range with one end.
    Open,
    /// Every row of a parameter is read.
    Scan,
}

/// A part of a text is looked for in the rows of one parameter, which are fewer than resources.
fn is_text(part: &Predicate) -> bool {
    match part {
        Predicate::String { test, .. } => {
            matches!(test, StringTest::Contains(_) | StringTest::EndsWith(_))
        }
        Predicate::Or(parts) => parts.iter().all(is_text),
        _ => false,
    }
}

fn best_rows(parts: &[Predicate]) -> Option<(usize, Rank)> {
    parts
        .iter()
        .enumerate()
        .filter_map(|(at, part)| Some((at, rank(part)?)))
        .min_by_key(|(_, rank)| *rank)
}

fn rank(part: &Predicate) -> Option<Rank> {
    fn of_range<T>(test: &RangeTest<T>) -> Rank {
        match test {
            RangeTest::Within(..) => Rank::Narrow,
            RangeTest::NotWithin(..) => Rank::Scan,
            _ => Rank::Open,
        }
    }
    match part {
        Predicate::Date { test, .. } => Some(of_range(test)),
        Predicate::Quantity { test, .. } => Some(of_range(test)),
        Predicate::LastUpdated(test) => Some(of_range(test)),
        Predicate::Near { .. } => Some(Rank::Narrow),
        Predicate::String { test, .. } => Some(match test {
            StringTest::StartsWith(text) if text.is_empty() => Rank::Scan,
            StringTest::StartsWith(_) | StringTest::Exactly(_) | StringTest::Is(_) => Rank::Narrow,
            StringTest::Contains(_) | StringTest::EndsWith(_) => Rank::Scan,
        }),
        Predicate::Or(parts) if !parts.is_empty() => parts
            .iter()
            .map(rank)
            .try_fold(Rank::Narrow, |worst, rank| Some(worst.max(rank?))),
        _ => None,
    }
}
