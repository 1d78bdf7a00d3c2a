//! `_include` and `_revinclude`.

use super::*;
use crate::harness::Server;
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
        ("_include=Observation:*", true),
        ("_include:iterate=Patient:nope", true),
        ("_include:nope=Patient:organization", false),
        ("_include=*:subject", false),
        ("_include=*:*:*:*", false),
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

/// Organizations `0`, `1` … each a part of the next.
async fn nested(world: &mut World, count: usize) {
    for number in 0..count {
        let whole = format!("Organization/{}", number + 1);
        world
            .put(
                json!({"resourceType": "Organization", "id": number.to_string(),
                "partOf": {"reference": whole}}),
            )
            .await;
    }
}

#[tokio::test]
async fn iterate_follows_what_was_included() {
    let mut world = ward().await;
    nested(&mut world, 5).await;
    for (url, included) in [
        (
            "Patient?_id=p&_include=Patient:organization&_include:iterate=Organization:partof",
            vec!["Organization/part", "Organization/top"],
        ),
        (
            "Patient?_id=p&_include=Patient:organization&_include:recurse=Organization:partof",
            vec!["Organization/part", "Organization/top"],
        ),
        // Without :iterate the matches alone include.
        (
            "Organization?_id=0&_include=Organization:partof",
            vec!["Organization/1"],
        ),
        (
            "Organization?_id=0&_include:iterate=Organization:partof",
            vec![
                "Organization/1",
                "Organization/2",
                "Organization/3",
                "Organization/4",
            ],
        ),
        (
            "Organization?_id=4&_revinclude:iterate=Organization:partof",
            vec![
                "Organization/0",
                "Organization/1",
                "Organization/2",
                "Organization/3",
            ],
        ),
        // Upwards and then back to what refers to that.
        (
            "Observation?_id=1&_include=Observation:subject&_revinclude:iterate=Observation:subject",
            vec!["Observation/2", "Patient/p"],
        ),
        (
            "Organization?_id=top&_revinclude:iterate=Organization:partof\
             &_revinclude:iterate=Patient:organization&_revinclude:iterate=Observation:patient",
            vec![
                "Observation/1",
                "Observation/2",
                "Organization/part",
                "Patient/p",
                "Patient/q",
            ],
        ),
    ] {
        let page = world.search(url).await;
        assert_eq!(includes(&page), included, "{url}");
        assert_eq!(page.issues, [], "{url}");
    }
}

#[tokio::test]
async fn a_star_is_every_reference_parameter() {
    let mut world = ward().await;
    for (url, included) in [
        ("Patient?_id=p&_include=*", vec!["Organization/part"]),
        ("Patient?_id=p&_include=*:*", vec!["Organization/part"]),
        (
            "Patient?_id=p&_include=Patient:*",
            vec!["Organization/part"],
        ),
        ("Patient?_id=p&_include=Patient:*:Practitioner", vec![]),
        (
            "Patient?_id=p&_revinclude=Observation:*",
            vec!["Observation/1", "Observation/2"],
        ),
        (
            "Patient?_id=p&_revinclude=*",
            vec!["Observation/1", "Observation/2"],
        ),
        (
            "Organization?_id=part&_revinclude=*",
            vec!["Patient/p", "Patient/q"],
        ),
        (
            "Observation?_id=1&_include:iterate=*",
            vec!["Organization/part", "Organization/top", "Patient/p"],
        ),
        (
            "?_type=Device,Patient&_id=p&_revinclude=Observation:subject",
            vec!["Observation/1", "Observation/2", "Observation/3"],
        ),
    ] {
        let page = world.search(url).await;
        assert_eq!(includes(&page), included, "{url}");
        assert_eq!(page.issues, [], "{url}");
    }
}

