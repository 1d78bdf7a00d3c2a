//! The RESTful API, rule by rule: <https://hl7.org/fhir/R4/http.html>.

mod bundle;
mod conditional;
pub mod fidelity;
mod history;
mod instance;
mod integrity;
mod limits;
mod meta;
pub mod packages;
mod paging;
mod patch;
mod races;
mod reindex;
pub mod search_parameter;
mod serialization;
mod snapshot;
mod synthea;
mod validate;

use serde_json::{Value, json};

/// A Patient with one identifier in the system `urn:t`.
pub fn patient(identifier: &str) -> Value {
    json!({
        "resourceType": "Patient",
        "identifier": [{"system": "urn:t", "value": identifier}],
        "name": [{"family": "Test", "given": ["Ada"]}],
    })
}

/// The same with an id.
pub fn patient_with_id(id: &str, identifier: &str) -> Value {
    let mut patient = patient(identifier);
    patient["id"] = json!(id);
    patient
}
