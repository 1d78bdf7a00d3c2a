//! `_filter`: <https://hl7.org/fhir/R4/search_filter.html>

use super::*;
use serde_json::json;

async fn people() -> World {
    let mut world = World::new().await;
    let to = |reference: &str| json!({ "reference": reference });
    for resource in [
        json!({"resourceType": "Patient", "id": "a", "gender": "male", "birthDate": "1990-05-01",
            "name": [{"family": "Peterson", "given": ["Peter"]}],
            "identifier": [{"system": "http://acme", "value": "1"}]}),
        json!({"resourceType": "Patient", "id": "b", "gender": "female", "birthDate": "2000",
            "name": [{"family": "Carreño Quinones", "given": ["Petra", "Ann"]}]}),
        json!({"resourceType": "Patient", "id": "c", "name": [{"family": "Peter"}]}),
        json!({"resourceType": "Observation", "id": "o", "status": "final", "subject": to("Patient/a"),
            "code": {"coding": [{"system": "http://loinc.org", "code": "1234-5"}]},
            "effectivePeriod": {"start": "2020-01-10", "end": "2020-02-10"},
            "valueQuantity": {"value": 5, "system": "http://unitsofmeasure.org", "code": "mg"}}),
        json!({"resourceType": "Observation", "id": "p", "status": "amended", "subject": to("Patient/b"),
            "code": {"coding": [{"system": "http://loinc.org", "code": "9"}]}, "effectiveDateTime": "2020-02-05",
            "valueQuantity": {"value": 7, "system": "http://unitsofmeasure.org", "code": "mg"}}),
    ] {
        world.put(resource).await;
    }
    world
}

/// As a client writes it into a URL.
fn url(kind: &str, filter: &str) -> String {
    let encoded: String = filter.bytes().map(|byte| format!("%{byte:02X}")).collect();
    format!("{kind}?_filter={encoded}")
}

#[tokio::test]
async fn tests_are_search_parameters_with_operators() {
    let mut world = people().await;
    for (kind, filter, expected) in [
        // Strings: without case and accents.
        ("Patient", "given eq \"peter\"", "a"),
        ("Patient", "given eq peter", "a"),
        ("Patient", "given eq pet", ""),
        ("Patient", "family eq \"carreno quinones\"", "b"),
        ("Patient", "family eq \"quinones\"", ""),
        ("Patient", "name co \"pet\"", "abc"),
        ("Patient", "family co eters", "a"),
        ("Patient", "family sw pet", "ac"),
        ("Patient", "family eq \"a,b|c$d\\\\e\"", ""),
        ("Patient", "name pr true", "abc"),
        // Dates.
        (
            "Patient",
            "given eq \"peter\" and birthdate ge 1980-10-10",
            "a",
        ),
        ("Patient", "birthdate gt 1995", "b"),
        ("Patient", "birthdate lt 1995", "a"),
        ("Patient", "birthdate le 1990", "a"),
        ("Patient", "birthdate eq 2000", "b"),
        ("Patient", "birthdate ne 2000", "a"),
        ("Patient", "birthdate pr false", "c"),
        ("Patient", "birthdate pr true", "ab"),
        ("Observation", "date po 2020-02", "op"),
        ("Observation", "date po 2020-01", "o"),
        ("Observation", "date po 2021", ""),
        ("Observation", "date eq 2020-02", "p"),
        ("Observation", "date sa 2020-02-01", "p"),
        ("Observation", "date eb 2020-02-08", "p"),
        ("Patient", "_lastUpdated po 2023-11-14", "abc"),
        ("Patient", "_lastUpdated gt 2030", ""),
        // Tokens, references, quantities.
        ("Observation", "code eq http://loinc.org|1234-5", "o"),
        ("Observation", "code eq \"http://loinc.org|1234-5\"", "o"),
        ("Observation", "code eq 9", "p"),
        ("Patient", "identifier eq http://acme|1", "a"),
        ("Patient", "gender pr false", "c"),
        ("Patient", "_id eq a", "a"),
        ("Observation", "subject re Patient/a", "o"),
        ("Observation", "patient eq b", "p"),
        ("Observation", "value-quantity gt 5", "p"),
        (
            "Observation",
            "value-quantity le 5|http://unitsofmeasure.org|mg",
            "o",
        ),
        ("Observation", "value-quantity ne 5", "p"),
        ("Observation", "value-quantity ap 5", "o"),
        // Paths.
        ("Observation", "subject.name co \"pet\"", "op"),
        ("Observation", "subject:Patient.birthdate ge 1995", "p"),
        ("Patient", "_has:Observation:patient:code eq 9", "b"),
        // Logic.
        ("Patient", "gender eq male or gender eq female", "ab"),
        ("Patient", "not (gender eq male)", "bc"),
        ("Patient", "not(gender eq male or gender eq female)", "c"),
        (
            "Patient",
            "(gender eq male or gender eq female) and given sw petr",
            "b",
        ),
        (
            "Patient",
            "gender eq male or (gender eq female and given eq ann)",
            "ab",
        ),
        ("Patient", "not (not (gender eq male))", "a"),
        ("Observation", "not (subject.gender eq male)", "p"),
        // With other parameters.
        ("Patient", "", "abc"),
    ] {
        let kind_name = kind;
        let expected: Vec<String> = expected
            .chars()
            .map(|id| format!("{kind_name}/{id}"))
            .collect();
        let found = sorted(world.walk(&url(kind, filter)).await);
        assert_eq!(found, expected, "{filter}");
    }
    let both = format!("{}&birthdate=2000", url("Patient", "name sw p"));
    assert_eq!(matches(&world.search(&both).await), ["Patient/b"]);
}

#[tokio::test]
async fn what_has_no_equivalent_is_refused_with_its_position() {
    let mut world = people().await;
    for (kind, filter, is_lenient, says) in [
        (
            "Patient",
            "given eq",
            false,
            "at character 9: expected a value",
        ),
        ("Patient", "gender eq male and", false, "at character 16: "),
        (
            "Patient",
            "name[use eq official].family eq x",
            false,
            "at character 5: a filter within",
        ),
        (
            "Patient",
            "gender eq male and given eq x or given eq y",
            false,
            "brackets",
        ),
        (
            "Patient",
            "gender eq male and family ew x",
            false,
            "at character 20: expected an operator",
        ),
        ("Observation", "code ne 9", false, "not (code eq …)"),
        ("Patient", "gender co m", false, "of type token"),
        ("Patient", "family gt m", false, "of type string"),
        ("Patient", "family pr maybe", false, "true or false"),
        ("Patient", "birthdate eq x", false, "at character 1: "),
        ("Patient", "birthdate re x", false, "of type date"),
        ("Patient", "family:exact eq x", false, ":exact"),
        ("Patient", "_list eq 1", false, "_list"),
        (
            "Patient",
            "gender eq male and famly eq x",
            true,
            "at character 20: ",
        ),
        ("Patient", "famly eq x", true, "Did you mean family?"),
        (
            "Observation",
            "subject.nmae co x",
            true,
            "Did you mean name?",
        ),
    ] {
        let url = url(kind, filter);
        let refused = world.try_search(&url, Handling::Strict).await;
        let refused = refused.expect_err(filter).to_string();
        assert!(refused.contains(says), "{filter}: {refused}");
        match world.try_search(&url, Handling::Lenient).await {
            Ok(page) => assert!(is_lenient && page.issues.len() == 1, "{filter}"),
            Err(error) => assert!(!is_lenient, "{filter}: {error}"),
        }
    }
}
