//! StructureDefinitions, typed: <https://hl7.org/fhir/R4/structuredefinition.html> and
//! <https://hl7.org/fhir/R4/elementdefinition.html>.
//!
//! A [`Structure`] is the snapshot of a resource, a type, a profile or an extension, element
//! by element. It is for readers of definitions (schemas, validation, snapshot generation);
//! whoever walks an instance uses [`TypeInfo`](super::TypeInfo). The differential is not
//! typed: [`Definitions::artifact`](super::Definitions::artifact) has it.

use serde_json::Value;

const SYSTEM: &str = "http://hl7.org/fhirpath/System.";
const FHIR_TYPE: &str = "http://hl7.org/fhir/StructureDefinition/structuredefinition-fhir-type";
const REGEX: &str = "http://hl7.org/fhir/StructureDefinition/regex";
const MIN_LENGTH: &str = "http://hl7.org/fhir/StructureDefinition/minLength";
const MUST_HAVE_VALUE: &str =
    "http://hl7.org/fhir/5.0/StructureDefinition/extension-ElementDefinition.mustHaveValue";
const VALUE_ALTERNATIVES: &str =
    "http://hl7.org/fhir/5.0/StructureDefinition/extension-ElementDefinition.valueAlternatives";
const NARRATIVE_LANGUAGES: &str =
    "http://hl7.org/fhir/StructureDefinition/narrative-language-control";
const NARRATIVE_SOURCE: &str = "http://hl7.org/fhir/StructureDefinition/narrative-source-control";
const ADDITIONAL_BINDINGS: [&str; 2] = [
    "http://hl7.org/fhir/5.0/StructureDefinition/extension-ElementDefinition.binding.additional",
    "http://hl7.org/fhir/tools/StructureDefinition/additional-binding",
];

/// `StructureDefinition.kind`.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum StructureKind {
    PrimitiveType,
    ComplexType,
    Resource,
    Logical,
}

/// `StructureDefinition.derivation`.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Derivation {
    /// A type of its own; also Resource and Element, which derive from nothing.
    Specialization,
    /// A profile, an extension included.
    Constraint,
}

/// One StructureDefinition.
#[derive(Debug, Clone, PartialEq)]
pub struct Structure {
    pub url: String,
    pub version: String,
    pub name: String,
    /// `StructureDefinition.type`: what the instances are, `Patient` for a profile on it.
    pub type_name: String,
    pub kind: StructureKind,
    pub is_abstract: bool,
    /// The canonical of the definition that this one derives from.
    pub base: Option<String>,
    pub derivation: Derivation,
    /// The snapshot; empty where the package has none. The first element is the root.
    pub elements: Vec<Element>,
}

/// `ElementDefinition.max`: a number, or `*`.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Max {
    Count(u32),
    Unbounded,
}

impl Max {
    /// True when the JSON of the element is an array. (An element that a profile limits to one
    /// stays an array: ask the element of the type, not the profile's.)
    pub fn is_many(self) -> bool {
        !matches!(self, Max::Count(0 | 1))
    }
}

/// One ElementDefinition of a snapshot.
#[derive(Debug, Clone, PartialEq)]
pub struct Element {
    pub id: String,
    pub path: String,
    pub slice_name: Option<String>,
    pub slicing: Option<Slicing>,
    pub min: u32,
    pub max: Max,
    /// The path of the element in the type that first defined it, `Resource.id` for `Patient.id`.
    pub base_path: String,
    pub types: Vec<ElementType>,
    /// The element whose content this one repeats, `Questionnaire.item`, without its `#`.
    pub content_reference: Option<String>,
    pub binding: Option<Binding>,
    pub is_modifier: bool,
    pub is_summary: bool,
    pub must_support: bool,
    pub fixed: Option<TypedValue>,
    pub pattern: Option<TypedValue>,
    pub min_value: Option<TypedValue>,
    pub max_value: Option<TypedValue>,
    pub constraints: Vec<Constraint>,
    pub max_length: Option<u32>,
    /// By an extension: the least number of characters.
    pub min_length: Option<u32>,
    /// By extensions of R5: the value itself must be there, and no extension may stand for it.
    pub must_have_value: bool,
    /// By an extension of R5: the extensions, one of which must be there where no value is.
    pub value_alternatives: Vec<String>,
    /// By an extension of R5: bindings beside the one that R4 knows, each with its purpose.
    pub more_bindings: Vec<Binding>,
    /// By an extension, of a narrative: the languages of its sections, or `_no`, `_yes`,
    /// `_resource`.
    pub narrative_languages: Vec<String>,
    /// By an extension, of a narrative: that its parts say where they come from.
    pub narrative_source: Option<String>,
    /// Of the value of a primitive: the pattern that all of it must match.
    pub regex: Option<String>,
}

