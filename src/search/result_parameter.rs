//! `_count`, `_total`, `_summary` and their like: how to answer.
//! <https://hl7.org/fhir/R4/search.html#return>

use super::plan::{Contained, ContainedType, Total};
use super::resolve::{Limits, Problem};

/// `_summary`: <https://hl7.org/fhir/R4/search.html#summary>
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Summary {
    True,
    Text,
    Data,
    Count,
    False,
}

pub fn summary(value: &str) -> Result<Summary, Problem> {
    match value {
        "true" => Ok(Summary::True),
        "text" => Ok(Summary::Text),
        "data" => Ok(Summary::Data),
        "count" => Ok(Summary::Count),
        "false" => Ok(Summary::False),
        _ => Err(expected(
            "_summary",
            "true, text, data, count or false",
            value,
        )),
    }
}

pub fn total(value: &str) -> Result<Total, Problem> {
    match value {
        "none" => Ok(Total::None),
        "estimate" => Ok(Total::Estimate),
        "accurate" => Ok(Total::Accurate),
        _ => Err(expected("_total", "none, estimate or accurate", value)),
    }
}

/// The most matches on a page; more than the limit becomes the limit.
pub fn count(value: &str, limits: &Limits) -> Result<usize, Problem> {
    let digits = !value.is_empty() && value.bytes().all(|byte| byte.is_ascii_digit());
    if !digits {
        return Err(expected("_count", "a whole number from 0", value));
    }
    // So many digits that they do not fit are more than the limit as well.
    Ok(value.parse().unwrap_or(usize::MAX).min(limits.max_count))
}

/// `_score`: matches of words have a score unless it says that they need none.
pub fn score(value: &str) -> Result<bool, Problem> {
    match value {
        "true" => Ok(true),
        "false" => Ok(false),
        _ => Err(expected("_score", "true or false", value)),
    }
}

/// The names of `_elements`.
pub fn elements(value: &str) -> Vec<String> {
    value
        .split(',')
        .map(str::trim)
        .filter(|name| !name.is_empty())
        .map(str::to_owned)
        .collect()
}

/// `_contained`
pub fn contained(value: &str) -> Result<Contained, Problem> {
    match value {
        "false" => Ok(Contained::False),
        "true" => Ok(Contained::True),
        "both" => Ok(Contained::Both),
        _ => Err(expected("_contained", "false, true or both", value)),
    }
}

/// `_containedType`
pub fn contained_type(value: &str) -> Result<ContainedType, Problem> {
    match value {
        "container" => Ok(ContainedType::Container),
        "contained" => Ok(ContainedType::Contained),
        _ => Err(expected("_containedType", "container or contained", value)),
    }
}

fn expected(name: &str, what: &str, found: &str) -> Problem {
    Problem::refused(
        "value",
        format!("{name}: expected {what} but found {found:?}"),
    )
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn counts_are_whole_numbers_up_to_the_limit() {
        let limits = Limits {
            max_count: 1000,
            ..Limits::default()
        };
        for (text, expected) in [
            ("0", Some(0)),
            ("20", Some(20)),
            ("99999999", Some(1000)),
            ("99999999999999999999999", Some(1000)),
            ("-1", None),
            ("abc", None),
            ("", None),
            ("1.5", None),
            ("+5", None),
        ] {
            assert_eq!(count(text, &limits).ok(), expected, "{text}");
        }
    }
}
