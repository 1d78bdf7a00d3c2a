//! Extensions, settings, definitions as instances, and what profiles say by extensions.

use super::*;

const PATIENT: &str = "http://hl7.org/fhir/StructureDefinition/Patient";

fn errors(profiles: &Profiles, resource: &Value) -> Vec<String> {
    let issues = profiles.validate(resource, &[]);
    let errors = issues.into_iter().filter(Issue::is_error);
    errors.filter_map(|issue| issue.expression).collect()
}

fn patient(members: Value) -> Value {
    let mut patient = members;
    patient["resourceType"] = json!("Patient");
    patient
}

#[test]
fn extensions_stand_where_their_definitions_let_them() {
    let extension = |name: &str, contexts: Value, elements: Value| {
        let mut definition = profile(name, "Extension", elements);
        definition["context"] = contexts;
        definition
    };
    let on = |kind: &str, expression: &str| json!([{"type": kind, "expression": expression}]);
    let mut invariant = extension("i", on("element", "Patient"), json!([]));
    invariant["contextInvariant"] = json!(["active.not() and %extension.value.exists()"]);
    let profiles = profiles(vec![
        extension("on-patient", on("element", "Patient"), json!([])),
        extension(
            "on-extension",
            on("extension", "http://x/on-patient"),
            json!([]),
        ),
        extension(
            "complex",
            on("element", "Patient"),
            json!([
                {"path": "Extension.extension", "id": "Extension.extension:a", "sliceName": "a"},
                {"path": "Extension.extension.url", "id": "Extension.extension:a.url", "fixedUri": "a"}
            ]),
        ),
        invariant,
    ]);
    let one = |url: &str| json!({"url": url, "valueBoolean": true});
    for (extension, expected) in [
        (one("http://x/on-patient"), &[][..]),
        (one("on-patient"), &["Patient.extension[0]"]),
        (one("http://x/on-patient|1.0"), &["Patient.extension[0]"]),
        (one("http://x/nobody"), &[]),
        (one("http://x/on-extension"), &["Patient.extension[0]"]),
        (
            json!({"url": "http://x/on-patient", "valueBoolean": true, "_valueBoolean": {"extension": [one("http://x/on-extension")]}}),
            &[],
        ),
        (
            json!({"url": "http://x/nobody", "valueBoolean": true, "_valueBoolean": {"extension": [one("http://x/on-extension")]}}),
            &["Patient.extension[0].value.extension[0]"],
        ),
        (
            json!({"url": "http://x/complex", "extension": [one("a")]}),
            &[],
        ),
        (
            json!({"url": "http://x/complex", "extension": [one("b")]}),
            &["Patient.extension[0].extension[0]"],
        ),
        (one("http://x/i"), &["Patient.extension[0]"]),
    ] {
        let found = errors(
            &profiles,
            &patient(json!({"active": true, "extension": [extension]})),
        );
        assert_eq!(found, expected, "{extension}");
    }
    let found = errors(
        &profiles,
        &patient(json!({"active": false, "extension": [one("http://x/i")]})),
    );
    assert_eq!(found, [""; 0]);
}

#[test]
fn settings_weigh_what_the_specification_leaves_open() {
    let rows = [
        (
            json!({"extension": [{"url": "http://x/nobody", "valueBoolean": true}]}),
            Settings {
                unknown_extensions: Severity::Error,
                ..Settings::default()
            },
        ),
        (
            json!({"maritalStatus": {"coding": [{"system": "http://terminology.hl7.org/CodeSystem/v3-MaritalStatus", "code": "M", "display": "Wed"}]}}),
            Settings {
                wrong_displays: Severity::Error,
                ..Settings::default()
            },
        ),
        (
            json!({"name": [{"text": "<script>x</script>"}]}),
            Settings {
                html_in_texts: Severity::Error,
                ..Settings::default()
            },
        ),
        (
            json!({"photo": [{"url": "http://example.org/x.png"}]}),
            Settings {
                example_urls: Severity::Error,
                ..Settings::default()
            },
        ),
        (
            json!({"meta": {"profile": ["relative"]}}),
            Settings {
                relative_canonicals: Severity::Error,
                ..Settings::default()
            },
        ),
        (
            json!({"managingOrganization": {"reference": "Organization/1"}}),
            Settings {
                missing_targets: Some(Severity::Error),
                ..Settings::default()
            },
        ),
    ];
    let lenient = profiles(Vec::new());
    for (members, settings) in rows {
        let resource = patient(members);
        assert_eq!(errors(&lenient, &resource), [""; 0], "{resource}");
        let strict = profiles(Vec::new()).with_settings(settings);
        assert_eq!(errors(&strict, &resource).len(), 1, "{resource}");
    }
    let elsewhere = Settings {
        unknown_extensions: Severity::Error,
        known_elsewhere: vec!["http://x/".to_owned()],
        ..Settings::default()
    };
    let resource =
        patient(json!({"extension": [{"url": "http://x/nobody", "valueBoolean": true}]}));
    assert_eq!(
        errors(&profiles(Vec::new()).with_settings(elsewhere), &resource),
        [""; 0]
    );
}

