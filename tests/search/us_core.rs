//! Every search and combination that US Core 6.1 asks of a server, over HTTP.
//! <https://hl7.org/fhir/us/core/STU6.1/CapabilityStatement-us-core-server.html>
//!
//! Its own SearchParameters (`asserted-date`, `discharge-disposition`, `Goal.description`,
//! `CareTeam.role`, `race`, `ethnicity`) come with the package that defines them.

use crate::harness::Server;
use andiron::config::{Integrity, Validation};
use serde_json::{Value, json};

fn concept(system: &str, code: &str) -> Value {
    json!({"coding": [{"system": system, "code": code}], "text": code})
}

fn to(reference: &str) -> Value {
    json!({ "reference": reference })
}

/// Per type one resource `a` of patient `a`, with a value for each search of the table, and
/// one `z` that shares as little as it may.
#[rustfmt::skip]
fn records() -> Vec<Value> {
    let subject = || to("Patient/a");
    let category = |code: &str| json!([concept("http://categories", code)]);
    let code = |code: &str| concept("http://loinc.org", code);
    let mut records = vec![
        json!({"resourceType": "Patient", "identifier": [{"system": "http://mrn", "value": "1032702"}], "gender": "female",
            "name": [{"family": "Shaw", "given": ["Amy", "V."]}], "birthDate": "1987-02-20",
            "deceasedDateTime": "2025-03-04T10:00:00Z"}),
        json!({"resourceType": "AllergyIntolerance", "patient": subject(), "clinicalStatus": concept("http://clinical", "active"),
            "code": code("nuts")}),
        json!({"resourceType": "CarePlan", "subject": subject(), "status": "active", "intent": "plan",
            "category": [concept("http://hl7.org/fhir/us/core/CodeSystem/careplan-category", "assess-plan")],
            "period": {"start": "2024-01-10"}}),
        json!({"resourceType": "CareTeam", "subject": subject(), "status": "active"}),
        json!({"resourceType": "Condition", "subject": subject(), "encounter": to("Encounter/a"),
            "clinicalStatus": concept("http://clinical", "active"), "category": category("problem-list-item"),
            "code": code("386661006"), "onsetDateTime": "2024-01-10", "abatementDateTime": "2024-02-10",
            "recordedDate": "2024-01-11"}),
        json!({"resourceType": "Coverage", "status": "active", "beneficiary": subject(), "payor": [to("Organization/a")]}),
        json!({"resourceType": "Device", "patient": subject(), "status": "active", "type": code("pacemaker")}),
        json!({"resourceType": "DiagnosticReport", "subject": subject(), "status": "final", "category": category("LAB"),
            "code": code("24323-8"), "effectiveDateTime": "2024-01-10T10:00:00Z"}),
        json!({"resourceType": "DocumentReference", "subject": subject(), "status": "current", "type": code("11488-4"),
            "category": category("clinical-note"), "date": "2024-01-10T10:00:00Z",
            "content": [{"attachment": {"contentType": "text/plain"}}], "context": {"period": {"start": "2024-01-10"}}}),
        json!({"resourceType": "Encounter", "subject": subject(), "status": "finished", "class": {"system": "http://act", "code": "AMB"},
            "identifier": [{"system": "http://visits", "value": "v1"}], "type": [code("99201")],
            "period": {"start": "2024-01-10T09:00:00Z", "end": "2024-01-10T10:00:00Z"},
            "location": [{"location": to("Location/a")}]}),
        json!({"resourceType": "Goal", "subject": subject(), "lifecycleStatus": "active", "description": {"text": "walk"},
            "target": [{"dueDate": "2024-01-10"}]}),
        json!({"resourceType": "Immunization", "patient": subject(), "status": "completed", "vaccineCode": code("208"),
            "occurrenceDateTime": "2024-01-10"}),
        json!({"resourceType": "Location", "name": "Health Center", "address": {"line": ["1 Main St"], "city": "Ann Arbor",
            "state": "MI", "postalCode": "48104"}}),
        json!({"resourceType": "MedicationDispense", "subject": subject(), "status": "completed", "type": code("FF"),
            "medicationReference": to("Medication/a")}),
        json!({"resourceType": "MedicationRequest", "subject": subject(), "status": "active", "intent": "order",
            "encounter": to("Encounter/a"), "authoredOn": "2024-01-10", "medicationReference": to("Medication/a")}),
        json!({"resourceType": "Medication", "code": code("rx")}),
        json!({"resourceType": "Observation", "subject": subject(), "status": "final", "category": category("laboratory"),
            "code": code("2339-0"), "effectiveDateTime": "2024-01-10T10:00:00Z"}),
        json!({"resourceType": "Organization", "name": "Acme Labs", "address": [{"city": "Ann Arbor"}], "active": true}),
        json!({"resourceType": "Practitioner", "identifier": [{"system": "http://hl7.org/fhir/sid/us-npi", "value": "9941339108"}],
            "name": [{"family": "Bone", "given": ["Ronald"]}]}),
        json!({"resourceType": "PractitionerRole", "practitioner": to("Practitioner/a"), "specialty": [code("207R00000X")],
            "endpoint": [to("Endpoint/a")]}),
        json!({"resourceType": "Endpoint", "status": "active", "connectionType": {"code": "x"},
            "payloadType": [code("any")], "address": "http://example.org"}),
        json!({"resourceType": "Procedure", "subject": subject(), "status": "completed", "code": code("80146002"),
            "performedDateTime": "2024-01-10"}),
        json!({"resourceType": "QuestionnaireResponse", "subject": subject(), "status": "completed",
            "questionnaire": "http://example.org/Questionnaire/phq", "authored": "2024-01-10"}),
        json!({"resourceType": "RelatedPerson", "patient": subject(), "name": [{"family": "Shaw", "given": ["Ben"]}]}),
        json!({"resourceType": "ServiceRequest", "subject": subject(), "status": "active", "intent": "order",
            "category": category("387713003"), "code": code("35637008"), "authoredOn": "2024-01-10"}),
        json!({"resourceType": "Specimen", "subject": subject(), "type": code("blood")}),
    ];
    for record in &mut records {
        record["id"] = json!("a");
    }
    let names: Vec<String> = records
        .iter()
        .map(|record| record["resourceType"].as_str().unwrap_or_default().to_owned())
        .collect();
    for name in names {
        records.push(json!({"resourceType": name, "id": "z"}));
        records.push(json!({"resourceType": "Provenance", "id": format!("of-{}", name.to_lowercase()),
            "target": [to(&format!("{name}/a"))]}));
    }
    records
}

