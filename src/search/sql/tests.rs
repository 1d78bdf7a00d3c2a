//! Golden SQL: what representative searches become.

use crate::access::Access;
use crate::definitions::Definitions;
use crate::fhir::{Instant, ResourceType};
use crate::search::cursor::Position;
use crate::search::plan::Predicate;
use crate::search::registry::Registry;
use crate::search::sql::{self, After, Ask, Bind, Statement};
use crate::search::statistics::Statistics;
use crate::search::strategy::{self, Ground};
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

/// The statements of the ways to find a page, as the statistics decide.
fn ways(text: &str, statistics: &Statistics, after: After<'_>) -> Vec<Statement> {
    let query = query(text);
    let access = Access::unrestricted();
    let ground = Ground {
        access: &access,
        statistics,
    };
    let ask = Ask {
        plan: &query.plan,
        after,
        backward: false,
        limit: 21,
        keys_only: false,
        access: &access,
    };
    strategy::choose(&query.plan, &ground, 21)
        .iter()
        .map(|source| sql::page(&ask, source))
        .collect()
}

/// Statistics of a large table, in which every entry that is asked for is common.
fn common(text: &str) -> Statistics {
    let access = Access::unrestricted();
    let mut statistics = Statistics {
        rows: 1_000_000.0,
        ..Statistics::default()
    };
    let query = query(text);
    for kind in ResourceType::all() {
        statistics.types.insert(kind.number(), 0.5);
    }
    for part in sql::conjuncts(&query.plan.filter) {
        if let Predicate::Entries(list) | Predicate::EveryEntry(list) = part {
            for (slot, hash) in list {
                statistics
                    .entries
                    .insert(slot.entry(access.tenant, *hash), 0.1);
            }
        }
    }
    statistics
}

#[test]
fn searches_become_these_statements() {
    let mut shown = String::new();
    for text in SEARCHES {
        for (name, statistics) in [("rare", Statistics::default()), ("common", common(text))] {
            let mut statements = String::new();
            for statement in ways(text, &statistics, After::Start) {
                let sql = statement.sql.replace(super::COLUMNS, "SELECT …");
                statements.push_str(&format!("    {sql}\n"));
            }
            // What the statistics do not change is shown once.
            if !shown.ends_with(&statements) {
                shown.push_str(&format!("{text}  {name}\n{statements}"));
            }
        }
    }
    if std::env::var_os("ANDIRON_GOLDEN").is_some() {
        let path = concat!(env!("CARGO_MANIFEST_DIR"), "/src/search/sql/golden.txt");
        std::fs::write(path, &shown).expect("the golden file is written");
    }
    assert!(
        shown == include_str!("golden.txt"),
        "the statements have changed: look at them with ANDIRON_GOLDEN=1 and git diff"
    );
}

const SEARCHES: [&str; 27] = [
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
    "Patient?_sort=family,-birthdate,gender",
    "Observation?patient=Patient/1&_sort=-code",
    "Observation?_sort=patient",
    "Patient?_sort=deceased",
    "Location?near=42.25|-83.69|11.2|km&_sort=near",
    "Patient?family=a&_text=x&_sort=-_score",
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
    let at = |values: &[Option<&str>]| Position {
        values: values
            .iter()
            .map(|value| value.map(str::to_owned))
            .collect(),
        type_number: 7,
        key: 9,
    };
    for (text, position, expected) in [
        (
            "Patient?",
            at(&[]),
            "AND ((r.key) > ($3)) ORDER BY r.key LIMIT 21",
        ),
        (
            "?_tag=a",
            at(&[]),
            "AND ((r.type, r.key) > ($3, $4)) ORDER BY r.type, r.key LIMIT 21",
        ),
        (
            "Patient?_sort=-_lastUpdated",
            at(&[Some("1000")]),
            "AND ((r.last_updated, r.key) < ($3::text::timestamptz, $4)) \
             ORDER BY r.last_updated DESC, r.key DESC LIMIT 21",
        ),
        (
            "Patient?_sort=-birthdate",
            at(&[Some("-5")]),
            "ORDER BY s.low DESC, s.key DESC LIMIT 21",
        ),
        (
            "Patient?_sort=-birthdate,_id",
            at(&[None, Some("a")]),
            "AND ((FALSE) OR (k0.v IS NULL AND (r.id > $4)) OR (k0.v IS NULL AND \
             r.id = $5 AND (r.key) < ($6))) \
             ORDER BY k0.v DESC NULLS LAST, r.id, r.key DESC LIMIT 21",
        ),
    ] {
        let statement = &ways(text, &Statistics::default(), After::Position(&position))[0];
        assert!(
            statement.sql.ends_with(expected),
            "{text}: {}",
            statement.sql
        );
    }
    let valued = at(&[Some("-5")]);
    let walk = &ways(
        "Patient?_sort=-birthdate",
        &Statistics::default(),
        After::Position(&valued),
    )[0];
    let within = "AND ((s.low, s.key) < ($3, $4)) ORDER BY s.low DESC, s.key DESC OFFSET 0) s";
    assert!(walk.sql.contains(within), "{}", walk.sql);
}

#[test]
fn text_of_the_user_is_never_part_of_the_statement() {
    let text =
        "Patient?family=xyzzy'--&identifier=xyzzy'--&_id=xyzzy&_sort=-family&_elements=xyzzy";
    let position = Position {
        values: vec![Some("xyzzy'".into())],
        type_number: 1,
        key: 1,
    };
    for statement in ways(text, &Statistics::default(), After::Position(&position)) {
        assert!(!statement.sql.contains("xyzzy"), "{}", statement.sql);
        assert!(statement.binds.contains(&Bind::Text("xyzzy'".into())));
    }
}
