//! Tuples: both parts of one element. <https://hl7.org/fhir/R4/search.html#composite>

use super::*;
use crate::search::params::composite::Form;

const LOINC: &str = "http://loinc.org";

fn coded(system: &str, code: &str) -> Value {
    json!({"coding": [{"system": system, "code": code}]})
}

fn millimetres(value: f64) -> Value {
    json!({"value": value, "unit": "mmHg", "system": "http://unitsofmeasure.org", "code": "mm[Hg]"})
}

fn pressure() -> Value {
    observation(json!({"code": coded(LOINC, "85354-9"), "component": [
        {"code": coded(LOINC, "8480-6"), "valueQuantity": millimetres(107.0)},
        {"code": coded(LOINC, "8462-4"), "valueQuantity": millimetres(60.0)},
    ]}))
}

fn quantity_rows(resource: &Value) -> usize {
    index(resource).quantities.len()
}

/// TA23, TA24.
#[test]
fn both_parts_are_of_one_component() {
    check(
        &pressure(),
        &[
            (
                "component-code-value-quantity=http://loinc.org|8480-6$lt107",
                false,
            ),
            (
                "component-code-value-quantity=http://loinc.org|8480-6$107",
                true,
            ),
            ("component-code-value-quantity=8480-6$107", true),
            ("component-code-value-quantity=8480-6$60", false),
            ("component-code-value-quantity=|8480-6$107", false),
            ("component-code-value-quantity=http://loinc.org|$107", true),
            ("component-code-value-quantity=http://loinc.org|$108", false),
            (
                "component-code-value-quantity=http://other|8480-6$107",
                false,
            ),
            ("component-code-value-quantity=http://other|$107", false),
            (
                "component-code-value-quantity=8480-6$107|http://unitsofmeasure.org|mm[Hg]",
                true,
            ),
            ("component-code-value-quantity=8480-6$107||mmHg", true),
            ("component-code-value-quantity=8480-6$107||mg", false),
            ("component-code-value-quantity=8480-6$gt1,8462-4$lt1", true),
            ("component-code-value-quantity=8480-6$lt1,8462-4$lt61", true),
            ("component-code-value-quantity=8462-4$gt60", false),
            (
                "combo-code-value-quantity=http://loinc.org|8480-6$107",
                true,
            ),
            ("combo-code-value-quantity=85354-9$107", false),
            ("code-value-quantity=85354-9$107", false),
        ],
    );
}

/// What only elements that differ in their systems tell apart.
#[test]
fn resources_that_are_not_plain_are_found_alike() {
    let of = |first: Value, second: Value| {
        observation(json!({"component": [
            {"code": first, "valueQuantity": millimetres(107.0)},
            {"code": second, "valueQuantity": millimetres(60.0)},
        ]}))
    };
    check(
        &of(coded("http://a", "x"), coded("http://b", "x")),
        &[
            ("component-code-value-quantity=http://a|x$107", true),
            ("component-code-value-quantity=http://a|x$60", false),
            ("component-code-value-quantity=http://b|x$60", true),
            ("component-code-value-quantity=http://a|$107", true),
            ("component-code-value-quantity=http://a|$60", false),
            ("component-code-value-quantity=x$60", true),
            ("component-code-value-quantity=x$61", false),
            ("component-code-value-quantity=|x$60", false),
        ],
    );
    check(
        &of(json!({"coding": [{"code": "x"}]}), coded("http://b", "y")),
        &[
            ("component-code-value-quantity=|x$107", true),
            ("component-code-value-quantity=|x$60", false),
            ("component-code-value-quantity=http://b|$60", true),
            ("component-code-value-quantity=http://b|$107", false),
        ],
    );
    // A code without a value beside a value without that system.
    let apart = observation(json!({"component": [
        {"code": coded("http://a", "x")},
        {"code": coded("http://b", "y"), "valueQuantity": millimetres(60.0)},
    ]}));
    check(
        &apart,
        &[
            ("component-code-value-quantity=http://a|$60", false),
            ("component-code-value-quantity=http://b|$60", true),
            ("component-code-value-quantity=http://a|x$60", false),
        ],
    );
    // SampledData is found by the parameter of the part, and is not meant.
    let mut sampled = pressure();
    let third = json!({"code": coded(LOINC, "z"), "valueSampledData": {
        "origin": {"value": 0}, "period": 1, "lowerLimit": 5, "upperLimit": 5, "dimensions": 1}});
    let components = sampled["component"].as_array_mut().expect("components");
    components.push(third);
    check(
        &sampled,
        &[
            ("component-value-quantity=5", true),
            ("component-code-value-quantity=z$5", false),
            ("component-code-value-quantity=http://loinc.org|$5", false),
            ("component-code-value-quantity=http://loinc.org|$60", true),
            (
                "component-code-value-quantity=http://loinc.org|8462-4$60",
                true,
            ),
        ],
    );
}

