//! `_sort`: directions, missing values, several values.

use super::*;
use serde_json::json;

async fn people() -> World {
    let mut world = World::new().await;
    for resource in [
        json!({"resourceType": "Patient", "id": "none"}),
        json!({"resourceType": "Patient", "id": "old", "birthDate": "1950-01-01",
            "name": [{"family": "Zimmer"}, {"family": "Abel"}]}),
        json!({"resourceType": "Patient", "id": "young", "birthDate": "2010-01-01",
            "name": [{"family": "Meier"}]}),
        json!({"resourceType": "Patient", "id": "none2"}),
    ] {
        world.put(resource).await;
    }
    world
}

#[tokio::test]
async fn missing_values_come_last_in_both_directions() {
    let mut world = people().await;
    for count in ["1", "2", "3", "20"] {
        for (sort, expected) in [
            ("birthdate", ["Patient/old", "Patient/young"]),
            ("-birthdate", ["Patient/young", "Patient/old"]),
            // Of two family names the first in the direction counts, and only once.
            ("family", ["Patient/old", "Patient/young"]),
            ("-family", ["Patient/old", "Patient/young"]),
        ] {
            let found = world
                .walk(&format!("Patient?_sort={sort}&_count={count}"))
                .await;
            assert_eq!(found[..2], expected, "{sort} {count}");
            let rest = sorted(found[2..].to_vec());
            assert_eq!(rest, ["Patient/none", "Patient/none2"], "{sort} {count}");
        }
    }
}

#[tokio::test]
async fn a_long_name_of_equal_words_is_shown_once_and_found() {
    let mut world = people().await;
    // Every word begins the same two hundred characters.
    let text = "b ".repeat(20_000).trim_end().to_owned();
    world
        .put(json!({"resourceType": "Patient", "id": "long",
            "name": [{"family": text, "text": text}]}))
        .await;
    for sort in ["name", "-name", "family", "-family"] {
        let found = world.walk(&format!("Patient?_sort={sort}&_count=1")).await;
        assert_eq!(found.len(), 5, "{sort}: {found:?}");
        let once = found.iter().filter(|one| *one == "Patient/long");
        assert_eq!(once.count(), 1, "{sort}");
    }
    let exact = format!("Patient?name:exact={}", text.replace(' ', "%20"));
    assert_eq!(world.walk(&exact).await, ["Patient/long"]);
    let part = world.walk("Patient?name:exact=b%20b").await;
    assert_eq!(part, Vec::<String>::new());
}

#[tokio::test]
async fn quantities_sort_as_numbers_and_filters_apply_to_both_parts() {
    let mut world = World::new().await;
    for (id, value) in [("a", "9.5"), ("b", "10"), ("c", "-1"), ("d", "")] {
        let mut resource = json!({"resourceType": "Observation", "id": id, "status": "final",
            "code": {"coding": [{"code": "weight"}]}});
        if !value.is_empty() {
            let number: serde_json::Number = value.parse().expect("a number");
            resource["valueQuantity"] = json!({"value": number});
        }
        world.put(resource).await;
    }
    world
        .put(json!({"resourceType": "Observation", "id": "other", "code": {"coding": [{"code": "height"}]},
            "valueQuantity": {"value": 1}}))
        .await;
    for (sort, expected) in [
        ("value-quantity", ["c", "a", "b", "d"]),
        ("-value-quantity", ["b", "a", "c", "d"]),
    ] {
        let found = world
            .walk(&format!("Observation?code=weight&_sort={sort}&_count=1"))
            .await;
        assert_eq!(
            found,
            expected.map(|id| format!("Observation/{id}")),
            "{sort}"
        );
    }
}

