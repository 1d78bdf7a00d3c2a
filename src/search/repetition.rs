//! SearchParameters that say again what is there: most of those that guides bring, each under a URL
//! of its own, and each version of a guide all of them once more.

use super::branch::{self, Branch};
use super::custom::{Custom, base_types};
use super::registry::{Kind, Parameter, Registry};
use crate::definitions::SearchParameter;
use crate::fhir::ResourceType;
use crate::fhirpath::Ast;
use crate::validation::profile::compare_versions;
use serde_json::Value;
use std::collections::{BTreeSet, HashMap};

/// Whether a SearchParameter has this URL, or says to be derived from the one that has.
pub(super) fn is_named(resource: &Value, url: &str) -> bool {
    let derived = resource["derivedFrom"].as_str().unwrap_or_default();
    let derived = derived.split('|').next().unwrap_or_default();
    resource["url"] == url || derived == url
}

/// Whether there is a published parameter of its code on each of its types, and it names that or
/// is `equal` to it.
pub(super) fn repeats_published(
    registry: &Registry,
    resource: &Value,
    equal: &dyn Fn(ResourceType, &Parameter) -> bool,
) -> bool {
    let Ok(definition) = SearchParameter::parse(resource) else {
        return false;
    };
    let types = base_types(&definition.base, &mut Vec::new());
    let is_repeated = |kind: &ResourceType| {
        let published = registry.published(*kind, &definition.code);
        published.is_some_and(|one| is_named(resource, &one.url) || equal(*kind, one))
    };
    resource["status"] == "active" && !types.is_empty() && types.iter().all(is_repeated)
}

/// Whether a SearchParameter only says again what is there: a published parameter of its code
/// that it names or is equal to, or a live one of another id that indexes the same.
pub fn is_repetition(registry: &Registry, id: &str, resource: &Value) -> bool {
    let Ok(definition) = SearchParameter::parse(resource) else {
        return false;
    };
    let expression = definition.expression.as_deref().unwrap_or_default();
    let equal = |kind: ResourceType, published: &Parameter| {
        let own = branch::compile(registry.model(), kind, definition.kind, expression);
        let is_plain = !matches!(definition.kind, Kind::Composite | Kind::Special);
        is_plain
            && definition.kind == published.kind
            && own.is_ok_and(|own| operands(kind, &own) == operands(kind, &published.branches))
    };
    if repeats_published(registry, resource, &equal) {
        return true;
    }
    let Ok(Some(own)) = Custom::read(id, resource) else {
        return false;
    };
    let is_same = |other: &Custom| {
        other.id != own.id
            && other.definition.code == own.definition.code
            && other.index_relevant() == own.index_relevant()
            && own.types.iter().all(|kind| other.types.contains(kind))
    };
    registry.custom().iter().any(is_same)
}

/// The operands of an expression, whatever name of the type they begin with.
fn operands(kind: ResourceType, branches: &[Branch]) -> BTreeSet<(String, Option<ResourceType>)> {
    let roots = [kind.name(), "Resource", "DomainResource"];
    let bare = |ast: &Ast| {
        let text = ast.to_string();
        let root = text.split('.').next().unwrap_or_default();
        match roots.contains(&root) {
            true => text[root.len()..].to_owned(),
            false => text,
        }
    };
    let mut all = BTreeSet::new();
    for branch in branches {
        let parts = branch.expression.ast().union_branches();
        all.extend(parts.into_iter().map(|part| (bare(part), branch.only)));
    }
    all
}

