//! Composites: both parts of one element. <https://hl7.org/fhir/R4/search.html#composite>

use super::*;
use serde_json::json;

fn coded(system: &str, code: &str) -> Value {
    json!({"coding": [{"system": system, "code": code}]})
}

fn pressure(id: &str, system: &str, values: [(&str, u32); 2]) -> Value {
    let component = values.map(|(code, value)| {
        json!({"code": coded(system, code), "valueQuantity": {"value": value, "unit": "mmHg",
            "system": "http://unitsofmeasure.org", "code": "mm[Hg]"}})
    });
    json!({"resourceType": "Observation", "id": id, "status": "final",
        "code": coded("http://loinc.org", "85354-9"), "component": component})
}

async fn found(world: &mut World, query: &str) -> String {
    let references = sorted(world.walk(query).await);
    let ids = references.iter().filter_map(|one| one.split_once('/'));
    ids.map(|(_, id)| id).collect::<Vec<_>>().join(" ")
}

async fn refused(world: &mut World, query: &str, says: &str) {
    let error = world.try_search(query, Handling::Strict).await;
    let error = error.err().unwrap_or_else(|| panic!("{query} is refused"));
    let told = messages(&error).join("; ");
    assert!(told.contains(says), "{query}: {told}");
}

/// TA19, TA23, TA24.
#[tokio::test]
async fn components_are_told_apart() {
    let mut world = World::new().await;
    let loinc = "http://loinc.org";
    for observation in [
        pressure("low", loinc, [("8480-6", 107), ("8462-4", 60)]),
        pressure("high", loinc, [("8480-6", 160), ("8462-4", 107)]),
        pressure("local", "http://local", [("8480-6", 107), ("8462-4", 60)]),
    ] {
        world.put(observation).await;
    }
    // Not plain: one code of two systems.
    let mut mixed = pressure("mixed", loinc, [("8480-6", 107), ("8480-6", 90)]);
    mixed["component"][1]["code"] = coded("http://local", "8480-6");
    world.put(mixed).await;
    for (query, ids) in [
        (
            "component-code-value-quantity=http://loinc.org|8480-6$lt107",
            "",
        ),
        (
            "component-code-value-quantity=http://loinc.org|8480-6$107",
            "low mixed",
        ),
        (
            "component-code-value-quantity=http://local|8480-6$107",
            "local",
        ),
        (
            "component-code-value-quantity=http://local|8480-6$lt107",
            "mixed",
        ),
        (
            "component-code-value-quantity=8480-6$107",
            "local low mixed",
        ),
        ("component-code-value-quantity=8462-4$107", "high"),
        (
            "component-code-value-quantity=http://loinc.org|$107",
            "high low mixed",
        ),
        ("component-code-value-quantity=http://local|$107", "local"),
        ("component-code-value-quantity=http://local|$90", "mixed"),
        (
            "component-code-value-quantity=8480-6$160,8462-4$60",
            "high local low",
        ),
        (
            "component-code-value-quantity=8480-6$107&component-code-value-quantity=8462-4$60",
            "local low",
        ),
        (
            "component-code-value-quantity=8480-6$ge21|http://unitsofmeasure.org|kPa",
            "high",
        ),
        (
            "combo-code-value-quantity=http://loinc.org|8480-6$107",
            "low mixed",
        ),
        ("code-value-quantity=http://loinc.org|8480-6$107", ""),
    ] {
        let query = format!("Observation?{query}");
        assert_eq!(found(&mut world, &query).await, ids, "{query}");
    }
    for (query, says) in [
        ("component-value-quantity=ll109", "ll"),
        ("component-code-value-quantity=8480-6$ll109", "ll"),
        ("component-code-value-quantity=8480-6", "2 parts"),
        ("component-code-value-quantity:missing=true", "modifier"),
    ] {
        refused(&mut world, &format!("Observation?{query}"), says).await;
    }
    // A new version leaves nothing of the old one.
    world
        .put(pressure("low", loinc, [("8480-6", 120), ("8462-4", 60)]))
        .await;
    let query = "Observation?component-code-value-quantity=8480-6$107";
    assert_eq!(found(&mut world, query).await, "local mixed");
}

