//! Both halves of each search type against each other: a resource is indexed, a query is
//! compiled, and a small evaluator in memory says whether they meet. Cases name the rule of
//! <https://hl7.org/fhir/R4/search.html> that decides.

use super::{Modifier, compile_all};
use crate::access::Tenant;
use crate::definitions::Definitions;
use crate::error::Issue;
use crate::fhir::decimal::Decimal;
use crate::fhir::{Instant, ResourceType};
use crate::search::index::{IndexRows, QuantityRow, resource_key};
use crate::search::plan::{Predicate, RangeTest, StringTest, UnitTest};
use crate::search::registry::{Kind, LocalReference, Registry};
use serde_json::{Value, json};
use std::cmp::Ordering;
use std::collections::{HashMap, HashSet};
use std::sync::LazyLock;
use std::time::Instant as Clock;

const BASE: &str = "http://me/fhir";
const TENANT: Tenant = Tenant::DEFAULT;

static REGISTRY: LazyLock<Registry> =
    LazyLock::new(|| Registry::new(Definitions::r4()).expect("R4 is sound"));

fn resource_type(name: &str) -> ResourceType {
    ResourceType::parse(name).expect("a type of R4")
}

fn type_of(resource: &Value) -> ResourceType {
    resource_type(resource["resourceType"].as_str().expect("a resourceType"))
}

fn index(resource: &Value) -> IndexRows {
    REGISTRY.index(TENANT, type_of(resource), resource, BASE)
}

/// Compiles `code[:modifier]=values` for a type.
fn compiled(of: ResourceType, query: &str) -> Result<Predicate, Issue> {
    let (name, values) = query.split_once('=').expect("a query");
    let (code, modifier) = match name.split_once(':') {
        Some((code, modifier)) => (code, Some(modifier)),
        None => (name, None),
    };
    let parameter = REGISTRY
        .parameter(of, code)
        .unwrap_or_else(|| panic!("{of} has a parameter {code}"));
    let modifier = modifier
        .map(|text| Modifier::parse(parameter.kind, text))
        .transpose()?;
    let now = Instant::parse("2026-01-01T00:00:00Z").expect("an instant");
    compile_all(parameter, modifier.as_ref(), values, BASE, now)
}

/// Whether the resource is found by each of the queries, all of which must hold.
fn finds(resource: &Value, query: &str) -> bool {
    let rows = index(resource);
    query.split('&').all(|part| {
        let predicate = compiled(type_of(resource), part)
            .unwrap_or_else(|issue| panic!("{part}: {}", issue.text));
        holds(&predicate, resource, &rows)
    })
}

fn check(resource: &Value, table: &[(&str, bool)]) {
    for (query, expected) in table {
        assert_eq!(finds(resource, query), *expected, "{query} on {resource}");
    }
}

fn holds(predicate: &Predicate, resource: &Value, rows: &IndexRows) -> bool {
    match predicate {
        Predicate::Everything => true,
        Predicate::Nothing => false,
        Predicate::And(parts) => parts.iter().all(|part| holds(part, resource, rows)),
        Predicate::Or(parts) => parts.iter().any(|part| holds(part, resource, rows)),
        Predicate::Not(part) => !holds(part, resource, rows),
        Predicate::Entries(entries) => entries
            .iter()
            .any(|(slot, hash)| rows.entries.contains(&slot.entry(TENANT, *hash))),
        Predicate::Date { slot, test } => rows
            .dates
            .iter()
            .filter(|row| row.slot == *slot)
            .any(|row| date_passes(test, row.low, row.high)),
        Predicate::String { slot, test } => {
            rows.strings.iter().filter(|row| row.slot == *slot).any(|row| match test {
                StringTest::StartsWith(text) => row.value.starts_with(text),
                StringTest::Contains(text) => row.value.contains(text),
                StringTest::Exactly(text) => row.exact == *text,
            })
        }
        Predicate::Quantity { slot, test, unit } => rows
            .quantities
            .iter()
            .filter(|row| row.slot == *slot && unit_passes(*unit, row))
            .any(|row| number_passes(test, &row.low, &row.high)),
        Predicate::Id(ids) => ids.iter().any(|id| resource["id"] == id.as_str()),
        Predicate::LastUpdated(test) => {
            let text = resource["meta"]["lastUpdated"].as_str().expect("an instant");
            let at = Instant::parse(text).expect("an instant");
            match test {
                RangeTest::LowAtLeast(bound) => at >= *bound,
                RangeTest::LowBelow(bound) => at < *bound,
                other => panic!("{other:?} is not told of _lastUpdated"),
            }
        }
        other => panic!("{other} is made by no parameter"),
    }
}