/// Pains B6, TC13.
#[tokio::test]
async fn cycles_end_without_repetitions() {
    let mut world = World::new().await;
    for (id, whole) in [("a", "b"), ("b", "c"), ("c", "a"), ("self", "self")] {
        let whole = format!("Organization/{whole}");
        world
            .put(json!({"resourceType": "Organization", "id": id, "partOf": {"reference": whole}}))
            .await;
    }
    for (url, included) in [
        (
            "Organization?_id=a&_include:iterate=Organization:partof",
            vec!["Organization/b", "Organization/c"],
        ),
        (
            "Organization?_id=a&_include:iterate=*&_revinclude:iterate=*",
            vec!["Organization/b", "Organization/c"],
        ),
        (
            "Organization?_id=self&_include:iterate=Organization:partof",
            vec![],
        ),
    ] {
        let page = world.search(url).await;
        assert_eq!(
            (page.matches.len(), page.includes.len()),
            (1, included.len()),
            "{url}"
        );
        assert_eq!(includes(&page), included, "{url}");
        assert_eq!(page.issues, [], "{url}");
    }
}

/// Pains B6: the limit of levels is said.
#[tokio::test]
async fn too_many_levels_are_told() {
    let mut world = World::new().await;
    nested(&mut world, 40).await;
    for (first, included, told) in [(8, 31, false), (7, 32, false), (6, 32, true)] {
        let url = format!("Organization?_id={first}&_include:iterate=Organization:partof");
        let page = world.search(&url).await;
        assert_eq!(page.includes.len(), included, "{url}");
        assert_eq!(page.issues.iter().any(|i| i.code == "too-costly"), told);
    }
}

/// Pains B5, TC10: `_count` is of matches, and so is the total.
#[tokio::test]
async fn includes_are_not_counted() {
    let mut world = World::new().await;
    for number in 0..25 {
        for kind in ["Patient", "Practitioner"] {
            world
                .put(json!({"resourceType": kind, "id": number.to_string()}))
                .await;
        }
        let subject = format!("Patient/{number}");
        let performer = format!("Practitioner/{number}");
        world
            .put(
                json!({"resourceType": "Observation", "id": number.to_string(),
                "subject": {"reference": subject}, "performer": [{"reference": performer}]}),
            )
            .await;
    }
    let url = "Observation?_count=10&_total=accurate&_include=Observation:subject\
               &_include=Observation:performer";
    let (mut next, mut sizes) = (Some(url.to_owned()), Vec::new());
    while let Some(url) = next {
        let page = world.search(&url).await;
        assert_eq!(page.total, Some(25));
        for found in &page.matches {
            for kind in ["Patient", "Practitioner"] {
                assert!(includes(&page).contains(&format!("{kind}/{}", found.id)));
            }
        }
        sizes.push((page.matches.len(), page.includes.len()));
        next = link(&page, "next");
    }
    assert_eq!(sizes, [(10, 20), (10, 20), (5, 10)]);
}

/// Pains B4, TC11: 2,000 resources that refer to one.
#[tokio::test]
async fn what_does_not_fit_is_told_with_the_way_to_the_rest() {
    let mut world = World::new().await;
    world
        .put(json!({"resourceType": "Patient", "id": "p"}))
        .await;
    for number in 0..60 {
        world
            .put(
                json!({"resourceType": "Observation", "id": number.to_string(),
                "subject": {"reference": "Patient/p"}}),
            )
            .await;
    }
    world.limits.max_include = 50;
    let url = "Patient?_id=p&_revinclude=Observation:subject";
    let page = world.search(url).await;
    assert_eq!((page.matches.len(), page.includes.len()), (1, 50));
    assert_eq!(page.issues[0].code, "too-costly");
    let said = &page.issues[0].text;
    let rest = format!("{BASE}/Observation?subject=Patient/p");
    assert!(said.ends_with(&rest), "{said}");
    assert_eq!(world.walk(&rest).await.len(), 60);
    world.limits.max_include = 60;
    let page = world.search(url).await;
    assert_eq!((page.includes.len(), page.issues), (60, vec![]));
}

/// Pains B6, TC12, TC14.
#[tokio::test]
async fn deleted_resources_are_not_included_and_matches_stay_matches() {
    let mut world = ward().await;
    let url =
        "Organization?_id=part,top&_include=Organization:partof&_revinclude=Patient:organization";
    let page = world.search(url).await;
    assert_eq!(
        sorted(matches(&page)),
        ["Organization/part", "Organization/top"]
    );
    assert_eq!(includes(&page), ["Patient/p", "Patient/q"]);
    world.delete("Patient/p").await;
    let page = world.search(url).await;
    assert_eq!(includes(&page), ["Patient/q"]);
    let page = world
        .search("Observation?_include=Observation:patient")
        .await;
    assert_eq!(includes(&page), [""; 0]);
}