#[test]
fn a_definition_speaks_of_elements_that_are_there() {
    let profiles = profiles(vec![profile(
        "base",
        "Patient",
        json!([{"path": "Patient.gender", "id": "Patient.gender", "fixedCode": "female"}]),
    )]);
    let structure = |base: &str, element: Value| {
        let mut definition = profile("one", "Patient", json!([element]));
        definition["baseDefinition"] = json!(base);
        definition
    };
    let at = |below: &str| format!("StructureDefinition.differential.element[0]{below}");
    let slicing =
        |path: &str| json!({"discriminator": [{"type": "value", "path": path}], "rules": "open"});
    for (base, element, expected) in [
        (
            PATIENT,
            json!({"id": "Patient.name", "path": "Patient.name"}),
            None,
        ),
        (
            PATIENT,
            json!({"id": "Patient.nmae", "path": "Patient.nmae"}),
            Some(at(".path")),
        ),
        (
            PATIENT,
            json!({"id": "Patient.deceasedBoolean", "path": "Patient.deceasedBoolean"}),
            None,
        ),
        (
            PATIENT,
            json!({"id": "Patient", "path": "Patient", "slicing": slicing("url")}),
            Some(at(".slicing")),
        ),
        (
            PATIENT,
            json!({"id": "Patient.extension", "path": "Patient.extension", "slicing": slicing("url")}),
            None,
        ),
        (
            PATIENT,
            json!({"id": "Patient.extension", "path": "Patient.extension", "slicing": slicing("type")}),
            Some(at(".slicing.discriminator[0]")),
        ),
        (
            PATIENT,
            json!({"id": "Patient.name", "path": "Patient.name", "type": [{"code": "HumanName", "profile": ["http://hl7.org/fhir/StructureDefinition/Address"]}]}),
            Some(at(".type[0].profile[0]")),
        ),
        (
            "http://x/base",
            json!({"id": "Patient.gender", "path": "Patient.gender", "fixedCode": "female"}),
            None,
        ),
        (
            "http://x/base",
            json!({"id": "Patient.gender", "path": "Patient.gender", "fixedCode": "male"}),
            Some(at(".fixed")),
        ),
        (
            "http://x/one",
            json!({"id": "Patient.gender", "path": "Patient.gender"}),
            Some("StructureDefinition.baseDefinition".to_owned()),
        ),
    ] {
        let mut found = errors(&profiles, &structure(base, element.clone()));
        // An invariant refuses some of them as well.
        found.retain(|at| at != "StructureDefinition.differential");
        assert_eq!(found, Vec::from_iter(expected), "{element}");
    }
    // What speaks of no element is not taken for a profile.
    let broken = super::profiles(vec![profile(
        "p",
        "Patient",
        json!([{"path": "Patient.nmae", "id": "Patient.nmae", "min": 1}]),
    )]);
    assert!(!broken.is_known("http://x/p"));
}

#[test]
fn search_parameters_and_capabilities_fit_their_definitions() {
    let profiles = profiles(Vec::new());
    let parameter = |members: Value| {
        let mut parameter = json!({"resourceType": "SearchParameter", "url": "http://x/s", "name": "S", "status": "active",
            "description": "d", "code": "s", "base": ["Patient"], "type": "string", "expression": "Patient.name"});
        for (name, value) in members.as_object().into_iter().flatten() {
            parameter[name] = value.clone();
        }
        parameter
    };
    let name = "http://hl7.org/fhir/SearchParameter/Patient-name";
    for (members, expected) in [
        (json!({}), None),
        (
            json!({"expression": "Patient.name | Practitioner.name"}),
            Some("SearchParameter.expression"),
        ),
        (
            json!({"expression": "Patient.name("}),
            Some("SearchParameter.expression"),
        ),
        (
            json!({"type": "composite"}),
            Some("SearchParameter.component"),
        ),
        (json!({"derivedFrom": name}), None),
        (
            json!({"derivedFrom": name, "type": "token"}),
            Some("SearchParameter.type"),
        ),
        (
            json!({"derivedFrom": name, "base": ["Group"], "expression": "Group.name"}),
            Some("SearchParameter.base"),
        ),
    ] {
        assert_eq!(
            errors(&profiles, &parameter(members.clone())),
            Vec::from_iter(expected),
            "{members}"
        );
    }
    for (kind, expected) in [
        ("string", None),
        (
            "token",
            Some("CapabilityStatement.rest[0].resource[0].searchParam[0].type"),
        ),
    ] {
        let statement = json!({"resourceType": "CapabilityStatement", "status": "active", "date": "2020", "kind": "requirements",
            "fhirVersion": "4.0.1", "format": ["json"], "description": "d", "rest": [{"mode": "server", "resource": [
                {"type": "Patient", "searchParam": [{"name": "name", "definition": name, "type": kind}]}]}]});
        assert_eq!(
            errors(&profiles, &statement),
            Vec::from_iter(expected),
            "{kind}"
        );
    }
}

