//! A request as it came: in the query of a URL, as a document, or in JSON.
//! <https://hl7.org/fhir/R4/graphql.html#invoking>

use crate::error::{Category, Error, Result};
use crate::fhir::json;
use serde_json::{Map, Value};

#[derive(Clone, Debug, Default, PartialEq)]
pub struct Request {
    pub query: String,
    pub operation_name: Option<String>,
    pub variables: Map<String, Value>,
    /// Whether it may be a mutation: by POST.
    pub may_change: bool,
}

impl Request {
    /// Of the parameters of a URL.
    ///
    /// # Errors
    /// `Invalid`: no query, variables that are no object of JSON.
    pub fn of_pairs(pairs: &[(String, String)], depth: usize) -> Result<Request> {
        let first = |name: &str| {
            pairs
                .iter()
                .find(|(found, _)| found == name)
                .map(|(_, value)| value)
        };
        let variables = match first("variables").map(String::as_str) {
            None | Some("") => Map::new(),
            Some(text) => object(json::parse(text.as_bytes(), depth)?, "variables")?,
        };
        let query = first("query").ok_or_else(missing)?;
        Ok(Request {
            query: query.clone(),
            operation_name: first("operationName").cloned(),
            variables,
            may_change: false,
        })
    }

    /// `application/graphql`
    ///
    /// # Errors
    /// `Invalid`: it is not UTF-8.
    pub fn of_document(body: &[u8]) -> Result<Request> {
        let text = std::str::from_utf8(body)
            .map_err(|_| Error::invalid("expected a document in UTF-8 but found other bytes"))?;
        Ok(Request {
            query: text.to_owned(),
            may_change: true,
            ..Request::default()
        })
    }

    /// `application/json`: query, operationName, variables; or Parameters with `query`.
    ///
    /// # Errors
    /// `Invalid`: it is none of them.
    pub fn of_json(body: &[u8], depth: usize) -> Result<Request> {
        let body = object(json::parse(body, depth)?, "the body")?;
        if body
            .get("resourceType")
            .is_some_and(|name| name == "Parameters")
        {
            let parameters = body.get("parameter").and_then(Value::as_array);
            let mut parameters = parameters.into_iter().flatten();
            let query = parameters.find(|parameter| parameter["name"] == "query");
            let query = query.and_then(|query| query["valueString"].as_str());
            return Ok(Request {
                query: query.ok_or_else(missing)?.to_owned(),
                may_change: true,
                ..Request::default()
            });
        }
        let query = body
            .get("query")
            .and_then(Value::as_str)
            .ok_or_else(missing)?;
        let operation_name = body.get("operationName").and_then(Value::as_str);
        let variables = match body.get("variables") {
            None | Some(Value::Null) => Map::new(),
            Some(variables) => object(variables.clone(), "variables")?,
        };
        Ok(Request {
            query: query.to_owned(),
            operation_name: operation_name.map(str::to_owned),
            variables,
            may_change: true,
        })
    }
}

fn missing() -> Error {
    Error::coded(
        Category::Invalid,
        "required",
        "expected a query of GraphQL but found none",
    )
}

fn object(value: Value, what: &str) -> Result<Map<String, Value>> {
    match value {
        Value::Object(members) => Ok(members),
        other => Err(Error::invalid(format!(
            "expected {what} to be an object of JSON but found {other}"
        ))),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn requests_come_in_three_forms() {
        let pairs = |pairs: &[(&str, &str)]| -> Vec<(String, String)> {
            let pairs = pairs
                .iter()
                .map(|(name, value)| (name.to_string(), value.to_string()));
            pairs.collect()
        };
        let found = Request::of_pairs(&pairs(&[("query", "{id}"), ("variables", "{\"a\":1}")]), 10);
        let found = found.expect("a request");
        assert_eq!(
            (
                found.query.as_str(),
                found.variables.len(),
                found.may_change
            ),
            ("{id}", 1, false)
        );
        for (body, query) in [
            ("{\"query\":\"{id}\"}", Some("{id}")),
            (
                "{\"query\":\"{id}\",\"variables\":null,\"operationName\":null}",
                Some("{id}"),
            ),
            (
                "{\"resourceType\":\"Parameters\",\"parameter\":[{\"name\":\"query\",\"valueString\":\"{id}\"}]}",
                Some("{id}"),
            ),
            ("{}", None),
            ("[]", None),
            ("{\"query\":\"{id}\",\"variables\":[]}", None),
        ] {
            let found = Request::of_json(body.as_bytes(), 10).ok();
            assert_eq!(found.map(|found| found.query).as_deref(), query, "{body}");
        }
        assert!(Request::of_pairs(&[], 10).is_err());
    }
}
