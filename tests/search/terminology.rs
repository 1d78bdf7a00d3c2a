//! `:in`, `:not-in`, `:above` and `:below` of codes, by stored and by published value sets
//! and code systems. <https://hl7.org/fhir/R4/search.html#token>

use super::*;
use serde_json::json;

const LOINC: &str = "http://loinc.org";

/// Observations with a code each, a code system of animals, and value sets over both.
async fn world() -> World {
    let mut world = World::new().await;
    let observation = |id: &str, system: &str, code: &str| {
        json!({"resourceType": "Observation", "id": id, "status": "final",
            "code": {"coding": [{"system": system, "code": code}]}})
    };
    let set = |id: &str, compose: Value| {
        json!({"resourceType": "ValueSet", "id": id, "url": format!("http://sets/{id}"),
            "version": "1", "compose": compose})
    };
    let is_a = |code: &str| json!([{"property": "concept", "op": "is-a", "value": code}]);
    for resource in [
        observation("dog", "http://animals", "dog"),
        observation("beagle", "http://animals", "beagle"),
        observation("cat", "http://animals", "cat"),
        observation("other-dog", "http://others", "dog"),
        observation("weight", LOINC, "29463-7"),
        observation("height", LOINC, "8302-2"),
        json!({"resourceType": "Observation", "id": "none", "status": "amended"}),
        json!({"resourceType": "CodeSystem", "id": "animals", "url": "http://animals",
            "content": "complete", "concept": [{"code": "animal", "concept": [
                {"code": "dog", "concept": [{"code": "beagle"}]}, {"code": "cat"}]}]}),
        json!({"resourceType": "CodeSystem", "id": "part", "url": "http://part", "content": "fragment",
            "concept": [{"code": "a"}]}),
        set(
            "dogs",
            json!({"include": [{"system": "http://animals", "filter": is_a("dog")}]}),
        ),
        set(
            "pets",
            json!({"include": [{"valueSet": ["http://sets/dogs"]},
            {"system": "http://animals", "concept": [{"code": "cat"}]}]}),
        ),
        set(
            "no-beagles",
            json!({"include": [{"valueSet": ["http://sets/pets"]}],
            "exclude": [{"system": "http://animals", "concept": [{"code": "beagle"}]}]}),
        ),
        set("loinc", json!({"include": [{"system": LOINC}]})),
        set(
            "filtered",
            json!({"include": [{"system": LOINC, "filter": is_a("LP1")}]}),
        ),
        set(
            "lost",
            json!({"include": [{"valueSet": ["http://sets/nowhere"]}]}),
        ),
        set(
            "circle",
            json!({"include": [{"valueSet": ["http://sets/circle"]}]}),
        ),
        json!({"resourceType": "ValueSet", "id": "new-loinc", "url": "http://sets/loinc", "version": "2",
            "expansion": {"contains": [{"system": LOINC, "code": "8302-2"}]}}),
        json!({"resourceType": "ValueSet", "id": "huge", "url": "http://sets/huge", "compose": {"include": [
            {"system": "http://n", "concept": (0..10_001).map(|n| json!({"code": format!("c{n}")})).collect::<Vec<_>>()}]}}),
    ] {
        world.put(resource).await;
    }
    world
}

#[tokio::test(flavor = "multi_thread")]
async fn codes_are_in_value_sets_or_not() {
    let mut world = world().await;
    world
        .check(&[
            ("Observation?code:in=http://sets/dogs", "beagle dog"),
            ("Observation?code:in=http://sets/dogs|1", "beagle dog"),
            ("Observation?code:in=ValueSet/dogs", "beagle dog"),
            ("Observation?code:in=dogs", "beagle dog"),
            ("Observation?code:in=http://andiron.test/fhir/ValueSet/dogs", "beagle dog"),
            ("Observation?code:in=http://sets/pets", "beagle cat dog"),
            ("Observation?code:in=http://sets/no-beagles", "cat dog"),
            ("Observation?combo-code:in=http://sets/pets", "beagle cat dog"),
            // The highest version, unless one is asked for.
            ("Observation?code:in=http://sets/loinc", "height"),
            ("Observation?code:in=http://sets/loinc|1", "height weight"),
            ("Observation?code:in=http://sets/dogs,http://sets/loinc", "beagle dog height"),
            (
                "Observation?code:not-in=http://sets/pets",
                "height none other-dog weight",
            ),
            (
                "Observation?code:not-in=http://sets/pets,http://sets/loinc",
                "none other-dog weight",
            ),
            // A code has the system of its binding; this set is published.
            ("Observation?status:in=http://hl7.org/fhir/ValueSet/observation-status&code:missing=true", "none"),
            ("Observation?status:in=http://hl7.org/fhir/ValueSet/administrative-gender", ""),
        ])
        .await;
}

#[tokio::test(flavor = "multi_thread")]
async fn codes_are_above_and_below_others() {
    let mut world = world().await;
    let status = "http://hl7.org/fhir/observation-status";
    world
        .check(&[
            ("Observation?code:below=http://animals|dog", "beagle dog"),
            (
                "Observation?code:below=http://animals|animal",
                "beagle cat dog",
            ),
            ("Observation?code:above=http://animals|beagle", "beagle dog"),
            ("Observation?code:below=http://animals|unknown", ""),
            // Published: corrected is below amended, amended below final.
            (
                &format!("Observation?status:below={status}|final&code:missing=true"),
                "none",
            ),
            ("Observation?status:below=final&code:missing=true", "none"),
            (
                "Observation?status:above=corrected",
                "beagle cat dog height none other-dog weight",
            ),
            ("Observation?status:below=preliminary", ""),
        ])
        .await;
}

#[tokio::test(flavor = "multi_thread")]
async fn what_is_not_known_here_is_refused() {
    let mut world = world().await;
    for (url, code, says) in [
        (
            "Observation?code:in=http://sets/nope",
            "not-found",
            "http://sets/nope",
        ),
        (
            "Observation?code:in=http://sets/dogs|9",
            "not-found",
            "http://sets/dogs|9",
        ),
        ("Observation?code:in=nope", "not-found", "nope"),
        (
            "Observation?code:not-in=http://sets/lost",
            "not-found",
            "http://sets/nowhere",
        ),
        (
            "Observation?code:in=http://sets/filtered",
            "not-supported",
            "http://loinc.org",
        ),
        (
            "Observation?code:in=http://sets/circle",
            "not-supported",
            "itself",
        ),
        (
            "Observation?code:in=http://sets/huge",
            "too-costly",
            "10000",
        ),
        (
            "Observation?code:below=http://snomed.info/sct|1",
            "not-found",
            "http://snomed.info/sct",
        ),
        (
            "Observation?code:below=http://part|a",
            "not-supported",
            "only a part",
        ),
        ("Observation?code:below=dog", "value", "system|code"),
    ] {
        let (found, text) = world.refusal(url).await;
        assert!(
            found == code && text.contains(says),
            "{url}: {found} {text}"
        );
    }
}
