//! What the schema says of itself: <https://spec.graphql.org/October2021/#sec-Introspection>

use super::{ask, ask_at, data, message};
use crate::harness::Server;
use serde_json::{Value, json};
use std::collections::BTreeSet;

/// The question that tools ask.
const WHOLE: &str = "query IntrospectionQuery { __schema { queryType { name } mutationType { name } \
    subscriptionType { name } types { ...FullType } \
    directives { name description locations args { ...InputValue } } } } \
    fragment FullType on __Type { kind name description fields(includeDeprecated: true) { name \
    description args { ...InputValue } type { ...TypeRef } isDeprecated deprecationReason } \
    inputFields { ...InputValue } interfaces { ...TypeRef } \
    enumValues(includeDeprecated: true) { name description isDeprecated deprecationReason } \
    possibleTypes { ...TypeRef } } \
    fragment InputValue on __InputValue { name description type { ...TypeRef } defaultValue } \
    fragment TypeRef on __Type { kind name ofType { kind name ofType { kind name ofType { kind name } } } }";

/// The names of types that a part of the answer refers to.
fn referred<'v>(value: &'v Value, names: &mut BTreeSet<&'v str>) {
    match value {
        Value::Object(members) => {
            if let (Some(_), Some(name)) = (members.get("kind"), members.get("name")) {
                names.extend(name.as_str());
            }
            members.values().for_each(|value| referred(value, names));
        }
        Value::Array(items) => items.iter().for_each(|item| referred(item, names)),
        _ => {}
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn tools_get_the_whole_schema() {
    let server = Server::start().await;
    let reply = ask(&server, WHOLE).await;
    eprintln!("{} bytes", reply.body.len());
    let schema = data(&reply)["__schema"].clone();
    let types = schema["types"].as_array().expect("types");
    let mut known = BTreeSet::new();
    for of in types {
        let name = of["name"].as_str().expect("a name");
        assert!(known.insert(name), "{name} is there twice");
        let mut fields = BTreeSet::new();
        for field in of["fields"].as_array().into_iter().flatten() {
            assert!(
                fields.insert(field["name"].to_string()),
                "{name}.{}",
                field["name"]
            );
            let mut arguments = BTreeSet::new();
            for argument in field["args"].as_array().into_iter().flatten() {
                assert!(arguments.insert(argument["name"].to_string()), "{field}");
            }
        }
        if of["kind"] == "OBJECT" {
            assert!(!fields.is_empty(), "{name} has no fields");
        }
    }
    let mut names = BTreeSet::new();
    referred(&schema, &mut names);
    let lacking: Vec<&&str> = names.difference(&known).collect();
    assert!(lacking.is_empty(), "{lacking:?}");
    for name in [
        "Query",
        "Mutation",
        "Patient",
        "PatientContact",
        "PatientConnection",
        "Element",
    ] {
        assert!(known.contains(name), "{name}");
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_type_says_its_fields() {
    let server = Server::start().await;
    let query = "{ __type(name: \"HumanName\") { kind name __typename fields { name type { kind name ofType { name } } } } }";
    let found = data(&ask(&server, query).await)["__type"].clone();
    assert_eq!(
        (&found["kind"], &found["__typename"]),
        (&json!("OBJECT"), &json!("__Type"))
    );
    let fields = found["fields"].as_array().expect("fields");
    let given = fields
        .iter()
        .find(|field| field["name"] == "given")
        .expect("given");
    let expected = json!({"kind": "LIST", "name": null, "ofType": {"name": "String"}});
    assert_eq!(given["type"], expected);
    let none = ask(&server, "{ __type(name: \"Nobody\") { name } }").await;
    assert_eq!(data(&none), json!({"__type": null}));
    let patient = json!({"resourceType": "Patient", "id": "a"});
    server.put("/Patient/a", &patient).await.expect(201);
    let query = "{ id __schema { queryType { name fields { name args { name } } } mutationType { name } } }";
    let found = data(&ask_at(&server, "/Patient/a", query, json!({})).await);
    assert_eq!(found["__schema"]["queryType"]["name"], "Patient");
    assert_eq!(found["__schema"]["mutationType"], Value::Null);
    let fields = found["__schema"]["queryType"]["fields"].to_string();
    assert!(fields.contains("ConditionList") && fields.contains("clinical_status"));
    for (query, says) in [
        ("{ __type { name } }", "the argument name"),
        ("{ __schema { nope } }", "a field of __Schema"),
        (
            "{ PatientList { __schema { types { name } } } }",
            "__schema",
        ),
    ] {
        assert!(
            message(&ask(&server, query).await, 400).contains(says),
            "{query}"
        );
    }
}
