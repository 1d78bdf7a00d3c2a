//! One object of the answer while it is made: what several fields or flattened children say
//! under one name is collated. <https://hl7.org/fhir/R4/graphql.html#flattening>
//!
//! What an element has not is not in the answer, as in FHIR's JSON and the examples of the page,
//! where GraphQL itself would say null.

use indexmap::IndexMap;
use serde_json::{Map, Value};

/// An object that is being made.
#[derive(Debug, Default)]
pub struct Output {
    slots: IndexMap<String, Slot>,
}

#[derive(Debug)]
struct Slot {
    values: Vec<Value>,
    is_list: bool,
    /// The FHIR type of all of them.
    kind: String,
}

/// How a value stands under its name.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Stands {
    Alone,
    InList,
    /// `@singleton`: alone, and an error with others.
    Single,
}

impl Output {
    /// # Errors
    /// Several values where one is to be alone; values of different types.
    pub fn add(
        &mut self,
        name: &str,
        value: Value,
        stands: Stands,
        kind: &str,
    ) -> Result<(), String> {
        let Some(slot) = self.slots.get_mut(name) else {
            let slot = Slot {
                values: vec![value],
                is_list: stands == Stands::InList,
                kind: kind.to_owned(),
            };
            self.slots.insert(name.to_owned(), slot);
            return Ok(());
        };
        if slot.kind != kind {
            return Err(format!(
                "expected values of one type for {name} but found {} and {kind}",
                slot.kind
            ));
        }
        if stands == Stands::Single && !slot.values.is_empty() {
            return Err(format!(
                "expected one value for {name}, which is a @singleton, but found several"
            ));
        }
        slot.is_list = true;
        slot.values.push(value);
        Ok(())
    }

    /// A list is said even where it has nothing: what was searched for and not found.
    pub fn begin_list(&mut self, name: &str, kind: &str) {
        let slot = self.slots.entry(name.to_owned());
        slot.or_insert_with(|| Slot {
            values: Vec::new(),
            is_list: true,
            kind: kind.to_owned(),
        });
    }

    pub fn finish(self) -> Value {
        let members = self.slots.into_iter().map(|(name, mut slot)| {
            let value = match (slot.is_list, slot.values.len()) {
                (false, 1) => slot.values.swap_remove(0),
                _ => Value::Array(slot.values),
            };
            (name, value)
        });
        Value::Object(members.collect::<Map<_, _>>())
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    #[test]
    fn values_are_collated() {
        use Stands::{Alone, InList, Single};
        for (said, expected) in [
            (&[("a", 1, Alone, "t")][..], Ok(json!({"a": 1}))),
            (&[("a", 1, InList, "t")], Ok(json!({"a": [1]}))),
            (
                &[
                    ("a", 1, InList, "t"),
                    ("b", 2, Alone, "u"),
                    ("a", 3, InList, "t"),
                ],
                Ok(json!({"a": [1, 3], "b": 2})),
            ),
            (
                &[("a", 1, Alone, "t"), ("a", 2, Alone, "t")],
                Ok(json!({"a": [1, 2]})),
            ),
            (&[("a", 1, Single, "t")], Ok(json!({"a": 1}))),
            (&[("a", 1, Single, "t"), ("a", 2, Single, "t")], Err(())),
            (&[("a", 1, InList, "t"), ("a", 2, InList, "u")], Err(())),
        ] {
            let mut output = Output::default();
            let done = said
                .iter()
                .try_for_each(|(name, value, stands, kind)| {
                    output.add(name, json!(value), *stands, kind)
                })
                .map(|()| output.finish())
                .map_err(drop);
            assert_eq!(done, expected, "{said:?}");
        }
    }
}