#[tokio::test]
async fn columns_sort_too() {
    let mut world = people().await;
    let stored = ["none", "old", "young", "none2"].map(|id| format!("Patient/{id}"));
    assert_eq!(
        world.walk("Patient?_sort=_lastUpdated&_count=1").await,
        stored
    );
    let mut reversed = stored.clone();
    reversed.reverse();
    assert_eq!(
        world.walk("Patient?_sort=-_lastUpdated&_count=1").await,
        reversed
    );
    let ids = ["none", "none2", "old", "young"].map(|id| format!("Patient/{id}"));
    assert_eq!(world.walk("Patient?_sort=_id&_count=3").await, ids);
}

#[tokio::test]
async fn plain_codes_sort_and_nobody_is_filtered_out() {
    let mut world = World::new().await;
    assert_eq!(
        world.walk("Patient?_sort=gender").await,
        Vec::<String>::new()
    );
    for id in ["x", "y"] {
        world
            .put(json!({"resourceType": "Patient", "id": id}))
            .await;
    }
    assert_eq!(world.walk("Patient?_sort=gender&_count=1").await.len(), 2);
    world
        .put(json!({"resourceType": "Patient", "id": "m", "gender": "male"}))
        .await;
    world
        .put(json!({"resourceType": "Patient", "id": "f", "gender": "female"}))
        .await;
    for (sort, expected) in [
        ("gender", ["Patient/f", "Patient/m"]),
        ("-gender", ["Patient/m", "Patient/f"]),
    ] {
        for count in [1, 2, 3, 4] {
            let found = world
                .walk(&format!("Patient?_sort={sort}&_count={count}"))
                .await;
            assert_eq!(found[..2], expected, "{sort} {count}");
            assert_eq!(sorted(found[2..].to_vec()), ["Patient/x", "Patient/y"]);
        }
    }
}

#[tokio::test]
async fn what_cannot_be_sorted_by_is_refused() {
    let mut world = World::new().await;
    for (url, says) in [
        ("Observation?_sort=code-value-quantity", "composite"),
        ("Location?_sort=near", "near beside it"),
        ("Patient?_sort=_score", "_text or _content beside it"),
        ("Bundle?_sort=composition", "have an order"),
    ] {
        for handling in [Handling::Strict, Handling::Lenient] {
            let error = world.try_search(url, handling).await.expect_err(url);
            assert!(messages(&error)[0].contains(says), "{url}: {error}");
        }
    }
    let error = world
        .try_search("Patient?_sort=birthdat", Handling::Strict)
        .await;
    let error = error.expect_err("unknown");
    assert!(
        messages(&error)[0].contains("Did you mean birthdate?"),
        "{error}"
    );
    let page = world
        .try_search("Patient?_sort=nope", Handling::Lenient)
        .await
        .expect("ignored");
    assert_eq!(link(&page, "self"), Some(format!("{BASE}/Patient")));
}

/// Ids of all pages, whatever their size.
async fn check_order(world: &mut World, kind: &str, table: &[(&str, &str)]) {
    for (query, expected) in table {
        for count in [1, 2, 3, 20] {
            let url = format!("{kind}?{query}&_count={count}");
            assert_eq!(world.walk_ids(&url).await, *expected, "{url}");
        }
    }
}

#[tokio::test]
async fn concepts_sort_by_their_codes_else_by_their_texts() {
    let mut world = World::new().await;
    for (id, code) in [
        (
            "a",
            json!({"coding": [{"code": "B"}, {"code": "Z"}], "text": "aaa"}),
        ),
        ("b", json!({"coding": [{"system": "s", "code": "A"}]})),
        ("c", json!({"coding": [{"code": "C", "display": "AA"}]})),
        ("d", json!({"text": "Y text"})),
        ("e", json!({"coding": [{"display": "x display"}]})),
        ("f", Value::Null),
    ] {
        let mut resource = json!({"resourceType": "Observation", "id": id, "status": "final",
            "component": [{"code": {"coding": [{"code": id}]}}]});
        if !code.is_null() {
            resource["code"] = code;
        }
        world.put(resource).await;
    }
    check_order(
        &mut world,
        "Observation",
        &[
            ("_sort=code", "b a c e d f"),
            ("_sort=-code", "d e a c b f"),
            ("_sort=component-code", "a b c d e f"),
            ("_sort=-component-code", "f e d c b a"),
            ("_sort=combo-code,_id", "b a c d e f"),
            ("status=final&code:missing=false&_sort=code", "b a c e d"),
        ],
    )
    .await;
}

