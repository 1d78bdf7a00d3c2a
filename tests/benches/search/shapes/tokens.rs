//! Codes and other tokens: rare, common, several, many, not, missing; counts.

use super::{
    Ask, FEW, ORDERED, PAGE, Shape, Source, loinc, observations, of_code, of_person, select,
};
use crate::codes::CODES;
use crate::floor::{Bind, Names};
use crate::grow::{self, Kind};
use crate::shapes::Aim;
use crate::truth::Expected;

pub fn shapes(source: &Source<'_>) -> Vec<Shape> {
    vec![
        rare(source),
        common(source),
        two_common(source),
        disjoint(source),
        patient_and_code(source),
        posted(source),
        codes(source),
        not(source),
        missing(source),
        present(source),
        count_rare(source),
        count_common(source),
    ]
}

/// The floor of matches that the index of entries finds, all of which are read.
fn few(conditions: &str) -> String {
    format!("{} AND {conditions} {PAGE}", select(Kind::Observation))
}

const ONE: &str = "r.entries @> ARRAY[$1::bigint]";
const TWO: &str = "r.entries @> ARRAY[$1::bigint, $2::bigint]";

fn rare(source: &Source<'_>) -> Shape {
    let mut random = source.random("rare");
    Shape::new("Observation?code=rare", FEW, few(ONE), |_| {
        let code = source.rare(&mut random);
        let path = format!("Observation?code={}", loinc(code));
        Ask::get(
            path,
            vec![Bind::Number(source.code_entry(code))],
            move |world| of_code(world, code, |_| true),
        )
    })
}

fn common(source: &Source<'_>) -> Shape {
    let mut random = source.random("common");
    Shape::new("Observation?code=common", ORDERED, few(ONE), |_| {
        let code = source.common(&mut random);
        let path = format!("Observation?code={}", loinc(code));
        Ask::get(
            path,
            vec![Bind::Number(source.code_entry(code))],
            move |world| of_code(world, code, |_| true),
        )
    })
}

fn category(source: &Source<'_>, category: &str) -> i64 {
    source
        .names
        .token(Kind::Observation, "category", "", category)
}

fn status(source: &Source<'_>, amended: bool) -> (&'static str, i64) {
    let text = if amended { "amended" } else { "final" };
    (
        text,
        source.names.token(Kind::Observation, "status", "", text),
    )
}

/// The category that the facts tell of a code.
fn category_of(code: u32) -> &'static str {
    CODES
        .get(code as usize)
        .map_or("survey", |code| code.category)
}

fn two_common(source: &Source<'_>) -> Shape {
    Shape::new(
        "Observation?category=&status= both common",
        ORDERED,
        few(TWO),
        |number| {
            let wanted = ["laboratory", "vital-signs"][number % 2];
            let amended = number / 2 % 2 == 0;
            let (text, entry) = status(source, amended);
            let path = format!("Observation?category={wanted}&status={text}");
            let binds = vec![Bind::Number(category(source, wanted)), Bind::Number(entry)];
            Ask::get(path, binds, move |world| {
                observations(world, |o| {
                    o.amended == amended && category_of(o.code) == wanted
                })
            })
        },
    )
}

/// Both are common, and nothing has both.
fn disjoint(source: &Source<'_>) -> Shape {
    Shape::new(
        "Observation?code=&category= disjoint",
        FEW,
        few(TWO),
        |number| {
            let code = (number % CODES.len()) as u32;
            let wanted = match category_of(code) {
                "laboratory" => "vital-signs",
                _ => "laboratory",
            };
            let path = format!("Observation?code={}&category={wanted}", loinc(code));
            let entries = [source.code_entry(code), category(source, wanted)];
            Ask::get(path, entries.map(Bind::Number).to_vec(), |_| {
                Expected::of(Kind::Observation, Vec::new())
            })
        },
    )
}

fn patient_and_code(source: &Source<'_>) -> Shape {
    let mut random = source.random("patient and code");
    Shape::new("Observation?patient=&code=", FEW, few(TWO), |_| {
        let (person, code) = (source.person(&mut random), source.common(&mut random));
        let path = format!(
            "Observation?patient={}&code={}",
            source.patient_id(person),
            loinc(code)
        );
        let entries = [source.patient_entry(person), source.code_entry(code)];
        Ask::get(path, entries.map(Bind::Number).to_vec(), move |world| {
            of_person(world, person, |o| o.code == code)
        })
    })
    .aim(Aim::Rate(3000.0))
}

