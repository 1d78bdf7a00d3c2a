//! Patients by name, birth date and identifier.

use super::{Aim, Ask, PAGE, Shape, Source, people, select};
use crate::floor::{Bind, Names};
use crate::grow::{Kind, Person, date, family, given, ssn};
use crate::truth::Expected;

pub fn shapes(source: &Source<'_>) -> Vec<Shape> {
    vec![
        name(source),
        common_name(source),
        contains(source),
        family_and_given(source),
        birth_date(source),
        name_and_birth_date(source),
        identifier(source),
        identifiers(source),
        ids(source),
        dead(source),
        by_family(source),
    ]
}

/// The bounds of the texts that begin with a text in small letters.
fn prefix(text: &str) -> Vec<Bind> {
    vec![
        Bind::Text(text.to_owned()),
        Bind::Text(format!("{text}\u{10ffff}")),
    ]
}

/// `r` has a row of strings between `$from` and the next parameter.
fn begins(source: &Source<'_>, parameter: &str, from: usize) -> String {
    format!(
        "SELECT s.key FROM string_entry s WHERE s.tenant = 1 AND s.slot = {} \
         AND s.value >= ${from} AND s.value < ${}",
        source.names.row(Kind::Patient, parameter),
        from + 1
    )
}

/// Whether any part of the name begins so.
fn is_named(person: &Person, text: &str) -> bool {
    let prefix = if person.male { "mr" } else { "mrs" };
    let givens = person.givens.map(given);
    let parts = [family(person.family), givens[0].clone(), givens[1].clone()];
    prefix.starts_with(text)
        || parts
            .iter()
            .any(|part| part.to_lowercase().starts_with(text))
}

fn name(source: &Source<'_>) -> Shape {
    let mut random = source.random("name");
    let floor = format!(
        "{} AND r.key IN ({}) {PAGE}",
        select(Kind::Patient),
        begins(source, "name", 1)
    );
    Shape::new("Patient?name=", floor, |_| {
        let person = source.person(&mut random) as usize;
        let name = family(source.world.people[person].family);
        let small = name.to_lowercase();
        Ask::get(
            format!("Patient?name={name}"),
            prefix(&small),
            move |world| people(world, |person| is_named(person, &small)),
        )
    })
    .aim(Aim::Rate(5000.0))
}

fn common_name(source: &Source<'_>) -> Shape {
    let floor = format!(
        "{} AND EXISTS ({} AND s.key = r.key) {PAGE}",
        select(Kind::Patient),
        begins(source, "name", 1)
    );
    Shape::new("Patient?name=a (a letter)", floor, |number| {
        let letter = ["a", "b", "e", "g", "k", "r", "s", "t"][number % 8];
        Ask::get(
            format!("Patient?name={letter}"),
            prefix(letter),
            move |world| people(world, |person| is_named(person, letter)),
        )
    })
}

fn contains(source: &Source<'_>) -> Shape {
    let mut random = source.random("contains");
    let floor = format!(
        "{} AND r.key IN (SELECT s.key FROM string_entry s WHERE s.tenant = 1 AND s.slot = {} \
         AND s.value LIKE $1) {PAGE}",
        select(Kind::Patient),
        source.names.row(Kind::Patient, "name")
    );
    Shape::new("Patient?name:contains=", floor, |_| {
        let person = source.person(&mut random) as usize;
        let name = family(source.world.people[person].family).to_lowercase();
        let part = name[2..].to_owned();
        let binds = vec![Bind::Text(format!("%{part}%"))];
        Ask::get(
            format!("Patient?name:contains={part}"),
            binds,
            move |world| {
                people(world, |person| {
                    let givens = person.givens.map(given);
                    let parts = [family(person.family), givens[0].clone(), givens[1].clone()];
                    parts.iter().any(|text| text.to_lowercase().contains(&part))
                })
            },
        )
    })
    .unlimited()
}

