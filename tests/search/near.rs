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

#[tokio::test]
async fn places_sort_by_their_distance_and_tell_it() {
    let mut world = World::new().await;
    for (id, latitude) in [
        ("c", 10.3),
        ("a", 10.1),
        ("d", 9.6),
        ("b", 9.8),
        ("far", 20.0),
    ] {
        world
            .put(
                json!({"resourceType": "Location", "id": id, "status": "active",
                "position": {"latitude": latitude, "longitude": 20.0}}),
            )
            .await;
    }
    // As far away as another, so that the key decides.
    world
        .put(
            json!({"resourceType": "Location", "id": "a2", "status": "active",
            "position": {"latitude": 10.1, "longitude": 20.0}}),
        )
        .await;
    let near = "Location?near=10%7C20%7C100";
    for (sort, expected) in [
        ("near,_id", "a a2 b c d"),
        ("-near,-_id", "d c b a2 a"),
        ("status,near,_id", "a a2 b c d"),
    ] {
        for count in [1, 2, 4, 20] {
            let url = format!("{near}&_sort={sort}&_count={count}");
            assert_eq!(world.walk_ids(&url).await, expected, "{url}");
        }
    }
    let ties = world.walk(&format!("{near}&_sort=near&_count=1")).await;
    assert_eq!(ties[2..], ["Location/b", "Location/c", "Location/d"]);
    for sort in ["", "&_sort=near", "&_sort=-_lastUpdated"] {
        let page = world.search(&format!("{near}{sort}")).await;
        for (version, told) in page.matches.iter().zip(&page.told) {
            let metres = told.metres.expect("a distance");
            let expected = match version.id.as_str() {
                "a" | "a2" => 11_119.5,
                "b" => 22_239.0,
                "c" => 33_358.5,
                _ => 44_478.0,
            };
            assert!((metres - expected).abs() < 1.0, "{}: {metres}", version.id);
            assert_eq!(told.score, None);
        }
    }
    // From the nearest of several places.
    let page = world
        .search("Location?near=10%7C20%7C100,20%7C20%7C1&_sort=near")
        .await;
    assert_eq!(page.matches[0].id, "far");
    assert_eq!(page.told[0].metres, Some(0.0));
    let page = world.search("Location?status=active").await;
    assert!(page.told.iter().all(|told| told.metres.is_none()));
}
