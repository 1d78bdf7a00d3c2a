//! Chains and `_has` by canonical: which `url` and version the resources have that pass.
//! <https://hl7.org/fhir/R4/references.html#canonical>
//!
//! ```text
//! QuestionnaireResponse?questionnaire.title=x      Questionnaires that pass -> their names
//!                                                  -> entries of questionnaire
//! Questionnaire?_has:QuestionnaireResponse:questionnaire:status=completed
//!                                                  all Questionnaires -> their names -> those
//!                                                  that a QuestionnaireResponse has which passes
//! ```
//!
//! A canonical without a version names every resource with its `url`, as it does for
//! `_include`. What can be named is knowledge, of which there is little beside the records that
//! refer to it: it is read, within [`MAX_RESOURCES`].

use super::stored::{Name, Stored};
use super::{MAX_RESOURCES, check_count};
use crate::error::Result;
use crate::fhir::ResourceType;
use crate::search::index::Slot;
use crate::search::page::bound;
use crate::search::plan::Predicate;
use crate::search::registry::{Kind, Registry};
use crate::search::sql;
use sqlx::Row;

/// Holds of resources with a canonical in one of these slots that names a resource of `target`
/// which passes.
pub async fn naming(
    stored: &mut Stored<'_>,
    slots: &[Slot],
    target: ResourceType,
    filter: Predicate,
) -> Result<Predicate> {
    let Some(has_url) = has_url(stored.registry, target) else {
        return Ok(Predicate::Nothing);
    };
    let filter = Predicate::And(vec![has_url, filter]);
    let names = stored.names(target, filter, MAX_RESOURCES + 1).await?;
    check_count(names.len(), "resources", MAX_RESOURCES)?;
    let mut entries: Vec<(Slot, i64)> = names
        .iter()
        .flat_map(Name::hashes)
        .flat_map(|hash| slots.iter().map(move |slot| (*slot, hash)))
        .collect();
    entries.sort_unstable();
    entries.dedup();
    Ok(Predicate::Entries(entries))
}

/// Holds of the resources of `types` that a canonical in one of these slots of a resource of
/// `source` names which passes.
pub async fn named(
    stored: &mut Stored<'_>,
    types: &[ResourceType],
    (source, slots): (ResourceType, &[Slot]),
    filter: &Predicate,
) -> Result<Predicate> {
    let mut names = Vec::new();
    for kind in types {
        let Some(has_url) = has_url(stored.registry, *kind) else {
            continue;
        };
        let room = MAX_RESOURCES + 1 - names.len();
        names.extend(stored.names(*kind, has_url, room).await?);
        check_count(names.len(), "resources", MAX_RESOURCES)?;
    }
    let (mut entries, mut numbers) = (Vec::new(), Vec::new());
    for (number, name) in (0..).zip(&names) {
        for hash in name.hashes() {
            for slot in slots {
                entries.push(slot.entry(stored.access.tenant, hash));
                numbers.push(number);
            }
        }
    }
    let statement = sql::named_by(source, filter, (entries, numbers), stored.access);
    let rows = bound(&statement).fetch_all(&mut *stored.connection).await?;
    let mut keys = Vec::with_capacity(rows.len());
    for row in &rows {
        let number: i32 = row.try_get("number")?;
        let name = usize::try_from(number).ok().and_then(|at| names.get(at));
        keys.extend(name.map(|name| name.key));
    }
    Ok(Predicate::Keys(keys))
}

/// Holds of the resources of a type that have a `url`; `None` where it has none.
fn has_url(registry: &Registry, kind: ResourceType) -> Option<Predicate> {
    let url = registry.published(kind, "url")?;
    let present = url.branches.iter().map(|branch| branch.present());
    (url.kind == Kind::Uri).then(|| Predicate::Or(present.collect()))
}
