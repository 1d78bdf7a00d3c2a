//! The data as facts: who there is, when they were seen and what was measured. Grown from a seed
//! in the proportions of the Synthea set: per Patient some 40 Encounters, 350 Observations and 350
//! other resources. The facts are what the expected answers are taken from, without a database;
//! the JSON is made of them elsewhere (`body`), and only when a database is filled.
//!
//! Whatever a query names (a family, an identifier, a rare code) has about as many matches in
//! a large world as in a small one, so that times at two sizes compare; what is common (a frequent
//! code, a gender, the letter that a name begins with) grows with the world.

use crate::codes::{CODES, PANELS};
use std::ops::Range;
use xxhash_rust::xxh3::xxh3_64_with_seed;

/// People in the smallest world, 1x: some 100,000 resources.
pub const PEOPLE: u32 = 134;

/// When the data end, in seconds since 1970: 2021-07-01.
pub const END: i64 = 1_625_097_600;

/// When they were stored, in milliseconds since 1970: within 30 days from 2026-01-05.
const STORED: i64 = 1_767_571_200_000;
const STORING: i64 = 30 * 86_400_000;

/// Resources that one transaction stored, which therefore have one `lastUpdated`.
const TRANSACTION: u32 = 200;

/// Splitmix64: small, seeded, the same everywhere.
#[derive(Clone, Debug)]
pub struct Random(u64);

impl Random {
    pub fn new(seed: u64, stream: u64) -> Random {
        Random(xxh3_64_with_seed(&stream.to_le_bytes(), seed))
    }

    pub fn next(&mut self) -> u64 {
        self.0 = self.0.wrapping_add(0x9E37_79B9_7F4A_7C15);
        let mut z = self.0;
        z = (z ^ (z >> 30)).wrapping_mul(0xBF58_476D_1CE4_E5B9);
        z = (z ^ (z >> 27)).wrapping_mul(0x94D0_49BB_1331_11EB);
        z ^ (z >> 31)
    }

    /// From 0 to below `bound`.
    pub fn below(&mut self, bound: u64) -> u64 {
        self.next() % bound.max(1)
    }

    pub fn between(&mut self, low: i64, high: i64) -> i64 {
        let width = u64::try_from(high - low).unwrap_or(0).max(1);
        low + i64::try_from(self.below(width)).expect("the width was an i64")
    }

    /// True in this many of a hundred cases.
    pub fn percent(&mut self, percent: u64) -> bool {
        self.below(100) < percent
    }

    pub fn pick<'a, T>(&mut self, list: &'a [T]) -> &'a T {
        &list[self.below(list.len() as u64) as usize]
    }
}

/// The types that there are.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
#[repr(u8)]
pub enum Kind {
    Patient,
    Encounter,
    Observation,
    Provenance,
    Claim,
    DiagnosticReport,
    MedicationRequest,
    DocumentReference,
    ExplanationOfBenefit,
    Procedure,
    SupplyDelivery,
    Immunization,
    Condition,
    CareTeam,
    CarePlan,
    AllergyIntolerance,
    Practitioner,
    Organization,
    Location,
}

pub const KINDS: [Kind; 19] = [
    Kind::Patient,
    Kind::Encounter,
    Kind::Observation,
    Kind::Provenance,
    Kind::Claim,
    Kind::DiagnosticReport,
    Kind::MedicationRequest,
    Kind::DocumentReference,
    Kind::ExplanationOfBenefit,
    Kind::Procedure,
    Kind::SupplyDelivery,
    Kind::Immunization,
    Kind::Condition,
    Kind::CareTeam,
    Kind::CarePlan,
    Kind::AllergyIntolerance,
    Kind::Practitioner,
    Kind::Organization,
    Kind::Location,
];

/// What an Encounter brings besides Observations: how many per hundred Encounters.
pub const PER_ENCOUNTER: [(Kind, u64); 9] = [
    (Kind::Claim, 206),
    (Kind::DiagnosticReport, 172),
    (Kind::MedicationRequest, 106),
    (Kind::DocumentReference, 100),
    (Kind::ExplanationOfBenefit, 100),
    (Kind::Procedure, 75),
    (Kind::SupplyDelivery, 40),
    (Kind::Immunization, 34),
    (Kind::Condition, 33),
];

/// And what each person has, the same way.
pub const PER_PERSON: [(Kind, u64); 6] = [
    (Kind::CareTeam, 400),
    (Kind::CarePlan, 400),
    (Kind::AllergyIntolerance, 60),
    (Kind::Practitioner, 150),
    (Kind::Organization, 150),
    (Kind::Location, 150),
];

impl Kind {
    pub fn name(self) -> String {
        format!("{self:?}")
    }
}

/// People who share a family name, on average, in ten.
const NAMESAKES_IN_TEN: u32 = 25;

