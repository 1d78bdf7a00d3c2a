//! Custom search parameters: what a SearchParameter that a user stores has to be so that it
//! can be searched by. <https://hl7.org/fhir/R4/searchparameter.html>
//!
//! ```text
//! status active -> code, type, base, expression   read
//!               -> no other of that code           refuse_taken
//!               -> each base: an operand of it, elements that exist, types that fit
//! ```
//!
//! Every problem is told with the element that has it, and that of an expression with its
//! position. What is a draft or retired is stored as it is and is no parameter. A composite is
//! made of published parameters; a special one cannot be added.
//!
//! ## Decisions
//! - *One code, one meaning.* A code that a type has already is refused, published or custom:
//!   a search by it would change its meaning under those who use it, and the
//!   CapabilityStatement could not name both. A SearchParameter that repeats a published one
//!   (its `url`, or `derivedFrom`) may be stored; the published definition is the one used.
//!   What a package brings is stored in any case; who repeats another in effect is passed over.
//! - *Of several versions of one `url` the newest is the parameter.* Packages stand side by side
//!   in several versions, each with its own.
//! - *An expression that can never give a value is refused*, and one that can fail on some
//!   resources is not: such a resource is stored, without a value of that parameter.

use super::branch::{self, Branch};
use super::params::composite;
use super::registry::{Kind, Registry};
use super::repetition::{is_named, repeats_published};
use crate::definitions::{SearchComponent, SearchParameter};
use crate::error::{Category, Error, Issue, Result};
use crate::fhir::ResourceType;
use crate::fhirpath::check::list;
use crate::fhirpath::infer::{self, infer};
use crate::fhirpath::{Ast, Expression, Model, System, Type};
use serde_json::Value;

/// A search parameter that a user stored.
#[derive(Clone, Debug, PartialEq)]
pub struct Custom {
    /// The logical id of its SearchParameter.
    pub id: String,
    pub definition: SearchParameter,
    /// The types of `base`, each of all where it says Resource.
    pub types: Vec<ResourceType>,
}

/// The longest code.
const CODE_LENGTH: usize = 64;

impl Custom {
    /// Reads a SearchParameter of status active; `None` for any other status.
    ///
    /// # Errors
    /// What it lacks to be searched by, each with its element.
    pub fn read(id: &str, resource: &Value) -> Result<Option<Custom>, Vec<Issue>> {
        if resource["status"] != "active" {
            return Ok(None);
        }
        let definition = SearchParameter::parse(resource)
            .map_err(|text| vec![Issue::error("required", text).at("SearchParameter")])?;
        let mut issues = Vec::new();
        if definition.url.is_empty() {
            let text = "expected a url: the CapabilityStatement names the parameter by it";
            issues.push(Issue::error("required", text).at("SearchParameter.url"));
        }
        check_code(&definition.code, &mut issues);
        let types = base_types(&definition.base, &mut issues);
        check_targets(&definition.target, &mut issues);
        if definition.kind == Kind::Special {
            let text = "expected number, date, string, token, reference, quantity, uri or \
                 composite but found special: what such a parameter does is told by a program";
            issues.push(Issue::error("not-supported", text).at("SearchParameter.type"));
        } else if definition.expression.is_none() {
            let text = "expected an expression: without one nothing can be indexed";
            issues.push(Issue::error("required", text).at("SearchParameter.expression"));
        }
        if !issues.is_empty() {
            return Err(issues);
        }
        Ok(Some(Custom {
            id: id.to_owned(),
            definition,
            types,
        }))
    }

    /// What decides what is indexed: where two agree, the index of one is that of the other.
    pub fn index_relevant(&self) -> (Kind, Option<&str>, &[SearchComponent]) {
        let definition = &self.definition;
        let expression = definition.expression.as_deref();
        (definition.kind, expression, &definition.component)
    }
}

fn check_code(code: &str, issues: &mut Vec<Issue>) {
    let is_inner = |c: char| c.is_ascii_alphanumeric() || matches!(c, '-' | '_');
    let is_legal = code.len() <= CODE_LENGTH
        && code.starts_with(|c: char| c.is_ascii_alphanumeric())
        && code.chars().all(is_inner);
    if !is_legal {
        let text = format!(
            "expected a code of letters, digits, - and _, at most {CODE_LENGTH}, that begins with \
             a letter or digit (those with _ in front are the specification's) but found {code:?}"
        );
        issues.push(Issue::error("value", text).at("SearchParameter.code"));
    }
}

