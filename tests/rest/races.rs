//! Fifty clients at once; TE1, TE17, sheet 01 §14.

use super::bundle::bundle;
use super::{patient, patient_with_id};
use crate::harness::{Reply, Server};
use serde_json::{Value, json};
use std::collections::HashSet;
use std::future::Future;
use tokio::task::JoinSet;

/// Runs `count` requests at once and returns the replies.
async fn at_once<F>(count: usize, request: impl Fn(usize) -> F) -> Vec<Reply>
where
    F: Future<Output = Reply> + Send + 'static,
{
    let mut tasks = JoinSet::new();
    for n in 0..count {
        tasks.spawn(request(n));
    }
    tasks.join_all().await
}

fn statuses(replies: &[Reply]) -> Vec<u16> {
    let mut statuses: Vec<u16> = replies.iter().map(|reply| reply.status).collect();
    statuses.sort_unstable();
    statuses
}

#[tokio::test(flavor = "multi_thread")]
async fn fifty_conditional_creates_make_one_patient() {
    let server = Server::start().await;
    let replies = at_once(50, |n| {
        let server = server.clone();
        async move {
            let header = ["If-None-Exist: identifier=urn:t|1"];
            match n % 3 {
                // By REST, by batch, by transaction: one rule.
                0 => server.post_with("/Patient", &header, &patient("1")).await,
                kind => {
                    let entry = json!({"resource": patient("1"), "request": {"method": "POST", "url": "Patient", "ifNoneExist": "identifier=urn:t|1"}});
                    let kind = if kind == 1 { "batch" } else { "transaction" };
                    server.post("", &bundle(kind, vec![entry])).await
                }
            }
        }
    })
    .await;
    for reply in &replies {
        assert!([200, 201].contains(&reply.status), "{}", reply.text());
        for entry in reply.entries() {
            let status = entry["response"]["status"].as_str().expect("a status");
            assert!(status.starts_with("20"), "{entry}");
        }
    }
    assert_eq!(server.get("/Patient").await.ids().len(), 1);
}

#[tokio::test(flavor = "multi_thread")]
async fn fifty_conditional_updates_make_one_patient() {
    let server = Server::start().await;
    let replies = at_once(50, |n| {
        let server = server.clone();
        async move {
            let mut resource = patient("1");
            resource["birthDate"] = json!(format!("19{:02}", 30 + n));
            server.put("/Patient?identifier=urn:t|1", &resource).await
        }
    })
    .await;
    let statuses = statuses(&replies);
    assert_eq!(
        statuses.iter().filter(|status| **status == 201).count(),
        1,
        "{statuses:?}"
    );
    assert!(
        statuses.iter().all(|status| [200, 201].contains(status)),
        "{statuses:?}"
    );
    let ids = server.get("/Patient").await.ids();
    assert_eq!(ids.len(), 1);
    let history = server
        .get(&format!("/Patient/{}/_history?_count=100", ids[0]))
        .await;
    assert_eq!(history.entries().len(), 50);
}

#[tokio::test(flavor = "multi_thread")]
async fn one_of_fifty_updates_with_the_same_if_match_wins() {
    let server = Server::start().await;
    server
        .put("/Patient/a", &patient_with_id("a", "0"))
        .await
        .expect(201);
    let replies = at_once(50, |n| {
        let server = server.clone();
        async move {
            server
                .put_with(
                    "/Patient/a",
                    &["If-Match: W/\"1\""],
                    &patient_with_id("a", &format!("new {n}")),
                )
                .await
        }
    })
    .await;
    let statuses = statuses(&replies);
    assert_eq!(
        statuses.iter().filter(|status| **status == 200).count(),
        1,
        "{statuses:?}"
    );
    assert_eq!(
        statuses.iter().filter(|status| **status == 412).count(),
        49,
        "{statuses:?}"
    );
    let winner = replies
        .iter()
        .find(|reply| reply.status == 200)
        .expect("a winner")
        .json();
    assert_eq!(server.get("/Patient/a").await.json(), winner);
}

