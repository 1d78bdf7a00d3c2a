//! The steps of a chain: from the searched resource to the one that a condition is about.
//!
//! <https://hl7.org/fhir/R4/search.html#chaining>, <https://hl7.org/fhir/R4/search.html#has>
//!
//! ```text
//! subject:Patient.name=x          Refers { subject -> Patient, name = x }
//! subject.name=x                  the same for each type that subject refers to and that has name
//! _has:Observation:patient:code=x Referred { Observation -> patient, code = x }
//! ```
//!
//! Each chained parameter is a condition of its own: two of them may be fulfilled by two
//! resources. What the last step leads to is compiled by a [`Leaf`], which is one pair of the
//! query or one test of `_filter`. A canonical leads to what has its `url`, and its version
//! where it names one: see [`Lookup::Canonical`]. What stands where a reference could
//! (`Bundle.composition`) is led to as what is contained, and never by `_has`, since it is no
//! resource of its own.

use super::bounds;
use super::parse::{Step, Term};
use super::plan::{Lookup, Predicate};
use super::registry::{Branch, Kind, Leads, Parameter, Registry};
use super::resolve::{Context, Problem, parameter_of_all};
use super::{contained, filter, suggest};
use crate::fhir::ResourceType;
use crate::search::index::Slot;
use std::cell::Cell;
use std::collections::BTreeMap;

/// The condition at the end of a chain, of resources of these types; `None` where it asks
/// nothing.
pub type Leaf<'l> = &'l dyn Fn(&[ResourceType]) -> Result<Option<Predicate>, Problem>;

/// Steps in one chain.
const MAX_STEPS: usize = 8;
/// Types that a step without a type may lead to.
const MAX_TARGETS: usize = 12;
/// All ways that the steps of one chain may take together.
const MAX_WAYS: usize = 64;

/// The predicate of a term whose last step ends in `leaf`.
pub fn resolve(
    term: &Term<'_>,
    context: &Context<'_>,
    types: &[ResourceType],
    leaf: Leaf<'_>,
) -> Result<Option<Predicate>, Problem> {
    if term.steps.len() > MAX_STEPS {
        return Err(Problem::refused(
            "too-costly",
            format!("{term}: expected a chain of at most {MAX_STEPS} steps"),
        ));
    }
    let walk = Walk {
        term,
        registry: context.registry,
        leaf,
        ways: Cell::new(0),
    };
    walk.on(0, types)
}

/// Holds of resources of `types` that a reference of this parameter, in a resource that
/// fulfils `filter`, leads to; `None` where it can lead to none of them.
pub fn referred(
    parameter: &Parameter,
    types: &[ResourceType],
    filter: &Predicate,
) -> Option<Predicate> {
    // A slot holds references to other types too; which resource is meant is asked beside it.
    let mut slots: BTreeMap<Option<ResourceType>, Vec<Slot>> = BTreeMap::new();
    for branch in &parameter.branches {
        if types.iter().any(|kind| leads_to(parameter, branch, *kind)) {
            slots.entry(branch.only).or_default().push(branch.slot);
        }
    }
    let parts = slots.into_iter().map(|(only, slots)| {
        let referred = Predicate::Referred {
            source: parameter.resource_type,
            slots,
            filter: Box::new(filter.clone()),
        };
        match only {
            Some(only) if *types != [only] => {
                Predicate::And(vec![Predicate::Type(vec![only]), referred])
            }
            _ => referred,
        }
    });
    let mut parts: Vec<Predicate> = parts.collect();
    parts.extend(named_by(parameter, types, filter));
    match parts.len() {
        0 => None,
        1 => parts.pop(),
        _ => Some(Predicate::Or(parts)),
    }
}

/// Holds of resources of `types` that a canonical of this parameter names; `None` where it
/// has no canonicals or none of these types.
fn named_by(
    parameter: &Parameter,
    types: &[ResourceType],
    filter: &Predicate,
) -> Option<Predicate> {
    let canonicals = parameter.branches.iter();
    let canonicals = canonicals.filter(|branch| branch.leads() == Leads::ByUrl);
    let (mut slots, mut named) = (Vec::new(), Vec::new());
    for branch in canonicals {
        slots.push(branch.slot);
        let types = types.iter().copied();
        named.extend(types.filter(|kind| leads_to(parameter, branch, *kind)));
    }
    named.sort_unstable();
    named.dedup();
    (!named.is_empty()).then(|| {
        Predicate::Lookup(Box::new(Lookup::NamedBy {
            types: named,
            source: parameter.resource_type,
            slots,
            filter: filter.clone(),
        }))
    })
}

