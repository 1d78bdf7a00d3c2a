//! `$expand`: the codes of a value set.
//! <https://hl7.org/fhir/R4/valueset-operation-expand.html>
//!
//! ```text
//! look       what is asked of the expansion        contains   its elements, and their texts
//! found      the members: a list of those in memory, pages of those in tables
//! ```
//!
//! Flat, unless `excludeNested` is false and the whole is asked for: then each concept stands
//! within the one that its code system nests it in. `filter` finds codes whose texts have
//! words that begin so. A set that draws on a code system which is not known here whole is
//! refused (422), never cut. `date`, `excludeNotForUI` and `excludePostCoordinated` have no
//! effect yet.
//!
//! Members of systems in memory come first, in the order of the definition, then those of each
//! system in tables, in the order of that system. These are counted up to [`MAX_COUNTED`]; an
//! expansion with more of them has no `total`, unless nothing but that is asked for (`count=0`).

mod contains;
mod found;
mod look;

pub use contains::{all_names, display};
pub use found::MAX_COUNTED;

use super::terminology::{Call, refusal};
use crate::error::{Category, Error, Result};
use crate::fhir::{Id, Instant};
use crate::search::lookup::library::Purpose;
use contains::{contains, nested};
use found::Found;
use look::Look;
use serde_json::{Map, Value, json};
use std::collections::{BTreeMap, BTreeSet};

/// Codes of an expansion without `count`: more are asked for by the page.
pub const MAX_CODES: usize = 10_000;
/// Parameters whose values the expansion repeats.
const ECHOED: [&str; 14] = [
    "filter",
    "date",
    "offset",
    "count",
    "includeDesignations",
    "includeDefinition",
    "activeOnly",
    "excludeNested",
    "displayLanguage",
    "exclude-system",
    "system-version",
    "force-system-version",
    "default-valueset-version",
    "useSupplement",
];

/// The expansion, as a ValueSet.
///
/// # Errors
/// `NotFound`: the value set, or one that it includes. `Unprocessable`: it needs codes that
/// are not known here, or too many. `Invalid`: a parameter.
pub async fn expand(call: &Call<'_>) -> Result<Value> {
    let look = Look::parse(call)?;
    let mut snapshot = call.snapshot().await?;
    let mut stored = snapshot.stored();
    let purpose = Purpose {
        listed: true,
        members: true,
        supplements: call.supplements(),
        ..Purpose::default()
    };
    let (value_set, library) = call.value_set(&mut stored, &purpose).await?;
    let found = Found::evaluate(&library, &value_set, &look)?;
    let found = found
        .with_tables(&mut stored, &library, &value_set, &look)
        .await?;
    let contains = match look.nested {
        true => nested(&found.shown, &found.versions, &look),
        false => {
            let shown = found.shown.iter();
            shown
                .map(|member| contains(member, &found.versions, &look))
                .collect()
        }
    };
    let mut expansion = Map::new();
    let identifier = format!("urn:uuid:{}", Id::random().as_str());
    expansion.insert("identifier".to_owned(), json!(identifier));
    expansion.insert("timestamp".to_owned(), json!(Instant::now().to_string()));
    if let Some(total) = found.total {
        expansion.insert("total".to_owned(), json!(total));
    }
    // An offset belongs to a page, and a hierarchy has none.
    if !look.nested {
        expansion.insert("offset".to_owned(), json!(look.offset));
    }
    let mut parameters = parameters(call, &found.versions);
    parameters.extend(
        library
            .supplements()
            .map(|uri| json!({"name": "used-supplement", "valueUri": uri})),
    );
    if !parameters.is_empty() {
        expansion.insert("parameter".to_owned(), json!(parameters));
    }
    if !contains.is_empty() {
        expansion.insert("contains".to_owned(), Value::Array(contains));
    }
    Ok(framed(
        &value_set,
        look.definition,
        Value::Object(expansion),
    ))
}

/// More codes than an expansion may have.
fn too_many(total: usize) -> Error {
    Error::coded(
        Category::Unprocessable,
        "too-costly",
        format!(
            "the expansion has {total} codes or more: ask for pages of them with count and offset"
        ),
    )
}

/// The value set around its expansion, without what only its own resource has.
fn framed(value_set: &Value, definition: bool, expansion: Value) -> Value {
    let mut framed = value_set.as_object().cloned().unwrap_or_default();
    for name in ["meta", "text", "contained", "expansion"] {
        framed.shift_remove(name);
    }
    if !definition {
        framed.shift_remove("compose");
    }
    framed.insert("expansion".to_owned(), expansion);
    Value::Object(framed)
}

/// The versions of each system that is drawn on.
type UsedVersions = BTreeMap<String, BTreeSet<Option<String>>>;

/// What was asked for and which code systems were used.
fn parameters(call: &Call<'_>, versions: &UsedVersions) -> Vec<Value> {
    let mut parameters = Vec::new();
    for name in ECHOED {
        for value in call.given.echo(name) {
            let mut parameter = Map::new();
            parameter.insert("name".to_owned(), json!(name));
            parameter.insert(value_name(name).to_owned(), value);
            parameters.push(Value::Object(parameter));
        }
    }
    for (system, versions) in versions {
        for version in versions {
            let uri = match version {
                Some(version) => format!("{system}|{version}"),
                None => system.clone(),
            };
            parameters.push(json!({"name": "used-codesystem", "valueUri": uri}));
        }
    }
    parameters
}

fn value_name(parameter: &str) -> &'static str {
    match parameter {
        "offset" | "count" => "valueInteger",
        "includeDesignations" | "includeDefinition" | "activeOnly" | "excludeNested" => {
            "valueBoolean"
        }
        "displayLanguage" => "valueCode",
        "date" => "valueDateTime",
        "filter" => "valueString",
        _ => "valueUri",
    }
}