#[test]
fn a_component_costs_one_row() {
    assert_eq!(quantity_rows(&pressure()), 4);
    let entries = |resource: &Value| index(resource).entries.len();
    let with_codes = |codings: usize| {
        let codings: Vec<Value> = (0..codings)
            .map(|n| json!({"system": LOINC, "code": n.to_string()}))
            .collect();
        observation(json!({"component": [{"code": {"coding": codings},
            "valueCodeableConcept": {"coding": codings}}]}))
    };
    // The status, the forms of either part, and one tuple; of 200 codings a bounded number.
    assert_eq!(entries(&with_codes(1)), 1 + 3 + 3 + 1);
    assert!(entries(&with_codes(200)) < 22_000);
}

#[test]
fn parts_of_the_resource_are_found_by_their_parameters() {
    let mut weight = observation(json!({"code": coded(LOINC, "29463-7"), "valueQuantity":
        {"value": 58.7, "unit": "milligrams", "code": "mg", "system": "http://unitsofmeasure.org"}}));
    check(
        &weight,
        &[
            ("code-value-quantity=http://loinc.org|29463-7$58.7", true),
            ("code-value-quantity=29463-7$gt58.7", false),
            ("code-value-quantity=29463-7$ge58.7,x$1", true),
            ("code-value-quantity=29463-7$58.7||milligrams", true),
            ("combo-code-value-quantity=29463-7$58.7||milligrams", true),
            ("code-value-string=29463-7$58.7", false),
        ],
    );
    // As written and in kg: a composite of the resource has no rows of its own.
    assert_eq!(quantity_rows(&weight), 2);
    weight["valueQuantity"] = Value::Null;
    weight["valueSampledData"] = json!({"origin": {"value": 0}, "period": 1, "lowerLimit": 58.7,
        "upperLimit": 58.7, "dimensions": 1});
    check(
        &weight,
        &[
            ("value-quantity=58.7", true),
            ("code-value-quantity=29463-7$58.7", false),
            ("combo-code-value-quantity=29463-7$58.7", false),
        ],
    );
    check(
        &observation(json!({"code": coded(LOINC, "a"), "valueString": "Cloudy, with $"})),
        &[
            ("code-value-string=a$cloud", true),
            ("code-value-string=a$Cloudy\\, with \\$", true),
            ("code-value-string=a$clear", false),
            ("code-value-string=b$cloud", false),
        ],
    );
    check(
        &observation(json!({"code": coded(LOINC, "a"), "valueCodeableConcept":
            {"text": "Cloudy", "coding": [{"system": "s", "code": "c"}]}})),
        &[
            ("value-string=cloudy", true),
            ("code-value-string=a$cloudy", false),
            ("code-value-concept=a$s|c", true),
            ("code-value-concept=a$s|d", false),
            ("combo-code-value-concept=a$c", true),
        ],
    );
    for value in [
        json!({"valueDateTime": "2024-05-01"}),
        json!({"valuePeriod": {"start": "2024-05-01", "end": "2024-05-02"}}),
    ] {
        let mut dated = observation(value);
        dated["code"] = coded(LOINC, "a");
        check(
            &dated,
            &[
                ("code-value-date=a$2024-05", true),
                ("code-value-date=a$ge2024-05-01", true),
                ("code-value-date=a$2023", false),
            ],
        );
    }
}

