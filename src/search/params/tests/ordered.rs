//! Ranges: date, number and quantity against the tables of prefixes.

use super::{check, finds, observation, patient};
use serde_json::{Value, json};

/// Every row of prefixes against one value of each precision.
#[test]
fn dates_follow_the_truth_table() {
    let born = |date: &str| patient(json!({"birthDate": date}));
    check(
        &born("1995-10-02"),
        &[
            ("birthdate=1995-10-02", true),
            ("birthdate=1995-10", true),
            ("birthdate=1995", true),
            ("birthdate=1995-10-02T10:00", false),
            ("birthdate=1995-10-03", false),
            ("birthdate=ge1995-10-02&birthdate=le1995-10-02", true),
            ("birthdate=ge1995-10-03", false),
            ("birthdate=le1995-10-01", false),
            ("birthdate=ge1995", true),
            ("birthdate=le1995", true),
            ("birthdate=gt1995-10-01", true),
            ("birthdate=gt1995-10-02", false),
            ("birthdate=gt1995", false),
            ("birthdate=gt1994", true),
            ("birthdate=lt1995-10-03", true),
            ("birthdate=lt1995-10-02", false),
            ("birthdate=lt1995", false),
            ("birthdate=lt1995-10-02T10:00", true),
            ("birthdate=lt1996", true),
            ("birthdate=ne1995-10-02", false),
            ("birthdate=ne1995-10", false),
            ("birthdate=ne1995-10-03", true),
            ("birthdate=sa1995-10-01", true),
            ("birthdate=sa1995-10-02", false),
            ("birthdate=sa1995", false),
            ("birthdate=eb1995-10-03", true),
            ("birthdate=eb1995-10-02", false),
            ("birthdate=eb1996", true),
            ("birthdate=ap1995-10-02", true),
            ("birthdate=ap1996-10-02", true),
            ("birthdate=ap2020-10-02", false),
            ("birthdate=1994,1995-10-02", true),
            ("birthdate=1994,1996", false),
            ("birthdate:missing=false", true),
            ("birthdate:missing=true", false),
        ],
    );
    check(
        &born("1996-01-01"),
        &[
            ("birthdate=lt1996-01-01", false),
            ("birthdate=le1995-12-31", false),
            ("birthdate=ge1996-01-01", true),
            ("birthdate=gt1995-12-31", true),
        ],
    );
    check(
        &born("1995"),
        &[
            ("birthdate=ge1995-06-01", true),
            ("birthdate=le1995-06-01", true),
            ("birthdate=1995-06-01", false),
            ("birthdate=ne1995-06-01", true),
            ("birthdate=1995", true),
            ("birthdate=gt1995-06-01", true),
            ("birthdate=lt1995-06-01", true),
            ("birthdate=sa1995-06-01", false),
            ("birthdate=eb1995-06-01", false),
            ("birthdate=ap1995-06-01", true),
            ("birthdate=sa1994", true),
            ("birthdate=eb1996", true),
        ],
    );
    check(
        &patient(json!({})),
        &[
            ("birthdate=ne1995", false),
            ("birthdate=le2030", false),
            ("birthdate:missing=true", true),
            ("birthdate:missing=false", false),
        ],
    );
}

#[test]
fn times_and_zones_are_exact() {
    let seen = |at: &str| observation(json!({"effectiveDateTime": at}));
    check(
        &seen("2013-04-05T13:20:00Z"),
        &[
            ("date=2013-04-05T18:50:00+05:30", true),
            ("date=2013-04-05T18:50:00 05:30", true),
            ("date=2013-04-05T13:20:00Z", true),
            ("date=2013-04-05T13:20Z", true),
            ("date=2013-04-05T13:20", true),
            ("date=2013-04-05T13:20:00", true),
            ("date=2013-04-05T13:20:30Z", false),
            ("date=2013-04-05T13:21Z", false),
            ("date=gt2013-04-05T13:20:00Z", false),
            ("date=ge2013-04-05T13:20:00Z", true),
            ("date=lt2013-04-05T13:20:00Z", false),
            ("date=le2013-04-05T13:20:00Z", true),
            ("date=sa2013-04-05T13:19:59Z", true),
            ("date=eb2013-04-05T13:20:01Z", true),
            ("date=ne2013-04-05T13:20:00Z", false),
            ("date=ne2013-04-05T13:20:01Z", true),
            ("date=2013-04-05T13:20:00.000Z", false),
            ("date=ap2013-04-05T13:20:00.000Z", true),
        ],
    );
    check(
        &seen("2013-04-05T23:30:00-02:00"),
        &[("date=2013-04-06", true), ("date=2013-04-05", false)],
    );
    check(
        &observation(json!({"effectiveInstant": "2019-12-31T20:00:00Z"})),
        &[
            ("date=2019-12-31T20:00:30Z", false),
            ("date=2019-12-31T20:00:00Z", true),
            ("date=2019-12-31T20:00Z", true),
            ("date=2019", true),
            ("date=gt2019-12-31T19:59:59Z", true),
            ("date=lt2019-12-31T20:00:00Z", false),
            ("date=eb2019-12-31T20:00:01Z", true),
        ],
    );
    check(
        &json!({"resourceType": "Slot", "start": "2019-03-08T10:00:00-08:00"}),
        &[
            ("start=2019-03-08", true),
            ("start=2019-03-08T18:00:00Z", true),
            ("start=2019-03-09", false),
        ],
    );
    check(
        &seen("2024-01-01T00:00:00+01:00"),
        &[
            ("date=2024", false),
            ("date=2023", true),
            ("date=2023-12-31", true),
        ],
    );
}

