//! What is said is served, and what is served is said.
//! <https://hl7.org/fhir/R4/http.html#capabilities>

use super::{JSON, get};
use crate::harness::{BASE, Server};
use andiron::definitions::Definitions;
use serde_json::Value;

fn codes(list: &Value, member: &str) -> Vec<String> {
    let items = list.as_array().into_iter().flatten();
    items
        .filter_map(|item| item[member].as_str().map(str::to_owned))
        .collect()
}

#[tokio::test]
async fn the_statement_names_every_type_and_interaction() {
    let server = Server::start().await;
    let statement = get(&server, "/fhir/metadata", &[]).await.expect(200).json();
    assert_eq!(statement["fhirVersion"], "4.0.1");
    assert_eq!(statement["kind"], "instance");
    assert_eq!(statement["implementation"]["url"], BASE);
    let rest = &statement["rest"][0];
    assert_eq!(
        codes(&rest["interaction"], "code"),
        ["transaction", "batch", "search-system", "history-system"]
    );
    let resources = rest["resource"].as_array().expect("resources");
    assert_eq!(resources.len(), 146);
    for resource in resources {
        assert_eq!(
            codes(&resource["interaction"], "code").join(" "),
            "read vread update patch delete history-instance history-type create search-type"
        );
        let of_all = [
            "graphql",
            "meta",
            "meta-add",
            "meta-delete",
            "reindex",
            "validate",
        ];
        let of_type = match resource["type"].as_str() {
            Some("CodeSystem") => &["find-matches", "lookup", "subsumes", "validate-code"][..],
            Some("ValueSet") => &["expand", "validate-code"],
            Some("ConceptMap") => &["translate"],
            Some("StructureDefinition") => &["snapshot"],
            _ => &[],
        };
        let mut operations = [&of_all[..], of_type].concat();
        operations.sort_unstable();
        assert_eq!(codes(&resource["operation"], "name"), operations);
        let parameters = codes(&resource["searchParam"], "name");
        assert!(
            parameters.iter().any(|code| code == "_id"),
            "{}",
            resource["type"]
        );
    }
}

/// A value that makes sense for a parameter of that type, percent-encoded.
fn plausible(kind: &str, definition: &str) -> String {
    match kind {
        "date" => "2026",
        "number" | "quantity" => "1",
        "reference" => "Patient/1",
        "special" => "1%7C1",
        "composite" => return composite(definition),
        _ => "x",
    }
    .to_owned()
}

/// A value for each component of a composite.
fn composite(definition: &str) -> String {
    let definitions = Definitions::r4();
    let parameter = definitions.search_parameter_by_url(definition);
    let components = parameter.iter().flat_map(|parameter| &parameter.component);
    let values: Vec<String> = components
        .map(|component| {
            let of = definitions.search_parameter_by_url(&component.definition);
            let of = of.expect("a component is a parameter");
            plausible(of.kind.as_str(), &of.url)
        })
        .collect();
    values.join("$")
}

#[tokio::test]
async fn every_search_parameter_that_is_said_is_known() {
    let server = Server::start().await;
    let statement = get(&server, "/fhir/metadata", &[]).await.json();
    let mut asked = 0;
    for resource in statement["rest"][0]["resource"]
        .as_array()
        .expect("resources")
    {
        let name = resource["type"].as_str().expect("a type");
        for parameter in resource["searchParam"].as_array().into_iter().flatten() {
            let code = parameter["name"].as_str().expect("a name");
            // What all types share is asked of one.
            if code.starts_with('_') && name != "Patient" {
                continue;
            }
            let kind = parameter["type"].as_str().expect("a type");
            let definition = parameter["definition"].as_str().expect("a definition");
            let value = plausible(kind, definition);
            let path = format!("/fhir/{name}?{code}={value}&_count=1");
            let reply = get(&server, &path, &[]).await;
            assert_eq!(reply.status, 200, "{path}: {}", reply.text());
            asked += 1;
        }
    }
    assert!(asked > 1300, "{asked}");
}

/// What the statement tells of all types together, in words or as parameters, is served.
#[tokio::test]
async fn what_is_said_of_every_search_is_served() {
    let server = Server::start().await;
    let statement = get(&server, "/fhir/metadata", &[]).await.json();
    let rest = &statement["rest"][0];
    let names = codes(&rest["searchParam"], "name");
    let said = rest["documentation"].as_str().expect("words");
    for (name, query) in [
        ("_has", "Patient?_has:Observation:patient:code=x"),
        ("_list", "Patient?_list=x"),
        ("_list", "Condition?_list=$current-problems"),
        ("_filter", "Patient?_filter=name%20co%20%22x%22"),
        ("_type", "?_type=Patient"),
        ("_explain", "Patient?name=x&_explain=true"),
        ("_score", "Patient?_text=x&_sort=-_score"),
        ("_text", "Patient?_text=x"),
        ("_content", "Patient?_content=x"),
        ("_include", "Observation?_include=*"),
        (
            "_include",
            "Observation?_include=Observation:subject&_include:iterate=Patient:*",
        ),
        ("_revinclude", "Patient?_revinclude=*"),
        (
            "_revinclude",
            "Patient?_revinclude:iterate=Observation:subject:Patient",
        ),
        ("_contained", "Medication?_contained=both"),
        (
            "_containedType",
            "Medication?_contained=true&_containedType=contained",
        ),
        ("Chains", "Observation?subject:Patient.organization.name=x"),
        ("_sort", "Patient?_sort=-birthdate,family,_id"),
        ("_total", "Patient?_total=accurate"),
        ("_count", "Patient?_count=0"),
        ("_summary", "Patient?_summary=true"),
        ("_elements", "Patient?_elements=name"),
    ] {
        let is_said = names.iter().any(|said| said == name) || said.contains(name);
        assert!(is_said, "{name} is not said");
        let slash = if query.starts_with('?') { "" } else { "/" };
        let path = format!("/fhir{slash}{query}");
        let reply = get(&server, &path, &[]).await;
        assert_eq!(reply.status, 200, "{path}: {}", reply.text());
    }
}

#[tokio::test]
async fn a_statement_that_is_known_is_not_sent_again() {
    let server = Server::start().await;
    let first = get(&server, "/fhir/metadata", &[]).await;
    let known = format!(
        "If-None-Match: {}",
        first.header("etag").expect("an entity tag")
    );
    let again = get(&server, "/fhir/metadata", &[&known]).await;
    assert!(again.expect(304).body.is_empty());
    for (mode, status, resource_type) in [
        ("full", 200, "CapabilityStatement"),
        ("normative", 200, "CapabilityStatement"),
        ("terminology", 200, "TerminologyCapabilities"),
        ("foo", 400, "OperationOutcome"),
    ] {
        let reply = get(&server, &format!("/fhir/metadata?mode={mode}"), &[]).await;
        assert_eq!(reply.expect(status).json()["resourceType"], resource_type);
    }
}

/// Each statement is itself a resource that this server accepts.
#[tokio::test]
async fn the_statements_can_be_stored() {
    let server = Server::start().await;
    for (mode, name) in [
        ("full", "CapabilityStatement"),
        ("terminology", "TerminologyCapabilities"),
    ] {
        let statement = get(&server, &format!("/fhir/metadata?mode={mode}"), &[]).await;
        let path = format!("/fhir/{name}");
        server
            .send("POST", &path, &[JSON], statement.body)
            .await
            .expect(201);
    }
}
