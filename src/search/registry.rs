//! The search parameters of every type, compiled when a type is first asked for, and what
//! is indexed of a resource. <https://hl7.org/fhir/R4/searchparameter-registry.html>
//!
//! ```text
//! AllergyIntolerance.code | Condition.code | …   kept for Condition:   Condition.code
//! Observation.subject.where(resolve() is Patient)  slot Observation.subject, only Patient
//! (Observation.value as Quantity) | (… as SampledData)  kind quantity: one slot of the whole
//! ```
//!
//! A parameter of entries (token, reference, uri) has a branch for each operand of the union
//! at the top of its expression, so that parameters share the slots that they have in
//! common. A parameter of rows (date, number, quantity, string) has one branch, so that
//! sorting by it reads one slot, unless other parameters make it up between them:
//! `combo-value-quantity` is the slots of `value-quantity` and `component-value-quantity`.
//!
//! A composite is made of other parameters of its type, and so comes after them: see
//! [`composite`](super::params::composite). Parameters without an expression are listed but
//! not supported here.
//!
//! ## Decisions
//! - *Slots are named by the normal spelling of an expression*, hence two parameters share a
//!   slot by saying the same, and a change of [`fhirpath::ast`](crate::fhirpath::ast)'s
//!   spelling needs a new index.
//! - *A hidden slot `_reference`* holds each local reference that no parameter covers, so that
//!   "who refers to this" is one question of entries for every element of every type.
//! - *Presence is a bit per branch*, not an entry per slot: entries that only said "there is
//!   a value" were a third of all. Bits are counted in the order of codes and branches, which
//!   R4's list has settled; a parameter that is added later has to come behind them, or the
//!   index is made anew. The parameters of all types come first, so that their bits are the
//!   same everywhere. The cost: no index finds the few resources that have a rare element.
//! - *`_id` and `_lastUpdated` are not indexed here*: they are columns of the resource.
//! - *Custom parameters come behind the published ones and touch nothing of theirs*: their
//!   presence is an entry of their slot, so that no bit is ever assigned or freed, and what
//!   they refer to stands in the hidden slot too, so that it is found after they are gone.
//!   They share the slots of the published where they say the same. See [`custom`](super::custom).

use super::branch;
use super::contained::Container;
use super::custom::Custom;
use super::index::{ContainedRows, Edition, IndexRows, Slot, resource_key};
use super::literal_references::visit_references;
use super::params::{self, Sink, composite};
use crate::access::Tenant;
use crate::definitions::{Definitions, SearchParameter, SearchParameterType};
use crate::error::Error;
use crate::fhir::ResourceType;
use crate::fhir::reference::Target;
use crate::fhirpath::{Context, Expression, Item, Limits, Model, Node};
use crate::terminology::cache;
use serde_json::Value;
use std::collections::HashSet;
use std::sync::{Arc, OnceLock};

pub use super::branch::{Branch, Leads, Leaves};

/// `SearchParameter.type`
pub type Kind = SearchParameterType;

/// A search parameter as it applies to one type.
#[derive(Clone, Debug)]
pub struct Parameter {
    pub code: String,
    pub url: String,
    pub kind: Kind,
    pub resource_type: ResourceType,
    /// What a reference may point at; empty for any type.
    pub targets: Vec<ResourceType>,
    pub branches: Vec<Branch>,
    /// Of a composite: what it is made of.
    pub forms: Vec<composite::Form>,
    /// False for what is listed but cannot be searched by.
    pub supported: bool,
}

impl Parameter {
    /// Whether a chain can lead through it: its references name other resources.
    pub fn can_be_followed(&self) -> bool {
        let is_reference = self.kind == Kind::Reference && self.supported;
        let leads = |branch: &Branch| branch.leads() != Leads::Nowhere;
        is_reference && self.branches.iter().all(leads)
    }

    /// Whether what it gives stands in the resource itself.
    pub fn is_in_place(&self) -> bool {
        let in_place = |branch: &Branch| branch.leads() == Leads::InPlace;
        self.kind == Kind::Reference && self.branches.iter().any(in_place)
    }
}

/// A reference as it stands in a resource.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Literal<'a> {
    pub text: &'a str,
    /// Names a resource by its `url`, with a version after `|`.
    pub canonical: bool,
    /// The only type that the parameter follows.
    pub only: Option<ResourceType>,
}