fn leads_to(parameter: &Parameter, branch: &Branch, target: ResourceType) -> bool {
    match branch.only {
        Some(only) => only == target,
        None => parameter.targets.is_empty() || parameter.targets.contains(&target),
    }
}

struct Walk<'w> {
    term: &'w Term<'w>,
    registry: &'w Registry,
    leaf: Leaf<'w>,
    /// How many steps were taken, those of all ways counted.
    ways: Cell<usize>,
}

impl Walk<'_> {
    /// The predicate of the steps from number `at` on, of resources of `types`.
    fn on(&self, at: usize, types: &[ResourceType]) -> Result<Option<Predicate>, Problem> {
        let Some(step) = self.term.steps.get(at) else {
            return (self.leaf)(types);
        };
        self.ways.set(self.ways.get() + 1);
        if self.ways.get() > MAX_WAYS {
            return Err(self.refused(format!(
                "the chain takes more than {MAX_WAYS} ways, since its references may be of \
                 several types each; name a type, as in subject:Patient.name"
            )));
        }
        match *step {
            Step::To { code, modifier } => self.to(at, types, code, modifier),
            Step::From { source, reference } => self.from(at, types, source, reference),
        }
    }

    fn to(
        &self,
        at: usize,
        types: &[ResourceType],
        code: &str,
        modifier: Option<&str>,
    ) -> Result<Option<Predicate>, Problem> {
        let parameters = parameter_of_all(self.registry, types, code)
            .ok_or_else(|| filter::unknown(self.term, code, types, self.registry))?;
        self.check_references(&parameters)?;
        let slots = slots_by_target(&parameters);
        let targets = match modifier {
            Some(modifier) => vec![self.typed(code, modifier, slots.keys())?],
            None => self.untyped(at, slots.keys())?,
        };
        let (mut ways, mut unknown) = (Vec::new(), None);
        for target in targets {
            match self.on(at + 1, &[target]) {
                Ok(None) => return Ok(None),
                Ok(Some(filter)) => ways.extend(slots[&target].step(target, filter)),
                Err(Problem::Unknown(issue)) => {
                    unknown.get_or_insert(Problem::Unknown(issue));
                }
                Err(refused) => return Err(refused),
            }
        }
        match (ways.len(), unknown) {
            (0, Some(unknown)) => Err(unknown),
            (1, _) => Ok(ways.pop()),
            _ => Ok(Some(Predicate::Or(ways))),
        }
    }

    /// The type that a step names.
    fn typed<'t>(
        &self,
        code: &str,
        modifier: &str,
        mut possible: impl Iterator<Item = &'t ResourceType> + Clone,
    ) -> Result<ResourceType, Problem> {
        if modifier == "identifier" {
            return Err(self.refused(
                "a chain cannot follow :identifier, which asks for the reference itself".into(),
            ));
        }
        let found = ResourceType::parse(modifier);
        let target = found.filter(|found| possible.any(|possible| possible == found));
        target.ok_or_else(|| {
            let names = possible.map(|kind| kind.name());
            self.refused(format!(
                "expected a type that {code} refers to ({}) after its colon but found \
                 {modifier:?}.{}",
                listed(names.clone()),
                suggest::hint(modifier, names)
            ))
        })
    }

    /// The types that a step without a type leads to: those that know what follows.
    fn untyped<'t>(
        &self,
        at: usize,
        possible: impl Iterator<Item = &'t ResourceType> + Clone,
    ) -> Result<Vec<ResourceType>, Problem> {
        let knowing = possible.clone().filter(|kind| self.knows(**kind, at + 1));
        let knowing: Vec<ResourceType> = knowing.copied().collect();
        if knowing.len() > MAX_TARGETS {
            return Err(self.refused(format!(
                "{} types that this may refer to know what follows, more than {MAX_TARGETS}; name \
                 the type, as in {}",
                knowing.len(),
                self.with_type(at, knowing[0])
            )));
        }
        if knowing.is_empty() {
            return Err(self.unknown_next(at, possible));
        }
        Ok(knowing)
    }

    /// Whether step `at`, or the condition where there is none, can be asked of that type.
    fn knows(&self, kind: ResourceType, at: usize) -> bool {
        match self.term.steps.get(at) {
            Some(Step::To { code, .. }) => self
                .registry
                .parameter(kind, code)
                .is_some_and(|parameter| parameter.kind == Kind::Reference),
            Some(Step::From { source, reference }) => ResourceType::parse(source)
                .and_then(|source| self.registry.parameter(source, reference))
                // What is no parameter at all is told of the source, not of the targets.
                .is_none_or(|parameter| {
                    let mut branches = parameter.branches.iter();
                    branches.any(|branch| leads_to(parameter, branch, kind))
                }),
            None => {
                filter::is_special(self.term.code)
                    || self.registry.parameter(kind, self.term.code).is_some()
            }
        }
    }

    fn unknown_next<'t>(
        &self,
        at: usize,
        possible: impl Iterator<Item = &'t ResourceType> + Clone,
    ) -> Problem {
        let of = match possible.clone().count() {
            0..=MAX_TARGETS => listed(possible.clone().map(|kind| kind.name())),
            _ => "resources of any type".to_owned(),
        };
        let mut codes: Vec<&str> = possible
            .flat_map(|kind| self.registry.parameters(*kind))
            .filter(|parameter| parameter.supported)
            .map(|parameter| parameter.code.as_str())
            .collect();
        codes.sort_unstable();
        codes.dedup();
        let (expected, found) = match self.term.steps.get(at + 1) {
            Some(Step::To { code, .. }) => ("a reference parameter", *code),
            Some(Step::From { source, reference }) => {
                return Problem::unknown(format!(
                    "{}: {source}:{reference} refers to none of {of}",
                    self.term
                ));
            }
            None => ("a search parameter", self.term.code),
        };
        Problem::unknown(format!(
            "{}: expected {expected} of {of} but found {found:?}.{}",
            self.term,
            suggest::hint(found, codes.into_iter())
        ))
    }

    fn from(
        &self,
        at: usize,
        types: &[ResourceType],
        source: &str,
        reference: &str,
    ) -> Result<Option<Predicate>, Problem> {
        let term = self.term;
        let source = ResourceType::parse(source).ok_or_else(|| {
            Problem::unknown(format!(
                "{term}: expected a resource type after _has: but found {source:?}.{}",
                suggest::hint(source, ResourceType::NAMES.into_iter())
            ))
        })?;
        let parameter = self.registry.parameter(source, reference).ok_or_else(|| {
            let references = self.registry.parameters(source).iter();
            let references = references.filter(|one| one.kind == Kind::Reference);
            let known = || references.clone().map(|one| one.code.as_str());
            Problem::unknown(format!(
                "{term}: expected a reference parameter of {source} but found {reference:?}.{} \
                 Supported: {}",
                suggest::hint(reference, known()),
                listed(known())
            ))
        })?;
        self.check_references(&[parameter])?;
        if parameter.is_in_place() {
            return Err(self.refused(format!(
                "{source}:{reference} is what stands in a Bundle, which no stored resource is"
            )));
        }
        let Some(filter) = self.on(at + 1, &[source])? else {
            return Ok(None);
        };
        let refers_elsewhere = || {
            let targets = parameter.targets.iter().map(|kind| kind.name());
            Problem::unknown(format!(
                "{term}: expected a parameter that refers to {} but {source}:{reference} refers to \
                 {}",
                filter::those(types),
                listed(targets)
            ))
        };
        let referred = referred(parameter, types, &filter);
        referred.map(Some).ok_or_else(refers_elsewhere)
    }

    /// Only references by type and id can be followed.
    fn check_references(&self, parameters: &[&Parameter]) -> Result<(), Problem> {
        for parameter in parameters {
            let code = &parameter.code;
            if parameter.kind != Kind::Reference {
                return Err(Problem::unknown(format!(
                    "{}: expected a reference parameter before what follows, but {code} is of type \
                     {}",
                    self.term,
                    parameter.kind.as_str()
                )));
            }
            if !parameter.can_be_followed() {
                return Err(self.refused(format!(
                    "{code} names no resources; chains are supported through references by type \
                     and id and through canonical URLs"
                )));
            }
        }
        Ok(())
    }

    fn refused(&self, text: String) -> Problem {
        Problem::not_supported(format!("{}: {text}", self.term))
    }

    /// The chain up to step `at`, with a type put into it.
    fn with_type(&self, at: usize, kind: ResourceType) -> String {
        let before = self.term.steps.iter().take(at);
        let mut text: String = before.map(Step::to_string).collect();
        if let Some(Step::To { code, .. }) = self.term.steps.get(at) {
            text.push_str(&format!("{code}:{kind}."));
        }
        text
    }
}

