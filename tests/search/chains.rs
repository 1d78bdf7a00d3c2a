//! Chains and `_has`: <https://hl7.org/fhir/R4/search.html#chaining>. Rows of the table TB
//! of edge cases carry their names.

use super::*;
use serde_json::json;

async fn clinic() -> World {
    let mut world = World::new().await;
    let code = |code: &str| json!({"coding": [{"system": "http://codes", "code": code}]});
    let to = |reference: &str| json!({ "reference": reference });
    for resource in [
        json!({"resourceType": "Organization", "id": "5", "name": "Charité", "partOf": to("Organization/6")}),
        json!({"resourceType": "Organization", "id": "6", "name": "Berlin", "partOf": to("Organization/7")}),
        json!({"resourceType": "Organization", "id": "7", "name": "Germany"}),
        json!({"resourceType": "Practitioner", "id": "x", "name": [{"family": "Xu"}]}),
        json!({"resourceType": "Practitioner", "id": "joe", "name": [{"given": ["Joe"]}]}),
        json!({"resourceType": "Practitioner", "id": "mn", "name": [{"given": ["Ann"]}],
            "address": [{"state": "MN"}]}),
        json!({"resourceType": "PractitionerRole", "id": "r", "organization": to("Organization/5"),
            "practitioner": to("Practitioner/x")}),
        json!({"resourceType": "Patient", "id": "1", "gender": "male", "name": [{"family": "Xander"}],
            "managingOrganization": to("Organization/5"),
            "generalPractitioner": [to("Practitioner/joe"), to("Practitioner/mn")]}),
        json!({"resourceType": "Patient", "id": "2", "gender": "female", "name": [{"family": "Young"}],
            "managingOrganization": to("Organization/6"), "birthDate": "1990-01-01",
            "generalPractitioner": [to("Practitioner/joe")]}),
        json!({"resourceType": "Device", "id": "1", "identifier": [{"value": "d"}]}),
        json!({"resourceType": "Location", "id": "l", "name": "Xanadu"}),
        json!({"resourceType": "Group", "id": "1", "type": "person", "actual": true,
            "member": [{"entity": to("Patient/1")}]}),
        json!({"resourceType": "Condition", "id": "c", "code": code("A"), "subject": to("Patient/1")}),
        json!({"resourceType": "Condition", "id": "d", "code": code("C"), "subject": to("Patient/2")}),
        json!({"resourceType": "Encounter", "id": "e", "class": {"code": "IMP"}, "subject": to("Patient/1"),
            "diagnosis": [{"condition": to("Condition/c")}], "reasonReference": [to("Observation/o1")]}),
        json!({"resourceType": "Encounter", "id": "f", "class": {"code": "AMB"}, "subject": to("Patient/2"),
            "diagnosis": [{"condition": to("Condition/d")}]}),
        json!({"resourceType": "Procedure", "id": "p", "subject": to("Patient/1"), "encounter": to("Encounter/e")}),
        json!({"resourceType": "Procedure", "id": "q", "subject": to("Patient/2"), "encounter": to("Encounter/f")}),
        json!({"resourceType": "Task", "id": "t", "encounter": to("Encounter/e"),
            "owner": to("PractitionerRole/r")}),
        json!({"resourceType": "Observation", "id": "o1", "code": code("glucose"), "subject": to("Patient/1")}),
        json!({"resourceType": "Observation", "id": "o2", "code": code("glucose"), "subject": to("Patient/2/_history/1")}),
        json!({"resourceType": "Observation", "id": "o3", "code": code("other"), "subject": to("Device/1")}),
        json!({"resourceType": "Observation", "id": "o4", "code": code("other"), "subject": to("Location/l")}),
        json!({"resourceType": "Observation", "id": "o5", "code": code("other"),
            "subject": to("https://other/fhir/Patient/1")}),
        json!({"resourceType": "Observation", "id": "o6", "code": code("other"),
            "subject": {"identifier": {"system": "s", "value": "v"}}}),
        json!({"resourceType": "DetectedIssue", "id": "i", "patient": to("Patient/1")}),
        json!({"resourceType": "Account", "id": "a", "subject": [to("Patient/1")]}),
        json!({"resourceType": "Account", "id": "b", "subject": [to("Device/1")]}),
        json!({"resourceType": "Provenance", "id": "v", "target": [to("Patient/1")]}),
    ] {
        world.put(resource).await;
    }
    world
}

