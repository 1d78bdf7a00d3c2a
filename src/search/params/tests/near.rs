//! `Location.near`. <https://hl7.org/fhir/R4/location.html#search>

use super::*;

fn place(latitude: f64, longitude: f64) -> Value {
    json!({"resourceType": "Location", "position":
        {"latitude": latitude, "longitude": longitude, "altitude": 5}})
}

#[test]
fn what_is_near() {
    // Ann Arbor; the hospital of R4's example is some 2 km away.
    check(
        &place(42.256500, -83.694710),
        &[
            ("near=42.27|-83.70", true),
            ("near=42.27|-83.70|1.5", false),
            ("near=42.27|-83.70|1.6", true),
            ("near=42.27|-83.70|1600|m", true),
            ("near=42.27|-83.70|1500|m", false),
            ("near=42.27|-83.70|1|[mi_i]", true),
            ("near=42.27|-83.70|0.9|[mi_us]", false),
            ("near=42.256500|-83.694710|0", true),
            ("near=42.8|-83.69", false),
            ("near=42.7|-83.69", true),
            ("near=42.27|-83.70|", true),
            ("near=0|0|1e9|km", true),
            ("near=0|0,42.27|-83.70", true),
        ],
    );
    check(
        &place(0.0, 179.99),
        &[("near=0|-179.99|3", true), ("near=0|-179.99|2", false)],
    );
    check(&place(89.99, 0.0), &[("near=89.99|180|3", true)]);
    for nowhere in [
        place(91.0, 0.0),
        place(0.0, 1e300),
        json!({"resourceType": "Location"}),
    ] {
        assert!(index(&nowhere).quantities.is_empty(), "{nowhere}");
    }
    let tiny =
        json!({"resourceType": "Location", "position": {"latitude": 1e-300, "longitude": 0}});
    assert_eq!(index(&tiny).quantities[0].low, "0");
}

#[test]
fn places_that_are_refused() {
    for (query, says) in [
        ("near=42", "latitude|longitude"),
        ("near=1|2|3|km|5", "latitude|longitude"),
        ("near=91|0", "latitude from"),
        ("near=0|181", "longitude from"),
        ("near=x|0", "latitude from"),
        ("near=NaN|0", "latitude from"),
        ("near=0|inf", "longitude from"),
        ("near=0|0|-1", "0 or more"),
        ("near=0|0|1|kg", "unit of length"),
        ("near=0|0|1|miles", "unit of length"),
        ("near:missing=true", "modifier"),
    ] {
        let issue = compiled(resource_type("Location"), query).expect_err(query);
        assert!(issue.text.contains(says), "{query}: {}", issue.text);
    }
}
