//! Where a load goes: straight into the database through the interactions, or to a running
//! server over HTTP. Either way a Bundle goes in and an answer per entry comes out.

use crate::access::Access;
use crate::error::{Category, Error};
use crate::fhir::bundle::Outgoing;
use crate::interaction::{Hub, Return, bundle};
use bytes::Bytes;
use reqwest::StatusCode;
use serde::Deserialize;
use serde_json::Value;
use std::sync::Arc;
use std::time::Duration;

/// How often a Bundle is sent that was refused for the moment only.
const ATTEMPTS: u32 = 6;

pub enum Target {
    Database(Arc<Hub>),
    Server {
        client: reqwest::Client,
        /// The FHIR base, without a slash at its end.
        base: String,
    },
}

/// What became of one entry.
#[derive(Debug, PartialEq, Eq)]
pub enum Answer {
    /// It is stored; its type is known from where it is.
    Stored {
        created: bool,
        resource_type: Option<String>,
    },
    Refused(Refusal),
}

/// Why an entry or a whole Bundle was not stored.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Refusal {
    /// The OperationOutcome in words.
    pub text: String,
    /// Whether nothing that is loaded later can help.
    pub is_final: bool,
    /// Whether the target cannot be reached, which no entry is to blame for.
    pub is_lost: bool,
    /// Whether the same again may work in a moment.
    passing: bool,
}

impl Target {
    /// Finds the FHIR base of the server at `url`, which is that URL or `/fhir` below it.
    pub async fn find_server(url: &str) -> Result<Target, String> {
        // TLS needs a provider of cryptography once per process; a second one is refused.
        let _ = rustls::crypto::ring::default_provider().install_default();
        let client = reqwest::Client::builder()
            .connect_timeout(Duration::from_secs(10))
            .user_agent(concat!("andiron/", env!("CARGO_PKG_VERSION")))
            .build()
            .map_err(|error| format!("cannot speak HTTP: {}", explain(&error)))?;
        for base in [url.to_owned(), format!("{url}/fhir")] {
            let metadata = get(&client, &format!("{base}/metadata")).await?;
            if metadata.is_some_and(|resource| resource["resourceType"] == "CapabilityStatement") {
                return Ok(Target::Server { client, base });
            }
        }
        Err(format!(
            "there is no FHIR server at {url}: expected a CapabilityStatement at {url}/metadata"
        ))
    }

    /// Whether nothing was ever stored there, as far as it tells.
    pub async fn is_empty(&self) -> Result<bool, String> {
        match self {
            Target::Database(hub) => {
                let empty = crate::cli::demo::is_empty(hub, &Access::unrestricted()).await;
                empty.map_err(|error| of_error(&error).text)
            }
            Target::Server { client, base } => {
                let page = get(client, &format!("{base}/_history?_count=1")).await?;
                Ok(page.is_some_and(|page| {
                    page["resourceType"] == "Bundle"
                        && page["entry"].as_array().is_none_or(Vec::is_empty)
                }))
            }
        }
    }

    /// Has a batch or transaction done; one that is refused for the moment is tried again.
    pub async fn submit(&self, body: Bytes) -> Result<Vec<Answer>, Refusal> {
        let mut pause = Duration::from_millis(100);
        for _ in 1..ATTEMPTS {
            match self.submit_once(body.clone()).await {
                Err(refusal) if refusal.passing => tokio::time::sleep(pause).await,
                outcome => return outcome,
            }
            pause *= 2;
        }
        self.submit_once(body).await
    }

    async fn submit_once(&self, body: Bytes) -> Result<Vec<Answer>, Refusal> {
        match self {
            Target::Database(hub) => {
                let access = Access::unrestricted();
                match bundle::process(hub, &access, body, Return::Minimal).await {
                    Ok(bundle) => Ok(answers(&bundle)),
                    Err(error) => Err(of_error(&error)),
                }
            }
            Target::Server { client, base } => post(client, base, body).await,
        }
    }
}