#[tokio::test]
async fn every_other_token_sorts_too() {
    let mut world = World::new().await;
    for resource in [
        json!({"resourceType": "Patient", "id": "a", "active": true, "gender": "male",
            "identifier": [{"system": "s", "value": "9"}, {"value": "10"}],
            "telecom": [{"system": "phone", "value": "B1"}, {"system": "email", "value": "zed@x"}],
            "deceasedBoolean": false, "meta": {"tag": [{"code": "t2"}]}}),
        json!({"resourceType": "Patient", "id": "b", "active": false,
            "identifier": [{"system": "t", "value": "2"}],
            "telecom": [{"system": "email", "value": "Anna@x"}, {"system": "phone", "value": "a0"}],
            "deceasedDateTime": "2020", "meta": {"tag": [{"code": "t1"}, {"code": "t3"}]}}),
        json!({"resourceType": "Patient", "id": "c", "identifier": [{"system": "only"}],
            "communication": [{"language": {"coding": [{"code": "de"}]}}]}),
    ] {
        world.put(resource).await;
    }
    check_order(
        &mut world,
        "Patient",
        &[
            ("_sort=identifier", "a b c"),
            ("_sort=-identifier", "a b c"),
            ("_sort=active", "b a c"),
            ("_sort=-active", "a b c"),
            ("_sort=phone", "b a c"),
            ("_sort=email", "b a c"),
            ("_sort=-email", "a b c"),
            ("_sort=telecom", "b a c"),
            ("_sort=-_tag", "b a c"),
            ("_sort=_tag", "b a c"),
            ("_sort=deceased,_id", "a c b"),
            ("_sort=-deceased,_id", "b a c"),
            ("_sort=language,-_id", "c b a"),
        ],
    )
    .await;
}

#[tokio::test]
async fn references_and_uris_sort_as_they_are_written() {
    let mut world = World::new().await;
    let own = format!("{BASE}/Patient/2");
    for (id, subject) in [
        ("a", json!({"reference": "Patient/3"})),
        ("b", json!({"reference": own})),
        ("c", json!({"reference": "Group/9"})),
        ("d", json!({"reference": "#p"})),
        (
            "e",
            json!({"identifier": {"system": "s", "value": "77"}, "type": "Patient"}),
        ),
        ("f", json!({"display": "Somebody"})),
        ("g", json!({"reference": "http://other/fhir/Patient/1"})),
    ] {
        world
            .put(
                json!({"resourceType": "Observation", "id": id, "status": "final",
                "contained": [{"resourceType": "Patient", "id": "p"}], "subject": subject,
                "code": {"text": "x"}}),
            )
            .await;
    }
    check_order(
        &mut world,
        "Observation",
        &[
            ("_sort=subject", "e c b a g f d"),
            ("_sort=-subject", "f g a b c e d"),
            // Of Patients only: what is of no known type is none.
            ("_sort=patient,_id", "e b a g c d f"),
        ],
    )
    .await;
    for (id, url) in [("v", "http://b"), ("w", "http://a"), ("x", "HTTP://c")] {
        world
            .put(json!({"resourceType": "ValueSet", "id": id, "url": url, "version": id}))
            .await;
    }
    check_order(
        &mut world,
        "ValueSet",
        &[("_sort=url", "x w v"), ("_sort=-version", "x w v")],
    )
    .await;
}

