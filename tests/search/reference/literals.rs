//! Query values drawn from the values of resources, and near misses of them.
//!
//! What is drawn is always well formed: a wrong character more or less in a code is a near
//! miss, in a date it would be a mistake.

use super::pointing::literal;
use super::quantity::{power_between, siblings, unit_of};
use super::query::escaped;
use super::random::Random;
use super::range::PREFIXES;
use super::string;
use super::text::normalised;
use super::token::{codings, plain_text, texts};
use super::world::{Element, World};
use crate::harness::BASE;
use andiron::definitions::{SearchParameter, SearchParameterType as Kind};
use serde_json::Value;

/// A value for a parameter with a modifier, escaped; `None` where the element has nothing
/// that could be asked for in this way.
pub fn draw(
    random: &mut Random,
    world: &World,
    parameter: &SearchParameter,
    modifier: Option<&str>,
    element: &Element,
) -> Option<String> {
    match (parameter.kind, modifier) {
        (_, Some("missing")) => Some(if random.percent(50) { "true" } else { "false" }.to_owned()),
        (Kind::Token, Some("text")) => {
            let text = *random.pick(&texts(element))?;
            Some(escaped(&beginning(random, text)))
        }
        (Kind::Token, Some("in" | "not-in")) => value_set(world, element),
        (Kind::Token, Some("above" | "below")) => mime(random, element),
        (Kind::String, Some("text")) => {
            let (text, _) = *random.pick(&string::texts(element))?;
            let mut words: Vec<&str> = text.split_whitespace().collect();
            words.reverse();
            words.truncate(1 + random.below(3));
            Some(escaped(&words.join(" "))).filter(|text| !text.is_empty())
        }
        (Kind::Token, Some("of-type")) => of_type(random, element),
        (Kind::Token, _) if parameter.code == "_id" => {
            let id = element.value.as_str()?.to_owned();
            Some(if random.percent(20) {
                miss_id(random, &id)
            } else {
                id
            })
        }
        (Kind::Token, _) => token(random, world, element),
        (Kind::String, modifier) => text(random, modifier, element),
        (Kind::Date, _) => date(random, element),
        (Kind::Number, _) => number(random, &element.value),
        (Kind::Quantity, _) => quantity(random, element),
        (Kind::Reference, Some("identifier")) => {
            let identifier = &element.value["identifier"];
            let part = |name: &str| identifier[name].as_str();
            pair(random, part("system"), part("value"))
        }
        (Kind::Reference, Some(_)) => {
            let id = literal(element)?.rsplit('/').next()?.to_owned();
            super::pointing::is_id(&id).then_some(id)
        }
        (Kind::Reference, None) => reference(random, element),
        (Kind::Uri, modifier) => uri(random, modifier, element),
        (Kind::Composite | Kind::Special, _) => None,
    }
}

/// One character other, less or more; or another case, or no accents.
fn miss(random: &mut Random, text: &str) -> String {
    let mut letters: Vec<char> = text.chars().collect();
    let at = random.below(letters.len());
    match random.below(6) {
        0 if !letters.is_empty() => letters[at] = if letters[at] == 'x' { 'y' } else { 'x' },
        1 if letters.len() > 1 => drop(letters.remove(at)),
        2 => letters.push(*random.pick(&['x', '0', 'é', ' ']).unwrap_or(&'x')),
        3 => return text.to_uppercase(),
        4 => return text.to_lowercase(),
        _ => letters.insert(
            at,
            *random
                .pick(&['x', '0', ',', '|', '$', '\\'])
                .unwrap_or(&'x'),
        ),
    }
    letters.into_iter().collect()
}

fn miss_id(random: &mut Random, id: &str) -> String {
    match random.below(3) {
        0 => id.to_uppercase(),
        1 => format!("{id}0"),
        _ => id.chars().rev().collect(),
    }
}

