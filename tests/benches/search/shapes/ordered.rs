//! Dates and quantities, and whatever is sorted; pages far down.

use super::{
    Aim, Ask, FEW, ORDERED, PAGE, Shape, Source, loinc, made, observations, of_code, of_person,
    select,
};
use crate::codes::{BLOOD_PRESSURE, CODES, GLUCOSE};
use crate::dataset::Layout;
use crate::floor::{Bind, Names};
use crate::grow::{END, Kind, Observation, Random, date, instant, tenths};
use crate::truth::Expected;

pub fn shapes(source: &Source<'_>) -> Vec<Shape> {
    vec![
        newest(source),
        patient_and_code(source),
        since(source),
        patient_since(source),
        deep(source),
        week(source),
        stored(source),
        stored_since(source),
        quantity(source),
        code_and_quantity(source),
        code_value_quantity(source),
        component(source),
    ]
}

/// Those of a small tenant inside of a large database.
pub fn small(source: &Source<'_>) -> Vec<Shape> {
    let mut shapes = vec![
        stored(source),
        newest(source),
        patient_and_code(source),
        super::people::shapes(source).swap_remove(0),
    ];
    for (shape, name) in shapes.iter_mut().zip([
        "small tenant: Observation?_sort=-_lastUpdated",
        "small tenant: Observation?code=common&_sort=-date",
        "small tenant: Observation?patient=&code=&_sort=-date",
        "small tenant: Patient?name=",
    ]) {
        shape.name = name;
        shape.layout = Layout::Small;
        shape.aim = None;
    }
    shapes
}

/// The newest Observations that `conditions` hold of.
fn newest_first(source: &Source<'_>, conditions: &str) -> String {
    format!(
        "SELECT r.body FROM date_entry d JOIN resource r ON r.tenant = 1 AND r.type = {} \
         AND r.key = d.key WHERE d.tenant = 1 AND d.slot = {} AND {conditions} \
         ORDER BY d.low DESC, d.key DESC LIMIT 20",
        Names::number(Kind::Observation),
        source.names.row(Kind::Observation, "date")
    )
}

const ONE: &str = "r.entries @> ARRAY[$1::bigint]";

fn newest(source: &Source<'_>) -> Shape {
    let mut random = source.random("newest");
    let floor = newest_first(source, ONE);
    Shape::new(
        "Observation?code=common&_sort=-date",
        ORDERED,
        floor,
        |_| {
            let code = source.common(&mut random);
            let path = format!("Observation?code={}&_sort=-date", loinc(code));
            Ask::get(
                path,
                vec![Bind::Number(source.code_entry(code))],
                move |world| of_code(world, code, |_| true).sorted(true, made),
            )
        },
    )
    .aim(Aim::Rate(1500.0))
}

/// The few that entries find, joined to their dates.
fn few_newest_first(source: &Source<'_>, conditions: &str) -> String {
    format!(
        "WITH m AS MATERIALIZED (SELECT r.key, r.body FROM resource r WHERE r.tenant = 1 \
         AND r.type = {} AND r.entries @> ARRAY[$1::bigint, $2::bigint]) \
         SELECT m.body FROM m JOIN date_entry d ON d.tenant = 1 AND d.key = m.key AND d.slot = {} \
         {conditions} ORDER BY d.low DESC LIMIT 20",
        Names::number(Kind::Observation),
        source.names.row(Kind::Observation, "date")
    )
}

fn patient_and_code(source: &Source<'_>) -> Shape {
    let mut random = source.random("patient and code, newest");
    let floor = few_newest_first(source, "");
    Shape::new("Observation?patient=&code=&_sort=-date", FEW, floor, |_| {
        let (person, code) = (source.person(&mut random), source.common(&mut random));
        let patient = source.patient_id(person);
        let path = format!(
            "Observation?patient={patient}&code={}&_sort=-date",
            loinc(code)
        );
        let entries = [source.patient_entry(person), source.code_entry(code)];
        Ask::get(path, entries.map(Bind::Number).to_vec(), move |world| {
            of_person(world, person, |o| o.code == code).sorted(true, made)
        })
    })
    .aim(Aim::Rate(1500.0))
}

/// Days since 1970 in the last two years of the data.
fn recent(random: &mut Random) -> i64 {
    END / 86_400 - 1 - random.below(730) as i64
}

fn since(source: &Source<'_>) -> Shape {
    let mut random = source.random("since");
    let floor = newest_first(source, &format!("{ONE} AND d.high > $2"));
    Shape::new(
        "Observation?code=&date=ge&_sort=-date",
        ORDERED,
        floor,
        |_| {
            let (code, day) = (source.common(&mut random), recent(&mut random));
            let path = format!(
                "Observation?code={}&date=ge{}&_sort=-date",
                loinc(code),
                date(day)
            );
            let binds = vec![
                Bind::Number(source.code_entry(code)),
                Bind::Number(day * 86_400_000_000),
            ];
            Ask::get(path, binds, move |world| {
                of_code(world, code, |o| o.at >= day * 86_400).sorted(true, made)
            })
        },
    )
    .aim(Aim::Rate(1500.0))
}

