//! Killed in the middle of a storm of writes: every acknowledged write is there afterwards,
//! every Bundle is whole or absent.

use super::program::{Serving, data_dir};
use super::serve::postmaster;
use rustix::process::{Signal, kill_process};
use serde_json::{Value, json};
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use tokio::task::JoinSet;

/// Clients that write at once.
const CLIENTS: usize = 8;
/// Acknowledged writes before the kill.
const ENOUGH: usize = 300;
/// Entries of each transaction.
const ENTRIES: usize = 5;

fn patient(value: &str) -> Value {
    json!({"resourceType": "Patient", "identifier": [{"system": "urn:storm", "value": value}]})
}

/// What a client was told is stored.
#[derive(Default)]
struct Acknowledged {
    /// Locations of single creates.
    locations: Vec<String>,
    /// Names of transactions.
    bundles: Vec<String>,
}

/// What one client did.
struct Storm {
    client: usize,
    acknowledged: Acknowledged,
    turns: usize,
}

/// Writes until the server is gone; `count` counts what was acknowledged.
async fn storm(url: String, client: usize, count: Arc<AtomicUsize>) -> Storm {
    let http = reqwest::Client::new();
    let mut acknowledged = Acknowledged::default();
    for turn in 0.. {
        let name = format!("{client}-{turn}");
        let (path, body) = if turn % 2 == 0 {
            ("/fhir/Patient", patient(&name))
        } else {
            let entry = json!({"resource": patient(&name), "request": {"method": "POST", "url": "Patient"}});
            (
                "/fhir",
                json!({"resourceType": "Bundle", "type": "transaction", "entry": vec![entry; ENTRIES]}),
            )
        };
        let sent = http
            .post(format!("{url}{path}"))
            .header("content-type", "application/fhir+json")
            .body(body.to_string())
            .send()
            .await;
        let Ok(reply) = sent else {
            return Storm {
                client,
                acknowledged,
                turns: turn + 1,
            };
        };
        let status = reply.status().as_u16();
        assert!(
            [200, 201, 503].contains(&status),
            "{status}: {:?}",
            reply.text().await
        );
        if status == 201 {
            let location = reply.headers()["location"].to_str().expect("a URL");
            let path = location.find("/fhir/").expect("a path");
            acknowledged.locations.push(location[path..].to_owned());
        } else if status == 200 {
            acknowledged.bundles.push(name);
        }
        count.fetch_add(1, Ordering::Relaxed);
    }
    unreachable!("the turns do not end");
}

#[tokio::test(flavor = "multi_thread")]
async fn what_was_acknowledged_survives_a_kill() {
    let _ = rustls::crypto::ring::default_provider().install_default();
    let data = data_dir();
    for database_too in [false, true] {
        let server = Serving::start(data.path(), &[]).await;
        let count = Arc::new(AtomicUsize::new(0));
        let mut clients = JoinSet::new();
        for client in 0..CLIENTS {
            let name = client + CLIENTS * usize::from(database_too);
            clients.spawn(storm(server.url.clone(), name, Arc::clone(&count)));
        }
        while count.load(Ordering::Relaxed) < ENOUGH {
            tokio::task::yield_now().await;
        }
        let postgres = postmaster(data.path()).expect("PostgreSQL runs");
        server.kill().await;
        if database_too {
            kill_process(postgres, Signal::KILL).expect("it can be killed");
        }
        let storms = clients.join_all().await;

        let server = Serving::start(data.path(), &[]).await;
        for storm in &storms {
            for location in &storm.acknowledged.locations {
                assert_eq!(server.get(location).await.0, 200, "{location} is lost");
            }
            for name in &storm.acknowledged.bundles {
                assert_eq!(
                    found(&server, name).await,
                    ENTRIES,
                    "the transaction {name} is not whole"
                );
            }
        }
        // Those that were not acknowledged are whole or absent as well.
        let (_, all) = server.get("/fhir/Patient?_summary=count").await;
        assert!(
            all["total"]
                .as_u64()
                .is_some_and(|total| total >= ENOUGH as u64 / 2)
        );
        for Storm { client, turns, .. } in storms {
            for turn in turns.saturating_sub(3)..=turns {
                let count = found(&server, &format!("{client}-{turn}")).await;
                let whole = if turn % 2 == 0 { 1 } else { ENTRIES };
                assert!(
                    count == 0 || count == whole,
                    "{client}-{turn}: {count} of {whole}"
                );
            }
        }
        server.stop().await;
    }
}

async fn found(server: &Serving, name: &str) -> usize {
    let (status, page) = server
        .get(&format!("/fhir/Patient?identifier=urn:storm|{name}"))
        .await;
    assert_eq!(status, 200, "{page}");
    page["entry"].as_array().map_or(0, Vec::len)
}
