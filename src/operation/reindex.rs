//! `$reindex`: makes the search index anew, in the background, and tells how far that is.
//!
//! ```text
//! POST [base]/$reindex, [base]/[type]/$reindex   -> a job; `type`, repeated, in the body or URL
//! GET [base]/_job/[id]                           -> how far it is, as Parameters
//! DELETE [base]/_job/[id]                        -> cancelled
//! ```
//!
//! Asked and answered as the specification's asynchronous requests are:
//! <https://hl7.org/fhir/R4/async.html>. The parameters of the answer are our own.

use crate::access::Access;
use crate::error::{Category, Error, Issue, Result};
use crate::fhir::ResourceType;
use crate::interaction::{Hub, prepare};
use crate::jobs::reindex::{self, Plan};
use crate::storage::jobs::{self, Job, State};
use serde_json::{Value, json};

/// What is asked to be indexed anew.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Request {
    /// No type is every type.
    types: Vec<ResourceType>,
}

impl Request {
    /// Reads the type of the URL, its parameters and the body, which may be empty.
    ///
    /// # Errors
    /// `Invalid`: no Parameters, an unknown parameter or type.
    pub fn parse(
        hub: &Hub,
        place: Option<ResourceType>,
        pairs: &[(String, String)],
        body: &[u8],
    ) -> Result<Request> {
        let mut request = Request::default();
        let mut issues = Vec::new();
        for (name, value) in pairs.iter().filter(|(name, _)| !is_general(name)) {
            request.take(name, Some(value), &mut issues);
        }
        if !body.is_empty() {
            let parameters = prepare::parse_any(hub, body)?;
            if parameters.get("resourceType") != Some(&json!("Parameters")) {
                return Err(Error::coded(
                    Category::Invalid,
                    "structure",
                    "expected Parameters or no body at all",
                ));
            }
            let list = match parameters.get("parameter") {
                None => &[][..],
                Some(Value::Array(list)) => list,
                Some(_) => {
                    let text = "expected a list as Parameters.parameter but found something else";
                    return Err(Error::coded(Category::Invalid, "structure", text));
                }
            };
            for parameter in list {
                let name = parameter["name"].as_str().unwrap_or_default();
                let values = ["valueCode", "valueString", "valueUri"];
                let value = values.iter().find_map(|value| parameter[*value].as_str());
                request.take(name, value, &mut issues);
            }
        }
        if !issues.is_empty() {
            return Err(Error::of(Category::Invalid, issues));
        }
        if let Some(place) = place {
            if request.types.iter().any(|kind| *kind != place) {
                let text = format!("expected no other type than that of the URL, {place}");
                return Err(Error::invalid(text));
            }
            request.types = vec![place];
        }
        Ok(request)
    }

    fn take(&mut self, name: &str, value: Option<&str>, issues: &mut Vec<Issue>) {
        let issue = match (name, value.map(|value| (value, ResourceType::parse(value)))) {
            ("type", Some((_, Some(kind)))) => {
                self.types.push(kind);
                return;
            }
            ("type", Some((other, None))) => Issue::error(
                "value",
                format!("expected a resource type but found {other:?}"),
            ),
            ("type", None) => Issue::error("required", "expected type with a valueCode"),
            _ => Issue::error(
                "not-supported",
                format!("expected the parameter type but found {name:?}"),
            ),
        };
        issues.push(issue);
    }
}

/// Parameters of any request, which say how to answer.
fn is_general(name: &str) -> bool {
    matches!(name, "_format" | "_pretty")
}

/// Queues the job.
pub async fn start(hub: &Hub, access: &Access, request: &Request) -> Result<Job> {
    let mut types = request.types.clone();
    types.sort_unstable();
    types.dedup();
    let id = reindex::queue(hub, access, &types).await?;
    find(hub, access, &id).await
}

/// The job of that id.
///
/// # Errors
/// `NotFound`.
pub async fn find(hub: &Hub, access: &Access, id: &str) -> Result<Job> {
    let mut connection = hub.store.pool().acquire().await?;
    let job = jobs::find(&mut connection, access, id).await?;
    job.ok_or_else(|| Error::new(Category::NotFound, format!("there is no job {id}")))
}

/// The jobs that are not at their end, oldest first.
pub async fn open(hub: &Hub, access: &Access) -> Result<Vec<Job>> {
    let mut connection = hub.store.pool().acquire().await?;
    jobs::open(&mut connection, access).await
}

/// Cancels a job; one that is at its end stays as it is. What it was to build stays unbuilt.
///
/// # Errors
/// `NotFound`.
pub async fn cancel(hub: &Hub, access: &Access, id: &str) -> Result<Job> {
    let mut connection = hub.store.pool().acquire().await?;
    jobs::cancel(&mut connection, access, id).await?;
    drop(connection);
    find(hub, access, id).await
}

/// How far a job is, in one line.
pub fn progress(job: &Job) -> String {
    match (job.state, job.total) {
        (State::Running, Some(total)) if total > 0 => {
            let percent = job.done.min(total) * 100 / total;
            format!("{} of {total} resources ({percent} %)", job.done)
        }
        (state, _) => state.as_str().to_owned(),
    }
}

/// A job as Parameters.
pub fn parameters(job: &Job, base: &str) -> Value {
    json!({ "resourceType": "Parameters", "parameter": parts(job, base) })
}

/// Several jobs as Parameters, each a parameter `job` of parts.
pub fn list(jobs: &[Job], base: &str) -> Value {
    let parameters: Vec<Value> = jobs
        .iter()
        .map(|job| json!({"name": "job", "part": parts(job, base)}))
        .collect();
    match parameters.is_empty() {
        true => json!({"resourceType": "Parameters"}),
        false => json!({"resourceType": "Parameters", "parameter": parameters}),
    }
}

fn parts(job: &Job, base: &str) -> Vec<Value> {
    let mut parts = vec![
        json!({"name": "url", "valueUri": format!("{base}/_job/{}", job.id)}),
        json!({"name": "kind", "valueCode": job.kind}),
        json!({"name": "state", "valueCode": job.state.as_str()}),
        json!({"name": "done", "valueDecimal": job.done}),
    ];
    parts.extend(
        job.total
            .map(|total| json!({"name": "total", "valueDecimal": total})),
    );
    let plan = Plan::of(job).unwrap_or_default();
    for kind in plan.types {
        parts.push(json!({"name": "type", "valueCode": kind}));
    }
    for (name, moment) in [
        ("created", Some(job.created)),
        ("started", job.started),
        ("ended", job.ended),
    ] {
        if let Some(moment) = moment {
            parts.push(json!({"name": name, "valueInstant": moment.to_string()}));
        }
    }
    if let Some(error) = &job.error {
        parts.push(json!({"name": "error", "valueString": error}));
    }
    parts
}

/// Whether anything may still change.
pub fn is_open(job: &Job) -> bool {
    !job.state.is_final()
}