/// The slots by which parameters refer to a type.
#[derive(Clone, Debug, Default)]
struct Slots {
    /// By type and id, all of them.
    by_id: Vec<Slot>,
    /// By canonical too.
    by_url: Vec<Slot>,
}

impl Slots {
    /// A step to resources of this type that pass.
    fn step(&self, target: ResourceType, filter: Predicate) -> Vec<Predicate> {
        let by_url = (!self.by_url.is_empty()).then(|| {
            Predicate::Lookup(Box::new(Lookup::Canonical {
                slots: self.by_url.clone(),
                target,
                filter: filter.clone(),
            }))
        });
        let by_id = Predicate::Refers {
            slots: self.by_id.clone(),
            target,
            filter: Box::new(filter),
        };
        std::iter::once(by_id).chain(by_url).collect()
    }
}

fn slots_by_target(parameters: &[&Parameter]) -> BTreeMap<ResourceType, Slots> {
    let mut slots: BTreeMap<ResourceType, Slots> = BTreeMap::new();
    for parameter in parameters {
        for branch in &parameter.branches {
            let targets: Vec<ResourceType> = match branch.only {
                Some(only) => vec![only],
                None if parameter.targets.is_empty() => ResourceType::all().collect(),
                None => parameter.targets.clone(),
            };
            let leads = branch.leads();
            for target in targets {
                let known = slots.entry(target).or_default();
                let slot = match leads {
                    Leads::InPlace => contained::in_place(branch.slot),
                    _ => branch.slot,
                };
                if !known.by_id.contains(&slot) {
                    known.by_id.push(slot);
                    known.by_url.extend((leads == Leads::ByUrl).then_some(slot));
                }
            }
        }
    }
    slots
}

