//! What the reference evaluator found: each disagreement that was the server's mistake, as
//! small as it gets.

use crate::harness::Server;
use serde_json::json;

#[tokio::test(flavor = "multi_thread")]
async fn a_coding_with_a_system_is_not_found_without_one_where_a_uri_could_be() {
    let server = Server::start().await;
    let coding = json!({"system": "urn:events", "code": "admit"});
    let message = |event: (&str, serde_json::Value)| {
        let mut message =
            json!({"resourceType": "MessageDefinition", "status": "draft", "date": "2024"});
        message[event.0] = event.1;
        message
    };
    let with_system = server.create(&message(("eventCoding", coding))).await;
    let without = server
        .create(&message(("eventCoding", json!({"code": "admit"}))))
        .await;
    let uri = server.create(&message(("eventUri", json!("admit")))).await;
    for (query, mut expected) in [
        ("event=%7Cadmit", vec![&without, &uri]),
        ("event:not=%7Cadmit", vec![&with_system]),
        ("event=admit", vec![&with_system, &without, &uri]),
        ("event=urn:events%7Cadmit", vec![&with_system]),
    ] {
        let mut found = server
            .get(&format!("/MessageDefinition?{query}"))
            .await
            .ids();
        found.sort();
        expected.sort();
        assert_eq!(found.iter().collect::<Vec<_>>(), expected, "{query}");
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_contained_patient_is_a_patient() {
    let server = Server::start().await;
    let inside = |kind: &str| {
        json!({"resourceType": "Observation", "status": "final", "code": {"text": "x"},
            "contained": [{"resourceType": kind, "id": "p"}], "subject": {"reference": "#p"}})
    };
    let patient = server.create(&inside("Patient")).await;
    let device = server.create(&inside("Device")).await;
    for (query, expected) in [
        ("patient:missing=false", &patient),
        ("patient:missing=true", &device),
    ] {
        let found = server.get(&format!("/Observation?{query}")).await.ids();
        assert_eq!(found, std::slice::from_ref(expected), "{query}");
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn an_id_that_is_asked_for_twice_is_found_once() {
    let server = Server::start().await;
    let id = server
        .create(&json!({"resourceType": "Patient", "active": true}))
        .await;
    for query in [
        format!("_id={id},{id}"),
        format!("_id={id}&_id={id}"),
        format!("_id={id},{id}&_count=1"),
        format!("_id={id},{id}&_sort=_id"),
    ] {
        let page = server.get(&format!("/Patient?{query}")).await;
        assert_eq!(page.ids(), std::slice::from_ref(&id), "{query}");
        assert_eq!(page.json()["total"], 1, "{query}");
    }
}

/// A `_has` that comes down to few resources is answered by their keys, another by a join.
#[tokio::test(flavor = "multi_thread")]
async fn a_contained_resource_is_referred_to_by_its_container() {
    let server = Server::start().await;
    let plan = json!({"resourceType": "CarePlan", "status": "active", "intent": "plan",
        "subject": {"display": "x"}, "title": "Walk",
        "contained": [{"resourceType": "Goal", "id": "g", "lifecycleStatus": "active",
            "description": {"text": "x"}, "subject": {"display": "x"}}],
        "goal": [{"reference": "#g"}]});
    let id = server.create(&plan).await;
    for query in [
        "goal._has:CarePlan:goal:status=active",
        "goal._has:CarePlan:goal:status:not=draft",
        "goal._has:CarePlan:goal:category:missing=true",
    ] {
        let found = server.get(&format!("/CarePlan?{query}")).await.ids();
        assert_eq!(found, std::slice::from_ref(&id), "{query}");
    }
}

/// TB4: an id of several types is refused where it means two things, and only there.
#[tokio::test(flavor = "multi_thread")]
async fn a_bare_id_is_that_of_the_one_resource_that_is_referred_to() {
    let server = Server::start().await;
    for kind in ["Patient", "Device"] {
        let resource = json!({"resourceType": kind, "id": "1"});
        server
            .put(&format!("/{kind}/1"), &resource)
            .await
            .expect(201);
    }
    let observation = |subject: &str| {
        json!({"resourceType": "Observation", "status": "final", "code": {"text": "x"},
            "subject": {"reference": subject}})
    };
    let first = server.create(&observation("Patient/1")).await;
    for url in ["/Observation?subject=1", "/Observation?subject=1,2"] {
        assert_eq!(
            server.get(url).await.expect(200).ids(),
            [first.as_str()],
            "{url}"
        );
    }
    // Of another parameter: nobody refers to either by it.
    let none = server.get("/Observation?focus=1").await;
    assert_eq!(none.expect(200).ids(), [""; 0]);
    let second = server.create(&observation("Device/1")).await;
    let refused = server.get("/Observation?subject=1").await;
    assert!(refused.expect(400).issues().contains("Patient/1"));
    server
        .delete(&format!("/Observation/{second}"))
        .await
        .expect(204);
    assert_eq!(
        server.get("/Observation?subject=1").await.expect(200).ids(),
        [first]
    );
    // What is contained refers too, where chains lead into it.
    let report = json!({"resourceType": "DiagnosticReport", "status": "final", "code": {"text": "x"},
        "contained": [{"resourceType": "Observation", "id": "o", "status": "final",
            "code": {"text": "x"}, "subject": {"reference": "Device/1"}}],
        "result": [{"reference": "#o"}]});
    server.create(&report).await;
    let refused = server.get("/DiagnosticReport?result.subject=1").await;
    assert!(refused.expect(400).issues().contains("Device/1"));
}

/// PDQm clients write the kind of contact before the value.
#[tokio::test(flavor = "multi_thread")]
async fn a_contact_is_found_by_its_kind_and_its_use() {
    let server = Server::start().await;
    let patient =
        |telecom: serde_json::Value| json!({"resourceType": "Patient", "telecom": telecom});
    let home = server
        .create(&patient(json!([
            {"system": "phone", "value": "+1 555 0001", "use": "home"},
            {"system": "email", "value": "Ada@Example.org"}])))
        .await;
    let fax = server
        .create(&patient(
            json!([{"system": "fax", "value": "+1 555 0001", "use": "work"}]),
        ))
        .await;
    let bare = server
        .create(&patient(json!([{"value": "+1 555 0001"}])))
        .await;
    for (query, expected) in [
        ("telecom=%2B1%20555%200001", vec![&home, &fax, &bare]),
        ("telecom=phone%7C%2B1%20555%200001", vec![&home]),
        ("telecom=fax%7C%2B1%20555%200001", vec![&fax]),
        ("telecom=work%7C%2B1%20555%200001", vec![&fax]),
        ("telecom=home%7C%2B1%20555%200001", vec![&home]),
        // Of one and the same contact.
        ("telecom=email%7C%2B1%20555%200001", vec![]),
        ("telecom=email%7Cada@example.org", vec![&home]),
        ("telecom=%7C%2B1%20555%200001", vec![&home, &fax, &bare]),
        ("telecom=email%7C", vec![&home]),
        ("telecom:not=fax%7C", vec![&home, &bare]),
        ("phone=phone%7C%2B1%20555%200001", vec![&home]),
        ("phone=fax%7C%2B1%20555%200001", vec![]),
    ] {
        let mut found = server
            .get(&format!("/Patient?{query}"))
            .await
            .expect(200)
            .ids();
        found.sort();
        let mut expected: Vec<String> = expected.into_iter().cloned().collect();
        expected.sort();
        assert_eq!(found, expected, "{query}");
    }
}

/// A tenth more is still about the same, in any unit.
#[tokio::test(flavor = "multi_thread")]
async fn about_a_number_includes_its_ends() {
    let server = Server::start().await;
    let of = |value: u32| {
        json!({"resourceType": "Observation", "status": "final", "code": {"text": "x"},
            "valueQuantity": {"value": value, "system": "http://unitsofmeasure.org", "code": "mm[Hg]"}})
    };
    let mut all = Vec::new();
    for value in [89, 90, 110, 111] {
        all.push(server.create(&of(value)).await);
    }
    let mut expected = all[1..3].to_vec();
    expected.sort();
    for query in [
        "ap100",
        "ap10e1%7Chttp://unitsofmeasure.org%7Cmm%5BHg%5D",
        "ap100.0%7C%7Cmm%5BHg%5D",
    ] {
        let url = format!("/Observation?value-quantity={query}");
        let mut found = server.get(&url).await.expect(200).ids();
        found.sort();
        assert_eq!(found, expected, "{query}");
    }
}
