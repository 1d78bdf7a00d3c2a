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
    let text = format!("{}ende", "abc ".repeat(100));
    world
        .put(json!({"resourceType": "Person", "id": "l", "name": [{"text": text}]}))
        .await;
    for (end, expected) in [("c ende", 1), ("x ende", 0), ("abc", 0)] {
        let found = world
            .search(&url("Person", &format!("name ew \"{end}\"")))
            .await;
        assert_eq!(found.matches.len(), expected, "{end}");
    }
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
        ("Patient", "gender ne male", "b"),
        ("Patient", "_id ne a", "bc"),
        ("Observation", "status ne final", "p"),
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
        // The end of a text, not of its beginning.
        ("Patient", "family ew son", "a"),
        ("Patient", "family ew \"QUÍNONES\"", "b"),
        ("Patient", "family ew carreno", ""),
        ("Patient", "name ew er", "ac"),
        ("Patient", "not (family ew son)", "bc"),
    ] {
        let kind_name = kind;
        let expected: Vec<String> = expected
            .chars()
            .map(|id| format!("{kind_name}/{id}"))
            .collect();
        let found = sorted(world.walk(&url(kind, filter)).await);
        assert_eq!(found, expected, "{filter}");
    }
    let system = url("", "_lastUpdated gt 2000 and (_id eq a or _id eq o)");
    assert_eq!(
        sorted(world.walk(&system).await),
        ["Observation/o", "Patient/a"]
    );
    let both = format!("{}&birthdate=2000", url("Patient", "name sw p"));
    assert_eq!(matches(&world.search(&both).await), ["Patient/b"]);
}