/// What one slot needs: its expression, and how to read what that gives.
#[derive(Clone, Debug)]
struct Extraction {
    slot: Slot,
    kind: Kind,
    expression: Expression,
    /// The presence bits of the branches that read this slot, each with its `only`.
    marks: Vec<(Option<ResourceType>, i64)>,
}

#[derive(Debug)]
struct Compiled {
    parameters: Vec<Parameter>,
    extractions: Vec<Extraction>,
    composites: Vec<composite::Extraction>,
    /// What custom parameters need; their marks are numbered within each.
    custom: Vec<Extraction>,
}

/// Steps of a custom expression on one resource, some hundredths of a second: whoever writes a
/// resource pays for the expressions that others added. What takes more has no value there.
const CUSTOM_STEPS: u64 = 500_000;

/// All search parameters.
#[derive(Debug)]
pub struct Registry {
    model: Arc<Model>,
    /// Shared by all editions.
    published: Arc<Vec<OnceLock<Compiled>>>,
    custom: Vec<Custom>,
    /// The types that have custom parameters, with them.
    extended: Vec<OnceLock<Compiled>>,
    reference_slots: OnceLock<Vec<Slot>>,
    edition: Edition,
    /// Shared by all editions.
    code_systems: Arc<cache::Parsed>,
}

impl Registry {
    /// A registry of these definitions. Nothing is compiled yet.
    ///
    /// # Errors
    /// None today; the signature leaves room for definitions that contradict themselves.
    pub fn new(definitions: Arc<Definitions>) -> Result<Registry, Error> {
        Ok(Registry {
            model: Arc::new(Model::new(definitions)),
            published: Arc::new(ResourceType::all().map(|_| OnceLock::new()).collect()),
            custom: Vec::new(),
            extended: Vec::new(),
            reference_slots: OnceLock::new(),
            edition: Edition::default(),
            code_systems: Arc::default(),
        })
    }

    /// The published parameters of this registry, and these custom ones in place of its own.
    pub fn with_custom(&self, custom: Vec<Custom>, edition: Edition) -> Registry {
        Registry {
            model: self.model.clone(),
            published: self.published.clone(),
            custom,
            extended: ResourceType::all().map(|_| OnceLock::new()).collect(),
            reference_slots: OnceLock::new(),
            edition,
            code_systems: self.code_systems.clone(),
        }
    }

    /// The code systems that lookups have parsed.
    pub fn code_systems(&self) -> &cache::Parsed {
        &self.code_systems
    }

    /// The custom parameters.
    pub fn custom(&self) -> &[Custom] {
        &self.custom
    }

    /// The published parameters of a type, whatever custom ones there are.
    pub fn published_parameters(&self, resource_type: ResourceType) -> &[Parameter] {
        &self.compiled_published(resource_type).parameters
    }

    /// The published parameter of that code, whatever custom ones there are.
    pub fn published(&self, resource_type: ResourceType, code: &str) -> Option<&Parameter> {
        let parameters = &self.compiled_published(resource_type).parameters;
        let at = parameters.binary_search_by(|p| p.code.as_str().cmp(code));
        parameters.get(at.ok()?)
    }

    /// The parameters of a type, those of all types among them, sorted by code.
    pub fn parameters(&self, resource_type: ResourceType) -> &[Parameter] {
        &self.compiled(resource_type).parameters
    }

    pub fn parameter(&self, resource_type: ResourceType, code: &str) -> Option<&Parameter> {
        let parameters = self.parameters(resource_type);
        let at = parameters
            .binary_search_by(|p| p.code.as_str().cmp(code))
            .ok()?;
        parameters.get(at)
    }

    /// The types that expressions are evaluated with.
    pub fn model(&self) -> &Arc<Model> {
        &self.model
    }

    /// Everything indexed of a resource that has its id. Never fails: what has no sense gives
    /// no rows.
    pub fn index(
        &self,
        tenant: Tenant,
        resource_type: ResourceType,
        resource: &Value,
        base: &str,
    ) -> IndexRows {
        let id = resource.get("id").and_then(Value::as_str);
        self.index_as(
            tenant,
            resource_type,
            id.unwrap_or_default(),
            resource,
            base,
        )
    }

