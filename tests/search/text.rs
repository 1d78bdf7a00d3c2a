//! `_text` and `_content`: words of the narrative and of the whole resource.
//! <https://hl7.org/fhir/R4/search.html#text>

use super::*;
use serde_json::json;

fn patient(id: &str, div: &str) -> Value {
    json!({"resourceType": "Patient", "id": id, "gender": "female",
        "name": [{"family": "Lindqvist", "given": [id]}],
        "text": {"status": "generated", "div": div}})
}

#[tokio::test(flavor = "multi_thread")]
async fn words_are_found_in_narrative_and_content() {
    let mut world = World::new().await;
    for resource in [
        patient(
            "bone",
            "<div class=\"metastasis\"><b>Bone</b> marrow, Müller-Test</div>",
        ),
        patient("liver", "<div>liver &amp; marrow\u{a0}<i>bone</i></div>"),
        json!({"resourceType": "Patient", "id": "none", "address": [{"city": "Marrow ÉCOLE"}]}),
    ] {
        world.put(resource).await;
    }
    world
        .check(&[
            ("Patient?_text=marrow", "bone liver"),
            ("Patient?_text=BONE", "bone liver"),
            ("Patient?_text=marr", ""),
            ("Patient?_text=metastasis", ""),
            ("Patient?_text=amp", ""),
            ("Patient?_text=muller", "bone"),
            ("Patient?_text=MÜLLER", "bone"),
            ("Patient?_text=%22bone%20marrow%22", "bone"),
            ("Patient?_text=marrow%20-liver", "bone"),
            ("Patient?_text=liver%20or%20muller", "bone liver"),
            ("Patient?_text=liver,muller", "bone liver"),
            ("Patient?_text=marrow&_id=liver", "liver"),
            ("Patient?_text=...", ""),
            ("Patient?_text='%3B%20DROP%20TABLE%20x", ""),
            ("Patient?_content=marrow", "bone liver none"),
            ("Patient?_content=lindqvist", "bone liver"),
            ("Patient?_content=école", "none"),
            (
                "Patient?_content=Lindqvist%20bone&gender=female",
                "bone liver",
            ),
            ("Patient?_content=family", ""),
        ])
        .await;
}

#[tokio::test(flavor = "multi_thread")]
async fn huge_resources_do_not_fail_a_search() {
    let mut world = World::new().await;
    let words: String = (0..300_000).map(|n| format!("w{n} ")).collect();
    world
        .put(patient("huge", &format!("<div>{words} last</div>")))
        .await;
    world.put(patient("small", "<div>w7 last</div>")).await;
    world
        .check(&[
            ("Patient?_text=w7", "huge small"),
            ("Patient?_text=last", "small"),
            ("Patient?_content=w7", "huge small"),
        ])
        .await;
}

#[tokio::test(flavor = "multi_thread")]
async fn matches_of_words_have_a_score_and_sort_by_it() {
    let mut world = World::new().await;
    for (id, times) in [("one", 1), ("three", 3), ("two", 2), ("deux", 2)] {
        let div = format!("<div>{} else</div>", "bone ".repeat(times));
        world.put(patient(id, &div)).await;
    }
    world.put(patient("none", "<div>else</div>")).await;
    for (sort, expected) in [
        ("-_score,_id", "three deux two one"),
        ("_score,-_id", "one two deux three"),
        ("gender,-_score,_id", "three deux two one"),
    ] {
        for count in [1, 2, 3, 20] {
            let url = format!("Patient?_text=bone&_sort={sort}&_count={count}");
            assert_eq!(world.walk_ids(&url).await, expected, "{url}");
        }
    }
    assert_eq!(
        world
            .walk("Patient?_content=bone&_sort=-_score&_count=1")
            .await
            .len(),
        4
    );
    for sort in ["", "&_sort=-_score", "&_sort=family"] {
        let page = world.search(&format!("Patient?_text=bone{sort}")).await;
        let score = |id: &str| {
            let at = page.matches.iter().position(|one| one.id == id);
            let told = at.and_then(|at| page.told.get(at)).expect("it is told");
            told.score.expect("a score")
        };
        assert!(score("three") > score("two") && score("two") > score("one"));
        assert!(score("one") > 0.0 && score("three") <= 1.0);
        assert_eq!(score("two").to_bits(), score("deux").to_bits());
    }
    let page = world.search("Patient?gender=female&_score=true").await;
    assert!(page.told.iter().all(|told| told.score.is_none()));
    world.refusal("Patient?_text=bone&_score=1").await;
}
