//! Compartments: <https://hl7.org/fhir/R4/http.html#vsearch>

use super::*;
use crate::harness::Server;
use andiron::search::compartment::membership;
use serde_json::json;

async fn ward() -> World {
    let mut world = World::new().await;
    let to = |reference: &str| json!({ "reference": reference });
    for resource in [
        json!({"resourceType": "Patient", "id": "1", "gender": "male", "link": [{"other": to("Patient/2"), "type": "seealso"}]}),
        json!({"resourceType": "Patient", "id": "2", "gender": "female"}),
        json!({"resourceType": "Observation", "id": "1", "status": "final", "subject": to("Patient/1"),
            "encounter": to("Encounter/1")}),
        json!({"resourceType": "Observation", "id": "a", "status": "final", "subject": to("Patient/1"),
            "encounter": to("Encounter/1"), "device": to("Device/1")}),
        json!({"resourceType": "Observation", "id": "b", "status": "amended", "subject": to("Patient/2"),
            "performer": [to("Patient/1"), to("Practitioner/1")]}),
        json!({"resourceType": "Observation", "id": "c", "subject": to("Patient/2")}),
        json!({"resourceType": "Observation", "id": "d", "subject": to("Device/1")}),
        json!({"resourceType": "CareTeam", "id": "t", "participant": [{"member": to("Patient/1")}]}),
        json!({"resourceType": "Encounter", "id": "1", "subject": to("Patient/1")}),
        json!({"resourceType": "Task", "id": "k", "for": to("Patient/1")}),
        json!({"resourceType": "Communication", "id": "n", "sender": to("RelatedPerson/1")}),
        json!({"resourceType": "RelatedPerson", "id": "1", "patient": to("Patient/1")}),
    ] {
        world.put(resource).await;
    }
    world
}

#[tokio::test]
async fn a_compartment_holds_what_refers_to_its_resource() {
    let mut world = ward().await;
    for (url, expected) in [
        (
            "Patient/1/Observation",
            vec!["Observation/1", "Observation/a", "Observation/b"],
        ),
        (
            "Patient/1/Observation?status=final",
            vec!["Observation/1", "Observation/a"],
        ),
        (
            "Patient/1/Observation?status=final&_id=a",
            vec!["Observation/a"],
        ),
        (
            "Patient/1/Observation?patient.gender=female",
            vec!["Observation/b"],
        ),
        (
            "Patient/2/Observation",
            vec!["Observation/b", "Observation/c"],
        ),
        ("Patient/none/Observation", vec![]),
        ("Patient/1/Patient", vec!["Patient/1"]),
        ("Patient/2/Patient", vec!["Patient/1", "Patient/2"]),
        ("Patient/1/CareTeam", vec!["CareTeam/t"]),
        (
            "Encounter/1/Observation",
            vec!["Observation/1", "Observation/a"],
        ),
        ("Encounter/1/Encounter", vec!["Encounter/1"]),
        (
            "Device/1/Observation",
            vec!["Observation/a", "Observation/d"],
        ),
        ("Practitioner/1/Observation", vec!["Observation/b"]),
        ("RelatedPerson/1/Communication", vec!["Communication/n"]),
        (
            "Encounter/1/*",
            vec!["Encounter/1", "Observation/1", "Observation/a"],
        ),
        ("Encounter/1/*?_id=1", vec!["Encounter/1", "Observation/1"]),
        (
            "Patient/1/*",
            vec![
                "CareTeam/t",
                "Encounter/1",
                "Observation/1",
                "Observation/a",
                "Observation/b",
                "Patient/1",
                "RelatedPerson/1",
            ],
        ),
        (
            "Patient/1/*?_type=Encounter,CareTeam",
            vec!["CareTeam/t", "Encounter/1"],
        ),
        (
            "Patient/1/*?_type=Observation&status=final&_count=1",
            vec!["Observation/1", "Observation/a"],
        ),
        (
            "Patient/1/*?_type=Observation,Encounter&_type=Encounter",
            vec!["Encounter/1"],
        ),
    ] {
        assert_eq!(sorted(world.walk(url).await), expected, "{url}");
    }
    for (url, says) in [
        ("Patient/1/Task", "Task"),
        ("Patient/1/Binary", "Binary"),
        ("Patient/1/*?_type=Task", "Task"),
        ("Organization/1/Patient", "Patient"),
        ("Patient/1/*?gender=male", "gender"),
    ] {
        let refused = world.try_search(url, Handling::Strict).await;
        let refused = refused.expect_err(url).to_string();
        assert!(refused.contains(says), "{url}: {refused}");
    }
}

