//! Quantities: precision, prefixes, units. <https://hl7.org/fhir/R4/search.html#quantity>

use super::*;
use serde_json::json;

const UCUM: &str = "http://unitsofmeasure.org";

async fn world_of(values: &[(&str, &str, &str)]) -> World {
    let mut world = World::new().await;
    for (id, value, code) in values {
        let number: Value = serde_json::from_str(value).expect("a number");
        let quantity = json!({"value": number, "unit": code, "system": UCUM, "code": code});
        let observation = json!({"resourceType": "Observation", "id": id, "status": "final",
            "code": {"text": "a"}, "valueQuantity": quantity});
        world.put(observation).await;
    }
    world
}

async fn check(world: &mut World, table: &[(&str, &str)]) {
    for (value, ids) in table {
        let value = value.replace("UCUM", UCUM);
        let found = sorted(
            world
                .walk(&format!("Observation?value-quantity={value}"))
                .await,
        );
        let found: Vec<&str> = found
            .iter()
            .filter_map(|one| one.split('/').nth(1))
            .collect();
        assert_eq!(found.join(" "), *ids, "{value}");
    }
}

#[tokio::test]
async fn equal_quantities_are_found_in_any_unit() {
    let mut world = world_of(&[
        ("g", "5.4", "g"),
        ("kg", "0.0054", "kg"),
        ("mg", "5400", "mg"),
        ("mgdl", "95", "mg/dL"),
        ("gl", "0.95", "g/L"),
        ("ngml", "4", "ng/mL"),
        ("ugl", "4", "ug/L"),
        ("mmh", "23", "mm/h"),
        ("mh", "0.023", "m/h"),
        ("cel", "37", "Cel"),
        ("f", "98.6", "[degF]"),
        ("odd", "5.4", "gramme"),
    ])
    .await;
    check(
        &mut world,
        &[
            ("5.4|UCUM|g", "g kg mg"),
            ("5400|UCUM|mg", "g kg mg"),
            ("gt5399|UCUM|mg", "g kg mg"),
            ("gt5.4|UCUM|g", ""),
            ("ne5.4|UCUM|g", ""),
            ("ne5.0|UCUM|g", "g kg mg"),
            ("5.4||g", "g"),
            ("5.4", "g odd"),
            ("5.4|UCUM|gramme", "odd"),
            ("5400||mg", "mg"),
            ("0.95|UCUM|g/L", "gl mgdl"),
            ("lt1|UCUM|mg/dL", "ngml ugl"),
            ("4|UCUM|ng/mL", "ngml ugl"),
            ("23|UCUM|mm/h", "mh mmh"),
            ("0.023|UCUM|m/h", "mh mmh"),
            ("37.0|UCUM|Cel", "cel f"),
            ("98.6|UCUM|[degF]", "cel f"),
            ("5.4|http://other|g", ""),
        ],
    )
    .await;
    // A new version in another unit leaves nothing of the old one.
    let again = json!({"resourceType": "Observation", "id": "ngml", "status": "final",
        "code": {"text": "a"}, "valueQuantity": {"value": 4, "system": UCUM, "code": "mg/dL"}});
    world.put(again).await;
    check(
        &mut world,
        &[
            ("4|UCUM|ng/mL", "ugl"),
            ("4|UCUM|mg/dL", "ngml"),
            ("4", "ngml ugl"),
        ],
    )
    .await;
}

/// TA16, TA17, TA18, TA20, TA21.
#[tokio::test]
async fn numbers_have_the_precision_they_are_asked_with() {
    let mut world = world_of(&[
        ("ta16", "140.0", "mm[Hg]"),
        ("ta17", "99.7", "mm[Hg]"),
        ("ta18", "25", "kg"),
        ("ta21", "1.2E+2", "kg"),
    ])
    .await;
    let milligrams = json!({"resourceType": "Observation", "id": "ta20", "status": "final",
        "code": {"text": "a"}, "valueQuantity":
        {"value": 58.7, "unit": "milligrams", "system": UCUM, "code": "mg"}});
    world.put(milligrams).await;
    check(
        &mut world,
        &[
            ("140.0||mm[Hg]", "ta16"),
            ("140", "ta16"),
            ("eq100", "ta17"),
            ("eq100.00", ""),
            ("eq100|UCUM|mm[Hg]", "ta17"),
            ("eq100.00|UCUM|mm[Hg]", ""),
            ("le25|UCUM|kg", "ta18 ta20"),
            ("lt25||kg", ""),
            ("le25||kg", "ta18"),
            ("ge25.00||kg", "ta18 ta21"),
            ("58.7||milligrams", "ta20"),
            ("58.7||mg", "ta20"),
            ("120", "ta21"),
            ("120000|UCUM|g", "ta21"),
        ],
    )
    .await;
}

/// The order of a sort is that of the numbers as written, each resource once.
#[tokio::test]
async fn a_converted_row_is_no_second_place_in_a_sort() {
    let mut world = world_of(&[("a", "3", "ng/mL"), ("b", "2", "mg/dL"), ("c", "1", "kg")]).await;
    let found = world.walk("Observation?_sort=value-quantity").await;
    assert_eq!(found, ["Observation/c", "Observation/b", "Observation/a"]);
}
