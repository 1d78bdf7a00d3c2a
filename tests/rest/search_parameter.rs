//! Custom search parameters: TD1 to TD5, pains D2 to D5.

use super::bundle::bundle;
use crate::harness::{Reply, Server};
use andiron::jobs::worker;
use andiron::storage::jobs::{Job, State};
use serde_json::{Value, json};
use tokio::sync::watch;

/// An extension that no published parameter reads.
pub const EYES: &str = "http://example.org/eyes";

/// An active SearchParameter.
pub fn parameter(code: &str, base: &str, kind: &str, expression: &str) -> Value {
    json!({
        "resourceType": "SearchParameter", "id": code, "url": format!("http://example.org/{code}"),
        "name": "Custom", "description": "custom", "status": "active",
        "code": code, "base": [base], "type": kind, "expression": expression,
    })
}

/// `Patient?eyes=`
pub fn eyes() -> Value {
    let expression = format!("Patient.extension('{EYES}').value");
    parameter("eyes", "Patient", "token", &expression)
}

pub fn patient(id: &str, eyes: &str) -> Value {
    json!({
        "resourceType": "Patient", "id": id, "gender": "female",
        "extension": [{"url": EYES, "valueCode": eyes}],
    })
}

/// Stores `count` patients: every third has green eyes.
pub async fn populate(server: &Server, count: usize) {
    let entries = (0..count).map(|n| {
        let color = if n % 3 == 0 { "green" } else { "blue" };
        let id = format!("p{n}");
        json!({
            "resource": patient(&id, color),
            "request": {"method": "PUT", "url": format!("Patient/{id}")},
        })
    });
    let stored = server
        .post("", &bundle("transaction", entries.collect()))
        .await;
    stored.expect(200);
}

/// Works on the oldest job until its end, as a server's worker would.
pub async fn work(server: &Server) -> Option<Job> {
    let (_go_on, stop) = watch::channel(false);
    let worked = worker::work(&server.hub, "test", None, &stop, &mut |_| {}).await;
    worked.expect("the database answers")
}

/// Works until nothing is queued.
pub async fn work_off(server: &Server) {
    while let Some(job) = work(server).await {
        assert_eq!(job.state, State::Done, "{job:?}");
    }
}

/// How many match, which must be told without a warning.
#[track_caller]
pub fn count(reply: &Reply) -> u64 {
    reply.expect(200);
    let outcomes: Vec<Value> = reply
        .entries()
        .into_iter()
        .filter(|entry| entry["search"]["mode"] == "outcome")
        .collect();
    assert_eq!(outcomes, [] as [Value; 0]);
    reply.json()["total"].as_u64().expect("a total")
}

async fn total(server: &Server, query: &str) -> u64 {
    count(&server.get(&format!("{query}&_total=accurate")).await)
}

/// The entry of a parameter in the CapabilityStatement.
async fn stated(server: &Server, kind: &str, name: &str) -> Option<Value> {
    let statement = server.get("/metadata").await.json();
    let resources = statement["rest"][0]["resource"].as_array()?.clone();
    let resource = resources.iter().find(|one| one["type"] == kind)?;
    let parameters = resource["searchParam"].as_array()?;
    parameters.iter().find(|one| one["name"] == name).cloned()
}

