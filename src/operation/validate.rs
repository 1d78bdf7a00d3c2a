//! `$validate`: whether a resource could be stored, and every reason why not.
//! <https://hl7.org/fhir/R4/resource-operation-validate.html>
//!
//! ```text
//! POST [base]/[type]/$validate        the resource, or Parameters with `resource`
//! POST [base]/[type]/[id]/$validate   the same, or nothing: what is stored is validated
//! ```
//!
//! `profile` and `mode` stand in the URL or in the Parameters. The answer is 200 with an
//! OperationOutcome whether the resource is valid or not; what cannot be read as JSON, and a
//! profile that is not known here, are errors of the request. The mode `delete` says no more
//! than that the resource is there; uniqueness is not checked by any mode. The profiles that a
//! type requires here count in every mode but `profile`, which asks about those it names.

use crate::access::Access;
use crate::error::{Category, Error, Issue, Result};
use crate::fhir::ResourceType;
use crate::fhir::outcome::operation_outcome;
use crate::interaction::{Hub, Read, bindings, prepare, read, rules};
use crate::jobs::profiles;
use crate::validation::places;
use serde_json::{Map, Value};

/// What is asked.
#[derive(Clone, Debug, Default, PartialEq)]
struct Request {
    resource: Option<Map<String, Value>>,
    profiles: Vec<String>,
    mode: Option<String>,
    /// Where in the body the resource is.
    pointer: String,
}

impl Request {
    /// Reads the parameters of the URL and a body, which may be empty.
    fn parse(hub: &Hub, pairs: &[(String, String)], body: &[u8]) -> Result<Request> {
        let mut request = Request::default();
        for (name, value) in pairs {
            match name.as_str() {
                "profile" => request.profiles.push(value.clone()),
                "mode" => request.mode = Some(value.clone()),
                "_format" | "_pretty" => {}
                _ => {
                    let text =
                        format!("expected the parameters profile and mode but found {name:?}");
                    return Err(Error::coded(Category::Invalid, "not-supported", text));
                }
            }
        }
        if body.is_empty() {
            return Ok(request);
        }
        let given = prepare::parse_any(hub, body)?;
        match parameters(&given) {
            Some(list) => request.take(list),
            None => request.resource = Some(given),
        }
        Ok(request)
    }

    fn take(&mut self, list: &[Value]) {
        let text = |parameter: &Value| {
            let names = [
                "valueUri",
                "valueCanonical",
                "valueUrl",
                "valueString",
                "valueCode",
            ];
            let found = names.iter().find_map(|name| parameter[*name].as_str());
            found.map(str::to_owned)
        };
        for (at, parameter) in list.iter().enumerate() {
            match parameter["name"].as_str() {
                Some("resource") => {
                    self.resource = parameter["resource"].as_object().cloned();
                    self.pointer = format!("/parameter/{at}/resource");
                }
                Some("profile") => self.profiles.extend(text(parameter)),
                Some("mode") => self.mode = text(parameter).or(self.mode.take()),
                _ => {}
            }
        }
    }
}

/// The list of a Parameters that is about a resource, and not itself to be validated.
fn parameters(given: &Map<String, Value>) -> Option<&[Value]> {
    let list = given.get("parameter").and_then(Value::as_array)?;
    let is_meant = |parameter: &Value| {
        matches!(
            parameter["name"].as_str(),
            Some("resource" | "profile" | "mode")
        )
    };
    let is_parameters = given
        .get("resourceType")
        .is_some_and(|kind| kind == "Parameters");
    (is_parameters && list.iter().any(is_meant)).then_some(list)
}

/// Validates; gives the OperationOutcome. `sent` is the body where it came as JSON: issues then
/// have its lines and columns.
///
/// # Errors
/// `Invalid`: no JSON, no resource, an unknown mode or profile; `NotFound`, `Gone`: nothing is
/// stored under the id.
pub async fn validate(
    hub: &Hub,
    access: &Access,
    resource_type: ResourceType,
    id: Option<&str>,
    pairs: &[(String, String)],
    body: &[u8],
    sent: Option<&[u8]>,
) -> Result<Value> {
    let request = Request::parse(hub, pairs, body)?;
    let pointer = request.pointer.clone();
    check_mode(request.mode.as_deref(), id)?;
    let is_deletion = request.mode.as_deref() == Some("delete");
    let mut sent = sent;
    let mut resource = match (request.resource, id) {
        (Some(resource), _) if !is_deletion => resource,
        (_, Some(id)) => {
            sent = None;
            stored(hub, access, resource_type, id).await?
        }
        (_, None) => {
            let text = "expected a resource in the body, or as the parameter resource";
            return Err(Error::coded(Category::Invalid, "required", text));
        }
    };
    if is_deletion {
        return Ok(operation_outcome(&[]));
    }
    let mut issues = Vec::new();
    if request.mode.as_deref() == Some("update") && prepare::id_of(&resource) != id {
        let found = prepare::id_of(&resource).unwrap_or("none");
        let text = format!("expected the id of the URL but found {found}");
        issues.push(Issue::error("value", text).at(format!("{resource_type}.id")));
    }
    if request.mode.as_deref() == Some("create") {
        // As when it is stored: the id of the body does not matter.
        resource.shift_remove("id");
    }
    profiles::refresh(hub).await?;
    let known = hub.profiles.profiles();
    let asked: Vec<&str> = request.profiles.iter().map(String::as_str).collect();
    if let Some(unknown) = asked.iter().find(|profile| !known.is_known(profile)) {
        let text = format!("expected a profile that is known here but found {unknown}");
        return Err(Error::coded(Category::Invalid, "not-found", text));
    }
    let resource = Value::Object(resource);
    issues.extend(hub.validator.validate(resource_type, &resource));
    let (found, questions) = known.validate_asking(&resource, &asked);
    issues.extend(found);
    issues.extend(bindings::settled(hub, access, &questions).await?);
    if request.mode.as_deref() != Some("profile") {
        for issue in rules::missed(hub, &known, resource_type, &resource) {
            if !issues.contains(&issue) {
                issues.push(issue);
            }
        }
    }
    places::point(&mut issues, &resource);
    if let Some(text) = sent {
        places::find_lines(&mut issues, text, &pointer);
    }
    Ok(operation_outcome(&issues))
}

/// <https://hl7.org/fhir/R4/valueset-resource-validation-mode.html>
fn check_mode(mode: Option<&str>, id: Option<&str>) -> Result<()> {
    match (mode, id) {
        (None | Some("create" | "profile"), _) | (Some("update" | "delete"), Some(_)) => Ok(()),
        (Some(mode @ ("update" | "delete")), None) => Err(Error::invalid(format!(
            "expected the mode {mode} with the id of a resource in the URL but found none"
        ))),
        (Some(mode), _) => Err(Error::coded(
            Category::Invalid,
            "value",
            format!("expected the mode create, update, delete or profile but found {mode:?}"),
        )),
    }
}

async fn stored(
    hub: &Hub,
    access: &Access,
    resource_type: ResourceType,
    id: &str,
) -> Result<Map<String, Value>> {
    let found = read::read(hub, access, resource_type, id, &Default::default()).await?;
    let (Read::Found(version) | Read::NotModified(version)) = found;
    prepare::parse_any(hub, version.body.as_deref().unwrap_or_default())
}