/// Every type of every compartment is searched as the union of its parameters.
#[tokio::test]
async fn a_compartment_is_the_union_of_the_searches_of_its_parameters() {
    let mut world = World::new().await;
    let definitions = Definitions::r4();
    for definition in definitions.compartments() {
        let focal = kind(&definition.code);
        for (member, codes) in &definition.resources {
            let page = world.search(&format!("{focal}/1/{member}")).await;
            assert_eq!(page.matches.len(), 0, "{focal} {member}");
            let inside = membership(&REGISTRY, focal, "1", kind(member));
            let inside = inside
                .map(|predicate| predicate.to_string())
                .unwrap_or_default();
            for code in codes.iter().filter(|code| *code != "{def}") {
                let parameter = REGISTRY.parameter(kind(member), code).expect(code);
                for branch in &parameter.branches {
                    if branch.only.is_none_or(|only| only == focal) {
                        let slot = format!("{:?}", branch.slot);
                        assert!(inside.contains(&slot), "{focal}: {member}.{code}");
                    }
                }
            }
        }
    }
}

#[tokio::test]
async fn over_http_by_get_and_post_and_in_a_batch() {
    let server = Server::start().await;
    let patient = json!({"resourceType": "Patient", "id": "1"});
    server.put("/Patient/1", &patient).await.expect(201);
    for id in ["a", "b", "c"] {
        let observation = json!({"resourceType": "Observation", "id": id, "status": "final",
            "code": {"text": "x"}, "subject": {"reference": "Patient/1"}});
        let path = format!("/Observation/{id}");
        server.put(&path, &observation).await.expect(201);
    }
    let found = server
        .get("/Patient/1/Observation?status=final&_count=2")
        .await;
    assert_eq!(found.expect(200).ids().len(), 2);
    assert_eq!(
        found.link("self").as_deref(),
        Some("/Patient/1/Observation?status=final&_count=2")
    );
    let next = found.link("next").expect("a second page");
    assert!(next.starts_with("/Patient/1/Observation?"), "{next}");
    assert_eq!(server.get(&next).await.expect(200).ids().len(), 1);
    let all = server.get("/Patient/1/*").await;
    assert_eq!(all.expect(200).ids().len(), 4);
    assert_eq!(all.link("self").as_deref(), Some("/Patient/1/*"));
    for path in [
        "/fhir/Patient/1/Observation/_search",
        "/fhir/Patient/1/*/_search",
    ] {
        let headers = ["Content-Type: application/x-www-form-urlencoded"];
        let reply = server.send("POST", path, &headers, "_id=a").await;
        assert_eq!(reply.expect(200).ids(), ["a"], "{path}");
    }
    for (path, status) in [
        ("/Patient/1/Task", 400),
        ("/Patient/1/Foo", 404),
        ("/Patient/1/$everything", 404),
        ("/Organization/1/Patient", 404),
        ("/Patient/a_b/Observation", 400),
        ("/Patient/none/Observation", 200),
        ("/Patient/1/_history", 200),
    ] {
        let reply = server.get(path).await;
        assert_eq!(reply.status, status, "{path}: {}", reply.text());
    }
    let batch = json!({"resourceType": "Bundle", "type": "batch", "entry": [
        {"request": {"method": "GET", "url": "Patient/1/Observation?_id=a"}},
        {"request": {"method": "GET", "url": "Patient/1/*"}},
    ]});
    let reply = server.post("", &batch).await;
    let entries = reply.expect(200).entries();
    assert_eq!(entries[0]["resource"]["total"], 1, "{}", reply.text());
    assert_eq!(entries[1]["resource"]["total"], 4, "{}", reply.text());
    let statement = server.get("/metadata").await.json();
    let compartments = statement["rest"][0]["compartment"].to_string();
    assert!(compartments.contains("http://hl7.org/fhir/CompartmentDefinition/patient"));
}