pub(super) fn base_types(base: &[String], issues: &mut Vec<Issue>) -> Vec<ResourceType> {
    let mut types: Vec<ResourceType> = Vec::new();
    for (index, name) in base.iter().enumerate() {
        match (name.as_str(), ResourceType::parse(name)) {
            ("Resource", _) => types.extend(ResourceType::all()),
            ("DomainResource", _) => types.extend(domain_resources()),
            (_, Some(resource_type)) => types.push(resource_type),
            (_, None) => {
                let text = format!("expected a resource type but found {name:?}");
                let place = format!("SearchParameter.base[{index}]");
                issues.push(Issue::error("value", text).at(place));
            }
        }
    }
    if base.is_empty() {
        let text = "expected the resource types that it applies to";
        issues.push(Issue::error("required", text).at("SearchParameter.base"));
    }
    types.sort_unstable();
    types.dedup();
    types
}

/// All types but those that are a Resource and nothing more.
/// <https://hl7.org/fhir/R4/resource.html>
fn domain_resources() -> impl Iterator<Item = ResourceType> {
    let plain = ["Binary", "Bundle", "Parameters"];
    ResourceType::all().filter(move |kind| !plain.contains(&kind.name()))
}

fn check_targets(targets: &[String], issues: &mut Vec<Issue>) {
    for (index, name) in targets.iter().enumerate() {
        if name != "Resource" && ResourceType::parse(name).is_none() {
            let text = format!("expected a resource type but found {name:?}");
            let place = format!("SearchParameter.target[{index}]");
            issues.push(Issue::error("value", text).at(place));
        }
    }
}

/// Checks a SearchParameter that is about to be stored under `id`; the answer is what is to
/// be live of it, `None` where nothing is.
///
/// # Errors
/// `Unprocessable` with every problem, `Conflict` where another has the code.
pub fn check(registry: &Registry, id: &str, resource: &Value) -> Result<Option<Custom>> {
    let refused = |issues| Error::of(Category::Unprocessable, issues);
    if repeats_published(registry, resource, &|_, _| false) {
        return Ok(None);
    }
    let Some(mut custom) = Custom::read(id, resource).map_err(refused)? else {
        return Ok(None);
    };
    let mut issues = expression_issues(registry.model(), &custom);
    if issues.is_empty() && custom.definition.kind == Kind::Composite {
        issues = component_issues(registry, &custom);
    }
    if !issues.is_empty() {
        return Err(refused(issues));
    }
    drop_repeated(registry, resource, &mut custom);
    refuse_taken(registry, &custom)?;
    Ok((!custom.types.is_empty()).then_some(custom))
}

/// Takes out the types where it repeats the published parameter of its code.
fn drop_repeated(registry: &Registry, resource: &Value, custom: &mut Custom) {
    let definition = &custom.definition;
    custom.types.retain(|resource_type| {
        let published = registry.published(*resource_type, &definition.code);
        !published.is_some_and(|one| is_named(resource, &one.url))
    });
}

/// # Errors
/// `Conflict`: a type has another parameter of that code.
pub fn refuse_taken(registry: &Registry, custom: &Custom) -> Result<()> {
    let code = &custom.definition.code;
    let conflict = |kind: &ResourceType, by: String| {
        let text = format!(
            "expected a code that is free but {code:?} of {kind} is {by}; choose another code, or \
             retire that one first"
        );
        Error::coded(Category::Conflict, "duplicate", text).at("SearchParameter.code")
    };
    for kind in &custom.types {
        if let Some(published) = registry.published(*kind, code) {
            return Err(conflict(kind, format!("{} of FHIR R4", published.url)));
        }
    }
    for other in registry.custom() {
        let (own, others) = (&custom.definition, &other.definition);
        let is_version = own.url == others.url && own.version != others.version;
        let is_same = other.id != custom.id && others.code == *code && !is_version;
        let shared = other.types.iter().find(|kind| custom.types.contains(kind));
        if let Some(kind) = shared.filter(|_| is_same) {
            return Err(conflict(kind, format!("SearchParameter/{}", other.id)));
        }
    }
    Ok(())
}

