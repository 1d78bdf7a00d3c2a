//! Code systems in tables: what is asked of them is answered as it is of a resource.

use super::{codes, told, value};
use crate::harness::{Server, database, settings};
use andiron::cli::terminology::write;
use andiron::terminology::release::{Files, Kind, Options, Release};
use andiron::terminology::tables::{self, Loaded};
use serde_json::{Value, json};
use sqlx::ConnectOptions;
use sqlx::postgres::PgConnectOptions;
use std::path::Path;

pub const ANIMALS: &str = "\
code,display,definition,parent,inactive,abstract,designation:de,lives
animal,Animal,,,,true,Tier,
dog,Dog,Barks.,animal,,,Hund,1
beagle,Beagle hound,,dog,,,,1
cat,Cat,,animal,,,Katze,9
pet,Pet,,,,,,
hamster,\"Golden hamster, Syrian\",,animal|pet,,,,
dodo,Dodo,,animal,true,,,0
";

/// The same as a resource.
fn animals(url: &str) -> Value {
    let lives = |n: &str| json!({"code": "lives", "valueString": n});
    let below = |parent: &str| json!({"code": "parent", "valueCode": parent});
    let german = |text: &str| json!([{"language": "de", "value": text}]);
    json!({"resourceType": "CodeSystem", "url": url, "version": "1", "status": "active",
        "content": "complete", "caseSensitive": true, "concept": [
        {"code": "animal", "display": "Animal", "designation": german("Tier"),
         "property": [{"code": "notSelectable", "valueBoolean": true}]},
        {"code": "dog", "display": "Dog", "definition": "Barks.", "designation": german("Hund"),
         "property": [below("animal"), lives("1")]},
        {"code": "beagle", "display": "Beagle hound", "property": [below("dog"), lives("1")]},
        {"code": "cat", "display": "Cat", "designation": german("Katze"),
         "property": [below("animal"), lives("9")]},
        {"code": "pet", "display": "Pet"},
        {"code": "hamster", "display": "Golden hamster, Syrian",
         "property": [below("animal"), below("pet")]},
        {"code": "dodo", "display": "Dodo", "property": [below("animal"), lives("0"),
            {"code": "inactive", "valueBoolean": true}]}]})
}

/// Loads a release; `None` where it was there.
pub async fn load(
    database: &PgConnectOptions,
    kind: Kind,
    path: &Path,
    options: Options,
) -> Result<Option<Loaded>, String> {
    let files = Files::find(&[path.to_path_buf()])?;
    let release = Release::find(kind, files, options)?;
    let mut connection = database.connect().await.expect("a database");
    write(&mut connection, release)
        .await
        .map_err(|failure| failure.text)
}

pub async fn load_csv(
    database: &PgConnectOptions,
    text: &str,
    version: &str,
) -> Result<Option<Loaded>, String> {
    let folder = tempfile::tempdir().expect("a folder");
    let path = folder.path().join("animals.csv");
    std::fs::write(&path, text).expect("written");
    let options = Options {
        url: Some("http://loaded".to_owned()),
        version: Some(version.to_owned()),
        name: Some("Animals".to_owned()),
        ..Options::default()
    };
    load(database, Kind::Csv, &path, options).await
}

/// A server with the animals in a table, as `http://loaded`, and as a resource, as `http://sent`.
pub async fn world() -> (Server, PgConnectOptions) {
    let database = database().await;
    let server = Server::on(database.clone(), settings()).await;
    let loaded = load_csv(&database, ANIMALS, "1").await;
    let expected = Loaded {
        concepts: 7,
        inactive: 1,
    };
    assert_eq!(loaded, Ok(Some(expected)));
    server.create(&animals("http://sent")).await;
    (server, database)
}

fn expand(compose: &Value, more: &[(&str, Value)]) -> Value {
    let value_set = json!({"resourceType": "ValueSet", "status": "active", "compose": compose});
    let mut parameter = vec![json!({"name": "valueSet", "resource": value_set})];
    for (name, value) in more {
        let kind = match value {
            Value::Bool(_) => "valueBoolean",
            Value::Number(_) => "valueInteger",
            _ => "valueString",
        };
        parameter.push(json!({"name": name, kind: value}));
    }
    json!({"resourceType": "Parameters", "parameter": parameter})
}

