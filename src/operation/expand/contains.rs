//! The elements of an expansion, flat or nested, and what a member is called.

use super::UsedVersions;
use super::look::Look;
use crate::terminology::Member;
use crate::terminology::code_system::names;
use crate::terminology::language::speaks;
use serde_json::{Map, Value, json};
use std::collections::HashMap;

/// One element of `expansion.contains`, without those within it.
pub(super) fn contains(member: &Member, versions: &UsedVersions, look: &Look<'_>) -> Value {
    let mut one = Map::new();
    one.insert("system".to_owned(), json!(member.system));
    if member.is_abstract() {
        one.insert("abstract".to_owned(), json!(true));
    }
    if member.is_inactive() {
        one.insert("inactive".to_owned(), json!(true));
    }
    let is_mixed = versions
        .get(&member.system)
        .is_some_and(|used| used.len() > 1);
    if let Some(version) = member.version.as_ref().filter(|_| is_mixed) {
        one.insert("version".to_owned(), json!(version));
    }
    one.insert("code".to_owned(), json!(member.code));
    if let Some(display) = display(member, &look.languages, look.forbids_others) {
        one.insert("display".to_owned(), json!(display));
    }
    if look.designations {
        let designations: Vec<&Value> = designations(member).collect();
        if !designations.is_empty() {
            one.insert("designation".to_owned(), json!(designations));
        }
    }
    Value::Object(one)
}

/// Each member within the one that its code system nests it in, where that is a member too.
pub(super) fn nested(members: &[Member], versions: &UsedVersions, look: &Look<'_>) -> Vec<Value> {
    let key = |member: &Member| {
        (
            member.system.clone(),
            member.version.clone(),
            member.code.clone(),
        )
    };
    let places: HashMap<_, usize> = members
        .iter()
        .enumerate()
        .map(|(at, one)| (key(one), at))
        .collect();
    let parent = |member: &Member| {
        // Those that the value set lists one by one stay as they are listed.
        let (system, at) = member.known.as_ref().filter(|_| member.listed.is_none())?;
        let outer = system.concepts[*at].nested_in?;
        let code = system.concepts[outer].code.clone();
        places
            .get(&(member.system.clone(), member.version.clone(), code))
            .copied()
    };
    let parents: Vec<Option<usize>> = members.iter().map(parent).collect();
    let mut built: Vec<Option<Value>> = members
        .iter()
        .map(|one| Some(contains(one, versions, look)))
        .collect();
    let mut roots = Vec::new();
    // A concept stands behind what it is nested in, so that the last one has none within it
    // that is still to come.
    for at in (0..members.len()).rev() {
        let Some(mut one) = built[at].take() else {
            continue;
        };
        if let Some(Value::Array(inner)) = one.get_mut("contains") {
            inner.reverse();
        }
        let outer = parents[at].filter(|outer| *outer < at);
        match outer
            .and_then(|outer| built[outer].as_mut())
            .and_then(Value::as_object_mut)
        {
            Some(outer) => {
                let inner = outer.entry("contains").or_insert_with(|| json!([]));
                if let Value::Array(inner) = inner {
                    inner.push(one);
                }
            }
            None => roots.push(one),
        }
    }
    roots.reverse();
    roots
}

fn designations(member: &Member) -> impl Iterator<Item = &Value> {
    let listed = member.listed.as_ref();
    let listed = listed.and_then(|listed| listed["designation"].as_array());
    let known = member.concept().map(|concept| &concept.designations);
    listed
        .into_iter()
        .flatten()
        .chain(known.into_iter().flatten())
}

/// The display in the first of the languages that has one; else that of the value set, else
/// that of the code system.
/// With `forbids_others` none is shown that is known to be of another language.
pub fn display(member: &Member, languages: &[&str], forbids_others: bool) -> Option<String> {
    let listed = member.listed.as_ref();
    for language in languages {
        let listed = listed.and_then(|listed| listed["designation"].as_array());
        let listed = listed.map_or(&[][..], Vec::as_slice);
        let known = member.known.as_ref().and_then(|(system, at)| {
            let concept = system.concepts.get(*at)?;
            Some(system.names(concept).collect::<Vec<_>>())
        });
        let mut all = names(listed).chain(known.into_iter().flatten());
        let speaking = all.find(|name| name.language.is_some_and(|one| speaks(one, language)));
        if let Some(name) = speaking {
            return Some(name.value.to_owned());
        }
    }
    let own = member
        .known
        .as_ref()
        .and_then(|(system, _)| system.language.as_deref());
    let is_forbidden = |own: &str| !languages.iter().any(|wanted| speaks(own, wanted));
    if forbids_others && own.is_some_and(is_forbidden) {
        return None;
    }
    let listed = listed.and_then(|listed| listed["display"].as_str());
    let known = || {
        member
            .concept()
            .and_then(|concept| concept.display.as_deref())
    };
    listed.or_else(known).map(str::to_owned)
}

/// Every text that names a member.
pub fn all_names(member: &Member) -> Vec<&str> {
    let listed = member.listed.as_ref();
    let display = listed.and_then(|listed| listed["display"].as_str());
    let known = member
        .concept()
        .and_then(|concept| concept.display.as_deref());
    let designations = designations(member).filter_map(|one| one["value"].as_str());
    display
        .into_iter()
        .chain(known)
        .chain(designations)
        .collect()
}
