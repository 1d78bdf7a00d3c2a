//! Composites, quantities with units and distances are answered by indexes, by the word of
//! EXPLAIN.

use super::*;
use andiron::search::index::{Slot, hash};
use andiron::search::params::token::Asked;
use andiron::search::sql::{self, Bind};
use serde_json::json;
use sqlx::{AssertSqlSafe, Row};

const RESOURCES: i32 = 20_000;

/// So many copies of a resource with other values: each row of the first is there again.
async fn multiply(connection: &mut PgConnection, of: ResourceType) {
    for statement in [
        "INSERT INTO resource (tenant, version, key, xact, last_updated, type, method, id, entries, body, present) \
         SELECT 1, 1, hashint8extended(i, type), 1, last_updated, type, 2, i::text, \
         array_append(CASE WHEN i % 50 = 0 THEN entries ELSE '{}' END, hashint8extended(i, 2)), body, present \
         FROM resource, generate_series(1, $1) i WHERE id = 'first' AND type = $2",
        "INSERT INTO quantity_entry (tenant, slot, key, low, high, unit, code, label) \
         SELECT 1, slot, hashint8extended(i, r.type), q.low + i / 1000.0, q.high + i / 1000.0, unit, code, label \
         FROM resource r JOIN quantity_entry q USING (tenant, key), generate_series(1, $1) i \
         WHERE r.id = 'first' AND r.type = $2",
    ] {
        query(statement)
            .bind(RESOURCES)
            .bind(of.number())
            .execute(&mut *connection)
            .await
            .expect("the rows are stored");
    }
    for table in ["resource", "quantity_entry"] {
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
    let statement = sql::count(&asked.plan, None, &Access::unrestricted());
    let explained = query(AssertSqlSafe(format!("EXPLAIN {}", statement.sql)));
    let binds = statement.binds.iter();
    let bound = binds.fold(explained, |query, bind| match bind {
        Bind::Small(value) => query.bind(value),
        Bind::Int(value) => query.bind(value),
        Bind::Big(value) => query.bind(value),
        Bind::Text(value) => query.bind(value),
        Bind::Bigs(values) => query.bind(values),
        other => panic!("{other:?} is in none of these"),
    });
    let rows = bound.fetch_all(connection).await.expect(text);
    let lines = rows.iter().map(|row| row.get::<String, _>(0) + "\n");
    lines.collect()
}

#[tokio::test]
async fn tuples_units_and_distances_use_their_indexes() {
    let mut world = World::new().await;
    let quantity = |value: u32| json!({"value": value, "system": "http://unitsofmeasure.org", "code": "mm[Hg]"});
    let coded = |code: &str| json!({"coding": [{"system": "http://loinc.org", "code": code}]});
    world
        .put(
            json!({"resourceType": "Observation", "id": "first", "status": "final",
            "code": coded("85354-9"), "valueQuantity": quantity(1), "component": [
                {"code": coded("8480-6"), "valueQuantity": quantity(107)},
                {"code": coded("8462-4"), "valueQuantity": quantity(60)}]}),
        )
        .await;
    world
        .put(json!({"resourceType": "Location", "id": "first",
            "position": {"latitude": 42.25, "longitude": -83.69}}))
        .await;
    multiply(&mut world.connection, kind("Observation")).await;
    multiply(&mut world.connection, kind("Location")).await;
    for text in [
        "Observation?component-code-value-quantity=http://loinc.org|8480-6$107.000",
        "Observation?component-code-value-quantity=8480-6$107.000|http://unitsofmeasure.org|mm[Hg]",
        "Observation?combo-code-value-quantity=http://loinc.org|8480-6$107.000",
        "Observation?code-value-quantity=85354-9$3.001|http://unitsofmeasure.org|mm[Hg]",
        "Observation?value-quantity=3.001|http://unitsofmeasure.org|mm[Hg]",
        "Observation?value-quantity=0.3001|http://unitsofmeasure.org|kPa",
        "Location?near=42.30|-83.64|10|m",
    ] {
        let plan = explain(&mut world.connection, text).await;
        let uses_index = plan.contains("quantity_entry_value");
        assert!(uses_index && !plan.contains("Seq Scan"), "{text}:\n{plan}");
    }
    let plan = explain(
        &mut world.connection,
        "Observation?component-code-value-quantity=http://loinc.org|8480-6$gt1",
    )
    .await;
    assert!(plan.contains("resource_entries"), "{plan}");
}

/// What the database holds of a composite never changes by itself.
#[test]
fn the_slots_of_tuples_are_settled() {
    let code = hash(&Asked::Code("8480-6".to_owned()).entry(""));
    let slot = Slot::new(
        kind("Observation"),
        "Observation.component (code $ value.ofType(Quantity))",
    );
    let rows = REGISTRY.index(
        Access::unrestricted().tenant,
        kind("Observation"),
        &json!({"resourceType": "Observation", "component": [
            {"code": {"coding": [{"code": "8480-6"}]}, "valueQuantity": {"value": 5}}]}),
        BASE,
    );
    let wanted = slot.with(code).row();
    assert!(rows.quantities.iter().any(|row| row.slot == wanted));
}
