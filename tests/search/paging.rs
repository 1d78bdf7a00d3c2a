//! Pages: exact under ties and concurrent writes; cursors; counts and totals.

use super::*;
use serde_json::json;
use std::collections::HashSet;

#[tokio::test]
async fn a_walk_meets_each_lasting_match_once_while_others_come_and_go() {
    let mut world = World::new().await;
    for number in 0..1000 {
        world
            .put(
                json!({"resourceType": "Patient", "id": format!("p{number}"),
                "birthDate": "1980-01-01", "gender": "male"}),
            )
            .await;
    }
    for url in [
        "Patient?gender=male&_count=100",
        "Patient?_sort=birthdate&_count=100",
        "Patient?_sort=-birthdate&_count=100",
        "Patient?_sort=family&_count=100",
        "Patient?_sort=_id&_count=100",
    ] {
        let (mut found, mut next, mut round) = (Vec::new(), Some(url.to_owned()), 0);
        while let Some(url) = next {
            let page = world.search(&url).await;
            assert!(page.matches.len() <= 100);
            found.extend(matches(&page));
            next = link(&page, "next");
            // Between pages, one resource comes and the one of the round before goes.
            world
                .put(
                    json!({"resourceType": "Patient", "id": format!("new{round}"),
                    "birthDate": "1980-01-01", "gender": "male"}),
                )
                .await;
            if round > 0 {
                world.delete(&format!("Patient/new{}", round - 1)).await;
            }
            round += 1;
        }
        let lasting: Vec<&String> = found
            .iter()
            .filter(|reference| reference.starts_with("Patient/p"))
            .collect();
        let unique: HashSet<&&String> = lasting.iter().collect();
        assert_eq!((lasting.len(), unique.len()), (1000, 1000), "{url}");
        world.delete(&format!("Patient/new{}", round - 1)).await;
    }
}

/// A walk looks at the order in windows; those that were deleted stand in it, too.
#[tokio::test]
async fn a_walk_past_the_deleted_meets_nobody_twice() {
    let mut world = World::new().await;
    for number in 0..600 {
        let id = format!("p{number}");
        let patient = match number % 10 {
            0 => json!({"resourceType": "Patient", "id": id, "birthDate": "1980-01-01"}),
            _ => json!({"resourceType": "Patient", "id": id, "birthDate": "1980-01-01",
                "gender": "male"}),
        };
        world.put(patient).await;
        if number % 3 == 1 {
            world.delete(&format!("Patient/p{number}")).await;
        }
    }
    for order in ["", "&_sort=_lastUpdated", "&_sort=-birthdate"] {
        let url = format!("Patient?gender:missing=true&_count=100{order}");
        let found = matches(&world.search(&url).await);
        let unique: HashSet<&String> = found.iter().collect();
        assert_eq!((found.len(), unique.len()), (40, 40), "{url}");
    }
}

#[tokio::test]
async fn the_last_page_has_no_next_and_a_whole_list_tells_its_total() {
    let mut world = World::new().await;
    for id in ["a", "b", "c"] {
        world
            .put(json!({"resourceType": "Patient", "id": id, "birthDate": "1990-05-05"}))
            .await;
    }
    let first = world.search("Patient?_sort=birthdate&_count=2").await;
    assert_eq!((first.matches.len(), first.total), (2, None));
    let second = world
        .search(&link(&first, "next").expect("a second page"))
        .await;
    assert_eq!((second.matches.len(), link(&second, "next")), (1, None));
    let whole = world.search("Patient").await;
    assert_eq!((whole.matches.len(), whole.total), (3, Some(3)));
    assert_eq!(world.search("Patient?_total=none").await.total, None);
    for url in ["Patient?_count=0", "Patient?_summary=count"] {
        let page = world.search(url).await;
        assert_eq!((page.matches.len(), page.total), (0, Some(3)), "{url}");
    }
    for total in ["accurate", "estimate"] {
        let page = world
            .search(&format!("Patient?_count=1&_total={total}"))
            .await;
        assert_eq!((page.matches.len(), page.total), (1, Some(3)), "{total}");
    }
    world.delete("Patient/a").await;
    assert_eq!(world.search("Patient?_total=accurate").await.total, Some(2));
}

