//! Reference: which resource is pointed at. <https://hl7.org/fhir/R4/search.html#reference>
//!
//! | element | entries |
//! |---|---|
//! | `Patient/1`, `Patient/1/_history/2`, our own base before either | [`resource_key`] |
//! | URL of another server, its `/_history/…` cut off | `u`url |
//! | canonical | `u`url and, with `\|version`, `u`url`\|`version, else `w`url; a `#fragment` apart |
//! | `Reference.identifier` | those of a token after `i` |
//!
//! `#contained`, `urn:` and references that only display a text point at nothing that a
//! search could name. The key of a resource is an entry as it is, so that chains join.
//!
//! A query for `Patient/1` finds references to any version of it; one for
//! `Patient/1/_history/2` those to that version only, which its JSON tells. A bare id that
//! several resources have is refused, see [`Lookup::BareId`].
//!
//! `:above` and `:below` follow what the target is a part of (`Location.partOf`), see
//! [`Lookup::Hierarchy`]; `:below` of a canonical is that of a [`uri`], by version.
//!
//! `patient` and `subject` share a slot: that `patient` means Patients only is the query's
//! matter. Each has a presence bit of its own, that of `patient` for Patients only.

use super::{Modifier, Sink, either, escape, token, uri};
use crate::error::Issue;
use crate::fhir::reference::Target;
use crate::fhir::{Id, ResourceType};
use crate::fhirpath::functions::target_type;
use crate::fhirpath::{Item, Node};
use crate::search::index::{Slot, hash, resource_key};
use crate::search::plan::{Direction, JsonTest, Lookup, Predicate};
use crate::search::registry::{Branch, Parameter};
use serde_json::Value;

/// What precedes the token forms of `Reference.identifier`.
const IDENTIFIER: &str = "i";

/// Puts the entries of the items into the slot; the keys of local resources are also
/// appended to `keys`.
pub fn extract(items: &[Item<'_>], base: &str, sink: &mut Sink<'_>, keys: &mut Vec<i64>) {
    for item in items {
        let Item::Node(node) = item else {
            continue;
        };
        if let Some(text) = literal(node) {
            extract_literal(text, is_canonical(node), base, sink, keys);
        } else if let Some((resource_type, id)) = inline(node) {
            sink.key(resource_key(resource_type, id));
        }
        let identifier = match node.node_type.key.as_str() {
            "Reference" => node.get("identifier"),
            _ => None,
        };
        if let Some(identifier) = identifier {
            let part = |name: &str| identifier.get(name).and_then(Value::as_str);
            token::system_and_code((part("system"), part("value")), IDENTIFIER, sink);
        }
        if has_content(node) {
            sink.present_as(|| referred_type(node, base));
        }
    }
}

fn extract_literal(
    text: &str,
    canonical: bool,
    base: &str,
    sink: &mut Sink<'_>,
    keys: &mut Vec<i64>,
) {
    match Target::parse(text, base) {
        Target::Local {
            resource_type, id, ..
        } => {
            let key = resource_key(resource_type, id);
            sink.key(key);
            keys.push(key);
        }
        Target::Contained(_) => {}
        _ if canonical => {
            sink.entry(&uri::entry(text));
            let named = text.split_once('#').map_or(text, |(named, _)| named);
            if named != text {
                sink.entry(&uri::entry(named));
            }
            match named.split_once('|') {
                Some((url, _)) => sink.entry(&uri::entry(url)),
                None => sink.entry(&uri::of_any_version(named)),
            }
        }
        Target::Foreign(url) => sink.entry(&uri::entry(unversioned(url))),
        Target::Urn(_) | Target::Conditional { .. } | Target::Malformed(_) => {}
    }
}

/// The text of a Reference, canonical or uri.
pub fn literal<'a>(node: &Node<'a>) -> Option<&'a str> {
    node.text().or_else(|| node.get("reference")?.as_str())
}

/// Whether it names a resource by its `url`, as a canonical or a uri does.
pub fn is_canonical(node: &Node<'_>) -> bool {
    node.node_type.is("uri")
}

/// A resource that stands where a reference is expected: `Bundle.composition`.
fn inline<'a>(node: &Node<'a>) -> Option<(ResourceType, &'a str)> {
    let resource_type = ResourceType::parse(&node.node_type.key)?;
    Some((resource_type, node.get("id")?.as_str()?))
}

