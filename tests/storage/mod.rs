//! Storage below HTTP: the statements, the feed, what a lost database does.

use crate::harness::{Server, database};
use crate::rest::{patient, patient_with_id};
use andiron::access::Access;
use andiron::search::lookup::library::STAMPS;
use andiron::storage::feed::{self, Position};
use andiron::storage::{
    conformance, history, jobs, nodes, packages, parameters, read, reindex, secret, statistics,
    write, writer,
};
use sqlx::{ConnectOptions, Executor};

#[tokio::test(flavor = "multi_thread")]
async fn every_fixed_statement_prepares_on_the_migrated_schema() {
    let mut connection = database().await.connect().await.expect("a database");
    let all = read::STATEMENTS
        .iter()
        .chain(&write::STATEMENTS)
        .chain(&writer::STATEMENTS)
        .chain(&history::STATEMENTS)
        .chain(&feed::STATEMENTS)
        .chain(&statistics::STATEMENTS)
        .chain(&jobs::STATEMENTS)
        .chain(&nodes::STATEMENTS)
        .chain(&conformance::STATEMENTS)
        .chain(&packages::STATEMENTS)
        .chain(&parameters::STATEMENTS)
        .chain(&reindex::STATEMENTS)
        .chain(&secret::STATEMENTS)
        .chain(andiron::terminology::tables::statements())
        .chain(&andiron::storage::closure::STATEMENTS)
        .chain([&STAMPS]);
    for statement in all {
        let prepared = connection
            .prepare(sqlx::SqlStr::from_static(statement))
            .await;
        assert!(prepared.is_ok(), "{statement}: {:?}", prepared.err());
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_read_by_id_and_a_page_of_history_use_their_indexes() {
    let options = database().await;
    let server = Server::on(options.clone(), crate::harness::settings()).await;
    for n in 0..50 {
        server
            .put(
                &format!("/Patient/p{n}"),
                &patient_with_id(&format!("p{n}"), "1"),
            )
            .await;
    }
    let mut connection = options.connect().await.expect("a database");
    connection
        .execute("SET enable_seqscan = off; SET plan_cache_mode = force_generic_plan; ANALYZE")
        .await
        .expect("set");
    for (statement, arguments, index) in [
        (
            read::STATEMENTS[0],
            "1, 100::smallint, 1, 'x'",
            "resource_pkey",
        ),
        (
            read::STATEMENTS[1],
            "1, 100::smallint, 1, 'x', 1",
            "history_",
        ),
        (
            read::STATEMENTS[5],
            "1, '{100,101}', '{1,2}', '{x,y}'",
            "resource_pkey",
        ),
        (
            history::STATEMENTS[0],
            "1, '{1,2}', '2000-01-01', '9999-01-01', '9999-01-01', 1, 1, 20, NULL",
            "resource_last_updated",
        ),
        (feed::STATEMENTS[0], "1, 0, 0, 0, 10", "resource_feed"),
    ] {
        connection
            .execute(sqlx::AssertSqlSafe(format!("PREPARE s AS {statement}")))
            .await
            .expect("prepared");
        let plan: Vec<String> = sqlx::query_scalar(sqlx::AssertSqlSafe(format!(
            "EXPLAIN EXECUTE s({arguments})"
        )))
        .fetch_all(&mut connection)
        .await
        .expect("explained");
        connection
            .execute("DEALLOCATE s")
            .await
            .expect("deallocated");
        assert!(
            plan.iter().any(|line| line.contains(index)),
            "{index}: {plan:#?}"
        );
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn the_feed_waits_for_a_late_commit_and_loses_nothing() {
    let options = database().await;
    let server = Server::on(options.clone(), crate::harness::settings()).await;
    let access = Access::unrestricted();
    let follow = async |position: &mut Position| -> Vec<(String, i32)> {
        let mut snapshot = server
            .hub
            .store
            .snapshot(&access)
            .await
            .expect("a snapshot");
        let found = feed::after(&mut snapshot, &access, *position, 100)
            .await
            .expect("a feed");
        if let Some((last, _)) = found.last() {
            *position = *last;
        }
        found
            .into_iter()
            .map(|(_, version)| (version.id, version.version))
            .collect()
    };
    // The horizon is that of the whole cluster, in which other tests have transactions open:
    // what is committed is there in the end.
    let follow_for = async |position: &mut Position, count: usize| -> Vec<(String, i32)> {
        let mut found = Vec::new();
        let all = async {
            while found.len() < count {
                found.extend(follow(position).await);
            }
        };
        let in_time = tokio::time::timeout(std::time::Duration::from_secs(60), all).await;
        in_time.expect("the feed goes on");
        found
    };
    let mut position = Position::START;
    server
        .put("/Patient/a", &patient_with_id("a", "1"))
        .await
        .expect(201);
    assert_eq!(follow_for(&mut position, 1).await, [("a".to_owned(), 1)]);

    // An early transaction that is still open when a later one commits.
    let mut early = server
        .hub
        .store
        .begin(&access)
        .await
        .expect("a transaction");
    let moment = write::moment(&mut early, &access).await.expect("a moment");
    server
        .put("/Patient/a", &patient_with_id("a", "2"))
        .await
        .expect(200);
    server
        .put("/Patient/b", &patient_with_id("b", "1"))
        .await
        .expect(201);
    assert!(follow(&mut position).await.is_empty(), "the feed must wait");
    // `_history` does not wait.
    assert_eq!(server.get("/Patient/_history").await.entries().len(), 3);
    let late = patient_with_id("late", "1");
    let change = write::Change {
        resource_type: andiron::fhir::ResourceType::parse("Patient").expect("a type"),
        id: "late".to_owned(),
        key: andiron::search::index::hash("Patient/late"),
        method: andiron::fhir::Method::Put,
        content: Some(andiron::fhir::Draft::new(
            late.as_object().expect("an object"),
            "late",
        )),
        index: Default::default(),
        previous: None,
    };
    write::apply(&mut early, &access, moment, &[change])
        .await
        .expect("written");
    andiron::storage::commit(early).await.expect("committed");
    let mut rest = follow_for(&mut position, 3).await;
    assert_eq!(
        rest.remove(0),
        ("late".to_owned(), 1),
        "the earlier transaction comes first"
    );
    rest.sort();
    assert_eq!(rest, [("a".to_owned(), 2), ("b".to_owned(), 1)]);
    assert!(follow(&mut position).await.is_empty());
}

#[tokio::test(flavor = "multi_thread")]
async fn a_schema_that_is_not_ours_is_refused_with_what_to_do() {
    let options = database().await;
    let mut connection = options.connect().await.expect("a database");
    for (change, says) in [
        (
            "INSERT INTO _sqlx_migrations VALUES (9999, 'of the future', now(), true, '', 0)",
            "newer Andiron",
        ),
        (
            "DELETE FROM _sqlx_migrations WHERE version = 9999; UPDATE _sqlx_migrations SET success = false",
            "half done",
        ),
        (
            "UPDATE _sqlx_migrations SET success = true, checksum = '\\x00'",
            "differs",
        ),
        ("DROP TABLE _sqlx_migrations", "no record of its migrations"),
    ] {
        connection.execute(change).await.expect(change);
        let error = andiron::storage::migrate::run(&options)
            .await
            .expect_err(change);
        assert!(error.to_string().contains(says), "{error}");
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn two_writes_that_share_a_name_wait_for_each_other() {
    let server = Server::start().await;
    let access = Access::unrestricted();
    let mut first = server
        .hub
        .store
        .begin(&access)
        .await
        .expect("a transaction");
    write::lock_names(&mut first, &mut vec![42, 7, 42])
        .await
        .expect("locked");
    let other = server.clone();
    let waiting = tokio::spawn(async move {
        let access = Access::unrestricted();
        let mut second = other.hub.store.begin(&access).await.expect("a transaction");
        write::lock_names(&mut second, &mut vec![7])
            .await
            .expect("locked");
    });
    let found = async {
        loop {
            let waits: bool = sqlx::query_scalar("SELECT EXISTS (SELECT 1 FROM pg_locks WHERE locktype = 'advisory' AND NOT granted)")
                .fetch_one(&mut *first)
                .await
                .expect("asked");
            if waits {
                return;
            }
        }
    };
    tokio::time::timeout(std::time::Duration::from_secs(10), found)
        .await
        .expect("the second waits");
    assert!(!waiting.is_finished());
    drop(first);
    waiting.await.expect("the second goes on");
    server.create(&patient("1")).await;
}