/// Compositions over the animals as the system of that URL.
fn compositions(system: &str) -> Vec<Value> {
    let filter = |property: &str, op: &str, value: &str| {
        json!({"include": [{"system": system, "filter": [
            {"property": property, "op": op, "value": value}]}]})
    };
    let mut all: Vec<Value> = [
        ("concept", "is-a", "animal"),
        ("concept", "is-a", "dog"),
        ("concept", "is-a", "unicorn"),
        ("concept", "descendent-of", "animal"),
        ("concept", "child-of", "animal"),
        ("concept", "is-not-a", "dog"),
        ("concept", "is-not-a", "unicorn"),
        ("concept", "generalizes", "beagle"),
        ("concept", "generalizes", "hamster"),
        ("concept", "in", "dog, cat,unicorn"),
        ("code", "=", "dog"),
        ("concept", "not-in", "dog,cat"),
        ("code", "regex", "d.*"),
        ("code", "regex", "o"),
        ("code", "exists", "true"),
        ("display", "=", "Dog"),
        ("display", "regex", ".*[ao]g.*"),
        ("display", "not-in", "Dog,Cat"),
        ("definition", "exists", "true"),
        ("definition", "exists", "false"),
        ("parent", "=", "animal"),
        ("parent", "in", "dog,pet"),
        ("parent", "exists", "false"),
        ("child", "=", "hamster"),
        ("child", "exists", "true"),
        ("lives", "=", "1"),
        ("lives", "in", "0,9"),
        ("lives", "not-in", "1"),
        ("lives", "exists", "true"),
        ("lives", "exists", "false"),
        ("lives", "regex", "[01]"),
        ("nothing", "=", "1"),
    ]
    .iter()
    .map(|(property, op, value)| filter(property, op, value))
    .collect();
    let dogs = &filter("concept", "is-a", "dog")["include"][0];
    let active = json!({"inactive": false, "include": [{"system": system}]});
    all.extend([
        json!({"include": [{"system": system}]}),
        active,
        json!({"include": [{"system": system}], "exclude": [dogs]}),
        json!({"include": [dogs, {"system": system, "concept": [{"code": "pet"}, {"code": "no"}]}]}),
        json!({"include": [dogs], "exclude": [{"system": system, "concept": [{"code": "dog"}]}]}),
        json!({"include": [{"system": system, "concept": [{"code": "pet"}, {"code": "cat"}]}]}),
        json!({"include": [{"system": "http://other", "concept": [{"code": "x"}]}, dogs]}),
    ]);
    all
}

