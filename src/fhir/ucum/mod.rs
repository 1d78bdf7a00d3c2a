//! UCUM units, so that `5.4 g` is `5400 mg`: <https://ucum.org/ucum>
//!
//! ```text
//! main       = "/" term | term
//! term       = component { ("." | "/") component }            from the left
//! component  = (simple [exponent] | integer | "(" main ")") [annotation] | annotation
//! simple     = atom | prefix atom
//! annotation = "{" text "}"                                   means 1
//! ```
//!
//! A [`Unit`] is an exact factor, a quotient of two decimals, and powers of base units; a
//! value is converted exactly where the quotient has an end, else to 40 digits, so that equal
//! quantities have equal values whatever unit they were written in.
//!
//! **Home units.** Each dimension has a few units in which clinical values are written, the
//! first being that to which all others are converted; the search index compares a value in
//! one of them where it stands. A dimension without any has its base units.
//!
//! Not done: conversion of logarithms (`B`, `[pH]`) and other special scales but those of
//! temperature, which stand for themselves; the temperatures only alone, never in a term.
//!
//! ## Decisions
//! - *A table of our own* (2026-11-22). The crates there are calculate with binary floating
//!   point or decimals of 28 digits, and read the definitions as XML when they start.
//! - *A change of [`HOMES`] is a change of the database format.*

mod atoms;

use crate::fhir::decimal::Decimal;
use atoms::{ATOMS, Atom, PREFIXES};
use std::borrow::Cow;
use std::cmp::Ordering;
use std::collections::HashMap;
use std::sync::LazyLock;

/// The code system of UCUM.
pub const SYSTEM: &str = "http://unitsofmeasure.org";

/// Digits of a quotient that has no end.
const DIGITS: usize = 40;
/// Longer factors are not calculated with: no measurement needs them.
const LONGEST_FACTOR: usize = 400;
const LONGEST_CODE: usize = 200;
const DEEPEST: usize = 20;
const HIGHEST_POWER: i32 = 100;

/// The units that values are compared in; the first of each dimension is the main one.
const HOMES: [&str; 34] = [
    "1", "%", "kg", "g", "pg", "cm", "mm", "m2", "mL", "fL", "L", "s", "ms", "min", "a", "mg/dL",
    "g/dL", "g/L", "mmol/L", "umol/L", "U/L", "[iU]/L", "m[iU]/L", "10*3/uL", "10*6/uL", "/min",
    "mm[Hg]", "Cel", "[degF]", "kg/m2", "mL/min", "L/min", "deg", "mV",
];

static TABLE: LazyLock<HashMap<&'static str, &'static Atom>> =
    LazyLock::new(|| ATOMS.iter().map(|atom| (atom.0, atom)).collect());

static RESOLVED: LazyLock<HashMap<&'static str, Unit>> = LazyLock::new(|| {
    let resolved = ATOMS.iter().enumerate();
    resolved
        .filter_map(|(at, atom)| Some((atom.0, resolve(at, atom)?)))
        .collect()
});

static HOME_UNITS: LazyLock<Vec<Home>> = LazyLock::new(|| {
    let homes = HOMES.iter().filter_map(|code| {
        Some(Home {
            name: (*code).to_owned(),
            unit: parse(code)?,
        })
    });
    homes.collect()
});

/// A unit: a value `v` in it is `(v + shift) × numerator / denominator` in base units.
#[derive(Clone, Debug)]
pub struct Unit {
    numerator: Decimal,
    denominator: Decimal,
    shift: Decimal,
    /// Positions in the table of atoms and their powers, in order, none zero.
    powers: Vec<(usize, i32)>,
}

/// A unit that values are compared in.
#[derive(Clone, Debug)]
pub struct Home {
    /// Its code; that of base units where a dimension has no other.
    pub name: String,
    unit: Unit,
}

