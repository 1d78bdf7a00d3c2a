//! Pages of a search; table TC.

use super::{patient, patient_with_id};
use crate::harness::{Server, database, settings};
use serde_json::json;
use std::collections::HashSet;

/// Walks all pages and returns the ids in order; `between` runs after each page.
async fn walk(server: &Server, first: &str, mut between: impl AsyncFnMut(usize)) -> Vec<String> {
    let mut ids = Vec::new();
    let mut next = Some(first.to_owned());
    let mut page = 0;
    while let Some(url) = next {
        let reply = server.get(&url).await;
        reply.expect(200);
        ids.extend(reply.ids());
        next = reply.link("next");
        between(page).await;
        page += 1;
        assert!(page < 500, "the pages do not end");
    }
    ids
}

#[tokio::test(flavor = "multi_thread")]
async fn a_walk_meets_everything_once_while_writes_go_on() {
    let server = Server::start().await;
    let mut made = HashSet::new();
    for n in 0..60 {
        let mut resource = patient_with_id(&format!("p{n}"), "same");
        resource["birthDate"] = json!("1990-01-01");
        if n % 3 == 0 {
            resource
                .as_object_mut()
                .expect("an object")
                .shift_remove("birthDate");
        }
        server
            .put(&format!("/Patient/p{n}"), &resource)
            .await
            .expect(201);
        made.insert(format!("p{n}"));
    }
    for (turn, query) in [
        "",
        "identifier=urn:t|same&",
        "_sort=birthdate&",
        "_sort=-birthdate&",
        "_sort=family&",
        "_sort=-_id&",
    ]
    .iter()
    .enumerate()
    {
        let ids = walk(
            &server,
            &format!("/Patient?{query}_count=7"),
            async |page| {
                let id = format!("new-{turn}-{page}");
                server
                    .put(&format!("/Patient/{id}"), &patient_with_id(&id, "other"))
                    .await
                    .expect(201);
                if page > 0 {
                    server
                        .delete(&format!("/Patient/new-{turn}-{}", page - 1))
                        .await
                        .expect(204);
                }
            },
        )
        .await;
        let unique: HashSet<&String> = ids.iter().collect();
        assert_eq!(unique.len(), ids.len(), "{query}: a resource came twice");
        assert!(
            made.iter().all(|id| unique.contains(id)),
            "{query}: a resource was lost"
        );
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn sorting_never_changes_the_set() {
    let server = Server::start().await;
    for (id, gender, families) in [
        ("a", Some("male"), vec!["Zoe", "Abel"]),
        ("b", None, vec![]),
        ("c", Some("female"), vec!["Mia"]),
    ] {
        let names: Vec<_> = families
            .iter()
            .map(|family| json!({"family": family}))
            .collect();
        let mut resource = json!({"resourceType": "Patient", "id": id});
        if !names.is_empty() {
            resource["name"] = json!(names);
        }
        if let Some(gender) = gender {
            resource["gender"] = json!(gender);
        }
        server
            .put(&format!("/Patient/{id}"), &resource)
            .await
            .expect(201);
    }
    for (sort, order) in [
        ("family", vec!["a", "c", "b"]),
        ("-family", vec!["a", "c", "b"]),
        ("_id", vec!["a", "b", "c"]),
        ("-_id", vec!["c", "b", "a"]),
        ("_lastUpdated", vec!["a", "b", "c"]),
        ("-_lastUpdated", vec!["c", "b", "a"]),
    ] {
        let reply = server
            .get(&format!("/Patient?_sort={sort}&_total=accurate"))
            .await;
        assert_eq!(reply.ids(), order, "{sort}");
        assert_eq!(reply.json()["total"], 3);
        assert_eq!(
            walk(
                &server,
                &format!("/Patient?_sort={sort}&_count=1"),
                async |_| {}
            )
            .await,
            order,
            "{sort}"
        );
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn an_entry_tells_its_score_and_its_distance() {
    let server = Server::start().await;
    let mut resource = patient_with_id("p", "x");
    resource["text"] = json!({"status": "generated",
        "div": "<div xmlns=\"http://www.w3.org/1999/xhtml\">bone</div>"});
    server.put("/Patient/p", &resource).await.expect(201);
    let told = async |query: &str| {
        let reply = server.get(query).await;
        reply.expect(200);
        reply.entries()[0]["search"].clone()
    };
    let search = told("/Patient?_text=bone").await;
    let score = search["score"].as_f64().expect("a score");
    assert!(score > 0.0 && score <= 1.0, "{search}");
    for query in [
        "/Patient?_text=bone&_score=false",
        "/Patient?_id=p&_score=true",
    ] {
        assert_eq!(told(query).await, json!({"mode": "match"}), "{query}");
    }
    server
        .put(
            "/Location/l",
            &json!({"resourceType": "Location", "id": "l",
                "position": {"latitude": 10, "longitude": 20}}),
        )
        .await
        .expect(201);
    let expected = json!({"mode": "match", "extension": [{
        "url": "http://hl7.org/fhir/StructureDefinition/location-distance",
        "valueDistance": {"value": 0, "unit": "km", "system": "http://unitsofmeasure.org",
            "code": "km"}}]});
    let mut search = told("/Location?near=10%7C20&_sort=near").await;
    let value = &mut search["extension"][0]["valueDistance"]["value"];
    assert_eq!(value.to_string(), "0.000");
    *value = json!(0);
    assert_eq!(search, expected);
}

#[tokio::test(flavor = "multi_thread")]
async fn counts_and_includes_are_told_apart() {
    let server = Server::start().await;
    server
        .put(
            "/Organization/o",
            &json!({"resourceType": "Organization", "id": "o", "name": "O"}),
        )
        .await
        .expect(201);
    for n in 0..5 {
        let mut resource = patient_with_id(&format!("p{n}"), "x");
        resource["managingOrganization"] = json!({"reference": "Organization/o"});
        server
            .put(&format!("/Patient/p{n}"), &resource)
            .await
            .expect(201);
    }
    let reply = server
        .get("/Patient?_count=3&_include=Patient:organization&_total=accurate")
        .await;
    reply.expect(200);
    assert_eq!(reply.ids().len(), 3);
    let included: Vec<_> = reply
        .entries()
        .into_iter()
        .filter(|entry| entry["search"]["mode"] == "include")
        .collect();
    assert_eq!(included.len(), 1);
    assert_eq!(included[0]["resource"]["id"], "o");
    assert_eq!(reply.json()["total"], 5);
    // Each page stands alone.
    let second = server.get(&reply.link("next").expect("a next page")).await;
    assert_eq!(second.ids().len(), 2);
    assert_eq!(second.entries().len(), 3);
    assert!(second.link("next").is_none());

    let back = server
        .get("/Organization?_revinclude=Patient:organization")
        .await;
    assert_eq!((back.ids().len(), back.entries().len()), (1, 6));
    for query in ["_count=0", "_summary=count"] {
        let reply = server.get(&format!("/Patient?{query}")).await;
        assert_eq!(
            (reply.json()["total"].clone(), reply.entries().len()),
            (json!(5), 0)
        );
    }
    server.delete("/Patient/p1").await.expect(204);
    assert_eq!(
        server
            .get("/Organization?_revinclude=Patient:organization")
            .await
            .entries()
            .len(),
        5
    );
}

#[tokio::test(flavor = "multi_thread")]
async fn post_search_equals_get_and_adds_to_the_url() {
    let server = Server::start().await;
    server.create(&patient("1")).await;
    let headers = ["Content-Type: application/x-www-form-urlencoded"];
    let get = server.get("/Patient?identifier=urn:t|1&_count=5").await;
    let post = server
        .send(
            "POST",
            "/fhir/Patient/_search",
            &headers,
            "identifier=urn%3At%7C1&_count=5",
        )
        .await;
    post.expect(200);
    assert_eq!(get.ids(), post.ids());
    assert_eq!(get.link("self"), post.link("self"));
    let both = server
        .send(
            "POST",
            "/fhir/Patient/_search?family=test",
            &headers,
            "identifier=other",
        )
        .await;
    assert!(both.expect(200).ids().is_empty());
    let all = server
        .send("POST", "/fhir/_search", &headers, "_type=Patient")
        .await;
    assert_eq!(all.expect(200).ids().len(), 1);
}

#[tokio::test(flavor = "multi_thread")]
async fn strict_refuses_and_lenient_warns() {
    let server = Server::start().await;
    server.create(&patient("1")).await;
    let strict = server.get("/Patient?foo=bar").await;
    strict.expect(400);
    assert!(strict.issues().contains("foo"));
    let lenient = server
        .send(
            "GET",
            "/fhir/Patient?foo=bar&family=test",
            &["Prefer: handling=lenient"],
            "",
        )
        .await;
    lenient.expect(200);
    assert_eq!(lenient.ids().len(), 1);
    let outcome = lenient
        .entries()
        .into_iter()
        .find(|entry| entry["search"]["mode"] == "outcome")
        .expect("an outcome");
    assert!(outcome["resource"]["issue"].to_string().contains("foo"));
    assert!(!lenient.link("self").expect("a self link").contains("foo"));
}

#[tokio::test(flavor = "multi_thread")]
async fn what_is_written_is_found_by_the_next_request() {
    let server = Server::start().await;
    for n in 0..50 {
        let id = server.create(&patient(&n.to_string())).await;
        assert_eq!(
            server
                .get(&format!("/Patient?identifier=urn:t|{n}"))
                .await
                .ids(),
            [id]
        );
    }
}

/// Sort values are of patients: links do not show them, and only servers of one database read
/// each other's, also after a restart.
#[tokio::test(flavor = "multi_thread")]
async fn cursors_are_sealed_and_hold_on_every_node_of_a_database() {
    let options = database().await;
    let first = Server::on(options.clone(), settings()).await;
    for n in 0..3 {
        let path = format!("/Patient/p{n}");
        let patient = patient_with_id(&format!("p{n}"), "same");
        first.put(&path, &patient).await.expect(201);
    }
    let url = "/Patient?_sort=_id&_count=1";
    let next = first.get(url).await.expect(200).link("next");
    let next = next.expect("a second page");
    let second = Server::on(options, settings()).await;
    let foreign = Server::start().await;
    for server in [&first, &second] {
        assert_eq!(server.get(&next).await.expect(200).ids(), ["p1"]);
    }
    foreign.get(&next).await.expect(400);
    first.hub.store.close().await;
    let onwards = second.get(&next).await.expect(200).link("next");
    assert!(onwards.is_some(), "after the first has gone");
    let (_, cursor) = next.split_once("_cursor=").expect("a cursor");
    let swapped = next.replace("_count=1", "_count=2");
    assert_eq!(second.get(&swapped).await.expect(200).ids(), ["p1", "p2"]);
    let other = format!("/Patient?_sort=-_id&_cursor={cursor}");
    second.get(&other).await.expect(400);
    let last = cursor.len() - 1;
    for at in [0, last / 2, last] {
        let mut damaged = cursor.to_owned().into_bytes();
        damaged[at] = if damaged[at] == b'A' { b'B' } else { b'A' };
        let damaged = String::from_utf8(damaged).expect("ASCII");
        let path = format!("{url}&_cursor={damaged}");
        second.get(&path).await.expect(400);
    }
}
