//! What a StructureDefinition must keep beside its invariants: that its differential speaks of
//! elements that are there, and that it only narrows what it derives from.
//! <https://hl7.org/fhir/R4/profiling.html>, <https://hl7.org/fhir/R4/elementdefinition.html>
//!
//! Paths are followed through the types of the definitions; where an element has no type of its
//! own, or one that is not at hand, the rest is not judged. Deliberately not here: cardinality
//! and types beside those of the base (snapshot generation), obligations.

use std::sync::Arc;

use serde_json::Value;

use super::compiled::Profile;
use super::slices::steps;
use super::values;
use super::walk::Walk;
use crate::definitions::{Definitions, Field, TypeKind, TypedValue};
use crate::error::Issue;

impl Walk<'_> {
    pub(super) fn structure_definition(&mut self, definition: &Value, path: &str) {
        let text = |name: &str| definition.get(name).and_then(Value::as_str);
        let is_constraint = text("derivation") == Some("constraint");
        let (Some(type_name), true) = (text("type"), is_constraint) else {
            return;
        };
        let base = text("baseDefinition").unwrap_or_default();
        if text("url") == Some(base) {
            let text = "expected a definition to derive from another but found that it derives from itself";
            self.report(
                Issue::error("business-rule", text),
                &format!("{path}.baseDefinition"),
            );
            return;
        }
        let base = self.profiles.profile(base);
        let elements = definition
            .pointer("/differential/element")
            .and_then(Value::as_array);
        for (at, element) in elements.into_iter().flatten().enumerate() {
            let place = format!("{path}.differential.element[{at}]");
            self.element_definition(type_name, element, base.as_ref(), &place);
        }
    }

    fn element_definition(
        &mut self,
        type_name: &str,
        element: &Value,
        base: Option<&Arc<Profile>>,
        place: &str,
    ) {
        let Some(path) = element.get("path").and_then(Value::as_str) else {
            return;
        };
        let definitions = &self.profiles.definitions;
        if !path.contains('.') && element.get("slicing").is_some() {
            let text = "expected no slicing of the root but found one";
            let at = format!("{place}.slicing");
            return self.report(Issue::error("structure", text), &at);
        }
        let found = find(definitions, type_name, path.split('.').skip(1));
        if let Found::Nothing(step) = &found {
            let text =
                format!("expected an element of {type_name} but found {path}: there is no {step}");
            self.report(Issue::error("structure", text), &format!("{place}.path"));
            return;
        }
        self.discriminators(element, &found, place);
        self.profiles_of_types(element, place);
        if let Some(base) = base.filter(|base| base.is_constraint) {
            self.fixed_again(element, base, path, place);
        }
    }

    /// Each discriminator's path leads somewhere.
    fn discriminators(&mut self, element: &Value, found: &Found, place: &str) {
        let Found::Types(keys) = found else { return };
        let discriminators = element
            .pointer("/slicing/discriminator")
            .and_then(Value::as_array);
        for (at, one) in discriminators.into_iter().flatten().enumerate() {
            let path = one.get("path").and_then(Value::as_str).unwrap_or_default();
            let is_there = keys.iter().any(|key| {
                let found = find(&self.profiles.definitions, key, steps(path));
                !matches!(found, Found::Nothing(_))
            });
            if !is_there && !keys.is_empty() {
                let text = format!(
                    "expected a path below the element but found {path}, which is not there"
                );
                let at = format!("{place}.slicing.discriminator[{at}]");
                self.report(Issue::error("value", text), &at);
            }
        }
    }

    /// A profile of a type is for that type.
    fn profiles_of_types(&mut self, element: &Value, place: &str) {
        let types = element.get("type").and_then(Value::as_array);
        for (at, one) in types.into_iter().flatten().enumerate() {
            let code = one.get("code").and_then(Value::as_str).unwrap_or_default();
            let canonicals = one.get("profile").and_then(Value::as_array);
            for (which, canonical) in canonicals.into_iter().flatten().enumerate() {
                let known = canonical
                    .as_str()
                    .and_then(|canonical| self.profiles.profile(canonical));
                let Some(known) = known else { continue };
                let is_any = matches!(
                    code,
                    "Resource" | "DomainResource" | "Element" | "BackboneElement"
                );
                if known.type_name != code && !is_any {
                    let text = format!(
                        "expected a profile of {code} but found one of {}",
                        known.type_name
                    );
                    let at = format!("{place}.type[{at}].profile[{which}]");
                    self.report(Issue::error("structure", text), &at);
                }
            }
        }
    }

    /// What the base fixes stays so.
    fn fixed_again(&mut self, element: &Value, base: &Profile, path: &str, place: &str) {
        let id = element
            .get("id")
            .and_then(Value::as_str)
            .unwrap_or_default();
        if id.contains(':') || element.get("sliceName").is_some() {
            return;
        }
        let mut rule = &base.root;
        for step in path.split('.').skip(1) {
            match rule.child(step.trim_end_matches("[x]")) {
                Some(child) => rule = child,
                None => return,
            }
        }
        let (Some(fixed), Some(own)) = (&rule.fixed, TypedValue::parse(element, "fixed")) else {
            return;
        };
        if !values::is_fixed(&fixed.value, &own.value) {
            let text = format!(
                "expected the value that {} fixes but found another",
                base.url
            );
            self.report(Issue::error("value", text), &format!("{place}.fixed"));
        }
    }
}