    /// The same of a resource that will be stored under `id`.
    pub fn index_as(
        &self,
        tenant: Tenant,
        resource_type: ResourceType,
        id: &str,
        resource: &Value,
        base: &str,
    ) -> IndexRows {
        let Some(context) = self.context(resource_type, resource, base) else {
            return IndexRows::default();
        };
        let container = Container::of(resource_type, id, resource);
        let (mut rows, covered) = self.index_one(tenant, &context, container.as_ref());
        self.index_other_references(tenant, &context, &covered, &mut rows);
        self.index_custom(tenant, &context, container.as_ref(), &mut rows);
        for inner in container.iter().flat_map(Container::inner) {
            let kind = inner.resource_type;
            let Some(context) = self.context(kind, inner.resource, base) else {
                continue;
            };
            let (mut rows_of_inner, _) = self.index_one(tenant, &context, container.as_ref());
            self.index_custom(tenant, &context, container.as_ref(), &mut rows_of_inner);
            rows_of_inner.finish();
            rows.contained.push(ContainedRows {
                resource_type: kind,
                key: inner.key,
                path: inner.path.clone(),
                rows: rows_of_inner,
            });
        }
        rows.finish();
        rows
    }

    /// What the parameters of its type find in a resource, and the keys that they refer to.
    fn index_one(
        &self,
        tenant: Tenant,
        context: &Context<'_>,
        container: Option<&Container<'_>>,
    ) -> (IndexRows, HashSet<i64>) {
        let (mut rows, mut covered) = (IndexRows::default(), Vec::new());
        let kind = ResourceType::parse(&context.resource.node_type.key);
        let compiled = kind.map(|kind| self.compiled(kind));
        for extraction in compiled.iter().flat_map(|compiled| &compiled.extractions) {
            let found = extraction.expression.evaluate(context, context.resource);
            let items = found.unwrap_or_default();
            if items.is_empty() {
                continue;
            }
            let mut sink = Sink {
                tenant,
                slot: extraction.slot,
                marks: &extraction.marks,
                rows: &mut rows,
            };
            extract(
                extraction.kind,
                &items,
                context.base,
                &mut sink,
                &mut covered,
            );
            if let Some(container) = container.filter(|_| extraction.kind == Kind::Reference) {
                container.refer(&items, &mut sink);
            }
        }
        if let Some(compiled) = compiled {
            composite::extract(&compiled.composites, context, tenant, &mut rows);
        }
        (rows, covered.into_iter().collect())
    }

    /// What custom parameters add.
    fn index_custom(
        &self,
        tenant: Tenant,
        context: &Context<'_>,
        container: Option<&Container<'_>>,
        rows: &mut IndexRows,
    ) {
        rows.edition = self.edition.clone();
        let Some(kind) = ResourceType::parse(&context.resource.node_type.key) else {
            return;
        };
        let context = &Context {
            limits: Limits {
                steps: CUSTOM_STEPS,
                deadline: None,
            },
            ..*context
        };
        for extraction in &self.compiled(kind).custom {
            let found = extraction.expression.evaluate(context, context.resource);
            let items = found.unwrap_or_default();
            if items.is_empty() {
                continue;
            }
            let published = std::mem::take(&mut rows.present);
            let mut sink = Sink {
                tenant,
                slot: extraction.slot,
                marks: &extraction.marks,
                rows,
            };
            let base = context.base;
            extract(extraction.kind, &items, base, &mut sink, &mut Vec::new());
            if let Some(container) = container.filter(|_| extraction.kind == Kind::Reference) {
                container.refer(&items, &mut sink);
            }
            let marks = std::mem::replace(&mut rows.present, published);
            for (only, mark) in &extraction.marks {
                if marks & mark != 0 {
                    let hash = branch::presence_hash(*only);
                    rows.entries.push(extraction.slot.entry(tenant, hash));
                }
            }
        }
    }

    /// Local references that no parameter covers go to the hidden slot of their type.
    fn index_other_references(
        &self,
        tenant: Tenant,
        context: &Context<'_>,
        covered: &HashSet<i64>,
        rows: &mut IndexRows,
    ) {
        let (Some(resource), Some(resource_type)) = (
            context.resource.value,
            ResourceType::parse(&context.resource.node_type.key),
        ) else {
            return;
        };
        let slot = hidden_slot(resource_type);
        visit_references(resource, &mut |text| {
            if let Target::Local {
                resource_type, id, ..
            } = Target::parse(text, context.base)
            {
                let key = resource_key(resource_type, id);
                if !covered.contains(&key) {
                    rows.entries.push(slot.entry(tenant, key));
                }
            }
        });
    }

