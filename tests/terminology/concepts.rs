//! `$find-matches`, supplements, and the value sets that an element or a URL means.

use super::loaded::world;
use super::{codes, value};
use serde_json::{Value, json};

#[tokio::test(flavor = "multi_thread")]
async fn concepts_are_found_by_their_properties() {
    let (server, _) = world().await;
    for system in ["http://loaded", "http://sent"] {
        for (properties, exact, expected) in [
            (vec![("lives", "1")], false, "dog beagle"),
            (vec![("lives", "1"), ("parent", "dog")], false, "beagle"),
            (vec![("lives", "9"), ("parent", "dog")], true, ""),
            (
                vec![("lives", "9"), ("parent", "dog")],
                false,
                "beagle?lives cat?parent",
            ),
            (vec![("lives", "7")], false, ""),
        ] {
            let property = |(code, value): &(&str, &str)| {
                json!({"name": "property", "part": [
                    {"name": "code", "valueCode": code}, {"name": "value", "valueString": value}]})
            };
            let mut parameter: Vec<Value> = properties.iter().map(property).collect();
            parameter.push(json!({"name": "system", "valueUri": system}));
            parameter.push(json!({"name": "exact", "valueBoolean": exact}));
            let parameters = json!({"resourceType": "Parameters", "parameter": parameter});
            let reply = server.post("/CodeSystem/$find-matches", &parameters).await;
            reply.expect(200);
            let found = reply.json();
            let all = found["parameter"].as_array().expect("a list").iter();
            let all: Vec<String> = all
                .map(|one| {
                    let inner = json!({"parameter": one["part"]});
                    let code = value(&inner, "code")["code"].clone();
                    let parts = one["part"].as_array().expect("parts");
                    let missed = parts.iter().find(|part| part["name"] == "unmatched");
                    let missed = missed.map(|part| part["part"][0]["valueCode"].clone());
                    let text = |value: Value| value.as_str().unwrap_or_default().to_owned();
                    match missed {
                        Some(missed) => format!("{}?{}", text(code), text(missed)),
                        None => text(code),
                    }
                })
                .collect();
            assert_eq!(all.join(" "), expected, "{system} {properties:?}");
        }
    }
    let nothing = json!({"resourceType": "Parameters", "parameter": [
        {"name": "system", "valueUri": "http://loaded"}]});
    let reply = server.post("/CodeSystem/$find-matches", &nothing).await;
    reply.expect(400);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_supplement_adds_names_where_it_is_asked_for() {
    let (server, _) = world().await;
    for (id, system) in [("a", "http://loaded"), ("b", "http://sent|1")] {
        server
            .create(&json!({"resourceType": "CodeSystem", "url": format!("http://more/{id}"),
                "status": "active", "content": "supplement", "supplements": system,
                "concept": [{"code": "dog", "designation": [{"language": "nl", "value": "Hond"}]}]}))
            .await;
    }
    for (id, system) in [("a", "http://loaded"), ("b", "http://sent")] {
        let path = format!("/CodeSystem/$lookup?system={system}&code=dog&displayLanguage=nl");
        let without = server.get(&path).await.json();
        assert_eq!(value(&without, "display"), "Dog");
        let with = server
            .get(&format!("{path}&useSupplement=http://more/{id}"))
            .await;
        with.expect(200);
        assert_eq!(value(&with.json(), "display"), "Hond");
        let lost = server
            .get(&format!("{path}&useSupplement=http://more/x"))
            .await;
        lost.expect(422);
        let value_set = json!({"resourceType": "ValueSet", "status": "active",
            "extension": [{"url": "http://hl7.org/fhir/StructureDefinition/valueset-supplement",
                "valueCanonical": format!("http://more/{id}")}],
            "compose": {"include": [{"system": system, "filter": [
                {"property": "concept", "op": "=", "value": "dog"}]}]}});
        let request = json!({"resourceType": "Parameters", "parameter": [
            {"name": "valueSet", "resource": value_set},
            {"name": "displayLanguage", "valueCode": "nl"}]});
        let expansion = server.post("/ValueSet/$expand", &request).await.json();
        let expansion = &expansion["expansion"];
        assert_eq!(expansion["contains"][0]["display"], "Hond", "{system}");
        let used = json!({"name": "used-supplement", "valueUri": format!("http://more/{id}")});
        let parameters = expansion["parameter"].as_array().expect("parameters");
        assert!(parameters.contains(&used), "{parameters:?}");
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn the_value_set_of_an_element_is_expanded() {
    let (server, _) = world().await;
    for (context, expected) in [
        (
            "http://hl7.org/fhir/StructureDefinition/Patient%23Patient.gender",
            Some("male female other unknown"),
        ),
        ("Patient.gender", Some("male female other unknown")),
        ("Patient.birthDate", None),
        ("http://nowhere%23Patient.gender", None),
    ] {
        let reply = server
            .get(&format!("/ValueSet/$expand?context={context}"))
            .await;
        match expected {
            Some(expected) => {
                reply.expect(200);
                assert_eq!(codes(&reply.json()["expansion"]["contains"]), expected);
            }
            None => {
                reply.expect(404);
            }
        }
    }
}
