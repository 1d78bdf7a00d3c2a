//! Quantities: numbers in units. <https://hl7.org/fhir/R4/search.html#quantity>

use super::*;

const UCUM: &str = "http://unitsofmeasure.org";

/// An Observation of so much, its human unit the code.
fn measured(value: &str, code: &str) -> Value {
    let number: Value = serde_json::from_str(value).expect("a number");
    observation(json!({"valueQuantity":
        {"value": number, "unit": code, "system": UCUM, "code": code}}))
}

#[test]
fn quantities_are_equal_in_any_unit() {
    for (value, code, query, expected) in [
        ("5400", "mg", "5.4|UCUM|g", true),
        ("5.4", "g", "5400|UCUM|mg", true),
        ("5.4", "g", "5.4e3|UCUM|mg", true),
        ("0.023", "m/h", "23|UCUM|mm/h", true),
        ("23", "mm/h", "0.023|UCUM|m/h", true),
        ("5400", "mg", "5.4|UCUM|mL", false),
        ("5400", "mg", "5.5|UCUM|g", false),
        // Implicit precision, scaled: 5.35 g up to 5.45 g.
        ("5350", "mg", "5.4|UCUM|g", true),
        ("5449", "mg", "5.4|UCUM|g", true),
        ("5450", "mg", "5.4|UCUM|g", false),
        ("5349", "mg", "5.4|UCUM|g", false),
        ("5449", "mg", "ne5.4|UCUM|g", false),
        ("5450", "mg", "ne5.4|UCUM|g", true),
        ("5000", "mg", "ap5.4|UCUM|g", true),
        ("4800", "mg", "ap5.4|UCUM|g", false),
        ("5401", "mg", "gt5.4|UCUM|g", true),
        ("5400", "mg", "gt5.4|UCUM|g", false),
        ("5400", "mg", "ge5.4|UCUM|g", true),
        ("5399", "mg", "lt5.4|UCUM|g", true),
        ("5400", "mg", "le5.4|UCUM|g", true),
        ("5400", "mg", "sa5.4|UCUM|g", false),
        ("5399", "mg", "eb5.4|UCUM|g", true),
        // Without the system the number is the one that is written.
        ("5400", "mg", "5400||mg", true),
        ("5400", "mg", "5.4||g", false),
        ("5400", "mg", "5400", true),
        ("5400", "mg", "5.4", false),
        ("5400", "mg", "0.0054", false),
        // Of a home unit and not, and of one spelled otherwise.
        ("95", "mg/dL", "0.95|UCUM|g/L", true),
        ("4", "ng/mL", "0.0004|UCUM|mg/dL", true),
        ("4", "ng/mL", "4|UCUM|ug/L", true),
        ("4", "ng/mL", "ne4|UCUM|ug/L", false),
        ("12", "g/dL", "gt100|UCUM|g/L", true),
        ("6.5", "10*3/uL", "6.5|UCUM|10*9/L", true),
        ("72", "/min", "72|UCUM|{beats}/min", true),
        ("120", "mm[Hg]", "le16|UCUM|kPa", true),
        ("120", "mm[Hg]", "le15.9|UCUM|kPa", false),
        ("98.6", "[degF]", "37.0|UCUM|Cel", true),
        ("37", "Cel", "98.6|UCUM|[degF]", true),
        ("100", "[degF]", "gt37.77|UCUM|Cel", true),
        ("100", "[degF]", "gt37.78|UCUM|Cel", false),
        ("50", "%", "0.50|UCUM|1", true),
        ("5", "{score}", "5|UCUM|{T-score}", true),
        // What is not UCUM is compared as it is written.
        ("3", "tablets", "3|UCUM|tablets", true),
        ("3", "tablets", "3|UCUM|tablet", false),
        ("3", "mmHg", "3|UCUM|mm[Hg]", false),
        // TA16, TA17, TA18.
        ("140.0", "mm[Hg]", "140.0||mm[Hg]", true),
        ("140.0", "mm[Hg]", "140", true),
        ("99.7", "mm[Hg]", "eq100", true),
        ("99.7", "mm[Hg]", "eq100.00", false),
        ("99.7", "mm[Hg]", "eq100|UCUM|mm[Hg]", true),
        ("25", "mg", "le25", true),
        ("25", "mg", "lt25", false),
        ("25", "mg", "ge25.00", true),
        ("25", "mg", "ge25.00|UCUM|mg", true),
        // TA21.
        ("1.2E+2", "mg", "120", true),
        ("1.2E+2", "mg", "0.12|UCUM|g", true),
    ] {
        let query = query.replace("UCUM", UCUM);
        let found = finds(&measured(value, code), &format!("value-quantity={query}"));
        assert_eq!(found, expected, "{value} {code}: {query}");
    }
}