fn date_passes(test: &RangeTest<i64>, low: i64, high: i64) -> bool {
    match test {
        RangeTest::Within(l, h) => low >= *l && high <= *h,
        RangeTest::NotWithin(l, h) => !(low >= *l && high <= *h),
        RangeTest::HighAbove(bound) => high > *bound,
        RangeTest::LowBelow(bound) => low < *bound,
        RangeTest::LowAtLeast(bound) => low >= *bound,
        RangeTest::HighAtMost(bound) => high <= *bound,
        RangeTest::Overlaps(l, h) => low < *h && high > *l,
        other => panic!("{other:?} is not told of dates"),
    }
}

fn unit_passes(unit: UnitTest, row: &QuantityRow) -> bool {
    match unit {
        UnitTest::Any => true,
        UnitTest::Coded(hash) => row.unit == hash,
        UnitTest::CodeOrText(hash) => row.code == hash || row.text == hash,
    }
}

/// Compares as PostgreSQL's `numeric` does.
fn compare(left: &str, right: &str) -> Ordering {
    let rank = |text: &str| match text {
        "-Infinity" => -1,
        "Infinity" => 1,
        _ => 0,
    };
    rank(left).cmp(&rank(right)).then_with(|| {
        match (Decimal::parse(left), Decimal::parse(right)) {
            (Some(left), Some(right)) => left.cmp(&right),
            _ => Ordering::Equal,
        }
    })
}

fn number_passes(test: &RangeTest<String>, low: &str, high: &str) -> bool {
    let within = |l: &str, h: &str| compare(low, l).is_ge() && compare(high, h).is_lt();
    match test {
        RangeTest::Within(l, h) => within(l, h),
        RangeTest::NotWithin(l, h) => !within(l, h),
        RangeTest::HighAbove(bound) => compare(high, bound).is_gt(),
        RangeTest::HighAtLeast(bound) => compare(high, bound).is_ge(),
        RangeTest::LowBelow(bound) => compare(low, bound).is_lt(),
        RangeTest::LowAtMost(bound) => compare(low, bound).is_le(),
        RangeTest::LowAtLeast(bound) => compare(low, bound).is_ge(),
        RangeTest::LowAbove(bound) => compare(low, bound).is_gt(),
        RangeTest::HighAtMost(bound) => compare(high, bound).is_le(),
        RangeTest::HighBelow(bound) => compare(high, bound).is_lt(),
        RangeTest::Overlaps(l, h) => compare(low, h).is_le() && compare(high, l).is_ge(),
    }
}

fn patient(more: Value) -> Value {
    let mut patient = json!({"resourceType": "Patient", "id": "p1"});
    for (name, value) in more.as_object().expect("an object") {
        patient[name] = value.clone();
    }
    patient
}

