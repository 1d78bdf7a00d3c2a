//! Keywords of our own, for what JSON Schema cannot say, and the compiled types they share.
//!
//! | keyword | on | holds when |
//! |---|---|---|
//! | `fhirType: key` | a value | the compiled schema of that type accepts it |
//! | `fhirResource: contained` | a value | the schema that its `resourceType` names accepts it |
//! | `fhirElement: key` | an object | choices, companions and required primitives are right |
//! | `fhirInteger: type` | a number | it is spelt as an integer in the range of the type |
//!
//! <https://hl7.org/fhir/R4/json.html#primitive>. These only say yes or no, fast; `issues` walks
//! the resource again to say what is wrong and where.

use std::collections::HashMap;
use std::sync::{Arc, Mutex, OnceLock, PoisonError};

use jsonschema::{Draft, Keyword, ValidationError};
use serde_json::{Map, Value};

use super::primitive::Primitive;
use super::schema;
use crate::definitions::{Definitions, TypeInfo, TypeKind};
use crate::fhir::ResourceType;

/// The schemas of all types, each compiled when it is first needed.
pub(super) struct Schemas {
    definitions: Arc<Definitions>,
    /// By type number, so that a resource finds its schema without a lock.
    resources: Vec<OnceLock<&'static Compiled>>,
    types: Mutex<HashMap<String, &'static Compiled>>,
}

/// One type's schema. It lives as long as the process: types refer to each other in circles
/// (an Extension holds every data type, and each holds extensions), and the path of a request
/// should not count references.
pub(super) struct Compiled {
    key: String,
    schemas: &'static Schemas,
    validator: OnceLock<jsonschema::Validator>,
}

