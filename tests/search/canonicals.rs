//! Chains and `_has` by canonical: <https://hl7.org/fhir/R4/references.html#canonical>

use super::*;
use crate::harness::Server;
use serde_json::json;

/// Two versions of a questionnaire and one without, a measure, and what refers to them.
async fn forms() -> World {
    let mut world = World::new().await;
    for (id, version, title) in [
        ("one", Some("1"), "First"),
        ("two", Some("2"), "Second"),
        ("none", None, "None"),
    ] {
        world
            .put(
                json!({"resourceType": "Questionnaire", "id": id, "status": "active",
                "url": "http://q.test/a", "version": version, "title": title}),
            )
            .await;
    }
    world
        .put(
            json!({"resourceType": "Questionnaire", "id": "other", "status": "draft",
            "url": "http://q.test/b", "title": "Other"}),
        )
        .await;
    // Nothing names what has no url.
    world
        .put(
            json!({"resourceType": "Questionnaire", "id": "nameless", "status": "active",
            "title": "First"}),
        )
        .await;
    for (id, canonical, status) in [
        ("any", "http://q.test/a".to_owned(), "completed"),
        ("first", "http://q.test/a|1".to_owned(), "completed"),
        ("second", "http://q.test/a|2".to_owned(), "in-progress"),
        ("third", "http://q.test/a|3".to_owned(), "completed"),
        ("part", "http://q.test/a|1#x".to_owned(), "completed"),
        ("b", "http://q.test/b".to_owned(), "in-progress"),
        ("local", "Questionnaire/one".to_owned(), "completed"),
        ("own", format!("{BASE}/Questionnaire/other"), "completed"),
        ("foreign", "http://q.test/c".to_owned(), "completed"),
    ] {
        world
            .put(
                json!({"resourceType": "QuestionnaireResponse", "id": id, "status": status,
                "questionnaire": canonical}),
            )
            .await;
    }
    world
}

#[tokio::test(flavor = "multi_thread")]
async fn a_chain_follows_a_canonical_by_url_and_version() {
    let mut world = forms().await;
    world
        .check(&[
            (
                "QuestionnaireResponse?questionnaire.title=first",
                "any first local part",
            ),
            (
                "QuestionnaireResponse?questionnaire.title=second",
                "any second",
            ),
            ("QuestionnaireResponse?questionnaire.title=none", "any"),
            ("QuestionnaireResponse?questionnaire.title=other", "b own"),
            (
                "QuestionnaireResponse?questionnaire:Questionnaire.status=draft",
                "b own",
            ),
            ("QuestionnaireResponse?questionnaire.title=nowhere", ""),
            (
                "QuestionnaireResponse?questionnaire._id=two,other",
                "any b own second",
            ),
            (
                "QuestionnaireResponse?questionnaire.title=first&status=completed",
                "any first local part",
            ),
            (
                "QuestionnaireResponse?_filter=not%20(questionnaire.title%20eq%20first)",
                "b foreign own second third",
            ),
            // Steps on both sides of it.
            (
                "Questionnaire?_has:QuestionnaireResponse:questionnaire:questionnaire.title=first",
                "none one two",
            ),
        ])
        .await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_has_follows_a_canonical_back() {
    let mut world = forms().await;
    let has = "_has:QuestionnaireResponse:questionnaire";
    world
        .check(&[
            (
                &format!("Questionnaire?{has}:status=completed"),
                "none one other two",
            ),
            (
                &format!("Questionnaire?{has}:status=in-progress"),
                "other two",
            ),
            (&format!("Questionnaire?{has}:_id=first"), "one"),
            (&format!("Questionnaire?{has}:_id=any"), "none one two"),
            (&format!("Questionnaire?{has}:_id=third,foreign"), ""),
            (&format!("Questionnaire?{has}:_id=local"), "one"),
            (
                &format!("Questionnaire?status=draft&{has}:status=in-progress"),
                "other",
            ),
        ])
        .await;
}

/// What is looked up is found whatever else is asked of it.
#[tokio::test(flavor = "multi_thread")]
async fn a_canonical_step_may_hold_what_is_looked_up_itself() {
    let mut world = forms().await;
    world
        .put(json!({"resourceType": "Organization", "id": "top", "name": "Top"}))
        .await;
    world
        .put(
            json!({"resourceType": "Library", "id": "lib", "status": "active", "url": "http://l",
            "type": {"coding": [{"code": "logic-library"}]}}),
        )
        .await;
    world
        .put(
            json!({"resourceType": "Measure", "id": "m", "status": "active", "url": "http://m",
            "library": ["http://l"]}),
        )
        .await;
    world
        .put(
            json!({"resourceType": "MeasureReport", "id": "r", "measure": "http://m|9",
            "status": "complete", "type": "summary"}),
        )
        .await;
    world
        .put(
            json!({"resourceType": "MeasureReport", "id": "s", "measure": "http://m",
            "status": "complete", "type": "summary"}),
        )
        .await;
    world
        .check(&[
            (
                "MeasureReport?measure.depends-on:Library.status=active",
                "s",
            ),
            ("MeasureReport?measure.depends-on:Library.status=draft", ""),
            (
                "Library?_has:Measure:depends-on:_has:MeasureReport:measure:status=complete",
                "lib",
            ),
        ])
        .await;
}

/// Over HTTP, where what is contained is stored with its rows.
#[tokio::test(flavor = "multi_thread")]
async fn a_canonical_may_name_what_is_contained() {
    let server = Server::start().await;
    let inside = |title: &str| {
        json!({"resourceType": "QuestionnaireResponse", "status": "completed", "questionnaire": "#q",
            "contained": [{"resourceType": "Questionnaire", "id": "q", "status": "active", "title": title}]})
    };
    let first = server.create(&inside("First")).await;
    server.create(&inside("Second")).await;
    let found = server
        .get("/QuestionnaireResponse?questionnaire.title=first")
        .await;
    assert_eq!(found.expect(200).ids(), [first]);
}
