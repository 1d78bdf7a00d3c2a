//! batch and transaction; tables TE and TC3.

use super::{patient, patient_with_id};
use crate::harness::Server;
use serde_json::{Value, json};

pub fn bundle(kind: &str, entries: Vec<Value>) -> Value {
    json!({"resourceType": "Bundle", "type": kind, "entry": entries})
}

fn post(full_url: &str, resource: Value) -> Value {
    let kind = resource["resourceType"].clone();
    json!({"fullUrl": full_url, "resource": resource, "request": {"method": "POST", "url": kind}})
}

fn put(resource: Value) -> Value {
    let url = format!(
        "{}/{}",
        resource["resourceType"].as_str().expect("a type"),
        resource["id"].as_str().expect("an id")
    );
    json!({"resource": resource, "request": {"method": "PUT", "url": url}})
}

fn observation(subject: &str) -> Value {
    json!({"resourceType": "Observation", "status": "final", "code": {"text": "x"}, "subject": {"reference": subject}})
}

async fn transaction(server: &Server, entries: Vec<Value>) -> crate::harness::Reply {
    server.post("", &bundle("transaction", entries)).await
}

/// How many versions there are, of anything.
async fn versions(server: &Server) -> usize {
    server.get("/_history?_count=1000").await.entries().len()
}