/// The values that find `a`, by type and parameter; dates are tried with each comparator.
fn values(resource_type: &str, code: &str) -> &'static [&'static str] {
    const DATE: &[&str] = &[
        "ge2024-01-10",
        "gt2024-01-09",
        "le2025-03-04",
        "lt2025-03-05",
    ];
    match (resource_type, code) {
        ("Patient", "birthdate") => &[
            "1987-02-20",
            "ge1987-02-20",
            "le1987-02-20",
            "gt1986",
            "lt1988",
        ],
        (_, "_lastUpdated") => &["gt2000-01-01T00:00:00Z", "ge2000"],
        (
            _,
            "date" | "onset-date" | "abatement-date" | "recorded-date" | "period" | "target-date"
            | "authoredon" | "authored" | "death-date",
        ) => DATE,
        (_, "_id") => &["a"],
        (_, "patient") => &["a", "Patient/a"],
        ("Patient", "identifier") => &["http://mrn|1032702", "1032702"],
        ("Practitioner", "identifier") => &["http://hl7.org/fhir/sid/us-npi|9941339108"],
        ("Encounter", "identifier") => &["http://visits|v1"],
        ("Patient" | "RelatedPerson", "name" | "family") => &["Shaw", "shaw"],
        ("Practitioner", "name") => &["Bone", "ronald"],
        ("Location", "name") => &["Health"],
        ("Organization", "name") => &["acme"],
        (_, "gender") => &["female"],
        ("Location", "address") => &["Ann Arbor", "48104"],
        ("Organization", "address") => &["ann"],
        (_, "address-city") => &["Ann"],
        (_, "address-state") => &["MI"],
        (_, "address-postalcode") => &["48104"],
        ("AllergyIntolerance" | "Condition", "clinical-status") => {
            &["active", "http://clinical|active"]
        }
        ("CarePlan", "category") => &[
            "assess-plan",
            "http://hl7.org/fhir/us/core/CodeSystem/careplan-category|assess-plan",
        ],
        ("Condition", "category") => &["problem-list-item", "http://categories|problem-list-item"],
        ("DiagnosticReport", "category") => &["LAB", "http://categories|LAB"],
        ("DocumentReference", "category") => &["clinical-note"],
        ("Observation", "category") => &["laboratory", "http://categories|laboratory"],
        ("ServiceRequest", "category") => &["387713003"],
        ("CarePlan" | "CareTeam" | "Device" | "MedicationRequest" | "ServiceRequest", "status") => {
            &["active", "active,completed"]
        }
        ("DiagnosticReport" | "Observation", "status") => &["final", "final,amended"],
        ("DocumentReference", "status") => &["current", "current,superseded"],
        ("Encounter", "status") => &["finished", "http://hl7.org/fhir/encounter-status|finished"],
        (_, "status") => &["completed", "completed,in-progress"],
        ("Goal", "lifecycle-status") => &["active"],
        (_, "intent") => &["order", "order,plan"],
        (_, "encounter") => &["a", "Encounter/a"],
        (_, "location") => &["a", "Location/a"],
        (_, "class") => &["AMB", "http://act|AMB"],
        ("Condition", "code") => &["386661006", "http://loinc.org|386661006", "386661006,x"],
        ("DiagnosticReport", "code") => &["24323-8", "http://loinc.org|24323-8,http://loinc.org|1"],
        ("Observation", "code") => &["2339-0", "http://loinc.org|2339-0,http://loinc.org|1"],
        ("Procedure", "code") => &["80146002", "80146002,1"],
        ("ServiceRequest", "code") => &["35637008", "35637008,1"],
        ("Device", "type") => &["pacemaker"],
        ("DocumentReference", "type") => &["11488-4", "http://loinc.org|11488-4"],
        ("Encounter", "type") => &["99201"],
        ("MedicationDispense", "type") => &["FF", "FF,RF"],
        (_, "specialty") => &["207R00000X", "http://loinc.org|207R00000X"],
        (_, "practitioner") => &["a", "Practitioner/a"],
        ("PractitionerRole", "practitioner.identifier") => &["9941339108"],
        ("PractitionerRole", "practitioner.name") => &["Bone"],
        (_, "questionnaire") => &["http://example.org/Questionnaire/phq"],
        _ => panic!("no value for {resource_type}.{code}"),
    }
}