#[tokio::test]
async fn the_last_page_is_the_end_of_all() {
    let mut world = World::new().await;
    for number in 0..7 {
        let mut patient = json!({"resourceType": "Patient", "id": format!("p{number}"),
            "gender": "male"});
        if number < 5 {
            patient["birthDate"] = json!(format!("199{}-01-01", number / 2));
        }
        world.put(patient).await;
    }
    for query in [
        "_count=3",
        "gender=male&_sort=birthdate&_count=3",
        "_sort=-birthdate&_count=2",
        "_sort=-_lastUpdated&_count=5",
        "_sort=gender&_count=3",
        "_contained=both&_count=3",
    ] {
        let url = format!("Patient?{query}");
        let all = world.walk(&url).await;
        assert_eq!(all.len(), 7, "{url}");
        let first = world.search(&url).await;
        let last = world
            .search(&link(&first, "last").expect("a last page"))
            .await;
        let count = first.matches.len();
        assert_eq!(matches(&last), all[7 - count..], "{url}");
        assert_eq!(link(&last, "next"), None, "{url}");
        // From there, all the way back.
        let (mut back, mut previous) = (matches(&last), link(&last, "previous"));
        while let Some(url) = previous {
            let page = world.search(&url).await;
            back.splice(0..0, matches(&page));
            previous = link(&page, "previous");
        }
        assert_eq!(back, all, "{url}");
        // A page in the middle has one too.
        let second = world.search(&link(&first, "next").expect("a second")).await;
        assert!(link(&second, "last").is_some(), "{url}");
    }
    let whole = world.search("Patient?_count=7").await;
    assert_eq!(link(&whole, "last"), None);
}

#[tokio::test]
async fn links_repeat_what_was_used() {
    let mut world = World::new().await;
    for id in ["a", "b"] {
        world
            .put(json!({"resourceType": "Patient", "id": id, "gender": "male"}))
            .await;
    }
    let page = world
        .search("Patient?gender=male&family=&_count=1&_format=json")
        .await;
    let own = format!("{BASE}/Patient?gender=male&_count=1&_format=json");
    assert_eq!(link(&page, "self").as_deref(), Some(own.as_str()));
    let next = link(&page, "next").expect("a next page");
    assert!(next.starts_with(&format!("{own}&_cursor=")), "{next}");
    let second = world.search(&next).await;
    assert_eq!(link(&second, "self").as_deref(), Some(next.as_str()));
    assert_eq!(link(&second, "first").as_deref(), Some(own.as_str()));
    let capped = world.search("Patient?_count=99999999").await;
    assert_eq!(
        link(&capped, "self"),
        Some(format!("{BASE}/Patient?_count=1000"))
    );
}

#[tokio::test]
async fn a_foreign_or_damaged_cursor_is_refused() {
    let mut world = World::new().await;
    for id in ["a", "b"] {
        world
            .put(json!({"resourceType": "Patient", "id": id, "gender": "male"}))
            .await;
    }
    let page = world.search("Patient?gender=male&_count=1").await;
    let next = link(&page, "next").expect("a next page");
    let (_, cursor) = next.split_once("_cursor=").expect("a cursor");
    // How it is shown may change between pages, what is searched may not.
    world
        .search(&format!(
            "Patient?gender=male&_count=5&_pretty=true&_cursor={cursor}"
        ))
        .await;
    let damaged = cursor.replacen(
        &cursor[3..4],
        if &cursor[3..4] == "A" { "B" } else { "A" },
        1,
    );
    for url in [
        format!("Patient?gender=female&_count=1&_cursor={cursor}"),
        format!("Patient?gender=male&_sort=birthdate&_cursor={cursor}"),
        format!("Practitioner?_cursor={cursor}"),
        format!("Patient?gender=male&_cursor={damaged}"),
        "Patient?gender=male&_cursor=".to_owned(),
        "Patient?gender=male&_cursor=%F0%9F%98%80".to_owned(),
    ] {
        for handling in [Handling::Strict, Handling::Lenient] {
            let error = world.try_search(&url, handling).await.expect_err(&url);
            assert!(messages(&error)[0].starts_with("_cursor"), "{url}: {error}");
        }
    }
}

#[tokio::test]
async fn the_whole_system_is_searched_by_what_all_types_have() {
    let mut world = World::new().await;
    world
        .put(json!({"resourceType": "Patient", "id": "x"}))
        .await;
    world
        .put(json!({"resourceType": "Organization", "id": "x"}))
        .await;
    world
        .put(json!({"resourceType": "Observation", "id": "y"}))
        .await;
    for (url, expected) in [
        ("?_id=x", vec!["Organization/x", "Patient/x"]),
        (
            "?_type=Patient,Observation",
            vec!["Observation/y", "Patient/x"],
        ),
        ("?_type=Patient&_id=x", vec!["Patient/x"]),
        ("?_type=Patient&_type=Observation", vec![]),
        (
            "?_lastUpdated=ge2020-01-01&_sort=-_lastUpdated&_count=1",
            vec!["Observation/y", "Organization/x", "Patient/x"],
        ),
        (
            "?_count=1",
            vec!["Observation/y", "Organization/x", "Patient/x"],
        ),
    ] {
        assert_eq!(sorted(world.walk(url).await), expected, "{url}");
    }
    for url in [
        "?gender=male",
        "?_type=Patient,Observation&gender=male",
        "?_type=Patint",
    ] {
        world
            .try_search(url, Handling::Strict)
            .await
            .expect_err(url);
    }
}