async fn expanded(server: &Server, request: &Value) -> Value {
    let reply = server.post("/ValueSet/$expand", request).await;
    match reply.status {
        200 => reply.json()["expansion"].clone(),
        status => json!({"status": status, "says": reply.json()["issue"][0]["diagnostics"]}),
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn tables_answer_as_resources_do() {
    let (server, _) = world().await;
    let (sent, loaded) = (compositions("http://sent"), compositions("http://loaded"));
    for (sent, loaded) in sent.iter().zip(&loaded) {
        for more in [
            vec![],
            vec![("activeOnly", json!(true))],
            vec![("filter", json!("do"))],
            vec![("offset", json!(1)), ("count", json!(2))],
            vec![
                ("includeDesignations", json!(true)),
                ("displayLanguage", json!("de")),
            ],
        ] {
            let one = expanded(&server, &expand(sent, &more)).await;
            let other = expanded(&server, &expand(loaded, &more)).await;
            let same = |one: &Value| one.to_string().replace("http://sent", "http://loaded");
            assert_eq!(
                same(&one["contains"]),
                same(&other["contains"]),
                "{loaded} {more:?}"
            );
            assert_eq!(one["total"], other["total"], "{loaded} {more:?}");
            assert_eq!(one["status"], other["status"], "{loaded} {more:?}");
        }
        for code in [
            "animal", "dog", "beagle", "cat", "pet", "hamster", "dodo", "no",
        ] {
            let mut found = Vec::new();
            for (system, compose) in [("http://sent", sent), ("http://loaded", loaded)] {
                let more = [("code", json!(code)), ("system", json!(system))];
                let request = expand(compose, &more);
                let reply = server.post("/ValueSet/$validate-code", &request).await;
                reply.expect(200);
                let answer = reply.json();
                found.push((value(&answer, "result"), value(&answer, "display")));
            }
            assert_eq!(found[0], found[1], "{loaded} {code}");
        }
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn pages_and_filters_of_a_table() {
    let (server, _) = world().await;
    let all = json!({"include": [{"system": "http://loaded"}]});
    for (more, expected, total) in [
        (vec![("filter", json!("hund"))], "dog", json!(1)),
        (vec![("filter", json!("SYR gold"))], "hamster", json!(1)),
        (vec![("filter", json!("hound beag"))], "beagle", json!(1)),
        (vec![("filter", json!("'); DROP"))], "", json!(0)),
        (vec![("count", json!(0))], "", json!(7)),
        (
            vec![("count", json!(3)), ("offset", json!(5))],
            "hamster dodo",
            json!(7),
        ),
        (
            vec![
                ("activeOnly", json!(true)),
                ("offset", json!(5)),
                ("count", json!(9)),
            ],
            "hamster",
            json!(6),
        ),
        (
            vec![("excludeNested", json!(false))],
            "animal(dog(beagle) cat hamster dodo) pet",
            json!(7),
        ),
    ] {
        let found = expanded(&server, &expand(&all, &more)).await;
        assert_eq!(codes(&found["contains"]), expected, "{more:?}");
        assert_eq!(found["total"], total, "{more:?}");
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_concept_of_a_table_is_looked_up() {
    let (server, _) = world().await;
    let found = server
        .get("/CodeSystem/$lookup?system=http://loaded&code=dog")
        .await;
    found.expect(200);
    let found = found.json();
    assert_eq!(value(&found, "name"), "Animals");
    assert_eq!(value(&found, "version"), "1");
    assert_eq!(value(&found, "display"), "Dog");
    assert_eq!(
        told(&found, "property").join(" "),
        "definition=Barks. parent=animal child=beagle inactive=false lives=1"
    );
    let missing = server
        .get("/CodeSystem/$lookup?system=http://loaded&code=DOG")
        .await;
    missing.expect(404);
    for (a, b, expected) in [
        ("animal", "beagle", "subsumes"),
        ("beagle", "animal", "subsumed-by"),
        ("cat", "dog", "not-subsumed"),
        ("cat", "cat", "equivalent"),
    ] {
        let path = format!("/CodeSystem/$subsumes?system=http://loaded&codeA={a}&codeB={b}");
        let found = server.get(&path).await.json();
        assert_eq!(value(&found, "outcome"), expected, "{a} {b}");
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn searches_ask_the_table() {
    let (server, _) = world().await;
    for code in ["dog", "beagle", "cat", "hamster"] {
        server
            .create(&json!({"resourceType": "Observation", "status": "final",
                "code": {"coding": [{"system": "http://loaded", "code": code}]}}))
            .await;
    }
    let dogs = json!({"resourceType": "ValueSet", "url": "http://dogs", "status": "active",
        "compose": {"include": [{"system": "http://loaded", "filter": [
            {"property": "concept", "op": "is-a", "value": "dog"}]}]}});
    server.create(&dogs).await;
    for (query, expected) in [
        ("code:in=http://dogs", 2),
        ("code:not-in=http://dogs", 2),
        ("code:below=http://loaded|animal", 4),
        ("code:below=http://loaded|dog", 2),
        ("code:above=http://loaded|beagle", 2),
        ("code:below=http://loaded|unicorn", 0),
    ] {
        let reply = server.get(&format!("/Observation?{query}")).await;
        reply.expect(200);
        let found = reply.json();
        let entries = found["entry"].as_array().map_or(0, Vec::len);
        assert_eq!(entries, expected, "{query}");
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn versions_stand_beside_each_other() {
    let (server, database) = world().await;
    assert_eq!(load_csv(&database, ANIMALS, "1").await, Ok(None));
    let other = "code,display\ndog,Doggy\n";
    load_csv(&database, other, "2").await.expect("loaded");
    let display = async |version: &str| {
        let path = format!("/CodeSystem/$lookup?system=http://loaded&code=dog{version}");
        value(&server.get(&path).await.json(), "display")
    };
    assert_eq!(display("").await, "Doggy");
    assert_eq!(display("&version=1").await, "Dog");
    assert_eq!(display("&version=2").await, "Doggy");
    let mut connection = database.connect().await.expect("a database");
    let table = tables::find(&mut connection, "http://loaded").await;
    let table = table.expect("asked").expect("loaded");
    tables::remove(&mut connection, &table)
        .await
        .expect("removed");
    assert_eq!(display("").await, "Dog");
    let left = tables::all(&mut connection).await.expect("listed");
    let left: Vec<String> = left.iter().map(tables::Table::canonical).collect();
    assert_eq!(left, ["http://loaded|1"]);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_load_that_fails_leaves_nothing() {
    let database = database().await;
    for (text, expected) in [
        (
            "name,display\na,b\n",
            "line 1: expected a column code but found name, display",
        ),
        (
            "code,parent\na,\nb,c\n",
            "line 3, column parent: expected a code of the file but found \"c\"",
        ),
        (
            "code,inactive\na,\nb,maybe\n",
            "line 3, column inactive: expected true or false but found \"maybe\"",
        ),
        (
            "code\na\n\"\"\n",
            "line 3, column code: expected a value but found nothing",
        ),
        (
            "code\na\na\n",
            "line 3, column code: expected a code that was not listed before but found \"a\"",
        ),
        ("code\n", "expected concepts but found none"),
    ] {
        let problem = load_csv(&database, text, "1").await.expect_err(text);
        assert!(problem.contains(expected), "{text:?}: {problem}");
    }
    let mut connection = database.connect().await.expect("a database");
    let left = tables::all(&mut connection).await.expect("listed");
    assert_eq!(left, []);
    let partitions = "SELECT count(*) FROM pg_inherits WHERE inhparent = 'concept'::regclass";
    let partitions: i64 = sqlx::query_scalar(partitions)
        .fetch_one(&mut connection)
        .await
        .expect("counted");
    assert_eq!(partitions, 0);
}
