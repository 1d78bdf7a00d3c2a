//! Validation against profiles: what an instance must keep beyond its structure.
//!
//! ```text
//! StructureDefinition ──compile──▶ Profile: a tree of Rules       once per profile
//!   base's tree, differential laid over it; or its snapshot
//!
//! resource ──▶ walk   every element: invariants, bindings, references, extensions of its type,
//!          │          and what R4 says in prose: bundle, questionnaire, measure_report, …
//!          └─▶ rules  the trees of meta.profile and of those asked for: cardinality, slices,
//!                     fixed, pattern, types, bindings, constraints
//! ```
//!
//! <https://hl7.org/fhir/R4/profiling.html>, <https://hl7.org/fhir/R4/validation.html>. The
//! structure is judged by [`Validator`](super::Validator); here it is taken as it is. Nothing
//! here does I/O: what is stored in a server is handed to [`Profiles::new`].
//!
//! | rules of | are in |
//! |---|---|
//! | Bundles and references | `bundle`, `entries`, `references` |
//! | Questionnaires and their answers, MeasureReports | `questionnaire`, `measure_report` |
//! | StructureDefinitions, search parameters, capabilities | `structure_definition`, `conformance` |
//! | extensions, modifier extensions | `extensions` |
//! | codes and displays, URIs, texts, attachments | `coded`, `displays`, `uris`, `texts`, `attachment` |
//!
//! How strict they are where R4 leaves it open is told by [`Settings`]. Deliberately not here:
//! value sets whose codes are not at hand (a warning says so), expressions in CQL, the profiles
//! that an ImplementationGuide asks of everything (`global`), obligations.
//!
//! ## Decisions
//!
//! **2026-11-22: a profile is what it adds.** An instance is walked once by its own types and
//! once more by each profile; a profile's tree holds nothing that the base definition says
//! already. So a differential can be laid over its base's tree without expanding the types in
//! between, and most published profiles need no snapshot. Cost: an element that two profiles
//! speak of is visited twice.

mod attachment;
mod bundle;
mod coded;
mod compile;
mod compiled;
mod conformance;
mod current;
mod displays;
mod entries;
mod extensions;
mod given;
mod measure_report;
mod outside;
mod questionnaire;
mod references;
mod rules;
mod settings;
mod slices;
mod structure_definition;
mod texts;
mod uris;
mod values;
mod versions;
mod walk;

#[cfg(test)]
mod tests;

use std::collections::HashMap;
use std::sync::{Arc, PoisonError, RwLock};

use serde_json::Value;

use crate::definitions::{CodeSet, Constraint, Definitions, Derivation, Structure};
use crate::error::Issue;
use crate::fhir::Instant;
use crate::fhir::reference::Target;
use crate::fhirpath::{Expression, Model, Node};
use crate::terminology::{Evaluation, Library};

pub use coded::Question;
pub use compiled::{Profile, Rule};
pub use current::Current;
pub use given::{Given, Pins, compare_versions};
pub use settings::Settings;

/// A profile of a profile of a profile: deeper than this is taken for a circle.
const DEEPEST_BASE: usize = 24;

/// What profiles are known, and what has been compiled of them. It never changes: when what is
/// stored does, another one is made.
pub struct Profiles {
    definitions: Arc<Definitions>,
    model: Arc<Model>,
    /// By resource type, then by URL, the newest version first.
    given: HashMap<String, HashMap<String, Vec<Arc<Given>>>>,
    compiled: RwLock<HashMap<String, Arc<Profile>>>,
    /// The constraints of the base definitions by element path.
    invariants: Arc<RwLock<HashMap<String, Arc<[Invariant]>>>>,
    codes: RwLock<HashMap<String, Option<Arc<CodeSet>>>>,
    /// By code system.
    displays: RwLock<HashMap<String, Arc<displays::Displays>>>,
    base: String,
    settings: Settings,
    /// Resources that references may mean, by `Type/id`.
    instances: HashMap<String, Value>,
}

