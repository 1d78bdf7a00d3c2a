//! `:missing` of what has entries: token, reference, uri.
//! <https://hl7.org/fhir/R4/search.html#modifiers>

use super::*;
use serde_json::json;

#[tokio::test(flavor = "multi_thread")]
async fn missing_tells_what_has_a_value_from_what_has_none() {
    let mut world = World::new().await;
    let status = "final";
    for resource in [
        json!({"resourceType": "Observation", "id": "bare"}),
        json!({"resourceType": "Observation", "id": "full", "status": status,
            "code": {"text": "free"}, "subject": {"reference": "Patient/1"},
            "meta": {"source": "http://source", "tag": [{"code": "t"}]}}),
        json!({"resourceType": "Observation", "id": "group", "status": status,
            "subject": {"reference": "Group/1"},
            "component": [{"code": {"coding": [{"code": "c"}]}}]}),
        json!({"resourceType": "Patient", "id": "male", "gender": "male"}),
        json!({"resourceType": "Patient", "id": "bare",
            "meta": {"tag": [{"code": "t"}]}}),
        json!({"resourceType": "Practitioner", "id": "female", "gender": "female"}),
    ] {
        world.put(resource).await;
    }
    for (asked, present, missing) in [
        (
            "Observation?status",
            "Observation/full Observation/group",
            "Observation/bare",
        ),
        (
            "Observation?code",
            "Observation/full",
            "Observation/bare Observation/group",
        ),
        (
            "Observation?combo-code",
            "Observation/full Observation/group",
            "Observation/bare",
        ),
        (
            "Observation?subject",
            "Observation/full Observation/group",
            "Observation/bare",
        ),
        (
            "Observation?patient",
            "Observation/full",
            "Observation/bare Observation/group",
        ),
        (
            "Observation?_source",
            "Observation/full",
            "Observation/bare Observation/group",
        ),
        (
            "Observation?_tag",
            "Observation/full",
            "Observation/bare Observation/group",
        ),
        (
            "?_type=Patient,Practitioner&gender",
            "Patient/male Practitioner/female",
            "Patient/bare",
        ),
        (
            "?_tag",
            "Observation/full Patient/bare",
            "Observation/bare Observation/group Patient/male Practitioner/female",
        ),
    ] {
        for (value, expected) in [("false", present), ("true", missing)] {
            let url = format!("{asked}:missing={value}");
            let found = sorted(world.walk(&url).await);
            assert_eq!(found.join(" "), expected, "{url}");
        }
    }
    let system = "http://hl7.org/fhir/administrative-gender|";
    let url = format!("?_type=Patient,Practitioner&gender={system}");
    let found = sorted(world.walk(&url).await);
    assert_eq!(found, ["Patient/male", "Practitioner/female"]);
}