/// TD1, D2: refused or flagged until all is indexed, then right.
#[tokio::test(flavor = "multi_thread")]
async fn a_new_parameter_answers_nothing_before_it_can_answer_right() {
    let server = Server::start().await;
    populate(&server, 30).await;
    let unknown = server.get("/Patient?eyes=green").await;
    assert!(!unknown.expect(400).issues().contains("not indexed yet"));
    server
        .put("/SearchParameter/eyes", &eyes())
        .await
        .expect(201);

    let refused = server.get("/Patient?eyes=green").await;
    let issues = refused.expect(400).issues();
    assert!(
        issues.contains("incomplete") && issues.contains("/_job/"),
        "{issues}"
    );
    for other in [
        "/Patient?eyes:missing=true",
        "/Patient?gender=female&eyes=green",
        "/Patient?eyes:not=green",
        "/?_type=Patient&eyes=green",
    ] {
        let reply = server.get(other).await;
        let issues = reply.expect(400).issues();
        assert!(issues.contains("not indexed yet"), "{other}: {issues}");
    }
    assert_eq!(total(&server, "/Patient?gender=female").await, 30);
    assert_eq!(stated(&server, "Patient", "eyes").await, None);

    // A new write is indexed at once; an answer that is partial says so.
    server
        .put("/Patient/new", &patient("new", "green"))
        .await
        .expect(201);
    let partial = server
        .send(
            "GET",
            "/fhir/Patient?eyes=green",
            &["Prefer: handling=lenient"],
            "",
        )
        .await;
    assert_eq!(partial.expect(200).ids(), ["new"]);
    let warning = partial.entries().pop().expect("an outcome")["resource"]["issue"][0].clone();
    assert_eq!(
        (&warning["severity"], &warning["code"]),
        (&json!("warning"), &json!("incomplete"))
    );
    assert!(partial.link("self").expect("a link").contains("eyes=green"));
    let other = server
        .send(
            "GET",
            "/fhir/Patient?gender=female&_total=accurate",
            &["Prefer: handling=lenient"],
            "",
        )
        .await;
    count(&other);

    let job = work(&server).await.expect("a job was queued");
    assert_eq!(
        (job.state, job.done, job.total),
        (State::Done, 31, Some(31))
    );
    assert_eq!(total(&server, "/Patient?eyes=green").await, 11);
    assert_eq!(total(&server, "/Patient?eyes=green,blue").await, 31);
    assert_eq!(total(&server, "/Patient?eyes:missing=false").await, 31);
    assert_eq!(total(&server, "/Patient?eyes:missing=true").await, 0);
    assert_eq!(total(&server, "/Patient?eyes:not=green").await, 20);
    let stated = stated(&server, "Patient", "eyes")
        .await
        .expect("it is stated");
    assert_eq!(stated["definition"], "http://example.org/eyes");
    assert_eq!(stated["type"], "token");
    // The index is nobody's version.
    let read = server.get("/Patient/p0").await;
    assert_eq!(read.header("etag"), Some("W/\"1\""));
    assert_eq!(total(&server, "/Patient?_id=p0").await, 1);
}

/// Every search type, its `:missing` and its use in sorting, chains and includes.
#[tokio::test(flavor = "multi_thread")]
async fn every_search_type_can_be_added() {
    let server = Server::start().await;
    let x = |name: &str| format!("http://example.org/{name}");
    server.put("/Patient/a", &json!({"resourceType": "Patient", "id": "a", "extension": [
        {"url": x("word"), "valueString": "Ærø Færge"},
        {"url": x("day"), "valueDate": "2020-02-29"},
        {"url": x("size"), "valueDecimal": 5.5},
        {"url": x("dose"), "valueQuantity": {"value": 7, "system": "http://unitsofmeasure.org", "code": "mg"}},
        {"url": x("site"), "valueUri": "http://example.org/one"},
        {"url": x("friend"), "valueReference": {"reference": "Patient/a"}},
    ]})).await.expect(201);
    server
        .put("/Patient/b", &json!({"resourceType": "Patient", "id": "b"}))
        .await
        .expect(201);
    let cast = |name: &str, of: &str| {
        format!("Patient.extension.where(url = 'http://example.org/{name}').value.ofType({of})")
    };
    for (code, kind, of) in [
        ("word", "string", "string"),
        ("day", "date", "date"),
        ("size", "number", "decimal"),
        ("dose", "quantity", "Quantity"),
        ("site", "uri", "uri"),
        ("friend", "reference", "Reference"),
    ] {
        let parameter = parameter(code, "Patient", kind, &cast(code, of));
        server
            .post("/SearchParameter", &parameter)
            .await
            .expect(201);
    }
    work_off(&server).await;
    for query in [
        "word=aero",
        "word:exact=Ærø Færge",
        "word:contains=færge",
        "day=2020-02",
        "day=gt2020-02-28",
        "size=5.5",
        "size=lt6",
        "dose=7|http://unitsofmeasure.org|mg",
        "dose=ge7",
        "site=http://example.org/one",
        "friend=Patient/a",
        "friend=a",
        "friend:Patient=a",
    ] {
        let url = format!(
            "/Patient?{}",
            query
                .replace(' ', "%20")
                .replace('|', "%7C")
                .replace('Æ', "%C3%86")
                .replace('ø', "%C3%B8")
                .replace('æ', "%C3%A6")
        );
        let reply = server.get(&url).await;
        if query == "word=aero" && reply.expect(200).ids().is_empty() {
            // How æ is folded is the string type's own matter.
            continue;
        }
        assert_eq!(reply.expect(200).ids(), ["a"], "{query}");
    }
    for code in ["word", "day", "size", "dose", "site", "friend"] {
        let with = server.get(&format!("/Patient?{code}:missing=false")).await;
        assert_eq!(with.expect(200).ids(), ["a"], "{code}");
        let without = server.get(&format!("/Patient?{code}:missing=true")).await;
        assert_eq!(without.expect(200).ids(), ["b"], "{code}");
    }
    for sort in ["word", "-day", "size", "dose"] {
        let sorted = server.get(&format!("/Patient?_sort={sort}")).await;
        assert_eq!(sorted.expect(200).ids(), ["a", "b"], "{sort}");
    }
    let included = server
        .get("/Patient?_id=b&_revinclude=Patient:friend")
        .await;
    assert_eq!(included.expect(200).entries().len(), 1);
}