/// Where a path leads.
#[derive(Debug, PartialEq, Eq)]
enum Found {
    /// The keys of the types that the element may have.
    Types(Vec<String>),
    /// Further than the definitions tell.
    Unknown,
    /// Nowhere: the step that is not there.
    Nothing(String),
}

/// Follows plain names, and what a discriminator may have, from a type.
fn find<'s>(
    definitions: &Definitions,
    type_name: &str,
    steps: impl Iterator<Item = &'s str>,
) -> Found {
    let mut keys = vec![type_name.to_owned()];
    for step in steps {
        let step = match step {
            "$this" => continue,
            step if step.starts_with("extension(") => "extension",
            // What a reference or a type test leads to is not followed.
            step if step.contains('(') => return Found::Unknown,
            step => step.trim_end_matches("[x]"),
        };
        let mut next: Vec<String> = Vec::new();
        let mut is_known = true;
        for key in &keys {
            let Some(info) = definitions.type_info(key) else {
                is_known = false;
                continue;
            };
            // The value of a primitive has a path, and no element.
            is_known &= info.kind != TypeKind::Primitive || step != "value";
            // `valueQuantity` is one of `value[x]`.
            let by_json_name = info.field(step);
            let fields = info
                .fields_of(step)
                .map(|(_, field)| field)
                .chain(by_json_name);
            next.extend(fields.map(|field: &Field| field.type_key.clone()));
        }
        if next.is_empty() {
            return match is_known {
                true => Found::Nothing(step.to_owned()),
                false => Found::Unknown,
            };
        }
        if next
            .iter()
            .any(|key| matches!(key.as_str(), "Resource" | "DomainResource"))
        {
            return Found::Unknown;
        }
        next.sort();
        next.dedup();
        keys = next;
    }
    Found::Types(keys)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn paths_lead_to_types_or_nowhere() {
        let definitions = Definitions::r4();
        let nothing = |step: &str| Found::Nothing(step.to_owned());
        let types =
            |keys: &[&str]| Found::Types(keys.iter().map(|key| (*key).to_owned()).collect());
        for (path, expected) in [
            ("Patient.name", types(&["HumanName"])),
            ("Patient.name.given", types(&["string"])),
            ("Patient.dateOfBirth", nothing("dateOfBirth")),
            ("Patient.deceased[x]", types(&["boolean", "dateTime"])),
            ("Patient.deceasedBoolean", types(&["boolean"])),
            ("Patient.contained.name", Found::Unknown),
            ("Patient.birthDate.value", Found::Unknown),
            ("Observation.valueBla", nothing("valueBla")),
            ("Observation.value[x].coding.code", types(&["code"])),
            ("Questionnaire.item.item.linkId", types(&["string"])),
            ("Patient.extension.value[x].system", types(&["code", "uri"])),
        ] {
            let mut steps = path.split('.');
            let root = steps.next().expect("a root");
            assert_eq!(find(&definitions, root, steps), expected, "{path}");
        }
    }
}
