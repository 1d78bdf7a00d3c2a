//! Whether a question is asked, by the answers to others.
//! <https://hl7.org/fhir/R4/questionnaire-definitions.html#Questionnaire.item.enableWhen>
//!
//! A condition looks for the nearest question with its linkId: around the item, then among what
//! stands in the same group, then further out. Expressions (`enableWhenExpression` of the guide
//! for forms) are not evaluated: what has one is neither missed nor refused.

use std::cmp::Ordering;

use serde_json::Value;

use super::{list, text};
use crate::validation::profile::values;

/// `None` where it cannot be told.
pub(super) fn is_enabled(question: &Value, within: &[&Value]) -> Option<bool> {
    let is_expression = |extension: &Value| {
        text(extension, "url").is_some_and(|url| url.ends_with("enableWhenExpression"))
    };
    if list(question, "extension").any(is_expression) {
        return None;
    }
    let mut conditions = list(question, "enableWhen").map(|one| is_met(one, within));
    match text(question, "enableBehavior") {
        _ if question.get("enableWhen").is_none() => Some(true),
        Some("any") => {
            let met: Vec<Option<bool>> = conditions.collect();
            match met.contains(&Some(true)) {
                true => Some(true),
                false if met.contains(&None) => None,
                false => Some(false),
            }
        }
        _ => conditions.try_fold(true, |all, met| Some(all & met?)),
    }
}

fn is_met(condition: &Value, within: &[&Value]) -> Option<bool> {
    let question = text(condition, "question")?;
    let answers = answers_of(question, within);
    let members = condition.as_object()?;
    let wanted = members
        .iter()
        .find(|(name, _)| name.starts_with("answer"))?
        .1;
    let orders = || {
        answers
            .iter()
            .filter_map(|answer| values::compare(answer, wanted))
    };
    let is_equal = || answers.iter().any(|answer| is_same(answer, wanted));
    match text(condition, "operator")? {
        "exists" => Some(wanted == &Value::Bool(!answers.is_empty())),
        "=" => Some(is_equal()),
        // Whether what has no answer differs from one is nowhere said.
        "!=" if answers.is_empty() => None,
        "!=" => Some(!is_equal()),
        ">" => Some(orders().any(Ordering::is_gt)),
        "<" => Some(orders().any(Ordering::is_lt)),
        ">=" => Some(orders().any(Ordering::is_ge)),
        "<=" => Some(orders().any(Ordering::is_le)),
        _ => None,
    }
}

/// Codings by system and code, references by what they point at, others by their order or as
/// they are.
fn is_same(answer: &Value, wanted: &Value) -> bool {
    let same = |name: &str| answer.get(name) == wanted.get(name);
    if wanted.get("reference").is_some() {
        return same("reference");
    }
    match (wanted.get("code"), wanted.get("value")) {
        (Some(_), None) => same("code") && same("system"),
        (_, Some(_)) => values::compare(answer, wanted) == Some(Ordering::Equal),
        _ => answer == wanted || values::compare(answer, wanted) == Some(Ordering::Equal),
    }
}

/// The values that answer the nearest question with this linkId.
fn answers_of<'v>(link: &str, within: &[&'v Value]) -> Vec<&'v Value> {
    for around in within.iter().rev() {
        let mut items = Vec::new();
        if text(around, "linkId") == Some(link) {
            items.push(*around);
        } else {
            push_items(around, link, &mut items);
        }
        if !items.is_empty() {
            return items.into_iter().flat_map(values_of).collect();
        }
    }
    Vec::new()
}

/// The items below with this linkId, also those below answers.
fn push_items<'v>(within: &'v Value, link: &str, out: &mut Vec<&'v Value>) {
    for item in list(within, "item") {
        if text(item, "linkId") == Some(link) {
            out.push(item);
        }
        push_items(item, link, out);
        for answer in list(item, "answer") {
            push_items(answer, link, out);
        }
    }
}

fn values_of(item: &Value) -> impl Iterator<Item = &Value> {
    let members = list(item, "answer").filter_map(Value::as_object);
    members.flat_map(|members| {
        let values = members.iter().filter(|(name, _)| name.starts_with("value"));
        values.map(|(_, value)| value)
    })
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    #[test]
    fn conditions_look_at_the_nearest_answers() {
        let inner =
            json!({"linkId": "g", "item": [{"linkId": "a", "answer": [{"valueInteger": 5}]}]});
        let response = json!({"item": [
            {"linkId": "a", "answer": [{"valueInteger": 1}]},
            {"linkId": "b", "answer": [{"valueCoding": {"system": "s", "code": "c", "display": "C"}}]},
            inner,
        ]});
        let when = |question: &str, operator: &str, name: &str, value: Value| json!({"question": question, "operator": operator, name: value});
        let coding = json!({"system": "s", "code": "c"});
        let rows = [
            (json!([]), None, Some(true)),
            (
                json!([when("a", "=", "answerInteger", json!(5))]),
                None,
                Some(true),
            ),
            (
                json!([when("a", ">", "answerInteger", json!(5))]),
                None,
                Some(false),
            ),
            (
                json!([when("a", "<=", "answerInteger", json!(5))]),
                None,
                Some(true),
            ),
            (
                json!([when("b", "=", "answerCoding", coding.clone())]),
                None,
                Some(true),
            ),
            (
                json!([when("b", "!=", "answerCoding", coding)]),
                None,
                Some(false),
            ),
            (
                json!([when("z", "exists", "answerBoolean", json!(false))]),
                None,
                Some(true),
            ),
            (
                json!([when("z", "=", "answerInteger", json!(1))]),
                None,
                Some(false),
            ),
            (
                json!([when("z", "!=", "answerInteger", json!(1))]),
                None,
                None,
            ),
            (
                json!([
                    when("a", "=", "answerInteger", json!(5)),
                    when("b", "exists", "answerBoolean", json!(false))
                ]),
                Some("all"),
                Some(false),
            ),
            (
                json!([
                    when("a", "=", "answerInteger", json!(5)),
                    when("b", "exists", "answerBoolean", json!(false))
                ]),
                Some("any"),
                Some(true),
            ),
        ];
        for (conditions, behavior, expected) in rows {
            let mut question = json!({"linkId": "q"});
            if conditions != json!([]) {
                question["enableWhen"] = conditions.clone();
            }
            if let Some(behavior) = behavior {
                question["enableBehavior"] = json!(behavior);
            }
            let within = [&response, &inner];
            assert_eq!(is_enabled(&question, &within), expected, "{conditions}");
        }
    }
}
