//! Asks the server, page by page.

use super::query::Query;
use crate::harness::{BASE, Server};
use serde::Deserialize;
use std::collections::BTreeSet;

/// What a server said to a query.
#[derive(Clone, Debug, PartialEq)]
pub enum Said {
    Found(Found),
    /// The status and what it said.
    Refused(u16, String),
}

#[derive(Clone, Debug, Default, PartialEq)]
pub struct Found {
    /// `Type/id` of each match, in order.
    pub matches: Vec<String>,
    /// Those of the included resources of all pages.
    pub included: BTreeSet<String>,
    /// What each page said of the number of matches.
    pub totals: BTreeSet<usize>,
}

#[derive(Deserialize)]
struct Page {
    #[serde(default)]
    link: Vec<Link>,
    #[serde(default)]
    entry: Vec<Entry>,
    total: Option<usize>,
}

#[derive(Deserialize)]
struct Link {
    relation: String,
    url: String,
}

#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
struct Entry {
    full_url: Option<String>,
    search: Option<Search>,
}

#[derive(Deserialize)]
struct Search {
    mode: String,
}

/// All matches of all pages; a page has `count` of them.
pub async fn ask(server: &Server, query: &Query, count: usize) -> Said {
    let (path, form) = query.form();
    let form = match form.is_empty() {
        true => format!("_count={count}"),
        false => format!("{form}&_count={count}"),
    };
    let mut reply = match query.post {
        false => server.get(&format!("{path}?{form}")).await,
        true => {
            let path = format!("/fhir{path}/_search");
            let headers = ["Content-Type: application/x-www-form-urlencoded"];
            server.send("POST", &path, &headers, form).await
        }
    };
    let (mut found, mut last) = (Found::default(), None);
    loop {
        if reply.status != 200 {
            return Said::Refused(reply.status, reply.text());
        }
        let page: Page = serde_json::from_slice(&reply.body).expect("a Bundle");
        let before = found.matches.len();
        for entry in page.entry {
            found.add(entry);
        }
        let matches = found.matches.len() - before;
        assert!(matches <= count, "{query}: {matches} on a page");
        found.totals.extend(page.total);
        let link = |relation: &str| {
            let found = page.link.iter().find(|link| link.relation == relation);
            found.map(|link| link.url.clone())
        };
        last = last.or(link("last"));
        let Some(next) = link("next") else {
            // What is about as old as a moment ago is another matter a moment later.
            let stays = !query.to_string().contains("_lastUpdated=ap");
            if let Some(url) = last.filter(|_| stays) {
                found.check_last(server, &url, query).await;
            }
            return Said::Found(found);
        };
        reply = server.get(below(&next)).await;
    }
}

fn below(url: &str) -> &str {
    url.strip_prefix(BASE).expect("links begin with the base")
}

impl Found {
    /// The last page is the end of all pages, whichever page tells of it.
    async fn check_last(&self, server: &Server, url: &str, query: &Query) {
        let reply = server.get(below(url)).await;
        let page: Page = serde_json::from_slice(&reply.body).expect("a Bundle");
        let mut last = Found::default();
        assert!(!page.link.iter().any(|link| link.relation == "next"));
        page.entry.into_iter().for_each(|entry| last.add(entry));
        assert!(!last.matches.is_empty(), "{query}: {url}");
        assert!(self.matches.ends_with(&last.matches), "{query}: {url}");
    }

    fn add(&mut self, entry: Entry) {
        let (Some(url), Some(search)) = (entry.full_url, entry.search) else {
            return;
        };
        let name = url.strip_prefix(BASE).unwrap_or(&url);
        let name = name.trim_start_matches('/').to_owned();
        match search.mode.as_str() {
            "match" => self.matches.push(name),
            "include" => drop(self.included.insert(name)),
            _ => {}
        }
    }
}
