//! A page of `_contained=true` or `both`: contained resources that match, or their containers.
//! <https://hl7.org/fhir/R4/search.html#contained>
//!
//! The order is type and key, of the contained resource where it is what is shown, else of its
//! container. What `both` adds is a second list in the same order, so that a page is the
//! beginning of the two merged. The list of containers is made anew for each page, so that a page of
//! them costs as much as there are matches.

use super::Container;
use crate::access::Access;
use crate::fhir::{ResourceType, Version, json};
use crate::search::page::{Found, bound, found};
use crate::search::plan::{Contained, ContainedType, Plan};
use crate::search::resolve::Query;
use crate::search::sql::{self, ContainedPage};
use crate::search::strategy::{self, Ground};
use bytes::Bytes;
use sqlx::{PgConnection, Row};
use std::cmp::Ordering;

/// The matches from where the query starts, at most `limit`; `plan` is that of the query with
/// its filter settled.
pub async fn matches(
    connection: &mut PgConnection,
    ground: &Ground<'_>,
    query: &Query,
    plan: &Plan,
    limit: usize,
) -> Result<Vec<Found>, sqlx::Error> {
    let backward = query.start.as_ref().is_some_and(|start| start.backward);
    let page = ContainedPage {
        plan,
        show: query.contained_type,
        position: query
            .start
            .as_ref()
            .and_then(|start| start.position.as_ref()),
        backward,
        limit,
    };
    let statement = sql::contained_page(&page, ground.access);
    let rows = bound(&statement).fetch_all(&mut *connection).await?;
    let mut matches = Vec::with_capacity(rows.len());
    for row in &rows {
        let row_found = found(row)?;
        matches.extend(match page.show {
            ContainedType::Container => Some(row_found),
            ContainedType::Contained => taken_out(row_found, row.try_get("container")?),
        });
    }
    if query.contained == Contained::Both {
        matches.extend(whole(connection, ground, query, plan, limit).await?);
    }
    matches.sort_by_key(|found| (found.version.resource_type.number(), found.key));
    if backward {
        matches.reverse();
    }
    matches.dedup_by_key(|found| found.identity());
    matches.truncate(limit);
    Ok(matches)
}

/// The resources that match and are not contained.
async fn whole(
    connection: &mut PgConnection,
    ground: &Ground<'_>,
    query: &Query,
    plan: &Plan,
    limit: usize,
) -> Result<Vec<Found>, sqlx::Error> {
    let mut start = query.start.clone();
    // The order of one type compares keys alone.
    if let (Some(from), [one]) = (&mut start, plan.types.as_slice())
        && let Some(position) = &from.position
    {
        let order = one.number().cmp(&position.type_number);
        match if from.backward {
            order.reverse()
        } else {
            order
        } {
            Ordering::Less => return Ok(Vec::new()),
            Ordering::Equal => {}
            Ordering::Greater => from.position = None,
        }
    }
    strategy::find(connection, ground, plan, start.as_ref(), limit).await
}

/// The contained resource in the body of its container.
fn taken_out(mut row: Found, container: i16) -> Option<Found> {
    let container_type = ResourceType::from_number(container)?;
    // What was stored was within the limit of its time.
    let body = json::parse(row.version.body.as_deref()?, usize::MAX).ok()?;
    let container = Container::of(container_type, &row.version.id, &body)?;
    let inner = container
        .inner()
        .iter()
        .find(|inner| inner.key == row.key)?;
    row.version.id = format!("{}#{}", row.version.id, inner.id);
    row.version.body = Some(Bytes::from(inner.resource.to_string()));
    row.container = Some(container_type);
    Some(row)
}

/// A match as it is shown: `MedicationRequest/23#m1` is the name of a contained Medication.
pub fn shown(found: Found) -> Version {
    Version {
        resource_type: found.container.unwrap_or(found.version.resource_type),
        ..found.version
    }
}

/// How many match.
pub async fn total(
    connection: &mut PgConnection,
    access: &Access,
    query: &Query,
    plan: &Plan,
) -> Result<u64, sqlx::Error> {
    let (contained, show) = (query.contained, query.contained_type);
    let statement = sql::contained_count(plan, contained, show, access);
    let counted: i64 = bound(&statement).fetch_one(connection).await?.try_get(0)?;
    Ok(u64::try_from(counted).unwrap_or_default())
}