/// TD2, D3: a parameter of one type leaves the others alone, while it is built too.
#[tokio::test(flavor = "multi_thread")]
async fn a_code_of_one_type_means_nothing_on_another() {
    let server = Server::start().await;
    let coded = json!([{"coding": [{"system": "urn:c", "code": "lab"}]}]);
    server.put("/Observation/o", &json!({
        "resourceType": "Observation", "id": "o", "status": "final", "code": {"text": "x"}, "category": coded,
    })).await.expect(201);
    server
        .put(
            "/MedicationDispense/m",
            &json!({
                "resourceType": "MedicationDispense", "id": "m", "status": "completed",
                "medicationCodeableConcept": {"text": "x"}, "category": coded[0],
            }),
        )
        .await
        .expect(201);
    let own = parameter(
        "category",
        "MedicationDispense",
        "token",
        "MedicationDispense.category",
    );
    server.post("/SearchParameter", &own).await.expect(201);
    for _ in 0..2 {
        assert_eq!(
            server
                .get("/Observation?category=lab")
                .await
                .expect(200)
                .ids(),
            ["o"]
        );
        assert_eq!(
            server
                .get("/Observation?category=urn:c%7C")
                .await
                .expect(200)
                .ids(),
            ["o"]
        );
        work(&server).await;
    }
    assert_eq!(
        server
            .get("/MedicationDispense?category=lab")
            .await
            .expect(200)
            .ids(),
        ["m"]
    );
    server.get("/Device?category=lab").await.expect(400);
}

/// TD3, D4.
#[tokio::test(flavor = "multi_thread")]
async fn a_broken_expression_is_refused_with_its_position() {
    let server = Server::start().await;
    for (kind, expression, says) in [
        (
            "token",
            "CarePlan.activity.detail.extension.values",
            "position 35",
        ),
        ("token", "CarePlan.activity.(", "position 18"),
        ("quantity", "CarePlan.title", "quantity"),
    ] {
        let bad = parameter("bad", "CarePlan", kind, expression);
        let reply = server.put("/SearchParameter/bad", &bad).await;
        let issues = reply.expect(422).issues();
        assert!(issues.contains("SearchParameter.expression"), "{issues}");
        assert!(issues.contains(says), "{issues}");
        // In a batch as alone, and a draft may be as broken as its author likes.
        let request = json!({"method": "PUT", "url": "SearchParameter/bad"});
        let entry = json!({"resource": bad, "request": request});
        let batch = server.post("", &bundle("batch", vec![entry.clone()])).await;
        let status = batch.expect(200).entries()[0]["response"]["status"].clone();
        assert!(
            status.as_str().expect("a status").starts_with("422"),
            "{status}"
        );
        server
            .post("", &bundle("transaction", vec![entry]))
            .await
            .expect(422);
    }
    let mut draft = parameter("bad", "CarePlan", "token", "CarePlan.activity.(");
    draft["status"] = json!("draft");
    server.put("/SearchParameter/bad", &draft).await.expect(201);
    let activate = json!([{"op": "replace", "path": "/status", "value": "active"}]);
    server
        .json_patch("/SearchParameter/bad", &[], &activate)
        .await
        .expect(422);
    assert!(work(&server).await.is_none());
}

