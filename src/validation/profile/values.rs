//! Whether a value is the one that a profile fixes, has its pattern, or lies within bounds.
//! <https://hl7.org/fhir/R4/elementdefinition-definitions.html#ElementDefinition.fixed_x_>

use std::cmp::Ordering;

use serde_json::{Map, Value};

use crate::fhir::decimal::Decimal;
use crate::fhir::ucum;

/// Exactly the same, but for the order of members.
pub(super) fn is_fixed(fixed: &Value, found: &Value) -> bool {
    match (fixed, found) {
        (Value::Number(fixed), Value::Number(found)) => {
            match (
                Decimal::parse(fixed.as_str()),
                Decimal::parse(found.as_str()),
            ) {
                (Some(fixed), Some(found)) => fixed == found,
                _ => fixed == found,
            }
        }
        (Value::Array(fixed), Value::Array(found)) => {
            fixed.len() == found.len()
                && fixed
                    .iter()
                    .zip(found)
                    .all(|(fixed, found)| is_fixed(fixed, found))
        }
        (Value::Object(fixed), Value::Object(found)) => {
            let same = |(name, value): (&String, &Value)| {
                found.get(name).is_some_and(|found| is_fixed(value, found))
            };
            // The id of an element is no part of its value.
            let counted = |object: &serde_json::Map<String, Value>| {
                object.keys().filter(|name| *name != "id").count()
            };
            counted(fixed) == counted(found)
                && fixed.iter().filter(|(name, _)| *name != "id").all(same)
        }
        _ => fixed == found,
    }
}

/// All that the pattern says is there; more may be.
pub(super) fn has_pattern(pattern: &Value, found: &Value) -> bool {
    match (pattern, found) {
        (Value::Array(pattern), Value::Array(found)) => pattern
            .iter()
            .all(|pattern| found.iter().any(|found| has_pattern(pattern, found))),
        (Value::Object(pattern), Value::Object(found)) => pattern
            .iter()
            .filter(|(name, _)| *name != "id")
            .all(|(name, value)| {
                found
                    .get(name)
                    .is_some_and(|found| has_pattern(value, found))
            }),
        _ => is_fixed(pattern, found),
    }
}

/// How a value lies to a bound: numbers, Quantities of one unit or of units that UCUM compares,
/// and dates, which as texts of one form are ordered as they are. `None` where they cannot be
/// compared.
pub(super) fn compare(found: &Value, bound: &Value) -> Option<Ordering> {
    match (found, bound) {
        (Value::Number(found), Value::Number(bound)) => {
            let found = Decimal::parse(found.as_str())?;
            found.partial_cmp(&Decimal::parse(bound.as_str())?)
        }
        (Value::String(found), Value::String(bound)) => {
            let length = found.len().min(bound.len()).min(10);
            Some(found.get(..length)?.cmp(bound.get(..length)?))
        }
        (Value::Object(found), Value::Object(bound)) => {
            let same = |name: &str| found.get(name) == bound.get(name);
            let is_ucum =
                |of: &Map<String, Value>| of.get("system").is_some_and(|s| s == ucum::SYSTEM);
            if is_ucum(found) && is_ucum(bound) && !same("code") {
                return compare_units(found, bound);
            }
            // A unit in words is no measure: `Kg` may be anything.
            let is_one_unit = found.contains_key("code") && same("system") && same("code");
            is_one_unit.then(|| compare(found.get("value")?, bound.get("value")?))?
        }
        _ => None,
    }
}

/// By UCUM: `10000 m` lies above `5 km`.
fn compare_units(found: &Map<String, Value>, bound: &Map<String, Value>) -> Option<Ordering> {
    let unit = |of: &Map<String, Value>| ucum::parse(of.get("code")?.as_str()?);
    let number = |of: &Map<String, Value>| match of.get("value")? {
        Value::Number(number) => Decimal::parse(number.as_str()),
        _ => None,
    };
    let (own, other) = (unit(found)?, unit(bound)?);
    own.is_comparable(&other)
        .then(|| Some(own.compare(&number(found)?, &other, &number(bound)?)))?
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    #[test]
    fn patterns_leave_open_what_they_do_not_say() {
        let coding = json!({"coding": [{"system": "s", "code": "a"}]});
        for (found, fixed, pattern) in [
            (
                json!({"coding": [{"code": "a", "system": "s"}]}),
                true,
                true,
            ),
            (
                json!({"id": "1", "coding": [{"code": "a", "system": "s"}]}),
                true,
                true,
            ),
            (
                json!({"coding": [{"system": "s", "code": "a", "display": "A"}]}),
                false,
                true,
            ),
            (
                json!({"coding": [{"code": "b"}, {"system": "s", "code": "a"}]}),
                false,
                true,
            ),
            (
                json!({"coding": [{"system": "s"}, {"code": "a"}]}),
                false,
                false,
            ),
            (json!({"text": "a"}), false, false),
        ] {
            assert_eq!(is_fixed(&coding, &found), fixed, "{found}");
            assert_eq!(has_pattern(&coding, &found), pattern, "{found}");
        }
    }

    #[test]
    fn bounds_are_of_one_kind() {
        for (found, bound, order) in [
            (json!(2), json!(10), Some(Ordering::Less)),
            (json!("2024-05"), json!("2024-05-03"), Some(Ordering::Equal)),
            (
                json!("2024-06-01"),
                json!("2024-05-03"),
                Some(Ordering::Greater),
            ),
            (
                json!({"value": 2, "code": "g"}),
                json!({"value": 1, "code": "g"}),
                Some(Ordering::Greater),
            ),
            (
                json!({"value": 2, "code": "g", "unit": "x"}),
                json!({"value": 1, "code": "kg", "unit": "y"}),
                None,
            ),
            (
                json!({"value": 11000, "system": ucum::SYSTEM, "code": "g"}),
                json!({"value": 10, "system": ucum::SYSTEM, "code": "kg"}),
                Some(Ordering::Greater),
            ),
            (
                json!({"value": 1, "system": ucum::SYSTEM, "code": "g"}),
                json!({"value": 1, "system": ucum::SYSTEM, "code": "m"}),
                None,
            ),
            (
                json!({"value": 1, "unit": "x"}),
                json!({"value": 2, "unit": "x"}),
                None,
            ),
            (json!(true), json!(1), None),
        ] {
            assert_eq!(compare(&found, &bound), order, "{found}");
        }
    }
}
