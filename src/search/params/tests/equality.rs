//! Equality and text: token, reference, uri and string.

use super::*;

#[test]
fn tokens_take_four_forms() {
    let identified = |identifier: Value| patient(json!({"identifier": [identifier]}));
    let own = identified(json!({"system": "sys", "value": "v"}));
    let none = identified(json!({"value": "v"}));
    let other = identified(json!({"system": "other", "value": "v"}));
    for (query, found) in [
        ("identifier=sys|", [true, false, false]),
        ("identifier=|v", [false, true, false]),
        ("identifier=v", [true, true, true]),
        ("identifier=sys|v", [true, false, false]),
        ("identifier=V", [false, false, false]),
        ("identifier:not=sys|v", [false, true, true]),
        ("identifier:missing=false", [true, true, true]),
    ] {
        let results = [&own, &none, &other].map(|patient| finds(patient, query));
        assert_eq!(results, found, "{query}");
    }
    for value in ["A|B", "A,B", "A$B", "A\\B", "s|code,", "Über"] {
        let escaped = escape::escape(value);
        let patient = identified(json!({"system": "s", "value": value}));
        assert!(finds(&patient, &format!("identifier={escaped}")), "{value}");
        assert!(
            finds(&patient, &format!("identifier=s|{escaped}")),
            "{value}"
        );
        assert!(!finds(&own, &format!("identifier={escaped}")), "{value}");
    }
    check(
        &identified(json!({"value": "Über"})),
        &[("identifier=uber", false), ("identifier=ÜBER", false)],
    );
    let long = "x".repeat(10_000);
    let nearly = format!("{}y", "x".repeat(9_999));
    check(
        &identified(json!({"system": "s", "value": long})),
        &[
            (&format!("identifier={long}"), true),
            (&format!("identifier=s|{nearly}"), false),
        ],
    );
}

#[test]
fn tokens_of_every_datatype() {
    let subject = patient(json!({
        "active": true, "gender": "male", "deceasedDateTime": "2020",
        "meta": {"tag": [{"system": "t", "code": "x"}], "security": [{"code": "N"}],
            "profile": ["http://p|1.0"], "source": "http://src#frag"},
        "telecom": [{"system": "phone", "value": "(03) 5555"}, {"system": "email", "value": "A@B.org"}],
        "communication": [{"language": {"coding": [{"system": "urn:ietf:bcp:47", "code": "de"}, {"code": "x"}]}}],
    }));
    check(
        &subject,
        &[
            ("gender=male", true),
            (
                "gender=http://hl7.org/fhir/administrative-gender|male",
                true,
            ),
            ("gender=http://hl7.org/fhir/administrative-gender|", true),
            ("gender=http://other|", false),
            ("gender=http://other|male", false),
            ("gender=|male", false),
            ("gender=female,male", true),
            ("gender:not=male", false),
            ("gender:not=female", true),
            ("gender:not=female,male", false),
            ("active=true", true),
            ("active=false", false),
            ("deceased=true", true),
            ("phone=(03) 5555", true),
            ("email=a@b.org", true),
            ("email=(03) 5555", false),
            ("telecom=(03) 5555", true),
            ("language=de", true),
            ("language=x", true),
            ("language=|x", true),
            ("language=|de", false),
            ("language=urn:ietf:bcp:47|", true),
            ("_tag=t|x", true),
            ("_tag=t|y", false),
            ("_security=N", true),
            ("_profile=http://p|1.0", true),
            ("_profile=http://p", true),
            ("_profile=http://p|2.0", false),
            ("_source=http://src", true),
            ("_source=http://src#frag", true),
            ("_source=http://SRC", false),
            ("_source:missing=false", true),
            ("_id=p1", true),
            ("_id=P1", false),
            ("_id=x,p1", true),
            ("_id=a b", false),
        ],
    );
    check(
        &patient(json!({"_gender": {"extension": [{"url": "x", "valueCode": "y"}]}})),
        &[
            ("gender:missing=true", true),
            ("gender:missing=false", false),
            ("gender:not=male", true),
            ("deceased=false", true),
            ("deceased=true", false),
            ("_tag:missing=true", true),
        ],
    );
    check(
        &patient(json!({"deceasedBoolean": false})),
        &[("deceased=false", true)],
    );
    check(
        &observation(
            json!({"category": [{"coding": [{"code": "vital-signs"}]}, {"coding": [{"code": "exam"}]}],
            "code": {"text": "free"}}),
        ),
        &[
            ("category:not=vital-signs", false),
            ("category:not=laboratory", true),
            ("code:missing=false", true),
            ("combo-code:missing=false", true),
            ("component-code:missing=true", true),
            ("code=free", false),
        ],
    );
    check(
        &observation(json!({"component": [{"code": {"coding": [{"code": "c"}]}}]})),
        &[
            ("combo-code:missing=false", true),
            ("code:missing=true", true),
            ("component-code:missing=false", true),
            ("status=http://hl7.org/fhir/observation-status|", true),
        ],
    );
    check(
        &patient(json!({})),
        &[
            ("gender=http://hl7.org/fhir/administrative-gender|", false),
            (
                "gender:not=http://hl7.org/fhir/administrative-gender|",
                true,
            ),
        ],
    );
}

