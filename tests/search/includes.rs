//! `_include` and `_revinclude`.

use super::*;
use serde_json::json;

async fn ward() -> World {
    let mut world = World::new().await;
    for resource in [
        json!({"resourceType": "Organization", "id": "top"}),
        json!({"resourceType": "Organization", "id": "part", "partOf": {"reference": "Organization/top"}}),
        json!({"resourceType": "Patient", "id": "p", "gender": "male",
            "managingOrganization": {"reference": "Organization/part"}}),
        json!({"resourceType": "Patient", "id": "q", "gender": "female",
            "managingOrganization": {"reference": format!("{BASE}/Organization/part")}}),
        json!({"resourceType": "Patient", "id": "r",
            "managingOrganization": {"reference": "Organization/gone"}}),
        json!({"resourceType": "Device", "id": "p"}),
        json!({"resourceType": "Observation", "id": "1", "subject": {"reference": "Patient/p"}}),
        json!({"resourceType": "Observation", "id": "2", "subject": {"reference": "Patient/p/_history/1"}}),
        json!({"resourceType": "Observation", "id": "3", "subject": {"reference": "Device/p"}}),
        json!({"resourceType": "Observation", "id": "4", "subject": {"reference": "http://other/fhir/Patient/p"}}),
    ] {
        world.put(resource).await;
    }
    world
}

#[tokio::test]
async fn what_the_matches_refer_to_is_included_once() {
    let mut world = ward().await;
    for (url, matched, included) in [
        (
            "Patient?gender=male,female&_include=Patient:organization",
            2,
            vec!["Organization/part"],
        ),
        (
            "Patient?_include=Patient:organization:Organization",
            3,
            vec!["Organization/part"],
        ),
        (
            "Observation?_include=Observation:subject",
            4,
            vec!["Device/p", "Patient/p"],
        ),
        (
            "Observation?_include=Observation:subject:Device",
            4,
            vec!["Device/p"],
        ),
        (
            "Observation?_include=Observation:patient",
            4,
            vec!["Patient/p"],
        ),
        // One level: the whole of the part is not asked for.
        (
            "Organization?_id=part&_include=Organization:partof",
            1,
            vec!["Organization/top"],
        ),
        // A match is no include.
        ("Organization?_include=Organization:partof", 2, vec![]),
        (
            "Patient?gender=male&_include=Patient:organization&_revinclude=Observation:subject",
            1,
            vec!["Observation/1", "Observation/2", "Organization/part"],
        ),
        (
            "Device?_revinclude=Observation:subject",
            1,
            vec!["Observation/3"],
        ),
        (
            "Patient?_revinclude=Observation:patient",
            3,
            vec!["Observation/1", "Observation/2"],
        ),
        (
            "Organization?_id=part&_revinclude=Patient:organization:Organization",
            1,
            vec!["Patient/p", "Patient/q"],
        ),
    ] {
        let page = world.search(url).await;
        assert_eq!(
            (page.matches.len(), includes(&page)),
            (
                matched,
                included.iter().map(|text| text.to_string()).collect()
            ),
            "{url}"
        );
        assert_eq!(page.issues, [], "{url}");
    }
    world.delete("Organization/part").await;
    let page = world.search("Patient?_include=Patient:organization").await;
    assert_eq!(page.includes.len(), 0);
}

#[tokio::test]
async fn pages_stand_alone_and_a_cut_is_told() {
    let mut world = ward().await;
    let url = "Patient?gender=male,female&_include=Patient:organization&_count=1";
    let first = world.search(url).await;
    let second = world
        .search(&link(&first, "next").expect("a second page"))
        .await;
    assert_eq!(includes(&first), ["Organization/part"]);
    assert_eq!(includes(&second), ["Organization/part"]);
    world.limits.max_include = 1;
    let page = world
        .search("Patient?gender=male&_revinclude=Observation:subject")
        .await;
    assert_eq!((page.matches.len(), page.includes.len()), (1, 1));
    assert_eq!(page.issues[0].code, "too-costly");
    let page = world
        .search("Observation?_include=Observation:subject")
        .await;
    assert_eq!(
        (page.matches.len(), page.includes.len(), page.issues.len()),
        (4, 1, 1)
    );
}

#[tokio::test]
async fn what_cannot_be_included_is_refused_or_ignored_with_a_warning() {
    let mut world = ward().await;
    for (pair, lenient) in [
        ("_include=Foo:bar", true),
        ("_include=Patient:nope", true),
        ("_include=Patient:gender", true),
        ("_include=Observation:subject", true),
        ("_include=Patient:organization:Device", true),
        ("_revinclude=Provedance:target", true),
        ("_revinclude=Patient:organization", true),
        ("_include=Patient", false),
        ("_include=*", false),
        ("_include=Patient:*", false),
        ("_include:iterate=Patient:organization", false),
    ] {
        let url = format!("Patient?{pair}");
        world
            .try_search(&url, Handling::Strict)
            .await
            .expect_err(pair);
        match world.try_search(&url, Handling::Lenient).await {
            Ok(page) => {
                assert!(lenient, "{pair}");
                assert_eq!((page.issues.len(), page.includes.len()), (1, 0), "{pair}");
                assert_eq!(link(&page, "self"), Some(format!("{BASE}/Patient")));
            }
            Err(error) => assert!(!lenient, "{pair}: {error}"),
        }
    }
}
