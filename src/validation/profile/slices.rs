//! Slices: which of them an element belongs to, and whether each has what it wants.
//! <https://hl7.org/fhir/R4/profiling.html#slicing>,
//! <https://hl7.org/fhir/R4/profiling.html#discriminator>
//!
//! | discriminator | an element belongs to a slice when, at the path, |
//! |---|---|
//! | `value`, `pattern` | it has the fixed values, patterns and required codes of the slice |
//! | `exists` | there is something where the slice has a min of 1, nothing where a max of 0 |
//! | `type` | it is of a type of the slice |
//! | `profile` | it keeps a profile of the slice |

use super::coded;
use super::compiled::{Discriminator, Profile, Rule, Sliced};
use super::rules::is_of;
use super::values;
use super::walk::{Scope, Walk, conforms};
use crate::definitions::Strength;
use crate::error::Issue;
use crate::fhirpath::{Item, Node};

impl<'w> Walk<'w> {
    pub(super) fn slices(
        &mut self,
        rule: &Rule,
        nodes: &[(Node<'w>, String)],
        scope: Scope<'w>,
        path: &str,
    ) {
        let Some(slicing) = &rule.slicing else { return };
        let mut members: Vec<Vec<(Node<'w>, String)>> = vec![Vec::new(); rule.slices.len()];
        let (mut last, mut is_open_end) = (0, false);
        for (node, at) in nodes {
            let belongs = |slice: &Rule| self.belongs(slicing, slice, *node, scope);
            match rule.slices.iter().position(belongs) {
                Some(found) => {
                    if slicing.ordered && found < last
                        || is_open_end && slicing.rules == "openAtEnd"
                    {
                        let name = rule.slices[found].slice.as_deref().unwrap_or_default();
                        let text = format!(
                            "expected the slices of {} in order but found {name} too late",
                            rule.name
                        );
                        self.report(Issue::error("structure", text), at);
                    }
                    last = last.max(found);
                    members[found].push((*node, at.clone()));
                }
                None if slicing.rules == "closed" => {
                    let names: Vec<&str> = rule
                        .slices
                        .iter()
                        .filter_map(|one| one.slice.as_deref())
                        .collect();
                    let text = format!(
                        "expected one of the slices {} of {} but found something else",
                        names.join(", "),
                        rule.name
                    );
                    self.report(Issue::error("structure", text), at);
                }
                None => is_open_end = true,
            }
        }
        for (slice, members) in rule.slices.iter().zip(members) {
            self.count(slice, members.len(), &format!("{path}.{}", rule.name), path);
            for (node, at) in &members {
                self.rule(slice, *node, scope, at);
            }
            if slice.slicing.is_some() {
                self.slices(slice, &members, scope, path);
            }
        }
    }

    /// What each discriminator that the slice says something of asks for; one of them must.
    fn belongs(&self, slicing: &Sliced, slice: &Rule, node: Node<'w>, scope: Scope<'w>) -> bool {
        let mut is_told = false;
        for discriminator in &slicing.discriminators {
            match self.meets(discriminator, slice, node, scope) {
                Some(true) => is_told = true,
                Some(false) => return false,
                None => {}
            }
        }
        is_told
    }

    fn meets(
        &self,
        by: &Discriminator,
        slice: &Rule,
        node: Node<'w>,
        scope: Scope<'w>,
    ) -> Option<bool> {
        let (kind, path) = (by.kind.as_str(), by.path.as_str());
        if node.node_type.key == "Extension" && path == "url" {
            return Some(self.is_named(slice, &node));
        }
        let Some(expression) = &by.expression else {
            return Some(false);
        };
        let around = self.around(scope);
        let context = self.context(&around, scope);
        let Ok(items) = expression.evaluate(&context, node) else {
            return Some(false);
        };
        let rules = self.rules_at(slice, path);
        if matches!(kind, "value" | "pattern") {
            return self.has_told(slice, path, &rules, &items, scope);
        }
        Some(self.is_such(kind, path, &rules, &items, scope))
    }

    /// Whether a value is there that the slice tells; `None` where it tells none.
    fn has_told(
        &self,
        slice: &Rule,
        path: &str,
        rules: &[&Rule],
        items: &[Item<'w>],
        scope: Scope<'w>,
    ) -> Option<bool> {
        // What is told of a whole, such as `fixedContactPoint`, is told of its members.
        if let Some(wanted) = member_told(slice, path) {
            let has = |item: &Item<'_>| match item {
                Item::Node(node) => node
                    .value
                    .is_some_and(|found| values::has_pattern(wanted, found)),
                _ => false,
            };
            return Some(items.iter().any(has));
        }
        if rules.iter().any(|rule| rule.max == Some(0)) {
            return Some(items.is_empty());
        }
        let told: Vec<&Rule> = rules.iter().copied().filter(|rule| says(rule)).collect();
        if told.is_empty() {
            let is_profiled = rules
                .iter()
                .any(|rule| rule.types.iter().any(|one| !one.profiles.is_empty()));
            return is_profiled.then(|| self.by_profile(rules, items, scope));
        }
        Some(items.iter().any(|item| {
            let Item::Node(node) = item else { return false };
            told.iter().all(|rule| self.has_values(rule, *node))
        }))
    }

    /// By what there is, its type or its profile.
    fn is_such(
        &self,
        kind: &str,
        path: &str,
        rules: &[&Rule],
        items: &[Item<'w>],
        scope: Scope<'w>,
    ) -> bool {
        match kind {
            "exists" => {
                let is_barred = rules.iter().any(|rule| rule.max == Some(0));
                items.is_empty() == is_barred
            }
            "type" => {
                // A choice may tell its types by slices of its own: `contentString`.
                let told = |rule: &&'_ Rule| -> Vec<crate::definitions::ElementType> {
                    match rule.types.is_empty() {
                        true => rule
                            .slices
                            .iter()
                            .flat_map(|one| one.types.clone())
                            .collect(),
                        false => rule.types.clone(),
                    }
                };
                let types: Vec<_> = rules.iter().flat_map(told).collect();
                let is_meant = |item: &Item<'_>| {
                    types.iter().any(|one| match item {
                        Item::Node(node) => is_of(one, node),
                        other => other.is(&one.code),
                    })
                };
                if path.ends_with("resolve()") {
                    let targets: Vec<String> = self.target_types(rules);
                    if !targets.is_empty() {
                        return items.iter().any(|item| targets.iter().any(|t| item.is(t)));
                    }
                }
                !types.is_empty() && items.iter().any(is_meant)
            }
            "profile" => {
                let of_types = rules.iter().flat_map(|rule| &rule.types);
                let canonicals: Vec<&String> = match path.ends_with("resolve()") {
                    true => of_types.flat_map(|one| &one.target_profiles).collect(),
                    false => of_types.flat_map(|one| &one.profiles).collect(),
                };
                items.iter().any(|item| {
                    let Item::Node(node) = item else { return false };
                    canonicals.iter().any(|canonical| {
                        self.profiles
                            .profile(canonical)
                            .is_some_and(|profile| self.is_kept(&profile, *node, scope))
                    })
                })
            }
            _ => false,
        }
    }

    /// Whether a node keeps a profile.
    pub(super) fn is_kept(&self, profile: &Profile, node: Node<'w>, scope: Scope<'w>) -> bool {
        let bundle = self.bundle.clone();
        conforms(self.profiles, profile, node, scope, self.depth, bundle)
    }

    /// Where a value is told by the profile of the type alone: by what that one fixes.
    fn by_profile(&self, rules: &[&Rule], items: &[Item<'w>], scope: Scope<'w>) -> bool {
        let types = rules.iter().flat_map(|rule| &rule.types);
        let canonicals: Vec<&String> = types.flat_map(|one| &one.profiles).collect();
        items.iter().any(|item| {
            let Item::Node(node) = item else { return false };
            canonicals.iter().any(|canonical| {
                self.profiles
                    .profile(canonical)
                    .is_some_and(|profile| self.is_kept(&profile, *node, scope))
            })
        })
    }

    /// Whether an extension has the url of its slice.
    fn is_named(&self, slice: &Rule, node: &Node<'_>) -> bool {
        let url = node.get("url").and_then(serde_json::Value::as_str);
        let fixed = slice.child("url").and_then(|rule| rule.fixed.as_ref());
        if let Some(fixed) = fixed {
            return fixed.value.as_str() == url;
        }
        let mut profiles = slice.types.iter().flat_map(|one| &one.profiles);
        // A slice that says nothing itself is what the slices within it are.
        profiles.any(|canonical| canonical.split('|').next() == url)
            || slice.types.is_empty() && slice.slices.iter().any(|one| self.is_named(one, node))
    }

    /// The rules at a discriminator's path below a slice: its own, and through the profiles of
    /// its types those of others.
    fn rules_at<'r>(&self, slice: &'r Rule, path: &str) -> Vec<&'r Rule> {
        let mut rules = vec![slice];
        for step in steps(path) {
            let name = match step {
                "$this" | "resolve()" => continue,
                step if step.starts_with("ofType(") => continue,
                step if step.starts_with("extension(") => "extension",
                step => step.trim_end_matches("[x]"),
            };
            rules = rules.iter().filter_map(|rule| rule.child(name)).collect();
            if name == "extension" {
                let url = step.trim_start_matches("extension(").trim_end_matches(')');
                let url = url.trim_matches(['\'', '"']);
                let named = |rule: &&'r Rule| -> Vec<&'r Rule> {
                    let is_meant = |slice: &&Rule| {
                        let mut profiles = slice.types.iter().flat_map(|one| &one.profiles);
                        profiles.any(|canonical| canonical == url)
                            || slice
                                .child("url")
                                .and_then(|rule| rule.fixed.as_ref())
                                .is_some_and(|fixed| fixed.value == url)
                    };
                    let mut slices = Vec::new();
                    push_slices(rule, &mut slices);
                    slices.into_iter().filter(is_meant).collect()
                };
                rules = rules.iter().flat_map(named).collect();
            }
        }
        rules
    }

    fn target_types(&self, rules: &[&Rule]) -> Vec<String> {
        let types = rules.iter().flat_map(|rule| &rule.types);
        let targets = types.flat_map(|one| &one.target_profiles);
        targets
            .filter_map(|canonical| Some(self.profiles.profile(canonical)?.type_name.clone()))
            .collect()
    }

    /// Whether a node has what a rule fixes, here and below.
    fn has_values(&self, rule: &Rule, node: Node<'_>) -> bool {
        let holds = |wanted: &Option<crate::definitions::TypedValue>, how: fn(&_, &_) -> bool| {
            wanted
                .as_ref()
                .is_none_or(|wanted| node.value.is_some_and(|found| how(&wanted.value, found)))
        };
        let is_bound = rule
            .binding
            .as_ref()
            .filter(|binding| binding.strength == Strength::Required)
            .and_then(|binding| self.profiles.codes(&binding.value_set))
            .and_then(|codes| coded::is_in(&codes, &node));
        let below = |name: &str| {
            let mut items = Vec::new();
            node.push_children(&self.profiles.model, name, &mut items);
            items
        };
        let has_child = |child: &Rule| {
            below(&child.name).iter().any(|item| match item {
                Item::Node(node) => self.has_values(child, *node),
                _ => false,
            })
        };
        holds(&rule.fixed, values::is_fixed)
            && holds(&rule.pattern, values::has_pattern)
            && is_bound.unwrap_or(true)
            && rule
                .children
                .iter()
                .filter(|child| says(child))
                .all(has_child)
            && rule
                .slices
                .iter()
                .filter(|slice| slice.min > 0 && says(slice))
                .all(|slice| has_child_slice(self, slice, node))
    }
}

/// The slices of a rule and the slices within them.
fn push_slices<'r>(rule: &'r Rule, out: &mut Vec<&'r Rule>) {
    for slice in &rule.slices {
        out.push(slice);
        push_slices(slice, out);
    }
}