#[tokio::test(flavor = "multi_thread")]
async fn links_between_entries_are_rewritten_wherever_they_may_stand() {
    let server = Server::start().await;
    let one = "urn:uuid:00000000-0000-4000-8000-000000000001";
    let two = "urn:uuid:00000000-0000-4000-8000-000000000002";
    let mut patient = patient("1");
    // A circle: the patient points at the document, the document at the patient.
    patient["link"] = json!([{"other": {"reference": one}, "type": "seealso"}]);
    patient["text"] = json!({"status": "generated", "div": format!("<div xmlns=\"http://www.w3.org/1999/xhtml\"><a href=\"{two}\">x</a></div>")});
    let document = json!({
        "resourceType": "DocumentReference", "status": "current", "subject": {"reference": format!("{one}/_history/1")},
        "content": [{"attachment": {"url": two}}],
    });
    let plan = json!({
        "resourceType": "CarePlan", "status": "active", "intent": "plan", "subject": {"reference": one},
        "instantiatesCanonical": [two], "instantiatesUri": [two],
    });
    let reply = transaction(
        &server,
        vec![
            post(two, document),
            post(one, patient),
            post("urn:uuid:00000000-0000-4000-8000-000000000003", plan),
        ],
    )
    .await;
    reply.expect(200);
    let bundle = reply.json();
    assert_eq!(bundle["type"], "transaction-response");
    let place = |index: usize| {
        let location = bundle["entry"][index]["response"]["location"]
            .as_str()
            .expect("a location");
        let rest = location
            .strip_prefix(crate::harness::BASE)
            .expect("our base");
        rest.split("/_history").next().expect("a path").to_owned()
    };
    let document = server.get(&place(0)).await.json();
    let patient_reference = place(1)[1..].to_owned();
    let document_reference = place(0)[1..].to_owned();
    assert_eq!(
        document["subject"]["reference"],
        format!("{patient_reference}/_history/1")
    );
    assert_eq!(
        document["content"][0]["attachment"]["url"],
        document_reference
    );
    let patient = server.get(&place(1)).await.json();
    assert_eq!(patient["link"][0]["other"]["reference"], patient_reference);
    assert!(
        patient["text"]["div"]
            .as_str()
            .expect("a div")
            .contains(&format!("href=\"{document_reference}\""))
    );
    let plan = server.get(&place(2)).await.json();
    assert_eq!(plan["instantiatesCanonical"][0], two);
    assert_eq!(plan["instantiatesUri"][0], document_reference);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_lost_urn_fails_the_transaction() {
    let server = Server::start().await;
    let reply = transaction(
        &server,
        vec![
            post("urn:uuid:a", patient("1")),
            post("urn:uuid:b", observation("urn:uuid:c")),
        ],
    )
    .await;
    reply.expect(400);
    assert!(
        reply
            .issues()
            .contains("Bundle.entry[1].resource.subject.reference"),
        "{}",
        reply.text()
    );
    assert_eq!(versions(&server).await, 0);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_foreign_base_is_taken_as_ours() {
    let server = Server::start().await;
    let mut entry = put(patient_with_id("p", "1"));
    entry["fullUrl"] = json!("http://other/fhir/Patient/p");
    let mut relative = post("http://other/fhir/Observation/o", observation("Patient/p"));
    relative["resource"]["note"] = json!([{"text": "relative"}]);
    let reply = transaction(
        &server,
        vec![
            entry,
            post("urn:uuid:a", observation("http://other/fhir/Patient/p")),
            relative,
        ],
    )
    .await;
    reply.expect(200);
    assert_eq!(
        server
            .get("/Observation?subject=Patient/p")
            .await
            .ids()
            .len(),
        2
    );
}

#[tokio::test(flavor = "multi_thread")]
async fn conditional_references_are_resolved_or_fail_the_transaction() {
    let server = Server::start().await;
    let reference = "Patient?identifier=urn:t|1";
    let none = transaction(&server, vec![post("urn:uuid:o", observation(reference))]).await;
    none.expect(412);
    assert!(none.issues().contains("Bundle.entry[0]"));
    let id = server.create(&patient("1")).await;
    transaction(&server, vec![post("urn:uuid:o", observation(reference))])
        .await
        .expect(200);
    assert_eq!(
        server
            .get(&format!("/Observation?subject=Patient/{id}"))
            .await
            .ids()
            .len(),
        1
    );
    // It may mean what the same transaction writes, wherever the entry stands.
    let reply = transaction(
        &server,
        vec![
            post("urn:uuid:o", observation("Patient?identifier=urn:t|2")),
            post("urn:uuid:p", patient("2")),
        ],
    )
    .await;
    reply.expect(200);
    server.create(&patient("1")).await;
    let several = transaction(&server, vec![post("urn:uuid:o", observation(reference))]).await;
    several.expect(412);
    // Nowhere but in a transaction.
    server
        .post("/Observation", &observation(reference))
        .await
        .expect(400);
    let batch = server
        .post(
            "",
            &bundle("batch", vec![post("urn:uuid:o", observation(reference))]),
        )
        .await;
    assert_eq!(batch.entries()[0]["response"]["status"], "400 Bad Request");
    assert_eq!(server.get("/Observation").await.ids().len(), 2);
}

#[tokio::test(flavor = "multi_thread")]
async fn entries_are_done_by_method_and_answered_in_order() {
    let server = Server::start().await;
    server
        .put("/Patient/gone", &patient_with_id("gone", "1"))
        .await
        .expect(201);
    let entries = vec![
        json!({"request": {"method": "GET", "url": "Patient?identifier=urn:t|1"}}),
        put(patient_with_id("put", "1")),
        post("urn:uuid:a", patient("1")),
        json!({"request": {"method": "DELETE", "url": "Patient/gone"}}),
    ];
    let reply = transaction(&server, entries).await;
    reply.expect(200);
    let answers = reply.entries();
    assert_eq!(
        answers[0]["resource"]["entry"].as_array().map(Vec::len),
        Some(2)
    );
    for (index, status) in ["200 OK", "201 Created", "201 Created", "204 No Content"]
        .iter()
        .enumerate()
    {
        assert_eq!(answers[index]["response"]["status"], *status);
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn one_resource_twice_fails_the_transaction() {
    let server = Server::start().await;
    server
        .put("/Patient/a", &patient_with_id("a", "1"))
        .await
        .expect(201);
    let delete = json!({"request": {"method": "DELETE", "url": "Patient/a"}});
    let conditional = json!({"resource": patient("1"), "request": {"method": "PUT", "url": "Patient?identifier=urn:t|1"}});
    let create = json!({"fullUrl": "urn:uuid:1", "resource": patient("9"), "request": {"method": "POST", "url": "Patient", "ifNoneExist": "identifier=urn:t|9"}});
    let mut create_again = create.clone();
    create_again["fullUrl"] = json!("urn:uuid:2");
    let before = versions(&server).await;
    for entries in [
        vec![
            put(patient_with_id("a", "2")),
            put(patient_with_id("a", "3")),
        ],
        vec![put(patient_with_id("a", "2")), delete],
        vec![put(patient_with_id("a", "1")), conditional.clone()],
        vec![conditional.clone(), conditional],
        vec![create, create_again],
        vec![
            post("urn:uuid:same", patient("1")),
            post("urn:uuid:same", patient("2")),
        ],
    ] {
        let reply = transaction(&server, entries).await;
        reply.expect(400);
        // Deletes are done first, so that either of the two may be the one that is refused.
        assert!(reply.issues().contains("Bundle.entry["), "{}", reply.text());
    }
    assert_eq!(versions(&server).await, before);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_matched_conditional_entry_lends_its_id_to_references() {
    let server = Server::start().await;
    let id = server.create(&patient("1")).await;
    let create = json!({"fullUrl": "urn:uuid:p", "resource": patient("1"), "request": {"method": "POST", "url": "Patient", "ifNoneExist": "identifier=urn:t|1"}});
    let reply = transaction(
        &server,
        vec![create, post("urn:uuid:o", observation("urn:uuid:p"))],
    )
    .await;
    reply.expect(200);
    assert_eq!(reply.entries()[0]["response"]["status"], "200 OK");
    for (identifier, status) in [("1", "200 OK"), ("new", "201 Created")] {
        let mut resource = patient(identifier);
        resource["active"] = json!(true);
        let update = json!({"fullUrl": "urn:uuid:p", "resource": resource, "request": {"method": "PUT", "url": format!("Patient?identifier=urn:t%7C{identifier}")}});
        let reply = transaction(
            &server,
            vec![post("urn:uuid:o", observation("urn:uuid:p")), update],
        )
        .await;
        reply.expect(200);
        assert_eq!(reply.entries()[1]["response"]["status"], status);
    }
    assert_eq!(
        server
            .get(&format!("/Observation?subject=Patient/{id}"))
            .await
            .ids()
            .len(),
        2
    );
    assert_eq!(server.get("/Observation").await.ids().len(), 3);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_transaction_is_all_or_nothing_and_names_the_entry() {
    let server = Server::start().await;
    let mut entries: Vec<Value> = (0..100)
        .map(|n| post(&format!("urn:uuid:{n}"), patient(&n.to_string())))
        .collect();
    entries[99]["resource"]["birthDate"] = json!("yesterday");
    let reply = transaction(&server, entries.clone()).await;
    reply.expect(400);
    assert!(
        reply
            .issues()
            .contains("Bundle.entry[99].resource.birthDate"),
        "{}",
        reply.text()
    );
    assert_eq!(versions(&server).await, 0);
    // The same as a batch: 99 done, one explained.
    let reply = server.post("", &bundle("batch", entries)).await;
    reply.expect(200);
    let answers = reply.entries();
    assert_eq!(answers.len(), 100);
    for (index, answer) in answers.iter().enumerate() {
        let status = if index == 99 {
            "400 Bad Request"
        } else {
            "201 Created"
        };
        assert_eq!(answer["response"]["status"], status, "{answer}");
    }
    assert!(
        answers[99]["response"]["outcome"]["issue"][0]["expression"][0]
            .as_str()
            .expect("a place")
            .contains("birthDate")
    );
    assert_eq!(versions(&server).await, 99);
}

#[tokio::test(flavor = "multi_thread")]
async fn entries_without_what_they_need_say_which() {
    let server = Server::start().await;
    for (entry, place) in [
        (json!({"resource": patient("1")}), "Bundle.entry[0].request"),
        (
            json!({"resource": patient("1"), "request": {"url": "Patient"}}),
            "Bundle.entry[0].request.method",
        ),
        (
            json!({"resource": patient("1"), "request": {"method": "POST"}}),
            "Bundle.entry[0].request.url",
        ),
        (
            json!({"request": {"method": "POST", "url": "Patient"}}),
            "Bundle.entry[0].resource",
        ),
        (
            json!({"resource": patient("1"), "request": {"method": "PUT", "url": "Patient"}}),
            "Bundle.entry[0].request.url",
        ),
        (
            json!({"resource": patient("1"), "request": {"method": "BREW", "url": "Patient"}}),
            "Bundle.entry[0].request.method",
        ),
    ] {
        let reply = transaction(&server, vec![entry.clone()]).await;
        reply.expect(400);
        assert!(reply.issues().contains(place), "{}", reply.text());
        let batch = server.post("", &bundle("batch", vec![entry])).await;
        batch.expect(200);
        assert_eq!(batch.entries()[0]["response"]["status"], "400 Bad Request");
    }
    assert_eq!(
        transaction(&server, vec![])
            .await
            .expect(200)
            .entries()
            .len(),
        0
    );
    let collection = bundle("collection", vec![json!({"resource": patient("1")})]);
    server.post("", &collection).await.expect(400);
    server.post("/Bundle", &collection).await.expect(201);
    server.post("", &patient("1")).await.expect(400);
}

#[tokio::test(flavor = "multi_thread")]
async fn if_match_holds_inside_a_transaction() {
    let server = Server::start().await;
    server
        .put("/Patient/a", &patient_with_id("a", "1"))
        .await
        .expect(201);
    for (tag, status) in [("W/\"7\"", 412), ("W/\"1\"", 200)] {
        let mut entry = put(patient_with_id("a", "2"));
        entry["request"]["ifMatch"] = json!(tag);
        transaction(&server, vec![post("urn:uuid:x", patient("x")), entry])
            .await
            .expect(status);
    }
    assert_eq!(
        server.get("/Patient?identifier=urn:t|x").await.ids().len(),
        1
    );
}

#[tokio::test(flavor = "multi_thread")]
async fn a_permuted_transaction_ends_in_the_same_state() {
    let entries = |server_specific: usize| {
        let mut entries = vec![
            put(patient_with_id("a", "1")),
            put(patient_with_id("b", "2")),
            json!({"resource": {"resourceType": "Observation", "id": "o", "status": "final", "code": {"text": "x"}, "subject": {"reference": "Patient/b"}}, "request": {"method": "PUT", "url": "Observation/o"}}),
            json!({"request": {"method": "DELETE", "url": "Patient/c"}}),
            json!({"request": {"method": "GET", "url": "Patient/a"}}),
        ];
        entries.rotate_left(server_specific);
        entries
    };
    let mut states = Vec::new();
    for turn in 0..5 {
        let server = Server::start().await;
        server
            .put("/Patient/c", &patient_with_id("c", "3"))
            .await
            .expect(201);
        transaction(&server, entries(turn)).await.expect(200);
        let mut state = Vec::new();
        for url in ["/Patient/a", "/Patient/b", "/Patient/c", "/Observation/o"] {
            let reply = server.get(url).await;
            let mut body = reply.json();
            body["meta"] = Value::Null;
            state.push((
                reply.status,
                if reply.status == 200 {
                    body
                } else {
                    Value::Null
                },
            ));
        }
        states.push(state);
    }
    assert!(
        states.windows(2).all(|pair| pair[0] == pair[1]),
        "{states:?}"
    );
}

#[tokio::test(flavor = "multi_thread")]
async fn entries_of_a_batch_may_not_point_at_each_other() {
    let server = Server::start().await;
    let reply = server
        .post(
            "",
            &bundle(
                "batch",
                vec![
                    post("urn:uuid:p", patient("1")),
                    post("urn:uuid:o", observation("urn:uuid:p")),
                ],
            ),
        )
        .await;
    reply.expect(200);
    assert_eq!(reply.entries()[0]["response"]["status"], "201 Created");
    assert_eq!(reply.entries()[1]["response"]["status"], "400 Bad Request");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_batch_reads_what_it_wrote_before() {
    let server = Server::start().await;
    let get = |url: &str| json!({"request": {"method": "GET", "url": url}});
    let reply = server
        .post(
            "",
            &bundle(
                "batch",
                vec![
                    put(patient_with_id("a", "1")),
                    get("Patient/a"),
                    get("Patient?identifier=urn:t|1"),
                    get("Patient/a/_history"),
                    get("Patient/none"),
                    get("Patient/a/_history/1"),
                    get("Nope/1"),
                ],
            ),
        )
        .await;
    reply.expect(200);
    let answers = reply.entries();
    assert_eq!(answers[1]["resource"]["id"], "a");
    assert_eq!(answers[2]["resource"]["entry"][0]["resource"]["id"], "a");
    assert_eq!(answers[3]["resource"]["type"], "history");
    assert_eq!(answers[4]["response"]["status"], "404 Not Found");
    assert_eq!(answers[5]["resource"]["meta"]["versionId"], "1");
    assert_eq!(answers[6]["response"]["status"], "404 Not Found");
}

#[tokio::test(flavor = "multi_thread")]
async fn reads_in_a_batch_are_checked_and_cut_as_over_http() {
    let server = Server::start().await;
    let mut resource = patient_with_id("a", "1");
    resource["gender"] = json!("other");
    server.put("/Patient/a", &resource).await.expect(201);
    let get = |url: &str| json!({"request": {"method": "GET", "url": url}});
    for (url, status) in [
        ("Patient/%61", "200 OK"),
        ("Patient/a/_history/1", "200 OK"),
        ("Patient/a/_history/01", "404 Not Found"),
        ("Patient/a/_history/%00", "404 Not Found"),
        ("Patient/%00", "400 Bad Request"),
        ("Patient/a\u{0}", "400 Bad Request"),
        ("Patient/a\u{0}/_history", "400 Bad Request"),
        ("Patient/a%2Fb/_history/1", "400 Bad Request"),
        ("Patient/%FF", "400 Bad Request"),
        ("Patient/a?_summary=count", "400 Bad Request"),
        ("Patient?identifier=%00", "400 Bad Request"),
        ("Patient?name=a%00", "400 Bad Request"),
        ("Patient?_id=%00", "400 Bad Request"),
        ("metadata", "404 Not Found"),
    ] {
        let reply = server.post("", &bundle("batch", vec![get(url)])).await;
        let response = reply.expect(200).entries()[0]["response"].clone();
        let status_is = response["status"].as_str().expect("a status");
        // A search for what cannot be there may as well find nothing.
        let is_search = url.starts_with("Patient?") && status_is == "200 OK";
        assert!(status_is == status || is_search, "{url}: {response}");
    }
    for url in [
        "Patient/a?_elements=gender",
        "Patient/a/_history/1?_elements=gender",
    ] {
        let reply = server.post("", &bundle("batch", vec![get(url)])).await;
        let found = reply.expect(200).entries()[0]["resource"].clone();
        assert_eq!(found["gender"], "other", "{url}");
        assert_eq!(found["identifier"], Value::Null, "{url}");
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn criteria_may_contain_question_marks() {
    let server = Server::start().await;
    let mut resource = patient("1");
    resource["identifier"][0]["system"] = json!("http://x/id?sys=1");
    server.create(&resource).await;
    let criteria = "identifier=http://x/id?sys=1|1";
    for criteria in [
        criteria.to_owned(),
        format!("?{criteria}"),
        format!("Patient?{criteria}"),
    ] {
        let entry = json!({"resource": resource, "request": {"method": "POST", "url": "Patient", "ifNoneExist": criteria}});
        let reply = transaction(&server, vec![entry]).await;
        reply.expect(200);
        assert_eq!(
            reply.entries()[0]["response"]["status"],
            "200 OK",
            "{criteria}"
        );
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_malformed_entry_joins_no_neighbours() {
    let server = Server::start().await;
    let reply = server
        .post(
            "",
            &bundle(
                "batch",
                vec![
                    put(patient_with_id("a", "1")),
                    json!({"request": {"method": "BREW", "url": "Patient"}}),
                    json!({"request": {"method": "GET", "url": "Patient/a"}}),
                ],
            ),
        )
        .await;
    reply.expect(200);
    let statuses: Vec<Value> = reply
        .entries()
        .iter()
        .map(|entry| entry["response"]["status"].clone())
        .collect();
    assert_eq!(statuses, ["201 Created", "400 Bad Request", "200 OK"]);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_stored_bundle_keeps_its_own_links() {
    let server = Server::start().await;
    let inner = bundle(
        "collection",
        vec![
            json!({"fullUrl": "urn:uuid:p", "resource": patient("1")}),
            json!({"fullUrl": "urn:uuid:inner", "resource": observation("urn:uuid:nobody")}),
            json!({"resource": observation("Patient?identifier=urn:t|none")}),
        ],
    );
    for kind in ["batch", "transaction"] {
        let entries = vec![
            post("urn:uuid:p", patient("1")),
            post("urn:uuid:b", inner.clone()),
        ];
        let reply = server.post("", &bundle(kind, entries)).await;
        reply.expect(200);
        let response = &reply.entries()[1]["response"];
        assert_eq!(response["status"], "201 Created", "{kind}: {response}");
        let location = response["location"].as_str().expect("a location");
        let path = location
            .strip_prefix(crate::harness::BASE)
            .expect("our base");
        let stored = server.get(path).await.json();
        assert_eq!(stored["entry"], inner["entry"], "{kind}");
    }
    // What is wrong in it is placed in it.
    let mut wrong = inner;
    wrong["entry"][2]["resource"]["status"] = json!(1);
    let reply = transaction(&server, vec![post("urn:uuid:b", wrong)]).await;
    reply.expect(400);
    assert!(
        reply
            .issues()
            .contains("Bundle.entry[0].resource.entry[2].resource.status"),
        "{}",
        reply.text()
    );
}

#[tokio::test(flavor = "multi_thread")]
async fn a_conditional_reference_may_be_absolute_under_our_base() {
    let server = Server::start().await;
    let reference = format!("{}/Patient?identifier=urn:t|1", crate::harness::BASE);
    let reply = transaction(
        &server,
        vec![
            post("urn:uuid:o", observation(&reference)),
            post("urn:uuid:p", patient("1")),
        ],
    )
    .await;
    reply.expect(200);
    let patient = server.get("/Patient").await.ids().remove(0);
    let found = server
        .get(&format!("/Observation?subject=Patient/{patient}"))
        .await;
    assert_eq!(found.ids().len(), 1);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_bundle_that_contradicts_itself_is_refused() {
    let server = Server::start().await;
    let mut entry = put(patient_with_id("a", "1"));
    entry["fullUrl"] = json!("http://other/fhir/Patient/b");
    let reply = transaction(&server, vec![entry.clone()]).await;
    reply.expect(400);
    assert!(
        reply.issues().contains("Bundle.entry[0].fullUrl"),
        "{}",
        reply.text()
    );
    let reply = server.post("", &bundle("batch", vec![entry])).await;
    assert_eq!(reply.entries()[0]["response"]["status"], "400 Bad Request");
    for kind in ["batch", "transaction"] {
        let mut whole = bundle(kind, vec![]);
        whole["implicitRules"] = json!("http://rules");
        server.post("", &whole).await.expect(400);
    }
    assert_eq!(versions(&server).await, 0);
}

#[tokio::test(flavor = "multi_thread")]
async fn bundles_that_create_the_same_ids_the_other_way_round_both_end_well() {
    let server = Server::start().await;
    let entries = |mark: &str| -> Vec<Value> {
        (0..30)
            .map(|n| put(patient_with_id(&format!("p{n}"), mark)))
            .collect()
    };
    let (there, mut back) = (entries("1"), entries("2"));
    back.reverse();
    let (first, second) = tokio::join!(transaction(&server, there), transaction(&server, back));
    for reply in [first, second] {
        reply.expect(200);
    }
    assert_eq!(versions(&server).await, 60);
}

#[tokio::test(flavor = "multi_thread")]
async fn answers_stand_in_the_order_of_the_entries() {
    let server = Server::start().await;
    let entries: Vec<Value> = (0..30)
        .map(|n| put(patient_with_id(&format!("p{n}"), "1")))
        .collect();
    let reply = transaction(&server, entries).await;
    reply.expect(200);
    for (n, entry) in reply.entries().iter().enumerate() {
        let location = entry["response"]["location"].as_str().expect("a location");
        assert!(location.contains(&format!("/Patient/p{n}/")), "{location}");
    }
}
