//! Compositions over small systems in memory.

use super::super::{CodeSystem, Library, Membership, Problem};
use super::Evaluation;
use serde_json::{Value, json};
use std::sync::Arc;

fn library() -> Library {
    let system = |content: &str| {
        json!({"content": content, "concept": [
        {"code": "a", "concept": [{"code": "b"}]}, {"code": "c"}]})
    };
    let mut library = Library::default();
    for (url, content) in [("http://s", "complete"), ("http://part", "fragment")] {
        let system = Arc::new(CodeSystem::of(&system(content)));
        library.add_code_system(url.to_owned(), Some(system));
    }
    for (url, value_set) in [
        (
            "http://v",
            json!({"compose": {"include": [{"system": "http://s", "concept": [{"code": "c"}]},
                {"system": "http://part", "concept": [{"code": "z"}]}]}}),
        ),
        (
            "http://circle",
            json!({"compose": {"include": [{"valueSet": ["http://circle"]}]}}),
        ),
        (
            "http://twice",
            json!({"compose": {"include": [{"valueSet": ["http://v"]},
                {"valueSet": ["http://twice", "http://twice"]}]}}),
        ),
    ] {
        library.add_value_set(url.to_owned(), Some(Arc::new(value_set)));
    }
    library
}

fn told(value_set: &Value) -> Result<String, Problem> {
    let library = library();
    let members = Evaluation::new(&library).members(value_set)?;
    let whole = members.whole.keys().map(|system| format!("{system}|"));
    let pairs = members
        .list()
        .iter()
        .map(|m| format!("{}|{}", m.system, m.code));
    let all: Vec<String> = whole.chain(pairs).collect();
    Ok(all.join(" ").replace("http://", ""))
}

#[test]
fn compositions() {
    let is_a = json!([{"property": "concept", "op": "is-a", "value": "a"}]);
    for (compose, expected) in [
        (json!({"include": [{"system": "http://s"}]}), "s|a s|b s|c"),
        (
            json!({"include": [{"system": "http://s", "filter": is_a}]}),
            "s|a s|b",
        ),
        (json!({"include": [{"system": "http://part"}]}), "part|"),
        (
            json!({"include": [{"system": "http://nowhere"}]}),
            "nowhere|",
        ),
        (
            json!({"include": [{"valueSet": ["http://v"]}]}),
            "s|c part|z",
        ),
        (
            json!({"include": [{"system": "http://part", "valueSet": ["http://v"]}]}),
            "part|z",
        ),
        (
            json!({"include": [{"system": "http://s"}], "exclude": [{"valueSet": ["http://v"]}]}),
            "s|a s|b",
        ),
        (
            json!({"include": [{"valueSet": ["http://v"]}], "exclude": [{"system": "http://part"}]}),
            "s|c",
        ),
        (
            json!({"include": [{"system": "http://s", "concept": [{"code": "b"}, {"code": "gone"}]}]}),
            "s|b",
        ),
    ] {
        let found = told(&json!({"compose": compose})).expect("expands");
        assert_eq!(found, expected, "{compose}");
    }
}

#[test]
fn what_cannot_be_told_is_refused() {
    let filter = json!([{"property": "concept", "op": "is-a", "value": "a"}]);
    let expansion = json!({"total": 1, "contains": [{"system": "http://e", "code": "1"}]});
    let page = json!({"total": 9, "contains": [{"system": "http://e", "code": "1"}]});
    let of_part = json!({"include": [{"system": "http://part", "filter": filter}]});
    let import = |url: &str| json!({"compose": {"include": [{"valueSet": [url]}]}});
    for (value_set, expected) in [
        (json!({"compose": of_part}), Err("not known here")),
        (
            json!({"compose": of_part, "expansion": expansion}),
            Ok("e|1"),
        ),
        (
            json!({"compose": of_part, "expansion": page}),
            Err("not known here"),
        ),
        (json!({"expansion": expansion}), Ok("e|1")),
        (json!({"expansion": page}), Err("whole expansion")),
        (json!({}), Err("neither")),
        (import("http://gone"), Err("http://gone")),
        (import("http://circle"), Err("contains itself")),
        (import("http://twice"), Err("contains itself")),
        (
            json!({"compose": {"include": [{"system": "http://part"}], "exclude": [
                {"system": "http://part", "concept": [{"code": "z"}]}]}}),
            Err("excludes"),
        ),
    ] {
        match (told(&value_set), expected) {
            (Ok(found), Ok(expected)) => assert_eq!(found, expected, "{value_set}"),
            (Err(problem), Err(says)) => {
                assert!(problem.text.contains(says), "{value_set}: {problem}");
            }
            (found, _) => panic!("{value_set}: {found:?}"),
        }
    }
}

#[test]
fn membership_has_three_answers() {
    use Membership::{No, Unknown, Yes};
    let library = library();
    let is_a = |op: &str| json!([{"property": "concept", "op": op, "value": "a"}]);
    for (compose, system, code, expected) in [
        (json!({"include": [{"system": "http://s"}]}), "s", "b", Yes),
        (json!({"include": [{"system": "http://s"}]}), "s", "x", No),
        (
            json!({"include": [{"system": "http://s"}]}),
            "other",
            "b",
            No,
        ),
        (
            json!({"include": [{"system": "http://part"}]}),
            "part",
            "a",
            Yes,
        ),
        (
            json!({"include": [{"system": "http://part"}]}),
            "part",
            "x",
            Unknown,
        ),
        (
            json!({"include": [{"system": "http://gone"}]}),
            "gone",
            "x",
            Unknown,
        ),
        (
            json!({"include": [{"system": "http://gone", "concept": [{"code": "x"}]}]}),
            "gone",
            "x",
            Yes,
        ),
        (
            json!({"include": [{"system": "http://gone", "concept": [{"code": "x"}]}]}),
            "gone",
            "y",
            No,
        ),
        (
            json!({"include": [{"system": "http://s", "filter": is_a("is-a")}]}),
            "s",
            "b",
            Yes,
        ),
        (
            json!({"include": [{"system": "http://s", "filter": is_a("is-a")}]}),
            "s",
            "c",
            No,
        ),
        (
            json!({"include": [{"system": "http://part", "filter": is_a("is-a")}]}),
            "part",
            "a",
            Unknown,
        ),
        (
            json!({"include": [{"system": "http://gone", "valueSet": ["http://v"]}]}),
            "gone",
            "x",
            No,
        ),
        (
            json!({"include": [{"system": "http://s"}], "exclude": [{"valueSet": ["http://v"]}]}),
            "s",
            "c",
            No,
        ),
        (
            json!({"include": [{"system": "http://s"}], "exclude": [{"valueSet": ["http://v"]}]}),
            "s",
            "a",
            Yes,
        ),
        (
            json!({"include": [{"system": "http://gone"}],
                "exclude": [{"system": "http://gone", "concept": [{"code": "x"}]}]}),
            "gone",
            "x",
            No,
        ),
        (json!({"include": [{}]}), "s", "a", No),
    ] {
        let value_set = json!({"compose": compose});
        let system = format!("http://{system}");
        let found = Evaluation::new(&library).membership(&value_set, &system, None, code);
        assert_eq!(found, Ok(expected), "{compose} {system} {code}");
    }
}