fn has_content(node: &Node<'_>) -> bool {
    match node.value {
        Some(Value::Object(object)) => object.keys().any(|key| key != "extension" && key != "id"),
        Some(Value::String(_)) => true,
        _ => false,
    }
}

/// The type that a reference points at, as its text or its `type` tells.
pub fn referred_type(node: &Node<'_>, base: &str) -> Option<ResourceType> {
    let stated = || ResourceType::parse(node.get("type")?.as_str()?.rsplit('/').next()?);
    literal(node)
        .and_then(|text| target_type(text, base))
        .or_else(stated)
        .or_else(|| ResourceType::parse(&node.node_type.key))
}

fn unversioned(url: &str) -> &str {
    url.split_once("/_history/").map_or(url, |(url, _)| url)
}

/// The predicate of one value, with `:identifier` or `:[type]` where given.
///
/// # Errors
/// What is neither an id, `Type/id` nor a URL; a type that the parameter cannot refer to.
pub fn compile(
    parameter: &Parameter,
    modifier: Option<&Modifier>,
    value: &str,
    base: &str,
) -> Result<Predicate, Issue> {
    let entries = |hash: i64| {
        let slots = parameter.branches.iter().map(|branch| (branch.slot, hash));
        either(vec![Predicate::Entries(slots.collect())])
    };
    if modifier == Some(&Modifier::Identifier) {
        return Ok(entries(hash(
            &token::Asked::parse(value)?.entry(IDENTIFIER),
        )));
    }
    let text = escape::unescape(value)?;
    match modifier {
        Some(Modifier::Type(resource_type)) => {
            return compile_typed(parameter, *resource_type, &text, base);
        }
        Some(Modifier::Above) => {
            return compile_hierarchy(parameter, Direction::Above, &text, base);
        }
        Some(Modifier::Below) => {
            return compile_hierarchy(parameter, Direction::Below, &text, base);
        }
        _ => {}
    }
    match Target::parse(&text, base) {
        Target::Local {
            resource_type,
            id,
            version,
        } => {
            let any = local(parameter, resource_type, id);
            match version {
                None => Ok(any),
                Some(version) => {
                    let relative = format!("{resource_type}/{id}/_history/{version}");
                    let absolute = format!("{base}/{relative}");
                    of_version(parameter, any, vec![relative, absolute])
                }
            }
        }
        Target::Foreign(url) if unversioned(url) != url => {
            let any = foreign(parameter, unversioned(url), base);
            of_version(parameter, any, vec![url.to_owned()])
        }
        Target::Foreign(url) => Ok(foreign(parameter, url, base)),
        Target::Urn(urn) => Ok(entries(hash(&uri::entry(urn)))),
        Target::Contained(_) => Ok(Predicate::Nothing),
        Target::Malformed(id) if Id::is_valid(id) => Ok(bare(parameter, id)),
        Target::Malformed(_) | Target::Conditional { .. } => Err(Issue::error(
            "value",
            format!(
                "expected an id, `Type/id` or a URL as {} but found something else",
                parameter.code
            ),
        )),
    }
}

fn compile_typed(
    parameter: &Parameter,
    resource_type: ResourceType,
    text: &str,
    base: &str,
) -> Result<Predicate, Issue> {
    if !parameter.targets.is_empty() && !parameter.targets.contains(&resource_type) {
        let known: Vec<&str> = parameter
            .targets
            .iter()
            .map(|target| target.name())
            .collect();
        let text = format!(
            "expected a type that {} refers to ({}) but found {resource_type}",
            parameter.code,
            known.join(", ")
        );
        return Err(Issue::error("value", text));
    }
    match Target::parse(text, base) {
        Target::Malformed(id) if Id::is_valid(id) => Ok(local(parameter, resource_type, id)),
        Target::Local {
            resource_type: found,
            id,
            ..
        } if found == resource_type => Ok(local(parameter, resource_type, id)),
        Target::Local { .. } => Ok(Predicate::Nothing),
        _ => Err(Issue::error(
            "value",
            format!("expected the id of a {resource_type} but found something else"),
        )),
    }
}

fn local(parameter: &Parameter, resource_type: ResourceType, id: &str) -> Predicate {
    gather(parameter, |branch| {
        let fits = branch.only.is_none_or(|only| only == resource_type);
        fits.then(|| resource_key(resource_type, id))
            .into_iter()
            .collect()
    })
}