#[test]
fn profiles_say_more_by_extensions() {
    let said = |url: &str, name: &str, value: Value| json!([{"url": url, name: value}]);
    let five = |name: &str| {
        format!("http://hl7.org/fhir/5.0/StructureDefinition/extension-ElementDefinition.{name}")
    };
    let reason = "http://hl7.org/fhir/StructureDefinition/data-absent-reason";
    let masked =
        |url: &str| json!({"_active": {"extension": [{"url": url, "valueCode": "masked"}]}});
    let nullflavor = masked("http://hl7.org/fhir/StructureDefinition/iso21090-nullFlavor");
    for (element, members, refused) in [
        (
            json!({"path": "Patient.id", "extension": said("http://hl7.org/fhir/StructureDefinition/minLength", "valueInteger", json!(3))}),
            json!({"id": "ab"}),
            true,
        ),
        (
            json!({"path": "Patient.id", "extension": said("http://hl7.org/fhir/StructureDefinition/minLength", "valueInteger", json!(3))}),
            json!({"id": "abc"}),
            false,
        ),
        (
            json!({"path": "Patient.active", "extension": said(&five("mustHaveValue"), "valueBoolean", json!(true))}),
            masked(reason),
            true,
        ),
        (
            json!({"path": "Patient.active", "extension": said(&five("valueAlternatives"), "valueCanonical", json!(reason))}),
            masked(reason),
            false,
        ),
        (
            json!({"path": "Patient.active", "extension": said(&five("valueAlternatives"), "valueCanonical", json!(reason))}),
            nullflavor,
            true,
        ),
        (
            json!({"path": "Patient.maritalStatus", "binding": {"strength": "example", "valueSet": "http://x/none", "extension": [
                {"url": five("binding.additional"), "extension": [{"url": "purpose", "valueCode": "required"},
                    {"url": "valueSet", "valueCanonical": "http://hl7.org/fhir/ValueSet/administrative-gender"}]}]}}),
            json!({"maritalStatus": {"coding": [{"system": "http://terminology.hl7.org/CodeSystem/v3-MaritalStatus", "code": "M"}]}}),
            true,
        ),
        (
            json!({"path": "Patient.telecom", "fixedContactPoint": {"use": "home"}}),
            json!({"telecom": [{"use": "home"}]}),
            false,
        ),
        (
            json!({"path": "Patient.telecom", "fixedContactPoint": {"use": "home"}}),
            json!({"telecom": [{"use": "home", "value": "1"}]}),
            true,
        ),
    ] {
        let mut element = element;
        element["id"] = element["path"].clone();
        let profiles = profiles(vec![profile("p", "Patient", json!([element]))]);
        let found = places(&profiles, &patient(members.clone()));
        assert_eq!(!found.is_empty(), refused, "{element} {members} {found:?}");
    }
}

#[test]
fn narratives_have_the_sections_that_a_profile_asks_for() {
    let div = |inner: &str| {
        json!({"language": "en", "text": {"status": "generated",
        "div": format!("<div xmlns=\"http://www.w3.org/1999/xhtml\">{inner}</div>")}})
    };
    let (none, english, german) = (
        "<p class=\"generated\">x</p>",
        "<div lang=\"en\"><p>x</p></div>",
        "<div lang=\"de\"><p>x</p></div>",
    );
    for (name, code, inner, refused) in [
        ("language", "_no", none, false),
        ("language", "_no", english, true),
        ("language", "_yes", none, true),
        ("language", "_yes", german, false),
        ("language", "_resource", english, false),
        ("language", "_resource", german, true),
        ("language", "de", german, false),
        ("language", "de", english, true),
        ("source", "error", none, false),
        ("source", "error", english, true),
    ] {
        let url = format!("http://hl7.org/fhir/StructureDefinition/narrative-{name}-control");
        let element = json!({"path": "Patient.text", "id": "Patient.text", "extension": [{"url": url, "valueCode": code}]});
        let profiles = profiles(vec![profile("p", "Patient", json!([element]))]);
        let expected: &[&str] = if refused { &["Patient.text"] } else { &[] };
        assert_eq!(
            places(&profiles, &patient(div(inner))),
            expected,
            "{code} {inner}"
        );
    }
}

