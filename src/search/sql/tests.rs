//! Golden SQL: what representative searches become.

use crate::access::Access;
use crate::definitions::Definitions;
use crate::fhir::{Instant, ResourceType};
use crate::search::cursor::Position;
use crate::search::registry::Registry;
use crate::search::sql::{self, Bind, Part};
use crate::search::{Handling, Limits, Query, Request, Scope, compile};

fn query(text: &str) -> Query {
    let registry = Registry::new(Definitions::r4()).expect("the registry of R4 compiles");
    let (path, pairs) = text.split_once('?').expect("a query");
    let request = Request {
        scope: ResourceType::parse(path).map_or(Scope::System, Scope::Type),
        pairs: crate::fhir::query::pairs(pairs).expect("well encoded"),
        handling: Handling::Strict,
    };
    let now = Instant::from_milliseconds(0);
    compile(
        &registry,
        &request,
        "http://me/fhir",
        &Limits::default(),
        now,
    )
    .expect(text)
}

/// What comes after the columns.
fn page(text: &str, part: Part, position: Option<&Position>) -> (String, Vec<Bind>) {
    let statement = sql::page(
        &query(text).plan,
        part,
        position,
        21,
        &Access::unrestricted(),
    );
    let start = statement.sql.find(" r.body, ").expect("columns") + 9;
    (statement.sql[start..].to_owned(), statement.binds)
}

#[test]
fn searches_become_these_statements() {
    let goldens: Vec<(&str, String)> = SEARCHES
        .iter()
        .map(|text| (*text, page(text, Part::Valued, None).0))
        .collect();
    let shown: String = goldens
        .iter()
        .map(|(text, sql)| format!("{text}\n    {sql}\n"))
        .collect();
    assert_eq!(shown, include_str!("golden.txt"));
}

const SEARCHES: [&str; 21] = [
    "Patient?",
    "Patient?_id=a",
    "Patient?_id=a,b",
    "Observation?code=http://loinc.org|1234-5",
    "Observation?code=a,b",
    "Observation?code=a&status=final&patient=Patient/1",
    "Observation?code=a&status:not=final",
    "Observation?code:missing=false",
    "Observation?code=a&combo-code:missing=true",
    "?_tag:missing=true",
    "?_type=Patient,Practitioner,Person&gender:missing=false",
    "Patient?family=a",
    "Patient?family=a,b&gender=male",
    "Patient?family:exact=A",
    "Patient?family:contains=a",
    "Patient?birthdate=1990-01-01",
    "Observation?value-quantity=gt5||mg",
    "Observation?code=a&_lastUpdated=ge2020-01-01&_sort=-_lastUpdated",
    "Observation?patient=Patient/1&_sort=-date",
    "Observation?_sort=-status",
    "?_type=Patient,Observation&_tag=a&_sort=_id",
];

#[test]
fn criteria_are_found_before_they_are_limited() {
    let found = |text: &str| sql::keys(&query(text).plan, 2, &Access::unrestricted()).sql;
    assert_eq!(
        found("Patient?identifier=s|v&gender=male"),
        "WITH hit AS MATERIALIZED (SELECT r.key, r.id FROM resource r WHERE r.tenant IS NOT \
         DISTINCT FROM $1 AND r.type IS NOT DISTINCT FROM $2 AND r.body IS NOT NULL AND \
         r.entries @> $3) SELECT key, id FROM hit LIMIT $4"
    );
    assert_eq!(
        found("Patient?_id=a"),
        "WITH hit AS MATERIALIZED (SELECT r.key, r.id FROM resource r WHERE r.tenant = $1 AND \
         r.type = $2 AND r.body IS NOT NULL AND r.key = ANY($3) AND r.id = ANY($4)) SELECT key, \
         id FROM hit LIMIT $5"
    );
}

#[test]
fn a_position_continues_each_order() {
    let at = |value: Option<&str>| Position {
        value: value.map(str::to_owned),
        type_number: 7,
        key: 9,
    };
    for (text, part, position, expected) in [
        (
            "Patient?",
            Part::Valued,
            at(None),
            "AND (r.key) > ($3) ORDER BY r.key LIMIT $4",
        ),
        (
            "?_tag=a",
            Part::Valued,
            at(None),
            "AND (r.type, r.key) > ($3, $4) ORDER BY r.type, r.key LIMIT $5",
        ),
        (
            "Patient?_sort=-_lastUpdated",
            Part::Valued,
            at(Some("1000")),
            "AND (r.last_updated, r.key) < ($3::text::timestamptz, $4) \
             ORDER BY r.last_updated DESC, r.key DESC LIMIT $5",
        ),
        (
            "Patient?_sort=-birthdate",
            Part::Valued,
            at(Some("-5")),
            "AND (s.low, s.key) < ($5, $6) ORDER BY s.low DESC, s.key DESC LIMIT $7",
        ),
        (
            "Patient?_sort=-birthdate",
            Part::Missing,
            at(None),
            "AND s.key = r.key) AND (r.key) > ($4) ORDER BY r.key LIMIT $5",
        ),
    ] {
        let (found, _) = page(text, part, Some(&position));
        assert!(found.ends_with(expected), "{text}: {found}");
    }
}

#[test]
fn text_of_the_user_is_never_part_of_the_statement() {
    let text =
        "Patient?family=xyzzy'--&identifier=xyzzy'--&_id=xyzzy&_sort=-family&_elements=xyzzy";
    let position = Position {
        value: Some("xyzzy'".into()),
        type_number: 1,
        key: 1,
    };
    let (sql, binds) = page(text, Part::Valued, Some(&position));
    assert!(!sql.contains("xyzzy"), "{sql}");
    assert!(binds.contains(&Bind::Text("xyzzy'".into())));
}
