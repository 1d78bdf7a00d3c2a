//! `$validate-code` of ValueSet and CodeSystem: whether a code is there, and whether it is
//! called so.
//! <https://hl7.org/fhir/R4/valueset-operation-validate-code.html>,
//! <https://hl7.org/fhir/R4/codesystem-operation-validate-code.html>
//!
//! A code that cannot be judged, since its system is not known here or only a part of it, is
//! answered with `result` false, a message that says so, and `issues`: an OperationOutcome
//! with a warning `not-found`, as R5 has it, so that a caller can tell it from a code that is
//! wrong. Where a fragment of the system is here and lacks the code, `result` is true with the
//! same warning: its author may well have it. A CodeableConcept is right if one of its codings is, and no display is wrong.

use super::given::{Given, missing};
use super::terminology::{Call, refusal, unknown};
use crate::error::{Category, Error, Issue, Result};
use crate::fhir::outcome::operation_outcome;
use crate::search::lookup::library::Purpose;
use crate::search::lookup::stored::Stored;
use crate::terminology::code_system::{Name, items, names};
use crate::terminology::language::{is_list, languages, speaks};
use crate::terminology::tables::Wanted;
use crate::terminology::{CodeSystem, Evaluation, Library, Membership, Reason};
use serde_json::{Value, json};
use std::cmp::Reverse;
use std::sync::Arc;

/// A coding that is to be judged.
#[derive(Clone, Debug, Default)]
struct Coding {
    system: Option<String>,
    version: Option<String>,
    code: String,
    display: Option<String>,
}

impl Coding {
    fn of(coding: &Value) -> Coding {
        let text = |name: &str| coding[name].as_str().map(str::to_owned);
        Coding {
            system: text("system"),
            version: text("version"),
            code: text("code").unwrap_or_default(),
            display: text("display"),
        }
    }

    fn shown(&self) -> String {
        match &self.system {
            Some(system) => format!("{system}|{}", self.code),
            None => self.code.clone(),
        }
    }
}

/// What is said of one coding.
#[derive(Clone, Debug)]
struct Verdict {
    membership: Membership,
    /// A display that the concept does not have.
    wrong_display: Option<String>,
    message: Option<String>,
    display: Option<String>,
    /// It cannot be told, and is let pass: only a fragment of its system is here.
    is_tolerated: bool,
    /// It is called otherwise, which was asked to be let pass (`lenient-display-validation`, of R5).
    is_noted: bool,
}

impl Verdict {
    fn is_right(&self) -> bool {
        (self.membership == Membership::Yes || self.is_tolerated) && self.wrong_display.is_none()
    }

    fn refused(membership: Membership, message: String) -> Verdict {
        Verdict {
            membership,
            wrong_display: None,
            message: Some(message),
            display: None,
            is_tolerated: false,
            is_noted: false,
        }
    }
}

/// The codings that are asked for: of exactly one of the three parameters.
///
/// # Errors
/// `Invalid`.
fn codings(given: &Given, version: &str) -> Result<Vec<Coding>> {
    let (code, coding) = (given.text("code"), given.object("coding"));
    let concept = given.object("codeableConcept");
    match (code, coding, concept) {
        (Some(code), None, None) => Ok(vec![Coding {
            system: given.text("system").map(str::to_owned),
            version: given.text(version).map(str::to_owned),
            code: code.to_owned(),
            display: given.text("display").map(str::to_owned),
        }]),
        (None, Some(coding), None) => Ok(vec![Coding::of(coding)]),
        (None, None, Some(concept)) => Ok(items(&concept["coding"]).map(Coding::of).collect()),
        (None, None, None) => Err(missing("code, coding or codeableConcept")),
        _ => Err(Error::coded(
            Category::Invalid,
            "invalid",
            "expected one of code, coding and codeableConcept but found several",
        )),
    }
}

/// Whether a code is in a value set.
///
/// # Errors
/// `NotFound`: the value set, or one that it includes. `Invalid`: the parameters.
/// `Unprocessable`: a value set that cannot be evaluated.
pub async fn in_value_set(call: &Call<'_>) -> Result<Value> {
    let codings = codings(&call.given, "systemVersion")?;
    let mut snapshot = call.snapshot().await?;
    let mut stored = snapshot.stored();
    let purpose = Purpose {
        listed: true,
        members: false,
        codes: codings.iter().map(|coding| coding.code.clone()).collect(),
        versions: codings
            .iter()
            .filter_map(|coding| Some((coding.system.clone()?, coding.version.clone()?)))
            .collect(),
        supplements: call.supplements(),
    };
    check_languages(call)?;
    let (value_set, library) = call.value_set(&mut stored, &purpose).await?;
    let mut verdicts = Vec::new();
    for coding in &codings {
        let coding = inferred(call, &library, &value_set, coding)?;
        let system = own_system(&mut stored, &library, &value_set, &coding).await?;
        verdicts.push(judge(
            call,
            &library,
            &value_set,
            &coding,
            system.as_deref(),
        )?);
    }
    Ok(answer(&verdicts, codings.len()))
}

