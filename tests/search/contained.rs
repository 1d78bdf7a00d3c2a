//! Contained resources: `_contained`, `_containedType`, chains into them, and that they come and
//! go with their container. <https://hl7.org/fhir/R4/search.html#contained>

use super::*;
use crate::harness::{Reply, Server};
use andiron::search::Query;
use andiron::search::plan::{ContainedType, Predicate};
use andiron::search::sql;
use andiron::storage::FOR_SEARCHES;
use serde_json::json;

/// A request for a contained Medication with this code, by a contained Practitioner.
fn request(id: &str, code: &str) -> Value {
    json!({
        "resourceType": "MedicationRequest", "id": id, "status": "active", "intent": "order",
        "contained": [
            {"resourceType": "Medication", "id": "m", "code": {"coding": [{"system": "urn:c", "code": code}]},
             "manufacturer": {"reference": "#o"}, "status": "active"},
            {"resourceType": "Organization", "id": "o", "name": format!("Maker of {code}")},
            {"resourceType": "Practitioner", "id": "d", "birthDate": "1960-05-01",
             "name": [{"family": "Ordering"}]},
        ],
        "medicationReference": {"reference": "#m"},
        "requester": {"reference": "#d"},
        "subject": {"reference": "Patient/p"},
    })
}

/// Requests `1` to `3`, and a Medication that stands alone with a request for it.
async fn pharmacy() -> Server {
    let server = Server::start().await;
    let medication = json!({"resourceType": "Medication", "id": "alone", "status": "active",
        "code": {"coding": [{"system": "urn:c", "code": "x"}]}});
    let plain = json!({"resourceType": "MedicationRequest", "id": "plain", "status": "active",
        "intent": "order", "medicationReference": {"reference": "Medication/alone"},
        "subject": {"reference": "Patient/p"}});
    let patient = json!({"resourceType": "Patient", "id": "p"});
    server.put("/Patient/p", &patient).await.expect(201);
    server
        .put("/Medication/alone", &medication)
        .await
        .expect(201);
    server
        .put("/MedicationRequest/plain", &plain)
        .await
        .expect(201);
    for (id, code) in [("1", "x"), ("2", "y"), ("3", "x")] {
        let path = format!("/MedicationRequest/{id}");
        server.put(&path, &request(id, code)).await.expect(201);
    }
    server
}

/// What the full URLs of the matches say behind the base, sorted.
fn urls(reply: &Reply) -> Vec<String> {
    reply.expect(200);
    let entries = reply.entries().into_iter();
    let matches = entries.filter(|entry| entry["search"]["mode"] == "match");
    sorted(
        matches
            .map(|entry| {
                let url = entry["fullUrl"].as_str().expect("a full URL");
                url.strip_prefix(BASE).expect("our base")[1..].to_owned()
            })
            .collect(),
    )
}

#[tokio::test]
async fn contained_resources_are_found_where_they_are_asked_for() {
    let server = pharmacy().await;
    for (path, found) in [
        ("/Medication?code=x", vec!["Medication/alone"]),
        (
            "/Medication?code=x&_contained=false",
            vec!["Medication/alone"],
        ),
        (
            "/Medication?code=x&_contained=true",
            vec!["MedicationRequest/1", "MedicationRequest/3"],
        ),
        (
            "/Medication?code=x&_contained=true&_containedType=container",
            vec!["MedicationRequest/1", "MedicationRequest/3"],
        ),
        (
            "/Medication?code=urn:c|x&_contained=true&_containedType=contained",
            vec!["MedicationRequest/1#m", "MedicationRequest/3#m"],
        ),
        (
            "/Medication?code=x&_contained=both&_containedType=contained",
            vec![
                "Medication/alone",
                "MedicationRequest/1#m",
                "MedicationRequest/3#m",
            ],
        ),
        (
            "/Medication?code=x&_contained=both",
            vec![
                "Medication/alone",
                "MedicationRequest/1",
                "MedicationRequest/3",
            ],
        ),
        (
            "/Medication?code=y&status=active&_contained=true&_containedType=contained",
            vec!["MedicationRequest/2#m"],
        ),
        (
            "/Medication?code:not=x&_contained=both&_containedType=contained",
            vec!["MedicationRequest/2#m"],
        ),
        // Rows of strings and dates are those of the contained resource alone.
        (
            "/Practitioner?name=order&_contained=true&_containedType=contained",
            vec![
                "MedicationRequest/1#d",
                "MedicationRequest/2#d",
                "MedicationRequest/3#d",
            ],
        ),
        ("/Practitioner?name=order", vec![]),
        (
            "/Organization?name=maker%20of%20y&_contained=true&_containedType=contained",
            vec!["MedicationRequest/2#o"],
        ),
        (
            "/Organization?address:missing=true&name=maker%20of%20y&_contained=true",
            vec!["MedicationRequest/2"],
        ),
        (
            "/?_type=Medication,Organization&_contained=true&_containedType=contained",
            vec![
                "MedicationRequest/1#m",
                "MedicationRequest/1#o",
                "MedicationRequest/2#m",
                "MedicationRequest/2#o",
                "MedicationRequest/3#m",
                "MedicationRequest/3#o",
            ],
        ),
        // Neither is of a contained resource.
        ("/Medication?_id=m&_contained=true", vec![]),
        (
            "/Medication?_lastUpdated=gt2000-01-01&_contained=true",
            vec![],
        ),
        ("/MedicationRequest?_contained=true", vec![]),
    ] {
        assert_eq!(urls(&server.get(path).await), found, "{path}");
        let counted = server.get(&format!("{path}&_summary=count")).await;
        assert_eq!(counted.json()["total"], found.len(), "{path}");
    }
    let shown = server
        .get("/Medication?code=y&_contained=true&_containedType=contained")
        .await;
    let medication = &shown.entries()[0]["resource"];
    assert_eq!(*medication, request("2", "y")["contained"][0]);
    // A match refers to its siblings, and its container to it.
    let with_container = server
        .get("/Medication?code=y&_contained=true&_containedType=contained&_revinclude=MedicationRequest:medication")
        .await;
    let entries = with_container.entries();
    assert_eq!(entries.len(), 2);
    assert_eq!(entries[1]["resource"]["id"], "2");
    for path in [
        "/Medication?_contained=true&_sort=_lastUpdated",
        "/Medication?_contained=maybe",
        "/Medication?_containedType=maybe",
    ] {
        server.get(path).await.expect(400);
    }
}