fn listed<'n>(names: impl Iterator<Item = &'n str>) -> String {
    names
        .take(bounds::MAX_ISSUES)
        .collect::<Vec<_>>()
        .join(", ")
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::definitions::Definitions;
    use crate::fhir::Instant;
    use crate::search::{Handling, Limits, Request, Scope, compile};

    /// A plan's filter without its values: `->Patient(.)`, `<-Observation(.)`.
    fn told(predicate: &Predicate) -> String {
        let all = |word: &str, parts: &[Predicate]| {
            let mut parts: Vec<String> = parts.iter().map(told).collect();
            parts.sort();
            format!("({})", parts.join(word))
        };
        match predicate {
            Predicate::And(parts) => all("&", parts),
            Predicate::Or(parts) => all("|", parts),
            Predicate::Not(part) => format!("!{}", told(part)),
            Predicate::Type(types) => format!("{types:?}"),
            Predicate::Refers { target, filter, .. } => {
                format!("->{target}{}", in_brackets(filter))
            }
            Predicate::Referred { source, filter, .. } => {
                format!("<-{source}{}", in_brackets(filter))
            }
            _ => ".".to_owned(),
        }
    }

    fn in_brackets(filter: &Predicate) -> String {
        match told(filter) {
            text if text.starts_with('(') => text,
            text => format!("({text})"),
        }
    }

    fn plan(registry: &Registry, url: &str) -> Result<String, String> {
        let (path, pairs) = url.split_once('?').unwrap_or((url, ""));
        let pairs = pairs.split('&').filter_map(|pair| pair.split_once('='));
        let request = Request {
            scope: ResourceType::parse(path).map_or(Scope::System, Scope::Type),
            pairs: pairs
                .map(|(name, value)| (name.to_owned(), value.to_owned()))
                .collect(),
            handling: Handling::Strict,
        };
        let now = Instant::from_milliseconds(0);
        compile(registry, &request, "http://me", &Limits::default(), now)
            .map(|query| told(&query.plan.filter))
            .map_err(|error| error.to_string())
    }

    #[test]
    fn chains_become_these_plans() {
        let registry = Registry::new(Definitions::r4()).expect("the registry of R4 compiles");
        for (url, expected) in [
            ("Observation?patient.name=a", "->Patient(.)"),
            ("Observation?patient.name=a,b", "->Patient(.|.)"),
            (
                "Observation?patient.name=a&patient.name=b",
                "(->Patient(.)&->Patient(.))",
            ),
            ("Observation?subject:Device.type=a", "->Device(.)"),
            // Types without the parameter are not asked.
            ("Observation?subject.name=a", "(->Location(.)|->Patient(.))"),
            ("Observation?subject.gender:not=a", "->Patient(!.)"),
            (
                "Observation?patient.organization.partof.name=a",
                "->Patient(->Organization(->Organization(.)))",
            ),
            (
                "Task?owner.organization.name=a",
                "(->Device(->Organization(.))|->HealthcareService(->Organization(.))|\
                 ->Patient(->Organization(.))|->PractitionerRole(->Organization(.)))",
            ),
            (
                "Patient?_has:Observation:patient:code=a",
                "<-Observation(.)",
            ),
            (
                "Patient?_has:Observation:subject:code=a",
                "<-Observation(.)",
            ),
            ("?_has:Group:member:_id=a", "<-Group(.)"),
            (
                "?_has:Observation:patient:code=a",
                "(<-Observation(.)&[Patient])",
            ),
            (
                "Observation?_has:Encounter:reason-reference:_has:Task:encounter:owner:PractitionerRole.organization=5",
                "<-Encounter(<-Task(->PractitionerRole(.)))",
            ),
            (
                "Observation?subject._has:Group:member:_id=1",
                "(->Device(<-Group(.))|->Group(<-Group(.))|->Patient(<-Group(.)))",
            ),
            ("?_type=Condition,Procedure&patient.name=a", "->Patient(.)"),
            ("Condition?_list=42", "<-List(.)"),
            (
                "Observation?_filter=subject:Patient.name co a or code eq b",
                "(->Patient(.)|.)",
            ),
            (
                "Observation?_filter=not (patient.name eq a)",
                "!->Patient(.)",
            ),
        ] {
            assert_eq!(plan(&registry, url).as_deref(), Ok(expected), "{url}");
        }
    }

    #[test]
    fn ways_are_bounded_before_they_multiply() {
        let registry = Registry::new(Definitions::r4()).expect("the registry of R4 compiles");
        for (url, says) in [
            ("Provenance?target._id=1", "name the type, as in target:"),
            (
                "Provenance?target.subject.subject.subject.name=1",
                "name the type",
            ),
            ("List?item._lastUpdated=2020", "name the type, as in item:"),
            (
                "Task?part-of.part-of.part-of.part-of.part-of.part-of.part-of.part-of.part-of._id=1",
                "at most 8 steps",
            ),
        ] {
            let error = plan(&registry, url).expect_err(url);
            assert!(error.contains(says), "{url}: {error}");
        }
    }

    #[test]
    fn what_names_other_resources_is_followed() {
        let registry = Registry::new(Definitions::r4()).expect("the registry of R4 compiles");
        for (resource_type, code, expected) in [
            ("Observation", "subject", true),
            ("Consent", "source-reference", true),
            ("Provenance", "target", true),
            ("QuestionnaireResponse", "questionnaire", true),
            ("PlanDefinition", "definition", true),
            ("Bundle", "composition", true),
            ("Patient", "name", false),
        ] {
            let kind = ResourceType::parse(resource_type).expect("a type");
            let parameter = registry.parameter(kind, code).expect(code);
            assert_eq!(
                parameter.can_be_followed(),
                expected,
                "{resource_type}.{code}"
            );
        }
    }
}