    /// The references that these branches of a type's parameters find in a resource, in
    /// order: what `_include` follows.
    pub fn literals<'a>(
        &'a self,
        resource_type: ResourceType,
        branches: &[&'a Branch],
        resource: &'a Value,
        base: &'a str,
    ) -> Vec<Literal<'a>> {
        let mut found = Vec::new();
        let Some(context) = self.context(resource_type, resource, base) else {
            return found;
        };
        for branch in branches {
            let items = branch.expression.evaluate(&context, context.resource);
            for item in items.unwrap_or_default() {
                let Item::Node(node) = &item else {
                    continue;
                };
                found.extend(params::reference::literal(node).map(|text| Literal {
                    text,
                    canonical: params::reference::is_canonical(node),
                    only: branch.only,
                }));
            }
        }
        found
    }

    /// The entries that a resource has which refers to `target_key` anywhere: whoever has
    /// none of them does not refer to it.
    pub fn referrer_entries(&self, tenant: Tenant, target_key: i64) -> Vec<i64> {
        let slots = self.reference_slots.get_or_init(|| {
            let mut slots: Vec<Slot> = ResourceType::all().map(hidden_slot).collect();
            for resource_type in ResourceType::all() {
                let of_references = self.compiled_published(resource_type).extractions.iter();
                let of_references = of_references.filter(|e| e.kind == Kind::Reference);
                slots.extend(of_references.map(|extraction| extraction.slot));
            }
            slots.sort_unstable();
            slots.dedup();
            slots
        });
        slots
            .iter()
            .map(|slot| slot.entry(tenant, target_key))
            .collect()
    }

    fn context<'a>(
        &'a self,
        resource_type: ResourceType,
        resource: &'a Value,
        base: &'a str,
    ) -> Option<Context<'a>> {
        let node = Node {
            value: Some(resource),
            companion: None,
            node_type: self.model.resource(resource_type)?,
            choice: None,
        };
        Some(Context::new(&self.model, node, base))
    }

    fn compiled(&self, resource_type: ResourceType) -> &Compiled {
        let is_of = |custom: &Custom| custom.types.contains(&resource_type);
        if !self.custom.iter().any(is_of) {
            return self.compiled_published(resource_type);
        }
        self.extended[index_of(resource_type)].get_or_init(|| {
            let published = self.compiled_published(resource_type);
            self.extend(resource_type, published)
        })
    }

    fn compiled_published(&self, resource_type: ResourceType) -> &Compiled {
        self.published[index_of(resource_type)].get_or_init(|| self.compile(resource_type))
    }

    /// The published parameters of a type and the custom ones beside them.
    fn extend(&self, resource_type: ResourceType, published: &Compiled) -> Compiled {
        let (mut custom, mut composites) = (Vec::<Parameter>::new(), Vec::new());
        for one in &self.custom {
            let code = &one.definition.code;
            let is_taken = |other: &Parameter| other.code == *code;
            let taken = published.parameters.iter().chain(&custom).any(is_taken);
            if !taken && one.types.contains(&resource_type) {
                let mut parameter = self.compile_parameter(resource_type, &one.definition);
                for branch in &mut parameter.branches {
                    branch.is_custom = true;
                }
                custom.push(parameter);
                composites.push(Arc::new(one.definition.clone()));
            }
        }
        let mut own = extractions(&custom);
        for extraction in &mut own {
            for (number, (_, mark)) in extraction.marks.iter_mut().enumerate() {
                *mark = 1_i64.checked_shl(number as u32).unwrap_or_default();
            }
        }
        let mut parameters = published.parameters.clone();
        parameters.extend(custom);
        parameters.sort_by(|a, b| a.code.cmp(&b.code));
        compile_composites(resource_type, &composites, &mut parameters);
        Compiled {
            extractions: published.extractions.clone(),
            composites: composite::extractions(&parameters),
            parameters,
            custom: own,
        }
    }

    fn compile(&self, resource_type: ResourceType) -> Compiled {
        let definitions = self.model.definitions();
        let published = definitions.search_parameters_for(resource_type.name());
        let mut parameters: Vec<Parameter> = published
            .iter()
            .map(|published| self.compile_parameter(resource_type, published))
            .collect();
        parameters.sort_by(|a, b| a.code.cmp(&b.code));
        branch::share_rows(&mut parameters);
        let bits = branch::number_presence(&mut parameters);
        if bits > i64::BITS as usize {
            tracing::error!(%resource_type, bits, "a type has more parameters than presence has bits");
        }
        compile_composites(resource_type, published, &mut parameters);
        Compiled {
            extractions: extractions(&parameters),
            composites: composite::extractions(&parameters),
            parameters,
            custom: Vec::new(),
        }
    }

    fn compile_parameter(
        &self,
        resource_type: ResourceType,
        published: &SearchParameter,
    ) -> Parameter {
        let kind = published.kind;
        let mut parameter = Parameter {
            code: published.code.clone(),
            url: published.url.clone(),
            kind,
            resource_type,
            targets: targets(published),
            branches: Vec::new(),
            forms: Vec::new(),
            supported: false,
        };
        let searchable = kind != Kind::Composite;
        if let Some(text) = published.expression.as_deref().filter(|_| searchable) {
            match branch::compile(&self.model, resource_type, kind, text) {
                Ok(branches) => parameter.branches = branches,
                Err(error) => {
                    tracing::error!(parameter.url = %published.url, %error, "a search parameter cannot be compiled");
                }
            }
        }
        let of_words = params::words::within(&parameter.code).is_some();
        parameter.supported = !parameter.branches.is_empty() || of_words;
        parameter
    }
}

