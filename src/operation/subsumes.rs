//! `$subsumes`: whether one code is above the other.
//! <https://hl7.org/fhir/R4/codesystem-operation-subsumes.html>
//!
//! By the hierarchy of the code system, see `crate::terminology::code_system`.

use super::given::{Given, missing};
use super::lookup::{find, no_code};
use super::terminology::Call;
use crate::error::{Category, Error, Result};
use crate::terminology::CodeSystem;
use crate::terminology::tables::Wanted;
use serde_json::{Value, json};
use std::sync::Arc;

/// # Errors
/// `NotFound`: the code system, or a code that it does not have. `Invalid`: the parameters.
/// `Unprocessable`: only a part of the system is known here, and that part does not tell.
pub async fn subsumes(call: &Call<'_>) -> Result<Value> {
    let given = &call.given;
    let (a, b) = (
        asked(given, "codeA", "codingA")?,
        asked(given, "codeB", "codingB")?,
    );
    let wanted = Wanted {
        codes: [a.code, b.code].map(str::to_owned).into(),
        children: false,
    };
    let mut snapshot = call.snapshot().await?;
    let mut stored = snapshot.stored();
    let system = match call.id {
        Some(_) => {
            let resource = call
                .resource(&mut stored, "CodeSystem", "codeSystem")
                .await?;
            Arc::new(CodeSystem::of(&resource))
        }
        None => {
            let system = given.text("system").or(a.system).or(b.system);
            let version = given.text("version").or(a.version);
            find(
                &mut stored,
                system.ok_or_else(|| missing("system"))?,
                version,
                &wanted,
            )
            .await?
        }
    };
    let others = [&a, &b].into_iter().filter_map(|one| one.system);
    if let Some(other) = others.into_iter().find(|other| *other != system.url) {
        return Err(Error::new(
            Category::NotSupported,
            format!(
                "expected two codes of `{}` but found one of `{other}`",
                system.url
            ),
        ));
    }
    let outcome = compare(&system, a.code, b.code)?;
    let parameter = json!({"name": "outcome", "valueCode": outcome});
    Ok(json!({"resourceType": "Parameters", "parameter": [parameter]}))
}

struct Asked<'a> {
    system: Option<&'a str>,
    version: Option<&'a str>,
    code: &'a str,
}

fn asked<'a>(given: &'a Given, code: &str, coding: &str) -> Result<Asked<'a>> {
    let coding = given.object(coding);
    let part = |name: &str| coding.and_then(|coding| coding[name].as_str());
    Ok(Asked {
        system: part("system"),
        version: part("version"),
        code: given
            .text(code)
            .or(part("code"))
            .ok_or_else(|| missing(code))?,
    })
}

/// <https://hl7.org/fhir/R4/valueset-concept-subsumption-outcome.html>
fn compare(system: &CodeSystem, a: &str, b: &str) -> Result<&'static str> {
    for code in [a, b] {
        system.find(code).ok_or_else(|| no_code(system, code))?;
    }
    let is_above = |outer: &str, inner: &str| {
        let below = system.below(outer);
        below.iter().any(|code| system.same(code, inner))
    };
    match (is_above(a, b), is_above(b, a)) {
        (true, true) => Ok("equivalent"),
        (true, false) => Ok("subsumes"),
        (false, true) => Ok("subsumed-by"),
        (false, false) if system.is_complete => Ok("not-subsumed"),
        (false, false) => Err(Error::coded(
            Category::Unprocessable,
            "not-found",
            format!(
                "only a part of the code system `{}` is known here, which does not tell",
                system.url
            ),
        )),
    }
}