#[test]
fn periods_may_be_open() {
    let stay = |period: Value| json!({"resourceType": "Encounter", "period": period});
    check(
        &stay(json!({"start": "1990", "end": "2019"})),
        &[
            ("date=ge2018-01-01&date=lt2021-12-31", true),
            ("date=sa2018-01-01", false),
            ("date=2018", false),
            ("date=ap2018", true),
            ("date=gt2019", false),
            ("date=ge2019", true),
            ("date=lt1990", false),
            ("date=le1990", true),
            ("date=eb2020", true),
            ("date=sa1989", true),
            ("date=ne2018", true),
        ],
    );
    check(
        &stay(json!({"start": "1990"})),
        &[
            ("date=gt2030-01-01", true),
            ("date=ge2030-01-01", true),
            ("date=eb2030", false),
            ("date=lt2030", true),
            ("date=lt1990", false),
            ("date=1990", false),
        ],
    );
    check(
        &stay(json!({"end": "2013-01-21"})),
        &[
            ("date=lt1900", true),
            ("date=gt2013-01-21", false),
            ("date=gt2013-01-20", true),
        ],
    );
    check(
        &stay(json!({"start": "2013-01-13T12:00:00Z", "end": "2013-01-14T12:00:00Z"})),
        &[
            ("date=lt2013-01-14T10:00", true),
            ("date=gt2013-01-14T10:00", true),
            ("date=sa2013-01-14", false),
            ("date=eb2013-01-14", false),
            ("date=2013-01-14", false),
            ("date=ap2013-01-14", true),
            ("date=ge2013-01-14", true),
            ("date=gt2013-01-14", false),
        ],
    );
    check(
        &stay(json!({"start": "2013-01-21"})),
        &[
            ("date=ge2013-03-14", true),
            ("date=le2013-03-14", true),
            ("date=sa2013-03-14", false),
            ("date=eb2013-03-14", false),
        ],
    );
    check(
        &json!({"resourceType": "ServiceRequest", "occurrenceTiming":
            {"event": ["2020-05-01", "2020-03-01"], "repeat": {"boundsPeriod": {"start": "2020-04-01", "end": "2020-06"}}}}),
        &[
            ("occurrence=ge2020-06-30", true),
            ("occurrence=gt2020-06-30", false),
            ("occurrence=lt2020-03-02", true),
            ("occurrence=lt2020-03-01", false),
            ("occurrence=2020", true),
        ],
    );
    check(&stay(json!({})), &[("date:missing=true", true)]);
}

#[test]
fn last_updated_is_a_point_of_milliseconds() {
    let shown = "2026-03-03T10:00:02.123Z";
    let patient = patient(json!({"meta": {"lastUpdated": shown}}));
    check(
        &patient,
        &[
            ("_lastUpdated=2026-03-03T10:00:02.123Z", true),
            ("_lastUpdated=gt2026-03-03T10:00:02.123Z", false),
            ("_lastUpdated=ge2026-03-03T10:00:02.123Z", true),
            ("_lastUpdated=lt2026-03-03T10:00:02.123Z", false),
            ("_lastUpdated=le2026-03-03T10:00:02.123Z", true),
            ("_lastUpdated=gt2026-03-03T10:00:02.122Z", true),
            ("_lastUpdated=gt2026-03-03T10:00:02.1225Z", true),
            ("_lastUpdated=2026-03-03", true),
            ("_lastUpdated=ne2026-03-03", false),
            ("_lastUpdated=ne2026-03-04", true),
            ("_lastUpdated=sa2026-03-02", true),
            ("_lastUpdated=eb2026-03-04", true),
            ("_lastUpdated=ap2026-03-04", true),
            ("_lastUpdated=gt2026", false),
            ("_lastUpdated:missing=false", true),
        ],
    );
}