/// What is wrong with the parts of a composite, once for all types that share the problem.
fn component_issues(registry: &Registry, custom: &Custom) -> Vec<Issue> {
    let mut texts: Vec<String> = Vec::new();
    if custom.definition.component.len() < 2 {
        texts.push("expected at least two components".to_owned());
    }
    for resource_type in &custom.types {
        let published = registry.published_parameters(*resource_type);
        let found = match composite::forms(*resource_type, &custom.definition, published) {
            Ok(forms) if forms.is_empty() => "expected parts that can be searched".to_owned(),
            Ok(_) => continue,
            Err(text) => text,
        };
        if !texts.contains(&found) && texts.len() < 5 {
            texts.push(found);
        }
    }
    let issue = |text| Issue::error("value", text).at("SearchParameter.component");
    texts.into_iter().map(issue).collect()
}

/// What is wrong with the expression, once for all types that share the problem.
fn expression_issues(model: &std::sync::Arc<Model>, custom: &Custom) -> Vec<Issue> {
    let definition = &custom.definition;
    let text = definition.expression.as_deref().unwrap_or_default();
    let place = "SearchParameter.expression";
    if let Err(error) = Expression::compile_for_search(text) {
        return vec![Issue::error("value", error.to_string()).at(place)];
    }
    let mut issues: Vec<Issue> = Vec::new();
    for resource_type in &custom.types {
        let branches = branch::compile(model, *resource_type, definition.kind, text);
        let branches = branches.unwrap_or_default();
        let found = match branches.is_empty() {
            true => Some(format!(
                "expected a part that applies to {resource_type}, such as {resource_type}.id"
            )),
            false => problem(model, *resource_type, definition.kind, &branches),
        };
        let issue = found.map(|text| Issue::error("value", text).at(place));
        issues.extend(issue.filter(|issue| !issues.contains(issue)));
        if issues.len() > 4 {
            break;
        }
    }
    issues
}

/// What keeps an expression from ever giving a value of the kind.
fn problem(
    model: &Model,
    resource_type: ResourceType,
    kind: Kind,
    branches: &[Branch],
) -> Option<String> {
    let root = infer::Kind::Resource(model.resource(resource_type)?);
    let mut kinds = Vec::new();
    for branch in branches {
        let ast = branch.expression.ast();
        if let Some(text) = beyond_resolve(ast) {
            return Some(text);
        }
        if let Some(found) = branch.expression.check(model, &root).first() {
            return Some(format!("{} at position {}", found.message, found.position));
        }
        kinds.extend(infer(model, ast, &root));
    }
    // Of what is computed nothing may be known; it may well fit. A composite's is a root only.
    if kind == Kind::Composite || kinds.is_empty() || kinds.iter().any(|found| fits(kind, found)) {
        return None;
    }
    Some(format!(
        "expected an expression that gives values of a {} parameter but it gives {}",
        kind.as_str(),
        list(&kinds)
    ))
}

/// A step from what `resolve()` gives, which may only be asked for its type: nothing is read of
/// other resources where one is indexed.
fn beyond_resolve(ast: &Ast) -> Option<String> {
    let is_resolve =
        |of: &Ast| matches!(of, Ast::Call { function, .. } if function.name == "resolve");
    let found = ast.find(&|part| match part {
        Ast::Member { of, .. } | Ast::Call { of, .. } => of.as_deref().is_some_and(is_resolve),
        Ast::OfType { of, .. } | Ast::Indexer { of, .. } => is_resolve(of),
        _ => false,
    })?;
    let position = found.position().or_else(|| found.of()?.position());
    Some(format!(
        "expected resolve() to be asked for its type only, as in where(resolve() is Patient), \
         since another resource is not read where this one is indexed, but found a step from it \
         at position {}",
        position.unwrap_or_default()
    ))
}