/// D4: what fails on one resource keeps nobody from storing it.
#[tokio::test(flavor = "multi_thread")]
async fn a_failure_on_one_resource_does_not_block_its_write() {
    let server = Server::start().await;
    // A comparison of what may be several names is an error of FHIRPath.
    let picky = parameter("picky", "Patient", "token", "Patient.name.family = 'X'");
    server.post("/SearchParameter", &picky).await.expect(201);
    work_off(&server).await;
    let names = json!([{"family": "X"}, {"family": "Y"}]);
    let two = json!({"resourceType": "Patient", "id": "two", "name": names});
    server.put("/Patient/two", &two).await.expect(201);
    let one = json!({"resourceType": "Patient", "id": "one", "name": [names[0]]});
    server.put("/Patient/one", &one).await.expect(201);
    assert_eq!(
        server.get("/Patient?picky=true").await.expect(200).ids(),
        ["one"]
    );
}

/// TD4.
#[tokio::test(flavor = "multi_thread")]
async fn a_retired_or_deleted_parameter_is_unknown_until_it_is_built_again() {
    let server = Server::start().await;
    populate(&server, 6).await;
    server
        .put("/SearchParameter/eyes", &eyes())
        .await
        .expect(201);
    work_off(&server).await;
    let mut retired = eyes();
    retired["status"] = json!("retired");
    for round in 0..3 {
        assert_eq!(
            total(&server, "/Patient?eyes=green").await,
            2 - round.min(1),
            "{round}"
        );
        match round {
            0 => server
                .put("/SearchParameter/eyes", &retired)
                .await
                .expect(200),
            1 => server.delete("/SearchParameter/eyes").await.expect(204),
            _ => {
                let patch = json!([{"op": "replace", "path": "/status", "value": "retired"}]);
                server
                    .json_patch("/SearchParameter/eyes", &[], &patch)
                    .await
                    .expect(200);
                break;
            }
        };
        let issues = server.get("/Patient?eyes=green").await.expect(400).issues();
        assert!(!issues.contains("not indexed yet"), "{issues}");
        assert_eq!(stated(&server, "Patient", "eyes").await, None);
        // Written while nobody indexes it, so that its old entries are wrong.
        server.put("/Patient/p0", &patient("p0", "brown")).await;
        server.put("/SearchParameter/eyes", &eyes()).await;
        server.get("/Patient?eyes=green").await.expect(400);
        work_off(&server).await;
        assert!(stated(&server, "Patient", "eyes").await.is_some());
        assert_eq!(total(&server, "/Patient?eyes=brown").await, 1);
    }
    server.get("/Patient?eyes=green").await.expect(400);
}

/// TD5.
#[tokio::test(flavor = "multi_thread")]
async fn one_code_is_one_parameter() {
    let server = Server::start().await;
    server.post("/SearchParameter", &eyes()).await.expect(201);
    let again = server.post("/SearchParameter", &eyes()).await;
    let issues = again.expect(409).issues();
    assert!(
        issues.contains("SearchParameter.code") && issues.contains("eyes"),
        "{issues}"
    );
    let standard = parameter("birthdate", "Patient", "date", "Patient.birthDate");
    server.post("/SearchParameter", &standard).await.expect(409);

    // Written at once, neither seeing the other, or one refused: one is live, and one answer.
    let other = |n: u32| {
        let server = server.clone();
        async move {
            let mut own = parameter("shade", "Patient", "token", "Patient.gender");
            own["url"] = json!(format!("http://example.org/shade-{n}"));
            server.post("/SearchParameter", &own).await.status
        }
    };
    let statuses: [u16; 4] = tokio::join!(other(1), other(2), other(3), other(4)).into();
    assert!(statuses.contains(&201), "{statuses:?}");
    assert!(
        statuses.iter().all(|status| [201, 409].contains(status)),
        "{statuses:?}"
    );
    work_off(&server).await;
    populate(&server, 3).await;
    assert_eq!(total(&server, "/Patient?shade=female").await, 3);
    let statement = server.get("/metadata").await.text();
    assert_eq!(statement.matches("http://example.org/shade-").count(), 1);
}

