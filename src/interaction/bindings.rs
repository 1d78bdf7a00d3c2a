//! The bindings that validation left open: whether codes are in value sets that draw on code
//! systems in tables, or on what only another terminology server knows.
//! <https://hl7.org/fhir/R4/terminologies.html#binding>
//!
//! Validation does no I/O: what it cannot tell it asks, and here it is answered, by the same
//! evaluation as `$validate-code`. What is not known stays a warning where it was one.

use super::Hub;
use crate::access::Access;
use crate::error::{Category, Error, Issue, Result};
use crate::search::lookup::library::Purpose;
use crate::search::lookup::stored::Stored;
use crate::terminology::code_system::items;
use crate::terminology::remote::Answer;
use crate::terminology::{Evaluation, Library, Membership};
use crate::validation::profile::Question;
use serde_json::{Value, json};
use sqlx::PgConnection;
use std::collections::hash_map::Entry;
use std::collections::{BTreeSet, HashMap, HashSet};

/// Refuses a write whose codes are not in the value sets that they have to be in.
///
/// # Errors
/// `Unprocessable`, with each of them.
pub async fn check(hub: &Hub, access: &Access, questions: &[Question]) -> Result<()> {
    let issues = settled(hub, access, questions).await?;
    match issues.iter().any(Issue::is_error) {
        true => Err(Error::of(Category::Unprocessable, issues)),
        false => Ok(()),
    }
}

/// What the answers say of the resource, in the order of the questions.
pub async fn settled(hub: &Hub, access: &Access, questions: &[Question]) -> Result<Vec<Issue>> {
    if questions.is_empty() {
        return Ok(Vec::new());
    }
    let answers = {
        let mut transaction = hub.store.snapshot(access).await?;
        answers(hub, access, &mut transaction, questions).await?
    };
    said(hub, questions, answers).await
}

/// The same as a transaction sees it that is under way: what it has written counts.
pub async fn settled_within(
    hub: &Hub,
    access: &Access,
    connection: &mut PgConnection,
    questions: &[Question],
) -> Result<Vec<Issue>> {
    if questions.is_empty() {
        return Ok(Vec::new());
    }
    let answers = answers(hub, access, connection, questions).await?;
    said(hub, questions, answers).await
}

/// What is known here of each value set and its codes.
type Answers<'q> = HashMap<Asked<'q>, (Membership, Option<Value>)>;

/// A value set, and the codes of which one has to be in it.
type Asked<'q> = (&'q str, &'q [(Option<String>, String)]);

/// The entries of a Bundle ask the same over and over: each is answered once.
async fn answers<'q>(
    hub: &Hub,
    access: &Access,
    connection: &mut PgConnection,
    questions: &'q [Question],
) -> Result<Answers<'q>> {
    let edition = hub.live.current();
    let mut stored = Stored {
        connection,
        access,
        registry: &edition.searchable,
    };
    let mut answers = Answers::new();
    for question in questions {
        if let Entry::Vacant(vacant) = answers.entry(asked(question)) {
            vacant.insert(answer(&mut stored, question).await?);
        }
    }
    Ok(answers)
}

/// One by one, with what another server says where it is not known here.
async fn said(hub: &Hub, questions: &[Question], mut answers: Answers<'_>) -> Result<Vec<Issue>> {
    let (mut issues, mut seen) = (Vec::new(), HashSet::new());
    for question in questions {
        let Some((membership, value_set)) = answers.get_mut(&asked(question)) else {
            continue;
        };
        let is_first = seen.insert(asked(question));
        if is_first && *membership == Membership::Unknown && hub.remote.is_some() {
            *membership = elsewhere(hub, question, value_set.clone()).await;
        }
        issues.extend(match membership {
            Membership::Yes => None,
            Membership::No => Some(question.refused.clone()),
            Membership::Unknown => question.unknown.clone(),
        });
    }
    Ok(issues)
}

fn asked(question: &Question) -> Asked<'_> {
    (&question.value_set, &question.codes)
}

/// Whether one of the codings is in the value set, as far as that is known here; and the value
/// set.
async fn answer(
    stored: &mut Stored<'_>,
    question: &Question,
) -> Result<(Membership, Option<Value>)> {
    let found = stored.by_canonical("ValueSet", &question.value_set).await?;
    let Some(value_set) = found else {
        return Ok((Membership::Unknown, None));
    };
    let codes: BTreeSet<String> = question
        .codes
        .iter()
        .map(|(_, code)| code.clone())
        .collect();
    let purpose = Purpose {
        listed: true,
        codes,
        ..Purpose::default()
    };
    let mut library = Library::default();
    let gathered = stored
        .gather(&mut library, value_set.clone(), &purpose)
        .await;
    let own = Some(value_set.as_ref().clone());
    if gathered.is_err() {
        return Ok((Membership::Unknown, own));
    }
    let evaluation = Evaluation::new(&library);
    let mut found = Membership::No;
    for (system, code) in &question.codes {
        let systems = match system {
            Some(system) => vec![system.clone()],
            None => evaluation.systems(&value_set),
        };
        for system in systems {
            let holds = evaluation.membership(&value_set, &system, None, code);
            found = found.or(holds.unwrap_or(Membership::Unknown));
        }
    }
    Ok((found, own))
}

/// What the other terminology server says.
async fn elsewhere(hub: &Hub, question: &Question, value_set: Option<Value>) -> Membership {
    let Some(remote) = &hub.remote else {
        return Membership::Unknown;
    };
    let codings = question.codes.iter().map(|(system, code)| match system {
        Some(system) => json!({"system": system, "code": code}),
        None => json!({"code": code}),
    });
    let concept = json!({"coding": codings.collect::<Vec<_>>()});
    let value_set = match value_set {
        Some(value_set) => json!({"name": "valueSet", "resource": value_set}),
        None => json!({"name": "url", "valueUri": question.value_set}),
    };
    let concept = json!({"name": "codeableConcept", "valueCodeableConcept": concept});
    let parameters = json!({"resourceType": "Parameters", "parameter": [value_set, concept]});
    match remote.ask("ValueSet/$validate-code", &parameters).await {
        Answer::Found(answer) => {
            let named = |name: &str| items(&answer["parameter"]).find(|one| one["name"] == name);
            let result = named("result").and_then(|one| one["valueBoolean"].as_bool());
            match (result, named("issues")) {
                (Some(true), _) => Membership::Yes,
                // It could not tell either.
                (Some(false), Some(issues)) if is_unknown(&issues["resource"]) => {
                    Membership::Unknown
                }
                (Some(false), _) => Membership::No,
                (None, _) => Membership::Unknown,
            }
        }
        Answer::Refused | Answer::Unreachable => Membership::Unknown,
    }
}

fn is_unknown(outcome: &Value) -> bool {
    items(&outcome["issue"]).any(|issue| issue["code"] == "not-found")
}