fn posted(source: &Source<'_>) -> Shape {
    let mut random = source.random("posted");
    Shape::new(
        "POST Observation/_search patient, code",
        FEW,
        few(TWO),
        |_| {
            let (person, code) = (source.person(&mut random), source.common(&mut random));
            let entries = [source.patient_entry(person), source.code_entry(code)];
            let path = "Observation/_search".to_owned();
            let mut ask = Ask::get(path, entries.map(Bind::Number).to_vec(), move |world| {
                of_person(world, person, |o| o.code == code)
            });
            ask.form = Some(format!(
                "patient={}&code={}",
                source.patient_id(person),
                loinc(code)
            ));
            ask
        },
    )
}

/// A thousand codes, of which a hundred exist and are rare.
fn codes(source: &Source<'_>) -> Shape {
    let mut random = source.random("codes");
    let any = "r.entries && $1::bigint[]";
    Shape::new("Observation?code= 1,000 values", FEW, few(any), |_| {
        let mut found: Vec<u32> = (0..100).map(|_| source.rare(&mut random)).collect();
        found.sort_unstable();
        found.dedup();
        let others = (0..1000 - found.len()).map(|_| 500_000 + random.below(400_000) as u32);
        let all: Vec<u32> = found.iter().copied().chain(others).collect();
        let texts: Vec<String> = all.iter().map(|code| grow::code(*code)).collect();
        let entry = |text: &String| source.names.token(Kind::Observation, "code", "", text);
        let binds = vec![Bind::Numbers(texts.iter().map(entry).collect())];
        let path = format!("Observation?code={}", texts.join(","));
        Ask::get(path, binds, move |world| {
            let of = |code: &u32| world.by_code[*code as usize].clone();
            Expected::of(Kind::Observation, found.iter().flat_map(of).collect())
        })
    })
}

fn not(source: &Source<'_>) -> Shape {
    let mut random = source.random("not");
    let floor = few("NOT r.entries @> ARRAY[$1::bigint] AND r.entries @> ARRAY[$2::bigint]");
    Shape::new("Observation?status:not=final&code=", ORDERED, floor, |_| {
        let code = source.common(&mut random);
        let (text, entry) = status(source, false);
        let path = format!("Observation?status:not={text}&code={}", loinc(code));
        let binds = vec![Bind::Number(entry), Bind::Number(source.code_entry(code))];
        Ask::get(path, binds, move |world| {
            of_code(world, code, |o| o.amended)
        })
    })
}

fn by_presence(source: &Source<'_>, test: &str) -> String {
    let bit = source.names.presence(Kind::Observation, "encounter");
    format!(
        "{} AND r.present & {bit} {test} AND r.entries @> ARRAY[$1::bigint] {PAGE}",
        select(Kind::Observation)
    )
}

fn missing(source: &Source<'_>) -> Shape {
    Shape::new(
        "Observation?encounter:missing=true&category=",
        ORDERED,
        by_presence(source, "= 0"),
        |number| {
            let wanted = ["laboratory", "vital-signs"][number % 2];
            let path = format!("Observation?encounter:missing=true&category={wanted}");
            Ask::get(
                path,
                vec![Bind::Number(category(source, wanted))],
                move |world| {
                    observations(world, |o| {
                        o.encounter.is_none() && category_of(o.code) == wanted
                    })
                },
            )
        },
    )
}

fn present(source: &Source<'_>) -> Shape {
    let mut random = source.random("present");
    Shape::new(
        "Observation?encounter:missing=false&code=",
        ORDERED,
        by_presence(source, "<> 0"),
        |_| {
            let code = source.common(&mut random);
            let path = format!("Observation?encounter:missing=false&code={}", loinc(code));
            Ask::get(
                path,
                vec![Bind::Number(source.code_entry(code))],
                move |world| of_code(world, code, |o| o.encounter.is_some()),
            )
        },
    )
}

fn count() -> String {
    let number = Names::number(Kind::Observation);
    format!(
        "SELECT count(*)::text FROM resource r WHERE r.tenant = 1 AND r.type = {number} AND {ONE}"
    )
}

fn counted(mut expected: Expected) -> Expected {
    expected.counts = true;
    expected
}

fn count_rare(source: &Source<'_>) -> Shape {
    let mut random = source.random("count rare");
    Shape::new("Observation?code=rare&_summary=count", FEW, count(), |_| {
        let code = source.rare(&mut random);
        let path = format!("Observation?code={}&_summary=count", loinc(code));
        Ask::get(
            path,
            vec![Bind::Number(source.code_entry(code))],
            move |world| counted(of_code(world, code, |_| true)),
        )
    })
}

fn count_common(source: &Source<'_>) -> Shape {
    Shape::new(
        "Observation?code=common&_summary=count",
        FEW,
        count(),
        |number| {
            let code = (number % CODES.len()) as u32;
            let path = format!("Observation?code={}&_summary=count", loinc(code));
            Ask::get(
                path,
                vec![Bind::Number(source.code_entry(code))],
                move |world| counted(of_code(world, code, |_| true)),
            )
        },
    )
    .unlimited()
}
