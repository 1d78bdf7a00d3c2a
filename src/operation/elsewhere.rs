//! What is not known here, asked of the terminology server that is configured.
//! <https://hl7.org/fhir/R4/terminology-service.html>
//!
//! Only where the answer from here is that something is not known: a code system, a value set, or
//! whether a code is in one. What is known here is never asked, and what the other server
//! does not tell either stays as it is: unknown. A value set that is here goes along, since the
//! other server need not have it; those that it imports do not.

use super::terminology::Call;
use crate::error::{Category, Error, Result};
use crate::terminology::code_system::items;
use crate::terminology::remote::{Answer, Remote};
use serde_json::{Value, json};

/// The answer from here, or that from elsewhere where here it is not known.
///
/// # Errors
/// Those of the answer from here; `Unprocessable` (`transient`): it is not known here, and
/// the other server did not answer. That is no fault of who asks, and the text says so.
pub async fn or_elsewhere(call: &Call<'_>, operation: &str, here: Result<Value>) -> Result<Value> {
    let Some(remote) = call.remote.filter(|_| is_unknown(&here)) else {
        return here;
    };
    match remote
        .ask(operation, &question(call, operation).await?)
        .await
    {
        Answer::Found(answer) => Ok(answer.as_ref().clone()),
        Answer::Refused => here,
        Answer::Unreachable => here.map_err(|error| unreachable(remote, &error)),
    }
}

/// Whether the answer says that something is not known here.
fn is_unknown(here: &Result<Value>) -> bool {
    match here {
        // A warning beside the result of a code says that it could not be judged.
        Ok(answer) => items(&answer["parameter"]).any(|one| one["name"] == "issues"),
        Err(error) => {
            matches!(error.category, Category::NotFound | Category::Unprocessable)
                && error.issues.iter().any(|issue| issue.code == "not-found")
        }
    }
}

/// The parameters as Parameters, the value set among them where it is here.
async fn question(call: &Call<'_>, operation: &str) -> Result<Value> {
    let mut parameters = call.given.typed();
    if operation.starts_with("ValueSet/") {
        let mut snapshot = call.snapshot().await?;
        let found = call
            .find_resource(&mut snapshot.stored(), "ValueSet", "valueSet")
            .await;
        if let Ok(Some(value_set)) = found {
            let names = ["url", "context", "valueSet", "valueSetVersion"];
            parameters.retain(|one| !names.iter().any(|name| one["name"] == *name));
            parameters.push(json!({"name": "valueSet", "resource": *value_set}));
        }
    }
    Ok(json!({"resourceType": "Parameters", "parameter": parameters}))
}

fn unreachable(remote: &Remote, error: &Error) -> Error {
    let text = format!(
        "{error}; the terminology server {} was asked but did not answer, which is no fault of \
         this request: try again later",
        remote.url()
    );
    Error::coded(Category::Unprocessable, "transient", text)
}
