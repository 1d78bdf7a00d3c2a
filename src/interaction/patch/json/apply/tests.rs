//! JSON Patch on plain values: RFC 6902 by table, and what hostile patches run into.

use super::*;
use crate::fhir::json;
use crate::interaction::patch::json::read;
use serde_json::json;

fn patched(before: &str, patch: &str, limits: &Limits) -> Result<String> {
    let Value::Object(resource) = json::parse(before.as_bytes(), 100)? else {
        panic!("expected an object: {before}");
    };
    let patch = read(json::parse(patch.as_bytes(), 100)?)?;
    let after = apply(resource, before.len(), &patch, limits)?;
    Ok(Value::Object(after).to_string())
}

fn limits(body_size: usize, json_depth: usize) -> Limits {
    Limits {
        body_size,
        json_depth,
        ..Limits::default()
    }
}

#[test]
fn operations_do_what_rfc_6902_says() {
    for (before, patch, after) in [
        // A.1 to A.7
        (
            r#"{"a":1}"#,
            r#"[{"op":"add","path":"/b","value":2}]"#,
            r#"{"a":1,"b":2}"#,
        ),
        (
            r#"{"a":[1,3]}"#,
            r#"[{"op":"add","path":"/a/1","value":2}]"#,
            r#"{"a":[1,2,3]}"#,
        ),
        (
            r#"{"a":1,"b":2}"#,
            r#"[{"op":"remove","path":"/a"}]"#,
            r#"{"b":2}"#,
        ),
        (
            r#"{"a":[1,2,3]}"#,
            r#"[{"op":"remove","path":"/a/1"}]"#,
            r#"{"a":[1,3]}"#,
        ),
        (
            r#"{"a":1,"b":2}"#,
            r#"[{"op":"replace","path":"/a","value":[]}]"#,
            r#"{"a":[],"b":2}"#,
        ),
        (
            r#"{"a":{"x":1,"y":2},"b":{}}"#,
            r#"[{"op":"move","from":"/a/x","path":"/b/z"}]"#,
            r#"{"a":{"y":2},"b":{"z":1}}"#,
        ),
        (
            r#"{"a":[1,2,3,4]}"#,
            r#"[{"op":"move","from":"/a/1","path":"/a/3"}]"#,
            r#"{"a":[1,3,4,2]}"#,
        ),
        // A.16, an added array value; A.14, escapes
        (
            r#"{"a":[1]}"#,
            r#"[{"op":"add","path":"/a/-","value":[2]}]"#,
            r#"{"a":[1,[2]]}"#,
        ),
        (
            r#"{"/":9,"~1":10}"#,
            r#"[{"op":"test","path":"/~01","value":10}]"#,
            r#"{"/":9,"~1":10}"#,
        ),
        (
            r#"{"a":{"b":1}}"#,
            r#"[{"op":"copy","from":"/a","path":"/c"}]"#,
            r#"{"a":{"b":1},"c":{"b":1}}"#,
        ),
        // The order of what stays is kept, and a move to the same place is none.
        (
            r#"{"a":1,"b":2,"c":3,"d":4}"#,
            r#"[{"op":"remove","path":"/a"},{"op":"move","from":"/b","path":"/b"}]"#,
            r#"{"b":2,"c":3,"d":4}"#,
        ),
        (
            r#"{"a":1,"b":2,"c":3,"d":4}"#,
            r#"[{"op":"move","from":"/a","path":"/e"},{"op":"add","path":"/c","value":0}]"#,
            r#"{"b":2,"c":0,"d":4,"e":1}"#,
        ),
        // Numbers stay as they were spelt.
        (
            r#"{"a":1.00}"#,
            r#"[{"op":"add","path":"/b","value":1E5},{"op":"add","path":"/c","value":[123456789012345678901234567890,-1.50e-07]},{"op":"copy","from":"/a","path":"/d"}]"#,
            r#"{"a":1.00,"b":1E5,"c":[123456789012345678901234567890,-1.50e-07],"d":1.00}"#,
        ),
    ] {
        let found = patched(before, patch, &Limits::default()).expect(patch);
        assert_eq!(found, after, "{before} {patch}");
    }
}

