//! Special: `Location.near`, the one special parameter that reads an element.
//! <https://hl7.org/fhir/R4/location.html#search>
//!
//! ```text
//! near=latitude|longitude                   within 50 km
//! near=latitude|longitude|distance          within so many km
//! near=latitude|longitude|distance|unit     a UCUM unit of length
//! ```
//!
//! Degrees of WGS84; the distance is that of the great circle on a sphere of the Earth's mean
//! radius, which is off by half a percent at most. A position is one row, its latitude `low`
//! and its longitude `high`, to nine places: a tenth of a millimetre. What lies beyond the
//! poles is not indexed and cannot be asked for. Boundaries are not looked at.

use super::{Sink, either, escape};
use crate::error::Issue;
use crate::fhir::decimal::Decimal;
use crate::fhir::ucum;
use crate::fhirpath::{Item, Node};
use crate::search::index::QuantityRow;
use crate::search::plan::{Circle, Predicate};
use crate::search::registry::Parameter;
use serde_json::Value;

/// How far "near" is where the query does not say.
const DEFAULT_METRES: f64 = 50_000.0;

/// Puts the rows of the positions into the slot.
pub fn extract(items: &[Item<'_>], sink: &mut Sink<'_>) {
    let slot = sink.slot.row();
    let rows = items.iter().filter_map(|item| match item {
        Item::Node(node) => row(slot, node),
        _ => None,
    });
    sink.rows.quantities.extend(rows);
}

fn row(slot: i32, position: &Node<'_>) -> Option<QuantityRow> {
    let coordinate = |name: &str, most: f64| {
        let Value::Number(number) = position.get(name)? else {
            return None;
        };
        let places = format!("{:.9}", degrees(number.as_str(), most)?);
        Decimal::parse(&places).map(|decimal| decimal.to_string())
    };
    let latitude = coordinate("latitude", 90.0)?;
    Some(QuantityRow::number(
        slot,
        latitude,
        coordinate("longitude", 180.0)?,
    ))
}

fn degrees(text: &str, most: f64) -> Option<f64> {
    Decimal::parse(text)?;
    let degrees: f64 = text.parse().ok()?;
    (degrees.abs() <= most).then_some(degrees)
}

/// The predicate of one value.
///
/// # Errors
/// `value`: other parts, a place that is not on the Earth, a distance that is negative or in
/// no unit of length.
pub fn compile(parameter: &Parameter, value: &str) -> Result<Predicate, Issue> {
    let parts = escape::split(value, '|')
        .into_iter()
        .map(escape::unescape)
        .collect::<Result<Vec<_>, _>>()?;
    let parts: Vec<&str> = parts.iter().map(String::as_str).collect();
    let (latitude, longitude, metres) = match parts.as_slice() {
        [latitude, longitude] | [latitude, longitude, ""] | [latitude, longitude, "", ""] => {
            (latitude, longitude, DEFAULT_METRES)
        }
        [latitude, longitude, distance] | [latitude, longitude, distance, ""] => {
            (latitude, longitude, metres(distance, "km")?)
        }
        [latitude, longitude, distance, unit] => (latitude, longitude, metres(distance, unit)?),
        _ => {
            return Err(bad(
                "a place as `latitude|longitude`, `latitude|longitude|distance` or \
                 `latitude|longitude|distance|unit`",
                value,
            ));
        }
    };
    let circle = Circle {
        latitude: degrees(latitude, 90.0)
            .ok_or_else(|| bad("a latitude from -90 to 90", latitude))?,
        longitude: degrees(longitude, 180.0)
            .ok_or_else(|| bad("a longitude from -180 to 180", longitude))?,
        metres,
    };
    let rows = parameter.branches.iter().map(|branch| Predicate::Near {
        slot: branch.slot.row(),
        circle,
    });
    Ok(either(rows.collect()))
}

fn metres(distance: &str, unit: &str) -> Result<f64, Issue> {
    let centimetres = ucum::parse(unit).and_then(|unit| {
        let home = unit.homes().into_iter().next()?;
        let is_length = home.name == "cm";
        is_length.then_some((unit, home))
    });
    let (unit, centimetre) =
        centimetres.ok_or_else(|| bad("a UCUM unit of length such as km, m or [mi_i]", unit))?;
    let number = Decimal::parse(distance).filter(|number| *number >= Decimal::from(0));
    let number = number.ok_or_else(|| bad("a distance of 0 or more", distance))?;
    let converted = unit.convert(&number, &centimetre).to_string();
    let centimetres: f64 = converted.parse().unwrap_or(f64::MAX);
    // Half of the Earth's circumference is everywhere.
    Ok((centimetres / 100.0).min(Circle::FARTHEST))
}

fn bad(expected: &str, found: &str) -> Issue {
    Issue::error("value", format!("expected {expected} but found `{found}`"))
}
