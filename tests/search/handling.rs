//! Strict and lenient; what is refused in both; criteria of conditional interactions.

use super::*;
use serde_json::json;

#[tokio::test]
async fn strict_tells_every_problem_and_lenient_ignores_what_is_unknown() {
    let mut world = World::new().await;
    world
        .put(json!({"resourceType": "Patient", "id": "a", "gender": "male"}))
        .await;
    world
        .put(json!({"resourceType": "Patient", "id": "b"}))
        .await;
    let url = "Patient?foo=bar&gender=male&famly=x&_sort=nope&_include=Foo:bar";
    let error = world
        .try_search(url, Handling::Strict)
        .await
        .expect_err("strict");
    assert_eq!(error.issues.len(), 4, "{error}");
    assert!(
        messages(&error)[1].contains("Did you mean family?"),
        "{error}"
    );
    assert!(messages(&error)[0].contains("birthdate"), "{error}");
    let page = world
        .try_search(url, Handling::Lenient)
        .await
        .expect("lenient");
    assert_eq!(matches(&page), ["Patient/a"]);
    assert_eq!(page.issues.len(), 4);
    assert!(page.issues.iter().all(|issue| !issue.is_error()));
    assert_eq!(
        link(&page, "self"),
        Some(format!("{BASE}/Patient?gender=male"))
    );
}

#[tokio::test]
async fn malformed_and_unsupported_is_refused_by_both() {
    let mut world = World::new().await;
    for pair in [
        "birthdate=foo",
        "gender:foo=male",
        "birthdate:exact=1990-01-01",
        "gender:50050",
        "gender=%00",
        "family=,",
        "_count=-1",
        "_count=abc",
        "_count=",
        "_total=maybe",
        "_summary=maybe",
        "_contained=maybe",
        "_containedType=maybe",
        "_contained=true&_sort=_id",
        "_summary=text&_include=Patient:organization",
        "organization:identifier.name=x",
        "organization:Patient.name=x",
        "organization.name:above=x",
        "_has:Observation:patient=x",
        "_has=x",
        "_filter=gender eq",
        "_filter=gender co x",
        "_filter:exact=gender eq male",
        "_query=x",
        "_list=$nope",
        "_list:exact=1",
        "_sort=_content",
        "_sort=_text",
    ] {
        for handling in [Handling::Strict, Handling::Lenient] {
            let url = format!("Patient?{pair}");
            let error = world.try_search(&url, handling).await.expect_err(pair);
            assert_eq!(error.category, andiron::error::Category::Invalid, "{pair}");
        }
    }
}

#[tokio::test]
async fn what_is_not_supported_is_not_proposed() {
    let mut world = World::new().await;
    for pair in ["nope=1", "_sort=nope", "_include=Patient:nope"] {
        let url = format!("Patient?{pair}");
        let refused = world.try_search(&url, Handling::Strict).await;
        let said = refused.expect_err(pair).to_string();
        assert!(said.contains("Supported:"), "{said}");
        assert!(!said.contains("_query"), "{said}");
        let is_filter = pair == "nope=1";
        assert_eq!(said.contains("_text"), is_filter, "{said}");
    }
}

#[tokio::test]
async fn extreme_values_never_fail_in_the_database() {
    let mut world = World::new().await;
    world
        .put(json!({"resourceType": "Observation", "id": "a", "status": "final", "valueQuantity": {"value": 5}}))
        .await;
    let long = "9".repeat(2000);
    for pair in [
        "value-quantity=gt1e999999",
        "value-quantity=lt-1e999999",
        "value-quantity=1e-999999",
        "value-quantity=1e99999999999999999999",
        &format!("value-quantity=lt{long}"),
        &format!("value-quantity=0.{long}"),
        "date=ge0001-01-01",
        "date=le9999-12-31T23:59:59.999999999Z",
        "date=0000",
        "_lastUpdated=ge0001-01-01T00:00:00%2B14:00",
        "_lastUpdated=le9999-12-31T23:59:59-14:00",
        "_lastUpdated=ne9999",
        "_lastUpdated=ap0001",
        "date=ap0001",
        "date=ap9999",
        "code=%F0%9F%98%80|%EF%BF%BF",
        "value-string:contains=%25_%5C%5C",
        "_id=%20",
        "subject=Patient/",
        "subject=%23x",
        "subject=http://",
        "subject:Nope=1",
        "_count=18446744073709551616",
    ] {
        let url = format!("Observation?{pair}");
        // Refused or answered; a fault of the statement would panic.
        if let Err(error) = world.try_search(&url, Handling::Strict).await {
            assert_eq!(error.category, andiron::error::Category::Invalid, "{pair}");
        }
    }
}

#[tokio::test]
async fn conditions_combine_as_sets() {
    let mut world = World::new().await;
    world
        .put(
            json!({"resourceType": "Patient", "id": "a", "gender": "male",
            "birthDate": "1990-01-01", "name": [{"family": "Meier"}, {"family": "Abel"}]}),
        )
        .await;
    world
        .put(
            json!({"resourceType": "Patient", "id": "b", "gender": "female",
            "birthDate": "2000-01-01", "name": [{"family": "Abeln"}]}),
        )
        .await;
    world
        .put(json!({"resourceType": "Patient", "id": "c"}))
        .await;
    for (text, expected) in [
        ("gender=male,female", "ab"),
        ("gender=male&gender=female", ""),
        ("gender:not=male", "bc"),
        ("gender:not=male,female", "c"),
        ("family=abel", "ab"),
        ("family=meier&family=abel", "a"),
        ("family:exact=Abel", "a"),
        ("family=meier,abeln", "ab"),
        ("birthdate=ge1995-01-01", "b"),
        ("birthdate=ge1980-01-01&birthdate=1990-01-01", "a"),
        ("_id=a,c,d", "ac"),
        ("_id=A", ""),
        ("_lastUpdated=ge2020-01-01", "abc"),
        ("gender=male&_id=a&family=meier&birthdate=1990-01-01", "a"),
        ("gender=", "abc"),
        ("family=%F4%8F%BF%BF", ""),
    ] {
        let expected: Vec<String> = expected.chars().map(|id| format!("Patient/{id}")).collect();
        assert_eq!(
            sorted(world.walk(&format!("Patient?{text}")).await),
            expected,
            "{text}"
        );
        let page = world
            .search(&format!("Patient?{text}&_summary=count"))
            .await;
        assert_eq!(page.total, Some(expected.len() as u64), "{text}");
    }
}

#[tokio::test]
async fn criteria_are_strict_and_never_empty() {
    let mut world = World::new().await;
    for id in ["a", "b", "c"] {
        world
            .put(json!({"resourceType": "Patient", "id": id, "gender": "male"}))
            .await;
    }
    let access = Access::unrestricted();
    for (criteria, expected) in [
        ("gender=male", Some(2)),
        ("gender=male&_id=b", Some(1)),
        ("gender=female", Some(0)),
        ("gender=m%61le", Some(2)),
        ("", None),
        ("gender=", None),
        ("foo=bar&gender=male", None),
        ("gender=male&_count=1", None),
        ("gender=male&_sort=_id", None),
        ("gender=male&_include=Patient:organization", None),
        ("gender=male&_format=json", None),
        ("gender=%FF", None),
    ] {
        let patient = kind("Patient");
        let connection = &mut world.connection;
        let found =
            search::find_matches(connection, &access, &REGISTRY, patient, criteria, BASE, 2).await;
        assert_eq!(found.ok().map(|found| found.len()), expected, "{criteria}");
    }
}