fn observation(more: Value) -> Value {
    let mut observation = json!({"resourceType": "Observation", "id": "o1", "status": "final"});
    for (name, value) in more.as_object().expect("an object") {
        observation[name] = value.clone();
    }
    observation
}

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
        &[("start=2019-03-08", true), ("start=2019-03-08T18:00:00Z", true), ("start=2019-03-09", false)],
    );
    check(
        &seen("2024-01-01T00:00:00+01:00"),
        &[("date=2024", false), ("date=2023", true), ("date=2023-12-31", true)],
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
        &[("date=lt1900", true), ("date=gt2013-01-21", false), ("date=gt2013-01-20", true)],
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
        ("99.7", &[("eq100", true), ("100", true), ("100.00", false), ("ne100", false), ("ne100.00", true)][..]),
        ("99.5", &[("100", true), ("ge99.5", true), ("gt99.5", false)]),
        ("100.5", &[("100", false), ("101", true)]),
        ("140", &[("1e2", true), ("1.4e2", true), ("140.0", true), ("14e1", true)]),
        ("150", &[("1e2", false), ("2e2", true)]),
        ("50", &[("1e2", true)]),
        ("0.0054", &[("5.40e-3", true), ("0.0054", true), ("0.005", true), ("0.01", false)]),
        ("25", &[("le25", true), ("lt25", false), ("ge25.00", true), ("gt25", false), ("gt24.99", true),
            ("lt25.01", true), ("sa24", true), ("sa25", false), ("eb25", false), ("eb26", true),
            ("ap27", true), ("ap28", false), ("ap22", false), ("ap23", true), ("25.01", false)]),
        ("-5", &[("-5", true), ("-5.0", true), ("lt0", true), ("gt-5.1", true), ("-4", false)]),
        ("1.2E+2", &[("120", true), ("1.2e2", true)]),
        ("1e-7", &[("1e-7", true), ("0.0000001", true), ("lt0.000001", true)]),
        ("0.1234567890123456789012345678901234567891",
            &[("gt0.1234567890123456789012345678901234567890", true),
              ("lt0.1234567890123456789012345678901234567892", true)]),
    ] {
        for (value, expected) in table {
            let query = format!("probability={value}");
            assert_eq!(finds(&risk(number), &query), *expected, "{query} on {number}");
        }
    }
    let range = json!({"resourceType": "RiskAssessment", "prediction":
        [{"probabilityRange": {"low": {"value": 5}, "high": {"value": 10}}}]});
    check(
        &range,
        &[("probability=gt7", true), ("probability=lt7", true), ("probability=7", false),
          ("probability=sa4", true), ("probability=eb11", true), ("probability=ap7", true)],
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
            ("value-quantity=gt139|http://unitsofmeasure.org|mm[Hg]", true),
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
        &[("value-quantity=58.7||milligrams", true), ("value-quantity=58.7||mg", true)],
    );
    check(
        &measured(json!({"value": 5, "comparator": "<"})),
        &[("value-quantity=lt5", true), ("value-quantity=gt5", false), ("value-quantity=lt-100", true),
          ("value-quantity=5", false), ("value-quantity=gt4", true)],
    );
    check(
        &measured(json!({"value": 5, "comparator": ">="})),
        &[("value-quantity=gt1000", true), ("value-quantity=lt5", false)],
    );
    check(
        &json!({"resourceType": "Invoice", "totalGross": {"value": 9.99, "currency": "EUR"}}),
        &[("totalgross=9.99|urn:iso:std:iso:4217|EUR", true), ("totalgross=9.99||EUR", true),
          ("totalgross=9.99||USD", false)],
    );
    check(
        &observation(json!({"valueSampledData": {"origin": {"value": 0, "code": "mV", "system": "u"},
            "period": 1, "dimensions": 1, "lowerLimit": -10, "upperLimit": 10}})),
        &[("value-quantity=gt9", true), ("value-quantity=gt10", false), ("value-quantity=lt0|u|mV", true)],
    );
    check(
        &observation(json!({"component": [
            {"valueQuantity": {"value": 107, "code": "mm[Hg]"}}, {"valueQuantity": {"value": 60}}]})),
        &[("component-value-quantity=107", true), ("combo-value-quantity=60", true),
          ("value-quantity=107", false)],
    );
}

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
        let escaped = super::escape::escape(value);
        let patient = identified(json!({"system": "s", "value": value}));
        assert!(finds(&patient, &format!("identifier={escaped}")), "{value}");
        assert!(finds(&patient, &format!("identifier=s|{escaped}")), "{value}");
        assert!(!finds(&own, &format!("identifier={escaped}")), "{value}");
    }
    check(&identified(json!({"value": "Über"})), &[("identifier=uber", false), ("identifier=ÜBER", false)]);
    let long = "x".repeat(10_000);
    let nearly = format!("{}y", "x".repeat(9_999));
    check(
        &identified(json!({"system": "s", "value": long})),
        &[(&format!("identifier={long}"), true), (&format!("identifier=s|{nearly}"), false)],
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
            ("gender=http://hl7.org/fhir/administrative-gender|male", true),
            ("gender=http://hl7.org/fhir/administrative-gender|", true),
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
    check(&patient(json!({"deceasedBoolean": false})), &[("deceased=false", true)]);
    check(
        &observation(json!({"category": [{"coding": [{"code": "vital-signs"}]}, {"coding": [{"code": "exam"}]}],
            "code": {"text": "free"}})),
        &[
            ("category:not=vital-signs", false),
            ("category:not=laboratory", true),
            ("code:missing=false", true),
            ("code=free", false),
        ],
    );
}

