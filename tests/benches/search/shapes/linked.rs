//! What one resource has to do with another: chains, `_has`, `_include`, `_revinclude`.

use super::people::SSN;
use super::{
    Aim, Ask, PAGE, Shape, Source, loinc, observations, of_code, of_person, people, select,
};
use crate::floor::{Bind, Names};
use crate::grow::{Kind, family, ssn};
use crate::truth::Expected;

pub fn shapes(source: &Source<'_>) -> Vec<Shape> {
    vec![
        wide_chain(source),
        chain_by_name(source),
        chain_by_identifier(source),
        has_common(source),
        has_rare(source),
        include(source),
        provenance(source),
        observations_of_encounters(source),
    ]
}

/// Of each Observation in turn the Patient is looked up.
fn wide_chain(source: &Source<'_>) -> Shape {
    let floor = format!(
        "{} AND EXISTS (SELECT 1 FROM unnest(r.entries) AS e(entry) JOIN resource p \
         ON p.tenant = 1 AND p.type = {} AND p.key = e.entry # {}::bigint \
         WHERE p.entries @> ARRAY[$1::bigint]) {PAGE}",
        select(Kind::Observation),
        Names::number(Kind::Patient),
        source.names.seed(Kind::Observation, "patient")
    );
    Shape::new("Observation?patient.gender= (wide)", floor, |number| {
        let male = number % 2 == 0;
        let gender = if male { "male" } else { "female" };
        let entry = source.names.token(Kind::Patient, "gender", "", gender);
        let path = format!("Observation?patient.gender={gender}");
        Ask::get(path, vec![Bind::Number(entry)], move |world| {
            observations(world, |o| world.people[o.person as usize].male == male)
        })
    })
    .aim(Aim::Within(100.0))
}

/// The Patients first, then for each what refers to it, which is about one Patient only.
fn narrow(source: &Source<'_>, patients: &str) -> String {
    format!(
        "SELECT r.body FROM (SELECT DISTINCT p.key FROM ({patients}) p) p JOIN resource r \
         ON r.tenant = 1 AND r.type = {} AND r.entries @> ARRAY[p.key # {}::bigint] {PAGE}",
        Names::number(Kind::Observation),
        source.names.seed(Kind::Observation, "patient")
    )
}

fn chain_by_name(source: &Source<'_>) -> Shape {
    let mut random = source.random("chain by name");
    let patients = format!(
        "SELECT s.key FROM string_entry s WHERE s.tenant = 1 AND s.slot = {} \
         AND s.value >= $1 AND s.value < $2",
        source.names.row(Kind::Patient, "name")
    );
    let floor = narrow(source, &patients);
    Shape::new("Observation?patient.name= (rare)", floor, |_| {
        let person = source.person(&mut random) as usize;
        let number = source.world.people[person].family;
        let name = family(number);
        let small = name.to_lowercase();
        let binds = vec![
            Bind::Text(small.clone()),
            Bind::Text(format!("{small}\u{10ffff}")),
        ];
        Ask::get(
            format!("Observation?patient.name={name}"),
            binds,
            move |world| observations(world, |o| world.people[o.person as usize].family == number),
        )
    })
}

fn chain_by_identifier(source: &Source<'_>) -> Shape {
    let mut random = source.random("chain by identifier");
    let patients = format!(
        "SELECT p.key FROM resource p WHERE p.tenant = 1 AND p.type = {} \
         AND p.entries @> ARRAY[$1::bigint]",
        Names::number(Kind::Patient)
    );
    let floor = narrow(source, &patients);
    Shape::new("Observation?patient.identifier=", floor, |_| {
        let person = source.person(&mut random);
        let number = ssn(person);
        let entry = source
            .names
            .token(Kind::Patient, "identifier", SSN, &number);
        let path = format!("Observation?patient.identifier={SSN}%7C{number}");
        Ask::get(path, vec![Bind::Number(entry)], move |world| {
            of_person(world, person, |_| true)
        })
    })
}

/// Nearly everybody has one: of each Patient in turn it is looked for.
fn has_common(source: &Source<'_>) -> Shape {
    let mut random = source.random("has common");
    let floor = format!(
        "{} AND EXISTS (SELECT 1 FROM resource o WHERE o.tenant = 1 AND o.type = {} \
         AND o.entries @> ARRAY[r.key # {}::bigint, $1::bigint]) {PAGE}",
        select(Kind::Patient),
        Names::number(Kind::Observation),
        source.names.seed(Kind::Observation, "patient")
    );
    Shape::new(
        "Patient?_has:Observation:patient:code=common",
        floor,
        |_| {
            let code = source.common(&mut random);
            let path = format!("Patient?_has:Observation:patient:code={}", loinc(code));
            Ask::get(
                path,
                vec![Bind::Number(source.code_entry(code))],
                move |world| {
                    let of = |number: &u32| world.observations[*number as usize].person;
                    Expected::of(
                        Kind::Patient,
                        world.by_code[code as usize].iter().map(of).collect(),
                    )
                },
            )
        },
    )
    .aim(Aim::Rate(500.0))
}