#[test]
fn tokens_of_one_element_are_one_entry() {
    let concepts = observation(json!({"component": [
        {"code": coded("s", "a"), "valueCodeableConcept": coded("t", "x")},
        {"code": coded("s", "b"), "valueCodeableConcept": coded("t", "y")},
    ]}));
    check(
        &concepts,
        &[
            ("component-code-value-concept=a$x", true),
            ("component-code-value-concept=a$y", false),
            ("component-code-value-concept=s|a$t|x", true),
            ("component-code-value-concept=s|a$t|y", false),
            ("component-code-value-concept=s|$t|y", true),
            ("component-code-value-concept=s|b$t|", true),
            ("component-code-value-concept=s|$t|", true),
            ("component-code-value-concept=s|c$t|", false),
            ("component-code-value-concept=|a$x", false),
            ("combo-code-value-concept=b$t|y", true),
        ],
    );
    let group = |exclude: bool| {
        json!({"resourceType": "Group", "type": "person", "actual": true, "characteristic": [
            {"code": coded("s", "gender"), "valueCodeableConcept": coded("t", "mixed"), "exclude": false},
            {"code": coded("s", "owned"), "valueBoolean": exclude, "exclude": false},
            {"code": coded("s", "gender"), "valueQuantity": {"value": 1}, "exclude": false},
        ]})
    };
    check(
        &group(true),
        &[
            ("characteristic-value=gender$mixed", true),
            ("characteristic-value=s|gender$t|mixed", true),
            ("characteristic-value=owned$true", true),
            ("characteristic-value=owned$false", false),
            ("characteristic-value=gender$true", false),
            ("characteristic-value=s|$t|mixed", true),
            ("characteristic-value=mixed$gender", false),
        ],
    );
}

/// R4 exchanges the expressions of its two parts; either order is understood.
#[test]
fn a_relationship_is_a_target_and_a_relation() {
    let document = json!({"resourceType": "DocumentReference", "relatesTo": [
        {"code": "replaces", "target": {"reference": "DocumentReference/1"}},
        {"code": "appends", "target": {"reference": "DocumentReference/2"}},
    ]});
    check(
        &document,
        &[
            ("relationship=DocumentReference/1$replaces", true),
            ("relationship=1$replaces", true),
            ("relationship=DocumentReference/2$replaces", false),
            ("relationship=replaces$DocumentReference/1", true),
            ("relationship=replaces$DocumentReference/2", false),
            (
                "relationship=2$http://hl7.org/fhir/document-relationship-type|appends",
                true,
            ),
            (
                "relationship=2$http://hl7.org/fhir/document-relationship-type|",
                true,
            ),
            ("relationship=2$http://example.org|appends", false),
        ],
    );
}

#[test]
fn contexts_of_use() {
    let library = json!({"resourceType": "Library", "useContext": [
        {"code": {"system": "u", "code": "age"}, "valueRange":
            {"low": {"value": 18, "unit": "a"}, "high": {"value": 65, "unit": "a"}}},
        {"code": {"system": "u", "code": "weight"}, "valueQuantity": {"value": 100, "unit": "kg"}},
        {"code": {"system": "u", "code": "venue"}, "valueCodeableConcept": coded("v", "home")},
    ]});
    check(
        &library,
        &[
            ("context-type-quantity=age$ge65", true),
            ("context-type-quantity=age$gt65", false),
            ("context-type-quantity=u|age$lt20", true),
            ("context-type-quantity=weight$100", true),
            ("context-type-quantity=weight$18", false),
            ("context-type-quantity=age$ap40||a", true),
            ("context-type-value=venue$home", true),
            ("context-type-value=u|venue$v|home", true),
            ("context-type-value=age$home", false),
        ],
    );
}