#[tokio::test]
async fn a_canonical_includes_what_has_its_url_and_version() {
    let mut world = World::new().await;
    for (id, version) in [("one", Some("1")), ("two", Some("2")), ("none", None)] {
        world
            .put(
                json!({"resourceType": "Questionnaire", "id": id, "status": "active",
                "url": "http://q.test/a", "version": version}),
            )
            .await;
    }
    for (id, canonical) in [
        ("any", "http://q.test/a".to_owned()),
        ("second", "http://q.test/a|2".to_owned()),
        ("third", "http://q.test/a|3".to_owned()),
        ("local", "Questionnaire/one".to_owned()),
        ("own", format!("{BASE}/Questionnaire/two")),
    ] {
        world
            .put(
                json!({"resourceType": "QuestionnaireResponse", "id": id, "status": "completed",
                "questionnaire": canonical}),
            )
            .await;
    }
    let (one, two, none) = (
        "Questionnaire/one",
        "Questionnaire/two",
        "Questionnaire/none",
    );
    for (id, included) in [
        ("any", vec![none, one, two]),
        ("second", vec![two]),
        ("third", vec![]),
        ("local", vec![one]),
        ("own", vec![two]),
        ("second,local", vec![one, two]),
    ] {
        for include in ["QuestionnaireResponse:questionnaire", "*"] {
            let url = format!("QuestionnaireResponse?_id={id}&_include={include}");
            assert_eq!(includes(&world.search(&url).await), included, "{url}");
        }
    }
    // Who names a version means that one alone, this way too.
    for (id, referrers) in [
        ("one", vec!["any", "local"]),
        ("two", vec!["any", "own", "second"]),
        ("none", vec!["any"]),
    ] {
        for include in ["QuestionnaireResponse:questionnaire", "*"] {
            let url = format!("Questionnaire?_id={id}&_revinclude={include}");
            let expected: Vec<String> = referrers
                .iter()
                .map(|id| format!("QuestionnaireResponse/{id}"))
                .collect();
            assert_eq!(includes(&world.search(&url).await), expected, "{url}");
        }
    }
}

/// Over HTTP, since superseded versions come from real updates.
#[tokio::test]
async fn a_versioned_reference_includes_that_version() {
    let server = Server::start().await;
    let patient =
        |family: &str| json!({"resourceType": "Patient", "id": "p", "name": [{"family": family}]});
    for family in ["First", "Second", "Third"] {
        server.put("/Patient/p", &patient(family)).await;
    }
    for (id, reference) in [
        ("current", "Patient/p"),
        ("first", "Patient/p/_history/1"),
        ("second", "Patient/p/_history/2"),
        ("third", "Patient/p/_history/3"),
        ("fourth", "Patient/p/_history/4"),
        ("strange", "Patient/p/_history/x"),
    ] {
        let observation = json!({"resourceType": "Observation", "id": id, "status": "final",
            "code": {"text": "x"}, "subject": {"reference": reference}});
        server
            .put(&format!("/Observation/{id}"), &observation)
            .await;
    }
    let families = async |ids: &str| -> Vec<String> {
        let url = format!("/Observation?_id={ids}&_include=Observation:subject");
        let reply = server.get(&url).await;
        reply.expect(200);
        let included = reply.entries();
        let included = included
            .iter()
            .filter(|entry| entry["search"]["mode"] == "include");
        let family = |entry: &Value| {
            entry["resource"]["name"][0]["family"]
                .as_str()
                .map(str::to_owned)
        };
        sorted(included.filter_map(family).collect())
    };
    for (ids, included) in [
        ("current", vec!["Third"]),
        ("third", vec!["Third"]),
        ("first", vec!["First"]),
        ("second", vec!["Second"]),
        ("fourth", vec![]),
        ("strange", vec![]),
        ("current,third", vec!["Third"]),
        ("current,first,second", vec!["First", "Second", "Third"]),
    ] {
        assert_eq!(families(ids).await, included, "{ids}");
    }
    server.delete("/Patient/p").await.expect(204);
    assert_eq!(families("current,first,third").await, [""; 0]);
}
