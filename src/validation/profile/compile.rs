//! From a StructureDefinition to a tree of [`Rule`]s, which says only what the profile adds.
//! <https://hl7.org/fhir/R4/elementdefinition.html>,
//! <https://hl7.org/fhir/R4/profiling.html#snapshot>
//!
//! A differential is laid over the tree of its base; a snapshot is laid over nothing, without
//! what the base definition has as well. Steps are told by the ids of elements where they fit
//! the path, since only they name the slices on the way; else the slice that was last named.
//! Not done here: the published form of a snapshot.

use std::collections::HashMap;
use std::sync::Arc;

use serde_json::Value;

use super::compiled::{Discriminator, ExtensionContext, Profile, Rule, Sliced};
use super::{Invariant, Profiles, is_structural};
use crate::definitions::{
    Constraint, Derivation, Element, ElementType, Max, Structure, TypeInfo, TypeKind,
};
use crate::fhirpath::Expression;

/// The rules of one StructureDefinition; its bases are compiled on the way.
pub(super) fn compile(
    profiles: &Profiles,
    definition: &Value,
    depth: usize,
) -> Result<Profile, String> {
    let structure = Structure::parse(definition)?;
    let mut root = Rule {
        name: structure.type_name.clone(),
        key: Some(structure.type_name.clone()),
        ..Rule::default()
    };
    // What says that it is a type of its own, but has the name of another, is a profile of that.
    let is_constraint = structure.derivation == Derivation::Constraint
        || structure.base.is_some() && is_of_another(&structure.url, &structure.type_name);
    if is_constraint {
        root = lay_out(profiles, definition, &structure, root, depth)?;
    }
    let contexts = definition["context"].as_array().into_iter().flatten();
    let invariants = definition["contextInvariant"]
        .as_array()
        .into_iter()
        .flatten();
    let invariants = invariants.filter_map(|text| {
        let text = text.as_str()?;
        let expression = Expression::compile_with(text, &["extension"])
            .inspect_err(|error| tracing::warn!(%error, "a context invariant cannot be read"))
            .ok()?;
        Some((text.to_owned(), Arc::new(expression)))
    });
    Ok(Profile {
        context_invariants: invariants.collect(),
        url: structure.url,
        type_name: structure.type_name,
        is_constraint,
        contexts: contexts.map(ExtensionContext::parse).collect(),
        root,
    })
}

/// The elements of a definition over the tree of its base, or a snapshot over nothing.
fn lay_out(
    profiles: &Profiles,
    definition: &Value,
    structure: &Structure,
    mut root: Rule,
    depth: usize,
) -> Result<Rule, String> {
    let mut differential = Vec::new();
    if structure.elements.is_empty() {
        let base = structure.base.as_deref().unwrap_or_default();
        let base = profiles
            .profile_within(base, depth)
            .ok_or_else(|| format!("its base {base} is not known"))?;
        if base.is_constraint {
            root = base.root.clone();
        }
        differential = Structure::differential(definition)?;
    }
    let listed = ["snapshot", "differential"].map(|list| definition[list]["element"].as_array());
    let mut listed = listed.into_iter().flatten().flatten();
    let mut overlay = Overlay {
        profiles,
        has_ids: listed.any(|element| element.get("id").is_some()),
        last_slice: HashMap::new(),
        stray: None,
        depth: depth.min(DEEPEST_TYPE),
        type_profiles: HashMap::new(),
    };
    for element in structure.elements.iter().chain(&differential) {
        overlay.lay(&mut root, element);
    }
    match overlay.stray {
        Some(stray) => Err(format!("it speaks of {stray}, which is no element")),
        None => Ok(root),
    }
}

fn is_of_another(url: &str, type_name: &str) -> bool {
    let own = url.strip_prefix("http://hl7.org/fhir/StructureDefinition/");
    own != Some(type_name) && crate::fhir::ResourceType::parse(type_name).is_some()
}

struct Overlay<'p> {
    profiles: &'p Profiles,
    /// False where elements are told by their paths alone.
    has_ids: bool,
    /// By path, the slice that was last named there.
    last_slice: HashMap<String, String>,
    /// The first step that leads to no element of its type.
    stray: Option<String>,
    /// How many profiles within profiles may still be asked for.
    depth: usize,
    type_profiles: HashMap<String, Option<Arc<Profile>>>,
}

/// The profile of a type that a path has come through, and the steps since.
struct Behind {
    canonical: String,
    steps: Vec<String>,
}

/// Profiles of types that have slices that others speak of: deeper than this is a circle, and
/// each level may ask for several.
const DEEPEST_TYPE: usize = 4;