#[tokio::test(flavor = "multi_thread")]
async fn no_update_is_lost_without_if_match() {
    let server = Server::start().await;
    let replies = at_once(50, |n| {
        let server = server.clone();
        async move {
            server
                .put("/Patient/a", &patient_with_id("a", &n.to_string()))
                .await
        }
    })
    .await;
    let statuses = statuses(&replies);
    assert!(
        statuses.iter().all(|status| [200, 201].contains(status)),
        "{statuses:?}"
    );
    assert_eq!(statuses.iter().filter(|status| **status == 201).count(), 1);
    let tags: HashSet<&str> = replies
        .iter()
        .filter_map(|reply| reply.header("etag"))
        .collect();
    assert_eq!(tags.len(), 50);
    assert_eq!(
        server
            .get("/Patient/a/_history?_count=100")
            .await
            .entries()
            .len(),
        50
    );
}

#[tokio::test(flavor = "multi_thread")]
async fn fifty_patches_all_take_effect() {
    let server = Server::start().await;
    server
        .put("/Patient/a", &patient_with_id("a", "0"))
        .await
        .expect(201);
    let replies = at_once(50, |n| {
        let server = server.clone();
        async move {
            let patch =
                json!([{"op": "add", "path": "/identifier/-", "value": {"value": n.to_string()}}]);
            server.json_patch("/Patient/a", &[], &patch).await
        }
    })
    .await;
    assert!(replies.iter().all(|reply| reply.status == 200));
    let patient = server.get("/Patient/a").await.json();
    assert_eq!(patient["identifier"].as_array().map(Vec::len), Some(51));
}

#[tokio::test(flavor = "multi_thread")]
async fn transactions_in_opposite_order_never_fail() {
    let server = Server::start().await;
    let entries = |turn: usize| -> Vec<Value> {
        let mut entries: Vec<Value> = (0..100)
            .map(|n| {
                let id = format!("p{n}");
                json!({"resource": patient_with_id(&id, &format!("{turn}")), "request": {"method": "PUT", "url": format!("Patient/{id}")}})
            })
            .collect();
        if turn % 2 == 1 {
            entries.reverse();
        }
        entries
    };
    let replies = at_once(20, |turn| {
        let server = server.clone();
        let entries = entries(turn);
        async move { server.post("", &bundle("transaction", entries)).await }
    })
    .await;
    for reply in &replies {
        assert_eq!(reply.status, 200, "{}", reply.text());
    }
    // Whole transactions only: all patients carry the number of the same one.
    let mut last = HashSet::new();
    for n in 0..100 {
        last.insert(
            server.get(&format!("/Patient/p{n}")).await.json()["identifier"][0]["value"]
                .to_string(),
        );
    }
    assert_eq!(last.len(), 1);
    let history = server.get("/Patient/_history?_count=1000").await;
    assert!(history.link("next").is_some());
}

#[tokio::test(flavor = "multi_thread")]
async fn creates_that_share_a_transaction_fail_alone() {
    let server = Server::start().await;
    let replies = at_once(50, |n| {
        let server = server.clone();
        async move {
            let subject = if n % 5 == 0 { "Patient/none" } else { "Patient/p" };
            if n == 0 {
                return server.put("/Patient/q", &patient_with_id("q", "1")).await;
            }
            let observation = json!({"resourceType": "Observation", "status": "final", "code": {"text": "x"}, "subject": {"reference": subject}});
            server.post("/Observation", &observation).await
        }
    })
    .await;
    // Patient/p does not exist either, until it does: nothing was stored for a bad reference.
    assert!(replies.iter().filter(|reply| reply.status == 422).count() >= 9);
    server
        .put("/Patient/p", &patient_with_id("p", "1"))
        .await
        .expect(201);
    let replies = at_once(50, |n| {
        let server = server.clone();
        async move {
            let subject = if n % 5 == 0 { "Patient/none" } else { "Patient/p" };
            let observation = json!({"resourceType": "Observation", "status": "final", "code": {"text": "x"}, "subject": {"reference": subject}});
            server.post("/Observation", &observation).await
        }
    })
    .await;
    assert_eq!(
        replies.iter().filter(|reply| reply.status == 422).count(),
        10
    );
    assert_eq!(
        replies.iter().filter(|reply| reply.status == 201).count(),
        40
    );
    let total = server.get("/Observation?_total=accurate&_count=0").await;
    assert_eq!(total.json()["total"], 40);
}
