//! Makes a disagreement small: fewer conditions, fewer alternatives, fewer resources.

use super::query::Query;
use super::records::put;
use super::world::World;
use super::{Disagreement, disagreement};
use crate::harness::Server;
use serde_json::Value;

/// The smallest query on this server that is still disagreed about.
async fn smallest(server: &Server, world: &World, first: Box<Disagreement>) -> Box<Disagreement> {
    let mut smallest = first;
    'again: loop {
        for query in smaller(&smallest.query) {
            if let Some(found) = disagreement(server, world, &query, smallest.count).await {
                smallest = found;
                continue 'again;
            }
        }
        return smallest;
    }
}

/// Each query that lacks one thing.
fn smaller(query: &Query) -> Vec<Query> {
    let mut all = Vec::new();
    if query.total || query.post {
        all.push(Query {
            total: false,
            post: false,
            ..query.clone()
        });
    }
    for at in 0..query.sort.len() {
        let mut less = query.clone();
        less.sort.remove(at);
        all.push(less);
    }
    for at in 0..query.includes.len() {
        let mut less = query.clone();
        less.includes.remove(at);
        all.push(less);
    }
    for at in 0..query.terms.len() {
        if query.terms.len() > 1 {
            let mut less = query.clone();
            less.terms.remove(at);
            all.push(less);
        }
        for value in 0..query.terms[at].values.len() {
            if query.terms[at].values.len() > 1 {
                let mut less = query.clone();
                less.terms[at].values.remove(value);
                all.push(less);
            }
        }
    }
    all
}

/// A report of the smallest case: on a server with nothing but what takes part, where that
/// is enough to see it.
pub async fn report(server: &Server, world: &World, first: Box<Disagreement>) -> String {
    let again = disagreement(server, world, &first.query, first.count).await;
    if again.is_none() {
        return format!("{first}\n  (not when it is asked again)");
    }
    let small = smallest(server, world, first).await;
    let Some(culprit) = small.culprits.first().cloned() else {
        return small.to_string();
    };
    let alone = world.with_only(|record| record.name() == culprit);
    let neighbours = world.with_only(|record| {
        let here = record.json.to_string();
        let there = world.find(&culprit).map(|r| r.json.to_string());
        let name = format!("\"{}\"", record.name());
        record.name() == culprit
            || here.contains(&format!("\"{culprit}\""))
            || there.is_some_and(|there| there.contains(&name))
    });
    for subset in [alone, neighbours] {
        let fresh = Server::with(|settings| {
            settings.integrity = andiron::config::Integrity::Off;
        })
        .await;
        let resources: Vec<Value> = subset.records.iter().map(|r| r.json.clone()).collect();
        let fewer = put(&fresh, &resources).await;
        if let Some(found) = disagreement(&fresh, &fewer, &small.query, small.count).await {
            let found = smallest(&fresh, &fewer, found).await;
            let shown = fewer.find(&culprit).map(|r| r.json.to_string());
            let shown: String = shown.unwrap_or_default().chars().take(1500).collect();
            let names: Vec<String> = fewer.records.iter().map(|r| r.name()).collect();
            return format!("{found}\n  with only {}\n  {shown}", names.join(", "));
        }
    }
    format!("{small}\n  (only seen among all resources)")
}