#[tokio::test]
async fn pages_hold_every_contained_match_once() {
    let server = Server::start().await;
    let mut expected = Vec::new();
    for number in 0..7 {
        let contained: Vec<Value> = (0..3)
            .map(|inner| json!({"resourceType": "Patient", "id": format!("i{inner}"), "gender": "male"}))
            .collect();
        // A Patient that contains Patients matches twice over.
        let patient = json!({"resourceType": "Patient", "id": number.to_string(), "gender": "male",
            "contained": contained});
        let path = format!("/Patient/{number}");
        server.put(&path, &patient).await.expect(201);
        expected.extend((0..3).map(|inner| format!("Patient/{number}#i{inner}")));
    }
    let containers: Vec<String> = (0..7).map(|number| format!("Patient/{number}")).collect();
    let both = sorted([expected.clone(), containers.clone()].concat());
    for (query, expected) in [
        ("_contained=true&_containedType=contained", &expected),
        ("_contained=both&_containedType=contained", &both),
        ("_contained=true", &containers),
        ("_contained=both", &containers),
    ] {
        for count in [1, 2, 5, 21] {
            let first = format!("/Patient?gender=male&{query}&_count={count}&_total=accurate");
            let (mut found, mut next) = (Vec::new(), Some(first));
            while let Some(path) = next {
                let reply = server.get(&path).await;
                assert_eq!(reply.json()["total"], expected.len(), "{path}");
                let page = urls(&reply);
                assert!(page.len() <= count, "{path}");
                found.extend(page);
                next = reply.link("next");
            }
            assert_eq!(sorted(found), **expected, "{query} by {count}");
        }
    }
    // A cursor of another kind of list is refused.
    let reply = server.get("/Patient?_contained=true&_count=1").await;
    let next = reply.link("next").expect("a second page");
    let other = next.replace("_contained=true", "_contained=both");
    server.get(&other).await.expect(400);
}

/// The table's rows by type, and how many rows of values belong to them.
async fn indexed(server: &Server) -> (Vec<(String, i64)>, i64) {
    let access = Access::unrestricted();
    let mut snapshot = server
        .hub
        .store
        .snapshot(&access)
        .await
        .expect("a snapshot");
    let rows: Vec<(i16, i64)> =
        sqlx::query_as("SELECT type, count(*) FROM contained GROUP BY type ORDER BY type")
            .fetch_all(&mut *snapshot)
            .await
            .expect("asked");
    let values: i64 = sqlx::query_scalar(
        "SELECT (SELECT count(*) FROM date_entry e WHERE NOT EXISTS (SELECT 1 FROM resource r WHERE r.key = e.key)) \
         + (SELECT count(*) FROM string_entry e WHERE NOT EXISTS (SELECT 1 FROM resource r WHERE r.key = e.key))",
    )
    .fetch_one(&mut *snapshot)
    .await
    .expect("asked");
    let named = |number| {
        ResourceType::from_number(number)
            .expect("a type")
            .to_string()
    };
    let rows = rows.into_iter().map(|(kind, count)| (named(kind), count));
    (rows.collect(), values)
}

