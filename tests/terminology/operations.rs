//! The terminology operations through HTTP, on hand-made code systems, value sets and maps.
//! <https://hl7.org/fhir/R4/terminology-service.html>

use super::{codes, told, value, value_text};
use crate::harness::Server;
use serde_json::{Value, json};

/// Animals with a hierarchy, texts in two languages, an inactive and an abstract concept; a
/// fragment; value sets over them and over a system that is not there; and maps.
async fn world() -> Server {
    let server = Server::start().await;
    let set = |id: &str, compose: Value| {
        json!({"resourceType": "ValueSet", "id": id, "url": format!("http://sets/{id}"),
            "version": "1", "status": "active", "compose": compose})
    };
    let filter = |op: &str, value: &str| json!([{"property": "concept", "op": op, "value": value}]);
    let all = json!({"include": [{"system": "http://animals"}]});
    for resource in [
        json!({"resourceType": "CodeSystem", "id": "animals", "url": "http://animals",
            "version": "2", "name": "Animals", "status": "active", "language": "en",
            "caseSensitive": true, "content": "complete",
            "property": [{"code": "abstract", "type": "boolean",
                "uri": "http://hl7.org/fhir/concept-properties#notSelectable"}],
            "concept": [
            {"code": "animal", "display": "Animal",
             "property": [{"code": "abstract", "valueBoolean": true}],
             "concept": [
                {"code": "dog", "display": "Dog", "definition": "Barks.",
                 "designation": [{"language": "de", "value": "Hund"}],
                 "concept": [{"code": "beagle", "display": "Beagle hound"}]},
                {"code": "cat", "display": "Cat",
                 "property": [{"code": "lives", "valueInteger": 9}]}]},
            {"code": "dodo", "display": "Dodo",
             "property": [{"code": "status", "valueCode": "retired"}]}]}),
        json!({"resourceType": "CodeSystem", "id": "part", "url": "http://part", "status": "active",
            "content": "fragment", "concept": [{"code": "a", "display": "A"}, {"code": "b"}]}),
        set("all", all.clone()),
        set(
            "active",
            json!({"inactive": false, "include": all["include"]}),
        ),
        set(
            "dogs",
            json!({"include": [{"system": "http://animals", "filter": filter("is-a", "dog")}]}),
        ),
        set(
            "not-dogs",
            json!({"include": [{"valueSet": ["http://sets/all"]}],
            "exclude": [{"valueSet": ["http://sets/dogs"]}]}),
        ),
        set(
            "listed",
            json!({"include": [{"system": "http://animals", "concept": [
            {"code": "cat", "display": "Kitty"}, {"code": "unicorn"}]},
            {"system": "http://snomed.info/sct", "concept": [{"code": "1", "display": "One"}]}]}),
        ),
        set(
            "snomed",
            json!({"include": [{"system": "http://snomed.info/sct"}]}),
        ),
        set("part", json!({"include": [{"system": "http://part"}]})),
        set(
            "lost",
            json!({"include": [{"valueSet": ["http://sets/nowhere"]}]}),
        ),
        set(
            "circle",
            json!({"include": [{"valueSet": ["http://sets/circle"]}]}),
        ),
        json!({"resourceType": "ConceptMap", "id": "map", "url": "http://maps/map", "version": "3",
            "status": "active", "sourceCanonical": "http://sets/all", "group": [
            {"source": "http://animals", "target": "http://pets", "element": [
                {"code": "dog", "target": [{"code": "D", "display": "Doggy", "equivalence": "wider"}]},
                {"code": "dodo", "target": [{"equivalence": "unmatched"}]}]},
            {"source": "http://animals", "target": "http://noises", "element": [
                {"code": "dog", "target": [{"code": "woof", "equivalence": "relatedto"}]}]}]}),
    ] {
        let (kind, id) = (resource["resourceType"].clone(), resource["id"].clone());
        let path = format!(
            "/{}/{}",
            kind.as_str().expect("a type"),
            id.as_str().expect("an id")
        );
        server.put(&path, &resource).await.expect(201);
    }
    server
}