async fn expect(world: &mut World, rows: &[(&str, &str, &[&str])]) {
    for (name, url, expected) in rows {
        let found = sorted(world.walk(url).await);
        let ids: Vec<&str> = found
            .iter()
            .filter_map(|reference| reference.split('/').nth(1))
            .collect();
        assert_eq!(ids, *expected, "{name}: {url}");
        let separator = if url.contains('?') { '&' } else { '?' };
        let counted = world.search(&format!("{url}{separator}_count=0")).await;
        assert_eq!(counted.total, Some(expected.len() as u64), "{name}: {url}");
    }
}

#[tokio::test]
async fn the_edge_cases_of_references_and_chains() {
    let mut world = clinic().await;
    let own = format!("Observation?subject={BASE}/Patient/1");
    expect(
        &mut world,
        &[
            ("TB1", "DetectedIssue?patient:Patient.name=zzz", &[]),
            ("TB1", "DetectedIssue?patient:Patient.name=xander", &["i"]),
            ("TB2", "Procedure?encounter.diagnosis:Condition.code=A,B", &["p"]),
            ("TB2", "Procedure?encounter.diagnosis:Condition.code=B,D", &[]),
            // Union over the types that have a name: Patient, Location.
            ("TB3", "Observation?subject.name=x", &["o1", "o4"]),
            ("TB4", "Account?subject=Patient/1", &["a"]),
            ("TB5", "Observation?subject=Patient/1", &["o1"]),
            ("TB5", &own, &["o1"]),
            ("TB5", "Observation?patient=1", &["o1"]),
            ("TB6", "Observation?subject=Patient/2", &["o2"]),
            ("TB7", "Observation?subject=https://other/fhir/Patient/1", &["o5"]),
            ("TB8", "Observation?subject:identifier=s|v", &["o6"]),
            ("TB11", "Patient?gender=male&_has:Encounter:patient:class=IMP", &["1"]),
            ("TB11", "Patient?_has:Encounter:patient:class=IMP&gender=male", &["1"]),
            (
                "TB12",
                "Observation?_has:Encounter:reason-reference:_has:Task:encounter:owner.organization=5",
                &["o1"],
            ),
            (
                "TB12",
                "Observation?_has:Encounter:reason-reference:_has:Task:encounter:owner.organization=6",
                &[],
            ),
            ("TB13", "Patient?_has:Observation:patient:code=none", &[]),
            ("TB14", "Patient?_has:Group:member:_id=1", &["1"]),
            ("TB14", "Observation?subject._has:Group:member:_id=1", &["o1"]),
        ],
    )
    .await;
    world.delete("Patient/1").await;
    expect(
        &mut world,
        &[
            ("TB15", "Observation?subject:Patient.name=xander", &[]),
            ("TB15", "Observation?subject._id=1", &["o3"]),
            (
                "TB15",
                "Patient?_has:Observation:patient:code=glucose",
                &["2"],
            ),
        ],
    )
    .await;
    world.delete("Observation/o2").await;
    expect(
        &mut world,
        &[("TB15", "Patient?_has:Observation:patient:code=glucose", &[])],
    )
    .await;
}

#[tokio::test]
async fn each_referred_resource_matches_once_and_long_lists_are_answered() {
    let mut world = World::new().await;
    for patient in 0..10 {
        world
            .put(json!({"resourceType": "Patient", "id": format!("{patient}")}))
            .await;
        for number in 0..20 {
            world
                .put(
                    json!({"resourceType": "Observation", "id": format!("{patient}-{number}"),
                    "code": {"coding": [{"code": "c"}]},
                    "subject": {"reference": format!("Patient/{patient}")}}),
                )
                .await;
        }
    }
    let url = "Patient?_has:Observation:patient:code=c&_count=5&_total=accurate";
    let page = world.search(url).await;
    assert_eq!((page.matches.len(), page.total), (5, Some(10)), "TB10");
    let mut walked = world.walk(url).await;
    assert_eq!(walked.len(), 10, "TB10");
    walked.dedup();
    assert_eq!(walked.len(), 10, "TB10");
    let codes: Vec<String> = (0..1000).map(|n| format!("c{n}")).collect();
    for url in [
        format!("Observation?code={},c&_count=0", codes.join(",")),
        format!(
            "Patient?_has:Observation:patient:code={},c&_count=0",
            codes.join(",")
        ),
    ] {
        let page = world.search(&url).await;
        assert!(page.total.is_some_and(|total| total >= 10), "TB16");
    }
}

