//! What a server answered.

use axum::body::to_bytes;
use axum::response::Response;
use bytes::Bytes;
use serde_json::Value;

pub struct Reply {
    pub status: u16,
    headers: axum::http::HeaderMap,
    pub body: Bytes,
}

impl Reply {
    pub async fn read(response: Response) -> Reply {
        let (parts, body) = response.into_parts();
        Reply {
            status: parts.status.as_u16(),
            headers: parts.headers,
            body: to_bytes(body, usize::MAX).await.expect("the body arrives"),
        }
    }

    /// Fails the test unless the status is this one, showing what came.
    #[track_caller]
    pub fn expect(&self, status: u16) -> &Reply {
        assert_eq!(self.status, status, "{}", self.text());
        self
    }

    pub fn header(&self, name: &str) -> Option<&str> {
        self.headers.get(name)?.to_str().ok()
    }

    /// A header that may be repeated.
    pub fn headers(&self, name: &str) -> Vec<&str> {
        let values = self.headers.get_all(name).iter();
        values.filter_map(|value| value.to_str().ok()).collect()
    }

    pub fn text(&self) -> String {
        String::from_utf8_lossy(&self.body).into_owned()
    }

    #[track_caller]
    pub fn json(&self) -> Value {
        andiron::fhir::json::parse(&self.body, 1000)
            .unwrap_or_else(|error| panic!("{error}: {}", self.text()))
    }

    /// The texts and places of an OperationOutcome's issues.
    pub fn issues(&self) -> String {
        let outcome = self.json();
        assert_eq!(outcome["resourceType"], "OperationOutcome", "{outcome}");
        outcome["issue"].to_string()
    }

    /// The logical ids of the matches of a searchset, in order.
    pub fn ids(&self) -> Vec<String> {
        self.entries()
            .iter()
            .filter(|entry| entry["search"]["mode"] == "match")
            .map(|entry| {
                entry["resource"]["id"]
                    .as_str()
                    .unwrap_or_default()
                    .to_owned()
            })
            .collect()
    }

    pub fn entries(&self) -> Vec<Value> {
        self.json()["entry"].as_array().cloned().unwrap_or_default()
    }

    /// The URL of a link of a Bundle, relative to the base.
    pub fn link(&self, relation: &str) -> Option<String> {
        let bundle = self.json();
        let link = bundle["link"]
            .as_array()?
            .iter()
            .find(|link| link["relation"] == relation)?;
        let url = link["url"].as_str()?;
        Some(
            url.strip_prefix(super::BASE)
                .expect("links begin with the base")
                .to_owned(),
        )
    }
}