/// The value of a choice such as `fixed[x]`, with the type that its name ends in.
#[derive(Debug, Clone, PartialEq)]
pub struct TypedValue {
    /// As the name ends, `CodeableConcept` or `Uri`.
    pub suffix: String,
    pub value: Value,
}

/// `ElementDefinition.type`.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ElementType {
    /// A FHIR type; FHIRPath's own types, by which R4 names the values of primitives, are
    /// replaced by the FHIR type that the definition gives beside them.
    pub code: String,
    pub profiles: Vec<String>,
    pub target_profiles: Vec<String>,
    /// `contained`, `referenced`, `bundled`.
    pub aggregation: Vec<String>,
}

/// `ElementDefinition.binding`, where it names a value set.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Binding {
    pub strength: Strength,
    /// Canonical, with its version when it is pinned to one.
    pub value_set: String,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Strength {
    Required,
    Extensible,
    Preferred,
    Example,
}

/// `ElementDefinition.constraint`.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Constraint {
    pub key: String,
    /// False for a warning.
    pub is_error: bool,
    /// A rule that one should follow and may break.
    pub is_best_practice: bool,
    pub human: String,
    /// FHIRPath.
    pub expression: Option<String>,
}

/// `ElementDefinition.slicing`.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Slicing {
    /// (type, path), for example (`value`, `url`).
    pub discriminators: Vec<(String, String)>,
    pub ordered: bool,
    /// `closed`, `open` or `openAtEnd`.
    pub rules: String,
}

impl Structure {
    /// What a profile itself asks for, element by element; what it leaves open reads as what
    /// asks for nothing: a min of 0, no max, no types.
    ///
    /// # Errors
    /// An element without a path or with a max that is no number.
    pub fn differential(definition: &Value) -> Result<Vec<Element>, String> {
        items(&definition["differential"]["element"])
            .map(Element::parse)
            .collect()
    }

    /// Reads a StructureDefinition.
    ///
    /// # Errors
    /// What is missing.
    pub fn parse(definition: &Value) -> Result<Structure, String> {
        let url = text(definition, "url").ok_or("a StructureDefinition has no url")?;
        let need = |name: &str| {
            text(definition, name).ok_or_else(|| format!("StructureDefinition {url} has no {name}"))
        };
        let kind = match need("kind")?.as_str() {
            "primitive-type" => StructureKind::PrimitiveType,
            "complex-type" => StructureKind::ComplexType,
            "resource" => StructureKind::Resource,
            "logical" => StructureKind::Logical,
            other => {
                return Err(format!(
                    "StructureDefinition {url} has unknown kind {other}"
                ));
            }
        };
        let elements = items(&definition["snapshot"]["element"])
            .map(|e| Element::parse(e).map_err(|e| format!("StructureDefinition {url}: {e}")))
            .collect::<Result<_, _>>()?;
        Ok(Structure {
            version: text(definition, "version").unwrap_or_default(),
            // Nothing is decided by it, and drafts of profiles often have none.
            name: text(definition, "name").unwrap_or_default(),
            type_name: need("type")?,
            kind,
            is_abstract: definition["abstract"] == true,
            base: text(definition, "baseDefinition"),
            derivation: if definition["derivation"] == "constraint" {
                Derivation::Constraint
            } else {
                Derivation::Specialization
            },
            elements,
            url,
        })
    }

    /// The element with this id, `Patient.contact` or `Observation.category:VSCat`.
    pub fn element(&self, id: &str) -> Option<&Element> {
        self.elements.iter().find(|e| e.id == id)
    }

    /// Of a primitive type: the pattern that its whole value must match.
    pub fn regex(&self) -> Option<&str> {
        self.elements.iter().find_map(|e| e.regex.as_deref())
    }
}