fn family_and_given(source: &Source<'_>) -> Shape {
    let mut random = source.random("family");
    let floor = format!(
        "{} AND r.key IN ({}) AND EXISTS ({} AND s.key = r.key) {PAGE}",
        select(Kind::Patient),
        begins(source, "family", 1),
        begins(source, "given", 3)
    );
    Shape::new("Patient?family=&given=", floor, |_| {
        let person = &source.world.people[source.person(&mut random) as usize];
        let (family_name, given_name) = (family(person.family), given(person.givens[0]));
        let path = format!("Patient?family={family_name}&given={given_name}");
        let (one, other) = (family_name.to_lowercase(), given_name.to_lowercase());
        let binds = [prefix(&one), prefix(&other)].concat();
        Ask::get(path, binds, move |world| {
            people(world, |person| {
                let begins = |name: String, with: &str| name.to_lowercase().starts_with(with);
                begins(family(person.family), &one)
                    && person
                        .givens
                        .iter()
                        .any(|name| begins(given(*name), &other))
            })
        })
    })
}

/// Microseconds of days.
fn day(days: i64) -> Vec<Bind> {
    let day = 86_400_000_000;
    vec![Bind::Number(days * day), Bind::Number((days + 1) * day)]
}

fn born(source: &Source<'_>, from: usize) -> String {
    format!(
        "SELECT d.key FROM date_entry d WHERE d.tenant = 1 AND d.slot = {} \
         AND d.low >= ${from} AND d.low < ${} AND d.high <= ${}",
        source.names.row(Kind::Patient, "birthdate"),
        from + 1,
        from + 1
    )
}

fn birth_date(source: &Source<'_>) -> Shape {
    let mut random = source.random("birthdate");
    let floor = format!(
        "{} AND r.key IN ({}) {PAGE}",
        select(Kind::Patient),
        born(source, 1)
    );
    Shape::new("Patient?birthdate=", floor, |_| {
        let birth = source.world.people[source.person(&mut random) as usize].birth;
        let path = format!("Patient?birthdate={}", date(birth));
        Ask::get(path, day(birth), move |world| {
            people(world, |person| person.birth == birth)
        })
    })
    .aim(Aim::Rate(5000.0))
}

fn name_and_birth_date(source: &Source<'_>) -> Shape {
    let mut random = source.random("name and birthdate");
    let floor = format!(
        "{} AND r.key IN ({}) AND EXISTS ({} AND d.key = r.key) {PAGE}",
        select(Kind::Patient),
        begins(source, "name", 1),
        born(source, 3)
    );
    Shape::new("Patient?name=&birthdate=", floor, |_| {
        let person = &source.world.people[source.person(&mut random) as usize];
        let (name, birth) = (family(person.family), person.birth);
        let path = format!("Patient?name={name}&birthdate={}", date(birth));
        let small = name.to_lowercase();
        let binds = [prefix(&small), day(birth)].concat();
        Ask::get(path, binds, move |world| {
            people(world, |person| {
                person.birth == birth && is_named(person, &small)
            })
        })
    })
}

pub const SSN: &str = "http://hl7.org/fhir/sid/us-ssn";

fn identifier(source: &Source<'_>) -> Shape {
    let mut random = source.random("identifier");
    let floor = format!(
        "{} AND r.entries @> ARRAY[$1::bigint] {PAGE}",
        select(Kind::Patient)
    );
    Shape::new("Patient?identifier=", floor, |_| {
        let person = source.person(&mut random);
        let number = ssn(person);
        let entry = source
            .names
            .token(Kind::Patient, "identifier", SSN, &number);
        let path = format!("Patient?identifier={SSN}%7C{number}");
        Ask::get(path, vec![Bind::Number(entry)], move |_| {
            Expected::of(Kind::Patient, vec![person])
        })
    })
}

