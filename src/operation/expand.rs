//! `$expand`: the codes of a value set.
//! <https://hl7.org/fhir/R4/valueset-operation-expand.html>
//!
//! Flat, unless `excludeNested` is false and the whole is asked for: then each concept stands
//! within the one that its code system nests it in. `filter` finds codes whose texts have
//! words that begin so. A set that draws on a code system which is not known here whole is
//! refused (422), never cut. `context`, `date`, `excludeNotForUI`, `excludePostCoordinated`
//! and supplements have no effect yet.

use super::terminology::{Call, refusal};
use crate::error::{Category, Error, Result};
use crate::fhir::{Id, Instant};
use crate::terminology::code_system::{languages, names, speaks};
use crate::terminology::{Evaluation, Member};
use serde_json::{Map, Value, json};
use std::collections::{BTreeMap, BTreeSet, HashMap};

/// Codes of an expansion without `count`: more are asked for by the page.
pub const MAX_CODES: usize = 10_000;
/// Parameters whose values the expansion repeats.
const ECHOED: [&str; 12] = [
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
];

/// How the expansion is to look.
struct Look<'a> {
    filter: Vec<String>,
    offset: usize,
    count: Option<usize>,
    designations: bool,
    definition: bool,
    active_only: bool,
    nested: bool,
    languages: Vec<&'a str>,
    excluded: Vec<&'a str>,
}

impl<'a> Look<'a> {
    fn parse(call: &'a Call<'_>) -> Result<Look<'a>> {
        let given = &call.given;
        let filter = given.text("filter").unwrap_or_default().to_lowercase();
        let (offset, count) = (given.count("offset")?, given.count("count")?);
        let is_paged = offset.is_some() || count.is_some() || !filter.is_empty();
        Ok(Look {
            filter: filter.split_whitespace().map(str::to_owned).collect(),
            offset: offset.unwrap_or_default(),
            count,
            designations: given.boolean("includeDesignations")? == Some(true),
            definition: given.boolean("includeDefinition")? == Some(true),
            active_only: given.boolean("activeOnly")? == Some(true),
            nested: given.boolean("excludeNested")? == Some(false) && !is_paged,
            languages: given
                .text("displayLanguage")
                .map(languages)
                .unwrap_or_default(),
            excluded: given.texts("exclude-system").collect(),
        })
    }

    fn shows(&self, member: &Member) -> bool {
        let is_excluded = self.excluded.iter().any(|one| {
            let (system, version) = one
                .split_once('|')
                .map_or((*one, None), |(s, v)| (s, Some(v)));
            system == member.system && (version.is_none() || version == member.version.as_deref())
        });
        let is_hidden = is_excluded || self.active_only && member.is_inactive();
        !is_hidden && self.finds(member)
    }

    /// Whether each word of the filter begins a word of one of the member's texts.
    fn finds(&self, member: &Member) -> bool {
        if self.filter.is_empty() {
            return true;
        }
        let mut texts = vec![member.code.to_lowercase()];
        texts.extend(
            all_names(member)
                .into_iter()
                .map(|name| name.to_lowercase()),
        );
        let begins = |word: &String| {
            let mut parts = texts.iter().flat_map(|text| {
                let words = text.split(|c: char| !c.is_alphanumeric());
                words.chain([text.as_str()])
            });
            parts.any(|part| part.starts_with(word.as_str()))
        };
        self.filter.iter().all(begins)
    }
}

/// The expansion, as a ValueSet.
///
/// # Errors
/// `NotFound`: the value set, or one that it includes. `Unprocessable`: it needs codes that
/// are not known here, or too many. `Invalid`: a parameter.
pub async fn expand(call: &Call<'_>) -> Result<Value> {
    let look = Look::parse(call)?;
    let mut snapshot = call.snapshot().await?;
    let mut stored = snapshot.stored();
    let (value_set, library) = call.value_set(&mut stored).await?;
    let members = Evaluation::new(&library)
        .members(&value_set)
        .map_err(refusal)?;
    if let Some(system) = members.whole.keys().next() {
        return Err(Error::coded(
            Category::Unprocessable,
            "not-found",
            format!(
                "the value set includes the code system `{system}`, whose codes are not known \
                 here, or only a part of them: it cannot be expanded"
            ),
        ));
    }
    let mut members = members.into_list();
    let versions = used_versions(&members);
    members.retain(|member| look.shows(member));
    let total = members.len();
    if look.count.is_none() && total - look.offset.min(total) > MAX_CODES {
        return Err(Error::coded(
            Category::Unprocessable,
            "too-costly",
            format!("the expansion has {total} codes: ask for pages of them with count and offset"),
        ));
    }
    let contains = match look.nested {
        true => nested(&members, &versions, &look),
        false => {
            let page = members.iter().skip(look.offset);
            let page = page.take(look.count.unwrap_or(usize::MAX));
            page.map(|member| contains(member, &versions, &look))
                .collect()
        }
    };
    let mut expansion = json!({
        "identifier": format!("urn:uuid:{}", Id::random().as_str()),
        "timestamp": Instant::now().to_string(),
        "total": total,
        "offset": look.offset,
        "parameter": parameters(call, &versions),
    });
    if look.nested {
        // An offset belongs to a page, and a hierarchy has none.
        expansion
            .as_object_mut()
            .map(|members| members.shift_remove("offset"));
    }
    if expansion["parameter"] == json!([]) {
        expansion
            .as_object_mut()
            .map(|members| members.shift_remove("parameter"));
    }
    if !contains.is_empty() {
        expansion["contains"] = Value::Array(contains);
    }
    Ok(framed(&value_set, look.definition, expansion))
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

/// The versions of each system that the members are of.
type UsedVersions = BTreeMap<String, BTreeSet<Option<String>>>;

fn used_versions(members: &[Member]) -> UsedVersions {
    let mut used = UsedVersions::new();
    for member in members {
        if !used.contains_key(&member.system) {
            used.insert(member.system.clone(), BTreeSet::new());
        }
        if let Some(versions) = used.get_mut(&member.system)
            && !versions.contains(&member.version)
        {
            versions.insert(member.version.clone());
        }
    }
    used
}

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

/// One element of `expansion.contains`, without those within it.
fn contains(member: &Member, versions: &UsedVersions, look: &Look<'_>) -> Value {
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
    if let Some(display) = display(member, &look.languages) {
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
fn nested(members: &[Member], versions: &UsedVersions, look: &Look<'_>) -> Vec<Value> {
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
pub fn display(member: &Member, languages: &[&str]) -> Option<String> {
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