/// A constraint with its expression compiled.
#[derive(Clone, Debug)]
pub struct Invariant {
    pub key: String,
    pub is_error: bool,
    pub human: String,
    expression: Arc<Expression>,
}

impl Invariant {
    /// `None` where there is nothing to evaluate; what does not compile is told in the log.
    fn compile(constraint: &Constraint) -> Option<Invariant> {
        let text = constraint.expression.as_deref()?;
        let expression = Expression::compile_invariant(text)
            .inspect_err(|error| {
                tracing::warn!(key = constraint.key, %error, "a constraint cannot be read");
            })
            .ok()?;
        Some(Invariant {
            key: constraint.key.clone(),
            is_error: constraint.is_error && !constraint.is_best_practice,
            human: constraint.human.clone(),
            expression: Arc::new(expression),
        })
    }
}

impl Profiles {
    /// The profiles of the definitions, and those among these resources: StructureDefinitions,
    /// ValueSets, CodeSystems and Questionnaires, which come before what the definitions have. `base` is our
    /// own base URL.
    pub fn new(definitions: Arc<Definitions>, resources: Vec<Value>, base: &str) -> Profiles {
        let given = resources
            .into_iter()
            .filter_map(Given::parsed)
            .map(Arc::new);
        Profiles {
            model: Arc::new(Model::new(definitions.clone())),
            definitions,
            given: by_url(given),
            compiled: RwLock::default(),
            invariants: Arc::default(),
            codes: RwLock::default(),
            displays: RwLock::default(),
            base: base.to_owned(),
            settings: Settings::default(),
            instances: HashMap::new(),
        }
    }

    /// The same of other resources; what was compiled of the definitions is kept.
    pub fn with(&self, given: impl IntoIterator<Item = Arc<Given>>) -> Profiles {
        Profiles {
            definitions: self.definitions.clone(),
            model: self.model.clone(),
            given: by_url(given),
            compiled: RwLock::default(),
            invariants: self.invariants.clone(),
            codes: RwLock::default(),
            displays: RwLock::default(),
            settings: self.settings.clone(),
            instances: HashMap::new(),
            base: self.base.clone(),
        }
    }

    /// The resources that were handed in.
    pub fn given(&self) -> impl Iterator<Item = &Arc<Given>> {
        self.given.values().flat_map(HashMap::values).flatten()
    }

    /// The same, as strict as this.
    pub fn with_settings(self, settings: Settings) -> Profiles {
        Profiles { settings, ..self }
    }

    /// The same, with resources at hand that references may mean: their targets are held to
    /// the profiles that an element wants of them.
    pub fn with_instances(mut self, instances: Vec<Value>) -> Profiles {
        for instance in instances {
            let text = |name: &str| instance.get(name).and_then(Value::as_str);
            if let (Some(kind), Some(id)) = (text("resourceType"), text("id")) {
                self.instances.insert(format!("{kind}/{id}"), instance);
            }
        }
        self
    }

    fn instance(&self, target: &Target<'_>) -> Option<&Value> {
        match target {
            _ if self.instances.is_empty() => None,
            Target::Local {
                resource_type, id, ..
            } => self.instances.get(&format!("{resource_type}/{id}")),
            _ => None,
        }
    }

    /// Whether a value set draws on systems that it names, and not on this one: then none of
    /// its codes are of it, wherever they may be listed.
    fn has_no_code_of(&self, value_set: &str, system: &str) -> bool {
        let Some(value_set) = self.find("ValueSet", value_set) else {
            return false;
        };
        let include = value_set
            .pointer("/compose/include")
            .and_then(Value::as_array);
        include.is_some_and(|include| {
            include.iter().all(|part| {
                part.get("valueSet").is_none()
                    && part
                        .get("system")
                        .and_then(Value::as_str)
                        .is_some_and(|own| own != system)
            })
        })
    }

    pub fn model(&self) -> &Model {
        &self.model
    }

    /// Whether a StructureDefinition with this canonical is known.
    pub fn is_known(&self, canonical: &str) -> bool {
        self.profile(canonical).is_some()
    }

