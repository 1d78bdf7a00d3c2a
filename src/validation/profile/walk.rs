//! The walk over an instance by its own types: what the base definitions ask of each element
//! beyond structure, and the profiles that its resources claim.
//! <https://hl7.org/fhir/R4/validation.html>

use serde_json::Value;

use std::rc::Rc;

use super::coded::Question;
use super::compiled::Profile;
use super::entries::Bundle;
use super::outside::Around;
use super::{Invariant, Profiles};
use crate::definitions::{Strength, TypeKind};
use crate::error::{Issue, Severity};
use crate::fhir::Instant;
use crate::fhirpath::{Context, Item, Limits, Node};
use crate::validation::MOST_ISSUES;

/// How deep profiles may call for profiles.
const DEEPEST: usize = 12;

/// What one expression may cost, in steps: a tenth of what others get, for there are many.
const STEPS: u64 = 1_000_000;

/// The resources around an element.
#[derive(Clone, Copy)]
pub(super) struct Scope<'w> {
    pub resource: Node<'w>,
    /// What contains it, if it is contained.
    pub root: Node<'w>,
    /// What is being validated: perhaps the Bundle around.
    pub outermost: Node<'w>,
    /// Of the entry of a Bundle that this is in.
    pub full_url: Option<&'w str>,
    /// The url of the extension that this is in.
    pub extension: Option<&'w str>,
}

/// What was found. Errors and all else are limited apart: the warnings of a large Bundle must
/// not keep an error from being found.
#[derive(Default)]
pub(super) struct Found {
    pub issues: Vec<Issue>,
    pub errors: usize,
}

impl Found {
    fn push(&mut self, issue: Issue) {
        let is_error = issue.is_error();
        let count = match is_error {
            true => self.errors,
            false => self.issues.len() - self.errors,
        };
        if count < MOST_ISSUES && !self.issues.contains(&issue) {
            self.errors += usize::from(is_error);
            self.issues.push(issue);
        }
    }
}

impl<'w> Scope<'w> {
    /// Of a resource within `holder`: contained there, or in an entry or a parameter.
    fn within(self, resource: Node<'w>, holder: Node<'w>, is_contained: bool) -> Scope<'w> {
        let (root, full_url) = match is_contained {
            true => (holder, self.full_url),
            false => (resource, holder.get("fullUrl").and_then(Value::as_str)),
        };
        Scope {
            resource,
            root,
            full_url,
            ..self
        }
    }
}

pub(super) struct Walk<'w> {
    pub profiles: &'w Profiles,
    pub now: Option<Instant>,
    pub depth: usize,
    pub found: Found,
    /// Where bindings go whose codes are not at hand, if somebody is to find out.
    pub questions: Option<Vec<Question>>,
    /// The Bundle that is being walked, the innermost of several.
    pub bundle: Option<Rc<Bundle<'w>>>,
}

/// The problems of a resource.
pub(super) fn issues(
    profiles: &Profiles,
    node: Node<'_>,
    asked: &[&str],
    now: Option<Instant>,
    is_asking: bool,
) -> (Vec<Issue>, Vec<Question>) {
    let mut walk = Walk {
        questions: is_asking.then(Vec::new),
        profiles,
        now,
        depth: DEEPEST,
        found: Found::default(),
        bundle: None,
    };
    let scope = Scope {
        resource: node,
        root: node,
        outermost: node,
        full_url: None,
        extension: None,
    };
    let path = node.node_type.key.clone();
    walk.resource(node, scope, &path);
    if !asked.is_empty() {
        walk.enter(node);
    }
    for canonical in asked {
        if !claimed(&node).any(|own| own == *canonical) {
            walk.claim(canonical, node, scope, &path);
        }
    }
    let mut issues = walk.found.issues;
    // Whoever shows the first of them only shows what matters.
    issues.sort_by_key(|issue| !issue.is_error());
    (issues, walk.questions.unwrap_or_default())
}

/// Whether a node keeps a profile, by its errors alone. Where profiles call for each other in
/// circles it does.
pub(super) fn conforms<'w>(
    profiles: &'w Profiles,
    profile: &Profile,
    node: Node<'w>,
    scope: Scope<'w>,
    depth: usize,
    bundle: Option<Rc<Bundle<'w>>>,
) -> bool {
    let Some(depth) = depth.checked_sub(1) else {
        return true;
    };
    let mut walk = Walk {
        profiles,
        now: Some(Instant::now()),
        depth,
        found: Found::default(),
        questions: None,
        bundle,
    };
    walk.profile(profile, node, scope, "");
    walk.found.errors == 0
}