#[tokio::test]
async fn contained_resources_come_and_go_with_their_container() {
    let server = Server::start().await;
    let patient = json!({"resourceType": "Patient", "id": "p"});
    server.put("/Patient/p", &patient).await.expect(201);
    let found = async |code: &str| {
        let path = format!("/Medication?code={code}&_contained=true");
        urls(&server.get(&path).await)
    };
    // POST: the id is the server's.
    let mut posted = request("ignored", "x");
    let id = server.create(&posted).await;
    let (path, name) = (
        format!("/MedicationRequest/{id}"),
        format!("MedicationRequest/{id}"),
    );
    assert_eq!(found("x").await, [name.as_str()]);
    let (rows, values) = indexed(&server).await;
    let one_each: Vec<(String, i64)> = ["Medication", "Organization", "Practitioner"]
        .map(|name| (name.to_owned(), 1))
        .into();
    assert_eq!(rows, one_each);
    assert!(values > 0);
    // PUT: the old ones go, the new ones come.
    posted["id"] = json!(id);
    posted["contained"][0]["code"]["coding"][0]["code"] = json!("z");
    server.put(&path, &posted).await.expect(200);
    assert_eq!(
        (found("x").await, found("z").await),
        (vec![], vec![name.clone()])
    );
    assert_eq!(indexed(&server).await, (one_each.clone(), values));
    // PATCH that takes the Organization out.
    let patch = json!([
        {"op": "remove", "path": "/contained/1"},
        {"op": "remove", "path": "/contained/0/manufacturer"},
    ]);
    server.json_patch(&path, &[], &patch).await.expect(200);
    let (rows, fewer) = indexed(&server).await;
    assert_eq!((rows.len(), fewer < values), (2, true));
    // Labels change nothing of them.
    let meta = json!({"resourceType": "Parameters", "parameter": [{"name": "meta",
        "valueMeta": {"tag": [{"system": "urn:t", "code": "t"}]}}]});
    server
        .post(&format!("{path}/$meta-add"), &meta)
        .await
        .expect(200);
    assert_eq!(found("z").await, [name.as_str()]);
    // PUT without any.
    let mut empty = posted.clone();
    for name in ["contained", "requester"] {
        empty.as_object_mut().expect("an object").shift_remove(name);
    }
    empty["medicationReference"] = json!({"display": "something"});
    server.put(&path, &empty).await.expect(200);
    assert_eq!(indexed(&server).await, (vec![], 0));
    server.put(&path, &posted).await.expect(200);
    assert_eq!(indexed(&server).await, (one_each, values));
    // DELETE, and back to life.
    server.delete(&path).await.expect(204);
    assert_eq!(indexed(&server).await, (vec![], 0));
    assert_eq!(found("z").await, [""; 0]);
    server.put(&path, &posted).await.expect(201);
    assert_eq!(found("z").await, [name.as_str()]);
}

#[tokio::test]
async fn a_transaction_writes_and_removes_what_is_contained() {
    let server = pharmacy().await;
    let mut changed = request("2", "new");
    changed["subject"] = json!({"reference": "urn:uuid:7d5c3c0a-0000-4000-8000-000000000001"});
    let bundle = json!({"resourceType": "Bundle", "type": "transaction", "entry": [
        {"fullUrl": "urn:uuid:7d5c3c0a-0000-4000-8000-000000000001",
         "resource": {"resourceType": "Patient"}, "request": {"method": "POST", "url": "Patient"}},
        {"resource": request("ignored", "posted"), "request": {"method": "POST", "url": "MedicationRequest"}},
        {"resource": changed, "request": {"method": "PUT", "url": "MedicationRequest/2"}},
        {"request": {"method": "DELETE", "url": "MedicationRequest/3"}},
    ]});
    server.post("", &bundle).await.expect(200);
    for (code, count) in [("x", 1), ("y", 0), ("new", 1), ("posted", 1)] {
        let path = format!("/Medication?code={code}&_contained=true&_containedType=contained");
        assert_eq!(urls(&server.get(&path).await).len(), count, "{code}");
    }
    // What fails leaves them as they are.
    let bad = json!({"resourceType": "Bundle", "type": "transaction", "entry": [
        {"request": {"method": "DELETE", "url": "MedicationRequest/1"}},
        {"resource": {"resourceType": "Patient", "nope": 1}, "request": {"method": "POST", "url": "Patient"}},
    ]});
    assert!(server.post("", &bad).await.status >= 400);
    let path = "/Medication?code=x&_contained=true";
    assert_eq!(urls(&server.get(path).await), ["MedicationRequest/1"]);
}