#[test]
fn slices_may_be_told_by_what_is_not_there_and_by_extensions() {
    let element = |id: &str, members: Value| {
        let path: Vec<&str> = id
            .split('.')
            .map(|step| step.split(':').next().unwrap_or(step))
            .collect();
        let mut element = json!({"id": id, "path": path.join(".")});
        if let Some((_, slice)) = id.rsplit('.').next().and_then(|last| last.split_once(':')) {
            element["sliceName"] = json!(slice);
        }
        for (name, value) in members.as_object().into_iter().flatten() {
            element[name] = value.clone();
        }
        element
    };
    let slicing = |paths: &[&str]| {
        let discriminators: Vec<Value> = paths
            .iter()
            .map(|path| json!({"type": "value", "path": path}))
            .collect();
        json!({"slicing": {"discriminator": discriminators, "rules": "closed"}})
    };
    let profiles = profiles(vec![profile(
        "p",
        "Patient",
        json!([
            element("Patient.telecom", slicing(&["system", "use"])),
            element("Patient.telecom:home", json!({"max": "1"})),
            element("Patient.telecom:home.system", json!({"fixedCode": "phone"})),
            element("Patient.telecom:home.use", json!({"fixedCode": "home"})),
            element("Patient.telecom:email", json!({})),
            element(
                "Patient.telecom:email.system",
                json!({"fixedCode": "email"})
            ),
            element("Patient.telecom:email.use", json!({"max": "0"})),
            element("Patient.telecom:fax", json!({})),
            element("Patient.telecom:fax.system", json!({"fixedCode": "fax"})),
            element(
                "Patient.name",
                slicing(&["extension('http://x/kind.of').value"])
            ),
            element("Patient.name:a", json!({})),
            element("Patient.name:a.extension:kind", json!({"min": 1})),
            element(
                "Patient.name:a.extension:kind.url",
                json!({"fixedUri": "http://x/kind.of"})
            ),
            element(
                "Patient.name:a.extension:kind.valueCode",
                json!({"min": 1, "fixedCode": "a"})
            ),
        ]),
    )]);
    let name = |code: &str| json!({"name": [{"extension": [{"url": "http://x/kind.of", "valueCode": code}]}]});
    check(
        &profiles,
        "Patient",
        &[
            (
                json!({"telecom": [{"system": "phone", "use": "home", "value": "1"}]}),
                &[],
            ),
            (
                json!({"telecom": [{"system": "phone", "use": "work", "value": "1"}]}),
                &["Patient.telecom[0]"],
            ),
            (json!({"telecom": [{"system": "email", "value": "1"}]}), &[]),
            (
                json!({"telecom": [{"system": "email", "use": "home", "value": "1"}]}),
                &["Patient.telecom[0]"],
            ),
            (
                json!({"telecom": [{"system": "fax", "use": "home", "value": "1"}]}),
                &[],
            ),
            (name("a"), &[]),
            (name("b"), &["Patient.name[0]"]),
        ],
    );
}

#[test]
fn slices_of_the_profile_of_a_type_are_known_by_their_names() {
    let address = profile(
        "address",
        "Address",
        json!([
            {"path": "Address.line.extension", "id": "Address.line.extension",
                "slicing": {"discriminator": [{"type": "value", "path": "url"}], "rules": "open"}},
            {"path": "Address.line.extension", "id": "Address.line.extension:street", "sliceName": "street",
                "type": [{"code": "Extension", "profile": ["http://hl7.org/fhir/StructureDefinition/iso21090-ADXP-streetName"]}]}
        ]),
    );
    let patient = profile(
        "p",
        "Patient",
        json!([
            {"path": "Patient.address", "id": "Patient.address", "type": [{"code": "Address", "profile": ["http://x/address"]}]},
            {"path": "Patient.address.line.extension", "id": "Patient.address.line.extension",
                "slicing": {"discriminator": [{"type": "value", "path": "url"}], "rules": "closed"}},
            {"path": "Patient.address.line.extension", "id": "Patient.address.line.extension:street", "sliceName": "street", "min": 1}
        ]),
    );
    let profiles = profiles(vec![address, patient]);
    let line = |name: &str| {
        let url = format!("http://hl7.org/fhir/StructureDefinition/iso21090-ADXP-{name}");
        json!({"address": [{"line": ["x"], "_line": [{"extension": [{"url": url, "valueString": "x"}]}]}]})
    };
    check(
        &profiles,
        "Patient",
        &[
            (line("streetName"), &[]),
            (
                line("houseNumber"),
                &[
                    "Patient.address[0].line[0].extension[0]",
                    "Patient.address[0].line[0].extension",
                ],
            ),
        ],
    );
}