#[tokio::test]
async fn several_types_sort_by_what_each_has() {
    let mut world = World::new().await;
    for (id, code) in [("a", "C"), ("b", "A")] {
        world
            .put(
                json!({"resourceType": "MedicationRequest", "id": id, "status": "active",
                "medicationCodeableConcept": {"coding": [{"code": code}]}}),
            )
            .await;
    }
    for (id, code) in [("c", "B"), ("d", "D")] {
        world
            .put(json!({"resourceType": "Condition", "id": id,
                "code": {"coding": [{"code": code}]}}))
            .await;
    }
    world
        .put(json!({"resourceType": "Condition", "id": "e"}))
        .await;
    for (sort, expected) in [("code", "b c a d e"), ("-code", "d a c b e")] {
        for count in 1..5 {
            let url = format!("?_type=MedicationRequest,Condition&_sort={sort}&_count={count}");
            assert_eq!(world.walk_ids(&url).await, expected, "{url}");
        }
    }
}

#[tokio::test]
async fn a_thousand_ties_of_a_code_are_walked_once_each() {
    let mut world = World::new().await;
    for number in 0..1000 {
        world
            .put(
                json!({"resourceType": "Observation", "id": format!("o{number}"),
                "status": "final", "code": {"coding": [{"code": "same"}]},
                "subject": {"reference": "Patient/1"}}),
            )
            .await;
    }
    let mut all: Vec<String> = (0..1000).map(|n| format!("Observation/o{n}")).collect();
    all.sort();
    for sort in ["code", "-subject"] {
        let url = format!("Observation?_sort={sort}&_count=170");
        assert_eq!(sorted(world.walk(&url).await), all, "{sort}");
    }
}

#[tokio::test]
async fn several_keys_decide_in_turn() {
    let mut world = World::new().await;
    for (id, family, birth, gender) in [
        ("a", Some("Abel"), Some("1950"), Some("male")),
        ("b", Some("Abel"), Some("1960"), None),
        ("c", Some("Abel"), None, Some("female")),
        ("d", Some("Zuse"), Some("1940"), Some("male")),
        ("e", None, Some("1930"), Some("female")),
        ("f", None, None, None),
        ("g", Some("Abel"), Some("1950"), Some("female")),
    ] {
        let mut patient = json!({"resourceType": "Patient", "id": id});
        if let Some(family) = family {
            patient["name"] = json!([{"family": family}]);
        }
        if let Some(birth) = birth {
            patient["birthDate"] = json!(birth);
        }
        if let Some(gender) = gender {
            patient["gender"] = json!(gender);
        }
        world.put(patient).await;
    }
    for (sort, expected) in [
        ("family,birthdate,gender", "g a b c d e f"),
        ("family,-birthdate,-gender", "b a g c d e f"),
        ("-family,birthdate,gender", "d g a b c e f"),
        ("gender,-birthdate,family", "g e c a d b f"),
        ("-gender,_id", "a d c e g b f"),
        ("-_id,family", "g f e d c b a"),
        ("birthdate,-_id", "e d g a b f c"),
    ] {
        for count in 1..8 {
            let url = format!("Patient?_sort={sort}&_count={count}");
            let found = world.walk(&url).await;
            let expected: Vec<String> = expected
                .split(' ')
                .map(|id| format!("Patient/{id}"))
                .collect();
            assert_eq!(found, expected, "{url}");
        }
    }
}

#[tokio::test]
async fn huge_numbers_do_not_fail_a_sort() {
    let mut world = World::new().await;
    let number = |text: &str| serde_json::from_str::<Value>(text).expect("a number");
    let long = "9".repeat(140_000);
    for (id, code, value) in [
        ("a", "D", "1.50"),
        ("b", "C", "1e200000"),
        ("c", "B", "-2.5E-99999"),
        ("d", "A", &long),
    ] {
        world
            .put(
                json!({"resourceType": "Observation", "id": id, "status": "final",
                "code": {"text": "x"}, "component": [{"valueQuantity": {"value": number(value)},
                "code": {"coding": [{"code": code, "display": format!("shown {id}")}]}}]}),
            )
            .await;
    }
    check_order(
        &mut world,
        "Observation",
        &[
            ("_sort=component-code", "d c b a"),
            ("component-code:text=shown&_sort=_id", "a b c d"),
        ],
    )
    .await;
}