impl Unit {
    /// The home units of the dimension, the main one first.
    pub fn homes(&self) -> Vec<Cow<'static, Home>> {
        let homes = HOME_UNITS.iter();
        let homes = homes.filter(|home| home.unit.powers == self.powers);
        let mut homes: Vec<Cow<'static, Home>> = homes.map(Cow::Borrowed).collect();
        if homes.is_empty() {
            homes.push(Cow::Owned(Home {
                name: self.base_name(),
                unit: Unit {
                    powers: self.powers.clone(),
                    ..Unit::one()
                },
            }));
        }
        homes
    }

    /// The powers of the base units by name, in the order of the table: `m1 s-1`.
    fn base_name(&self) -> String {
        let powers = self.powers.iter().map(|(base, power)| {
            let name = ATOMS.get(*base).map_or("", |atom| atom.0);
            format!("{name}{power}")
        });
        powers.collect::<Vec<_>>().join(".")
    }

    /// Whether a number in this unit is the same number in that one.
    pub fn is(&self, home: &Home) -> bool {
        let other = &home.unit;
        self.powers == other.powers
            && self.shift == other.shift
            && self.numerator.times(&other.denominator) == other.numerator.times(&self.denominator)
    }

    /// A number in this unit as one in a home unit of its dimension.
    pub fn convert(&self, number: &Decimal, home: &Home) -> Decimal {
        self.convert_to(number, &home.unit)
    }

    /// Whether both measure the same, so that values in them have an order.
    pub fn is_comparable(&self, other: &Unit) -> bool {
        self.powers == other.powers
    }

    /// The exact order of a number in this unit and one in another of its dimension.
    pub fn compare(&self, number: &Decimal, other: &Unit, other_number: &Decimal) -> Ordering {
        let left = number.plus(&self.shift).times(&self.numerator);
        let right = other_number.plus(&other.shift).times(&other.numerator);
        left.times(&other.denominator)
            .cmp(&right.times(&self.denominator))
    }

    /// A number in this unit as one in another of its dimension, to 40 digits.
    pub fn convert_to(&self, number: &Decimal, other: &Unit) -> Decimal {
        let scale = self.numerator.times(&other.denominator);
        let divisor = self.denominator.times(&other.numerator);
        number
            .plus(&self.shift)
            .times(&scale)
            .minus(&other.shift.times(&divisor))
            .quotient(&divisor, DIGITS)
    }

    fn one() -> Unit {
        Unit {
            numerator: Decimal::from(1),
            denominator: Decimal::from(1),
            shift: Decimal::from(0),
            powers: Vec::new(),
        }
    }

    fn times(&self, other: &Unit, divide: bool) -> Option<Unit> {
        let (above, below, sign) = match divide {
            true => (&other.denominator, &other.numerator, -1),
            false => (&other.numerator, &other.denominator, 1),
        };
        let mut powers = self.powers.clone();
        for (base, power) in &other.powers {
            match powers.iter_mut().find(|(known, _)| known == base) {
                Some((_, known)) => *known += sign * power,
                None => powers.push((*base, sign * power)),
            }
        }
        powers.retain(|(_, power)| *power != 0);
        powers.sort_unstable();
        let product = Unit {
            numerator: self.numerator.times(above),
            denominator: self.denominator.times(below),
            shift: Decimal::from(0),
            powers,
        };
        let length = product.numerator.length().max(product.denominator.length());
        let is_scale = !self.shift.is_zero() || !other.shift.is_zero();
        (length <= LONGEST_FACTOR && !is_scale).then_some(product)
    }

    fn power(&self, power: i32) -> Option<Unit> {
        (0..power.abs()).try_fold(Unit::one(), |unit, _| unit.times(self, power < 0))
    }
}

/// The unit of a code; `None` for what is not UCUM or not calculated with.
pub fn parse(code: &str) -> Option<Unit> {
    if code.is_empty() || code.len() > LONGEST_CODE {
        return None;
    }
    if let Some(scale) = temperature(code) {
        return Some(scale);
    }
    Parser {
        rest: code,
        find: &|atom| RESOLVED.get(atom).cloned(),
    }
    .all()
}

/// The scales that do not begin at absolute zero.
fn temperature(code: &str) -> Option<Unit> {
    let (shift, numerator, denominator) = match code {
        "Cel" => ("273.15", 1, 1),
        "[degF]" => ("459.67", 5, 9),
        "[degRe]" => ("218.52", 5, 4),
        _ => return None,
    };
    Some(Unit {
        numerator: Decimal::from(numerator),
        denominator: Decimal::from(denominator),
        shift: Decimal::parse(shift)?,
        powers: parse("K")?.powers,
    })
}

/// An atom in base units; what it is defined by is looked up in the table.
fn resolve(at: usize, (_, _, value, unit): &Atom) -> Option<Unit> {
    if value.is_empty() {
        return Some(Unit {
            powers: vec![(at, 1)],
            ..Unit::one()
        });
    }
    let find = |name: &str| {
        let at = ATOMS.iter().position(|atom| atom.0 == name)?;
        resolve(at, ATOMS.get(at)?)
    };
    let unit = Parser {
        rest: unit,
        find: &find,
    }
    .all()?;
    let numerator = unit.numerator.times(&Decimal::parse(value)?);
    Some(Unit { numerator, ..unit })
}

