//! Quantities: a number and a unit. <https://hl7.org/fhir/R4/search.html#quantity>
//!
//! Units of UCUM that measure the same are compared after conversion, by the few units of
//! [`FACTORS`]; any others have to be written alike.

use super::number::{Bound, Number};
use super::range::{Ends, NumberAsked, ends_of};
use super::world::Element;
use serde_json::Value;

const UCUM: &str = "http://unitsofmeasure.org";
const CURRENCIES: &str = "urn:iso:std:iso:4217";

/// Unit, what it measures, and how many of the first unit of that kind it is.
const FACTORS: [(&str, &str, &str); 54] = [
    ("g", "mass", "1"),
    ("kg", "mass", "1000"),
    ("mg", "mass", "0.001"),
    ("ug", "mass", "0.000001"),
    ("pg", "mass", "0.000000000001"),
    ("[lb_av]", "mass", "453.59237"),
    ("m", "length", "1"),
    ("cm", "length", "0.01"),
    ("mm", "length", "0.001"),
    ("km", "length", "1000"),
    ("[in_i]", "length", "0.0254"),
    ("s", "time", "1"),
    ("min", "time", "60"),
    ("h", "time", "3600"),
    ("d", "time", "86400"),
    ("wk", "time", "604800"),
    ("a", "time", "31557600"),
    ("mo", "time", "2629800"),
    ("/a", "frequency", "1"),
    ("/h", "frequency", "8766"),
    ("/min", "frequency", "525960"),
    ("L", "volume", "1"),
    ("l", "volume", "1"),
    ("mL", "volume", "0.001"),
    ("ml", "volume", "0.001"),
    ("fL", "volume", "0.000000000000001"),
    ("[foz_us]", "volume", "0.0295735295625"),
    ("mL/d", "flow", "1"),
    ("mL/h", "flow", "24"),
    ("mL/min", "flow", "1440"),
    ("L/min", "flow", "1440000"),
    ("g/L", "density", "1"),
    ("g/dL", "density", "10"),
    ("mg/dL", "density", "0.01"),
    ("ng/mL", "density", "0.000001"),
    ("mol/L", "concentration", "1"),
    ("mmol/L", "concentration", "0.001"),
    ("umol/L", "concentration", "0.000001"),
    ("U/L", "activity", "1"),
    ("kU/L", "activity", "1000"),
    ("1", "ratio", "1"),
    ("%", "ratio", "0.01"),
    ("mg/kg", "ratio", "0.000001"),
    ("/L", "count", "1"),
    ("10*3/uL", "count", "1000000000"),
    ("10*6/uL", "count", "1000000000000"),
    ("10*12/L", "count", "1000000000000"),
    ("kPa", "pressure", "1"),
    ("mm[Hg]", "pressure", "0.133322"),
    ("cal/mL", "pressure", "4184"),
    ("kg/m2", "load", "1"),
    ("mg/m2", "load", "0.000001"),
    ("mm/h", "speed", "1"),
    ("m/h", "speed", "1000"),
];

#[derive(Clone, Debug)]
pub struct QuantityAsked {
    number: NumberAsked,
    unit: Unit,
}

#[derive(Clone, Debug)]
enum Unit {
    Any,
    Coded(String, String),
    CodeOrText(String),
}

impl QuantityAsked {
    /// `parts` are those between bare `|`, unescaped.
    pub fn parse(parts: &[String]) -> Result<QuantityAsked, String> {
        let texts: Vec<&str> = parts.iter().map(String::as_str).collect();
        let (number, unit) = match texts.as_slice() {
            [number] | [number, "", ""] => (number, Unit::Any),
            [number, "", code] => (number, Unit::CodeOrText((*code).to_owned())),
            [_, _, ""] => return Err("a system without a code".to_owned()),
            [number, system, code] => {
                let unit = Unit::Coded((*system).to_owned(), (*code).to_owned());
                (number, unit)
            }
            _ => return Err("a quantity has one or three parts".to_owned()),
        };
        Ok(QuantityAsked {
            number: NumberAsked::parse(number)?,
            unit,
        })
    }

    pub fn fits(&self, element: &Element) -> bool {
        let Some(ends) = ends_of(element) else {
            return false;
        };
        let (system, code, text) = unit_of(element);
        match &self.unit {
            Unit::Any => self.number.fits(&ends),
            Unit::CodeOrText(asked) => {
                let known = code == Some(asked.as_str()) || text == Some(asked.as_str());
                known && self.number.fits(&ends)
            }
            Unit::Coded(asked_system, asked_code) => {
                let (Some(system), Some(code)) = (system, code) else {
                    return false;
                };
                if system != asked_system {
                    return false;
                }
                if code == asked_code {
                    return self.number.fits(&ends);
                }
                if system != UCUM {
                    return false;
                }
                match (factor(asked_code), factor(code)) {
                    (Some((asked_kind, asked)), Some((kind, own))) if asked_kind == kind => {
                        self.number.times(&asked).fits(&scaled(&ends, &own))
                    }
                    _ => false,
                }
            }
        }
    }
}

/// An annotation means 1: `{score}`, and `mL/min/{1.73_m2}` is `mL/min`.
fn without_annotation(code: &str) -> String {
    let (mut plain, mut inside) = (String::new(), false);
    for c in code.chars() {
        match c {
            '{' => inside = true,
            '}' => inside = false,
            c if !inside => plain.push(c),
            _ => {}
        }
    }
    match plain.trim_end_matches('/') {
        "" => "1".to_owned(),
        plain => plain.to_owned(),
    }
}

fn factor(code: &str) -> Option<(&'static str, Number)> {
    let code = without_annotation(code);
    let (_, kind, factor) = FACTORS.iter().find(|(unit, ..)| *unit == code)?;
    Some((kind, Number::parse(factor)?.0))
}

/// The units that can be converted into this one, for those who draw queries.
pub fn siblings(code: &str) -> Vec<&'static str> {
    let kind = factor(code).map(|(kind, _)| kind);
    let units = FACTORS.iter().filter(|(_, other, _)| Some(*other) == kind);
    units.map(|(unit, ..)| *unit).collect()
}

fn scaled((low, high): &Ends, factor: &Number) -> Ends {
    let scale = |bound: &Bound| match bound {
        Bound::At(number) => Bound::At(number.times(factor)),
        open => open.clone(),
    };
    (scale(low), scale(high))
}

/// System, code and human unit.
pub fn unit_of(element: &Element) -> (Option<&str>, Option<&str>, Option<&str>) {
    let value = &element.value;
    let holder = match element.kind.as_str() {
        "Money" => return (Some(CURRENCIES), element.text("currency"), None),
        "Range" => value.get("low").or_else(|| value.get("high")),
        "SampledData" => value.get("origin"),
        _ => Some(value),
    };
    let part = |name: &str| holder?.get(name).and_then(Value::as_str);
    (part("system"), part("code"), part("unit"))
}

/// The power of ten by which a number in the one unit is multiplied to be in the other.
pub fn power_between(from: &str, to: &str) -> Option<i32> {
    let power = |code: &str| -> Option<i32> {
        let (_, _, text) = FACTORS.iter().find(|(unit, ..)| *unit == code)?;
        if text.trim_matches(['0', '.']) != "1" {
            return None;
        }
        match text.split_once('.') {
            Some((_, places)) => Some(-i32::try_from(places.len()).ok()?),
            None => i32::try_from(text.len() - 1).ok(),
        }
    };
    Some(power(from)? - power(to)?)
}
