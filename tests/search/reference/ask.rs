//! Asks the server, page by page.

use crate::harness::{BASE, Server};
use serde::Deserialize;

/// What a server said to a query.
#[derive(Clone, Debug, PartialEq)]
pub enum Said {
    /// `Type/id` of each match, in order.
    Found(Vec<String>),
    /// The status and what it said.
    Refused(u16, String),
}

#[derive(Deserialize)]
struct Page {
    #[serde(default)]
    link: Vec<Link>,
    #[serde(default)]
    entry: Vec<Entry>,
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
pub async fn ask(server: &Server, query: &str, count: usize) -> Said {
    let separator = if query.contains('?') { '&' } else { '?' };
    let mut next = Some(format!("{query}{separator}_count={count}"));
    let mut found = Vec::new();
    while let Some(path) = next {
        let reply = server.get(&path).await;
        if reply.status != 200 {
            return Said::Refused(reply.status, reply.text());
        }
        let page: Page = serde_json::from_slice(&reply.body).expect("a Bundle");
        let matches = page.entry.into_iter().filter(|entry| {
            let search = entry.search.as_ref();
            search.is_some_and(|search| search.mode == "match")
        });
        let names = matches.filter_map(|entry| {
            let url = entry.full_url?;
            Some(url.strip_prefix(BASE)?.trim_start_matches('/').to_owned())
        });
        let names: Vec<String> = names.collect();
        assert!(names.len() <= count, "{path}: {} on a page", names.len());
        found.extend(names);
        let link = page.link.into_iter().find(|link| link.relation == "next");
        next = link.map(|link| {
            let path = link.url.strip_prefix(BASE);
            path.expect("links begin with the base").to_owned()
        });
    }
    Said::Found(found)
}