/// Whether values of that type are what a parameter of the kind compares:
/// <https://hl7.org/fhir/R4/search.html#ptypes>.
fn fits(kind: Kind, found: &infer::Kind<'_>) -> bool {
    let names: &[&str] = match kind {
        Kind::Number => &["integer", "decimal", "Quantity", "Range"],
        Kind::Date => &["date", "dateTime", "instant", "Period", "Timing"],
        Kind::String => &[
            "string",
            "uri",
            "HumanName",
            "Address",
            "CodeableConcept",
            "ContactPoint",
        ],
        Kind::Token => &[
            "Coding",
            "CodeableConcept",
            "Identifier",
            "ContactPoint",
            "code",
            "boolean",
            "id",
            "uri",
            "string",
            "integer",
            "date",
            "dateTime",
        ],
        Kind::Reference => &["Reference", "uri"],
        Kind::Quantity => &["Quantity", "Money", "Range", "SampledData"],
        Kind::Uri => &["uri"],
        Kind::Composite | Kind::Special => &[],
    };
    match found {
        infer::Kind::Value(System::Boolean) => kind == Kind::Token,
        infer::Kind::Value(System::String) => matches!(kind, Kind::Token | Kind::String),
        infer::Kind::Value(_) => false,
        infer::Kind::Element(_, of) | infer::Kind::Resource(of) => {
            names.iter().any(|name| of.is(name)) || is_resource(kind, of)
        }
    }
}

/// A resource that stands where a reference is expected: `Bundle.entry[0].resource`.
fn is_resource(kind: Kind, of: &Type) -> bool {
    kind == Kind::Reference && ResourceType::parse(&of.key).is_some()
}

#[cfg(test)]
pub(super) mod tests {
    use super::*;
    use crate::definitions::Definitions;
    use serde_json::json;

    pub fn registry() -> Registry {
        Registry::new(Definitions::r4()).expect("the registry of R4 compiles")
    }

    pub fn parameter(code: &str, base: &[&str], kind: &str, expression: &str) -> Value {
        json!({
            "resourceType": "SearchParameter", "status": "active", "url": "http://me/sp",
            "name": "Mine", "description": "d",
            "code": code, "base": base, "type": kind, "expression": expression,
        })
    }

    #[test]
    fn what_can_be_searched_by_passes() {
        let registry = registry();
        for (base, kind, expression) in [
            ("Patient", "token", "Patient.extension('http://x').value"),
            ("Patient", "string", "Patient.contact.name"),
            ("Patient", "date", "(Patient.deceased as dateTime)"),
            (
                "Patient",
                "reference",
                "Patient.link.other.where(resolve() is Patient)",
            ),
            ("Patient", "number", "Patient.multipleBirth as integer"),
            (
                "Patient",
                "token",
                "Patient.name.where(use = 'maiden').exists()",
            ),
            (
                "Observation",
                "quantity",
                "Observation.component.value.ofType(Quantity)",
            ),
            ("Observation", "token", "Observation.contained.id"),
            ("Resource", "token", "Resource.meta.tag"),
            ("ValueSet", "uri", "ValueSet.compose.include.system"),
        ] {
            let resource = parameter("mine", &[base], kind, expression);
            let checked = check(&registry, "1", &resource);
            assert!(matches!(checked, Ok(Some(_))), "{expression}: {checked:?}");
        }
    }

