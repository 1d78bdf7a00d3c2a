//! `$translate`: what a code is in another code system, by ConceptMaps.
//! <https://hl7.org/fhir/R4/conceptmap-operation-translate.html>
//!
//! By the map that is named, else by all maps that are stored here and map that system (not by
//! those that are only published). `source` and `target`, the value sets, choose among
//! these. `dependency` has no effect.

use super::given::missing;
use super::terminology::Call;
use crate::error::{Category, Error, Result};
use crate::search::lookup::stored::Stored;
use crate::search::plan::Predicate;
use crate::terminology::code_system::items;
use crate::terminology::translate::{self, Match, Query};
use serde_json::{Value, json};
use std::collections::BTreeSet;
use std::sync::Arc;

/// Maps that one translation may be sent on to.
const MAX_MAPS: usize = 100;

/// # Errors
/// `NotFound`: the map that is named. `Invalid`: the parameters.
pub async fn translate(call: &Call<'_>) -> Result<Value> {
    let queries = queries(call)?;
    let mut snapshot = call.snapshot().await?;
    let mut stored = snapshot.stored();
    let named = call
        .find_resource(&mut stored, "ConceptMap", "conceptMap")
        .await?;
    let mut matches: Vec<Match> = Vec::new();
    for query in &queries {
        let mut open = match &named {
            Some(map) => vec![map.clone()],
            None => maps(call, &mut stored, query).await?,
        };
        let mut seen = BTreeSet::new();
        while let Some(map) = open.pop() {
            let found = translate::translate(&map, query);
            matches.extend(found.matches);
            for url in found.others {
                if seen.len() < MAX_MAPS && seen.insert(url.clone()) {
                    open.extend(stored.by_canonical("ConceptMap", &url).await?);
                }
            }
        }
    }
    Ok(answer(&matches))
}

fn queries(call: &Call<'_>) -> Result<Vec<Query>> {
    let given = &call.given;
    let is_reverse = given.boolean("reverse")?.unwrap_or(false);
    let query = |system: Option<&str>, code: &str| Query {
        system: system.map(str::to_owned),
        code: code.to_owned(),
        target_system: given.text("targetsystem").map(str::to_owned),
        is_reverse,
    };
    let of = |coding: &Value| Some(query(coding["system"].as_str(), coding["code"].as_str()?));
    let (code, coding) = (given.text("code"), given.object("coding"));
    match (code, coding, given.object("codeableConcept")) {
        (Some(code), None, None) => {
            let system = given.text("system").ok_or_else(|| missing("system"))?;
            Ok(vec![query(Some(system), code)])
        }
        (None, Some(coding), None) => Ok(of(coding).into_iter().collect()),
        (None, None, Some(concept)) => Ok(items(&concept["coding"]).filter_map(of).collect()),
        (None, None, None) => Err(missing("code, coding or codeableConcept")),
        _ => Err(Error::coded(
            Category::Invalid,
            "invalid",
            "expected one of code, coding and codeableConcept but found several",
        )),
    }
}

/// The stored maps of that system, and of the value sets that are asked for.
async fn maps(call: &Call<'_>, stored: &mut Stored<'_>, query: &Query) -> Result<Vec<Arc<Value>>> {
    let (from, to) = match query.is_reverse {
        false => ("source-system", "target-system"),
        true => ("target-system", "source-system"),
    };
    let wanted = [
        (from, query.system.as_deref()),
        (to, query.target_system.as_deref()),
        ("source", call.given.text("source")),
        ("target", call.given.text("target")),
    ];
    let conditions = wanted
        .into_iter()
        .filter_map(|(code, value)| Some(stored.condition("ConceptMap", code, value?)));
    let conditions = Predicate::And(conditions.collect());
    let found = stored.find("ConceptMap", conditions).await?;
    Ok(found.into_iter().map(Arc::new).collect())
}

fn answer(matches: &[Match]) -> Value {
    let result = matches.iter().any(Match::is_positive);
    let mut parameters = vec![json!({"name": "result", "valueBoolean": result})];
    if !result {
        let message = "no map that is known here has a translation of this code";
        parameters.push(json!({"name": "message", "valueString": message}));
    }
    for one in matches {
        let mut parts = vec![json!({"name": "equivalence", "valueCode": one.equivalence})];
        parts.extend(
            one.concept
                .iter()
                .map(|concept| json!({"name": "concept", "valueCoding": concept})),
        );
        parts.extend(one.products.iter().map(product));
        parts.extend(
            one.source
                .iter()
                .map(|source| json!({"name": "source", "valueUri": source})),
        );
        parameters.push(json!({"name": "match", "part": parts}));
    }
    json!({"resourceType": "Parameters", "parameter": parameters})
}

fn product(product: &Value) -> Value {
    let concept = json!({"system": product["system"], "code": product["value"],
        "display": product["display"]});
    let mut concept = concept;
    if let Some(members) = concept.as_object_mut() {
        members.retain(|_, value| !value.is_null());
    }
    json!({"name": "product", "part": [
        {"name": "element", "valueUri": product["property"]},
        {"name": "concept", "valueCoding": concept}]})
}