fn patient_since(source: &Source<'_>) -> Shape {
    let mut random = source.random("patient since");
    let floor = few_newest_first(source, "AND d.high > $3");
    Shape::new("Observation?patient=&category=&date=ge", FEW, floor, |_| {
        let person = source.person(&mut random);
        let encounters = source.world.people[person as usize].encounters.clone();
        let middle = (encounters.start + encounters.end) / 2;
        let day = source.world.encounters[middle as usize].at / 86_400;
        let patient = source.patient_id(person);
        let path = format!(
            "Observation?patient={patient}&category=laboratory&date=ge{}&_sort=-date",
            date(day)
        );
        let category = source
            .names
            .token(Kind::Observation, "category", "", "laboratory");
        let numbers = [source.patient_entry(person), category, day * 86_400_000_000];
        Ask::get(path, numbers.map(Bind::Number).to_vec(), move |world| {
            let is_lab = |code: u32| {
                CODES
                    .get(code as usize)
                    .is_some_and(|c| c.category == "laboratory")
            };
            let test = |o: &Observation| is_lab(o.code) && o.at >= day * 86_400;
            of_person(world, person, test).sorted(true, made)
        })
    })
}

/// The hundredth link `next`; the floor knows where the page begins.
fn deep(source: &Source<'_>) -> Shape {
    const BEFORE: usize = 100 * crate::truth::PAGE;
    let floor = newest_first(source, &format!("{ONE} AND d.low < $2"));
    let codes: Vec<u32> = (0..7)
        .filter(|code| source.world.by_code[*code as usize].len() > BEFORE + 20)
        .collect();
    let mut shape = Shape::new(
        "Observation?code=common&_sort=-date 100th next",
        ORDERED,
        floor,
        |number| {
            let code = codes
                .get(number % codes.len().max(1))
                .copied()
                .unwrap_or_default();
            let mut times: Vec<i64> = source.world.by_code[code as usize]
                .iter()
                .map(|number| made(source.world, *number))
                .collect();
            times.sort_unstable_by(|a, b| b.cmp(a));
            let last = times.get(BEFORE - 1).copied().unwrap_or_default();
            let path = format!("Observation?code={}&_sort=-date", loinc(code));
            let binds = vec![
                Bind::Number(source.code_entry(code)),
                Bind::Number(last * 1_000_000),
            ];
            Ask::get(path, binds, move |world| {
                let mut expected = of_code(world, code, |_| true).sorted(true, made);
                expected.before = BEFORE;
                expected
            })
        },
    );
    shape.asks.truncate(codes.len());
    shape.follow = 100;
    shape
}

/// Encounters within a week, by key.
fn week(source: &Source<'_>) -> Shape {
    let mut random = source.random("week");
    let floor = format!(
        "{} AND EXISTS (SELECT 1 FROM date_entry d WHERE d.tenant = 1 AND d.slot = {} \
         AND d.key = r.key AND d.high > $2) AND r.entries @> ARRAY[$1::bigint] {PAGE}",
        select(Kind::Encounter),
        source.names.row(Kind::Encounter, "date")
    );
    Shape::new("Encounter?patient=&date=ge", FEW, floor, |_| {
        let (person, day) = (source.person(&mut random), recent(&mut random) - 2000);
        let patient = source.patient_id(person);
        let path = format!("Encounter?patient={patient}&date=ge{}", date(day));
        let entry = source
            .names
            .reference(Kind::Encounter, "patient", Kind::Patient, &patient);
        let binds = vec![Bind::Number(entry), Bind::Number(day * 86_400_000_000)];
        Ask::get(path, binds, move |world| {
            let numbers = world.people[person as usize].encounters.clone();
            // A period that ends after the beginning of the day reaches into it.
            let fits = |number: &u32| world.encounters[*number as usize].at + 900 >= day * 86_400;
            Expected::of(Kind::Encounter, numbers.filter(fits).collect())
        })
    })
}

fn stored(source: &Source<'_>) -> Shape {
    let floor = format!(
        "{} AND r.entries @> ARRAY[$1::bigint] ORDER BY r.last_updated DESC LIMIT 20",
        select(Kind::Observation)
    );
    Shape::new(
        "Observation?category=&_sort=-_lastUpdated",
        ORDERED,
        floor,
        |number| {
            let wanted = ["laboratory", "vital-signs"][number % 2];
            let entry = source
                .names
                .token(Kind::Observation, "category", "", wanted);
            let path = format!("Observation?category={wanted}&_sort=-_lastUpdated");
            Ask::get(path, vec![Bind::Number(entry)], move |world| {
                let of = |code: u32| {
                    CODES
                        .get(code as usize)
                        .is_some_and(|c| c.category == wanted)
                };
                observations(world, |o| of(o.code))
                    .sorted(true, |world, number| world.observation_stored(number))
            })
        },
    )
}