/// Reads a resource; `None` if the answer is no success or no JSON.
async fn get(client: &reqwest::Client, url: &str) -> Result<Option<Value>, String> {
    let request = client.get(url).header("accept", "application/fhir+json");
    match request.send().await {
        Ok(response) if response.status().is_success() => Ok(response.json().await.ok()),
        Ok(_) => Ok(None),
        Err(error) => Err(format!("cannot reach the server: {}", explain(&error))),
    }
}

async fn post(client: &reqwest::Client, base: &str, body: Bytes) -> Result<Vec<Answer>, Refusal> {
    let request = client
        .post(base)
        .header("content-type", "application/fhir+json")
        .header("accept", "application/fhir+json")
        .header("prefer", "return=minimal")
        .body(body);
    let lost = |error: reqwest::Error| Refusal {
        text: explain(&error),
        is_final: false,
        is_lost: true,
        // Once the request was on its way it may have been done: sending it again could
        // store a resource twice.
        passing: error.is_connect(),
    };
    let response = request.send().await.map_err(lost)?;
    let status = response.status();
    let body = response.bytes().await.map_err(lost)?;
    if !status.is_success() {
        return Err(Refusal {
            passing: passes(status.as_u16()),
            is_lost: status == StatusCode::SERVICE_UNAVAILABLE,
            ..of_outcome(&body).unwrap_or_else(|| unclear(format!("answered {status}")))
        });
    }
    let bundle: Answered = serde_json::from_slice(&body)
        .map_err(|error| unclear(format!("answered {status}, but not with a Bundle: {error}")))?;
    Ok(bundle
        .entry
        .into_iter()
        .map(|entry| answer(entry.response))
        .collect())
}

/// A Bundle of answers, as far as we read it.
#[derive(Deserialize)]
struct Answered {
    #[serde(default)]
    entry: Vec<AnsweredEntry>,
}

#[derive(Deserialize)]
struct AnsweredEntry {
    response: Option<AnsweredResponse>,
}

#[derive(Deserialize)]
struct AnsweredResponse {
    status: String,
    location: Option<String>,
    outcome: Option<Box<serde_json::value::RawValue>>,
}

fn answer(response: Option<AnsweredResponse>) -> Answer {
    match response {
        Some(response) => judge(
            &response.status,
            response.location.as_deref(),
            response
                .outcome
                .as_ref()
                .map(|outcome| outcome.get().as_bytes()),
        ),
        None => Answer::Refused(unclear("the answer has no response".to_owned())),
    }
}

fn answers(bundle: &Outgoing) -> Vec<Answer> {
    let entries = bundle.entries.iter();
    entries
        .map(|entry| match &entry.response {
            Some(response) => judge(
                &response.status,
                response.location.as_deref(),
                response.outcome.as_deref(),
            ),
            None => Answer::Refused(unclear("the answer has no response".to_owned())),
        })
        .collect()
}

fn judge(status: &str, location: Option<&str>, outcome: Option<&[u8]>) -> Answer {
    let code: u16 = status
        .split(' ')
        .next()
        .and_then(|code| code.parse().ok())
        .unwrap_or(0);
    match StatusCode::from_u16(code) {
        Ok(known) if known.is_success() => Answer::Stored {
            created: known == StatusCode::CREATED,
            resource_type: location.and_then(type_in_location).map(str::to_owned),
        },
        _ => Answer::Refused(Refusal {
            passing: passes(code),
            ..outcome
                .and_then(of_outcome)
                .unwrap_or_else(|| unclear(format!("answered {status}")))
        }),
    }
}

/// `http://host/fhir/Patient/1/_history/2` is about a Patient.
fn type_in_location(location: &str) -> Option<&str> {
    let location = location
        .split_once("/_history")
        .map_or(location, |(resource, _)| resource);
    location.rsplit('/').nth(1)
}

fn passes(status: u16) -> bool {
    matches!(status, 409 | 429 | 503)
}

