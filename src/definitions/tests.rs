//! The committed R4 definitions: what they hold, and that they are what R4 says.

use std::collections::BTreeMap;
use std::time::Instant;

use super::*;

#[test]
fn loading_decodes_the_index_only() {
    let start = Instant::now();
    let package = Package::from_bytes(R4).expect("opens");
    let definitions = Definitions::new(vec![package]);
    let opened = start.elapsed();
    println!("opened {} bytes in {opened:?}", R4.len());
    for resource_type in definitions.resource_types() {
        assert!(
            definitions.type_info(resource_type).is_some(),
            "{resource_type}"
        );
    }
    definitions.search_parameters_for("Patient");
    println!(
        "every resource type and search parameter decoded after {:?}",
        start.elapsed()
    );
}

#[test]
fn there_are_146_resource_types() {
    let definitions = Definitions::r4();
    let types = definitions.resource_types();
    assert_eq!(types.len(), 146);
    assert!(types.is_sorted());
    for (name, is_type) in [
        ("Patient", true),
        ("Parameters", true),
        ("Resource", false),
        ("DomainResource", false),
        ("MetadataResource", false),
        ("SubscriptionStatus", false),
        ("HumanName", false),
        ("patient", false),
    ] {
        assert_eq!(definitions.is_resource_type(name), is_type, "{name}");
    }
}

#[test]
fn artifacts_are_as_many_as_in_the_release() {
    let mut counts = BTreeMap::new();
    let definitions = Definitions::r4();
    for artifact in definitions.packages()[0].artifacts() {
        *counts.entry(artifact.resource_type.as_str()).or_insert(0) += 1;
    }
    println!("{counts:?}");
    assert_eq!(counts["StructureDefinition"], 149 + 63 + 44 + 393);
    assert_eq!(counts["SearchParameter"], 1375);
    assert_eq!(counts["CompartmentDefinition"], 5);
    assert_eq!(counts["OperationDefinition"], 46);
}

#[test]
fn there_are_1375_search_parameters() {
    let definitions = Definitions::r4();
    let mut counts = BTreeMap::new();
    for parameter in definitions.search_parameters() {
        *counts.entry(parameter.kind).or_insert(0) += 1;
    }
    println!("{counts:?}");
    assert_eq!(definitions.search_parameters().len(), 1375);
    let codes = |of: &str| -> Vec<String> {
        let of_type = definitions.search_parameters_for(of);
        of_type.iter().map(|p| p.code.clone()).collect()
    };
    let of_all = [
        "_content",
        "_id",
        "_lastUpdated",
        "_profile",
        "_query",
        "_security",
        "_source",
        "_tag",
    ];
    assert_eq!(codes("Resource"), of_all);
    assert!(codes("Patient").contains(&"_text".to_owned()));
    assert!(!codes("Binary").contains(&"_text".to_owned()));
    assert!(codes("Nothing").is_empty());
    let birthdate = definitions
        .search_parameter("Patient", "birthdate")
        .expect("R4 has it");
    assert_eq!(birthdate.kind, SearchParameterType::Date);
    assert!(birthdate.comparator.contains(&"ap".to_owned()));
    assert!(
        definitions
            .search_parameter("ServiceRequest", "order-detail")
            .is_none()
    );
}

#[test]
fn components_of_composites_resolve() {
    let definitions = Definitions::r4();
    for parameter in definitions.search_parameters() {
        let is_composite = parameter.kind == SearchParameterType::Composite;
        assert_eq!(
            is_composite,
            !parameter.component.is_empty(),
            "{}",
            parameter.url
        );
        for component in &parameter.component {
            let part = definitions.search_parameter_by_url(&component.definition);
            assert!(
                part.is_some(),
                "{} of {}",
                component.definition,
                parameter.url
            );
        }
    }
}

#[test]
fn every_artifact_is_read_in_its_typed_form() {
    let definitions = Definitions::r4();
    for artifact in definitions.artifacts("StructureDefinition") {
        let structure = definitions.structure(&artifact.url);
        assert!(
            structure.is_some_and(|s| !s.elements.is_empty()),
            "{}",
            artifact.url
        );
    }
    let codes: Vec<&str> = definitions
        .compartments()
        .iter()
        .map(|c| c.code.as_str())
        .collect();
    assert_eq!(
        codes,
        [
            "Device",
            "Encounter",
            "Patient",
            "Practitioner",
            "RelatedPerson"
        ]
    );
    let patient = definitions.compartment("Patient").expect("R4 has it");
    assert_eq!(patient.params("CareTeam"), ["patient", "participant"]);
    assert!(patient.params("Binary").is_empty());
    assert_eq!(definitions.operations().len(), 46);
}

