//! The operations of a JSON Patch, read from strictly parsed JSON.
//! <https://www.rfc-editor.org/rfc/rfc6902#section-4>
//!
//! Read by hand and not by `serde`, which respells exponents and refuses long integers.
//! Members that an operation does not define are ignored, as the RFC demands.

use super::super::{MOST_OPERATIONS, shown};
use crate::error::{Category, Error, Issue, Result};
use json_patch::jsonptr::PointerBuf;
use json_patch::{
    AddOperation, CopyOperation, MoveOperation, Patch, PatchOperation, RemoveOperation,
    ReplaceOperation, TestOperation,
};
use serde_json::{Map, Value};

/// Reads a patch.
///
/// # Errors
/// `Invalid` with an issue for each operation that is none; `TooLarge` for too many.
pub fn read(patch: Value) -> Result<Patch> {
    let Value::Array(operations) = patch else {
        return Err(Error::coded(
            Category::Invalid,
            "structure",
            format!(
                "expected a JSON Patch, an array of operations (RFC 6902), but found {}",
                kind(&patch)
            ),
        ));
    };
    if operations.len() > MOST_OPERATIONS {
        return Err(Error::new(
            Category::TooLarge,
            format!(
                "expected at most {MOST_OPERATIONS} operations in one patch but found {}",
                operations.len()
            ),
        ));
    }
    let mut read = Vec::with_capacity(operations.len());
    let mut issues = Vec::new();
    for (index, operation) in operations.into_iter().enumerate() {
        match self::operation(operation) {
            Ok(operation) => read.push(operation),
            Err(says) => issues.push(Issue::error(
                "structure",
                format!("operation {index}, counted from 0: {says}"),
            )),
        }
    }
    if issues.is_empty() {
        Ok(Patch(read))
    } else {
        Err(Error::of(Category::Invalid, issues))
    }
}

fn operation(operation: Value) -> Result<PatchOperation, String> {
    let Value::Object(mut members) = operation else {
        return Err(format!("expected an object but found {}", kind(&operation)));
    };
    let op = text(&members, "op")?;
    Ok(match op {
        "add" => PatchOperation::Add(AddOperation {
            path: pointer(&members, "path")?,
            value: value(&mut members)?,
        }),
        "remove" => PatchOperation::Remove(RemoveOperation {
            path: pointer(&members, "path")?,
        }),
        "replace" => PatchOperation::Replace(ReplaceOperation {
            path: pointer(&members, "path")?,
            value: value(&mut members)?,
        }),
        "move" => PatchOperation::Move(MoveOperation {
            from: pointer(&members, "from")?,
            path: pointer(&members, "path")?,
        }),
        "copy" => PatchOperation::Copy(CopyOperation {
            from: pointer(&members, "from")?,
            path: pointer(&members, "path")?,
        }),
        "test" => PatchOperation::Test(TestOperation {
            path: pointer(&members, "path")?,
            value: value(&mut members)?,
        }),
        other => {
            return Err(format!(
                "expected `op` to be add, remove, replace, move, copy or test but found {}",
                shown(other)
            ));
        }
    })
}

fn text<'a>(members: &'a Map<String, Value>, name: &str) -> Result<&'a str, String> {
    match members.get(name) {
        Some(Value::String(text)) => Ok(text),
        Some(other) => Err(format!(
            "expected `{name}` to be a string but found {}",
            kind(other)
        )),
        None => Err(format!("expected the member `{name}` but found none")),
    }
}

fn pointer(members: &Map<String, Value>, name: &str) -> Result<PointerBuf, String> {
    let text = text(members, name)?;
    PointerBuf::parse(text).map_err(|_| {
        format!(
            "expected `{name}` to be a JSON Pointer (RFC 6901) but found {}",
            shown(text)
        )
    })
}

fn value(members: &mut Map<String, Value>) -> Result<Value, String> {
    let value = members.get_mut("value").map(Value::take);
    value.ok_or_else(|| "expected the member `value` but found none".to_owned())
}

fn kind(value: &Value) -> &'static str {
    match value {
        Value::Null => "null",
        Value::Bool(_) => "a boolean",
        Value::Number(_) => "a number",
        Value::String(_) => "a string",
        Value::Array(_) => "an array",
        Value::Object(_) => "an object",
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::fhir::json;

    fn read_text(text: &str) -> Result<Patch> {
        read(json::parse(text.as_bytes(), 9).expect(text))
    }

    #[test]
    fn each_kind_of_operation_is_read() {
        let patch = read_text(
            r#"[{"op":"add","path":"/a","value":null},{"op":"remove","path":"/a~1b/0","x":1},
                {"op":"replace","path":"","value":{}},{"op":"move","from":"/a","path":"/b"},
                {"path":"/-","op":"copy","from":""},{"op":"test","path":"/","value":1E5}]"#,
        );
        let patch = patch.expect("a patch");
        assert_eq!(patch.len(), 6);
        assert_eq!(patch[1].path().as_str(), "/a~1b/0");
        let PatchOperation::Test(test) = &patch[5] else {
            panic!("expected a test");
        };
        assert_eq!(test.value.to_string(), "1E5");
        assert!(read_text("[]").expect("an empty patch").is_empty());
    }

    #[test]
    fn what_is_no_operation_is_named_by_index_and_member() {
        let long = format!(r#"[{{"op":"{}"}}]"#, "é".repeat(1000));
        for (text, says) in [
            ("{}", "array of operations (RFC 6902), but found an object"),
            ("[1]", "operation 0, counted from 0: expected an object"),
            ("[{}]", "the member `op`"),
            (r#"[{"op":7}]"#, "`op` to be a string but found a number"),
            (
                r#"[{"op":"fly","path":""}]"#,
                "copy or test but found \"fly\"",
            ),
            (r#"[{"op":"Add","path":"","value":1}]"#, "found \"Add\""),
            (r#"[{"op":"add","value":1}]"#, "the member `path`"),
            (r#"[{"op":"add","path":""}]"#, "the member `value`"),
            (r#"[{"op":"move","path":""}]"#, "the member `from`"),
            (r#"[{"op":"copy","from":""}]"#, "the member `path`"),
            (r#"[{"op":"remove","path":null}]"#, "`path` to be a string"),
            (r#"[{"op":"remove","path":"a"}]"#, "JSON Pointer"),
            (r#"[{"op":"remove","path":"/a~2"}]"#, "JSON Pointer"),
            (
                r#"[{"op":"remove","path":"/a"},{"op":"copy","path":"/a","from":"x"}]"#,
                "operation 1, counted from 0: expected `from` to be a JSON Pointer",
            ),
            (&long, "é\"…"),
        ] {
            let error = read_text(text).expect_err(text);
            assert_eq!(error.category, Category::Invalid, "{text}");
            assert!(error.to_string().contains(says), "{text}: {error}");
        }
        let two = read_text("[1,{}]").expect_err("two problems");
        assert_eq!(two.issues.len(), 2);
    }

    #[test]
    fn too_many_operations_are_refused() {
        let operation = serde_json::json!({"op": "remove", "path": "/a"});
        let most = vec![operation.clone(); MOST_OPERATIONS];
        assert!(read(Value::Array(most)).is_ok());
        let more = vec![operation; MOST_OPERATIONS + 1];
        let error = read(Value::Array(more)).expect_err("too many");
        assert_eq!(error.category, Category::TooLarge);
    }
}
