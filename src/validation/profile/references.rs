//! References: whether what they point at is of a type, and keeps a profile, that the element
//! wants. <https://hl7.org/fhir/R4/references.html>
//!
//! What is at hand is asked: resources contained here or of the same Bundle; of others only the
//! type is known, as the reference tells it. What nothing tells is not refused.

use serde_json::Value;

use super::walk::{Found, Scope, Walk};
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
    /// dom-3, which does not hold of a resource: each contained one that nothing refers to. A
    /// narrative refers to an image by `#id` as well, which the expression does not see.
    pub(super) fn unreferred(&mut self, node: Node<'w>, path: &str) {
        let list = node.get("contained").and_then(Value::as_array);
        let list = list.map(Vec::as_slice).unwrap_or_default();
        for (at, one) in list.iter().enumerate() {
            let id = one.get("id").and_then(Value::as_str).unwrap_or_default();
            let is_meant = |text: &str| {
                text.strip_prefix('#') == Some(id) || text.contains(&format!("\"#{id}\""))
            };
            let others = node.value.and_then(Value::as_object).into_iter().flatten();
            let is_referred = others
                .filter(|(name, _)| *name != "contained")
                .any(|(_, member)| has_text(member, &is_meant))
                || list
                    .iter()
                    .enumerate()
                    .any(|(other, two)| other != at && has_text(two, &is_meant));
            if !is_referred && !has_text(one, &|text| text == "#") {
                let text = "expected dom-3 to hold but found that nothing refers to this resource, \
                            nor does it refer to the one that contains it";
                let issue = Issue::error("invariant", text).keyed("dom-3");
                self.report(issue, &format!("{path}.contained[{at}]"));
            }
        }
    }

    /// What every reference must keep.
    pub(super) fn reference(&mut self, node: Node<'w>, scope: Scope<'w>, path: &str) {
        if let Some(text) = node.get("reference").and_then(Value::as_str) {
            if text.contains(char::is_whitespace) {
                let text = "expected a reference that is a URL but found blanks in it";
                return self.report(Issue::error("value", text), path);
            }
            self.missing_target(text, scope, path);
        }
        self.reference_in_bundle(node, scope, path);
        self.reference_of_type(node, scope, path);
    }

    /// Where the settings ask for it: what no resource at hand is meant by.
    fn missing_target(&mut self, text: &str, scope: Scope<'w>, path: &str) {
        let Some(severity) = self.profiles.settings.missing_targets else {
            return;
        };
        let is_relative = matches!(
            Target::parse(text, &self.profiles.base),
            Target::Local { .. }
        );
        if is_relative && self.target(text, scope).is_none() {
            let text = "expected a reference to a resource at hand but found none";
            let issue = Issue::error("not-found", text);
            self.report(Issue { severity, ..issue }, path);
        }
    }

    /// The resource at hand that a reference means.
    fn target(&self, text: &str, scope: Scope<'w>) -> Option<&'w Value> {
        match Target::parse(text, &self.profiles.base) {
            Target::Contained("") => scope.root.value,
            Target::Contained(id) => {
                contained(scope.resource, id).or_else(|| contained(scope.root, id))
            }
            target => {
                let bundle = self.bundle.as_ref();
                let of_entry = bundle.and_then(|one| one.resource_of(scope.full_url, text));
                let around = || bundle?.resolve(text);
                let given = || self.profiles.instance(&target);
                let parameter = || in_parameters(scope.outermost.value?, &target);
                of_entry.or_else(around).or_else(parameter).or_else(given)
            }
        }
    }

    /// By the types that the base definition allows.
    fn reference_of_type(&mut self, node: Node<'w>, scope: Scope<'w>, path: &str) {
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
        self.aggregation(types, node, scope, path);
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
                None => return self.unknown_profiles(&wanted, path),
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
            self.target_keeps(&fitting, target, scope, path);
        }
    }

    /// What is referred to keeps one of these profiles; of what is wrong with it one issue is
    /// told, at the reference.
    fn target_keeps(
        &mut self,
        profiles: &[&String],
        target: Node<'w>,
        scope: Scope<'w>,
        path: &str,
    ) {
        let Some(depth) = self.depth.checked_sub(1) else {
            return;
        };
        let mut other = Walk {
            questions: None,
            profiles: self.profiles,
            now: self.now,
            depth,
            found: Found::default(),
            bundle: self.bundle.clone(),
        };
        let scope = Scope {
            resource: target,
            ..scope
        };
        other.one_of(profiles, target, scope, path);
        if let Some(first) = other.found.issues.iter().find(|issue| issue.is_error()) {
            let names: Vec<&str> = profiles.iter().map(|name| name.as_str()).collect();
            let text = format!(
                "expected a reference to what keeps {} but found one that does not: {}",
                names.join(" or "),
                first.text
            );
            self.report(Issue::error("structure", text), path);
        }
    }

    /// How what is referred to may lie: contained, in the same Bundle, elsewhere.
    /// <https://hl7.org/fhir/R4/valueset-resource-aggregation-mode.html>
    fn aggregation(
        &mut self,
        types: &[&ElementType],
        node: Node<'w>,
        scope: Scope<'w>,
        path: &str,
    ) {
        let modes: Vec<&String> = types.iter().flat_map(|one| &one.aggregation).collect();
        let (Some(text), false) = (
            node.get("reference").and_then(Value::as_str),
            modes.is_empty(),
        ) else {
            return;
        };
        let found = match Target::parse(text, &self.profiles.base) {
            Target::Contained(_) => "contained",
            _ if self
                .bundle
                .as_ref()
                .is_some_and(|bundle| !bundle.entries_of(scope.full_url, text).is_empty()) =>
            {
                "bundled"
            }
            // Alone, a resource does not show what it will be bundled with.
            _ if self.bundle.is_none() && modes.iter().any(|mode| *mode == "bundled") => return,
            _ => "referenced",
        };
        // What is bundled is referred to as well.
        let fits = |mode: &&String| *mode == found || found == "bundled" && *mode == "referenced";
        if !modes.iter().any(fits) {
            let names: Vec<&str> = modes.iter().map(|mode| mode.as_str()).collect();
            let text = format!(
                "expected a reference to what is {} but found one to what is {found}",
                names.join(" or ")
            );
            self.report(Issue::error("structure", text), path);
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
        let value = self.target(text, scope);
        if let Some(value) = value {
            let node = Node::resource(&self.profiles.model, value)?;
            let kind = ResourceType::parse(&node.node_type.key)?;
            return Some(Pointed {
                kind,
                node: Some(node),
            });
        }
        let kind = match target {
            _ if !self.profiles.settings.types_by_url => None,
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

/// Whether a text somewhere in a value is such.
fn has_text(value: &Value, is_such: &dyn Fn(&str) -> bool) -> bool {
    match value {
        Value::String(text) => is_such(text),
        Value::Array(items) => items.iter().any(|item| has_text(item, is_such)),
        Value::Object(members) => members.values().any(|member| has_text(member, is_such)),
        _ => false,
    }
}

/// Of a Parameters, the resource of a parameter with this type and id.
fn in_parameters<'w>(outermost: &'w Value, target: &Target<'_>) -> Option<&'w Value> {
    let Target::Local {
        resource_type, id, ..
    } = target
    else {
        return None;
    };
    let list = outermost.get("parameter")?.as_array()?;
    let mut resources = list
        .iter()
        .filter_map(|parameter| parameter.get("resource"));
    let text = |of: &'w Value, name: &str| of.get(name).and_then(Value::as_str);
    resources.find(|one| {
        text(one, "resourceType") == Some(resource_type.name()) && text(one, "id") == Some(id)
    })
}

fn contained<'w>(within: Node<'w>, id: &str) -> Option<&'w Value> {
    let list = within.get("contained")?.as_array()?;
    list.iter()
        .find(|one| one.get("id").and_then(Value::as_str) == Some(id))
}

fn is_of(wanted: &str, found: ResourceType) -> bool {
    matches!(wanted, "Resource" | "DomainResource") || wanted == found.name()
}