fn stored_since(source: &Source<'_>) -> Shape {
    let mut random = source.random("stored since");
    let floor = format!(
        "WITH r AS MATERIALIZED (SELECT r.key, r.body FROM resource r WHERE r.tenant = 1 \
         AND r.type = {} AND r.last_updated > $1::timestamptz) SELECT r.body FROM r {PAGE}",
        Names::number(Kind::Observation)
    );
    Shape::new(
        "Observation?_lastUpdated=gt the last few",
        FEW,
        floor,
        |_| {
            let people = source.world.people.len() as u32;
            // What was stored of the last person or two.
            let person = people - 1 - random.below(2) as u32;
            let at = source.world.stored(person, 0) + random.below(100) as i64 + 1;
            let path = format!("Observation?_lastUpdated=gt{}", instant(at));
            Ask::get(path, vec![Bind::Text(instant(at))], move |world| {
                let first = world.people[person as usize].observations.start;
                let numbers = first..world.observations.len() as u32;
                let is_later = |number: &u32| world.observation_stored(*number) > at;
                Expected::of(Kind::Observation, numbers.filter(is_later).collect())
            })
        },
    )
}

/// `r` has a quantity above `$at`.
fn above(source: &Source<'_>, parameter: &str, at: usize) -> String {
    format!(
        "EXISTS (SELECT 1 FROM quantity_entry q WHERE q.tenant = 1 AND q.slot = {} \
         AND q.key = r.key AND q.low > ${at}::text::numeric)",
        source.names.row(Kind::Observation, parameter)
    )
}

fn quantity(source: &Source<'_>) -> Shape {
    let mut random = source.random("quantity");
    let floor = format!(
        "{} AND {} {PAGE}",
        select(Kind::Observation),
        above(source, "value-quantity", 1)
    );
    Shape::new("Observation?value-quantity=gt", ORDERED, floor, |_| {
        let bound = 2800 + random.below(700) as i32;
        let path = format!("Observation?value-quantity=gt{}", tenths(bound));
        Ask::get(path, vec![Bind::Decimal(tenths(bound))], move |world| {
            observations(world, |o| o.code != BLOOD_PRESSURE && o.value > bound)
        })
    })
}

fn by_code_and_value(source: &Source<'_>, parameter: &str) -> String {
    let above = above(source, parameter, 2);
    format!("{} AND {ONE} AND {above} {PAGE}", select(Kind::Observation))
}

fn code_and_quantity(source: &Source<'_>) -> Shape {
    let mut random = source.random("code and quantity");
    let floor = by_code_and_value(source, "value-quantity");
    Shape::new(
        "Observation?code=&value-quantity=gt",
        ORDERED,
        floor,
        |_| {
            let bound = 1600 + random.below(200) as i32;
            let path = format!(
                "Observation?code={}&value-quantity=gt{}",
                loinc(GLUCOSE),
                tenths(bound)
            );
            let binds = vec![
                Bind::Number(source.code_entry(GLUCOSE)),
                Bind::Decimal(tenths(bound)),
            ];
            Ask::get(path, binds, move |world| {
                of_code(world, GLUCOSE, |o| o.value > bound)
            })
        },
    )
}

fn code_value_quantity(source: &Source<'_>) -> Shape {
    let mut random = source.random("code-value-quantity");
    let floor = by_code_and_value(source, "value-quantity");
    Shape::new("Observation?code-value-quantity=", ORDERED, floor, |_| {
        let bound = 1600 + random.below(200) as i32;
        let path = format!(
            "Observation?code-value-quantity={}$gt{}",
            loinc(GLUCOSE),
            tenths(bound)
        );
        let binds = vec![
            Bind::Number(source.code_entry(GLUCOSE)),
            Bind::Decimal(tenths(bound)),
        ];
        Ask::get(path, binds, move |world| {
            of_code(world, GLUCOSE, |o| o.value > bound)
        })
    })
}

/// Systolic above a bound that diastolic never reaches, so that the statement need not ask which
/// of the components it is.
fn component(source: &Source<'_>) -> Shape {
    let mut random = source.random("component");
    let floor = by_code_and_value(source, "component-value-quantity");
    Shape::new(
        "Observation?component-code-value-quantity=",
        ORDERED,
        floor,
        |_| {
            let bound = 1500 + random.below(200) as i32;
            let path = format!(
                "Observation?component-code-value-quantity=http://loinc.org%7C8480-6$gt{}",
                tenths(bound)
            );
            let entry =
                source
                    .names
                    .token(Kind::Observation, "component-code", super::LOINC, "8480-6");
            let binds = vec![Bind::Number(entry), Bind::Decimal(tenths(bound))];
            Ask::get(path, binds, move |world| {
                of_code(world, BLOOD_PRESSURE, |o| o.value > bound)
            })
        },
    )
}
