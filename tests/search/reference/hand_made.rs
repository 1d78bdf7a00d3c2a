//! Resources made to be difficult: each says beside it what is nasty about it.

use crate::harness::BASE;
use serde_json::{Value, json};

/// All of them. Ids begin with `nasty`, ids of pairs that differ in one thing only with the
/// same word.
pub fn resources() -> Vec<Value> {
    let mut all = people();
    all.extend(measurements());
    all.extend(times());
    all.extend(links());
    all.extend(artifacts());
    all
}

fn people() -> Vec<Value> {
    let mut all = vec![
        // Accents, ligatures, letters that do not decompose, words within a name.
        json!({"resourceType": "Patient", "id": "nasty-accents", "gender": "female", "active": true,
            "name": [{"family": "Carreño Quiñones", "given": ["Kaśka", "Zoë Ann"]}, {"text": "Æsa Þórðardóttir"}],
            "birthDate": "1974-12-25", "address": [{"city": "São Paulo", "line": ["12, Rua d'Água", "Apt. #4"], "postalCode": "0123-4"}]}),
        json!({"resourceType": "Patient", "id": "nasty-plain", "gender": "female", "active": true,
            "name": [{"family": "Carreno Quinones", "given": ["Kaska", "Zoe"]}, {"text": "Aesa Thordardottir"}],
            "birthDate": "1974", "address": [{"city": "Sao Paulo", "country": "BR", "use": "home"}]}),
        // Other scripts, an emoji, punctuation alone, one letter.
        json!({"resourceType": "Patient", "id": "nasty-scripts", "gender": "other",
            "name": [{"family": "王小明", "given": ["😀", "..."]}, {"family": "ΣΊΣΥΦΟΣ", "given": ["ﬁn", "Иван"]}, {"family": "O"}],
            "birthDate": "1974-12"}),
        // Case and white space; values that are the beginning of others.
        json!({"resourceType": "Patient", "id": "nasty-spaces", "name": [{"family": "van  der\tBerg-Smith_Jones/Brown", "given": ["Anne-Marie", "ANNE", "anne"], "prefix": ["Dr."], "suffix": ["Jr."]}],
            "telecom": [{"system": "phone", "value": "+1 (555) 123-4567", "use": "home"}, {"system": "email", "value": "Anne@Example.ORG"}, {"value": "anne@example.org"}, {"system": "phone"}]}),
        // Separators within values.
        json!({"resourceType": "Patient", "id": "nasty-separators", "identifier": [
            {"system": "urn:s", "value": "A|B"}, {"system": "urn:s", "value": "A,B"}, {"system": "urn:s", "value": "A$B"},
            {"system": "urn:s", "value": "A\\B"}, {"system": "urn:s", "value": "code,"}, {"system": "urn:s", "value": "a b+c%20&d=e?f#g"}],
            "name": [{"family": "a,b|c$d\\e"}]}),
        // The four forms of tokens.
        json!({"resourceType": "Patient", "id": "nasty-token-both", "identifier": [{"system": "urn:s", "value": "v"}]}),
        json!({"resourceType": "Patient", "id": "nasty-token-none", "identifier": [{"value": "v"}]}),
        json!({"resourceType": "Patient", "id": "nasty-token-other", "identifier": [{"system": "urn:s2", "value": "v"}]}),
        json!({"resourceType": "Patient", "id": "nasty-token-case", "identifier": [{"system": "urn:S", "value": "V"}, {"value": "Über"}]}),
        json!({"resourceType": "Patient", "id": "nasty-token-system", "identifier": [{"system": "urn:s"}]}),
        json!({"resourceType": "Patient", "id": "nasty-token-type", "identifier": [
            {"type": {"coding": [{"system": "http://terminology.hl7.org/CodeSystem/v2-0203", "code": "MR"}], "text": "Medical record"}, "system": "urn:mr", "value": "446053"},
            {"type": {"coding": [{"system": "http://terminology.hl7.org/CodeSystem/v2-0203", "code": "SS"}]}, "value": "446054"}]}),
        // Ids that differ in case.
        json!({"resourceType": "Patient", "id": "nasty-Id", "active": false, "deceasedBoolean": false}),
        json!({"resourceType": "Patient", "id": "nasty-id", "deceasedDateTime": "2015-02-14T13:42:00+10:00"}),
        json!({"resourceType": "Patient", "id": "nasty-ID", "deceasedBoolean": true, "gender": "unknown"}),
        json!({"resourceType": "Patient", "id": "1.-", "gender": "male"}),
        // Extensions alone are no value.
        json!({"resourceType": "Patient", "id": "nasty-extensions",
            "_birthDate": {"extension": [{"url": "http://hl7.org/fhir/StructureDefinition/data-absent-reason", "valueCode": "unknown"}]},
            "_gender": {"extension": [{"url": "urn:e", "valueString": "x"}]},
            "name": [{"extension": [{"url": "urn:e", "valueString": "x"}]}],
            "maritalStatus": {"extension": [{"url": "urn:e", "valueString": "x"}]},
            "managingOrganization": {"extension": [{"url": "urn:e", "valueString": "x"}]}}),
        // Tags, profiles with versions, a source with a fragment.
        json!({"resourceType": "Patient", "id": "nasty-meta", "language": "pt-BR", "meta": {
            "source": "http://example.org/feed#42",
            "profile": ["http://example.org/profile/a|1.0", "http://example.org/profile/b"],
            "security": [{"system": "http://terminology.hl7.org/CodeSystem/v3-Confidentiality", "code": "R"}],
            "tag": [{"system": "urn:tag", "code": "x"}, {"code": "y"}, {"system": "urn:tag", "display": "No code"}]}}),
        json!({"resourceType": "Patient", "id": "nasty-meta-2", "meta": {
            "source": "http://example.org/feed", "profile": ["http://example.org/profile/a"],
            "security": [{"system": "http://terminology.hl7.org/CodeSystem/v3-Confidentiality", "code": "V"}],
            "tag": [{"system": "urn:tag2", "code": "x"}]}}),
    ];
    // Long texts that differ near their end.
    for (id, end) in [("nasty-long-a", "a"), ("nasty-long-b", "b")] {
        let text = format!("{} {end}", "lengthy words ".repeat(90));
        all.push(
            json!({"resourceType": "Patient", "id": id, "name": [{"family": text}],
            "identifier": [{"system": "urn:long", "value": format!("{}{end}", "9".repeat(3000))}]}),
        );
    }
    all
}

