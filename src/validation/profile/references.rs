//! References: whether what they point at is of a type, and keeps a profile, that the element
//! wants. <https://hl7.org/fhir/R4/references.html>
//!
//! What is at hand is asked: resources contained here or of the same Bundle; of others only the
//! type is known, as the reference tells it. What nothing tells is not refused.

use serde_json::Value;

use super::outside::in_bundle;
use super::walk::{Scope, Walk};
use crate::definitions::ElementType;
use crate::error::Issue;
use crate::fhir::ResourceType;
use crate::fhir::reference::Target;
use crate::fhirpath::Node;

/// What a reference is known to point at.
struct Pointed<'w> {
    kind: ResourceType,
    node: Option<Node<'w>>,
}

impl<'w> Walk<'w> {
    /// By the types that the base definition allows.
    pub(super) fn reference_of_type(&mut self, node: Node<'w>, scope: Scope<'w>, path: &str) {
        let Some(choice) = node.choice else { return };
        let wanted = &choice.field.target_types;
        if wanted.is_empty() {
            return;
        }
        if let Some(found) = self.pointed(&node, scope)
            && !wanted.iter().any(|name| name == found.kind.name())
        {
            let text = format!(
                "expected a reference to {} but found one to {}",
                wanted.join(" or "),
                found.kind
            );
            self.report(Issue::error("structure", text), path);
        }
    }

    /// By the profiles that a rule allows.
    pub(super) fn reference_of_rule(
        &mut self,
        types: &[&ElementType],
        node: Node<'w>,
        scope: Scope<'w>,
        path: &str,
    ) {
        let wanted: Vec<&String> = types.iter().flat_map(|one| &one.target_profiles).collect();
        if wanted.is_empty() || node.node_type.key != "Reference" {
            return;
        }
        let Some(found) = self.pointed(&node, scope) else {
            return;
        };
        let mut fitting = Vec::new();
        for canonical in &wanted {
            match self.profiles.profile(canonical) {
                // It may be met by what is not known.
                None => return,
                Some(profile) if is_of(&profile.type_name, found.kind) => {
                    if !profile.is_constraint {
                        return;
                    }
                    fitting.push(*canonical);
                }
                Some(_) => {}
            }
        }
        if fitting.is_empty() {
            let names: Vec<&str> = wanted.iter().map(|name| name.as_str()).collect();
            let text = format!(
                "expected a reference to what keeps {} but found one to a {}",
                names.join(" or "),
                found.kind
            );
            return self.report(Issue::error("structure", text), path);
        }
        if let Some(target) = found.node {
            let mut other = Walk {
                profiles: self.profiles,
                now: self.now,
                depth: self.depth.saturating_sub(1),
                issues: Vec::new(),
            };
            if self.depth > 0 {
                let scope = Scope {
                    resource: target,
                    ..scope
                };
                other.one_of(&fitting, target, scope, path);
            }
            if other.issues.iter().any(Issue::is_error) {
                let names: Vec<&str> = fitting.iter().map(|name| name.as_str()).collect();
                let text = format!(
                    "expected a reference to what keeps {} but found one that does not: {}",
                    names.join(" or "),
                    other
                        .issues
                        .iter()
                        .find(|i| i.is_error())
                        .map_or("", |i| i.text.as_str())
                );
                self.report(Issue::error("structure", text), path);
            }
        }
    }

    fn pointed(&self, node: &Node<'w>, scope: Scope<'w>) -> Option<Pointed<'w>> {
        let text = node.get("reference").and_then(Value::as_str);
        let by_type = || {
            let name = node.get("type").and_then(Value::as_str)?;
            Some(Pointed {
                kind: ResourceType::parse(name.rsplit('/').next()?)?,
                node: None,
            })
        };
        let Some(text) = text else { return by_type() };
        let target = Target::parse(text, &self.profiles.base);
        let value = match target {
            Target::Contained("") => scope.root.value,
            Target::Contained(id) => {
                contained(scope.resource, id).or_else(|| contained(scope.root, id))
            }
            _ => in_bundle(scope.outermost.value?, text),
        };
        if let Some(value) = value {
            let node = Node::resource(&self.profiles.model, value)?;
            let kind = ResourceType::parse(&node.node_type.key)?;
            return Some(Pointed {
                kind,
                node: Some(node),
            });
        }
        let kind = match target {
            Target::Local { resource_type, .. } | Target::Conditional { resource_type, .. } => {
                Some(resource_type)
            }
            Target::Foreign(url) => {
                let url = url.split_once("/_history/").map_or(url, |(url, _)| url);
                let mut parts = url.rsplit('/').skip(1);
                parts.next().and_then(ResourceType::parse)
            }
            _ => None,
        };
        kind.map(|kind| Pointed { kind, node: None })
            .or_else(by_type)
    }
}

fn contained<'w>(within: Node<'w>, id: &str) -> Option<&'w Value> {
    let list = within.get("contained")?.as_array()?;
    list.iter()
        .find(|one| one.get("id").and_then(Value::as_str) == Some(id))
}

fn is_of(wanted: &str, found: ResourceType) -> bool {
    matches!(wanted, "Resource" | "DomainResource") || wanted == found.name()
}
