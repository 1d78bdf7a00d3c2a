//! What of an artifact is kept: the facts that a server acts on, none of the prose.
//!
//! Kept are, per resource type, the root elements listed here; what is nested in them loses
//! its narrative, its examples and every extension that is not in [`EXTENSIONS`]. The result
//! is still FHIR JSON (<https://hl7.org/fhir/R4/conformance-module.html>), only shorter. The
//! meaning of nothing that is kept is changed here; see `restore` for that.

use serde_json::{Map, Value};

/// The resource types that a container holds, each with its own root elements, beside those
/// of [`COMMON`].
const ROOTS: [(&str, &[&str]); 8] = [
    (
        "CodeSystem",
        &[
            "identifier",
            "caseSensitive",
            "valueSet",
            "hierarchyMeaning",
            "compositional",
            "versionNeeded",
            "content",
            "supplements",
            "count",
            "filter",
            "property",
            "concept",
        ],
    ),
    ("CompartmentDefinition", &["code", "search", "resource"]),
    (
        "ConceptMap",
        &[
            "sourceUri",
            "sourceCanonical",
            "targetUri",
            "targetCanonical",
            "group",
        ],
    ),
    ("NamingSystem", &["kind", "uniqueId"]),
    (
        "OperationDefinition",
        &[
            "kind",
            "affectsState",
            "code",
            "base",
            "resource",
            "system",
            "type",
            "instance",
            "inputProfile",
            "outputProfile",
            "parameter",
            "overload",
        ],
    ),
    (
        "SearchParameter",
        &[
            "derivedFrom",
            "code",
            "base",
            "type",
            "expression",
            "xpathUsage",
            "target",
            "multipleOr",
            "multipleAnd",
            "comparator",
            "modifier",
            "chain",
            "component",
        ],
    ),
    (
        "StructureDefinition",
        &[
            "fhirVersion",
            "kind",
            "abstract",
            "context",
            "contextInvariant",
            "type",
            "baseDefinition",
            "derivation",
            "snapshot",
            "differential",
        ],
    ),
    (
        "ValueSet",
        &["identifier", "immutable", "compose", "expansion"],
    ),
];

const COMMON: [&str; 8] = [
    "resourceType",
    "id",
    "url",
    "version",
    "name",
    "title",
    "status",
    "experimental",
];

/// Extensions that carry a fact: the FHIR type and the pattern of a primitive's value, rules
/// that are best practice only, and the outer bounds of a binding.
const EXTENSIONS: [&str; 5] = [
    "http://hl7.org/fhir/StructureDefinition/structuredefinition-fhir-type",
    "http://hl7.org/fhir/StructureDefinition/regex",
    "http://hl7.org/fhir/StructureDefinition/elementdefinition-bestpractice",
    "http://hl7.org/fhir/StructureDefinition/elementdefinition-maxValueSet",
    "http://hl7.org/fhir/StructureDefinition/elementdefinition-minValueSet",
];

/// Elements of an ElementDefinition that are kept; `fixed[x]`, `pattern[x]`, `minValue[x]`,
/// `maxValue[x]` and `defaultValue[x]` are kept as well.
const ELEMENT: [&str; 19] = [
    "extension",
    "id",
    "path",
    "representation",
    "sliceName",
    "sliceIsConstraining",
    "slicing",
    "min",
    "max",
    "base",
    "contentReference",
    "type",
    "maxLength",
    "condition",
    "constraint",
    "mustSupport",
    "isModifier",
    "isSummary",
    "binding",
];

const CHOICES: [&str; 5] = ["fixed", "pattern", "minValue", "maxValue", "defaultValue"];

/// Nested prose, by resource type: `SearchParameter.component.definition` is a fact where
/// `CodeSystem.concept.definition` is not.
const NESTED_PROSE: [(&str, &[&str]); 5] = [
    (
        "CodeSystem",
        &["definition", "description", "documentation"],
    ),
    ("CompartmentDefinition", &["documentation"]),
    ("ConceptMap", &["comment"]),
    ("NamingSystem", &["comment"]),
    ("OperationDefinition", &["documentation", "description"]),
];

/// True when a container holds artifacts of this resource type.
pub(super) fn is_held(resource_type: &str) -> bool {
    ROOTS.iter().any(|(held, _)| *held == resource_type)
}

/// The facts of an artifact. A resource of a type that is not held becomes empty.
pub(super) fn trim(artifact: &Value) -> Map<String, Value> {
    let resource_type = artifact["resourceType"].as_str().unwrap_or_default();
    let Some((_, own)) = ROOTS.iter().find(|(held, _)| *held == resource_type) else {
        return Map::new();
    };
    let prose = NESTED_PROSE
        .iter()
        .find(|(of, _)| *of == resource_type)
        .map_or(&[][..], |(_, prose)| prose);
    let mut kept = Map::new();
    for (name, value) in artifact.as_object().into_iter().flatten() {
        if COMMON.contains(&&**name) || own.contains(&&**name) {
            kept.insert(name.clone(), strip(value, prose));
        }
    }
    if resource_type == "StructureDefinition" {
        trim_structure(&mut kept);
    }
    kept
}