/// The steps of a discriminator's path; a URL in `extension('…')` has dots of its own.
pub(super) fn steps(path: &str) -> impl Iterator<Item = &str> {
    let mut depth = 0_usize;
    path.split(move |letter: char| {
        match letter {
            '(' => depth += 1,
            ')' => depth = depth.saturating_sub(1),
            _ => {}
        }
        letter == '.' && depth == 0
    })
}

/// What the fixed value or pattern of the slice itself says at a path of plain names.
fn member_told<'r>(slice: &'r Rule, path: &str) -> Option<&'r serde_json::Value> {
    let whole = slice.fixed.as_ref().or(slice.pattern.as_ref())?;
    path.split('.')
        .try_fold(&whole.value, |value, name| value.get(name))
}

/// A slice of the element itself, as where a pattern is told coding by coding.
fn has_child_slice(walk: &Walk<'_>, slice: &Rule, node: Node<'_>) -> bool {
    walk.has_values(slice, node)
}

/// Whether a rule, or one below it, tells of values by which slices can be known.
fn says(rule: &Rule) -> bool {
    let is_bound = rule
        .binding
        .as_ref()
        .is_some_and(|binding| binding.strength == Strength::Required);
    rule.fixed.is_some()
        || rule.pattern.is_some()
        || is_bound
        || rule.children.iter().any(says)
        || rule.slices.iter().any(|slice| slice.min > 0 && says(slice))
}