fn maybe_miss(random: &mut Random, text: &str) -> String {
    match random.percent(20) {
        true => miss(random, text),
        false => text.to_owned(),
    }
}

fn token(random: &mut Random, world: &World, element: &Element) -> Option<String> {
    match element.kind.as_str() {
        "CodeableConcept" | "Coding" | "Identifier" => {
            let (system, code) = *random.pick(&codings(element))?;
            pair(random, system, code)
        }
        "code" => {
            let system = world.implicit_system(element);
            pair(random, system.as_deref(), element.value.as_str())
        }
        "ContactPoint" => {
            let name = *random.pick(&["system", "use", "none"])?;
            pair(random, element.text(name), element.text("value"))
        }
        "boolean" | "System.Boolean" => {
            let other = random.percent(30);
            Some((element.value.as_bool()? != other).to_string())
        }
        _ => Some(escaped(&maybe_miss(random, &plain_text(&element.value)?))),
    }
}

/// One of the four forms.
fn pair(random: &mut Random, system: Option<&str>, code: Option<&str>) -> Option<String> {
    let code = code.map(|code| escaped(&maybe_miss(random, code)));
    let system = system.map(|system| match random.percent(10) {
        true => escaped(&miss(random, system)),
        false => escaped(system),
    });
    match (random.below(8), system, code) {
        (0, _, Some(code)) => Some(format!("|{code}")),
        (1, Some(system), _) | (_, Some(system), None) => Some(format!("{system}|")),
        (2..=4, Some(system), Some(code)) => Some(format!("{system}|{code}")),
        (_, _, Some(code)) => Some(code),
        _ => None,
    }
}

fn of_type(random: &mut Random, element: &Element) -> Option<String> {
    let codings = element.value["type"]["coding"].as_array()?;
    let coding = random.pick(codings)?;
    let (system, code) = (coding["system"].as_str()?, coding["code"].as_str()?);
    let value = maybe_miss(random, element.text("value")?);
    let parts = [escaped(system), escaped(code), escaped(&value)];
    (!value.is_empty()).then(|| parts.join("|"))
}

/// The value set that an element is bound to, where all its codes are published.
fn value_set(world: &World, element: &Element) -> Option<String> {
    let owner = world.definitions.type_info(&element.owner)?;
    let binding = owner.field(&element.name)?.binding.clone()?;
    let codes = world.definitions.value_set_codes(&binding.value_set)?;
    (codes.len() < 2000).then(|| escaped(&binding.value_set))
}

fn mime(random: &mut Random, element: &Element) -> Option<String> {
    let text = element.value.as_str()?;
    if element.name != "contentType" {
        return None;
    }
    Some(match random.below(4) {
        0 => text.split('/').next()?.to_owned(),
        1 => text.split(';').next()?.to_owned(),
        2 => format!("urn:ietf:bcp:13|{text}"),
        _ => text.to_owned(),
    })
}

fn beginning(random: &mut Random, text: &str) -> String {
    let letters: Vec<char> = text.chars().collect();
    let length = 1 + random.below(letters.len());
    letters.into_iter().take(length).collect()
}

fn text(random: &mut Random, modifier: Option<&str>, element: &Element) -> Option<String> {
    let all = string::texts(element);
    let (text, _) = *random.pick(&all)?;
    let drawn = match (modifier, random.below(8)) {
        (Some("exact"), 0) => normalised(text),
        (Some("exact"), _) => maybe_miss(random, text),
        (Some("contains"), _) => {
            let letters: Vec<char> = text.chars().collect();
            let from = random.below(letters.len());
            let rest: String = letters[from..].iter().collect();
            let part = beginning(random, &rest);
            if random.percent(30) {
                part.to_uppercase()
            } else {
                part
            }
        }
        (_, 0) => normalised(text),
        (_, 1) => text.to_uppercase(),
        (_, 2) => text.to_owned(),
        (_, 3) => {
            let words: Vec<&str> = text.split_whitespace().collect();
            (*random.pick(&words)?).to_owned()
        }
        (_, 4) => miss(random, text),
        _ => beginning(random, text),
    };
    (!drawn.is_empty()).then(|| escaped(&drawn))
}