/// What changes without changing what is indexed is not built again; what is indexed is.
#[tokio::test(flavor = "multi_thread")]
async fn only_what_is_indexed_otherwise_is_built_again() {
    let server = Server::start().await;
    populate(&server, 6).await;
    server
        .put("/SearchParameter/eyes", &eyes())
        .await
        .expect(201);
    work_off(&server).await;
    let mut described = eyes();
    described["description"] = json!("of the eyes");
    described["code"] = json!("eye-colour");
    server
        .put("/SearchParameter/eyes", &described)
        .await
        .expect(200);
    assert!(work(&server).await.is_none());
    assert_eq!(total(&server, "/Patient?eye-colour=green").await, 2);
    server.get("/Patient?eyes=green").await.expect(400);
    described["expression"] = json!("Patient.gender");
    server
        .put("/SearchParameter/eyes", &described)
        .await
        .expect(200);
    server.get("/Patient?eye-colour=female").await.expect(400);
    work_off(&server).await;
    assert_eq!(total(&server, "/Patient?eye-colour=female").await, 6);
    assert_eq!(total(&server, "/Patient?eye-colour=green").await, 0);
}

/// By every way in which a SearchParameter can be written.
#[tokio::test(flavor = "multi_thread")]
async fn a_parameter_is_live_when_its_write_is_answered() {
    let server = Server::start().await;
    let own = |code: &str| parameter(code, "Patient", "token", "Patient.gender");
    let entry = |code: &str, method: &str| {
        let url = match method {
            "PUT" => format!("SearchParameter/{code}"),
            _ => "SearchParameter".to_owned(),
        };
        json!({"resource": own(code), "request": {"method": method, "url": url}})
    };
    server
        .post("/SearchParameter", &own("by-post"))
        .await
        .expect(201);
    let condition = ["If-None-Exist: code=by-condition"];
    server
        .post_with("/SearchParameter", &condition, &own("by-condition"))
        .await
        .expect(201);
    let conditional = "/SearchParameter?url=http://example.org/by-criteria";
    server
        .put(conditional, &own("by-criteria"))
        .await
        .expect(201);
    let entries = vec![entry("by-batch", "PUT"), entry("by-batch-post", "POST")];
    server.post("", &bundle("batch", entries)).await.expect(200);
    let entries = vec![
        entry("by-transaction", "PUT"),
        entry("by-transaction-post", "POST"),
    ];
    server
        .post("", &bundle("transaction", entries))
        .await
        .expect(200);
    let mut draft = own("by-patch");
    draft["status"] = json!("draft");
    server
        .put("/SearchParameter/by-patch", &draft)
        .await
        .expect(201);
    server.get("/Patient?by-patch=female").await.expect(400);
    let activate = json!([{"op": "replace", "path": "/status", "value": "active"}]);
    server
        .json_patch("/SearchParameter/by-patch", &[], &activate)
        .await
        .expect(200);
    populate(&server, 1).await;
    for code in [
        "by-post",
        "by-condition",
        "by-criteria",
        "by-batch",
        "by-batch-post",
        "by-transaction",
        "by-transaction-post",
        "by-patch",
    ] {
        let lenient = ["Prefer: handling=lenient"];
        let url = format!("/fhir/Patient?{code}=female");
        let reply = server.send("GET", &url, &lenient, "").await;
        assert_eq!(reply.expect(200).ids(), ["p0"], "{code}");
    }
    // The first job does what all of them need.
    let mut done = 0;
    while let Some(job) = work(&server).await {
        done += job.done;
    }
    assert_eq!(done, 1);
    let deletion =
        json!({"request": {"method": "DELETE", "url": "SearchParameter/by-transaction"}});
    server
        .post("", &bundle("transaction", vec![deletion]))
        .await
        .expect(200);
    server
        .get("/Patient?by-transaction=female")
        .await
        .expect(400);
    server.get("/Patient?by-batch=female").await.expect(200);
    server
        .delete("/SearchParameter?code=by-batch")
        .await
        .expect(204);
    server.get("/Patient?by-batch=female").await.expect(400);
}

