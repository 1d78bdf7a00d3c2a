//! What an answer should hold, told from the facts alone, and whether it does.

use crate::Result;
use crate::grow::{Kind, World};
use serde::Deserialize;
use std::collections::HashSet;

/// Matches on a page, where the request says nothing.
pub const PAGE: usize = 20;

/// By what a page is sorted: greater first where it descends.
#[derive(Clone, Copy)]
pub struct Order {
    pub descending: bool,
    pub key: fn(&World, u32) -> i64,
}

/// The resources that a match brings with it.
pub type Bring = fn(&World, u32) -> Vec<(Kind, u64)>;

/// All matches of a search and what its page shows of them.
pub struct Expected {
    pub kind: Kind,
    /// Upwards, each once.
    pub numbers: Vec<u32>,
    pub order: Option<Order>,
    /// Matches on the pages before.
    pub before: usize,
    pub brings: Option<Bring>,
    /// The answer is a number.
    pub counts: bool,
}

impl Expected {
    /// A page by itself, in any order.
    pub fn of(kind: Kind, mut numbers: Vec<u32>) -> Expected {
        numbers.sort_unstable();
        numbers.dedup();
        Expected {
            kind,
            numbers,
            order: None,
            before: 0,
            brings: None,
            counts: false,
        }
    }

    pub fn sorted(mut self, descending: bool, key: fn(&World, u32) -> i64) -> Expected {
        self.order = Some(Order { descending, key });
        self
    }

    /// The matches on its page.
    pub fn rows(&self) -> usize {
        match self.counts {
            true => 0,
            false => self.numbers.len().saturating_sub(self.before).min(PAGE),
        }
    }

    /// Fails with what is wrong with the matches and the included resources of a page.
    fn check(&self, world: &World, matches: &[&str], included: Option<&[&str]>) -> Result<()> {
        if matches.len() != self.rows() {
            return Err(format!(
                "expected {} matches but found {}",
                self.rows(),
                matches.len()
            )
            .into());
        }
        let mut numbers = Vec::with_capacity(matches.len());
        for id in matches {
            let found = world.find(id).filter(|(kind, _)| *kind == self.kind);
            let number = found.and_then(|(_, number)| u32::try_from(number).ok());
            match number.filter(|number| self.numbers.binary_search(number).is_ok()) {
                Some(number) => numbers.push(number),
                None => return Err(format!("{id} does not match").into()),
            }
        }
        if numbers.iter().collect::<HashSet<_>>().len() < numbers.len() {
            return Err("a match is there twice".into());
        }
        if let Some(order) = self.order {
            let key = |number: &u32| (order.key)(world, *number);
            let mut all: Vec<i64> = self.numbers.iter().map(key).collect();
            all.sort_unstable();
            if order.descending {
                all.reverse();
            }
            let expected = all.into_iter().skip(self.before).take(PAGE);
            if !numbers.iter().map(key).eq(expected) {
                return Err("the order is not as expected".into());
            }
        }
        if let Some(included) = included {
            let brings = |number: &u32| {
                self.brings
                    .map_or(Vec::new(), |brings| brings(world, *number))
            };
            let expected: HashSet<String> = numbers
                .iter()
                .flat_map(brings)
                .map(|(kind, number)| world.id(kind, number))
                .collect();
            let found: HashSet<String> = included.iter().map(|id| (*id).to_owned()).collect();
            if expected != found || included.len() != found.len() {
                return Err(format!(
                    "expected {} included resources but found {}",
                    expected.len(),
                    included.len()
                )
                .into());
            }
        }
        Ok(())
    }
}

#[derive(Deserialize)]
struct Bundle<'a> {
    total: Option<u64>,
    #[serde(borrow, default)]
    entry: Vec<Entry<'a>>,
    #[serde(borrow, default)]
    link: Vec<Link<'a>>,
}

#[derive(Deserialize)]
struct Link<'a> {
    relation: &'a str,
    url: &'a str,
}

#[derive(Deserialize)]
struct Entry<'a> {
    #[serde(borrow)]
    resource: Resource<'a>,
    #[serde(borrow)]
    search: Mode<'a>,
}

#[derive(Deserialize)]
struct Mode<'a> {
    mode: &'a str,
}

#[derive(Deserialize)]
struct Resource<'a> {
    id: &'a str,
}

/// Compares the Bundle of a server with what was expected; returns the resources in it.
pub fn check_bundle(world: &World, expected: &Expected, body: &[u8]) -> Result<usize> {
    let bundle: Bundle<'_> = serde_json::from_slice(body)?;
    let with = |mode: &str| -> Vec<&str> {
        let entries = bundle.entry.iter();
        let entries = entries.filter(|entry| entry.search.mode == mode);
        entries.map(|entry| entry.resource.id).collect()
    };
    let total = expected.numbers.len() as u64;
    if bundle.total.is_some_and(|found| found != total)
        || (expected.counts && bundle.total.is_none())
    {
        return Err(format!("expected a total of {total} but found {:?}", bundle.total).into());
    }
    expected.check(world, &with("match"), Some(&with("include")))?;
    Ok(bundle.entry.len())
}

/// The path of the link to the next page.
pub fn next(body: &[u8]) -> Result<Option<String>> {
    let bundle: Bundle<'_> = serde_json::from_slice(body)?;
    let link = bundle.link.iter().find(|link| link.relation == "next");
    let path = link.and_then(|link| link.url.split_once("://")?.1.split_once('/'));
    Ok(path.map(|(_, path)| format!("/{path}")))
}

/// The same for the rows that the floor answered with.
pub fn check_rows(world: &World, expected: &Expected, rows: &[String]) -> Result<usize> {
    if expected.counts {
        let total = expected.numbers.len().to_string();
        return match rows == [total.as_str()] {
            true => Ok(1),
            false => Err(format!("expected {total} but found {rows:?}").into()),
        };
    }
    let mut ids = Vec::with_capacity(rows.len());
    for row in rows {
        ids.push(serde_json::from_str::<Resource<'_>>(row)?.id);
    }
    let is_match = |id: &&str| {
        world
            .find(id)
            .is_some_and(|(kind, _)| kind == expected.kind)
    };
    let (matches, included): (Vec<&str>, Vec<&str>) = ids.into_iter().partition(is_match);
    expected.check(world, &matches, Some(&included))?;
    Ok(rows.len())
}