fn claimed<'w>(node: &Node<'w>) -> impl Iterator<Item = &'w str> {
    let list = node.get("meta").and_then(|meta| meta.get("profile"));
    let list = list.and_then(Value::as_array);
    list.into_iter().flatten().filter_map(Value::as_str)
}

impl<'w> Walk<'w> {
    /// Once for each place and text: two profiles may ask for the same.
    pub(super) fn report(&mut self, issue: Issue, path: &str) {
        let issue = issue.at(path);
        self.found.push(issue);
    }

    fn resource(&mut self, node: Node<'w>, scope: Scope<'w>, path: &str) {
        let around = self.bundle.clone();
        self.enter(node);
        self.element(node, scope, path);
        if let Some(value) = node.value {
            self.of_type(node.node_type.key.as_str(), value, path);
        }
        for canonical in claimed(&node) {
            self.claim(canonical, node, scope, path);
        }
        self.bundle = around;
    }

    /// References within a Bundle are looked for in it.
    fn enter(&mut self, node: Node<'w>) {
        if let ("Bundle", Some(value)) = (node.node_type.key.as_str(), node.value) {
            self.bundle = Some(Rc::new(Bundle::new(value)));
        }
    }

    /// The rules of some resource types that no invariant tells.
    fn of_type(&mut self, key: &str, value: &'w Value, path: &str) {
        match key {
            "Bundle" => {
                if let Some(bundle) = self.bundle.clone() {
                    self.bundle(&bundle, value, path);
                }
            }
            "QuestionnaireResponse" => self.answers(value, path),
            "Questionnaire" => self.questions(value, path),
            "MeasureReport" => self.measure_report(value, path),
            "StructureDefinition" => self.structure_definition(value, path),
            "SearchParameter" => self.search_parameter(value, path),
            "CapabilityStatement" => self.capability_statement(value, path),
            _ => {}
        }
    }

    /// A profile that a resource claims to keep, or is asked to.
    fn claim(&mut self, canonical: &str, node: Node<'w>, scope: Scope<'w>, path: &str) {
        match self.profiles.profile(canonical) {
            Some(profile) => self.profile(&profile, node, scope, path),
            None => {
                let text = format!(
                    "expected a profile that is known here but found {canonical}: it was not \
                     checked"
                );
                self.report(
                    Issue::warning("not-found", text),
                    &format!("{path}.meta.profile"),
                );
            }
        }
    }

    /// What a profile asks of a node that is of its type.
    pub(super) fn profile(
        &mut self,
        profile: &Profile,
        node: Node<'w>,
        scope: Scope<'w>,
        path: &str,
    ) {
        if !node.node_type.is(&profile.type_name) {
            let text = format!(
                "expected a {}, as {} is for, but found a {}",
                profile.type_name,
                profile.url,
                node.node_type.name()
            );
            return self.report(Issue::error("structure", text), path);
        }
        // Of a whole resource, that one is the resource.
        let scope = match node.node_type.kind {
            TypeKind::Resource => Scope {
                resource: node,
                ..scope
            },
            _ => scope,
        };
        if profile.is_constraint {
            self.rule(&profile.root, node, scope, path);
        }
    }

    /// An element and all below it.
    fn element(&mut self, node: Node<'w>, scope: Scope<'w>, path: &str) {
        if self.found.errors >= MOST_ISSUES {
            return;
        }
        self.base_invariants(node, scope, path);
        if let Some(choice) = node.choice
            && let Some(binding) = &choice.field.binding
        {
            // The structure has seen to what is bound as a code.
            let is_seen =
                choice.field.type_code == "code" && binding.strength == Strength::Required;
            if !is_seen {
                self.binding(binding, node, path, false);
            }
        }
        self.of_data_type(node, scope, path);
        let scope = match node.node_type.key.as_str() {
            "Extension" => Scope {
                extension: node.get("url").and_then(Value::as_str),
                ..scope
            },
            _ => scope,
        };
        for (child, at) in children(self.profiles, &node, path) {
            if child.node_type.key == "Extension" {
                self.extension(child, node, scope, &at);
            }
            match child.choice.map(|choice| &choice.field) {
                Some(field) if field.is_resource => {
                    let scope = scope.within(child, node, field.name == "contained");
                    self.resource(child, scope, &at);
                }
                _ => self.element(child, scope, &at),
            }
        }
    }