/// All dates that an element has, as they are written.
fn dates(value: &Value, found: &mut Vec<String>) {
    match value {
        Value::String(text) if super::time::Span::parse(text).is_some() => found.push(text.clone()),
        Value::Array(items) => items.iter().for_each(|item| dates(item, found)),
        Value::Object(members) => members.values().for_each(|member| dates(member, found)),
        _ => {}
    }
}

fn prefix(random: &mut Random) -> &'static str {
    match random.percent(25) {
        true => "",
        false => PREFIXES[random.below(PREFIXES.len())].0,
    }
}

fn date(random: &mut Random, element: &Element) -> Option<String> {
    let mut all = Vec::new();
    dates(&element.value, &mut all);
    let text = random.pick(&all)?;
    let (day, time) = text.split_once('T').unwrap_or((text, ""));
    let day = match random.below(12) {
        0 => day.get(..4).unwrap_or(day).to_owned(),
        1 => day.get(..7).unwrap_or(day).to_owned(),
        // A neighbour, and one that exists in every month.
        2 if day.len() == 10 => format!("{}{:02}", &day[..8], 1 + random.below(28)),
        3 if day.len() >= 7 => format!("{}-{:02}", &day[..4], 1 + random.below(12)),
        4 => format!(
            "{:04}",
            day[..4].parse::<usize>().ok()?.max(2) + random.below(3) - 1
        ),
        _ => day.to_owned(),
    };
    let clock = time.split(['Z', '+', '-', '.']).next().unwrap_or_default();
    let zone = time.trim_start_matches(|c: char| c.is_ascii_digit() || c == ':' || c == '.');
    let literal = if day.len() < 10 {
        day
    } else if clock.len() < 5 {
        let times = [
            "",
            "",
            "T00:00",
            "T00:00:00Z",
            "T23:59:59.999Z",
            "T10:00:00+10:00",
        ];
        format!("{day}{}", random.pick(&times)?)
    } else {
        match random.below(9) {
            0 => day,
            1 => format!("{day}T{}{zone}", &clock[..5]),
            2 => format!("{day}T{clock}"),
            3 => format!(
                "{day}T{clock}{}",
                random.pick(&["-11:00", "+05:30", "Z", "+14:00"])?
            ),
            4 => format!("{day}T{clock}.{:03}{zone}", random.below(1000)),
            5 => format!("{day}T{clock}.000{zone}"),
            6 => format!("{day}T{:02}:00{zone}", random.below(24)),
            _ => format!("{day}T{time}"),
        }
    };
    super::time::Span::parse(&literal)?;
    Some(format!("{}{literal}", prefix(random)))
}

/// A number as it is written, or with another precision, or a little off.
fn numeral(random: &mut Random, text: &str) -> String {
    let plain = text
        .bytes()
        .all(|byte| byte.is_ascii_digit() || byte == b'.' || byte == b'-');
    let with_point = |text: &str| match text.contains('.') {
        true => text.to_owned(),
        false => format!("{text}."),
    };
    match random.below(9) {
        0 if plain => format!("{}0", with_point(text)),
        1 if plain => format!("{}5", with_point(text)),
        2 if plain => format!("{}04", with_point(text)),
        3 if plain && text.contains('.') => text[..text.len() - 1].trim_end_matches('.').to_owned(),
        4 if plain => {
            let digit = random.below(10).to_string();
            format!("{}{digit}", &text[..text.len() - 1])
        }
        5 if plain => format!("{text}e0"),
        6 if plain && text.len() > 2 && !text.contains('.') => {
            let kept = text.len() - 1;
            format!("{}e1", &text[..kept])
        }
        _ => text.to_owned(),
    }
}