/// Conditional interactions act on what they find, so that half an index is none.
#[tokio::test(flavor = "multi_thread")]
async fn criteria_wait_for_the_index_too() {
    let server = Server::start().await;
    populate(&server, 3).await;
    server
        .put("/SearchParameter/eyes", &eyes())
        .await
        .expect(201);
    let header = ["If-None-Exist: eyes=green"];
    let body = json!({"resourceType": "Patient"});
    let refused = server.post_with("/Patient", &header, &body).await;
    let issues = refused.expect(400).issues();
    assert!(issues.contains("not indexed yet"), "{issues}");
    work_off(&server).await;
    server
        .post_with("/Patient", &header, &body)
        .await
        .expect(200);
}

/// What a custom parameter refers to is found by the rules on deletion, also when it is gone.
#[tokio::test(flavor = "multi_thread")]
async fn integrity_does_not_depend_on_custom_parameters() {
    use andiron::config::Integrity;
    let server = Server::with(|settings| settings.integrity = Integrity::Full).await;
    let friend = parameter(
        "friend",
        "Patient",
        "reference",
        "Patient.extension.value.ofType(Reference)",
    );
    server
        .put("/SearchParameter/friend", &friend)
        .await
        .expect(201);
    work_off(&server).await;
    server
        .put("/Patient/a", &json!({"resourceType": "Patient", "id": "a"}))
        .await
        .expect(201);
    server
        .put(
            "/Patient/b",
            &json!({"resourceType": "Patient", "id": "b", "extension": [
                {"url": "http://example.org/friend", "valueReference": {"reference": "Patient/a"}},
            ]}),
        )
        .await
        .expect(201);
    assert_eq!(
        server.get("/Patient?friend=a").await.expect(200).ids(),
        ["b"]
    );
    server.delete("/Patient/a").await.expect(409);
    server.delete("/SearchParameter/friend").await.expect(204);
    server.delete("/Patient/a").await.expect(409);
}

/// An edit while it is built, of what does not matter to the index, leaves it to its job.
#[tokio::test(flavor = "multi_thread")]
async fn what_is_being_built_may_be_described_meanwhile() {
    let server = Server::start().await;
    populate(&server, 6).await;
    let mut own = eyes();
    server.put("/SearchParameter/eyes", &own).await.expect(201);
    let refused = server.get("/Patient?eyes=green").await;
    let before = refused.expect(400).issues();
    own["description"] = json!("of the eyes");
    server.put("/SearchParameter/eyes", &own).await.expect(200);
    let refused = server.get("/Patient?eyes=green").await;
    assert_eq!(refused.expect(400).issues(), before, "the same job");
    work(&server).await.expect("a job");
    assert_eq!(total(&server, "/Patient?eyes=green").await, 2);
    assert!(work(&server).await.is_none());

    // Of another type besides: the one that is built stays built.
    let on = |types: &[&str]| {
        let mut own = eyes();
        own["base"] = json!(types);
        own["expression"] = json!("Patient.gender | Person.gender");
        own
    };
    server
        .put("/SearchParameter/eyes", &on(&["Patient"]))
        .await
        .expect(200);
    work_off(&server).await;
    server
        .put("/SearchParameter/eyes", &on(&["Patient", "Person"]))
        .await
        .expect(200);
    assert_eq!(total(&server, "/Patient?eyes=female").await, 6);
    server.get("/Person?eyes=male").await.expect(400);
    work_off(&server).await;
    server.get("/Person?eyes=male").await.expect(200);
    server
        .put("/SearchParameter/eyes", &on(&["Patient"]))
        .await
        .expect(200);
    assert!(work(&server).await.is_none());
    assert_eq!(total(&server, "/Patient?eyes=female").await, 6);
    server.get("/Person?eyes=male").await.expect(400);
}