fn observation(id: &str, more: Value) -> Value {
    let mut all = json!({"resourceType": "Observation", "id": format!("nasty-{id}"), "status": "final",
        "code": {"coding": [{"system": "http://loinc.org", "code": "29463-7", "display": "Body Weight"}], "text": "Weight, measured"}});
    for (name, value) in more.as_object().expect("members") {
        all[name] = value.clone();
    }
    all
}

fn parsed(text: &str) -> Value {
    andiron::fhir::json::parse(text.as_bytes(), 50).expect(text)
}

fn measurements() -> Vec<Value> {
    let quantity = |id: &str, text: &str| observation(id, json!({"valueQuantity": parsed(text)}));
    let ucum = r#""system":"http://unitsofmeasure.org""#;
    vec![
        quantity(
            "g-5.4",
            &format!(r#"{{"value":5.4,"unit":"grams",{ucum},"code":"g"}}"#),
        ),
        quantity(
            "g-5.40",
            &format!(r#"{{"value":5.40,"unit":"g",{ucum},"code":"g"}}"#),
        ),
        quantity(
            "mg-5400",
            &format!(r#"{{"value":5400,"unit":"mg",{ucum},"code":"mg"}}"#),
        ),
        quantity(
            "mg-5449.9",
            &format!(r#"{{"value":5449.9,"unit":"milligrams",{ucum},"code":"mg"}}"#),
        ),
        quantity(
            "mg-5450",
            &format!(r#"{{"value":5450,{ucum},"code":"mg"}}"#),
        ),
        quantity("kg", &format!(r#"{{"value":5.4E-3,{ucum},"code":"kg"}}"#)),
        quantity("unit-only", r#"{"value":5.4,"unit":"g"}"#),
        quantity(
            "other-system",
            r#"{"value":5.4,"unit":"g","system":"urn:units","code":"g"}"#,
        ),
        quantity(
            "below",
            &format!(r#"{{"value":5,"comparator":"<",{ucum},"code":"g"}}"#),
        ),
        quantity(
            "above",
            &format!(r#"{{"value":5,"comparator":">=",{ucum},"code":"g"}}"#),
        ),
        quantity("tiny", r#"{"value":1E-22}"#),
        quantity(
            "huge",
            r#"{"value":1234567890123456789012345678901234567890.10}"#,
        ),
        quantity("minus", r#"{"value":-5,"unit":"Cel"}"#),
        quantity("zero", r#"{"value":0.00,"unit":"Cel"}"#),
        quantity("140.0", r#"{"value":140.0,"unit":"mmHg"}"#),
        quantity("99.5", r#"{"value":99.5}"#),
        quantity("100.5", r#"{"value":100.5}"#),
        quantity("no-number", r#"{"unit":"g"}"#),
        observation("string", json!({"valueString": "Négative: see note"})),
        observation(
            "concept",
            json!({"valueCodeableConcept": {"coding": [{"system": "http://snomed.info/sct", "code": "260385009", "display": "Negative"}], "text": "Not found"}}),
        ),
        observation(
            "no-value",
            json!({"dataAbsentReason": {"text": "lost"}, "category": [{"text": "Only text"}]}),
        ),
        observation(
            "categories",
            json!({"category": [{"coding": [{"system": "urn:c", "code": "vital-signs"}]}, {"coding": [{"system": "urn:c", "code": "exam"}, {"code": "loose"}]}]}),
        ),
        // Each part fits, but not on one component.
        observation(
            "pressure",
            json!({"component": [
            {"code": {"coding": [{"system": "http://loinc.org", "code": "8480-6"}]}, "valueQuantity": parsed(r#"{"value":107,"unit":"mmHg","system":"http://unitsofmeasure.org","code":"mm[Hg]"}"#)},
            {"code": {"coding": [{"system": "http://loinc.org", "code": "8462-4"}]}, "valueQuantity": parsed(r#"{"value":60,"unit":"mmHg","system":"http://unitsofmeasure.org","code":"mm[Hg]"}"#)},
            {"code": {"coding": [{"system": "http://loinc.org", "code": "29463-7"}]}, "valueCodeableConcept": {"coding": [{"system": "urn:c", "code": "high"}]}}]}),
        ),
        json!({"resourceType": "RiskAssessment", "id": "nasty-risk", "status": "final", "subject": {"reference": "Patient/nasty-id"},
            "prediction": [{"probabilityDecimal": 0.02}, {"probabilityRange": {"low": {"value": 0.1}, "high": {"value": 0.3}}}, {"probabilityDecimal": 3e-4}]}),
        json!({"resourceType": "Group", "id": "nasty-group", "type": "person", "actual": true, "characteristic": [
            {"code": {"text": "x", "coding": [{"system": "urn:c", "code": "gender"}]}, "valueCodeableConcept": {"coding": [{"code": "mixed"}]}, "exclude": false},
            {"code": {"coding": [{"system": "urn:c", "code": "owner"}]}, "valueCodeableConcept": {"coding": [{"code": "john"}]}, "exclude": true}],
            "member": [{"entity": {"reference": "Patient/nasty-id"}}, {"entity": {"reference": "Patient/nasty-accents"}}]}),
        json!({"resourceType": "Invoice", "id": "nasty-invoice", "status": "issued", "totalGross": {"value": 48.00, "currency": "EUR"}, "totalNet": {"value": 40.22, "currency": "USD"}}),
    ]
}

/// One resource for each way to write a time.
fn times() -> Vec<Value> {
    let mut all: Vec<Value> = Vec::new();
    for (at, text) in [
        "2013",
        "2013-01",
        "2013-01-14",
        "2013-01-14T10:00:00Z",
        "2013-01-14T10:00:00.000Z",
        "2013-01-14T10:00:00.5Z",
        "2013-01-14T23:30:00-05:00",
        "2013-01-14T00:30:00+14:00",
        "2013-01-13T23:59:59.999999Z",
        "2012-02-29",
        "2012-12-31T23:59:60Z",
        "1969-12-31",
        "0099-12",
        "9999-12-31",
    ]
    .into_iter()
    .enumerate()
    {
        all.push(observation(
            &format!("time-{at}"),
            json!({"effectiveDateTime": text, "subject": {"reference": "Patient/nasty-id"}}),
        ));
    }
    for (at, period) in [
        json!({"start": "2013-01-13T12:00:00Z", "end": "2013-01-14T12:00:00Z"}),
        json!({"start": "2013-01-14"}),
        json!({"end": "2013-01-14"}),
        json!({"start": "2013", "end": "2013"}),
        json!({"start": "2013-01-14T00:00:00Z", "end": "2013-01-14T23:59:59Z"}),
        json!({"extension": [{"url": "urn:e", "valueString": "x"}]}),
    ]
    .into_iter()
    .enumerate()
    {
        all.push(observation(
            &format!("period-{at}"),
            json!({"effectivePeriod": period}),
        ));
    }
    all.push(observation(
        "instant",
        json!({"effectiveInstant": "2013-01-14T10:00:00.123Z"}),
    ));
    all.push(observation(
        "instant-zone",
        json!({"effectiveInstant": "2013-01-14T00:30:00+01:00"}),
    ));
    for (at, timing) in [
        json!({"event": ["2013-01-14", "2013-03-01T10:00:00Z"]}),
        json!({"repeat": {"boundsPeriod": {"start": "2013-01-14"}}}),
        json!({"event": ["2012"], "repeat": {"boundsPeriod": {"start": "2013-01-14", "end": "2013-02"}}}),
        json!({"code": {"text": "daily"}}),
    ]
    .into_iter()
    .enumerate()
    {
        all.push(observation(&format!("timing-{at}"), json!({"effectiveTiming": timing})));
    }
    all
}

fn links() -> Vec<Value> {
    let subjects = [
        json!({"reference": "Patient/nasty-accents"}),
        json!({"reference": format!("{BASE}/Patient/nasty-accents")}),
        json!({"reference": "Patient/nasty-accents/_history/1"}),
        json!({"reference": "http://elsewhere.org/fhir/Patient/nasty-accents"}),
        json!({"reference": "http://elsewhere.org/fhir/Patient/nasty-accents/_history/3"}),
        json!({"reference": format!("{BASE}2/Patient/nasty-accents")}),
        json!({"reference": "urn:uuid:53fefa32-fcbb-4ff8-8a92-55ee120877b7"}),
        json!({"reference": "Group/nasty-group"}),
        json!({"reference": "Patient/NASTY-accents"}),
        json!({"reference": "Patient/gone"}),
        json!({"identifier": {"system": "urn:s", "value": "v"}, "type": "Patient"}),
        json!({"identifier": {"value": "v"}}),
        json!({"identifier": {"system": "urn:s"}}),
        json!({"display": "Somebody"}),
        json!({"type": "Patient", "display": "Some patient"}),
        json!({"reference": "#inside"}),
        json!({"extension": [{"url": "urn:e", "valueString": "x"}]}),
    ];
    let mut all: Vec<Value> = subjects
        .iter()
        .enumerate()
        .map(|(at, subject)| {
            let mut one = observation(&format!("link-{at}"), json!({"subject": subject}));
            if subject["reference"] == "#inside" {
                one["contained"] = json!([{"resourceType": "Patient", "id": "inside", "name": [{"family": "Hidden"}], "gender": "male"}]);
            }
            one
        })
        .collect();
    all.extend([
        json!({"resourceType": "MedicationRequest", "id": "nasty-contained", "status": "active", "intent": "order", "subject": {"reference": "Patient/nasty-accents"},
            "contained": [{"resourceType": "Medication", "id": "m", "code": {"coding": [{"system": "urn:rx", "code": "aspirin"}]}, "manufacturer": {"reference": "#o"}},
                {"resourceType": "Organization", "id": "o", "name": "Maker Ltd", "partOf": {"reference": "Organization/nasty-a"}}],
            "medicationReference": {"reference": "#m"}}),
        json!({"resourceType": "MedicationRequest", "id": "nasty-outside", "status": "active", "intent": "order", "subject": {"reference": "Patient/nasty-plain"},
            "medicationReference": {"reference": "Medication/nasty-medication"}}),
        json!({"resourceType": "Medication", "id": "nasty-medication", "code": {"coding": [{"system": "urn:rx", "code": "aspirin"}]}, "manufacturer": {"reference": "Organization/nasty-b"}}),
        // A circle.
        json!({"resourceType": "Organization", "id": "nasty-a", "name": "Acme", "partOf": {"reference": "Organization/nasty-b"}, "active": true}),
        json!({"resourceType": "Organization", "id": "nasty-b", "name": "Acme Süd", "alias": ["Acme South"], "partOf": {"reference": "Organization/nasty-a"}}),
        json!({"resourceType": "Location", "id": "nasty-self", "name": "Here", "partOf": {"reference": "Location/nasty-self"}, "managingOrganization": {"reference": "Organization/nasty-a"},
            "position": {"longitude": -83.69, "latitude": 42.25}}),
        json!({"resourceType": "Patient", "id": "nasty-linked", "generalPractitioner": [{"reference": "Practitioner/nasty-joe"}, {"reference": "Practitioner/nasty-sue"}],
            "managingOrganization": {"reference": "Organization/nasty-b"}, "link": [{"other": {"reference": "Patient/nasty-accents"}, "type": "seealso"}]}),
        json!({"resourceType": "Practitioner", "id": "nasty-joe", "name": [{"family": "Joe"}], "address": [{"state": "CA"}]}),
        json!({"resourceType": "Practitioner", "id": "nasty-sue", "name": [{"family": "Sue"}], "address": [{"state": "MN"}]}),
        json!({"resourceType": "Encounter", "id": "nasty-encounter", "status": "finished", "class": {"system": "http://terminology.hl7.org/CodeSystem/v3-ActCode", "code": "AMB"},
            "subject": {"reference": "Patient/nasty-linked"}, "period": {"start": "2013-01-13T12:00:00Z"}, "length": {"value": 90, "unit": "min", "system": "http://unitsofmeasure.org", "code": "min"}}),
    ]);
    all
}

fn artifacts() -> Vec<Value> {
    vec![
        json!({"resourceType": "Questionnaire", "id": "nasty-q1", "status": "active", "url": "http://example.org/fhir/Questionnaire/q", "version": "1", "title": "Q one"}),
        json!({"resourceType": "Questionnaire", "id": "nasty-q2", "status": "draft", "url": "http://example.org/fhir/Questionnaire/q", "version": "2", "title": "Q two"}),
        json!({"resourceType": "QuestionnaireResponse", "id": "nasty-qr1", "status": "completed", "questionnaire": "http://example.org/fhir/Questionnaire/q|1"}),
        json!({"resourceType": "QuestionnaireResponse", "id": "nasty-qr2", "status": "completed", "questionnaire": "http://example.org/fhir/Questionnaire/q"}),
        json!({"resourceType": "QuestionnaireResponse", "id": "nasty-qr3", "status": "completed", "questionnaire": format!("{BASE}/Questionnaire/nasty-q1")}),
        json!({"resourceType": "ValueSet", "id": "nasty-vs", "status": "active", "url": "http://example.org/fhir/ValueSet/123", "experimental": true, "date": "2020-06"}),
        json!({"resourceType": "ValueSet", "id": "nasty-vs-deep", "status": "active", "url": "http://example.org/fhir/ValueSet/123/history/5"}),
        json!({"resourceType": "ValueSet", "id": "nasty-vs-near", "status": "active", "url": "http://example.org/fhir/ValueSet/1234"}),
        json!({"resourceType": "ValueSet", "id": "nasty-vs-urn", "status": "retired", "url": "urn:oid:1.2.3"}),
        json!({"resourceType": "DocumentReference", "id": "nasty-doc", "status": "current", "content": [{"attachment": {"contentType": "text/xml; charset=UTF-8", "url": "http://example.org/d.xml"}}],
            "relatesTo": [{"code": "replaces", "target": {"reference": "DocumentReference/nasty-old"}}, {"code": "appends", "target": {"reference": "DocumentReference/example"}}]}),
        json!({"resourceType": "DocumentReference", "id": "nasty-old", "status": "superseded", "content": [{"attachment": {"contentType": "text/xml"}}]}),
    ]
}