#[tokio::test(flavor = "multi_thread")]
async fn expansions() {
    let server = world().await;
    for (url, total, expected) in [
        (
            "/ValueSet/$expand?url=http://sets/all",
            5,
            "animal dog beagle cat dodo",
        ),
        (
            "/ValueSet/$expand?url=http://sets/all%7C1",
            5,
            "animal dog beagle cat dodo",
        ),
        (
            "/ValueSet/$expand?url=http://sets/all&valueSetVersion=1",
            5,
            "animal dog beagle cat dodo",
        ),
        ("/ValueSet/all/$expand", 5, "animal dog beagle cat dodo"),
        (
            "/ValueSet/all/$expand?excludeNested=false",
            5,
            "animal(dog(beagle) cat) dodo",
        ),
        (
            "/ValueSet/all/$expand?excludeNested=false&count=9",
            5,
            "animal dog beagle cat dodo",
        ),
        (
            "/ValueSet/all/$expand?activeOnly=true",
            4,
            "animal dog beagle cat",
        ),
        ("/ValueSet/active/$expand", 4, "animal dog beagle cat"),
        ("/ValueSet/all/$expand?filter=do", 2, "dog dodo"),
        ("/ValueSet/all/$expand?filter=HOUND%20beag", 1, "beagle"),
        ("/ValueSet/all/$expand?filter=hund", 1, "dog"),
        ("/ValueSet/all/$expand?count=2&offset=1", 5, "dog beagle"),
        ("/ValueSet/all/$expand?count=0", 5, ""),
        ("/ValueSet/all/$expand?offset=9", 5, ""),
        ("/ValueSet/dogs/$expand", 2, "dog beagle"),
        ("/ValueSet/not-dogs/$expand", 3, "animal cat dodo"),
        ("/ValueSet/listed/$expand", 2, "cat 1"),
        (
            "/ValueSet/listed/$expand?exclude-system=http://snomed.info/sct",
            1,
            "cat",
        ),
        // Published.
        (
            "/ValueSet/$expand?url=http://hl7.org/fhir/ValueSet/administrative-gender",
            4,
            "male female other unknown",
        ),
    ] {
        let reply = server.get(url).await;
        let found = reply.expect(200).json();
        let expansion = &found["expansion"];
        assert_eq!(codes(&expansion["contains"]), expected, "{url}");
        assert_eq!(expansion["total"], total, "{url}");
        assert!(
            found.get("compose").is_none() && expansion["identifier"].is_string(),
            "{url}"
        );
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn expansions_say_what_they_show() {
    let server = world().await;
    let url = "/ValueSet/all/$expand?count=9&displayLanguage=de&includeDesignations=true";
    let expansion = server.get(url).await.json()["expansion"].clone();
    let at = |code: &str| {
        let all = expansion["contains"].as_array().expect("codes");
        all.iter()
            .find(|one| one["code"] == code)
            .expect(code)
            .clone()
    };
    assert_eq!(at("animal")["abstract"], true);
    assert_eq!(at("dodo")["inactive"], true);
    assert_eq!(
        (&at("dog")["display"], &at("cat")["display"]),
        (&json!("Hund"), &json!("Cat"))
    );
    assert_eq!(at("dog")["designation"][0]["value"], "Hund");
    let parameters = expansion["parameter"].to_string();
    for expected in [
        r#"{"name":"count","valueInteger":9}"#,
        r#"{"name":"displayLanguage","valueCode":"de"}"#,
        r#"{"name":"includeDesignations","valueBoolean":true}"#,
        r#"{"name":"used-codesystem","valueUri":"http://animals|2"}"#,
    ] {
        assert!(parameters.contains(expected), "{parameters}");
    }
    // A value set of the request, and its own words for a code.
    let sent = json!({"resourceType": "ValueSet", "status": "draft", "compose": {"include": [
        {"valueSet": ["http://sets/listed"]}]}});
    for body in [
        sent.clone(),
        json!({"resourceType": "Parameters", "parameter": [{"name": "valueSet", "resource": sent},
            {"name": "includeDefinition", "valueBoolean": true}]}),
    ] {
        let reply = server.post("/ValueSet/$expand", &body).await;
        let found = reply.expect(200).json();
        assert_eq!(found["expansion"]["contains"][0]["display"], "Kitty");
        assert_eq!(
            found.get("compose").is_some(),
            body["resourceType"] == "Parameters"
        );
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn what_cannot_be_expanded_is_refused() {
    let server = world().await;
    let many: Vec<Value> = (0..10_001)
        .map(|n| json!({"code": format!("c{n}")}))
        .collect();
    let many = json!({"resourceType": "ValueSet", "id": "many", "url": "http://sets/many",
        "status": "active", "compose": {"include": [{"system": "http://n", "concept": many}]}});
    server.put("/ValueSet/many", &many).await.expect(201);
    for (url, status, code, says) in [
        (
            "/ValueSet/$expand?url=http://sets/nope",
            404,
            "not-found",
            "http://sets/nope",
        ),
        ("/ValueSet/nope/$expand", 404, "not-found", "nope"),
        (
            "/ValueSet/lost/$expand",
            404,
            "not-found",
            "http://sets/nowhere",
        ),
        (
            "/ValueSet/snomed/$expand",
            422,
            "not-found",
            "http://snomed.info/sct",
        ),
        ("/ValueSet/part/$expand", 422, "not-found", "http://part"),
        ("/ValueSet/circle/$expand", 422, "not-supported", "itself"),
        ("/ValueSet/many/$expand", 422, "too-costly", "10001"),
        ("/ValueSet/all/$expand?count=x", 400, "value", "count"),
        (
            "/ValueSet/all/$expand?activeOnly=x",
            400,
            "value",
            "activeOnly",
        ),
        ("/ValueSet/$expand", 400, "required", "url"),
        ("/Patient/$expand", 404, "not-supported", "$expand"),
        (
            "/CodeSystem/animals/$expand",
            404,
            "not-supported",
            "$expand",
        ),
    ] {
        let reply = server.get(url).await;
        let issues = reply.expect(status).issues();
        assert!(
            issues.contains(&format!("{code:?}")) && issues.contains(says),
            "{url}: {issues}"
        );
    }
    let page = server.get("/ValueSet/many/$expand?count=1").await.json();
    assert_eq!(page["expansion"]["total"], 10_001);
}

#[tokio::test(flavor = "multi_thread")]
async fn codes_are_validated() {
    let server = world().await;
    let set = "/ValueSet/$validate-code?url=http://sets";
    for (url, result, display, says) in [
        (
            format!("{set}/all&system=http://animals&code=dog"),
            true,
            "Dog",
            "",
        ),
        (
            format!("{set}/all&system=http://animals&code=dog&display=dOG"),
            true,
            "Dog",
            "",
        ),
        (
            format!("{set}/all&system=http://animals&code=dog&display=Hund"),
            true,
            "Dog",
            "",
        ),
        (
            format!("{set}/all&system=http://animals&code=dog&display=Cat"),
            false,
            "Dog",
            "display",
        ),
        (
            format!("{set}/all&system=http://animals&code=dog&displayLanguage=de"),
            true,
            "Hund",
            "",
        ),
        (
            format!("{set}/all&system=http://animals&code=cow"),
            false,
            "",
            "has no code `cow`",
        ),
        (
            format!("{set}/dogs&system=http://animals&code=cat"),
            false,
            "Cat",
            "not in the value set",
        ),
        (
            format!("{set}/dogs&system=http://others&code=dog"),
            false,
            "",
            "not in the value set",
        ),
        (format!("{set}/dogs&code=beagle"), true, "Beagle hound", ""),
        (format!("{set}/dogs&code=cat"), false, "", "no system"),
        (
            format!("{set}/all&system=http://animals&code=animal"),
            true,
            "Animal",
            "",
        ),
        (
            format!("{set}/all&system=http://animals&code=animal&abstract=false"),
            false,
            "Animal",
            "abstract",
        ),
        (
            format!("{set}/all&system=http://animals&code=dog&systemVersion=2"),
            true,
            "Dog",
            "",
        ),
        (
            format!("{set}/all&system=http://animals&code=dog&systemVersion=1"),
            false,
            "Dog",
            "",
        ),
        (
            format!("{set}/listed&system=http://snomed.info/sct&code=1"),
            true,
            "One",
            "",
        ),
        (
            format!("{set}/listed&system=http://snomed.info/sct&code=2"),
            false,
            "",
            "not in",
        ),
        (
            format!("{set}/lost&system=http://animals&code=dog"),
            false,
            "Dog",
            "cannot be told",
        ),
        (
            format!("{set}/snomed&system=http://snomed.info/sct&code=1"),
            false,
            "",
            "cannot be told",
        ),
        (
            format!("{set}/part&system=http://part&code=a"),
            true,
            "A",
            "",
        ),
        (
            format!("{set}/part&system=http://part&code=z"),
            true,
            "",
            "cannot be told",
        ),
        (
            "/ValueSet/dogs/$validate-code?system=http://animals&code=dog".to_owned(),
            true,
            "Dog",
            "",
        ),
        (
            "/CodeSystem/$validate-code?url=http://animals&code=dog".to_owned(),
            true,
            "Dog",
            "",
        ),
        (
            "/CodeSystem/animals/$validate-code?code=cow".to_owned(),
            false,
            "",
            "has no code",
        ),
        (
            "/CodeSystem/$validate-code?url=http://part&code=z".to_owned(),
            true,
            "",
            "cannot be told",
        ),
        (
            "/CodeSystem/$validate-code?url=http://hl7.org/fhir/administrative-gender&code=male"
                .to_owned(),
            true,
            "Male",
            "",
        ),
    ] {
        let found = server.get(&url).await.expect(200).json();
        assert_eq!(value(&found, "result"), result, "{url}: {found}");
        assert_eq!(
            value(&found, "display").as_str().unwrap_or_default(),
            display,
            "{url}: {found}"
        );
        let message = value(&found, "message");
        assert!(
            message.as_str().unwrap_or_default().contains(says),
            "{url}: {found}"
        );
        let is_unknown = found.to_string().contains(r#""name":"issues""#);
        assert_eq!(is_unknown, says == "cannot be told", "{url}: {found}");
        assert_eq!(message.is_null(), result && !is_unknown, "{url}: {found}");
    }
    for (url, status) in [
        (format!("{set}/nope&system=http://animals&code=dog"), 404),
        (format!("{set}/circle&system=http://animals&code=dog"), 422),
        (format!("{set}/all"), 400),
        (
            "/CodeSystem/$validate-code?url=http://nope&code=dog".to_owned(),
            404,
        ),
        ("/ConceptMap/$validate-code?code=dog".to_owned(), 404),
    ] {
        server.get(&url).await.expect(status);
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn concepts_are_right_by_one_of_their_codings() {
    let server = world().await;
    let coding = |system: &str, code: &str| json!({"system": system, "code": code});
    let ask = |name: &str, kind: &str, value: Value| {
        json!({"resourceType": "Parameters", "parameter": [
            {"name": "url", "valueUri": "http://sets/dogs"}, {"name": name, kind: value}]})
    };
    let concept = |codings: Value| {
        ask(
            "codeableConcept",
            "valueCodeableConcept",
            json!({"coding": codings}),
        )
    };
    let dog = coding("http://animals", "dog");
    for (body, result) in [
        (ask("coding", "valueCoding", dog.clone()), true),
        (
            ask("coding", "valueCoding", coding("http://animals", "cat")),
            false,
        ),
        (concept(json!([coding("http://others", "1"), dog])), true),
        (concept(json!([coding("http://others", "1")])), false),
        (concept(json!([])), false),
    ] {
        let reply = server.post("/ValueSet/$validate-code", &body).await;
        let found = reply.expect(200).json();
        assert_eq!(value(&found, "result"), result, "{body}: {found}");
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn codes_are_looked_up() {
    let server = world().await;
    let url = "/CodeSystem/$lookup?system=http://animals&code=";
    let dog = server.get(&format!("{url}dog")).await.expect(200).json();
    for (name, expected) in [("name", "Animals"), ("version", "2"), ("display", "Dog")] {
        assert_eq!(value(&dog, name), expected, "{dog}");
    }
    assert_eq!(
        told(&dog, "property"),
        [
            "definition=Barks.",
            "parent=animal",
            "child=beagle",
            "inactive=false"
        ]
    );
    assert_eq!(told(&dog, "designation"), ["null=Dog", "null=Hund"]);
    let cat = server.get(&format!("{url}cat&property=lives")).await.json();
    assert_eq!(told(&cat, "property"), ["lives=9"]);
    let german = server
        .get(&format!("{url}dog&displayLanguage=de-CH,de;q=0.5"))
        .await
        .json();
    assert_eq!(value(&german, "display"), "Hund");
    let body = json!({"resourceType": "Parameters", "parameter": [
        {"name": "coding", "valueCoding": {"system": "http://animals", "code": "dodo"}}]});
    let dodo = server
        .post("/CodeSystem/$lookup", &body)
        .await
        .expect(200)
        .json();
    assert!(
        told(&dodo, "property").contains(&"inactive=true".to_owned()),
        "{dodo}"
    );
    for (url, status) in [
        (format!("{url}cow"), 404),
        (
            "/CodeSystem/$lookup?system=http://nope&code=1".to_owned(),
            404,
        ),
        (
            "/CodeSystem/$lookup?system=http://animals&code=dog&version=9".to_owned(),
            404,
        ),
        ("/CodeSystem/$lookup?code=dog".to_owned(), 400),
        ("/CodeSystem/$lookup?system=http://animals".to_owned(), 400),
    ] {
        server.get(&url).await.expect(status);
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn codes_subsume_others() {
    let server = world().await;
    for (a, b, outcome) in [
        ("animal", "beagle", "subsumes"),
        ("beagle", "animal", "subsumed-by"),
        ("dog", "dog", "equivalent"),
        ("dog", "cat", "not-subsumed"),
    ] {
        for at in [
            "/CodeSystem/$subsumes?system=http://animals&",
            "/CodeSystem/animals/$subsumes?",
        ] {
            let found = server
                .get(&format!("{at}codeA={a}&codeB={b}"))
                .await
                .expect(200)
                .json();
            assert_eq!(value(&found, "outcome"), outcome, "{at} {a} {b}");
        }
    }
    let coding = |name: &str, system: &str, code: &str| json!({"name": name, "valueCoding": {"system": system, "code": code}});
    for (system, status) in [("http://animals", 200), ("http://others", 400)] {
        let body = json!({"resourceType": "Parameters", "parameter": [
            coding("codingA", "http://animals", "dog"), coding("codingB", system, "cat")]});
        server
            .post("/CodeSystem/$subsumes", &body)
            .await
            .expect(status);
    }
    for (query, status) in [
        ("system=http://animals&codeA=dog&codeB=cow", 404),
        ("system=http://nope&codeA=dog&codeB=cow", 404),
        ("system=http://part&codeA=a&codeB=b", 422),
        ("system=http://animals&codeA=dog", 400),
        ("codeA=dog&codeB=cat", 400),
    ] {
        server
            .get(&format!("/CodeSystem/$subsumes?{query}"))
            .await
            .expect(status);
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn codes_are_translated() {
    let server = world().await;
    for (path, result, expected) in [
        (
            "$translate?url=http://maps/map&system=http://animals&code=dog",
            true,
            "wider D, relatedto woof",
        ),
        (
            "map/$translate?system=http://animals&code=dog&targetsystem=http://pets",
            true,
            "wider D",
        ),
        (
            "$translate?system=http://animals&code=dog&targetsystem=http://pets",
            true,
            "wider D",
        ),
        (
            "$translate?system=http://animals&code=dog&source=http://sets/all",
            true,
            "wider D, relatedto woof",
        ),
        (
            "$translate?system=http://animals&code=dog&source=http://sets/dogs",
            false,
            "",
        ),
        (
            "$translate?system=http://pets&code=D&reverse=true",
            true,
            "narrower dog",
        ),
        (
            "$translate?system=http://animals&code=dodo",
            false,
            "unmatched -",
        ),
        ("$translate?system=http://animals&code=cow", false, ""),
    ] {
        let found = server
            .get(&format!("/ConceptMap/{path}"))
            .await
            .expect(200)
            .json();
        assert_eq!(value(&found, "result"), result, "{path}: {found}");
        let all = found["parameter"].as_array().into_iter().flatten();
        let matches = all.filter(|one| one["name"] == "match").map(|one| {
            let parts = json!({"parameter": one["part"]});
            assert_eq!(value(&parts, "source"), "http://maps/map|3");
            let code = value(&parts, "concept")["code"].clone();
            let equivalence = value(&parts, "equivalence");
            format!(
                "{} {}",
                value_text(&equivalence),
                code.as_str().unwrap_or("-")
            )
        });
        assert_eq!(matches.collect::<Vec<_>>().join(", "), expected, "{path}");
    }
    for (path, status) in [
        (
            "$translate?url=http://nope&system=http://animals&code=dog",
            404,
        ),
        ("nope/$translate?system=http://animals&code=dog", 404),
        ("$translate?code=dog", 400),
        ("$translate?system=http://animals", 400),
    ] {
        server
            .get(&format!("/ConceptMap/{path}"))
            .await
            .expect(status);
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn operations_are_listed_where_they_are() {
    let server = Server::start().await;
    let statement = server.get("/metadata").await.json();
    let of = |name: &str| {
        let resources = statement["rest"][0]["resource"]
            .as_array()
            .expect("resources");
        let found = resources
            .iter()
            .find(|one| one["type"] == name)
            .expect(name);
        found["operation"].to_string()
    };
    for (name, operation, expected) in [
        ("ValueSet", "ValueSet-expand", true),
        ("ValueSet", "ValueSet-validate-code", true),
        ("CodeSystem", "CodeSystem-validate-code", true),
        ("CodeSystem", "CodeSystem-lookup", true),
        ("CodeSystem", "CodeSystem-subsumes", true),
        ("ConceptMap", "ConceptMap-translate", true),
        ("CodeSystem", "ValueSet-", false),
        ("Patient", "ValueSet-expand", false),
    ] {
        assert_eq!(of(name).contains(operation), expected, "{name} {operation}");
    }
    let terminology = server.get("/metadata?mode=terminology").await.json();
    assert_eq!(terminology["expansion"]["paging"], true);
}