#[test]
fn instances_are_walked_by_fields() {
    let definitions = Definitions::r4();
    // (type key, JSON name, type code, type key of the value, primitive, array)
    for (of, name, code, key, is_primitive, is_array) in [
        (
            "Patient",
            "contact",
            "BackboneElement",
            "Patient.contact",
            false,
            true,
        ),
        (
            "Patient.contact",
            "name",
            "HumanName",
            "HumanName",
            false,
            false,
        ),
        (
            "Patient",
            "deceasedDateTime",
            "dateTime",
            "dateTime",
            true,
            false,
        ),
        ("Patient", "id", "id", "id", true, false),
        ("HumanName", "id", "string", "string", true, false),
        ("HumanName", "given", "string", "string", true, true),
        ("Extension", "url", "uri", "uri", true, false),
        (
            "Extension",
            "valueCodeableConcept",
            "CodeableConcept",
            "CodeableConcept",
            false,
            false,
        ),
        (
            "Questionnaire.item",
            "item",
            "BackboneElement",
            "Questionnaire.item",
            false,
            true,
        ),
        (
            "Bundle.entry",
            "link",
            "BackboneElement",
            "Bundle.link",
            false,
            true,
        ),
        (
            "Bundle.entry",
            "resource",
            "Resource",
            "Resource",
            false,
            false,
        ),
        ("Timing", "repeat", "Element", "Timing.repeat", false, false),
        ("Age", "value", "decimal", "decimal", true, false),
        ("Narrative", "div", "xhtml", "xhtml", true, false),
        ("string", "extension", "Extension", "Extension", false, true),
    ] {
        let info = definitions
            .type_info(of)
            .unwrap_or_else(|| panic!("no type {of}"));
        let field = info.field(name).unwrap_or_else(|| panic!("no {of}.{name}"));
        let found = (
            &*field.type_code,
            &*field.type_key,
            field.is_primitive,
            field.is_array,
        );
        assert_eq!(found, (code, key, is_primitive, is_array), "{of}.{name}");
    }
    for (of, name) in [
        ("Patient", "deceased"),
        ("Patient", "deceased[x]"),
        ("string", "value"),
    ] {
        let info = definitions.type_info(of).expect("a type");
        assert!(info.field(name).is_none(), "{of}.{name}");
    }
    let patient = definitions.type_info("Patient").expect("a type");
    let choice: Vec<&str> = patient
        .fields_of("deceased")
        .map(|(name, _)| name)
        .collect();
    assert_eq!(choice, ["deceasedBoolean", "deceasedDateTime"]);
    assert!(definitions.type_info("Patient.nothing").is_none());
    assert!(definitions.type_info("Patient.name").is_none());
}

#[test]
fn every_type_key_leads_to_a_type() {
    let definitions = Definitions::r4();
    let mut open: Vec<String> = definitions.resource_types().to_vec();
    let mut seen = std::collections::BTreeSet::new();
    while let Some(key) = open.pop() {
        let info = definitions
            .type_info(&key)
            .unwrap_or_else(|| panic!("no type {key}"));
        for field in info.fields.values() {
            if seen.insert(field.type_key.clone()) {
                open.push(field.type_key.clone());
            }
        }
    }
    println!("{} types and backbone elements", seen.len());
}

#[test]
fn references_know_their_targets() {
    let definitions = Definitions::r4();
    let observation = definitions.type_info("Observation").expect("a type");
    let subject = observation.field("subject").expect("a field");
    assert!(subject.is_reference);
    assert_eq!(
        subject.target_types,
        ["Patient", "Group", "Device", "Location"]
    );
    let focus = observation.field("focus").expect("a field");
    assert!(focus.target_types.is_empty(), "any resource");
}

#[test]
fn primitives_know_their_pattern() {
    let definitions = Definitions::r4();
    for (name, regex) in [
        ("id", Some("[A-Za-z0-9\\-\\.]{1,64}")),
        ("code", Some("[^\\s]+(\\s[^\\s]+)*")),
        ("boolean", Some("true|false")),
        ("Patient", None),
    ] {
        let structure = definitions.structure(name).expect("a structure");
        assert_eq!(structure.regex(), regex, "{name}");
    }
}

