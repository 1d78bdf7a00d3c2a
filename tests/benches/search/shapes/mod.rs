//! The queries, by shape: each with values drawn from the data, what it should find, and the
//! statement that is its floor.
//!
//! ```text
//! people    names, dates, identifiers    tokens    codes, alone, together, many, not, missing
//! ordered   dates, quantities, sorting   linked    references, chains, _has, includes
//! ```

pub mod linked;
pub mod ordered;
pub mod people;
pub mod tokens;

use crate::codes::CODES;
use crate::dataset::Layout;
use crate::floor::{Bind, Names};
use crate::grow::{self, Kind, Observation, Random, World};
use crate::truth::Expected;

/// Different requests of one shape.
const ASKS: usize = 128;

/// A page in the order of keys, which is the order where none is asked for.
pub const PAGE: &str = "ORDER BY r.key LIMIT 20";

/// Row by row in the order of an index, each looked up elsewhere, until the page is full.
pub const ORDERED: &[&str] = &["sort", "bitmapscan", "hashjoin", "mergejoin", "material"];

/// The same where what is looked up takes the index of entries.
pub const ORDERED_BITMAP: &[&str] = &["sort", "hashjoin", "mergejoin", "material"];

/// The few matches first, then their order.
pub const FEW: &[&str] = &["hashjoin", "mergejoin"];

/// What the issue asks of a shape.
#[derive(Clone, Copy, Debug, PartialEq)]
pub enum Aim {
    /// Requests per second of eight clients.
    Rate(f64),
    /// Milliseconds of the median.
    Within(f64),
}

/// One request.
pub struct Ask {
    /// Behind `/fhir/`.
    pub path: String,
    /// The form of a POST.
    pub form: Option<String>,
    pub binds: Vec<Bind>,
    pub expected: Box<dyn Fn(&World) -> Expected>,
}

pub struct Shape {
    pub name: &'static str,
    pub layout: Layout,
    pub floor: String,
    /// What the planner may not use for it: `enable_…`.
    pub without: &'static [&'static str],
    pub asks: Vec<Ask>,
    pub aim: Option<Aim>,
    /// Whether its work is bounded by its page and not by the number of its matches.
    pub limited: bool,
    /// Which of the pages that follow is asked for.
    pub follow: usize,
}

impl Shape {
    pub fn new(
        name: &'static str,
        without: &'static [&'static str],
        floor: String,
        ask: impl FnMut(usize) -> Ask,
    ) -> Shape {
        Shape {
            name,
            layout: Layout::Whole,
            floor,
            without,
            asks: (0..ASKS).map(ask).collect(),
            aim: None,
            limited: true,
            follow: 0,
        }
    }

    pub fn aim(mut self, aim: Aim) -> Shape {
        self.aim = Some(aim);
        self
    }

    pub fn unlimited(mut self) -> Shape {
        self.limited = false;
        self
    }
}

impl Ask {
    pub fn get(
        path: String,
        binds: Vec<Bind>,
        expected: impl Fn(&World) -> Expected + 'static,
    ) -> Ask {
        Ask {
            path,
            form: None,
            binds,
            expected: Box::new(expected),
        }
    }
}

/// What the shapes are made with.
pub struct Source<'a> {
    pub world: &'a World,
    pub names: Names<'a>,
    pub layout: Layout,
}

impl Source<'_> {
    /// A source of choices; each shape has its own.
    pub fn random(&self, name: &str) -> Random {
        Random::new(
            self.world.seed ^ 7,
            xxhash_rust::xxh3::xxh3_64(name.as_bytes()),
        )
    }

    pub fn person(&self, random: &mut Random) -> u32 {
        random.below(self.world.people.len() as u64) as u32
    }

    /// A frequent code.
    pub fn common(&self, random: &mut Random) -> u32 {
        random.below(CODES.len() as u64) as u32
    }

    /// A rare code that something has.
    pub fn rare(&self, random: &mut Random) -> u32 {
        loop {
            let code = CODES.len() as u32 + random.below(u64::from(self.world.rare_codes)) as u32;
            if !self.world.by_code[code as usize].is_empty() {
                return code;
            }
        }
    }

    pub fn patient_id(&self, person: u32) -> String {
        self.world.id(Kind::Patient, u64::from(person))
    }

    /// The entry of an Observation's code.
    pub fn code_entry(&self, code: u32) -> i64 {
        self.names
            .token(Kind::Observation, "code", LOINC, &grow::code(code))
    }

    /// The entry of an Observation's Patient.
    pub fn patient_entry(&self, person: u32) -> i64 {
        let id = self.patient_id(person);
        self.names
            .reference(Kind::Observation, "patient", Kind::Patient, &id)
    }
}

pub const LOINC: &str = "http://loinc.org";

/// `http://loinc.org|8867-4` in a URL.
pub fn loinc(code: u32) -> String {
    format!("{LOINC}%7C{}", grow::code(code))
}

/// The beginning of a floor that reads resources of a type.
pub fn select(kind: Kind) -> String {
    let number = Names::number(kind);
    format!("SELECT r.body FROM resource r WHERE r.tenant = 1 AND r.type = {number}")
}

/// Observations that are as asked.
pub fn observations(world: &World, test: impl Fn(&Observation) -> bool) -> Expected {
    let numbers = world.observations.iter().enumerate();
    let numbers = numbers.filter(|(_, observation)| test(observation));
    Expected::of(
        Kind::Observation,
        numbers.map(|(number, _)| number as u32).collect(),
    )
}

/// The same among those of a code.
pub fn of_code(world: &World, code: u32, test: impl Fn(&Observation) -> bool) -> Expected {
    let numbers = world
        .by_code
        .get(code as usize)
        .map_or(&[][..], Vec::as_slice);
    let fits = |number: &&u32| test(&world.observations[**number as usize]);
    Expected::of(
        Kind::Observation,
        numbers.iter().filter(fits).copied().collect(),
    )
}

/// The same among those of a person.
pub fn of_person(world: &World, person: u32, test: impl Fn(&Observation) -> bool) -> Expected {
    let numbers = world.people[person as usize].observations.clone();
    let fits = |number: &u32| test(&world.observations[*number as usize]);
    Expected::of(Kind::Observation, numbers.filter(fits).collect())
}

/// People who are as asked.
pub fn people(world: &World, test: impl Fn(&grow::Person) -> bool) -> Expected {
    let numbers = world.people.iter().enumerate();
    let numbers = numbers.filter(|(_, person)| test(person));
    Expected::of(
        Kind::Patient,
        numbers.map(|(number, _)| number as u32).collect(),
    )
}

/// When an Observation was made.
pub fn made(world: &World, number: u32) -> i64 {
    world.observations[number as usize].at
}

/// All shapes for a way of sharing the database.
pub fn all(source: &Source<'_>) -> Vec<Shape> {
    match source.layout {
        Layout::Whole => [
            people::shapes(source),
            tokens::shapes(source),
            ordered::shapes(source),
            linked::shapes(source),
        ]
        .into_iter()
        .flatten()
        .collect(),
        Layout::Small => ordered::small(source),
    }
}
