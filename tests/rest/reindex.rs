//! `$reindex` and the jobs behind it: TD6, pains D1 to D3 and D5.

use super::search_parameter::{count, eyes, parameter, patient, populate, work, work_off};
use crate::harness::{Server, database, settings};
use andiron::access::Access;
use andiron::fhir::ResourceType;
use andiron::jobs::{self, Work, reindex, worker};
use andiron::search::index::signature;
use andiron::storage::jobs::{self as stored, State};
use serde_json::json;
use sqlx::postgres::PgConnectOptions;
use sqlx::{ConnectOptions, Executor};
use std::time::Duration;
use tokio::sync::watch;

async fn execute(options: &PgConnectOptions, statement: &'static str) {
    let mut connection = options.connect().await.expect("the database answers");
    connection.execute(statement).await.expect("it is right");
}

/// The id at the end of a job's URL.
fn job_id(url: &str) -> String {
    url.rsplit('/').next().expect("an id").to_owned()
}

/// Takes the oldest job and makes `steps` steps of it, as a worker that then dies.
async fn work_a_while(server: &Server, steps: usize) -> stored::Job {
    let mut connection = server
        .hub
        .store
        .begin(&Access::unrestricted())
        .await
        .expect("a connection");
    let lease = Duration::from_secs(30);
    let taken = stored::take(&mut connection, "mortal", lease, None).await;
    let mut job = taken.expect("it answers").expect("a job is queued");
    connection.commit().await.expect("committed");
    for _ in 0..steps {
        let step = reindex::step(&server.hub, &mut job, "mortal", lease).await;
        assert_eq!(step.expect("a step"), reindex::Step::More);
    }
    job
}

async fn green(server: &Server) -> u64 {
    count(&server.get("/Patient?eyes=green&_total=accurate").await)
}

/// What is asked for is done, and asked again is done without a write.
#[tokio::test(flavor = "multi_thread")]
async fn reindex_restores_rows_and_touches_nothing_else() {
    let options = database().await;
    let server = Server::on(options.clone(), settings()).await;
    populate(&server, 250).await;
    server
        .put(
            "/Patient/p1",
            &json!({"resourceType": "Patient", "id": "p1", "birthDate": "1974-12-25",
        "name": [{"family": "Ångström"}], "gender": "male"}),
        )
        .await
        .expect(200);
    server
        .put(
            "/Observation/o",
            &json!({"resourceType": "Observation", "id": "o", "status": "final",
        "code": {"text": "x"}, "valueQuantity": {"value": 5.40, "unit": "g"}}),
        )
        .await
        .expect(201);
    let before = server.get("/Patient/_history?_count=1").await.json()["total"].clone();
    execute(
        &options,
        "UPDATE resource SET entries = '{1,2}', present = 0",
    )
    .await;
    execute(
        &options,
        "DELETE FROM date_entry; DELETE FROM string_entry; DELETE FROM quantity_entry",
    )
    .await;
    execute(
        &options,
        "INSERT INTO date_entry SELECT 1, 5, key, 1, 2 FROM resource",
    )
    .await;
    assert_eq!(
        server.get("/Patient?gender=male").await.ids(),
        [] as [&str; 0]
    );

    let body = json!({"resourceType": "Parameters", "parameter": [
        {"name": "type", "valueCode": "Patient"}, {"name": "type", "valueCode": "Observation"}]});
    let accepted = server.post("/$reindex", &body).await;
    let url = accepted
        .expect(202)
        .header("content-location")
        .expect("a job")
        .to_owned();
    let path = url
        .strip_prefix(crate::harness::BASE)
        .expect("our own URL")
        .to_owned();
    let queued = server.get(&path).await;
    assert_eq!(queued.expect(202).header("x-progress"), Some("queued"));
    let job = work(&server).await.expect("a job");
    assert_eq!((job.state, job.done), (State::Done, 251));
    let done = server.get(&path).await;
    assert_eq!(done.expect(200).header("x-progress"), None);
    assert!(done.text().contains("\"done\""), "{}", done.text());

    for query in ["gender=male", "family=angstrom", "birthdate=1974-12-25"] {
        let found = server.get(&format!("/Patient?{query}")).await;
        assert_eq!(found.expect(200).ids(), ["p1"], "{query}");
    }
    assert_eq!(
        server
            .get("/Observation?value-quantity=5.4")
            .await
            .expect(200)
            .ids(),
        ["o"]
    );
    let read = server.get("/Patient/p1").await;
    assert_eq!(read.header("etag"), Some("W/\"2\""));
    assert_eq!(
        server.get("/Patient/_history?_count=1").await.json()["total"],
        before
    );

    let written = "SELECT count(*) || '-' || max(xmin::text::bigint) || '-' || \
        (SELECT max(xmin::text::bigint) FROM date_entry) || '-' || \
        (SELECT max(xmin::text::bigint) FROM string_entry) FROM resource";
    let mut connection = options.connect().await.expect("the database answers");
    let first: String = sqlx::query_scalar(written)
        .fetch_one(&mut connection)
        .await
        .expect("a row");
    server
        .send("POST", "/fhir/$reindex", &[], "")
        .await
        .expect(202);
    work_off(&server).await;
    let then: String = sqlx::query_scalar(written)
        .fetch_one(&mut connection)
        .await
        .expect("a row");
    assert_eq!(first, then, "what is right is only read");
}