pub const FAMILIES: &str = "Abbott Bauch Cartwright Dare Emard Feest Gleason Hahn Ivanov Jacobs Kling Little \
    Mraz Nader Okuneva Parisian Quitzon Rath Schulist Turner Upton Veum Watsica Yundt \
    Zemlak Ankunding Becker Crooks Durgan Effertz Fritsch Gaylord Haag Jaskolski Koepp \
    Lesch Mohr Nolan Oberbrunner Prohaska Rodriguez Stokes Thiel Ullrich Volkman Wiza \
    Beatty Collier Dickens Fisher Grant Hermann Kuhn Lowe McGlynn Pfeffer Rolfson Swift \
    Torphy Wunsch";

pub const GIVENS: &str = "Abby Bernice Carla Dorothy Elena Francina Gala Hilma Irma Jeanette Karla Loida Marta \
    Nelia Olene Pilar Rosalva Shawnna Tawna Ursula Valerie Willetta Yasmin Zulma Adele \
    Brunilda Cleora Deandra Ernestina Fe Graciela Harriett Jenna Kimberely Latoya Mirna \
    Noemi Phyllis Reyna Sunni Abel Bertram Carmelo Dewitt Emil Florencio Gonzalo Hershel \
    Isaias Jamal Kurt Louis Miguel Nestor Otto Pablo Ramiro Sandy Tobias Ulysses Virgil \
    Wendell Young Zachary Aron Brant Clifton Doug Edmundo Freddy Guillermo Hung Jerold \
    Kelvin Leif Merle Norbert Porter Rico Sang";

#[derive(Clone, Debug)]
pub struct Person {
    pub male: bool,
    /// Days since 1970.
    pub birth: i64,
    /// Seconds since 1970.
    pub death: Option<i64>,
    /// A position in the families of the world: [`family`].
    pub family: u32,
    /// Positions in [`GIVENS`], whose first half are women's.
    pub givens: [u32; 2],
    pub encounters: Range<u32>,
    pub observations: Range<u32>,
}

#[derive(Clone, Copy, Debug)]
pub struct Encounter {
    pub person: u32,
    /// Seconds since 1970.
    pub at: i64,
}

#[derive(Clone, Copy, Debug)]
pub struct Observation {
    pub person: u32,
    /// One in thirty has none.
    pub encounter: Option<u32>,
    /// A position in [`CODES`], or behind them a rare code.
    pub code: u32,
    /// Seconds since 1970; no two of one person and code are equal.
    pub at: i64,
    /// In tenths; of blood pressure the systolic one.
    pub value: i32,
    /// Of blood pressure: diastolic.
    pub second: i32,
    pub amended: bool,
}

/// All of one tenant.
pub struct World {
    pub seed: u64,
    pub people: Vec<Person>,
    pub encounters: Vec<Encounter>,
    pub observations: Vec<Observation>,
    /// The observations of each code.
    pub by_code: Vec<Vec<u32>>,
    pub rare_codes: u32,
}

impl World {
    pub fn grow(seed: u64, people: u32) -> World {
        let rare_codes = (people * 14).div_ceil(10);
        let mut world = World {
            seed,
            people: Vec::with_capacity(people as usize),
            encounters: Vec::new(),
            observations: Vec::new(),
            by_code: vec![Vec::new(); CODES.len() + rare_codes as usize],
            rare_codes,
        };
        for number in 0..people {
            world.add_person(number, people);
        }
        for (number, observation) in world.observations.iter().enumerate() {
            world.by_code[observation.code as usize].push(number as u32);
        }
        world
    }

    fn add_person(&mut self, number: u32, people: u32) {
        let mut random = Random::new(self.seed, u64::from(number));
        let families = (people * 10).div_ceil(NAMESAKES_IN_TEN);
        let male = random.percent(50);
        let birth = random.between(-12_000, 18_000);
        let begin = (birth * 86_400).max(-600_000_000);
        let death = random.percent(15).then(|| {
            let earliest = (begin + 20 * 365 * 86_400).min(END - 86_400);
            random.between(earliest, END)
        });
        let given = |random: &mut Random| random.below(40) as u32 + if male { 40 } else { 0 };
        let givens = [given(&mut random), given(&mut random)];
        let family = random.below(u64::from(families)) as u32;
        let first = self.encounters.len() as u32;
        let first_observation = self.observations.len() as u32;
        let mut times: Vec<i64> = (0..random.between(25, 56))
            .map(|_| random.between(begin, death.unwrap_or(END)))
            .collect();
        times.sort_unstable();
        for at in times {
            self.add_encounter(number, at, &mut random);
        }
        self.people.push(Person {
            male,
            birth,
            death,
            family,
            givens,
            encounters: first..self.encounters.len() as u32,
            observations: first_observation..self.observations.len() as u32,
        });
    }