/// The searches by one parameter, those of `SHALL` and of `SHOULD`.
#[rustfmt::skip]
const SINGLE: &[(&str, &[&str])] = &[
    ("AllergyIntolerance", &["patient"]),
    ("CarePlan", &["patient"]),
    ("CareTeam", &["patient"]),
    ("Condition", &["patient"]),
    ("Coverage", &["patient"]),
    ("Device", &["patient"]),
    ("DiagnosticReport", &["patient"]),
    ("DocumentReference", &["_id", "patient"]),
    ("Encounter", &["_id", "patient", "identifier"]),
    ("Goal", &["patient"]),
    ("Immunization", &["patient"]),
    ("Location", &["name", "address", "address-city", "address-state", "address-postalcode"]),
    ("MedicationDispense", &["patient"]),
    ("MedicationRequest", &["patient"]),
    ("Observation", &["patient"]),
    ("Organization", &["name", "address"]),
    ("Patient", &["_id", "identifier", "name"]),
    ("Practitioner", &["name", "identifier", "_id"]),
    ("PractitionerRole", &["specialty", "practitioner", "practitioner.identifier", "practitioner.name"]),
    ("Procedure", &["patient"]),
    ("QuestionnaireResponse", &["_id", "patient"]),
    ("RelatedPerson", &["_id", "patient", "name"]),
    ("ServiceRequest", &["_id", "patient"]),
    ("Specimen", &["_id", "patient"]),
];

/// Parameters that US Core defines itself.
const CUSTOM: [&str; 4] = [
    "role",
    "asserted-date",
    "discharge-disposition",
    "description",
];

/// What has to come with `_revinclude=Provenance:target`: the patient's records.
const WITHOUT_PROVENANCE: [&str; 6] = [
    "Location",
    "Organization",
    "Practitioner",
    "PractitionerRole",
    "Specimen",
    "Medication",
];

async fn server() -> Server {
    let server = Server::with(|settings| {
        // The second record of a type is as empty as can be.
        settings.validation = Validation::Off;
        settings.integrity = Integrity::Off;
    })
    .await;
    let entries: Vec<Value> = records()
        .into_iter()
        .map(|record| {
            let url = format!(
                "{}/{}",
                record["resourceType"].as_str().unwrap_or_default(),
                record["id"].as_str().unwrap_or_default()
            );
            json!({"resource": record, "request": {"method": "PUT", "url": url}})
        })
        .collect();
    let bundle = json!({"resourceType": "Bundle", "type": "transaction", "entry": entries});
    server.post("", &bundle).await.expect(200);
    server
}