#[tokio::test]
async fn chains_lead_where_their_types_say() {
    let mut world = clinic().await;
    expect(
        &mut world,
        &[
            // Depth.
            ("depth", "Observation?subject:Patient.organization.partof.partof.name=germany", &["o1"]),
            ("depth", "Observation?subject:Patient.organization.partof.name=germany", &["o2"]),
            ("depth", "Observation?patient.organization.partof._id=6,7", &["o1", "o2"]),
            // Steps that narrow to one type.
            ("narrow", "Observation?patient.name=x", &["o1"]),
            ("narrow", "Observation?patient:Patient.name=x", &["o1"]),
            // Modifiers and prefixes of the last step.
            ("modifier", "Observation?patient.name:exact=Xander", &["o1"]),
            ("modifier", "Observation?patient.name:exact=xander", &[]),
            ("modifier", "Observation?patient.gender:not=male", &["o2"]),
            ("modifier", "Observation?patient.birthdate:missing=true", &["o1"]),
            ("modifier", "Observation?patient.birthdate=ge1989&patient.birthdate=lt1991", &["o2"]),
            // What every type has.
            ("common", "Observation?subject._id=1", &["o1", "o3"]),
            ("common", "Observation?subject:Device._id=1", &["o3"]),
            ("common", "Observation?patient._lastUpdated=ge2000", &["o1", "o2"]),
            ("common", "Observation?patient._tag=x", &[]),
            // Each chain is a condition of its own.
            (
                "independent",
                "Patient?general-practitioner.name=joe&general-practitioner:Practitioner.address-state=MN",
                &["1"],
            ),
            // A last step that is a reference.
            ("reference", "Task?owner:PractitionerRole.organization=Organization/5", &["t"]),
            ("reference", "Task?owner:PractitionerRole.practitioner.family=xu", &["t"]),
            // An untyped step takes the types that know the next.
            ("untyped", "Task?owner.organization.name=char", &["t"]),
            // Any type, with a type named.
            ("any", "Provenance?target:Patient.name=xander", &["v"]),
            // Empty asks nothing.
            ("empty", "Task?owner.organization.name=", &["t"]),
            // _has and chains within each other.
            ("has", "Organization?_has:Patient:organization:gender=male", &["5"]),
            ("has", "Organization?_has:Patient:organization:gender:not=male", &["6"]),
            ("has", "Organization?_has:Patient:organization:_has:Observation:patient:code=glucose", &["5", "6"]),
            ("has", "Patient?_has:Observation:subject:code=glucose,other", &["1", "2"]),
            ("has", "Patient?_has:Observation:patient:code=glucose&_has:Group:member:_id=1", &["1"]),
            ("has", "Device?_has:Observation:subject:_id=o1,o3", &["1"]),
            ("has", "Organization?_has:Patient:organization:general-practitioner.name=ann", &["5"]),
            ("has", "Observation?patient.organization:Organization._has:Patient:organization:_id=2", &["o2"]),
            // The whole system and several types at once.
            ("system", "?_type=Patient,Device&_has:Observation:subject:_id=o1,o2,o3", &["1", "1", "2"]),
            ("system", "?_type=Patient,Device&_has:Observation:patient:_id=o1,o3", &["1"]),
            ("system", "?_has:Group:member:_id=1", &["1"]),
            ("system", "?_type=Condition,Procedure&subject:Patient.name=xander", &["c", "p"]),
            ("system", "?_type=Condition,Procedure&patient.organization.name=berlin", &["d", "q"]),
        ],
    )
    .await;
}

