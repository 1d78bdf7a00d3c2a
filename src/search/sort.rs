//! `_sort`: the order of the matches.
//! <https://hl7.org/fhir/R4/search.html#sort>
//!
//! Of several values of a resource the first in the direction counts; a
//! period and a range count by where they begin, in both directions, since that is what the
//! index is ordered by. Resources without a value come last in both directions. Codes such as
//! `status` are read from the JSON, which is right but not fast; concepts and references
//! cannot be sorted by.

use super::plan::{RowTable, SortBy, SortKey};
use super::registry::{Branch, Kind, Parameter};
use super::resolve::{Problem, parameter_of_all};
use super::{registry::Registry, suggest};
use crate::fhir::ResourceType;

/// The most keys of an order.
const MOST_KEYS: usize = 8;

/// The order that `value` asks for among resources of `types`: its keys in turn.
pub fn resolve(
    value: &str,
    types: &[ResourceType],
    registry: &Registry,
) -> Result<Vec<SortKey>, Problem> {
    let mut keys: Vec<SortKey> = Vec::new();
    for text in value.split(',').filter(|text| !text.is_empty()) {
        let key = resolve_key(text, types, registry)?;
        // What was compared before decides nothing more.
        if keys.iter().all(|known| known.by != key.by) {
            keys.push(key);
        }
    }
    if keys.len() > MOST_KEYS {
        return Err(Problem::refused(
            "too-costly",
            format!("_sort={value}: expected at most {MOST_KEYS} keys"),
        ));
    }
    Ok(keys)
}

fn resolve_key(
    text: &str,
    types: &[ResourceType],
    registry: &Registry,
) -> Result<SortKey, Problem> {
    let (descending, code) = match text.strip_prefix('-') {
        Some(code) => (true, code),
        None => (false, text),
    };
    let by = match code {
        "_lastUpdated" => SortBy::LastUpdated,
        "_id" => SortBy::Id,
        _ => by_parameter(code, types, registry)?,
    };
    Ok(SortKey { by, descending })
}

fn by_parameter(
    code: &str,
    types: &[ResourceType],
    registry: &Registry,
) -> Result<SortBy, Problem> {
    let parameters =
        parameter_of_all(registry, types, code).ok_or_else(|| unknown(code, types, registry))?;
    let branches = || parameters.iter().flat_map(|parameter| &parameter.branches);
    if let Some(unsupported) = parameters.iter().find(|one| one.branches.is_empty()) {
        return Err(unsortable(code, Some(unsupported)));
    }
    if let Some(table) = parameters
        .first()
        .and_then(|parameter| RowTable::of(parameter.kind))
    {
        let mut slots: Vec<i32> = branches().map(|branch| branch.slot.row()).collect();
        slots.sort_unstable();
        slots.dedup();
        let single = match parameters.as_slice() {
            [one] => matches!(one.branches.as_slice(), [branch] if branch.is_one_element()),
            _ => false,
        };
        return Ok(SortBy::Rows {
            table,
            slots,
            single,
        });
    }
    let is_coded = |parameter: &&Parameter| matches!(parameter.kind, Kind::Token | Kind::Uri);
    let mut names: Vec<Option<String>> = match parameters.iter().all(is_coded) {
        true => branches().map(plain_element).collect(),
        false => Vec::new(),
    };
    names.dedup();
    match names.as_slice() {
        [Some(name)] => Ok(SortBy::Json(vec![format!("$.{name}")])),
        _ => Err(unsortable(code, parameters.first().copied())),
    }
}

/// `status` of `Observation.status`, if that is a primitive of its own.
fn plain_element(branch: &Branch) -> Option<String> {
    let leaves = branch.leaves();
    let text = branch.expression.to_string();
    let (_, name) = text.split_once('.')?;
    let is_plain = !leaves.coded && !leaves.folded && !leaves.plain.is_empty();
    let is_name = name.bytes().all(|byte| byte.is_ascii_alphanumeric());
    (is_plain && is_name).then(|| name.to_owned())
}

fn unsortable(code: &str, parameter: Option<&Parameter>) -> Problem {
    let kind = parameter.map(|parameter| format!(" of type {}", parameter.kind.as_str()));
    Problem::not_supported(format!(
        "_sort={code}: expected a parameter of type date, string, number or quantity, a plain code, \
         _id or _lastUpdated, but found one{}",
        kind.unwrap_or_default()
    ))
}

fn unknown(code: &str, types: &[ResourceType], registry: &Registry) -> Problem {
    let known = || {
        let first = types.first().copied();
        first
            .into_iter()
            .flat_map(|kind| registry.parameters(kind))
            .filter(|one| !one.branches.is_empty() && RowTable::of(one.kind).is_some())
            .map(|parameter| parameter.code.as_str())
            .chain(["_id", "_lastUpdated"])
    };
    let mut supported: Vec<&str> = known().collect();
    supported.sort_unstable();
    supported.dedup();
    Problem::unknown(format!(
        "_sort={code}: expected a sort key but found {code:?}.{} Supported: {}",
        suggest::hint(code, known()),
        supported.join(", ")
    ))
}