#[tokio::test(flavor = "multi_thread")]
async fn what_is_asked_of_reindex_is_checked() {
    let server = Server::start().await;
    let parameters = |name: &str, value: &str| json!({"resourceType": "Parameters", "parameter": [{"name": name, "valueCode": value}]});
    server
        .post("/$reindex", &parameters("type", "Patiens"))
        .await
        .expect(400);
    server
        .post("/$reindex", &parameters("kind", "Patient"))
        .await
        .expect(400);
    server
        .post("/$reindex", &json!({"resourceType": "Patient"}))
        .await
        .expect(400);
    server
        .post("/Patient/$reindex", &parameters("type", "Group"))
        .await
        .expect(400);
    server
        .post("/Patiens/$reindex", &json!({"resourceType": "Parameters"}))
        .await
        .expect(404);
    server
        .send("POST", "/fhir/$reindex?type=Nothing", &[], "")
        .await
        .expect(400);
    assert!(work(&server).await.is_none());
    server.get("/_job/unknown").await.expect(404);
    server.delete("/_job/unknown").await.expect(404);
    server
        .send("POST", "/fhir/Patient/$reindex", &[], "")
        .await
        .expect(202);
    let list = server.get("/_job").await;
    assert!(
        list.expect(200).text().contains("\"Patient\""),
        "{}",
        list.text()
    );
}

/// TD6, D1: the worker dies halfway; another goes on where it stood.
#[tokio::test(flavor = "multi_thread")]
async fn a_job_outlives_its_worker() {
    let options = database().await;
    let server = Server::on(options.clone(), settings()).await;
    populate(&server, 900).await;
    server
        .put("/SearchParameter/eyes", &eyes())
        .await
        .expect(201);
    let mortal = work_a_while(&server, 3).await;
    assert_eq!((mortal.done, mortal.total), (400, Some(900)));
    let path = format!("/_job/{}", mortal.id);
    let progress = server.get(&path).await;
    assert_eq!(
        progress.expect(202).header("x-progress"),
        Some("400 of 900 resources (44 %)")
    );
    // Its lease still runs, so that nobody else takes the job.
    assert!(work(&server).await.is_none());
    drop(server);

    // Another process, after the lease has run out.
    execute(
        &options,
        "UPDATE job SET lease = now() - interval '1 second'",
    )
    .await;
    let server = Server::on(options.clone(), settings()).await;
    let background = jobs::start(&server.hub, Work::No).await.expect("it starts");
    server.get("/Patient?eyes=green").await.expect(400);
    let job = work(&server).await.expect("it is taken over");
    assert_eq!(
        (job.state, job.done, job.id == mortal.id),
        (State::Done, 900, true)
    );
    assert_eq!(green(&server).await, 300);
    // Who lost it can do nothing more.
    let mut mortal = mortal;
    let lease = Duration::from_secs(30);
    let step = reindex::step(&server.hub, &mut mortal, "mortal", lease).await;
    assert_eq!(step.expect("a step"), reindex::Step::Lost);
    background.stop().await;

    // And what is built is so after a restart.
    let server = Server::on(options, settings()).await;
    let background = jobs::start(&server.hub, Work::No).await.expect("it starts");
    assert_eq!(green(&server).await, 300);
    background.stop().await;
}