#[test]
fn references_resolve_to_one_form() {
    let of = |reference: &str| observation(json!({"subject": {"reference": reference}}));
    for reference in [
        "Patient/1",
        "http://me/fhir/Patient/1",
        "Patient/1/_history/2",
    ] {
        check(
            &of(reference),
            &[
                ("subject=Patient/1", true),
                ("subject=http://me/fhir/Patient/1", true),
                ("subject=1", true),
                ("patient=1", true),
                ("patient=Patient/1", true),
                ("patient=Practitioner/1", false),
                ("patient:Patient=1", true),
                ("subject:Patient=1", true),
                ("subject:Patient=Patient/1", true),
                ("subject:Group=1", false),
                ("subject:Patient=Group/1", false),
                ("subject=Patient/2,Patient/1", true),
                ("subject=http://other/fhir/Patient/1", false),
                ("subject:missing=false", true),
                ("patient:missing=false", true),
            ],
        );
    }
    check(
        &of("Group/1"),
        &[
            ("subject=1", true),
            ("patient=1", false),
            ("patient=Group/1", false),
            ("patient:missing=true", true),
            ("subject:missing=true", false),
        ],
    );
    check(
        &of("https://other/fhir/Patient/1"),
        &[
            ("subject=Patient/1", false),
            ("patient=1", false),
            ("subject=https://other/fhir/Patient/1", true),
            ("patient=https://other/fhir/Patient/1", true),
            ("subject:missing=false", true),
        ],
    );
    for reference in [
        "#p",
        "urn:uuid:0c3151bd-1cbf-4d64-b04d-cd9187a4c6e0",
        "nonsense",
    ] {
        let rows = index(&of(reference));
        let asked =
            compiled(resource_type("Observation"), "subject:missing=false").expect("compiles");
        assert!(
            holds(&asked, &of(reference), &rows),
            "{reference} is present"
        );
    }
    check(
        &observation(json!({"subject": {"display": "Peter"}})),
        &[
            ("subject=Peter", false),
            ("subject:missing=false", true),
            ("patient:missing=true", true),
        ],
    );
    check(
        &observation(
            json!({"subject": {"type": "Patient", "identifier": {"system": "s", "value": "v"}}}),
        ),
        &[
            ("subject:identifier=s|v", true),
            ("subject:identifier=v", true),
            ("subject:identifier=s|", true),
            ("subject:identifier=|v", false),
            ("subject:identifier=s|w", false),
            ("patient:missing=false", true),
        ],
    );
    check(
        &json!({"resourceType": "MeasureReport", "measure": "http://m/Measure/1|2.0"}),
        &[
            ("measure=http://m/Measure/1", true),
            ("measure=http://m/Measure/1|2.0", true),
            ("measure=http://m/Measure/1\\|2.0", true),
            ("measure=http://m/Measure/1|3.0", false),
        ],
    );
}

#[test]
fn strings_begin_with_what_is_asked() {
    let named = patient(json!({
        "name": [{"family": "Carreno Quinones", "given": ["Kaśka", "Ann-Marie"], "prefix": ["Dr."]},
            {"text": "Someone Else"}],
        "address": [{"line": ["12 Main St."], "city": "São Paulo", "use": "home"}],
    }));
    check(
        &named,
        &[
            ("family=carreno", true),
            ("family=Quinones", true),
            ("family=quinones carreno", false),
            ("family=arreno", false),
            ("family:contains=rreno qui", true),
            ("family:exact=Carreno Quinones", true),
            ("family:exact=carreno quinones", false),
            ("family:exact=Quinones", false),
            ("given=kaska", true),
            ("given:exact=Kaska", false),
            ("given:exact=Kaśka", true),
            ("given=ann marie", true),
            ("given=marie", true),
            ("given=kaska&given=ann", true),
            ("name=dr", true),
            ("name=else", true),
            ("name=Quin", true),
            ("name=home", false),
            ("phonetic=Quin", true),
            ("address=main", true),
            ("address=sao", true),
            ("address=home", false),
            ("address-city=SÃO", true),
            ("address-city=paulo", false),
            ("name=...", false),
            ("name:missing=false", true),
            ("name:missing=true", false),
            ("address-state:missing=true", true),
        ],
    );
    let title: String = ('a'..='z')
        .cycle()
        .take(395)
        .chain("ENDE!".chars())
        .collect();
    let titled = json!({"resourceType": "Composition", "title": title});
    let start: String = title.chars().take(350).collect();
    check(
        &titled,
        &[
            ("title:contains=ende", true),
            (&format!("title={start}"), true),
            (&format!("title={}", start.replace("mnop", "mnxp")), false),
            (&format!("title={start}x{start}"), false),
            (&format!("title:contains={}", &start[37..]), true),
            (&format!("title:exact={title}"), true),
            ("title=bcd", false),
        ],
    );
    check(
        &patient(json!({"_birthDate": {"extension": []}, "name": [{"extension": [{"url": "x"}]}]})),
        &[("name:missing=true", true)],
    );
}