#[test]
fn test_compares_values() {
    for (before, value, equal) in [
        ("1.0", "1.00", true),
        ("100", "1E2", true),
        ("100", "101", false),
        ("1", "\"1\"", false),
        ("[1,{\"x\":1,\"y\":2.0}]", "[1.0,{\"y\":2,\"x\":1}]", true),
        ("{\"x\":1}", "{\"x\":1,\"y\":null}", false),
        ("{\"x\":1}", "{\"y\":1}", false),
        ("[1,2]", "[1]", false),
        ("null", "null", true),
    ] {
        let before = format!(r#"{{"a":{before}}}"#);
        let patch = format!(r#"[{{"op":"test","path":"/a","value":{value}}}]"#);
        let outcome = patched(&before, &patch, &Limits::default());
        assert_eq!(outcome.is_ok(), equal, "{before} {value}: {outcome:?}");
    }
}

#[test]
fn what_cannot_be_applied_is_refused_without_panic() {
    let before = r#"{"resourceType":"Patient","id":"x","meta":{"versionId":"1","lastUpdated":"t"},"name":[{"given":["A"]}]}"#;
    use Category::{Invalid, Unprocessable};
    for (patch, category, says) in [
        (
            json!([{"op": "move", "from": "/name", "path": ""}, {"op": "test", "path": "/x", "value": 1}]),
            Unprocessable,
            "operation 1",
        ),
        (
            json!([{"op": "copy", "from": "/name", "path": "/x"}, {"op": "remove", "path": "/name"}, {"op": "remove", "path": "/name"}]),
            Unprocessable,
            "operation 2",
        ),
        (
            json!([{"op": "move", "from": "/name", "path": ""}]),
            Invalid,
            "/resourceType",
        ),
        (
            json!([{"op": "move", "from": "", "path": "/x"}]),
            Unprocessable,
            "outside",
        ),
        (
            json!([{"op": "move", "from": "/name", "path": "/name/0"}]),
            Unprocessable,
            "outside",
        ),
        (
            json!([{"op": "move", "from": "/none", "path": "/none"}]),
            Unprocessable,
            "`from`",
        ),
        (
            json!([{"op": "move", "from": "/name/-", "path": "/x"}]),
            Unprocessable,
            "`from`",
        ),
        (
            json!([{"op": "move", "from": "/name/0", "path": "/name/5"}]),
            Unprocessable,
            "`path`",
        ),
        (
            json!([{"op": "copy", "from": "/none", "path": "/x"}]),
            Unprocessable,
            "`from`",
        ),
        (
            json!([{"op": "remove", "path": ""}]),
            Unprocessable,
            "`path`",
        ),
        (
            json!([{"op": "remove", "path": "/name/-"}]),
            Unprocessable,
            "`path`",
        ),
        (
            json!([{"op": "remove", "path": "/name/00"}]),
            Unprocessable,
            "`path`",
        ),
        (
            json!([{"op": "remove", "path": "/name/99999999999999999999999"}]),
            Unprocessable,
            "`path`",
        ),
        (
            json!([{"op": "remove", "path": "/id/x"}]),
            Unprocessable,
            "`path`",
        ),
        (
            json!([{"op": "add", "path": "/id/x", "value": 1}]),
            Unprocessable,
            "`path`",
        ),
        (
            json!([{"op": "add", "path": "/name/2", "value": 1}]),
            Unprocessable,
            "`path`",
        ),
        (
            json!([{"op": "add", "path": "/none/x", "value": 1}]),
            Unprocessable,
            "`path`",
        ),
        (
            json!([{"op": "replace", "path": "/none", "value": 1}]),
            Unprocessable,
            "`path`",
        ),
        (
            json!([{"op": "replace", "path": "/name/-", "value": 1}]),
            Unprocessable,
            "`path`",
        ),
        (
            json!([{"op": "test", "path": "/id", "value": "y"}]),
            Unprocessable,
            "another",
        ),
        (
            json!([{"op": "replace", "path": "", "value": 1}]),
            Invalid,
            "/resourceType",
        ),
        (json!([{"op": "remove", "path": "/id"}]), Invalid, "/id"),
        (
            json!([{"op": "replace", "path": "/resourceType", "value": "Group"}]),
            Invalid,
            "/resourceType",
        ),
        (
            json!([{"op": "replace", "path": "/meta/versionId", "value": "9"}]),
            Invalid,
            "/meta/versionId",
        ),
        (
            json!([{"op": "remove", "path": "/meta"}]),
            Invalid,
            "/meta/versionId",
        ),
        (
            json!([{"op": "add", "path": "/meta/lastUpdated", "value": "u"}]),
            Invalid,
            "/meta/lastUpdated",
        ),
    ] {
        let text = patch.to_string();
        let error = patched(before, &text, &Limits::default()).expect_err(&text);
        assert_eq!(error.category, category, "{text}: {error}");
        assert!(error.to_string().contains(says), "{text}: {error}");
    }
}

#[test]
fn a_copy_bomb_stops_at_body_size() {
    let before = format!(r#"{{"a":[],"b":"{}"}}"#, "x".repeat(1000));
    for copy in [
        json!({"op": "copy", "from": "", "path": "/a/-"}),
        json!({"op": "copy", "from": "/b", "path": "/a/-"}),
    ] {
        let patch = Value::Array(vec![copy; 999]).to_string();
        let error = patched(&before, &patch, &limits(1 << 16, 100)).expect_err("a bomb");
        assert_eq!(error.category, Category::Invalid);
        assert!(error.to_string().contains("body-size"), "{error}");
    }
}

#[test]
fn copying_and_moving_to_and_fro_is_work() {
    let limits = Limits::default();
    for patch in [
        json!([{"op": "copy", "from": "/b", "path": "/c"}, {"op": "copy", "from": "/b", "path": "/c"}]),
        json!([{"op": "move", "from": "/b", "path": "/c"}, {"op": "move", "from": "/c", "path": "/b"}]),
    ] {
        let mut document = Document {
            value: json!({"b": "x".repeat(1000)}),
            size: 1008,
            work: MOST_WORK - 1500,
            limits: &limits,
        };
        let patch = read(patch).expect("a patch");
        assert_eq!(document.perform(&patch[0]), Ok(()));
        assert_eq!(document.perform(&patch[1]), Err(Refusal::TooMuchWork));
    }
}

#[test]
fn a_depth_bomb_stops_at_json_depth() {
    let wrap = [
        json!({"op": "add", "path": "/b", "value": {}}),
        json!({"op": "move", "from": "/a", "path": "/b/a"}),
        json!({"op": "move", "from": "/b", "path": "/a"}),
    ];
    let inward = json!({"op": "copy", "from": "", "path": "/a"});
    let wrap: Vec<_> = wrap.iter().cycle().take(999).cloned().collect();
    for patch in [wrap, vec![inward; 999]] {
        let patch = Value::Array(patch).to_string();
        let error = patched(r#"{"a":{}}"#, &patch, &limits(1 << 20, 50)).expect_err("a bomb");
        assert_eq!(error.category, Category::Invalid);
        assert!(error.to_string().contains("json-depth"), "{error}");
    }
    // Just as deep as allowed: the parser accepts what the patch makes, and no level more.
    for (depth, fits) in [(3, true), (2, false)] {
        let patch = r#"[{"op":"add","path":"/a/b","value":[]}]"#;
        let outcome = patched(r#"{"a":{}}"#, patch, &limits(1 << 20, depth));
        assert_eq!(outcome.is_ok(), fits, "{depth}");
        if let Ok(text) = outcome {
            assert!(json::parse(text.as_bytes(), depth).is_ok());
        }
    }
}

#[test]
fn the_size_is_followed_through_every_operation() {
    let before = r#"{"a":{"long \" name":[1,2,{"x":"é\n"}]},"b":[[],"text"],"c":null}"#;
    let patch = json!([
        {"op": "add", "path": "/d", "value": {"k": [1, "\u{1}"]}},
        {"op": "add", "path": "/b/1", "value": "inserted"},
        {"op": "add", "path": "/c", "value": 12345},
        {"op": "replace", "path": "/b/0", "value": {"y": false}},
        {"op": "copy", "from": "/a", "path": "/e"},
        {"op": "move", "from": "/a/long \" name/2", "path": "/b/-"},
        {"op": "move", "from": "/d", "path": "/c"},
        {"op": "remove", "path": "/e/long \" name/1"},
        {"op": "remove", "path": "/a"},
    ]);
    let patch = read(patch).expect("a patch");
    let limits = Limits::default();
    let mut document = Document {
        value: json::parse(before.as_bytes(), 9).expect("JSON"),
        size: before.len(),
        work: 0,
        limits: &limits,
    };
    for operation in patch.iter() {
        document.perform(operation).expect("an operation that fits");
        let exact = document.value.to_string().len();
        assert_eq!(document.size, exact, "after {operation}");
    }
}

#[test]
fn a_resource_beyond_the_limit_may_shrink_but_not_grow() {
    let before = r#"{"a":"0123456789","b":"0123456789"}"#;
    let limits = limits(20, 9);
    for (patch, fits) in [
        (r#"[{"op":"remove","path":"/a"}]"#, true),
        (r#"[{"op":"replace","path":"/a","value":"x"}]"#, true),
        (r#"[{"op":"move","from":"/a","path":"/c"}]"#, true),
        (r#"[{"op":"move","from":"/a","path":"/longer"}]"#, false),
        (r#"[{"op":"add","path":"/c","value":1}]"#, false),
    ] {
        assert_eq!(patched(before, patch, &limits).is_ok(), fits, "{patch}");
    }
}