/// TA20.
#[test]
fn a_human_unit_is_found_by_its_name() {
    let dose = |unit: Value| observation(json!({"valueQuantity": unit}));
    check(
        &dose(json!({"value": 58.7, "unit": "milligrams", "system": UCUM, "code": "mg"})),
        &[
            ("value-quantity=58.7||milligrams", true),
            ("value-quantity=58.7||mg", true),
            ("value-quantity=58.7|http://unitsofmeasure.org|mg", true),
            (
                "value-quantity=58.7|http://unitsofmeasure.org|milligrams",
                false,
            ),
            ("value-quantity=0.0587|http://unitsofmeasure.org|g", true),
        ],
    );
    check(
        &dose(json!({"value": 5, "system": "http://other", "code": "mg"})),
        &[
            ("value-quantity=5|http://other|mg", true),
            ("value-quantity=0.005|http://other|g", false),
            ("value-quantity=5|http://unitsofmeasure.org|mg", false),
            ("value-quantity=5||mg", true),
        ],
    );
}

#[test]
fn open_and_wide_values_are_converted_too() {
    check(
        &observation(json!({"valueQuantity":
            {"value": 500, "comparator": "<", "system": UCUM, "code": "ng/mL"}})),
        &[
            ("value-quantity=lt1|http://unitsofmeasure.org|mg/L", true),
            ("value-quantity=gt1|http://unitsofmeasure.org|mg/L", false),
            ("value-quantity=eb1|http://unitsofmeasure.org|mg/L", true),
            ("value-quantity=eb0.4|http://unitsofmeasure.org|mg/L", false),
        ],
    );
    let limits = json!({"low": {"value": 1, "system": UCUM, "code": "wk"},
        "high": {"value": 2, "system": UCUM, "code": "wk"}});
    check(
        &json!({"resourceType": "Condition", "onsetRange": limits}),
        &[("onset-age=ge10|http://unitsofmeasure.org|d", false)],
    );
    check(
        &json!({"resourceType": "Condition", "onsetAge":
            {"value": 24, "system": UCUM, "code": "mo"}}),
        &[
            ("onset-age=2|http://unitsofmeasure.org|a", true),
            ("onset-age=ge2|http://unitsofmeasure.org|a", true),
            ("onset-age=gt2|http://unitsofmeasure.org|a", false),
        ],
    );
}

/// What is usual has one row; a converted one says no more than its unit.
#[test]
fn few_values_have_a_second_row() {
    for code in [
        "mg/dL",
        "%",
        "mmol/L",
        "mm[Hg]",
        "/min",
        "10*3/uL",
        "g/dL",
        "U/L",
        "fL",
        "kg",
        "{score}",
        "cm",
        "kg/m2",
        "10*6/uL",
        "pg",
        "mL/min",
        "Cel",
        "g/L",
        "s",
        "{INR}",
        "10*9/L",
        "[pH]",
        "mL/min/{1.73_m2}",
        "tablets",
    ] {
        assert_eq!(index(&measured("1", code)).quantities.len(), 1, "{code}");
    }
    let rows = index(&measured("4", "ng/mL")).quantities;
    let converted = rows.iter().find(|row| row.low == "0.0004").expect("a row");
    assert_eq!((rows.len(), converted.code, converted.text), (2, 0, 0));
    // In both the sort key is what is written.
    let sampled = json!({"resourceType": "Invoice", "status": "issued",
        "totalGross": {"value": 48, "currency": "EUR"}});
    assert_eq!(index(&sampled).quantities.len(), 1);
    check(
        &sampled,
        &[
            ("totalgross=48|urn:iso:std:iso:4217|EUR", true),
            ("totalgross=48||EUR", true),
            ("totalgross=48|urn:iso:std:iso:4217|USD", false),
        ],
    );
}