#[test]
fn references_resolve_to_one_form() {
    let of = |reference: &str| observation(json!({"subject": {"reference": reference}}));
    for reference in ["Patient/1", "http://me/fhir/Patient/1", "Patient/1/_history/2"] {
        check(
            &of(reference),
            &[
                ("subject=Patient/1", true),
                ("subject=http://me/fhir/Patient/1", true),
                ("subject=Patient/1/_history/3", true),
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
    for reference in ["#p", "urn:uuid:0c3151bd-1cbf-4d64-b04d-cd9187a4c6e0", "nonsense"] {
        let rows = index(&of(reference));
        let asked = compiled(resource_type("Observation"), "subject:missing=false").expect("compiles");
        assert!(holds(&asked, &of(reference), &rows), "{reference} is present");
    }
    check(
        &observation(json!({"subject": {"display": "Peter"}})),
        &[("subject=Peter", false), ("subject:missing=false", true), ("patient:missing=true", true)],
    );
    check(
        &observation(json!({"subject": {"type": "Patient", "identifier": {"system": "s", "value": "v"}}})),
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
    let title: String = ('a'..='z').cycle().take(395).chain("ENDE!".chars()).collect();
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
        ("Observation", "component-value-quantity=ll109", "found `ll`"),
        ("Observation", "value-quantity=5|mg", "expected a quantity"),
        ("Observation", "value-quantity=abc", "found `abc`"),
        ("Observation", "value-quantity=5,4", "found `5,4`"),
        ("RiskAssessment", "probability=1.", "expected a number"),
        ("Patient", "name:foo=x", ":exact, :contains"),
        ("Patient", "name:text=x", "found :text"),
        ("Observation", "code:contains=x", ":missing, :not"),
        ("Observation", "code:text=x", "found :text"),
        ("Observation", "subject:Nope=1", "found :Nope"),
        ("Observation", "subject:Practitioner=1", "refers to"),
        ("Observation", "subject=a/b/c", "expected an id"),
        ("Patient", "identifier=a|b|c", "more than one"),
        ("Patient", "identifier=|", "`|` alone"),
        ("Patient", "identifier=x,", "found nothing"),
        ("Patient", "identifier=a\\b", "backslash"),
        ("Patient", "name=a\u{0}", "U+0000"),
        ("Patient", "name:missing=x", "true or false"),
        ("Location", "near=1", "found near of Location"),
        ("Observation", "code-value-quantity=a$b", "supported search parameter"),
    ] {
        let wrong = compiled(resource_type(of), query);
        if query.ends_with("=5,4") {
            // Two alternatives, each a number.
            assert!(wrong.is_ok());
            continue;
        }
        let issue = wrong.expect_err(query);
        assert!(issue.text.contains(says), "{query}: {}", issue.text);
    }
}

#[test]
fn includes_name_local_references_once() {
    let resource = observation(json!({
        "subject": {"reference": "Patient/1/_history/4"},
        "performer": [{"reference": "Practitioner/2"}, {"reference": "Practitioner/2"}, {"reference": "#x"}],
    }));
    let of = type_of(&resource);
    let references = |code: &str| {
        let parameter = REGISTRY.parameter(of, code).expect("a parameter");
        REGISTRY.references(parameter, &resource, BASE)
    };
    let local = |name: &str, id: &str, version: Option<&str>| LocalReference {
        resource_type: resource_type(name),
        id: id.to_owned(),
        version: version.map(str::to_owned),
    };
    assert_eq!(references("subject"), [local("Patient", "1", Some("4"))]);
    assert_eq!(references("patient"), [local("Patient", "1", Some("4"))]);
    assert_eq!(references("performer"), [local("Practitioner", "2", None)]);
    assert_eq!(references("encounter"), []);
    assert_eq!(references("code"), []);
}

#[test]
fn whoever_refers_to_a_resource_has_one_of_its_referrer_entries() {
    let refers = |resource: &Value, name: &str, id: &str| {
        let key = resource_key(resource_type(name), id);
        let asked: HashSet<i64> = REGISTRY.referrer_entries(TENANT, key).into_iter().collect();
        index(resource).entries.iter().any(|entry| asked.contains(entry))
    };
    let resource = observation(json!({
        "subject": {"reference": "Patient/1"},
        "extension": [{"url": "x", "valueReference": {"reference": "Group/2"}}],
        "contained": [{"resourceType": "Specimen", "collection": {"collector": {"reference": "Practitioner/3"}}}],
    }));
    assert!(refers(&resource, "Patient", "1"), "covered by subject");
    assert!(refers(&resource, "Group", "2"), "in an extension");
    assert!(refers(&resource, "Practitioner", "3"), "in a contained resource");
    assert!(!refers(&resource, "Patient", "2"));
    println!("slots of references: {}", REGISTRY.referrer_entries(TENANT, 0).len());
}

/// Every expression of R4 compiles, and what it gives is of a kind that is extracted.
#[test]
fn all_parameters_of_r4_compile() {
    let mut unsupported: Vec<String> = Vec::new();
    let mut rows: HashMap<i32, String> = HashMap::new();
    let mut count = 0;
    for of in ResourceType::all() {
        for parameter in REGISTRY.parameters(of) {
            count += 1;
            let name = format!("{of}.{}", parameter.code);
            if !parameter.supported {
                if !matches!(parameter.kind, Kind::Composite | Kind::Special) {
                    unsupported.push(parameter.code.clone());
                }
                assert!(parameter.branches.is_empty(), "{name}");
            }
            for branch in &parameter.branches {
                for slot in [branch.slot, branch.overflow()] {
                    let text = format!("{of} {} {}", branch.expression, slot == branch.slot);
                    let known = rows.entry(slot.row()).or_insert_with(|| text.clone());
                    assert_eq!(*known, text, "two slots with one row number");
                }
            }
        }
    }
    unsupported.sort();
    unsupported.dedup();
    assert_eq!(unsupported, ["_content", "_query", "_text"], "these have no expression");
    println!("{count} parameters on types, {} slots", rows.len());
}

#[test]
fn parameters_that_narrow_share_their_slot() {
    let of = resource_type("Observation");
    let slot = |code: &str| REGISTRY.parameter(of, code).expect("a parameter").branches[0].slot;
    assert_eq!(slot("subject"), slot("patient"));
    assert_eq!(slot("combo-code"), slot("code"));
    let codes: Vec<&str> = REGISTRY.parameters(of).iter().map(|p| p.code.as_str()).collect();
    assert!(codes.is_sorted());
    for code in ["_id", "_lastUpdated", "_tag", "_profile", "_security", "_source", "code"] {
        assert!(codes.contains(&code), "{code}");
    }
}

#[test]
fn nothing_in_a_resource_makes_indexing_fail() {
    for strange in [
        json!(null),
        json!([]),
        json!({"resourceType": "Observation"}),
        json!({"resourceType": "Patient", "subject": 3, "code": [[[]]], "status": {}}),
        json!({"subject": {"reference": 5}, "effectivePeriod": "x", "valueQuantity": [{"value": "a"}],
            "category": [null, 3, {"coding": {}}], "identifier": {"value": {}}, "component": 7,
            "meta": {"tag": "x", "profile": [1]}, "contained": [{"resourceType": "Nope"}, 4]}),
    ] {
        let rows = REGISTRY.index(TENANT, resource_type("Observation"), &strange, BASE);
        assert!(rows.dates.is_empty(), "{strange}");
    }
}

#[test]
fn indexing_an_observation_is_quick() {
    let resource = observation(json!({
        "meta": {"versionId": "1", "lastUpdated": "2026-03-03T10:00:02.123Z",
            "profile": ["http://hl7.org/fhir/StructureDefinition/vitalsigns"]},
        "category": [{"coding": [{"system": "http://terminology.hl7.org/CodeSystem/observation-category",
            "code": "vital-signs", "display": "vital-signs"}]}],
        "code": {"coding": [{"system": "http://loinc.org", "code": "8302-2", "display": "Body Height"}],
            "text": "Body Height"},
        "subject": {"reference": "Patient/019b0c3e-0000-7000-8000-000000000001"},
        "encounter": {"reference": "Encounter/019b0c3e-0000-7000-8000-000000000002"},
        "effectiveDateTime": "2012-01-04T11:20:22-05:00", "issued": "2012-01-04T11:20:22.344-05:00",
        "valueQuantity": {"value": 154.3, "unit": "cm", "system": "http://unitsofmeasure.org", "code": "cm"},
    }));
    let rows = index(&resource);
    println!(
        "an Observation has {} entries, {} dates, {} strings, {} quantities",
        rows.entries.len(),
        rows.dates.len(),
        rows.strings.len(),
        rows.quantities.len()
    );
    let rounds = 2000;
    let start = Clock::now();
    for _ in 0..rounds {
        std::hint::black_box(index(std::hint::black_box(&resource)));
    }
    println!("indexing an Observation: {:?}", start.elapsed() / rounds);
}