impl Element {
    fn parse(definition: &Value) -> Result<Element, String> {
        let path = text(definition, "path").ok_or("an element has no path")?;
        let max = match definition["max"].as_str() {
            None | Some("*") => Max::Unbounded,
            Some(count) => Max::Count(
                count
                    .parse()
                    .map_err(|_| format!("{path} has max {count}, which is no number"))?,
            ),
        };
        let value_type = items(&definition["type"]).find(|t| {
            t["code"]
                .as_str()
                .is_some_and(|code| code.starts_with(SYSTEM))
        });
        Ok(Element {
            id: text(definition, "id").unwrap_or_else(|| path.clone()),
            slice_name: text(definition, "sliceName"),
            slicing: definition.get("slicing").map(Slicing::parse),
            min: number(definition, "min").unwrap_or_default(),
            max,
            base_path: text(&definition["base"], "path").unwrap_or_else(|| path.clone()),
            types: items(&definition["type"]).map(ElementType::parse).collect(),
            content_reference: text(definition, "contentReference")
                .map(|r| r.rsplit('#').next().unwrap_or_default().to_owned()),
            binding: definition.get("binding").and_then(Binding::parse),
            is_modifier: definition["isModifier"] == true,
            is_summary: definition["isSummary"] == true,
            must_support: definition["mustSupport"] == true,
            fixed: TypedValue::parse(definition, "fixed"),
            pattern: TypedValue::parse(definition, "pattern"),
            min_value: TypedValue::parse(definition, "minValue"),
            max_value: TypedValue::parse(definition, "maxValue"),
            constraints: items(&definition["constraint"])
                .map(Constraint::parse)
                .collect(),
            max_length: number(definition, "maxLength"),
            min_length: extension(definition, MIN_LENGTH)
                .and_then(|one| number(one, "valueInteger")),
            must_have_value: extension(definition, MUST_HAVE_VALUE)
                .is_some_and(|one| one["valueBoolean"] == true),
            value_alternatives: items(&definition["extension"])
                .filter(|one| one["url"] == VALUE_ALTERNATIVES)
                .filter_map(|one| {
                    let canonical = one["valueCanonical"].as_str().or(one["valueUri"].as_str());
                    canonical.map(str::to_owned)
                })
                .collect(),
            narrative_languages: items(&definition["extension"])
                .filter(|one| one["url"] == NARRATIVE_LANGUAGES)
                .filter_map(|one| text(one, "valueCode"))
                .collect(),
            narrative_source: extension(definition, NARRATIVE_SOURCE)
                .and_then(|one| text(one, "valueCode")),
            more_bindings: items(&definition["binding"]["extension"])
                .filter_map(Binding::parse_additional)
                .collect(),
            regex: value_type.and_then(|t| {
                extension(t, REGEX)?["valueString"]
                    .as_str()
                    .map(str::to_owned)
            }),
            path,
        })
    }

    /// The last step of the path: `value[x]`, `contact`.
    pub fn name(&self) -> &str {
        self.path.rsplit('.').next().unwrap_or(&self.path)
    }
}

impl ElementType {
    fn parse(definition: &Value) -> ElementType {
        let code = text(definition, "code").unwrap_or_default();
        let fhir_type = extension(definition, FHIR_TYPE)
            .and_then(|e| e["valueUrl"].as_str().or(e["valueUri"].as_str()));
        let code = match (code.strip_prefix(SYSTEM), fhir_type) {
            (None, _) => code,
            (Some(_), Some(fhir_type)) => fhir_type.to_owned(),
            // Boolean, Integer and so on: the FHIR primitive differs in its first letter only.
            (Some(system), None) => lower_first(system),
        };
        ElementType {
            code,
            profiles: texts(&definition["profile"]),
            target_profiles: texts(&definition["targetProfile"]),
            aggregation: texts(&definition["aggregation"]),
        }
    }

    /// The last segments of the target profiles: in the core, the resource types that a
    /// Reference may point at.
    pub fn target_types(&self) -> impl Iterator<Item = &str> {
        self.target_profiles
            .iter()
            .map(|url| url.rsplit('/').next().unwrap_or(url))
    }
}

impl Binding {
    fn parse(definition: &Value) -> Option<Binding> {
        let strength = match definition["strength"].as_str()? {
            "required" => Strength::Required,
            "extensible" => Strength::Extensible,
            "preferred" => Strength::Preferred,
            _ => Strength::Example,
        };
        let value_set = text(definition, "valueSet")?;
        Some(Binding {
            strength,
            value_set,
        })
    }
}

impl Binding {
    /// The extensions by which R4 tells `binding.additional` of R5. Bindings for one use only
    /// are left out: who they are for is nothing that an instance tells.
    fn parse_additional(definition: &Value) -> Option<Binding> {
        let url = definition["url"].as_str()?;
        ADDITIONAL_BINDINGS.contains(&url).then_some(())?;
        extension(definition, "usage").is_none().then_some(())?;
        let strength = match extension(definition, "purpose")?["valueCode"].as_str()? {
            "required" => Strength::Required,
            "extensible" => Strength::Extensible,
            _ => return None,
        };
        let value_set = extension(definition, "valueSet")?["valueCanonical"].as_str()?;
        Some(Binding {
            strength,
            value_set: value_set.to_owned(),
        })
    }
}