    fn add_encounter(&mut self, person: u32, at: i64, random: &mut Random) {
        let encounter = self.encounters.len() as u32;
        self.encounters.push(Encounter { person, at });
        let mut codes: Vec<u32> = Vec::new();
        if random.percent(52) {
            codes.extend(0..7);
            if random.percent(25) {
                codes.push(7);
            }
        }
        if random.percent(36) {
            let first = random.below(3);
            let panels = if random.percent(40) { 2 } else { 1 };
            for panel in first..first + panels {
                codes.extend(PANELS[panel as usize % PANELS.len()].clone());
            }
        }
        if random.percent(36) {
            codes.push(CODES.len() as u32 + random.below(u64::from(self.rare_codes)) as u32);
        }
        for code in codes {
            let (low, high) = match CODES.get(code as usize) {
                Some(code) => (code.low, code.high),
                None => (0, 1000),
            };
            let second = random.between(600, 1100) as i32;
            self.observations.push(Observation {
                person,
                encounter: (!random.percent(3)).then_some(encounter),
                code,
                at: at + random.between(0, 3600),
                value: random.between(i64::from(low), i64::from(high)) as i32,
                second,
                amended: random.percent(8),
            });
        }
    }

    /// The id of a resource: it looks like any UUID, and tells what it is the id of.
    pub fn id(&self, kind: Kind, number: u64) -> String {
        let hash = xxh3_64_with_seed(&number.to_le_bytes(), self.seed ^ kind as u64);
        format!(
            "{:08x}-{:04x}-4{:03x}-{:02x}{:02x}-{number:012x}",
            hash >> 32,
            hash & 0xffff,
            hash >> 16 & 0xfff,
            kind as u8,
            hash >> 28 & 0xff,
        )
    }

    /// What an id is the id of, if it is one of this world.
    pub fn find(&self, id: &str) -> Option<(Kind, u64)> {
        let kind = u8::from_str_radix(id.get(19..21)?, 16).ok()?;
        let kind = *KINDS.get(usize::from(kind))?;
        let number = u64::from_str_radix(id.get(24..)?, 16).ok()?;
        (self.id(kind, number) == id).then_some((kind, number))
    }

    /// When the resources of a person were stored, in milliseconds since 1970; `ordinal` counts
    /// them in the order of writing.
    pub fn stored(&self, person: u32, ordinal: u32) -> i64 {
        let apart = STORING / self.people.len() as i64;
        STORED + i64::from(person) * apart + i64::from(ordinal / TRANSACTION) * 100
    }

    /// The same of an Observation.
    pub fn observation_stored(&self, number: u32) -> i64 {
        let person = self.observations[number as usize].person;
        let of = &self.people[person as usize];
        let before = 1 + of.encounters.len() as u32;
        self.stored(person, before + number - of.observations.start)
    }
}

/// A word of a list of them.
pub fn word(list: &'static str, number: u32) -> &'static str {
    list.split(' ').nth(number as usize).unwrap_or_default()
}

/// `Little434`, as Synthea numbers its names.
pub fn family(number: u32) -> String {
    let count = FAMILIES.split(' ').count() as u32;
    format!("{}{}", word(FAMILIES, number % count), 100 + number / count)
}

pub fn given(number: u32) -> String {
    format!("{}{}", word(GIVENS, number), 100 + number * 37 % 900)
}

/// The text of a code.
pub fn code(number: u32) -> String {
    match CODES.get(number as usize) {
        Some(code) => code.code.to_owned(),
        None => {
            let rare = number - CODES.len() as u32;
            format!("{}-{}", 100_000 + rare, rare % 10)
        }
    }
}

/// The social security number of a person.
pub fn ssn(person: u32) -> String {
    format!("999-{:02}-{:04}", person / 10_000, person % 10_000)
}

/// `2021-07-01` of days since 1970, by the Gregorian calendar.
pub fn date(days: i64) -> String {
    let z = days + 719_468;
    let era = z.div_euclid(146_097);
    let day_of_era = z.rem_euclid(146_097);
    let year_of_era =
        (day_of_era - day_of_era / 1460 + day_of_era / 36_524 - day_of_era / 146_096) / 365;
    let day_of_year = day_of_era - (365 * year_of_era + year_of_era / 4 - year_of_era / 100);
    let shifted = (5 * day_of_year + 2) / 153;
    let day = day_of_year - (153 * shifted + 2) / 5 + 1;
    let month = if shifted < 10 {
        shifted + 3
    } else {
        shifted - 9
    };
    let year = year_of_era + era * 400 + i64::from(month <= 2);
    format!("{year:04}-{month:02}-{day:02}")
}

/// `2021-07-01T12:00:00Z` of seconds since 1970.
pub fn date_time(seconds: i64) -> String {
    let (days, rest) = (seconds.div_euclid(86_400), seconds.rem_euclid(86_400));
    let (hour, minute, second) = (rest / 3600, rest / 60 % 60, rest % 60);
    format!("{}T{hour:02}:{minute:02}:{second:02}Z", date(days))
}

/// `2021-07-01T12:00:00.000Z` of milliseconds since 1970.
pub fn instant(milliseconds: i64) -> String {
    let text = date_time(milliseconds.div_euclid(1000));
    format!(
        "{}.{:03}Z",
        text.trim_end_matches('Z'),
        milliseconds.rem_euclid(1000)
    )
}

/// `12.3` of tenths.
pub fn tenths(value: i32) -> String {
    format!("{}.{}", value / 10, value % 10)
}