/// Of these SearchParameters (id and JSON) the newest of each URL, in their order; of equal
/// versions the first.
pub fn newest(stored: Vec<(String, String)>) -> Vec<(String, String)> {
    #[derive(serde::Deserialize)]
    struct Head {
        #[serde(default)]
        url: String,
        #[serde(default)]
        version: String,
    }
    let heads: Vec<Option<Head>> = stored
        .iter()
        .map(|(_, body)| serde_json::from_str(body).ok())
        .collect();
    let mut best: HashMap<&str, usize> = HashMap::new();
    let version = |at: usize| heads[at].as_ref().map_or("", |head| &head.version);
    for (at, head) in heads.iter().enumerate() {
        let Some(head) = head.as_ref().filter(|head| !head.url.is_empty()) else {
            continue;
        };
        let known = best.entry(&head.url).or_insert(at);
        if compare_versions(version(*known), &head.version).is_lt() {
            *known = at;
        }
    }
    let url = |at: usize| heads[at].as_ref().map_or("", |head| &head.url);
    let is_best = |at: usize| best.get(url(at)).is_none_or(|best| *best == at);
    let kept: Vec<bool> = (0..stored.len()).map(is_best).collect();
    let each = stored.into_iter().zip(kept);
    each.filter_map(|(one, is_kept)| is_kept.then_some(one))
        .collect()
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::search::custom::check;
    use crate::search::custom::tests::{parameter, registry};
    use serde_json::json;

    #[test]
    fn repetitions_are_told_from_conflicts() {
        let registry = registry();
        let own = parameter("mine", &["Patient"], "token", "Patient.active");
        let own = check(&registry, "1", &own)
            .expect("it is fine")
            .expect("it is active");
        let registry = registry.with_custom(vec![own], Default::default());
        for (code, base, kind, expression, expected) in [
            ("name", "Patient", "string", "Patient.name", true),
            ("name", "Patient", "string", "Patient.name.family", false),
            ("name", "Patient", "token", "Patient.name", false),
            ("_id", "Patient", "token", "Patient.id", true),
            (
                "_lastUpdated",
                "Encounter",
                "date",
                "Resource.meta.lastUpdated",
                true,
            ),
            ("code", "Condition", "token", "Condition.code", true),
            (
                "onset-date",
                "Condition",
                "date",
                "Condition.onset.as(dateTime)|Condition.onset.as(Period)",
                true,
            ),
            (
                "patient",
                "Condition",
                "reference",
                "Condition.subject.where(resolve() is Patient)",
                true,
            ),
            (
                "patient",
                "Condition",
                "reference",
                "Condition.subject",
                false,
            ),
            ("mine", "Patient", "token", "Patient.active", true),
            ("mine", "Patient", "token", "Patient.gender", false),
            ("other", "Patient", "token", "Patient.active", false),
        ] {
            let resource = parameter(code, &[base], kind, expression);
            let found = is_repetition(&registry, "2", &resource);
            assert_eq!(found, expected, "{code} {base} {expression}");
        }
        // What names a published one is stored, however its code begins.
        let mut derived = parameter("_id", &["Patient"], "token", "Patient.id");
        derived["derivedFrom"] = json!("http://hl7.org/fhir/SearchParameter/Resource-id");
        let checked = check(&registry, "2", &derived);
        assert!(matches!(checked, Ok(None)), "{checked:?}");
        // Another version of the same is no conflict.
        let mut newer = parameter("mine", &["Patient"], "token", "Patient.gender");
        newer["version"] = json!("2");
        let checked = check(&registry, "2", &newer);
        assert!(matches!(checked, Ok(Some(_))), "{checked:?}");
    }

    #[test]
    fn the_newest_of_a_url_is_kept() {
        let one = |id: &str, url: &str, version: &str| {
            let body = json!({"url": url, "version": version}).to_string();
            (id.to_owned(), body)
        };
        let kept = newest(vec![
            one("a", "u", "6.1.0"),
            one("b", "u", "10.0.0"),
            one("c", "u", "7.0.0"),
            one("d", "v", "1"),
            one("e", "v", "1"),
            one("f", "", "1"),
            one("g", "", "2"),
        ]);
        let ids: Vec<&str> = kept.iter().map(|(id, _)| id.as_str()).collect();
        assert_eq!(ids, ["b", "d", "f", "g"]);
    }
}