    /// Every problem of a resource, beyond its structure: against the base definitions, its
    /// `meta.profile`s and those of `profiles`. A resource without a known type has none.
    pub fn validate(&self, resource: &Value, profiles: &[&str]) -> Vec<Issue> {
        self.validate_at(resource, profiles, Some(Instant::now()))
    }

    /// The same at a time, which invariants may ask for.
    pub fn validate_at(
        &self,
        resource: &Value,
        profiles: &[&str],
        now: Option<Instant>,
    ) -> Vec<Issue> {
        match Node::resource(&self.model, resource) {
            Some(node) => walk::issues(self, node, profiles, now, false).0,
            None => Vec::new(),
        }
    }

    /// The same, and the bindings that cannot be judged without asking elsewhere: they are not
    /// among the issues yet.
    pub fn validate_asking(
        &self,
        resource: &Value,
        profiles: &[&str],
    ) -> (Vec<Issue>, Vec<Question>) {
        match Node::resource(&self.model, resource) {
            Some(node) => walk::issues(self, node, profiles, Some(Instant::now()), true),
            None => Default::default(),
        }
    }

    /// What is known under a canonical, of those that were handed in or of the definitions.
    pub fn find(&self, kind: &str, canonical: &str) -> Option<Arc<Value>> {
        self.find_given(kind, canonical)
            .or_else(|| self.definitions.artifact(kind, canonical))
    }

    fn find_given(&self, kind: &str, canonical: &str) -> Option<Arc<Value>> {
        let canonical = canonical.split('#').next().unwrap_or(canonical);
        let (url, version) = match canonical.split_once('|') {
            Some((url, version)) => (url, Some(version)),
            None => (canonical, None),
        };
        let versions = self.given.get(kind)?.get(url)?;
        // `1.2` means the newest of its patches where no version is just that.
        let is_patch = |given: &Given| {
            let rest = version.and_then(|version| given.version().strip_prefix(version));
            rest.is_some_and(|rest| rest.starts_with('.'))
        };
        let found = versions
            .iter()
            .find(|given| version.is_none_or(|version| given.version() == version))
            .or_else(|| versions.iter().find(|given| is_patch(given)));
        found?.resource()
    }

    /// A profile by its canonical, compiled when it is first asked for. What is not known is
    /// not remembered, since names come from requests.
    fn profile(&self, canonical: &str) -> Option<Arc<Profile>> {
        self.profile_within(canonical, DEEPEST_BASE)
    }

    fn profile_within(&self, canonical: &str, depth: usize) -> Option<Arc<Profile>> {
        let known = self.compiled.read().unwrap_or_else(PoisonError::into_inner);
        if let Some(found) = known.get(canonical) {
            return Some(found.clone());
        }
        drop(known);
        let depth = depth.checked_sub(1)?;
        let definition = self.find("StructureDefinition", canonical)?;
        let profile = compile::compile(self, &definition, depth)
            .inspect_err(|error| tracing::warn!(canonical, %error, "a profile cannot be read"))
            .ok()?;
        let mut known = self
            .compiled
            .write()
            .unwrap_or_else(PoisonError::into_inner);
        let entry = known.entry(canonical.to_owned());
        Some(entry.or_insert_with(|| Arc::new(profile)).clone())
    }

    /// The codes of a value set; `None` where they are not all at hand.
    fn codes(&self, canonical: &str) -> Option<Arc<CodeSet>> {
        let known = self.codes.read().unwrap_or_else(PoisonError::into_inner);
        if let Some(found) = known.get(canonical) {
            return found.clone();
        }
        drop(known);
        let value_set = self.find("ValueSet", canonical);
        let codes = value_set
            .and_then(|value_set| self.evaluated(value_set))
            .map(Arc::new);
        let mut known = self.codes.write().unwrap_or_else(PoisonError::into_inner);
        known.insert(canonical.to_owned(), codes.clone());
        codes
    }

