//! `Location.near`. <https://hl7.org/fhir/R4/location.html#search>

use super::*;
use serde_json::json;

#[tokio::test]
async fn places_within_a_distance_are_found() {
    let mut world = World::new().await;
    for (id, latitude, longitude) in [
        ("hospital", 42.256500, -83.694710),
        ("detroit", 42.3314, -83.0458),
        ("fiji", -17.0, 179.99),
        ("samoa", -17.0, -179.99),
        ("pole", 89.99, 10.0),
    ] {
        world
            .put(json!({"resourceType": "Location", "id": id,
                "position": {"latitude": latitude, "longitude": longitude}}))
            .await;
    }
    world
        .put(json!({"resourceType": "Location", "id": "nowhere"}))
        .await;
    for (near, ids) in [
        ("42.27|-83.70", "hospital"),
        ("42.27|-83.70|1.6", "hospital"),
        ("42.27|-83.70|1.5", ""),
        ("42.27|-83.70|1|[mi_i]", "hospital"),
        ("42.27|-83.70|60", "detroit hospital"),
        ("42.27|-83.70|60000|m", "detroit hospital"),
        ("42.256500|-83.694710|0", "hospital"),
        ("-17|180|3", "fiji samoa"),
        ("89.99|-170|3", "pole"),
        ("0|0|99999", "detroit fiji hospital pole samoa"),
        ("-17|180|3,42.27|-83.70|2", "fiji hospital samoa"),
    ] {
        let query = format!("Location?near={near}");
        let found = sorted(world.walk(&query).await);
        let found: Vec<&str> = found
            .iter()
            .filter_map(|one| one.split('/').nth(1))
            .collect();
        assert_eq!(found.join(" "), ids, "{near}");
    }
    for (near, says) in [
        ("42", "latitude"),
        ("91|0", "from -90 to 90"),
        ("0|0|-1", "0 or more"),
        ("0|0|1|kg", "unit of length"),
    ] {
        let query = format!("Location?near={near}");
        let error = world.try_search(&query, Handling::Strict).await;
        let error = error.err().unwrap_or_else(|| panic!("{near} is refused"));
        assert!(messages(&error).join(" ").contains(says), "{near}: {error}");
    }
}
