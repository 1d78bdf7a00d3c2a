//! Search parameters that belong together, as a CapabilityStatement tells them.
//! <http://hl7.org/fhir/StructureDefinition/capabilitystatement-search-parameter-combination>
//!
//! Any parameters can be combined here; these are the combinations that US Core's server
//! statement asks for, by which clients of certified servers go.
//! <https://hl7.org/fhir/us/core/STU6.1/CapabilityStatement-us-core-server.html>
//! A combination with a parameter that is not there is left out.

use crate::fhir::ResourceType;
use crate::search::registry::Registry;
use serde_json::{Value, json};

const EXTENSION: &str =
    "http://hl7.org/fhir/StructureDefinition/capabilitystatement-search-parameter-combination";

/// By type, its combinations; what stands in a combination is needed by it.
#[rustfmt::skip]
pub static COMBINATIONS: &[(&str, &[&[&str]])] = &[
    ("AllergyIntolerance", &[&["patient", "clinical-status"]]),
    ("CarePlan", &[
        &["patient", "category"],
        &["patient", "category", "date"],
        &["patient", "category", "status"],
        &["patient", "category", "status", "date"],
    ]),
    ("CareTeam", &[&["patient", "status"], &["patient", "role"]]),
    ("Condition", &[
        &["patient", "category"],
        &["patient", "clinical-status"],
        &["patient", "category", "clinical-status"],
        &["patient", "category", "encounter"],
        &["patient", "code"],
        &["patient", "onset-date"],
        &["patient", "abatement-date"],
        &["patient", "recorded-date"],
        &["patient", "asserted-date"],
        &["patient", "_lastUpdated"],
    ]),
    ("Device", &[&["patient", "type"], &["patient", "status"]]),
    ("DiagnosticReport", &[
        &["patient", "category"],
        &["patient", "category", "date"],
        &["patient", "category", "_lastUpdated"],
        &["patient", "code"],
        &["patient", "code", "date"],
        &["patient", "status"],
    ]),
    ("DocumentReference", &[
        &["patient", "category"],
        &["patient", "category", "date"],
        &["patient", "type"],
        &["patient", "type", "period"],
        &["patient", "status"],
    ]),
    ("Encounter", &[
        &["date", "patient"],
        &["class", "patient"],
        &["patient", "discharge-disposition"],
        &["patient", "location"],
        &["patient", "status"],
        &["patient", "type"],
        &["patient", "_lastUpdated"],
    ]),
    ("Goal", &[
        &["patient", "description"],
        &["patient", "lifecycle-status"],
        &["patient", "target-date"],
    ]),
    ("Immunization", &[&["patient", "date"], &["patient", "status"]]),
    ("MedicationDispense", &[&["patient", "status"], &["patient", "status", "type"]]),
    ("MedicationRequest", &[
        &["patient", "intent"],
        &["patient", "intent", "status"],
        &["patient", "intent", "encounter"],
        &["patient", "intent", "authoredon"],
    ]),
    ("Observation", &[
        &["patient", "category"],
        &["patient", "category", "date"],
        &["patient", "category", "status"],
        &["patient", "category", "_lastUpdated"],
        &["patient", "code"],
        &["patient", "code", "date"],
    ]),
    ("Patient", &[
        &["birthdate", "name"],
        &["birthdate", "family"],
        &["death-date", "family"],
        &["gender", "name"],
        &["family", "gender"],
    ]),
    ("Procedure", &[
        &["patient", "date"],
        &["patient", "code", "date"],
        &["patient", "status"],
    ]),
    ("QuestionnaireResponse", &[
        &["patient", "authored"],
        &["patient", "questionnaire"],
        &["patient", "status"],
    ]),
    ("RelatedPerson", &[&["patient", "name"]]),
    ("ServiceRequest", &[
        &["patient", "category"],
        &["patient", "category", "authored"],
        &["patient", "code"],
        &["patient", "code", "authored"],
        &["patient", "status"],
    ]),
];

/// The combinations of a type that are there, as extensions of CapabilityStatement.rest.resource.
pub fn extensions(registry: &Registry, resource_type: ResourceType) -> Vec<Value> {
    let of_type = COMBINATIONS
        .iter()
        .find(|(name, _)| *name == resource_type.name());
    let combinations = of_type.map_or(&[][..], |(_, combinations)| combinations);
    let is_there = |code: &&str| {
        let parameter = registry.parameter(resource_type, code);
        parameter.is_some_and(|parameter| parameter.supported)
    };
    combinations
        .iter()
        .filter(|codes| codes.iter().all(&is_there))
        .map(|codes| extension(codes))
        .collect()
}

fn extension(codes: &[&str]) -> Value {
    let part = |code: &&str| json!({"url": "required", "valueString": code});
    let parts: Vec<Value> = codes.iter().map(part).collect();
    json!({"extension": parts, "url": EXTENSION})
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::definitions::Definitions;

    #[test]
    fn combinations_of_r4_are_told_and_others_are_not() {
        let registry = Registry::new(Definitions::r4()).expect("the registry of R4 compiles");
        let custom = [
            "role",
            "asserted-date",
            "discharge-disposition",
            "description",
        ];
        for (name, combinations) in COMBINATIONS {
            let resource_type = ResourceType::parse(name).expect("a type");
            let of_r4 = combinations
                .iter()
                .filter(|codes| !codes.iter().any(|code| custom.contains(code)));
            let told = extensions(&registry, resource_type);
            assert_eq!(told.len(), of_r4.count(), "{name}");
        }
    }
}
