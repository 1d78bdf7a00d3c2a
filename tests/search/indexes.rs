//! Each search type is answered by the index that is meant for it, by the word of EXPLAIN.

use super::*;
use andiron::search::sql::{self, Bind};
use andiron::search::strategy::{self, Ground};
use andiron::storage::FOR_SEARCHES;
use sqlx::{AssertSqlSafe, Row};

const RESOURCES: i32 = 20_000;

/// Observations that differ in everything that is searched for; each has each value once.
async fn fill(connection: &mut PgConnection) {
    let observation = kind("Observation");
    let slot = |code: &str| {
        let parameter = REGISTRY.parameter(observation, code).expect(code);
        parameter.branches[0].slot
    };
    let access = Access::unrestricted();
    let seed = slot("subject").seed(access.tenant);
    for (statement, number) in [
        (
            "INSERT INTO resource (tenant, version, key, xact, last_updated, type, method, id, entries, body, present) \
             SELECT 1, 1, hashint8extended(i, 1), 1, timestamptz '2024-01-01' + i * interval '1 minute', \
             $2, 2, i::text, ARRAY[hashint8extended(i, 2) # $3, hashint8extended(i % 2, 3)], '{}', 0 \
             FROM generate_series(1, $1) i",
            seed,
        ),
        (
            "INSERT INTO date_entry (tenant, slot, key, low, high) \
             SELECT 1, $3::bigint::integer, hashint8extended(i, 1), i * 86400000000, i * 86400000000 + 1 \
             FROM generate_series(1, $1) i WHERE $2::smallint > 0",
            i64::from(slot("date").row()),
        ),
        (
            "INSERT INTO string_entry (tenant, slot, key, value, exact) \
             SELECT 1, $3::bigint::integer, hashint8extended(i, 1), md5(i::text), md5(i::text) \
             FROM generate_series(1, $1) i WHERE $2::smallint > 0",
            i64::from(slot("value-string").row()),
        ),
        (
            "INSERT INTO quantity_entry (tenant, slot, key, low, high, unit, code, label) \
             SELECT 1, $3::bigint::integer, hashint8extended(i, 1), i, i, 0, 0, 0 \
             FROM generate_series(1, $1) i WHERE $2::smallint > 0",
            i64::from(slot("value-quantity").row()),
        ),
    ] {
        query(statement)
            .bind(RESOURCES)
            .bind(observation.number())
            .bind(number)
            .execute(&mut *connection)
            .await
            .expect("the rows are stored");
    }
    for table in ["resource", "date_entry", "string_entry", "quantity_entry"] {
        query(AssertSqlSafe(format!("VACUUM ANALYZE {table}")))
            .execute(&mut *connection)
            .await
            .expect("statistics");
    }
}

async fn explain(connection: &mut PgConnection, text: &str) -> String {
    let (path, pairs) = text.split_once('?').expect("a query");
    let request = Request {
        scope: Scope::Type(kind(path)),
        pairs: andiron::fhir::query::pairs(pairs).expect("well encoded"),
        handling: Handling::Strict,
    };
    let now = Instant::now();
    let asked = search::compile(&REGISTRY, &request, BASE, &Limits::default(), now).expect(text);
    let access = Access::unrestricted();
    let statistics = statistics::load(connection).await.expect("statistics");
    let ground = Ground {
        access: &access,
        statistics: &statistics,
    };
    let statements = strategy::statements(&ground, &asked.plan, None);
    let (_, statement) = statements.into_iter().next().expect("a way");
    explain_statement(connection, &statement, text).await
}

pub async fn explain_statement(
    connection: &mut PgConnection,
    statement: &sql::Statement,
    text: &str,
) -> String {
    let explained = query(AssertSqlSafe(format!("EXPLAIN {}", statement.sql)));
    let bound = statement
        .binds
        .iter()
        .fold(explained, |query, bind| match bind {
            Bind::Small(value) => query.bind(value),
            Bind::Int(value) => query.bind(value),
            Bind::Big(value) => query.bind(value),
            Bind::Text(value) => query.bind(value),
            Bind::Smalls(values) => query.bind(values),
            Bind::Ints(values) => query.bind(values),
            Bind::Bigs(values) => query.bind(values),
            Bind::Texts(values) => query.bind(values),
        });
    let rows = bound.fetch_all(connection).await.expect(text);
    rows.iter()
        .map(|row| row.get::<String, _>(0) + "\n")
        .collect()
}