fn encoded(text: &str) -> String {
    text.replace('|', "%7C")
        .replace('/', "%2F")
        .replace(' ', "%20")
}

/// Each of the queries that the values of these parameters make, one value changed at a time.
fn queries(resource_type: &str, codes: &[&str]) -> Vec<String> {
    let with = |changed: usize, value: &str| {
        let pairs = codes.iter().enumerate().map(|(at, code)| {
            let value = match at == changed {
                true => value,
                false => values(resource_type, code)[0],
            };
            format!("{code}={}", encoded(value))
        });
        pairs.collect::<Vec<_>>().join("&")
    };
    let changes = codes.iter().enumerate();
    changes
        .flat_map(|(at, code)| {
            let values = values(resource_type, code).iter();
            values.map(move |value| (at, *value))
        })
        .map(|(at, value)| with(at, value))
        .collect()
}

async fn finds(server: &Server, resource_type: &str, query: &str) {
    let found = server.get(&format!("/{resource_type}?{query}")).await;
    assert_eq!(found.expect(200).ids(), ["a"], "{resource_type}?{query}");
    let headers = ["Content-Type: application/x-www-form-urlencoded"];
    let path = format!("/fhir/{resource_type}/_search");
    let posted = server.send("POST", &path, &headers, query.to_owned()).await;
    assert_eq!(
        posted.expect(200).ids(),
        ["a"],
        "POST {resource_type} {query}"
    );
}

#[tokio::test]
async fn every_single_search_finds_its_record() {
    let server = server().await;
    for (resource_type, codes) in SINGLE {
        for code in *codes {
            for query in queries(resource_type, &[code]) {
                finds(&server, resource_type, &query).await;
            }
        }
    }
}

#[tokio::test]
async fn every_combination_is_told_and_finds_its_record() {
    let server = server().await;
    let statement = server.get("/metadata").await.json();
    let resources = statement["rest"][0]["resource"].as_array();
    for (resource_type, combinations) in andiron::interaction::search_combinations::COMBINATIONS {
        let said = resources
            .into_iter()
            .flatten()
            .find(|resource| resource["type"] == *resource_type)
            .map(|resource| resource["extension"].to_string())
            .unwrap_or_default();
        for codes in *combinations {
            if codes.iter().any(|code| CUSTOM.contains(code)) {
                continue;
            }
            for query in queries(resource_type, codes) {
                finds(&server, resource_type, &query).await;
            }
            let parts: Vec<Value> = codes
                .iter()
                .map(|code| json!({"url": "required", "valueString": code}))
                .collect();
            let parts = Value::from(parts).to_string();
            assert!(said.contains(&parts), "{resource_type}: {codes:?}: {said}");
        }
    }
}

#[tokio::test]
async fn what_belongs_to_a_record_comes_with_it() {
    let server = server().await;
    let included = |reply: &crate::harness::Reply| -> Vec<String> {
        let entries = reply.entries();
        let included = entries
            .iter()
            .filter(|entry| entry["search"]["mode"] == "include");
        included
            .map(|entry| {
                entry["resource"]["resourceType"]
                    .as_str()
                    .unwrap_or_default()
                    .to_owned()
            })
            .collect()
    };
    for (query, expected) in [
        (
            "MedicationRequest?patient=a&intent=order&_include=MedicationRequest:medication",
            "Medication",
        ),
        (
            "MedicationDispense?patient=a&_include=MedicationDispense:medication",
            "Medication",
        ),
        (
            "PractitionerRole?specialty=207R00000X&_include=PractitionerRole:endpoint",
            "Endpoint",
        ),
        (
            "PractitionerRole?specialty=207R00000X&_include=PractitionerRole:practitioner",
            "Practitioner",
        ),
    ] {
        let reply = server.get(&format!("/{query}")).await;
        assert_eq!(included(reply.expect(200)), [expected], "{query}");
    }
    let statement = server.get("/metadata").await.json();
    for resource in statement["rest"][0]["resource"]
        .as_array()
        .into_iter()
        .flatten()
    {
        let name = resource["type"].as_str().unwrap_or_default();
        let reverse = resource["searchRevInclude"].to_string();
        assert!(reverse.contains("\"Provenance:target\""), "{name}");
    }
    for (resource_type, _) in SINGLE {
        if WITHOUT_PROVENANCE.contains(resource_type) {
            continue;
        }
        let query = format!("/{resource_type}?_id=a&_revinclude=Provenance:target");
        let reply = server.get(&query).await;
        assert_eq!(included(reply.expect(200)), ["Provenance"], "{query}");
    }
}