    /// All codes of a value set, where what is at hand tells them.
    fn evaluated(&self, value_set: Arc<Value>) -> Option<CodeSet> {
        let find = |kind: &str, canonical: &str| self.find(kind, canonical);
        // What a value set lists is taken as it is: a package need not have the whole system.
        let library = Library::at_hand(value_set.clone(), false, &find).ok()?;
        let members = Evaluation::new(&library).members(&value_set).ok()?;
        let is_told = members.whole.is_empty() && members.tables.is_empty();
        let pairs = members.into_list().into_iter();
        is_told.then(|| CodeSet::of(pairs.map(|member| (member.system, member.code))))
    }

    /// The type of a search parameter that is at hand.
    fn search_type(&self, canonical: &str) -> Option<String> {
        if let Some(given) = self.find_given("SearchParameter", canonical) {
            return given.get("type").and_then(Value::as_str).map(str::to_owned);
        }
        let known = self.definitions.search_parameter_by_url(canonical)?;
        Some(known.kind.as_str().to_owned())
    }

    /// Whether a resource of this type with this canonical is at hand.
    fn has(&self, kind: &str, canonical: &str) -> bool {
        self.find_given(kind, canonical).is_some() || self.definitions.has(kind, canonical)
    }

    /// The displays of the codes of a system; `None` where it is not at hand.
    fn displays(&self, system: &str) -> Option<Arc<displays::Displays>> {
        let known = self.displays.read().unwrap_or_else(PoisonError::into_inner);
        if let Some(found) = known.get(system) {
            return Some(found.clone());
        }
        drop(known);
        // What is not known is not remembered, since systems come from requests.
        if !self.has("CodeSystem", system) {
            return None;
        }
        let found = self.find("CodeSystem", system)?;
        let found = Arc::new(displays::of(&found));
        let mut known = self
            .displays
            .write()
            .unwrap_or_else(PoisonError::into_inner);
        known.insert(system.to_owned(), found.clone());
        Some(found)
    }

    /// The constraints that the base definition puts on the element with this path, such as
    /// `Patient` or `Patient.contact`.
    fn invariants(&self, path: &str) -> Arc<[Invariant]> {
        let known = self
            .invariants
            .read()
            .unwrap_or_else(PoisonError::into_inner);
        if let Some(found) = known.get(path) {
            return found.clone();
        }
        drop(known);
        let compiled: Vec<Invariant> = self
            .base_element(path)
            .map(|(structure, at)| {
                let constraints = structure.elements[at].constraints.iter();
                let told = constraints.filter(|constraint| !is_structural(&constraint.key));
                told.filter_map(Invariant::compile).collect()
            })
            .unwrap_or_default();
        let mut known = self
            .invariants
            .write()
            .unwrap_or_else(PoisonError::into_inner);
        let entry = known.entry(path.to_owned());
        entry.or_insert_with(|| compiled.into()).clone()
    }

    /// The element of the base definitions with this path.
    fn base_element(&self, path: &str) -> Option<(Arc<Structure>, usize)> {
        let mut structure = self.definitions.structure(path.split('.').next()?)?;
        if structure.derivation == Derivation::Constraint && !path.contains('.') {
            structure = self.definitions.structure(&structure.type_name)?;
        }
        let at = structure.elements.iter().position(|e| e.path == path)?;
        Some((structure, at))
    }
}

fn by_url(
    given: impl IntoIterator<Item = Arc<Given>>,
) -> HashMap<String, HashMap<String, Vec<Arc<Given>>>> {
    let mut all: HashMap<String, HashMap<String, Vec<Arc<Given>>>> = HashMap::new();
    for one in given {
        let of_kind = all.entry(one.kind().to_owned()).or_default();
        of_kind.entry(one.url().to_owned()).or_default().push(one);
    }
    for versions in all.values_mut().flat_map(HashMap::values_mut) {
        versions.sort_by(|a, b| compare_versions(b.version(), a.version()));
    }
    all
}

/// Constraints that the structure has met already.
fn is_structural(key: &str) -> bool {
    matches!(key, "ele-1" | "ext-1")
}