fn number(random: &mut Random, value: &Value) -> Option<String> {
    let text = match value {
        Value::Number(number) => number.to_string(),
        Value::Object(_) => {
            let value = [
                &value["value"],
                &value["low"]["value"],
                &value["high"]["value"],
            ];
            value
                .into_iter()
                .find(|value| value.is_number())?
                .to_string()
        }
        _ => return None,
    };
    let numeral = numeral(random, &text);
    super::number::Number::parse(&numeral)?;
    Some(format!("{}{numeral}", prefix(random)))
}

fn quantity(random: &mut Random, element: &Element) -> Option<String> {
    let number = match element.kind.as_str() {
        "SampledData" => number(random, &element.value["lowerLimit"])?,
        _ => number(random, &element.value)?,
    };
    let (system, code, unit) = unit_of(element);
    let unit_form = match (random.below(8), system, code, unit) {
        (0 | 1, _, _, _) => return Some(number),
        (2, _, _, Some(unit)) => format!("||{}", escaped(unit)),
        (3, _, Some(code), _) => format!("||{}", escaped(&maybe_miss(random, code))),
        (4 | 5, Some(system), Some(code), _) if siblings(code).len() > 1 => {
            let other = *random.pick(&siblings(code))?;
            let power = power_between(code, other)?;
            if number.contains('e') {
                return None;
            }
            return Some(format!("{number}e{power}|{}|{other}", escaped(system)));
        }
        (6, _, Some(code), _) => format!("|urn:other|{}", escaped(code)),
        (_, Some(system), Some(code), _) => format!("|{}|{}", escaped(system), escaped(code)),
        _ => return Some(number),
    };
    Some(format!("{number}{unit_form}"))
}

fn reference(random: &mut Random, element: &Element) -> Option<String> {
    let text = literal(element)?;
    let bare = text
        .strip_prefix(BASE)
        .map_or(text, |rest| rest.trim_start_matches('/'));
    let bare = bare.split("/_history/").next().unwrap_or(bare);
    let relative = !bare.contains(':') && bare.matches('/').count() == 1;
    let drawn = match (random.below(9), relative) {
        (8, true) => format!("{bare}/_history/{}", 1 + random.below(2)),
        (0 | 1, true) => bare.split('/').nth(1)?.to_owned(),
        (2, true) => format!("{BASE}/{bare}"),
        (3, true) => format!("http://elsewhere.org/fhir/{bare}"),
        (4, true) => format!("{bare}0"),
        (5, true) => format!("Practitioner/{}", bare.split('/').nth(1)?),
        (_, true) => bare.to_owned(),
        (0, false) => text.split('|').next()?.to_owned(),
        (1, false) => format!("{text}0"),
        (2, false) => format!("{}|0", text.split('|').next()?),
        (_, false) => text.to_owned(),
    };
    let fits = drawn.contains(':') || super::pointing::is_id(&drawn) || relative;
    (fits && !drawn.starts_with('#')).then(|| escaped(&drawn))
}

fn uri(random: &mut Random, modifier: Option<&str>, element: &Element) -> Option<String> {
    let text = element.value.as_str()?;
    let drawn = match modifier {
        Some("below") => {
            let cuts: Vec<usize> = text.match_indices('/').map(|(at, _)| at).collect();
            let cut = random.pick(&cuts).copied().filter(|at| *at > 9);
            text[..cut.unwrap_or(text.len())].to_owned()
        }
        Some("above") => format!("{text}{}", random.pick(&["/a", "/a/b", "", "x"])?),
        _ => match random.below(6) {
            0 => text.split(['|', '#']).next()?.to_owned(),
            1 => miss(random, text),
            2 => format!("{text}/"),
            _ => text.to_owned(),
        },
    };
    (!drawn.is_empty()).then(|| escaped(&drawn))
}