    /// TD3, D4.
    #[test]
    fn what_cannot_is_refused_with_its_place() {
        let registry = registry();
        for (code, base, kind, expression, place, says) in [
            (
                "a",
                "CarePlan",
                "token",
                "CarePlan.activity.detail.extension.values",
                "expression",
                "\"values\" at position 35",
            ),
            (
                "a",
                "Patient",
                "token",
                "Patient.name.where(",
                "expression",
                "at position 19",
            ),
            (
                "a",
                "Patient",
                "token",
                "Patient.frobnicate()",
                "expression",
                "at position 8",
            ),
            (
                "a",
                "Patient",
                "token",
                "Patient.name.where(uze = 'maiden')",
                "expression",
                "\"uze\" at position 19",
            ),
            (
                "a",
                "Patient",
                "date",
                "Patient.name",
                "expression",
                "date parameter but it gives HumanName",
            ),
            (
                "a",
                "Patient",
                "token",
                "Observation.code",
                "expression",
                "applies to Patient",
            ),
            (
                "a",
                "Patient",
                "quantity",
                "Patient.birthDate as Quantity",
                "expression",
                "\"Quantity\" at position 21",
            ),
            (
                "a",
                "Patiens",
                "token",
                "Patient.id",
                "base[0]",
                "\"Patiens\"",
            ),
            (
                "_sort",
                "Patient",
                "token",
                "Patient.id",
                "code",
                "\"_sort\"",
            ),
            ("a.b", "Patient", "token", "Patient.id", "code", "\"a.b\""),
            ("a:b", "Patient", "token", "Patient.id", "code", "\"a:b\""),
            (
                "a",
                "Patient",
                "composite",
                "Patient",
                "component",
                "two components",
            ),
            ("a", "Patient", "special", "Patient", "type", "special"),
            (
                "a",
                "Patient",
                "string",
                "Patient.generalPractitioner.resolve().name.family",
                "expression",
                "asked for its type only",
            ),
            (
                "a",
                "Patient",
                "string",
                "Patient.generalPractitioner.resolve().where(name.exists()).name",
                "expression",
                "asked for its type only",
            ),
            (
                "a",
                "DomainResource",
                "token",
                "DomainResource.nope",
                "expression",
                "\"nope\"",
            ),
        ] {
            let resource = parameter(code, &[base], kind, expression);
            let error = check(&registry, "1", &resource).expect_err(expression);
            assert_eq!(error.category, Category::Unprocessable, "{expression}");
            let issue = &error.issues[0];
            let at = issue.expression.as_deref().unwrap_or_default();
            assert_eq!(at, format!("SearchParameter.{place}"), "{expression}");
            assert!(issue.text.contains(says), "{expression}: {}", issue.text);
        }
    }

    #[test]
    fn what_is_not_active_is_not_looked_at() {
        let mut resource = parameter("a.b", &["Nothing"], "token", "((((");
        for status in ["draft", "retired", "unknown"] {
            resource["status"] = json!(status);
            let checked = check(&registry(), "1", &resource);
            assert!(matches!(checked, Ok(None)), "{status}: {checked:?}");
        }
    }

    /// TD5.
    #[test]
    fn a_code_that_is_taken_is_a_conflict() {
        let registry = registry();
        let own = parameter(
            "mine",
            &["Patient", "Group"],
            "token",
            "Patient.active | Group.active",
        );
        let own = check(&registry, "1", &own)
            .expect("it is fine")
            .expect("it is active");
        let registry = registry.with_custom(vec![own], Default::default());
        for (id, code, base, outcome) in [
            ("2", "mine", "Patient", Some(Category::Conflict)),
            ("2", "mine", "Device", None),
            ("1", "mine", "Patient", None),
            ("2", "birthdate", "Patient", Some(Category::Conflict)),
            ("2", "birthdate", "Device", None),
        ] {
            let resource = parameter(code, &[base], "token", &format!("{base}.id"));
            let checked = check(&registry, id, &resource);
            let category = checked.as_ref().err().map(|error| error.category);
            assert_eq!(category, outcome, "{id} {code} {base}: {checked:?}");
        }
        let mut derived = parameter("birthdate", &["Patient"], "date", "Patient.birthDate");
        derived["derivedFrom"] = json!("http://hl7.org/fhir/SearchParameter/individual-birthdate");
        let checked = check(&registry, "2", &derived);
        assert!(matches!(checked, Ok(None)), "{checked:?}");
    }

    /// The rules are as wide as the specification's own parameters.
    #[test]
    fn every_published_parameter_passes() {
        let registry = registry();
        let mut refused = Vec::new();
        for resource_type in ResourceType::all() {
            let published = registry.model().definitions();
            for one in published.search_parameters_for(resource_type.name()) {
                let is_other = matches!(one.kind, Kind::Composite | Kind::Special);
                if is_other || one.expression.is_none() {
                    continue;
                }
                let custom = Custom {
                    id: "1".to_owned(),
                    definition: SearchParameter::clone(one),
                    types: vec![resource_type],
                };
                let issues = expression_issues(registry.model(), &custom);
                let texts = issues.into_iter().map(|issue| issue.text);
                refused.extend(texts.map(|text| format!("{resource_type}.{}: {text}", one.code)));
            }
        }
        assert_eq!(refused, [] as [String; 0], "{} of them", refused.len());
    }
}