fn has_rare(source: &Source<'_>) -> Shape {
    let mut random = source.random("has rare");
    let floor = format!(
        "{} AND r.key = ANY(ARRAY(SELECT DISTINCT e.entry # {}::bigint FROM resource o, \
         unnest(o.entries) AS e(entry) WHERE o.tenant = 1 AND o.type = {} \
         AND o.entries @> ARRAY[$1::bigint])) {PAGE}",
        select(Kind::Patient),
        source.names.seed(Kind::Observation, "patient"),
        Names::number(Kind::Observation)
    );
    Shape::new("Patient?_has:Observation:patient:code=rare", floor, |_| {
        let code = source.rare(&mut random);
        let path = format!("Patient?_has:Observation:patient:code={}", loinc(code));
        Ask::get(
            path,
            vec![Bind::Number(source.code_entry(code))],
            move |world| {
                let of = |number: &u32| world.observations[*number as usize].person;
                Expected::of(
                    Kind::Patient,
                    world.by_code[code as usize].iter().map(of).collect(),
                )
            },
        )
    })
    .aim(Aim::Rate(500.0))
}

/// The page of `conditions`, and `more` of it.
fn page_and(kind: Kind, conditions: &str, more: &str) -> String {
    format!(
        "WITH m AS MATERIALIZED (SELECT r.key, r.entries, r.body FROM resource r \
         WHERE r.tenant = 1 AND r.type = {} AND {conditions} {PAGE}) \
         SELECT m.body FROM m UNION ALL {more}",
        Names::number(kind)
    )
}

fn include(source: &Source<'_>) -> Shape {
    let mut random = source.random("include");
    let more = format!(
        "SELECT p.body FROM resource p WHERE p.tenant = 1 AND p.type = {} AND p.key = ANY(ARRAY(\
         SELECT DISTINCT e.entry # {}::bigint FROM m, unnest(m.entries) AS e(entry)))",
        Names::number(Kind::Patient),
        source.names.seed(Kind::Observation, "patient")
    );
    let floor = page_and(Kind::Observation, "r.entries @> ARRAY[$1::bigint]", &more);
    Shape::new(
        "Observation?code=&_include=Observation:patient",
        floor,
        |_| {
            let code = source.common(&mut random);
            let path = format!(
                "Observation?code={}&_include=Observation:patient",
                loinc(code)
            );
            Ask::get(
                path,
                vec![Bind::Number(source.code_entry(code))],
                move |world| {
                    let mut expected = of_code(world, code, |_| true);
                    expected.brings = Some(|world, number| {
                        let person = world.observations[number as usize].person;
                        vec![(Kind::Patient, u64::from(person))]
                    });
                    expected
                },
            )
        },
    )
}

/// What refers to the page in a slot, by one reference each.
fn referring(source: &Source<'_>, kind: Kind, parameter: &str) -> String {
    format!(
        "SELECT o.body FROM m JOIN resource o ON o.tenant = 1 AND o.type = {} \
         AND o.entries @> ARRAY[m.key # {}::bigint]",
        Names::number(kind),
        source.names.seed(kind, parameter)
    )
}

fn provenance(source: &Source<'_>) -> Shape {
    let mut random = source.random("provenance");
    let named = format!(
        "r.key IN (SELECT s.key FROM string_entry s WHERE s.tenant = 1 AND s.slot = {} \
         AND s.value >= $1 AND s.value < $2)",
        source.names.row(Kind::Patient, "family")
    );
    let more = referring(source, Kind::Provenance, "target");
    let floor = page_and(Kind::Patient, &named, &more);
    Shape::new(
        "Patient?family=&_revinclude=Provenance:target",
        floor,
        |_| {
            let person = source.person(&mut random) as usize;
            let number = source.world.people[person].family;
            let small = family(number).to_lowercase();
            let path = format!("Patient?family={small}&_revinclude=Provenance:target");
            let binds = vec![
                Bind::Text(small.clone()),
                Bind::Text(format!("{small}\u{10ffff}")),
            ];
            Ask::get(path, binds, move |world| {
                let mut expected = people(world, |person| person.family == number);
                expected.brings = Some(|_, number| vec![(Kind::Provenance, u64::from(number))]);
                expected
            })
        },
    )
}

fn observations_of_encounters(source: &Source<'_>) -> Shape {
    let mut random = source.random("observations of encounters");
    let more = referring(source, Kind::Observation, "encounter");
    let floor = page_and(Kind::Encounter, "r.entries @> ARRAY[$1::bigint]", &more);
    Shape::new(
        "Encounter?patient=&_revinclude=Observation:encounter",
        floor,
        |_| {
            let person = source.person(&mut random);
            let patient = source.patient_id(person);
            let path = format!("Encounter?patient={patient}&_revinclude=Observation:encounter");
            let entry = source
                .names
                .reference(Kind::Encounter, "patient", Kind::Patient, &patient);
            Ask::get(path, vec![Bind::Number(entry)], move |world| {
                let numbers = world.people[person as usize].encounters.clone();
                let mut expected = Expected::of(Kind::Encounter, numbers.collect());
                expected.brings = Some(|world, number| {
                    let person = world.encounters[number as usize].person;
                    let all = world.people[person as usize].observations.clone();
                    let of = |o: &u32| world.observations[*o as usize].encounter == Some(number);
                    all.filter(of)
                        .map(|o| (Kind::Observation, u64::from(o)))
                        .collect()
                });
                expected
            })
        },
    )
}
