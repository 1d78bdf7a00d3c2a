//! `_sort`: the order of the matches.
//! <https://hl7.org/fhir/R4/search.html#sort>
//!
//! One key for now. Of several values of a resource the first in the direction counts; a
//! period and a range count by where they begin, in both directions, since that is what the
//! index is ordered by. Resources without a value come last in both directions. Codes such as
//! `status` are read from the JSON, which is right but not fast; concepts and references
//! cannot be sorted by.

use super::plan::{RowTable, Sort};
use super::registry::{Branch, Kind, Parameter};
use super::resolve::{Problem, parameter_of_all};
use super::{registry::Registry, suggest};
use crate::fhir::ResourceType;

/// The order that `value` asks for among resources of `types`.
pub fn resolve(value: &str, types: &[ResourceType], registry: &Registry) -> Result<Sort, Problem> {
    if value.contains(',') {
        return Err(Problem::not_supported(format!(
            "_sort={value}: expected one sort key, since several are not supported yet"
        )));
    }
    let (descending, code) = match value.strip_prefix('-') {
        Some(code) => (true, code),
        None => (false, value),
    };
    match code {
        "_lastUpdated" => return Ok(Sort::LastUpdated { descending }),
        "_id" => return Ok(Sort::Id { descending }),
        _ => {}
    }
    let parameters =
        parameter_of_all(registry, types, code).ok_or_else(|| unknown(code, types, registry))?;
    let branches = || parameters.iter().flat_map(|parameter| &parameter.branches);
    if let Some(unsupported) = parameters.iter().find(|parameter| !parameter.supported) {
        return Err(unsortable(code, Some(unsupported)));
    }
    if let Some(table) = parameters
        .first()
        .and_then(|parameter| table_of(parameter.kind))
    {
        return Ok(Sort::Rows {
            table,
            slots: branches().map(|branch| branch.slot.row()).collect(),
            descending,
        });
    }
    let is_coded = |parameter: &&Parameter| matches!(parameter.kind, Kind::Token | Kind::Uri);
    let mut names: Vec<Option<String>> = match parameters.iter().all(is_coded) {
        true => branches().map(plain_element).collect(),
        false => Vec::new(),
    };
    names.dedup();
    match names.as_mut_slice() {
        [Some(name)] => Ok(Sort::Element {
            name: std::mem::take(name),
            descending,
        }),
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

fn table_of(kind: Kind) -> Option<RowTable> {
    match kind {
        Kind::Date => Some(RowTable::Date),
        Kind::String => Some(RowTable::String),
        Kind::Number | Kind::Quantity => Some(RowTable::Quantity),
        Kind::Token | Kind::Reference | Kind::Composite | Kind::Uri | Kind::Special => None,
    }
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
            .filter(|parameter| parameter.supported && table_of(parameter.kind).is_some())
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