#[tokio::test]
async fn each_search_type_uses_its_index() {
    let mut world = World::new().await;
    fill(&mut world.connection).await;
    sqlx::raw_sql(FOR_SEARCHES)
        .execute(&mut world.connection)
        .await
        .expect("the settings of searches");
    for (text, index) in [
        (
            "Observation?code=http://loinc.org|1234-5",
            "resource_entries",
        ),
        ("Observation?subject=Patient/1", "resource_entries"),
        (
            "Observation?_profile=http://example.org/p",
            "resource_entries",
        ),
        ("Observation?code=a,b,c", "resource_entries"),
        (
            "Observation?code=a&subject=Patient/1&_sort=-date",
            "resource_entries",
        ),
        ("Observation?date=1990-01-01", "date_entry_value"),
        ("Observation?value-string=abcd", "string_entry_value"),
        ("Observation?value-string:exact=abcd", "string_entry_value"),
        ("Observation?value-quantity=77", "quantity_entry_value"),
        ("Observation?_id=77", "resource_pkey"),
        (
            "Observation?_lastUpdated=2024-01-02T00:00:00Z",
            "resource_last_updated",
        ),
        ("Observation?_sort=-_lastUpdated", "resource_last_updated"),
        ("Observation?_sort=-date", "date_entry_value"),
        ("Observation?_sort=value-quantity", "quantity_entry_value"),
        ("Observation?_sort=value-string", "string_entry_value"),
        ("Observation?", "resource_pkey"),
    ] {
        let plan = explain(&mut world.connection, text).await;
        assert!(
            plan.contains(index),
            "{text}: expected {index} but found\n{plan}"
        );
        assert!(!plan.contains("Seq Scan"), "{text}:\n{plan}");
    }
}

#[tokio::test]
async fn includes_go_by_key_or_by_entries() {
    let mut world = World::new().await;
    fill(&mut world.connection).await;
    query(
        "INSERT INTO history (tenant, version, key, xact, last_updated, type, method, id, body) \
         SELECT tenant, 0, key, xact, last_updated, type, method, id, body FROM resource",
    )
    .execute(&mut world.connection)
    .await
    .expect("superseded versions");
    query("ANALYZE history")
        .execute(&mut world.connection)
        .await
        .expect("statistics");
    sqlx::raw_sql(FOR_SEARCHES)
        .execute(&mut world.connection)
        .await
        .expect("the settings of searches");
    let observation = kind("Observation");
    let references = |count: i64, version: Option<i32>| sql::Wanted {
        references: (0..count).map(|key| (observation, key, version)).collect(),
        ..Default::default()
    };
    let entries = |count: i64| sql::Wanted {
        referrers: (0..count).collect(),
        ..Default::default()
    };
    let canonicals = sql::Wanted {
        canonicals: vec![(1, 1), (2, 3)],
        ..Default::default()
    };
    for (wanted, indexes) in [
        (references(20, None), vec!["resource_pkey"]),
        (references(1000, None), vec!["resource_pkey"]),
        (
            references(20, Some(2)),
            vec!["resource_pkey", "history_pkey"],
        ),
        (entries(1), vec!["resource_entries"]),
        (entries(20_000), vec!["resource_entries"]),
        (canonicals, vec!["resource_entries"]),
    ] {
        let statement = sql::included(&wanted, 1001, &Access::unrestricted());
        let plan = explain_statement(&mut world.connection, &statement, "included").await;
        for index in indexes {
            assert!(plan.contains(index), "expected {index} but found\n{plan}");
        }
        assert!(!plan.contains("Seq Scan"), "{plan}");
    }
}