struct Parser<'a> {
    rest: &'a str,
    /// An atom without a prefix.
    find: &'a dyn Fn(&str) -> Option<Unit>,
}

impl Parser<'_> {
    fn all(mut self) -> Option<Unit> {
        let unit = self.main(0)?;
        self.rest.is_empty().then_some(unit)
    }

    fn takes(&mut self, c: char) -> bool {
        let rest = self.rest.strip_prefix(c);
        self.rest = rest.unwrap_or(self.rest);
        rest.is_some()
    }

    fn main(&mut self, depth: usize) -> Option<Unit> {
        let mut unit = match self.takes('/') {
            true => Unit::one().times(&self.component(depth)?, true)?,
            false => self.component(depth)?,
        };
        loop {
            let divide = self.takes('/');
            if !divide && !self.takes('.') {
                return Some(unit);
            }
            unit = unit.times(&self.component(depth)?, divide)?;
        }
    }

    fn component(&mut self, depth: usize) -> Option<Unit> {
        let mut unit = None;
        if self.takes('(') {
            let inner = (depth < DEEPEST).then(|| self.main(depth + 1)).flatten()?;
            unit = Some(inner).filter(|_| self.takes(')'));
        } else if !self.rest.starts_with('{') {
            let end = end_of_symbol(self.rest);
            let (symbol, rest) = self.rest.split_at(end);
            self.rest = rest;
            unit = Some(self.symbol(symbol)?);
        }
        if self.takes('{') {
            let (text, rest) = self.rest.split_once('}')?;
            let is_text = text
                .bytes()
                .all(|byte| (33..127).contains(&byte) && byte != b'{');
            self.rest = rest;
            return is_text.then(|| unit.unwrap_or_else(Unit::one));
        }
        unit
    }

    /// `10`, `m`, `m2`, `10*-3`.
    fn symbol(&self, symbol: &str) -> Option<Unit> {
        if !symbol.is_empty() && symbol.bytes().all(|byte| byte.is_ascii_digit()) {
            let numerator = Decimal::parse(symbol).filter(|number| !number.is_zero())?;
            return Some(Unit {
                numerator,
                ..Unit::one()
            });
        }
        let simple = symbol.trim_end_matches(|c: char| c.is_ascii_digit());
        let digits = &symbol[simple.len()..];
        if digits.is_empty() {
            return self.simple(simple);
        }
        let (simple, sign) = match simple.strip_suffix(['-', '+']) {
            Some(before) if simple.ends_with('-') => (before, -1),
            Some(before) => (before, 1),
            None => (simple, 1),
        };
        let power: i32 = digits.parse().ok()?;
        let power = Some(sign * power).filter(|power| power.abs() <= HIGHEST_POWER)?;
        self.simple(simple)?.power(power)
    }

    /// An atom, or a prefix and an atom that takes one.
    fn simple(&self, text: &str) -> Option<Unit> {
        if TABLE.contains_key(text) {
            return (self.find)(text);
        }
        let split = |length: usize| {
            let (prefix, atom) = text.split_at_checked(length)?;
            let (_, value) = PREFIXES.iter().find(|(code, _)| *code == prefix)?;
            let takes_prefix = TABLE.get(atom).is_some_and(|atom| atom.1);
            let unit = takes_prefix.then(|| (self.find)(atom)).flatten()?;
            let numerator = unit.numerator.times(&Decimal::parse(value)?);
            Some(Unit { numerator, ..unit })
        };
        split(2).or_else(|| split(1))
    }
}

/// Where a symbol ends; what stands in square brackets belongs to it.
fn end_of_symbol(text: &str) -> usize {
    let mut brackets = 0_usize;
    let end = text.char_indices().find(|(_, c)| {
        match c {
            '[' => brackets += 1,
            ']' => brackets = brackets.saturating_sub(1),
            _ => {}
        }
        brackets == 0 && matches!(c, '.' | '/' | '(' | ')' | '{' | '}')
    });
    end.map_or(text.len(), |(at, _)| at)
}

#[cfg(test)]
mod tests {
    use super::*;

    /// `value from` in the main home unit, with that unit's name.
    fn at_home(value: &str, code: &str) -> (String, String) {
        let unit = parse(code).unwrap_or_else(|| panic!("{code} is a unit"));
        let main = unit.homes().swap_remove(0);
        let number = Decimal::parse(value).expect("a number");
        (unit.convert(&number, &main).to_string(), main.name.clone())
    }

