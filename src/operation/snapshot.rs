//! `$snapshot`: a StructureDefinition with the snapshot that its differential makes.
//! <https://hl7.org/fhir/R4/structuredefinition-operation-snapshot.html>
//!
//! ```text
//! POST [base]/StructureDefinition/$snapshot          the resource, or Parameters with `definition` or `url`
//! GET  [base]/StructureDefinition/$snapshot?url=…    one that is known here: stored, or of R4
//! GET  [base]/StructureDefinition/[id]/$snapshot     one that is stored
//! ```
//!
//! Nothing is stored. A snapshot that is there already is made anew; the definition of a type of
//! R4, which has a snapshot and no differential, is given as it is.

use super::Given;
use crate::access::Access;
use crate::definitions::snapshot;
use crate::error::{Category, Error, Result};
use crate::fhir::ResourceType;
use crate::interaction::{Hub, Read, prepare, read};
use crate::jobs::profiles;
use serde_json::Value;
use std::sync::Arc;

/// Makes the snapshot.
///
/// # Errors
/// `Invalid`: nothing is named; `NotFound`, `Gone`: it is not there; `Unprocessable`: the
/// differential does not fit its base, with every problem at its element.
pub async fn snapshot(
    hub: &Hub,
    access: &Access,
    id: Option<&str>,
    given: &Given,
) -> Result<Value> {
    profiles::refresh(hub).await?;
    let known = hub.profiles.profiles();
    let definition = match (id, given.resource("definition"), given.text("url")) {
        (_, Some(definition), _) => Arc::new(definition.clone()),
        (Some(id), None, _) => Arc::new(stored(hub, access, id).await?),
        (None, None, Some(url)) => known.find("StructureDefinition", url).ok_or_else(|| {
            let text = format!("expected a StructureDefinition that is known here but found {url}");
            Error::new(Category::NotFound, text)
        })?,
        (None, None, None) => {
            let text = "expected a StructureDefinition in the body, or the parameter url";
            return Err(Error::coded(Category::Invalid, "required", text));
        }
    };
    if definition.get("differential").is_none() && definition.get("snapshot").is_some() {
        return Ok(Value::clone(&definition));
    }
    // Bases unfold types, and these others.
    let generate = move || {
        let lookup = |canonical: &str| known.find("StructureDefinition", canonical);
        snapshot::snapshot(&lookup, &definition)
    };
    let generated = tokio::task::spawn_blocking(generate).await;
    let generated = generated.map_err(Error::fault)?;
    generated.map_err(|issues| Error::of(Category::Unprocessable, issues))
}

async fn stored(hub: &Hub, access: &Access, id: &str) -> Result<Value> {
    let of = ResourceType::parse("StructureDefinition")
        .ok_or_else(|| Error::fault("StructureDefinition is no type"))?;
    let found = read::read(hub, access, of, id, &Default::default()).await?;
    let (Read::Found(version) | Read::NotModified(version)) = found;
    let body = version.body.as_deref().unwrap_or_default();
    Ok(Value::Object(prepare::parse_any(hub, body)?))
}
