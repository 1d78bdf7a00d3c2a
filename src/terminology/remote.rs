//! Another terminology server, asked for what is not known here.
//! <https://hl7.org/fhir/R4/terminology-service.html>
//!
//! Never asked where the answer is known here. Its answers are kept for a while, within a bound;
//! it has a time to answer in, and after a failure it is left alone for a moment, so that one
//! that is down or slow costs one request its time and not each. What is asked of it is not
//! passed on by another Andiron ([`FORWARDED`]), so that two that name each other do not ask in
//! circles. Nothing of a patient is in what is asked but codes and displays.

use crate::config::TerminologyServer;
use serde_json::Value;
use std::collections::HashMap;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::{Duration, Instant};
use tracing::warn;

/// The header that says that a question was passed on already.
pub const FORWARDED: &str = "x-andiron-forwarded";

/// Bytes of one answer.
const MAX_ANSWER: usize = 16 << 20;
/// How long a server is left alone after a failure.
const REST: Duration = Duration::from_secs(10);

/// What the other server says.
#[derive(Clone, Debug, PartialEq)]
pub enum Answer {
    /// A resource, with status 200.
    Found(Arc<Value>),
    /// It does not know either, or does not take the question (4xx).
    Refused,
    /// It did not answer in time, or not as a FHIR server does.
    Unreachable,
}

/// The other server.
#[derive(Debug)]
pub struct Remote {
    client: reqwest::Client,
    config: TerminologyServer,
    state: Mutex<State>,
}

#[derive(Debug, Default)]
struct State {
    answers: HashMap<String, (Instant, Answer)>,
    left_alone_until: Option<Instant>,
}

impl Remote {
    /// # Errors
    /// That HTTP cannot be spoken at all.
    pub fn new(config: TerminologyServer) -> Result<Remote, String> {
        // The first one that is installed stays; any will do.
        let _ = rustls::crypto::ring::default_provider().install_default();
        let client = reqwest::Client::builder()
            .timeout(config.time)
            .redirect(reqwest::redirect::Policy::limited(3))
            .user_agent(concat!("andiron/", env!("CARGO_PKG_VERSION")))
            .build()
            .map_err(|error| format!("cannot speak HTTP: {error}"))?;
        Ok(Remote {
            client,
            config,
            state: Mutex::default(),
        })
    }

    /// Where it is.
    pub fn url(&self) -> &str {
        &self.config.url
    }

    /// Sends Parameters to an operation, such as `ValueSet/$expand`.
    pub async fn ask(&self, operation: &str, parameters: &Value) -> Answer {
        let body = parameters.to_string();
        let key = format!("{operation}\n{body}");
        if let Some(known) = self.known(&key) {
            return known;
        }
        let answer = match self.send(operation, body).await {
            Ok(answer) => answer,
            Err(problem) => {
                warn!(server = %self.config.url, operation, %problem, "the terminology server failed");
                Answer::Unreachable
            }
        };
        self.keep(key, answer.clone());
        answer
    }

    fn known(&self, key: &str) -> Option<Answer> {
        let state = self.state.lock().unwrap_or_else(PoisonError::into_inner);
        let now = Instant::now();
        if let Some((until, answer)) = state.answers.get(key)
            && *until > now
        {
            return Some(answer.clone());
        }
        let is_left_alone = state.left_alone_until.is_some_and(|until| until > now);
        is_left_alone.then_some(Answer::Unreachable)
    }

    fn keep(&self, key: String, answer: Answer) {
        let mut state = self.state.lock().unwrap_or_else(PoisonError::into_inner);
        let now = Instant::now();
        if answer == Answer::Unreachable {
            state.left_alone_until = Some(now + REST);
            return;
        }
        state.left_alone_until = None;
        if state.answers.len() >= self.config.cached {
            state.answers.retain(|_, (until, _)| *until > now);
        }
        if state.answers.len() >= self.config.cached {
            let oldest = state.answers.iter().min_by_key(|(_, (until, _))| *until);
            if let Some(oldest) = oldest.map(|(key, _)| key.clone()) {
                state.answers.remove(&oldest);
            }
        }
        if self.config.cached > 0 {
            state
                .answers
                .insert(key, (now + self.config.cache_time, answer));
        }
    }

    async fn send(&self, operation: &str, body: String) -> Result<Answer, String> {
        let url = format!("{}/{operation}", self.config.url);
        let request = self
            .client
            .post(url)
            .header("content-type", "application/fhir+json")
            .header("accept", "application/fhir+json")
            .header(FORWARDED, "1")
            .body(body);
        let told = |error: reqwest::Error| match error.is_timeout() {
            true => "it did not answer in time".to_owned(),
            false => error.to_string(),
        };
        let mut response = request.send().await.map_err(told)?;
        let status = response.status();
        if status.is_client_error() && status.as_u16() != 429 {
            return Ok(Answer::Refused);
        }
        if !status.is_success() {
            return Err(format!("status {status}"));
        }
        let mut bytes = Vec::new();
        while let Some(chunk) = response.chunk().await.map_err(told)? {
            bytes.extend_from_slice(&chunk);
            if bytes.len() > MAX_ANSWER {
                return Err(format!("an answer of more than {MAX_ANSWER} bytes"));
            }
        }
        let resource: Value = serde_json::from_slice(&bytes)
            .map_err(|_| "expected FHIR in JSON but found something else".to_owned())?;
        match resource["resourceType"].as_str() {
            Some("Parameters" | "ValueSet") => Ok(Answer::Found(Arc::new(resource))),
            other => Err(format!(
                "expected Parameters or a ValueSet but found {other:?}"
            )),
        }
    }
}