#[test]
fn coordinates_are_of_one_variant() {
    let sequence = json!({"resourceType": "MolecularSequence", "coordinateSystem": 0,
        "referenceSeq": {"chromosome": coded("c", "1"), "referenceSeqId": coded("n", "NC_1"),
            "windowStart": 100, "windowEnd": 200},
        "variant": [{"start": 110, "end": 120}, {"start": 150, "end": 160}, {"start": 170}]});
    check(
        &sequence,
        &[
            ("chromosome-variant-coordinate=1$110$120", true),
            ("chromosome-variant-coordinate=1$110$160", false),
            ("chromosome-variant-coordinate=c|1$lt150$gt115", true),
            ("chromosome-variant-coordinate=1$lt150$gt130", false),
            ("chromosome-variant-coordinate=1$ne110$120", false),
            ("chromosome-variant-coordinate=1$ne110$ne120", true),
            ("chromosome-variant-coordinate=c|$ge150$le160", true),
            ("chromosome-variant-coordinate=2$110$120", false),
            ("chromosome-window-coordinate=1$100$200", true),
            ("chromosome-window-coordinate=1$gt100$200", false),
            ("referenceseqid-variant-coordinate=NC_1$150$ap160", true),
            ("referenceseqid-window-coordinate=n|NC_1$le100$ge200", true),
            ("referenceseqid-window-coordinate=n|NC_2$le100$ge200", false),
        ],
    );
}

#[test]
fn tuples_that_are_refused() {
    let of = resource_type("Observation");
    for (query, says) in [
        ("component-code-value-quantity=8480-6", "2 parts"),
        ("component-code-value-quantity=a$1$2", "found 3"),
        (
            "component-code-value-quantity=a$",
            "component-value-quantity",
        ),
        ("component-code-value-quantity=$1", "component-code"),
        // TA19.
        ("component-code-value-quantity=a$ll109", "prefixes"),
        ("component-value-quantity=ll109", "prefixes"),
        ("code-value-quantity=a$x", "number"),
        ("code-value-date=a$2024-13", "date"),
        ("code-value-concept=a$|", "|"),
        ("combo-code-value-quantity:missing=true", "modifier"),
        ("code-value-quantity:not=a$1", "modifier"),
    ] {
        let issue = compiled(of, query).expect_err(query);
        assert!(issue.text.contains(says), "{query}: {}", issue.text);
    }
}

/// Those of the resource cost nothing, those of an element are few.
#[test]
fn what_composites_are_made_of() {
    let mut made: HashMap<String, usize> = HashMap::new();
    for of in ResourceType::all() {
        let parameters = REGISTRY.parameters(of).iter();
        for parameter in parameters.filter(|p| p.kind == Kind::Composite) {
            assert!(parameter.supported, "{of}.{}", parameter.code);
            for form in &parameter.forms {
                let name = match form {
                    Form::Resource { .. } => "resource",
                    Form::Element(_) => "element",
                };
                *made
                    .entry(format!("{} {name}", parameter.code))
                    .or_insert(0) += 1;
            }
        }
    }
    let of = |code: &str, form: &str| made.get(&format!("{code} {form}")).copied().unwrap_or(0);
    for code in ["quantity", "concept", "date", "string"] {
        let code = format!("code-value-{code}");
        assert_eq!(
            (of(&code, "resource"), of(&code, "element")),
            (1, 0),
            "{code}"
        );
    }
    for code in ["combo-code-value-quantity", "combo-code-value-concept"] {
        assert_eq!(
            (of(code, "resource"), of(code, "element")),
            (1, 1),
            "{code}"
        );
    }
    assert_eq!(of("context-type-quantity", "element"), 29);
    assert_eq!(of("context-type-value", "element"), 29);
    println!("{made:?}");
}
