//! `_list`: <https://hl7.org/fhir/R4/search.html#list>

use super::*;
use serde_json::json;

#[tokio::test]
async fn members_of_a_list_are_found_by_its_id_or_its_function() {
    let mut world = World::new().await;
    for id in ["a", "b", "c"] {
        world
            .put(json!({"resourceType": "Condition", "id": id, "subject": {"reference": "Patient/p"}}))
            .await;
    }
    let item = |id: &str| json!({"item": {"reference": format!("Condition/{id}")}});
    let code = |code: &str| json!({"coding": [{"system": "http://lists", "code": code}]});
    for resource in [
        json!({"resourceType": "List", "id": "42", "status": "current", "mode": "working",
            "entry": [item("a"), item("b"), {"item": {"reference": "Patient/p"}}]}),
        json!({"resourceType": "List", "id": "43", "status": "current", "mode": "working",
            "code": code("current-problems"), "entry": [item("b"), item("c")]}),
        json!({"resourceType": "List", "id": "44", "status": "current", "mode": "working",
            "code": code("current-allergies")}),
        json!({"resourceType": "Patient", "id": "p"}),
    ] {
        world.put(resource).await;
    }
    for (url, expected) in [
        ("Condition?_list=42", vec!["Condition/a", "Condition/b"]),
        (
            "Condition?_list=42,43",
            vec!["Condition/a", "Condition/b", "Condition/c"],
        ),
        ("Condition?_list=42&_list=43", vec!["Condition/b"]),
        (
            "Condition?_list=$current-problems",
            vec!["Condition/b", "Condition/c"],
        ),
        (
            "Condition?_list=\\$current-problems",
            vec!["Condition/b", "Condition/c"],
        ),
        (
            "Condition?_list=%24current-problems&patient=p",
            vec!["Condition/b", "Condition/c"],
        ),
        (
            "Condition?_list=$current-problems,42",
            vec!["Condition/a", "Condition/b", "Condition/c"],
        ),
        ("Condition?_list=$current-allergies", vec![]),
        ("Condition?_list=none", vec![]),
        ("Patient?_list=42", vec!["Patient/p"]),
        ("?_list=42", vec!["Condition/a", "Condition/b", "Patient/p"]),
        (
            "?_type=Patient,Condition&_list=43",
            vec!["Condition/b", "Condition/c"],
        ),
        (
            "Condition?_list=",
            vec!["Condition/a", "Condition/b", "Condition/c"],
        ),
    ] {
        assert_eq!(sorted(world.walk(url).await), expected, "{url}");
    }
    let refused = world
        .try_search("Condition?_list=$current-problem", Handling::Strict)
        .await
        .expect_err("no such function");
    assert!(
        refused
            .to_string()
            .contains("Did you mean current-problems?"),
        "{refused}"
    );
    world.delete("List/42").await;
    assert_eq!(matches(&world.search("Condition?_list=42").await), [""; 0]);
}