/// The parameter `code` without a `system` is one of the system of the value set that has it.
fn inferred(
    call: &Call<'_>,
    library: &Library,
    value_set: &Value,
    coding: &Coding,
) -> Result<Coding> {
    if coding.system.is_some() || call.given.text("code").is_none() {
        return Ok(coding.clone());
    }
    let evaluation = Evaluation::new(library);
    let mut having = Vec::new();
    for system in evaluation.systems(value_set) {
        let holds = evaluation.membership(value_set, &system, None, &coding.code);
        if holds.map_err(refusal)? == Membership::Yes {
            having.push(system);
        }
    }
    Ok(Coding {
        system: (having.len() == 1).then(|| having.remove(0)),
        ..coding.clone()
    })
}

/// The code system of a coding, in the version that the coding or the value set means.
async fn own_system(
    stored: &mut Stored<'_>,
    library: &Library,
    value_set: &Value,
    coding: &Coding,
) -> Result<Option<Arc<CodeSystem>>> {
    let Some(system) = &coding.system else {
        return Ok(None);
    };
    let mut known: Vec<&Arc<CodeSystem>> = library.versions_of(system).collect();
    // The one that has the code in the value set, and calls it so, is meant; else the newest.
    let is_member = |found: &CodeSystem| {
        let version = found.version.as_deref();
        let holds = Evaluation::new(library).membership(value_set, system, version, &coding.code);
        holds == Ok(Membership::Yes)
    };
    known.sort_by_cached_key(|found| {
        let is_other = coding.version.is_some() && found.version != coding.version;
        let concept = found.concept(&coding.code);
        let is_called = concept.is_some_and(|concept| {
            let mut names = found.names(concept);
            names.any(|name| Some(name.value) == coding.display.as_deref())
        });
        let newest = Reverse(found.version.clone());
        let is_not = (concept.is_none(), is_other, !is_member(found), !is_called);
        (is_not, newest)
    });
    if let Some(found) = known.first() {
        return Ok(Some((*found).clone()));
    }
    let canonical = library
        .versions
        .canonical(system, coding.version.as_deref());
    let wanted = Wanted {
        codes: [coding.code.clone()].into(),
        children: false,
    };
    let found = stored.code_system(&canonical, &wanted).await?;
    Ok(found.map(|found| library.supplemented(found)))
}

fn judge(
    call: &Call<'_>,
    library: &Library,
    value_set: &Value,
    coding: &Coding,
    known: Option<&CodeSystem>,
) -> Result<Verdict> {
    let (name, shown) = (value_set["url"].as_str().unwrap_or("given"), coding.shown());
    let Some(system) = &coding.system else {
        let text = format!("the code `{shown}` has no system and is not in the value set `{name}`");
        return Ok(Verdict::refused(Membership::No, text));
    };
    let evaluation = Evaluation::new(library);
    let version = coding.version.as_deref();
    let held = evaluation.membership(value_set, system, version, &coding.code);
    let (membership, problem) = match held {
        Ok(membership) => (membership, None),
        Err(problem) if problem.reason == Reason::NotFound => (Membership::Unknown, Some(problem)),
        Err(problem) if problem.reason == Reason::Version => (Membership::No, Some(problem)),
        Err(problem) => return Err(refusal(problem)),
    };
    let is_no_code =
        known.is_some_and(|known| known.is_complete && known.find(&coding.code).is_none());
    let membership = match is_no_code {
        true => Membership::No,
        false => membership,
    };
    let listed = evaluation.listing(value_set, system, &coding.code);
    let mut verdict = called(call, coding, known, listed, language_of(value_set));
    verdict.membership = membership;
    verdict.is_tolerated =
        membership == Membership::Unknown && known.is_some_and(|known| lacks(known, &coding.code));
    let says = match membership {
        Membership::No if problem.is_some() => problem.map(|problem| problem.text),
        Membership::Unknown if problem.is_some() => problem.map(|problem| {
            format!(
                "whether the code `{shown}` is in the value set `{name}` cannot be told: {problem}"
            )
        }),
        Membership::Yes => None,
        Membership::No if is_no_code => Some(format!(
            "the code system `{system}` has no code `{}`",
            coding.code
        )),
        Membership::No => Some(format!(
            "the code `{shown}` is not in the value set `{name}`"
        )),
        Membership::Unknown => Some(format!(
            "whether the code `{shown}` is in the value set `{name}` cannot be told: the code \
             system `{system}` is not known here, or only a part of it"
        )),
    };
    let active_only = call.given.boolean("activeOnly")? == Some(true);
    let at = known.and_then(|known| Some((known, known.find(&coding.code)?)));
    let says = match at.is_some_and(|(known, at)| known.is_inactive(at)) {
        true if active_only && membership == Membership::Yes => {
            verdict.membership = Membership::No;
            Some(format!("the code `{shown}` is not in use any more"))
        }
        _ => says,
    };
    let says = match membership == Membership::Yes && !allows_abstract(call, known, &coding.code)? {
        true => {
            verdict.membership = Membership::No;
            Some(format!(
                "the code `{shown}` is abstract: it only groups others"
            ))
        }
        false => says,
    };
    verdict.message = says.or(verdict.message);
    Ok(verdict)
}