/// A worker that is asked to stop gives its job back at once.
#[tokio::test(flavor = "multi_thread")]
async fn a_worker_that_stops_gives_its_job_back() {
    let server = Server::start().await;
    populate(&server, 500).await;
    server
        .put("/SearchParameter/eyes", &eyes())
        .await
        .expect(201);
    let (ask, stop) = watch::channel(false);
    let mut told = |job: &stored::Job| {
        if job.done > 0 {
            ask.send_replace(true);
        }
    };
    let job = worker::work(&server.hub, "one", None, &stop, &mut told).await;
    let job = job.expect("it answers").expect("a job");
    assert_eq!((job.state, job.done), (State::Queued, 200));
    let job = work(&server).await.expect("a job");
    assert_eq!((job.state, job.done), (State::Done, 500));
    assert_eq!(green(&server).await, 167);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_cancelled_job_leaves_the_parameter_unbuilt_until_it_is_asked_for_again() {
    let server = Server::start().await;
    populate(&server, 500).await;
    server
        .put("/SearchParameter/eyes", &eyes())
        .await
        .expect(201);
    let mut job = work_a_while(&server, 2).await;
    let path = format!("/_job/{}", job.id);
    let cancelled = server.delete(&path).await;
    assert!(
        cancelled.expect(202).text().contains("\"cancelled\""),
        "{}",
        cancelled.text()
    );
    let step = reindex::step(&server.hub, &mut job, "mortal", Duration::from_secs(30)).await;
    assert_eq!(step.expect("a step"), reindex::Step::Lost);
    assert!(
        server
            .get(&path)
            .await
            .expect(200)
            .text()
            .contains("\"cancelled\"")
    );
    server.delete(&path).await.expect(202);
    assert!(work(&server).await.is_none());
    server.get("/Patient?eyes=green").await.expect(400);

    let again = server.send("POST", "/fhir/Patient/$reindex", &[], "").await;
    let id = job_id(again.expect(202).header("content-location").expect("a job"));
    let issues = server.get("/Patient?eyes=green").await.expect(400).issues();
    assert!(issues.contains(&id), "{issues}");
    work_off(&server).await;
    assert_eq!(green(&server).await, 167);
}

/// D3: what one node adds, the other takes, whatever it was doing.
#[tokio::test(flavor = "multi_thread")]
async fn nodes_agree_before_a_parameter_is_built() {
    let options = database().await;
    let a = Server::on(options.clone(), settings()).await;
    let b = Server::on(options.clone(), settings()).await;
    let of_a = jobs::start(&a.hub, Work::Yes).await.expect("it starts");
    let of_b = jobs::start(&b.hub, Work::No).await.expect("it starts");
    populate(&a, 20).await;
    // A write of the other node, indexed before the parameter came.
    let patient_type = ResourceType::parse("Patient").expect("a type");
    let access = Access::unrestricted();
    let stale = b.hub.registry().index(
        access.tenant,
        patient_type,
        &patient("late", "green"),
        &b.hub.settings.base,
    );
    a.put("/SearchParameter/eyes", &eyes()).await.expect(201);
    let job = a.get("/_job").await.json();
    let job = job["parameter"][0]["part"][0]["valueUri"]
        .as_str()
        .expect("a job")
        .to_owned();
    let path = job
        .strip_prefix(crate::harness::BASE)
        .expect("our own URL")
        .to_owned();
    // The other node hears of it, and indexes its next write by it.
    until(async || b.hub.live.current().generation > 0).await;
    b.put("/Patient/next", &patient("next", "green"))
        .await
        .expect(201);
    // But nothing is built as long as it may still store what it indexed before.
    until(async || a.get(&path).await.expect(202).text().contains("running")).await;
    let state = a.get(&path).await;
    assert!(!state.text().contains("total"), "{}", state.text());
    drop(stale);
    until(async || a.get(&path).await.status == 200).await;
    until(async || b.get("/Patient?eyes=green").await.status == 200).await;
    assert_eq!(green(&a).await, 8);
    assert_eq!(green(&b).await, 8);
    b.delete("/SearchParameter/eyes").await.expect(204);
    until(async || a.get("/Patient?eyes=green").await.status == 400).await;
    of_b.stop().await;
    of_a.stop().await;
    let mut connection = options.connect().await.expect("the database answers");
    let nodes: i64 = sqlx::query_scalar("SELECT count(*) FROM node")
        .fetch_one(&mut connection)
        .await
        .expect("a row");
    assert_eq!(nodes, 0);
}

/// A node that others gave up takes what came meanwhile for unbuilt.
#[tokio::test(flavor = "multi_thread")]
async fn a_node_that_was_away_has_its_writes_looked_at_again() {
    let server = Server::start().await;
    server
        .put("/SearchParameter/eyes", &eyes())
        .await
        .expect(201);
    work_off(&server).await;
    assert_eq!(green(&server).await, 0);
    let access = Access::unrestricted();
    reindex::doubt(&server.hub, &access, 0)
        .await
        .expect("it works");
    server.get("/Patient?eyes=green").await.expect(400);
    work_off(&server).await;
    assert_eq!(green(&server).await, 0);
    // Nothing came since: nothing is in doubt.
    let known = server.hub.live.current().generation;
    reindex::doubt(&server.hub, &access, known)
        .await
        .expect("it works");
    assert!(work(&server).await.is_none());
}

/// D5: writers and edits of parameters go on, and what they leave is what is found.
#[tokio::test(flavor = "multi_thread")]
async fn writes_go_on_while_a_job_runs() {
    let options = database().await;
    let server = Server::on(options.clone(), settings()).await;
    populate(&server, 600).await;
    let background = jobs::start(&server.hub, Work::Yes)
        .await
        .expect("it starts");
    server
        .put("/SearchParameter/eyes", &eyes())
        .await
        .expect(201);
    let writer = |start: usize| {
        let server = server.clone();
        async move {
            for n in (start..600).step_by(4) {
                let id = format!("p{n}");
                match n % 5 {
                    0 => {
                        let tag = json!({"resourceType": "Parameters", "parameter": [{"name": "meta",
                            "valueMeta": {"tag": [{"system": "urn:t", "code": "seen"}]}}]});
                        server
                            .post(&format!("/Patient/{id}/$meta-add"), &tag)
                            .await
                            .expect(200);
                    }
                    1 => {
                        server.delete(&format!("/Patient/{id}")).await.expect(204);
                    }
                    _ => {
                        let next = patient(&id, "brown");
                        server
                            .put(&format!("/Patient/{id}"), &next)
                            .await
                            .expect(200);
                    }
                }
            }
        }
    };
    let other = parameter("shade", "Patient", "token", "Patient.gender");
    let (_, _, _, edited) = tokio::join!(
        writer(0),
        writer(1),
        writer(2),
        server.put("/SearchParameter/shade", &other)
    );
    edited.expect(201);
    until(async || server.get("/_job").await.json()["parameter"].is_null()).await;
    // A full scan, by the letters of the JSON.
    let mut connection = options.connect().await.expect("the database answers");
    for color in ["green", "blue", "brown"] {
        let scan = format!(
            "SELECT count(*) FROM resource WHERE id LIKE 'p%' AND body LIKE '%\"valueCode\":\"{color}\"%'"
        );
        let expected: i64 = sqlx::query_scalar(sqlx::AssertSqlSafe(scan))
            .fetch_one(&mut connection)
            .await
            .expect("a row");
        let url = format!("/Patient?eyes={color}&_total=accurate");
        assert_eq!(
            count(&server.get(&url).await),
            expected.unsigned_abs(),
            "{color}"
        );
    }
    let tagged = count(&server.get("/Patient?_tag=seen&_total=accurate").await);
    assert_eq!(tagged, 90, "three of four writers, every fifth");
    assert_eq!(
        count(&server.get("/Patient?shade=female&_total=accurate").await),
        count(&server.get("/Patient?gender=female&_total=accurate").await)
    );
    background.stop().await;
}

/// A row that a transaction holds is waited for, not lost.
#[tokio::test(flavor = "multi_thread")]
async fn a_resource_that_is_held_is_indexed_when_it_is_free() {
    let options = database().await;
    let server = Server::on(options.clone(), settings()).await;
    populate(&server, 30).await;
    server
        .put("/SearchParameter/eyes", &eyes())
        .await
        .expect(201);
    let mut holder = options.connect().await.expect("the database answers");
    holder
        .execute("BEGIN; SELECT 1 FROM resource WHERE id IN ('p0', 'p7') FOR UPDATE")
        .await
        .expect("held");
    let worker = {
        let server = server.clone();
        tokio::spawn(async move { work(&server).await })
    };
    // All others are done while it waits.
    let mut connection = options.connect().await.expect("the database answers");
    until(async || {
        let left: i64 = sqlx::query_scalar("SELECT count(*) FROM pg_locks WHERE NOT granted")
            .fetch_one(&mut connection)
            .await
            .expect("a row");
        left > 0
    })
    .await;
    holder.execute("ROLLBACK").await.expect("let go");
    let job = worker.await.expect("it ends").expect("a job");
    assert_eq!((job.state, job.done), (State::Done, 30));
    assert_eq!(green(&server).await, 10);
}

/// Asks until it is so; a test that hangs says where.
async fn until(mut is_so: impl AsyncFnMut() -> bool) {
    let asking = async {
        while !is_so().await {
            tokio::time::sleep(Duration::from_millis(20)).await;
        }
    };
    tokio::time::timeout(Duration::from_secs(60), asking)
        .await
        .expect("it comes about in time");
}

/// Dates for which the signature beside them is not that of their resource's entries.
async fn signed_wrongly(options: &PgConnectOptions) -> usize {
    let mut connection = options.connect().await.expect("the database answers");
    let all: Vec<(Vec<i64>, i64)> = sqlx::query_as(
        "SELECT r.entries, d.signature FROM date_entry d JOIN resource r USING (tenant, key)",
    )
    .fetch_all(&mut connection)
    .await
    .expect("rows");
    assert!(!all.is_empty());
    let is_wrong = |(entries, found): &&(Vec<i64>, i64)| signature(entries) != *found;
    all.iter().filter(is_wrong).count()
}

/// Whoever walks along dates passes over what its signature excludes.
#[tokio::test(flavor = "multi_thread")]
async fn signatures_follow_the_entries() {
    let options = database().await;
    let server = Server::on(options.clone(), settings()).await;
    populate(&server, 30).await;
    let patient = json!({"resourceType": "Patient", "id": "p1", "birthDate": "1974-12-25",
        "gender": "male"});
    server.put("/Patient/p1", &patient).await;
    assert_eq!(signed_wrongly(&options).await, 0, "written and updated");

    let tag = json!({"resourceType": "Parameters", "parameter": [{"name": "meta",
        "valueMeta": {"tag": [{"system": "http://example.org", "code": "late"}]}}]});
    server.post("/Patient/p1/$meta-add", &tag).await.expect(200);
    assert_eq!(signed_wrongly(&options).await, 0, "labelled");

    // As the rows of old are after their migration.
    execute(&options, "UPDATE date_entry SET signature = -1").await;
    let all = server.send("POST", "/fhir/$reindex", &[], "").await;
    all.expect(202);
    work_off(&server).await;
    assert_eq!(signed_wrongly(&options).await, 0, "indexed anew");
}

/// What is deleted in the middle of its building is unknown, and builds anew when it comes back.
#[tokio::test(flavor = "multi_thread")]
async fn a_parameter_may_be_deleted_while_it_is_built() {
    let server = Server::start().await;
    populate(&server, 500).await;
    server
        .put("/SearchParameter/eyes", &eyes())
        .await
        .expect(201);
    let mut job = work_a_while(&server, 2).await;
    server.delete("/SearchParameter/eyes").await.expect(204);
    let issues = server.get("/Patient?eyes=green").await.expect(400).issues();
    assert!(!issues.contains("not indexed yet"), "{issues}");
    // The worker finds out sooner or later, and does no harm until then.
    while reindex::step(&server.hub, &mut job, "mortal", Duration::from_secs(30))
        .await
        .expect("a step")
        == reindex::Step::More
    {}
    work_off(&server).await;
    server.get("/Patient?eyes=green").await.expect(400);
    server
        .put("/SearchParameter/eyes", &eyes())
        .await
        .expect(201);
    let issues = server.get("/Patient?eyes=green").await.expect(400).issues();
    assert!(issues.contains("not indexed yet"), "{issues}");
    work_off(&server).await;
    assert_eq!(green(&server).await, 167);
}

#[tokio::test(flavor = "multi_thread")]
async fn malformed_parameters_do_not_mean_everything() {
    let server = Server::start().await;
    for body in [
        json!({"resourceType": "Parameters", "parameter": "x"}),
        json!({"resourceType": "Parameters", "parameter": {"name": "type", "valueCode": "Patient"}}),
        json!({"resourceType": "Parameters", "parameter": [{"valueCode": "Patient"}]}),
        json!({"resourceType": "Parameters", "parameter": [3]}),
    ] {
        server.post("/$reindex", &body).await.expect(400);
    }
    assert!(work(&server).await.is_none());
}