    /// The rules of some data types that no invariant tells.
    fn of_data_type(&mut self, node: Node<'w>, scope: Scope<'w>, path: &str) {
        match node.node_type.key.as_str() {
            "Reference" => self.reference(node, scope, path),
            "Attachment" => self.attachment(node, path),
            "Coding" => self.display(node, path),
            "string" | "markdown" => self.text(node, path),
            "xhtml" => self.xhtml(node, path),
            "uri" | "url" | "canonical" => self.uri(node, path),
            _ => {}
        }
    }

    /// Those of the type, and those of the element that it is here.
    fn base_invariants(&mut self, node: Node<'w>, scope: Scope<'w>, path: &str) {
        let key = node.node_type.key.as_str();
        let of_type = self.profiles.invariants(key);
        self.invariants(&of_type, node, scope, path);
        if let Some(choice) = node.choice
            && choice.field.path != key
        {
            let of_element = self.profiles.invariants(&choice.field.path);
            self.invariants(&of_element, node, scope, path);
        }
    }

    pub(super) fn invariants(
        &mut self,
        invariants: &[Invariant],
        node: Node<'w>,
        scope: Scope<'w>,
        path: &str,
    ) {
        for invariant in invariants {
            let around = self.around(scope);
            let context = self.context(&around, scope);
            let (severity, text) = match invariant.expression.holds(&context, node) {
                // Where it is not known whether it holds, nothing shows that it does not: ref-1
                // of a reference by identifier is such a case.
                Ok(Some(true) | None) => continue,
                Ok(Some(false)) if invariant.is_error => (Severity::Error, None),
                Ok(Some(false)) => (Severity::Warning, None),
                Err(error) => (Severity::Warning, Some(error)),
            };
            let (key, human) = (&invariant.key, &invariant.human);
            if key == "dom-3" && text.is_none() && severity == Severity::Error {
                self.unreferred(node, path);
                continue;
            }
            let text = match text {
                None => format!("expected {key} to hold but found that it does not: {human}"),
                Some(error) => {
                    format!("expected {key} to hold but it could not be checked: {error}")
                }
            };
            let issue = Issue::error("invariant", text).keyed(key);
            self.report(Issue { severity, ..issue }, path);
        }
    }

    pub(super) fn around(&self, scope: Scope<'w>) -> Around<'w> {
        Around {
            profiles: self.profiles,
            scope,
            depth: self.depth,
            bundle: self.bundle.clone(),
        }
    }

    pub(super) fn context<'c>(&self, around: &'c Around<'w>, scope: Scope<'w>) -> Context<'c>
    where
        'w: 'c,
    {
        Context {
            root: scope.root,
            now: self.now,
            outside: Some(around),
            limits: Limits {
                steps: STEPS,
                deadline: None,
            },
            ..Context::new(&self.profiles.model, scope.resource, &self.profiles.base)
        }
    }
}

/// The elements directly below a node, each with its path.
fn children<'w>(profiles: &'w Profiles, node: &Node<'w>, path: &str) -> Vec<(Node<'w>, String)> {
    let mut items = Vec::new();
    node.push_all_children(&profiles.model, &mut items);
    placed(items, path)
}

/// The elements of that name below a node, each with its path.
pub(super) fn children_named<'w>(
    profiles: &'w Profiles,
    node: &Node<'w>,
    name: &str,
    path: &str,
) -> Vec<(Node<'w>, String)> {
    let mut items = Vec::new();
    node.push_children(&profiles.model, name, &mut items);
    placed(items, path)
}

fn placed<'w>(items: Vec<Item<'w>>, path: &str) -> Vec<(Node<'w>, String)> {
    let mut placed: Vec<(Node<'w>, String)> = Vec::with_capacity(items.len());
    let (mut last, mut index) = ("", 0);
    for item in items {
        let Item::Node(node) = item else { continue };
        let Some(choice) = node.choice else { continue };
        index = if last == choice.json_name {
            index + 1
        } else {
            0
        };
        last = &choice.json_name;
        let at = match choice.field.is_array {
            true => format!("{path}.{}[{index}]", choice.field.name),
            false => format!("{path}.{}", choice.field.name),
        };
        placed.push((node, at));
    }
    placed
}
