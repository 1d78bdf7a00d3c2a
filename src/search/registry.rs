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
//! Composite and special parameters and those without an expression are listed but not
//! supported yet.
//!
//! ## Decisions
//! - *Slots are named by the normal spelling of an expression*, hence two parameters share a
//!   slot by saying the same, and a change of [`fhirpath::ast`](crate::fhirpath::ast)'s
//!   spelling needs a new index.
//! - *A hidden slot `_reference`* holds each local reference that no parameter covers, so that
//!   "who refers to this" is one question of entries for every element of every type.
//! - *`_id` and `_lastUpdated` are not indexed here*: they are columns of the resource.

use super::index::{IndexRows, Slot, resource_key};
use super::literal_references::visit_references;
use super::params::{self, Sink};
use crate::access::Tenant;
use crate::definitions::{Definitions, SearchParameter, SearchParameterType};
use crate::error::Error;
use crate::fhir::ResourceType;
use crate::fhir::reference::Target;
use crate::fhirpath::ast::{Ast, Operator};
use crate::fhirpath::infer::{self, infer};
use crate::fhirpath::{Context, Expression, Item, Model, Node};
use serde_json::Value;
use std::sync::{Arc, OnceLock};

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
    /// False for what is listed but cannot be searched by.
    pub supported: bool,
}

/// An operand of a parameter's expression.
#[derive(Clone, Debug)]
pub struct Branch {
    pub slot: Slot,
    pub expression: Expression,
    /// `.where(resolve() is Patient)` at the end of the expression as published; the slot
    /// holds references to other types too.
    pub only: Option<ResourceType>,
    resource_type: ResourceType,
    model: Arc<Model>,
    leaves: OnceLock<Leaves>,
}

/// What the values of a branch are, as far as it matters to a token.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Leaves {
    /// Coding, CodeableConcept, Identifier.
    pub coded: bool,
    /// Text that compares without case: string, ContactPoint.
    pub folded: bool,
    /// Primitives, each with the code system of its binding if it is a `code` of one system.
    pub plain: Vec<Option<String>>,
}

/// A reference to a resource of this server.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct LocalReference {
    pub resource_type: ResourceType,
    pub id: String,
    pub version: Option<String>,
}

/// What one slot needs: its expression, and how to read what that gives.
#[derive(Debug)]
struct Extraction {
    slot: Slot,
    kind: Kind,
    expression: Expression,
}

#[derive(Debug)]
struct Compiled {
    parameters: Vec<Parameter>,
    extractions: Vec<Extraction>,
}

/// All search parameters.
#[derive(Debug)]
pub struct Registry {
    model: Arc<Model>,
    types: Vec<OnceLock<Compiled>>,
    reference_slots: OnceLock<Vec<Slot>>,
}

