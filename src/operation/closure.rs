//! `$closure`: what is above what among the concepts that a client uses, kept for it by name, so
//! that it can answer questions of subsumption in its own database.
//! <https://hl7.org/fhir/R4/conceptmap-operation-closure.html>
//!
//! The name alone begins a table anew. Concepts that are new to it make a new version, and what
//! they add to it is answered: a ConceptMap whose sources are below their targets
//! (`subsumes`). `version` asks for all that came behind that version, and so for a replay of
//! what was lost. Concepts of different code systems have no relations.

use super::terminology::{Call, unknown};
use crate::error::{Category, Error, Result};
use crate::fhir::{Id, Instant};
use crate::search::lookup::stored::Stored;
use crate::storage::closure::{self, Concept, Relation};
use crate::storage::commit;
use crate::terminology::tables::Wanted;
use serde_json::{Value, json};
use std::collections::BTreeSet;

/// Concepts of one table: each new one is compared with all.
const MAX_CONCEPTS: usize = 20_000;

/// # Errors
/// `NotFound`: a table that was not begun, or a code system. `Invalid`: the parameters.
/// `Unprocessable`: a code that its system does not have, or too many of them.
pub async fn closure(call: &Call<'_>) -> Result<Value> {
    let name = call.given.required("name")?;
    let concepts = concepts(call)?;
    let since = version(call)?;
    let edition = call.hub.live.current();
    let mut transaction = call.hub.store.begin(call.access).await?;
    if concepts.is_empty() && since.is_none() {
        closure::start(&mut transaction, call.access, name).await?;
        commit(transaction).await?;
        return Ok(map(name, 0, &[]));
    }
    let current = closure::lock(&mut transaction, call.access, name).await?;
    let current = current.ok_or_else(|| {
        let text = format!(
            "expected a closure table that was begun but found `{name}`: send its name alone to \
             begin it"
        );
        Error::new(Category::NotFound, text)
    })?;
    let known = closure::concepts(&mut transaction, call.access, name).await?;
    let known: BTreeSet<Concept> = known.into_iter().collect();
    let added: BTreeSet<Concept> = concepts.difference(&known).cloned().collect();
    if known.len() + added.len() > MAX_CONCEPTS {
        let text = format!("a closure table may have {MAX_CONCEPTS} concepts");
        return Err(Error::coded(Category::Unprocessable, "too-costly", text));
    }
    let (mut version, mut relations) = (current, Vec::new());
    if !added.is_empty() {
        let mut stored = Stored {
            connection: &mut transaction,
            access: call.access,
            registry: &edition.searchable,
        };
        relations = related(&mut stored, &known, &added).await?;
        version += 1;
        let new: Vec<Concept> = added.into_iter().collect();
        let place = (name, version);
        closure::add(&mut transaction, call.access, place, &new, &relations).await?;
    }
    if let Some(since) = since {
        relations = closure::since(&mut transaction, call.access, name, since).await?;
    }
    commit(transaction).await?;
    Ok(map(name, version, &relations))
}

fn concepts(call: &Call<'_>) -> Result<BTreeSet<Concept>> {
    let codings = call.given.objects("concept").map(|coding| {
        let part = |name: &str| coding[name].as_str().map(str::to_owned);
        let (system, code) = part("system").zip(part("code")).ok_or_else(|| {
            let text = "expected a Coding with system and code as the parameter concept";
            Error::coded(Category::Invalid, "value", text)
        })?;
        Ok(Concept { system, code })
    });
    codings.collect()
}

fn version(call: &Call<'_>) -> Result<Option<i32>> {
    let Some(version) = call.given.text("version") else {
        return Ok(None);
    };
    let number = version.parse().ok();
    number.map(Some).ok_or_else(|| {
        let text = format!("expected a version of the table but found {version:?}");
        Error::coded(Category::Invalid, "value", text)
    })
}

/// What the new concepts are above and below, among themselves and all others.
async fn related(
    stored: &mut Stored<'_>,
    known: &BTreeSet<Concept>,
    added: &BTreeSet<Concept>,
) -> Result<Vec<Relation>> {
    let systems: BTreeSet<&str> = added.iter().map(|one| one.system.as_str()).collect();
    let mut relations = Vec::new();
    for url in systems {
        let all = known.union(added).filter(|one| one.system == url);
        let codes: BTreeSet<&str> = all.map(|one| one.code.as_str()).collect();
        let wanted = Wanted {
            codes: codes.iter().map(|code| (*code).to_owned()).collect(),
            children: false,
        };
        let system = stored.code_system(url, &wanted).await?;
        let system = system.ok_or_else(|| unknown("CodeSystem", url))?;
        let is_new = |code: &str| {
            let concept = Concept {
                system: url.to_owned(),
                code: code.to_owned(),
            };
            added.contains(&concept)
        };
        for code in &codes {
            if is_new(code) && system.find(code).is_none() {
                let text = format!("expected a code of the code system `{url}` but found `{code}`");
                return Err(Error::coded(Category::Unprocessable, "code-invalid", text));
            }
            let above = system.above(code);
            let above = above.iter().filter(|one| one != code);
            for target in above.filter(|one| codes.contains(one.as_str())) {
                if is_new(code) || is_new(target) {
                    relations.push(Relation {
                        system: url.to_owned(),
                        source: (*code).to_owned(),
                        target: target.clone(),
                    });
                }
            }
        }
    }
    Ok(relations)
}

fn map(name: &str, version: i32, relations: &[Relation]) -> Value {
    let mut map = json!({"resourceType": "ConceptMap", "version": version.to_string(), "name": name,
        "status": "active", "experimental": true, "date": Instant::now().to_string()});
    if Id::is_valid(name) {
        map["id"] = json!(name);
    }
    let mut groups: Vec<Value> = Vec::new();
    for system in relations.chunk_by(|left, right| left.system == right.system) {
        let elements = system.chunk_by(|left, right| left.source == right.source);
        let elements: Vec<Value> = elements
            .map(|of_source| {
                let target =
                    |one: &Relation| json!({"code": one.target, "equivalence": "subsumes"});
                let targets: Vec<Value> = of_source.iter().map(target).collect();
                json!({"code": of_source[0].source, "target": targets})
            })
            .collect();
        let url = &system[0].system;
        groups.push(json!({"source": url, "target": url, "element": elements}));
    }
    if !groups.is_empty() {
        map["group"] = json!(groups);
    }
    map
}
