//! OperationDefinitions, typed: <https://hl7.org/fhir/R4/operationdefinition.html>.
//!
//! What calls an operation and what its parameters mean is in `crate::operation`; here is
//! only where the specification allows it. Parameters stay JSON, see
//! [`Definitions::artifact`](super::Definitions::artifact).

use serde_json::Value;

use super::structure::{text, texts};

#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Operation {
    pub url: String,
    pub name: String,
    /// Without its `$`: `everything`.
    pub code: String,
    /// Resource types, `Resource` for all.
    pub resource: Vec<String>,
    pub system: bool,
    /// On a type: `/Patient/$match`.
    pub type_level: bool,
    pub instance: bool,
    /// True when it changes what the server holds, so that GET is not allowed.
    pub affects_state: bool,
    /// True for a named query (`_query=`), which is no operation of its own.
    pub is_query: bool,
}

impl Operation {
    pub(super) fn parse(definition: &Value) -> Result<Operation, String> {
        let url = text(definition, "url").unwrap_or_default();
        Ok(Operation {
            name: text(definition, "name").unwrap_or_default(),
            code: text(definition, "code")
                .ok_or_else(|| format!("OperationDefinition {url} has no code"))?,
            resource: texts(&definition["resource"]),
            system: definition["system"] == true,
            type_level: definition["type"] == true,
            instance: definition["instance"] == true,
            affects_state: definition["affectsState"] == true,
            is_query: definition["kind"] == "query",
            url,
        })
    }
}