#[test]
fn numbers_have_the_precision_they_are_written_with() {
    let risk = |number: &str| {
        let text = format!(
            r#"{{"resourceType":"RiskAssessment","prediction":[{{"probabilityDecimal":{number}}}]}}"#
        );
        serde_json::from_str::<Value>(&text).expect("JSON")
    };
    for (number, table) in [
        (
            "99.7",
            &[
                ("eq100", true),
                ("100", true),
                ("100.00", false),
                ("ne100", false),
                ("ne100.00", true),
            ][..],
        ),
        (
            "99.5",
            &[("100", true), ("ge99.5", true), ("gt99.5", false)],
        ),
        ("100.5", &[("100", false), ("101", true)]),
        (
            "140",
            &[
                ("1e2", true),
                ("1.4e2", true),
                ("140.0", true),
                ("14e1", true),
            ],
        ),
        ("150", &[("1e2", false), ("2e2", true)]),
        ("50", &[("1e2", true)]),
        (
            "0.0054",
            &[
                ("5.40e-3", true),
                ("0.0054", true),
                ("0.005", true),
                ("0.02", false),
            ],
        ),
        (
            "25",
            &[
                ("le25", true),
                ("lt25", false),
                ("ge25.00", true),
                ("gt25", false),
                ("gt24.99", true),
                ("lt25.01", true),
                ("sa24", true),
                ("sa25", false),
                ("eb25", false),
                ("eb26", true),
                ("ap27", true),
                ("ap28", false),
                ("ap22", false),
                ("ap23", true),
                ("25.01", false),
            ],
        ),
        (
            "-5",
            &[
                ("-5", true),
                ("-5.0", true),
                ("lt0", true),
                ("gt-5.1", true),
                ("-4", false),
            ],
        ),
        ("1.2E+2", &[("120", true), ("1.2e2", true)]),
        (
            "1e-7",
            &[("1e-7", true), ("0.0000001", true), ("lt0.000001", true)],
        ),
        (
            "0.1234567890123456789012345678901234567891",
            &[
                ("gt0.1234567890123456789012345678901234567890", true),
                ("lt0.1234567890123456789012345678901234567892", true),
            ],
        ),
    ] {
        for (value, expected) in table {
            let query = format!("probability={value}");
            assert_eq!(
                finds(&risk(number), &query),
                *expected,
                "{query} on {number}"
            );
        }
    }
    let range = json!({"resourceType": "RiskAssessment", "prediction":
        [{"probabilityRange": {"low": {"value": 5}, "high": {"value": 10}}}]});
    check(
        &range,
        &[
            ("probability=gt7", true),
            ("probability=lt7", true),
            ("probability=7", false),
            ("probability=sa4", true),
            ("probability=eb11", true),
            ("probability=ap7", true),
        ],
    );
}

#[test]
fn quantities_compare_units_as_written() {
    let measured = |quantity: Value| observation(json!({"valueQuantity": quantity}));
    let pressure = measured(json!({"value": 140.0, "unit": "mmHg",
        "system": "http://unitsofmeasure.org", "code": "mm[Hg]"}));
    check(
        &pressure,
        &[
            ("value-quantity=140", true),
            ("value-quantity=140.0", true),
            ("value-quantity=140||mm[Hg]", true),
            ("value-quantity=140||mmHg", true),
            ("value-quantity=140||mg", false),
            ("value-quantity=140||", true),
            ("value-quantity=140|http://unitsofmeasure.org|mm[Hg]", true),
            ("value-quantity=140|http://other|mm[Hg]", false),
            (
                "value-quantity=gt139|http://unitsofmeasure.org|mm[Hg]",
                true,
            ),
            ("value-quantity=gt139||mg", false),
            ("value-quantity=ap150", true),
            ("combo-value-quantity=140", true),
            ("component-value-quantity=140", false),
            ("value-quantity:missing=false", true),
            ("value-string:missing=true", true),
        ],
    );
    check(
        &measured(json!({"value": 58.7, "unit": "milligrams", "code": "mg", "system": "s"})),
        &[
            ("value-quantity=58.7||milligrams", true),
            ("value-quantity=58.7||mg", true),
        ],
    );
    check(
        &measured(json!({"value": 5, "comparator": "<"})),
        &[
            ("value-quantity=lt5", true),
            ("value-quantity=gt5", false),
            ("value-quantity=lt-100", true),
            ("value-quantity=5", false),
            ("value-quantity=gt4", true),
        ],
    );
    check(
        &measured(json!({"value": 5, "comparator": ">="})),
        &[
            ("value-quantity=gt1000", true),
            ("value-quantity=lt5", false),
        ],
    );
    check(
        &json!({"resourceType": "Invoice", "totalGross": {"value": 9.99, "currency": "EUR"}}),
        &[
            ("totalgross=9.99|urn:iso:std:iso:4217|EUR", true),
            ("totalgross=9.99||EUR", true),
            ("totalgross=9.99||USD", false),
        ],
    );
    check(
        &observation(
            json!({"valueSampledData": {"origin": {"value": 0, "code": "mV", "system": "u"},
            "period": 1, "dimensions": 1, "lowerLimit": -10, "upperLimit": 10}}),
        ),
        &[
            ("value-quantity=gt9", true),
            ("value-quantity=gt10", false),
            ("value-quantity=lt0|u|mV", true),
        ],
    );
    check(
        &observation(json!({"component": [
            {"valueQuantity": {"value": 107, "code": "mm[Hg]"}}, {"valueQuantity": {"value": 60}}]})),
        &[
            ("component-value-quantity=107", true),
            ("combo-value-quantity=60", true),
            ("value-quantity=107", false),
        ],
    );
}