/// Whether a fragment lacks the code, which its author may well have.
fn lacks(known: &CodeSystem, code: &str) -> bool {
    known.is_fragment && known.find(code).is_none()
}

/// Whether the code may be used here: an abstract one only where `abstract` is not false.
fn allows_abstract(call: &Call<'_>, known: Option<&CodeSystem>, code: &str) -> Result<bool> {
    let allowed = call.given.boolean("abstract")?.unwrap_or(true);
    let is_abstract = known.and_then(|known| Some(known.is_abstract(known.find(code)?)));
    Ok(allowed || is_abstract != Some(true))
}

/// The language that a value set is in, or that it asks displays to be in.
fn language_of(value_set: &Value) -> Option<&str> {
    let asked = items(&value_set["compose"]["extension"]).find_map(|extension| {
        let part = |url: &str| items(&extension["extension"]).find(|part| part["url"] == url);
        let is_language = part("name")?["valueCode"] == "displayLanguage";
        let value = part("value")?;
        let value = value["valueCode"]
            .as_str()
            .or(value["valueString"].as_str());
        value.filter(|_| is_language)
    });
    asked.or(value_set["language"].as_str())
}

/// What a code is called here, and whether the coding calls it so. Case does not matter.
fn called(
    call: &Call<'_>,
    coding: &Coding,
    known: Option<&CodeSystem>,
    listed: Option<&Value>,
    language: Option<&str>,
) -> Verdict {
    let concept = known.and_then(|known| Some((known, known.concept(&coding.code)?)));
    let display = listed.and_then(|listed| listed["display"].as_str());
    let mut all: Vec<Name<'_>> = Vec::new();
    all.extend(display.map(|value| Name {
        language: None,
        value,
    }));
    if let Some(designations) = listed.and_then(|listed| listed["designation"].as_array()) {
        all.extend(names(designations));
    }
    if let Some((known, concept)) = concept {
        all.extend(known.names(concept));
    }
    let wanted = call
        .given
        .text("displayLanguage")
        .or(language)
        .map(languages)
        .unwrap_or_default();
    let spoken = |name: &Name<'_>| {
        let language = name.language.unwrap_or_default();
        wanted.iter().any(|wanted| speaks(language, wanted))
    };
    let speaking: Vec<Name<'_>> = all.iter().filter(|name| spoken(name)).copied().collect();
    let accepted = match speaking.is_empty() {
        true => &all,
        false => &speaking,
    };
    let preferred = accepted.first().map(|name| name.value.to_owned());
    let given = coding
        .display
        .as_deref()
        .filter(|display| !display.is_empty());
    let is_wrong = |display: &&str| {
        let same = |name: &Name<'_>| name.value.to_lowercase() == display.to_lowercase();
        !accepted.is_empty() && !accepted.iter().any(same)
    };
    let wrong = given.filter(is_wrong).map(str::to_owned);
    let message = wrong.as_ref().map(|wrong| {
        let choices: Vec<String> = accepted
            .iter()
            .map(|name| format!("{:?}", name.value))
            .collect();
        format!(
            "expected {} as the display of `{}` but found {wrong:?}",
            choices.join(" or "),
            coding.shown()
        )
    });
    let is_lenient = matches!(
        call.given.boolean("lenient-display-validation"),
        Ok(Some(true))
    );
    Verdict {
        membership: Membership::Yes,
        is_noted: is_lenient && wrong.is_some(),
        wrong_display: wrong.filter(|_| !is_lenient),
        message,
        display: preferred,
        is_tolerated: false,
    }
}