impl Constraint {
    fn parse(definition: &Value) -> Constraint {
        const BEST_PRACTICE: &str =
            "http://hl7.org/fhir/StructureDefinition/elementdefinition-bestpractice";
        Constraint {
            key: text(definition, "key").unwrap_or_default(),
            is_error: definition["severity"] == "error",
            is_best_practice: extension(definition, BEST_PRACTICE)
                .is_some_and(|e| e["valueBoolean"] == true),
            human: text(definition, "human").unwrap_or_default(),
            expression: text(definition, "expression"),
        }
    }
}

impl Slicing {
    fn parse(definition: &Value) -> Slicing {
        let discriminators = items(&definition["discriminator"])
            .map(|d| {
                (
                    text(d, "type").unwrap_or_default(),
                    text(d, "path").unwrap_or_default(),
                )
            })
            .collect();
        Slicing {
            discriminators,
            ordered: definition["ordered"] == true,
            rules: text(definition, "rules").unwrap_or_else(|| "open".to_owned()),
        }
    }
}

impl TypedValue {
    /// The member of a definition whose name begins so, `fixed` or `pattern`.
    pub fn parse(definition: &Value, choice: &str) -> Option<TypedValue> {
        definition.as_object()?.iter().find_map(|(name, value)| {
            let suffix = name.strip_prefix(choice)?;
            suffix
                .starts_with(|c: char| c.is_ascii_uppercase())
                .then(|| TypedValue {
                    suffix: suffix.to_owned(),
                    value: value.clone(),
                })
        })
    }
}

/// `HumanName` -> `humanName`.
pub(super) fn lower_first(name: &str) -> String {
    change_first(name, |c| c.to_ascii_lowercase())
}

/// `dateTime` -> `DateTime`, as a choice element's name ends.
pub(super) fn upper_first(name: &str) -> String {
    change_first(name, |c| c.to_ascii_uppercase())
}

fn change_first(name: &str, change: impl Fn(char) -> char) -> String {
    let mut letters = name.chars();
    letters
        .next()
        .map(change)
        .into_iter()
        .chain(letters)
        .collect()
}

pub(super) fn text(value: &Value, name: &str) -> Option<String> {
    value[name].as_str().map(str::to_owned)
}

pub(super) fn texts(value: &Value) -> Vec<String> {
    items(value)
        .filter_map(|item| item.as_str().map(str::to_owned))
        .collect()
}

pub(super) fn items(value: &Value) -> impl Iterator<Item = &Value> {
    value.as_array().into_iter().flatten()
}

fn number(value: &Value, name: &str) -> Option<u32> {
    value[name].as_u64().and_then(|n| u32::try_from(n).ok())
}

fn extension<'a>(value: &'a Value, url: &str) -> Option<&'a Value> {
    items(&value["extension"]).find(|e| e["url"] == url)
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    #[test]
    fn an_element_is_read_with_all_its_facts() {
        let element = Element::parse(&json!({
            "id": "Observation.code", "path": "Observation.code", "min": 1, "max": "1",
            "base": {"path": "Observation.code", "min": 1, "max": "1"},
            "type": [{"code": "http://hl7.org/fhirpath/System.String", "extension": [
                {"url": FHIR_TYPE, "valueUrl": "uri"}, {"url": REGEX, "valueString": "\\S*"}]}],
            "contentReference": "#Questionnaire.item", "fixedUri": "http://loinc.org",
            "binding": {"strength": "required", "valueSet": "http://v|1"},
            "slicing": {"discriminator": [{"type": "value", "path": "url"}], "rules": "open"},
        }))
        .expect("parses");
        assert_eq!((element.min, element.max), (1, Max::Count(1)));
        assert_eq!(element.types[0].code, "uri");
        assert_eq!(element.regex.as_deref(), Some("\\S*"));
        assert_eq!(
            element.content_reference.as_deref(),
            Some("Questionnaire.item")
        );
        assert_eq!(element.fixed.map(|f| f.suffix).as_deref(), Some("Uri"));
        assert_eq!(
            element.binding.map(|b| b.strength),
            Some(Strength::Required)
        );
        assert_eq!(element.slicing.map(|s| s.discriminators.len()), Some(1));
    }

    #[test]
    fn what_is_no_structure_is_refused_with_its_url() {
        for (definition, told) in [
            (json!({}), "no url"),
            (
                json!({"url": "http://a", "name": "A", "type": "A"}),
                "http://a has no kind",
            ),
            (
                json!({"url": "http://a", "name": "A", "type": "A", "kind": "resource",
                    "snapshot": {"element": [{"path": "A", "max": "x"}]}}),
                "A has max x",
            ),
        ] {
            let error = Structure::parse(&definition).expect_err("not a structure");
            assert!(error.contains(told), "{error}");
        }
    }
}
