//! `$lookup`: what is known of a code.
//! <https://hl7.org/fhir/R4/codesystem-operation-lookup.html>
//!
//! Without `property` all is told: the definition (a property, as R4 has it), what is above
//! and below, whether it is inactive, and the properties of its code system. `date` has no
//! effect: the newest version that is here counts.

use super::given::missing;
use super::terminology::{Call, unknown};
use crate::error::{Category, Error, Result};
use crate::terminology::CodeSystem;
use crate::terminology::code_system::{At, names, value_of};
use crate::terminology::language::{languages, speaks};
use crate::terminology::library::canonical_of;
use crate::terminology::tables::Wanted;
use serde_json::{Value, json};
use std::collections::BTreeSet;
use std::sync::Arc;

/// # Errors
/// `NotFound`: the code system or its code. `Invalid`: the parameters.
pub async fn lookup(call: &Call<'_>) -> Result<Value> {
    let given = &call.given;
    let coding = given.object("coding");
    let part = |name: &str| coding.and_then(|coding| coding[name].as_str());
    let code = given
        .text("code")
        .or(part("code"))
        .ok_or_else(|| missing("code"))?;
    let system = given.text("system").or(part("system"));
    let system = system.ok_or_else(|| missing("system"))?;
    let version = given.text("version").or(part("version"));
    let mut snapshot = call.snapshot().await?;
    let wanted = Wanted {
        codes: BTreeSet::from([code.to_owned()]),
        children: true,
    };
    let mut stored = snapshot.stored();
    let mut found = find(&mut stored, system, version, &wanted).await?;
    let mut used = Vec::new();
    for canonical in call.supplements() {
        let supplement = stored.supplement(&canonical).await?;
        if found.is_supplemented_by(&supplement) {
            found = Arc::new(found.supplemented(&supplement));
            let uri = canonical_of(&supplement);
            used.push(json!({"name": "used-supplement", "valueCanonical": uri}));
        }
    }
    let at = found.find(code).ok_or_else(|| no_code(&found, code))?;
    let mut told = told(call, &found, at);
    told.extend(used);
    Ok(json!({"resourceType": "Parameters", "parameter": told}))
}

/// The code system of that URL.
///
/// # Errors
/// `NotFound`.
pub async fn find(
    stored: &mut crate::search::lookup::stored::Stored<'_>,
    system: &str,
    version: Option<&str>,
    wanted: &Wanted,
) -> Result<Arc<CodeSystem>> {
    let canonical = match version {
        Some(version) => format!("{system}|{version}"),
        None => system.to_owned(),
    };
    let found = stored.code_system(&canonical, wanted).await?;
    found.ok_or_else(|| unknown("CodeSystem", &canonical))
}

pub fn no_code(system: &CodeSystem, code: &str) -> Error {
    let part = match system.is_complete {
        true => "",
        false => ", of which only a part is known here",
    };
    let code_of_issue = match system.is_complete {
        true => "code-invalid",
        false => "not-found",
    };
    Error::coded(
        Category::NotFound,
        code_of_issue,
        format!(
            "expected a code of the code system `{}`{part} but found `{code}`",
            system.url
        ),
    )
}

fn told(call: &Call<'_>, system: &CodeSystem, at: At) -> Vec<Value> {
    let concept = &system.concepts[at];
    let wanted: Vec<&str> = call.given.texts("property").collect();
    let wants = |name: &str| wanted.is_empty() || wanted.contains(&name) || wanted.contains(&"*");
    let asked = call
        .given
        .text("displayLanguage")
        .map(languages)
        .unwrap_or_default();
    let spoken = asked.iter().find_map(|wanted| {
        let mut names = system.names(concept);
        names.find(|name| name.language.is_some_and(|one| speaks(one, wanted)))
    });
    let display = spoken.map(|name| name.value).or(concept.display.as_deref());
    let name = system.name.as_deref().unwrap_or(&system.url);
    let mut told = vec![json!({"name": "name", "valueString": name})];
    if let Some(version) = &system.version {
        told.push(json!({"name": "version", "valueString": version}));
    }
    // The display is required; a concept without one is called by its code.
    let display = display.unwrap_or(&concept.code);
    told.push(json!({"name": "display", "valueString": display}));
    if wants("designation") {
        // The display is a name like the others, where it is known of which language.
        let own = system.language.as_ref().zip(concept.display.as_ref());
        let own = own.filter(|(_, value)| {
            let mut names = names(&concept.designations);
            !names.any(|name| name.value == value.as_str())
        });
        told.extend(own.map(|(language, value)| {
            designation(&json!({"language": language, "use": preferred(), "value": value}))
        }));
        told.extend(concept.designations.iter().map(designation));
    }
    if let Some(definition) = concept.definition.as_ref().filter(|_| wants("definition")) {
        told.push(property(
            "definition",
            "valueString",
            &json!(definition),
            None,
        ));
    }
    let display_of = |code: &str| system.concept(code).and_then(|one| one.display.as_deref());
    for (name, codes) in [
        ("parent", system.parents(&concept.code)),
        ("child", system.children(&concept.code)),
    ] {
        let told_codes = codes.iter().filter(|_| wants(name));
        told.extend(
            told_codes.map(|code| property(name, "valueCode", &json!(code), display_of(code))),
        );
    }
    if wants("inactive") {
        told.push(property(
            "inactive",
            "valueBoolean",
            &json!(system.is_inactive(at)),
            None,
        ));
    }
    for one in &concept.properties {
        let name = one["code"].as_str().unwrap_or_default();
        let is_told = matches!(name, "parent" | "child" | "inactive" | "subsumedBy");
        if let Some((kind, value)) = value_of(one).filter(|_| wants(name) && !is_told) {
            told.push(property(name, kind, value, None));
        }
    }
    told
}

fn property(code: &str, kind: &str, value: &Value, description: Option<&str>) -> Value {
    let mut parts = vec![
        json!({"name": "code", "valueCode": code}),
        json!({"name": "value", kind: value}),
    ];
    parts.extend(description.map(|text| json!({"name": "description", "valueString": text})));
    json!({"name": "property", "part": parts})
}

fn preferred() -> Value {
    json!({"system": "http://terminology.hl7.org/CodeSystem/hl7TermMaintInfra",
        "code": "preferredForLanguage"})
}

fn designation(designation: &Value) -> Value {
    let mut parts = Vec::new();
    for (name, kind) in [
        ("language", "valueCode"),
        ("use", "valueCoding"),
        ("value", "valueString"),
    ] {
        if let Some(value) = designation.get(name) {
            parts.push(json!({"name": name, kind: value}));
        }
    }
    json!({"name": "designation", "part": parts})
}
