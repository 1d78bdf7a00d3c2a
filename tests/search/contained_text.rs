//! Conditions that read the text of a contained resource, by chains and by `_contained`.
//! <https://hl7.org/fhir/R4/search.html#contained>

use crate::harness::{Server, database, settings};
use crate::rest::search_parameter::work_off;
use serde_json::{Value, json};
use sqlx::{ConnectOptions, Executor};

fn medication(id: &str, text: &str) -> Value {
    json!({"resourceType": "Medication", "id": id, "code": {"text": text}})
}

/// A request for the contained Medication `m`; another one stands before it.
fn request(id: &str, asked: &str, other: &str) -> Value {
    json!({
        "resourceType": "MedicationRequest", "id": id, "status": "active", "intent": "order",
        "contained": [
            {"resourceType": "Practitioner", "id": "d",
             "name": [{"use": "official", "family": format!("D{id}")}, {"use": "maiden", "family": "Maiden"}]},
            medication("other", other),
            medication("m", asked),
        ],
        "medicationReference": {"reference": "#m"},
        "requester": {"reference": "#d"},
        "note": [{"text": "as needed"}],
        "subject": {"reference": "Patient/p"},
    })
}

async fn populate(server: &Server) {
    let plain = json!({"resourceType": "MedicationRequest", "id": "plain", "status": "active",
        "intent": "order", "medicationReference": {"reference": "Medication/alone"},
        "subject": {"reference": "Patient/p"}});
    for resource in [
        json!({"resourceType": "Patient", "id": "p"}),
        medication("alone", "Oral drops"),
        plain,
        request("1", "Oral aspirin", "Nasal spray"),
        request("2", "Rectal aspirin", "Oral rinse"),
    ] {
        let (kind, id) = (&resource["resourceType"], &resource["id"]);
        let path = format!(
            "/{}/{}",
            kind.as_str().expect("text"),
            id.as_str().expect("text")
        );
        server.put(&path, &resource).await.expect(201);
    }
}

async fn check(server: &Server, table: &[(&str, &[&str])]) {
    for (url, expected) in table {
        let url = url
            .replace(' ', "%20")
            .replace('[', "%5B")
            .replace(']', "%5D");
        let mut found = server.get(&format!("/{url}")).await.expect(200).ids();
        found.sort();
        assert_eq!(found, *expected, "{url}");
        let counted = server.get(&format!("/{url}&_summary=count")).await;
        assert_eq!(counted.json()["total"], expected.len(), "{url}");
    }
}

const CHAINS: &[(&str, &[&str])] = &[
    ("MedicationRequest?medication.code:text=or", &["1", "plain"]),
    ("MedicationRequest?medication.code:text=rectal", &["2"]),
    ("MedicationRequest?medication.code:text=nasal", &[]),
    (
        "MedicationRequest?medication.code:text=or&status=active&medication.status:missing=true",
        &["1", "plain"],
    ),
    (
        "MedicationRequest?_filter=requester:Practitioner[not (name[use eq official].family eq D1)].family eq maiden",
        &["2"],
    ),
    ("MedicationRequest?medication._content=aspirin", &["1", "2"]),
    // The words of its container and of its siblings are not its own.
    ("MedicationRequest?medication._content=needed", &[]),
    ("MedicationRequest?medication._content=nasal", &[]),
    (
        "MedicationRequest?_filter=requester:Practitioner.name[use eq official].family eq D1",
        &["1"],
    ),
    (
        "MedicationRequest?_filter=requester:Practitioner.name[use eq official].family eq Maiden",
        &[],
    ),
];

#[tokio::test(flavor = "multi_thread")]
async fn a_chain_reads_the_text_of_what_is_contained() {
    let server = Server::start().await;
    populate(&server).await;
    check(&server, CHAINS).await;
    // What it says now.
    let changed = request("1", "Nasal aspirin", "Oral rinse");
    server
        .put("/MedicationRequest/1", &changed)
        .await
        .expect(200);
    check(
        &server,
        &[
            ("MedicationRequest?medication.code:text=or", &["plain"]),
            ("MedicationRequest?medication.code:text=nasal", &["1"]),
        ],
    )
    .await;
}

#[tokio::test(flavor = "multi_thread")]
async fn contained_resources_are_found_by_their_text() {
    let server = Server::start().await;
    populate(&server).await;
    check(
        &server,
        &[
            ("Medication?code:text=oral&_contained=true", &["1", "2"]),
            (
                "Medication?code:text=oral&_contained=true&_containedType=contained",
                &["m", "other"],
            ),
            (
                "Medication?code:text=oral&_contained=both&_containedType=contained",
                &["alone", "m", "other"],
            ),
            (
                "Medication?code:text=rectal&_contained=both&_containedType=container",
                &["2"],
            ),
            ("Medication?code:text=oral", &["alone"]),
            ("Medication?_content=nasal&_contained=true", &["1"]),
            ("Medication?_content=needed&_contained=true", &[]),
            (
                "Practitioner?_filter=name[use eq maiden].family eq Maiden&_contained=true",
                &["1", "2"],
            ),
            (
                "Practitioner?_filter=name[use eq maiden].family eq D1&_contained=true",
                &[],
            ),
        ],
    )
    .await;
}

/// What was stored before there were paths is read as soon as it is indexed anew.
#[tokio::test(flavor = "multi_thread")]
async fn reindex_tells_where_contained_resources_stand() {
    let options = database().await;
    let server = Server::on(options.clone(), settings()).await;
    populate(&server).await;
    let mut connection = options.connect().await.expect("the database answers");
    connection
        .execute("UPDATE contained SET path = NULL")
        .await
        .expect("it is right");
    let only_plain: &[(&str, &[&str])] =
        &[("MedicationRequest?medication.code:text=or", &["plain"])];
    check(&server, only_plain).await;
    server
        .send("POST", "/fhir/$reindex", &[], "")
        .await
        .expect(202);
    work_off(&server).await;
    check(&server, CHAINS).await;
}
