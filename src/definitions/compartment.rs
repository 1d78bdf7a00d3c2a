//! CompartmentDefinitions, typed: <https://hl7.org/fhir/R4/compartmentdefinition.html>.

use std::collections::BTreeMap;

use serde_json::Value;

use super::structure::{items, text, texts};

/// One kind of compartment.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Compartment {
    pub url: String,
    /// The resource type that a compartment belongs to: `Patient`.
    pub code: String,
    /// By resource type, the search parameters any of which puts a resource into the
    /// compartment. Types that are never in it are absent. `{def}` stands for the resource
    /// that the compartment belongs to itself.
    pub resources: BTreeMap<String, Vec<String>>,
}

impl Compartment {
    pub(super) fn parse(definition: &Value) -> Result<Compartment, String> {
        let url = text(definition, "url").unwrap_or_default();
        let code = text(definition, "code")
            .ok_or_else(|| format!("CompartmentDefinition {url} has no code"))?;
        let resources = items(&definition["resource"])
            .map(|r| (text(r, "code").unwrap_or_default(), texts(&r["param"])))
            .filter(|(_, params)| !params.is_empty())
            .collect();
        Ok(Compartment {
            url,
            code,
            resources,
        })
    }

    /// The parameters that put a resource of this type into the compartment; none for a type
    /// that is never in it.
    pub fn params(&self, resource_type: &str) -> &[String] {
        self.resources.get(resource_type).map_or(&[], Vec::as_slice)
    }
}