/// Removes named prose and extensions without a fact, at every depth.
fn strip(value: &Value, prose: &[&str]) -> Value {
    match value {
        Value::Array(items) => items.iter().map(|item| strip(item, prose)).collect(),
        Value::Object(members) => members
            .iter()
            .filter(|(name, _)| !prose.contains(&name.as_str()))
            .filter_map(|(name, member)| match &**name {
                "extension" => facts(member).map(|facts| (name.clone(), facts)),
                _ => Some((name.clone(), strip(member, prose))),
            })
            .filter(|(_, member)| !member.as_object().is_some_and(Map::is_empty))
            .collect(),
        other => other.clone(),
    }
}

fn facts(extensions: &Value) -> Option<Value> {
    let kept: Vec<Value> = extensions
        .as_array()?
        .iter()
        .filter(|e| EXTENSIONS.iter().any(|known| e["url"] == *known))
        .cloned()
        .collect();
    (!kept.is_empty()).then_some(Value::Array(kept))
}

/// The differential of a type that no one derives by hand says nothing that its snapshot
/// does not; a profile's says what the profile itself asks for.
fn trim_structure(structure: &mut Map<String, Value>) {
    let is_profile = structure
        .get("derivation")
        .is_some_and(|d| d == "constraint");
    if !is_profile && structure.contains_key("snapshot") {
        structure.shift_remove("differential");
    }
    for (view, is_snapshot) in [("snapshot", true), ("differential", false)] {
        let elements = structure.get_mut(view).and_then(|v| v.get_mut("element"));
        for element in elements.and_then(Value::as_array_mut).into_iter().flatten() {
            trim_element(element, is_snapshot);
        }
    }
}

fn trim_element(element: &mut Value, is_snapshot: bool) {
    let Some(members) = element.as_object_mut() else {
        return;
    };
    members.retain(|name, value| {
        let kept = ELEMENT.contains(&&**name) || CHOICES.iter().any(|c| is_choice(name, c));
        let is_default = matches!(&**name, "isModifier" | "isSummary" | "mustSupport")
            && *value == Value::Bool(false);
        kept && !(is_snapshot && is_default)
    });
    let says_nothing_new = members.get("base").is_some_and(|base| {
        ["path", "min", "max"]
            .iter()
            .all(|n| base.get(n) == members.get(*n))
    });
    if says_nothing_new {
        members.shift_remove("base");
    }
    for constraint in members
        .get_mut("constraint")
        .and_then(Value::as_array_mut)
        .into_iter()
        .flatten()
    {
        retain(
            constraint,
            &[
                "extension",
                "key",
                "severity",
                "human",
                "expression",
                "source",
            ],
        );
    }
    if let Some(binding) = members.get_mut("binding") {
        retain(binding, &["extension", "strength", "valueSet"]);
    }
    if let Some(slicing) = members.get_mut("slicing") {
        retain(slicing, &["discriminator", "ordered", "rules"]);
    }
}

/// `fixedUri` is the choice `fixed`, `fixed` alone is not.
fn is_choice(name: &str, choice: &str) -> bool {
    let name = name.strip_prefix('_').unwrap_or(name);
    name.strip_prefix(choice)
        .is_some_and(|suffix| suffix.starts_with(|c: char| c.is_ascii_uppercase()))
}

fn retain(value: &mut Value, names: &[&str]) {
    if let Some(members) = value.as_object_mut() {
        members.retain(|name, _| names.contains(&&**name));
    }
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    #[test]
    fn prose_goes_and_facts_stay() {
        let cases = [
            (
                json!({"resourceType": "SearchParameter", "text": {}, "code": "x", "xpath": "f:x",
                    "component": [{"definition": "http://a", "expression": "b"}]}),
                json!({"resourceType": "SearchParameter", "code": "x",
                    "component": [{"definition": "http://a", "expression": "b"}]}),
            ),
            (
                json!({"resourceType": "CodeSystem", "concept": [
                    {"code": "a", "definition": "long", "extension": [{"url": "u"}],
                     "concept": [{"code": "b", "definition": "long"}]}]}),
                json!({"resourceType": "CodeSystem",
                    "concept": [{"code": "a", "concept": [{"code": "b"}]}]}),
            ),
            (
                json!({"resourceType": "StructureDefinition", "snapshot": {"element": [
                    {"path": "A", "short": "s", "min": 0, "max": "*", "isSummary": false,
                     "base": {"path": "A", "min": 0, "max": "*"}, "fixedUri": "u",
                     "constraint": [{"key": "k", "xpath": "x", "expression": "e"}]}]},
                    "differential": {"element": []}}),
                json!({"resourceType": "StructureDefinition", "snapshot": {"element": [
                    {"path": "A", "min": 0, "max": "*", "fixedUri": "u",
                     "constraint": [{"key": "k", "expression": "e"}]}]}}),
            ),
            (json!({"resourceType": "Patient", "id": "a"}), json!({})),
        ];
        for (whole, trimmed) in cases {
            assert_eq!(Value::Object(trim(&whole)), trimmed);
        }
    }
}
