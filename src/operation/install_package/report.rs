//! What whoever installs a package is told.

use super::Outcome;
use crate::error::Issue;
use crate::fhir::outcome::operation_outcome;
use crate::interaction::Hub;
use crate::package::{Dependency, Package};
use crate::search::custom::{self, Custom};
use crate::search::repetition::is_repetition;
use serde_json::{Value, json};

/// Which of the SearchParameters of a package are live, and why the others are not.
pub(super) fn tell_parameters(hub: &Hub, package: &Package, outcome: &mut Outcome) {
    let registry = hub.registry();
    let parameters = package
        .contents
        .iter()
        .filter(|content| content.resource_type.name() == "SearchParameter");
    for content in parameters {
        let Ok(resource) = content.resource() else {
            continue;
        };
        let (url, version) = (&resource["url"], &resource["version"]);
        let is_this = |custom: &&Custom| custom.definition.url == *url;
        if let Some(live) = registry.custom().iter().find(is_this) {
            outcome.parameters += usize::from(live.definition.version == *version);
            continue;
        }
        // Under an id that none has, so that nothing is taken for itself.
        if is_repetition(&registry, "", &resource) {
            continue;
        }
        if let Err(error) = custom::check(&registry, "", &resource) {
            let text = format!("{} is stored and not live: {error}", content.entry.name);
            let issue = Issue::warning("conflict", text);
            outcome.issues.push(issue.at("SearchParameter"));
        }
    }
}

/// The outcomes as Parameters.
pub(super) fn parameters(outcomes: &[Outcome]) -> Value {
    let mut list = Vec::new();
    for outcome in outcomes {
        let status = match outcome.is_new {
            true => "installed",
            false => "unchanged",
        };
        let stored: usize = outcome.stored.values().sum();
        let mut parts = vec![
            json!({"name": "name", "valueString": outcome.name}),
            json!({"name": "version", "valueString": outcome.version}),
            json!({"name": "status", "valueCode": status}),
            json!({"name": "resources", "valueInteger": stored}),
            json!({"name": "searchParameters", "valueInteger": outcome.parameters}),
        ];
        for Dependency { name, wanted } in &outcome.missing {
            let label = format!("{name}#{wanted}");
            parts.push(json!({"name": "missing", "valueString": label}));
        }
        list.push(json!({"name": "package", "part": parts}));
    }
    let issues: Vec<Issue> = outcomes
        .iter()
        .flat_map(|outcome| outcome.issues.clone())
        .collect();
    if !issues.is_empty() {
        list.push(json!({"name": "outcome", "resource": operation_outcome(&issues)}));
    }
    json!({"resourceType": "Parameters", "parameter": list})
}