#[test]
fn bad_values_are_refused_with_a_reason() {
    for (of, query, says) in [
        ("Patient", "birthdate=2024-02-30", "expected a date"),
        ("Patient", "birthdate=24-1-1", "expected a date"),
        ("Patient", "birthdate=foo", "found `foo`"),
        ("Patient", "birthdate=2024-01-01T10", "expected a date"),
        ("Patient", "birthdate=xx2024", "found `xx`"),
        ("Patient", "birthdate=GE2024", "found `GE`"),
        ("Patient", "birthdate:exact=2024", "found :exact"),
        (
            "Observation",
            "component-value-quantity=ll109",
            "found `ll`",
        ),
        ("Observation", "value-quantity=5|mg", "expected a quantity"),
        ("Observation", "value-quantity=abc", "found `abc`"),
        ("RiskAssessment", "probability=1.", "expected a number"),
        ("Patient", "name:foo=x", ":exact, :contains"),
        ("Patient", "name:in=x", "found :in"),
        ("Observation", "code:contains=x", ":missing, :not"),
        ("Patient", "gender:text=x", "codes with a text"),
        ("Observation", "subject:Nope=1", "found :Nope"),
        ("Observation", "subject:Practitioner=1", "refers to"),
        ("Observation", "subject=a/b/c", "expected an id"),
        ("Patient", "identifier=a|b|c", "more than one"),
        ("Patient", "identifier=|", "`|` alone"),
        ("Patient", "identifier=x,", "found nothing"),
        ("Patient", "identifier=a\\b", "backslash"),
        ("Patient", "name=a\u{0}", "U+0000"),
        ("Patient", "name:missing=x", "true or false"),
        ("Location", "near=1", "latitude|longitude"),
        (
            "Observation",
            "code-value-quantity=a$b",
            "value-quantity: expected a number",
        ),
    ] {
        let issue = compiled(resource_type(of), query).expect_err(query);
        assert!(issue.text.contains(says), "{query}: {}", issue.text);
    }
}

#[test]
fn includes_follow_the_references_of_a_parameter() {
    let resource = observation(json!({
        "subject": {"reference": "Patient/1/_history/4"},
        "performer": [{"reference": "Practitioner/2"}, {"display": "nobody"}, {"reference": "#x"}],
    }));
    let of = type_of(&resource);
    let literals = |code: &str| -> Vec<(&str, Option<ResourceType>)> {
        let parameter = REGISTRY.parameter(of, code).expect("a parameter");
        let branches: Vec<_> = parameter.branches.iter().collect();
        let found = REGISTRY.literals(of, &branches, &resource, BASE);
        found.iter().map(|one| (one.text, one.only)).collect()
    };
    let patient = resource_type("Patient");
    assert_eq!(literals("subject"), [("Patient/1/_history/4", None)]);
    assert_eq!(
        literals("patient"),
        [("Patient/1/_history/4", Some(patient))]
    );
    assert_eq!(
        literals("performer"),
        [("Practitioner/2", None), ("#x", None)]
    );
    assert_eq!(literals("encounter"), []);
}

#[test]
fn whoever_refers_to_a_resource_has_one_of_its_referrer_entries() {
    let refers = |resource: &Value, name: &str, id: &str| {
        let key = resource_key(resource_type(name), id);
        let asked: HashSet<i64> = REGISTRY.referrer_entries(TENANT, key).into_iter().collect();
        index(resource)
            .entries
            .iter()
            .any(|entry| asked.contains(entry))
    };
    let resource = observation(json!({
        "subject": {"reference": "Patient/1"},
        "extension": [{"url": "x", "valueReference": {"reference": "Group/2"}}],
        "contained": [{"resourceType": "Specimen", "collection": {"collector": {"reference": "Practitioner/3"}}}],
    }));
    assert!(refers(&resource, "Patient", "1"), "covered by subject");
    assert!(refers(&resource, "Group", "2"), "in an extension");
    assert!(
        refers(&resource, "Practitioner", "3"),
        "in a contained resource"
    );
    assert!(!refers(&resource, "Patient", "2"));
    println!(
        "slots of references: {}",
        REGISTRY.referrer_entries(TENANT, 0).len()
    );
}