#[tokio::test]
async fn contained_resources_are_found_by_entries_or_by_key() {
    let mut world = World::new().await;
    let medication = kind("Medication");
    for statement in [
        "INSERT INTO contained (tenant, type, key, container_type, container_key, present, entries) \
         SELECT 1, $1, hashint8extended(i, 1), 1, hashint8extended(i, 2), 0, ARRAY[i, i % 2] \
         FROM generate_series(1000, 21000) i",
        "INSERT INTO resource (tenant, version, key, xact, last_updated, type, method, id, entries, body, present) \
         SELECT 1, 1, hashint8extended(i, 2), 1, now(), 1, 2, i::text, ARRAY[i], '{}', $1 FROM generate_series(1000, 21000) i",
    ] {
        query(statement)
            .bind(medication.number())
            .execute(&mut world.connection)
            .await
            .expect("rows");
    }
    for statement in ["VACUUM ANALYZE contained", "VACUUM ANALYZE resource"] {
        query(statement)
            .execute(&mut world.connection)
            .await
            .expect("statistics");
    }
    sqlx::raw_sql(FOR_SEARCHES)
        .execute(&mut world.connection)
        .await
        .expect("the settings of searches");
    let access = Access::unrestricted();
    for (text, index) in [("code=rare", "contained_entries"), ("", "contained_pkey")] {
        let query = compiled("Medication", text);
        let page = sql::ContainedPage {
            plan: &query.plan,
            show: ContainedType::Contained,
            position: None,
            backward: false,
            limit: 21,
        };
        let statement = sql::contained_page(&page, &access);
        let plan = indexes::explain_statement(&mut world.connection, &statement, text).await;
        assert!(
            plan.contains(index),
            "{text}: expected {index} but found\n{plan}"
        );
        assert!(!plan.contains("Seq Scan"), "{text}:\n{plan}");
    }
}

fn compiled(path: &str, text: &str) -> Query {
    let request = Request {
        scope: Scope::Type(kind(path)),
        pairs: andiron::fhir::query::pairs(text).expect("well encoded"),
        handling: Handling::Strict,
    };
    let limits = Limits::default();
    search::compile(&REGISTRY, &request, BASE, &limits, Instant::now()).expect(text)
}

/// Pains A14, TB9: one step of a chain into what is contained, asked of the engine.
#[tokio::test]
async fn a_chain_leads_into_contained_resources() {
    let server = pharmacy().await;
    let access = Access::unrestricted();
    let refers = |source: &str, code: &str, target: &str, filter: Predicate| {
        let parameter = REGISTRY.parameter(kind(source), code).expect(code);
        Predicate::Refers {
            slots: parameter
                .branches
                .iter()
                .map(|branch| branch.slot)
                .collect(),
            target: kind(target),
            filter: Box::new(filter),
        }
    };
    let of = |path: &str, text: &str| compiled(path, text).plan.filter;
    let maker = || of("Organization", "name=maker%20of%20y");
    for (filter, found) in [
        (
            refers(
                "MedicationRequest",
                "medication",
                "Medication",
                of("Medication", "code=x"),
            ),
            vec!["1", "3", "plain"],
        ),
        (
            refers(
                "MedicationRequest",
                "requester",
                "Practitioner",
                of("Practitioner", "name=ordering"),
            ),
            vec!["1", "2", "3"],
        ),
        (
            refers(
                "MedicationRequest",
                "requester",
                "Practitioner",
                of("Practitioner", "_id=d"),
            ),
            vec![],
        ),
        (
            refers(
                "MedicationRequest",
                "medication",
                "Medication",
                of("Medication", "_id=alone"),
            ),
            vec!["plain"],
        ),
        // The one that it refers to, not another of that type.
        (
            refers(
                "MedicationRequest",
                "subject",
                "Patient",
                Predicate::Everything,
            ),
            vec!["1", "2", "3", "plain"],
        ),
        // From one contained resource to the next.
        (
            refers(
                "MedicationRequest",
                "medication",
                "Medication",
                refers("Medication", "manufacturer", "Organization", maker()),
            ),
            vec!["2"],
        ),
    ] {
        let mut query = compiled("MedicationRequest", "");
        query.plan.filter = filter;
        let mut snapshot = server
            .hub
            .store
            .snapshot(&access)
            .await
            .expect("a snapshot");
        let statistics = server.hub.store.statistics();
        let connection = &mut *snapshot;
        let page = search::run(connection, &access, &REGISTRY, &statistics, &query, BASE).await;
        let page = page.unwrap_or_else(|error| panic!("{}: {error}", query.plan));
        let ids = page.matches.into_iter().map(|version| version.id).collect();
        assert_eq!(sorted(ids), found, "{}", query.plan);
    }
}