impl Schemas {
    pub(super) fn new(definitions: Arc<Definitions>) -> &'static Schemas {
        Box::leak(Box::new(Schemas {
            definitions,
            resources: ResourceType::NAMES
                .iter()
                .map(|_| OnceLock::new())
                .collect(),
            types: Mutex::default(),
        }))
    }

    pub(super) fn resource(&'static self, resource_type: ResourceType) -> &'static Compiled {
        let at = usize::from(resource_type.number().unsigned_abs()) - 1;
        self.resources[at].get_or_init(|| self.of(resource_type.name()))
    }

    /// The schema of a type by its key; asked while the schemas that refer to it compile.
    pub(super) fn of(&'static self, key: &str) -> &'static Compiled {
        let mut types = self.types.lock().unwrap_or_else(PoisonError::into_inner);
        types.entry(key.to_owned()).or_insert_with(|| {
            Box::leak(Box::new(Compiled {
                key: key.to_owned(),
                schemas: self,
                validator: OnceLock::new(),
            }))
        })
    }

    fn compile(&'static self, key: &str) -> jsonschema::Validator {
        let info = self
            .definitions
            .type_info(key)
            .unwrap_or_else(|| nothing(key));
        let mut options = jsonschema::options()
            .with_draft(Draft::Draft202012)
            .should_validate_formats(true)
            .with_keyword("fhirType", move |_, key, _| {
                Ok(Box::new(OfType(self.of(text(key)))))
            })
            .with_keyword("fhirResource", move |_, contained, _| {
                let contained = contained == &Value::Bool(true);
                Ok(Box::new(OfResource {
                    schemas: self,
                    contained,
                }))
            })
            .with_keyword("fhirElement", move |_, key, _| {
                let info = self
                    .definitions
                    .type_info(text(key))
                    .unwrap_or_else(|| nothing(text(key)));
                Ok(Box::new(Members::of(&info)))
            })
            .with_keyword("fhirInteger", move |_, type_code, _| {
                Ok(Box::new(Integer(Primitive::of(text(type_code)))))
            });
        for (primitive, format) in Primitive::TEXTS {
            options = options.with_format(format, move |text: &str| primitive.holds_text(text));
        }
        options
            .build(&schema::schema(&self.definitions, &info))
            .expect("a generated schema is a valid schema: a test compiles every type")
    }
}

impl Compiled {
    /// The compiled schema; who comes while another compiles it waits for it.
    pub(super) fn validator(&'static self) -> &'static jsonschema::Validator {
        self.validator
            .get_or_init(|| self.schemas.compile(&self.key))
    }
}

/// A type that the definitions do not have accepts no member at all.
fn nothing(key: &str) -> Arc<TypeInfo> {
    Arc::new(TypeInfo {
        key: key.to_owned(),
        kind: TypeKind::Complex,
        fields: Default::default(),
    })
}

fn text(value: &Value) -> &str {
    value.as_str().unwrap_or_default()
}

/// A verdict without words: they are never shown.
macro_rules! keyword {
    ($name:ty) => {
        impl<'i> Keyword<'i> for $name {
            fn validate(&self, instance: &'i Value) -> Result<(), ValidationError<'i>> {
                match self.holds(instance) {
                    true => Ok(()),
                    false => Err(ValidationError::custom(stringify!($name))),
                }
            }

            fn is_valid(&self, instance: &'i Value) -> bool {
                self.holds(instance)
            }
        }
    };
}

keyword!(OfType);
keyword!(OfResource);
keyword!(Members);
keyword!(Integer);

struct OfType(&'static Compiled);

impl OfType {
    fn holds(&self, value: &Value) -> bool {
        self.0.validator().is_valid(value)
    }
}

struct OfResource {
    schemas: &'static Schemas,
    contained: bool,
}

impl OfResource {
    fn holds(&self, value: &Value) -> bool {
        let resource_type = value.get("resourceType").and_then(Value::as_str);
        resource_type
            .and_then(ResourceType::parse)
            .is_some_and(|resource_type| {
                (!self.contained || may_be_contained(value))
                    && self
                        .schemas
                        .resource(resource_type)
                        .validator()
                        .is_valid(value)
            })
    }
}

/// <https://hl7.org/fhir/R4/references.html#contained>, dom-2 and dom-4.
fn may_be_contained(resource: &Value) -> bool {
    let of_meta = |name| {
        resource
            .get("meta")
            .is_some_and(|meta| meta.get(name).is_some())
    };
    resource.get("id").is_some()
        && resource.get("contained").is_none()
        && !of_meta("versionId")
        && !of_meta("lastUpdated")
}

struct Integer(Primitive);

impl Integer {
    fn holds(&self, value: &Value) -> bool {
        value
            .as_number()
            .is_none_or(|number| self.0.holds_number(number.as_str()))
    }
}

/// What the members of one object owe to each other.
struct Members {
    choices: Vec<Choice>,
    /// Primitives that must be present, by value or by companion.
    required: Vec<String>,
    is_extension: bool,
    /// True for elements, which must say something beside their id (ele-1).
    is_element: bool,
}

struct Choice {
    prefix: String,
    /// Sorted.
    names: Vec<String>,
    is_required: bool,
}

/// Nothing in R4 has more choices than ElementDefinition, with five.
const MOST_CHOICES: usize = 8;

impl Members {
    fn of(info: &TypeInfo) -> Members {
        let mut choices: Vec<Choice> = Vec::new();
        let mut required = Vec::new();
        for (json_name, field) in &info.fields {
            if !field.is_choice {
                if field.min > 0 && field.is_primitive {
                    required.push(json_name.clone());
                }
                continue;
            }
            let known = choices
                .iter()
                .position(|choice| choice.prefix == field.name);
            let at = known.unwrap_or_else(|| {
                choices.push(Choice {
                    prefix: field.name.clone(),
                    names: Vec::new(),
                    is_required: field.min > 0,
                });
                choices.len() - 1
            });
            choices[at].names.push(json_name.clone());
        }
        debug_assert!(
            choices.len() <= MOST_CHOICES,
            "{} has more choices",
            info.key
        );
        for choice in &mut choices {
            choice.names.sort();
        }
        Members {
            choices,
            required,
            is_extension: info.key == "Extension",
            is_element: info.kind != TypeKind::Resource && info.key != schema::COMPANION,
        }
    }

    fn holds(&self, value: &Value) -> bool {
        let Value::Object(members) = value else {
            return true;
        };
        let mut chosen = [None; MOST_CHOICES];
        for (name, member) in members {
            let bare = name.strip_prefix('_').unwrap_or(name);
            let is_aligned = match bare.len() == name.len() {
                true => !has_null(member) || members.contains_key(&format!("_{name}")),
                false => may_accompany(member, members.get(bare)),
            };
            if !is_aligned || !self.choose(bare, &mut chosen) {
                return false;
            }
        }
        self.choices
            .iter()
            .zip(&chosen)
            .all(|(choice, chosen)| !choice.is_required || chosen.is_some())
            && self.required.iter().all(|name| is_present(members, name))
            && (!self.is_element || members.keys().any(|name| name != "id"))
            && (!self.is_extension || chosen[0].is_some() != members.contains_key("extension"))
    }

    /// Notes the member of a choice; false for a second one.
    fn choose<'m>(&self, name: &'m str, chosen: &mut [Option<&'m str>; MOST_CHOICES]) -> bool {
        for (choice, chosen) in self.choices.iter().zip(chosen) {
            let is_member = name.starts_with(&choice.prefix)
                && choice
                    .names
                    .binary_search_by(|known| known.as_str().cmp(name))
                    .is_ok();
            if is_member {
                return *chosen.get_or_insert(name) == name;
            }
        }
        true
    }
}

fn is_present(members: &Map<String, Value>, name: &str) -> bool {
    members.contains_key(name) || members.contains_key(&format!("_{name}"))
}

fn has_null(value: &Value) -> bool {
    value
        .as_array()
        .is_some_and(|items| items.iter().any(Value::is_null))
}

/// True when a companion is aligned with its value, and says something where that is absent.
fn may_accompany(companion: &Value, value: Option<&Value>) -> bool {
    let Value::Array(companions) = companion else {
        return value.is_some() || says_something(companion);
    };
    match value {
        Some(Value::Array(values)) => {
            companions.len() == values.len()
                && companions
                    .iter()
                    .zip(values)
                    .all(|(companion, value)| !value.is_null() || says_something(companion))
        }
        _ => companions.iter().all(says_something),
    }
}

/// An id alone is no content: ele-1.
pub(super) fn says_something(companion: &Value) -> bool {
    companion.get("extension").is_some()
}
