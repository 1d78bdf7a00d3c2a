//! Modifiers and value rules of token, uri, reference and string. Rows of the table of edge
//! cases are named by their number. <https://hl7.org/fhir/R4/search.html#modifiers>

use super::*;
use serde_json::json;

fn observation(id: &str, more: Value) -> Value {
    with(
        json!({"resourceType": "Observation", "id": id, "status": "final"}),
        more,
    )
}

fn patient(id: &str, more: Value) -> Value {
    with(json!({"resourceType": "Patient", "id": id}), more)
}

fn with(mut resource: Value, more: Value) -> Value {
    for (name, value) in more.as_object().expect("an object") {
        resource[name] = value.clone();
    }
    resource
}

/// TA22, TA25, TA27: what is absent, what is one of several, what is deleted.
#[tokio::test(flavor = "multi_thread")]
async fn not_is_asked_of_all_values_of_what_exists() {
    let mut world = World::new().await;
    let category = |code: &str| json!({"coding": [{"system": "http://c", "code": code}]});
    for resource in [
        patient("male", json!({"gender": "male"})),
        patient("none", json!({})),
        patient("gone", json!({"meta": {"security": [{"code": "N"}]}})),
        observation(
            "both",
            json!({"category": [category("vital-signs"), category("exam")]}),
        ),
        observation("exam", json!({"category": [category("exam")]})),
    ] {
        world.put(resource).await;
    }
    world.delete("Patient/gone").await;
    world
        .check(&[
            ("Patient?gender:not=male", "none"),
            ("Patient?gender:not=female", "male none"),
            ("Patient?_security:not=V", "male none"),
            ("Observation?category:not=vital-signs", "exam"),
            ("Observation?category:not=vital-signs,exam", ""),
            ("Patient?_id:not=male", "none"),
        ])
        .await;
}

/// TA28 to TA32 and TA35: the four forms, case, escapes, long values.
#[tokio::test(flavor = "multi_thread")]
async fn identifiers_are_found_by_each_form() {
    let mut world = World::new().await;
    let long = "x".repeat(5000);
    for (id, identifier) in [
        ("1", json!({"system": "sys", "value": "v"})),
        ("2", json!({"value": "v"})),
        ("3", json!({"system": "other", "value": "v"})),
        ("umlaut", json!({"value": "Über"})),
        ("pipe", json!({"value": "A|B"})),
        ("comma", json!({"value": "A,B"})),
        ("dollar", json!({"value": "A$B"})),
        ("slash", json!({"value": "A\\B"})),
        ("last", json!({"system": "sys", "value": "code,"})),
        ("long", json!({"system": "sys", "value": long})),
    ] {
        world
            .put(patient(id, json!({"identifier": [identifier]})))
            .await;
    }
    let nearly = format!("{}y", &long[..4999]);
    world
        .check(&[
            ("Patient?identifier=sys|v", "1"),
            ("Patient?identifier=|v", "2"),
            ("Patient?identifier=v", "1 2 3"),
            ("Patient?identifier=other|", "3"),
            ("Patient?identifier=uber", ""),
            ("Patient?identifier=%C3%9Cber", "umlaut"),
            ("Patient?identifier=A\\|B", "pipe"),
            ("Patient?identifier=A\\,B", "comma"),
            ("Patient?identifier=A\\$B", "dollar"),
            ("Patient?identifier=A\\\\B", "slash"),
            ("Patient?identifier=sys|code\\,", "last"),
            ("Patient?identifier=pipe,", ""),
            (&format!("Patient?identifier={long}"), "long"),
            (&format!("Patient?identifier={nearly}"), ""),
        ])
        .await;
}

#[tokio::test(flavor = "multi_thread")]
async fn text_begins_what_goes_with_a_code() {
    let mut world = World::new().await;
    for resource in [
        observation(
            "text",
            json!({"code": {"text": "Körper-Größe (Œuvre)"},
                "component": [{"code": {"text": "Systolic"}}, {"code": {"coding": [{"display": "Diastolic"}]}}]}),
        ),
        observation(
            "display",
            json!({"code": {"coding": [{"code": "a"}, {"display": "Body  Height"}]},
                "meta": {"tag": [{"code": "t", "display": "Tagged"}]}}),
        ),
        observation("none", json!({"code": {"coding": [{"code": "body"}]}})),
        patient(
            "typed",
            json!({"identifier": [{"value": "1", "type": {"text": "Medical Record"}}]}),
        ),
    ] {
        world.put(resource).await;
    }
    world
        .check(&[
            ("Observation?code:text=body", "display"),
            ("Observation?code:text=BODY%20HEI", "display"),
            ("Observation?code:text=height", ""),
            ("Observation?code:text=korper%20gro%C3%9Fe%20oeuvre", "text"),
            ("Observation?code:text=KÖRPER/GRÖSSE", "text"),
            ("Observation?code:text=body,k", "display text"),
            ("Observation?code:text=body&code=a", "display"),
            ("Observation?code:text=...", ""),
            ("Observation?component-code:text=diast", "text"),
            ("Observation?combo-code:text=syst", "text"),
            ("Observation?_tag:text=tag", "display"),
            ("?_tag:text=tag", "display"),
            ("?_type=Observation,Condition&code:text=body", "display"),
            ("Patient?identifier:text=medical", "typed"),
        ])
        .await;
    let (code, text) = world.refusal("Patient?gender:text=male").await;
    assert_eq!(code, "not-supported");
    assert!(text.contains("gender"), "{text}");
}