impl Overlay<'_> {
    fn lay(&mut self, root: &mut Rule, element: &Element) {
        let mut at = root;
        let mut behind: Option<Behind> = None;
        for (name, slice) in self.steps(element).into_iter().skip(1) {
            at = self.step(at, &name);
            if let Some(behind) = &mut behind {
                behind.steps.push(at.name.clone());
            }
            if let Some(slice) = &slice {
                self.inherit(at, slice, behind.as_ref());
                behind = None;
            }
            at = self.slice_of(at, slice.as_deref().unwrap_or_default());
            if let [only] = at.types.as_slice()
                && let [canonical] = only.profiles.as_slice()
            {
                behind = Some(Behind {
                    canonical: canonical.clone(),
                    steps: Vec::new(),
                });
            }
        }
        self.apply(at, element);
    }

    /// The rule of a slice: `a/b` is the slice `b` within the slice `a`, where there is one of
    /// that name; else a name with a slash in it.
    fn slice_of<'r>(&self, at: &'r mut Rule, name: &str) -> &'r mut Rule {
        let is_slice = |at: &Rule, name: &str| {
            let mut slices = at.slices.iter();
            slices.any(|slice| slice.slice.as_deref() == Some(name))
        };
        match name.split_once('/') {
            _ if name.is_empty() => at,
            Some((outer, inner)) if is_slice(at, outer) => {
                let outer = self.slice(at, outer);
                self.slice_of(outer, inner)
            }
            _ => self.slice(at, name),
        }
    }

    /// Each step of the path, with the slice that is meant of it.
    fn steps(&mut self, element: &Element) -> Vec<(String, Option<String>)> {
        let path: Vec<&str> = element.path.split('.').collect();
        let id: Vec<&str> = element.id.split('.').collect();
        let name_of = |step: &str| step.split(':').next().unwrap_or(step).to_owned();
        let fits = self.has_ids
            && id.len() == path.len()
            && id.iter().zip(&path).all(|(id, path)| name_of(id) == **path);
        let mut steps = Vec::with_capacity(path.len());
        for (at, name) in path.iter().enumerate() {
            let is_last = at + 1 == path.len();
            let upto = path[..=at].join(".");
            let slice = match fits {
                true => id[at].split_once(':').map(|(_, slice)| slice.to_owned()),
                false if is_last => None,
                false => self.last_slice.get(&upto).cloned(),
            };
            let slice = match is_last {
                true => element.slice_name.clone().or(slice),
                false => slice,
            };
            if is_last {
                // What was named below another slice of this is over.
                self.last_slice
                    .retain(|known, _| !known.starts_with(&format!("{upto}.")));
                match &slice {
                    Some(slice) => self.last_slice.insert(upto, slice.clone()),
                    None => self.last_slice.remove(&upto),
                };
            }
            steps.push(((*name).to_owned(), slice));
        }
        steps
    }

    /// The rule of an element below another. `valueQuantity` for `value[x]` means the slice
    /// of that type.
    fn step<'r>(&mut self, at: &'r mut Rule, name: &str) -> &'r mut Rule {
        let info = at
            .key
            .as_ref()
            .and_then(|key| self.profiles.definitions.type_info(key));
        let bare = name.strip_suffix("[x]").unwrap_or(name);
        let field = info.as_ref().and_then(|info| info.field(bare));
        let by_type = field.filter(|field| field.is_choice && field.name != bare);
        let own = by_type.map_or(bare, |field| field.name.as_str());
        // The value of a primitive has a path in profiles, and no element of its own here.
        let is_value = |info: &TypeInfo| info.kind == TypeKind::Primitive && own == "value";
        if let Some(info) = &info
            && info.fields_of(own).next().is_none()
            && !is_value(info)
            && self.stray.is_none()
        {
            self.stray = Some(format!("{}.{own}", info.key));
        }
        let found = match at.children.iter().position(|child| child.name == own) {
            Some(found) => found,
            None => {
                let mut choices = info.iter().flat_map(|info| info.fields_of(own));
                let key = match (choices.next(), choices.next()) {
                    (Some((_, field)), None) => Some(field.type_key.clone()),
                    _ => None,
                };
                at.children.push(Rule {
                    name: own.to_owned(),
                    key,
                    ..Rule::default()
                });
                at.children.len() - 1
            }
        };
        let child = &mut at.children[found];
        match by_type {
            Some(field) => {
                let slice = self.slice(child, bare);
                slice.key = Some(field.type_key.clone());
                if slice.types.is_empty() {
                    slice.types = vec![ElementType {
                        code: field.type_code.clone(),
                        profiles: Vec::new(),
                        target_profiles: Vec::new(),
                        aggregation: Vec::new(),
                    }];
                }
                slice
            }
            None => child,
        }
    }

    fn slice<'r>(&self, at: &'r mut Rule, name: &str) -> &'r mut Rule {
        let is_named = |slice: &Rule| slice.slice.as_deref() == Some(name);
        let found = match at.slices.iter().position(is_named) {
            Some(found) => found,
            None => {
                at.slices.push(Rule {
                    name: at.name.clone(),
                    slice: Some(name.to_owned()),
                    key: at.key.clone(),
                    types: self.type_of_slice(at, name).into_iter().collect(),
                    ..Rule::default()
                });
                at.slices.len() - 1
            }
        };
        if at.slicing.is_none() {
            at.slicing = implied(at);
        }
        &mut at.slices[found]
    }

    /// A slice that the profile of a type around defines, and this one only speaks further of.
    fn inherit(&mut self, at: &mut Rule, name: &str, behind: Option<&Behind>) {
        let is_named = |slice: &Rule| slice.slice.as_deref() == Some(name);
        let Some(behind) = behind.filter(|_| !at.slices.iter().any(is_named)) else {
            return;
        };
        let Some(profile) = self.type_profile(&behind.canonical) else {
            return;
        };
        let mut steps = behind.steps.iter();
        let found = steps.try_fold(&profile.root, |rule, step| rule.child(step));
        let slice = found.and_then(|rule| rule.slices.iter().find(|slice| is_named(slice)));
        if let (Some(found), Some(slice)) = (found, slice) {
            at.slices.push(slice.clone());
            if at.slicing.is_none() {
                at.slicing.clone_from(&found.slicing);
            }
        }
    }

    fn type_profile(&mut self, canonical: &str) -> Option<Arc<Profile>> {
        if let Some(known) = self.type_profiles.get(canonical) {
            return known.clone();
        }
        let found = self.profiles.profile_within(canonical, self.depth);
        self.type_profiles
            .insert(canonical.to_owned(), found.clone());
        found
    }

    /// The type that the slice `valueQuantity` of `value` is named for.
    fn type_of_slice(&self, at: &Rule, name: &str) -> Option<ElementType> {
        let code = name.strip_prefix(at.name.as_str())?;
        let mut letters = code.chars();
        let first = letters.next().filter(char::is_ascii_uppercase)?;
        let lower = format!("{}{}", first.to_ascii_lowercase(), letters.as_str());
        let is_type = |name: &&str| self.profiles.model.has_type(name);
        let code = [code, lower.as_str()].into_iter().find(is_type)?;
        Some(ElementType {
            code: code.to_owned(),
            profiles: Vec::new(),
            target_profiles: Vec::new(),
            aggregation: Vec::new(),
        })
    }

    fn apply(&self, rule: &mut Rule, element: &Element) {
        let base = self.profiles.base_element(&element.base_path);
        let base = base
            .as_ref()
            .map(|(structure, at)| &structure.elements[*at]);
        rule.min = rule.min.max(element.min);
        if let Max::Count(most) = element.max {
            rule.max = Some(rule.max.map_or(most, |known| known.min(most)));
        }
        if !element.types.is_empty() && base.is_none_or(|base| base.types != element.types) {
            rule.types.clone_from(&element.types);
            if let [only] = element.types.as_slice() {
                self.narrow(rule, &only.code);
            }
        }
        replace(&mut rule.fixed, &element.fixed);
        replace(&mut rule.pattern, &element.pattern);
        replace(&mut rule.min_value, &element.min_value);
        replace(&mut rule.max_value, &element.max_value);
        replace(&mut rule.max_length, &element.max_length);
        replace(&mut rule.min_length, &element.min_length);
        replace(&mut rule.narrative_source, &element.narrative_source);
        if !element.narrative_languages.is_empty() {
            rule.narrative_languages
                .clone_from(&element.narrative_languages);
        }
        rule.must_have_value |= element.must_have_value;
        if !element.value_alternatives.is_empty() {
            rule.value_alternatives
                .clone_from(&element.value_alternatives);
        }
        for binding in &element.more_bindings {
            if !rule.more_bindings.contains(binding) {
                rule.more_bindings.push(binding.clone());
            }
        }
        if base.is_none_or(|base| base.binding != element.binding) {
            replace(&mut rule.binding, &element.binding);
        }
        if let Some(slicing) = &element.slicing {
            match &mut rule.slicing {
                // A derived profile may close what it need not describe again.
                Some(known) if slicing.discriminators.is_empty() => {
                    known.rules.clone_from(&slicing.rules);
                    known.ordered |= slicing.ordered;
                }
                known => *known = Some(Sliced::of(slicing)),
            }
        }
        let is_known = |constraint: &&Constraint| {
            let of_base = base
                .is_some_and(|base| base.constraints.iter().any(|own| own.key == constraint.key));
            let is_again = rule.constraints.iter().any(|own| own.key == constraint.key);
            is_structural(&constraint.key) || of_base || is_again
        };
        let new: Vec<Invariant> = element
            .constraints
            .iter()
            .filter(|constraint| !is_known(constraint))
            .filter_map(Invariant::compile)
            .collect();
        rule.constraints.extend(new);
    }

    /// The key of the type of an element that has now one type only.
    fn narrow(&self, rule: &mut Rule, code: &str) {
        let is_backbone = matches!(code, "BackboneElement" | "Element");
        if !is_backbone && rule.key.as_deref().is_none_or(|key| !key.contains('.')) {
            rule.key = Some(code.to_owned());
        }
    }
}

fn replace<T: Clone>(old: &mut Option<T>, new: &Option<T>) {
    if new.is_some() {
        old.clone_from(new);
    }
}

/// How slices are told apart where no slicing says so: extensions by their url, else by type.
fn implied(rule: &Rule) -> Option<Sliced> {
    let (kind, path) = match rule.name.as_str() {
        "extension" | "modifierExtension" => ("value", "url"),
        _ => ("type", "$this"),
    };
    Some(Sliced {
        discriminators: vec![Discriminator::of(kind, path)],
        ordered: false,
        rules: "open".to_owned(),
    })
}
