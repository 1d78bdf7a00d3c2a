//! The blood pressure of the fixtures, as the server stores it: with its id, its meta and
//! references to a patient and an encounter.

use crate::Result;
use serde_json::{Value, json};

pub fn observation() -> Result<Value> {
    let text = include_str!("../../../fixtures/single/observation-vital.json");
    let mut resource: Value = serde_json::from_str(text)?;
    resource["id"] = json!("019b0c3e-0000-7000-8000-000000000000");
    resource["meta"] = json!({
        "versionId": "1",
        "lastUpdated": "2026-03-03T10:00:02.123Z",
        "profile": ["http://hl7.org/fhir/StructureDefinition/vitalsigns"],
    });
    resource["subject"]["reference"] = json!("Patient/019b0c3e-0000-7000-8000-000000000001");
    resource["encounter"] = json!({"reference": "Encounter/019b0c3e-0000-7000-8000-000000000002"});
    Ok(resource)
}
