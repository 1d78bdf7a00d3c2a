//! What a profile is once it is compiled: a tree of [`Rule`]s, with every expression read.
//! <https://hl7.org/fhir/R4/elementdefinition.html>. How it comes about is in `compile`.

use std::sync::Arc;

use serde_json::Value;

use super::Invariant;
use crate::definitions::{Binding, ElementType, Slicing, TypedValue};
use crate::fhirpath::Expression;

/// A compiled profile.
#[derive(Clone, Debug)]
pub struct Profile {
    pub url: String,
    /// What the instances are: `Patient`, `Extension`.
    pub type_name: String,
    /// False for a type of its own, which asks for nothing but itself.
    pub is_constraint: bool,
    /// Where an extension may stand.
    pub(super) contexts: Vec<ExtensionContext>,
    /// What must hold of where an extension stands: `contextInvariant`.
    pub(super) context_invariants: Vec<(String, Arc<Expression>)>,
    pub(super) root: Rule,
}

/// `StructureDefinition.context`.
#[derive(Clone, Debug)]
pub(super) struct ExtensionContext {
    pub(super) kind: String,
    pub(super) expression: String,
    /// Of the kind `fhirpath`, where it can be read.
    pub(super) compiled: Option<Arc<Expression>>,
}

impl ExtensionContext {
    pub(super) fn parse(definition: &Value) -> ExtensionContext {
        let text = |name: &str| definition[name].as_str().unwrap_or_default().to_owned();
        let (kind, expression) = (text("type"), text("expression"));
        let compiled = match kind.as_str() {
            "fhirpath" => Expression::compile(&expression).ok().map(Arc::new),
            _ => None,
        };
        ExtensionContext {
            kind,
            expression,
            compiled,
        }
    }
}

/// What a profile wants of an element or a slice of it, beyond the base definition.
#[derive(Clone, Debug, Default)]
pub struct Rule {
    /// As FHIRPath says it: `value`, `name`.
    pub(super) name: String,
    pub(super) slice: Option<String>,
    /// The key of its type, where there is one only.
    pub(super) key: Option<String>,
    pub(super) min: u32,
    pub(super) max: Option<u32>,
    pub(super) types: Vec<ElementType>,
    pub(super) fixed: Option<TypedValue>,
    pub(super) pattern: Option<TypedValue>,
    pub(super) min_value: Option<TypedValue>,
    pub(super) max_value: Option<TypedValue>,
    pub(super) binding: Option<Binding>,
    pub(super) max_length: Option<u32>,
    pub(super) min_length: Option<u32>,
    pub(super) must_have_value: bool,
    pub(super) value_alternatives: Vec<String>,
    pub(super) more_bindings: Vec<Binding>,
    pub(super) narrative_languages: Vec<String>,
    pub(super) narrative_source: Option<String>,
    pub(super) constraints: Vec<Invariant>,
    pub(super) children: Vec<Rule>,
    pub(super) slicing: Option<Sliced>,
    pub(super) slices: Vec<Rule>,
}

/// How the slices of an element are told apart.
#[derive(Clone, Debug, Default)]
pub(super) struct Sliced {
    pub(super) discriminators: Vec<Discriminator>,
    pub(super) ordered: bool,
    /// `closed`, `open` or `openAtEnd`.
    pub(super) rules: String,
}

#[derive(Clone, Debug)]
pub(super) struct Discriminator {
    pub(super) kind: String,
    pub(super) path: String,
    /// The path compiled; `None` where it cannot be read.
    pub(super) expression: Option<Arc<Expression>>,
}

impl Discriminator {
    pub(super) fn of(kind: &str, path: &str) -> Discriminator {
        Discriminator {
            kind: kind.to_owned(),
            path: path.to_owned(),
            expression: Expression::compile(path).ok().map(Arc::new),
        }
    }
}

impl Sliced {
    pub(super) fn of(slicing: &Slicing) -> Sliced {
        let told = slicing.discriminators.iter();
        Sliced {
            discriminators: told
                .map(|(kind, path)| Discriminator::of(kind, path))
                .collect(),
            ordered: slicing.ordered,
            rules: slicing.rules.clone(),
        }
    }
}

impl Rule {
    pub(super) fn child(&self, name: &str) -> Option<&Rule> {
        self.children.iter().find(|child| child.name == name)
    }
}