/// What the carrier of the definitions added is gone, what it replaced is back.
#[test]
fn the_types_are_those_of_r4() {
    let definitions = Definitions::r4();
    for (of, name, is_r4) in [
        ("Meta", "project", false),
        ("Meta", "lastUpdated", true),
        ("Binary", "url", false),
        ("DeviceDefinition", "classification", false),
        ("ObservationDefinition", "publisher", false),
        ("ResearchStudy", "studyDesign", false),
        ("ResearchStudy", "title", true),
        (
            "EvidenceVariable.characteristic",
            "definitionByCombination",
            false,
        ),
        (
            "EvidenceVariable.characteristic",
            "definitionExpression",
            true,
        ),
        (
            "EvidenceVariable.characteristic",
            "participantEffectivePeriod",
            true,
        ),
    ] {
        let info = definitions.type_info(of).expect("a type");
        assert_eq!(info.field(name).is_some(), is_r4, "{of}.{name}");
    }
    let bindings = [
        (
            "DetectedIssue",
            "http://hl7.org/fhir/ValueSet/observation-status|4.0.1",
        ),
        (
            "ResearchStudy",
            "http://hl7.org/fhir/ValueSet/research-study-status|4.0.1",
        ),
    ];
    for (of, value_set) in bindings {
        let info = definitions.type_info(of).expect("a type");
        let binding = info.field("status").and_then(|f| f.binding.clone());
        assert_eq!(
            binding.map(|b| b.value_set).as_deref(),
            Some(value_set),
            "{of}"
        );
    }
}

#[test]
fn required_bindings_of_codes_are_enumerable() {
    let definitions = Definitions::r4();
    let mut unknown = std::collections::BTreeSet::new();
    let mut known = std::collections::BTreeSet::new();
    for artifact in definitions.artifacts("StructureDefinition") {
        if artifact.derivation == "constraint" {
            continue;
        }
        let structure = definitions.structure(&artifact.url).expect("a structure");
        for element in &structure.elements {
            let binding = element
                .binding
                .as_ref()
                .filter(|b| b.strength == Strength::Required);
            let Some(binding) = binding else { continue };
            if element.types.iter().all(|t| t.code == "code") {
                let codes = definitions.value_set_codes(&binding.value_set);
                let set = if codes.is_some() {
                    &mut known
                } else {
                    &mut unknown
                };
                set.insert(binding.value_set.clone());
            }
        }
    }
    println!("{} enumerable; not: {unknown:?}", known.len());
    // The codes of these lie in BCP 13 and ISO 4217.
    let elsewhere = ["currencies|4.0.1", "mimetypes|4.0.1"];
    let elsewhere = elsewhere.map(|v| format!("http://hl7.org/fhir/ValueSet/{v}"));
    assert!(unknown.iter().eq(&elsewhere), "{unknown:?}");
    let gender = definitions
        .value_set_codes("http://hl7.org/fhir/ValueSet/administrative-gender|4.0.1")
        .expect("enumerable");
    assert_eq!(gender.len(), 4);
    assert!(gender.contains("http://hl7.org/fhir/administrative-gender", "other"));
}

#[test]
fn codes_have_an_implicit_system() {
    let definitions = Definitions::r4();
    for (of, field, system) in [
        (
            "Patient",
            "gender",
            Some("http://hl7.org/fhir/administrative-gender"),
        ),
        (
            "Observation",
            "status",
            Some("http://hl7.org/fhir/observation-status"),
        ),
        ("Attachment", "contentType", Some("urn:ietf:bcp:13")),
        ("Patient", "language", None),
        ("Patient", "birthDate", None),
    ] {
        assert_eq!(
            definitions.implicit_system(of, field).as_deref(),
            system,
            "{of}.{field}"
        );
    }
}

#[test]
fn names_that_nothing_has_are_not_found() {
    let definitions = Definitions::r4();
    for name in [
        "",
        "NoSuch",
        "http://nowhere/x",
        "Patient|4.0.2",
        "|",
        ".",
        "Patient.",
    ] {
        assert!(definitions.structure(name).is_none(), "{name}");
        assert!(definitions.type_info(name).is_none(), "{name}");
        assert!(definitions.value_set_codes(name).is_none(), "{name}");
    }
    let pinned = "http://hl7.org/fhir/StructureDefinition/Patient|4.0.1";
    assert!(definitions.structure(pinned).is_some());
}