/// A bare id may be of any type that the parameter can refer to, but of one only.
fn bare(parameter: &Parameter, id: &str) -> Predicate {
    let branches = parameter.branches.iter();
    let mut types: Vec<ResourceType> = branches
        .flat_map(|branch| types_of(parameter, branch))
        .collect();
    types.sort_unstable();
    types.dedup();
    let found = gather(parameter, |branch| {
        let types = types_of(parameter, branch).into_iter();
        types.map(|any| resource_key(any, id)).collect()
    });
    match found {
        Predicate::Entries(entries) if types.len() > 1 => {
            Predicate::Lookup(Box::new(Lookup::BareId {
                id: id.to_owned(),
                types,
                entries,
            }))
        }
        one => one,
    }
}

/// The types that a branch can refer to.
fn types_of(parameter: &Parameter, branch: &Branch) -> Vec<ResourceType> {
    match branch.only {
        Some(only) => vec![only],
        None if parameter.targets.is_empty() => ResourceType::all().collect(),
        None => parameter.targets.clone(),
    }
}

/// Of the references that `any` finds, those that are written like one of these.
fn of_version(
    parameter: &Parameter,
    any: Predicate,
    written: Vec<String>,
) -> Result<Predicate, Issue> {
    let places = token::places(parameter, |located| match located.node_type.key.as_str() {
        "Reference" => vec![located.at(".reference")],
        _ => vec![located.at("")],
    });
    let places = places.ok_or_else(|| {
        let text = format!("{} knows no versions", parameter.code);
        Issue::error("not-supported", text)
    })?;
    let test = JsonTest::OneOf(written);
    Ok(Predicate::And(vec![any, Predicate::Json { places, test }]))
}

/// `:above` and `:below`: by version for canonicals, else by what the target is a part of.
fn compile_hierarchy(
    parameter: &Parameter,
    direction: Direction,
    text: &str,
    base: &str,
) -> Result<Predicate, Issue> {
    let canonicals = token::places(parameter, |located| match located.node_type.is("uri") {
        true => vec![located.at("")],
        false => Vec::new(),
    });
    let canonicals = canonicals.unwrap_or_default();
    let target = match Target::parse(text, base) {
        Target::Foreign(_) | Target::Urn(_) if !canonicals.is_empty() => {
            return match direction {
                Direction::Below => Ok(Predicate::Json {
                    places: canonicals,
                    test: match text.contains('|') {
                        true => uri::below(text),
                        false => JsonTest::Below(text.to_owned(), "|"),
                    },
                }),
                Direction::Above => Err(Issue::error(
                    "not-supported",
                    "expected :below, since nothing is above a canonical",
                )),
            };
        }
        Target::Local {
            resource_type, id, ..
        } => Some((resource_type, id)),
        Target::Malformed(id) if Id::is_valid(id) => {
            let mut types = parameter
                .branches
                .iter()
                .flat_map(|branch| types_of(parameter, branch));
            let first = types.next();
            first
                .filter(|first| types.all(|other| other == *first))
                .map(|only| (only, id))
        }
        _ => None,
    };
    let Some((resource_type, id)) = target else {
        return Err(Issue::error(
            "value",
            "expected `Type/id`, since hierarchies are of one type, or a canonical URL",
        ));
    };
    let fits = |branch: &&Branch| branch.only.is_none_or(|only| only == resource_type);
    let branches = parameter.branches.iter().filter(fits);
    Ok(Predicate::Lookup(Box::new(Lookup::Hierarchy {
        resource_type,
        id: id.to_owned(),
        direction,
        slots: branches.map(|branch| branch.slot).collect(),
    })))
}

fn foreign(parameter: &Parameter, url: &str, base: &str) -> Predicate {
    let found = target_type(url, base);
    gather(parameter, |branch| {
        let fits = match (branch.only, found) {
            (Some(only), Some(found)) => only == found,
            _ => true,
        };
        fits.then(|| hash(&uri::entry(url))).into_iter().collect()
    })
}

fn gather(parameter: &Parameter, hashes: impl Fn(&Branch) -> Vec<i64>) -> Predicate {
    let mut entries: Vec<(Slot, i64)> = Vec::new();
    for branch in &parameter.branches {
        entries.extend(hashes(branch).into_iter().map(|hash| (branch.slot, hash)));
    }
    match entries.is_empty() {
        true => Predicate::Nothing,
        false => Predicate::Entries(entries),
    }
}