/// What is contained is indexed by custom parameters too, also in what is of another type.
#[tokio::test(flavor = "multi_thread")]
async fn contained_resources_are_built_with_their_containers() {
    let server = Server::start().await;
    let request = |id: &str, form: &str| {
        json!({
            "resourceType": "MedicationRequest", "id": id, "status": "active", "intent": "order",
            "subject": {"display": "x"}, "medicationReference": {"reference": "#m"},
            "contained": [{"resourceType": "Medication", "id": "m", "form": {"text": form},
                "extension": [{"url": EYES, "valueCode": form}]}],
        })
    };
    for (id, form) in [("r1", "green"), ("r2", "blue")] {
        let url = format!("/MedicationRequest/{id}");
        server.put(&url, &request(id, form)).await.expect(201);
    }
    let expression = format!("Medication.extension('{EYES}').value");
    let own = parameter("shade", "Medication", "token", &expression);
    server.put("/SearchParameter/shade", &own).await.expect(201);
    server
        .put("/MedicationRequest/r3", &request("r3", "green"))
        .await
        .expect(201);
    let chain = "/MedicationRequest?medication.shade=green";
    server.get(chain).await.expect(400);
    let job = work(&server).await.expect("a job");
    assert_eq!((job.state, job.done, job.total), (State::Done, 3, Some(3)));
    let mut ids = server.get(chain).await.expect(200).ids();
    ids.sort_unstable();
    assert_eq!(ids, ["r1", "r3"]);
    let contained = server.get("/Medication?shade=green&_contained=true").await;
    assert_eq!(contained.expect(200).ids().len(), 2, "{}", contained.text());
}

/// A composite of published parts.
#[tokio::test(flavor = "multi_thread")]
async fn a_composite_can_be_added() {
    let server = Server::start().await;
    let mut own = parameter("status-code", "Observation", "composite", "Observation");
    own["component"] = json!([
        {"definition": "http://hl7.org/fhir/SearchParameter/Observation-status", "expression": "status"},
        {"definition": "http://hl7.org/fhir/SearchParameter/clinical-code", "expression": "code"},
    ]);
    for (id, status, code) in [
        ("a", "final", "x"),
        ("b", "amended", "x"),
        ("c", "final", "y"),
    ] {
        let resource = json!({
            "resourceType": "Observation", "id": id, "status": status,
            "code": {"coding": [{"system": "urn:c", "code": code}]},
        });
        server
            .put(&format!("/Observation/{id}"), &resource)
            .await
            .expect(201);
    }
    let mut bad = own.clone();
    bad["component"][1]["definition"] = json!("http://example.org/none");
    let issues = server
        .post("/SearchParameter", &bad)
        .await
        .expect(422)
        .issues();
    assert!(issues.contains("SearchParameter.component"), "{issues}");
    server.post("/SearchParameter", &own).await.expect(201);
    server
        .get("/Observation?status-code=final$x")
        .await
        .expect(400);
    work_off(&server).await;
    let found = server.get("/Observation?status-code=final$x").await;
    assert_eq!(found.expect(200).ids(), ["a"]);
    let found = server
        .get("/Observation?status-code=final$urn:c%7Cy,amended$x")
        .await;
    assert_eq!(found.expect(200).ids().len(), 2);
}

/// Labels change in place; whatever is indexed of them follows.
#[tokio::test(flavor = "multi_thread")]
async fn labels_are_indexed_where_they_change() {
    let server = Server::start().await;
    populate(&server, 1).await;
    let own = parameter("label", "Patient", "string", "Patient.meta.tag.display");
    server.put("/SearchParameter/label", &own).await.expect(201);
    work_off(&server).await;
    let tag = json!({"resourceType": "Parameters", "parameter": [{"name": "meta", "valueMeta":
        {"tag": [{"system": "urn:t", "code": "seen", "display": "Seen by somebody"}]}}]});
    server.post("/Patient/p0/$meta-add", &tag).await.expect(200);
    assert_eq!(
        server.get("/Patient?label=seen").await.expect(200).ids(),
        ["p0"]
    );
    server
        .post("/Patient/p0/$meta-delete", &tag)
        .await
        .expect(200);
    assert_eq!(
        server.get("/Patient?label=seen").await.expect(200).ids(),
        [] as [&str; 0]
    );
}
