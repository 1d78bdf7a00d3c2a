//! What is said is served, and what is served is said.
//! <https://hl7.org/fhir/R4/http.html#capabilities>

use crate::harness::Server;
use serde_json::Value;

fn codes(list: &Value, member: &str) -> Vec<String> {
    let items = list.as_array().into_iter().flatten();
    items.filter_map(|item| item[member].as_str().map(str::to_owned)).collect()
}

#[tokio::test]
async fn the_statement_names_every_type_and_interaction() {
    let server = Server::start().await;
    let answer = server.client.get("/fhir/metadata").await;
    assert_eq!(answer.status, 200);
    let statement = answer.json();
    assert_eq!(statement["fhirVersion"], "4.0.1");
    assert_eq!(statement["kind"], "instance");
    assert_eq!(statement["implementation"]["url"], server.settings.base.as_str());
    let rest = &statement["rest"][0];
    assert_eq!(
        codes(&rest["interaction"], "code"),
        ["transaction", "batch", "search-system", "history-system"]
    );
    let resources = rest["resource"].as_array().expect("resources");
    assert_eq!(resources.len(), 146);
    for resource in resources {
        assert_eq!(
            codes(&resource["interaction"], "code"),
            [
                "read", "vread", "update", "patch", "delete", "history-instance", "history-type",
                "create", "search-type"
            ]
        );
        assert_eq!(codes(&resource["operation"], "name"), ["meta", "meta-add", "meta-delete"]);
        let parameters = codes(&resource["searchParam"], "name");
        assert!(parameters.contains(&"_id".to_owned()), "{}", resource["type"]);
    }
}

#[tokio::test]
async fn every_search_parameter_that_is_said_is_served() {
    let server = Server::start().await;
    let statement = server.client.get("/fhir/metadata").await.json();
    let resources = statement["rest"][0]["resource"].as_array().expect("resources").clone();
    for resource in resources {
        let name = resource["type"].as_str().expect("a type");
        for parameter in resource["searchParam"].as_array().into_iter().flatten() {
            let code = parameter["name"].as_str().expect("a name");
            let path = format!("/fhir/{name}?{code}:missing=true&_count=1");
            // A parameter that takes no `:missing` is known all the same.
            let answer = server.client.get(&path).await;
            assert!(answer.status == 200 || !answer.text().contains("unknown"), "{path}");
        }
    }
}

#[tokio::test]
async fn the_statement_is_sent_once() {
    let server = Server::start().await;
    let first = server.client.get("/fhir/metadata").await;
    let tag = first.header("etag").to_owned();
    let again = server.client.send("GET", "/fhir/metadata", &[("if-none-match", &tag)], None).await;
    assert_eq!((again.status, again.body.len()), (304, 0));
    for (mode, status, resource_type) in [
        ("full", 200, "CapabilityStatement"),
        ("normative", 200, "CapabilityStatement"),
        ("terminology", 200, "TerminologyCapabilities"),
        ("foo", 400, "OperationOutcome"),
    ] {
        let answer = server.client.get(&format!("/fhir/metadata?mode={mode}")).await;
        assert_eq!((answer.status, answer.resource_type().as_str()), (status, resource_type));
    }
}

/// The statement is itself a resource that this server accepts.
#[tokio::test]
async fn the_statement_can_be_stored() {
    let server = Server::start().await;
    let statement = server.client.get("/fhir/metadata").await;
    let stored = server.client.post("/fhir/CapabilityStatement", &statement.text()).await;
    assert_eq!(stored.status, 201, "{}", stored.text());
    let terms = server.client.get("/fhir/metadata?mode=terminology").await;
    let stored = server.client.post("/fhir/TerminologyCapabilities", &terms.text()).await;
    assert_eq!(stored.status, 201, "{}", stored.text());
}
