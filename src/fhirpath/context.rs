//! What an evaluation stands in: the resource, the outside, and how far it may go.
//! <https://hl7.org/fhirpath/N1/#environment-variables>, those of FHIR:
//! <https://hl7.org/fhir/R4/fhirpath.html#vars>

use super::item::{Item, Node};
use super::model::Model;
use crate::fhir::Instant;
use serde_json::Value;
use std::cell::Cell;
use std::fmt;

pub type Items<'a> = Vec<Item<'a>>;
pub type Evaluated<'a> = Result<Items<'a>, EvaluationError>;

/// What an evaluation stands in.
#[derive(Clone, Copy)]
pub struct Context<'a> {
    pub model: &'a Model,
    /// `%resource`, in which `resolve()` looks for what is contained.
    pub resource: Node<'a>,
    /// `%rootResource`: what contains `%resource`, else itself.
    pub root: Node<'a>,
    /// Our own base URL, without a trailing slash.
    pub base: &'a str,
    /// What `now()` and `today()` say, in UTC; without it they are errors.
    pub now: Option<Instant>,
    /// By name, without the sign; they come before FHIR's.
    pub variables: &'a [(&'a str, Items<'a>)],
    pub outside: Option<&'a dyn Outside>,
    pub limits: Limits,
}

impl<'a> Context<'a> {
    /// Of a resource alone: no clock, no variables, nothing outside.
    pub fn new(model: &'a Model, resource: Node<'a>, base: &'a str) -> Context<'a> {
        Context {
            model,
            resource,
            root: resource,
            base,
            now: None,
            variables: &[],
            outside: None,
            limits: Limits::default(),
        }
    }
}

impl fmt::Debug for Context<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let mut shown = f.debug_struct("Context");
        shown
            .field("resource", &self.resource)
            .finish_non_exhaustive()
    }
}

/// How far an evaluation may go.
#[derive(Clone, Copy, Debug)]
pub struct Limits {
    /// Nodes of the expression that are evaluated, and items that they give.
    pub steps: u64,
    pub deadline: Option<std::time::Instant>,
}

impl Default for Limits {
    /// Ten million steps, about a second.
    fn default() -> Limits {
        Limits {
            steps: 10_000_000,
            deadline: None,
        }
    }
}

/// What is asked of the outside. Nothing here may wait: what is remote is fetched before.
///
/// An error says why there is no answer, as a sentence; `None` is "not known", which gives an
/// empty collection.
pub trait Outside {
    /// The resource that a reference points at, where it is at hand.
    fn resolve(&self, _reference: &str) -> Option<&Value> {
        None
    }

    /// Whether a code, Coding, CodeableConcept or string is in a value set.
    fn member_of(&self, value_set: &str, _coded: &Node<'_>) -> Result<Option<bool>, String> {
        Err(format!(
            "expected a value set that is known but found {value_set}"
        ))
    }

    /// Whether a resource or element is valid against a profile.
    fn conforms_to(&self, profile: &str, _node: &Node<'_>) -> Result<Option<bool>, String> {
        Err(format!(
            "expected a profile that is known but found {profile}"
        ))
    }

    /// Whether `general` is `specific` or above it.
    fn subsumes(&self, system: &str, _: &str, _: &str) -> Result<Option<bool>, String> {
        Err(format!(
            "expected a code system that is known but found {system}"
        ))
    }

    /// What `trace()` is given.
    fn trace(&self, _name: &str, _items: &[Item<'_>]) {}
}

/// Why an expression has no value on this input.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct EvaluationError(Box<Told>);

#[derive(Clone, Debug, PartialEq, Eq)]
struct Told {
    message: String,
    position: Option<usize>,
    is_limit: bool,
}

impl EvaluationError {
    pub fn new(message: impl Into<String>) -> EvaluationError {
        EvaluationError(Box::new(Told {
            message: message.into(),
            position: None,
            is_limit: false,
        }))
    }

    fn limit(message: impl Into<String>) -> EvaluationError {
        let mut error = EvaluationError::new(message);
        error.0.is_limit = true;
        error
    }

    /// The same at a place of the expression, unless it has one.
    pub fn at(mut self, position: usize) -> EvaluationError {
        self.0.position.get_or_insert(position);
        self
    }

    /// What was expected and what was found.
    pub fn message(&self) -> &str {
        &self.0.message
    }

    /// The byte offset in the text of the expression.
    pub fn position(&self) -> Option<usize> {
        self.0.position
    }

    /// The expression may have a value, but one that costs too much.
    pub fn is_limit(&self) -> bool {
        self.0.is_limit
    }
}

impl fmt::Display for EvaluationError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self.0.position {
            Some(position) => write!(f, "{} at position {position}", self.0.message),
            None => f.write_str(&self.0.message),
        }
    }
}

impl std::error::Error for EvaluationError {}

/// One evaluation of an expression.
pub struct Run<'r, 'a> {
    pub context: &'r Context<'a>,
    /// `%context`
    pub focus: &'r Item<'a>,
    steps: Cell<u64>,
}

/// How many steps pass between two looks at the clock.
const BETWEEN_LOOKS: u64 = 4096;

impl<'r, 'a> Run<'r, 'a> {
    pub fn new(context: &'r Context<'a>, focus: &'r Item<'a>) -> Run<'r, 'a> {
        Run {
            context,
            focus,
            steps: Cell::new(0),
        }
    }

    /// Counts steps.
    ///
    /// # Errors
    /// The limits of the context are reached.
    #[inline]
    pub fn charge(&self, steps: usize) -> Result<(), EvaluationError> {
        let before = self.steps.get();
        let after = before + steps as u64;
        self.steps.set(after);
        let limits = &self.context.limits;
        if after > limits.steps {
            let text = format!("expected an expression of at most {} steps", limits.steps);
            return Err(EvaluationError::limit(text));
        }
        if before / BETWEEN_LOOKS != after / BETWEEN_LOOKS
            && let Some(deadline) = limits.deadline
            && std::time::Instant::now() > deadline
        {
            return Err(EvaluationError::limit(
                "expected an expression that takes less time",
            ));
        }
        Ok(())
    }
}

/// What a part of an expression sees.
#[derive(Clone, Copy)]
pub struct Scope<'s, 'a> {
    pub run: &'s Run<'s, 'a>,
    /// `$this`, which paths begin at.
    pub this: &'s Item<'a>,
    /// `$index`
    pub index: Option<usize>,
    /// `$total`
    pub total: &'s [Item<'a>],
}

impl<'s, 'a> Scope<'s, 'a> {
    /// The same within one item of a collection.
    pub fn on<'n>(&self, this: &'n Item<'a>, index: usize) -> Scope<'n, 'a>
    where
        's: 'n,
    {
        Scope {
            run: self.run,
            this,
            index: Some(index),
            total: self.total,
        }
    }

    pub fn model(&self) -> &'a Model {
        self.run.context.model
    }

    pub fn charge(&self, steps: usize) -> Result<(), EvaluationError> {
        self.run.charge(steps)
    }
}
