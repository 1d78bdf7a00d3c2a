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
    for sort in ["organization"] {
        for handling in [Handling::Strict, Handling::Lenient] {
            let url = format!("Patient?_sort={sort}");
            world.try_search(&url, handling).await.expect_err(sort);
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