/// TA20.
#[tokio::test]
async fn values_of_every_kind_stand_beside_their_code() {
    let mut world = World::new().await;
    for (id, name, value) in [
        (
            "dose",
            "valueQuantity",
            json!({"value": 58.7, "unit": "milligrams", "code": "mg",
            "system": "http://unitsofmeasure.org"}),
        ),
        ("text", "valueString", json!("Cloudy $5")),
        ("day", "valueDateTime", json!("2024-05-01")),
        (
            "concept",
            "valueCodeableConcept",
            json!({"text": "Cloudy",
            "coding": [{"system": "s", "code": "c"}]}),
        ),
        (
            "sample",
            "valueSampledData",
            json!({"origin": {"value": 0}, "period": 1,
            "lowerLimit": 58.7, "upperLimit": 58.7, "dimensions": 1}),
        ),
    ] {
        let mut observation = json!({"resourceType": "Observation", "id": id, "status": "final",
            "code": coded("l", "a")});
        observation[name] = value;
        world.put(observation).await;
    }
    for (query, ids) in [
        ("code-value-quantity=a$58.7||milligrams", "dose"),
        (
            "code-value-quantity=a$0.0587|http://unitsofmeasure.org|g",
            "dose",
        ),
        ("code-value-quantity=l|a$58.7", "dose"),
        ("combo-code-value-quantity=l|a$58.7||mg", "dose"),
        ("value-quantity=58.7", "dose sample"),
        ("code-value-string=a$cloudy", "text"),
        ("code-value-string=a$cloudy \\$5", "text"),
        ("value-string=cloudy", "concept text"),
        ("code-value-date=a$2024-05", "day"),
        ("code-value-date=b$2024-05", ""),
        ("code-value-concept=l|a$s|c", "concept"),
        ("combo-code-value-concept=a$c", "concept"),
    ] {
        let query = format!("Observation?{query}");
        assert_eq!(found(&mut world, &query).await, ids, "{query}");
    }
}

#[tokio::test]
async fn other_elements_with_tuples() {
    let mut world = World::new().await;
    for resource in [
        json!({"resourceType": "Group", "id": "g", "type": "person", "actual": true,
            "characteristic": [
                {"code": coded("s", "gender"), "valueCodeableConcept": coded("t", "mixed"), "exclude": false},
                {"code": coded("s", "owned"), "valueBoolean": true, "exclude": false}]}),
        json!({"resourceType": "DocumentReference", "id": "d", "status": "current", "relatesTo": [
            {"code": "replaces", "target": {"reference": "DocumentReference/1"}},
            {"code": "appends", "target": {"reference": "DocumentReference/2/_history/3"}}]}),
        json!({"resourceType": "ValueSet", "id": "v", "status": "active", "useContext": [
            {"code": {"system": "u", "code": "age"}, "valueRange": {"low": {"value": 18}, "high": {"value": 65}}},
            {"code": {"system": "u", "code": "venue"}, "valueCodeableConcept": coded("v", "home")}]}),
        json!({"resourceType": "MolecularSequence", "id": "m", "coordinateSystem": 0,
            "referenceSeq": {"chromosome": coded("c", "1"), "windowStart": 100, "windowEnd": 200},
            "variant": [{"start": 110, "end": 120}, {"start": 150, "end": 160}]}),
    ] {
        world.put(resource).await;
    }
    for (query, is_found) in [
        ("Group?characteristic-value=gender$mixed", true),
        ("Group?characteristic-value=s|owned$true", true),
        ("Group?characteristic-value=gender$true", false),
        (
            "DocumentReference?relationship=DocumentReference/1$replaces",
            true,
        ),
        (
            "DocumentReference?relationship=replaces$DocumentReference/1",
            true,
        ),
        (
            "DocumentReference?relationship=DocumentReference/2$replaces",
            false,
        ),
        (
            "DocumentReference?relationship=DocumentReference/2$appends",
            true,
        ),
        (
            "DocumentReference?relationship=DocumentReference/2/_history/3$appends",
            true,
        ),
        (
            "DocumentReference?relationship=DocumentReference/2/_history/4$appends",
            false,
        ),
        ("ValueSet?context-type-quantity=age$ge65", true),
        ("ValueSet?context-type-quantity=venue$ge65", false),
        ("ValueSet?context-type-value=u|venue$v|home", true),
        ("ValueSet?context-type-value=age$home", false),
        (
            "MolecularSequence?chromosome-variant-coordinate=c|1$110$120",
            true,
        ),
        (
            "MolecularSequence?chromosome-variant-coordinate=1$110$160",
            false,
        ),
        (
            "MolecularSequence?chromosome-variant-coordinate=1$ne110$ne120",
            true,
        ),
        (
            "MolecularSequence?chromosome-window-coordinate=1$le100$ge200",
            true,
        ),
        (
            "MolecularSequence?chromosome-window-coordinate=2$le100$ge200",
            false,
        ),
    ] {
        assert_eq!(
            !found(&mut world, query).await.is_empty(),
            is_found,
            "{query}"
        );
    }
}