/// The normal form that SQL makes of a text is that of `params::string`.
#[tokio::test(flavor = "multi_thread")]
async fn nasty_texts_have_one_normal_form() {
    let mut world = World::new().await;
    let texts = [
        "Kaśka",
        "  O'Brien,  St. Mary-Anne ",
        "Ångström",
        "ẞtraße",
        "ΣΊΣΥΦΟΣ",
        "Łódź Øre Þór",
        "İstanbul ı",
        "ﬁn ＦＵＬＬ ﷺ",
        "王小明 ｶﾞ 한국",
        "\u{1F642} ok",
        "a\u{301}\u{1AB0}b",
        "tab\tand\nline\u{a0}nbsp\u{2003}em",
        "Ǆ ǅ Ӂ Ꙗ Ა \u{10400}",
        "½ ² № ™ … ‚quoted‘",
        "x\u{200B}y\u{FEFF}z",
    ];
    for (n, text) in texts.iter().enumerate() {
        let code = json!({"code": {"text": text}});
        world.put(observation(&format!("o{n}"), code)).await;
    }
    for (n, text) in texts.iter().enumerate() {
        let normal = andiron::search::params::string::normalise(text);
        for asked in [normal.as_str(), text] {
            let escaped = andiron::search::params::escape::escape(asked);
            let value =
                percent_encoding::utf8_percent_encode(&escaped, percent_encoding::NON_ALPHANUMERIC);
            let found = world.walk(&format!("Observation?code:text={value}")).await;
            assert_eq!(found, [format!("Observation/o{n}")], "{text:?} {asked:?}");
        }
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn of_type_takes_all_three() {
    let mut world = World::new().await;
    let v2 = "http://terminology.hl7.org/CodeSystem/v2-0203";
    let typed = |code: &str| json!({"system": "s", "value": "1|2", "type": {"coding": [{"system": v2, "code": code}]}});
    for resource in [
        patient("mr", json!({"identifier": [typed("MR")]})),
        patient("ss", json!({"identifier": [typed("SS"), {"value": "3"}]})),
    ] {
        world.put(resource).await;
    }
    world
        .check(&[
            (&format!("Patient?identifier:of-type={v2}|MR|1\\|2"), "mr"),
            (&format!("Patient?identifier:ofType={v2}|SS|1\\|2"), "ss"),
            (&format!("Patient?identifier:of-type={v2}|MR|3"), ""),
            (
                &format!("Patient?identifier:of-type={v2}|MR|1\\|2,{v2}|SS|1\\|2"),
                "mr ss",
            ),
        ])
        .await;
    for (url, says) in [
        (format!("Patient?identifier:of-type={v2}|MR"), "all three"),
        ("Patient?identifier:of-type=|MR|1".to_owned(), "all three"),
        ("Patient?gender:of-type=a|b|c".to_owned(), "identifiers"),
    ] {
        let (_, text) = world.refusal(&url).await;
        assert!(text.contains(says), "{url}: {text}");
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn uris_have_paths() {
    let mut world = World::new().await;
    let set = |id: &str, url: &str| json!({"resourceType": "ValueSet", "id": id, "url": url});
    for resource in [
        set("fhir", "http://acme.org/fhir"),
        set("slash", "http://acme.org/fhir/"),
        set("one", "http://acme.org/fhir/ValueSet/1"),
        set("two", "http://acme.org/fhir/ValueSet/1/x"),
        set("near", "http://acme.org/fhirstore"),
        set("urn", "urn:oid:1.2.3"),
        patient(
            "p",
            json!({"meta": {"source": "http://lab/a/b#run1", "profile":
                ["http://us/core-patient|3.1.1", "http://us/core-patient|4.0"]}}),
        ),
        patient(
            "q",
            json!({"meta": {"source": "http://lab/a", "profile": ["http://us/core-patient"]}}),
        ),
    ] {
        world.put(resource).await;
    }
    world
        .check(&[
            ("ValueSet?url=http://acme.org/fhir", "fhir"),
            ("ValueSet?url=urn:oid:1.2.3", "urn"),
            (
                "ValueSet?url:below=http://acme.org/fhir",
                "fhir one slash two",
            ),
            (
                "ValueSet?url:below=http://acme.org/fhir/",
                "fhir one slash two",
            ),
            (
                "ValueSet?url:below=http://acme.org/fhir/ValueSet/1",
                "one two",
            ),
            ("ValueSet?url:below=http://acme.org/fhir/Value", ""),
            (
                "ValueSet?url:above=http://acme.org/fhir/ValueSet/1/x/y",
                "fhir one slash two",
            ),
            ("ValueSet?url:above=http://acme.org/fhir", "fhir slash"),
            ("ValueSet?url:above=http://acme.org/fhirstore", "near"),
            ("Patient?_source=http://lab/a/b", "p"),
            ("Patient?_source=http://lab/a/b%23run1", "p"),
            ("Patient?_source=http://lab/a/b%23run2", ""),
            ("Patient?_source:below=http://lab/a", "p q"),
            ("Patient?_source:above=http://lab/a/b%23run1", "p q"),
            ("Patient?_profile=http://us/core-patient", "p q"),
            ("Patient?_profile=http://us/core-patient|4.0", "p"),
            ("Patient?_profile:below=http://us/core-patient|3.1", "p"),
            ("Patient?_profile:below=http://us/core-patient|3", "p"),
            ("Patient?_profile:below=http://us/core-patient|4.0.1", ""),
            ("Patient?_profile:below=http://us/core-patient", "p q"),
            ("Patient?_profile:below=http://us", "p q"),
            ("?_profile:below=http://us", "p q"),
        ])
        .await;
    for url in [
        "ValueSet?url:below=urn:oid:1",
        "ValueSet?url:above=urn:oid:1",
    ] {
        let (code, text) = world.refusal(url).await;
        assert!(code == "value" && text.contains("urn:"), "{url}: {text}");
    }
}

/// TB4 to TB8.
#[tokio::test(flavor = "multi_thread")]
async fn references_are_found_by_each_form() {
    let mut world = World::new().await;
    let of = |reference: &str| json!({"subject": {"reference": reference}});
    for resource in [
        patient("1", json!({})),
        patient("2", json!({})),
        json!({"resourceType": "Device", "id": "2"}),
        observation("relative", of("Patient/1")),
        observation("absolute", of("http://andiron.test/fhir/Patient/1")),
        observation("versioned", of("Patient/1/_history/2")),
        observation("elsewhere", of("https://other/fhir/Patient/1")),
        observation("elsewhere-2", of("https://other/fhir/Patient/1/_history/2")),
        observation(
            "logical",
            json!({"subject": {"identifier": {"system": "s", "value": "v"}}}),
        ),
        observation("device", of("Device/2")),
        observation("patient", of("Patient/2")),
    ] {
        world.put(resource).await;
    }
    let here = "absolute relative versioned";
    world
        .check(&[
            // TB5
            ("Observation?subject=Patient/1", here),
            (
                "Observation?subject=http://andiron.test/fhir/Patient/1",
                here,
            ),
            ("Observation?subject=1", here),
            ("Observation?patient=1", here),
            ("Observation?subject:Patient=1", here),
            // TB6
            ("Observation?subject=Patient/1/_history/2", "versioned"),
            (
                "Observation?subject=http://andiron.test/fhir/Patient/1/_history/2",
                "versioned",
            ),
            ("Observation?subject=Patient/1/_history/3", ""),
            // TB7
            (
                "Observation?subject=https://other/fhir/Patient/1",
                "elsewhere elsewhere-2",
            ),
            (
                "Observation?subject=https://other/fhir/Patient/1/_history/2",
                "elsewhere-2",
            ),
            // TB8
            ("Observation?subject:identifier=s|v", "logical"),
            ("Observation?subject:identifier=s|w", ""),
            ("Observation?patient=2", "patient"),
            ("Observation?subject:Device=2", "device"),
        ])
        .await;
    // TB4
    let (code, text) = world.refusal("Observation?subject=1,2").await;
    assert_eq!(code, "multiple-matches");
    assert!(
        text.contains("Device/2, Patient/2") || text.contains("Patient/2, Device/2"),
        "{text}"
    );
}

#[tokio::test(flavor = "multi_thread")]
async fn places_are_parts_of_places() {
    let mut world = World::new().await;
    let place = |id: &str, part_of: &str| json!({"resourceType": "Location", "id": id, "partOf": {"reference": part_of}});
    let encounter = |id: &str, place: &str| json!({"resourceType": "Encounter", "id": id, "location": [{"location": {"reference": place}}]});
    for resource in [
        json!({"resourceType": "Location", "id": "house"}),
        place("floor", "Location/house"),
        place("room", "Location/floor"),
        place("bed", "Location/room"),
        place("a", "Location/b"),
        place("b", "Location/a"),
        encounter("in-bed", "Location/bed"),
        encounter("in-floor", "Location/floor"),
        encounter("in-a", "Location/a"),
        encounter("nowhere", "Location/gone"),
    ] {
        world.put(resource).await;
    }
    world
        .check(&[
            ("Encounter?location:below=Location/house", "in-bed in-floor"),
            ("Encounter?location:below=Location/room", "in-bed"),
            ("Encounter?location:below=room", "in-bed"),
            ("Encounter?location:above=Location/room", "in-floor"),
            ("Encounter?location:above=Location/bed", "in-bed in-floor"),
            ("Encounter?location:below=Location/b", "in-a"),
            ("Encounter?location:above=Location/b", "in-a"),
            ("Encounter?location:below=Location/gone", "nowhere"),
            ("Encounter?location:below=Location/unknown", ""),
            ("Location?partof:below=Location/house", "bed floor room"),
            ("Location?partof:above=Location/room", "bed floor room"),
            ("Location?partof:below=Location/a", "a b"),
        ])
        .await;
    for (url, code, says) in [
        (
            "Observation?subject:below=Patient/1",
            "not-supported",
            "Patient",
        ),
        ("Observation?subject:below=1", "value", "Type/id"),
        ("Encounter?location:below=http://x/y", "value", "Type/id"),
    ] {
        let (found, text) = world.refusal(url).await;
        assert!(
            found == code && text.contains(says),
            "{url}: {found} {text}"
        );
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn canonicals_have_versions() {
    let mut world = World::new().await;
    for (id, measure) in [
        ("none", "http://m"),
        ("one", "http://m|1"),
        ("one-two", "http://m|1.2"),
        ("ten", "http://m|10"),
    ] {
        world
            .put(json!({"resourceType": "MeasureReport", "id": id, "measure": measure}))
            .await;
    }
    world
        .check(&[
            ("MeasureReport?measure=http://m", "none one one-two ten"),
            ("MeasureReport?measure=http://m|1", "one"),
            ("MeasureReport?measure:below=http://m|1", "one one-two"),
            (
                "MeasureReport?measure:below=http://m",
                "none one one-two ten",
            ),
        ])
        .await;
    let (code, _) = world
        .refusal("MeasureReport?measure:above=http://m|1")
        .await;
    assert_eq!(code, "not-supported");
}

#[tokio::test(flavor = "multi_thread")]
async fn mime_types_are_ranges() {
    let mut world = World::new().await;
    for (id, mime) in [
        ("xml", "text/xml"),
        ("utf8", "text/xml; charset=utf-8"),
        ("png", "image/png"),
        ("xmlish", "text/xml-dtd"),
    ] {
        let content = json!([{"attachment": {"contentType": mime}}]);
        world
            .put(json!({"resourceType": "DocumentReference", "id": id, "content": content}))
            .await;
    }
    world
        .check(&[
            ("DocumentReference?contenttype=text/xml", "xml"),
            ("DocumentReference?contenttype:below=text/xml", "utf8 xml"),
            (
                "DocumentReference?contenttype:below=text",
                "utf8 xml xmlish",
            ),
            ("DocumentReference?contenttype:below=image/*", "png"),
            (
                "DocumentReference?contenttype:above=text/xml;%20charset=utf-8",
                "utf8 xml",
            ),
            ("DocumentReference?contenttype:above=text/xml", "xml"),
        ])
        .await;
}

/// TA33, TA34, TA36, TA37.
#[tokio::test(flavor = "multi_thread")]
async fn strings_are_found_by_their_modifiers() {
    let mut world = World::new().await;
    let title: String = ('a'..='z')
        .cycle()
        .take(395)
        .chain("ENDE!".chars())
        .collect();
    for resource in [
        patient(
            "k",
            json!({"name": [{"given": ["Kaśka"], "text": "Kaśka von der Heide"}]}),
        ),
        json!({"resourceType": "Composition", "id": "long", "title": title}),
    ] {
        world.put(resource).await;
    }
    world
        .check(&[
            ("Patient?given=kaska", "k"),
            ("Patient?given:exact=Kaska", ""),
            ("Patient?given:exact=Kaśka", "k"),
            ("Patient?name:text=heide%20kaska", "k"),
            ("Patient?name:text=heide%20anna", ""),
            ("Composition?title:contains=ende!", "long"),
        ])
        .await;
    for (url, says) in [
        ("Patient?name=%00", "U+0000"),
        ("Patient?name:foo=x", ":foo"),
        ("Observation?code:contains=x", ":contains"),
        ("Patient?_id:in=x", ":missing, :not"),
        ("Patient?_text:missing=true", "none"),
    ] {
        let (_, text) = world.refusal(url).await;
        assert!(text.contains(says), "{url}: {text}");
    }
}