#[tokio::test]
async fn what_has_no_equivalent_is_refused_with_its_position() {
    let mut world = people().await;
    // Each step may lead to several types, and each of these on.
    let inner = (0..25).fold("status eq x".to_owned(), |inner, _| {
        format!("part-of[{inner}].status eq x")
    });
    let many_ways = format!("part-of[{inner}].status eq x");
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
            "gender eq male and name[uze eq official].family eq x",
            true,
            "at character 25: expected an element of HumanName but found \"uze\"",
        ),
        (
            "Patient",
            "name[use eq official].famly eq x",
            true,
            "at character 1: expected an element of HumanName",
        ),
        (
            "Patient",
            "name[use co x].family eq x",
            false,
            "at character 6: expected an operator that a code has",
        ),
        (
            "Patient",
            "name[period.start ge 2020].family eq x",
            false,
            "that a dateTime has within a path (pr)",
        ),
        (
            "Patient",
            "identifier[use eq x].value gt 1",
            false,
            "(eq, ne, co, sw, ew, pr)",
        ),
        (
            "Patient",
            "identifier[type eq a|b|c].value eq 1",
            false,
            "more than one `|`",
        ),
        (
            "Patient",
            "name[use eq x] eq y",
            false,
            "at character 15: expected `.`",
        ),
        (
            "Patient",
            "name:exact[use eq x].family eq y",
            false,
            ":exact",
        ),
        (
            "Patient",
            "deceased[x eq x].y eq y",
            false,
            "more than a path",
        ),
        (
            "Observation",
            "subject[nmae eq x].name eq y",
            true,
            "Did you mean name?",
        ),
        ("Observation", "_list[x eq x].name eq y", false, "_list"),
        (
            "Observation",
            "subject:Patient[name eq x].nmae eq y",
            true,
            "Did you mean name?",
        ),
        (
            "Patient",
            "gender eq male and given eq x or given eq y",
            false,
            "brackets",
        ),
        (
            "Patient",
            "gender eq male and birthdate ew x",
            false,
            "at character 20: expected an operator",
        ),
        (
            "Procedure",
            &many_ways,
            false,
            "name the types of references",
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

/// People and observations of them, with more than one of everything.
async fn crowd() -> World {
    let mut world = World::new().await;
    let to = |reference: &str| json!({ "reference": reference });
    let loinc = |code: &str| json!({"coding": [{"system": "http://loinc.org", "code": code}]});
    for resource in [
        json!({"resourceType": "Patient", "id": "a", "gender": "male", "active": true,
            "name": [{"use": "official", "family": "Müller", "given": ["Ann-Marie", "Eva"]},
                {"use": "nickname", "family": "Fox", "given": ["Zed"]}],
            "telecom": [{"system": "phone", "value": "555 1"}, {"system": "email", "value": "a@b"}],
            "contact": [{"relationship": [loinc("E")], "name": {"family": "Emer", "use": "usual"}},
                {"relationship": [loinc("N")], "name": {"family": "Next", "use": "old"}}],
            "identifier": [{"system": "urn:one", "value": "1", "type": loinc("MR")},
                {"system": "urn:two", "value": "2"}]}),
        json!({"resourceType": "Patient", "id": "b", "gender": "female",
            "name": [{"use": "nickname", "family": "Müller"}, {"use": "official", "family": "Fox"}],
            "identifier": [{"system": "urn:one", "value": "2"}, {"value": "1"}]}),
        json!({"resourceType": "Patient", "id": "c", "name": [{"family": "Fox", "given": ["Eva"]}]}),
        json!({"resourceType": "Observation", "id": "o", "status": "final", "code": loinc("x"),
            "subject": to("Patient/a"), "component": [
                {"code": loinc("1"), "valueCodeableConcept": loinc("y")},
                {"code": loinc("2"), "valueString": "Zwei"}]}),
        json!({"resourceType": "Observation", "id": "p", "status": "final", "code": loinc("x"),
            "subject": to("Patient/b"), "component": [
                {"code": loinc("2"), "valueCodeableConcept": loinc("y")},
                {"code": loinc("1"), "valueString": "Zwei"}]}),
        json!({"resourceType": "Observation", "id": "q", "status": "final", "code": loinc("x"),
            "performer": [to("Patient/a"), to("Patient/c")]}),
        json!({"resourceType": "Encounter", "id": "e", "status": "finished", "class": {"code": "x"},
            "participant": [{"type": [loinc("P")], "individual": to("Practitioner/d")},
                {"type": [loinc("Q")], "individual": to("Practitioner/f")}]}),
        json!({"resourceType": "Organization", "id": "top", "name": "Top"}),
        json!({"resourceType": "Organization", "id": "sub", "name": "Sub", "partOf": to("Organization/top")}),
        json!({"resourceType": "Patient", "id": "d", "managingOrganization": to("Organization/sub")}),
    ] {
        world.put(resource).await;
    }
    world
}

#[tokio::test]
async fn a_filter_within_a_path_is_about_one_element() {
    let mut world = crowd().await;
    for (kind, filter, expected) in [
        ("Patient", "name[use eq official].family eq müller", "a"),
        ("Patient", "name[use eq nickname].family eq MULLER", "b"),
        ("Patient", "name[use eq official].family ne muller", "b"),
        ("Patient", "name[use pr false].family eq fox", "c"),
        ("Patient", "name[given eq eva].family sw mu", "a"),
        ("Patient", "name[given eq eva].family eq fox", "c"),
        ("Patient", "name[given co marie].given eq zed", ""),
        ("Patient", "name[given ew marie].given eq eva", "a"),
        ("Patient", "name[not (use eq official)].family eq fox", "ac"),
        (
            "Patient",
            "name[use eq nickname or given eq eva].family eq fox",
            "ac",
        ),
        (
            "Patient",
            "name[use eq nickname and given eq eva].family eq fox",
            "",
        ),
        (
            "Patient",
            "not (name[use eq official].family eq muller)",
            "bcd",
        ),
        ("Patient", "name[use eq official].given pr true", "a"),
        ("Patient", "name[use eq official].given pr false", "b"),
        ("Patient", "name[use eq official].family eq \"?!\"", ""),
        ("Patient", "identifier[system eq urn:one].value eq 2", "b"),
        (
            "Patient",
            "identifier[system eq \"urn:one\"].value eq 1",
            "a",
        ),
        (
            "Patient",
            "identifier[type eq http://loinc.org|MR].value eq 1",
            "a",
        ),
        ("Patient", "identifier[type eq MR].value eq 2", ""),
        ("Patient", "telecom[system eq phone].value sw 555", "a"),
        ("Patient", "telecom[system eq email].value sw 555", ""),
        // Elements of elements, and a text that no pattern may take apart.
        (
            "Observation",
            "combo-code[coding.system eq http://loinc.org].coding.code eq 2",
            "op",
        ),
        (
            "Observation",
            "component-code[coding.code eq \"\\\"\\\\ && 1\"].text pr true",
            "",
        ),
        // Through references: the same resource.
        ("Observation", "patient[gender eq male].name eq fox", "o"),
        (
            "Observation",
            "subject[gender eq female].name[use eq official].family eq fox",
            "p",
        ),
        (
            "Observation",
            "subject:Patient[name[use eq official].family eq fox].gender eq female",
            "p",
        ),
        (
            "Observation",
            "performer[gender eq male].family eq fox",
            "q",
        ),
        ("Observation", "performer[gender eq male].given eq eva", "q"),
        (
            "Observation",
            "performer:Patient[given eq zed].family eq muller",
            "q",
        ),
        (
            "Observation",
            "performer:Patient[gender pr false].family eq muller",
            "",
        ),
        (
            "Patient",
            "organization[name eq sub].partof[name eq top].name eq top",
            "d",
        ),
        (
            "Patient",
            "organization.partof[name eq top].name eq sub",
            "",
        ),
        (
            "Patient",
            "_has:Observation:patient:code eq x and name[use eq official].family eq fox",
            "b",
        ),
    ] {
        let expected: Vec<String> = expected.chars().map(|id| format!("{kind}/{id}")).collect();
        let found = sorted(world.walk(&url(kind, filter)).await);
        assert_eq!(found, expected, "{filter}");
    }
}