/// `result`, `message`, `display`: of the coding that is right, else of all.
fn answer(verdicts: &[Verdict], asked: usize) -> Value {
    let has_wrong_display = verdicts
        .iter()
        .any(|one| one.membership == Membership::Yes && one.wrong_display.is_some());
    let right = verdicts.iter().find(|one| one.is_right());
    let result = right.is_some() && !has_wrong_display;
    let mut parameters = vec![json!({"name": "result", "valueBoolean": result})];
    let said: Vec<&str> = verdicts
        .iter()
        .filter_map(|one| one.message.as_deref())
        .collect();
    let is_tolerated = result && right.is_some_and(|one| one.is_tolerated);
    let is_noted = result && right.is_some_and(|one| one.is_noted);
    if !result || is_tolerated || is_noted {
        let message = match asked {
            0 => "the CodeableConcept has no coding".to_owned(),
            _ => said.join("; "),
        };
        parameters.push(json!({"name": "message", "valueString": message}));
    }
    let shown = right.or_else(|| verdicts.iter().find(|one| one.display.is_some()));
    if let Some(display) = shown.and_then(|one| one.display.as_deref()) {
        parameters.push(json!({"name": "display", "valueString": display}));
    }
    let unknown: Vec<Issue> = verdicts
        .iter()
        .filter(|one| (!result || one.is_tolerated) && one.membership == Membership::Unknown)
        .filter_map(|one| Some(Issue::warning("not-found", one.message.clone()?)))
        .collect();
    if !unknown.is_empty() {
        parameters.push(json!({"name": "issues", "resource": operation_outcome(&unknown)}));
    }
    json!({"resourceType": "Parameters", "parameter": parameters})
}

/// # Errors
/// `Invalid`: no list of languages.
fn check_languages(call: &Call<'_>) -> Result<()> {
    match call.given.text("displayLanguage") {
        Some(list) if !is_list(list) => Err(Error::coded(
            Category::Invalid,
            "value",
            format!("expected languages as the parameter displayLanguage but found {list:?}"),
        )),
        _ => Ok(()),
    }
}

/// Whether a code is in a code system.
///
/// # Errors
/// `NotFound`: the code system that is named. `Invalid`: the parameters.
pub async fn in_code_system(call: &Call<'_>) -> Result<Value> {
    let codings = codings(&call.given, "version")?;
    let mut snapshot = call.snapshot().await?;
    let mut stored = snapshot.stored();
    let named = call
        .find_resource(&mut stored, "CodeSystem", "codeSystem")
        .await?;
    let named = named.map(|resource| Arc::new(CodeSystem::of(&resource)));
    check_languages(call)?;
    let mut verdicts = Vec::new();
    for mut coding in codings.iter().cloned() {
        let system = match (&named, &coding.system) {
            (Some(named), Some(system)) if named.url != *system => {
                let text = format!(
                    "the code `{}` is not one of the code system `{}`",
                    coding.shown(),
                    named.url
                );
                verdicts.push(Verdict::refused(Membership::No, text));
                continue;
            }
            (Some(named), _) => Some(named.clone()),
            (None, Some(_)) => {
                own_system(&mut stored, &Library::default(), &Value::Null, &coding).await?
            }
            (None, None) => return Err(missing("url")),
        };
        if let (None, Some(system)) = (&system, call.given.text("url")) {
            return Err(unknown("CodeSystem", system));
        }
        coding.system = coding
            .system
            .or_else(|| named.as_ref().map(|named| named.url.clone()));
        verdicts.push(judge_alone(call, &coding, system.as_deref())?);
    }
    Ok(answer(&verdicts, codings.len()))
}

fn judge_alone(call: &Call<'_>, coding: &Coding, known: Option<&CodeSystem>) -> Result<Verdict> {
    let shown = coding.shown();
    let has = known.map(|known| known.find(&coding.code).is_some());
    Ok(match (known, has) {
        (Some(known), _) if known.is_supplement => Verdict::refused(
            Membership::No,
            format!(
                "`{}` is a supplement to a code system and has no codes itself",
                known.url
            ),
        ),
        (Some(_), Some(true)) if !allows_abstract(call, known, &coding.code)? => Verdict::refused(
            Membership::No,
            format!("the code `{shown}` is abstract: it only groups others"),
        ),
        (Some(_), Some(true)) => called(call, coding, known, None, None),
        (Some(known), _) if known.is_complete => Verdict::refused(
            Membership::No,
            format!(
                "the code system `{}` has no code `{}`",
                known.url, coding.code
            ),
        ),
        _ => Verdict {
            is_tolerated: known.is_some_and(|known| lacks(known, &coding.code)),
            ..Verdict::refused(
                Membership::Unknown,
                format!(
                    "whether `{shown}` is a code cannot be told: its code system is not known \
                     here, or only a part of it"
                ),
            )
        },
    })
}