fn of_error(error: &Error) -> Refusal {
    let codes: Vec<&str> = error.issues.iter().map(|issue| issue.code).collect();
    let text = match &error.source {
        Some(source) => format!("{error} ({source})"),
        None => error.to_string(),
    };
    Refusal {
        text,
        is_final: are_final(&codes),
        is_lost: error.category == Category::Unavailable,
        passing: matches!(
            error.category,
            Category::Conflict | Category::Throttled | Category::Unavailable
        ),
    }
}

/// Reads an OperationOutcome; `None` if it is none.
fn of_outcome(json: &[u8]) -> Option<Refusal> {
    let outcome: Value = serde_json::from_slice(json).ok()?;
    let issues = outcome["issue"].as_array()?;
    let codes: Vec<&str> = issues
        .iter()
        .filter_map(|issue| issue["code"].as_str())
        .collect();
    let texts: Vec<String> = issues.iter().filter_map(describe).collect();
    Some(Refusal {
        text: texts.join("; "),
        is_final: are_final(&codes),
        is_lost: false,
        passing: false,
    })
}

fn describe(issue: &Value) -> Option<String> {
    let texts = [
        &issue["details"]["text"],
        &issue["diagnostics"],
        &issue["code"],
    ];
    let text = texts.into_iter().find_map(Value::as_str)?;
    Some(match issue["expression"][0].as_str() {
        Some(place) => format!("{place}: {text}"),
        None => text.to_owned(),
    })
}

/// Whether these issues are about the resource alone, so that no other resource can mend them.
/// <https://hl7.org/fhir/R4/valueset-issue-type.html>
fn are_final(codes: &[&str]) -> bool {
    const ALONE: [&str; 11] = [
        "structure",
        "required",
        "value",
        "invariant",
        "code-invalid",
        "extension",
        "too-long",
        "not-supported",
        "security",
        "forbidden",
        "login",
    ];
    !codes.is_empty() && codes.iter().any(|code| ALONE.contains(code))
}

fn unclear(text: String) -> Refusal {
    Refusal {
        text,
        is_final: false,
        is_lost: false,
        passing: false,
    }
}

/// An error of reqwest says what it did, and its sources why that failed.
fn explain(error: &reqwest::Error) -> String {
    let mut text = error.to_string();
    let mut source = std::error::Error::source(error);
    while let Some(cause) = source {
        text = format!("{text}: {cause}");
        source = cause.source();
    }
    text
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn answers_are_judged_by_their_status() {
        let stored = |created, kind: Option<&str>| Answer::Stored {
            created,
            resource_type: kind.map(str::to_owned),
        };
        for (status, location, expected) in [
            (
                "201 Created",
                Some("Patient/1/_history/1"),
                stored(true, Some("Patient")),
            ),
            (
                "201",
                Some("http://x/fhir/Group/1/_history/1"),
                stored(true, Some("Group")),
            ),
            ("200 OK", Some("List/7"), stored(false, Some("List"))),
            ("200 OK", None, stored(false, None)),
        ] {
            assert_eq!(judge(status, location, None), expected, "{status}");
        }
    }

    #[test]
    fn a_refusal_is_told_in_words() {
        let outcome = |code: &str| {
            format!(
                r#"{{"resourceType":"OperationOutcome","issue":[{{"severity":"error","code":"{code}",
                "details":{{"text":"expected a date"}},"expression":["Patient.birthDate"]}}]}}"#
            )
        };
        for (status, code, is_final, passing) in [
            ("400 Bad Request", "structure", true, false),
            ("422 Unprocessable", "not-found", false, false),
            ("503", "transient", false, true),
        ] {
            let refusal = Refusal {
                text: "Patient.birthDate: expected a date".to_owned(),
                is_final,
                is_lost: false,
                passing,
            };
            let judged = judge(status, None, Some(outcome(code).as_bytes()));
            assert_eq!(judged, Answer::Refused(refusal), "{status}");
        }
        let bare = judge("500 Oops", None, None);
        assert_eq!(
            bare,
            Answer::Refused(unclear("answered 500 Oops".to_owned()))
        );
    }
}