    #[test]
    fn equal_quantities_meet() {
        for (left, right) in [
            (("5.4", "g"), ("5400", "mg")),
            (("23", "mm/h"), ("0.023", "m/h")),
            (("1", "g/L"), ("100", "mg/dL")),
            (("1", "10*9/L"), ("1", "10*3/uL")),
            (("1000", "/uL"), ("1", "10^9/L")),
            (("1", "mm[Hg]"), ("0.1333220", "kPa")),
            (("60", "{beats}/min"), ("1", "Hz")),
            (("1", "mmol/L"), ("1", "meq/L")),
            (("1", "U/L"), ("1", "umol/min/L")),
            (("1", "umol/(min.L)"), ("1", "umol.min-1.L-1")),
            (("1", "mL/min/{1.73_m2}"), ("1", "mL/min")),
            (("37", "Cel"), ("98.6", "[degF]")),
            (("37", "Cel"), ("310.15", "K")),
            (("100.04", "[degF]"), ("37.8", "Cel")),
            (("0.1", "[degF]"), ("459.77", "[degR]")),
            (("1", "[lb_av]"), ("453.59237", "g")),
            (("1", "[in_i]"), ("2.54", "cm")),
            (("50", "%"), ("0.5", "1")),
            (("1", "[IU]/mL"), ("1", "k[iU]/L")),
            (("1", "kcal"), ("4184", "J")),
            (("1", "dB"), ("0.1", "B")),
            (("3", "/(m2)"), ("3", "m-2")),
            (("1", "wk"), ("7", "d")),
            (("1", "[ft_us]/[ft_us]"), ("1", "{score}")),
            (("2", "g%"), ("2", "g/dL")),
        ] {
            assert_eq!(
                at_home(left.0, left.1),
                at_home(right.0, right.1),
                "{left:?}"
            );
        }
        for (left, right) in [
            (("1", "g"), ("1", "mL")),
            (("1", "mol"), ("1", "1")),
            (("1", "[iU]"), ("1", "[arb'U]")),
            (("1", "Cel"), ("1", "K")),
            (("1", "mg"), ("1", "Mg")),
        ] {
            assert_ne!(
                at_home(left.0, left.1),
                at_home(right.0, right.1),
                "{left:?}"
            );
        }
        let third = at_home("1", "m/min").0;
        assert_eq!(third, format!("0.01{}7", "6".repeat(38)));
    }

    #[test]
    fn what_is_no_unit() {
        let deep = format!("{}m{}", "(".repeat(30), ")".repeat(30));
        let long = "m.".repeat(150) + "m";
        for code in [
            "",
            " ",
            "mg /dL",
            "mmHg",
            "milligrams",
            "m//s",
            "m/",
            ".m",
            "(m",
            "m)",
            "m{",
            "m{a",
            "kCel",
            "Cel/s",
            "m2-",
            "m--2",
            "m999",
            "0",
            "m[",
            "[in_i",
            "min2x",
            "kk",
            "k",
            "{a}{b}",
            "m{é}",
            "²",
            "é",
            "10*101",
            &deep,
            &long,
        ] {
            assert!(parse(code).is_none(), "{code}");
        }
    }

    #[test]
    fn every_atom_and_home_is_understood() {
        assert_eq!(RESOLVED.len(), ATOMS.len());
        assert_eq!(HOME_UNITS.len(), HOMES.len());
        for code in [
            "m[H2O]",
            "cal_[15]",
            "[in_i'H2O]",
            "B[10.nV]",
            "[m/s2/Hz^(1/2)]",
            "%[slope]",
            "[acr_us]",
            "u",
            "[c]2",
            "kg/(8.h){shift}",
            "[Amb'a'1'U]/mL",
            "ar",
            "dar",
            "mo_s",
            "PT",
            "cd",
            "dB[SPL]",
        ] {
            assert!(parse(code).is_some(), "{code}");
        }
        for home in HOME_UNITS.iter() {
            let unit = parse(&home.name).expect("a unit");
            assert!(unit.is(home), "{}", home.name);
            assert!(unit.homes().iter().any(|known| known.name == home.name));
        }
        assert!(parse("ug/mL").expect("a unit").homes().len() == 3);
    }

    #[test]
    fn parsing_is_quick() {
        let start = std::time::Instant::now();
        let rounds = 1000;
        for _ in 0..rounds {
            std::hint::black_box(parse(std::hint::black_box("mmol/L")));
        }
        println!("parsing mmol/L: {:?}", start.elapsed() / rounds);
        assert!(parse("[pi]9").is_none(), "longer than is calculated with");
    }
}