impl Registry {
    /// A registry of these definitions. Nothing is compiled yet.
    ///
    /// # Errors
    /// None today; the signature leaves room for definitions that contradict themselves.
    pub fn new(definitions: Arc<Definitions>) -> Result<Registry, Error> {
        Ok(Registry {
            model: Arc::new(Model::new(definitions)),
            types: ResourceType::all().map(|_| OnceLock::new()).collect(),
            reference_slots: OnceLock::new(),
        })
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
    pub fn model(&self) -> &Model {
        &self.model
    }

    /// Everything indexed of a resource. Never fails: what has no sense gives no rows.
    pub fn index(
        &self,
        tenant: Tenant,
        resource_type: ResourceType,
        resource: &Value,
        base: &str,
    ) -> IndexRows {
        let mut rows = IndexRows::default();
        let Some(context) = self.context(resource_type, resource, base) else {
            return rows;
        };
        let mut covered = Vec::new();
        for extraction in &self.compiled(resource_type).extractions {
            let found = extraction.expression.evaluate(&context, context.resource);
            let items = found.unwrap_or_default();
            if items.is_empty() {
                continue;
            }
            let mut sink = Sink {
                tenant,
                slot: extraction.slot,
                rows: &mut rows,
            };
            extract(extraction.kind, &items, base, &mut sink, &mut covered);
        }
        self.index_other_references(tenant, &context, &covered, &mut rows);
        rows.normalise();
        rows
    }

    /// Local references that no parameter covers go to the hidden slot of their type.
    fn index_other_references(
        &self,
        tenant: Tenant,
        context: &Context<'_>,
        covered: &[i64],
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

    /// The resources of this server that a reference parameter points at, in order, each
    /// once: what `_include` adds.
    pub fn references(
        &self,
        parameter: &Parameter,
        resource: &Value,
        base: &str,
    ) -> Vec<LocalReference> {
        let mut found: Vec<LocalReference> = Vec::new();
        let Some(context) = self.context(parameter.resource_type, resource, base) else {
            return found;
        };
        if parameter.kind != Kind::Reference {
            return found;
        }
        for branch in &parameter.branches {
            let items = branch.expression.evaluate(&context, context.resource);
            for item in items.unwrap_or_default() {
                let local = local_reference(&item, base)
                    .filter(|local| branch.only.is_none_or(|only| only == local.resource_type));
                if let Some(local) = local.filter(|local| !found.contains(local)) {
                    found.push(local);
                }
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
                let of_references = self.compiled(resource_type).extractions.iter();
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
        Some(Context {
            model: &self.model,
            resource: Node {
                value: Some(resource),
                companion: None,
                node_type: self.model.resource(resource_type)?,
                choice: None,
            },
            base,
        })
    }

    fn compiled(&self, resource_type: ResourceType) -> &Compiled {
        let index = usize::try_from(resource_type.number() - 1).unwrap_or_default();
        self.types[index].get_or_init(|| self.compile(resource_type))
    }

    fn compile(&self, resource_type: ResourceType) -> Compiled {
        let definitions = self.model.definitions();
        let published = definitions.search_parameters_for(resource_type.name());
        let mut parameters: Vec<Parameter> = published
            .iter()
            .map(|published| self.compile_parameter(resource_type, published))
            .collect();
        parameters.sort_by(|a, b| a.code.cmp(&b.code));
        share_rows(&mut parameters);
        let mut extractions: Vec<Extraction> = Vec::new();
        for parameter in parameters
            .iter()
            .filter(|p| p.supported && is_indexed(&p.code))
        {
            for branch in &parameter.branches {
                let known = extractions
                    .iter()
                    .any(|e| e.slot == branch.slot && e.kind == parameter.kind);
                if !known {
                    extractions.push(Extraction {
                        slot: branch.slot,
                        kind: parameter.kind,
                        expression: branch.expression.clone(),
                    });
                }
            }
        }
        Compiled {
            parameters,
            extractions,
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
            supported: false,
        };
        let searchable = !matches!(kind, Kind::Composite | Kind::Special);
        if let Some(text) = published.expression.as_deref().filter(|_| searchable) {
            match self.compile_branches(resource_type, kind, text) {
                Ok(branches) => parameter.branches = branches,
                Err(error) => {
                    tracing::error!(parameter.url = %published.url, %error, "a search parameter cannot be compiled");
                }
            }
        }
        parameter.supported = !parameter.branches.is_empty();
        parameter
    }

    /// The branches of an expression that apply to a type.
    ///
    /// # Errors
    /// Of the expression.
    pub fn compile_branches(
        &self,
        resource_type: ResourceType,
        kind: Kind,
        text: &str,
    ) -> Result<Vec<Branch>, crate::fhirpath::ParseError> {
        let expression = Expression::compile(text)?;
        let relevant: Vec<&Ast> = expression
            .ast()
            .union_branches()
            .into_iter()
            .filter(|branch| applies_to(branch, resource_type))
            .collect();
        let branch = |ast: Ast, only| {
            let expression = Expression::from(ast);
            Branch {
                slot: Slot::new(resource_type, &expression.to_string()),
                expression,
                only,
                resource_type,
                model: self.model.clone(),
                leaves: OnceLock::new(),
            }
        };
        if has_rows(kind) {
            let whole = relevant
                .into_iter()
                .cloned()
                .reduce(|left, right| Ast::Binary {
                    operator: Operator::Union,
                    left: Box::new(left),
                    right: Box::new(right),
                });
            return Ok(whole.map(|whole| branch(whole, None)).into_iter().collect());
        }
        let split = relevant.into_iter().map(|ast| match narrowed(ast) {
            Some((of, only)) => branch(of.clone(), Some(only)),
            None => branch(ast.clone(), None),
        });
        Ok(split.collect())
    }
}

/// Gives a parameter of rows the branches of others that together are all of it, so that no
/// value stands in two slots.
fn share_rows(parameters: &mut [Parameter]) {
    let operands = |parameter: &Parameter| -> Vec<String> {
        let branches = parameter.branches.iter();
        let operands = branches.flat_map(|branch| branch.expression.ast().union_branches());
        operands.map(Ast::to_string).collect()
    };
    let all: Vec<(Kind, Vec<String>)> = parameters.iter().map(|p| (p.kind, operands(p))).collect();
    for at in 0..parameters.len() {
        let (kind, mut rest) = all[at].clone();
        if !has_rows(kind) || rest.len() < 2 {
            continue;
        }
        let whole = rest.len();
        let mut parts = Vec::new();
        for (index, (part_kind, part)) in all.iter().enumerate() {
            let fits = !part.is_empty() && part.len() < whole && *part_kind == kind;
            if fits && part.iter().all(|operand| rest.contains(operand)) {
                rest.retain(|operand| !part.contains(operand));
                parts.extend(parameters[index].branches.clone());
            }
        }
        if rest.is_empty() {
            parameters[at].branches = parts;
        }
    }
}

impl Branch {
    /// What the values of this branch are; read from the definitions when first asked.
    pub fn leaves(&self) -> &Leaves {
        self.leaves.get_or_init(|| {
            let mut leaves = Leaves::default();
            let Some(root) = self.model.resource(self.resource_type) else {
                return leaves;
            };
            let kinds = infer(
                &self.model,
                self.expression.ast(),
                &infer::Kind::Resource(root),
            );
            for kind in kinds {
                leaves.add(&self.model, &kind);
            }
            leaves
        })
    }
}

impl Leaves {
    fn add(&mut self, model: &Model, kind: &infer::Kind<'_>) {
        let system = match kind {
            infer::Kind::Resource(_) => return,
            infer::Kind::Boolean | infer::Kind::String => None,
            infer::Kind::Element(choice, node_type) => match node_type.key.as_str() {
                "Coding" | "CodeableConcept" | "Identifier" => {
                    self.coded = true;
                    return;
                }
                "string" | "markdown" | "ContactPoint" => {
                    self.folded = true;
                    return;
                }
                "code" => model
                    .definitions()
                    .implicit_system(&choice.owner, &choice.json_name),
                _ => None,
            },
        };
        if !self.plain.contains(&system) {
            self.plain.push(system);
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

fn is_indexed(code: &str) -> bool {
    !matches!(code, "_id" | "_lastUpdated")
}

fn has_rows(kind: Kind) -> bool {
    matches!(
        kind,
        Kind::Date | Kind::Number | Kind::Quantity | Kind::String
    )
}

/// Published expressions name the type that each branch is of.
fn applies_to(branch: &Ast, resource_type: ResourceType) -> bool {
    match branch.first_name() {
        Some("Resource" | "DomainResource") | None => true,
        Some(name) if name.starts_with(|c: char| c.is_ascii_uppercase()) => {
            name == resource_type.name()
        }
        Some(_) => true,
    }
}

/// `of.where(resolve() is T)` as `of` and `T`.
fn narrowed(ast: &Ast) -> Option<(&Ast, ResourceType)> {
    let Ast::Call {
        of: Some(of),
        function,
        arguments,
    } = ast
    else {
        return None;
    };
    let [
        Ast::Is {
            of: tested,
            type_name,
        },
    ] = arguments.as_slice()
    else {
        return None;
    };
    let resolves =
        matches!(&**tested, Ast::Call { of: None, function, .. } if function.name == "resolve");
    let only = ResourceType::parse(type_name)?;
    (function.name == "where" && resolves).then_some((of, only))
}

fn hidden_slot(resource_type: ResourceType) -> Slot {
    Slot::new(resource_type, "_reference")
}

fn extract(kind: Kind, items: &[Item<'_>], base: &str, sink: &mut Sink<'_>, keys: &mut Vec<i64>) {
    match kind {
        Kind::Token => params::token::extract(items, sink),
        Kind::Reference => params::reference::extract(items, base, sink, keys),
        Kind::Uri => params::uri::extract(items, sink),
        Kind::Date => params::date::extract(items, sink),
        Kind::Number => params::number::extract(items, sink),
        Kind::Quantity => params::quantity::extract(items, sink),
        Kind::String => params::string::extract(items, sink),
        Kind::Composite | Kind::Special => {}
    }
}

fn local_reference(item: &Item<'_>, base: &str) -> Option<LocalReference> {
    let Item::Node(node) = item else {
        return None;
    };
    match Target::parse(params::reference::literal(node)?, base) {
        Target::Local {
            resource_type,
            id,
            version,
        } => Some(LocalReference {
            resource_type,
            id: id.to_owned(),
            version: version.map(str::to_owned),
        }),
        _ => None,
    }
}