fn index_of(resource_type: ResourceType) -> usize {
    usize::try_from(resource_type.number() - 1).unwrap_or_default()
}

/// Composites are made of parameters whose slots and bits are known.
fn compile_composites(
    resource_type: ResourceType,
    published: &[Arc<SearchParameter>],
    parameters: &mut [Parameter],
) {
    for published in published.iter().filter(|p| p.kind == Kind::Composite) {
        let forms = composite::forms(resource_type, published, parameters);
        let mut named = parameters.iter_mut();
        match (forms, named.find(|p| p.url == published.url)) {
            (Ok(forms), Some(parameter)) => {
                parameter.supported = !forms.is_empty();
                parameter.forms = forms;
            }
            (Err(error), _) => {
                tracing::error!(parameter.url = %published.url, %error, "a composite cannot be compiled");
            }
            (Ok(_), None) => {}
        }
    }
}

fn targets(published: &SearchParameter) -> Vec<ResourceType> {
    let known: Vec<ResourceType> = published
        .target
        .iter()
        .filter_map(|name| ResourceType::parse(name))
        .collect();
    // R4 lists all types where it means any.
    if known.len() >= ResourceType::NAMES.len() - 1 {
        return Vec::new();
    }
    known
}

/// What the slots of these parameters need, each slot once.
fn extractions(parameters: &[Parameter]) -> Vec<Extraction> {
    let mut extractions: Vec<Extraction> = Vec::new();
    let indexed = parameters.iter();
    for parameter in indexed.filter(|p| p.supported && is_indexed(&p.code)) {
        for branch in &parameter.branches {
            let mark = (branch.only, branch.presence);
            let mut known = extractions.iter_mut();
            match known.find(|e| e.slot == branch.slot && e.kind == parameter.kind) {
                Some(known) if known.marks.contains(&mark) => {}
                Some(known) => known.marks.push(mark),
                None => extractions.push(Extraction {
                    slot: branch.slot,
                    kind: parameter.kind,
                    expression: branch.expression.clone(),
                    marks: vec![mark],
                }),
            }
        }
    }
    extractions
}

fn is_indexed(code: &str) -> bool {
    !matches!(code, "_id" | "_lastUpdated")
}

fn hidden_slot(resource_type: ResourceType) -> Slot {
    Slot::new(resource_type, "_reference")
}

/// Puts the entries and rows of an expression's items into a slot.
pub fn extract(
    kind: Kind,
    items: &[Item<'_>],
    base: &str,
    sink: &mut Sink<'_>,
    keys: &mut Vec<i64>,
) {
    match kind {
        Kind::Token => params::token::extract(items, sink),
        Kind::Reference => params::reference::extract(items, base, sink, keys),
        Kind::Uri => params::uri::extract(items, sink),
        Kind::Date => params::date::extract(items, sink),
        Kind::Number => params::number::extract(items, sink),
        Kind::Quantity => params::quantity::extract(items, sink),
        Kind::String => params::string::extract(items, sink),
        Kind::Special => params::special::extract(items, sink),
        Kind::Composite => {}
    }
}