#[tokio::test]
async fn what_is_not_known_of_a_chain_is_told_with_what_is_near() {
    let mut world = clinic().await;
    for (url, is_lenient, says) in [
        ("Observation?subjct.name=x", true, "Did you mean subject?"),
        (
            "Observation?subject:Patient.nmae=x",
            true,
            "Did you mean name?",
        ),
        ("Observation?subject.nmae=x", true, "Did you mean name?"),
        (
            "Observation?subject.nope=x",
            true,
            "Device, Group, Location, Patient",
        ),
        (
            "Observation?patient.organisation.name=x",
            true,
            "Did you mean organization?",
        ),
        (
            "Observation?patient.organization.nmae=x",
            true,
            "Did you mean name?",
        ),
        ("Observation?code.text=x", true, "code is of type token"),
        ("Observation?subject.=x", true, "found \"\""),
        ("Observation?.name=x", true, "found \"\""),
        (
            "Patient?_has:Observatio:patient:code=x",
            true,
            "Did you mean Observation?",
        ),
        (
            "Patient?_has:Observation:patent:code=x",
            true,
            "Did you mean patient?",
        ),
        (
            "Patient?_has:Observation:patient:cod=x",
            true,
            "Did you mean code?",
        ),
        (
            "Patient?_has:Observation:code:code=x",
            true,
            "code is of type token",
        ),
        (
            "Group?_has:Observation:patient:code=x",
            true,
            "refers to Patient",
        ),
        (
            "Device?_has:AllergyIntolerance:patient:code=x",
            true,
            "refers to Patient",
        ),
        (
            "Observation?subject._has:Procedure:encounter:code=x",
            true,
            "refers to none of",
        ),
        // Modifiers and what is malformed are refused in any case.
        (
            "Observation?subject:Pateint.name=x",
            false,
            "Did you mean Patient?",
        ),
        (
            "Observation?subject:Organization.name=x",
            false,
            "Organization",
        ),
        (
            "Observation?subject:identifier.name=x",
            false,
            ":identifier",
        ),
        ("Observation?subject:Patient.name:nope=x", false, ":nope"),
        (
            "Observation?subject.birthdate=x",
            false,
            "expected a number or date",
        ),
        (
            "Patient?_has:Observation:patient=x",
            false,
            "_has:Type:reference:parameter",
        ),
        (
            "Patient?_has:Observation=x",
            false,
            "_has:Type:reference:parameter",
        ),
        ("Patient?_has=x", false, "_has:Type:reference:parameter"),
        (
            "Provenance?target._id=x",
            false,
            "name the type, as in target:",
        ),
        (
            "Composition?_has:Bundle:composition:type=document",
            false,
            "what stands in a Bundle",
        ),
        (
            "Organization?partof.partof.partof.partof.partof.partof.partof.partof.partof.name=x",
            false,
            "at most 8 steps",
        ),
        ("Patient?_query=x", false, "no named query"),
    ] {
        let refused = world.try_search(url, Handling::Strict).await;
        let refused = refused.expect_err(url).to_string();
        assert!(refused.contains(says), "{url}: {refused}");
        match world.try_search(url, Handling::Lenient).await {
            Ok(page) => {
                assert!(is_lenient, "{url}");
                assert_eq!(page.issues.len(), 1, "{url}");
                let own = link(&page, "self").unwrap_or_default();
                assert!(!own.contains('?'), "{url}: {own}");
            }
            Err(error) => assert!(!is_lenient, "{url}: {error}"),
        }
    }
}

#[tokio::test]
async fn steps_are_bounded_over_the_whole_query() {
    let mut world = clinic().await;
    let few = vec!["patient.name=x"; 100].join("&");
    world.search(&format!("Observation?{few}")).await;
    for text in [
        vec!["patient.name=x"; 101].join("&"),
        vec!["subject.name=x"; 60].join("&"),
    ] {
        let url = format!("Observation?{text}");
        let refused = world.try_search(&url, Handling::Strict).await;
        let refused = refused.expect_err("too many steps");
        assert_eq!(refused.category, andiron::error::Category::TooCostly);
        assert!(refused.to_string().contains("search-steps"), "{refused}");
    }
}
