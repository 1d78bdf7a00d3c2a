//! An HTTP client for tests: sends what it is told, to the letter, and keeps the whole answer.

use bytes::Bytes;
use reqwest::header::HeaderMap;
use serde_json::Value;

/// A client of one server.
#[derive(Clone)]
pub struct Client {
    /// `http://127.0.0.1:port`, without a path.
    pub origin: String,
    http: reqwest::Client,
}

/// What came back.
#[derive(Debug)]
pub struct Answer {
    pub status: u16,
    pub headers: HeaderMap,
    pub body: Bytes,
}

impl Answer {
    /// The value of a header; empty where there is none.
    pub fn header(&self, name: &str) -> &str {
        let value = self.headers.get(name);
        value.and_then(|value| value.to_str().ok()).unwrap_or_default()
    }

    pub fn text(&self) -> String {
        String::from_utf8_lossy(&self.body).into_owned()
    }

    pub fn json(&self) -> Value {
        serde_json::from_slice(&self.body)
            .unwrap_or_else(|error| panic!("{error}: {}", self.text()))
    }

    /// `resourceType` of the body.
    pub fn resource_type(&self) -> String {
        self.json()["resourceType"].as_str().unwrap_or_default().to_owned()
    }

    /// The code of the first issue of an OperationOutcome.
    pub fn issue(&self) -> String {
        let body = self.json();
        assert_eq!(body["resourceType"], "OperationOutcome", "{body}");
        body["issue"][0]["code"].as_str().unwrap_or_default().to_owned()
    }

    /// The id of the resource in the body.
    pub fn id(&self) -> String {
        self.json()["id"].as_str().unwrap_or_default().to_owned()
    }
}

impl Client {
    pub fn new(origin: String) -> Client {
        // reqwest is built without a TLS provider of its own; plain HTTP wants one all the same.
        let _ = rustls::crypto::ring::default_provider().install_default();
        Client {
            origin,
            http: reqwest::Client::new(),
        }
    }

    /// Sends a request; `path` is what follows the origin, `/fhir/Patient`.
    pub async fn send(
        &self,
        method: &str,
        path: &str,
        headers: &[(&str, &str)],
        body: Option<&str>,
    ) -> Answer {
        let method = method.parse().expect("a method");
        let mut request = self.http.request(method, format!("{}{path}", self.origin));
        for (name, value) in headers {
            request = request.header(*name, *value);
        }
        if let Some(body) = body {
            request = request.body(body.to_owned());
        }
        let response = request.send().await.expect("an answer");
        Answer {
            status: response.status().as_u16(),
            headers: response.headers().clone(),
            body: response.bytes().await.expect("a whole body"),
        }
    }

    pub async fn get(&self, path: &str) -> Answer {
        self.send("GET", path, &[], None).await
    }

    pub async fn delete(&self, path: &str) -> Answer {
        self.send("DELETE", path, &[], None).await
    }

    pub async fn post(&self, path: &str, body: &str) -> Answer {
        self.send("POST", path, &[JSON], Some(body)).await
    }

    pub async fn put(&self, path: &str, body: &str) -> Answer {
        self.send("PUT", path, &[JSON], Some(body)).await
    }

    pub async fn patch(&self, path: &str, body: &str) -> Answer {
        self.send("PATCH", path, &[JSON_PATCH], Some(body)).await
    }
}

pub const JSON: (&str, &str) = ("content-type", "application/fhir+json");
pub const JSON_PATCH: (&str, &str) = ("content-type", "application/json-patch+json");