/// A thousand values, most of which nobody has.
fn identifiers(source: &Source<'_>) -> Shape {
    let mut random = source.random("identifiers");
    let floor = format!(
        "{} AND r.entries && $1::bigint[] {PAGE}",
        select(Kind::Patient)
    );
    Shape::new("Patient?identifier= 1,000 values", floor, |_| {
        let found: Vec<u32> = (0..50).map(|_| source.person(&mut random)).collect();
        let others = (0..950).map(|_| 500_000 + random.below(400_000) as u32);
        let numbers: Vec<String> = found.iter().copied().chain(others).map(ssn).collect();
        let entry = |number: &String| source.names.token(Kind::Patient, "identifier", "", number);
        let binds = vec![Bind::Numbers(numbers.iter().map(entry).collect())];
        let path = format!("Patient?identifier={}", numbers.join(","));
        Ask::get(path, binds, move |_| {
            Expected::of(Kind::Patient, found.clone())
        })
    })
}

fn ids(source: &Source<'_>) -> Shape {
    let mut random = source.random("ids");
    let floor = format!(
        "{} AND r.key = ANY($1::bigint[]) {PAGE}",
        select(Kind::Observation)
    );
    Shape::new("Observation?_id= 20 ids", floor, |_| {
        let count = source.world.observations.len() as u64;
        let numbers: Vec<u32> = (0..20).map(|_| random.below(count) as u32).collect();
        let id = |number: &u32| source.world.id(Kind::Observation, u64::from(*number));
        let ids: Vec<String> = numbers.iter().map(id).collect();
        let keys = ids
            .iter()
            .map(|id| Names::key(Kind::Observation, id))
            .collect();
        let path = format!("Observation?_id={}", ids.join(","));
        Ask::get(path, vec![Bind::Numbers(keys)], move |_| {
            Expected::of(Kind::Observation, numbers.clone())
        })
    })
}

fn dead(source: &Source<'_>) -> Shape {
    let floor = format!(
        "{} AND EXISTS (SELECT 1 FROM date_entry d WHERE d.tenant = 1 AND d.key = r.key \
         AND d.slot = {}) AND r.entries @> ARRAY[$1::bigint] {PAGE}",
        select(Kind::Patient),
        source.names.row(Kind::Patient, "death-date")
    );
    Shape::new(
        "Patient?death-date:missing=false&gender=",
        floor,
        |number| {
            let male = number % 2 == 0;
            let gender = if male { "male" } else { "female" };
            let entry = source.names.token(Kind::Patient, "gender", "", gender);
            let path = format!("Patient?death-date:missing=false&gender={gender}");
            Ask::get(path, vec![Bind::Number(entry)], move |world| {
                people(world, |person| {
                    person.death.is_some() && person.male == male
                })
            })
        },
    )
}

/// Sorted by family: a number that falls and rises as the name does.
fn by_family(source: &Source<'_>) -> Shape {
    let floor = format!(
        "SELECT r.body FROM string_entry s JOIN resource r ON r.tenant = 1 AND r.type = {} \
         AND r.key = s.key WHERE s.tenant = 1 AND s.slot = {} AND r.entries @> ARRAY[$1::bigint] \
         ORDER BY s.value, s.key LIMIT 20",
        Names::number(Kind::Patient),
        source.names.row(Kind::Patient, "family")
    );
    Shape::new("Patient?gender=&_sort=family", floor, |number| {
        let male = number % 2 == 0;
        let gender = if male { "male" } else { "female" };
        let entry = source.names.token(Kind::Patient, "gender", "", gender);
        let path = format!("Patient?gender={gender}&_sort=family");
        Ask::get(path, vec![Bind::Number(entry)], move |world| {
            people(world, |person| person.male == male).sorted(false, |world, number| {
                let name = family(world.people[number as usize].family).to_lowercase();
                let mut bytes = [0; 8];
                let taken = name.len().min(8);
                bytes[..taken].copy_from_slice(&name.as_bytes()[..taken]);
                i64::from_be_bytes(bytes)
            })
        })
    })
}
